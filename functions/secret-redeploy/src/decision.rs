//! What follows from a secret whose label moved. No clock, no network, no failure.
//!
//! - [`arrival`]: whether anything follows at all.
//! - [`service`]: what becomes of one service. It is asked again and again while the facts grow: it answers with the next
//!   question, or with the verdict.
//! - [`waves`]: which services come next, and when all of it is over.
//! - [`put_back`]: whether the label is put back after a failure.
//! - [`sweep`]: what events have lost.

pub mod arrival;
pub mod image;
pub mod put_back;
pub mod service;
pub mod sweep;
pub mod waves;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::policy;
use shared::tags::Mode;

/// What the owners decided beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The environment that is watched.
    pub environment: String,
    /// The clusters whose services are redeployed: a name, or the beginning of one and a star.
    pub clusters: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// The policy document, or its defaults.
    #[serde(skip)]
    pub rules: policy::Policy,
    /// The version of the policy document; 0: none.
    pub version: i64,
}

pub(crate) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}
