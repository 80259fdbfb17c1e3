//! What arrives, read tolerantly. An event is only a hint where to look: what is true is asked.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::queue::{self, Record};
use shared::target::Target;
use shared::timer::Timer;
use shared::{Error, Result};

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// A batch of the timers queue.
    Timers(Vec<Record>),
    /// An event that says where to look.
    Hint(Hint),
    /// An event that says nothing that could be followed; why.
    Nothing(&'static str),
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// At an operation: has it come to its end?
    Watch {
        /// What the operation is about.
        #[serde(serialize_with = "as_text")]
        target: Target,
        /// Its id; none for the newest that is open.
        operation: Option<String>,
    },
    /// At a deployment that succeeded: did its revision stay good?
    Prove {
        /// What was deployed to.
        #[serde(serialize_with = "as_text")]
        target: Target,
        /// What was deployed.
        revision: String,
        /// The deployment's id.
        deployment: String,
        /// When it succeeded.
        since: Timestamp,
    },
    /// At a deployment of an ECS service that changed.
    Deployment(Change),
}

/// A change of a deployment, as ECS tells it (`ECS Deployment State Change`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The service.
    #[serde(serialize_with = "as_text")]
    pub target: Target,
    /// Its ARN.
    pub service: String,
    /// The deployment's id, such as `ecs-svc/1234567890123456789`.
    pub deployment: String,
    /// What became of it.
    pub phase: Phase,
    /// Why, in ECS's words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What became of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began.
    Began,
    /// It began because ECS takes another one back.
    RollingBack,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
}

impl Hint {
    /// What it is about.
    pub const fn target(&self) -> &Target {
        match self {
            Self::Watch { target, .. } | Self::Prove { target, .. } => target,
            Self::Deployment(change) => &change.target,
        }
    }
}

impl From<Timer> for Hint {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::Watch { target, operation } => Self::Watch { target, operation: Some(operation) },
            Timer::Prove { target, revision, deployment, since } => {
                Self::Prove { target, revision, deployment, since }
            }
        }
    }
}

/// Reads an event.
///
/// # Errors
/// [`Error::Event`] for one that is neither a batch of timers nor a change of a deployment or a stack.
pub fn parse(event: &Value) -> Result<Arrived> {
    if event.get("Records").is_some() {
        return queue::read(event).map(Arrived::Timers);
    }
    match text(event, "/detail-type") {
        Some("ECS Deployment State Change") => deployment(event),
        Some("CodeDeploy Deployment State-change Notification") => {
            Ok(Arrived::Nothing("CodeDeploy does not say whose deployment it is; the operation's timer asks"))
        }
        Some("CloudFormation Stack Status Change") => stack(event),
        Some(other) => {
            let other: String = other.chars().take(60).collect();
            Err(Error::Event(format!("its detail-type is {other:?}")))
        }
        None => Err(Error::Event("it is neither a batch of timers nor an event of EventBridge".to_owned())),
    }
}

fn deployment(event: &Value) -> Result<Arrived> {
    let lacks = |what: &str| Error::Event(format!("a change of an ECS deployment lacks {what}"));
    let service = text(event, "/resources/0").ok_or_else(|| lacks("its service"))?;
    let Some(target) = service_of(service) else {
        return Ok(Arrived::Nothing("the service's ARN is of the old form, which does not name the cluster"));
    };
    let name = text(event, "/detail/eventName").ok_or_else(|| lacks("its name"))?;
    let reason = text(event, "/detail/reason").unwrap_or_default();
    let phase = match name {
        "SERVICE_DEPLOYMENT_IN_PROGRESS" if reason.to_ascii_lowercase().contains("rolling back") => {
            Phase::RollingBack
        }
        "SERVICE_DEPLOYMENT_IN_PROGRESS" => Phase::Began,
        "SERVICE_DEPLOYMENT_COMPLETED" => Phase::Completed,
        "SERVICE_DEPLOYMENT_FAILED" => Phase::Failed,
        _ => return Ok(Arrived::Nothing("the deployment changed in a way that ends nothing")),
    };
    let at = text(event, "/detail/updatedAt").and_then(|at| at.parse().ok());
    let at = at.or_else(|| text(event, "/time")?.parse().ok()).ok_or_else(|| lacks("its time"))?;
    Ok(Arrived::Hint(Hint::Deployment(Change {
        target,
        service: service.to_owned(),
        deployment: text(event, "/detail/deploymentId").ok_or_else(|| lacks("its id"))?.to_owned(),
        phase,
        reason: reason.to_owned(),
        at,
    })))
}

/// Any change of a stack may end an operation; which of them do, the stack's status says when it is looked at.
fn stack(event: &Value) -> Result<Arrived> {
    let id = text(event, "/detail/stack-id").or_else(|| text(event, "/resources/0"));
    let id = id.ok_or_else(|| Error::Event("a change of a stack lacks its id".to_owned()))?;
    let status = text(event, "/detail/status-details/status").unwrap_or_default();
    if status.ends_with("_IN_PROGRESS") {
        return Ok(Arrived::Nothing("the stack is still being changed"));
    }
    let name = id.split_once(":stack/").map_or(id, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default();
    let target = format!("stack:{name}").parse();
    let target =
        target.map_err(|_| Error::Event("the id of a stack that changed cannot be read".to_owned()))?;
    Ok(Arrived::Hint(Hint::Watch { target, operation: None }))
}

/// The service of `arn:…:service/<cluster>/<service>`.
fn service_of(arn: &str) -> Option<Target> {
    let (_, rest) = arn.split_once(":service/")?;
    format!("ecs:{rest}").parse().ok()
}

fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn as_text<S: serde::Serializer>(target: &Target, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(target)
}

#[cfg(test)]
mod tests;
