use jiff::{SignedDuration, Timestamp};
use shared::policy::dlq::{self, Verdict};

use super::{Phase, Redrive, Seen, Step, Still, patience, step};

fn now() -> Timestamp {
    "2026-11-26T08:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

const SEEN: Seen =
    Seen { verdict: Verdict::Transient, waiting: 100, returned: 0, whole: true, has_way: true };

fn redrive(phase: Phase, sent: u64) -> Redrive {
    Redrive { id: "op".to_owned(), began: ago(60), by: None, phase, sent, returned: 0, tries: 1, round: 1 }
}

#[track_caller]
fn check(redrive: Option<&Redrive>, seen: Seen, refused: Option<&str>, expected: &Step) {
    assert_eq!(
        step(redrive, &seen, &dlq::Redrive::default(), refused, now()),
        *expected,
        "{redrive:?} {seen:?}"
    );
}

#[test]
fn only_what_passes_is_sent_back_by_itself() {
    for (verdict, expected) in [
        (Verdict::Transient, Step::Canary { room: 5 }),
        (Verdict::Permission, Step::Leave(Still::NotTransient)),
        (Verdict::Poison, Step::Leave(Still::NotTransient)),
        (Verdict::Stale, Step::Leave(Still::NotTransient)),
        (Verdict::Oversize, Step::Leave(Still::NotTransient)),
        (Verdict::Unknown, Step::Leave(Still::NotTransient)),
    ] {
        check(None, Seen { verdict, ..SEEN }, None, &expected);
    }
    check(None, Seen { has_way: false, ..SEEN }, None, &Step::Leave(Still::NoWay));
    check(None, SEEN, Some("frozen"), &Step::Leave(Still::MayNotAct("frozen".to_owned())));
    let asked = dlq::Redrive { automatic: false, ..dlq::Redrive::default() };
    assert_eq!(step(None, &SEEN, &asked, None, now()), Step::Leave(Still::NotAutomatic));
}

#[test]
fn a_canary_is_waited_for_and_decides() {
    let due = redrive(Phase::Canary { until: ago(0) }, 5);
    let until = now() + SignedDuration::from_secs(1);
    check(Some(&redrive(Phase::Canary { until }, 5)), SEEN, None, &Step::Wait { until });
    check(Some(&due), SEEN, None, &Step::Send { room: 20 });
    check(Some(&due), Seen { returned: 2, ..SEEN }, None, &Step::Send { room: 20 });
    check(Some(&due), Seen { returned: 3, ..SEEN }, None, &Step::Abort);
    check(Some(&due), Seen { returned: 5, waiting: 0, ..SEEN }, None, &Step::Abort);
    check(Some(&due), Seen { waiting: 0, ..SEEN }, None, &Step::Finish);
    let part = Seen { whole: false, ..SEEN };
    check(Some(&due), part, None, &Step::Leave(Still::TooMany));
    check(None, part, None, &Step::Leave(Still::TooMany));
    let by_hand = Redrive { by: Some("ann".to_owned()), ..due.clone() };
    check(Some(&by_hand), part, None, &Step::Send { room: 20 });
    check(Some(&due), SEEN, Some("frozen"), &Step::Leave(Still::MayNotAct("frozen".to_owned())));
}

#[test]
fn a_canary_that_was_never_sent_proves_nothing() {
    let unsent = redrive(Phase::Canary { until: ago(1) }, 0);
    check(Some(&unsent), SEEN, None, &Step::Canary { room: 5 });
    check(Some(&unsent), Seen { returned: 1, ..SEEN }, None, &Step::Abort);
    check(Some(&unsent), Seen { waiting: 0, ..SEEN }, None, &Step::Finish);
    check(Some(&unsent), SEEN, Some("frozen"), &Step::Leave(Still::MayNotAct("frozen".to_owned())));
    check(Some(&Redrive { tries: 3, ..unsent }), SEEN, None, &Step::Abort);
}

#[test]
fn while_more_and_more_are_sent_a_tenth_that_returns_is_too_much() {
    let ramp = |sent| redrive(Phase::Ramp { until: ago(0) }, sent);
    let until = now() + SignedDuration::from_secs(1);
    check(
        Some(&redrive(Phase::Ramp { until }, 25)),
        Seen { waiting: 0, ..SEEN },
        None,
        &Step::Wait { until },
    );
    check(Some(&ramp(25)), SEEN, None, &Step::Send { room: 100 });
    check(Some(&ramp(25)), Seen { returned: 2, ..SEEN }, None, &Step::Send { room: 100 });
    check(Some(&ramp(25)), Seen { returned: 3, ..SEEN }, None, &Step::Abort);
    check(Some(&ramp(1000)), Seen { returned: 99, ..SEEN }, None, &Step::Send { room: 4000 });
    check(Some(&ramp(1000)), Seen { returned: 100, ..SEEN }, None, &Step::Abort);
    check(Some(&ramp(100)), Seen { waiting: 0, returned: 1, ..SEEN }, None, &Step::Finish);
}

#[test]
fn what_cannot_be_sent_again_and_again_waits_for_a_person() {
    let ramp = |tries| Redrive { tries, ..redrive(Phase::Ramp { until: ago(0) }, 25) };
    check(Some(&ramp(2)), SEEN, None, &Step::Send { room: 100 });
    check(Some(&ramp(3)), SEEN, None, &Step::Abort);
    check(Some(&ramp(3)), Seen { waiting: 0, ..SEEN }, None, &Step::Finish);
}

#[test]
fn nothing_is_over_where_not_all_could_be_looked_at() {
    let unsent = redrive(Phase::Canary { until: ago(1) }, 0);
    let part = Seen { waiting: 0, whole: false, ..SEEN };
    check(Some(&unsent), part, None, &Step::Leave(Still::TooMany));
}

#[test]
fn what_was_aborted_is_left_alone_for_a_while_and_what_is_done_begins_anew() {
    let aborted = |minutes| redrive(Phase::Aborted { at: ago(minutes) }, 5);
    let until = ago(60) + SignedDuration::from_hours(24);
    check(Some(&aborted(60)), SEEN, None, &Step::Leave(Still::Held { until }));
    check(Some(&aborted(24 * 60)), SEEN, None, &Step::Canary { room: 5 });
    check(Some(&redrive(Phase::Done { at: ago(4) }, 5)), SEEN, None, &Step::Leave(Still::NoneLeft));
    check(Some(&redrive(Phase::Done { at: ago(5) }, 5)), SEEN, None, &Step::Canary { room: 5 });
}

#[test]
fn what_somebody_asked_for_goes_on_whatever_its_verdict_and_through_a_freeze() {
    let by = Some("ann".to_owned());
    let asked = Redrive { by, ..redrive(Phase::Canary { until: ago(0) }, 5) };
    check(Some(&asked), Seen { verdict: Verdict::Poison, ..SEEN }, Some("frozen"), &Step::Send { room: 20 });
    check(Some(&asked), Seen { returned: 5, ..SEEN }, Some("frozen"), &Step::Abort);
}

#[test]
fn a_canary_is_waited_for_as_long_as_its_source_takes_to_give_it_up() {
    let policy = dlq::Redrive::default();
    let (second, minute) = (SignedDuration::from_secs, SignedDuration::from_mins);
    assert_eq!(patience(&policy, None), minute(20), "a function tries twice more");
    assert_eq!(patience(&policy, Some((second(30), 3))), minute(5));
    assert_eq!(patience(&policy, Some((second(360), 5))), minute(30));
    assert_eq!(patience(&policy, Some((minute(720), 1000))), SignedDuration::from_hours(24));
}

#[test]
fn what_comes_back_each_time_without_a_mark_is_sent_back_only_so_often() {
    let done = |round| Redrive { round, ..redrive(Phase::Done { at: ago(60) }, 5) };
    check(Some(&done(2)), SEEN, None, &Step::Canary { room: 5 });
    let until = ago(60) + SignedDuration::from_hours(24);
    check(Some(&done(3)), SEEN, None, &Step::Leave(Still::Held { until }));
}
