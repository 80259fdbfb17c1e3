//! Sending: what a queue takes, and what it has taken before.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::State;
use super::calls::{Refused, number};
use super::message::{Message, Place, digest};
use super::queue::Sent;
use super::refusal::Refusal;
use crate::recorded::{hash, put, text};

pub(super) const NO_DEDUPLICATION: &str = "The queue should either have ContentBasedDeduplication enabled or \
     MessageDeduplicationId provided explicitly";

/// How many attributes a message has at most.
const MOST_ATTRIBUTES: usize = 10;

pub(super) fn send(state: &mut State, sent: &Value, name: &str) -> Refused<Value> {
    let now = state.now();
    let queue = state.queues.get(name).ok_or_else(Refusal::no_queue)?;
    let is_fifo = queue.attributes.is_fifo();
    let body = text(sent, "MessageBody").filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| Refusal::missing("MessageBody"))?;
    if !is_text(body) {
        return Err(Refusal::new("InvalidMessageContents", NO_TEXT));
    }
    let attributes = attributes(sent, "MessageAttributes")?;
    let system = system(sent)?;
    let most = queue.attributes.number("MaximumMessageSize");
    if size(sent) > most as usize {
        return Err(Refusal::invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    let group = id(sent, "MessageGroupId")?;
    let dedup = id(sent, "MessageDeduplicationId")?;
    let delay = match number(sent, "DelaySeconds", 0, 900)? {
        Some(delay) if is_fifo && delay > 0 => {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(Refusal::value(&delay.to_string(), "DelaySeconds", reason));
        }
        Some(delay) if !is_fifo => SignedDuration::from_secs(delay.into()),
        _ => queue.attributes.seconds("DelaySeconds"),
    };
    let dedup = match (is_fifo, dedup) {
        (false, None) => None,
        (false, Some(dedup)) => {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(Refusal::value(dedup, "MessageDeduplicationId", reason));
        }
        (true, _) if group.is_none() => return Err(Refusal::missing("MessageGroupId")),
        (true, Some(dedup)) => Some(dedup.to_owned()),
        (true, None) if queue.attributes.by_content() => Some(hash(body)),
        (true, None) => return Err(Refusal::invalid(NO_DEDUPLICATION)),
    };
    let known_as = dedup.as_ref().map(|dedup| match group.filter(|_| queue.attributes.by_group()) {
        Some(group) => format!("{group}\n{dedup}"),
        None => dedup.clone(),
    });
    let before = known_as.as_ref().and_then(|dedup| queue.sent_before(dedup)).cloned();

    let receipt = if let Some(before) = before {
        before
    } else {
        let receipt = Sent { id: state.id(), sequence: is_fifo.then(|| state.sequence()) };
        let place = match now.checked_add(delay) {
            Ok(until) if until > now => Place::Delayed { until },
            _ => Place::Visible,
        };
        let message = Message {
            id: receipt.id.clone(),
            body: body.to_owned(),
            attributes: attributes.clone(),
            sent: now,
            receives: 0,
            first_received: None,
            received: None,
            source: None,
            group: group.map(ToOwned::to_owned),
            dedup,
            sequence: receipt.sequence.clone(),
            trace: trace(&system),
            place,
            serial: 0,
        };
        let queue = state.queues.get_mut(name).ok_or_else(Refusal::no_queue)?;
        if let Some(dedup) = known_as {
            queue.remember_sent(dedup, receipt.clone(), now);
        }
        queue.arrive(message, now);
        receipt
    };
    let mut answer = json!({
        "MessageId": receipt.id,
        "MD5OfMessageBody": hex::encode(super::super::checksums::md5(body.as_bytes())),
    });
    put(&mut answer, "MD5OfMessageAttributes", digest(&attributes));
    put(&mut answer, "MD5OfMessageSystemAttributes", digest(&system));
    put(&mut answer, "SequenceNumber", receipt.sequence);
    Ok(answer)
}

/// What counts against the limits: the body, and the names, types and values of attributes.
pub(super) fn size(sent: &Value) -> usize {
    let body = text(sent, "MessageBody").map_or(0, str::len);
    let attributes = sent.get("MessageAttributes").and_then(Value::as_object).into_iter().flatten();
    let attributes = attributes.map(|(name, value)| {
        let binary = text(value, "BinaryValue").map(aws_smithy_types::base64::decode);
        let binary = binary.and_then(Result::ok).map_or(0, |bytes| bytes.len());
        let plain = ["DataType", "StringValue"].map(|field| text(value, field).map_or(0, str::len));
        name.len() + binary + plain.iter().sum::<usize>()
    });
    body + attributes.sum::<usize>()
}

const NO_TEXT: &str = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
     #xE000 to #xFFFD | #x10000 to #x10FFFF";

/// Whether it is made of the characters of XML 1.0.
fn is_text(text: &str) -> bool {
    text.chars().all(|letter| {
        matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    })
}

/// A group or a deduplication id.
fn id<'a>(sent: &'a Value, parameter: &str) -> Refused<Option<&'a str>> {
    let Some(id) = text(sent, parameter) else { return Ok(None) };
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(id));
    }
    let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length.";
    Err(Refusal::value(id, parameter, &format!("{parameter} {reason}")))
}

fn attributes(sent: &Value, parameter: &str) -> Refused<Map<String, Value>> {
    let attributes = sent.get(parameter).and_then(Value::as_object).cloned().unwrap_or_default();
    if attributes.len() > MOST_ATTRIBUTES {
        return Err(Refusal::invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].",
            attributes.len()
        )));
    }
    attributes.iter().try_for_each(|(name, value)| check(name, value))?;
    Ok(attributes)
}

fn check(name: &str, value: &Value) -> Refused<()> {
    let reserved = name.to_ascii_lowercase();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.len() > 256 || !name.chars().all(fits) {
        return Err(Refusal::invalid(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, \
             hyphens and underscores.",
        ));
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(Refusal::invalid(format!("Invalid message (user) attribute name: {name}")));
    }
    if reserved.starts_with("aws.") || reserved.starts_with("amazon.") {
        return Err(Refusal::invalid(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved \
             for internal use.",
        ));
    }
    let kind = text(value, "DataType").unwrap_or_default();
    let base = kind.split('.').next().unwrap_or_default();
    let plain = text(value, "StringValue").filter(|value| !value.is_empty());
    let empty = || {
        Refusal::invalid(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ))
    };
    match base {
        "String" | "Number" => {
            let plain = plain.ok_or_else(empty)?;
            if !is_text(plain) {
                return Err(Refusal::invalid(NO_TEXT));
            }
            if base == "Number" && plain.parse::<f64>().is_err() {
                return Err(Refusal::invalid(format!(
                    "Can't cast the value of message (user) attribute '{name}' to a number."
                )));
            }
            Ok(())
        }
        "Binary" => {
            let binary = text(value, "BinaryValue").map(aws_smithy_types::base64::decode);
            let is_there = binary.is_some_and(|bytes| bytes.is_ok_and(|bytes| !bytes.is_empty()));
            if is_there { Ok(()) } else { Err(empty()) }
        }
        _ => Err(Refusal::invalid(format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported \
             type prefixes: Binary, Number, String."
        ))),
    }
}

/// The only attribute that a sender may set on SQS's side is the trace.
fn system(sent: &Value) -> Refused<Map<String, Value>> {
    let system = sent.get("MessageSystemAttributes").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(stranger) = system.keys().find(|name| *name != "AWSTraceHeader") {
        return Err(Refusal::invalid(format!("Message system attribute name '{stranger}' is invalid.")));
    }
    if let Some(trace) = system.get("AWSTraceHeader")
        && (text(trace, "DataType") != Some("String") || text(trace, "StringValue").is_none_or(str::is_empty))
    {
        return Err(Refusal::invalid(
            "Message system attribute 'AWSTraceHeader' must be a non-empty 'String'.",
        ));
    }
    Ok(system)
}

fn trace(system: &Map<String, Value>) -> Option<String> {
    text(system.get("AWSTraceHeader")?, "StringValue").map(ToOwned::to_owned)
}
