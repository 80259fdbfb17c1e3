//! What the fanout knows of a message beyond what every queue has, and the dead-letter queue.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use jiff::Timestamp;
use serde_json::Value;
use shared::error::Call;
use shared::{Result, queue};

/// The longest text of a dead letter's attribute, in characters.
const LONGEST_ATTRIBUTE: usize = 1_000;

/// One message of a batch, as the fanout knows it.
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

impl From<queue::Record> for Record {
    fn from(record: queue::Record) -> Self {
        let queue::Record { id, receipt, body, sent, receives, mut attributes } = record;
        let revision = attributes.get("revision").and_then(|revision| revision.parse().ok());
        let incident = attributes.remove("incident").filter(|incident| !incident.is_empty());
        Self { id, receipt, body, sent, receives, known_as: incident.zip(revision) }
    }
}

/// The messages of an event.
///
/// # Errors
/// [`shared::Error::Event`] for an event that is no SQS batch.
pub fn read(event: &Value) -> Result<Vec<Record>> {
    Ok(queue::read(event)?.into_iter().map(Record::from).collect())
}

/// Whether the event's messages come from this queue.
pub fn is_of(event: &Value, queue_url: &str) -> bool {
    let name = queue_url.rsplit('/').next().unwrap_or_default();
    let source = event.get("Records").and_then(|records| records.get(0)?.get("eventSourceARN")?.as_str());
    source.and_then(|arn| arn.rsplit(':').next()).is_some_and(|source| source == name)
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
