//! A notice as a Slack message: Block Kit within every limit, and the same as plain text for when Slack refuses
//! the blocks.
//!
//! Limits (Slack, "Block Kit reference"): header 150 characters, section 3,000, field 2,000, ten fields to a
//! section, 50 blocks. Undocumented: a message of about 13,200 characters over all blocks is refused with
//! `msg_blocks_too_long` (slackapi/bolt-js 2509), so [`TOTAL`] bounds the whole, measured as the JSON that is sent.
//! The colour stands in an attachment beside the blocks, because blocks within attachments are refused by webhooks.

mod text;

use std::fmt::Write;

use reqwest::Url;
use serde_json::{Value, json};
use shared::notice::{Fact, Link, Notice, Severity, State};

use text::{Text, size};

/// All blocks and attachments together, as JSON, in UTF-16 units.
pub const TOTAL: usize = 12_000;

/// The most blocks of a message.
pub const BLOCKS: usize = 50;

const HEADER: usize = 150;
const FIELDS: usize = 10;
const LONGEST_SUMMARY: usize = 2_500;
const LONGEST_LIST: usize = 1_500;
const LONGEST_ITEM: usize = 400;
const LONGEST_VALUE: usize = 2_500;
const LONGEST_NAME: usize = 120;

/// A value up to this size stands in a field beside others; a longer one, or one of several lines, by itself.
const SHORT_VALUE: usize = 160;

/// What is kept free for the line that says how many facts were left out.
const REST: usize = 160;

/// The most that a section is longer than its text.
const ENVELOPE: usize = 80;

/// The text-only message; Slack advises to stay below 4,000 characters.
const LONGEST_TEXT: usize = 3_900;

/// The message with blocks, as JSON.
pub fn rich(notice: &Notice) -> String {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": Text::of(&headline(notice)).label(HEADER), "emoji": false},
    })];
    let summary = Text::of(&notice.summary);
    if !summary.is_blank() {
        blocks.push(section(&summary.fit(LONGEST_SUMMARY)));
    }
    let mut after = Vec::new();
    after.extend(list("What Watchkeeper did", &notice.actions).map(|text| section(&text)));
    after.extend(list("What is left to do", &notice.next_steps).map(|text| section(&text)));
    after.extend(links(&notice.links).map(|text| section(&text)));
    after.push(json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": Text::of(&provenance(notice)).fit(600)}],
    }));
    let attachments = json!([{
        "color": colour(notice),
        "fallback": Text::of(&headline(notice)).line(HEADER),
        "text": standing(notice),
        "mrkdwn_in": ["text"],
    }]);

    let fixed: usize = blocks.iter().chain(&after).chain([&attachments]).map(|part| size(part) + 1).sum();
    let room = TOTAL.saturating_sub(fixed + 2);
    blocks.extend(facts(notice, room, BLOCKS.saturating_sub(blocks.len() + after.len())));
    blocks.append(&mut after);
    json!({"text": fallback(notice), "blocks": blocks, "attachments": attachments}).to_string()
}

/// The message without blocks, as JSON.
pub fn plain(notice: &Notice) -> String {
    let mut text = format!("*{}*", Text::of(&headline(notice)).line(HEADER * 2));
    let mut add = |part: &str| {
        let fits = size(&text) + size(part) + REST <= LONGEST_TEXT;
        if fits {
            text.push('\n');
            text.push_str(part);
        }
        fits
    };
    add(&Text::of(&notice.summary).fit(1_500));
    let actions = list("What Watchkeeper did", &notice.actions);
    let next_steps = list("What is left to do", &notice.next_steps);
    let mut omitted = actions.into_iter().chain(next_steps).filter(|part| !add(part)).count();
    for fact in &notice.facts {
        let line =
            format!("• {}: {}", Text::of(&fact.name).line(LONGEST_NAME), Text::of(&fact.value).fit(500));
        if omitted > 0 || !add(&line) {
            omitted += 1;
        }
    }
    if omitted > 0 {
        let _ = write!(text, "\n{omitted} more omitted");
    }
    json!({"text": text}).to_string()
}

/// What a telephone shows, and what a screen reader says. Slack refuses an empty one.
fn fallback(notice: &Notice) -> String {
    let headline = Text::of(&headline(notice)).line(HEADER * 2);
    let summary = Text::of(&notice.summary);
    if summary.is_blank() { headline } else { format!("{headline}: {}", summary.fit(1_000)) }
}

fn headline(notice: &Notice) -> String {
    let title = notice.title.replace(['\n', '\r'], " ");
    let title = if Text::of(&title).is_blank() { "(without a title)" } else { title.trim() };
    match notice.state {
        State::Firing => format!("{}: {title}", notice.severity),
        State::Resolved => format!("{} resolved: {title}", notice.severity),
        State::Info => title.to_owned(),
    }
}

/// The line beside the colour.
fn standing(notice: &Notice) -> String {
    let Notice { severity, state, environment, subject, .. } = notice;
    let about = Text::of(&format!("{} {}", subject.kind, subject.id)).line(300);
    let environment = Text::of(environment).line(80);
    format!("*{severity}* {} · {environment} · {about}", state.as_str())
}

fn provenance(notice: &Notice) -> String {
    let Notice { source, time, incident, revision, .. } = notice;
    format!("{source} · {time:.0} · incident {incident} · revision {revision}").replace(['\n', '\r'], " ")
}

const fn colour(notice: &Notice) -> &'static str {
    match (notice.state, notice.severity) {
        (State::Resolved, _) => "#2e7d32",
        (State::Info, _) => "#1976d2",
        (State::Firing, Severity::Sev1) => "#b71c1c",
        (State::Firing, Severity::Sev2) => "#e65100",
        (State::Firing, Severity::Sev3) => "#f9a825",
        (State::Firing, Severity::Sev4) => "#78909c",
    }
}

/// As many facts as there is room for, in their order, and how many there was no room for.
fn facts(notice: &Notice, room: usize, blocks: usize) -> Vec<Value> {
    let mut shown = Vec::new();
    let mut left = room.saturating_sub(REST);
    let mut rest = notice.facts.as_slice();
    while let Some(fact) = rest.first()
        && shown.len() + 1 < blocks
    {
        let short = rest.iter().take(FIELDS).take_while(|fact| is_short(&fact.value)).count();
        let (block, taken) = if short > 0 {
            let fits = (1..=short).rev().map(|count| (fields(rest, count), count));
            match fits.into_iter().find(|(block, _)| size(block) < left) {
                Some(found) => found,
                None => break,
            }
        } else {
            let limit = left.saturating_sub(LONGEST_NAME + ENVELOPE).min(LONGEST_VALUE);
            if limit < SHORT_VALUE {
                break;
            }
            (section(&titled(&fact.name, &Text::of(&fact.value).fenced(limit))), 1)
        };
        left = left.saturating_sub(size(&block) + 1);
        shown.push(block);
        rest = rest.get(taken..).unwrap_or_default();
    }
    match rest.len() {
        0 => {}
        1 => shown.push(section("_1 more fact omitted_")),
        many => shown.push(section(&format!("_{many} more facts omitted_"))),
    }
    shown
}

fn fields(facts: &[Fact], count: usize) -> Value {
    let field = |fact: &Fact| json!({"type": "mrkdwn", "text": titled(&fact.name, &Text::of(&fact.value).fit(SHORT_VALUE))});
    let fields: Vec<_> = facts.iter().take(count).map(field).collect();
    json!({"type": "section", "fields": fields})
}

fn is_short(value: &str) -> bool {
    !value.trim().contains('\n') && Text::of(value).cost() <= SHORT_VALUE
}

fn titled(name: &str, value: &str) -> String {
    let value = if value.trim().is_empty() { "—" } else { value };
    format!("*{}*\n{value}", Text::of(name).line(LONGEST_NAME))
}

fn list(heading: &str, items: &[String]) -> Option<String> {
    let lines: Vec<_> = items
        .iter()
        .map(|item| Text::of(item))
        .filter(|item| !item.is_blank())
        .map(|item| format!("\n• {}", item.fit(LONGEST_ITEM)))
        .collect();
    bounded(heading, &lines)
}

/// Links that a person can click; whatever is no `https` address is shown as text.
fn links(links: &[Link]) -> Option<String> {
    let shown: Vec<_> = links
        .iter()
        .map(|link| {
            let title = Text::of(&link.title).line(LONGEST_NAME).replace('|', "/");
            let url = link.url.parse::<Url>().ok().filter(|url| url.scheme() == "https");
            match url
                .map(|url| url.to_string())
                .filter(|url| url.len() <= 600 && !url.contains(['|', '<', '>']))
            {
                Some(url) => format!("\n• <{}|{title}>", url.replace('&', "&amp;")),
                None => format!("\n• {title}: {}", Text::of(&link.url).line(200)),
            }
        })
        .collect();
    bounded("Where to look", &shown)
}

fn bounded(heading: &str, lines: &[String]) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let mut text = format!("*{heading}*");
    for (index, line) in lines.iter().enumerate() {
        if size(&text) + size(line) + 24 > LONGEST_LIST {
            let _ = write!(text, "\n• {} more omitted", lines.len() - index);
            break;
        }
        text.push_str(line);
    }
    Some(text)
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

#[cfg(test)]
mod tests;
