//! The policy: what the owners of an environment have decided, in one YAML document.
//!
//! It stands in the SSM parameter `/watchkeeper/<environment>/policy`. Without the parameter, and for every field
//! that the document does not name, the defaults hold. A field that is not known, or a value that cannot be meant,
//! is an error that names the line and the field: a policy that is half understood must not be acted on.
//! `policy.example.yaml` shows every field; `policy.schema.json` is generated from these types.

mod deployments;
pub mod dlq;
mod freeze;
pub mod health;
pub mod notify;
mod read;
mod redeploy;
mod scale;
mod window;

pub use deployments::Deployments;
pub use dlq::Dlq;
pub use freeze::{Freeze, Frozen};
pub use health::Health;
pub use notify::Notify;
pub use redeploy::{MovedImage, PutBack, Redeploy, Waves};
pub use scale::Scale;
pub use window::{Day, TimeOfDay, Window};

use std::fmt;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::ParameterType;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::error::Call;
use crate::{Error, Result};
use read::{Lasting, Whole};

/// In seconds, for the bounds of durations.
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
const WEEK: i64 = 7 * DAY;

/// What an environment is called that is production without saying so.
const PRODUCTION: [&str; 4] = ["prod", "production", "live", "prd"];

/// What the owners of an environment have decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of fields")]
pub struct Policy {
    /// Whether anything is changed at all: false, true (nothing, until this is taken away), or until when and why.
    pub freeze: Freeze,
    /// Whether this is production. Without it: the name is prod, production, live or prd, or begins with "prod-".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production: Option<bool>,
    /// Maintenance windows: nothing is changed by itself in them; people are told.
    pub windows: Vec<Window>,
    /// When and how a deployment is rolled back.
    pub rollback: Rollback,
    /// When and how services are redeployed after a secret changed.
    pub redeploy: Redeploy,
    /// Which deployments people are told of.
    pub deployments: Deployments,
    /// What is done with dead letters.
    pub dlq: Dlq,
    /// Which services follow the depth of a queue.
    pub scale: Vec<Scale>,
    /// What is checked, what counts as healthy, and what people are told of it.
    pub health: Health,
    /// Who is told what, where and when.
    pub notify: Notify,
}

/// When and how a deployment is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// A deployment that is older than this when the alarm fires is not blamed. From 1m to 7d.
    #[serde(with = "Lasting::<MINUTE, WEEK>")]
    pub attribution_window: SignedDuration,
    /// An alarm that arrives later than this after it changed is not acted on. From 1m to 24h.
    #[serde(with = "Lasting::<MINUTE, DAY>")]
    pub stale_after: SignedDuration,
    /// After a rollback, the same target is not rolled back again for this long. From 1m to 7d.
    #[serde(with = "Lasting::<MINUTE, WEEK>")]
    pub cooldown: SignedDuration,
    /// How many rollbacks one target may have.
    pub at_most: Cap,
    /// The alarm must be OK this long after the rollback is deployed. From 1m to 24h.
    #[serde(with = "Lasting::<MINUTE, DAY>")]
    pub recovery: SignedDuration,
    /// The least confidence in the revision to return to at which it is returned to.
    pub confidence: Confidence,
    /// What becomes of a service whose desired count is 0: leave it, or set it to this many tasks.
    pub scaled_to_zero: ScaledToZero,
    /// What is done with CloudFormation stacks.
    pub stacks: Stacks,
}

impl Default for Rollback {
    fn default() -> Self {
        Self {
            attribution_window: SignedDuration::from_mins(60),
            stale_after: SignedDuration::from_mins(15),
            cooldown: SignedDuration::from_mins(60),
            at_most: Cap::default(),
            recovery: SignedDuration::from_mins(10),
            confidence: Confidence::default(),
            scaled_to_zero: ScaledToZero::default(),
            stacks: Stacks::default(),
        }
    }
}

/// At most so many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cap {
    /// How many. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub count: u32,
    /// Within how long, counted back from now. From 1m to 7d.
    #[serde(with = "Lasting::<MINUTE, WEEK>")]
    pub within: SignedDuration,
}

impl Default for Cap {
    fn default() -> Self {
        Self { count: 3, within: SignedDuration::from_hours(24) }
    }
}

/// How sure it is that a revision was good.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It is only the one before.
    #[default]
    Low,
    /// It was seen to be good, or is on record.
    Medium,
    /// The service that deploys says that it was deployed successfully.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// What becomes of a service whose desired count is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScaledToZero {
    /// It stays as it is; people are told.
    #[default]
    Leave,
    /// It is set to this many tasks, 1 to 100.
    Recover(u32),
}

/// What is done with CloudFormation stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stacks {
    /// An update that is in progress for longer than this is stuck. From 5m to 7d.
    #[serde(with = "Lasting::<{ 5 * MINUTE }, WEEK>")]
    pub stuck_after: SignedDuration,
    /// Whether a stuck update may be cancelled.
    pub cancel: bool,
    /// Whether a rollback of a stack may be continued without the resources that keep it from ending.
    pub skip_resources: bool,
}

impl Default for Stacks {
    fn default() -> Self {
        Self { stuck_after: SignedDuration::from_mins(30), cancel: false, skip_resources: false }
    }
}

impl Policy {
    /// Reads the document of this parameter.
    ///
    /// # Errors
    /// [`Error::Malformed`], such as `the policy /watchkeeper/prod/policy, line 7: rollback.cooldown: …`.
    pub fn parse(parameter: &str, text: &str) -> Result<Self> {
        read::document(text).map_err(|problem| Error::Malformed(format!("the policy {parameter}, {problem}")))
    }

    /// The freeze that is on now.
    pub fn frozen(&self, now: Timestamp) -> Option<&Frozen> {
        self.freeze.at(now)
    }

    /// The first maintenance window that is open now.
    pub fn window(&self, now: Timestamp) -> Option<&Window> {
        self.windows.iter().find(|window| window.ends_at(now).is_some())
    }

    /// Whether this environment is production: as the policy says, otherwise by its name.
    pub fn is_production(&self, environment: &str) -> bool {
        self.production.unwrap_or_else(|| {
            let name = environment.trim().to_ascii_lowercase();
            PRODUCTION.contains(&name.as_str()) || name.starts_with("prod-")
        })
    }
}

/// A policy, and which version of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// What holds.
    pub policy: Policy,
    /// The version of the SSM parameter; 0 where there is none and the defaults hold.
    pub version: i64,
}

/// The JSON Schema of the document, for editors and for checks before it is put in place.
pub fn schema() -> Schema {
    schema_for!(Policy)
}

/// The name of the environment's SSM parameter.
pub fn parameter(environment: &str) -> String {
    format!("/watchkeeper/{environment}/policy")
}

/// Reads the environment's policy. Without the parameter, the defaults hold.
///
/// # Errors
/// What `ssm:GetParameter` answers; [`Error::Malformed`] for a document that cannot be understood.
pub async fn load(ssm: &Client, environment: &str) -> Result<Loaded> {
    let name = parameter(environment);
    let answer = match ssm.get_parameter().name(&name).send().await {
        Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
            return Ok(Loaded::default());
        }
        answer => answer.action("ssm:GetParameter")?,
    };
    let Some(found) = answer.parameter else {
        return Err(Error::Malformed(format!("the policy {name} came without a value")));
    };
    // Its value would come encrypted, and the role has no key.
    if found.r#type == Some(ParameterType::SecureString) {
        let advice = "is a SecureString; make it a String: a policy holds no secrets";
        return Err(Error::Malformed(format!("the policy {name} {advice}")));
    }
    let policy = Policy::parse(&name, found.value.as_deref().unwrap_or_default())?;
    Ok(Loaded { policy, version: found.version })
}

#[cfg(test)]
mod tests;
