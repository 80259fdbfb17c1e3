//! Whether a channel has to be told at all, given what it was told before.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, State};

/// What Watchkeeper's functions that publish are called, as the `source` of their notices.
const FUNCTIONS: [&str; 3] = ["alarm-rollback", "deployment-watch", "secret-redeploy"];

/// What a channel was last told of a group: the incidents that fired, and those that were over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Those that fired.
    pub firing: BTreeSet<String>,
    /// Those that were over.
    pub resolved: BTreeSet<String>,
    /// When it was told.
    pub at: Timestamp,
}

/// Whether a channel has to be told of a group, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It knows all.
    No,
    /// It was told nothing of it, or only ends.
    First,
    /// More incidents fire.
    NewFiring,
    /// None fires any more.
    AllResolved {
        /// Whether it wants to know; otherwise only what it was told is brought up to date.
        tell: bool,
    },
    /// More incidents are over, while others go on.
    NewResolved,
    /// It was told long ago.
    Repeat,
}

/// Whether a channel has to be told of a group.
#[must_use]
pub fn needs_update(
    entry: Option<&Entry>,
    firing: &BTreeSet<String>,
    resolved: &BTreeSet<String>,
    send_resolved: bool,
    repeat: Option<SignedDuration>,
    now: Timestamp,
) -> Need {
    let Some(entry) = entry else {
        return if firing.is_empty() { Need::No } else { Need::First };
    };
    if !firing.is_subset(&entry.firing) {
        return if entry.firing.is_empty() { Need::First } else { Need::NewFiring };
    }
    if firing.is_empty() {
        return if entry.firing.is_empty() {
            Need::No
        } else {
            // Also where the end is not wanted: what was told must not stand for ever.
            Need::AllResolved { tell: send_resolved }
        };
    }
    if send_resolved && !resolved.is_subset(&entry.resolved) {
        return Need::NewResolved;
    }
    if repeat.is_some_and(|repeat| repeat < now.duration_since(entry.at)) { Need::Repeat } else { Need::No }
}

/// What a channel was last told of an incident. What is for the record takes the place only of such, or of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Where the incident stood.
    pub state: State,
    /// The revision of the notice.
    pub revision: u64,
    /// When it was told.
    pub at: Timestamp,
}

/// Whether a channel has to be told of an incident by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has to.
    Tell,
    /// It was told this revision, or a later one.
    Known,
    /// It was told the later end of what this says begins.
    Overtaken,
    /// This is the end of what it was never told.
    Unheard,
    /// It does not want to know the end; that it is over is remembered.
    Unwanted,
}

/// Whether a channel has to be told of an incident by itself.
#[must_use]
pub fn news(told: Option<&Told>, notice: &Notice, send_resolved: bool) -> News {
    let known = told.is_some_and(|told| match notice.state {
        // What is for the record neither begins nor ends anything, so that a later one does not stand for it.
        State::Info => told.revision == notice.revision && told.state == State::Info,
        State::Firing | State::Resolved => told.state != State::Info && notice.revision <= told.revision,
    });
    let last = told.map(|told| told.state);
    match notice.state {
        State::Firing if known && last == Some(State::Resolved) => News::Overtaken,
        State::Firing | State::Info | State::Resolved if known => News::Known,
        State::Resolved if matches!(last, None | Some(State::Resolved)) && !carries_news(notice) => {
            News::Unheard
        }
        State::Resolved if !send_resolved => News::Unwanted,
        State::Firing | State::Info | State::Resolved => News::Tell,
    }
}

/// Whether the end of an incident says something to people who did not hear its beginning: what Watchkeeper did about
/// it, or anything that one of its functions watched over to the end.
#[must_use]
pub fn carries_news(notice: &Notice) -> bool {
    !notice.actions.is_empty() || FUNCTIONS.contains(&notice.source.as_str())
}

#[cfg(test)]
mod tests;
