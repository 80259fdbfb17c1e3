use std::cell::Cell;
use std::time::Duration;

use super::*;

const THINGS: Kind = Kind { name: "things", at_most: 5, at_once: 2, patience: Some(2) };

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(50)
}

fn later() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

fn denied() -> Error {
    Error::Denied { action: "sqs:Look", source: "AccessDenied: no".into() }
}

fn throttled() -> Error {
    let code = Some("Throttling".to_owned());
    Error::Aws { action: "sqs:Look", code, transient: true, source: "Throttling: slow down".into() }
}

/// Pages of two things each, this many in all.
async fn listed(all: usize, until: Instant) -> (Vec<usize>, Vec<String>) {
    let asked = Cell::new(0);
    let list = pages(&THINGS, until, async |token| {
        let from: usize = token.map_or(0, |token: String| token.parse().unwrap());
        asked.set(asked.get() + 1);
        let to = all.min(from + 2);
        Ok(((from..to).collect(), Some(if to < all { to.to_string() } else { String::new() })))
    });
    let Seen { found, blind } = list.await.told(&THINGS);
    assert!(asked.get() <= 3, "no page after the last that is needed");
    (found, blind)
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_not_beyond_the_limit() {
    let more = vec!["only 5 things were looked at; there are more".to_owned()];
    assert_eq!(listed(0, later()).await, (vec![], vec![]));
    assert_eq!(listed(3, later()).await, (vec![0, 1, 2], vec![]));
    assert_eq!(listed(5, later()).await, (vec![0, 1, 2, 3, 4], vec![]));
    assert_eq!(listed(6, later()).await, (vec![0, 1, 2, 3, 4], more.clone()));
    assert_eq!(listed(100, later()).await, (vec![0, 1, 2, 3, 4], more));
    let over = vec!["the time was over before all things were listed".to_owned()];
    assert_eq!(listed(3, Instant::now()).await, (vec![], over));
}

#[tokio::test]
async fn what_was_listed_before_a_page_failed_or_hung_is_kept() {
    for (hangs, expected) in [
        (false, "the list of things is not whole: sqs:Look failed: Throttling: slow down"),
        (true, "the time was over before all things were listed"),
    ] {
        let list =
            pages(&THINGS, if hangs { soon() } else { later() }, async |token: Option<String>| match token {
                None => Ok((vec![1], Some("2".to_owned()))),
                Some(_) if hangs => std::future::pending().await,
                Some(_) => Err(throttled()),
            });
        let Seen { found, blind } = list.await.told(&THINGS);
        assert_eq!((found, blind), (vec![1], vec![expected.to_owned()]));
    }
}

/// What is found of things with these names, and what is said: `d…` is denied, `t…` throttled, `g…` gone, `h…` hangs.
async fn asked(kind: &Kind, names: &[&str], until: Instant) -> (Vec<String>, Vec<String>) {
    let ask = async |name: &&str| match name.chars().next() {
        Some('d') => Err(denied()),
        Some('t') => Err(throttled()),
        Some('g') => Ok(None),
        Some('h') => std::future::pending().await,
        Some(_) | None => Ok(Some((*name).to_owned())),
    };
    let Seen { mut found, blind } = each(kind, until, names, |name| name, ask).await;
    found.sort();
    (found, blind)
}

#[track_caller]
fn check((found, blind): (Vec<String>, Vec<String>), expected: &[&str], said: &[&str]) {
    assert_eq!(found, expected);
    assert_eq!(blind, said);
}

#[tokio::test]
async fn one_that_fails_does_not_hide_the_others_and_one_that_is_gone_is_not_spoken_of() {
    check(asked(&THINGS, &[], later()).await, &[], &[]);
    check(asked(&THINGS, &["a", "g", "b"], later()).await, &["a", "b"], &[]);
    check(
        asked(&THINGS, &["t7", "a", "d2", "t1", "b", "d1", "t2", "t3", "t4", "t5", "t6"], later()).await,
        &["a", "b"],
        &[
            "things not looked at: d1, d2: sqs:Look is denied to this function's role: grant it on the resource named \
             in the cause: AccessDenied: no",
            "things not looked at: t1, t2, t3, t4, t5 and 2 more: sqs:Look failed: Throttling: slow down",
        ],
    );
}

#[tokio::test]
async fn where_all_is_denied_it_is_not_asked_on() {
    let why = "sqs:Look is denied to this function's role: grant it on the resource named in the cause: \
               AccessDenied: no";
    let names = ["d1", "d2", "d3", "a"];
    check(
        asked(&THINGS, &names, later()).await,
        &[],
        &[
            &format!("things not looked at: d1, d2: {why}"),
            "2 more things were not asked for, as all before were denied",
        ],
    );
    let patient = Kind { patience: None, ..THINGS };
    check(
        asked(&patient, &names, later()).await,
        &["a"],
        &[&format!("things not looked at: d1, d2, d3: {why}")],
    );
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_counted() {
    let kind = Kind { at_once: 1, ..THINGS };
    check(
        asked(&kind, &["a", "h", "b", "c"], soon()).await,
        &["a"],
        &["the time was over before 3 of 4 things were looked at"],
    );
    check(
        asked(&kind, &["a", "b"], Instant::now()).await,
        &[],
        &["the time was over before 2 of 2 things were looked at"],
    );
}
