//! How often an API may be asked: a sweep takes at most a part of what the account has, and the rest stays for others.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

macro_rules! apis {
    ($($(#[$doc:meta])* $api:ident $per_second:literal $burst:literal $at_once:literal,)+) => {
        /// An API, or the calls of one that share a budget.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Api { $($(#[$doc])* $api,)+ }

        impl Api {
            /// Calls a second in the long run, calls at once after a pause, and calls on their way at the same time.
            const fn budget(self) -> (u32, u32, usize) {
                match self { $(Self::$api => ($per_second, $burst, $at_once),)+ }
            }

            const ALL: &[Self] = &[$(Self::$api),+];
        }
    };
}

apis! {
    /// Ten calls a second (ACM User Guide, "Quotas"). Of none is the burst all that is allowed: on their way, calls come
    /// closer together.
    Acm 8 8 8,
    Alarms 5 5 4,
    Autoscaling 8 10 4,
    Backup 8 10 4,
    Budgets 2 2 1,
    CloudFormation 8 8 4,
    /// `DescribeTable`, for which no rate is published.
    DynamoDb 30 30 8,
    /// `DescribeContinuousBackups`: ten calls a second (DynamoDB API, `DescribeContinuousBackups`).
    DynamoDbBackups 8 8 8,
    Ecr 20 40 8,
    /// Clusters and services. Of each sort of calls, 20 a second and at least 50 at once are allowed (ECS Developer Guide,
    /// "Request throttling").
    Ecs 15 30 8,
    /// `DescribeTaskDefinition`: 20 a second, 50 at once.
    EcsDefinitions 15 30 8,
    /// `ListTasks` and `DescribeTasks`: 20 a second, 100 at once.
    EcsTasks 15 60 8,
    ElastiCache 10 10 4,
    /// Ten calls a second and 40 at once. What ECS and `CloudFormation` call is counted apart (Elastic Load Balancing User
    /// Guide, "Request throttling").
    Elb 9 30 8,
    Events 10 10 8,
    Health 1 3 1,
    Kms 30 30 8,
    /// 15 calls a second (Lambda Developer Guide, "Quotas").
    Lambda 10 10 8,
    Logs 8 8 4,
    /// `GetMetricData`
    Metrics 25 25 4,
    Rds 8 15 4,
    /// Five calls a second for the whole account (Route 53 quotas).
    Route53 3 3 2,
    S3 50 50 16,
    Scheduler 8 10 4,
    Secrets 30 30 8,
    Sns 20 20 8,
    Sqs 100 100 16,
    Tagging 8 10 4,
    /// Five calls a second (WAF Developer Guide, "Quotas").
    Waf 4 4 4,
    /// DNS, HTTP and TLS: whoever is asked has no budget that is known.
    Probe 50 50 16,
}

/// The gates of all APIs.
#[derive(Debug)]
pub(crate) struct Gates {
    gates: BTreeMap<Api, Gate>,
}

#[derive(Debug)]
struct Gate {
    every: Duration,
    burst: u32,
    at_once: Semaphore,
    /// When the next call would come, if all came evenly.
    next: Cell<Option<Instant>>,
}

/// One call's turn. Another may have its place when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _place: Option<SemaphorePermit<'a>>,
}

impl Gates {
    pub(crate) fn new() -> Self {
        let gate = |api: &Api| {
            let (per_second, burst, at_once) = api.budget();
            let every = Duration::from_secs(1) / per_second.max(1);
            (*api, Gate { every, burst, at_once: Semaphore::new(at_once), next: Cell::default() })
        };
        Self { gates: Api::ALL.iter().map(gate).collect() }
    }

    /// Waits for a place and a turn. Whoever waits is served in the order in which it came.
    pub(crate) async fn turn(&self, api: Api) -> Turn<'_> {
        let Some(gate) = self.gates.get(&api) else { return Turn { _place: None } };
        let place = gate.at_once.acquire().await.ok();
        sleep_until(gate.take(Instant::now())).await;
        Turn { _place: place }
    }
}

impl Gate {
    /// Takes the next turn, and says when it is: the generic cell rate algorithm (ITU-T I.371).
    fn take(&self, now: Instant) -> Instant {
        let due = self.next.get().map_or(now, |next| next.max(now));
        self.next.set(Some(due + self.every));
        due.checked_sub(self.every * self.burst.saturating_sub(1)).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant, pause};

    use super::{Api, Gates};

    #[tokio::test]
    async fn a_burst_goes_at_once_and_the_rest_at_the_apis_pace() {
        pause();
        let (gates, began) = (Gates::new(), Instant::now());
        let (per_second, burst, _) = Api::Route53.budget();
        for _ in 0..burst + 2 * per_second {
            drop(gates.turn(Api::Route53).await);
        }
        let took = began.elapsed();
        assert!(Duration::from_secs(2) <= took + Duration::from_millis(5), "{took:?}");
        assert!(took < Duration::from_millis(2_050), "{took:?}");
    }

    #[tokio::test]
    async fn no_more_calls_are_on_their_way_than_have_a_place() {
        let gates = Gates::new();
        let held = gates.turn(Api::Health).await;
        let second = tokio::time::timeout(Duration::from_millis(20), gates.turn(Api::Health)).await;
        assert!(second.is_err(), "only one at a time");
        drop(held);
    }
}
