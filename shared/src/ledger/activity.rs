//! `activity`: which incidents go on, since when, how often they changed, and whether somebody has acknowledged them.
//!
//! All incidents of an environment stand under one partition key, so that one query finds what goes on.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Item, Ledger, expiry, get_ms, get_n, get_s, ms, s};
use crate::notice::{Severity, State};
use crate::{Error, Result, id};

/// How many changes are remembered.
pub const MOST_CHANGES: usize = 32;

/// Longer than the longest silence, repetition or escalation.
const DAYS_KEPT: i64 = 90;

/// The same for what is over: until then it is known as the same incident when it begins again.
const DAYS_KEPT_OVER: i64 = 30;

/// The most incidents that are looked at together.
const MOST: usize = 5_000;

/// How often a change is tried anew when somebody else was faster.
const TRIES: usize = 5;

/// An incident as `notification-fanout` follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The incident's key.
    pub incident: String,
    /// Where it stands.
    pub state: State,
    /// The revision that said so.
    pub revision: u64,
    /// How soon somebody has to answer.
    pub severity: Severity,
    /// Its title.
    pub title: String,
    /// What routes, silences and inhibition match: see [`crate::notice::Notice::matched`].
    pub labels: BTreeMap<String, String>,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// When it last began to fire.
    pub started: Timestamp,
    /// When its state changed, the newest last; at most [`MOST_CHANGES`].
    pub changes: Vec<Timestamp>,
    /// Whether its changes are held back because it flaps.
    pub flapping: bool,
    /// Who acknowledged it since it began to fire.
    pub acknowledged: Option<Acknowledged>,
    /// How many steps of the escalation were taken since it began to fire.
    pub escalated: u32,
}

/// Somebody has it in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An incident with the entry that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The incident.
    pub activity: Activity,
    entry: Item,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It is written down, now or before by the same person.
    Done(Activity),
    /// Somebody else has acknowledged it before.
    Before(Activity),
    /// It does not go on any more.
    Over(Activity),
    /// There is no such incident.
    Unknown,
}

/// How many labels of an incident are kept, and how many characters of each of its texts.
const MOST_LABELS: usize = 60;
const LONGEST_TEXT: usize = 500;

impl Ledger {
    /// What is known of an incident.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn activity(&self, environment: &str, incident: &str) -> Result<Option<Known>> {
        let entry = self.look_up(&partition(environment), &sort(incident)).await?;
        Ok(entry.and_then(|entry| Some(Known { activity: read(&entry)?, entry })))
    }

    /// Writes down what is known of an incident, if nobody else has since it was read. Whether it is written is the answer.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
    pub async fn note(
        &self,
        environment: &str,
        activity: &Activity,
        before: Option<&Known>,
        now: Timestamp,
    ) -> Result<bool> {
        let item = item(environment, activity, now);
        Ok(self.swap(item, before.map(|known| &known.entry)).await?.is_some())
    }

    /// All incidents of an environment that go on.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn firing(&self, environment: &str) -> Result<Vec<Activity>> {
        let all = self.activities(environment).await?;
        Ok(all.into_iter().filter(|activity| activity.state == State::Firing).collect())
    }

    /// All incidents of an environment that are remembered.
    ///
    /// # Errors
    /// What `dynamodb:Query` answers.
    pub async fn activities(&self, environment: &str) -> Result<Vec<Activity>> {
        let found = self.list(&partition(environment), "", MOST).await?;
        Ok(found.iter().filter_map(read).collect())
    }

    /// Writes down that somebody has the incident in hand. The first who says so counts.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` and `dynamodb:PutItem` answer.
    pub async fn acknowledge(
        &self,
        environment: &str,
        incident: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Acknowledgement> {
        for _ in 0..TRIES {
            let Some(known) = self.activity(environment, incident).await? else {
                return Ok(Acknowledgement::Unknown);
            };
            if known.activity.state != State::Firing {
                return Ok(Acknowledgement::Over(known.activity));
            }
            match &known.activity.acknowledged {
                Some(before) if before.by == by => return Ok(Acknowledgement::Done(known.activity)),
                Some(_) => return Ok(Acknowledgement::Before(known.activity)),
                None => {}
            }
            let acknowledged = Some(Acknowledged { by: by.to_owned(), at: now });
            let activity = Activity { acknowledged, ..known.activity.clone() };
            if self.note(environment, &activity, Some(&known), now).await? {
                return Ok(Acknowledgement::Done(activity));
            }
        }
        Err(Error::Later(format!("the incident {incident} changes all the time")))
    }
}

pub(super) fn partition(environment: &str) -> String {
    format!("activity#{environment}")
}

/// DynamoDB takes 1,024 bytes of sort key; a longer incident is kept under its hash.
fn sort(incident: &str) -> String {
    if incident.len() <= 500 { incident.to_owned() } else { id::of(&[incident]) }
}

/// The beginning of a text: DynamoDB takes 400 KB of an entry, and a publisher may write what it likes.
fn bounded(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

fn item(environment: &str, activity: &Activity, now: Timestamp) -> Item {
    let labels = activity.labels.iter().filter(|(name, _)| !name.is_empty()).take(MOST_LABELS);
    let labels = labels.map(|(name, value)| (bounded(name), s(bounded(value)))).collect();
    let mut item = HashMap::from([
        ("pk", s(partition(environment))),
        ("sk", s(sort(&activity.incident))),
        ("incident", s(&activity.incident)),
        ("state", s(activity.state.as_str())),
        ("revision", s(activity.revision.to_string())),
        ("severity", s(activity.severity.as_str())),
        ("title", s(bounded(&activity.title))),
        ("labels", AttributeValue::M(labels)),
        ("since", ms(activity.since)),
        ("started", ms(activity.started)),
        ("changes", AttributeValue::L(activity.changes.iter().copied().map(ms).collect())),
        ("flapping", AttributeValue::Bool(activity.flapping)),
        ("escalated", AttributeValue::N(activity.escalated.to_string())),
        (
            "expires_at",
            expiry(now, if activity.state == State::Resolved { DAYS_KEPT_OVER } else { DAYS_KEPT }),
        ),
    ]);
    if let Some(Acknowledged { by, at }) = &activity.acknowledged {
        item.insert("acknowledged_by", s(by));
        item.insert("acknowledged_at", ms(*at));
    }
    item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn read(item: &Item) -> Option<Activity> {
    let labels = item.get("labels").and_then(|labels| labels.as_m().ok());
    let label = |(name, value): (&String, &AttributeValue)| Some((name.clone(), value.as_s().ok()?.clone()));
    let changes = item.get("changes").and_then(|changes| changes.as_l().ok());
    let change = |time: &AttributeValue| Timestamp::from_millisecond(time.as_n().ok()?.parse().ok()?).ok();
    Some(Activity {
        incident: get_s(item, "incident")?,
        state: match get_s(item, "state")?.as_str() {
            "firing" => State::Firing,
            "resolved" => State::Resolved,
            _ => State::Info,
        },
        revision: get_s(item, "revision")?.parse().ok()?,
        severity: get_s(item, "severity")?.parse().ok()?,
        title: get_s(item, "title").unwrap_or_default(),
        labels: labels.into_iter().flatten().filter_map(label).collect(),
        since: get_ms(item, "since")?,
        started: get_ms(item, "started")?,
        changes: changes.into_iter().flatten().filter_map(change).collect(),
        flapping: item.get("flapping").is_some_and(|flapping| flapping.as_bool() == Ok(&true)),
        acknowledged: get_s(item, "acknowledged_by")
            .zip(get_ms(item, "acknowledged_at"))
            .map(|(by, at)| Acknowledged { by, at }),
        escalated: get_n(item, "escalated").and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
    })
}
