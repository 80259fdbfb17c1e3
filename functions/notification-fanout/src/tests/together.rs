//! What waits, and is told together.

use std::fmt::Write;

use serde_json::{Value, json};

use super::world::Stage;
use super::{AT_ONCE, failures, ok};
use crate::group;
use crate::receiver::{Receiver, answer};

/// A notice of ours as the queue hands it over; `at` in seconds counts up its revision.
pub(super) fn notice(stage: &Stage, incident: &str, phase: &str, severity: &str, at: i64) -> Value {
    let time = stage.now + jiff::SignedDuration::from_secs(at);
    json!({
        "schema": "watchkeeper.notice/1", "id": incident, "incident": incident,
        "revision": time.as_millisecond(), "state": phase, "severity": severity,
        "source": "cloudwatch", "environment": "prod",
        "subject": {"kind": "alarm", "id": incident},
        "title": format!("{incident} is slow"), "summary": "It is slow.", "time": time.to_string(),
    })
}

pub(super) fn batch(notices: &[Value]) -> Value {
    let record = |(place, notice): (usize, &Value)| {
        json!({
            "messageId": format!("m-{place}-{}", notice["revision"]), "receiptHandle": "r",
            "body": notice.to_string(), "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:notices_queue_url",
        })
    };
    json!({"Records": notices.iter().enumerate().map(record).collect::<Vec<_>>()})
}

#[tokio::test]
async fn what_a_channel_cannot_take_now_is_told_as_one_and_machines_get_each() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    let notices: Vec<_> = (0..12).map(|n| notice(&stage, &format!("i-{n}"), "firing", "sev2", 0)).collect();

    let report = stage.handle(&batch(&notices)).await.unwrap();
    assert_eq!((report.outcome(), failures(&report)), ("delivered", vec![]));
    assert_eq!(receiver.got("/audit/hunter2").len(), 12);
    assert_eq!(receiver.got("/slack/hunter2").len(), 5, "the burst that Slack bears");

    stage.later(5);
    assert!(stage.remind().await.contains(&"delivered"));
    let slack = receiver.got("/slack/hunter2");
    assert_eq!(slack.len(), 6);
    let together = &slack[5].body;
    assert!(together.contains("7 incidents: 7 firing"), "{together}");

    stage.later(60);
    stage.remind().await;
    stage.tell(&notices).await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 6, "each was told once");
    assert!(
        stage.world.lock().unwrap().table.keys().all(|(pk, _)| !pk.starts_with("group")),
        "nothing is left"
    );
}

#[tokio::test]
async fn a_burst_of_criticals_that_slack_throttles_becomes_one_message_and_the_pager_has_each() {
    // The fifth is answered with 429 and 30 seconds.
    let receiver = Receiver::start(|got, before| match (got.path.as_str(), before) {
        ("/slack/hunter2", 4) => Some(answer("429 Too Many Requests", "retry-after: 30\r\n", "")),
        _ => ok(got, before),
    })
    .await;
    let mut stage = Stage::at(&receiver);
    let notices: Vec<_> = (0..60).map(|n| notice(&stage, &format!("c-{n}"), "firing", "sev1", 0)).collect();
    let mut again = Vec::new();
    for some in notices.chunks(10) {
        let report = stage.handle(&batch(some)).await.unwrap();
        if !failures(&report).is_empty() {
            again.push(batch(some));
        }
    }
    assert_eq!(receiver.got("/audit/hunter2").len(), 50, "as many at once as a webhook bears");
    assert_eq!(receiver.got("/slack/hunter2").len(), 5);

    stage.later(29);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 5, "the channel is left alone until then");
    stage.later(12);
    for event in &again {
        let _ = stage.handle(event).await.unwrap();
    }
    stage.remind().await;
    let slack = receiver.got("/slack/hunter2");
    let whole = slack.iter().fold(String::new(), |mut whole, got| {
        let _ = write!(whole, "{}", got.body);
        whole
    });
    assert_eq!(slack.len(), 7, "the one that was refused, and one for all that waited");
    assert!(whole.contains("55 incidents: 55 firing"));
    assert_eq!(receiver.got("/audit/hunter2").len(), 60);
    let open = |(_, state): &(String, String)| state == "pending" || state == "in_flight";
    assert!(!stage.states().iter().any(open), "{:?}", stage.states());
}

#[tokio::test]
async fn a_group_is_told_after_its_wait_and_again_when_something_is_new() {
    let receiver = Receiver::start(ok).await;
    let policy = "notify: {route: {group_by: [source], group_wait: 30s, group_interval: 5m}}";
    let mut stage = Stage::with(&receiver, policy);
    let first: Vec<_> = (0..3).map(|n| notice(&stage, &format!("g-{n}"), "firing", "sev3", 0)).collect();
    stage.tell(&first).await;
    stage.remind().await;
    assert_eq!(receiver.got("/audit/hunter2").len(), 3, "machines get each");
    assert!(receiver.got("/slack/hunter2").is_empty(), "others are waited for");

    stage.later(31);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 1);
    assert!(receiver.got("/slack/hunter2")[0].body.contains("3 incidents of source cloudwatch: 3 firing"));

    let more = [notice(&stage, "g-3", "firing", "sev3", 0), notice(&stage, "g-0", "resolved", "sev3", 1)];
    stage.tell(&more).await;
    stage.later(60);
    stage.remind().await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 1, "the interval is not over");
    stage.later(300);
    stage.remind().await;
    let slack = receiver.got("/slack/hunter2");
    assert_eq!(slack.len(), 2);
    assert!(
        slack[1].body.contains("4 incidents of source cloudwatch: 3 firing, 1 resolved"),
        "{}",
        slack[1].body
    );
}

#[tokio::test]
async fn what_is_silenced_is_told_when_the_silence_ends_if_it_still_goes_on() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, AT_ONCE);
    let until = stage.now + jiff::SignedDuration::from_mins(10);
    let silence = json!({"silence": {
        "match": {"incident": "s-*"}, "until": until.to_string(), "author": "ann", "reason": "the database moves",
    }});
    assert_eq!(stage.handle(&silence).await.unwrap().outcome(), "silenced");
    stage.fanout.rules.replace(None);

    let both = [notice(&stage, "s-1", "firing", "sev2", 0), notice(&stage, "s-2", "firing", "sev2", 0)];
    let report = stage.handle(&batch(&both)).await.unwrap();
    assert_eq!(report.outcome(), "joined");
    assert!(format!("{report:?}").contains("the database moves"));
    stage.tell(&[notice(&stage, "s-2", "resolved", "sev2", 5)]).await;

    stage.later(601);
    stage.fanout.rules.replace(None);
    stage.remind().await;
    let slack = receiver.got("/slack/hunter2");
    assert_eq!(slack.len(), 1, "what is over by then is not told");
    assert!(slack[0].body.contains("s-1 is slow"));
}

#[tokio::test]
async fn what_comes_and_goes_is_told_once_that_it_does_and_then_where_it_stands() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::with(&receiver, AT_ONCE);
    for change in 0..9 {
        let phase = if change % 2 == 0 { "firing" } else { "resolved" };
        stage.tell(&[notice(&stage, "f-1", phase, "sev2", 0)]).await;
        stage.later(30);
        stage.remind().await;
    }
    let before = receiver.got("/slack/hunter2");
    assert_eq!(before.len(), 6, "five changes, and that it comes and goes");
    assert!(before[5].body.contains("It comes and goes"), "{}", before[5].body);
    stage.later(600);
    stage.remind().await;
    let after = receiver.got("/slack/hunter2");
    assert_eq!(after.len(), 7);
    assert!(
        after[6].body.contains("f-1 is slow") && !after[6].body.contains("resolved"),
        "{}",
        after[6].body
    );
}

#[tokio::test]
async fn a_source_that_storms_is_told_together_but_the_worst_goes_at_once() {
    let receiver = Receiver::start(ok).await;
    let policy = "notify: {storm: {count: 3, within: 10m}, route: {channels: [ops], repeat_interval: 1h}, \
                  channels: {ops: {at_most: {count: 1000, within: 1s, burst: 1000}}}}";
    let mut stage = Stage::with(&receiver, policy);
    let many: Vec<_> = (0..8).map(|n| notice(&stage, &format!("x-{n}"), "firing", "sev3", 0)).collect();
    stage.tell(&many).await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 3);
    let repeats = |stage: &Stage| {
        let reminders = &stage.world.lock().unwrap().reminders;
        reminders.iter().filter(|(body, _)| body.contains("repeat")).count()
    };
    assert_eq!(repeats(&stage), 3, "what storms is not told again by itself");
    stage.tell(&[notice(&stage, "x-worst", "firing", "sev1", 0)]).await;
    assert_eq!(receiver.got("/slack/hunter2").len(), 4);
    stage.later(61);
    stage.remind().await;
    let slack = receiver.got("/slack/hunter2");
    assert_eq!(slack.len(), 5);
    assert!(slack[4].body.contains("5 incidents of source cloudwatch: 5 firing"));
}

#[tokio::test]
async fn what_waited_and_was_refused_is_kept_each_by_itself_and_told_when_it_is_sent_back() {
    // The channel is gone when the others' turn comes, and there again when somebody has mended it.
    let receiver = Receiver::start(|got, before| match (got.path.as_str(), before) {
        ("/slack/hunter2", 5) => Some(answer("404 Not Found", "", "no_service")),
        _ => ok(got, before),
    })
    .await;
    let mut stage = Stage::at(&receiver);
    let notices: Vec<_> = (0..8).map(|n| notice(&stage, &format!("d-{n}"), "firing", "sev2", 0)).collect();
    stage.tell(&notices).await;
    stage.later(5);
    assert!(stage.remind().await.contains(&"dead_lettered"));
    let dead = std::mem::take(&mut stage.world.lock().unwrap().dead);
    assert_eq!(dead.len(), 3, "{dead:?}");

    let refused = receiver.got("/slack/hunter2").len();
    stage.later(60);
    for (place, (channel, error, body)) in dead.iter().enumerate() {
        assert_eq!((channel.as_str(), error.as_str()), ("ops", "404 no_service"));
        let mut event = batch(&[serde_json::from_str(body).unwrap()]);
        event["Records"][0]["messageId"] = json!(format!("sent-back-{place}"));
        assert_eq!(stage.handle(&event).await.unwrap().outcome(), "delivered", "{body}");
    }
    assert_eq!(receiver.got("/slack/hunter2").len(), refused + 3);
    assert_eq!(receiver.got("/audit/hunter2").len(), 8, "who has heard it does not hear it again");
}

#[tokio::test]
async fn what_stormed_and_is_over_is_not_told_as_if_it_went_on() {
    let receiver = Receiver::start(ok).await;
    let policy = "notify: {storm: {count: 2, within: 10m}, \
                  channels: {ops: {at_most: {count: 1000, within: 1s, burst: 1000}}}}";
    let mut stage = Stage::with(&receiver, policy);
    let first: Vec<_> = (0..4).map(|n| notice(&stage, &format!("o-{n}"), "firing", "sev3", 0)).collect();
    stage.tell(&first).await;
    stage.later(61);
    stage.remind().await;
    assert!(receiver.got("/slack/hunter2")[2].body.contains("2 incidents of source cloudwatch: 2 firing"));
    // By now the source is calm enough for its end to be told by itself.
    stage.later(300);
    stage.tell(&[notice(&stage, "o-3", "resolved", "sev3", 0)]).await;
    let more: Vec<_> = (4..8).map(|n| notice(&stage, &format!("o-{n}"), "firing", "sev3", 1)).collect();
    stage.tell(&more).await;
    stage.later(600);
    stage.remind().await;
    let slack = receiver.got("/slack/hunter2");
    let last = &slack.last().unwrap().body;
    assert!(!last.contains("o-3 is slow"), "{last}");
    assert!(last.contains("o-2 is slow"), "{last}");
}

#[tokio::test]
async fn more_than_one_message_can_hold_is_told_in_the_next() {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    // The burst, then one that makes the group.
    let burst: Vec<_> = (0..6).map(|n| notice(&stage, &format!("m-{n}"), "firing", "sev2", 0)).collect();
    stage.tell(&burst).await;
    let ledger = stage.fanout.clients.get().unwrap().ledger.clone();
    let waiting = group::overdue(&ledger, "prod", stage.now + jiff::SignedDuration::from_hours(1)).await;
    let [waiting] = <[_; 1]>::try_from(waiting.unwrap()).unwrap();
    for n in 0..group::MOST_MEMBERS + 3 {
        let notice = notice(&stage, &format!("many-{n}"), "firing", "sev3", 0);
        let notice = serde_json::from_value(notice).unwrap();
        group::join(&ledger, &waiting, &notice, stage.now).await.unwrap();
    }
    for _ in 0..3 {
        stage.later(5);
        stage.remind().await;
    }
    let slack = receiver.got("/slack/hunter2");
    let told = slack[5..].iter().map(|got| &got.body);
    let counts: Vec<_> =
        told.filter_map(|body| Some(body.split_once(" incidents: ")?.0.to_owned())).collect();
    assert_eq!(slack.len(), 7, "{counts:?}");
    assert!(counts[0].ends_with("1000") && counts[1].ends_with('4'), "{counts:?}");
    assert!(
        stage.world.lock().unwrap().table.keys().all(|(pk, _)| !pk.starts_with("group")),
        "nothing is left"
    );
}
