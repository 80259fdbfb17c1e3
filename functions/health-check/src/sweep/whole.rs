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

/// A sweep, and what of it is not told but remembered.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) sweep: Sweep,
    /// By what it is remembered by, how each thing was found.
    pub(crate) found: BTreeMap<String, Found>,
    /// What each of these is remembered by of which a part could not be checked, or all.
    pub(crate) unclear: BTreeSet<String>,
}

/// Discovers, checks, and puts together.
pub(crate) async fn sweep(ask: &Ask<'_>, wanted: &Wanted, until: Instant) -> Swept {
    let clock = Clock::now();
    let discovered = discover::all(ask, until).await;
    let by_itself: BTreeSet<String> = discovered.components.iter().map(Component::id).collect();
    let mut incomplete = discovered.incomplete;
    let whole = incomplete.is_empty();
    incomplete.extend(run::all(ask, discovered.components, wanted, whole, until).await);
    let took_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut said = ask.said();
    // A check says more than was asked for: of services, their tasks and their scaling, too.
    said.retain(|_, said| run::is_wanted(wanted, said.component.kind));
    let named = |component: &Component| is_named(&ask.rules.stacks, component);
    settle(&mut said, &by_itself, named, |id| ask.is_resting(id));
    let found = found(&said, &by_itself);
    let is_unclear = |said: &&Said| said.verdict.health == Health::Unknown || said.verdict.partly;
    let unclear = said.values().filter(is_unclear).map(|said| said.component.remembered()).collect();
    Swept { sweep: result(ask, said, incomplete, took_ms), found, unclear }
}

/// What only all that was said together tells: that nothing needs what does not exist any more, and that what is empty is
/// so on purpose.
fn settle(
    said: &mut BTreeMap<String, Said>,
    by_itself: &BTreeSet<String>,
    is_named: impl Fn(&Component) -> bool,
    is_resting: impl Fn(&str) -> bool,
) {
    let led_to: BTreeSet<String> =
        said.values().flat_map(|said| said.needs.iter().chain(&said.leads)).cloned().collect();
    let services = || said.values().filter(|said| said.component.kind == Kind::Service);
    // A service that could not be looked at may be one that fills it.
    let all_seen = services().all(|said| said.verdict.health != Health::Unknown);
    let filled: BTreeSet<String> = services().flat_map(|said| &said.needs).cloned().collect();
    for (id, said) in said {
        let only_tagged = by_itself.contains(id) && !led_to.contains(id);
        if said.verdict.absent && only_tagged && !is_named(&said.component) {
            said.verdict = not_applicable("it was deleted: only its tag is still listed");
        }
        if said.verdict.vacant && all_seen && is_resting(id) && !filled.contains(id) {
            let why = format!("what registers with it is scaled to zero: {}", said.verdict.reason);
            said.verdict = not_applicable(&why);
        }
    }
}

/// Whether the policy names it: then it has to be there, whatever tag it bears. What the policy names with a star is there
/// while it is.
fn is_named(stacks: &[String], component: &Component) -> bool {
    component.kind == Kind::Stack && stacks.contains(&component.name)
}

fn not_applicable(why: &str) -> Verdict {
    let mut found = Findings::new();
    found.not_applicable(why);
    found.verdict("")
}

/// How each thing was found: by itself, and by all that leads to it, over however many steps. Where one of these cannot be
/// looked at, the thing is not seen, and is not gone because of that.
fn found(said: &BTreeMap<String, Said>, by_itself: &BTreeSet<String>) -> BTreeMap<String, Found> {
    let mut above = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (id, said) in said {
        for lower in said.needs.iter().chain(&said.leads).filter(|lower| *lower != id) {
            above.entry(lower).or_default().insert(id);
        }
    }
    let mut found = BTreeMap::<String, Found>::new();
    for (id, said_of_it) in said {
        let (mut seen, mut left) = (BTreeSet::new(), vec![id.as_str()]);
        while let Some(at) = left.pop() {
            left.extend(above.get(at).into_iter().flatten().copied().filter(|upper| seen.insert(*upper)));
        }
        seen.remove(id.as_str());
        let found = found.entry(said_of_it.component.remembered()).or_default();
        found.by_itself |= by_itself.contains(id);
        found.by.extend(seen.into_iter().filter_map(|id| Some(said.get(id)?.component.remembered())));
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Said, found, is_named, settle};
    use crate::component::{Component, Kind};
    use crate::decision::{Findings, Health, Verdict};

    fn said(of: &[(Kind, &str, Verdict, &[&str])]) -> BTreeMap<String, Said> {
        let one = |(kind, name, verdict, needs): &(Kind, &str, Verdict, &[&str])| {
            let component = Component::new(*kind, *name);
            let needs = needs.iter().map(ToString::to_string).collect();
            let said = Said { component, verdict: verdict.clone(), needs, leads: BTreeSet::new() };
            (said.component.id(), said)
        };
        of.iter().map(one).collect()
    }

    fn verdict(health: Health) -> Verdict {
        Verdict { health, ..Verdict::default() }
    }

    #[test]
    fn a_thing_is_found_by_all_that_leads_to_it_over_however_many_steps() {
        let well = verdict(Health::Healthy);
        let said = said(&[
            (Kind::Service, "web", well.clone(), &["task-definition:web:7"]),
            (Kind::TaskDefinition, "web:7", well.clone(), &["secret:db"]),
            (Kind::Secret, "db", well.clone(), &["kms-key:k"]),
            (Kind::Queue, "a", well.clone(), &["sqs-queue:b"]),
            (Kind::Queue, "b", well, &["sqs-queue:a"]),
        ]);
        let found = found(&said, &BTreeSet::from(["ecs-service:web".to_owned()]));
        let by = |id: &str| found[id].by.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(by("secret:db"), ["ecs-service:web", "task-definition:web"]);
        assert_eq!(by("sqs-queue:a"), ["sqs-queue:b"], "a ring ends");
        assert!(found["ecs-service:web"].by_itself && by("ecs-service:web").is_empty());
    }

    #[test]
    fn a_target_group_is_empty_on_purpose_where_all_that_would_fill_it_is_scaled_to_zero() {
        let vacant = {
            let mut found = Findings::new();
            found.vacant("it has no targets", "Run what registers with it.");
            found.verdict("")
        };
        let (zero, well, unknown) =
            (verdict(Health::NotApplicable), verdict(Health::Healthy), verdict(Health::Unknown));
        let service = |verdict: &Verdict, needs: &'static [&'static str]| {
            (Kind::Service, "other", verdict.clone(), needs)
        };
        let cases = [
            (service(&zero, &[]), true, Health::NotApplicable),
            (service(&zero, &[]), false, Health::Degraded),
            (service(&well, &[]), true, Health::NotApplicable),
            (service(&well, &["target-group:web"]), true, Health::Degraded),
            (service(&unknown, &[]), true, Health::Degraded),
        ];
        for (other, resting, health) in cases {
            let mut said = said(&[(Kind::Targets, "web", vacant.clone(), &[]), other.clone()]);
            settle(&mut said, &BTreeSet::new(), |_| false, |id| resting && id == "target-group:web");
            assert_eq!(said["target-group:web"].verdict.health, health, "{other:?} {resting}");
        }
    }

    #[test]
    fn what_was_deleted_and_is_still_tagged_is_no_failure_unless_something_names_it() {
        let absent = Verdict { absent: true, ..verdict(Health::Failed) };
        let web = || (Kind::Stack, "web", absent.clone(), &[][..]);
        let queue = || (Kind::Queue, "a", absent.clone(), &[][..]);
        let rule: (_, _, _, &[&str]) = (Kind::Rule, "r", verdict(Health::Healthy), &["sqs-queue:a"]);
        let stacks = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let cases = [
            (vec![web()], stacks(&[]), Health::NotApplicable),
            // The policy names it, whether it is tagged, too, or not.
            (vec![web()], stacks(&["web"]), Health::Failed),
            (vec![web()], stacks(&["api"]), Health::NotApplicable),
            (vec![queue()], stacks(&[]), Health::NotApplicable),
            (vec![queue(), rule], stacks(&[]), Health::Failed),
        ];
        for (of, stacks, health) in cases {
            let mut said = said(&of);
            let tagged = said.keys().cloned().collect();
            settle(&mut said, &tagged, |component| is_named(&stacks, component), |_| false);
            let first = &of[0];
            let id = Component::new(first.0, first.1).id();
            assert_eq!(said[&id].verdict.health, health, "{of:?} {stacks:?}");
        }
    }
}
