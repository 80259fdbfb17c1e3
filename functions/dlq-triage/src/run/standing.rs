//! What is written down of a group from what was seen and done.

use std::cell::Cell;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::id;
use shared::policy::Policy;

use super::Plan;
use crate::decision::group::{Phase, Redrive, Seen, Step, patience, step};
use crate::discover::Source;
use crate::look::Tally;
use crate::memory::{Entry, Group, Known};

/// How many letters each group may send now.
pub(super) fn plan(steps: &BTreeMap<String, Step>, groups: &BTreeMap<String, Entry<Group>>) -> Plan {
    let room = |(id, step): (&String, &Step)| {
        let room = match step {
            Step::Canary { room } | Step::Send { room } => *room,
            Step::Wait { .. } => 0,
            Step::Leave(_) | Step::Abort | Step::Finish => return None,
        };
        let redrive = groups.get(id)?.value.redrive.clone()?;
        Some((id.clone(), (redrive, Cell::new(room))))
    };
    Plan { redrives: steps.iter().filter_map(room).collect(), ..Plan::default() }
}

/// The group as it is known, with what was seen of it now.
pub(super) fn entry<'g>(
    groups: &'g mut BTreeMap<String, Entry<Group>>,
    id: &str,
    tally: Option<&Tally>,
    now: Timestamp,
) -> Option<&'g mut Entry<Group>> {
    if let Some(tally) = tally {
        let first = tally.first.unwrap_or(now);
        let entry = groups.entry(id.to_owned()).or_insert_with(|| {
            Entry::new(Group {
                signature: Known { flavour: tally.flavour, of: tally.of.clone(), line: tally.line.clone() },
                verdict: tally.verdict,
                count: 0,
                first,
                last: first,
                told: 0,
                revision: 0,
                fires: false,
                redrive: None,
            })
        });
        entry.value.verdict = tally.verdict;
        entry.value.count = tally.count();
        entry.value.first = entry.value.first.min(first);
        entry.value.last = entry.value.last.max(tally.last.unwrap_or(now));
    } else if let Some(known) = groups.get_mut(id) {
        known.value.count = 0;
    }
    groups.get_mut(id)
}

/// What is done with a group next; a canary that begins is written into it.
pub(super) fn next_step(
    id: &str,
    group: &mut Group,
    tally: Option<&Tally>,
    whole: bool,
    policy: &shared::policy::dlq::Redrive,
    refused: Option<&str>,
    now: Timestamp,
) -> Step {
    let seen = Seen {
        verdict: group.verdict,
        waiting: tally.map_or(0, |tally| tally.waiting),
        returned: tally.map_or(0, |tally| tally.returned),
        whole,
        has_way: tally.is_some_and(|tally| tally.no_way.is_none()),
    };
    let step = step(group.redrive.as_ref(), &seen, policy, refused, now);
    if let Some(redrive) = group.redrive.as_mut().filter(|redrive| redrive.is_running()) {
        redrive.returned = redrive.returned.max(seen.returned);
    }
    if let Step::Canary { .. } = step {
        let before = group.redrive.take();
        let round =
            before.as_ref().filter(|before| follows(before, policy, now)).map_or(0, |before| before.round);
        let tried = before.filter(Redrive::is_running);
        let begun = || Redrive {
            id: id::of(&[id, &now.to_string()]),
            began: now,
            by: None,
            phase: Phase::Canary { until: now },
            sent: 0,
            returned: 0,
            tries: 0,
            round: round.saturating_add(1),
        };
        let mut redrive = tried.unwrap_or_else(begun);
        redrive.tries = redrive.tries.saturating_add(1);
        group.redrive = Some(redrive);
    }
    step
}

/// Whether a redrive that begins now is one more of those that one after the other brought nothing.
fn follows(before: &Redrive, policy: &shared::policy::dlq::Redrive, now: Timestamp) -> bool {
    before.by.is_none() && now.duration_since(before.began) < policy.hold
}

/// Writes down what a step came to, and says when to look again.
pub(super) fn settle(
    group: &mut Group,
    step: &Step,
    sent: u64,
    policy: &Policy,
    sources: &[Source],
    now: Timestamp,
) -> Option<Timestamp> {
    let wait = patience_of(policy, sources, group);
    let redrive = group.redrive.as_mut()?;
    let later = |after: SignedDuration| now.saturating_add(after).ok();
    match step {
        Step::Canary { .. } => {
            redrive.sent = sent;
            let until = later(wait)?;
            redrive.phase = Phase::Canary { until };
            Some(until)
        }
        Step::Send { .. } => {
            if sent == 0 {
                // What is there cannot be sent, or may not: it waits for a person, or for a redrive of its own.
                redrive.phase = Phase::Done { at: now };
                return None;
            }
            redrive.sent = redrive.sent.saturating_add(sent);
            let until = later(wait)?;
            redrive.phase = Phase::Ramp { until };
            Some(until)
        }
        Step::Wait { until } => Some(*until),
        Step::Abort => {
            redrive.phase = Phase::Aborted { at: now };
            None
        }
        Step::Finish => {
            redrive.phase = Phase::Done { at: now };
            None
        }
        Step::Leave(_) => None,
    }
}

/// How long it takes for what was sent back to die again.
fn patience_of(policy: &Policy, sources: &[Source], group: &Group) -> SignedDuration {
    let source = sources.iter().find_map(|source| match source {
        Source::Queue { arn, max_receives, visibility, .. } if *arn == group.signature.of => {
            Some((SignedDuration::try_from(*visibility).ok()?, *max_receives))
        }
        Source::Queue { .. }
        | Source::Function { .. }
        | Source::Mapping { .. }
        | Source::Subscription { .. }
        | Source::Target { .. } => None,
    });
    patience(&policy.dlq.redrive, source)
}
