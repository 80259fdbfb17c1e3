//! What was concluded, with its reason in plain words. Doing nothing is a conclusion too.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::ledger::incident::Incident;
use shared::ledger::operation::Operation;
use shared::tags::{self, Unsafe};
use shared::target::Target;

use super::candidate::Basis;

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
    /// It would be rolled back, if the mode allowed it.
    Propose(Rollback),
    /// Roll it back.
    RollBack(Rollback),
    /// It was rolled back by an invocation that ended before it could say so: say so.
    RolledBack(Rollback),
    /// The alarm is OK again: take back what people were told.
    Resolve(Recovery),
}

/// The end of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What people were told.
    pub incident: Incident,
    /// The rollback that answered it, if it is not closed yet.
    pub operation: Option<Operation>,
    /// Whether the service runs what that rollback returned to, which thereby proved itself.
    pub proved: bool,
}

/// A rollback, with nothing left to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollback {
    /// The operation's id.
    pub operation: String,
    /// What is rolled back.
    #[serde(serialize_with = "as_text")]
    pub target: Target,
    /// The task definition that is left.
    pub from: String,
    /// The task definition that is returned to.
    pub to: String,
    /// How it is known to be good.
    pub basis: Basis,
    /// When the operation began.
    pub began: Timestamp,
}

impl Rollback {
    /// The rollback that an earlier invocation began.
    pub(super) fn resumed(target: &Target, operation: &Operation) -> Self {
        Self {
            operation: operation.id.clone(),
            target: target.clone(),
            from: operation.from.clone(),
            to: operation.to.clone(),
            basis: Basis::Begun,
            began: operation.began,
        }
    }

    /// How sure it is that what is returned to is good, and how that is known.
    pub fn grounds(&self) -> String {
        let confidence = self.basis.confidence();
        match &self.basis {
            Basis::Deployed { .. } => {
                format!("{confidence} confidence: ECS deployed it successfully before, and it ran")
            }
            Basis::Remembered { since } => {
                format!("{confidence} confidence: known to be good since {since:.0}")
            }
            Basis::Lower => format!(
                "{confidence} confidence: the next lower active revision of its family; whether it ever ran is not \
                 recorded"
            ),
            Basis::Begun => "chosen when this operation was begun".to_owned(),
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
    /// Its cluster is not among those that may be looked at.
    OtherCluster {
        /// Which.
        cluster: String,
    },
    /// Its mode is `off`.
    Off,
    /// It is not about anything that could be rolled back.
    NoTarget,
    /// Nobody was told that it fired.
    NothingOpen,
    /// Something newer is known.
    Superseded,
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
            Self::OtherCluster { cluster } => {
                write!(f, "the cluster {cluster} is not among those that this stack watches")
            }
            Self::Off => write!(f, "its mode is off ({}, or the template's Mode)", tags::MODE),
            Self::NoTarget => write!(
                f,
                "the alarm is about nothing that could be rolled back: it has no tag {} and no dimensions \
                 ClusterName and ServiceName",
                tags::TARGET
            ),
            Self::NothingOpen => f.write_str("the alarm is OK, and nobody was told that it fired"),
            Self::Superseded => f.write_str("the alarm has changed again since; the newer change counts"),
        }
    }
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The alarm does not say what it is about.
    NoTarget,
    /// It is about several services.
    ManyTargets {
        /// Which.
        targets: Vec<String>,
    },
    /// Its target tag cannot be read.
    MalformedTarget {
        /// What it says.
        tag: String,
    },
    /// Its target is of a kind that this version does not roll back.
    UnsupportedTarget,
    /// There is no such service.
    NoService,
    /// The service is being deleted.
    NotActive,
    /// The alarm's state was set by hand: a test.
    SetByHand,
    /// The change arrived too late.
    Stale {
        /// When the alarm changed.
        changed_at: Timestamp,
    },
    /// Somebody else deploys the service.
    Controller {
        /// Who.
        controller: String,
    },
    /// The service deploys in a way that this version does not roll back.
    Strategy {
        /// How.
        strategy: String,
    },
    /// The service is meant to run no task.
    ScaledToZero,
    /// A rollback of this service is under way.
    InProgress {
        /// Its id.
        operation: String,
        /// When it began.
        began: Timestamp,
    },
    /// A rollback of this service was begun and does not get on.
    Unfinished {
        /// Its id.
        operation: String,
        /// When it began.
        began: Timestamp,
    },
    /// The alarm stopped firing before the rollback that was begun for it could be made.
    Cleared,
    /// A rollback of this service was made a short while ago.
    Cooldown {
        /// When the cooldown ends.
        until: Timestamp,
    },
    /// This operation was begun, and then somebody deployed something else.
    Overtaken {
        /// What runs now.
        running: String,
    },
    /// ECS does not say when the service was deployed.
    NoDeployment,
    /// No deployment is recent enough.
    TooOld {
        /// The newest one's time.
        deployed_at: Timestamp,
    },
    /// The alarm fired before the newest deployment began.
    FiringBefore {
        /// When that began.
        deployed_at: Timestamp,
    },
    /// The newest deployment is Watchkeeper's own rollback.
    OwnRollback {
        /// Its id.
        operation: String,
    },
    /// ECS is rolling back by itself.
    EcsRollingBack,
    /// ECS has rolled back by itself.
    EcsRolledBack,
    /// ECS could not roll back.
    EcsRollbackFailed,
    /// Somebody stopped the newest deployment.
    Stopped,
    /// The newest deployment is in a state that this version does not know.
    UnknownDeployment,
    /// The service is marked as unsafe to roll back.
    Unsafe {
        /// Until when.
        until: Unsafe,
    },
    /// The newest deployment changed no task definition.
    SameCode,
    /// ECS lists no successful deployment before the newest.
    NoHistory,
    /// A deployment is beginning that ECS does not list yet.
    Moving,
    /// There is nothing good to return to.
    NothingGood,
    /// The last good task definition was deregistered.
    Inactive {
        /// Its ARN.
        task_definition: String,
    },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => f.write_str("the alarm does not say which service it is about"),
            Self::ManyTargets { targets } => write!(f, "the alarm is about several services: {}", targets.join(", ")),
            Self::MalformedTarget { tag } => write!(f, "the alarm's tag {} says {tag:?}, which names no target", tags::TARGET),
            Self::UnsupportedTarget => f.write_str("this version rolls back ECS services only"),
            Self::NoService => f.write_str("there is no service of that name"),
            Self::NotActive => f.write_str("the service is being deleted"),
            Self::SetByHand => f.write_str("the alarm's state was set by hand, so this counts as a test"),
            Self::Stale { changed_at } => write!(f, "the alarm fired at {changed_at:.0} and was heard of too late to act on"),
            Self::Controller { controller } => write!(f, "the service is deployed by {controller}, not by ECS"),
            Self::Strategy { strategy } => write!(f, "the service deploys by {strategy}, which this version does not roll back"),
            Self::ScaledToZero => f.write_str("the service is scaled to zero"),
            Self::InProgress { operation, began } => {
                write!(f, "a rollback of this service is already in progress since {began:.0} (operation {operation})")
            }
            Self::Unfinished { operation, began } => write!(
                f,
                "a rollback of this service was begun at {began:.0} and is not made yet; it is tried again \
                 (operation {operation})"
            ),
            Self::Cleared => {
                f.write_str("the alarm stopped firing before the rollback that was begun for it could be made")
            }
            Self::Cooldown { until } => {
                write!(f, "this service was rolled back a short while ago; the cooldown lasts until {until:.0}")
            }
            Self::Overtaken { running } => {
                write!(f, "somebody deployed {} while the rollback was being made", short(running))
            }
            Self::NoDeployment => f.write_str("ECS does not say when the service was last deployed"),
            Self::TooOld { deployed_at } => {
                write!(f, "no deployment is recent enough to blame; the newest is of {deployed_at:.0}")
            }
            Self::FiringBefore { deployed_at } => {
                write!(f, "the alarm fired before the newest deployment began at {deployed_at:.0}")
            }
            Self::OwnRollback { operation } => {
                write!(f, "the newest deployment is Watchkeeper's own rollback (operation {operation}); a rollback is not rolled back")
            }
            Self::EcsRollingBack => f.write_str("ECS is already rolling the deployment back"),
            Self::EcsRolledBack => f.write_str("ECS has already rolled the deployment back"),
            Self::EcsRollbackFailed => f.write_str("ECS tried to roll the deployment back and failed"),
            Self::Stopped => f.write_str("somebody stopped the newest deployment and has it in hand"),
            Self::UnknownDeployment => f.write_str("the newest deployment is in a state this version does not know"),
            Self::Unsafe { until: Unsafe::Always } => write!(f, "the service is marked as unsafe to roll back ({})", tags::ROLLBACK),
            Self::Unsafe { until: Unsafe::Until(until) } => {
                write!(f, "the service is marked as unsafe to roll back until {until:.0} ({})", tags::ROLLBACK)
            }
            Self::SameCode => f.write_str(
                "the newest deployment runs the same task definition as the one before, so its code is not to blame; \
                 a rotated secret or a moved image tag may be",
            ),
            Self::NoHistory => f.write_str(
                "ECS lists no successful deployment before the newest, so what ran before is not known",
            ),
            Self::Moving => f.write_str("another deployment of the service is just beginning"),
            Self::NothingGood => f.write_str("there is no revision known to be good to return to"),
            Self::Inactive { task_definition } => {
                write!(f, "the last good task definition {} was deregistered", short(task_definition))
            }
        }
    }
}

/// A task definition as people call it: `web:41`.
pub fn short(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

fn as_text<S: serde::Serializer>(target: &Target, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(target)
}
