//! Everything that is remembered of one target, in one query.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::lease::Lease;
use super::operation::Operation;
use super::revision::{Revision, Standing};
use super::{Item, Ledger, get_s, s};
use crate::Result;
use crate::error::Call;
use crate::target::Target;

/// What is remembered of one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    /// Who may change it.
    pub lease: Option<Lease>,
    /// Who deploys it anew, and until when nobody else may.
    pub redeploying: Option<Lease>,
    /// How it was changed, newest first. A record holds the newest 20.
    #[serde(serialize_with = "newest")]
    pub operations: Vec<Operation>,
    /// How it was deployed anew, newest first. A record holds the newest 20.
    #[serde(serialize_with = "newest")]
    pub redeploys: Vec<Operation>,
    /// The redeploys that wait for the end of the deployment under way, by their ids.
    pub waiting: Vec<String>,
    /// What is known of its revisions, newest knowledge first. A record holds the newest 20.
    #[serde(serialize_with = "newest")]
    pub revisions: Vec<Revision>,
}

/// A record is one line of a log: half a year of deployments would not fit.
fn newest<T: Serialize, S: Serializer>(all: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().take(20))
}

impl Memory {
    /// The lease, if it still holds.
    pub fn lease_at(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| now < lease.until)
    }

    /// The operation with this id, of either kind.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.all().find(|operation| operation.id == id)
    }

    /// All operations: those that change it, then those that deploy it anew.
    pub fn all(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().chain(&self.redeploys)
    }

    /// Whether this revision was rolled away from and has not proved itself since.
    pub fn is_bad(&self, arn: &str) -> bool {
        self.revisions.iter().any(|revision| revision.arn == arn && revision.standing == Standing::Bad)
    }

    fn read(items: impl Iterator<Item = Item>) -> Self {
        let mut memory = Self::default();
        for item in items {
            match get_s(&item, "sk").as_deref().map(kind) {
                Some("lease") => memory.lease = Lease::read(&item),
                Some("redeploying") => memory.redeploying = Lease::read(&item),
                Some("operation") => memory.operations.extend(Operation::read(&item)),
                Some("waiting") => memory.waiting.extend(get_s(&item, "redeploy")),
                Some("revision") => memory.revisions.extend(Revision::read(&item)),
                Some(_) | None => {}
            }
        }
        memory.operations.sort_by_key(|operation| std::cmp::Reverse(operation.began));
        (memory.redeploys, memory.operations) =
            memory.operations.into_iter().partition(|operation| operation.means.redeploys());
        memory.revisions.sort_by_key(|revision| std::cmp::Reverse(revision.since));
        memory
    }
}

fn kind(sk: &str) -> &str {
    sk.split_once('#').map_or(sk, |(kind, _)| kind)
}

/// The partition that holds all that is remembered of a target.
pub(super) fn key(target: &Target) -> String {
    format!("target#{target}")
}

impl Ledger {
    /// Everything that is remembered of a target, read consistently, so that an operation begun a moment ago is
    /// seen.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn recall(&self, target: &Target) -> Result<Memory> {
        let mut items = Vec::new();
        let mut from: Option<std::collections::HashMap<String, AttributeValue>> = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", s(key(target)))
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .action("dynamodb:Query")?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(Memory::read(items.into_iter()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
