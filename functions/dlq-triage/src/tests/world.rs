//! The AWS of the function, in memory: strict doubles of SQS, S3 and DynamoDB behind one proxy, and the real clients.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::types::Message;
use jiff::{SignedDuration, Timestamp, Unit};
use local::aws::sdk_config;
use local::proxy::{Answer, Proxy};
use local::recorded::{Gone, Held, Letter, Objects, Queues, Table, uncovered};
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::{Ledger, s};
use shared::notice::{Notice, State};
use shared::report::{Run, line};
use shared::tags::{ENVIRONMENT, Mode};
use shared::{Report, Result};

use super::account::Account;
use crate::{Clients, Config, DlqTriage};

/// The function's own queue.
pub(super) const TRIAGES: &str = "triages";

pub(super) const ARCHIVE: &str = "archive";

/// As the template has it: how long a message of the function's queue stays away that nobody settled.
pub(super) const VISIBILITY: u64 = 360;

/// Longer than anything stays away that a killed invocation had in hand.
pub(super) const LATER: u64 = 700;

#[expect(
    clippy::disallowed_methods,
    reason = "what is left of an invocation is measured against the real clock"
)]
pub(super) fn real_now() -> Timestamp {
    Timestamp::now()
}

/// A redrive policy, as a queue's attributes have it.
pub(super) fn redrive(target: &str, most: u32) -> Value {
    let policy = json!({"deadLetterTargetArn": Queues::new().arn(target), "maxReceiveCount": most});
    json!({"RedrivePolicy": policy.to_string()})
}

/// A FIFO queue with these attributes.
pub(super) fn fifo(mut attributes: Value) -> Value {
    attributes["FifoQueue"] = json!("true");
    attributes
}

/// No queues but the function's own, now.
pub(super) fn nothing() -> Queues {
    // As SQS keeps times.
    let now = real_now().round(Unit::Millisecond).unwrap();
    Queues::at(now).alone().queue(TRIAGES, &json!({"VisibilityTimeout": VISIBILITY})).unwrap()
}

/// `orders`, whose messages die after two receives, and their queue `orders-dlq`.
pub(super) fn orders() -> Queues {
    let queues = nothing().queue("orders-dlq", &json!({"MessageRetentionPeriod": 345_600})).unwrap();
    let queues = queues.queue("orders", &redrive("orders-dlq", 2)).unwrap();
    queues.tag("orders-dlq", &[(ENVIRONMENT, "prod")]).unwrap();
    queues
}

/// When a process dies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Death {
    /// After its nth call of AWS.
    Call(usize),
    /// When it waits for the nth time for anything.
    Wait(usize),
}

/// How many calls there were, and how many are still carried out.
#[derive(Debug)]
struct Life {
    calls: AtomicUsize,
    last: AtomicUsize,
}

impl Life {
    /// Whether the process lived to make one more call.
    fn reaches(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) < self.last.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.last.load(Ordering::SeqCst) < self.calls.load(Ordering::SeqCst)
    }
}

pub(super) struct World {
    pub(super) queues: Queues,
    pub(super) objects: Objects,
    pub(super) account: Account,
    pub(super) proxy: Proxy,
    pub(super) config: Config,
    pub(super) clients: Clients,
    /// So much of an invocation's time is left.
    pub(super) left: Cell<SignedDuration>,
    life: Arc<Life>,
    requests: Cell<usize>,
}

impl World {
    pub(super) async fn of(queues: Queues) -> Self {
        // The SDK's own waits between tries are of no interest here.
        let retries =
            RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
        Self::with(queues, retries).await
    }

    /// Whose clients try each call so often.
    pub(super) async fn with(queues: Queues, retries: RetryConfig) -> Self {
        let objects = Objects::new().bucket(ARCHIVE).bucket("payloads");
        let (table, account) = (Table::new("ledger"), Account::new(objects.clone()));
        let life = Arc::new(Life { calls: AtomicUsize::new(0), last: AtomicUsize::new(usize::MAX) });
        let proxy = {
            let (queues, objects, table) = (queues.clone(), objects.clone(), table.clone());
            let (account, life) = (account.clone(), Arc::clone(&life));
            Proxy::answering(move |call| {
                if !life.reaches() {
                    return Answer::error(500, "Dead", "nobody asks any more");
                }
                let answer = account.answer(call).or_else(|| queues.answer(call));
                let answer = answer.or_else(|| table.answer(call)).or_else(|| objects.answer(call));
                answer.unwrap_or_else(|| uncovered(call))
            })
        };
        let proxy = proxy.await.unwrap();
        let sdk = sdk_config(proxy.url()).await.into_builder().retry_config(retries).build();
        let config = Config {
            environment: "prod".to_owned(),
            mode: Mode::Act,
            queues: "*".to_owned(),
            ledger_table: "ledger".to_owned(),
            notices_topic: "arn:aws:sns:eu-central-1:123456789012:notices".to_owned(),
            triages_queue: queues.url(TRIAGES),
            archive_bucket: ARCHIVE.to_owned(),
        };
        Self {
            clients: clients(&sdk),
            left: Cell::new(SignedDuration::from_mins(5)),
            requests: Cell::new(0),
            queues,
            objects,
            account,
            proxy,
            config,
            life,
        }
    }

    pub(super) fn url(&self, queue: &str) -> String {
        self.queues.url(queue)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.queues.now()
    }

    /// Lets seconds pass.
    pub(super) fn advance(&self, seconds: u64) {
        self.queues.advance(Duration::from_secs(seconds));
    }

    pub(super) fn put(&self, queue: &str, letter: Letter) -> String {
        self.queues.put(queue, letter).unwrap()
    }

    pub(super) fn held(&self, queue: &str) -> Vec<Held> {
        self.queues.messages(queue)
    }

    /// The bodies of what a queue holds, in order.
    pub(super) fn bodies(&self, queue: &str) -> Vec<String> {
        let mut bodies: Vec<String> = self.held(queue).into_iter().map(|held| held.body).collect();
        bodies.sort_unstable();
        bodies
    }

    /// Whether nothing ever left a queue in another way than these.
    pub(super) fn left_only_by(&self, queue: &str, ways: &[Gone]) -> bool {
        self.queues.gone(queue).iter().all(|(_, how)| ways.contains(how))
    }

    /// The notices since they were asked for last.
    pub(super) fn notices(&self) -> Vec<Notice> {
        self.account.notices()
    }

    fn invocation(&self) -> Invocation {
        self.requests.set(self.requests.get() + 1);
        Invocation {
            request_id: format!("r-{}", self.requests.get()),
            now: self.now(),
            deadline: real_now() + self.left.get(),
        }
    }

    /// Another instance of the function.
    fn function(&self) -> DlqTriage {
        DlqTriage::with_clients(self.config.clone(), self.clients.clone())
    }

    pub(super) async fn handle(&self, event: &Value) -> Result<Report> {
        let (function, invocation) = (self.function(), self.invocation());
        // Boxed as in the shell around every handler.
        Box::pin(function.handle(event, &invocation)).await
    }

    /// The answer to what somebody asks by hand.
    pub(super) async fn ask(&self, event: &Value) -> Value {
        self.handle(event).await.unwrap().answer().clone()
    }

    /// Why what somebody asks by hand is not done.
    pub(super) async fn refused(&self, event: &Value) -> String {
        self.handle(event).await.unwrap_err().chain()
    }

    /// As the schedule has it: a sweep, and then what it asked for.
    pub(super) async fn sweep(&self) -> Vec<Report> {
        let report = self.handle(&json!({"triage": "all"})).await.unwrap();
        assert_eq!((report.outcome(), record(&report, "blind")), ("swept", json!([])), "{report:?}");
        self.deliver().await
    }

    /// The messages of the function's own queue, as Lambda hands them over: those that are not settled come back.
    pub(super) async fn deliver(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for message in self.receive(TRIAGES).await {
            let report = self.handle(&event(&message)).await.unwrap();
            if failures(&report).is_empty() {
                self.delete(TRIAGES, &message).await;
            }
            reports.push(report);
        }
        reports
    }

    /// One message that asks for this queue, without what is known of it.
    pub(super) fn message(&self, queue: &str) -> Value {
        let body = json!({"triage": {"queue": self.queues.arn(queue)}}).to_string();
        json!({"Records": [{
            "messageId": "m", "receiptHandle": "none", "body": body,
            "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs",
        }]})
    }

    /// Up to ten messages, as a consumer gets them.
    pub(super) async fn receive(&self, queue: &str) -> Vec<Message> {
        let receive =
            self.clients.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
        receive.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
    }

    pub(super) async fn delete(&self, queue: &str, message: &Message) {
        let delete = self.clients.sqs.delete_message().queue_url(self.url(queue));
        delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    /// Makes what is remembered of a queue under such keys unreadable.
    pub(super) async fn forget(&self, queue: &str, keys: &str) {
        let ledger = &self.clients.ledger;
        let items = ledger.list(&format!("letters#{}", self.queues.arn(queue)), keys, 100).await.unwrap();
        assert!(!items.is_empty());
        for item in items {
            let mut other = item.clone();
            other.insert("document".to_owned(), s("{"));
            ledger.swap(other, Some(&item)).await.unwrap().unwrap();
        }
    }

    /// A consumer that takes whatever is there, and how many that is.
    pub(super) async fn consume(&self, queue: &str) -> usize {
        let mut count = 0;
        loop {
            let messages = self.receive(queue).await;
            if messages.is_empty() {
                return count;
            }
            for message in &messages {
                self.delete(queue, message).await;
            }
            count += messages.len();
        }
    }

    /// A consumer that fails at whatever is there, until its queue has given everything up.
    pub(super) async fn fail(&self, queue: &str) {
        for _ in 0..4 {
            while !self.receive(queue).await.is_empty() {}
            self.advance(31);
        }
        assert_eq!(self.held(queue), [], "{queue} gives up after fewer receives");
    }

    /// Handles an event, and dies then. Whether it came to its end before is the answer.
    pub(super) async fn ends_before(&self, death: Death, event: &Value) -> bool {
        let mut left = match death {
            Death::Call(last) => {
                let calls = self.life.calls.load(Ordering::SeqCst);
                self.life.last.store(calls + last, Ordering::SeqCst);
                usize::MAX
            }
            Death::Wait(nth) => nth,
        };
        let ended = {
            let mut handled = Box::pin(self.handle(event));
            poll_fn(|context| match handled.as_mut().poll(context) {
                _ if self.life.is_over() => Poll::Ready(false),
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending if left == 0 => Poll::Ready(false),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        // What was on its way arrives.
        loop {
            let before = self.proxy.calls().len();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let calls = self.proxy.calls();
            if calls.len() == before && calls.iter().all(|call| call.ended.is_some()) {
                break;
            }
        }
        self.life.last.store(usize::MAX, Ordering::SeqCst);
        ended
    }
}

fn clients(sdk: &SdkConfig) -> Clients {
    Clients {
        events: aws_sdk_eventbridge::Client::new(sdk),
        lambda: aws_sdk_lambda::Client::new(sdk),
        s3: aws_sdk_s3::Client::new(sdk),
        sns: aws_sdk_sns::Client::new(sdk),
        sqs: aws_sdk_sqs::Client::new(sdk),
        ssm: aws_sdk_ssm::Client::new(sdk),
        ledger: Ledger::new(aws_sdk_dynamodb::Client::new(sdk), "ledger"),
    }
}

/// A message as Lambda hands it over.
pub(super) fn event(message: &Message) -> Value {
    json!({"Records": [{
        "messageId": message.message_id(), "receiptHandle": message.receipt_handle(), "body": message.body(),
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs",
    }]})
}

pub(super) fn failures(report: &Report) -> Vec<String> {
    let failures = report.answer()["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// What a report has in its record under `outcome`.
pub(super) fn outcome(report: &Report) -> Value {
    record(report, "outcome")
}

fn record(report: &Report, part: &str) -> Value {
    let run = Run {
        environment: "prod",
        function: "dlq-triage",
        request_id: "r",
        cold: false,
        began: real_now(),
        millis: 0.0,
    };
    let mut line: Value = serde_json::from_str(&line(report, &run)).unwrap();
    line["record"][part].take()
}

/// The fact of this name.
pub(super) fn fact<'a>(notice: &'a Notice, name: &str) -> &'a str {
    notice.facts.iter().find(|fact| fact.name == name).map_or("", |fact| fact.value.as_str())
}

/// The titles of notices, each behind its state.
pub(super) fn titles(notices: &[Notice]) -> Vec<String> {
    let word = |state: State| state.as_str();
    notices
        .iter()
        .map(|notice| format!("{} {}: {}", word(notice.state), notice.severity, notice.title))
        .collect()
}
