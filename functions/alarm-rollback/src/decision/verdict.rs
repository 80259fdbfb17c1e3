//! What was concluded, with its reason in plain words. Doing nothing is a conclusion too.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::incident::Incident;
use shared::ledger::operation::Operation;
use shared::policy::Confidence;
use shared::tags;
use shared::target::Target;

use super::held::Held;
use super::plan::Plan;

/// What was concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody needs to hear of it; the report says why.
    Ignore(Ignored),
    /// Nothing is done, and people are told why.
    Hold {
        /// What it is about, where that is known.
        target: Option<Target>,
        /// Why nothing is done.
        why: Held,
    },
    /// It would be done, if this did not forbid it.
    Propose {
        /// What would be done.
        rollback: Rollback,
        /// What forbids it.
        withheld: Withheld,
    },
    /// Do it.
    RollBack(Rollback),
    /// It was done by an invocation that ended before it could say so: say so.
    RolledBack {
        /// What was rolled back.
        target: Target,
        /// What was begun.
        operation: Operation,
    },
    /// The alarm is OK while the rollback that answers it is still watched: let it be looked at now.
    HandOver {
        /// What is rolled back.
        target: Target,
        /// The operation's id.
        operation: String,
    },
    /// It is over: take back what people were told.
    Resolve(Incident),
}

/// A plan of one target, as one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollback {
    /// The operation's id.
    pub operation: String,
    /// What is rolled back.
    pub target: Target,
    /// What is done.
    pub plan: Plan,
    /// When the operation began.
    pub began: Timestamp,
    /// Who asked for it by hand.
    pub asked_by: Option<String>,
}

/// What forbids a plan that is right in itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The mode is `observe`.
    Observe,
    /// It was asked for as a dry run.
    DryRun,
    /// The policy freezes all changes.
    Frozen {
        /// Why and until when, in the policy's words.
        why: String,
    },
    /// It is a maintenance window.
    Window {
        /// Which.
        name: String,
    },
    /// It is not known well enough to be good.
    Confidence {
        /// How well it is known.
        is: Confidence,
        /// How well the policy wants it known.
        least: Confidence,
    },
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observe => f.write_str("Watchkeeper only observes here"),
            Self::DryRun => f.write_str("this is a dry run"),
            Self::Frozen { why } => write!(f, "the policy freezes all changes ({why})"),
            Self::Window { name } => write!(f, "it is the maintenance window {name:?}"),
            Self::Confidence { is, least } => {
                write!(f, "the confidence is {is}, and the policy wants at least {least}")
            }
        }
    }
}

/// Why nobody needs to hear of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// The alarm lost its data.
    NoData,
    /// It was firing before, too.
    Unchanged,
    /// Its owner muted it, by a suppressor alarm or a mute rule.
    Muted,
    /// Another invocation deals with the same change.
    InHand,
    /// The same change was dealt with before.
    Repeated {
        /// How.
        outcome: String,
    },
    /// It stopped firing, or is gone.
    Cleared,
    /// It belongs to another environment.
    OtherEnvironment {
        /// Which.
        environment: String,
    },
    /// Its target is not among those that may be looked at.
    OtherTarget {
        /// Which.
        target: String,
    },
    /// Its mode is `off`.
    Off,
    /// It is not about anything that could be rolled back.
    NoTarget,
    /// Nobody was told that it fired.
    NothingOpen,
    /// Something newer is known.
    Superseded,
    /// A stack is as it should be, or not stuck yet.
    Quiet {
        /// Why, in words.
        why: String,
    },
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => f.write_str("the alarm has too little data to say anything"),
            Self::Unchanged => f.write_str("the alarm was firing before, too; only a change to ALARM counts"),
            Self::Muted => f.write_str("the alarm's owner muted it, by a suppressor alarm or a mute rule"),
            Self::InHand => f.write_str("another invocation deals with this change of the alarm right now"),
            Self::Repeated { outcome } => {
                write!(f, "this change of the alarm was dealt with before: {outcome}")
            }
            Self::Cleared => f.write_str("the alarm no longer fires"),
            Self::OtherEnvironment { environment } => {
                write!(f, "it belongs to the environment {environment}")
            }
            Self::OtherTarget { target } => {
                write!(f, "{target} is not among the targets that this stack watches")
            }
            Self::Quiet { why } => f.write_str(why),
            Self::Off => write!(f, "its mode is off ({}, or the template's Mode)", tags::MODE),
            Self::NoTarget => write!(
                f,
                "the alarm is about nothing that could be rolled back: it has no tag {}, and its dimensions name no \
                 service, target group of a service or Lambda alias",
                tags::TARGET
            ),
            Self::NothingOpen => f.write_str("the alarm is OK, and nobody was told that it fired"),
            Self::Superseded => f.write_str("the alarm has changed again since; the newer change counts"),
        }
    }
}

/// A span as people say it: `1h 5m 12s`.
pub fn span(duration: SignedDuration) -> String {
    let duration = if duration.is_negative() { SignedDuration::ZERO } else { duration };
    let rounded = duration.round(jiff::Unit::Second).unwrap_or(duration);
    format!("{rounded:#}")
}

/// A task definition as people call it: `web:41`. Whatever is no ARN stays as it is.
pub fn short(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((_, name)) if arn.starts_with("arn:") => name,
        Some(_) | None => arn,
    }
}
