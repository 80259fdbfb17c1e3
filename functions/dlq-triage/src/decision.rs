//! Every rule of `dlq-triage`, as pure functions of what was seen, what was decided by people, and the clock.
//!
//! A run looks at a queue first, decides then what becomes of each group ([`group::step`]), and reads again to do it: of
//! each letter, [`fate`] says what is done with it. A plan that somebody asks for comes from the same look and the same
//! decisions ([`plan`], [`restoring`]), and ends before anything is done.

pub mod emptying;
pub mod group;
pub mod loss;
pub mod naming;
pub mod news;
pub mod order;
pub mod plan;
pub mod reading;
pub mod redriving;
pub mod restoring;
pub mod standing;
pub mod way;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::policy::dlq::{Archived, Dlq, Verdict};

use crate::letter::Letter;
use group::Redrive;

/// What is done with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is sent back.
    Redrive,
    /// It goes to the archive, and is taken out of its queue then.
    Archive,
    /// It stays where it is.
    Leave,
}

/// What is known of one letter when its fate is decided.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The letter.
    pub letter: &'a Letter,
    /// Why it died.
    pub verdict: Verdict,
    /// The group's redrive under way, and whether it may have one more letter; nothing where it has none.
    pub redrive: Option<Turn<'a>>,
    /// Whether there is a way back for it.
    pub has_way: bool,
    /// When its queue loses it.
    pub lost_at: Option<Timestamp>,
    /// Whether everything that is not sent back is to go to the archive, as somebody asked.
    pub drain: bool,
    /// Whether the function may act at all.
    pub may_act: bool,
}

/// What a group's redrive has to say of one of its letters.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The operation's id.
    pub operation: &'a str,
    /// What arrived later is left alone.
    pub cut_off: Timestamp,
    /// Whether one more may be sent now.
    pub has_room: bool,
    /// Whether somebody asked for it: then it counts no more how often a letter was sent back.
    pub by_hand: bool,
}

impl<'a> Turn<'a> {
    /// What a redrive has to say of a letter.
    #[must_use]
    pub fn of(redrive: &'a Redrive, has_room: bool, by_hand: bool) -> Self {
        Self { operation: &redrive.id, cut_off: redrive.began, has_room, by_hand }
    }
}

/// What is done with a letter.
#[must_use]
pub fn fate(facts: &Facts<'_>, policy: &Dlq, now: Timestamp) -> Fate {
    if !facts.may_act {
        return Fate::Leave;
    }
    let redriven = facts.letter.redriven();
    if let Some(turn) = facts.redrive {
        let is_late = facts.letter.sent.is_none_or(|sent| turn.cut_off < sent);
        let bounced = redriven.is_some_and(|(_, operation)| operation == turn.operation);
        let too_often = !turn.by_hand && redriven.is_some_and(|(count, _)| policy.redrive.at_most <= count);
        // A rule may judge letters of one group differently.
        let fits = facts.verdict == Verdict::Transient || turn.by_hand && facts.verdict != Verdict::Oversize;
        if !is_late && !bounced && !too_often && facts.has_way && fits {
            if turn.has_room {
                return Fate::Redrive;
            }
            // Its turn comes in a later run, unless its queue loses it before.
            if facts.lost_at.is_none_or(|lost_at| loss::TWO_RUNS < lost_at.duration_since(now)) {
                return Fate::Leave;
            }
        }
    }
    let soon = now.saturating_add(policy.archive.before_loss).unwrap_or(now);
    let is_lost_soon = facts.lost_at.is_some_and(|lost_at| lost_at <= soon);
    let archived = match policy.archive.what {
        Archived::Nothing => false,
        Archived::BeforeLoss => is_lost_soon,
        Archived::All => true,
    };
    if archived || facts.drain { Fate::Archive } else { Fate::Leave }
}

/// When a queue loses what was sent then. A letter's age counts from when it was first sent, in its source (SQS developer
/// guide, "Dead-letter queue retention"); in a FIFO queue, from when it was moved, of which its `SentTimestamp` tells.
#[must_use]
pub fn lost_at(sent: Option<Timestamp>, retention: SignedDuration) -> Option<Timestamp> {
    sent?.saturating_add(retention).ok()
}

#[cfg(test)]
mod tests;
