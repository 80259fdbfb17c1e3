//! Hosted zones with their records, and health checks. Route 53 allows five calls a second for a whole account.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use aws_sdk_route53::types::{HealthCheck, ResourceRecordSet, RrType};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use shared::error::Call;
use shared::{Error, Result};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::component::{Component, Kind};
use crate::decision::kind::{hosted_zone, route53_health_check};
use crate::sweep::{Api, Ask, unknown};

/// So many targets of a zone's records are followed.
const FOLLOWED: usize = 50;

/// So many zones or health checks are asked for at once, each with two calls or more. All at once, none would be done before
/// each was asked for: when the time is over, nothing would be known of any.
const AT_ONCE: usize = 4;

/// So long is waited for a name to be resolved.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leads {
    /// To something that there is.
    Somewhere,
    /// Nowhere: there is no such name.
    Nowhere,
    /// It could not be found out, and why.
    Unclear(String),
}

/// Checks all of them. Records of public zones are followed; each zone stands on the health checks of its records.
pub(crate) async fn check_zones(ask: &Ask<'_>, zones: &[Component]) {
    let resolve = async |host: String| resolve(&host).await;
    stream::iter(zones).for_each_concurrent(AT_ONCE, |zone| one_zone(ask, zone, &resolve)).await;
}

/// Checks all of them: what each is, and what its checkers say.
pub(crate) async fn check_health_checks(ask: &Ask<'_>, checks: &[Component]) {
    stream::iter(checks).for_each_concurrent(AT_ONCE, |check| one_check(ask, check)).await;
}

async fn one_zone(ask: &Ask<'_>, zone: &Component, resolve: &impl AsyncFn(String) -> Leads) {
    let (domain, private) = match about(ask, &zone.name).await {
        Ok(about) => about,
        Err(error) if error.code() == Some("NoSuchHostedZone") => {
            let facts = hosted_zone::Facts { gone: true, ..hosted_zone::Facts::default() };
            return ask.say(zone, hosted_zone::verdict(&facts));
        }
        Err(error) => return ask.unknown(zone, &error),
    };
    let (records, failed) = records(ask, &zone.name).await;
    let has = |sort: &RrType| records.iter().any(|it| it.r#type == *sort && same(&it.name, &domain));
    let mut facts = hosted_zone::Facts {
        authority: has(&RrType::Soa) && has(&RrType::Ns),
        records: records.len(),
        unlisted: failed.as_ref().map(unknown),
        domain,
        private,
        ..hosted_zone::Facts::default()
    };
    if !private {
        follow(ask, &mut facts, &records, resolve).await;
    }
    ask.say(zone, hosted_zone::verdict(&facts));
    let checks: BTreeSet<&str> = records.iter().filter_map(|it| it.health_check_id.as_deref()).collect();
    for check in checks {
        ask.needs(zone, Component::new(Kind::HealthCheck, check));
    }
}

/// Finds out where the records lead, each target once.
async fn follow(
    ask: &Ask<'_>,
    facts: &mut hosted_zone::Facts,
    records: &[ResourceRecordSet],
    resolve: &impl AsyncFn(String) -> Leads,
) {
    let own: BTreeSet<String> = records.iter().map(|it| plain(&it.name)).collect();
    let mut targets = BTreeMap::<String, &str>::new();
    for record in records {
        let target = target(record).map(plain).filter(|target| !own.contains(target));
        if let Some(target) = target.filter(|target| !is_proof(&record.name) && !is_proof(target)) {
            targets.entry(target).or_insert(&record.name);
        }
    }
    facts.left_out = targets.len().saturating_sub(FOLLOWED);
    let followed = targets.into_iter().take(FOLLOWED).map(async |(target, name)| {
        let _turn = ask.turn(Api::Probe).await;
        let leads = resolve(format!("{target}.")).await;
        (target, name, leads)
    });
    for (target, name, leads) in join_all(followed).await {
        match leads {
            Leads::Somewhere => {}
            Leads::Nowhere => facts.dangling.push((name.to_owned(), target)),
            Leads::Unclear(why) => facts.unresolved.push((target, why)),
        }
    }
}

/// Where a record says that its address is.
fn target(record: &ResourceRecordSet) -> Option<&str> {
    match (&record.alias_target, &record.r#type) {
        (Some(alias), _) => Some(alias.dns_name.as_str()),
        (None, RrType::Cname) => record.resource_records().first().map(|it| it.value.as_str()),
        (None, _) => None,
    }
    .filter(|target| !target.trim_end_matches('.').is_empty())
}

/// Names with an underscore prove ownership, or carry keys: there is no address behind them.
fn is_proof(name: &str) -> bool {
    name.split('.').any(|label| label.starts_with('_'))
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

async fn resolve(host: &str) -> Leads {
    match timeout(PATIENCE, lookup_host((host, 443))).await {
        Ok(Ok(_)) => Leads::Somewhere,
        Ok(Err(error)) => why(&error),
        Err(_) => Leads::Unclear(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The system's resolver says in words only whether there is no such name, or no answer; these are glibc's, musl's and
/// macOS's for the first. A name that is there without an address leads nowhere on purpose.
fn why(error: &io::Error) -> Leads {
    let said = error.to_string();
    let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
    if has(&["Name or service not known", "Name does not resolve", "nor servname provided"]) {
        Leads::Nowhere
    } else if has(&["No address associated", "Name has no usable address"]) {
        Leads::Somewhere
    } else {
        Leads::Unclear(said)
    }
}

/// The zone's domain, and whether it is private.
async fn about(ask: &Ask<'_>, id: &str) -> Result<(String, bool)> {
    let _turn = ask.turn(Api::Route53).await;
    let answer =
        ask.clients.route53().get_hosted_zone().id(id).send().await.action("route53:GetHostedZone")?;
    let zone = answer.hosted_zone.ok_or_else(|| Error::Malformed("the answer names no zone".to_owned()))?;
    Ok((zone.name, zone.config.is_some_and(|config| config.private_zone)))
}

/// Where a page of records begins.
type Place = (Option<String>, Option<RrType>, Option<String>);

/// The records of a zone, as far as they could be read.
async fn records(ask: &Ask<'_>, id: &str) -> (Vec<ResourceRecordSet>, Option<Error>) {
    let (mut records, mut place) = (Vec::new(), Place::default());
    loop {
        match page(ask, id, place.clone()).await {
            Ok((more, next)) => {
                records.extend(more);
                match next {
                    None => return (records, None),
                    Some(next) if next == place || next.0.is_none() => {
                        let why = "route53:ListResourceRecordSets does not say where to go on";
                        return (records, Some(Error::Malformed(why.to_owned())));
                    }
                    Some(next) => place = next,
                }
            }
            Err(error) => return (records, Some(error)),
        }
    }
}

async fn page(
    ask: &Ask<'_>,
    id: &str,
    (name, sort, identifier): Place,
) -> Result<(Vec<ResourceRecordSet>, Option<Place>)> {
    let _turn = ask.turn(Api::Route53).await;
    let call = ask.clients.route53().list_resource_record_sets().hosted_zone_id(id);
    let call = call.set_start_record_name(name).set_start_record_type(sort);
    let call = call.set_start_record_identifier(identifier);
    let answer = call.send().await.action("route53:ListResourceRecordSets")?;
    let next = (answer.next_record_name, answer.next_record_type, answer.next_record_identifier);
    Ok((answer.resource_record_sets, answer.is_truncated.then_some(next)))
}

async fn one_check(ask: &Ask<'_>, component: &Component) {
    let check = match check(ask, &component.name).await {
        Ok(check) => check,
        Err(error) if error.code() == Some("NoSuchHealthCheck") => {
            let facts = route53_health_check::Facts { gone: true, ..Default::default() };
            return ask.say(component, route53_health_check::verdict(&facts));
        }
        Err(error) => return ask.unknown(component, &error),
    };
    let mut facts = facts(&check);
    if facts.has_checkers() && !facts.disabled {
        match said(ask, &component.name).await {
            Ok(said) => facts.said = said,
            Err(error) => facts.unasked = Some(unknown(&error)),
        }
    }
    ask.say(component, route53_health_check::verdict(&facts));
    let Some(config) = check.health_check_config else { return };
    for child in config.child_health_checks() {
        ask.needs(component, Component::new(Kind::HealthCheck, child));
    }
    let here = ask.clients.route53().config().region().map(AsRef::as_ref);
    let alarm = config.alarm_identifier.filter(|alarm| Some(alarm.region.as_str()) == here);
    if let Some(alarm) = alarm {
        ask.needs(component, Component::new(Kind::Alarm, alarm.name));
    }
}

fn facts(check: &HealthCheck) -> route53_health_check::Facts {
    let Some(config) = &check.health_check_config else {
        return route53_health_check::Facts::default();
    };
    let host = config.fully_qualified_domain_name.as_ref().or(config.ip_address.as_ref());
    let port = config.port.map(|port| format!(":{port}")).unwrap_or_default();
    // What comes behind the path may be secret.
    let path = config.resource_path.as_deref().and_then(|path| path.split(['?', '#']).next());
    let path = path.unwrap_or_default();
    let alarm = config.alarm_identifier.as_ref();
    route53_health_check::Facts {
        sort: config.r#type.as_str().to_owned(),
        endpoint: host.map(|host| format!("{host}{port}{path}")).unwrap_or_default(),
        disabled: config.disabled.unwrap_or_default(),
        inverted: config.inverted.unwrap_or_default(),
        children: config.child_health_checks().len(),
        alarm: alarm.map(|it| format!("{} in {}", it.name, it.region.as_str())).unwrap_or_default(),
        ..Default::default()
    }
}

async fn check(ask: &Ask<'_>, id: &str) -> Result<HealthCheck> {
    let _turn = ask.turn(Api::Route53).await;
    let call = ask.clients.route53().get_health_check().health_check_id(id);
    let answer = call.send().await.action("route53:GetHealthCheck")?;
    answer.health_check.ok_or_else(|| Error::Malformed("the answer names no health check".to_owned()))
}

/// What each checker says; those that say nothing are left empty.
async fn said(ask: &Ask<'_>, id: &str) -> Result<Vec<String>> {
    let _turn = ask.turn(Api::Route53).await;
    let call = ask.clients.route53().get_health_check_status().health_check_id(id);
    let answer = call.send().await.action("route53:GetHealthCheckStatus")?;
    let reports = answer.health_check_observations.into_iter().map(|it| it.status_report?.status);
    Ok(reports.map(Option::unwrap_or_default).collect())
}

#[cfg(test)]
mod tests;
