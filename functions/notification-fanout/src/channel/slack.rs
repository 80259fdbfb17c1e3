//! A notice as a message of a Slack incoming webhook: [`message`] down the ladder until Slack takes it.

pub mod message;

use reqwest::Url;

use crate::channel::{Outbox, Sent, Telling};
use crate::decision;
use crate::render::Page;
use crate::render::ladder::{Rung, descend};

/// Sends one notice.
pub async fn send(url: &Url, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let page = Page::of(&telling.view);
    let attempt = async |rung| {
        let body = message::of(&page, telling.view.mentions, rung).json();
        out.post(url, &[], body, decision::slack).await
    };
    descend(&Rung::ALL, attempt).await.into()
}

#[cfg(test)]
mod tests;
