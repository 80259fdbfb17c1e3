//! A stack's change of status.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::facts::stack::name_in;

/// The statuses in which an update does not get on, or may not.
pub(crate) const STUCK: [&str; 4] =
    ["UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_FAILED"];

/// A stack, and the status that it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackChange {
    /// Its name.
    pub name: String,
    /// Its id, which is its ARN.
    pub id: String,
    /// The status, in CloudFormation's word.
    pub status: String,
    /// When it came to it; in a sweep, when it was last updated.
    pub at: Timestamp,
}

impl StackChange {
    /// Whether the stack is in a status in which it can be stuck. In all others it is well, or a person has it in hand.
    pub fn is_stuck(&self) -> bool {
        STUCK.contains(&self.status.as_str())
    }
}

/// Reads EventBridge's `CloudFormation Stack Status Change` (CloudFormation User Guide, "Stack Status Change event
/// detail"); `None` if it is something else.
pub(crate) fn of_event(event: &Value) -> Option<StackChange> {
    if event.get("detail-type")?.as_str()? != "CloudFormation Stack Status Change" {
        return None;
    }
    let detail = event.get("detail")?;
    let id = detail.get("stack-id")?.as_str()?;
    Some(StackChange {
        name: name_in(id)?.to_owned(),
        id: id.to_owned(),
        status: detail.pointer("/status-details/status")?.as_str()?.to_owned(),
        at: event.get("time")?.as_str()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
