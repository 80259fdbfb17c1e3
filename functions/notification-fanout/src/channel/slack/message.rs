//! What people read as a Slack message: Block Kit within every limit, the same as plain text for when Slack refuses the
//! blocks, and one line for when it refuses that.
//!
//! Limits (Slack, "Block Kit reference"): header 150 characters, section 3,000, field 2,000, ten fields to a
//! section, 50 blocks. Undocumented: a message of about 13,200 characters over all blocks is refused with
//! `msg_blocks_too_long` (slackapi/bolt-js 2509), so [`TOTAL`] bounds the whole, measured as the JSON that is sent.
//! The colour stands in an attachment beside the blocks, because blocks within attachments are refused by webhooks.
//! To acknowledge is a link and no button: Slack warns people about the button of an app that takes no interactions.
//! Links are not unfurled, so that Slack's crawler does not follow the one that acknowledges.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use shared::notice::{Fact, Link};

use crate::render::ladder::Rung;
use crate::render::text::{Text, address, bounded, units};
use crate::render::{Page, Section, Tone};

/// All blocks and attachments together, as JSON, in UTF-16 units.
pub const TOTAL: usize = 12_000;

/// The most blocks of a message.
pub const BLOCKS: usize = 50;

const HEADER: usize = 150;
const FIELDS: usize = 10;

// What stands around the facts takes at most 11,600 of the whole.
const LONGEST_LEAD: usize = 400;
const LONGEST_STANDING: usize = 2_000;
const LONGEST_SUMMARY: usize = 2_000;
const LONGEST_SECTIONS: usize = 3_200;
const LONGEST_LINKS: usize = 1_200;
const LONGEST_ACKNOWLEDGE: usize = 1_000;
const LONGEST_FOOTER: usize = 300;

const LONGEST_LIST: usize = 2_900;
const LONGEST_ITEM: usize = 400;
const LONGEST_VALUE: usize = 2_500;
const LONGEST_NAME: usize = 120;
const LONGEST_LINK: usize = 600;

/// Whom one message calls, at most.
const MENTIONS: usize = 10;

/// A value up to this size stands in a field beside others; a longer one, or one of several lines, by itself.
const SHORT_VALUE: usize = 160;

/// What is kept free for the line that says how many facts were left out.
const REST: usize = 160;

/// The text-only message; Slack advises to stay below 4,000 characters.
const LONGEST_TEXT: usize = 3_900;

/// What a telephone shows of a message with blocks.
const LONGEST_FALLBACK: usize = 1_000;

/// The shortest message.
const LONGEST_LINE: usize = 200;

/// The body of a request: to a webhook, or with the fields that say where to an app's methods.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Message {
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// The message to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    /// The message to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<String>,
    /// Whether an answer is shown in the conversation, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_broadcast: Option<bool>,
    /// Whether links are followed and shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfurl_links: Option<bool>,
    /// The same for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfurl_media: Option<bool>,
    /// The whole message where there are no blocks; what a telephone shows, and a screen reader says, where there are.
    text: String,
    /// The blocks; an empty list takes away those that are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<Block>>,
    /// The colour; an empty list takes away the one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<Attachment>>,
}

impl Message {
    /// As it is sent.
    #[must_use]
    pub fn json(&self) -> String {
        // Texts, lists and yes or no can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// To begin in a conversation.
    #[must_use]
    pub fn posting(mut self, channel: &str) -> Self {
        self.channel = Some(channel.to_owned());
        self
    }

    /// To answer a message, in its thread only, or loud, in the conversation, too.
    #[must_use]
    pub fn answering(mut self, channel: &str, ts: &str, loud: bool) -> Self {
        self.channel = Some(channel.to_owned());
        self.thread_ts = Some(ts.to_owned());
        self.reply_broadcast = loud.then_some(true);
        self
    }

    /// To take the place of a message: what this one does not have, the other loses.
    #[must_use]
    pub fn replacing(mut self, channel: &str, ts: &str) -> Self {
        self.channel = Some(channel.to_owned());
        self.ts = Some(ts.to_owned());
        self.unfurl_links = None;
        self.unfurl_media = None;
        self.blocks.get_or_insert_default();
        self.attachments.get_or_insert_default();
        self
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Header {
        text: Plain,
    },
    Section {
        text: Mrkdwn,
    },
    #[serde(rename = "section")]
    Fields {
        fields: Vec<Mrkdwn>,
    },
    Context {
        elements: [Mrkdwn; 1],
    },
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "mrkdwn")]
struct Mrkdwn {
    text: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "plain_text")]
struct Plain {
    text: String,
    emoji: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Attachment {
    color: &'static str,
    fallback: String,
    text: String,
    mrkdwn_in: [&'static str; 1],
}

// What stands around the texts, with a comma.
const AROUND_HEADER: usize =
    r#"{"type":"header","text":{"type":"plain_text","text":"","emoji":false}},"#.len();
const AROUND_SECTION: usize = r#"{"type":"section","text":{"type":"mrkdwn","text":""}},"#.len();
const AROUND_FIELDS: usize = r#"{"type":"section","fields":[]},"#.len();
const AROUND_FIELD: usize = r#"{"type":"mrkdwn","text":""},"#.len();
const AROUND_CONTEXT: usize = r#"{"type":"context","elements":[{"type":"mrkdwn","text":""}]},"#.len();
const AROUND_ATTACHMENT: usize = r#"[][{"color":"","fallback":"","text":"","mrkdwn_in":["text"]}]"#.len();

impl Block {
    fn size(&self) -> usize {
        match self {
            Self::Header { text } => AROUND_HEADER + units(&text.text),
            Self::Section { text } => AROUND_SECTION + units(&text.text),
            Self::Fields { fields } => {
                AROUND_FIELDS + fields.iter().map(|field| AROUND_FIELD + units(&field.text)).sum::<usize>()
            }
            Self::Context { elements: [text] } => AROUND_CONTEXT + units(&text.text),
        }
    }
}

impl Attachment {
    fn size(&self) -> usize {
        AROUND_ATTACHMENT + self.color.len() + units(&self.fallback) + units(&self.text)
    }
}

/// What people read, on this rung.
#[must_use]
pub fn of(page: &Page<'_>, mentions: &[String], rung: Rung) -> Message {
    let called = called(mentions);
    let message = match rung {
        Rung::Rich => rich(page, &called),
        Rung::Plain => Message { text: plain(page, &called), ..Message::default() },
        Rung::Minimal => Message { text: minimal(page, &called), ..Message::default() },
    };
    Message { unfurl_links: Some(false), unfurl_media: Some(false), ..message }
}

fn rich(page: &Page<'_>, called: &str) -> Message {
    let headline = Text::of(&page.headline);
    let mut blocks = Vec::with_capacity(16);
    blocks.push(Block::Header { text: Plain { text: headline.label(HEADER), emoji: false } });
    blocks.extend(lead(page, called).map(section));
    blocks.extend(standing(page));
    let summary = Text::of(&page.summary);
    if !summary.is_blank() {
        blocks.push(section(summary.fit(LONGEST_SUMMARY)));
    }
    blocks.extend(acknowledge(page).map(section));
    blocks.extend(lists(&page.sections).map(section));
    let mut after: Vec<_> = links(&page.links).into_iter().map(section).collect();
    after.push(Block::Context { elements: [Mrkdwn { text: Text::of(&page.footer).fit(LONGEST_FOOTER) }] });
    let attachment = Attachment {
        color: colour(page.tone),
        fallback: headline.line(HEADER),
        text: beside(page),
        mrkdwn_in: ["text"],
    };

    let fixed: usize = blocks.iter().chain(&after).map(Block::size).sum();
    let room = TOTAL.saturating_sub(fixed + attachment.size());
    blocks.extend(facts(page.facts, room, BLOCKS.saturating_sub(blocks.len() + after.len())));
    blocks.append(&mut after);
    Message {
        text: fallback(page, called),
        blocks: Some(blocks),
        attachments: Some(vec![attachment]),
        ..Message::default()
    }
}

fn plain(page: &Page<'_>, called: &str) -> String {
    let mut text = format!("*{}*", Text::of(&page.headline).line(HEADER * 2));
    let mut left = LONGEST_TEXT.saturating_sub(units(&text) + REST);
    let mut add = |part: &str| {
        let cost = units(part) + 2;
        let fits = cost <= left;
        if fits {
            left -= cost;
            text.push('\n');
            text.push_str(part);
        }
        fits
    };
    if let Some(lead) = lead(page, called) {
        add(&lead);
    }
    let standing: Vec<_> =
        page.standing.iter().map(|(name, value)| format!("{name}: {}", Text::of(value).line(80))).collect();
    add(&standing.join(" · "));
    if let Some(acknowledge) = acknowledge(page) {
        add(&acknowledge);
    }
    let summary = Text::of(&page.summary);
    if !summary.is_blank() {
        add(&summary.fit(1_200));
    }
    let mut omitted = lists(&page.sections).chain(links(&page.links)).filter(|part| !add(part)).count();
    for fact in page.facts {
        let line =
            || format!("• {}: {}", Text::of(&fact.name).line(LONGEST_NAME), Text::of(&fact.value).fit(500));
        if omitted > 0 || !add(&line()) {
            omitted += 1;
        }
    }
    if omitted > 0 {
        let _ = write!(text, "\n{omitted} more omitted");
    }
    text
}

fn minimal(page: &Page<'_>, called: &str) -> String {
    let headline = Text::of(&page.headline).line(LONGEST_LINE);
    let incident = Text::of(page.incident);
    let incident = if incident.is_blank() {
        String::new()
    } else {
        format!(" (incident {})", incident.line(LONGEST_LINE))
    };
    format!("{called}{headline}{incident}")
}

/// What a telephone shows, and what a screen reader says. Slack refuses an empty one.
fn fallback(page: &Page<'_>, called: &str) -> String {
    let headline = Text::of(&page.headline).line(HEADER * 2);
    let summary = Text::of(&page.summary);
    if summary.is_blank() {
        format!("{called}{headline}")
    } else {
        format!("{called}{headline}: {}", summary.fit(LONGEST_FALLBACK))
    }
}

/// Those who are called, if Slack knows them by such an id: a user (`U…`, `W…`) or a group of users (`S…`).
fn called(mentions: &[String]) -> String {
    let mut called = String::new();
    for id in mentions.iter().filter(|id| is_id(id)).take(MENTIONS) {
        called.push_str(if id.starts_with('S') { "<!subteam^" } else { "<@" });
        called.push_str(id);
        called.push_str("> ");
    }
    called
}

fn is_id(id: &str) -> bool {
    let rest = id.strip_prefix(['U', 'W', 'S']).unwrap_or_default();
    (6..=20).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn lead(page: &Page<'_>, called: &str) -> Option<String> {
    let lead = page.lead.as_deref().map(|lead| Text::of(lead).line(LONGEST_LEAD));
    match lead {
        Some(lead) => Some(format!("{called}{lead}")),
        None if called.is_empty() => None,
        None => Some(called.trim_end().to_owned()),
    }
}

/// The line beside the colour.
fn beside(page: &Page<'_>) -> String {
    let value = |index: usize| page.standing.get(index).map_or("—", |(_, value)| value.as_str());
    format!("*{}* {}", Text::of(value(0)).line(40), Text::of(value(1)).line(40))
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "#b71c1c",
        Tone::Major => "#e65100",
        Tone::Minor => "#f9a825",
        Tone::Low => "#78909c",
        Tone::Good => "#2e7d32",
        Tone::Neutral => "#1976d2",
    }
}

/// As many facts as there is room for, in their order, and how many there was no room for.
fn facts(facts: &[Fact], room: usize, blocks: usize) -> Vec<Block> {
    let mut shown = Vec::new();
    let mut left = room.saturating_sub(REST);
    let mut rest = facts;
    while let Some(fact) = rest.first()
        && shown.len() + 1 < blocks
    {
        let mut fields = Vec::new();
        let mut size = AROUND_FIELDS;
        for fact in rest.iter().take(FIELDS) {
            let Some(value) = short(&fact.value) else { break };
            let field = field(&fact.name, &value);
            size += AROUND_FIELD + units(&field.text);
            if size > left {
                break;
            }
            fields.push(field);
        }
        let (block, taken) = if !fields.is_empty() {
            let taken = fields.len();
            (Block::Fields { fields }, taken)
        } else if short(&fact.value).is_some() {
            break;
        } else {
            let limit = left.saturating_sub(LONGEST_NAME + AROUND_SECTION + 4).min(LONGEST_VALUE);
            if limit < SHORT_VALUE {
                break;
            }
            (section(titled(&fact.name, &Text::of(&fact.value).fenced(limit))), 1)
        };
        left = left.saturating_sub(block.size());
        shown.push(block);
        rest = rest.get(taken..).unwrap_or_default();
    }
    match rest.len() {
        0 => {}
        1 => shown.push(section("_1 more fact omitted_".to_owned())),
        many => shown.push(section(format!("_{many} more facts omitted_"))),
    }
    shown
}

/// A value that can stand beside others.
fn short(value: &str) -> Option<String> {
    let value = value.trim();
    if value.len() > SHORT_VALUE * 4 || value.contains('\n') {
        return None;
    }
    let value = Text::of(value);
    (value.cost() <= SHORT_VALUE).then(|| value.fit(SHORT_VALUE))
}

fn field(name: &str, value: &str) -> Mrkdwn {
    Mrkdwn { text: titled(name, value) }
}

fn titled(name: &str, value: &str) -> String {
    let value = if value.trim().is_empty() { "—" } else { value };
    format!("*{}*\n{value}", Text::of(name).line(LONGEST_NAME))
}

/// What was done, what is left to do, what is told together: what one does not need of its share is the next one's.
fn lists<'a>(sections: &'a [Section<'_>]) -> impl Iterator<Item = String> + 'a {
    let mut left = LONGEST_SECTIONS;
    sections.iter().enumerate().filter_map(move |(index, section)| {
        let items = section
            .items
            .iter()
            .map(|item| Text::of(item))
            .filter(|item| !item.is_blank())
            .map(|item| item.fit(LONGEST_ITEM));
        let share = left / (sections.len() - index);
        let list = headed(section.heading, items, share.min(LONGEST_LIST))?;
        left = left.saturating_sub(units(&list));
        Some(list)
    })
}

/// Names and values in ten fields to a block; where they are long together, each is cut shorter.
fn standing(page: &Page<'_>) -> Vec<Block> {
    let fields = |limit: usize| -> Vec<Mrkdwn> {
        page.standing.iter().map(|(name, value)| field(name, &Text::of(value).line(limit))).collect()
    };
    let mut shown = fields(SHORT_VALUE);
    if shown.iter().map(|field| AROUND_FIELD + units(&field.text)).sum::<usize>() > LONGEST_STANDING {
        shown = fields(SHORT_VALUE / 2);
    }
    let mut blocks = Vec::with_capacity(2);
    while !shown.is_empty() {
        let rest = shown.split_off(shown.len().min(FIELDS));
        blocks.push(Block::Fields { fields: shown });
        shown = rest;
    }
    blocks
}

/// Links that a person can click; whatever is no `https` address is shown as text.
fn links(links: &[Cow<'_, Link>]) -> Option<String> {
    let shown = links.iter().map(|link| {
        let title = Text::of(&link.title).line(LONGEST_NAME);
        match address(&link.url, LONGEST_LINK) {
            Some(url) => format!("<{}|{}>", url.replace('&', "&amp;"), title.replace('|', "/")),
            None => format!("{title}: {}", Text::of(&link.url).line(200)),
        }
    });
    headed("Where to look", shown, LONGEST_LINKS)
}

fn headed(heading: &str, items: impl Iterator<Item = String>, limit: usize) -> Option<String> {
    let items = bounded(items, "\n• ", limit.saturating_sub(heading.len() + 2), units);
    (!items.is_empty()).then(|| format!("*{heading}*{items}"))
}

fn acknowledge(page: &Page<'_>) -> Option<String> {
    let url = address(page.acknowledge?, LONGEST_ACKNOWLEDGE)?;
    Some(format!("*<{}|Acknowledge>*", url.replace('&', "&amp;")))
}

fn section(text: String) -> Block {
    Block::Section { text: Mrkdwn { text } }
}

#[cfg(test)]
mod tests;
