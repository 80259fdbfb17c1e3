use std::borrow::Cow;

use aws_sdk_sqs::types::MessageAttributeValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Flavour, Origin, Payload};
use crate::letter::Letter;

fn letter(body: &str, attributes: &[(&str, &str)]) -> Letter {
    let value =
        |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap();
    Letter {
        body: body.to_owned(),
        attributes: attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect(),
        ..Letter::default()
    }
}

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:orders";

fn destination(response: &Value) -> Letter {
    let body = json!({
        "version": "1.0",
        "timestamp": "2026-11-26T07:24:27.123Z",
        "requestContext": {"requestId": "r", "functionArn": format!("{FUNCTION}:$LATEST"),
            "condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": {"order": 17, "deep": [[["x"]]]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": response,
    });
    letter(&body.to_string(), &[])
}

#[test]
fn each_flavour_is_known_by_its_fingerprint() {
    let envelope = json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-central-1:1:orders",
        "Message": "{}", "Timestamp": "2026-11-26T07:24:27.123Z"});
    let record = json!({"version": "1", "busArn": "arn:bus", "subscriberArn": "arn:sub", "targetArn": "arn:target",
        "errorCode": "THROTTLING", "errorMessage": "slow down", "exhaustedRetryCondition": "MaximumRetryAttempts",
        "retryAttempts": 5, "failedMessages": [{"eventId": "1", "timestamp": "2026-11-26T07:24:27Z"}]});
    let stream = json!({"requestContext": {"functionArn": FUNCTION, "condition": "RetryAttemptsExhausted"},
        "responseContext": {}, "version": "1.0", "timestamp": "2026-11-26T07:24:27.123Z",
        "KinesisBatchInfo": {"shardId": "s", "startSequenceNumber": "1"}});
    let target = [
        ("RULE_ARN", "arn:rule"),
        ("TARGET_ARN", "arn:target"),
        ("ERROR_CODE", "NO_PERMISSIONS"),
        ("ERROR_MESSAGE", "no"),
        ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
        ("RETRY_ATTEMPTS", "2"),
    ];
    let config = [("RequestID", "r"), ("ErrorCode", "200"), ("ErrorMessage", "order 17 not found")];
    let notice = [("channel", "ops"), ("error", "invalid_blocks"), ("incident", "i"), ("revision", "1")];
    let payload = json!({"order": 17, "deep": [[["x"]]]}).to_string();
    let cases = [
        (letter("{\"a\": 1}", &target), Flavour::Target, "arn:target", "NO_PERMISSIONS", Payload::Body),
        (letter("{\"a\": 1}", &config), Flavour::FunctionConfig, "", "200", Payload::Body),
        (letter("{\"a\": 1}", &notice), Flavour::Notice, "ops", "", Payload::Body),
        (
            letter(&envelope.to_string(), &[]),
            Flavour::Subscription,
            "arn:aws:sns:eu-central-1:1:orders",
            "",
            Payload::Body,
        ),
        (letter(&record.to_string(), &[]), Flavour::BusRecord, "arn:target", "THROTTLING", Payload::None),
        (letter(&stream.to_string(), &[]), Flavour::Stream, FUNCTION, "", Payload::None),
        (
            destination(&json!({"errorType": "TypeError", "errorMessage": "no"})),
            Flavour::FunctionDestination,
            "arn:aws:lambda:eu-central-1:123456789012:function:orders:$LATEST",
            "TypeError",
            Payload::Part(&payload),
        ),
        (letter("{\"a\": 1}", &[]), Flavour::Unknown, "", "", Payload::Body),
        (letter("not json", &[]), Flavour::Unknown, "", "", Payload::Body),
        (letter("", &[]), Flavour::Unknown, "", "", Payload::Body),
        (letter("[1, 2]", &[]), Flavour::Unknown, "", "", Payload::Body),
        (letter("{\"requestContext\": 7, \"busArn\": null}", &[]), Flavour::Unknown, "", "", Payload::Body),
    ];
    for (letter, flavour, of, kind, payload) in cases {
        let origin = Origin::of(&letter);
        assert_eq!(
            (origin.flavour, origin.of.as_ref(), origin.kind.as_ref()),
            (flavour, of, kind),
            "{letter:?}"
        );
        assert_eq!(origin.payload, payload, "{letter:?}");
    }
}

#[test]
fn a_queue_takes_its_letter_back_as_it_is_whatever_is_written_on_it() {
    let mut of_queue = destination(&json!({"errorType": "TypeError", "errorMessage": "no"}));
    of_queue.source = Some("arn:aws:sqs:eu-central-1:1:orders".to_owned());
    let origin = Origin::of(&of_queue);
    assert_eq!((origin.flavour, origin.payload), (Flavour::Queue, Payload::Body));
    assert_eq!(
        (origin.of.as_ref(), origin.kind.as_ref()),
        ("arn:aws:sqs:eu-central-1:1:orders", "TypeError")
    );
}

#[test]
fn the_frame_is_the_applications_own() {
    let cases = [
        (
            json!([
                "TypeError: no",
                "    at f (/var/task/node_modules/x/i.js:1:2)",
                "    at Runtime.handler (/var/task/index.js:10:5)",
                "    at g (/var/task/b.js:3:4)"
            ]),
            "at Runtime.handler (/var/task/index.js:10:5)",
        ),
        (
            json!([
                "  File \"/var/task/app.py\", line 5, in handler\n    work()\n",
                "  File \"/var/task/work.py\", line 9, in work\n",
                "  File \"/opt/python/x.py\", line 1, in y\n"
            ]),
            "File \"/var/task/work.py\", line 9, in work",
        ),
        (
            json!(["java.util.ArrayList.get(ArrayList.java:1)", "com.acme.Orders.find(Orders.java:12)"]),
            "com.acme.Orders.find(Orders.java:12)",
        ),
        (json!("TypeError: no\n    at f (/var/task/index.js:1:2)"), "at f (/var/task/index.js:1:2)"),
        (json!([{"path": "x", "line": 1}]), ""),
        (json!([["a"], null, 7]), ""),
        (json!({"a": 1}), ""),
        (json!(null), ""),
    ];
    for (stack, expected) in cases {
        let letter = destination(&json!({"errorType": "E", "errorMessage": "m", "stackTrace": stack}));
        assert_eq!(Origin::of(&letter).frame, expected, "{stack}");
    }
}

#[test]
fn where_no_error_is_known_the_kind_of_message_tells_apart() {
    let cases = [
        (r#"{"type": "order.paid", "id": 17, "at": "2026"}"#, "type=order.paid"),
        (
            r#"{"detail-type": "Order", "source": "shop", "detail": {"type": "x"}}"#,
            "detail-type=Order source=shop",
        ),
        (r#"{"id": 17, "amount": {"currency": "EUR"}}"#, "amount id"),
        (r#"{"amount": 1, "id": 2}"#, "amount id"),
        ("plain", "text"),
        ("{broken", "text"),
    ];
    for (body, expected) in cases {
        assert_eq!(Origin::of(&letter(body, &[])).shape, expected, "{body}");
    }
}

#[test]
fn a_body_of_any_depth_and_size_is_read_without_harm() {
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Origin::of(&letter(&deep, &[])).shape, "a");
    let wide = format!("{{{}}}", (0..50_000).map(|n| format!("\"n{n}\": 1")).collect::<Vec<_>>().join(","));
    assert!(Origin::of(&letter(&wide, &[])).shape.len() < 300);
    let deep_context =
        format!("{{\"requestContext\": {}}}", "{\"a\":".repeat(50_000) + "1" + &"}".repeat(50_000));
    assert_eq!(Origin::of(&letter(&deep_context, &[])).flavour, Flavour::Unknown);
}

proptest! {
    #[test]
    fn no_body_is_too_hostile(body in "\\PC{0,300}") {
        let letter = letter(&body, &[]);
        let _ = Origin::of(&letter);
    }

    #[test]
    fn what_comes_after_the_fingerprint_does_not_matter(extra in "[a-z]{1,8}", value in 0i64..) {
        let body = json!({"Type": "Notification", "TopicArn": "t", extra: value});
        let letter = letter(&body.to_string(), &[]);
        prop_assert_eq!(Origin::of(&letter).of, Cow::Borrowed("t"));
    }
}
