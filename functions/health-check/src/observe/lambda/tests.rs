//! Functions and what feeds them, as Lambda answers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{changed, check_functions};
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::observe::sqs::tests::{mangled, now};
use crate::wire::{Reply, Wire};

const HOOK: &str = "arn:aws:lambda:eu-central-1:1:function:hook";
const MAPPINGS: &str = "GET /2015-03-31/event-source-mappings";

fn function(change: &Value) -> Value {
    let mut function = json!({
        "FunctionName": "hook", "FunctionArn": HOOK, "Runtime": "provided.al2023", "Timeout": 10,
        "State": "Active", "LastUpdateStatus": "Successful", "LastModified": "2026-11-26T11:00:00.000+0000",
        "KMSKeyArn": "arn:aws:kms:eu-central-1:1:key/0a1b",
        "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-central-1:1:undelivered"},
        "Environment": {"Variables": {"TOKEN": "do not tell"}},
    });
    for (name, value) in change.as_object().unwrap() {
        function[name] = value.clone();
    }
    function
}

fn mapping(function: &str, source: &str, state: &str) -> Value {
    json!({
        "UUID": "0a1b", "FunctionArn": function, "EventSourceArn": source, "State": state,
        "LastModified": 1_700_000_000.0, "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": "arn:aws:lambda:eu-central-1:1:event-source-mapping:0a1b",
    })
}

fn lambda(function: Reply, mappings: Reply, second: Reply, metrics: [Option<f64>; 4]) -> Wire {
    Wire::new(move |call| match call.action.as_str() {
        "GET /2015-03-31/functions/hook/configuration" => function.clone(),
        MAPPINGS if call.query.contains("Marker") => second.clone(),
        MAPPINGS => mappings.clone(),
        _ => Reply::metrics(&metrics),
    })
}

fn none() -> Reply {
    Reply::ok(json!({"EventSourceMappings": []}))
}

async fn one(function: Reply, metrics: [Option<f64>; 4]) -> Verdict {
    let wire = lambda(function, none(), none(), metrics);
    let ask = wire.ask();
    check_functions(&ask, &[Component::at(HOOK).unwrap()]).await;
    ask.verdict(Kind::Function, "hook").unwrap()
}

#[tokio::test]
async fn a_function_is_read_as_lambda_answers_and_what_cannot_be_asked_is_unknown() {
    let quiet = [None; 4];
    let of = |change: Value| Reply::ok(function(&change));
    let cases = [
        (of(json!({})), quiet, Health::Healthy, "it is active"),
        (of(json!({})), [Some(60.0), Some(3.0), None, None], Health::Failed, "3 of 60 invocations"),
        (of(json!({})), [Some(1.0), Some(1.0), None, None], Health::Degraded, "1 of 1 invocations"),
        (of(json!({})), [Some(9.0), Some(0.0), Some(2.0), None], Health::Degraded, "throttled"),
        (of(json!({})), [Some(9.0), None, None, Some(9_500.0)], Health::Degraded, "its time-out is 10s"),
        (
            of(json!({"State": "Failed", "StateReasonCode": "ImageAccessDenied"})),
            quiet,
            Health::Failed,
            "ImageAccessDenied",
        ),
        (of(json!({"State": "Pending"})), quiet, Health::Degraded, "pending for 60 minutes"),
        (of(json!({"State": "Brooding"})), quiet, Health::Unknown, "Brooding"),
        (
            of(json!({"LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "InvalidSubnet"})),
            quiet,
            Health::Degraded,
            "InvalidSubnet",
        ),
        (Reply::ok(json!({})), quiet, Health::Unknown, "does not say"),
        (
            Reply::error(403, "AccessDeniedException"),
            quiet,
            Health::Unknown,
            "lambda:GetFunctionConfiguration is denied",
        ),
        (Reply::error(429, "TooManyRequestsException"), quiet, Health::Unknown, "TooManyRequestsException"),
        (Reply::error(404, "ResourceNotFoundException"), quiet, Health::Failed, "does not exist"),
    ];
    for (answer, metrics, health, reason) in cases {
        let verdict = one(answer, metrics).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert!(!format!("{verdict:?}").contains("do not tell"));
    }
}

#[tokio::test]
async fn event_sources_are_found_for_aliases_too_and_stand_on_function_and_source() {
    let alias = format!("{HOOK}:live");
    let mappings = [
        mapping(&alias, "arn:aws:sqs:eu-central-1:1:orders", "Enabled"),
        mapping(HOOK, "arn:aws:sqs:eu-central-1:1:orders-dlq", "Disabled"),
        mapping(HOOK, "arn:aws:kinesis:eu-central-1:1:stream/clicks", "Idling"),
        mapping(HOOK, "arn:aws:sqs:eu-central-1:1:carts", "Enabled"),
        mapping("arn:aws:lambda:eu-central-1:1:function:other", "arn:aws:sqs:eu-central-1:1:x", "Disabled"),
    ];
    let table = "arn:aws:dynamodb:eu-central-1:1:table/carts/stream/2026-01-01T00:00:00.000";
    let mut stream = mapping(HOOK, table, "Enabled");
    stream["LastProcessingResult"] = json!("PROBLEM: Function call failed");
    let wire = lambda(
        Reply::ok(function(&json!({}))),
        Reply::ok(json!({"EventSourceMappings": mappings, "NextMarker": "t"})),
        Reply::ok(json!({"EventSourceMappings": [stream]})),
        [None; 4],
    );
    let ask = wire.ask();
    check_functions(&ask, &[Component::at(HOOK).unwrap()]).await;
    let said = ask.said();
    let cases = [
        (
            "event-source:hook:live<-orders",
            Health::Healthy,
            &["lambda-function:hook", "sqs-queue:orders"][..],
        ),
        ("event-source:hook<-orders-dlq", Health::Degraded, &["dlq:orders-dlq", "lambda-function:hook"]),
        ("event-source:hook<-clicks", Health::Unknown, &["lambda-function:hook"]),
        ("event-source:hook<-carts", Health::Healthy, &["lambda-function:hook", "sqs-queue:carts"]),
        (
            "event-source:hook<-carts (0a1b)",
            Health::Degraded,
            &["dynamodb-table:carts", "lambda-function:hook"],
        ),
        ("lambda-function:hook", Health::Healthy, &["kms-key:0a1b"]),
    ];
    for (id, health, needs) in cases {
        let checked = said.get(id).unwrap_or_else(|| panic!("{id}"));
        assert_eq!(checked.verdict.health, health, "{id}: {:?}", checked.verdict);
        assert_eq!(checked.needs.iter().map(String::as_str).collect::<Vec<_>>(), needs, "{id}");
    }
    assert_eq!(said.len(), cases.len());
    assert!(ask.take_more().iter().any(|more| more.id() == "dlq:undelivered"));
    assert_eq!(wire.calls().iter().filter(|call| call.action == "GetMetricData").count(), 1);
}

#[tokio::test]
async fn event_sources_that_cannot_be_listed_are_said_once_and_pages_before_count() {
    let first = json!({
        "EventSourceMappings": [mapping(HOOK, "arn:aws:sqs:eu-central-1:1:orders", "Enabled")], "NextMarker": "t",
    });
    let throttled = Reply::error(429, "TooManyRequestsException");
    let wire = lambda(Reply::ok(function(&json!({}))), Reply::ok(first), throttled, [None; 4]);
    let ask = wire.ask();
    check_functions(&ask, &[Component::at(HOOK).unwrap()]).await;
    assert_eq!(ask.verdict(Kind::EventSource, "hook<-orders").unwrap().health, Health::Healthy);
    assert_eq!(ask.verdict(Kind::Function, "hook").unwrap().health, Health::Healthy);
    let all = ask.verdict(Kind::EventSource, "*").unwrap();
    assert_eq!(all.health, Health::Unknown);
    assert!(all.reason.contains("lambda:ListEventSourceMappings"), "{all:?}");
}

#[test]
fn the_time_of_a_change_is_read_as_lambda_writes_it() {
    let expected = "2026-11-26T11:00:00.123Z".parse().ok();
    assert_eq!(changed("2026-11-26T11:00:00.123+0000"), expected);
    assert_eq!(changed("lately"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_function_is_healthy_whose_state_is_mangled(body in mangled(&function(&json!({})).to_string())) {
        let verdict = now(one(Reply::ok(&body), [None; 4]));
        let whole = body.contains(r#""State":"Active""#) && body.contains(r#""LastUpdateStatus":"Successful""#);
        prop_assert!(whole || verdict.health != Health::Healthy, "{body} {verdict:?}");
    }

    #[test]
    fn no_event_source_is_healthy_whose_state_is_mangled(
        body in mangled(
            &json!({"EventSourceMappings": [mapping(HOOK, "arn:aws:sqs:eu-central-1:1:orders", "Enabled")]})
                .to_string(),
        ),
    ) {
        let wire = lambda(
            Reply::ok(function(&json!({}))), Reply::ok(&body), Reply::error(500, "ServiceException"), [None; 4],
        );
        let ask = wire.ask();
        now(check_functions(&ask, &[Component::at(HOOK).unwrap()]));
        let said = ask.said();
        let healthy = said.values().any(|it| {
            it.component.kind == Kind::EventSource && it.verdict.health == Health::Healthy
        });
        prop_assert!(!healthy || body.contains(r#""State":"Enabled""#), "{body}");
    }
}
