//! What was concluded, with its reason in plain words. Doing nothing is a conclusion too.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ecs::diagnosis::Diagnosis;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{End, Operation};
use shared::tags;
use shared::target::Target;

use crate::facts::Alarm;

/// What was concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody needs to hear of it; the report says why.
    Ignore(Ignored),
    /// It is too early to say.
    Wait {
        /// For what.
        why: Waiting,
        /// When to look again.
        again: SignedDuration,
    },
    /// It is an operation's: look at that.
    Follow {
        /// Its id.
        operation: String,
    },
    /// An operation is over.
    Close(Box<Close>),
    /// A redeploy of one service is over. Whoever began it tells people of all its services together.
    Redeployed(Box<Redeployed>),
    /// A deployment is done.
    Deployed {
        /// What is to be seen later.
        proof: Proof,
        /// The failure that people were told of, which is over.
        resolves: Option<Incident>,
    },
    /// A deployment failed that nobody of us began.
    Broken(Box<Broken>),
    /// A revision has proved itself.
    Good(Proof),
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// What it was about.
    pub target: Target,
    /// The operation.
    pub operation: Operation,
    /// How it ended.
    pub ended: Ended,
    /// What people were told before.
    pub incident: Option<Incident>,
    /// When it ended: the same for whoever looks, so that its notice is the same, too.
    pub at: Timestamp,
}

/// The end of a redeploy of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeployed {
    /// The service.
    pub target: Target,
    /// The operation as it is written down: with why, where it did not arrive.
    pub operation: Operation,
    /// How it ended.
    pub ended: Ended,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It is deployed, and the alarm is OK.
    Recovered {
        /// When it was deployed.
        deployed: Timestamp,
        /// The alarm; none where no alarm asked for it, or where it was deleted.
        alarm: Option<Alarm>,
    },
    /// It is deployed, and the alarm is not OK.
    Unhealed {
        /// When it was deployed.
        deployed: Timestamp,
        /// The alarm.
        alarm: Alarm,
    },
    /// It could not be done.
    Failed {
        /// Why.
        failure: Failure,
        /// What runs now, where that is known.
        running: Option<String>,
    },
    /// Somebody did something else.
    Superseded {
        /// What runs now, or what became of it.
        running: String,
    },
}

impl Ended {
    /// How the ledger calls it.
    pub const fn end(&self) -> End {
        match self {
            Self::Recovered { .. } => End::Recovered,
            Self::Unhealed { .. } => End::Unhealed,
            Self::Failed { .. } => End::Failed,
            Self::Superseded { .. } => End::Superseded,
        }
    }

    /// Whether it speaks against the revision that was returned to.
    pub const fn disproves(&self) -> bool {
        matches!(self, Self::Failed { failure: Failure::Refuted { disproves: true, .. }, .. })
    }
}

/// Why an operation could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// AWS says so.
    Refuted {
        /// In its words.
        said: String,
        /// Whether that speaks against what was returned to.
        disproves: bool,
    },
    /// It was begun, and nothing was made of it.
    NotMade,
    /// It does not come to an end.
    Late,
    /// Its deployment is gone.
    Vanished,
    /// What was to be stopped had already finished.
    TooLate,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuted { said, .. } if said.is_empty() => f.write_str("AWS says that it failed"),
            Self::Refuted { said, .. } => write!(f, "AWS says: {}", said.trim_end_matches(['.', ' '])),
            Self::NotMade => f.write_str("it was begun, and nothing came of it before its deadline"),
            Self::Late => f.write_str("it did not come to its end before its deadline"),
            Self::Vanished => f.write_str("its deployment is gone, and what ran before it runs again"),
            Self::TooLate => f.write_str("what was to be stopped had already finished"),
        }
    }
}

/// A deployment whose revision is to prove itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What was deployed to.
    pub target: Target,
    /// What was deployed.
    pub revision: String,
    /// The deployment's id.
    pub deployment: String,
    /// When it succeeded.
    pub since: Timestamp,
}

/// A deployment that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The service.
    pub target: Target,
    /// Its ARN.
    pub service: String,
    /// The task definition that failed.
    pub task_definition: String,
    /// What ECS went back to; none where it did not.
    pub back_to: Option<String>,
    /// Whether that is deployed by now.
    pub over: bool,
    /// Whether the failure speaks against the revision.
    pub disproved: bool,
    /// How many tasks should run.
    pub desired: i32,
    /// How many tasks run.
    pub running: i32,
    /// Why it failed.
    pub diagnosis: Diagnosis,
    /// What people were told before.
    pub incident: Option<Incident>,
    /// When it failed.
    pub at: Timestamp,
}

/// The key under which people hear of the failed deployments of the service with this ARN.
pub fn incident_of(service: &str) -> String {
    format!("deployment:{service}")
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// That the operation is done.
    Deployment {
        /// Whether anything is seen of it.
        made: bool,
    },
    /// That the alarm is OK.
    Alarm {
        /// Its name.
        name: String,
        /// How long.
        until: Timestamp,
    },
    /// That the revision has run for a while.
    Proof {
        /// How long.
        until: Timestamp,
    },
    /// That the mode is no longer `off`.
    Off,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment { made: true } => f.write_str("it is on its way"),
            Self::Deployment { made: false } => f.write_str("it was begun, and nothing is seen of it yet"),
            Self::Alarm { name, until } => {
                write!(f, "it is deployed; the alarm {name} has until {until:.0} to be OK")
            }
            Self::Proof { until } => write!(f, "its revision has until {until:.0} to prove itself"),
            Self::Off => f.write_str(
                "the template's Mode is off: until that changes, nothing is done and said, and the timer is kept",
            ),
        }
    }
}

/// Why nobody needs to hear of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// Its mode is `off`.
    Off,
    /// Its cluster is not among those that may be looked at.
    OtherCluster {
        /// Which.
        cluster: String,
    },
    /// It belongs to another environment.
    OtherEnvironment {
        /// Which.
        environment: String,
    },
    /// A deployment began.
    Began,
    /// The service is gone.
    NoService,
    /// No operation is open, or none of that id is known.
    NoOperation,
    /// The operation is closed already.
    Ended {
        /// Its id.
        operation: String,
        /// How.
        end: End,
    },
    /// Another deployment runs by now.
    Overtaken {
        /// Of what.
        running: String,
    },
    /// ECS does not say which revision failed.
    Unlisted,
    /// People know of this failure.
    Told,
    /// The revision is about to be left.
    Leaving {
        /// The operation that leaves it.
        operation: String,
    },
    /// The revision turned out bad.
    Disproved,
    /// The alarm for which the revision was left once fires.
    Fires {
        /// Its name.
        alarm: String,
    },
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "the mode is off ({}, or the template's Mode)", tags::MODE),
            Self::OtherCluster { cluster } => {
                write!(f, "the cluster {cluster} is not among those that this stack watches")
            }
            Self::OtherEnvironment { environment } => {
                write!(f, "it belongs to the environment {environment}")
            }
            Self::Began => f.write_str("a deployment began; its end counts"),
            Self::NoService => f.write_str("the service is gone"),
            Self::NoOperation => f.write_str("it belongs to no operation of Watchkeeper's"),
            Self::Ended { operation, end } => {
                let end = match end {
                    End::Recovered => "it helped",
                    End::Superseded => "somebody did something else",
                    End::Refused => "it was refused",
                    End::Failed => "it failed",
                    End::Unhealed => "it did not help",
                };
                write!(f, "the operation {operation} is closed: {end}")
            }
            Self::Overtaken { running } => {
                write!(f, "another deployment runs by now, of {}", short(running))
            }
            Self::Unlisted => {
                f.write_str("a deployment failed, and ECS no longer says which revision it was of")
            }
            Self::Told => f.write_str("people know of this failure"),
            Self::Leaving { operation } => {
                write!(f, "the operation {operation} is about to leave the revision")
            }
            Self::Disproved => f.write_str("the revision was found bad meanwhile"),
            Self::Fires { alarm } => {
                write!(f, "the alarm {alarm}, for which the revision was left before, fires; it stays bad")
            }
        }
    }
}

/// A task definition as people call it: `web:41`.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}
