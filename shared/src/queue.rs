//! An SQS queue as a function sees it: what Lambda hands over of it, and what is done with a message that is not
//! finished.
//!
//! A message that must come again later is *given back*: it stays the one message that it is and is received again
//! when its time has come. It must also stand in the answer, or Lambda would delete it. So a message is never sent
//! twice and never lost, and can serve as a timer.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::Call;
use crate::{Error, Result};

/// The longest that a message is given back for. SQS allows 12 hours from the receipt on (SQS API,
/// `ChangeMessageVisibility`); the longest invocation, 15 minutes, may lie between receipt and call.
pub const LONGEST: Duration = Duration::from_mins(12 * 60 - 15);

/// One message of a batch. Only what is there is known: a record may lack anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The queue's id of the message; without it the message cannot be reported as unfinished.
    pub id: Option<String>,
    /// What the message's visibility is changed by.
    pub receipt: Option<String>,
    /// What was sent.
    pub body: String,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// The attributes that its sender gave it, by name; those that are text.
    pub attributes: BTreeMap<String, String>,
}

/// The messages of an event.
///
/// # Errors
/// [`Error::Event`] for an event that is no SQS batch.
pub fn read(event: &Value) -> Result<Vec<Record>> {
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return Err(Error::Event("it is not a batch of SQS messages: it has no list of records".to_owned()));
    };
    if let Some(source) = records.iter().find_map(foreign) {
        let source: String = source.chars().take(40).collect();
        return Err(Error::Event(format!("its records come from {source:?}, not from an SQS queue")));
    }
    Ok(records.iter().map(record).collect())
}

/// The source of a record that does not come from a queue; SNS writes the name with a capital.
fn foreign(record: &Value) -> Option<&str> {
    let source = record.get("eventSource").or_else(|| record.get("EventSource"))?.as_str()?;
    (source != "aws:sqs").then_some(source)
}

fn record(record: &Value) -> Record {
    let text = |name: &str| record.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let attribute = |name: &str| record.get("attributes")?.get(name)?.as_str();
    let own = record.get("messageAttributes").and_then(Value::as_object);
    let body = match record.get("body") {
        Some(Value::String(body)) => body.clone(),
        Some(other) => other.to_string(),
        None if record.is_object() => String::new(),
        None => record.to_string(),
    };
    Record {
        id: text("messageId").map(ToOwned::to_owned),
        receipt: text("receiptHandle").map(ToOwned::to_owned),
        body,
        sent: attribute("SentTimestamp")
            .and_then(|millis| millis.parse().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        receives: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        attributes: own
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.get("stringValue")?.as_str()?.to_owned())))
            .collect(),
    }
}

/// A queue that messages are given back to.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'a> {
    /// The client.
    pub sqs: &'a Client,
    /// The queue's URL.
    pub url: &'a str,
}

impl Queue<'_> {
    /// Lets a message be received again after this long, or after [`LONGEST`].
    ///
    /// # Errors
    /// What `sqs:ChangeMessageVisibility` answers.
    pub async fn give_back(&self, receipt: &str, after: Duration) -> Result<()> {
        self.sqs
            .change_message_visibility()
            .queue_url(self.url)
            .receipt_handle(receipt)
            .visibility_timeout(whole_seconds(after, LONGEST))
            .send()
            .await
            .action("sqs:ChangeMessageVisibility")?;
        Ok(())
    }
}

/// In whole seconds, no less than was asked, and at most `most`.
pub(crate) fn whole_seconds(duration: Duration, most: Duration) -> i32 {
    let duration = duration.min(most);
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// The answer to a batch: the ids of the messages that are not finished and stay in the queue.
pub fn answer<'a>(unfinished: impl IntoIterator<Item = &'a str>) -> Value {
    let failures: Vec<_> = unfinished.into_iter().map(|id| json!({"itemIdentifier": id})).collect();
    json!({"batchItemFailures": failures})
}

#[cfg(test)]
mod tests;
