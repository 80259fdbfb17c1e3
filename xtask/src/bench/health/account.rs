//! The AWS of a healthy environment of a thousand resources: what bears its tag, what each API says of it, and what was
//! called. A call takes fifty milliseconds, and one too many for the account's budget is throttled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use local::proxy::{Answer, Call, Fault, Protocol, Proxy, When};
use serde_json::json;

use super::answers;
use super::budget::{Api, Buckets, api};
use crate::corpus::wall;

/// What a call takes.
pub(super) const CALL: Duration = Duration::from_millis(50);

/// The account that all of it is in.
const ACCOUNT: &str = "123456789012";

/// What bears the tag: service, the rest of its ARN, how many of it. A star stands for the number, a percent sign for that of
/// the cluster.
const TAGGED: [(&str, &str, usize); 22] = [
    ("ecs", "cluster/prod-*", CLUSTERS),
    ("ecs", "service/prod-%/svc-*", SERVICES),
    ("elasticloadbalancing", "loadbalancer/app/lb-*/50dc", BALANCERS),
    ("elasticloadbalancing", "listener/app/lb-*/50dc/f443", BALANCERS),
    ("elasticloadbalancing", "listener/app/lb-*/50dc/f80", BALANCERS),
    ("elasticloadbalancing", "targetgroup/svc-*/943f", SERVICES),
    ("rds", "db:db-*", 30),
    ("rds", "cluster:aurora-*", 10),
    ("elasticache", "replicationgroup:cache-*", CACHES),
    ("sqs", "jobs-*", 80),
    ("sqs", "jobs-*-dlq", 40),
    ("sns", "news-*", 40),
    ("lambda", "function:hook-*", FUNCTIONS),
    ("secretsmanager", "secret:prod/svc-*-a1B2c3", SECRETS),
    ("s3", "assets-*", 50),
    ("cloudwatch", "alarm:svc-*-errors", ALARMS),
    ("dynamodb", "table/orders-*", 40),
    ("kms", "key/0000-*", KEYS),
    ("logs", "log-group:/ecs/svc-*", 40),
    ("events", "rule/nightly-*", 20),
    ("acm", "certificate/c-*", BALANCERS),
    ("cloudformation", "stack/stack-*/0a1b", 12),
];

/// The numbers of what others refer to.
pub(super) const CLUSTERS: usize = 4;
pub(super) const SERVICES: usize = 120;
pub(super) const BALANCERS: usize = 20;
pub(super) const CACHES: usize = 30;
pub(super) const FUNCTIONS: usize = 80;
pub(super) const SECRETS: usize = 100;
pub(super) const ALARMS: usize = 60;
pub(super) const KEYS: usize = 40;

/// Tagged resources on a page (`GetResources`).
const ON_A_PAGE: usize = 100;

/// The AWS that the function reaches.
pub(super) struct Account {
    proxy: Proxy,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    buckets: Buckets,
    counts: BTreeMap<&'static str, (&'static Api, usize)>,
    calls: usize,
    throttled: Vec<String>,
    unexpected: Vec<String>,
    published: usize,
    written: usize,
}

/// What was called.
#[derive(Debug)]
pub(super) struct Called {
    /// Each API, and how often it was.
    pub(super) apis: Vec<(&'static Api, usize)>,
    /// All calls.
    pub(super) calls: usize,
    /// Those of them that were too many for the account.
    pub(super) throttled: Vec<String>,
    /// What the double has no answer to.
    pub(super) unexpected: Vec<String>,
    /// How many notices were published.
    pub(super) published: usize,
    /// How many entries were written into the ledger.
    pub(super) written: usize,
}

impl Account {
    /// With full buckets.
    pub(super) async fn new() -> anyhow::Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let tagged = tagged();
        let answering = Arc::clone(&state);
        let proxy = Proxy::answering(move |call| {
            if let Some(refused) = lock(&answering).count(call) {
                return refused;
            }
            if call.is("tag:GetResources") {
                return page(&tagged, call);
            }
            answers::answer(call, wall()).unwrap_or_else(|| {
                lock(&answering).unexpected.push(call.action.clone());
                Answer::error(400, "ValidationException", "the bench knows no answer")
            })
        })
        .await?;
        proxy.inject("*", When::Always, Fault::Delay(CALL));
        Ok(Self { proxy, state })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        self.proxy.url()
    }

    /// The proxy looks through all calls that it remembers whenever one ends.
    pub(super) fn forget_calls(&self) {
        self.proxy.forget();
    }

    /// What was called since it was asked last. The buckets are full again.
    pub(super) fn called(&self) -> Called {
        let state = std::mem::take(&mut *lock(&self.state));
        Called {
            apis: state.counts.into_values().collect(),
            calls: state.calls,
            throttled: state.throttled,
            unexpected: state.unexpected,
            published: state.published,
            written: state.written,
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Counts a call; one that is too many is refused.
    fn count(&mut self, call: &Call) -> Option<Answer> {
        self.calls += 1;
        self.published += usize::from(call.is("sns:Publish"));
        self.written += usize::from(call.is("dynamodb:PutItem"));
        let api = api(&call.action)?;
        if self.buckets.allow(api, Instant::now()) {
            self.counts.entry(api.name).or_insert((api, 0)).1 += 1;
            return None;
        }
        self.throttled.push(call.action.clone());
        let (status, code) = match call.protocol {
            Protocol::Xml => (503, "SlowDown"),
            Protocol::Query => (400, "Throttling"),
            Protocol::Rest => (429, "TooManyRequestsException"),
            Protocol::Json | Protocol::Cbor => (400, "ThrottlingException"),
        };
        Some(Answer::error(status, code, "Rate exceeded"))
    }
}

/// The ARN of a resource of a service; a bucket's names no account.
pub(super) fn arn(service: &str, resource: &str) -> String {
    match service {
        "s3" => format!("arn:aws:s3:::{resource}"),
        _ => format!("arn:aws:{service}:eu-central-1:{ACCOUNT}:{resource}"),
    }
}

/// The ARNs of all that bears the tag.
pub(super) fn tagged() -> Vec<String> {
    let all = TAGGED.iter().flat_map(|(service, resource, count)| {
        (0..*count).map(move |number| {
            let cluster = format!("{:03}", number % CLUSTERS);
            arn(service, &resource.replace('*', &format!("{number:03}")).replace('%', &cluster))
        })
    });
    all.chain((0..4).map(|number| arn("scheduler", &format!("schedule-group/jobs-{number:03}")))).collect()
}

/// A page of them; the token is the place of the first.
fn page(tagged: &[String], call: &Call) -> Answer {
    let asked = call.json();
    let token = asked.get("PaginationToken").and_then(|token| token.as_str()?.parse().ok());
    let from: usize = token.unwrap_or_default();
    let tags = json!([{"Key": "watchkeeper:environment", "Value": "prod"}, {"Key": "team", "Value": "shop"}]);
    let some = tagged.iter().skip(from).take(ON_A_PAGE);
    let some: Vec<_> = some.map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
    let next = from + some.len();
    let token = if next < tagged.len() { next.to_string() } else { String::new() };
    Answer::json(&json!({"ResourceTagMappingList": some, "PaginationToken": token}))
}

/// Seconds since 1970, so many hours from a time.
pub(super) fn hours(now: Timestamp, from: i64) -> i64 {
    now.as_second() + 3_600 * from
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::tagged;

    #[test]
    fn a_thousand_resources_bear_the_tag_each_by_a_name_of_its_own() {
        let tagged = tagged();
        assert_eq!(tagged.len(), 1_000);
        assert_eq!(tagged.iter().collect::<BTreeSet<_>>().len(), 1_000);
        assert!(tagged.iter().any(|arn| arn.ends_with(":service/prod-003/svc-119")), "{tagged:?}");
    }
}
