//! What a version of a secret holds: one text, or a JSON object whose other fields stay exactly as they are.
//!
//! The fields are those of AWS's documented structures ("JSON structure of AWS Secrets Manager secrets"), and a few
//! beside them:
//!
//! | field | of which strategy | |
//! |---|---|---|
//! | `engine` | all | `postgres`, `aurora-postgresql`, `redis`, `valkey` or `elasticache`; says the strategy where no tag does |
//! | `host` | all but `random` | required |
//! | `port` | all but `random` | a number or a text; 5432, or 6379 for Valkey, where it lacks |
//! | `username`, `password` | `postgres`, `postgres-alternating`, `valkey-user` | required; a Valkey user's first password may lack |
//! | `dbname` | `postgres`, `postgres-alternating` | `postgres` where it lacks |
//! | `masterarn` or `superuser_secret_arn` | `postgres-alternating` | required: the secret of the user who may create and change both |
//! | `user_id` or `user_arn` | `valkey-user` | required: the ElastiCache user |
//! | `replication_group_id` | `valkey-auth-token` | required |
//! | `auth_token` or `password` | `valkey-auth-token` | the token: `auth_token` where that field is there |

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::hidden::Hidden;

/// Fields that say where and who, and are no secret.
const OPEN: [&str; 14] = [
    "engine",
    "host",
    "port",
    "username",
    "dbname",
    "masterarn",
    "superuser_secret_arn",
    "user_id",
    "user_arn",
    "replication_group_id",
    "dbInstanceIdentifier",
    "dbClusterIdentifier",
    "ssl",
    "database",
];

/// What a version of a secret holds.
#[derive(Clone)]
pub enum Document {
    /// One text.
    Plain(Hidden),
    /// The fields of a JSON object, in their order, each as it is written.
    Object(Vec<(String, Box<RawValue>)>),
}

impl Document {
    /// Reads a secret's text.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        let Ok(Fields(fields)) = serde_json::from_str::<Fields>(text) else {
            return Ok(Self::Plain(Hidden::new(text)));
        };
        for (index, (name, _)) in fields.iter().enumerate() {
            if fields.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(format!("names the field {name:?} twice"));
            }
        }
        Ok(Self::Object(fields))
    }

    /// Its text.
    pub fn text(&self) -> Hidden {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Object(fields) => Hidden::new(serde_json::to_string(&Ordered(fields)).unwrap_or_default()),
        }
    }

    /// The text of a field that is a text or a number; an empty one counts as none.
    pub fn field(&self, name: &str) -> Option<String> {
        let Self::Object(fields) = self else { return None };
        let (_, raw) = fields.iter().find(|(field, _)| field == name)?;
        let text = match serde_json::from_str(raw.get()).ok()? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// Whether the object has this field, whatever it holds.
    pub fn has(&self, name: &str) -> bool {
        matches!(self, Self::Object(fields) if fields.iter().any(|(field, _)| field == name))
    }

    /// The same with this field holding this text; a new field stands last.
    #[must_use]
    pub fn with(&self, name: &str, value: &Hidden) -> Self {
        let Ok(raw) = serde_json::value::to_raw_value(value.reveal()) else { return self.clone() };
        let mut fields = match self {
            Self::Plain(_) => Vec::new(),
            Self::Object(fields) => fields.clone(),
        };
        match fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => *old = raw,
            None => fields.push((name.to_owned(), raw)),
        }
        Self::Object(fields)
    }

    /// Whether both hold the same but for these fields.
    pub fn same_but(&self, other: &Self, renewed: &[String]) -> bool {
        let (Self::Object(ours), Self::Object(theirs)) = (self, other) else { return false };
        let kept = |fields: &[(String, Box<RawValue>)]| {
            let mut kept: Vec<_> = fields
                .iter()
                .filter(|(name, _)| !renewed.contains(name))
                .map(|(name, raw)| (name.clone(), raw.get().to_owned()))
                .collect();
            kept.sort();
            kept
        };
        kept(ours) == kept(theirs)
    }

    /// Every value that must not be seen.
    pub fn hidden(&self) -> Vec<Hidden> {
        match self {
            Self::Plain(text) => vec![text.clone()],
            Self::Object(fields) => {
                let mut hidden = Vec::new();
                for (name, raw) in fields {
                    if !OPEN.contains(&name.as_str()) {
                        match serde_json::from_str(raw.get()) {
                            Ok(value) => texts(&value, &mut hidden),
                            Err(_) => hidden.push(Hidden::new(raw.get())),
                        }
                    }
                }
                hidden
            }
        }
    }
}

/// Every text and number within a value; the words that JSON itself has tell nothing.
fn texts(value: &serde_json::Value, found: &mut Vec<Hidden>) {
    match value {
        serde_json::Value::String(text) => found.push(Hidden::new(text)),
        serde_json::Value::Number(number) => found.push(Hidden::new(number.to_string())),
        serde_json::Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Document {}

/// The names of its fields, and no value.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("text"),
            Self::Object(fields) => f.debug_list().entries(fields.iter().map(|(name, _)| name)).finish(),
        }
    }
}

/// A record says which fields there are, and no value.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(_) => serializer.serialize_str("text"),
            Self::Object(fields) => serializer.collect_seq(fields.iter().map(|(name, _)| name)),
        }
    }
}

/// A JSON object in the order in which it is written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

struct Ordered<'a>(&'a [(String, Box<RawValue>)]);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, raw) in self.0 {
            map.serialize_entry(name, raw)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
