use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::MessageSystemAttributeName as System;
use serde_json::json;

use super::{DAY, code, handle, one, scene, system};
use crate::recorded::{Gone, Letter};

#[tokio::test]
async fn what_was_received_is_out_of_sight_until_its_visibility_timeout_ends() {
    let scene = scene(one("jobs", &json!({"VisibilityTimeout": "60"}))).await;
    scene.put("jobs", "one");
    assert_eq!(scene.bodies("jobs").await, ["one"]);
    scene.advance(59);
    assert!(scene.bodies("jobs").await.is_empty());
    assert!(!scene.queues.messages("jobs")[0].is_visible);
    scene.advance(1);
    assert_eq!(scene.bodies("jobs").await, ["one"]);
    assert_eq!(scene.queues.messages("jobs")[0].receives, 2);
    assert_eq!(scene.queues.calls("sqs:ReceiveMessage"), 3);
}

#[tokio::test]
async fn each_receive_gives_another_handle_and_an_old_one_deletes_all_the_same() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.put("jobs", "one");
    let first = scene.receive("jobs").await;
    scene.advance(30);
    let second = scene.receive("jobs").await;
    assert_eq!(first[0].message_id(), second[0].message_id());
    assert_ne!(handle(&first[0]), handle(&second[0]));
    assert_eq!(scene.delete("jobs", handle(&first[0])).await, "ok");
    assert_eq!(scene.gone("jobs"), [("one".to_owned(), Gone::Deleted)]);
    assert_eq!(scene.delete("jobs", handle(&second[0])).await, "ok");
    assert!(scene.held("jobs").is_empty());
}

#[tokio::test]
async fn a_standard_queue_deletes_also_what_is_visible_again() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.put("jobs", "one");
    let received = scene.receive("jobs").await;
    scene.advance(31);
    assert_eq!(scene.delete("jobs", handle(&received[0])).await, "ok");
    assert!(scene.held("jobs").is_empty());
}

#[tokio::test]
async fn a_handle_that_is_none_or_is_of_another_queue_is_refused() {
    let scene = scene(one("jobs", &json!({})).queue("other", &json!({})).unwrap()).await;
    scene.put("jobs", "one");
    let received = scene.receive("jobs").await;
    assert_eq!(scene.delete("jobs", "nonsense").await, "ReceiptHandleIsInvalid");
    assert_eq!(scene.delete("other", handle(&received[0])).await, "ReceiptHandleIsInvalid");
    assert_eq!(scene.hide("other", handle(&received[0]), 1).await, "ReceiptHandleIsInvalid");
    assert_eq!(scene.held("jobs"), ["one"]);
}

#[tokio::test]
async fn visibility_is_changed_only_of_what_is_in_flight_and_not_beyond_twelve_hours() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.put("jobs", "one");
    let received = scene.receive("jobs").await;
    scene.advance(10);
    assert_eq!(scene.hide("jobs", handle(&received[0]), 43_200).await, "InvalidParameterValue");
    assert_eq!(scene.hide("jobs", handle(&received[0]), 43_190).await, "ok");
    scene.advance(43_189);
    assert!(scene.bodies("jobs").await.is_empty());
    assert_eq!(scene.hide("jobs", handle(&received[0]), 0).await, "ok");
    assert_eq!(scene.hide("jobs", handle(&received[0]), 10).await, "MessageNotInflight");
    let again = scene.receive("jobs").await;
    assert_eq!(scene.delete("jobs", handle(&again[0])).await, "ok");
    assert_eq!(scene.hide("jobs", handle(&again[0]), 10).await, "InvalidParameterValue");
}

#[tokio::test]
async fn a_receive_with_a_timeout_of_zero_counts_and_hides_nothing() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.put("jobs", "one");
    for count in ["1", "2"] {
        let peek = scene.sqs.receive_message().queue_url(scene.queues.url("jobs")).visibility_timeout(0);
        let peek = peek.max_number_of_messages(10).message_system_attribute_names(System::All);
        let peeked = peek.send().await.unwrap().messages.unwrap();
        assert_eq!(peeked.len(), 1);
        assert_eq!(system(&peeked[0], &System::ApproximateReceiveCount), Some(count));
    }
    assert!(scene.queues.messages("jobs")[0].is_visible);
}

#[tokio::test]
async fn a_receive_tells_what_was_asked_for_and_nothing_else() {
    let queues = one("jobs", &json!({}));
    queues.put("jobs", Letter::new("one").with("ErrorCode", "Number", "200")).unwrap();
    let scene = scene(queues).await;
    let receive = || scene.sqs.receive_message().queue_url(scene.queues.url("jobs")).visibility_timeout(0);

    let plain = receive().send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!((plain.attributes(), plain.message_attributes()), (None, None));
    assert_eq!(plain.md5_of_message_attributes(), None);
    let sent = receive().message_system_attribute_names(System::SentTimestamp).send().await.unwrap();
    let sent = sent.messages.unwrap().remove(0);
    assert_eq!(sent.attributes().unwrap().len(), 1);
    assert_eq!(system(&sent, &System::SentTimestamp), Some("1795168800000"));
    #[expect(deprecated, reason = "older callers ask by this name")]
    let older = receive().attribute_names("ApproximateReceiveCount".into()).send().await.unwrap();
    let older = older.messages.unwrap().remove(0);
    assert_eq!(system(&older, &System::ApproximateReceiveCount), Some("3"));
    let named =
        receive().message_attribute_names("ErrorCode").send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(named.message_attributes().unwrap()["ErrorCode"].string_value(), Some("200"));
    let stranger = receive().message_system_attribute_names("Nonsense".into()).send().await;
    assert_eq!(code(stranger), "InvalidAttributeName");
}

/// As AWS answered (localstack, `test_sqs.snapshot.json`).
#[tokio::test]
async fn the_digests_are_those_that_aws_gives() {
    let letter = Letter::new("msg").with("Hello", "String", "There").with("General", "String", "Kenobi");
    let queues = one("jobs", &json!({}));
    queues.put("jobs", letter.with("Help.Me", "String", "Me")).unwrap();
    let scene = scene(queues).await;
    for (names, expected) in [
        (&["All"][..], Some("4c360f3fdafd970e05fae2f149d997f5")),
        (&[".*"], Some("4c360f3fdafd970e05fae2f149d997f5")),
        (&["Foo"], None),
        (&["Hello", "General"], Some("fca026605781cb4126a1e9044df24232")),
        (&["Foo", "Hello"], Some("a311262e065454b75da111d535b8dacd")),
        (&["Hel.*"], Some("83fee93c1bcd8b9a5a923ffacdc636c7")),
    ] {
        let receive = scene.sqs.receive_message().queue_url(scene.queues.url("jobs")).visibility_timeout(0);
        let names_sent = names.iter().map(|&name| name.to_owned()).collect();
        let received = receive.set_message_attribute_names(Some(names_sent)).send().await.unwrap();
        let received = &received.messages()[0];
        assert_eq!(received.md5_of_body(), Some("6e2baaf3b97dbeef01c0043275f9a0e7"));
        assert_eq!(received.md5_of_message_attributes(), expected, "{names:?}");
    }
    let bytes = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
    let binary = Letter::new("test").with("attr1", "Binary", &aws_smithy_types::base64::encode(bytes));
    assert_eq!(
        super::super::message::digest(&binary.attributes).unwrap(),
        "8cbe4db156db8a94db8b801b7addb984"
    );
}

#[tokio::test]
async fn a_number_out_of_its_bounds_is_refused() {
    let scene = scene(one("jobs", &json!({}))).await;
    let receive = || scene.sqs.receive_message().queue_url(scene.queues.url("jobs"));
    for refused in [
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(11),
        receive().wait_time_seconds(21),
        receive().visibility_timeout(43_201),
        receive().receive_request_attempt_id("once"),
    ] {
        assert_eq!(code(refused.send().await), "InvalidParameterValue");
    }
    assert_eq!(code(receive().wait_time_seconds(20).send().await), "ok");
}

#[tokio::test]
async fn a_message_is_gone_when_its_retention_ends_also_in_flight() {
    let scene = scene(one("jobs", &json!({"MessageRetentionPeriod": (4 * DAY).to_string()}))).await;
    scene.put("jobs", "one");
    let sent = scene.queues.now() - jiff::SignedDuration::from_secs(4 * 86_400 - 60);
    scene.queues.put("jobs", Letter { sent: Some(sent), ..Letter::new("old") }).unwrap();
    assert_eq!(scene.bodies("jobs").await, ["one", "old"]);
    scene.advance(60);
    assert_eq!(scene.held("jobs"), ["one"]);
    assert_eq!(scene.gone("jobs"), [("old".to_owned(), Gone::Expired)]);
    scene.queues.set("jobs", &json!({"MessageRetentionPeriod": "60"})).unwrap();
    assert!(scene.held("jobs").is_empty());
}

#[tokio::test]
async fn a_standard_queue_says_that_too_many_are_in_flight() {
    let queues = one("jobs", &json!({}));
    queues.limit_in_flight("jobs", 2).unwrap();
    let scene = scene(queues).await;
    for body in ["one", "two", "three"] {
        scene.put("jobs", body);
    }
    assert_eq!(scene.bodies("jobs").await, ["one", "two"]);
    let refused = scene.sqs.receive_message().queue_url(scene.queues.url("jobs")).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    assert!(matches!(refused.into_service_error(), ReceiveMessageError::OverLimit(_)));
}
