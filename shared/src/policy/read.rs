//! How the document is read: every value is judged where it stands, so that an error has its line.

use std::borrow::Cow;
use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DAY, Policy, ScaledToZero, health, notify, scale};

/// The policy, or what is wrong with it: `line 7: rollback.cooldown: …`.
pub(super) fn document(text: &str) -> Result<Policy, String> {
    let policy: Policy = serde_norway::from_str(text).map_err(|error| told(&error))?;
    let problem = scale::problem(&policy.scale)
        .or_else(|| health::problem(&policy.health))
        .or_else(|| notify::problem(&policy.notify));
    match problem {
        None => Ok(policy),
        Some((path, wrong)) => Err(place(text, &path, &wrong)),
    }
}

fn told(error: &serde_norway::Error) -> String {
    let said = error.to_string();
    let Some(place) = error.location() else { return unquoted(&said) };
    let mark = format!(" at line {} column {}", place.line(), place.column());
    format!("line {}: {}", place.line(), unquoted(said.strip_suffix(&mark).unwrap_or(&said)))
}

/// What serde says begins with one of these, behind the way to the value.
const SAYINGS: [&str; 5] =
    ["invalid type: ", "invalid value: ", "unknown variant `", "unknown field `", "missing field `"];

/// The longest name that is repeated.
const LONGEST_NAME: usize = 40;

/// What the reader says, without the text that it was given: that may be an address or a secret in the wrong place.
fn unquoted(said: &str) -> String {
    let begins = SAYINGS.iter().filter_map(|saying| said.find(saying)).min();
    let (path, what) = match begins {
        Some(at) => (said.get(..at).unwrap_or_default(), said.get(at..).unwrap_or_default()),
        None => said.split_once(": ").unwrap_or(("", said)),
    };
    let what = saying(what);
    match way(path.trim_end_matches(": ")) {
        path if path.is_empty() => what,
        path => format!("{path}: {what}"),
    }
}

/// The way to a value, as far as its steps look like names.
fn way(path: &str) -> String {
    let named: Vec<_> = path.split('.').take_while(|step| is_name(step)).collect();
    let shown = named.join(".");
    if shown.len() == path.len() { shown } else { format!("{shown}.…").trim_start_matches('.').to_owned() }
}

/// Whether it looks like the name of something. The reader puts the place in a list behind it.
fn is_name(text: &str) -> bool {
    text.chars().count() <= LONGEST_NAME
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '[' | ']' | '?'))
}

fn saying(what: &str) -> String {
    for kind in ["invalid type: ", "invalid value: "] {
        let Some(rest) = what.strip_prefix(kind) else { continue };
        // A text may hold what follows it; what is expected is ours.
        let parted = if rest.starts_with("string ") {
            rest.rsplit_once("\", expected ")
        } else {
            rest.split_once(", expected ")
        };
        let Some((found, expected)) = parted else { return "it cannot be meant".to_owned() };
        return format!("{kind}{}, expected {}", in_words(found), in_words(expected));
    }
    if let Some(rest) = what.strip_prefix("unknown variant `") {
        return rest.rsplit_once("`, expected ").map_or_else(
            || "unknown word".to_owned(),
            |(_, expected)| format!("unknown word, expected {expected}"),
        );
    }
    match what.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected ")) {
        Some((name, expected)) if !is_name(name) => format!("unknown field, expected {expected}"),
        Some(_) | None => what.to_owned(),
    }
}

/// A kind of value as people call it, where the reader uses Rust's words.
fn in_words(kind: &str) -> &str {
    let word = kind.split(' ').next().unwrap_or_default();
    match (word, kind) {
        ("string" | "character", _) | (_, "a string" | "a borrowed string") => "a text",
        ("struct", _) => "a mapping of fields",
        ("map", _) | (_, "a map") => "a mapping",
        ("sequence", _) | (_, "a sequence") => "a list",
        ("unit", _) => "nothing",
        ("enum" | "variant", _) => "one of the words for it",
        ("field", _) => "the name of a field",
        (_, "a boolean") => "true or false",
        ("u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize", _) => {
            "a whole number"
        }
        ("f32" | "f64", _) => "a number",
        _ => kind,
    }
}

/// One step of the way to a value in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The field, or the key of a mapping.
    Field(String),
    /// The item of a list.
    Item(usize),
}

impl From<&str> for Step {
    fn from(name: &str) -> Self {
        Self::Field(name.to_owned())
    }
}

impl From<usize> for Step {
    fn from(place: usize) -> Self {
        Self::Item(place)
    }
}

/// What is wrong with the value at the end of this path, with its line. Only the reader knows lines, so the document is
/// read again, up to the value, which is then refused.
fn place(text: &str, path: &[Step], wrong: &str) -> String {
    let refused = Way { path, wrong }.deserialize(serde_norway::Deserializer::from_str(text)).err();
    let steps = path.iter().map(|step| match step {
        Step::Field(name) => format!(".{name}"),
        Step::Item(place) => format!("[{place}]"),
    });
    let said = format!("{}: {wrong}", way(steps.collect::<String>().trim_start_matches('.')));
    // A value that is not written has no line.
    match refused.and_then(|error| error.location()) {
        Some(place) => format!("line {}: {said}", place.line()),
        None => said,
    }
}

struct Way<'a> {
    path: &'a [Step],
    wrong: &'a str,
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl Way<'_> {
    fn refuse<E: serde::de::Error>(&self) -> Result<(), E> {
        Err(E::custom(self.wrong))
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document that was read before")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((next, path)) = self.path.split_first() else { return self.refuse() };
        while let Some(key) = map.next_key::<String>()? {
            if *next == Step::Field(key) {
                map.next_value_seed(Way { path, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((next, path)) = self.path.split_first() else { return self.refuse() };
        for place in 0.. {
            let found = if *next == Step::Item(place) {
                list.next_element_seed(Way { path, ..self })?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !found {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.refuse()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.refuse()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.refuse()
    }
}

/// A value that is written as text; `expected` says how.
pub(super) fn text<'de, D, T, F>(from: D, expected: &'static str, parse: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    F: FnOnce(&str) -> Option<T>,
{
    from.deserialize_str(Text { expected, parse: |text: &str| parse(text).ok_or_else(|| refused(expected)) })
}

/// What a text is not. It is not repeated: see [`unquoted`].
fn refused(expected: &str) -> String {
    format!("it is not {expected}")
}

/// The text is judged inside the visitor, because only there the reader knows the line.
struct Text<E, F> {
    expected: E,
    parse: F,
}

impl<E: fmt::Display, T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<E, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expected.fmt(f)
    }

    fn visit_str<R: serde::de::Error>(self, text: &str) -> Result<T, R> {
        (self.parse)(text).map_err(R::custom)
    }
}

/// A duration within bounds, both included, in seconds; `#[serde(with)]` names it.
pub(super) struct Lasting<const LEAST: i64, const MOST: i64>;

impl<const LEAST: i64, const MOST: i64> Lasting<LEAST, MOST> {
    fn expected() -> String {
        let [least, most] = [LEAST, MOST].map(shown);
        format!("a duration from {least} to {most}, such as 90m or 1h 30m")
    }

    /// The duration, where it is one within the bounds.
    pub(super) fn parse(text: &str) -> Option<SignedDuration> {
        let bounds = SignedDuration::from_secs(LEAST)..=SignedDuration::from_secs(MOST);
        lasting(text).filter(|read| bounds.contains(read))
    }

    pub(super) fn serialize<S: Serializer>(duration: &SignedDuration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{duration:#}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SignedDuration, D::Error> {
        let expected = Self::expected();
        from.deserialize_str(Text {
            expected: &expected,
            parse: |text: &str| Self::parse(text).ok_or_else(|| refused(&expected)),
        })
    }
}

/// jiff's friendly format or ISO 8601; a day is 24 hours and a week is 7 days.
fn lasting(text: &str) -> Option<SignedDuration> {
    text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

fn shown(seconds: i64) -> String {
    match (seconds / DAY, seconds % DAY) {
        (days @ 2.., 0) => format!("{days}d"),
        _ => format!("{:#}", SignedDuration::from_secs(seconds)),
    }
}

impl<const LEAST: i64, const MOST: i64> JsonSchema for Lasting<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["90m", "1h 30m", "PT1H30M"]})
    }
}

/// A whole number within bounds, both included; `#[serde(with)]` names it.
pub(super) struct Whole<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Whole<LEAST, MOST> {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(super) fn serialize<S: Serializer>(number: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(*number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        from.deserialize_u32(Self)
    }
}

/// The same where there need be none: with `#[serde(default)]`, what is not there is none.
pub(super) struct Perhaps<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Perhaps<LEAST, MOST> {
    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(super) fn serialize<S: Serializer>(number: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
        number.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
        Whole::<LEAST, MOST>::deserialize(from).map(Some)
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Perhaps<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Whole::<LEAST, MOST>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Whole::<LEAST, MOST>::json_schema(generator)
    }
}

impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Whole<LEAST, MOST> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u32, E> {
        u32::try_from(number)
            .ok()
            .filter(|number| (LEAST..=MOST).contains(number))
            .ok_or_else(|| E::custom(format!("{number} is not a whole number from {LEAST} to {MOST}")))
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST})
    }
}

// An enum's variant with a value would be a tag in YAML, so this one is written as a mapping.
/// It is set to this many tasks.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Recover {
    /// The number of tasks. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    recover: u32,
}

impl Serialize for ScaledToZero {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Leave => to.serialize_str("leave"),
            Self::Recover(recover) => Recover { recover }.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for ScaledToZero {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScaledToZeroVisitor)
    }
}

struct ScaledToZeroVisitor;

impl<'de> Visitor<'de> for ScaledToZeroVisitor {
    type Value = ScaledToZero;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leave or {recover: <number of tasks>}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ScaledToZero, E> {
        if text == "leave" {
            return Ok(ScaledToZero::Leave);
        }
        Err(E::custom(refused("leave or {recover: <number of tasks>}")))
    }

    /// `scaled_to_zero:` with nothing behind it.
    fn visit_unit<E>(self) -> Result<ScaledToZero, E> {
        Ok(ScaledToZero::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScaledToZero, A::Error> {
        Recover::deserialize(MapAccessDeserializer::new(map)).map(|read| ScaledToZero::Recover(read.recover))
    }
}

impl JsonSchema for ScaledToZero {
    fn schema_name() -> Cow<'static, str> {
        "ScaledToZero".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"const": "leave"}, generator.subschema_for::<Recover>()]})
    }
}
