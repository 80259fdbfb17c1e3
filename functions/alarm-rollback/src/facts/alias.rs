//! What is known of a Lambda alias.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use shared::tags::Tags;

use super::code_deploy::Status;

/// An alias, and what is worth knowing of its function. A field that is `None` was not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scene {
    /// The alias; `None` if there is none of that name.
    pub alias: Option<Alias>,
    /// Where it pointed before, and what there is to point to.
    pub history: Option<History>,
    /// The versions that the function's other aliases send requests to.
    pub taken: Option<BTreeSet<String>>,
}

/// A Lambda alias.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Alias {
    /// Its ARN.
    pub arn: String,
    /// The function's name.
    pub function: String,
    /// The alias's name.
    pub name: String,
    /// The version it points to.
    pub version: String,
    /// The share of the requests that another version gets, in millionths, by version; one with no share is not here.
    pub weights: BTreeMap<String, u32>,
    /// Changes with every change of the alias.
    pub revision_id: String,
    /// The tags of its function; an alias has none of its own.
    pub tags: Tags,
}

/// Where an alias pointed before, and what there is to point to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct History {
    /// CodeDeploy's deployments of this alias, newest first.
    pub deployments: Vec<Shift>,
    /// Whether these are all within the time that was looked at.
    pub whole: bool,
    /// The function's published versions.
    pub versions: Vec<Version>,
    /// Whether these are all.
    pub all_versions: bool,
}

/// CodeDeploy's deployment of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// Whether it is a rollback, or is being or was rolled back itself.
    pub rollback: bool,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The version that it leaves.
    pub current: String,
    /// The version that it leads to.
    pub target: String,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its number.
    pub version: String,
    /// The SHA-256 of its code.
    pub code: Option<String>,
    /// When it was published.
    pub published_at: Option<Timestamp>,
}
