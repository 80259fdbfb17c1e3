//! `operation`: something begun and not yet over.
//!
//! Beginning one is a single transaction: the target's lease, the operation, and the revision that is left as bad.
//! Either all of it is written or none, so there is never an act without its record.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;

use super::lease::Lease;
use super::revision::{Revision, Standing};
use super::{Item, Ledger, expiry, get_ms, get_s, ms, s};
use crate::error::Call;
use crate::target::Target;
use crate::{Error, Result};

const DAYS_KEPT: i64 = 180;

/// A rollback of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Deterministic: the same cause begins the same operation.
    pub id: String,
    /// The incident it answers.
    pub incident: String,
    /// The revision it leaves.
    pub from: String,
    /// The revision it returns to.
    pub to: String,
    /// When it began.
    pub began: Timestamp,
    /// When it counts as over although nobody said so.
    pub deadline: Timestamp,
    /// How it ended; none while it runs.
    pub end: Option<End>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The alarm went back to OK.
    Recovered,
    /// The alarm went back to OK when something else ran already.
    Superseded,
    /// The act was refused; nothing was changed.
    Refused,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
        }
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "recovered" => Some(Self::Recovered),
            "superseded" => Some(Self::Superseded),
            "refused" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// What came of trying to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is recorded; act.
    Yes,
    /// Somebody else holds the target; look again.
    Taken,
}

impl Operation {
    /// Whether it still runs.
    pub fn is_running(&self, now: Timestamp) -> bool {
        self.end.is_none() && now < self.deadline
    }

    pub(super) fn read(item: &Item) -> Option<Self> {
        Some(Self {
            id: get_s(item, "id")?,
            incident: get_s(item, "incident")?,
            from: get_s(item, "from")?,
            to: get_s(item, "to")?,
            began: get_ms(item, "began")?,
            deadline: get_ms(item, "deadline")?,
            end: get_s(item, "end").as_deref().and_then(End::read),
        })
    }

    fn put(&self, ledger: &Ledger, pk: &str) -> Option<TransactWriteItem> {
        let put = Put::builder()
            .table_name(&ledger.table)
            .item("pk", s(pk))
            .item("sk", s(format!("operation#{}", self.id)))
            .item("id", s(&self.id))
            .item("incident", s(&self.incident))
            .item("from", s(&self.from))
            .item("to", s(&self.to))
            .item("began", ms(self.began))
            .item("deadline", ms(self.deadline))
            .item("expires_at", expiry(self.began, DAYS_KEPT));
        let put = match self.end {
            Some(end) => put.item("end", s(end.as_str())),
            None => put,
        };
        Some(TransactWriteItem::builder().put(put.build().ok()?).build())
    }
}

impl Ledger {
    /// Begins an operation: takes the target's lease until `cooldown`, records the operation, and remembers the
    /// revision it leaves as bad. Beginning the same operation again succeeds.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers within the transaction.
    pub async fn begin(
        &self,
        target: &Target,
        operation: &Operation,
        cooldown: Timestamp,
        now: Timestamp,
    ) -> Result<Begun> {
        let pk = super::target::key(target);
        let lease = Lease { owner: operation.id.clone(), until: cooldown };
        let left = Revision { arn: operation.from.clone(), standing: Standing::Bad, since: operation.began };
        let items = [lease.take(self, &pk, now), operation.put(self, &pk), left.put(self, &pk)];
        match self.transact("dynamodb:PutItem", items).await {
            Ok(()) => Ok(Begun::Yes),
            // Whoever writes at the same moment is taking it: look again.
            Err(error) if matches!(error.code(), Some("ConditionalCheckFailed" | "TransactionConflict")) => {
                Ok(Begun::Taken)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends an operation whose alarm went back to OK: the revision it returned to is remembered as good. The lease
    /// stays as the cooldown.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers within the transaction.
    pub async fn recovered(&self, target: &Target, operation: &Operation, now: Timestamp) -> Result<()> {
        let pk = super::target::key(target);
        let ended = Operation { end: Some(End::Recovered), ..operation.clone() };
        let kept = Revision { arn: operation.to.clone(), standing: Standing::Good, since: now };
        self.transact("dynamodb:PutItem", [ended.put(self, &pk), kept.put(self, &pk)]).await
    }

    /// Ends an operation whose alarm went back to OK when something else ran already: that proves nothing of the
    /// revision it returned to.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers within the transaction.
    pub async fn superseded(&self, target: &Target, operation: &Operation) -> Result<()> {
        let pk = super::target::key(target);
        let ended = Operation { end: Some(End::Superseded), ..operation.clone() };
        self.transact("dynamodb:PutItem", [ended.put(self, &pk)]).await
    }

    /// Ends an operation that changed nothing: the lease is given back, so that the next alarm may act, and the
    /// revision that was not left is not remembered as bad.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` and `dynamodb:DeleteItem` answer within the transaction.
    pub async fn refused(&self, target: &Target, operation: &Operation) -> Result<()> {
        let pk = super::target::key(target);
        let ended = Operation { end: Some(End::Refused), ..operation.clone() };
        let items = [
            ended.put(self, &pk),
            Lease::give_back(self, &pk, &operation.id),
            Revision::forget(self, &pk, &operation.from),
        ];
        self.transact("dynamodb:DeleteItem", items).await
    }

    /// A transaction needs the permission of every write in it; the one named is the one not named elsewhere.
    async fn transact<const N: usize>(
        &self,
        action: &'static str,
        items: [Option<TransactWriteItem>; N],
    ) -> Result<()> {
        let items: Option<Vec<_>> = items.into_iter().collect();
        let items =
            items.ok_or_else(|| Error::Malformed("an entry of the ledger lacks its table".to_owned()))?;
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => match cancelled(&error) {
                Some(code) => Err(Error::Aws {
                    action,
                    transient: code != "ConditionalCheckFailed" && code != "ValidationError",
                    source: format!("the transaction was cancelled: {code}").into(),
                    code: Some(code),
                }),
                None => Err(error).action(action),
            },
        }
    }
}

/// The first reason for which DynamoDB cancelled a transaction: a failed condition, a conflict, a throttle.
fn cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<String> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return None;
    };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.find(|code| *code != "None").map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
