//! What happens at the same moment elsewhere.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::ledger::{get_n, get_s};

use super::together::{batch, notice};
use super::world::Stage;
use super::{failures, ok};
use crate::MARGIN;
use crate::decision::LEAST_TIME;
use crate::receiver::Receiver;

/// Longer than all else that happens before a claim.
const SLOWNESS: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_end_that_comes_while_its_beginning_is_sent_is_told_after_it() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.tell(&[notice(&stage, "a-1", "firing", "sev2", 0)]).await;
    stage.in_flight();
    let end = batch(&[notice(&stage, "a-1", "resolved", "sev2", 5)]);
    let report = stage.handle(&end).await.unwrap();
    assert_eq!((report.outcome(), failures(&report).len()), ("given_back", 1));
    assert_eq!(receiver.got("/slack/hunter2").len(), 1, "nobody knows yet whether the beginning was heard");

    // Whoever sent it died over it: it may have been heard.
    stage.later(41);
    assert_eq!(failures(&stage.handle(&end).await.unwrap()), Vec::<&str>::new());
    let slack = receiver.got("/slack/hunter2");
    assert!(slack.len() == 2 && slack[1].body.contains("resolved"), "{slack:?}");
}

#[tokio::test]
async fn an_end_that_looks_while_its_beginning_is_written_down_is_told_after_it() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.tell(&[notice(&stage, "a-1", "firing", "sev2", 0)]).await;
    // The delivery is written down before what it told.
    let mut after = stage.world.lock().unwrap().table.clone();
    after.retain(|(_, sk), _| !sk.starts_with("told#"));
    stage.in_flight();
    stage.world.lock().unwrap().before_history = Some(Box::new(move |table| table.extend(after)));
    let end = batch(&[notice(&stage, "a-1", "resolved", "sev2", 5)]);
    assert_eq!(failures(&stage.handle(&end).await.unwrap()), Vec::<&str>::new());
    let slack = receiver.got("/slack/hunter2");
    assert!(slack.len() == 2 && slack[1].body.contains("resolved"), "{slack:?}");

    stage.later(1);
    let _ = stage.handle(&end).await.unwrap();
    assert_eq!(receiver.got("/slack/hunter2").len(), 2, "it is known now");
}

#[tokio::test]
async fn an_end_that_looks_while_its_beginning_is_written_down_as_told_comes_again() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.tell(&[notice(&stage, "a-1", "firing", "sev2", 0)]).await;
    // What was told with others: only that it was told is written down.
    let mut after = stage.world.lock().unwrap().table.clone();
    after.retain(|(_, sk), _| sk.starts_with("told#"));
    stage.world.lock().unwrap().table.retain(|(pk, _), _| !pk.starts_with("delivery#"));
    stage.world.lock().unwrap().before_history = Some(Box::new(move |table| table.extend(after)));
    let end = batch(&[notice(&stage, "a-1", "resolved", "sev2", 5)]);
    let report = stage.handle(&end).await.unwrap();
    assert_eq!((report.outcome(), failures(&report).len()), ("given_back", 1));

    stage.later(1);
    assert_eq!(failures(&stage.handle(&end).await.unwrap()), Vec::<&str>::new());
    let slack = receiver.got("/slack/hunter2");
    assert!(slack.len() == 2 && slack[1].body.contains("resolved"), "{slack:?}");
}

#[tokio::test]
async fn what_joins_a_group_that_is_just_taken_is_told_the_next_time() {
    let receiver = Receiver::start(ok).await;
    let policy = "notify: {route: {group_by: [source], group_wait: 30s, group_interval: 5m}}";
    let mut stage = Stage::with(&receiver, policy);
    stage.tell(&[notice(&stage, "j-0", "firing", "sev3", 0)]).await;
    // Somebody takes the group, looks for its members, and then comes this one.
    stage.world.lock().unwrap().meanwhile = Some(|table, item| {
        let pk = get_s(item, "pk").unwrap();
        let group = table.iter_mut().find(|((pk, _), _)| pk == "groups#prod").map(|(_, group)| group);
        if let (true, Some(group)) = (pk.starts_with("group#"), group) {
            group.remove("due");
            group.insert("version".to_owned(), AttributeValue::N("99".to_owned()));
        }
    });
    stage.tell(&[notice(&stage, "j-1", "firing", "sev3", 0)]).await;
    {
        let mut world = stage.world.lock().unwrap();
        world.meanwhile = None;
        let group = world.table.iter().find(|((pk, _), _)| pk == "groups#prod").unwrap().1;
        assert!(group.contains_key("due") && get_n(group, "version") == Some(100), "{group:?}");
        assert_eq!(world.reminders.len(), 2, "another reminder is armed");
    }
    stage.later(31);
    stage.remind().await;
    assert!(receiver.got("/slack/hunter2")[0].body.contains("2 incidents of source cloudwatch"));
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_ends_no_escalation() {
    let receiver = Receiver::start(ok).await;
    let good = "notify: {route: {channels: [audit]}, escalation: {steps: [{after: 15m, to: ops}]}}";
    let mut stage = Stage::with(&receiver, "notify: {rout: {}}");
    // It begins while nobody knows the policy, and its reminder waits for it.
    stage.tell(&[notice(&stage, "p-1", "firing", "sev1", 0)]).await;
    stage.later(900);
    assert_eq!(stage.remind().await, ["waiting"]);
    stage.policy(good);
    assert_eq!(stage.remind().await, ["escalated"]);
    let called = receiver.got("/slack/hunter2").len();
    // Broken again, the last good one holds as long as the process remembers it.
    stage.world.lock().unwrap().reminders.clear();
    stage.tell(&[notice(&stage, "p-2", "firing", "sev1", 0)]).await;
    stage.later(31);
    stage.world.lock().unwrap().policy = "notify: {rout: {}}".to_owned();
    stage.later(900);
    assert_eq!(stage.remind().await, ["escalated"]);
    assert_eq!(receiver.got("/slack/hunter2").len(), called + 1);
}

#[tokio::test]
async fn a_reminder_that_is_faster_than_its_group_comes_again() {
    let receiver = Receiver::start(ok).await;
    let stage = Stage::at(&receiver);
    for (age, outcome) in [(1, "waiting"), (60, "ignored")] {
        let sent = (stage.now - jiff::SignedDuration::from_secs(age)).as_millisecond().to_string();
        let event = json!({"Records": [{
            "messageId": "r", "receiptHandle": "r", "body": r#"{"flush":{"group":"0123"}}"#,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:reminders_queue_url",
        }]});
        assert_eq!(stage.handle(&event).await.unwrap().outcome(), outcome, "{age} s old");
    }
}

#[tokio::test]
async fn a_ledger_so_slow_that_a_channel_had_no_time_to_answer_leaves_it_to_the_next_invocation() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    stage.left = MARGIN + LEAST_TIME + SLOWNESS;
    stage.world.lock().unwrap().meanwhile = Some(|_, item| {
        if get_s(item, "state").is_some_and(|state| state == "in_flight") {
            std::thread::sleep(SLOWNESS);
        }
    });
    let news = batch(&[notice(&stage, "a-1", "firing", "sev2", 0)]);
    let report = stage.handle(&news).await.unwrap();
    assert_eq!((report.outcome(), failures(&report).len()), ("given_back", 1));
    assert_eq!(receiver.got("/slack/hunter2").len(), 0);
    let states = stage.states();
    assert!(states.iter().all(|(_, state)| state == "pending"), "{states:?}");
    assert!(states.iter().any(|(channel, _)| channel == "ops"), "it was given back, not only left alone");

    stage.world.lock().unwrap().meanwhile = None;
    stage.left = Duration::from_secs(30);
    stage.later(60);
    assert_eq!(failures(&stage.handle(&news).await.unwrap()), Vec::<&str>::new());
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
    stage.check_states(&[("audit", "acknowledged"), ("ops", "acknowledged")]);
}
