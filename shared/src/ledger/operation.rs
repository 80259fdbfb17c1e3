//! `operation`: something begun and not yet over.
//!
//! Beginning one is a single transaction: the target's lease, the operation, its entry for the [audit](super::audit), and
//! the revision that it blames.
//! Either all of it is written or none, so there is never an act without its record.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::incident::alarm_name;
use super::lease::{Kind, Lease};
use super::revision::{Revision, Standing};
use super::{Item, Ledger, expiry, get_ms, get_n, get_s, ms, s};
use crate::error::Call;
use crate::target::Target;
use crate::{Error, Result};

const DAYS_KEPT: i64 = 180;

/// A change of one target, from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Deterministic: the same cause begins the same operation.
    pub id: String,
    /// The incident it answers.
    pub incident: String,
    /// By what it is done, and so how its end is seen.
    pub means: Means,
    /// The revision it leaves: a task definition's ARN, a Lambda version, a stack's status.
    pub from: String,
    /// The revision it returns to.
    pub to: String,
    /// What `to` is a copy of, where it had to be registered anew.
    pub copy_of: Option<String>,
    /// The deployment whose end is its end: an ECS deployment's id, a service deployment's ARN, a CodeDeploy
    /// deployment's id; none before the act, and where there is none.
    pub deployment: Option<String>,
    /// Whether `from` is held to be bad.
    pub blames: bool,
    /// What stood there before, as JSON, so that it can be undone by hand.
    pub before: Option<String>,
    /// Who asked for it by hand.
    pub asked_by: Option<String>,
    /// The redeploy that it is one service's part of.
    pub redeploy: Option<String>,
    /// Why it failed, in words.
    pub said: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// When it counts as over although nobody said so.
    pub deadline: Timestamp,
    /// How it ended; none while it runs.
    pub end: Option<End>,
}

/// By what an operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// `ecs:UpdateService` with another task definition.
    UpdateService,
    /// `ecs:UpdateService` with another desired count.
    Scale,
    /// `ecs:StopServiceDeployment` of the deployment in flight.
    StopServiceDeployment,
    /// `codedeploy:CreateDeployment` of the last good application specification.
    CreateDeployment,
    /// `codedeploy:StopDeployment` of the deployment in flight.
    StopDeployment,
    /// `lambda:UpdateAlias`.
    UpdateAlias,
    /// `cloudformation:CancelUpdateStack`.
    CancelUpdateStack,
    /// `cloudformation:ContinueUpdateRollback`.
    ContinueUpdateRollback,
    /// `cloudformation:RollbackStack`.
    RollbackStack,
    /// `ecs:UpdateService` that deploys anew what runs, so that its tasks read their secrets again.
    Redeploy,
    /// `codedeploy:CreateDeployment` of what runs, for the same reason.
    RedeployByCodeDeploy,
}

impl Means {
    /// Whether what an operation returns to is a revision: a task definition or a version, of which can be learnt
    /// whether it is good.
    pub const fn leads_to_a_revision(self) -> bool {
        match self {
            Self::UpdateService
            | Self::StopServiceDeployment
            | Self::CreateDeployment
            | Self::StopDeployment
            | Self::UpdateAlias => true,
            Self::Scale
            | Self::CancelUpdateStack
            | Self::ContinueUpdateRollback
            | Self::RollbackStack
            | Self::Redeploy
            | Self::RedeployByCodeDeploy => false,
        }
    }

    /// Whether what runs is deployed anew, as it is.
    pub const fn redeploys(self) -> bool {
        matches!(self, Self::Redeploy | Self::RedeployByCodeDeploy)
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was made, and the alarm went back to OK.
    Recovered,
    /// Something else ran before its end could be seen.
    Superseded,
    /// The act was refused; nothing was changed.
    Refused,
    /// What it returned to could not be deployed.
    Failed,
    /// It was made, and the alarm still fires.
    Unhealed,
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
            means: word(&get_s(item, "means")?)?,
            from: get_s(item, "from")?,
            to: get_s(item, "to")?,
            copy_of: get_s(item, "copy_of"),
            deployment: get_s(item, "deployment"),
            blames: get_n(item, "blames") == Some(1),
            before: get_s(item, "before"),
            asked_by: get_s(item, "asked_by"),
            redeploy: get_s(item, "redeploy"),
            said: get_s(item, "said"),
            began: get_ms(item, "began")?,
            deadline: get_ms(item, "deadline")?,
            end: get_s(item, "end").as_deref().and_then(word),
        })
    }

    fn item(&self, pk: &str) -> Item {
        let optional = [
            ("copy_of", self.copy_of.clone()),
            ("deployment", self.deployment.clone()),
            ("before", self.before.clone()),
            ("asked_by", self.asked_by.clone()),
            ("redeploy", self.redeploy.clone()),
            ("said", self.said.clone()),
            ("end", self.end.as_ref().map(as_word)),
        ];
        let texts = [
            ("pk", pk.to_owned()),
            ("sk", format!("operation#{}", self.id)),
            ("id", self.id.clone()),
            ("incident", self.incident.clone()),
            ("means", as_word(&self.means)),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, s(value?))));
        let others = [
            ("blames", AttributeValue::N(u8::from(self.blames).to_string())),
            ("began", ms(self.began)),
            ("deadline", ms(self.deadline)),
            ("expires_at", expiry(self.began, DAYS_KEPT)),
        ];
        let texts = texts.into_iter().map(|(name, value)| (name, s(value)));
        texts.chain(optional).chain(others).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn put(&self, ledger: &Ledger, pk: &str) -> Option<TransactWriteItem> {
        let put = Put::builder().table_name(&ledger.table).set_item(Some(self.item(pk))).build().ok()?;
        Some(TransactWriteItem::builder().put(put).build())
    }
}

/// A word of the JSON, in snake case.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

fn as_word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

impl Ledger {
    /// Begins an operation: takes the target's lease of its kind until `cooldown`, records the operation, and, where it
    /// blames the revision it leaves, remembers that as bad. Beginning the same operation again succeeds. The lease of the
    /// operation `over` may be taken over.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers within the transaction.
    pub async fn begin(
        &self,
        target: &Target,
        operation: &Operation,
        over: Option<&str>,
        cooldown: Timestamp,
        now: Timestamp,
    ) -> Result<Begun> {
        let pk = super::target::key(target);
        let lease = Lease { owner: operation.id.clone(), until: cooldown };
        let kind = if operation.means.redeploys() { Kind::Redeploy } else { Kind::Change };
        let mut items = vec![lease.take(self, &pk, kind, over, now), operation.put(self, &pk)];
        if operation.blames {
            let standing = Standing::Bad;
            let left = Revision { arn: operation.from.clone(), standing, since: operation.began };
            items.push(left.put(self, &pk));
        }
        items.push(super::audit::put(self, target, operation, DAYS_KEPT));
        match self.transact("dynamodb:PutItem", items).await {
            Ok(()) => Ok(Begun::Yes),
            // Whoever writes at the same moment is taking it: look again.
            Err(error) if matches!(error.code(), Some("ConditionalCheckFailed" | "TransactionConflict")) => {
                Ok(Begun::Taken)
            }
            Err(error) => Err(error),
        }
    }

    /// Records what became known of an operation since it was begun: its deployment, its copy.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn amend(&self, target: &Target, operation: &Operation) -> Result<()> {
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(operation.item(&super::target::key(target))))
            .send()
            .await
            .action("dynamodb:PutItem")?;
        Ok(())
    }

    /// Ends an operation. One that recovered, as its alarm says, proves the revision it returned to, which is remembered
    /// as good. The lease stays as the cooldown.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers within the transaction.
    pub async fn finish(
        &self,
        target: &Target,
        operation: &Operation,
        end: End,
        now: Timestamp,
    ) -> Result<()> {
        let pk = super::target::key(target);
        let ended = Operation { end: Some(end), ..operation.clone() };
        let mut items = vec![ended.put(self, &pk)];
        let by_alarm = alarm_name(&operation.incident).is_some();
        if end == End::Recovered && by_alarm && operation.means.leads_to_a_revision() {
            let kept = Revision { arn: operation.to.clone(), standing: Standing::Good, since: now };
            items.push(kept.put(self, &pk));
        }
        self.transact("dynamodb:PutItem", items).await
    }

    /// Ends an operation that changed nothing: the lease is given back, so that the next alarm may act, and the
    /// revision that was not left is not remembered as bad.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` and `dynamodb:DeleteItem` answer within the transaction.
    pub async fn refused(&self, target: &Target, operation: &Operation) -> Result<()> {
        let pk = super::target::key(target);
        let ended = Operation { end: Some(End::Refused), ..operation.clone() };
        let kind = if operation.means.redeploys() { Kind::Redeploy } else { Kind::Change };
        let mut items = vec![ended.put(self, &pk), Lease::give_back(self, &pk, kind, &operation.id)];
        if operation.blames {
            items.push(Revision::forget(self, &pk, &operation.from));
        }
        self.transact("dynamodb:DeleteItem", items).await
    }

    /// A transaction needs the permission of every write in it; the one named is the one not named elsewhere.
    async fn transact(&self, action: &'static str, items: Vec<Option<TransactWriteItem>>) -> Result<()> {
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
