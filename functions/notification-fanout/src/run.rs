//! One invocation at work.

mod deliver;
mod flush;
mod join;
mod remind;
mod route;
mod tell;

pub(crate) use route::{Destination, Routed};
pub(crate) use tell::Done;

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use shared::acknowledge::LINK_LASTS;
use shared::lambda::Invocation;
use shared::ledger::activity::Activity;
use shared::notice::{Notice, Severity, State};
use shared::policy::notify::Notify;

use crate::channel::{Channel, Kind};
use crate::decision;
use crate::decision::route::{ChannelFacts, World};
use crate::{Clients, Fanout, Rules, Secrets};

/// One invocation at work.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    pub(crate) fanout: &'a Fanout,
    pub(crate) clients: &'a Clients,
    pub(crate) secrets: Rc<Secrets>,
    pub(crate) rules: Rc<Rules>,
    /// What goes on, where an inhibition asks for it.
    pub(crate) firing: Vec<Activity>,
    pub(crate) invocation: &'a Invocation,
    pub(crate) clock: Instant,
}

impl Run<'_> {
    pub(crate) fn environment(&self) -> &str {
        &self.fanout.config.environment
    }

    pub(crate) fn notify(&self) -> &Notify {
        &self.rules.loaded.policy.notify
    }

    pub(crate) fn channel(&self, name: &str) -> Option<&Channel> {
        self.secrets.channels.iter().find(|channel| channel.name == name)
    }

    /// Calls a decision with the world that routes are decided in.
    pub(crate) fn in_world<T>(&self, own: Option<&Activity>, decide: impl FnOnce(&World<'_>) -> T) -> T {
        let facts =
            |channel: &Channel| (channel.name.clone(), channel.kind.is_read(), channel.kind.is_verified());
        let known: Vec<_> = self.secrets.channels.iter().map(facts).collect();
        let channels: Vec<_> = known
            .iter()
            .map(|(name, is_read, is_verified)| ChannelFacts {
                name,
                is_read: *is_read,
                is_verified: *is_verified,
            })
            .collect();
        // The incident itself comes first: its end is routed by what it was, whatever is cached of it.
        let of_others =
            self.firing.iter().filter(|other| own.is_none_or(|own| own.incident != other.incident));
        let firing: Vec<_> = own.into_iter().chain(of_others).cloned().collect();
        decide(&World {
            notify: self.notify(),
            production: self.rules.loaded.policy.is_production(self.environment()),
            windows: &self.rules.loaded.policy.windows,
            channels: &channels,
            silences: &self.rules.silences,
            firing: &firing,
        })
    }

    /// When the notice is told where, with what is known of its incident.
    pub(crate) fn route(&self, notice: &Notice, own: Option<&Activity>) -> Routed {
        self.in_world(own, |world| Routed::of(world, notice, self.now()))
    }

    /// The link by which an incident is acknowledged; only what has to be answered soon has one.
    pub(crate) fn link(&self, notice: &Notice) -> Option<String> {
        let wanted = notice.state == State::Firing && notice.severity <= Severity::Sev2;
        let signer = self.secrets.signer.as_ref().ok().filter(|_| wanted)?;
        let expires = self.invocation.now.saturating_add(LINK_LASTS).ok()?;
        signer.link(&self.fanout.config.acknowledge_url, &notice.incident, expires)
    }

    pub(crate) fn later(&self, pause: Duration) -> Timestamp {
        decision::after(self.now(), pause)
    }

    /// The time now: that of the invocation's beginning and what has passed since.
    pub(crate) fn now(&self) -> Timestamp {
        decision::after(self.invocation.now, self.clock.elapsed())
    }
}

/// How fast a kind of channel bears to be sent to, where the policy says nothing: below what its vendor allows.
pub(crate) fn pace(channel: &Channel, notify: &Notify) -> crate::bucket::Rate {
    if let Some(pace) = notify.channels.get(&channel.name).and_then(|rules| rules.at_most) {
        let every = pace.within.checked_div(i32::try_from(pace.count).unwrap_or(i32::MAX));
        return crate::bucket::Rate { every: every.unwrap_or(pace.within), burst: pace.burst };
    }
    let (millis, burst) = match &channel.kind {
        Kind::Slack { .. } | Kind::SlackApp { .. } | Kind::Teams { .. } | Kind::AmazonQ { .. } => (1_000, 5),
        Kind::PagerDuty { .. } => (500, 20),
        Kind::GitHub { .. } | Kind::Email { .. } | Kind::Sns { .. } => (1_000, 10),
        Kind::Webhook { .. } | Kind::Broken { .. } => (50, 50),
    };
    crate::bucket::Rate { every: SignedDuration::from_millis(millis), burst }
}
