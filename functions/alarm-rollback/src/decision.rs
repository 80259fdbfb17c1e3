//! Whether to roll back. No clock, no network, no failure.
//!
//! [`decide`] is asked again and again while the facts grow: it answers with the next question, or with the verdict.
//! So nothing is looked at that the verdict does not need, and every rule stands in one place, in order.

mod candidate;
mod verdict;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::alarm::{State, Transport};
use shared::id;
use shared::ledger::once::Claim;
use shared::ledger::operation::End;
use shared::notice;
use shared::tags::{self, Mode, Tags};
use shared::target::Target;

use crate::facts::{Alarm, Controller, Facts, Scene, Service, Status, Strategy};

pub use candidate::{Basis, Candidate};
pub use verdict::{Held, Ignored, Recovery, Rollback, Verdict, short};

/// What the owners decided beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The environment that is watched.
    pub environment: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// A deployment older than this is not blamed.
    pub attribution_window: SignedDuration,
    /// An alarm that arrives later than this is not acted on.
    pub stale_after: SignedDuration,
    /// After a rollback, the time in which the target is not rolled back again.
    pub cooldown: SignedDuration,
}

/// A deployment of an operation's revision that was created this close to the operation's beginning is its work.
const DEPLOYED_BY_US: SignedDuration = SignedDuration::from_mins(10);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find this out and ask again.
    Look(Question),
    /// It is decided.
    Settled(Verdict),
}

/// What the decision still has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Take up this change, and look at the alarm and its tags.
    ClaimAndAlarm,
    /// What people were told of this alarm.
    Incident,
    /// The alarm and its tags.
    Alarm,
    /// The service, its deployments, and what is remembered of it.
    Scene(Target),
    /// The service revisions of these ARNs.
    Revisions(Vec<String>),
    /// The lower `ACTIVE` revisions of this task definition's family.
    Earlier(String),
    /// Whether this task definition can be deployed.
    TaskDefinition(String),
}

/// The next question, or the verdict.
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Step {
    match settle(facts, policy, now) {
        Ok(verdict) => Step::Settled(verdict),
        Err(question) => Step::Look(question),
    }
}

/// `Err` is a question, so that `?` asks it.
type Asked<T> = Result<T, Question>;

fn settle(facts: &Facts, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    match (facts.change.previous, facts.change.state) {
        (_, State::InsufficientData) => Ok(Verdict::Ignore(Ignored::NoData)),
        (_, State::Ok) => recovery(facts),
        (Some(State::Alarm), State::Alarm) => Ok(Verdict::Ignore(Ignored::Unchanged)),
        (_, State::Alarm) if facts.change.muted => Ok(Verdict::Ignore(Ignored::Muted)),
        (_, State::Alarm) => alarm(facts, policy, now),
    }
}

/// An alarm went back to OK: what people were told is taken back.
fn recovery(facts: &Facts) -> Asked<Verdict> {
    let incident = facts.incident.as_ref().ok_or(Question::Incident)?;
    let Some(incident) = incident.as_ref().filter(|incident| incident.state == notice::State::Firing) else {
        return Ok(Verdict::Ignore(Ignored::NothingOpen));
    };
    if i64::try_from(incident.revision).is_ok_and(|told| facts.change.changed_at.as_millisecond() < told) {
        return Ok(Verdict::Ignore(Ignored::Superseded));
    }
    let alarm = facts.alarm.as_ref().ok_or(Question::Alarm)?;
    if alarm.state == Some(State::Alarm) {
        return Ok(Verdict::Ignore(Ignored::Superseded));
    }
    let (Some(id), Ok(target)) = (&incident.operation, incident.target.parse::<Target>()) else {
        return Ok(Verdict::Resolve(Recovery { incident: incident.clone(), operation: None, proved: false }));
    };
    let scene = facts.scene.as_ref().ok_or(Question::Scene(target))?;
    let operation = scene.memory.operation(id).filter(|operation| operation.end.is_none());
    let runs = scene.service.as_ref().map(|service| &service.task_definition);
    Ok(Verdict::Resolve(Recovery {
        incident: incident.clone(),
        operation: operation.cloned(),
        proved: operation.is_some_and(|operation| runs == Some(&operation.to)),
    }))
}

/// An alarm began to fire.
fn alarm(facts: &Facts, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));
    let hold = |target: Option<&Target>, why| Ok(Verdict::Hold { target: target.cloned(), why });

    let (Some(claim), Some(alarm)) = (&facts.claim, &facts.alarm) else {
        return Err(Question::ClaimAndAlarm);
    };
    match claim {
        Claim::Won => {}
        Claim::InHand => return ignore(Ignored::InHand),
        Claim::Done(outcome) => return ignore(Ignored::Repeated { outcome: outcome.clone() }),
    }
    if let Some(other) = another_environment(&alarm.tags, policy) {
        return ignore(Ignored::OtherEnvironment { environment: other });
    }
    // A service's tag may allow what the default forbids, so only the alarm's own tag can end it here.
    if Mode::resolve(Mode::Act, [&alarm.tags]) == Mode::Off {
        return ignore(Ignored::Off);
    }
    let target = match find_target(facts, alarm) {
        Found::One(target) => target,
        Found::None if facts.change.transport == Transport::EventBridge => {
            return ignore(Ignored::NoTarget);
        }
        Found::None => return hold(None, Held::NoTarget),
        Found::Many(targets) => return hold(None, Held::ManyTargets { targets }),
        Found::Malformed(tag) => return hold(None, Held::MalformedTarget { tag }),
    };
    let Target::Service { .. } = &target else {
        return hold(Some(&target), Held::UnsupportedTarget);
    };

    let scene = facts.scene.as_ref().ok_or_else(|| Question::Scene(target.clone()))?;
    let Some(service) = &scene.service else {
        return hold(Some(&target), Held::NoService);
    };
    if let Some(other) = another_environment(&service.tags, policy) {
        return ignore(Ignored::OtherEnvironment { environment: other });
    }
    let mode = Mode::resolve(policy.mode, [&alarm.tags, &service.tags]);
    if mode == Mode::Off {
        return ignore(Ignored::Off);
    }

    let id = operation_id(facts, &target);
    if let Some(operation) = scene.memory.operation(&id).filter(|operation| operation.end.is_none()) {
        // This very operation was begun by an invocation that did not come to its end.
        let rollback = Rollback::resumed(&target, operation);
        return if service.task_definition == operation.to {
            Ok(Verdict::RolledBack(rollback))
        } else if service.task_definition == operation.from {
            Ok(Verdict::RollBack(rollback))
        } else {
            hold(Some(&target), Held::Overtaken { running: service.task_definition.clone() })
        };
    }
    match alarm.state {
        Some(State::Alarm) => {}
        Some(State::Ok | State::InsufficientData) | None => return ignore(Ignored::Cleared),
    }
    if let Some(why) = guard(facts, service, scene, policy, now) {
        return hold(Some(&target), why);
    }

    let candidate = match candidate::last_known_good(facts, service, scene)? {
        candidate::Choice::Return(candidate) => candidate,
        candidate::Choice::SameCode => return hold(Some(&target), Held::SameCode),
        candidate::Choice::Nothing => return hold(Some(&target), Held::NothingGood),
    };
    let described = facts.candidate.as_ref().filter(|described| described.arn == candidate.arn);
    let described = described.ok_or_else(|| Question::TaskDefinition(candidate.arn.clone()))?;
    if !described.active {
        return hold(Some(&target), Held::Inactive { task_definition: candidate.arn });
    }
    let rollback = Rollback {
        operation: id,
        target,
        from: service.task_definition.clone(),
        to: candidate.arn,
        basis: Some(candidate.basis),
        began: now,
    };
    match mode {
        Mode::Act => Ok(Verdict::RollBack(rollback)),
        Mode::Observe | Mode::Off => Ok(Verdict::Propose(rollback)),
    }
}

/// Whatever forbids a rollback before it is asked to what. In this order, the first that holds is the one told.
fn guard(facts: &Facts, service: &Service, scene: &Scene, policy: &Policy, now: Timestamp) -> Option<Held> {
    let change = &facts.change;
    if change.set_by_hand() {
        return Some(Held::SetByHand);
    }
    if now.duration_since(change.changed_at) > policy.stale_after {
        return Some(Held::Stale { changed_at: change.changed_at });
    }
    if !service.active {
        return Some(Held::NotActive);
    }
    if let Controller::Other(controller) = &service.controller {
        return Some(Held::Controller { controller: controller.clone() });
    }
    if let Strategy::Other(strategy) = &service.strategy {
        return Some(Held::Strategy { strategy: strategy.clone() });
    }
    if service.desired == 0 {
        return Some(Held::ScaledToZero);
    }
    if let Some(lease) = scene.memory.lease_at(now) {
        let running = scene.memory.operation(&lease.owner).filter(|operation| operation.is_running(now));
        return Some(match running {
            Some(operation) => Held::InProgress { operation: operation.id.clone(), began: operation.began },
            None => Held::Cooldown { until: lease.until },
        });
    }
    if let Some(why) = blame(service, scene, change.changed_at, policy, now) {
        return Some(why);
    }
    tags::unsafe_to_roll_back(&service.tags, now).map(|until| Held::Unsafe { until })
}

/// Whether a recent deployment can be to blame; if not, why.
fn blame(
    service: &Service,
    scene: &Scene,
    fired_at: Timestamp,
    policy: &Policy,
    now: Timestamp,
) -> Option<Held> {
    let newest = scene.deployments.first();
    match newest.map(|deployment| deployment.status) {
        Some(Status::RollingBack) => return Some(Held::EcsRollingBack),
        Some(Status::RolledBack) => return Some(Held::EcsRolledBack),
        Some(Status::RollbackFailed) => return Some(Held::EcsRollbackFailed),
        Some(Status::Stopped) => return Some(Held::Stopped),
        Some(Status::Unknown) => return Some(Held::UnknownDeployment),
        Some(Status::InProgress | Status::Successful) | None => {}
    }
    let created = newest.map_or(service.deployed_at, |deployment| deployment.created_at);
    // One that is still on its way is recent however long ago it began.
    let settled = match newest {
        Some(deployment) if deployment.status == Status::InProgress => Some(now),
        Some(deployment) => deployment.finished_at.or(created),
        None => created,
    };
    let (Some(created), Some(settled)) = (created, settled) else {
        return Some(Held::NoDeployment);
    };
    if now.duration_since(settled) > policy.attribution_window {
        return Some(Held::TooOld { deployed_at: settled });
    }
    if fired_at < created {
        return Some(Held::FiringBefore { deployed_at: created });
    }
    let ours = scene.memory.operations.iter().find(|operation| {
        operation.end != Some(End::Refused)
            && operation.to == service.task_definition
            && operation.began.duration_since(created).abs() < DEPLOYED_BY_US
    });
    ours.map(|operation| Held::OwnRollback { operation: operation.id.clone() })
}

fn another_environment(tags: &Tags, policy: &Policy) -> Option<String> {
    tags.get(tags::ENVIRONMENT).filter(|environment| **environment != policy.environment).cloned()
}

enum Found {
    One(Target),
    None,
    Many(Vec<String>),
    Malformed(String),
}

/// The alarm's tag, else the ECS dimensions of its metrics; never a guess from its name.
fn find_target(facts: &Facts, alarm: &Alarm) -> Found {
    if let Some(tag) = alarm.tags.get(tags::TARGET) {
        return tag.parse().map_or_else(|_| Found::Malformed(tag.clone()), Found::One);
    }
    let pairs = facts.change.dimension_pairs("ClusterName", "ServiceName");
    let mut targets: Vec<_> =
        pairs.into_iter().map(|(cluster, service)| Target::Service { cluster, service }).collect();
    match (targets.pop(), targets.is_empty()) {
        (None, _) => Found::None,
        (Some(target), true) => Found::One(target),
        (Some(target), false) => {
            targets.push(target);
            Found::Many(targets.iter().map(ToString::to_string).collect())
        }
    }
}

/// The same change of the same alarm always begins the same operation.
pub fn operation_id(facts: &Facts, target: &Target) -> String {
    let change = &facts.change;
    id::of(&[&change.name, &change.changed_at.to_string(), &target.to_string()])
}

#[cfg(test)]
mod tests;
