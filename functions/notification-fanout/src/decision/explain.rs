//! The dry run: which channels would get a notice, by which route, and why or why not.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::notice::{Notice, State};

use super::route::{ChannelFacts, Destination, GroupKey, Routing, Standing, Timing, World, route};

/// What would become of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What would become of it on each channel of the secret, in its order.
    pub channels: Vec<Told>,
    /// Channels that the policy names and the secret lacks.
    pub unknown: Vec<String>,
}

/// What would become of a notice on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The channel.
    pub channel: String,
    /// In a word.
    pub would: Would,
    /// By which route; none where no route leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// In words: when, with what, or why not.
    pub why: String,
    /// When it is looked at again, where it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The group that it would be told with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What would become of a notice on a channel, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    /// It would be told.
    Tell,
    /// It would wait.
    Hold,
    /// It would not be told.
    Drop,
    /// No route leads to the channel.
    NotRouted,
}

impl Explanation {
    /// For people, a line for each channel.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let channels = self.channels.iter().map(ToString::to_string);
        let unknown =
            self.unknown.iter().map(|name| format!("{name}: the policy names it, and the secret lacks it"));
        channels.chain(unknown).collect()
    }
}

impl Told {
    /// The channel has no use for such a notice, whatever the routes say.
    pub fn is_useless(&mut self, why: &str) {
        self.would = Would::Drop;
        self.why = format!("the channel {why}");
        self.until = None;
        self.group = None;
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = match self.would {
            Would::Tell => "is told",
            Would::Hold => "is told later",
            Would::Drop | Would::NotRouted => "is not told",
        };
        write!(f, "{} {would}: {}", self.channel, self.why)?;
        if let Some(until) = self.until {
            write!(f, "; looked at again at {until}")?;
        }
        self.route.as_deref().map_or(Ok(()), |route| write!(f, " (by {route})"))
    }
}

/// What would become of the notice on each channel of the secret.
#[must_use]
pub fn explain(world: &World<'_>, notice: &Notice, now: Timestamp) -> Explanation {
    let Routing { destinations, unknown } = route(world, notice, now);
    let channel = |channel: &ChannelFacts<'_>| match destinations
        .iter()
        .find(|destination| destination.channel == channel.name)
    {
        Some(destination) => told(destination, notice.state),
        None => Told {
            channel: channel.name.to_owned(),
            would: Would::NotRouted,
            route: None,
            why: "no route leads to it".to_owned(),
            until: None,
            group: None,
        },
    };
    Explanation { channels: world.channels.iter().map(channel).collect(), unknown }
}

fn told(destination: &Destination<'_>, state: State) -> Told {
    let (would, why, until) = match &destination.standing {
        Standing::Tell => at_once(destination, state),
        Standing::Hold { until, why } => (Would::Hold, why.clone(), Some(*until)),
        Standing::Drop { why } => (Would::Drop, why.clone(), None),
    };
    let group = destination.group.as_ref().map(|group| group.id.clone());
    let (channel, route) = (destination.channel.to_owned(), Some(destination.route.clone()));
    Told { channel, would, route, why, until, group }
}

fn at_once(destination: &Destination<'_>, state: State) -> (Would, String, Option<Timestamp>) {
    let Timing { wait, interval, resolved, .. } = destination.timing;
    if state == State::Resolved && !resolved {
        return (Would::Drop, "the end of incidents is not wanted".to_owned(), None);
    }
    let why = match &destination.group {
        None => "by itself, at once".to_owned(),
        Some(GroupKey { labels, .. }) => {
            let names: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let of = if names.is_empty() { "everything".to_owned() } else { names.join(", ") };
            format!("with the group of {of}, after {wait:#}, or {interval:#} after it was told last")
        }
    };
    (Would::Tell, why, None)
}

#[cfg(test)]
mod tests;
