use jiff::SignedDuration;
use shared::ledger::redeploy::Before;

use super::*;
use crate::cases::{NEW, OLD, SECRET, at, policy, secret, tag};

fn moved() -> Moved {
    Moved {
        secret: SECRET.to_owned(),
        label: "AWSCURRENT".to_owned(),
        version: Some(NEW.to_owned()),
        at: at(0),
    }
}

/// The label stood on the version before, since an hour before.
fn known() -> Label {
    Label { version: OLD.to_owned(), at: at(-60), before: None }
}

fn facts() -> Facts {
    Facts { moved: moved(), secret: Some(secret()), known: Some(known()) }
}

fn verdict(facts: &Facts) -> Verdict {
    decide(facts, &policy(), Cause::Event, at(2))
}

#[track_caller]
fn opened(facts: &Facts) -> (Label, Redeploy) {
    match verdict(facts) {
        Verdict::Open { label, redeploy } => (label, *redeploy),
        other @ (Verdict::Ignore(_) | Verdict::Again { .. }) => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_ignored(facts: &Facts, policy: &Policy, expected: &Ignored, said: &str) {
    assert_eq!(decide(facts, policy, Cause::Event, at(2)), Verdict::Ignore(expected.clone()));
    assert_eq!(expected.to_string(), said);
}

#[test]
fn a_move_opens_a_redeploy_of_the_version_and_remembers_where_the_label_stood() {
    let (label, redeploy) = opened(&facts());
    let before = Before { version: OLD.to_owned(), at: at(-60) };
    assert_eq!(label, Label { version: NEW.to_owned(), at: at(0), before: Some(before) });
    let Redeploy { id, moved, began, phase, holds_before, version, waves, cause, .. } = redeploy.clone();
    assert_eq!(id, Redeploy::id_of(SECRET, "AWSCURRENT", &label));
    assert_eq!((moved, began, phase, holds_before), (at(0), at(2), Phase::Collecting, None));
    assert_eq!((version.as_str(), waves, cause), (NEW, 0, Cause::Event));
    assert_eq!((redeploy.name.as_str(), redeploy.secret.as_str()), ("prod/db", SECRET));
}

#[test]
fn the_first_move_that_is_ever_seen_opens_a_redeploy() {
    let (label, redeploy) = opened(&Facts { known: None, ..facts() });
    assert_eq!((label.before, redeploy.holds_before), (None, None));
}

#[test]
fn an_event_without_a_version_means_where_the_label_stands_now() {
    let moved = Moved { version: None, ..moved() };
    assert_eq!(opened(&Facts { moved, ..facts() }).1.version, NEW);
}

#[test]
fn duplicates_have_the_same_id_whatever_time_they_tell() {
    let (label, redeploy) = opened(&facts());
    let late = Facts { moved: Moved { at: at(1), ..moved() }, ..facts() };
    assert_eq!(opened(&late).1.id, redeploy.id);
    let known = Facts { known: Some(label), ..late };
    assert_eq!(verdict(&known), Verdict::Again { id: redeploy.id });
}

#[test]
fn a_clock_that_runs_ahead_makes_no_task_of_the_future_old() {
    let ahead = Facts { moved: Moved { at: at(30), ..moved() }, ..facts() };
    assert_eq!(opened(&ahead).1.moved, at(2));
}

#[test]
fn a_label_that_goes_back_opens_anew_and_whoever_never_left_runs_with_it_already() {
    let (label, first) = opened(&facts());
    let mut back = facts();
    let secret = back.secret.as_mut().unwrap();
    secret.stages = [(OLD.to_owned(), vec!["AWSCURRENT".to_owned()])].into();
    back.moved = Moved { version: Some(OLD.to_owned()), at: at(2), ..moved() };
    back.known = Some(label.clone());
    let (third, again) = opened(&back);
    assert_eq!((again.moved, again.holds_before), (at(2), Some(at(0))));
    assert_ne!(again.id, first.id);

    // And once more to the version that it left: another move than the first one.
    let forth = Facts { moved: Moved { at: at(2), ..moved() }, known: Some(third), ..facts() };
    let (_, forth) = opened(&forth);
    assert_ne!(forth.id, first.id);
    assert_eq!(forth.holds_before, Some(at(2)));
}

#[test]
fn a_label_that_goes_on_to_a_third_version_holds_nothing() {
    let third = Label {
        version: "third".to_owned(),
        at: at(-1),
        before: Some(Before { version: OLD.to_owned(), at: at(-60) }),
    };
    assert_eq!(opened(&Facts { known: Some(third), ..facts() }).1.holds_before, None);
}

#[test]
fn what_is_none_of_ours_is_ignored_with_its_reason() {
    let of = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        facts
    };
    let on = |text: &str| of(&|facts| facts.secret.as_mut().unwrap().tags = tag(text));
    let off = "the mode is off (watchkeeper:mode, or the template's Mode)";
    let nobody = of(&|facts| facts.secret = None);
    check_ignored(&nobody, &policy(), &Ignored::NoSecret, "there is no such secret");
    check_ignored(&on("mode=off"), &policy(), &Ignored::Off, off);
    check_ignored(&facts(), &Policy { mode: Mode::Off, ..policy() }, &Ignored::Off, off);
    let deleted = of(&|facts| facts.secret.as_mut().unwrap().deleted = true);
    check_ignored(&deleted, &policy(), &Ignored::Deleted, "the secret is about to be deleted");
    let other = Ignored::OtherEnvironment { environment: "dev".to_owned() };
    check_ignored(&on("environment=dev"), &policy(), &other, "it belongs to the environment dev");
    let superseded = of(&|facts| facts.moved.version = Some(OLD.to_owned()));
    let said = "the label has moved on since; that move has an event of its own";
    check_ignored(&superseded, &policy(), &Ignored::Superseded, said);
    let unlabelled = of(&|facts| facts.moved.label = "BLUE".to_owned());
    check_ignored(&unlabelled, &policy(), &Ignored::NoLabel, "no version of the secret carries the label");
    opened(&on("environment=test mode=observe"));
}

#[test]
fn a_time_at_the_end_of_all_times_does_no_harm() {
    let last = Facts { moved: Moved { at: Timestamp::MAX, ..moved() }, ..facts() };
    assert_eq!(opened(&last).1.moved, at(2));
    assert_eq!(super::super::later(Timestamp::MAX, SignedDuration::from_hours(1)), Timestamp::MAX);
}
