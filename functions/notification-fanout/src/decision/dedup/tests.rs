use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shared::notice::{Notice, Severity, State, Subject};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_176_000).unwrap()
}

fn set(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// What was told so many minutes ago: what fired, what was over.
type Before<'a> = Option<(&'a str, &'a str, i64)>;

#[track_caller]
fn check(before: Before<'_>, firing: &str, resolved: &str, send_resolved: bool, expected: Need) {
    let entry = before.map(|(firing, resolved, ago)| Entry {
        firing: set(firing),
        resolved: set(resolved),
        at: now() - minutes(ago),
    });
    let need =
        needs_update(entry.as_ref(), &set(firing), &set(resolved), send_resolved, Some(minutes(10)), now());
    assert_eq!(need, expected, "{before:?} then {firing:?} and {resolved:?}");
}

#[test]
fn a_group_is_told_when_something_is_new() {
    // Nothing was told: what fires is, what is only over is not.
    check(None, "b c d", "", true, Need::First);
    check(None, "", "b c d", true, Need::No);
    // Something fires that did not.
    check(Some(("a b c", "", 0)), "b c d", "", true, Need::NewFiring);
    // The same again: not within the interval, but after it, and of old.
    check(Some(("a b c", "", 9)), "a b c", "", true, Need::No);
    check(Some(("a b c", "", 11)), "a b c", "", true, Need::Repeat);
    check(Some(("a b c", "", 29_000_000)), "a b c", "", true, Need::Repeat);
    // What began and ended in between is nobody's business, however long ago.
    check(Some(("", "a b c", 11)), "", "c d e", true, Need::No);
    // More are over, while one goes on: as it is wanted.
    check(Some(("a b", "c", 9)), "a", "b c", false, Need::No);
    check(Some(("a b", "c", 9)), "a", "b c", true, Need::NewResolved);
    // All are over: either way, so that what was told is cleared.
    check(Some(("a b", "c", 9)), "", "a b c", false, Need::AllResolved { tell: false });
    check(Some(("a b", "c", 9)), "", "a b c", true, Need::AllResolved { tell: true });
}

#[test]
fn after_an_end_the_next_beginning_is_a_first_one() {
    check(Some(("", "a", 1)), "a", "", true, Need::First);
}

#[test]
fn what_is_told_exactly_the_interval_ago_is_not_repeated_yet() {
    check(Some(("a", "", 10)), "a", "", true, Need::No);
}

#[test]
fn without_an_interval_nothing_is_repeated() {
    let entry = Entry { firing: set("a"), resolved: set(""), at: Timestamp::UNIX_EPOCH };
    assert_eq!(needs_update(Some(&entry), &set("a"), &set(""), true, None, now()), Need::No);
}

fn notice(state: State, revision: u64) -> Notice {
    let subject = Subject { kind: "alarm".to_owned(), id: "web".to_owned(), arn: None };
    let mut notice = Notice::new("alarm:web", state, Severity::Sev1, subject, "web", now());
    notice.revision = revision;
    notice
}

fn told(state: State, revision: u64) -> Told {
    Told { state, revision, at: now() }
}

#[test]
fn an_incident_is_told_when_the_channel_does_not_know_it() {
    let (firing, resolved, info) = (State::Firing, State::Resolved, State::Info);
    for (before, state, revision, expected) in [
        (None, firing, 5, News::Tell),
        (Some((firing, 4)), firing, 5, News::Tell),
        (Some((firing, 5)), firing, 5, News::Known),
        (Some((firing, 6)), firing, 5, News::Known),
        (Some((resolved, 4)), firing, 5, News::Tell),
        (Some((resolved, 5)), firing, 5, News::Overtaken),
        (Some((resolved, 6)), firing, 5, News::Overtaken),
        (Some((info, 6)), firing, 5, News::Tell),
        (None, resolved, 5, News::Unheard),
        (Some((firing, 4)), resolved, 5, News::Tell),
        (Some((firing, 5)), resolved, 5, News::Known),
        (Some((firing, 6)), resolved, 5, News::Known),
        (Some((resolved, 4)), resolved, 5, News::Unheard),
        (Some((resolved, 5)), resolved, 5, News::Known),
        (Some((info, 4)), resolved, 5, News::Tell),
        (None, info, 5, News::Tell),
        (Some((info, 5)), info, 5, News::Known),
        (Some((info, 6)), info, 5, News::Tell),
        (Some((firing, 5)), info, 5, News::Tell),
        (Some((resolved, 6)), info, 5, News::Tell),
    ] {
        let before = before.map(|(state, revision)| told(state, revision));
        let news = news(before.as_ref(), &notice(state, revision), true);
        assert_eq!(news, expected, "{before:?} then {state:?} {revision}");
    }
}

#[test]
fn an_incident_that_comes_back_is_told_three_times() {
    let mut last = None;
    for (state, revision) in [(State::Firing, 1), (State::Resolved, 2), (State::Firing, 3)] {
        assert_eq!(news(last.as_ref(), &notice(state, revision), true), News::Tell, "{state:?} {revision}");
        last = Some(told(state, revision));
    }
}

#[test]
fn an_end_that_is_not_wanted_is_remembered_without_telling() {
    let end = notice(State::Resolved, 5);
    assert_eq!(news(Some(&told(State::Firing, 4)), &end, false), News::Unwanted);
    assert_eq!(news(None, &end, false), News::Unheard);
}

#[test]
fn an_end_that_carries_news_is_told_to_who_did_not_hear_the_beginning() {
    let mut acted = notice(State::Resolved, 5);
    acted.actions = vec!["Rolled back.".to_owned()];
    assert_eq!(news(None, &acted, true), News::Tell);
    assert_eq!(news(None, &acted, false), News::Unwanted);
    let mut watched = notice(State::Resolved, 5);
    "deployment-watch".clone_into(&mut watched.source);
    assert_eq!(news(None, &watched, true), News::Tell);
    "cloudwatch".clone_into(&mut watched.source);
    assert_eq!(news(None, &watched, true), News::Unheard);
}

proptest! {
    #[test]
    fn what_was_just_told_need_not_be_told(firing in "[a-d ]{0,8}", resolved in "[a-d ]{0,8}", wanted: bool) {
        let (firing, resolved) = (set(&firing), set(&resolved));
        let entry = Entry { firing: firing.clone(), resolved: resolved.clone(), at: now() };
        prop_assert_eq!(needs_update(Some(&entry), &firing, &resolved, wanted, Some(minutes(30)), now()), Need::No);
    }

    #[test]
    fn whatever_fires_anew_is_told(before in "[a-c ]{0,8}", resolved in "[a-d ]{0,8}", wanted: bool) {
        let entry = Entry { firing: set(&before), resolved: set(&resolved), at: now() };
        let need = needs_update(Some(&entry), &set("d"), &set(""), wanted, None, now());
        prop_assert!(matches!(need, Need::First | Need::NewFiring));
    }
}
