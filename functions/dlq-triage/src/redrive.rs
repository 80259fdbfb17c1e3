//! Sending letters back: what was received is sent again as it was, with a mark by which it is known when it returns.
//!
//! A letter is taken out of the dead-letter queue only after whoever gets it has taken it.

mod pace;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use futures_util::stream::{self, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::error::Call;
use shared::{Error, Result, id};

use crate::decision::way::{Event, Way};
use crate::flavour::Payload;
use crate::letter::{Letter, REDRIVEN, SOURCE};
use crate::read::BATCH;
pub use pace::Pace;

/// SQS takes ten attributes (SQS quotas): on a letter that has as many, there is no room for a mark.
pub(crate) const MOST_ATTRIBUTES: usize = 10;

/// A batch has at most this many bytes, also in Regions and for queues that take no more than before 2025.
const LARGEST_BATCH: usize = 262_144;

/// How many functions are invoked at once.
const INVOCATIONS: usize = 10;

/// One letter that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The letter.
    pub letter: &'a Letter,
    /// What of it is sent.
    pub payload: Payload<'a>,
    /// Where to.
    pub way: Way<'a>,
    /// By which operation.
    pub operation: &'a str,
    /// Whether it is marked as sent back; what only returns into its dead-letter queue is not.
    pub marks: bool,
}

/// Who sends.
#[derive(Debug)]
pub struct Sender<'a> {
    /// For queues.
    pub sqs: &'a aws_sdk_sqs::Client,
    /// For functions.
    pub lambda: &'a aws_sdk_lambda::Client,
    /// The URLs of queues by ARN, as far as they are known.
    urls: RefCell<HashMap<String, String>>,
    /// How fast.
    pace: Pace,
    /// Nothing is sent after that.
    until: Instant,
    /// Whether there was no time for something.
    over: Cell<bool>,
}

/// What came of sending some letters.
#[derive(Debug, Default)]
pub struct Sent {
    /// The places of those that were taken.
    pub taken: Vec<usize>,
    /// Why others were not.
    pub errors: Vec<Error>,
}

impl<'a> Sender<'a> {
    /// Who sends at most so many letters a second, and none after that.
    pub fn new(
        sqs: &'a aws_sdk_sqs::Client,
        lambda: &'a aws_sdk_lambda::Client,
        per_second: u32,
        until: Instant,
    ) -> Self {
        let pace = Pace::new(per_second);
        Self { sqs, lambda, urls: RefCell::default(), pace, until, over: Cell::default() }
    }

    /// Whether there is no time to send more.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Makes it known what SQS is called with for a queue.
    pub fn knows(&self, arn: &str, url: &str) {
        self.urls.borrow_mut().insert(arn.to_owned(), url.to_owned());
    }

    /// Sends letters, in their order where that counts; the first of them, where there is no time for all. It does not
    /// fail: what could not be sent stays where it is.
    pub async fn send(&self, sendings: &[Sending<'_>]) -> Sent {
        let count = self.pace.wait(sendings.len(), self.until).await;
        self.over.set(self.over.get() || count < sendings.len());
        let sendings = sendings.get(..count).unwrap_or(sendings);
        let mut sent = Sent::default();
        let mut by_queue: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut to_functions = Vec::new();
        for (place, sending) in sendings.iter().enumerate() {
            match sending.way {
                Way::Queue { arn, .. } => by_queue.entry(arn).or_default().push(place),
                Way::Function { arn, event } => to_functions.push((place, sending, arn, event)),
            }
        }
        for (arn, places) in by_queue {
            if let Err(error) = self.to_queue(arn, &places, sendings, &mut sent).await {
                sent.errors.push(error);
            }
        }
        let mut invoked = stream::iter(to_functions)
            .map(async |(place, sending, arn, event)| (place, self.invoke(sending, arn, event).await))
            .buffer_unordered(INVOCATIONS);
        while let Some((place, invoked)) = invoked.next().await {
            match invoked {
                Ok(()) => sent.taken.push(place),
                Err(error) => sent.errors.push(error),
            }
        }
        sent
    }

    async fn to_queue(
        &self,
        arn: &str,
        places: &[usize],
        sendings: &[Sending<'_>],
        sent: &mut Sent,
    ) -> Result<()> {
        let url = self.url(arn).await?;
        let is_fifo = is_fifo(arn);
        let letters: Vec<(usize, &Sending<'_>)> =
            places.iter().filter_map(|place| Some((*place, sendings.get(*place)?))).collect();
        for batch in batches(&letters) {
            let known = sent.errors.len();
            // One that SQS does not take says nothing of the next.
            if let Err(error) = self.batch(&url, &batch, is_fifo, sent).await {
                sent.errors.push(error);
            }
            // What comes after one that was refused would overtake it.
            if is_fifo && known < sent.errors.len() {
                break;
            }
        }
        Ok(())
    }

    async fn batch(
        &self,
        url: &str,
        batch: &[(usize, &Sending<'_>)],
        is_fifo: bool,
        sent: &mut Sent,
    ) -> Result<()> {
        let entries: Result<Vec<_>> = batch.iter().map(|(place, it)| entry(*place, it, is_fifo)).collect();
        let answer = self
            .sqs
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries?))
            .send()
            .await
            .action("sqs:SendMessage")?;
        // The answer is a success also where single entries failed.
        sent.taken.extend(answer.successful.iter().filter_map(|one| one.id.parse::<usize>().ok()));
        for failed in answer.failed {
            let said = failed.message.unwrap_or_default();
            sent.errors.push(Error::Aws {
                action: "sqs:SendMessage",
                transient: !failed.sender_fault,
                source: format!("{}: {said}", failed.code).into(),
                code: Some(failed.code),
            });
        }
        Ok(())
    }

    async fn url(&self, arn: &str) -> Result<String> {
        if let Some(url) = self.urls.borrow().get(arn) {
            return Ok(url.clone());
        }
        let mut parts = arn.split(':').skip(4);
        let (Some(account), Some(name)) = (parts.next(), parts.next()) else {
            return Err(Error::Malformed(format!("{arn:?} is not the ARN of a queue")));
        };
        let got = self.sqs.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send().await;
        let url = got.action("sqs:GetQueueUrl")?.queue_url.unwrap_or_default();
        self.knows(arn, &url);
        Ok(url)
    }

    async fn invoke(&self, sending: &Sending<'_>, arn: &str, event: Event<'_>) -> Result<()> {
        let payload = match (event, sending.payload) {
            (Event::Payload, Payload::Part(part)) => part.to_owned(),
            (Event::Payload, Payload::Body | Payload::None) => sending.letter.body.clone(),
            (Event::Notification { subscription }, _) => notification(&sending.letter.body, subscription)?,
        };
        let invoked = self
            .lambda
            .invoke()
            .function_name(arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await
            .action("lambda:InvokeFunction")?;
        if invoked.status_code == 202 {
            Ok(())
        } else {
            Err(Error::Malformed(format!(
                "{arn} answered an asynchronous invocation with {}",
                invoked.status_code
            )))
        }
    }
}

/// Whether a queue is a FIFO queue, by its ARN (SQS developer guide: the name ends so).
fn is_fifo(arn: &str) -> bool {
    arn.strip_suffix(".fifo").is_some()
}

/// Letters in batches that SQS takes.
fn batches<'b, 'a>(letters: &'b [(usize, &'a Sending<'a>)]) -> Vec<Vec<(usize, &'a Sending<'a>)>> {
    let mut all: Vec<Vec<(usize, &'a Sending<'a>)>> = Vec::new();
    let mut bytes = 0;
    for (place, sending) in letters {
        let size = sending.letter.size() + REDRIVEN.len() + 64;
        match all.last_mut() {
            Some(last) if last.len() < BATCH && bytes + size <= LARGEST_BATCH => {
                last.push((*place, sending));
                bytes += size;
            }
            Some(_) | None => {
                all.push(vec![(*place, *sending)]);
                bytes = size;
            }
        }
    }
    all
}

fn entry(place: usize, sending: &Sending<'_>, fifo: bool) -> Result<SendMessageBatchRequestEntry> {
    let Sending { letter, way, operation, marks, .. } = sending;
    let attributes = if *marks { marked(letter, operation) } else { given_by_sender(letter) };
    let given = match way {
        Way::Queue { group, .. } => *group,
        Way::Function { .. } => None,
    };
    let group = letter.group.as_deref().or(given);
    let trace = letter.trace.as_ref().map(|trace| {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build();
        value.map(|value| HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)]))
    });
    let malformed = |error: &dyn std::fmt::Display| {
        Error::Malformed(format!("letter {} cannot be sent as it is: {error}", letter.id))
    };
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(&letter.body)
        .set_message_attributes(Some(attributes))
        .set_message_system_attributes(trace.transpose().map_err(|error| malformed(&error))?)
        .set_message_group_id(group.map(ToOwned::to_owned));
    if fifo {
        // The id of the message makes an id of its own for each letter, the operation a fresh one: within five minutes,
        // the same letter is taken only once by the same operation.
        entry = entry.message_deduplication_id(id::of(&[operation, &letter.id]));
        if group.is_none() {
            entry = entry.message_group_id(&letter.id);
        }
    }
    entry.build().map_err(|error| malformed(&error))
}

fn given_by_sender(letter: &Letter) -> HashMap<String, MessageAttributeValue> {
    letter.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The attributes with the mark, where there is room for one.
fn marked(letter: &Letter, operation: &str) -> HashMap<String, MessageAttributeValue> {
    let mut attributes = given_by_sender(letter);
    attributes.remove(SOURCE);
    let has_room = attributes.len() < MOST_ATTRIBUTES || attributes.contains_key(REDRIVEN);
    let count = letter.redriven().map_or(0, |(count, _)| count).saturating_add(1);
    let mark = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(format!("{count}/{operation}"))
        .build();
    if let (true, Ok(mark)) = (has_room, mark) {
        attributes.insert(REDRIVEN.to_owned(), mark);
    }
    attributes
}

/// A notification as SNS hands it to a function.
fn notification(envelope: &str, subscription: &str) -> Result<String> {
    let sns: &RawValue = serde_json::from_str(envelope)
        .map_err(|error| Error::Malformed(format!("the notification is no JSON: {error}")))?;
    let event: Value = json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": sns,
    }]});
    Ok(event.to_string())
}

#[cfg(test)]
mod tests;
