//! A thousand notices, four instances, channels that throttle, break off and refuse, a ledger whose answers get lost:
//! nothing is lost, and what is told twice is told under the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::failures;
use super::together::notice;
use super::world::{Fate, Stage};
use crate::decision;
use crate::receiver::{Got, Receiver, answer};

const NOTICES: usize = 1_000;

const INSTANCES: usize = 4;

/// How many messages Lambda hands over together, by the template.
const BATCH: usize = 10;

/// After this many seconds a message comes back that was neither deleted nor given back, by the template.
const VISIBILITY: i64 = 180;

/// How long it takes at least until somebody takes the next messages.
const LEAST_PAUSE: Duration = Duration::from_millis(200);

/// All of it must be told within this time.
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);

/// A number below 1,000 for the nth time that something happens (`SplitMix64`).
fn dice(what: u64, nth: usize) -> u64 {
    let begin = 0x0135_2906 ^ (what << 32) ^ u64::try_from(nth).unwrap();
    let mixed = begin.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 1_000
}

#[expect(clippy::unnecessary_wraps, reason = "a receiver's script may also not answer")]
fn channels(got: &Got, before: usize) -> Option<String> {
    let (what, refuses) = if got.path.starts_with("/slack") { (1, 30) } else { (2, 0) };
    Some(match dice(what, before) {
        0..60 => answer("429 Too Many Requests", "retry-after: 2\r\n", ""),
        60..120 => answer("503 Service Unavailable", "", ""),
        // The connection ends without an answer.
        120..180 => String::new(),
        dice if dice < 180 + refuses => answer("404 Not Found", "", "no_service"),
        _ => answer("200 OK", "", "ok"),
    })
}

fn ledger(nth: usize) -> Fate {
    match dice(3, nth) {
        0..10 => Fate::Unanswered,
        10..20 => Fate::Lost,
        _ => Fate::Done,
    }
}

/// One message that is in a queue.
struct Message {
    id: String,
    queue: &'static str,
    body: String,
    visible: Timestamp,
    receives: u32,
}

impl Message {
    fn record(&self) -> Value {
        json!({
            "messageId": self.id, "receiptHandle": self.id, "body": self.body,
            "attributes": {"ApproximateReceiveCount": self.receives.to_string()},
            "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:eu-central-1:1:{}", self.queue),
        })
    }
}

/// Hands messages of the same queue to one instance, and answers with those that come again.
async fn hand(stage: &Stage, mut batch: Vec<Message>) -> Vec<Message> {
    for message in &mut batch {
        message.receives += 1;
    }
    let records: Vec<_> = batch.iter().map(Message::record).collect();
    let handled = stage.handle(&json!({ "Records": records })).await;
    let unfinished: Option<BTreeSet<String>> =
        handled.ok().map(|report| failures(&report).into_iter().map(ToOwned::to_owned).collect());
    // An invocation that fails settles nothing.
    batch.retain(|message| unfinished.as_ref().is_none_or(|ids| ids.contains(&message.id)));
    let mut world = stage.world.lock().unwrap();
    for message in &mut batch {
        let given_back = world.given_back.iter().position(|(id, _)| *id == message.id);
        let after = given_back.map_or(VISIBILITY, |place| world.given_back.swap_remove(place).1.into());
        message.visible = stage.now + SignedDuration::from_secs(after);
    }
    batch
}

/// The queues, until nothing is in them, as Lambda's pollers empty them.
async fn work(mut stage: Stage, mut queue: Vec<Message>) {
    let end = stage.now + PATIENCE;
    let mut instances: Vec<Stage> = (0..INSTANCES).map(|_| stage.another()).collect();
    let mut invocations = 0;
    loop {
        for (body, delay) in std::mem::take(&mut stage.world.lock().unwrap().reminders) {
            let visible = stage.now + SignedDuration::from_secs(delay.into());
            let id = format!("reminder-{invocations}-{}", queue.len());
            queue.push(Message { id, queue: "reminders_queue_url", body, visible, receives: 0 });
        }
        let Some(next) = queue.iter().map(|message| message.visible).min() else { return };
        stage.now = stage.now.max(next);
        assert!(stage.now < end, "{} messages come again and again: {}", queue.len(), queue[0].body);
        queue.sort_by_key(|message| (message.visible > stage.now, message.queue));
        let mut batches = Vec::new();
        while batches.len() < INSTANCES && queue.first().is_some_and(|message| message.visible <= stage.now) {
            let of = queue[0].queue;
            let alike = queue
                .iter()
                .take(BATCH)
                .take_while(|message| message.queue == of && message.visible <= stage.now)
                .count();
            batches.push(queue.drain(..alike).collect::<Vec<_>>());
        }
        for (instance, _) in instances.iter_mut().zip(&batches) {
            invocations += 1;
            instance.request = format!("r-{invocations}");
            instance.now = stage.now;
        }
        let began = Instant::now();
        let handed = instances.iter().zip(batches).map(|(instance, batch)| hand(instance, batch));
        queue.extend(join_all(handed).await.into_iter().flatten());
        // The time that the instances saw pass has passed: for whoever comes next it must not go back.
        stage.now = decision::after(stage.now, began.elapsed().max(LEAST_PAUSE));
    }
}

#[tokio::test]
async fn of_1000_notices_none_is_lost_and_what_is_repeated_has_its_key() {
    let receiver = Receiver::start(channels).await;
    let policy = "notify: {storm: {count: 1000, within: 1m}}";
    let stage = Stage::with(&receiver, policy);
    let incidents: Vec<String> = (0..NOTICES).map(|nth| format!("mix-{nth:04}")).collect();
    let message = |(incident, severity): (&String, &&str)| Message {
        id: incident.clone(),
        queue: "notices_queue_url",
        body: notice(&stage, incident, "firing", severity, 0).to_string(),
        visible: stage.now,
        receives: 0,
    };
    let queue = incidents.iter().zip(["sev1", "sev2", "sev3"].iter().cycle()).map(message).collect();
    let world = std::sync::Arc::clone(&stage.world);
    world.lock().unwrap().fate = Some(ledger);
    work(stage, queue).await;

    // Machines: each incident, always under its one key.
    let machine = receiver.got("/audit/hunter2");
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for got in &machine {
        let body: Value = serde_json::from_str(&got.body).unwrap();
        let incident = body["incident"].as_str().unwrap().to_owned();
        keys.entry(incident).or_default().insert(got.header("idempotency-key").unwrap().to_owned());
    }
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");

    // Everybody: named in what the channel took, counted in it as the ledger says, or kept as a dead letter.
    let world = world.lock().unwrap();
    for (channel, path) in [("audit", "/audit/hunter2"), ("ops", "/slack/hunter2")] {
        let got = receiver.got(path);
        let took = |&(before, got): &(usize, &Got)| {
            channels(got, before).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        };
        let taken = got.iter().enumerate().filter(took).map(|(_, got)| &got.body);
        let dead = world.dead.iter().filter(|(of, ..)| of == channel).map(|(.., body)| body);
        let texts: Vec<_> = taken.chain(dead).collect();
        let told = |incident: &&String| {
            let told = (format!("delivery#{incident}"), format!("told#{channel}"));
            world.table.contains_key(&told) || texts.iter().any(|text| text.contains(incident.as_str()))
        };
        let lost: Vec<_> = incidents.iter().filter(|incident| !told(incident)).collect();
        assert!(channel == "audit" || got.len() < 60, "people were told {} times", got.len());
        assert!(lost.is_empty(), "{} are lost on {channel}: {lost:?}", lost.len());
    }
}
