//! What a queue is set to, checked as `SetQueueAttributes` checks it.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use jiff::SignedDuration;
use serde_json::{Map, Value};

/// The attributes that are numbers: their bounds, and what they are where nobody sets them.
const NUMBERS: [(&str, u32, u32, u32); 5] = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1_024, LARGEST, LARGEST),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];

/// What a message may have, and what the messages of a batch may have together, in bytes.
pub(super) const LARGEST: u32 = 1_048_576;

/// The attributes that only FIFO queues have, and what they may be; the first is what they are where nobody sets them.
const OF_FIFO: [(&str, [&str; 2]); 4] = [
    ("FifoQueue", ["true", "true"]),
    ("ContentBasedDeduplication", ["false", "true"]),
    ("DeduplicationScope", ["queue", "messageGroup"]),
    ("FifoThroughputLimit", ["perQueue", "perMessageGroupId"]),
];

/// The attributes that are kept as they are given.
const FREE: [&str; 6] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

/// The attributes that nobody sets.
pub(super) const COUNTED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// The attributes of one queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    /// As they are read and written.
    set: BTreeMap<String, String>,
}

/// Where a queue's letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    /// The ARN of the dead-letter queue.
    pub(super) target: String,
    /// How often a message is received before it goes there.
    pub(super) most: u32,
}

impl Attributes {
    /// Those of a new queue.
    pub(super) fn new(name: &str, given: &Value) -> anyhow::Result<Self> {
        let is_fifo = given.get("FifoQueue").is_some();
        ensure!(
            is_fifo == name.strip_suffix(".fifo").is_some(),
            "{name}: the name of a FIFO queue, and no other, ends with .fifo"
        );
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        ensure!(
            !stem.is_empty() && name.len() <= 80 && stem.chars().all(fits),
            "{name}: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        );
        let mut set: BTreeMap<String, String> =
            NUMBERS.iter().map(|(name, .., normal)| ((*name).to_owned(), normal.to_string())).collect();
        set.insert("SqsManagedSseEnabled".to_owned(), "true".to_owned());
        if is_fifo {
            set.extend(OF_FIFO.iter().map(|(name, [normal, _])| ((*name).to_owned(), (*normal).to_owned())));
        }
        let mut new = Self { set };
        new.change(given)?;
        Ok(new)
    }

    /// Sets those that are given; an empty one of those that can be absent is taken away.
    pub(super) fn change(&mut self, given: &Value) -> anyhow::Result<()> {
        for (name, value) in given.as_object().context("attributes are an object")? {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let number = NUMBERS.iter().find(|(known, ..)| known == name);
            let of_fifo = OF_FIFO.iter().find(|(known, _)| known == name);
            if let Some((_, least, most, _)) = number {
                let fits = value.parse().is_ok_and(|value: u32| (*least..=*most).contains(&value));
                ensure!(fits, "InvalidAttributeValue: Invalid value for the parameter {name}.");
            } else if let Some((_, values)) = of_fifo {
                let fits = self.is_fifo() && values.contains(&&*value);
                ensure!(fits, "InvalidAttributeValue: Invalid value for the parameter {name}.");
            } else if !FREE.contains(&&**name) {
                bail!("InvalidAttributeName: Unknown Attribute {name}.");
            }
            if value.is_empty() {
                self.set.remove(name);
            } else {
                self.set.insert(name.clone(), value);
            }
        }
        self.checked_redrive()?;
        self.checked_permission().map(drop)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is("FifoQueue", "true")
    }

    /// Whether the body takes the place of a deduplication id that is not given.
    pub(super) fn by_content(&self) -> bool {
        self.is("ContentBasedDeduplication", "true")
    }

    /// Whether the same deduplication id in another group is another.
    pub(super) fn by_group(&self) -> bool {
        self.is("DeduplicationScope", "messageGroup")
    }

    pub(super) fn number(&self, name: &str) -> u32 {
        self.set.get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    pub(super) fn seconds(&self, name: &str) -> SignedDuration {
        SignedDuration::from_secs(self.number(name).into())
    }

    pub(super) fn redrive(&self) -> Option<Redrive> {
        self.checked_redrive().ok().flatten()
    }

    /// Whether a queue may name this one its dead-letter queue.
    pub(super) fn allows(&self, source: &str) -> bool {
        self.checked_permission()
            .is_ok_and(|allowed| allowed.is_none_or(|them| them.iter().any(|it| it == source)))
    }

    /// Those that are set, by their names.
    pub(super) fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is such an attribute, of any queue.
    pub(super) fn knows(name: &str) -> bool {
        NUMBERS.iter().any(|(known, ..)| *known == name)
            || OF_FIFO.iter().any(|(known, _)| *known == name)
            || FREE.contains(&name)
            || COUNTED.contains(&name)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.set.get(name).is_some_and(|set| set == value)
    }

    fn checked_redrive(&self) -> anyhow::Result<Option<Redrive>> {
        let Some(policy) = self.policy("RedrivePolicy")? else { return Ok(None) };
        let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
        let target =
            target.context("RedrivePolicy: The required parameter 'deadLetterTargetArn' is missing")?;
        let most = match policy.get("maxReceiveCount") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64(),
            None => None,
        };
        let most = most.filter(|most| (1..=1_000).contains(most)).and_then(|most| u32::try_from(most).ok());
        let most =
            most.context("RedrivePolicy: maxReceiveCount: valid values are from 1 to 1000 both inclusive")?;
        Ok(Some(Redrive { target: target.to_owned(), most }))
    }

    /// The sources that are allowed; `None` where all are.
    fn checked_permission(&self) -> anyhow::Result<Option<Vec<String>>> {
        let Some(policy) = self.policy("RedriveAllowPolicy")? else { return Ok(None) };
        let sources: Vec<String> = crate::recorded::texts(&Value::Object(policy.clone()), "sourceQueueArns")
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        match (policy.get("redrivePermission").and_then(Value::as_str), sources.len()) {
            (Some("allowAll"), 0) => Ok(None),
            (Some("denyAll"), 0) | (Some("byQueue"), 1..=10) => Ok(Some(sources)),
            _ => bail!("RedriveAllowPolicy: allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns"),
        }
    }

    fn policy(&self, name: &str) -> anyhow::Result<Option<Map<String, Value>>> {
        let Some(text) = self.set.get(name) else { return Ok(None) };
        serde_json::from_str(text).map(Some).with_context(|| format!("{name} is no JSON object"))
    }
}
