//! The targets of a target group: how many of them are healthy.
//!
//! Words: Elastic Load Balancing API, `TargetHealth.State` and `.Reason`. A load balancer without one healthy target
//! sends requests to all of them ("fails open"), so that people may still be served, by chance.

use std::collections::{BTreeMap, BTreeSet};

use crate::decision::{Findings, Verdict};

/// What is known of a target group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// The ARNs of the load balancers that use it; nothing where that is not said.
    pub load_balancers: Option<Vec<String>>,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// A target with its health.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// An instance, an address, a function or a load balancer.
    pub id: String,
    /// `State`, such as `healthy`; a word of AWS that may be new.
    pub state: String,
    /// `Reason`, such as `Target.Timeout`; a word of AWS that may be new.
    pub reason: String,
}

/// How the target group is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Create it again, or take what names it away.");
        return found.verdict("");
    }
    let tally = Tally::of(&facts.targets);
    for (state, count) in &tally.states {
        found.saw(if state.is_empty() { "no state" } else { state }, count);
    }
    if facts.load_balancers.as_ref().is_some_and(Vec::is_empty) {
        found.not_applicable("no load balancer uses it");
        return found.verdict("");
    }
    if facts.targets.is_empty() {
        found.vacant("it has no targets", "Run what registers with it, or delete it.");
        return found.verdict("");
    }
    for target in &facts.targets {
        nameless(&mut found, target);
    }
    let all = facts.targets.len();
    let healthy = tally.count("healthy");
    let unhealthy = tally.count("unhealthy") + tally.count("unhealthy.draining");
    // Those that leave and those that are not in use are missed by nobody.
    let serving = all - tally.count("draining") - tally.count("unused");
    let are = if healthy == 1 { "is" } else { "are" };
    let counted = format!("{healthy} of {serving} targets {are} healthy");
    if 0 < unhealthy {
        let (why, todo) = (tally.reasons(), tally.todo());
        if healthy == 0 {
            found.failed(format!("{counted}{why}; the load balancer fails open and asks any of them"), todo);
        } else {
            found.degraded(format!("{counted}{why}"), todo);
        }
    } else if healthy == 0 {
        nobody(&mut found, &tally, all);
    }
    found.verdict(counted)
}

/// Says of a target whose health is not known why it is not.
fn nameless(found: &mut Findings, target: &Target) {
    match (target.state.as_str(), target.reason.as_str()) {
        ("initial" | "healthy" | "unhealthy" | "unhealthy.draining" | "unused" | "draining", _)
        | ("unavailable", "Target.HealthCheckDisabled") => {}
        ("unavailable", reason) => {
            let why = if reason.is_empty() { "" } else { ": " };
            found.unknown(
                format!("the health of {} is not available{why}{reason}", target.id),
                "It is checked again at the next sweep.",
            );
        }
        ("", _) => {
            found.unknown(format!("it is not said how {} is", target.id), "Check it by hand.");
        }
        (other, _) => {
            found.unknown(
                format!("a target is in a state that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
}

/// None is healthy, and none is unhealthy.
fn nobody(found: &mut Findings, tally: &Tally<'_>, all: usize) {
    let stopped = ["Target.InvalidState", "Target.IpUnusable"].iter().any(|it| tally.words.contains(it));
    if 0 < tally.count("initial") {
        found.degraded(
            format!("none of its targets is healthy yet: {} are being registered", tally.count("initial")),
            "Wait for the next sweep; if it stays so, look at the health check of the target group.",
        );
    } else if tally.count("unused") == all && stopped {
        found.degraded(
            "none of its targets is in use: they are stopped, or have an address that cannot be used",
            "Start them, or register others.",
        );
    } else if tally.count("unused") == all {
        found.not_applicable("none of its targets is in use: not attached, or in a zone that is off");
    } else if 0 < tally.count("unavailable") {
        found.not_applicable("the health of its targets is not checked");
    } else if 0 < tally.count("draining") {
        found.vacant("all its targets are leaving", "Run what registers with it.");
    }
}

/// How many are in each state, and why.
struct Tally<'a> {
    states: BTreeMap<&'a str, usize>,
    words: BTreeSet<&'a str>,
}

impl<'a> Tally<'a> {
    fn of(targets: &'a [Target]) -> Self {
        let mut states = BTreeMap::new();
        for target in targets {
            *states.entry(target.state.as_str()).or_default() += 1;
        }
        let words = targets.iter().map(|target| target.reason.as_str()).filter(|word| !word.is_empty());
        Self { states, words: words.collect() }
    }

    fn count(&self, state: &str) -> usize {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// The reasons, as the end of a sentence.
    fn reasons(&self) -> String {
        let words: Vec<&str> = self.words.iter().copied().collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }

    fn todo(&self) -> String {
        let known = [
            ("Target.ResponseCodeMismatch", "Look at what the targets answer to the health check's path."),
            (
                "Target.Timeout",
                "Look whether the targets answer in time, and whether they let the load balancer in.",
            ),
            (
                "Target.FailedHealthChecks",
                "Look whether the targets listen on the health check's port, and let the load balancer in.",
            ),
        ];
        let told: Vec<&str> =
            known.iter().filter(|(word, _)| self.words.contains(word)).map(|(_, todo)| *todo).collect();
        if told.is_empty() { "Look at the logs of the targets.".to_owned() } else { told.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Target, verdict};
    use crate::decision::Health;

    fn of(targets: &[(&str, &str)]) -> Facts {
        let target = |(state, reason): &(&str, &str)| Target {
            id: "10.0.0.1".to_owned(),
            state: (*state).to_owned(),
            reason: (*reason).to_owned(),
        };
        let balancer = "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc".to_owned();
        Facts {
            load_balancers: Some(vec![balancer]),
            targets: targets.iter().map(target).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn a_target_group_is_what_its_targets_are() {
        let (fine, bad, down, open, none) =
            (Health::Healthy, Health::Degraded, Health::Failed, Health::Unknown, Health::NotApplicable);
        let up = ("healthy", "");
        let late = ("unhealthy", "Target.Timeout");
        let new = ("initial", "Elb.RegistrationInProgress");
        let leaving = ("draining", "Target.DeregistrationInProgress");
        let unused = ("unused", "Target.NotInUse");
        let unchecked = ("unavailable", "Target.HealthCheckDisabled");
        let cases = [
            (of(&[up, up, up]), fine, "3 of 3 targets are healthy"),
            (of(&[up, leaving, unused]), fine, "1 of 1 targets is healthy"),
            (of(&[up, new]), fine, "1 of 2 targets is healthy"),
            (of(&[up, unchecked]), fine, "1 of 2 targets is healthy"),
            (of(&[up, late, late]), bad, "1 of 3 targets is healthy (Target.Timeout)"),
            (of(&[up, ("unhealthy.draining", "")]), bad, "1 of 2 targets is healthy"),
            (
                of(&[late, late]),
                down,
                "0 of 2 targets are healthy (Target.Timeout); the load balancer fails open",
            ),
            (of(&[late, new]), down, "0 of 2 targets are healthy"),
            (of(&[new, new]), bad, "none of its targets is healthy yet: 2"),
            (of(&[leaving]), bad, "all its targets are leaving"),
            (of(&[]), bad, "it has no targets"),
            (of(&[unused, unused]), none, "none of its targets is in use: not attached"),
            (of(&[("unused", "Target.InvalidState")]), bad, "they are stopped"),
            (of(&[unchecked]), none, "the health of its targets is not checked"),
            (of(&[unchecked, unused]), none, "the health of its targets is not checked"),
            (of(&[("unavailable", "Elb.InternalError")]), open, "not available: Elb.InternalError"),
            (of(&[("unavailable", "")]), open, "the health of 10.0.0.1 is not available"),
            (of(&[up, ("", "")]), open, "it is not said how 10.0.0.1 is"),
            (of(&[up, ("wobbly", "")]), open, "not known here: wobbly"),
            (of(&[late, ("wobbly", "")]), down, "0 of 2 targets are healthy"),
            (Facts { load_balancers: Some(vec![]), ..of(&[late]) }, none, "no load balancer uses it"),
            (Facts { load_balancers: None, ..of(&[up]) }, fine, "1 of 1 targets is healthy"),
            (Facts::default(), bad, "it has no targets"),
            (Facts { gone: true, ..Facts::default() }, down, "it does not exist any more"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            let nothing_to_do = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing_to_do, verdict.todo.is_empty(), "{verdict:?}");
        }
    }

    #[test]
    fn what_is_to_do_follows_from_why_targets_are_unhealthy() {
        let verdict = verdict(&of(&[("healthy", ""), ("unhealthy", "Target.ResponseCodeMismatch")]));
        assert_eq!(verdict.todo, ["Look at what the targets answer to the health check's path."]);
    }
}
