//! `scaling`: a service that was given more tasks because many messages wait for it.
//!
//! The entry is lease and record at once: it changes only if nobody else has changed it since it was read, and a change
//! that was not made yet is seen in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Item, Ledger, expiry, get_ms, get_n, get_s, ms, s};
use crate::Result;
use crate::target::Target;

const DAYS_KEPT: i64 = 180;

/// A service with another count of tasks than its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scaling {
    /// The operation's id.
    pub id: String,
    /// The queue's ARN, when it began.
    pub queue: String,
    /// The count that is the service's own.
    pub own: u32,
    /// The count before the last change.
    pub before: u32,
    /// The count that the last change sets.
    pub to: u32,
    /// When it began.
    pub began: Timestamp,
    /// When the last change was decided.
    pub changed: Timestamp,
    /// When the last change was made; none while it may not be.
    pub made: Option<Timestamp>,
    /// Whether people know of it.
    pub told: bool,
    /// Since when few messages wait.
    pub calm: Option<Timestamp>,
    /// Nothing is tried before then, because ECS refused a change.
    pub hold: Option<Timestamp>,
    /// When it was looked at, within ten minutes.
    pub looked: Timestamp,
    /// How it ends; it is over when people know of it.
    pub end: Option<End>,
    /// Who asked for the count by hand; nobody where it follows from the queue.
    pub asked_by: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The service has its own count again.
    Back,
    /// Somebody else set another count, or the service is gone.
    Superseded,
}

/// What is remembered of a service's scaling, and how it stands in the ledger.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// What is remembered.
    pub scaling: Option<Scaling>,
    entry: Option<Item>,
}

impl Scaling {
    /// Whether it goes on: its end is not decided, not made, or not told.
    pub fn goes_on(&self) -> bool {
        self.end.is_none() || self.made.is_none() || !self.told
    }

    pub(super) fn read(item: &Item) -> Option<Self> {
        let count = |name| get_n(item, name).and_then(|count| u32::try_from(count).ok());
        let end = |word: String| serde_json::from_value(Value::String(word)).ok();
        Some(Self {
            id: get_s(item, "id")?,
            queue: get_s(item, "queue")?,
            own: count("own")?,
            before: count("before")?,
            to: count("to")?,
            began: get_ms(item, "began")?,
            changed: get_ms(item, "changed")?,
            made: get_ms(item, "made"),
            told: item.get("told")?.as_bool().ok().copied()?,
            calm: get_ms(item, "calm"),
            hold: get_ms(item, "hold"),
            looked: get_ms(item, "looked")?,
            end: get_s(item, "end").and_then(end),
            asked_by: get_s(item, "asked_by"),
        })
    }

    fn item(&self, target: &Target, now: Timestamp) -> Item {
        use aws_sdk_dynamodb::types::AttributeValue::{Bool, N};

        let end = self.end.and_then(|end| serde_json::to_value(end).ok());
        let end = end.as_ref().and_then(Value::as_str).map(s);
        let all = [
            ("pk", Some(s(super::target::key(target)))),
            ("sk", Some(s("scaling"))),
            ("id", Some(s(&self.id))),
            ("queue", Some(s(&self.queue))),
            ("own", Some(N(self.own.to_string()))),
            ("before", Some(N(self.before.to_string()))),
            ("to", Some(N(self.to.to_string()))),
            ("began", Some(ms(self.began))),
            ("changed", Some(ms(self.changed))),
            ("made", self.made.map(ms)),
            ("told", Some(Bool(self.told))),
            ("calm", self.calm.map(ms)),
            ("hold", self.hold.map(ms)),
            ("looked", Some(ms(self.looked))),
            ("end", end),
            ("asked_by", self.asked_by.as_ref().map(s)),
            ("expires_at", Some(expiry(now, DAYS_KEPT))),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Ledger {
    /// What is remembered of a service's scaling.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn scaling(&self, target: &Target) -> Result<Kept> {
        let entry = self.look_up(&super::target::key(target), "scaling").await?;
        Ok(Kept { scaling: entry.as_ref().and_then(Scaling::read), entry })
    }

    /// Remembers it, if nobody else has changed it since it was read; whether it is remembered is the answer.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
    pub async fn keep_scaling(
        &self,
        target: &Target,
        kept: &mut Kept,
        scaling: Scaling,
        now: Timestamp,
    ) -> Result<bool> {
        if kept.scaling.as_ref().is_none_or(|before| before.changed != scaling.changed) {
            self.leave(target, scaling.changed, &scaling.id, DAYS_KEPT).await?;
        }
        let written = self.swap(scaling.item(target, now), kept.entry.as_ref()).await?;
        let won = written.is_some();
        if won {
            *kept = Kept { scaling: Some(scaling), entry: written };
        }
        Ok(won)
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Scaling};
    use crate::target::Target;

    #[test]
    fn what_is_written_reads_back() {
        let now = jiff::Timestamp::from_second(1_795_176_000).unwrap();
        let target = Target::Service { cluster: "shop".to_owned(), service: "worker".to_owned() };
        let scaling = Scaling {
            id: "1".to_owned(),
            queue: "arn:aws:sqs:eu-central-1:123456789012:orders".to_owned(),
            own: 2,
            before: 2,
            to: 5,
            began: now,
            changed: now,
            made: None,
            told: false,
            calm: None,
            hold: None,
            looked: now,
            asked_by: None,
            end: None,
        };
        let some = Some(now);
        let ended = Scaling {
            made: some,
            told: true,
            calm: some,
            hold: some,
            end: Some(End::Superseded),
            ..scaling.clone()
        };
        for scaling in [scaling, ended] {
            assert_eq!(Scaling::read(&scaling.item(&target, now)), Some(scaling));
        }
    }
}
