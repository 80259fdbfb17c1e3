//! An alarm after a redeployment that changed no code, only secrets: nothing is rolled back, and people hear which.

use anyhow::{Context, ensure};
use aws_sdk_secretsmanager as secrets;
use local::recorded::Deployments;
use serde_json::json;

use super::alarms::{Count, Watch};
use super::apart::Apart;
use super::record::Story;
use super::report::text;
use super::{SOON, Stand, containers};
use crate::say::{self, Tone};

const ERRORS: Watch = Watch {
    name: "orders-errors",
    metric: "OrdersErrorPercent",
    threshold: 5.0,
    description: "More than 5 % of the requests to orders fail.",
    dimensions: &[("ClusterName", "shop"), ("ServiceName", "orders")],
    statistic: Count::Lowest,
};

const SECRET: &str = "orders/database";

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("rotation", "An alarm after a secret was rotated");
    say::also("recorded", "local AWS keeps no service deployments: what ECS says here is recorded");
    let secret = rotate(stand).await?;
    stand.say(Tone::Plain, "secret", &format!("{SECRET} gets a new version, in local Secrets Manager"));
    let used = json!([{"name": "DATABASE_PASSWORD", "valueFrom": secret}]);
    let ecs = Deployments::new("shop", "orders")
        .defined("orders:7", &containers("shop/orders:5.1.2", &used))
        .deployed("orders:7", 9 * 24 * 60, "5.1.2")
        .deployed("orders:7", 0, "5.1.2");
    let answers = ecs.clone();
    let apart = Apart::start(stand, move |call| answers.answer(call)).await?;
    stand.say(
        Tone::Plain,
        "deploy",
        "shop/orders is deployed anew, so that its tasks read it: orders:7 as before, the same image",
    );

    stand.alarms.create(ERRORS, None).await?;
    let fired = stand.alarms.wait_for_state(ERRORS, "ALARM", Some(100.0), SOON).await?;
    stand.say_at(fired.at, Tone::Bad, "alarm", &format!("orders-errors is ALARM: {}", fired.reason));
    let heard = stand.heard();
    let held = apart.hand(&fired.event(ERRORS, "OK", "ALARM")?).await?.report;
    stand.decided(&held, "held")?;
    let reason = text(&held, "reason");
    ensure!(reason.contains(SECRET), "it does not say which secret changed: {reason}");

    let (changes, running) = (ecs.changes(), ecs.running("orders")?.task_definition);
    ensure!(changes.is_empty() && running == "orders:7", "something was changed: {changes:?}");
    stand.say(Tone::Good, "service", "shop/orders still runs orders:7; nothing was called that changes it");
    stand.told(heard).await?;
    story.done(json!({
        "outcome": text(&held, "outcome"),
        "reason": reason,
        "task_definition": running,
        "recorded": ["ecs"],
    }));
    Ok(())
}

/// A secret with a new version; its ARN.
async fn rotate(stand: &Stand) -> anyhow::Result<String> {
    let client = secrets::Client::new(&stand.deployment.config);
    let created = client.create_secret().name(SECRET).secret_string("before").send().await?;
    client.put_secret_value().secret_id(SECRET).secret_string("after").send().await?;
    created.arn().map(ToOwned::to_owned).context("the secret has no ARN")
}
