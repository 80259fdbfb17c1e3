//! Whether the label is put back after a redeploy that failed.
//!
//! A redeploy changes nothing but the value of the secret: the image that runs is the image that stays. So where the very
//! first services fail and none succeeded, the new value is to blame. Where one succeeded, it is usable, and the fault is
//! that service's own.

use std::fmt;

use serde::Serialize;
use shared::ledger::redeploy::{Member, Redeploy, Standing};
use shared::ledger::rotation::{Rotation, State};
use shared::policy::PutBack;
use shared::strategy::Strategy;

use crate::event::CURRENT;
use crate::facts::Secret;

/// The label that Secrets Manager leaves on the version before.
const PREVIOUS: &str = "AWSPREVIOUS";

/// The label of a version that is being rotated in.
const PENDING: &str = "AWSPENDING";

/// Whether the label is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would help, and does no harm; whether it is done, the policy says.
    Helps {
        /// The version that the label goes back to.
        to: String,
        /// Whether the policy wants it done.
        do_it: bool,
    },
    /// It would not, and why.
    No(No),
}

/// Why the label is not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum No {
    /// It is not `AWSCURRENT` that moved.
    OtherLabel,
    /// The label has moved on.
    Superseded,
    /// No version carries `AWSPREVIOUS`.
    NoPrevious,
    /// The old value no longer works, or that is not known.
    OldIsGone,
    /// With this strategy the next rotation would take away what the label is put back to.
    TwoTokens,
    /// The label was put back to this version: the other one was found unusable.
    PutBackBefore,
    /// Another rotation has begun.
    Rotating,
    /// The version was not rotated in by the hook.
    NotOurs,
    /// Some services run with the new value.
    Usable,
    /// Nothing failed.
    NothingFailed,
    /// What failed was never deployed.
    NotTried,
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherLabel => "only AWSCURRENT is put back",
            Self::Superseded => "the label has moved on since",
            Self::NoPrevious => "no version carries AWSPREVIOUS",
            Self::OldIsGone => "the secret's strategy does not keep the old value usable, so putting the label back would help nobody",
            Self::TwoTokens => "the next rotation of an AUTH token would take the older one away",
            Self::PutBackBefore => "it was put back to this version before",
            Self::Rotating => "another rotation has begun, which may have taken the old value away",
            Self::NotOurs => "the hook did not rotate this version in, so nothing says that the old value still works",
            Self::Usable => "other services run with the new value, so it is usable",
            Self::NothingFailed => "nothing failed",
            Self::NotTried => "no service was deployed with the new value, so nothing speaks against it",
        })
    }
}

/// Whether the label is put back.
pub fn decide(
    redeploy: &Redeploy,
    members: &[Member],
    secret: &Secret,
    rotation: Option<&Rotation>,
    policy: PutBack,
) -> Verdict {
    let no = |why| Verdict::No(why);
    let any = |standing| members.iter().any(|member| member.standing == standing);
    if !any(Standing::Failed) {
        return no(No::NothingFailed);
    }
    if redeploy.label != CURRENT {
        return no(No::OtherLabel);
    }
    if secret.version(CURRENT) != Some(redeploy.version.as_str()) {
        return no(No::Superseded);
    }
    // Only what began with this redeploy tells: whoever was fresh before it says nothing of the new value.
    if members.iter().any(|member| member.standing == Standing::Fresh && member.wave.is_some()) {
        return no(No::Usable);
    }
    // A call that was refused says nothing of the value.
    if !members.iter().any(|member| member.standing == Standing::Failed && member.wave.is_some()) {
        return no(No::NotTried);
    }
    let Some(to) = secret.version(PREVIOUS) else {
        return no(No::NoPrevious);
    };
    // What is put back once is not put forth again.
    if redeploy.holds_before.is_some() {
        return no(No::PutBackBefore);
    }
    // The next rotation may have taken the value before away already.
    if secret.version(PENDING).is_some_and(|pending| pending != redeploy.version) {
        return no(No::Rotating);
    }
    // Only of a version that our own hook rotated in is it known that the one before still works.
    let ours = rotation.is_some_and(|rotation| {
        rotation.version == redeploy.version && matches!(rotation.state, State::Rotated | State::Settled)
    });
    if !ours && matches!(secret.strategy(), Some(Strategy::PostgresAlternating | Strategy::ValkeyUser)) {
        return no(No::NotOurs);
    }
    match secret.strategy() {
        Some(Strategy::PostgresAlternating | Strategy::ValkeyUser) => {
            Verdict::Helps { to: to.to_owned(), do_it: policy == PutBack::WhenSafe }
        }
        Some(Strategy::ValkeyAuthToken) => no(No::TwoTokens),
        Some(Strategy::Postgres | Strategy::Random) | None => no(No::OldIsGone),
    }
}

#[cfg(test)]
mod tests;
