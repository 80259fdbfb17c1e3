//! CodeDeploy, as it deploys ECS services and Lambda aliases.

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Change, ago, hash, locked, now, stranger};
use crate::proxy::{Answer, Call};

mod calls;
mod groups;

/// The content of an `AppSpec` file for an ECS service (CodeDeploy User Guide, "`AppSpec` file structure for Amazon
/// ECS").
pub fn ecs_app_spec(task_definition_arn: &str, container: &str, port: u16) -> String {
    let balancer = json!({"ContainerName": container, "ContainerPort": port});
    let properties = json!({"TaskDefinition": task_definition_arn, "LoadBalancerInfo": balancer});
    let service = json!({"Type": "AWS::ECS::Service", "Properties": properties});
    json!({"version": 0.0, "Resources": [{"TargetService": service}]}).to_string()
}

/// The content of an `AppSpec` file for a Lambda alias (CodeDeploy User Guide, "`AppSpec` file structure for Lambda").
pub fn lambda_app_spec(function: &str, alias: &str, from: &str, to: &str) -> String {
    let properties = json!({"Name": function, "Alias": alias, "CurrentVersion": from, "TargetVersion": to});
    let moved = json!({"Type": "AWS::Lambda::Function", "Properties": properties});
    json!({"version": 0.0, "Resources": [{function: moved}]}).to_string()
}

/// Deployment groups, and what they deployed.
///
/// It answers `ListApplications`, `ListDeploymentGroups`, `GetDeploymentGroup`, `BatchGetDeploymentGroups`,
/// `GetDeployment`, `BatchGetDeployments`, `ListDeployments`, `StopDeployment` and `CreateDeployment`.
/// What is built is told oldest first; a clone is the same double. A deployment that a call began stands still until
/// [`CodeDeploy::complete`] or [`CodeDeploy::fail`] end it, or ends by itself after
/// [`CodeDeploy::settling_after`] so many looks.
#[derive(Debug, Clone, Default)]
pub struct CodeDeploy {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    groups: Vec<Group>,
    /// Oldest first.
    deployments: Vec<Deployment>,
    changes: Vec<Change>,
    looks: Option<usize>,
    page: Option<usize>,
}

#[derive(Debug)]
struct Group {
    application: String,
    name: String,
    platform: &'static str,
    config: &'static str,
    /// Cluster and name of the ECS service that it deploys.
    service: Option<(String, String)>,
}

#[derive(Debug)]
struct Deployment {
    id: String,
    application: String,
    group: String,
    status: &'static str,
    creator: &'static str,
    description: Option<String>,
    /// `RevisionLocation` of the CodeDeploy API.
    revision: Value,
    previous: Option<Value>,
    created: Timestamp,
    completed: Option<Timestamp>,
    error: Option<(String, String)>,
    auto_rollback: Option<Value>,
    /// `RollbackInfo` of the CodeDeploy API.
    rollback: Option<Value>,
    looks: usize,
    moves: bool,
}

impl Deployment {
    fn is_over(&self) -> bool {
        matches!(self.status, "Succeeded" | "Failed" | "Stopped")
    }

    fn end(&mut self, status: &'static str, at: Timestamp) {
        self.status = status;
        self.completed = Some(at);
        self.moves = false;
    }
}

impl CodeDeploy {
    /// No applications.
    pub fn new() -> Self {
        Self::default()
    }

    /// A deployment group of the platform `ECS`. What is built from here on is about it.
    #[must_use]
    pub fn ecs_group(self, application: &str, group: &str) -> Self {
        self.group(application, group, "ECS", "CodeDeployDefault.ECSAllAtOnce")
    }

    /// A deployment group of the platform `Lambda`. What is built from here on is about it.
    #[must_use]
    pub fn lambda_group(self, application: &str, group: &str) -> Self {
        self.group(application, group, "Lambda", "CodeDeployDefault.LambdaCanary10Percent5Minutes")
    }

    /// The ECS service that the group deploys.
    #[must_use]
    pub fn for_service(self, cluster: &str, service: &str) -> Self {
        if let Some(group) = self.state().groups.last_mut() {
            group.service = Some((cluster.to_owned(), service.to_owned()));
        }
        self
    }

    /// What is built from here on is about this group.
    #[must_use]
    pub fn about(self, group: &str) -> Self {
        // The group that was named last is the last one.
        self.state().groups.sort_by_key(|it| it.name == group);
        self
    }

    /// A deployment of this `AppSpec` that began so many minutes ago and `Succeeded`.
    #[must_use]
    pub fn deployed(self, app_spec: &str, minutes_ago: i64) -> Self {
        self.has(app_spec, minutes_ago, "Succeeded", None)
    }

    /// A deployment of this `AppSpec` that began so many minutes ago and `Failed`, with the code and the message of its
    /// `errorInformation`.
    #[must_use]
    pub fn failed(self, app_spec: &str, minutes_ago: i64, code: &str, message: &str) -> Self {
        self.has(app_spec, minutes_ago, "Failed", Some((code.to_owned(), message.to_owned())))
    }

    /// A deployment of this `AppSpec` that began so many minutes ago and is `InProgress`.
    #[must_use]
    pub fn deploying(self, app_spec: &str, minutes_ago: i64) -> Self {
        self.has(app_spec, minutes_ago, "InProgress", None)
    }

    /// What a call began succeeds after so many calls that looked at it.
    #[must_use]
    pub fn settling_after(self, looks: usize) -> Self {
        self.state().looks = Some(looks.max(1));
        self
    }

    /// Deployments are listed in pages of this size; otherwise of 100.
    #[must_use]
    pub fn paged(self, size: usize) -> Self {
        self.state().page = Some(size.max(1));
        self
    }

    /// The id of a group's newest deployment.
    pub fn newest(&self, group: &str) -> anyhow::Result<String> {
        let state = self.state();
        let newest = state.deployments.iter().rev().find(|it| it.group == group);
        Ok(newest.with_context(|| format!("{group} never had a deployment"))?.id.clone())
    }

    /// The `AppSpec` of a group's newest deployment that succeeded.
    pub fn running(&self, group: &str) -> anyhow::Result<String> {
        let state = self.state();
        let good = state.last_good(group).with_context(|| format!("{group} never had a good deployment"))?;
        Ok(calls::content(good).unwrap_or_default().to_owned())
    }

    /// The `AppSpec` of a deployment.
    pub fn app_spec(&self, id: &str) -> anyhow::Result<String> {
        let state = self.state();
        let found = state.deployments.iter().find(|it| it.id == id);
        let found = found.with_context(|| format!("there is no deployment {id}"))?;
        Ok(calls::content(&found.revision).unwrap_or_default().to_owned())
    }

    /// The status of a deployment, such as `InProgress`.
    pub fn status(&self, id: &str) -> anyhow::Result<&'static str> {
        let state = self.state();
        let found = state.deployments.iter().find(|it| it.id == id);
        Ok(found.with_context(|| format!("there is no deployment {id}"))?.status)
    }

    /// Lets a deployment succeed. An error if it is over.
    pub fn complete(&self, id: &str) -> anyhow::Result<()> {
        self.in_flight(id, |deployment| deployment.end("Succeeded", now()))
    }

    /// Lets a deployment fail, with the code and the message of its `errorInformation`. An error if it is over.
    pub fn fail(&self, id: &str, code: &str, message: &str) -> anyhow::Result<()> {
        self.in_flight(id, |deployment| {
            deployment.error = Some((code.to_owned(), message.to_owned()));
            deployment.end("Failed", now());
        })
    }

    /// The calls that changed something, in their order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    /// The answer to a call that this double covers.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        let parameters = calls::parameters(&call.action)?;
        let sent = call.json();
        if let Some(stranger) = stranger(&sent, parameters) {
            let message = format!("Unknown parameter: {stranger}");
            return Some(Answer::error(400, "InvalidInputException", message));
        }
        Some(match calls::answer(&mut self.state(), call, &sent) {
            Ok(answer) => Answer::json(&answer),
            Err(refusal) => refusal,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn group(self, application: &str, name: &str, platform: &'static str, config: &'static str) -> Self {
        let (application, name) = (application.to_owned(), name.to_owned());
        self.state().groups.push(Group { application, name, platform, config, service: None });
        self
    }

    fn has(
        self,
        app_spec: &str,
        minutes_ago: i64,
        status: &'static str,
        error: Option<(String, String)>,
    ) -> Self {
        let mut state = self.state();
        if let Some(group) = state.groups.last() {
            let (application, group) = (group.application.clone(), group.name.clone());
            let at = ago(minutes_ago);
            let revision = json!({
                "revisionType": "AppSpecContent",
                "appSpecContent": {"content": app_spec, "sha256": hash(app_spec)},
            });
            let deployment = state.begin(&application, &group, revision, "user", at);
            deployment.error = error;
            if status == "InProgress" {
                deployment.status = status;
            } else {
                let end = at.checked_add(SignedDuration::from_mins(5)).unwrap_or(at);
                deployment.end(status, end.min(now()));
            }
        }
        drop(state);
        self
    }

    fn in_flight(&self, id: &str, change: impl FnOnce(&mut Deployment)) -> anyhow::Result<()> {
        let mut state = self.state();
        let found = state.deployments.iter_mut().find(|it| it.id == id && !it.is_over());
        change(found.with_context(|| format!("there is no deployment {id} in flight"))?);
        Ok(())
    }
}

impl State {
    /// The revision that a group was last brought to.
    fn last_good(&self, group: &str) -> Option<&Value> {
        let good = self.deployments.iter().rev().find(|it| it.group == group && it.status == "Succeeded");
        Some(&good?.revision)
    }

    fn begin(
        &mut self,
        application: &str,
        group: &str,
        revision: Value,
        creator: &'static str,
        at: Timestamp,
    ) -> &mut Deployment {
        let word = hash(&format!("{application}/{group}/{}", self.deployments.len())).to_uppercase();
        let previous = self.last_good(group).cloned();
        let deployment = Deployment {
            id: format!("d-{}", word.get(..9).unwrap_or_default()),
            application: application.to_owned(),
            group: group.to_owned(),
            status: "Created",
            creator,
            description: None,
            revision,
            previous,
            created: at,
            completed: None,
            error: None,
            auto_rollback: None,
            rollback: None,
            looks: 0,
            moves: false,
        };
        self.deployments.push_mut(deployment)
    }
}

#[cfg(test)]
mod tests;
