//! One service of the fleet: its deployments, the tasks that run, and what is to come.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::deployments::service::{Carried, Image, Revision, SCHEDULER, Service, Status, Stop, Task};
use super::super::{arn, digits, hash};
use super::course::{Course, Failure, configured, is_stuck, pauses};
use super::sets::TaskSet;

/// As many stopped tasks of a service are kept.
const STOPPED_KEPT: usize = 20;

/// A deployment that is not the newest, and whose tasks run on.
#[derive(Debug)]
pub(super) struct Older {
    pub(super) carried: Carried,
    pub(super) created: Timestamp,
    /// Its tasks are protected, so that they run on when the newest deployment is done.
    pub(super) lingers: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    /// Where it stands among the members: its tasks say so in their ids.
    pub(super) place: usize,
    pub(super) service: Service,
    pub(super) older: Vec<Older>,
    /// The tasks that are not stopped.
    pub(super) tasks: Vec<Task>,
    pub(super) sets: Vec<TaskSet>,
    /// The course of every further deployment, where it is not the fleet's.
    pub(super) course: Option<Course>,
    /// The courses of the next ones.
    pub(super) next: VecDeque<Course>,
    pub(super) current: Course,
    pub(super) due: Option<Timestamp>,
    hook: Hook,
    pub(super) presence: Presence,
    /// As it was last written, with tags and without, until it changes.
    pub(super) written: [Option<String>; 2],
    made: usize,
}

/// What the hook does to the deployment in flight that may let it pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Ahead,
    Pausing,
    /// Somebody let the deployment go on.
    Passed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    /// It is gone when somebody wants to update it.
    Vanishing,
    Gone,
}

/// What became of a deployment, for the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Began,
    Completed,
    Failed,
    RollsBack,
}

impl Member {
    pub(super) fn new(place: usize, cluster: &str, name: &str, created: Timestamp) -> Self {
        Self {
            place,
            service: Service::new(cluster, name, created),
            older: Vec::new(),
            tasks: Vec::new(),
            sets: Vec::new(),
            course: None,
            next: VecDeque::new(),
            current: Course::Stands,
            due: None,
            hook: Hook::Ahead,
            presence: Presence::There,
            written: [None, None],
            made: 0,
        }
    }

    pub(super) fn task(&mut self, carried: &Carried, created: Timestamp, started: Option<Timestamp>) {
        self.made += 1;
        let word = hash(&format!("{}/{}/{}", self.service.cluster, self.service.name, self.made));
        let id = format!("{:04x}{}", self.place, word.get(..28).unwrap_or_default());
        let arn = arn("ecs", &format!("task/{}/{id}", self.service.cluster));
        let Carried { revision, id } = carried.clone();
        self.tasks.push(Task { arn, id, revision, created, started, stopped: None });
    }

    /// What a new deployment starts: what is wanted, or what `DescribeServices` was built to say that it runs.
    fn size(&self) -> i64 {
        let running = self.service.fields.get("runningCount").and_then(Value::as_i64);
        running.unwrap_or_else(|| self.service.desired())
    }

    /// A deployment begins. One that was in flight is over; its tasks run until the new one is done.
    pub(super) fn begin(&mut self, task_definition: &str, images: Vec<Image>, at: Timestamp) {
        if let Some(newest) = self.service.newest().filter(|newest| !newest.status.is_over()) {
            let (carried, created) = (newest.target.clone(), newest.created);
            self.older.push(Older { carried, created, lingers: false });
        }
        self.service.deploy(task_definition, images, at);
        (self.hook, self.due) = (Hook::Ahead, None);
        if let Some(target) = self.service.newest().map(|newest| newest.target.clone()) {
            for _ in 0..self.service.desired() {
                self.task(&target, at, None);
            }
        }
    }

    /// A deployment that began at runtime takes its course.
    pub(super) fn takes(&mut self, course: Course, at: Timestamp) {
        self.due = course.due(at).filter(|_| !is_stuck(&self.service));
        self.current = course;
    }

    pub(super) fn in_flight(&self) -> bool {
        self.service.newest().is_some_and(|newest| !newest.status.is_over())
    }

    /// What happens until now, step by step, each with its time.
    pub(super) fn step(&mut self, until: Timestamp) -> Option<(Step, Timestamp)> {
        let newest = self.service.newest()?;
        let created = newest.created;
        if newest.status == Status::Pending {
            self.service.advance(created);
            return Some((Step::Began, created));
        }
        let due = self.due.filter(|due| *due <= until)?;
        if newest.status == Status::RollbackInProgress {
            return self.complete(due).map(|step| (step, due));
        }
        self.due = None;
        match self.current.clone() {
            Course::Stands => None,
            Course::Completes(_) => {
                if self.pauses() {
                    return None;
                }
                self.complete(due).map(|step| (step, due))
            }
            Course::Fails(_, failure) => self.fail(&failure, due).map(|step| (step, due)),
        }
    }

    pub(super) fn is_pausing(&self) -> bool {
        self.in_flight() && self.hook == Hook::Pausing
    }

    /// Lets the deployment pause, if a hook wants it and nobody has let it go on.
    fn pauses(&mut self) -> bool {
        let Some(stage) = pauses(&self.service).filter(|_| self.hook != Hook::Passed).map(ToOwned::to_owned)
        else {
            return false;
        };
        if let Some(newest) = self.service.deployments.last_mut() {
            newest.stage = Some(stage);
        }
        self.hook = Hook::Pausing;
        true
    }

    /// Somebody lets a paused deployment go on.
    pub(super) fn approve(&mut self, at: Timestamp) -> bool {
        let paused = self.in_flight() && self.pauses();
        if paused {
            self.hook = Hook::Passed;
            self.due = self.current.due(at);
            if let Some(newest) = self.service.deployments.last_mut() {
                newest.stage = Some("BAKE_TIME".to_owned());
            }
        }
        paused
    }

    /// The newest deployment, or its rollback, comes to its good end. `None` if it is over, or cannot.
    pub(super) fn complete(&mut self, at: Timestamp) -> Option<Step> {
        if !self.in_flight() || is_stuck(&self.service) || self.pauses() {
            return None;
        }
        self.due = None;
        while self.service.advance(at) {}
        self.settle(at);
        Some(Step::Completed)
    }

    /// Only the tasks of what serves remain, and those that are protected.
    fn settle(&mut self, at: Timestamp) {
        self.older.retain(|older| older.lingers);
        let Some(serving) = self.service.settled() else { return };
        let back = self.service.newest().is_some_and(|newest| newest.status.is_back());
        let reason = format!("Scaling activity initiated by (deployment {})", serving.id);
        for mut task in std::mem::take(&mut self.tasks) {
            // A rollback keeps the tasks that never stopped, as those of its own deployment.
            if back && Arc::ptr_eq(&task.revision, &serving.revision) {
                task.id.clone_from(&serving.id);
            }
            if task.id == serving.id {
                task.started.get_or_insert(at);
                self.tasks.push(task);
            } else if self.older.iter().any(|older| older.carried.id == task.id) {
                self.tasks.push(task);
            } else {
                self.stop(task, one_too_many(&reason, at));
            }
        }
    }

    pub(super) fn stop(&mut self, mut task: Task, stop: Stop) {
        task.stopped = Some(stop);
        if self.service.stopped.len() >= STOPPED_KEPT {
            self.service.stopped.remove(0);
        }
        self.service.stopped.push(task);
    }

    /// Tasks of the newest deployment stop; the circuit breaker, if there is one, ends it. `None` if it stands.
    pub(super) fn fail(&mut self, failure: &Failure, at: Timestamp) -> Option<Step> {
        let newest = self.service.newest().filter(|newest| !newest.status.is_over())?;
        let (target, created, rolling) = (newest.target.clone(), newest.created, newest.rollback.is_some());
        let breaks = ["deploymentCircuitBreaker", "alarms"]
            .iter()
            .any(|monitor| configured(&self.service, &[monitor, "enable"]) == Some(&Value::Bool(true)));
        // As many as it takes for the circuit breaker, of a few tasks.
        for nth in 1..=3 {
            let began = at.checked_sub(SignedDuration::from_millis(nth)).unwrap_or(at).max(created);
            self.task(&target, began, failure.exit.map(|_| began));
            if let Some(task) = self.tasks.pop() {
                self.stop(task, failure.stop(at));
            }
        }
        if !breaks {
            return None;
        }
        self.tasks.retain(|task| task.id != target.id);
        self.service.fail("ECS deployment circuit breaker: tasks failed to start.", at);
        let step = self.service.newest().map(|newest| newest.status);
        if rolling || step != Some(Status::RollbackInProgress) {
            self.due = None;
            return Some(Step::Failed);
        }
        self.due = self.current.due(at);
        Some(Step::RollsBack)
    }

    /// A deployment of long ago, with its tasks, from which nothing is to come any more.
    pub(super) fn past(&mut self, task_definition: &str, images: Vec<Image>, at: Timestamp, end: Timestamp) {
        self.begin(task_definition, images, at);
        while self.service.advance(end) {}
        self.settle(end);
        let size = usize::try_from(self.size()).unwrap_or_default();
        let lingering =
            self.tasks.iter().filter(|task| self.older.iter().any(|it| it.carried.id == task.id)).count();
        self.tasks.truncate(size + lingering);
        self.service.stopped.clear();
    }

    /// A deployment that is not the newest, whose protected tasks run on.
    pub(super) fn lingers(&mut self, task_definition: &str, images: Vec<Image>, created: Timestamp) {
        self.made += 1;
        let word = format!("{}/{}/older/{}", self.service.cluster, self.service.name, self.made);
        let place =
            format!("service-revision/{}/{}/{}", self.service.cluster, self.service.name, digits(&word, 19));
        let revision = Arc::new(Revision {
            arn: arn("ecs", &place),
            task_definition: task_definition.to_owned(),
            images,
            settings: serde_json::Map::new(),
            created,
        });
        let carried = Carried { revision, id: format!("ecs-svc/{}", digits(&hash(&word), 19)) };
        self.task(&carried, created, Some(created));
        self.older.push(Older { carried, created, lingers: true });
    }

    /// `Service.deployments`, `taskSets` and the counts, as this service has them.
    pub(super) fn laid_over(&self) -> Value {
        let running = self.tasks.iter().filter(|task| task.started.is_some()).count();
        json!({"runningCount": running, "pendingCount": self.tasks.len() - running})
    }

    /// The tasks of one deployment or task set: running, and not yet.
    pub(super) fn counts(&self, id: &str) -> (usize, usize) {
        let of = |started: bool| {
            self.tasks.iter().filter(|task| task.id == id && task.started.is_some() == started).count()
        };
        (of(true), of(false))
    }
}

pub(super) fn one_too_many(reason: &str, at: Timestamp) -> Stop {
    Stop {
        at,
        code: SCHEDULER.to_owned(),
        reason: reason.to_owned(),
        exit: Some(143),
        container_reason: None,
    }
}
