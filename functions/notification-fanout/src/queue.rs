//! The queue: what Lambda hands over of it, and what is done with a message that is not simply finished.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use jiff::Timestamp;
use serde_json::Value;
use shared::error::Call;
use shared::{Error, Result};

/// The longest text of a dead letter's attribute, in characters.
const LONGEST_ATTRIBUTE: usize = 1_000;

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
    /// The incident and revision that a dead letter of ours carries, so that sending it back does not repeat it
    /// on the channels that have it.
    pub known_as: Option<(String, u64)>,
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
    let own = |name: &str| record.get("messageAttributes")?.get(name)?.get("stringValue")?.as_str();
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
        known_as: own("incident")
            .filter(|incident| !incident.is_empty())
            .zip(own("revision").and_then(|revision| revision.parse().ok()))
            .map(|(incident, revision)| (incident.to_owned(), revision)),
    }
}

/// Lets a message be received again after this long.
///
/// # Errors
/// What `sqs:ChangeMessageVisibility` answers.
pub async fn give_back(sqs: &Client, queue: &str, receipt: &str, after: Duration) -> Result<()> {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    sqs.change_message_visibility()
        .queue_url(queue)
        .receipt_handle(receipt)
        .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
        .send()
        .await
        .action("sqs:ChangeMessageVisibility")?;
    Ok(())
}

/// Puts what a channel refuses for good into the dead-letter queue, as it came, with what is to be known of it.
///
/// # Errors
/// What `sqs:SendMessage` answers.
pub async fn dead_letter(sqs: &Client, queue: &str, body: &str, about: &[(&str, &str)]) -> Result<()> {
    let attributes =
        about.iter().filter_map(|(name, value)| Some(((*name).to_owned(), attribute(value)?))).collect();
    sqs.send_message()
        .queue_url(queue)
        .message_body(if body.is_empty() { " " } else { body })
        .set_message_attributes(Some(attributes))
        .send()
        .await
        .action("sqs:SendMessage")?;
    Ok(())
}

/// SQS refuses an empty value, and control characters in one.
fn attribute(value: &str) -> Option<MessageAttributeValue> {
    let value: String = value.chars().filter(|c| !c.is_control()).take(LONGEST_ATTRIBUTE).collect();
    if value.is_empty() {
        return None;
    }
    MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()
}

#[cfg(test)]
mod tests;
