//! A burst: how often each channel is told, and how long it takes until all is told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use jiff::SignedDuration;
use local::receiver::Request;
use local::runtime_api::Function;
use serde_json::{Value, json};
use shared::notice::Severity;

use super::world::{NOTICES, World};
use super::{Row, Stage, notice};
use crate::corpus::wall;

/// The burst.
const COUNT: usize = 1_000;
const INCIDENTS: usize = 20;

/// How many instances Lambda begins with for a queue (Lambda developer guide, "Using Lambda with Amazon SQS").
const INSTANCES: usize = 5;

/// How often a channel that people read may be told.
const GOAL: f64 = 20.0;

/// All has to be told within this time.
const PATIENCE: Duration = Duration::from_mins(10);

/// The channels that people read, by name: those over HTTPS, and those over AWS.
const READ: [&str; 5] = ["slack", "teams", "email", "topic", "amazon-q"];

/// The channel that a machine reads.
const MACHINE: &str = "webhook";

/// The policies: what they are called in the rows, and their documents.
const POLICIES: [(&str, Option<&str>); 2] = [
    ("default policy", None),
    (
        "group_by environment, wait 1 s, interval 10 s",
        Some(
            "notify: {route: {group_by: [environment], group_wait: 1s, group_interval: 10s}, \
             channels: {webhook: {at_most: {count: 1000, within: 1s, burst: 1000}}}}",
        ),
    ),
];

/// Deliveries and times under each policy.
pub(super) async fn rows(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, policy) in POLICIES {
        let told = burst(stage, policy).await?;
        let label = |what: &str| format!("burst, {name}: {what}");
        let row = |what: &str, unit, value| stage.row(&label(what), unit, value);
        rows.push(row(
            &format!("{COUNT} notices of {INCIDENTS} incidents taken in"),
            "s",
            told.taken.as_secs_f64(),
        ));
        rows.push(row("all told", "s", told.all.as_secs_f64()));
        for (channel, count) in READ.iter().zip(&told.read) {
            rows.push(row(&format!("deliveries to {channel}"), "", whole(*count)?).at_most(GOAL));
        }
        rows.push(row("distinct notices to a webhook", "", whole(told.machine)?));
        rows.push(row("neither these nor overtaken by them", "", whole(told.lost)?).at_most(0.0));
        rows.push(row("AWS calls for each notice", "calls", whole(told.calls)? / whole(COUNT)?));
    }
    Ok(rows)
}

fn whole(count: usize) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(count)?))
}

/// What became of a burst.
struct Told {
    /// Until every notice was handed over and settled, or waits with others.
    taken: Duration,
    /// Until the last delivery.
    all: Duration,
    read: [usize; 5],
    machine: usize,
    /// Notices that the webhook got neither by themselves nor by a later one of their incident.
    lost: usize,
    calls: usize,
}

fn channels(receiver: &str) -> Value {
    let topic = |name: &str| format!("arn:aws:sns:eu-central-1:123456789012:{name}");
    json!({"channels": [
        {"name": "slack", "type": "slack", "url": format!("{receiver}/slack")},
        {"name": "teams", "type": "teams", "url": format!("{receiver}/teams")},
        {"name": "email", "type": "email", "from": "watch@shop.example", "to": ["ops@shop.example"]},
        {"name": "topic", "type": "sns", "topic": topic("topic")},
        {"name": "amazon-q", "type": "amazon-q", "topic": topic("amazon-q")},
        {"name": MACHINE, "type": "webhook", "url": format!("{receiver}/{MACHINE}"), "secret": "a key"},
    ]})
}

async fn burst(stage: &Stage<'_>, policy: Option<&str>) -> anyhow::Result<Told> {
    let receiver = &stage.receiver;
    receiver.clear();
    let world = World::new(&channels(&receiver.url()), policy).await?;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(stage.spawn(&world).await?);
    }
    let severities = [Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4];
    let now = wall();
    let mut sent = Vec::new();
    for number in 0..COUNT {
        let incident = number % INCIDENTS;
        let severity = *severities.iter().cycle().nth(incident).context("there are severities")?;
        let after = SignedDuration::from_millis(i64::try_from(number)?);
        let notice = notice(&format!("web-{incident}"), severity, now, after)?;
        world.send(NOTICES, serde_json::to_string(&notice)?);
        sent.push((notice.incident, notice.revision));
    }

    let began = Instant::now();
    let working = instances.iter().map(async |function| work(&world, function, began).await);
    let taken = try_join_all(working).await?.into_iter().max().unwrap_or_default();

    ensure!(world.dead_letters() == 0, "{} notices ended as dead letters", world.dead_letters());
    let over_https = receiver.all();
    let at = |path: &str| over_https.iter().filter(|request| request.path.ends_with(path)).count();
    let machine: BTreeSet<(String, u64)> =
        over_https.iter().filter(|request| request.path.ends_with(MACHINE)).filter_map(told).collect();
    let has_later = |(incident, revision): &&(String, u64)| {
        machine.range((incident.clone(), *revision)..).next().is_some_and(|(of, _)| of == incident)
    };
    let missed = sent.len() - sent.iter().filter(has_later).count();
    let last = over_https.iter().map(|request| request.at).chain(world.last_published()).max();
    Ok(Told {
        taken,
        all: last.context("nobody was told")?.duration_since(began),
        read: READ.map(|channel| at(channel) + world.published(channel)),
        machine: machine.len(),
        lost: missed,
        calls: world.calls(),
    })
}

/// Which notice a webhook was told.
fn told(request: &Request) -> Option<(String, u64)> {
    let body = request.json();
    Some((body.get("incident")?.as_str()?.to_owned(), body.get("revision")?.as_u64()?))
}

/// An instance at work until nothing is left; when it was done with its last new notice.
async fn work(world: &World, function: &Function, began: Instant) -> anyhow::Result<Duration> {
    let mut taken = Duration::ZERO;
    while !world.is_done() {
        if PATIENCE < began.elapsed() {
            bail!("the burst is not told within {} s", PATIENCE.as_secs());
        }
        let Some(batch) = world.take() else {
            world.wait().await;
            continue;
        };
        let is_first = batch.is_first();
        world.hand(batch, function).await?;
        if is_first {
            taken = began.elapsed();
        }
    }
    Ok(taken)
}
