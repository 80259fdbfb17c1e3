//! The process dies, at every call in turn: whoever goes on does what is left, and nothing twice.

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use local::proxy::{Fault, When};
use local::recorded::{Fleet, digest};
use serde_json::json;
use shared::ledger::redeploy::{Phase, Standing};

use super::place::Place;
use super::scene::{Named, QUICK, Scene};
use super::secrets::Secret;
use crate::stage::Stage;

pub(super) const TESTS: [Named; 3] = [
    ("a_process_killed_before_any_of_its_calls_is_gone_on_with", |stage| {
        each(stage, "killed-before", Fault::Hang).boxed_local()
    }),
    ("a_process_killed_after_any_of_its_calls_is_gone_on_with", |stage| {
        each(stage, "killed-after", Fault::HangAfter).boxed_local()
    }),
    ("whoever_comes_late_to_a_redeploy_goes_on_where_it_is_by_then", |stage| late(stage).boxed_local()),
];

/// So many stories are told at the same time: most of each is waiting.
const SIDE_BY_SIDE: usize = 6;

/// Two waves: `web` by a copy of its task definition, `api` by CodeDeploy beside `job`.
pub(super) async fn scene<'a>(stage: &'a Stage, name: &str) -> anyhow::Result<(Scene<'a>, Secret)> {
    let place = Place::new(stage, name).await?;
    let db = place.secret("db", &[("watchkeeper:rotation", "valkey-auth-token")]).await?;
    let image = json!({"containerDefinitions": [{"name": "app", "essential": true,
        "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web:latest"}]});
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .pushed("web:latest", "one")
        .service("prod", "api")
        .by_code_deploy("shop", "shop-live")
        .using("api:1", "DB", &db.arn)
        .deployed("api:1", 600)
        .service("prod", "job")
        .using("job:1", "DB", &db.arn)
        .deployed("job:1", 600)
        .service("prod", "web")
        .tagged("watchkeeper:redeploy", "first")
        .defined("web:1", &image)
        .using("web:1", "DB", &db.arn)
        .deployed("web:1", 600);
    fleet.move_tag("web:latest", "two");
    let scene = place.with("redeploy: {settle: 1s, waves: {first: 1, growth: 3, at_most: 3}}", fleet).await?;
    Ok((scene, db))
}

/// How every story ends, whatever happened on the way.
pub(super) async fn expect_end(scene: &Scene<'_>, db: &Secret) -> anyhow::Result<()> {
    scene.expect_updated(&["job", "web"])?;
    let created = scene
        .fleet
        .code_deploy()
        .changes()
        .iter()
        .filter(|change| change.action == "codedeploy:CreateDeployment")
        .count();
    ensure!(created == 1, "CodeDeploy deployed {created} times");
    for (name, member) in scene.members().await? {
        ensure!(member.standing == Standing::Fresh && member.wave.is_some(), "{name}: {member:#?}");
    }
    ensure!(scene.redeploys.len() == 1, "{:?}", scene.redeploys);
    let redeploy = scene.redeploy().await?;
    // A wave that is cut off is gone on with as the next.
    ensure!(redeploy.phase == Phase::Done && (2..=3).contains(&redeploy.waves), "{redeploy:#?}");
    let web = scene.fleet.standing("web")?;
    ensure!(web.digests == [digest("one")], "another image is deployed: {web:?}");
    let told = scene.newest(1)?;
    ensure!(
        told["title"].as_str().is_some_and(|title| title.ends_with("changed: 3 services redeployed")),
        "{told:#}"
    );
    ensure!(!scene.settled.is_empty(), "the hook was not told");
    ensure!(scene.settled.iter().all(|told| told["version"] == db.version()), "{:?}", scene.settled);
    Ok(())
}

async fn each(stage: &Stage, name: &str, fault: Fault) -> anyhow::Result<()> {
    // How many calls there are, an undisturbed story says.
    let (mut scene, mut db) = self::scene(stage, &format!("{name}-not-at-all")).await?;
    db.change().await?;
    scene.follow(&db).await?;
    expect_end(&scene, &db).await?;
    let calls = scene.proxy.calls().len();
    scene.close().await?;
    ensure!(calls > 40, "a redeploy takes {calls} calls only");

    let killed = async |nth: usize| {
        let result = killed_at(stage, &format!("{name}-{nth}"), nth, fault).await;
        result.with_context(|| format!("killed at call {nth}"))
    };
    let died: Vec<bool> =
        stream::iter(1..=calls).map(killed).buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    let died = died.into_iter().filter(|died| *died).count();
    // A few calls fewer or more are made as the events fall.
    ensure!(calls - 5 <= died, "only {died} of {calls} died");
    super::scene::measured(&format!("{died} processes were killed, each at another call"));
    Ok(())
}

/// Whether there was such a call.
async fn killed_at(stage: &Stage, name: &str, nth: usize, fault: Fault) -> anyhow::Result<bool> {
    let (mut scene, mut db) = self::scene(stage, name).await?;
    scene.kill_at(nth, fault);
    db.change().await?;
    let event = db.moved();
    scene.tell(&event).await?;
    scene.until_over().await?;
    let call = scene.proxy.calls().get(nth - 1).map(|call| call.action.clone()).unwrap_or_default();
    expect_end(&scene, &db).await.with_context(|| format!("it was {call}"))?;
    let died = !scene.is_to_die();
    scene.close().await?;
    Ok(died)
}

/// One process reads how far the redeploy is, and is then held up, while another brings it to its end.
async fn late(stage: &Stage) -> anyhow::Result<()> {
    let (mut scene, mut db) = self::scene(stage, "late").await?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    let other = scene.another().await?;
    scene.collect();
    let id = scene.redeploys[0].clone();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // The first thing that is written is who has it in hand.
    scene.proxy.inject("dynamodb:PutItem", When::First(1), Fault::Delay(std::time::Duration::from_secs(4)));
    let event =
        local::runtime_api::Event::new(&json!({"Records": [{"messageId": "late", "receiptHandle": "late",
        "body": json!({"follow": {"redeploy": id}}).to_string(), "eventSource": "aws:sqs"}]}));
    let held_up = other.invoke(event);
    let goes_on = async {
        scene.proxy.arrival("dynamodb:PutItem", 5).await;
        scene.until_over().await
    };
    let (held_up, ()) = tokio::try_join!(held_up, goes_on)?;
    ensure!(matches!(held_up.outcome, local::runtime_api::Outcome::Ok(_)), "{held_up:?}");
    expect_end(&scene, &db).await?;
    scene.close().await
}
