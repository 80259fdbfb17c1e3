//! What arrives by itself.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::error::Class;

use super::double::{World, alarm};
use super::time;
use crate::cases::td;

const FIRED: &str = "2026-11-20T03:00:00Z";

/// The operation that this alarm begins.
fn operation(world: &World) -> String {
    world.remembered("lease", "owner").unwrap()
}

#[tokio::test]
async fn an_alarm_soon_after_a_deployment_rolls_it_back_and_everything_is_written_first() {
    let world = World::new();
    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    let mut changes = world.changes();
    changes[1..4].sort();
    assert_eq!(
        changes,
        [
            "claim in_progress",
            "incident firing",
            "lease + operation + revision + audit",
            "timer in 10s",
            "ecs:UpdateService web:6",
            "operation",
            "notice firing",
            "claim done",
        ]
    );
    let operation = format!("operation#{}", operation(&world));
    assert_eq!(world.remembered(&operation, "deployment").as_deref(), Some("ecs-svc/9"));
    assert_eq!(world.remembered(&operation, "to"), Some(td(6)));
}

#[tokio::test]
async fn an_invocation_that_is_repeated_after_it_acted_acts_no_second_time() {
    let mut world = World::new();
    let fired = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();
    assert_eq!(fired.outcome(), "rolled_back");
    world.running = 6;
    world.journal.lock().unwrap().clear();

    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    assert!(report.reason().ends_with("by an invocation that was cut off"), "{}", report.reason());
    assert_eq!(world.changes(), ["claim in_progress", "notice firing", "claim done"]);
}

#[tokio::test]
async fn a_deregistered_revision_is_registered_again_and_its_copy_is_deployed() {
    let mut world = World::new();
    world.inactive = vec![6];
    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    let changes: Vec<_> = world.changes().into_iter().filter(|change| change.starts_with("ecs:")).collect();
    assert_eq!(changes, ["ecs:RegisterTaskDefinition", "ecs:UpdateService web:8"]);
    let operation = format!("operation#{}", operation(&world));
    assert_eq!(world.remembered(&operation, "to"), Some(td(8)));
    assert_eq!(world.remembered(&operation, "copy_of"), Some(td(6)));
    assert_eq!(world.told()[0]["title"], "prod/web rolled back to web:8 (a copy of web:6)");
}

#[tokio::test]
async fn what_is_held_is_recorded_then_told_then_closed() {
    let mut world = World::new();
    world.deployed_at = time("2026-11-19T12:00:00Z");
    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "held");
    assert_eq!(world.changes(), ["claim in_progress", "incident firing", "notice firing", "claim done"]);
    let summary = world.told()[0]["summary"].as_str().unwrap().to_owned();
    assert!(summary.contains("no deployment is recent enough to blame"), "{summary}");
}

#[tokio::test]
async fn a_refused_rollback_gives_the_target_back_names_the_action_and_keeps_the_event() {
    let mut world = World::new();
    world.refusal = Some("AccessDeniedException");
    let error = world.invoke(&alarm("ALARM", FIRED)).await.unwrap_err();

    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("ecs:UpdateService is denied"), "{error:?}");
    let changes = world.changes();
    assert_eq!(changes[4..], ["operation refused + no lease + no revision", "notice firing"]);
    assert_eq!(world.remembered("lease", "owner"), None);
    let notice = &world.told()[0];
    assert_eq!(notice["severity"], "sev1");
    assert!(notice["facts"].to_string().contains("ecs:UpdateService is denied"), "{notice}");
}

#[tokio::test]
async fn a_throttled_rollback_stays_begun_and_the_retry_makes_it() {
    let mut world = World::new();
    world.refusal = Some("ThrottlingException");
    let error = world.invoke(&alarm("ALARM", FIRED)).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    let begun = operation(&world);

    world.refusal = None;
    world.journal.lock().unwrap().clear();
    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    assert_eq!(operation(&world), begun, "the same cause is the same operation");
    assert!(world.changes().contains(&"ecs:UpdateService web:6".to_owned()), "{:?}", world.changes());
}

#[tokio::test]
async fn an_alarm_that_clears_before_the_retry_ends_what_was_begun_without_a_change() {
    let mut world = World::new();
    world.refusal = Some("ThrottlingException");
    world.invoke(&alarm("ALARM", FIRED)).await.unwrap_err();
    world.firing = false;
    world.journal.lock().unwrap().clear();

    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "held");
    assert_eq!(
        world.changes(),
        [
            "claim in_progress",
            "operation refused + no lease + no revision",
            "incident firing",
            "notice firing",
            "claim done",
        ]
    );
}

#[tokio::test]
async fn a_recovery_while_the_rollback_is_watched_is_handed_over_at_once_and_told_by_nobody_yet() {
    let mut world = World::new();
    let fired = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();
    assert_eq!(fired.outcome(), "rolled_back");
    world.running = 6;
    world.firing = false;
    world.journal.lock().unwrap().clear();

    let report = world.invoke(&alarm("OK", "2026-11-20T03:00:20Z")).await.unwrap();

    assert_eq!(report.outcome(), "handed_over");
    assert_eq!(world.changes(), ["timer in 0s"]);
}

#[tokio::test]
async fn a_recovery_with_nothing_to_watch_takes_back_what_people_were_told() {
    let mut world = World::new();
    world.deployed_at = time("2026-11-19T12:00:00Z");
    let fired = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();
    assert_eq!(fired.outcome(), "held");
    world.firing = false;
    world.journal.lock().unwrap().clear();

    let report = world.invoke(&alarm("OK", "2026-11-20T03:00:20Z")).await.unwrap();

    assert_eq!(report.outcome(), "resolved");
    assert_eq!(world.changes(), ["notice resolved", "incident resolved"]);
    let told = world.told();
    assert_eq!(told[0]["incident"], told[1]["incident"]);
    assert!(told[0]["revision"].as_u64() < told[1]["revision"].as_u64());
}

#[tokio::test]
async fn a_sweep_that_finds_no_stuck_stack_says_so_and_changes_nothing() {
    let world = World::new();
    let report = world.invoke(&json!({"sweep": "stacks"})).await.unwrap();
    assert_eq!((report.outcome(), report.reason()), ("swept", "no stack is stuck or being changed"));
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn every_record_of_an_event_is_dealt_with_and_answered() {
    let mut world = World::new();
    world.deployed_at = time("2026-11-19T12:00:00Z");
    let record = |message: serde_json::Value| json!({"Sns": {"Message": message.to_string()}});
    let event =
        json!({"Records": [record(alarm("ALARM", FIRED)), record(alarm("INSUFFICIENT_DATA", FIRED))]});

    let report = world.invoke(&event).await.unwrap();

    assert_eq!(report.outcome(), "several");
    assert_eq!(report.answer()[0]["outcome"], "held");
    assert_eq!(report.answer()[1]["outcome"], "ignored");
}

#[tokio::test]
async fn an_alarm_during_another_rollback_is_told_of_it_and_leaves_it_alone() {
    let world = World::new();
    let n = |number: &str| AttributeValue::N(number.to_owned());
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let (began, until) = ("1795143600000", "1795230000000");
    world.remember("target#ecs:prod/web", "lease", &[("owner", s("other")), ("until", n(until))]);
    world.remember(
        "target#ecs:prod/web",
        "operation#other",
        &[
            ("id", s("other")),
            ("incident", s("alarm:another")),
            ("means", s("update_service")),
            ("from", s(&td(7))),
            ("to", s(&td(6))),
            ("deployment", s("ecs-svc/9")),
            ("began", n(began)),
            ("deadline", n(until)),
        ],
    );
    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "held");
    assert!(report.reason().starts_with("a rollback of it is already in progress"), "{}", report.reason());
    assert_eq!(world.changes(), ["claim in_progress", "incident firing", "notice firing", "claim done"]);
}

#[tokio::test]
async fn a_lease_whose_time_is_over_is_taken_like_a_free_one_and_from_nobody() {
    let world = World::new();
    let over = AttributeValue::N(time("2026-11-20T02:00:00Z").as_millisecond().to_string());
    let other = AttributeValue::S("other".to_owned());
    world.remember("target#ecs:prod/web", "lease", &[("owner", other), ("until", over)]);

    let report = world.invoke(&alarm("ALARM", FIRED)).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    assert!(
        world.changes().contains(&"lease + operation + revision + audit".to_owned()),
        "{:?}",
        world.changes()
    );
}
