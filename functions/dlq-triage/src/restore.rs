//! Letters of the archive, sent to their queue again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::error::Call;
use shared::ledger::audit::letters::{self, What};
use shared::{Error, Report, Result, id, report};

use crate::act::Audit;
use crate::archive::{self, Line};
use crate::decision::naming;
use crate::decision::restoring::{Lot, lot};
use crate::decision::way::{Way, way};
use crate::discover::DeadLetters;
use crate::event::{Restore, To};
use crate::flavour::Origin;
use crate::letter::{Letter, SOURCE};
use crate::memory::{Entry, Restored};
use crate::proposal::{NOTHING, PROPOSED, counted};
use crate::read::BATCH;
use crate::redrive::{MOST_ATTRIBUTES, Sender, Sending};
use crate::run::Run;

impl Run<'_> {
    /// Sends the letters of a run, or of one part, to their queue again; or says what would be sent.
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
            return Err(Error::Malformed(format!("there is no part of the archive under {}", asked.run)));
        }
        let group = match &asked.group {
            Some(group) => Some(self.group(group, &asked.run, &parts).await?),
            None => None,
        };
        let asked = Restore { group, ..asked.clone() };
        if asked.dry_run {
            return Ok(planned(&asked, letters, self.each(&asked, letters, &parts).await?));
        }
        let mut deed = self.deed(What::Restore, letters, &asked.by);
        (deed.group, deed.run) = (asked.group.clone(), Some(asked.run.clone()));
        // What cannot be written now is written when it ends, or told then.
        let _ = self.leave(&deed).await;
        let sums = self.each(&asked, letters, &parts).await;
        deed.came = Some(came(sums.as_ref()));
        let unkept = self.leave(&deed).await;
        let mut sums = sums?;
        sums.errors.extend(unkept);
        let answer = json!({"queue": letters.queue.name, "sent": sums.sent, "not_sent": sums.unsent, "why": sums.errors,
            "passed_over": sums.passed, "restored_before": sums.known_parts, "not_begun": sums.left_parts,
            "forgotten": sums.forgotten});
        let reason = format!("{} letters of {} parts were sent", sums.sent, parts.len());
        Ok(Report::new("restored", letters.queue.name.clone(), reason)
            .record("restored", &answer)
            .answering(answer))
    }

    /// Goes through the parts; for a plan, without sending.
    ///
    /// # Errors
    /// What was wrong with the first part, where nothing at all could be sent.
    async fn each(&self, asked: &Restore, letters: &DeadLetters, parts: &[String]) -> Result<Sums> {
        let per_second = self.policy.dlq.redrive.per_second;
        let sender = Sender::new(&self.clients.sqs, &self.clients.lambda, per_second, self.sends_until());
        sender.knows(&letters.queue.arn, &letters.queue.url);
        let mut sums = Sums::default();
        let memory = self.memory(&letters.queue.arn);
        for key in parts {
            if self.invocation.left(crate::MARGIN).is_zero() || sender.is_over() {
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
            let part = async {
                let (known, is_read) = memory.restored(key).await?;
                if !is_read {
                    sums.forgotten.push(key.clone());
                }
                let part = Part { key, bytes: &bytes, known };
                self.part(asked, letters, part, &sender, &mut sums).await
            };
            match part.await {
                Ok(Came::Sent) => {}
                Ok(Came::Known) => sums.known_parts.push(key.clone()),
                Ok(Came::Left) => sums.left_parts.push(key.clone()),
                Err(error) => sums.failed(error),
            }
        }
        match sums.first.take().filter(|_| sums.sent == 0) {
            Some(error) => Err(error),
            None => Ok(sums),
        }
    }

    /// The id of the group that is meant, of those that the parts hold.
    async fn group(&self, asked: &str, run: &str, parts: &[String]) -> Result<String> {
        let mut groups: BTreeMap<String, u64> = BTreeMap::new();
        let mut failed = None;
        for key in parts {
            if self.invocation.left(crate::MARGIN).is_zero() {
                failed = Some(Error::Malformed(format!(
                    "{run} is more than could be looked through for the group {asked}: name one of its parts"
                )));
                break;
            }
            let read = async {
                let bytes = self.intact(key).await?;
                lines(key, &bytes, &mut |_, line| {
                    *groups.entry(line.group.to_string()).or_default() += 1;
                    Ok(())
                })
            };
            if let Err(error) = read.await {
                failed.get_or_insert(error);
            }
            if groups.contains_key(asked) {
                return Ok(asked.to_owned());
            }
        }
        let told: Vec<(&str, String)> =
            groups.iter().map(|(id, count)| (id.as_str(), counted(*count))).collect();
        match (naming::named(asked, &told, run), failed) {
            // The beginning of an id may fit what could not be read as well.
            (_, Some(error)) => Err(error),
            (named, None) => named.map_err(Error::Malformed),
        }
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

    /// Sends of a part what was not sent yet: what is sent twice is at work twice.
    async fn part(
        &self,
        asked: &Restore,
        letters: &DeadLetters,
        part: Part<'_>,
        sender: &Sender<'_>,
        sums: &mut Sums,
    ) -> Result<Came> {
        let Part { key, bytes, mut known } = part;
        let memory = self.memory(&letters.queue.arn);
        let wanted = wanted(key, bytes, asked, &known.value)?;
        let (before, left) = (wanted.before, wanted.left);
        let mut told = OfPart { part: key.to_owned(), before, other: wanted.other, send: 0, cannot: 0 };
        sums.passed += wanted.other;
        sums.before += before;
        if left.is_empty() && before > 0 {
            sums.parts.push(told);
            return Ok(Came::Known);
        }
        if asked.dry_run {
            for kept in &left {
                let letter = for_queue(&kept.letter, asked.to);
                match address(asked.to, &Origin::of(&letter), letters) {
                    Ok(_) => told.send += 1,
                    Err(why) => {
                        told.cannot += 1;
                        sums.not_sent(format!("{}: {why}", letter.id));
                    }
                }
            }
            sums.sent += told.send;
            sums.parts.push(told);
            return Ok(Came::Sent);
        }
        for kept in &left {
            known.value.take(kept.number);
        }
        let operation = id::of(&["restore", key]);
        for batch in left.chunks(BATCH) {
            if self.invocation.left(crate::MARGIN).is_zero() {
                return Ok(Came::Left);
            }
            for number in self.send(asked, letters, batch, &operation, sender, sums).await {
                known.value.add(number);
            }
            // After, not before: a run that dies in between sends one batch twice, and leaves none out.
            memory.keep_restored(key, &mut known, self.now()).await?;
            if sender.is_over() {
                return Ok(Came::Left);
            }
        }
        Ok(Came::Sent)
    }

    /// Sends some letters. The lines of those that were taken are the answer.
    async fn send(
        &self,
        asked: &Restore,
        letters: &DeadLetters,
        batch: &[Kept],
        operation: &str,
        sender: &Sender<'_>,
        sums: &mut Sums,
    ) -> Vec<usize> {
        let marked: Vec<Letter> = batch.iter().map(|kept| for_queue(&kept.letter, asked.to)).collect();
        let origins: Vec<Origin<'_>> = marked.iter().map(Origin::of).collect();
        let (mut sendings, mut sent_of) = (Vec::new(), Vec::new());
        for ((letter, origin), kept) in marked.iter().zip(&origins).zip(batch) {
            match address(asked.to, origin, letters) {
                Ok(way) => {
                    let (payload, marks) = (origin.payload, asked.to == To::Source);
                    sendings.push(Sending { letter, payload, way, operation, marks });
                    sent_of.push(kept);
                }
                Err(why) => sums.not_sent(format!("{}: {why}", letter.id)),
            }
        }
        let sent = sender.send(&sendings).await;
        sums.sent += sent.taken.len();
        sent.errors.iter().for_each(|error| sums.why(error.chain()));
        if !sender.is_over() {
            sums.unsent += sendings.len() - sent.taken.len();
        }
        let taken = sent.taken.iter().filter_map(|place| Some((sendings.get(*place)?, sent_of.get(*place)?)));
        taken
            .map(|(sending, kept)| {
                let to = sending.way.arn();
                let (queue, letter, group) =
                    (letters.queue.arn.as_str(), kept.letter.id.as_str(), kept.group.as_str());
                let by = Some(asked.by.as_str());
                report::audit(&Audit { did: "restored", queue, letter, group, operation, to, by });
                kept.number
            })
            .collect()
    }
}

/// Where a letter of the archive goes, or why it cannot.
fn address<'a>(to: To, origin: &'a Origin<'_>, letters: &'a DeadLetters) -> Result<Way<'a>, String> {
    match to {
        To::Dlq => Ok(Way::Queue { arn: &letters.queue.arn, group: None }),
        To::Source => way(origin.flavour, &origin.of, &letters.sources),
    }
}

/// Hands over the lines of a part, each with its number, from 1.
fn lines(key: &str, bytes: &[u8], take: &mut dyn FnMut(usize, Line<'_>) -> Result<()>) -> Result<()> {
    for (place, text) in BufReader::new(GzDecoder::new(bytes)).lines().enumerate() {
        let text =
            text.map_err(|error| Error::Malformed(format!("{key} cannot be decompressed: {error}")))?;
        let line: Line<'_> = serde_json::from_str(&text)
            .map_err(|error| Error::Malformed(format!("a line of {key} cannot be read: {error}")))?;
        take(place + 1, line)?;
    }
    Ok(())
}

/// The letters of a part that are asked for and were not sent yet.
fn wanted(key: &str, bytes: &[u8], asked: &Restore, known: &Restored) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    lines(key, bytes, &mut |number, line| {
        let is_meant = asked.group.as_ref().is_none_or(|group| *group == line.group);
        match lot(is_meant, known.has(number), asked.again) {
            Lot::Other => wanted.other += 1,
            Lot::Before => wanted.before += 1,
            Lot::Send => {
                let (group, letter) = (line.group.to_string(), line.letter()?);
                wanted.left.push(Kept { number, group, letter });
            }
        }
        Ok(())
    })?;
    Ok(wanted)
}

/// What a part holds.
#[derive(Default)]
struct Wanted {
    /// The letters that are to be sent.
    left: Vec<Kept>,
    /// How many were sent before.
    before: usize,
    /// How many are of other groups.
    other: usize,
}

/// What would be sent of a part.
#[derive(Debug, Serialize)]
struct OfPart {
    part: String,
    /// How many.
    send: usize,
    /// How many cannot be sent.
    cannot: usize,
    /// How many were restored before.
    #[serde(rename = "restored_before")]
    before: usize,
    /// How many are of other groups.
    #[serde(rename = "passed_over")]
    other: usize,
}

/// A letter as the archive has it.
struct Kept {
    /// The number of its line, from 1.
    number: usize,
    group: String,
    letter: Letter,
}

/// What came of a part.
enum Came {
    /// It was gone through.
    Sent,
    /// All of it was sent before.
    Known,
    /// There was no time for all of it.
    Left,
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
    /// How many were sent before.
    before: usize,
    /// What was found in each part.
    parts: Vec<OfPart>,
    /// How many were not sent, and why, the first few.
    unsent: usize,
    errors: Vec<String>,
    /// The parts of which could not be read how far they were: they are begun anew.
    forgotten: Vec<String>,
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
        self.why(why);
    }

    fn why(&mut self, why: String) {
        if self.errors.len() < TOLD {
            self.errors.push(why);
        }
    }
}

/// What came of it, for the audit.
fn came(sums: Result<&Sums, &Error>) -> letters::Came {
    match sums {
        Ok(sums) => letters::Came {
            sent: u64::try_from(sums.sent).unwrap_or(u64::MAX),
            left: u64::try_from(sums.unsent).unwrap_or(u64::MAX),
            failed: sums.errors.first().cloned(),
            ..letters::Came::default()
        },
        Err(error) => letters::Came { failed: Some(error.chain()), ..letters::Came::default() },
    }
}

/// What would be sent, as it is answered.
fn planned(asked: &Restore, letters: &DeadLetters, sums: Sums) -> Report {
    let queue = &letters.queue.name;
    let (to, place) = match asked.to {
        To::Dlq => ("dlq", format!("to {queue}")),
        To::Source => ("source", "to where they came from".to_owned()),
    };
    let Sums { sent, unsent, errors, passed, before, parts, forgotten, left_parts, .. } = sums;
    let all = sent + unsent + before;
    let is_nothing = sent == 0 && left_parts.is_empty();
    let counts = [
        (sent, format!("would be sent {place}")),
        (before, "were restored before, and would not be sent again".to_owned()),
        (unsent, "cannot be sent".to_owned()),
    ];
    let told =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let mut reason = format!(
        "of {} in {} of the archive, {}",
        counted(u64::try_from(all).unwrap_or(u64::MAX)),
        if parts.len() == 1 { "1 part".to_owned() } else { format!("{} parts", parts.len()) },
        told.collect::<Vec<_>>().join("; ")
    );
    if !left_parts.is_empty() {
        let _ =
            write!(reason, "; {} more could not be looked at in the time that there is", left_parts.len());
    }
    if is_nothing {
        reason.push_str(": there is nothing to do");
        if before > 0 {
            reason.push_str(" without \"again\": true (wk: --again)");
        }
    }
    let outcome = if is_nothing { NOTHING } else { PROPOSED };
    let answer = json!({"outcome": outcome, "reason": reason, "queue": queue, "run": asked.run, "to": to,
        "group": asked.group, "letters": all, "send": sent, "restored_before": before, "passed_over": passed,
        "cannot": unsent, "why": errors, "parts": parts, "not_looked_at": left_parts, "forgotten": forgotten});
    Report::new(outcome, queue.clone(), reason).answering(answer)
}

/// The letter as it goes into a queue: into the dead-letter queue with the name of the one it was moved from.
fn for_queue(letter: &Letter, to: To) -> Letter {
    let mut letter = letter.clone();
    if to == To::Dlq
        && (letter.attributes.len() < MOST_ATTRIBUTES || letter.attributes.contains_key(SOURCE))
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

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::for_queue;
    use crate::event::To;
    use crate::letter::{Letter, SOURCE};

    #[test]
    fn a_letter_says_where_it_came_from_wherever_there_is_room_for_it() {
        let text = || MessageAttributeValue::builder().data_type("String").string_value("x").build().unwrap();
        for (count, had, has) in [(0, false, true), (9, false, true), (10, false, false), (9, true, true)] {
            let mut letter = Letter { source: Some("arn".to_owned()), ..Letter::default() };
            letter.attributes = (0..count).map(|number| (format!("a{number}"), text())).collect();
            if had {
                letter.attributes.insert(SOURCE.to_owned(), text());
            }
            let sent = for_queue(&letter, To::Dlq);
            let source = sent.attributes.get(SOURCE).and_then(|value| value.string_value.as_deref());
            assert_eq!((source == Some("arn"), sent.attributes.len() <= 10), (has, true), "{count} {had}");
            assert_eq!(for_queue(&letter, To::Source), letter);
        }
    }
}
