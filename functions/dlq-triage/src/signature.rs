//! What letters of one cause have in common: their signature, without what differs from one to the next, and the group's
//! id that follows from it.
//!
//! The recipe is the one of error trackers: flavour, where it comes from, the error's type, the frame it happened in, and
//! its message without ids, numbers, times, addresses and quoted values. It is applied in one pass over the text, and
//! looks at each character a bounded number of times.

use std::fmt;

use serde::Serialize;
use shared::id;

use crate::flavour::{DISCRIMINATORS, Flavour, Origin, TEXT};
use crate::redact::masked;

/// The version of the recipe. With another one, all groups get new ids.
const RECIPE: &str = "signature/1";

/// How much of a message, and of a frame, is told apart by; in bytes of its beginning.
const LONGEST_MESSAGE: usize = 600;
const LONGEST_FRAME: usize = 200;

/// No ARN is longer (IAM, "Amazon Resource Names").
const LONGEST_ARN: usize = 2_048;

/// A quotation longer than this is none, but an apostrophe and what comes after it.
const LONGEST_QUOTATION: usize = 200;

/// A word of letters and digits as long as this is an id.
const SHORTEST_ID: usize = 20;

/// A number of so many digits tells one message from the next, and not one kind of message from another.
const SHORTEST_NUMBER: u32 = 3;

/// What is longer is no kind.
const LONGEST_KIND: usize = 40;

/// A hexadecimal word with a digit as long as this is an id.
const SHORTEST_HEX: usize = 8;

/// More fields of a message tell people no more about it.
const TOLD: usize = 8;

/// What letters of one cause have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Signature {
    /// How they came to be dead.
    pub flavour: Flavour,
    /// What gave them up, or could not take them: an ARN, without a version.
    pub of: String,
    /// The error's type or code; empty where none is known.
    pub kind: String,
    /// Why they were given up; empty where it is not said.
    pub condition: String,
    /// The frame it happened in, without the line; empty where none is known.
    pub frame: String,
    /// The error's message without what differs, or, where no error is known, what kind of message it is.
    pub message: String,
    /// Whether no error is known.
    pub is_unknown: bool,
}

impl Signature {
    /// Of a letter.
    pub fn of(origin: &Origin<'_>) -> Self {
        let is_unknown = origin.kind.is_empty() && origin.message.is_empty();
        let message = if is_unknown {
            cut(&origin.shape, LONGEST_MESSAGE).to_owned()
        } else {
            // It stands in titles and in the log.
            masked(&normalised(cut(&origin.message, LONGEST_MESSAGE)))
        };
        Self {
            flavour: origin.flavour,
            of: cut(unversioned(&origin.of), LONGEST_ARN).to_owned(),
            kind: origin.kind.chars().take(100).collect(),
            condition: origin.condition.chars().take(100).collect(),
            frame: normalised(cut(&origin.frame, LONGEST_FRAME)),
            message,
            is_unknown,
        }
    }

    /// The group's id: the same for the same signature, always and everywhere, however it is told.
    pub fn id(&self) -> String {
        let Self { flavour, of, kind, condition, frame, message, is_unknown: _ } = self;
        id::of(&[RECIPE, flavour.as_str(), of, kind, condition, frame, message])
    }
}

/// One line for people.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_error = !self.kind.is_empty();
        match (has_error, self.message.is_empty()) {
            _ if self.is_unknown => f.write_str(&unknown(&self.message))?,
            (true, true) => f.write_str(&self.kind)?,
            (true, false) => write!(f, "{}: {}", self.kind, self.message)?,
            (false, _) => f.write_str(&self.message)?,
        }
        if !self.frame.is_empty() {
            write!(f, " ({})", self.frame)?;
        }
        Ok(())
    }
}

/// A message of which nothing says why it died, by its shape: [`Origin::shape`].
fn unknown(shape: &str) -> String {
    let names: Vec<&str> = match shape {
        "" => return "unknown cause; JSON without any field".to_owned(),
        TEXT => return "unknown cause; no JSON object".to_owned(),
        // The fields by which messages are told apart, each with its value; a value may be of several words.
        told if told.contains('=') => {
            let begins = told.match_indices(' ').filter(|(place, _)| {
                let word = told.get(place + 1..).unwrap_or_default();
                word.split_once('=').is_some_and(|(name, _)| DISCRIMINATORS.contains(&name))
            });
            let ends = begins.clone().map(|(place, _)| place).chain([told.len()]);
            let begins = [0].into_iter().chain(begins.map(|(place, _)| place + 1));
            begins.zip(ends).filter_map(|(begin, end)| told.get(begin..end)).collect()
        }
        names => names.split(' ').collect(),
    };
    let more = if names.len() > TOLD { ", …" } else { "" };
    let told: Vec<&str> = names.into_iter().take(TOLD).collect();
    format!("unknown cause; JSON with {}{more}", told.join(", "))
}

/// A function's ARN without its version or alias.
pub(crate) fn unversioned(arn: &str) -> &str {
    match arn.match_indices(':').nth(6) {
        Some((end, _)) if arn.contains(":function:") => arn.get(..end).unwrap_or(arn),
        Some(_) | None => arn,
    }
}

/// The beginning of a text, in bytes, cut between characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// The text as it tells kinds apart: `v1` and `v2` are two, `order-4711` and `order-4712` are not.
pub(crate) fn kind(text: &str) -> String {
    let mut run = 0;
    let mut longest = 0;
    for byte in text.bytes() {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let tells = longest < SHORTEST_NUMBER && !text.contains('@') && text.len() <= LONGEST_KIND;
    if tells { text.to_owned() } else { masked(&normalised(text)) }
}

/// The text without what differs from one occurrence to the next.
pub fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() || first.is_control() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let within_word = out.ends_with(char::is_alphanumeric);
        if let Some(after) = quotation(first, rest).filter(|_| !within_word) {
            out.push(first);
            out.push('…');
            out.push(if first == '“' { '”' } else { first });
            rest = after;
            continue;
        }
        if is_of_word(first) {
            let end = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            let bare = word.trim_end_matches(['.', ':', '-', '=', '?']);
            push_word(bare, &mut out);
            out.push_str(word.get(bare.len()..).unwrap_or_default());
            continue;
        }
        out.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    out.truncate(out.trim_end().len());
    out
}

/// What comes after a quotation that begins here.
fn quotation(first: char, rest: &str) -> Option<&str> {
    let close = match first {
        '"' | '\'' | '`' => first,
        '“' => '”',
        _ => return None,
    };
    let within = cut(rest, LONGEST_QUOTATION).get(first.len_utf8()..)?;
    let end = within.find(close)?;
    rest.get(first.len_utf8() + end + close.len_utf8()..)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '_' | '-' | '.' | ':' | '/' | '@' | '+' | '%' | '$' | '#' | '=' | '~' | '?' | '&')
}

fn push_word(word: &str, out: &mut String) {
    // `key=value` and `key:value` are two words.
    if let Some((key, value)) =
        word.split_once('=').filter(|_| !word.contains("://") && !word.starts_with("arn:"))
    {
        push_word(key, out);
        out.push('=');
        push_word(value, out);
        return;
    }
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    if word.starts_with("arn:") {
        let service = word.split(':').nth(2).unwrap_or_default();
        out.push_str("<arn:");
        out.push_str(service);
        out.push('>');
    } else if word.contains("://") {
        out.push_str("<url>");
    } else if is_address(word) {
        out.push_str("<email>");
    } else if has_digit && is_time(word) {
        out.push_str("<time>");
    } else if has_digit && is_id(word) {
        out.push('#');
    } else if has_digit {
        push_numbers(word, out);
    } else {
        out.push_str(word);
    }
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// A date, with a time or without, as in ISO 8601 and logs.
fn is_time(word: &str) -> bool {
    let mut bytes = word.bytes();
    let digits = bytes.by_ref().take(4).filter(u8::is_ascii_digit).count();
    digits == 4
        && matches!(bytes.next(), Some(b'-' | b'/'))
        && bytes.nth(1).is_some_and(|b| b.is_ascii_digit())
        || word.len() >= 8 && word.split(':').count() >= 3 && word.split(':').take(2).all(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A UUID, a hash, or another long word of letters and digits; a path is none.
fn is_id(word: &str) -> bool {
    if word.contains('/') {
        return false;
    }
    let bare = word.bytes().filter(|b| *b != b'-').count();
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    is_hex && bare >= SHORTEST_HEX && (digits < bare || is_uuid(word))
        || bare >= SHORTEST_ID
            && (3..bare).contains(&digits)
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
}

/// Whether hexadecimal digits are grouped as in a UUID (RFC 9562, 4): one that has no letter by chance is an id, too.
fn is_uuid(word: &str) -> bool {
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// Every run of digits becomes one sign; hexadecimal numbers with their `0x` too.
fn push_numbers(word: &str, out: &mut String) {
    // Parts of a path that are ids.
    if word.contains('/') {
        for (place, part) in word.split('/').enumerate() {
            if place > 0 {
                out.push('/');
            }
            if part.bytes().any(|b| b.is_ascii_digit()) && is_id(part) {
                out.push('#');
            } else {
                push_digits(part, out);
            }
        }
    } else if word.starts_with("0x") {
        out.push('#');
    } else {
        push_digits(word, out);
    }
}

fn push_digits(word: &str, out: &mut String) {
    let mut within = false;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit();
        if !is_digit {
            out.push(c);
        } else if !within {
            out.push('#');
        }
        within = is_digit;
    }
}

#[cfg(test)]
mod tests;
