//! `deployment-watch` behind the proxy: whatever breaks, a rollback is closed once, and people hear what kept it open.

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use local::proxy::{Fault, Proxy, When};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};
use shared::ledger::operation::End;

use super::{reached, spawn, spawn_with};
use crate::rig::{batch, timer, told};
use crate::stage::{Stage, Test};
use crate::world::{By, World, now};

pub(super) const TESTS: [(&str, Test); 3] = [
    ("a_watch_whose_call_is_denied_names_it_and_closes_nothing_on_a_guess", |stage| {
        denied(stage).boxed_local()
    }),
    ("a_watch_killed_at_any_call_closes_the_rollback_once", |stage| killed(stage).boxed_local()),
    ("a_watch_that_may_not_read_the_policy_tells_the_end_all_the_same", |stage| {
        without_policy(stage).boxed_local()
    }),
];

/// A rollback that is deployed and whose alarm is OK again, so that the next look closes it; and its timer. Nobody but
/// the test looks: the timer goes to a queue that nobody reads, and the alarm tells nobody.
async fn scene<'a>(stage: &'a Stage, service: &str) -> anyhow::Result<(World<'a>, Value)> {
    let world = World::new(stage, service).await?;
    let alarm = world.alarm("errors", false).await?;
    alarm.set(StateValue::Alarm).await?;
    let queue = stage.sqs.create_queue().queue_name("unread-timers").send().await?;
    let queue = [("TIMERS_QUEUE_URL", queue.queue_url.context("the queue has no URL")?)];
    let endpoint = stage.deployment.aws.endpoint();
    let function = spawn_with(stage, &stage.alarm_rollback, &endpoint, &queue).await?;
    let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
    let invoked = function.invoke(Event::new(&event)).await?;
    let Outcome::Ok(answer) = &invoked.outcome else {
        anyhow::bail!("{service} ended with {:?}", invoked.outcome);
    };
    let operation = answer["operation"].as_str().with_context(|| format!("nothing was begun: {answer:#}"))?;
    alarm.set(StateValue::Ok).await?;
    let target = format!("ecs:{}/{service}", crate::world::CLUSTER);
    Ok((world, batch(&timer(&target, operation)?)))
}

/// Whether the timer is over: nothing of the batch comes again.
async fn looked(function: &Function, event: Event) -> anyhow::Result<bool> {
    match function.invoke(event).await?.outcome {
        Outcome::Ok(answer) => Ok(answer["batchItemFailures"] == json!([])),
        outcome => anyhow::bail!("the watch ended with {outcome:?}"),
    }
}

/// It is closed as recovered, and people heard of its beginning and of its end, and of nothing more than `others`.
async fn closed(world: &World<'_>, others: usize) -> anyhow::Result<()> {
    let operations = world.memory().await?.operations;
    ensure!(operations.len() == 1 && operations[0].end == Some(End::Recovered), "{operations:?}");
    let heard = world.notices(2 + others).await?;
    let ends = heard.iter().filter(|notice| notice["state"] == "resolved").count();
    ensure!(heard.len() == 2 + others && ends == 1, "{heard:#?}");
    Ok(())
}

/// What one look asks for, in the order of the first call; learned, not listed.
async fn actions(stage: &Stage, name: &str) -> anyhow::Result<Vec<String>> {
    let (world, event) = scene(stage, &format!("{name}-not-at-all")).await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    let function = spawn(stage, &stage.deployment_watch, proxy.url()).await?;
    ensure!(looked(&function, Event::new(&event)).await?, "it is not closed");
    closed(&world, 0).await?;
    let mut actions = Vec::new();
    for call in proxy.calls() {
        if !actions.contains(&call.action) {
            actions.push(call.action);
        }
    }
    Ok(actions)
}

async fn denied(stage: &Stage) -> anyhow::Result<()> {
    let actions = actions(stage, "watch-denied").await?;
    ensure!(actions.len() >= 7, "a look asks only for {actions:?}");
    // Without the policy the defaults hold, and without sns:Publish nothing can be told; both have rules of their own.
    let named = |action: &&String| !["ssm:GetParameter", "sns:Publish"].contains(&action.as_str());
    for (index, action) in actions.iter().filter(named).enumerate() {
        let (world, event) = scene(stage, &format!("watch-denied-{index}")).await?;
        let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
        proxy.inject(action, When::Always, Fault::Deny);
        let function = spawn(stage, &stage.deployment_watch, proxy.url()).await?;
        denied_one(&world, &function, &proxy, &event, action)
            .await
            .with_context(|| format!("with {action} denied"))?;
    }
    Ok(())
}

async fn denied_one(
    world: &World<'_>,
    function: &Function,
    proxy: &Proxy,
    event: &Value,
    action: &str,
) -> anyhow::Result<()> {
    ensure!(!looked(function, Event::new(event)).await?, "the timer is let go");
    let operations = world.memory().await?.operations;
    ensure!(operations.len() == 1 && operations[0].end.is_none(), "it is closed on a guess: {operations:?}");
    // A transaction needs dynamodb:PutItem and has no name of its own in IAM.
    let named = if action.starts_with("dynamodb:Transact") { "dynamodb:PutItem" } else { action };
    let heard = told(proxy);
    let names = |notice: &&Value| notice["severity"] == "sev1" && notice.to_string().contains(named);
    ensure!(heard.iter().any(|notice| names(&notice)), "no notice names {named}: {heard:#?}");

    proxy.heal();
    ensure!(looked(function, Event::new(event)).await?, "granted again, it is not closed");
    let operations = world.memory().await?.operations;
    ensure!(operations[0].end == Some(End::Recovered), "granted again: {operations:?}");
    Ok(())
}

async fn without_policy(stage: &Stage) -> anyhow::Result<()> {
    let (world, event) = scene(stage, "watch-unread").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("ssm:GetParameter", When::Always, Fault::Deny);
    let function = spawn(stage, &stage.deployment_watch, proxy.url()).await?;
    ensure!(looked(&function, Event::new(&event)).await?, "it is not closed");
    closed(&world, 0).await?;
    // Two functions told them: the topic may bring the end first.
    let heard = world.notices(2).await?;
    let end = heard.iter().find(|notice| notice["state"] == "resolved").context("the end is not told")?;
    ensure!(end.to_string().contains("ssm:GetParameter is denied"), "{end}");
    Ok(())
}

/// At each call in turn the process dies: before the call reaches AWS, and after it did.
async fn killed(stage: &Stage) -> anyhow::Result<()> {
    let each = async |name: &str, fault| {
        let mut nth = 1;
        while killed_at(stage, &format!("watch-dead-{name}-{nth}"), nth, fault).await? {
            nth += 1;
        }
        ensure!(nth > 7, "a look takes more than {} calls", nth - 1);
        Ok(())
    };
    tokio::try_join!(each("before", Fault::Hang), each("after", Fault::HangAfter)).map(drop)
}

/// Kills at the nth call and lets the queue hand the timer over again; whether there was an nth call.
async fn killed_at(stage: &Stage, service: &str, nth: usize, fault: Fault) -> anyhow::Result<bool> {
    let endpoint = stage.deployment.aws.endpoint();
    let (world, event) = scene(stage, service).await?;
    let proxy = Proxy::forwarding(&endpoint).await?;
    proxy.inject("*", When::Nth(nth), fault);
    let function = spawn(stage, &stage.deployment_watch, proxy.url()).await?;
    tokio::select! {
        over = looked(&function, Event::new(&event)) => {
            ensure!(over?, "{service} is not closed without being killed");
            return Ok(false);
        }
        reached = reached(&proxy, nth, fault) => reached?,
    }
    function.kill().await?;

    let function = spawn(stage, &stage.deployment_watch, &endpoint).await?;
    ensure!(looked(&function, Event::new(&event)).await?, "the retry of {service} did not close it");
    closed(&world, 0).await.with_context(|| format!("after {service}"))?;
    Ok(true)
}
