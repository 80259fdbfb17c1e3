//! What is known of CodeDeploy's deployments.

use jiff::Timestamp;
use serde::Serialize;

/// What CodeDeploy recorded of one deployment group of an ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The application.
    pub application: String,
    /// The deployment group.
    pub group: String,
    /// Its newest deployment.
    pub newest: Deployment,
    /// Those that succeeded, newest first; the newest deployment is among them if it did.
    pub succeeded: Vec<Deployment>,
    /// Whether that is all that CodeDeploy remembers; else older deployments were not looked at.
    pub whole: bool,
}

/// One deployment of a task definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// Whether it is a rollback, or is being or was rolled back itself.
    pub rollback: bool,
    /// What its creator says of it.
    pub description: Option<String>,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The task definition of its application specification, as it is written there.
    pub task_definition: Option<String>,
    /// Its application specification, JSON or YAML; none where CodeDeploy only knows where it is kept.
    pub specification: Option<String>,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for, on its way, baking, or waiting for somebody.
    InProgress,
    /// Arrived.
    Succeeded,
    /// Ended without arriving.
    Failed,
    /// Stopped by somebody.
    Stopped,
    /// A state that this version does not know.
    Unknown,
}
