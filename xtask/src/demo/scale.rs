//! Messages pile up in a queue, and the service that works on them gets more tasks, within its cap.

use anyhow::{Context, ensure};
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_sqs as sqs;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use local::deployment::until;
use serde_json::{Value, json};

use super::record::Story;
use super::report::text;
use super::{SOON, Stand};
use crate::say::Tone;

const FUNCTION: &str = "QueueScaleFunction";

const CLUSTER: &str = "demo";
const SERVICE: &str = "worker";
const QUEUE: &str = "shop-jobs";

const POLICY: &str = "scale:\n- {queue: shop-jobs, service: \"ecs:demo/worker\", at_most: 4}\n";

/// How many messages wait: more than four tasks' share.
const WAITING: usize = 460;

/// As many as SQS takes in one call.
const BATCH: usize = 10;

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("scale", "Messages pile up, and the service that works on them gets more tasks");
    let shop = Shop::open(stand).await?;
    stand.put_policy(POLICY).await?;
    stand.say(Tone::Bad, "queue", &format!("{WAITING} messages wait in {QUEUE}; {SERVICE} has 1 task"));

    let planned = look(stand, "plan").await?;
    stand.say(Tone::Plain, "plan", text(&planned, "reason"));
    ensure!(shop.tasks().await? == 1, "a plan changes nothing");

    let heard = stand.heard();
    let done = look(stand, "all").await?;
    stand.say(Tone::Good, "scaled", text(&done, "reason"));
    ensure!(shop.tasks().await? == 4, "the service has {} tasks", shop.tasks().await?);
    let notice = stand.told(heard).await?;

    shop.queues.purge_queue().queue_url(&shop.queue).send().await?;
    stand.say(Tone::Plain, "queue", "all messages are dealt with");
    let calm = until(SOON, async || {
        let seen = look(stand, "all").await?;
        Ok((seen.pointer("/decided/why/because") == Some(&json!("calm_until"))).then_some(seen))
    });
    let calm = calm.await?.context("an empty queue is not calm")?;
    stand.say(Tone::Good, "calm", text(&calm, "reason"));
    ensure!(shop.tasks().await? == 4, "it was given no time");
    story.done(json!({"title": text(&notice, "title"), "reason": text(&done, "reason"), "then": text(&calm, "reason")}));
    stand.put_policy("").await
}

/// What the function says of the one service.
async fn look(stand: &Stand, what: &str) -> anyhow::Result<Value> {
    let answer = stand.ask(FUNCTION, &json!({ "scale": what })).await?;
    answer.pointer("/services/0").cloned().with_context(|| format!("no service: {answer}"))
}

/// A queue, and the service that works on it.
struct Shop {
    ecs: ecs::Client,
    queues: sqs::Client,
    queue: String,
}

impl Shop {
    async fn open(stand: &Stand) -> anyhow::Result<Self> {
        let config = &stand.deployment.config;
        let (ecs, queues) = (ecs::Client::new(config), sqs::Client::new(config));
        let container = ContainerDefinition::builder().name("app").image("shop/worker:2.1.0").memory(128);
        let definition =
            ecs.register_task_definition().family(SERVICE).container_definitions(container.build());
        definition.send().await?;
        let service = ecs.create_service().cluster(CLUSTER).service_name(SERVICE);
        service.task_definition(SERVICE).desired_count(1).send().await?;

        let queue = queues.create_queue().queue_name(QUEUE).send().await?;
        let queue = queue.queue_url.context("the queue has no URL")?;
        for batch in 0..WAITING.div_ceil(BATCH) {
            let mut send = queues.send_message_batch().queue_url(&queue);
            for job in (batch * BATCH..WAITING).take(BATCH) {
                let body = json!({"job": job}).to_string();
                send = send.entries(
                    SendMessageBatchRequestEntry::builder().id(job.to_string()).message_body(body).build()?,
                );
            }
            send.send().await?;
        }
        Ok(Self { ecs, queues, queue })
    }

    async fn tasks(&self) -> anyhow::Result<i32> {
        let described = self.ecs.describe_services().cluster(CLUSTER).services(SERVICE).send().await?;
        Ok(described.services().first().context("the service is not there")?.desired_count())
    }
}
