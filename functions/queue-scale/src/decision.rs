//! What becomes of a service's count: a pure decision.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::id;
use shared::ledger::scaling::{End, Scaling};
use shared::policy::Scale;

/// New tasks get so long to start before more are asked for.
const STARTING: SignedDuration = SignedDuration::from_mins(3);

/// After so long, what ECS tells of a change is what it is (ECS API: eventual consistency).
const SEEN: SignedDuration = SignedDuration::from_mins(2);

/// A service whose count somebody else has set is left alone for so long.
const LEFT_ALONE: SignedDuration = SignedDuration::from_hours(1);

/// How exactly it is remembered when a scaling was looked at last.
const LOOKED: SignedDuration = SignedDuration::from_mins(10);

/// After so long without a look, nobody knows whether few messages waited meanwhile.
const UNSEEN: SignedDuration = SignedDuration::from_hours(1);

/// After so long without a look, nobody knows whether the count is wanted by now.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(24);

/// What is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The queue's ARN.
    pub queue: String,
    /// How many messages can be received: approximate, and a minute late.
    pub waiting: u64,
    /// How many messages somebody works on.
    pub in_flight: u64,
    /// The service, where there is one.
    pub service: Option<Service>,
    /// What else is done to the service just now, in words.
    pub busy: Option<String>,
    /// Whether Application Auto Scaling has its count in hand.
    pub autoscaled: bool,
    /// What is remembered of its last scaling.
    pub known: Option<Scaling>,
    /// Why the service is no business of ours, in words: another environment's, or switched off.
    pub foreign: Option<String>,
    /// Why nothing is changed by itself now, in words: a freeze, a window, a mode.
    pub withheld: Option<String>,
}

/// A service, as ECS describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The count it is to have.
    pub desired: u32,
    /// The count it has.
    pub running: u32,
    /// Whether it is neither draining nor deleted.
    pub active: bool,
    /// Whether its count is set: a daemon service has one task on each instance.
    pub counted: bool,
    /// How far its deployment is.
    pub deployment: Deployment,
}

/// How far a service's deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deployment {
    /// It has come to its end.
    Done,
    /// It is under way, beside no other.
    UnderWay,
    /// It takes the place of another.
    Replacing,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Nothing.
    Nothing {
        /// Why.
        why: Why,
    },
    /// Nothing, but this is remembered.
    Remember {
        /// What.
        scaling: Scaling,
        /// Why.
        why: Why,
    },
    /// It is remembered, the service gets the count, and people are told.
    Set {
        /// The change.
        scaling: Scaling,
    },
    /// The change is made, and people are told of it.
    Tell {
        /// As it is remembered.
        scaling: Scaling,
    },
    /// It is over without the service's own count; people are told.
    StepAside {
        /// As it is remembered.
        scaling: Scaling,
        /// Why.
        aside: Aside,
    },
    /// The service would get this count.
    Propose {
        /// The count.
        to: u32,
        /// Why it does not.
        withheld: String,
    },
}

/// Why a service is left with another count than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aside {
    /// Somebody else set this count.
    Found(u32),
    /// There is no such service any more.
    Gone,
    /// Nobody looked after it for a day.
    Forgotten,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Why {
    /// There is no such service.
    Missing,
    /// It drains, or is deleted.
    Inactive,
    /// It has one task on each instance.
    Daemon,
    /// It has no tasks, and somebody wanted it so.
    AtZero,
    /// Application Auto Scaling sets its count.
    Autoscaled,
    /// Few messages wait.
    Calm,
    /// Few messages wait, but not for long enough yet.
    CalmUntil {
        /// When it is long enough.
        until: Timestamp,
    },
    /// It has as many tasks as the messages, or the policy, allow.
    Enough,
    /// Its tasks still start; or do not.
    Starting,
    /// A deployment is under way, or something else is done to it.
    Busy {
        /// What.
        with: String,
    },
    /// Somebody else set its count, or ECS refused to set it.
    LeftAlone {
        /// Until when.
        until: Timestamp,
    },
    /// Nothing is changed now.
    Withheld {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such service: mend its name in the policy"),
            Self::Inactive => f.write_str("it is not active"),
            Self::Daemon => f.write_str("it is a daemon service, whose count is that of its instances"),
            Self::AtZero => f.write_str("it is scaled to zero, and stays so"),
            Self::Autoscaled => {
                f.write_str("Application Auto Scaling sets its count: take it out of the policy")
            }
            Self::Calm => f.write_str("few messages wait"),
            Self::CalmUntil { until } => {
                write!(f, "few messages wait; it gets its own count back at {until:.0}")
            }
            Self::Enough => f.write_str("it has as many tasks as the messages, or the policy, allow"),
            Self::Starting => f.write_str("not all of its tasks run yet"),
            Self::Busy { with } => write!(f, "it waits for {with}"),
            Self::LeftAlone { until } => {
                write!(
                    f,
                    "somebody else set its count, or ECS refused to set it: it is left alone until {until:.0}"
                )
            }
            Self::Withheld { why } => f.write_str(why),
        }
    }
}

/// What is done, by this rule of the policy.
pub fn decide(rule: &Scale, facts: &Facts, now: Timestamp) -> Step {
    let nothing = |why| Step::Nothing { why };
    let open = facts.known.as_ref().filter(|known| known.goes_on());
    let Some(service) = facts.service else {
        return open.map_or(nothing(Why::Missing), |known| step_aside(known, Aside::Gone, now));
    };
    if let Some(why) = facts.foreign.clone() {
        return nothing(Why::Withheld { why });
    }
    if !service.active {
        return nothing(Why::Inactive);
    }
    if !service.counted {
        return nothing(Why::Daemon);
    }
    if let Some(known) = open {
        return go_on(rule, facts, service, known, now);
    }
    match &facts.known {
        Some(over) if over.end == Some(End::Superseded) => {
            let until = over.changed.saturating_add(LEFT_ALONE).unwrap_or(over.changed);
            if now < until { nothing(Why::LeftAlone { until }) } else { begin(rule, facts, service, now) }
        }
        Some(over) if service.desired == over.before && !is_seen(over, now) => nothing(Why::Starting),
        Some(_) | None => begin(rule, facts, service, now),
    }
}

/// Whether ECS tells of the last change by now, if it was made.
fn is_seen(known: &Scaling, now: Timestamp) -> bool {
    known.made.is_none_or(|made| SEEN <= now.duration_since(made))
}

fn step_aside(known: &Scaling, aside: Aside, now: Timestamp) -> Step {
    let scaling = match known.end {
        // Somebody died over telling it.
        Some(End::Superseded) => known.clone(),
        Some(End::Back) | None => Scaling {
            made: known.made.or(Some(now)),
            told: false,
            changed: now,
            end: Some(End::Superseded),
            ..known.clone()
        },
    };
    Step::StepAside { scaling, aside }
}

/// Of a service that has its own count.
fn begin(rule: &Scale, facts: &Facts, service: Service, now: Timestamp) -> Step {
    let nothing = |why| Step::Nothing { why };
    if facts.waiting <= u64::from(rule.above) {
        return nothing(Why::Calm);
    }
    if service.desired == 0 {
        return nothing(Why::AtZero);
    }
    if facts.autoscaled {
        return nothing(Why::Autoscaled);
    }
    let to = needed(rule, facts.waiting, service.desired);
    if to == service.desired {
        return nothing(Why::Enough);
    }
    if let Some(why) = not_now(facts, service) {
        return nothing(why);
    }
    if let Some(withheld) = facts.withheld.clone() {
        return Step::Propose { to, withheld };
    }
    let target = rule.service.to_string();
    Step::Set {
        scaling: Scaling {
            id: id::of(&["scale", &facts.queue, &target, &now.to_string()]),
            queue: facts.queue.clone(),
            own: service.desired,
            before: service.desired,
            to,
            began: now,
            changed: now,
            made: None,
            told: false,
            calm: None,
            hold: None,
            looked: now,
            asked_by: None,
            end: None,
        },
    }
}

/// Of a service that has, or may have, more tasks than its own.
fn go_on(rule: &Scale, facts: &Facts, service: Service, known: &Scaling, now: Timestamp) -> Step {
    let nothing = |why| Step::Nothing { why };
    if known.end == Some(End::Superseded) {
        return step_aside(known, Aside::Found(service.desired), now);
    }
    if known.made.is_none() {
        if service.desired == known.to {
            return Step::Tell { scaling: Scaling { made: Some(now), ..known.clone() } };
        }
        if service.desired != known.before {
            return step_aside(known, Aside::Found(service.desired), now);
        }
        // It never happened, and whether it is right still is decided anew.
        if known.before == known.own && known.end.is_none() {
            let step = begin(rule, facts, service, now);
            let why = match &step {
                Step::Nothing { why } => why.clone(),
                Step::Propose { withheld, .. } => Why::Withheld { why: withheld.clone() },
                Step::Remember { .. } | Step::Set { .. } | Step::Tell { .. } | Step::StepAside { .. } => {
                    return step;
                }
            };
            if now.duration_since(known.changed) < SEEN {
                return step;
            }
            // Else the count that it names would be taken for ours whenever somebody sets it.
            let (to, made, end) = (known.own, Some(known.changed), Some(End::Back));
            return Step::Remember { scaling: Scaling { to, made, end, told: true, ..known.clone() }, why };
        }
        let stands =
            Scaling { to: known.before, made: Some(known.began), told: true, end: None, ..known.clone() };
        return on_from(rule, facts, service, &stands, now);
    }
    if service.desired != known.to {
        // It may be an old answer.
        if service.desired == known.before && !is_seen(known, now) {
            return nothing(Why::Starting);
        }
        return step_aside(known, Aside::Found(service.desired), now);
    }
    if !known.told {
        return Step::Tell { scaling: known.clone() };
    }
    on_from(rule, facts, service, known, now)
}

/// Of a service that has the count that was set.
fn on_from(rule: &Scale, facts: &Facts, service: Service, known: &Scaling, now: Timestamp) -> Step {
    let unseen = now.duration_since(known.looked);
    if unseen > FORGOTTEN {
        return step_aside(known, Aside::Forgotten, now);
    }
    let looked = if unseen < LOOKED { known.looked } else { now };
    let rest = |calm: Option<Timestamp>| {
        let scaling = Scaling { calm, looked, ..known.clone() };
        Some(scaling).filter(|scaling| Some(scaling) != facts.known.as_ref())
    };
    let rests = |why, calm| match rest(calm) {
        Some(scaling) => Step::Remember { scaling, why },
        None => Step::Nothing { why },
    };
    // What is worked on counts, too: fewer tasks would break that work off.
    let there = facts.waiting.saturating_add(facts.in_flight);
    let (scaling, calm, waits) = if there > u64::from(rule.above) {
        let to = needed(rule, facts.waiting, known.to);
        if to == known.to {
            return rests(Why::Enough, None);
        }
        if facts.autoscaled {
            return rests(Why::Autoscaled, None);
        }
        let starts = known.made.is_some_and(|made| now.duration_since(made) < STARTING);
        let waits = if starts { Some(Why::Starting) } else { not_now(facts, service) };
        (Scaling { to, end: None, ..known.clone() }, None, waits)
    } else {
        let known_calm = known.calm.filter(|_| unseen <= UNSEEN);
        let since = known_calm.unwrap_or(now);
        let until = since.saturating_add(rule.calm).unwrap_or(since);
        if now < until {
            return rests(Why::CalmUntil { until }, Some(since));
        }
        // Fewer tasks are no burden on a service whose tasks do not start.
        let back = Scaling { to: known.own, end: Some(End::Back), ..known.clone() };
        (back, Some(since), occupied(facts, service))
    };
    if let Some(why) = waits {
        return rests(why, calm);
    }
    if let Some(until) = known.hold.filter(|until| now < *until) {
        return rests(Why::LeftAlone { until }, calm);
    }
    if let Some(withheld) = facts.withheld.clone() {
        // What is remembered comes first: the next look proposes.
        return match rest(calm) {
            Some(scaling) => Step::Remember { scaling, why: Why::Withheld { why: withheld } },
            None => Step::Propose { to: scaling.to, withheld },
        };
    }
    let change = Scaling {
        before: known.to,
        changed: now,
        made: None,
        told: false,
        calm,
        hold: None,
        looked: now,
        asked_by: None,
        ..scaling
    };
    Step::Set { scaling: change }
}

/// Why more tasks would be too early, or no help.
fn not_now(facts: &Facts, service: Service) -> Option<Why> {
    let starts = service.running < service.desired || service.deployment == Deployment::UnderWay;
    occupied(facts, service).or(starts.then_some(Why::Starting))
}

/// Who else changes the service.
fn occupied(facts: &Facts, service: Service) -> Option<Why> {
    let replacing = service.deployment == Deployment::Replacing;
    let deploying = replacing.then(|| "the end of its deployment".to_owned());
    facts.busy.clone().or(deploying).map(|with| Why::Busy { with })
}

/// As many tasks as the messages need, no fewer than `least`, and no more than the policy allows.
fn needed(rule: &Scale, waiting: u64, least: u32) -> u32 {
    let needed = waiting.div_ceil(u64::from(rule.per_task.max(1)));
    u32::try_from(needed).unwrap_or(u32::MAX).min(rule.at_most).max(least)
}

#[cfg(test)]
mod tests;
