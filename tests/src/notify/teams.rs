//! Microsoft Teams, which takes everything and says nothing of what became of it.

use anyhow::ensure;
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::doubles::{at, double, slack, take, teams};
use super::scene::{Named, SHORT, Scene, notice};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 1] =
    [("what_teams_accepts_is_not_known_to_be_seen_so_the_worst_is_told_elsewhere_too", |stage| {
        accepted(stage).boxed_local()
    })];

/// The size of the request that Teams refused although it was under its limit.
const REFUSED: usize = 24_453;

const LARGEST: usize = 20_000;

async fn accepted(stage: &Stage) -> anyhow::Result<()> {
    let (cards, answer) = double(teams, take);
    at(stage, "/teams/workflow", answer);
    let (people, answer) = double(slack, take);
    at(stage, "/teams/slack", answer);
    let channels = |at: &str| {
        json!([
            {"name": "teams-ops", "type": "teams", "url": format!("{at}/workflow?sig=s3cret%2F&sv=1.0")},
            {"name": "teams-seen", "type": "slack", "url": format!("{at}/slack")},
        ])
    };
    let scene = Scene::new(stage, "teams", channels, "notify: {route: {channels: [teams-ops]}}").await?;
    let large = |incident: &str, severity: &str| {
        let mut notice = notice(incident, "firing", severity, 0);
        let facts = (0..40).map(|nth| {
            let value = format!("{nth}: \"<b>é\u{1f525}</b>\" ").repeat(60);
            json!({"name": format!("Finding {nth}"), "value": value})
        });
        notice["facts"] = facts.collect();
        notice
    };
    let notices = [large("teams-worst", "sev1"), large("teams-minor", "sev3")];
    ensure!(notices.iter().all(|notice| notice.to_string().len() > REFUSED), "nothing has to be cut");
    scene.send(&notices.map(|notice| notice.to_string())).await?;
    let function = scene.healthy().await?;
    scene.work(&function, SHORT).await?;

    let sizes: Vec<_> = cards.all().iter().map(|heard| heard.request.body.len()).collect();
    ensure!(cards.taken().len() == 2 && sizes.len() == 2, "Teams was sent {sizes:?}");
    ensure!(sizes.iter().all(|size| *size <= LARGEST), "a card is larger than Teams bears: {sizes:?}");
    let omits = |card: &Value| card.to_string().contains("omitted");
    ensure!(cards.taken().iter().all(omits), "a card does not say that something is left out");
    let both = [("teams-ops", "accepted_unverified"), ("teams-seen", "acknowledged")];
    for (incident, expected) in [("teams-worst", &both[..]), ("teams-minor", &both[..1])] {
        let mut found = scene.deliveries(incident).await?;
        found.sort();
        let expected: Vec<_> =
            expected.iter().map(|(channel, state)| ((*channel).to_owned(), (*state).to_owned())).collect();
        ensure!(found == expected, "the ledger says of {incident}: {found:?}");
    }
    let seen = people.taken();
    let worst = seen.len() == 1 && seen[0].to_string().contains("teams-worst");
    ensure!(worst, "the channel that verifies was told {seen:#?}");
    Ok(())
}
