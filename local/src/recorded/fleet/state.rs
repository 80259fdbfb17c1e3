//! All that the fleet remembers, and how time passes in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::code_deploy::CodeDeploy;
use super::super::deployments::definitions::Definitions;
use super::super::deployments::service::Image;
use super::super::deployments::shapes;
use super::super::{Change, hash, now, put, seconds, text};
use super::budget::{Budgets, Counts};
use super::course::{Course, Failure};
use super::member::{Member, Presence, Step};
use super::registry::Registry;
use super::sets::{Group, named};
use crate::aws::{ACCOUNT, REGION};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) members: Vec<Member>,
    /// The places of the members, by cluster and name.
    pub(super) clusters: BTreeMap<String, BTreeMap<String, usize>>,
    pub(super) definitions: Definitions,
    pub(super) registry: Registry,
    pub(super) course: Course,
    pub(super) budgets: Option<Budgets>,
    pub(super) counts: Counts,
    pub(super) changes: Vec<(Instant, Change)>,
    pub(super) code_deploy: CodeDeploy,
    pub(super) groups: Vec<Group>,
    /// Those whose deployment may still get on.
    moving: BTreeSet<usize>,
    /// The events that nobody took yet.
    pub(super) events: Vec<Value>,
}

impl State {
    /// The place of a service, by its name or its ARN, in a cluster.
    pub(super) fn place(&self, cluster: &str, name: &str) -> Option<usize> {
        let in_cluster = self.clusters.get(cluster)?;
        let short = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let place = *in_cluster.get(short)?;
        let member = self.members.get(place).filter(|member| member.presence != Presence::Gone)?;
        (short == name || member.service.arn() == name).then_some(place)
    }

    /// The place of `web`, or of `prod/web`.
    pub(super) fn named(&self, name: &str) -> anyhow::Result<usize> {
        let found = match name.split_once('/') {
            Some((cluster, name)) => self.place(cluster, name),
            None => self.clusters.keys().find_map(|cluster| self.place(cluster, name)),
        };
        found.with_context(|| format!("there is no service {name}"))
    }

    /// The member, which is to change.
    pub(super) fn member(&mut self, place: usize) -> Option<&mut Member> {
        let member = self.members.get_mut(place)?;
        member.written = [None, None];
        Some(member)
    }

    pub(super) fn last(&mut self) -> Option<&mut Member> {
        self.member(self.members.len().checked_sub(1)?)
    }

    /// Makes sure of a task definition and of its images.
    pub(super) fn define(&mut self, name: &str, fields: &Value, at: Timestamp) -> String {
        let arn = self.definitions.define(name, fields, at);
        self.hold(&arn, at);
        arn
    }

    fn hold(&mut self, name: &str, at: Timestamp) {
        let containers = self.definitions.find(name).map_or(&[][..], |definition| definition.containers());
        for image in containers.iter().filter_map(|container| text(container, "image")) {
            self.registry.hold(image, at);
        }
    }

    /// What the containers of a task definition would run now, and the first image that is missing.
    pub(super) fn images(&self, name: &str) -> (Vec<Image>, Option<String>) {
        self.definitions.find(name).map(|definition| self.registry.images(definition)).unwrap_or_default()
    }

    /// A deployment begins at runtime.
    pub(super) fn begin(&mut self, place: usize, task_definition: &str, at: Timestamp) {
        let (images, missing) = self.images(task_definition);
        let usual = self.course.clone();
        let Some(member) = self.member(place) else { return };
        let course = member.next.pop_front().or_else(|| member.course.clone()).unwrap_or(usual);
        let course = match missing {
            Some(image) => Course::Fails(course.time().unwrap_or_default(), Failure::cannot_pull(&image)),
            None => course,
        };
        member.begin(task_definition, images, at);
        member.takes(course, at);
        self.moving.insert(place);
    }

    pub(super) fn moves(&mut self, place: usize) {
        self.moving.insert(place);
    }

    /// What is due by now has happened.
    pub(super) fn tick(&mut self, at: Timestamp) {
        for place in self.moving.clone() {
            while let Some((step, when)) = self.members.get_mut(place).and_then(|member| member.step(at)) {
                self.stepped(place, step, when);
            }
            if !self.members.get(place).is_some_and(Member::in_flight) {
                self.moving.remove(&place);
            }
        }
        self.follow_code_deploy(at);
    }

    /// Brings the task sets after what CodeDeploy did.
    pub(super) fn follow_code_deploy(&mut self, at: Timestamp) {
        let code_deploy = self.code_deploy.clone();
        let mut groups = std::mem::take(&mut self.groups);
        for group in &mut groups {
            while let Some((id, status, is_new)) = group.news(&code_deploy) {
                let over = matches!(status, "Succeeded" | "Failed" | "Stopped");
                if is_new {
                    let wanted =
                        code_deploy.app_spec(&id).ok().and_then(|spec| named(&spec)).unwrap_or_default();
                    let (images, _) = self.images(&wanted);
                    let usual = self.course.clone();
                    if let Some(member) = self.member(group.place) {
                        let course = member.next.pop_front().or_else(|| member.course.clone());
                        group.course = course.unwrap_or(usual);
                        group.due = group.course.due(at);
                        member.set(&wanted, images, "ACTIVE", Some(&id), (at, false));
                    }
                }
                if over {
                    group.due = None;
                    if let Some(member) = self.member(group.place) {
                        member.set_ends(&id, status == "Succeeded", at);
                    }
                }
            }
            if let Some(due) = group.due.filter(|due| *due <= at)
                && let Some((id, _)) = &group.seen
            {
                group.due = None;
                let id = id.clone();
                // It may be over already, by hand.
                let _ = match &group.course {
                    Course::Fails(..) => {
                        code_deploy.fail(&id, "HEALTH_CONSTRAINTS", "The tasks failed to start.")
                    }
                    Course::Completes(_) | Course::Stands => code_deploy.complete(&id),
                };
                if let Some((id, status, _)) = group.news(&code_deploy)
                    && let Some(member) = self.member(group.place)
                {
                    member.set_ends(&id, status == "Succeeded", due);
                }
            }
        }
        self.groups = groups;
    }

    /// What happened to a service's newest deployment becomes an event.
    pub(super) fn stepped(&mut self, place: usize, step: Step, at: Timestamp) {
        let number = self.events.len();
        let Some(member) = self.member(place) else { return };
        let Some(newest) = member.service.newest() else { return };
        let (target, arn) = (newest.target.id.clone(), member.service.arn());
        let wanted = member.service.wanted().map_or_else(|| target.clone(), |wanted| wanted.id);
        let (kind, name, id, reason) = match step {
            Step::Began => ("INFO", "IN_PROGRESS", &target, format!("ECS deployment {target} in progress.")),
            Step::Completed => ("INFO", "COMPLETED", &wanted, format!("ECS deployment {wanted} completed.")),
            Step::Failed => (
                "ERROR",
                "FAILED",
                &target,
                "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
            ),
            Step::RollsBack => (
                "INFO",
                "IN_PROGRESS",
                &wanted,
                format!("ECS deployment circuit breaker: rolling back to deploymentId {wanted}."),
            ),
        };
        let events = [
            // The one that failed is told of before its rollback.
            (step == Step::RollsBack).then(|| {
                let reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
                ("ERROR", "FAILED", &target, reason)
            }),
            Some((kind, name, id, reason)),
        ];
        for (nth, (kind, name, id, reason)) in events.into_iter().flatten().enumerate() {
            let word = hash(&format!("{arn}/{id}/{name}/{number}/{nth}"));
            let part = |from: usize, to: usize| word.get(from..to).unwrap_or_default();
            let uuid = [
                part(0, 8),
                part(8, 12),
                &format!("4{}", part(13, 16)),
                &format!("8{}", part(17, 20)),
                part(20, 32),
            ];
            self.events.push(json!({
                "version": "0",
                "id": uuid.join("-"),
                "detail-type": "ECS Deployment State Change",
                "source": "aws.ecs",
                "account": ACCOUNT,
                "time": at.to_string(),
                "region": REGION,
                "resources": [arn],
                "detail": {
                    "eventType": kind,
                    "eventName": format!("SERVICE_DEPLOYMENT_{name}"),
                    "deploymentId": id,
                    "updatedAt": at.to_string(),
                    "reason": reason,
                },
            }));
        }
    }

    pub(super) fn note(&mut self, action: &str, sent: &Value, at: Instant) {
        self.changes.push((at, Change { action: action.to_owned(), sent: sent.clone() }));
    }

    /// `Service`, as text.
    pub(super) fn written(&mut self, place: usize, tags: bool) -> Option<&str> {
        let member = self.members.get_mut(place)?;
        let kept = member.written.get_mut(usize::from(tags))?.take();
        let written = kept.unwrap_or_else(|| service(member, tags).to_string());
        Some(member.written.get_mut(usize::from(tags))?.insert(written))
    }

    /// Writes in advance what will be asked for first.
    pub(super) fn prepare(&mut self) {
        self.tick(now());
        for place in 0..self.members.len() {
            let _ = self.written(place, true);
        }
    }
}

fn service(member: &Member, tags: bool) -> Value {
    let mut written = shapes::service(&member.service, tags);
    if let (Some(fields), Value::Object(over)) = (written.as_object_mut(), member.laid_over()) {
        fields.extend(over);
    }
    let deployments = written.get_mut("deployments").and_then(Value::as_array_mut);
    if let (Some(deployments), Some(newest)) = (deployments, member.service.newest()) {
        // The primary comes first, then the newer before the older.
        for older in member.older.iter().rev() {
            let reason = if older.lingers {
                format!("ECS deployment {} completed.", older.carried.id)
            } else {
                format!("ECS deployment {} in progress.", older.carried.id)
            };
            let state = if older.lingers { "COMPLETED" } else { "IN_PROGRESS" };
            let about = ("ACTIVE", state, reason.as_str());
            let place = if older.lingers { deployments.len() } else { 1.min(deployments.len()) };
            deployments.insert(
                place,
                shapes::deployment(&member.service, &older.carried, older.created, newest, about),
            );
        }
        for deployment in deployments {
            let (running, pending) = member.counts(text(deployment, "id").unwrap_or_default());
            put(deployment, "runningCount", Some(running));
            put(deployment, "pendingCount", Some(pending));
        }
    }
    if !member.sets.is_empty() {
        put(&mut written, "taskSets", Some(member.task_sets()));
    }
    if member.service.controller() == "CODE_DEPLOY" {
        let oldest = member.sets.first().map(|set| set.carried.revision.task_definition.clone());
        if written.get("taskDefinition").is_none() {
            put(&mut written, "taskDefinition", oldest);
        }
    }
    written
}

/// Details of the hook at which a deployment pauses (ECS API, `DeploymentLifecycleHookDetail`).
pub(super) fn pausing(member: &Member, deployment: &mut Value) {
    let Some(newest) = member.service.newest().filter(|_| member.is_pausing()) else { return };
    if text(deployment, "serviceDeploymentArn") != Some(&newest.arn) {
        return;
    }
    let id = hash(&newest.arn);
    // A pause lasts a day, unless the hook says otherwise.
    let expires = newest.updated.checked_add(SignedDuration::from_hours(24)).unwrap_or(newest.updated);
    let hook = json!({
        "hookId": format!("hook-{}", id.get(..12).unwrap_or_default()),
        "targetType": "PAUSE",
        "status": "AWAITING_ACTION",
        "expiresAt": seconds(expires),
        "timeoutAction": "ROLLBACK",
    });
    put(deployment, "lifecycleHookDetails", Some(vec![hook]));
}
