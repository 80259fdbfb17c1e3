//! What arrives, read tolerantly. Every shape is in `events/secret-redeploy`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::queue::{self, Record};
use shared::target::Target;
use shared::text::asked_by;
use shared::{Error, Result};

/// The label that applications read.
pub(crate) const CURRENT: &str = "AWSCURRENT";

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// Nothing that concerns this function, and why.
    Nothing(&'static str),
    /// A secret's label moved, or may have.
    Moved(Moved),
    /// A rotation did not come to its end.
    Broken(Broken),
    /// Redeploys to go on with.
    Work(Vec<Record>),
    /// The schedule: look for what events have lost.
    Sweep,
    /// Somebody asks who uses a secret.
    Uses {
        /// The secret's name or ARN.
        secret: String,
    },
    /// Somebody asks for its dependants to be redeployed.
    Redeploy(Request),
    /// Somebody asks for one service to be redeployed.
    RedeployOne(OneService),
}

/// A move of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The secret's ARN, or its name where the event has nothing better.
    pub secret: String,
    /// The label.
    pub label: String,
    /// The version that it moved to, where the event says.
    pub version: Option<String>,
    /// No earlier than the move itself.
    pub at: Timestamp,
}

/// A rotation that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The secret's ARN or name.
    pub secret: String,
    /// How.
    pub how: How,
    /// When.
    pub at: Timestamp,
}

/// How a rotation did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A step failed, whenever Secrets Manager tried.
    Failed,
    /// Somebody wrote the secret by hand in the middle of it.
    Abandoned,
}

/// A redeploy that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The secret's name or ARN.
    pub secret: String,
    /// Without it, and with `true`: only say what would be done.
    #[serde(default = "yes")]
    pub dry_run: bool,
    /// In production: `REDEPLOY`.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether services are redeployed, too, whose tasks run with the newest version already.
    #[serde(default)]
    pub even_if_fresh: bool,
}

/// A redeploy of one service that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneService {
    /// The service, as `ecs:<cluster>/<service>`.
    #[serde(with = "shared::target::as_text")]
    pub service: Target,
    /// Without it, and with `true`: only say what would be done.
    #[serde(default = "yes")]
    pub dry_run: bool,
    /// In production: `REDEPLOY`.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub by: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Reads an event.
///
/// # Errors
/// [`Error::Event`] that says what is not understood.
pub fn parse(event: &Value) -> Result<Arrived> {
    if event.get("Records").is_some() {
        return queue::read(event).map(Arrived::Work);
    }
    if let Some(sweep) = event.get("sweep") {
        return match sweep.as_str() {
            Some("secrets") => Ok(Arrived::Sweep),
            _ => Err(Error::Event("a sweep is asked for as {\"sweep\": \"secrets\"}".to_owned())),
        };
    }
    if let Some(asked) = event.get("uses") {
        let secret = asked.get("secret").and_then(Value::as_str).filter(|secret| !secret.trim().is_empty());
        let secret = secret
            .ok_or_else(|| Error::Event("write {\"uses\": {\"secret\": \"<name or ARN>\"}}".to_owned()))?;
        return Ok(Arrived::Uses { secret: secret.trim().to_owned() });
    }
    if let Some(asked) = event.get("redeploy").filter(|asked| asked.get("service").is_some()) {
        let mut request: OneService = serde_json::from_value(asked.clone()).map_err(|error| {
            Error::Event(format!(
                "a redeploy of one service is asked for as {{\"redeploy\": {{\"service\": \"ecs:<cluster>/<service>\", \
                 \"dry_run\": false}}}}: {error}"
            ))
        })?;
        request.by = asked_by("redeploy", request.by.as_deref())?;
        return Ok(Arrived::RedeployOne(request));
    }
    if let Some(asked) = event.get("redeploy") {
        let request: Request = serde_json::from_value(asked.clone()).map_err(|error| {
            Error::Event(format!(
                "a redeploy is asked for as {{\"redeploy\": {{\"secret\": \"<name or ARN>\", \"dry_run\": false}}}}: {error}"
            ))
        })?;
        if request.secret.trim().is_empty() {
            return Err(Error::Event("the redeploy names no secret".to_owned()));
        }
        let by = asked_by("redeploy", request.by.as_deref())?;
        return Ok(Arrived::Redeploy(Request { secret: request.secret.trim().to_owned(), by, ..request }));
    }
    match text(event, "/detail-type") {
        Some("Secret Label Updated") => label(event),
        Some("AWS Service Event via CloudTrail") => service_event(event),
        Some("AWS API Call via CloudTrail") => {
            Ok(Arrived::Nothing("a call was made; whether it moved a label, the label's own event says"))
        }
        Some(other) => {
            let other: String = other.chars().take(60).collect();
            Err(Error::Event(format!("its detail-type is {other:?}")))
        }
        None => Err(Error::Event(
            "it is neither an event of a secret, nor a message, a sweep or a request".to_owned(),
        )),
    }
}

/// Secrets Manager User Guide, "Secrets Manager events in EventBridge".
fn label(event: &Value) -> Result<Arrived> {
    let lacks = |what: &str| Error::Event(format!("a label that moved lacks {what}"));
    let secret = text(event, "/resources/0").or_else(|| text(event, "/detail/name"));
    let label = text(event, "/detail/labelUpdated").ok_or_else(|| lacks("its name (labelUpdated)"))?;
    if label == "AWSPENDING" {
        return Ok(Arrived::Nothing("AWSPENDING is no label that applications read"));
    }
    Ok(Arrived::Moved(Moved {
        secret: secret.ok_or_else(|| lacks("its secret"))?.to_owned(),
        label: label.to_owned(),
        version: text(event, "/detail/versionId").map(ToOwned::to_owned),
        at: time(event).ok_or_else(|| lacks("its time"))?,
    }))
}

/// `CloudTrail`'s events that no call made (Secrets Manager User Guide, "Log Secrets Manager events with AWS
/// `CloudTrail`").
fn service_event(event: &Value) -> Result<Arrived> {
    let lacks = |what: &str| Error::Event(format!("an event of a rotation lacks {what}"));
    let name = text(event, "/detail/eventName").ok_or_else(|| lacks("its name"))?;
    let how = match name {
        "RotationSucceeded" => None,
        "RotationFailed" => Some(How::Failed),
        "RotationAbandoned" => Some(How::Abandoned),
        _ => return Ok(Arrived::Nothing("nothing follows from this event of a secret")),
    };
    let Some(secret) = secret_of(event) else {
        return Ok(Arrived::Nothing("the event does not say which secret it is about"));
    };
    let at = time(event).ok_or_else(|| lacks("its time"))?;
    let secret = secret.to_owned();
    Ok(match how {
        None => Arrived::Moved(Moved {
            version: rotated_to(event, &secret),
            secret,
            label: CURRENT.to_owned(),
            at,
        }),
        Some(how) => Arrived::Broken(Broken { secret, how, at }),
    })
}

/// The places in which `CloudTrail` has been seen to name the secret, the surest first.
fn secret_of(event: &Value) -> Option<&str> {
    [
        "/resources/0",
        "/detail/additionalEventData/SecretId",
        "/detail/serviceEventDetails/secretId",
        "/detail/responseElements/arn",
        "/detail/responseElements/aRN",
        "/detail/responseElements/ARN",
        "/detail/requestParameters/secretId",
    ]
    .into_iter()
    .find_map(|pointer| text(event, pointer))
}

/// `Rotation-<secret's ARN>-<version>`, as `CloudTrail` numbers the requests of rotations.
fn rotated_to(event: &Value, secret: &str) -> Option<String> {
    let version = text(event, "/detail/requestID")?.strip_prefix("Rotation-")?.strip_prefix(secret)?;
    let version = version.strip_prefix('-')?;
    (32..=64).contains(&version.len()).then(|| version.to_owned())
}

/// An event's time has whole seconds, so what it tells of may be up to a second later.
fn time(event: &Value) -> Option<Timestamp> {
    let time: Timestamp = text(event, "/time").or_else(|| text(event, "/detail/eventTime"))?.parse().ok()?;
    if time.subsec_nanosecond() == 0 {
        time.checked_add(SignedDuration::from_secs(1)).ok()
    } else {
        Some(time)
    }
}

fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
