//! How fast ECS may be asked. It throttles an account's calls by families, each with a token bucket, and the scheduler
//! and everybody's pipelines draw from the same buckets. So a little less than everything is taken.
//!
//! A bucket is pure: it is told the time, and answers how long to wait. [`Budget`] keeps one for each family and waits.

mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use watch::Watch;

/// Calls that share a bucket (ECS Developer Guide, "Request throttling for the Amazon ECS API").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `ListClusters`.
    ClusterRead,
    /// `ListServices` and `DescribeServices`.
    ServiceRead,
    /// `DescribeTaskDefinition`.
    DefinitionRead,
    /// `RegisterTaskDefinition`.
    DefinitionModify,
    /// `UpdateService`; pipelines create and delete services from the same bucket.
    ServiceModify,
    /// `ListServiceDeployments` and `DescribeServiceDeployments`.
    DeploymentRead,
    /// `DescribeServiceRevisions`.
    RevisionRead,
    /// `ListTasks` and `DescribeTasks`.
    TaskRead,
}

/// What a family may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// As many calls at once, after a rest.
    pub burst: u32,
    /// Then one call in this time.
    pub every: Duration,
}

impl Family {
    /// What is taken of AWS's bucket, which is named first: its size, and how many tokens are added each second. AWS may
    /// add them once a second and not one by one, so the burst and the calls of a second together stay below the size.
    pub const fn limit(self) -> Limit {
        /// 19 a second where AWS allows 20.
        const NINETEEN: Duration = Duration::from_micros(52_632);
        match self {
            // 50 and 20.
            Self::ClusterRead | Self::DefinitionRead | Self::DeploymentRead | Self::RevisionRead => {
                Limit { burst: 30, every: NINETEEN }
            }
            // 100 and 20.
            Self::ServiceRead | Self::TaskRead => Limit { burst: 60, every: NINETEEN },
            // 50 and 5. No second sees more than five, though some take a little longer on their way than others.
            Self::ServiceModify => Limit { burst: 1, every: Duration::from_millis(250) },
            // 20 and 1.
            Self::DefinitionModify => Limit { burst: 5, every: Duration::from_millis(1_100) },
        }
    }
}

/// A throttle makes a family slower by half, and further ones again, down to this part of its pace.
const SLOWEST: u32 = 8;

/// After as long without a throttle a family is twice as fast again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Throttles that follow one another faster are the same one, told by several calls.
const SAME: Duration = Duration::from_secs(1);

/// A token bucket, kept as the time at which it will be full again (the generic cell rate algorithm). Times are counted
/// from any one moment.
#[derive(Debug, Clone)]
pub struct Bucket {
    limit: Limit,
    full: Duration,
    slowness: u32,
    throttled: Option<Duration>,
}

impl Bucket {
    /// A full one.
    pub const fn new(limit: Limit) -> Self {
        Self { limit, full: Duration::ZERO, slowness: 1, throttled: None }
    }

    /// Takes a token, and says how long to wait before it may be used.
    pub fn take(&mut self, now: Duration) -> Duration {
        self.recover(now);
        let wait = self.wait(now);
        self.full = self.full.max(now) + self.limit.every * self.slowness;
        wait
    }

    /// Takes a token, if it may be used before `end`.
    pub fn take_by(&mut self, now: Duration, end: Duration) -> Option<Duration> {
        self.recover(now);
        (now + self.wait(now) < end).then(|| self.take(now))
    }

    /// Learns of a throttle: empties the bucket, and fills it at half the pace for a while.
    pub fn slow(&mut self, now: Duration) {
        if self.throttled.is_some_and(|before| now < before + SAME) {
            return;
        }
        self.recover(now);
        self.slowness = (self.slowness * 2).min(SLOWEST);
        self.throttled = Some(now);
        self.full = self.full.max(now + self.limit.every * self.limit.burst);
    }

    /// By how much it is slower than it was made.
    pub const fn slowness(&self) -> u32 {
        self.slowness
    }

    fn wait(&self, now: Duration) -> Duration {
        let ahead = self.limit.every * self.limit.burst.saturating_sub(1);
        self.full.saturating_sub(ahead).saturating_sub(now)
    }

    fn recover(&mut self, now: Duration) {
        while let Some(at) = self.throttled.map(|at| at + RECOVERY).filter(|at| *at <= now) {
            self.slowness = (self.slowness / 2).max(1);
            self.throttled = (1 < self.slowness).then_some(at);
        }
    }
}

/// The buckets of one process. Keep one for as long as the process lives.
#[derive(Debug)]
pub struct Budget {
    began: Instant,
    buckets: Mutex<BTreeMap<Family, Bucket>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    /// All buckets full.
    pub fn new() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default() }
    }

    /// Waits until a call of this family may be made.
    pub async fn pace(&self, family: Family) {
        let wait = self.with(family, Bucket::take);
        sleep(wait).await;
    }

    /// Waits until a call of this family may be made, or answers `false` at once where that is not before `end`.
    pub async fn pace_by(&self, family: Family, end: Instant) -> bool {
        let end = end.saturating_duration_since(self.began);
        let Some(wait) = self.with(family, |bucket, now| bucket.take_by(now, end)) else {
            return false;
        };
        sleep(wait).await;
        true
    }

    /// Makes a family slower, because it was throttled.
    pub fn slow(&self, family: Family) {
        self.with(family, Bucket::slow);
    }

    /// An interceptor for calls of this family, which tells the budget of every throttle, also of those that the SDK
    /// deals with by trying again. `E` is the error of the operation.
    pub fn watch<E>(self: &Arc<Self>, family: Family) -> Watch<E> {
        Watch::new(Arc::clone(self), family)
    }

    fn with<T>(&self, family: Family, use_it: impl FnOnce(&mut Bucket, Duration) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(family).or_insert_with(|| Bucket::new(family.limit()));
        use_it(bucket, self.began.elapsed())
    }
}

#[cfg(test)]
mod tests;
