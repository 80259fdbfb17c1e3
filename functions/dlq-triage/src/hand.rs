//! What people ask for by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{Error, Report, Result};

use crate::Config;
use crate::classify::Rules;
use crate::decision::lost_at;
use crate::decision::naming;
use crate::decision::reading::Reading;
use crate::decision::standing;
use crate::discover::{self, DeadLetters, Found};
use crate::empty::How;
use crate::event::{self, Hand};
use crate::judge::Judge;
use crate::memory::{Groups, Memory};
use crate::read::BATCH;
use crate::redact::redacted;
use crate::run::{Run, Wish, is_dead};

/// What is shown stays away from others for this long, if it cannot be let go of.
const SHOWN: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// Does what somebody asks for.
    pub(crate) async fn by_hand(&self, hand: &Hand) -> Result<Report> {
        match hand {
            Hand::Status(asked) => self.status(asked.queue.as_deref()).await,
            Hand::Peek(peek) => self.peek(peek).await,
            Hand::Groups(named) => self.groups(&named.queue).await,
            Hand::Redrive(asked) => {
                let letters = self.find(&asked.queue).await?;
                Self::readable(&letters, &self.memory(&letters.queue.arn)).await?;
                let wish = Wish { group: asked.group.as_deref(), by: &asked.by };
                if asked.dry_run {
                    return self.planned(&letters, wish).await;
                }
                let outcome = self.look_after(&letters, Some(wish)).await?;
                let answer = json!({"queue": outcome.queue, "steps": outcome.steps, "sent": outcome.done.redriven,
                    "errors": outcome.done.errors, "next": outcome.next});
                Ok(self.report(&outcome).answering(answer))
            }
            Hand::Archive(asked) => self.empty(asked, How::Archive).await,
            Hand::Drain(asked) => self.empty(asked, How::Drain).await,
            Hand::Purge(asked) => self.empty(asked, How::Purge).await,
            Hand::Restore(asked) => self.restore(asked).await,
        }
    }

    /// The queue that somebody names.
    pub(crate) async fn find(&self, queue: &str) -> Result<DeadLetters> {
        let environment = &self.config.environment;
        let found = discover::one(&self.reach(), queue, environment, self.search_until()).await?;
        let letters = found.queues.into_iter().next();
        let letters = letters.ok_or_else(|| Error::Missing(format!("the queue {queue}")))?;
        if is_dead(&letters) {
            Ok(letters)
        } else {
            Err(Error::Malformed(format!(
                "{} is no dead-letter queue: nothing that was looked at sends dead letters to it, and its name does \
                 not say that it is one. Its messages are at work, and are left alone",
                letters.queue.name
            )))
        }
    }

    /// How the queues stand, without receiving anything.
    async fn status(&self, queue: Option<&str>) -> Result<Report> {
        let Found { queues, blind } = if let Some(queue) = queue {
            Found { queues: vec![self.find(queue).await?], blind: Vec::new() }
        } else {
            let Config { queues, environment, .. } = self.config;
            discover::all(&self.reach(), queues, environment, self.search_until()).await?
        };
        let mut all = Vec::new();
        for letters in &queues {
            all.push(self.standing(letters).await?);
        }
        let answer = json!({"queues": all, "blind": blind});
        let reason = format!("{} dead-letter queues", queues.len());
        Ok(Report::new("told", queue.unwrap_or("queues"), reason).answering(answer))
    }

    async fn standing(&self, letters: &DeadLetters) -> Result<Value> {
        let memory = self.memory(&letters.queue.arn);
        let last = memory.last().await?.value;
        let attributes = &letters.queue.attributes;
        // What was seen at the last look is not there any more where nothing is.
        let is_empty = attributes.visible == 0 && attributes.in_flight == 0;
        let oldest = standing::oldest(last.oldest, is_empty);
        let loss = lost_at(oldest, attributes.retention);
        let seconds = |time: Timestamp| time.duration_since(self.now()).as_secs();
        let Groups { known, unread } = memory.groups().await?;
        let groups: Vec<Value> = known
            .into_iter()
            .filter(|(_, entry)| standing::there(entry.value.count, is_empty) > 0)
            .map(|(id, entry)| {
                let group = entry.value;
                json!({"group": id, "count": group.count, "verdict": group.verdict, "signature": group.signature.line,
                    "first": group.first, "last": group.last, "redrive": group.redrive})
            })
            .collect();
        Ok(json!({
            "queue": letters.queue.name,
            "arn": letters.queue.arn,
            "sources": letters.sources,
            "visible": attributes.visible,
            "in_flight": attributes.in_flight,
            "retention_seconds": attributes.retention.as_secs(),
            "looked_at": last.at,
            "oldest_sent": oldest,
            "oldest_age_seconds": oldest.map(|oldest| -seconds(oldest)),
            "lost_at": loss,
            "time_to_loss_seconds": loss.map(seconds),
            "receives": Self::reading(letters, &last, true),
            "groups": groups,
            "forgotten": unread.into_keys().collect::<Vec<_>>(),
            "blind": letters.blind,
        }))
    }

    /// A few letters, as people may see them.
    async fn peek(&self, asked: &event::Peek) -> Result<Report> {
        let letters = self.find(&asked.queue).await?;
        let memory = self.memory(&letters.queue.arn);
        let mut last = memory.last().await?;
        let reading = Self::reading(&letters, &last.value, true);
        let is_once = matches!(reading, Reading::Once { .. });
        let most = match reading {
            Reading::Freely => asked.count,
            Reading::Once { .. } => asked.count.min(BATCH),
            Reading::Refused { why } => {
                return Err(Error::Malformed(format!("{} is not read: {why}", letters.queue.name)));
            }
        };
        let judge = self.judge(&letters)?;
        let reader = self.reader(&letters, SHOWN);
        let mut received = Vec::new();
        // Of one group, others have to be looked at, too; each once.
        let mut tries = if asked.group.is_some() { 10 * most.div_ceil(BATCH) } else { most.div_ceil(BATCH) };
        if is_once {
            tries = 1;
        }
        let (mut shown, mut seen) = (Vec::new(), BTreeMap::new());
        while tries > 0 && shown.len() < most {
            tries -= 1;
            let batch = reader.receive(BATCH.min(most)).await?;
            if batch.is_empty() {
                break;
            }
            for letter in &batch {
                let judged = judge.judge(letter);
                seen.entry(judged.kind.id.clone()).or_insert_with(|| judged.kind.signature.to_string());
                let fits = |group: &String| naming::fits(group, &judged.kind.id);
                if !asked.group.as_ref().is_none_or(fits) || shown.len() == most {
                    continue;
                }
                shown.push(json!({
                    "id": letter.id, "group": judged.kind.id, "verdict": judged.verdict, "rule": judged.rule,
                    "flavour": judged.origin.flavour, "of": judged.origin.of, "signature": judged.kind.signature.to_string(),
                    "sent": letter.sent, "receives": letter.receives, "message_group": letter.group,
                    "redriven": letter.redriven().map(|(count, _)| count), "body": redacted(&letter.body),
                    "attributes": letter.attributes.keys().collect::<Vec<_>>(),
                }));
            }
            for letter in &batch {
                last.value.receives = last.value.receives.max(letter.receives);
            }
            received.extend(batch.into_iter().map(|letter| letter.receipt));
        }
        let released = reader.release(&received).await;
        if is_once {
            // Whoever peeks next has one receive less.
            memory.keep_last(&mut last, self.now()).await?;
        }
        if let Some(group) = &asked.group {
            let seen: Vec<(&str, String)> =
                seen.iter().map(|(id, line)| (id.as_str(), line.clone())).collect();
            let place =
                format!("the {} letters of {} that were received", received.len(), letters.queue.name);
            naming::named(group, &seen, &place).map_err(Error::Malformed)?;
        }
        let note = released.err().map(|error| {
            format!(
                "they could not be let go of, and are seen again in {} s: {}",
                SHOWN.as_secs(),
                error.chain()
            )
        });
        let answer = json!({"queue": letters.queue.name, "receives": Self::reading(&letters, &last.value, true),
            "letters": shown, "received": received.len(), "note": note});
        Ok(Report::new("told", letters.queue.name.clone(), format!("{} letters were shown", shown.len()))
            .answering(answer))
    }

    /// That a whole look at a queue is free, also by hand: it takes more than one receive.
    pub(crate) async fn readable(letters: &DeadLetters, memory: &Memory<'_>) -> Result<()> {
        match Self::reading(letters, &memory.last().await?.value, false) {
            Reading::Refused { why } => {
                Err(Error::Malformed(format!("{} is not read: {why}", letters.queue.name)))
            }
            Reading::Freely | Reading::Once { .. } => Ok(()),
        }
    }

    pub(crate) fn judge(&self, letters: &DeadLetters) -> Result<Judge> {
        Ok(Judge::new(Rules::of(&self.policy.dlq.rules, &letters.queue.name)?, self.now()))
    }

    /// What there is, group by group.
    async fn groups(&self, queue: &str) -> Result<Report> {
        let letters = self.find(queue).await?;
        let memory = self.memory(&letters.queue.arn);
        Self::readable(&letters, &memory).await?;
        let known = memory.groups().await?.known;
        let judge = self.judge(&letters)?;
        let look = self.alone(&memory, self.look(&letters, &judge, &known, None)).await?;
        let lost_at = lost_at(look.oldest, letters.queue.attributes.retention);
        let answer = json!({"queue": letters.queue.name, "letters": look.letters, "whole": look.whole,
            "lost_at": lost_at, "groups": look.groups, "blind": letters.blind});
        let reason = format!("{} letters of {} groups", look.letters, look.groups.len());
        Ok(Report::new("told", letters.queue.name.clone(), reason).answering(answer))
    }
}
