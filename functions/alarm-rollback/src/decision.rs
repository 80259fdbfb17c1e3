//! Whether to roll back. No clock, no network, no failure.
//!
//! [`decide`] is asked again and again while the facts grow: it answers with the next question, or with the verdict.
//! So nothing is looked at that the verdict does not need, and every rule stands in one place, in order:
//!
//! 1. what arrived, and whether it is ours (this file);
//! 2. what it is about ([`target`]);
//! 3. what forbids to act on any target ([`guard`]);
//! 4. what is right for this kind of target ([`service`], [`code_deploy`], [`alias`], [`stack`]);
//! 5. what turns a plan into a proposal ([`guard`] again).

pub mod alias;
pub mod code_deploy;
mod guard;
mod held;
pub(crate) mod plan;
mod redeploy;
mod request;
pub mod service;
pub mod stack;
mod target;
mod verdict;

use jiff::Timestamp;
use serde::Serialize;
use shared::alarm::{AlarmChange, State, Transport};
use shared::id;
use shared::ledger::once::Claim;
use shared::ledger::operation::Operation;
use shared::notice;
use shared::tags::{self, Mode, Tags};
use shared::target::Target;

use crate::cause::{Cause, StackChange};
use crate::facts::{Alarm, Facts, Scene, World};

pub use held::Held;
pub use plan::{Act, Basis, Plan, Wish};
pub use redeploy::Redeployed;
pub use target::{Dimensions, dimension_targets, target_groups};
pub use verdict::{Ignored, Rollback, Verdict, Withheld, short, span};

use guard::Case;
use plan::{Ask, Position};
use target::Found;

/// What the deployment of this stack says; the rest of the rules stands in the policy document, which is a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The environment that is watched.
    pub environment: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// The clusters that may be looked at: a name, or the beginning of one and a star.
    pub clusters: String,
    /// The Lambda functions that may be looked at, likewise.
    pub functions: String,
    /// The stacks that may be looked at, likewise.
    pub stacks: String,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum Step {
    /// Find this out and ask again.
    Look(Question),
    /// It is decided.
    Settled(Verdict),
}

/// What the decision still has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Take up this cause, look at the alarm and its tags where there is one, and read the policy.
    Claim,
    /// The policy.
    Rules,
    /// What people were told of this problem.
    Incident,
    /// The alarm and its tags.
    Alarm,
    /// The children of a composite alarm.
    Children,
    /// The services behind these target groups.
    Behind(Vec<String>),
    /// The target, and what is remembered of it.
    World(Target),
    /// More of a service.
    Service(service::Question),
    /// More of an alias.
    Alias(alias::Question),
    /// More of a stack.
    Stack(stack::Question),
}

/// The next question, or the verdict.
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Step {
    let settled = match &facts.cause {
        Cause::Alarm(change) => changed(facts, change, policy, now),
        Cause::Stack(change) => stack_changed(facts, change, policy, now),
        Cause::Request(request) => request::settle(facts, request, policy, now),
    };
    match settled {
        Ok(verdict) => Step::Settled(verdict),
        Err(question) => Step::Look(question),
    }
}

/// `Err` is a question, so that `?` asks it.
type Asked<T> = Result<T, Question>;

fn changed(facts: &Facts, change: &AlarmChange, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    match (change.previous, change.state) {
        (_, State::InsufficientData) => Ok(Verdict::Ignore(Ignored::NoData)),
        (_, State::Ok) => recovery(facts, change),
        (Some(State::Alarm), State::Alarm) => Ok(Verdict::Ignore(Ignored::Unchanged)),
        (_, State::Alarm) if change.muted => Ok(Verdict::Ignore(Ignored::Muted)),
        (_, State::Alarm) => alarm(facts, change, policy, now),
    }
}

/// An alarm went back to OK: what people were told is taken back, by whoever watches over it.
fn recovery(facts: &Facts, change: &AlarmChange) -> Asked<Verdict> {
    let incident = facts.incident.as_ref().ok_or(Question::Incident)?;
    let Some(incident) = incident.as_ref().filter(|incident| incident.state == notice::State::Firing) else {
        return Ok(Verdict::Ignore(Ignored::NothingOpen));
    };
    if i64::try_from(incident.revision).is_ok_and(|told| change.changed_at.as_millisecond() < told) {
        return Ok(Verdict::Ignore(Ignored::Superseded));
    }
    let alarm = facts.alarm.as_ref().ok_or(Question::Alarm)?;
    if alarm.state == Some(State::Alarm) {
        return Ok(Verdict::Ignore(Ignored::Superseded));
    }
    let (Some(operation), Ok(target)) = (&incident.operation, incident.target.parse::<Target>()) else {
        return Ok(Verdict::Resolve(incident.clone()));
    };
    let world = facts.world.as_ref().ok_or_else(|| Question::World(target.clone()))?;
    let open = world.memory.operation(operation).is_some_and(|operation| operation.end.is_none());
    Ok(if open {
        Verdict::HandOver { target, operation: operation.clone() }
    } else {
        Verdict::Resolve(incident.clone())
    })
}

/// An alarm began to fire.
fn alarm(facts: &Facts, change: &AlarmChange, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));

    if policy.mode == Mode::Off {
        return ignore(Ignored::Off);
    }
    // EventBridge brings every alarm of the account. One that is about nothing is let go before it is claimed: the
    // same change may also come by a way that somebody wired on purpose, and is then told.
    if change.transport == Transport::EventBridge && target::find(facts, change)? == Found::None {
        return ignore(Ignored::NoTarget);
    }
    let (Some(claim), Some(alarm)) = (&facts.claim, &facts.alarm) else {
        return Err(Question::Claim);
    };
    if let Some(why) = taken_up(claim) {
        return ignore(why);
    }
    if let Some(other) = another_environment(&alarm.tags, policy) {
        return ignore(Ignored::OtherEnvironment { environment: other });
    }
    if Mode::resolve(policy.mode, [&alarm.tags]) == Mode::Off {
        return ignore(Ignored::Off);
    }
    let hold = |why| Ok(Verdict::Hold { target: None, why });
    let target = match target::find(facts, change)? {
        Found::One(target) => target,
        Found::None => return hold(Held::NoTarget),
        Found::Many(targets) => return hold(Held::ManyTargets { targets }),
        Found::Malformed(tag) => return hold(Held::MalformedTarget { tag }),
    };
    if let Some(environment) = speaking(facts, alarm).find_map(|tags| another_environment(tags, policy)) {
        return ignore(Ignored::OtherEnvironment { environment });
    }
    if Mode::resolve(policy.mode, speaking(facts, alarm)) == Mode::Off {
        return ignore(Ignored::Off);
    }
    let world = match watched(facts, &target, policy)? {
        Ok(world) => world,
        Err(why) => return ignore(why),
    };

    let id = operation_id(facts, &target);
    let own = open(world, &id);
    let hold = |why| Ok(Verdict::Hold { target: Some(target.clone()), why });
    if let Some(verdict) = resumed(&target, world, own) {
        return Ok(verdict);
    }
    match (alarm.state, own) {
        (Some(State::Alarm), _) => {}
        (Some(State::Ok | State::InsufficientData) | None, Some(_)) => return hold(Held::Cleared),
        (Some(State::Ok | State::InsufficientData) | None, None) => return ignore(Ignored::Cleared),
    }
    if change.set_by_hand() {
        return hold(Held::SetByHand);
    }
    let wish = Wish::TakeBack { fired_at: fires_since(facts, change)? };
    let mode = Mode::resolve(policy.mode, speaking(facts, alarm).chain(world.scene.tags()));
    let heard = Some(change.changed_at);
    let case = Case { id: &id, target: &target, world, own, wish: &wish, mode, heard, now };
    case.settle(facts.rules.as_ref().map(|loaded| &loaded.policy).ok_or(Question::Rules)?)
}

/// The tags of an alarm, and of the children that speak for it.
fn speaking<'a>(facts: &'a Facts, alarm: &'a Alarm) -> impl Iterator<Item = &'a Tags> {
    let children = facts.children.as_deref().unwrap_or_default();
    std::iter::once(&alarm.tags).chain(children.iter().map(|child| &child.tags))
}

/// Since when an alarm fires: one that only lost its data for a while, or of which that is not known, since people were
/// first told of it. What was deployed meanwhile may be the fix.
fn fires_since(facts: &Facts, change: &AlarmChange) -> Asked<Timestamp> {
    if change.previous == Some(State::Ok) {
        return Ok(change.changed_at);
    }
    let incident = facts.incident.as_ref().ok_or(Question::Incident)?;
    let firing = incident.as_ref().filter(|incident| incident.state == notice::State::Firing);
    Ok(firing.map_or(change.changed_at, |incident| incident.opened.min(change.changed_at)))
}

/// A stack came to another status, or was found stuck.
fn stack_changed(facts: &Facts, change: &StackChange, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    let ignore = |why| Ok(Verdict::Ignore(why));
    if policy.mode == Mode::Off {
        return ignore(Ignored::Off);
    }
    let target = Target::Stack { name: change.name.clone() };
    if !change.is_stuck() {
        // A stack that got well takes back what people were told of it, unless a rollback of it is still watched.
        let incident = facts.incident.as_ref().ok_or(Question::Incident)?;
        let Some(incident) = incident.as_ref().filter(|incident| incident.state == notice::State::Firing)
        else {
            return ignore(Ignored::NothingOpen);
        };
        let world = facts.world.as_ref().ok_or_else(|| Question::World(target.clone()))?;
        let watched = incident.operation.as_deref().and_then(|id| open(world, id));
        return Ok(match watched {
            Some(operation) => Verdict::HandOver { target, operation: operation.id.clone() },
            None => Verdict::Resolve(incident.clone()),
        });
    }
    let world = match watched(facts, &target, policy)? {
        Ok(world) => world,
        Err(why) => return ignore(why),
    };
    facts.rules.as_ref().ok_or(Question::Rules)?;
    facts.incident.as_ref().ok_or(Question::Incident)?;
    let Some(claim) = &facts.claim else {
        return Err(Question::Claim);
    };
    if let Some(why) = taken_up(claim) {
        return ignore(why);
    }
    let id = operation_id(facts, &target);
    let own = open(world, &id);
    if let Some(verdict) = resumed(&target, world, own) {
        return Ok(verdict);
    }
    let mode = Mode::resolve(policy.mode, world.scene.tags());
    let wish = Wish::Unstick;
    let case = Case { id: &id, target: &target, world, own, wish: &wish, mode, heard: None, now };
    let verdict = case.settle(facts.rules.as_ref().map(|loaded| &loaded.policy).ok_or(Question::Rules)?)?;
    let Verdict::Hold { why, .. } = &verdict else {
        return Ok(verdict);
    };
    // Nobody asked for this look: a stack that is well is let be, and so is one that somebody is at.
    let is_quiet = if let Held::Stack(why) = why {
        why.quiet()
    } else {
        matches!(why, Held::InProgress { .. } | Held::Cooldown { .. } | Held::Unfinished { .. })
    };
    if is_quiet { ignore(Ignored::Quiet { why: why.to_string() }) } else { Ok(verdict) }
}

/// Whether somebody else has the cause in hand, or had.
fn taken_up(claim: &Claim) -> Option<Ignored> {
    match claim {
        Claim::Won => None,
        Claim::InHand => Some(Ignored::InHand),
        Claim::Done(outcome) => Some(Ignored::Repeated { outcome: outcome.clone() }),
    }
}

/// The target as it is now, if this stack watches it; else why not.
fn watched<'a>(facts: &'a Facts, target: &Target, policy: &Policy) -> Asked<Result<&'a World, Ignored>> {
    if !target::covered(target, policy) {
        return Ok(Err(Ignored::OtherTarget { target: target.to_string() }));
    }
    let world = facts.world.as_ref().ok_or_else(|| Question::World(target.clone()))?;
    let Some(tags) = world.scene.tags() else {
        return Ok(Ok(world));
    };
    if let Some(environment) = another_environment(tags, policy) {
        return Ok(Err(Ignored::OtherEnvironment { environment }));
    }
    if Mode::resolve(policy.mode, [tags]) == Mode::Off {
        return Ok(Err(Ignored::Off));
    }
    Ok(Ok(world))
}

/// This very operation, begun by an invocation that did not come to its end.
fn open<'a>(world: &'a World, id: &str) -> Option<&'a Operation> {
    world.memory.operation(id).filter(|operation| operation.end.is_none())
}

/// What became of an operation that was begun before; none where it is still to be made.
fn resumed(target: &Target, world: &World, own: Option<&Operation>) -> Option<Verdict> {
    let own = own?;
    let position = match &world.scene {
        Scene::Service(scene) => service::position(scene, own),
        Scene::Alias(scene) => alias::position(scene, own),
        Scene::Stack(scene) => stack::position(scene, own),
    };
    match position {
        Position::Before => None,
        Position::Made => Some(Verdict::RolledBack { target: target.clone(), operation: own.clone() }),
        Position::Overtaken { running } => {
            Some(Verdict::Hold { target: Some(target.clone()), why: Held::Overtaken { running } })
        }
    }
}

/// What is right for this kind of target.
fn planned(world: &World, ask: &Ask<'_>) -> Asked<Result<Plan, Held>> {
    Ok(match &world.scene {
        Scene::Service(scene) => service::plan(scene, &world.memory, ask).map_err(Question::Service)?,
        Scene::Alias(scene) => {
            alias::plan(scene, &world.memory, ask).map_err(Question::Alias)?.map_err(Held::Alias)
        }
        Scene::Stack(scene) => {
            stack::plan(scene, &world.memory, ask).map_err(Question::Stack)?.map_err(Held::Stack)
        }
    })
}

fn another_environment(tags: &Tags, policy: &Policy) -> Option<String> {
    tags.get(tags::ENVIRONMENT).filter(|environment| **environment != policy.environment).cloned()
}

/// Whether a failure to deal with this is for people to hear: an alarm that fires, and that is about what this stack
/// watches as far as that is known; a stack that is stuck. Whatever else fails is for the log, or one throttle would
/// page for every alarm of the account. Who asks by hand is answered.
pub fn concerns_people(facts: &Facts, policy: &Policy) -> bool {
    if policy.mode == Mode::Off {
        return false;
    }
    let change = match &facts.cause {
        Cause::Alarm(change) => change,
        Cause::Stack(change) => {
            let target = Target::Stack { name: change.name.clone() };
            // A stack that is merely being updated is looked at again by the next sweep.
            return change.status == "UPDATE_ROLLBACK_FAILED" && target::covered(&target, policy);
        }
        Cause::Request(_) => return false,
    };
    if change.state != State::Alarm || change.muted {
        return false;
    }
    let unseen = Alarm::default();
    let alarm = facts.alarm.as_ref().unwrap_or(&unseen);
    if another_environment(&alarm.tags, policy).is_some() {
        return false;
    }
    match target::named(change, alarm) {
        Found::One(target) => target::covered(&target, policy),
        Found::Many(_) | Found::Malformed(_) => true,
        Found::None => change.transport != Transport::EventBridge,
    }
}

/// The same cause and target always begin the same operation.
pub fn operation_id(facts: &Facts, target: &Target) -> String {
    let target = target.to_string();
    match &facts.cause {
        Cause::Alarm(change) => id::of(&[&change.name, &change.changed_at.to_string(), &target]),
        Cause::Stack(change) => id::of(&[&change.id, &change.status, &change.at.to_string(), &target]),
        Cause::Request(request) => id::of(&["request", &request.id, &target]),
    }
}

#[cfg(test)]
mod tests;
