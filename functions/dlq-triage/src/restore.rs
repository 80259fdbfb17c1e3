//! Letters of the archive, sent to their queue again.

use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::error::Call;
use shared::{Error, Report, Result, id};

use crate::archive::{self, Line};
use crate::decision::way::{Way, way};
use crate::discover::DeadLetters;
use crate::event::{Restore, To};
use crate::flavour::Origin;
use crate::letter::{Letter, SOURCE};
use crate::memory::{Entry, Restored};
use crate::read::BATCH;
use crate::redrive::{Sender, Sending};
use crate::run::Run;

impl Run<'_> {
    /// Sends the letters of a run, or of one part, to their queue again.
    pub(crate) async fn restore(&self, asked: &Restore) -> Result<Report> {
        let letters = self.find(&asked.queue).await?;
        let memory = self.memory(&letters.queue.arn);
        self.alone(&memory, self.restored(asked, &letters)).await
    }

    async fn restored(&self, asked: &Restore, letters: &DeadLetters) -> Result<Report> {
        let within = format!("{}/{}/", self.config.environment, letters.queue.name);
        if !asked.run.starts_with(&within) || asked.run.contains("..") {
            return Err(Error::Malformed(format!("a run of this queue begins with {within}")));
        }
        let parts = self.parts(&asked.run).await?;
        if parts.is_empty() {
            return Err(Error::Missing(format!("a part of the archive under {}", asked.run)));
        }
        let per_second = self.policy.dlq.redrive.per_second;
        let sender = Sender::new(&self.clients.sqs, &self.clients.lambda, per_second);
        sender.knows(&letters.queue.arn, &letters.queue.url);
        let mut sums = Sums::default();
        let memory = self.memory(&letters.queue.arn);
        for key in &parts {
            if self.invocation.left(crate::MARGIN).is_zero() {
                sums.left_parts.push(key.clone());
                continue;
            }
            let bytes = match self.intact(key).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    sums.failed(error);
                    continue;
                }
            };
            // A part is restored once, whoever asks how often: what is sent twice is at work twice.
            let known = memory.restored(key).await?.unwrap_or_default();
            if known.value.done && !asked.again {
                sums.known_parts.push(key.clone());
                continue;
            }
            let part = Part { key, bytes: &bytes, known };
            match self.part(asked, letters, part, &sender, &mut sums).await {
                Ok(true) => {}
                Ok(false) => sums.left_parts.push(key.clone()),
                Err(error) => sums.failed(error),
            }
        }
        // Where nothing at all could be done, that is a failure.
        if let Some(error) = sums.first.take().filter(|_| sums.sent == 0) {
            return Err(error);
        }
        let answer = json!({"queue": letters.queue.name, "sent": sums.sent, "not_sent": sums.unsent, "why": sums.errors,
            "passed_over": sums.passed, "restored_before": sums.known_parts, "not_begun": sums.left_parts});
        let reason = format!("{} letters of {} parts were sent", sums.sent, parts.len());
        Ok(Report::new("restored", letters.queue.name.clone(), reason)
            .record("restored", &answer)
            .answering(answer))
    }

    /// The parts under a key, or the one that it names.
    async fn parts(&self, run: &str) -> Result<Vec<String>> {
        if run.ends_with(".ndjson.gz") {
            return Ok(vec![run.to_owned()]);
        }
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let listed = self
                .clients
                .s3
                .list_objects_v2()
                .bucket(&self.config.archive_bucket)
                .prefix(format!("{}/", run.trim_end_matches('/')))
                .set_continuation_token(token)
                .send()
                .await
                .action("s3:ListBucket")?;
            let found = listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            keys.extend(found.filter(|key| key.ends_with(".ndjson.gz")));
            token = listed.next_continuation_token;
            if token.is_none() {
                return Ok(keys);
            }
        }
    }

    /// A part, if it is what was written.
    async fn intact(&self, key: &str) -> Result<Vec<u8>> {
        let bytes = archive::read(&self.clients.s3, &self.config.archive_bucket, key).await?;
        let written = archive::checksum(&self.clients.s3, &self.config.archive_bucket, key).await?;
        if written.is_some_and(|written| written != hex::encode(Sha256::digest(&bytes))) {
            return Err(Error::Malformed(format!(
                "{key} is not what was written to the archive: nothing of it is sent. An older version of the object may \
                 be intact"
            )));
        }
        Ok(bytes)
    }

    /// Sends a part from where it was left off. Whether that is all of it is the answer.
    async fn part(
        &self,
        asked: &Restore,
        letters: &DeadLetters,
        part: Part<'_>,
        sender: &Sender<'_>,
        sums: &mut Sums,
    ) -> Result<bool> {
        let Part { key, bytes, mut known } = part;
        let memory = self.memory(&letters.queue.arn);
        if known.value.done || asked.again {
            known.value = Restored::default();
        }
        let operation = id::of(&["restore", key]);
        let (mut batch, mut lines) = (Vec::new(), 0);
        for text in BufReader::new(GzDecoder::new(bytes)).lines() {
            let text =
                text.map_err(|error| Error::Malformed(format!("{key} cannot be decompressed: {error}")))?;
            lines += 1;
            if lines <= known.value.lines {
                continue;
            }
            let line: Line<'_> = serde_json::from_str(&text)
                .map_err(|error| Error::Malformed(format!("a line of {key} cannot be read: {error}")))?;
            if asked.group.as_ref().is_some_and(|group| *group != line.group) {
                sums.passed += 1;
                continue;
            }
            batch.push(line.letter()?);
            if batch.len() == BATCH {
                self.send(asked.to, letters, &batch, &operation, sender, sums).await;
                batch.clear();
                // After, not before: a run that dies in between sends one batch twice, and leaves none out.
                known.value.lines = lines;
                memory.keep_restored(key, &mut known, self.now()).await?;
                if self.invocation.left(crate::MARGIN).is_zero() {
                    return Ok(false);
                }
            }
        }
        self.send(asked.to, letters, &batch, &operation, sender, sums).await;
        known.value = Restored { lines, done: true };
        memory.keep_restored(key, &mut known, self.now()).await?;
        Ok(true)
    }

    async fn send(
        &self,
        to: To,
        letters: &DeadLetters,
        batch: &[Letter],
        operation: &str,
        sender: &Sender<'_>,
        sums: &mut Sums,
    ) {
        let marked: Vec<Letter> = batch.iter().map(|letter| for_queue(letter, to)).collect();
        let origins: Vec<Origin<'_>> = marked.iter().map(Origin::of).collect();
        let mut sendings = Vec::new();
        for (letter, origin) in marked.iter().zip(&origins) {
            let way = match to {
                To::Dlq => Ok(Way::Queue { arn: &letters.queue.arn, group: None }),
                To::Source => way(origin.flavour, &origin.of, &letters.sources),
            };
            match way {
                Ok(way) => sendings.push(Sending {
                    letter,
                    payload: origin.payload,
                    way,
                    operation,
                    marks: to == To::Source,
                }),
                Err(why) => sums.not_sent(format!("{}: {why}", letter.id)),
            }
        }
        let sent = sender.send(&sendings).await;
        sums.sent += sent.taken.len();
        sent.errors.iter().for_each(|error| sums.not_sent(error.chain()));
    }
}

/// A part, and how far it is.
struct Part<'a> {
    key: &'a str,
    bytes: &'a [u8],
    known: Entry<Restored>,
}

/// So many failures are told.
const TOLD: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
struct Sums {
    sent: usize,
    /// The first part that could not be read or sent.
    first: Option<Error>,
    passed: usize,
    /// How many were not sent, and why, the first few.
    unsent: usize,
    errors: Vec<String>,
    known_parts: Vec<String>,
    left_parts: Vec<String>,
}

impl Sums {
    fn failed(&mut self, error: Error) {
        self.not_sent(error.chain());
        self.first.get_or_insert(error);
    }

    fn not_sent(&mut self, why: String) {
        self.unsent += 1;
        if self.errors.len() < TOLD {
            self.errors.push(why);
        }
    }
}

/// The letter as it goes into a queue: into the dead-letter queue with the name of the one it was moved from.
fn for_queue(letter: &Letter, to: To) -> Letter {
    let mut letter = letter.clone();
    if to == To::Dlq
        && letter.attributes.len() < 9
        && let Some(source) = &letter.source
        && let Ok(value) = aws_sdk_sqs::types::MessageAttributeValue::builder()
            .data_type("String")
            .string_value(source)
            .build()
    {
        letter.attributes.insert(SOURCE.to_owned(), value);
    }
    letter
}
