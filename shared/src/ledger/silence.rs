//! `silence`: what people are not told for a while, made by hand.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Item, Ledger, expiry, get_s, ms, s};
use crate::policy::notify::Silence;
use crate::{Error, Result};

/// More than anybody can keep in mind.
const MOST: usize = 500;

/// How long a silence is remembered after it ended, for whoever asks.
const DAYS_KEPT: i64 = 30;

/// The attribute that says when it was made.
pub(super) const MADE: &str = "made";

impl Ledger {
    /// The silences of an environment that hold now or will.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn silences(&self, environment: &str, now: Timestamp) -> Result<Vec<Silence>> {
        let found = self.list(&partition(environment), "", MOST).await?;
        Ok(found.iter().filter_map(read).filter(|silence| now < silence.until).collect())
    }

    /// Keeps a silence under its id, or changes the one that has it.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where somebody else changes it at the same moment.
    pub async fn silence(&self, environment: &str, silence: &Silence, now: Timestamp) -> Result<()> {
        let before = self.look_up(&partition(environment), &silence.id).await?;
        let text = serde_json::to_string(silence)
            .map_err(|error| Error::Malformed(format!("the silence cannot be written as JSON: {error}")))?;
        let item = HashMap::from([
            ("pk".to_owned(), s(partition(environment))),
            ("sk".to_owned(), s(&silence.id)),
            ("silence".to_owned(), s(text)),
            (MADE.to_owned(), ms(now)),
            ("expires_at".to_owned(), expiry(silence.until.max(now), DAYS_KEPT)),
        ]);
        match self.swap(item, before.as_ref()).await? {
            Some(_) => Ok(()),
            None => Err(Error::Later(format!("somebody else changes the silence {}", silence.id))),
        }
    }
}

pub(super) fn partition(environment: &str) -> String {
    format!("silences#{environment}")
}

pub(super) fn read(item: &Item) -> Option<Silence> {
    serde_json::from_str(&get_s(item, "silence")?).ok()
}
