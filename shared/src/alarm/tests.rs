//! The corpus in `events/alarm-rollback` is the documented shapes: CloudWatch User Guide, "Invoke a Lambda function
//! from an alarm", "Alarm events and EventBridge", "Notifying users on alarm changes". A `PromQL` alarm's configuration
//! is not documented there and follows the names of the API's `EvaluationCriteria`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AlarmChange, State, Transport, from_message, parse};

const ALL: &[&str] = &["direct", "eventbridge", "sns"];
const NO_SNS: &[&str] = &["direct", "eventbridge"];
const EVENTBRIDGE: &[&str] = &["eventbridge"];
const SNS: &[&str] = &["sns"];

/// Every case, where it exists, and what each of its files says.
const CORPUS: &[(&str, &[&str], &str)] = &[
    ("metric", ALL, "web-cpu-high: OK -> ALARM, ecs prod/web"),
    ("metric-math", ALL, "web-error-rate: INSUFFICIENT_DATA -> ALARM, ecs prod/web"),
    ("anomaly-detection", ALL, "web-latency-anomaly: OK -> ALARM, ecs prod/web"),
    ("metrics-insights", ALL, "prod-services-hot: OK -> ALARM"),
    ("promql", ALL, "web-slow: OK -> ALARM"),
    ("one-day-period", ALL, "web-orders-per-day: OK -> ALARM, ecs prod/web"),
    ("no-dimensions", ALL, "checkout-failures: OK -> ALARM"),
    ("no-description", ALL, "web-cpu-high: OK -> ALARM, ecs prod/web, not described"),
    ("lambda-dimensions", ALL, "checkout-errors: OK -> ALARM"),
    ("load-balancer", ALL, "web-5xx: OK -> ALARM"),
    ("composite", ALL, "web-down: OK -> ALARM, composite"),
    ("composite-with-suppressor", NO_SNS, "web-down: OK -> ALARM, composite, not described"),
    ("composite-suppressed", EVENTBRIDGE, "web-down: OK -> ALARM, composite, muted, not described"),
    ("composite-released", NO_SNS, "web-down: ? -> ALARM, composite, not described"),
    ("composite-ok", ALL, "web-down: ALARM -> OK, composite"),
    ("ok", ALL, "web-cpu-high: ALARM -> OK, ecs prod/web"),
    ("insufficient-data", ALL, "web-cpu-high: OK -> INSUFFICIENT_DATA, ecs prod/web"),
    ("still-alarm", ALL, "web-cpu-high: ALARM -> ALARM, ecs prod/web"),
    ("no-previous-state", ALL, "web-cpu-high: ? -> ALARM, ecs prod/web"),
    ("set-alarm-state", ALL, "web-cpu-high: INSUFFICIENT_DATA -> ALARM, by hand, ecs prod/web"),
    ("muted", EVENTBRIDGE, "web-cpu-high: OK -> ALARM, muted, ecs prod/web"),
    ("alarm-tags", EVENTBRIDGE, "web-5xx: OK -> ALARM"),
    ("no-alarm-arn", SNS, "web-cpu-high: OK -> ALARM, ecs prod/web"),
    ("two-records", SNS, "web-cpu-high: OK -> ALARM, ecs prod/web; web-5xx: OK -> ALARM"),
];

/// Every alarm of the corpus by its file's name, without the extension. What else arrives there is not read here.
static FILES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/alarm-rollback");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let event = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), event)
    };
    let is_alarm = |(name, _): &(String, Value)| ALL.iter().any(|by| name.starts_with(&format!("{by}-")));
    fs::read_dir(folder).unwrap().map(read).filter(is_alarm).collect()
});

fn describe(change: &AlarmChange) -> String {
    let previous = change.previous.map_or("?", State::as_str);
    let mut parts = vec![format!("{}: {previous} -> {}", change.name, change.state.as_str())];
    parts.extend(change.composite.then(|| "composite".to_owned()));
    parts.extend(change.muted.then(|| "muted".to_owned()));
    parts.extend(change.set_by_hand().then(|| "by hand".to_owned()));
    let services = change.dimension_pairs("ClusterName", "ServiceName").into_iter();
    parts.extend(services.map(|(cluster, service)| format!("ecs {cluster}/{service}")));
    parts.extend(change.description.is_none().then(|| "not described".to_owned()));
    parts.join(", ")
}

#[test]
fn every_file_of_the_corpus_says_what_its_case_says() {
    for (file, event) in &*FILES {
        let (transport, case) = file.split_once('-').unwrap();
        let row = CORPUS.iter().find(|row| row.0 == case);
        let (_, _, expected) = row.unwrap_or_else(|| panic!("{file} belongs to no case of the table"));

        let changes = parse(event).unwrap_or_else(|error| panic!("{file}: {error}"));

        let said: Vec<_> = changes.iter().map(describe).collect();
        assert_eq!(said.join("; "), *expected, "{file}");
        for change in changes {
            assert_eq!(
                serde_json::to_value(change.transport).unwrap(),
                transport.replace("bridge", "_bridge"),
                "{file}"
            );
            let arn = format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{}", change.name);
            assert_eq!(change.arn, Some(arn), "{file}");
            assert_eq!(change.changed_at.to_string(), "2026-11-20T12:00:40.989Z", "{file}");
        }
    }
}

#[test]
fn the_corpus_holds_every_case_in_every_transport_that_has_it() {
    let wanted = CORPUS
        .iter()
        .flat_map(|(case, transports, _)| transports.iter().map(move |by| format!("{by}-{case}")));
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort();
    assert_eq!(FILES.keys().collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
}

#[test]
fn the_corpus_has_the_shapes_that_break_stricter_readers() {
    let configuration = |file: &str| FILES[file]["detail"]["configuration"].clone();
    assert!(configuration("eventbridge-metric-math")["metrics"][0].get("metricStat").is_none());
    assert_eq!(configuration("eventbridge-one-day-period")["metrics"][0]["metricStat"]["period"], 86_400);
    assert!(
        configuration("eventbridge-no-dimensions")["metrics"][0]["metricStat"]["metric"]
            .get("dimensions")
            .is_none()
    );
    assert!(configuration("eventbridge-composite").get("actionsSuppressor").is_none());
    assert!(configuration("eventbridge-composite-with-suppressor").get("actionsSuppressor").is_some());
    assert!(configuration("eventbridge-no-description").get("description").is_none());
    assert!(configuration("eventbridge-promql").get("metrics").is_none());
    let test = &FILES["direct-set-alarm-state"]["alarmData"]["state"];
    assert_eq!((&test["reason"], test.get("reasonData")), (&json!("test"), None));
}

// ---- single facts -------------------------------------------------------------------------------------------------

#[track_caller]
fn check_by_hand(reason: &str, expected: bool) {
    let message = json!({
        "AlarmName": "a", "NewStateValue": "ALARM", "NewStateReason": reason, "StateChangeTime": "2026-11-20T12:00:00Z",
    });
    assert_eq!(from_message(&message, None).unwrap().set_by_hand(), expected, "{reason}");
}

#[test]
fn a_reason_in_the_words_of_cloudwatch_is_no_test() {
    check_by_hand(
        "Threshold Crossed: 1 out of the last 1 datapoints [9.0] was greater than the threshold (5.0).",
        false,
    );
    check_by_hand(
        "Threshold Crossed: no datapoints were received for 3 periods and 3 were treated as [Breaching].",
        false,
    );
    check_by_hand(
        "Thresholds Crossed: 1 out of the last 1 datapoints [0.0] was less than the lower thresholds",
        false,
    );
    check_by_hand("Insufficient Data: 5 datapoints were unknown.", false);
    check_by_hand("Unchecked: Initial alarm creation", false);
    check_by_hand("6 out of 6 time series evaluated to ALARM", false);
    check_by_hand("100+ time series evaluated to ALARM", false);
    check_by_hand(
        "No time series were returned by the query. Treat missing data is configured as [Breaching].",
        false,
    );
    check_by_hand("test", true);
    check_by_hand("trying the threshold alarm", true);
    check_by_hand("", true);
}

#[track_caller]
fn check_arn(topic: Option<&str>, account: Option<&str>, expected: Option<&str>) {
    let message = json!({
        "AlarmName": "web: 5xx", "NewStateValue": "OK", "StateChangeTime": "2026-11-20T12:00:00Z", "AWSAccountId": account,
    });
    assert_eq!(from_message(&message, topic).unwrap().arn.as_deref(), expected);
}

#[test]
fn an_alarm_without_an_arn_stands_beside_its_topic_and_in_its_own_account() {
    let topic = Some("arn:aws-us-gov:sns:us-gov-west-1:111122223333:alarms");
    check_arn(topic, None, Some("arn:aws-us-gov:cloudwatch:us-gov-west-1:111122223333:alarm:web: 5xx"));
    check_arn(
        topic,
        Some("444455556666"),
        Some("arn:aws-us-gov:cloudwatch:us-gov-west-1:444455556666:alarm:web: 5xx"),
    );
    check_arn(None, Some("444455556666"), None);
    check_arn(Some("alarms"), Some("444455556666"), None);
}

#[track_caller]
fn check_time(text: &str, expected: Option<&str>) {
    let message = json!({"AlarmName": "a", "NewStateValue": "OK", "StateChangeTime": text});
    let read = from_message(&message, None).map(|change| change.changed_at.to_string());
    assert_eq!(read.ok().as_deref(), expected, "{text}");
}

#[test]
fn a_time_needs_its_offset_in_either_spelling() {
    check_time("2023-08-04T12:36:15.490+0000", Some("2023-08-04T12:36:15.49Z"));
    check_time("2023-08-04T12:36:15.490Z", Some("2023-08-04T12:36:15.49Z"));
    check_time("2023-08-04T14:36:15+02:00", Some("2023-08-04T12:36:15Z"));
    check_time("2023-08-04T12:36:15", None);
    check_time("Friday 04 August, 2023", None);
}

#[test]
fn dimensions_pair_only_within_one_metric_and_each_pair_is_said_once() {
    let metric = |dimensions: Value| json!({"metricStat": {"metric": {"dimensions": dimensions}}});
    let metrics = [
        metric(json!({"ClusterName": "prod"})),
        metric(json!({"ServiceName": "lonely"})),
        metric(json!({"ClusterName": "prod", "ServiceName": "web"})),
        metric(json!({"ClusterName": "prod", "ServiceName": "web", "TaskId": "1"})),
        metric(json!({"ClusterName": "prod", "ServiceName": 7})),
        metric(json!({"ClusterName": "prod", "ServiceName": "api"})),
    ];
    let state = json!({"value": "ALARM", "timestamp": "2026-11-20T12:00:00Z"});
    let event =
        json!({"alarmData": {"alarmName": "a", "state": state, "configuration": {"metrics": metrics}}});

    let change = parse(&event).unwrap().remove(0);

    let pair = |service: &str| ("prod".to_owned(), service.to_owned());
    assert_eq!(change.dimension_pairs("ClusterName", "ServiceName"), [pair("api"), pair("web")]);
    assert_eq!(change.transport, Transport::Direct);
}

#[track_caller]
fn check_refused(event: &Value, expected: &str) {
    assert_eq!(parse(event).unwrap_err(), expected);
}

#[test]
fn what_is_no_alarm_is_refused_in_plain_words() {
    let sns = |message: &str| json!({"Records": [{"Sns": {"Message": message}}]});
    check_refused(&Value::Null, "it is not an alarm's change of state");
    check_refused(&json!({"Records": []}), "it has no records");
    check_refused(&json!({"Records": [{"body": "{}"}]}), "its record is not from SNS");
    check_refused(&json!({"Records": [{"Sns": {}}]}), "its SNS record has no message");
    check_refused(&sns("hello"), "its SNS message is not JSON");
    check_refused(&sns("null"), "it is not an alarm's change of state");
    check_refused(
        &json!({"detail-type": "CloudWatch Alarm Contributor State Change", "detail": {}}),
        "it is the event \"CloudWatch Alarm Contributor State Change\", not an alarm's change of state",
    );
    check_refused(
        &sns(r#"{"AlarmName": "a", "NewStateValue": "BROKEN", "StateChangeTime": "2026-11-20T12:00:00Z"}"#),
        "\"BROKEN\" is not an alarm state",
    );
}

// ---- hostile input ------------------------------------------------------------------------------------------------

/// An alarm has a name, or the error is one short line.
#[track_caller]
fn check_answered(answer: &Result<Vec<AlarmChange>, String>) {
    match answer {
        Ok(changes) => assert!(!changes.is_empty() && changes.iter().all(|change| !change.name.is_empty())),
        Err(error) => assert!(!error.is_empty() && error.len() < 1_000 && !error.contains('\n'), "{error}"),
    }
}

/// The JSON pointers of everything inside the value.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = |(name, value): (String, &Value)| {
        let deeper = pointers(value).into_iter().map(|rest| format!("/{name}{rest}")).collect::<Vec<_>>();
        std::iter::once(format!("/{name}")).chain(deeper)
    };
    inner.into_iter().flat_map(below).collect()
}

fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let holder = value.pointer_mut(parent).unwrap();
    if let Some(list) = holder.as_array_mut() {
        list.remove(name.parse().unwrap());
    } else {
        holder.as_object_mut().unwrap().remove(name).unwrap();
    }
    value
}

#[test]
fn an_alarm_needs_nothing_but_its_name_its_state_and_its_time() {
    let below = |root: &str| {
        ["", "/alarmName", "/state", "/state/value", "/state/timestamp"].map(|rest| format!("{root}{rest}"))
    };
    let needed = |file: &str| match file.split_once('-').unwrap().0 {
        "direct" => below("/alarmData").to_vec(),
        "eventbridge" => [below("/detail").to_vec(), vec!["/detail-type".to_owned()]].concat(),
        _ => ["/AlarmName", "/NewStateValue", "/StateChangeTime"].map(ToOwned::to_owned).to_vec(),
    };
    for (file, event) in &*FILES {
        let message = event.pointer("/Records/0/Sns/Message").and_then(Value::as_str);
        let event = message.map_or(event.clone(), |message| serde_json::from_str(message).unwrap());
        for pointer in pointers(&event) {
            let parsed = from_message(&without(&event, &pointer), None);
            assert_eq!(
                parsed.is_err(),
                needed(file).contains(&pointer),
                "{file} without {pointer}: {parsed:?}"
            );
        }
    }
}

#[test]
fn a_wrong_type_anywhere_is_read_or_refused_in_plain_words() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1.5),
        json!(""),
        json!("\u{0}\n"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": 1}),
    ];
    for event in FILES.values() {
        for pointer in pointers(event) {
            for value in &wrong {
                let mut event = event.clone();
                *event.pointer_mut(&pointer).unwrap() = value.clone();
                check_answered(&parse(&event));
            }
        }
    }
}

/// Any JSON, of names and words that lead deep into the reader as well as of any others.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("ALARM".to_owned()),
        Just("CloudWatch Alarm State Change".to_owned()),
        Just("2026-11-20T12:00:00.000+0000".to_owned()),
        Just(r#"{"AlarmName":"a","NewStateValue":"OK","StateChangeTime":"2026-11-20T12:00:00Z"}"#.to_owned()),
        ".{0,12}",
    ];
    let name = prop::sample::select(vec![
        "Records",
        "Sns",
        "Message",
        "TopicArn",
        "AlarmName",
        "NewStateValue",
        "StateChangeTime",
        "Trigger",
        "Metrics",
        "MetricStat",
        "Metric",
        "Dimensions",
        "alarmData",
        "alarmName",
        "state",
        "value",
        "timestamp",
        "previousState",
        "configuration",
        "metrics",
        "metricStat",
        "metric",
        "dimensions",
        "detail-type",
        "detail",
        "resources",
        "name",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_json_is_read_or_refused_in_plain_words(event in anything()) {
        check_answered(&parse(&event));
        check_answered(&parse(&json!({"Records": [{"Sns": {"Message": event.to_string()}}]})));
    }

    #[test]
    fn any_json_in_place_of_a_part_is_read_or_refused_in_plain_words(
        part in anything(),
        mut event in prop::sample::select(FILES.values().cloned().collect::<Vec<_>>()),
        place: prop::sample::Index,
    ) {
        let places = pointers(&event);
        *event.pointer_mut(&places[place.index(places.len())]).unwrap() = part;
        check_answered(&parse(&event));
    }
}
