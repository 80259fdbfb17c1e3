//! What is known of a case. It grows as the decision asks: a field that is `None` was not looked at yet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use shared::alarm::{AlarmChange, State};
use shared::ledger::incident::Incident;
use shared::ledger::once::Claim;
use shared::ledger::target::Memory;
use shared::tags::Tags;

/// What is known of a case.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// What arrived.
    pub change: AlarmChange,
    /// Whether this change is ours to deal with.
    #[serde(serialize_with = "claim")]
    pub claim: Option<Claim>,
    /// The alarm as it is now.
    pub alarm: Option<Alarm>,
    /// What people were told of this alarm before; the inner `None`: nothing.
    #[serde(skip)]
    pub incident: Option<Option<Incident>>,
    /// The service, its deployments, and what is remembered of it.
    pub scene: Option<Scene>,
    /// The service revisions that the deployments point to.
    pub revisions: Option<Vec<ServiceRevision>>,
    /// The family's `ACTIVE` task definitions below the current revision, newest first.
    pub earlier: Option<Vec<String>>,
    /// The task definition to return to.
    pub candidate: Option<TaskDefinition>,
}

impl Facts {
    /// Only what arrived.
    pub const fn of(change: AlarmChange) -> Self {
        Self {
            change,
            claim: None,
            alarm: None,
            incident: None,
            scene: None,
            revisions: None,
            earlier: None,
            candidate: None,
        }
    }

    /// The same for all that one alarm ever says.
    pub fn incident_key(&self) -> String {
        format!("alarm:{}", self.change.arn.as_ref().unwrap_or(&self.change.name))
    }

    /// One change of one alarm, by whichever transport: alarm and time are its identity (CloudWatch User Guide).
    pub fn claim_key(&self) -> String {
        format!("{}@{}", self.incident_key(), self.change.changed_at.as_millisecond())
    }
}

/// The alarm as CloudWatch describes it now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Alarm {
    /// Its state; `None` if it was deleted.
    pub state: Option<State>,
    /// Its tags.
    pub tags: Tags,
}

/// The service, its deployments, and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scene {
    /// The service; `None` if there is none of that name.
    pub service: Option<Service>,
    /// Its service deployments, newest first. ECS keeps 90 days of them, and none for other controllers.
    pub deployments: Vec<ServiceDeployment>,
    /// What the ledger remembers.
    pub memory: Memory,
}

/// An ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its ARN.
    pub arn: String,
    /// Whether it is `ACTIVE`.
    pub active: bool,
    /// Who deploys it.
    pub controller: Controller,
    /// How it deploys.
    pub strategy: Strategy,
    /// The task definition's ARN it is meant to run.
    pub task_definition: String,
    /// How many tasks it should run.
    pub desired: i32,
    /// How many tasks it runs.
    pub running: i32,
    /// When its primary deployment was created.
    pub deployed_at: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// Who deploys a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// ECS itself.
    Ecs,
    /// Somebody else: `CODE_DEPLOY`, `EXTERNAL`.
    Other(String),
}

/// How a service deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Task by task.
    Rolling,
    /// `BLUE_GREEN`, `LINEAR`, `CANARY`.
    Other(String),
}

/// One service deployment, as ECS lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// How far it is.
    pub status: Status,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The service revision it leads to.
    pub revision: String,
}

/// How far a service deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for, or on its way.
    InProgress,
    /// Arrived.
    Successful,
    /// Stopped by somebody.
    Stopped,
    /// On its way back by ECS's own circuit breaker or alarm.
    RollingBack,
    /// Taken back by ECS.
    RolledBack,
    /// Could not be taken back by ECS.
    RollbackFailed,
    /// A state that this version does not know.
    Unknown,
}

/// What a service revision runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceRevision {
    /// Its ARN.
    pub arn: String,
    /// Its task definition's ARN.
    pub task_definition: String,
    /// The digests of its images; empty where ECS resolved none.
    pub images: BTreeSet<String>,
}

/// A task definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskDefinition {
    /// Its ARN.
    pub arn: String,
    /// Whether it is `ACTIVE`: an inactive one cannot be deployed.
    pub active: bool,
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn claim<S: serde::Serializer>(claim: &Option<Claim>, serializer: S) -> Result<S::Ok, S::Error> {
    match claim {
        None => serializer.serialize_none(),
        Some(Claim::Won) => serializer.serialize_str("won"),
        Some(Claim::InHand) => serializer.serialize_str("in_hand"),
        Some(Claim::Done(outcome)) => serializer.serialize_str(&format!("done: {outcome}")),
    }
}
