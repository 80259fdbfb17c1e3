//! What is known of a service, in plain structs. AWS types end where these begin.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use shared::strategy;
use shared::tags::Tags;
use shared::target::Target;

/// An ECS service, as `DescribeServices` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its cluster and name.
    pub target: Target,
    /// Its ARN.
    pub arn: String,
    /// Whether it is `ACTIVE`; otherwise it is being deleted, or gone.
    pub active: bool,
    /// Who carries its deployments out.
    pub controller: Controller,
    /// Whether it runs one task on every instance.
    pub daemon: bool,
    /// How its tasks are replaced.
    pub strategy: Strategy,
    /// The stages at which a hook lets its deployments pause until somebody continues them.
    pub pauses: Vec<String>,
    /// The least share of the desired tasks that must run in a deployment, in percent.
    pub minimum_percent: Option<i32>,
    /// The greatest share of the desired tasks that may run in a deployment, in percent.
    pub maximum_percent: Option<i32>,
    /// How many tasks it should run.
    pub desired: i32,
    /// How many tasks it runs.
    pub running: i32,
    /// Its tags.
    pub tags: Tags,
    /// Its deployments that are not over, and the newest: those of the ECS controller.
    pub deployments: Vec<Deployment>,
    /// The task definitions of its task sets: those of CodeDeploy and of external controllers.
    pub task_sets: Vec<TaskSet>,
    /// The first load balancer's container and port, which CodeDeploy asks for.
    pub load_balancer: Option<(String, i32)>,
}

/// Who carries a service's deployments out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// ECS itself.
    Ecs,
    /// AWS CodeDeploy.
    CodeDeploy,
    /// Somebody else, through task sets.
    External,
}

/// How the tasks of a service are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A few at a time.
    Rolling,
    /// `BLUE_GREEN`, `LINEAR` or `CANARY`: a second set beside the first, then the traffic.
    Shifted,
}

/// A deployment of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Its id, such as `ecs-svc/1234`.
    pub id: String,
    /// Whether it is the one that the service is meant to run.
    pub primary: bool,
    /// The task definition's ARN.
    pub task_definition: String,
    /// How far it is; none where ECS does not say.
    pub rollout: Option<Rollout>,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
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

/// A set of tasks of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskSet {
    /// Its id.
    pub id: String,
    /// Whether it takes the traffic.
    pub primary: bool,
    /// The task definition's ARN.
    pub task_definition: String,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// Whether it runs as many tasks as it should.
    pub steady: bool,
}

impl Service {
    /// The task definitions that its tasks may run with, each once: of every deployment and task set.
    pub fn task_definitions(&self) -> Vec<&str> {
        let deployments = self.deployments.iter().map(|deployment| deployment.task_definition.as_str());
        let sets = self.task_sets.iter().map(|set| set.task_definition.as_str());
        let mut all: Vec<&str> = deployments.chain(sets).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The deployment that the service is meant to run.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.primary)
    }
}

/// A task of a service that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Task {
    /// When it was made; its secrets were read after that.
    pub created_at: Option<Timestamp>,
    /// The deployment that started it.
    pub started_by: String,
    /// Its task definition's ARN.
    pub task_definition: String,
    /// The digests of its containers' images, by container, where ECS knows them.
    pub digests: BTreeMap<String, String>,
}

/// What a container's image is, and what its name means by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The container.
    pub container: String,
    /// The image as the task definition names it.
    pub image: String,
    /// What the name means by now.
    pub names: Names,
}

/// What an image's name means by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// It holds the digest itself: always the same.
    Pinned,
    /// The image with this digest.
    Digest(String),
    /// None: the tag or the repository is gone.
    Nothing,
    /// It cannot be looked at, because it is in no registry of this account and Region.
    Unchecked,
}

/// The CodeDeploy deployment group of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its application.
    pub application: String,
    /// Its name.
    pub name: String,
    /// The deployment that is under way.
    pub under_way: Option<String>,
    /// The application specification of the last deployment that succeeded.
    #[serde(skip)]
    pub specification: Option<String>,
}

/// A secret, as `DescribeSecret` tells; never its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Secret {
    /// Its whole ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// The labels of every version that has any.
    pub stages: BTreeMap<String, Vec<String>>,
    /// Whether it is about to be deleted.
    pub deleted: bool,
    /// Whether it is rotated on a schedule; none where that was never said.
    pub rotates: Option<bool>,
    /// When it was last rotated.
    pub rotated_at: Option<Timestamp>,
    /// When the next rotation is due at the latest.
    pub next_rotation: Option<Timestamp>,
    /// When anything of it last changed.
    pub changed_at: Option<Timestamp>,
    /// How the hook rotated it, which may know that from the secret's value.
    pub rotated_by: Option<strategy::Strategy>,
}

impl Secret {
    /// The version that carries this label.
    pub fn version(&self, label: &str) -> Option<&str> {
        let carries = |stages: &[String]| stages.iter().any(|stage| stage == label);
        self.stages.iter().find(|(_, stages)| carries(stages)).map(|(version, _)| version.as_str())
    }

    /// How it is rotated, as its tag says, or else as the hook did it.
    pub fn strategy(&self) -> Option<strategy::Strategy> {
        let tag = self.tags.get(strategy::ROTATION).and_then(|tag| tag.parse().ok());
        tag.or(self.rotated_by)
    }
}
