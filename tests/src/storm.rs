//! A storm: 200 alarms for 20 services within a second, each delivered twice, by all ways at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use jiff::SignedDuration;
use local::proxy::Proxy;
use local::runtime_api::{Event, Function, Outcome};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::faults::spawn_with;
use crate::rig::own_channels;
use crate::stage::{Stage, Test};
use crate::world::{By, World, now};

const SERVICES: usize = 20;
const ALARMS_EACH: usize = 10;
const DELIVERIES: usize = 2;

/// How many processes the platform runs at once.
const PROCESSES: usize = 8;

/// How often the platform tries an event that failed (`MaximumRetryAttempts` of the template), after the first time.
const RETRIES: u32 = 2;

pub(crate) fn tests() -> Vec<(String, Test)> {
    let name = "storm::of_200_alarms_twice_each_service_is_rolled_back_once_and_all_else_is_explained";
    vec![(name.to_owned(), |stage| storm(stage).boxed_local())]
}

/// One event on its way, as often as it takes.
struct Delivery {
    service: usize,
    request_id: String,
    event: Value,
    attempt: u32,
}

/// How one event ended: the service that it was about, the outcome and the reason.
type Ended = (usize, String, String);

async fn storm(stage: &Stage) -> anyhow::Result<()> {
    let names: Vec<String> = (0..SERVICES).map(|nth| format!("storm-{nth:02}")).collect();
    let worlds = try_join_all(names.iter().map(|name| World::new(stage, name))).await?;
    let waiting = Mutex::new(deliveries(&worlds).await?);

    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    let settings = own_channels(stage, "storm").await?;
    let ended = Mutex::new(Vec::new());
    try_join_all((0..PROCESSES).map(async |_| {
        let function = spawn_with(stage, &stage.alarm_rollback, proxy.url(), &settings).await?;
        work(&function, &waiting, &ended).await
    }))
    .await?;

    explained(&names, ended.into_inner())?;
    let updates = proxy.calls().into_iter().filter(|call| call.is("ecs:UpdateService"));
    let mut updated: Vec<_> =
        updates.map(|call| call.json()["service"].as_str().unwrap_or_default().to_owned()).collect();
    updated.sort();
    ensure!(updated == names, "UpdateService was called {} times: {updated:?}", updated.len());
    for world in &worlds {
        world.expect_revision(1).await?;
    }
    Ok(())
}

/// Every alarm's change, twice: first all of them once, so that the second comes while or after the first is dealt
/// with.
async fn deliveries(worlds: &[World<'_>]) -> anyhow::Result<VecDeque<Delivery>> {
    let mut alarms = Vec::new();
    for nth in 0..ALARMS_EACH {
        let of_each = worlds.iter().enumerate().map(async |(service, world)| {
            let alarm = world.alarm(&format!("alarm-{nth}"), false).await?;
            alarm.set(StateValue::Alarm).await?;
            anyhow::Ok((service, alarm))
        });
        alarms.extend(try_join_all(of_each).await?);
    }
    let begin = now();
    let mut all = VecDeque::new();
    for delivery in 0..DELIVERIES {
        for (nth, (service, alarm)) in alarms.iter().enumerate() {
            // All within one second, and each by another way the second time.
            let at = begin - SignedDuration::from_millis(i64::try_from(nth * 1_000 / alarms.len())?);
            let by = [By::Direct, By::EventBridge, By::Sns][(nth + delivery) % 3];
            all.push_back(Delivery {
                service: *service,
                request_id: format!("storm-{delivery}-{nth}"),
                event: alarm.event(by, "OK", "ALARM", at)?,
                attempt: 0,
            });
        }
    }
    Ok(all)
}

/// Takes one event after another; one that failed for a while goes back to the end.
async fn work(
    function: &Function,
    waiting: &Mutex<VecDeque<Delivery>>,
    ended: &Mutex<Vec<Ended>>,
) -> anyhow::Result<()> {
    loop {
        let next = waiting.lock().await.pop_front();
        let Some(mut delivery) = next else {
            return Ok(());
        };
        let event =
            Event::new(&delivery.event).request_id(&delivery.request_id).timeout(Duration::from_secs(60));
        match function.invoke(event).await?.outcome {
            Outcome::Ok(answer) => {
                let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                ended.lock().await.push((delivery.service, text("outcome"), text("reason")));
            }
            Outcome::Error { kind, message } if kind == "Transient" && delivery.attempt < RETRIES => {
                eprintln!("… {} comes again: {message}", delivery.request_id);
                delivery.attempt += 1;
                waiting.lock().await.push_back(delivery);
            }
            outcome => anyhow::bail!("{} failed for good: {outcome:?}", delivery.request_id),
        }
    }
}

/// One rollback for each service; all else was repeated, or found the rollback in progress, and says so.
fn explained(names: &[String], ended: Vec<Ended>) -> anyhow::Result<()> {
    let count = ended.len();
    ensure!(count == SERVICES * ALARMS_EACH * DELIVERIES, "{count} events came to an end");
    let mut rolled_back: BTreeMap<usize, u32> = BTreeMap::new();
    for (service, outcome, reason) in ended {
        let name = names.get(service).context("an event of no service")?;
        match outcome.as_str() {
            "rolled_back" => *rolled_back.entry(service).or_default() += 1,
            "ignored" => {
                let why = ["another invocation deals with", "was dealt with before"];
                ensure!(why.iter().any(|why| reason.contains(why)), "{name} was ignored: {reason}");
            }
            "held" => {
                let why = "a rollback of it is already in progress";
                ensure!(reason.contains(why), "{name} was held: {reason}");
            }
            other => anyhow::bail!("{name} ended with {other}: {reason}"),
        }
    }
    ensure!(
        rolled_back.len() == SERVICES && rolled_back.values().all(|times| *times == 1),
        "not one rollback each: {rolled_back:?}"
    );
    Ok(())
}
