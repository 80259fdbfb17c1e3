//! Message move tasks: SQS's own redrive out of a dead-letter queue.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::calls::{Refused, number};
use super::message::{Gone, Message, Place};
use super::refusal::Refusal;
use super::sending;
use super::{State, name_of};
use crate::recorded::{arn, put, text};

/// How many messages a task moves in a second where nobody says it.
const RATE: u32 = 500;

/// How many tasks an account may have at a time.
const MOST: usize = 100;

/// For how long a task goes on after it was cancelled.
const LINGERS: SignedDuration = SignedDuration::from_secs(2);

/// For how long a task may run.
const LONGEST: SignedDuration = SignedDuration::from_hours(36);

#[derive(Debug)]
pub(super) struct Task {
    handle: String,
    source: String,
    /// `None` where each message goes to the queue that it came from.
    destination: Option<String>,
    rate: Option<u32>,
    started: Timestamp,
    cancelled: Option<Timestamp>,
    status: Status,
    moved: usize,
    to_move: usize,
    failure: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }
}

/// SQS API, `StartMessageMoveTask`.
pub(super) fn start(state: &mut State, sent: &Value, source: &str) -> Refused<Value> {
    let now = state.now();
    let rate = number(sent, "MaxNumberOfMessagesPerSecond", 1, 500)?;
    let queue = state.queues.get(source).ok_or_else(|| Refusal::not_found("SourceArn"))?;
    let (to_move, is_fifo) = (queue.visible(), queue.attributes.is_fifo());
    let own = arn("sqs", source);
    let is_target =
        state.queues.values().any(|queue| queue.attributes.redrive().is_some_and(|it| it.target == own));
    if !is_target {
        return Err(Refusal::invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    let destination = match text(sent, "DestinationArn") {
        None => None,
        Some(arn) => {
            let queue = name_of(arn).and_then(|name| state.queues.get(name));
            let queue = queue.ok_or_else(|| Refusal::not_found("DestinationArn"))?;
            if queue.name == source {
                return Err(Refusal::invalid(
                    "Source queue arn and destination queue arn must be different.",
                ));
            }
            if queue.attributes.is_fifo() != is_fifo {
                return Err(Refusal::invalid("Source and destination queues must be of the same type."));
            }
            Some(queue.name.clone())
        }
    };
    if state.tasks.iter().any(|task| task.source == source && task.status.is_active()) {
        return Err(Refusal::invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ));
    }
    if state.tasks.iter().filter(|task| task.status.is_active()).count() >= MOST {
        return Err(Refusal::new("RequestThrottled", "The account has 100 active message move tasks."));
    }
    let handle = json!({"taskId": state.id(), "sourceArn": own});
    let handle = aws_smithy_types::base64::encode(handle.to_string());
    state.tasks.push(Task {
        handle: handle.clone(),
        source: source.to_owned(),
        destination,
        rate,
        started: now,
        cancelled: None,
        status: Status::Running,
        moved: 0,
        to_move,
        failure: None,
    });
    Ok(json!({"TaskHandle": handle}))
}

/// The newest first; a handle has only what is running (SQS API, `ListMessageMoveTasks`).
pub(super) fn list(state: &State, sent: &Value, source: &str) -> Refused<Value> {
    let count = number(sent, "MaxResults", 1, 10)?.unwrap_or(1);
    if !state.queues.contains_key(source) {
        return Err(Refusal::not_found("SourceArn"));
    }
    let tasks = state.tasks.iter().rev().filter(|task| task.source == source);
    let results: Vec<Value> = tasks.take(count as usize).map(drawn).collect();
    let mut listed = json!({});
    put(&mut listed, "Results", (!results.is_empty()).then_some(results));
    Ok(listed)
}

fn drawn(task: &Task) -> Value {
    let mut drawn = json!({
        "Status": task.status.name(),
        "SourceArn": arn("sqs", &task.source),
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started.as_millisecond(),
    });
    put(&mut drawn, "TaskHandle", (task.status == Status::Running).then(|| task.handle.clone()));
    put(&mut drawn, "DestinationArn", task.destination.as_ref().map(|name| arn("sqs", name)));
    put(&mut drawn, "MaxNumberOfMessagesPerSecond", task.rate);
    put(&mut drawn, "FailureReason", task.failure);
    drawn
}

/// A task that is cancelled still moves for a while (SQS API, `CancelMessageMoveTask`).
pub(super) fn cancel(state: &mut State, sent: &Value, source: &str) -> Refused<Value> {
    let now = state.now();
    let handle = text(sent, "TaskHandle").unwrap_or_default();
    if !state.queues.contains_key(source) {
        return Err(Refusal::not_found("SourceArn"));
    }
    let task = state.tasks.iter_mut().find(|task| task.handle == handle);
    let task = task.ok_or_else(|| Refusal::new("ResourceNotFoundException", "Task does not exist."))?;
    if task.status != Status::Running {
        return Err(Refusal::new(
            "AWS.SimpleQueueService.UnsupportedOperation",
            "Only a running message move task can be cancelled.",
        ));
    }
    task.status = Status::Cancelling;
    task.cancelled = Some(now);
    Ok(json!({"ApproximateNumberOfMessagesMoved": task.moved}))
}

/// The queue whose messages a task moves, which its handle says.
pub(super) fn source(handle: &str) -> Refused<String> {
    let bytes = aws_smithy_types::base64::decode(handle).ok();
    let read = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let arn = read.as_ref().and_then(|read| text(read, "sourceArn"));
    let arn = arn.ok_or_else(|| Refusal::invalid("Value for parameter TaskHandle is invalid."))?;
    name_of(arn).map(ToOwned::to_owned).ok_or_else(|| Refusal::not_found("SourceArn"))
}

/// Lets the tasks do what they did until now.
pub(super) fn run(state: &mut State, now: Timestamp) {
    let mut tasks = std::mem::take(&mut state.tasks);
    for task in tasks.iter_mut().filter(|task| task.status.is_active()) {
        advance(state, task, now);
    }
    state.tasks = tasks;
}

fn advance(state: &mut State, task: &mut Task, now: Timestamp) {
    let end = task.cancelled.and_then(|at| at.checked_add(LINGERS).ok()).unwrap_or(Timestamp::MAX);
    let limit = task.started.checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    let worked = now.min(end).min(limit).duration_since(task.started).as_millis().max(0);
    let due = worked.saturating_mul(task.rate.unwrap_or(RATE).into()) / 1_000;
    let due = usize::try_from(due).unwrap_or(usize::MAX);
    while task.moved < due {
        match move_one(state, task, now) {
            Ok(true) => task.moved += 1,
            Ok(false) => break,
            Err(reason) => {
                task.status = Status::Failed;
                task.failure = Some(reason);
                return;
            }
        }
    }
    let is_empty = state.queues.get(&task.source).is_none_or(|queue| queue.first().is_none());
    if now >= end {
        task.status = Status::Cancelled;
    } else if is_empty && worked > 0 {
        task.status = Status::Completed;
    } else if now >= limit {
        task.status = Status::Failed;
    }
}

/// Moves the oldest message that is visible, if there is one: as a new one, with an id, a time and a count of its own.
fn move_one(state: &mut State, task: &Task, now: Timestamp) -> Result<bool, &'static str> {
    const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
    let source = state.queues.get(&task.source).ok_or(NO_QUEUE)?;
    let Some(key) = source.first() else { return Ok(false) };
    let Some(message) = source.get(key) else { return Ok(false) };
    let destination = match (&task.destination, &message.source) {
        (Some(name), _) => name.clone(),
        (None, Some(arn)) => name_of(arn).ok_or(NO_QUEUE)?.to_owned(),
        (None, None) => return Err("CouldNotDetermineMessageSource"),
    };
    let queue = state.queues.get(&destination).ok_or(NO_QUEUE)?;
    let is_fifo = queue.attributes.is_fifo();
    let size = sending::size(&json!({"MessageBody": message.body, "MessageAttributes": message.attributes}));
    if size > queue.attributes.number("MaximumMessageSize") as usize {
        return Err("InvalidParameterValue");
    }
    let (id, sequence) = (state.id(), state.sequence());
    let source = state.queues.get_mut(&task.source).ok_or(NO_QUEUE)?;
    let Some(message) = source.leave(key, Gone::Moved) else { return Ok(false) };
    let moved = Message {
        dedup: is_fifo.then(|| id.clone()),
        sequence: is_fifo.then_some(sequence),
        id,
        sent: now,
        receives: 0,
        first_received: None,
        source: None,
        place: Place::Visible,
        ..message
    };
    state.queues.get_mut(&destination).ok_or(NO_QUEUE)?.arrive(moved, now);
    Ok(true)
}
