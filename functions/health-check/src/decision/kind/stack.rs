//! A CloudFormation stack: stable, and not stuck in a change (CloudFormation API, `Stack.StackStatus`).
//!
//! A change is nobody's business until it takes longer than it may; a rollback is from its first moment, since a change
//! has failed. `UPDATE_ROLLBACK_COMPLETE` is stable, but what runs is not what was deployed.

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;

use crate::decision::{Findings, Verdict, cut};

/// How much of a reason is told.
const LONGEST: usize = 300;
/// How many resources are named.
const NAMED: usize = 5;

/// What CloudFormation says of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whether CloudFormation knows it.
    pub there: bool,
    /// `StackStatus`; a word of AWS that may be new.
    pub status: String,
    /// `StackStatusReason`
    pub reason: String,
    /// `DetailedStatus`, such as `VALIDATION_FAILED`.
    pub detailed: String,
    /// When its last change began: its deletion, update or creation.
    pub since: Option<Timestamp>,
    /// `StackDriftStatus`, as it was found when it was last looked for.
    pub drift: String,
    /// `EnableTerminationProtection`
    pub protected: Option<bool>,
    /// What its last change stands or failed at, where that was asked for; or the verdict on the call that failed.
    pub troubles: Result<Vec<Trouble>, Verdict>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            there: false,
            status: String::new(),
            reason: String::new(),
            detailed: String::new(),
            since: None,
            drift: String::new(),
            protected: None,
            troubles: Ok(Vec::new()),
        }
    }
}

/// A resource that a change stands or failed at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trouble {
    /// Its name in the template, and its type.
    pub resource: String,
    /// Such as `UPDATE_FAILED`.
    pub status: String,
    /// Why, where CloudFormation says it.
    pub reason: String,
}

/// An event of a stack, as `DescribeStackEvents` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its name in the template.
    pub resource: String,
    /// Such as `AWS::ECS::Service`.
    pub sort: String,
    /// Such as `UPDATE_FAILED`; a word of AWS that may be new.
    pub status: String,
    /// Why.
    pub reason: String,
    /// Whether it is about the stack itself.
    pub own: bool,
}

impl Event {
    /// Whether the change began with it: what is older belongs to another change.
    pub fn begins(&self) -> bool {
        const BEGINS: [&str; 4] =
            ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
        self.own && BEGINS.contains(&self.status.as_str())
    }
}

/// What a change stands or failed at, from its events, the newest first: what failed, the first one first, and what has
/// not ended. What was only cancelled since something else failed is left out.
pub fn troubles(events: &[Event]) -> Vec<Trouble> {
    let change = events.iter().position(Event::begins).unwrap_or(events.len());
    let events = || events.iter().take(change).filter(|event| !event.own);
    let trouble = |event: &Event| Trouble {
        resource: format!("{} ({})", event.resource, event.sort),
        status: event.status.clone(),
        reason: event.reason.chars().take(LONGEST).collect(),
    };
    let cancelled = |event: &Event| {
        let reason = event.reason.to_ascii_lowercase();
        reason.starts_with("resource") && reason.contains("cancelled")
    };
    let failed: Vec<&Event> =
        events().filter(|event| event.status.ends_with("_FAILED") && !cancelled(event)).collect();
    let mut seen = Vec::new();
    let mut waiting = Vec::new();
    for event in events() {
        if !seen.contains(&event.resource.as_str()) {
            seen.push(&event.resource);
            if event.status.ends_with("_IN_PROGRESS") {
                waiting.push(event);
            }
        }
    }
    failed.into_iter().rev().chain(waiting).map(trouble).collect()
}

/// How the stack is.
pub fn verdict(facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if !facts.there {
        found.absent(
            "it does not exist (any more)",
            "Deploy the stack again, or take it off the policy's list of stacks.",
        );
        return found.verdict("");
    }
    found.saw("Status", &facts.status).saw("Reason", cut(&facts.reason, LONGEST));
    found.saw("Detailed status", &facts.detailed);
    found.saw("Last change", facts.since.map(|at| at.to_string()).unwrap_or_default());
    found.saw("Drift", &facts.drift);
    found.saw("Termination protection", facts.protected.map_or("", |on| if on { "on" } else { "off" }));
    status(&mut found, facts, rules.thresholds.stuck, now);
    match facts.detailed.as_str() {
        "" | "CONFIGURATION_COMPLETE" => {}
        "VALIDATION_FAILED" => {
            found.degraded(
                "its last change did not pass validation",
                "Mend the template or its parameters, and deploy again.",
            );
        }
        other => {
            let why = format!("CloudFormation says a detailed status that is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
    resources(&mut found, facts);
    let changes = facts.status.ends_with("_IN_PROGRESS");
    found.verdict(if changes { "it is changing" } else { "it is stable" })
}

fn status(found: &mut Findings, facts: &Facts, stuck: SignedDuration, now: Timestamp) {
    const BY_HAND: &str = "Check it by hand.";
    const AGAIN: &str = "Mend what failed, and deploy again.";
    match facts.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {}
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            found.degraded("its last change was rolled back: what runs is not what was deployed", AGAIN);
        }
        "ROLLBACK_COMPLETE" => {
            found.failed(
                "its creation was rolled back: nothing of it is there, and it cannot be updated",
                "Delete the stack, mend what failed, and create it again.",
            );
        }
        "DELETE_COMPLETE" => {
            found.absent("it was deleted", "Deploy the stack again, or take away what names it.");
        }
        "REVIEW_IN_PROGRESS" => {
            let todo = "Execute its change set, or delete the stack.";
            in_time(found, facts, stuck, now, todo, false);
        }
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            let todo = "Look at what CloudFormation cannot delete.";
            in_time(found, facts, stuck, now, todo, true);
        }
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => {
            found.degraded("its last change was rolled back: what runs is not what was deployed", AGAIN);
            in_time(found, facts, stuck, now, "Look at what CloudFormation cannot delete.", true);
        }
        "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS" | "IMPORT_ROLLBACK_IN_PROGRESS" => {
            found.degraded("its last change has failed, and is rolled back", AGAIN);
            let todo = "Look at the resources that do not become stable; cancel or continue the rollback.";
            in_time(found, facts, stuck, now, todo, false);
        }
        "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS" => {
            let todo = "Look at the resources that do not become stable; cancel the update if it cannot end.";
            in_time(found, facts, stuck, now, todo, false);
        }
        "UPDATE_ROLLBACK_FAILED" => {
            found.failed(
                "its rollback has failed: it takes no more updates",
                "Continue the rollback, and skip the resources that cannot be rolled back.",
            );
        }
        "DELETE_FAILED" => {
            found.failed(
                "it could not be deleted",
                "Delete the stack again, and retain the resources that cannot be deleted.",
            );
        }
        "CREATE_FAILED" | "ROLLBACK_FAILED" => {
            found.failed(
                "it could not be created",
                "Delete the stack, mend what failed, and create it again.",
            );
        }
        "UPDATE_FAILED" => {
            found.failed("its update has failed", "Mend what failed, and update again, or roll it back.");
        }
        "IMPORT_ROLLBACK_FAILED" => {
            found.failed("the rollback of its import has failed", "Mend what failed, and import again.");
        }
        "" => {
            found.unknown("CloudFormation does not say what state it is in", BY_HAND);
        }
        other => {
            let why = format!("CloudFormation says a state that is not known here: {other}");
            found.unknown(why, BY_HAND);
        }
    }
}

/// A change may take its time, but not longer; where it only cleans up, what it made is there already.
fn in_time(
    found: &mut Findings,
    facts: &Facts,
    stuck: SignedDuration,
    now: Timestamp,
    todo: &str,
    cleaning: bool,
) {
    let status = &facts.status;
    match facts.since {
        Some(at) if stuck < now.duration_since(at) => {
            let why = format!("it is stuck: {status} since {at:.0}, longer than {stuck:#}");
            if cleaning {
                found.degraded(why, todo)
            } else {
                found.failed(why, todo)
            };
        }
        Some(_) => {}
        None => {
            found.unknown(format!("it is {status}, and it is not said since when"), "Check it by hand.");
        }
    }
}

fn resources(found: &mut Findings, facts: &Facts) {
    match &facts.troubles {
        Ok(troubles) => {
            for Trouble { resource, status, reason } in troubles.iter().take(NAMED) {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                found.saw(resource, format!("{status}{why}"));
            }
            if NAMED < troubles.len() {
                found.saw("More resources", troubles.len().saturating_sub(NAMED));
            }
        }
        Err(why) => {
            found.unknown(format!("its events {}", why.reason), why.todo.join(" "));
        }
    }
}

#[cfg(test)]
mod tests;
