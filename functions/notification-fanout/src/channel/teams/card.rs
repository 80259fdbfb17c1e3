//! What people read as an Adaptive Card, in the envelope that a workflow of Microsoft Teams takes.
//!
//! Teams takes 28,672 bytes as it counts them, which is more than is sent: a request of 24,453 bytes was counted as
//! 28,897 (`MicrosoftDocs/msteams-docs` 11274). So [`TOTAL`] bounds the request. A workflow accepts a card that Teams then
//! refuses, so what is not in version 1.4 of the schema is not used: no headings, no tables, no colours but those that
//! have names, no list that is empty. The card mentions nobody: one person who is not in the team would make Teams
//! refuse the whole card, after it was accepted.

use std::borrow::Cow;

use serde::Serialize;
use shared::notice::{Fact, Link};

use crate::render::ladder::Rung;
use crate::render::text::{Text, address, bounded, bytes};
use crate::render::{Page, Section, Tone};

/// The whole request, in bytes.
pub const TOTAL: usize = 20_000;

const BEFORE: &str = concat!(
    r#"{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","#,
    r#""contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","#,
    r#""type":"AdaptiveCard","version":"1.4","body":["#
);
const AFTER: &str = r#","msteams":{"width":"Full"}}}]}"#;

// What stands around the facts takes at most 14,000 of the whole.
const LONGEST_HEADLINE: usize = 400;
const LONGEST_LEAD: usize = 800;
const LONGEST_STANDING: usize = 200;
const LONGEST_SUMMARY: usize = 2_500;
const LONGEST_SECTIONS: usize = 4_000;
const LONGEST_LINKS: usize = 800;
const LONGEST_FOOTER: usize = 500;
const LONGEST_ACKNOWLEDGE: usize = 1_000;

const LONGEST_LIST: usize = 3_500;
const LONGEST_ITEM: usize = 500;
const LONGEST_VALUE: usize = 4_000;
const LONGEST_NAME: usize = 120;
const LONGEST_LINK: usize = 400;

/// Teams shows six actions; the link that acknowledges is one of them.
const LINKS: usize = 5;

/// A value up to this size stands beside its name; a longer one, or one of several lines, below it.
const SHORT_VALUE: usize = 240;

/// What is kept free for the line that says how many facts were left out.
const REST: usize = 200;

/// The plain message.
const LONGEST_PLAIN: usize = 6_000;

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Element {
    TextBlock {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        weight: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        color: Option<&'static str>,
        #[serde(rename = "fontType", skip_serializing_if = "Option::is_none")]
        font_type: Option<&'static str>,
        #[serde(rename = "isSubtle", skip_serializing_if = "std::ops::Not::not")]
        is_subtle: bool,
        wrap: bool,
    },
    FactSet {
        facts: Vec<Pair>,
    },
}

#[derive(Debug, Serialize)]
struct Pair {
    title: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "Action.OpenUrl")]
struct Action {
    title: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'static str>,
}

/// A list that is being written, and so knows its size.
#[derive(Debug, Default)]
struct List(String);

impl List {
    fn push(&mut self, item: &impl Serialize) {
        // Texts and lists can always be written.
        let json = serde_json::to_string(item).unwrap_or_default();
        self.append(&json);
    }

    fn append(&mut self, json: &str) {
        if !self.0.is_empty() && !json.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(json);
    }

    /// Adds it if there is room.
    fn try_push(&mut self, item: &impl Serialize, room: &mut usize) -> bool {
        let json = serde_json::to_string(item).unwrap_or_default();
        let fits = json.len() < *room;
        if fits {
            *room -= json.len() + 1;
            self.append(&json);
        }
        fits
    }
}

/// What people read, on this rung, as JSON.
#[must_use]
pub fn of(page: &Page<'_>, rung: Rung) -> String {
    match rung {
        Rung::Rich => rich(page),
        Rung::Plain => plain(page),
        Rung::Minimal => minimal(page),
    }
}

fn message(body: &List, actions: &List) -> String {
    let mut json = String::with_capacity(BEFORE.len() + AFTER.len() + body.0.len() + actions.0.len() + 16);
    json.push_str(BEFORE);
    json.push_str(&body.0);
    json.push(']');
    if !actions.0.is_empty() {
        json.push_str(r#","actions":["#);
        json.push_str(&actions.0);
        json.push(']');
    }
    json.push_str(AFTER);
    json
}

fn rich(page: &Page<'_>) -> String {
    let mut body = List::default();
    body.push(&headline(page));
    if let Some(lead) = &page.lead {
        body.push(&bold(Text::of(lead).markdown_line(LONGEST_LEAD)));
    }
    let standing = page.standing.iter().map(|(name, value)| Pair {
        title: (*name).to_owned(),
        value: Text::of(value).markdown_line(LONGEST_STANDING),
    });
    body.push(&Element::FactSet { facts: standing.collect() });
    if let Some(summary) = summary(page, LONGEST_SUMMARY) {
        body.push(&summary);
    }
    lists(&mut body, &page.sections);

    let mut actions = List::default();
    if let Some(acknowledge) = acknowledge(page) {
        actions.push(&acknowledge);
    }
    let mut after = List::default();
    links(&page.links, &mut actions, &mut after);
    after.push(&small(Text::of(&page.footer).markdown_line(LONGEST_FOOTER)));

    let fixed = BEFORE.len() + AFTER.len() + body.0.len() + actions.0.len() + after.0.len() + 32;
    facts(page.facts, &mut body, TOTAL.saturating_sub(fixed));
    body.append(&after.0);
    message(&body, &actions)
}

fn plain(page: &Page<'_>) -> String {
    let mut body = List::default();
    let mut room = LONGEST_PLAIN;
    body.try_push(&block(Text::of(&page.headline).markdown_line(LONGEST_HEADLINE)), &mut room);
    if let Some(lead) = &page.lead {
        body.try_push(&block(Text::of(lead).markdown_line(LONGEST_LEAD)), &mut room);
    }
    let standing: Vec<_> = page
        .standing
        .iter()
        .map(|(name, value)| format!("{name}: {}", Text::of(value).markdown_line(100)))
        .collect();
    body.try_push(&block(standing.join(" · ")), &mut room);
    let mut left_out = 0_usize;
    let texts = summary(page, 1_500).into_iter().chain(page.sections.iter().map(|section| {
        let items = items(section, 1_000);
        block(format!("{}:{items}", section.heading))
    }));
    for text in texts {
        left_out += usize::from(!body.try_push(&text, &mut room));
    }
    left_out += page.facts.len() + page.links.len();
    if left_out > 0 {
        body.push(&small(format!("{left_out} more omitted")));
    }
    let mut actions = List::default();
    if let Some(acknowledge) = acknowledge(page) {
        actions.push(&acknowledge);
    }
    message(&body, &actions)
}

fn minimal(page: &Page<'_>) -> String {
    let incident = Text::of(page.incident);
    let headline = Text::of(&page.headline).markdown_line(LONGEST_HEADLINE);
    let text = if incident.is_blank() {
        headline
    } else {
        format!("{headline} (incident {})", incident.markdown_line(200))
    };
    let mut body = List::default();
    body.push(&block(text));
    message(&body, &List::default())
}

fn block(text: String) -> Element {
    Element::TextBlock {
        text,
        size: None,
        weight: None,
        color: None,
        font_type: None,
        is_subtle: false,
        wrap: true,
    }
}

fn headline(page: &Page<'_>) -> Element {
    Element::TextBlock {
        text: Text::of(&page.headline).markdown_line(LONGEST_HEADLINE),
        size: Some("Large"),
        weight: Some("Bolder"),
        color: Some(colour(page.tone)),
        font_type: None,
        is_subtle: false,
        wrap: true,
    }
}

fn bold(text: String) -> Element {
    Element::TextBlock {
        text,
        size: None,
        weight: Some("Bolder"),
        color: None,
        font_type: None,
        is_subtle: false,
        wrap: true,
    }
}

fn small(text: String) -> Element {
    Element::TextBlock {
        text,
        size: Some("Small"),
        weight: None,
        color: None,
        font_type: None,
        is_subtle: true,
        wrap: true,
    }
}

fn monospace(text: String) -> Element {
    Element::TextBlock {
        text,
        size: None,
        weight: None,
        color: None,
        font_type: Some("Monospace"),
        is_subtle: false,
        wrap: true,
    }
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical | Tone::Major => "Attention",
        Tone::Minor => "Warning",
        Tone::Low | Tone::Neutral => "Accent",
        Tone::Good => "Good",
    }
}

fn summary(page: &Page<'_>, limit: usize) -> Option<Element> {
    let summary = Text::of(&page.summary);
    (!summary.is_blank()).then(|| block(summary.markdown(limit)))
}

/// What was done, what is left to do, what is told together: what one does not need of its share is the next one's.
fn lists(body: &mut List, sections: &[Section<'_>]) {
    let mut left = LONGEST_SECTIONS;
    for (index, section) in sections.iter().enumerate() {
        let share = left / (sections.len() - index);
        let items = items(section, share.min(LONGEST_LIST));
        if items.is_empty() {
            continue;
        }
        left = left.saturating_sub(bytes(&items));
        body.push(&bold(section.heading.to_owned()));
        body.push(&block(items.trim_start().to_owned()));
    }
}

fn items(section: &Section<'_>, limit: usize) -> String {
    let items = section
        .items
        .iter()
        .map(|item| Text::of(item))
        .filter(|item| !item.is_blank())
        .map(|item| item.markdown_line(LONGEST_ITEM));
    bounded(items, "\n- ", limit, bytes)
}

/// The first links as actions, the others, and what is no `https` address, as text.
fn links(links: &[Cow<'_, Link>], actions: &mut List, after: &mut List) {
    let mut count = 0;
    let mut others = Vec::new();
    for link in links {
        match address(&link.url, LONGEST_LINK).filter(|_| count < LINKS) {
            Some(url) => {
                actions.push(&Action { title: Text::of(&link.title).label(80), url, style: None });
                count += 1;
            }
            None => others.push(format!(
                "{}: {}",
                Text::of(&link.title).markdown_line(LONGEST_NAME),
                Text::of(&link.url).markdown_line(LONGEST_LINK)
            )),
        }
    }
    let others = bounded(others.into_iter(), "\n- ", LONGEST_LINKS, bytes);
    if !others.is_empty() {
        after.push(&bold("Where to look".to_owned()));
        after.push(&block(others.trim_start().to_owned()));
    }
}

fn acknowledge(page: &Page<'_>) -> Option<Action> {
    let url = address(page.acknowledge?, LONGEST_ACKNOWLEDGE)?;
    Some(Action { title: "Acknowledge".to_owned(), url, style: Some("positive") })
}

/// As many facts as there is room for, in their order, and how many there was no room for.
fn facts(facts: &[Fact], body: &mut List, room: usize) {
    let mut room = room.saturating_sub(REST);
    let mut rest = facts;
    while let Some(fact) = rest.first() {
        let mut pairs = Vec::new();
        let mut size = r#"{"type":"FactSet","facts":[]},"#.len();
        for fact in rest {
            let Some(value) = short(&fact.value) else { break };
            let pair = Pair { title: Text::of(&fact.name).markdown_line(LONGEST_NAME), value };
            size += r#"{"title":"","value":""},"#.len() + bytes(&pair.title) + bytes(&pair.value);
            if size >= room {
                break;
            }
            pairs.push(pair);
        }
        let taken = if !pairs.is_empty() {
            let taken = pairs.len();
            let fits = body.try_push(&Element::FactSet { facts: pairs }, &mut room);
            if fits { taken } else { 0 }
        } else if short(&fact.value).is_some() {
            0
        } else {
            let limit = room.saturating_sub(LONGEST_NAME + 240).min(LONGEST_VALUE);
            let name = bold(Text::of(&fact.name).markdown_line(LONGEST_NAME));
            let fits = limit >= SHORT_VALUE
                && body.try_push(&name, &mut room)
                && body.try_push(&monospace(shown_or_dash(&fact.value, limit)), &mut room);
            usize::from(fits)
        };
        if taken == 0 {
            break;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    match rest.len() {
        0 => {}
        1 => body.push(&small("1 more fact omitted".to_owned())),
        many => body.push(&small(format!("{many} more facts omitted"))),
    }
}

/// A value of which nothing can be seen is a dash: an empty text makes the card invalid.
fn shown_or_dash(value: &str, limit: usize) -> String {
    let text = Text::of(value);
    if text.is_blank() { "—".to_owned() } else { text.markdown(limit) }
}

/// A value that can stand beside its name.
fn short(value: &str) -> Option<String> {
    let value = value.trim();
    if value.len() > SHORT_VALUE || value.contains('\n') {
        return None;
    }
    let shown = Text::of(value).markdown_line(SHORT_VALUE * 4);
    (bytes(&shown) <= SHORT_VALUE).then_some(shown)
}

#[cfg(test)]
mod tests;
