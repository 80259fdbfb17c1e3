//! Receiving, and what a receiver does with what it has received.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::calls::{Refused, number};
use super::message::{Gone, Place, SYSTEM};
use super::queue::Sent;
use super::refusal::Refusal;
use super::{Queue, State, name_of};
use crate::recorded::{arn, put, text, texts};

/// For how long a message can stay away, from its receive on.
const LONGEST: u32 = 43_200;

pub(super) fn receive(state: &mut State, sent: &Value, name: &str) -> Refused<Value> {
    let now = state.now();
    let count = number(sent, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
    number(sent, "WaitTimeSeconds", 0, 20)?;
    let timeout = number(sent, "VisibilityTimeout", 0, LONGEST)?;
    let mut system = texts(sent, "MessageSystemAttributeNames");
    system.extend(texts(sent, "AttributeNames"));
    if let Some(stranger) = system.iter().find(|name| **name != "All" && !SYSTEM.contains(name)) {
        return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {stranger}.")));
    }
    let names = texts(sent, "MessageAttributeNames");
    let attempt = text(sent, "ReceiveRequestAttemptId");

    let queue = state.queues.get_mut(name).ok_or_else(Refusal::no_queue)?;
    let is_fifo = queue.attributes.is_fifo();
    if let Some(attempt) = attempt.filter(|_| !is_fifo) {
        let reason = "The request include parameter that is not valid for this queue type.";
        return Err(Refusal::value(attempt, "ReceiveRequestAttemptId", reason));
    }
    let timeout = timeout.unwrap_or_else(|| queue.attributes.number("VisibilityTimeout"));
    let timeout = SignedDuration::from_secs(timeout.into());
    let keys = if let Some(keys) = attempt.and_then(|attempt| queue.again(attempt)) {
        for key in &keys {
            queue.hide(*key, timeout, now);
        }
        keys
    } else {
        let left = queue.most_in_flight.saturating_sub(queue.in_flight());
        // Only a standard queue says that it has too many in flight.
        if left == 0 && !is_fifo {
            let message = "The maximum number of in flight messages is reached.";
            return Err(Refusal::new("OverLimit", message));
        }
        let keys = next(state, name, left.min(count as usize), now);
        let queue = state.queues.get_mut(name).ok_or_else(Refusal::no_queue)?;
        for key in &keys {
            queue.receive(*key, timeout, now);
        }
        if let Some(attempt) = attempt {
            queue.remember(attempt, &keys, now);
        }
        keys
    };
    let queue = state.queues.get(name).ok_or_else(Refusal::no_queue)?;
    let messages: Vec<Value> = keys
        .iter()
        .filter_map(|key| queue.get(*key).map(|message| (key, message)))
        .map(|(key, message)| message.drawn(&handle(name, *key, message.serial), &system, &names))
        .collect();
    let mut received = json!({});
    put(&mut received, "Messages", (!messages.is_empty()).then_some(messages));
    Ok(received)
}

/// What can be received. What was received too often already goes to the dead-letter queue only now, and not before.
fn next(state: &mut State, name: &str, count: usize, now: Timestamp) -> Vec<u64> {
    if count == 0 {
        return Vec::new();
    }
    let Some(queue) = state.queues.get(name) else { return Vec::new() };
    let redrive = queue.attributes.redrive();
    // Where there is no queue to go to, a message stays and is received on.
    let target = redrive.as_ref().and_then(|redrive| name_of(&redrive.target)).map(ToOwned::to_owned);
    let target = target.filter(|target| state.queues.contains_key(target));
    let most = redrive.filter(|_| target.is_some()).map(|redrive| redrive.most);
    let next = queue.next(count, most);
    if let Some(target) = target {
        for key in next.dead {
            dead_letter(state, name, key, &target, now);
        }
    }
    next.taken
}

/// A message takes its id, its group and its count along. A FIFO queue takes it as a new one: with its message id for
/// deduplication, and from now on.
fn dead_letter(state: &mut State, name: &str, key: u64, target: &str, now: Timestamp) {
    let queue = state.queues.get_mut(name);
    let Some(mut message) = queue.and_then(|queue| queue.leave(key, Gone::DeadLettered)) else { return };
    let sequence = state.sequence();
    let Some(target) = state.queues.get_mut(target) else { return };
    message.source = Some(arn("sqs", name));
    message.place = Place::Visible;
    if target.attributes.is_fifo() {
        message.dedup = Some(message.id.clone());
        message.sequence = Some(sequence.clone());
        message.sent = now;
        target.remember_sent(
            message.id.clone(),
            Sent { id: message.id.clone(), sequence: Some(sequence) },
            now,
        );
    }
    target.arrive(message, now);
}

pub(super) fn delete(queue: &mut Queue, sent: &Value) -> Refused<()> {
    let handle = text(sent, "ReceiptHandle").ok_or_else(|| Refusal::missing("ReceiptHandle"))?;
    let (key, serial) = read(handle, &queue.name)?;
    let Some(message) = queue.get(key) else { return Ok(()) };
    let is_newest = message.serial == serial && matches!(message.place, Place::InFlight { .. });
    if queue.attributes.is_fifo() && !is_newest {
        return Err(Refusal::value(handle, "ReceiptHandle", "The receipt handle has expired."));
    }
    queue.touch(key);
    queue.leave(key, Gone::Deleted);
    Ok(())
}

pub(super) fn change_visibility(queue: &mut Queue, sent: &Value, now: Timestamp) -> Refused<()> {
    let handle = text(sent, "ReceiptHandle").ok_or_else(|| Refusal::missing("ReceiptHandle"))?;
    let timeout = number(sent, "VisibilityTimeout", 0, LONGEST)?;
    let timeout = timeout.ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
    let timeout = SignedDuration::from_secs(timeout.into());
    let (key, serial) = read(handle, &queue.name)?;
    let unavailable = "Message does not exist or is not available for visibility timeout change.";
    let message = queue.get(key);
    let message = message.ok_or_else(|| Refusal::value(handle, "ReceiptHandle", unavailable))?;
    if queue.attributes.is_fifo() && message.serial != serial {
        return Err(Refusal::value(handle, "ReceiptHandle", unavailable));
    }
    if !matches!(message.place, Place::InFlight { .. }) {
        let message = "The specified message isn't in flight.";
        return Err(Refusal::new("AWS.SimpleQueueService.MessageNotInflight", message));
    }
    let away = message.received.map_or(SignedDuration::ZERO, |received| now.duration_since(received));
    if away.saturating_add(timeout) > SignedDuration::from_secs(LONGEST.into()) {
        return Err(Refusal::invalid(format!(
            "Value {} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is \
             beyond the limit [{LONGEST} seconds].",
            timeout.as_secs()
        )));
    }
    queue.touch(key);
    queue.hide(key, timeout, now);
    Ok(())
}

/// What stands for one receive of one message.
fn handle(queue: &str, key: u64, serial: u32) -> String {
    format!("AQEB{}", aws_smithy_types::base64::encode(format!("{queue}/{key}/{serial}")))
}

fn read(handle: &str, queue: &str) -> Refused<(u64, u32)> {
    let message = || format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    let bytes = handle.strip_prefix("AQEB").and_then(|rest| aws_smithy_types::base64::decode(rest).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let parts: Option<Vec<&str>> = text.as_deref().map(|text| text.split('/').collect());
    if let Some([of, key, serial]) = parts.as_deref()
        && *of == queue
        && let (Ok(key), Ok(serial)) = (key.parse(), serial.parse())
    {
        return Ok((key, serial));
    }
    Err(Refusal::new("ReceiptHandleIsInvalid", message()))
}
