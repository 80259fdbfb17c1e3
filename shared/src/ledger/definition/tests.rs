use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemError, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use jiff::Timestamp;

use super::Definition;
use crate::error::Class;
use crate::ledger::{Ledger, s};

const TABLE: &str = "watchkeeper";

fn ledger(rule: &Rule) -> Ledger {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, TABLE)
}

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn arn(revision: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

fn definition(revision: usize) -> Definition {
    Definition { arn: arn(revision), references: "[]".to_owned() }
}

#[test]
fn an_entry_reads_back_and_a_newer_reader_does_not_trust_it() {
    let item = definition(7).item(3, now());
    assert_eq!(item["pk"], s(format!("definition#{}", arn(7))));
    assert_eq!(item["sk"], s("references"));
    assert_eq!(item["references"], s("[]"));
    assert_eq!(item["expires_at"], AttributeValue::N("1810728000".to_owned()), "180 days later");
    assert_eq!(Definition::read(&item, 3), Some(definition(7)));
    assert_eq!(Definition::read(&item, 4), None);
}

/// Remembers the first of the keys that are asked for, and what another reader wrote of the second; reads one key of a
/// call and leaves the others, where `stingy`.
fn table(stingy: bool, asked: &Arc<Mutex<Vec<usize>>>) -> Rule {
    let asked = Arc::clone(asked);
    mock!(Client::batch_get_item).then_compute_response(move |get| {
        let mut keys = get.request_items().unwrap()[TABLE].keys().to_vec();
        asked.lock().unwrap().push(keys.len());
        let mut known = definition(0).item(1, now());
        known.insert("pk".to_owned(), keys.remove(0)["pk"].clone());
        let mut answer = BatchGetItemOutput::builder();
        let mut items = vec![known];
        if stingy && !keys.is_empty() {
            let left = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
            answer = answer.unprocessed_keys(TABLE, left);
        } else if let Some(second) = keys.first() {
            let mut other = definition(0).item(0, now());
            other.insert("pk".to_owned(), second["pk"].clone());
            items.push(other);
        }
        MockResponse::Output(answer.responses(TABLE, items).build())
    })
}

#[tokio::test]
async fn hundreds_are_read_a_hundred_at_once_each_once_and_the_unknown_are_left_out() {
    let asked = Arc::default();
    let rule = table(false, &asked);
    let arns: Vec<_> = (100..350).map(arn).collect();
    let twice: Vec<&str> = arns.iter().chain(&arns).map(String::as_str).collect();

    let got = ledger(&rule).definitions(&twice, 1).await.unwrap();

    assert_eq!(*asked.lock().unwrap(), [100, 100, 50]);
    assert_eq!(got, [100, 200, 300].map(definition));
}

#[tokio::test]
async fn what_the_table_leaves_over_is_asked_for_again_but_not_for_ever() {
    for (wanted, left_over) in [(1, false), (3, false), (5, false), (9, true)] {
        let asked = Arc::default();
        let rule = table(true, &asked);
        let arns: Vec<_> = (1..=wanted).map(arn).collect();
        let arns: Vec<_> = arns.iter().map(String::as_str).collect();
        let got = ledger(&rule).definitions(&arns, 1).await;
        assert_eq!(asked.lock().unwrap().len(), wanted.min(5));
        match got {
            Ok(got) => assert_eq!((got.len(), left_over), (wanted, false)),
            Err(error) => assert_eq!((error.class(), left_over), (Class::Transient, true)),
        }
    }
}

#[tokio::test]
async fn entries_are_written_twenty_five_at_once_and_what_is_left_over_again() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&written);
    let rule = mock!(Client::batch_write_item).then_compute_response(move |put| {
        let mut writes = put.request_items().unwrap()[TABLE].clone();
        let mut seen = seen.lock().unwrap();
        seen.push(writes.len());
        // The first call leaves two.
        let left = if seen.len() == 1 { writes.split_off(23) } else { Vec::new() };
        MockResponse::Output(BatchWriteItemOutput::builder().unprocessed_items(TABLE, left).build())
    });
    let definitions: Vec<_> = (0..60).map(definition).collect();

    ledger(&rule).remember_definitions(&definitions, 1, now()).await.unwrap();
    assert_eq!(*written.lock().unwrap(), [25, 2, 25, 10]);

    ledger(&rule).remember_definitions(&[], 1, now()).await.unwrap();
    assert_eq!(ledger(&rule).definitions(&[], 1).await.unwrap(), []);
    assert_eq!(rule.num_calls(), 4, "nothing is asked for nothing");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let rule = mock!(Client::batch_get_item).then_error(|| {
        BatchGetItemError::generic(
            ErrorMetadata::builder().code("AccessDeniedException").message("no").build(),
        )
    });
    let error = ledger(&rule).definitions(&["web:1"], 1).await.unwrap_err();
    assert!(error.chain().starts_with("dynamodb:BatchGetItem is denied"), "{error:?}");
}
