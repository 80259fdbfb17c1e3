//! What is asked by hand, as a direct invocation.
//!
//! ```json
//! {"rollback": {"target": "ecs:prod/web", "to": "web:41", "dry_run": false, "confirm": "ROLLBACK", "by": "ann"}}
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::lambda::Invocation;
use shared::target::Target;
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
    let confirmed = match asked.confirm.as_deref() {
        None => false,
        Some(CONFIRMATION) => true,
        Some(_) => {
            return Err(malformed("rollback", &format!("confirm: the word is {CONFIRMATION}, in capitals")));
        }
    };
    Ok(Request {
        id: invocation.request_id.clone(),
        asked_at: invocation.now,
        target: target("rollback", &asked.target)?,
        wanted,
        dry_run: asked.dry_run,
        confirmed,
        by: asked.by.filter(|by| !by.trim().is_empty()),
    })
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
