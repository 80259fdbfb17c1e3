//! What becomes of one service whose secret changed.
//!
//! [`decide`] is asked again and again while the facts grow: it answers with the next question, or with the verdict. The
//! rules stand in the order in which they count; what is looked at last is what costs most.

mod why;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::id;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::redeploy::{Cause, Redeploy};
use shared::ledger::target::Memory;
use shared::policy::MovedImage;
use shared::tags::{self, Mode, Redeploying, Tags};

use super::image::{self, Images};
use super::{Policy, later};
use crate::discover::Use;
use crate::facts::{Controller, Group, Image, Rollout, Service, Strategy, Task};
use crate::reference::{Place, Wanted};

pub use why::{Deferred, Skipped};

/// How soon a service is looked at again whose deployment is under way: its end wakes the redeploy, this is for when the
/// event is lost.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(2);

/// How seldom at the most.
const SELDOM: SignedDuration = SignedDuration::from_mins(15);

/// How long a redeployment may take: some tasks with slow health checks; a shift of traffic, which may pause for a day
/// until somebody continues it, and bakes.
const ROLLING: SignedDuration = SignedDuration::from_mins(60);
const SHIFTED: SignedDuration = SignedDuration::from_hours(26);

/// As long is a deployment of somebody else followed as if it were the wave's own.
const RIDDEN: SignedDuration = SignedDuration::from_hours(1);

/// As often is a service redeployed whose deployment is overtaken before all its tasks have the new version.
const MOST_ATTEMPTS: usize = 3;

/// What is known of a service. A field that is `None` was not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// The service; the inner `None`: it is gone.
    pub service: Option<Option<Service>>,
    /// What is remembered of it.
    pub memory: Option<Memory>,
    /// Its tasks that run.
    pub tasks: Option<Vec<Task>>,
    /// What the images of its task definition are called, and mean by now.
    pub images: Option<Vec<Image>>,
    /// Its CodeDeploy deployment group; the inner `None`: there is none.
    pub group: Option<Option<Group>>,
}

/// What it is decided from, beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What is redeployed.
    pub redeploy: &'a Redeploy,
    /// The secret's tags.
    pub secret: &'a Tags,
    /// Where the service refers to the secret; none where that was judged before.
    pub uses: Option<&'a [Use]>,
    /// Since when it waits for its turn, where it does.
    pub waits_since: Option<Timestamp>,
    /// Whether it is redeployed although its tasks are fresh.
    pub even_if_fresh: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The service.
    Service,
    /// What is remembered of it.
    Memory,
    /// Its tasks that run.
    Tasks,
    /// Its images.
    Images,
    /// Its CodeDeploy deployment group.
    Group,
}

/// What becomes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing has to be done: all its tasks have the new version.
    Fresh {
        /// Why, in words.
        why: String,
    },
    /// It is left alone.
    Skip(Skipped),
    /// Something has to end first.
    Defer {
        /// What.
        why: Deferred,
        /// When to look again.
        until: Timestamp,
    },
    /// A deployment that began after the secret changed brings the new version: it is followed.
    Ride {
        /// Its id.
        deployment: String,
        /// The operation that made it, where it is one of ours.
        operation: Option<String>,
    },
    /// It was redeployed, and that failed.
    Failed {
        /// Why, in words.
        said: String,
    },
    /// It would be redeployed, if that were allowed.
    Propose(Plan),
    /// It is redeployed.
    Act(Plan),
}

/// A redeployment, to the last detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The operation's id.
    pub operation: String,
    /// By what.
    pub means: Means,
    /// The task definition that runs.
    pub from: String,
    /// By container, the images that have to be named by their digests; then a copy of the task definition is registered.
    pub pins: BTreeMap<String, String>,
    /// The CodeDeploy deployment group.
    pub group: Option<Group>,
    /// The container and port behind the load balancer, which CodeDeploy asks for.
    pub behind: Option<(String, i32)>,
    /// The deployment that runs now.
    pub before: Option<String>,
    /// The operation whose minimum interval a person overrides.
    pub over: Option<String>,
    /// When it counts as failed if nobody said that it is over.
    pub deadline: Timestamp,
    /// What people should know of it.
    pub notes: Vec<String>,
}

/// The next question, or the verdict.
pub fn decide(case: &Case<'_>, facts: &Facts, policy: &Policy, now: Timestamp) -> Step {
    match settle(case, facts, policy, now) {
        Ok(verdict) => Step::Settled(verdict),
        Err(question) => Step::Look(question),
    }
}

/// `Err` is a question, so that `?` asks it.
type Asked<T> = Result<T, Question>;

fn settle(case: &Case<'_>, facts: &Facts, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    let skip = |why| Ok(Verdict::Skip(why));
    let service = match facts.service.as_ref().ok_or(Question::Service)? {
        Some(service) if service.active => service,
        Some(_) | None => return skip(Skipped::Gone),
    };
    if let Some(why) = left_alone(case, service, policy) {
        return skip(why);
    }
    let memory = facts.memory.as_ref().ok_or(Question::Memory)?;
    if let Some(verdict) = began_before(case, service, memory, now) {
        return Ok(verdict);
    }
    if let Some(verdict) = newest(case, service, memory, policy, now) {
        return Ok(verdict);
    }
    let tasks = facts.tasks.as_ref().ok_or(Question::Tasks)?;
    if let Some(why) = fresh(case, tasks) {
        return Ok(Verdict::Fresh { why });
    }
    if let Some((why, until)) = busy(case, service, memory, now) {
        return Ok(wait(case, policy, why, until, now));
    }
    if let Some(why) = immovable(service) {
        return skip(why);
    }
    let group = match service.controller {
        Controller::CodeDeploy => match facts.group.as_ref().ok_or(Question::Group)? {
            Some(group) => Some(group),
            None => return skip(Skipped::NoGroup),
        },
        Controller::Ecs | Controller::External => None,
    };
    if let Some(id) = group.and_then(|group| group.under_way.clone()) {
        let why = Deferred::UnderWay { deployment: id };
        return Ok(wait(case, policy, why, again(case, now), now));
    }
    if let Some(said) = in_vain(case, memory) {
        return Ok(Verdict::Failed { said });
    }
    let names = facts.images.as_ref().ok_or(Question::Images)?;
    let (pins, note) = match image::compare(names, tasks) {
        Images::Same => (BTreeMap::new(), None),
        Images::Pin { why, .. } if policy.rules.redeploy.moved_image == MovedImage::Refuse => {
            return skip(Skipped::Image { why });
        }
        Images::Unknown { why } if Redeploying::of(&service.tags) != Redeploying::On => {
            return skip(Skipped::Image { why });
        }
        Images::Unknown { why } => (
            BTreeMap::new(),
            Some(format!("{why}; the tag {} lets it be deployed as its tag says by now", tags::REDEPLOY)),
        ),
        Images::Pin { images, why } => (
            images,
            Some(format!("{why}: the digest that runs is deployed, by a copy of the task definition")),
        ),
    };
    let plan = plan(case, service, memory, group, pins, note, now);
    if plan.from.is_empty() {
        return skip(Skipped::Image { why: "ECS does not say which task definition runs".to_owned() });
    }
    Ok(match Mode::resolve(policy.mode, [case.secret, &service.tags]) {
        Mode::Act => Verdict::Act(plan),
        // `observe` is for what nobody asked for.
        Mode::Observe if is_by_hand(case) => Verdict::Act(plan),
        Mode::Observe | Mode::Off => Verdict::Propose(plan),
    })
}

/// Whether no task of a service runs with an older version, however that came about.
pub fn has_it(case: &Case<'_>, service: Option<&Service>, tasks: &[Task]) -> bool {
    let Some(service) = service.filter(|service| service.active) else {
        return true;
    };
    // Whoever asks for an old version has it, however young it is.
    let is_pinned = matches!(uses(case, Redeploying::On), Some(Skipped::Pinned { .. }));
    !is_pinned && ((service.desired == 0 && service.running == 0) || fresh(case, tasks).is_some())
}

/// Why a service is left alone, whatever runs.
pub fn left_alone(case: &Case<'_>, service: &Service, policy: &Policy) -> Option<Skipped> {
    if let Some(other) = service.tags.get(tags::ENVIRONMENT).filter(|other| **other != policy.environment) {
        return Some(Skipped::OtherEnvironment { environment: other.clone() });
    }
    let redeploying = Redeploying::of(&service.tags);
    match redeploying {
        Redeploying::Off => return Some(Skipped::OptedOut),
        Redeploying::Unread => return Some(Skipped::Unread),
        Redeploying::Careful | Redeploying::On | Redeploying::First => {}
    }
    if Mode::resolve(policy.mode, [case.secret, &service.tags]) == Mode::Off {
        return Some(Skipped::Off);
    }
    if let Some(why) = uses(case, redeploying) {
        return Some(why);
    }
    if service.desired == 0 && service.running == 0 {
        return Some(Skipped::ScaledToZero);
    }
    if service.controller == Controller::External {
        return Some(Skipped::External);
    }
    // One task on each machine: it is stopped before another one starts.
    if service.daemon && redeploying != Redeploying::On {
        return Some(Skipped::Daemon);
    }
    None
}

/// Whether a redeploy brings any of these references the new version; if not, why.
fn uses(case: &Case<'_>, redeploying: Redeploying) -> Option<Skipped> {
    let uses = case.uses?;
    let label = case.redeploy.label.as_str();
    let follows = |place: Place| {
        place != Place::Registry && (place != Place::Environment || redeploying == Redeploying::On)
    };
    let moved = |wanted: &Wanted| match wanted {
        // AWSPREVIOUS moves with AWSCURRENT, and no event tells of it.
        Wanted::Stage(stage) => stage == label || (stage == "AWSPREVIOUS" && label == "AWSCURRENT"),
        Wanted::Version(_) => false,
    };
    if uses.iter().any(|one| follows(one.reference.place) && moved(&one.reference.wanted)) {
        return None;
    }
    let pinned = uses.iter().find_map(|one| match &one.reference.wanted {
        Wanted::Version(version) if follows(one.reference.place) => Some(version.clone()),
        Wanted::Version(_) | Wanted::Stage(_) => None,
    });
    let by_itself =
        uses.iter().any(|one| one.reference.place == Place::Environment && moved(&one.reference.wanted));
    let registry = uses.iter().any(|one| one.reference.place == Place::Registry);
    Some(match pinned {
        Some(version) => Skipped::Pinned { version },
        None if by_itself => Skipped::ReadsItself,
        None if registry => Skipped::Registry,
        None => Skipped::OtherLabel,
    })
}

/// What became of the operation of this redeploy, if there is one.
fn began_before(case: &Case<'_>, service: &Service, memory: &Memory, now: Timestamp) -> Option<Verdict> {
    let own = of_this(case, memory).next()?;
    match own.end {
        Some(End::Failed | End::Unhealed | End::Refused) => {
            Some(Verdict::Failed { said: own.said.clone().unwrap_or_else(|| "it was refused".to_owned()) })
        }
        // What runs says whether it has the new version.
        Some(End::Recovered | End::Superseded) => None,
        None => {
            let made = own.deployment.clone().or_else(|| {
                let after = |at: Option<Timestamp>| at.is_some_and(|at| own.began <= at);
                service
                    .primary()
                    .filter(|primary| after(primary.created_at))
                    .map(|primary| primary.id.clone())
            })?;
            // deployment-watch closes it at its deadline; where its timer is lost, nobody does.
            if later(own.deadline, RIDDEN) <= now {
                let said = format!("nothing was heard of the deployment {made} long after its deadline");
                return Some(Verdict::Failed { said });
            }
            Some(Verdict::Ride { deployment: made, operation: Some(own.id.clone()) })
        }
    }
}

fn of_this<'a>(case: &Case<'a>, memory: &'a Memory) -> impl Iterator<Item = &'a Operation> {
    let id = case.redeploy.id.as_str();
    memory.redeploys.iter().filter(move |operation| operation.redeploy.as_deref() == Some(id))
}

/// Why a service whose redeployments came to nothing is not redeployed for ever.
fn in_vain(case: &Case<'_>, memory: &Memory) -> Option<String> {
    let ended = |end| of_this(case, memory).filter(move |operation| operation.end == Some(end));
    if ended(End::Recovered).count() > 0 {
        return Some("it was redeployed, and tasks with the old version run all the same".to_owned());
    }
    let overtaken = ended(End::Superseded);
    let last =
        ended(End::Superseded).max_by_key(|operation| operation.began).and_then(|last| last.said.clone());
    let last = last.map(|said| format!(": {said}")).unwrap_or_default();
    // ECS, too, puts another deployment in its place, when it takes one back.
    (overtaken.count() >= MOST_ATTEMPTS).then(|| {
        format!(
            "it was redeployed {MOST_ATTEMPTS} times, and another deployment took its place each time{last}"
        )
    })
}

/// What the newest deployment says, where it is younger than the move.
fn newest(
    case: &Case<'_>,
    service: &Service,
    memory: &Memory,
    policy: &Policy,
    now: Timestamp,
) -> Option<Verdict> {
    if case.even_if_fresh && of_this(case, memory).next().is_none() {
        return None;
    }
    let after = |at: Option<Timestamp>| at.is_some_and(|at| case.redeploy.moved < at);
    let (id, began, done) = match service.controller {
        Controller::Ecs => {
            let primary = service.primary().filter(|primary| after(primary.created_at))?;
            let done = match primary.rollout {
                Some(Rollout::Completed) => true,
                Some(Rollout::InProgress) => false,
                // ECS starts nothing more of it, and what ran before goes on.
                Some(Rollout::Failed) => {
                    let why = Deferred::Broken { deployment: primary.id.clone() };
                    return Some(wait(case, policy, why, again(case, now), now));
                }
                None => service.desired <= service.running && service.deployments.len() == 1,
            };
            (primary.id.clone(), primary.created_at, done)
        }
        Controller::CodeDeploy | Controller::External => {
            let newest = service
                .task_sets
                .iter()
                .max_by_key(|set| set.created_at)
                .filter(|set| after(set.created_at))?;
            let done = newest.primary && newest.steady && service.task_sets.len() == 1;
            (newest.id.clone(), newest.created_at, done)
        }
    };
    if done {
        // Where ECS takes a deployment back, tasks that never stopped become those of its rollback, however young that is.
        // So of a deployment that is not known to be ours, the tasks are looked at.
        let made_here = memory.all().any(|operation| operation.deployment.as_ref() == Some(&id));
        let known = made_here || case.even_if_fresh || service.controller != Controller::Ecs;
        return known.then(|| Verdict::Fresh { why: "it was deployed after the secret changed".to_owned() });
    }
    let ours =
        memory.all().find(|operation| operation.end.is_none() && operation.deployment.as_ref() == Some(&id));
    // Somebody else's may never end, and must not keep the next wave from beginning for ever.
    if ours.is_none() && began.is_some_and(|began| later(began, RIDDEN) <= now) {
        let why = Deferred::UnderWay { deployment: id };
        return Some(wait(case, policy, why, again(case, now), now));
    }
    Some(Verdict::Ride { deployment: id, operation: ours.map(|operation| operation.id.clone()) })
}

/// Whether all tasks have the new version. A task reads its secrets after it was made.
fn fresh(case: &Case<'_>, tasks: &[Task]) -> Option<String> {
    if case.even_if_fresh {
        return None;
    }
    if tasks.is_empty() {
        return Some("no task of it runs; the next one that starts reads the new version".to_owned());
    }
    let all = |is: &dyn Fn(Timestamp) -> bool| tasks.iter().all(|task| task.created_at.is_some_and(is));
    if all(&|created| case.redeploy.moved < created) {
        return Some("all its tasks were started after the secret changed".to_owned());
    }
    let holds_before = case.redeploy.holds_before?;
    // Whoever is older than the first of two moves, or younger than the second, runs with what both ends have.
    all(&|created| created < holds_before || case.redeploy.moved < created)
        .then(|| "its tasks run with this version already".to_owned())
}

/// What has to end before it may be redeployed, and when to look again.
fn busy(
    case: &Case<'_>,
    service: &Service,
    memory: &Memory,
    now: Timestamp,
) -> Option<(Deferred, Timestamp)> {
    let again = again(case, now);
    if let Some(rollback) = memory.operations.iter().find(|operation| operation.is_running(now)) {
        return Some((Deferred::RollingBack { operation: rollback.id.clone() }, again));
    }
    let under_way = service
        .deployments
        .iter()
        .find(|deployment| deployment.rollout == Some(Rollout::InProgress))
        .or_else(|| service.deployments.iter().find(|deployment| !deployment.primary));
    if let Some(deployment) = under_way.filter(|_| service.controller == Controller::Ecs) {
        return Some((Deferred::UnderWay { deployment: deployment.id.clone() }, again));
    }
    if service.task_sets.len() > 1 {
        let newest = service.task_sets.iter().max_by_key(|set| set.created_at)?;
        return Some((Deferred::UnderWay { deployment: newest.id.clone() }, again));
    }
    if service.primary().is_some_and(|primary| primary.rollout == Some(Rollout::Failed)) {
        let deployment = service.primary().map(|primary| primary.id.clone()).unwrap_or_default();
        return Some((Deferred::Broken { deployment }, again));
    }
    // Who asks by hand has decided when.
    if is_by_hand(case) {
        return None;
    }
    // What was taken for this redeploy, and cut off before the call, goes on at once.
    let cut_off = |owner: &str| of_this(case, memory).any(|own| own.end.is_none() && own.id == owner);
    let lease = memory.redeploying.as_ref().filter(|lease| now < lease.until && !cut_off(&lease.owner))?;
    Some((Deferred::Interval { until: lease.until }, lease.until))
}

/// When to look again at what is under way: ever less often, because a queue hands a message out only so many times.
fn again(case: &Case<'_>, now: Timestamp) -> Timestamp {
    let waits = case.waits_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
    later(now, (waits / 10).clamp(UNDER_WAY, SELDOM))
}

fn is_by_hand(case: &Case<'_>) -> bool {
    matches!(case.redeploy.cause, Cause::ByHand { .. })
}

fn wait(case: &Case<'_>, policy: &Policy, why: Deferred, until: Timestamp, now: Timestamp) -> Verdict {
    let gives_up = later(case.waits_since.unwrap_or(now), policy.rules.redeploy.patience);
    if gives_up <= now {
        Verdict::Skip(Skipped::WaitedTooLong { why })
    } else {
        Verdict::Defer { why, until: until.min(gives_up) }
    }
}

/// Whether ECS could neither stop a task nor start another one: then a deployment stands still (ECS API,
/// `DeploymentConfiguration`: the least number is rounded up, the greatest down).
fn immovable(service: &Service) -> Option<Skipped> {
    if service.controller != Controller::Ecs || service.strategy == Strategy::Shifted || service.daemon {
        return None;
    }
    let desired = i64::from(service.desired);
    let least = (desired * i64::from(service.minimum_percent.unwrap_or(100)) + 99) / 100;
    let most = desired * i64::from(service.maximum_percent.unwrap_or(200)) / 100;
    (0 < desired && least >= desired && most <= desired).then_some(Skipped::Immovable {
        minimum: service.minimum_percent.unwrap_or(100),
        maximum: service.maximum_percent.unwrap_or(200),
        desired: service.desired,
    })
}

fn plan(
    case: &Case<'_>,
    service: &Service,
    memory: &Memory,
    group: Option<&Group>,
    pins: BTreeMap<String, String>,
    note: Option<String>,
    now: Timestamp,
) -> Plan {
    let by_code_deploy = service.controller == Controller::CodeDeploy;
    let mut notes: Vec<String> = note.into_iter().collect();
    if service.strategy == Strategy::Shifted || by_code_deploy {
        notes.push(
            "it goes through its whole cycle, so the old version serves until the traffic is shifted"
                .to_owned(),
        );
    }
    if !service.pauses.is_empty() {
        notes.push(format!(
            "its deployments pause at {} until somebody continues them; the old version serves until then",
            service.pauses.join(", ")
        ));
    }
    if service.daemon {
        notes.push(
            "it is a DAEMON: on each machine its task is stopped before the next one starts".to_owned(),
        );
    }
    let set = service.task_sets.iter().find(|set| set.primary).or_else(|| service.task_sets.first());
    let runs = match service.controller {
        Controller::Ecs => {
            service.primary().map(|primary| (primary.task_definition.clone(), primary.id.clone()))
        }
        Controller::CodeDeploy | Controller::External => {
            set.map(|set| (set.task_definition.clone(), set.id.clone()))
        }
    };
    let (from, before) = runs.unzip();
    // What a service was interrupted in is begun anew under another name; what was cut off, under the same.
    let attempts = of_this(case, memory).filter(|operation| operation.end.is_some()).count();
    let slow = by_code_deploy || service.strategy == Strategy::Shifted || !service.pauses.is_empty();
    Plan {
        operation: id::of(&[&case.redeploy.id, &service.target.to_string(), &attempts.to_string()]),
        means: if by_code_deploy { Means::RedeployByCodeDeploy } else { Means::Redeploy },
        from: from.unwrap_or_default(),
        pins,
        group: group.cloned(),
        behind: service.load_balancer.clone(),
        before,
        over: memory.redeploying.as_ref().filter(|_| is_by_hand(case)).map(|lease| lease.owner.clone()),
        deadline: later(now, if slow { SHIFTED } else { ROLLING }),
        notes,
    }
}

#[cfg(test)]
mod tests;
