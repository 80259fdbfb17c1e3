//! A table that keeps to DynamoDB's rules for single entries: conditions are evaluated, keys and sizes checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value};

use super::locked;
use crate::proxy::{Answer, Call};

mod calls;
mod condition;

/// One table of DynamoDB with the partition key `pk` and the sort key `sk`, both of them text.
///
/// It answers `GetItem`, `PutItem`, `DeleteItem`, `Query` and `TransactWriteItems`, and evaluates conditions and key
/// conditions; parameters that DynamoDB has and this double does not are answered with `ValidationException`. Reads are
/// always consistent, nothing expires, and reserved words are not refused. A clone is the same double.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    state: Arc<Mutex<State>>,
}

/// An entry, as DynamoDB's JSON has it: `{"pk": {"S": "…"}, …}`.
pub type Entry = Map<String, Value>;

#[derive(Debug)]
struct State {
    entries: BTreeMap<(String, String), Entry>,
    /// So many entries a query answers with at once.
    page: usize,
}

impl Table {
    /// An empty table of this name.
    pub fn new(name: &str) -> Self {
        let state = State { entries: BTreeMap::new(), page: 1_000 };
        Self { name: name.to_owned(), state: Arc::new(Mutex::new(state)) }
    }

    /// The same with queries that answer with so many entries at once.
    #[must_use]
    pub fn with_pages_of(self, entries: usize) -> Self {
        self.state().page = entries.max(1);
        self
    }

    /// All entries, in the order of their keys.
    pub fn items(&self) -> Vec<Entry> {
        self.state().entries.values().cloned().collect()
    }

    /// The answer to a call that this double covers: one about this table.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(&mut self.state(), &self.name, call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

#[cfg(test)]
mod tests;
