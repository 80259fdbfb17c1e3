//! When a queue is not emptied although somebody asks for it.

use jiff::{SignedDuration, Timestamp};

use crate::event::Emptying;

/// SQS itself allows one purge a minute (SQS API, `PurgeQueue`).
const BETWEEN_PURGES: SignedDuration = SignedDuration::from_secs(60);

/// Why a queue is not emptied, if so. `there` is how many letters it has, or the group that is asked for, and `whole`
/// whether all could be looked at; `purged` is when it was purged last, where it is to be purged.
#[must_use]
pub fn refusal(
    asked: &Emptying,
    there: u64,
    whole: bool,
    purged: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    if asked.group.is_some() && !whole {
        let why = "not all letters could be looked at, so that nobody knows how many the group has: take all of the queue";
        return Some(why.to_owned());
    }
    if there != asked.count {
        return Some(format!(
            "there are {there} letters and not {}: look at what came, and ask again with the count that there is",
            asked.count
        ));
    }
    let recently = purged.filter(|purged| now.duration_since(*purged) < BETWEEN_PURGES)?;
    Some(format!("it was purged at {recently:.0}, less than {} s ago", BETWEEN_PURGES.as_secs()))
}

/// How many letters others have in hand, of so many that were counted and of those that were there to be received.
#[must_use]
pub const fn in_hand(there: u64, received: u64) -> u64 {
    there.saturating_sub(received)
}

/// That others have so many letters in hand; nothing where they have none.
#[must_use]
pub fn held(in_hand: u64) -> Option<String> {
    match in_hand {
        0 => None,
        1 => Some("1 letter is in others' hands: ask again when it is back".to_owned()),
        several => Some(format!("{several} letters are in others' hands: ask again when they are back")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{held, in_hand, refusal};
    use crate::event::Emptying;

    #[test]
    fn nobody_empties_what_they_have_not_looked_at_nor_twice_in_a_minute() {
        let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        let all =
            Emptying { queue: "q".to_owned(), count: 12, group: None, dry_run: false, by: "ann".to_owned() };
        let one = Emptying { group: Some("g".to_owned()), ..all.clone() };
        let ago = |seconds| Some(now - SignedDuration::from_secs(seconds));
        let cases = [
            (&all, 12, true, None, None),
            (&all, 12, false, None, None),
            (&all, 13, true, None, Some("there are 13 letters and not 12")),
            (&one, 12, true, None, None),
            (&one, 12, false, None, Some("take all of the queue")),
            (&all, 12, true, ago(60), None),
            (&all, 12, true, ago(30), Some("less than 60 s ago")),
            (&all, 0, true, ago(30), Some("there are 0 letters")),
        ];
        for (asked, there, whole, purged, expected) in cases {
            let why = refusal(asked, there, whole, purged, now);
            match expected {
                Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{why:?}"),
                None => assert_eq!(why, None, "{there} {whole} {purged:?}"),
            }
        }
    }

    #[test]
    fn what_was_counted_and_is_not_there_is_in_others_hands() {
        for (there, received, said) in [
            (0, 0, None),
            (12, 12, None),
            (12, 13, None),
            (12, 11, Some("1 letter is in others' hands: ask again when it is back")),
            (12, 0, Some("12 letters are in others' hands: ask again when they are back")),
        ] {
            assert_eq!(held(in_hand(there, received)).as_deref(), said, "{there} {received}");
        }
    }
}
