//! Who is told what, where and when: routes, what is held back, and who is called when nobody answers.

mod check;
mod matchers;
mod on_call;
mod quiet;
mod route;

pub use matchers::Matchers;
pub use on_call::{Call, Escalation, Handover, Override, Person, Rotation};
pub use quiet::{Flapping, Inhibition, Maintenance, Silence, Storm, Telling};
pub use route::{OutsideHours, Repeat, Route, Settled};

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Window;
use super::read::{Lasting, Whole};
use crate::notice::Severity;

pub(super) use check::problem;

const HOUR: i64 = 60 * super::MINUTE;

/// Who is told what, where and when. Channels are named here as in the channels secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// The root of the tree of routes. Without it, every channel is told every notice at once.
    pub route: Route,
    /// What holds for a channel beyond what the secret says, by its name.
    pub channels: BTreeMap<String, ChannelRules>,
    /// The channel that gets what another one refuses for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Times of the week that routes refer to, by their name.
    pub hours: BTreeMap<String, Vec<Window>>,
    /// What is not told until a time.
    pub silences: Vec<Silence>,
    /// What is not told while something else fires that explains it.
    pub inhibit: Vec<Inhibition>,
    /// What becomes of notices while one of the policy's maintenance windows is open.
    pub maintenance: Maintenance,
    /// When an incident that comes and goes is not told each time.
    pub flapping: Flapping,
    /// When the notices of one source are told as one.
    pub storm: Storm,
    /// Who can be called, by name.
    pub people: BTreeMap<String, Person>,
    /// Who is on call, by the rotation's name.
    pub on_call: BTreeMap<String, Rotation>,
    /// Who is called when nobody acknowledges.
    pub escalation: Escalation,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            route: Route::root(),
            channels: BTreeMap::new(),
            fallback: None,
            hours: BTreeMap::new(),
            silences: Vec::new(),
            inhibit: Vec::new(),
            maintenance: Maintenance::default(),
            flapping: Flapping::default(),
            storm: Storm::default(),
            people: BTreeMap::new(),
            on_call: BTreeMap::new(),
            escalation: Escalation::default(),
        }
    }
}

impl Notify {
    /// Where a notice goes that this channel refuses for good; a fallback has none of its own by the general rule.
    pub fn fallback_of(&self, channel: &str) -> Option<&str> {
        let own = self.channels.get(channel).and_then(|rules| rules.fallback.as_deref());
        own.or(self.fallback.as_deref()).filter(|fallback| *fallback != channel)
    }

    /// Every label that the policy asks for or groups by.
    pub fn labels(&self) -> BTreeSet<&str> {
        fn of<'a>(route: &'a Route, found: &mut BTreeSet<&'a str>) {
            found.extend(route.matches.names());
            found.extend(route.group_by.iter().flatten().map(String::as_str));
            route.routes.iter().for_each(|child| of(child, found));
        }
        let mut found = BTreeSet::new();
        of(&self.route, &mut found);
        found.extend(self.silences.iter().flat_map(|silence| silence.matches.names()));
        for rule in &self.inhibit {
            found.extend(rule.source.names().chain(rule.target.names()));
            found.extend(rule.equal.iter().map(String::as_str));
        }
        found
    }

    /// Every channel that the policy names.
    pub fn named(&self) -> BTreeSet<&str> {
        fn of<'a>(route: &'a Route, found: &mut BTreeSet<&'a str>) {
            found.extend(route.channels.iter().map(String::as_str));
            route.routes.iter().for_each(|child| of(child, found));
        }
        let mut found = BTreeSet::new();
        of(&self.route, &mut found);
        found.extend(self.channels.keys().map(String::as_str));
        found.extend(self.channels.values().filter_map(|rules| rules.fallback.as_deref()));
        found.extend(self.fallback.as_deref());
        found.extend(self.people.values().flat_map(|person| &person.channels).map(String::as_str));
        let called = self.escalation.steps.iter().map(|step| step.to.as_str());
        found.extend(called.filter(|to| !self.people.contains_key(*to) && !self.on_call.contains_key(*to)));
        found
    }
}

/// What holds for a channel beyond what the secret says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelRules {
    /// Whether it is told only of production.
    pub production_only: bool,
    /// The channel that gets what this one refuses for good; without it, the general one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// How many messages it is sent; without it, what its kind of channel bears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Pace>,
    /// Whether it is told the end of incidents.
    pub resolved: bool,
    /// What is less severe than this is not told.
    #[schemars(with = "SeverityWord")]
    pub least_severity: Severity,
}

impl Default for ChannelRules {
    fn default() -> Self {
        Self {
            production_only: false,
            fallback: None,
            at_most: None,
            resolved: true,
            least_severity: Severity::Sev4,
        }
    }
}

/// So many messages in so long, and some more at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How many. From 1 to 1000.
    #[serde(with = "Whole::<1, 1000>")]
    pub count: u32,
    /// In how long. From 1s to 1h.
    #[serde(with = "Lasting::<1, HOUR>")]
    pub within: SignedDuration,
    /// How many may be sent at once after a pause. From 1 to 1000.
    #[serde(with = "Whole::<1, 1000>")]
    pub burst: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { count: 1, within: SignedDuration::from_secs(1), burst: 5 }
    }
}

// How a severity is written, for the schema.
/// How soon somebody has to answer.
#[derive(JsonSchema)]
#[schemars(rename = "Severity", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum SeverityWord {
    /// The service is down: at once.
    Sev1,
    /// Degraded: within 15 minutes.
    Sev2,
    /// Minor: within the hour.
    Sev3,
    /// For the record.
    Sev4,
}

#[cfg(test)]
mod tests;
