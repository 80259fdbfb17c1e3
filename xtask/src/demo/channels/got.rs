//! Publishing, and collecting what came of it on every channel.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs as sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use local::receiver::Request;
use serde_json::{Value, json};
use shared::notice::Notice;
use tokio::time::{Instant, sleep};

use super::vendors::{CHAT_TOPIC, ROOT, SENDER, TEXT_TOPIC};
use crate::demo::page::{Cell, Kind, Message, redacted};
use crate::demo::report::text;
use crate::demo::{SOON, Stand};

/// How many messages SNS takes at once.
const BATCH: usize = 10;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So long is waited for what must not come.
const QUIET: Duration = Duration::from_millis(150);

/// All that came so far, and how much of it belongs to what was told before.
pub(super) struct Got<'a> {
    stand: &'a Stand,
    sns: aws_sdk_sns::Client,
    sqs: sqs::Client,
    notices: String,
    topics: [Topic; 2],
    taken: Vec<(Kind, usize)>,
}

/// A topic's queue, and what it held so far.
struct Topic {
    kind: Kind,
    queue: String,
    heard: Vec<Message>,
}

impl<'a> Got<'a> {
    /// Makes the topics, with a queue behind each.
    pub(super) async fn start(stand: &'a Stand) -> anyhow::Result<Self> {
        let config = &stand.deployment.config;
        let (sns, sqs) = (aws_sdk_sns::Client::new(config), sqs::Client::new(config));
        let text = topic(&sns, &sqs, Kind::Text, TEXT_TOPIC).await?;
        let chat = topic(&sns, &sqs, Kind::AmazonQ, CHAT_TOPIC).await?;
        let notices = stand.deployment.output("NoticesTopicArn")?.to_owned();
        // SES sends only for a sender that is verified.
        let ses = aws_sdk_sesv2::Client::new(config);
        ses.create_email_identity().email_identity(SENDER).send().await?;
        Ok(Self { stand, sns, sqs, notices, topics: [text, chat], taken: Vec::new() })
    }

    /// Publishes notices, as anybody may.
    pub(super) async fn publish(&self, notices: &[Notice]) -> anyhow::Result<()> {
        let entry = |(index, notice): (usize, &Notice)| {
            let body = serde_json::to_string(notice)?;
            Ok(PublishBatchRequestEntry::builder().id(index.to_string()).message(body).build()?)
        };
        let entries = notices.iter().enumerate().map(entry).collect::<anyhow::Result<Vec<_>>>()?;
        for batch in entries.chunks(BATCH) {
            let publish = self.sns.publish_batch().topic_arn(&self.notices);
            let published = publish.set_publish_batch_request_entries(Some(batch.to_vec())).send().await?;
            ensure!(published.failed().is_empty(), "not everything was published: {published:?}");
        }
        Ok(())
    }

    /// Publishes a message that is no notice.
    pub(super) async fn publish_message(&self, message: &Value) -> anyhow::Result<()> {
        self.sns.publish().topic_arn(&self.notices).message(message.to_string()).send().await?;
        Ok(())
    }

    /// Waits until every channel got as many messages as it should since the last time, and a little longer.
    ///
    /// # Errors
    /// When a channel got fewer, or more.
    pub(super) async fn wait_for(&mut self, due: impl Fn(Kind) -> usize) -> anyhow::Result<Vec<Cell>> {
        let end = Instant::now() + SOON;
        let mut cells = self.new_ones().await?;
        while Instant::now() < end && cells.iter().any(|cell| cell.messages.len() < due(cell.kind)) {
            sleep(LOOK_EVERY).await;
            cells = self.new_ones().await?;
        }
        sleep(QUIET).await;
        let cells = self.new_ones().await?;
        for Cell { kind, messages, .. } in &cells {
            let (came, due) = (messages.len(), due(*kind));
            if came != due {
                let channel = kind.channel();
                let said = super::Seen::last_of(self.stand, channel).await?;
                bail!("{came} messages came to {channel}; {due} were due. The fan-out reported last: {said}");
            }
            match self.taken.iter_mut().find(|(known, _)| known == kind) {
                Some((_, taken)) => *taken += came,
                None => self.taken.push((*kind, came)),
            }
        }
        Ok(cells)
    }

    /// What came to every channel since the last time.
    async fn new_ones(&mut self) -> anyhow::Result<Vec<Cell>> {
        for topic in &mut self.topics {
            topic.listen(&self.sqs).await?;
        }
        let mut cells = Vec::new();
        for kind in Kind::ALL {
            let taken = self.taken.iter().find(|(known, _)| *known == kind).map_or(0, |(_, taken)| *taken);
            let messages = self.all(kind).await?.into_iter().skip(taken).collect();
            cells.push(Cell { kind, messages, why: String::new() });
        }
        Ok(cells)
    }

    async fn all(&self, kind: Kind) -> anyhow::Result<Vec<Message>> {
        match kind {
            Kind::Text | Kind::AmazonQ => {
                let topic = self.topics.iter().find(|topic| topic.kind == kind);
                Ok(topic.map(|topic| topic.heard.clone()).unwrap_or_default())
            }
            Kind::Email => self.email().await,
            Kind::Slack | Kind::SlackApp | Kind::Teams | Kind::PagerDuty | Kind::GitHub | Kind::Webhook => {
                let root = format!("{ROOT}/{}", kind.channel());
                let all = self.stand.deployment.receiver.all();
                Ok(all.iter().filter_map(|request| received(&root, request)).collect())
            }
        }
    }

    /// What local SES sent.
    async fn email(&self) -> anyhow::Result<Vec<Message>> {
        let (status, body) = self.stand.deployment.ask("GET", "/_ministack/ses/messages", "").await?;
        ensure!(status == 200, "local SES answers {status}");
        let answer: Value = serde_json::from_str(&body).context("what local SES sent cannot be read")?;
        let accounts = answer.get("messages").and_then(Value::as_object);
        let all = accounts.into_iter().flat_map(|accounts| accounts.values()).filter_map(Value::as_array);
        Ok(all
            .flatten()
            .map(|sent| Message {
                called: "ses:SendEmail".to_owned(),
                headers: Vec::new(),
                body: redacted(json!({
                    "From": sent.get("Source"),
                    "To": sent.get("To"),
                    "Subject": sent.get("Subject"),
                    "Text": sent.get("BodyText"),
                    "Html": sent.get("BodyHtml"),
                })),
            })
            .collect())
    }
}

async fn topic(
    sns: &aws_sdk_sns::Client,
    sqs: &sqs::Client,
    kind: Kind,
    topic: &str,
) -> anyhow::Result<Topic> {
    let name = topic.rsplit(':').next().unwrap_or(topic);
    sns.create_topic().name(name).send().await?;
    let made = sqs.create_queue().queue_name(name).send().await?;
    let queue = made.queue_url().context("the queue has no URL")?.to_owned();
    let arn = QueueAttributeName::QueueArn;
    let asked = sqs.get_queue_attributes().queue_url(&queue).attribute_names(arn.clone()).send().await?;
    let arn = asked.attributes().and_then(|all| all.get(&arn)).context("the queue has no ARN")?;
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }]});
    let set = sqs.set_queue_attributes().queue_url(&queue);
    set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await?;
    sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await?;
    Ok(Topic { kind, queue, heard: Vec::new() })
}

impl Topic {
    async fn listen(&mut self, sqs: &sqs::Client) -> anyhow::Result<()> {
        let received = sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).send().await?;
        for message in received.messages() {
            let envelope: Value = serde_json::from_str(message.body().unwrap_or_default())?;
            let body = match self.kind {
                // Amazon Q reads the message alone.
                Kind::AmazonQ => serde_json::from_str(text(&envelope, "Message"))?,
                Kind::Text
                | Kind::Slack
                | Kind::SlackApp
                | Kind::Teams
                | Kind::PagerDuty
                | Kind::GitHub
                | Kind::Email
                | Kind::Webhook => json!({
                    "Subject": envelope.get("Subject"),
                    "Message": envelope.get("Message"),
                    "MessageAttributes": envelope.get("MessageAttributes"),
                }),
            };
            self.heard.push(Message {
                called: "sns:Publish".to_owned(),
                headers: Vec::new(),
                body: redacted(body),
            });
            let receipt = message.receipt_handle().unwrap_or_default();
            sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await?;
        }
        Ok(())
    }
}

/// A request to this channel.
fn received(root: &str, request: &Request) -> Option<Message> {
    let rest = request.path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let shown = |name: &str| name.starts_with("watchkeeper-") || name == "idempotency-key";
    let headers = request
        .headers
        .keys()
        .map(AsRef::as_ref)
        .filter(|name| shown(name))
        .map(|name| (name.to_owned(), shortened(name, request.header(name))))
        .collect();
    Some(Message {
        called: format!("{} {}", request.method, rest.trim_start_matches('/')).trim().to_owned(),
        headers,
        body: redacted(request.json()),
    })
}

/// The beginning of a signature: what shows how it looks.
fn shortened(name: &str, value: &str) -> String {
    if name.ends_with("-signature") {
        let begun: String = value.chars().take(11).collect();
        format!("{begun}…")
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_signature_is_shown_by_its_beginning() {
        assert_eq!(shortened("watchkeeper-signature", "v1=0123456789abcdef"), "v1=01234567…");
        assert_eq!(shortened("watchkeeper-timestamp", "1795176000"), "1795176000");
    }
}
