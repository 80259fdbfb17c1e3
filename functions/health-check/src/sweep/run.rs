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

/// Checks all of them, and what they lead to, until the time is over; `whole` says whether all could be discovered. Answers with a sentence for what was not reached.
pub(crate) async fn all(
    ask: &Ask<'_>,
    found: Vec<Component>,
    wanted: &Wanted,
    whole: bool,
    until: Instant,
) -> Vec<String> {
    let account = discover::account(&found).to_owned();
    // They are about all that was found, and ask for nothing more.
    if is_wanted(wanted, Kind::Tagging) {
        observe::tags::check(ask, &found, whole);
    }
    let mut left = Left { asked: BTreeSet::new(), next: found, running: BTreeMap::new() };
    if timeout_at(until, check(ask, &mut left, wanted, &account)).await.is_ok() {
        return Vec::new();
    }
    let missed = left.missed(ask, wanted);
    for component in &missed {
        let mut not_reached = Findings::new();
        not_reached.unknown(
            "the time was over before it was reached",
            "Ask for fewer kinds, or give the function more time.",
        );
        ask.say(component, not_reached.verdict(""));
    }
    let said = ask.said();
    let due = said.values().filter(|said| is_wanted(wanted, said.component.kind)).count();
    vec![format!("the time was over before {} of {due} were checked", missed.len())]
}

/// What is still to do.
struct Left {
    /// The ids of all that was begun.
    asked: BTreeSet<String>,
    /// What was found and is not begun.
    next: Vec<Component>,
    /// By the number of the check, what is on its way.
    running: BTreeMap<usize, Vec<Component>>,
}

impl Left {
    /// What was not reached: what is on its way, and what was found and not begun.
    fn missed(self, ask: &Ask<'_>, wanted: &Wanted) -> Vec<Component> {
        let begun: BTreeSet<String> = self.running.values().flatten().map(Component::id).collect();
        let new = self.next.into_iter().chain(ask.take_more());
        // What was found again is done, or on its way.
        let new = new.filter(|it| !self.asked.contains(&it.id()) && !begun.contains(&it.id()));
        let mut missed: BTreeMap<String, Component> =
            new.chain(self.running.into_values().flatten()).map(|it| (it.id(), it)).collect();
        // Which queues hold dead letters is found out on the way: one may be said as the other.
        let is_queue = |kind| matches!(kind, Kind::Queue | Kind::Letters);
        let is_said = |component: &Component| {
            let as_other = |kind| ask.is_said(&Component::new(kind, &*component.name).id());
            let either = is_queue(component.kind) && [Kind::Queue, Kind::Letters].into_iter().any(as_other);
            either || ask.is_said(&component.id())
        };
        missed.retain(|_, it| is_wanted(wanted, it.kind) && !ask.ignores(it) && !is_said(it));
        missed.into_values().collect()
    }
}

/// Checks what is left, and what that leads to.
async fn check(ask: &Ask<'_>, left: &mut Left, wanted: &Wanted, account: &str) {
    let mut running = FuturesUnordered::new();
    let mut number = 0;
    loop {
        let Left { asked, next, .. } = left;
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
            number += 1;
            left.running.insert(number, some.clone());
            running.push(async move {
                one_kind(ask, kind, &some, account).await;
                number
            });
        }
        if running.is_empty() {
            break;
        }
        if let Ok(Some(done)) = timeout(TOGETHER, running.next()).await {
            left.running.remove(&done);
        }
        left.next = ask.take_more();
    }
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
        Kind::Key => observe::kms::check(ask, some, account).await,
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::Left;
    use crate::component::{Component, Kind};
    use crate::decision::Verdict;
    use crate::wire::{Reply, Wire};

    #[test]
    fn what_is_on_its_way_and_what_was_found_and_not_begun_was_not_reached() {
        let wire = Wire::new(|_| Reply::ok(""));
        let ask = wire.ask();
        let new = Component::new;
        ask.say(&new(Kind::Letters, "letters"), Verdict::default());
        ask.say(&new(Kind::Secret, "said"), Verdict::default());
        ask.more(new(Kind::Key, "found"));
        ask.more(new(Kind::Key, "done"));
        let running = vec![new(Kind::Secret, "said"), new(Kind::Secret, "slow"), new(Kind::Queue, "letters")];
        let left = Left {
            asked: BTreeSet::from(["kms-key:done".to_owned(), "secret:slow".to_owned()]),
            next: vec![new(Kind::Image, "next"), new(Kind::Secret, "slow")],
            running: BTreeMap::from([(1, running)]),
        };
        let missed: Vec<String> = left.missed(&ask, &None).iter().map(Component::id).collect();
        assert_eq!(missed, ["image:next", "kms-key:found", "secret:slow"]);
    }
}
