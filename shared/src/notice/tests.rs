use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::{PublishInput, PublishOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use serde_json::{Value, json};

use super::{Fact, Link, Notice, Severity, State, Subject, subject_line};
use crate::error::Class;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:notices";

fn subject() -> Subject {
    Subject { kind: "ecs-service".to_owned(), id: "prod/web".to_owned(), arn: None }
}

fn notice(incident: &str, state: State, time: &str) -> Notice {
    Notice::new(incident, state, Severity::Sev2, subject(), "prod/web was rolled back", time.parse().unwrap())
}

/// A notice with everything that one can hold.
fn full() -> Notice {
    let mut notice = notice("alarm:web-cpu-high", State::Firing, "2026-11-20T12:00:40.989Z");
    notice.source = "alarm-rollback".to_owned();
    notice.environment = "prod".to_owned();
    notice.subject.arn = Some("arn:aws:ecs:us-east-1:123456789012:service/prod/web".to_owned());
    notice.summary = "The alarm web-cpu-high fired 4 minutes after web:42 was deployed.".to_owned();
    notice.fact("alarm", "web-cpu-high");
    notice.fact("age of the deployment, minutes", 4);
    notice.actions = vec!["Returned prod/web to web:41.".to_owned()];
    notice.next_steps = vec!["Find out what is wrong with web:42.".to_owned()];
    notice.links = vec![Link { title: "service".to_owned(), url: "https://example.com/prod/web".to_owned() }];
    notice
}

// ---- the contract -------------------------------------------------------------------------------------------------

#[test]
fn the_json_is_the_contract() {
    let contract = json!({
        "schema": "watchkeeper.notice/1",
        "id": "deb6280a89d407f8",
        "incident": "alarm:web-cpu-high",
        "revision": 1_795_176_040_989_u64,
        "state": "firing",
        "severity": "sev2",
        "source": "alarm-rollback",
        "environment": "prod",
        "subject": {
            "kind": "ecs-service",
            "id": "prod/web",
            "arn": "arn:aws:ecs:us-east-1:123456789012:service/prod/web",
        },
        "title": "prod/web was rolled back",
        "summary": "The alarm web-cpu-high fired 4 minutes after web:42 was deployed.",
        "facts": [
            {"name": "alarm", "value": "web-cpu-high"},
            {"name": "age of the deployment, minutes", "value": "4"},
        ],
        "actions": ["Returned prod/web to web:41."],
        "next_steps": ["Find out what is wrong with web:42."],
        "links": [{"title": "service", "url": "https://example.com/prod/web"}],
        "time": "2026-11-20T12:00:40.989Z",
    });
    assert_eq!(serde_json::to_value(full()).unwrap(), contract);
    assert_eq!(serde_json::from_value::<Notice>(contract).unwrap(), full());
}

/// The full notice with this in place of one of its fields; `null` leaves it out.
fn read_with(field: &str, value: Value) -> Result<Notice, serde_json::Error> {
    let mut json = serde_json::to_value(full()).unwrap();
    if value.is_null() {
        json.as_object_mut().unwrap().remove(field).unwrap();
    } else {
        json[field] = value;
    }
    serde_json::from_value(json)
}

#[test]
fn only_lists_may_be_missing() {
    for field in serde_json::to_value(full()).unwrap().as_object().unwrap().keys() {
        let optional = ["facts", "actions", "next_steps", "links"].contains(&field.as_str());
        assert_eq!(read_with(field, Value::Null).is_ok(), optional, "{field}");
    }
}

#[test]
fn another_version_is_refused_and_an_unknown_field_is_not() {
    let refusal = read_with("schema", json!("watchkeeper.notice/2")).unwrap_err().to_string();
    assert!(refusal.contains("watchkeeper.notice/2"), "{refusal}");
    assert!(read_with("state", json!("on fire")).is_err());
    assert_eq!(read_with("escalation", json!({"step": 2})).unwrap(), full());
}

#[track_caller]
fn check_severity(text: &str, expected: Option<Severity>) {
    assert_eq!(serde_json::from_value::<Severity>(json!(text)).ok(), expected, "{text} as JSON");
    assert_eq!(text.parse::<Severity>().ok(), expected, "{text} as a setting");
}

#[test]
fn severities_are_read_in_both_spellings_and_sev1_comes_first() {
    let all = [Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4];
    for (number, severity) in (1..).zip(all) {
        for text in [format!("sev{number}"), format!("P{number}"), format!("p{number}")] {
            check_severity(&text, Some(severity));
        }
        assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        assert_eq!(severity.to_string(), format!("SEV-{number}"));
    }
    assert!(all.is_sorted());
    for text in ["", "sev0", "sev5", "P5", "critical", "1"] {
        check_severity(text, None);
    }
}

#[test]
fn a_state_has_one_word() {
    for state in [State::Firing, State::Resolved, State::Info] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

// ---- what a notice promises ---------------------------------------------------------------------------------------

#[test]
fn the_same_change_has_the_same_id_and_a_later_one_a_higher_revision() {
    let first = notice("alarm:a", State::Firing, "2026-11-20T12:00:00.001Z");
    let again = notice("alarm:a", State::Firing, "2026-11-20T12:00:00.001Z");
    assert_eq!((&first.id, first.revision), (&again.id, again.revision));

    let later = notice("alarm:a", State::Firing, "2026-11-20T12:00:00.002Z");
    assert!(later.revision > first.revision);
    let others = [
        later,
        notice("alarm:b", State::Firing, "2026-11-20T12:00:00.001Z"),
        notice("alarm:a", State::Resolved, "2026-11-20T12:00:00.001Z"),
    ];
    for other in others {
        assert_ne!(other.id, first.id, "{other:?}");
    }
    assert_eq!(notice("alarm:a", State::Info, "1969-01-01T00:00:00Z").revision, 0);
}

#[test]
fn a_notice_that_follows_another_has_a_higher_revision_even_at_the_same_time() {
    let time = "2026-11-20T12:00:00Z";
    let fired = notice("alarm:web", State::Firing, time);
    let tied = notice("alarm:web", State::Resolved, time).following(fired.revision);
    assert_eq!(tied.revision, fired.revision + 1);
    assert_ne!(tied.id, notice("alarm:web", State::Resolved, time).id);
    let later = notice("alarm:web", State::Resolved, "2026-11-20T12:00:05Z");
    assert_eq!(later.clone().following(fired.revision), later);
}

#[track_caller]
fn check_fact(value: &str, expected: &str) {
    let mut notice = notice("alarm:a", State::Info, "2026-11-20T12:00:00Z");
    notice.fact("reason", value);
    assert_eq!(notice.facts, [Fact { name: "reason".to_owned(), value: expected.to_owned() }]);
}

#[test]
fn a_fact_is_cut_after_2000_characters_and_says_so() {
    check_fact("short", "short");
    check_fact("", "");
    check_fact(&"ü".repeat(2_000), &"ü".repeat(2_000));
    check_fact(&"ü".repeat(2_001), &format!("{} … (1 characters omitted)", "ü".repeat(2_000)));
}

// ---- publishing ---------------------------------------------------------------------------------------------------

/// A topic that takes everything, and what it was given last.
fn topic() -> (Client, Rule, Arc<Mutex<Option<PublishInput>>>) {
    let given = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&given);
    let rule = mock!(Client::publish).then_compute_output(move |input| {
        *keep.lock().unwrap() = Some(input.clone());
        PublishOutput::builder().message_id("m-1").build()
    });
    let client = mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&rule]);
    (client, rule, given)
}

async fn published(notice: &Notice) -> PublishInput {
    let (client, _, given) = topic();
    notice.publish(&client, TOPIC).await.unwrap();
    given.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_notice_is_published_with_what_subscriptions_filter_on() {
    let given = published(&full()).await;

    assert_eq!(given.topic_arn(), Some(TOPIC));
    assert_eq!(given.subject(), Some("SEV-2 prod/web was rolled back"));
    assert_eq!(serde_json::from_str::<Notice>(given.message().unwrap()).unwrap(), full());
    let attributes: BTreeMap<_, _> = given
        .message_attributes()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), (value.data_type(), value.string_value().unwrap())))
        .collect();
    assert_eq!(
        attributes.into_iter().collect::<Vec<_>>(),
        [
            ("environment", ("String", "prod")),
            ("severity", ("String", "sev2")),
            ("source", ("String", "alarm-rollback")),
            ("state", ("String", "firing")),
        ]
    );
}

#[tokio::test]
async fn what_is_not_known_is_no_attribute() {
    let given = published(&notice("alarm:a", State::Resolved, "2026-11-20T12:00:00Z")).await;
    let mut names: Vec<_> = given.message_attributes().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["severity", "state"]);
}

#[tokio::test]
async fn a_notice_over_the_limit_of_sns_is_refused_before_it_is_sent() {
    let (client, rule, _) = topic();
    let mut notice = full();
    let overhead = serde_json::to_string(&notice).unwrap().len() - notice.summary.len();
    notice.summary = "x".repeat(250_000 - overhead);
    notice.publish(&client, TOPIC).await.unwrap();
    assert_eq!(rule.num_calls(), 1);

    notice.summary.push('x');
    let error = notice.publish(&client, TOPIC).await.unwrap_err();

    assert_eq!(error.class(), Class::Permanent);
    assert_eq!(error.chain(), "the notice of incident alarm:web-cpu-high has 250001 bytes; SNS takes 250000");
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_notice_that_sns_does_not_take_is_an_error_under_the_name_of_its_permission() {
    let body = "<ErrorResponse><Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>";
    let rule = mock!(Client::publish).sequence().http_status(404, Some(body.to_owned())).repeatedly().build();
    let client = mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&rule]);

    let error = full().publish(&client, TOPIC).await.unwrap_err();

    assert_eq!(error.class(), Class::Permanent);
    assert_eq!(error.chain(), "sns:Publish failed: NotFound: Topic does not exist");
}

#[track_caller]
fn check_subject(text: &str, expected: &str) {
    assert_eq!(subject_line(text), expected);
}

#[test]
fn a_subject_is_one_printable_line_of_fewer_than_100_characters() {
    check_subject("SEV-1 prod/web is down", "SEV-1 prod/web is down");
    check_subject("SEV-1 two\r\nlines\tand \u{7f}", "SEV-1 two??lines?and ?");
    check_subject("SEV-1 Köln → 東京", "SEV-1 K?ln ? ??");
    check_subject(&"x".repeat(99), &"x".repeat(99));
    check_subject(&"ß".repeat(500), &"?".repeat(99));
}

#[test]
fn a_notice_about_a_service_can_be_matched_by_its_name() {
    let of = |kind: &str, id: &str| {
        let subject = Subject { kind: kind.to_owned(), id: id.to_owned(), arn: None };
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        Notice::new("i", State::Firing, Severity::Sev2, subject, "t", now)
    };
    let service = |notice: &Notice| notice.matched().get("service").cloned();
    assert_eq!(service(&of("ecs-service", "prod/web")).as_deref(), Some("web"));
    assert_eq!(service(&of("ecs-service", "web")).as_deref(), Some("web"));
    assert_eq!(service(&of("alarm", "prod/web")), None);
    let mut labelled = of("ecs-service", "prod/web");
    labelled.labels.insert("service".to_owned(), "shop".to_owned());
    assert_eq!(service(&labelled).as_deref(), Some("shop"));
}
