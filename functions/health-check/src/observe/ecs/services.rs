//! Services, ten of a cluster in a call, with their tags; then the CPU and memory of all of them.

use std::collections::BTreeMap;

use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types as ecs;
use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use shared::Result;
use shared::ecs::read_time;
use shared::error::Call;

use super::stopped::{self, Alive};
use super::{count, last, split, words};
use crate::component::{Component, Kind};
use crate::decision::kind::ecs_service::{
    Deployment, Event, Facts, Load, TaskSet, not_described, verdict, without_cluster,
};
use crate::decision::kind::task_definition;
use crate::observe::metrics::{self, Query};
use crate::observe::scaling;
use crate::sweep::{Api, Ask};

/// ECS describes at most this many services in one call, all of one cluster (ECS API, `DescribeServices`).
const AT_ONCE: usize = 10;

/// Over how long CPU and memory are averaged.
const OVER: SignedDuration = SignedDuration::from_mins(5);

/// A service that ECS described.
struct Described {
    service: Component,
    facts: Facts,
    needs: Vec<Component>,
    /// The target groups that its tasks would be in, were it not scaled to zero.
    empties: Vec<Component>,
    task_definition: Option<Component>,
}

/// Checks all of them, and of each its stopped tasks, its scaling, and what it stands on.
pub(crate) async fn check(ask: &Ask<'_>, services: &[Component]) {
    let mut clusters = BTreeMap::<&str, Vec<&Component>>::new();
    for service in services {
        clusters.entry(split(&service.name).0).or_default().push(service);
    }
    let chunks =
        clusters.iter().flat_map(|(cluster, all)| all.chunks(AT_ONCE).map(move |some| (*cluster, some)));
    let described = join_all(chunks.map(|(cluster, some)| chunk(ask, cluster, some))).await;
    let mut described: Vec<Described> = described.into_iter().flatten().collect();
    loads(ask, &mut described).await;
    for one in &described {
        say(ask, one);
    }
    let alive = described.into_iter().filter(|one| one.facts.status == "ACTIVE");
    let alive: Vec<Alive> = alive
        .map(|one| Alive {
            service: one.service,
            desired: one.facts.desired,
            running: one.facts.running,
            task_definition: one.task_definition,
        })
        .collect();
    let scaled: Vec<_> = alive.iter().map(|one| (one.service.clone(), one.desired)).collect();
    join(stopped::check(ask, &alive), scaling::check(ask, &scaled)).await;
}

fn say(ask: &Ask<'_>, one: &Described) {
    ask.say(&one.service, verdict(&one.facts, ask.rules, ask.expected, ask.now));
    for other in one.needs.iter().chain(&one.task_definition) {
        ask.needs(&one.service, other.clone());
    }
    for group in &one.empties {
        ask.rests(group.id());
    }
}

/// The services of one call that ECS described; of the others, it is said here how they are.
async fn chunk(ask: &Ask<'_>, cluster: &str, services: &[&Component]) -> Vec<Described> {
    let answer = match describe(ask, cluster, services).await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ClusterNotFoundException") => {
            for service in services {
                ask.say(service, without_cluster(cluster));
                ask.needs(service, Component::new(Kind::EcsCluster, cluster));
            }
            return Vec::new();
        }
        Err(error) => {
            for service in services {
                ask.unknown(service, &error);
            }
            return Vec::new();
        }
    };
    let mut described = Vec::new();
    for service in services {
        let (_, name) = split(&service.name);
        if let Some(found) = answer.services().iter().find(|one| one.service_name() == Some(name)) {
            described.push(read(service, cluster, found));
            continue;
        }
        let failure = answer.failures().iter().find(|failure| failure.arn().map(last) == Some(name));
        let reason = failure.map(|failure| failure.reason().unwrap_or("without a reason"));
        ask.say(service, not_described(reason));
        ask.needs(service, Component::new(Kind::EcsCluster, cluster));
    }
    described
}

async fn describe(ask: &Ask<'_>, cluster: &str, services: &[&Component]) -> Result<DescribeServicesOutput> {
    let _turn = ask.turn(Api::Ecs).await;
    let names = services.iter().map(|service| split(&service.name).1.to_owned()).collect();
    ask.clients
        .ecs()
        .describe_services()
        .cluster(cluster)
        .set_services(Some(names))
        .include(ecs::ServiceField::Tags)
        .send()
        .await
        .action("ecs:DescribeServices")
}

fn read(wanted: &Component, cluster: &str, service: &ecs::Service) -> Described {
    let mut component = wanted.clone();
    component.arn = component.arn.or_else(|| service.service_arn.clone());
    let tags = service.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
    component.tags.extend(tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let facts = facts(service);
    let groups = target_groups(service);
    // Scaled to zero, it has nothing in them, and that is meant so; deleted, it leaves them to others.
    let (groups, empties) = match (facts.status.as_str(), facts.desired) {
        ("INACTIVE", _) => (Vec::new(), Vec::new()),
        (_, 0) => (Vec::new(), groups),
        (_, _) => (groups, Vec::new()),
    };
    Described {
        needs: std::iter::once(own_cluster(service, cluster)).chain(groups).collect(),
        empties,
        task_definition: runs(service).map(task_definition::component),
        service: component,
        facts,
    }
}

/// The task definition that it runs: of services that ECS does not deploy, that of the primary task set.
fn runs(service: &ecs::Service) -> Option<&str> {
    let sets = service.task_sets().iter();
    let primary = || sets.clone().find(|set| set.status() == Some("PRIMARY"))?.task_definition();
    service.task_definition().or_else(primary).filter(|arn| !arn.is_empty())
}

fn own_cluster(service: &ecs::Service, cluster: &str) -> Component {
    let own = service.cluster_arn().and_then(Component::at).filter(|own| own.kind == Kind::EcsCluster);
    own.unwrap_or_else(|| Component::new(Kind::EcsCluster, cluster))
}

/// The target groups that its tasks are put into, each once.
fn target_groups(service: &ecs::Service) -> Vec<Component> {
    let mut found = Vec::new();
    let primary = service.task_sets().iter().filter(|set| set.status() == Some("PRIMARY"));
    let balancers = service.load_balancers().iter().chain(primary.flat_map(ecs::TaskSet::load_balancers));
    let groups = balancers.filter_map(|balancer| Component::at(balancer.target_group_arn()?));
    for group in groups.filter(|group| group.kind == Kind::Targets) {
        if !found.contains(&group) {
            found.push(group);
        }
    }
    found
}

fn facts(service: &ecs::Service) -> Facts {
    let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
    let configuration = service.deployment_configuration();
    Facts {
        status: word(service.status()),
        desired: count(service.desired_count()),
        running: count(service.running_count()),
        pending: count(service.pending_count()),
        strategy: word(service.scheduling_strategy().map(ecs::SchedulingStrategy::as_str)),
        controller: word(service.deployment_controller().map(|controller| controller.r#type().as_str())),
        least_healthy: configuration
            .and_then(ecs::DeploymentConfiguration::minimum_healthy_percent)
            .map(count),
        bakes: configuration.map(bakes).unwrap_or_default(),
        created: time(service.created_at()),
        deployments: service.deployments().iter().map(deployment).collect(),
        task_sets: service.task_sets().iter().map(task_set).collect(),
        events: service.events().iter().map(event).collect(),
        load: Load::NotAsked,
    }
}

/// How long a deployment waits by design: after all traffic is moved, and after each part of it.
fn bakes(configuration: &ecs::DeploymentConfiguration) -> SignedDuration {
    let minutes = |minutes: Option<i32>| i64::from(count(minutes.unwrap_or_default()));
    let canary =
        configuration.canary_configuration().and_then(ecs::CanaryConfiguration::canary_bake_time_in_minutes);
    let linear = configuration.linear_configuration();
    // The least that ECS takes for a step are 3 percent: at most 34 steps.
    let steps = (1..=34_i32).find(|steps| {
        linear
            .and_then(ecs::LinearConfiguration::step_percent)
            .is_none_or(|percent| 100.0 <= f64::from(*steps) * percent)
    });
    let step = minutes(linear.and_then(ecs::LinearConfiguration::step_bake_time_in_minutes));
    SignedDuration::from_mins(
        minutes(configuration.bake_time_in_minutes())
            + minutes(canary)
            + step * i64::from(steps.unwrap_or(34)),
    )
}

fn deployment(deployment: &ecs::Deployment) -> Deployment {
    Deployment {
        status: deployment.status().unwrap_or_default().to_owned(),
        rollout: deployment.rollout_state().map(|state| state.as_str().to_owned()),
        reason: deployment.rollout_state_reason().unwrap_or_default().to_owned(),
        created: time(deployment.created_at()),
        desired: count(deployment.desired_count()),
        running: count(deployment.running_count()),
        failed_tasks: count(deployment.failed_tasks()),
    }
}

fn task_set(set: &ecs::TaskSet) -> TaskSet {
    TaskSet {
        status: set.status().unwrap_or_default().to_owned(),
        stability: set.stability_status().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        created: time(set.created_at()),
    }
}

fn event(event: &ecs::ServiceEvent) -> Event {
    Event { at: time(event.created_at()), message: event.message().unwrap_or_default().to_owned() }
}

fn time(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    time.and_then(read_time)
}

/// Asks for the CPU and memory of all whose tasks run.
async fn loads(ask: &Ask<'_>, described: &mut [Described]) {
    let mut run: Vec<&mut Described> =
        described.iter_mut().filter(|one| one.facts.status == "ACTIVE" && 0 < one.facts.running).collect();
    let queries: Vec<Query> = run.iter().flat_map(|one| queries(&one.service.name)).collect();
    if queries.is_empty() {
        return;
    }
    let values = metrics::ask(ask, &queries).await;
    for (place, one) in run.iter_mut().enumerate() {
        one.facts.load = match &values {
            Ok(values) => {
                let value = |at: usize| values.get(2 * place + at).copied().flatten();
                Load::Read { cpu: value(0), memory: value(1) }
            }
            Err(error) => {
                let (why, todo) = words(error);
                Load::Unread { why, todo }
            }
        };
    }
}

fn queries(name: &str) -> [Query; 2] {
    let (cluster, service) = split(name);
    ["CPUUtilization", "MemoryUtilization"].map(|name| Query {
        namespace: "AWS/ECS",
        name,
        dimensions: vec![("ClusterName", cluster.to_owned()), ("ServiceName", service.to_owned())],
        statistic: "Average",
        over: OVER,
    })
}
