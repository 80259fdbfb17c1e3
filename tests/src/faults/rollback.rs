//! `alarm-rollback` behind the proxy: whatever breaks, the service ends on the good revision or nothing was done, and
//! people hear of it.

use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use local::proxy::{Fault, Proxy, When, longest_chain};
use local::runtime_api::{Event, Outcome};
use serde_json::Value;

use super::{reached, spawn};
use crate::stage::{Stage, Test};
use crate::world::{By, World, notices, now};

pub(super) const TESTS: [(&str, Test); 6] = [
    ("a_rollback_takes_at_most_14_calls_and_7_of_them_one_after_another", |stage| {
        budget(stage).boxed_local()
    }),
    ("a_call_that_is_throttled_once_changes_nothing", |stage| {
        each(stage, "throttled", Fault::Throttle).boxed_local()
    }),
    ("a_call_whose_connection_breaks_before_it_arrives_changes_nothing", |stage| {
        each(stage, "cut-before", Fault::CutBefore).boxed_local()
    }),
    ("a_call_whose_answer_is_lost_changes_nothing", |stage| {
        each(stage, "cut-after", Fault::CutAfter).boxed_local()
    }),
    ("a_call_that_is_denied_is_named_and_nothing_is_done_on_a_guess", |stage| denied(stage).boxed_local()),
    ("a_process_killed_at_any_call_is_made_good_by_the_retry", |stage| killed(stage).boxed_local()),
];

/// Longer than it takes to send calls at once, shorter than any time-out.
const HELD_BACK: Duration = Duration::from_millis(50);

/// What local AWS is asked for in a rollback, in the order of the first call; learned, not listed.
pub(super) async fn actions(stage: &Stage, name: &str) -> anyhow::Result<Vec<String>> {
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    rolled_back(stage, &proxy, &format!("{name}-not-at-all")).await?;
    let mut actions = Vec::new();
    for call in proxy.calls() {
        if !actions.contains(&call.action) {
            actions.push(call.action);
        }
    }
    ensure!(
        actions.iter().any(|action| action == "ecs:UpdateService"),
        "it was not rolled back: {actions:?}"
    );
    Ok(actions)
}

/// A bad deployment and the event of its alarm.
pub(super) async fn scene<'a>(stage: &'a Stage, service: &str) -> anyhow::Result<(World<'a>, Value)> {
    let world = World::new(stage, service).await?;
    let alarm = world.alarm("errors", false).await?;
    alarm.set(StateValue::Alarm).await?;
    let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
    Ok((world, event))
}

/// One rollback from event to notice behind the proxy, whatever it does.
pub(super) async fn rolled_back(stage: &Stage, proxy: &Proxy, service: &str) -> anyhow::Result<()> {
    let (world, event) = scene(stage, service).await?;
    let function = spawn(stage, &stage.alarm_rollback, proxy.url()).await?;
    let invoked = function.invoke(Event::new(&event)).await?;
    let Outcome::Ok(answer) = &invoked.outcome else {
        anyhow::bail!("{service} ended with {:?}", invoked.outcome);
    };
    ensure!(answer["outcome"] == "rolled_back", "{service}: {answer}");
    world.expect_revision(1).await?;
    let heard = world.notices(1).await?;
    ensure!(heard.len() == 1, "{service}: people heard {} different things", heard.len());
    Ok(())
}

async fn budget(stage: &Stage) -> anyhow::Result<()> {
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    // Every answer is held back, so that calls made at once are seen at once.
    proxy.inject("*", When::Always, Fault::Delay(HELD_BACK));
    rolled_back(stage, &proxy, "calls-counted").await?;
    let calls = proxy.calls();
    let names: Vec<_> = calls.iter().map(|call| call.action.as_str()).collect();
    let until =
        names.iter().position(|name| *name == "ecs:UpdateService").context("nothing was rolled back")?;
    ensure!(until < 14, "{} calls up to the rollback: {names:?}", until + 1);
    let chain = longest_chain(&calls, "ecs:UpdateService");
    ensure!(chain <= 7, "{chain} calls one after another: {names:?}");
    Ok(())
}

/// A fault in the first call of each action, one after the other.
async fn each(stage: &Stage, name: &str, fault: Fault) -> anyhow::Result<()> {
    for (index, action) in actions(stage, name).await?.iter().enumerate() {
        let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
        proxy.inject(action, When::First(1), fault);
        let result = rolled_back(stage, &proxy, &format!("{name}-{index}")).await;
        result.with_context(|| format!("with {fault:?} in the first {action}"))?;
    }
    Ok(())
}

async fn denied(stage: &Stage) -> anyhow::Result<()> {
    let actions = actions(stage, "denied").await?;
    let until = actions.iter().position(|action| action == "ecs:UpdateService").unwrap_or_default();
    for (index, action) in actions.iter().take(until + 1).enumerate() {
        let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
        proxy.inject(action, When::Always, Fault::Deny);
        let service = format!("denied-{index}");
        let (world, event) = scene(stage, &service).await?;
        let function = spawn(stage, &stage.alarm_rollback, proxy.url()).await?;
        let invoked = function.invoke(Event::new(&event)).await?;

        // A transaction needs dynamodb:PutItem and has no name of its own in IAM.
        let named = if action.starts_with("dynamodb:Transact") { "dynamodb:PutItem" } else { action };
        let Outcome::Error { kind, message } = &invoked.outcome else {
            anyhow::bail!("with {action} denied it ended with {:?}", invoked.outcome);
        };
        ensure!(kind == "Permanent" && message.contains(named), "with {action} denied: {kind}: {message}");
        world.expect_revision(2).await.with_context(|| format!("with {action} denied"))?;
        let heard =
            notices(stage, "/audit", &service, 1).await.with_context(|| format!("with {action} denied"))?;
        ensure!(heard[0].to_string().contains(named), "the notice does not name {named}: {}", heard[0]);
    }
    Ok(())
}

/// At each call in turn the process dies: before the call reaches AWS, and after it did.
async fn killed(stage: &Stage) -> anyhow::Result<()> {
    let each = async |name: &str, fault| {
        let mut nth = 1;
        while killed_at(stage, &format!("killed-{name}-{nth}"), nth, fault).await? {
            nth += 1;
        }
        ensure!(nth > 12, "a rollback takes more than {} calls", nth - 1);
        Ok(())
    };
    tokio::try_join!(each("before", Fault::Hang), each("after", Fault::HangAfter)).map(drop)
}

/// Kills at the nth call and lets the platform try again; whether there was an nth call.
async fn killed_at(stage: &Stage, service: &str, nth: usize, fault: Fault) -> anyhow::Result<bool> {
    let endpoint = stage.deployment.aws.endpoint();
    let (world, event) = scene(stage, service).await?;
    let proxy = Proxy::forwarding(&endpoint).await?;
    proxy.inject("*", When::Nth(nth), fault);
    let function = spawn(stage, &stage.alarm_rollback, proxy.url()).await?;
    let request = format!("request-{service}");
    let event = Event::new(&event).request_id(&request);
    tokio::select! {
        invoked = function.invoke(event.clone()) => {
            ensure!(matches!(invoked?.outcome, Outcome::Ok(_)), "{service} failed without being killed");
            return Ok(false);
        }
        reached = reached(&proxy, nth, fault) => reached?,
    }
    function.kill().await?;

    let function = spawn(stage, &stage.alarm_rollback, &endpoint).await?;
    let retried = function.invoke(event).await?;
    ensure!(
        matches!(retried.outcome, Outcome::Ok(_)),
        "the retry of {service} ended with {:?}",
        retried.outcome
    );
    world.expect_revision(1).await?;
    let heard = world.notices(1).await.with_context(|| format!("{service} was not told"))?;
    let told = heard[0]["title"].as_str().is_some_and(|title| title.contains("rolled back"));
    ensure!(told && heard.len() == 1, "{service}: {heard:?}");
    Ok(true)
}
