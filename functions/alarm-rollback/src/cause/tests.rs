//! Every event that may arrive is read as what it is.

use serde_json::json;

use super::*;
use crate::cases::{ago, now};

fn read(event: &Value) -> Result<Work> {
    let invocation = Invocation { request_id: "request-1".to_owned(), now: now(), deadline: ago(-1) };
    parse(event, &invocation)
}

fn corpus(file: &str) -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/alarm-rollback");
    serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

fn causes(event: &Value) -> Vec<Cause> {
    match read(event) {
        Ok(Work::Causes(causes)) => causes,
        other => panic!("no cause: {other:?}"),
    }
}

#[track_caller]
fn refused(event: &Value, expected: &str) {
    let Err(Error::Event(why)) = read(event) else {
        panic!("{event} was read");
    };
    assert!(why.contains(expected), "{why}");
}

#[test]
fn an_alarm_is_a_cause_by_whichever_way_it_comes() {
    for file in ["direct-metric.json", "eventbridge-metric.json", "sns-metric.json"] {
        let causes = causes(&corpus(file));
        let [Cause::Alarm(change)] = causes.as_slice() else {
            panic!("{file}: {causes:?}");
        };
        assert_eq!(change.name, "web-cpu-high", "{file}");
        assert_eq!(causes[0].at(), change.changed_at);
    }
}

#[test]
fn every_record_is_a_cause_of_its_own() {
    assert_eq!(causes(&corpus("sns-two-records.json")).len(), 2);
}

#[test]
fn a_stacks_change_of_status_is_a_cause() {
    let id = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1";
    let causes = causes(&json!({
        "detail-type": "CloudFormation Stack Status Change",
        "source": "aws.cloudformation",
        "time": "2026-11-20T12:02:00Z",
        "detail": {"stack-id": id, "status-details": {"status": "UPDATE_ROLLBACK_FAILED", "status-reason": ""}},
    }));
    let [Cause::Stack(change)] = causes.as_slice() else {
        panic!("{causes:?}");
    };
    assert_eq!((change.name.as_str(), change.id.as_str()), ("billing", id));
    assert!(change.is_stuck());
    assert_eq!(causes[0].at(), now());
}

#[test]
fn a_sweep_is_of_stacks() {
    assert!(matches!(read(&json!({"sweep": "stacks"})), Ok(Work::Sweep)));
    refused(&json!({"sweep": "services"}), "a sweep is of \"stacks\"");
    refused(&json!({"sweep": true}), "a sweep is of \"stacks\"");
}

#[test]
fn a_request_by_hand_is_a_cause_and_a_diagnosis_is_not() {
    let asked = causes(&json!({"rollback": {"target": "ecs:prod/web"}}));
    let [Cause::Request(request)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(request.dry_run, "nobody asks for more by leaving something out");
    assert_eq!(asked[0].at(), now());
    assert!(matches!(read(&json!({"diagnose": {"target": "ecs:prod/web"}})), Ok(Work::Diagnose(_))));
    refused(&json!({"rollback": {"target": "ecs:prod/web", "dryrun": false}}), "unknown field `dryrun`");
    refused(&json!({"diagnose": {}}), "diagnose: missing field `target`");
}

#[test]
fn whatever_else_arrives_is_refused_with_what_it_is() {
    refused(&json!({}), "it is not an alarm's change of state");
    refused(&json!(null), "it is not an alarm's change of state");
    refused(
        &json!({"detail-type": "ECS Task State Change", "detail": {}}),
        "it is the event \"ECS Task State Change\"",
    );
    refused(&json!({"Records": []}), "it has no records");
    let nameless = json!({"detail-type": "CloudFormation Stack Status Change", "detail": {}});
    refused(&nameless, "it is the event \"CloudFormation Stack Status Change\"");
}
