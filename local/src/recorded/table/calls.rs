//! The calls of the DynamoDB API that the double answers.

use serde_json::{Value, json};

use super::condition::Condition;
use super::{Entry, State};
use crate::proxy::{Answer, Call};
use crate::recorded::{put, stranger, text};

/// An entry has at most this many bytes, names and values together (DynamoDB quotas).
const LARGEST: usize = 409_600;

/// A transaction has at most this many writes.
const MOST_WRITES: usize = 100;

type Refused<T> = Result<T, Refusal>;

/// Why a call is refused.
enum Refusal {
    /// It is not understood.
    Invalid(String),
    /// Its condition does not hold; the entry that is there, where it was asked for.
    Condition(Option<Entry>),
    /// The conditions of a transaction do not all hold: a reason for each of its writes.
    Cancelled(Vec<Value>),
}

impl Refusal {
    fn answer(self) -> Answer {
        let (kind, mut body) = match self {
            Self::Invalid(why) => ("com.amazon.coral.validate#ValidationException", json!({"message": why})),
            Self::Condition(there) => {
                let mut body = json!({"message": "The conditional request failed"});
                put(&mut body, "Item", there);
                ("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", body)
            }
            Self::Cancelled(reasons) => {
                let codes: Vec<_> = reasons.iter().filter_map(|reason| text(reason, "Code")).collect();
                let message = format!(
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                    codes.join(", ")
                );
                (
                    "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    json!({"Message": message, "CancellationReasons": reasons}),
                )
            }
        };
        put(&mut body, "__type", Some(kind));
        Answer::raw(400, body.to_string())
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Invalid(why)
    }
}

/// The parameters that a write has, alone or within a transaction.
const WRITE: [&str; 6] = [
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
    "ReturnConsumedCapacity",
];

pub(super) fn answer(state: &mut State, name: &str, call: &Call) -> Option<Answer> {
    let asked = call.json();
    let result = match call.action.as_str() {
        "dynamodb:TransactWriteItems" => {
            let writes = asked.get("TransactItems")?.as_array()?;
            let of_table = |write: &Value| {
                let inner = write.as_object().and_then(|write| write.values().next());
                inner.is_some_and(|inner| text(inner, "TableName") == Some(name))
            };
            if !writes.iter().all(of_table) {
                return None;
            }
            transact(state, &asked, writes)
        }
        _ if text(&asked, "TableName") != Some(name) => return None,
        "dynamodb:GetItem" => get(state, &asked),
        "dynamodb:PutItem" => Write::put(&asked).and_then(|write| write.alone(state)),
        "dynamodb:DeleteItem" => Write::delete(&asked).and_then(|write| write.alone(state)),
        "dynamodb:Query" => query(state, &asked),
        _ => return None,
    };
    let answer = match result {
        Ok(answer) => Answer::json(&answer),
        Err(refusal) => refusal.answer(),
    };
    Some(answer.with_header("content-type", "application/x-amz-json-1.0"))
}

fn known(asked: &Value, others: &[&str]) -> Refused<()> {
    let known: Vec<&str> = WRITE.iter().chain(others).copied().collect();
    match stranger(asked, &known) {
        Some(stranger) => Err(Refusal::Invalid(format!("{stranger} is not covered by this double"))),
        None => Ok(()),
    }
}

/// The key of an entry: text, and not empty.
fn key(entry: Option<&Value>) -> Refused<(String, String)> {
    let part = |name: &str| {
        let value = entry.and_then(|entry| entry.get(name)).ok_or_else(|| {
            format!("One or more parameter values were invalid: Missing the key {name} in the item")
        })?;
        let text = value.get("S").and_then(Value::as_str).ok_or_else(|| {
            format!("One or more parameter values were invalid: Type mismatch for key {name} expected: S")
        })?;
        if text.is_empty() {
            return Err(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty string value. Key: {name}"
            ));
        }
        Ok(text.to_owned())
    };
    Ok((part("pk")?, part("sk")?))
}

/// The key alone.
fn whole_key(asked: &Value) -> Refused<(String, String)> {
    let given = asked.get("Key");
    if given.and_then(Value::as_object).is_none_or(|key| key.len() != 2) {
        return Err(Refusal::Invalid("The provided key element does not match the schema".to_owned()));
    }
    key(given)
}

fn get(state: &State, asked: &Value) -> Refused<Value> {
    known(asked, &["Key", "ConsistentRead"])?;
    let mut answer = json!({});
    put(&mut answer, "Item", state.entries.get(&whole_key(asked)?).cloned());
    Ok(answer)
}

/// One write, understood but not done.
struct Write {
    key: (String, String),
    /// What is written; nothing, where the entry is deleted or only looked at.
    entry: Option<Entry>,
    deletes: bool,
    condition: Option<Condition>,
    shows: bool,
}

impl Write {
    fn put(asked: &Value) -> Refused<Self> {
        known(asked, &["Item", "ReturnValues"])?;
        let entry = asked.get("Item").and_then(Value::as_object).cloned().unwrap_or_default();
        let size: usize = entry.iter().map(|(name, value)| name.len() + size(value)).sum();
        if size > LARGEST {
            return Err(Refusal::Invalid("Item size has exceeded the maximum allowed size".to_owned()));
        }
        Self::of(asked, key(asked.get("Item"))?, Some(entry))
    }

    fn delete(asked: &Value) -> Refused<Self> {
        known(asked, &["Key", "ReturnValues"])?;
        Ok(Self { deletes: true, ..Self::of(asked, whole_key(asked)?, None)? })
    }

    fn check(asked: &Value) -> Refused<Self> {
        known(asked, &["Key"])?;
        Self::of(asked, whole_key(asked)?, None)
    }

    fn of(asked: &Value, key: (String, String), entry: Option<Entry>) -> Refused<Self> {
        let condition =
            text(asked, "ConditionExpression").map(|text| Condition::read(text, asked)).transpose()?;
        if condition.is_none()
            && ["ExpressionAttributeNames", "ExpressionAttributeValues"]
                .iter()
                .any(|it| asked.get(it).is_some())
        {
            let why = "ExpressionAttributeValues can only be specified when using expressions";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let shows = text(asked, "ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD");
        Ok(Self { key, entry, deletes: false, condition, shows })
    }

    /// Whether it may be done.
    fn checked(&self, state: &State) -> Refused<()> {
        let there = state.entries.get(&self.key);
        if self.condition.as_ref().is_none_or(|condition| condition.holds(there)) {
            return Ok(());
        }
        Err(Refusal::Condition(there.filter(|_| self.shows).cloned()))
    }

    fn done(self, state: &mut State) {
        if let Some(entry) = self.entry {
            state.entries.insert(self.key, entry);
        } else if self.deletes {
            state.entries.remove(&self.key);
        }
    }

    fn alone(self, state: &mut State) -> Refused<Value> {
        self.checked(state)?;
        self.done(state);
        Ok(json!({}))
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Object(fields) => fields.iter().map(|(_, value)| size(value)).sum(),
        Value::Array(all) => all.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// All of it, or nothing.
fn transact(state: &mut State, asked: &Value, items: &[Value]) -> Refused<Value> {
    if let Some(stranger) =
        stranger(asked, &["TransactItems", "ClientRequestToken", "ReturnConsumedCapacity"])
    {
        return Err(Refusal::Invalid(format!("{stranger} is not covered by this double")));
    }
    let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
    if items.is_empty() || items.len() > MOST_WRITES {
        return invalid("Member must have length less than or equal to 100, and at least 1");
    }
    let writes: Vec<Write> = items
        .iter()
        .map(|item| match item.as_object().and_then(|item| item.iter().next()) {
            Some((kind, asked)) if kind == "Put" => Write::put(asked),
            Some((kind, asked)) if kind == "Delete" => Write::delete(asked),
            Some((kind, asked)) if kind == "ConditionCheck" => Write::check(asked),
            Some(_) | None => Err(Refusal::Invalid(
                "only Put, Delete and ConditionCheck are covered by this double".to_owned(),
            )),
        })
        .collect::<Refused<_>>()?;
    for (place, write) in writes.iter().enumerate() {
        if writes.iter().skip(place + 1).any(|other| other.key == write.key) {
            return invalid("Transaction request cannot include multiple operations on one item");
        }
    }
    let checked: Vec<_> = writes.iter().map(|write| write.checked(state)).collect();
    if checked.iter().any(Result::is_err) {
        let reason = |checked: Refused<()>| match checked {
            Err(Refusal::Condition(there)) => {
                let mut reason =
                    json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"});
                put(&mut reason, "Item", there);
                reason
            }
            Ok(()) | Err(Refusal::Invalid(_) | Refusal::Cancelled(_)) => json!({"Code": "None"}),
        };
        return Err(Refusal::Cancelled(checked.into_iter().map(reason).collect()));
    }
    for write in writes {
        write.done(state);
    }
    Ok(json!({}))
}

fn query(state: &State, asked: &Value) -> Refused<Value> {
    known(
        asked,
        &["KeyConditionExpression", "ConsistentRead", "ExclusiveStartKey", "Limit", "ScanIndexForward"],
    )?;
    let expression = text(asked, "KeyConditionExpression").ok_or_else(|| {
        "Either the KeyConditions or KeyConditionExpression parameter must be specified".to_owned()
    })?;
    let condition = Condition::read(expression, asked)?;
    let partition = condition
        .equals("pk")
        .and_then(|value| value.get("S")?.as_str())
        .ok_or_else(|| "Query condition missed key schema element: pk".to_owned())?;
    let after = asked.get("ExclusiveStartKey").map(|start| key(Some(start))).transpose()?;
    let limit = asked.get("Limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let page = limit.unwrap_or(usize::MAX).min(state.page);

    let mut found: Vec<&Entry> = state
        .entries
        .range((partition.to_owned(), String::new())..)
        .take_while(|((pk, _), _)| pk == partition)
        .filter(|(_, entry)| condition.holds(Some(entry)))
        .map(|(_, entry)| entry)
        .collect();
    if asked.get("ScanIndexForward") == Some(&Value::Bool(false)) {
        found.reverse();
    }
    if let Some(after) = after {
        let is_last = |entry: &&Entry| key_of(entry) == Some(after.clone());
        let from = found.iter().position(is_last).map_or(0, |place| place + 1);
        found.drain(..from);
    }
    let more = found.len() > page;
    found.truncate(page);
    let mut answer = json!({"Items": found, "Count": found.len(), "ScannedCount": found.len()});
    if let Some((pk, sk)) = found.last().and_then(|entry| key_of(entry)).filter(|_| more) {
        put(&mut answer, "LastEvaluatedKey", Some(json!({"pk": {"S": pk}, "sk": {"S": sk}})));
    }
    Ok(answer)
}

fn key_of(entry: &Entry) -> Option<(String, String)> {
    let part = |name: &str| Some(entry.get(name)?.get("S")?.as_str()?.to_owned());
    Some((part("pk")?, part("sk")?))
}
