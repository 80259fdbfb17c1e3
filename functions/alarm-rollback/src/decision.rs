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
    /// The clusters that may be looked at: a name, or the beginning of one and a star.
    pub clusters: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// A deployment older than this is not blamed.
    pub attribution_window: SignedDuration,
    /// An alarm that arrives later than this is not acted on.
    pub stale_after: SignedDuration,
    /// After a rollback, the time in which the target is not rolled back again.
    pub cooldown: SignedDuration,
}

/// An operation is made within the time-out of the invocation that began it, with room to spare; else it is stuck.
const MADE_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// How far the clocks of ECS and of a function may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

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

    if policy.mode == Mode::Off {
        return ignore(Ignored::Off);
    }
    // EventBridge brings every alarm of the account. One that is about no service is let go before it is claimed: the
    // same change may also come by a way that somebody wired on purpose, and is then told.
    if facts.change.transport == Transport::EventBridge {
        let is_named = !facts.change.dimension_pairs("ClusterName", "ServiceName").is_empty();
        if !is_named && !facts.alarm.as_ref().ok_or(Question::Alarm)?.tags.contains_key(tags::TARGET) {
            return ignore(Ignored::NoTarget);
        }
    }
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
    if Mode::resolve(policy.mode, [&alarm.tags]) == Mode::Off {
        return ignore(Ignored::Off);
    }
    let target = match find_target(facts, alarm) {
        Found::One(target) => target,
        Found::None => return hold(None, Held::NoTarget),
        Found::Many(targets) => return hold(None, Held::ManyTargets { targets }),
        Found::Malformed(tag) => return hold(None, Held::MalformedTarget { tag }),
    };
    let Target::Service { cluster, .. } = &target else {
        return hold(Some(&target), Held::UnsupportedTarget);
    };
    if !covers(&policy.clusters, cluster) {
        return ignore(Ignored::OtherCluster { cluster: cluster.clone() });
    }

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
    // This very operation, begun by an invocation that did not come to its end.
    let own = scene.memory.operation(&id).filter(|operation| operation.end.is_none());
    if let Some(operation) = own {
        if service.task_definition == operation.to {
            return Ok(Verdict::RolledBack(Rollback::resumed(&target, operation)));
        }
        let deployed_since = service.deployed_at.is_some_and(|deployed| operation.began < deployed);
        if service.task_definition != operation.from || deployed_since {
            return hold(Some(&target), Held::Overtaken { running: service.task_definition.clone() });
        }
    }
    match (alarm.state, own) {
        (Some(State::Alarm), _) => {}
        (Some(State::Ok | State::InsufficientData) | None, Some(_)) => {
            return hold(Some(&target), Held::Cleared);
        }
        (Some(State::Ok | State::InsufficientData) | None, None) => return ignore(Ignored::Cleared),
    }
    if let Some(why) = guard(facts, &id, service, scene, policy, now) {
        return hold(Some(&target), why);
    }

    let candidate = match candidate::last_known_good(facts, service, scene)? {
        candidate::Choice::Return(candidate) => candidate,
        candidate::Choice::SameCode => return hold(Some(&target), Held::SameCode),
        candidate::Choice::Unknown => return hold(Some(&target), Held::NoHistory),
        candidate::Choice::Moving => return hold(Some(&target), Held::Moving),
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
        basis: candidate.basis,
        began: own.map_or(now, |operation| operation.began),
    };
    match mode {
        Mode::Act => Ok(Verdict::RollBack(rollback)),
        Mode::Observe | Mode::Off => Ok(Verdict::Propose(rollback)),
    }
}

/// Whatever forbids a rollback before it is asked to what. In this order, the first that holds is the one told.
fn guard(
    facts: &Facts,
    own: &str,
    service: &Service,
    scene: &Scene,
    policy: &Policy,
    now: Timestamp,
) -> Option<Held> {
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
    if let Some(why) = taken(own, service, scene, now) {
        return Some(why);
    }
    if let Some(why) = blame(service, scene, change.changed_at, policy, now) {
        return Some(why);
    }
    tags::unsafe_to_roll_back(&service.tags, now).map(|until| Held::Unsafe { until })
}

/// Whether another operation has the service; which, and how far it is.
fn taken(own: &str, service: &Service, scene: &Scene, now: Timestamp) -> Option<Held> {
    let lease = scene.memory.lease_at(now)?;
    let holder = scene.memory.operation(&lease.owner);
    if lease.owner == own {
        return None;
    }
    Some(match holder {
        Some(holder)
            if holder.end.is_none()
                && service.task_definition == holder.from
                && now.duration_since(holder.began) > MADE_WITHIN =>
        {
            Held::Unfinished { operation: holder.id.clone(), began: holder.began }
        }
        Some(holder) if holder.is_running(now) => {
            Held::InProgress { operation: holder.id.clone(), began: holder.began }
        }
        Some(_) | None => Held::Cooldown { until: lease.until },
    })
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
    // The two are asked for side by side; a deployment that is in one and not yet in the other counts.
    let created = service.deployed_at.max(newest.and_then(|deployment| deployment.created_at));
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
            && operation.began <= created.saturating_add(CLOCKS_DIFFER).unwrap_or(created)
            && created <= operation.began.saturating_add(policy.cooldown).unwrap_or(created)
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
    let mut targets = named_services(facts);
    match (targets.pop(), targets.is_empty()) {
        (None, _) => Found::None,
        (Some(target), true) => Found::One(target),
        (Some(target), false) => {
            targets.push(target);
            Found::Many(targets.iter().map(ToString::to_string).collect())
        }
    }
}

/// The services that the alarm's dimensions name; a cluster or service may stand there as an ARN, whose last part is
/// its name.
fn named_services(facts: &Facts) -> Vec<Target> {
    let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let pairs = facts.change.dimension_pairs("ClusterName", "ServiceName");
    let mut targets: Vec<Target> = pairs
        .iter()
        .filter_map(|(cluster, service)| format!("ecs:{}/{}", name(cluster), name(service)).parse().ok())
        .collect();
    targets.sort();
    targets.dedup();
    targets
}

/// Whether a cluster is among those that may be looked at.
fn covers(clusters: &str, cluster: &str) -> bool {
    clusters.strip_suffix('*').map_or(clusters == cluster, |beginning| cluster.starts_with(beginning))
}

/// Whether a failure to deal with this is for people to hear: an alarm that fires, and that is about what this stack
/// watches as far as that is known. Whatever else fails is for the log, or one throttle would page for every alarm of
/// the account.
pub fn concerns_people(facts: &Facts, policy: &Policy) -> bool {
    let change = &facts.change;
    if change.state != State::Alarm || change.muted || policy.mode == Mode::Off {
        return false;
    }
    let unseen = Alarm::default();
    let alarm = facts.alarm.as_ref().unwrap_or(&unseen);
    if another_environment(&alarm.tags, policy).is_some() {
        return false;
    }
    match find_target(facts, alarm) {
        Found::One(Target::Service { cluster, .. }) => covers(&policy.clusters, &cluster),
        Found::One(Target::Alias { .. } | Target::Stack { .. }) | Found::Many(_) | Found::Malformed(_) => {
            true
        }
        Found::None => change.transport != Transport::EventBridge,
    }
}

/// The same change of the same alarm always begins the same operation.
pub fn operation_id(facts: &Facts, target: &Target) -> String {
    let change = &facts.change;
    id::of(&[&change.name, &change.changed_at.to_string(), &target.to_string()])
}

#[cfg(test)]
mod tests;
