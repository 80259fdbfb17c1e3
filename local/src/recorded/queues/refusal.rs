//! The errors of SQS, as its JSON protocol writes them: by their shapes in the body, by their older codes in a header.

use serde_json::{Value, json};

use crate::proxy::Answer;

/// An error of the API, or of one entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// As the Query protocol has it, which the clients go by.
    code: String,
    message: String,
    is_sender: bool,
}

/// The codes that are not the names of their shapes, or not answered with 400.
const SHAPES: [(&str, &str, u16); 14] = [
    ("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct", 400),
    ("AWS.SimpleQueueService.BatchRequestTooLong", "BatchRequestTooLong", 400),
    ("AWS.SimpleQueueService.EmptyBatchRequest", "EmptyBatchRequest", 400),
    ("AWS.SimpleQueueService.InvalidBatchEntryId", "InvalidBatchEntryId", 400),
    ("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight", 400),
    ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", 400),
    ("AWS.SimpleQueueService.PurgeQueueInProgress", "PurgeQueueInProgress", 403),
    ("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest", 400),
    ("AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", 400),
    ("InvalidParameterValue", "InvalidParameterValueException", 400),
    ("MissingParameter", "MissingRequiredParameterException", 400),
    ("OverLimit", "OverLimit", 403),
    ("RequestThrottled", "RequestThrottled", 403),
    ("InternalError", "InternalFailure", 500),
];

impl Refusal {
    pub(super) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), is_sender: true }
    }

    /// An error that is the service's own fault.
    pub(super) fn internal(code: impl Into<String>) -> Self {
        let message = "We encountered an internal error. Please try again.".to_owned();
        Self { code: code.into(), message, is_sender: false }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn value(value: &str, parameter: &str, reason: &str) -> Self {
        Self::invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
    }

    pub(super) fn no_queue() -> Self {
        Self::new("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    }

    pub(super) fn answer(&self) -> Answer {
        let known = SHAPES.iter().find(|(code, ..)| *code == self.code);
        let (shape, status) = known.map_or((&*self.code, 400), |(_, shape, status)| (*shape, *status));
        let space =
            if shape.ends_with("Exception") { "com.amazon.coral.service" } else { "com.amazonaws.sqs" };
        let body = json!({"__type": format!("{space}#{shape}"), "message": self.message});
        let side = if self.is_sender { "Sender" } else { "Receiver" };
        Answer::raw(status, body.to_string())
            .with_header("x-amzn-query-error", format!("{};{side}", self.code))
    }

    /// The same in the answer to a batch.
    pub(super) fn entry(&self, id: &str) -> Value {
        json!({"Id": id, "SenderFault": self.is_sender, "Code": self.code, "Message": self.message})
    }
}
