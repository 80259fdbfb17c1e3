use std::time::Duration;

use proptest::prelude::*;
use shared::notice::Status;

use super::*;
use crate::channel::Kind;
use crate::channel::tests::Clients;
use crate::receiver::{Got, Receiver, answer};
use crate::render::samples::{self, Sample, any_sample, check_snapshot};
use crate::schema::problem;

const KEY: &str = "hunter2hunter2hunter2hunter2abcd";

const ALERTS: &str = include_str!("alert.schema.json");
const CHANGES: &str = include_str!("change.schema.json");

#[track_caller]
fn check(schema: &str, event: &Value) {
    assert_eq!(problem(schema, None, event), None, "{event:#}");
    for link in event["links"].as_array().into_iter().flatten() {
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with("https://") && href.bytes().all(|byte| byte.is_ascii_graphic()), "{href}");
    }
    if let Some(time) = event["payload"].get("timestamp") {
        let time = time.as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
}

#[test]
fn every_event_looks_as_it_did() {
    for sample in samples::all() {
        for rung in Rung::ALL {
            let event = alert(&sample.view(), KEY, rung);
            check(ALERTS, &event);
            check_snapshot("pagerduty", sample.name, rung.as_str(), &event);
        }
        if sample.notice.deployment.is_some() {
            let event = change(&sample.view(), KEY, Rung::Rich);
            check(CHANGES, &event);
            check_snapshot("pagerduty", sample.name, "change", &event);
        }
    }
}

#[test]
fn an_end_and_a_return_bear_the_key_of_the_beginning() {
    let (beginning, mut end) = (samples::rollback().notice, samples::resolution().notice);
    assert_eq!(dedup_key(&beginning), dedup_key(&end));
    end.incident = "x".repeat(5_000);
    assert_ne!(dedup_key(&beginning), dedup_key(&end));
    assert!(dedup_key(&end).len() <= 255);
}

#[test]
fn who_has_it_in_hand_acknowledges_the_alert() {
    let event = alert(&samples::acknowledgement().view(), KEY, Rung::Rich);
    check(ALERTS, &event);
    assert_eq!(event["event_action"], "acknowledge");
    assert_eq!(event["dedup_key"], dedup_key(&samples::rollback().notice));
}

#[test]
fn values_under_the_same_name_are_all_kept() {
    let mut sample = samples::rollback();
    sample.notice.facts = vec![sample.notice.facts[0].clone(), sample.notice.facts[0].clone()];
    let event = alert(&sample.view(), KEY, Rung::Rich);
    let facts = &event["payload"]["custom_details"]["Facts"];
    assert_eq!(facts, &json!({"Alarm": "web-5xx", "Alarm (2)": "web-5xx"}));
}

#[track_caller]
fn check_meaning(status: u16, body: &str, expected: &Meaning) {
    let reply = Reply { status, retry_after: Some("9".to_owned()), json: true, body: body.to_owned() };
    assert_eq!(meaning(&reply, Timestamp::UNIX_EPOCH), *expected);
}

#[test]
fn a_refusal_repeats_nothing_that_was_sent() {
    check_meaning(202, r#"{"status":"success"}"#, &Meaning::Acknowledged);
    let misbuilt = r#"{"status":"invalid event","errors":["hunter2 is too long","x"]}"#;
    check_meaning(400, misbuilt, &Meaning::Simplify("400: the event is refused for 2 reasons".to_owned()));
    let key = r#"{"errors":["Length of 'routing_key' is incorrect: hunter2"]}"#;
    let why = "400: routing_key is not that of an Events API v2 integration";
    check_meaning(400, key, &Meaning::Refused(why.to_owned()));
    check_meaning(413, "", &Meaning::Simplify("413: the event is too large".to_owned()));
    check_meaning(404, "hunter2", &Meaning::Refused("404".to_owned()));
    let after = Some(Duration::from_secs(9));
    check_meaning(429, "", &Meaning::Later { after, quiet: true, why: "429".to_owned() });
    check_meaning(503, "", &Meaning::Later { after, quiet: false, why: "503".to_owned() });
}

async fn send(receiver: &Receiver, sample: &Sample, memory: &Memory) -> Sent {
    let kind = Kind::PagerDuty { routing_key: KEY.to_owned(), api: receiver.url("/v2/") };
    let clients = Clients { http: receiver.http.clone(), ..Clients::new() };
    let sent = clients.send(kind, sample, memory).await;
    assert!(!format!("{sent:?}").contains("hunter2"), "{sent:?}");
    sent
}

fn body(got: &Got) -> Value {
    serde_json::from_str(&got.body).unwrap()
}

const ALERT: &str = "/v2/enqueue";
const CHANGE: &str = "/v2/change/enqueue";

#[tokio::test]
async fn an_incident_is_triggered_and_resolved() {
    let receiver = Receiver::start(|_, _| Some(answer("202 Accepted", "", "{}"))).await;
    for sample in [samples::rollback(), samples::resolution()] {
        assert_eq!(send(&receiver, &sample, &Memory::new()).await, Meaning::Acknowledged.into());
    }
    let got = receiver.got(ALERT);
    let actions: Vec<Value> = got.iter().map(|got| body(got)["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert!(receiver.got(CHANGE).is_empty());
}

#[tokio::test]
async fn a_deployment_is_a_change_once() {
    let receiver = Receiver::start(|_, _| Some(answer("202 Accepted", "", "{}"))).await;
    let mut sample = samples::deployment();
    let first = send(&receiver, &sample, &Memory::new()).await;
    assert_eq!(first.meaning, Meaning::Acknowledged);
    let memory = first.memory.unwrap();
    assert_eq!(send(&receiver, &sample, &memory).await, Meaning::Acknowledged.into());
    assert_eq!((receiver.got(ALERT).len(), receiver.got(CHANGE).len()), (0, 1));

    sample.notice.state = State::Firing;
    sample.notice.deployment.as_mut().unwrap().status = Status::RolledBack;
    send(&receiver, &sample, &memory).await;
    assert_eq!((receiver.got(ALERT).len(), receiver.got(CHANGE).len()), (1, 2), "an alert, and a change");
}

#[tokio::test]
async fn what_is_neither_incident_nor_deployment_is_not_sent() {
    let receiver = Receiver::start(|_, _| None).await;
    let mut sample = samples::rollback();
    sample.notice.state = State::Info;
    let sent = send(&receiver, &sample, &Memory::new()).await;
    assert_eq!(sent.meaning, Meaning::Refused("PagerDuty takes incidents and deployments".to_owned()));
    assert!(receiver.got(ALERT).is_empty());
}

#[tokio::test]
async fn an_event_that_is_refused_is_sent_plainer() {
    let receiver = Receiver::start(|_, before| {
        let refused = answer("400 Bad Request", "", r#"{"errors":["x"]}"#);
        Some(if before < 2 { refused } else { answer("202 Accepted", "", "{}") })
    })
    .await;
    let sample = samples::report();
    assert_eq!(send(&receiver, &sample, &Memory::new()).await, Meaning::Acknowledged.into());
    let got = receiver.got(ALERT);
    assert!(got[0].body.len() > got[1].body.len() && got[1].body.len() > got[2].body.len());
    assert!(body(&got[2])["payload"]["custom_details"]["omitted"].is_string(), "it says what is missing");

    let never = Receiver::start(|_, _| Some(answer("400 Bad Request", "", "hunter2"))).await;
    let sent = send(&never, &sample, &Memory::new()).await;
    assert_eq!(sent.meaning, Meaning::Refused("400: the event is refused for 0 reasons".to_owned()));
    assert_eq!(never.got(ALERT).len(), 3);
}

#[tokio::test]
async fn too_many_events_are_sent_later() {
    let receiver =
        Receiver::start(|_, _| Some(answer("429 Too Many Requests", "retry-after: 7\r\n", ""))).await;
    let after = Some(Duration::from_secs(7));
    let later = Meaning::Later { after, quiet: true, why: "429".to_owned() };
    assert_eq!(send(&receiver, &samples::rollback(), &Memory::new()).await, later.into());
    assert_eq!(receiver.got(ALERT).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_told_is_an_event_within_every_limit(mut sample in any_sample(), many in any::<bool>()) {
        if many {
            let huge = "\u{1}\"é".repeat(60_000);
            sample.notice.summary.clone_from(&huge);
            let facts = sample.notice.facts.clone();
            sample.notice.facts.extend(facts.iter().cycle().take(2_000).cloned());
            sample.notice.next_steps = vec![huge; 9];
        }
            for rung in Rung::ALL {
            let event = alert(&sample.view(), KEY, rung);
            check(ALERTS, &event);
            prop_assert!(event.to_string().len() <= LARGEST);
            let event = change(&sample.view(), KEY, rung);
            check(CHANGES, &event);
            prop_assert!(event.to_string().len() <= LARGEST);
        }
    }
}
