//! Many entries in few calls: 25 written or 100 read at once (DynamoDB API, `BatchWriteItem` and `BatchGetItem`).
//!
//! What DynamoDB leaves undone of a batch is asked for again, a few times; then the call counts as throttled.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use tokio::time::{Duration, sleep};

use super::{Item, Ledger};
use crate::error::Call;
use crate::{Error, Result};

const WRITTEN_AT_ONCE: usize = 25;
const READ_AT_ONCE: usize = 100;

/// How often what is left of a batch is asked for again, and how long after the first time; each time twice as long.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

impl Ledger {
    /// Writes all of these entries, whatever stood there.
    ///
    /// # Errors
    /// What `dynamodb:BatchWriteItem` answers; a throttle, where it leaves some undone again and again.
    pub(super) async fn put_all(&self, items: Vec<Item>) -> Result<()> {
        let mut requests = items.into_iter().filter_map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build().ok()?;
            Some(WriteRequest::builder().put_request(put).build())
        });
        loop {
            let mut left: Vec<_> = requests.by_ref().take(WRITTEN_AT_ONCE).collect();
            if left.is_empty() {
                return Ok(());
            }
            let mut attempt = 0;
            while !left.is_empty() {
                pause("dynamodb:BatchWriteItem", attempt).await?;
                attempt += 1;
                let written = self.client.batch_write_item().request_items(&self.table, left).send().await;
                let unprocessed = written.action("dynamodb:BatchWriteItem")?.unprocessed_items;
                left = unprocessed.unwrap_or_default().remove(&self.table).unwrap_or_default();
            }
        }
    }

    /// The entries with these keys, those that there are, in any order. Read as they were a moment ago.
    ///
    /// # Errors
    /// What `dynamodb:BatchGetItem` answers; a throttle, where it leaves some undone again and again.
    pub(super) async fn get_all(&self, keys: Vec<(String, &'static str)>) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        for keys in keys.chunks(READ_AT_ONCE) {
            let mut left: Vec<HashMap<String, AttributeValue>> = keys
                .iter()
                .map(|(pk, sk)| {
                    HashMap::from([("pk".to_owned(), super::s(pk)), ("sk".to_owned(), super::s(*sk))])
                })
                .collect();
            let mut attempt = 0;
            while !left.is_empty() {
                pause("dynamodb:BatchGetItem", attempt).await?;
                attempt += 1;
                let keys = KeysAndAttributes::builder().set_keys(Some(left)).build();
                let keys = keys.map_err(|error| Error::Malformed(error.to_string()))?;
                let read = self.client.batch_get_item().request_items(&self.table, keys).send().await;
                let read = read.action("dynamodb:BatchGetItem")?;
                found.extend(read.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
                let unprocessed = read.unprocessed_keys.unwrap_or_default().remove(&self.table);
                left = unprocessed.map(|keys| keys.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }
}

/// Waits before another attempt; not before the first.
async fn pause(action: &'static str, attempt: u32) -> Result<()> {
    match attempt {
        0 => Ok(()),
        ATTEMPTS.. => Err(Error::Aws {
            action,
            code: Some("ProvisionedThroughputExceededException".to_owned()),
            transient: true,
            source: "DynamoDB left a part of the batch undone again and again".into(),
        }),
        _ => {
            sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
