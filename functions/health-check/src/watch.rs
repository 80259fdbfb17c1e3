//! From one sweep to the next: what is told, what is remembered, what is measured.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::notice::{Notice, Severity};
use shared::policy::Policy;
use shared::policy::health::Change;
use shared::report;

use crate::component::Kind;
use crate::decision::change::{Kept, Level, Seen, follow};
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
                    kept.told = memory.component(id).and_then(|before| before.told.clone());
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
    let teller = Teller { environment, production: policy.is_production(environment), now };
    let mut plan = Plan { notices: Vec::new(), changed: BTreeMap::new(), sweeps: memory.sweeps.clone() };
    let watch = Watch::new(swept, memory, &policy.health.change, teller);
    for (id, checked) in worst_by_id(&swept.sweep) {
        watch.follow(&id, checked, false, &mut plan);
    }
    for (id, gone) in watch.gone() {
        watch.follow(id, &gone, true, &mut plan);
    }
    watch.unchecked(&mut plan);
    let first = memory.sweeps.points.first().map(|point| point.at);
    if let Some(weekly) = digest::due(&policy.health.digest, plan.sweeps.digest, first, now) {
        plan.notices.push((About::Digest, teller.digest(&swept.sweep, weekly)));
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
        let kept = remembered(&memory_id(checked.kind, &checked.name)).filter(|_| !well);
        checked.since = kept
            .and_then(|kept| kept.began.filter(|_| kept.level.is_bad()).or(kept.first).or(kept.blind_since));
    }
}

/// What a thing is remembered by: an image is another one with each deployment, and so is a task definition, but what is
/// wrong with them mostly stays.
fn memory_id(kind: Kind, name: &str) -> String {
    if !matches!(kind, Kind::Image | Kind::TaskDefinition) {
        return format!("{kind}:{name}");
    }
    let name = name.split('@').next().unwrap_or(name);
    // A registry may have a port; a tag comes behind the last slash.
    let plain = match name.rsplit_once(':') {
        Some((plain, tag)) if !tag.contains('/') => plain,
        Some(_) | None => name,
    };
    format!("{kind}:{plain}")
}

/// Of things that are remembered by one id, the worst.
fn worst_by_id(sweep: &Sweep) -> BTreeMap<String, &Checked> {
    let mut worst = BTreeMap::<String, &Checked>::new();
    for checked in &sweep.components {
        let kept = worst.entry(memory_id(checked.kind, &checked.name)).or_insert(checked);
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
    /// What has failed, by what is remembered of it: in this sweep, or as it counts until several say that it is over.
    failed: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    fn new(swept: &'a Swept, memory: &'a Memory, rules: &'a Change, teller: Teller<'a>) -> Self {
        let components = &swept.sweep.components;
        let now_failed = components.iter().filter(|it| it.health == Health::Failed);
        let counted = memory.all().filter(|(_, kept)| kept.level == Level::Failed);
        let failed = now_failed
            .map(|it| memory_id(it.kind, &it.name))
            .chain(counted.map(|(id, _)| id.to_owned()))
            .collect();
        let seen = components.iter().map(|it| (it.id(), it)).collect();
        Self { memory, rules, teller, now: teller.now, swept, seen, failed }
    }

    fn follow(&self, id: &str, checked: &Checked, gone: bool, plan: &mut Plan) {
        let before = self.memory.component(id);
        let verdict = Verdict {
            health: checked.health,
            reason: checked.reason.clone(),
            evidence: checked.evidence.clone(),
            ..Verdict::default()
        };
        let seen_as = |cause: &String| {
            self.seen.get(cause).map_or_else(|| cause.clone(), |it| memory_id(it.kind, &it.name))
        };
        let causes: BTreeSet<String> =
            checked.because_of.iter().map(seen_as).filter(|cause| cause != id).collect();
        let last = before.map(|before| &before.causes).filter(|_| causes.is_empty());
        let explained = last.unwrap_or(&causes).iter().any(|cause| self.failed.contains(cause));
        let severity = self.severity(checked);
        let seen = Seen { verdict: &verdict, causes: &causes, explained, severity };
        let (mut kept, news) = follow(before, &seen, self.rules, self.now);
        if let Some(found) = self.swept.found.get(&checked.id()) {
            kept.found = found.clone();
        }
        let change = tell::Change { checked, id, kept: &kept, before, severity, gone };
        let notice = self.teller.component(&change, news);
        plan.notices.extend(notice.map(|notice| (About::Component(id.to_owned()), notice)));
        plan.changed.insert(id.to_owned(), kept);
    }

    /// How soon somebody has to answer: as soon as for the worst of what it affects.
    fn severity(&self, checked: &Checked) -> Severity {
        let of = |it: &Checked| severity(it.kind, it.health.into(), self.teller.production);
        let affected = checked.affects.iter().filter_map(|id| self.seen.get(id));
        affected.map(|it| of(it)).fold(of(checked), Severity::min)
    }

    /// What is remembered, was not seen, and is gone.
    fn gone(&self) -> Vec<(&'a str, Checked)> {
        let unknown = self.seen.iter().filter(|(_, it)| it.health == Health::Unknown);
        let unknown: BTreeSet<&str> = unknown.map(|(id, _)| id.as_str()).collect();
        let looked = Looked { whole: self.swept.sweep.incomplete.is_empty(), unknown: &unknown };
        let seen: BTreeSet<String> = self.seen.values().map(|it| memory_id(it.kind, &it.name)).collect();
        let missing = self.memory.all().filter(|(id, _)| !seen.contains(*id));
        missing
            .filter(|(_, kept)| is_gone(&kept.found, looked))
            .filter_map(|(id, _)| Some((id, gone(id)?)))
            .collect()
    }

    /// Whether all could be checked, and what is told of that.
    fn unchecked(&self, plan: &mut Plan) {
        let sweep = &self.swept.sweep;
        let lasts = |kept: &Kept| kept.level == Level::Unknown;
        let mut counts = BTreeMap::<&str, usize>::new();
        for checked in self.seen.values().filter(|it| it.health == Health::Unknown) {
            if plan.changed.get(&memory_id(checked.kind, &checked.name)).is_some_and(lasts) {
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

/// Something that was remembered and does not belong to the environment any more.
fn gone(id: &str) -> Option<Checked> {
    let (kind, name) = id.split_once(':')?;
    let mut found = Findings::new();
    found.not_applicable("it does not belong to the environment any more");
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
mod tests {
    use super::memory_id;
    use crate::component::Kind;

    #[test]
    fn an_image_and_a_task_definition_are_remembered_across_deployments() {
        let cases = [
            (Kind::TaskDefinition, "web:42", "task-definition:web"),
            (Kind::Image, "shop/web:1.2", "image:shop/web"),
            (Kind::Image, "shop/web@sha256:0a1b", "image:shop/web"),
            (Kind::Image, "shop/web:1.2@sha256:0a1b", "image:shop/web"),
            (Kind::Image, "shop/web", "image:shop/web"),
            (Kind::Alarm, "web: 5xx", "alarm:web: 5xx"),
            (Kind::Tls, "www.example.com:443", "tls-endpoint:www.example.com:443"),
        ];
        for (kind, name, id) in cases {
            assert_eq!(memory_id(kind, name), id);
        }
    }
}
