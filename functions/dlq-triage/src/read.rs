//! Receiving letters, several long polls at a time, and letting go of those that stay.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::error::Call;
use shared::{Error, Result};

use crate::letter::{Letter, SYSTEM};

/// The most that SQS takes and gives at once.
pub(crate) const BATCH: usize = 10;

/// How long a receive waits for letters. A short poll asks only some of SQS's servers, and may find nothing where there
/// is something.
const WAIT: Duration = Duration::from_secs(1);

/// A queue that is read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The client.
    pub sqs: &'a Client,
    /// The queue's URL.
    pub url: &'a str,
    /// For how long what is received stays away from others.
    pub visibility: Duration,
    /// How many receives at a time.
    pub workers: usize,
}

/// What came of reading.
#[derive(Debug)]
pub struct Read {
    /// How many letters were handed over.
    pub letters: usize,
    /// Whether it went on until nothing was left.
    pub to_the_end: bool,
    /// The first failure, if there was one: what `sqs:ReceiveMessage` answered, or what the handler did.
    pub failed: Option<Error>,
}

impl Reader<'_> {
    /// Hands every letter over once, in batches, until none are left, until there were so many, or until it is told to
    /// stop. What is handed over stays away from others. Where a receive fails, no other begins; but what others have
    /// received is dealt with.
    pub async fn each(&self, most: usize, go_on: &dyn Fn() -> bool, handle: &dyn AsyncHandler) -> Read {
        let seen = RefCell::new(HashSet::new());
        let hasher = RandomState::new();
        let (reserved, handed) = (Cell::new(0_usize), Cell::new(0_usize));
        let (is_empty, has_failed) = (Cell::new(false), Cell::new(false));
        let work = async || -> Result<()> {
            while go_on() && !is_empty.get() && !has_failed.get() {
                let room = most.saturating_sub(reserved.get()).min(BATCH);
                if room == 0 {
                    return Ok(());
                }
                reserved.set(reserved.get() + room);
                let received = self.receive(room).await?;
                reserved.set(reserved.get() - room + received.len());
                // A letter that came back while others were read is known.
                let letters: Vec<Letter> = received
                    .into_iter()
                    .filter(|letter| seen.borrow_mut().insert(hasher.hash_one(&letter.id)))
                    .collect();
                if letters.is_empty() {
                    // What the handler holds back may keep others away: a FIFO queue gives no more of a group then.
                    if handle.idle().await? {
                        continue;
                    }
                    is_empty.set(true);
                    return Ok(());
                }
                handed.set(handed.get() + letters.len());
                handle.take(letters).await?;
            }
            Ok(())
        };
        let worked = (0..self.workers).map(async |_| {
            let worked = work().await;
            has_failed.set(has_failed.get() || worked.is_err());
            worked.err()
        });
        let failed = join_all(worked).await.into_iter().flatten().next();
        Read { letters: handed.get(), to_the_end: is_empty.get() && failed.is_none(), failed }
    }

    /// At most so many letters.
    ///
    /// # Errors
    /// What `sqs:ReceiveMessage` answers.
    pub async fn receive(&self, most: usize) -> Result<Vec<Letter>> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(self.url)
            .max_number_of_messages(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(WAIT))
            .visibility_timeout(seconds(self.visibility))
            .set_message_system_attribute_names(Some(SYSTEM.to_vec()))
            .message_attribute_names("All")
            .send()
            .await
            .action("sqs:ReceiveMessage")?;
        Ok(received.messages.unwrap_or_default().into_iter().map(Letter::of).collect())
    }

    /// Lets others see these letters again, now. Those for which that fails are seen again when their time is over.
    ///
    /// # Errors
    /// What `sqs:ChangeMessageVisibility` answers.
    pub async fn release(&self, receipts: &[String]) -> Result<()> {
        stream::iter(receipts.chunks(BATCH))
            .map(async |chunk| {
                let entries = chunk.iter().enumerate().filter_map(|(place, receipt)| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(place.to_string())
                        .receipt_handle(receipt)
                        .visibility_timeout(0)
                        .build()
                        .ok()
                });
                let changed = self
                    .sqs
                    .change_message_visibility_batch()
                    .queue_url(self.url)
                    .set_entries(Some(entries.collect()))
                    .send();
                changed.await.action("sqs:ChangeMessageVisibility").map(drop)
            })
            .buffer_unordered(self.workers)
            .try_collect()
            .await
    }

    /// Takes these letters out of the queue. How many are out is the answer; the others are seen again later.
    ///
    /// # Errors
    /// What `sqs:DeleteMessage` answers.
    pub async fn delete(&self, receipts: &[String]) -> Result<usize> {
        let deleted: Vec<usize> = stream::iter(receipts.chunks(BATCH))
            .map(async |chunk| {
                let entries = chunk.iter().enumerate().filter_map(|(place, receipt)| {
                    DeleteMessageBatchRequestEntry::builder()
                        .id(place.to_string())
                        .receipt_handle(receipt)
                        .build()
                        .ok()
                });
                let deleted = self
                    .sqs
                    .delete_message_batch()
                    .queue_url(self.url)
                    .set_entries(Some(entries.collect()))
                    .send()
                    .await
                    .action("sqs:DeleteMessage")?;
                Ok::<_, Error>(deleted.successful.len())
            })
            .buffer_unordered(self.workers)
            .try_collect()
            .await?;
        Ok(deleted.into_iter().sum())
    }
}

/// Who takes what is read.
pub trait AsyncHandler {
    /// A batch of letters, each handed over once.
    fn take(&self, letters: Vec<Letter>) -> Later<'_, ()>;

    /// Nothing was left just now. Whether something was let go of, so that it is worth while to look again, is the answer.
    fn idle(&self) -> Later<'_, bool>;
}

/// What comes of it later.
pub type Later<'s, T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + 's>>;

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
