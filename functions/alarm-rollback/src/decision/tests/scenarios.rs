//! What has gone wrong elsewhere: alarms that are about no deployment, ping-pong, owners other than us.

use serde_json::Value;
use shared::lambda::Invocation;
use shared::ledger::revision::Standing;

use super::truth::{child, digest};
use super::*;
use crate::cases::{ago, now, td};
use crate::cause::{self, Cause, Work};
use crate::facts::service::{Found, Rotated, Standing as Deployable, Status};

/// The verdict on an event of `events/alarm-rollback`, where web:7 was deployed before its alarm fired.
#[track_caller]
fn on(file: &str, change: impl FnOnce(&mut Truth)) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/alarm-rollback");
    let event: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    let invocation = Invocation { request_id: "request-1".to_owned(), now: now(), deadline: ago(-1) };
    let Work::Causes(mut causes) = cause::parse(&event, &invocation).unwrap() else {
        panic!("{file} is no cause");
    };
    let cause = causes.remove(0);
    assert!(causes.is_empty() && matches!(cause, Cause::Alarm(_)), "{file} is not one alarm");
    let mut truth = truth();
    truth.facts.cause = cause;
    change(&mut truth);
    said(&truth.verdict())
}

const BACK: &str = "web:7 -> web:6: update the service to web:6";

#[track_caller]
fn check(file: &str, change: impl FnOnce(&mut Truth), expected: &str) {
    let got = on(file, change);
    assert!(got.starts_with(expected), "{file}:\n     got: {got}\nexpected: {expected}");
}

#[test]
fn scenario_8_only_a_real_alarm_after_a_recent_deployment_acts() {
    let unchanged = |_: &mut Truth| {};
    // (a) metric math, (b) a period of one day, (d) by SNS; by each transport that there is.
    for case in ["metric", "metric-math", "one-day-period"] {
        for transport in ["direct", "eventbridge", "sns"] {
            check(&format!("{transport}-{case}.json"), unchanged, BACK);
        }
    }
    // (c) a composite alarm without a suppressor, which is about what its children are about.
    for transport in ["direct", "eventbridge", "sns"] {
        let file = format!("{transport}-composite.json");
        check(&file, |truth| truth.facts.children = Some(vec![child("web-error-rate", "web")]), BACK);
    }
    // (e) set-alarm-state.
    check("direct-set-alarm-state.json", unchanged, "hold: the alarm's state was set by hand");
    check("sns-set-alarm-state.json", unchanged, "hold: the alarm's state was set by hand");
    // (f) OK and INSUFFICIENT_DATA.
    check("direct-ok.json", unchanged, "ignore: the alarm is OK, and nobody was told");
    check("eventbridge-insufficient-data.json", unchanged, "ignore: the alarm has too little data");
    check("sns-still-alarm.json", unchanged, "ignore: the alarm was firing before");
    check("eventbridge-muted.json", unchanged, "ignore: the alarm's owner muted it");
    // (h) no deployment within the last hour.
    let settled = |truth: &mut Truth| {
        truth.history(&[(Status::Successful, 61, 7), (Status::Successful, 500, 6)]);
    };
    check("sns-metric.json", settled, "hold: no deployment is recent enough to blame");
    // (i) the newest deployment only brought a rotated secret.
    let rotation = |truth: &mut Truth| {
        truth.history(&[
            (Status::Successful, 5, 7),
            (Status::Successful, 500, 7),
            (Status::Successful, 900, 6),
        ]);
        let rotated = Rotated { name: "prod/web/db".to_owned(), changed_at: Some(ago(10)) };
        truth.scene().rotated = Some(vec![rotated]);
    };
    let why = "hold: the newest deployment runs the same task definition and images as the one before, so its code is \
               not to blame; it is rotation-related: prod/web/db changed shortly before";
    check("sns-metric.json", rotation, why);
}

#[test]
fn scenario_8_g_an_alarm_that_is_delivered_again_hours_later_is_only_told() {
    let three_hours_ago = |truth: &mut Truth| {
        truth.change().changed_at = ago(180);
        truth.history(&[(Status::Successful, 200, 7), (Status::Successful, 900, 6)]);
    };
    check(
        "sns-metric.json",
        three_hours_ago,
        "hold: it happened at 2026-11-20T09:02:00Z and was heard of too late",
    );
}

#[test]
fn scenario_8_alarms_that_name_no_target_are_told_only_where_they_were_sent_on_purpose() {
    for case in ["no-dimensions", "promql", "metrics-insights"] {
        let lost = "ignore: the alarm is about nothing that could be rolled back";
        check(&format!("eventbridge-{case}.json"), |_| {}, lost);
        check(&format!("sns-{case}.json"), |_| {}, "hold: the alarm does not say what it is about");
    }
    let behind = |truth: &mut Truth| truth.facts.behind = Some(vec!["ecs:prod/web".parse().unwrap()]);
    check("sns-load-balancer.json", behind, BACK);
    check("sns-load-balancer.json", |_| {}, "hold: the alarm does not say what it is about");
}

/// web:7 was bad and web:6 was returned to; hours later web:8 is deployed, and its alarm fires.
fn after_a_rollback() -> Truth {
    truth().with(|truth| {
        truth.history(&[
            (Status::Successful, 5, 8),
            (Status::Successful, 200, 6),
            (Status::Successful, 230, 7),
            (Status::Successful, 900, 6),
        ]);
        truth.remember(7, Standing::Bad, 202);
    })
}

#[test]
fn scenario_9_what_was_rolled_away_from_is_not_returned_to_though_ecs_calls_it_successful() {
    // The alarm fires again after web:7 was rolled back to web:6, and the cooldown is over.
    let mut again = after_a_rollback();
    again.scene().deployments.remove(0);
    again.scene().deployments[0].finished_at = Some(ago(20));
    again.scene().deployments[0].created_at = Some(ago(22));
    again.service().task_definition = td(6);
    again.service().deployed_at = Some(ago(22));
    again.remember(7, Standing::Bad, 24);
    assert_eq!(said(&again.verdict()), "hold: there is no revision known to be good to return to");
    // And the next deployment is bad, too.
    assert!(said(&after_a_rollback().verdict()).starts_with("web:8 -> web:6: update the service to web:6"));
    let mut without_six = after_a_rollback();
    without_six.remember(6, Standing::Bad, 3);
    assert_eq!(said(&without_six.verdict()), "hold: there is no revision known to be good to return to");
}

#[test]
fn scenario_9_where_all_that_is_left_cannot_be_deployed_people_are_paged() {
    // web:5 was rolled away from, too; web:4 was deregistered and its image deleted; web:3 would be fine.
    let mut case = truth().with(|truth| {
        truth.history(&[
            (Status::Successful, 5, 6),
            (Status::Successful, 500, 5),
            (Status::Successful, 900, 4),
            (Status::Successful, 1_300, 3),
        ]);
        truth.remember(5, Standing::Bad, 100);
        truth.definition(4).standing = Deployable::Inactive;
        truth.definition(4).images[0].found = Found::Gone;
    });
    let Verdict::Hold { why, .. } = case.verdict() else {
        panic!("it walks on");
    };
    assert!(why.to_string().starts_with("web:4 cannot be deployed: its image"), "{why}");
    assert_eq!(why.severity(), shared::notice::Severity::Sev2);
    let candidates = case
        .asked()
        .into_iter()
        .filter(|question| matches!(question, Question::Service(service::Question::Candidate { .. })));
    assert_eq!(candidates.count(), 1, "no blind walk");
    case.definition(4).images[0].found = Found::There;
    assert!(said(&case.verdict()).starts_with("web:6 -> web:4: copy web:4"));
}

#[test]
fn scenario_9_of_two_alarms_one_rolls_back_and_the_other_hears_of_it() {
    let first = truth();
    let rollback = first.rollback();
    let mut second = truth();
    second.change().name = "web-latency".to_owned();
    second.change().arn = None;
    assert_ne!(second.id(), first.id());
    // Both look at the same time; the ledger lets one of them begin, and the other looks again.
    second.begin(&rollback);
    let why = said(&second.verdict());
    assert!(
        why.starts_with("hold: a rollback of it is already in progress since 2026-11-20T12:02:00Z"),
        "{why}"
    );
    assert!(why.contains(&rollback.operation));
}

#[test]
fn scenario_9_what_the_circuit_breaker_does_is_left_to_it() {
    let mut case = truth();
    case.history(&[(Status::RollingBack, 2, 7), (Status::Successful, 500, 6)]);
    assert_eq!(said(&case.verdict()), "hold: ECS is already rolling the deployment back");
}

#[test]
fn scenario_10_a_service_whose_stack_is_being_updated_is_only_reported() {
    let mut case = truth().with(blame::owned(Some("UPDATE_IN_PROGRESS")));
    let Verdict::Hold { why, .. } = case.verdict() else {
        panic!("it acts");
    };
    assert_eq!(why.to_string(), "the stack that owns the service is being changed (UPDATE_IN_PROGRESS)");
    assert!(why.next_step().contains("cancel-update-stack"));
    // Not even where its deployment is in flight, or where a person asks for a revision.
    case.history(&[(Status::InProgress, 0, 7), (Status::Successful, 500, 6)]);
    case.scene().sources = Some(vec!["revision-1".to_owned()]);
    assert!(said(&case.verdict()).starts_with("hold: the stack that owns the service"));
}

#[test]
fn a_moved_tag_is_rolled_back_in_two_steps_that_change_one_thing_each() {
    let mut case = truth().with(|truth| {
        truth.history(&[
            (Status::Successful, 5, 7),
            (Status::Successful, 500, 7),
            (Status::Successful, 900, 6),
        ]);
        truth.scene().revisions.as_mut().unwrap()[1].images = digest("old");
        truth.definition(7).images[0].found = Found::Moved;
    });
    let first = case.rollback();
    assert!(matches!(first.plan.act, Act::RegisterTaskDefinition { .. }));
    case.begin(&first);
    case.copied(&first.operation, 8);
    let second = case.rollback();
    assert_eq!(second.plan.act, Act::UpdateService { task_definition: td(8) });
    assert_eq!((&second.operation, second.began), (&first.operation, first.began));
    case.begin(&second);
    case.service().task_definition = td(8);
    assert!(matches!(case.verdict(), Verdict::RolledBack { .. }));
}
