//! An EventBridge rule: enabled, with targets, and whether what it sends them arrives (EventBridge API,
//! `DescribeRule`; metrics of `AWS/Events`, which are there only when they are not zero).

use super::queue;
use crate::decision::{Findings, Verdict};

/// What EventBridge and CloudWatch say of a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// EventBridge does not know it.
    pub absent: bool,
    /// `State`, such as `ENABLED`; a word of AWS that may be new.
    pub state: String,
    /// The service that made it and looks after it, where one did.
    pub managed_by: String,
    /// When it fires by itself.
    pub schedule: String,
    /// How many targets it has, where they could all be listed.
    pub targets: Option<usize>,
    /// How many calls of targets failed for good in the last while.
    pub failed: Option<f64>,
    /// How many events went to a dead-letter queue instead.
    pub dead: Option<f64>,
    /// How many events could not even be sent there.
    pub lost: Option<f64>,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// How the rule is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        found.absent("it does not exist any more", "Bring the rule back, or take it out of what names it.");
        return found.verdict("");
    }
    found.saw("State", &facts.state).saw("Managed by", &facts.managed_by).saw("Schedule", &facts.schedule);
    found.saw("Targets", facts.targets.map(|count| count.to_string()).unwrap_or_default());
    state(facts, &mut found);
    arrives(facts, &mut found);
    queue::gaps(&facts.gaps, &mut found);
    found.verdict("it is enabled")
}

fn state(facts: &Facts, found: &mut Findings) {
    match facts.state.as_str() {
        "ENABLED" | "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" => match facts.targets {
            Some(0) => {
                found.degraded(
                    "it has no targets: what it matches reaches nobody",
                    "Give the rule a target, or delete it.",
                );
            }
            None if facts.gaps.is_empty() => {
                found.unknown("EventBridge does not say what its targets are", "Check it by hand.");
            }
            Some(_) | None => {}
        },
        "DISABLED" if !facts.managed_by.is_empty() => {
            found.not_applicable(format!("it is disabled, and {} looks after it", facts.managed_by));
        }
        "DISABLED" => {
            found.degraded("it is disabled", "Enable the rule, or delete it.");
        }
        "" => {
            found.unknown("EventBridge does not say what state it is in", "Check it by hand.");
        }
        other => {
            found.unknown(
                format!("EventBridge says a state that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
}

fn arrives(facts: &Facts, found: &mut Findings) {
    let some = |count: Option<f64>| count.filter(|count| *count > 0.0);
    if let Some(lost) = some(facts.lost) {
        found.failed(
            format!("{lost:.0} events could not be sent to the dead-letter queue in the last 15 minutes, and are lost"),
            "See whether the dead-letter queue is there, and whether its policy lets events.amazonaws.com send.",
        );
    }
    if let Some(failed) = some(facts.failed) {
        found.degraded(
            format!("{failed:.0} calls of its targets failed for good in the last 15 minutes"),
            "See whether the targets are there, and whether the rule may call them.",
        );
    }
    if let Some(dead) = some(facts.dead) {
        found.degraded(
            format!("{dead:.0} events went to a dead-letter queue in the last 15 minutes"),
            "Read the letters: each names its target and the error.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, verdict};
    use crate::decision::Health;

    fn of(state: &str) -> Facts {
        Facts { state: state.to_owned(), targets: Some(1), ..Facts::default() }
    }

    #[test]
    fn a_rule_is_enabled_has_targets_and_reaches_them() {
        let managed = |state: &str| Facts { managed_by: "ecs.amazonaws.com".to_owned(), ..of(state) };
        let cases = [
            (of("ENABLED"), Health::Healthy, "it is enabled"),
            (of("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"), Health::Healthy, "it is enabled"),
            (of("DISABLED"), Health::Degraded, "it is disabled"),
            (managed("ENABLED"), Health::Healthy, "it is enabled"),
            (managed("DISABLED"), Health::NotApplicable, "ecs.amazonaws.com looks after it"),
            (of("PAUSED"), Health::Unknown, "PAUSED"),
            (of(""), Health::Unknown, "does not say what state"),
            (Facts { targets: Some(0), ..of("ENABLED") }, Health::Degraded, "no targets"),
            (Facts { targets: None, ..of("ENABLED") }, Health::Unknown, "targets"),
            (Facts { failed: Some(0.0), ..of("ENABLED") }, Health::Healthy, "it is enabled"),
            (Facts { failed: Some(2.0), ..of("ENABLED") }, Health::Degraded, "2 calls"),
            (Facts { dead: Some(2.0), ..of("ENABLED") }, Health::Degraded, "2 events went"),
            (
                Facts { lost: Some(2.0), dead: Some(1.0), ..of("ENABLED") },
                Health::Failed,
                "are lost; 1 events",
            ),
            (Facts { absent: true, ..Facts::default() }, Health::Failed, "does not exist"),
            (Facts::default(), Health::Unknown, "does not say what state"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            let nothing = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing, verdict.todo.is_empty(), "what is to do: {facts:?}");
        }
    }
}
