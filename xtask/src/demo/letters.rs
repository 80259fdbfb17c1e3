//! A dead-letter queue of mixed letters: what they died of, what is sent back, what is kept, and what stays, and why.

use anyhow::{Context, ensure};
use aws_sdk_sqs as sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use local::deployment::until;
use serde_json::{Value, json};

use super::record::Story;
use super::report::text;
use super::{SOON, Stand};
use crate::say::{self, Tone};

const FUNCTION: &str = "DlqTriageFunction";

const QUEUE: &str = "shop-orders-dlq";

/// What a queue's letters died of stands nowhere; the owners know what passes.
const RULES: &str =
    "dlq:\n  rules: [{name: the bank sleeps at night, queue: shop-*, error: bank, verdict: transient}]\n";

/// What died in the queue, by the kind of message, and how many.
const DIED: [(&str, usize); 2] = [("bank.transfer", 7), ("order.imported", 3)];

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("dead-letters", "Dead letters are read, grouped, sent back and kept");
    stand.put_policy(RULES).await?;
    let queues = Queues::create(stand).await?;
    queues.fill().await?;
    let count = DIED.iter().map(|(_, count)| count).sum::<usize>() + 3;
    stand.say(
        Tone::Plain,
        "letters",
        &format!("{count} messages died on their way, by three ways, and wait in {QUEUE}"),
    );

    let groups = stand.ask(FUNCTION, &json!({"groups": {"queue": QUEUE}})).await?;
    let groups = groups.get("groups").and_then(Value::as_object).context("there are no groups")?;
    stand.say(Tone::Good, "groups", "what they died of:");
    for (id, group) in groups {
        let waiting = group.get("waiting").and_then(Value::as_u64).unwrap_or_default();
        say::also(id, &format!("{waiting:>2}  {:<10}  {}", text(group, "verdict"), text(group, "line")));
    }
    ensure!(groups.len() == 4, "there are {} groups", groups.len());

    let heard = stand.heard();
    stand.ask(FUNCTION, &json!({"triage": "all"})).await?;
    let report = stand
        .deployment
        .wait_for_report("DlqTriageLogGroup", SOON, |report| {
            text(report, "subject") == QUEUE && text(report, "outcome") == "triaged"
        })
        .await?;
    stand.say(Tone::Good, "triaged", text(&report, "reason"));
    let outcome = report.pointer("/record/outcome").cloned().unwrap_or_default();
    for (id, group) in groups {
        say::also(id, &what_became(id, group, &outcome));
    }
    let sent =
        outcome.pointer("/done/redriven").and_then(Value::as_object).context("nothing was sent back")?;
    let sent: u64 = sent.values().filter_map(Value::as_u64).sum();
    ensure!(sent == 5 && queues.count(&queues.work).await? == 5, "the canary is not of five");
    // One notice for each kind; they come in no order.
    stand.told(heard + groups.len() - 1).await?;

    let (broken, _) = groups
        .iter()
        .find(|(_, group)| text(group, "verdict") == "poison")
        .context("nothing died of what stands in it")?;
    let asked = json!({"archive": {"queue": QUEUE, "group": broken, "count": 2, "by": "the demo"}});
    let kept = stand.ask(FUNCTION, &asked).await?;
    stand.say(Tone::Good, "archived", "2 letters, asked for by hand, and only then taken out of the queue:");
    say::also("run", text(&kept, "run"));
    let left = queues.count(&queues.dead).await?;
    say::also("left", &format!("{left} letters stay in {QUEUE}"));
    ensure!(left == count - 5 - 2, "{left} letters are left");
    // The archiving is told, too.
    stand.told(heard + groups.len()).await?;
    story.done(json!({"reason": text(&report, "reason"), "groups": groups.len(), "sent_back": sent, "archived": 2, "left": left, "run": text(&kept, "run")}));
    stand.put_policy("").await
}

/// What became of a group, in words.
fn what_became(id: &str, group: &Value, outcome: &Value) -> String {
    let step = outcome.pointer(&format!("/steps/{id}")).cloned().unwrap_or_default();
    if let Some(room) = step.pointer("/canary/room") {
        return format!("{room} sent back first; the others when these do not return");
    }
    let why = match text(group, "verdict") {
        "poison" => "they would die again",
        "unknown" => "nobody knows what they died of",
        _ => "they only tell of something, and cannot be sent",
    };
    format!("left: {why}")
}

/// A queue, and the one for its dead letters.
struct Queues {
    client: sqs::Client,
    work: String,
    dead: String,
}

impl Queues {
    async fn create(stand: &Stand) -> anyhow::Result<Self> {
        let client = sqs::Client::new(&stand.deployment.config);
        let dead =
            client.create_queue().queue_name(QUEUE).tags("watchkeeper:environment", "dev").send().await?;
        let dead = dead.queue_url.context("the queue has no URL")?;
        let arn = format!("arn:aws:sqs:{}:{}:{QUEUE}", local::aws::REGION, local::aws::ACCOUNT);
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
        let work = client.create_queue().queue_name("shop-orders");
        let work = work.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?;
        Ok(Self { client, work: work.queue_url.context("the queue has no URL")?, dead })
    }

    /// Lets messages of a queue die, and writes what Lambda and EventBridge would.
    async fn fill(&self) -> anyhow::Result<()> {
        let mut died = 0;
        for (kind, count) in DIED {
            for order in 0..count {
                let body = json!({"type": kind, "order": 4711 + order, "customer": "ann@shop.example"});
                self.send(&self.work, &body).await?;
            }
            died += count;
        }
        let all = until(SOON, async || {
            let receive = self.client.receive_message().queue_url(&self.work).visibility_timeout(0);
            receive.max_number_of_messages(10).send().await?;
            Ok((self.count(&self.dead).await? == died).then_some(()))
        });
        all.await?.context("the messages do not die")?;
        for order in [17, 4711] {
            let failed = json!({
                "version": "1.0",
                "timestamp": "2026-11-26T08:00:00.000Z",
                "requestContext": {"requestId": "9b2c4a1e-6dc3-46ef-b62d-ded08c6aa6f0",
                    "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:invoices:$LATEST",
                    "condition": "RetriesExhausted", "approximateInvokeCount": 3},
                "requestPayload": {"order": order},
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "responsePayload": {"errorType": "TypeError",
                    "errorMessage": format!("cannot read 'total' of order {order}"),
                    "stackTrace": ["TypeError: cannot read", "    at total (/var/task/invoice.js:17:4)"]},
            });
            self.send(&self.dead, &failed).await?;
        }
        let record = json!({"version": "1", "busArn": "arn:aws:events:eu-central-1:123456789012:event-bus/shop",
            "targetArn": "arn:aws:sqs:eu-central-1:123456789012:stock", "errorCode": "SDK_CLIENT_ERROR",
            "errorMessage": "the target refused it", "retryAttempts": 5,
            "failedMessages": [{"eventId": "1", "timestamp": "2026-11-26T08:00:00Z"}]});
        self.send(&self.dead, &record).await
    }

    async fn send(&self, queue: &str, body: &Value) -> anyhow::Result<()> {
        self.client.send_message().queue_url(queue).message_body(body.to_string()).send().await?;
        Ok(())
    }

    async fn count(&self, queue: &str) -> anyhow::Result<usize> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let said = self.client.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send();
        let said = said.await?.attributes.unwrap_or_default();
        Ok(said.get(&name).context("the queue has no count")?.parse()?)
    }
}
