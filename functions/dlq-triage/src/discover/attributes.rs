//! What a queue says of itself, read without trusting that it says all.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use jiff::SignedDuration;
use jiff::fmt::serde::{duration, unsigned_duration};
use serde::Serialize;
use serde_json::Value;

/// The attributes that are asked for. `FifoQueue` is not: only the name of a FIFO queue ends in `.fifo`, and a standard
/// queue has no such attribute.
pub(super) const NAMES: [QueueAttributeName; 7] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::MessageRetentionPeriod,
    QueueAttributeName::QueueArn,
    QueueAttributeName::RedrivePolicy,
    QueueAttributeName::VisibilityTimeout,
];

/// A queue's retention where it says none: SQS's own default of four days.
const RETENTION: SignedDuration = SignedDuration::from_hours(96);

/// A queue's visibility timeout where it says none: SQS's own default.
const VISIBILITY: Duration = Duration::from_secs(30);

/// After so many receives a message is dead where the policy does not say: SQS's own default.
const MAX_RECEIVES: u32 = 10;

/// What a queue says of itself. The counts are approximate, and a minute late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attributes {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that somebody received and has neither deleted nor let go.
    pub in_flight: u64,
    /// Messages that cannot be received yet.
    pub delayed: u64,
    /// So long a message is kept.
    #[serde(serialize_with = "duration::friendly::compact::required")]
    pub retention: SignedDuration,
    /// So long a message that was received stays hidden.
    #[serde(with = "unsigned_duration::friendly::compact::required")]
    pub visibility: Duration,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// Where it sends its own dead letters.
    pub redrive: Option<Redrive>,
}

/// Where a queue sends its dead letters, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redrive {
    /// The ARN of its dead-letter queue.
    pub target: String,
    /// After so many receives a message is dead.
    pub max_receives: u32,
}

impl Attributes {
    /// What `sqs:GetQueueAttributes` answered. What is missing, or cannot be read, is as SQS has it by default.
    pub fn of(said: &HashMap<QueueAttributeName, String>) -> Self {
        let text = |name: &QueueAttributeName| said.get(name).map(|text| text.trim());
        let number = |name: &QueueAttributeName| text(name).and_then(|text| text.parse::<u64>().ok());
        let retention = number(&QueueAttributeName::MessageRetentionPeriod);
        Self {
            visible: number(&QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0),
            in_flight: number(&QueueAttributeName::ApproximateNumberOfMessagesNotVisible).unwrap_or(0),
            delayed: number(&QueueAttributeName::ApproximateNumberOfMessagesDelayed).unwrap_or(0),
            retention: retention
                .and_then(|seconds| i64::try_from(seconds).ok())
                .map_or(RETENTION, SignedDuration::from_secs),
            visibility: number(&QueueAttributeName::VisibilityTimeout)
                .map_or(VISIBILITY, Duration::from_secs),
            fifo: text(&QueueAttributeName::QueueArn).is_some_and(|arn| arn.strip_suffix(".fifo").is_some()),
            redrive: text(&QueueAttributeName::RedrivePolicy).and_then(Redrive::of),
        }
    }
}

impl Redrive {
    /// What a redrive policy says, of a queue or of a subscription, which has no count. None: it names no queue.
    pub fn of(policy: &str) -> Option<Self> {
        let policy: Value = serde_json::from_str(policy).ok()?;
        let target = policy.get("deadLetterTargetArn")?.as_str()?.trim();
        // What made the policy decides whether the count is a number or a text.
        let count = match policy.get("maxReceiveCount") {
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(other) => other.as_u64().and_then(|count| u32::try_from(count).ok()),
            None => None,
        };
        (!target.is_empty())
            .then(|| Self { target: target.to_owned(), max_receives: count.unwrap_or(MAX_RECEIVES) })
    }
}

#[cfg(test)]
mod tests;
