//! Throttles: slower, with the same outcome; and if they last longer than an invocation may, nothing half done.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::proxy::{Fault, Proxy, When};
use local::runtime_api::{Event, Outcome};

use super::rollback::{actions, rolled_back, scene};
use super::spawn;
use crate::stage::{Stage, Test};

/// What the template gives the function.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) const TESTS: [(&str, Test); 2] = [
    ("reads_that_are_all_throttled_twice_make_a_rollback_slower_and_nothing_else", |stage| {
        reads(stage).boxed_local()
    }),
    ("a_throttle_that_outlasts_the_invocation_leaves_nothing_half_done_and_the_retry_goes_on", |stage| {
        outlasting(stage).boxed_local()
    }),
];

async fn reads(stage: &Stage) -> anyhow::Result<()> {
    let actions = actions(stage, "reads").await?;
    let is_read = |action: &&String| {
        let operation = action.split_once(':').map_or("", |(_, operation)| operation);
        ["Describe", "Get", "List", "Query"].iter().any(|beginning| operation.starts_with(beginning))
    };
    let reads: Vec<&String> = actions.iter().filter(is_read).collect();
    ensure!(reads.len() >= 5, "a rollback reads only {reads:?}");
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    for action in &reads {
        proxy.inject(action, When::First(2), Fault::Throttle);
    }
    rolled_back(stage, &proxy, "slow-reads").await?;
    for action in reads {
        let times = proxy.count(action);
        ensure!(times >= 3, "{action} was called {times} times, so it was not throttled twice");
    }
    let updates = proxy.count("ecs:UpdateService");
    ensure!(updates == 1, "UpdateService was called {updates} times");
    Ok(())
}

/// All of ECS, and then only the call that changes something: once the rollback is not begun, once it is.
async fn outlasting(stage: &Stage) -> anyhow::Result<()> {
    let case = async |action: &str, service: &str| {
        outlasted(stage, action, service).await.with_context(|| format!("with {action} throttled"))
    };
    tokio::try_join!(case("ecs:*", "long-throttle"), case("ecs:UpdateService", "late-throttle")).map(drop)
}

async fn outlasted(stage: &Stage, action: &str, service: &str) -> anyhow::Result<()> {
    let (world, event) = scene(stage, service).await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject(action, When::Always, Fault::Throttle);
    let function = spawn(stage, &stage.alarm_rollback, proxy.url()).await?;
    let event = Event::new(&event).request_id(format!("request-{service}")).timeout(TIMEOUT);

    let invoked = function.invoke(event.clone()).await?;
    let Outcome::Error { kind, message } = &invoked.outcome else {
        anyhow::bail!("it ended with {:?}", invoked.outcome);
    };
    ensure!(kind == "Transient", "{kind}: {message}");
    world.expect_revision(2).await?;
    let begun = world.memory().await?.operations;
    if action == "ecs:*" {
        ensure!(begun.is_empty(), "something was begun without a look at the service: {begun:?}");
    } else {
        ensure!(begun.len() == 1 && begun[0].end.is_none(), "the operation is not open: {begun:?}");
    }
    let heard = world.notices(1).await?;
    let failure = heard[0]["title"].as_str().unwrap_or_default();
    ensure!(heard.len() == 1 && failure.contains("could not deal with it"), "{heard:#?}");

    proxy.heal();
    proxy.forget();
    // The same process goes on, with whatever it learnt of the throttle.
    let invoked = function.invoke(event).await?;
    let Outcome::Ok(answer) = &invoked.outcome else {
        anyhow::bail!("the retry ended with {:?}", invoked.outcome);
    };
    ensure!(answer["outcome"] == "rolled_back", "{answer:#}");
    world.expect_revision(1).await?;
    let updates = proxy.count("ecs:UpdateService");
    ensure!(updates == 1, "UpdateService was called {updates} times");
    let operations = world.memory().await?.operations;
    ensure!(operations.len() == 1, "{operations:?}");
    let heard = world.notices(2).await?;
    let told = heard[1]["title"].as_str().unwrap_or_default();
    ensure!(heard.len() == 2 && told.contains("rolled back to"), "{heard:#?}");
    Ok(())
}
