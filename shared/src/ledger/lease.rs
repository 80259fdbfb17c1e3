//! `lease`: a lock with an owner and a deadline, one per target and kind of change. It is taken in the same transaction
//! that begins an operation, and outlives the operation as its cooldown.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;

use super::{Item, Ledger, expiry, get_ms, get_s, ms, s};

/// Who may change a target, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// The operation that holds it.
    pub owner: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// What a lease is for. A redeploy changes no revision, so the two need not keep each other off for an hour; while one is
/// under way, the decision about the other sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What runs is changed.
    Change,
    /// What runs is deployed anew.
    Redeploy,
}

impl Kind {
    /// The sort key.
    pub(super) const fn sk(self) -> &'static str {
        match self {
            Self::Change => "lease",
            Self::Redeploy => "redeploying",
        }
    }
}

impl Lease {
    pub(super) fn read(item: &Item) -> Option<Self> {
        Some(Self { owner: get_s(item, "owner")?, until: get_ms(item, "until")? })
    }

    /// Takes the lease if nobody holds it, if its time is over, if it is ours already, or if `over` holds it.
    pub(super) fn take(
        &self,
        ledger: &Ledger,
        pk: &str,
        kind: Kind,
        over: Option<&str>,
        now: Timestamp,
    ) -> Option<TransactWriteItem> {
        let put = Put::builder()
            .table_name(&ledger.table)
            .item("pk", s(pk))
            .item("sk", s(kind.sk()))
            .item("owner", s(&self.owner))
            .item("until", ms(self.until))
            .item("expires_at", expiry(self.until, 1))
            .condition_expression("attribute_not_exists(pk) OR #until <= :now OR #owner IN (:owner, :over)")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":now", ms(now))
            .expression_attribute_values(":owner", s(&self.owner))
            .expression_attribute_values(":over", s(over.unwrap_or(&self.owner)))
            .build()
            .ok()?;
        Some(TransactWriteItem::builder().put(put).build())
    }

    /// Gives the lease back, if it is still ours.
    pub(super) fn give_back(ledger: &Ledger, pk: &str, kind: Kind, owner: &str) -> Option<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&ledger.table)
            .key("pk", s(pk))
            .key("sk", s(kind.sk()))
            .condition_expression("attribute_not_exists(pk) OR #owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(owner))
            .build()
            .ok()?;
        Some(TransactWriteItem::builder().delete(delete).build())
    }
}
