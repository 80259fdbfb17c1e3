//! How a fleet is built, service by service.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::code_deploy::ecs_app_spec;
use super::super::{ago, now, text};
use super::budget::Budgets;
use super::course::{Course, Failure};
use super::member::{Member, Presence};
use super::sets::Group;
use super::{Fleet, State};

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// No clusters.
    pub fn new() -> Self {
        Self { state: Arc::default() }
    }

    /// Lays these fields over the task definition `web:4` (ECS API, `TaskDefinition`). Every task definition that is
    /// deployed is made where it is missing: one container `app` on port 8080, image `<registry>/web:4`.
    #[must_use]
    pub fn defined(self, task_definition: &str, fields: &Value) -> Self {
        self.state().define(task_definition, fields, ago(60 * 24 * 100));
        self
    }

    /// Gives the first container of the task definition one more secret (ECS API, `Secret`).
    #[must_use]
    pub fn using(self, task_definition: &str, name: &str, value_from: &str) -> Self {
        let mut state = self.state();
        let at = ago(60 * 24 * 100);
        state.define(task_definition, &json!({}), at);
        let mut containers =
            state.definitions.find(task_definition).map(|it| it.containers().to_vec()).unwrap_or_default();
        if let Some(first) = containers.first_mut().and_then(Value::as_object_mut) {
            let secrets = first.entry("secrets").or_insert_with(|| json!([]));
            if let Some(secrets) = secrets.as_array_mut() {
                secrets.push(json!({"name": name, "valueFrom": value_from}));
            }
        }
        state.define(task_definition, &json!({"containerDefinitions": containers}), at);
        drop(state);
        self
    }

    /// Makes the task definition `INACTIVE`.
    #[must_use]
    pub fn deregistered(self, task_definition: &str) -> Self {
        self.state().definitions.deregister(task_definition, ago(60));
        self
    }

    /// The tag, such as `web:latest` or an image's full name, names the image with this digest, or the one that
    /// follows from the word: for all deployments that are built or begin from here on.
    #[must_use]
    pub fn pushed(self, image: &str, digest: &str) -> Self {
        self.state().registry.push(image, digest, ago(60));
        self
    }

    /// A cluster without services.
    #[must_use]
    pub fn cluster(self, name: &str) -> Self {
        self.state().clusters.entry(name.to_owned()).or_default();
        self
    }

    /// One more service, `ACTIVE`, of two tasks on Fargate, rolled by ECS with a circuit breaker that rolls back. What
    /// is built from here on is about it.
    #[must_use]
    pub fn service(self, cluster: &str, name: &str) -> Self {
        let mut state = self.state();
        let place = state.members.len();
        state.members.push(Member::new(place, cluster, name, ago(60 * 24 * 120)));
        state.clusters.entry(cluster.to_owned()).or_default().insert(name.to_owned(), place);
        drop(state);
        self
    }

    /// Lays these fields over what `DescribeServices` says of the service (ECS API, `Service`), such as
    /// `{"desiredCount": 0}`. Load balancers, network, capacity, Service Connect and the number of tasks hold for the
    /// deployments built afterwards.
    #[must_use]
    pub fn with(self, fields: &Value) -> Self {
        self.built(|member| member.service.fields.extend(fields.as_object().cloned().unwrap_or_default()))
    }

    /// Lays these fields over the service's deployment configuration, such as `{"minimumHealthyPercent": 50}`.
    #[must_use]
    pub fn configured(self, fields: &Value) -> Self {
        self.built(|member| {
            if let Some(Value::Object(configuration)) =
                member.service.fields.get_mut("deploymentConfiguration")
            {
                configuration.extend(fields.as_object().cloned().unwrap_or_default());
            }
        })
    }

    /// Puts a tag on the service.
    #[must_use]
    pub fn tagged(self, key: &str, value: &str) -> Self {
        self.built(|member| {
            if let Some(tags) = member.service.fields.get_mut("tags").and_then(Value::as_array_mut) {
                tags.push(json!({"key": key, "value": value}));
            }
        })
    }

    /// One task on every instance: `DAEMON`, of which ECS stops each before it starts the next.
    #[must_use]
    pub fn daemon(self) -> Self {
        self.with(&json!({"schedulingStrategy": "DAEMON"}))
            .configured(&json!({"minimumHealthyPercent": 0, "maximumPercent": 100}))
    }

    /// ECS shifts the traffic: `BLUE_GREEN`, `LINEAR` or `CANARY`. At each of these stages (such as
    /// `POST_TEST_TRAFFIC_SHIFT`) a hook of its own lets the deployment pause; it does so once, at the first.
    #[must_use]
    pub fn shifted(self, strategy: &str, pauses: &[&str]) -> Self {
        let hooks: Vec<_> =
            pauses.iter().map(|stage| json!({"targetType": "PAUSE", "lifecycleStages": [stage]})).collect();
        self.configured(&json!({"strategy": strategy, "bakeTimeInMinutes": 5, "lifecycleHooks": hooks}))
    }

    /// CodeDeploy deploys the service, through this deployment group. The group's name must not be that of another.
    /// [`Fleet::deployed`] and [`Fleet::deploying`] are CodeDeploy's from here on, and task sets.
    #[must_use]
    pub fn by_code_deploy(self, application: &str, group: &str) -> Self {
        let this = self.with(&json!({
            "deploymentController": {"type": "CODE_DEPLOY"},
            "loadBalancers": [{"targetGroupArn": "arn:tg", "containerName": "app", "containerPort": 8080}],
        }));
        let mut state = this.state();
        if let Some(member) = state.members.last() {
            let (cluster, name, place) =
                (member.service.cluster.clone(), member.service.name.clone(), member.place);
            state.code_deploy =
                state.code_deploy.clone().ecs_group(application, group).for_service(&cluster, &name);
            let name = group.to_owned();
            state.groups.push(Group { name, place, seen: None, due: None, course: Course::Stands });
        }
        drop(state);
        this
    }

    /// Somebody else deploys the service, through task sets: `EXTERNAL`.
    #[must_use]
    pub fn external(self) -> Self {
        self.with(&json!({"deploymentController": {"type": "EXTERNAL"}}))
    }

    /// A task set of this status (`PRIMARY`, `ACTIVE`, `DRAINING`) that was made so many minutes ago.
    #[must_use]
    pub fn task_set(self, task_definition: &str, status: &str, minutes_ago: i64) -> Self {
        self.brought(task_definition, minutes_ago, |member, arn, images, at| {
            member.set(arn, images, status, None, (at, true));
        })
    }

    /// A deployment that began so many minutes ago and was `SUCCESSFUL`: its tasks run since then.
    #[must_use]
    pub fn deployed(self, task_definition: &str, minutes_ago: i64) -> Self {
        if let Some(place) = self.grouped() {
            return self.by_group(place, task_definition, minutes_ago, true);
        }
        self.brought(task_definition, minutes_ago, |member, arn, images, at| {
            member.past(arn, images, at, later(at));
        })
    }

    /// A deployment that began so many minutes ago and is `IN_PROGRESS`. It stands, unless [`Fleet::let_take`] gives it
    /// a course.
    #[must_use]
    pub fn deploying(self, task_definition: &str, minutes_ago: i64) -> Self {
        if let Some(place) = self.grouped() {
            return self.by_group(place, task_definition, minutes_ago, false);
        }
        self.brought(task_definition, minutes_ago, |member, arn, images, at| {
            member.begin(arn, images, at);
            member.service.advance(at);
        })
    }

    /// A deployment that began so many minutes ago, failed, and was rolled back by ECS (`ROLLBACK_SUCCESSFUL`).
    #[must_use]
    pub fn rolled_back(self, task_definition: &str, minutes_ago: i64, failure: &Failure) -> Self {
        self.brought(task_definition, minutes_ago, |member, arn, images, at| {
            member.begin(arn, images, at);
            member.service.advance(at);
            member.fail(failure, later(at));
            member.complete(later(at));
        })
    }

    /// An older deployment that is still `ACTIVE`, because a task of it is protected from scale-in: it runs on.
    #[must_use]
    pub fn lingering(self, task_definition: &str, minutes_ago: i64) -> Self {
        self.brought(task_definition, minutes_ago, Member::lingers)
    }

    /// So many of the tasks that run were replaced so many minutes ago, within their deployment.
    #[must_use]
    pub fn restarted(self, tasks: usize, minutes_ago: i64) -> Self {
        let at = ago(minutes_ago);
        self.built(|member| {
            for task in member.tasks.iter_mut().filter(|task| task.started.is_some()).take(tasks) {
                (task.created, task.started) = (at, Some(at));
            }
        })
    }

    /// The service is listed and described, but is gone when somebody updates it.
    #[must_use]
    pub fn vanishing(self) -> Self {
        self.built(|member| member.presence = Presence::Vanishing)
    }

    /// Every further deployment of the service takes this course.
    #[must_use]
    pub fn taking(self, course: Course) -> Self {
        self.built(|member| member.course = Some(course))
    }

    /// Every further deployment takes this course, of all services that have none of their own.
    #[must_use]
    pub fn all_taking(self, course: Course) -> Self {
        self.state().course = course;
        self
    }

    /// Every further deployment is `SUCCESSFUL` after this time.
    #[must_use]
    pub fn completing_after(self, time: Duration) -> Self {
        self.all_taking(Course::Completes(time))
    }

    /// Calls over the budget are throttled.
    #[must_use]
    pub fn budgeted(self) -> Self {
        self.state().budgets = Some(Budgets::default());
        self
    }

    fn built(self, build: impl FnOnce(&mut Member)) -> Self {
        if let Some(member) = self.state().last() {
            build(member);
        }
        self
    }

    fn brought(
        self,
        task_definition: &str,
        minutes_ago: i64,
        bring: impl FnOnce(&mut Member, &str, Vec<super::super::deployments::service::Image>, Timestamp),
    ) -> Self {
        let at = ago(minutes_ago);
        let mut state = self.state();
        let arn = state.define(task_definition, &json!({}), at);
        let (images, _) = state.images(&arn);
        if let Some(member) = state.last() {
            bring(member, &arn, images, at);
        }
        drop(state);
        self
    }

    /// The deployment group of the service that was named last.
    fn grouped(&self) -> Option<usize> {
        let state = self.state();
        let last = state.members.len().checked_sub(1)?;
        state.groups.iter().position(|group| group.place == last)
    }

    fn by_group(self, group: usize, task_definition: &str, minutes_ago: i64, good: bool) -> Self {
        let at = ago(minutes_ago);
        let mut guard = self.state();
        let state: &mut State = &mut guard;
        let arn = state.define(task_definition, &json!({}), at);
        let (images, _) = state.images(&arn);
        let container = state.definitions.find(&arn).and_then(|it| text(it.containers().first()?, "name"));
        let spec = ecs_app_spec(&arn, container.unwrap_or("app"), 8080);
        if let Some(group) = state.groups.get_mut(group) {
            let code_deploy = state.code_deploy.clone().about(&group.name);
            let code_deploy = if good {
                code_deploy.deployed(&spec, minutes_ago)
            } else {
                code_deploy.deploying(&spec, minutes_ago)
            };
            let status = if good { "Succeeded" } else { "InProgress" };
            if let (Ok(id), Some(member)) =
                (code_deploy.newest(&group.name), state.members.get_mut(group.place))
            {
                member.set(&arn, images, "ACTIVE", Some(&id), (at, good));
                if good {
                    member.set_ends(&id, true, at);
                    member.service.stopped.clear();
                }
                group.seen = Some((id, status));
            }
        }
        drop(guard);
        self
    }
}

/// Two minutes later, but not in the future.
fn later(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_mins(2)).unwrap_or(at).min(now())
}
