//! A Lambda event source mapping: whether it reads its queue or stream, and what became of the last batch (Lambda
//! API, `EventSourceMappingConfiguration`; only streams say what became of the last batch).

use jiff::Timestamp;
use shared::policy::Health as Rules;

use super::queue;
use crate::decision::{Findings, Verdict};

/// What Lambda says of an event source mapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `State`, such as `Enabled`; a word of AWS that may be new.
    pub state: String,
    /// `StateTransitionReason`: who changed it, or why Lambda did.
    pub reason: String,
    /// `LastProcessingResult`, such as `OK` or `PROBLEM: Function call failed`.
    pub result: String,
    /// When its state changed.
    pub changed: Option<Timestamp>,
}

/// How the event source mapping is.
pub fn verdict(facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    found
        .saw("State", &facts.state)
        .saw("Reason of the state", &facts.reason)
        .saw("Last result", &facts.result);
    match facts.state.as_str() {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => changing(facts, rules, now, &mut found),
        "Disabling" | "Disabled" => {
            found.degraded(
                "it is disabled: what waits in the source is not dealt with",
                "Enable the mapping, or delete it.",
            );
        }
        "Deleting" => {
            found.not_applicable("it is being deleted");
        }
        "" => {
            found.unknown("Lambda does not say what state it is in", "Check it by hand.");
        }
        other => {
            found
                .unknown(format!("Lambda says a state that is not known here: {other}"), "Check it by hand.");
        }
    }
    let result = facts.result.to_ascii_lowercase();
    if result.contains("problem") || result.contains("call failed") {
        found.degraded(
            format!("the last batch was not dealt with ({})", facts.result),
            "Read the function's log, and see whether it may read the source.",
        );
    }
    found.verdict(format!("it is {}", facts.state.to_ascii_lowercase()))
}

fn changing(facts: &Facts, rules: &Rules, now: Timestamp, found: &mut Findings) {
    let state = facts.state.to_ascii_lowercase();
    let Some(changed) = facts.changed else {
        found.unknown(format!("it is {state}, and Lambda does not say since when"), "Check it by hand.");
        return;
    };
    let long = now.duration_since(changed);
    if long > rules.thresholds.stuck {
        found.degraded(
            format!("it has been {state} for {}", queue::lasting(long)),
            "See what keeps Lambda from finishing it: the function's role, or the source.",
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;

    use super::{Facts, verdict};
    use crate::decision::Health;

    #[test]
    fn a_mapping_is_what_its_state_and_its_last_batch_say() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let of = |state: &str, result: &str, changed: &str| Facts {
            state: state.to_owned(),
            result: result.to_owned(),
            changed: changed.parse().ok(),
            ..Facts::default()
        };
        let (stuck, fresh) = ("2026-11-26T11:29:59Z", "2026-11-26T11:30:00Z");
        let cases = [
            (of("Enabled", "", ""), Health::Healthy, "it is enabled"),
            (of("Enabled", "OK", stuck), Health::Healthy, "it is enabled"),
            (of("Enabled", "No records processed", ""), Health::Healthy, "it is enabled"),
            (of("Enabled", "PROBLEM: Function call failed", ""), Health::Degraded, "Function call failed"),
            (of("Enabled", "Function call failed", ""), Health::Degraded, "Function call failed"),
            (of("Creating", "", fresh), Health::Healthy, ""),
            (of("Updating", "", fresh), Health::Healthy, "it is updating"),
            (of("Updating", "", ""), Health::Unknown, "it is updating, and Lambda does not say since when"),
            (of("Enabling", "", stuck), Health::Degraded, "it has been enabling for 30 minutes"),
            (of("Disabled", "OK", ""), Health::Degraded, "it is disabled"),
            (of("Disabling", "OK", ""), Health::Degraded, "it is disabled"),
            (of("Deleting", "OK", ""), Health::NotApplicable, "deleted"),
            (of("Wandering", "OK", ""), Health::Unknown, "Wandering"),
            (of("", "OK", ""), Health::Unknown, "does not say"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &Rules::default(), now);
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            let nothing = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing, verdict.todo.is_empty(), "what is to do: {facts:?}");
        }
    }
}
