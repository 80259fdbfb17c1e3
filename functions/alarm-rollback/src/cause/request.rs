//! What is asked by hand, as a direct invocation.
//!
//! ```json
//! {"rollback": {"target": "ecs:prod/web", "to": "web:41", "dry_run": false, "confirm": "ROLLBACK", "by": "ann"}}
//! {"fix": {"stack": "billing", "skip_unfixable": true, "dry_run": false, "confirm": "ROLLBACK", "by": "ann"}}
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::lambda::Invocation;
use shared::target::Target;
use shared::text::asked_by;
use shared::{Error, Result};

/// The word that a production environment asks for.
pub(crate) const CONFIRMATION: &str = "ROLLBACK";

/// A rollback asked for by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The invocation's request id, which a retry by the platform keeps.
    pub id: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Of what.
    pub target: Target,
    /// To what.
    pub wanted: Wanted,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Whether the confirmation word was given.
    pub confirmed: bool,
    /// Who asks, as they say.
    pub by: Option<String>,
}

/// To what a target shall be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The previous good revision.
    Previous,
    /// This revision.
    Revision(String),
    /// What ran at this time.
    At(Timestamp),
    /// What stood there before this operation.
    Undo(String),
    /// A stack that is stuck is to get on; what the policy does not allow may be done where it is asked for.
    Fix {
        /// To continue the rollback without the resources that keep it from ending.
        skip_unfixable: bool,
        /// To cancel an update that is in progress for too long.
        cancel_in_progress: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    target: String,
    to: Option<String>,
    at: Option<String>,
    undo: Option<String>,
    #[serde(default = "yes")]
    dry_run: bool,
    confirm: Option<String>,
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fix {
    stack: String,
    #[serde(default)]
    skip_unfixable: bool,
    #[serde(default)]
    cancel_in_progress: bool,
    #[serde(default = "yes")]
    dry_run: bool,
    confirm: Option<String>,
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Diagnose {
    target: String,
}

const fn yes() -> bool {
    true
}

/// Reads `{"target": …, "to" | "at" | "undo": …, "dry_run": true, "confirm": …, "by": …}`.
pub(super) fn rollback(asked: &Value, invocation: &Invocation) -> Result<Request> {
    let asked: Rollback = read("rollback", asked)?;
    let wanted = match (asked.to, asked.at, asked.undo) {
        (None, None, None) => Wanted::Previous,
        (Some(to), None, None) => Wanted::Revision(to),
        (None, Some(at), None) => Wanted::At(at.parse().map_err(|_| {
            malformed("rollback", &format!("at: {at:?} is not a time such as 2026-11-20T12:00:00Z"))
        })?),
        (None, None, Some(operation)) => Wanted::Undo(operation),
        (..) => return Err(malformed("rollback", "give one of to, at and undo, or none of them")),
    };
    Ok(Request {
        id: invocation.request_id.clone(),
        asked_at: invocation.now,
        target: target("rollback", &asked.target)?,
        wanted,
        dry_run: asked.dry_run,
        confirmed: confirmed("rollback", asked.confirm.as_deref())?,
        by: asked_by("rollback", asked.by.as_deref())?,
    })
}

/// Reads `{"stack": …, "skip_unfixable": false, "cancel_in_progress": false, "dry_run": true, "confirm": …, "by": …}`.
pub(super) fn fix(asked: &Value, invocation: &Invocation) -> Result<Request> {
    let asked: Fix = read("fix", asked)?;
    let name = asked.stack.strip_prefix("stack:").unwrap_or(&asked.stack);
    Ok(Request {
        id: invocation.request_id.clone(),
        asked_at: invocation.now,
        target: target("fix", &format!("stack:{name}"))?,
        wanted: Wanted::Fix {
            skip_unfixable: asked.skip_unfixable,
            cancel_in_progress: asked.cancel_in_progress,
        },
        dry_run: asked.dry_run,
        confirmed: confirmed("fix", asked.confirm.as_deref())?,
        by: asked_by("fix", asked.by.as_deref())?,
    })
}

fn confirmed(what: &str, word: Option<&str>) -> Result<bool> {
    match word {
        None => Ok(false),
        Some(CONFIRMATION) => Ok(true),
        Some(_) => Err(malformed(what, &format!("confirm: the word is {CONFIRMATION}, in capitals"))),
    }
}

/// Reads `{"target": …}`: what a rollback by hand would do, without doing it.
pub(super) fn diagnose(asked: &Value, invocation: &Invocation) -> Result<Request> {
    let asked: Diagnose = read("diagnose", asked)?;
    Ok(Request {
        id: invocation.request_id.clone(),
        asked_at: invocation.now,
        target: target("diagnose", &asked.target)?,
        wanted: Wanted::Previous,
        dry_run: true,
        confirmed: false,
        by: None,
    })
}

fn read<'de, T: Deserialize<'de>>(what: &str, asked: &'de Value) -> Result<T> {
    T::deserialize(asked).map_err(|error| malformed(what, &error.to_string()))
}

fn target(what: &str, text: &str) -> Result<Target> {
    text.parse().map_err(|error: String| malformed(what, &format!("target: {error}")))
}

fn malformed(what: &str, problem: &str) -> Error {
    Error::Event(format!("{what}: {problem}"))
}

#[cfg(test)]
mod tests;
