use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, Severity, State, Subject};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_176_000).unwrap()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn notice(incident: &str, state: State, severity: Severity) -> Notice {
    let subject = Subject { kind: "alarm".to_owned(), id: incident.to_owned(), arn: None };
    Notice::new(incident, state, severity, subject, &format!("{incident} is slow"), now())
}

/// `+a` fires, `-a` is over, `?a` is for the record; with a `.` behind it, the channel was told.
fn members(text: &str) -> Vec<Member> {
    let one = |word: &str| {
        let state = match &word[..1] {
            "+" => State::Firing,
            "-" => State::Resolved,
            _ => State::Info,
        };
        let incident = word[1..].trim_end_matches('.');
        Member { notice: notice(incident, state, Severity::Sev2), at: now(), told: word.ends_with('.') }
    };
    text.split_whitespace().map(one).collect()
}

fn set(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

const TIMING: Timing = Timing {
    wait: SignedDuration::ZERO,
    interval: SignedDuration::from_mins(5),
    repeat: None,
    resolved: true,
};

fn shown(flush: &Flush, of: &[Member]) -> String {
    let names = |places: &[usize]| {
        places.iter().map(|place| of[*place].notice.incident.clone()).collect::<Vec<_>>().join(" ")
    };
    match flush {
        Flush::NotYet { at } => {
            format!("not for {:#}", SignedDuration::from_secs(at.duration_since(now()).as_secs()))
        }
        Flush::Nothing { forget } => format!("nothing; forget {}", forget.join(" ")),
        Flush::Tell { need, members, forget } => {
            format!("{need:?} {}; forget {}", names(members), forget.join(" "))
        }
    }
}

/// What was told five minutes ago: what fired, what was over.
#[track_caller]
fn check(of: &str, last: Option<(&str, &str)>, timing: Timing, expected: &str) {
    let of = members(of);
    let last = last.map(|(firing, resolved)| Entry {
        firing: set(firing),
        resolved: set(resolved),
        at: now() - minutes(5),
    });
    let flush = flush(&of, last.as_ref(), &timing, now(), now());
    assert_eq!(shown(&flush, &of).trim_end(), expected.trim_end());
}

#[test]
fn before_its_time_a_group_waits() {
    let of = members("+a");
    assert_eq!(
        flush(&of, None, &TIMING, now() + minutes(1), now()),
        Flush::NotYet { at: now() + minutes(1) }
    );
}

#[test]
fn a_new_group_is_told_with_all_that_fires() {
    check("+a +b", None, TIMING, "First a b; forget");
    // What was over before anybody was told is not told.
    check("+a -b", None, TIMING, "First a; forget b");
    check("-b", None, TIMING, "nothing; forget b");
    check("", None, TIMING, "nothing; forget");
}

#[test]
fn a_group_that_was_told_is_told_again_when_something_is_new() {
    check("+a. +b", Some(("a", "")), TIMING, "NewFiring a b; forget");
    check("+a. -b", Some(("a b", "")), TIMING, "NewResolved a b; forget b");
    check("-a -b", Some(("a b", "")), TIMING, "AllResolved { tell: true } a b; forget a b");
    check("+a.", Some(("a", "")), TIMING, "nothing; forget");
    check("-a", Some(("", "a")), TIMING, "First a; forget a");
    // It came back, or has a later notice, since it was told.
    check("+a", Some(("a", "")), TIMING, "NewFiring a; forget");
}

#[test]
fn ends_that_are_not_wanted_only_clear_what_was_told() {
    let timing = Timing { resolved: false, ..TIMING };
    check("-a -b", Some(("a b", "")), timing, "AllResolved { tell: false } ; forget a b");
    check("+a. -b", Some(("a b", "")), timing, "nothing; forget b");
    check("+a. +c -b", Some(("a b", "")), timing, "NewFiring a c; forget b");
}

#[test]
fn what_is_for_the_record_is_told_once() {
    check("?i", None, TIMING, "First i; forget i");
    check("?i.", None, TIMING, "nothing; forget i");
    check("+a. ?i", Some(("a", "")), TIMING, "NewFiring a i; forget i");
}

#[test]
fn an_end_that_carries_news_is_told_although_nobody_heard_the_beginning() {
    let mut of = members("-a -b");
    of[0].notice.actions = vec!["Rolled back.".to_owned()];
    assert_eq!(shown(&flush(&of, None, &TIMING, now(), now()), &of), "First a; forget a b");
}

#[test]
fn what_goes_on_is_repeated_after_the_interval() {
    let after = |minutes| Timing { repeat: Some(SignedDuration::from_mins(minutes)), ..TIMING };
    check("+a.", Some(("a", "")), after(4), "Repeat a; forget");
    check("+a.", Some(("a", "")), after(30), "not for 25m");
    check("-a.", Some(("", "a")), after(4), "nothing; forget a");
}

fn key(labels: &[(&str, &str)]) -> GroupKey {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    GroupKey { id: "0123".to_owned(), labels }
}

fn summary_of(text: &str) -> Notice {
    let of = members(text);
    let notices: Vec<_> = of.iter().map(|member| &member.notice).collect();
    summary(&key(&[]), &notices, now(), "prod")
}

#[test]
fn a_summary_says_how_many_fire_and_how_many_are_over() {
    for (of, title, state) in [
        ("+a +b -c", "3 incidents: 2 firing, 1 resolved (environment prod)", State::Firing),
        ("-a -b", "2 incidents: 2 resolved (environment prod)", State::Resolved),
        ("?a ?b -c", "3 incidents: 1 resolved, 2 for the record (environment prod)", State::Resolved),
        ("?a", "a is slow", State::Info),
    ] {
        let summary = summary_of(of);
        assert_eq!((summary.title.as_str(), summary.state), (title, state));
    }
}

#[test]
fn a_summary_is_of_the_environment_that_its_members_have_in_common() {
    for (environments, shown) in [(["test", "test"], "test"), (["test", "qa"], "prod"), (["", ""], "prod")] {
        let of = environments.map(|environment| Notice {
            environment: environment.to_owned(),
            ..notice(environment, State::Firing, Severity::Sev3)
        });
        let summary = summary(&key(&[]), &of.each_ref(), now(), "prod");
        assert_eq!(summary.environment, shown, "{environments:?}");
    }
}

#[test]
fn a_summary_is_as_severe_as_the_worst_that_fires_and_as_late_as_the_latest() {
    let mut notices = [
        notice("a", State::Resolved, Severity::Sev1),
        notice("b", State::Firing, Severity::Sev2),
        notice("c", State::Firing, Severity::Sev3),
    ];
    notices[1].revision = 7_000_000_000_000;
    "cloudwatch".clone_into(&mut notices[2].source);
    let of: Vec<_> = notices.iter().collect();
    let summary = summary(&key(&[("service", "web")]), &of, now(), "prod");
    assert_eq!((summary.severity, summary.revision), (Severity::Sev2, 7_000_000_000_000));
    assert_eq!((summary.incident.as_str(), summary.subject.id.as_str()), ("group:0123", "service=web"));
    assert_eq!(summary.labels, BTreeMap::from([("service".to_owned(), "web".to_owned())]));
    let facts: Vec<_> = summary.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
    assert_eq!(facts, ["SEV-1: 1", "SEV-2: 1", "SEV-3: 1", "From elsewhere: 2", "From cloudwatch: 1"]);
}
