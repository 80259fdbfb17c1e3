//! What is known of a CloudFormation stack.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use shared::tags::Tags;

/// The type of a resource that is a stack itself.
pub(crate) const NESTED: &str = "AWS::CloudFormation::Stack";

/// A stack, and what its status makes worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scene {
    /// The stack that was named. `None` if there is none of that name.
    pub stack: Option<Stack>,
    /// The name of the root that it is nested in, if it is.
    pub root: Option<String>,
    /// The events of `stack`.
    pub events: Events,
    /// The types of the resources that failed, by their logical ids.
    pub kinds: BTreeMap<String, String>,
    /// What stands inside a stack, by the stack's id: `stack` and those nested in it, as they were asked for.
    pub inside: BTreeMap<String, Inside>,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Stack {
    /// Its id, which is its ARN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its status, in CloudFormation's word.
    pub status: String,
    /// The role that CloudFormation uses for it; without one it uses the caller's.
    pub role: Option<String>,
    /// When it was last updated, else created.
    pub updated_at: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// The events of a stack that tell something: those of the stack itself, and every failure of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Events {
    /// Newest first.
    pub telling: Vec<Event>,
    /// How far back they were read.
    pub reach: Reach,
}

/// How far back events were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The newest page.
    #[default]
    Newest,
    /// At least to what was looked for.
    Found,
    /// As far as CloudFormation keeps them, which is 90 days.
    End,
    /// As far as is read at most.
    Limit,
}

/// One event of a stack (CloudFormation API, `StackEvent`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// Whether it is about the stack itself and not about a resource in it.
    pub own: bool,
    /// The resource's logical id; the stack's name where it is about the stack.
    pub resource: String,
    /// The status that was come to.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The token of the request that led to it. All events of one operation have the same.
    pub token: Option<String>,
}

/// What stands inside one stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Inside {
    /// Its events since its newest rollback began, if one did.
    pub events: Events,
    /// Its resources that are not complete.
    pub resources: Vec<Resource>,
}

/// A resource of a stack that is not complete (CloudFormation API, `StackResourceSummary`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its logical id.
    pub name: String,
    /// Its type, such as `AWS::ECS::Service`.
    pub kind: String,
    /// Its physical id; the stack's id where it is a nested stack.
    pub id: Option<String>,
    /// Its status.
    pub status: String,
    /// Why it has it.
    pub reason: Option<String>,
}

/// A stack's name, which stands in its id: `arn:aws:cloudformation:…:stack/<name>/<uuid>`.
pub(crate) fn name_in(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once(":stack/")?;
    rest.split('/').next().filter(|name| !name.is_empty())
}
