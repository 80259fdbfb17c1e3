//! One entry, read and changed as a whole: a change holds only if nobody else has changed the entry since it was read.
//!
//! Every entry that is changed in this way carries `version`, which rises with each change. Of two that change it at the
//! same time one wins; the other reads it anew. Each change carries a `tag` of its own, too: two that write the same, such
//! as the next turn of a channel, would both take what the first of them wrote for their own.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Item, Ledger, get_n, s};
use crate::Result;
use crate::error::Call;

const VERSION: &str = "version";

const TAG: &str = "tag";

/// Less than every sort key: DynamoDB refuses an empty one, also to compare with.
const FIRST: &str = " ";

impl Ledger {
    /// The entry, as it stands.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn look_up(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", s(pk))
            .key("sk", s(sk))
            .consistent_read(true)
            .send()
            .await
            .action("dynamodb:GetItem")?;
        Ok(got.item)
    }

    /// All entries under a partition key, as they stand, whose sort key is not less than `from`, where that is not
    /// empty; at most about `most`.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn list(&self, pk: &str, from: &str, most: usize) -> Result<Vec<Item>> {
        self.listed(pk, from, most, true).await
    }

    /// The same, from the end on: of more than `most`, the last are read.
    pub(super) async fn last(&self, pk: &str, from: &str, most: usize) -> Result<Vec<Item>> {
        self.listed(pk, from, most, false).await
    }

    async fn listed(&self, pk: &str, from: &str, most: usize, forward: bool) -> Result<Vec<Item>> {
        let from = if from.is_empty() { FIRST } else { from };
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .set_scan_index_forward((!forward).then_some(false))
                .key_condition_expression("pk = :pk AND sk >= :sk")
                .expression_attribute_values(":pk", s(pk))
                .expression_attribute_values(":sk", s(from))
                .set_exclusive_start_key(start)
                .send()
                .await
                .action("dynamodb:Query")?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || found.len() >= most {
                return Ok(found);
            }
        }
    }

    /// Writes the entry, if it still is what was read before, and answers with what is written; with nothing where
    /// somebody else was faster.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
    pub async fn swap(&self, mut item: Item, before: Option<&Item>) -> Result<Option<Item>> {
        let version = before.and_then(|before| get_n(before, VERSION));
        let next = version.unwrap_or_default().saturating_add(1);
        item.insert(VERSION.to_owned(), AttributeValue::N(next.to_string()));
        item.insert(TAG.to_owned(), s(tag()));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match version {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        match put.send().await {
            Ok(_) => Ok(Some(item)),
            Err(error) => match error.as_service_error() {
                // The SDK repeats a write whose answer was lost; the repetition then meets what the first one wrote.
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok((failed.item.as_ref() == Some(&item)).then_some(item))
                }
                Some(_) | None => Err(error).action("dynamodb:PutItem"),
            },
        }
    }

    /// Takes the entry away, if it still is what was read before. Whether it is gone is the answer.
    ///
    /// # Errors
    /// What `dynamodb:DeleteItem` answers, but for a lost race, which is an answer.
    pub async fn take_away(&self, before: &Item) -> Result<bool> {
        let (Some(pk), Some(sk), Some(version)) = (before.get("pk"), before.get("sk"), before.get(VERSION))
        else {
            return Ok(false);
        };
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", pk.clone())
            .key("sk", sk.clone())
            .condition_expression("attribute_not_exists(pk) OR version = :version")
            .expression_attribute_values(":version", version.clone())
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                Some(_) | None => Err(error).action("dynamodb:DeleteItem"),
            },
        }
    }
}

/// Another one each time, in every process.
fn tag() -> String {
    // The standard library seeds it from the system, and differently for each.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
