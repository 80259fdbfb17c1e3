//! How an incident is followed, and whether it flaps.
//!
//! It begins to flap with the last of so many changes within a time, and stops when it did not change for another.
//! In between people are told that it flaps, and at the end where it stands.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::{Activity, MOST_CHANGES};
use shared::notice::{Notice, State};
use shared::policy::notify::Flapping;

/// A change of which people hear later than this is counted from when they hear, so that nobody is called for the time
/// in which nobody could have known.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// The incident after this notice; none where this revision, or a later one, was known.
///
/// - A new beginning forgets who acknowledged and who was called.
/// - While it fires, a later notice brings severity, title and labels up to date. Where it makes the incident more
///   severe before anybody was called, the time until the first call is counted anew.
/// - The end stays as severe as the incident was.
/// - What is for the record leaves the incident as it stands, but for its revision.
#[must_use]
pub fn follow(
    before: Option<&Activity>,
    notice: &Notice,
    policy: &Flapping,
    now: Timestamp,
) -> Option<Activity> {
    let at = heard(notice.time, now);
    let Some(before) = before else { return Some(first(notice, at)) };
    if notice.revision <= before.revision {
        return None;
    }
    let mut after = Activity { revision: notice.revision, ..before.clone() };
    match (before.state, notice.state) {
        (_, State::Info) => return Some(after),
        (State::Firing, State::Firing) => {
            if notice.severity < before.severity && before.escalated == 0 {
                after.since = at;
            }
            after.severity = notice.severity;
        }
        (State::Resolved | State::Info, State::Firing) => {
            after.since = at;
            after.started = at;
            after.acknowledged = None;
            after.escalated = 0;
            after.severity = notice.severity;
            change(&mut after, at, policy);
        }
        (State::Firing, State::Resolved) => {
            after.since = at;
            after.severity = before.severity.min(notice.severity);
            change(&mut after, at, policy);
        }
        (State::Resolved | State::Info, State::Resolved) => {
            after.severity = before.severity.min(notice.severity);
        }
    }
    after.state = notice.state;
    after.title.clone_from(&notice.title);
    after.labels = notice.matched();
    Some(after)
}

fn first(notice: &Notice, at: Timestamp) -> Activity {
    Activity {
        incident: notice.incident.clone(),
        state: notice.state,
        revision: notice.revision,
        severity: notice.severity,
        title: notice.title.clone(),
        labels: notice.matched(),
        since: at,
        started: at,
        changes: if notice.state == State::Firing { vec![at] } else { Vec::new() },
        flapping: false,
        acknowledged: None,
        escalated: 0,
    }
}

/// When the change counts: when it was, or now, where that is not yet, or long ago.
fn heard(time: Timestamp, now: Timestamp) -> Timestamp {
    let ago = now.duration_since(time);
    if ago < SignedDuration::ZERO || LATE < ago { now } else { time }
}

fn change(activity: &mut Activity, at: Timestamp, policy: &Flapping) {
    let last = activity.changes.last().copied();
    // Changes that are told late do not go back in time.
    let at = last.map_or(at, |last| last.max(at));
    if calm_at(activity, policy).is_some_and(|calm| calm <= at) {
        *activity = calmed(activity);
    }
    activity.changes.push(at);
    let older = activity.changes.len().saturating_sub(MOST_CHANGES);
    activity.changes.drain(..older);
    let recent = activity.changes.iter().filter(|change| at.duration_since(**change) < policy.within).count();
    activity.flapping |= usize::try_from(policy.changes).is_ok_and(|many| many <= recent);
}

/// When an incident that flaps counts as calm, if nothing changes until then.
#[must_use]
pub fn calm_at(activity: &Activity, policy: &Flapping) -> Option<Timestamp> {
    let last = activity.changes.last().copied().unwrap_or(activity.since);
    activity.flapping.then(|| last.saturating_add(policy.calm).unwrap_or(Timestamp::MAX))
}

/// The incident when it is calm: it takes as many changes again until it flaps.
#[must_use]
pub fn calmed(activity: &Activity) -> Activity {
    Activity { flapping: false, changes: Vec::new(), ..activity.clone() }
}

#[cfg(test)]
mod tests;
