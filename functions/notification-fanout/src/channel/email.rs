//! A notice as an email by SES: plain text and HTML, one message to all recipients.
//!
//! All messages of an incident refer to the same root, and have the subject of the first, so that mail clients show
//! them as one thread; what changed stands in the body, and first in the line that lists of messages show.
//!
//! Limits (SES, "Service quotas"): 50 recipients, 10 MB, lines of 1,000 characters. Gmail cuts HTML at 102 KB.

mod html;

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader};
use shared::id;
use shared::notice::Notice;

use crate::channel::plain::{self, Document};
use crate::channel::{Memory, Outbox, Sent, Telling, sns};
use crate::decision::Meaning;
use crate::render::{Page, View};

/// The largest plain text, in bytes.
pub const LARGEST_TEXT: usize = 250_000;

/// The largest HTML, in bytes.
pub const LARGEST_HTML: usize = 95_000;

/// The longest line, in bytes.
pub const LONGEST_LINE: usize = 990;

/// The longest subject.
pub const LONGEST_SUBJECT: usize = 150;

/// An address has to stand on one line.
const LONGEST_LINK: usize = 850;

/// What the channel remembers: the subject of the first message.
const SUBJECT: &str = "subject";

/// Sends one notice.
pub async fn send(from: &str, to: &[String], out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let notice = telling.view.notice;
    let subject = subject(notice, telling.memory);
    let Some(message) = message(&telling.view, &subject) else {
        return Meaning::Refused("an email without a body cannot be built".to_owned()).into();
    };
    let call = out
        .ses
        .send_email()
        .from_email_address(from)
        .destination(Destination::builder().set_to_addresses(Some(to.to_vec())).build())
        .content(EmailContent::builder().simple(message).build())
        .send();
    match out.call("ses:SendEmail", call).await {
        Ok(_) => {
            let mut memory = telling.memory.clone();
            memory.insert(SUBJECT.to_owned(), subject);
            Sent { meaning: Meaning::Accepted, memory: Some(memory) }
        }
        Err(Meaning::Refused(why)) => Meaning::Refused(advised(why)).into(),
        Err(
            meaning @ (Meaning::Acknowledged
            | Meaning::Accepted
            | Meaning::Simplify(_)
            | Meaning::Later { .. }),
        ) => meaning.into(),
    }
}

/// What to do about what SES refuses.
fn advised(why: String) -> String {
    let advice = [
        ("MessageRejected", "is the sender verified, and, in the sandbox, every recipient?"),
        ("MailFromDomainNotVerified", "verify the domain of the sender's MAIL FROM"),
        ("AccountSuspended", "SES suspended sending for this account"),
        ("SendingPaused", "sending is paused for this account or configuration set"),
        ("NotFound", "is the sender verified in this region?"),
        ("BadRequest", "look at the addresses of sender and recipients"),
    ];
    match advice.iter().find(|(code, _)| why.contains(code)) {
        Some((_, advice)) => format!("{why}: {advice}"),
        None => why,
    }
}

fn message(view: &View<'_>, subject: &str) -> Option<Message> {
    let content = |data: String| Content::builder().data(data).charset("UTF-8").build().ok();
    let header = |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build().ok();
    let root = root(view.notice);
    let body = Body::builder().text(content(text(view))?).html(content(html(view))?).build();
    let headers =
        [("In-Reply-To", root.as_str()), ("References", &root), ("Auto-Submitted", "auto-generated")];
    let headers = headers.into_iter().map(|(name, value)| header(name, value)).collect::<Option<Vec<_>>>()?;
    let subject = content(subject.to_owned())?;
    Some(Message::builder().subject(subject).body(body).set_headers(Some(headers)).build())
}

/// The subject of the incident's first message; it is one line, also where somebody else remembered it.
pub fn subject(notice: &Notice, memory: &Memory) -> String {
    let first = memory.get(SUBJECT).map(|subject| plain::line(subject, LONGEST_SUBJECT));
    first
        .filter(|subject| !subject.is_empty())
        .unwrap_or_else(|| plain::title(&sns::titled(notice), LONGEST_SUBJECT))
}

/// What all messages of the incident answer to.
pub fn root(notice: &Notice) -> String {
    format!("<{}@watchkeeper>", id::of(&[&notice.incident]))
}

/// The plain text.
pub fn text(view: &View<'_>) -> String {
    let write = |document: &Document| plain::folded(&document.text(), LONGEST_LINE, char::len_utf8);
    plain::fitted(&Page::of(view), LONGEST_LINK, write, |text| text.len() <= LARGEST_TEXT)
}

/// The HTML.
pub fn html(view: &View<'_>) -> String {
    let page = Page::of(view);
    let write = |document: &Document| html::write(document, page.tone);
    plain::fitted(&page, LONGEST_LINK, write, |html| html.len() <= LARGEST_HTML)
}

#[cfg(test)]
mod tests;
