//! What arrived, and what is asked by it.
//!
//! | event | is |
//! |---|---|
//! | an alarm's change of state, by any of its three transports | one cause, or one per record |
//! | EventBridge `CloudFormation Stack Status Change` | a cause |
//! | `{"sweep": "stacks"}`, by schedule | a look for stuck stacks, each of which is a cause |
//! | `{"rollback": {…}}`, by hand | a cause |
//! | `{"fix": {"stack": …}}`, by hand | a cause |
//! | `{"diagnose": {"target": …}}`, by hand | a question; nothing is changed and nobody is told |

pub(crate) mod request;
pub(crate) mod stack;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::alarm::{self, AlarmChange};
use shared::lambda::Invocation;
use shared::{Error, Result};

pub use request::{Request, Wanted};
pub use stack::StackChange;

/// Why a target is looked at.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An alarm changed.
    Alarm(AlarmChange),
    /// A stack changed, or was found stuck.
    Stack(StackChange),
    /// Somebody asked by hand.
    Request(Request),
}

impl Cause {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Alarm(change) => change.changed_at,
            Self::Stack(change) => change.at,
            Self::Request(request) => request.asked_at,
        }
    }
}

/// What an event asks for.
#[derive(Debug)]
pub(crate) enum Work {
    /// To deal with these, each on its own.
    Causes(Vec<Cause>),
    /// To look for stuck stacks.
    Sweep,
    /// To say how a target stands.
    Diagnose(Request),
}

/// Reads an event.
///
/// # Errors
/// [`Error::Event`] that says what it is instead, or which field is wrong and what it should be.
pub(crate) fn parse(event: &Value, invocation: &Invocation) -> Result<Work> {
    if let Some(asked) = event.get("rollback") {
        return Ok(Work::Causes(vec![Cause::Request(request::rollback(asked, invocation)?)]));
    }
    if let Some(asked) = event.get("fix") {
        return Ok(Work::Causes(vec![Cause::Request(request::fix(asked, invocation)?)]));
    }
    if let Some(asked) = event.get("diagnose") {
        return Ok(Work::Diagnose(request::diagnose(asked, invocation)?));
    }
    if let Some(what) = event.get("sweep") {
        return match what.as_str() {
            Some("stacks") => Ok(Work::Sweep),
            Some(_) | None => Err(Error::Event(r#"a sweep is of "stacks""#.to_owned())),
        };
    }
    if let Some(change) = stack::of_event(event) {
        return Ok(Work::Causes(vec![Cause::Stack(change)]));
    }
    let changes = alarm::parse(event).map_err(Error::Event)?;
    Ok(Work::Causes(changes.into_iter().map(Cause::Alarm).collect()))
}

#[cfg(test)]
mod tests;
