use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_smithy_mocks::{mock, mock_client};
use serde_json::{Value, json};

use super::{Queue, answer, read};

#[track_caller]
fn check_refused(event: &Value, expected: &str) {
    assert!(read(event).unwrap_err().chain().contains(expected), "{event}");
}

#[test]
fn an_event_that_is_no_batch_of_the_queue_is_refused() {
    for event in [json!(null), json!(42), json!([]), json!({}), json!({"Records": 1})] {
        check_refused(&event, "it has no list of records");
    }
    check_refused(&json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}), "come from \"aws:sns\"");
    check_refused(&json!({"Records": [{"eventSource": "aws:s3"}]}), "come from \"aws:s3\"");
}

#[track_caller]
fn check_body(record: &Value, expected: &str) {
    assert_eq!(read(&json!({"Records": [record]})).unwrap()[0].body, expected);
}

#[test]
fn a_record_may_lack_anything() {
    check_body(&json!({"body": "x"}), "x");
    check_body(&json!({"body": 42}), "42");
    check_body(&json!({"body": null}), "null");
    check_body(&json!({}), "");
    check_body(&json!(null), "null");
    check_body(&json!("text"), "\"text\"");
    let bare = &read(&json!({"Records": [{"messageId": "", "attributes": []}]})).unwrap()[0];
    assert_eq!((&bare.id, &bare.receipt, bare.sent, bare.receives), (&None, &None, None, 1));
}

#[test]
fn what_a_record_has_is_read() {
    let record = json!({
        "messageId": "m-1",
        "receiptHandle": "r-1",
        "body": "x",
        "attributes": {"SentTimestamp": "1795145400000", "ApproximateReceiveCount": "3"},
        "messageAttributes": {
            "incident": {"stringValue": "alarm:web", "dataType": "String"},
            "blob": {"binaryValue": "AA==", "dataType": "Binary"},
        },
        "eventSource": "aws:sqs",
    });
    let read = read(&json!({"Records": [record]})).unwrap().remove(0);
    assert_eq!((read.id.as_deref(), read.receipt.as_deref()), (Some("m-1"), Some("r-1")));
    assert_eq!((read.sent, read.receives), (Some("2026-11-20T03:30:00Z".parse().unwrap()), 3));
    assert_eq!(Vec::from_iter(read.attributes), [("incident".to_owned(), "alarm:web".to_owned())]);
}

async fn check_given_back(after: Duration, expected: i32) {
    let rule = mock!(Client::change_message_visibility)
        .match_requests(move |request| {
            request.visibility_timeout() == Some(expected)
                && request.queue_url() == Some("https://sqs.invalid/q")
                && request.receipt_handle() == Some("r")
        })
        .then_output(|| ChangeMessageVisibilityOutput::builder().build());
    let sqs = mock_client!(aws_sdk_sqs, [&rule]);
    Queue { sqs: &sqs, url: "https://sqs.invalid/q" }.give_back("r", after).await.unwrap();
    assert_eq!(rule.num_calls(), 1, "{after:?}");
}

#[tokio::test]
async fn a_message_is_given_back_for_no_less_than_was_asked_and_no_longer_than_sqs_allows() {
    check_given_back(Duration::ZERO, 0).await;
    check_given_back(Duration::from_secs(30), 30).await;
    check_given_back(Duration::from_millis(30_001), 31).await;
    check_given_back(Duration::from_hours(12), 42_300).await;
    check_given_back(Duration::MAX, 42_300).await;
}

#[test]
fn what_is_not_finished_stands_in_the_answer() {
    assert_eq!(answer([]), json!({"batchItemFailures": []}));
    let two = json!({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]});
    assert_eq!(answer(["a", "b"]), two);
}
