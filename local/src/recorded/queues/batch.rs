//! Batches: entries that succeed and fail each for itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::attributes::LARGEST;
use super::calls::Refused;
use super::refusal::Refusal;
use super::{State, receiving, sending};
use crate::recorded::{put, stranger, text};

/// How many entries a batch has at most.
const MOST: usize = 10;

fn parameters(action: &str) -> &'static [&'static str] {
    match action {
        "sqs:DeleteMessageBatch" => &["Id", "ReceiptHandle"],
        "sqs:ChangeMessageVisibilityBatch" => &["Id", "ReceiptHandle", "VisibilityTimeout"],
        _ => &[
            "Id",
            "DelaySeconds",
            "MessageAttributes",
            "MessageBody",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
        ],
    }
}

/// A batch that is wrong as a whole is refused; else the answer is a success, whatever became of the entries.
pub(super) fn answer(state: &mut State, action: &str, sent: &Value, name: &str) -> Refused<Value> {
    let entries = sent.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    check(entries)?;
    if action == "sqs:SendMessageBatch" {
        check_sent(state, entries, name)?;
    }
    let known = parameters(action);
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = text(entry, "Id").unwrap_or_default();
        let result = match (stranger(entry, known), state.failure(action)) {
            (Some(stranger), _) => Err(Refusal::invalid(format!("{stranger} is not covered by this double"))),
            (None, Some(failure)) => Err(failure),
            (None, None) => one(state, action, entry, name),
        };
        match result {
            Ok(mut result) => {
                put(&mut result, "Id", Some(id));
                successful.push(result);
            }
            Err(refusal) => failed.push(refusal.entry(id)),
        }
    }
    let mut answer = json!({});
    put(&mut answer, "Successful", (!successful.is_empty()).then_some(successful));
    put(&mut answer, "Failed", (!failed.is_empty()).then_some(failed));
    Ok(answer)
}

fn one(state: &mut State, action: &str, entry: &Value, name: &str) -> Refused<Value> {
    let now = state.now();
    let queue = state.queues.get_mut(name).ok_or_else(Refusal::no_queue)?;
    match action {
        "sqs:DeleteMessageBatch" => receiving::delete(queue, entry).map(|()| json!({})),
        "sqs:ChangeMessageVisibilityBatch" => {
            receiving::change_visibility(queue, entry, now).map(|()| json!({}))
        }
        _ => sending::send(state, entry, name),
    }
}

fn check(entries: &[Value]) -> Refused<()> {
    let refused =
        |code: &str, message: String| Err(Refusal::new(format!("AWS.SimpleQueueService.{code}"), message));
    if entries.is_empty() {
        return refused("EmptyBatchRequest", "There should be at least one entry in the request.".to_owned());
    }
    if entries.len() > MOST {
        let sent = entries.len();
        return refused(
            "TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are {MOST}. You have sent {sent}."),
        );
    }
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = text(entry, "Id").unwrap_or_default();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if id.is_empty() || id.len() > 80 || !id.chars().all(fits) {
            return refused(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                 most 80 letters long."
                    .to_owned(),
            );
        }
        if !ids.insert(id) {
            return refused("BatchEntryIdsNotDistinct", format!("Id {id} repeated."));
        }
    }
    Ok(())
}

/// What a batch of messages is refused for as a whole.
fn check_sent(state: &State, entries: &[Value], name: &str) -> Refused<()> {
    let attributes = state.queues.get(name).map(|queue| &queue.attributes);
    for entry in entries.iter().filter(|_| attributes.is_some_and(super::Attributes::is_fifo)) {
        if text(entry, "MessageGroupId").is_none() {
            return Err(Refusal::invalid("The request must contain the parameter MessageGroupId."));
        }
        let by_content = attributes.is_some_and(super::Attributes::by_content);
        if text(entry, "MessageDeduplicationId").is_none() && !by_content {
            return Err(Refusal::invalid(sending::NO_DEDUPLICATION));
        }
    }
    let bytes: usize = entries.iter().map(sending::size).sum();
    if bytes > LARGEST as usize {
        return Err(Refusal::new(
            "AWS.SimpleQueueService.BatchRequestTooLong",
            format!("Batch requests cannot be longer than {LARGEST} bytes. You have sent {bytes} bytes."),
        ));
    }
    Ok(())
}

impl State {
    /// The failure that a test wants for the next entry.
    fn failure(&mut self, action: &str) -> Option<Refusal> {
        let at = self.failing.iter().position(|(of, _, left)| of == action && *left > 0)?;
        let (_, code, left) = self.failing.get_mut(at)?;
        *left -= 1;
        Some(Refusal::internal(code.clone()))
    }
}
