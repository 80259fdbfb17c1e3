//! What each channel got, as people would see it: one HTML file without scripts and without anything from elsewhere. A
//! row per notice, a column per channel; a telephone shows a row's cells side by side, to be swiped.
//!
//! All of it is rendered from the requests that were made, by one file per kind of channel. None of their text is
//! trusted: [`html::escaped`] is the only way into the page.

mod adaptive_card;
mod amazon_q;
mod email;
mod github;
mod html;
mod json;
mod markdown;
mod mrkdwn;
mod pagerduty;
mod slack;
mod style;
mod text;
mod webhook;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use html::escaped;

/// How many messages of a cell are shown; of the others it is said how many there are.
const SHOWN: usize = 6;

/// A kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Slack,
    SlackApp,
    Teams,
    PagerDuty,
    GitHub,
    Text,
    Email,
    AmazonQ,
    Webhook,
}

impl Kind {
    /// All of them, in the order of their columns.
    pub(super) const ALL: [Self; 9] = [
        Self::Slack,
        Self::SlackApp,
        Self::Teams,
        Self::Email,
        Self::PagerDuty,
        Self::GitHub,
        Self::AmazonQ,
        Self::Text,
        Self::Webhook,
    ];

    /// The channel's name in the secret.
    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::SlackApp => "slack-app",
            Self::Teams => "teams",
            Self::PagerDuty => "pagerduty",
            Self::GitHub => "github",
            Self::Text => "text",
            Self::Email => "email",
            Self::AmazonQ => "amazon-q",
            Self::Webhook => "webhook",
        }
    }

    /// Name, and by what it is reached.
    const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Slack => ("Slack", "incoming webhook"),
            Self::SlackApp => ("Slack app", "threads and changed messages"),
            Self::Teams => ("Microsoft Teams", "workflow, Adaptive Card"),
            Self::PagerDuty => ("PagerDuty", "Events API v2"),
            Self::GitHub => ("GitHub", "deployments and statuses"),
            Self::Text => ("SNS", "plain text for email and SMS"),
            Self::Email => ("Email", "SES, HTML and text"),
            Self::AmazonQ => ("Amazon Q Developer", "custom notification"),
            Self::Webhook => ("Webhook", "signed JSON"),
        }
    }

    fn message(self, message: &Message) -> String {
        match self {
            Self::Slack | Self::SlackApp => slack::render(message),
            Self::Teams => adaptive_card::render(message),
            Self::PagerDuty => pagerduty::render(message),
            Self::GitHub => github::render(message),
            Self::Text => text::render(message),
            Self::Email => email::render(message),
            Self::AmazonQ => amazon_q::render(message),
            Self::Webhook => webhook::render(message),
        }
    }
}

/// What the channel's answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// People can see it.
    Acknowledged,
    /// It was taken, without a word on whether people can see it.
    Accepted,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "delivered",
            Self::Accepted => "accepted, unverified",
        }
    }
}

/// A channel.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) kind: Kind,
    /// How many messages it got.
    pub(super) messages: usize,
    pub(super) state: State,
}

/// Something that was told.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) cells: Vec<Cell>,
}

/// What a channel got of it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) messages: Vec<Message>,
    /// Why there is none.
    pub(super) why: String,
}

/// One request, with all secrets taken out of it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// What was called.
    pub(super) called: String,
    /// The headers that say something.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

/// The page.
pub(super) fn render(columns: &[Column], rows: &[Row], at: Timestamp) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.push_str("<title>What Watchkeeper told, and where</title>\n<style>");
    page.push_str(style::STYLE);
    page.push_str("</style>\n</head>\n<body>\n");
    let _ = writeln!(
        page,
        "<header class=\"page\"><h1>What Watchkeeper told, and where</h1><p>{} notices, told on {} kinds of channel by \
         the deployed functions at {}. Every message is drawn from the request that was made, which is under it; keys and \
         the tokens of signed links are left out. The vendors' own clients may draw it a little differently.</p></header>",
        rows.len(),
        columns.len(),
        escaped(&format!("{at:.0}")),
    );
    page.push_str("<main>\n<div class=\"heads\" aria-hidden=\"true\"><div class=\"corner\"></div>");
    for column in columns {
        let _ = write!(page, "<div class=\"head\">{}</div>", head(column));
    }
    page.push_str("</div>\n");
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(
            page,
            "<section class=\"row\"><header><p class=\"number\">{}</p><h2>{}</h2><p>{}</p></header><div class=\"cells\">",
            index + 1,
            escaped(&row.title),
            escaped(&row.about)
        );
        for column in columns {
            let cell = row.cells.iter().find(|cell| cell.kind == column.kind);
            let _ = writeln!(
                page,
                "<article class=\"cell\" tabindex=\"0\"><h3>{}</h3>{}</article>",
                head(column),
                cell.map(self::cell).unwrap_or_default()
            );
        }
        page.push_str("</div></section>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(column: &Column) -> String {
    let (name, by) = column.kind.title();
    let class = match column.state {
        State::Acknowledged => "good",
        State::Accepted => "fair",
    };
    let noun = if column.messages == 1 { "message" } else { "messages" };
    format!(
        "<strong>{name}</strong> <span class=\"by\">{by}</span> <span class=\"state\"><span class=\"pill {class}\">{}</span> {} {noun}</span>",
        column.state.as_str(),
        column.messages
    )
}

fn cell(cell: &Cell) -> String {
    if cell.messages.is_empty() {
        return format!("<p class=\"none\">Not told: {}.</p>", escaped(&cell.why));
    }
    let mut shown = String::new();
    for message in cell.messages.iter().take(SHOWN) {
        let _ = write!(shown, "<div class=\"message\">{}{}</div>", cell.kind.message(message), raw(message));
    }
    let more = cell.messages.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = write!(shown, "<p class=\"none\">… and {more} more like these.</p>");
    }
    shown
}

fn raw(message: &Message) -> String {
    if message.body.is_null() {
        return String::new();
    }
    let (called, json) = (escaped(&message.called), escaped(&json::pretty(&message.body)));
    format!("<details><summary>{called} · raw JSON</summary><pre>{json}</pre></details>")
}

/// The names of fields whose values are secrets.
const SECRET: [&str; 2] = ["routing_key", "token"];

/// The same without keys and without the tokens of signed links.
pub(super) fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_tokens(&text)),
        Value::Array(list) => list.into_iter().map(redacted).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = if SECRET.contains(&name.as_str()) { "…".into() } else { redacted(value) };
                (name, value)
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

const TOKEN: &str = "token=";

fn without_tokens(text: &str) -> String {
    let mut parts = text.split(TOKEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(TOKEN);
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        if rest.len() < part.len() {
            shown.push('…');
        }
        shown.push_str(rest);
    }
    shown
}

/// Whether the token of a signed link stands in a text.
pub(super) fn holds_token(text: &str) -> bool {
    without_tokens(text) != text
}

#[cfg(test)]
mod tests;
