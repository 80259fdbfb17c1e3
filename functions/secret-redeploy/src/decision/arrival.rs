//! Whether anything follows from what arrived. An event only says where to look: what counts is where the label stands
//! now, and where it stood when it was looked at last.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::ledger::redeploy::{Cause, Label, Phase, Redeploy};
use shared::tags::{self, Mode};

use super::Policy;
use crate::event::Moved;
use crate::facts::Secret;

/// What is known of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// What arrived.
    pub moved: Moved,
    /// The secret, where it exists.
    pub secret: Option<Secret>,
    /// Where the label stood when it was looked at last.
    pub known: Option<Label>,
}

/// What follows from a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Ignore(Ignored),
    /// Its dependants are redeployed.
    Open {
        /// Where the label stands now.
        label: Label,
        /// What is begun.
        redeploy: Box<Redeploy>,
    },
    /// The move is known; its redeploy may not have been begun to the end.
    Again {
        /// The redeploy.
        id: String,
    },
}

/// Why nothing follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// The template's mode, or the secret's, is `off`.
    Off,
    /// There is no such secret.
    NoSecret,
    /// It is about to be deleted.
    Deleted,
    /// It belongs to another environment.
    OtherEnvironment {
        /// Which.
        environment: String,
    },
    /// The label is on another version by now; that move has an event of its own.
    Superseded,
    /// No version carries the label.
    NoLabel,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "the mode is off ({}, or the template's Mode)", tags::MODE),
            Self::NoSecret => f.write_str("there is no such secret"),
            Self::Deleted => f.write_str("the secret is about to be deleted"),
            Self::OtherEnvironment { environment } => {
                write!(f, "it belongs to the environment {environment}")
            }
            Self::Superseded => {
                f.write_str("the label has moved on since; that move has an event of its own")
            }
            Self::NoLabel => f.write_str("no version of the secret carries the label"),
        }
    }
}

/// Whether this secret is none of ours.
pub fn foreign(secret: &Secret, policy: &Policy) -> Option<Ignored> {
    if Mode::resolve(policy.mode, [&secret.tags]) == Mode::Off {
        return Some(Ignored::Off);
    }
    if secret.deleted {
        return Some(Ignored::Deleted);
    }
    let other = secret.tags.get(tags::ENVIRONMENT).filter(|other| **other != policy.environment)?;
    Some(Ignored::OtherEnvironment { environment: other.clone() })
}

/// What follows.
pub fn decide(facts: &Facts, policy: &Policy, cause: Cause, now: Timestamp) -> Verdict {
    let Facts { moved, secret, known } = facts;
    let Some(secret) = secret else {
        return Verdict::Ignore(Ignored::NoSecret);
    };
    if let Some(why) = foreign(secret, policy) {
        return Verdict::Ignore(why);
    }
    let Some(current) = secret.version(&moved.label) else {
        return Verdict::Ignore(Ignored::NoLabel);
    };
    if moved.version.as_deref().is_some_and(|version| version != current) {
        return Verdict::Ignore(Ignored::Superseded);
    }
    if let Some(known) = known.as_ref().filter(|known| known.version == current) {
        let id = Redeploy::id_of(&secret.arn, &moved.label, known);
        return Verdict::Again { id };
    }
    // A clock that runs ahead must not make tasks of the future look old.
    let label = Label::after(known.as_ref(), current, moved.at.min(now));
    let redeploy = open(secret, &moved.label, &label, holds_before(known.as_ref(), current), cause, now);
    Verdict::Open { label, redeploy: Box::new(redeploy) }
}

/// A redeploy after this move.
pub fn open(
    secret: &Secret,
    stage: &str,
    label: &Label,
    holds_before: Option<Timestamp>,
    cause: Cause,
    now: Timestamp,
) -> Redeploy {
    Redeploy {
        id: Redeploy::id_of(&secret.arn, stage, label),
        secret: secret.arn.clone(),
        name: secret.name.clone(),
        label: stage.to_owned(),
        version: label.version.clone(),
        moved: label.at,
        holds_before,
        cause,
        phase: Phase::Collecting,
        waves: 0,
        began: now,
        unread: 0,
        told: false,
        ended: None,
        next: None,
        even_if_fresh: false,
        put_back: None,
    }
}

/// Where the label goes back to the version that it left at that time, whoever is older than that runs with it already.
fn holds_before(known: Option<&Label>, version: &str) -> Option<Timestamp> {
    let known = known?;
    known.before.as_ref().filter(|before| before.version == version).map(|_| known.at)
}

#[cfg(test)]
mod tests;
