//! A notice as plain text for an SNS topic, whose subscribers read email or text messages.
//!
//! Limits (SNS API, "Publish"): a subject has fewer than 100 printable ASCII characters; a message has at most 262,144
//! bytes with its attributes. A FIFO topic drops what repeats a deduplication id within five minutes: the delivery's
//! key is made of incident, revision and state, so an end is not taken for its beginning. A text message of more than
//! 1,600 characters is not sent (SNS Developer Guide, "Publishing SMS messages"), so telephones get a line of their own:
//! the headline, and the link that acknowledges.

use std::collections::HashMap;

use aws_sdk_sns::types::MessageAttributeValue;
use serde_json::json;
use shared::id;
use shared::notice::{Notice, State};

use crate::channel::plain::{self, Document};
use crate::channel::{Outbox, Sent, Telling};
use crate::decision::Meaning;
use crate::render::{self, Page, View};

/// The largest message; the rest is left for the attributes.
pub const LARGEST: usize = 250_000;

/// The longest subject.
pub const LONGEST_SUBJECT: usize = 99;

const LONGEST_ATTRIBUTE: usize = 256;

const LONGEST_LINK: usize = 2_000;

/// With the line above it, a text message stays below 1,600 characters.
const LONGEST_SMS_LINK: usize = 1_400;

/// Sends one notice.
pub async fn send(topic: &str, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let notice = telling.view.notice;
    let publish = out
        .sns
        .publish()
        .topic_arn(topic)
        .subject(subject(notice))
        .set_message_attributes(Some(attributes(notice)));
    let publish = if is_fifo(topic) {
        publish
            .message(message(&telling.view))
            .message_group_id(id::of(&[&notice.incident]))
            .message_deduplication_id(telling.key)
    } else {
        publish.message_structure("json").message(by_protocol(&telling.view))
    };
    match out.call("sns:Publish", publish.send()).await {
        Ok(_) => Meaning::Accepted.into(),
        Err(meaning) => meaning.into(),
    }
}

/// Whether the topic keeps the order, and wants to be told what repeats.
pub fn is_fifo(topic: &str) -> bool {
    // Names of topics are case-sensitive.
    topic.strip_suffix(".fifo").is_some()
}

/// `[prod] SEV-1: web is down`, in what SNS takes.
pub fn subject(notice: &Notice) -> String {
    let line = plain::title(&titled(notice), LONGEST_SUBJECT);
    line.chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(LONGEST_SUBJECT)
        .collect()
}

/// The headline behind its environment.
pub fn titled(notice: &Notice) -> String {
    let environment = plain::line(&notice.environment, 30);
    let headline = render::headline(notice);
    if environment.is_empty() { headline } else { format!("[{environment}] {headline}") }
}

/// The message, within its limit also when it is written as JSON.
pub fn message(view: &View<'_>) -> String {
    plain::fitted(&Page::of(view), LONGEST_LINK, Document::text, |text| {
        json!(text).to_string().len() <= LARGEST
    })
}

/// What each kind of subscriber gets, as SNS takes it.
pub fn by_protocol(view: &View<'_>) -> String {
    json!({"default": message(view), "sms": text_message(view)}).to_string()
}

/// What a telephone shows, in ASCII: other characters would double the parts that it is sent in.
fn text_message(view: &View<'_>) -> String {
    let headline = subject(view.notice);
    let link =
        view.acknowledge.filter(|link| view.notice.state == State::Firing && link.len() <= LONGEST_SMS_LINK);
    match link {
        Some(link) => format!("{headline}\nAcknowledge: {link}"),
        None => headline,
    }
}

/// What a subscription's filter policy can match on. SNS refuses an empty value.
fn attributes(notice: &Notice) -> HashMap<String, MessageAttributeValue> {
    let environment = plain::line(&notice.environment, LONGEST_ATTRIBUTE);
    [
        ("state", notice.state.as_str()),
        ("severity", notice.severity.as_str()),
        ("environment", environment.as_str()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .filter_map(|(name, value)| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()?;
        Some((name.to_owned(), value))
    })
    .collect()
}

#[cfg(test)]
mod tests;
