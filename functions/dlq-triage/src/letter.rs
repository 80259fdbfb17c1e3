//! A dead letter as it was received.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use jiff::Timestamp;

/// The attribute by which a letter that was sent back is known when it returns: how often it was, and by which operation
/// last, as `<count>/<operation>`.
pub const REDRIVEN: &str = "watchkeeper-redriven";

/// The attribute by which a letter that comes from the archive says which queue it was moved from: SQS says so only of
/// letters that it moved itself.
pub const SOURCE: &str = "watchkeeper-source";

/// The system attributes that are asked for.
pub const SYSTEM: [MessageSystemAttributeName; 7] = [
    MessageSystemAttributeName::ApproximateFirstReceiveTimestamp,
    MessageSystemAttributeName::ApproximateReceiveCount,
    MessageSystemAttributeName::AwsTraceHeader,
    MessageSystemAttributeName::DeadLetterQueueSourceArn,
    MessageSystemAttributeName::MessageGroupId,
    MessageSystemAttributeName::SenderId,
    MessageSystemAttributeName::SentTimestamp,
];

/// One message of a dead-letter queue. Only what is there is known: a message may lack anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Letter {
    /// The queue's id of it; a dead letter keeps the one it had in its source.
    pub id: String,
    /// What it is deleted by.
    pub receipt: String,
    /// What was sent.
    pub body: String,
    /// When it was sent. A standard queue's dead letter keeps the time of its source; its retention counts from it.
    pub sent: Option<Timestamp>,
    /// How often it was received, here and in its source.
    pub receives: u32,
    /// The queue it was moved from, where it was a queue (`DeadLetterQueueSourceArn`).
    pub source: Option<String>,
    /// `MessageGroupId`; messages of standard queues may have one, too.
    pub group: Option<String>,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// What its sender gave it.
    pub attributes: BTreeMap<String, MessageAttributeValue>,
}

impl Letter {
    /// What SQS handed over.
    pub fn of(message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let text = |name: &MessageSystemAttributeName| system.get(name).cloned();
        Self {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            sent: text(&MessageSystemAttributeName::SentTimestamp)
                .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok()),
            receives: text(&MessageSystemAttributeName::ApproximateReceiveCount)
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            source: text(&MessageSystemAttributeName::DeadLetterQueueSourceArn)
                .or_else(|| message.message_attributes.as_ref()?.get(SOURCE)?.string_value.clone()),
            group: text(&MessageSystemAttributeName::MessageGroupId),
            trace: text(&MessageSystemAttributeName::AwsTraceHeader),
            attributes: message.message_attributes.unwrap_or_default().into_iter().collect(),
        }
    }

    /// An attribute of its sender that is text or a number.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.string_value.as_deref()
    }

    /// How often it was sent back, and by which operation last.
    pub fn redriven(&self) -> Option<(u32, &str)> {
        let (count, operation) = self.text(REDRIVEN)?.split_once('/')?;
        Some((count.parse().ok()?, operation))
    }

    /// Its size as SQS counts it: the body, and names, types and values of the attributes.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            let bytes = value.binary_value.as_ref().map_or(0, |bytes| bytes.as_ref().len());
            name.len() + value.data_type.len() + text + bytes
        });
        self.body.len() + attributes.sum::<usize>()
    }
}
