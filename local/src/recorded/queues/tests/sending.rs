use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName as System, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry as Entry,
};
use serde_json::json;

use super::{Scene, code, handle, one, scene, system};

async fn send(scene: &Scene, body: &str) -> String {
    code(scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body(body).send().await)
}

/// The ids of what was taken, the ids and codes of what was not; or the code that the batch was refused with.
async fn batch(
    scene: &Scene,
    queue: &str,
    entries: Vec<Entry>,
) -> Result<(Vec<String>, Vec<String>), String> {
    let batch = scene.sqs.send_message_batch().queue_url(scene.queues.url(queue));
    match batch.set_entries(Some(entries)).send().await {
        Ok(sent) => Ok((
            sent.successful().iter().map(|it| it.id().to_owned()).collect(),
            sent.failed()
                .iter()
                .map(|it| format!("{} {} {}", it.id(), it.code(), it.sender_fault()))
                .collect(),
        )),
        refused => Err(code(refused)),
    }
}

fn entry(id: &str, body: &str) -> Entry {
    Entry::builder().id(id).message_body(body).build().unwrap()
}

fn attribute(kind: &str, value: &str) -> MessageAttributeValue {
    let attribute = MessageAttributeValue::builder().data_type(kind);
    let attribute = if kind.starts_with("Binary") {
        attribute.binary_value(Blob::new(value))
    } else {
        attribute.string_value(value)
    };
    attribute.build().unwrap()
}

#[tokio::test]
async fn a_message_is_no_larger_than_its_queue_takes() {
    let scene = scene(one("jobs", &json!({"MaximumMessageSize": 1_024}))).await;
    assert_eq!(send(&scene, &"a".repeat(1_024)).await, "ok");
    assert_eq!(send(&scene, &"ä".repeat(513)).await, "InvalidParameterValue");
    assert_eq!(send(&scene, "").await, "MissingParameter");
    let with = scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("a".repeat(1_000));
    let with = with.message_attributes("name", attribute("String", &"v".repeat(15)));
    assert_eq!(code(with.send().await), "InvalidParameterValue");
    scene.queues.set("jobs", &json!({"MaximumMessageSize": 1_048_576})).unwrap();
    assert_eq!(send(&scene, &"a".repeat(1_048_576)).await, "ok");
}

#[tokio::test]
async fn a_body_is_made_of_the_characters_of_xml() {
    let scene = scene(one("jobs", &json!({}))).await;
    for (body, expected) in [
        ("\t\n\r \u{d7ff}\u{e000}\u{fffd}\u{10000}", "ok"),
        ("a\u{0}", "InvalidMessageContents"),
        ("\u{1b}[31m", "InvalidMessageContents"),
        ("\u{ffff}", "InvalidMessageContents"),
    ] {
        assert_eq!(send(&scene, body).await, expected, "{}", body.escape_unicode());
    }
}

#[tokio::test]
async fn message_attributes_are_checked() {
    let scene = scene(one("jobs", &json!({}))).await;
    for (name, kind, value, expected) in [
        ("a.b-c_1", "String", "x", "ok"),
        ("n", "Number.int", "-1.5e3", "ok"),
        ("b", "Binary", "x", "ok"),
        ("n", "Number", "many", "InvalidParameterValue"),
        ("s", "String", "", "InvalidParameterValue"),
        ("s", "String", "\u{0}", "InvalidParameterValue"),
        ("s", "Text", "x", "InvalidParameterValue"),
        ("AWS.s", "String", "x", "InvalidParameterValue"),
        ("s.", "String", "x", "InvalidParameterValue"),
        ("s s", "String", "x", "InvalidParameterValue"),
    ] {
        let sent = scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("one");
        let sent = sent.message_attributes(name, attribute(kind, value)).send().await;
        assert_eq!(code(sent), expected, "{name} {kind} {value:?}");
    }
    let mut many = scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("one");
    for number in 0..11 {
        many = many.message_attributes(format!("n{number}"), attribute("String", "x"));
    }
    assert_eq!(code(many.send().await), "InvalidParameterValue");
}

#[tokio::test]
async fn a_standard_queue_keeps_the_group_and_the_trace_and_takes_no_deduplication_id() {
    let scene = scene(one("jobs", &json!({}))).await;
    let message = || scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("one");
    let trace =
        MessageSystemAttributeValue::builder().data_type("String").string_value("Root=1").build().unwrap();
    let sent = message()
        .message_group_id("tenant")
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace)
        .send()
        .await
        .unwrap();
    assert!(sent.md5_of_message_system_attributes().is_some());
    assert_eq!(sent.sequence_number(), None);
    assert_eq!(code(message().message_deduplication_id("once").send().await), "InvalidParameterValue");
    let got = scene.receive("jobs").await;
    assert_eq!(system(&got[0], &System::MessageGroupId), Some("tenant"));
    assert_eq!(system(&got[0], &System::AwsTraceHeader), Some("Root=1"));
}

#[tokio::test]
async fn a_message_that_is_delayed_is_seen_later() {
    let scene = scene(one("jobs", &json!({"DelaySeconds": "5"}))).await;
    assert_eq!(send(&scene, "one").await, "ok");
    let at_once =
        scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("two").delay_seconds(0);
    assert_eq!(code(at_once.send().await), "ok");
    assert_eq!(scene.bodies("jobs").await, ["two"]);
    scene.advance(5);
    assert_eq!(scene.bodies("jobs").await, ["one"]);
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_for_what_is_wrong_with_it_as_a_whole() {
    let scene = scene(one("jobs", &json!({}))).await;
    let many = (0..11).map(|number| entry(&number.to_string(), "x")).collect();
    let half = "a".repeat(524_288);
    for (entries, expected) in [
        (Vec::new(), "EmptyBatchRequest"),
        (many, "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "x"), entry("a", "y")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a:b", "x")], "InvalidBatchEntryId"),
        (vec![entry(&"a".repeat(81), "x")], "InvalidBatchEntryId"),
        (vec![entry("a", &half), entry("b", &half), entry("c", "x")], "BatchRequestTooLong"),
    ] {
        assert_eq!(batch(&scene, "jobs", entries).await, Err(expected.to_owned()));
    }
    assert!(scene.held("jobs").is_empty());
}

#[tokio::test]
async fn the_entries_of_a_batch_fail_each_for_itself() {
    let scene = scene(one("jobs", &json!({"MaximumMessageSize": 1_024}))).await;
    let entries = vec![entry("a", "x"), entry("b", "\u{0}"), entry("c", &"y".repeat(1_025)), entry("d", "z")];
    let expected = ["b InvalidMessageContents true", "c InvalidParameterValue true"].map(ToOwned::to_owned);
    let taken = ["a", "d"].map(ToOwned::to_owned);
    assert_eq!(batch(&scene, "jobs", entries).await, Ok((taken.to_vec(), expected.to_vec())));
    assert_eq!(scene.held("jobs"), ["x", "z"]);
}

#[tokio::test]
async fn a_batch_for_a_fifo_queue_is_refused_where_one_entry_lacks_its_group() {
    let scene = scene(one("orders.fifo", &json!({"FifoQueue": "true"}))).await;
    let full = Entry::builder().id("a").message_body("x").message_group_id("g").message_deduplication_id("1");
    let without = Entry::builder().id("b").message_body("x").message_deduplication_id("2");
    let refused = vec![full.clone().build().unwrap(), without.build().unwrap()];
    assert_eq!(batch(&scene, "orders.fifo", refused).await, Err("InvalidParameterValue".to_owned()));
    assert!(scene.held("orders.fifo").is_empty());
    let taken = vec![full.build().unwrap()];
    assert_eq!(batch(&scene, "orders.fifo", taken).await, Ok((vec!["a".to_owned()], Vec::new())));
}

#[tokio::test]
async fn entries_fail_where_a_test_wants_it() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.queues.fail_entries("sqs:SendMessageBatch", "InternalError", 1);
    let (taken, failed) = batch(&scene, "jobs", vec![entry("a", "x"), entry("b", "y")]).await.unwrap();
    assert_eq!((taken, failed), (vec!["b".to_owned()], vec!["a InternalError false".to_owned()]));
    assert_eq!(scene.held("jobs"), ["y"]);
}

#[tokio::test]
async fn handles_are_deleted_and_hidden_in_batches_too() {
    use aws_sdk_sqs::types::{
        ChangeMessageVisibilityBatchRequestEntry as Change, DeleteMessageBatchRequestEntry as Delete,
    };
    let scene = scene(one("jobs", &json!({}))).await;
    for body in ["one", "two"] {
        scene.put("jobs", body);
    }
    let got = scene.receive("jobs").await;
    let change = |id: &str, handle: &str| {
        Change::builder().id(id).receipt_handle(handle).visibility_timeout(0).build().unwrap()
    };
    let changed = scene.sqs.change_message_visibility_batch().queue_url(scene.queues.url("jobs"));
    let changed =
        changed.entries(change("a", handle(&got[0]))).entries(change("b", "nonsense")).send().await.unwrap();
    assert_eq!(changed.successful()[0].id(), "a");
    assert_eq!((changed.failed()[0].id(), changed.failed()[0].code()), ("b", "ReceiptHandleIsInvalid"));
    assert_eq!(scene.bodies("jobs").await, ["one"]);
    let delete = |id: &str, handle: &str| Delete::builder().id(id).receipt_handle(handle).build().unwrap();
    let deleted = scene.sqs.delete_message_batch().queue_url(scene.queues.url("jobs"));
    let deleted =
        deleted.entries(delete("a", handle(&got[0]))).entries(delete("b", "nonsense")).send().await.unwrap();
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (1, 1));
    assert_eq!(scene.held("jobs"), ["two"]);
}
