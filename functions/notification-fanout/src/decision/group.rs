//! When a group is told, and what of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, Severity, State, Subject};

use super::dedup::{Entry, Need, carries_news, needs_update};
use super::route::{GroupKey, Timing};

/// The latest notice of an incident of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The notice.
    pub notice: Notice,
    /// When it joined.
    pub at: Timestamp,
    /// Whether the channel was told this notice.
    pub told: bool,
}

/// What to do about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flush {
    /// Its time has not come.
    NotYet {
        /// When it comes.
        at: Timestamp,
    },
    /// There is nothing to tell.
    Nothing {
        /// The incidents that need not be remembered.
        forget: Vec<String>,
    },
    /// Tell these.
    Tell {
        /// Why.
        need: Need,
        /// The places of the members to tell.
        members: Vec<usize>,
        /// The incidents that need not be remembered once this is told.
        forget: Vec<String>,
    },
}

/// What to do about a group whose time comes at `due`: after `wait` for a new one, after `interval` for one that was
/// told.
///
/// What fires is told whole, so that the message stands for the group; what is over or for the record is told once. An
/// incident that was over before anybody was told that it fires is not told, unless its end carries news. Where the end
/// is not wanted, the verdict is to tell no members: only what the channel was told is to be brought up to date.
#[must_use]
pub fn flush(
    members: &[Member],
    last: Option<&Entry>,
    timing: &Timing,
    due: Timestamp,
    now: Timestamp,
) -> Flush {
    if now < due {
        return Flush::NotYet { at: due };
    }
    let heard = |member: &Member| {
        let incident = &member.notice.incident;
        last.is_some_and(|last| last.firing.contains(incident) || last.resolved.contains(incident))
    };
    let ended = |member: &Member| {
        member.notice.state == State::Resolved && (heard(member) || carries_news(&member.notice))
    };
    let firing: BTreeSet<_> = incidents(members, |member| member.notice.state == State::Firing);
    let resolved: BTreeSet<_> = incidents(members, ended);
    let need = needs_update(last, &firing, &resolved, timing.resolved, timing.repeat, now);

    let shown = |member: &Member| match member.notice.state {
        State::Firing => true,
        State::Resolved => timing.resolved && !member.told && ended(member),
        State::Info => !member.told,
    };
    let forget: BTreeSet<_> = incidents(members, |member| member.notice.state != State::Firing);
    let forget: Vec<_> = forget.into_iter().collect();
    let shown: Vec<_> = places(members, shown);
    let fresh = |place: &usize| members.get(*place).is_some_and(|member| !member.told);
    match need {
        // A later notice of what goes on, or one that carries news of itself.
        Need::No | Need::Repeat | Need::AllResolved { tell: false } if shown.iter().any(fresh) => {
            let need =
                if last.is_none_or(|last| last.firing.is_empty()) { Need::First } else { Need::NewFiring };
            Flush::Tell { need, members: shown, forget }
        }
        Need::No => match (last, timing.repeat, firing.is_empty()) {
            (Some(last), Some(repeat), false) => {
                // Only what is older than the interval is repeated.
                let at = last.at.saturating_add(repeat + SignedDuration::from_millis(1));
                Flush::NotYet { at: at.unwrap_or(Timestamp::MAX) }
            }
            _ => Flush::Nothing { forget },
        },
        Need::AllResolved { tell: false } => Flush::Tell { need, members: Vec::new(), forget },
        Need::First
        | Need::NewFiring
        | Need::AllResolved { tell: true }
        | Need::NewResolved
        | Need::Repeat => Flush::Tell { need, members: shown, forget },
    }
}

fn incidents(members: &[Member], which: impl Fn(&Member) -> bool) -> BTreeSet<String> {
    members.iter().filter(|member| which(member)).map(|member| member.notice.incident.clone()).collect()
}

fn places(members: &[Member], which: impl Fn(&Member) -> bool) -> Vec<usize> {
    let numbered = members.iter().enumerate();
    numbered.filter(|(_, member)| which(member)).map(|(place, _)| place).collect()
}

/// The notice that stands for several: of their environment, if they have one in common. One alone speaks for itself.
#[must_use]
pub fn summary(group: &GroupKey, members: &[&Notice], now: Timestamp, environment: &str) -> Notice {
    if let [only] = members {
        return Notice { incident: format!("group:{}", group.id), ..(*only).clone() };
    }
    let common = |notice: &Notice| members.iter().all(|member| member.environment == notice.environment);
    let environment = match members {
        [first, ..] if common(first) && !first.environment.is_empty() => &first.environment,
        _ => environment,
    };
    let count = |state| members.iter().filter(|notice| notice.state == state).count();
    let (firing, resolved, info) = (count(State::Firing), count(State::Resolved), count(State::Info));
    let state = match (firing, resolved) {
        (0, 0) => State::Info,
        (0, _) => State::Resolved,
        (_, _) => State::Firing,
    };
    let worst =
        |state| members.iter().filter(|notice| notice.state == state).map(|notice| notice.severity).min();
    let severity = worst(state).unwrap_or(Severity::Sev4);

    let counts: Vec<_> = [(firing, "firing"), (resolved, "resolved"), (info, "for the record")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let named = |(name, value): (&String, &String)| {
        (name != "environment" && !value.is_empty()).then(|| format!("{name} {value}"))
    };
    let common: Vec<_> = group.labels.iter().filter_map(named).collect();
    let of = if common.is_empty() { String::new() } else { format!(" of {}", common.join(", ")) };
    let (all, counts) = (members.len(), counts.join(", "));
    let title = format!("{all} incidents{of}: {counts} (environment {environment})");

    let id = if group.labels.is_empty() { environment.to_owned() } else { shown(&group.labels) };
    let subject = Subject { kind: "group".to_owned(), id, arn: None };
    let mut notice = Notice::new(&format!("group:{}", group.id), state, severity, subject, &title, now);
    if let Some(revision) = members.iter().map(|notice| notice.revision).max() {
        notice.revision = 0;
        notice = notice.following(revision.saturating_sub(1));
    }
    environment.clone_into(&mut notice.environment);
    "notification-fanout".clone_into(&mut notice.source);
    notice.labels.clone_from(&group.labels);
    notice.started = members.iter().filter_map(|notice| notice.started).min();

    "They are told together, because they came together or had to wait.".clone_into(&mut notice.summary);
    for (severity, count) in tally(members, |notice| notice.severity.to_string()) {
        notice.fact(&severity, count);
    }
    for (source, count) in tally(members, |notice| notice.source.clone()) {
        notice.fact(&format!("From {}", if source.is_empty() { "elsewhere" } else { &source }), count);
    }
    notice
}

fn tally(members: &[&Notice], by: impl Fn(&Notice) -> String) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for notice in members {
        *counts.entry(by(notice)).or_default() += 1;
    }
    counts
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    let shown: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests;
