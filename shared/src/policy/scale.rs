//! Which services follow the depth of a queue.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Lasting, Step, Whole};
use super::{DAY, MINUTE};
use crate::target::Target;

/// A service that gets more tasks while many messages wait, and its own count back afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The name of the queue that the service works on.
    pub queue: String,
    /// The service, as `ecs:<cluster>/<service>`.
    #[serde(with = "service")]
    #[schemars(with = "String")]
    pub service: Target,
    /// It gets more tasks when more than so many messages wait. From 1 to 1000000.
    #[serde(default = "hundred", with = "Whole::<1, 1_000_000>")]
    pub above: u32,
    /// So many waiting messages are one task's share. From 1 to 1000000.
    #[serde(default = "hundred", with = "Whole::<1, 1_000_000>")]
    pub per_task: u32,
    /// It never gets more than so many tasks. From 1 to 5000.
    #[serde(with = "Whole::<1, 5_000>")]
    pub at_most: u32,
    /// It gets its own count back after no more than `above` messages have waited for this long. From 1m to 24h.
    #[serde(default = "quarter", with = "Lasting::<MINUTE, DAY>")]
    pub calm: SignedDuration,
}

/// What is wrong with the services together, and where: two queues would each set one service's count.
pub(super) fn problem(all: &[Scale]) -> Option<(Vec<Step>, String)> {
    let place = (1..all.len()).find(|place| {
        let (before, this) = all.split_at(*place);
        this.first().is_some_and(|this| before.iter().any(|other| other.service == this.service))
    })?;
    let service = &all.get(place)?.service;
    Some((
        vec!["scale".into(), place.into(), "service".into()],
        format!("{service} follows another queue already"),
    ))
}

const fn hundred() -> u32 {
    100
}

const fn quarter() -> SignedDuration {
    SignedDuration::from_mins(15)
}

/// A target that is an ECS service.
mod service {
    use serde::{Deserializer, Serializer};

    use super::super::read::text;
    use crate::target::{Target, as_text};

    pub(super) fn serialize<S: Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(target, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Target, D::Error> {
        text(from, "a service, written ecs:<cluster>/<service>", |text| {
            text.parse().ok().filter(|target| matches!(target, Target::Service { .. }))
        })
    }
}
