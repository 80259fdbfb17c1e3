//! A sweep from end to end, and its result.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant as Clock;

use tokio::time::Instant;

use super::run::{self, Wanted};
use super::{Ask, Checked as Said};
use crate::component::{Component, Kind};
use crate::decision::cause::{Links, Node, causes};
use crate::decision::change::Found;
use crate::decision::{Findings, Health, Verdict};
use crate::discover;
use crate::result::{Checked, Counts, SCHEMA, Sweep};

/// A sweep, and by id how each thing was found.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) sweep: Sweep,
    pub(crate) found: BTreeMap<String, Found>,
}

/// Discovers, checks, and puts together.
pub(crate) async fn sweep(ask: &Ask<'_>, wanted: &Wanted, until: Instant) -> Swept {
    let clock = Clock::now();
    let discovered = discover::all(ask, until).await;
    let by_itself: BTreeSet<String> = discovered.components.iter().map(Component::id).collect();
    let mut incomplete = discovered.incomplete;
    incomplete.extend(run::all(ask, discovered.components, wanted, until).await);
    let took_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut said = ask.said();
    // A check says more than was asked for: of services, their tasks and their scaling, too.
    said.retain(|_, said| run::is_wanted(wanted, said.component.kind));
    let found = found(&said, &by_itself);
    for (id, said) in &mut said {
        let only_tagged = found.get(id).is_some_and(|found| found.by_itself && found.by.is_empty());
        if said.verdict.absent && only_tagged && !is_named(ask, &said.component) {
            said.verdict = deleted();
        }
    }
    Swept { sweep: result(ask, said, incomplete, took_ms), found }
}

/// Whether the policy names it: then it has to be there.
fn is_named(ask: &Ask<'_>, component: &Component) -> bool {
    component.tags.is_empty() && component.kind == Kind::Stack && !ask.rules.stacks.is_empty()
}

/// The index of tags still lists what was deleted, for minutes and longer.
fn deleted() -> Verdict {
    let mut found = Findings::new();
    found.not_applicable("it was deleted: only its tag is still listed");
    found.verdict("")
}

fn found(said: &BTreeMap<String, Said>, by_itself: &BTreeSet<String>) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = said
        .keys()
        .map(|id| (id.clone(), Found { by_itself: by_itself.contains(id), ..Found::default() }))
        .collect();
    for (id, said) in said {
        for needed in &said.needs {
            if let Some(found) = found.get_mut(needed) {
                found.by.insert(id.clone());
            }
        }
    }
    found
}

fn result(ask: &Ask<'_>, said: BTreeMap<String, Said>, incomplete: Vec<String>, took_ms: u64) -> Sweep {
    let nodes = said.iter().map(|(id, said)| {
        let node = Node { kind: said.component.kind, health: said.verdict.health, uses: said.needs.clone() };
        (id.clone(), node)
    });
    let mut links = causes(&nodes.collect());
    let components: Vec<Checked> =
        said.into_iter().map(|(id, said)| checked(said, links.remove(&id).unwrap_or_default())).collect();
    let mut counts = Counts::default();
    for component in &components {
        *counts.of(component.health) += 1;
    }
    let worst = components.iter().map(|it| it.health).max().unwrap_or(Health::NotApplicable);
    // What was not looked at may be anything.
    let health = if incomplete.is_empty() { worst } else { worst.max(Health::Unknown) };
    Sweep {
        schema: SCHEMA.to_owned(),
        environment: ask.environment.to_owned(),
        began: ask.now,
        took_ms,
        health,
        counts,
        incomplete,
        components: in_order(components),
    }
}

fn checked(said: Said, links: Links) -> Checked {
    let Component { kind, name, arn, .. } = said.component;
    let verdict = said.verdict;
    Checked {
        kind,
        name,
        arn,
        health: verdict.health,
        reason: verdict.reason,
        evidence: verdict.evidence,
        todo: verdict.todo,
        since: None,
        because_of: links.because_of.into_iter().collect(),
        affects: links.affects.into_iter().collect(),
    }
}

/// Root causes first, the worst and those that affect most before the others, each followed by what it affects; then what
/// could not be checked, and what is healthy.
fn in_order(components: Vec<Checked>) -> Vec<Checked> {
    let mut left: BTreeMap<String, Checked> =
        components.into_iter().map(|checked| (checked.id(), checked)).collect();
    let mut order: Vec<(Health, usize, String)> = left
        .iter()
        .filter(|(_, checked)| checked.because_of.is_empty())
        .map(|(id, checked)| (checked.health, checked.affects.len(), id.clone()))
        .collect();
    order.sort_by(|one, other| (other.0, other.1, &one.2).cmp(&(one.0, one.1, &other.2)));
    let mut ordered = Vec::with_capacity(left.len());
    for (_, _, id) in order {
        let Some(root) = left.remove(&id) else { continue };
        let mut affected: Vec<_> = root.affects.iter().filter_map(|id| left.remove(id)).collect();
        affected.sort_by_key(|checked| std::cmp::Reverse(checked.health));
        ordered.push(root);
        ordered.extend(affected);
    }
    ordered.extend(left.into_values());
    ordered
}
