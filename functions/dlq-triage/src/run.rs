//! What the function does without being asked by a person: it finds the queues, and looks after each.

mod standing;
mod triage;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use shared::error::{Call, Class};
use shared::lambda::Invocation;
use shared::notice::Notice;
use shared::policy::Policy;
use shared::policy::dlq::{Archived, Dlq};
use shared::tags::Mode;
use shared::{Error, Report, Result, id};
use tokio::time::Instant;

use crate::act::{Acting, Done, Drain, act};
use crate::archive::{Archiver, Place};
use crate::decision::group::{Phase, Redrive, Step};
use crate::decision::news::as_number;
use crate::decision::reading::{Reading, reading};
use crate::discover::attributes::Attributes;
use crate::discover::{self, DeadLetters, Found, Source};
use crate::event::{Known, Target, Triage};
use crate::judge::Judge;
use crate::look::{Deed, Look, Looking, look};
use crate::memory::{Entry, Group, Last, Memory};
use crate::read::Reader;
use crate::redrive::Sender;
use crate::{Clients, Config, MARGIN};

/// When a message comes back that could not be dealt with.
pub(crate) const AGAIN: Duration = Duration::from_mins(1);

/// How many receives at a time.
const WORKERS: usize = 8;

/// SQS hides a message for at most 12 hours (SQS API, `ReceiveMessage`).
const LONGEST_HIDDEN: Duration = Duration::from_hours(12);

/// The log keeps so many groups of one run.
const RECORDED: usize = 50;

/// The longest that SQS delays a message (SQS API, `SendMessage`).
const LONGEST_DELAY: i64 = 900;

/// A message has room for this much of what is known of a queue.
const LARGEST_KNOWN: usize = 200_000;

/// Everything that a run works with.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clients: &'a Clients,
    pub(crate) policy: Policy,
    pub(crate) version: i64,
    pub(crate) invocation: &'a Invocation,
}

/// Whether a message comes again.
pub(crate) enum Again {
    Never,
    Failed,
    After(Duration),
}

/// A redrive that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// Of one group, by its id or the beginning of it; or of all.
    pub(crate) group: Option<&'a str>,
    pub(crate) by: &'a str,
}

/// What came of looking after a queue.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) queue: String,
    /// Why it was not read, or not acted on.
    pub(crate) refused: Option<String>,
    pub(crate) look: Look,
    pub(crate) steps: BTreeMap<String, Step>,
    pub(crate) done: Done,
    /// The groups of which could not be read what was remembered: they are begun anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) forgotten: Vec<String>,
    /// Where the archive has what it has now.
    pub(crate) run: Option<String>,
    pub(crate) per_hour: Option<f64>,
    pub(crate) lost_at: Option<Timestamp>,
    /// When it is looked at again.
    pub(crate) next: Option<Timestamp>,
    pub(crate) told: usize,
}

impl Wish<'_> {
    /// The redrive that it begins.
    fn begin(&self, queue: &str, group: &str, now: Timestamp) -> Redrive {
        Redrive {
            id: id::of(&[queue, group, &now.to_string()]),
            began: now,
            by: Some(self.by.to_owned()),
            phase: Phase::Canary { until: now },
            sent: 0,
            returned: 0,
            tries: 0,
            round: 0,
        }
    }
}

impl Outcome {
    fn of(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            refused: None,
            look: Look::default(),
            steps: BTreeMap::new(),
            done: Done::default(),
            forgotten: Vec::new(),
            run: None,
            per_hour: None,
            lost_at: None,
            next: None,
            told: 0,
        }
    }
}

impl Run<'_> {
    pub(crate) const fn now(&self) -> Timestamp {
        self.invocation.now
    }

    pub(crate) fn reach(&self) -> discover::Reach<'_> {
        let Clients { sqs, lambda, sns, events, .. } = self.clients;
        discover::Reach { sqs, lambda, sns, events }
    }

    /// Until when a search may take: half of what is left.
    pub(crate) fn search_until(&self) -> Instant {
        Instant::now() + self.invocation.left(MARGIN) / 2
    }

    /// Until when letters are sent.
    pub(crate) fn sends_until(&self) -> std::time::Instant {
        std::time::Instant::now() + self.invocation.left(MARGIN)
    }

    fn go_on(&self) -> bool {
        !self.invocation.left(MARGIN).is_zero()
    }

    /// Why nothing may be done with a queue by itself, if so.
    pub(crate) fn refusal(&self, letters: &DeadLetters) -> Option<String> {
        match Mode::resolve(self.config.mode, [&letters.queue.tags]) {
            Mode::Act => {}
            Mode::Off | Mode::Observe => return Some("the mode is observe".to_owned()),
        }
        if let Some(frozen) = self.policy.frozen(self.now()) {
            return Some(format!("nothing is changed {frozen}"));
        }
        self.policy.window(self.now()).map(|window| format!("the maintenance window {} is open", window.name))
    }

    pub(crate) fn memory<'m>(&'m self, queue: &'m str) -> Memory<'m> {
        Memory { ledger: &self.clients.ledger, queue }
    }

    pub(crate) const fn reader<'r>(&'r self, letters: &'r DeadLetters, visibility: Duration) -> Reader<'r> {
        // A FIFO queue hands out a group at a time, so that more receives find nothing more.
        let workers = if letters.queue.attributes.fifo { 1 } else { WORKERS };
        Reader { sqs: &self.clients.sqs, url: letters.queue.url.as_str(), visibility, workers }
    }

    /// Finds the queues that have letters, or had some when they were looked at last, and sends itself a message for each.
    pub(crate) async fn all(&self) -> Result<Report> {
        if self.config.mode == Mode::Off {
            return Ok(Report::new("ignored", "queues", "the template's Mode is off"));
        }
        let Config { queues, environment, .. } = self.config;
        let Found { queues: found, blind } =
            discover::all(&self.reach(), queues, environment, self.search_until()).await?;
        let (mut sent, mut letters) = (0_u32, 0_u64);
        for one in &found {
            let attributes = &one.queue.attributes;
            let depth = attributes.visible + attributes.in_flight + attributes.delayed;
            letters += depth;
            if depth == 0 && self.memory(&one.queue.arn).last().await?.value.depth == 0 {
                continue;
            }
            self.ask(one, SignedDuration::ZERO).await?;
            sent += 1;
        }
        let reason = format!("{sent} of {} dead-letter queues have letters", found.len());
        let names: Vec<&str> = found.iter().map(|one| one.queue.name.as_str()).collect();
        Ok(Report::new("swept", "queues", reason)
            .metric("DeadLetterQueues", "Count", count(found.len()))
            .metric("DeadLetters", "Count", as_number(letters))
            .record("queues", &names)
            .record("blind", &blind))
    }

    /// Asks itself to look after a queue, this much later, or as much of it as SQS delays a message; when that is, is
    /// the answer.
    async fn ask(&self, letters: &DeadLetters, delay: SignedDuration) -> Result<Timestamp> {
        let known = Known { url: letters.queue.url.clone(), sources: letters.sources.clone() };
        let target = Target { queue: letters.queue.arn.clone(), known: Some(known) };
        let written = |triage: &Triage| {
            serde_json::to_string(triage)
                .map_err(|error| Error::Malformed(format!("a message cannot be written: {error}")))
        };
        let mut body = written(&Triage { triage: target.clone() })?;
        if body.len() > LARGEST_KNOWN {
            body = written(&Triage { triage: Target { known: None, ..target } })?;
        }
        let seconds = delay.as_secs().clamp(0, LONGEST_DELAY);
        self.clients
            .sqs
            .send_message()
            .queue_url(&self.config.triages_queue)
            .message_body(body)
            .delay_seconds(i32::try_from(seconds).unwrap_or_default())
            .send()
            .await
            .action("sqs:SendMessage")?;
        Ok(self.now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(self.now()))
    }

    /// An alarm says that there is something in a queue.
    pub(crate) async fn alarmed(&self, queue: &str) -> Result<Report> {
        let Config { environment, .. } = self.config;
        let found = match discover::one(&self.reach(), queue, environment, self.search_until()).await {
            Ok(found) => found,
            Err(error @ (Error::Missing(_) | Error::Malformed(_))) => {
                return Ok(Report::new("ignored", queue, error.chain()));
            }
            Err(error) => return Err(error),
        };
        match found.queues.into_iter().next().filter(|one| is_dead(one) && self.is_covered(one)) {
            Some(letters) => Ok(self.report(&self.look_after(&letters, None).await?)),
            None => Ok(Report::new("ignored", queue, "it is no dead-letter queue that is looked after")),
        }
    }

    fn is_covered(&self, letters: &DeadLetters) -> bool {
        shared::target::covers(&self.config.queues, &letters.queue.name)
    }

    /// A message of our own queue.
    pub(crate) async fn message(&self, target: Target) -> Result<(Report, Again)> {
        let reach = self.reach();
        let letters = if let Some(Known { url, sources }) = target.known {
            discover::again(&reach, &url, sources).await?
        } else {
            let environment = &self.config.environment;
            let found = discover::one(&reach, &target.queue, environment, self.search_until()).await?;
            found.queues.into_iter().next()
        };
        let Some(letters) = letters else {
            return Ok((Report::new("ignored", target.queue, "the queue is gone"), Again::Never));
        };
        match self.look_after(&letters, None).await {
            Ok(outcome) => Ok((self.report(&outcome), Again::Never)),
            Err(Error::Later(why)) => Ok((Report::new("waits", target.queue, why), Again::After(AGAIN))),
            // It would fail the next time, too: people are told once, and the next sweep tries again.
            Err(error) if error.class() == Class::Permanent => {
                self.tell_failed(&letters, &error).await?;
                Ok((Report::failed(&error), Again::Never))
            }
            Err(error) => Err(error),
        }
    }

    /// The report of a run over one queue.
    pub(crate) fn report(&self, outcome: &Outcome) -> Report {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let (redriven, archived) = (sum(&outcome.done.redriven), sum(&outcome.done.archived));
        let reason = match &outcome.refused {
            Some(why) => why.clone(),
            None => format!(
                "{} letters of {} groups: {redriven} sent back, {archived} archived",
                outcome.look.letters,
                outcome.look.groups.len()
            ),
        };
        let word = if outcome.refused.is_some() { "observed" } else { "triaged" };
        Report::new(word, outcome.queue.clone(), reason)
            .metric("DeadLettersSeen", "Count", count(outcome.look.letters))
            .metric("DeadLettersRedriven", "Count", as_number(redriven))
            .metric("DeadLettersArchived", "Count", as_number(archived))
            .record("outcome", &recorded(outcome))
            .record("policy", &json!({"version": self.version}))
    }

    /// Looks after a queue, with nobody else at it.
    pub(crate) async fn look_after(&self, letters: &DeadLetters, wish: Option<Wish<'_>>) -> Result<Outcome> {
        let memory = self.memory(&letters.queue.arn);
        self.alone(&memory, self.triage(letters, memory, wish)).await
    }

    /// Does something with a queue while nobody else does.
    pub(crate) async fn alone<T>(
        &self,
        memory: &Memory<'_>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let owner = &self.invocation.request_id;
        let until =
            self.invocation.deadline.saturating_add(SignedDuration::from_secs(5)).unwrap_or(self.now());
        if !memory.take(owner, until, self.now()).await? {
            return Err(Error::Later("another invocation works on the queue".to_owned()));
        }
        let done = work.await;
        // Without this, the next one waits until the time is over.
        let _ = memory.give_back(owner).await;
        done
    }

    /// How the queue may be read, as far as its sources and the last look tell.
    pub(crate) fn reading(letters: &DeadLetters, last: &Last, by_hand: bool) -> Reading {
        let own = letters.queue.attributes.redrive.as_ref().map(|redrive| redrive.max_receives);
        let carried = letters.sources.iter().filter_map(|source| match source {
            Source::Queue { max_receives, .. } => Some(*max_receives),
            Source::Function { .. }
            | Source::Mapping { .. }
            | Source::Subscription { .. }
            | Source::Target { .. } => None,
        });
        let seen = Some(last.receives).filter(|seen| *seen > 0);
        reading(own, carried.max().max(seen), by_hand)
    }

    pub(crate) async fn look(
        &self,
        letters: &DeadLetters,
        judge: &Judge,
        groups: &BTreeMap<String, Entry<Group>>,
        deed: Option<Deed<'_>>,
    ) -> Result<Look> {
        let redrives = groups
            .iter()
            .filter_map(|(id, entry)| Some((id.clone(), entry.value.redrive.clone()?)))
            .collect();
        let left = self.invocation.left(MARGIN);
        let looking = Looking {
            reader: self.reader(letters, hidden(left)),
            judge,
            sources: &letters.sources,
            redrives: &redrives,
            most: usize::try_from(self.policy.dlq.look).unwrap_or(usize::MAX),
            deed,
        };
        // As much again is kept for acting on it.
        let mut seen = look(&looking, &|| left / 2 < self.invocation.left(MARGIN)).await?;
        // A FIFO queue gives no more of a group while some of it are in hand: of each, ten are seen at most.
        let Attributes { fifo, visible, .. } = letters.queue.attributes;
        seen.whole &= !fifo || usize::try_from(visible).is_ok_and(|visible| visible <= seen.letters);
        Ok(seen)
    }

    /// What people decided of dead letters, as far as it holds for this queue now.
    pub(crate) fn dlq(&self, letters: &DeadLetters) -> Dlq {
        let mut policy = self.policy.dlq.clone();
        if self.refusal(letters).is_some() {
            // What somebody asked for is done; by itself, nothing goes to the archive.
            policy.archive.what = Archived::Nothing;
        }
        policy
    }

    pub(crate) async fn act(
        &self,
        letters: &DeadLetters,
        judge: &Judge,
        plan: Plan,
        prefix: &str,
        drain: Option<Drain<'_>>,
    ) -> Done {
        let Plan { redrives, all, archives, may_act } = plan;
        let per_second = self.policy.dlq.redrive.per_second;
        let sender = Sender::new(&self.clients.sqs, &self.clients.lambda, per_second, self.sends_until());
        for source in &letters.sources {
            if let Source::Queue { arn, url, .. } = source {
                sender.knows(arn, url);
            }
        }
        let Clients { s3, .. } = self.clients;
        let keeper = Archiver::new(Place { s3, bucket: &self.config.archive_bucket, prefix });
        let left = self.invocation.left(MARGIN);
        let policy = self.dlq(letters);
        let acting = Acting {
            reader: self.reader(letters, hidden(left)),
            queue: &letters.queue.arn,
            retention: letters.queue.attributes.retention,
            fifo: letters.queue.attributes.fifo,
            judge,
            sources: &letters.sources,
            policy: &policy,
            redrives,
            all,
            drain,
            archives,
            may_act,
            sender: &sender,
            archiver: &keeper,
            now: self.now(),
        };
        let mut done = act(&acting, &|| self.go_on()).await;
        let by = drain.map(|drain| drain.by);
        if let Err(error) = keeper.close(&letters.queue.arn, by, self.now()).await {
            // The parts stand for themselves.
            done.errors.push(error.chain());
        }
        done
    }

    pub(crate) async fn publish(&self, notice: &Notice) -> Result<()> {
        notice.publish(&self.clients.sns, &self.config.notices_topic).await
    }
}

/// What is to be done when a queue is read again.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The redrives that may send, and how many letters each.
    pub(crate) redrives: BTreeMap<String, (Redrive, Cell<u64>)>,
    /// The redrive of all others.
    pub(crate) all: Option<(Redrive, Cell<u64>)>,
    /// Whether there may be letters for the archive.
    pub(crate) archives: bool,
    /// Whether anything may be done at all.
    pub(crate) may_act: bool,
}

/// What the log keeps of an outcome: of many groups, the largest, because a line of the log has bounds.
fn recorded(outcome: &Outcome) -> Value {
    let mut kept: Vec<(u64, &String)> =
        outcome.look.groups.iter().map(|(id, tally)| (tally.count(), id)).collect();
    kept.sort_unstable_by(|one, other| other.cmp(one));
    kept.truncate(RECORDED);
    let has_more = outcome.look.groups.len() > kept.len();
    let mut value = serde_json::to_value(outcome).unwrap_or_default();
    for part in ["/look/groups", "/steps", "/done/redriven", "/done/archived", "/done/left"] {
        let Some(groups) = value.pointer_mut(part).and_then(Value::as_object_mut) else { continue };
        groups.retain(|id, _| !has_more || kept.iter().any(|(_, known)| *known == id));
        for group in groups.values_mut().filter_map(Value::as_object_mut) {
            group.remove("sample");
        }
    }
    if let (true, Some(fields)) = (has_more, value.as_object_mut()) {
        fields.insert("groups".to_owned(), outcome.look.groups.len().into());
    }
    value
}

/// Whether a queue holds dead letters, so that it may be emptied.
pub(crate) fn is_dead(letters: &DeadLetters) -> bool {
    !letters.sources.is_empty() || discover::belongs::sounds_dead(&letters.queue.name)
}

/// What is received stays away from others for the rest of the run, and a little longer.
fn hidden(left: Duration) -> Duration {
    (left + MARGIN + Duration::from_secs(10)).min(LONGEST_HIDDEN)
}

fn count(count: usize) -> f64 {
    as_number(u64::try_from(count).unwrap_or(u64::MAX))
}
