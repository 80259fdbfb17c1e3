//! A service, its revisions and its deployments, and how one follows from the other.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::{arn, digits, hash};

/// What a service revision fixes, beside the task definition (ECS API, `ServiceRevision`).
pub(in crate::recorded) const FIXED: [&str; 8] = [
    "capacityProviderStrategy",
    "launchType",
    "loadBalancers",
    "networkConfiguration",
    "platformFamily",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
];

/// The `stopCode` of a task that the service scheduler stopped, as one too many.
pub(in crate::recorded) const SCHEDULER: &str = "ServiceSchedulerInitiated";

/// The status of a service deployment (ECS API, `ServiceDeployment`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `PENDING`: created, not yet begun.
    Pending,
    /// `IN_PROGRESS`.
    InProgress,
    /// `SUCCESSFUL`.
    Successful,
    /// `STOPPED`: it failed where nothing was to be rolled back, or another deployment took its place.
    Stopped,
    /// `ROLLBACK_REQUESTED`.
    RollbackRequested,
    /// `ROLLBACK_IN_PROGRESS`.
    RollbackInProgress,
    /// `ROLLBACK_SUCCESSFUL`.
    RollbackSuccessful,
    /// `ROLLBACK_FAILED`.
    RollbackFailed,
}

impl Status {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::Stopped => "STOPPED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Whether nothing changes any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed)
    }

    /// Whether the revision before is what the service is to run.
    pub(in crate::recorded) const fn is_back(self) -> bool {
        matches!(self, Self::RollbackInProgress | Self::RollbackSuccessful | Self::RollbackFailed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug)]
pub(in crate::recorded) struct Revision {
    pub(in crate::recorded) arn: String,
    pub(in crate::recorded) task_definition: String,
    pub(in crate::recorded) images: Vec<Image>,
    pub(in crate::recorded) settings: Map<String, Value>,
    pub(in crate::recorded) created: Timestamp,
}

/// What one container runs.
#[derive(Debug, Clone)]
pub(in crate::recorded) struct Image {
    pub(in crate::recorded) container: String,
    pub(in crate::recorded) name: String,
    pub(in crate::recorded) digest: String,
    /// Whether the revision keeps the digest; not where the container's `versionConsistency` is `disabled`.
    pub(in crate::recorded) kept: bool,
}

/// A revision, and the deployment `ecs-svc/<number>` that brought it.
#[derive(Debug, Clone)]
pub(in crate::recorded) struct Carried {
    pub(in crate::recorded) revision: Arc<Revision>,
    pub(in crate::recorded) id: String,
}

#[derive(Debug)]
pub(in crate::recorded) struct Deployment {
    pub(in crate::recorded) arn: String,
    pub(in crate::recorded) target: Carried,
    pub(in crate::recorded) source: Option<Carried>,
    pub(in crate::recorded) status: Status,
    pub(in crate::recorded) reason: Option<String>,
    pub(in crate::recorded) created: Timestamp,
    pub(in crate::recorded) started: Option<Timestamp>,
    pub(in crate::recorded) updated: Timestamp,
    pub(in crate::recorded) stopped: Option<Timestamp>,
    pub(in crate::recorded) finished: Option<Timestamp>,
    pub(in crate::recorded) rollback: Option<Rollback>,
    pub(in crate::recorded) configuration: Value,
    pub(in crate::recorded) stage: Option<String>,
    /// The circuit breaker or an alarm ended it.
    pub(in crate::recorded) triggered: bool,
    /// A call brought it into this state, so that it goes on by itself.
    pub(in crate::recorded) moves: bool,
}

#[derive(Debug)]
pub(in crate::recorded) struct Rollback {
    pub(in crate::recorded) id: String,
    pub(in crate::recorded) reason: String,
    pub(in crate::recorded) started: Timestamp,
}

#[derive(Debug)]
pub(in crate::recorded) struct Task {
    pub(in crate::recorded) arn: String,
    pub(in crate::recorded) id: String,
    pub(in crate::recorded) revision: Arc<Revision>,
    pub(in crate::recorded) created: Timestamp,
    /// When its containers ran; not yet, or never, where there is none.
    pub(in crate::recorded) started: Option<Timestamp>,
    pub(in crate::recorded) stopped: Option<Stop>,
}

#[derive(Debug, Clone)]
pub(in crate::recorded) struct Stop {
    pub(in crate::recorded) at: Timestamp,
    pub(in crate::recorded) code: String,
    pub(in crate::recorded) reason: String,
    pub(in crate::recorded) exit: Option<i32>,
    pub(in crate::recorded) container_reason: Option<String>,
}

#[derive(Debug)]
pub(in crate::recorded) struct Service {
    pub(in crate::recorded) cluster: String,
    pub(in crate::recorded) name: String,
    /// Everything else that `DescribeServices` says, by its name there.
    pub(in crate::recorded) fields: Map<String, Value>,
    pub(in crate::recorded) created: Timestamp,
    /// Oldest first.
    pub(in crate::recorded) deployments: Vec<Deployment>,
    pub(in crate::recorded) stopped: Vec<Task>,
    pub(in crate::recorded) looks: usize,
    made: usize,
}

impl Service {
    pub(in crate::recorded) fn new(cluster: &str, name: &str, created: Timestamp) -> Self {
        let fields = json!({
            "status": "ACTIVE",
            "desiredCount": 2,
            "schedulingStrategy": "REPLICA",
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "deploymentController": {"type": "ECS"},
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": true, "rollback": true},
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
                "strategy": "ROLLING",
                "bakeTimeInMinutes": 0,
            },
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-0a1b2c3d4e5f60718"],
                "securityGroups": ["sg-0a1b2c3d4e5f60718"],
                "assignPublicIp": "DISABLED",
            }},
            "loadBalancers": [],
            "serviceRegistries": [],
            "placementConstraints": [],
            "placementStrategy": [],
            "enableECSManagedTags": false,
            "enableExecuteCommand": false,
            "propagateTags": "NONE",
            "availabilityZoneRebalancing": "DISABLED",
            "tags": [],
        });
        Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            fields: fields.as_object().cloned().unwrap_or_default(),
            created,
            deployments: Vec::new(),
            stopped: Vec::new(),
            looks: 0,
            made: 0,
        }
    }

    pub(in crate::recorded) fn arn(&self) -> String {
        arn("ecs", &format!("service/{}/{}", self.cluster, self.name))
    }

    pub(in crate::recorded) fn cluster_arn(&self) -> String {
        arn("ecs", &format!("cluster/{}", self.cluster))
    }

    pub(in crate::recorded) fn newest(&self) -> Option<&Deployment> {
        self.deployments.last()
    }

    pub(in crate::recorded) fn controller(&self) -> &str {
        self.fields
            .get("deploymentController")
            .and_then(|it| it.get("type"))
            .map_or("ECS", |it| it.as_str().unwrap_or("ECS"))
    }

    pub(in crate::recorded) fn desired(&self) -> i64 {
        self.fields.get("desiredCount").and_then(Value::as_i64).unwrap_or_default()
    }

    /// What the service is to run: `Service.taskDefinition`.
    pub(in crate::recorded) fn wanted(&self) -> Option<Carried> {
        let newest = self.newest()?;
        if newest.status.is_back() { newest.back() } else { Some(newest.target.clone()) }
    }

    /// What serves, and is rolled back to: the last that was brought to its end.
    pub(in crate::recorded) fn settled(&self) -> Option<Carried> {
        let newest = self.newest()?;
        match newest.status {
            Status::Successful => Some(newest.target.clone()),
            Status::RollbackSuccessful => newest.back(),
            Status::Pending
            | Status::InProgress
            | Status::Stopped
            | Status::RollbackRequested
            | Status::RollbackInProgress
            | Status::RollbackFailed => newest.source.clone(),
        }
    }

    /// How many tasks of a deployment stopped by themselves.
    pub(in crate::recorded) fn failed(&self, id: &str) -> usize {
        let failed = |stop: &Stop| stop.code != SCHEDULER;
        self.stopped.iter().filter(|task| task.id == id && task.stopped.as_ref().is_some_and(failed)).count()
    }

    fn unique(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{}/{}/{kind}/{}", self.cluster, self.name, self.made)
    }

    fn deployment_id(&mut self) -> String {
        format!("ecs-svc/{}", digits(&self.unique("deployment"), 19))
    }

    /// A new deployment to a new revision; one that was in flight stops.
    pub(in crate::recorded) fn deploy(&mut self, task_definition: &str, images: Vec<Image>, at: Timestamp) {
        let source = self.settled();
        if let Some(newest) = self.deployments.last_mut().filter(|newest| !newest.status.is_over()) {
            newest.status = Status::Stopped;
            newest.stopped = Some(at);
            newest.updated = at;
            newest.moves = false;
        }
        let at_home =
            |kind: &str, id: &str| arn("ecs", &format!("{kind}/{}/{}/{id}", self.cluster, self.name));
        let word = hash(&format!("{}/{}/{}", self.cluster, self.name, self.deployments.len()));
        // The real ones are 21 characters of letters, digits, hyphen and underscore.
        let id = format!("{}-{}_{}", word.get(..7).unwrap_or("a"), word.get(7..13).unwrap_or("b"), "Qx7Zk2");
        let arn = at_home("service-deployment", &id);
        let revision = Arc::new(Revision {
            arn: at_home("service-revision", &digits(&word, 19)),
            task_definition: task_definition.to_owned(),
            images,
            settings: FIXED
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), self.fields.get(name)?.clone())))
                .collect(),
            created: at,
        });
        let id = self.deployment_id();
        self.deployments.push(Deployment {
            arn,
            target: Carried { revision, id },
            source,
            status: Status::Pending,
            reason: None,
            created: at,
            started: None,
            updated: at,
            stopped: None,
            finished: None,
            rollback: None,
            configuration: self.fields.get("deploymentConfiguration").cloned().unwrap_or_default(),
            stage: None,
            triggered: false,
            moves: false,
        });
    }

    /// One step of the newest deployment towards its end. `false` if it is there.
    pub(in crate::recorded) fn advance(&mut self, at: Timestamp) -> bool {
        let Some(newest) = self.deployments.last_mut() else { return false };
        newest.status = match newest.status {
            Status::Pending => {
                newest.started = Some(at);
                Status::InProgress
            }
            Status::InProgress => {
                newest.finished = Some(at);
                Status::Successful
            }
            Status::RollbackRequested => Status::RollbackInProgress,
            Status::RollbackInProgress => {
                newest.finished = Some(at);
                // Without a revision before this one there is nothing to bring back.
                if newest.source.is_some() { Status::RollbackSuccessful } else { Status::RollbackFailed }
            }
            Status::Successful | Status::Stopped | Status::RollbackSuccessful | Status::RollbackFailed => {
                return false;
            }
        };
        newest.updated = at;
        true
    }

    /// The newest deployment fails: its rollback begins, if it is set up to roll back; a rollback ends as failed.
    /// `false` if it is over already.
    pub(in crate::recorded) fn fail(&mut self, reason: &str, at: Timestamp) -> bool {
        let id = self.deployment_id();
        let Some(newest) = self.deployments.last_mut().filter(|newest| !newest.status.is_over()) else {
            return false;
        };
        newest.reason = Some(reason.to_owned());
        newest.updated = at;
        let rolling = newest.rollback.is_some();
        newest.triggered |= !rolling;
        if rolling {
            newest.status = Status::RollbackFailed;
            newest.finished = Some(at);
        } else if newest.rolls_back() {
            newest.status = Status::RollbackInProgress;
            newest.rollback = Some(Rollback { id, reason: reason.to_owned(), started: at });
        } else {
            newest.status = Status::Stopped;
            newest.stopped = Some(at);
            newest.finished = Some(at);
        }
        true
    }

    /// The newest deployment is to be rolled back. The call has checked that it may be.
    pub(in crate::recorded) fn request_rollback(&mut self, reason: &str, at: Timestamp) {
        let id = self.deployment_id();
        if let Some(newest) = self.deployments.last_mut() {
            newest.status = Status::RollbackRequested;
            newest.reason = Some(reason.to_owned());
            newest.updated = at;
            newest.moves = true;
            newest.rollback = Some(Rollback { id, reason: reason.to_owned(), started: at });
        }
    }

    pub(in crate::recorded) fn stop_task(&mut self, carried: Carried, created: Timestamp, stop: Stop) {
        let word = hash(&self.unique("task"));
        let name = word.get(..32).unwrap_or_default();
        let arn = arn("ecs", &format!("task/{}/{name}", self.cluster));
        let Carried { revision, id } = carried;
        self.stopped.push(Task { arn, id, revision, created, started: None, stopped: Some(stop) });
    }

    /// The tasks that run, which follow from what serves.
    pub(in crate::recorded) fn running(&self) -> Vec<Task> {
        let Some(Carried { revision, id }) = self.settled() else { return Vec::new() };
        let count = self.fields.get("runningCount").and_then(Value::as_i64).unwrap_or_else(|| self.desired());
        (0..count)
            .map(|nth| {
                let word = hash(&format!("{id}/{nth}"));
                let name = word.get(..32).unwrap_or_default();
                Task {
                    arn: arn("ecs", &format!("task/{}/{name}", self.cluster)),
                    id: id.clone(),
                    revision: Arc::clone(&revision),
                    created: revision.created,
                    started: Some(revision.created),
                    stopped: None,
                }
            })
            .collect()
    }
}

impl Deployment {
    /// What a rollback brings back, under the rollback's own id.
    pub(in crate::recorded) fn back(&self) -> Option<Carried> {
        let source = self.source.as_ref()?;
        let id = self.rollback.as_ref().map_or(&source.id, |rollback| &rollback.id);
        Some(Carried { revision: Arc::clone(&source.revision), id: id.clone() })
    }

    /// Whether the circuit breaker or the alarms, one of them in use, are to roll back.
    fn rolls_back(&self) -> bool {
        ["deploymentCircuitBreaker", "alarms"].into_iter().any(|monitor| {
            let is = |what: &str| {
                self.configuration.get(monitor).and_then(|it| it.get(what)) == Some(&true.into())
            };
            is("enable") && is("rollback")
        })
    }
}
