//! `revision`: what experience says of a task definition. A revision that was rolled away from stays bad, so that
//! the next alarm does not return to it; ECS itself would call it successful.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;

use super::{Item, Ledger, expiry, get_ms, get_s, ms, s};

/// How long experience is kept: twice as long as ECS keeps its own history.
const DAYS_KEPT: i64 = 180;

/// What experience says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It ran, and its alarm was quiet.
    Good,
    /// It was rolled away from.
    Bad,
}

/// One remembered revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The task definition's ARN, with its revision.
    pub arn: String,
    /// What experience says.
    pub standing: Standing,
    /// Since when.
    pub since: Timestamp,
}

impl Revision {
    pub(super) fn read(item: &Item) -> Option<Self> {
        let standing = match get_s(item, "standing")?.as_str() {
            "good" => Standing::Good,
            "bad" => Standing::Bad,
            _ => return None,
        };
        Some(Self { arn: get_s(item, "arn")?, standing, since: get_ms(item, "since")? })
    }

    /// Forgets what was said of a revision.
    pub(super) fn forget(ledger: &Ledger, pk: &str, arn: &str) -> Option<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&ledger.table)
            .key("pk", s(pk))
            .key("sk", s(format!("revision#{arn}")))
            .build()
            .ok()?;
        Some(TransactWriteItem::builder().delete(delete).build())
    }

    pub(super) fn put(&self, ledger: &Ledger, pk: &str) -> Option<TransactWriteItem> {
        let standing = match self.standing {
            Standing::Good => "good",
            Standing::Bad => "bad",
        };
        let put = Put::builder()
            .table_name(&ledger.table)
            .item("pk", s(pk))
            .item("sk", s(format!("revision#{}", self.arn)))
            .item("arn", s(&self.arn))
            .item("standing", s(standing))
            .item("since", ms(self.since))
            .item("expires_at", expiry(self.since, DAYS_KEPT))
            .build()
            .ok()?;
        Some(TransactWriteItem::builder().put(put).build())
    }
}
