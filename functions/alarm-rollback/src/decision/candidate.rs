//! What to return to: the last revision known to be good, and how well that is known.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::revision::Standing;

use super::{Asked, Question};
use crate::facts::{Facts, Scene, Service, ServiceDeployment, ServiceRevision, Status};

/// A revision that was replaced sooner than this after its deployment ended has proved nothing: an alarm about it may
/// still have been on its way.
const PROVED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A task definition to return to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its ARN.
    pub arn: String,
    /// How it is known to be good.
    pub basis: Basis,
}

/// How a revision is known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// ECS deployed it successfully before, and it ran: high confidence.
    Deployed {
        /// The service deployment's ARN.
        deployment: String,
        /// When it ended.
        finished_at: Option<Timestamp>,
    },
    /// The ledger remembers it as good: medium confidence.
    Remembered {
        /// Since when.
        since: Timestamp,
    },
    /// It was chosen when the operation was begun, by an invocation that was cut off.
    Begun,
    /// It is the next lower active revision of the family; whether it ever ran is not known: low confidence.
    Lower,
}

impl Basis {
    /// `high`, `medium` or `low`.
    pub const fn confidence(&self) -> &'static str {
        match self {
            Self::Deployed { .. } => "high",
            Self::Remembered { .. } => "medium",
            Self::Lower => "low",
            Self::Begun => "known",
        }
    }
}

/// What there is to return to.
pub(super) enum Choice {
    /// This.
    Return(Candidate),
    /// The newest deployment changed no task definition: there is nothing to take back.
    SameCode,
    /// ECS lists no successful deployment before the newest, so what ran before is not known.
    Unknown,
    /// A deployment is beginning that ECS does not list yet.
    Moving,
    /// Nothing that is not bad itself.
    Nothing,
}

/// ECS's own history where there is any, and then nothing else: if all of it is bad or it says too little, walking
/// further back blindly would only be another outage. Without history the ledger, then the family.
pub(super) fn last_known_good(facts: &Facts, service: &Service, scene: &Scene) -> Asked<Choice> {
    if scene.deployments.len() == 1 {
        return Ok(Choice::Unknown);
    }
    if !scene.deployments.is_empty() {
        let revisions = facts.revisions.as_ref().ok_or_else(|| {
            Question::Revisions(
                scene.deployments.iter().map(|deployment| deployment.revision.clone()).collect(),
            )
        })?;
        return Ok(from_history(revisions, service, scene));
    }
    if let Some(candidate) = from_memory(service, scene) {
        return Ok(Choice::Return(candidate));
    }
    let earlier = facts.earlier.as_ref().ok_or_else(|| Question::Earlier(service.task_definition.clone()))?;
    let lower = earlier.iter().find(|arn| **arn != service.task_definition && !scene.memory.is_bad(arn));
    Ok(lower
        .map_or(Choice::Nothing, |arn| Choice::Return(Candidate { arn: arn.clone(), basis: Basis::Lower })))
}

/// The newest successful deployment of another task definition that ran long enough to be trusted.
fn from_history(revisions: &[ServiceRevision], service: &Service, scene: &Scene) -> Choice {
    let runs = |deployment: &ServiceDeployment| {
        let revision = revisions.iter().find(|revision| revision.arn == deployment.revision);
        revision.map(|revision| revision.task_definition.as_str())
    };
    let current = service.task_definition.as_str();
    if scene.deployments.first().and_then(runs).is_some_and(|newest| newest != current) {
        return Choice::Moving;
    }
    let mut before = scene
        .deployments
        .iter()
        .zip(scene.deployments.iter().skip(1))
        .filter(|(_, deployment)| deployment.status == Status::Successful)
        .filter_map(|(next, deployment)| Some((next, deployment, runs(deployment)?)))
        .peekable();

    match before.peek() {
        None => return Choice::Unknown,
        Some((_, _, task_definition)) if *task_definition == current => return Choice::SameCode,
        Some(_) => {}
    }
    let good = before.find(|(next, deployment, task_definition)| {
        *task_definition != current
            && has_run(next, deployment)
            && !is_bad(scene, deployment, task_definition)
    });
    good.map_or(Choice::Nothing, |(_, deployment, task_definition)| {
        Choice::Return(Candidate {
            arn: task_definition.to_owned(),
            basis: Basis::Deployed {
                deployment: deployment.arn.clone(),
                finished_at: deployment.finished_at,
            },
        })
    })
}

/// Whether a deployment ran long enough before the next one was asked for.
fn has_run(next: &ServiceDeployment, deployment: &ServiceDeployment) -> bool {
    let (Some(finished), Some(replaced)) = (deployment.finished_at, next.created_at) else {
        return false;
    };
    replaced.duration_since(finished) >= PROVED_AFTER
}

/// Whether it was rolled away from, and not deployed again since by somebody who knew better.
fn is_bad(scene: &Scene, deployment: &ServiceDeployment, task_definition: &str) -> bool {
    scene.memory.revisions.iter().any(|revision| {
        revision.arn == task_definition
            && revision.standing == Standing::Bad
            && deployment.created_at.is_none_or(|created| created <= revision.since)
    })
}

fn from_memory(service: &Service, scene: &Scene) -> Option<Candidate> {
    let good =
        scene.memory.revisions.iter().find(|revision| {
            revision.standing == Standing::Good && revision.arn != service.task_definition
        })?;
    Some(Candidate { arn: good.arn.clone(), basis: Basis::Remembered { since: good.since } })
}
