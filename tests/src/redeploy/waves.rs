//! A canary first, then ever more at once; what fails stops the rest; what changes together is deployed once.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use jiff::SignedDuration;
use local::recorded::Fleet;
use local::recorded::fleet::{Course, Failure};
use serde_json::json;
use shared::ledger::redeploy::{Phase, Standing};

use super::place::Place;
use super::scene::{Named, QUICK, TEN_AT_ONCE};
use super::secrets::CURRENT;
use crate::rig::{fact, put_policy};
use crate::stage::Stage;
use crate::world::now;

/// One canary, then three times as many each time, two at most.
const CAREFUL: &str = "redeploy: {settle: 1s, waves: {first: 1, growth: 3, at_most: 2}}";

/// How long it takes until ECS gives a deployment up, and until it is back: events are there before all is over.
const SLOWLY: Duration = Duration::from_millis(500);

pub(super) const TESTS: [Named; 7] = [
    ("waves_begin_one_after_another_with_the_canary_and_grow_to_their_cap", |stage| {
        growing(stage).boxed_local()
    }),
    ("a_canary_that_fails_stops_the_rest_and_people_hear_which_and_why", |stage| canary(stage).boxed_local()),
    (
        "a_label_is_put_back_where_that_is_safe_and_wanted_and_whoever_took_the_new_value_comes_back",
        |stage| put_back(stage).boxed_local(),
    ),
    ("secrets_that_change_together_cost_one_redeployment_of_each_service", |stage| {
        together(stage).boxed_local()
    }),
    (
        "a_secret_that_changes_while_another_is_rolled_out_redeploys_nobody_twice_within_the_interval",
        |stage| meanwhile(stage).boxed_local(),
    ),
    ("a_freeze_and_a_closed_window_hold_waves_back_and_outlive_the_process", |stage| {
        held(stage).boxed_local()
    }),
    ("a_label_that_moves_on_drops_the_redeploy_of_the_version_before", |stage| {
        superseded(stage).boxed_local()
    }),
];

/// Services of one task, `prod/a`, `prod/b`, …, that use all of these secrets.
fn services(names: &[&str], arns: &[&str]) -> Fleet {
    names.iter().fold(Fleet::new().completing_after(QUICK), |fleet, name| {
        let definition = format!("{name}:1");
        let fleet = fleet.service("prod", name);
        let fleet = arns
            .iter()
            .enumerate()
            .fold(fleet, |fleet, (nth, arn)| fleet.using(&definition, &format!("SECRET_{nth}"), arn));
        fleet.deployed(&definition, 600)
    })
}

async fn growing(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "growing").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = services(&["a", "b", "c", "d", "e"], &[&db.arn]).tagged("watchkeeper:redeploy", "first");
    let mut scene = place.with(CAREFUL, fleet).await?;
    for name in ["a", "b", "e"] {
        scene.fleet.next(name, Course::Stands)?;
    }
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect_updated(&["e"])?;
    // Nothing begins while the canary is on its way, however often it is looked at.
    scene.hurry();
    scene.run().await?;
    scene.expect_updated(&["e"])?;
    scene.fleet.complete("e")?;
    scene.run().await?;
    scene.expect_updated(&["a", "b", "e"])?;
    scene.fleet.complete("a")?;
    scene.run().await?;
    scene.expect_updated(&["a", "b", "e"])?;
    scene.fleet.complete("b")?;
    scene.run().await?;
    scene.expect_updated(&["a", "b", "c", "d", "e"])?;
    scene.until_over().await?;
    let waves: Vec<_> =
        scene.members().await?.into_iter().map(|(name, member)| (name, member.wave)).collect();
    let expected = [("prod/a", 1), ("prod/b", 1), ("prod/c", 2), ("prod/d", 2), ("prod/e", 0)];
    ensure!(waves == expected.map(|(name, wave)| (name.to_owned(), Some(wave))), "{waves:?}");
    let told = scene.newest(1)?;
    ensure!(
        fact(&told, "Waves") == Some("3") && told["state"] == "info" && told["severity"] == "sev4",
        "{told:#}"
    );
    ensure!(scene.settled.len() == 1 && scene.settled[0]["version"] == db.version(), "{:?}", scene.settled);
    scene.close().await
}

async fn canary(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "canary").await?;
    let mut db = place.secret("db", &[("watchkeeper:rotation", "postgres-alternating")]).await?;
    let fleet = services(&["b", "c", "a"], &[&db.arn]).tagged("watchkeeper:redeploy", "first");
    let mut scene = place.with(CAREFUL, fleet).await?;
    scene.fleet.next("a", Course::Fails(SLOWLY, Failure::cannot_read_secret(&db.arn)))?;
    db.change().await?;
    scene.follow(&db).await?;
    scene.expect_updated(&["a"])?;
    scene.expect("prod/a", Standing::Failed, "").await?;
    for name in ["prod/b", "prod/c"] {
        scene.expect(name, Standing::Queued, "its turn has not come").await?;
    }
    ensure!(scene.redeploy().await?.phase == Phase::Stopped, "{:?}", scene.redeploy().await?);
    let told = scene.newest(1)?;
    ensure!(told["severity"] == "sev2" && told["state"] == "firing", "{told:#}");
    let failed = fact(&told, "Failed").context("nobody failed")?;
    ensure!(failed.starts_with("prod/a: ") && failed.to_lowercase().contains("secret"), "{told:#}");
    ensure!(fact(&told, "Not begun") == Some("prod/b, prod/c"), "{told:#}");
    ensure!(
        told["summary"].as_str().is_some_and(|text| text.contains("The user before stays usable")),
        "{told:#}"
    );
    let command = format!("--move-to-version-id {}", db.versions[0]);
    let offered = told["next_steps"]
        .as_array()
        .is_some_and(|steps| steps.iter().any(|step| step.to_string().contains(&command)));
    ensure!(offered, "the way back is not offered: {told:#}");
    ensure!(db.labelled(CURRENT).await?.as_deref() == Some(db.version()), "the label was moved unasked");
    ensure!(scene.settled.is_empty(), "{:?}", scene.settled);

    // Told once; and the way on is by hand, which ends what people were told.
    scene.until_over().await?;
    scene.newest(1)?;
    let request = json!({"redeploy": {"secret": db.name, "dry_run": false, "by": "alice"}});
    scene.tell(&request).await?.expect("begun", "")?;
    scene.until_over().await?;
    // Who asks by hand has decided when: no interval keeps the canary from being tried again.
    scene.expect_updated(&["a", "a", "b", "c"])?;
    scene.expect("prod/a", Standing::Fresh, "").await?;
    let told = scene.newest(2)?;
    ensure!(told["state"] == "resolved", "{told:#}");
    scene.close().await
}

async fn put_back(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "put-back").await?;
    let mut db = place.secret("db", &[("watchkeeper:rotation", "postgres-alternating")]).await?;
    let fleet = services(&["b", "c", "d", "a"], &[&db.arn]).tagged("watchkeeper:redeploy", "first");
    let policy = "redeploy: {settle: 1s, put_back: when_safe, waves: {first: 1, growth: 3, at_most: 10}}";
    let mut scene = place.with(policy, fleet).await?;
    // The sweep has seen the label where it is, so that it is known where it comes back to.
    scene.tell(&json!({"sweep": "secrets"})).await?.expect("swept", "")?;
    scene.fleet.next("a", Course::Fails(SLOWLY, Failure::exits(1)))?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    // Somebody deploys one of them meanwhile: its tasks start with the new value.
    scene.fleet.deploy("d", "d:1")?;
    scene.until_over().await?;
    scene.expect_updated(&["a"])?;
    let old = db.versions[0].clone();
    ensure!(db.labelled(CURRENT).await?.as_ref() == Some(&old), "the label was not put back");
    let told = scene.newest(1)?;
    ensure!(told["state"] == "firing" && told["severity"] == "sev2", "{told:#}");
    let put =
        told["actions"].as_array().is_some_and(|all| all.iter().any(|it| it.to_string().contains(&old)));
    ensure!(put, "that the label was put back is not told: {told:#}");

    // AWS tells of this move, too.
    scene.tell(&db.moved_to(CURRENT, &old)).await?.expect("begun", "")?;
    scene.until_over().await?;
    scene.expect_updated(&["a", "d"])?;
    scene.expect("prod/d", Standing::Fresh, "").await?;
    for name in ["prod/b", "prod/c"] {
        scene.expect(name, Standing::Fresh, "run with this version already").await?;
    }
    let told = scene.newest(2)?;
    ensure!(told["state"] == "resolved", "{told:#}");
    scene.close().await
}

async fn together(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "together").await?;
    let (mut one, mut two) = (place.secret("one", &[]).await?, place.secret("two", &[]).await?);
    let fleet = services(&["a", "b"], &[&one.arn, &two.arn]);
    let fleet = fleet.service("prod", "c").using("c:1", "TWO", &two.arn).deployed("c:1", 600);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    one.change().await?;
    scene.tell(&one.moved()).await?.expect("begun", "")?;
    two.change().await?;
    scene.tell(&two.moved()).await?.expect("begun", "")?;
    scene.until_over().await?;
    scene.expect_updated(&["a", "b", "c"])?;
    ensure!(scene.redeploys.len() == 2, "{:?}", scene.redeploys);
    for id in scene.redeploys.clone() {
        let redeploy = scene.ledger.redeploy(&id).await?.context("it is gone")?;
        ensure!(redeploy.phase == Phase::Done, "{redeploy:?}");
        let members = scene.members_of(&id).await?;
        ensure!(members.values().all(|member| member.standing == Standing::Fresh), "{members:#?}");
    }
    ensure!(scene.settled.len() == 2, "{:?}", scene.settled);
    scene.close().await
}

async fn meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "meanwhile").await?;
    let (mut one, mut two) = (place.secret("one", &[]).await?, place.secret("two", &[]).await?);
    let fleet = services(&["a", "b", "c"], &[&one.arn, &two.arn]);
    let mut scene = place.with(CAREFUL, fleet).await?;
    scene.fleet.next("a", Course::Stands)?;
    one.change().await?;
    scene.tell(&one.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect_updated(&["a"])?;
    // The canary of the first is on its way, with the second as it was.
    two.change().await?;
    scene.tell(&two.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect("prod/a", Standing::Deferred, "is under way").await?;
    scene.fleet.complete("a")?;
    scene.until(async |scene| Ok(scene.updated() == ["a", "b", "c"])).await?;
    let (first, second) = (scene.redeploys[0].clone(), scene.redeploys[1].clone());
    scene
        .until(async |scene| {
            let waits = scene.members_of(&second).await?;
            Ok(waits["prod/a"].why.contains("a short while ago")
                && waits["prod/b"].standing == Standing::Fresh)
        })
        .await?;
    ensure!(
        scene.ledger.redeploy(&first).await?.context("it is gone")?.phase == Phase::Done,
        "the first is not over"
    );
    let waits = scene.members_of(&second).await?;
    let until = waits["prod/a"].until.context("it waits for nothing")?;
    let left = until.duration_since(now());
    ensure!(SignedDuration::from_mins(14) < left && left <= SignedDuration::from_mins(15), "{left:?}");
    scene.expect_updated(&["a", "b", "c"])?;
    scene.close().await
}

async fn held(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "held").await?;
    let mut db = place.secret("db", &[("watchkeeper:rotation", "postgres")]).await?;
    let fleet = services(&["a", "b"], &[&db.arn]);
    let mut scene = place.with("freeze: true\nredeploy: {settle: 1s}", fleet).await?;
    let environment = scene.environment.clone();
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;
    scene.expect_updated(&[])?;
    // The old password no longer works, so the wait is urgent.
    let told = scene.newest(1)?;
    ensure!(
        told["severity"] == "sev2" && told["title"].as_str().is_some_and(|title| title.contains("wait")),
        "{told:#}"
    );

    scene.restart().await?;
    // From in two hours on, for an hour; today's date does not matter, since it is every day's.
    let clock = |hours: i64| {
        let time = now() + SignedDuration::from_hours(hours);
        time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M").to_string()
    };
    let until = clock(3);
    let window = |from: &str| format!("{{name: night, from: \"{from}\", to: \"{until}\", zone: UTC}}");
    let closed = window(&clock(2));
    put_policy(stage, &environment, &format!("redeploy: {{settle: 1s, only_in: [{closed}]}}")).await?;
    scene.hurry();
    scene.run().await?;
    scene.expect_updated(&[])?;
    let waits = scene.seen.last().context("nothing was reported")?;
    waits.expect("waiting", "waves begin when a window opens")?;
    let next = scene.redeploy().await?.next.context("nothing comes next")?;
    ensure!(
        next <= now() + SignedDuration::from_mins(15),
        "its message would be handed out for too long: {next}"
    );
    put_policy(stage, &environment, &format!("windows: [{}]\nredeploy: {{settle: 1s}}", window(&clock(-1))))
        .await?;
    scene.hurry();
    scene.run().await?;
    scene.expect_updated(&[])?;
    scene.seen.last().context("nothing was reported")?.expect("waiting", "the maintenance window")?;

    scene.restart().await?;
    put_policy(stage, &environment, "redeploy: {settle: 1s}").await?;
    scene.until_over().await?;
    scene.expect_updated(&["a", "b"])?;
    let told = scene.newest(2)?;
    ensure!(told["state"] == "resolved", "{told:#}");
    scene.close().await
}

async fn superseded(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "superseded").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = services(&["a", "b"], &[&db.arn]);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    let first = db.moved();
    db.change().await?;
    scene.tell(&first).await?.expect("ignored", "moved on")?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.until_over().await?;
    scene.expect_updated(&["a", "b"])?;
    let dropped = scene.ledger.redeploy(&scene.redeploys[0]).await?.context("it is gone")?;
    ensure!(dropped.phase == Phase::Dropped, "{dropped:?}");
    scene.newest(1)?;
    scene.close().await
}
