//! Queues that keep to what is known of SQS: who sees a message when, how it gets into a dead-letter queue and out of
//! it, and what is lost on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{arn, hash, locked, now};
use crate::aws::{ACCOUNT, REGION};
use crate::proxy::{Answer, Call};
use attributes::Attributes;
use message::{Message, Place};
use queue::Queue;

pub use message::{Gone, Held, Letter};

mod attributes;
mod batch;
mod calls;
mod message;
mod queue;
mod receiving;
mod refusal;
mod sending;

/// The queues of an account.
///
/// It answers the calls that send, receive, hide and delete messages, one by one and in batches, and those that describe
/// and purge queues; it creates and changes no queues. A clone is the same double.
///
/// What SQS leaves to chance is settled here: a receive returns the oldest messages first, and never none where there
/// are some; counts are exact; `WaitTimeSeconds` is answered at once; of what SQS may do during a purge, the worst
/// happens, so what is sent is gone. Nothing is encrypted, and nobody is refused.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The time, where it does not go by itself.
    clock: Option<Timestamp>,
    queues: BTreeMap<String, Queue>,
    /// The names of queues that were deleted.
    removed: BTreeSet<String>,
    is_alone: bool,
    /// How many ids there are.
    minted: u64,
    calls: BTreeMap<String, usize>,
    /// The entries of batches that are to fail: of which action, with which code, how many.
    failing: Vec<(String, String, usize)>,
}

impl Queues {
    /// No queues, and the clock of the machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// No queues, at a time that passes only by [`Queues::advance`].
    pub fn at(time: Timestamp) -> Self {
        let queues = Self::new();
        queues.state().clock = Some(time);
        queues
    }

    /// Answers also for queues that are not here: they do not exist.
    #[must_use]
    pub fn alone(self) -> Self {
        self.state().is_alone = true;
        self
    }

    /// A queue with these attributes, as `SetQueueAttributes` takes them: an object of strings, `RedrivePolicy` being
    /// JSON in a string. Numbers and objects are written as strings. A dead-letter queue comes before its sources.
    ///
    /// # Errors
    /// When SQS would refuse the name or an attribute.
    pub fn queue(self, name: &str, attributes: &Value) -> anyhow::Result<Self> {
        let mut state = self.state();
        let now = state.now();
        ensure!(!state.queues.contains_key(name), "there is a queue {name} already");
        let attributes = Attributes::new(name, attributes)?;
        state.check_target(name, &attributes)?;
        state.removed.remove(name);
        state.queues.insert(name.to_owned(), Queue::new(name, attributes, now));
        drop(state);
        Ok(self)
    }

    /// Changes attributes of a queue; an empty string takes one away.
    ///
    /// # Errors
    /// When there is no such queue, or SQS would refuse an attribute.
    pub fn set(&self, queue: &str, attributes: &Value) -> anyhow::Result<()> {
        let mut state = self.state();
        let now = state.now();
        let mut changed = state.find(queue)?.attributes.clone();
        changed.change(attributes)?;
        state.check_target(queue, &changed)?;
        state.find(queue)?.set(changed, now);
        Ok(())
    }

    /// Gives tags to a queue, beside those that it has.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn tag(&self, queue: &str, tags: &[(&str, &str)]) -> anyhow::Result<()> {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.state().find(queue)?.tags.extend(tags);
        Ok(())
    }

    /// Deletes a queue and all that is in it. From then on it does not exist, also for who asks.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn remove(&self, queue: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        state.find(queue)?;
        state.queues.remove(queue);
        state.removed.insert(queue.to_owned());
        Ok(())
    }

    /// Lets a queue have no more than so many messages in flight, in the place of 120,000.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn limit_in_flight(&self, queue: &str, most: usize) -> anyhow::Result<()> {
        self.state().find(queue)?.most_in_flight = most;
        Ok(())
    }

    /// The URL of a queue.
    pub fn url(&self, queue: &str) -> String {
        url(queue)
    }

    /// The ARN of a queue.
    pub fn arn(&self, queue: &str) -> String {
        arn("sqs", queue)
    }

    /// The time here.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Lets time pass. A clock that went by itself stands still from now on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        state.clock = Some(state.now().checked_add(by).unwrap_or(Timestamp::MAX));
        state.settle();
    }

    /// Lays a message into a queue, and says its message id. Nothing is checked: it may be what SQS once took.
    ///
    /// # Errors
    /// When there is no such queue, or a FIFO queue gets a message without a group.
    pub fn put(&self, queue: &str, letter: Letter) -> anyhow::Result<String> {
        let mut state = self.state();
        let now = state.now();
        let is_fifo = state.find(queue)?.attributes.is_fifo();
        ensure!(!is_fifo || letter.group.is_some(), "{queue} takes no message without a group");
        let id = letter.id.unwrap_or_else(|| state.id());
        let sequence = is_fifo.then(|| state.sequence());
        let message = Message {
            id: id.clone(),
            body: letter.body,
            attributes: letter.attributes,
            sent: letter.sent.unwrap_or(now),
            receives: letter.receives,
            first_received: (letter.receives > 0).then_some(now),
            received: None,
            source: letter.source,
            group: letter.group,
            dedup: letter.dedup.or_else(|| is_fifo.then(|| id.clone())),
            sequence,
            trace: letter.trace,
            place: Place::Visible,
            serial: 0,
        };
        state.find(queue)?.arrive(message, now);
        Ok(id)
    }

    /// What a queue holds, in the order of arrival; nothing if there is no such queue.
    pub fn messages(&self, queue: &str) -> Vec<Held> {
        let mut state = self.state();
        state.settle();
        let queue = state.queues.get(queue).into_iter();
        queue.flat_map(|queue| queue.messages().map(Message::held)).collect()
    }

    /// How many messages a queue holds.
    pub fn count(&self, queue: &str) -> usize {
        let mut state = self.state();
        state.settle();
        state.queues.get(queue).map_or(0, |queue| queue.messages().count())
    }

    /// What left a queue, in that order, and how.
    pub fn gone(&self, queue: &str) -> Vec<(Held, Gone)> {
        let mut state = self.state();
        state.settle();
        state.queues.get(queue).map(|queue| queue.gone().to_vec()).unwrap_or_default()
    }

    /// How often this double answered an action, such as `sqs:DeleteMessage`.
    pub fn calls(&self, action: &str) -> usize {
        self.state().calls.get(action).copied().unwrap_or_default()
    }

    /// Lets the next entries of batches of this action (`sqs:SendMessageBatch`) fail with this code, by the service's
    /// own fault; the batch itself is answered with 200.
    pub fn fail_entries(&self, action: &str, code: &str, count: usize) {
        self.state().failing.push((action.to_owned(), code.to_owned(), count));
    }

    /// The answer to a call that this double covers.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(&mut self.state(), call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn now(&self) -> Timestamp {
        self.clock.unwrap_or_else(now)
    }

    fn find(&mut self, name: &str) -> anyhow::Result<&mut Queue> {
        self.queues.get_mut(name).with_context(|| format!("there is no queue {name}"))
    }

    /// Brings everything to the present.
    fn settle(&mut self) {
        let now = self.now();
        for queue in self.queues.values_mut() {
            queue.settle(now);
        }
    }

    /// Whether a queue may have the dead-letter queue that it names.
    fn check_target(&self, name: &str, attributes: &Attributes) -> anyhow::Result<()> {
        let Some(redrive) = attributes.redrive() else { return Ok(()) };
        let target = name_of(&redrive.target).and_then(|target| self.queues.get(target));
        let target = target.context("RedrivePolicy: Dead letter target does not exist.")?;
        ensure!(
            target.attributes.is_fifo() == attributes.is_fifo(),
            "RedrivePolicy: Dead-letter queue must be same type of queue as the source."
        );
        ensure!(
            target.attributes.allows(&arn("sqs", name)),
            "RedrivePolicy: the dead-letter queue does not allow it"
        );
        Ok(())
    }

    /// An id as SQS makes them, and always the same ones.
    fn id(&mut self) -> String {
        self.minted += 1;
        let hash = hash(&self.minted.to_string());
        let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// The next of the numbers that order what FIFO queues take.
    fn sequence(&mut self) -> String {
        self.minted += 1;
        format!("{:020}", 8_800_000_000_000_000_000_u64.saturating_add(self.minted.saturating_mul(256)))
    }
}

fn url(queue: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}")
}

/// The queue that an ARN of this account and Region names.
fn name_of(queue: &str) -> Option<&str> {
    let (before, name) = queue.rsplit_once(':')?;
    (format!("{before}:") == arn("sqs", "")).then_some(name)
}

#[cfg(test)]
mod tests;
