//! What to return to: the last revision known to be good, and how well that is known.

use jiff::Timestamp;
use serde::Serialize;
use shared::ledger::revision::Standing;

use super::{Asked, Question};
use crate::facts::{Facts, Scene, Service, ServiceRevision, Status};

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
    /// ECS deployed it successfully before: high confidence.
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
        }
    }
}

/// What there is to return to.
pub(super) enum Choice {
    /// This.
    Return(Candidate),
    /// The newest deployment changed no task definition: there is nothing to take back.
    SameCode,
    /// Nothing that is not bad itself.
    Nothing,
}

pub(super) fn last_known_good(facts: &Facts, service: &Service, scene: &Scene) -> Asked<Choice> {
    if scene.deployments.len() > 1 {
        let revisions = facts.revisions.as_ref().ok_or_else(|| {
            Question::Revisions(
                scene.deployments.iter().map(|deployment| deployment.revision.clone()).collect(),
            )
        })?;
        if let Some(choice) = from_history(revisions, service, scene) {
            return Ok(choice);
        }
    }
    if let Some(candidate) = from_memory(service, scene) {
        return Ok(Choice::Return(candidate));
    }
    let earlier = facts.earlier.as_ref().ok_or_else(|| Question::Earlier(service.task_definition.clone()))?;
    let lower = earlier.iter().find(|arn| **arn != service.task_definition && !scene.memory.is_bad(arn));
    Ok(lower
        .map_or(Choice::Nothing, |arn| Choice::Return(Candidate { arn: arn.clone(), basis: Basis::Lower })))
}

/// The newest successful deployment of another task definition. Where ECS has history, nothing else is asked: if all
/// of it is bad, walking further back blindly would only be another outage.
fn from_history(revisions: &[ServiceRevision], service: &Service, scene: &Scene) -> Option<Choice> {
    let revision = |arn: &str| revisions.iter().find(|revision| revision.arn == arn);
    let mut successful = scene
        .deployments
        .iter()
        .skip(1)
        .filter(|deployment| deployment.status == Status::Successful)
        .filter_map(|deployment| Some((deployment, revision(&deployment.revision)?)))
        .peekable();

    let before = successful.peek().map(|(_, before)| before.task_definition.as_str());
    if before == Some(service.task_definition.as_str()) {
        return Some(Choice::SameCode);
    }
    let mut seen = false;
    for (deployment, revision) in successful {
        if revision.task_definition == service.task_definition {
            continue;
        }
        seen = true;
        if !scene.memory.is_bad(&revision.task_definition) {
            return Some(Choice::Return(Candidate {
                arn: revision.task_definition.clone(),
                basis: Basis::Deployed {
                    deployment: deployment.arn.clone(),
                    finished_at: deployment.finished_at,
                },
            }));
        }
    }
    seen.then_some(Choice::Nothing)
}

fn from_memory(service: &Service, scene: &Scene) -> Option<Candidate> {
    let good =
        scene.memory.revisions.iter().find(|revision| {
            revision.standing == Standing::Good && revision.arn != service.task_definition
        })?;
    Some(Candidate { arn: good.arn.clone(), basis: Basis::Remembered { since: good.since } })
}
