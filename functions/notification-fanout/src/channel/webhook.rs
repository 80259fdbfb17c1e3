//! A notice as a signed request: whoever holds the key can check that it comes from us, was not changed, and is
//! not old; and can tell a repetition by its idempotency key.
//!
//! The signature is `v1=` and the hexadecimal HMAC-SHA-256 of `<timestamp>.<body>`. The body is the same for every
//! attempt at a delivery, because receivers may refuse a key that returns with another body. A body over [`LARGEST`]
//! has its longest texts and lists cut, and says so in `delivery.cut`.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use shared::notice::Notice;
use shared::{Error, Result};

use crate::channel::{Outbox, Sent, Telling};
use crate::decision::{self, Meaning};
use crate::render::Occasion;

/// The largest body, in bytes.
pub const LARGEST: usize = 512_000;

/// The longest text and the most entries of a list, of one body after the other until one fits.
const CUTS: [(usize, usize); 4] = [(8_000, 500), (1_000, 100), (250, 25), (120, 5)];

/// Sends one notice.
pub async fn send(url: &Url, secret: &str, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    match request(telling, secret, out.now) {
        Ok(Request { headers, body }) => out.post(url, &headers, body, decision::webhook).await.into(),
        Err(error) => Meaning::Refused(error.to_string()).into(),
    }
}

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Names and values, beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The notice's JSON with a `delivery` member.
    pub body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    delivery: Delivery<'a>,
}

#[derive(Serialize)]
struct Delivery<'a> {
    /// The same as the header `Idempotency-Key`.
    key: &'a str,
    /// The channel's name.
    channel: &'a str,
    /// Why it is told now.
    occasion: Value,
    /// The ids of the notices that are told together with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    together: Vec<&'a str>,
}

fn occasion(occasion: Occasion<'_>) -> Value {
    match occasion {
        Occasion::News => json!({"kind": "news"}),
        Occasion::Reminder => json!({"kind": "reminder"}),
        Occasion::Escalation { who, after } => {
            json!({"kind": "escalation", "who": who, "after_seconds": after.as_secs()})
        }
        Occasion::Rerouted { channel, why } => json!({"kind": "rerouted", "channel": channel, "why": why}),
    }
}

fn written(body: &Body<'_>) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(body)?;
    if text.len() <= LARGEST {
        return Ok(text);
    }
    let whole = serde_json::to_value(body)?;
    let mut cut = String::new();
    for (text, entries) in CUTS {
        let mut body = bounded(&whole, text, entries);
        if let Some(delivery) = body.get_mut("delivery").and_then(Value::as_object_mut) {
            delivery.insert("cut".to_owned(), true.into());
        }
        cut = body.to_string();
        if cut.len() <= LARGEST {
            break;
        }
    }
    Ok(cut)
}

fn bounded(value: &Value, text: usize, entries: usize) -> Value {
    match value {
        Value::String(whole) => Value::String(whole.chars().take(text).collect()),
        Value::Array(list) => list.iter().take(entries).map(|entry| bounded(entry, text, entries)).collect(),
        Value::Object(fields) => {
            // The notice has a fixed number of fields; only labels are as many as their publisher likes.
            let most = entries.max(40);
            let kept = fields.iter().take(most).map(|(name, value)| {
                (name.chars().take(text.max(40)).collect(), bounded(value, text, entries))
            });
            Value::Object(kept.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The request for one notice on one channel.
///
/// # Errors
/// [`Error::Malformed`] for a notice that cannot be written as JSON.
pub fn request(telling: &Telling<'_>, secret: &str, now: Timestamp) -> Result<Request> {
    let Telling { view, channel, key, attempt, .. } = *telling;
    let together = view.together.iter().map(|notice| notice.id.as_str()).collect();
    let delivery = Delivery { key, channel, occasion: occasion(view.occasion), together };
    let body = written(&Body { notice: view.notice, delivery })
        .map_err(|error| Error::Malformed(format!("a notice cannot be written as JSON: {error}")))?;
    let timestamp = now.as_second().to_string();
    let headers = vec![
        ("Watchkeeper-Signature", signature(secret, &timestamp, &body)?),
        ("Watchkeeper-Timestamp", timestamp),
        ("Watchkeeper-Attempt", attempt.to_string()),
        ("Idempotency-Key", key.to_owned()),
    ];
    Ok(Request { headers, body })
}

fn signature(secret: &str, timestamp: &str, body: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| Error::Malformed("the key of a webhook cannot be used".to_owned()))?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    Ok(format!("v1={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests;
