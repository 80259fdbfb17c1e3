//! A Lambda function: whether it can be invoked, how its last update ended, and how its invocations end (Lambda API,
//! `GetFunctionConfiguration`; metrics of `AWS/Lambda`, which are there only for what was invoked).

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;

use super::queue;
use crate::decision::{Findings, Verdict};

/// So many invocations must fail before the share of them says anything: one of one is all of them.
const ENOUGH_ERRORS: f64 = 3.0;

/// A function that takes this share of its time-out runs into it soon.
const NEARLY: f64 = 0.9;

/// What Lambda and CloudWatch say of a function.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Lambda does not know it.
    pub absent: bool,
    /// `State`, such as `Active`; a word of AWS that may be new.
    pub state: String,
    /// `StateReasonCode`, such as `Idle`.
    pub state_reason: String,
    /// `LastUpdateStatus`, such as `Successful`; a word of AWS that may be new.
    pub update: String,
    /// `LastUpdateStatusReasonCode`, such as `ImageAccessDenied`.
    pub update_reason: String,
    /// When it was last changed.
    pub changed: Option<Timestamp>,
    /// How long an invocation may take.
    pub timeout: Option<SignedDuration>,
    /// Such as `provided.al2023`.
    pub runtime: String,
    /// How often it was invoked in the last while.
    pub invocations: Option<f64>,
    /// How many invocations failed.
    pub errors: Option<f64>,
    /// How many were refused, because too many ran.
    pub throttles: Option<f64>,
    /// How long the longest took, in milliseconds.
    pub longest: Option<f64>,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// How the function is.
pub fn verdict(facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        found.absent(
            "it does not exist any more",
            "Bring the function back, or take it out of what names it.",
        );
        return found.verdict("");
    }
    let number = |number: Option<f64>| number.map(|number| format!("{number:.0}")).unwrap_or_default();
    found
        .saw("State", &facts.state)
        .saw("Last update", &facts.update)
        .saw("Runtime", &facts.runtime)
        .saw("Invocations", number(facts.invocations))
        .saw("Errors", number(facts.errors));
    let stuck = facts.changed.filter(|changed| now.duration_since(*changed) > rules.thresholds.stuck);
    let stuck = stuck.map(|changed| queue::lasting(now.duration_since(changed)));
    state(facts, stuck.as_deref(), &mut found);
    update(facts, stuck.as_deref(), &mut found);
    errors(facts, rules, &mut found);
    throttled(facts, &mut found);
    slow(facts, &mut found);
    queue::gaps(&facts.gaps, &mut found);
    let state = facts.state.to_ascii_lowercase();
    found.verdict(match facts.invocations.filter(|count| *count > 0.0) {
        Some(count) => format!("it is {state}: {count:.0} invocations in the last 15 minutes"),
        None => format!("it is {state}"),
    })
}

/// A word, and the reason that came with it, where one did.
fn because(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") }
}

fn state(facts: &Facts, stuck: Option<&str>, found: &mut Findings) {
    let reason = facts.state_reason.as_str();
    match facts.state.as_str() {
        "Active" => {}
        "ActiveNonInvocable" => {
            found.not_applicable("only its published versions can be invoked");
        }
        "Pending" => {
            // One that wakes up was changed long ago: how long it has been pending is not known.
            if reason == "Restoring" {
            } else if facts.changed.is_none() {
                found.unknown("it is pending, and Lambda does not say since when", "Check it by hand.");
            } else if let Some(long) = stuck {
                found.degraded(
                    because(&format!("it has been pending for {long}"), reason),
                    "See what keeps Lambda from making it ready: its image, network, role or key.",
                );
            }
        }
        "Inactive" => {
            found.degraded(
                because("it is inactive, and its next invocation fails", reason),
                "Invoke the function once, and see that it becomes active.",
            );
        }
        "Deactivating" | "Deactivated" | "Deleting" => {
            found.degraded(
                because(&format!("it is going away, or is shut off ({})", facts.state), reason),
                "See who did that, and take what invokes it elsewhere.",
            );
        }
        "Failed" => {
            found.failed(
                because("it cannot be invoked", reason),
                "Mend what the reason names, and deploy the function again.",
            );
        }
        "" => {
            found.unknown("Lambda does not say what state it is in", "Check it by hand.");
        }
        other => {
            found
                .unknown(format!("Lambda says a state that is not known here: {other}"), "Check it by hand.");
        }
    }
}

fn update(facts: &Facts, stuck: Option<&str>, found: &mut Findings) {
    match facts.update.as_str() {
        "Successful" => {}
        "InProgress" => {
            if facts.changed.is_none() {
                found.unknown(
                    "its last update is in progress, and Lambda does not say since when",
                    "Check it by hand.",
                );
            } else if let Some(long) = stuck {
                found.degraded(
                    format!("its last update has been in progress for {long}"),
                    "See what keeps Lambda from finishing it: its image, network, role or key.",
                );
            }
        }
        "Failed" => {
            found.degraded(
                because("its last update failed, and what was there before still runs", &facts.update_reason),
                "Mend what the reason names, and deploy the function again.",
            );
        }
        "" => {
            found.unknown("Lambda does not say how its last update ended", "Check it by hand.");
        }
        other => {
            found.unknown(
                format!("Lambda says a state of an update that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
}

fn errors(facts: &Facts, rules: &Rules, found: &mut Findings) {
    let errors = facts.errors.unwrap_or_default();
    // What ended in this while may have begun before it: never fewer invocations than errors.
    let invocations = facts.invocations.unwrap_or_default().max(errors);
    if errors < 1.0 {
        return;
    }
    let percent = errors / invocations * 100.0;
    let why = format!("{errors:.0} of {invocations:.0} invocations failed in the last 15 minutes");
    let todo = "Read the function's log for its errors, and roll it back if they came with a deployment.";
    if percent >= f64::from(rules.thresholds.many_errors) && errors >= ENOUGH_ERRORS {
        found.failed(why, todo);
    } else if percent >= f64::from(rules.thresholds.errors) {
        found.degraded(why, todo);
    }
}

fn throttled(facts: &Facts, found: &mut Findings) {
    if let Some(throttles) = facts.throttles.filter(|throttles| *throttles > 0.0) {
        found.degraded(
            format!("{throttles:.0} invocations were throttled in the last 15 minutes"),
            "Raise its reserved concurrency or the account's, or have fewer invocations at once.",
        );
    }
}

fn slow(facts: &Facts, found: &mut Findings) {
    let (Some(longest), Some(timeout)) = (facts.longest, facts.timeout) else { return };
    let took = SignedDuration::try_from_secs_f64(longest / 1_000.0).unwrap_or(SignedDuration::MAX);
    found.saw("Longest", format!("{:.1}s of {}s", longest / 1_000.0, timeout.as_secs()));
    if timeout > SignedDuration::ZERO && took.as_secs_f64() >= timeout.as_secs_f64() * NEARLY {
        found.degraded(
            format!(
                "an invocation took {:.1}s, and its time-out is {}s",
                longest / 1_000.0,
                timeout.as_secs()
            ),
            "Find what it waits for, or raise its time-out.",
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::policy::Health as Rules;

    use super::{Facts, verdict};
    use crate::decision::Health;

    fn of(state: &str, update: &str) -> Facts {
        Facts { state: state.to_owned(), update: update.to_owned(), ..Facts::default() }
    }

    fn check(facts: &Facts, health: Health, reason: &str) {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let verdict = verdict(facts, &Rules::default(), now);
        assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        let nothing = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
        assert_eq!(nothing, verdict.todo.is_empty(), "what is to do: {facts:?}");
    }

    #[test]
    fn a_function_is_what_its_state_and_its_last_update_say() {
        let since = |time: &str, facts: Facts| Facts { changed: Some(time.parse().unwrap()), ..facts };
        let (stuck, fresh) = ("2026-11-26T11:29:59Z", "2026-11-26T11:30:00Z");
        let cases = [
            (of("Active", "Successful"), Health::Healthy, "it is active"),
            (since(stuck, of("Active", "Successful")), Health::Healthy, "it is active"),
            (of("ActiveNonInvocable", "Successful"), Health::NotApplicable, "published versions"),
            (since(fresh, of("Pending", "Successful")), Health::Healthy, "it is pending"),
            (since(stuck, of("Pending", "Successful")), Health::Degraded, "pending for 30 minutes"),
            (
                Facts { state_reason: "Restoring".to_owned(), ..since(stuck, of("Pending", "Successful")) },
                Health::Healthy,
                "it is pending",
            ),
            (of("Inactive", "Successful"), Health::Degraded, "its next invocation fails"),
            (of("Deleting", "Successful"), Health::Degraded, "Deleting"),
            (
                Facts { state_reason: "ImageDeleted".to_owned(), ..of("Failed", "Successful") },
                Health::Failed,
                "it cannot be invoked: ImageDeleted",
            ),
            (of("Dreaming", "Successful"), Health::Unknown, "Dreaming"),
            (of("", "Successful"), Health::Unknown, "does not say what state"),
            (since(fresh, of("Active", "InProgress")), Health::Healthy, ""),
            (since(stuck, of("Active", "InProgress")), Health::Degraded, "in progress for 30 minutes"),
            (
                Facts { update_reason: "KMSKeyNotFound".to_owned(), ..of("Active", "Failed") },
                Health::Degraded,
                "still runs: KMSKeyNotFound",
            ),
            (of("Active", "InProgress"), Health::Unknown, "does not say since when"),
            (of("Pending", "Successful"), Health::Unknown, "does not say since when"),
            (of("Active", "Halved"), Health::Unknown, "Halved"),
            (of("Active", ""), Health::Unknown, "how its last update ended"),
            (Facts { absent: true, ..Facts::default() }, Health::Failed, "does not exist"),
            (Facts::default(), Health::Unknown, "does not say what state"),
        ];
        for (facts, health, reason) in cases {
            check(&facts, health, reason);
        }
    }

    #[test]
    fn errors_count_by_their_share_and_one_of_one_is_not_all() {
        let of = |errors: f64, invocations: Option<f64>| Facts {
            errors: Some(errors),
            invocations,
            ..of("Active", "Successful")
        };
        for (errors, invocations, health) in [
            (0.0, Some(10.0), Health::Healthy),
            (0.0, None, Health::Healthy),
            (1.0, Some(101.0), Health::Healthy),
            (1.0, Some(100.0), Health::Degraded),
            (1.0, Some(1.0), Health::Degraded),
            (2.0, Some(2.0), Health::Degraded),
            (3.0, Some(61.0), Health::Degraded),
            (3.0, Some(60.0), Health::Failed),
            (3.0, None, Health::Failed),
            (3.0, Some(1.0), Health::Failed),
        ] {
            check(&of(errors, invocations), health, "");
        }
    }

    #[test]
    fn throttles_and_time_outs_are_degraded() {
        let good = || of("Active", "Successful");
        check(&Facts { throttles: Some(0.0), ..good() }, Health::Healthy, "");
        check(&Facts { throttles: Some(1.0), ..good() }, Health::Degraded, "throttled");
        let took = |longest: f64, timeout: i64| Facts {
            longest: Some(longest),
            timeout: Some(SignedDuration::from_secs(timeout)),
            ..good()
        };
        check(&took(8_999.0, 10), Health::Healthy, "");
        check(&took(9_000.0, 10), Health::Degraded, "took 9.0s, and its time-out is 10s");
        check(&took(9_000.0, 0), Health::Healthy, "");
    }
}
