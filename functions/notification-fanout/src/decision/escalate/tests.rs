use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::{Acknowledged, Activity};
use shared::notice::{Severity, State};
use shared::policy::Policy;

use super::*;

const POLICY: &str = "
notify:
  people:
    ann: {channels: [pager-ann], mention: U012ABC}
    ben: {channels: [pager-ben, text-ben]}
    cat: {channels: [pager-cat]}
  on_call:
    primary:
      zone: Europe/Berlin
      since: 2026-01-05
      order: [ann, ben]
      overrides:
      - {from: 2026-01-06T12:00:00Z, until: 2026-01-06T18:00:00Z, person: cat}
      - {from: 2026-01-06T14:00:00Z, until: 2026-01-06T15:00:00Z, person: ben}
  escalation:
    severities: [sev1, sev2]
    steps: [{after: 0s, to: primary}, {after: 15m, to: cat}, {after: 30m, to: lead}]
";

fn policy(text: &str) -> Notify {
    Policy::parse("/p", text).unwrap().notify
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A Tuesday of the first week.
fn began() -> Timestamp {
    at("2026-01-06T09:00:00Z")
}

fn after(minutes: i64) -> Timestamp {
    began() + SignedDuration::from_mins(minutes)
}

fn activity() -> Activity {
    Activity {
        incident: "alarm:web".to_owned(),
        state: State::Firing,
        revision: 1,
        severity: Severity::Sev1,
        title: "web".to_owned(),
        labels: std::collections::BTreeMap::new(),
        since: began(),
        started: began(),
        changes: vec![began()],
        flapping: false,
        acknowledged: None,
        escalated: 0,
    }
}

fn shown(step: &Step) -> String {
    match step {
        Step::Over { why } => format!("over: {why}"),
        Step::Wait { until } => format!("wait {}m", until.duration_since(began()).as_mins()),
        Step::Call { number, who, channels, mentions, after, next } => {
            let next =
                next.map_or("last".to_owned(), |next| format!("{}m", next.duration_since(began()).as_mins()));
            format!("{number}: {who} by {channels:?} {mentions:?} after {after:#}, next {next}")
        }
    }
}

#[track_caller]
fn check(activity: &Activity, minutes: i64, expected: &str) {
    assert_eq!(shown(&step(&policy(POLICY), Some(activity), after(minutes))), expected);
}

#[test]
fn each_step_is_called_once_at_its_time() {
    let taken = |escalated| Activity { escalated, ..activity() };
    check(&taken(0), 0, "1: ann by [\"pager-ann\"] [\"U012ABC\"] after 0s, next 15m");
    check(&taken(1), 0, "wait 15m");
    check(&taken(1), 14, "wait 15m");
    check(&taken(1), 15, "2: cat by [\"pager-cat\"] [] after 15m, next 30m");
    check(&taken(2), 15, "wait 30m");
    check(&taken(2), 45, "3: lead by [\"lead\"] [] after 30m, next last");
    check(&taken(3), 45, "over: everybody was called");
    check(&taken(9), 45, "over: everybody was called");
}

#[test]
fn whoever_is_on_duty_then_is_called() {
    check(
        &Activity { since: after(-15), ..activity() },
        3 * 60,
        "1: cat by [\"pager-cat\"] [] after 0s, next 0m",
    );
}

#[test]
fn nobody_is_called_any_more_when_it_is_over_or_in_hand() {
    let acknowledged = Some(Acknowledged { by: "ann".to_owned(), at: after(1) });
    check(&Activity { acknowledged, escalated: 1, ..activity() }, 15, "over: somebody acknowledged it");
    check(&Activity { state: State::Resolved, escalated: 1, ..activity() }, 15, "over: it is over");
    check(&Activity { state: State::Info, ..activity() }, 15, "over: it never fired");
    assert_eq!(shown(&step(&policy(POLICY), None, began())), "over: the incident is not known");
}

#[test]
fn only_the_severities_of_the_policy_are_escalated() {
    check(
        &Activity { severity: Severity::Sev3, escalated: 1, ..activity() },
        15,
        "over: it is not severe enough",
    );
    check(&Activity { severity: Severity::Sev2, escalated: 1, ..activity() }, 14, "wait 15m");
}

#[test]
fn without_steps_nobody_is_called() {
    let none = step(&policy(""), Some(&activity()), after(90));
    assert_eq!(shown(&none), "over: the policy has no steps of escalation");
}

#[track_caller]
fn check_duty(now: &str, expected: &str) {
    let notify = policy(POLICY);
    assert_eq!(on_duty(&notify.on_call["primary"], at(now)), expected, "at {now}");
}

#[test]
fn people_take_turns_by_the_local_clock() {
    check_duty("2025-06-01T00:00:00Z", "ann");
    check_duty("2026-01-05T08:00:00Z", "ann");
    check_duty("2026-01-12T07:59:59Z", "ann");
    check_duty("2026-01-12T08:00:00Z", "ben");
    check_duty("2026-01-19T08:00:00Z", "ann");
    // In summer it is nine there an hour earlier: the 12th week begins on the 30th of March.
    check_duty("2026-03-30T06:59:59Z", "ben");
    check_duty("2026-03-30T07:00:00Z", "ann");
}

#[test]
fn the_last_who_stands_in_wins() {
    check_duty("2026-01-06T11:59:59Z", "ann");
    check_duty("2026-01-06T12:00:00Z", "cat");
    check_duty("2026-01-06T14:30:00Z", "ben");
    check_duty("2026-01-06T15:00:00Z", "cat");
    check_duty("2026-01-06T18:00:00Z", "ann");
}
