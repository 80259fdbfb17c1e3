use super::*;
use crate::cases::{at, member, redeploy, with_rules};

fn queued(names: &[&str]) -> Vec<Member> {
    names.iter().map(|name| member(name, Standing::Queued)).collect()
}

fn deferred(name: &str, until: Option<i64>) -> Member {
    Member { until: until.map(at), ..member(name, Standing::Deferred) }
}

fn said(next: &Next) -> String {
    match next {
        Next::Wave { size } => format!("a wave of {size}"),
        Next::Wait { again, why } => format!("{} s: {why}", again.as_secs()),
        Next::Over(phase) => format!("{phase:?}"),
    }
}

#[track_caller]
fn check(redeploy: &Redeploy, members: &[Member], rules: &str, minutes: i64, expected: &str) {
    let policy = with_rules(rules).rules;
    assert_eq!(said(&next(redeploy, members, &policy, at(minutes))), expected);
}

#[track_caller]
fn check_sizes(rules: &str, expected: [usize; 6]) {
    let policy = with_rules(rules).rules;
    let sizes = [0, 1, 2, 3, 4, u32::MAX].map(|waves| {
        let next = next(&Redeploy { waves, ..redeploy() }, &queued(&["web"]), &policy, at(5));
        let Next::Wave { size } = next else { panic!("{next:?}") };
        size
    });
    assert_eq!(sizes, expected);
}

#[test]
fn a_canary_goes_first_and_then_ever_more_up_to_a_cap() {
    check_sizes("", [1, 3, 9, 20, 20, 20]);
    check_sizes("redeploy: {waves: {first: 2, growth: 2, at_most: 10}}", [2, 4, 8, 10, 10, 10]);
    check_sizes("redeploy: {waves: {growth: 1}}", [1, 1, 1, 1, 1, 1]);
    check_sizes("redeploy: {waves: {first: 30, at_most: 10}}", [30, 30, 30, 30, 30, 30]);
}

#[test]
fn nothing_begins_while_something_moves_and_the_looks_become_rare() {
    let mut members = queued(&["a", "b"]);
    members.push(member("web", Standing::Moving));
    members.push(Member { since: at(0), ..member("api", Standing::Moving) });
    check(&redeploy(), &members, "", 2, "60 s: 2 of 4 services are being redeployed");
    // What begins to move last counts; it moved at minute 1.
    check(&redeploy(), &members, "", 61, "360 s: 2 of 4 services are being redeployed");
    check(&redeploy(), &members, "", 26 * 60, "900 s: 2 of 4 services are being redeployed");
    check(&redeploy(), &members, "freeze: true", 2, "60 s: 2 of 4 services are being redeployed");
}

#[test]
fn a_failure_stops_what_has_not_begun_once_what_moves_has_ended() {
    let mut members = queued(&["a", "b"]);
    members.extend([member("web", Standing::Failed), deferred("c", Some(60))]);
    check(&redeploy(), &members, "", 5, "Stopped");
    members.push(member("api", Standing::Moving));
    check(&redeploy(), &members, "", 5, "60 s: 1 of 5 services are being redeployed");
}

#[test]
fn it_is_done_when_nobody_is_left() {
    check(&redeploy(), &[], "", 5, "Done");
    let over =
        [Standing::Fresh, Standing::Skipped, Standing::Proposed].map(|standing| member("web", standing));
    check(&redeploy(), &over, "", 5, "Done");
}

#[test]
fn who_waits_is_looked_at_when_its_time_has_come_and_once_in_a_while() {
    let waits =
        |until| vec![member("a", Standing::Fresh), deferred("web", Some(until)), deferred("api", Some(90))];
    check(&redeploy(), &waits(7), "", 5, "120 s: 2 of 3 services wait");
    check(&redeploy(), &waits(60), "", 5, "900 s: 2 of 3 services wait");
    check(&redeploy(), &waits(5), "", 5, "a wave of 1");
    check(&redeploy(), &[deferred("web", None)], "", 5, "a wave of 1");
    // Others need not wait for it.
    let mut mixed = waits(60);
    mixed.extend(queued(&["b"]));
    check(&redeploy(), &mixed, "", 5, "a wave of 1");
}

#[test]
fn a_freeze_holds_every_wave_back() {
    let frozen = "until: 2026-11-20T03:10:00Z, reason: audit";
    let members = queued(&["web"]);
    check(
        &redeploy(),
        &members,
        &format!("freeze: {{{frozen}}}"),
        5,
        "300 s: nothing is changed until 2026-11-20T03:10:00Z: audit",
    );
    check(&redeploy(), &members, &format!("freeze: {{{frozen}}}"), 10, "a wave of 1");
    check(
        &redeploy(),
        &members,
        "freeze: true",
        5,
        "900 s: nothing is changed until the freeze is taken out of the policy",
    );
}

const WINDOW: &str = "{name: night, from: '03:00', to: '03:20', zone: UTC}";
const ONLY_IN: &str = "{name: early, days: [fri], from: '05:00', to: '06:00', zone: UTC}";

#[test]
fn a_maintenance_window_holds_back_while_it_is_open() {
    let rules = format!("windows: [{WINDOW}]");
    check(
        &redeploy(),
        &queued(&["web"]),
        &rules,
        5,
        "900 s: the maintenance window night (03:00–03:20 UTC) is open",
    );
    check(
        &redeploy(),
        &queued(&["web"]),
        &rules,
        15,
        "300 s: the maintenance window night (03:00–03:20 UTC) is open",
    );
    check(&redeploy(), &queued(&["web"]), &rules, 20, "a wave of 1");
}

#[test]
fn waves_begin_only_in_their_windows_where_there_are_any() {
    let rules = format!("redeploy: {{only_in: [{ONLY_IN}]}}");
    let members = queued(&["web"]);
    check(
        &redeploy(),
        &members,
        &rules,
        5,
        "900 s: waves begin when a window opens, at 2026-11-20T05:00:00Z",
    );
    check(
        &redeploy(),
        &members,
        &rules,
        115,
        "300 s: waves begin when a window opens, at 2026-11-20T05:00:00Z",
    );
    check(&redeploy(), &members, &rules, 120, "a wave of 1");
    // When it is over, the next one is a week away.
    check(
        &redeploy(),
        &members,
        &rules,
        180,
        "900 s: waves begin when a window opens, at 2026-11-27T05:00:00Z",
    );
}

#[test]
fn who_asks_by_hand_has_decided_when() {
    let by_hand = Redeploy { cause: Cause::ByHand { by: None }, ..redeploy() };
    for rules in [
        "freeze: true".to_owned(),
        format!("windows: [{WINDOW}]"),
        format!("redeploy: {{only_in: [{ONLY_IN}]}}"),
    ] {
        check(&by_hand, &queued(&["web"]), &rules, 5, "a wave of 1");
        let sweep = Redeploy { cause: Cause::Sweep, ..redeploy() };
        assert!(matches!(
            next(&sweep, &queued(&["web"]), &with_rules(&rules).rules, at(5)),
            Next::Wait { .. }
        ));
    }
}

#[track_caller]
fn check_settled(members: &[Member], expected: bool) {
    assert_eq!(is_settled(members), expected, "{members:?}");
}

#[test]
fn it_is_settled_when_nobody_is_known_to_run_with_the_old_value() {
    let fresh = member("a", Standing::Fresh);
    let left = |runs_old| Member { runs_old, ..member("b", Standing::Skipped) };
    check_settled(std::slice::from_ref(&fresh), true);
    check_settled(&[fresh.clone(), left(false)], true);
    check_settled(&[fresh.clone(), left(true)], false);
    for standing in
        [Standing::Queued, Standing::Deferred, Standing::Moving, Standing::Proposed, Standing::Failed]
    {
        check_settled(&[fresh.clone(), member("b", standing)], false);
    }
    // Nobody was found: whoever uses it is not known here.
    check_settled(&[], false);
}
