use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cases::{NEW, SECRET};

/// What was read, in words.
fn said(event: &Value) -> String {
    match parse(event) {
        Ok(Arrived::Nothing(why)) => format!("nothing: {why}"),
        Ok(Arrived::Moved(Moved { secret, label, version, at })) => {
            format!("{secret}: {label} to {} by {at}", version.as_deref().unwrap_or("?"))
        }
        Ok(Arrived::Broken(Broken { secret, how, at })) => format!("{secret}: {how:?} by {at}"),
        Ok(Arrived::Work(records)) => format!("{} messages", records.len()),
        Ok(Arrived::Sweep) => "sweep".to_owned(),
        Ok(Arrived::Uses { secret }) => format!("uses {secret}"),
        Ok(Arrived::Redeploy(request)) => format!("{request:?}"),
        Ok(Arrived::RedeployOne(request)) => format!("{request:?}"),
        Err(error) => error.chain(),
    }
}

#[track_caller]
fn check(event: &Value, expected: &str) {
    assert_eq!(said(event), expected, "{event}");
}

fn moved_label() -> Value {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Secret Label Updated",
        "source": "aws.secretsmanager", "account": "123456789012", "time": "2026-11-20T03:00:00Z",
        "region": "eu-west-1", "resources": [SECRET],
        "detail": {"name": "prod/db", "labelUpdated": "AWSCURRENT", "versionId": NEW},
    })
}

fn rotated(detail: Value) -> Value {
    let mut event = json!({
        "detail-type": "AWS Service Event via CloudTrail", "source": "aws.secretsmanager", "resources": [],
        "time": "2026-11-20T03:00:00Z",
        "detail": {
            "eventVersion": "1.08", "userIdentity": {"invokedBy": "secretsmanager.amazonaws.com"},
            "eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationSucceeded",
            "requestParameters": null, "responseElements": null, "eventType": "AwsServiceEvent",
        },
    });
    let Value::Object(detail) = detail else { panic!("an object") };
    event["detail"].as_object_mut().unwrap().extend(detail);
    event
}

/// The event with this member set; a path as in RFC 6901.
fn with(mut event: Value, path: &str, value: Value) -> Value {
    *event.pointer_mut(path).unwrap() = value;
    event
}

#[test]
fn a_label_that_moved_is_read_and_its_whole_second_counts_to_its_end() {
    check(&moved_label(), &format!("{SECRET}: AWSCURRENT to {NEW} by 2026-11-20T03:00:01Z"));
    check(
        &with(moved_label(), "/time", json!("2026-11-20T03:00:00.250Z")),
        &format!("{SECRET}: AWSCURRENT to {NEW} by 2026-11-20T03:00:00.25Z"),
    );
    check(
        &with(moved_label(), "/detail/labelUpdated", json!("BLUE")),
        &format!("{SECRET}: BLUE to {NEW} by 2026-11-20T03:00:01Z"),
    );
    check(
        &with(moved_label(), "/detail/versionId", Value::Null),
        &format!("{SECRET}: AWSCURRENT to ? by 2026-11-20T03:00:01Z"),
    );
    check(
        &with(moved_label(), "/resources", json!([])),
        &format!("prod/db: AWSCURRENT to {NEW} by 2026-11-20T03:00:01Z"),
    );
}

#[test]
fn what_a_label_lacks_is_named() {
    let lacks = |what: &str| format!("the event is not understood: a label that moved lacks {what}");
    check(&with(moved_label(), "/detail/labelUpdated", json!("")), &lacks("its name (labelUpdated)"));
    let nameless = with(with(moved_label(), "/resources", json!([])), "/detail/name", json!(7));
    check(&nameless, &lacks("its secret"));
    check(&with(moved_label(), "/time", json!("yesterday")), &lacks("its time"));
}

#[test]
fn a_write_of_awspending_and_any_call_lead_to_nothing() {
    check(
        &with(moved_label(), "/detail/labelUpdated", json!("AWSPENDING")),
        "nothing: AWSPENDING is no label that applications read",
    );
    for name in ["PutSecretValue", "UpdateSecret", "RotateSecret", "UpdateSecretVersionStage"] {
        let call = json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.secretsmanager",
            "time": "2026-11-20T03:00:00Z", "resources": [SECRET], "detail": {"eventName": name}});
        check(&call, "nothing: a call was made; whether it moved a label, the label's own event says");
    }
    for name in ["RotationStarted", "TestRotationSucceeded", "EndSecretVersionDelete", "NeverHeardOf"] {
        let event = rotated(json!({"eventName": name, "additionalEventData": {"SecretId": SECRET}}));
        check(&event, "nothing: nothing follows from this event of a secret");
    }
}

#[test]
fn the_secret_that_was_rotated_is_found_in_all_its_places_the_surest_first() {
    let expected = format!("{SECRET}: AWSCURRENT to ? by 2026-11-20T03:00:01Z");
    check(&with(rotated(json!({})), "/resources", json!([SECRET])), &expected);
    for detail in [
        json!({"additionalEventData": {"SecretId": SECRET}}),
        json!({"serviceEventDetails": {"secretId": SECRET}}),
        json!({"responseElements": {"arn": SECRET}}),
        json!({"responseElements": {"aRN": SECRET}}),
        json!({"responseElements": {"ARN": SECRET}}),
        json!({"requestParameters": {"secretId": SECRET}}),
        json!({"additionalEventData": {"SecretId": ""}, "serviceEventDetails": {"secretId": SECRET}}),
        json!({"additionalEventData": {"SecretId": SECRET}, "requestParameters": {"secretId": "prod/other"}}),
    ] {
        check(&rotated(detail), &expected);
    }
    check(&rotated(json!({})), "nothing: the event does not say which secret it is about");
    let unnamed = with(rotated(json!({})), "/detail/eventName", Value::Null);
    check(&unnamed, "the event is not understood: an event of a rotation lacks its name");
}

#[test]
fn the_version_that_was_rotated_in_stands_in_the_requests_id() {
    let of = |id: String| rotated(json!({"additionalEventData": {"SecretId": SECRET}, "requestID": id}));
    let to = |version: &str| format!("{SECRET}: AWSCURRENT to {version} by 2026-11-20T03:00:01Z");
    check(&of(format!("Rotation-{SECRET}-{NEW}")), &to(NEW));
    check(&of(format!("Rotation-{SECRET}x-{NEW}")), &to("?"));
    check(&of(format!("Rotation-{SECRET}-short")), &to("?"));
    check(&of(NEW.to_owned()), &to("?"));
}

#[test]
fn the_time_of_cloudtrail_serves_where_the_events_own_is_missing() {
    let event =
        rotated(json!({"serviceEventDetails": {"secretId": SECRET}, "eventTime": "2026-11-20T02:59:58Z"}));
    check(&with(event, "/time", Value::Null), &format!("{SECRET}: AWSCURRENT to ? by 2026-11-20T02:59:59Z"));
}

#[test]
fn a_rotation_that_did_not_end_is_read_with_how() {
    let of = |name: &str| rotated(json!({"eventName": name, "additionalEventData": {"SecretId": SECRET}}));
    check(&of("RotationFailed"), &format!("{SECRET}: Failed by 2026-11-20T03:00:01Z"));
    check(&of("RotationAbandoned"), &format!("{SECRET}: Abandoned by 2026-11-20T03:00:01Z"));
}

#[test]
fn messages_the_schedule_and_requests_are_told_apart() {
    check(&json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}), "1 messages");
    check(&json!({"sweep": "secrets"}), "sweep");
    check(&json!({"uses": {"secret": " prod/db "}}), "uses prod/db");
    check(
        &json!({"redeploy": {"secret": " prod/db"}}),
        "Request { secret: \"prod/db\", dry_run: true, confirm: None, by: None, even_if_fresh: false }",
    );
    check(
        &json!({"redeploy": {"secret": "a", "dry_run": false, "confirm": "REDEPLOY", "by": "ann", "even_if_fresh": true}}),
        "Request { secret: \"a\", dry_run: false, confirm: Some(\"REDEPLOY\"), by: Some(\"ann\"), even_if_fresh: true }",
    );
}

#[test]
fn a_request_that_is_not_understood_says_what_to_write() {
    let prefix = "the event is not understood: ";
    let uses = format!("{prefix}write {{\"uses\": {{\"secret\": \"<name or ARN>\"}}}}");
    check(&json!({"uses": "prod/db"}), &uses);
    check(&json!({"uses": {"secret": " "}}), &uses);
    check(&json!({"uses": {"secret": 7}}), &uses);
    check(&json!({"sweep": true}), &format!("{prefix}a sweep is asked for as {{\"sweep\": \"secrets\"}}"));
    let redeploy =
        "a redeploy is asked for as {\"redeploy\": {\"secret\": \"<name or ARN>\", \"dry_run\": false}}";
    check(&json!({"redeploy": {}}), &format!("{prefix}{redeploy}: missing field `secret`"));
    let typo = said(&json!({"redeploy": {"secret": "a", "dryrun": false}}));
    assert!(typo.starts_with(&format!("{prefix}{redeploy}: unknown field `dryrun`, expected ")), "{typo}");
    check(&json!({"redeploy": {"secret": ""}}), &format!("{prefix}the redeploy names no secret"));
}

#[test]
fn what_is_nothing_known_is_refused_in_words() {
    let unknown = "the event is not understood: it is neither an event of a secret, nor a message, a sweep or a request";
    for event in [json!(null), json!([]), json!("x"), json!({}), json!({"detail-type": 7})] {
        check(&event, unknown);
    }
    check(
        &json!({"detail-type": "AWS Secrets Manager Secret Label Updated", "detail": {"AddedLabels": []}}),
        "the event is not understood: its detail-type is \"AWS Secrets Manager Secret Label Updated\"",
    );
    let long = said(&json!({"detail-type": "x".repeat(100_000)}));
    assert!(long.len() < 200, "{}", long.len());
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "detail",
        "detail-type",
        "resources",
        "time",
        "Records",
        "sweep",
        "uses",
        "redeploy",
        "secret",
        "eventName",
        "labelUpdated",
        "requestID",
        "additionalEventData",
        "SecretId",
    ];
    let texts = [
        "Secret Label Updated",
        "AWS Service Event via CloudTrail",
        "RotationSucceeded",
        "RotationFailed",
        SECRET,
        "secrets",
        "2026-11-20T03:00:00Z",
        "9999-12-31T23:59:59Z",
        "Rotation-",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let key = prop_oneof![prop::sample::select(words.to_vec()).prop_map(ToOwned::to_owned), ".*"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_arrives_is_read_or_refused(event in any_json()) {
        let text = said(&event);
        prop_assert!(!text.is_empty());
    }

    #[test]
    fn whatever_stands_in_a_place_of_a_real_event_is_read_or_refused(value in any_json(), place in 0_usize..7) {
        let places = ["/time", "/resources", "/detail", "/detail/labelUpdated", "/detail/versionId", "/detail/name", "/detail-type"];
        let text = said(&with(moved_label(), places[place], value));
        prop_assert!(!text.is_empty());
    }
}
