//! The table of all requests and what comes of them.

use shared::acknowledge::{LINK_LASTS, Named, Refusal};
use shared::ledger::activity::{Acknowledgement, Activity};
use shared::notice::{Severity, State};

use super::{Listed, Step, Verdict, decide, listed, notice, shown, written};
use crate::cases::{INCIDENT, activity, at, held, over};
use crate::request::Listing;
use crate::request::Method::{self, Get, Head, Other, Post};

fn good() -> Named {
    Named { incident: INCIDENT.to_owned(), expires: at(0) + LINK_LASTS }
}

#[track_caller]
fn check(method: Method, name: Result<&str, &'static str>, link: Result<Named, Refusal>, expected: &str) {
    let said = match decide(method, name.map(ToOwned::to_owned), link) {
        Step::Show(named) => format!("show {}", named.incident),
        Step::Write { named, by } => format!("write {} by {by}", named.incident),
        Step::Answer(verdict) => format!("{} {}", verdict.status(), verdict.reason()),
    };
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn only_the_form_acknowledges_and_only_by_a_good_link() {
    check(Post, Ok("ann"), Ok(good()), &format!("write {INCIDENT} by ann"));
    check(Post, Err("Odd."), Ok(good()), "400 Odd.");
    for method in [Get, Head] {
        check(method, Ok("ann"), Ok(good()), &format!("show {INCIDENT}"));
    }
    for method in [Get, Head, Post] {
        check(method, Ok("ann"), Err(Refusal::Forged), "403 ");
        check(method, Ok("ann"), Err(Refusal::Expired), "410 ");
    }
    check(Post, Err("Odd."), Err(Refusal::Forged), "403 ");
    for link in [Ok(good()), Err(Refusal::Forged), Err(Refusal::Expired)] {
        check(Other, Ok("ann"), link, "405 ");
    }
}

#[track_caller]
fn check_verdict(verdict: &Verdict, expected: &str) {
    assert_eq!(format!("{} {}: {}", verdict.status(), verdict.outcome(), verdict.reason()), expected);
}

#[test]
fn an_incident_is_shown_as_it_stands() {
    let open = Activity { flapping: true, ..activity() };
    check_verdict(&shown(&good(), Some(open)), "200 shown: nobody has it in hand");
    check_verdict(
        &shown(&good(), Some(held("ann"))),
        "200 shown: ann has it in hand since 2026-11-25T03:12:00Z",
    );
    check_verdict(&shown(&good(), Some(over())), "200 over: it is over since 2026-11-25T03:30:00Z");
    check_verdict(&shown(&good(), None), "404 unknown: no such incident is known");
}

#[test]
fn a_link_is_too_old_for_what_began_after_it_was_made() {
    let an_hour_before = Named { expires: at(-60) + LINK_LASTS, ..good() };
    for later in [activity(), held("ann"), over()] {
        check_verdict(&shown(&an_hour_before, Some(later)), "410 expired: the link is too old");
    }
}

#[test]
fn the_first_who_acknowledges_counts() {
    let done = written(Acknowledgement::Done(held("ann")));
    check_verdict(&done, "200 acknowledged: ann has it in hand since 2026-11-25T03:12:00Z");
    let before = written(Acknowledgement::Before(held("ann")));
    let first = "200 before: somebody else was first: ann has it in hand since 2026-11-25T03:12:00Z";
    check_verdict(&before, first);
    check_verdict(&written(Acknowledgement::Over(over())), "200 over: it is over since 2026-11-25T03:30:00Z");
    check_verdict(&written(Acknowledgement::Unknown), "404 unknown: no such incident is known");
}

#[test]
fn people_hear_of_an_acknowledgement_once_and_of_nothing_else() {
    let told = notice(&Verdict::Done(held("ann")), "prod").unwrap();
    assert_eq!(told.title, "ann has acknowledged: prod/web answers with errors");
    assert_eq!((told.state, told.severity), (State::Info, Severity::Sev1));
    assert_eq!((told.incident.as_str(), told.time, told.started), (INCIDENT, at(12), Some(at(0))));
    assert_eq!((told.source.as_str(), told.environment.as_str()), ("alarm-rollback", "prod"));
    let mut elsewhere = held("ann");
    elsewhere.labels.insert("environment".to_owned(), "prod-eu".to_owned());
    let elsewhere = notice(&Verdict::Done(elsewhere), "prod").unwrap();
    assert_eq!(elsewhere.environment, "prod-eu", "it goes where the incident went");
    assert_eq!((told.subject.kind.as_str(), told.subject.id.as_str()), ("alarm", "prod/web"));
    assert_eq!(told.matched()["team"], "shop", "routes find it where they found the incident");

    let again = notice(&Verdict::Done(held("ann")), "prod").unwrap();
    assert_eq!((again.id, again.revision), (told.id, told.revision), "a repetition is known as one");

    for nothing in [
        Verdict::Open(activity()),
        Verdict::Held(held("ann")),
        Verdict::Before(held("ann")),
        Verdict::Over(over()),
        Verdict::Unknown,
        Verdict::Forged,
        Verdict::Expired,
        Verdict::Odd("Odd."),
        Verdict::Method,
    ] {
        assert_eq!(notice(&nothing, "prod"), None, "{nothing:?}");
    }
}

#[test]
fn what_goes_on_comes_the_worst_first_and_what_is_over_the_newest_first_where_it_is_asked_for() {
    const DAY: i64 = 24 * 60;
    let firing = |name: &str, severity, began| {
        let (since, started) = (at(began), at(began));
        Activity { incident: name.to_owned(), severity, since, started, ..activity() }
    };
    let ended = |name: &str, minutes| Activity { incident: name.to_owned(), since: at(minutes), ..over() };
    let now = at(30 * DAY);
    let all = || {
        vec![
            firing("minor", Severity::Sev3, 0),
            ended("a month ago", 10),
            ended("last night", 29 * DAY + 1),
            firing("new", Severity::Sev1, 5),
            ended("just now", 30 * DAY - 1),
            ended("a day ago", 29 * DAY),
            firing("old", Severity::Sev1, 1),
        ]
    };
    let since = |minutes| Listing { over: true, since: Some(at(minutes)) };
    for (listing, expected) in [
        (Listing::default(), &[] as &[&str]),
        (Listing { over: true, since: None }, &["just now", "last night"]),
        (since(29 * DAY - 1), &["just now", "last night", "a day ago"]),
        (since(0), &["just now", "last night", "a day ago", "a month ago"]),
        (since(31 * DAY), &[]),
    ] {
        let Listed { firing, over, omitted } = listed(all(), listing, now);
        let names = |all: &[Activity]| all.iter().map(|it| it.incident.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&over), omitted),
            (expected.iter().map(ToString::to_string).collect(), 0),
            "{listing:?}"
        );
        assert_eq!(names(&firing), ["old", "new", "minor"]);
    }
    let many = (0..60).map(|minutes| ended("x", 30 * DAY - minutes)).collect();
    let cut = listed(many, Listing { over: true, since: None }, now);
    assert_eq!((cut.over.len(), cut.omitted), (50, 10));
}
