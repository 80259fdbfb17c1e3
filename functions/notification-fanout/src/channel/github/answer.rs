//! What GitHub's answers mean. Its texts may repeat what it was sent; so only its codes are told.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::decision::{self, Meaning};
use crate::http::Answer;

/// How long GitHub asks to wait after a secondary limit that names no time.
const SECONDARY: Duration = Duration::from_mins(1);

/// What it answered, or what it means that it did not.
pub(super) fn read(answer: &Answer, now: Timestamp) -> Result<Value, Meaning> {
    let reply = &answer.reply;
    let refused = |words: &str| Err(Meaning::Refused(format!("{}: {words}", reply.status)));
    match reply.status {
        200 | 201 => serde_json::from_str(&reply.body).map_err(|_| unreadable()),
        202 => refused("GitHub merged a branch instead of deploying; the next attempt deploys"),
        403 | 429 if let Some(later) = limited(answer, now) => Err(later),
        401 => refused("the token is not valid, or has expired"),
        403 => refused("the token lacks the permission \"Deployments: write\" on the repository"),
        404 => refused(
            "there is no such repository, or the token lacks the permission \"Deployments: write\" on it",
        ),
        409 => {
            refused("the commit cannot be deployed as it is: GitHub sees a conflict or a check that failed")
        }
        422 => refused(&match code(&reply.body) {
            Some(code) => format!("{code}: is the commit in the repository?"),
            None => "a field is refused: is the commit in the repository?".to_owned(),
        }),
        301 | 302 | 307 | 308 => refused("redirects are not followed: was the repository renamed?"),
        status => {
            Err(decision::not_now(reply, now).unwrap_or_else(|| Meaning::Refused(decision::refusal(status))))
        }
    }
}

/// A success that cannot be read was damaged on its way; what it created is found at the next attempt.
pub(super) fn unreadable() -> Meaning {
    Meaning::Later { after: None, quiet: false, why: "an answer that cannot be read".to_owned() }
}

/// The deployment with our key.
pub(super) fn found(list: &Value, key: &str) -> Option<u64> {
    let has_key = |payload: &Value| payload.get("watchkeeper").and_then(Value::as_str) == Some(key);
    list.as_array()?.iter().find_map(|deployment| {
        // GitHub gives an object back as it was, or as text.
        let payload = deployment.get("payload")?;
        let ours = match payload.as_str() {
            Some(text) => serde_json::from_str(text).is_ok_and(|payload| has_key(&payload)),
            None => has_key(payload),
        };
        deployment.get("id").filter(|_| ours)?.as_u64()
    })
}

/// Both limits may answer with either status.
fn limited(answer: &Answer, now: Timestamp) -> Option<Meaning> {
    let reply = &answer.reply;
    let asked = reply.retry_after.as_deref().and_then(|header| decision::retry_after(header, now));
    let reset = answer.reset.filter(|_| answer.remaining == Some(0)).and_then(|reset| {
        let until = Timestamp::from_second(reset).ok()?;
        Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
    });
    let secondary = reply.body.contains("secondary rate limit").then_some(SECONDARY);
    let after = asked.or(reset).or(secondary);
    let limited = after.is_some() || answer.remaining == Some(0) || reply.status == 429;
    limited.then(|| Meaning::Later { after, quiet: true, why: format!("{} rate limit", reply.status) })
}

fn code(body: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let error = answer.get("errors")?.as_array()?.first()?;
    decision::code(error.get("code")?.as_str()?)
}
