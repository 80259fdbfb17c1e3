//! Buckets that check what is put into them, and give back what they were given, unless somebody damages it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use jiff::Timestamp;

use super::{hash, locked};
use crate::proxy::{Answer, Call};

mod calls;
mod received;

/// Some buckets of S3, all of them versioned.
///
/// It answers `PutObject`, `GetObject`, `HeadObject`, `DeleteObject`, `ListObjectsV2` and `HeadBucket`, by path and by
/// host. What is put is checked against every checksum that comes with it; headers and parameters that S3 has and this
/// double does not are answered with `NotImplemented`. A clone is the same double.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    may_delete: bool,
    minted: u64,
}

/// The versions of each key, the oldest first.
type Bucket = BTreeMap<String, Vec<Version>>;

#[derive(Debug)]
struct Version {
    id: String,
    /// `None` for a delete marker.
    bytes: Option<Vec<u8>>,
    etag: String,
    /// What goes back with it: its type, its metadata.
    headers: Vec<(String, String)>,
    /// What goes back with it to who asks for checksums.
    checksums: Vec<(String, String)>,
    written: Timestamp,
}

impl Objects {
    /// No buckets.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty bucket.
    #[must_use]
    pub fn bucket(self, name: &str) -> Self {
        self.state().buckets.entry(name.to_owned()).or_default();
        self
    }

    /// Lets callers delete objects; before, they are refused with `AccessDenied`.
    #[must_use]
    pub fn deletable(self) -> Self {
        self.state().may_delete = true;
        self
    }

    /// Every object that is there: its bucket, its key and its bytes, in the order of their names.
    pub fn objects(&self) -> Vec<(String, String, Vec<u8>)> {
        let state = self.state();
        let objects = state.buckets.iter().flat_map(|(bucket, keys)| {
            keys.iter().filter_map(move |(key, versions)| {
                Some((bucket.clone(), key.clone(), versions.last()?.bytes.clone()?))
            })
        });
        objects.collect()
    }

    /// How many versions a key has in all buckets, delete markers among them.
    pub fn versions(&self, key: &str) -> usize {
        self.state().buckets.values().filter_map(|keys| keys.get(key)).map(Vec::len).sum()
    }

    /// A header that was kept with an object, such as `x-amz-meta-letters`.
    pub fn header(&self, key: &str, name: &str) -> Option<String> {
        let state = self.state();
        let version = state.buckets.values().find_map(|keys| keys.get(key))?.last()?;
        version.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Flips a bit in the middle of an object. What S3 says of it stays as it was, checksums included.
    ///
    /// # Errors
    /// When there is no such object, or nothing in it.
    pub fn damage(&self, key: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let versions = state.buckets.values_mut().find_map(|keys| keys.get_mut(key));
        let bytes = versions.and_then(|versions| versions.last_mut()?.bytes.as_mut());
        let bytes = bytes.with_context(|| format!("there is no object {key}"))?;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).with_context(|| format!("{key} is empty"))? ^= 1;
        Ok(())
    }

    /// The answer to a call that this double covers: one about a bucket that it has.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(&mut self.state(), call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn id(&mut self) -> String {
        self.minted += 1;
        hash(&format!("version {}", self.minted)).chars().take(32).collect()
    }
}

#[cfg(test)]
mod tests;
