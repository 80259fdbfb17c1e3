//! What is asked by hand, and what is refused.

use serde_json::json;

use super::*;
use crate::cases::{ago, now};

fn invocation() -> Invocation {
    Invocation { request_id: "request-1".to_owned(), now: now(), deadline: ago(-1) }
}

fn asked(value: &Value) -> Result<Request> {
    rollback(value, &invocation())
}

#[track_caller]
fn refused(value: &Value, expected: &str) {
    let Err(Error::Event(why)) = asked(value) else {
        panic!("{value} was read");
    };
    assert!(
        why.starts_with("rollback: ") && why.contains(expected),
        "\n     got: {why}\nexpected: {expected}"
    );
}

#[test]
fn a_target_alone_asks_what_a_rollback_to_the_previous_one_would_do() {
    let expected = Request {
        id: "request-1".to_owned(),
        asked_at: now(),
        target: "ecs:prod/web".parse().unwrap(),
        wanted: Wanted::Previous,
        dry_run: true,
        confirmed: false,
        by: None,
    };
    assert_eq!(asked(&json!({"target": "ecs:prod/web"})).unwrap(), expected);
}

#[test]
fn every_field_is_read() {
    let request = asked(&json!({
        "target": "ecs:prod/web", "to": "web:41", "dry_run": false, "confirm": "ROLLBACK", "by": "ann",
    }));
    let request = request.unwrap();
    assert_eq!(request.wanted, Wanted::Revision("web:41".to_owned()));
    assert_eq!((request.dry_run, request.confirmed, request.by.as_deref()), (false, true, Some("ann")));
}

#[test]
fn one_thing_is_wanted() {
    let wanted = |field: &str, value: &str| {
        asked(&json!({"target": "ecs:prod/web", field: value})).map(|request| request.wanted).unwrap()
    };
    assert_eq!(wanted("to", "41"), Wanted::Revision("41".to_owned()));
    assert_eq!(wanted("at", "2026-11-20T12:02:00Z"), Wanted::At(now()));
    assert_eq!(wanted("at", "2026-11-20T13:02:00+01:00"), Wanted::At(now()));
    assert_eq!(wanted("undo", "op-1"), Wanted::Undo("op-1".to_owned()));
    let one = "give one of to, at and undo, or none of them";
    refused(&json!({"target": "ecs:prod/web", "to": "41", "undo": "op-1"}), one);
    refused(&json!({"target": "ecs:prod/web", "to": "41", "at": "2026-11-20T12:02:00Z"}), one);
}

#[test]
fn what_is_wrong_is_named_with_its_field() {
    refused(&json!({"target": "ecs:prod/web", "dryrun": false}), "unknown field `dryrun`");
    refused(&json!({"target": "ecs:prod/web", "force": true}), "unknown field `force`");
    refused(&json!({}), "missing field `target`");
    refused(&json!({"target": "web"}), "target: \"web\" is not a target; write ecs:<cluster>/<service>");
    refused(&json!({"target": "lambda:checkout:$LATEST"}), "target: ");
    refused(&json!({"target": "ecs:prod/web", "at": "yesterday"}), "at: \"yesterday\" is not a time such as");
    refused(&json!({"target": "ecs:prod/web", "at": "2026-11-20T12:00:00"}), "at: ");
    refused(&json!({"target": "ecs:prod/web", "dry_run": "no"}), "expected a boolean");
    refused(&json!("ecs:prod/web"), "invalid type");
    refused(&json!(null), "invalid type");
}

#[test]
fn the_confirmation_is_the_word_and_nothing_like_it() {
    for word in ["rollback", "yes", "", "ROLLBACK "] {
        refused(
            &json!({"target": "ecs:prod/web", "confirm": word}),
            "confirm: the word is ROLLBACK, in capitals",
        );
    }
    refused(&json!({"target": "ecs:prod/web", "confirm": true}), "expected a string");
}

#[test]
fn who_asks_without_a_name_is_nobody() {
    let by = |name: &str| asked(&json!({"target": "ecs:prod/web", "by": name})).unwrap().by;
    assert_eq!(by(""), None);
    assert_eq!(by("  "), None);
    assert_eq!(by("ann"), Some("ann".to_owned()));
}

#[test]
fn a_diagnosis_is_never_more_than_a_dry_run() {
    let read = |value: &Value| diagnose(value, &invocation());
    let request = read(&json!({"target": "stack:billing"})).unwrap();
    assert_eq!(request.target, "stack:billing".parse().unwrap());
    assert!(request.dry_run && !request.confirmed);
    assert_eq!(request.wanted, Wanted::Previous);
    let Err(Error::Event(why)) = read(&json!({"target": "stack:billing", "dry_run": false})) else {
        panic!("a field too many was read");
    };
    assert!(why.starts_with("diagnose: unknown field `dry_run`"), "{why}");
}

#[test]
fn a_stack_is_brought_on_with_no_more_than_is_asked_for() {
    let asked = |value: Value| fix(&value, &invocation());
    let request = asked(json!({"stack": "billing"})).unwrap();
    assert_eq!(request.target.to_string(), "stack:billing");
    assert_eq!(request.wanted, Wanted::Fix { skip_unfixable: false, cancel_in_progress: false });
    assert!(request.dry_run && !request.confirmed);
    let request = asked(json!({
        "stack": "stack:billing", "skip_unfixable": true, "cancel_in_progress": true, "dry_run": false,
        "confirm": "ROLLBACK", "by": "ann",
    }));
    let request = request.unwrap();
    assert_eq!(request.wanted, Wanted::Fix { skip_unfixable: true, cancel_in_progress: true });
    assert_eq!((request.dry_run, request.confirmed, request.by.as_deref()), (false, true, Some("ann")));
    for (value, expected) in [
        (json!({"stack": "ecs:prod/web"}), "fix: target: "),
        (json!({"stack": "billing", "confirm": "FIX"}), "fix: confirm: the word is ROLLBACK"),
        (json!({"stack": "billing", "skip": true}), "unknown field `skip`"),
        (json!({}), "missing field `stack`"),
    ] {
        let error = asked(value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
