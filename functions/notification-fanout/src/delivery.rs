//! The delivery ledger: what stands written of every notice on every channel, so that it is delivered once, and
//! counts as delivered only after the channel said so.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `delivery#<incident>` | `<revision>#<state>#<channel>[#<occasion>]` | one notice on one channel |
//! | `delivery#<incident>` | `notice` | the notice that is told again, where it may have to be |
//! | `delivery#<incident>` | `told#<channel>` | what the channel was last told, and asked us to remember |
//!
//! A notice is the same as another by its incident, revision and state. The revision comes first in the sort key,
//! with leading zeros, so that one query finds what every channel has of this notice, and what each was told last.
//!
//! `pending` (may be sent, not before a time) or `joined` (waits with others) → `in_flight` (somebody sends it, until a deadline) → `acknowledged`,
//! `accepted_unverified` or `failed` (it lies in the dead-letter queue). Every claim raises `attempts`, and a write
//! holds only if state and attempts are what was read before: of several claims one wins. A process that dies
//! between sending and writing leaves `in_flight` behind; after the deadline the notice is sent again, because
//! twice is better than never.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use shared::error::Call;
use shared::ledger::{Item, Ledger, expiry, get_ms, get_n, get_s, ms, s};
use shared::notice::{self, Notice};
use shared::{Error, Result, id};

use crate::channel::Memory;
use crate::decision::dedup::Told;
use crate::group;

/// Longer than SQS can keep a message (14 days), so that a late repetition is still known.
const DAYS_KEPT: i64 = 15;

/// An incident that goes on for longer is told as if it were new.
const DAYS_REMEMBERED: i64 = 90;

/// More entries than one notice and its incident have on all channels, with all that came later.
const MOST_ENTRIES: usize = 1_000;

/// How often a change is tried anew when somebody else was faster.
const TRIES: usize = 5;

/// A longer incident is kept under its hash; DynamoDB takes 2,048 bytes of partition key.
const LONGEST_INCIDENT: usize = 500;

/// What is written of one notice on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub state: State,
    /// How often it was claimed.
    pub attempts: u32,
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It may be sent, but not before then.
    Pending {
        /// When it may be sent.
        not_before: Timestamp,
        /// Whether it has a turn of the channel then.
        reserved: bool,
    },
    /// It waits with others, and is told with them.
    Joined {
        /// The group's id.
        group: String,
    },
    /// An invocation has it in hand.
    InFlight {
        /// Which one.
        owner: String,
        /// When that one is certainly over.
        deadline: Timestamp,
    },
    /// The channel said that it has it.
    Acknowledged,
    /// The channel took it without saying that it could use it.
    AcceptedUnverified,
    /// The channel refuses it, and the dead-letter queue has it.
    Failed {
        /// The queue's id of the message that brought it when it was refused.
        message: String,
    },
}

impl State {
    /// The word in the ledger.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Joined { .. } => "joined",
            Self::InFlight { .. } => "in_flight",
            Self::Acknowledged => "acknowledged",
            Self::AcceptedUnverified => "accepted_unverified",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the channel has it.
    pub const fn delivered(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::AcceptedUnverified)
    }

    /// Until when it is not to be sent, whoever has it in hand.
    pub const fn taken_until(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { not_before: until, .. } | Self::InFlight { deadline: until, .. } => Some(*until),
            Self::Joined { .. } | Self::Acknowledged | Self::AcceptedUnverified | Self::Failed { .. } => None,
        }
    }
}

/// What is written of one notice and its incident.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Of this notice on this occasion, by channel.
    pub held: HashMap<String, Delivery>,
    /// What each channel was last told of the incident.
    pub told: HashMap<String, Remembered>,
}

/// What is written of an incident on a channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remembered {
    /// What it was last told.
    pub told: Option<Told>,
    /// What it asked us to remember.
    pub memory: Memory,
    /// The entry that says so.
    entry: Option<Item>,
}

/// Which delivery an entry is about.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The notice.
    pub notice: &'a Notice,
    /// The channel's name.
    pub channel: &'a str,
    /// Why it is told again, such as `escalation-2`; empty where it is news.
    pub occasion: &'a str,
}

impl Entry<'_> {
    /// The same for every attempt at this delivery; receivers know a repetition by it.
    pub fn key(&self) -> String {
        let Notice { incident, revision, state, .. } = self.notice;
        let revision = revision.to_string();
        match self.occasion {
            "" => id::of(&[incident, &revision, state.as_str(), self.channel]),
            occasion => id::of(&[incident, &revision, state.as_str(), self.channel, occasion]),
        }
    }

    fn sort_key(&self) -> String {
        let Notice { revision, state, .. } = self.notice;
        let end = if self.occasion.is_empty() { "" } else { "#" };
        format!("{revision:020}#{}#{}{end}{}", state.as_str(), self.channel, self.occasion)
    }
}

/// What is written of this notice on this occasion, and of its incident, on all channels.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn seen(ledger: &Ledger, notice: &Notice, occasion: &str) -> Result<Seen> {
    Ok(Seen::of(entries(ledger, &notice.incident, notice.revision).await?, notice, occasion))
}

/// All that is written of a revision of an incident and of later ones, and of what was told of it.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn entries(ledger: &Ledger, incident: &str, revision: u64) -> Result<Vec<Item>> {
    ledger.list(&partition_key(incident), &format!("{revision:020}#"), MOST_ENTRIES).await
}

/// What earlier notices of the incident say to this channel, but for those that are for the record, and where their
/// deliveries stand.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn before(ledger: &Ledger, notice: &Notice, channel: &str) -> Result<Vec<(Told, State)>> {
    let all = ledger.list(&partition_key(&notice.incident), "", MOST_ENTRIES).await?;
    let earlier = |item: &Item| {
        let ours = get_s(item, "channel").is_some_and(|name| name == channel)
            && get_s(item, "occasion").unwrap_or_default().is_empty();
        let told = told_of(item, "told").filter(|told| ours && told.revision < notice.revision)?;
        Some((told, read(item)?.state))
    };
    Ok(all.iter().filter_map(earlier).collect())
}

/// What an entry says was told, with the state under this name.
fn told_of(item: &Item, state: &str) -> Option<Told> {
    let state = match get_s(item, state)?.as_str() {
        "firing" => notice::State::Firing,
        "resolved" => notice::State::Resolved,
        _ => return None,
    };
    let revision = get_s(item, "revision")?.parse().ok()?;
    Some(Told { state, revision, at: get_ms(item, "at")? })
}

impl Seen {
    /// What the entries say of this notice on this occasion.
    pub fn of(entries: Vec<Item>, notice: &Notice, occasion: &str) -> Self {
        let mut seen = Self::default();
        for item in entries {
            seen.take(item, notice, occasion);
        }
        seen
    }

    /// An entry that cannot be read counts as none. A claim then loses against it, and the message goes the way of
    /// one that cannot be settled: to the queue's own dead letters.
    fn take(&mut self, item: Item, notice: &Notice, occasion: &str) {
        let Some(channel) = get_s(&item, "channel") else { return };
        if get_s(&item, "sk").is_some_and(|sort| sort.starts_with("told#")) {
            self.told.insert(channel, remembered(item));
            return;
        }
        let of_notice = get_s(&item, "revision").is_some_and(|text| text == notice.revision.to_string())
            && get_s(&item, "told").as_deref() == Some(notice.state.as_str())
            && get_s(&item, "occasion").unwrap_or_default() == occasion;
        if let (true, Some(delivery)) = (of_notice, read(&item)) {
            self.held.insert(channel, delivery);
        }
    }
}

/// Writes down what the channel was told, if it was, and what it asks us to remember. A later state that it was told stays, with what it
/// remembers; one that is for the record leaves what was told of the incident as it is.
///
/// # Errors
/// What the ledger answers.
pub async fn remember(
    ledger: &Ledger,
    notice: &Notice,
    told: bool,
    channel: &str,
    before: &Remembered,
    memory: Option<&Memory>,
    now: Timestamp,
) -> Result<()> {
    let mut before = before.clone();
    for _ in 0..TRIES {
        let told = match (&before.told, notice.state) {
            (known, _) if !told => *known,
            (known, notice::State::Info) => *known,
            (Some(told), _) if told.revision > notice.revision => Some(*told),
            (_, state) => Some(Told { state, revision: notice.revision, at: now }),
        };
        let memory = memory.unwrap_or(&before.memory);
        if told == before.told && *memory == before.memory {
            return Ok(());
        }
        let item = told_item(&notice.incident, channel, told.as_ref(), memory, now);
        if ledger.swap(item, before.entry.as_ref()).await?.is_some() {
            return Ok(());
        }
        let entry = ledger.look_up(&partition_key(&notice.incident), &format!("told#{channel}")).await?;
        before = entry.map(remembered).unwrap_or_default();
    }
    Err(Error::Later(format!("what {channel} was told of {} changes all the time", notice.incident)))
}

/// Puts a delivery off: it has a turn of the channel at that time.
///
/// # Errors
/// What `dynamodb:PutItem` answers, but for a lost race: somebody else has it in hand then.
pub async fn postpone(
    ledger: &Ledger,
    entry: Entry<'_>,
    held: Option<&Delivery>,
    until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let state = State::Pending { not_before: until, reserved: true };
    write(ledger, entry, held, &Delivery { state, attempts: next(held) }, "", now).await.map(drop)
}

/// Writes down that a delivery waits with others.
///
/// # Errors
/// What `dynamodb:PutItem` answers, but for a lost race: somebody else has it in hand then.
pub async fn joined(
    ledger: &Ledger,
    entry: Entry<'_>,
    held: Option<&Delivery>,
    group: &str,
    now: Timestamp,
) -> Result<()> {
    let state = State::Joined { group: group.to_owned() };
    write(ledger, entry, held, &Delivery { state, attempts: next(held) }, "", now).await.map(drop)
}

/// Writes down that what waited with others was kept as a dead letter by this message: sent back by another, it is told.
///
/// # Errors
/// What the ledger answers.
pub async fn gave_up(
    ledger: &Ledger,
    entry: Entry<'_>,
    message: &str,
    why: &str,
    now: Timestamp,
) -> Result<()> {
    for _ in 0..TRIES {
        let seen = seen(ledger, entry.notice, entry.occasion).await?;
        let held = seen.held.get(entry.channel);
        let failed = Delivery { state: State::Failed { message: message.to_owned() }, attempts: next(held) };
        if write(ledger, entry, held, &failed, why, now).await? {
            return Ok(());
        }
    }
    Err(Error::Later(format!("the delivery of {} changes all the time", entry.notice.incident)))
}

/// The count tells one write from another, so it rises with each.
fn next(held: Option<&Delivery>) -> u32 {
    held.map_or(0, |held| held.attempts).saturating_add(1)
}

/// Keeps the notice that an incident is told with when it is told again.
///
/// # Errors
/// What the ledger answers.
pub async fn keep(ledger: &Ledger, notice: &Notice, now: Timestamp) -> Result<()> {
    let text = serde_json::to_string(&group::bounded(notice))
        .map_err(|error| Error::Malformed(format!("a notice cannot be written as JSON: {error}")))?;
    let before = ledger.look_up(&partition_key(&notice.incident), "notice").await?;
    let known = before.as_ref().and_then(|entry| get_s(entry, "revision")?.parse::<u64>().ok());
    if known.is_some_and(|known| known >= notice.revision) {
        return Ok(());
    }
    let item = HashMap::from([
        ("pk", s(partition_key(&notice.incident))),
        ("sk", s("notice")),
        ("notice", s(text)),
        ("revision", s(notice.revision.to_string())),
        ("expires_at", expiry(now, DAYS_REMEMBERED)),
    ]);
    let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // One that was faster keeps one that is at least as new, or is followed by this message's repetition.
    ledger.swap(item, before.as_ref()).await.map(drop)
}

/// The notice that an incident is told with when it is told again.
///
/// # Errors
/// What `dynamodb:GetItem` answers.
pub async fn kept(ledger: &Ledger, incident: &str) -> Result<Option<Notice>> {
    let entry = ledger.look_up(&partition_key(incident), "notice").await?;
    Ok(entry.and_then(|entry| serde_json::from_str(&get_s(&entry, "notice")?).ok()))
}

/// What a channel was last told of an incident.
///
/// # Errors
/// What `dynamodb:GetItem` answers.
pub async fn told(ledger: &Ledger, incident: &str, channel: &str) -> Result<Remembered> {
    let entry = ledger.look_up(&partition_key(incident), &format!("told#{channel}")).await?;
    Ok(entry.map(remembered).unwrap_or_default())
}

fn told_item(incident: &str, channel: &str, told: Option<&Told>, memory: &Memory, now: Timestamp) -> Item {
    let memory = memory.iter().map(|(name, value)| (name.clone(), s(value))).collect();
    let mut item = HashMap::from([
        ("pk", s(partition_key(incident))),
        ("sk", s(format!("told#{channel}"))),
        ("channel", s(channel)),
        ("memory", AttributeValue::M(memory)),
        ("expires_at", expiry(now, DAYS_REMEMBERED)),
    ]);
    if let Some(Told { state, revision, at }) = told {
        item.insert("state", s(state.as_str()));
        item.insert("revision", s(revision.to_string()));
        item.insert("at", ms(*at));
    }
    item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn remembered(item: Item) -> Remembered {
    let told = told_of(&item, "state");
    let memory = item.get("memory").and_then(|memory| memory.as_m().ok()).into_iter().flatten();
    let memory =
        memory.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect();
    Remembered { told, memory, entry: Some(item) }
}

/// Takes a delivery in hand until the deadline, if nobody else has touched it since it was read. Answers with what
/// is in hand then, or with nothing where another was faster.
///
/// # Errors
/// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
pub async fn claim(
    ledger: &Ledger,
    entry: Entry<'_>,
    held: Option<&Delivery>,
    owner: &str,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let attempts = next(held);
    let ours = Delivery { state: State::InFlight { owner: owner.to_owned(), deadline }, attempts };
    Ok(write(ledger, entry, held, &ours, "", now).await?.then_some(ours))
}

/// Writes down what came of a delivery in hand, if it is still in hand. Whether it was is the answer.
///
/// # Errors
/// What `dynamodb:PutItem` answers, but for a lost race, which is an answer.
pub async fn record(
    ledger: &Ledger,
    entry: Entry<'_>,
    in_hand: &Delivery,
    state: State,
    why: &str,
    now: Timestamp,
) -> Result<bool> {
    write(ledger, entry, Some(in_hand), &Delivery { state, attempts: in_hand.attempts }, why, now).await
}

async fn write(
    ledger: &Ledger,
    entry: Entry<'_>,
    before: Option<&Delivery>,
    after: &Delivery,
    why: &str,
    now: Timestamp,
) -> Result<bool> {
    let item = item(entry, after, why, now);
    let put = ledger
        .client
        .put_item()
        .table_name(&ledger.table)
        .set_item(Some(item.clone()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = match before {
        None => put.condition_expression("attribute_not_exists(pk)"),
        Some(before) => put
            .condition_expression("#state = :state AND attempts = :attempts")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(before.state.as_str()))
            .expression_attribute_values(":attempts", n(before.attempts)),
    };
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            // The SDK repeats a write whose answer was lost; the repetition then meets what the first one wrote.
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let there = failed.item.as_ref().and_then(read);
                Ok(there.is_some() && there == read(&item))
            }
            Some(_) | None => Err(error).action("dynamodb:PutItem"),
        },
    }
}

fn item(entry: Entry<'_>, delivery: &Delivery, why: &str, now: Timestamp) -> Item {
    let mut item = HashMap::from([
        ("pk", s(partition_key(&entry.notice.incident))),
        ("sk", s(entry.sort_key())),
        ("channel", s(entry.channel)),
        ("revision", s(entry.notice.revision.to_string())),
        ("told", s(entry.notice.state.as_str())),
        ("occasion", s(entry.occasion)),
        ("state", s(delivery.state.as_str())),
        ("attempts", n(delivery.attempts)),
        ("at", ms(now)),
        ("expires_at", expiry(now, DAYS_KEPT)),
    ]);
    match &delivery.state {
        State::Pending { not_before, reserved } => {
            item.insert("not_before", ms(*not_before));
            item.insert("reserved", AttributeValue::Bool(*reserved));
        }
        State::Joined { group } => {
            item.insert("group", s(group));
        }
        State::InFlight { owner, deadline } => {
            item.insert("owner", s(owner));
            item.insert("deadline", ms(*deadline));
        }
        State::Failed { message } => {
            item.insert("message", s(message));
        }
        State::Acknowledged | State::AcceptedUnverified => {}
    }
    if !why.is_empty() {
        item.insert("why", s(why));
    }
    item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read(item: &Item) -> Option<Delivery> {
    let state = match get_s(item, "state")?.as_str() {
        "pending" => State::Pending {
            not_before: get_ms(item, "not_before")?,
            reserved: item.get("reserved").is_some_and(|reserved| reserved.as_bool() == Ok(&true)),
        },
        "joined" => State::Joined { group: get_s(item, "group")? },
        "in_flight" => State::InFlight { owner: get_s(item, "owner")?, deadline: get_ms(item, "deadline")? },
        "acknowledged" => State::Acknowledged,
        "accepted_unverified" => State::AcceptedUnverified,
        "failed" => State::Failed { message: get_s(item, "message")? },
        _ => return None,
    };
    Some(Delivery { state, attempts: get_n(item, "attempts").and_then(|count| u32::try_from(count).ok())? })
}

fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn partition_key(incident: &str) -> String {
    if incident.len() <= LONGEST_INCIDENT {
        format!("delivery#{incident}")
    } else {
        format!("delivery#{}", id::of(&[incident]))
    }
}

#[cfg(test)]
mod tests;
