use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::Claim;
use crate::error::Class;
use crate::ledger::{Item, Ledger, s};
use crate::{Error, Result};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn ledger(rule: &Rule) -> Ledger {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, "watchkeeper")
}

async fn claim(rule: &Rule) -> Result<Claim> {
    ledger(rule).claim("cause", "request-1", at("2026-11-20T12:00:00Z"), at("2026-11-20T12:00:30Z")).await
}

/// What comes of a claim when the entry is there already and is this.
async fn against(entry: Option<Item>) -> Claim {
    let rule = mock!(Client::put_item).then_compute_response(move |_| {
        let held = ConditionalCheckFailedException::builder().set_item(entry.clone()).build();
        MockResponse::Error(PutItemError::ConditionalCheckFailedException(held))
    });
    claim(&rule).await.unwrap()
}

fn entry(attributes: &[(&str, &str)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), s(*value))).collect()
}

#[tokio::test]
async fn a_cause_is_won_or_in_hand_or_done_with_its_outcome() {
    let free = mock!(Client::put_item).then_output(|| PutItemOutput::builder().build());
    assert_eq!(claim(&free).await.unwrap(), Claim::Won);

    for (held, expected) in [
        (Some(entry(&[("state", "in_progress"), ("owner", "request-0")])), Claim::InHand),
        (
            Some(entry(&[("state", "done"), ("outcome", "rolled_back")])),
            Claim::Done("rolled_back".to_owned()),
        ),
        (Some(entry(&[("state", "done")])), Claim::Done(String::new())),
        (Some(entry(&[("state", "of a later version")])), Claim::InHand),
        (Some(entry(&[])), Claim::InHand),
        (None, Claim::InHand),
    ] {
        assert_eq!(against(held.clone()).await, expected, "{held:?}");
    }
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_no_lost_race() {
    for (status, code, class) in [
        (400, "ThrottlingException", Class::Transient),
        (400, "TransactionConflictException", Class::Transient),
        (500, "InternalServerError", Class::Transient),
        (400, "ResourceNotFoundException", Class::Permanent),
    ] {
        let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "why"}}"#);
        let rule = mock!(Client::put_item).sequence().http_status(status, Some(body)).build();
        let error = claim(&rule).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, Some(code)));
        assert!(matches!(error, Error::Aws { action: "dynamodb:PutItem", .. }));
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

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[tokio::test]
async fn a_claim_takes_what_is_free_overdue_or_its_own_and_nothing_that_is_done() {
    let (ledger, given) = table();
    ledger.claim("cause", "request-1", at("2026-11-20T12:00:00Z"), at("2026-11-20T12:00:30Z")).await.unwrap();
    let given = given.lock().unwrap().take().unwrap();

    let item = [
        ("pk", s("once#cause")),
        ("sk", s("once")),
        ("state", s("in_progress")),
        ("owner", s("request-1")),
        ("deadline", n(1_795_176_030_000)),
        ("expires_at", n(1_795_176_000 + 15 * 86_400)),
    ];
    assert_eq!(given.item().unwrap(), &item.map(|(name, value)| (name.to_owned(), value)).into());
    assert_eq!(
        given.condition_expression(),
        Some("attribute_not_exists(pk) OR (#state = :in_progress AND (#owner = :owner OR deadline < :now))")
    );
    let values =
        [(":in_progress", s("in_progress")), (":owner", s("request-1")), (":now", n(1_795_176_000_000))];
    assert_eq!(
        given.expression_attribute_values().unwrap(),
        &values.map(|(name, value)| (name.to_owned(), value)).into()
    );
    let names =
        [("#state", "state"), ("#owner", "owner")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(given.expression_attribute_names().unwrap(), &names.into());
    assert_eq!(
        given.return_values_on_condition_check_failure(),
        Some(&ReturnValuesOnConditionCheckFailure::AllOld)
    );
    assert_eq!(given.table_name(), Some("watchkeeper"));
}

#[tokio::test]
async fn what_was_dealt_with_is_remembered_with_its_outcome_for_longer_than_a_queue_keeps_it() {
    let (ledger, given) = table();
    ledger.complete("cause", "held", at("2026-11-20T12:00:00Z")).await.unwrap();
    let given = given.lock().unwrap().take().unwrap();

    let item = [
        ("pk", s("once#cause")),
        ("sk", s("once")),
        ("state", s("done")),
        ("outcome", s("held")),
        ("expires_at", n(1_795_176_000 + 15 * 86_400)),
    ];
    assert_eq!(given.item().unwrap(), &item.map(|(name, value)| (name.to_owned(), value)).into());
    assert_eq!(given.condition_expression(), None);
    assert_eq!(against(given.item().cloned()).await, Claim::Done("held".to_owned()));
}
