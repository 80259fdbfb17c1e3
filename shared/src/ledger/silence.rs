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

/// How often an end is tried anew when somebody else was faster.
const TRIES: usize = 5;

/// The attribute that says when it was made.
pub(super) const MADE: &str = "made";

/// The attribute that says who ended it before its time. When, its `until` says.
const ENDED_BY: &str = "ended_by";

/// What became of ending a silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It ends now.
    Done(Silence),
    /// It was over before: somebody ended it, or its time had come.
    Before {
        /// The silence, with when it ended.
        silence: Silence,
        /// Who ended it.
        by: Option<String>,
    },
    /// No silence has this id.
    Unknown,
}

impl Ledger {
    /// The silences of an environment that hold now or will.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn silences(&self, environment: &str, now: Timestamp) -> Result<Vec<Silence>> {
        let found = self.list(&partition(environment), "", MOST).await?;
        Ok(found.iter().filter_map(written).filter(|silence| now < silence.until).collect())
    }

    /// Keeps a silence under its id, or changes the one that has it.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where somebody else changes it at the same moment.
    pub async fn silence(&self, environment: &str, silence: &Silence, now: Timestamp) -> Result<()> {
        let before = self.look_up(&partition(environment), &silence.id).await?;
        let item = HashMap::from([
            ("pk".to_owned(), s(partition(environment))),
            ("sk".to_owned(), s(&silence.id)),
            ("silence".to_owned(), s(text(silence)?)),
            (MADE.to_owned(), ms(now)),
            ("expires_at".to_owned(), expiry(silence.until.max(now), DAYS_KEPT)),
        ]);
        match self.swap(item, before.as_ref()).await? {
            Some(_) => Ok(()),
            None => Err(Error::Later(format!("somebody else changes the silence {}", silence.id))),
        }
    }

    /// Ends a silence now. It stays written down, with who ended it; one that is over stays as it is.
    ///
    /// # Errors
    /// What the ledger answers; [`Error::Later`] where others change it all the time.
    pub async fn end_silence(&self, environment: &str, id: &str, by: &str, now: Timestamp) -> Result<Ending> {
        for _ in 0..TRIES {
            let Some(entry) = self.look_up(&partition(environment), id).await? else {
                return Ok(Ending::Unknown);
            };
            let Some(silence) = written(&entry) else {
                return Err(Error::Malformed(format!(
                    "the silence {id} is written so that it cannot be read"
                )));
            };
            if silence.until <= now {
                return Ok(Ending::Before { silence, by: get_s(&entry, ENDED_BY) });
            }
            let ended = Silence { until: now, ..silence };
            let mut item = entry.clone();
            item.insert("silence".to_owned(), s(text(&ended)?));
            item.insert(ENDED_BY.to_owned(), s(by));
            item.insert("expires_at".to_owned(), expiry(now, DAYS_KEPT));
            if self.swap(item, Some(&entry)).await?.is_some() {
                return Ok(Ending::Done(ended));
            }
        }
        Err(Error::Later(format!("the silence {id} changes all the time")))
    }
}

pub(super) fn partition(environment: &str) -> String {
    format!("silences#{environment}")
}

/// The silence; of one that was ended before its time, the reason also says by whom.
pub(super) fn read(item: &Item) -> Option<Silence> {
    let silence = written(item)?;
    Some(match get_s(item, ENDED_BY) {
        Some(by) => Silence { reason: format!("{}; ended by {by}", silence.reason), ..silence },
        None => silence,
    })
}

fn written(item: &Item) -> Option<Silence> {
    serde_json::from_str(&get_s(item, "silence")?).ok()
}

fn text(silence: &Silence) -> Result<String> {
    serde_json::to_string(silence)
        .map_err(|error| Error::Malformed(format!("the silence cannot be written as JSON: {error}")))
}

#[cfg(test)]
mod tests;
