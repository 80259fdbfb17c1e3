//! A deployment that is still on its way is stopped, so that ECS goes back by itself; deployment-watch sees it through.

use anyhow::ensure;
use local::recorded::{Deployments, Status};
use serde_json::json;

use super::alarms::{Count, Watch};
use super::apart::Apart;
use super::record::Story;
use super::report::{said, text};
use super::{SOON, Stand, containers};
use crate::say::{self, Tone};

const ERRORS: Watch = Watch {
    name: "checkout-errors",
    metric: "CheckoutErrorPercent",
    threshold: 5.0,
    description: "More than 5 % of the requests to checkout fail.",
    dimensions: &[("ClusterName", "shop"), ("ServiceName", "checkout")],
    statistic: Count::Lowest,
};

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("in-flight", "The alarm fires while the deployment is still on its way");
    say::also("recorded", "local AWS keeps no service deployments: what ECS says here is recorded");
    let ecs = Deployments::new("shop", "checkout")
        .defined("checkout:11", &containers("shop/checkout:2.3.0", &json!([])))
        .defined("checkout:12", &containers("shop/checkout:2.4.0", &json!([])))
        .deployed("checkout:11", 3 * 24 * 60, "2.3.0")
        .deploying("checkout:12", 2, "2.4.0");
    let answers = ecs.clone();
    let apart = Apart::start(stand, move |call| answers.answer(call)).await?;
    stand.say(
        Tone::Warm,
        "deploy",
        "shop/checkout runs checkout:11; checkout:12 has been on its way for two minutes",
    );

    stand.alarms.create(ERRORS, None).await?;
    let fired = stand.alarms.wait_for_state(ERRORS, "ALARM", Some(18.0), SOON).await?;
    stand.say_at(fired.at, Tone::Bad, "alarm", &format!("checkout-errors is ALARM: {}", fired.reason));
    let heard = stand.heard();
    let rolled_back = apart.hand(&fired.event(ERRORS, "OK", "ALARM")?).await?.report;
    stand.decided(&rolled_back, "rolled_back")?;

    let changes = ecs.changes();
    ensure!(
        matches!(changes.as_slice(), [change]
            if change.action == "ecs:StopServiceDeployment" && text(&change.sent, "stopType") == "ROLLBACK"),
        "other calls were made: {changes:?}"
    );
    stand.say(
        Tone::Good,
        "called",
        "ecs:StopServiceDeployment with ROLLBACK, and nothing else that changes anything",
    );
    stand.told(heard).await?;

    let status = ecs.complete("checkout")?;
    let running = ecs.running("checkout")?.task_definition;
    ensure!(
        status == Status::RollbackSuccessful && running == "checkout:11",
        "the deployment ended as {status}, on {running}"
    );
    stand.say(Tone::Good, "service", &format!("ECS says {status}: shop/checkout runs {running} again"));
    let cleared = stand.alarms.wait_for_state(ERRORS, "OK", Some(0.4), SOON).await?;
    stand.say_at(cleared.at, Tone::Good, "alarm", &format!("checkout-errors is OK: {}", cleared.reason));
    let handed_over = apart.hand(&cleared.event(ERRORS, "ALARM", "OK")?).await?.report;
    stand.decided(&handed_over, "handed_over")?;

    let heard = stand.heard();
    let closed = apart.watch().await?.report;
    stand.say(Tone::Good, "watch", &said(&closed));
    ensure!(text(&closed, "outcome") == "recovered", "the rollback ended otherwise: {}", said(&closed));
    let notice = stand.told(heard).await?;
    ensure!(text(&notice, "state") == "resolved", "the notice's state is {}", text(&notice, "state"));
    story.done(json!({
        "outcome": text(&rolled_back, "outcome"),
        "reason": text(&rolled_back, "reason"),
        "called": "ecs:StopServiceDeployment",
        "closed": text(&closed, "reason"),
        "task_definition": running,
        "recorded": ["ecs"],
    }));
    Ok(())
}
