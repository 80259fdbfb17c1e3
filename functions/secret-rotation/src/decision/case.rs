//! A step that is taken: what the rules of all strategies ask for.

use shared::ledger::rotation::{Overlap, Rotation};
use shared::strategy::Strategy;

use super::{Action, Asked, Plan, Question, Source, Stop, Verdict, refuse};
use crate::account::Access;
use crate::document::Document;
use crate::facts::{Facts, Group, Login, Secret, User, Which};

/// A step that is taken.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    pub(super) secret: &'a Secret,
    /// The version that is rotated in.
    pub(super) version: &'a str,
    pub(super) strategy: Strategy,
}

impl<'a> Case<'a> {
    /// What the pending version holds; none where it is only a label yet.
    pub(super) fn pending(&self) -> Asked<Option<&'a Document>> {
        value(self.facts, self.secret, Which::Pending)
    }

    /// What the pending version holds, which must be there.
    pub(super) fn valued_pending(&self) -> Asked<&'a Document> {
        match self.pending()? {
            Some(document) => Ok(document),
            None => refuse("AWSPENDING has no value: createSecret comes first"),
        }
    }

    /// What the current version holds, which must be there.
    pub(super) fn current(&self) -> Asked<&'a Document> {
        match value(self.facts, self.secret, Which::Current)? {
            Some(document) => Ok(document),
            None => refuse("the secret has no AWSCURRENT value to set out from: write one first"),
        }
    }

    /// What the version before the current one holds.
    pub(super) fn previous(&self) -> Asked<Option<&'a Document>> {
        value(self.facts, self.secret, Which::Previous)
    }

    /// What another version, or another secret, holds.
    pub(super) fn other(&self, which: Which, source: Source) -> Asked<Option<&'a Document>> {
        match self.facts.values.get(&which) {
            None => Err(Stop::Ask(Question::Value(which, source))),
            Some(held) => Ok(held.as_ref()),
        }
    }

    /// What the hook did last with this version.
    pub(super) fn entry(&self) -> Asked<Option<&'a Rotation>> {
        match &self.facts.rotation {
            None => Err(Stop::Ask(Question::Rotation)),
            Some(_) => Ok(self.facts.entry()),
        }
    }

    /// Which token was added last.
    pub(super) fn overlap(&self) -> Asked<Option<&'a Overlap>> {
        overlap(self.facts)
    }

    /// Whether a credential logs in.
    pub(super) fn login(&self, which: Which, access: &Access) -> Asked<&'a Login> {
        login(self.facts, which, access)
    }

    /// The ElastiCache user, which must be there.
    pub(super) fn user(&self, id: &str) -> Asked<&'a User> {
        match &self.facts.user {
            None => Err(Stop::Ask(Question::User(id.to_owned()))),
            Some(None) => refuse(format!("there is no ElastiCache user {id:?}")),
            Some(Some(user)) => Ok(user),
        }
    }

    /// The replication group, which must be there.
    pub(super) fn group(&self, id: &str) -> Asked<&'a Group> {
        group(self.facts, id)
    }

    /// That AWSCURRENT is still the version that the rotation set out from.
    pub(super) fn unmoved(&self) -> Asked<()> {
        let current = self.secret.version("AWSCURRENT");
        match self.entry()?.and_then(|entry| entry.previous.as_deref()) {
            Some(began) if Some(began) != current => refuse(format!(
                "AWSCURRENT moved from version {began} to version {} while the rotation was under way. What somebody \
                 wrote meanwhile is not overwritten: take AWSPENDING from version {}, then rotate again",
                current.unwrap_or("none"),
                self.version,
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// What a document is read as; a refusal names the document and what it lacks.
    pub(super) fn read<T>(&self, label: &str, read: Result<T, String>) -> Asked<T> {
        read.or_else(|why| refuse(format!("the {label} value of the secret {} {why}", self.secret.name)))
    }

    pub(super) fn act(&self, action: Action) -> Verdict {
        let from = self.secret.version("AWSCURRENT").map(ToOwned::to_owned);
        Verdict::Act(Box::new(Plan { strategy: self.strategy, from, action }))
    }
}

/// What a version holds: none where there is no such version, or where it has no value.
pub(super) fn value<'a>(facts: &'a Facts, secret: &Secret, which: Which) -> Asked<Option<&'a Document>> {
    if let Some(held) = facts.values.get(&which) {
        return Ok(held.as_ref());
    }
    let (version, stage) = match which {
        Which::Pending => (Some(facts.work.version()), "AWSPENDING"),
        Which::Previous => (secret.version("AWSPREVIOUS"), "AWSPREVIOUS"),
        Which::Current | Which::Left | Which::Superuser => (secret.version("AWSCURRENT"), "AWSCURRENT"),
    };
    let Some(version) = version else { return Ok(None) };
    Err(Stop::Ask(Question::Value(
        which,
        Source {
            secret: facts.work.secret().to_owned(),
            version: Some(version.to_owned()),
            // By both: a version that has lost its label meanwhile must not be read as if it held it.
            stage: Some(stage),
        },
    )))
}

pub(super) fn overlap(facts: &Facts) -> Asked<Option<&Overlap>> {
    match &facts.overlap {
        None => Err(Stop::Ask(Question::Overlap)),
        Some(overlap) => Ok(overlap.as_ref()),
    }
}

pub(super) fn login<'a>(facts: &'a Facts, which: Which, access: &Access) -> Asked<&'a Login> {
    facts.logins.get(&which).ok_or_else(|| Stop::Ask(Question::Login(which, access.clone())))
}

pub(super) fn group<'a>(facts: &'a Facts, id: &str) -> Asked<&'a Group> {
    match &facts.group {
        None => Err(Stop::Ask(Question::Group(id.to_owned()))),
        Some(None) => refuse(format!("there is no replication group {id:?}")),
        Some(Some(group)) => Ok(group),
    }
}
