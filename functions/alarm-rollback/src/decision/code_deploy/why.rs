//! Why nothing is done with a service that CodeDeploy deploys, in plain words.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::notice::Severity;

use crate::decision::{Redeployed, short};

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was asked to be brought on, and only a stack can be stuck.
    NeverStuck,
    /// CodeDeploy rolls it back, or has done so.
    RolledBack {
        /// The deployment's id.
        deployment: String,
    },
    /// The newest deployment is one of our own rollbacks.
    OwnRollback {
        /// The operation.
        operation: String,
    },
    /// The newest deployment ended without arriving, and nobody took it back.
    Failed {
        /// The deployment's id.
        deployment: String,
    },
    /// The newest deployment is in a state that this version does not know.
    UnknownState {
        /// The deployment's id.
        deployment: String,
    },
    /// CodeDeploy does not say when the newest deployment was.
    NoTime {
        /// The deployment's id.
        deployment: String,
    },
    /// The newest deployment ended too long ago.
    TooOld {
        /// When it ended.
        deployed_at: Timestamp,
    },
    /// The alarm fired before the newest deployment began.
    FiringBefore {
        /// When it began.
        deployed_at: Timestamp,
    },
    /// The deployment on its way replaces a task definition that is bad itself.
    FixOnItsWay {
        /// The bad one.
        task_definition: String,
    },
    /// The newest deployment changed no task definition.
    SameCode {
        /// Which it deployed again.
        task_definition: String,
        /// The redeploy that it is, where Watchkeeper made it.
        redeployed: Option<Redeployed>,
    },
    /// CodeDeploy lists no successful deployment before the newest.
    NoHistory,
    /// All that was deployed before is bad, the same, or ran too short a time.
    NothingGood,
    /// A deployment's application specification is not kept by CodeDeploy, or cannot be read.
    Unreadable {
        /// The deployment's id.
        deployment: String,
    },
    /// A deployment is on its way that leads elsewhere than a person wants.
    Busy {
        /// The deployment's id.
        deployment: String,
    },
    /// A person named something that is no revision.
    NotARevision {
        /// What was named.
        text: String,
    },
    /// CodeDeploy never deployed what a person named.
    NotDeployed {
        /// What was named.
        task_definition: String,
    },
    /// It runs already.
    AlreadyThere {
        /// What runs.
        task_definition: String,
    },
    /// What ran at a time is not known.
    NotRecorded {
        /// The time.
        at: Timestamp,
    },
    /// What ran at a time is bad.
    Bad {
        /// What ran.
        task_definition: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverStuck => f.write_str("a service cannot be stuck; only a stack can"),
            Self::RolledBack { deployment } => {
                write!(f, "CodeDeploy has a rollback of the service in hand already (deployment {deployment})")
            }
            Self::OwnRollback { operation } => write!(
                f,
                "the newest deployment is Watchkeeper's own rollback (operation {operation}); a rollback is not rolled \
                 back"
            ),
            Self::Failed { deployment } => {
                write!(f, "the newest deployment ({deployment}) failed or was stopped, and was not taken back")
            }
            Self::UnknownState { deployment } => {
                write!(f, "the newest deployment ({deployment}) is in a state this version does not know")
            }
            Self::NoTime { deployment } => {
                write!(f, "CodeDeploy does not say when the deployment {deployment} was made")
            }
            Self::TooOld { deployed_at } => {
                write!(f, "no deployment is recent enough to blame; the newest is of {deployed_at:.0}")
            }
            Self::FiringBefore { deployed_at } => {
                write!(f, "the alarm fired before the newest deployment began at {deployed_at:.0}")
            }
            Self::FixOnItsWay { task_definition } => write!(
                f,
                "the deployment on its way replaces {}, which is held to be bad; taking it back would return to that",
                short(task_definition)
            ),
            Self::SameCode { task_definition, redeployed } => {
                write!(
                    f,
                    "the newest deployment runs the same task definition {} as the one before, so its code is not to \
                     blame",
                    short(task_definition)
                )?;
                match redeployed {
                    None => f.write_str("; a rotated secret or a moved image tag may be"),
                    Some(redeployed) => write!(f, "; it is rotation-related: {redeployed}"),
                }
            }
            Self::NoHistory => f.write_str(
                "CodeDeploy lists no successful deployment before the newest, so what ran before is not known",
            ),
            Self::NothingGood => f.write_str("there is no deployment known to be good to return to"),
            Self::Unreadable { deployment } => write!(
                f,
                "the application specification of the deployment {deployment} is not kept by CodeDeploy itself (it may \
                 be in S3), or names no task definition"
            ),
            Self::Busy { deployment } => {
                write!(f, "CodeDeploy is deploying the service already (deployment {deployment})")
            }
            Self::NotARevision { text } => {
                write!(f, "{text:?} is not a task definition with its revision, such as web:41")
            }
            Self::NotDeployed { task_definition } => write!(
                f,
                "CodeDeploy's newest deployments of this service have none of {}, so there is no application \
                 specification for it",
                short(task_definition)
            ),
            Self::AlreadyThere { task_definition } => {
                write!(f, "the service runs {} already", short(task_definition))
            }
            Self::NotRecorded { at } => write!(f, "CodeDeploy does not say what ran at {at:.0}"),
            Self::Bad { task_definition } => {
                write!(f, "{} ran then, and is held to be bad: it was rolled away from", short(task_definition))
            }
        }
    }
}

impl Why {
    /// How soon somebody has to answer.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Failed { .. }
            | Self::FixOnItsWay { .. }
            | Self::SameCode { .. }
            | Self::NoHistory
            | Self::NothingGood
            | Self::Unreadable { .. } => Severity::Sev2,
            Self::NeverStuck
            | Self::RolledBack { .. }
            | Self::OwnRollback { .. }
            | Self::UnknownState { .. }
            | Self::NoTime { .. }
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::Busy { .. }
            | Self::NotARevision { .. }
            | Self::NotDeployed { .. }
            | Self::AlreadyThere { .. }
            | Self::NotRecorded { .. }
            | Self::Bad { .. } => Severity::Sev3,
        }
    }

    /// What is left for a person to do.
    pub fn next_step(&self) -> String {
        match self {
            Self::NeverStuck => "Name a stack, or ask to roll the service back.".to_owned(),
            Self::RolledBack { deployment } => format!(
                "Watch it: aws deploy get-deployment --deployment-id {deployment}. If the alarm still fires when it is \
                 over, the deployment was not the cause."
            ),
            Self::OwnRollback { .. } => {
                "Look for a cause other than the deployment: the last rollback did not help.".to_owned()
            }
            Self::Failed { deployment } | Self::UnknownState { deployment } | Self::NoTime { deployment } => format!(
                "See which task set serves now (aws deploy get-deployment --deployment-id {deployment}), and deploy \
                 the last good one if it is the wrong one."
            ),
            Self::TooOld { .. } | Self::FiringBefore { .. } => {
                "Look for a cause other than a deployment.".to_owned()
            }
            Self::FixOnItsWay { .. } => {
                "Look whether the fix on its way helps; if it does not, deploy what is known to be good.".to_owned()
            }
            Self::SameCode { .. } => {
                "Look at the secrets that were rotated and the images that were pushed lately.".to_owned()
            }
            Self::NoHistory | Self::NothingGood | Self::NotRecorded { .. } | Self::NotDeployed { .. } => {
                "Deploy a task definition that is known to be good, by CodeDeploy: aws deploy create-deployment."
                    .to_owned()
            }
            Self::Unreadable { deployment } => format!(
                "Find the specification (aws deploy get-deployment --deployment-id {deployment}) and deploy the last \
                 good one by hand. CodeDeploy keeps those that are given to it as content."
            ),
            Self::Busy { deployment } => format!(
                "Wait for it, or stop it first: aws deploy stop-deployment --deployment-id {deployment} \
                 --auto-rollback-enabled."
            ),
            Self::NotARevision { .. } => "Name it as <family>:<revision> or by its ARN.".to_owned(),
            Self::AlreadyThere { .. } => "Nothing; name another revision if this one is not meant.".to_owned(),
            Self::Bad { task_definition } => {
                format!("Name another time, or {} itself if it is wanted all the same.", short(task_definition))
            }
        }
    }
}
