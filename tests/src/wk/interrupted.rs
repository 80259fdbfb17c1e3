//! Ctrl-C in the middle of a deed: once, it is brought to its end; twice, it ends, and says what may go on.

use std::process::Stdio;

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use local::proxy::{Fault, Proxy, When};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use super::{Said, command, wk};
use crate::stage::{PATIENCE, Stage, Test};
use crate::world::{CLUSTER, World};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![
        ("a_plan_that_is_interrupted_ends_at_once", |stage| plan(stage).boxed_local()),
        ("a_rollback_that_is_interrupted_is_brought_to_its_end", |stage| rollback(stage).boxed_local()),
        ("a_rollback_that_is_interrupted_twice_ends_and_says_what_goes_on", |stage| {
            twice(stage).boxed_local()
        }),
        ("a_drain_that_is_interrupted_loses_no_letter", |stage| drain(stage).boxed_local()),
    ]
}

/// A command at work, its calls going through a proxy.
struct Working {
    wk: Child,
    said: Lines<BufReader<ChildStderr>>,
    heard: String,
}

impl Working {
    fn begin(stage: &Stage, proxy: &Proxy, words: &[&str]) -> anyhow::Result<Self> {
        let mut wk = command(stage, words, &[("AWS_ENDPOINT_URL", proxy.url())])?;
        let mut wk = wk.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let said = BufReader::new(wk.stderr.take().context("no standard error")?).lines();
        Ok(Self { wk, said, heard: String::new() })
    }

    /// As Ctrl-C does.
    fn interrupt(&self) -> anyhow::Result<()> {
        let id = self.wk.id().context("it has ended")?;
        Ok(kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGINT)?)
    }

    /// Waits until it has said this.
    async fn says(&mut self, words: &str) -> anyhow::Result<()> {
        let saying = async {
            while let Some(line) = self.said.next_line().await? {
                self.heard.push_str(&line);
                self.heard.push('\n');
                if line.contains(words) {
                    return Ok(());
                }
            }
            anyhow::bail!("it ended without a word of {words}")
        };
        tokio::time::timeout(PATIENCE, saying).await.context("it says nothing")?
    }

    async fn ended(mut self) -> anyhow::Result<Said> {
        let ending = async {
            while let Some(line) = self.said.next_line().await? {
                self.heard.push_str(&line);
                self.heard.push('\n');
            }
            let mut out = String::new();
            self.wk.stdout.take().context("no standard output")?.read_to_string(&mut out).await?;
            let exit = self.wk.wait().await?.code().unwrap_or(-1);
            Ok(Said { words: Vec::new(), exit, out, error: self.heard })
        };
        tokio::time::timeout(PATIENCE, ending).await.context("it does not end")?
    }
}

async fn plan(stage: &Stage) -> anyhow::Result<()> {
    let _world = World::new(stage, "wk-planned").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("ecs:DescribeServices", When::Always, Fault::Hang);
    let planning = Working::begin(stage, &proxy, &["rollback", &format!("ecs:{CLUSTER}/wk-planned")])?;
    proxy.arrival("ecs:DescribeServices", 1).await;
    planning.interrupt()?;
    planning.ended().await?.expect(130, &["interrupted; nothing was changed"]).map(drop)
}

async fn rollback(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-ended").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    // It is sent again when it was not answered for so long.
    proxy.inject("ecs:UpdateService", When::First(1), Fault::Hang);
    let target = format!("ecs:{CLUSTER}/wk-ended");
    let mut working = Working::begin(stage, &proxy, &["rollback", &target, "--apply"])?;
    proxy.arrival("ecs:UpdateService", 1).await;
    working.interrupt()?;
    working.says("Ending what was begun").await?;
    working.ended().await?.expect(0, &["rolled back"])?;
    world.expect_revision(1).await?;
    world.notices(1).await.map(drop)
}

async fn twice(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-cut").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("ecs:UpdateService", When::Always, Fault::Hang);
    let target = format!("ecs:{CLUSTER}/wk-cut");
    let mut working = Working::begin(stage, &proxy, &["rollback", &target, "--apply"])?;
    proxy.arrival("ecs:UpdateService", 1).await;
    working.interrupt()?;
    working.says("Ending what was begun").await?;
    working.interrupt()?;
    working.ended().await?.expect(130, &["What was begun is written down and may go on", "wk diagnose"])?;
    // There is no deed without its record, and no second one beside it.
    let begun = world.memory().await?.operations;
    ensure!(begun.len() == 1 && begun[0].end.is_none(), "{begun:#?}");
    world.expect_revision(2).await?;
    wk(stage, &["diagnose", &target]).await?.expect(0, &[&target]).map(drop)
}

async fn drain(stage: &Stage) -> anyhow::Result<()> {
    let drain = |queue| ["dlq", "drain", queue, "--count", "3", "--apply"];

    // Once: what was archived is taken out of the queue, too.
    let dead = three_letters(stage, "triage-wk-ended").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("sqs:DeleteMessageBatch", When::First(1), Fault::Hang);
    let mut working = Working::begin(stage, &proxy, &drain("triage-wk-ended-dlq"))?;
    proxy.arrival("sqs:DeleteMessageBatch", 1).await;
    working.interrupt()?;
    working.says("Ending what was begun").await?;
    working.ended().await?.expect(0, &["3 letters were read"])?;
    ensure!(letters(stage, &dead).await? == 0, "it was not brought to its end");

    // Twice: what was in hand stays.
    let dead = three_letters(stage, "triage-wk-cut").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("s3:PutObject", When::Always, Fault::Hang);
    let mut working = Working::begin(stage, &proxy, &drain("triage-wk-cut-dlq"))?;
    proxy.arrival("s3:PutObject", 1).await;
    working.interrupt()?;
    working.says("Ending what was begun").await?;
    working.interrupt()?;
    working.ended().await?.expect(130, &["No letter is lost"])?;
    ensure!(letters(stage, &dead).await? == 3, "letters are gone that are nowhere else");
    Ok(())
}

/// A queue that has a dead-letter queue with three letters in it: the URL of that.
async fn three_letters(stage: &Stage, work: &str) -> anyhow::Result<String> {
    let name = format!("{work}-dlq");
    let dead = stage.sqs.create_queue().queue_name(&name).tags("watchkeeper:environment", "dev");
    let dead = dead.send().await?.queue_url.context("no queue")?;
    let arn = format!("arn:aws:sqs:{}:{}:{name}", local::aws::REGION, local::aws::ACCOUNT);
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    let work = stage.sqs.create_queue().queue_name(work);
    work.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?;
    for order in 0..3 {
        let body = json!({"kind": "broken", "order": order}).to_string();
        stage.sqs.send_message().queue_url(&dead).message_body(body).send().await?;
    }
    Ok(dead)
}

/// How many there are, whether somebody has them in hand or not.
async fn letters(stage: &Stage, queue: &str) -> anyhow::Result<u32> {
    let asked = stage.sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
    let attributes = asked.send().await?.attributes.unwrap_or_default();
    let count = |name| attributes.get(&name).and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
    let waiting = count(QueueAttributeName::ApproximateNumberOfMessages);
    Ok(waiting + count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible))
}
