//! One stack, its resources and its events, and how an operation in it ends.

use jiff::Timestamp;

use super::super::{arn, hash};
use super::CANCELLED;

const STACK: &str = "AWS::CloudFormation::Stack";

#[derive(Debug)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) role: Option<String>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) deleted: Option<Timestamp>,
    pub(super) disable_rollback: bool,
    pub(super) tags: Vec<(String, String)>,
    pub(super) resources: Vec<Resource>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
    /// The token of the operation that goes on.
    pub(super) token: Option<String>,
    /// A call began what goes on, so that it ends by itself.
    pub(super) moves: bool,
    pub(super) looks: usize,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) logical: String,
    pub(super) physical: String,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) at: Timestamp,
    /// It cannot be rolled back, for this reason.
    pub(super) held: Option<String>,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) logical: String,
    pub(super) physical: String,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) at: Timestamp,
    pub(super) token: Option<String>,
}

/// How a stack words that the stack nested in it is not well.
pub(super) fn embedded(id: &str, reason: &str) -> String {
    format!(
        "Embedded stack {id} was not successfully updated. Currently in UPDATE_ROLLBACK_FAILED with reason: {reason}"
    )
}

impl Resource {
    pub(super) fn new(logical: &str, physical: &str, kind: &'static str, status: &'static str) -> Self {
        Self {
            logical: logical.to_owned(),
            physical: physical.to_owned(),
            kind,
            status,
            reason: None,
            at: Timestamp::UNIX_EPOCH,
            held: None,
        }
    }
}

impl Stack {
    pub(super) fn new(name: &str, status: &'static str, created: Timestamp, updated: Timestamp) -> Self {
        let word = hash(name);
        let part = |from: usize, to: usize| word.get(from..to).unwrap_or_default();
        let uuid = format!("{}-{}-11f0-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 28));
        Self {
            name: name.to_owned(),
            id: arn("cloudformation", &format!("stack/{name}/{uuid}")),
            parent: None,
            status,
            reason: None,
            role: None,
            created,
            updated,
            deleted: None,
            disable_rollback: false,
            tags: Vec::new(),
            resources: Vec::new(),
            events: Vec::new(),
            token: None,
            moves: false,
            looks: 0,
        }
    }

    /// The stack enters a status: one event.
    pub(super) fn note(&mut self, status: &'static str, reason: Option<&str>, at: Timestamp) {
        let (name, id) = (self.name.clone(), self.id.clone());
        self.event(name, id, STACK, status, reason, at);
    }

    /// The stack enters a status and keeps it.
    pub(super) fn end(&mut self, status: &'static str, reason: Option<&str>, at: Timestamp) {
        self.status = status;
        self.reason = reason.map(ToOwned::to_owned);
        self.note(status, reason, at);
    }

    /// A resource enters a status and keeps it: one event.
    pub(super) fn set(&mut self, logical: &str, status: &'static str, reason: Option<&str>, at: Timestamp) {
        let Some(resource) = self.resources.iter_mut().find(|it| it.logical == logical) else { return };
        resource.status = status;
        resource.reason = reason.map(ToOwned::to_owned);
        resource.at = at;
        let (physical, kind) = (resource.physical.clone(), resource.kind);
        self.event(logical.to_owned(), physical, kind, status, reason, at);
    }

    pub(super) fn hold(&mut self, logical: &str, reason: &str) {
        if let Some(resource) = self.resources.iter_mut().find(|it| it.logical == logical) {
            resource.held = Some(reason.to_owned());
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// A call begins an operation.
    pub(super) fn begin(&mut self, status: &'static str, token: Option<&str>, at: Timestamp) {
        self.token = token.map(ToOwned::to_owned);
        self.moves = true;
        self.looks = 0;
        self.end(status, Some("User Initiated"), at);
    }

    /// Skips a resource of a rollback: from here on it counts as updated, whatever it is.
    pub(super) fn skip(&mut self, logical: &str, at: Timestamp) {
        self.set(logical, "UPDATE_COMPLETE", None, at);
        if let Some(resource) = self.resources.iter_mut().find(|it| it.logical == logical) {
            resource.held = None;
        }
    }

    /// Ends what goes on. `false` if nothing does.
    pub(super) fn advance(&mut self, at: Timestamp) -> bool {
        if !self.goes_on() {
            return false;
        }
        self.moves = false;
        if self.status == "UPDATE_ROLLBACK_IN_PROGRESS" {
            self.roll_back(at);
            return true;
        }
        let ended = if self.status == "DELETE_IN_PROGRESS" { "DELETE_COMPLETE" } else { "UPDATE_COMPLETE" };
        let all: Vec<String> = self.resources.iter().map(|it| it.logical.clone()).collect();
        for logical in all {
            self.set(&logical, ended, None, at);
        }
        self.end(ended, None, at);
        if ended == "DELETE_COMPLETE" {
            self.deleted = Some(at);
        }
        true
    }

    fn roll_back(&mut self, at: Timestamp) {
        let failed: Vec<(String, Option<String>)> = self
            .resources
            .iter()
            .filter(|it| it.status == "UPDATE_FAILED")
            .map(|it| (it.logical.clone(), it.held.clone()))
            .collect();
        let holds = failed.iter().any(|(_, held)| held.is_some());
        for (logical, held) in &failed {
            self.set(logical, "UPDATE_IN_PROGRESS", None, at);
            match held {
                Some(reason) => self.set(logical, "UPDATE_FAILED", Some(reason), at),
                // One that fails ends it for those that are under way.
                None if holds => self.set(logical, "UPDATE_FAILED", Some(CANCELLED), at),
                None => self.set(logical, "UPDATE_COMPLETE", None, at),
            }
        }
        if holds {
            let names: Vec<_> = failed.iter().map(|(logical, _)| logical.as_str()).collect();
            let reason = format!("The following resource(s) failed to update: [{}]. ", names.join(", "));
            self.end("UPDATE_ROLLBACK_FAILED", Some(&reason), at);
        } else {
            self.note("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None, at);
            self.end("UPDATE_ROLLBACK_COMPLETE", None, at);
        }
    }

    fn event(
        &mut self,
        logical: String,
        physical: String,
        kind: &'static str,
        status: &'static str,
        reason: Option<&str>,
        at: Timestamp,
    ) {
        let word = hash(&format!("{}/{}", self.id, self.events.len()));
        self.events.push(Event {
            id: format!("{logical}-{status}-{}", word.get(..12).unwrap_or_default()),
            logical,
            physical,
            kind,
            status,
            reason: reason.map(ToOwned::to_owned),
            at,
            token: self.token.clone(),
        });
    }
}
