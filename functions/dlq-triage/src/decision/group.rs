//! How a group of letters is sent back: a canary first, then ever more, and no more when they return.
//!
//! ```text
//! (nothing) ─▶ canary: a few are sent ─▶ ramp: ever more are sent ─▶ done: none are left
//!                      │                        │
//!                      └── they return ─────────┴─▶ aborted: left alone for a while
//! ```

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::policy::dlq::{self, Verdict};

/// What could not be sent is tried so often.
const TRIES: u32 = 3;

/// A function of five minutes that fails three times, and the pauses between.
const ELSEWHERE: SignedDuration = SignedDuration::from_mins(20);

/// From one run to the next, so many times more are sent.
const GROWTH: u64 = 4;

/// While more and more are sent, one that returns is no proof; so many are, and a tenth of what was sent.
const RETURNED: u64 = 3;

/// A redrive of one group: how far it is. It stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The operation's id; the letters that are sent carry it.
    pub id: String,
    /// When it began: what arrived later is left alone.
    pub began: Timestamp,
    /// Who asked for it; nobody, where it began by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// How many letters were sent for certain.
    pub sent: u64,
    /// How many of them returned.
    pub returned: u64,
    /// How often something was to be sent, one time after the other, and nothing could be.
    pub tries: u32,
    /// Which redrive of the group it is, of those that began by themselves one after the other.
    #[serde(default)]
    pub round: u32,
}

/// How far a redrive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A few were sent. Whether they return is known then.
    Canary {
        /// When.
        until: Timestamp,
    },
    /// They did not return: more and more are sent. Whether the last of them return is known then.
    Ramp {
        /// When.
        until: Timestamp,
    },
    /// They returned.
    Aborted {
        /// When that was noticed.
        at: Timestamp,
    },
    /// None are left.
    Done {
        /// When that was noticed.
        at: Timestamp,
    },
}

impl Redrive {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Canary { .. } | Phase::Ramp { .. })
    }
}

/// What was seen of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Why its letters died.
    pub verdict: Verdict,
    /// How many there are, apart from those that returned.
    pub waiting: u64,
    /// How many there are that the redrive under way sent, or that died of the same since it began.
    pub returned: u64,
    /// Whether that is the whole queue: of a larger one, only a part was looked at.
    pub whole: bool,
    /// Whether there is a way back for its letters.
    pub has_way: bool,
}

/// Why nothing is sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Still {
    /// The letters do not die of something that passes.
    NotTransient,
    /// There is no way back.
    NoWay,
    /// The policy wants to be asked.
    NotAutomatic,
    /// Nothing may be done: the mode, a freeze or a maintenance window.
    MayNotAct(String),
    /// Letters returned not long ago.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// All were sent back by this redrive already, and what is there arrived later.
    NoneLeft,
    /// Only a part of the queue could be looked at, so that nobody would see them return.
    TooMany,
}

/// What is done with a group now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing, and why.
    Leave(Still),
    /// A canary is sent: so many letters.
    Canary {
        /// How many.
        room: u64,
    },
    /// It is not known yet whether the canary returns.
    Wait {
        /// When it is.
        until: Timestamp,
    },
    /// So many more are sent.
    Send {
        /// How many.
        room: u64,
    },
    /// The letters return: no more are sent.
    Abort,
    /// None are left.
    Finish,
}

impl Step {
    /// How many letters may be sent now; nothing where no redrive is under way that sends any, now or later.
    #[must_use]
    pub const fn room(&self) -> Option<u64> {
        match self {
            Self::Canary { room } | Self::Send { room } => Some(*room),
            Self::Wait { .. } => Some(0),
            Self::Leave(_) | Self::Abort | Self::Finish => None,
        }
    }
}

/// How many are sent next, after so many did not return.
#[must_use]
pub fn next_room(sent: u64, canary: u32) -> u64 {
    sent.max(u64::from(canary)).saturating_mul(GROWTH)
}

/// What is done with a group now. `refused` says why nothing may be done by itself, if so.
#[must_use]
pub fn step(
    redrive: Option<&Redrive>,
    seen: &Seen,
    policy: &dlq::Redrive,
    refused: Option<&str>,
    now: Timestamp,
) -> Step {
    let Some(redrive) = redrive.filter(|redrive| is_about_now(redrive, policy, now)) else {
        return begin(seen, policy, refused);
    };
    // Whoever asked for it by hand had nobody's leave to ask; what they began is not stopped half-way.
    let refused = refused.filter(|_| redrive.by.is_none());
    match &redrive.phase {
        Phase::Canary { until } | Phase::Ramp { until } if now < *until => Step::Wait { until: *until },
        // It was sent after all, by a run that could not write it down, or others died of the same: nothing is better.
        Phase::Canary { .. } if redrive.sent == 0 && seen.returned > 0 => Step::Abort,
        Phase::Canary { .. } if redrive.sent == 0 => {
            if redrive.tries < TRIES && seen.waiting > 0 && refused.is_none() {
                Step::Canary { room: u64::from(policy.canary) }
            } else if let (Some(why), true) = (refused, seen.waiting > 0) {
                Step::Leave(Still::MayNotAct(why.to_owned()))
            } else if seen.waiting == 0 && !seen.whole {
                Step::Leave(Still::TooMany)
            } else if seen.waiting > 0 {
                // It cannot be sent, again and again: somebody has to look at it.
                Step::Abort
            } else {
                Step::Finish
            }
        }
        // Of a few, half are proof enough.
        Phase::Canary { .. } if redrive.sent <= seen.returned.saturating_mul(2) => Step::Abort,
        Phase::Ramp { .. }
            if RETURNED <= seen.returned && redrive.sent <= seen.returned.saturating_mul(10) =>
        {
            Step::Abort
        }
        Phase::Canary { .. } | Phase::Ramp { .. } if seen.waiting == 0 && seen.whole => Step::Finish,
        // More cannot be sent, again and again: somebody has to look at it.
        Phase::Ramp { .. } if TRIES <= redrive.tries => Step::Abort,
        Phase::Canary { .. } | Phase::Ramp { .. } => match refused {
            Some(why) => Step::Leave(Still::MayNotAct(why.to_owned())),
            None if !seen.whole && redrive.by.is_none() => Step::Leave(Still::TooMany),
            None => Step::Send { room: next_room(redrive.sent, policy.canary) },
        },
        Phase::Aborted { at } => {
            Step::Leave(Still::Held { until: at.saturating_add(policy.hold).unwrap_or(*at) })
        }
        Phase::Done { at } if redrive.by.is_none() && policy.at_most <= redrive.round => {
            Step::Leave(Still::Held { until: at.saturating_add(policy.hold).unwrap_or(*at) })
        }
        Phase::Done { .. } => Step::Leave(Still::NoneLeft),
    }
}

/// Whether a redrive still says what to do: one that is done says nothing of what arrived since, and one that was
/// aborted is forgotten after a while.
fn is_about_now(redrive: &Redrive, policy: &dlq::Redrive, now: Timestamp) -> bool {
    match redrive.phase {
        Phase::Canary { .. } | Phase::Ramp { .. } => true,
        Phase::Aborted { at } => now.duration_since(at) < policy.hold,
        // What comes back each time is sent back only so often, also where it bears no mark.
        Phase::Done { at } if redrive.by.is_none() && policy.at_most <= redrive.round => {
            now.duration_since(at) < policy.hold
        }
        Phase::Done { at } => now.duration_since(at) < policy.patience,
    }
}

fn begin(seen: &Seen, policy: &dlq::Redrive, refused: Option<&str>) -> Step {
    let still = if seen.verdict != Verdict::Transient {
        Still::NotTransient
    } else if !seen.has_way {
        Still::NoWay
    } else if !policy.automatic {
        Still::NotAutomatic
    } else if !seen.whole {
        Still::TooMany
    } else if let Some(why) = refused {
        Still::MayNotAct(why.to_owned())
    } else {
        return Step::Canary { room: u64::from(policy.canary) };
    };
    Step::Leave(still)
}

/// How long it takes for what was sent to die again: in a queue, its visibility time out so often as it may be received;
/// in a function, two more tries, a minute and two minutes later (Lambda developer guide, "Asynchronous invocation"), each
/// of which may take long. At least what the policy says, and at most a day.
#[must_use]
pub fn patience(policy: &dlq::Redrive, source: Option<(SignedDuration, u32)>) -> SignedDuration {
    let lasts = match source {
        Some((visibility, receives)) => {
            visibility.saturating_mul(i32::try_from(receives).unwrap_or(i32::MAX))
        }
        None => ELSEWHERE,
    };
    lasts.max(policy.patience).min(SignedDuration::from_hours(24))
}

#[cfg(test)]
mod tests;
