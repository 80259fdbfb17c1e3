//! What stopped tasks and a service's events say, in words, and what to do next. No clock, no network, no failure.
//!
//! ECS's texts are those of its Developer Guide ("Amazon ECS stopped tasks error messages", "Amazon ECS service event
//! messages"). A text about secrets is never repeated, because it can quote what stands in one; names of secrets,
//! parameters and keys are.

mod events;
mod start;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LogPlace, StoppedContainer, StoppedTask};

/// As many causes are told; the rest would bury the first.
const CAUSES_TOLD: usize = 3;

/// The longest text of ECS that is repeated, in characters.
const LONGEST_QUOTE: usize = 300;

/// Everything there is to go by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The tasks that stopped, newest first.
    pub tasks: &'a [StoppedTask],
    /// The service's events since the deployment began, newest first.
    pub events: &'a [String],
    /// What ECS says of the deployment (`rolloutStateReason`, `statusReason`).
    pub said: Option<&'a str>,
    /// Where the containers write their logs.
    pub logs: Option<&'a BTreeMap<String, LogPlace>>,
}

/// Why a deployment does not get on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diagnosis {
    /// One line: the most frequent cause, and how frequent it is.
    pub headline: String,
    /// The causes, the most frequent first; at most three.
    pub causes: Vec<Cause>,
}

/// One cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// How many tasks it stopped, or how many events tell of it.
    pub count: usize,
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub next_step: String,
}

impl Diagnosis {
    /// The diagnosis that could not be made, and why.
    pub fn unread(why: &str) -> Self {
        Self { headline: format!("the stopped tasks could not be looked at: {why}"), causes: Vec::new() }
    }
}

/// What happened to one task, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    what: String,
    next_step: String,
}

impl Finding {
    fn new(what: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { what: what.into(), next_step: next_step.into() }
    }
}

/// Why a deployment does not get on, as far as this evidence tells.
pub fn diagnose(evidence: Evidence<'_>) -> Diagnosis {
    let findings = evidence.tasks.iter().filter_map(|task| of_task(task, evidence.logs));
    let mut causes = grouped(findings);
    let stopped: usize = causes.iter().map(|cause| cause.count).sum();
    let told = grouped(evidence.events.iter().filter_map(|event| events::of_event(event)));
    let headline = match (causes.first(), told.first()) {
        (Some(cause), _) if stopped == 1 => format!("1 task stopped: {}", cause.what),
        (Some(cause), _) if cause.count == stopped => format!("{stopped} of {stopped} tasks: {}", cause.what),
        (Some(cause), _) => format!("{} of {stopped} tasks: {}", cause.count, cause.what),
        (None, Some(event)) => event.what.clone(),
        (None, None) => match evidence.said.filter(|said| !said.trim().is_empty()) {
            Some(said) => format!("ECS says: {}", quote(said)),
            None => "no stopped task and no event says why".to_owned(),
        },
    };
    causes.extend(told);
    causes.truncate(CAUSES_TOLD);
    Diagnosis { headline, causes }
}

/// The same counted together, the most frequent first; among equals, the newest.
fn grouped(findings: impl Iterator<Item = Finding>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for Finding { what, next_step } in findings {
        match causes.iter_mut().find(|cause| cause.what == what) {
            Some(cause) => cause.count += 1,
            None => causes.push(Cause { count: 1, what, next_step }),
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes
}

/// Why this task stopped; nothing where stopping was meant.
fn of_task(task: &StoppedTask, logs: Option<&BTreeMap<String, LogPlace>>) -> Option<Finding> {
    let reason = task.reason.as_deref().unwrap_or_default();
    let texts =
        || std::iter::once(reason).chain(task.containers.iter().filter_map(|one| one.reason.as_deref()));
    if let Some(finding) = texts().find_map(start::of_text) {
        return Some(finding);
    }
    // Before exit codes and stop code: ECS itself stops what fails its health checks, with SIGTERM and SIGKILL.
    if let Some(finding) = health(task, reason) {
        return Some(finding);
    }
    if let Some(container) = task.containers.iter().find(|container| is_out_of_memory(container)) {
        return Some(out_of_memory(&container.name));
    }
    match task.stop_code.as_deref() {
        Some("ServiceSchedulerInitiated") => return None,
        Some("UserInitiated") => {
            return Some(Finding::new(
                "somebody stopped the task",
                "Ask who stopped it; CloudTrail knows (StopTask).",
            ));
        }
        Some("SpotInterruption" | "TerminationNotice") => {
            return Some(Finding::new(
                "AWS took the Spot capacity back",
                "Nothing is wrong with the revision; run a base of tasks on capacity that is not Spot.",
            ));
        }
        Some("InfrastructureHealth") => {
            return Some(Finding::new(
                "AWS stopped the task because the machine under it failed",
                "Nothing is wrong with the revision; see whether the task that replaced it runs.",
            ));
        }
        Some(_) | None => {}
    }
    // The container that failed stopped the task; those stopped with it exit with 143, or 137 when they do not hear.
    let exited = |wanted: fn(i32) -> bool| {
        task.containers.iter().find(move |container| container.exit_code.is_some_and(wanted))
    };
    let failed = exited(|code| !matches!(code, 0 | 137 | 143))
        .or_else(|| exited(|code| code == 137))
        .or_else(|| exited(|code| code == 0))
        .or_else(|| exited(|code| code == 143));
    match failed.and_then(|container| Some((container, container.exit_code?))) {
        Some((container, code)) => Some(exit(container, code, &task.id, logs)),
        None if reason.is_empty() => None,
        None => Some(Finding::new(
            format!("ECS says: {}", quote(reason)),
            "Look at the stopped task in the ECS console.",
        )),
    }
}

fn health(task: &StoppedTask, reason: &str) -> Option<Finding> {
    let lower = reason.to_ascii_lowercase();
    if lower.contains("failed elb health checks") {
        let place = start::between(reason, "(target-group ", ")").map(group_name);
        let place = place.map(|name| format!(" of target group {name}")).unwrap_or_default();
        return Some(Finding::new(
            format!("the task failed the load balancer's health checks{place}"),
            "See whether the app listens on the port and answers the health check's path in time; if it only starts \
             slowly, raise the service's healthCheckGracePeriodSeconds.",
        ));
    }
    if lower.contains("failed container health checks") {
        let unhealthy = task.containers.iter().find(|container| container.unhealthy);
        let name = unhealthy.map(|container| format!(" of container {}", container.name)).unwrap_or_default();
        return Some(Finding::new(
            format!("the task failed the health check{name} in its task definition"),
            "Run the health check's command in the image; if the app only starts slowly, raise its startPeriod.",
        ));
    }
    None
}

fn is_out_of_memory(container: &StoppedContainer) -> bool {
    container.reason.as_deref().is_some_and(|reason| reason.contains("OutOfMemory"))
}

fn out_of_memory(container: &str) -> Finding {
    Finding::new(
        format!("container {container} ran out of memory"),
        "Give the container more memory in the task definition, or find what this revision newly holds in memory.",
    )
}

fn exit(
    container: &StoppedContainer,
    code: i32,
    task: &str,
    logs: Option<&BTreeMap<String, LogPlace>>,
) -> Finding {
    let name = &container.name;
    let log = log_step(name, task, logs);
    match code {
        0 => Finding::new(
            format!("container {name} ended by itself with code 0, as if its work were done"),
            format!("A service's main process must not end; see why it does. {log}"),
        ),
        126 => Finding::new(
            format!("container {name} exited with code 126: its command cannot be executed"),
            "See whether the command of the image or task definition is executable.",
        ),
        127 => Finding::new(
            format!("container {name} exited with code 127: its command was not found"),
            "See whether the command of the image or task definition exists in the image.",
        ),
        134 => Finding::new(format!("container {name} exited with code 134: it aborted"), log),
        137 => Finding::new(
            format!("container {name} was killed (exit code 137)"),
            format!(
                "Most often this is memory: compare its use with the limit in the task definition. Otherwise it did \
                 not stop within stopTimeout. {log}"
            ),
        ),
        139 => Finding::new(
            format!("container {name} crashed with a segmentation fault (exit code 139)"),
            format!("Look for a native library that does not fit the image or the processor. {log}"),
        ),
        143 => Finding::new(
            format!("container {name} was told to stop (exit code 143)"),
            "See what stopped it; by itself this is an orderly end.",
        ),
        code => Finding::new(format!("container {name} exited with code {code}, the app's own error"), log),
    }
}

/// Where to read on, as a command where the log is known.
fn log_step(container: &str, task: &str, logs: Option<&BTreeMap<String, LogPlace>>) -> String {
    match logs.and_then(|logs| logs.get(container)) {
        Some(LogPlace { group, prefix: Some(prefix) }) => format!(
            "Read its log: aws logs tail {group} --since 1h --log-stream-names {prefix}/{container}/{task}"
        ),
        Some(LogPlace { group, prefix: None }) => format!("Read its log: aws logs tail {group} --since 1h"),
        None => format!("Read the log of container {container} of task {task}."),
    }
}

/// ECS's own text, cut to a length that a notice bears.
fn quote(text: &str) -> String {
    let text = text.trim();
    let kept: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_QUOTE).collect();
    if text.chars().count() > LONGEST_QUOTE { format!("{kept} …") } else { kept }
}

/// A target group's name, from its ARN `…:targetgroup/<name>/<id>` or as it stands.
fn group_name(text: &str) -> &str {
    text.split_once(":targetgroup/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(text)
}

#[cfg(test)]
mod tests;
