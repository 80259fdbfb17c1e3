//! What the rules of each kind of target are asked, and what they answer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::ledger::operation::{Means, Operation};
use shared::policy::Confidence;

/// What is wanted of a target, and what is known of the case beside the target itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// What is wanted.
    pub(super) wish: &'a Wish,
    /// The operation that an earlier invocation, or an earlier step of this one, began for the same cause and that is
    /// still open.
    pub(super) own: Option<&'a Operation>,
    /// What the owners decided beforehand.
    pub(super) rules: &'a shared::policy::Policy,
    /// When it is asked.
    pub(super) now: Timestamp,
}

/// What is wanted of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Take back the deployment that an alarm blames, if there is one.
    TakeBack {
        /// When the alarm fired.
        fired_at: Timestamp,
    },
    /// Bring a stuck stack on; nobody blames a deployment.
    Unstick,
    /// By hand: back to the previous good revision, however long ago the deployment was.
    Previous,
    /// By hand: to this revision. A task definition as `web:41` or its ARN; a Lambda version.
    Revision(String),
    /// By hand: to what ran at this time.
    At(Timestamp),
}

impl Wish {
    /// When the alarm fired that blames a deployment; none by hand.
    pub const fn fired_at(&self) -> Option<Timestamp> {
        match self {
            Self::TakeBack { fired_at } => Some(*fired_at),
            Self::Unstick | Self::Previous | Self::Revision(_) | Self::At(_) => None,
        }
    }
}

/// A plan with nothing left to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The revision that is left: a task definition's ARN, a Lambda version, a stack's status.
    pub from: String,
    /// The revision that is returned to.
    pub to: String,
    /// What `to` is a copy of, where it had to be registered anew.
    pub copy_of: Option<String>,
    /// How `to` is known to be good.
    pub basis: Basis,
    /// The one call that changes something.
    pub act: Act,
    /// Whether `from` is held to be bad from now on.
    pub blames: bool,
    /// What a person should know of it: what is not restored, what could not be checked. Whole sentences.
    pub notes: Vec<String>,
    /// What stands there now, so that it can be undone by hand.
    pub before: Value,
}

/// The one call that changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// `ecs:UpdateService` with this task definition and nothing else.
    UpdateService {
        /// Its ARN.
        task_definition: String,
    },
    /// `ecs:UpdateService` with this desired count and nothing else.
    Scale {
        /// How many tasks.
        desired: i32,
    },
    /// `ecs:StopServiceDeployment` with stop type `ROLLBACK`.
    StopServiceDeployment {
        /// The service deployment's ARN.
        deployment: String,
    },
    /// `ecs:RegisterTaskDefinition`: a copy that can be deployed. It changes nothing that runs; the decision goes on
    /// with it.
    RegisterTaskDefinition {
        /// Of which task definition.
        of: String,
        /// By container: the image to write instead, with its digest.
        images: BTreeMap<String, String>,
    },
    /// `codedeploy:CreateDeployment`.
    CreateDeployment {
        /// The application.
        application: String,
        /// The deployment group.
        group: String,
        /// The application specification to deploy, as JSON or YAML.
        specification: String,
    },
    /// `codedeploy:StopDeployment` with automatic rollback.
    StopDeployment {
        /// The CodeDeploy deployment's id.
        deployment: String,
    },
    /// `lambda:UpdateAlias` to this version with no weights, if the alias was not changed since.
    UpdateAlias {
        /// The version.
        version: String,
        /// The alias's revision id, as it was looked at.
        revision_id: String,
    },
    /// `cloudformation:CancelUpdateStack`.
    CancelUpdateStack,
    /// `cloudformation:ContinueUpdateRollback`.
    ContinueUpdateRollback {
        /// The resources to skip, as CloudFormation wants them named; mostly none.
        skip: Vec<String>,
    },
    /// `cloudformation:RollbackStack`.
    RollbackStack,
}

impl Act {
    /// By what an operation with this act is done. A copy is registered in order to update the service.
    pub const fn means(&self) -> Means {
        match self {
            Self::UpdateService { .. } | Self::RegisterTaskDefinition { .. } => Means::UpdateService,
            Self::Scale { .. } => Means::Scale,
            Self::StopServiceDeployment { .. } => Means::StopServiceDeployment,
            Self::CreateDeployment { .. } => Means::CreateDeployment,
            Self::StopDeployment { .. } => Means::StopDeployment,
            Self::UpdateAlias { .. } => Means::UpdateAlias,
            Self::CancelUpdateStack => Means::CancelUpdateStack,
            Self::ContinueUpdateRollback { .. } => Means::ContinueUpdateRollback,
            Self::RollbackStack => Means::RollbackStack,
        }
    }

    /// The deployment that is known before the call, because the call is about it.
    pub fn deployment(&self) -> Option<String> {
        match self {
            Self::StopServiceDeployment { deployment } | Self::StopDeployment { deployment } => {
                Some(deployment.clone())
            }
            Self::UpdateService { .. }
            | Self::Scale { .. }
            | Self::RegisterTaskDefinition { .. }
            | Self::CreateDeployment { .. }
            | Self::UpdateAlias { .. }
            | Self::CancelUpdateStack
            | Self::ContinueUpdateRollback { .. }
            | Self::RollbackStack => None,
        }
    }
}

/// How a revision is known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// AWS deployed it successfully before, and it ran: high confidence.
    Deployed {
        /// The deployment's ARN or id.
        deployment: String,
        /// When it ended.
        finished_at: Option<Timestamp>,
    },
    /// The deployment in flight began from it: high confidence.
    Source,
    /// The newest deployment began from it; whether it was ever deployed successfully is no longer listed: medium
    /// confidence.
    Before,
    /// It is the stable side of a weighted alias: high confidence.
    Stable,
    /// AWS itself goes back to the last state that it holds to be stable: high confidence.
    LastStable,
    /// The ledger remembers it as good: medium confidence.
    Remembered {
        /// Since when.
        since: Timestamp,
    },
    /// It is the next lower revision or version; whether it ever ran is not known: low confidence.
    Lower,
    /// Somebody named it.
    Named,
    /// It was chosen when the operation was begun, by an invocation that was cut off.
    Begun,
    /// Nothing is returned to: the number of tasks is restored.
    Restored,
}

impl Basis {
    /// How sure it is; none where nobody has to be sure, because a person decided or nothing is returned to.
    pub const fn confidence(&self) -> Option<Confidence> {
        match self {
            Self::Deployed { .. } | Self::Source | Self::Stable | Self::LastStable => Some(Confidence::High),
            Self::Before | Self::Remembered { .. } => Some(Confidence::Medium),
            Self::Lower => Some(Confidence::Low),
            Self::Named | Self::Begun | Self::Restored => None,
        }
    }

    /// How sure it is that what is returned to is good, and how that is known.
    pub fn grounds(&self) -> String {
        match self {
            Self::Deployed { .. } => {
                "high confidence: it was deployed successfully before, and it ran".to_owned()
            }
            Self::Source => "high confidence: the deployment in flight began from it".to_owned(),
            Self::Before => "medium confidence: it ran before the newest deployment".to_owned(),
            Self::Stable => "high confidence: it is the stable side of the weighted alias".to_owned(),
            Self::LastStable => "high confidence: AWS goes back to the last stable state itself".to_owned(),
            Self::Remembered { since } => format!("medium confidence: known to be good since {since:.0}"),
            Self::Lower => {
                "low confidence: the next lower one; whether it ever ran is not recorded".to_owned()
            }
            Self::Named => "somebody named it".to_owned(),
            Self::Begun => "chosen when this operation was begun".to_owned(),
            Self::Restored => "the number of tasks is restored, nothing else".to_owned(),
        }
    }
}

/// How far an operation is that was begun by an earlier invocation, seen from what is true now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// The call that changes something was not made, or has to be made anew.
    Before,
    /// It was made.
    Made,
    /// Somebody changed the target since.
    Overtaken {
        /// What it runs now.
        running: String,
    },
}
