//! The AWS of an environment, in memory: its tags, a queue, keys, the ledger's table, the topic, the bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::tags::Mode;
use shared::{Report, Result};
use tokio::sync::OnceCell;

use crate::clients::Clients;
use crate::observe::http::Probes;
use crate::wire::{Call, Reply, config, now};
use crate::{Config, HealthCheck, Tools};

/// What an account answers, where it answers at all.
type Account = Arc<dyn Fn(&Call) -> Option<Reply> + Send + Sync>;

/// What the function itself needs, whatever it looks at.
const OWN: [&str; 5] = ["GetParameter", "Publish", "Query", "PutItem", "DeleteItem"];

#[derive(Default)]
struct State {
    account: Option<Account>,
    tagged: Vec<String>,
    queue: Value,
    policy: String,
    denied: BTreeSet<String>,
    table: BTreeMap<String, Value>,
    notices: Vec<Value>,
    pages: Vec<String>,
    calls: usize,
    last: Option<usize>,
}

/// The AWS, and the function before it.
pub(super) struct World {
    state: Arc<Mutex<State>>,
    function: HealthCheck,
}

impl World {
    pub(super) fn new(tagged: &[&str]) -> Self {
        let state = Arc::new(Mutex::new(State { queue: json!({}), ..State::default() }));
        let answering = Arc::clone(&state);
        let aws = config(move |call| answering.lock().unwrap().answer(call));
        let ledger = Ledger::new(aws_sdk_dynamodb::Client::new(&aws), "ledger");
        let tools = Tools { clients: Clients::new(&aws), probes: Probes::new(), ledger };
        let config = Config {
            environment: "prod".to_owned(),
            ledger_table: "ledger".to_owned(),
            notices_topic: "arn:aws:sns:eu-central-1:1:notices".to_owned(),
            mode: Mode::Observe,
            status_bucket: "status".to_owned(),
        };
        let function =
            HealthCheck { config, aws: shared::aws::Aws::new(), tools: OnceCell::new_with(Some(tools)) };
        let world = Self { state, function };
        world.tagged(tagged);
        world.policy("health: {ignore: [aws-health, budget, tags]}");
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn mode(&mut self, mode: Mode) {
        self.function.config.mode = mode;
    }

    pub(super) fn tagged(&self, arns: &[&str]) {
        self.state().tagged = arns.iter().map(ToString::to_string).collect();
    }

    /// What answers instead of this world, in all that the function does not need for itself. What it does not answer, this
    /// world does.
    pub(super) fn answers(&self, account: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) {
        self.state().account = Some(Arc::new(account));
    }

    pub(super) fn queue(&self, attributes: Value) {
        self.state().queue = attributes;
    }

    pub(super) fn policy(&self, text: &str) {
        text.clone_into(&mut self.state().policy);
    }

    pub(super) fn deny(&self, action: &str) {
        self.state().denied.insert(action.to_owned());
    }

    pub(super) fn allow(&self, action: &str) {
        self.state().denied.remove(action);
    }

    /// The process makes so many calls more, and none of its later ones is made.
    pub(super) fn dies_after(&self, calls: usize) {
        let mut state = self.state();
        state.last = Some(state.calls + calls);
    }

    pub(super) fn lives(&self) {
        self.state().last = None;
    }

    /// How many calls were made.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(super) fn notices(&self) -> Vec<Value> {
        self.state().notices.clone()
    }

    pub(super) fn pages(&self) -> Vec<String> {
        self.state().pages.clone()
    }

    /// The sort keys of all entries.
    pub(super) fn remembered(&self) -> Vec<String> {
        self.state().table.keys().cloned().collect()
    }

    pub(super) async fn ask(&self, event: &Value, minute: i64) -> Result<Report> {
        let now: Timestamp = now().checked_add(SignedDuration::from_mins(minute)).unwrap();
        // The deadline is measured against the real clock.
        #[expect(clippy::disallowed_methods, reason = "what is left is measured against the real clock")]
        let deadline = Timestamp::now() + Duration::from_mins(1);
        let invocation = Invocation { request_id: "r".to_owned(), now, deadline };
        self.function.handle(event, &invocation).await
    }

    /// The whole result of a sweep by hand.
    pub(super) async fn look(&self, minute: i64) -> Value {
        let report = self.ask(&json!({"check": {"format": "json"}}), minute).await.unwrap();
        serde_json::from_str(report.answer()["text"].as_str().unwrap()).unwrap()
    }

    pub(super) async fn try_sweep(&self, minute: i64) -> Result<Report> {
        self.ask(&json!({"check": "all"}), minute).await
    }

    pub(super) async fn sweep(&self, minute: i64) {
        let _ = self.try_sweep(minute).await.unwrap();
    }
}

impl State {
    fn answer(&mut self, call: &Call) -> Reply {
        self.calls += 1;
        let put = call.action.starts_with("PUT ");
        let action = if put { "PutObject" } else { call.action.as_str() };
        if self.last.is_some_and(|last| last < self.calls) {
            return Reply::error(500, "InternalServerError");
        }
        if self.denied.contains(action) {
            return if put {
                Reply::xml_error(403, "AccessDenied")
            } else {
                Reply::error(400, "AccessDeniedException")
            };
        }
        let account = self.account.as_ref().filter(|_| !put && !OWN.contains(&action));
        if let Some(reply) = account.and_then(|account| account(call)) {
            return reply;
        }
        let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
        match (call.service.as_str(), action) {
            ("tagging", "GetResources") => {
                let tags = json!([{"Key": "watchkeeper:environment", "Value": "prod"}]);
                let tagged: Vec<_> =
                    self.tagged.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
                Reply::ok(json!({"ResourceTagMappingList": tagged, "PaginationToken": ""}))
            }
            ("sqs", "GetQueueUrl") => {
                let name = body["QueueName"].as_str().unwrap();
                Reply::ok(json!({"QueueUrl": format!("https://sqs.eu-central-1.amazonaws.com/1/{name}")}))
            }
            ("sqs", "GetQueueAttributes") => {
                let name = body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
                let empty = json!({"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0",
                    "ApproximateNumberOfMessagesNotVisible": "0", "SqsManagedSseEnabled": "true",
                    "MessageRetentionPeriod": "1209600"});
                let mut attributes = if name == "orders" { self.queue.clone() } else { empty };
                attributes["QueueArn"] = json!(format!("arn:aws:sqs:eu-central-1:1:{name}"));
                Reply::ok(json!({"Attributes": attributes}))
            }
            ("monitoring", "GetMetricData") => Reply::metrics(&[Some(1.0)]),
            ("kms", "DescribeKey") => {
                Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}}))
            }
            ("ssm", "GetParameter") => Reply::ok(
                json!({"Parameter": {"Name": "p", "Type": "String", "Value": self.policy, "Version": 1}}),
            ),
            ("sns", "Publish") => {
                let form = url::form_urlencoded::parse(call.body.as_bytes());
                let message = form.into_iter().find(|(name, _)| name == "Message").unwrap().1;
                self.notices.push(serde_json::from_str(&message).unwrap());
                Reply::xml("Publish", "<MessageId>m</MessageId>")
            }
            ("dynamodb", _) => self.table(action, &body),
            ("s3", "PutObject") => {
                self.pages.push(call.body.clone());
                Reply::ok("")
            }
            other => panic!("nobody should ask for {other:?}"),
        }
    }

    fn table(&mut self, action: &str, body: &Value) -> Reply {
        let sort = |item: &Value| item["sk"]["S"].as_str().unwrap().to_owned();
        let holds = |there: Option<&Value>| {
            let expected = &body["ExpressionAttributeValues"][":version"];
            match body["ConditionExpression"].as_str().unwrap() {
                "attribute_not_exists(pk)" => there.is_none(),
                "version = :version" => there.is_some_and(|there| there["version"] == *expected),
                _ => there.is_none_or(|there| there["version"] == *expected),
            }
        };
        match action {
            "Query" => {
                assert_eq!(body["ExpressionAttributeValues"][":pk"]["S"], "health#prod");
                Reply::ok(json!({"Items": self.table.values().collect::<Vec<_>>()}))
            }
            "PutItem" => {
                let key = sort(&body["Item"]);
                if !holds(self.table.get(&key)) {
                    return Reply::error(400, "ConditionalCheckFailedException");
                }
                self.table.insert(key, body["Item"].clone());
                Reply::ok(json!({}))
            }
            "DeleteItem" => {
                let key = sort(&body["Key"]);
                if !holds(self.table.get(&key)) {
                    return Reply::error(400, "ConditionalCheckFailedException");
                }
                self.table.remove(&key);
                Reply::ok(json!({}))
            }
            other => panic!("nobody should ask the table for {other}"),
        }
    }
}
