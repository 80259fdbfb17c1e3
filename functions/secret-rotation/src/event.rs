//! What arrives, read tolerantly: the hook's call by Secrets Manager, a batch of the queue *Settlements*, or one
//! settlement by hand.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use shared::queue::{self, Record};
use shared::timer::Settlement;
use shared::{Error, Result};

use crate::hidden::Hidden;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// A step of a rotation.
    Step(Request),
    /// A batch of the queue.
    Batch(Vec<Record>),
    /// A settlement by hand.
    Settlement(Settlement),
}

/// A step of a rotation, as Secrets Manager asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Which step.
    pub step: Hook,
    /// The secret's ARN.
    pub secret: String,
    /// The version that is rotated in: the request's token is its id.
    pub version: String,
    /// Proves to Secrets Manager that the rotation is its own, where the secret is another account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_token: Option<Hidden>,
}

/// The steps of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Hook {
    /// The new credential is made.
    CreateSecret,
    /// The server is told of it.
    SetSecret,
    /// It is tried.
    TestSecret,
    /// It becomes the current one.
    FinishSecret,
}

impl Hook {
    /// As Secrets Manager spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateSecret => "createSecret",
            Self::SetSecret => "setSecret",
            Self::TestSecret => "testSecret",
            Self::FinishSecret => "finishSecret",
        }
    }

    /// Both spellings that AWS documents.
    fn read(text: &str) -> Option<Self> {
        match text {
            "createSecret" | "create_secret" => Some(Self::CreateSecret),
            "setSecret" | "set_secret" => Some(Self::SetSecret),
            "testSecret" | "test_secret" => Some(Self::TestSecret),
            "finishSecret" | "finish_secret" => Some(Self::FinishSecret),
            _ => None,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads an event.
///
/// # Errors
/// [`Error::Event`] for one that is none of the three.
pub fn parse(event: &Value) -> Result<Arrived> {
    if event.get("Records").is_some() {
        return queue::read(event).map(Arrived::Batch);
    }
    if event.get("settle").is_some() {
        return settlement(&event.to_string()).map(Arrived::Settlement).map_err(Error::Event);
    }
    let Some(step) = text(event, "Step") else {
        return Err(Error::Event("it is neither a rotation's step nor a settlement".to_owned()));
    };
    let Some(step) = Hook::read(step) else {
        let step: String = step.chars().take(40).collect();
        return Err(Error::Event(format!("{step:?} is no step of a rotation")));
    };
    let lacks = |what: &str| Error::Event(format!("{step} lacks {what}"));
    Ok(Arrived::Step(Request {
        step,
        secret: text(event, "SecretId").ok_or_else(|| lacks("its SecretId"))?.to_owned(),
        version: text(event, "ClientRequestToken").ok_or_else(|| lacks("its ClientRequestToken"))?.to_owned(),
        rotation_token: text(event, "RotationToken").map(Hidden::new),
    }))
}

/// Reads a message of the queue.
///
/// # Errors
/// What is wrong with it, in words.
pub fn settlement(body: &str) -> Result<Settlement, String> {
    let read: Settlement =
        serde_json::from_str(body).map_err(|error| format!("the message is no settlement: {error}"))?;
    let Settlement::Settle { secret, version } = &read;
    if secret.is_empty() || version.is_empty() {
        return Err("the message is no settlement: it names no secret or no version".to_owned());
    }
    Ok(read)
}

fn text<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;
