//! The messages that the functions send, as the test keeps them for the queues.

use std::time::Instant;

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Timers,
    Redeploys,
    Settlements,
}

impl Queue {
    pub(super) const ALL: [Self; 3] = [Self::Timers, Self::Redeploys, Self::Settlements];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Redeploys => "redeploys",
            Self::Settlements => "settlements",
        }
    }

    /// The functions' setting that names it.
    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::Timers => "TIMERS_QUEUE_URL",
            Self::Redeploys => "REDEPLOYS_QUEUE_URL",
            Self::Settlements => "SETTLEMENTS_QUEUE_URL",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: usize,
    pub(super) queue: Queue,
    pub(super) body: String,
    pub(super) due: Instant,
    pub(super) receives: usize,
}

impl Message {
    /// Whether it is a `follow`, a `watch` or the like.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.body.starts_with(&format!("{{\"{kind}\":"))
    }

    pub(super) fn receipt(&self) -> String {
        format!("receipt-{}-{}", self.id, self.receives)
    }

    /// As the platform hands it over.
    pub(super) fn record(&self) -> Value {
        json!({
            "messageId": format!("message-{}", self.id),
            "receiptHandle": self.receipt(),
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": self.receives.to_string(), "SentTimestamp": "1795213200000"},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{}", self.queue.name()),
        })
    }
}
