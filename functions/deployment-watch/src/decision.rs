//! What became of an operation or a deployment. No clock, no network, no failure.
//!
//! [`decide`] is asked again and again while the facts grow: it answers with the next question, or with the verdict.
//! No verdict begins anything: what failed is told, and a person decides. Beside the verdict stands which redeploys may
//! go on now; how, whoever makes them decides.

mod deployment;
mod news;
mod operation;
mod progress;
mod proof;
mod redeploy;
mod verdict;
mod wakes;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::operation::{Means, Operation};
use shared::notice::Status;
use shared::tags::Mode;
use shared::target::{self, Target};

use crate::event::Hint;
use crate::facts::Facts;

pub use news::{News, of as news};
pub(crate) use progress::takes_back;
pub use progress::{Progress, of as progress};
pub(crate) use verdict::short;
pub use verdict::{Broken, Close, Ended, Failure, Ignored, Proof, Redeployed, Verdict, Waiting, incident_of};

/// How soon an operation is looked at again whose timer came while the mode is `off`. No other timer of it would come
/// once the mode is back. At this pace the queue's 1,000 receives last about ten days, less than its retention of 14.
const WHILE_OFF: SignedDuration = SignedDuration::from_mins(15);

/// What the owners decided beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The environment that is watched.
    pub environment: String,
    /// The clusters that may be looked at: a name, or the beginning of one and a star.
    pub clusters: String,
    /// Where it is `off`, nothing is done and said.
    pub mode: Mode,
    /// How long after the rollback is deployed the alarm may take to be OK.
    pub recovery: SignedDuration,
    /// Why the policy document could not be read; then its defaults hold.
    pub unread: Option<String>,
    /// The version of the policy document; 0: none.
    pub version: i64,
    /// Which deployments people are told of for the record.
    #[serde(skip_serializing_if = "Told::is_nothing")]
    pub told: Told,
}

/// Which deployments people are told of for the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How far they must be.
    pub tell: Vec<Status>,
    /// Whether this is production, where a failure weighs more.
    pub production: bool,
}

impl Told {
    /// Whether nobody wants to hear of any.
    pub fn is_nothing(&self) -> bool {
        self.tell.is_empty()
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find this out and ask again.
    Look(Question),
    /// It is decided.
    Settled {
        /// What was concluded.
        verdict: Verdict,
        /// The redeploys that may go on now, by their ids: whoever makes them is told.
        wakes: Vec<String>,
    },
}

/// What the decision still has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What is remembered of the target.
    Memory,
    /// What is there now.
    World(Place),
    /// The alarm of this name.
    Alarm(String),
    /// What people were told under this key.
    Incident(String),
    /// Which task definition failed, from the service's deployments.
    Failed,
    /// Why a deployment failed.
    Diagnosis {
        /// Its id, where it is known; otherwise all tasks of the service count.
        deployment: Option<String>,
        /// Its task definition.
        task_definition: Option<String>,
        /// When it began.
        since: Option<Timestamp>,
        /// What ECS says of it.
        said: String,
    },
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the target itself: the service, the alias or the stack.
    Target,
    /// At the service deployment of this ARN.
    ServiceDeployment(String),
    /// At the CodeDeploy deployment of this id, and the one that takes it back.
    CodeDeploy(String),
}

/// The next question, or the verdict.
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Step {
    match settle(facts, policy, now) {
        Ok(verdict) => Step::Settled { wakes: wakes::of(facts, &verdict), verdict },
        Err(question) => Step::Look(question),
    }
}

/// `Err` is a question, so that `?` asks it.
type Asked<T> = Result<T, Question>;

fn settle(facts: &Facts, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    if policy.mode == Mode::Off {
        return Ok(off(&facts.hint));
    }
    match &facts.hint {
        Hint::Watch { target, operation } => {
            operation::watch(facts, target, operation.as_deref(), policy, now)
        }
        Hint::Deployment(change) => deployment::seen(facts, change, policy),
        Hint::Prove { target, revision, deployment, since } => {
            let proof = Proof {
                target: target.clone(),
                revision: revision.clone(),
                deployment: deployment.clone(),
                since: *since,
            };
            proof::prove(facts, proof, policy, now)
        }
    }
}

/// Nothing is done and said, but an operation's timer is kept: without it nothing would close the operation later.
const fn off(hint: &Hint) -> Verdict {
    match hint {
        // Only a timer names its operation.
        Hint::Watch { operation: Some(_), .. } => Verdict::Wait { why: Waiting::Off, again: WHILE_OFF },
        Hint::Watch { operation: None, .. } | Hint::Prove { .. } | Hint::Deployment(_) => {
            Verdict::Ignore(Ignored::Off)
        }
    }
}

/// Where the end of an operation is seen.
fn place(operation: &Operation) -> Place {
    match (operation.means, &operation.deployment) {
        (Means::StopServiceDeployment, Some(deployment)) => Place::ServiceDeployment(deployment.clone()),
        (Means::CreateDeployment | Means::StopDeployment | Means::RedeployByCodeDeploy, Some(deployment)) => {
            Place::CodeDeploy(deployment.clone())
        }
        (
            Means::UpdateService
            | Means::Scale
            | Means::StopServiceDeployment
            | Means::CreateDeployment
            | Means::StopDeployment
            | Means::UpdateAlias
            | Means::CancelUpdateStack
            | Means::ContinueUpdateRollback
            | Means::RollbackStack
            | Means::Redeploy
            | Means::RedeployByCodeDeploy,
            _,
        ) => Place::Target,
    }
}

/// Whether the target is among what is watched. What is no service is: its operation says so.
fn covers(policy: &Policy, target: &Target) -> Result<(), Ignored> {
    let Target::Service { cluster, .. } = target else {
        return Ok(());
    };
    if target::covers(&policy.clusters, cluster) {
        Ok(())
    } else {
        Err(Ignored::OtherCluster { cluster: cluster.clone() })
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

#[cfg(test)]
mod tests;
