use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::Memory;
use crate::error::Class;
use crate::ledger::operation::End;
use crate::ledger::revision::Standing;
use crate::ledger::{Item, Ledger, ms, s};
use crate::target::Target;

fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}Z").parse().unwrap()
}

fn target() -> Target {
    "ecs:prod/web".parse().unwrap()
}

fn item(sk: &str, texts: &[(&str, &str)], times: &[(&str, &str)]) -> Item {
    let texts = texts.iter().map(|(name, value)| ((*name).to_owned(), s(*value)));
    let times = times.iter().map(|(name, value)| ((*name).to_owned(), ms(at(value))));
    let keys = [("pk".to_owned(), s("target#ecs:prod/web")), ("sk".to_owned(), s(sk))];
    keys.into_iter().chain(texts).chain(times).collect()
}

fn lease(until: &str) -> Item {
    item("lease", &[("owner", "op-2")], &[("until", until)])
}

fn operation(id: &str, began: &str, end: Option<&str>) -> Item {
    let mut texts = vec![
        ("id", id),
        ("incident", "alarm:a"),
        ("from", "web:2"),
        ("to", "web:1"),
        ("means", "update_service"),
    ];
    texts.extend(end.map(|end| ("end", end)));
    item(&format!("operation#{id}"), &texts, &[("began", began), ("deadline", "13:00:00")])
}

fn revision(arn: &str, standing: &str, since: &str) -> Item {
    item(&format!("revision#{arn}"), &[("arn", arn), ("standing", standing)], &[("since", since)])
}

/// What is recalled from these pages, and the queries that it took.
async fn recall(pages: Vec<Vec<Item>>) -> (Memory, Vec<QueryInput>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&asked);
    let rule = mock!(Client::query).then_compute_output(move |input| {
        let mut asked = keep.lock().unwrap();
        let page = pages[asked.len()].clone();
        asked.push(input.clone());
        let cursor = || HashMap::from([("sk".to_owned(), s(format!("after page {}", asked.len())))]);
        // DynamoDB leaves the cursor out at the end; others have been seen to send an empty one.
        let next = if asked.len() < pages.len() { cursor() } else { HashMap::new() };
        QueryOutput::builder().set_items(Some(page)).set_last_evaluated_key(Some(next)).build()
    });
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule]);
    let memory = Ledger::new(client, "watchkeeper").recall(&target()).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    (memory, asked)
}

#[tokio::test]
async fn everything_of_a_target_is_recalled_page_by_page_and_newest_first() {
    let (memory, asked) = recall(vec![
        vec![lease("12:45:00"), operation("op-1", "09:00:00", Some("recovered"))],
        vec![],
        vec![operation("op-2", "12:00:00", None), operation("op-0", "08:00:00", Some("refused"))],
        vec![revision("web:1", "good", "09:30:00"), revision("web:2", "bad", "12:00:00")],
    ])
    .await;

    let operations: Vec<_> = memory.operations.iter().map(|found| (found.id.as_str(), found.end)).collect();
    assert_eq!(operations, [("op-2", None), ("op-1", Some(End::Recovered)), ("op-0", Some(End::Refused))]);
    let revisions: Vec<_> =
        memory.revisions.iter().map(|found| (found.arn.as_str(), found.standing)).collect();
    assert_eq!(revisions, [("web:2", Standing::Bad), ("web:1", Standing::Good)]);
    assert_eq!(memory.lease.as_ref().unwrap().owner, "op-2");
    assert_eq!(memory.operation("op-1").unwrap().began, at("09:00:00"));
    assert_eq!(memory.operation("op-9"), None);
    assert!(memory.is_bad("web:2") && !memory.is_bad("web:1") && !memory.is_bad("web:3"));

    let cursors: Vec<_> =
        asked.iter().map(|query| query.exclusive_start_key().map(|key| key["sk"].clone())).collect();
    assert_eq!(cursors, [None, Some(s("after page 1")), Some(s("after page 2")), Some(s("after page 3"))]);
    for query in asked {
        assert_eq!(query.table_name(), Some("watchkeeper"));
        assert_eq!(query.consistent_read(), Some(true));
        assert_eq!(query.key_condition_expression(), Some("pk = :pk"));
        assert_eq!(query.expression_attribute_values().unwrap()[":pk"], s("target#ecs:prod/web"));
    }
}

#[tokio::test]
async fn of_a_target_that_nothing_is_known_of_nothing_is_recalled() {
    assert_eq!(recall(vec![vec![]]).await.0, Memory::default());
}

#[tokio::test]
async fn entries_of_another_kind_or_half_written_are_no_memory() {
    let mut wrong_type = revision("web:4", "bad", "12:00:00");
    wrong_type.insert("since".to_owned(), s("yesterday"));
    let (memory, _) = recall(vec![vec![
        item("lease", &[("owner", "op-2")], &[]),
        item("lease#2", &[], &[]),
        item("operation#op-1", &[("id", "op-1")], &[("began", "09:00:00")]),
        item("wave#7", &[("owner", "secret-redeploy")], &[]),
        item("revision#web:3", &[("arn", "web:3"), ("standing", "doubtful")], &[("since", "12:00:00")]),
        wrong_type,
        Item::new(),
    ]])
    .await;
    assert_eq!(memory, Memory::default());

    let (memory, _) = recall(vec![vec![operation("op-1", "09:00:00", Some("of a later version"))]]).await;
    assert_eq!(memory.operations[0].end, None);
}

#[tokio::test]
async fn a_lease_holds_until_its_time_and_not_at_it() {
    let (memory, _) = recall(vec![vec![lease("12:45:00")]]).await;
    assert!(memory.lease_at(at("12:44:59.999")).is_some());
    assert!(memory.lease_at(at("12:45:00")).is_none());
    assert!(Memory::default().lease_at(at("12:00:00")).is_none());
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_is_an_error_and_not_an_empty_one() {
    for (code, class) in
        [("ThrottlingException", Class::Transient), ("AccessDeniedException", Class::Permanent)]
    {
        let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "why"}}"#);
        let rule = mock!(Client::query).sequence().http_status(400, Some(body)).build();
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule], |conf| conf
            .retry_config(RetryConfig::disabled()));
        let error = Ledger::new(client, "watchkeeper").recall(&target()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error:?}");
    }
}
