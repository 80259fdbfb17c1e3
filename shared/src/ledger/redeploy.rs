//! `redeploy`: what follows from a secret's label that moved, from the move to the last service.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `secret#<ARN>` | `label#<stage>` | [`Label`]: to which version the label moved last, and when |
//! | `redeploy#<id>` | `state` | [`Redeploy`]: how far it is |
//! | `redeploy#<id>` | `stepping` | who goes on with it, and until when nobody else may |
//! | `redeploy#<id>` | `member#<target>` | [`Member`]: one service of it |
//! | `target#<target>` | `waiting#<id>` | the service's deployment under way is waited for |

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Item, Ledger, expiry, get_s, ms, s};
use crate::error::Call;
use crate::target::Target;
use crate::{Error, Result, id};

/// Half a year: as long as the operations that it was made of.
const DAYS_KEPT: i64 = 180;

/// A label is remembered for longer than secrets are usually rotated.
const LABEL_DAYS_KEPT: i64 = 730;

/// To which version a label moved last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The version.
    pub version: String,
    /// When it moved there, as far as is known.
    pub at: Timestamp,
    /// Where it stood before, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// Where a label stood before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The version.
    pub version: String,
    /// Since when.
    pub at: Timestamp,
}

impl Label {
    /// A move to this version, after what is known.
    pub fn after(known: Option<&Self>, version: &str, at: Timestamp) -> Self {
        let before = known.map(|known| Before { version: known.version.clone(), at: known.at });
        Self { version: version.to_owned(), at, before }
    }
}

/// A redeploy of every service that uses a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeploy {
    /// Follows from the secret, the label, where it went and where it came from: the same move has the same id.
    pub id: String,
    /// The secret's ARN.
    pub secret: String,
    /// The secret's name.
    pub name: String,
    /// The label that moved, such as `AWSCURRENT`.
    pub label: String,
    /// The version that it moved to.
    pub version: String,
    /// When. Tasks made before may run with the version before.
    pub moved: Timestamp,
    /// Where a label was put back to the version that it left: tasks older than this run with it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_before: Option<Timestamp>,
    /// How it came to be known.
    pub cause: Cause,
    /// How far it is.
    pub phase: Phase,
    /// How many waves have begun.
    pub waves: u32,
    /// When it became known.
    pub began: Timestamp,
    /// How many task definitions could not be read, so that nobody can say whether they name the secret.
    #[serde(default)]
    pub unread: usize,
    /// Whether people were told that it waits although the old value no longer works.
    #[serde(default)]
    pub told: bool,
    /// When its end was seen first: the same for whoever tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// When it is looked at next; long after that, its message is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Whether services are redeployed, too, whose tasks have the new version already.
    #[serde(default)]
    pub even_if_fresh: bool,
    /// The version that the label was put back to, after it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back: Option<String>,
}

/// How a move became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An event told of it.
    Event,
    /// The sweep found it: its event was lost.
    Sweep,
    /// Somebody asked for it.
    ByHand {
        /// Who.
        by: Option<String>,
    },
}

/// How far a redeploy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for other moves, and for its services to be found.
    Collecting,
    /// Its services are redeployed, in waves.
    Running,
    /// It ended with a wave that failed.
    Stopped,
    /// It ended.
    Done,
    /// Its label moved on meanwhile, or nothing may be done.
    Dropped,
}

impl Phase {
    /// Whether it is over.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Done | Self::Dropped)
    }
}

impl Redeploy {
    /// The id of the redeploy that follows from this move of a label. Events tell of one move at different times, so it
    /// is told from a later move to the same version by where the label stood before.
    pub fn id_of(secret: &str, stage: &str, label: &Label) -> String {
        let before = label.before.as_ref().map(|before| before.at.as_millisecond().to_string());
        id::of(&["redeploy", secret, stage, &label.version, before.as_deref().unwrap_or("first")])
    }

    /// The key under which people hear of what becomes of a secret.
    pub fn incident_of(secret: &str) -> String {
        format!("secret:{secret}")
    }

    /// The key under which people hear of what becomes of it: of the secret, or of the request where one service alone was asked
    /// for, which then stands in the secret's place.
    pub fn incident(&self) -> String {
        if self.secret.parse::<Target>().is_ok() {
            format!("request:{}", self.id)
        } else {
            Self::incident_of(&self.secret)
        }
    }
}

/// One service of a redeploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The service, such as `ecs:prod/web`.
    #[serde(with = "crate::target::as_text")]
    pub target: Target,
    /// Where it refers to the secret, in words.
    pub uses: Vec<String>,
    /// The order in which it comes: those of the same rank by their names.
    pub rank: u32,
    /// How far it is.
    pub standing: Standing,
    /// Why, in words.
    pub why: String,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Whether tasks of it go on with the old version.
    #[serde(default)]
    pub runs_old: bool,
    /// Whether somebody should do something about it.
    #[serde(default)]
    pub needs_a_hand: bool,
    /// When it is looked at again, where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// In which wave it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// The operation that redeploys it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The deployment that brings it the new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The deployment that was under way before, which is waited for or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_for: Option<String>,
}

/// How far a service of a redeploy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its turn has not come.
    Queued,
    /// Something has to end before its turn: a deployment under way, its minimum interval.
    Deferred,
    /// It is being redeployed.
    Moving,
    /// All its tasks run with the new version.
    Fresh,
    /// It is left alone, for a reason.
    Skipped,
    /// It would be redeployed, if its mode were `act`.
    Proposed,
    /// Its redeployment failed.
    Failed,
}

impl Standing {
    /// Whether nothing more happens to it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Fresh | Self::Skipped | Self::Proposed | Self::Failed)
    }
}

impl Ledger {
    /// To which version a secret's label moved last, as far as is remembered.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn label(&self, secret: &str, stage: &str) -> Result<Option<Label>> {
        self.get(&format!("secret#{secret}"), &format!("label#{stage}")).await
    }

    /// Records to which version a label moved, unless a later move is recorded. Recording the same again is harmless.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a later move, which stays.
    pub async fn record_label(&self, secret: &str, stage: &str, label: &Label, now: Timestamp) -> Result<()> {
        let item =
            entry(&format!("secret#{secret}"), &format!("label#{stage}"), label, now, LABEL_DAYS_KEPT)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .item("at", ms(label.at))
            .condition_expression("attribute_not_exists(pk) OR #at <= :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", ms(label.at));
        unless_refused(put.send().await).map(drop)
    }

    /// The redeploy with this id.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn redeploy(&self, id: &str) -> Result<Option<Redeploy>> {
        self.get(&format!("redeploy#{id}"), "state").await
    }

    /// Records a redeploy that just became known; whether it was not known before.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn open_redeploy(&self, redeploy: &Redeploy, now: Timestamp) -> Result<bool> {
        let item = entry(&format!("redeploy#{}", redeploy.id), "state", redeploy, now, DAYS_KEPT)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        unless_refused(put.condition_expression("attribute_not_exists(pk)").send().await)
    }

    /// Records how far a redeploy is. Only who [steps](Self::step) it may.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn record_redeploy(&self, redeploy: &Redeploy, now: Timestamp) -> Result<()> {
        let item = entry(&format!("redeploy#{}", redeploy.id), "state", redeploy, now, DAYS_KEPT)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.action("dynamodb:PutItem").map(drop)
    }

    /// Takes the right to go on with a redeploy, until then; false: somebody has it.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn step(&self, id: &str, owner: &str, until: Timestamp, now: Timestamp) -> Result<bool> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(format!("redeploy#{id}")))
            .item("sk", s("stepping"))
            .item("owner", s(owner))
            .item("until", ms(until))
            .item("expires_at", expiry(until, 1))
            .condition_expression("attribute_not_exists(pk) OR #until <= :now OR #owner = :owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":now", ms(now))
            .expression_attribute_values(":owner", s(owner));
        unless_refused(put.send().await)
    }

    /// Gives the right to go on back: from this moment on, anybody may take it.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn stepped(&self, id: &str, owner: &str, now: Timestamp) -> Result<()> {
        self.step(id, owner, now, now).await.map(drop)
    }

    /// The services of a redeploy, by rank and name.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn members(&self, id: &str) -> Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :member)")
                .expression_attribute_values(":pk", s(format!("redeploy#{id}")))
                .expression_attribute_values(":member", s("member#"))
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .action("dynamodb:Query")?;
            members.extend(page.items.unwrap_or_default().iter().filter_map(read::<Member>));
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                members.sort_by(|a, b| (a.rank, &a.target).cmp(&(b.rank, &b.target)));
                return Ok(members);
            }
        }
    }

    /// Records how far these services of a redeploy are.
    ///
    /// # Errors
    /// What `dynamodb:BatchWriteItem` answers.
    pub async fn record_members(&self, id: &str, members: &[Member], now: Timestamp) -> Result<()> {
        let items = members.iter().map(|member| {
            let sk = format!("member#{}", member.target);
            entry(&format!("redeploy#{id}"), &sk, member, now, DAYS_KEPT)
        });
        self.put_all(items.collect::<Result<_>>()?).await
    }

    /// Notes that a redeploy waits for the deployment of this target that is under way, until then at the latest.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn wait_for(&self, target: &Target, redeploy: &str, until: Timestamp) -> Result<()> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(super::target::key(target)))
            .item("sk", s(format!("waiting#{redeploy}")))
            .item("redeploy", s(redeploy))
            .item("expires_at", expiry(until, 1))
            .send()
            .await
            .action("dynamodb:PutItem")?;
        Ok(())
    }

    /// Takes that note away.
    ///
    /// # Errors
    /// What `dynamodb:DeleteItem` answers.
    pub async fn waited_for(&self, target: &Target, redeploy: &str) -> Result<()> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(super::target::key(target)))
            .key("sk", s(format!("waiting#{redeploy}")))
            .send()
            .await
            .action("dynamodb:DeleteItem")?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, pk: &str, sk: &str) -> Result<Option<T>> {
        let got = self.client.get_item().table_name(&self.table).key("pk", s(pk)).key("sk", s(sk));
        let got = got.consistent_read(true).send().await.action("dynamodb:GetItem")?;
        Ok(got.item.as_ref().and_then(read))
    }
}

/// An entry whose content is one attribute of JSON: nothing of it is a condition.
fn entry(pk: &str, sk: &str, content: &impl Serialize, now: Timestamp, days: i64) -> Result<Item> {
    let content = serde_json::to_string(content)
        .map_err(|error| Error::Malformed(format!("an entry of the ledger cannot be written: {error}")))?;
    let item: [(&str, AttributeValue); 4] =
        [("pk", s(pk)), ("sk", s(sk)), ("content", s(content)), ("expires_at", expiry(now, days))];
    Ok(item.map(|(name, value)| (name.to_owned(), value)).into())
}

fn read<T: DeserializeOwned>(item: &Item) -> Option<T> {
    serde_json::from_str(&get_s(item, "content")?).ok()
}

/// Whether a conditional write was made; a condition that does not hold is an answer.
fn unless_refused<T, R>(sent: Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError, R>>) -> Result<bool>
where
    Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError, R>>: Call<T>,
{
    match sent {
        Ok(_) => Ok(true),
        Err(error)
            if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(error).action("dynamodb:PutItem").map(|_: T| true),
    }
}

#[cfg(test)]
mod tests;
