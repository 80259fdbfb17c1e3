//! What ECS lets an account call, in one Region, and what was called.
//!
//! ECS API Reference, "Request throttling": each family of operations shares a bucket of tokens, which fills again at
//! a steady rate. A call that finds the bucket empty is answered with `ThrottlingException` and takes nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

use crate::proxy::Call;

/// The operations that share one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `ListClusters`.
    ClusterRead,
    /// `ListTasks` and `DescribeTasks`.
    ClusterResourceRead,
    /// `ListServices` and `DescribeServices`.
    ServiceRead,
    /// `UpdateService`.
    ServiceModify,
    /// `ListServiceDeployments` and `DescribeServiceDeployments`.
    ServiceDeploymentRead,
    /// `DescribeServiceRevisions`.
    ServiceRevisionRead,
    /// `DescribeTaskDefinition` and `ListTaskDefinitions`.
    TaskDefinitionRead,
    /// `RegisterTaskDefinition`.
    TaskDefinitionModify,
}

impl Family {
    /// The family of an action such as `ecs:UpdateService`; none where no budget is known.
    pub fn of(action: &str) -> Option<Self> {
        Some(match action {
            "ecs:ListClusters" => Self::ClusterRead,
            "ecs:ListTasks" | "ecs:DescribeTasks" => Self::ClusterResourceRead,
            "ecs:ListServices" | "ecs:DescribeServices" => Self::ServiceRead,
            "ecs:UpdateService" => Self::ServiceModify,
            "ecs:ListServiceDeployments" | "ecs:DescribeServiceDeployments" => Self::ServiceDeploymentRead,
            "ecs:DescribeServiceRevisions" => Self::ServiceRevisionRead,
            "ecs:DescribeTaskDefinition" | "ecs:ListTaskDefinitions" => Self::TaskDefinitionRead,
            "ecs:RegisterTaskDefinition" => Self::TaskDefinitionModify,
            _ => return None,
        })
    }

    /// How many tokens the full bucket holds.
    pub const fn burst(self) -> u32 {
        match self {
            Self::ServiceRead | Self::ClusterResourceRead => 100,
            Self::ClusterRead
            | Self::ServiceModify
            | Self::ServiceDeploymentRead
            | Self::ServiceRevisionRead
            | Self::TaskDefinitionRead => 50,
            Self::TaskDefinitionModify => 20,
        }
    }

    /// How many tokens come back in a second.
    pub const fn rate(self) -> u32 {
        match self {
            Self::ServiceModify => 5,
            Self::TaskDefinitionModify => 1,
            Self::ClusterRead
            | Self::ClusterResourceRead
            | Self::ServiceRead
            | Self::ServiceDeploymentRead
            | Self::ServiceRevisionRead
            | Self::TaskDefinitionRead => 20,
        }
    }

    /// The least time in which so many calls are let through, from a full bucket.
    pub fn time_for(self, calls: usize) -> Duration {
        let waiting = u32::try_from(calls).unwrap_or(u32::MAX).saturating_sub(self.burst());
        Duration::from_secs(1) * waiting / self.rate()
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The buckets of all families, full at first.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    buckets: BTreeMap<Family, Bucket>,
}

impl Budgets {
    /// Takes a token for the call, if there is one.
    pub(super) fn allow(&mut self, action: &str, at: Instant) -> bool {
        let Some(family) = Family::of(action) else { return true };
        let full = f64::from(family.burst());
        let bucket = self.buckets.entry(family).or_insert(Bucket { tokens: full, filled: at });
        let since = at.saturating_duration_since(bucket.filled);
        bucket.tokens = full.min(since.as_secs_f64().mul_add(f64::from(family.rate()), bucket.tokens));
        bucket.filled = bucket.filled.max(at);
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

/// How often what was called.
#[derive(Debug, Default)]
pub(super) struct Counts {
    let_through: HashMap<(String, Bytes), usize>,
    throttled: BTreeMap<String, usize>,
}

impl Counts {
    pub(super) fn note(&mut self, call: &Call, throttled: bool) {
        let count = if throttled {
            self.throttled.entry(call.action.clone()).or_default()
        } else {
            self.let_through.entry((call.action.clone(), call.body.clone())).or_default()
        };
        *count += 1;
    }

    pub(super) fn let_through(&self, action: &str) -> usize {
        let about = self.let_through.iter().filter(|((called, _), _)| meets(action, called));
        about.map(|(_, count)| count).sum()
    }

    pub(super) fn throttled(&self, action: &str) -> usize {
        self.throttled.iter().filter(|(called, _)| meets(action, called)).map(|(_, count)| count).sum()
    }

    pub(super) fn repeated(&self, action: &str) -> Vec<String> {
        let repeated =
            self.let_through.iter().filter(|((called, _), count)| **count > 1 && meets(action, called));
        let mut said: Vec<String> = repeated
            .map(|((called, body), count)| format!("{called} {} ×{count}", String::from_utf8_lossy(body)))
            .collect();
        said.sort_unstable();
        said
    }

    pub(super) fn by_family(&self) -> BTreeMap<Family, usize> {
        let mut all = BTreeMap::new();
        for ((called, _), count) in &self.let_through {
            if let Some(family) = Family::of(called) {
                *all.entry(family).or_default() += count;
            }
        }
        all
    }
}

/// Whether a pattern (`ecs:UpdateService`, `ecs:Describe*`, `*`) is about an action.
pub(super) fn meets(pattern: &str, action: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == action, |start| action.starts_with(start))
}
