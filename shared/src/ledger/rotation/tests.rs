use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::*;
use crate::error::Class;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-20T12:00:00Z")
}

fn ledger(rule: &Rule) -> Ledger {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, "watchkeeper")
}

fn rotation(state: State) -> Rotation {
    Rotation {
        secret: SECRET.to_owned(),
        version: "v2".to_owned(),
        previous: Some("v1".to_owned()),
        strategy: Strategy::Postgres,
        step: "setSecret".to_owned(),
        state,
        said: "the server is away".to_owned(),
        exposed: Some(noon()),
        at: noon(),
    }
}

/// A table that takes everything, and what it was given last.
fn table() -> (Ledger, Arc<Mutex<Option<PutItemInput>>>) {
    let given = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&given);
    let rule = mock!(Client::put_item).then_compute_output(move |input| {
        *keep.lock().unwrap() = Some(input.clone());
        PutItemOutput::builder().build()
    });
    (ledger(&rule), given)
}

#[tokio::test]
async fn what_is_recorded_is_what_is_read() {
    for state in [State::UnderWay, State::Rotated, State::Settled, State::Failed] {
        for (previous, exposed) in [(Some("v1".to_owned()), Some(noon())), (None, None)] {
            let written = Rotation { previous, exposed, ..rotation(state) };
            let (ledger, given) = table();
            assert_eq!(ledger.record_rotation(&written, noon()).await.unwrap(), Written::Written);
            let item = given.lock().unwrap().take().unwrap().item().cloned();
            let get = mock!(Client::get_item)
                .match_requests(|request| {
                    request.consistent_read() == Some(true)
                        && request.key().is_some_and(|key| {
                            key.get("pk") == Some(&s(format!("secret#{SECRET}")))
                                && key.get("sk") == Some(&s("rotation"))
                        })
                })
                .then_output(move || GetItemOutput::builder().set_item(item.clone()).build());
            assert_eq!(self::ledger(&get).rotation(SECRET).await.unwrap(), Some(written));
        }
    }
}

#[tokio::test]
async fn an_overlap_that_is_recorded_is_what_is_read() {
    for phase in [Phase::Added, Phase::Settling, Phase::Settled] {
        let written = Overlap { version: "v2".to_owned(), phase, at: noon() };
        let (ledger, given) = table();
        ledger.record_overlap(SECRET, &written, noon()).await.unwrap();
        let item = given.lock().unwrap().take().unwrap().item().cloned();
        let get = mock!(Client::get_item)
            .match_requests(|request| request.key().is_some_and(|key| key.get("sk") == Some(&s("overlap"))))
            .then_output(move || GetItemOutput::builder().set_item(item.clone()).build());
        assert_eq!(self::ledger(&get).overlap(SECRET).await.unwrap(), Some(written));
    }
}

#[track_caller]
fn check_condition(given: &Mutex<Option<PutItemInput>>, condition: &str) {
    let given = given.lock().unwrap().take().unwrap();
    assert_eq!(given.condition_expression(), Some(condition));
    // DynamoDB refuses a name or a value that no expression uses.
    let declared = given.expression_attribute_names().into_iter().flatten().map(|(name, _)| name);
    for name in
        declared.chain(given.expression_attribute_values().into_iter().flatten().map(|(name, _)| name))
    {
        assert!(condition.contains(name.as_str()), "{name} is not used in {condition}");
    }
}

#[tokio::test]
async fn a_step_replaces_its_own_version_s_entry_and_another_s_only_if_that_began_no_later() {
    for state in [State::UnderWay, State::Rotated, State::Failed] {
        let (ledger, given) = table();
        ledger.record_rotation(&rotation(state), noon()).await.unwrap();
        check_condition(
            &given,
            "attribute_not_exists(pk) OR (#version = :version AND #state <> :settled) \
             OR (#version <> :version AND #at <= :at)",
        );
    }
}

#[tokio::test]
async fn what_settles_replaces_only_what_is_said_of_the_same_version() {
    let (ledger, given) = table();
    ledger.record_rotation(&rotation(State::Settled), noon()).await.unwrap();
    check_condition(&given, "attribute_not_exists(pk) OR #version = :version");
    for (phase, condition) in [
        (Phase::Added, "attribute_not_exists(pk) OR #version = :version OR #at <= :at"),
        (Phase::Settling, "attribute_not_exists(pk) OR #version = :version"),
        (Phase::Settled, "attribute_not_exists(pk) OR #version = :version"),
    ] {
        let overlap = Overlap { version: "v2".to_owned(), phase, at: noon() };
        ledger.record_overlap(SECRET, &overlap, noon()).await.unwrap();
        check_condition(&given, condition);
    }
}

#[tokio::test]
async fn a_newer_entry_stays_and_that_is_an_answer() {
    let rule = mock!(Client::put_item).then_error(|| {
        PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
    });
    let ledger = ledger(&rule);
    assert_eq!(ledger.record_rotation(&rotation(State::Failed), noon()).await.unwrap(), Written::Outdated);
    let overlap = Overlap { version: "v2".to_owned(), phase: Phase::Added, at: noon() };
    assert_eq!(ledger.record_overlap(SECRET, &overlap, noon()).await.unwrap(), Written::Outdated);
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_an_error() {
    let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "why"}"#;
    let rule = mock!(Client::put_item).sequence().http_status(400, Some(body.to_owned())).build();
    let error = ledger(&rule).record_rotation(&rotation(State::Failed), noon()).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Transient, Some("ThrottlingException")));
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_none() {
    let rule = mock!(Client::get_item).then_output(|| {
        GetItemOutput::builder().item("secret", s(SECRET)).item("state", s("of a later version")).build()
    });
    let ledger = ledger(&rule);
    assert_eq!(ledger.rotation(SECRET).await.unwrap(), None);
}
