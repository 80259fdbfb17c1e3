//! What somebody wishes of a pass: a redrive, or the plan of one.

use std::collections::BTreeMap;

use shared::ledger::audit::letters::{self, Came, Handled};
use shared::{Error, Report, Result};

use super::Pass;
use crate::classify::Rules;
use crate::decision::lost_at;
use crate::decision::naming;
use crate::decision::order::Order;
use crate::decision::plan::{share, stages, why_redriven};
use crate::decision::redriving;
use crate::deeds::came;
use crate::discover::DeadLetters;
use crate::judge::Judge;
use crate::look::{Deed, OTHERS, Tally};
use crate::proposal::{OfGroup, Proposal};
use crate::run::standing::patience_of;
use crate::run::{Run, Wish};

/// A redrive that somebody asks for, and can have.
pub(super) struct Wished<'a> {
    /// The id of the group; of all, where none is named.
    pub(super) group: Option<String>,
    pub(super) by: &'a str,
}

impl Wished<'_> {
    /// Whether a group is among those that are wanted, and can be sent back.
    pub(super) fn fits(&self, group: &str, tally: &Tally) -> bool {
        self.group.as_ref().is_none_or(|wanted| wanted == group)
            && redriving::can_go(tally.no_way.as_deref(), tally.verdict)
    }
}

impl Run<'_> {
    /// What would be done where somebody asks for a redrive. Nothing is.
    pub(crate) async fn planned(&self, letters: &DeadLetters, wish: Wish<'_>) -> Result<Report> {
        let memory = self.memory(&letters.queue.arn);
        let work = async {
            let mut pass = self.pass(letters, memory).await?;
            pass.look(Some(&wish)).await?;
            let wished = pass.wished(&wish)?;
            pass.decide(Some(&wished), false).await?;
            Ok(pass.proposed(&wished))
        };
        self.alone(&memory, work).await
    }
}

impl Pass<'_> {
    /// Looks at the letters; and at what would become of them, where somebody wishes something.
    pub(super) async fn look(&mut self, wish: Option<&Wish<'_>>) -> Result<Judge> {
        let Self { run, letters, .. } = *self;
        let now = run.now();
        let judge = Judge::new(Rules::of(&run.policy.dlq.rules, &letters.queue.name)?, now);
        self.groups = self.memory.groups().await?;
        self.outcome.forgotten = self.groups.unread.keys().cloned().collect();
        let policy = run.dlq(letters);
        let retention = letters.queue.attributes.retention;
        let fresh = wish.map(|wish| wish.begin(&letters.queue.arn, "", now));
        let is_asked =
            |group: &str| wish.is_some_and(|wish| wish.group.is_none_or(|asked| naming::fits(asked, group)));
        let deed = wish.map(|_| Deed {
            order: Order { policy: &policy, retention, drain: false, only: None, may_act: true, now },
            fresh: fresh.as_ref(),
            goes_on: true,
            is_asked: &is_asked,
        });
        self.outcome.look = run.look(letters, &judge, &self.groups.known, deed).await?;
        // Of more groups than are told apart, nobody would see which return.
        self.outcome.look.whole &= !self.outcome.look.groups.contains_key(OTHERS);
        self.outcome.lost_at = lost_at(self.outcome.look.oldest, retention);
        Ok(judge)
    }

    /// What somebody wishes, where they can have it.
    ///
    /// # Errors
    /// Why they cannot, in words.
    pub(super) fn wished<'w>(&self, wish: &Wish<'w>) -> Result<Wished<'w>> {
        let (look, queue) = (&self.outcome.look, &self.letters.queue.name);
        let Some(asked) = wish.group else { return Ok(Wished { group: None, by: wish.by }) };
        let place = if look.whole {
            queue.clone()
        } else {
            format!("the {} letters of {queue} that were looked at", look.letters)
        };
        let group = look.named(asked, &place).map_err(Error::Malformed)?;
        let tally = look.groups.get(&group);
        match tally.and_then(|tally| redriving::refusal(tally.no_way.as_deref(), tally.verdict)) {
            Some(why) => Err(Error::Malformed(why)),
            None => Ok(Wished { group: Some(group), by: wish.by }),
        }
    }

    /// What would become of the letters.
    pub(super) fn proposed(&self, wished: &Wished<'_>) -> Report {
        let Self { run, letters, outcome, groups: known, .. } = self;
        let look = &outcome.look;
        let mut groups = Vec::new();
        for (id, tally) in &look.groups {
            let Some(step) = outcome.steps.get(id) else { continue };
            let is_asked = wished.group.as_ref().is_none_or(|group| group == id);
            let share = share(tally.count(), tally.ahead, step.room());
            let why = why_redriven(step, is_asked, tally.no_way.as_deref());
            let group = OfGroup::new(id, tally, share, is_asked, why);
            groups.push(match known.known.get(id) {
                Some(entry) => {
                    let redrive = entry.value.redrive.as_ref();
                    let stages = stages(&share, redrive, run.policy.dlq.redrive.canary);
                    group.in_stages(stages, patience_of(&run.policy, &letters.sources, &entry.value))
                }
                None => group,
            });
        }
        let queue = &letters.queue.name;
        let seen = u64::try_from(look.letters).unwrap_or(u64::MAX);
        let mut notes = Vec::new();
        if !look.whole {
            let there = letters.queue.attributes.visible;
            notes.push(format!(
                "{seen} of about {there} letters could be looked at: the others are not in this plan"
            ));
        }
        let (lost_at, blind) = (outcome.lost_at, &letters.blind);
        Proposal { queue, letters: seen, look, lost_at, groups, unseen: 0, in_hand: 0, blind, notes }.report()
    }

    /// What somebody asked for, for the audit.
    pub(super) fn deed(&self, wished: &Wished<'_>) -> Handled {
        let deed = self.run.deed(letters::What::Redrive, self.letters, wished.by);
        let Some(group) = &wished.group else { return deed };
        let redrive = self.groups.known.get(group).and_then(|entry| entry.value.redrive.as_ref());
        // Of one group, it is the redrive that the group has: the same one, however often it is asked for.
        let (id, at) = redrive.map_or((deed.id, deed.at), |redrive| (redrive.id.clone(), redrive.began));
        Handled { id, at, group: Some(group.clone()), ..deed }
    }

    /// Leaves for the audit what somebody asked for, if somebody did. What went wrong with that is the answer.
    pub(super) async fn leave(&self, deed: Option<&Handled>) -> Option<String> {
        self.run.leave(deed?).await
    }

    /// What came of it, of one group or of all; reading ends when no more may be sent, so that nobody counts what stays.
    pub(super) fn came(&self, group: Option<&str>) -> Came {
        let done = &self.outcome.done;
        let all = Came { left: 0, ..came(done) };
        let Some(group) = group else { return all };
        let of = |counts: &BTreeMap<String, u64>| counts.get(group).copied().unwrap_or_default();
        Came { sent: of(&done.redriven), archived: of(&done.archived), ..all }
    }
}
