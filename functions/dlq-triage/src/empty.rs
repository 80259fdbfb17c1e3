//! Taking letters out of a queue because somebody asks, and the plan of it.

use std::cell::Cell;

use serde_json::json;
use shared::ledger::audit::letters::What;
use shared::policy::dlq::Dlq;
use shared::{Error, Report, Result, id};

use crate::act::Drain;
use crate::decision::emptying::{held, in_hand, refusal};
use crate::decision::group::{Phase, Redrive};
use crate::decision::lost_at;
use crate::decision::order::Order;
use crate::decision::plan::{Share, share, why_emptied};
use crate::deeds::came;
use crate::discover::DeadLetters;
use crate::event::Emptying;
use crate::judge::Judge;
use crate::look::{Deed, Look, Tally};
use crate::memory::{Entry, Last, Memory};
use crate::proposal::{OfGroup, Proposal};
use crate::run::{Plan, Run};
use crate::tell::About;

/// How a queue is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Archive,
    Drain,
    Purge,
}

impl How {
    const fn word(self) -> &'static str {
        match self {
            Self::Archive => "Archiving",
            Self::Drain => "Draining",
            Self::Purge => "Purge",
        }
    }

    const fn what(self) -> What {
        match self {
            Self::Archive => What::Archive,
            Self::Drain => What::Drain,
            Self::Purge => What::Purge,
        }
    }
}

/// A queue that may be emptied as somebody asks.
struct Counted {
    judge: Judge,
    look: Look,
    last: Entry<Last>,
    /// The group that is meant, if only one is.
    group: Option<String>,
    /// How many letters are meant.
    there: u64,
    /// The redrive that what passes is part of.
    back: Option<Redrive>,
}

impl Run<'_> {
    /// Takes letters out of a queue, into the archive; or says what would be done.
    pub(crate) async fn empty(&self, asked: &Emptying, how: How) -> Result<Report> {
        let letters = self.find(&asked.queue).await?;
        let memory = self.memory(&letters.queue.arn);
        Self::readable(&letters, &memory).await?;
        let work = async {
            let counted = self.counted(asked, how, &letters, &memory).await?;
            if asked.dry_run {
                return Ok(proposed(how, &letters, &counted));
            }
            self.emptied(asked, how, &letters, &memory, counted).await
        };
        self.alone(&memory, work).await
    }

    /// Looks at the queue.
    ///
    /// # Errors
    /// Why it is left as it is.
    async fn counted(
        &self,
        asked: &Emptying,
        how: How,
        letters: &DeadLetters,
        memory: &Memory<'_>,
    ) -> Result<Counted> {
        let now = self.now();
        let name = &letters.queue.name;
        let judge = self.judge(letters)?;
        let known = memory.groups().await?.known;
        let back = (how == How::Drain).then(|| Redrive {
            id: id::of(&[&letters.queue.arn, "drain", &now.to_string()]),
            began: now,
            by: Some(asked.by.clone()),
            phase: Phase::Ramp { until: now },
            sent: 0,
            returned: 0,
            tries: 1,
            round: 0,
        });
        let policy = self.dlq(letters);
        let deed = Deed {
            order: self.order(letters, &policy),
            fresh: back.as_ref(),
            goes_on: false,
            // Of a drain, only what passes is sent back.
            is_asked: &|_| false,
        };
        let look = self.look(letters, &judge, &known, Some(deed)).await?;
        let group = match &asked.group {
            // Which groups there are is not known of a part.
            Some(group) if look.whole => Some(look.named(group, name).map_err(Error::Malformed)?),
            other => other.clone(),
        };
        let there = match &group {
            Some(group) => look.groups.get(group).map_or(0, Tally::count),
            None => u64::try_from(look.letters).unwrap_or(u64::MAX).max(
                // What others have in hand, or a look did not come to, is there as well.
                if look.whole {
                    letters.queue.attributes.in_flight
                } else {
                    letters.queue.attributes.visible
                },
            ),
        };
        let last = memory.last().await?;
        let before = last.value.purged.filter(|_| how == How::Purge);
        if let Some(why) = refusal(asked, there, look.whole, before, now) {
            return Err(Error::Malformed(format!("{name} is left as it is: {why}")));
        }
        Ok(Counted { judge, look, last, group, there, back })
    }

    /// What a deed decides that takes letters out.
    fn order<'o>(&self, letters: &DeadLetters, policy: &'o Dlq) -> Order<'o> {
        let retention = letters.queue.attributes.retention;
        Order { policy, retention, drain: true, only: None, may_act: true, now: self.now() }
    }

    async fn emptied(
        &self,
        asked: &Emptying,
        how: How,
        letters: &DeadLetters,
        memory: &Memory<'_>,
        counted: Counted,
    ) -> Result<Report> {
        let now = self.now();
        let name = &letters.queue.name;
        let Counted { judge, mut last, group, there, back, .. } = counted;
        if how == How::Purge {
            // Before, not after: a purge that dies half-way counts.
            last.value.purged = Some(now);
            memory.keep_last(&mut last, now).await?;
        }
        let prefix = self.prefix(letters);
        let mut deed = self.deed(how.what(), letters, &asked.by);
        (deed.group, deed.run) = (group.clone(), Some(prefix.clone()));
        // What cannot be written now is written when it ends, or told then.
        let _ = self.leave(&deed).await;
        let back = back.map(|redrive| (redrive, Cell::new(u64::MAX)));
        let plan = Plan { all: back, archives: true, may_act: true, ..Plan::default() };
        let drain = Drain { group: group.as_deref(), by: &asked.by };
        let mut done = self.act(letters, &judge, plan, &prefix, Some(drain)).await;
        done.counted(there, group.as_deref());
        deed.came = Some(came(&done));
        // Who asked hears what was done in any case.
        done.errors.extend(self.leave(&deed).await);
        let about = About { letters, environment: &self.config.environment, now };
        if let Err(error) = self.publish(&about.by_hand(how.word(), &asked.by, &done, &prefix)).await {
            done.errors.push(error.chain());
        }
        let held = held(done.in_hand);
        let notes: Vec<&String> = held.iter().collect();
        let answer = json!({"queue": name, "run": prefix, "done": done, "notes": notes});
        let read = format!("{} letters were read", done.letters);
        let reason = held.iter().fold(read, |read, held| format!("{read}; {held}"));
        Ok(Report::new("emptied", name.clone(), reason).record("done", &done).answering(answer))
    }
}

/// What would become of the letters.
fn proposed(how: How, letters: &DeadLetters, counted: &Counted) -> Report {
    let Counted { look, group, there, .. } = counted;
    let sends = how == How::Drain;
    let mut groups = Vec::new();
    for (id, tally) in &look.groups {
        let is_meant = group.as_ref().is_none_or(|group| group == id);
        let share = if is_meant {
            share(tally.count(), tally.ahead, sends.then_some(u64::MAX))
        } else {
            Share { leave: tally.count(), ..Share::default() }
        };
        let why = why_emptied(is_meant, sends, tally.verdict, tally.no_way.as_deref());
        groups.push(OfGroup::new(id, tally, share, is_meant, why));
    }
    let seen = u64::try_from(look.letters).unwrap_or(u64::MAX);
    let mut notes = Vec::new();
    if letters.queue.attributes.fifo && !look.whole {
        notes.push("a FIFO queue shows only the first letters of each of its message groups".to_owned());
    }
    let lost_at = lost_at(look.oldest, letters.queue.attributes.retention);
    let unseen = if group.is_some() { 0 } else { there.saturating_sub(seen) };
    // Of a look that came to the end, what was counted and not seen was not there to be received.
    let in_hand = if look.whole { in_hand(seen + unseen, seen) } else { 0 };
    notes.extend(held(in_hand));
    let (queue, letters, blind) = (&letters.queue.name, seen + unseen, &letters.blind);
    Proposal { queue, letters, look, lost_at, groups, unseen, in_hand, blind, notes }.report()
}
