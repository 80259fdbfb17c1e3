//! What to do about a notice on a channel, what an answer means, and what becomes of the message it came in.
//! No clock, no network, no failure.

pub mod dedup;
pub mod escalate;
pub mod explain;
pub mod flapping;
pub mod group;
pub mod mute;
pub mod route;
pub mod silence;

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use shared::notice::{self, Notice};

use crate::decision::dedup::{News, Told, carries_news, news};
use crate::decision::route::Standing;
use crate::delivery::{Delivery, State};
use crate::group::Kind;

/// The longest pause before a channel is tried again: it keeps a day-long `Retry-After` from outliving the message.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// The pause after a first failure; every further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Less time than this is not worth beginning a delivery with.
pub(crate) const LEAST_TIME: Duration = Duration::from_secs(1);

/// What is known of one notice on one channel.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The notice.
    pub notice: &'a Notice,
    /// The queue's id of the message that brought the notice.
    pub message: &'a str,
    /// Why the channel has no use for such a notice, where it has none.
    pub useless: Option<&'static str>,
    /// What the ledger holds of this delivery.
    pub held: Option<&'a Delivery>,
    /// What the channel was last told of the incident.
    pub told: Option<&'a Told>,
    /// Until when others have earlier notices of the incident in hand for this channel. It is asked for only where it
    /// matters: see [`Verdict::Unheard`].
    pub earlier: &'a [Timestamp],
    /// Whether the incident is known to be over by a later notice.
    pub over: bool,
    /// Whether the channel is told that something is over.
    pub resolved: bool,
    /// Whether it is told now, later or not, as the routes say.
    pub standing: &'a Standing,
    /// Whether the route groups it with others.
    pub grouped: bool,
    /// When the incident counts as calm, while it flaps.
    pub calm_at: Option<Timestamp>,
    /// Until when the channel asked not to be sent anything, as this process knows it.
    pub quiet_until: Option<Timestamp>,
    /// What is left of the invocation, without the margin for writing down what happened.
    pub time_left: Duration,
}

/// What to do about one notice on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Claim it and send it, if it is the channel's turn.
    Deliver,
    /// Let it wait with others.
    Join {
        /// Why.
        kind: Kind,
        /// When they are due, where the route does not say it.
        due: Option<Timestamp>,
        /// In words.
        why: String,
    },
    /// It waits with others already.
    Joined {
        /// The group's id.
        group: String,
    },
    /// The channel has it, or a later state of the same incident.
    AlreadyDelivered,
    /// The incident is over, or the channel was told so; telling its beginning now would mislead.
    Overtaken,
    /// It is over, and the channel never heard that it began, unless somebody has that in hand.
    Unheard,
    /// It is over, and the channel is not told that; it is remembered, so that a new beginning is told.
    Unwanted,
    /// It is not told here.
    NotTold {
        /// Why.
        why: String,
    },
    /// The channel refused it when this same message came before, and the dead-letter queue has it.
    RefusedBefore,
    /// The channel is not to be sent anything before then.
    WaitUntil(Timestamp),
    /// Another invocation has it in hand, at the latest until then.
    InHand(Timestamp),
    /// The invocation is nearly over: another has to begin it.
    NoTime,
}

/// What to do about one notice on one channel.
#[must_use]
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Verdict {
    if let Some(why) = facts.useless {
        return Verdict::NotTold { why: why.to_owned() };
    }
    match facts.held.map(|held| &held.state) {
        Some(State::Acknowledged | State::AcceptedUnverified) => return Verdict::AlreadyDelivered,
        // Sending a dead letter back to the queue gives it a new id; the same id is only the same message again.
        Some(State::Failed { message }) if message == facts.message => return Verdict::RefusedBefore,
        Some(State::InFlight { deadline, .. }) if now < *deadline => return Verdict::InHand(*deadline),
        Some(State::Joined { group }) => return Verdict::Joined { group: group.clone() },
        Some(State::Failed { .. } | State::InFlight { .. } | State::Pending { .. }) | None => {}
    }
    let join = |kind, due, why: &str| Verdict::Join { kind, due, why: why.to_owned() };
    // What waits with others is replaced by its own end, and is forgotten when it is told; so nothing of it is decided
    // before that.
    let waits_with_others = facts.grouped || matches!(facts.standing, Standing::Hold { .. });
    match news(facts.told, facts.notice, facts.resolved) {
        News::Known => return Verdict::AlreadyDelivered,
        News::Overtaken => return Verdict::Overtaken,
        // Nobody has to get up for what is over; what Watchkeeper did is told all the same.
        News::Tell
            if facts.over && facts.notice.state == notice::State::Firing && !carries_news(facts.notice) =>
        {
            return Verdict::Overtaken;
        }
        News::Unheard if !waits_with_others => match facts.earlier.iter().max() {
            None => return Verdict::Unheard,
            Some(until) if now < *until => return Verdict::InHand(*until),
            // Whoever was to tell it died over it: it may have been heard.
            Some(_) => {}
        },
        News::Unwanted if !waits_with_others => return Verdict::Unwanted,
        News::Unheard | News::Unwanted | News::Tell => {}
    }
    match facts.standing {
        Standing::Drop { why } => return Verdict::NotTold { why: why.clone() },
        Standing::Hold { until, why } => {
            return Verdict::Join { kind: Kind::Held, due: Some(*until), why: why.clone() };
        }
        Standing::Tell if facts.grouped => return join(Kind::Route, None, "its route groups it with others"),
        Standing::Tell => {}
    }
    if let Some(calm) = facts.calm_at.filter(|_| facts.notice.state != notice::State::Info) {
        return join(Kind::Flapping, Some(calm), "it comes and goes; it is told when it is calm");
    }
    let asked = match facts.held.map(|held| &held.state) {
        Some(State::Pending { not_before, .. }) => Some(*not_before),
        Some(_) | None => None,
    };
    if let Some(until) = asked.max(facts.quiet_until).filter(|until| now < *until) {
        return Verdict::WaitUntil(until);
    }
    if facts.time_left < LEAST_TIME { Verdict::NoTime } else { Verdict::Deliver }
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// Whether it calls its body JSON.
    pub json: bool,
    /// The beginning of its body.
    pub body: String,
}

/// What an answer means. The reasons are words of ours and the receiver's error code, never its text: that may
/// repeat what it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It has the notice.
    Acknowledged,
    /// It took the notice, and says nothing about whether it could use it.
    Accepted,
    /// It does not like how the message is built; a plainer one may pass.
    Simplify(String),
    /// Not now; after this long, where it says so.
    Later {
        /// What `Retry-After` asks for.
        after: Option<Duration>,
        /// Whether nothing at all may be sent to it until then.
        quiet: bool,
        /// What it answered.
        why: String,
    },
    /// Never.
    Refused(String),
}

impl Meaning {
    /// Whether the channel has it.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::Accepted)
    }
}

/// What Slack's answer to an incoming webhook means: only the status 200 with the body `ok` is success; every
/// other body is an error code in plain text, or JSON where an API method or a gateway answers.
#[must_use]
pub fn slack(reply: &Reply, now: Timestamp) -> Meaning {
    if reply.status == 200 && reply.body == "ok" {
        return Meaning::Acknowledged;
    }
    if let Some(later) = not_now(reply, now) {
        return later;
    }
    let parsed: Option<Value> = serde_json::from_str(&reply.body).ok();
    if let Some(Value::Object(answer)) = &parsed {
        if reply.status == 200 && answer.get("ok") == Some(&Value::Bool(true)) {
            return Meaning::Accepted;
        }
        let code = answer.get("error").and_then(Value::as_str).and_then(code);
        return slack_error(reply.status, code.as_deref(), false, now, reply);
    }
    // Cut short on its way: Slack itself answers with whole JSON.
    if reply.status == 200 && reply.json {
        return later(reply, now, false, "200 with JSON that cannot be read".to_owned());
    }
    let misbuilt = reply.body.contains("[json-pointer:") || reply.body.contains("must be less than");
    slack_error(reply.status, code(&reply.body).as_deref(), misbuilt, now, reply)
}

fn slack_error(status: u16, code: Option<&str>, misbuilt: bool, now: Timestamp, reply: &Reply) -> Meaning {
    let why = code.map_or_else(|| status.to_string(), |code| format!("{status} {code}"));
    match code {
        Some("ratelimited" | "rate_limited" | "message_limit_exceeded") => later(reply, now, true, why),
        Some(
            "fatal_error"
            | "internal_error"
            | "request_timeout"
            | "rollup_error"
            | "service_unavailable"
            | "team_added_to_org",
        ) => later(reply, now, false, why),
        Some(
            "invalid_attachments"
            | "invalid_blocks"
            | "invalid_blocks_format"
            | "invalid_payload"
            | "msg_blocks_too_long"
            | "msg_too_long"
            | "too_many_attachments",
        ) => Meaning::Simplify(why),
        Some(_) | None if misbuilt => {
            Meaning::Simplify(format!("{status}: a part of the message breaks a limit"))
        }
        Some(_) | None if status == 413 => Meaning::Simplify(why),
        Some(_) => Meaning::Refused(why),
        None => Meaning::Refused(refusal(status)),
    }
}

/// An error code as Slack writes them: one word of small letters, digits and underscores.
pub(crate) fn code(text: &str) -> Option<String> {
    let word = text.trim();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    (!word.is_empty() && word.len() <= 60 && word.chars().all(plain)).then(|| word.to_owned())
}

/// What a generic receiver's answer means: any 2xx is success, and 202 by its own definition only acceptance.
#[must_use]
pub fn webhook(reply: &Reply, now: Timestamp) -> Meaning {
    match reply.status {
        202 => Meaning::Accepted,
        200..=299 => Meaning::Acknowledged,
        status => not_now(reply, now).unwrap_or_else(|| Meaning::Refused(refusal(status))),
    }
}

/// The statuses that mean "try again": 408 Request Timeout, 425 Too Early, 429 Too Many Requests, and the 5xx.
pub(crate) fn not_now(reply: &Reply, now: Timestamp) -> Option<Meaning> {
    match reply.status {
        429 => Some(later(reply, now, true, "429".to_owned())),
        status @ (408 | 425 | 500..=599) => Some(later(reply, now, false, status.to_string())),
        _ => None,
    }
}

pub(crate) fn later(reply: &Reply, now: Timestamp, quiet: bool, why: String) -> Meaning {
    let after = reply.retry_after.as_deref().and_then(|header| retry_after(header, now));
    Meaning::Later { after, quiet, why }
}

pub(crate) fn refusal(status: u16) -> String {
    match status {
        300..=399 => format!("{status}: redirects are not followed"),
        status => status.to_string(),
    }
}

/// `Retry-After` as RFC 9110 (10.2.3) has it: seconds, or a date.
#[must_use]
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to hold still asks for the longest pause.
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let then = DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

/// How long to leave a channel alone after its `attempts`-th failure: what it asks for, else twice as long each
/// time. The seed spreads deliveries that failed together, so that they do not come back together.
#[must_use]
pub fn pause(asked: Option<Duration>, attempts: u32, seed: u64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    let base = asked.unwrap_or(doubled).clamp(Duration::from_secs(1), LONGEST_PAUSE);
    let spread = Duration::from_millis(seed % (base.as_secs() * 250 + 1));
    (base + spread).min(LONGEST_PAUSE)
}

/// The same number for the same text.
#[must_use]
pub fn seed(text: &str) -> u64 {
    text.bytes().fold(17, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// A time so much later.
#[must_use]
pub fn after(now: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| now.checked_add(pause).ok())
        .unwrap_or(Timestamp::MAX)
}

/// What came of one notice on one channel, in this invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Sent, and acknowledged.
    Acknowledged,
    /// Sent, and accepted without a word on whether it could be used.
    AcceptedUnverified,
    /// The channel had it.
    AlreadyDelivered,
    /// The channel was told a later end of the incident.
    Overtaken,
    /// It is over, and the channel never heard that it began.
    Unheard,
    /// It was refused when this message came before.
    RefusedBefore,
    /// It waits with others, and is told with them.
    Joined {
        /// The group's id.
        group: String,
        /// When they are due, as far as this message knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
        /// Why.
        why: String,
    },
    /// It is not told here.
    NotTold {
        /// Why.
        why: String,
    },
    /// Refused for good here, and told on another channel.
    Rerouted {
        /// Which one.
        to: String,
        /// What the first one answered.
        why: String,
    },
    /// Refused for good, and put into the dead-letter queue.
    DeadLettered {
        /// What the channel answered.
        why: String,
    },
    /// Not yet: not before then.
    Waits {
        /// When to try again.
        until: Timestamp,
        /// What it waits for.
        why: String,
    },
}

impl Outcome {
    /// Why, where there is more to say than the outcome itself.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::DeadLettered { why }
            | Self::Waits { why, .. }
            | Self::Joined { why, .. }
            | Self::NotTold { why }
            | Self::Rerouted { why, .. } => why,
            Self::Acknowledged
            | Self::AcceptedUnverified
            | Self::AlreadyDelivered
            | Self::Overtaken
            | Self::Unheard
            | Self::RefusedBefore => "",
        }
    }
}

/// What becomes of a message, of all that came of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing is left to do.
    Done,
    /// It has to come again, after this long.
    GiveBack(Duration),
}

/// What becomes of a message: it comes again as soon as the first of its channels may be tried.
#[must_use]
pub fn settle<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, now: Timestamp) -> Settlement {
    let first = outcomes
        .into_iter()
        .filter_map(|outcome| match outcome {
            Outcome::Waits { until, .. } => Some(*until),
            Outcome::Acknowledged
            | Outcome::AcceptedUnverified
            | Outcome::AlreadyDelivered
            | Outcome::Overtaken
            | Outcome::Unheard
            | Outcome::RefusedBefore
            | Outcome::Joined { .. }
            | Outcome::NotTold { .. }
            | Outcome::Rerouted { .. }
            | Outcome::DeadLettered { .. } => None,
        })
        .min();
    match first {
        Some(until) => {
            let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            Settlement::GiveBack(left.min(LONGEST_PAUSE))
        }
        None => Settlement::Done,
    }
}

#[cfg(test)]
mod tests;
