//! An EventBridge Scheduler schedule, and a group of them: metrics there are of groups only (`AWS/Scheduler`).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::queue;
use crate::decision::{Findings, Verdict};

/// What Scheduler says of a schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Scheduler does not know it.
    pub absent: bool,
    /// `State`, `ENABLED` or `DISABLED`; a word of AWS that may be new.
    pub state: String,
    /// When it fires: `rate(…)`, `cron(…)` or, once, `at(…)`.
    pub expression: String,
    /// From when on it does not fire any more.
    pub ends: Option<Timestamp>,
    /// What it calls.
    pub target: String,
    /// What the metrics of its group say, where its group is not checked by itself.
    pub group: Calls,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// What Scheduler and CloudWatch say of a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// Scheduler does not know it.
    pub absent: bool,
    /// How many schedules were listed.
    pub schedules: usize,
    /// Of how many of them it is not said, in a word that is known, what state they are in.
    pub unsaid: usize,
    /// Whether there are more than were listed.
    pub more: bool,
    /// How many were found to fire once only; these are not checked by themselves.
    pub once: usize,
    /// How many that are disabled were not asked for, for there are too many.
    pub unasked: usize,
    /// What the metrics say.
    pub calls: Calls,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// What became of the calls of a group in the last while.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Calls {
    /// How many the targets answered with an error.
    pub errors: Option<f64>,
    /// How many were given up.
    pub dropped: Option<f64>,
    /// How many went to a dead-letter queue.
    pub dead: Option<f64>,
    /// How many could not even be sent there.
    pub lost: Option<f64>,
}

/// How the schedule is.
pub fn verdict(facts: &Facts, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        found.absent(
            "it does not exist any more",
            "Bring the schedule back, or take it out of what names it.",
        );
        return found.verdict("");
    }
    found.saw("State", &facts.state).saw("Expression", &facts.expression).saw("Target", &facts.target);
    let over = over(facts, now);
    match facts.state.as_str() {
        "ENABLED" | "DISABLED" if over.is_some() => {
            found.not_applicable(over.unwrap_or_default());
        }
        "ENABLED" => {}
        "DISABLED" => {
            found.degraded("it is disabled", "Enable the schedule, or delete it.");
        }
        "" => {
            found.unknown("Scheduler does not say what state it is in", "Check it by hand.");
        }
        other => {
            found.unknown(
                format!("Scheduler says a state that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
    calls(facts.group, "of its group ", &mut found);
    queue::gaps(&facts.gaps, &mut found);
    found.verdict("it is enabled")
}

/// How the group is.
pub fn group(facts: &Group) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        found.absent("it does not exist any more", "Bring the group back, or take it out of what names it.");
        return found.verdict("");
    }
    found.saw("Schedules", facts.schedules);
    if facts.more {
        found.saw("Not listed", "there are more");
    }
    if 0 < facts.once {
        found.saw("Disabled, and to fire once", facts.once);
    }
    if 0 < facts.unasked {
        found.unknown(
            format!(
                "{} of its schedules are disabled, and too many to be asked whether they are over",
                facts.unasked
            ),
            "Delete the schedules that are over, or have them deleted after their completion.",
        );
    }
    calls(facts.calls, "", &mut found);
    if facts.unsaid > 0 {
        let why = format!("Scheduler does not say how {} of its schedules are", facts.unsaid);
        found.unknown(why, "Check them by hand.");
    }
    if facts.schedules == 0 && facts.gaps.is_empty() {
        found.not_applicable("it has no schedules");
    }
    queue::gaps(&facts.gaps, &mut found);
    found.verdict(format!(
        "it has {} schedule{}{}",
        facts.schedules,
        if facts.schedules == 1 { "" } else { "s" },
        if facts.more { ", and more that were not listed" } else { "" }
    ))
}

/// That it does not fire any more, where that is so.
fn over(facts: &Facts, now: Timestamp) -> Option<String> {
    if let Some(ended) = facts.ends.filter(|ends| *ends <= now) {
        return Some(format!("it ended on {}", ended.strftime("%F")));
    }
    let once = facts.expression.strip_prefix("at(")?.strip_suffix(')')?;
    let at = once.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    // A day for its time zone, and another for its flexible window and its retries.
    let over = at.checked_add(SignedDuration::from_hours(48)).ok()? <= now;
    over.then(|| format!("it was to run once, on {}", at.strftime("%F")))
}

fn calls(calls: Calls, of: &str, found: &mut Findings) {
    let some = |count: Option<f64>| count.filter(|count| *count > 0.0);
    let mut says = |count: Option<f64>, is_lost: bool, what: &str, todo: &str| {
        let Some(count) = some(count) else { return };
        let why = format!("{count:.0} calls {of}{what} in the last 15 minutes");
        if is_lost {
            found.failed(why, todo)
        } else {
            found.degraded(why, todo)
        };
    };
    says(
        calls.lost,
        true,
        "could not be sent to the dead-letter queue",
        "See whether the dead-letter queue is there, and whether the schedule's role may send to it.",
    );
    says(
        calls.errors,
        false,
        "failed",
        "See whether the target is there, and whether the schedule's role may call it.",
    );
    says(
        calls.dropped,
        false,
        "were given up",
        "See why the target fails, and make up for what was not done.",
    );
    says(calls.dead, false, "went to a dead-letter queue", "Read the letters: each names the error.");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Calls, Facts, Group, group, verdict};
    use crate::decision::Health;

    fn of(state: &str, expression: &str, ends: Option<&str>) -> Facts {
        Facts {
            state: state.to_owned(),
            expression: expression.to_owned(),
            ends: ends.map(|ends| ends.parse().unwrap()),
            ..Facts::default()
        }
    }

    #[test]
    fn a_group_whose_schedules_are_not_said_to_be_on_or_off_is_not_healthy() {
        let of = |unsaid| group(&Group { schedules: 2, unsaid, ..Group::default() });
        assert_eq!(of(0).health, Health::Healthy);
        assert_eq!(
            (of(1).health, of(1).reason.as_str()),
            (Health::Unknown, "Scheduler does not say how 1 of its schedules are")
        );
    }

    #[test]
    fn a_schedule_that_is_over_is_no_concern_and_one_that_is_disabled_before_is() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let calls = Calls { errors: Some(2.0), ..Calls::default() };
        let cases = [
            (of("ENABLED", "rate(1 hour)", None), Health::Healthy, "it is enabled"),
            (of("DISABLED", "rate(1 hour)", None), Health::Degraded, "it is disabled"),
            (
                of("DISABLED", "rate(1 hour)", Some("2026-11-26T12:00:01Z")),
                Health::Degraded,
                "it is disabled",
            ),
            (
                of("DISABLED", "rate(1 hour)", Some("2026-11-26T12:00:00Z")),
                Health::NotApplicable,
                "2026-11-26",
            ),
            (
                of("ENABLED", "rate(1 hour)", Some("2026-11-25T12:00:00Z")),
                Health::NotApplicable,
                "2026-11-25",
            ),
            (
                of("ENABLED", "at(2026-11-24T12:00:00)", None),
                Health::NotApplicable,
                "run once, on 2026-11-24",
            ),
            (of("ENABLED", "at(2026-11-24T12:00:01)", None), Health::Healthy, "it is enabled"),
            (of("ENABLED", "at(soon)", None), Health::Healthy, "it is enabled"),
            (of("RESTING", "at(2026-11-24T12:00:00)", None), Health::Unknown, "RESTING"),
            (of("", "rate(1 hour)", None), Health::Unknown, "does not say"),
            (
                Facts { group: calls, ..of("ENABLED", "rate(1 hour)", None) },
                Health::Degraded,
                "2 calls of its group failed",
            ),
            (Facts { absent: true, ..Facts::default() }, Health::Failed, "does not exist"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, now);
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            let nothing = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing, verdict.todo.is_empty(), "what is to do: {facts:?}");
        }
    }

    #[test]
    fn a_group_is_what_becomes_of_its_calls() {
        let of = |calls: Calls| Group { schedules: 2, calls, ..Group::default() };
        let none = Calls::default();
        let cases = [
            (of(none), Health::Healthy, "it has 2 schedules"),
            (Group::default(), Health::NotApplicable, "it has no schedules"),
            (Group { more: true, ..of(none) }, Health::Healthy, "2 schedules, and more that were not listed"),
            (Group { once: 2, ..of(none) }, Health::Healthy, "it has 2 schedules"),
            (
                Group { unasked: 2, ..of(none) },
                Health::Unknown,
                "2 of its schedules are disabled, and too many",
            ),
            (of(Calls { errors: Some(0.0), ..none }), Health::Healthy, "2 schedules"),
            (of(Calls { errors: Some(1.0), ..none }), Health::Degraded, "1 calls failed"),
            (of(Calls { dropped: Some(1.0), ..none }), Health::Degraded, "given up"),
            (of(Calls { dead: Some(1.0), ..none }), Health::Degraded, "dead-letter queue"),
            (of(Calls { lost: Some(1.0), dead: Some(1.0), ..none }), Health::Failed, "could not be sent"),
            (Group { absent: true, ..Group::default() }, Health::Failed, "does not exist"),
        ];
        for (facts, health, reason) in cases {
            let verdict = group(&facts);
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }
}
