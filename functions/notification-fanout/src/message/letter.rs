//! A message without what carried it.

use jiff::Timestamp;
use serde_json::Value;
use shared::id;

use crate::queue::Record;

/// Who reads, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) now: Timestamp,
    pub(super) environment: &'a str,
}

/// A message without what carried it.
#[derive(Debug, Clone)]
pub(super) struct Letter<'a> {
    /// The ARN of the topic it was published to, if it came by one.
    pub(super) topic: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    pub(super) text: &'a str,
    /// When it was sent, as whoever carried it says.
    pub(super) sent: Option<Timestamp>,
    /// When it is read.
    pub(super) now: Timestamp,
    /// The environment of whoever reads it.
    pub(super) environment: &'a str,
    /// The incident and revision of a message that says nothing of its own about them.
    pub(super) incident: String,
    pub(super) revision: Option<u64>,
}

impl<'a> Letter<'a> {
    /// What SNS puts into a queue when raw delivery is off. The subject may be `null`, empty or missing.
    pub(super) fn from_sns(body: &'a Value, reader: Reader<'a>) -> Option<Self> {
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
            now: reader.now,
            environment: reader.environment,
            incident: format!("sns:{}:{id}", last_word(topic)),
            revision: None,
        })
    }

    /// The messages of the event that SNS hands to a function, where somebody passes one on as it is.
    pub(super) fn from_records(body: &'a Value, reader: Reader<'a>) -> Option<Vec<Self>> {
        let records = body.get("Records")?.as_array()?;
        let letters: Option<Vec<_>> =
            records.iter().map(|record| Self::from_sns(record.get("Sns")?, reader)).collect();
        letters.filter(|letters| !letters.is_empty())
    }

    /// A message that was put into the queue as it is, or that came back from the dead-letter queue.
    pub(super) fn from_queue(record: &'a Record, reader: Reader<'a>) -> Self {
        let id = || record.id.clone().unwrap_or_else(|| id::of(&[&record.body]));
        let (incident, revision) = match &record.known_as {
            Some((incident, revision)) => (incident.clone(), Some(*revision)),
            None => (format!("sqs:{}", id()), None),
        };
        let Reader { now, environment } = reader;
        let sent = record.sent;
        Self { topic: None, subject: None, text: &record.body, sent, now, environment, incident, revision }
    }

    pub(super) fn reader(&self) -> Reader<'a> {
        Reader { now: self.now, environment: self.environment }
    }

    pub(super) fn origin(&self) -> &'a str {
        self.topic.map_or("the notices queue", last_word)
    }

    /// When what it tells happened, where it does not say.
    pub(super) fn time(&self) -> Timestamp {
        self.sent.unwrap_or(self.now)
    }

    /// The Region and the account of the topic that it came by.
    pub(super) fn place(&self) -> (Option<&'a str>, Option<&'a str>) {
        let part = |index: usize| self.topic.and_then(|arn| arn.split(':').nth(index));
        (part(3), part(4))
    }
}

/// An ARN's last part: the topic's name.
fn last_word(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}
