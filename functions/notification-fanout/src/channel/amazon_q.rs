//! A notice as a custom notification for Amazon Q Developer in chat applications: JSON on a topic that it is subscribed
//! to. It shows the notice in Slack or Teams, in threads by incident where the channel is set up so.
//!
//! Amazon Q drops what it does not understand without a word, so that the topic took it is only acceptance. The text is
//! marked up by whatever the client's markup is; so nothing can be escaped, and what would link or mention is broken. An
//! address stands as it is, and clients make a link of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use shared::error::{Call, Class};
use shared::{Error, id};

use crate::channel::{Outbox, Sent, Telling};
use crate::decision::Meaning;
use crate::render::text::{Text, address, bounded, bytes};
use crate::render::{Page, Section, View};

/// What people read in a chat, in bytes; with all else a message stays far below the 262,144 that SNS takes.
const LONGEST_DESCRIPTION: usize = 4_000;

const LONGEST_TITLE: usize = 250;
const LONGEST_LEAD: usize = 400;
const LONGEST_STANDING: usize = 150;
const LONGEST_SUMMARY: usize = 1_200;
const LONGEST_SECTIONS: usize = 800;
const LONGEST_ITEM: usize = 250;
const LONGEST_LINK: usize = 300;
const LONGEST_ACKNOWLEDGE: usize = 1_000;

/// How many next steps are shown, and how long each may be.
const STEPS: usize = 10;

/// Sends one notice.
pub async fn send(topic: &str, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let message = message(&telling.view, telling.key);
    let published = out.sns.publish().topic_arn(topic).message(message).send();
    let limit = (out.limit)();
    let meaning = match tokio::time::timeout(limit, published).await {
        Ok(answer) => match answer.action("sns:Publish") {
            Ok(_) => Meaning::Accepted,
            Err(error) => meaning(&error),
        },
        Err(_) => Meaning::Later {
            after: None,
            quiet: false,
            why: format!("sns:Publish: no answer within {:.1} s", limit.as_secs_f64()),
        },
    };
    meaning.into()
}

/// What a failure means. What the service said may name what it was sent, so its code has to do.
fn meaning(error: &Error) -> Meaning {
    let why = match error.code() {
        Some(code) => format!("{error}: {code}"),
        None => error.to_string(),
    };
    match error.class() {
        Class::Transient => Meaning::Later { after: None, quiet: false, why },
        Class::Permanent => Meaning::Refused(why),
    }
}

#[derive(Debug, Serialize)]
struct Notification<'a> {
    version: &'static str,
    source: &'static str,
    id: &'a str,
    content: Content,
    metadata: Metadata,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    text_type: &'static str,
    title: String,
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next_steps: Vec<String>,
    keywords: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    thread_id: String,
    summary: String,
    event_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_resources: Vec<String>,
    additional_context: BTreeMap<&'static str, String>,
}

/// The custom notification, as JSON.
#[must_use]
pub fn message(view: &View<'_>, key: &str) -> String {
    let page = Page::of(view);
    let notice = view.notice;
    let line = |text: &str, limit: usize| Text::of(text).defused_line(limit);
    let title = line(&page.headline, LONGEST_TITLE);
    let subject = [notice.subject.arn.as_deref(), Some(notice.subject.id.as_str())];
    let related = subject.into_iter().flatten().find(|name| !Text::of(name).is_blank());
    let words = [notice.severity.as_str(), notice.state.as_str(), &notice.environment, &notice.source];
    let additional = [
        ("severity", notice.severity.as_str()),
        ("state", notice.state.as_str()),
        ("environment", &notice.environment),
        ("source", &notice.source),
        ("incident", &notice.incident),
    ];
    let notification = Notification {
        version: "1.0",
        source: "custom",
        id: key,
        content: Content {
            text_type: "client-markdown",
            title: title.clone(),
            description: description(&page),
            next_steps: next_steps(&notice.next_steps),
            keywords: words
                .into_iter()
                .filter(|word| !Text::of(word).is_blank())
                .map(|word| line(word, 60))
                .collect(),
        },
        metadata: Metadata {
            thread_id: id::of(&[&notice.incident]),
            summary: title,
            event_type: line(&notice.matched().remove("kind").unwrap_or_default(), 60),
            related_resources: related.map(|name| line(name, 300)).into_iter().collect(),
            additional_context: additional
                .into_iter()
                .map(|(name, value)| (name, line(value, 200)))
                .collect(),
        },
    };
    // Texts, lists and maps of texts can always be written.
    serde_json::to_string(&notification).unwrap_or_default()
}

fn next_steps(steps: &[String]) -> Vec<String> {
    let mut shown: Vec<_> = steps
        .iter()
        .map(|step| Text::of(step))
        .filter(|step| !step.is_blank())
        .map(|step| step.defused_line(LONGEST_ITEM))
        .collect();
    let omitted = shown.len().saturating_sub(STEPS);
    if omitted > 0 {
        shown.truncate(STEPS - 1);
        shown.push(format!("{} more omitted", omitted + 1));
    }
    shown
}

/// All that is read, in its order, as far as there is room; what is left to do stands beside it.
fn description(page: &Page<'_>) -> String {
    let mut text = String::new();
    let mut left = LONGEST_DESCRIPTION - 40;
    let mut omitted = 0_usize;
    let mut add = |part: &str| {
        let cost = bytes(part) + 2;
        if omitted == 0 && cost <= left {
            left -= cost;
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(part);
        } else {
            omitted += 1;
        }
    };
    if let Some(lead) = &page.lead {
        add(&Text::of(lead).defused_line(LONGEST_LEAD));
    }
    if let Some(url) = page.acknowledge.and_then(|url| address(url, LONGEST_ACKNOWLEDGE)) {
        add(&format!("Acknowledge: {url}"));
    }
    let summary = Text::of(&page.summary);
    if !summary.is_blank() {
        add(&summary.defused(LONGEST_SUMMARY));
    }
    for (name, value) in &page.standing {
        add(&format!("{name}: {}", Text::of(value).defused_line(LONGEST_STANDING)));
    }
    for section in page.sections.iter().filter(|section| section.heading != "What is left to do") {
        add(&format!("{}:{}", section.heading, items(section)));
    }
    for link in &page.links {
        let shown = |url: &str| Text::of(url).defused_line(LONGEST_LINK);
        // An address in which something would have to be broken is shown broken.
        let url = address(&link.url, LONGEST_LINK).map_or_else(|| shown(&link.url), |url| shown(&url));
        add(&format!("{}: {url}", Text::of(&link.title).defused_line(80)));
    }
    for fact in page.facts {
        add(&format!("{}: {}", Text::of(&fact.name).defused_line(80), Text::of(&fact.value).defused(400)));
    }
    if omitted > 0 {
        let _ = write!(text, "\n{omitted} more omitted");
    }
    text
}

fn items(section: &Section<'_>) -> String {
    let items = section
        .items
        .iter()
        .map(|item| Text::of(item))
        .filter(|item| !item.is_blank())
        .map(|item| item.defused_line(LONGEST_ITEM));
    bounded(items, "\n• ", LONGEST_SECTIONS, bytes)
}

#[cfg(test)]
mod tests;
