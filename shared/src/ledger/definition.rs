//! `definition`: which secrets a task definition refers to. A revision never changes, so it is described once, and
//! whoever comes later asks here instead of ECS, which allows twenty such questions a second to a whole account.
//!
//! A task definition that refers to no secret is remembered, too: most are of that kind.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Item, Ledger, expiry, get_n, get_s, s};
use crate::Result;

/// How long an entry is kept: a definition that is in use longer is read once more.
const DAYS_KEPT: i64 = 180;

/// The references of one task definition, as its reader wrote them down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The task definition's ARN, with its revision.
    pub arn: String,
    /// Compact JSON. What is in it is its reader's business.
    pub references: String,
}

impl Definition {
    fn read(item: &Item, reader: u32) -> Option<Self> {
        if get_n(item, "reader") != Some(i64::from(reader)) {
            return None;
        }
        let arn = get_s(item, "pk")?.strip_prefix("definition#")?.to_owned();
        Some(Self { arn, references: get_s(item, "references")? })
    }

    fn item(&self, reader: u32, now: Timestamp) -> Item {
        let (pk, sk) = key(&self.arn);
        [
            ("pk", s(pk)),
            ("sk", s(sk)),
            ("references", s(&self.references)),
            ("reader", AttributeValue::N(reader.to_string())),
            ("expires_at", expiry(now, DAYS_KEPT)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Ledger {
    /// Those of these task definitions that are remembered, in any order. `reader` is the version of whoever reads
    /// task definitions: what another version wrote down may lack what this one looks for, and counts as not
    /// remembered.
    ///
    /// # Errors
    /// What `dynamodb:BatchGetItem` answers.
    pub async fn definitions(&self, arns: &[&str], reader: u32) -> Result<Vec<Definition>> {
        // DynamoDB refuses a call that asks for one entry twice.
        let arns: BTreeSet<&str> = arns.iter().copied().collect();
        let items = self.get_all(arns.into_iter().map(key).collect()).await?;
        Ok(items.iter().filter_map(|item| Definition::read(item, reader)).collect())
    }

    /// Remembers what was read of these task definitions, each given once.
    ///
    /// # Errors
    /// What `dynamodb:BatchWriteItem` answers.
    pub async fn remember_definitions(
        &self,
        definitions: &[Definition],
        reader: u32,
        now: Timestamp,
    ) -> Result<()> {
        self.put_all(definitions.iter().map(|definition| definition.item(reader, now)).collect()).await
    }
}

fn key(arn: &str) -> (String, &'static str) {
    (format!("definition#{arn}"), "references")
}

#[cfg(test)]
mod tests;
