//! What a request may do, and what its sender is told. No clock, no network, no failure.
//!
//! A link only ever shows: chat clients follow each one to draw a preview. Only the form on its page acknowledges.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use shared::acknowledge::{Named, Refusal};
use shared::ledger::activity::{Acknowledged, Acknowledgement, Activity};
use shared::notice::{ACKNOWLEDGED_BY, Notice, State, Subject};

use crate::request::{Listing, Method};

/// What is over is told of for so long where nobody says since when, and so much of it at most.
const LATELY: SignedDuration = SignedDuration::from_hours(24);
const MOST_OVER: usize = 50;

/// The same where somebody says since when.
const MOST_OVER_SINCE: usize = 500;

/// What a request asks of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Show the incident that the link names.
    Show(Named),
    /// Write down who has it in hand.
    Write {
        /// What the link names.
        named: Named,
        /// Who.
        by: String,
    },
    /// Nothing: the answer stands.
    Answer(Verdict),
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, and nobody has it in hand.
    Open(Activity),
    /// It goes on, and somebody has it in hand.
    Held(Activity),
    /// The sender has it in hand.
    Done(Activity),
    /// Somebody else was first.
    Before(Activity),
    /// It does not go on any more.
    Over(Activity),
    /// There is no such incident.
    Unknown,
    /// The link was not made by us.
    Forged,
    /// The link is too old.
    Expired,
    /// The form cannot be used, for this reason.
    Odd(&'static str),
    /// Nothing is answered to this method.
    Method,
}

impl Verdict {
    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Open(_) | Self::Held(_) | Self::Done(_) | Self::Before(_) | Self::Over(_) => 200,
            Self::Odd(_) => 400,
            Self::Forged => 403,
            Self::Unknown => 404,
            Self::Method => 405,
            Self::Expired => 410,
        }
    }

    /// The outcome in the report, and in the answer to a request by hand.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Open(_) | Self::Held(_) => "shown",
            Self::Done(_) => "acknowledged",
            Self::Before(_) => "before",
            Self::Over(_) => "over",
            Self::Unknown => "unknown",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Odd(_) | Self::Method => "refused",
        }
    }

    /// The reason in the report.
    pub fn reason(&self) -> String {
        let who = |activity: &Activity| match &activity.acknowledged {
            Some(Acknowledged { by, at }) => format!("{by} has it in hand since {at}"),
            None => "nobody has it in hand".to_owned(),
        };
        match self {
            Self::Open(activity) | Self::Held(activity) | Self::Done(activity) => who(activity),
            Self::Before(activity) => format!("somebody else was first: {}", who(activity)),
            Self::Over(activity) => format!("it is over since {}", activity.since),
            Self::Unknown => "no such incident is known".to_owned(),
            Self::Forged => "the link was not made by us, or only a part of it came".to_owned(),
            Self::Expired => "the link is too old".to_owned(),
            Self::Odd(why) => (*why).to_owned(),
            Self::Method => "only GET, HEAD and POST are answered".to_owned(),
        }
    }

    /// The incident that it is about, where there is one.
    pub const fn activity(&self) -> Option<&Activity> {
        match self {
            Self::Open(activity)
            | Self::Held(activity)
            | Self::Done(activity)
            | Self::Before(activity)
            | Self::Over(activity) => Some(activity),
            Self::Unknown | Self::Forged | Self::Expired | Self::Odd(_) | Self::Method => None,
        }
    }
}

/// What a request asks of the ledger, by its method, who sent its form, and what its link names.
pub fn decide(method: Method, name: Result<String, &'static str>, link: Result<Named, Refusal>) -> Step {
    let named = match (method, link) {
        (Method::Other, _) => return Step::Answer(Verdict::Method),
        (Method::Get | Method::Head | Method::Post, Err(Refusal::Forged)) => {
            return Step::Answer(Verdict::Forged);
        }
        (Method::Get | Method::Head | Method::Post, Err(Refusal::Expired)) => {
            return Step::Answer(Verdict::Expired);
        }
        (Method::Get | Method::Head, Ok(named)) => return Step::Show(named),
        (Method::Post, Ok(named)) => named,
    };
    match name {
        Ok(by) => Step::Write { named, by },
        Err(why) => Step::Answer(Verdict::Odd(why)),
    }
}

/// What is shown of an incident to whoever follows this link, and is acknowledged only where it goes on.
pub fn shown(named: &Named, activity: Option<Activity>) -> Verdict {
    match activity {
        None => Verdict::Unknown,
        // What fires now is not what the link was made for.
        Some(activity) if named.was_made_before(activity.started) => Verdict::Expired,
        Some(activity) if activity.state != State::Firing => Verdict::Over(activity),
        Some(activity) if activity.acknowledged.is_some() => Verdict::Held(activity),
        Some(activity) => Verdict::Open(activity),
    }
}

/// What came of an acknowledgement.
pub fn written(acknowledgement: Acknowledgement) -> Verdict {
    match acknowledgement {
        Acknowledgement::Done(activity) => Verdict::Done(activity),
        Acknowledgement::Before(activity) => Verdict::Before(activity),
        Acknowledgement::Over(activity) => Verdict::Over(activity),
        Acknowledgement::Unknown => Verdict::Unknown,
    }
}

/// What people are told of it, where there is something new. A repetition makes the same notice, which nobody hears of
/// twice; so it is published again where the first publishing may have failed.
pub fn notice(verdict: &Verdict, environment: &str) -> Option<Notice> {
    let activity = match verdict {
        Verdict::Done(activity) => activity,
        Verdict::Open(_)
        | Verdict::Held(_)
        | Verdict::Before(_)
        | Verdict::Over(_)
        | Verdict::Unknown
        | Verdict::Forged
        | Verdict::Expired
        | Verdict::Odd(_)
        | Verdict::Method => return None,
    };
    let Acknowledged { by, at } = activity.acknowledged.as_ref()?;
    let label = |name: &str| activity.labels.get(name).cloned().unwrap_or_default();
    let subject = Subject { kind: label("kind"), id: label("subject"), arn: None };
    let title = format!("{by} has acknowledged: {}", activity.title);
    let mut notice = Notice::new(&activity.incident, State::Info, activity.severity, subject, &title, *at);
    // It goes where the incident went.
    let or = |label: String, otherwise: &str| if label.is_empty() { otherwise.to_owned() } else { label };
    notice.source = or(label("source"), "acknowledge");
    notice.environment = or(label("environment"), environment);
    notice.summary = format!("{by} has it in hand. Nobody else is called while it goes on.");
    notice.started = Some(activity.started);
    notice.labels.clone_from(&activity.labels);
    notice.labels.insert(ACKNOWLEDGED_BY.to_owned(), by.clone());
    notice.fact("Acknowledged by", by);
    Some(notice)
}

/// Which incidents are told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// What goes on, the worst and then the oldest first.
    pub firing: Vec<Activity>,
    /// What is over, where it is asked for, the newest end first.
    pub over: Vec<Activity>,
    /// How many more were over in that time.
    pub omitted: usize,
}

/// Which of all incidents are told of.
pub fn listed(all: Vec<Activity>, listing: Listing, now: Timestamp) -> Listed {
    let (mut firing, mut over): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|activity| activity.state == State::Firing);
    let lately = || now.saturating_sub(LATELY).unwrap_or(Timestamp::MIN);
    let (since, most) = match listing.since {
        Some(since) => (since, MOST_OVER_SINCE),
        None => (lately(), MOST_OVER),
    };
    over.retain(|activity| listing.over && since < activity.since);
    over.sort_by_key(|activity| Reverse(activity.since));
    let omitted = over.len().saturating_sub(most);
    over.truncate(most);
    firing.sort_by_key(|activity| (activity.severity, activity.started));
    Listed { firing, over, omitted }
}

#[cfg(test)]
mod tests;
