mod again;
mod at_once;
mod killed;
mod mix;
mod together;
mod world;

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::error::Class;
use shared::ledger::{get_n, get_s};

use world::{Stage, config, real_now};

use super::*;
use crate::receiver::{Got, Receiver, answer};

/// A policy under which every channel bears whatever comes.
const AT_ONCE: &str = "notify: {channels: {ops: {at_most: {count: 1000, within: 1s, burst: 1000}}}, \
                       storm: {count: 1000, within: 1m}}";

fn event(case: &str) -> Value {
    let path = format!("{}/../../events/notification-fanout/{case}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "a receiver's script may also not answer")]
fn ok(_: &Got, _: usize) -> Option<String> {
    Some(answer("200 OK", "", "ok"))
}

fn failures(report: &Report) -> Vec<&str> {
    let list = report.answer()["batchItemFailures"].as_array().unwrap();
    list.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect()
}

/// What of a batch is to be told: each notice once; of what is over only that which says what was done.
fn wanted(event: &Value, now: Timestamp) -> usize {
    let records = queue::read(event).unwrap();
    let gathered = message::gather(&records, "prod", now);
    let over = |work: &&message::Work<'_>| {
        let notice = &work.notice;
        notice.state != shared::notice::State::Resolved || decision::dedup::carries_news(notice)
    };
    gathered.iter().filter(over).count()
}

#[tokio::test]
async fn every_kind_of_message_reaches_every_channel_once() {
    for file in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/notification-fanout")).unwrap()
    {
        let case = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let event = event(&case);
        let receiver = Receiver::start(ok).await;
        let mut stage = Stage::with(&receiver, AT_ONCE);
        let count = if event.get("Records").is_some() { wanted(&event, stage.now) } else { continue };

        let report = stage.handle(&event).await.unwrap();
        assert_eq!(report.outcome(), if count == 0 { "ignored" } else { "delivered" }, "{case}");
        assert!(failures(&report).is_empty(), "{case}");
        let again = stage.handle(&event).await.unwrap();
        assert_eq!(again.outcome(), "ignored", "{case}");
        stage.later(3_600);
        stage.remind().await;

        for path in ["/slack/hunter2", "/audit/hunter2"] {
            assert_eq!(receiver.got(path).len(), count, "{case}");
        }
        assert!(stage.states().iter().all(|(_, state)| state == "acknowledged"), "{case}");
    }
}

#[tokio::test]
async fn a_webhook_can_check_the_signature_of_what_it_got() {
    let receiver = Receiver::start(ok).await;
    Stage::at(&receiver).told("notice-raw").await;
    let got = &receiver.got("/audit/hunter2")[0];
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"key").unwrap();
    let timestamp = got.header("watchkeeper-timestamp").unwrap();
    hmac::Mac::update(&mut mac, format!("{timestamp}.{}", got.body).as_bytes());
    let expected = format!("v1={}", hex::encode(hmac::Mac::finalize(mac).into_bytes()));
    assert_eq!(got.header("watchkeeper-signature"), Some(expected.as_str()));
    assert_eq!(got.header("idempotency-key").unwrap().len(), 16);
}

#[tokio::test]
async fn an_empty_batch_costs_nothing() {
    let fanout = Fanout::new(config());
    let invocation = Invocation { request_id: "r".to_owned(), now: real_now(), deadline: real_now() };
    let report = fanout.handle(&event("empty-batch"), &invocation).await.unwrap();
    assert_eq!((report.outcome(), report.answer()), ("ignored", &json!({"batchItemFailures": []})));
    assert!(fanout.clients.get().is_none());
    let refused = fanout.handle(&json!({"source": "aws.ecs"}), &invocation).await.unwrap_err();
    assert_eq!(refused.class(), Class::Permanent);
}

#[tokio::test]
async fn the_same_notice_twice_in_a_batch_is_sent_once() {
    let receiver = Receiver::start(ok).await;
    let mut twice = event("notice-via-sns");
    twice["Records"]
        .as_array_mut()
        .unwrap()
        .extend(event("notice-raw")["Records"].as_array().unwrap().clone());
    assert_eq!(twice["Records"].as_array().unwrap().len(), 2);
    assert_eq!(Stage::at(&receiver).handle(&twice).await.unwrap().outcome(), "delivered");
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
}

#[tokio::test]
async fn a_channel_that_says_wait_is_left_alone_until_then_and_the_other_has_its_message() {
    let receiver = Receiver::start(|got, before| match (got.path.as_str(), before) {
        ("/slack/hunter2", 0) => Some(answer("429 Too Many Requests", "retry-after: 30\r\n", "")),
        _ => ok(got, before),
    })
    .await;
    let mut stage = Stage::at(&receiver);
    let event = event("notice-raw");
    let id = event["Records"][0]["messageId"].as_str().unwrap();

    let report = stage.handle(&event).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("given_back", vec![id]));
    stage.check_states(&[("audit", "acknowledged"), ("ops", "pending")]);
    let given_back = stage.world.lock().unwrap().given_back.clone();
    assert!((30..=38).contains(&given_back[0].1), "{given_back:?}");

    let too_soon = stage.handle(&event).await.unwrap();
    assert_eq!(too_soon.outcome(), "given_back");
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);

    stage.now = decision::after(stage.now, Duration::from_secs(40));
    let report = stage.handle(&event).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("delivered", vec![]));
    assert_eq!(receiver.got("/slack/hunter2").len(), 2);
    assert_eq!(receiver.got("/audit/hunter2").len(), 1);
}

#[tokio::test]
async fn what_one_notice_was_told_to_wait_for_holds_for_the_next() {
    let receiver =
        Receiver::start(|_, _| Some(answer("429 Too Many Requests", "retry-after: 30\r\n", ""))).await;
    let stage = Stage::at(&receiver);
    stage.told("notice-raw").await;
    stage.told("text-raw").await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
}

#[tokio::test]
async fn a_refusal_goes_to_the_dead_letters_once_for_each_message() {
    let receiver = Receiver::start(|got, before| match got.path.as_str() {
        "/slack/hunter2" => Some(answer("404 Not Found", "", "no_service")),
        _ => ok(got, before),
    })
    .await;
    let stage = Stage::at(&receiver);
    let mut event = event("notice-raw");
    let body = event["Records"][0]["body"].as_str().unwrap().to_owned();

    let report = stage.handle(&event).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("dead_lettered", vec![]));
    stage.check_states(&[("audit", "acknowledged"), ("ops", "failed")]);
    let expected = ("ops".to_owned(), "404 no_service".to_owned(), body);
    assert_eq!(stage.world.lock().unwrap().dead, [expected]);

    assert_eq!(stage.handle(&event).await.unwrap().outcome(), "ignored");
    event["Records"][0]["messageId"] = json!("redriven");
    assert_eq!(stage.handle(&event).await.unwrap().outcome(), "dead_lettered");
    assert_eq!(receiver.got("/slack/hunter2").len(), 2);
    assert_eq!(receiver.got("/audit/hunter2").len(), 1);
}

#[tokio::test]
async fn refused_blocks_are_told_plainer_until_nothing_plainer_is_left() {
    let receiver = Receiver::start(|got, before| {
        if got.body.contains("\"blocks\"") {
            Some(answer("400 Bad Request", "", "invalid_blocks"))
        } else {
            ok(got, before)
        }
    })
    .await;
    let stage = Stage::at(&receiver);
    assert_eq!(stage.told("notice-raw").await, "delivered");
    assert_eq!(receiver.got("/slack/hunter2").len(), 2);

    let stubborn = Receiver::start(|_, _| Some(answer("400 Bad Request", "", "invalid_payload"))).await;
    let stage = Stage::at(&stubborn);
    assert_eq!(stage.told("notice-raw").await, "dead_lettered");
    assert_eq!(stubborn.got("/slack/hunter2").len(), 3);
}

#[tokio::test]
async fn a_channel_that_hangs_delays_nobody_else() {
    let receiver = Receiver::start(|got, before| match got.path.as_str() {
        "/slack/hunter2" => None,
        _ => ok(got, before),
    })
    .await;
    let mut stage = Stage::at(&receiver);
    stage.left = MARGIN + Duration::from_millis(1_300);
    let report = stage.handle(&event("two-records-mixed")).await.unwrap();
    assert_eq!(failures(&report).len(), 2);
    assert_eq!(receiver.got("/audit/hunter2").len(), 2);
    assert_eq!(stage.states().iter().filter(|(_, state)| state == "pending").count(), 2);
}

#[tokio::test]
async fn without_time_nothing_is_begun() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.left = MARGIN;
    let report = stage.handle(&event("notice-raw")).await.unwrap();
    assert_eq!((report.outcome(), failures(&report).len()), ("given_back", 1));
    assert!(stage.states().is_empty() && receiver.got("/slack/hunter2").is_empty());
}

#[tokio::test]
async fn what_another_has_in_hand_comes_again_at_its_deadline_and_is_then_sent() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.told("notice-raw").await;
    stage.in_flight();

    let report = stage.handle(&event("notice-raw")).await.unwrap();
    assert_eq!((report.outcome(), failures(&report).len()), ("given_back", 1));
    let after = stage.world.lock().unwrap().given_back[0].1;
    assert!((35..=40).contains(&after), "{after}");
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);

    stage.now = decision::after(stage.now, Duration::from_secs(41));
    assert_eq!(stage.told("notice-raw").await, "delivered");
    assert_eq!(receiver.got("/slack/hunter2").len(), 2);
    let world = stage.world.lock().unwrap();
    let ops = world.table.values().find(|item| get_s(item, "channel").as_deref() == Some("ops")).unwrap();
    assert_eq!(get_n(ops, "attempts"), Some(2));
}

#[tokio::test]
async fn what_was_sent_is_not_given_back_because_it_could_not_be_written_down() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::at(&receiver);
    stage.world.lock().unwrap().denied = Some(|item| {
        get_s(item, "sk").is_some_and(|sort| sort.starts_with("told#"))
            || get_s(item, "state").as_deref() == Some("acknowledged")
    });
    let report = stage.handle(&event("notice-raw")).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("delivered", vec![]));
    stage.check_states(&[("audit", "in_flight"), ("ops", "in_flight")]);
}

#[tokio::test]
async fn a_denied_ledger_fails_the_whole_invocation_and_sends_nothing() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::at(&receiver);
    stage.world.lock().unwrap().denied = Some(|_| true);
    let error = stage.handle(&event("notice-raw")).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("dynamodb:PutItem is denied"), "{error:?}");
    assert!(receiver.got("/slack/hunter2").is_empty());
}

#[tokio::test]
async fn a_secret_without_channels_fails_the_whole_invocation() {
    let receiver = Receiver::start(ok).await;
    for secret in ["", "{}", r#"{"channels":[]}"#] {
        let error =
            Stage::new(receiver.http.clone(), secret, "").handle(&event("notice-raw")).await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent);
        assert!(error.chain().contains("the channels secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_channel_that_cannot_be_used_loses_nothing_and_stops_nobody() {
    let receiver = Receiver::start(ok).await;
    let secret = json!({"channels": [
        {"name": "chat", "type": "irc"},
        {"name": "ops", "type": "slack", "url": receiver.url("/slack/hunter2").as_str()},
    ]});
    let stage = Stage::new(receiver.http.clone(), &secret.to_string(), "");
    stage.told("notice-raw").await;
    stage.check_states(&[("chat", "failed"), ("ops", "acknowledged")]);
    let why = &stage.world.lock().unwrap().dead[0].1;
    assert_eq!(
        why,
        "the channel cannot be used: type is not known; write slack, slack-app, teams, pagerduty, github, sns, email, amazon-q or webhook"
    );
}

#[tokio::test]
async fn a_beginning_that_comes_after_its_end_was_told_is_not_told() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::at(&receiver);
    let mut resolved = event("notice-raw");
    let body = resolved["Records"][0]["body"].as_str().unwrap();
    let body = body.replace("\"firing\"", "\"resolved\"").replace("1795176000000", "1795176000001");
    resolved["Records"][0]["body"] = json!(body);
    assert_eq!(stage.handle(&resolved).await.unwrap().outcome(), "delivered");
    assert_eq!(stage.told("notice-raw").await, "ignored");
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
}

#[tokio::test]
async fn the_channels_are_read_again_after_five_minutes() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    let read_at = |stage: &Stage| stage.fanout.secrets.borrow().as_ref().map(|(read_at, _)| *read_at);
    stage.told("notice-raw").await;
    let first = read_at(&stage);
    stage.now = decision::after(stage.now, Duration::from_mins(4));
    stage.told("notice-raw").await;
    assert_eq!(read_at(&stage), first);
    stage.now = decision::after(stage.now, Duration::from_mins(2));
    stage.told("notice-raw").await;
    assert_eq!(read_at(&stage), Some(stage.now));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((field(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The names that the code looks for, among others.
fn field() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "Type",
        "Message",
        "MessageId",
        "TopicArn",
        "Subject",
        "Timestamp",
        "schema",
        "incident",
        "revision",
        "state",
        "AlarmName",
        "NewStateValue",
        "StateChangeTime",
        "Trigger",
        "alarmData",
        "detail-type",
        "detail",
        "channel",
    ];
    prop_oneof![prop::sample::select(KNOWN).prop_map(ToOwned::to_owned), "[a-z]{1,6}"]
}

fn any_record() -> impl Strategy<Value = Value> {
    let body = prop_oneof![
        any_json(),
        any_json().prop_map(|inner| Value::from(inner.to_string())),
        any_json().prop_map(|inner| {
            let envelope = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:r:1:t", "Message": inner.to_string()});
            Value::from(envelope.to_string())
        }),
        (1_000_usize..40_000).prop_map(|length| Value::from("é".repeat(length))),
        Just(Value::from("[".repeat(5_000))),
    ];
    let record = (prop::option::of("[a-z0-9]{1,8}"), prop::option::of(body), any_json()).prop_map(
        |(id, body, odd)| {
            let mut record = json!({"receiptHandle": "r", "attributes": odd, "messageAttributes": odd});
            record["messageId"] = json!(id);
            if let Some(body) = body {
                record["body"] = body;
            }
            record
        },
    );
    prop_oneof![9 => record, 1 => any_json()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_batch_is_answered(records in prop::collection::vec(any_record(), 0..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let event = json!({"Records": records});
        let broken = r#"{"channels":[{"name":"a"},{"name":"b","type":"irc"}]}"#;
        let http = Http::trusting(rustls::RootCertStore::empty()).unwrap();
        let stage = Stage::new(http, broken, "");
        match runtime.block_on(stage.handle(&event)) {
            Ok(report) => prop_assert!(failures(&report).is_empty()),
            Err(error) => prop_assert!(error.chain().contains("not from an SQS queue"), "{error:?}"),
        }
        // Nothing that could be shown was dropped: each notice lies with the dead letters, once for each channel.
        let deliveries = stage.states().len();
        prop_assert_eq!(stage.world.lock().unwrap().dead.len(), deliveries);
        prop_assert!(records.is_empty() || deliveries > 0);
    }
}
