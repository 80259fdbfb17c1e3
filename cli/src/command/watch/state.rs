//! What is known by now: of each source what it said last, how old that is, and what kept it from being renewed.

use std::collections::BTreeMap;

use health_check::result::Sweep;
use jiff::{SignedDuration, Timestamp};
use shared::policy::Policy;

use super::source::{Deed, Follower, Incidents, Letters, Seen, Source};
use crate::exit::Exit;

/// A source that fails is asked less and less often, but so often at least.
const SELDOM: SignedDuration = SignedDuration::from_mins(5);

/// A look may take so long beyond two paces before what was seen counts as stale.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// Whoever asks for a refresh twice at once gets one.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(3);

/// Whose watch it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) environment: String,
    pub(super) stack: String,
    /// Account and Region.
    pub(super) account: String,
    pub(super) mode: String,
    /// Whether the deployed functions are asked.
    pub(super) remote: bool,
    /// The kinds that are checked; all where there is none.
    pub(super) kinds: Vec<String>,
    /// Which of how many environments it is, from 1 on; nothing where it is the only one.
    pub(super) of: Option<(usize, usize)>,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct State {
    pub(super) place: Place,
    every: SignedDuration,
    looks: BTreeMap<Source, Look>,
}

/// The looks at one source.
#[derive(Debug, Default)]
pub(super) struct Look {
    seen: Option<(Timestamp, Seen)>,
    /// Of the last look, where it failed.
    wrong: Option<Wrong>,
    /// Since when it is being looked at.
    asked: Option<Timestamp>,
    due: Option<Timestamp>,
}

#[derive(Debug)]
struct Wrong {
    at: Timestamp,
    why: String,
    times: u32,
}

/// How what is known of a source is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It is being looked at for the first time.
    Waited { since: Option<Timestamp> },
    /// It was never seen.
    Unseen { why: String, again: Option<Timestamp> },
    /// It is as it was seen then.
    Fresh { at: Timestamp },
    /// It was so then, and may be otherwise by now.
    Stale { at: Timestamp, why: String, again: Option<Timestamp> },
}

impl State {
    /// Nothing is known yet, and all is due.
    pub(super) fn new(place: Place, every: SignedDuration) -> Self {
        let looks = Source::ALL.into_iter().map(|source| (source, Look::default())).collect();
        Self { place, every, looks }
    }

    /// What is to be looked at now.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Source> {
        let due = |look: &Look| look.asked.is_none() && look.due.is_none_or(|due| due <= now);
        self.looks.iter().filter(|(_, look)| due(look)).map(|(source, _)| *source).collect()
    }

    /// It is being looked at.
    pub(super) fn asked(&mut self, source: Source, now: Timestamp) {
        self.looks.entry(source).or_default().asked = Some(now);
    }

    /// What came of it.
    pub(super) fn answered(&mut self, source: Source, said: Result<Seen, String>, now: Timestamp) {
        let pace = source.pace(self.every);
        let look = self.looks.entry(source).or_default();
        look.asked = None;
        let pause = match said {
            Ok(seen) => {
                look.seen = Some((now, seen));
                look.wrong = None;
                pace
            }
            Err(why) => {
                let times = look.wrong.as_ref().map_or(0, |wrong| wrong.times).saturating_add(1);
                look.wrong = Some(Wrong { at: now, why, times });
                // 2, 4, 8 … paces.
                let longer = pace.saturating_mul(1 << times.min(6));
                longer.min(SELDOM).max(pace)
            }
        };
        look.due = now.saturating_add(pause).ok();
    }

    /// Nobody waits any more for what is being looked at: it is due as soon as somebody looks here again.
    pub(super) fn leave(&mut self) {
        for look in self.looks.values_mut() {
            if look.asked.take().is_some() {
                look.due = None;
            }
        }
    }

    /// Has all looked at anew that is not being looked at.
    pub(super) fn refresh(&mut self, now: Timestamp) {
        for look in self.looks.values_mut() {
            let last = look.wrong.as_ref().map(|wrong| wrong.at).max(look.seen.as_ref().map(|(at, _)| *at));
            if last.is_none_or(|last| AT_ONCE <= now.duration_since(last)) {
                look.due = Some(now);
            }
        }
    }

    /// When it has to be looked at anew, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.looks.values().filter(|look| look.asked.is_none()).filter_map(|look| look.due).min()
    }

    /// How what is known of a source is to be taken.
    pub(super) fn freshness(&self, source: Source, now: Timestamp) -> Freshness {
        let Some(look) = self.looks.get(&source) else { return Freshness::Waited { since: None } };
        match (&look.seen, &look.wrong) {
            (None, None) => Freshness::Waited { since: look.asked },
            (None, Some(wrong)) => Freshness::Unseen { why: wrong.why.clone(), again: look.due },
            (Some((at, _)), Some(wrong)) => {
                Freshness::Stale { at: *at, why: wrong.why.clone(), again: look.due }
            }
            (Some((at, _)), None) => {
                let pace = source.pace(self.every);
                let late = pace.saturating_mul(2).saturating_add(GRACE);
                if now.duration_since(*at) <= late {
                    return Freshness::Fresh { at: *at };
                }
                let why = "the look that was begun after it has not ended".to_owned();
                Freshness::Stale { at: *at, why, again: None }
            }
        }
    }

    /// The sources that could not be looked at, or not anew.
    pub(super) fn doubtful(&self, now: Timestamp) -> Vec<Source> {
        let doubted = |source: &Source| {
            matches!(self.freshness(*source, now), Freshness::Unseen { .. } | Freshness::Stale { .. })
        };
        Source::ALL.into_iter().filter(doubted).collect()
    }

    /// What a process exits with that ends now.
    pub(super) fn exit(&self, now: Timestamp) -> Exit {
        let known = self.sweep().map(|sweep| Exit::of(u64::from(sweep.exit())));
        match (self.freshness(Source::Health, now), known) {
            (Freshness::Waited { .. }, _) => Exit::Interrupted,
            (Freshness::Unseen { .. }, _) | (_, None) => Exit::Unable,
            // Nobody knows whether it still is healthy.
            (Freshness::Stale { .. }, Some(Exit::Good)) => Exit::Warnings,
            (_, Some(known)) => known,
        }
    }

    fn seen(&self, source: Source) -> Option<&Seen> {
        self.looks.get(&source)?.seen.as_ref().map(|(_, seen)| seen)
    }

    pub(super) fn sweep(&self) -> Option<&Sweep> {
        if let Some(Seen::Health(sweep)) = self.seen(Source::Health) { Some(sweep) } else { None }
    }

    pub(super) fn incidents(&self) -> Option<&Incidents> {
        if let Some(Seen::Incidents(it)) = self.seen(Source::Incidents) { Some(it) } else { None }
    }

    pub(super) fn deeds(&self) -> Option<&[Deed]> {
        if let Some(Seen::Deeds(them)) = self.seen(Source::Deeds) { Some(them) } else { None }
    }

    pub(super) fn letters(&self) -> Option<&Letters> {
        if let Some(Seen::Letters(it)) = self.seen(Source::Letters) { Some(it) } else { None }
    }

    pub(super) fn followers(&self) -> Option<&[Follower]> {
        if let Some(Seen::Scaling(them)) = self.seen(Source::Scaling) { Some(them) } else { None }
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        if let Some(Seen::Policy(it)) = self.seen(Source::Policy) { Some(it) } else { None }
    }
}

#[cfg(test)]
mod tests;
