//! What arrives, whether it is ours, and what it is about.

use shared::alarm::{State, Transport};
use shared::ledger::once::Claim;
use shared::notice;
use shared::tags::Mode;

use super::super::{Ignored, concerns_people};
use super::truth::{change, child, incident, tag};
use super::*;
use crate::cause::{Cause, StackChange};
use crate::facts::{Alarm, Facts};

rules! {
    a_fresh_deployment_whose_alarm_fires_is_rolled_back,
    only_a_change_to_alarm_counts,
    a_change_is_dealt_with_once,
    an_alarm_that_no_longer_fires_is_left_alone,
    another_environment_is_none_of_our_business,
    targets_outside_the_stacks_own_are_let_alone,
    the_mode_says_what_may_be_done,
    the_alarms_tag_names_the_target_before_its_dimensions_do,
    an_alarm_without_one_target_is_told_only_where_it_was_sent_on_purpose,
    a_composite_alarm_is_about_what_its_children_are_about,
}

fn a_fresh_deployment_whose_alarm_fires_is_rolled_back() -> Vec<Case> {
    vec![case(
        "deployed five minutes ago, fired a minute ago",
        truth(),
        "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before",
    )]
}

fn only_a_change_to_alarm_counts() -> Vec<Case> {
    let from = |previous| move |truth: &mut Truth| truth.change().previous = previous;
    vec![
        when(
            "to too little data",
            |truth| truth.change().state = State::InsufficientData,
            "ignore: the alarm has too little data",
        ),
        when("from ALARM", from(Some(State::Alarm)), "ignore: the alarm was firing before"),
        when("muted", |truth| truth.change().muted = true, "ignore: the alarm's owner muted it"),
        when("from too little data", from(Some(State::InsufficientData)), "web:7 -> web:6"),
        when(
            "from too little data, and it fired before the deployment began",
            |truth| {
                truth.change().previous = Some(State::InsufficientData);
                truth.facts.incident = Some(Some(incident(90, notice::State::Firing, None)));
            },
            "hold: the alarm fired before the newest deployment began",
        ),
        when(
            "from too little data, and what it fired of before is over",
            |truth| {
                truth.change().previous = Some(State::InsufficientData);
                truth.facts.incident = Some(Some(incident(90, notice::State::Resolved, None)));
            },
            "web:7 -> web:6",
        ),
        when("from nothing", from(None), "web:7 -> web:6"),
    ]
}

fn a_change_is_dealt_with_once() -> Vec<Case> {
    let done = "rolled_back".to_owned();
    vec![
        when(
            "another invocation has it",
            |truth| truth.facts.claim = Some(Claim::InHand),
            "ignore: another invocation deals with",
        ),
        when(
            "delivered twice",
            |truth| truth.facts.claim = Some(Claim::Done(done)),
            "ignore: this change of the alarm was dealt with before: rolled_back",
        ),
    ]
}

fn an_alarm_that_no_longer_fires_is_left_alone() -> Vec<Case> {
    let now = |state| move |truth: &mut Truth| truth.alarm().state = state;
    let begun = |truth: &mut Truth| {
        truth.alarm().state = Some(State::Ok);
        truth.lease(&truth.own(), 59);
    };
    vec![
        when("OK by now", now(Some(State::Ok)), "ignore: the alarm no longer fires"),
        when("without data by now", now(Some(State::InsufficientData)), "ignore: the alarm no longer fires"),
        when("deleted by now", now(None), "ignore: the alarm no longer fires"),
        when(
            "its rollback was begun and not made",
            begun,
            "hold: the alarm stopped firing before the rollback",
        ),
    ]
}

fn another_environment_is_none_of_our_business() -> Vec<Case> {
    let alarm = |value| move |truth: &mut Truth| tag(&mut truth.alarm().tags, "environment", value);
    let service = |value| move |truth: &mut Truth| tag(&mut truth.service().tags, "environment", value);
    vec![
        when("the alarm's", alarm("dev"), "ignore: it belongs to the environment dev"),
        when("the service's", service("dev"), "ignore: it belongs to the environment dev"),
        when("the alarm's own", alarm("prod"), "web:7 -> web:6"),
        when("the service's own", service("prod"), "web:7 -> web:6"),
    ]
}

fn targets_outside_the_stacks_own_are_let_alone() -> Vec<Case> {
    let clusters =
        |pattern: &'static str| move |truth: &mut Truth| pattern.clone_into(&mut truth.policy.clusters);
    let tagged = |target: &'static str| {
        move |truth: &mut Truth| {
            tag(&mut truth.alarm().tags, "target", target);
            truth.policy.functions = "shop-*".to_owned();
            truth.policy.stacks = "shop".to_owned();
        }
    };
    vec![
        when("the cluster by name", clusters("prod"), "web:7 -> web:6"),
        when("the cluster by its beginning", clusters("pr*"), "web:7 -> web:6"),
        when("another beginning", clusters("dev-*"), "ignore: ecs:prod/web is not among the targets"),
        when("a longer name", clusters("production"), "ignore: ecs:prod/web is not among the targets"),
        when("no cluster", clusters(""), "ignore: ecs:prod/web is not among the targets"),
        when("a function", tagged("lambda:checkout:live"), "ignore: lambda:checkout:live is not among"),
        when("a stack", tagged("stack:shop-web"), "ignore: stack:shop-web is not among the targets"),
    ]
}

fn the_mode_says_what_may_be_done() -> Vec<Case> {
    let under = |default, alarm: Option<&'static str>, service: Option<&'static str>| {
        move |truth: &mut Truth| {
            truth.policy.mode = default;
            if let Some(mode) = alarm {
                tag(&mut truth.alarm().tags, "mode", mode);
            }
            if let Some(mode) = service {
                tag(&mut truth.service().tags, "mode", mode);
            }
        }
    };
    let observes = "propose, because Watchkeeper only observes here: web:7 -> web:6";
    vec![
        when("observe", under(Mode::Observe, None, None), observes),
        when("the service may be acted on", under(Mode::Observe, None, Some("act")), "web:7 -> web:6"),
        when("the careful tag wins", under(Mode::Act, Some("observe"), Some("act")), observes),
        when("a tag that cannot be read", under(Mode::Act, None, Some("ACT!")), observes),
        when("the alarm's is off", under(Mode::Act, Some("off"), None), "ignore: its mode is off"),
        when("the service's is off", under(Mode::Act, None, Some("off")), "ignore: its mode is off"),
        when("off", under(Mode::Off, None, None), "ignore: its mode is off"),
        when("off for all", under(Mode::Off, Some("act"), Some("act")), "ignore: its mode is off"),
    ]
}

fn the_alarms_tag_names_the_target_before_its_dimensions_do() -> Vec<Case> {
    let tagged = |value: &'static str| {
        move |truth: &mut Truth| {
            truth.change().dimensions[0].insert("ServiceName".to_owned(), "api".to_owned());
            tag(&mut truth.alarm().tags, "target", value);
        }
    };
    vec![
        when("a service", tagged("ecs:prod/web"), "web:7 -> web:6"),
        when(
            "no target",
            tagged("prod/web"),
            "hold: the alarm's tag watchkeeper:target says \"prod/web\", which names no target",
        ),
    ]
}

fn an_alarm_without_one_target_is_told_only_where_it_was_sent_on_purpose() -> Vec<Case> {
    let lost = |transport| {
        move |truth: &mut Truth| {
            truth.change().dimensions.clear();
            truth.change().transport = transport;
        }
    };
    let several = |truth: &mut Truth| {
        let mut second = truth.change().dimensions[0].clone();
        second.insert("ServiceName".to_owned(), "api".to_owned());
        truth.change().dimensions.push(second);
    };
    let lost_anyway = "ignore: the alarm is about nothing that could be rolled back";
    vec![
        when("of the whole account", lost(Transport::EventBridge), lost_anyway),
        when("by a topic", lost(Transport::Sns), "hold: the alarm does not say what it is about"),
        when("directly", lost(Transport::Direct), "hold: the alarm does not say what it is about"),
        when("two services", several, "hold: the alarm is about several targets: ecs:prod/api, ecs:prod/web"),
    ]
}

fn a_composite_alarm_is_about_what_its_children_are_about() -> Vec<Case> {
    let composite = |children: Vec<crate::facts::Child>| {
        move |truth: &mut Truth| {
            truth.change().composite = true;
            truth.change().reason = "web-5xx transitioned to ALARM".to_owned();
            truth.change().dimensions.clear();
            truth.facts.children = Some(children);
        }
    };
    let tagged = |target: &str| {
        let mut child = child("tagged", "api");
        tag(&mut child.tags, "target", target);
        child
    };
    let marked = |name, value| {
        let mut child = child("marked", "web");
        tag(&mut child.tags, name, value);
        child
    };
    let (elsewhere, off) = (marked("environment", "dev"), marked("mode", "off"));
    let several = "hold: the alarm is about several targets: ecs:prod/api, ecs:prod/web";
    vec![
        when("one, by dimensions", composite(vec![child("a", "web")]), "web:7 -> web:6"),
        when("one, by its tag", composite(vec![tagged("ecs:prod/web")]), "web:7 -> web:6"),
        when("twice the same", composite(vec![child("a", "web"), tagged("ecs:prod/web")]), "web:7 -> web:6"),
        when("two services", composite(vec![child("a", "web"), child("b", "api")]), several),
        when(
            "one, and a composite alarm that may be about anything",
            composite(vec![
                child("a", "web"),
                crate::facts::Child { dimensions: Vec::new(), ..child("b", "x") },
            ]),
            "hold: the alarm is about several targets: ecs:prod/web, the alarm b",
        ),
        when(
            "one of another environment",
            composite(vec![elsewhere]),
            "ignore: it belongs to the environment dev",
        ),
        when("one that is off", composite(vec![off]), "ignore: its mode is off"),
        when("none fires", composite(Vec::new()), "hold: the alarm does not say what it is about"),
        when(
            "a tag of no target",
            composite(vec![tagged("web")]),
            "hold: the alarm's tag watchkeeper:target",
        ),
    ]
}

#[test]
fn nothing_is_looked_at_that_the_verdict_does_not_need() {
    let asked = |truth: Truth| truth.asked();
    let off = truth().with(|truth| truth.policy.mode = Mode::Off);
    assert_eq!(asked(off), []);
    let no_data = truth().with(|truth| truth.change().state = State::InsufficientData);
    assert_eq!(asked(no_data), []);
    let elsewhere = truth().with(|truth| truth.policy.clusters = "dev".to_owned());
    assert_eq!(asked(elsewhere), [Question::Claim]);
    let of_dev = truth().with(|truth| tag(&mut truth.alarm().tags, "environment", "dev"));
    assert_eq!(asked(of_dev), [Question::Claim]);
    let target = "ecs:prod/web".parse().unwrap();
    let stale = truth().with(|truth| truth.change().changed_at = crate::cases::ago(16));
    assert_eq!(asked(stale), [Question::Claim, Question::World(target)]);
}

#[test]
fn an_alarm_about_nothing_is_let_go_without_a_claim() {
    let mut lost = truth();
    lost.change().transport = Transport::EventBridge;
    lost.change().dimensions.clear();
    assert_eq!(lost.run(), (vec![Question::Alarm], Verdict::Ignore(Ignored::NoTarget)));
    tag(&mut lost.alarm().tags, "target", "ecs:prod/web");
    assert_eq!(lost.asked()[..2], [Question::Alarm, Question::Claim]);
}

#[test]
fn a_failure_is_told_only_of_an_alarm_that_fires_here() {
    let policy = crate::cases::policy;
    let told = |change: fn(&mut Facts, &mut shared::alarm::AlarmChange), policy: &Policy| {
        let mut facts = Facts::of(Cause::Alarm(super::truth::change()));
        let mut changed = super::truth::change();
        changed.transport = Transport::EventBridge;
        change(&mut facts, &mut changed);
        facts.cause = Cause::Alarm(changed);
        concerns_people(&facts, policy)
    };
    assert!(told(|_, _| {}, &policy()));
    assert!(!told(|_, change| change.state = State::Ok, &policy()), "the end of an alarm is no alarm");
    assert!(!told(|_, change| change.muted = true, &policy()));
    assert!(!told(|_, change| change.dimensions.clear(), &policy()), "about nothing that is known");
    assert!(!told(|_, _| {}, &Policy { mode: Mode::Off, ..policy() }));
    assert!(!told(|_, _| {}, &Policy { clusters: "dev-*".to_owned(), ..policy() }));
    let wired = |_: &mut Facts, change: &mut shared::alarm::AlarmChange| {
        change.dimensions.clear();
        change.transport = Transport::Sns;
    };
    assert!(told(wired, &policy()), "somebody sent it on purpose");
    let elsewhere = |facts: &mut Facts, _: &mut shared::alarm::AlarmChange| {
        let mut alarm = Alarm { state: Some(State::Alarm), ..Alarm::default() };
        tag(&mut alarm.tags, "environment", "dev");
        facts.alarm = Some(alarm);
    };
    assert!(!told(elsewhere, &policy()));
}

#[test]
fn a_failure_is_told_of_a_stack_that_is_stuck_here_and_not_to_who_asks_by_hand() {
    let policy = crate::cases::policy;
    let told = |status: &str, policy: &Policy| {
        let change = StackChange {
            name: "billing".to_owned(),
            id: "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1".to_owned(),
            status: status.to_owned(),
            at: crate::cases::ago(1),
        };
        concerns_people(&Facts::of(Cause::Stack(change)), policy)
    };
    assert!(told("UPDATE_ROLLBACK_FAILED", &policy()));
    assert!(!told("UPDATE_COMPLETE", &policy()));
    assert!(!told("UPDATE_ROLLBACK_FAILED", &Policy { stacks: "shop-*".to_owned(), ..policy() }));
    let asked = truth().by_hand(crate::cause::Wanted::Previous);
    assert!(!concerns_people(&asked.facts, &policy()));
}

#[test]
fn the_same_change_begins_the_same_operation_by_whichever_way_it_comes() {
    let id = |change: shared::alarm::AlarmChange| {
        operation_id(&Facts::of(Cause::Alarm(change)), &"ecs:prod/web".parse().unwrap())
    };
    let first = id(change());
    let mut by_eventbridge = change();
    by_eventbridge.transport = Transport::EventBridge;
    by_eventbridge.has_reason_data = true;
    assert_eq!(id(by_eventbridge), first);
    let mut later = change();
    later.changed_at = crate::cases::ago(0);
    assert_ne!(id(later), first);
}
