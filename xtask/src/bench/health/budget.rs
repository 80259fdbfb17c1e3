//! How often each API may be asked: by the function, which takes a part of what the account has, and by the account.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A token bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// How many tokens come back in a second.
    per_second: u32,
    /// How many the full bucket holds.
    burst: u32,
}

/// What the function counts as one API.
#[derive(Debug)]
pub(super) struct Api {
    /// What the function calls it.
    pub(super) name: &'static str,
    /// How its actions begin.
    actions: &'static [&'static str],
    /// What the function takes at most: the numbers of its `sweep/gate.rs`.
    gate: Limit,
    /// What AWS lets an account call.
    account: Limit,
}

macro_rules! apis {
    ($($name:literal $actions:expr, $gate:expr, $account:expr;)+) => {
        /// All that a sweep calls.
        const APIS: &[Api] = &[$(Api {
            name: $name,
            actions: &$actions,
            gate: limit($gate),
            account: limit($account),
        },)+];
    };
}

const fn limit((per_second, burst): (u32, u32)) -> Limit {
    Limit { per_second, burst }
}

// Where AWS publishes no rate, a quarter more than the function takes.
apis! {
    // ACM User Guide, "Quotas", API rate quotas: 10 a second.
    "Acm" ["acm:"], (8, 8), (10, 10);
    // CloudWatch User Guide, "CloudWatch service quotas": 9 a second.
    "Alarms" ["cloudwatch:DescribeAlarms"], (5, 5), (9, 9);
    // Not published.
    "Autoscaling" ["application-autoscaling:"], (8, 10), (10, 13);
    // Not published for this call.
    "Backup" ["backup:"], (8, 10), (10, 13);
    // Not published.
    "Budgets" ["budgets:"], (2, 2), (3, 3);
    // Not published.
    "CloudFormation" ["cloudformation:"], (8, 8), (10, 10);
    // Not published.
    "DynamoDb" ["dynamodb:DescribeTable"], (30, 30), (38, 38);
    // DynamoDB API Reference, `DescribeContinuousBackups`: 10 a second.
    "DynamoDbBackups" ["dynamodb:DescribeContinuousBackups"], (8, 8), (10, 10);
    // Not published for these calls.
    "Ecr" ["ecr:"], (20, 40), (25, 50);
    // ECS Developer Guide, "Request throttling": cluster reads 50 and 20, service reads 100 and 20. The smaller.
    "Ecs" ["ecs:DescribeClusters", "ecs:DescribeServices"], (15, 30), (20, 50);
    // The same: cluster resource reads.
    "EcsTasks" ["ecs:ListTasks", "ecs:DescribeTasks"], (15, 60), (20, 100);
    // The same: task definition reads.
    "EcsDefinitions" ["ecs:DescribeTaskDefinition"], (15, 30), (20, 50);
    // Not published.
    "ElastiCache" ["elasticache:"], (10, 10), (13, 13);
    // Elastic Load Balancing User Guide, "Request throttling": calls that change nothing.
    "Elb" ["elasticloadbalancing:"], (9, 30), (10, 40);
    // Not published for these calls.
    "Events" ["events:"], (10, 10), (13, 13);
    // Not published.
    "Health" ["health:"], (1, 3), (2, 4);
    // KMS Developer Guide, "Request quotas": hundreds a second and more.
    "Kms" ["kms:"], (30, 30), (38, 38);
    // Lambda Developer Guide, "Quotas", the remainder of the control plane.
    "Lambda" ["lambda:"], (10, 10), (15, 15);
    // CloudWatch Logs User Guide, "Quotas", `DescribeLogGroups`.
    "Logs" ["logs:"], (8, 8), (10, 10);
    // CloudWatch User Guide, "CloudWatch service quotas", `GetMetricData`.
    "Metrics" ["cloudwatch:GetMetricData"], (25, 25), (50, 50);
    // Not published.
    "Rds" ["rds:"], (8, 15), (10, 19);
    // Not published for what is asked of buckets.
    "S3" ["s3:HEAD", "s3:GET", "s3:ListBucket"], (50, 50), (63, 63);
    // Not published for these calls.
    "Scheduler" ["scheduler:"], (8, 10), (10, 13);
    // Secrets Manager User Guide, "Quotas": thousands a second.
    "Secrets" ["secretsmanager:"], (30, 30), (38, 38);
    // SNS endpoints and quotas, `ListSubscriptionsByTopic`.
    "Sns" ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"], (20, 20), (30, 30);
    // Not published for these calls.
    "Sqs" ["sqs:"], (100, 100), (125, 125);
    // Not published.
    "Tagging" ["tag:"], (8, 10), (10, 13);
    // WAF Developer Guide, "Quotas": five calls a second of a Get action that has no quota of its own.
    "Waf" ["wafv2:"], (4, 4), (5, 5);
}

/// The API that an action is of; none for what is no part of a sweep.
pub(super) fn api(action: &str) -> Option<&'static Api> {
    APIS.iter().find(|api| api.actions.iter().any(|start| action.starts_with(start)))
}

impl Api {
    /// The least time in which the function may make so many calls.
    pub(super) fn time_for(&self, calls: usize) -> Duration {
        let waiting = u32::try_from(calls).unwrap_or(u32::MAX).saturating_sub(self.gate.burst);
        Duration::from_secs(1) * waiting / self.gate.per_second
    }
}

/// What the account has left, full at first.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<&'static str, (f64, Instant)>);

impl Buckets {
    /// Takes a token for a call of an API, if there is one.
    pub(super) fn allow(&mut self, api: &Api, at: Instant) -> bool {
        let full = f64::from(api.account.burst);
        let (tokens, filled) = self.0.entry(api.name).or_insert((full, at));
        let since = at.saturating_duration_since(*filled).as_secs_f64();
        *tokens = full.min(since.mul_add(f64::from(api.account.per_second), *tokens));
        *filled = at.max(*filled);
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use local::place;

    use super::{APIS, Buckets, api};

    #[test]
    fn the_numbers_are_those_of_the_function() {
        let path = place::root().join("functions/health-check/src/sweep/gate.rs");
        let gate = std::fs::read_to_string(path).unwrap();
        for api in APIS {
            let line = format!("{} {} {} ", api.name, api.gate.per_second, api.gate.burst);
            assert!(gate.lines().any(|it| it.trim_start().starts_with(&line)), "not in the gate: {line}");
        }
    }

    #[test]
    fn the_function_takes_no_more_than_the_account_has() {
        for api in APIS {
            let (gate, account) = (api.gate, api.account);
            assert!(gate.per_second < account.per_second && gate.burst < account.burst, "{}", api.name);
        }
    }

    #[test]
    fn a_bucket_is_empty_after_its_burst_and_fills_again() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let waf = api("wafv2:GetWebACLForResource").unwrap();
        let allowed = (0..10).filter(|_| buckets.allow(waf, now)).count();
        assert_eq!(allowed, 5);
        assert!(buckets.allow(waf, now + Duration::from_millis(200)));
        assert!(!buckets.allow(waf, now + Duration::from_millis(200)));
    }

    #[test]
    fn time_is_counted_from_a_full_bucket() {
        let waf = api("wafv2:GetWebACLForResource").unwrap();
        assert_eq!(waf.time_for(4), Duration::ZERO);
        assert_eq!(waf.time_for(12), Duration::from_secs(2));
        assert!(api("dynamodb:PutItem").is_none() && api("sns:Publish").is_none());
    }
}
