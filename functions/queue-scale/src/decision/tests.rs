//! Every rule, case by case: what stands there, and what is done.

use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_795_176_000 + minutes * 60).unwrap()
}

fn rule() -> Scale {
    Scale {
        queue: "orders".to_owned(),
        service: "ecs:shop/worker".parse().unwrap(),
        above: 100,
        per_task: 100,
        at_most: 10,
        calm: SignedDuration::from_mins(15),
    }
}

fn facts(waiting: u64, desired: u32) -> Facts {
    let service =
        Service { desired, running: desired, active: true, counted: true, deployment: Deployment::Done };
    Facts {
        queue: "arn:orders".to_owned(),
        waiting,
        in_flight: 0,
        service: Some(service),
        busy: None,
        autoscaled: false,
        known: None,
        foreign: None,
        withheld: None,
    }
}

fn with(facts: Facts, change: impl FnOnce(&mut Service)) -> Facts {
    let mut service = facts.service.unwrap();
    change(&mut service);
    Facts { service: Some(service), ..facts }
}

/// Begun at minute 0, from 2 to 5 tasks, and made.
fn scaling() -> Scaling {
    Scaling {
        id: "1".to_owned(),
        queue: "arn:orders".to_owned(),
        own: 2,
        before: 2,
        to: 5,
        began: at(0),
        changed: at(0),
        made: Some(at(0)),
        told: true,
        calm: None,
        hold: None,
        looked: at(0),
        asked_by: None,
        end: None,
    }
}

fn known(waiting: u64, desired: u32, scaling: Scaling) -> Facts {
    Facts { known: Some(scaling), ..facts(waiting, desired) }
}

fn word(step: &Step) -> String {
    match step {
        Step::Nothing { why } => format!("nothing: {why}"),
        Step::Remember { why, .. } => format!("remember: {why}"),
        Step::Set { scaling } => {
            let end = if scaling.end.is_some() { ", the end" } else { "" };
            format!("set {}{end}", scaling.to)
        }
        Step::Tell { scaling } => format!("tell {}", scaling.to),
        Step::StepAside { aside, .. } => format!("step aside: {aside:?}"),
        Step::Propose { to, withheld } => format!("propose {to}: {withheld}"),
    }
}

#[track_caller]
fn check(facts: &Facts, minutes: i64, expected: &str) {
    let step = decide(&rule(), facts, at(minutes));
    let word = word(&step);
    assert!(word.starts_with(expected), "{word:?} is not {expected:?}");
}

#[test]
fn a_service_gets_as_many_tasks_as_its_queue_needs_and_no_more_than_allowed() {
    for (waiting, desired, expected) in [
        (0, 2, "nothing: few"),
        (100, 1, "nothing: few"),
        (101, 1, "set 2"),
        (101, 2, "nothing: it has as many"),
        (480, 2, "set 5"),
        (480, 5, "nothing: it has as many"),
        (1_000_000, 2, "set 10"),
        (u64::MAX, 2, "set 10"),
        (1_000_000, 10, "nothing: it has as many"),
        // More than allowed is somebody's wish.
        (1_000_000, 12, "nothing: it has as many"),
        (1_000_000, 0, "nothing: it is scaled to zero"),
    ] {
        check(&facts(waiting, desired), 0, expected);
    }
}

#[test]
fn nothing_begins_where_more_tasks_would_be_wrong_or_no_help() {
    let full = || facts(480, 2);
    for (facts, expected) in [
        (Facts { service: None, ..full() }, "nothing: there is no such service"),
        (with(full(), |it| it.active = false), "nothing: it is not active"),
        (with(full(), |it| it.counted = false), "nothing: it is a daemon"),
        (
            with(full(), |it| it.deployment = Deployment::Replacing),
            "nothing: it waits for the end of its deployment",
        ),
        (with(full(), |it| it.running = 1), "nothing: not all of its tasks run"),
        (Facts { busy: Some("a rollback".to_owned()), ..full() }, "nothing: it waits for a rollback"),
        (Facts { withheld: Some("a freeze".to_owned()), ..full() }, "propose 5: a freeze"),
        (Facts { foreign: Some("prod's".to_owned()), ..full() }, "nothing: prod's"),
    ] {
        check(&facts, 0, expected);
    }
}

#[test]
fn what_an_autoscaler_has_in_hand_gets_no_more_tasks_and_keeps_its_own_count() {
    let autoscaled = |facts| Facts { autoscaled: true, ..facts };
    check(&autoscaled(facts(480, 2)), 0, "nothing: Application Auto Scaling");
    check(&autoscaled(known(900, 5, scaling())), 3, "nothing: Application Auto Scaling");
    check(&autoscaled(known(900, 7, scaling())), 3, "step aside: Found(7)");
    let calm = Scaling { calm: Some(at(10)), looked: at(19), ..scaling() };
    check(&autoscaled(known(0, 5, calm)), 25, "set 2, the end");
}

#[test]
fn it_grows_with_its_queue_when_its_tasks_have_started() {
    let frozen = |facts| Facts { withheld: Some("a freeze".to_owned()), ..facts };
    for (facts, minutes, expected) in [
        (known(480, 5, scaling()), 1, "nothing: it has as many"),
        (known(900, 5, scaling()), 2, "nothing: not all"),
        (known(900, 5, scaling()), 3, "set 9"),
        (with(known(900, 5, scaling()), |it| it.running = 4), 3, "nothing: not all"),
        (with(known(900, 5, scaling()), |it| it.deployment = Deployment::UnderWay), 3, "nothing: not all"),
        (with(known(900, 5, scaling()), |it| it.deployment = Deployment::Replacing), 3, "nothing: it waits"),
        (frozen(known(900, 5, scaling())), 3, "propose 9: a freeze"),
        // Fewer messages, but still many: it keeps what it has.
        (known(101, 5, scaling()), 9, "nothing: it has as many"),
    ] {
        check(&facts, minutes, expected);
    }
}

#[test]
fn it_gets_its_own_count_back_when_few_have_waited_for_long_enough() {
    let calm = |since| Scaling { calm: Some(at(since)), looked: at(since + 9), ..scaling() };
    let frozen = |facts| Facts { withheld: Some("a freeze".to_owned()), ..facts };
    for (facts, minutes, expected) in [
        (known(100, 5, scaling()), 9, "remember: few messages wait; it gets"),
        (known(0, 5, calm(10)), 24, "nothing: few messages wait; it gets"),
        (known(0, 5, calm(10)), 25, "set 2, the end"),
        (with(known(0, 5, calm(10)), |it| it.running = 3), 25, "set 2, the end"),
        (with(known(0, 5, calm(10)), |it| it.deployment = Deployment::UnderWay), 25, "set 2, the end"),
        (with(known(0, 5, calm(10)), |it| it.deployment = Deployment::Replacing), 25, "nothing: it waits"),
        (frozen(known(0, 5, calm(10))), 25, "propose 2: a freeze"),
        // What is worked on is not broken off.
        (Facts { in_flight: 101, ..known(0, 5, calm(10)) }, 25, "remember: it has as many"),
        // It begins anew to be calm, whatever keeps it from growing meanwhile.
        (known(101, 5, calm(10)), 24, "remember: it has as many"),
        (frozen(known(900, 5, calm(10))), 24, "remember: a freeze"),
        (with(known(900, 5, calm(10)), |it| it.running = 4), 24, "remember: not all"),
        // Nobody saw whether it was calm.
        (known(0, 5, calm(10)), 80, "remember: few messages wait; it gets"),
    ] {
        check(&facts, minutes, expected);
    }
}

#[test]
fn a_change_that_was_made_is_told_and_one_that_was_not_is_decided_anew() {
    let unmade = || Scaling { made: None, told: false, ..scaling() };
    let back = || Scaling { before: 5, to: 2, end: Some(End::Back), ..unmade() };
    let further = || Scaling { before: 5, to: 9, ..unmade() };
    let untold = || Scaling { told: false, ..scaling() };
    let frozen = |facts| Facts { withheld: Some("a freeze".to_owned()), ..facts };
    for (facts, expected) in [
        (known(480, 2, unmade()), "set 5"),
        (known(900, 2, unmade()), "set 9"),
        (known(0, 2, unmade()), "remember: few"),
        (frozen(known(480, 2, unmade())), "remember: a freeze"),
        (with(known(480, 2, unmade()), |it| it.deployment = Deployment::Replacing), "remember: it waits"),
        (known(0, 5, unmade()), "tell 5"),
        (frozen(known(0, 5, unmade())), "tell 5"),
        (known(0, 3, unmade()), "step aside: Found(3)"),
        (known(0, 2, back()), "tell 2"),
        (known(480, 2, back()), "tell 2"),
        (known(480, 5, back()), "remember: it has as many"),
        (known(900, 9, further()), "tell 9"),
        (known(900, 5, further()), "set 9"),
        (known(300, 5, further()), "remember: it has as many"),
        (known(480, 5, untold()), "tell 5"),
        // Somebody took it back before it was told.
        (known(480, 3, untold()), "step aside: Found(3)"),
    ] {
        check(&facts, 4, expected);
    }
}

#[test]
fn a_change_that_never_happened_is_not_found_in_what_somebody_sets_later() {
    let unmade = Scaling { made: None, told: false, ..scaling() };
    check(&known(0, 2, unmade.clone()), 1, "nothing: few");
    let Step::Remember { scaling, .. } = decide(&rule(), &known(0, 2, unmade), at(2)) else { panic!() };
    assert!(!scaling.goes_on());
    check(&known(0, 5, scaling.clone()), 60, "nothing: few");
    check(&known(900, 5, scaling), 60, "set 9");
}

#[test]
fn what_ecs_refused_is_left_for_an_hour_and_the_own_count_is_not_forgotten() {
    let first = || Scaling { to: 2, hold: Some(at(60)), ..scaling() };
    let back = || Scaling { hold: Some(at(60)), calm: Some(at(0)), ..scaling() };
    for (facts, minutes, expected) in [
        (known(480, 2, first()), 5, "nothing: somebody else set its count, or ECS refused"),
        (known(480, 2, Scaling { looked: at(55), ..first() }), 60, "set 5"),
        (known(0, 2, Scaling { looked: at(55), calm: Some(at(40)), ..first() }), 60, "set 2, the end"),
        (
            known(0, 5, Scaling { looked: at(50), ..back() }),
            59,
            "nothing: somebody else set its count, or ECS",
        ),
        (known(0, 5, Scaling { looked: at(55), ..back() }), 60, "set 2, the end"),
    ] {
        check(&facts, minutes, expected);
    }
}

#[test]
fn whoever_sets_another_count_is_left_alone_with_it() {
    for found in [1, 4, 7] {
        check(&known(480, found, scaling()), 1, &format!("step aside: Found({found})"));
    }
    // What stood there before may be an old answer.
    check(&known(480, 2, scaling()), 1, "nothing: not all");
    check(&known(480, 2, scaling()), 2, "step aside: Found(2)");

    let over = Scaling { end: Some(End::Superseded), ..scaling() };
    check(&known(480, 4, Scaling { told: false, ..over.clone() }), 1, "step aside: Found(4)");
    check(&known(480, 3, over.clone()), 59, "nothing: somebody else");
    check(&known(480, 3, over), 60, "set 5");

    let back = Scaling { before: 5, to: 2, end: Some(End::Back), ..scaling() };
    check(&known(480, 2, back.clone()), 1, "set 5");
    check(&known(900, 5, back.clone()), 1, "nothing: not all");
    check(&known(900, 5, back), 2, "set 9");
}

#[test]
fn a_service_that_is_gone_or_was_not_looked_after_is_told_and_let_go_of() {
    check(&Facts { service: None, ..known(480, 5, scaling()) }, 1, "step aside: Gone");
    check(&known(0, 5, scaling()), 24 * 60, "remember: few messages wait");
    check(&known(0, 5, scaling()), 24 * 60 + 1, "step aside: Forgotten");
}
