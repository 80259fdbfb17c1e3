//! Recorded answers for what local AWS lacks: service deployments of ECS, CodeDeploy, stacks that are stuck, a Secrets
//! Manager and an ElastiCache that rotate, an SQS that keeps to its own rules, an S3 that checks what it is given, and a
//! DynamoDB table that evaluates its conditions.
//!
//! Each double keeps a small state and answers exactly the actions it covers, from it, in the shapes of the service's
//! API. It is strict: what the API does not know (a parameter, an ARN, a state that does not allow the call) is
//! answered with the error that the API documents. Put one, or several after one another, into
//! [`Proxy::forwarding_but`](crate::proxy::Proxy::forwarding_but); the rest reaches local AWS.
//!
//! What is answered here is not authorised by anybody: that the roles allow it, the contract tests say.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::aws::{ACCOUNT, REGION};
use crate::proxy::{Answer, Call};

mod checksums;
mod code_deploy;
mod deployments;
mod elasticache;
pub mod fleet;
mod objects;
mod queues;
mod secrets_manager;
mod stacks;
mod table;

pub use code_deploy::{CodeDeploy, ecs_app_spec, lambda_app_spec};
pub use deployments::{Deployments, Running, Status};
pub use elasticache::ElastiCache;
pub use fleet::Fleet;
pub use objects::Objects;
pub use queues::{Gone, Held, Letter, Queues};
pub use secrets_manager::SecretsManager;
pub use stacks::Stacks;
pub use table::{Entry, Table};

/// A call that changed something, and was answered with success.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The IAM action, such as `ecs:UpdateService`.
    pub action: String,
    /// What was sent; of a form, its pairs as an object of strings.
    pub sent: Value,
}

/// The answer to a call for which nothing is recorded, where a double stands alone.
pub fn uncovered(call: &Call) -> Answer {
    Answer::error(400, "NothingRecorded", format!("no answer is recorded for {} {}", call.action, call.path))
}

/// The digest of an image, `sha256:` and 64 hexadecimal digits: made of any word, or passed on if it is one.
pub fn digest(word: &str) -> String {
    if word.starts_with("sha256:") { word.to_owned() } else { format!("sha256:{}", hash(word)) }
}

fn hash(word: &str) -> String {
    hex::encode(Sha256::digest(word))
}

/// Decimal digits, as ECS numbers its deployments and revisions; the same word gives the same.
fn digits(word: &str, count: usize) -> String {
    // Never a zero in front: these are numbers.
    let digits = Sha256::digest(word).into_iter().map(|byte| char::from(b'0' + byte % 10));
    format!("4{}", digits.take(count.saturating_sub(1)).collect::<String>())
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// Now, in milliseconds, as AWS keeps times.
fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a double of AWS has the clock of AWS")]
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

fn ago(minutes: i64) -> Timestamp {
    let now = now();
    now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(now)
}

/// As the JSON protocols write times: seconds since 1970.
fn seconds(time: Timestamp) -> Value {
    time.as_duration().as_secs_f64().into()
}

/// The first parameter in a JSON call that the operation does not have.
fn stranger<'a>(sent: &'a Value, known: &[&str]) -> Option<&'a str> {
    sent.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

fn text<'a>(sent: &'a Value, name: &str) -> Option<&'a str> {
    sent.get(name)?.as_str()
}

/// The strings of a list; none if there is no list.
fn texts<'a>(sent: &'a Value, name: &str) -> Vec<&'a str> {
    sent.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// One page from where the token says, and the token of the next. `None` if there was never such a token.
fn page<T>(all: Vec<T>, token: Option<&str>, size: usize) -> Option<(Vec<T>, Option<String>)> {
    let from = token.map_or(Some(0), |token| token.strip_prefix("from-")?.parse().ok())?;
    let to = from + size;
    let next = (to < all.len()).then(|| format!("from-{to}"));
    Some((all.into_iter().skip(from).take(size).collect(), next))
}

/// Writes the field of an object, if there is a value.
fn put(written: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(fields), Some(value)) = (written.as_object_mut(), value) {
        fields.insert(name.to_owned(), value.into());
    }
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
