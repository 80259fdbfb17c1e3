//! Who uses a secret, and with which image they go on.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::recorded::{Fleet, digest};
use serde_json::{Value, json};
use shared::ledger::redeploy::Standing;

use super::place::Place;
use super::scene::{Named, QUICK, TEN_AT_ONCE};
use crate::rig::fact;
use crate::stage::Stage;

pub(super) const TESTS: [Named; 4] = [
    ("a_secret_is_found_in_all_its_spellings_and_nobody_else_is_redeployed", |stage| {
        spellings(stage).boxed_local()
    }),
    ("a_tag_that_moved_since_is_not_shipped_with_a_rotation", |stage| moved_tag(stage).boxed_local()),
    ("a_tag_that_moved_is_refused_where_the_policy_says_so", |stage| refused_tag(stage).boxed_local()),
    ("who_uses_a_secret_is_answered_by_hand_without_touching_anything", |stage| uses(stage).boxed_local()),
];

/// A container of an image of the account's own registry.
fn container(image: &str, further: &Value) -> Value {
    let mut container = json!({
        "name": "app",
        "image": format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/{image}"),
        "essential": true,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
    });
    if let (Some(fields), Some(further)) = (container.as_object_mut(), further.as_object()) {
        fields.extend(further.clone());
    }
    json!({"containerDefinitions": [container]})
}

async fn spellings(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "spellings").await?;
    let mut db = place.secret("prod/db", &[]).await?;
    let replica = place.secret("prod/db-replica", &[]).await?;
    let log = json!({"logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "datadog"},
        "secretOptions": [{"name": "apikey", "valueFrom": db.arn}]}});
    let elsewhere =
        db.arn.replacen("arn:aws:", "arn:aws-us-gov:", 1).replacen("eu-central-1", "us-gov-west-1", 1);
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .service("prod", "whole")
        .using("whole:1", "DB", &db.arn)
        .deployed("whole:1", 600)
        .service("prod", "key")
        .using("key:1", "DB", &format!("{}:password::", db.arn))
        .deployed("key:1", 600)
        .service("batch", "partial")
        .using("partial:1", "DB", db.partial())
        .deployed("partial:1", 600)
        .service("prod", "log")
        .defined("log:1", &container("log:1", &log))
        .deployed("log:1", 600)
        .service("prod", "pinned")
        .using("pinned:1", "DB", &format!("{}:::{}", db.arn, db.version()))
        .deployed("pinned:1", 600)
        .service("prod", "decoy")
        .using("decoy:1", "DB", &replica.arn)
        .deployed("decoy:1", 600)
        .service("prod", "elsewhere")
        .using("elsewhere:1", "DB", &elsewhere)
        .deployed("elsewhere:1", 600)
        // Its new revision no longer names the secret; tasks of the old one still run.
        .service("prod", "older")
        .using("older:1", "DB", &db.arn)
        .deployed("older:1", 600)
        .deploying("older:2", 5);
    let old = db.version().to_owned();
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    db.change().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    scene.run().await?;

    scene.expect_updated(&["key", "log", "partial", "whole"])?;
    let members = scene.members().await?;
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let expected = ["batch/partial", "prod/key", "prod/log", "prod/older", "prod/pinned", "prod/whole"];
    ensure!(names == expected, "found were {names:?}");
    for name in ["batch/partial", "prod/key", "prod/log", "prod/whole"] {
        scene.expect(name, Standing::Fresh, "").await?;
    }
    scene.expect("prod/pinned", Standing::Skipped, &format!("it asks for version {old}")).await?;
    scene.expect("prod/older", Standing::Deferred, "is under way").await?;
    let places = |name: &str| members[name].uses.join(", ");
    ensure!(places("prod/log").contains("log options"), "{}", places("prod/log"));
    ensure!(places("prod/key").contains("(key password)"), "{}", places("prod/key"));

    scene.fleet.complete("older")?;
    scene.until_over().await?;
    ensure!(scene.member("prod/older").await?.standing.is_over(), "{:#?}", scene.member("prod/older").await?);
    let told = scene.newest(1)?;
    let alone = fact(&told, "Left alone").context("nobody was left alone")?;
    ensure!(alone.contains("prod/pinned: it asks for version"), "the warning is missing: {told:#}");
    ensure!(told["severity"] == "sev3" && told["state"] == "info", "{told:#}");
    for stranger in ["decoy", "elsewhere"] {
        ensure!(!told.to_string().contains(stranger), "{told:#}");
    }
    scene.close().await
}

async fn moved_tag(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "moved-tag").await?;
    let mut secret = place.secret("api-key", &[]).await?;
    let fleet = latest(&secret.arn);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    secret.change().await?;
    scene.follow(&secret).await?;

    scene.expect_updated(&["still", "web"])?;
    let web = scene.fleet.standing("web")?;
    ensure!(web.task_definition == "web:2", "no copy is deployed: {web:?}");
    ensure!(web.digests == [digest("one")], "another image is deployed: {web:?}");
    let still = scene.fleet.standing("still")?;
    ensure!(still.task_definition == "still:1" && still.digests == [digest("one")], "{still:?}");
    ensure!(scene.proxy.count("ecs:RegisterTaskDefinition") == 1, "more than one copy was registered");
    scene.expect("prod/web", Standing::Fresh, "").await?;
    scene.newest(1)?;
    scene.close().await
}

/// `web` runs a digest that its tag no longer names; `still` one that it still does.
fn latest(arn: &str) -> Fleet {
    let fleet = Fleet::new()
        .completing_after(QUICK)
        .pushed("web:latest", "one")
        .pushed("still:latest", "one")
        .service("prod", "web")
        .defined("web:1", &container("web:latest", &json!({})))
        .using("web:1", "KEY", arn)
        .deployed("web:1", 600)
        .service("prod", "still")
        .defined("still:1", &container("still:latest", &json!({})))
        .using("still:1", "KEY", arn)
        .deployed("still:1", 600);
    fleet.move_tag("web:latest", "two");
    fleet
}

async fn refused_tag(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "refused-tag").await?;
    let mut secret = place.secret("api-key", &[]).await?;
    let fleet = latest(&secret.arn);
    let policy = "redeploy: {settle: 1s, moved_image: refuse, waves: {first: 10, at_most: 10}}";
    let mut scene = place.with(policy, fleet).await?;
    secret.change().await?;
    scene.follow(&secret).await?;

    scene.expect_updated(&["still"])?;
    scene.expect("prod/web", Standing::Skipped, "means another image by now than the one that runs").await?;
    let told = scene.newest(1)?;
    ensure!(fact(&told, "Left alone").is_some_and(|alone| alone.contains("web:latest")), "{told:#}");
    ensure!(scene.proxy.count("ecs:RegisterTaskDefinition") == 0, "a copy was registered");
    scene.close().await
}

async fn uses(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "uses").await?;
    let mut secret = place.secret("api-key", &[]).await?;
    let fleet = latest(&secret.arn);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    secret.change().await?;
    // What changed last is known to the second only.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let seen = scene.tell(&json!({"uses": {"secret": secret.name}})).await?;
    seen.expect("found", "2 of 2 services that were looked at use")?;
    let services = seen.answer["services"].as_array().context("no services")?;
    let of =
        |name: &str| services.iter().find(|service| service["service"] == name).cloned().unwrap_or_default();
    ensure!(of("ecs:prod/web")["standing"] == "to_redeploy", "{:#}", seen.answer);
    let pin = of("ecs:prod/web")["plan"]["pins"]["app"].as_str().unwrap_or_default().to_owned();
    ensure!(pin.ends_with(&digest("one")), "{:#}", seen.answer);
    ensure!(of("ecs:prod/still")["plan"]["pins"] == json!({}), "{:#}", seen.answer);
    scene.run().await?;
    scene.expect_updated(&[])?;
    ensure!(scene.redeploys.is_empty() && scene.notices().is_empty(), "something was begun");

    // And by hand, now.
    let request = json!({"redeploy": {"secret": secret.name, "dry_run": false, "by": "alice"}});
    scene.tell(&request).await?.expect("begun", "a notice tells of the end")?;
    scene.until_over().await?;
    scene.expect_updated(&["still", "web"])?;
    // Once more it has nothing to do.
    scene.tell(&request).await?.expect("begun", "")?;
    scene.until_over().await?;
    scene.expect_updated(&["still", "web"])?;
    scene.close().await
}
