//! From what arrived to a notice. Whatever arrives becomes one: our own notice, an alarm in any of its three
//! shapes, or a generic notice that shows what it was. Nothing in a message says where it goes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use shared::alarm::{self, AlarmChange};
use shared::id;
use shared::notice::{Notice, SCHEMA, Severity, State, Subject};

use crate::queue::Record;

/// The longest title made of a text, in characters.
const LONGEST_TITLE: usize = 140;

/// How many fields of a JSON message are shown.
const MOST_FIELDS: usize = 40;

/// One notice and the messages of the batch that brought it: SNS and SQS may both repeat themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work<'a> {
    /// What is to be delivered.
    pub notice: Notice,
    /// The messages; there is at least one.
    pub records: Vec<&'a Record>,
}

/// The notices of a batch, each once.
#[must_use]
pub fn gather<'a>(records: &'a [Record], environment: &str, now: Timestamp) -> Vec<Work<'a>> {
    let mut gathered: Vec<Work<'a>> = Vec::with_capacity(records.len());
    for record in records {
        let notice = read(record, environment, now);
        let same = |work: &&mut Work<'_>| {
            let held = &work.notice;
            (&held.incident, held.revision, held.state) == (&notice.incident, notice.revision, notice.state)
        };
        match gathered.iter_mut().find(same) {
            Some(work) => work.records.push(record),
            None => gathered.push(Work { notice, records: vec![record] }),
        }
    }
    gathered
}

/// The notice that a message is, or becomes.
#[must_use]
pub fn read(record: &Record, environment: &str, now: Timestamp) -> Notice {
    let body = serde_json::from_str(&record.body).ok();
    let letter = body.as_ref().and_then(Letter::from_sns).unwrap_or_else(|| Letter::from_queue(record));
    let content = match letter.topic {
        Some(_) => serde_json::from_str(letter.text).ok(),
        None => body.clone(),
    };
    let mut notice = content
        .as_ref()
        .and_then(|content| own(content, now))
        .or_else(|| content.as_ref().and_then(|content| from_alarm(content, &letter)))
        .unwrap_or_else(|| generic(content.as_ref(), &letter, now));
    if notice.environment.is_empty() {
        environment.clone_into(&mut notice.environment);
    }
    notice
}

/// A message without what carried it.
struct Letter<'a> {
    /// The ARN of the topic it was published to, if it came by one.
    topic: Option<&'a str>,
    subject: Option<&'a str>,
    text: &'a str,
    sent: Option<Timestamp>,
    /// The incident and revision of a message that says nothing of its own about them.
    incident: String,
    revision: Option<u64>,
}

impl<'a> Letter<'a> {
    /// What SNS puts into a queue when raw delivery is off. The subject may be `null`, empty or missing.
    fn from_sns(body: &'a Value) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if text("Type") != Some("Notification") {
            return None;
        }
        let (topic, message) = (text("TopicArn")?, text("Message")?);
        let id = text("MessageId").map_or_else(|| id::of(&[message]), ToOwned::to_owned);
        Some(Self {
            topic: Some(topic),
            subject: text("Subject").filter(|subject| !subject.trim().is_empty()),
            text: message,
            sent: text("Timestamp").and_then(|time| time.parse().ok()),
            incident: format!("sns:{}:{id}", last_word(topic)),
            revision: None,
        })
    }

    /// A message that was put into the queue as it is, or that came back from the dead-letter queue.
    fn from_queue(record: &'a Record) -> Self {
        let id = || record.id.clone().unwrap_or_else(|| id::of(&[&record.body]));
        let (incident, revision) = match &record.known_as {
            Some((incident, revision)) => (incident.clone(), Some(*revision)),
            None => (format!("sqs:{}", id()), None),
        };
        Self { topic: None, subject: None, text: &record.body, sent: record.sent, incident, revision }
    }

    fn origin(&self) -> &'a str {
        self.topic.map_or("the notices queue", last_word)
    }
}

/// How far a publisher's clock may be ahead of ours.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// A notice of the contract's version. Fields that the contract does not have are passed over. One from the future is
/// shown like any other message: taken at its word, it would silence its incident until then.
fn own(content: &Value, now: Timestamp) -> Option<Notice> {
    if content.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return None;
    }
    let notice: Notice = serde_json::from_value(content.clone()).ok()?;
    let latest = now.saturating_add(CLOCKS_DIFFER).unwrap_or(now).as_millisecond();
    let in_time = i64::try_from(notice.revision).is_ok_and(|revision| revision <= latest);
    (in_time && !notice.incident.is_empty()).then_some(notice)
}

/// An alarm that publishes here by itself. Its key is its own, so that nothing a function says about the same alarm
/// counts as already delivered.
fn from_alarm(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let change: AlarmChange = alarm::from_message(content, letter.topic).ok()?;
    let (state, severity) = match change.state {
        alarm::State::Alarm => (State::Firing, Severity::Sev2),
        alarm::State::Ok => (State::Resolved, Severity::Sev2),
        alarm::State::InsufficientData => (State::Info, Severity::Sev4),
    };
    let incident = format!("cloudwatch:{}", change.arn.as_deref().unwrap_or(&change.name));
    let subject = Subject { kind: "alarm".to_owned(), id: change.name.clone(), arn: change.arn.clone() };
    let title = match change.previous {
        Some(previous) => {
            format!("Alarm {} went from {} to {}", change.name, previous.as_str(), change.state.as_str())
        }
        None => format!("Alarm {} is now {}", change.name, change.state.as_str()),
    };
    let mut notice = Notice::new(&incident, state, severity, subject, &title, change.changed_at);
    "cloudwatch".clone_into(&mut notice.source);
    notice.summary = change.description.clone().unwrap_or_else(|| change.reason.clone());
    if !change.reason.is_empty() && change.description.is_some() {
        notice.fact("Reason", &change.reason);
    }
    if change.composite {
        notice.fact("Kind", "made of other alarms");
    }
    for dimensions in change.dimensions.iter().filter(|dimensions| !dimensions.is_empty()) {
        let pairs: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name} {value}")).collect();
        notice.fact("Metric of", pairs.join(", "));
    }
    Some(notice)
}

/// A notice that shows what arrived.
fn generic(content: Option<&Value>, letter: &Letter<'_>, now: Timestamp) -> Notice {
    let sent = letter.sent.unwrap_or(now);
    let subject = Subject {
        kind: "message".to_owned(),
        id: letter.origin().to_owned(),
        arn: letter.topic.map(ToOwned::to_owned),
    };
    let mut notice = Notice::new(&letter.incident, State::Info, Severity::Sev4, subject, "", sent);
    // Without a topic, only the queue's own time is known, and that changes when a message is sent back to it.
    notice.revision = letter.revision.unwrap_or(if letter.topic.is_some() { notice.revision } else { 0 });
    notice.id = id::of(&[&notice.incident, &notice.revision.to_string(), notice.state.as_str()]);
    match content {
        Some(Value::Object(fields)) => object(&mut notice, fields, letter),
        Some(Value::String(text)) => plain(&mut notice, text, letter),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            titled(&mut notice, letter, None);
            notice.summary = format!("The whole message is the JSON value {}", letter.text.trim());
        }
        None => plain(&mut notice, letter.text, letter),
    }
    if notice.source.is_empty() {
        letter.origin().clone_into(&mut notice.source);
    }
    notice
}

/// A text: its first line is the title where no subject is.
fn plain(notice: &mut Notice, text: &str, letter: &Letter<'_>) {
    let text = text.trim();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    titled(notice, letter, first);
    notice.summary = if text.is_empty() { "The message is empty.".to_owned() } else { text.to_owned() };
}

/// A JSON object: an event says in `detail-type` what it is; of any other, the fields are shown.
fn object(notice: &mut Notice, fields: &Map<String, Value>, letter: &Letter<'_>) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if let Some(kind) = text("detail-type") {
        titled(notice, letter, Some(kind));
        text("source").unwrap_or("an event bus").clone_into(&mut notice.source);
        notice.summary = format!("The event {kind:?} from {}.", notice.source);
        let detail = fields.get("detail").and_then(Value::as_object);
        let around = ["account", "region", "time", "resources"]
            .into_iter()
            .filter_map(|name| fields.get_key_value(name));
        facts(notice, around.chain(detail.into_iter().flatten()));
        return;
    }
    let title = ["title", "Title", "subject", "Subject", "Event Message", "name"].into_iter().find_map(text);
    titled(notice, letter, title);
    let said =
        ["message", "Message", "summary", "description", "text", "errorMessage"].into_iter().find_map(text);
    notice.summary = match said {
        Some(said) => said.to_owned(),
        None if fields.get("schema").and_then(Value::as_str) == Some(SCHEMA) => {
            "The message calls itself a notice, but is not written like one. These are its fields.".to_owned()
        }
        None => "A JSON message that is not a notice. These are its fields.".to_owned(),
    };
    facts(notice, fields.iter().filter(|(_, value)| value.as_str().is_none_or(|text| Some(text) != said)));
}

fn facts<'a>(notice: &mut Notice, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut left_out = 0_usize;
    for (index, (name, value)) in fields.enumerate() {
        if index >= MOST_FIELDS {
            left_out += 1;
            continue;
        }
        let name: String = name.chars().take(100).collect();
        match value {
            Value::String(text) => notice.fact(&name, text),
            Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => {
                let words: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                notice.fact(&name, words.join(", "));
            }
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                notice.fact(&name, other);
            }
        }
    }
    if left_out > 0 {
        notice.fact("Fields omitted", left_out);
    }
}

fn titled(notice: &mut Notice, letter: &Letter<'_>, otherwise: Option<&str>) {
    let title = letter.subject.or(otherwise).map(str::trim);
    notice.title = match title {
        Some(title) => {
            let kept: String = title.chars().take(LONGEST_TITLE).collect();
            if kept.len() < title.len() { format!("{kept}…") } else { kept }
        }
        None => format!("A message from {}", letter.origin()),
    };
}

/// An ARN's last part: the topic's name.
fn last_word(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests;
