use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::Incident;
use crate::error::Class;
use crate::ledger::{Item, Ledger, get_n, ms, s};
use crate::notice::State;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn incident() -> Incident {
    Incident {
        key: "alarm:web-cpu-high".to_owned(),
        state: State::Firing,
        revision: 1_795_176_000_000,
        target: "ecs:prod/web".to_owned(),
        operation: Some("op-1".to_owned()),
        opened: now(),
    }
}

fn ledger(rule: &Rule) -> Ledger {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, "watchkeeper")
}

/// What is known of the incident when this is its entry.
async fn known(entry: Option<Item>) -> Option<Incident> {
    let rule = mock!(Client::get_item)
        .match_requests(|input| {
            let key = input.key().unwrap();
            key["pk"] == s("incident#alarm:web-cpu-high")
                && key["sk"] == s("state")
                && input.consistent_read() == Some(true)
        })
        .then_output(move || GetItemOutput::builder().set_item(entry.clone()).build());
    ledger(&rule).incident("alarm:web-cpu-high").await.unwrap()
}

/// What is written when this is recorded.
async fn written(incident: &Incident) -> PutItemInput {
    let given = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&given);
    let rule = mock!(Client::put_item).then_compute_output(move |input| {
        *keep.lock().unwrap() = Some(input.clone());
        PutItemOutput::builder().build()
    });
    ledger(&rule).record(incident, now()).await.unwrap();
    given.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn what_is_recorded_is_what_is_known() {
    assert_eq!(known(None).await, None);
    for state in [State::Firing, State::Resolved, State::Info] {
        for operation in [None, Some("op-1".to_owned())] {
            let incident = Incident { state, operation, ..incident() };
            let item = written(&incident).await.item().unwrap().clone();
            assert_eq!(get_n(&item, "expires_at"), Some(now().as_second() + 90 * 86_400));
            assert_eq!(known(Some(item)).await, Some(incident));
        }
    }
}

#[tokio::test]
async fn an_entry_needs_its_state_its_revision_and_when_it_began() {
    let whole = written(&incident()).await.item().unwrap().clone();
    for (name, expected) in [
        ("state", None),
        ("revision", None),
        ("opened", None),
        ("target", Some(Incident { target: String::new(), ..incident() })),
        ("operation", Some(Incident { operation: None, ..incident() })),
        ("expires_at", Some(incident())),
    ] {
        let mut entry = whole.clone();
        entry.remove(name).unwrap();
        assert_eq!(known(Some(entry)).await, expected, "without {name}");
    }
    for revision in [s("7"), AttributeValue::N("-1".to_owned()), AttributeValue::N("many".to_owned())] {
        let mut entry = whole.clone();
        entry.insert("revision".to_owned(), revision.clone());
        assert_eq!(known(Some(entry)).await, None, "{revision:?}");
    }
}

#[tokio::test]
async fn a_record_replaces_what_is_not_newer() {
    let given = written(&incident()).await;
    assert_eq!(given.table_name(), Some("watchkeeper"));
    assert_eq!(given.condition_expression(), Some("attribute_not_exists(pk) OR revision <= :revision"));
    let values = given.expression_attribute_values().unwrap();
    assert_eq!(values[":revision"], ms(now()));
}

#[tokio::test]
async fn an_older_record_is_let_go_and_a_failure_is_not() {
    for (status, code, expected) in [
        (400, "ConditionalCheckFailedException", None),
        (400, "ThrottlingException", Some(Class::Transient)),
        (503, "ServiceUnavailable", Some(Class::Transient)),
        (400, "ValidationException", Some(Class::Permanent)),
    ] {
        let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "why"}}"#);
        let rule = mock!(Client::put_item).sequence().http_status(status, Some(body)).build();
        let recorded = ledger(&rule).record(&incident(), now()).await;
        assert_eq!(recorded.err().map(|error| error.class()), expected, "{code}");
    }
}

#[test]
fn an_alarm_is_found_again_by_its_incident() {
    for alarm in ["web-errors", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:web-errors"] {
        assert_eq!(super::alarm_name(&super::alarm_key(alarm)), Some("web-errors"), "{alarm}");
    }
    assert_eq!(super::alarm_name("stack:web-errors"), None);
}
