//! What AWS holds and was asked for: a table that checks the conditions the code writes, queues, secrets, a policy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_sdk_ssm::operation::get_parameter::GetParameterOutput;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use serde_json::{Value, json};
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::{Item, Ledger, get_s, s};
use shared::{Report, Result};

use crate::receiver::Receiver;
use crate::{Clients, Config, Fanout, Http, OnceCell, Timestamp, decision};

/// Entries by partition key and sort key.
pub(super) type Table = BTreeMap<(String, String), Item>;

/// What somebody else does to the table, once.
type Meanwhile = Box<dyn FnOnce(&mut Table) + Send>;

/// What AWS holds and was asked for.
#[derive(Default)]
pub(super) struct World {
    pub(super) table: Table,
    /// Which writes to the table it denies.
    pub(super) denied: Option<fn(&Item) -> bool>,
    /// What becomes of the nth write to the table.
    pub(super) fate: Option<fn(usize) -> Fate>,
    writes: usize,
    /// What somebody else does to the table just before a write.
    pub(super) meanwhile: Option<fn(&mut Table, &Item)>,
    /// What somebody else does to the table just before it is asked for all deliveries of an incident.
    pub(super) before_history: Option<Meanwhile>,
    /// The last call that the process lives to make.
    pub(super) last_call: Option<usize>,
    pub(super) calls: usize,
    pub(super) given_back: Vec<(String, i32)>,
    /// Channel, error and body of each.
    pub(super) dead: Vec<(String, String, String)>,
    /// Body and delay of each.
    pub(super) reminders: Vec<(String, i32)>,
    pub(super) policy: String,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done, and the answer comes.
    Done,
    /// It is done, and instead of the answer comes an error.
    Unanswered,
    /// It is not done, and an error comes.
    Lost,
}

fn refusal(status: u16, code: &str) -> MockResponse<PutItemOutput, PutItemError> {
    let body = format!(r#"{{"__type":"{code}","message":"not now"}}"#);
    let status = status.try_into().unwrap();
    MockResponse::Http(aws_sdk_dynamodb::config::http::HttpResponse::new(status, body.into()))
}

impl World {
    /// One more call. Whether its caller lives to make it is the answer: what a dead one would have asked for is not
    /// done, and what it is answered does not matter, because it is dropped before it waits again.
    fn reached(&mut self) -> bool {
        self.calls += 1;
        self.last_call.is_none_or(|last| self.calls <= last)
    }

    /// Whether the process lived for shorter than its calls.
    pub(super) fn has_died(&self) -> bool {
        self.last_call.is_some_and(|last| last < self.calls)
    }

    fn put(&mut self, input: &PutItemInput) -> MockResponse<PutItemOutput, PutItemError> {
        if !self.reached() {
            return MockResponse::Output(PutItemOutput::builder().build());
        }
        if self.denied.is_some_and(|denied| denied(input.item().unwrap())) {
            return refusal(400, "AccessDeniedException");
        }
        if let Some(meanwhile) = self.meanwhile {
            meanwhile(&mut self.table, input.item().unwrap());
        }
        let fate = self.fate.map_or(Fate::Done, |fate| fate(self.writes));
        self.writes += 1;
        if fate == Fate::Lost {
            return refusal(400, "InternalServerError");
        }
        let answer = self.write(input);
        if fate == Fate::Unanswered { refusal(400, "InternalServerError") } else { answer }
    }

    fn write(&mut self, input: &PutItemInput) -> MockResponse<PutItemOutput, PutItemError> {
        let item = input.item().unwrap();
        let key = (get_s(item, "pk").unwrap(), get_s(item, "sk").unwrap());
        let there = self.table.get(&key);
        let same = |names: [(&str, &str); 2]| {
            let values = input.expression_attribute_values().unwrap();
            there
                .is_some_and(|there| names.iter().all(|(name, value)| there.get(*name) == values.get(*value)))
        };
        let holds = match input.condition_expression().unwrap() {
            "attribute_not_exists(pk)" => there.is_none(),
            "version = :version" => same([("version", ":version"); 2]),
            "#state = :state AND attempts = :attempts" => {
                same([("state", ":state"), ("attempts", ":attempts")])
            }
            other => panic!("an unknown condition: {other}"),
        };
        if !holds {
            let failed = ConditionalCheckFailedException::builder().set_item(there.cloned()).build();
            return MockResponse::Error(PutItemError::ConditionalCheckFailedException(failed));
        }
        self.table.insert(key, item.clone());
        MockResponse::Output(PutItemOutput::builder().build())
    }

    fn delete(&mut self, input: &DeleteItemInput) -> MockResponse<DeleteItemOutput, DeleteItemError> {
        assert_eq!(input.condition_expression(), Some("attribute_not_exists(pk) OR version = :version"));
        if !self.reached() {
            return MockResponse::Output(DeleteItemOutput::builder().build());
        }
        let key = (get_s(input.key().unwrap(), "pk").unwrap(), get_s(input.key().unwrap(), "sk").unwrap());
        let version = &input.expression_attribute_values().unwrap()[":version"];
        if self.table.get(&key).is_some_and(|there| there.get("version") != Some(version)) {
            let failed = ConditionalCheckFailedException::builder().build();
            return MockResponse::Error(DeleteItemError::ConditionalCheckFailedException(failed));
        }
        self.table.remove(&key);
        MockResponse::Output(DeleteItemOutput::builder().build())
    }

    fn query(&mut self, input: &QueryInput) -> QueryOutput {
        if !self.reached() {
            return QueryOutput::builder().build();
        }
        let values = input.expression_attribute_values().unwrap();
        if get_s(values, ":pk").unwrap().starts_with("delivery#") && values[":sk"] == s(" ") {
            self.before_history.take().into_iter().for_each(|change| change(&mut self.table));
        }
        let found = self
            .table
            .iter()
            .filter(|((pk, sk), _)| s(pk) == values[":pk"] && *sk >= *values[":sk"].as_s().unwrap())
            .map(|(_, item)| item.clone());
        QueryOutput::builder().set_items(Some(found.collect())).build()
    }
}

/// The function, at a time that a test sets, in a world of its own.
pub(super) struct Stage {
    pub(super) fanout: Fanout,
    pub(super) world: Arc<Mutex<World>>,
    pub(super) now: Timestamp,
    pub(super) left: Duration,
    /// Who handles the next event.
    pub(super) request: String,
}

pub(super) fn config() -> Config {
    let lookup = |name: &str| Some(format!("https://aws.example/{}", name.to_lowercase()));
    Config { environment: "prod".to_owned(), ..Config::read(&Env::new(&lookup)).unwrap() }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is left of an invocation is measured against the real clock"
)]
pub(super) fn real_now() -> Timestamp {
    Timestamp::now()
}

impl Stage {
    /// With these channels and, if it is not empty, this policy.
    pub(super) fn new(http: Http, secret: &str, policy: &str) -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let of = |world: &Arc<Mutex<World>>| Arc::clone(world);
        let (w1, w2, w3, w4) = (of(&world), of(&world), of(&world), of(&world));
        let (w5, w6, w7) = (of(&world), of(&world), of(&world));
        let put = mock!(aws_sdk_dynamodb::Client::put_item)
            .then_compute_response(move |input| w1.lock().unwrap().put(input));
        let query = mock!(aws_sdk_dynamodb::Client::query)
            .then_compute_output(move |input| w2.lock().unwrap().query(input));
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_compute_output(move |input| {
            let key = input.key().unwrap();
            let key = (get_s(key, "pk").unwrap(), get_s(key, "sk").unwrap());
            let mut world = w3.lock().unwrap();
            let found = if world.reached() { world.table.get(&key).cloned() } else { None };
            GetItemOutput::builder().set_item(found).build()
        });
        let delete = mock!(aws_sdk_dynamodb::Client::delete_item)
            .then_compute_response(move |input| w4.lock().unwrap().delete(input));
        let give_back =
            mock!(aws_sdk_sqs::Client::change_message_visibility).then_compute_output(move |input| {
                let given = (input.receipt_handle().unwrap().to_owned(), input.visibility_timeout().unwrap());
                let mut world = w5.lock().unwrap();
                if world.reached() {
                    world.given_back.push(given);
                }
                ChangeMessageVisibilityOutput::builder().build()
            });
        let send = mock!(aws_sdk_sqs::Client::send_message).then_compute_output(move |input| {
            let body = input.message_body().unwrap().to_owned();
            let mut world = w6.lock().unwrap();
            if !world.reached() {
                return SendMessageOutput::builder().build();
            }
            if input.queue_url().unwrap().ends_with("/reminders_queue_url") {
                world.reminders.push((body, input.delay_seconds().unwrap()));
            } else {
                assert!(input.queue_url().unwrap().ends_with("/dead_letters_url"));
                let attribute = |name: &str| {
                    let attribute = input.message_attributes().unwrap().get(name);
                    attribute.and_then(|value| value.string_value()).unwrap_or_default().to_owned()
                };
                world.dead.push((attribute("channel"), attribute("error"), body));
            }
            SendMessageOutput::builder().build()
        });
        let secret = secret.to_owned();
        let get_secret =
            mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_compute_output(move |input| {
                let key = "0123456789abcdef0123456789abcdef".to_owned();
                let of_links = input.secret_id().unwrap().ends_with("acknowledge_key_arn");
                let text = if of_links { key } else { secret.clone() };
                GetSecretValueOutput::builder().secret_string(text).build()
            });
        let policy = if policy.is_empty() { "{}".to_owned() } else { policy.to_owned() };
        world.lock().unwrap().policy = policy;
        let get_parameter = mock!(aws_sdk_ssm::Client::get_parameter).then_output(move || {
            let policy = w7.lock().unwrap().policy.clone();
            let parameter = Parameter::builder().r#type(ParameterType::String).value(policy).version(3);
            GetParameterOutput::builder().parameter(parameter.build()).build()
        });
        let clients = Clients {
            ledger: Ledger::new(
                mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&put, &query, &get, &delete]),
                "ledger_table",
            ),
            secrets: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&get_secret]),
            ses: mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, []),
            sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, []),
            sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&give_back, &send]),
            ssm: mock_client!(aws_sdk_ssm, RuleMode::MatchAny, [&get_parameter]),
            http,
        };
        let fanout = Fanout { clients: OnceCell::new_with(Some(clients)), ..Fanout::new(config()) };
        Self { fanout, world, now: real_now(), left: Duration::from_secs(30), request: "r-1".to_owned() }
    }

    /// Another instance of the function in the same world, which has read nothing yet.
    pub(super) fn another(&self) -> Self {
        let Clients { ledger, secrets, ses, sns, sqs, ssm, http } = self.fanout.clients.get().unwrap();
        let clients = Clients {
            ledger: ledger.clone(),
            secrets: secrets.clone(),
            ses: ses.clone(),
            sns: sns.clone(),
            sqs: sqs.clone(),
            ssm: ssm.clone(),
            http: http.clone(),
        };
        let fanout = Fanout { clients: OnceCell::new_with(Some(clients)), ..Fanout::new(config()) };
        Self { fanout, world: Arc::clone(&self.world), request: self.request.clone(), ..*self }
    }

    /// With a Slack channel `ops` and a webhook channel `audit` at the receiver.
    pub(super) fn at(receiver: &Receiver) -> Self {
        Self::with(receiver, "")
    }

    /// Has a policy in place from now on that nobody has read yet.
    pub(super) fn policy(&self, policy: &str) {
        policy.clone_into(&mut self.world.lock().unwrap().policy);
        self.fanout.rules.replace(None);
    }

    /// The same, with a policy.
    pub(super) fn with(receiver: &Receiver, policy: &str) -> Self {
        let secret = json!({"channels": [
            {"name": "ops", "type": "slack", "url": receiver.url("/slack/hunter2").as_str()},
            {"name": "audit", "type": "webhook", "url": receiver.url("/audit/hunter2").as_str(), "secret": "key"},
        ]});
        Self::new(receiver.http.clone(), &secret.to_string(), policy)
    }

    pub(super) async fn handle(&self, event: &Value) -> Result<Report> {
        let deadline = decision::after(real_now(), self.left);
        let invocation = Invocation { request_id: self.request.clone(), now: self.now, deadline };
        let report = self.fanout.handle(event, &invocation).await?;
        let shown = format!("{report:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("https://"), "an address shows: {shown}");
        Ok(report)
    }

    /// Tells some notices, whatever comes of it.
    pub(super) async fn tell(&self, notices: &[Value]) {
        let report = self.handle(&super::together::batch(notices)).await.unwrap();
        assert_ne!(report.outcome(), "dead_lettered", "{report:?}");
    }

    /// Handles the event of this name and answers with the outcome.
    pub(super) async fn told(&self, case: &str) -> &'static str {
        self.handle(&super::event(case)).await.unwrap().outcome()
    }

    pub(super) fn later(&mut self, seconds: u64) {
        self.now = decision::after(self.now, Duration::from_secs(seconds));
    }

    /// Hands all reminders over that were armed, as often as they come again at the time that is now, and keeps those
    /// that come later.
    pub(super) async fn remind(&self) -> Vec<&'static str> {
        let mut outcomes = Vec::new();
        let armed = std::mem::take(&mut self.world.lock().unwrap().reminders);
        let mut kept = Vec::new();
        for (place, (body, _)) in armed.into_iter().enumerate() {
            let event = json!({"Records": [{
                "messageId": format!("reminder-{place}"), "receiptHandle": "reminder", "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:reminders_queue_url",
            }]});
            let report = self.handle(&event).await.unwrap();
            outcomes.push(report.outcome());
            if report.answer()["batchItemFailures"] != json!([]) {
                kept.push((body, 0));
            }
        }
        self.world.lock().unwrap().reminders.extend(kept);
        outcomes
    }

    pub(super) fn states(&self) -> Vec<(String, String)> {
        let world = self.world.lock().unwrap();
        world
            .table
            .iter()
            .filter(|((pk, sk), _)| {
                pk.starts_with("delivery#") && sk.starts_with(|first: char| first.is_ascii_digit())
            })
            .map(|(_, item)| (get_s(item, "channel").unwrap(), get_s(item, "state").unwrap()))
            .collect()
    }

    #[track_caller]
    pub(super) fn check_states(&self, expected: &[(&str, &str)]) {
        let mut states = self.states();
        states.sort();
        let states: Vec<_> =
            states.iter().map(|(channel, state)| (channel.as_str(), state.as_str())).collect();
        assert_eq!(states, expected);
    }

    /// As if another invocation had the delivery to Slack in hand for 40 seconds.
    pub(super) fn in_flight(&self) {
        let mut world = self.world.lock().unwrap();
        let deadline = shared::ledger::ms(decision::after(self.now, Duration::from_secs(40)));
        for (_, item) in world.table.iter_mut().filter(|((_, sk), _)| sk.ends_with("#ops")) {
            item.insert("state".to_owned(), s("in_flight"));
            item.insert("owner".to_owned(), s("another"));
            item.insert("deadline".to_owned(), deadline.clone());
        }
        // Nobody has told it yet.
        world.table.retain(|(_, sk), _| sk != "told#ops");
    }
}
