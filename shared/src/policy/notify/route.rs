//! The tree of routes.

use std::borrow::Cow;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::read::{self, Lasting};
use super::super::{DAY, MINUTE};
use super::{HOUR, Matchers};

/// Where notices go, and when. What is left out holds as in the route above.
///
/// A notice goes down the tree: of a route's children the first that matches takes it, and, where that one says
/// `continue`, the next ones that match, too. Where no child takes it, the route itself tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Which notices; the root has none, because it takes all.
    #[serde(rename = "match", skip_serializing_if = "Matchers::is_empty")]
    pub matches: Matchers,
    /// Which channels; none: those of the route above, and for the root all of the secret.
    pub channels: Vec<String>,
    /// Whether the next routes beside this one are asked, too.
    #[serde(rename = "continue")]
    pub goes_on: bool,
    /// The labels whose values make a group that is told as one. With `incident`, each incident is told by itself;
    /// without any, all are one group. Channels that machines read are told each incident by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<String>>,
    /// How long others are waited for before a new group is told. From 0s to 1h.
    #[serde(skip_serializing_if = "Option::is_none", with = "Given::<0, HOUR>")]
    pub group_wait: Option<SignedDuration>,
    /// How long after a group was told what is new of it is told. From 0s to 24h.
    #[serde(skip_serializing_if = "Option::is_none", with = "Given::<0, DAY>")]
    pub group_interval: Option<SignedDuration>,
    /// After how long what still goes on is told again: never, or 30m to 30d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<Repeat>,
    /// Whether the end of an incident is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<bool>,
    /// The hours in which people are told, by their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// What becomes of notices outside of these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_hours: Option<OutsideHours>,
    /// What takes some of the notices out.
    pub routes: Vec<Route>,
}

/// What holds in a route when all that it inherits is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled<'a> {
    /// Which channels; none stands for all.
    pub channels: &'a [String],
    /// The labels whose values make a group; without them, each incident is told by itself.
    pub group_by: Option<&'a [String]>,
    /// Before a new group is told.
    pub group_wait: SignedDuration,
    /// Before what is new of a group is told.
    pub group_interval: SignedDuration,
    /// Before what still goes on is told again.
    pub repeat_interval: Repeat,
    /// Whether the end is told.
    pub resolved: bool,
    /// The hours in which people are told.
    pub hours: Option<&'a str>,
    /// What becomes of notices outside of these hours.
    pub outside_hours: OutsideHours,
}

impl Route {
    /// The root, with all its defaults written out.
    pub(super) fn root() -> Self {
        Self {
            group_by: Some(vec!["incident".to_owned()]),
            group_wait: Some(SignedDuration::ZERO),
            group_interval: Some(SignedDuration::from_mins(5)),
            repeat_interval: Some(Repeat::Never),
            resolved: Some(true),
            outside_hours: Some(OutsideHours::Wait),
            ..Self::default()
        }
    }

    /// What holds in this route, below what holds above it; the root has nothing above.
    pub fn settle<'a>(&'a self, above: Option<&Settled<'a>>) -> Settled<'a> {
        let above = above.copied().unwrap_or_default();
        let by_incident = |labels: &&[String]| !labels.iter().any(|label| label == "incident");
        let group_by = self.group_by.as_deref().map(|labels| Some(labels).filter(by_incident));
        Settled {
            channels: if self.channels.is_empty() { above.channels } else { &self.channels },
            group_by: group_by.unwrap_or(above.group_by),
            group_wait: self.group_wait.unwrap_or(above.group_wait),
            group_interval: self.group_interval.unwrap_or(above.group_interval),
            repeat_interval: self.repeat_interval.unwrap_or(above.repeat_interval),
            resolved: self.resolved.unwrap_or(above.resolved),
            hours: self.hours.as_deref().or(above.hours),
            outside_hours: self.outside_hours.unwrap_or(above.outside_hours),
        }
    }
}

/// What holds where no route says anything.
impl Default for Settled<'_> {
    fn default() -> Self {
        Self {
            channels: &[],
            group_by: None,
            group_wait: SignedDuration::ZERO,
            group_interval: SignedDuration::from_mins(5),
            repeat_interval: Repeat::Never,
            resolved: true,
            hours: None,
            outside_hours: OutsideHours::Wait,
        }
    }
}

/// What becomes of notices outside of the hours of their route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutsideHours {
    /// They wait until the hours begin.
    #[default]
    Wait,
    /// They are not told.
    Drop,
}

/// After how long what still goes on is told again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repeat {
    /// It is told once.
    #[default]
    Never,
    /// After this long.
    Every(SignedDuration),
}

impl Repeat {
    /// The time, where there is one.
    pub const fn every(self) -> Option<SignedDuration> {
        match self {
            Self::Never => None,
            Self::Every(time) => Some(time),
        }
    }
}

type Often = Lasting<{ 30 * MINUTE }, { 30 * DAY }>;

impl Serialize for Repeat {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => to.serialize_str("never"),
            Self::Every(time) => Often::serialize(time, to),
        }
    }
}

impl<'de> Deserialize<'de> for Repeat {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read::text(from, "never or a duration from 30m to 30d", |text| match text {
            "never" => Some(Self::Never),
            other => Often::parse(other).map(Self::Every),
        })
    }
}

impl JsonSchema for Repeat {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Repeat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["never", "4h", "1d"]})
    }
}

/// A duration within bounds that may be left out; `#[serde(with)]` names it.
struct Given<const LEAST: i64, const MOST: i64>;

impl<const LEAST: i64, const MOST: i64> Given<LEAST, MOST> {
    #[expect(clippy::ref_option, reason = "serde hands over a reference")]
    fn serialize<S: Serializer>(duration: &Option<SignedDuration>, to: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => Lasting::<LEAST, MOST>::serialize(duration, to),
            None => to.serialize_none(),
        }
    }

    fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SignedDuration>, D::Error> {
        Lasting::<LEAST, MOST>::deserialize(from).map(Some)
    }
}

impl<const LEAST: i64, const MOST: i64> JsonSchema for Given<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Lasting::<LEAST, MOST>::json_schema(generator)
    }
}
