//! What people are told.

use std::fmt::Write;

use jiff::Timestamp;
use shared::notice::{Notice, Severity, State, Subject};

use crate::decision::change::{Kept, News};
use crate::decision::{cut, digest};
use crate::result::words::lasting;
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
}

/// A component whose change is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) checked: &'a Checked,
    /// What it is remembered by.
    pub(crate) id: &'a str,
    pub(crate) kept: &'a Kept,
    pub(crate) before: Option<&'a Kept>,
    pub(crate) severity: Severity,
    /// Whether it is not there any more.
    pub(crate) gone: bool,
}

impl Teller<'_> {
    /// What became of a component.
    pub(crate) fn component(&self, change: &Change<'_>, news: News) -> Option<Notice> {
        let Change { checked, id, kept, before, severity, gone } = *change;
        let name = format!("{} {}", checked.kind.title(), checked.name);
        let word = kept.level.word();
        let since = kept.since.unwrap_or(self.now);
        let (state, title, time) = match news {
            News::None => return None,
            News::Begins => (State::Firing, format!("{name} is {word}: {}", checked.reason), since),
            News::Differs => (State::Firing, format!("{name} is {word} now: {}", checked.reason), since),
            News::Reminds => (State::Firing, format!("{name} is still {word}: {}", checked.reason), since),
            News::Ends if gone => (State::Resolved, format!("{name} is not there any more"), since),
            News::Ends => (State::Resolved, format!("{name} is healthy again"), since),
        };
        let told = before.and_then(|before| before.told.as_ref());
        // The end is told as loudly as what ends.
        let severity = told.filter(|_| news == News::Ends).map_or(severity, |told| told.severity);
        let subject = Subject {
            kind: checked.kind.word().to_owned(),
            id: checked.name.clone(),
            arn: checked.arn.clone(),
        };
        let incident = format!("health:{}:{id}", self.environment);
        let title = cut(&title, LONGEST_TITLE);
        let mut notice = Notice::new(&incident, state, severity, subject, &title, time);
        // What was told last may be younger than the first sweep that saw this. Counted from there, the notice has the same
        // revision when a process that died is made up for.
        if let Some(told) = told {
            notice = notice.following(u64::try_from(told.at.as_millisecond()).unwrap_or_default());
        }
        if matches!(news, News::Differs | News::Reminds) {
            notice.time = self.now;
        }
        self.sign(&mut notice);
        notice.started = kept.began;
        let reason = cut(&sentence(&checked.reason), LONGEST_SUMMARY);
        notice.summary = if news == News::Ends {
            format!("{reason}.")
        } else {
            format!("{reason}. It has been so for {}.", lasting(kept.began.unwrap_or(since), self.now))
        };
        for fact in checked.evidence.iter().take(FACTS) {
            notice.fact(&fact.name, cut(&fact.value, LONGEST_FACT));
        }
        if let Some(more) = checked.evidence.len().checked_sub(FACTS).filter(|more| *more > 0) {
            notice.fact("Left out", format!("{more} facts more"));
        }
        if !checked.affects.is_empty() {
            notice.fact("Affects", named(&checked.affects));
        }
        if news != News::Ends {
            notice.next_steps = checked.todo.iter().take(STEPS).cloned().collect();
        }
        Some(notice)
    }

    /// That much cannot be checked: one notice, whatever the number.
    pub(crate) fn unchecked(&self, reasons: &[(&str, usize)], since: Timestamp) -> Notice {
        let title = format!("Not all in {} can be checked", self.environment);
        let mut notice = self.about_sweeps("unchecked", State::Firing, Severity::Sev3, &title, self.now);
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
        let mut notice = self.about_sweeps("unchecked", State::Resolved, Severity::Sev3, &title, self.now);
        notice.started = Some(since);
        "Whatever was broken meanwhile is told by itself.".clone_into(&mut notice.summary);
        notice
    }

    /// The digest.
    pub(crate) fn digest(&self, sweep: &Sweep, weekly: bool) -> Notice {
        let Counts { failed, degraded, unknown, healthy, .. } = sweep.counts;
        let what = if weekly { "This week" } else { "Today" };
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
        let mut notice = self.about_sweeps("digest", State::Info, Severity::Sev4, &title, self.now);
        let kinds = digest::kinds(sweep);
        let looked: usize = kinds.iter().map(|(_, count)| count).sum();
        notice.summary = format!("{looked} things of {} kinds were checked.", kinds.len());
        for (heading, text) in digest::facts(sweep, weekly) {
            notice.fact(&heading, text);
        }
        for line in &sweep.incomplete {
            notice.fact("Not whole", line);
        }
        notice
    }

    fn about_sweeps(
        &self,
        word: &str,
        state: State,
        severity: Severity,
        title: &str,
        time: Timestamp,
    ) -> Notice {
        let subject = Subject { kind: "environment".to_owned(), id: self.environment.to_owned(), arn: None };
        let incident = format!("health:{}:{word}", self.environment);
        let mut notice = Notice::new(&incident, state, severity, subject, title, time);
        self.sign(&mut notice);
        notice
    }

    fn sign(&self, notice: &mut Notice) {
        SOURCE.clone_into(&mut notice.source);
        self.environment.clone_into(&mut notice.environment);
    }
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
