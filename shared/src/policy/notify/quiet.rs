//! What is held back.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::super::read::{self, Lasting, Whole};
use super::super::{DAY, MINUTE};
use super::{HOUR, Matchers};
use crate::notice::Severity;

/// What is not told until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Its id, where it was made by hand and stands in the ledger; none in the policy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(skip)]
    pub id: String,
    /// Which notices.
    #[serde(rename = "match")]
    pub matches: Matchers,
    /// From when on, RFC 3339 with an offset; without it, at once.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Option<Timestamp>,
    /// Until when, RFC 3339 with an offset.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// Who wants it.
    #[serde(deserialize_with = "said")]
    pub author: String,
    /// Why.
    #[serde(deserialize_with = "said")]
    pub reason: String,
}

impl Silence {
    /// Whether it holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && now < self.until
    }
}

/// What is not told while something else fires that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// What must fire.
    pub source: Matchers,
    /// What is not told then.
    pub target: Matchers,
    /// The labels that must have the same value on both. A label that neither has is the same.
    #[serde(default)]
    pub equal: Vec<String>,
}

/// What becomes of a notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Telling {
    /// It is told.
    #[default]
    Tell,
    /// It is told when the window is over.
    Defer,
    /// It is not told.
    Mute,
}

/// What becomes of notices while a maintenance window is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    /// Of those of severity 1.
    pub sev1: Telling,
    /// Of those of severity 2.
    pub sev2: Telling,
    /// Of those of severity 3.
    pub sev3: Telling,
    /// Of those of severity 4.
    pub sev4: Telling,
}

impl Maintenance {
    /// What becomes of a notice of this severity.
    pub const fn of(&self, severity: Severity) -> Telling {
        match severity {
            Severity::Sev1 => self.sev1,
            Severity::Sev2 => self.sev2,
            Severity::Sev3 => self.sev3,
            Severity::Sev4 => self.sev4,
        }
    }
}

/// When an incident that comes and goes is not told each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flapping {
    /// After this many changes. From 3 to 32.
    #[serde(with = "Whole::<3, 32>")]
    pub changes: u32,
    /// Within this time. From 1m to 24h.
    #[serde(with = "Lasting::<MINUTE, DAY>")]
    pub within: SignedDuration,
    /// It is calm when it did not change for this long. From 1m to 24h.
    #[serde(with = "Lasting::<MINUTE, DAY>")]
    pub calm: SignedDuration,
}

impl Default for Flapping {
    fn default() -> Self {
        Self { changes: 6, within: SignedDuration::from_mins(30), calm: SignedDuration::from_mins(10) }
    }
}

/// When the notices of one source on one channel are told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    /// When there are more than this many. From 2 to 1000.
    #[serde(with = "Whole::<2, 1000>")]
    pub count: u32,
    /// Within this time. From 1m to 1h.
    #[serde(with = "Lasting::<MINUTE, HOUR>")]
    pub within: SignedDuration,
}

impl Default for Storm {
    fn default() -> Self {
        Self { count: 20, within: SignedDuration::from_mins(10) }
    }
}

pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    read::text(from, "a time with its offset, such as 2026-12-27T00:00:00Z", |text| text.parse().ok())
}

fn maybe_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    time(from).map(Some)
}

fn said<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    read::text(from, "a text", |text| Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
