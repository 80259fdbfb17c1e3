//! Where a notice goes, apart from the world that it was decided in.

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, State};

use crate::decision::route::{GroupKey, Standing, Timing, World, route};
use crate::delivery::Seen;

/// What the routes say of a notice.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    pub(crate) destinations: Vec<Destination>,
    /// Channels that the policy names and the secret lacks.
    pub(crate) unknown: Vec<String>,
}

/// What the routes say of a notice on a channel.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) channel: String,
    pub(crate) route: String,
    pub(crate) timing: Timing,
    pub(crate) group: Option<GroupKey>,
    pub(crate) standing: Standing,
}

impl Routed {
    pub(super) fn of(world: &World<'_>, notice: &Notice, now: Timestamp) -> Self {
        let routing = route(world, notice, now);
        let destinations = routing.destinations.into_iter().map(|destination| Destination {
            channel: destination.channel.to_owned(),
            route: destination.route,
            timing: destination.timing,
            group: destination.group,
            standing: destination.standing,
        });
        Self { destinations: destinations.collect(), unknown: routing.unknown }
    }
}

/// Whoever was told that an incident fires is told its end, wherever that would be routed by itself.
pub(super) fn follow_up(destinations: &mut Vec<Destination>, seen: &Seen) {
    for (channel, remembered) in &seen.told {
        if remembered.told.as_ref().is_none_or(|told| told.state != State::Firing) {
            continue;
        }
        match destinations.iter_mut().find(|there| there.channel == *channel) {
            Some(there) if matches!(there.standing, Standing::Drop { .. }) => there.standing = Standing::Tell,
            Some(_) => {}
            None => destinations.push(Destination {
                channel: channel.clone(),
                route: "as it was told that it began".to_owned(),
                timing: Timing {
                    wait: SignedDuration::ZERO,
                    interval: SignedDuration::from_mins(5),
                    repeat: None,
                    resolved: true,
                },
                group: None,
                standing: Standing::Tell,
            }),
        }
    }
}
