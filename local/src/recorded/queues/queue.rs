//! One queue: its messages, and in which order they can be received.
//!
//! Whatever is asked of it is looked up, not searched for: it is meant to hold 100,000 messages.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::attributes::Attributes;
use super::message::{Gone, Held, Message, Place};

/// For how long a FIFO queue knows what was sent, and what was received under an attempt id.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// How long a purge takes, and how far apart two of them have to be.
const PURGE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) attributes: Attributes,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// How many messages may be in flight.
    pub(super) most_in_flight: usize,
    purged: Option<Timestamp>,
    /// By the order of their arrival.
    messages: BTreeMap<u64, Message>,
    last: u64,
    visible: BTreeSet<u64>,
    /// In flight or delayed, by when that ends.
    waiting: BTreeSet<(Timestamp, u64)>,
    in_flight: usize,
    /// By when retention ends.
    expiries: BTreeSet<(Timestamp, u64)>,
    /// The groups of a FIFO queue.
    groups: BTreeMap<String, Group>,
    /// The groups with none in flight, by their first visible message.
    open: BTreeMap<u64, String>,
    /// What a FIFO queue took lately, by deduplication id.
    sent: HashMap<String, Sent>,
    sent_in_order: VecDeque<(Timestamp, String)>,
    /// What was received lately, by attempt id: the messages, by key and serial.
    attempts: BTreeMap<String, (Timestamp, Vec<(u64, u32)>)>,
    gone: Vec<(Held, Gone)>,
}

#[derive(Debug, Default)]
struct Group {
    visible: BTreeSet<u64>,
    in_flight: usize,
    /// Where it stands among the open ones.
    opened_at: Option<u64>,
}

/// What a sender was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) sequence: Option<String>,
}

/// What can be received next, and what was received too often before.
#[derive(Debug, Default)]
pub(super) struct Next {
    pub(super) taken: Vec<u64>,
    pub(super) dead: Vec<u64>,
}

impl Queue {
    pub(super) fn new(name: &str, attributes: Attributes, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            attributes,
            tags: BTreeMap::new(),
            created: now,
            modified: now,
            most_in_flight: 120_000,
            purged: None,
            messages: BTreeMap::new(),
            last: 0,
            visible: BTreeSet::new(),
            waiting: BTreeSet::new(),
            in_flight: 0,
            expiries: BTreeSet::new(),
            groups: BTreeMap::new(),
            open: BTreeMap::new(),
            sent: HashMap::new(),
            sent_in_order: VecDeque::new(),
            attempts: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// Brings it to this time: what was in flight or delayed long enough is visible, what is too old is gone.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(&(due, key)) = self.expiries.first().filter(|(due, _)| *due <= now) {
            self.expiries.remove(&(due, key));
            self.leave(key, Gone::Expired);
        }
        while let Some((_, key)) = self.waiting.first().copied().filter(|(due, _)| *due <= now) {
            self.place(key, Place::Visible);
        }
        while let Some((_, id)) =
            self.sent_in_order.pop_front_if(|(at, _)| now.duration_since(*at) >= INTERVAL)
        {
            self.sent.remove(&id);
        }
        self.attempts.retain(|_, (at, _)| now.duration_since(*at) < INTERVAL);
    }

    /// Takes a message in; during a purge it is gone at once.
    pub(super) fn arrive(&mut self, mut message: Message, now: Timestamp) {
        if self.purging(now) {
            self.gone.push((message.held(), Gone::Purged));
            return;
        }
        self.last += 1;
        let (key, place) = (self.last, message.place);
        message.place = Place::Visible;
        message.serial = 0;
        message.received = None;
        self.expiries.insert((self.expiry(&message), key));
        let group = message.group.clone();
        self.messages.insert(key, message);
        self.enter(key, Place::Visible, group.as_deref());
        self.place(key, place);
    }

    /// Moves a message to another place.
    pub(super) fn place(&mut self, key: u64, place: Place) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        let before = std::mem::replace(&mut message.place, place);
        let group = message.group.clone();
        self.exit(key, before, group.as_deref());
        self.enter(key, place, group.as_deref());
    }

    /// Takes a message out and writes down how it went.
    pub(super) fn leave(&mut self, key: u64, how: Gone) -> Option<Message> {
        let message = self.messages.remove(&key)?;
        self.exit(key, message.place, message.group.as_deref());
        self.expiries.remove(&(self.expiry(&message), key));
        self.gone.push((message.held(), how));
        Some(message)
    }

    /// Up to so many messages that can be received, oldest first; those that were received `most` times already stand
    /// apart. In a FIFO queue, what is in front of its group comes before what is behind it, and a group with a
    /// message in flight has to wait.
    pub(super) fn next(&self, count: usize, most: Option<u32>) -> Next {
        let mut next = Next::default();
        let mut sort = |key: u64| {
            let receives = self.messages.get(&key).map_or(0, |message| message.receives);
            if most.is_some_and(|most| receives >= most) {
                next.dead.push(key);
            } else {
                next.taken.push(key);
            }
            next.taken.len() >= count
        };
        if self.attributes.is_fifo() {
            let groups = self.open.values().filter_map(|group| self.groups.get(group));
            let _ = groups.flat_map(|group| &group.visible).any(|key| sort(*key));
        } else {
            let _ = self.visible.iter().any(|key| sort(*key));
        }
        next
    }

    /// Counts a receive, and takes the message out of sight.
    pub(super) fn receive(&mut self, key: u64, timeout: SignedDuration, now: Timestamp) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        message.receives += 1;
        message.serial += 1;
        message.first_received.get_or_insert(now);
        message.received = Some(now);
        self.hide(key, timeout, now);
    }

    /// Takes a message out of sight for so long; not at all for zero.
    pub(super) fn hide(&mut self, key: u64, timeout: SignedDuration, now: Timestamp) {
        let until = now.checked_add(timeout).unwrap_or(Timestamp::MAX);
        self.place(key, if timeout.is_zero() { Place::Visible } else { Place::InFlight { until } });
    }

    /// Remembers what was received under an attempt id.
    pub(super) fn remember(&mut self, attempt: &str, keys: &[u64], now: Timestamp) {
        let serial = |key: &u64| self.messages.get(key).map(|message| (*key, message.serial));
        let received: Vec<(u64, u32)> = keys.iter().filter_map(serial).collect();
        if !received.is_empty() {
            self.attempts.insert(attempt.to_owned(), (now, received));
        }
    }

    /// What was received under an attempt id, if nothing happened to any of it since.
    pub(super) fn again(&self, attempt: &str) -> Option<Vec<u64>> {
        let (_, received) = self.attempts.get(attempt)?;
        let is_same = |(key, serial): &(u64, u32)| {
            let there = self.messages.get(key).filter(|message| message.serial == *serial);
            there.is_some_and(|message| matches!(message.place, Place::InFlight { .. }))
        };
        received.iter().all(is_same).then(|| received.iter().map(|(key, _)| *key).collect())
    }

    /// A message of an attempt was touched, so the attempt cannot be repeated.
    pub(super) fn touch(&mut self, key: u64) {
        self.attempts.retain(|_, (_, received)| !received.iter().any(|(other, _)| *other == key));
    }

    /// What the sender of the same was told within the interval.
    pub(super) fn sent_before(&self, dedup: &str) -> Option<&Sent> {
        self.sent.get(dedup)
    }

    pub(super) fn remember_sent(&mut self, dedup: String, sent: Sent, now: Timestamp) {
        self.sent_in_order.push_back((now, dedup.clone()));
        self.sent.insert(dedup, sent);
    }

    /// Whether it was purged less than a minute ago.
    pub(super) fn purging(&self, now: Timestamp) -> bool {
        self.purged.is_some_and(|at| now.duration_since(at) < PURGE)
    }

    pub(super) fn purge(&mut self, now: Timestamp) {
        self.purged = Some(now);
        let keys: Vec<u64> = self.messages.keys().copied().collect();
        for key in keys {
            self.leave(key, Gone::Purged);
        }
    }

    /// Changes attributes; a new retention is that of the messages that are there too.
    pub(super) fn set(&mut self, attributes: Attributes, now: Timestamp) {
        self.attributes = attributes;
        self.modified = now;
        self.expiries = self.messages.iter().map(|(key, message)| (self.expiry(message), *key)).collect();
    }

    pub(super) fn get(&self, key: u64) -> Option<&Message> {
        self.messages.get(&key)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    pub(super) fn gone(&self) -> &[(Held, Gone)] {
        &self.gone
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn delayed(&self) -> usize {
        self.waiting.len() - self.in_flight
    }

    pub(super) fn visible(&self) -> usize {
        self.visible.len()
    }

    fn expiry(&self, message: &Message) -> Timestamp {
        let retention = self.attributes.seconds("MessageRetentionPeriod");
        message.sent.checked_add(retention).unwrap_or(Timestamp::MAX)
    }

    fn exit(&mut self, key: u64, place: Place, group: Option<&str>) {
        match place {
            Place::Visible => drop(self.visible.remove(&key)),
            Place::InFlight { until } => {
                self.waiting.remove(&(until, key));
                self.in_flight -= 1;
            }
            Place::Delayed { until } => drop(self.waiting.remove(&(until, key))),
        }
        self.regroup(group, |group| match place {
            Place::Visible => drop(group.visible.remove(&key)),
            Place::InFlight { .. } => group.in_flight -= 1,
            Place::Delayed { .. } => {}
        });
    }

    fn enter(&mut self, key: u64, place: Place, group: Option<&str>) {
        match place {
            Place::Visible => drop(self.visible.insert(key)),
            Place::InFlight { until } => {
                self.waiting.insert((until, key));
                self.in_flight += 1;
            }
            Place::Delayed { until } => drop(self.waiting.insert((until, key))),
        }
        self.regroup(group, |group| match place {
            Place::Visible => drop(group.visible.insert(key)),
            Place::InFlight { .. } => group.in_flight += 1,
            Place::Delayed { .. } => {}
        });
    }

    /// Changes a group of a FIFO queue, and puts it where it now belongs among the open ones.
    fn regroup(&mut self, name: Option<&str>, change: impl FnOnce(&mut Group)) {
        let Some(name) = name.filter(|_| self.attributes.is_fifo()) else { return };
        let group = self.groups.entry(name.to_owned()).or_default();
        change(group);
        let opens_at = group.visible.first().copied().filter(|_| group.in_flight == 0);
        if opens_at != group.opened_at {
            if let Some(before) = group.opened_at.take() {
                self.open.remove(&before);
            }
            if let Some(now) = opens_at {
                self.open.insert(now, name.to_owned());
            }
            group.opened_at = opens_at;
        }
        if group.visible.is_empty() && group.in_flight == 0 {
            self.groups.remove(name);
        }
    }
}
