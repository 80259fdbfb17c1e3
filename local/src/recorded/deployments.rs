//! ECS with its memory: service deployments, service revisions, and services that are being deployed.

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Change, ago, locked, now, stranger};
use crate::proxy::{Answer, Call};

pub(super) mod calls;
pub(super) mod definitions;
pub(super) mod service;
pub(super) mod shapes;

pub use service::Status;

use definitions::{Definitions, short};
use service::{Carried, Service, Stop};

/// Services of some clusters, whole, and the task definitions that they run.
///
/// It answers `DescribeServices`, `UpdateService`, `ListServiceDeployments`, `DescribeServiceDeployments`,
/// `DescribeServiceRevisions`, `StopServiceDeployment`, `ListTasks` and `DescribeTasks` for its clusters, and
/// `DescribeTaskDefinition`, `ListTaskDefinitions` and `RegisterTaskDefinition` for its families. Calls about other
/// clusters and families have no answer here. What is built is told oldest first; a clone is the same double.
///
/// A deployment that a call began stands still until [`Deployments::advance`], [`Deployments::complete`] or
/// [`Deployments::fail`] move it, or moves by itself after [`Deployments::settling_after`] so many looks.
#[derive(Debug, Clone)]
pub struct Deployments {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    services: Vec<Service>,
    definitions: Definitions,
    changes: Vec<Change>,
    looks_per_step: Option<usize>,
    finishes_before_stop: bool,
}

/// What a service is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Family and revision that the service is to run, such as `web:7`.
    pub task_definition: String,
    /// The digests of its images, in the order of the containers.
    pub digests: Vec<String>,
    /// The status of the newest service deployment.
    pub status: Status,
    /// The ARN of the newest service deployment.
    pub deployment_arn: String,
    /// The id `ecs-svc/<number>` of the deployment that is primary, as ECS events name it.
    pub deployment_id: String,
    /// The ARN of the service revision that the service is to run.
    pub revision_arn: String,
}

impl Deployments {
    /// One service that never had a deployment.
    pub fn new(cluster: &str, service: &str) -> Self {
        Self { state: Arc::default() }.also(cluster, service)
    }

    /// One more service. What is built from here on is about it.
    #[must_use]
    pub fn also(self, cluster: &str, service: &str) -> Self {
        self.state().services.push(Service::new(cluster, service, ago(60 * 24 * 120)));
        self
    }

    /// Lays these fields over what `DescribeServices` says of the service (ECS API, `Service`), such as
    /// `{"desiredCount": 0}`. Load balancers, network and capacity hold for the deployments built afterwards.
    #[must_use]
    pub fn with(self, fields: &Value) -> Self {
        self.built(|service| {
            for (name, value) in fields.as_object().into_iter().flatten() {
                service.fields.insert(name.clone(), value.clone());
            }
        })
    }

    /// Puts a tag on the service.
    #[must_use]
    pub fn tagged(self, key: &str, value: &str) -> Self {
        self.built(|service| {
            if let Some(tags) = service.fields.get_mut("tags").and_then(Value::as_array_mut) {
                tags.push(json!({"key": key, "value": value}));
            }
        })
    }

    /// Lays these fields over the task definition `web:4` (ECS API, `TaskDefinition`). Every task definition that is
    /// deployed is made where it is missing: one container `app` on port 8080, image `<registry>/web:4`.
    #[must_use]
    pub fn defined(self, task_definition: &str, fields: &Value) -> Self {
        self.state().definitions.define(task_definition, fields, ago(60 * 24 * 100));
        self
    }

    /// Makes the task definition `INACTIVE`.
    #[must_use]
    pub fn deregistered(self, task_definition: &str) -> Self {
        self.state().definitions.deregister(task_definition, ago(60));
        self
    }

    /// The tag that the task definition's first container names is pushed anew: the next deployment runs this.
    #[must_use]
    pub fn pushed(self, task_definition: &str, digest: &str) -> Self {
        self.state().definitions.push(task_definition, digest);
        self
    }

    /// A deployment that began so many minutes ago and was `SUCCESSFUL`, with this digest of the first container's
    /// image, or the one that follows from the word.
    #[must_use]
    pub fn deployed(self, task_definition: &str, minutes_ago: i64, digest: &str) -> Self {
        self.deploy(task_definition, minutes_ago, digest, |service, at| {
            service.advance(at);
            service.advance(soon(at));
        })
    }

    /// A deployment that began so many minutes ago, failed, and was rolled back by ECS (`ROLLBACK_SUCCESSFUL`).
    #[must_use]
    pub fn rolled_back(self, task_definition: &str, minutes_ago: i64, digest: &str, reason: &str) -> Self {
        self.deploy(task_definition, minutes_ago, digest, |service, at| {
            service.advance(at);
            service.fail(reason, soon(at));
            service.advance(soon(at));
        })
    }

    /// A deployment that began so many minutes ago and is `IN_PROGRESS`.
    #[must_use]
    pub fn deploying(self, task_definition: &str, minutes_ago: i64, digest: &str) -> Self {
        self.deploy(task_definition, minutes_ago, digest, |service, at| {
            service.advance(at);
        })
    }

    /// A task of the newest deployment stopped a minute ago, with the exit code and the reason of its first container
    /// (ECS API, `Task`: `stopCode`, `stoppedReason`; `Container`: `exitCode`, `reason`).
    #[must_use]
    pub fn stopped(
        self,
        code: &str,
        reason: &str,
        exit: Option<i32>,
        container_reason: Option<&str>,
    ) -> Self {
        let stop = Stop {
            at: ago(1),
            code: code.to_owned(),
            reason: reason.to_owned(),
            exit,
            container_reason: container_reason.map(ToOwned::to_owned),
        };
        self.built(|service| {
            if let Some(Carried { revision, id }) = service.newest().map(|newest| newest.target.clone()) {
                service.stop_task(Carried { revision, id }, ago(2), stop);
            }
        })
    }

    /// Each step of a deployment that a call began is made after so many calls that looked at it.
    #[must_use]
    pub fn settling_after(self, looks: usize) -> Self {
        self.state().looks_per_step = Some(looks.max(1));
        self
    }

    /// The deployment in flight is `SUCCESSFUL` just before a `StopServiceDeployment` arrives, which is refused then.
    #[must_use]
    pub fn finishing_before_stop(self) -> Self {
        self.state().finishes_before_stop = true;
        self
    }

    /// Brings the newest deployment of `web`, or of `prod/web`, one step further. An error if it is over.
    pub fn advance(&self, service: &str) -> anyhow::Result<Status> {
        self.change(service, |service| service.advance(now()))
    }

    /// Brings the newest deployment, or its rollback, to its good end.
    pub fn complete(&self, service: &str) -> anyhow::Result<Status> {
        self.change(service, |service| {
            let moved = service.advance(now());
            while service.advance(now()) {}
            moved
        })
    }

    /// Lets the newest deployment fail, for this `statusReason`: its rollback begins if it is set up to roll back,
    /// else it is `STOPPED`; a rollback that fails is `ROLLBACK_FAILED`.
    pub fn fail(&self, service: &str, reason: &str) -> anyhow::Result<Status> {
        self.change(service, |service| service.fail(reason, now()))
    }

    /// Brings a blue/green deployment to a lifecycle stage, such as `BAKE_TIME`.
    pub fn reach(&self, service: &str, stage: &str) -> anyhow::Result<Status> {
        self.change(service, |service| {
            let newest = service.deployments.last_mut().filter(|newest| !newest.status.is_over());
            newest.is_some_and(|newest| {
                newest.stage = Some(stage.to_owned());
                true
            })
        })
    }

    /// What a service is about.
    pub fn running(&self, service: &str) -> anyhow::Result<Running> {
        let mut state = self.state();
        let service = named(&mut state, service)?;
        let newest = service.newest().context("it never had a deployment")?;
        let wanted = service.wanted().context("it has nothing to run")?;
        Ok(Running {
            task_definition: short(&wanted.revision.task_definition).to_owned(),
            digests: wanted.revision.images.iter().map(|image| image.digest.clone()).collect(),
            status: newest.status,
            deployment_arn: newest.arn.clone(),
            deployment_id: wanted.id,
            revision_arn: wanted.revision.arn.clone(),
        })
    }

    /// The calls that changed something, in their order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    /// The answer to a call that is about what this double has.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        let parameters = calls::parameters(&call.action)?;
        let sent = call.json();
        let mut state = self.state();
        if !calls::concerns(&state, &call.action, &sent) {
            return None;
        }
        if let Some(stranger) = stranger(&sent, parameters) {
            return Some(invalid(format!("Unknown parameter: {stranger}")));
        }
        Some(match calls::answer(&mut state, &call.action, &sent) {
            Ok(answer) => Answer::json(&answer),
            Err(refusal) => refusal,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn built(self, build: impl FnOnce(&mut Service)) -> Self {
        if let Some(service) = self.state().services.last_mut() {
            build(service);
        }
        self
    }

    fn deploy(
        self,
        task_definition: &str,
        minutes_ago: i64,
        digest: &str,
        then: impl FnOnce(&mut Service, Timestamp),
    ) -> Self {
        let at = ago(minutes_ago);
        let mut state = self.state();
        let State { services, definitions, .. } = &mut *state;
        let arn = definitions.define(task_definition, &json!({}), at);
        definitions.push(task_definition, digest);
        if let Some(service) = services.last_mut() {
            service.deploy(&arn, definitions.images(&arn), at);
            then(service, at);
        }
        drop(state);
        self
    }

    fn change(&self, service: &str, change: impl FnOnce(&mut Service) -> bool) -> anyhow::Result<Status> {
        let mut state = self.state();
        let service = named(&mut state, service)?;
        anyhow::ensure!(change(service), "no deployment of {} is in flight", service.name);
        Ok(service.newest().context("it never had a deployment")?.status)
    }
}

fn named<'a>(state: &'a mut State, name: &str) -> anyhow::Result<&'a mut Service> {
    let (cluster, name) = name.rsplit_once('/').map_or((None, name), |(cluster, name)| (Some(cluster), name));
    state
        .services
        .iter_mut()
        .find(|service| service.name == name && cluster.is_none_or(|cluster| service.cluster == cluster))
        .with_context(|| format!("there is no service {name}"))
}

/// Two minutes later, but not in the future.
fn soon(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_mins(2)).unwrap_or(at).min(now())
}

pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "InvalidParameterException", message)
}

/// `maxResults`, which is at most 100.
pub(super) fn size(sent: &Value, usual: usize) -> Result<usize, Answer> {
    let Some(asked) = sent.get("maxResults") else { return Ok(usual) };
    let asked = asked.as_u64().and_then(|asked| usize::try_from(asked).ok());
    asked
        .filter(|asked| (1..=100).contains(asked))
        .ok_or_else(|| invalid("maxResults must be between 1 and 100."))
}

#[cfg(test)]
mod tests;
