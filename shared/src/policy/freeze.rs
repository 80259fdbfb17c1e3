//! The freeze switch.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::read;

/// Whether anything is changed at all. In the document: `false`, `true`, or `{until, reason}`, either may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Freeze {
    /// Things are changed.
    #[default]
    Off,
    /// Nothing is changed.
    On(Frozen),
}

/// A freeze.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Frozen {
    /// When it ends by itself, RFC 3339 with an offset; without it, when it is taken away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "until")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// Why, in words that people are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Freeze {
    /// The freeze that is on at this time.
    pub fn at(&self, now: Timestamp) -> Option<&Frozen> {
        match self {
            Self::Off => None,
            Self::On(frozen) => frozen.until.is_none_or(|until| now < until).then_some(frozen),
        }
    }
}

/// The end of a sentence such as "nothing is changed …".
impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "until {until}")?,
            None => f.write_str("until the freeze is taken out of the policy")?,
        }
        self.reason.as_deref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

fn until<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    read::text(from, "a time with its offset, such as 2026-12-27T00:00:00Z", |text| text.parse().ok())
        .map(Some)
}

impl Serialize for Freeze {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_bool(false),
            Self::On(Frozen { until: None, reason: None }) => to.serialize_bool(true),
            Self::On(frozen) => frozen.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Freeze {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Freeze;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("false, true or {until: <time>, reason: <text>}")
    }

    fn visit_bool<E>(self, frozen: bool) -> Result<Freeze, E> {
        Ok(if frozen { Freeze::On(Frozen::default()) } else { Freeze::Off })
    }

    /// `freeze:` with nothing behind it.
    fn visit_unit<E>(self) -> Result<Freeze, E> {
        Ok(Freeze::Off)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Freeze, A::Error> {
        Frozen::deserialize(MapAccessDeserializer::new(map)).map(Freeze::On)
    }
}

impl JsonSchema for Freeze {
    fn schema_name() -> Cow<'static, str> {
        "Freeze".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "boolean"}, generator.subschema_for::<Frozen>()]})
    }
}
