//! What the proxy does to a call, and to which.

use std::time::Duration;

use super::call::{Answer, Call, Protocol};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered as one too many, and does not reach AWS.
    Throttle,
    /// It is answered as not allowed, and does not reach AWS.
    Deny,
    /// It is answered with status 500, and does not reach AWS.
    InternalError,
    /// It is answered with status 503, and does not reach AWS.
    Unavailable,
    /// It reaches AWS this much later.
    Delay(Duration),
    /// Its connection is cut, and it does not reach AWS.
    CutBefore,
    /// It reaches AWS, but its connection is cut before the answer.
    CutAfter,
    /// It reaches AWS twice; the second answer is given.
    Repeat,
    /// It neither reaches AWS nor is answered, until the caller hangs up.
    Hang,
    /// It reaches AWS, but is not answered, until the caller hangs up.
    HangAfter,
}

/// To which of the calls that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// The first so many.
    First(usize),
    /// Only this one, counted from one.
    Nth(usize),
    /// So many in a thousand, by what is sent: a repetition of the same call is one of them, too.
    PerMille {
        /// How many.
        share: u64,
        /// Which.
        seed: u64,
    },
}

#[derive(Debug)]
pub(super) struct Rule {
    action: String,
    when: When,
    fault: Fault,
    met: usize,
}

impl Rule {
    pub(super) fn new(action: &str, when: When, fault: Fault) -> Self {
        Self { action: action.to_owned(), when, fault, met: 0 }
    }

    /// Counts the call if the rule is about it, and says what is done to it.
    pub(super) fn meets(&mut self, action: &str, body: &[u8]) -> Option<Fault> {
        if !covers(&self.action, action) {
            return None;
        }
        self.met += 1;
        let hit = match self.when {
            When::Always => true,
            When::First(count) => self.met <= count,
            When::Nth(nth) => self.met == nth,
            When::PerMille { share, seed } => mixed(body, seed) % 1_000 < share,
        };
        hit.then_some(self.fault)
    }
}

/// The same number for the same bytes and seed (FNV-1a).
fn mixed(bytes: &[u8], seed: u64) -> u64 {
    let begin = 0xcbf2_9ce4_8422_2325 ^ seed;
    let hash =
        bytes.iter().fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash >> 20
}

/// Whether a pattern (`ecs:UpdateService`, `ecs:*`, `*`) is about an action.
pub(super) fn covers(pattern: &str, action: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == action, |start| action.starts_with(start))
}

impl Fault {
    /// The answer that takes the place of AWS's own, as the service words it.
    pub(super) fn answer(self, call: &Call) -> Option<Answer> {
        Some(match (self, call.protocol) {
            (Self::Throttle, Protocol::Json | Protocol::Cbor) => {
                Answer::error(400, "ThrottlingException", "Rate exceeded")
            }
            (Self::Throttle, Protocol::Query) => Answer::error(400, "Throttling", "Rate exceeded"),
            (Self::Throttle, Protocol::Rest) => {
                Answer::error(429, "TooManyRequestsException", "Rate exceeded")
            }
            (Self::Throttle, Protocol::Xml) => {
                Answer::error(503, "SlowDown", "Please reduce your request rate.")
            }
            (Self::Deny, Protocol::Json | Protocol::Cbor) => {
                Answer::error(400, "AccessDeniedException", refusal(call))
            }
            (Self::Deny, Protocol::Query) if call.is("sns:*") => {
                Answer::error(403, "AuthorizationError", refusal(call))
            }
            (Self::Deny, Protocol::Query | Protocol::Xml) => {
                Answer::error(403, "AccessDenied", refusal(call))
            }
            (Self::Deny, Protocol::Rest) => Answer::error(403, "AccessDeniedException", refusal(call)),
            (Self::InternalError, _) => Answer::error(500, "InternalFailure", "An internal error occurred"),
            (Self::Unavailable, _) => Answer::error(503, "ServiceUnavailable", "The service is unavailable"),
            (
                Self::Delay(_)
                | Self::CutBefore
                | Self::CutAfter
                | Self::Repeat
                | Self::Hang
                | Self::HangAfter,
                _,
            ) => return None,
        })
    }
}

fn refusal(call: &Call) -> String {
    format!(
        "User is not authorized to perform: {} because no identity-based policy allows the action",
        call.action
    )
}
