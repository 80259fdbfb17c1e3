//! What people read as plain text, cleaned and cut: for email, for topics, and for the details of an event.
//!
//! A [`Document`] is a page whose every text is bounded. How tightly, a [`Rung`] says; [`fitted`] takes the first that
//! makes the whole small enough, and what is left out is counted where it would stand.

use std::fmt::Write;

use reqwest::Url;
use shared::text::is_hidden;

use crate::render::Page;

/// How much of a page is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// The longest text, in UTF-16 units: never fewer than characters.
    pub text: usize,
    /// The most entries of a list.
    pub entries: usize,
}

/// The first is for everything that people wrote with care, the last for what tries to be too large.
pub const RUNGS: [Rung; 5] = [
    Rung { text: 20_000, entries: 500 },
    Rung { text: 4_000, entries: 200 },
    Rung { text: 1_000, entries: 60 },
    SMALL,
    TINY,
];

/// Enough to act on.
pub const SMALL: Rung = Rung { text: 300, entries: 20 };

/// Enough to know what it is about.
pub const TINY: Rung = Rung { text: 120, entries: 4 };

/// The longest name of anything.
const LONGEST_NAME: usize = 120;

/// What is kept free for the line that says how much is missing.
const NOTE: usize = 40;

/// A page in plain texts, all of them bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// One line that says it all.
    pub headline: String,
    /// Why it is told again, or here.
    pub lead: Option<String>,
    /// Names and values, one line each.
    pub standing: Vec<(&'static str, String)>,
    /// One paragraph; may be empty.
    pub summary: String,
    /// Headings, and what stands under them.
    pub sections: Vec<(&'static str, Vec<String>)>,
    /// Names and values; a value may have many lines.
    pub facts: Vec<(String, String)>,
    /// What is there, and its `https` address.
    pub links: Vec<(String, String)>,
    /// Where to acknowledge.
    pub acknowledge: Option<String>,
    /// Where it comes from.
    pub footer: String,
}

impl Document {
    /// The page within these bounds. A link that is not `https`, or longer than this many bytes, is left out.
    pub fn of(page: &Page<'_>, rung: Rung, longest_link: usize) -> Self {
        let Rung { text, entries } = rung;
        let sections = page.sections.iter().map(|section| {
            let mut items: Vec<String> =
                section.items.iter().take(entries).map(|item| fit(item, text)).collect();
            items.extend(omitted(section.items.len(), entries));
            (section.heading, items)
        });
        let named = |name: &str| match line(name, LONGEST_NAME) {
            name if name.is_empty() => "—".to_owned(),
            name => name,
        };
        let mut facts: Vec<(String, String)> =
            page.facts.iter().take(entries).map(|fact| (named(&fact.name), fit(&fact.value, text))).collect();
        facts.extend(omitted(page.facts.len(), entries).map(|note| ("…".to_owned(), note)));
        let links = page
            .links
            .iter()
            .filter_map(|link| Some((named(&link.title), https(&link.url, longest_link)?)))
            .take(entries)
            .collect();
        Self {
            headline: title(&page.headline, text.min(1_000)),
            lead: page.lead.as_deref().map(|lead| line(lead, text)),
            standing: page.standing.iter().map(|(name, value)| (*name, line(value, text.min(300)))).collect(),
            summary: fit(&page.summary, text),
            sections: sections.collect(),
            facts,
            links,
            acknowledge: page.acknowledge.and_then(|link| https(link, longest_link)),
            footer: line(&page.footer, text.min(600)),
        }
    }

    /// All of it as plain text.
    pub fn text(&self) -> String {
        let mut text = self.headline.clone();
        let mut paragraph = |paragraph: &str| {
            if !paragraph.is_empty() {
                text.push_str("\n\n");
                text.push_str(paragraph);
            }
        };
        paragraph(self.lead.as_deref().unwrap_or_default());
        paragraph(&pairs(&self.standing));
        paragraph(&self.summary);
        for (heading, items) in &self.sections {
            paragraph(&items.iter().fold((*heading).to_owned(), |mut list, item| {
                let _ = write!(list, "\n- {}", indented(item));
                list
            }));
        }
        paragraph(&pairs(&self.facts));
        paragraph(&pairs(&self.links));
        if let Some(link) = &self.acknowledge {
            paragraph(&format!("Acknowledge: {link}"));
        }
        paragraph(&self.footer);
        text.push('\n');
        text
    }
}

/// The page written as richly as it fits; on the last rung it is written whether it fits or not.
pub fn fitted<T>(
    page: &Page<'_>,
    longest_link: usize,
    write: impl Fn(&Document) -> T,
    fits: impl Fn(&T) -> bool,
) -> T {
    RUNGS
        .iter()
        .map(|rung| write(&Document::of(page, *rung, longest_link)))
        .find(|written| fits(written))
        .unwrap_or_else(|| write(&Document::of(page, TINY, longest_link)))
}

/// On one line, at most this long: the beginning.
pub fn line(raw: &str, limit: usize) -> String {
    let line = clean(raw).split_whitespace().collect::<Vec<_>>().join(" ");
    if size(&line) <= limit {
        return line;
    }
    format!("{}…", head(&line, limit.saturating_sub(1)).trim_end())
}

/// On one line, at most this long, and never nothing: receivers refuse an empty title.
pub fn title(raw: &str, limit: usize) -> String {
    match line(raw, limit) {
        line if line.is_empty() => "(without a title)".to_owned(),
        line => line,
    }
}

/// At most this long: the first two thirds and the last third of what there is room for.
pub fn fit(raw: &str, limit: usize) -> String {
    let clean = clean(raw);
    let text = clean.trim();
    if size(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(NOTE);
    let head = head(text, room - room / 3);
    let tail = tail(text.get(head.len()..).unwrap_or_default(), room / 3);
    let omitted = text.chars().count() - head.chars().count() - tail.chars().count();
    format!("{head}\n… {omitted} characters omitted …\n{tail}")
}

/// The text in lines that cost no more than this, broken at spaces where there are some.
pub fn folded(text: &str, most: usize, cost: impl Fn(char) -> usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            folded.push('\n');
        }
        let mut rest = line;
        while let Some(end) = overflow(rest, most, &cost) {
            let (head, _) = rest.split_at(end);
            let end = head.rfind(' ').map_or(end, |space| space + 1);
            let (head, tail) = rest.split_at(end);
            folded.push_str(head.trim_end());
            folded.push('\n');
            rest = tail;
        }
        folded.push_str(rest);
    }
    folded
}

/// Where a line becomes too long.
fn overflow(line: &str, most: usize, cost: impl Fn(char) -> usize) -> Option<usize> {
    let mut used = 0;
    line.char_indices().find_map(|(at, c)| {
        used += cost(c);
        (used > most && at > 0).then_some(at)
    })
}

/// An address as it may be followed: `https`, with every character in it that could end it written otherwise.
pub fn https(text: &str, longest: usize) -> Option<String> {
    let url: Url = text.trim().parse().ok()?;
    let plain = String::from(url).replace('\'', "%27");
    (plain.starts_with("https://")
        && plain.len() <= longest
        && plain.bytes().all(|byte| byte.is_ascii_graphic()))
    .then_some(plain)
}

fn omitted(count: usize, entries: usize) -> Option<String> {
    let more = count.saturating_sub(entries);
    (more > 0).then(|| format!("… {more} more omitted"))
}

fn pairs(pairs: &[(impl AsRef<str>, String)]) -> String {
    let lines: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}: {}", name.as_ref(), indented(value))).collect();
    lines.join("\n")
}

/// Further lines stand under the first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// Without control characters, and without what is not seen or turns the direction of what follows.
fn clean(raw: &str) -> String {
    raw.chars()
        .map(|c| if matches!(c, '\u{2028}' | '\u{2029}') { '\n' } else { c })
        .filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c))
        .collect()
}

fn size(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn head(text: &str, room: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if is_between(text, at, c) {
            end = at;
        }
        used += c.len_utf16();
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
        used += c.len_utf16();
        if used > room {
            break;
        }
        if is_between(text, at, c) {
            start = at;
        }
    }
    text.get(start..).unwrap_or_default()
}

const JOINER: char = '\u{200d}';

/// Whether a cut before this character leaves whole what a reader sees as one.
fn is_between(text: &str, at: usize, c: char) -> bool {
    let glued =
        matches!(c, JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{1f3fb}'..='\u{1f3ff}');
    !glued && !text.get(..at).unwrap_or_default().ends_with(JOINER)
}

#[cfg(test)]
mod tests;
