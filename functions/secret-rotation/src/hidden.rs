//! Values that must not be seen: neither in a log, nor in an error, nor in a record.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands in the place of a value.
const VEIL: &str = "…";

/// Shorter values are not looked for in texts: the words of any sentence would hold them.
const LEAST: usize = 6;

/// A value that is shown to nobody but the server that it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the server that it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(VEIL)
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(VEIL)
    }
}

/// A text in which none of the values stands any more. What servers and services answer is not ours to word, so this is
/// done to every such text, whether or not it is known to quote what it was sent.
pub fn veil(text: &str, values: &[Hidden]) -> String {
    let mut values: Vec<&str> =
        values.iter().map(Hidden::reveal).filter(|value| LEAST <= value.len()).collect();
    // The longest first, so that one value within another leaves nothing of it.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let mut text = text.to_owned();
    for value in values {
        if text.contains(value) {
            text = text.replace(value, VEIL);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Hidden, veil};

    #[test]
    fn a_hidden_value_shows_in_no_form() {
        let hidden = Hidden::new("correct-horse");
        assert_eq!(format!("{hidden:?}"), "…");
        assert_eq!(serde_json::to_string(&hidden).unwrap(), "\"…\"");
        assert_eq!(hidden.reveal(), "correct-horse");
    }

    #[track_caller]
    fn check(text: &str, values: &[&str], expected: &str) {
        let values: Vec<_> = values.iter().map(|value| Hidden::new(*value)).collect();
        assert_eq!(veil(text, &values), expected);
    }

    #[test]
    fn a_text_keeps_none_of_the_values() {
        check("no such password: hunter22!", &["hunter22"], "no such password: …!");
        check("hunter22 and hunter22abc", &["hunter22", "hunter22abc"], "… and …");
        check("nothing here", &["hunter22"], "nothing here");
        check("a value of no length", &[""], "a value of no length");
        check("a short one", &["a"], "a short one");
    }
}
