mod any;
mod families;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::notice::{Notice, Severity, State};

use super::gather;
use crate::queue;

fn now() -> Timestamp {
    "2026-11-20T12:00:05Z".parse().unwrap()
}

fn event(case: &str) -> Value {
    let path = format!("{}/../../events/notification-fanout/{case}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The one notice that a message becomes.
fn read(record: &queue::Record, environment: &str, now: Timestamp) -> Notice {
    let mut notices = super::read(record, environment, now);
    assert_eq!(notices.len(), 1, "{notices:?}");
    notices.remove(0)
}

fn first(case: &str) -> Notice {
    read(&queue::read(&event(case)).unwrap()[0], "dev", now())
}

#[track_caller]
fn check(case: &str, title: &str, summary: &str, state: State) {
    let notice = first(case);
    assert_eq!(notice.title, title);
    assert!(notice.summary.contains(summary), "{:?}", notice.summary);
    assert_eq!((notice.state, notice.environment.as_str()), (state, "dev"));
    assert!(!notice.incident.is_empty() && !notice.source.is_empty());
}

#[test]
fn a_notice_reads_the_same_with_and_without_the_topics_envelope() {
    assert_eq!(first("notice-via-sns"), first("notice-raw"));
    check("notice-raw", "web was rolled back to web:41", "6 minutes after", State::Firing);
}

#[test]
fn an_alarm_that_publishes_here_by_itself_is_told_as_an_alarm() {
    check(
        "alarm-metric",
        "Alarm orders-queue-depth went from OK to ALARM",
        "Threshold Crossed: 1 datapoint",
        State::Firing,
    );
    check(
        "alarm-composite-without-trigger",
        "Alarm orders-unhealthy went from INSUFFICIENT_DATA to ALARM",
        "Either of the two alarms",
        State::Firing,
    );
}

#[test]
fn beginning_and_end_of_an_alarm_are_one_incident_in_their_order() {
    let mut records = queue::read(&event("alarm-metric")).unwrap();
    let firing = read(&records[0], "dev", now());
    records[0].body =
        records[0].body.replace("\\\"ALARM\\\"", "\\\"OK\\\"").replace("12:00:00.123", "12:09:00.123");
    let resolved = read(&records[0], "dev", now());
    assert_eq!((firing.state, resolved.state), (State::Firing, State::Resolved));
    assert_eq!(firing.incident, resolved.incident);
    assert!(firing.revision < resolved.revision);
}

#[test]
fn whatever_else_arrives_is_shown_readably() {
    check("text-via-sns", "The backup of orders did not finish.", "Last run", State::Info);
    check("text-raw", "disk almost full on build-7", "disk almost full", State::Info);
    check("null", "A message from the notices queue", "the JSON value null", State::Info);
    check("number", "A message from the notices queue", "the JSON value 42", State::Info);
    check("not-json", r#"{"half":"#, r#"{"half":"#, State::Info);
    check("text-via-two-topics", "Disk", "disk almost full on build-7", State::Info);
    check("text-in-a-functions-event", "Disk", "disk almost full on build-8", State::Info);
    check("channel-override", "A message from watchkeeper-dev-notices", "look here", State::Info);
}

#[test]
fn an_events_details_are_its_facts() {
    let notice = first("event-of-no-family");
    assert_eq!((notice.title.as_str(), notice.environment.as_str()), ("Batch Job State Change", "prod"));
    assert_eq!(fact(&notice, "jobName"), Some("nightly"));
    let job = "arn:aws:batch:eu-central-1:123456789012:job/4c7599ae-0a82-49aa-ba5a-4727fcce14a8";
    assert_eq!(fact(&notice, "resources"), Some(job));
}

#[test]
fn a_dead_letter_that_is_sent_back_is_the_same_incident() {
    let before = first("text-raw");
    let after = first("redriven-dead-letter");
    assert_eq!((before.incident, before.revision), (after.incident, after.revision));
}

#[test]
fn a_text_delivered_twice_by_the_topic_is_one_notice() {
    let mut twice = event("text-via-sns");
    let mut again = twice["Records"][0].clone();
    again["messageId"] = json!("another");
    twice["Records"].as_array_mut().unwrap().push(again);
    let records = queue::read(&twice).unwrap();
    let gathered = gather(&records, "dev", now());
    assert_eq!(gathered.len(), 1);
    assert_eq!(gathered[0].records.len(), 2);
}

fn fact<'a>(notice: &'a Notice, name: &str) -> Option<&'a str> {
    notice.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
}

#[test]
fn what_confirms_a_subscription_is_shown_to_nobody() {
    let notice = first("subscription-confirmation");
    assert_eq!(notice.title, "A topic asks for its subscription to be confirmed");
    assert!(!serde_json::to_string(&notice).unwrap().contains("EXAMPLE-TOKEN"));
}

#[test]
fn what_a_message_says_of_where_it_goes_is_only_shown() {
    let notice = first("channel-override");
    assert_eq!((fact(&notice, "channel"), notice.labels.len()), (Some("#general"), 0));
    assert!(notice.links.is_empty());
}

#[test]
fn every_record_of_a_hostile_batch_is_a_notice_of_its_own() {
    let mut batch = event("hostile-batch");
    let mut large = batch["Records"][0].clone();
    large["messageId"] = json!("large");
    large["body"] = json!("é".repeat(262_144 / 2));
    batch["Records"].as_array_mut().unwrap().push(large);
    let records = queue::read(&batch).unwrap();
    let gathered = gather(&records, "dev", now());
    let told: Vec<_> = gathered
        .iter()
        .map(|work| (work.notice.title.as_str(), work.notice.state, work.notice.severity))
        .collect();
    let large = format!("{}…", "é".repeat(140));
    let expected = [
        ("A message from the notices queue", State::Info, Severity::Sev4),
        ("A message from the notices queue", State::Info, Severity::Sev4),
        ("A message from watchkeeper-dev-notices", State::Info, Severity::Sev4),
        ("AWS is looking into ECS in eu-central-1", State::Firing, Severity::Sev3),
        ("Alarm orders-unhealthy went from INSUFFICIENT_DATA to ALARM", State::Firing, Severity::Sev2),
        (r#"{"half":"#, State::Info, Severity::Sev4),
        (large.as_str(), State::Info, Severity::Sev4),
    ];
    assert_eq!(told, expected);
    for (work, record) in gathered.iter().zip(&records) {
        assert_eq!(work.records, [record]);
        assert!(serde_json::to_string(&work.notice).unwrap().len() <= 250_000);
    }
}

#[track_caller]
fn check_raw(body: &Value) -> Notice {
    let record = json!({"messageId": "m-1", "body": body.to_string()});
    read(&queue::read(&json!({"Records": [record]})).unwrap()[0], "dev", now())
}

#[test]
fn a_notice_from_the_future_does_not_speak_for_its_incident() {
    let revised = |revision: u64| {
        let mut notice = serde_json::to_value(first("notice-raw")).unwrap();
        notice["revision"] = json!(revision);
        check_raw(&notice)
    };
    let now = u64::try_from(now().as_millisecond()).unwrap();
    assert_eq!(revised(now + 60_000).incident, first("notice-raw").incident);
    for revision in [now + 600_000, u64::MAX] {
        assert_eq!(revised(revision).incident, "sqs:m-1");
    }
}

#[test]
fn a_notice_of_another_version_or_shape_is_shown_and_not_trusted() {
    let notice = check_raw(&json!({"schema": "watchkeeper.notice/1", "title": "half", "severity": "sev1"}));
    assert_eq!((notice.title.as_str(), notice.severity), ("half", Severity::Sev4));
    assert_eq!(notice.incident, "sqs:m-1");
    assert!(notice.summary.contains("calls itself a notice"));
    let notice = check_raw(&json!({"schema": "watchkeeper.notice/2", "incident": "i"}));
    assert_eq!(notice.incident, "sqs:m-1");
}

#[test]
fn of_many_fields_the_first_are_shown_and_the_rest_counted() {
    let fields: serde_json::Map<_, _> =
        (0..100).map(|index| (format!("f{index:03}"), json!(index))).collect();
    let notice = check_raw(&Value::Object(fields));
    assert_eq!(notice.facts.len(), 41);
    assert_eq!(notice.facts[40].value, "60");
}
