//! Carrying out what was decided: each letter is read once more, and sent back, kept in the archive, or left.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::policy::dlq::Dlq;
use shared::{Error, report};

use crate::archive::{Archiver, Kept, Line, Lost};
use crate::decision::emptying::in_hand;
use crate::decision::group::Redrive;
use crate::decision::loss::TWO_RUNS;
use crate::decision::order::{One, Order};
use crate::decision::way::way;
use crate::decision::{Fate, Turn, lost_at};
use crate::discover::Source;
use crate::judge::{Judge, Judged};
use crate::letter::Letter;
use crate::look::earlier;
use crate::read::{AsyncHandler, Later, Reader};
use crate::redrive::{Sender, Sending};

/// So many letters that stay are let go of at the end; the others are seen again when their time is over.
const RELEASED: usize = 10_000;

/// After so many failures without a success, the rest is left for another time.
const FAILURES: usize = 20;

/// So many failures are told.
const TOLD: usize = 5;

/// What is to be done.
pub struct Acting<'a> {
    /// With which queue.
    pub reader: Reader<'a>,
    /// The queue's ARN.
    pub queue: &'a str,
    /// How long the queue keeps a message.
    pub retention: SignedDuration,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// What tells the letters apart.
    pub judge: &'a Judge,
    /// Where they come from.
    pub sources: &'a [Source],
    /// What people decided.
    pub policy: &'a Dlq,
    /// The redrives under way, by group, and how many letters each may still send.
    pub redrives: BTreeMap<String, (Redrive, Cell<u64>)>,
    /// The redrive that any other group is part of, if there is one.
    pub all: Option<(Redrive, Cell<u64>)>,
    /// Whether all that is not sent back goes to the archive, as somebody asked; of one group alone, if it is named.
    pub drain: Option<Drain<'a>>,
    /// Whether there may be letters for the archive: else, reading ends when no group may send more.
    pub archives: bool,
    /// Whether anything may be done at all.
    pub may_act: bool,
    /// Who sends.
    pub sender: &'a Sender<'a>,
    /// Who keeps.
    pub archiver: &'a Archiver<'a>,
    /// The clock.
    pub now: Timestamp,
}

/// What is taken out of the queue because somebody asked.
#[derive(Debug, Clone, Copy)]
pub struct Drain<'a> {
    /// One group only: the others are left alone.
    pub group: Option<&'a str>,
    /// Who asked.
    pub by: &'a str,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// How many letters were read.
    pub letters: usize,
    /// Whether these were all.
    pub whole: bool,
    /// How many more were counted, and did not come to be read: others have them in hand.
    #[serde(skip_serializing_if = "is_none")]
    pub in_hand: u64,
    /// How many were sent back, by group.
    pub redriven: BTreeMap<String, u64>,
    /// How many went to the archive, by group.
    pub archived: BTreeMap<String, u64>,
    /// How many stay, by group.
    pub left: BTreeMap<String, u64>,
    /// When the oldest of them was sent.
    pub oldest_left: Option<Timestamp>,
    /// How many are in two places now, because they could not be taken out of their queue: they may come again.
    pub doubled: u64,
    /// What failed, the first few.
    pub errors: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Done {
    /// How many letters were dealt with; of one group, if it is named.
    pub(crate) fn dealt(&self, group: Option<&str>) -> u64 {
        let Some(group) = group else { return u64::try_from(self.letters).unwrap_or(u64::MAX) };
        let of = |counts: &BTreeMap<String, u64>| counts.get(group).copied().unwrap_or_default();
        of(&self.redriven) + of(&self.archived) + of(&self.left)
    }

    /// Of so many letters that were counted, those that were not dealt with although nothing more was there are in others'
    /// hands: then these were not all.
    pub(crate) fn counted(&mut self, there: u64, group: Option<&str>) {
        self.in_hand = if self.whole { in_hand(there, self.dealt(group)) } else { 0 };
        self.whole &= self.in_hand == 0;
    }
}

/// One line of the audit.
#[derive(Serialize)]
pub(crate) struct Audit<'a> {
    pub(crate) did: &'static str,
    pub(crate) queue: &'a str,
    pub(crate) letter: &'a str,
    pub(crate) group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) operation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) to: &'a str,
    /// Who asked for it; nobody, where it was done by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<&'a str>,
}

/// Does it. It does not fail: what could not be dealt with stays where it is, and what was done is said in any case.
pub async fn act(acting: &Acting<'_>, go_on: &dyn Fn() -> bool) -> Done {
    let hand = Hand {
        acting,
        done: RefCell::default(),
        left: RefCell::default(),
        pending: RefCell::default(),
        failures: Cell::default(),
    };
    let goes_on =
        || go_on() && hand.failures.get() < FAILURES && !acting.sender.is_over() && acting.has_work();
    let read = acting.reader.each(usize::MAX, &goes_on, &hand).await;
    // What was put into a part is written in any case, and let go of then.
    hand.flush().await;
    let _ = acting.reader.release(&hand.left.take()).await;
    let mut done = hand.done.take();
    if let Some(error) = read.failed {
        done.errors.insert(0, error.chain());
    }
    done.letters = read.letters;
    // A FIFO queue gives no more of a group while some of it stay.
    done.whole = read.to_the_end && (!acting.fifo || done.left.is_empty());
    done
}

impl Acting<'_> {
    /// Whether the next letter may be one to do something with.
    fn has_work(&self) -> bool {
        self.archives || self.all.is_some() || self.redrives.values().any(|(_, room)| room.get() > 0)
    }
}

/// A letter that stands in a part which is not written yet.
struct Pending {
    id: String,
    group: String,
    sent: Option<Timestamp>,
}

struct Hand<'a> {
    acting: &'a Acting<'a>,
    done: RefCell<Done>,
    left: RefCell<Vec<String>>,
    /// The letters that stand in a part which is not written yet, by receipt.
    pending: RefCell<BTreeMap<String, Pending>>,
    failures: Cell<usize>,
}

impl AsyncHandler for Hand<'_> {
    fn take(&self, letters: Vec<Letter>) -> Later<'_, ()> {
        Box::pin(async move {
            self.deal(&letters).await;
            Ok(())
        })
    }

    fn idle(&self) -> Later<'_, bool> {
        // A FIFO queue gives no more of a group while letters of it wait for their part to be written.
        Box::pin(async move { Ok(self.acting.fifo && self.flush().await) })
    }
}

impl Hand<'_> {
    async fn deal(&self, letters: &[Letter]) {
        let mut sendings = Vec::new();
        let mut kept = Vec::new();
        let mut blocked = HashSet::new();
        let judged: Vec<(&Letter, Judged<'_>)> =
            letters.iter().map(|letter| (letter, self.acting.judge.judge(letter))).collect();
        for (letter, judged) in &judged {
            let way = way(judged.origin.flavour, &judged.origin.of, self.acting.sources).ok();
            // In a FIFO queue nothing overtakes what stays.
            let is_blocked = self.acting.fifo && letter.group.as_ref().is_some_and(|it| blocked.contains(it));
            let fate = if is_blocked { Fate::Leave } else { self.fate(letter, judged, way.is_some()) };
            match (fate, way, self.redrive(judged)) {
                (Fate::Redrive, Some(way), Some((redrive, room))) => {
                    room.set(room.get().saturating_sub(1));
                    let payload = judged.origin.payload;
                    let operation = redrive.id.as_str();
                    sendings.push((
                        Sending { letter, payload, way, operation, marks: true },
                        judged.kind.id.as_str(),
                    ));
                }
                (Fate::Archive, _, _) => kept.push((*letter, judged)),
                (Fate::Redrive | Fate::Leave, _, _) => {
                    blocked.extend(letter.group.clone());
                    self.leave(&letter.receipt, &judged.kind.id, letter.sent);
                }
            }
        }
        if !sendings.is_empty() {
            self.send(&sendings).await;
        }
        for (letter, judged) in kept {
            self.keep(letter, judged).await;
        }
    }

    fn redrive(&self, judged: &Judged<'_>) -> Option<&(Redrive, Cell<u64>)> {
        self.acting.redrives.get(&judged.kind.id).or(self.acting.all.as_ref())
    }

    fn fate(&self, letter: &Letter, judged: &Judged<'_>, has_way: bool) -> Fate {
        let Acting { policy, retention, drain, may_act, now, .. } = *self.acting;
        let only = drain.and_then(|drain| drain.group);
        let order = Order { policy, retention, drain: drain.is_some(), only, may_act, now };
        let turn = self.redrive(judged).map(|(redrive, room)| {
            // Of a drain, only what passes is sent back.
            let by_hand = redrive.by.is_some() && self.acting.redrives.contains_key(&judged.kind.id);
            Turn::of(redrive, room.get() > 0, by_hand)
        });
        let group = judged.kind.id.as_str();
        order.fate(&One { letter, group, verdict: judged.verdict, has_way }, turn)
    }

    fn leave(&self, receipt: &str, group: &str, sent: Option<Timestamp>) {
        let mut done = self.done.borrow_mut();
        *done.left.entry(group.to_owned()).or_default() += 1;
        done.oldest_left = earlier(done.oldest_left, sent);
        let mut left = self.left.borrow_mut();
        if left.len() < RELEASED {
            left.push(receipt.to_owned());
        }
    }

    fn failed(&self, error: &Error) {
        self.failures.set(self.failures.get() + 1);
        self.told(error.chain());
    }

    fn told(&self, said: String) {
        let mut done = self.done.borrow_mut();
        if done.errors.len() < TOLD && !done.errors.contains(&said) {
            done.errors.push(said);
        }
    }

    async fn send(&self, sendings: &[(Sending<'_>, &str)]) {
        let only: Vec<Sending<'_>> = sendings.iter().map(|(sending, _)| *sending).collect();
        let sent = self.acting.sender.send(&only).await;
        if !sent.taken.is_empty() {
            self.failures.set(0);
        }
        for error in &sent.errors {
            self.failed(error);
        }
        let mut receipts = Vec::new();
        for (place, (sending, group)) in sendings.iter().enumerate() {
            if !sent.taken.contains(&place) {
                if let Some((_, room)) = self.acting.redrives.get(*group) {
                    room.set(room.get().saturating_add(1));
                }
                self.leave(&sending.letter.receipt, group, sending.letter.sent);
                continue;
            }
            receipts.push(sending.letter.receipt.clone());
            *self.done.borrow_mut().redriven.entry((*group).to_owned()).or_default() += 1;
            let to = sending.way.arn();
            let redrive = self.acting.redrives.get(*group).or(self.acting.all.as_ref());
            let by = redrive.and_then(|(redrive, _)| redrive.by.as_deref());
            report::audit(&Audit {
                did: "redriven",
                queue: self.acting.queue,
                letter: &sending.letter.id,
                group,
                operation: sending.operation,
                to,
                by,
            });
        }
        self.take_out(&receipts).await;
    }

    async fn keep(&self, letter: &Letter, judged: &Judged<'_>) {
        let line = Line::of(letter, judged.origin.flavour, &judged.kind.id, judged.verdict);
        let pending = Pending { id: letter.id.clone(), group: judged.kind.id.clone(), sent: letter.sent };
        self.pending.borrow_mut().insert(letter.receipt.clone(), pending);
        let lost_at = lost_at(letter.sent, self.acting.retention);
        let is_last = lost_at.is_none_or(|lost_at| lost_at.duration_since(self.acting.now) <= TWO_RUNS);
        match self.acting.archiver.add(letter, line, is_last).await {
            Ok(kept) => {
                if let Some(error) = &kept.without {
                    self.told(format!("{} is kept without what it points to: {}", letter.id, error.chain()));
                }
                self.kept(kept).await;
            }
            Err(lost) => self.give_up(lost),
        }
    }

    /// Writes the part that is open. Whether there was one is the answer.
    async fn flush(&self) -> bool {
        match self.acting.archiver.flush().await {
            Ok(kept) if kept.receipts.is_empty() => false,
            Ok(kept) => {
                self.kept(kept).await;
                true
            }
            Err(lost) => {
                self.give_up(lost);
                false
            }
        }
    }

    /// What could not be written stays in the queue.
    fn give_up(&self, lost: Lost) {
        let before = self.failures.get();
        self.failed(&lost.error);
        if lost.receipts.len() == 1 {
            // It is this letter's own, such as that what it points to may not be read: the others are kept all the same.
            self.failures.set(before);
        }
        for receipt in lost.receipts {
            if let Some(Pending { group, sent, .. }) = self.pending.borrow_mut().remove(&receipt) {
                self.leave(&receipt, &group, sent);
            }
        }
    }

    async fn kept(&self, kept: Kept) {
        if kept.receipts.is_empty() {
            return;
        }
        self.failures.set(0);
        for receipt in &kept.receipts {
            let Some(Pending { id, group, .. }) = self.pending.borrow_mut().remove(receipt) else { continue };
            *self.done.borrow_mut().archived.entry(group.clone()).or_default() += 1;
            let (queue, by) = (self.acting.queue, self.acting.drain.map(|drain| drain.by));
            let (letter, group) = (id.as_str(), group.as_str());
            report::audit(&Audit { did: "archived", queue, letter, group, operation: "", to: "", by });
        }
        self.take_out(&kept.receipts).await;
    }

    async fn take_out(&self, receipts: &[String]) {
        let count = u64::try_from(receipts.len()).unwrap_or(u64::MAX);
        let out = match self.acting.reader.delete(receipts).await {
            Ok(out) => u64::try_from(out).unwrap_or_default(),
            Err(error) => {
                self.failed(&error);
                0
            }
        };
        self.done.borrow_mut().doubled += count.saturating_sub(out);
        if out == 0 && count > 0 {
            // What cannot be taken out would only be sent again and again.
            self.failures.set(FAILURES);
        }
    }
}
