use aws_sdk_sqs::types::Message;
use serde_json::json;

use super::{Scene, code, handle, one, scene};
use crate::recorded::Gone;

async fn orders(more: &serde_json::Value) -> Scene {
    let mut attributes = json!({"FifoQueue": "true", "VisibilityTimeout": "30"});
    for (name, value) in more.as_object().unwrap() {
        attributes[name] = value.clone();
    }
    scene(one("orders.fifo", &attributes)).await
}

async fn received(scene: &Scene) -> Vec<Message> {
    scene.receive("orders.fifo").await
}

/// The message id that the sender is told, or the code of a refusal.
async fn send(scene: &Scene, group: Option<&str>, dedup: Option<&str>, body: &str) -> Result<String, String> {
    let message = scene.sqs.send_message().queue_url(scene.queues.url("orders.fifo")).message_body(body);
    let message = message.set_message_group_id(group.map(ToOwned::to_owned));
    let sent = message.set_message_deduplication_id(dedup.map(ToOwned::to_owned)).send().await;
    match sent {
        Ok(sent) => Ok(sent.message_id.unwrap()),
        refused => Err(code(refused)),
    }
}

#[tokio::test]
async fn a_group_with_a_message_in_flight_waits_and_another_does_not() {
    let scene = orders(&json!({})).await;
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
        scene.put_into_group("orders.fifo", group, body);
    }
    let first = scene.receive_up_to("orders.fifo", 1).await;
    assert_eq!(first[0].body(), Some("a1"));
    assert_eq!(scene.bodies("orders.fifo").await, ["b1"]);
    assert!(scene.bodies("orders.fifo").await.is_empty());
    assert_eq!(scene.delete("orders.fifo", handle(&first[0])).await, "ok");
    assert_eq!(scene.bodies("orders.fifo").await, ["a2"]);
}

#[tokio::test]
async fn ten_of_a_group_are_received_at_once_and_the_eleventh_after_them() {
    let scene = orders(&json!({})).await;
    for number in 1..=11 {
        scene.put_into_group("orders.fifo", "a", &number.to_string());
    }
    let first = received(&scene).await;
    assert_eq!(
        first.iter().map(|it| it.body().unwrap()).collect::<Vec<_>>(),
        (1..=10).map(|it| it.to_string()).collect::<Vec<_>>()
    );
    for message in first.iter().skip(1) {
        scene.delete("orders.fifo", handle(message)).await;
    }
    assert!(received(&scene).await.is_empty());
    assert_eq!(scene.hide("orders.fifo", handle(&first[0]), 0).await, "ok");
    assert_eq!(scene.bodies("orders.fifo").await, ["1", "11"]);
}

#[tokio::test]
async fn a_message_that_is_visible_again_is_not_deleted_by_its_old_handle() {
    let scene = orders(&json!({})).await;
    scene.put_into_group("orders.fifo", "a", "a1");
    let first = received(&scene).await;
    scene.advance(30);
    let delete = || scene.sqs.delete_message().queue_url(scene.queues.url("orders.fifo"));
    let refused = delete().receipt_handle(handle(&first[0])).send().await.unwrap_err().into_service_error();
    let expected = format!(
        "Value {} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        handle(&first[0])
    );
    assert_eq!(refused.meta().message(), Some(&*expected));
    let second = received(&scene).await;
    assert_eq!(scene.delete("orders.fifo", handle(&first[0])).await, "InvalidParameterValue");
    assert_eq!(scene.hide("orders.fifo", handle(&first[0]), 5).await, "InvalidParameterValue");
    assert_eq!(scene.delete("orders.fifo", handle(&second[0])).await, "ok");
    assert_eq!(scene.delete("orders.fifo", handle(&second[0])).await, "ok");
    assert_eq!(scene.gone("orders.fifo"), [("a1".to_owned(), Gone::Deleted)]);
}

#[tokio::test]
async fn what_is_sent_again_within_five_minutes_is_taken_once_also_after_it_was_deleted() {
    let scene = orders(&json!({})).await;
    let first = send(&scene, Some("a"), Some("once"), "one").await.unwrap();
    let got = received(&scene).await;
    scene.delete("orders.fifo", handle(&got[0])).await;
    scene.advance(299);
    assert_eq!(send(&scene, Some("b"), Some("once"), "other").await.unwrap(), first);
    assert!(scene.held("orders.fifo").is_empty());
    scene.advance(1);
    assert_ne!(send(&scene, Some("a"), Some("once"), "one").await.unwrap(), first);
    assert_eq!(scene.held("orders.fifo"), ["one"]);
}

#[tokio::test]
async fn a_queue_may_tell_duplicates_by_group_or_by_content() {
    let scene =
        orders(&json!({"ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup"})).await;
    for (group, body) in [("a", "one"), ("a", "one"), ("b", "one"), ("a", "two")] {
        send(&scene, Some(group), None, body).await.unwrap();
    }
    assert_eq!(scene.held("orders.fifo"), ["one", "one", "two"]);
}

#[tokio::test]
async fn a_sender_names_a_group_and_a_duplicate_and_no_delay() {
    let scene = orders(&json!({})).await;
    assert_eq!(send(&scene, None, Some("once"), "one").await, Err("MissingParameter".to_owned()));
    assert_eq!(send(&scene, Some("a"), None, "one").await, Err("InvalidParameterValue".to_owned()));
    assert_eq!(send(&scene, Some("a b"), Some("once"), "one").await, Err("InvalidParameterValue".to_owned()));
    let delayed = scene.sqs.send_message().queue_url(scene.queues.url("orders.fifo")).message_body("one");
    let delayed = delayed.message_group_id("a").message_deduplication_id("once").delay_seconds(2);
    assert_eq!(code(delayed.send().await), "InvalidParameterValue");
    assert!(scene.held("orders.fifo").is_empty());
}

#[tokio::test]
async fn a_receive_is_repeated_under_its_attempt_id_until_something_was_done_with_it() {
    let scene = orders(&json!({})).await;
    for body in ["a1", "a2"] {
        scene.put_into_group("orders.fifo", "a", body);
    }
    let receive = async || {
        let receive = scene.sqs.receive_message().queue_url(scene.queues.url("orders.fifo"));
        let receive = receive.max_number_of_messages(10).receive_request_attempt_id("once");
        receive.send().await.unwrap().messages.unwrap_or_default()
    };
    let first = receive().await;
    scene.advance(20);
    let second = receive().await;
    assert_eq!(first.len(), 2);
    assert_eq!(first, second);
    assert_eq!(scene.queues.messages("orders.fifo")[0].receives, 1);
    // The timeout began anew with the second.
    scene.advance(20);
    assert!(received(&scene).await.is_empty());
    scene.delete("orders.fifo", handle(&first[0])).await;
    assert!(receive().await.is_empty());
}

#[tokio::test]
async fn a_fifo_queue_with_too_many_in_flight_is_silent() {
    let scene = orders(&json!({})).await;
    scene.queues.limit_in_flight("orders.fifo", 1).unwrap();
    for group in ["a", "b"] {
        scene.put_into_group("orders.fifo", group, group);
    }
    assert_eq!(scene.bodies("orders.fifo").await, ["a"]);
    assert!(scene.bodies("orders.fifo").await.is_empty());
}
