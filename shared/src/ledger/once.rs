//! `once`: a cause is taken up by one invocation, and by another only if that one failed.
//!
//! After Powertools' idempotency design: the first conditional write wins; an entry still in progress can be taken
//! over when its deadline has passed, or by the same owner (the platform's retry keeps its request id).

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use jiff::Timestamp;

use super::{Item, Ledger, expiry, get_s, ms, s};
use crate::Result;
use crate::error::Call;

/// How long a finished cause is remembered: longer than any transport can still repeat it (SQS keeps 14 days).
const DAYS_KEPT: i64 = 15;

/// What came of trying to take up a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Won,
    /// Another invocation has it in hand.
    InHand,
    /// It was dealt with, with this outcome.
    Done(String),
}

impl Ledger {
    /// Takes up the cause `key` for `owner`, until `deadline`.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
    pub async fn claim(&self, key: &str, owner: &str, now: Timestamp, deadline: Timestamp) -> Result<Claim> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(format!("once#{key}")))
            .item("sk", s("once"))
            .item("state", s("in_progress"))
            .item("owner", s(owner))
            .item("deadline", ms(deadline))
            .item("expires_at", expiry(now, DAYS_KEPT))
            .condition_expression(
                "attribute_not_exists(pk) OR (#state = :in_progress AND (#owner = :owner OR deadline < :now))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":in_progress", s("in_progress"))
            .expression_attribute_values(":owner", s(owner))
            .expression_attribute_values(":now", ms(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) => Ok(Claim::Won),
            Err(error) => match error.as_service_error().and_then(lost) {
                Some(holder) => Ok(holder),
                None => Err(error).action("dynamodb:PutItem"),
            },
        }
    }

    /// Records that the cause was dealt with, and how.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn complete(&self, key: &str, outcome: &str, now: Timestamp) -> Result<()> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(format!("once#{key}")))
            .item("sk", s("once"))
            .item("state", s("done"))
            .item("outcome", s(outcome))
            .item("expires_at", expiry(now, DAYS_KEPT))
            .send()
            .await
            .action("dynamodb:PutItem")?;
        Ok(())
    }
}

fn lost(error: &aws_sdk_dynamodb::operation::put_item::PutItemError) -> Option<Claim> {
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
        ConditionalCheckFailedException { item, .. },
    ) = error
    else {
        return None;
    };
    Some(item.as_ref().map_or(Claim::InHand, holder))
}

fn holder(item: &Item) -> Claim {
    match get_s(item, "state").as_deref() {
        Some("done") => Claim::Done(get_s(item, "outcome").unwrap_or_default()),
        Some(_) | None => Claim::InHand,
    }
}

#[cfg(test)]
mod tests;
