//! ECS with many services of every kind, as somebody finds it who has to look at all of them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::code_deploy::CodeDeploy;
use super::deployments::definitions::short;
use super::deployments::service::Status;
use super::{Change, locked, now};
use crate::proxy::{Answer, Call};

mod budget;
mod build;
mod calls;
mod course;
mod large;
mod member;
mod registry;
mod sets;
mod state;

pub use budget::Family;
pub use course::{Course, Failure};
pub use large::{Size, Use};

use budget::{Budgets, meets};
use member::{Member, Presence};
use state::State;

/// All the clusters of an account, with their services, task definitions and tasks; the images that tags name; and
/// CodeDeploy, as far as it deploys these services.
///
/// It answers every call of these to its own state, as ECS does, whether or not it has what the call is about:
/// `ListClusters`, `ListServices`, `DescribeServices`, `UpdateService`, `ListServiceDeployments`,
/// `DescribeServiceDeployments`, `DescribeServiceRevisions`, `ListTasks`, `DescribeTasks`, `DescribeTaskDefinition`,
/// `ListTaskDefinitions`, `RegisterTaskDefinition`, `ListTagsForResource`; `ecr:DescribeImages`; and what [`CodeDeploy`]
/// answers. Other calls have no answer here. What is built is told oldest first, and is about the service that was
/// named last; a clone is the same double.
///
/// A deployment that a call begins takes its [`Course`] by the clock. A tag is resolved when a deployment begins, so
/// that a forced deployment runs what the tag names by then.
#[derive(Debug, Clone)]
pub struct Fleet {
    state: Arc<Mutex<State>>,
}

/// What a service of the fleet is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Family and revision that the service is to run, such as `web:7`.
    pub task_definition: String,
    /// The digests of its images, in the order of the containers.
    pub digests: Vec<String>,
    /// The status of the newest service deployment; none where ECS does not deploy the service.
    pub status: Option<Status>,
    /// The id `ecs-svc/<number>` of the deployment, or the task set, that is primary.
    pub deployment_id: String,
    /// The ARN of the newest service deployment.
    pub deployment_arn: Option<String>,
    /// How many tasks run.
    pub running: usize,
    /// How many deployments began, those that were built and those that calls began.
    pub deployments: usize,
    /// Whether a hook lets the deployment pause.
    pub pausing: bool,
}

impl Fleet {
    /// Brings the newest deployment of `web`, or of `prod/web`, or its rollback, to its good end. An error if it is
    /// over, if a hook lets it pause, or if it can neither start nor stop a task.
    pub fn complete(&self, service: &str) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        if let Some(group) = state.groups.iter().position(|group| group.place == place) {
            let name = state.groups.get(group).map(|group| group.name.clone()).unwrap_or_default();
            state.code_deploy.complete(&state.code_deploy.newest(&name)?)?;
            state.follow_code_deploy(now());
            return Ok(());
        }
        let at = now();
        let step = state.member(place).and_then(|member| member.complete(at));
        state.stepped(
            place,
            step.with_context(|| format!("no deployment of {service} can be completed"))?,
            at,
        );
        Ok(())
    }

    /// Lets tasks of the newest deployment stop for this reason. The circuit breaker ends it, if the service has one:
    /// its rollback begins, if it is set up to roll back, and is over by the course, or with [`Fleet::complete`]. What
    /// CodeDeploy deploys fails by [`CodeDeploy::fail`].
    pub fn fail(&self, service: &str, failure: &Failure) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        let at = now();
        let member = state.member(place).filter(|member| member.in_flight());
        let step =
            member.with_context(|| format!("no deployment of {service} is in flight"))?.fail(failure, at);
        if let Some(step) = step {
            state.stepped(place, step, at);
        }
        Ok(())
    }

    /// Lets a deployment go on that a hook lets pause.
    pub fn approve(&self, service: &str) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        let approved = state.member(place).is_some_and(|member| member.approve(now()));
        state.moves(place);
        ensure!(approved, "no deployment of {service} pauses");
        Ok(())
    }

    /// Gives the deployment that is in flight this course, from now on.
    pub fn let_take(&self, service: &str, course: Course) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        let member = state.member(place).filter(|member| member.in_flight());
        member.with_context(|| format!("no deployment of {service} is in flight"))?.takes(course, now());
        state.moves(place);
        Ok(())
    }

    /// Gives the next deployment of the service this course; told again, the one after it.
    pub fn next(&self, service: &str, course: Course) -> anyhow::Result<()> {
        self.change(service, |member| member.next.push_back(course))
    }

    /// Somebody else deploys: a task definition as it stands now, or the same again, in the fleet's course.
    pub fn deploy(&self, service: &str, task_definition: &str) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        let arn = state.definitions.find(task_definition).context("there is no such task definition")?.arn();
        state.begin(place, &arn, now());
        Ok(())
    }

    /// Lays these fields over what `DescribeServices` says of the service, such as `{"desiredCount": 0}`.
    pub fn alter(&self, service: &str, fields: &Value) -> anyhow::Result<()> {
        self.change(service, |member| {
            member.service.fields.extend(fields.as_object().cloned().unwrap_or_default());
        })
    }

    /// Deletes the service, so that nothing is left of it.
    pub fn delete(&self, service: &str) -> anyhow::Result<()> {
        self.change(service, |member| member.presence = Presence::Gone)
    }

    /// From now on the tag, such as `web:latest` or an image's full name, names the image with this digest, or the one
    /// that follows from the word.
    pub fn move_tag(&self, image: &str, digest: &str) {
        self.state().registry.push(image, digest, now());
    }

    /// Deletes the tag (`web:latest`) or the image (`web@sha256:…`), as a lifecycle policy does.
    pub fn lose_image(&self, image: &str) {
        self.state().registry.lose(image);
    }

    /// Makes the task definition `INACTIVE`.
    pub fn deregister(&self, task_definition: &str) {
        self.state().definitions.deregister(task_definition, now());
    }

    /// CodeDeploy, as it deploys the services of the fleet.
    pub fn code_deploy(&self) -> CodeDeploy {
        self.state().code_deploy.clone()
    }

    /// What a service is about.
    pub fn standing(&self, service: &str) -> anyhow::Result<Standing> {
        let state = self.now();
        let member = state.members.get(state.named(service)?).context("there is no such service")?;
        let newest = member.service.newest();
        let primary = member.sets.iter().find(|set| set.status == "PRIMARY").map(|set| set.carried.clone());
        let wanted = member.service.wanted().or(primary).context("it has nothing to run")?;
        Ok(Standing {
            task_definition: short(&wanted.revision.task_definition).to_owned(),
            digests: wanted.revision.images.iter().map(|image| image.digest.clone()).collect(),
            status: newest.map(|newest| newest.status),
            deployment_id: wanted.id,
            deployment_arn: newest.map(|newest| newest.arn.clone()),
            running: member.tasks.iter().filter(|task| task.started.is_some()).count(),
            deployments: member.service.deployments.len() + member.sets.len(),
            pausing: member.is_pausing(),
        })
    }

    /// The calls that changed something in ECS, in their order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.iter().map(|(_, change)| change.clone()).collect()
    }

    /// The calls that changed something in ECS, in their order, and when each came.
    pub fn timed_changes(&self) -> Vec<(Instant, Change)> {
        self.state().changes.clone()
    }

    /// The services that `UpdateService` was called for with success, in their order, as they were named there.
    pub fn updated(&self) -> Vec<String> {
        let changes = self.changes().into_iter().filter(|change| change.action == "ecs:UpdateService");
        changes.filter_map(|change| Some(change.sent.get("service")?.as_str()?.to_owned())).collect()
    }

    /// The most changes by this action that came within so long a time.
    pub fn most_within(&self, action: &str, window: Duration) -> usize {
        let state = self.state();
        let about = state.changes.iter().filter(|(_, change)| meets(action, &change.action));
        let mut times: Vec<Instant> = about.map(|(at, _)| *at).collect();
        times.sort_unstable();
        let within = |from: &Instant| {
            times.iter().filter(|at| *at >= from && at.duration_since(*from) < window).count()
        };
        times.iter().map(within).max().unwrap_or_default()
    }

    /// The events that EventBridge carried since somebody asked last (`ECS Deployment State Change`), in their order.
    pub fn take_events(&self) -> Vec<Value> {
        std::mem::take(&mut self.now().events)
    }

    /// Whether calls over the budget are throttled. The buckets are full to begin with.
    pub fn budget(&self, on: bool) {
        self.state().budgets = on.then(Budgets::default);
    }

    /// How often an action was called and let through; `ecs:Describe*` and `*` are of several.
    pub fn count(&self, action: &str) -> usize {
        self.state().counts.let_through(action)
    }

    /// How often a call of an action was throttled.
    pub fn throttled(&self, action: &str) -> usize {
        self.state().counts.throttled(action)
    }

    /// The calls of these actions that were let through more than once with the same body, in words.
    pub fn repeated(&self, action: &str) -> Vec<String> {
        self.state().counts.repeated(action)
    }

    /// The least time that the budgets alone ask for the calls that were let through: that of the scarcest family,
    /// since the buckets fill side by side.
    pub fn budget_time(&self) -> Duration {
        let families = self.state().counts.by_family();
        families.into_iter().map(|(family, calls)| family.time_for(calls)).max().unwrap_or_default()
    }

    /// Forgets the calls and the changes so far, and fills the buckets.
    pub fn forget(&self) {
        let mut state = self.state();
        state.counts = budget::Counts::default();
        state.changes.clear();
        state.budgets = state.budgets.take().map(|_| Budgets::default());
    }

    /// The answer to a call that this double covers.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        let covered = calls::parameters(&call.action).is_some();
        if !covered && !call.is("codedeploy:*") {
            return None;
        }
        let mut state = self.now();
        if !covered {
            let code_deploy = state.code_deploy.clone();
            let answer = code_deploy.answer(call)?;
            state.counts.note(call, false);
            state.follow_code_deploy(now());
            return Some(answer);
        }
        let allowed = state.budgets.as_mut().is_none_or(|budgets| budgets.allow(&call.action, call.arrived));
        state.counts.note(call, !allowed);
        if !allowed {
            return Some(Answer::error(400, "ThrottlingException", "Rate exceeded"));
        }
        Some(
            calls::answer(&mut state, &call.action, &call.json(), call.arrived)
                .unwrap_or_else(|refusal| refusal),
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// The state, in which all has happened that is due.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.tick(now());
        state
    }

    fn change(&self, service: &str, change: impl FnOnce(&mut Member)) -> anyhow::Result<()> {
        let mut state = self.now();
        let place = state.named(service)?;
        change(state.member(place).context("there is no such service")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
