//! How a deployment goes that somebody begins.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::deployments::service::{Service, Stop};

/// How a deployment goes. Time is that of the clock, from the moment that the deployment began; what is due happens
/// before the next call is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Course {
    /// It stands still until [`Fleet::complete`](super::Fleet::complete) or [`Fleet::fail`](super::Fleet::fail).
    #[default]
    Stands,
    /// It comes to its good end after this time.
    Completes(Duration),
    /// Its tasks fail, and after this time the circuit breaker ends it, if the service has one: the rollback is over
    /// after as long again. Without a circuit breaker it stands still, as ECS goes on starting tasks that fail.
    Fails(Duration, Failure),
}

impl Course {
    pub(super) fn time(&self) -> Option<Duration> {
        match self {
            Self::Stands => None,
            Self::Completes(time) | Self::Fails(time, _) => Some(*time),
        }
    }

    pub(super) fn due(&self, from: Timestamp) -> Option<Timestamp> {
        from.checked_add(SignedDuration::try_from(self.time()?).ok()?).ok()
    }
}

/// Why the tasks of a deployment stop (ECS API, `Task` and `Container`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `Task.stopCode`, such as `TaskFailedToStart`.
    pub code: String,
    /// `Task.stoppedReason`.
    pub reason: String,
    /// `Container.exitCode` of the first container.
    pub exit: Option<i32>,
    /// `Container.reason` of the first container.
    pub container_reason: Option<String>,
}

impl Failure {
    /// The first container exits with this code.
    pub fn exits(code: i32) -> Self {
        Self {
            code: "EssentialContainerExited".to_owned(),
            reason: "Essential container in task exited".to_owned(),
            exit: Some(code),
            container_reason: None,
        }
    }

    /// The tasks cannot start, because the secret cannot be had (ECS Developer Guide, "Stopped tasks error codes").
    pub fn cannot_read_secret(secret: &str) -> Self {
        Self::cannot_start(&format!(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
             failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch \
             secret {secret} from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified \
             secret."
        ))
    }

    /// The tasks cannot start, because the image cannot be had.
    pub fn cannot_pull(image: &str) -> Self {
        Self::cannot_start(&format!(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {image}: not found"
        ))
    }

    fn cannot_start(reason: &str) -> Self {
        Self {
            code: "TaskFailedToStart".to_owned(),
            reason: reason.to_owned(),
            exit: None,
            container_reason: None,
        }
    }

    pub(super) fn stop(&self, at: Timestamp) -> Stop {
        Stop {
            at,
            code: self.code.clone(),
            reason: self.reason.clone(),
            exit: self.exit,
            container_reason: self.container_reason.clone(),
        }
    }
}

/// The part of a service's deployment configuration, by its path there.
pub(super) fn configured<'a>(service: &'a Service, path: &[&str]) -> Option<&'a Value> {
    let configuration = service.fields.get("deploymentConfiguration")?;
    path.iter().try_fold(configuration, |at, name| at.get(name))
}

/// Whether the percents allow ECS neither to start a task before another stops, nor to stop one before.
pub(super) fn is_stuck(service: &Service) -> bool {
    let percent =
        |name: &str, usual: i64| configured(service, &[name]).and_then(Value::as_i64).unwrap_or(usual);
    let rolling =
        configured(service, &["strategy"]).and_then(Value::as_str).unwrap_or("ROLLING") == "ROLLING";
    let desired = service.desired();
    // The least share is rounded up, the greatest is rounded down (ECS API, `DeploymentConfiguration`).
    let least = (desired * percent("minimumHealthyPercent", 100) + 99) / 100;
    let most = desired * percent("maximumPercent", 200) / 100;
    rolling && desired > 0 && least >= desired && most <= desired
}

/// The stages at which a hook of the service lets its deployments pause.
pub(super) fn pauses(service: &Service) -> Option<&str> {
    let hooks = configured(service, &["lifecycleHooks"])?.as_array()?;
    let pause = hooks.iter().find(|hook| hook.get("targetType").and_then(Value::as_str) == Some("PAUSE"))?;
    pause.get("lifecycleStages")?.as_array()?.first()?.as_str()
}
