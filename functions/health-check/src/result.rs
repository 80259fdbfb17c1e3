//! What a sweep found: the one model that every format is made of.

pub mod format;
#[cfg(test)]
pub(crate) mod samples;
mod summary;
mod table;
mod verbose;
pub(crate) mod words;
mod yaml;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use shared::notice::Fact;

use crate::component::{Kind, remembered};
use crate::decision::Health;

/// The version of the contract; the `schema` field of every result.
pub const SCHEMA: &str = "watchkeeper.health/1";

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sweep {
    /// The version of the contract.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The environment.
    pub environment: String,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The worst that was found.
    pub health: Health,
    /// How many are how.
    pub counts: Counts,
    /// What kept the sweep from being whole: what could not be discovered, what was not reached before the deadline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// All that was checked: causes before what they affect, and otherwise the worst first.
    pub components: Vec<Checked>,
}

/// How many are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Those that do not work.
    pub failed: usize,
    /// Those that work, but not as they should.
    pub degraded: usize,
    /// Those that could not be checked.
    pub unknown: usize,
    /// Those that are as they should be.
    pub healthy: usize,
    /// Those that it is not for the check to say of.
    pub not_applicable: usize,
}

impl Counts {
    /// How many are so.
    pub fn of(&mut self, health: Health) -> &mut usize {
        match health {
            Health::Failed => &mut self.failed,
            Health::Degraded => &mut self.degraded,
            Health::Unknown => &mut self.unknown,
            Health::Healthy => &mut self.healthy,
            Health::NotApplicable => &mut self.not_applicable,
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Its kind.
    pub kind: Kind,
    /// What people call it.
    pub name: String,
    /// Its ARN, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How it is.
    pub health: Health,
    /// Why, in plain words.
    pub reason: String,
    /// What was seen: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Seen>")]
    pub evidence: Vec<Fact>,
    /// What to do, in plain sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub todo: Vec<String>,
    /// Since when it is not healthy, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// What it stands on that is bad, and so probably why it is: `<kind>:<name>` of each root cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because_of: Vec<String>,
    /// What stands on it and is bad, too: `<kind>:<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<String>,
}

/// A name and a value.
#[derive(JsonSchema)]
#[schemars(rename = "Fact")]
#[expect(dead_code, reason = "it is only a schema")]
struct Seen {
    /// What it is.
    name: String,
    /// What it says.
    value: String,
}

/// The JSON Schema of a result; `result.schema.json` is written from it.
pub fn schema() -> Schema {
    schema_for!(Sweep)
}

impl Checked {
    /// What it is known by: kind and name.
    pub fn id(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }

    /// What it is remembered by from one sweep to the next.
    pub(crate) fn remembered(&self) -> String {
        remembered(self.kind, &self.name)
    }
}

impl Sweep {
    /// What the caller's process exits with, as the runbooks have it: 0 healthy, 1 errors, 2 warnings or something unknown, 3
    /// nothing that could be checked.
    pub fn exit(&self) -> u8 {
        // Nothing belongs to the environment: what the account says of itself is not its health.
        let nothing = |it: &Checked| it.kind == Kind::Tagging && it.health == Health::Unknown;
        match self.health {
            Health::Failed => 1,
            Health::Unknown if self.components.iter().any(nothing) && self.incomplete.is_empty() => 3,
            Health::Degraded | Health::Unknown => 2,
            Health::Healthy | Health::NotApplicable if self.components.is_empty() => 3,
            Health::Healthy | Health::NotApplicable => 0,
        }
    }
}

#[cfg(test)]
mod tests;
