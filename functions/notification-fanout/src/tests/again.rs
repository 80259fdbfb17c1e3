//! What is told again: escalations, reminders, and what another channel refused.

use serde_json::{Value, json};
use shared::ledger::activity::Acknowledgement;
use shared::ledger::get_s;

use super::together::{batch, notice};
use super::world::Stage;
use super::{failures, ok};
use crate::receiver::{Receiver, answer};

const ON_CALL: &str = "
notify:
  route: {channels: [audit]}
  people: {ann: {channels: [ops], mention: U012ABC}, ben: {channels: [ops]}}
  escalation:
    steps: [{after: 0s, to: ann}, {after: 15m, to: ben}, {after: 30m, to: ops}]
";

#[tokio::test]
async fn whoever_is_next_is_called_until_somebody_acknowledges() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, ON_CALL);
    stage.tell(&[notice(&stage, "e-1", "firing", "sev1", 0)]).await;
    assert_eq!(stage.remind().await, ["escalated"]);
    stage.remind().await;
    let called = receiver.got("/slack/hunter2");
    assert_eq!(called.len(), 1, "once, however often the reminder comes");
    assert!(
        called[0].body.contains("<@U012ABC>") && called[0].body.contains("you are on call"),
        "{}",
        called[0].body
    );
    assert!(called[0].body.contains("expires="), "there is a link to acknowledge");

    stage.later(901);
    assert_eq!(stage.remind().await, ["escalated"]);
    let called = receiver.got("/slack/hunter2");
    assert_eq!(called.len(), 2);
    assert!(called[1].body.contains("ben") && called[1].body.contains("15 min"), "{}", called[1].body);

    let ledger = &stage.fanout.clients.get().unwrap().ledger;
    let acknowledged = ledger.acknowledge("prod", "e-1", "ann", stage.now).await.unwrap();
    assert!(matches!(acknowledged, Acknowledgement::Done(_)));
    stage.later(1_000);
    assert_eq!(stage.remind().await, ["ignored"]);
    assert_eq!(receiver.got("/slack/hunter2").len(), 2, "nobody is called for what somebody has in hand");
    assert!(stage.world.lock().unwrap().reminders.is_empty(), "and nothing reminds of it any more");
}

#[tokio::test]
async fn an_end_ends_the_escalation_and_a_new_beginning_begins_it_anew() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, ON_CALL);
    stage.tell(&[notice(&stage, "e-2", "firing", "sev1", 0)]).await;
    stage.remind().await;
    stage.later(60);
    stage.tell(&[notice(&stage, "e-2", "resolved", "sev1", 0)]).await;
    stage.later(900);
    assert_eq!(stage.remind().await, ["ignored"]);
    assert_eq!(receiver.got("/slack/hunter2").len(), 2, "the call, and that it is over");
    stage.tell(&[notice(&stage, "e-2", "firing", "sev1", 0)]).await;
    assert_eq!(stage.remind().await, ["escalated"]);
    assert_eq!(receiver.got("/slack/hunter2").len(), 3);
}

#[tokio::test]
async fn whom_a_call_reached_hears_its_end_although_that_could_not_be_written_down_at_first() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, ON_CALL);
    stage.tell(&[notice(&stage, "e-5", "firing", "sev1", 0)]).await;
    stage.world.lock().unwrap().denied = Some(|item| get_s(item, "sk").is_some_and(|sk| sk == "told#ops"));
    assert_eq!(stage.remind().await, ["waiting"]);
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
    stage.world.lock().unwrap().denied = None;
    stage.later(60);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 1, "it was called");
    stage.tell(&[notice(&stage, "e-5", "resolved", "sev1", 5)]).await;
    let slack = receiver.got("/slack/hunter2");
    assert!(slack.len() == 2 && slack[1].body.contains("resolved"), "{slack:?}");
}

#[tokio::test]
async fn whom_nobody_tells_nobody_calls() {
    let receiver = Receiver::start(ok).await;
    let silenced = format!(
        "{ON_CALL}  silences: [{{match: {{incident: e-3}}, until: 2099-01-01T00:00:00Z, author: ann, reason: a test}}]\n"
    );
    let stage = Stage::with(&receiver, &silenced);
    stage.tell(&[notice(&stage, "e-3", "firing", "sev1", 0)]).await;
    assert!(stage.remind().await.iter().all(|outcome| *outcome == "waiting"));
    assert!(receiver.got("/slack/hunter2").is_empty() && receiver.got("/audit/hunter2").is_empty());
}

#[tokio::test]
async fn somebody_without_channels_is_called_by_name_where_it_is_told() {
    let receiver = Receiver::start(ok).await;
    let policy = "notify: {route: {channels: [ops]}, people: {ann: {mention: U012ABC}}, \
                  escalation: {steps: [{after: 0s, to: ann}]}}";
    let stage = Stage::with(&receiver, policy);
    stage.tell(&[notice(&stage, "e-4", "firing", "sev1", 0)]).await;
    assert_eq!(stage.remind().await, ["escalated"]);
    let slack = receiver.got("/slack/hunter2");
    assert!(slack.len() == 2 && slack[1].body.contains("<@U012ABC>"), "{slack:?}");
}

#[tokio::test]
async fn what_the_queue_is_about_to_forget_is_kept_as_a_dead_letter() {
    let receiver = Receiver::start(|got, before| match got.path.as_str() {
        "/slack/hunter2" => Some(answer("503 Service Unavailable", "", "")),
        _ => ok(got, before),
    })
    .await;
    let stage = Stage::at(&receiver);
    let mut event = batch(&[notice(&stage, "o-1", "firing", "sev2", 0)]);
    let sent = (stage.now - jiff::SignedDuration::from_hours(85)).as_millisecond().to_string();
    event["Records"][0]["attributes"] = json!({"SentTimestamp": sent, "ApproximateReceiveCount": "400"});
    let report = stage.handle(&event).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("dead_lettered", vec![]));
    let world = stage.world.lock().unwrap();
    assert_eq!(world.dead.len(), 1);
    assert!(world.dead[0].0 == "ops" && world.dead[0].1.contains("for days: 503"), "{:?}", world.dead);
}

#[tokio::test]
async fn what_goes_on_is_repeated_until_somebody_has_it_in_hand() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, "notify: {route: {channels: [ops], repeat_interval: 1h}}");
    stage.tell(&[notice(&stage, "r-1", "firing", "sev2", 0)]).await;
    stage.later(3_500);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
    for told in 2..4 {
        stage.later(3_601);
        stage.remind().await;
        let slack = receiver.got("/slack/hunter2");
        assert_eq!(slack.len(), told);
        assert!(slack[told - 1].body.contains("it still goes on"), "{}", slack[told - 1].body);
    }
    let ledger = &stage.fanout.clients.get().unwrap().ledger;
    ledger.acknowledge("prod", "r-1", "ann", stage.now).await.unwrap();
    stage.later(3_601);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 3);
}

#[tokio::test]
async fn what_a_channel_refuses_for_good_is_told_on_its_fallback_and_says_so() {
    let receiver = Receiver::start(|got, before| match got.path.as_str() {
        "/slack/hunter2" => Some(answer("404 Not Found", "", "no_service")),
        _ => ok(got, before),
    })
    .await;
    let stage = Stage::with(&receiver, "notify: {route: {channels: [ops]}, fallback: audit}");
    let event = batch(&[notice(&stage, "b-1", "firing", "sev2", 0)]);
    let report = stage.handle(&event).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("rerouted", vec![]));
    assert!(stage.world.lock().unwrap().dead.is_empty());
    let audit = receiver.got("/audit/hunter2");
    assert_eq!(audit.len(), 1);
    assert!(audit[0].body.contains("404 no_service"), "{}", audit[0].body);
    assert_eq!(stage.handle(&event).await.unwrap().outcome(), "ignored");
    assert_eq!(receiver.got("/audit/hunter2").len(), 1);
}

#[tokio::test]
async fn a_dry_run_says_which_channels_would_be_told_and_why() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::with(&receiver, "notify: {route: {channels: [ops]}}");
    let asked = json!({"explain": {"severity": "sev2", "labels": {"service": "web"}}});
    let report = stage.handle(&asked).await.unwrap();
    let channels = report.answer()["channels"].as_array().unwrap();
    let of =
        |name: &str| channels.iter().find(|channel| channel["channel"] == name).unwrap()["would"].clone();
    assert_eq!((of("ops"), of("audit")), (json!("tell"), json!("not_routed")));
    assert!(receiver.got("/slack/hunter2").is_empty());
    let wrong = stage.handle(&json!({"explain": {"severty": "sev2"}})).await.unwrap_err();
    assert!(wrong.chain().contains("severty"), "{wrong}");
}

#[tokio::test]
async fn a_heartbeat_finds_what_would_keep_people_from_being_told() {
    let receiver = Receiver::start(ok).await;
    let beat = json!({"heartbeat": {}});
    assert_eq!(Stage::at(&receiver).handle(&beat).await.unwrap().outcome(), "alive");
    let wrong = Stage::with(&receiver, "notify: {route: {channels: [ops, pagr]}}");
    let error = wrong.handle(&beat).await.unwrap_err();
    assert!(error.chain().contains("pagr"), "{error}");
    let unread = Stage::with(&receiver, "notify: {rout: {}}");
    assert!(unread.handle(&beat).await.unwrap_err().chain().contains("rout"));
}

#[tokio::test]
async fn a_channel_that_cannot_be_told_holds_up_no_later_step() {
    let receiver = Receiver::start(|got, before| match got.path.as_str() {
        "/slack/hunter2" => Some(answer("503 Service Unavailable", "", "")),
        _ => ok(got, before),
    })
    .await;
    let policy = "notify: {route: {channels: [audit]}, \
                  escalation: {steps: [{after: 0s, to: ops}, {after: 15m, to: audit}]}}";
    let mut stage = Stage::with(&receiver, policy);
    stage.tell(&[notice(&stage, "e-5", "firing", "sev1", 0)]).await;
    assert_eq!(stage.remind().await, ["waiting"]);
    for _ in 0..3 {
        stage.later(302);
        stage.remind().await;
    }
    stage.remind().await;
    assert!(receiver.got("/slack/hunter2").len() >= 2, "it is tried until the next step is due");
    let audit = receiver.got("/audit/hunter2");
    assert!(audit.len() == 2 && audit[1].body.contains("escalation"), "{audit:?}");
}

#[tokio::test]
async fn a_policy_is_tried_before_it_is_in_place_and_silences_are_listed() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::at(&receiver);
    let explain = |policy: &str| json!({"explain": {"severity": "sev3", "policy": policy}});
    let tried = stage.handle(&explain("notify: {route: {channels: [audit, pager]}}")).await.unwrap();
    let answer = tried.answer();
    let would = |name: &str| {
        let channels = answer["channels"].as_array().unwrap();
        channels.iter().find(|channel| channel["channel"] == name).unwrap()["would"].clone()
    };
    assert_eq!((would("audit"), would("ops")), (json!("tell"), json!("not_routed")));
    assert_eq!(answer["unknown"], json!(["pager"]));
    let refused = stage.handle(&explain("notify: {rout: {}}")).await.unwrap_err().chain();
    assert!(refused.contains("in the request") && refused.contains("rout"), "{refused}");

    let until = (stage.now + jiff::SignedDuration::from_mins(10)).to_string();
    let silence = json!({"silence": {"match": {"source": "rds"}, "until": until, "author": "ann", "reason": "it moves"}});
    let made = stage.handle(&silence).await.unwrap().answer()["silence"]["id"].clone();
    let listed = stage.handle(&json!({"silences": {}})).await.unwrap();
    assert_eq!(listed.answer()["by_hand"][0]["id"], made);
    let why = stage.handle(&json!({"explain": {"source": "rds"}})).await.unwrap();
    assert!(why.answer()["channels"][0]["why"].as_str().unwrap().contains(made.as_str().unwrap()));
}

#[tokio::test]
async fn a_silence_says_what_it_silences_and_is_ended_once_by_its_id() {
    let receiver = Receiver::start(ok).await;
    let of_policy =
        "notify: {silences: [{match: {team: shop}, until: 2099-01-01T00:00:00Z, author: ann, reason: x}]}";
    let mut stage = Stage::with(&receiver, of_policy);
    stage.tell(&[notice(&stage, "s-1", "firing", "sev2", 0)]).await;
    let until = (stage.now + jiff::SignedDuration::from_mins(10)).to_string();
    let silence = |matches: Value, until: &str| json!({"silence": {"match": matches, "until": until, "author": "ann", "reason": "it moves"}});
    let made = stage.handle(&silence(json!({"incident": "s-*"}), &until)).await.unwrap();
    let made = made.answer();
    assert_eq!((&made["count"], &made["note"]), (&json!(1), &Value::Null), "{made}");
    assert_eq!(
        (&made["incidents"][0]["incident"], &made["matches"]),
        (&json!("s-1"), &json!("incident=s-*"))
    );
    let odd = stage.handle(&silence(json!({"servce": "web"}), &until)).await.unwrap();
    assert!(odd.answer()["note"].as_str().unwrap().contains("did you mean service?"), "{}", odd.answer());
    let past = stage.handle(&silence(json!({"service": "web"}), "2020-01-01T00:00:00Z")).await.unwrap_err();
    assert!(past.to_string().contains("silence.until is over"), "{past}");

    let end = |id: &Value| json!({"unsilence": {"id": id, "by": "ben"}});
    let id = &made["silence"]["id"];
    for (outcome, reason) in [("ended", "incident=s-* is told again"), ("over", "ben ended it at")] {
        let ended = stage.handle(&end(id)).await.unwrap();
        let reason_told = ended.answer()["reason"].as_str().unwrap();
        assert!(ended.outcome() == outcome && reason_told.starts_with(reason), "{}", ended.answer());
    }
    stage.later(1);
    let listed = stage.handle(&json!({"silences": {}})).await.unwrap();
    let ids = |list: &str| -> Vec<Value> {
        listed.answer()[list].as_array().unwrap().iter().map(|it| it["id"].clone()).collect()
    };
    assert_eq!(
        (ids("by_hand"), ids("of_policy")),
        (vec![odd.answer()["silence"]["id"].clone()], vec![json!("policy-1")])
    );
    for (id, said) in [
        ("policy-1", "policy-1 stands in the policy, and is ended there: take it out of notify.silences"),
        ("nothing", "no silence has the id \"nothing\"; there are"),
    ] {
        let refused = stage.handle(&end(&json!(id))).await.unwrap_err();
        assert!(refused.to_string().starts_with(said), "{refused}");
        assert!(matches!(refused, shared::Error::Malformed(_)), "{refused:?}");
    }
    // What was ended is told again.
    let why = stage.handle(&json!({"explain": {"incident": "s-1"}})).await.unwrap();
    assert_eq!(why.answer()["channels"][0]["would"], "tell", "{}", why.answer());
}

#[tokio::test]
async fn a_dry_run_knows_what_a_channel_has_no_use_for() {
    let receiver = Receiver::start(ok).await;
    let secret = json!({"channels": [
        {"name": "pager", "type": "pagerduty", "routing_key": "hunter2hunter2hunter2hunter2abcd"},
    ]});
    let stage = Stage::new(receiver.http.clone(), &secret.to_string(), "");
    let broken = json!({"channels": [
        {"name": "ops", "type": "slack", "url": "hooks.invalid/hunter2"},
        {"name": "pager", "type": "pagerduty", "routing_key": "hunter2hunter2hunter2hunter2abcd"},
    ]});
    let broken = Stage::new(receiver.http.clone(), &broken.to_string(), "");
    let report = broken.handle(&json!({"explain": {"severity": "sev1"}})).await.unwrap();
    let told = &report.answer()["channels"];
    assert_eq!((&told[0]["would"], &told[1]["would"]), (&json!("drop"), &json!("tell")), "{told}");
    assert_eq!(told[0]["why"], "the channel cannot be used: url is not an address");
    assert!(!report.answer().to_string().contains("hunter2"), "{}", report.answer());
    for (state, would) in [("firing", "tell"), ("info", "drop")] {
        let report = stage.handle(&json!({"explain": {"state": state, "severity": "sev3"}})).await.unwrap();
        assert_eq!(report.answer()["channels"][0]["would"], would, "{state}: {}", report.answer());
    }
}
