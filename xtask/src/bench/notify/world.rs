//! The AWS of the fan-out, in memory: the ledger's table, the queues, the secrets, the policy, and what is published.
//! It answers at once, so that what is measured is the function.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use local::proxy::{Answer, Call, Fault, Proxy, When};
use local::runtime_api::{Function, Outcome};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::corpus::wall;

/// What the template gives the queues: how long a message stays away that was received.
const VISIBILITY: Duration = Duration::from_mins(3);

/// How many messages a batch has at most.
const BATCH: usize = 10;

/// The queues, by the ends of their addresses.
pub(super) const NOTICES: &str = "notices";
const REMINDERS: &str = "reminders";
const DEAD_LETTERS: &str = "dead-letters";

/// The AWS that the function reaches.
pub(super) struct World {
    proxy: Proxy,
    state: Arc<Mutex<State>>,
    /// An instance is done with a batch.
    changed: Notify,
}

#[derive(Default)]
struct State {
    channels: String,
    policy: Option<String>,
    table: BTreeMap<(String, String), Value>,
    queues: BTreeMap<String, Vec<Message>>,
    published: BTreeMap<String, usize>,
    calls: usize,
    count: usize,
    last: Option<Instant>,
}

/// A message of a queue.
#[derive(Clone)]
struct Message {
    id: String,
    body: String,
    sent: i64,
    receives: u32,
    /// When it is seen again.
    due: Instant,
    in_hand: bool,
}

/// Some messages of one queue.
pub(super) struct Batch {
    queue: String,
    messages: Vec<Message>,
}

impl World {
    /// With these channels and this policy, or none.
    pub(super) async fn new(channels: &Value, policy: Option<&str>) -> anyhow::Result<Self> {
        let state = State {
            channels: channels.to_string(),
            policy: policy.map(ToOwned::to_owned),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        let proxy = Proxy::answering(move |call| lock(&answering).answer(call)).await?;
        Ok(Self { proxy, state, changed: Notify::new() })
    }

    pub(super) fn url(&self) -> &str {
        self.proxy.url()
    }

    /// Every call takes so long from now on.
    pub(super) fn slow(&self, delay: Duration) {
        self.proxy.inject("*", When::Always, Fault::Delay(delay));
    }

    /// Puts a message into a queue.
    pub(super) fn send(&self, queue: &str, body: String) {
        lock(&self.state).send(queue, body, Duration::ZERO);
    }

    /// Takes messages whose time has come, reminders first; none where there are none.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = lock(&self.state);
        // The proxy looks through all calls that it remembers whenever one ends.
        self.proxy.forget();
        [REMINDERS, NOTICES].into_iter().find_map(|queue| state.take(queue))
    }

    /// Hands a batch to an instance, and does with its messages what the queue does.
    pub(super) async fn hand(&self, batch: Batch, function: &Function) -> anyhow::Result<()> {
        let invoked = function.invoke(local::runtime_api::Event::new(&batch.event())).await?;
        let unfinished: Vec<String> = match &invoked.outcome {
            Outcome::Ok(answer) => failures(answer),
            Outcome::Error { .. } => batch.messages.iter().map(|message| message.id.clone()).collect(),
            ended @ (Outcome::TimedOut | Outcome::Exited(_)) => bail!("an instance ended: {ended:?}"),
        };
        lock(&self.state).finish(&batch, &unfinished);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Waits until there may be something to take: a message's time has come, or an instance is done with a batch.
    pub(super) async fn wait(&self) {
        let changed = self.changed.notified();
        if self.is_done() {
            return;
        }
        let next = lock(&self.state).next();
        match next {
            None => changed.await,
            Some(due) => tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due.into()) => {}
            },
        }
    }

    /// Whether nothing is left in the queues.
    pub(super) fn is_done(&self) -> bool {
        let state = lock(&self.state);
        [NOTICES, REMINDERS].iter().all(|queue| state.queues.get(*queue).is_none_or(Vec::is_empty))
    }

    /// How many dead letters there are.
    pub(super) fn dead_letters(&self) -> usize {
        lock(&self.state).queues.get(DEAD_LETTERS).map_or(0, Vec::len)
    }

    /// How often something was published to a topic, or sent by SES.
    pub(super) fn published(&self, place: &str) -> usize {
        lock(&self.state).published.get(place).copied().unwrap_or_default()
    }

    /// When anything was published last.
    pub(super) fn last_published(&self) -> Option<Instant> {
        lock(&self.state).last
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        lock(&self.state).calls
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failures(answer: &Value) -> Vec<String> {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array).into_iter().flatten();
    failures.filter_map(|failure| text(failure, "itemIdentifier")).collect()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(ToOwned::to_owned)
}

impl Batch {
    /// Whether it has notices that were never handed over before.
    pub(super) fn is_first(&self) -> bool {
        self.queue == NOTICES && self.messages.iter().any(|message| message.receives == 1)
    }

    fn event(&self) -> Value {
        let records = self.messages.iter().map(|message| {
            json!({
                "messageId": message.id,
                "receiptHandle": message.id,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": message.sent.to_string(),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{}", self.queue),
            })
        });
        json!({"Records": records.collect::<Vec<_>>()})
    }
}

impl State {
    fn send(&mut self, queue: &str, body: String, delay: Duration) {
        self.count += 1;
        let message = Message {
            id: format!("message-{}", self.count),
            body,
            sent: wall().as_millisecond(),
            receives: 0,
            due: Instant::now() + delay,
            in_hand: false,
        };
        self.queues.entry(queue.to_owned()).or_default().push(message);
    }

    fn take(&mut self, queue: &str) -> Option<Batch> {
        let now = Instant::now();
        let due = self.queues.get_mut(queue)?.iter_mut().filter(|it| !it.in_hand && it.due <= now);
        let mut messages = Vec::new();
        for message in due.take(BATCH) {
            message.in_hand = true;
            message.receives += 1;
            message.due = now + VISIBILITY;
            messages.push(message.clone());
        }
        (!messages.is_empty()).then(|| Batch { queue: queue.to_owned(), messages })
    }

    /// When the next message's time comes that no instance has.
    fn next(&self) -> Option<Instant> {
        let waiting = self.queues.values().flatten().filter(|message| !message.in_hand);
        waiting.map(|message| message.due).min()
    }

    fn finish(&mut self, batch: &Batch, unfinished: &[String]) {
        let Some(queue) = self.queues.get_mut(&batch.queue) else { return };
        let is_of = |message: &Message| batch.messages.iter().any(|other| other.id == message.id);
        queue.retain(|message| !is_of(message) || unfinished.contains(&message.id));
        for message in queue.iter_mut().filter(|message| is_of(message)) {
            message.in_hand = false;
        }
    }

    fn answer(&mut self, call: &Call) -> Answer {
        self.calls += 1;
        let asked = call.json();
        match call.action.as_str() {
            "dynamodb:GetItem" => match self.table.get(&key(asked.get("Key"))) {
                Some(item) => Answer::json(&json!({"Item": item})),
                None => Answer::json(&json!({})),
            },
            "dynamodb:Query" => {
                let (pk, from) = (value(&asked, ":pk"), value(&asked, ":sk"));
                let items: Vec<&Value> = self
                    .table
                    .range((pk.clone(), from)..)
                    .take_while(|((of, _), _)| *of == pk)
                    .map(|(_, item)| item)
                    .collect();
                Answer::json(&json!({"Items": items, "Count": items.len()}))
            }
            "dynamodb:PutItem" => {
                let key = key(asked.get("Item"));
                if let Some(refused) = self.refused(&key, &asked) {
                    return refused;
                }
                self.table.insert(key, asked.get("Item").cloned().unwrap_or_default());
                Answer::json(&json!({}))
            }
            "dynamodb:DeleteItem" => {
                let key = key(asked.get("Key"));
                if let Some(refused) = self.refused(&key, &asked) {
                    return refused;
                }
                self.table.remove(&key);
                Answer::json(&json!({}))
            }
            "sqs:SendMessage" => {
                let seconds = asked.get("DelaySeconds").and_then(Value::as_u64).unwrap_or_default();
                let body = text(&asked, "MessageBody").unwrap_or_default();
                self.send(&queue(&asked), body, Duration::from_secs(seconds));
                Answer::json(&json!({"MessageId": format!("message-{}", self.count)}))
            }
            "sqs:ChangeMessageVisibility" => {
                let seconds = asked.get("VisibilityTimeout").and_then(Value::as_u64).unwrap_or_default();
                let id = text(&asked, "ReceiptHandle").unwrap_or_default();
                let messages = self.queues.get_mut(&queue(&asked)).into_iter().flatten();
                for message in messages.filter(|message| message.id == id) {
                    message.due = Instant::now() + Duration::from_secs(seconds);
                }
                Answer::json(&json!({}))
            }
            "secretsmanager:GetSecretValue" => {
                let is_key = text(&asked, "SecretId").is_some_and(|id| id.ends_with("acknowledge"));
                let secret = if is_key { "0123456789abcdef0123456789abcdef" } else { &self.channels };
                Answer::json(&json!({"SecretString": secret}))
            }
            "ssm:GetParameter" => match &self.policy {
                Some(policy) => Answer::json(&json!({"Parameter": {"Value": policy, "Version": 1}})),
                None => Answer::error(400, "ParameterNotFound", "there is no policy"),
            },
            "sns:Publish" => {
                let topic = call.form().into_iter().find(|(name, _)| name == "TopicArn");
                let topic = topic.map(|(_, topic)| topic).unwrap_or_default();
                self.publish(topic.rsplit(':').next().unwrap_or_default());
                Answer::query(call, "<MessageId>1</MessageId>")
            }
            action if action.starts_with("ses:") => {
                self.publish("email");
                Answer::json(&json!({"MessageId": "1"}))
            }
            action => Answer::error(400, "InvalidAction", format!("{action} is not known here")),
        }
    }

    fn publish(&mut self, place: &str) {
        *self.published.entry(place.to_owned()).or_default() += 1;
        self.last = Some(Instant::now());
    }

    /// The answer to a change whose condition does not hold.
    fn refused(&self, key: &(String, String), asked: &Value) -> Option<Answer> {
        let condition = asked.get("ConditionExpression")?.as_str()?;
        let there = self.table.get(key);
        let holds = condition.split(" OR ").any(|all| all.split(" AND ").all(|one| holds(one, there, asked)));
        if holds {
            return None;
        }
        let mut failed = Map::new();
        failed.insert("__type".to_owned(), json!("ConditionalCheckFailedException"));
        failed.insert("message".to_owned(), json!("The conditional request failed"));
        failed.extend(there.map(|item| ("Item".to_owned(), item.clone())));
        Some(Answer::raw(400, Value::Object(failed).to_string()))
    }
}

/// Whether a condition holds: `attribute_not_exists(name)`, or `name = :value`.
fn holds(condition: &str, there: Option<&Value>, asked: &Value) -> bool {
    let condition = condition.trim();
    if let Some(name) = condition.strip_prefix("attribute_not_exists(") {
        return there.and_then(|item| item.get(name.trim_end_matches(')'))).is_none();
    }
    let Some((name, wanted)) = condition.split_once(" = ") else { return false };
    let alias = asked.get("ExpressionAttributeNames").and_then(|names| names.get(name)?.as_str());
    let wanted = asked.get("ExpressionAttributeValues").and_then(|values| values.get(wanted));
    wanted.is_some() && there.and_then(|item| item.get(alias.unwrap_or(name))) == wanted
}

fn key(item: Option<&Value>) -> (String, String) {
    let part = |name| item.and_then(|item| text(item.get(name)?, "S")).unwrap_or_default();
    (part("pk"), part("sk"))
}

fn value(asked: &Value, name: &str) -> String {
    let values = asked.get("ExpressionAttributeValues");
    values.and_then(|values| text(values.get(name)?, "S")).unwrap_or_default()
}

/// The end of a queue's address.
fn queue(asked: &Value) -> String {
    let url = text(asked, "QueueUrl").unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default().to_owned()
}
