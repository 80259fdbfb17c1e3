//! Who is called when nobody acknowledges.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::Activity;
use shared::notice::State;
use shared::policy::notify::{Call, Notify, Person, Rotation};

/// What the escalation of an incident does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, and nothing later.
    Over {
        /// Why.
        why: &'static str,
    },
    /// Nothing before then.
    Wait {
        /// When to look again.
        until: Timestamp,
    },
    /// Somebody is called.
    Call {
        /// The how manieth step it is, from 1 on.
        number: u32,
        /// Who: a person's name, or a channel's.
        who: String,
        /// The channels that reach them.
        channels: Vec<String>,
        /// The ids under which Slack knows them.
        mentions: Vec<String>,
        /// How long the incident went on without an answer by then.
        after: SignedDuration,
        /// When the next step is due; none after the last.
        next: Option<Timestamp>,
    },
}

/// What the escalation of an incident does next. Its times are counted from `since`: when it began to fire, or became
/// more severe before anybody was called. Each step is taken once; how many were stands in `escalated`.
#[must_use]
pub fn step(notify: &Notify, activity: Option<&Activity>, now: Timestamp) -> Step {
    let steps = &notify.escalation.steps;
    if steps.is_empty() {
        return Step::Over { why: "the policy has no steps of escalation" };
    }
    let Some(activity) = activity else { return Step::Over { why: "the incident is not known" } };
    match activity.state {
        State::Firing => {}
        State::Resolved => return Step::Over { why: "it is over" },
        State::Info => return Step::Over { why: "it never fired" },
    }
    if activity.acknowledged.is_some() {
        return Step::Over { why: "somebody acknowledged it" };
    }
    if !notify.escalation.severities.contains(&activity.severity) {
        return Step::Over { why: "it is not severe enough" };
    }
    let mut left = steps.iter().skip(usize::try_from(activity.escalated).unwrap_or(usize::MAX));
    let Some(call) = left.next() else { return Step::Over { why: "everybody was called" } };
    let due = |call: &Call| activity.since.saturating_add(call.after).unwrap_or(Timestamp::MAX);
    if now < due(call) {
        return Step::Wait { until: due(call) };
    }
    let callee = callee(notify, &call.to, now);
    Step::Call {
        number: activity.escalated.saturating_add(1),
        who: callee.who,
        channels: callee.channels,
        mentions: callee.mention.into_iter().collect(),
        after: call.after,
        next: left.next().map(due),
    }
}

struct Callee {
    who: String,
    channels: Vec<String>,
    mention: Option<String>,
}

/// Whom a step means: who is on duty in this rotation, this person, or this channel.
fn callee(notify: &Notify, to: &str, now: Timestamp) -> Callee {
    let name = notify.on_call.get(to).map_or(to, |rotation| on_duty(rotation, now));
    match notify.people.get(name) {
        Some(Person { channels, mention }) => {
            Callee { who: name.to_owned(), channels: channels.clone(), mention: mention.clone() }
        }
        None => Callee { who: name.to_owned(), channels: vec![name.to_owned()], mention: None },
    }
}

/// Who is on duty: who stands in, otherwise whose week it is. Before the first week it is the first person.
#[must_use]
pub fn on_duty(rotation: &Rotation, now: Timestamp) -> &str {
    let stands_in = rotation.overrides.iter().rfind(|it| it.from <= now && now < it.until);
    let turn = || {
        let turn = rotation.week(now).checked_rem(rotation.order.len())?;
        rotation.order.get(turn)
    };
    stands_in.map(|it| &it.person).or_else(turn).map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
