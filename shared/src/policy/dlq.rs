//! What is done with dead letters.

use std::fmt;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Lasting, Whole};
use super::{DAY, MINUTE, WEEK};

/// What is done with dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dlq {
    /// How many letters of a queue are read to see what there is. From 10 to 100000.
    #[serde(with = "Whole::<10, 100_000>")]
    pub look: u32,
    /// When and how letters are sent back.
    pub redrive: Redrive,
    /// What goes to the archive, and is taken out of its queue then.
    pub archive: Archive,
    /// How letters are judged before all else; the first rule that fits counts.
    pub rules: Vec<Rule>,
}

impl Default for Dlq {
    fn default() -> Self {
        Self { look: 10_000, redrive: Redrive::default(), archive: Archive::default(), rules: Vec::new() }
    }
}

/// When and how letters are sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redrive {
    /// Whether letters that died of something that passes are sent back without being asked.
    pub automatic: bool,
    /// How many letters of a group are sent back first. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub canary: u32,
    /// How long is waited for them to return; longer where the source keeps a message for longer before it gives it up.
    /// From 1m to 6h.
    #[serde(with = "Lasting::<MINUTE, { DAY / 4 }>")]
    pub patience: SignedDuration,
    /// How many letters a second at most, after the canary. From 1 to 10000.
    #[serde(with = "Whole::<1, 10_000>")]
    pub per_second: u32,
    /// How often one letter is sent back without being asked. From 1 to 20.
    #[serde(with = "Whole::<1, 20>")]
    pub at_most: u32,
    /// After letters of a group returned, the group is left alone for this long. From 1m to 14d.
    #[serde(with = "Lasting::<MINUTE, { 2 * WEEK }>")]
    pub hold: SignedDuration,
}

impl Default for Redrive {
    fn default() -> Self {
        Self {
            automatic: true,
            canary: 5,
            patience: SignedDuration::from_mins(5),
            per_second: 10,
            at_most: 3,
            hold: SignedDuration::from_hours(24),
        }
    }
}

/// What goes to the archive, and is taken out of its queue then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// What.
    pub what: Archived,
    /// How long before the queue would lose them letters are archived. From 1h to 7d.
    #[serde(with = "Lasting::<{ 60 * MINUTE }, WEEK>")]
    pub before_loss: SignedDuration,
}

impl Default for Archive {
    fn default() -> Self {
        Self { what: Archived::default(), before_loss: SignedDuration::from_hours(12) }
    }
}

/// Which letters go to the archive by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Archived {
    /// None; people are told before they are lost.
    Nothing,
    /// Those that their queue would soon lose.
    #[default]
    BeforeLoss,
    /// All that are not sent back.
    All,
}

/// How letters are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the rule is called in notices.
    pub name: String,
    /// The dead-letter queues it is about: a name, or the beginning of one and a star; without it, all.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub queue: String,
    /// What the letter must contain, as a regular expression (Rust `regex`): in its error, or where none is known, in what kind
    /// of message it is; without it, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What its body must contain, as a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How long ago it must have been sent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_lasting")]
    #[schemars(with = "Option<String>")]
    pub older_than: Option<SignedDuration>,
    /// What the letter is then.
    pub verdict: Verdict,
}

fn all() -> String {
    "*".to_owned()
}

fn is_all(queue: &str) -> bool {
    queue == "*"
}

/// A duration from one second to fourteen days, or none.
mod maybe_lasting {
    use jiff::SignedDuration;
    use serde::{Deserializer, Serializer};

    use super::super::WEEK;
    use super::Lasting;

    #[expect(clippy::ref_option, reason = "serde hands over a reference")]
    pub(super) fn serialize<S: Serializer>(
        duration: &Option<SignedDuration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => Lasting::<1, { 2 * WEEK }>::serialize(duration, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SignedDuration>, D::Error> {
        Lasting::<1, { 2 * WEEK }>::deserialize(from).map(Some)
    }
}

/// Why a letter died, and so whether sending it back can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Of something that passes: a throttle, a time-out, a broken connection.
    Transient,
    /// Of a missing permission or a wrong setting: somebody has to mend it first.
    Permission,
    /// Of what stands in it: it dies each time.
    Poison,
    /// Of its age: it waited for too long, and may mean nothing any more.
    Stale,
    /// Of its size: whoever is to take it cannot.
    Oversize,
    /// Nobody knows.
    Unknown,
}

impl Verdict {
    /// The word in the policy and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permission => "permission",
            Self::Poison => "poison",
            Self::Stale => "stale",
            Self::Oversize => "oversize",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
