//! A notice as a signed request: whoever holds the key can check that it comes from us, was not changed, and is
//! not old; and can tell a repetition by its idempotency key.
//!
//! The signature is `v1=` and the hexadecimal HMAC-SHA-256 of `<timestamp>.<body>`. The body is the same for every
//! attempt at a delivery, because receivers may refuse a key that returns with another body.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;
use shared::notice::Notice;
use shared::{Error, Result};

use crate::delivery::Entry;

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
}

/// The request for one notice on one channel.
///
/// # Errors
/// [`Error::Malformed`] for a notice that cannot be written as JSON.
pub fn request(entry: Entry<'_>, secret: &str, attempt: u32, now: Timestamp) -> Result<Request> {
    let key = entry.key();
    let body = Body { notice: entry.notice, delivery: Delivery { key: &key, channel: entry.channel } };
    let body = serde_json::to_string(&body)
        .map_err(|error| Error::Malformed(format!("a notice cannot be written as JSON: {error}")))?;
    let timestamp = now.as_second().to_string();
    let headers = vec![
        ("Watchkeeper-Signature", signature(secret, &timestamp, &body)?),
        ("Watchkeeper-Timestamp", timestamp),
        ("Watchkeeper-Attempt", attempt.to_string()),
        ("Idempotency-Key", key),
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
mod tests {
    use serde_json::Value;
    use shared::notice::{Notice, Severity, State, Subject};

    use super::{request, signature};
    use crate::delivery::Entry;

    /// Made with `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn the_signature_is_the_hmac_of_timestamp_and_body() {
        let expected = "v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(signature("key", "1700000000", r#"{"a":1}"#).unwrap(), expected);
    }

    #[test]
    fn every_attempt_has_the_same_key_and_body_and_its_own_number() {
        let subject = Subject { kind: "ecs-service".into(), id: "prod/web".into(), arn: None };
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let notice = Notice::new("i-1", State::Firing, Severity::Sev2, subject, "web", now);
        let entry = Entry { notice: &notice, channel: "audit" };
        let (first, second) =
            (request(entry, "key", 1, now).unwrap(), request(entry, "key", 2, now).unwrap());
        let header = |of: &super::Request, name: &str| {
            of.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(first.body, second.body);
        assert_eq!(header(&first, "Idempotency-Key"), header(&second, "Idempotency-Key"));
        assert_eq!(header(&first, "Watchkeeper-Timestamp"), "1795176000");
        assert_eq!(header(&second, "Watchkeeper-Attempt"), "2");
        let body: Value = serde_json::from_str(&first.body).unwrap();
        assert_eq!(body["schema"], "watchkeeper.notice/1");
        assert_eq!(body["delivery"]["channel"], "audit");
        assert_eq!(body["delivery"]["key"], header(&first, "Idempotency-Key"));
    }
}
