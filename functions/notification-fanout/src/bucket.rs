//! How fast a channel may be sent to: one token bucket per channel in the ledger, shared by all instances.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `bucket#<channel>` | `bucket` | when the next token is due, and until when the channel asked to be left alone |
//!
//! It is the generic cell rate algorithm (ITU-T I.371): one time says all, the *theoretical arrival time* of the next
//! sending if all came evenly. It may be ahead of the clock by as much as a burst is allowed.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::{Item, Ledger, expiry, get_ms, ms, s};
use shared::{Error, Result};

/// How often a token is tried to be taken when other instances are faster.
const TRIES: usize = 12;

const DAYS_KEPT: i64 = 2;

/// How fast a channel may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two sendings, in the long run.
    pub every: SignedDuration,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

/// A channel's bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the next sending would come, if all came evenly.
    pub next: Option<Timestamp>,
    /// Until when the channel asked to be left alone.
    pub quiet_until: Option<Timestamp>,
}

/// Whether one may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before then.
    At(Timestamp),
}

impl Bucket {
    /// Whether one may be sent now, and the bucket after it. With `reserve`, a later turn is taken, too: nobody else has
    /// it then.
    #[must_use]
    pub fn take(self, rate: Rate, reserve: bool, now: Timestamp) -> (Turn, Option<Self>) {
        let quiet = self.quiet_until.filter(|until| now < *until);
        if let (Some(until), false) = (quiet, reserve) {
            return (Turn::At(until), None);
        }
        let from = quiet.unwrap_or(now);
        let ahead =
            rate.every.saturating_mul(i32::try_from(rate.burst.saturating_sub(1)).unwrap_or(i32::MAX));
        // Whoever asked for quiet had too many: after it they come one by one, and a burst is earned anew.
        let calmed = self.quiet_until.and_then(|until| until.saturating_add(ahead).ok());
        let due = self.next.unwrap_or(from).max(from).max(calmed.unwrap_or(from));
        let turn = due.saturating_sub(ahead).unwrap_or(from).max(from);
        let taken = Self { next: due.saturating_add(rate.every).ok(), ..self };
        if turn <= now { (Turn::Now, Some(taken)) } else { (Turn::At(turn), reserve.then_some(taken)) }
    }

    /// The bucket after the channel asked to be left alone; nothing where that is known.
    #[must_use]
    pub fn quieted(self, until: Timestamp) -> Option<Self> {
        let news = self.quiet_until.is_none_or(|known| known < until);
        news.then_some(Self { quiet_until: Some(until), ..self })
    }
}

/// Takes a turn of the channel.
///
/// # Errors
/// What the ledger answers; [`Error::Later`] where others are faster again and again.
pub async fn take(ledger: &Ledger, channel: &str, rate: Rate, reserve: bool, now: Timestamp) -> Result<Turn> {
    for _ in 0..TRIES {
        let entry = ledger.look_up(&partition(channel), "bucket").await?;
        let (turn, taken) = read(entry.as_ref()).take(rate, reserve, now);
        let Some(taken) = taken else { return Ok(turn) };
        if ledger.swap(item(channel, taken, now), entry.as_ref()).await?.is_some() {
            return Ok(turn);
        }
    }
    Err(Error::Later(format!("too many send to {channel} at the same moment")))
}

/// Writes down that the channel asked to be left alone.
///
/// # Errors
/// What the ledger answers; [`Error::Later`] where others are faster again and again.
pub async fn quiet(ledger: &Ledger, channel: &str, until: Timestamp, now: Timestamp) -> Result<()> {
    for _ in 0..TRIES {
        let entry = ledger.look_up(&partition(channel), "bucket").await?;
        let Some(quieted) = read(entry.as_ref()).quieted(until) else { return Ok(()) };
        if ledger.swap(item(channel, quieted, now), entry.as_ref()).await?.is_some() {
            return Ok(());
        }
    }
    Err(Error::Later(format!("too many send to {channel} at the same moment")))
}

fn partition(channel: &str) -> String {
    format!("bucket#{channel}")
}

fn item(channel: &str, bucket: Bucket, now: Timestamp) -> Item {
    let mut item = Item::from([
        ("pk".to_owned(), s(partition(channel))),
        ("sk".to_owned(), s("bucket")),
        ("expires_at".to_owned(), expiry(now, DAYS_KEPT)),
    ]);
    let times = [("next", bucket.next), ("quiet_until", bucket.quiet_until)];
    item.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), ms(time?)))));
    item
}

fn read(item: Option<&Item>) -> Bucket {
    item.map_or_else(Bucket::default, |item| Bucket {
        next: get_ms(item, "next"),
        quiet_until: get_ms(item, "quiet_until"),
    })
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Bucket, Rate, Turn};

    const RATE: Rate = Rate { every: SignedDuration::from_secs(1), burst: 3 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_176_000_000 + millis).unwrap()
    }

    /// Sends at these milliseconds; each is answered with when it may be sent.
    #[track_caller]
    fn check(reserve: bool, sent: &[(i64, i64)]) {
        let mut bucket = Bucket::default();
        for (now, turn) in sent {
            let (got, after) = bucket.take(RATE, reserve, at(*now));
            let expected = if turn <= now { Turn::Now } else { Turn::At(at(*turn)) };
            assert_eq!(got, expected, "sent at {now}");
            bucket = after.unwrap_or(bucket);
        }
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_after_the_other() {
        check(true, &[(0, 0), (0, 0), (0, 0), (0, 1_000), (0, 2_000), (500, 3_000), (10_000, 10_000)]);
    }

    #[test]
    fn without_a_reservation_nobody_has_a_later_turn() {
        check(false, &[(0, 0), (0, 0), (0, 0), (0, 1_000), (0, 1_000), (1_000, 1_000), (1_000, 2_000)]);
    }

    #[test]
    fn a_channel_that_asked_for_quiet_is_left_alone_until_then_and_not_flooded_after() {
        let quiet = Bucket::default().quieted(at(30_000)).unwrap();
        assert_eq!(quiet.take(RATE, false, at(0)), (Turn::At(at(30_000)), None));
        let mut bucket = quiet;
        let turns: Vec<_> = (0..5)
            .map(|_| {
                let (turn, after) = bucket.take(RATE, true, at(0));
                bucket = after.unwrap();
                turn
            })
            .collect();
        let expected = [30_000, 31_000, 32_000, 33_000, 34_000].map(|turn| Turn::At(at(turn)));
        assert_eq!(turns, expected);
        assert_eq!(quiet.quieted(at(20_000)), None, "a shorter pause changes nothing");
        assert_eq!(quiet.take(RATE, false, at(30_000)).0, Turn::Now);
    }
}
