//! How fast a channel may be sent to: one token bucket per channel in the ledger, shared by all instances.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `bucket#<channel>` | `bucket` | when the next token is due, until when the channel asked to be left alone, and when the next of each source is |
//!
//! Sources have a bucket each within it, so that one of them cannot have the channel to itself: one look and one write
//! say both, whether the source says too much and whether it is the channel's turn.
//!
//! It is the generic cell rate algorithm (ITU-T I.371): one time says all, the *theoretical arrival time* of the next
//! sending if all came evenly. It may be ahead of the clock by as much as a burst is allowed.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use shared::ledger::{Item, Ledger, expiry, get_ms, ms, s};
use shared::{Error, Result};

/// How often a token is tried to be taken when other instances are faster.
const TRIES: usize = 12;

const DAYS_KEPT: i64 = 2;

/// How many sources are remembered at most; those that were quiet for longest are forgotten first.
const MOST_SOURCES: usize = 200;

/// How fast a channel may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two sendings, in the long run.
    pub every: SignedDuration,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

/// Who wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// A word that it is known by.
    pub id: &'a str,
    /// How much it may say.
    pub rate: Rate,
}

/// A channel's bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the next sending would come, if all came evenly.
    pub next: Option<Timestamp>,
    /// Until when the channel asked to be left alone.
    pub quiet_until: Option<Timestamp>,
    /// When the next of each source would come, if all came evenly; only of those that may not say all they want yet.
    pub sources: BTreeMap<String, Timestamp>,
}

/// Whether one may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before then.
    At(Timestamp),
    /// Not by itself before then: its source says too much.
    Storm(Timestamp),
}

impl Bucket {
    /// Whether one may be sent now, and the bucket after it where that is another. With `reserve`, a later turn is taken,
    /// too: nobody else has it then.
    #[must_use]
    pub fn take(
        self,
        rate: Rate,
        source: Option<Source<'_>>,
        reserve: bool,
        now: Timestamp,
    ) -> (Turn, Option<Self>) {
        let counted = match self.counted(source, now) {
            Ok(counted) => counted,
            Err(turn) => return (Turn::Storm(turn), None),
        };
        let changed = |bucket| source.map(|_| bucket);
        let quiet = counted.quiet_until.filter(|until| now < *until);
        if let (Some(until), false) = (quiet, reserve) {
            return (Turn::At(until), changed(counted));
        }
        let from = quiet.unwrap_or(now);
        let ahead = rate.ahead();
        // Whoever asked for quiet had too many: after it they come one by one, and a burst is earned anew.
        let calmed = counted.quiet_until.and_then(|until| until.saturating_add(ahead).ok());
        let due = counted.next.unwrap_or(from).max(from).max(calmed.unwrap_or(from));
        let turn = due.saturating_sub(ahead).unwrap_or(from).max(from);
        let taken = |bucket| Self { next: due.saturating_add(rate.every).ok(), ..bucket };
        if turn <= now {
            (Turn::Now, Some(taken(counted)))
        } else {
            (Turn::At(turn), if reserve { Some(taken(counted)) } else { changed(counted) })
        }
    }

    /// The bucket with one more of the source; where that is too many, when it no more is.
    fn counted(mut self, source: Option<Source<'_>>, now: Timestamp) -> std::result::Result<Self, Timestamp> {
        let Some(Source { id, rate }) = source else { return Ok(self) };
        let due = self.sources.get(id).map_or(now, |next| *next.max(&now));
        let turn = due.saturating_sub(rate.ahead()).unwrap_or(now);
        if now < turn {
            return Err(turn);
        }
        self.sources.retain(|_, next| now < *next);
        if let Ok(next) = due.saturating_add(rate.every) {
            self.sources.insert(id.to_owned(), next);
        }
        while self.sources.len() > MOST_SOURCES {
            let quietest = self.sources.iter().min_by_key(|(_, next)| **next).map(|(id, _)| id.clone());
            self.sources.remove(&quietest.unwrap_or_default());
        }
        Ok(self)
    }

    /// The bucket after the channel asked to be left alone; nothing where that is known.
    #[must_use]
    pub fn quieted(self, until: Timestamp) -> Option<Self> {
        let news = self.quiet_until.is_none_or(|known| known < until);
        news.then_some(Self { quiet_until: Some(until), ..self })
    }
}

impl Rate {
    /// How far the next may be ahead of the clock.
    fn ahead(self) -> SignedDuration {
        self.every.saturating_mul(i32::try_from(self.burst.saturating_sub(1)).unwrap_or(i32::MAX))
    }
}

/// Takes a turn of the channel. `known` is the entry as this process wrote it last, if it did, and afterwards as it is
/// written now: as long as nobody else takes turns, it need not be read. What it lacks of others' turns makes a turn
/// seem too early at most, and then it is either refused, or tried again at that time.
///
/// # Errors
/// What the ledger answers; [`Error::Later`] where others are faster again and again.
pub async fn take(
    ledger: &Ledger,
    channel: &str,
    rate: Rate,
    source: Option<Source<'_>>,
    reserve: bool,
    known: &mut Option<Item>,
    now: Timestamp,
) -> Result<Turn> {
    for _ in 0..TRIES {
        let entry = match known.take() {
            Some(entry) => Some(entry),
            None => ledger.look_up(&partition(channel), "bucket").await?,
        };
        let (turn, taken) = read(entry.as_ref()).take(rate, source, reserve, now);
        let Some(taken) = taken else {
            *known = entry;
            return Ok(turn);
        };
        if let Some(written) = ledger.swap(item(channel, &taken, now), entry.as_ref()).await? {
            *known = Some(written);
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
        if ledger.swap(item(channel, &quieted, now), entry.as_ref()).await?.is_some() {
            return Ok(());
        }
    }
    Err(Error::Later(format!("too many send to {channel} at the same moment")))
}

fn partition(channel: &str) -> String {
    format!("bucket#{channel}")
}

fn item(channel: &str, bucket: &Bucket, now: Timestamp) -> Item {
    let mut item = Item::from([
        ("pk".to_owned(), s(partition(channel))),
        ("sk".to_owned(), s("bucket")),
        ("expires_at".to_owned(), expiry(now, DAYS_KEPT)),
    ]);
    let times = [("next", bucket.next), ("quiet_until", bucket.quiet_until)];
    item.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), ms(time?)))));
    if !bucket.sources.is_empty() {
        let sources = bucket.sources.iter().map(|(id, next)| (id.clone(), ms(*next))).collect();
        item.insert("sources".to_owned(), AttributeValue::M(sources));
    }
    item
}

fn read(item: Option<&Item>) -> Bucket {
    item.map_or_else(Bucket::default, |item| Bucket {
        next: get_ms(item, "next"),
        quiet_until: get_ms(item, "quiet_until"),
        sources: item
            .get("sources")
            .and_then(|sources| sources.as_m().ok())
            .into_iter()
            .flat_map(|sources| sources.keys().filter_map(|id| Some((id.clone(), get_ms(sources, id)?))))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Bucket, MOST_SOURCES, Rate, Source, Turn, item, read};

    const RATE: Rate = Rate { every: SignedDuration::from_secs(1), burst: 3 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_176_000_000 + millis).unwrap()
    }

    /// Sends at these milliseconds; each is answered with when it may be sent.
    #[track_caller]
    fn check(reserve: bool, sent: &[(i64, i64)]) {
        let mut bucket = Bucket::default();
        for (now, turn) in sent {
            let (got, after) = bucket.clone().take(RATE, None, reserve, at(*now));
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
        assert_eq!(quiet.clone().take(RATE, None, false, at(0)), (Turn::At(at(30_000)), None));
        let mut bucket = quiet.clone();
        let turns: Vec<_> = (0..5)
            .map(|_| {
                let (turn, after) = bucket.clone().take(RATE, None, true, at(0));
                bucket = after.unwrap();
                turn
            })
            .collect();
        let expected = [30_000, 31_000, 32_000, 33_000, 34_000].map(|turn| Turn::At(at(turn)));
        assert_eq!(turns, expected);
        assert_eq!(quiet.clone().quieted(at(20_000)), None, "a shorter pause changes nothing");
        assert_eq!(quiet.take(RATE, None, false, at(30_000)).0, Turn::Now);
    }

    const FAST: Rate = Rate { every: SignedDuration::from_millis(1), burst: 1_000 };

    #[test]
    fn a_source_that_says_too_much_storms_and_the_others_do_not() {
        let storm = |until| Turn::Storm(at(until));
        let mut bucket = Bucket::default();
        let mut says = |id, now| {
            let source = Some(Source { id, rate: RATE });
            let (turn, after) = bucket.clone().take(FAST, source, false, at(now));
            bucket = after.unwrap_or_else(|| bucket.clone());
            turn
        };
        let loud: Vec<_> = (0..5).map(|_| says("loud", 0)).collect();
        assert_eq!(loud, [Turn::Now, Turn::Now, Turn::Now, storm(1_000), storm(1_000)]);
        assert_eq!(says("calm", 0), Turn::Now);
        assert_eq!([says("loud", 1_000), says("loud", 1_000)], [Turn::Now, storm(2_000)]);
        assert_eq!(says("calm", 10_000), Turn::Now);
        assert_eq!(bucket.sources.keys().collect::<Vec<_>>(), ["calm"], "what is past is forgotten");
        assert_eq!(read(Some(&item("ops", &bucket, at(0)))), bucket, "it is read as it is written");
    }

    #[test]
    fn what_waits_for_the_channel_counts_for_its_source() {
        let quiet = Bucket::default().quieted(at(30_000)).unwrap();
        let source = Some(Source { id: "loud", rate: RATE });
        let (turn, after) = quiet.take(RATE, source, false, at(0));
        assert_eq!((turn, after.unwrap().sources.get("loud")), (Turn::At(at(30_000)), Some(&at(1_000))));
    }

    #[test]
    fn more_sources_than_can_be_remembered_forget_the_quietest() {
        let mut bucket = Bucket::default();
        for number in 0..MOST_SOURCES + 10 {
            let id = number.to_string();
            for _ in 0..if number == 0 { 3 } else { 1 } {
                bucket = bucket.take(FAST, Some(Source { id: &id, rate: RATE }), false, at(0)).1.unwrap();
            }
        }
        assert_eq!((bucket.sources.len(), bucket.sources.get("0")), (MOST_SOURCES, Some(&at(3_000))));
    }
}
