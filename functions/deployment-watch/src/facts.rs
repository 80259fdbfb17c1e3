//! What is known of a case. It grows as the decision asks: a field that is `None` was not looked at yet.

use jiff::Timestamp;
use serde::Serialize;
use shared::alarm::State;
use shared::ecs::diagnosis::Diagnosis;
use shared::ledger::incident::Incident;
use shared::ledger::target::Memory;
use shared::tags::Tags;

use crate::event::Hint;

/// What is known of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Where to look.
    pub hint: Hint,
    /// What is remembered of the target.
    pub memory: Option<Memory>,
    /// What is there now.
    pub world: Option<World>,
    /// The alarm behind the operation; the inner `None`: it was deleted.
    pub alarm: Option<Option<Alarm>>,
    /// What people were told before; the inner `None`: nothing.
    #[serde(skip)]
    pub incident: Option<Option<Incident>>,
    /// The task definition that failed, as the service's deployments tell; the inner `None`: they do not.
    pub failed: Option<Option<String>>,
    /// Why it failed.
    pub diagnosis: Option<Diagnosis>,
}

impl Facts {
    /// Only what arrived.
    pub const fn of(hint: Hint) -> Self {
        Self { hint, memory: None, world: None, alarm: None, incident: None, failed: None, diagnosis: None }
    }

    /// The service, where one was looked at and is there.
    pub const fn service(&self) -> Option<&Service> {
        if let Some(World::Service(Some(service))) = &self.world { Some(service) } else { None }
    }
}

/// What is there now; an inner `None`: it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// An ECS service.
    Service(Option<Service>),
    /// A service deployment.
    ServiceDeployment(Option<ServiceDeployment>),
    /// A CodeDeploy deployment, and the one that takes it back.
    CodeDeploy {
        /// The deployment.
        deployment: Option<CodeDeployment>,
        /// The one that takes it back, where there is one.
        rollback: Option<CodeDeployment>,
    },
    /// A Lambda alias.
    Alias(Option<Alias>),
    /// A CloudFormation stack.
    Stack(Option<Stack>),
}

/// An ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Service {
    /// Its ARN.
    pub arn: String,
    /// Whether it is `ACTIVE`.
    pub active: bool,
    /// How many tasks it should run.
    pub desired: i32,
    /// How many tasks it runs.
    pub running: i32,
    /// Its tags.
    pub tags: Tags,
    /// Its deployments that are not over, and the newest.
    pub deployments: Vec<Deployment>,
    /// What ECS reported of it, newest first. Not recorded: its texts about secrets can quote what stands in one.
    #[serde(skip)]
    pub events: Vec<Event>,
}

impl Service {
    /// The deployment that the service is meant to run.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.primary)
    }

    /// The deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}

/// What a task definition says of what runs with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The image of its first essential container.
    pub image: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A deployment of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Whether it is the one that the service is meant to run.
    pub primary: bool,
    /// The task definition's ARN.
    pub task_definition: String,
    /// How far it is; none where ECS does not say.
    pub rollout: Option<Rollout>,
    /// Why, in ECS's words.
    pub reason: String,
    /// How many tasks it should run.
    pub desired: i32,
    /// How many tasks it runs.
    pub running: i32,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollout {
    /// On its way.
    InProgress,
    /// Arrived.
    Completed,
    /// Failed.
    Failed,
}

/// One event of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// In ECS's words.
    pub message: String,
}

/// A service deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceDeployment {
    /// How far it is.
    pub status: Status,
    /// Why, in ECS's words.
    pub reason: String,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// How far a service deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for, on its way, being stopped or being taken back.
    Moving,
    /// Arrived.
    Successful,
    /// Stopped, and not taken back.
    Stopped,
    /// Taken back.
    RolledBack,
    /// Could not be taken back.
    RollbackFailed,
}

/// A CodeDeploy deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeDeployment {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: CodeDeployStatus,
    /// Why, in CodeDeploy's words.
    pub reason: String,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// How far a CodeDeploy deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeDeployStatus {
    /// Asked for, or on its way.
    Moving,
    /// Arrived.
    Succeeded,
    /// Failed.
    Failed,
    /// Stopped.
    Stopped,
}

/// A Lambda alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// The version it points to.
    pub version: String,
    /// The other versions that get a share of its calls.
    pub others: Vec<String>,
}

/// A CloudFormation stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// Its status, such as `UPDATE_ROLLBACK_COMPLETE`.
    pub status: String,
    /// Since when, as its events tell.
    pub since: Option<Timestamp>,
    /// The resources that failed and why, newest first.
    pub failures: Vec<String>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
}
