//! A message: what is sent, what is kept, and what a receiver is told of it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::checksums::md5;
use super::super::put;

/// A message that a test puts into a queue, as it would lie there.
#[derive(Debug, Clone, Default)]
pub struct Letter {
    /// What it says.
    pub body: String,
    /// Its message attributes, by their names: `{"ErrorCode": {"DataType": "Number", "StringValue": "200"}}`.
    pub attributes: Map<String, Value>,
    /// Its message id; one is made where there is none.
    pub id: Option<String>,
    /// When it was sent: now, where nothing is said. A queue's retention counts from here.
    pub sent: Option<Timestamp>,
    /// How often it was received before, in whatever queue.
    pub receives: u32,
    /// The ARN of the queue that it was dead-lettered from, `DeadLetterQueueSourceArn`. Only SQS sets it.
    pub source: Option<String>,
    /// Its message group, which a FIFO queue needs.
    pub group: Option<String>,
    /// Its deduplication id; in a FIFO queue, its message id where there is none.
    pub dedup: Option<String>,
    /// The trace that it belongs to, `AWSTraceHeader`.
    pub trace: Option<String>,
}

impl Letter {
    /// With this body.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The same with a message attribute of this type (`String`, `Number`, `Binary`).
    #[must_use]
    pub fn with(mut self, name: &str, kind: &str, value: &str) -> Self {
        let field = if kind.starts_with("Binary") { "BinaryValue" } else { "StringValue" };
        self.attributes.insert(name.to_owned(), json!({"DataType": kind, field: value}));
        self
    }
}

/// A message as a queue holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its message id.
    pub id: String,
    /// What it says.
    pub body: String,
    /// Its message attributes, by their names.
    pub attributes: Map<String, Value>,
    /// How often it was received, in all queues.
    pub receives: u32,
    /// When it was sent, which retention counts from.
    pub sent: Timestamp,
    /// Whether it could be received now, were it alone in its group.
    pub is_visible: bool,
    /// The ARN of the queue that it was dead-lettered from.
    pub source: Option<String>,
    /// Its message group.
    pub group: Option<String>,
    /// Its deduplication id.
    pub dedup: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

/// How a message left a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// A receiver deleted it.
    Deleted,
    /// Its retention was over.
    Expired,
    /// The queue was purged, before or after it came.
    Purged,
    /// It was received too often, and went to the dead-letter queue.
    DeadLettered,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) sent: Timestamp,
    pub(super) receives: u32,
    pub(super) first_received: Option<Timestamp>,
    /// When it was received last, in this queue.
    pub(super) received: Option<Timestamp>,
    pub(super) source: Option<String>,
    pub(super) group: Option<String>,
    pub(super) dedup: Option<String>,
    pub(super) sequence: Option<String>,
    pub(super) trace: Option<String>,
    pub(super) place: Place,
    /// How often it was received in this queue, which its receipt handles are told apart by.
    pub(super) serial: u32,
}

/// Where a message is on its way through a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Visible,
    InFlight { until: Timestamp },
    Delayed { until: Timestamp },
}

/// The attributes that SQS itself gives to a message.
pub(super) const SYSTEM: [&str; 9] = [
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

impl Message {
    pub(super) fn held(&self) -> Held {
        Held {
            id: self.id.clone(),
            body: self.body.clone(),
            attributes: self.attributes.clone(),
            receives: self.receives,
            sent: self.sent,
            is_visible: self.place == Place::Visible,
            source: self.source.clone(),
            group: self.group.clone(),
            dedup: self.dedup.clone(),
            trace: self.trace.clone(),
        }
    }

    /// As `ReceiveMessage` has it, with nothing that was not asked for.
    pub(super) fn drawn(&self, handle: &str, system: &[&str], names: &[&str]) -> Value {
        let mut drawn = json!({
            "MessageId": self.id,
            "ReceiptHandle": handle,
            "MD5OfBody": hex::encode(md5(self.body.as_bytes())),
            "Body": self.body,
        });
        let asked = |name: &str| system.contains(&"All") || system.contains(&name);
        let told: Map<String, Value> = SYSTEM
            .into_iter()
            .filter(|name| asked(name))
            .filter_map(|name| Some((name.to_owned(), self.system(name)?.into())))
            .collect();
        put(&mut drawn, "Attributes", (!told.is_empty()).then_some(Value::Object(told)));
        let told: Map<String, Value> = self
            .attributes
            .iter()
            .filter(|(name, _)| names.iter().any(|asked| is_asked(asked, name)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        put(&mut drawn, "MD5OfMessageAttributes", digest(&told));
        put(&mut drawn, "MessageAttributes", (!told.is_empty()).then_some(Value::Object(told)));
        drawn
    }

    fn system(&self, name: &str) -> Option<String> {
        match name {
            "ApproximateFirstReceiveTimestamp" => self.first_received.map(milliseconds),
            "ApproximateReceiveCount" => Some(self.receives.to_string()),
            "AWSTraceHeader" => self.trace.clone(),
            "DeadLetterQueueSourceArn" => self.source.clone(),
            "MessageDeduplicationId" => self.dedup.clone(),
            "MessageGroupId" => self.group.clone(),
            "SenderId" => Some("AROAEXAMPLE:sender".to_owned()),
            "SentTimestamp" => Some(milliseconds(self.sent)),
            "SequenceNumber" => self.sequence.clone(),
            _ => None,
        }
    }
}

/// Whether a name, `All`, or the beginning of one (`aws.*`) is about an attribute.
fn is_asked(asked: &str, name: &str) -> bool {
    match asked.strip_suffix(".*") {
        Some(start) => name.starts_with(start),
        None => asked == "All" || asked == name,
    }
}

fn milliseconds(time: Timestamp) -> String {
    time.as_millisecond().to_string()
}

/// The MD5 of message attributes (SQS Developer Guide, "Calculating the MD5 message digest for message attributes");
/// `None` if there are none.
pub(super) fn digest(attributes: &Map<String, Value>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut names: Vec<&String> = attributes.keys().collect();
    names.sort_unstable();
    let mut bytes = Vec::new();
    for name in names {
        let field = |field| attributes.get(name).and_then(|value| value.get(field)).and_then(Value::as_str);
        write(&mut bytes, name.as_bytes());
        write(&mut bytes, field("DataType").unwrap_or_default().as_bytes());
        if let Some(binary) = field("BinaryValue") {
            bytes.push(2);
            write(&mut bytes, &aws_smithy_types::base64::decode(binary).unwrap_or_default());
        } else {
            bytes.push(1);
            write(&mut bytes, field("StringValue").unwrap_or_default().as_bytes());
        }
    }
    Some(hex::encode(md5(&bytes)))
}

fn write(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}
