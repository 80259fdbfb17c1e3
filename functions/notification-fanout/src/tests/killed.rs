//! A process that dies after any of its calls, and at any of its waits: nothing counts as sent that was not, and nothing is lost.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use serde_json::{Value, json};
use shared::ledger::{Item, get_s};

use super::together::{batch, notice};
use super::world::Stage;
use super::{event, ok};
use crate::receiver::Receiver;

/// Longer than a message is hidden that nobody settled.
const LATER: u64 = 181;

const PATHS: [(&str, &str); 2] = [("ops", "/slack/hunter2"), ("audit", "/audit/hunter2")];

/// When a process dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// After its nth call of AWS.
    Call(usize),
    /// When it waits for the nth time for anything.
    Wait(usize),
}

/// Handles an event, and dies then. Whether it came to its end before is the answer.
async fn ends_before(death: Death, stage: &Stage, event: &Value) -> bool {
    let mut handled = pin!(stage.handle(event));
    let mut left = match death {
        Death::Call(last) => {
            let mut world = stage.world.lock().unwrap();
            world.last_call = Some(world.calls + last);
            usize::MAX
        }
        Death::Wait(nth) => nth,
    };
    let ended = poll_fn(|context| match handled.as_mut().poll(context) {
        _ if stage.world.lock().unwrap().has_died() => Poll::Ready(false),
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await;
    stage.world.lock().unwrap().last_call = None;
    ended
}

/// What stands written of the deliveries of each channel.
fn states_of(stage: &Stage, channel: &str) -> Vec<String> {
    stage.states().into_iter().filter(|(name, _)| name == channel).map(|(_, state)| state).collect()
}

/// The deliveries that nobody knows the end of: neither the delivery itself nor what is remembered of its channel.
fn open(stage: &Stage) -> Vec<String> {
    let world = stage.world.lock().unwrap();
    let is_open = |item: &Item| {
        let told = format!("told#{}", get_s(item, "channel").unwrap_or_default());
        get_s(item, "state").is_some_and(|state| ["in_flight", "pending"].contains(&state.as_str()))
            && !world.table.contains_key(&(get_s(item, "pk").unwrap(), told))
    };
    world.table.iter().filter(|(_, item)| is_open(item)).map(|((pk, sk), _)| format!("{pk} {sk}")).collect()
}

/// Lets it die at each of its calls, then at each of its waits, until it comes to its end.
async fn at_any(least_calls: usize, dies: impl AsyncFn(Death) -> bool) {
    for (death, least) in [(Death::Call as fn(usize) -> Death, least_calls), (Death::Wait, 4)] {
        let mut nth = 0;
        while !dies(death(nth)).await {
            nth += 1;
        }
        assert!(nth >= least, "it ended before {:?}", death(nth));
    }
}

#[tokio::test]
async fn a_delivery_that_dies_anywhere_arrives_and_is_never_recorded_unsent() {
    let event = event("notice-raw");
    at_any(14, async |death| {
        let receiver = Receiver::start(ok).await;
        let stage = Stage::at(&receiver);
        let ended = ends_before(death, &stage, &event).await;
        let at_death = PATHS.map(|(channel, _)| states_of(&stage, channel));
        for ((channel, path), states) in PATHS.into_iter().zip(&at_death) {
            let recorded = states.iter().any(|state| state == "acknowledged");
            assert!(!recorded || receiver.got(path).len() == 1, "{death:?}: {channel} counts as told");
        }

        let mut after = stage.another();
        after.request = "r-2".to_owned();
        after.later(LATER);
        let _ = after.handle(&event).await.unwrap();
        assert_eq!(open(&after), Vec::<String>::new(), "after {death:?}");
        for ((channel, path), states) in PATHS.into_iter().zip(&at_death) {
            match receiver.got(path).len() {
                1 => {}
                2 => assert_eq!(states, &["in_flight"], "{channel} was told twice after {death:?}"),
                times => panic!("{channel} was told {times} times after {death:?}"),
            }
        }
        ended
    })
    .await;
}

/// Eight at once: five are sent as the burst that Slack bears, three join a group. The notices' process dies, or that
/// of the reminder does.
async fn group_dies(death: Death, of_reminder: bool) -> bool {
    let receiver = Receiver::start(ok).await;
    let mut stage = Stage::at(&receiver);
    let notices: Vec<_> = (0..8).map(|n| notice(&stage, &format!("k-{n}"), "firing", "sev2", 0)).collect();
    let event = batch(&notices);
    let ended = if of_reminder {
        let _ = stage.handle(&event).await.unwrap();
        stage.later(5);
        let body = stage.world.lock().unwrap().reminders[0].0.clone();
        let reminder = json!({"Records": [{
            "messageId": "reminder", "receiptHandle": "reminder", "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:reminders_queue_url",
        }]});
        ends_before(death, &stage, &reminder).await
    } else {
        ends_before(death, &stage, &event).await
    };

    let mut after = stage.another();
    after.request = "r-2".to_owned();
    after.later(LATER);
    let _ = after.handle(&event).await.unwrap();
    for _ in 0..3 {
        after.later(LATER);
        after.remind().await;
    }
    let slack = receiver.got("/slack/hunter2");
    for place in 0..8 {
        let name = format!("k-{place} is slow");
        let times = slack.iter().filter(|got| got.body.contains(&name)).count();
        assert!((1..=2).contains(&times), "{name} was told {times} times after {death:?}");
    }
    assert_eq!(open(&after), Vec::<String>::new(), "after {death:?}");
    let world = after.world.lock().unwrap();
    assert!(world.table.keys().all(|(pk, _)| !pk.starts_with("group")), "something waits after {death:?}");
    assert!(world.dead.is_empty(), "{:?}", world.dead);
    ended
}

#[tokio::test]
async fn what_joins_others_survives_a_death_anywhere() {
    at_any(60, async |death| group_dies(death, false).await).await;
}

#[tokio::test]
async fn what_is_told_together_survives_a_death_anywhere() {
    at_any(20, async |death| group_dies(death, true).await).await;
}
