use aws_sdk_sqs::types::MessageSystemAttributeName as System;
use serde_json::json;

use super::{DAY, morning, one, pair, redrive, scene, system};
use crate::recorded::{Gone, Letter};

#[tokio::test]
async fn a_message_goes_to_the_dead_letter_queue_at_the_receive_after_the_last() {
    let scene = scene(pair(2)).await;
    scene.put("jobs", "one");
    for _ in 0..2 {
        assert_eq!(scene.bodies("jobs").await, ["one"]);
        scene.advance(30);
    }
    // Nothing moves by itself.
    scene.advance(3_600);
    assert_eq!(scene.held("jobs"), ["one"]);
    assert!(scene.bodies("jobs").await.is_empty());
    assert_eq!(scene.held("dead"), ["one"]);
    assert_eq!(scene.gone("jobs"), [("one".to_owned(), Gone::DeadLettered)]);
}

#[tokio::test]
async fn a_message_takes_its_id_and_its_count_along_and_says_where_it_comes_from() {
    let scene = scene(pair(1)).await;
    let id = scene.put("jobs", "one");
    scene.receive("jobs").await;
    scene.advance(30);
    scene.receive("jobs").await;
    let dead = scene.receive("dead").await;
    assert_eq!(dead[0].message_id(), Some(&*id));
    assert_eq!(system(&dead[0], &System::ApproximateReceiveCount), Some("2"));
    assert_eq!(system(&dead[0], &System::SentTimestamp), Some("1795168800000"));
    let source = dead[0].attributes().unwrap().get(&"DeadLetterQueueSourceArn".into());
    assert_eq!(source, Some(&scene.queues.arn("jobs")));
}

#[tokio::test]
async fn the_time_of_a_standard_message_goes_on_in_the_dead_letter_queue() {
    let scene = scene(pair(1)).await;
    scene.put("jobs", "one");
    scene.advance(DAY);
    scene.receive("jobs").await;
    scene.advance(30);
    scene.receive("jobs").await;
    scene.advance(3 * DAY - 31);
    assert_eq!(scene.held("dead"), ["one"]);
    scene.advance(1);
    assert_eq!(scene.gone("dead"), [("one".to_owned(), Gone::Expired)]);
}

#[tokio::test]
async fn a_fifo_message_begins_anew_in_the_dead_letter_queue_and_is_told_apart_by_its_id() {
    let queues = one("dead.fifo", &json!({"FifoQueue": "true"}));
    let mut attributes = redrive("dead.fifo", 1);
    attributes["FifoQueue"] = json!("true");
    let scene = scene(queues.queue("orders.fifo", &attributes).unwrap()).await;
    let id = scene.put_into_group("orders.fifo", "a", "a1");
    scene.put_into_group("orders.fifo", "a", "a2");
    scene.receive_up_to("orders.fifo", 1).await;
    scene.advance(DAY);
    // What stands behind it in its group can be received with the same call.
    assert_eq!(scene.bodies("orders.fifo").await, ["a2"]);
    let dead = scene.receive("dead.fifo").await;
    assert_eq!(dead[0].message_id(), Some(&*id));
    assert_eq!(system(&dead[0], &System::MessageDeduplicationId), Some(&*id));
    assert_eq!(system(&dead[0], &System::MessageGroupId), Some("a"));
    assert_eq!(system(&dead[0], &System::SentTimestamp), Some("1795255200000"));
    scene.advance(4 * DAY - 1);
    assert_eq!(scene.held("dead.fifo"), ["a1"]);
}

#[tokio::test]
async fn a_dead_letter_queue_with_a_redrive_policy_of_its_own_is_emptied_by_looking() {
    let queues = one("last", &json!({})).queue("dead", &redrive("last", 3)).unwrap();
    let scene = scene(queues.queue("jobs", &redrive("dead", 1)).unwrap()).await;
    scene.put("jobs", "one");
    for _ in 0..2 {
        scene.receive("jobs").await;
        scene.advance(30);
    }
    for _ in 0..2 {
        assert_eq!(scene.bodies("dead").await, ["one"]);
        scene.advance(30);
    }
    assert!(scene.bodies("dead").await.is_empty());
    assert_eq!(scene.held("last"), ["one"]);
    assert_eq!(scene.queues.messages("last")[0].source, Some(scene.queues.arn("dead")));
}

#[tokio::test]
async fn a_message_stays_where_its_dead_letter_queue_is_gone() {
    let scene = scene(pair(1)).await;
    scene.put("jobs", "one");
    scene.queues.remove("dead").unwrap();
    for _ in 0..3 {
        assert_eq!(scene.bodies("jobs").await, ["one"]);
        scene.advance(30);
    }
}

#[test]
fn a_redrive_policy_names_a_queue_that_is_there_is_of_the_same_type_and_allows_it() {
    #[track_caller]
    fn check(target: &str, settings: &serde_json::Value, allowed: bool) {
        let queues = one("dead", &json!({})).queue("dead.fifo", &json!({"FifoQueue": "true"})).unwrap();
        queues.set("dead", settings).unwrap();
        assert_eq!(queues.queue("jobs", &redrive(target, 5)).is_ok(), allowed, "{target} {settings}");
    }
    let jobs = morning().arn("jobs");
    check("dead", &json!({}), true);
    check("other", &json!({}), false);
    check("dead.fifo", &json!({}), false);
    check("dead", &json!({"RedriveAllowPolicy": {"redrivePermission": "allowAll"}}), true);
    check("dead", &json!({"RedriveAllowPolicy": {"redrivePermission": "denyAll"}}), false);
    let by_queue = |arn: &str| json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn]}).to_string();
    check("dead", &json!({"RedriveAllowPolicy": by_queue(&jobs)}), true);
    check(
        "dead",
        &json!({"RedriveAllowPolicy": by_queue("arn:aws:sqs:eu-central-1:123456789012:no")}),
        false,
    );
    let eleven = json!({"redrivePermission": "byQueue", "sourceQueueArns": vec![jobs; 11]});
    assert!(one("dead", &json!({})).set("dead", &json!({"RedriveAllowPolicy": eleven.to_string()})).is_err());
    assert!(one("dead", &json!({})).queue("jobs", &redrive("dead", 1_001)).is_err());
}

#[tokio::test]
async fn a_letter_lies_in_a_queue_as_a_test_says() {
    let queues = one("dead", &json!({}));
    let letter = Letter {
        id: Some("id-1".to_owned()),
        receives: 4,
        source: Some(queues.arn("jobs")),
        trace: Some("Root=1-2-3".to_owned()),
        group: Some("tenant".to_owned()),
        ..Letter::new("one").with("RequestID", "String", "r-1")
    };
    queues.put("dead", letter).unwrap();
    let scene = scene(queues).await;
    let got = scene.receive("dead").await;
    assert_eq!(got[0].message_id(), Some("id-1"));
    assert_eq!(system(&got[0], &System::ApproximateReceiveCount), Some("5"));
    assert_eq!(system(&got[0], &System::AwsTraceHeader), Some("Root=1-2-3"));
    assert_eq!(system(&got[0], &System::MessageGroupId), Some("tenant"));
    assert_eq!(got[0].message_attributes().unwrap()["RequestID"].string_value(), Some("r-1"));
}
