//! What cannot be checked for long is one incident, whatever the number, told again when something else cannot be.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::policy::health::Change;

use super::change::faults;

/// What people know that cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchecked {
    /// Since when.
    pub since: Timestamp,
    /// When they were told last.
    pub told: Timestamp,
    /// A word for each reason.
    pub words: BTreeSet<String>,
}

/// What people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nothing.
    None,
    /// That not all can be checked, since then.
    Firing {
        /// Since when.
        since: Timestamp,
    },
    /// That all can be checked again, what could not be since then.
    Resolved {
        /// Since when.
        since: Timestamp,
    },
}

/// What is known now, and what is told. `reasons`: why things that could not be checked for long could not be in this sweep.
/// `pending`: something may be so still that was not looked at this time.
#[must_use]
pub fn follow(
    known: Option<&Unchecked>,
    reasons: &[&str],
    pending: bool,
    rules: &Change,
    now: Timestamp,
) -> (Option<Unchecked>, Word) {
    if reasons.is_empty() {
        return match known {
            None => (None, Word::None),
            // What is not looked at today may be looked at in vain tomorrow.
            Some(known) if pending => (Some(known.clone()), Word::None),
            Some(known) => (None, Word::Resolved { since: known.since }),
        };
    }
    let words: BTreeSet<String> = reasons.iter().flat_map(|reason| faults(reason)).collect();
    let Some(known) = known else {
        return (Some(Unchecked { since: now, told: now, words }), Word::Firing { since: now });
    };
    let since = known.since;
    let due = known.told.saturating_add(rules.remind).is_ok_and(|due| due <= now);
    let tells = due || !words.is_subset(&known.words);
    let told = if tells { now } else { known.told };
    let words = known.words.union(&words).cloned().collect();
    let word = if tells { Word::Firing { since } } else { Word::None };
    (Some(Unchecked { since, told, words }), word)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::health::Change;

    use super::{Word, follow};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_176_000 + 60 * minute).unwrap()
    }

    #[test]
    fn it_is_told_when_it_begins_when_something_else_is_added_after_a_day_and_at_its_end() {
        const DAY: i64 = 24 * 60;
        let firing = Word::Firing { since: at(0) };
        let cases = [
            (0, &["kms:DescribeKey is denied"][..], false, firing),
            (5, &["kms:DescribeKey is denied"], false, Word::None),
            (10, &["kms:DescribeKey is denied", "sqs:GetQueueUrl is denied"], false, firing),
            (15, &["sqs:GetQueueUrl is denied"], false, Word::None),
            (20, &["kms:DescribeKey is denied"], false, Word::None),
            (25, &[], true, Word::None),
            (DAY + 9, &["kms:DescribeKey is denied"], false, Word::None),
            (DAY + 10, &["kms:DescribeKey is denied"], false, firing),
            (DAY + 15, &[], false, Word::Resolved { since: at(0) }),
            (DAY + 20, &[], false, Word::None),
        ];
        let mut known = None;
        for (minute, reasons, pending, expected) in cases {
            let (next, word) = follow(known.as_ref(), reasons, pending, &Change::default(), at(minute));
            assert_eq!(word, expected, "minute {minute}: {reasons:?}, after {known:?}");
            known = next;
        }
        assert_eq!(known, None);
    }
}
