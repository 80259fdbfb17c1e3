//! `notification-fanout` behind the proxy: whatever breaks, every channel hears of it, and twice only where the process
//! died between a channel's acknowledgement and its record.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use local::proxy::{Fault, Proxy, When};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};

use super::{reached, spawn};
use crate::stage::{PATIENCE, Stage, Test};

/// Where the channels of the stage listen.
const PATHS: [&str; 4] = ["/slack", "/audit", "/busy", "/strict"];

/// Little more than the least time in which the function begins a delivery, so that what a dead process has in hand is soon
/// free, and a slow machine still answers within it.
const SHORT: Duration = Duration::from_secs(8);

/// Enough to hear every channel's answer on a busy machine, where nobody dies.
const LONG: Duration = Duration::from_secs(30);

/// How many processes are killed at once.
const AT_ONCE: usize = 4;

pub(super) const TESTS: [(&str, Test); 3] = [
    ("a_delivery_survives_any_call_that_is_throttled_or_cut_once", |stage| survives(stage).boxed_local()),
    ("a_delivery_whose_ledger_or_secret_is_denied_comes_again_and_says_why", |stage| {
        denied(stage).boxed_local()
    }),
    ("a_delivery_killed_at_any_call_arrives_all_the_same", |stage| killed(stage).boxed_local()),
];

/// One message as the queue hands it over.
fn batch(word: &str) -> Value {
    json!({"Records": [{
        "messageId": format!("message-{word}"),
        "receiptHandle": "handle",
        "body": word,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795213200000"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:notices",
    }]})
}

/// How often each channel heard of it.
fn heard(stage: &Stage, word: &str) -> [usize; 4] {
    PATHS.map(|path| {
        let all = stage.deployment.receiver.requests(path);
        all.iter().filter(|request| String::from_utf8_lossy(&request.body).contains(word)).count()
    })
}

/// Hands the message over until nothing of it has to come again, as the queue does.
async fn until_done(function: &Function, word: &str, time: Duration) -> anyhow::Result<()> {
    let done = local::deployment::until(PATIENCE, async || {
        let invoked = function.invoke(Event::new(&batch(word)).timeout(time)).await?;
        Ok(match invoked.outcome {
            Outcome::Ok(answer) if answer["batchItemFailures"] == json!([]) => Some(()),
            Outcome::Ok(_) | Outcome::Error { .. } => None,
            outcome @ (Outcome::TimedOut | Outcome::Exited(_)) => {
                anyhow::bail!("{word} ended with {outcome:?}")
            }
        })
    });
    done.await?.with_context(|| format!("{word} comes again and again"))
}

async fn survives(stage: &Stage) -> anyhow::Result<()> {
    let endpoint = stage.deployment.aws.endpoint();
    for (fault, name) in
        [(Fault::Throttle, "throttled"), (Fault::CutBefore, "cut-early"), (Fault::CutAfter, "cut-late")]
    {
        for nth in 1..=calls(stage, &format!("fan-{name}")).await? {
            let word = format!("fan-{name}-{nth}-times");
            let proxy = Proxy::forwarding(&endpoint).await?;
            proxy.inject("*", When::Nth(nth), fault);
            let function = spawn(stage, &stage.notification_fanout, proxy.url()).await?;
            until_done(&function, &word, LONG).await?;
            ensure!(heard(stage, &word) == [1; 4], "{fault:?} at call {nth}: {:?}", heard(stage, &word));
        }
    }
    Ok(())
}

/// How many calls one delivery takes.
async fn calls(stage: &Stage, name: &str) -> anyhow::Result<usize> {
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    let function = spawn(stage, &stage.notification_fanout, proxy.url()).await?;
    until_done(&function, &format!("{name}-not-at-all"), LONG).await?;
    Ok(proxy.calls().len())
}

async fn denied(stage: &Stage) -> anyhow::Result<()> {
    for action in ["secretsmanager:GetSecretValue", "dynamodb:Query", "dynamodb:PutItem"] {
        let word = format!("fan-denied-{}", action.replace(':', "-"));
        let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
        proxy.inject(action, When::Always, Fault::Deny);
        let function = spawn(stage, &stage.notification_fanout, proxy.url()).await?;
        let invoked = function.invoke(Event::new(&batch(&word))).await?;
        let Outcome::Error { kind, message } = &invoked.outcome else {
            anyhow::bail!("with {action} denied it ended with {:?}", invoked.outcome);
        };
        ensure!(kind == "Permanent" && message.contains(action), "with {action} denied: {kind}: {message}");
        ensure!(heard(stage, &word) == [0; 4], "with {action} denied something was sent unrecorded");

        proxy.heal();
        until_done(&function, &word, LONG).await?;
        ensure!(heard(stage, &word) == [1; 4], "after {action} was granted: {:?}", heard(stage, &word));
    }
    Ok(())
}

async fn killed(stage: &Stage) -> anyhow::Result<()> {
    let count = calls(stage, "fan-killed").await?;
    for fault in [Fault::Hang, Fault::HangAfter] {
        // Side by side, because what a dead process has in hand is free only after its deadline; but no more than get
        // done in their short time.
        let all = stream::iter((1..=count).map(|nth| killed_at(stage, nth, fault)));
        all.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    }
    Ok(())
}

async fn killed_at(stage: &Stage, nth: usize, fault: Fault) -> anyhow::Result<()> {
    let word = format!("fan-killed-{nth}-{fault:?}-times");
    let endpoint = stage.deployment.aws.endpoint();
    let proxy = Proxy::forwarding(&endpoint).await?;
    proxy.inject("*", When::Nth(nth), fault);
    let function = spawn(stage, &stage.notification_fanout, proxy.url()).await?;
    tokio::select! {
        // On a busy machine its time may be over before the call: then it goes on, as the queue would let it.
        done = until_done(&function, &word, SHORT) => {
            anyhow::bail!("call {nth} was never made; it ended with {done:?}")
        }
        reached = reached(&proxy, nth, fault) => reached?,
    }
    function.kill().await?;

    let function = spawn(stage, &stage.notification_fanout, &endpoint).await?;
    until_done(&function, &word, SHORT).await?;
    let heard = heard(stage, &word);
    ensure!(heard.iter().all(|times| (1..=2).contains(times)), "killed at call {nth} ({fault:?}): {heard:?}");
    Ok(())
}
