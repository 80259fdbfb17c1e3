//! Where notices go: the channels secret. Its JSON is
//! `{"channels":[{"name":"ops","type":"slack","url":"https://…"},
//! {"name":"audit","type":"webhook","url":"https://…","secret":"<HMAC key>"}]}`.
//!
//! URLs and keys never leave this type but for sending: it prints without them, and an error names the channel and
//! the field, never the value. A channel that cannot be used is kept as [`Kind::Broken`], so that what it should
//! have got goes to the dead-letter queue and the other channels go on.

use std::fmt;

use aws_sdk_secretsmanager::Client;
use reqwest::Url;
use serde_json::{Map, Value};
use shared::error::Call;
use shared::{Error, Result};

use crate::http;

/// The longest name of a channel; it is part of the ledger's keys and of attributes.
const LONGEST_NAME: usize = 64;

/// A place where people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What the ledger and the report call it.
    pub name: String,
    /// How it is reached.
    pub kind: Kind,
}

/// How a channel is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A Slack incoming webhook; its address is its password.
    Slack {
        /// Where to post.
        url: Url,
    },
    /// A receiver that checks our signature.
    Webhook {
        /// Where to post.
        url: Url,
        /// The HMAC key.
        key: String,
    },
    /// It is written so that it cannot be used.
    Broken {
        /// Which field, and what is wrong with it.
        why: String,
    },
}

/// Addresses and keys are left out.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack { .. } => f.write_str("Slack"),
            Self::Webhook { .. } => f.write_str("Webhook"),
            Self::Broken { why } => write!(f, "Broken({why})"),
        }
    }
}

/// Reads the secret.
///
/// # Errors
/// What `secretsmanager:GetSecretValue` answers; [`Error::Malformed`] for a secret that holds no channels.
pub async fn fetch(secrets: &Client, arn: &str) -> Result<Vec<Channel>> {
    let secret =
        secrets.get_secret_value().secret_id(arn).send().await.action("secretsmanager:GetSecretValue")?;
    let text = secret.secret_string().ok_or_else(|| malformed("it is binary; it must be JSON text"))?;
    parse(text)
}

/// Reads the channels out of the secret's text.
///
/// # Errors
/// [`Error::Malformed`] where not even the names of the channels are certain, or there is none.
pub fn parse(text: &str) -> Result<Vec<Channel>> {
    // Read as plain JSON first: its errors tell a line and a column, where those of typed reading repeat the value.
    let secret: Value = serde_json::from_str(text).map_err(|error| {
        malformed(&format!("it is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    let list = secret
        .get("channels")
        .and_then(Value::as_array)
        .ok_or_else(|| malformed("it has no list named \"channels\""))?;
    if list.is_empty() {
        return Err(malformed("its list of channels is empty"));
    }
    let mut channels: Vec<Channel> = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let position = index + 1;
        let fields =
            entry.as_object().ok_or_else(|| malformed(&format!("channel {position} is not an object")))?;
        let name =
            name(fields).map_err(|problem| malformed(&format!("channel {position}: name {problem}")))?;
        if channels.iter().any(|channel| channel.name == name) {
            return Err(malformed(&format!("two channels are named {name:?}")));
        }
        let kind = kind(fields).unwrap_or_else(|why| Kind::Broken { why });
        channels.push(Channel { name: name.to_owned(), kind });
    }
    Ok(channels)
}

fn malformed(problem: &str) -> Error {
    Error::Malformed(format!("the channels secret cannot be used: {problem}"))
}

fn name(fields: &Map<String, Value>) -> Result<&str, &'static str> {
    let name = text(fields, "name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err("may have at most 64 letters, digits, dots, hyphens and underscores");
    }
    Ok(name)
}

fn kind(fields: &Map<String, Value>) -> Result<Kind, String> {
    let field = |name: &str| text(fields, name).map_err(|problem| format!("{name} {problem}"));
    match field("type")? {
        "slack" => Ok(Kind::Slack { url: url(field("url")?)? }),
        "webhook" => Ok(Kind::Webhook { url: url(field("url")?)?, key: field("secret")?.to_owned() }),
        _ => Err("type is not known; write slack or webhook".to_owned()),
    }
}

fn url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| "url is not an address".to_owned())?;
    if url.scheme() != "https" {
        return Err("url must begin with https://".to_owned());
    }
    match http::literal_address(&url) {
        Some(address) if http::forbidden(address) => Err(format!("url {}", http::FORBIDDEN)),
        Some(_) | None => Ok(url),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, &'static str> {
    match fields.get(name) {
        None => Err("is missing"),
        Some(Value::String(text)) if text.trim().is_empty() => Err("is empty"),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("is not a text"),
    }
}

#[cfg(test)]
mod tests;
