//! What the fan-out adds to the slowest of its channels.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::SignedDuration;
use local::receiver::Answer;
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};
use shared::notice::Severity;

use super::world::World;
use super::{Row, Stage, notice};
use crate::bench::samples::Samples;
use crate::corpus::wall;

/// How long the slow channel takes.
const SLOW: Duration = Duration::from_millis(200);

/// How many notices are told, and how many before that are not counted.
const COUNT: usize = 40;
const WARMING: usize = 5;

/// About what a call to DynamoDB takes within its Region.
const CALL: Duration = Duration::from_millis(4);

/// In ms.
const GOAL: f64 = 10.0;

/// The paths of the channels; the last is the slow one.
const PATHS: [&str; 4] = ["/a", "/b", "/c", "/slow"];

/// No channel waits for its turn, so that nothing but the slow one takes time.
const POLICY: &str = "notify: {storm: {count: 1000}, channels: {a: {at_most: &all {count: 1000, within: 1s, \
                      burst: 1000}}, b: {at_most: *all}, c: {at_most: *all}, slow: {at_most: *all}}}";

/// Medians.
pub(super) async fn rows(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let url = stage.receiver.url();
    let channels = json!({"channels": [
        {"name": "a", "type": "slack", "url": format!("{url}/a")},
        {"name": "b", "type": "teams", "url": format!("{url}/b")},
        {"name": "c", "type": "webhook", "url": format!("{url}/c"), "secret": "a key"},
        {"name": "slow", "type": "webhook", "url": format!("{url}/slow"), "secret": "a key"},
    ]});
    let world = World::new(&channels, Some(POLICY)).await?;
    let function = stage.spawn(&world).await?;
    let at_once = measure(stage, &function, "at-once").await?;
    world.slow(CALL);
    let in_region = measure(stage, &function, "in-region").await?;

    let slow = SLOW.as_millis();
    Ok(vec![
        stage
            .row(&format!("4 channels, one of {slow} ms: added to it"), "ms", at_once.median())
            .at_most(GOAL),
        stage.row("the same, slowest of all", "ms", at_once.percentile(100)),
        stage.row(&format!("the same, each AWS call {} ms", CALL.as_millis()), "ms", in_region.median()),
    ])
}

/// Tells notices one after another; how much longer each took than the slow channel did to answer it.
async fn measure(stage: &Stage<'_>, function: &Function, word: &str) -> anyhow::Result<Samples> {
    stage.receiver.clear();
    let mut samples = Samples::default();
    for number in 0..WARMING + COUNT {
        stage.receiver.answer("/slow", Answer::new(200, "ok").after(SLOW));
        let notice = notice(&format!("{word}-{number}"), Severity::Sev2, wall(), SignedDuration::ZERO)?;
        let invoked = function.invoke(Event::new(&batch(&serde_json::to_string(&notice)?, number))).await?;
        let answered = Outcome::Ok(json!({"batchItemFailures": []}));
        if invoked.outcome != answered {
            bail!("a notice was not told at once: {:?}", invoked.outcome);
        }
        let channel =
            stage.receiver.took("/slow").last().copied().context("the slow channel was not told")?;
        if number >= WARMING {
            samples.add(invoked.took.saturating_sub(channel));
        }
    }
    for path in PATHS {
        let told = stage.receiver.requests(path).len();
        ensure!(told == WARMING + COUNT, "{path} was told {told} times");
    }
    Ok(samples)
}

/// One message of the notices queue.
fn batch(body: &str, number: usize) -> Value {
    json!({"Records": [{
        "messageId": format!("message-{number}"),
        "receiptHandle": format!("message-{number}"),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": wall().as_millisecond().to_string(),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:notices",
    }]})
}
