//! What people are told.

use std::fmt::Write;

use jiff::Timestamp;
use shared::notice::{Notice, Severity, State, Subject};

use crate::decision::change::{Kept, News, Told};
use crate::decision::digest::{self, Due};
use crate::decision::{Health, cut};
use crate::result::words::{lasting, when};
use crate::result::{Checked, Counts, Sweep};

/// The name in `source`.
const SOURCE: &str = "health-check";

/// So many of what is affected are named.
const NAMES: usize = 10;

/// How long a notice gets, in letters and in parts: it has to be readable, and fit into a message.
const LONGEST_TITLE: usize = 200;
const LONGEST_SUMMARY: usize = 1_000;
const LONGEST_FACT: usize = 400;
const FACTS: usize = 20;
const STEPS: usize = 8;

/// What all notices of a sweep have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller<'a> {
    pub(crate) environment: &'a str,
    pub(crate) production: bool,
    pub(crate) now: Timestamp,
    /// When the sweep before it was: one that is made again after it died has the same one before it.
    pub(crate) before: Timestamp,
}

/// A component whose change is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) checked: &'a Checked,
    /// What it is remembered by.
    pub(crate) id: &'a str,
    pub(crate) kept: &'a Kept,
    pub(crate) before: Option<&'a Kept>,
    /// Whether it is not there any more.
    pub(crate) gone: bool,
}

impl Teller<'_> {
    /// What became of a component.
    pub(crate) fn component(&self, change: &Change<'_>, news: News) -> Option<Notice> {
        let Change { checked, id, kept, before, gone } = *change;
        let name = format!("{} {}", checked.kind.title(), checked.name);
        let told = before.and_then(|before| before.told.as_ref());
        let word = kept.level.word();
        let since = kept.since.unwrap_or(self.now);
        let (reason, _) = as_bad(change);
        let (state, title) = match news {
            News::None => return None,
            News::Begins => (State::Firing, format!("{name} is {word}: {reason}")),
            News::Differs => (State::Firing, format!("{name} is {word} now: {reason}")),
            News::Spreads => (State::Firing, format!("{name} is {word}, and affects more: {reason}")),
            News::Reminds => (State::Firing, format!("{name} is still {word}: {reason}")),
            News::Ends if gone => (State::Resolved, format!("{name} is not there any more")),
            News::Ends if checked.health == Health::Healthy => {
                (State::Resolved, format!("{name} is healthy again"))
            }
            News::Ends => {
                let word = told.map_or(word, |told| told.level.word());
                (State::Resolved, format!("{name} is not {word} any more: {}", checked.reason))
            }
        };
        // The end is told as loudly as what ends.
        let severity = kept.told.as_ref().or(told).map_or(Severity::Sev4, |told| told.severity);
        let subject = Subject {
            kind: checked.kind.word().to_owned(),
            id: checked.name.clone(),
            arn: checked.arn.clone(),
        };
        let incident = format!("health:{}:{id}", self.environment);
        let title = cut(&title, LONGEST_TITLE);
        let mut notice = Notice::new(&incident, state, severity, subject, &title, since);
        // What was told last may be younger than the first sweep that saw this. Counted from there, the notice has the same
        // revision when a process that died is made up for.
        if let Some(told) = told {
            notice = notice.following(u64::try_from(told.at.as_millisecond()).unwrap_or_default());
        }
        if matches!(news, News::Differs | News::Spreads | News::Reminds) {
            notice.time = self.now;
        }
        self.sign(&mut notice);
        notice.started = kept.began;
        notice.summary = if news == News::Ends { over(change, told) } else { self.goes_on(change, since) };
        for fact in checked.evidence.iter().take(FACTS) {
            notice.fact(&fact.name, cut(&fact.value, LONGEST_FACT));
        }
        if let Some(more) = checked.evidence.len().checked_sub(FACTS).filter(|more| *more > 0) {
            notice.fact("Left out", format!("{more} facts more"));
        }
        if news == News::Spreads {
            let known = told.map(|told| &told.affects);
            let is_new = |id: &&String| known.is_none_or(|known| !known.contains(*id));
            let new: Vec<String> =
                kept.told.iter().flat_map(|told| &told.affects).filter(is_new).cloned().collect();
            if !new.is_empty() {
                notice.fact("Affects now, too", named(&new));
            }
        }
        if !checked.affects.is_empty() {
            notice.fact("Affects", named(&checked.affects));
        }
        if news != News::Ends {
            let (_, todo) = as_bad(change);
            notice.next_steps = todo.iter().take(STEPS).cloned().collect();
        }
        Some(notice)
    }

    /// How it is, and since when; where this sweep could not look at it, or saw it well for once, how it was seen last.
    fn goes_on(&self, change: &Change<'_>, since: Timestamp) -> String {
        let Change { checked, kept, .. } = *change;
        let (reason, _) = as_bad(change);
        let reason = cut(&sentence(reason), LONGEST_SUMMARY);
        let long = lasting(kept.began.unwrap_or(since), self.now);
        let mut text = format!("{reason}. It has been so for {long}.");
        if !checked.health.is_bad() {
            let _ = write!(text, " Just now: {}.", cut(&checked.reason, LONGEST_FACT));
        }
        text
    }

    /// That much cannot be checked: one notice, whatever the number.
    pub(crate) fn unchecked(&self, reasons: &[(&str, usize)], since: Timestamp) -> Notice {
        let title = format!("Not all in {} can be checked", self.environment);
        let mut notice = self.about_sweeps("unchecked", State::Firing, Severity::Sev3, &title, self.before);
        notice.started = Some(since);
        "What cannot be checked may be broken, and nobody would know.".clone_into(&mut notice.summary);
        for (reason, count) in reasons.iter().take(FACTS) {
            let name = if *count == 0 { "All".to_owned() } else { format!("{count} ×") };
            notice.fact(&name, cut(reason, LONGEST_FACT));
        }
        notice.next_steps =
            vec!["Grant what is missing, or list it under health.ignore in the policy.".to_owned()];
        notice
    }

    /// All can be checked again.
    pub(crate) fn checked_again(&self, since: Timestamp) -> Notice {
        let title = format!("All in {} can be checked again", self.environment);
        let mut notice = self.about_sweeps("unchecked", State::Resolved, Severity::Sev3, &title, self.before);
        notice.started = Some(since);
        "Whatever was broken meanwhile is told by itself.".clone_into(&mut notice.summary);
        notice
    }

    /// The digest.
    pub(crate) fn digest(&self, sweep: &Sweep, due: Due) -> Notice {
        let Counts { failed, degraded, unknown, healthy, .. } = sweep.counts;
        let what = if due.weekly { "This week" } else { "Today" };
        let all = failed + degraded + unknown == 0 && sweep.incomplete.is_empty();
        let mut title = match (failed, degraded) {
            (0, 0) if all => format!("{what} in {}: all {healthy} healthy", self.environment),
            (0, 0) => format!("{what} in {}: {healthy} healthy", self.environment),
            _ => format!(
                "{what} in {}: {failed} failed, {degraded} degraded, {healthy} healthy",
                self.environment
            ),
        };
        if unknown > 0 {
            let _ = write!(title, ", {unknown} could not be checked");
        }
        if !sweep.incomplete.is_empty() {
            title.push_str(", and not all was looked at");
        }
        let mut notice = self.about_sweeps("digest", State::Info, Severity::Sev4, &title, due.at);
        let kinds = digest::kinds(sweep);
        let looked: usize = kinds.iter().map(|(_, count)| count).sum();
        notice.summary = format!("{looked} things of {} kinds were checked.", kinds.len());
        for (heading, text) in digest::facts(sweep, due.weekly) {
            notice.fact(&heading, text);
        }
        for line in &sweep.incomplete {
            notice.fact("Not whole", line);
        }
        notice
    }

    /// `of` is what makes it the same notice, whichever sweep tells it.
    fn about_sweeps(
        &self,
        word: &str,
        state: State,
        severity: Severity,
        title: &str,
        of: Timestamp,
    ) -> Notice {
        let subject = Subject { kind: "environment".to_owned(), id: self.environment.to_owned(), arn: None };
        let incident = format!("health:{}:{word}", self.environment);
        let mut notice = Notice::new(&incident, state, severity, subject, title, of);
        notice.time = self.now;
        self.sign(&mut notice);
        notice
    }

    fn sign(&self, notice: &mut Notice) {
        SOURCE.clone_into(&mut notice.source);
        self.environment.clone_into(&mut notice.environment);
    }
}

/// Why it is bad, and what to do about it: as this sweep saw it, or as it was seen last where this one saw nothing bad.
fn as_bad<'a>(change: &Change<'a>) -> (&'a str, &'a [String]) {
    let Change { checked, kept, .. } = *change;
    match kept.last.as_ref().filter(|_| !checked.health.is_bad()) {
        Some(last) => (&last.reason, &last.todo),
        None => (&checked.reason, &checked.todo),
    }
}

/// What it was, since when and for how long, and how it is now.
fn over(change: &Change<'_>, told: Option<&Told>) -> String {
    let Change { checked, kept, .. } = *change;
    let now = format!("Now: {}.", cut(&checked.reason, LONGEST_FACT));
    let (Some(began), Some(told)) = (kept.began, told) else { return now };
    let long = lasting(began, kept.since.unwrap_or(began));
    let was = kept.last.as_ref().map(|last| format!(": {}", cut(&last.reason, LONGEST_SUMMARY)));
    let (word, was) = (told.level.word(), was.unwrap_or_default());
    format!("It was {word} from {} on, for {long}{was}. {now}", when(began))
}

/// The first few names; the others are counted.
fn named(ids: &[String]) -> String {
    let mut names: Vec<String> = ids.iter().take(NAMES).cloned().collect();
    if ids.len() > NAMES {
        names.push(format!("{} more", ids.len() - NAMES));
    }
    names.join(", ")
}

/// With a capital.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
