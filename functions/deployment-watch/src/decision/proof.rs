//! Whether a revision that was deployed stayed good for a while.

use jiff::{SignedDuration, Timestamp};
use shared::alarm::State;
use shared::ledger::incident;
use shared::ledger::revision::Standing;
use shared::ledger::target::Memory;
use shared::tags::{self, Mode};

use super::verdict::{Ignored, Proof, Verdict, Waiting};
use super::{Asked, Place, Policy, Question, covers, later};
use crate::facts::{Facts, Rollout};

/// How long a revision must have run to count as good.
pub(super) const STAYS_GOOD: SignedDuration = SignedDuration::from_mins(10);

/// Whether this revision may be remembered as good.
pub(super) fn prove(facts: &Facts, proof: Proof, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));
    if let Err(why) = covers(policy, &proof.target) {
        return ignore(why);
    }
    let due = later(proof.since, STAYS_GOOD);
    if now < due {
        let again = due.duration_since(now).min(STAYS_GOOD);
        return Ok(Verdict::Wait { why: Waiting::Proof { until: due }, again });
    }
    let memory = facts.memory.as_ref().ok_or(Question::Memory)?;
    if facts.world.is_none() {
        return Err(Question::World(Place::Target));
    }
    let Some(service) = facts.service().filter(|service| service.active) else {
        return ignore(Ignored::NoService);
    };
    if let Some(other) = service.tags.get(tags::ENVIRONMENT).filter(|other| **other != policy.environment) {
        return ignore(Ignored::OtherEnvironment { environment: other.clone() });
    }
    if Mode::resolve(policy.mode, [&service.tags]) == Mode::Off {
        return ignore(Ignored::Off);
    }
    // What was redeployed meanwhile is the same, deployed anew.
    let anew = |id: &str| memory.redeploys.iter().any(|redeploy| redeploy.deployment.as_deref() == Some(id));
    let Some(primary) = service.primary().filter(|primary| {
        (primary.id == proof.deployment || anew(&primary.id))
            && primary.task_definition == proof.revision
            && matches!(primary.rollout, Some(Rollout::Completed) | None)
    }) else {
        let running = service.primary().map(|primary| primary.task_definition.clone()).unwrap_or_default();
        return ignore(Ignored::Overtaken { running });
    };
    let leaving = memory
        .operations
        .iter()
        .find(|operation| operation.end.is_none() && operation.from == primary.task_definition);
    if let Some(operation) = leaving {
        return ignore(Ignored::Leaving { operation: operation.id.clone() });
    }
    let disproved = memory.revisions.iter().any(|revision| {
        revision.arn == proof.revision && revision.standing == Standing::Bad && proof.since <= revision.since
    });
    if disproved {
        return ignore(Ignored::Disproved);
    }
    // ECS calls it steady also where the alarm for which it was left fires again.
    if let Some(name) = left_for(memory, &proof.revision) {
        let alarm = facts.alarm.as_ref().ok_or_else(|| Question::Alarm(name.to_owned()))?;
        if let Some(alarm) = alarm.as_ref().filter(|alarm| alarm.state == State::Alarm) {
            return ignore(Ignored::Fires { alarm: alarm.name.clone() });
        }
    }
    Ok(Verdict::Good(proof))
}

/// The alarm for which this revision, which is held to be bad, was left last.
fn left_for<'a>(memory: &'a Memory, revision: &str) -> Option<&'a str> {
    let mut left = memory.operations.iter().filter(|operation| operation.from == revision);
    if memory.is_bad(revision) {
        left.find_map(|operation| incident::alarm_name(&operation.incident))
    } else {
        None
    }
}
