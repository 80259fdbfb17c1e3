//! A notice as an Adaptive Card for a Microsoft Teams workflow: [`card`] down the ladder until the workflow takes it.
//!
//! A workflow answers before it posts, so success is only acceptance: whether people see the card stands in the
//! workflow's own history.

pub mod card;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use crate::channel::{Outbox, Sent, Telling};
use crate::decision::{self, Meaning, Reply};
use crate::render::Page;
use crate::render::ladder::{Rung, descend};

/// Sends one notice.
pub async fn send(url: &Url, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let page = Page::of(&telling.view);
    let attempt = async |rung| out.post(url, &[], card::of(&page, rung), meaning).await;
    descend(&Rung::ALL, attempt).await.into()
}

/// What a workflow's answer means.
fn meaning(reply: &Reply, now: Timestamp) -> Meaning {
    let status = reply.status;
    match status {
        200..=299 => accepted(reply, now),
        413 => Meaning::Simplify("413: the card is too large".to_owned()),
        // A card that cannot be used is a 400, and so is a workflow that cannot.
        400 => match code(reply).as_deref() {
            Some("WorkflowTriggerIsNotEnabled" | "WorkflowDisabled" | "FlowDisabled") => {
                Meaning::Refused("400: the workflow is turned off; turn it on in Teams".to_owned())
            }
            Some(code) => Meaning::Simplify(format!("400 {code}")),
            None => Meaning::Simplify("400".to_owned()),
        },
        401 | 403 | 404 | 410 => Meaning::Refused(renew(status)),
        _ => decision::not_now(reply, now).unwrap_or_else(|| Meaning::Refused(decision::refusal(status))),
    }
}

fn renew(status: u16) -> String {
    format!(
        "{status}: the workflow's address is not valid any more; make a new one in Teams (Workflows, \"When a Teams \
         webhook request is received\") and put it into the channels secret"
    )
}

/// Success, unless the body says otherwise: connectors answered 200 with the text of an error, which names the status
/// that Teams itself answered.
fn accepted(reply: &Reply, now: Timestamp) -> Meaning {
    let failed = match serde_json::from_str::<Value>(&reply.body) {
        Ok(Value::Object(body)) => body.get("error").is_some_and(|error| !error.is_null()),
        Ok(_) => false,
        Err(_) => reply.body.to_ascii_lowercase().contains("error"),
    };
    if !failed {
        return Meaning::Accepted;
    }
    let status = reply.status;
    match inner_status(&reply.body) {
        Some(inner @ (429 | 408 | 425 | 500..=599)) => {
            decision::later(reply, now, inner == 429, format!("{status} with an error {inner}"))
        }
        Some(inner @ (401 | 403 | 404 | 410)) => Meaning::Refused(renew(inner)),
        Some(inner) => Meaning::Simplify(format!("{status} with an error {inner}")),
        None => Meaning::Simplify(format!("{status} with an error")),
    }
}

/// The first status of an error in a text, such as that in `endpoint returned HTTP error 413 with ContextId …`.
fn inner_status(body: &str) -> Option<u16> {
    body.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == 3)
        .filter_map(|word| word.parse().ok())
        .find(|status| (400..600).contains(status))
}

/// The error code: one word, as Azure writes them.
fn code(reply: &Reply) -> Option<String> {
    let body: Value = serde_json::from_str(&reply.body).ok()?;
    let code = body.get("error")?.get("code")?.as_str()?;
    (code.len() <= 60 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| code.to_owned())
}

#[cfg(test)]
mod tests;
