//! `rotation`: what the rotation hook did last with a secret, so that who redeploys its dependants can tell people; and
//! `overlap`: which AUTH token was added to a replication group, until the older one is taken away.
//!
//! The hook's steps are told apart by the secret's version, and versions have no order. What gives them one is that only
//! one version can be AWSPENDING at a time: an entry is true of the moment at which its invocation began, so another
//! version's entry is replaced only by one of a later moment. Thus a late invocation of an older rotation cannot write over
//! a newer rotation. The steps of one version come one after another, so there no clock is asked. What is settled stays so,
//! until another version is rotated in.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, Ledger, expiry, get_ms, get_s, ms, s};
use crate::Result;
use crate::error::Call;
use crate::strategy::Strategy;

/// Longer than the longest usual interval between two rotations, a year.
const DAYS_KEPT: i64 = 400;

/// What the hook did last with a secret. Never a value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The secret's ARN.
    pub secret: String,
    /// The version that is rotated in.
    pub version: String,
    /// The version that was AWSCURRENT when it began.
    pub previous: Option<String>,
    /// How.
    pub strategy: Strategy,
    /// The step, as Secrets Manager spells it; `settle` after the rotation.
    pub step: String,
    /// How far it is.
    pub state: State,
    /// What went wrong, in words that hold no value; empty where nothing did.
    pub said: String,
    /// Since when new connections with the old credential fail; none where it stays usable.
    pub exposed: Option<Timestamp>,
    /// When the invocation began that wrote this.
    pub at: Timestamp,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its steps are being taken.
    UnderWay,
    /// AWSCURRENT has moved to the new version; what runs with the old one is not yet known to be gone.
    Rotated,
    /// Every dependant runs with the new version, and nothing is left to do.
    Settled,
    /// A step failed. Secrets Manager tries again.
    Failed,
}

/// Which token was added last beside the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The version of the secret that holds it.
    pub version: String,
    /// How far it is.
    pub phase: Phase,
    /// When the invocation began that wrote this.
    pub at: Timestamp,
}

/// How far an overlap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was, or was about to be, added: two tokens may be valid.
    Added,
    /// The older token was, or was about to be, taken away.
    Settling,
    /// Only this token is valid.
    Settled,
}

/// Whether an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It stands there now.
    Written,
    /// Something newer stands there, and stays.
    Outdated,
}

impl Ledger {
    /// What the hook did last with the secret of this ARN.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn rotation(&self, secret: &str) -> Result<Option<Rotation>> {
        Ok(self.of_secret(secret, "rotation").await?.as_ref().and_then(Rotation::read))
    }

    /// Records what the hook did. Recording the same again is harmless.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a newer entry, which stays.
    pub async fn record_rotation(&self, rotation: &Rotation, now: Timestamp) -> Result<Written> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(rotation.item(now)))
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", s(&rotation.version));
        let put = if rotation.state == State::Settled {
            put.condition_expression("attribute_not_exists(pk) OR #version = :version")
        } else {
            put.condition_expression(
                "attribute_not_exists(pk) OR (#version = :version AND #state <> :settled) \
                 OR (#version <> :version AND #at <= :at)",
            )
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":at", ms(rotation.at))
            .expression_attribute_values(":settled", s(word(&State::Settled)))
        };
        written(put.send().await)
    }

    /// Which token was added last beside the one in use.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn overlap(&self, secret: &str) -> Result<Option<Overlap>> {
        Ok(self.of_secret(secret, "overlap").await?.as_ref().and_then(Overlap::read))
    }

    /// Records which token is added, before it is, or that the older one is taken away.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a newer entry, which stays.
    pub async fn record_overlap(&self, secret: &str, overlap: &Overlap, now: Timestamp) -> Result<Written> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(key(secret)))
            .item("sk", s("overlap"))
            .item("version", s(&overlap.version))
            .item("phase", s(word(&overlap.phase)))
            .item("at", ms(overlap.at))
            .item("expires_at", expiry(now, DAYS_KEPT));
        let put = match overlap.phase {
            Phase::Added => put
                .condition_expression("attribute_not_exists(pk) OR #version = :version OR #at <= :at")
                .expression_attribute_names("#at", "at")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":at", ms(overlap.at))
                .expression_attribute_values(":version", s(&overlap.version)),
            // The end of an overlap says nothing of another one.
            Phase::Settling | Phase::Settled => put
                .condition_expression("attribute_not_exists(pk) OR #version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", s(&overlap.version)),
        };
        written(put.send().await)
    }

    async fn of_secret(&self, secret: &str, sk: &str) -> Result<Option<Item>> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", s(key(secret)))
            .key("sk", s(sk))
            .consistent_read(true)
            .send()
            .await
            .action("dynamodb:GetItem")?;
        Ok(got.item)
    }
}

impl Rotation {
    fn read(item: &Item) -> Option<Self> {
        Some(Self {
            secret: get_s(item, "secret")?,
            version: get_s(item, "version")?,
            previous: get_s(item, "previous"),
            strategy: get_s(item, "strategy")?.parse().ok()?,
            step: get_s(item, "step")?,
            state: of_word(get_s(item, "state")?)?,
            said: get_s(item, "said").unwrap_or_default(),
            exposed: get_ms(item, "exposed"),
            at: get_ms(item, "at")?,
        })
    }

    fn item(&self, now: Timestamp) -> Item {
        let always = [
            ("pk", s(key(&self.secret))),
            ("sk", s("rotation")),
            ("secret", s(&self.secret)),
            ("version", s(&self.version)),
            ("strategy", s(self.strategy.as_str())),
            ("step", s(&self.step)),
            ("state", s(word(&self.state))),
            ("said", s(&self.said)),
            ("at", ms(self.at)),
            ("expires_at", expiry(now, DAYS_KEPT)),
        ];
        let perhaps = [("previous", self.previous.as_ref().map(s)), ("exposed", self.exposed.map(ms))];
        let perhaps = perhaps.into_iter().filter_map(|(name, value)| Some((name, value?)));
        always.into_iter().chain(perhaps).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Overlap {
    fn read(item: &Item) -> Option<Self> {
        Some(Self {
            version: get_s(item, "version")?,
            phase: of_word(get_s(item, "phase")?)?,
            at: get_ms(item, "at")?,
        })
    }
}

fn key(secret: &str) -> String {
    format!("secret#{secret}")
}

/// The word that a value is serialised as.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

fn of_word<T: serde::de::DeserializeOwned>(word: String) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word)).ok()
}

type Put = std::result::Result<
    aws_sdk_dynamodb::operation::put_item::PutItemOutput,
    aws_sdk_dynamodb::error::SdkError<PutItemError, aws_sdk_dynamodb::config::http::HttpResponse>,
>;

fn written(put: Put) -> Result<Written> {
    match put {
        Ok(_) => Ok(Written::Written),
        Err(error)
            if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
        {
            Ok(Written::Outdated)
        }
        Err(error) => Err(error).action("dynamodb:PutItem"),
    }
}

#[cfg(test)]
mod tests;
