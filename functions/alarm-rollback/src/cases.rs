//! What the tests of several modules begin with.

use jiff::{SignedDuration, Timestamp};
use shared::tags::Mode;

use crate::decision::Policy;

/// The template's defaults, in production and with leave to act.
pub(crate) fn policy() -> Policy {
    Policy {
        environment: "prod".to_owned(),
        mode: Mode::Act,
        clusters: "*".to_owned(),
        functions: "*".to_owned(),
        stacks: "*".to_owned(),
    }
}

/// A little more than a minute after the alarms of `events/alarm-rollback` fired.
pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:02:00Z".parse().unwrap()
}

/// So many minutes before now.
pub(crate) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// `web:<revision>`.
pub(crate) fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}
