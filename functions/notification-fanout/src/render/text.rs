//! Untrusted text made fit for a channel: it mentions nobody, breaks no markup, hides nothing by direction marks, and is
//! cut so that its beginning and its end stay and it says what is missing.
//!
//! A size is always that of the text as it is sent, escaped and written as JSON: in UTF-16 units for Slack, which counts
//! no more than these, and in bytes for everyone else.

use std::borrow::Cow;
use std::fmt::Write;

use reqwest::Url;
use serde::Serialize;
use shared::text::is_hidden;

/// What is kept free for the line that says how much is missing.
const NOTE: usize = 64;

/// Breaks what must not be read as one word; nobody sees it.
const BREAK: char = '\u{200b}';

/// A cleaned text, not yet escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Cleans a text: control characters, direction overrides and invisible characters go; mass mentions and runs
    /// of backticks are broken by a zero-width space.
    pub fn of(raw: &'a str) -> Self {
        if raw.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n') && !matches!(byte, b'`' | b'@')) {
            return Self(Cow::Borrowed(raw));
        }
        let mut clean = String::with_capacity(raw.len() + 8);
        let mut before = '\0';
        for (at, c) in raw.char_indices() {
            if is_hidden(c) && !matches!(c, '\n' | '\t') {
                continue;
            }
            if c == '`' && before == '`' {
                clean.push(BREAK);
            }
            clean.push(c);
            if c == '@' && mentions_all(raw.get(at + 1..).unwrap_or_default()) {
                clean.push(BREAK);
            }
            before = c;
        }
        Self(Cow::Owned(clean))
    }

    /// Whether there is nothing to see.
    pub fn is_blank(&self) -> bool {
        !self.0.chars().any(|c| !c.is_whitespace() && !is_glued(c) && c != BREAK)
    }

    /// What it costs to send whole, as `mrkdwn`.
    pub fn cost(&self) -> usize {
        MRKDWN.of(&self.0)
    }

    /// For `mrkdwn`, at most this size: the first two thirds and the last third of what there is room for.
    pub fn fit(&self, limit: usize) -> String {
        self.cut(limit, &MRKDWN, escape)
    }

    /// For `mrkdwn`, between code fences.
    pub fn fenced(&self, limit: usize) -> String {
        if self.is_blank() {
            String::new()
        } else {
            format!("```\n{}\n```", self.fit(limit.saturating_sub(12)))
        }
    }

    /// For `mrkdwn`, on one line, at most this size: the beginning.
    pub fn line(&self, limit: usize) -> String {
        escape(&self.short(limit, &MRKDWN)).into_owned()
    }

    /// For `plain_text`, on one line, at most this size: the beginning. Plain text has no escapes, so brackets
    /// become ones that mean nothing.
    pub fn label(&self, limit: usize) -> String {
        bracketless(&self.short(limit, &MRKDWN)).into_owned()
    }

    /// For the Markdown of an Adaptive Card, at most this many bytes: the first two thirds and the last third of what
    /// there is room for.
    pub fn markdown(&self, limit: usize) -> String {
        self.cut(limit, &MARKDOWN, markdown)
    }

    /// For the Markdown of an Adaptive Card, on one line, at most this many bytes: the beginning.
    pub fn markdown_line(&self, limit: usize) -> String {
        markdown(&self.short(limit, &MARKDOWN)).into_owned()
    }

    /// For a client whose markup is not known, at most this many bytes: the first two thirds and the last third of
    /// what there is room for. Nothing can be escaped then, so what would link or mention is broken.
    pub fn defused(&self, limit: usize) -> String {
        self.cut(limit, &DEFUSED, defuse)
    }

    /// For a client whose markup is not known, on one line, at most this many bytes: the beginning.
    pub fn defused_line(&self, limit: usize) -> String {
        defuse(&self.short(limit, &DEFUSED)).into_owned()
    }

    fn cut(&self, limit: usize, cost: &Cost, escape: for<'t> fn(&'t str) -> Cow<'t, str>) -> String {
        let text = self.0.trim();
        if cost.of(text) <= limit {
            return escape(text).into_owned();
        }
        let room = limit.saturating_sub(NOTE);
        let head = head(text, room - room / 3, cost);
        let tail = tail(text.get(head.len()..).unwrap_or_default(), room / 3, cost);
        let omitted = text.chars().count() - head.chars().count() - tail.chars().count();
        escape(&format!("{head}\n… {omitted} characters omitted …\n{tail}")).into_owned()
    }

    fn short(&self, limit: usize, cost: &Cost) -> Cow<'_, str> {
        let line: Cow<'_, str> = if self.0.bytes().any(|byte| matches!(byte, b'\n' | b'\t')) {
            Cow::Owned(self.0.trim().replace(['\n', '\t'], " "))
        } else {
            Cow::Borrowed(self.0.trim())
        };
        if line.is_empty() {
            return Cow::Borrowed("—");
        }
        if cost.of(&line) <= limit {
            return line;
        }
        Cow::Owned(format!("{}…", head(&line, limit.saturating_sub(3), cost)))
    }
}

/// An address that a person may click: `https`, and at most this many bytes, without what ends a link in any markup.
pub fn address(url: &str, limit: usize) -> Option<String> {
    let url: Url = url.parse().ok()?;
    let fits = url.scheme() == "https" && url.as_str().len() <= limit;
    let ends = |c: char| matches!(c, '|' | '<' | '>' | '"' | '`' | '\\') || c.is_whitespace();
    (fits && !url.as_str().contains(ends)).then(|| url.into())
}

/// The items of a list, each a line with what marks it before it, at most this size in all; then how many there was no
/// room for.
pub fn bounded(
    items: impl Iterator<Item = String>,
    mark: &str,
    limit: usize,
    size: impl Fn(&str) -> usize,
) -> String {
    let mut text = String::new();
    let mut left = limit.saturating_sub(size(mark) + 32);
    let mut omitted = 0_usize;
    for item in items {
        let cost = size(&item) + size(mark);
        if omitted > 0 || cost > left {
            omitted += 1;
            continue;
        }
        left -= cost;
        text.push_str(mark);
        text.push_str(&item);
    }
    if omitted > 0 {
        let _ = write!(text, "{mark}{omitted} more omitted");
    }
    text
}

/// The size of a value as JSON, in UTF-16 units: what Slack counts is never more.
pub fn size(value: &(impl Serialize + ?Sized)) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.encode_utf16().count())
}

/// The size of a text within JSON, in UTF-16 units, without its quotes.
pub fn units(text: &str) -> usize {
    UNITS.of(text)
}

/// The size of a text within JSON, in bytes, without its quotes.
pub fn bytes(text: &str) -> usize {
    BYTES.of(text)
}

/// What the bytes of a text cost to send. Every text is measured several times, so that one byte is one look into a
/// table.
struct Cost([u8; 256]);

/// Within JSON, in UTF-16 units.
const UNITS: Cost = Cost::in_json(Unit::Utf16, &[]);

/// Within JSON, in bytes.
const BYTES: Cost = Cost::in_json(Unit::Byte, &[]);

/// Escaped for `mrkdwn`, within JSON, in UTF-16 units.
const MRKDWN: Cost = Cost::in_json(Unit::Utf16, &[(b"&", 5), (b"<>", 4)]);

/// The most when escaped for Markdown, within JSON, in bytes.
const MARKDOWN: Cost = Cost::in_json(Unit::Byte, &[(b"\n\\<{", 4), (b"*_`[#-+>=.)", 3)]);

/// The most when defused, within JSON, in bytes.
const DEFUSED: Cost = Cost::in_json(Unit::Byte, &[(b"#-+><(", 4)]);

/// What is counted.
#[derive(Clone, Copy)]
enum Unit {
    /// UTF-16 units.
    Utf16,
    /// Bytes of UTF-8.
    Byte,
}

impl Cost {
    /// The costs within JSON, but for these bytes.
    #[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would not compile it")]
    const fn in_json(unit: Unit, others: &[(&[u8], u8)]) -> Self {
        let mut table = [1; 256];
        let mut byte = 0;
        while byte < table.len() {
            table[byte] = match (byte, unit) {
                (0x08 | 0x09 | 0x0a | 0x0c | 0x0d | 0x22 | 0x5c, _) | (0xf0.., Unit::Utf16) => 2,
                (0..0x20, _) => 6,
                // A character of several bytes counts at its first.
                (0x80..0xc0, Unit::Utf16) => 0,
                _ => 1,
            };
            byte += 1;
        }
        let mut kind = 0;
        while kind < others.len() {
            let (bytes, cost) = others[kind];
            let mut at = 0;
            while at < bytes.len() {
                table[bytes[at] as usize] = cost;
                at += 1;
            }
            kind += 1;
        }
        Self(table)
    }

    /// What a text costs.
    fn of(&self, text: &str) -> usize {
        text.bytes().map(|byte| usize::from(self.0.get(usize::from(byte)).copied().unwrap_or(1))).sum()
    }

    fn of_char(&self, c: char) -> usize {
        self.of(c.encode_utf8(&mut [0; 4]))
    }
}

fn escape(text: &str) -> Cow<'_, str> {
    replaced(text, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        _ => None,
    })
}

fn bracketless(text: &str) -> Cow<'_, str> {
    replaced(text, |byte| match byte {
        b'<' => Some("‹"),
        b'>' => Some("›"),
        _ => None,
    })
}

/// Replaces ASCII characters.
fn replaced(text: &str, instead: impl Fn(u8) -> Option<&'static str>) -> Cow<'_, str> {
    let special = |text: &str| text.bytes().position(|byte| instead(byte).is_some());
    let mut rest = text;
    let mut escaped = String::new();
    while let Some((before, other)) = special(rest).and_then(|at| rest.split_at_checked(at)) {
        escaped.push_str(before);
        let mut others = other.chars();
        let found = others.next().and_then(|c| instead(u8::try_from(c).ok()?));
        escaped.push_str(found.unwrap_or_default());
        rest = others.as_str();
    }
    if escaped.is_empty() {
        return Cow::Borrowed(text);
    }
    escaped.push_str(rest);
    Cow::Owned(escaped)
}

/// Escaped so that an Adaptive Card shows it as it is: no emphasis, link, list or heading, no `<at>`, and no
/// `{{DATE(…)}}`, which a card would work out. A line break needs two there.
fn markdown(text: &str) -> Cow<'_, str> {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    let mut start = Start::Blank;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or_default();
        let was = start;
        start = start.after(c);
        match c {
            '\n' if escaped.ends_with('\n') => {}
            '\n' => escaped.push_str("\n\n"),
            '\\' | '*' | '_' | '`' | '[' => escaped.extend(['\\', c]),
            '#' | '-' | '+' | '>' | '=' if was == Start::Blank => escaped.extend(['\\', c]),
            '.' | ')' if was == Start::Number => escaped.extend(['\\', c]),
            '<' if next.is_alphabetic() || matches!(next, '/' | '!') => escaped.extend([c, BREAK]),
            '{' if next == '{' => escaped.extend([c, BREAK]),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// What stands before a character on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing.
    Blank,
    /// Only a number.
    Number,
    /// A word.
    Word,
}

impl Start {
    const fn after(self, c: char) -> Self {
        match (c, self) {
            ('\n', _) | (' ' | '\t', Self::Blank) => Self::Blank,
            ('0'..='9', Self::Blank | Self::Number) => Self::Number,
            _ => Self::Word,
        }
    }
}

/// Without brackets that link or mention in any client's markup, and without marks that begin a heading, a quote or a
/// list.
fn defuse(text: &str) -> Cow<'_, str> {
    let mut defused = String::with_capacity(text.len() + 16);
    let mut start = Start::Blank;
    let mut before = '\n';
    for c in text.chars() {
        match c {
            '<' => defused.push('‹'),
            '>' => defused.push('›'),
            '#' | '-' | '+' if start == Start::Blank => defused.extend([BREAK, c]),
            '(' if before == ']' => defused.extend([BREAK, c]),
            c => defused.push(c),
        }
        start = start.after(c);
        before = c;
    }
    Cow::Owned(defused)
}

fn head<'t>(text: &'t str, room: usize, cost: &Cost) -> &'t str {
    let mut used = 0;
    let mut end = 0;
    let mut joined = false;
    for (at, c) in text.char_indices() {
        // A cut before a joiner or a mark would leave half of what a reader sees as one character.
        if !is_glued(c) && !joined {
            end = at;
        }
        joined = c == JOINER;
        used += cost.of_char(c);
        if used > room {
            break;
        }
    }
    text.get(..end).unwrap_or_default()
}

fn tail<'t>(text: &'t str, room: usize, cost: &Cost) -> &'t str {
    let mut used = 0;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        used += cost.of_char(c);
        if used > room {
            break;
        }
        if !is_glued(c) && !text.get(..at).unwrap_or_default().ends_with(JOINER) {
            start = at;
        }
    }
    text.get(start..).unwrap_or_default()
}

const JOINER: char = '\u{200d}';

/// Characters that belong to the one before them: joiners, variation selectors, combining marks, skin tones.
fn is_glued(c: char) -> bool {
    matches!(c, JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

fn mentions_all(rest: &str) -> bool {
    ["channel", "here", "everyone"]
        .iter()
        .any(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests;
