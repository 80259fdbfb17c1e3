//! What is asked by hand.

use serde_json::{Value, json};

use super::double::{World, alarm};
use crate::cases::td;

fn asked(fields: &Value) -> Value {
    let mut asked = json!({"target": "ecs:prod/web", "by": "ann"});
    asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"rollback": asked})
}

#[tokio::test]
async fn a_dry_run_answers_the_plan_and_changes_nothing_and_tells_nobody() {
    let world = World::new();
    let report = world.invoke(&asked(&json!({}))).await.unwrap();

    assert!(world.changes().is_empty(), "{:?}", world.changes());
    let answer = report.answer();
    assert_eq!(answer["outcome"], "proposed");
    assert_eq!(answer["plan"]["to"], td(6));
    assert_eq!(answer["plan"]["act"], json!({"update_service": {"task_definition": td(6)}}));
    assert_eq!(
        answer["command"],
        r#"invoke alarm-rollback with {"rollback": {"target": "ecs:prod/web", "dry_run": false, "confirm": "ROLLBACK"}}"#
    );
}

#[tokio::test]
async fn the_command_of_a_dry_run_asks_for_the_same_again() {
    let world = World::new();
    let report = world.invoke(&asked(&json!({"to": "web:5"}))).await.unwrap();
    let command = report.answer()["command"].as_str().unwrap().to_owned();
    let event: Value =
        serde_json::from_str(command.strip_prefix("invoke alarm-rollback with ").unwrap()).unwrap();

    let report = world.invoke(&event).await.unwrap();

    assert_eq!(report.outcome(), "rolled_back");
    assert!(world.changes().contains(&"ecs:UpdateService web:5".to_owned()), "{:?}", world.changes());
}

#[tokio::test]
async fn production_asks_for_the_word_and_answers_only_whoever_asked() {
    let world = World::new();
    let report = world.invoke(&asked(&json!({"dry_run": false}))).await.unwrap();

    assert_eq!(report.answer()["outcome"], "held");
    assert_eq!(report.answer()["next_step"], r#"Ask again with "confirm": "ROLLBACK"."#);
    assert!(world.changes().is_empty(), "{:?}", world.changes());
}

#[tokio::test]
async fn a_confirmed_request_is_carried_out_and_people_hear_who_asked() {
    let world = World::new();
    let event = asked(&json!({"dry_run": false, "confirm": "ROLLBACK"}));
    let report = world.invoke(&event).await.unwrap();

    let mut changes = world.changes();
    changes[..3].sort();
    assert_eq!(
        changes,
        [
            "incident firing",
            "lease + operation + revision + audit",
            "timer in 10s",
            "ecs:UpdateService web:6",
            "operation",
            "notice firing",
        ]
    );
    let operation = report.answer()["operation"].as_str().unwrap().to_owned();
    assert_eq!(world.remembered("lease", "owner"), Some(operation.clone()));
    assert_eq!(world.remembered(&format!("operation#{operation}"), "asked_by").as_deref(), Some("ann"));
    assert_eq!(
        world.told()[0]["summary"],
        "ann asked for a rollback. Set prod/web from web:7 back to web:6."
    );
}

#[tokio::test]
async fn undoing_a_rollback_that_is_still_watched_takes_its_lease_over_and_ends_it() {
    let mut world = World::new();
    let fired = world.invoke(&alarm("ALARM", "2026-11-20T03:00:00Z")).await.unwrap();
    assert_eq!(fired.outcome(), "rolled_back");
    let first = world.remembered("lease", "owner").unwrap();
    world.running = 6;
    world.journal.lock().unwrap().clear();

    let event = asked(&json!({"undo": first, "dry_run": false, "confirm": "ROLLBACK"}));
    let report = world.invoke(&event).await.unwrap();

    let second = report.answer()["operation"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(world.remembered("lease", "owner"), Some(second));
    assert_eq!(world.remembered(&format!("operation#{first}"), "end").as_deref(), Some("superseded"));
    let changes = world.changes();
    assert!(
        changes.contains(&"lease taken over + operation + audit".to_owned()),
        "nothing is blamed: {changes:?}"
    );
    assert!(changes.contains(&"ecs:UpdateService web:7".to_owned()), "{changes:?}");
}

#[tokio::test]
async fn a_malformed_request_says_what_is_wrong() {
    let world = World::new();
    let error =
        world.invoke(&asked(&json!({"to": "web:5", "at": "2026-11-20T00:00:00Z"}))).await.unwrap_err();
    assert!(error.chain().contains("give one of to, at and undo"), "{error:?}");
    let error = world.invoke(&asked(&json!({"confirm": "rollback"}))).await.unwrap_err();
    assert!(error.chain().contains("the word is ROLLBACK"), "{error:?}");
}

#[tokio::test]
async fn a_diagnosis_answers_how_the_target_stands_and_changes_nothing() {
    let world = World::new();
    let report = world.invoke(&json!({"diagnose": {"target": "ecs:prod/web"}})).await.unwrap();

    assert_eq!(report.outcome(), "diagnosed");
    let answer = report.answer();
    assert_eq!(answer["target"], "ecs:prod/web");
    assert_eq!(answer["now"]["service"]["service"]["running"], 2);
    assert_eq!(answer["rollback"]["outcome"], "proposed");
    assert_eq!(answer["rollback"]["plan"]["to"], td(6));
    assert_eq!(answer["tasks"]["stopped"], json!([]));
    assert_eq!(answer["remembered"]["operations"], json!([]));
    assert!(world.changes().is_empty(), "{:?}", world.changes());
}
