//! Which channels are told of a notice, by which route, and when.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::id;
use shared::ledger::activity::Activity;
use shared::notice::{Notice, Severity, State};
use shared::policy::Window;
use shared::policy::notify::{Notify, Route, Settled, Silence};

use super::mute;

/// What is known of a channel of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether people read it, so that several notices may be told as one.
    pub is_read: bool,
    /// Whether an answer of success means that people can see it.
    pub is_verified: bool,
}

/// What a notice is routed by.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The policy.
    pub notify: &'a Notify,
    /// Whether this is production.
    pub production: bool,
    /// The policy's maintenance windows.
    pub windows: &'a [Window],
    /// The channels of the secret, in its order.
    pub channels: &'a [ChannelFacts<'a>],
    /// The silences that were made by hand, beside those of the policy.
    pub silences: &'a [Silence],
    /// The incidents of this environment that are followed.
    pub firing: &'a [Activity],
}

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The channel's name.
    pub channel: &'a str,
    /// By which route, from the root on: `root > severity=sev1`.
    pub route: String,
    /// When it is told.
    pub timing: Timing,
    /// Which group it is told with; none: it is told by itself.
    pub group: Option<GroupKey>,
    /// Whether it is told now.
    pub standing: Standing,
}

/// When a channel is told of a group, or of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others are waited for before a new group is told.
    pub wait: SignedDuration,
    /// How long after a group was told what is new of it is told.
    pub interval: SignedDuration,
    /// After how long what still goes on is told again; never, where there is none.
    pub repeat: Option<SignedDuration>,
    /// Whether the end is told.
    pub resolved: bool,
}

/// What is told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    /// The same for the same channel, route and values of the labels.
    pub id: String,
    /// The labels whose values its members share.
    pub labels: BTreeMap<String, String>,
}

/// Whether a notice is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Tell,
    /// Not before then; then it is looked at again.
    Hold {
        /// When to look again.
        until: Timestamp,
        /// What holds it back.
        why: String,
    },
    /// It is not.
    Drop {
        /// What keeps it from being told.
        why: String,
    },
}

/// What became of routing a notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing<'a> {
    /// Where it goes, each channel once.
    pub destinations: Vec<Destination<'a>>,
    /// Channels that the policy names and the secret lacks.
    pub unknown: Vec<String>,
}

/// Which channels are told of the notice, by which route, and when.
///
/// Where a channel is reached by several routes, the first wins. Where the secret has none of the channels that a
/// notice is for, another is told in their place; so is, beside them, where it is urgent and none of them says
/// whether people can see it.
///
/// The end of an incident counts as severe as the incident was, where `world.firing` knows it, so that it takes the
/// routes of its beginning.
#[must_use]
pub fn route<'a>(world: &World<'a>, notice: &Notice, now: Timestamp) -> Routing<'a> {
    let notice = &as_severe_as_its_beginning(world, notice);
    let labels = notice.matched();
    let mut ends = Vec::new();
    walk(&world.notify.route, None, "root".to_owned(), &labels, &mut ends);

    let mut routing = Routing::default();
    for (settled, route) in &ends {
        let all = settled.channels.is_empty();
        let named =
            |channel: &&ChannelFacts<'a>| all || settled.channels.iter().any(|name| name == channel.name);
        for channel in world.channels.iter().filter(named) {
            if routing.destinations.iter().all(|told| told.channel != channel.name) {
                let destination = destination(world, channel, settled, route.clone(), notice, now);
                routing.destinations.push(destination);
            }
        }
        let known = |name: &str| world.channels.iter().any(|channel| channel.name == name);
        for name in settled.channels.iter().filter(|name| !known(name)) {
            if !routing.unknown.contains(name) {
                routing.unknown.push(name.clone());
            }
        }
    }
    if let Some(extra) = ends.first().and_then(|(settled, _)| stand_in(world, &routing, settled, notice, now))
    {
        routing.destinations.push(extra);
    }
    routing
}

fn as_severe_as_its_beginning<'n>(world: &World<'_>, notice: &'n Notice) -> Cow<'n, Notice> {
    let begun = world.firing.iter().find(|activity| activity.incident == notice.incident);
    match (notice.state, begun) {
        (State::Resolved, Some(begun)) if begun.severity < notice.severity => {
            Cow::Owned(Notice { severity: begun.severity, ..notice.clone() })
        }
        (State::Firing | State::Resolved | State::Info, _) => Cow::Borrowed(notice),
    }
}

/// Goes down the tree, to the routes that tell.
fn walk<'a>(
    route: &'a Route,
    above: Option<&Settled<'a>>,
    path: String,
    labels: &BTreeMap<String, String>,
    ends: &mut Vec<(Settled<'a>, String)>,
) {
    let settled = route.settle(above);
    let mut taken = false;
    for child in route.routes.iter().filter(|child| child.matches.matches(labels)) {
        let name = if child.matches.is_empty() { "everything".to_owned() } else { child.matches.to_string() };
        walk(child, Some(&settled), format!("{path} > {name}"), labels, ends);
        taken = true;
        if !child.goes_on {
            break;
        }
    }
    if !taken {
        ends.push((settled, path));
    }
}

fn destination<'a>(
    world: &World<'a>,
    channel: &ChannelFacts<'a>,
    settled: &Settled<'a>,
    route: String,
    notice: &Notice,
    now: Timestamp,
) -> Destination<'a> {
    let wanted = world.notify.channels.get(channel.name).is_none_or(|rules| rules.resolved);
    let timing = Timing {
        wait: settled.group_wait,
        interval: settled.group_interval,
        repeat: settled.repeat_interval.every(),
        resolved: settled.resolved && wanted,
    };
    let group_by = settled.group_by.filter(|_| channel.is_read);
    let group = group_by.map(|names| group(channel.name, &route, names, notice));
    let standing = mute::standing(world, channel.name, settled, notice, now);
    Destination { channel: channel.name, route, timing, group, standing }
}

fn group(channel: &str, route: &str, names: &[String], notice: &Notice) -> GroupKey {
    let mut matched = notice.matched();
    let labels: BTreeMap<_, _> =
        names.iter().map(|name| (name.clone(), matched.remove(name).unwrap_or_default())).collect();
    let values = labels.iter().flat_map(|(name, value)| [name.as_str(), value]);
    let parts: Vec<_> = [channel, route].into_iter().chain(values).collect();
    GroupKey { id: id::of(&parts), labels }
}

/// The channel that is told beside or in the place of those that the routes lead to, where they do not do.
fn stand_in<'a>(
    world: &World<'a>,
    routing: &Routing<'a>,
    settled: &Settled<'a>,
    notice: &Notice,
    now: Timestamp,
) -> Option<Destination<'a>> {
    let facts = |name: &str| world.channels.iter().find(|channel| channel.name == name);
    let mut told = routing.destinations.iter().filter(|told| !matches!(told.standing, Standing::Drop { .. }));
    let lost = routing.destinations.is_empty();
    let urgent = match notice.severity {
        Severity::Sev1 | Severity::Sev2 => true,
        Severity::Sev3 | Severity::Sev4 => false,
    };
    // Where all of them drop it, there are reasons.
    let first = told.clone().next();
    let unseen = first.is_some() && !told.any(|told| facts(told.channel).is_some_and(|it| it.is_verified));
    if !(lost || urgent && unseen) {
        return None;
    }
    let why = if lost {
        "the secret has none of its channels"
    } else {
        "no other of its channels says whether people can see it"
    };
    let fallback = match first {
        Some(first) => world.notify.fallback_of(first.channel),
        None => world.notify.fallback.as_deref(),
    };
    let candidates = fallback.and_then(facts).into_iter().chain(world.channels);
    candidates
        .filter(|channel| channel.is_verified || lost)
        .filter(|channel| routing.destinations.iter().all(|told| told.channel != channel.name))
        .map(|channel| {
            destination(world, channel, settled, format!("root > {} ({why})", channel.name), notice, now)
        })
        .find(|added| !matches!(added.standing, Standing::Drop { .. }))
}

#[cfg(test)]
mod tests;
