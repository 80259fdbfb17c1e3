//! Task sets: what serves where CodeDeploy or somebody else deploys.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::code_deploy::CodeDeploy;
use super::super::deployments::service::{Carried, FIXED, Image, Revision};
use super::super::{arn, digits, put, seconds};
use super::course::Course;
use super::member::{Member, one_too_many};

/// A set of tasks of one service (ECS API, `TaskSet`).
#[derive(Debug)]
pub(super) struct TaskSet {
    pub(super) carried: Carried,
    /// `PRIMARY`, `ACTIVE` or `DRAINING`.
    pub(super) status: String,
    pub(super) created: Timestamp,
    /// The CodeDeploy deployment that made it.
    pub(super) external: Option<String>,
}

impl Member {
    /// A further task set, with its tasks. Those that are not steady have not started.
    pub(super) fn set(
        &mut self,
        task_definition: &str,
        images: Vec<Image>,
        status: &str,
        external: Option<&str>,
        (created, steady): (Timestamp, bool),
    ) {
        let word = format!("{}/{}/set/{}", self.service.cluster, self.service.name, self.sets.len());
        let word = format!("{word}/{created}");
        let settings = FIXED
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.service.fields.get(name)?.clone())))
            .collect::<Map<_, _>>();
        let revision = Arc::new(Revision {
            arn: String::new(),
            task_definition: task_definition.to_owned(),
            images,
            settings,
            created,
        });
        let carried = Carried { revision, id: format!("ecs-svc/{}", digits(&word, 19)) };
        for _ in 0..self.service.desired() {
            self.task(&carried, created, steady.then_some(created));
        }
        let external = external.map(ToOwned::to_owned);
        self.sets.push(TaskSet { carried, status: status.to_owned(), created, external });
    }

    /// The set that this CodeDeploy deployment made takes the place of all others, or goes.
    pub(super) fn set_ends(&mut self, external: &str, good: bool, at: Timestamp) {
        let made = |set: &TaskSet| set.external.as_deref() == Some(external);
        if !self.sets.iter().any(made) {
            return;
        }
        let mut ended = Vec::new();
        for mut set in std::mem::take(&mut self.sets) {
            if made(&set) == good {
                if good {
                    "PRIMARY".clone_into(&mut set.status);
                }
                self.sets.push(set);
            } else {
                ended.push(set.carried.id);
            }
        }
        for mut task in std::mem::take(&mut self.tasks) {
            if ended.contains(&task.id) {
                let reason = format!("Task set {} was deleted.", task.id);
                self.stop(task, one_too_many(&reason, at));
            } else {
                task.started.get_or_insert(at);
                self.tasks.push(task);
            }
        }
    }

    /// `Service.taskSets`.
    pub(super) fn task_sets(&self) -> Vec<Value> {
        let (cluster, name) = (&self.service.cluster, &self.service.name);
        let written = self.sets.iter().map(|set| {
            let (running, pending) = self.counts(&set.carried.id);
            let place = format!("task-set/{cluster}/{name}/{}", set.carried.id);
            let mut written = json!({
                "id": set.carried.id,
                "taskSetArn": arn("ecs", &place),
                "serviceArn": self.service.arn(),
                "clusterArn": self.service.cluster_arn(),
                "startedBy": if set.external.is_some() { "CodeDeploy" } else { "deployer" },
                "status": set.status,
                "taskDefinition": set.carried.revision.task_definition,
                "computedDesiredCount": running + pending,
                "runningCount": running,
                "pendingCount": pending,
                "createdAt": seconds(set.created),
                "updatedAt": seconds(set.created),
                "scale": {"value": 100.0, "unit": "PERCENT"},
                "stabilityStatus": if pending == 0 { "STEADY_STATE" } else { "STABILIZING" },
                "stabilityStatusAt": seconds(set.created),
                "tags": [],
            });
            put(&mut written, "externalId", set.external.clone());
            for name in [
                "launchType",
                "loadBalancers",
                "networkConfiguration",
                "platformVersion",
                "serviceRegistries",
            ] {
                put(&mut written, name, set.carried.revision.settings.get(name).cloned());
            }
            written
        });
        written.collect()
    }
}

/// Which service a deployment group deploys, and how far it was when somebody last looked.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) place: usize,
    /// The newest deployment and its status.
    pub(super) seen: Option<(String, &'static str)>,
    pub(super) due: Option<Timestamp>,
    pub(super) course: Course,
}

impl Group {
    /// The newest deployment, if it is another or stands otherwise than when somebody last looked.
    pub(super) fn news(&mut self, code_deploy: &CodeDeploy) -> Option<(String, &'static str, bool)> {
        let id = code_deploy.newest(&self.name).ok()?;
        let status = code_deploy.status(&id).ok()?;
        let seen = self.seen.replace((id.clone(), status));
        let is_new = seen.as_ref().is_none_or(|(seen, _)| *seen != id);
        (is_new || seen.is_some_and(|(_, before)| before != status)).then_some((id, status, is_new))
    }
}

/// The task definition that an `AppSpec` names.
pub(super) fn named(app_spec: &str) -> Option<String> {
    let spec: Value = serde_json::from_str(app_spec).ok()?;
    let named = spec.pointer("/Resources/0/TargetService/Properties/TaskDefinition")?;
    Some(named.as_str()?.to_owned())
}
