//! A notice that waits with others.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::notice::Notice;
use shared::timer::Reminder;
use shared::{Result, id};

use super::{Destination, Run};
use crate::decision::Outcome;
use crate::decision::route::Timing;
use crate::delivery::{self, Delivery, Entry};
use crate::group::{self, Group, Kind};

/// A source that says too much is told of together for the first time after this long, and then at every interval of
/// its route.
const STORM_WAITS: SignedDuration = SignedDuration::from_mins(1);

impl Run<'_> {
    /// Lets a notice wait: written down, with a reminder armed before, so that it is told whatever happens to this
    /// process.
    pub(super) async fn join(
        &self,
        notice: &Notice,
        destination: &Destination,
        held: Option<&Delivery>,
        kind: Kind,
        due: Option<Timestamp>,
        why: String,
    ) -> Result<Outcome> {
        let (ledger, environment) = (&self.clients.ledger, self.environment());
        let channel = &destination.channel;
        let (group, labels) = self.named(notice, destination, kind);
        let found = group::find(ledger, environment, &group).await?;
        let known = found.is_some();
        let timing = match kind {
            Kind::Storm => Timing { wait: STORM_WAITS, repeat: None, ..destination.timing },
            Kind::Route | Kind::Waiting | Kind::Held | Kind::Flapping => destination.timing,
        };
        let group = found.unwrap_or_else(|| Group::new(group, channel, kind, labels, timing, self.now()));
        let reminder = Reminder::Flush { group: group.id.clone() };
        let at = due.unwrap_or_else(|| group.due_for(self.now()));
        let armed = group.due.filter(|armed| known && *armed <= at);
        if armed.is_none() {
            self.arm(&reminder, at).await?;
        }
        group::join(ledger, &group, notice, self.now()).await?;
        // Somebody may have taken the group to tell it, and looked for its members just before this one was there. Only
        // what stands written after it was is sure to have it told.
        let group = group::find(ledger, environment, &group.id).await?.unwrap_or_else(|| group.unwritten());
        let due = due.unwrap_or_else(|| group.due_for(self.now()));
        if armed.is_some() && group.due.is_none_or(|told| due < told) {
            self.arm(&reminder, due).await?;
        }
        group::make_due(ledger, environment, &group, due, self.now()).await?;
        let entry = Entry { notice, channel, occasion: "" };
        delivery::joined(ledger, entry, held, &group.id, self.now()).await?;
        Ok(Outcome::Joined { group: group.id, due: Some(due), why })
    }

    /// The group's id, and what its members have in common.
    fn named(
        &self,
        notice: &Notice,
        destination: &Destination,
        kind: Kind,
    ) -> (String, BTreeMap<String, String>) {
        let channel = &destination.channel;
        let label = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        match (kind, &destination.group) {
            (Kind::Route, Some(group)) => (group.id.clone(), group.labels.clone()),
            (Kind::Route | Kind::Waiting, _) => {
                (id::of(&["waiting", channel]), label("environment", self.environment()))
            }
            (Kind::Held, _) => (id::of(&["held", channel]), label("environment", self.environment())),
            (Kind::Flapping, _) => {
                (id::of(&["flapping", channel, &notice.incident]), label("incident", &notice.incident))
            }
            (Kind::Storm, _) => {
                (id::of(&["storm", channel, &notice.source]), label("source", &notice.source))
            }
        }
    }

    /// Sends a reminder that arrives at this time, or as late as the queue allows.
    pub(crate) async fn arm(&self, reminder: &Reminder, due: Timestamp) -> Result<()> {
        let delay = Duration::try_from(due.duration_since(self.now())).unwrap_or_default();
        reminder.arm(&self.clients.sqs, &self.fanout.config.reminders_queue, delay).await
    }
}
