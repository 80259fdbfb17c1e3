//! From one sweep to the next: what is told, what is remembered, what is measured.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::notice::{Notice, Severity};
use shared::policy::Policy;
use shared::policy::health::Change;
use shared::report;

use crate::component::Kind;
use crate::decision::change::{Affected, Kept, Level, Seen, follow};
use crate::decision::gone::{Looked, is_gone};
use crate::decision::unchecked::{self, Word};
use crate::decision::urgency::severity;
use crate::decision::{Findings, Health, Verdict, digest};
use crate::memory::{Memory, Sweeps};
use crate::page::Point;
use crate::result::{Checked, Counts, Sweep};
use crate::sweep::whole::Swept;
use crate::tell::{self, Teller};

/// So many bad components stand in the report's record.
pub(crate) const RECORDED: usize = 50;

/// What follows from a sweep.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What is told, and of what: if it cannot be told, that is not remembered as told.
    pub(crate) notices: Vec<(About, Notice)>,
    pub(crate) changed: BTreeMap<String, Kept>,
    pub(crate) sweeps: Sweeps,
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    Component(String),
    Unchecked,
    Digest,
}

impl Plan {
    /// Takes back that something was told.
    pub(crate) fn untold(&mut self, about: &About, memory: &Memory) {
        match about {
            About::Component(id) => {
                if let Some(kept) = self.changed.get_mut(id) {
                    let before = memory.component(id);
                    kept.told = before.and_then(|before| before.told.clone());
                    // The next sweep that sees what is new tells it, and does not begin to count again.
                    kept.fresh = before.map_or(0, |before| before.fresh);
                }
            }
            About::Unchecked => self.sweeps.unchecked.clone_from(&memory.sweeps.unchecked),
            About::Digest => self.sweeps.digest = memory.sweeps.digest,
        }
    }
}

/// What follows from a sweep. Writes into it since when things are not healthy.
pub(crate) fn plan(
    swept: &mut Swept,
    memory: &Memory,
    policy: &Policy,
    environment: &str,
    now: Timestamp,
) -> Plan {
    let before = memory.sweeps.points.last().map_or(now, |point| point.at);
    let teller = Teller { environment, production: policy.is_production(environment), now, before };
    let mut plan = Plan { notices: Vec::new(), changed: BTreeMap::new(), sweeps: memory.sweeps.clone() };
    let watch = Watch::new(swept, memory, &policy.health.change, teller);
    watch.follow_all(&mut plan);
    watch.unchecked(&mut plan);
    let first = memory.sweeps.points.first().map(|point| point.at);
    if let Some(due) = digest::due(&policy.health.digest, plan.sweeps.digest, first, now) {
        plan.notices.push((About::Digest, teller.digest(&swept.sweep, due)));
        plan.sweeps.digest = Some(now);
    }
    plan.sweeps.add(Point::from(&swept.sweep));
    date(&mut swept.sweep, |id| plan.changed.get(id));
    plan
}

/// Writes into a sweep since when things are not healthy, by what is remembered of them.
pub(crate) fn date<'a>(sweep: &mut Sweep, remembered: impl Fn(&str) -> Option<&'a Kept>) {
    for checked in &mut sweep.components {
        let well = matches!(checked.health, Health::Healthy | Health::NotApplicable);
        let kept = remembered(&checked.remembered()).filter(|_| !well);
        checked.since = kept
            .and_then(|kept| kept.began.filter(|_| kept.level.is_bad()).or(kept.first).or(kept.blind_since));
    }
}

/// Of things that are remembered by one id, the worst.
fn worst_by_id(sweep: &Sweep) -> BTreeMap<String, &Checked> {
    let mut worst = BTreeMap::<String, &Checked>::new();
    for checked in &sweep.components {
        let kept = worst.entry(checked.remembered()).or_insert(checked);
        if kept.health < checked.health {
            *kept = checked;
        }
    }
    worst
}

/// What one sweep is looked at with.
struct Watch<'a> {
    memory: &'a Memory,
    rules: &'a Change,
    teller: Teller<'a>,
    now: Timestamp,
    swept: &'a Swept,
    /// By the ids of the sweep.
    seen: BTreeMap<String, &'a Checked>,
    /// By what it is remembered by, what has failed in this sweep.
    fails: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    fn new(swept: &'a Swept, memory: &'a Memory, rules: &'a Change, teller: Teller<'a>) -> Self {
        let components = &swept.sweep.components;
        let fails = components.iter().filter(|it| it.health == Health::Failed);
        let fails = fails.map(Checked::remembered).collect();
        let seen = components.iter().map(|it| (it.id(), it)).collect();
        Self { memory, rules, teller, now: teller.now, swept, seen, fails }
    }

    /// All that was seen, and then what was not. What is affected comes before its cause: what the cause tells of it depends
    /// on how it counts now.
    fn follow_all(&self, plan: &mut Plan) {
        let worst = worst_by_id(&self.swept.sweep);
        let (causes, others): (Vec<_>, Vec<_>) =
            worst.into_iter().partition(|(_, checked)| checked.because_of.is_empty());
        for (id, checked) in others.into_iter().chain(causes) {
            self.follow(&id, checked, false, plan);
        }
        for (id, checked, gone) in self.unseen() {
            self.follow(id, &checked, gone, plan);
        }
    }

    fn follow(&self, id: &str, checked: &Checked, gone: bool, plan: &mut Plan) {
        let before = self.memory.component(id);
        let verdict = Verdict {
            health: checked.health,
            reason: checked.reason.clone(),
            evidence: checked.evidence.clone(),
            todo: checked.todo.clone(),
            partly: self.swept.unclear.contains(id),
            ..Verdict::default()
        };
        let causes = self.remembered(&checked.because_of, id);
        let affects = self.affected(&self.remembered(&checked.affects, id), before, plan);
        let explained = self.explained(&causes, before);
        let severity = self.severity(checked);
        let seen = Seen { verdict: &verdict, causes: &causes, explained, affects: &affects, severity };
        let (mut kept, news) = follow(before, &seen, self.rules, self.now);
        if let Some(found) = self.swept.found.get(id) {
            kept.found = found.clone();
        }
        let change = tell::Change { checked, id, kept: &kept, before, gone };
        let notice = self.teller.component(&change, news);
        plan.notices.extend(notice.map(|notice| (About::Component(id.to_owned()), notice)));
        plan.changed.insert(id.to_owned(), kept);
    }

    /// What these are remembered by, but for this one.
    fn remembered(&self, ids: &[String], own: &str) -> BTreeSet<String> {
        let remembered = |id: &String| self.seen.get(id).map_or_else(|| id.clone(), |it| it.remembered());
        ids.iter().map(remembered).filter(|id| id != own).collect()
    }

    /// Whether people hear of it by hearing of a cause. A cause that it had before counts only while that gets well, or could
    /// not be looked at for a moment: one that fails on and explains it no more is not why it is bad.
    fn explained(&self, causes: &BTreeSet<String>, before: Option<&Kept>) -> bool {
        let gets_well = |cause: &String| {
            let of = self.memory.component(cause);
            let lasts = of.is_some_and(|it| it.level == Level::Failed && it.blind + 1 < self.rules.bad);
            lasts && !self.fails.contains(cause)
        };
        let counts =
            |cause: &String| self.memory.component(cause).is_some_and(|kept| kept.level == Level::Failed);
        if causes.is_empty() {
            return before.is_some_and(|before| before.causes.iter().any(gets_well));
        }
        causes.iter().any(|cause| self.fails.contains(cause) || counts(cause))
    }

    fn affected(&self, now: &BTreeSet<String>, before: Option<&Kept>, plan: &Plan) -> Affected {
        let level = |id: &str| {
            plan.changed.get(id).or_else(|| self.memory.component(id)).map_or(Level::Well, |kept| kept.level)
        };
        let told = before.and_then(|before| before.told.as_ref()).map(|told| &told.affects);
        let over = told.into_iter().flatten().filter(|id| !now.contains(*id) && level(id) == Level::Well);
        Affected {
            counted: now.iter().filter(|id| level(id).is_bad()).cloned().collect(),
            over: over.cloned().collect(),
            now: now.clone(),
        }
    }

    /// How soon somebody has to answer: as soon as for the worst of what it affects.
    fn severity(&self, checked: &Checked) -> Severity {
        let of = |it: &Checked| severity(it.kind, it.health.into(), self.teller.production);
        let affected = checked.affects.iter().filter_map(|id| self.seen.get(id));
        affected.map(|it| of(it)).fold(of(checked), Severity::min)
    }

    /// What is remembered and was not seen: what is gone, and what is bad and was not looked for, because what leads to it could
    /// not be looked at. That is not over: people are reminded of it as of what could not be checked itself.
    fn unseen(&self) -> Vec<(&'a str, Checked, bool)> {
        let whole = self.swept.sweep.incomplete.is_empty();
        let looked = Looked { whole, unclear: &self.swept.unclear };
        let seen: BTreeSet<String> = self.seen.values().map(|it| it.remembered()).collect();
        let missing = self.memory.all().filter(|(id, _)| !seen.contains(*id));
        let missing = missing.map(|(id, kept)| (id, kept, is_gone(&kept.found, looked)));
        missing
            .filter(|(_, kept, gone)| *gone || kept.level.is_bad() || kept.told.is_some())
            .filter_map(|(id, _, gone)| Some((id, unseen(id, gone)?, gone)))
            .collect()
    }

    /// Whether all could be checked, and what is told of that.
    fn unchecked(&self, plan: &mut Plan) {
        let sweep = &self.swept.sweep;
        let lasts = |kept: &Kept| kept.level == Level::Unknown;
        let mut counts = BTreeMap::<&str, usize>::new();
        for checked in self.seen.values().filter(|it| it.health == Health::Unknown) {
            if plan.changed.get(&checked.remembered()).is_some_and(lasts) {
                *counts.entry(&checked.reason).or_default() += 1;
            }
        }
        let is_whole = sweep.incomplete.is_empty();
        plan.sweeps.torn = if is_whole { 0 } else { plan.sweeps.torn.saturating_add(1) };
        if plan.sweeps.torn >= self.rules.bad {
            counts.extend(sweep.incomplete.iter().map(|reason| (reason.as_str(), 0)));
        }
        let reasons: Vec<&str> = counts.keys().copied().collect();
        let pending = !is_whole || plan.changed.values().any(lasts);
        let known = self.memory.sweeps.unchecked.as_ref();
        let (next, word) = unchecked::follow(known, &reasons, pending, self.rules, self.now);
        plan.sweeps.unchecked = next;
        let notice = match word {
            Word::None => return,
            Word::Resolved { since } => self.teller.checked_again(since),
            Word::Firing { since } => {
                let mut most: Vec<(&str, usize)> = counts.into_iter().collect();
                most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                self.teller.unchecked(&most, since)
            }
        };
        plan.notices.push((About::Unchecked, notice));
    }
}

/// Something that was remembered and was not seen.
fn unseen(id: &str, gone: bool) -> Option<Checked> {
    let (kind, name) = id.split_once(':')?;
    let mut found = Findings::new();
    if gone {
        found.not_applicable("it does not belong to the environment any more");
    } else {
        found.unknown("it was not looked at: what leads to it could not be", "");
    }
    let verdict = found.verdict("");
    Some(Checked {
        kind: Kind::named(kind)?,
        name: name.to_owned(),
        arn: None,
        health: verdict.health,
        reason: verdict.reason,
        evidence: Vec::new(),
        todo: Vec::new(),
        since: None,
        because_of: Vec::new(),
        affects: Vec::new(),
    })
}

/// Counts as metrics of their own, to alarm on or to draw: of the environment, and of each kind of which something is not
/// healthy. CloudWatch charges for a metric by the hours in which it gets numbers.
pub(crate) fn measure(sweep: &Sweep, environment: &str, now: Timestamp) {
    let mut by_kind = BTreeMap::<Kind, Counts>::new();
    for checked in &sweep.components {
        *by_kind.entry(checked.kind).or_default().of(checked.health) += 1;
    }
    report::count(&[("environment", environment)], &metrics(sweep.counts), now);
    for (kind, counts) in
        by_kind.into_iter().filter(|(_, counts)| counts.failed + counts.degraded + counts.unknown > 0)
    {
        report::count(&[("environment", environment), ("kind", kind.word())], &metrics(counts), now);
    }
}

fn metrics(counts: Counts) -> [(&'static str, usize); 4] {
    let Counts { failed, degraded, unknown, healthy, .. } = counts;
    [
        ("FailedComponents", failed),
        ("DegradedComponents", degraded),
        ("UnknownComponents", unknown),
        ("HealthyComponents", healthy),
    ]
}

#[cfg(test)]
mod tests;
