//! What is remembered of a queue from one run to the next.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `letters#<queue ARN>` | `lease` | who works on the queue, and until when nobody else may |
//! | `letters#<queue ARN>` | `queue` | what was seen and told of the queue last, and when it was emptied last |
//! | `letters#<queue ARN>` | `restored#<part>` | how far the restoring of a part of the archive is |
//! | `letters#<queue ARN>` | `group#<id>` | a group: what it is, what was told of it, how far its redrive is |
//!
//! Each is one JSON document under the attribute `document`; a change holds only if nobody else has changed the entry
//! since it was read ([`shared::ledger`]'s `swap`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::ledger::{Item, Ledger, expiry, get_s, s};
use shared::notice::Severity;
use shared::policy::dlq::Verdict;
use shared::{Error, Result};

use crate::decision::group::Redrive;

/// What is not seen again is forgotten after this.
const DAYS_KEPT: i64 = 90;

/// How often a change is tried anew when somebody else was faster.
const TRIES: usize = 5;

/// More groups than a queue has.
const MOST_GROUPS: usize = 5_000;

/// What was seen and told of a queue last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Last {
    /// How many letters there were.
    pub depth: u64,
    /// When that was.
    pub at: Option<Timestamp>,
    /// When the oldest was sent.
    pub oldest: Option<Timestamp>,
    /// How often one of its letters was received by then, at most.
    pub receives: u32,
    /// When the queue is looked at again, as it was asked for last.
    pub next: Option<Timestamp>,
    /// The loss that people were told of, while it goes on.
    pub loss_told: Option<Severity>,
    /// What could not be read, while that goes on: its words.
    pub refusal_told: Option<String>,
    /// The revision of the last notice of the queue.
    pub revision: u64,
    /// When it was purged last.
    pub purged: Option<Timestamp>,
}

/// A group of letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What its letters have in common.
    pub signature: Known,
    /// Why they died.
    pub verdict: Verdict,
    /// How many there were when they were looked at last.
    pub count: u64,
    /// When the first of them was sent, of all that were ever seen.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// How many people were told of; 0 before they were told.
    pub told: u64,
    /// The revision of the last notice of the group.
    pub revision: u64,
    /// Whether people were told that it goes on, and not yet that it is over.
    pub fires: bool,
    /// How it is sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
}

/// A signature, as it is kept: for people, and to tell where its letters go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// How they came to be dead.
    pub flavour: crate::flavour::Flavour,
    /// What gave them up.
    pub of: String,
    /// One line for people.
    pub line: String,
}

/// How far the restoring of a part of the archive is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The lines that were sent, as the first and the last of those that follow one another, in order.
    pub sent: Vec<(usize, usize)>,
}

impl Restored {
    /// Whether this line was sent.
    pub fn has(&self, line: usize) -> bool {
        self.sent.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// This line was sent.
    pub fn add(&mut self, line: usize) {
        if self.has(line) {
            return;
        }
        self.sent.push((line, line));
        self.sent.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::new();
        for (first, last) in self.sent.drain(..) {
            match joined.last_mut() {
                Some(before) if before.1.saturating_add(1) == first => before.1 = last,
                Some(_) | None => joined.push((first, last)),
            }
        }
        self.sent = joined;
    }

    /// This line is to be sent again.
    pub fn take(&mut self, line: usize) {
        let without = |(first, last): (usize, usize)| {
            let before = (first, last.min(line.saturating_sub(1)));
            let after = (first.max(line.saturating_add(1)), last);
            [before, after].into_iter().filter(|(first, last)| first <= last)
        };
        let (with, others): (Vec<_>, Vec<_>) =
            self.sent.drain(..).partition(|(first, last)| (*first..=*last).contains(&line));
        self.sent = others.into_iter().chain(with.into_iter().flat_map(without)).collect();
        self.sent.sort_unstable();
    }
}

/// An entry as it was read; nothing where there was none.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// What it says.
    pub value: T,
    item: Option<Item>,
}

impl<T: Default> Default for Entry<T> {
    fn default() -> Self {
        Self { value: T::default(), item: None }
    }
}

impl<T> Entry<T> {
    /// One that is not written yet, or that takes the place of one that could not be read.
    pub const fn new(value: T, unread: Option<Item>) -> Self {
        Self { value, item: unread }
    }
}

/// The groups that are remembered of a queue.
#[derive(Debug, Default)]
pub struct Groups {
    /// By id.
    pub known: BTreeMap<String, Entry<Group>>,
    /// What stands there in place of those that cannot be read.
    pub unread: BTreeMap<String, Item>,
}

/// The memory of one queue.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// Where it stands.
    pub ledger: &'a Ledger,
    /// The queue's ARN.
    pub queue: &'a str,
}

impl Memory<'_> {
    fn pk(&self) -> String {
        format!("letters#{}", self.queue)
    }

    /// What was seen and told of the queue last.
    ///
    /// # Errors
    /// What the ledger answers.
    pub async fn last(&self) -> Result<Entry<Last>> {
        let item = self.ledger.look_up(&self.pk(), "queue").await?;
        Ok(Entry { value: item.as_ref().and_then(document).unwrap_or_default(), item })
    }

    /// All groups that are remembered, by id.
    ///
    /// # Errors
    /// What the ledger answers.
    pub async fn groups(&self) -> Result<Groups> {
        let items = self.ledger.list(&self.pk(), "group#", MOST_GROUPS).await?;
        let mut groups = Groups::default();
        for item in items {
            let Some(id) = get_s(&item, "sk").and_then(|sk| Some(sk.strip_prefix("group#")?.to_owned()))
            else {
                continue;
            };
            match document(&item) {
                Some(value) => groups.known.insert(id, Entry { value, item: Some(item) }).map(drop),
                // It is of another version: it is begun anew, and written over.
                None => groups.unread.insert(id, item).map(drop),
            };
        }
        Ok(groups)
    }

    /// Writes the queue's entry.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where somebody else changed it.
    pub async fn keep_last(&self, entry: &mut Entry<Last>, now: Timestamp) -> Result<()> {
        self.keep("queue", entry, now).await
    }

    /// Writes a group's entry.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where somebody else changed it.
    pub async fn keep_group(&self, id: &str, entry: &mut Entry<Group>, now: Timestamp) -> Result<()> {
        self.keep(&format!("group#{id}"), entry, now).await
    }

    async fn keep<T: Serialize>(&self, sk: &str, entry: &mut Entry<T>, now: Timestamp) -> Result<()> {
        let text = serde_json::to_string(&entry.value)
            .map_err(|error| Error::Malformed(format!("what is remembered cannot be written: {error}")))?;
        let item = Item::from([
            ("pk".to_owned(), s(self.pk())),
            ("sk".to_owned(), s(sk)),
            ("document".to_owned(), s(text)),
            ("expires_at".to_owned(), expiry(now, DAYS_KEPT)),
        ]);
        let written = self.ledger.swap(item, entry.item.as_ref()).await?;
        match written {
            Some(item) => {
                entry.item = Some(item);
                Ok(())
            }
            None => Err(Error::Later(format!("what is remembered of {} was changed meanwhile", self.queue))),
        }
    }

    /// How far the restoring of a part of the archive is, and whether that could be read: nothing is, where not.
    ///
    /// # Errors
    /// What the ledger answers.
    pub async fn restored(&self, part: &str) -> Result<(Entry<Restored>, bool)> {
        let item = self.ledger.look_up(&self.pk(), &format!("restored#{part}")).await?;
        let value = item.as_ref().map_or_else(|| Some(Restored::default()), document);
        let is_read = value.is_some();
        Ok((Entry { value: value.unwrap_or_default(), item }, is_read))
    }

    /// Writes down how far the restoring of a part is.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where somebody else restores it.
    pub async fn keep_restored(&self, part: &str, entry: &mut Entry<Restored>, now: Timestamp) -> Result<()> {
        self.keep(&format!("restored#{part}"), entry, now).await
    }

    /// Takes the queue in hand until then. Whether nobody else has it is the answer.
    ///
    /// # Errors
    /// What the ledger answers.
    pub async fn take(&self, owner: &str, until: Timestamp, now: Timestamp) -> Result<bool> {
        for _ in 0..TRIES {
            let item = self.ledger.look_up(&self.pk(), "lease").await?;
            let held: Option<Lease> = item.as_ref().and_then(document);
            if held.is_some_and(|held| held.owner != owner && now < held.until) {
                return Ok(false);
            }
            let mut entry = Entry { value: Lease { owner: owner.to_owned(), until }, item };
            match self.keep("lease", &mut entry, now).await {
                Ok(()) => return Ok(true),
                Err(Error::Later(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Gives the queue back, if it still is ours.
    ///
    /// # Errors
    /// What the ledger answers.
    pub async fn give_back(&self, owner: &str) -> Result<()> {
        let item = self.ledger.look_up(&self.pk(), "lease").await?;
        let is_ours = item.as_ref().and_then(document).is_some_and(|held: Lease| held.owner == owner);
        if let (Some(item), true) = (item, is_ours) {
            self.ledger.take_away(&item).await?;
        }
        Ok(())
    }
}

/// Who works on a queue.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    owner: String,
    until: Timestamp,
}

fn document<T: DeserializeOwned>(item: &Item) -> Option<T> {
    serde_json::from_str(&get_s(item, "document")?).ok()
}

#[cfg(test)]
mod tests {
    use super::Restored;

    #[test]
    fn each_line_is_known_in_whatever_order_they_were_sent() {
        let mut restored = Restored::default();
        for line in [5, 1, 2, 9, 4, 2, 3] {
            restored.add(line);
        }
        assert_eq!(restored.sent, [(1, 5), (9, 9)]);
        assert!((1..=5).all(|line| restored.has(line)) && !restored.has(0) && !restored.has(6));
        for line in [3, 9, 1, 7] {
            restored.take(line);
        }
        assert_eq!(restored.sent, [(2, 2), (4, 5)]);
    }
}
