//! `wk dlq`.

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use local::deployment::until;
use serde_json::json;

use super::wk;
use crate::stage::{PATIENCE, Stage, Test};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![("dead_letters_are_looked_through_and_archived", |stage| letters(stage).boxed_local())]
}

async fn letters(stage: &Stage) -> anyhow::Result<()> {
    const QUEUE: &str = "triage-wk-dlq";
    let dead = stage.sqs.create_queue().queue_name(QUEUE).tags("watchkeeper:environment", "dev");
    let dead = dead.send().await?.queue_url.context("no queue")?;
    let arn = format!("arn:aws:sqs:{}:{}:{QUEUE}", local::aws::REGION, local::aws::ACCOUNT);
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    let work = stage.sqs.create_queue().queue_name("triage-wk");
    work.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?;
    for order in 0..3 {
        let body = json!({"kind": "broken", "order": order, "password": "hunter2"}).to_string();
        stage.sqs.send_message().queue_url(&dead).message_body(body).send().await?;
    }

    wk(stage, &["dlq", "status", QUEUE]).await?.expect(2, &[QUEUE, "3"])?;
    let peeked = wk(stage, &["dlq", "peek", QUEUE, "--count", "2"]).await?.expect(0, &["kind=broken"])?;
    ensure!(!peeked.out.contains("hunter2"), "{peeked:#?}");
    let groups = wk(stage, &["--output", "json", "dlq", "groups", QUEUE]).await?.expect(0, &[])?.json()?;
    ensure!(groups["letters"] == 3, "{groups:#}");
    let plan = wk(stage, &["dlq", "archive", QUEUE, "--count", "3"]).await?;
    plan.expect(0, &["kind=broken", "nothing was changed", "--apply"])?;
    let other = wk(stage, &["dlq", "archive", QUEUE, "--count", "2", "--apply"]).await?;
    other.expect(3, &["is left as it is"])?;
    let kept = wk(stage, &["dlq", "archive", QUEUE, "--count", "3", "--apply"]).await?;
    let kept = kept.expect(0, &["3 letters", "archived", "run"])?;
    ensure!(!kept.out.contains("\"audit\""), "the audit is in the answer: {kept:#?}");
    let run = kept
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("run"))
        .context("no run")?
        .trim()
        .to_owned();
    let empty = until(PATIENCE, async || {
        let said = wk(stage, &["dlq", "status", QUEUE]).await?;
        Ok((said.exit == 0).then_some(()))
    });
    empty.await?.context("the queue is not empty")?;
    let restored = wk(stage, &["dlq", "restore", QUEUE, &run, "--to", "dlq", "--apply"]).await?;
    restored.expect(0, &["3 letters were sent"])?;
    wk(stage, &["dlq", "status", QUEUE]).await?.expect(2, &[QUEUE])?;
    Ok(())
}
