//! What is done with a letter that is read, in whatever deed: carrying it out and telling its plan both ask this.

use jiff::{SignedDuration, Timestamp};
use shared::policy::dlq::{Dlq, Verdict};

use super::{Facts, Fate, Turn, fate, lost_at};
use crate::letter::Letter;

/// A deed, as far as it decides about letters.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// What people decided.
    pub policy: &'a Dlq,
    /// How long the queue keeps a message.
    pub retention: SignedDuration,
    /// Whether all that is not sent back goes to the archive, as somebody asked.
    pub drain: bool,
    /// The one group that is meant: the others are left alone.
    pub only: Option<&'a str>,
    /// Whether anything may be done at all.
    pub may_act: bool,
    /// The clock.
    pub now: Timestamp,
}

/// A letter, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct One<'a> {
    /// The letter.
    pub letter: &'a Letter,
    /// Its group.
    pub group: &'a str,
    /// Why it died.
    pub verdict: Verdict,
    /// Whether there is a way back for it.
    pub has_way: bool,
}

impl Order<'_> {
    /// What is done with a letter, whose group's redrive says this of it, if it has one.
    #[must_use]
    pub fn fate(&self, one: &One<'_>, redrive: Option<Turn<'_>>) -> Fate {
        if self.only.is_some_and(|group| group != one.group) {
            // Who asked for one group has not looked at the others.
            return Fate::Leave;
        }
        let facts = Facts {
            letter: one.letter,
            verdict: one.verdict,
            redrive,
            has_way: one.has_way,
            lost_at: lost_at(one.letter.sent, self.retention),
            drain: self.drain,
            may_act: self.may_act,
        };
        fate(&facts, self.policy, self.now)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::policy::dlq::{Dlq, Verdict};

    use super::{One, Order};
    use crate::decision::{Fate, Turn};
    use crate::letter::Letter;

    #[test]
    fn who_asks_for_one_group_leaves_the_others_alone() {
        let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        let letter = Letter { sent: Some(now - SignedDuration::from_mins(1)), ..Letter::default() };
        let policy = Dlq::default();
        let turn = Some(Turn { operation: "op", cut_off: now, has_room: true, by_hand: false });
        for (only, drain, verdict, redrive, expected) in [
            (None, true, Verdict::Transient, turn, Fate::Redrive),
            (None, true, Verdict::Poison, turn, Fate::Archive),
            (None, true, Verdict::Transient, None, Fate::Archive),
            (None, false, Verdict::Poison, turn, Fate::Leave),
            (Some("g"), true, Verdict::Poison, None, Fate::Archive),
            (Some("another"), true, Verdict::Poison, None, Fate::Leave),
            (Some("another"), true, Verdict::Transient, turn, Fate::Leave),
        ] {
            let retention = SignedDuration::from_hours(96);
            let order = Order { policy: &policy, retention, drain, only, may_act: true, now };
            let one = One { letter: &letter, group: "g", verdict, has_way: true };
            assert_eq!(order.fate(&one, redrive), expected, "{only:?} {drain} {verdict}");
        }
    }
}
