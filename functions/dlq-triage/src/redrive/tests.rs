use std::collections::HashMap;

use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchResultEntry};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use serde_json::{Value, json};

use super::{Sender, Sending, batches, entry, marked, notification};
use crate::decision::way::{Event, Way};
use crate::flavour::Payload;
use crate::letter::{Letter, REDRIVEN};

const QUEUE: &str = "arn:aws:sqs:eu-central-1:1:orders";

fn text(text: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
}

fn letter(id: &str) -> Letter {
    Letter {
        id: id.to_owned(),
        body: format!("body of {id}"),
        group: Some("g".to_owned()),
        trace: Some("Root=1-2-3".to_owned()),
        attributes: [("tenant".to_owned(), text("ann"))].into(),
        ..Letter::default()
    }
}

fn sending(letter: &Letter) -> Sending<'_> {
    let way = Way::Queue { arn: QUEUE, group: None };
    Sending { letter, payload: Payload::Body, way, operation: "op", marks: true }
}

#[test]
fn a_letter_is_sent_as_it_was_with_a_mark() {
    let one = letter("m-1");
    let entry = entry(3, &sending(&one), false).unwrap();
    assert_eq!((entry.id.as_str(), entry.message_body.as_str()), ("3", "body of m-1"));
    assert_eq!(
        entry.message_group_id.as_deref(),
        Some("g"),
        "queues that are no FIFO queues may have groups, too"
    );
    assert_eq!(entry.message_deduplication_id, None);
    let attributes = entry.message_attributes.unwrap();
    assert_eq!(
        attributes,
        HashMap::from([("tenant".to_owned(), text("ann")), (REDRIVEN.to_owned(), text("1/op"))])
    );
    let system: Vec<_> = entry.message_system_attributes.unwrap().into_values().collect();
    assert_eq!(system[0].string_value.as_deref(), Some("Root=1-2-3"));
}

#[test]
fn a_fifo_queue_gets_the_group_and_a_fresh_deduplication_id() {
    let (one, other) = (letter("m-1"), Letter { group: None, ..letter("m-2") });
    let first = entry(0, &sending(&one), true).unwrap();
    let second = entry(0, &sending(&other), true).unwrap();
    assert_eq!(first.message_group_id.as_deref(), Some("g"));
    assert_eq!(second.message_group_id.as_deref(), Some("m-2"), "one without a group hinders no other");
    assert_ne!(first.message_deduplication_id, second.message_deduplication_id);
    assert_eq!(
        first.message_deduplication_id,
        entry(7, &sending(&one), true).unwrap().message_deduplication_id
    );
    let again = Sending { operation: "another", ..sending(&one) };
    assert_ne!(first.message_deduplication_id, entry(0, &again, true).unwrap().message_deduplication_id);
}

#[test]
fn the_mark_counts_and_leaves_what_is_full_as_it_is() {
    let mut one = letter("m-1");
    one.attributes.insert(REDRIVEN.to_owned(), text("2/before"));
    assert_eq!(marked(&one, "op")[REDRIVEN], text("3/op"));
    one.attributes = (0..10).map(|n| (format!("a{n}"), text("x"))).collect();
    assert!(!marked(&one, "op").contains_key(REDRIVEN));
    one.attributes.insert(REDRIVEN.to_owned(), text("what is this"));
    assert_eq!(marked(&one, "op")[REDRIVEN], text("1/op"));
}

#[test]
fn a_batch_has_ten_letters_and_so_many_bytes() {
    let check = |sizes: &[usize], expected: &[usize]| {
        let letters: Vec<Letter> =
            sizes.iter().map(|size| Letter { body: "x".repeat(*size), ..Letter::default() }).collect();
        let sendings: Vec<_> = letters.iter().map(sending).collect();
        let all: Vec<_> = sendings.iter().enumerate().collect();
        let lens: Vec<usize> = batches(&all).iter().map(Vec::len).collect();
        assert_eq!(lens, expected, "{sizes:?}");
    };
    check(&[1; 21], &[10, 10, 1]);
    check(&[100_000, 100_000, 100_000], &[2, 1]);
    check(&[1_000_000, 1], &[1, 1]);
    check(&[], &[]);
}

#[test]
fn a_function_gets_a_notification_as_sns_would_hand_it_over() {
    let envelope = json!({"Type": "Notification", "TopicArn": "t", "Message": "{}", "Subject": null});
    let event: Value = serde_json::from_str(&notification(&envelope.to_string(), "s").unwrap()).unwrap();
    let record = json!({"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "s", "Sns": envelope});
    assert_eq!(event, json!({"Records": [record]}));
    assert!(notification("{", "s").is_err());
}

#[tokio::test]
async fn what_is_refused_stays_and_what_is_taken_is_said() {
    let sent = mock!(aws_sdk_sqs::Client::send_message_batch)
        .match_requests(|request| request.queue_url() == Some("https://queue"))
        .then_output(|| {
            let taken = |id: &str| {
                SendMessageBatchResultEntry::builder()
                    .id(id)
                    .message_id("m")
                    .md5_of_message_body("x")
                    .build()
                    .unwrap()
            };
            let failed = BatchResultErrorEntry::builder()
                .id("1")
                .code("InternalError")
                .sender_fault(false)
                .build()
                .unwrap();
            SendMessageBatchOutput::builder().successful(taken("0")).failed(failed).build().unwrap()
        });
    let accepted = mock!(aws_sdk_lambda::Client::invoke)
        .match_requests(|request| {
            request.function_name() == Some("arn:f")
                && request.payload().is_some_and(|payload| payload.as_ref() == br#"{"order":17}"#)
        })
        .then_output(|| InvokeOutput::builder().status_code(202).build());
    let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&sent]);
    let lambda = mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&accepted]);
    let sender =
        Sender::new(&sqs, &lambda, 1000, std::time::Instant::now() + std::time::Duration::from_mins(1));
    sender.knows(QUEUE, "https://queue");

    let letters = [letter("m-1"), letter("m-2"), letter("m-3")];
    let way = Way::Function { arn: "arn:f", event: Event::Payload };
    let to_function = Sending { way, payload: Payload::Part(r#"{"order":17}"#), ..sending(&letters[2]) };
    let came = sender.send(&[sending(&letters[0]), sending(&letters[1]), to_function]).await;
    assert_eq!(came.taken, [0, 2]);
    assert_eq!(came.errors.len(), 1, "{:?}", came.errors);
    assert_eq!(came.errors[0].class(), shared::error::Class::Transient);
}

#[tokio::test]
async fn what_there_is_no_time_for_is_not_sent_and_not_waited_for() {
    let sent = mock!(aws_sdk_sqs::Client::send_message_batch)
        .match_requests(|request| request.entries().len() == 1)
        .then_output(|| {
            let taken =
                SendMessageBatchResultEntry::builder().id("0").message_id("m").md5_of_message_body("x");
            let taken = taken.build().unwrap();
            SendMessageBatchOutput::builder().successful(taken).set_failed(Some(Vec::new())).build().unwrap()
        });
    let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&sent]);
    let lambda = mock_client!(aws_sdk_lambda, []);
    let now = std::time::Instant::now();
    let sender = Sender::new(&sqs, &lambda, 1, now);
    sender.knows(QUEUE, "https://queue");
    let letters: Vec<Letter> = (0..10).map(|number| letter(&format!("m-{number}"))).collect();
    let sendings: Vec<_> = letters.iter().map(sending).collect();
    assert_eq!(sender.send(&sendings).await.taken, [0], "a second's worth");
    assert!(sender.is_over());
    let came = sender.send(&sendings).await;
    assert_eq!((came.taken, came.errors.len()), (Vec::new(), 0));
    assert!(now.elapsed().as_secs() < 2);
}
