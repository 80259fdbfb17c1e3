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
use crate::memory::{Entry, Group, Groups, Known};

/// How many letters each group may send now.
pub(super) fn plan(steps: &BTreeMap<String, Step>, groups: &BTreeMap<String, Entry<Group>>) -> Plan {
    let room = |(id, step): (&String, &Step)| {
        let room = step.room()?;
        let redrive = groups.get(id)?.value.redrive.clone()?;
        Some((id.clone(), (redrive, Cell::new(room))))
    };
    Plan { redrives: steps.iter().filter_map(room).collect(), ..Plan::default() }
}

/// The group as it is known, with what was seen of it now.
pub(super) fn entry<'g>(
    groups: &'g mut Groups,
    id: &str,
    tally: Option<&Tally>,
    now: Timestamp,
) -> Option<&'g mut Entry<Group>> {
    if let Some(tally) = tally {
        let first = tally.first.unwrap_or(now);
        let Groups { known, unread } = groups;
        let entry = known.entry(id.to_owned()).or_insert_with(|| {
            let group = Group {
                signature: Known { flavour: tally.flavour, of: tally.of.clone(), line: tally.line.clone() },
                verdict: tally.verdict,
                count: 0,
                first,
                last: first,
                told: 0,
                revision: 0,
                fires: false,
                redrive: None,
            };
            Entry::new(group, unread.remove(id))
        });
        entry.value.verdict = tally.verdict;
        // As this version says it.
        entry.value.signature.line.clone_from(&tally.line);
        entry.value.count = tally.count();
        entry.value.first = entry.value.first.min(first);
        entry.value.last = entry.value.last.max(tally.last.unwrap_or(now));
    } else if let Some(known) = groups.known.get_mut(id) {
        known.value.count = 0;
    }
    groups.known.get_mut(id)
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

/// What is about to be sent is written down first: whoever dies over it may have sent it all, so that nothing more is sent
/// before it is known whether that returns. Whether there is something to write down is the answer.
pub(super) fn begin(
    group: &mut Group,
    step: &Step,
    policy: &Policy,
    sources: &[Source],
    now: Timestamp,
) -> bool {
    let wait = patience_of(policy, sources, group);
    match step {
        // A canary was written down when it was decided, and proves nothing if it was not certainly sent.
        Step::Canary { .. } => true,
        Step::Send { .. } => {
            let Some(redrive) = group.redrive.as_mut() else { return false };
            redrive.phase = Phase::Ramp { until: now.saturating_add(wait).unwrap_or(now) };
            true
        }
        Step::Leave(_) | Step::Wait { .. } | Step::Abort | Step::Finish => false,
    }
}

/// What came of sending letters of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    /// How many were sent.
    pub(super) sent: u64,
    /// Whether the whole queue was read for them.
    pub(super) whole: bool,
    /// Whether something failed.
    pub(super) failed: bool,
}

/// Writes down what a step came to, and says when to look again.
pub(super) fn settle(
    group: &mut Group,
    step: &Step,
    came: Came,
    policy: &Policy,
    sources: &[Source],
    now: Timestamp,
) -> Option<Timestamp> {
    let Came { sent, whole, failed } = came;
    let wait = patience_of(policy, sources, group);
    let redrive = group.redrive.as_mut()?;
    let later = |after: SignedDuration| now.saturating_add(after).ok();
    match step {
        Step::Canary { .. } => {
            redrive.sent = sent;
            if sent > 0 {
                redrive.tries = 0;
            }
            let until = later(wait)?;
            redrive.phase = Phase::Canary { until };
            Some(until)
        }
        Step::Send { .. } => {
            if sent == 0 && whole && !failed {
                // What is there cannot be sent, or may not: it waits for a person, or for a redrive of its own.
                redrive.phase = Phase::Done { at: now };
                return None;
            }
            redrive.sent = redrive.sent.saturating_add(sent);
            redrive.tries = match sent {
                0 => redrive.tries.saturating_add(u32::from(failed)),
                _ => 0,
            };
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
pub(super) fn patience_of(policy: &Policy, sources: &[Source], group: &Group) -> SignedDuration {
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

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::policy::Policy;
    use shared::policy::dlq::Verdict;

    use super::{Came, begin, settle};
    use crate::decision::group::{Phase, Redrive, Step};
    use crate::flavour::Flavour;
    use crate::memory::{Group, Known};

    fn now() -> Timestamp {
        "2026-11-26T08:00:00Z".parse().unwrap()
    }

    /// A group of which five were sent, and did not return.
    fn group() -> Group {
        let signature = Known { flavour: Flavour::Queue, of: String::new(), line: String::new() };
        let redrive = Redrive {
            id: "op".to_owned(),
            began: now(),
            by: None,
            phase: Phase::Canary { until: now() },
            sent: 5,
            returned: 0,
            tries: 0,
            round: 1,
        };
        Group {
            signature,
            verdict: Verdict::Transient,
            count: 9,
            first: now(),
            last: now(),
            told: 9,
            revision: 1,
            fires: true,
            redrive: Some(redrive),
        }
    }

    #[test]
    fn what_is_about_to_be_sent_is_waited_for_also_by_whoever_comes_after_a_death() {
        let mut group = group();
        assert!(begin(&mut group, &Step::Send { room: 20 }, &Policy::default(), &[], now()));
        let until = now() + SignedDuration::from_mins(20);
        assert_eq!(group.redrive.unwrap().phase, Phase::Ramp { until });
    }

    #[test]
    fn a_redrive_is_done_only_where_all_was_read_and_nothing_failed() {
        let until = now() + SignedDuration::from_mins(20);
        for (sent, whole, failed, phase, tries) in [
            (0, true, false, Phase::Done { at: now() }, 0),
            (0, false, false, Phase::Ramp { until }, 0),
            (0, true, true, Phase::Ramp { until }, 1),
            (0, false, true, Phase::Ramp { until }, 1),
            (3, false, true, Phase::Ramp { until }, 0),
        ] {
            let mut group = group();
            let came = Came { sent, whole, failed };
            let next = settle(&mut group, &Step::Send { room: 20 }, came, &Policy::default(), &[], now());
            let redrive = group.redrive.unwrap();
            assert_eq!((&redrive.phase, redrive.tries, redrive.sent), (&phase, tries, 5 + sent), "{came:?}");
            assert_eq!(next, matches!(phase, Phase::Ramp { .. }).then_some(until), "{came:?}");
        }
    }
}
