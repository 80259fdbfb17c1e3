//! What events have lost, and which rotations do not get on.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::redeploy::{Label, Member, Redeploy};
use shared::ledger::rotation::{Rotation, State};

use super::later;
use crate::event::{CURRENT, Moved};
use crate::facts::{Rollout, Secret, Service};

/// A rotation may come this much later than its date: Secrets Manager names a day, and tries more than once.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// A rotation takes minutes. One that has left its label behind for as long is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// The message of a redeploy that should have been looked at this long ago is lost.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// What follows from where a secret's label stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is seen for the first time: from now on its moves are known.
    New(Label),
    /// It moved, and no event told of it.
    Lost(Moved),
    /// It stands where it stood.
    Known(Label),
    /// No version carries it.
    Nothing,
}

/// What follows from where the label that applications read stands.
pub fn label(secret: &Secret, known: Option<&Label>, now: Timestamp) -> Found {
    let Some(version) = secret.version(CURRENT) else {
        return Found::Nothing;
    };
    // No earlier than the move: whatever changed last, the label moved before.
    let at = secret.changed_at.unwrap_or(now);
    match known {
        None => Found::New(Label::after(None, version, at)),
        Some(known) if known.version == version => Found::Known(known.clone()),
        Some(_) => Found::Lost(Moved {
            secret: secret.arn.clone(),
            label: CURRENT.to_owned(),
            version: Some(version.to_owned()),
            at,
        }),
    }
}

/// What is wrong with a secret's rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It should have been rotated by then.
    Overdue {
        /// When.
        due: Timestamp,
    },
    /// `AWSPENDING` stands on a version that never became current.
    Stuck {
        /// Which.
        version: String,
        /// Since when, at least.
        since: Timestamp,
    },
}

impl Trouble {
    /// Since when; the same whenever it is asked.
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Overdue { due } => *due,
            Self::Stuck { since, .. } => *since,
        }
    }
}

/// What is wrong with a secret's rotation now.
pub fn trouble(secret: &Secret, now: Timestamp) -> Option<Trouble> {
    let changed = secret.changed_at.unwrap_or(now);
    let pending = secret.version("AWSPENDING").filter(|pending| secret.version(CURRENT) != Some(pending));
    if let Some(version) = pending.filter(|_| later(changed, STUCK_AFTER) <= now) {
        return Some(Trouble::Stuck { version: version.to_owned(), since: changed });
    }
    let due = secret.next_rotation.filter(|_| secret.rotates == Some(true))?;
    (later(due, GRACE) <= now).then_some(Trouble::Overdue { due })
}

/// Whether a redeploy's message is lost.
pub fn is_lost(redeploy: &Redeploy, now: Timestamp) -> bool {
    !redeploy.phase.is_over() && later(redeploy.next.unwrap_or(redeploy.began), LOST_AFTER) <= now
}

/// Where no watched service uses a secret, whoever does has this long to read it anew.
const NOBODY_KNOWN: SignedDuration = SignedDuration::from_hours(24);

/// Whether everybody has the new version, as far as is known. `has_it` says whether a service that was left alone when
/// the label moved has it by now.
pub fn is_settled(
    members: &[Member],
    label: &Label,
    has_it: impl Fn(&Member) -> bool,
    now: Timestamp,
) -> bool {
    if members.is_empty() {
        return later(label.at, NOBODY_KNOWN) <= now;
    }
    members.iter().all(|member| member.standing.is_over() && (!member.runs_old || has_it(member)))
}

/// Whether the hook rotated this version in, and still has to hear that every dependant has it. That it came to its end may
/// not have been written down; that it is settled was.
pub fn is_unsettled(rotation: Option<&Rotation>, version: &str) -> bool {
    rotation.is_some_and(|rotation| rotation.state != State::Settled && rotation.version == version)
}

/// Whether tasks of this service may be older than the move, so that a look at them is worth it.
pub fn may_be_stale(service: &Service, moved: Timestamp) -> bool {
    let deployed_since = service.primary().is_some_and(|primary| {
        primary.rollout != Some(Rollout::Failed) && primary.created_at.is_some_and(|created| moved < created)
    });
    service.active && (service.desired > 0 || service.running > 0) && !deployed_since
}

/// Whether people heard of this service when the label moved.
pub fn was_a_member(service: &Service, members: &[Member]) -> bool {
    members.iter().any(|member| member.target == service.target)
}

#[cfg(test)]
mod tests;
