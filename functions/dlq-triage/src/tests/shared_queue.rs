//! One dead-letter queue for many: each letter is known for what it is, and goes only where it came from.

use std::collections::{BTreeMap, BTreeSet};

use local::recorded::{Letter, Queues};
use serde_json::{Value, json};
use shared::tags::ENVIRONMENT;

use super::account::{Subscription, function, topic};
use super::world::{World, fact, fifo, nothing, redrive};
use crate::letter::REDRIVEN;

fn two_in_order() -> Queues {
    let mut queues = nothing().queue("shared-dlq.fifo", &fifo(json!({}))).unwrap();
    for source in ["orders.fifo", "refunds.fifo"] {
        queues = queues.queue(source, &fifo(redrive("shared-dlq.fifo", 2))).unwrap();
    }
    queues.tag("shared-dlq.fifo", &[(ENVIRONMENT, "prod")]).unwrap();
    queues
}

#[tokio::test]
async fn letters_of_two_fifo_queues_go_each_to_its_own_in_order_and_under_fresh_ids() {
    let world = World::of(two_in_order()).await;
    world.account.policy(
        "dlq: {redrive: {canary: 100, per_second: 1000}, rules: [{name: all, body: '.', verdict: transient}]}",
    );
    let mut ids = BTreeSet::new();
    for number in 0..40 {
        let source = if number % 2 == 0 { "orders.fifo" } else { "refunds.fifo" };
        let letter =
            Letter { group: Some(format!("g-{}", number % 6)), ..Letter::new(format!("{number:02}")) };
        ids.insert(world.put(
            "shared-dlq.fifo",
            Letter { source: Some(world.queues.arn(source)), receives: 2, ..letter },
        ));
    }
    // Of so many, a look does not see all, so that a person has to ask.
    let _ = world.sweep().await;
    assert_eq!(world.held("shared-dlq.fifo").len(), 40);
    world.ask(&json!({"redrive": {"queue": "shared-dlq.fifo", "everything": true, "by": "ann"}})).await;
    assert_eq!(world.held("shared-dlq.fifo"), []);
    for (source, remainder) in [("orders.fifo", 0), ("refunds.fifo", 1)] {
        let held = world.held(source);
        assert_eq!(held.len(), 20);
        let mut by_group: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for held in &held {
            let number: usize = held.body.parse().unwrap();
            assert_eq!(
                (number % 2, held.group.clone()),
                (remainder, Some(format!("g-{}", number % 6))),
                "{source}"
            );
            let dedup = held.dedup.clone().unwrap();
            assert!(
                !ids.contains(&dedup) && !dedup.is_empty(),
                "{dedup}: as SQS made it when it moved the letter"
            );
            by_group.entry(held.group.clone().unwrap()).or_default().push(held.body.clone());
        }
        for (group, bodies) in by_group {
            assert!(bodies.is_sorted(), "{group}: {bodies:?}");
        }
    }
    assert_eq!(world.queues.calls("sqs:StartMessageMoveTask"), 0);
}

#[tokio::test]
async fn in_a_fifo_queue_nothing_overtakes_what_stays() {
    let world = World::of(two_in_order()).await;
    world.account.policy(
        "dlq: {redrive: {canary: 100}, rules: [{name: bad, body: 'bad', verdict: poison}, {name: all, body: '.', verdict: transient}]}",
    );
    for (group, body) in [("a", "1"), ("a", "2"), ("a", "3 bad"), ("a", "4"), ("b", "5"), ("b", "6")] {
        let source = Some(world.queues.arn("orders.fifo"));
        world.put(
            "shared-dlq.fifo",
            Letter { source, group: Some(group.to_owned()), receives: 2, ..Letter::new(body) },
        );
    }
    let _ = world.sweep().await;
    assert_eq!(world.bodies("orders.fifo"), ["1", "2", "5", "6"]);
    assert_eq!(world.bodies("shared-dlq.fifo"), ["3 bad", "4"]);
}

/// What Lambda writes of a function that failed.
fn destination(message: &str) -> Value {
    json!({
        "version": "1.0", "timestamp": "2026-11-20T10:00:00.000Z",
        "requestContext": {"requestId": "r", "functionArn": format!("{}:$LATEST", function("mail")),
            "condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": {"to": "ann", "nested": {"n": 1.50}},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "Sandbox.Timedout", "errorMessage": message},
    })
}

/// A standard queue to which everything sends its dead letters.
async fn mixed() -> World {
    let queues = nothing().queue("mixed-dlq", &json!({})).unwrap();
    let queues = queues.queue("orders", &redrive("mixed-dlq", 2)).unwrap();
    queues.tag("mixed-dlq", &[(ENVIRONMENT, "prod")]).unwrap();
    let world = World::of(queues).await;
    let dead = world.queues.arn("mixed-dlq");
    {
        let mut account = world.account.state();
        account.functions = vec![("mail", None), ("image", Some(dead.clone())), ("shop", None)];
        account.destinations = vec![("mail", dead.clone())];
        account.subscriptions = vec![Subscription {
            topic: "placed",
            protocol: "lambda",
            endpoint: function("shop"),
            dead: dead.clone(),
            raw: false,
        }];
        account.targets =
            vec![json!({"Id": "1", "Arn": function("audit"), "DeadLetterConfig": {"Arn": dead}})];
    }
    let put = |letter: Letter| world.put("mixed-dlq", letter);
    put(Letter::new(destination("Task timed out after 3.00 seconds").to_string()));
    put(Letter::new(r#"{"image": 1}"#)
        .with("RequestID", "String", "r")
        .with("ErrorCode", "Number", "429")
        .with("ErrorMessage", "String", "Rate exceeded"));
    put(Letter::new(r#"{"detail-type": "placed", "detail": {}}"#)
        .with("RULE_ARN", "String", "arn:aws:events:eu-central-1:123456789012:rule/placed")
        .with("TARGET_ARN", "String", &function("audit"))
        .with("ERROR_CODE", "String", "THROTTLING")
        .with("ERROR_MESSAGE", "String", "Rate exceeded"));
    let envelope =
        json!({"Type": "Notification", "MessageId": "n", "TopicArn": topic("placed"), "Message": "hello"});
    put(Letter::new(envelope.to_string()));
    let record = json!({"version": "2", "busArn": "arn:aws:events:eu-central-1:123456789012:event-bus/shop",
        "targetArn": function("audit"), "errorCode": "THROTTLING", "errorMessage": "Rate exceeded",
        "exhaustedRetryCondition": "MaximumRetryAttempts", "retryAttempts": 5,
        "failedMessages": [{"eventId": "e-1", "timestamp": "2026-11-20T10:00:00Z"}, {"eventId": "e-2"}]});
    put(Letter::new(record.to_string()));
    put(Letter::new(
        json!({"requestContext": {"functionArn": function("reader"), "condition": "RetryAttemptsExhausted"},
        "KinesisBatchInfo": {"shardId": "s"}})
        .to_string(),
    ));
    put(Letter {
        source: Some(world.queues.arn("orders")),
        receives: 2,
        ..Letter::new(r#"{"type": "order"}"#)
    });
    put(Letter::new("nobody knows"));
    world
}

#[tokio::test]
async fn each_letter_is_known_by_its_fingerprint() {
    let world = mixed().await;
    let groups = world.ask(&json!({"groups": {"queue": "mixed-dlq"}})).await;
    let groups: BTreeMap<String, (String, String)> = groups["groups"]
        .as_object()
        .unwrap()
        .values()
        .map(|group| {
            let text = |name: &str| group[name].as_str().unwrap_or_default().to_owned();
            (text("flavour"), (text("verdict"), text("no_way")))
        })
        .collect();
    for (flavour, verdict, no_way) in [
        ("function_destination", "transient", ""),
        ("function_config", "transient", ""),
        ("target", "transient", ""),
        ("subscription", "unknown", ""),
        ("bus_record", "transient", "holds none of them"),
        ("stream", "unknown", "points to records of a stream"),
        ("queue", "unknown", ""),
        ("unknown", "unknown", "there is no source that sends letters such as this"),
    ] {
        let (said, why) = &groups[flavour];
        assert!(
            said == verdict && why.contains(no_way) && why.is_empty() == no_way.is_empty(),
            "{flavour}: {groups:?}"
        );
    }
    assert_eq!(groups.len(), 8);
}

#[tokio::test]
async fn what_passes_goes_to_whoever_gave_it_up_and_a_record_of_events_goes_nowhere() {
    let world = mixed().await;
    let _ = world.sweep().await;
    let invoked: BTreeMap<String, Value> =
        std::mem::take(&mut world.account.state().invoked).into_iter().collect();
    assert_eq!(
        invoked.keys().collect::<Vec<_>>(),
        [&function("audit"), &function("image"), &format!("{}:$LATEST", function("mail"))]
    );
    assert_eq!(
        invoked[&format!("{}:$LATEST", function("mail"))],
        json!({"to": "ann", "nested": {"n": 1.50}}),
        "the payload alone"
    );
    assert_eq!(invoked[&function("image")], json!({"image": 1}));
    assert_eq!(invoked[&function("audit")]["detail-type"], "placed");
    assert_eq!(world.held("mixed-dlq").len(), 5);
    assert_eq!((world.held("orders"), world.queues.calls("sqs:StartMessageMoveTask")), (vec![], 0));

    let told = world.notices();
    assert_eq!(told.len(), 8);
    let record = told
        .iter()
        .find(|notice| {
            notice.title.contains("THROTTLING")
                && notice.labels["verdict"] == "transient"
                && notice.next_steps.iter().any(|step| step.contains("holds none of them"))
        })
        .unwrap();
    assert!(!record.next_steps.iter().any(|step| step.contains("\"redrive\"")), "{:?}", record.next_steps);
    assert_eq!(fact(record, "Given up by"), function("audit"));
}

#[tokio::test]
async fn asked_for_all_of_it_goes_what_has_a_way() {
    let world = mixed().await;
    let answer =
        world.ask(&json!({"redrive": {"queue": "mixed-dlq", "everything": true, "by": "ann"}})).await;
    let invoked: BTreeMap<String, Value> =
        std::mem::take(&mut world.account.state().invoked).into_iter().collect();
    assert_eq!(invoked.len(), 4, "{answer}");
    let record = &invoked[&function("shop")]["Records"][0];
    assert_eq!(
        (&record["EventSource"], &record["Sns"]["Message"]),
        (&json!("aws:sns"), &json!("hello")),
        "as SNS hands it over"
    );
    assert_eq!(record["EventSubscriptionArn"], format!("{}:s", topic("placed")));
    assert_eq!(world.bodies("orders"), [r#"{"type": "order"}"#]);
    assert!(world.held("orders")[0].attributes.contains_key(REDRIVEN));
    assert_eq!(
        world.held("mixed-dlq").len(),
        3,
        "a record of events, one of a stream, and what nobody knows"
    );
}
