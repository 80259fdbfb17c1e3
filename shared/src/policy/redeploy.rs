//! How services are redeployed after a secret changed.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Lasting, Whole};
use super::{DAY, MINUTE, WEEK, Window};

/// When and how services are redeployed after a secret changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redeploy {
    /// How long other secrets that change are waited for, so that one redeploy serves them all. From 1s to 15m.
    #[serde(with = "Lasting::<1, { 15 * MINUTE }>")]
    pub settle: SignedDuration,
    /// How many services at once.
    pub waves: Waves,
    /// A service is not redeployed again within this time. From 1m to 24h.
    #[serde(with = "Lasting::<MINUTE, DAY>")]
    pub interval: SignedDuration,
    /// How long a service is waited for whose deployment is under way. From 1m to 7d.
    #[serde(with = "Lasting::<MINUTE, WEEK>")]
    pub patience: SignedDuration,
    /// Waves begin only while one of these is open; without any, at all times.
    pub only_in: Vec<Window>,
    /// What becomes of a service whose image tag points to another image by now than the one that runs.
    pub moved_image: MovedImage,
    /// Whether the label is put back when a wave fails because of the secret.
    pub put_back: PutBack,
}

impl Default for Redeploy {
    fn default() -> Self {
        Self {
            settle: SignedDuration::from_mins(1),
            waves: Waves::default(),
            interval: SignedDuration::from_mins(15),
            patience: SignedDuration::from_hours(24),
            only_in: Vec::new(),
            moved_image: MovedImage::default(),
            put_back: PutBack::default(),
        }
    }
}

impl Redeploy {
    /// When waves may begin: now, or when the first of its windows opens.
    pub fn opens(&self, now: Timestamp) -> Timestamp {
        if self.only_in.is_empty() || self.only_in.iter().any(|window| window.ends_at(now).is_some()) {
            return now;
        }
        // A window that opens within no week is looked for again after one.
        let week = now.saturating_add(SignedDuration::from_secs(WEEK)).unwrap_or(now);
        self.only_in.iter().filter_map(|window| window.opens_after(now)).min().unwrap_or(week)
    }
}

/// How many services are redeployed at once: a canary first, then ever more, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Waves {
    /// How many in the first wave. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub first: u32,
    /// By which factor each wave is larger than the one before. From 1 to 10.
    #[serde(with = "Whole::<1, 10>")]
    pub growth: u32,
    /// How many at most. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub at_most: u32,
}

impl Default for Waves {
    fn default() -> Self {
        Self { first: 1, growth: 3, at_most: 20 }
    }
}

impl Waves {
    /// How many services this wave may have; the first is wave 0.
    pub fn size(&self, wave: u32) -> usize {
        let factor = self.growth.checked_pow(wave).unwrap_or(u32::MAX);
        let size = self.first.saturating_mul(factor).min(self.at_most.max(self.first));
        usize::try_from(size).unwrap_or(usize::MAX)
    }
}

/// What becomes of a service whose image tag points to another image by now than the one that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MovedImage {
    /// A copy of its task definition is registered that names the image that runs by its digest.
    #[default]
    Pin,
    /// It is not redeployed; people are told.
    Refuse,
}

/// Whether the label is put back when a wave fails because of the secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PutBack {
    /// People are told the command that does it.
    #[default]
    Never,
    /// It is, where the secret's strategy keeps both values usable: `postgres-alternating` and `valkey-user`.
    WhenSafe,
}
