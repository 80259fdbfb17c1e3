//! What the tests of several modules begin with.

use jiff::SignedDuration;
use shared::tags::Mode;

use crate::decision::Policy;

/// The template's defaults, in production and with leave to act.
pub(crate) fn policy() -> Policy {
    Policy {
        environment: "prod".to_owned(),
        clusters: "*".to_owned(),
        mode: Mode::Act,
        attribution_window: SignedDuration::from_mins(60),
        stale_after: SignedDuration::from_mins(15),
        cooldown: SignedDuration::from_mins(60),
    }
}
