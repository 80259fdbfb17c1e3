//! Untrusted text made fit for Slack: it mentions nobody, breaks no markup, hides nothing by direction marks, and is
//! cut so that its beginning and its end stay and it says what is missing.

use serde::Serialize;

/// What is kept free for the line that says how much is missing.
const NOTE: usize = 48;

/// A cleaned text, not yet escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    /// Cleans a text: control characters, direction overrides and invisible characters go; mass mentions and runs
    /// of backticks are broken by a zero-width space.
    pub(super) fn of(raw: &str) -> Self {
        let mut clean = String::with_capacity(raw.len());
        let mut before = '\0';
        for (at, c) in raw.char_indices() {
            if (c.is_control() && !matches!(c, '\n' | '\t')) || is_hidden(c) {
                continue;
            }
            if c == '`' && before == '`' {
                clean.push('\u{200b}');
            }
            clean.push(c);
            if c == '@' && mentions_all(raw.get(at + 1..).unwrap_or_default()) {
                clean.push('\u{200b}');
            }
            before = c;
        }
        Self(clean)
    }

    /// Whether there is nothing to see.
    pub(super) fn is_blank(&self) -> bool {
        !self.0.chars().any(|c| !c.is_whitespace() && !is_glued(c) && c != '\u{200b}')
    }

    /// What it costs to send whole.
    pub(super) fn cost(&self) -> usize {
        self.0.chars().map(cost).sum()
    }

    /// For `mrkdwn`, at most this size: the first two thirds and the last third of what there is room for.
    pub(super) fn fit(&self, limit: usize) -> String {
        let text = self.0.trim();
        if text.chars().map(cost).sum::<usize>() <= limit {
            return escape(text);
        }
        let room = limit.saturating_sub(NOTE);
        let head = head(text, room - room / 3);
        let tail = tail(text.get(head.len()..).unwrap_or_default(), room / 3);
        let omitted = text.chars().count() - head.chars().count() - tail.chars().count();
        format!("{}\n… {omitted} characters omitted …\n{}", escape(head), escape(tail))
    }

    /// For `mrkdwn`, between code fences.
    pub(super) fn fenced(&self, limit: usize) -> String {
        if self.is_blank() {
            String::new()
        } else {
            format!("```\n{}\n```", self.fit(limit.saturating_sub(12)))
        }
    }

    /// For `mrkdwn`, on one line, at most this size: the beginning.
    pub(super) fn line(&self, limit: usize) -> String {
        escape(&self.short(limit))
    }

    /// For `plain_text`, on one line, at most this size: the beginning. Plain text has no escapes, so brackets
    /// become ones that mean nothing.
    pub(super) fn label(&self, limit: usize) -> String {
        self.short(limit).replace('<', "‹").replace('>', "›")
    }

    fn short(&self, limit: usize) -> String {
        let line = self.0.replace(['\n', '\t'], " ");
        let line = line.trim();
        if line.is_empty() {
            return "—".to_owned();
        }
        if line.chars().map(cost).sum::<usize>() <= limit {
            return line.to_owned();
        }
        format!("{}…", head(line, limit.saturating_sub(1)))
    }
}

/// The size of a value as JSON, in UTF-16 units: what Slack counts is never more.
pub(super) fn size(value: &(impl Serialize + ?Sized)) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.encode_utf16().count())
}

/// What a character costs when it is escaped for `mrkdwn` and written as JSON.
fn cost(c: char) -> usize {
    match c {
        '&' => 5,
        '<' | '>' => 4,
        '"' | '\\' | '\n' | '\t' => 2,
        c => c.len_utf16(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn head(text: &str, room: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        // A cut before a joiner or a mark would leave half of what a reader sees as one character.
        if !is_glued(c) && !text.get(..at).unwrap_or_default().ends_with(JOINER) {
            end = at;
        }
        used += cost(c);
        if used > room {
            break;
        }
    }
    text.get(..end).unwrap_or_default()
}

fn tail(text: &str, room: usize) -> &str {
    let mut used = 0;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        used += cost(c);
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

/// Characters that show nothing or turn the direction of what follows.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn mentions_all(rest: &str) -> bool {
    ["channel", "here", "everyone"]
        .iter()
        .any(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}
