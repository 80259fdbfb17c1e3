//! The calls of the SQS API that the double answers.

use serde_json::{Map, Value, json};

use super::attributes::{Attributes, COUNTED};
use super::refusal::Refusal;
use super::{Queue, State, batch, receiving, sending, url};
use crate::aws::ACCOUNT;
use crate::proxy::{Answer, Call};
use crate::recorded::{arn, page, put, stranger, text, texts};

pub(super) type Refused<T> = Result<T, Refusal>;

fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "sqs:ChangeMessageVisibility" => &["QueueUrl", "ReceiptHandle", "VisibilityTimeout"],
        "sqs:ChangeMessageVisibilityBatch" | "sqs:DeleteMessageBatch" | "sqs:SendMessageBatch" => {
            &["QueueUrl", "Entries"]
        }
        "sqs:DeleteMessage" => &["QueueUrl", "ReceiptHandle"],
        "sqs:GetQueueAttributes" => &["QueueUrl", "AttributeNames"],
        "sqs:GetQueueUrl" => &["QueueName", "QueueOwnerAWSAccountId"],
        "sqs:ListQueueTags" | "sqs:PurgeQueue" => &["QueueUrl"],
        "sqs:ListQueues" => &["QueueNamePrefix", "NextToken", "MaxResults"],
        "sqs:ReceiveMessage" => &[
            "QueueUrl",
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "MessageSystemAttributeNames",
            "ReceiveRequestAttemptId",
            "VisibilityTimeout",
            "WaitTimeSeconds",
        ],
        "sqs:SendMessage" => &[
            "QueueUrl",
            "DelaySeconds",
            "MessageAttributes",
            "MessageBody",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
        ],
        _ => return None,
    })
}

pub(super) fn answer(state: &mut State, call: &Call) -> Option<Answer> {
    let known = parameters(&call.action)?;
    let sent = call.json();
    let named = named(call.operation(), &sent);
    if let Ok(Some(name)) = &named
        && !state.is_alone
        && !state.queues.contains_key(name)
        && !state.removed.contains(name)
    {
        return None;
    }
    *state.calls.entry(call.action.clone()).or_default() += 1;
    state.settle();
    let result = match stranger(&sent, known) {
        Some(stranger) => Err(Refusal::invalid(format!("{stranger} is not covered by this double"))),
        None => named.and_then(|name| do_it(state, call, &sent, &name.unwrap_or_default())),
    };
    let answer = match result {
        Ok(result) => Answer::json(&result),
        Err(refusal) => refusal.answer(),
    };
    Some(answer.with_header("content-type", "application/x-amz-json-1.0"))
}

/// The queue that a call is about, if it is about one.
fn named(operation: &str, sent: &Value) -> Refused<Option<String>> {
    let name = match operation {
        "ListQueues" => return Ok(None),
        "GetQueueUrl" => text(sent, "QueueName").ok_or_else(|| Refusal::missing("QueueName"))?,
        _ => {
            let url = text(sent, "QueueUrl").ok_or_else(|| Refusal::missing("QueueUrl"))?;
            let mut parts = url.rsplit('/');
            match (parts.next(), parts.next()) {
                (Some(name), Some(ACCOUNT)) => name,
                _ => {
                    return Err(Refusal::new(
                        "InvalidAddress",
                        format!("The address {url} is not valid for this endpoint."),
                    ));
                }
            }
        }
    };
    Ok(Some(name.to_owned()))
}

fn do_it(state: &mut State, call: &Call, sent: &Value, name: &str) -> Refused<Value> {
    let operation = call.operation();
    if operation == "ListQueues" {
        return list(state, sent);
    }
    let now = state.now();
    let queue = state.queues.get_mut(name).ok_or_else(Refusal::no_queue)?;
    match operation {
        "GetQueueAttributes" => attributes(queue, sent),
        "GetQueueUrl" => match text(sent, "QueueOwnerAWSAccountId") {
            None | Some(ACCOUNT) => Ok(json!({"QueueUrl": url(name)})),
            Some(_) => Err(Refusal::no_queue()),
        },
        "ListQueueTags" => {
            let mut listed = json!({});
            put(&mut listed, "Tags", (!queue.tags.is_empty()).then(|| json!(queue.tags)));
            Ok(listed)
        }
        "PurgeQueue" => {
            if queue.purging(now) {
                return Err(Refusal::new(
                    "AWS.SimpleQueueService.PurgeQueueInProgress",
                    format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
                ));
            }
            queue.purge(now);
            Ok(json!({}))
        }
        "ReceiveMessage" => receiving::receive(state, sent, name),
        "DeleteMessage" => receiving::delete(queue, sent).map(|()| json!({})),
        "ChangeMessageVisibility" => receiving::change_visibility(queue, sent, now).map(|()| json!({})),
        "SendMessage" => sending::send(state, sent, name),
        _ => batch::answer(state, &call.action, sent, name),
    }
}

fn attributes(queue: &Queue, sent: &Value) -> Refused<Value> {
    let names = texts(sent, "AttributeNames");
    if let Some(stranger) = names.iter().find(|name| **name != "All" && !Attributes::knows(name)) {
        return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {stranger}.")));
    }
    let asked = |name: &str| names.contains(&"All") || names.contains(&name);
    let counted = COUNTED.into_iter().map(|name| {
        let value = match name {
            "ApproximateNumberOfMessages" => queue.visible().to_string(),
            "ApproximateNumberOfMessagesDelayed" => queue.delayed().to_string(),
            "ApproximateNumberOfMessagesNotVisible" => queue.in_flight().to_string(),
            "CreatedTimestamp" => queue.created.as_second().to_string(),
            "LastModifiedTimestamp" => queue.modified.as_second().to_string(),
            _ => arn("sqs", &queue.name),
        };
        (name, value)
    });
    let chosen = queue.attributes.set().map(|(name, value)| (name, value.to_owned()));
    let told: Map<String, Value> = counted
        .chain(chosen)
        .filter(|(name, _)| asked(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut described = json!({});
    put(&mut described, "Attributes", (!told.is_empty()).then_some(Value::Object(told)));
    Ok(described)
}

/// Without `MaxResults`, the first thousand and no token (SQS API, `ListQueues`).
fn list(state: &State, sent: &Value) -> Refused<Value> {
    let prefix = text(sent, "QueueNamePrefix").unwrap_or_default();
    let token = text(sent, "NextToken");
    let size = number(sent, "MaxResults", 1, 1_000)?;
    if size.is_none() && token.is_some() {
        return Err(Refusal::invalid(
            "MaxResults is a mandatory parameter when you provide a value for NextToken.",
        ));
    }
    let urls: Vec<String> =
        state.queues.keys().filter(|name| name.starts_with(prefix)).map(|name| url(name)).collect();
    let (urls, next) = page(urls, token, size.map_or(1_000, |size| usize::try_from(size).unwrap_or(1_000)))
        .ok_or_else(|| Refusal::invalid("Invalid or expired next token."))?;
    let mut listed = json!({});
    put(&mut listed, "QueueUrls", (!urls.is_empty()).then(|| json!(urls)));
    put(&mut listed, "NextToken", next.filter(|_| size.is_some()));
    Ok(listed)
}

/// A number within its bounds, if it is given.
pub(super) fn number(sent: &Value, name: &str, least: u32, most: u32) -> Refused<Option<u32>> {
    let Some(value) = sent.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().and_then(|value| u32::try_from(value).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    let reason = match name {
        "WaitTimeSeconds" | "DelaySeconds" => format!("Must be >= {least} and <= {most}, if provided."),
        _ => format!("Must be between {least} and {most}, if provided."),
    };
    number.map(Some).ok_or_else(|| Refusal::value(&value.to_string(), name, &reason))
}
