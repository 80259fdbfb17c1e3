use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_smithy_mocks::{mock, mock_client};
use serde_json::{Value, json};

use super::{dead_letter, give_back, read};

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

#[tokio::test]
async fn a_message_is_given_back_for_no_less_than_was_asked() {
    let rule = mock!(Client::change_message_visibility)
        .match_requests(|request| {
            request.visibility_timeout() == Some(31) && request.receipt_handle() == Some("r")
        })
        .then_output(|| ChangeMessageVisibilityOutput::builder().build());
    let sqs = mock_client!(aws_sdk_sqs, [&rule]);
    give_back(&sqs, "https://sqs.invalid/q", "r", Duration::from_millis(30_001)).await.unwrap();
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_body_and_says_what_happened() {
    let rule = mock!(Client::send_message)
        .match_requests(|request| {
            let attributes = request.message_attributes().unwrap();
            request.message_body() == Some("{\"a\":1}")
                && attributes["error"].string_value() == Some("410 channel_is_archived")
                && !attributes.contains_key("channel")
        })
        .then_output(|| SendMessageOutput::builder().build());
    let sqs = mock_client!(aws_sdk_sqs, [&rule]);
    let about = [("error", "410 channel\n_is_archived"), ("channel", "")];
    dead_letter(&sqs, "https://sqs.invalid/dlq", "{\"a\":1}", &about).await.unwrap();
    assert_eq!(rule.num_calls(), 1);
}
