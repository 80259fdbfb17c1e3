//! What of a change is worth telling: after several sweeps that say the same, once, and again when it is over.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::id;
use shared::notice::Severity;
use shared::policy::health::Change;

use super::{Health, Verdict, cut};

/// The facts whose change makes something another thing: a new certificate is not the old one.
const FINGERPRINTS: [&str; 2] = ["Fingerprint", "Serial"];

/// So many faults of one thing are told apart.
const FAULTS: usize = 20;

/// So much of a reason is remembered, in letters, and so many steps of what is to do.
const LONGEST: usize = 1_000;
const STEPS: usize = 8;

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
    /// How it was when it was seen to be bad last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Bad>,
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

/// How a thing was in a sweep that saw it, and saw that it is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// Why.
    pub reason: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub todo: Vec<String>,
    /// How soon somebody had to answer.
    pub severity: Severity,
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
    /// What it affects.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub affects: BTreeSet<String>,
}

/// How a thing was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// It bears the environment's tag, or the policy names it.
    pub by_itself: bool,
    /// What each of those is remembered by that leads to it, over however many steps.
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
    /// Whether one of the causes has failed, of now or, while that one gets well, of before: whoever hears of that hears of
    /// this.
    pub explained: bool,
    /// What is bad because of it.
    pub affects: &'a Affected,
    /// How soon somebody had to answer, if it were told now.
    pub severity: Severity,
}

/// What is bad because of a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// All of it, in this sweep.
    pub now: BTreeSet<String>,
    /// That of it which counts as bad, since several sweeps said so.
    pub counted: BTreeSet<String>,
    /// What people were told that it affects, and what is well since.
    pub over: BTreeSet<String>,
}

/// What people are told of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// It is bad.
    Begins,
    /// It is still bad, and otherwise than they were told: worse, better, or by another fault.
    Differs,
    /// It is still bad, and affects more, or what matters more, than they were told.
    Spreads,
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
    let level = Level::from(seen.verdict.health);
    if level.is_bad() {
        let Verdict { reason, todo, .. } = seen.verdict;
        let todo = todo.iter().take(STEPS).cloned().collect();
        kept.last = Some(Bad { reason: cut(reason, LONGEST), todo, severity: seen.severity });
    }
    // What was looked at in part only is not better than what it counts as: what was bad may be in the other part.
    let hidden = seen.verdict.partly && level < kept.level;
    move_on(&mut kept, if hidden { Level::Unknown } else { level }, rules, now);
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
    let level = Level::from(seen.verdict.health);
    let bad_now = level.is_bad();
    let faults = faults(&seen.verdict.reason);
    if let Some(told) = &mut kept.told {
        told.affects.retain(|id| !seen.affects.over.contains(id));
    }
    // What is bad only because not enough sweeps have seen yet that it is well is nothing to begin with, or to be reminded of.
    let news = match &kept.told {
        None if kept.level.is_bad() && bad_now && !seen.explained => News::Begins,
        None => News::None,
        // An end that could not be told is told later; not while it seems to begin anew.
        Some(_) if !kept.level.is_bad() => {
            if bad_now {
                News::None
            } else {
                News::Ends
            }
        }
        Some(_) if seen.explained => {
            kept.fresh = 0;
            News::None
        }
        Some(told) => {
            let another = bad_now && !faults.is_subset(&told.faults);
            kept.fresh = if another { kept.fresh.saturating_add(1) } else { 0 };
            let counts = bad_now && level <= kept.level;
            // What it affects is told with it alone where it has failed: otherwise that is told by itself.
            let more = kept.level == Level::Failed && !seen.affects.counted.is_subset(&told.affects);
            let due = || told.at.saturating_add(rules.remind).is_ok_and(|due| due <= now);
            if told.level != kept.level || kept.fresh >= rules.bad {
                News::Differs
            } else if counts && (more || seen.severity < told.severity) {
                News::Spreads
            } else if level != Level::Well && due() {
                News::Reminds
            } else {
                News::None
            }
        }
    };
    match news {
        News::None => {}
        News::Begins | News::Differs | News::Spreads | News::Reminds => {
            let before = kept.told.take();
            let (known, mut affects) = before.map(|told| (told.faults, told.affects)).unwrap_or_default();
            affects.extend(seen.affects.now.iter().cloned());
            kept.fresh = 0;
            kept.told = Some(Told {
                at: now,
                level: kept.level,
                // Where it cannot be looked at just now, or is well for once, it is as it was before.
                severity: kept.last.as_ref().map_or(seen.severity, |last| last.severity),
                faults: if bad_now { faults } else { known },
                affects,
            });
        }
        News::Ends => (kept.told, kept.fresh) = (None, 0),
    }
    news
}

/// A word for each fault of a reason: the same as long as only its numbers change.
#[must_use]
pub fn faults(reason: &str) -> BTreeSet<String> {
    reason.split("; ").take(FAULTS).map(|fault| id::of(&[&plain(fault)])).collect()
}

/// A fault without its numbers, and without what follows from them: `1 of 3 targets is healthy` and `2 of 3 targets are
/// healthy`, `for 50 minutes` and `for 2 hours`.
fn plain(fault: &str) -> String {
    const UNITS: [&str; 16] = [
        "ms",
        "millisecond",
        "s",
        "second",
        "min",
        "minute",
        "h",
        "hour",
        "d",
        "day",
        "week",
        "month",
        "b",
        "kib",
        "mib",
        "gib",
    ];
    const NUMBERS: [&str; 12] =
        ["no", "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let mut words: Vec<String> = Vec::new();
    for word in fault.split_whitespace() {
        let word = word.to_lowercase();
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        let one = singular(bare);
        let number = bare.starts_with(|letter: char| letter.is_ascii_digit()) || NUMBERS.contains(&bare);
        let after_number = words.last().is_some_and(|last| last == "#");
        let next = match (number, bare) {
            (true, _) if after_number => continue,
            (true, _) => "#".to_owned(),
            (false, _) if after_number && UNITS.contains(&one.as_str()) => continue,
            (false, "is" | "are") => "are".to_owned(),
            (false, "has" | "have") => "have".to_owned(),
            (false, "was" | "were") => "were".to_owned(),
            (false, _) => digits_away(&one),
        };
        words.push(next);
    }
    words.join(" ")
}

/// A word without the ending of a plural, or of a verb beside a singular: what matters is only that both become the same.
fn singular(word: &str) -> String {
    if let Some(front) = word.strip_suffix("ies") {
        return format!("{front}y");
    }
    let ends = ["ches", "shes", "sses", "xes"].iter().any(|end| word.ends_with(end));
    let cut = if ends { word.strip_suffix("es") } else { word.strip_suffix('s') };
    // `is` and `address` are no plurals.
    cut.filter(|front| 2 < front.len() && !front.ends_with('s') || ends).unwrap_or(word).to_owned()
}

/// With one sign for any number.
fn digits_away(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }) {
        if letter != '#' || !plain.ends_with('#') {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests;
