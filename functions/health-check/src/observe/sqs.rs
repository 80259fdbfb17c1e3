//! SQS queues, and those for dead letters: two calls each, as SQS has none for many, and one for all their metrics.

pub(crate) mod beside;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Name;
use futures_util::future::join_all;
use jiff::SignedDuration;
use shared::error::Call;
use shared::{Error, Result};

use crate::component::{Component, Kind};
use crate::decision::Verdict;
use crate::decision::kind::{dlq, queue};
use crate::observe::metrics::Query;
use crate::sweep::{Api, Ask};
use beside::{WHILE, dead_letters, is_absent, key, measure, named};

/// How SQS says that a queue is not there: by its older protocol, and by JSON.
const ABSENT: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// Over how long it is seen whether letters become more.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What SQS says of a queue.
#[derive(Default)]
struct Read {
    arn: String,
    key: String,
    facts: queue::Facts,
}

/// Checks all of them: [`Kind::Queue`], and [`Kind::Letters`] where the name of the queue or the redrive policy of
/// another says that it is one for dead letters.
pub(crate) async fn check(ask: &Ask<'_>, queues: &[Component]) {
    // What a policy names as one for dead letters may be known as a queue already.
    let is_said = |queue: &&Component| {
        [Kind::Queue, Kind::Letters].iter().any(|kind| ask.is_said(&Component::new(*kind, &*queue.name).id()))
    };
    let queues = queues.iter().filter(|queue| !is_said(queue));
    let read = join_all(queues.map(|queue| async move { (queue, read(ask, queue).await) })).await;
    let dead: BTreeSet<String> = read.iter().filter_map(|(_, read)| target(read.as_ref().ok()?)).collect();
    // By id: a queue may be named as a queue and as one for dead letters, and is the latter then.
    let mut known = BTreeMap::new();
    for (queue, read) in read {
        let component = sorted(queue, read.as_ref().ok(), &dead);
        match read {
            Ok(read) => drop(known.insert(component.id(), (component, read))),
            Err(error) => ask.unknown(&component, &error),
        }
    }
    let known: Vec<(Component, Read)> = known.into_values().collect();
    let (values, gaps) = measure(ask, &queries(&known)).await;
    let sources = sources(&known);
    let mut values = values.into_iter();
    for (component, read) in &known {
        let letters = component.kind == Kind::Letters;
        let mut next = || if read.facts.absent { None } else { values.next().flatten() };
        let oldest = next().and_then(|secs| SignedDuration::try_from_secs_f64(secs).ok());
        let gaps = if read.facts.absent { Vec::new() } else { gaps.clone() };
        let facts = queue::Facts { oldest, gaps, ..read.facts.clone() };
        let verdict = if letters {
            let source = sources.get(&read.arn).cloned();
            dlq::verdict(&dlq::Facts { queue: facts, lowest: next(), source }, ask.expected)
        } else {
            queue::verdict(&facts, ask.rules, ask.expected)
        };
        tell(ask, component, read, verdict);
    }
}

fn tell(ask: &Ask<'_>, component: &Component, read: &Read, verdict: Verdict) {
    ask.say(component, verdict);
    if let Some(key) = key(&read.arn, &read.key) {
        ask.needs(component, key);
    }
    // A queue works without it; that it fills up is no cause of what ails the queue.
    if let Some(letters) = target(read).and_then(|arn| dead_letters(&read.arn, &arn)) {
        ask.leads(component, letters);
    }
}

/// The component by the kind that the queue is.
fn sorted(queue: &Component, read: Option<&Read>, dead: &BTreeSet<String>) -> Component {
    let is_dead = dead.contains(queue.arn()) || read.is_some_and(|read| dead.contains(&read.arn));
    let component = named(queue.clone());
    if is_dead { Component { kind: Kind::Letters, ..component } } else { component }
}

/// The ARN of the queue that gets what nobody can deal with.
fn target(read: &Read) -> Option<String> {
    match &read.facts.redrive {
        queue::Redrive::To(arn) => Some(arn.clone()),
        queue::Redrive::Nowhere | queue::Redrive::Unread => None,
    }
}

/// Of each dead-letter queue, by its ARN: the queue that sends it letters and keeps messages longest.
fn sources(known: &[(Component, Read)]) -> BTreeMap<String, (String, SignedDuration)> {
    let mut sources: BTreeMap<String, (String, SignedDuration)> = BTreeMap::new();
    for (component, read) in known {
        let (Some(arn), Some(kept)) = (target(read), read.facts.retention) else { continue };
        let longest = sources.entry(arn).or_insert_with(|| (component.name.clone(), kept));
        if longest.1 < kept {
            *longest = (component.name.clone(), kept);
        }
    }
    sources
}

fn queries(known: &[(Component, Read)]) -> Vec<Query> {
    let of = |queue: &Component, name, statistic, over| Query {
        namespace: "AWS/SQS",
        name,
        dimensions: vec![("QueueName", queue.name.clone())],
        statistic,
        over,
    };
    let there = known.iter().filter(|(_, read)| !read.facts.absent);
    let queries = there.flat_map(|(queue, _)| {
        let oldest = of(queue, "ApproximateAgeOfOldestMessage", "Maximum", WHILE);
        let lowest = of(queue, "ApproximateNumberOfMessagesVisible", "Minimum", HOUR);
        [Some(oldest), Some(lowest).filter(|_| queue.kind == Kind::Letters)]
    });
    queries.flatten().collect()
}

async fn read(ask: &Ask<'_>, queue: &Component) -> Result<Read> {
    let absent =
        || Read { facts: queue::Facts { absent: true, ..queue::Facts::default() }, ..Read::default() };
    let gone = |error: &Error| is_absent(error, &ABSENT);
    let url = match url(ask, queue).await {
        Ok(url) => url,
        Err(error) if gone(&error) => return Ok(absent()),
        Err(error) => return Err(error),
    };
    match attributes(ask, &url).await {
        Ok(attributes) => Ok(facts(queue, &attributes)),
        Err(error) if gone(&error) => Ok(absent()),
        Err(error) => Err(error),
    }
}

async fn url(ask: &Ask<'_>, queue: &Component) -> Result<String> {
    let account = queue.arn().split(':').nth(4).filter(|account| !account.is_empty());
    let _turn = ask.turn(Api::Sqs).await;
    let answer = ask
        .clients
        .sqs()
        .get_queue_url()
        .queue_name(&queue.name)
        .set_queue_owner_aws_account_id(account.map(ToOwned::to_owned))
        .send()
        .await
        .action("sqs:GetQueueUrl")?;
    let url = answer.queue_url.filter(|url| !url.is_empty());
    url.ok_or_else(|| Error::Malformed("sqs:GetQueueUrl answered without an address".to_owned()))
}

async fn attributes(ask: &Ask<'_>, url: &str) -> Result<HashMap<Name, String>> {
    let _turn = ask.turn(Api::Sqs).await;
    let answer = ask
        .clients
        .sqs()
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(Name::All)
        .send()
        .await
        .action("sqs:GetQueueAttributes")?;
    Ok(answer.attributes.unwrap_or_default())
}

fn facts(queue: &Component, attributes: &HashMap<Name, String>) -> Read {
    let text = |name: Name| attributes.get(&name).map(String::as_str);
    let count = |name: Name| text(name)?.parse::<u32>().ok();
    let key = text(Name::KmsMasterKeyId).unwrap_or_default().to_owned();
    let by_sqs = match text(Name::SqsManagedSseEnabled) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) | None => None,
    };
    let facts = queue::Facts {
        fifo: text(Name::FifoQueue) == Some("true"),
        visible: count(Name::ApproximateNumberOfMessages),
        in_flight: count(Name::ApproximateNumberOfMessagesNotVisible),
        delayed: count(Name::ApproximateNumberOfMessagesDelayed),
        retention: count(Name::MessageRetentionPeriod).map(|secs| SignedDuration::from_secs(secs.into())),
        encrypted: if key.is_empty() { by_sqs } else { Some(true) },
        redrive: text(Name::RedrivePolicy).map(redrive).unwrap_or_default(),
        ..queue::Facts::default()
    };
    let arn = text(Name::QueueArn).unwrap_or_else(|| queue.arn()).to_owned();
    Read { arn, key, facts }
}

fn redrive(policy: &str) -> queue::Redrive {
    let policy = serde_json::from_str::<serde_json::Value>(policy).ok();
    let target = policy.as_ref().and_then(|policy| policy.get("deadLetterTargetArn")?.as_str());
    target.map_or(queue::Redrive::Unread, |arn| queue::Redrive::To(arn.to_owned()))
}

#[cfg(test)]
pub(super) mod tests;
