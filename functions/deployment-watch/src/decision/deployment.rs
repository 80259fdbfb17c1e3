//! A deployment that ECS tells of, also where nobody asked.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::target::Memory;
use shared::notice::{State, Status};
use shared::tags::{self, Mode};

use super::progress::takes_back;
use super::verdict::{Broken, Ignored, Proof, Verdict, incident_of};
use super::{Asked, Place, Policy, Question, covers};
use crate::event::{Change, Phase};
use crate::facts::{Deployment, Facts, Rollout, Service, World};

/// What follows from a change of a deployment.
pub(super) fn seen(facts: &Facts, change: &Change, policy: &Policy) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));
    if let Err(why) = covers(policy, &change.target) {
        return ignore(why);
    }
    // Where nobody wants to hear of it, nothing is asked for it.
    if change.phase == Phase::Began && !policy.told.tell.contains(&Status::Begun) {
        return ignore(Ignored::Began);
    }
    let memory = facts.memory.as_ref().ok_or(Question::Memory)?;
    match facts.world.as_ref().ok_or(Question::World(Place::Target))? {
        World::Service(Some(service)) if service.active => about(facts, change, memory, service, policy),
        World::Service(_)
        | World::ServiceDeployment(_)
        | World::CodeDeploy { .. }
        | World::Alias(_)
        | World::Stack(_) => ignore(Ignored::NoService),
    }
}

fn about(
    facts: &Facts,
    change: &Change,
    memory: &Memory,
    service: &Service,
    policy: &Policy,
) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));
    if let Some(other) = service.tags.get(tags::ENVIRONMENT).filter(|other| **other != policy.environment) {
        return ignore(Ignored::OtherEnvironment { environment: other.clone() });
    }
    if Mode::resolve(policy.mode, [&service.tags]) == Mode::Off {
        return ignore(Ignored::Off);
    }
    if change.phase == Phase::Began {
        return ignore(Ignored::Began);
    }
    if let Some(operation) = memory.all().find(|operation| answers(operation, change)) {
        return Ok(match operation.end {
            None => Verdict::Follow { operation: operation.id.clone() },
            Some(end) => Verdict::Ignore(Ignored::Ended { operation: operation.id.clone(), end }),
        });
    }
    match change.phase {
        Phase::Began => ignore(Ignored::Began),
        Phase::Completed => completed(facts, change, service),
        Phase::RollingBack | Phase::Failed => failed(facts, change, memory, service),
    }
}

/// Whether this change is that operation's: its own deployment, or one that it has in hand.
pub(super) fn answers(operation: &Operation, change: &Change) -> bool {
    match (operation.means, &operation.deployment) {
        (Means::UpdateService | Means::Scale | Means::Redeploy, Some(deployment)) => {
            *deployment == change.deployment
        }
        // Their deployments have ids of another kind, or none yet: whatever moves while they are under way is theirs.
        (
            Means::UpdateService
            | Means::Scale
            | Means::StopServiceDeployment
            | Means::CreateDeployment
            | Means::StopDeployment
            | Means::Redeploy
            | Means::RedeployByCodeDeploy,
            _,
        ) => is_under_way(operation, change.at),
        (
            Means::UpdateAlias
            | Means::CancelUpdateStack
            | Means::ContinueUpdateRollback
            | Means::RollbackStack,
            _,
        ) => false,
    }
}

/// Whether it was under way at that time. One that is still open after its deadline, because its alarm is waited for or
/// because its timer was lost, must not keep people from hearing of later deployments.
fn is_under_way(operation: &Operation, at: Timestamp) -> bool {
    operation.end.is_none() && operation.began <= at && at < operation.deadline
}

/// It is done: what was told of a failure is taken back, and whether its revision stays good is asked later.
fn completed(facts: &Facts, change: &Change, service: &Service) -> Asked<Verdict> {
    let Some(primary) = service.primary() else {
        return Ok(Verdict::Ignore(Ignored::NoService));
    };
    if primary.id != change.deployment {
        return Ok(Verdict::Ignore(Ignored::Overtaken { running: primary.task_definition.clone() }));
    }
    let key = incident_of(&change.service);
    let told = facts.incident.as_ref().ok_or(Question::Incident(key))?;
    Ok(Verdict::Deployed {
        proof: Proof {
            target: change.target.clone(),
            revision: primary.task_definition.clone(),
            deployment: primary.id.clone(),
            since: change.at,
        },
        resolves: told.clone().filter(|told| told.state == State::Firing),
    })
}

fn failed(facts: &Facts, change: &Change, memory: &Memory, service: &Service) -> Asked<Verdict> {
    let listed = listed(change, service);
    let task_definition = match listed {
        Some(deployment) => deployment.task_definition.clone(),
        None => match facts.failed.as_ref().ok_or(Question::Failed)? {
            Some(task_definition) => task_definition.clone(),
            None => return Ok(Verdict::Ignore(Ignored::Unlisted)),
        },
    };
    // What an operation made, leaves, or left a while ago needs no second word.
    let theirs = memory.all().find(|operation| {
        made(operation, listed, &task_definition, change.at) || leaves(operation, &task_definition, change.at)
    });
    if let Some(operation) = theirs {
        return Ok(match operation.end {
            None => Verdict::Follow { operation: operation.id.clone() },
            Some(end) => Verdict::Ignore(Ignored::Ended { operation: operation.id.clone(), end }),
        });
    }
    let incident = facts.incident.as_ref().ok_or_else(|| Question::Incident(incident_of(&change.service)))?;
    let began = listed.and_then(|deployment| deployment.created_at);
    // Also where it is over by now: ECS may tell of the failure after what it went back to is deployed.
    if incident.as_ref().is_some_and(|told| is_told(told.opened, began, change.at)) {
        return Ok(Verdict::Ignore(Ignored::Told));
    }
    let diagnosis = facts.diagnosis.as_ref().ok_or_else(|| Question::Diagnosis {
        deployment: listed.map(|deployment| deployment.id.clone()),
        task_definition: Some(task_definition.clone()),
        since: began,
        said: said(change, listed).to_owned(),
    })?;
    let running = service.primary().filter(|primary| listed.is_none_or(|failed| failed.id != primary.id));
    let back_to = running.map(|running| running.task_definition.clone());
    let over = running.is_some_and(|running| running.rollout == Some(Rollout::Completed));
    Ok(Verdict::Broken(Box::new(Broken {
        target: change.target.clone(),
        service: change.service.clone(),
        // A deployment that changed no revision says nothing against the one that runs.
        disproved: back_to.as_ref() != Some(&task_definition),
        task_definition,
        back_to,
        over,
        desired: service.desired,
        running: service.running,
        diagnosis: diagnosis.clone(),
        incident: incident.clone(),
        at: change.at,
    })))
}

/// Whether the deployment that failed is this operation's: ECS may name the one that takes it back, also after a redeploy
/// was closed for it.
fn made(operation: &Operation, listed: Option<&Deployment>, task_definition: &str, at: Timestamp) -> bool {
    if let Some(deployment) = listed {
        return operation.deployment.as_ref() == Some(&deployment.id);
    }
    let was_told = operation.means.redeploys() && operation.end == Some(End::Failed);
    operation.to == task_definition && (is_under_way(operation, at) || was_told && is_of_late(operation, at))
}

/// Whether it began within two hours: what it leaves may have failed a moment before.
fn is_of_late(operation: &Operation, at: Timestamp) -> bool {
    at.duration_since(operation.began).abs() < SignedDuration::from_hours(2)
}

/// Whether this operation leaves that task definition, or left it a while ago. A redeploy leaves none.
fn leaves(operation: &Operation, task_definition: &str, at: Timestamp) -> bool {
    operation.from == task_definition
        && !operation.means.redeploys()
        && match operation.end {
            None if at < operation.deadline => true,
            Some(End::Refused) => false,
            None | Some(End::Recovered | End::Superseded | End::Failed | End::Unhealed) => {
                is_of_late(operation, at)
            }
        }
}

/// The deployment that failed, among those that the service lists. The event that ECS rolls back may name either.
fn listed<'a>(change: &Change, service: &'a Service) -> Option<&'a Deployment> {
    let named = service.deployment(&change.deployment);
    let fails = |deployment: &&Deployment| deployment.rollout == Some(Rollout::Failed);
    named
        .filter(|named| change.phase == Phase::Failed || fails(named) || !named.primary)
        .filter(|named| !takes_back(named))
        .or_else(|| service.deployments.iter().find(fails))
        .or_else(|| {
            let rolling_back = service.primary().is_some_and(takes_back);
            let others = service.deployments.iter().filter(|deployment| !deployment.primary && rolling_back);
            others.max_by_key(|deployment| deployment.created_at)
        })
}

fn said<'a>(change: &'a Change, listed: Option<&'a Deployment>) -> &'a str {
    let failed = listed.filter(|deployment| deployment.rollout == Some(Rollout::Failed));
    failed
        .map(|deployment| deployment.reason.as_str())
        .filter(|said| !said.is_empty())
        .unwrap_or(&change.reason)
}

/// Whether what people were told is of this deployment: ECS tells of one failure at least twice. Where it is not known
/// when the deployment began, within an hour.
fn is_told(opened: Timestamp, began: Option<Timestamp>, at: Timestamp) -> bool {
    match began {
        Some(began) => began <= opened,
        None => at.duration_since(opened).as_mins() < 60,
    }
}
