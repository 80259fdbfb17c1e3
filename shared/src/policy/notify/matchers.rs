//! Which notices are meant, by their labels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::notice::Severity;

/// Which notices are meant: every label named here must have one of its values.
///
/// A value is written as it is, or as a pattern in which `*` stands for any text. With `!` in front, the label must
/// not have it. A label that a notice lacks is the empty text. See [`crate::notice::Notice::matched`] for the labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matchers(BTreeMap<String, Vec<String>>);

impl Matchers {
    /// Whether it names no label, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a notice with these labels is meant.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(name, values)| admit(values, labels.get(name).map_or("", String::as_str)))
    }

    /// Whether a notice may be meant whose label of this name has this value.
    pub fn admits(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_none_or(|values| admit(values, value))
    }

    /// Whether every value of this label is meant.
    pub fn admits_all(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|values| {
            let (not, any) = sides(values);
            not.is_empty() && any.into_iter().any(|pattern| pattern.contains('*') && like(pattern, ""))
        })
    }

    /// The names of the labels that it asks for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The first label of which it excludes all that it asks for, so that nothing is ever meant.
    pub fn excludes_itself(&self) -> Option<&str> {
        let never = |values: &Vec<String>| {
            let (not, any) = sides(values);
            // A pattern that is like another one, its stars taken as they are, has only texts that are like that one.
            let excluded = |wanted: &str| not.iter().any(|pattern| like(pattern, wanted));
            if any.is_empty() { not.contains(&"*") } else { any.into_iter().all(excluded) }
        };
        self.0.iter().find(|(_, values)| never(values)).map(|(name, _)| name.as_str())
    }

    /// These labels with one value each, such as for a silence made by hand.
    pub fn exactly<N: Into<String>, V: Into<String>>(labels: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(labels.into_iter().map(|(name, value)| (name.into(), vec![value.into()])).collect())
    }
}

/// What a label must not be, and of what it must be one.
fn sides(values: &[String]) -> (Vec<&str>, Vec<&str>) {
    let (not, any): (Vec<_>, Vec<_>) =
        values.iter().map(String::as_str).partition(|value| value.starts_with('!'));
    (not.into_iter().map(|pattern| pattern.trim_start_matches('!')).collect(), any)
}

/// Whether a label with these values may have this one.
fn admit(values: &[String], found: &str) -> bool {
    let (not, any) = sides(values);
    let wanted = any.is_empty() || any.into_iter().any(|pattern| like(pattern, found));
    wanted && !not.into_iter().any(|pattern| like(pattern, found))
}

/// Whether the text is as the pattern says, in which `*` stands for any text.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = rest.get(place + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// As it is written: `environment=prod, service=web-*|api`.
impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> =
            self.0.iter().map(|(name, values)| format!("{name}={}", values.join("|"))).collect();
        f.write_str(&shown.join(", "))
    }
}

impl Serialize for Matchers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, values) in &self.0 {
            match values.as_slice() {
                [value] => map.serialize_entry(name, value)?,
                several => map.serialize_entry(name, several)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Labels)
    }
}

struct Labels;

impl<'de> Visitor<'de> for Labels {
    type Value = Matchers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels with their values, such as {severity: [sev1, sev2], service: \"web-*\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Matchers, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let values = map.next_value_seed(Values { judge: judge_of(&name) })?;
            if name.is_empty() {
                return Err(A::Error::custom("a label has a name"));
            }
            if labels.insert(name, values).is_some() {
                return Err(A::Error::custom("a label stands there twice"));
            }
        }
        Ok(Matchers(labels))
    }
}

/// The value as it is compared, or what it is not.
type Judge = fn(&str) -> Result<String, &'static str>;

/// Values of labels that only have a few are checked, because one that is misspelt would never match.
fn judge_of(label: &str) -> Judge {
    match label {
        "severity" => |text| {
            let read: Result<Severity, _> = text.parse();
            read.map(|severity| severity.as_str().to_owned()).map_err(|_| "sev1 to sev4 or P1 to P4")
        },
        "state" => |text| match text {
            "firing" | "resolved" | "info" => Ok(text.to_owned()),
            _ => Err("firing, resolved or info"),
        },
        _ => |text| Ok(text.to_owned()),
    }
}

/// A value, or a list of values.
struct Values {
    judge: Judge,
}

impl Values {
    fn judged<E: Error>(&self, text: &str) -> Result<String, E> {
        let (not, bare) = text.strip_prefix('!').map_or(("", text), |bare| ("!", bare));
        if bare.contains('*') {
            return Ok(text.to_owned());
        }
        let refused = |expected| E::custom(format!("it is not {expected}"));
        (self.judge)(bare).map(|value| format!("{not}{value}")).map_err(refused)
    }
}

impl<'de> DeserializeSeed<'de> for Values {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a pattern such as \"web-*\", or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![self.judged(text)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Value(&self))? {
            values.push(value);
        }
        if values.is_empty() {
            return Err(A::Error::custom("an empty list matches nothing"));
        }
        Ok(values)
    }
}

/// One value of a list.
struct Value<'a>(&'a Values);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Value<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a pattern such as \"web-*\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.judged(text)
    }
}

impl JsonSchema for Matchers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Matchers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = || json_schema!({"type": "string"});
        json_schema!({
            "type": "object",
            "additionalProperties": {"anyOf": [one(), {"type": "array", "items": one(), "minItems": 1}]},
            "examples": [{"severity": ["sev1", "sev2"], "service": "web-*", "team": "!data"}]
        })
    }
}
