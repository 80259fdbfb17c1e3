//! Dead letters of real queues: what is seen of them, sent back, kept and taken back, with the role that is deployed.

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use local::deployment::until;
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, Test};
use crate::world::notices;

pub(super) const TESTS: [(&str, Test); 2] = [
    ("dead_letters_are_seen_sent_back_kept_and_taken_back", |stage| story(stage).boxed_local()),
    ("dead_letters_are_found_by_the_schedule_and_told_once", |stage| found(stage).boxed_local()),
];

/// A queue, and the one for its dead letters.
struct Queues<'a> {
    stage: &'a Stage,
    name: String,
    work: String,
    dead: String,
}

impl<'a> Queues<'a> {
    async fn create(stage: &'a Stage, name: &str) -> anyhow::Result<Self> {
        let dead = stage.sqs.create_queue().queue_name(format!("triage-{name}-dlq"));
        let dead = dead.tags("watchkeeper:environment", "dev").send().await?.queue_url.context("no queue")?;
        let arn = format!("arn:aws:sqs:{}:{}:triage-{name}-dlq", local::aws::REGION, local::aws::ACCOUNT);
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
        let work = stage.sqs.create_queue().queue_name(format!("triage-{name}"));
        let work = work.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?;
        let work = work.queue_url.context("no queue")?;
        Ok(Self { stage, name: format!("triage-{name}-dlq"), work, dead })
    }

    /// Lets messages die: each is received more often than allowed.
    async fn kill(&self, bodies: &[Value]) -> anyhow::Result<()> {
        for body in bodies {
            let sent = self.stage.sqs.send_message().queue_url(&self.work).message_body(body.to_string());
            sent.send().await?;
        }
        let wanted = self.count(&self.dead).await? + bodies.len();
        let died = until(PATIENCE, async || {
            let received = self.stage.sqs.receive_message().queue_url(&self.work);
            received.max_number_of_messages(10).visibility_timeout(0).send().await?;
            Ok((self.count(&self.dead).await? == wanted).then_some(()))
        });
        died.await?.context("the messages do not die")
    }

    async fn count(&self, url: &str) -> anyhow::Result<usize> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let said = self.stage.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send();
        let said = said.await?.attributes.unwrap_or_default();
        Ok(said.get(&name).context("no count")?.parse()?)
    }

    async fn ask(&self, what: &str, mut asked: Value) -> anyhow::Result<Value> {
        asked["queue"] = Value::from(self.name.as_str());
        let event = json!({ what: asked });
        let answer = self.stage.invoke("DlqTriageFunction", &event).await?;
        answer.map_err(|error| anyhow::anyhow!("{event} failed: {error}"))
    }
}

fn passing(count: usize) -> Vec<Value> {
    (0..count).map(|order| json!({"kind": "passes", "order": order})).collect()
}

async fn story(stage: &Stage) -> anyhow::Result<()> {
    let queues = Queues::create(stage, "story").await?;
    queues.kill(&passing(7)).await?;
    queues.kill(&[json!({"kind": "poison", "password": "hunter2", "order": 17})]).await?;

    let answer = queues.ask("peek", json!({"count": 100})).await?;
    let shown = answer["letters"].as_array().context("no letters")?;
    ensure!(shown.len() == 8 && !answer.to_string().contains("hunter2"), "{answer:#}");
    ensure!(queues.count(&queues.dead).await? == 8, "a peek lets go of what it shows");

    let answer = queues.ask("groups", json!({})).await?;
    let groups = answer["groups"].as_object().context("no groups")?;
    let of = |line: &str| {
        let found = groups.iter().find(|(_, group)| group["line"] == line);
        found.with_context(|| format!("there is no group {line}: {answer:#}"))
    };
    let (passes, group) = of("unknown cause; JSON with kind=passes")?;
    ensure!(
        group["waiting"] == 7 && group["verdict"] == "transient" && group["flavour"] == "queue",
        "{group:#}"
    );
    let (poison, group) = of("unknown cause; JSON with kind=poison")?;
    ensure!(group["waiting"] == 1 && group["verdict"] == "unknown", "{group:#}");

    // A canary goes first, also where a person asks.
    let answer = queues.ask("redrive", json!({"group": passes, "by": "ann"})).await?;
    ensure!(answer["sent"][passes] == 5, "{answer:#}");
    ensure!((queues.count(&queues.work).await?, queues.count(&queues.dead).await?) == (5, 3), "{answer:#}");

    let wrong = queues.ask("archive", json!({"count": 17, "group": poison, "by": "ann"})).await;
    ensure!(
        wrong.is_err_and(|error| error.to_string().contains("there are 1 letters and not 17")),
        "no guard"
    );
    let answer = queues.ask("archive", json!({"count": 1, "group": poison, "by": "ann"})).await?;
    ensure!(answer["done"]["archived"][poison] == 1, "{answer:#}");
    ensure!(queues.count(&queues.dead).await? == 2, "{answer:#}");

    let run = answer["run"].as_str().context("no run")?;
    let answer = queues.ask("restore", json!({"run": run, "to": "dlq", "by": "ann"})).await?;
    ensure!(answer["sent"] == 1, "{answer:#}");
    let again = queues.ask("restore", json!({"run": run, "to": "dlq", "by": "bob"})).await?;
    ensure!(
        again["sent"] == 0 && again["restored_before"].as_array().is_some_and(|all| all.len() == 1),
        "{again:#}"
    );
    let answer = queues.ask("groups", json!({})).await?;
    ensure!(answer["groups"][poison]["waiting"] == 1, "it is what it was: {answer:#}");

    let answer = queues.ask("status", json!({})).await?;
    let status = &answer["queues"][0];
    ensure!(status["visible"] == 3 && status["sources"][0]["kind"] == "queue", "{answer:#}");

    let refused = queues.ask("purge", json!({"count": 2, "by": "ann"})).await;
    ensure!(refused.is_err(), "what nobody looked at was purged");
    let answer = queues.ask("purge", json!({"count": 3, "by": "ann"})).await?;
    ensure!(answer["done"]["letters"] == 3 && queues.count(&queues.dead).await? == 0, "{answer:#}");
    let refused = queues.ask("purge", json!({"count": 0, "by": "ann"})).await;
    ensure!(
        refused.is_err_and(|error| error.to_string().contains("less than 60 s ago")),
        "twice in a minute"
    );

    let live = json!({"purge": {"queue": "triage-story", "count": 5, "by": "ann"}});
    let said = stage
        .invoke("DlqTriageFunction", &live)
        .await?
        .err()
        .context("a queue that is at work was purged")?;
    ensure!(said.to_string().contains("no dead-letter queue"), "{said}");
    Ok(())
}

async fn found(stage: &Stage) -> anyhow::Result<()> {
    let queues = Queues::create(stage, "found").await?;
    queues.kill(&passing(6)).await?;
    let swept = async || {
        let answer = stage.invoke("DlqTriageFunction", &json!({"triage": "all"})).await?;
        answer.map_err(|error| anyhow::anyhow!("the sweep failed: {error}"))
    };
    swept().await?;
    let told = notices(stage, "/audit", "triage-found-dlq", 1).await?;
    ensure!(told[0]["severity"] == "sev4" && told[0]["labels"]["verdict"] == "transient", "{told:#?}");
    let sent = until(PATIENCE, async || Ok((queues.count(&queues.work).await? == 5).then_some(())));
    sent.await?.context("no canary was sent")?;

    // The canary is waited for: a second look sends nothing, and says nothing.
    let looks = async || {
        let reports = stage.deployment.reports("DlqTriageLogGroup").await?;
        Ok::<_, anyhow::Error>(reports.iter().filter(|it| it["subject"] == "triage-found-dlq").count())
    };
    let before = looks().await?;
    swept().await?;
    let looked = until(PATIENCE, async || Ok((looks().await? > before).then_some(())));
    looked.await?.context("there was no second look")?;
    ensure!(queues.count(&queues.work).await? == 5, "more was sent before the canary was known to live");
    ensure!(notices(stage, "/audit", "triage-found-dlq", 1).await?.len() == 1, "it was told twice");
    Ok(())
}
