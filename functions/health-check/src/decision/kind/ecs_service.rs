//! An ECS service: its tasks against those that it is meant to have, its deployments, its CPU and memory.
//!
//! ECS itself deploys (`rolloutState`), or CodeDeploy or another program does, with task sets and without that state
//! (ECS API, `Service`, `Deployment`, `TaskSet`).

use jiff::{SignedDuration, Timestamp};
use shared::ecs::diagnosis::{Cause, Evidence, diagnose};
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// From so many tasks in a row on that failed, ECS's circuit breaker may give a deployment up (ECS Developer Guide, "How
/// the Amazon ECS deployment circuit breaker detects failures").
const FAILED_IN_A_ROW: u32 = 3;

/// Older events tell of something that is over.
const EVENTS_COUNT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What is said when it settles; what was told before it is over.
const SETTLED: &str = "has reached a steady state";

const BY_HAND: &str = "Check it by hand.";

/// What `DescribeServices` says of a service, and CloudWatch of its tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `status`: `ACTIVE`, `DRAINING`, `INACTIVE`.
    pub status: String,
    /// How many tasks it is meant to have.
    pub desired: u32,
    /// How many run.
    pub running: u32,
    /// How many are about to run.
    pub pending: u32,
    /// `schedulingStrategy`: `REPLICA`, or `DAEMON`, which has one task on each instance.
    pub strategy: String,
    /// Who deploys: `ECS`, `CODE_DEPLOY`, `EXTERNAL`; ECS where it is not said.
    pub controller: String,
    /// Percent of its tasks that run at least while it is deployed; all where it is not said.
    pub least_healthy: Option<u32>,
    /// How long a deployment waits by design: bake times, and those of its steps.
    pub bakes: SignedDuration,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its deployments, where ECS deploys.
    pub deployments: Vec<Deployment>,
    /// Its task sets, where something else deploys.
    pub task_sets: Vec<TaskSet>,
    /// Its events.
    pub events: Vec<Event>,
    /// What its tasks use.
    pub load: Load,
}

/// One deployment of ECS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    /// `PRIMARY`, `ACTIVE`, `INACTIVE`.
    pub status: String,
    /// `rolloutState`: `COMPLETED`, `FAILED`, `IN_PROGRESS`; none behind a Classic Load Balancer.
    pub rollout: Option<String>,
    /// What ECS says of that state.
    pub reason: String,
    /// When it began.
    pub created: Option<Timestamp>,
    /// How many tasks it is meant to have.
    pub desired: u32,
    /// How many of them run.
    pub running: u32,
    /// How many tasks in a row failed to start.
    pub failed_tasks: u32,
}

/// One task set of CodeDeploy, or of another program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskSet {
    /// `PRIMARY`, `ACTIVE`, `DRAINING`.
    pub status: String,
    /// `stabilityStatus`: `STEADY_STATE`, `STABILIZING`.
    pub stability: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// One event of the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// When it was.
    pub at: Option<Timestamp>,
    /// What ECS says.
    pub message: String,
}

/// What the tasks use, in percent of what they reserve, over the last five minutes.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Load {
    /// Nothing runs whose use there could be.
    #[default]
    NotAsked,
    /// What CloudWatch has.
    Read {
        /// Percent of the CPU.
        cpu: Option<f64>,
        /// Percent of the memory.
        memory: Option<f64>,
    },
    /// CloudWatch could not be asked.
    Unread {
        /// What kept it.
        why: String,
        /// What to do about it.
        todo: String,
    },
}

/// A deployment that is in progress.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// For how long, where it is known.
    age: Option<SignedDuration>,
    /// Whether it takes too long.
    late: bool,
}

/// The verdict on a service that ECS does not describe: `failures[].reason`, such as `MISSING`; nothing where it says
/// nothing at all.
pub fn not_described(reason: Option<&str>) -> Verdict {
    let mut found = Findings::new();
    match reason {
        Some("MISSING") => found
            .absent("it does not exist (any more)", "Create the service again, or take away what names it."),
        Some(reason) => found.unknown(format!("ECS does not describe it: {reason}"), BY_HAND),
        None => found.unknown("ECS says nothing of it", BY_HAND),
    };
    found.verdict("")
}

/// The verdict on a service whose cluster ECS does not know.
pub fn without_cluster(cluster: &str) -> Verdict {
    let mut found = Findings::new();
    found.absent(
        format!("its cluster {cluster} does not exist (any more)"),
        "Create the cluster and the service again, or take away what names them.",
    );
    found.verdict("")
}

/// How the service is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    found.saw("Status", &facts.status);
    found.saw(
        "Tasks",
        format!("{} running, {} pending, {} desired", facts.running, facts.pending, facts.desired),
    );
    match facts.status.as_str() {
        "ACTIVE" => {}
        "DRAINING" => {
            found.degraded(
                format!("it is being deleted; {}", tasks(facts)),
                "Deploy it again if it is still needed; otherwise take away what names it.",
            );
            return found.verdict("");
        }
        "INACTIVE" => {
            found.absent(
                "it was deleted",
                "Deploy it again if it is still needed; otherwise take away what names it.",
            );
            return found.verdict("");
        }
        "" => {
            found.unknown("ECS does not say what status it has", BY_HAND);
        }
        other => {
            found.unknown(format!("ECS says a status that is not known here: {other}"), BY_HAND);
        }
    }
    if facts.desired == 0 {
        found.not_applicable(match facts.strategy.as_str() {
            "DAEMON" => "there is no instance that it should run on",
            _ => "it is scaled to zero",
        });
        return found.verdict("");
    }
    let change = change(facts, rules, now);
    deployments(facts, change, &mut found);
    counts(facts, expected, change, rules, now, &mut found);
    load(facts, change, rules, &mut found);
    if let Some(cause) = telling(facts, now) {
        found.saw("Event", &cause.what);
        if found.worst().is_bad() {
            found.degraded(cause.what, cause.next_step);
        }
    }
    found.verdict(match change {
        Some(_) => format!("a deployment is in progress; {}", tasks(facts)),
        None => tasks(facts),
    })
}

fn tasks(facts: &Facts) -> String {
    let Facts { running, desired, .. } = facts;
    match (running, desired) {
        _ if desired < running => format!("{running} tasks run where {desired} should"),
        (_, 1) => format!("{running} of 1 task runs"),
        (1, _) => format!("1 of {desired} tasks runs"),
        _ => format!("{running} of {desired} tasks run"),
    }
}

/// How long a deployment may take: as the policy says, and what it waits by design.
fn limit(facts: &Facts, rules: &Rules) -> SignedDuration {
    rules.thresholds.stuck.saturating_add(facts.bakes)
}

/// The deployment that is in progress, where one is.
///
/// Without a rollout state, and with task sets, a service that lost a task looks like one that is deployed: there, it
/// counts as deployed only where something old is still beside the new, or the new is young.
fn change(facts: &Facts, rules: &Rules, now: Timestamp) -> Option<Change> {
    let (since, certain) = if facts.task_sets.is_empty() {
        let live = facts.deployments.iter().filter(|deployment| deployment.status != "INACTIVE");
        let live: Vec<&Deployment> = live.collect();
        let primary =
            live.iter().find(|deployment| deployment.status == "PRIMARY").or_else(|| live.first())?;
        let certain = match primary.rollout.as_deref() {
            Some("IN_PROGRESS") => true,
            None if 1 < live.len() => true,
            None if primary.running < primary.desired => false,
            Some(_) | None => return None,
        };
        (primary.created, certain)
    } else {
        let unsettled = facts.task_sets.iter().filter(|set| set.stability == "STABILIZING");
        let newest = unsettled.max_by_key(|set| set.created)?;
        (newest.created, 1 < facts.task_sets.len())
    };
    let age = since.map(|since| now.duration_since(since));
    let late = age.is_some_and(|age| limit(facts, rules) < age);
    let young = age.is_some() && !late;
    (certain || young).then_some(Change { age, late })
}

fn deployments(facts: &Facts, change: Option<Change>, found: &mut Findings) {
    match facts.controller.as_str() {
        "" | "ECS" | "CODE_DEPLOY" | "EXTERNAL" => {}
        other => {
            found.unknown(format!("it is deployed by something that is not known here: {other}"), BY_HAND);
        }
    }
    for deployment in facts.deployments.iter().filter(|deployment| deployment.status != "INACTIVE") {
        match deployment.rollout.as_deref() {
            Some("FAILED") => {
                found.saw("Rollout", &deployment.reason);
                found.degraded(
                    "a deployment of it failed",
                    "See why its tasks stopped, mend that, and deploy again, or deploy what ran before.",
                );
            }
            Some("COMPLETED" | "IN_PROGRESS") | None => {}
            Some(other) => {
                found.unknown(format!("ECS says a rollout state that is not known here: {other}"), BY_HAND);
            }
        }
        if deployment.status == "PRIMARY" && 0 < deployment.failed_tasks {
            found.saw("Failed tasks in a row", deployment.failed_tasks);
            if FAILED_IN_A_ROW <= deployment.failed_tasks {
                found.degraded(
                    format!("{} tasks in a row failed to start", deployment.failed_tasks),
                    "See why its tasks stopped, and mend that.",
                );
            }
        }
    }
    for set in &facts.task_sets {
        if !matches!(set.stability.as_str(), "STEADY_STATE" | "STABILIZING") {
            let word = if set.stability.is_empty() { "nothing" } else { &set.stability };
            found.unknown(
                format!("of a task set's stability, ECS says what is not known here: {word}"),
                BY_HAND,
            );
        }
    }
    if let Some(age) = change.and_then(|change| change.age) {
        found.saw("Deployed for", minutes(age));
    }
    if let Some(Change { age: Some(age), late: true }) = change {
        found.degraded(
            format!("a deployment has been in progress for {}", minutes(age)),
            "See why its tasks do not become steady; roll it back if that cannot be mended soon.",
        );
    }
}

fn minutes(age: SignedDuration) -> String {
    match age.as_mins() {
        1 => "1 minute".to_owned(),
        minutes if minutes < 180 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    }
}

fn counts(
    facts: &Facts,
    expected: &Expected,
    change: Option<Change>,
    rules: &Rules,
    now: Timestamp,
    found: &mut Findings,
) {
    let in_time = change.is_some_and(|change| change.age.is_some() && !change.late);
    let todo = "See why its tasks stop or cannot be placed: look at its events and its stopped tasks.";
    if facts.running == 0 {
        let new = facts.created.is_some_and(|created| now.duration_since(created) <= limit(facts, rules));
        // Nobody can have used it yet.
        if in_time && new && facts.deployments.len() < 2 && facts.task_sets.len() < 2 {
            found.not_applicable(format!("its first deployment is in progress; {}", tasks(facts)));
        } else {
            found.failed(tasks(facts), todo);
        }
    } else if facts.running < facts.desired {
        let least = u64::from(facts.least_healthy.unwrap_or(100));
        let enough = u64::from(facts.desired) * least <= u64::from(facts.running) * 100;
        if !(in_time && enough) {
            found.degraded(tasks(facts), todo);
        }
    }
    // How many tasks a daemon has follows from the instances.
    if facts.strategy != "DAEMON" && facts.desired < expected.tasks {
        found.degraded(
            format!(
                "it is meant to have {} {}, and should have {} at least",
                facts.desired,
                if facts.desired == 1 { "task" } else { "tasks" },
                expected.tasks
            ),
            "Raise its desired count, or lower expect.tasks in the policy.",
        );
    }
}

fn load(facts: &Facts, change: Option<Change>, rules: &Rules, found: &mut Findings) {
    let (cpu, memory) = match &facts.load {
        Load::NotAsked => return,
        Load::Unread { why, todo } => {
            found.unknown(format!("its CPU and memory {why}"), todo);
            return;
        }
        Load::Read { cpu, memory } => (cpu, memory),
    };
    let mut silent = Vec::new();
    let limits = [("CPU", cpu, rules.thresholds.cpu), ("memory", memory, rules.thresholds.memory)];
    for (name, used, limit) in limits {
        match used.filter(|used| used.is_finite()) {
            None => silent.push(name),
            Some(used) => {
                found.saw(if name == "CPU" { name } else { "Memory" }, format!("{used:.0} %"));
                if f64::from(limit) <= used {
                    found.degraded(
                        format!("it uses {used:.0} % of its {name}, from {limit} % on it is too much"),
                        format!("Give it more tasks or more {name}, or find what it newly needs it for."),
                    );
                }
            }
        }
    }
    if silent.is_empty() {
        return;
    }
    let silent = silent.join(" and ");
    found.saw(&silent, "no metrics");
    // It takes minutes until the tasks of a new deployment have metrics.
    if change.is_none_or(|change| change.late) {
        found.unknown(
            format!("tasks run, but CloudWatch has no metrics of their {silent}"),
            "See whether the tasks really work: within minutes, CloudWatch has metrics of every task that runs.",
        );
    }
}

/// What the newest telling event says, where it did not settle since.
fn telling(facts: &Facts, now: Timestamp) -> Option<Cause> {
    let mut events: Vec<&Event> = facts.events.iter().collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events
        .into_iter()
        .take_while(|event| !event.message.contains(SETTLED))
        .filter(|event| event.at.is_some_and(|at| now.duration_since(at) <= EVENTS_COUNT_FOR))
        .find_map(|event| {
            let events = std::slice::from_ref(&event.message);
            diagnose(Evidence { events, ..Evidence::default() }).causes.into_iter().next()
        })
}

#[cfg(test)]
mod tests;
