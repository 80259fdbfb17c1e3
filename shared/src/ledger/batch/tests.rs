use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::super::{Item, Ledger, s};

fn item(key: usize) -> Item {
    Item::from([("pk".to_owned(), s(format!("k{key}"))), ("sk".to_owned(), s("x"))])
}

fn left(keys: std::ops::Range<usize>) -> Vec<WriteRequest> {
    keys.map(|key| {
        let put = PutRequest::builder().set_item(Some(item(key))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_undone_is_written_again() {
    let some_left = mock!(Client::batch_write_item)
        .match_requests(|request| request.request_items().unwrap()["t"].len() == 25)
        .then_output(|| BatchWriteItemOutput::builder().unprocessed_items("t", left(0..3)).build());
    let rest = mock!(Client::batch_write_item)
        .match_requests(|request| request.request_items().unwrap()["t"].len() == 3)
        .then_output(|| BatchWriteItemOutput::builder().build());
    let last = mock!(Client::batch_write_item)
        .match_requests(|request| request.request_items().unwrap()["t"].len() == 5)
        .then_output(|| BatchWriteItemOutput::builder().build());
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::Sequential, [&some_left, &rest, &last]);
    Ledger::new(client, "t").put_all((0..30).map(item).collect()).await.unwrap();
    assert_eq!([some_left.num_calls(), rest.num_calls(), last.num_calls()], [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_never_done_is_a_throttle() {
    let stuck = mock!(Client::batch_write_item)
        .then_output(|| BatchWriteItemOutput::builder().unprocessed_items("t", left(0..1)).build());
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&stuck]);
    let error = Ledger::new(client, "t").put_all(vec![item(0)]).await.unwrap_err();
    assert_eq!(error.class(), crate::error::Class::Transient);
    assert_eq!(stuck.num_calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_unread_is_read_again() {
    let first = mock!(Client::batch_get_item)
        .match_requests(|request| request.request_items().unwrap()["t"].keys().len() == 100)
        .then_output(|| {
            let keys = KeysAndAttributes::builder().keys(item(7)).build().unwrap();
            BatchGetItemOutput::builder().responses("t", vec![item(1)]).unprocessed_keys("t", keys).build()
        });
    let again = mock!(Client::batch_get_item)
        .match_requests(|request| request.request_items().unwrap()["t"].keys().len() == 1)
        .then_output(|| BatchGetItemOutput::builder().responses("t", vec![item(7)]).build());
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::Sequential, [&first, &again]);
    let keys = (0..100).map(|key| (format!("k{key}"), "x")).collect();
    let found = Ledger::new(client, "t").get_all(keys).await.unwrap();
    assert_eq!(found, [item(1), item(7)]);
}
