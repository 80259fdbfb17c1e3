//! What of a change is worth telling: after several sweeps that say the same, once, and again when it is over.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::id;
use shared::notice::Severity;
use shared::policy::health::Change;

use super::{Health, Verdict};

/// The facts whose change makes something another thing: a new certificate is not the old one.
const FINGERPRINTS: [&str; 2] = ["Fingerprint", "Serial"];

/// So many faults of one thing are told apart.
const FAULTS: usize = 20;

/// How something counts. Later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be, or not for the check to say.
    #[default]
    Well,
    /// It could not be checked.
    Unknown,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Failed,
}

impl From<Health> for Level {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy | Health::NotApplicable => Self::Well,
            Health::Unknown => Self::Unknown,
            Health::Degraded => Self::Degraded,
            Health::Failed => Self::Failed,
        }
    }
}

impl Level {
    /// Whether somebody has to do something about it.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Degraded | Self::Failed)
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Well => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// What is remembered of a thing from one sweep to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// How it counts.
    pub level: Level,
    /// Since when it counts so: the time of the first sweep that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many sweeps, one after another, said that it is otherwise.
    pub streak: u32,
    /// The first of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// How it will count, if they go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toward: Option<Level>,
    /// How many sweeps, one after another, could not look at it.
    pub blind: u32,
    /// The first of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blind_since: Option<Timestamp>,
    /// Since when it was bad, for the end of the incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// What people were told; nothing where they do not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// How many sweeps, one after another, saw a fault that people were not told.
    pub fresh: u32,
    /// What it was, where that can change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What it was bad because of when it was bad last.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub causes: BTreeSet<String>,
    /// How it was found: where it is looked for before it counts as gone.
    pub found: Found,
}

/// What people were told of a thing that is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// How soon somebody has to answer.
    pub severity: Severity,
    /// A word for each fault.
    #[serde(default)]
    pub faults: BTreeSet<String>,
}

/// How a thing was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// It bears the environment's tag, or the policy names it.
    pub by_itself: bool,
    /// The ids of what led to it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<String>,
}

/// What a sweep saw of a thing.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// How it is.
    pub verdict: &'a Verdict,
    /// What it is bad because of.
    pub causes: &'a BTreeSet<String>,
    /// Whether one of the causes, those of now or the last ones, has failed: whoever hears of that hears of this.
    pub explained: bool,
    /// How soon somebody had to answer, if it were told now.
    pub severity: Severity,
}

/// What people are told of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// It is bad.
    Begins,
    /// It is still bad, and otherwise than they were told: worse, better, by another fault, or with more that it affects.
    Differs,
    /// It is still bad, after a long time.
    Reminds,
    /// It is well again.
    Ends,
}

/// What is remembered now, and what people are told.
#[must_use]
pub fn follow(before: Option<&Kept>, seen: &Seen<'_>, rules: &Change, now: Timestamp) -> (Kept, News) {
    let mut kept = before.cloned().unwrap_or_default();
    if let Some(fact) = seen.verdict.evidence.iter().find(|fact| FINGERPRINTS.contains(&fact.name.as_str())) {
        let another = kept.fingerprint.as_ref().is_some_and(|known| *known != fact.value);
        kept.fingerprint = Some(fact.value.clone());
        // Another thing under the same name: people were reminded of the one before.
        if let Some(told) = kept.told.as_mut().filter(|_| another) {
            told.at = now;
        }
    }
    move_on(&mut kept, Level::from(seen.verdict.health), rules, now);
    if !seen.causes.is_empty() {
        kept.causes.clone_from(seen.causes);
    } else if kept.level == Level::Well && kept.streak == 0 {
        kept.causes.clear();
    }
    let news = news(&mut kept, seen, rules, now);
    (kept, news)
}

/// Counts the sweeps that say otherwise, and lets the level change after enough of them.
fn move_on(kept: &mut Kept, seen: Level, rules: &Change, now: Timestamp) {
    if seen == Level::Unknown {
        // What cannot be looked at is not over because of that, and not confirmed either.
        kept.blind = kept.blind.saturating_add(1);
        let first = *kept.blind_since.get_or_insert(now);
        if kept.level == Level::Well && kept.blind >= rules.bad {
            (kept.level, kept.since) = (Level::Unknown, Some(first));
            (kept.streak, kept.first, kept.toward) = (0, None, None);
        }
        return;
    }
    (kept.blind, kept.blind_since) = (0, None);
    if seen == kept.level {
        (kept.streak, kept.first, kept.toward) = (0, None, None);
        return;
    }
    let worse = kept.level < seen;
    // A streak in one direction is none in the other.
    let before = kept.toward.filter(|toward| (kept.level < *toward) == worse);
    if before.is_none() {
        (kept.streak, kept.first) = (0, None);
    }
    // Not all sweeps of a streak may have seen that it is as good as the last did.
    let toward = before.filter(|before| !worse && seen < *before).unwrap_or(seen);
    kept.streak = kept.streak.saturating_add(1);
    let first = *kept.first.get_or_insert(now);
    kept.toward = Some(toward);
    if kept.streak >= if worse { rules.bad } else { rules.good } {
        if !kept.level.is_bad() && toward.is_bad() {
            kept.began = Some(first);
        }
        (kept.level, kept.since) = (toward, Some(first));
        (kept.streak, kept.first, kept.toward) = (0, None, None);
    }
}

fn news(kept: &mut Kept, seen: &Seen<'_>, rules: &Change, now: Timestamp) -> News {
    let seen_level = Level::from(seen.verdict.health);
    let bad_now = seen_level.is_bad();
    let faults = faults(&seen.verdict.reason);
    // What is bad only because not enough sweeps have seen yet that it is well is nothing to begin with, or to be reminded of.
    let news = match &kept.told {
        None if kept.level.is_bad() && bad_now && !seen.explained => News::Begins,
        None => News::None,
        Some(_) if !kept.level.is_bad() => News::Ends,
        Some(told) => {
            let another = bad_now && !faults.is_subset(&told.faults);
            kept.fresh = if another { kept.fresh.saturating_add(1) } else { 0 };
            let louder = bad_now && seen.severity < told.severity;
            if told.level != kept.level || louder || kept.fresh >= rules.bad {
                News::Differs
            } else if seen_level != Level::Well
                && told.at.saturating_add(rules.remind).is_ok_and(|due| due <= now)
            {
                News::Reminds
            } else {
                News::None
            }
        }
    };
    match news {
        News::None => {}
        News::Begins | News::Differs | News::Reminds => {
            // Where it cannot be looked at just now, the faults are those of before.
            let faults = match kept.told.take() {
                Some(told) if !bad_now => told.faults,
                _ => faults,
            };
            kept.fresh = 0;
            kept.told = Some(Told { at: now, level: kept.level, severity: seen.severity, faults });
        }
        News::Ends => (kept.told, kept.fresh) = (None, 0),
    }
    news
}

/// A word for each fault of a reason: the same as long as only its numbers change.
#[must_use]
pub fn faults(reason: &str) -> BTreeSet<String> {
    let fault = |text: &str| {
        let mut plain = String::with_capacity(text.len());
        for letter in text.trim().chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }) {
            if letter != '#' || !plain.ends_with('#') {
                plain.push(letter);
            }
        }
        id::of(&[&plain])
    };
    reason.split("; ").take(FAULTS).map(fault).collect()
}

#[cfg(test)]
mod tests;
