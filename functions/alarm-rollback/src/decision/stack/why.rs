//! Why nothing is done with a stack, in plain words.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::notice::Severity;

use super::inside::Blocker;
use super::status::Status;
use crate::decision::span;

/// The longest reason of CloudFormation that is repeated, in characters.
const LONGEST_QUOTE: usize = 200;

/// How many resources are named.
const NAMED: usize = 10;

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is none of that name.
    Missing,
    /// A template or a time was named.
    NoRevisions,
    /// It is nested, and only its root can be dealt with.
    Nested {
        /// The root's name.
        root: String,
    },
    /// It does not say when it was updated.
    NoTime,
    /// Its update ended too long ago.
    TooOld {
        /// When.
        since: Timestamp,
    },
    /// The alarm fired before its update began.
    FiringBefore {
        /// When that was.
        began: Timestamp,
    },
    /// It is not stuck, or not yet.
    NotStuck {
        /// Its status.
        status: String,
        /// Since when.
        since: Timestamp,
        /// After how long it counts as stuck.
        #[serde(serialize_with = "as_span")]
        after: SignedDuration,
    },
    /// CloudFormation is rolling it back.
    RollingBack {
        /// Since when.
        since: Timestamp,
    },
    /// It does not get on, and nothing is done about that.
    Stuck {
        /// Its status.
        status: String,
        /// Since when.
        since: Timestamp,
        /// What it waits for.
        waits: Vec<Blocker>,
        /// What would cancel it, where that is possible.
        command: Option<String>,
    },
    /// Its update is under way and may not be cancelled by itself.
    MayNotCancel {
        /// Since when.
        since: Timestamp,
        /// What would cancel it.
        command: String,
    },
    /// It has no service role.
    NoRole {
        /// What would bring it on.
        command: String,
        /// What that would skip.
        skipped: Vec<Blocker>,
    },
    /// Its rollback failed again, and resources may not be skipped by themselves.
    MayNotSkip {
        /// Which would be skipped.
        skipped: Vec<Blocker>,
        /// What would skip them.
        command: String,
    },
    /// Its rollback failed again, and no resource is known to have failed because of that.
    NothingToSkip,
    /// Its update failed, and it has no stable state on record.
    NoStableState {
        /// Whether its events were read whole.
        whole: bool,
    },
    /// Nothing is wrong with it.
    Well {
        /// Its status.
        status: String,
    },
    /// Its update is complete, and recent enough to be to blame.
    Completed {
        /// When it ended.
        since: Timestamp,
    },
    /// There is no call for its status.
    NoWay {
        /// Its status.
        status: String,
    },
}

fn as_span<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&span(*duration))
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no stack of that name"),
            Self::NoRevisions => {
                f.write_str("CloudFormation keeps no earlier templates, so a stack has no revision to name")
            }
            Self::Nested { root } => {
                write!(f, "the stack belongs to the stack {root}, and goes back only together with it")
            }
            Self::NoTime => f.write_str("CloudFormation does not say when the stack was updated"),
            Self::TooOld { since } => {
                write!(f, "no update of the stack is recent enough to blame; the newest ended at {since:.0}")
            }
            Self::FiringBefore { began } => {
                write!(f, "the alarm fired before the newest update of the stack began at {began:.0}")
            }
            Self::NotStuck { status, since, after } => write!(
                f,
                "the stack is not stuck yet: it is in {status} since {since:.0} and counts as stuck after {}",
                span(*after)
            ),
            Self::RollingBack { since } => {
                write!(f, "CloudFormation is already rolling the stack back, since {since:.0}")
            }
            Self::Stuck { status, since, waits, .. } => {
                write!(f, "the stack is stuck in {status} since {since:.0}")?;
                if waits.is_empty() {
                    f.write_str("; CloudFormation does not say what it waits for")
                } else {
                    write!(f, "; it waits for {}", listed(waits, |blocker| blocker.kind.clone()))
                }
            }
            Self::MayNotCancel { since, .. } => write!(
                f,
                "the stack is being updated since {since:.0}, and the policy does not allow to cancel that \
                 (rollback.stacks.cancel)"
            ),
            Self::NoRole { skipped, .. } => {
                f.write_str(
                    "the stack has no service role, so CloudFormation would act with Watchkeeper's own rights, which \
                     do not reach the stack's resources, and fail again",
                )?;
                if skipped.is_empty() { Ok(()) } else { write!(f, "; it would skip {}", reasons(skipped)) }
            }
            Self::MayNotSkip { skipped, .. } => write!(
                f,
                "the rollback of the stack was continued once and failed again, and the policy does not allow to \
                 skip what keeps it from ending (rollback.stacks.skip_resources): {}",
                reasons(skipped)
            ),
            Self::NothingToSkip => f.write_str(
                "the rollback of the stack was continued once and failed again, and CloudFormation names no resource \
                 that failed because of the rollback",
            ),
            Self::NoStableState { whole } => {
                f.write_str(
                    "the stack's update failed, and its events hold no stable state, so RollbackStack could delete it",
                )?;
                if *whole { Ok(()) } else { f.write_str("; the events were too many to be read whole") }
            }
            Self::Well { status } => write!(f, "the stack is not stuck ({status})"),
            Self::Completed { since } => write!(
                f,
                "the stack's update ended at {since:.0}, recently enough to be to blame, and CloudFormation has no call \
                 that takes a completed update back"
            ),
            Self::NoWay { status } => {
                let known = Status::read(status);
                f.write_str(known.obstacle())?;
                if known == Status::Unknown { write!(f, " ({status})") } else { Ok(()) }
            }
        }
    }
}

impl Why {
    /// How soon somebody has to answer: a stack that stays stuck blocks every deployment of it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Stuck { .. }
            | Self::MayNotCancel { .. }
            | Self::NoRole { .. }
            | Self::MayNotSkip { .. }
            | Self::NothingToSkip
            | Self::NoStableState { .. }
            | Self::Completed { .. } => Severity::Sev2,
            Self::Missing
            | Self::NoRevisions
            | Self::NoTime
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::RollingBack { .. }
            | Self::Nested { .. }
            | Self::NoWay { .. } => Severity::Sev3,
            Self::NotStuck { .. } | Self::Well { .. } => Severity::Sev4,
        }
    }

    /// What a person may allow for this once, by the name of the request's field.
    pub const fn allowed_by(&self) -> Option<&'static str> {
        match self {
            Self::MayNotSkip { .. } => Some("skip_unfixable"),
            Self::MayNotCancel { .. } | Self::Stuck { command: Some(_), .. } => Some("cancel_in_progress"),
            Self::Missing
            | Self::NoRevisions
            | Self::Nested { .. }
            | Self::NoTime
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::NotStuck { .. }
            | Self::RollingBack { .. }
            | Self::Stuck { command: None, .. }
            | Self::NoRole { .. }
            | Self::NothingToSkip
            | Self::NoStableState { .. }
            | Self::Well { .. }
            | Self::Completed { .. }
            | Self::NoWay { .. } => None,
        }
    }

    /// Whether there is nothing to mend, or nothing yet: `well`, `on_its_way`, or else `stuck`.
    pub fn standing(&self) -> &'static str {
        match self {
            Self::Well { .. } => "well",
            Self::NotStuck { .. } | Self::RollingBack { .. } => "on_its_way",
            Self::NoWay { status } if Status::read(status).is_on_its_way() => "on_its_way",
            Self::Missing
            | Self::NoRevisions
            | Self::Nested { .. }
            | Self::NoTime
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::Stuck { .. }
            | Self::MayNotCancel { .. }
            | Self::NoRole { .. }
            | Self::MayNotSkip { .. }
            | Self::NothingToSkip
            | Self::NoStableState { .. }
            | Self::Completed { .. }
            | Self::NoWay { .. } => "stuck",
        }
    }

    /// Whether it is for the log only where nobody asked: the stack is well, or on its way to be.
    pub fn quiet(&self) -> bool {
        match self {
            Self::Missing
            | Self::Nested { .. }
            | Self::NotStuck { .. }
            | Self::RollingBack { .. }
            | Self::Well { .. } => true,
            Self::NoWay { status } => Status::read(status).is_on_its_way(),
            Self::NoRevisions
            | Self::NoTime
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::Stuck { .. }
            | Self::MayNotCancel { .. }
            | Self::NoRole { .. }
            | Self::MayNotSkip { .. }
            | Self::NothingToSkip
            | Self::NoStableState { .. }
            | Self::Completed { .. } => false,
        }
    }

    /// What is left for a person to do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Missing => "Mend the name of the stack in the alarm's tag or in the request.".to_owned(),
            Self::NoRevisions => "Deploy the template that you want, by hand.".to_owned(),
            Self::Nested { root } => format!(
                "Tag the alarm `watchkeeper:target=stack:{root}`, or name stack:{root} in the request; until then, look \
                 at the stack {root}."
            ),
            Self::NoTime | Self::TooOld { .. } | Self::FiringBefore { .. } => {
                "Look for a cause other than an update of the stack: dependencies, traffic, a rotated secret, the \
                 platform."
                    .to_owned()
            }
            Self::NotStuck { .. } => "Wait: it is looked at again.".to_owned(),
            Self::RollingBack { .. } => {
                "Watch the rollback; if the alarm still fires when it is over, the update was not the cause."
                    .to_owned()
            }
            Self::Stuck { waits, command, .. } => {
                let mut step = if waits.iter().any(|blocker| blocker.kind == "AWS::ECS::Service") {
                    "The ECS service does not become stable, and CloudFormation waits for that, for hours; set its \
                     desired count or a task definition that starts, and the stack goes on."
                        .to_owned()
                } else {
                    "Look at what it waits for and mend that; the stack then goes on.".to_owned()
                };
                if let Some(command) = command {
                    step.push_str(" To take the update back instead: ");
                    step.push_str(command);
                }
                step
            }
            Self::MayNotCancel { command, .. } => {
                format!("If the update is to blame, cancel it; all of it is rolled back: {command}")
            }
            Self::NoRole { command, skipped } => {
                let warning = if skipped.is_empty() { "" } else { SKIPPED };
                format!("With rights to the stack's resources, run: {command}{warning}")
            }
            Self::MayNotSkip { command, .. } => {
                format!("Mend what failed and continue the rollback; if that is not possible: {command}{SKIPPED}")
            }
            Self::NothingToSkip => {
                "Look at the events of the stack and of those nested in it, mend what failed, and continue the \
                 rollback."
                    .to_owned()
            }
            Self::NoStableState { .. } => {
                "Mend what failed and update the stack again; do not run rollback-stack, which could delete it."
                    .to_owned()
            }
            Self::Well { .. } => "Nothing: the stack is well.".to_owned(),
            Self::Completed { .. } => {
                "Deploy the last good template, by hand and now, if the update is to blame.".to_owned()
            }
            Self::NoWay { status } => Status::read(status).advice().to_owned(),
        }
    }
}

/// What skipping means (CloudFormation User Guide, "Continue rolling back an update").
pub(super) const SKIPPED: &str = " (skipped resources are marked UPDATE_COMPLETE but differ from the template: bring \
                                  both together before the next update, or the stack may not be mended any more)";

/// The resources, each with its type and its reason, which is cut: it may quote what the resource's properties say.
pub(super) fn reasons(blockers: &[Blocker]) -> String {
    listed(blockers, |blocker| {
        let reason = blocker.reason.as_deref().unwrap_or("no reason given");
        let cut = reason
            .char_indices()
            .nth(LONGEST_QUOTE)
            .map_or(reason, |(end, _)| reason.get(..end).unwrap_or(reason));
        format!("{}: {}", blocker.kind, cut.trim_end_matches('.'))
    })
}

fn listed(blockers: &[Blocker], detail: impl Fn(&Blocker) -> String) -> String {
    let named = blockers.iter().take(NAMED).map(|blocker| format!("{} ({})", blocker.name, detail(blocker)));
    let list = named.collect::<Vec<_>>().join(", ");
    match blockers.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{list} and {more} more"),
        Some(_) | None => list,
    }
}

/// What a person pastes; names of stacks and resources need no quotes (CloudFormation API, their patterns).
pub(super) fn command(call: &str, stack: &str, skipped: &[Blocker]) -> String {
    let mut command = format!("aws cloudformation {call} --stack-name {stack}");
    if !skipped.is_empty() {
        command.push_str(" --resources-to-skip");
        for blocker in skipped {
            command.push(' ');
            command.push_str(&blocker.name);
        }
    }
    command
}
