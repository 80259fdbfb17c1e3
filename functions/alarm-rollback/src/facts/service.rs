//! What is known of an ECS service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use shared::tags::Tags;

use super::code_deploy;

/// A service, and what its state makes worth knowing. A field that is `None` was not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scene {
    /// The service; `None` if there is none of that name.
    pub service: Option<Service>,
    /// Its service deployments, newest first. ECS keeps 90 days of them, and none for other controllers.
    pub deployments: Vec<ServiceDeployment>,
    /// The status of the stack that owns the service; the inner `None`: the stack is gone.
    pub owner: Option<Option<String>>,
    /// The service revisions that the newest deployment began from.
    pub sources: Option<Vec<String>>,
    /// The service revisions that the deployments point to.
    pub revisions: Option<Vec<ServiceRevision>>,
    /// The family's `ACTIVE` task definitions below the current revision, newest first.
    pub earlier: Option<Vec<String>>,
    /// The task definition to return to, and what it stands on.
    pub candidate: Option<TaskDefinition>,
    /// What CodeDeploy recorded; the inner `None`: nothing.
    pub code_deploy: Option<Option<code_deploy::Record>>,
    /// The secrets that the running task definition uses, and when they last changed.
    pub rotated: Option<Vec<Rotated>>,
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
    /// How it deploys: `ROLLING`, `BLUE_GREEN`, `LINEAR`, `CANARY`.
    pub strategy: String,
    /// The task definition's ARN it is meant to run.
    pub task_definition: String,
    /// How many tasks it should run.
    pub desired: i32,
    /// How many tasks it runs.
    pub running: i32,
    /// When its primary deployment was created.
    pub deployed_at: Option<Timestamp>,
    /// The containers and ports that its load balancers reach.
    pub ports: Vec<Port>,
    /// Whether it runs on Fargate.
    pub fargate: bool,
    /// The CodeDeploy deployment of its newest task set.
    pub code_deploy: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A container and the port of it that a load balancer reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The container's name.
    pub container: String,
    /// The container's port.
    pub port: i32,
}

/// Who deploys a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// ECS itself.
    Ecs,
    /// CodeDeploy.
    CodeDeploy,
    /// Somebody else: `EXTERNAL`.
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
    /// On its way back, by ECS's own circuit breaker or alarm or because somebody stopped it so.
    RollingBack,
    /// Taken back.
    RolledBack,
    /// Could not be taken back.
    RollbackFailed,
    /// A state that this version does not know.
    Unknown,
}

/// What a service revision runs, and with what around it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ServiceRevision {
    /// Its ARN.
    pub arn: String,
    /// Its task definition's ARN.
    pub task_definition: String,
    /// By container: the digest of its image, where ECS resolved one.
    pub images: BTreeMap<String, String>,
    /// What a task definition does not say, by name: network, load balancers, capacity, platform version.
    pub around: BTreeMap<String, String>,
}

/// A task definition, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TaskDefinition {
    /// Its ARN.
    pub arn: String,
    /// How far it can be deployed.
    pub standing: Standing,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Whether it may run on Fargate.
    pub fargate: bool,
    /// The images of its containers that can be looked for.
    pub images: Vec<Image>,
    /// The secrets and parameters that its containers begin with.
    pub secrets: Vec<Secret>,
}

/// Whether a task definition can be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It can.
    Active,
    /// It was deregistered, and can be read: a copy can be deployed.
    Inactive,
    /// ECS does not know it any more.
    #[default]
    Gone,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, as it is written.
    pub image: String,
    /// Its ports.
    pub ports: Vec<i32>,
}

/// What was found of a container's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The container's name.
    pub container: String,
    /// The image, as it is written.
    pub image: String,
    /// What was found.
    pub found: Found,
}

/// What was found of a thing that a task needs to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is there.
    There,
    /// The image with the digest that ran is there, but its tag names another one by now.
    Moved,
    /// It is not there.
    Gone,
    /// It cannot be looked for, and why.
    Unchecked(String),
}

/// What was found of a secret or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// Its name or ARN, without JSON key, stage and version; never a value.
    pub name: String,
    /// What was found.
    pub found: Found,
}

/// A secret that the running tasks began with, and when it last changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// Its name.
    pub name: String,
    /// When it last changed.
    pub changed_at: Option<Timestamp>,
}
