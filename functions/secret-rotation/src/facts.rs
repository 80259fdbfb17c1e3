//! What is known of a secret, its versions, and the server that they are for.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::ledger::rotation::{Overlap, Rotation};
use shared::tags::Tags;

use crate::document::Document;
use crate::event::{Hook, Request};
use crate::hidden::Hidden;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A step of a rotation.
    Step(Request),
    /// Every dependant runs with this version: what is kept for the one before may go.
    Settle {
        /// The secret's ARN.
        secret: String,
        /// The version.
        version: String,
    },
}

impl Work {
    /// The secret's ARN.
    pub fn secret(&self) -> &str {
        match self {
            Self::Step(Request { secret, .. }) | Self::Settle { secret, .. } => secret,
        }
    }

    /// The version.
    pub fn version(&self) -> &str {
        match self {
            Self::Step(Request { version, .. }) | Self::Settle { version, .. } => version,
        }
    }

    /// The step's name.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::Step(Request { step, .. }) => step.as_str(),
            Self::Settle { .. } => "settle",
        }
    }

    /// The hook's step.
    pub const fn hook(&self) -> Option<Hook> {
        match self {
            Self::Step(Request { step, .. }) => Some(*step),
            Self::Settle { .. } => None,
        }
    }
}

/// What is known. What was not looked at is `None`; what was looked for and is not there is `Some(None)`.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// What is to be done.
    pub work: Work,
    /// The secret.
    pub secret: Option<Option<Secret>>,
    /// What its versions hold, as the names of the fields.
    pub values: BTreeMap<Which, Option<Document>>,
    /// What the hook did last.
    pub rotation: Option<Option<Rotation>>,
    /// Which token was added last.
    pub overlap: Option<Option<Overlap>>,
    /// Which credentials log in.
    pub logins: BTreeMap<Which, Login>,
    /// The ElastiCache user.
    pub user: Option<Option<User>>,
    /// The replication group.
    pub group: Option<Option<Group>>,
    /// Values that were seen and stand in none of the above.
    #[serde(skip)]
    pub seen: Vec<Hidden>,
}

/// Which value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The version that is rotated in.
    Pending,
    /// The version that is AWSCURRENT.
    Current,
    /// The version that is AWSPREVIOUS.
    Previous,
    /// The version whose token was added to the group and never became the only one.
    Left,
    /// The secret of the database's superuser.
    Superuser,
}

/// A secret, as Secrets Manager describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The labels of its versions.
    pub stages: BTreeMap<String, Vec<String>>,
    /// Whether rotation is turned on; none where it never was.
    pub rotation_enabled: Option<bool>,
    /// Its tags.
    pub tags: Tags,
}

impl Secret {
    /// The version that holds this label.
    pub fn version(&self, stage: &str) -> Option<&str> {
        let holder = self.stages.iter().find(|(_, stages)| stages.iter().any(|held| held == stage));
        holder.map(|(version, _)| version.as_str())
    }

    /// Whether this version holds this label.
    pub fn holds(&self, version: &str, stage: &str) -> bool {
        self.stages.get(version).is_some_and(|stages| stages.iter().any(|held| held == stage))
    }
}

/// What came of logging in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// The server let it in.
    In {
        /// As whom.
        user: String,
        /// As whom it acts: another one where the server gives it another role at once.
        acts_as: String,
    },
    /// The server does not accept the credential.
    Refused {
        /// In its words.
        said: String,
    },
}

impl Login {
    /// Whether the server let it in.
    pub const fn is_in(&self) -> bool {
        matches!(self, Self::In { .. })
    }
}

/// An ElastiCache user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its name for AUTH.
    pub name: String,
    /// `active`, `modifying` or `deleting`.
    pub status: String,
    /// `password`, `no-password` or `iam`.
    pub authentication: String,
}

/// A replication group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `available`, `modifying`, ….
    pub status: String,
    /// Whether it speaks TLS.
    pub tls: bool,
}

impl Facts {
    /// Nothing is known yet.
    pub const fn of(work: Work) -> Self {
        Self {
            work,
            secret: None,
            values: BTreeMap::new(),
            rotation: None,
            overlap: None,
            logins: BTreeMap::new(),
            user: None,
            group: None,
            seen: Vec::new(),
        }
    }

    /// The secret's name, or what is known of it.
    pub fn name(&self) -> &str {
        self.secret
            .as_ref()
            .and_then(Option::as_ref)
            .map_or_else(|| self.work.secret(), |secret| &secret.name)
    }

    /// The secret, where it was looked at and is there.
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()?.as_ref()
    }

    /// What the hook did last with this version.
    pub fn entry(&self) -> Option<&Rotation> {
        let rotation = self.rotation.as_ref()?.as_ref()?;
        (rotation.version == self.work.version()).then_some(rotation)
    }

    /// Every value that must not be seen.
    pub fn hidden(&self) -> Vec<Hidden> {
        let held = self.values.values().flatten().flat_map(Document::hidden);
        let token = match &self.work {
            Work::Step(request) => request.rotation_token.clone(),
            Work::Settle { .. } => None,
        };
        held.chain(token).chain(self.seen.iter().cloned()).collect()
    }
}
