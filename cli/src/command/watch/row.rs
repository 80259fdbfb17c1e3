//! Lines of text, made to fit: what is not ours is cleaned here, and here alone.

use jiff::{SignedDuration, Timestamp};
use shared::text::clean;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::say::Tone;

/// A line, in parts that are set off each by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row(Vec<(Tone, String)>);

impl Row {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// More of it.
    #[must_use]
    pub(super) fn with(mut self, tone: Tone, text: &str) -> Self {
        if !text.is_empty() {
            self.0.push((tone, clean(text)));
        }
        self
    }

    /// More of it, in a column of this width.
    #[must_use]
    pub(super) fn column(self, tone: Tone, text: &str, width: usize) -> Self {
        let text = cut(&clean(text), width);
        let gap = " ".repeat(width.saturating_sub(text.width()));
        self.with(tone, &text).with(Tone::Plain, &gap)
    }

    /// This at the right end; what stands left of it gives way.
    #[must_use]
    pub(super) fn right(self, tone: Tone, text: &str, width: usize) -> Self {
        let text = cut(&clean(text), width);
        if text.is_empty() {
            return self.fit(width);
        }
        let room = width.saturating_sub(text.width() + 1);
        let left = self.fit(room);
        let gap = " ".repeat(width.saturating_sub(left.width() + text.width()));
        left.with(Tone::Plain, &gap).with(tone, &text)
    }

    /// No more than this width; what is cut off is marked.
    #[must_use]
    pub(super) fn fit(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut left = width;
        let mut parts = Vec::new();
        for (tone, text) in self.0 {
            let whole = text.width();
            // The last part that has room takes the mark.
            if whole < left {
                left -= whole;
                parts.push((tone, text));
            } else {
                parts.push((tone, if whole == left { shorten(&text, left) } else { cut(&text, left) }));
                break;
            }
        }
        Self(parts)
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    pub(super) fn parts(&self) -> &[(Tone, String)] {
        &self.0
    }
}

/// The text within a width; where it is cut, an ellipsis says so.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_owned() } else { shorten(text, width) }
}

fn shorten(text: &str, width: usize) -> String {
    let Some(mut left) = width.checked_sub(1) else { return String::new() };
    let fits = |c: &char| {
        let wide = c.width().unwrap_or_default();
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    let mut short: String = text
        .chars()
        .take_while({
            let mut fits = fits;
            move |c| fits(c)
        })
        .collect();
    short.push('…');
    short
}

/// A text of several lines, each behind an indent; of more than so many, the last one says so.
pub(super) fn wrapped(tone: Tone, text: &str, indent: usize, width: usize, most: usize) -> Vec<Row> {
    let room = width.saturating_sub(indent).max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean(text).split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && line.width() + 1 + word.width() <= room {
            line.push(' ');
            line.push_str(&word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        // A word that is longer than a line, such as an ARN, goes on in the next one.
        while room < word.width() {
            let mut wide = 0;
            let end = word.char_indices().find(|(_, c)| {
                wide += c.width().unwrap_or_default();
                room < wide
            });
            let rest = end.map_or_else(String::new, |(end, _)| word.split_off(end));
            lines.push(std::mem::replace(&mut word, rest));
        }
        line = word;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if most < lines.len() {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = shorten(&format!("{last} …"), room.min(last.width() + 2));
        }
    }
    let indent = " ".repeat(indent);
    lines.iter().map(|line| Row::new().with(Tone::Plain, &indent).with(tone, line).fit(width)).collect()
}

/// How long ago it was. It is said coarsely, so that little has to be drawn anew.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        ..10 => "just now".to_owned(),
        secs @ 10..60 => format!("{} s ago", secs / 10 * 10),
        _ => format!("{} ago", lasting(at, now)),
    }
}

/// From then till then, in its two largest units.
pub(super) fn lasting(from: Timestamp, till: Timestamp) -> String {
    long(till.duration_since(from))
}

fn long(lasts: SignedDuration) -> String {
    let minutes = lasts.as_mins();
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60 % 24, minutes % 60);
    match (days, hours, minutes) {
        (0, 0, ..1) => "less than 1 min".to_owned(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `1 letter`, `2 letters`.
pub(super) fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{Row, ago, cut, lasting, wrapped};
    use crate::say::Tone;

    fn text(row: &Row) -> String {
        row.parts().iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn what_does_not_fit_is_cut_and_that_is_seen() {
        for (whole, width, expected) in [
            ("prod/web", 8, "prod/web"),
            ("prod/web", 7, "prod/w…"),
            ("prod/web", 1, "…"),
            ("prod/web", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(whole, width), expected, "{whole} in {width}");
        }
    }

    #[test]
    fn the_right_end_stays_and_the_left_gives_way() {
        let row = |width| {
            text(&Row::new().with(Tone::Bad, "FAILED ").with(Tone::Plain, "prod/web").right(
                Tone::Faint,
                "2 h",
                width,
            ))
        };
        assert_eq!(row(20), "FAILED prod/web  2 h");
        assert_eq!(row(16), "FAILED prod… 2 h");
        assert_eq!(row(11), "FAILED… 2 h");
        assert_eq!(row(3), "2 h");
        assert_eq!(row(2), "2…");
        assert_eq!(row(0), "");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_and_does_nothing() {
        let row = Row::new().with(Tone::Plain, "a\u{1b}[2Jb\n\u{202e}c");
        assert_eq!(text(&row), "a\u{fffd}[2Jb \u{fffd}c");
    }

    #[test]
    fn long_texts_go_on_in_further_lines_up_to_a_number() {
        let lines = |most| -> Vec<String> {
            wrapped(Tone::Plain, "the image prod/web:41@sha256:0123456789 is not there", 2, 16, most)
                .iter()
                .map(text)
                .collect()
        };
        assert_eq!(lines(9), ["  the image", "  prod/web:41@sh", "  a256:012345678", "  9 is not there"]);
        assert_eq!(lines(1), ["  the image …"]);
        assert_eq!(lines(2), ["  the image", "  prod/web:41@s…"]);
        assert_eq!(wrapped(Tone::Plain, " ", 2, 16, 1), Vec::<Row>::new());
    }

    #[test]
    fn how_long_it_lasts_is_said_coarsely() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        for (from, expected_ago, expected) in [
            ("2026-11-26T12:00:05Z", "just now", "less than 1 min"),
            ("2026-11-26T11:59:51Z", "just now", "less than 1 min"),
            ("2026-11-26T11:59:41Z", "10 s ago", "less than 1 min"),
            ("2026-11-26T11:58:01Z", "1 min ago", "1 min"),
            ("2026-11-26T10:00:00Z", "2 h ago", "2 h"),
            ("2026-11-26T09:50:00Z", "2 h 10 min ago", "2 h 10 min"),
            ("2026-11-23T09:50:00Z", "3 d 2 h ago", "3 d 2 h"),
        ] {
            let from = from.parse().unwrap();
            assert_eq!(
                (ago(from, now).as_str(), lasting(from, now).as_str()),
                (expected_ago, expected),
                "{from}"
            );
        }
    }
}
