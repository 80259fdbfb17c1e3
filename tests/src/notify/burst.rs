//! Sixty criticals within a moment, while Slack asks to be left alone.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use serde_json::json;

use super::doubles::{Heard, Way, at, double, pagerduty, slack, take};
use super::scene::{Named, Scene, notice};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 1] =
    [("of_60_criticals_that_slack_throttles_none_is_lost_and_no_pager_waits", |stage| {
        burst(stage).boxed_local()
    })];

/// How many processes the platform runs at once.
const PROCESSES: usize = 10;

const CRITICALS: usize = 60;

/// How many Slack takes before it asks to be left alone, and for how long.
const TAKEN: usize = 5;
const QUIET: u32 = 3;

/// How long the platform lets an invocation run.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Times are taken where a request has come whole, so the way there may shorten the time between two.
const ON_THE_WAY: Duration = Duration::from_millis(150);

async fn burst(stage: &Stage) -> anyhow::Result<()> {
    let (people, answer) =
        double(slack, |before| if before == TAKEN { Way::TooMany(QUIET) } else { Way::Take });
    at(stage, "/burst/slack", answer);
    let (pager, answer) = double(pagerduty, take);
    at(stage, "/burst/pager/", answer);
    let channels = |at: &str| {
        json!([
            {"name": "burst-ops", "type": "slack", "url": format!("{at}/slack")},
            {"name": "burst-pager", "type": "pagerduty", "routing_key": "0".repeat(32), "api": format!("{at}/pager/")},
        ])
    };
    let policy = "notify: {channels: {burst-pager: {at_most: {count: 20, within: 1s, burst: 20}}}}";
    let scene = Scene::new(stage, "burst", channels, policy).await?.lasting(TIMEOUT).await?;
    let incidents: Vec<String> = (0..CRITICALS).map(|nth| format!("burst-{nth:02}")).collect();
    let bodies = incidents.iter().map(|incident| notice(incident, "firing", "sev1", 0).to_string());
    scene.send(&bodies.collect::<Vec<_>>()).await?;

    let began = std::time::Instant::now();
    let ended = try_join_all((0..PROCESSES).map(async |_| {
        let function = scene.healthy().await?;
        scene.work(&function, TIMEOUT).await
    }));
    let ended: Vec<_> = ended.await?.into_iter().flatten().collect();
    let slowest = ended.iter().map(|ended| ended.took).max().context("nothing was handed over")?;
    ensure!(slowest < TIMEOUT - Duration::from_secs(1), "an invocation took {slowest:?}");

    let heard = people.all();
    let told: Vec<_> = heard.iter().filter(|heard| heard.is_taken()).map(told).collect();
    eprintln!(
        "… {} invocations, the slowest {slowest:?}, {:?} in all; Slack got {told:?}, the pager {}",
        ended.len(),
        began.elapsed(),
        pager.all().len()
    );
    ensure!(told.iter().sum::<usize>() == CRITICALS, "Slack was told of {told:?}");
    for incident in &incidents {
        let state = scene.told(incident, "burst-ops").await?;
        ensure!(state.as_deref() == Some("firing"), "{incident} was not told to Slack: {state:?}");
    }
    let refused = heard.iter().position(|heard| heard.way == Some(Way::TooMany(QUIET)));
    let refused = refused.context("Slack never asked to be left alone")?;
    let after = &heard[refused..];
    let between: Vec<_> =
        after.windows(2).map(|two| two[1].request.at.duration_since(two[0].request.at)).collect();
    let quiet = Duration::from_secs(QUIET.into()) - ON_THE_WAY;
    ensure!(between.first().is_some_and(|first| *first >= quiet), "Slack was not left alone: {between:?}");
    let every = Duration::from_secs(1) - ON_THE_WAY;
    ensure!(between.iter().all(|pause| *pause >= every), "more than one a second: {between:?}");
    let grouped: Vec<_> = told.iter().filter(|count| **count > 1).collect();
    ensure!(grouped.len() == 1, "what waited was not told as one: {told:?}");

    let keys: BTreeSet<_> = pager.taken().iter().map(|event| event["dedup_key"].to_string()).collect();
    let events = pager.all().len();
    ensure!(keys.len() == CRITICALS && events == CRITICALS, "{} pages in {events} events", keys.len());
    ensure!(scene.letters().await?.is_empty(), "something was given up");
    Ok(())
}

/// Of how many incidents a message tells.
pub(super) fn told(heard: &Heard) -> usize {
    let message = heard.request.json();
    let text = message["text"].as_str().unwrap_or_default();
    let counted =
        text.split_once(" incidents:").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    counted.unwrap_or(1)
}
