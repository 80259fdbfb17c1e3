//! What was done, of everything that the ledger remembers: for whoever asks afterwards.
//!
//! Beginning an operation, or scaling, leaves an entry beside it that names its target. So a question about all of them is one query by
//! time, and one for each target that it names; the table is never scanned.
//!
//! What somebody asked to be done with dead letters is kept whole, in the same order ([`letters`]).
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `operations` | `<when it began, in milliseconds>#<id>` | its target |
//! | `letters#deeds` | `<when it began, in milliseconds>#<id>` | what was done with letters by hand |

pub mod letters;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::incident::alarm_name;
use super::operation::{End, Means, Operation};
use super::scaling::{self, Scaling};
use super::{Item, Ledger, activity, expiry, get_ms, get_s, s, silence};
use crate::Result;
use crate::error::Call;
use crate::target::Target;
use letters::Handled;

const PARTITION: &str = "operations";

/// As many are read of one kind; of more, some are missing, and that is said. Of what is kept by its time, these are the
/// oldest.
const MOST: usize = 5_000;

/// How many targets are asked for at once.
const AT_ONCE: usize = 16;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Whose silences and acknowledgements.
    pub environment: &'a str,
    /// Since when.
    pub since: Timestamp,
    /// Of this target only.
    pub target: Option<Target>,
    /// What the ARN of a dead-letter queue is its name behind: `arn:aws:sqs:<Region>:<account>:`.
    pub queues: &'a str,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// When; not known of a silence that an older version made.
    pub at: Option<Timestamp>,
    /// What, such as `rollback`.
    pub what: &'static str,
    /// To what.
    pub target: String,
    /// How it ended, in a word or two.
    pub outcome: String,
    /// Why, in plain words.
    pub why: String,
    /// Who asked for it; nobody where it was done unasked.
    pub by: Option<String>,
    /// The operation's id, or what it is known by otherwise.
    pub operation: Option<String>,
}

/// What was done, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What was done.
    pub deeds: Vec<Deed>,
    /// What is missing, in words.
    pub missing: Vec<String>,
}

impl Ledger {
    /// What was done. It is only read.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn audit(&self, asked: &Question<'_>) -> Result<Audit> {
        let mut audit = Audit::default();
        let targets = self.targets(asked, &mut audit).await?;
        let deeds = stream::iter(targets)
            .map(|target| async move {
                let items = self.list(&super::target::key(&target), "", MOST).await?;
                Ok::<_, crate::Error>(of_target(&target, &items))
            })
            .buffer_unordered(AT_ONCE);
        let deeds: Vec<Vec<Deed>> = deeds.try_collect().await?;
        audit.deeds = deeds.into_iter().flatten().collect();
        if asked.target.is_none() {
            self.without_target(asked, &mut audit).await?;
        }
        audit.deeds.retain(|deed| deed.at.is_none_or(|at| asked.since <= at));
        audit.deeds.sort_by(|a, b| (b.at, &a.target, a.what).cmp(&(a.at, &b.target, b.what)));
        Ok(audit)
    }

    /// Leaves beside a change of a target that is no operation what it is found by.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub(super) async fn leave(&self, target: &Target, at: Timestamp, id: &str, days: i64) -> Result<()> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(target, at, id, days)));
        put.send().await.action("dynamodb:PutItem").map(drop)
    }

    /// The targets of which something may be remembered.
    async fn targets(&self, asked: &Question<'_>, audit: &mut Audit) -> Result<BTreeSet<Target>> {
        if let Some(target) = &asked.target {
            return Ok(BTreeSet::from([target.clone()]));
        }
        let begun = self.last(PARTITION, &sort(asked.since, ""), MOST).await?;
        full(&begun, "operations", "the oldest are missing", audit);
        let named = begun.iter().filter_map(|item| get_s(item, "target")?.parse().ok());
        Ok(named.collect())
    }

    /// What is about no target: silences, acknowledgements, and what was done with dead letters.
    async fn without_target(&self, asked: &Question<'_>, audit: &mut Audit) -> Result<()> {
        let silences = self.list(&silence::partition(asked.environment), "", MOST).await?;
        full(&silences, "silences", "some are missing", audit);
        audit.deeds.extend(silences.iter().filter_map(of_silence));
        let activity = self.list(&activity::partition(asked.environment), "", MOST).await?;
        full(&activity, "incidents", "some are missing", audit);
        audit.deeds.extend(activity.iter().filter_map(of_activity));
        let handled = self.last(letters::PARTITION, &sort(asked.since, ""), MOST).await?;
        full(&handled, "deeds with dead letters", "the oldest are missing", audit);
        let handled: Vec<Handled> = handled.iter().filter_map(letters::read).collect();
        // People are told of each group of letters, and so its queue is known here; or somebody asked for something.
        let told = activity.iter().filter_map(letters::queue);
        let queues: BTreeSet<String> = told.chain(handled.iter().map(|it| it.queue.clone())).collect();
        let groups = stream::iter(queues)
            .map(|queue| async move {
                let key = format!("letters#{}{queue}", asked.queues);
                let items = self.list(&key, "group#", MOST).await?;
                let groups =
                    items.iter().filter(|item| get_s(item, "sk").is_some_and(|sk| sk.starts_with("group#")));
                Ok::<_, crate::Error>(
                    groups.filter_map(|item| letters::of_group(&queue, item)).collect::<Vec<_>>(),
                )
            })
            .buffer_unordered(AT_ONCE);
        let groups: Vec<Vec<Deed>> = groups.try_collect().await?;
        let groups: Vec<Deed> = groups.into_iter().flatten().collect();
        // What a group says of its redrive is newer than what was left when somebody asked for it.
        let known: BTreeSet<&str> = groups.iter().filter_map(|deed| deed.operation.as_deref()).collect();
        let handled = handled.into_iter().filter(|it| !known.contains(it.id.as_str()));
        audit.deeds.extend(handled.map(letters::of_handled));
        audit.deeds.extend(groups);
        Ok(())
    }
}

/// What an operation leaves beside it, so that it is found by its time.
pub(super) fn put(
    ledger: &Ledger,
    target: &Target,
    operation: &Operation,
    days: i64,
) -> Option<TransactWriteItem> {
    let item = item(target, operation.began, &operation.id, days);
    let put = Put::builder().table_name(&ledger.table).set_item(Some(item)).build();
    Some(TransactWriteItem::builder().put(put.ok()?).build())
}

fn item(target: &Target, at: Timestamp, id: &str, days: i64) -> Item {
    let texts = [("pk", PARTITION.to_owned()), ("sk", sort(at, id)), ("target", target.to_string())];
    let texts = texts.into_iter().map(|(name, value)| (name.to_owned(), s(value)));
    texts.chain([("expires_at".to_owned(), expiry(at, days))]).collect()
}

/// Sorts by time, as text.
fn sort(at: Timestamp, id: &str) -> String {
    format!("{:013}#{id}", at.as_millisecond().max(0))
}

fn full(items: &[Item], what: &str, missing: &str, audit: &mut Audit) {
    if items.len() >= MOST {
        audit.missing.push(format!("there are more than {MOST} {what}: {missing}; ask for a shorter time"));
    }
}

/// What a target's entries say was done to it.
fn of_target(target: &Target, items: &[Item]) -> Vec<Deed> {
    let kind = |item: &&Item, kind: &str| get_s(item, "sk").is_some_and(|sk| sk.starts_with(kind));
    let operations = items.iter().filter(|item| kind(item, "operation#")).filter_map(Operation::read);
    let scaling = items.iter().filter(|item| kind(item, "scaling")).filter_map(Scaling::read);
    let operations = operations.map(|operation| of_operation(target, operation));
    operations.chain(scaling.map(|scaling| of_scaling(target, scaling))).collect()
}

fn of_operation(target: &Target, operation: Operation) -> Deed {
    let why = match (alarm_name(&operation.incident), operation.incident.split_once(':')) {
        (Some(alarm), _) => format!("the alarm {alarm}"),
        (None, Some(("secret", arn))) => {
            format!("the secret {}", arn.split_once(":secret:").map_or(arn, |(_, name)| name))
        }
        (None, Some(("request", _))) => "asked for by hand".to_owned(),
        (None, _) => operation.incident.clone(),
    };
    let to = short(&operation.to);
    let moved = match (operation.means.redeploys(), short(&operation.from)) {
        (true, _) => to.to_owned(),
        (false, from) => format!("{from} to {to}"),
    };
    let said = operation.said.as_ref().map(|said| format!("; {said}")).unwrap_or_default();
    Deed {
        at: Some(operation.began),
        what: what(operation.means),
        target: target.to_string(),
        outcome: match operation.end {
            None => "not over",
            Some(End::Recovered) => "recovered",
            Some(End::Superseded) => "superseded",
            Some(End::Refused) => "refused",
            Some(End::Failed) => "failed",
            Some(End::Unhealed) => "not healed",
        }
        .to_owned(),
        why: format!("{why}: {moved}{said}"),
        by: operation.asked_by,
        operation: Some(operation.id),
    }
}

const fn what(means: Means) -> &'static str {
    match means {
        Means::UpdateService
        | Means::StopServiceDeployment
        | Means::CreateDeployment
        | Means::StopDeployment
        | Means::UpdateAlias => "rollback",
        Means::Scale => "scale",
        Means::CancelUpdateStack | Means::ContinueUpdateRollback | Means::RollbackStack => "stack",
        Means::Redeploy | Means::RedeployByCodeDeploy => "redeploy",
    }
}

/// A task definition without the rest of its ARN.
fn short(revision: &str) -> &str {
    revision.rsplit('/').next().unwrap_or(revision)
}

fn of_scaling(target: &Target, scaling: Scaling) -> Deed {
    if scaling.asked_by.is_some() {
        return Deed {
            at: Some(scaling.changed),
            what: "scale",
            target: target.to_string(),
            outcome: "made".to_owned(),
            why: format!("asked for by hand: {} to {} tasks", scaling.before, scaling.to),
            by: scaling.asked_by,
            operation: Some(scaling.id),
        };
    }
    let queue = scaling.queue.rsplit(':').next().unwrap_or(&scaling.queue);
    Deed {
        at: Some(scaling.changed),
        what: "scale",
        target: target.to_string(),
        outcome: match (scaling.made, scaling.end) {
            (None, _) => "not made",
            (Some(_), None) => "made",
            (Some(_), Some(scaling::End::Back)) => "back",
            (Some(_), Some(scaling::End::Superseded)) => "superseded",
        }
        .to_owned(),
        why: format!(
            "the queue {queue}: {} to {} tasks, {} of its own",
            scaling.before, scaling.to, scaling.own
        ),
        by: None,
        operation: Some(scaling.id),
    }
}

fn of_silence(item: &Item) -> Option<Deed> {
    let silence = silence::read(item)?;
    Some(Deed {
        at: get_ms(item, silence::MADE),
        what: "silence",
        target: matched(&serde_json::to_value(&silence).ok()?),
        outcome: format!("until {}", silence.until),
        why: silence.reason,
        by: Some(silence.author),
        operation: Some(silence.id),
    })
}

/// What a silence matches, as people write it.
fn matched(silence: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let one = |(name, value): (&String, &Value)| match value.as_array() {
        Some(several) => format!("{name}={}", several.iter().map(text).collect::<Vec<_>>().join("|")),
        None => format!("{name}={}", text(value)),
    };
    let matches = silence.get("match").and_then(Value::as_object);
    matches.into_iter().flatten().map(one).collect::<Vec<_>>().join(" ")
}

fn of_activity(item: &Item) -> Option<Deed> {
    let activity = activity::read(item)?;
    let acknowledged = activity.acknowledged?;
    let subject = activity.labels.get("subject").filter(|subject| !subject.is_empty());
    Some(Deed {
        at: Some(acknowledged.at),
        what: "acknowledge",
        target: subject.unwrap_or(&activity.incident).clone(),
        outcome: activity.state.as_str().to_owned(),
        why: activity.title,
        by: Some(acknowledged.by),
        operation: Some(activity.incident),
    })
}

#[cfg(test)]
mod tests;
