//! What is remembered from one sweep to the next.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `health#<environment>` | `component#<kind>:<name>` | a component that is not simply healthy: [`Kept`] |
//! | `health#<environment>` | `sweeps` | the last sweeps, what cannot be checked, when the digest was told |
//!
//! What is healthy, and known to be, has no entry: a sweep of a healthy environment reads one query and writes one entry.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ledger::{Item, Ledger, expiry, get_s, s};
use shared::{Error, Result};

use crate::decision::change::{Kept, Level};
use crate::decision::unchecked::Unchecked;
use crate::page::Point;

/// More than an environment has of them.
const MOST: usize = 20_000;

/// An entry that is not changed for so long is forgotten.
const DAYS_KEPT: i64 = 90;

/// How many sweeps are kept: two days of one every half hour, eight hours of one every five minutes.
const POINTS: usize = 96;

/// How many entries are written at once.
const WRITES: usize = 16;

const COMPONENT: &str = "component#";

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What is remembered of each, and how it stands in the table; one that cannot be read counts as new, and is replaced.
    components: BTreeMap<String, (Option<Kept>, Item)>,
    pub(crate) sweeps: Sweeps,
    entry: Option<Item>,
}

/// What is remembered of the sweeps as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sweeps {
    /// The last ones, oldest first.
    pub(crate) points: Vec<Point>,
    /// What people know that cannot be checked.
    pub(crate) unchecked: Option<Unchecked>,
    /// How many sweeps, one after another, were not whole.
    pub(crate) torn: u32,
    /// When a digest was told last.
    pub(crate) digest: Option<Timestamp>,
}

impl Sweeps {
    /// Adds a sweep, and forgets the oldest.
    pub(crate) fn add(&mut self, point: Point) {
        self.points.push(point);
        let over = self.points.len().saturating_sub(POINTS);
        self.points.drain(..over);
    }
}

impl Memory {
    /// What is remembered of an environment.
    pub(crate) async fn of(ledger: &Ledger, environment: &str) -> Result<Self> {
        let mut memory = Self::default();
        for item in ledger.list(&partition(environment), "", MOST).await? {
            let (Some(sort), Some(text)) = (get_s(&item, "sk"), get_s(&item, "kept")) else { continue };
            if let Some(id) = sort.strip_prefix(COMPONENT) {
                memory.components.insert(id.to_owned(), (serde_json::from_str(&text).ok(), item));
            } else if sort == "sweeps" {
                memory.sweeps = serde_json::from_str(&text).unwrap_or_default();
                memory.entry = Some(item);
            }
        }
        Ok(memory)
    }

    /// As if it had been read.
    #[cfg(test)]
    pub(crate) fn with(kept: BTreeMap<String, Kept>, sweeps: Sweeps) -> Self {
        let components = kept.into_iter().filter(|(_, kept)| !is_plain(kept));
        let components = components.map(|(id, kept)| (id, (Some(kept), Item::new()))).collect();
        Self { components, sweeps, entry: None }
    }

    /// What is remembered of a component.
    pub(crate) fn component(&self, id: &str) -> Option<&Kept> {
        self.components.get(id).and_then(|(kept, _)| kept.as_ref())
    }

    /// All that is remembered, by id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.components.iter().filter_map(|(id, (kept, _))| Some((id.as_str(), kept.as_ref()?)))
    }

    /// Writes down what changed. Where another sweep was faster, its word stands.
    pub(crate) async fn keep(
        &self,
        ledger: &Ledger,
        environment: &str,
        changed: &BTreeMap<String, Kept>,
        sweeps: &Sweeps,
        now: Timestamp,
    ) -> Result<()> {
        let write = async |(id, kept): (&String, &Kept)| {
            let before = self.components.get(id).map(|(_, item)| item);
            if is_plain(kept) {
                if let Some(before) = before {
                    ledger.take_away(before).await?;
                }
                return Ok(());
            }
            let item = item(environment, &format!("{COMPONENT}{id}"), kept, now)?;
            ledger.swap(item, before).await.map(drop)
        };
        let changed = changed.iter().filter(|(id, kept)| self.component(id) != Some(kept));
        stream::iter(changed).map(write).buffer_unordered(WRITES).try_collect::<()>().await?;
        let item = item(environment, "sweeps", sweeps, now)?;
        ledger.swap(item, self.entry.as_ref()).await.map(drop)
    }
}

/// Whether there is nothing to remember of it.
fn is_plain(kept: &Kept) -> bool {
    kept.level == Level::Well && kept.streak == 0 && kept.blind == 0 && kept.told.is_none()
}

fn partition(environment: &str) -> String {
    format!("health#{environment}")
}

fn item(environment: &str, sort: &str, kept: &impl Serialize, now: Timestamp) -> Result<Item> {
    let text = serde_json::to_string(kept)
        .map_err(|error| Error::Malformed(format!("what is remembered cannot be written: {error}")))?;
    let entries = [
        ("pk", s(partition(environment))),
        ("sk", s(sort)),
        ("kept", s(text)),
        ("expires_at", expiry(now, DAYS_KEPT)),
    ];
    Ok(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
