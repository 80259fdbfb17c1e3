//! Which services of a redeploy come next, and when all of it is over.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::redeploy::{Cause, Member, Phase, Redeploy, Standing};
use shared::policy::Policy;

/// How soon services are looked at again that are being redeployed: `deployment-watch` tells when they are, this is for
/// when its message is lost.
const MOVING: SignedDuration = SignedDuration::from_mins(1);

/// How seldom at the most what waits is looked at: with a queue that hands a message out a thousand times, this lasts ten
/// days.
const WAITING: SignedDuration = SignedDuration::from_mins(15);

/// What a redeploy does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Begin a wave with up to so many of the services whose turn it is, in their order.
    Wave {
        /// How many.
        size: usize,
    },
    /// Wait.
    Wait {
        /// When to look again.
        again: SignedDuration,
        /// For what, in words.
        why: String,
    },
    /// All is over.
    Over(Phase),
}

/// What comes next, after everything that moves was looked at.
pub fn next(redeploy: &Redeploy, members: &[Member], policy: &Policy, now: Timestamp) -> Next {
    let count = |standing| members.iter().filter(|member| member.standing == standing).count();
    let moving = count(Standing::Moving);
    if moving > 0 {
        // Ever less often: the queue hands the message out only so many times.
        let all = members.iter().filter(|member| member.standing == Standing::Moving);
        let since = all.map(|member| now.duration_since(member.since)).min().unwrap_or_default();
        let again = (since / 10).clamp(MOVING, WAITING);
        return Next::Wait {
            again,
            why: format!("{moving} of {} services are being redeployed", members.len()),
        };
    }
    if count(Standing::Failed) > 0 {
        return Next::Over(Phase::Stopped);
    }
    let ready = members.iter().any(|member| is_ready(member, now));
    if ready {
        if let Some((again, why)) = closed(redeploy, policy, now) {
            return Next::Wait { again: again.min(WAITING), why };
        }
        return Next::Wave { size: policy.redeploy.waves.size(redeploy.waves) };
    }
    let deferred = members.iter().filter(|member| member.standing == Standing::Deferred);
    match deferred.clone().filter_map(|member| member.until).min() {
        Some(until) => Next::Wait {
            again: until.duration_since(now).clamp(SignedDuration::from_secs(1), WAITING),
            why: format!("{} of {} services wait", deferred.count(), members.len()),
        },
        None => Next::Over(Phase::Done),
    }
}

/// Whether it is this service's turn, or its wait is over.
pub fn is_ready(member: &Member, now: Timestamp) -> bool {
    match member.standing {
        Standing::Queued => true,
        Standing::Deferred => member.until.is_none_or(|until| until <= now),
        Standing::Moving | Standing::Fresh | Standing::Skipped | Standing::Proposed | Standing::Failed => {
            false
        }
    }
}

/// Why no wave may begin now, and when to look again. Who asks by hand has decided when.
fn closed(redeploy: &Redeploy, policy: &Policy, now: Timestamp) -> Option<(SignedDuration, String)> {
    if matches!(redeploy.cause, Cause::ByHand { .. }) {
        return None;
    }
    if let Some(frozen) = policy.frozen(now) {
        let again = frozen.until.map_or(WAITING, |until| until.duration_since(now));
        return Some((again, format!("nothing is changed {frozen}")));
    }
    if let Some(window) = policy.window(now) {
        let again = window.ends_at(now).map_or(WAITING, |ends| ends.duration_since(now));
        return Some((again, format!("the maintenance window {window} is open")));
    }
    let opens = policy.redeploy.opens(now);
    (now < opens)
        .then(|| (opens.duration_since(now), format!("waves begin when a window opens, at {opens:.0}")))
}

/// Whether every task runs with the new version, as far as it matters: what runs with the old one, and is left alone,
/// still needs it.
pub fn is_settled(members: &[Member]) -> bool {
    !members.is_empty()
        && members.iter().all(|member| match member.standing {
            Standing::Fresh => true,
            Standing::Skipped => !member.runs_old,
            Standing::Queued
            | Standing::Deferred
            | Standing::Moving
            | Standing::Proposed
            | Standing::Failed => false,
        })
}

#[cfg(test)]
mod tests;
