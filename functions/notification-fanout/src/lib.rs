//! Delivers every notice to every channel, once.
//!
//! A batch of the notices queue comes in. Each message becomes a notice ([`message`]), each notice a delivery per
//! channel ([`channels`]): what is written of it is read ([`delivery`]), what to do is decided ([`decision`]), it is
//! claimed, sent ([`slack`], [`webhook`], [`http`]), and what came of it is written down. All of them go on side by
//! side, so that none waits for another. A message that still has something to deliver goes back to the queue
//! ([`queue`]) until then; nothing here ever sleeps. What a channel refuses for good goes to the dead-letter queue.

pub mod channels;
pub mod decision;
pub mod delivery;
pub mod http;
pub mod message;
pub mod queue;
pub mod slack;
pub mod webhook;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::queue::{Queue, answer};
use shared::{Error, Report, Result};
use tokio::sync::OnceCell;

use crate::channels::{Channel, Kind};
use crate::decision::{Facts, Meaning, Outcome, Settlement, Verdict, decide, pause, settle};
use crate::delivery::{Delivery, Entry, Seen, State};
use crate::http::Http;
use crate::message::Work;
use crate::queue::Record;

/// Kept back of the invocation's time for writing down what happened.
const MARGIN: Duration = Duration::from_secs(3);

/// The longest that one answer of a channel is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long channels are kept in memory: a changed secret takes effect within that time.
const CHANNELS_KEPT: SignedDuration = SignedDuration::from_mins(5);

/// How long a message stays away that there was no time for; also, how much later than its end an invocation is
/// certainly over.
const SOON: Duration = Duration::from_secs(1);

/// More than a batch of the queue holds, and more channels than the design allows for: the bounds keep memory
/// bounded, and no delivery ever waits for one that hangs.
const NOTICES_AT_ONCE: usize = 20;
const CHANNELS_AT_ONCE: usize = 50;

/// The settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that messages belong to which do not say.
    pub environment: String,
    /// The ledger's table.
    pub table: String,
    /// The ARN of the channels secret.
    pub channels_secret: String,
    /// Where messages come from and are given back to.
    pub notices_queue: String,
    /// Where refused messages go.
    pub dead_letters: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            table: env.required("LEDGER_TABLE")?,
            channels_secret: env.required("CHANNELS_SECRET_ARN")?,
            notices_queue: env.required("NOTICES_QUEUE_URL")?,
            dead_letters: env.required("DEAD_LETTERS_URL")?,
        })
    }
}

/// The function, with what it keeps from one invocation to the next.
#[derive(Debug)]
pub struct Fanout {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
    channels: RefCell<Option<(Timestamp, Rc<[Channel]>)>>,
    /// Until when a channel asked not to be sent anything, as this process knows it.
    quiet: RefCell<HashMap<String, Timestamp>>,
}

/// Made when there is something to deliver.
#[derive(Debug)]
struct Clients {
    ledger: Ledger,
    secrets: aws_sdk_secretsmanager::Client,
    sqs: aws_sdk_sqs::Client,
    http: Http,
}

impl Fanout {
    /// Nothing is built or read yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            aws: Aws::new(),
            clients: OnceCell::new(),
            channels: RefCell::default(),
            quiet: RefCell::default(),
        }
    }

    /// Delivers the notices of a batch and answers with the messages that have to come again.
    ///
    /// # Errors
    /// [`Error::Event`] for an event that is no SQS batch; whatever keeps the channels from being known; and what
    /// failed, where nothing at all could be done for any message.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        let records = queue::read(event)?;
        if records.is_empty() {
            return Ok(Report::new("ignored", "", "the batch is empty").answering(answer([])));
        }
        let run = &Run {
            fanout: self,
            clients: self.clients().await?,
            channels: &self.channels(invocation.now).await?,
            invocation,
            clock: Instant::now(),
        };
        let gathered = message::gather(&records, &self.config.environment, invocation.now);
        let done = stream::iter(gathered).map(|work| run.fan_out(work)).buffer_unordered(NOTICES_AT_ONCE);
        report(done.collect().await, invocation.now)
    }

    async fn clients(&self) -> Result<&Clients> {
        self.clients
            .get_or_try_init(async || {
                let aws = self.aws.config().await;
                Ok(Clients {
                    ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), &self.config.table),
                    secrets: aws_sdk_secretsmanager::Client::new(aws),
                    sqs: aws_sdk_sqs::Client::new(aws),
                    http: Http::native()?,
                })
            })
            .await
    }

    async fn channels(&self, now: Timestamp) -> Result<Rc<[Channel]>> {
        if let Some((read_at, channels)) = &*self.channels.borrow()
            && now.duration_since(*read_at) < CHANNELS_KEPT
        {
            return Ok(Rc::clone(channels));
        }
        let secrets = &self.clients().await?.secrets;
        let channels: Rc<[Channel]> = channels::fetch(secrets, &self.config.channels_secret).await?.into();
        self.channels.replace(Some((now, Rc::clone(&channels))));
        Ok(channels)
    }
}

/// One invocation at work.
struct Run<'a> {
    fanout: &'a Fanout,
    clients: &'a Clients,
    channels: &'a [Channel],
    invocation: &'a Invocation,
    clock: Instant,
}

/// What came of one notice.
struct Done<'a> {
    work: Work<'a>,
    /// By channel.
    outcomes: Vec<(&'a str, Outcome)>,
    settlement: Settlement,
    /// What failed of the ledger and the queues.
    errors: Vec<Error>,
    /// On how many channels nothing came of it but an error.
    stumbled: usize,
}

impl<'a> Run<'a> {
    /// One notice to all channels; then its messages go back to the queue, if they have to come again.
    async fn fan_out(&self, work: Work<'a>) -> Done<'a> {
        let mut outcomes = Vec::with_capacity(self.channels.len());
        let mut errors = Vec::new();
        let mut stumbled = 0;
        match delivery::seen(&self.clients.ledger, &work.notice).await {
            Ok(seen) => {
                let (work, seen) = (&work, &seen);
                let mut results = stream::iter(self.channels)
                    .map(|channel| async move { (channel, self.deliver(work, channel, seen).await) })
                    .buffer_unordered(CHANNELS_AT_ONCE);
                while let Some((channel, result)) = results.next().await {
                    let outcome = result.unwrap_or_else(|error| {
                        let outcome = self.stumbled(work, &error);
                        errors.push(error);
                        stumbled += 1;
                        outcome
                    });
                    outcomes.push((channel.name.as_str(), outcome));
                }
            }
            Err(error) => {
                let outcome = self.stumbled(&work, &error);
                outcomes.extend(self.channels.iter().map(|channel| (channel.name.as_str(), outcome.clone())));
                errors.push(error);
                stumbled = outcomes.len();
            }
        }

        let settlement = settle(outcomes.iter().map(|(_, outcome)| outcome), self.now());
        if let Settlement::GiveBack(after) = settlement {
            let notices = Queue { sqs: &self.clients.sqs, url: &self.fanout.config.notices_queue };
            for receipt in work.records.iter().filter_map(|record| record.receipt.as_deref()) {
                // Without this the message comes again too, only when the queue's own time is over.
                errors.extend(notices.give_back(receipt, after).await.err());
            }
        }
        Done { work, outcomes, settlement, errors, stumbled }
    }

    /// One notice on one channel: decide, claim, send, write down.
    async fn deliver(&self, work: &Work<'_>, channel: &Channel, seen: &Seen) -> Result<Outcome> {
        let message = message_id(work);
        let held = seen.held.get(&channel.name);
        let facts = Facts {
            state: work.notice.state,
            message,
            held,
            resolved_since: seen.resolved_since.contains(&channel.name),
            quiet_until: self.fanout.quiet.borrow().get(&channel.name).copied(),
            time_left: self.invocation.left(MARGIN),
        };
        let waits = |until: Timestamp, why: &str| Ok(Outcome::Waits { until, why: why.to_owned() });
        match decide(&facts, self.now()) {
            Verdict::Deliver => {}
            Verdict::AlreadyDelivered => return Ok(Outcome::AlreadyDelivered),
            Verdict::Overtaken => return Ok(Outcome::Overtaken),
            Verdict::RefusedBefore => return Ok(Outcome::RefusedBefore),
            Verdict::WaitUntil(until) => return waits(until, "the channel is to be left alone until then"),
            Verdict::InHand(until) => return waits(until, "another invocation has it in hand"),
            Verdict::NoTime => return waits(self.later(SOON), "the invocation is nearly over"),
        }

        let entry = Entry { notice: &work.notice, channel: &channel.name };
        let ledger = &self.clients.ledger;
        let deadline = decision::after(self.invocation.deadline, SOON);
        let owner = &self.invocation.request_id;
        let Some(in_hand) = delivery::claim(ledger, entry, held, owner, deadline, self.now()).await? else {
            return waits(self.later(PATIENCE), "another invocation was faster to take it in hand");
        };

        let (outcome, state) = match self.send(entry, channel, in_hand.attempts).await {
            Meaning::Acknowledged => (Outcome::Acknowledged, State::Acknowledged),
            Meaning::Accepted => (Outcome::AcceptedUnverified, State::AcceptedUnverified),
            Meaning::Later { after, quiet, why } => {
                let spread = decision::seed(&entry.key());
                let until = self.later(pause(after, in_hand.attempts, spread));
                if quiet {
                    self.fanout.quiet.borrow_mut().insert(channel.name.clone(), until);
                }
                (Outcome::Waits { until, why }, State::Pending { not_before: until })
            }
            Meaning::Simplify(why) | Meaning::Refused(why) => {
                match self.dead_letter(entry, work, &why).await {
                    Ok(()) => {
                        let state = State::Failed { message: message.to_owned() };
                        (Outcome::DeadLettered { why }, state)
                    }
                    Err(error) => {
                        let not_before = self.later(pause(None, in_hand.attempts, 0));
                        // What counts is the error; without this line the delivery is free again at its deadline.
                        let _ = self.record(entry, &in_hand, State::Pending { not_before }, "").await;
                        return Err(error);
                    }
                }
            }
        };
        let why = match &outcome {
            Outcome::DeadLettered { why } | Outcome::Waits { why, .. } => why.as_str(),
            Outcome::Acknowledged
            | Outcome::AcceptedUnverified
            | Outcome::AlreadyDelivered
            | Outcome::Overtaken
            | Outcome::RefusedBefore => "",
        };
        // What happened has happened. Were the message given back because that could not be written down, people
        // would surely be told twice; left as it is, only a repetition by the queue could do that.
        let _ = self.record(entry, &in_hand, state, why).await;
        Ok(outcome)
    }

    async fn record(&self, entry: Entry<'_>, in_hand: &Delivery, state: State, why: &str) -> Result<bool> {
        delivery::record(&self.clients.ledger, entry, in_hand, state, why, self.now()).await
    }

    async fn send(&self, entry: Entry<'_>, channel: &Channel, attempt: u32) -> Meaning {
        let http = &self.clients.http;
        let limit = || PATIENCE.min(self.invocation.left(MARGIN));
        let asked = |reply: Result<_, http::Failure>, meaning: fn(&_, Timestamp) -> Meaning| match reply {
            Ok(reply) => meaning(&reply, self.now()),
            Err(http::Failure::Forbidden) => Meaning::Refused(http::Failure::Forbidden.to_string()),
            Err(failure @ (http::Failure::TimedOut(_) | http::Failure::Unreachable(_))) => {
                Meaning::Later { after: None, quiet: false, why: failure.to_string() }
            }
        };
        match &channel.kind {
            Kind::Slack { url } => {
                let rich = http.post(url, &[], slack::rich(entry.notice), limit()).await;
                match asked(rich, decision::slack) {
                    Meaning::Simplify(_) => {
                        asked(http.post(url, &[], slack::plain(entry.notice), limit()).await, decision::slack)
                    }
                    meaning @ (Meaning::Acknowledged
                    | Meaning::Accepted
                    | Meaning::Later { .. }
                    | Meaning::Refused(_)) => meaning,
                }
            }
            Kind::Webhook { url, key } => match webhook::request(entry, key, attempt, self.now()) {
                Ok(request) => {
                    let reply = http.post(url, &request.headers, request.body, limit()).await;
                    asked(reply, decision::webhook)
                }
                Err(error) => Meaning::Refused(error.to_string()),
            },
            Kind::Broken { why } => Meaning::Refused(format!("the channel cannot be used: {why}")),
        }
    }

    async fn dead_letter(&self, entry: Entry<'_>, work: &Work<'_>, why: &str) -> Result<()> {
        let body = work.records.first().map_or("", |record| record.body.as_str());
        let revision = entry.notice.revision.to_string();
        let about = [
            ("channel", entry.channel),
            ("error", why),
            ("incident", &entry.notice.incident),
            ("revision", &revision),
        ];
        queue::dead_letter(&self.clients.sqs, &self.fanout.config.dead_letters, body, &about).await
    }

    /// What a delivery comes to that failed on our side: it is tried again, later each time.
    fn stumbled(&self, work: &Work<'_>, error: &Error) -> Outcome {
        let receives = work.records.iter().map(|record| record.receives).max().unwrap_or(1);
        let until = self.later(pause(None, receives, decision::seed(&work.notice.id)));
        Outcome::Waits { until, why: error.chain() }
    }

    fn later(&self, pause: Duration) -> Timestamp {
        decision::after(self.now(), pause)
    }

    /// The time now: that of the invocation's beginning and what has passed since.
    fn now(&self) -> Timestamp {
        decision::after(self.invocation.now, self.clock.elapsed())
    }
}

fn message_id<'a>(work: &'a Work<'_>) -> &'a str {
    work.records.first().and_then(|record| record.id.as_deref()).unwrap_or_default()
}

/// The report. Where nothing came of anything but errors, the first of them is the answer, so that the whole batch
/// comes again and the alarm on errors sees it.
fn report(done: Vec<Done<'_>>, now: Timestamp) -> Result<Report> {
    let of = |wanted: fn(&Outcome) -> bool| -> usize {
        done.iter().flat_map(|done| &done.outcomes).filter(|(_, outcome)| wanted(outcome)).count()
    };
    let delivered = of(|outcome| matches!(outcome, Outcome::Acknowledged | Outcome::AcceptedUnverified));
    let dead = of(|outcome| matches!(outcome, Outcome::DeadLettered { .. }));
    let given_back: Vec<&Record> = done
        .iter()
        .filter(|done| matches!(done.settlement, Settlement::GiveBack(_)))
        .flat_map(|done| done.work.records.iter().copied())
        .collect();

    // The queue's own age metric leaves out what was received three times, and so whatever waits for a channel.
    let waiting = given_back
        .iter()
        .filter_map(|record| record.sent)
        .map(|sent| now.duration_since(sent))
        .max()
        .unwrap_or_default();

    let (outcome, reason) = if dead > 0 {
        (
            "dead_lettered",
            format!("{dead} refused for good, {delivered} delivered, {} given back", given_back.len()),
        )
    } else if !given_back.is_empty() {
        ("given_back", format!("{} come again later, {delivered} delivered", given_back.len()))
    } else if delivered > 0 {
        ("delivered", format!("{delivered} delivered"))
    } else {
        ("ignored", "every channel had been told before".to_owned())
    };
    let subject = match done.as_slice() {
        [only] => shown(&only.work.notice.incident),
        several => format!("{} notices", several.len()),
    };
    let notices: Vec<_> = done.iter().map(record_of).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of a batch are far below 2^52")]
    let report = Report::new(outcome, subject, reason)
        .metric("Delivered", "Count", delivered as f64)
        .metric("GivenBack", "Count", given_back.len() as f64)
        .metric("Waiting", "Seconds", waiting.as_secs_f64())
        .metric("DeadLettered", "Count", dead as f64)
        .record("notices", &notices)
        .answering(answer(given_back.iter().filter_map(|record| record.id.as_deref())));

    let nothing_but_errors = done.iter().all(|done| done.stumbled == done.outcomes.len());
    match done.into_iter().flat_map(|done| done.errors).next() {
        Some(error) if nothing_but_errors => Err(error),
        Some(_) | None => Ok(report),
    }
}

/// A publisher may write an incident of any length; the report holds its beginning.
fn shown(incident: &str) -> String {
    incident.chars().take(300).collect()
}

/// What is kept of a notice for whoever asks later why it was, or was not, delivered.
fn record_of(done: &Done<'_>) -> Value {
    let notice = &done.work.notice;
    let messages: Vec<_> = done.work.records.iter().map(|record| record.id.as_deref()).collect();
    let channels: serde_json::Map<_, _> =
        done.outcomes.iter().map(|(channel, outcome)| ((*channel).to_owned(), json!(outcome))).collect();
    let errors: Vec<_> = done.errors.iter().map(Error::chain).collect();
    let given_back_for = match done.settlement {
        Settlement::Done => Value::Null,
        Settlement::GiveBack(after) => json!(after.as_secs()),
    };
    json!({
        "incident": shown(&notice.incident),
        "revision": notice.revision,
        "state": notice.state,
        "messages": messages,
        "channels": channels,
        "given_back_for": given_back_for,
        "errors": errors,
    })
}

#[cfg(test)]
mod receiver;
#[cfg(test)]
mod tests;
