//! Queues as SQS answers, and what mangles the answers of any API.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::check;
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::wire::{Call, Reply, Wire};

/// What a part of an answer becomes.
const WORDS: &[&str] = &["", "x", "\"", "null", "{", "<", "0", "]"];

/// The answer with a part of it cut out or replaced.
pub(in crate::observe) fn mangled(text: &str) -> impl Strategy<Value = String> + use<> {
    let text = text.to_owned();
    (0..text.len(), prop_oneof![1..12_usize, Just(usize::MAX / 2)], prop::sample::select(WORDS)).prop_map(
        move |(from, long, word)| {
            let to = (from + long).min(text.len());
            format!("{}{word}{}", &text[..from], &text[to..])
        },
    )
}

/// Runs what waits.
pub(in crate::observe) fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:eu-central-1:1:{name}")
}

fn queue(name: &str) -> Component {
    Component::at(&arn(name)).unwrap()
}

fn attributes(name: &str, change: &Value) -> Value {
    let mut attributes = json!({
        "QueueArn": arn(name),
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "MessageRetentionPeriod": "345600",
        "VisibilityTimeout": "30",
        "SqsManagedSseEnabled": "true",
        "RedrivePolicy": json!({"deadLetterTargetArn": arn("orders-dlq"), "maxReceiveCount": 5}).to_string(),
    });
    for (name, value) in change.as_object().unwrap() {
        attributes[name] = value.clone();
    }
    attributes.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!({"Attributes": attributes})
}

/// The queue that a call is about, by the end of its address.
fn about(call: &Call) -> String {
    let body: Value = serde_json::from_str(&call.body).unwrap();
    let name = body.get("QueueName").or_else(|| body.get("QueueUrl")).and_then(Value::as_str).unwrap();
    name.rsplit('/').next().unwrap().to_owned()
}

/// An SQS of these queues; the metrics have these values.
fn sqs(answer: impl Fn(&str) -> Reply + Send + Sync + 'static, metrics: Reply) -> Wire {
    Wire::new(move |call| match call.action.as_str() {
        "GetQueueUrl" => {
            let url = format!("https://sqs.eu-central-1.amazonaws.com/1/{}", about(call));
            Reply::ok(json!({"QueueUrl": url}))
        }
        "GetQueueAttributes" => answer(&about(call)),
        _ => metrics.clone(),
    })
}

async fn one(name: &str, kind: Kind, answer: Reply, metrics: Reply) -> Verdict {
    let wire = sqs(move |_| answer.clone(), metrics);
    let ask = wire.ask();
    check(&ask, &[queue(name)]).await;
    ask.verdict(kind, name).unwrap()
}

#[tokio::test]
async fn a_queue_is_read_as_sqs_answers_and_what_cannot_be_asked_is_unknown() {
    let of = |change: Value| Reply::ok(attributes("orders", &change));
    let gone = Reply::error(400, "com.amazonaws.sqs#QueueDoesNotExist");
    let cases = [
        (of(json!({})), None, Health::Healthy, "about 0 messages"),
        (of(json!({"ApproximateNumberOfMessages": "101"})), Some(5.0), Health::Degraded, "more than 100"),
        (of(json!({"ApproximateNumberOfMessages": "1"})), Some(960.0), Health::Degraded, "16 minutes"),
        (of(json!({"ApproximateNumberOfMessages": "1"})), None, Health::Unknown, "CloudWatch"),
        (
            of(json!({"ApproximateNumberOfMessagesNotVisible": "119999", "FifoQueue": "true"})),
            None,
            Health::Degraded,
            "gives no error",
        ),
        (of(json!({"RedrivePolicy": null})), None, Health::Degraded, "no dead-letter queue"),
        (of(json!({"RedrivePolicy": "{"})), None, Health::Unknown, "redrive policy"),
        (of(json!({"SqsManagedSseEnabled": "false"})), None, Health::Degraded, "not encrypted"),
        (of(json!({"SqsManagedSseEnabled": "false", "KmsMasterKeyId": "0a"})), None, Health::Healthy, ""),
        (Reply::ok(json!({})), None, Health::Unknown, "how many messages"),
        (gone, None, Health::Failed, "does not exist"),
        (
            Reply::error(400, "QueueDoesNotExist")
                .with("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
            None,
            Health::Failed,
            "does not exist",
        ),
        (
            Reply::error(403, "AccessDeniedException"),
            None,
            Health::Unknown,
            "sqs:GetQueueAttributes is denied",
        ),
        (Reply::error(400, "RequestThrottled"), None, Health::Unknown, "RequestThrottled"),
    ];
    for (answer, age, health, reason) in cases {
        let verdict = one("orders", Kind::Queue, answer, Reply::metrics(&[age])).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn letters_are_known_by_their_name_and_their_age_and_growth_by_the_metrics() {
    let of = |change: Value| Reply::ok(attributes("orders-dlq", &change));
    let three = json!({"ApproximateNumberOfMessages": "3", "RedrivePolicy": null});
    let cases = [
        (of(json!({"RedrivePolicy": null})), [None, None], Health::Healthy, "no letters"),
        (of(three.clone()), [Some(60.0), Some(3.0)], Health::Degraded, "about 3 letters"),
        (of(three.clone()), [Some(60.0), Some(1.0)], Health::Degraded, "2 more"),
        (of(three), [Some(300_000.0), Some(3.0)], Health::Failed, "lost in at most 12 hours"),
    ];
    for (answer, values, health, reason) in cases {
        let verdict = one("orders-dlq", Kind::Letters, answer, Reply::metrics(&values)).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn metrics_that_are_denied_hide_nothing_of_the_rest() {
    let denied = || Reply::error(403, "AccessDeniedException").with("smithy-protocol", "rpc-v2-cbor");
    let answer = |change: Value| Reply::ok(attributes("orders", &change));
    let verdict = one("orders", Kind::Queue, answer(json!({})), denied()).await;
    assert_eq!(verdict.health, Health::Unknown, "{verdict:?}");
    assert!(verdict.reason.starts_with("its metrics could not be checked"), "{verdict:?}");
    let full = answer(json!({"ApproximateNumberOfMessages": "101"}));
    let verdict = one("orders", Kind::Queue, full, denied()).await;
    assert_eq!(verdict.health, Health::Degraded, "{verdict:?}");
    assert!(verdict.reason.contains("its metrics could not be checked"), "{verdict:?}");
}

#[tokio::test]
async fn a_queue_that_another_names_is_one_for_dead_letters_and_one_that_fails_fails_alone() {
    let wire = sqs(
        |name| match name {
            "orders" => {
                let policy = json!({"deadLetterTargetArn": arn("failed"), "maxReceiveCount": 5}).to_string();
                Reply::ok(attributes("orders", &json!({"RedrivePolicy": policy, "KmsMasterKeyId": "0a1b"})))
            }
            "failed" => Reply::ok(attributes(
                "failed",
                &json!({"ApproximateNumberOfMessages": "2", "RedrivePolicy": null}),
            )),
            _ => Reply::error(403, "AccessDeniedException"),
        },
        // By id: the letters of `failed` with age and fewest, then the age of `orders`.
        Reply::metrics(&[Some(60.0), Some(2.0), Some(0.0)]),
    );
    let ask = wire.ask();
    check(&ask, &[queue("orders"), queue("failed"), queue("shut")]).await;
    assert_eq!(ask.verdict(Kind::Queue, "orders").unwrap().health, Health::Healthy);
    let letters = ask.verdict(Kind::Letters, "failed").unwrap();
    assert_eq!(letters.health, Health::Degraded);
    assert!(letters.reason.contains("no longer than orders does"), "{letters:?}");
    assert_eq!(ask.verdict(Kind::Queue, "failed"), None);
    assert_eq!(ask.verdict(Kind::Queue, "shut").unwrap().health, Health::Unknown);
    let said = ask.said();
    let needs: Vec<_> = said.get("sqs-queue:orders").unwrap().needs.iter().cloned().collect();
    assert_eq!(needs, ["kms-key:0a1b"]);
    let more: Vec<_> = ask.take_more().iter().map(Component::id).collect();
    assert_eq!(more, ["kms-key:0a1b", "dlq:failed"]);
    assert_eq!(wire.calls().iter().filter(|call| call.action == "GetMetricData").count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_queue_is_healthy_whose_count_is_mangled(
        body in mangled(&attributes("orders", &json!({})).to_string()),
    ) {
        let verdict = now(one("orders", Kind::Queue, Reply::ok(&body), Reply::metrics(&[None])));
        let whole = body.contains(r#""ApproximateNumberOfMessages":"0""#);
        prop_assert!(whole || verdict.health != Health::Healthy, "{body} {verdict:?}");
    }
}
