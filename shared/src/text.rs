//! Text that is not ours, where people read it.

use crate::{Error, Result};

/// Text that is not ours, on one line, without what is not seen but changes what is seen: escape sequences, marks
/// that turn the direction of the text around.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_hidden(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Whether it is not seen. What joins emoji and the letters of some scripts is not meant.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 80;

/// Who somebody says they are, as it is written down: it stands in messages to people, so it is one short line that shows
/// what it is.
///
/// # Errors
/// What is odd about it, as a sentence.
pub fn name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if name.chars().count() > LONGEST_NAME {
        return Err("The name is longer than 80 characters.");
    }
    // Also line ends of Unicode.
    if name.chars().any(|c| is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err("The name contains characters that cannot be seen.");
    }
    Ok(name.to_owned())
}

/// The same of a request that need not say who asks; an empty name says nothing.
///
/// # Errors
/// As [`name`], behind the request's field.
pub fn asked_by(request: &str, by: Option<&str>) -> Result<Option<String>> {
    let named = by.map(name).transpose().map_err(|why| Error::Event(format!("{request}.by: {why}")))?;
    Ok(named.filter(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::{asked_by, clean};

    #[test]
    fn who_asks_is_one_short_line() {
        for (by, expected) in [
            (None, Ok(None)),
            (Some("  "), Ok(None)),
            (Some(" ann\n"), Ok(Some("ann"))),
            (Some("Zoë 👩\u{200d}🚒"), Ok(Some("Zoë 👩\u{200d}🚒"))),
            (Some("ann\nadmin"), Err("redeploy.by: The name contains characters that cannot be seen.")),
            (Some("\u{1b}[31mann"), Err("redeploy.by: The name contains characters that cannot be seen.")),
            (Some("ann\u{2028}b"), Err("redeploy.by: The name contains characters that cannot be seen.")),
            (Some(&"é".repeat(80)), Ok(Some("é".repeat(80).as_str()))),
            (Some(&"é".repeat(81)), Err("redeploy.by: The name is longer than 80 characters.")),
        ] {
            let got = asked_by("redeploy", by);
            match expected {
                Ok(name) => assert_eq!(got.unwrap().as_deref(), name, "{by:?}"),
                Err(why) => assert!(got.unwrap_err().to_string().ends_with(why), "{by:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}c"), "a b\u{fffd}[31m\u{fffd}c");
        assert_eq!(clean("שלום 👩\u{200d}🚒 é"), "שלום 👩\u{200d}🚒 é");
    }
}
