//! All checks of a sweep: what a check finds beside what it looked for is checked as well, while others still run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout, timeout_at};

use super::Ask;
use crate::component::{Component, Kind};
use crate::decision::Findings;
use crate::{discover, observe};

/// What is found is begun with at most so much later, together with all else that is found until then: many of a kind take
/// fewer calls.
const TOGETHER: Duration = Duration::from_millis(100);

/// Only these are checked, where somebody asks for few.
pub(crate) type Wanted = Option<BTreeSet<Kind>>;

/// Checks all of them, and what they lead to, until the time is over. Answers with a sentence for what was not reached.
pub(crate) async fn all(
    ask: &Ask<'_>,
    found: Vec<Component>,
    wanted: &Wanted,
    until: Instant,
) -> Vec<String> {
    let mut asked = BTreeSet::new();
    let mut next = found.clone();
    let mut incomplete = Vec::new();
    let account = discover::account(&found);
    let checked_whole = async {
        // They are about all that was found, and ask for nothing more.
        if is_wanted(wanted, Kind::Tagging) {
            observe::tags::check(ask, &found);
        }
        let mut running = FuturesUnordered::new();
        loop {
            next.retain(|component| {
                !ask.ignores(component) && is_worth(wanted, component.kind) && asked.insert(component.id())
            });
            let mut by_kind = BTreeMap::<Kind, Vec<Component>>::new();
            for component in next.drain(..) {
                // A queue and the one for its dead letters are told apart by looking at both.
                let kind = if component.kind == Kind::Letters { Kind::Queue } else { component.kind };
                by_kind.entry(kind).or_default().push(component);
            }
            for (kind, some) in by_kind {
                running.push(async move { one_kind(ask, kind, &some, account).await });
            }
            if running.is_empty() {
                break;
            }
            let _ = timeout(TOGETHER, running.next()).await;
            next = ask.take_more();
        }
    };
    if timeout_at(until, checked_whole).await.is_err() {
        let said = ask.said();
        // Which queues hold dead letters is found out on the way.
        let sibling = |component: &Component| Component::new(Kind::Letters, component.name.clone()).id();
        let due: Vec<_> = found
            .iter()
            .filter(|component| is_wanted(wanted, component.kind))
            .filter(|component| !ask.ignores(component))
            .collect();
        let is_missed = |component: &Component| {
            let as_letters = component.kind == Kind::Queue && said.contains_key(&sibling(component));
            !as_letters && !said.contains_key(&component.id())
        };
        let missed: Vec<_> = due.iter().filter(|component| is_missed(component)).collect();
        for component in &missed {
            let mut not_reached = Findings::new();
            not_reached.unknown(
                "the time was over before it was reached",
                "Ask for fewer kinds, or give the function more time.",
            );
            ask.say(component, not_reached.verdict(""));
        }
        incomplete.push(format!("the time was over before {} of {} were checked", missed.len(), due.len()));
    }
    incomplete
}

/// What leads to nothing else.
const ENDS: [Kind; 10] = [
    Kind::AwsHealth,
    Kind::Backup,
    Kind::Budget,
    Kind::Cache,
    Kind::Certificate,
    Kind::DnsName,
    Kind::EcsCluster,
    Kind::Image,
    Kind::Key,
    Kind::WebAcl,
];

/// Whether a kind is to be looked at: it is asked for, or may lead to what is.
fn is_worth(wanted: &Wanted, kind: Kind) -> bool {
    is_wanted(wanted, kind) || !ENDS.contains(&kind)
}

/// Whether a kind is asked for.
pub(super) fn is_wanted(wanted: &Wanted, kind: Kind) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.contains(&kind))
}

async fn one_kind(ask: &Ask<'_>, kind: Kind, some: &[Component], account: &str) {
    match kind {
        Kind::Alarm => observe::alarms::check(ask, some).await,
        Kind::AwsHealth => observe::aws_health::check(ask).await,
        Kind::Backup => observe::backup::check(ask, some).await,
        Kind::Bucket => observe::s3::check(ask, some).await,
        Kind::Budget => observe::budgets::check(ask, account).await,
        Kind::Cache => observe::elasticache::check(ask, some).await,
        Kind::Certificate => observe::acm::check(ask, some).await,
        Kind::Cluster => observe::rds::check_clusters(ask, some).await,
        Kind::DnsName => observe::dns::check(ask, ask.probes, some).await,
        Kind::EcsCluster => observe::ecs::check_clusters(ask, some).await,
        Kind::Endpoint => {
            let named = |name: &str| some.iter().any(|component| component.name == name);
            let endpoints = ask.rules.endpoints.iter().cloned();
            let endpoints: Vec<_> =
                endpoints.filter(|it| named(&observe::http::component(it).name)).collect();
            observe::http::check(ask, ask.probes, &endpoints).await;
        }
        Kind::Function => observe::lambda::check_functions(ask, some).await,
        Kind::HealthCheck => observe::route53::check_health_checks(ask, some).await,
        Kind::Image => observe::ecr::check(ask, some).await,
        Kind::Instance => observe::rds::check_instances(ask, some).await,
        Kind::Key => observe::kms::check(ask, some).await,
        Kind::Listener => observe::elb::check_listeners(ask, some).await,
        Kind::LoadBalancer => observe::elb::check_load_balancers(ask, some).await,
        Kind::LogGroup => observe::logs::check(ask, some).await,
        Kind::Queue => observe::sqs::check(ask, some).await,
        Kind::Records => observe::route53::check_zones(ask, some).await,
        Kind::Rule => observe::events::check(ask, some).await,
        Kind::Schedule => observe::scheduler::check(ask, some).await,
        Kind::Secret => observe::secrets::check(ask, some).await,
        Kind::Service => observe::ecs::check_services(ask, some).await,
        Kind::Stack => observe::cloudformation::check(ask, some).await,
        Kind::Subscriptions => observe::sns::check(ask, some).await,
        Kind::Table => observe::dynamodb::check(ask, some).await,
        Kind::Targets => observe::elb::check_targets(ask, some).await,
        Kind::TaskDefinition => observe::ecs::check_task_definitions(ask, some).await,
        Kind::Tls => observe::tls::check(ask, ask.probes, some).await,
        Kind::WebAcl => observe::waf::check(ask, some).await,
        // These are said by the checks of what they belong to.
        Kind::EventSource | Kind::Letters | Kind::Scaling | Kind::StoppedTasks | Kind::Tagging => {}
    }
}
