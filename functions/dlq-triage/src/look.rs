//! Looking through a queue: what there is, group by group, and what of it was sent back before. Nothing is changed; what
//! was received is let go of at the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use jiff::Timestamp;
use serde::Serialize;
use shared::Result;
use shared::policy::dlq::Verdict;

use crate::decision::Turn;
use crate::decision::group::Redrive;
use crate::decision::naming;
use crate::decision::order::{One, Order};
use crate::decision::plan::Ahead;
use crate::decision::way::way;
use crate::discover::Source;
use crate::flavour::Flavour;
use crate::judge::{Judge, Judged};
use crate::letter::Letter;
use crate::read::{AsyncHandler, Later, Reader};
use crate::redact::redacted;

/// More groups of one queue are counted as one, under this id.
const MOST_GROUPS: usize = 1_000;
/// The id of the group that holds what has no room among the others.
pub const OTHERS: &str = "others";

/// What was seen of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How its letters came to be dead.
    pub flavour: Flavour,
    /// What gave them up.
    pub of: String,
    /// What they have in common, in one line.
    pub line: String,
    /// Why they died.
    pub verdict: Verdict,
    /// The policy's rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many there are, apart from those that returned.
    pub waiting: u64,
    /// How many there are that a redrive under way sent, or that died of the same since it began.
    pub returned: u64,
    /// How often one of them was sent back, at most.
    pub redriven: u32,
    /// When the first was sent, and the last.
    pub first: Option<Timestamp>,
    /// See `first`.
    pub last: Option<Timestamp>,
    /// A body, as people may see it.
    pub sample: String,
    /// The id of the letter it is the body of.
    pub sample_id: String,
    /// Why there is no way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_way: Option<String>,
    /// Where they would be sent back to.
    #[serde(skip)]
    pub to: Option<String>,
    /// What may become of them, where that is asked.
    #[serde(skip)]
    pub ahead: Ahead,
}

impl Tally {
    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.waiting + self.returned
    }
}

/// What there is in a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Look {
    /// The groups by id.
    pub groups: BTreeMap<String, Tally>,
    /// How many letters were looked at.
    pub letters: usize,
    /// Whether these are all.
    pub whole: bool,
    /// When the oldest was sent.
    pub oldest: Option<Timestamp>,
    /// How often one of them was received by now, at most.
    pub receives: u32,
}

impl Look {
    /// The id of the group that is meant, of those that were seen.
    ///
    /// # Errors
    /// Why none is, or more than one, in words.
    pub fn named(&self, asked: &str, queue: &str) -> Result<String, String> {
        let told = self.groups.iter().filter(|(id, _)| *id != OTHERS);
        let told = told.map(|(id, tally)| (id.as_str(), format!("{}: {}", tally.count(), tally.line)));
        naming::named(asked, &told.collect::<Vec<_>>(), queue)
    }
}

/// How to look.
#[derive(Debug, Clone, Copy)]
pub struct Looking<'a> {
    /// At which queue.
    pub reader: Reader<'a>,
    /// What tells the letters apart.
    pub judge: &'a Judge,
    /// Where they come from.
    pub sources: &'a [Source],
    /// The redrives under way, by group.
    pub redrives: &'a BTreeMap<String, Redrive>,
    /// At how many letters.
    pub most: usize,
    /// What their fate is asked for, where somebody wants to know.
    pub deed: Option<Deed<'a>>,
}

/// A deed that is only planned.
#[derive(Clone, Copy)]
pub struct Deed<'a> {
    /// What it decides.
    pub order: Order<'a>,
    /// The redrive that the letters of a group are part of where none is under way; nothing where nothing is sent back.
    pub fresh: Option<&'a Redrive>,
    /// Whether redrives that are under way go on within it.
    pub goes_on: bool,
    /// Whether somebody asks for this group.
    pub is_asked: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Deed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deed").field("order", &self.order).field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

/// Looks, and lets go.
///
/// # Errors
/// What SQS answers to a receive. What cannot be let go of comes back by itself.
pub async fn look(looking: &Looking<'_>, go_on: &dyn Fn() -> bool) -> Result<Look> {
    let seen = Seen {
        looking,
        groups: RefCell::default(),
        receipts: RefCell::default(),
        oldest: Cell::default(),
        receives: Cell::default(),
    };
    let read = looking.reader.each(looking.most, go_on, &seen).await;
    let released = looking.reader.release(&seen.receipts.take()).await;
    // What is not let go of only stays away for a while.
    let _ = released;
    if let Some(error) = read.failed {
        return Err(error);
    }
    Ok(Look {
        groups: seen.groups.take(),
        letters: read.letters,
        whole: read.to_the_end,
        oldest: seen.oldest.get(),
        receives: seen.receives.get(),
    })
}

struct Seen<'a> {
    looking: &'a Looking<'a>,
    groups: RefCell<BTreeMap<String, Tally>>,
    receipts: RefCell<Vec<String>>,
    oldest: Cell<Option<Timestamp>>,
    receives: Cell<u32>,
}

impl AsyncHandler for Seen<'_> {
    fn take(&self, letters: Vec<Letter>) -> Later<'_, ()> {
        for letter in letters {
            self.count(&letter);
            self.receipts.borrow_mut().push(letter.receipt);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn idle(&self) -> Later<'_, bool> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

impl Seen<'_> {
    fn count(&self, letter: &Letter) {
        let judged = self.looking.judge.judge(letter);
        self.oldest.set(earlier(self.oldest.get(), letter.sent));
        self.receives.set(self.receives.get().max(letter.receives));
        let mut groups = self.groups.borrow_mut();
        let has_room = groups.len() < MOST_GROUPS || groups.contains_key(&judged.kind.id);
        let id = if has_room { judged.kind.id.as_str() } else { OTHERS };
        let tally = match groups.get_mut(id) {
            Some(tally) => tally,
            None => groups.entry(id.to_owned()).or_insert_with(|| self.begin(letter, &judged)),
        };
        let returned = self.looking.redrives.get(id).is_some_and(|redrive| has_returned(letter, redrive));
        if returned {
            tally.returned += 1;
        } else {
            tally.waiting += 1;
        }
        tally.redriven = tally.redriven.max(letter.redriven().map_or(0, |(count, _)| count));
        tally.first = earlier(tally.first, letter.sent);
        tally.last = tally.last.max(letter.sent);
        // One that passes decides for the group; the others are left alone, each by itself.
        if judged.verdict == Verdict::Transient {
            tally.verdict = Verdict::Transient;
            tally.rule.clone_from(&judged.rule);
        }
        if let Some(deed) = self.looking.deed {
            self.foresee(&deed, letter, &judged, tally);
        }
    }

    /// What may become of a letter.
    fn foresee(&self, deed: &Deed<'_>, letter: &Letter, judged: &Judged<'_>, tally: &mut Tally) {
        let group = judged.kind.id.as_str();
        let running = self.looking.redrives.get(group).filter(|it| deed.goes_on && it.is_running());
        let by_hand = (deed.is_asked)(group) || running.is_some_and(|redrive| redrive.by.is_some());
        let has_way = way(judged.origin.flavour, &judged.origin.of, self.looking.sources).is_ok();
        let one = One { letter, group, verdict: judged.verdict, has_way };
        let fate = |has_room| {
            let turn = running.or(deed.fresh).map(|redrive| Turn::of(redrive, has_room, by_hand));
            deed.order.fate(&one, turn)
        };
        tally.ahead.add(fate(true), fate(false), deed.order.fate(&one, None));
    }

    fn begin(&self, letter: &Letter, judged: &Judged<'_>) -> Tally {
        let kind = Rc::clone(&judged.kind);
        let way = way(judged.origin.flavour, &judged.origin.of, self.looking.sources);
        Tally {
            flavour: kind.signature.flavour,
            of: kind.signature.of.clone(),
            line: kind.signature.to_string(),
            verdict: judged.verdict,
            rule: judged.rule.clone(),
            waiting: 0,
            returned: 0,
            redriven: 0,
            first: None,
            last: None,
            sample: redacted(&letter.body),
            sample_id: letter.id.clone(),
            to: way.as_ref().ok().map(|way| way.arn().to_owned()),
            no_way: way.err(),
            ahead: Ahead::default(),
        }
    }
}

/// The earlier of two times, as far as they are known.
pub(crate) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether a letter was sent by this redrive and is back, or died of the same since it began.
pub fn has_returned(letter: &Letter, redrive: &Redrive) -> bool {
    redrive.is_running()
        && (letter.redriven().is_some_and(|(_, operation)| operation == redrive.id)
            || letter.sent.is_some_and(|sent| redrive.began < sent))
}
