//! Every channel's payload, from the notice to what is sent: page, cut, escaped, measured, and written as JSON.

use jiff::Timestamp;
use notification_fanout::channel::slack::message;
use notification_fanout::channel::teams::card;
use notification_fanout::channel::{Memory, Telling, amazon_q, email, github, pagerduty, sns, webhook};
use notification_fanout::render::ladder::Rung;
use notification_fanout::render::{Occasion, Page, View};
use shared::notice::Notice;

/// Renders a notice; how many bytes it came to, or nothing where it cannot be written.
pub(crate) type Render = fn(&Notice, Timestamp) -> Option<usize>;

/// The channels' renderers. A Slack app sends what a webhook of Slack does.
pub(crate) const CHANNELS: [(&str, Render); 8] = [
    ("Slack", |notice, now| Some(message::of(&Page::of(&view(notice, now)), &[], Rung::Rich).json().len())),
    ("Teams", |notice, now| Some(card::of(&Page::of(&view(notice, now)), Rung::Rich).len())),
    ("PagerDuty", |notice, now| {
        Some(pagerduty::alert(&view(notice, now), KEY, Rung::Rich).to_string().len())
    }),
    ("GitHub", |notice, _| {
        let steps = github::steps(notice, notice.deployment.as_ref()?);
        let written = steps.iter().map(|step| step.create.to_string().len() + step.status.to_string().len());
        Some(written.sum()).filter(|written| *written > 0)
    }),
    ("email, text and HTML", |notice, now| {
        let view = view(notice, now);
        Some(email::text(&view).len() + email::html(&view).len())
    }),
    ("SNS", |notice, now| Some(sns::subject(notice).len() + sns::message(&view(notice, now)).len())),
    ("Amazon Q", |notice, now| Some(amazon_q::message(&view(notice, now), KEY).len())),
    ("a webhook, signed", |notice, now| {
        let memory = Memory::new();
        let telling =
            Telling { view: view(notice, now), channel: "audit", key: KEY, attempt: 1, memory: &memory };
        let request = webhook::request(&telling, "a key that only the receiver knows", now).ok()?;
        Some(request.body.len())
    }),
];

/// A routing key of PagerDuty, and a delivery's own.
const KEY: &str = "0123456789abcdef0123456789abcdef";

const ACKNOWLEDGE: &str = "https://abcdefghijklmnop.lambda-url.eu-central-1.on.aws/?incident=alarm-rollback%2Fecs%3Aprod%2Fweb\
     &expires=1795521600&token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn view(notice: &Notice, now: Timestamp) -> View<'_> {
    View {
        notice,
        together: &[],
        occasion: Occasion::News,
        started: notice.started,
        acknowledge: Some(ACKNOWLEDGE),
        mentions: &[],
        now,
    }
}
