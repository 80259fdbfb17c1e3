//! One test's own corner of the world: an environment with its policy, its channels and its queues, and the platform that
//! hands over what the queues hold.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use jiff::{SignedDuration, Timestamp};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};
use shared::ledger::{Item, get_s};

use crate::faults::spawn_with;
use crate::rig::put_policy;
use crate::stage::{Stage, Test};
use crate::world::now;

/// A test with its name.
pub(super) type Named = (&'static str, Test);

/// How long an invocation may take: the least in which the function begins to tell a group, and a little more.
pub(super) const SHORT: Duration = Duration::from_secs(6);

/// What the platform hands over at once.
const BATCH: i32 = 10;

/// A queue of local AWS.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) url: String,
    arn: String,
}

pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    /// The environment, and what the names of all channels and paths begin with.
    pub(super) name: String,
    pub(super) notices: Queue,
    pub(super) reminders: Queue,
    pub(super) dead_letters: Queue,
    secret: String,
}

/// One invocation, as the platform saw it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

impl<'a> Scene<'a> {
    /// With these channels, told of the receiver's address, and this policy.
    pub(super) async fn new(
        stage: &'a Stage,
        name: &str,
        channels: impl FnOnce(&str) -> Value,
        policy: &str,
    ) -> anyhow::Result<Self> {
        let secrets = aws_sdk_secretsmanager::Client::new(&stage.deployment.config);
        let at = format!("{}/{name}", stage.deployment.receiver.url());
        let secret = json!({"channels": channels(&at)}).to_string();
        let created = secrets.create_secret().name(format!("{name}-channels")).secret_string(secret);
        let secret = created.send().await?.arn.context("the secret has no ARN")?;
        if !policy.is_empty() {
            put_policy(stage, name, policy).await?;
        }
        Ok(Self {
            stage,
            name: name.to_owned(),
            notices: queue(stage, &format!("{name}-notices")).await?,
            reminders: queue(stage, &format!("{name}-reminders")).await?,
            dead_letters: queue(stage, &format!("{name}-dead-letters")).await?,
            secret,
        })
    }

    /// Lets invocations take this long: what one has in hand comes again only afterwards.
    pub(super) async fn lasting(self, timeout: Duration) -> anyhow::Result<Self> {
        for queue in [&self.notices, &self.reminders] {
            let visibility = (timeout.as_secs() + 1).to_string();
            let set = self.stage.sqs.set_queue_attributes().queue_url(&queue.url);
            set.attributes(QueueAttributeName::VisibilityTimeout, visibility).send().await?;
        }
        Ok(self)
    }

    /// A process of the function, which reaches AWS there.
    pub(super) async fn process(&self, endpoint: &str) -> anyhow::Result<Function> {
        let settings = [
            ("ENVIRONMENT", self.name.clone()),
            ("CHANNELS_SECRET_ARN", self.secret.clone()),
            ("NOTICES_QUEUE_URL", self.notices.url.clone()),
            ("REMINDERS_QUEUE_URL", self.reminders.url.clone()),
            ("DEAD_LETTERS_URL", self.dead_letters.url.clone()),
        ];
        spawn_with(self.stage, &self.stage.notification_fanout, endpoint, &settings).await
    }

    /// The same in front of local AWS itself.
    pub(super) async fn healthy(&self) -> anyhow::Result<Function> {
        self.process(&self.stage.deployment.aws.endpoint()).await
    }

    /// Puts messages into the queue of notices.
    pub(super) async fn send(&self, bodies: &[String]) -> anyhow::Result<()> {
        for some in bodies.chunks(10) {
            let entry = |(place, body): (usize, &String)| {
                SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body).build()
            };
            let entries = some.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
            let sent = self.stage.sqs.send_message_batch().queue_url(&self.notices.url);
            let sent = sent.set_entries(Some(entries)).send().await?;
            ensure!(sent.failed().is_empty(), "a message was not taken: {:?}", sent.failed());
        }
        Ok(())
    }

    /// Hands over what both queues hold, as the platform does, until nothing is left in them.
    pub(super) async fn work(&self, function: &Function, timeout: Duration) -> anyhow::Result<Vec<Ended>> {
        self.work_within(function, timeout, crate::stage::PATIENCE).await
    }

    /// The same, for no longer than this.
    pub(super) async fn work_within(
        &self,
        function: &Function,
        timeout: Duration,
        limit: Duration,
    ) -> anyhow::Result<Vec<Ended>> {
        let ended = RefCell::new(Vec::new());
        let done = local::deployment::until(limit, async || {
            for queue in [&self.notices, &self.reminders] {
                while let Some(one) = self.hand_over(function, timeout, queue).await? {
                    ended.borrow_mut().push(one);
                }
            }
            Ok(self.is_drained().await?.then_some(()))
        });
        if done.await?.is_none() {
            let ended = ended.into_inner();
            let last = ended.last();
            anyhow::bail!("{} is never done; the last of {}: {last:?}", self.name, ended.len());
        }
        Ok(ended.into_inner())
    }

    /// Hands over the next batch of a queue, if it holds one, and deletes what is finished.
    async fn hand_over(
        &self,
        function: &Function,
        timeout: Duration,
        queue: &Queue,
    ) -> anyhow::Result<Option<Ended>> {
        let messages = self.receive(queue).await?;
        if messages.is_empty() {
            return Ok(None);
        }
        let event = Event::new(&batch(queue, &messages)).timeout(timeout);
        let invoked = function.invoke(event).await?;
        let unfinished: Vec<&Value> = match &invoked.outcome {
            Outcome::Ok(answer) => answer["batchItemFailures"].as_array().into_iter().flatten().collect(),
            // All of it comes again.
            Outcome::Error { .. } => {
                return Ok(Some(Ended { outcome: invoked.outcome, took: invoked.took }));
            }
            Outcome::TimedOut => return Err(Overrun.into()),
            outcome @ Outcome::Exited(_) => {
                anyhow::bail!("an invocation of {} ended with {outcome:?}", self.name)
            }
        };
        let finished = messages.iter().filter(|message| {
            let id = message.message_id().unwrap_or_default();
            !unfinished.iter().any(|failure| failure["itemIdentifier"] == id)
        });
        let entries = finished
            .enumerate()
            .map(|(place, message)| {
                let handle = message.receipt_handle().unwrap_or_default();
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(handle).build()
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !entries.is_empty() {
            let deleted = self.stage.sqs.delete_message_batch().queue_url(&queue.url);
            deleted.set_entries(Some(entries)).send().await?;
        }
        Ok(Some(Ended { outcome: invoked.outcome, took: invoked.took }))
    }

    pub(super) async fn receive(&self, queue: &Queue) -> anyhow::Result<Vec<Message>> {
        let received = self.stage.sqs.receive_message().queue_url(&queue.url).max_number_of_messages(BATCH);
        let received = received
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn is_drained(&self) -> anyhow::Result<bool> {
        for queue in [&self.notices, &self.reminders] {
            let names = [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            ];
            let asked = self.stage.sqs.get_queue_attributes().queue_url(&queue.url);
            let got = asked.set_attribute_names(Some(names.to_vec())).send().await?;
            let counts = got.attributes.unwrap_or_default();
            if names.iter().any(|name| counts.get(name).is_none_or(|count| count != "0")) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All letters that are dead so far. They stay in hand, so this is asked once.
    pub(super) async fn letters(&self) -> anyhow::Result<Vec<Message>> {
        let mut letters = Vec::new();
        loop {
            let more = self.receive(&self.dead_letters).await?;
            if more.is_empty() {
                return Ok(letters);
            }
            letters.extend(more);
        }
    }

    /// What the ledger holds of an incident: channel and state of each delivery.
    pub(super) async fn deliveries(&self, incident: &str) -> anyhow::Result<Vec<(String, String)>> {
        let is_delivery = |item: &&Item| {
            get_s(item, "sk").is_some_and(|sort| sort.starts_with(|first: char| first.is_ascii_digit()))
        };
        let items = self.entries(incident).await?;
        let of = |item: &Item, name: &str| get_s(item, name).unwrap_or_default();
        Ok(items.iter().filter(is_delivery).map(|item| (of(item, "channel"), of(item, "state"))).collect())
    }

    /// What a channel was last told of an incident, as the ledger has it.
    pub(super) async fn told(&self, incident: &str, channel: &str) -> anyhow::Result<Option<String>> {
        let sort = format!("told#{channel}");
        let items = self.entries(incident).await?;
        let entry = items.iter().find(|item| get_s(item, "sk").as_deref() == Some(&sort));
        Ok(entry.and_then(|entry| get_s(entry, "state")))
    }

    async fn entries(&self, incident: &str) -> anyhow::Result<Vec<Item>> {
        Ok(self.stage.ledger.list(&format!("delivery#{incident}"), "", 1_000).await?)
    }
}

/// The platform ended an invocation, and with it the process: what it had in hand comes again.
#[derive(Debug)]
pub(super) struct Overrun;

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an invocation did not end in its time")
    }
}

impl std::error::Error for Overrun {}

async fn queue(stage: &Stage, name: &str) -> anyhow::Result<Queue> {
    // What a dead process had in hand comes again soon after the process would have been over.
    let visibility = (SHORT.as_secs() + 1).to_string();
    let created = stage.sqs.create_queue().queue_name(name);
    let created = created.attributes(QueueAttributeName::VisibilityTimeout, visibility).send().await?;
    let arn = format!("arn:aws:sqs:{}:{}:{name}", local::aws::REGION, local::aws::ACCOUNT);
    Ok(Queue { url: created.queue_url.context("the queue has no URL")?, arn })
}

/// Messages as the platform hands them over.
fn batch(queue: &Queue, messages: &[Message]) -> Value {
    let record = |message: &Message| {
        let system = message.attributes.iter().flatten();
        let system: serde_json::Map<String, Value> =
            system.map(|(name, value)| (name.as_str().to_owned(), json!(value))).collect();
        let own = message.message_attributes.iter().flatten();
        let own: serde_json::Map<String, Value> = own
            .map(|(name, value)| {
                let value = json!({"stringValue": value.string_value(), "dataType": value.data_type()});
                (name.clone(), value)
            })
            .collect();
        json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body(),
            "attributes": system,
            "messageAttributes": own,
            "eventSource": "aws:sqs",
            "eventSourceARN": queue.arn,
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

/// A notice as a function would publish it, of something that changed so many seconds from now.
pub(super) fn notice(incident: &str, state: &str, severity: &str, seconds: i64) -> Value {
    let time: Timestamp = now() + SignedDuration::from_secs(seconds);
    json!({
        "schema": "watchkeeper.notice/1", "id": incident, "incident": incident,
        "revision": time.as_millisecond(), "state": state, "severity": severity,
        "source": "cloudwatch", "environment": "prod",
        "subject": {"kind": "alarm", "id": incident},
        "title": format!("{incident} is slow"), "summary": "It is slow.", "time": time.to_string(),
    })
}
