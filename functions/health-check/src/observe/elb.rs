//! Load balancers, listeners that are tagged, and target groups: twenty a call, all listeners of a load balancer in one,
//! and the targets of a target group in one.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ForwardActionConfig, Listener, LoadBalancer, TargetGroup, TargetHealthDescription,
};
use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use shared::error::Call;
use shared::{Error, Result};

use crate::component::{Component, Kind};
use crate::decision::Verdict;
use crate::decision::kind::load_balancer::Traffic;
use crate::decision::kind::{listener, load_balancer, target_group};
use crate::observe::metrics::{self, Query};
use crate::observe::rds::said;
use crate::sweep::{Api, Ask, Pages, unknown};

/// `DescribeLoadBalancers` takes at most this many ARNs; of listeners, as many are asked for.
const MOST: usize = 20;

/// Requests are counted over this long.
const LATELY: SignedDuration = SignedDuration::from_mins(15);

/// Checks all of them, and says how their listeners are, too.
pub(crate) async fn check_load_balancers(ask: &Ask<'_>, components: &[Component]) {
    let gone = || {
        let facts = load_balancer::Facts { gone: true, ..load_balancer::Facts::default() };
        load_balancer::verdict(&facts, ask.rules, ask.expected, ask.now)
    };
    let described = describe(components, async |asked| load_balancers(ask, asked).await).await;
    let found = settle(ask, described, gone);
    let listed = join_all(found.iter().map(|(_, balancer)| listeners(ask, balancer.arn())));
    let (listed, traffic) = join(listed, traffic(ask, &found)).await;
    for ((place, (component, balancer)), listed) in found.iter().enumerate().zip(listed) {
        let (traffic, unmeasured) = match &traffic {
            Ok(all) => (all.get(place).copied().flatten(), None),
            Err(error) => (None, is_application(balancer).then(|| unknown(error))),
        };
        let facts = load_balancer::Facts {
            listeners: listed.found.iter().map(protocol).collect(),
            unlisted: listed.failed.as_ref().map(unknown),
            traffic,
            unmeasured,
            ..balancer_facts(balancer)
        };
        ask.say(component, load_balancer::verdict(&facts, ask.rules, ask.expected, ask.now));
        for listener in &listed.found {
            if let Some(other) = listener.listener_arn().and_then(Component::at) {
                say_listener(ask, &other, listener, balancer);
                ask.needs(component, other);
            }
        }
        if is_application(balancer) && scheme(balancer) == "internet-facing" {
            let arn = Some(balancer.arn().to_owned());
            ask.leads(component, Component { arn, ..Component::new(Kind::WebAcl, &component.name) });
        }
    }
}

/// Checks listeners, by the load balancers that they are of; those that were checked with their load balancer stay so.
pub(crate) async fn check_listeners(ask: &Ask<'_>, components: &[Component]) {
    let open = components.iter().filter(|component| !ask.is_said(&component.id()));
    let (open, nameless): (Vec<_>, Vec<_>) =
        open.map(|it| (it, balancer_of(it.arn()))).partition(|(_, balancer)| balancer.is_some());
    for (component, _) in nameless {
        let why = Error::Malformed(format!("{} is not the ARN of a listener", component.arn()));
        ask.unknown(component, &why);
    }
    let mut balancers: Vec<Component> = open.iter().filter_map(|(_, balancer)| balancer.clone()).collect();
    balancers.sort_by(|one, other| one.arn.cmp(&other.arn));
    balancers.dedup();
    let listeners: Vec<Component> = open.iter().map(|(component, _)| (*component).clone()).collect();
    let (described, listed) = join(
        describe(&balancers, async |asked| load_balancers(ask, asked).await),
        describe(&listeners, async |asked| named_listeners(ask, asked).await),
    )
    .await;
    for (component, balancer) in &open {
        let found = listed.iter().flat_map(|batch| &batch.found);
        let Some(listener) = found.into_iter().find(|it| it.listener_arn() == Some(component.arn())) else {
            unlisted(ask, component, failure(&listed, component));
            continue;
        };
        let found = described.iter().flat_map(|batch| &batch.found);
        let is_its = |it: &&LoadBalancer| balancer.as_ref().is_some_and(|balancer| it.is(balancer));
        match (found.into_iter().find(is_its), balancer) {
            (Some(found), _) => say_listener(ask, component, listener, found),
            (None, Some(balancer)) => unlisted(ask, component, failure(&described, balancer)),
            (None, None) => {}
        }
    }
}

/// Checks all of them, and what they send requests to.
pub(crate) async fn check_targets(ask: &Ask<'_>, components: &[Component]) {
    let gone = || target_group::verdict(&target_group::Facts { gone: true, ..Default::default() });
    let described = describe(components, async |asked| target_groups(ask, asked).await).await;
    let found = settle(ask, described, gone);
    join_all(found.iter().map(async |(component, group)| {
        let targets = match targets(ask, group.arn()).await {
            Ok(targets) => targets,
            Err(error) if is_absence(&error) => return ask.say(component, gone()),
            Err(error) => return ask.unknown(component, &error),
        };
        let facts = target_group::Facts {
            load_balancers: group.load_balancer_arns.clone(),
            targets: targets.iter().map(target).collect(),
            ..target_group::Facts::default()
        };
        ask.say(component, target_group::verdict(&facts));
        // A target may be a function, or another load balancer.
        let targets = facts.targets.iter().map(|target| target.id.as_str());
        let balancers = group.load_balancer_arns().iter().map(String::as_str);
        for other in balancers.chain(targets).filter_map(Component::at) {
            ask.needs(component, other);
        }
    }))
    .await;
}

fn balancer_facts(balancer: &LoadBalancer) -> load_balancer::Facts {
    let state = balancer.state.as_ref();
    let code = state.and_then(|state| state.code.as_ref());
    load_balancer::Facts {
        state: code.map(|code| code.as_str().to_owned()).unwrap_or_default(),
        state_reason: state.and_then(|state| state.reason.clone()).unwrap_or_default(),
        sort: sort(balancer),
        scheme: scheme(balancer),
        created: balancer.created_time.and_then(|at| Timestamp::from_second(at.secs()).ok()),
        ..load_balancer::Facts::default()
    }
}

fn sort(balancer: &LoadBalancer) -> String {
    balancer.r#type.as_ref().map(|sort| sort.as_str().to_owned()).unwrap_or_default()
}

fn scheme(balancer: &LoadBalancer) -> String {
    balancer.scheme.as_ref().map(|scheme| scheme.as_str().to_owned()).unwrap_or_default()
}

fn is_application(balancer: &LoadBalancer) -> bool {
    sort(balancer) == "application"
}

fn protocol(listener: &Listener) -> String {
    listener.protocol.as_ref().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default()
}

/// Says how a listener is. It stands on its certificates; where it sends requests is checked, too.
fn say_listener(ask: &Ask<'_>, component: &Component, listener: &Listener, balancer: &LoadBalancer) {
    let certificates = listener.certificates().iter().filter_map(|it| it.certificate_arn.clone());
    let facts = listener::Facts {
        protocol: protocol(listener),
        port: listener.port,
        policy: listener.ssl_policy.clone().unwrap_or_default(),
        certificates: certificates.collect(),
        actions: listener.default_actions().iter().map(action).collect(),
        sort: sort(balancer),
        scheme: scheme(balancer),
        ..listener::Facts::default()
    };
    ask.say(component, listener::verdict(&facts, ask.expected));
    for certificate in facts.certificates.iter().filter_map(|arn| Component::at(arn)) {
        ask.needs(component, certificate);
    }
    for action in listener.default_actions() {
        let forward = || action.forward_config.iter().flat_map(ForwardActionConfig::target_groups);
        // Without weight, a target group is sent nothing, such as the idle half of blue and green.
        let idle =
            |arn: &str| forward().any(|it| it.weight() == Some(0) && it.target_group_arn() == Some(arn));
        let groups = forward().filter_map(|it| it.target_group_arn()).chain(action.target_group_arn());
        groups
            .filter(|arn| !idle(arn))
            .filter_map(Component::at)
            .for_each(|group| ask.leads(component, group));
    }
}

fn action(action: &Action) -> listener::Action {
    let redirect = action.redirect_config.as_ref().and_then(|it| it.protocol.clone());
    listener::Action {
        sort: action.r#type.as_ref().map(|sort| sort.as_str().to_owned()).unwrap_or_default(),
        redirect: redirect.unwrap_or_default(),
    }
}

fn target(described: &TargetHealthDescription) -> target_group::Target {
    let health = described.target_health.as_ref();
    let state = health.and_then(|it| it.state.as_ref()).map(|it| it.as_str().to_owned());
    let reason = health.and_then(|it| it.reason.as_ref()).map(|it| it.as_str().to_owned());
    let id = described.target.as_ref().and_then(|it| it.id.clone());
    target_group::Target {
        id: id.unwrap_or_default(),
        state: state.unwrap_or_default(),
        reason: reason.unwrap_or_default(),
    }
}

/// `…:listener/app/web/50dc/f2f7` is a listener of `…:loadbalancer/app/web/50dc`.
fn balancer_of(listener: &str) -> Option<Component> {
    let (front, name) = listener.split_once(":listener/")?;
    let (name, _) = name.rsplit_once('/')?;
    Component::at(&format!("{front}:loadbalancer/{name}"))
}

/// Says of a listener that was not found that it is gone, or that it could not be asked for.
fn unlisted(ask: &Ask<'_>, component: &Component, failed: Option<&Error>) {
    let gone = listener::Facts { gone: true, ..listener::Facts::default() };
    match failed {
        Some(error) => ask.unknown(component, error),
        None => ask.say(component, listener::verdict(&gone, ask.expected)),
    }
}

/// The requests of each application load balancer, in one call; nothing for the others.
async fn traffic(ask: &Ask<'_>, balancers: &[(&Component, LoadBalancer)]) -> Result<Vec<Option<Traffic>>> {
    let names: Vec<Option<&str>> = balancers
        .iter()
        .map(|(_, it)| it.arn().split_once(":loadbalancer/").filter(|_| is_application(it)))
        .map(|split| split.map(|(_, name)| name))
        .collect();
    let queries: Vec<Query> = names.iter().flatten().flat_map(|name| queries(name)).collect();
    if queries.is_empty() {
        return Ok(vec![None; names.len()]);
    }
    let values = metrics::ask(ask, &queries).await?;
    let mut values = values.into_iter();
    let mut next = || values.next().flatten();
    let read = |name: Option<&str>| {
        name.map(|_| Traffic {
            requests: next(),
            failed_at_target: next(),
            failed_here: next(),
            seconds: next(),
        })
    };
    Ok(names.into_iter().map(read).collect())
}

/// In the order in which they are read.
fn queries(name: &str) -> [Query; 4] {
    let of = |metric, statistic| Query {
        namespace: "AWS/ApplicationELB",
        name: metric,
        dimensions: vec![("LoadBalancer", name.to_owned())],
        statistic,
        over: LATELY,
    };
    [
        of("RequestCount", "Sum"),
        of("HTTPCode_Target_5XX_Count", "Sum"),
        of("HTTPCode_ELB_5XX_Count", "Sum"),
        of("TargetResponseTime", "p95"),
    ]
}

/// What was read, and what kept the rest from being read.
struct Listed<T> {
    found: Vec<T>,
    failed: Option<Error>,
}

/// Reads page after page. What was read before one failed counts.
async fn pages<T>(page: impl AsyncFn(Option<String>) -> Result<(Vec<T>, Option<String>)>) -> Listed<T> {
    let (mut found, mut marker, mut pages) = (Vec::new(), None, Pages::default());
    loop {
        let next = page(marker).await.and_then(|(more, next)| {
            found.extend(more);
            pages.next(next)
        });
        marker = match next {
            Ok(None) => return Listed { found, failed: None },
            Ok(next) => next,
            Err(error) => return Listed { found, failed: Some(error) },
        };
    }
}

async fn load_balancers(ask: &Ask<'_>, asked: &[&Component]) -> Listed<LoadBalancer> {
    let (arns, names) = named(asked);
    pages(async |marker| {
        let _turn = ask.turn(Api::Elb).await;
        let call = ask.clients.elb().describe_load_balancers();
        let call = call.set_load_balancer_arns(arns.clone()).set_names(names.clone()).set_marker(marker);
        let answer = call.send().await.action("elasticloadbalancing:DescribeLoadBalancers")?;
        Ok((said(answer.load_balancers)?, answer.next_marker))
    })
    .await
}

async fn target_groups(ask: &Ask<'_>, asked: &[&Component]) -> Listed<TargetGroup> {
    let (arns, names) = named(asked);
    pages(async |marker| {
        let _turn = ask.turn(Api::Elb).await;
        let call = ask.clients.elb().describe_target_groups();
        let call = call.set_target_group_arns(arns.clone()).set_names(names.clone()).set_marker(marker);
        let answer = call.send().await.action("elasticloadbalancing:DescribeTargetGroups")?;
        Ok((said(answer.target_groups)?, answer.next_marker))
    })
    .await
}

async fn listeners(ask: &Ask<'_>, balancer: &str) -> Listed<Listener> {
    pages(async |marker| {
        let _turn = ask.turn(Api::Elb).await;
        let call = ask.clients.elb().describe_listeners().load_balancer_arn(balancer).set_marker(marker);
        let answer = call.send().await.action("elasticloadbalancing:DescribeListeners")?;
        Ok((said(answer.listeners)?, answer.next_marker))
    })
    .await
}

async fn named_listeners(ask: &Ask<'_>, asked: &[&Component]) -> Listed<Listener> {
    let (arns, _) = named(asked);
    pages(async |marker| {
        let _turn = ask.turn(Api::Elb).await;
        let call = ask.clients.elb().describe_listeners().set_listener_arns(arns.clone()).set_marker(marker);
        let answer = call.send().await.action("elasticloadbalancing:DescribeListeners")?;
        Ok((said(answer.listeners)?, answer.next_marker))
    })
    .await
}

async fn targets(ask: &Ask<'_>, group: &str) -> Result<Vec<TargetHealthDescription>> {
    let _turn = ask.turn(Api::Elb).await;
    let call = ask.clients.elb().describe_target_health().target_group_arn(group);
    let answer = call.send().await.action("elasticloadbalancing:DescribeTargetHealth")?;
    said(answer.target_health_descriptions)
}

/// ARNs or names: the API takes one or the other.
fn named(asked: &[&Component]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let arns: Vec<String> = asked.iter().filter_map(|it| it.arn.clone()).collect();
    if arns.is_empty() {
        (None, Some(asked.iter().map(|it| it.name.clone()).collect()))
    } else {
        (Some(arns), None)
    }
}

/// What was asked for in one call, what was found of it, and what kept the rest from being answered.
struct Batch<'a, T> {
    asked: Vec<&'a Component>,
    found: Vec<T>,
    failed: Option<Error>,
}

/// Asks for all of them, many a call. One that is gone fails the call for all: then each is asked for alone.
async fn describe<'a, T>(
    components: &'a [Component],
    call: impl AsyncFn(&[&Component]) -> Listed<T>,
) -> Vec<Batch<'a, T>> {
    let (by_arn, by_name): (Vec<&Component>, Vec<&Component>) =
        components.iter().partition(|component| component.arn.is_some());
    let chunks = by_arn.chunks(MOST).chain(by_name.chunks(MOST));
    let batches = chunks.map(async |asked| {
        let together = batch(asked, &call).await;
        if !together.failed.as_ref().is_some_and(is_absence) {
            return vec![together];
        }
        let alone = join_all(asked.chunks(1).map(|one| batch(one, &call))).await;
        alone
            .into_iter()
            .map(|it| Batch { failed: it.failed.filter(|error| !is_absence(error)), ..it })
            .collect()
    });
    join_all(batches).await.into_iter().flatten().collect()
}

async fn batch<'a, T>(
    asked: &[&'a Component],
    call: &impl AsyncFn(&[&Component]) -> Listed<T>,
) -> Batch<'a, T> {
    let Listed { found, failed } = call(asked).await;
    Batch { asked: asked.to_vec(), found, failed }
}

/// What kept this one from being answered.
fn failure<'a, T>(batches: &'a [Batch<'_, T>], component: &Component) -> Option<&'a Error> {
    let batch = batches.iter().find(|batch| batch.asked.contains(&component))?;
    batch.failed.as_ref()
}

fn is_absence(error: &Error) -> bool {
    matches!(error.code(), Some("LoadBalancerNotFound" | "ListenerNotFound" | "TargetGroupNotFound"))
}

/// Pairs what was asked for with what was found, and says of the rest that it is gone, or could not be asked for.
fn settle<'a, T: Described>(
    ask: &Ask<'_>,
    batches: Vec<Batch<'a, T>>,
    gone: impl Fn() -> Verdict,
) -> Vec<(&'a Component, T)> {
    let mut pairs = Vec::new();
    for mut batch in batches {
        for component in batch.asked {
            match (batch.found.iter().position(|it| it.is(component)), &batch.failed) {
                (Some(place), _) => pairs.push((component, batch.found.swap_remove(place))),
                (None, Some(error)) => ask.unknown(component, error),
                (None, None) => ask.say(component, gone()),
            }
        }
    }
    pairs
}

/// What an API describes by ARN or name.
trait Described {
    fn arn(&self) -> &str;

    fn name(&self) -> Option<&str>;

    /// Whether it is what was asked for.
    fn is(&self, component: &Component) -> bool {
        match &component.arn {
            Some(arn) => self.arn() == arn,
            None => self.name() == Some(&component.name),
        }
    }
}

impl Described for LoadBalancer {
    fn arn(&self) -> &str {
        self.load_balancer_arn().unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        self.load_balancer_name()
    }
}

impl Described for TargetGroup {
    fn arn(&self) -> &str {
        self.target_group_arn().unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        self.target_group_name()
    }
}

#[cfg(test)]
mod tests;
