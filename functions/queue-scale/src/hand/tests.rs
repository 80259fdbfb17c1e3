//! What somebody asks for by hand: what is decided.

use jiff::Timestamp;
use serde_json::json;
use shared::ledger::scaling::Scaling;

use super::decision::{Autoscaling, Facts, Verdict, Why, decide};
use super::*;
use crate::decision::{Deployment, Service};

const NOW: Timestamp = Timestamp::constant(1_795_176_000, 0);

fn facts() -> Facts {
    let service =
        Service { desired: 2, running: 2, active: true, counted: true, deployment: Deployment::Done };
    Facts {
        service: Some(service),
        foreign: None,
        rolling_back: None,
        redeploying: None,
        rule: None,
        known: None,
        autoscaling: None,
        unread: None,
        least: 1,
        environment: "dev".to_owned(),
        production: false,
    }
}

fn service(change: impl FnOnce(&mut Service)) -> Facts {
    let mut facts = facts();
    change(facts.service.as_mut().unwrap());
    facts
}

fn rule() -> shared::policy::Scale {
    let text = "scale: [{queue: orders, service: 'ecs:prod/web', at_most: 10}]";
    shared::policy::Policy::parse("policy", text).unwrap().scale.remove(0)
}

fn open() -> Scaling {
    Scaling {
        id: "1".to_owned(),
        queue: "arn:aws:sqs:eu-central-1:123456789012:orders".to_owned(),
        own: 2,
        before: 2,
        to: 5,
        began: NOW,
        changed: NOW,
        made: Some(NOW),
        told: true,
        calm: None,
        hold: None,
        looked: NOW,
        asked_by: None,
        end: None,
    }
}

#[test]
fn a_request_is_held_by_what_it_cannot_or_must_not_do() {
    let production = || Facts { production: true, environment: "prod".to_owned(), ..facts() };
    let rolling_back = || Facts { rolling_back: Some("7".to_owned()), ..facts() };
    // It has these two only while the queue is long.
    let borrowed = || Facts { known: Some(Scaling { own: 1, to: 2, ..open() }), ..facts() };
    let foreign = || Facts { foreign: Some("it belongs to staging".to_owned()), ..facts() };
    #[rustfmt::skip]
    let cases = [
        // to, dry run, confirmed, what is known, what becomes of it
        (4, true, false, facts(), "propose 2 to 4"),
        (4, false, false, facts(), "set 2 to 4"),
        (2, false, false, facts(), "keep"),
        (4, true, false, production(), "propose 2 to 4"),
        (4, false, false, production(), "this is production, which asks for \"confirm\": \"SCALE\""),
        (4, false, true, production(), "set 2 to 4"),
        (4, true, false, Facts { service: None, ..facts() }, "there is no service of that name"),
        (4, true, false, foreign(), "it belongs to staging"),
        (4, true, false, service(|it| it.active = false), "the service is being deleted"),
        (4, true, false, service(|it| it.counted = false), "it is a daemon service, whose count is that of its instances"),
        (4, true, false, rolling_back(), "a rollback of it is in progress (operation 7)"),
        (2, true, false, rolling_back(), "keep"),
        (2, false, false, borrowed(), "set 2 to 2"),
    ];
    for (to, dry_run, confirmed, facts, expected) in cases {
        let said = match decide(to, dry_run, confirmed, &facts) {
            Verdict::Hold(why) => why.to_string(),
            Verdict::Keep => "keep".to_owned(),
            Verdict::Propose(plan) => format!("propose {} to {}", plan.from, plan.to),
            Verdict::Set(plan) => format!("set {} to {}", plan.from, plan.to),
        };
        assert_eq!(said, expected, "{to} {dry_run} {confirmed} {facts:?}");
    }
}

#[test]
fn a_plan_says_who_else_has_a_hand_in_it() {
    let bounds = |least, most| Facts { autoscaling: Some(Autoscaling { least, most }), ..facts() };
    let follows = |known| Facts { rule: Some(rule()), known, ..facts() };
    #[rustfmt::skip]
    let cases = [
        (4, facts(), ""),
        (0, facts(), "Without a task nobody answers: whatever calls the service fails."),
        (1, Facts { least: 3, ..facts() }, "The policy expects at least 3 tasks of each service in dev: the health checks will tell of it."),
        (4, bounds(2, 6), "Application Auto Scaling keeps it between 2 and 6, and may change it again."),
        (8, bounds(2, 6), "Application Auto Scaling keeps it between 2 and 6, and will take it back there: change these bounds to keep 8."),
        (1, bounds(2, 6), "Application Auto Scaling keeps it between 2 and 6, and will take it back there: change these bounds to keep 1."),
        (4, Facts { unread: Some("it is denied".to_owned()), ..facts() }, "Whether Application Auto Scaling scales it is not known: it is denied."),
        (4, follows(None), "It follows the queue orders to 10 tasks at most: it is left alone for an hour, and 4 is its own count then."),
        (4, follows(Some(open())), "It is scaled just now from its own 2 to 5, for the messages in orders: that ends, and 4 is its own count from then on."),
        (4, service(|it| it.deployment = Deployment::Replacing), "A deployment of it is under way; the count holds for what it deploys."),
        (4, Facts { redeploying: Some("9".to_owned()), ..facts() }, "It is being redeployed (operation 9)."),
        (4, service(|it| it.running = 1), "Only 1 of 2 tasks run now: see why the others do not start, more of them are no help (wk diagnose)."),
        (1, service(|it| it.running = 1), ""),
    ];
    for (to, facts, expected) in cases {
        let Verdict::Propose(plan) = decide(to, true, false, &facts) else { panic!("{facts:?}") };
        assert_eq!(plan.notes.join(" "), expected);
    }
}

#[test]
fn every_reason_says_what_is_left_to_do() {
    let foreign = Why::Foreign { why: "x".to_owned() };
    let rolling_back = Why::RollingBack { operation: "7".to_owned() };
    for why in [
        Why::Missing,
        Why::Inactive,
        Why::Daemon,
        foreign,
        rolling_back,
        Why::Unconfirmed,
        Why::Overtaken,
        Why::Repeated,
    ] {
        assert!(why.next_step().ends_with('.'), "{why:?}");
    }
}

#[test]
fn what_is_no_request_is_refused_with_what_is_wrong() {
    let event = |more: serde_json::Value| {
        let mut event = json!({"service": "ecs:prod/web", "to": 4});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"scale": event})
    };
    assert_eq!(Request::read(&json!({"scale": "all"})).unwrap(), None);
    let read = Request::read(&event(json!({}))).unwrap().unwrap();
    assert!(read.dry_run && read.to == 4, "{read:?}");
    for (more, expected) in [
        (json!({"to": -1}), "invalid value"),
        (json!({"to": 5001}), "5000 tasks at most"),
        (json!({"service": "stack:web"}), "is no service"),
        (json!({"service": "web"}), "is not a target"),
        (json!({"confirm": "scale"}), "the word is SCALE"),
        (json!({"count": 4}), "unknown field"),
    ] {
        let error = Request::read(&event(more)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
