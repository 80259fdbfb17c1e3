//! One pass over a queue, in order: look, decide group by group, act, settle what came of it, tell.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::notice::{Notice, State};
use shared::policy::dlq::Archived;
use shared::tags::Mode;
use shared::{Error, Result, id};

use super::standing::{self, begin, entry, next_step, plan, settle};
use super::{Outcome, Plan, Run, Wish};
use crate::archive;
use crate::decision::group::{Step, Still};
use crate::decision::loss::loss;
use crate::decision::lost_at;
use crate::decision::news::{Change, What, news, of_loss, per_hour};
use crate::decision::reading::Reading;
use crate::discover::DeadLetters;
use crate::look::{OTHERS, Tally};
use crate::memory::{Entry, Group, Groups, Last, Memory};
use crate::tell::{About, OfGroup};
use wished::Wished;

mod wished;

/// A pass, and how far it is.
struct Pass<'a> {
    run: &'a Run<'a>,
    letters: &'a DeadLetters,
    memory: Memory<'a>,
    about: About<'a>,
    /// Why nothing may be done by itself, if so.
    refused: Option<String>,
    last: Entry<Last>,
    groups: Groups,
    /// The key under which this pass archives.
    prefix: String,
    outcome: Outcome,
}

impl Run<'_> {
    /// Tells once that a queue cannot be looked after, until it can.
    pub(super) async fn tell_failed(&self, letters: &DeadLetters, error: &Error) -> Result<()> {
        let memory = self.memory(&letters.queue.arn);
        let mut last = memory.last().await?;
        let why = error.chain();
        if last.value.refusal_told.as_ref() == Some(&why) {
            return Ok(());
        }
        let about = About { letters, environment: &self.config.environment, now: self.now() };
        let notice = about.unreadable(Some(&why)).following(last.value.revision);
        self.publish(&notice).await?;
        last.value.revision = notice.revision;
        last.value.refusal_told = Some(why);
        memory.keep_last(&mut last, self.now()).await
    }

    /// Looks after a queue that nobody else has in hand.
    pub(super) async fn triage(
        &self,
        letters: &DeadLetters,
        memory: Memory<'_>,
        wish: Option<Wish<'_>>,
    ) -> Result<Outcome> {
        let mut pass = self.pass(letters, memory).await?;
        if wish.is_none() && Mode::resolve(self.config.mode, [&letters.queue.tags]) == Mode::Off {
            pass.outcome.refused = Some("the mode is off".to_owned());
            return Ok(pass.outcome);
        }
        if let Reading::Refused { why } = Self::reading(letters, &pass.last.value, false) {
            pass.tell_unreadable(Some(&why)).await?;
            pass.outcome.refused = Some(why);
            return Ok(pass.outcome);
        }
        let judge = pass.look(wish.as_ref()).await?;
        let wished = wish.map(|wish| pass.wished(&wish)).transpose()?;
        let known = &pass.groups.known;
        let before: BTreeMap<_, _> =
            known.iter().map(|(id, entry)| (id.clone(), entry.value.clone())).collect();
        pass.tell_unreadable(None).await?;
        pass.decide(wished.as_ref(), true).await?;
        let mut deed = wished.as_ref().map(|wished| pass.deed(wished));
        // What cannot be written now is written when it ends, or told then.
        let _ = pass.leave(deed.as_ref()).await;
        if pass.sends() || pass.archives() {
            let plan = Plan {
                archives: pass.archives(),
                // What somebody asked for goes on also where nothing is done by itself: the steps say so.
                may_act: pass.refused.is_none() || pass.sends(),
                ..plan(&pass.outcome.steps, &pass.groups.known)
            };
            pass.outcome.done = self.act(letters, &judge, plan, &pass.prefix, None).await;
            if !pass.outcome.done.archived.is_empty() {
                pass.outcome.run = Some(pass.prefix.clone());
            }
        }
        pass.settle(&before).await?;
        pass.tell_loss().await?;
        if let Some(deed) = &mut deed {
            deed.came = Some(pass.came(deed.group.as_deref()));
        }
        let unkept = pass.leave(deed.as_ref()).await;
        // After all that hangs on whether something failed with the letters.
        pass.outcome.done.errors.extend(unkept);
        pass.remember().await?;
        Ok(pass.outcome)
    }

    /// A pass that begins.
    async fn pass<'p>(&'p self, letters: &'p DeadLetters, memory: Memory<'p>) -> Result<Pass<'p>> {
        let refused = self.refusal(letters);
        Ok(Pass {
            run: self,
            letters,
            memory,
            about: About { letters, environment: &self.config.environment, now: self.now() },
            last: memory.last().await?,
            groups: Groups::default(),
            prefix: self.prefix(letters),
            outcome: Outcome { refused: refused.clone(), ..Outcome::of(&letters.queue.name) },
            refused,
        })
    }

    /// The key under which what this invocation archives of a queue stands.
    pub(crate) fn prefix(&self, letters: &DeadLetters) -> String {
        let now = self.now();
        let short: String = id::of(&[&self.invocation.request_id]).chars().take(8).collect();
        let run = format!("{}-{short}", now.strftime("%H%M%S"));
        archive::prefix(&self.config.environment, &letters.queue.name, &run, now)
    }
}

impl Pass<'_> {
    /// What becomes of each group: of those that are there, and of those that were. It is written down where it is done.
    async fn decide(&mut self, wished: Option<&Wished<'_>>, is_done: bool) -> Result<()> {
        let now = self.run.now();
        let known = self.groups.known.keys();
        let ids: Vec<String> = self.outcome.look.groups.keys().chain(known).cloned().collect();
        for group in ids {
            if self.outcome.steps.contains_key(&group) {
                continue;
            }
            let tally = self.outcome.look.groups.get(&group);
            let Some(entry) = entry(&mut self.groups, &group, tally, now) else { continue };
            if group == OTHERS {
                self.outcome.steps.insert(group, Step::Leave(Still::TooMany));
                continue;
            }
            if let (Some(wish), Some(tally)) = (wished, tally)
                && wish.fits(&group, tally)
            {
                // What goes on, goes on as theirs; asked for twice, it is one all the same.
                if let Some(running) = entry.value.redrive.as_mut().filter(|redrive| redrive.is_running()) {
                    running.by = Some(wish.by.to_owned());
                } else {
                    let wish = Wish { group: None, by: wish.by };
                    entry.value.redrive = Some(wish.begin(&self.letters.queue.arn, &group, now));
                }
            }
            let policy = &self.run.policy.dlq.redrive;
            let whole = self.outcome.look.whole;
            let step =
                next_step(&group, &mut entry.value, tally, whole, policy, self.refused.as_deref(), now);
            if begin(&mut entry.value, &step, &self.run.policy, &self.letters.sources, now) && is_done {
                self.memory.keep_group(&group, entry, now).await?;
            }
            self.outcome.steps.insert(group, step);
        }
        Ok(())
    }

    /// Whether some group may send letters.
    fn sends(&self) -> bool {
        let mut steps = self.outcome.steps.values();
        steps.any(|step| matches!(step, Step::Canary { .. } | Step::Send { .. }))
    }

    /// Whether there may be letters for the archive.
    fn archives(&self) -> bool {
        let archive = &self.run.policy.dlq.archive;
        let now = self.run.now();
        let soon = now.saturating_add(archive.before_loss).unwrap_or(now);
        let some = match archive.what {
            Archived::Nothing => false,
            Archived::BeforeLoss => self.outcome.lost_at.is_some_and(|lost_at| lost_at <= soon),
            Archived::All => self.outcome.look.letters > 0,
        };
        some && self.refused.is_none()
    }

    /// Writes down what was done with each group, and tells what is worth knowing.
    async fn settle(&mut self, before: &BTreeMap<String, Group>) -> Result<()> {
        let now = self.run.now();
        let done = &self.outcome.done;
        let moved = done.redriven.values().chain(done.archived.values()).sum::<u64>();
        let stays = moved > 0 && moved <= done.doubled;
        // Of so many groups, not the same are seen each time.
        let is_flooded = self.outcome.look.groups.contains_key(OTHERS);
        for (group, step) in &self.outcome.steps {
            let Some(entry) = self.groups.known.get_mut(group) else { continue };
            let tally = self.outcome.look.groups.get(group);
            // What was sent and is in its queue all the same may not be sent again.
            let sends = matches!(step, Step::Canary { .. } | Step::Send { .. });
            let step = if stays && sends { &Step::Abort } else { step };
            let sent = self.outcome.done.redriven.get(group).copied().unwrap_or_default();
            let done = &self.outcome.done;
            let came = standing::Came { sent, whole: done.whole, failed: !done.errors.is_empty() };
            let next = settle(&mut entry.value, step, came, &self.run.policy, &self.letters.sources, now);
            self.outcome.next = [self.outcome.next, next].into_iter().flatten().min();
            let archived = self.outcome.done.archived.get(group).copied().unwrap_or_default();
            let change = Change {
                fires: entry.value.fires,
                told: entry.value.told,
                verdict: entry.value.verdict,
                count: tally.map_or(0, Tally::count),
                whole: self.outcome.look.whole,
                step,
                redrive: entry.value.redrive.as_ref(),
            };
            let news =
                news(&change).filter(|news| !is_flooded || group == OTHERS || news.what == What::Aborted);
            if let Some(news) = news {
                let of_group = OfGroup {
                    id: group,
                    tally,
                    line: &entry.value.signature.line,
                    verdict: entry.value.verdict,
                    step,
                    redrive: entry.value.redrive.as_ref(),
                    archived,
                    errors: &self.outcome.done.errors,
                    run: &self.prefix,
                };
                let notice = self.about.of_group(news, &of_group).following(entry.value.revision);
                self.run.publish(&notice).await?;
                self.outcome.told += 1;
                entry.value.revision = notice.revision;
                entry.value.fires = news.state == State::Firing;
                entry.value.told = change.count;
            }
            let known = before.get(group);
            // Of a flood, only what is under way or known already is remembered.
            let matters = !is_flooded || known.is_some() || entry.value.redrive.is_some() || group == OTHERS;
            if matters && known != Some(&entry.value) {
                self.memory.keep_group(group, entry, now).await?;
            }
        }
        Ok(())
    }

    /// Tells that letters are about to be lost, or are not any more.
    async fn tell_loss(&mut self) -> Result<()> {
        let (policy, now) = (&self.run.policy.dlq, self.run.now());
        let Outcome { look, done, .. } = &self.outcome;
        // What was sent or archived just now is lost no more; what was not come to is as it was.
        let oldest = if done.whole { done.oldest_left } else { look.oldest };
        let lost_at = lost_at(oldest, self.letters.queue.attributes.retention);
        // What should have been archived, and could not be, is as good as what may not be.
        let keeps = self.refused.is_none() && done.errors.is_empty();
        let loss = loss(lost_at, policy, keeps, now);
        if loss.is_none() && !look.whole && !done.whole {
            // What was not looked at may still be about to be lost.
            return Ok(());
        }
        if let Some((state, severity)) = of_loss(self.last.value.loss_told, loss) {
            let notice = self.about.of_loss(state, severity, loss, look, &done.errors);
            self.publish(notice).await?;
            self.last.value.loss_told = (state == State::Firing).then_some(severity);
        }
        Ok(())
    }

    /// The queue cannot be read, or can be again.
    async fn tell_unreadable(&mut self, why: Option<&str>) -> Result<()> {
        if self.last.value.refusal_told.as_deref() == why {
            return Ok(());
        }
        self.publish(self.about.unreadable(why)).await?;
        self.last.value.refusal_told = why.map(ToOwned::to_owned);
        self.memory.keep_last(&mut self.last, self.run.now()).await
    }

    async fn publish(&mut self, notice: Notice) -> Result<()> {
        let notice = notice.following(self.last.value.revision);
        self.run.publish(&notice).await?;
        self.outcome.told += 1;
        self.last.value.revision = notice.revision;
        Ok(())
    }

    /// Writes down what was seen, and asks for the next look.
    async fn remember(&mut self) -> Result<()> {
        let now = self.run.now();
        let attributes = &self.letters.queue.attributes;
        let seen = u64::try_from(self.outcome.look.letters).unwrap_or(u64::MAX);
        // Of a large queue only a part is looked at; what SQS says is right within a minute or so.
        let depth =
            if self.outcome.look.whole { seen } else { seen.max(attributes.visible + attributes.in_flight) };
        let last = &mut self.last.value;
        self.outcome.per_hour = per_hour(last.at.map(|at| (last.depth, at)), depth, now);
        last.depth = depth;
        last.at = Some(now);
        // What was not looked at is as it was; unless it is lost by now.
        let is_there = |oldest: &Timestamp| {
            lost_at(Some(*oldest), self.letters.queue.attributes.retention)
                .is_some_and(|lost_at| now < lost_at)
        };
        let unseen = last.oldest.filter(|_| !self.outcome.look.whole).filter(is_there);
        last.oldest = [unseen, self.outcome.look.oldest].into_iter().flatten().min();
        // To act on them takes one more.
        let receives = self.outcome.look.receives.saturating_add(1);
        last.receives = if self.outcome.look.whole { receives } else { receives.max(last.receives) };
        // One message at a time is on its way, however often the queue is looked at.
        let is_asked_for = last.next.is_some_and(|known| now < known);
        if let Some(next) = self.outcome.next.filter(|_| !is_asked_for) {
            last.next = Some(self.run.ask(self.letters, next.duration_since(now)).await?);
        }
        self.memory.keep_last(&mut self.last, now).await
    }
}
