//! Which deployments people are told of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notice::Status;

/// Which deployments of ECS services people are told of, beside those that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deployments {
    /// How far a deployment must be to be told of: begun, succeeded, failed, cancelled, `rolled_back`. Without any, only
    /// what failed is told, as an incident.
    pub tell: Vec<Status>,
}

impl Deployments {
    /// Whether people are told that a deployment is this far.
    pub fn tells(&self, status: Status) -> bool {
        self.tell.contains(&status)
    }
}
