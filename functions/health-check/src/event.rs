//! What the function is asked.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use shared::{Error, Result};

use crate::component::Kind;
use crate::result::format::Format;

/// What the function is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `{"check": "all"}`: to check everything, remember it, and tell what changed.
    All,
    /// `{"check": {…}}`: to check, and answer. Nothing is remembered, and nobody is told.
    Hand(Hand),
}

/// What somebody asks for by hand. All of it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Hand {
    /// The environment, to be sure that it is the one that is meant.
    pub(crate) environment: Option<String>,
    /// Only these kinds; without any, all.
    pub(crate) kinds: Vec<Kind>,
    /// How the answer is written.
    pub(crate) format: Format,
    /// How wide a table is, in characters.
    pub(crate) width: Option<usize>,
}

impl Hand {
    /// The kinds that are checked; nothing where that is all.
    pub(crate) fn wanted(&self) -> Option<BTreeSet<Kind>> {
        (!self.kinds.is_empty()).then(|| self.kinds.iter().copied().collect())
    }
}

/// What an event asks for.
pub(crate) fn read(event: &Value) -> Result<Asked> {
    const ADVICE: &str = "write {\"check\": \"all\"} to check everything and tell what changed, or {\"check\": \
                          {\"kinds\": [\"ecs-service\"], \"format\": \"table\"}} to look";
    let Some(asked) = event.get("check") else { return Err(Error::Event(ADVICE.to_owned())) };
    if asked == "all" {
        return Ok(Asked::All);
    }
    if !asked.is_object() {
        return Err(Error::Event(ADVICE.to_owned()));
    }
    let hand = Hand::deserialize(asked).map_err(|error| Error::Event(format!("{error}; {ADVICE}")))?;
    Ok(Asked::Hand(hand))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Asked, Hand, read};
    use crate::component::Kind;
    use crate::result::format::Format;

    #[test]
    fn what_is_asked_is_read_and_what_is_not_understood_says_what_to_write() {
        let hand = Hand { kinds: vec![Kind::Service], format: Format::Table, ..Hand::default() };
        assert_eq!(read(&json!({"check": "all"})).unwrap(), Asked::All);
        assert_eq!(read(&json!({"check": {}})).unwrap(), Asked::Hand(Hand::default()));
        let asked = json!({"check": {"kinds": ["ecs-service"], "format": "table"}});
        assert_eq!(read(&asked).unwrap(), Asked::Hand(hand));
        for (event, said) in [
            (json!({}), "write {"),
            (json!({"check": "some"}), "write {"),
            (json!({"check": {"kinds": ["service"]}}), "unknown variant `service`"),
            (json!({"check": {"kind": "ecs-service"}}), "unknown field `kind`"),
            (json!(null), "write {"),
        ] {
            let error = read(&event).unwrap_err().to_string();
            assert!(error.contains(said), "{event}: {error}");
        }
    }
}
