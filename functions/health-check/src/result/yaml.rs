//! YAML for language models, which pay by the token: every fact about what is not healthy, and of what is healthy
//! only the names, or the number where there are many of a kind, or where names would make it too long.
//!
//! What is worst comes first; each list is named by the state of what is in it. What a model can read without quotes
//! has none: a number that is written plainly was a text of just these digits. What is not seen is escaped, so that
//! no text can say to the model what a person would not see.

use std::fmt::Write;

use shared::text::is_hidden;

use crate::decision::Health;
use crate::result::words::{by_kind, count, those};
use crate::result::{Checked, Sweep};

/// How many names of a kind are listed; of more, only the number is told.
const NAMED: usize = 20;

/// How many bytes of JSON there are to be for each of the YAML: a byte of it is a fifth dearer in tokens than one of
/// the JSON, so that it then takes about a fifth of the JSON's tokens.
const SHARE: usize = 6;

/// The longest key that YAML reads without being told that it is one.
const LONGEST_KEY: usize = 100;

/// The document. The names of what is healthy are the first that it can do without.
pub(super) fn write(sweep: &Sweep) -> String {
    let text = document(sweep, NAMED);
    let json = serde_json::to_string_pretty(sweep).map_or(usize::MAX, |json| json.len());
    if text.len().saturating_mul(SHARE) <= json { text } else { document(sweep, 0) }
}

/// The document, with so many names of healthy ones of a kind at most.
fn document(sweep: &Sweep, named: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "health: {}", sweep.health.word());
    let _ = writeln!(text, "environment: {}", scalar(&sweep.environment));
    let _ = writeln!(text, "began: {}", sweep.began);
    let _ = writeln!(text, "took_ms: {}", sweep.took_ms);
    let counts: Vec<_> = Health::ALL
        .into_iter()
        .map(|health| (health, count(&sweep.counts, health)))
        .filter(|(_, many)| *many > 0)
        .map(|(health, many)| format!("{}: {many}", health.word()))
        .collect();
    let _ = writeln!(text, "counts: {{{}}}", counts.join(", "));
    items(&mut text, "", "incomplete", &sweep.incomplete);
    for health in Health::ALL.into_iter().filter(|health| *health != Health::Healthy) {
        for (place, it) in those(sweep, health).enumerate() {
            if place == 0 {
                let _ = writeln!(text, "{}:", health.word());
            }
            one(&mut text, it);
        }
    }
    healthy(&mut text, sweep, named);
    text
}

/// All that is known of what is not healthy.
fn one(text: &mut String, it: &Checked) {
    let _ = writeln!(text, "- id: {}", scalar(&it.id()));
    let _ = writeln!(text, "  reason: {}", scalar(&it.reason));
    if let Some(since) = it.since {
        let _ = writeln!(text, "  since: {since}");
    }
    if !it.because_of.is_empty() {
        let _ = writeln!(text, "  because_of: {}", flow(it.because_of.iter().map(String::as_str)));
    }
    if !it.affects.is_empty() {
        let _ = writeln!(text, "  affects: {}", flow(it.affects.iter().map(String::as_str)));
    }
    items(text, "  ", "todo", &it.todo);
    evidence(text, it);
    if let Some(arn) = &it.arn {
        let _ = writeln!(text, "  arn: {}", scalar(arn));
    }
}

/// A mapping of what was seen. What was seen more than once under one name is a list.
fn evidence(text: &mut String, it: &Checked) {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for fact in &it.evidence {
        match seen.iter_mut().find(|(name, _)| *name == fact.name) {
            Some((_, values)) => values.push(&fact.value),
            None => seen.push((&fact.name, vec![&fact.value])),
        }
    }
    if !seen.is_empty() {
        let _ = writeln!(text, "  evidence:");
    }
    for (name, values) in seen {
        let value = match values.as_slice() {
            [one] => scalar(one),
            more => flow(more.iter().copied()),
        };
        let key = scalar(name);
        let _ = if key.len() > LONGEST_KEY {
            writeln!(text, "    ? {key}\n    : {value}")
        } else {
            writeln!(text, "    {key}: {value}")
        };
    }
}

fn healthy(text: &mut String, sweep: &Sweep, named: usize) {
    let kinds = by_kind(sweep, Health::Healthy);
    if !kinds.is_empty() {
        let _ = writeln!(text, "healthy:");
    }
    for (kind, them) in kinds {
        let _ = match them.len() {
            many if many > named => writeln!(text, "  {kind}: {many}"),
            _ => writeln!(text, "  {kind}: {}", flow(them.iter().map(|it| it.name.as_str()))),
        };
    }
}

fn items(text: &mut String, indent: &str, key: &str, items: &[String]) {
    if !items.is_empty() {
        let _ = writeln!(text, "{indent}{key}:");
    }
    for item in items {
        let _ = writeln!(text, "{indent}- {}", scalar(item));
    }
}

/// A list on one line.
fn flow<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let within =
        |item: &str| if item.contains([',', '[', ']', '{', '}', '?']) { quoted(item) } else { scalar(item) };
    format!("[{}]", items.map(within).collect::<Vec<_>>().join(", "))
}

/// A text as YAML, in quotes only where it must be.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether every reader of YAML takes it for this text, or for the number that is written just so.
fn is_plain(text: &str) -> bool {
    let begins =
        text.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '_' | '(' | '$'));
    begins
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(is_escaped)
        && !is_word_of_yaml(text)
        && (is_number(text) || !is_like_a_number(text))
}

fn is_word_of_yaml(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A number that every reader writes again as it is here: `0`, `42`, `87.5`; not `007`, `1.10` or `1e3`.
fn is_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole, 12)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(|part| digits(part, 3) && !part.ends_with('0'))
}

/// What some reader may take for a number, a time of day, or a date.
fn is_like_a_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_numeric())
        && text.chars().all(|c| c.is_numeric() || c.is_ascii_hexdigit() || "xXoO_.:+-,".contains(c))
}

/// In quotes, with escapes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            c if is_escaped(c) => match u32::from(c) {
                code @ ..0x100 => write!(quoted, "\\x{code:02x}"),
                code @ ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                code => write!(quoted, "\\U{code:08x}"),
            },
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('"');
    quoted
}

/// What is no text by YAML's rules, and what is not seen.
fn is_escaped(c: char) -> bool {
    is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests;
