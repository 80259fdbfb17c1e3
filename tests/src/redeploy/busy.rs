//! A secret changes while somebody deploys.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::recorded::Fleet;
use local::recorded::fleet::{Course, Failure};
use shared::ledger::redeploy::Standing;

use super::place::Place;
use super::scene::{Named, QUICK, TEN_AT_ONCE};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 4] = [
    ("a_deployment_that_began_before_is_waited_for_and_its_end_brings_the_redeployment", |stage| {
        before(stage).boxed_local()
    }),
    ("a_deployment_that_began_after_brings_the_new_version_itself", |stage| after(stage).boxed_local()),
    ("a_deployment_that_ecs_takes_back_is_followed_by_one_redeployment", |stage| {
        taken_back(stage).boxed_local()
    }),
    ("a_service_that_is_waited_for_in_vain_is_left_to_people", |stage| in_vain(stage).boxed_local()),
];

async fn before(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "before").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .service("prod", "web")
        .using("web:1", "DB", &db.arn)
        .using("web:2", "DB", &db.arn)
        .deployed("web:1", 600)
        .deploying("web:2", 5);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    let first = scene.fleet.standing("web")?.deployment_id;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect_updated(&[])?;
    scene.expect("prod/web", Standing::Deferred, &first).await?;
    // A new process knows of it, too.
    scene.restart().await?;
    scene.hurry();
    scene.run().await?;
    scene.expect_updated(&[])?;

    scene.fleet.complete("web")?;
    // Nothing but the event of its end brings this about.
    scene.run().await?;
    scene.expect_updated(&["web"])?;
    scene.until_over().await?;
    scene.expect_updated(&["web"])?;
    let standing = scene.fleet.standing("web")?;
    ensure!(standing.task_definition == "web:2", "{standing:?}");
    let member = scene.member("prod/web").await?;
    ensure!(member.waited_for.as_ref() == Some(&first), "{member:#?}");
    ensure!(member.deployment.as_ref() == Some(&standing.deployment_id), "{member:#?}");
    ensure!(standing.deployment_id != first, "the two deployments are not told apart: {member:#?}");
    scene.newest(1)?;
    scene.close().await
}

async fn after(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "after").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = Fleet::new()
        .service("prod", "done")
        .using("done:1", "DB", &db.arn)
        .deployed("done:1", 600)
        .service("prod", "moving")
        .using("moving:1", "DB", &db.arn)
        .deployed("moving:1", 600);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.fleet.next("done", Course::Completes(QUICK))?;
    scene.fleet.deploy("done", "done:1")?;
    scene.fleet.deploy("moving", "moving:1")?;
    scene.run().await?;
    scene.expect("prod/done", Standing::Fresh, "after the secret changed").await?;
    scene.expect("prod/moving", Standing::Moving, "is under way").await?;
    scene.fleet.complete("moving")?;
    scene.until_over().await?;
    scene.expect("prod/moving", Standing::Fresh, "").await?;
    scene.expect_updated(&[])?;
    scene.close().await
}

async fn taken_back(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "taken-back").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .service("prod", "web")
        .using("web:1", "DB", &db.arn)
        .using("web:2", "DB", &db.arn)
        .deployed("web:1", 600)
        .deploying("web:2", 5);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    let failed = scene.fleet.standing("web")?.deployment_id;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.fleet.fail("web", &Failure::exits(1))?;
    scene.run().await?;
    scene.expect_updated(&[])?;
    scene.fleet.complete("web")?;
    scene.run().await?;
    scene.until_over().await?;
    scene.expect_updated(&["web"])?;
    let standing = scene.fleet.standing("web")?;
    ensure!(standing.task_definition == "web:1", "{standing:?}");
    let member = scene.member("prod/web").await?;
    ensure!(
        member.standing == Standing::Fresh && member.deployment.as_ref() == Some(&standing.deployment_id),
        "{member:#?}"
    );
    let waited_for = member.waited_for.context("nothing was waited for")?;
    ensure!(waited_for == failed, "waited for {waited_for}, not {failed}");
    scene.close().await
}

async fn in_vain(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "in-vain").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .service("prod", "web")
        .using("web:1", "DB", &db.arn)
        .deployed("web:1", 600)
        .deploying("web:1", 5)
        // ECS could neither stop a task of it nor start another one.
        .service("prod", "stuck")
        .using("stuck:1", "DB", &db.arn)
        .with(&serde_json::json!({"desiredCount": 1}))
        .configured(&serde_json::json!({"minimumHealthyPercent": 100, "maximumPercent": 100}))
        .deployed("stuck:1", 600);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect("prod/stuck", Standing::Skipped, "can neither stop a task nor start another one").await?;
    // The day that the policy gives it is over.
    let id = scene.redeploy().await?.id;
    let mut member = scene.member("prod/web").await?;
    let long_ago = jiff::SignedDuration::from_hours(25);
    (member.since, member.until) = (member.since - long_ago, None);
    scene.ledger.record_members(&id, &[member], crate::world::now()).await?;
    scene.until_over().await?;
    scene.expect("prod/web", Standing::Skipped, "it was waited for in vain").await?;
    scene.expect_updated(&[])?;
    let told = scene.newest(1)?;
    ensure!(told["severity"] == "sev3" && told["summary"].as_str().is_some(), "{told:#}");
    scene.close().await
}
