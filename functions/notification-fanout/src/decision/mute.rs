//! Whether a notice is told now, later, or not at all.
//!
//! The end of an incident is held like its beginning, so that they come in order; it is never dropped for the time at
//! which it comes, because people who heard the beginning wait for it. Whoever did not hear it is not told: see
//! [`super::dedup::news`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::Activity;
use shared::notice::{Notice, State};
use shared::policy::Window;
use shared::policy::notify::{Inhibition, OutsideHours, Settled, Silence, Telling};

use super::route::{Standing, World};

/// A silence may be taken back, so it is looked at again after this long at the latest.
const SILENCE_LOOKED_AT: SignedDuration = SignedDuration::from_mins(15);

/// What explains a notice may be over at any time.
const INHIBITION_LOOKED_AT: SignedDuration = SignedDuration::from_mins(5);

/// Windows that open within no week are looked for again after this long.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whether a channel is told of the notice now, by a route of which this holds.
#[must_use]
pub fn standing(
    world: &World<'_>,
    channel: &str,
    settled: &Settled<'_>,
    notice: &Notice,
    now: Timestamp,
) -> Standing {
    let labels = notice.matched();
    refused(world, channel, notice)
        .or_else(|| silenced(world, &labels, notice.state, now))
        .or_else(|| inhibited(world, notice, &labels, now))
        .or_else(|| maintained(world, notice, now))
        .or_else(|| closed(world, settled, notice.state, now))
        .unwrap_or(Standing::Tell)
}

/// What the channel is never told.
fn refused(world: &World<'_>, channel: &str, notice: &Notice) -> Option<Standing> {
    let rules = world.notify.channels.get(channel)?;
    if rules.production_only && !world.production {
        return Some(Standing::Drop { why: "the channel is told only of production".to_owned() });
    }
    let (least, this) = (rules.least_severity, notice.severity);
    let why = || format!("the channel is told from {least} on, and this is {this}");
    (this > least).then(|| Standing::Drop { why: why() })
}

fn silenced(
    world: &World<'_>,
    labels: &BTreeMap<String, String>,
    state: State,
    now: Timestamp,
) -> Option<Standing> {
    let silences = world.notify.silences.iter().chain(world.silences);
    let holding = silences.filter(|silence| silence.holds(now) && silence.matches.matches(labels));
    let Silence { id, until, author, reason, .. } = holding.max_by_key(|silence| silence.until)?;
    let id = if id.is_empty() { String::new() } else { format!(" (silence {id})") };
    let why = format!("silenced until {until} by {author}: {reason}{id}");
    Some(muted(state, (*until).min(later(now, SILENCE_LOOKED_AT)), why))
}

fn inhibited(
    world: &World<'_>,
    notice: &Notice,
    labels: &BTreeMap<String, String>,
    now: Timestamp,
) -> Option<Standing> {
    let others = || {
        world.firing.iter().filter(|other| other.state == State::Firing && other.incident != notice.incident)
    };
    let source = world.notify.inhibit.iter().find_map(|rule| {
        let targeted = rule.target.matches(labels);
        others().find(|other| targeted && explains(rule, other, labels))
    })?;
    let why = format!("inhibited while {} fires", source.incident);
    Some(muted(notice.state, later(now, INHIBITION_LOOKED_AT), why))
}

/// Whether the other incident explains one with these labels. Where both are sources as well as targets of the rule,
/// neither does: they would silence each other.
fn explains(rule: &Inhibition, other: &Activity, labels: &BTreeMap<String, String>) -> bool {
    let both_sides = rule.source.matches(labels) && rule.target.matches(&other.labels);
    let value =
        |labels: &BTreeMap<String, String>, name: &String| labels.get(name).cloned().unwrap_or_default();
    let equal = rule.equal.iter().all(|name| value(labels, name) == value(&other.labels, name));
    rule.source.matches(&other.labels) && equal && !both_sides
}

/// While it is silenced or inhibited, what is only for the record is dropped.
fn muted(state: State, until: Timestamp, why: String) -> Standing {
    match state {
        State::Info => Standing::Drop { why },
        State::Firing | State::Resolved => Standing::Hold { until, why },
    }
}

fn maintained(world: &World<'_>, notice: &Notice, now: Timestamp) -> Option<Standing> {
    let open = world.windows.iter().filter_map(|window| Some((window.ends_at(now)?, window)));
    let (until, window) = open.max_by_key(|(end, _)| *end)?;
    let why = format!("the maintenance window {window} is open");
    match world.notify.maintenance.of(notice.severity) {
        Telling::Tell => None,
        Telling::Defer => Some(Standing::Hold { until, why }),
        Telling::Mute => Some(dropped(notice.state, until, why)),
    }
}

fn closed(world: &World<'_>, settled: &Settled<'_>, state: State, now: Timestamp) -> Option<Standing> {
    let name = settled.hours?;
    // Hours that are unknown were refused with the policy.
    let windows = world.notify.hours.get(name)?;
    if windows.iter().any(|window| window.ends_at(now).is_some()) {
        return None;
    }
    let opens = |window: &Window| window.opens_after(now);
    let until = windows.iter().filter_map(opens).min().unwrap_or_else(|| later(now, WEEK));
    let why = format!("outside of the hours {name}");
    Some(match settled.outside_hours {
        OutsideHours::Wait => Standing::Hold { until, why },
        OutsideHours::Drop => dropped(state, until, why),
    })
}

/// What is not told at this time is told later if it is an end.
fn dropped(state: State, until: Timestamp, why: String) -> Standing {
    match state {
        State::Firing | State::Info => Standing::Drop { why },
        State::Resolved => Standing::Hold { until, why },
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
