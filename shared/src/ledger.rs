//! What the world forgets: one DynamoDB table, one file per kind of entry.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `once#<key>` | `once` | [`once`]: a cause that was taken up, so that its repetition is not |
//! | `target#<target>` | `lease` | [`lease`]: who may change the target, and until when |
//! | `target#<target>` | `operation#<id>` | [`operation`]: something begun, and how it ended |
//! | `target#<target>` | `revision#<ARN>` | [`revision`]: known good, known bad |
//! | `secret#<ARN>` | `rotation` | [`rotation`]: what the rotation hook did last |
//! | `secret#<ARN>` | `overlap` | [`rotation`]: the AUTH token that was added, until the older one is taken away |
//! | `target#<target>` | `redeploying` | [`lease`]: who deploys the target anew, and until when nobody else may |
//! | `target#<target>` | `waiting#<redeploy>` | [`redeploy`]: who waits for the end of its deployment |
//! | `target#<target>` | `scaling` | [`scaling`]: more tasks than its own, while messages wait |
//! | `secret#<ARN>` | `label#<stage>` | [`redeploy`]: to which version the label moved last |
//! | `redeploy#<id>` | `state`, `stepping`, `member#<target>` | [`redeploy`]: how far it is, who goes on, its services |
//! | `definition#<ARN>` | `references` | [`definition`]: the secrets that a task definition refers to |
//! | `incident#<key>` | `state` | [`incident`]: what people were last told |
//! | `activity#<environment>` | `<incident>` | [`activity`]: what goes on, and who has it in hand |
//! | `health#<environment>` | `component#<kind>:<name>`, `sweeps` | what `health-check` saw last (its `memory`) |
//! | `operations` | `<time>#<id>` | [`audit`]: the target of an operation that began then |
//! | `letters#deeds` | `<time>#<id>` | [`audit::letters`]: what somebody asked to be done with dead letters |
//! | `letters#<queue ARN>` | … | what `dlq-triage` knows of a queue (its `memory`) |
//! | `silences#<environment>` | `<id>` | [`silence`]: what people are not told for a while |
//!
//! `expires_at` (seconds since the epoch) is the table's TTL attribute. DynamoDB deletes late, so whatever must end
//! at a time carries that time in an attribute of its own and is compared with the clock. Times are kept as
//! milliseconds since the epoch, because conditions compare numbers.

pub mod activity;
pub mod audit;
mod batch;
pub mod definition;
mod entry;
pub mod incident;
pub mod lease;
pub mod once;
pub mod operation;
pub mod redeploy;
pub mod revision;
pub mod rotation;
pub mod scaling;
pub mod silence;
pub mod target;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

/// An entry as DynamoDB holds it.
pub type Item = HashMap<String, AttributeValue>;

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The client.
    pub client: Client,
    /// The table's name.
    pub table: String,
}

impl Ledger {
    /// A ledger kept in this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }
}

/// A string attribute.
pub fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A time attribute: milliseconds since the epoch.
pub fn ms(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

/// The TTL attribute: this many days from now, in seconds since the epoch.
pub fn expiry(now: Timestamp, days: i64) -> AttributeValue {
    let then = now.saturating_add(SignedDuration::from_hours(days * 24)).unwrap_or(now);
    AttributeValue::N(then.as_second().to_string())
}

/// An entry's string.
pub fn get_s(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

/// An entry's whole number.
pub fn get_n(item: &Item, name: &str) -> Option<i64> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok())
}

/// An entry's time.
pub fn get_ms(item: &Item, name: &str) -> Option<Timestamp> {
    get_n(item, name).and_then(|millis| Timestamp::from_millisecond(millis).ok())
}
