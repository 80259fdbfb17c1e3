//! Whatever arrives becomes a notice that can be written down and shown.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::gather;
use super::{event, now};
use crate::queue;

const NAMES: &[&str] = &[
    "schema",
    "id",
    "status",
    "service",
    "health",
    "time",
    "workflow",
    "source",
    "detail-type",
    "detail",
    "region",
    "resources",
    "state",
    "severity",
    "title",
    "findings",
    "Severity",
    "Label",
    "Id",
    "Title",
    "eventName",
    "eventType",
    "eventTypeCode",
    "eventTypeCategory",
    "statusCode",
    "eventDescription",
    "affectedEntities",
    "jobName",
    "lastStatus",
    "containers",
    "exitCode",
    "Event Source",
    "Event Message",
    "Source ID",
    "Message",
    "EventCategories",
    "Records",
    "Sns",
    "Type",
    "TopicArn",
    "tags",
    "incident",
    "facts",
    "deployment",
];

const TEXTS: &[&str] = &[
    "watchkeeper.deployment/1",
    "watchkeeper.deployment/2",
    "watchkeeper.notice/1",
    "aws.health",
    "aws.ecs",
    "aws.rds",
    "aws.dms",
    "aws.glue",
    "aws.backup",
    "aws.guardduty",
    "aws.securityhub",
    "aws.cloudformation",
    "aws.codedeploy",
    "ECS Task State Change",
    "ECS Service Action",
    "ECS Deployment State Change",
    "GuardDuty Finding",
    "Security Hub Findings - Imported",
    "Glue Job State Change",
    "Backup Job State Change",
    "Notification",
    "FAILED",
    "begun",
    "rolled_back",
    "arn:aws:ecs:eu-central-1:1:service/prod/web",
    "arn:aws",
    "arn:::::",
    ":stack/",
    "9999-12-31T23:59:59Z",
    "-009999-01-01T00:00:00Z",
    "\u{202e}<!channel>",
    "eu-central-1",
    "StackId='a:stack/b'\nResourceType='x'\nLogicalResourceId='y'\nResourceStatus='z'",
    "AWS Budget Notification\nBudget Name: x",
    "An AWS Backup job failed. Resource ARN :",
];

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(TEXTS).prop_map(ToOwned::to_owned),
        2 => any::<String>(),
        1 => (1_usize..30_000).prop_map(|length| "\u{1}é".repeat(length)),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 12, |inner| {
        let name = prop_oneof![6 => prop::sample::select(NAMES).prop_map(ToOwned::to_owned), 1 => any_text()];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            4 => prop::collection::vec((name, inner), 0..12)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The content of one of our samples, in which anything stands in place of one value.
fn any_sample() -> impl Strategy<Value = Value> {
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/notification-fanout")).unwrap();
    let mut samples: Vec<Value> = files
        .map(|file| event(file.unwrap().path().file_stem().unwrap().to_str().unwrap()))
        .flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default())
        .filter_map(|record| serde_json::from_str::<Value>(record["body"].as_str()?).ok())
        .map(|body| match body.get("Message").and_then(Value::as_str) {
            Some(message) => serde_json::from_str(message).unwrap_or_else(|_| json!(message)),
            None => body,
        })
        .collect();
    samples.sort_by_key(ToString::to_string);
    (prop::sample::select(samples), any::<prop::sample::Index>(), any_json()).prop_map(
        |(mut sample, place, other)| {
            let mut places = Vec::new();
            pointers(&sample, "", &mut places);
            if let Some(value) = sample.pointer_mut(place.get::<String>(&places)) {
                *value = other;
            }
            sample
        },
    )
}

fn pointers(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{name}"), places);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn any_body() -> impl Strategy<Value = String> {
    let wrapped = |inner: String| {
        json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": inner})
            .to_string()
    };
    let content = prop_oneof![
        any_json().prop_map(|json| json.to_string()),
        any_sample().prop_map(|json| json.to_string()),
        any_text(),
    ];
    prop_oneof![
        content.clone(),
        content.clone().prop_map(wrapped),
        content.prop_map(wrapped).prop_map(wrapped)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_body_is_a_notice_of_bounded_size(bodies in prop::collection::vec(any_body(), 1..4)) {
        let records: Vec<_> = bodies.iter().enumerate().map(|(index, body)| json!({"messageId": index.to_string(), "body": body})).collect();
        let records = queue::read(&json!({"Records": records})).unwrap();
        let gathered = gather(&records, "dev", now());
        for record in &records {
            prop_assert!(gathered.iter().any(|work| work.records.iter().any(|held| held.id == record.id)));
        }
        for work in &gathered {
            let notice = &work.notice;
            prop_assert!(serde_json::to_string(notice).unwrap().len() <= 250_000);
            prop_assert!(!notice.incident.is_empty() && notice.incident.len() <= 1_000);
        }
        let again = gather(&records, "dev", now());
        prop_assert!(gathered == again, "the same message is told otherwise");
    }
}
