//! `revision`: what experience says of a task definition. A revision that was rolled away from stays bad, so that
//! the next alarm does not return to it; ECS itself would call it successful.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;

use super::{Item, Ledger, expiry, get_ms, get_s, ms, s};
use crate::Result;
use crate::error::Call;
use crate::target::Target;

/// How long experience is kept: twice as long as ECS keeps its own history.
const DAYS_KEPT: i64 = 180;

/// What experience says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It ran, and its alarm was quiet.
    Good,
    /// It was rolled away from, or could not be deployed.
    Bad,
}

/// One remembered revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The task definition's ARN with its revision, or the Lambda version.
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

    fn item(&self, pk: &str) -> Item {
        let standing = match self.standing {
            Standing::Good => "good",
            Standing::Bad => "bad",
        };
        [
            ("pk", s(pk)),
            ("sk", s(format!("revision#{}", self.arn))),
            ("arn", s(&self.arn)),
            ("standing", s(standing)),
            ("since", ms(self.since)),
            ("expires_at", expiry(self.since, DAYS_KEPT)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(super) fn put(&self, ledger: &Ledger, pk: &str) -> Option<TransactWriteItem> {
        let put = Put::builder().table_name(&ledger.table).set_item(Some(self.item(pk))).build().ok()?;
        Some(TransactWriteItem::builder().put(put).build())
    }
}

impl Ledger {
    /// Remembers what was learnt of a revision, unless something newer is known of it.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for newer knowledge, which stays.
    pub async fn remember(&self, target: &Target, revision: &Revision) -> Result<()> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(revision.item(&super::target::key(target))))
            .condition_expression("attribute_not_exists(pk) OR since < :since")
            .expression_attribute_values(":since", ms(revision.since));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(error).action("dynamodb:PutItem"),
        }
    }
}

#[cfg(test)]
mod tests;
