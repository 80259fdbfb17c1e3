//! One sweep: many checks at once, each API within its budget, all within a deadline.

mod gate;
mod pages;
pub(crate) mod run;
pub(crate) mod whole;

pub(crate) use gate::Api;
pub(crate) use pages::Pages;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::ContinuousBackupsDescription;
use jiff::Timestamp;
use shared::policy::Health as Rules;
use shared::policy::health::Expected;
use shared::{Error, error};

use crate::clients::Clients;
use crate::component::Component;
use crate::decision::{Findings, Verdict};
use crate::observe::http::Probes;
use gate::{Gates, Turn};

/// What a check needs, and where it says what it found. It is used by one thread.
pub(crate) struct Ask<'a> {
    /// The clients.
    pub(crate) clients: &'a Clients,
    /// What asks addresses that are not of AWS.
    pub(crate) probes: &'a Probes,
    /// What the policy says.
    pub(crate) rules: &'a Rules,
    /// What the environment has to have.
    pub(crate) expected: &'a Expected,
    /// The environment's name.
    pub(crate) environment: &'a str,
    /// The time of the sweep.
    pub(crate) now: Timestamp,
    gates: Gates,
    said: RefCell<BTreeMap<String, Checked>>,
    more: RefCell<Vec<Component>>,
    /// The ids of what belongs to other environments.
    left: RefCell<BTreeSet<String>>,
    /// How many of each sort bear the environment's tag, and are nothing that is checked.
    passed_over: RefCell<BTreeMap<String, usize>>,
    /// The ids of what would be filled by something that is scaled to zero.
    resting: RefCell<BTreeSet<String>>,
    /// By table, its continuous backups: two kinds ask for them, and `DynamoDB` tells them to few a second.
    pub(crate) recovery: RefCell<BTreeMap<String, Recovery>>,
}

/// The continuous backups of a table, and nothing where `DynamoDB` says nothing; or why they could not be asked for.
pub(crate) type Recovery = Result<Option<ContinuousBackupsDescription>, Verdict>;

/// A component with the verdict on it, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) component: Component,
    pub(crate) verdict: Verdict,
    /// The ids of what it stands on.
    pub(crate) needs: BTreeSet<String>,
    /// The ids of what was found by looking at it, whether it stands on that or not.
    pub(crate) leads: BTreeSet<String>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(
        clients: &'a Clients,
        probes: &'a Probes,
        rules: &'a Rules,
        expected: &'a Expected,
        environment: &'a str,
        now: Timestamp,
    ) -> Self {
        Self {
            clients,
            probes,
            rules,
            expected,
            environment,
            now,
            gates: Gates::new(),
            said: RefCell::default(),
            more: RefCell::default(),
            left: RefCell::default(),
            passed_over: RefCell::default(),
            resting: RefCell::default(),
            recovery: RefCell::default(),
        }
    }

    /// Waits until this API may be asked once more. The turn lasts until it is dropped.
    pub(crate) async fn turn(&self, api: Api) -> Turn<'_> {
        self.gates.turn(api).await
    }

    /// Says how a component is. Said again, the first word stands. What the policy leaves out is not said.
    pub(crate) fn say(&self, component: &Component, verdict: Verdict) {
        if self.ignores(component) {
            return;
        }
        let component = component.clone();
        let id = component.id();
        let checked = Checked { component, verdict, needs: BTreeSet::new(), leads: BTreeSet::new() };
        self.said.borrow_mut().entry(id).or_insert(checked);
    }

    /// Says that a component could not be checked, and what kept it from being.
    pub(crate) fn unknown(&self, component: &Component, error: &Error) {
        self.say(component, unknown(error));
    }

    /// Says that a component stands on another, and has the other checked, too. Say how the component is before this.
    pub(crate) fn needs(&self, component: &Component, other: Component) {
        if let Some(checked) = self.said.borrow_mut().get_mut(&component.id()) {
            checked.needs.insert(other.id());
        }
        self.leads(component, other);
    }

    /// Says that a component leads to another that it does not stand on, and has the other checked, too. Say how the
    /// component is before this.
    pub(crate) fn leads(&self, component: &Component, other: Component) {
        self.led(component, other.id());
        self.more(other);
    }

    /// Says that looking at a component says another, too.
    pub(crate) fn led(&self, component: &Component, other: String) {
        if let Some(checked) = self.said.borrow_mut().get_mut(&component.id()) {
            checked.leads.insert(other);
        }
    }

    /// Has another component checked, too, that was found beside what was looked for.
    pub(crate) fn more(&self, component: Component) {
        if !self.left.borrow().contains(&component.id()) {
            self.more.borrow_mut().push(component);
        }
    }

    /// Leaves what belongs to another environment to that one's sweep, whatever leads to it.
    pub(crate) fn leave(&self, id: String) {
        self.left.borrow_mut().insert(id);
    }

    /// Counts what bears the environment's tag, and is nothing that is checked.
    pub(crate) fn pass_over(&self, sort: String) {
        *self.passed_over.borrow_mut().entry(sort).or_default() += 1;
    }

    /// How many of each sort were passed over.
    pub(crate) fn passed_over(&self) -> BTreeMap<String, usize> {
        self.passed_over.borrow().clone()
    }

    /// Says that a component is empty on purpose, as far as one of those goes that would fill it.
    pub(crate) fn rests(&self, id: String) {
        self.resting.borrow_mut().insert(id);
    }

    /// Whether something that is scaled to zero would fill it.
    pub(crate) fn is_resting(&self, id: &str) -> bool {
        self.resting.borrow().contains(id)
    }

    /// Whether the policy says not to check it: `kms-key`, `sqs-queue:import-*`.
    pub(crate) fn ignores(&self, component: &Component) -> bool {
        let kind = component.kind.word();
        self.rules.ignore.iter().any(|rule| rule.covers(kind, &component.name))
    }

    /// What was asked for beside what was looked for, since this was last called.
    pub(crate) fn take_more(&self) -> Vec<Component> {
        self.more.take()
    }

    /// Whether something was said of what is known by this.
    pub(crate) fn is_said(&self, id: &str) -> bool {
        self.said.borrow().contains_key(id)
    }

    /// What was said so far, by id.
    pub(crate) fn said(&self) -> BTreeMap<String, Checked> {
        self.said.borrow().clone()
    }

    /// What was said of a kind and a name.
    #[cfg(test)]
    pub(crate) fn verdict(&self, kind: crate::component::Kind, name: &str) -> Option<Verdict> {
        let id = Component::new(kind, name).id();
        self.said.borrow().get(&id).map(|checked| checked.verdict.clone())
    }
}

/// The verdict on what could not be checked: it names the permission that is missing, or says that AWS is to blame.
pub(crate) fn unknown(error: &Error) -> Verdict {
    let todo = match error {
        Error::Denied { action, .. } => format!("Allow {action} to the role of health-check."),
        error if error.class() == error::Class::Transient => {
            "It is checked again at the next sweep.".to_owned()
        }
        Error::Aws { .. }
        | Error::Config { .. }
        | Error::Event(_)
        | Error::Later(_)
        | Error::Malformed(_)
        | Error::Missing(_) => "Check it by hand, and look at what the API answered.".to_owned(),
    };
    let mut found = Findings::new();
    found.unknown(format!("could not be checked: {}", error.chain()), todo);
    found.verdict("")
}
