//! The delivery ledger: what stands written of every notice on every channel, so that it is delivered once, and
//! counts as delivered only after the channel said so.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `delivery#<incident>` | `<revision>#<state>#<channel>` | one notice on one channel |
//!
//! A notice is the same as another by its incident, revision and state. The revision comes first in the sort key,
//! with leading zeros, so that one query finds what every channel has of this notice and of all later ones.
//!
//! `pending` (may be sent, not before a time) → `in_flight` (somebody sends it, until a deadline) → `acknowledged`,
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
use shared::{Result, id};

/// Longer than SQS can keep a message (14 days), so that a late repetition is still known.
const DAYS_KEPT: i64 = 15;

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
            Self::InFlight { .. } => "in_flight",
            Self::Acknowledged => "acknowledged",
            Self::AcceptedUnverified => "accepted_unverified",
            Self::Failed { .. } => "failed",
        }
    }

    const fn delivered(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::AcceptedUnverified)
    }
}

/// What is written of one notice, and of later notices of its incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of this notice, by channel.
    pub held: HashMap<String, Delivery>,
    /// The channels that were told of a later state that the incident is resolved.
    pub resolved_since: Vec<String>,
}

/// Which delivery an entry is about.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The notice.
    pub notice: &'a Notice,
    /// The channel's name.
    pub channel: &'a str,
}

impl Entry<'_> {
    /// The same for every attempt at this delivery; receivers know a repetition by it.
    pub fn key(&self) -> String {
        let Notice { incident, revision, state, .. } = self.notice;
        id::of(&[incident, &revision.to_string(), state.as_str(), self.channel])
    }

    fn sort_key(&self) -> String {
        format!("{:020}#{}#{}", self.notice.revision, self.notice.state.as_str(), self.channel)
    }
}

/// What is written of this notice and of later ones of its incident, on all channels.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn seen(ledger: &Ledger, notice: &Notice) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut start = None;
    loop {
        let page = ledger
            .client
            .query()
            .table_name(&ledger.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk >= :sk")
            .expression_attribute_values(":pk", s(partition_key(&notice.incident)))
            .expression_attribute_values(":sk", s(format!("{:020}#", notice.revision)))
            .set_exclusive_start_key(start)
            .send()
            .await
            .action("dynamodb:Query")?;
        for item in page.items() {
            seen.take(item, notice);
        }
        start = page.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            return Ok(seen);
        }
    }
}

impl Seen {
    /// An entry that cannot be read counts as none. A claim then loses against it, and the message goes the way of
    /// one that cannot be settled: to the queue's own dead letters.
    fn take(&mut self, item: &Item, notice: &Notice) {
        let Some((channel, revision, told)) = get_s(item, "channel")
            .zip(get_s(item, "revision").and_then(|revision| revision.parse::<u64>().ok()))
            .zip(get_s(item, "told"))
            .map(|((channel, revision), told)| (channel, revision, told))
        else {
            return;
        };
        let Some(delivery) = read(item) else { return };
        if revision == notice.revision && told == notice.state.as_str() {
            self.held.insert(channel, delivery);
        } else if revision > notice.revision
            && told == notice::State::Resolved.as_str()
            && delivery.state.delivered()
        {
            self.resolved_since.push(channel);
        }
    }
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
    let attempts = held.map_or(0, |held| held.attempts).saturating_add(1);
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
        ("state", s(delivery.state.as_str())),
        ("attempts", n(delivery.attempts)),
        ("at", ms(now)),
        ("expires_at", expiry(now, DAYS_KEPT)),
    ]);
    match &delivery.state {
        State::Pending { not_before } => {
            item.insert("not_before", ms(*not_before));
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
        "pending" => State::Pending { not_before: get_ms(item, "not_before")? },
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
