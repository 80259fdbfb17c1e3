//! What belongs to the environment: what bears its tag, and what the policy names.

use std::collections::BTreeMap;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::config::Region;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use shared::error::Call;
use shared::tags::{ENVIRONMENT, Tags};
use shared::{Error, Result};
use tokio::time::{Instant, timeout_at};

use crate::clients::home;
use crate::component::{Component, Kind};
use crate::observe;
use crate::sweep::{Api, Ask, Pages};

/// What is checked, and why that is not all.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) components: Vec<Component>,
    pub(crate) incomplete: Vec<String>,
}

/// The tagging API gives at most this many on a page (`GetResources`, `ResourcesPerPage`).
const ON_A_PAGE: i32 = 100;

/// The kinds of resources that belong to no Region: the tagging API knows them only where their service is at home.
const GLOBAL: [&str; 2] = ["route53:healthcheck", "route53:hostedzone"];

/// Finds all of it. What cannot be listed is said, and keeps nothing else from being found.
pub(crate) async fn all(ask: &Ask<'_>, until: Instant) -> Found {
    let (mut found, mut global) = (Found::default(), Found::default());
    let client = ask.clients.tagging();
    let here = client.config().region().map(AsRef::as_ref);
    let home = home(here);
    let at_home = async {
        if here == Some(home) {
            return Ok(());
        }
        let config = client.config().to_builder().region(Region::new(home.to_owned())).build();
        tagged(ask, &Client::from_conf(config), &GLOBAL, &mut global).await
    };
    let (here, elsewhere, stacks, certificates) = tokio::join!(
        timeout_at(until, tagged(ask, client, &[], &mut found)),
        timeout_at(until, at_home),
        timeout_at(until, stacks(ask)),
        timeout_at(until, certificates(ask)),
    );
    let late = || Error::Later("the time was over".to_owned());
    for listed in [here, elsewhere] {
        if let Err(error) = listed.unwrap_or_else(|_| Err(late())) {
            found.incomplete.push(format!("not all that bears the tag could be listed: {}", error.chain()));
        }
    }
    found.incomplete.dedup();
    found.components.extend(global.components);
    match stacks.unwrap_or_else(|_| Err(late())) {
        Ok(stacks) => found.components.extend(stacks),
        Err(error) => {
            found.incomplete.push(format!("the policy's stacks could not be listed: {}", error.chain()));
        }
    }
    match certificates {
        Ok(certificates) => found.components.extend(certificates),
        Err(_) => found.incomplete.push("the time was over before all certificates were listed".to_owned()),
    }
    let names = ask.rules.domains.iter();
    found.components.extend(names.flat_map(|name| {
        let name = name.trim().trim_end_matches('.');
        [Component::new(Kind::DnsName, name), Component::new(Kind::Tls, format!("{name}:443"))]
    }));
    found.components.extend(ask.rules.endpoints.iter().map(observe::http::component));
    found.components.push(Component::new(Kind::AwsHealth, observe::aws_health::NAME));
    found.components.push(Component::new(Kind::Budget, observe::budgets::NAME));
    found.components = once(found.components);
    found
}

async fn stacks(ask: &Ask<'_>) -> Result<Vec<Component>> {
    if ask.rules.stacks.is_empty() {
        return Ok(Vec::new());
    }
    observe::cloudformation::discover(ask).await
}

async fn certificates(ask: &Ask<'_>) -> Vec<Component> {
    if ask.rules.domains.is_empty() { Vec::new() } else { observe::acm::discover(ask).await }
}

/// Pages that came before one that failed count. What bears another environment's tag is that one's, whoever uses it.
async fn tagged(ask: &Ask<'_>, client: &Client, kinds: &[&str], found: &mut Found) -> Result<()> {
    let filter = TagFilter::builder().key(ENVIRONMENT).build();
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let turn = ask.turn(Api::Tagging).await;
        let page = client
            .get_resources()
            .tag_filters(filter.clone())
            .set_resource_type_filters(
                (!kinds.is_empty()).then(|| kinds.iter().map(ToString::to_string).collect()),
            )
            .resources_per_page(ON_A_PAGE)
            .set_pagination_token(token)
            .send()
            .await
            .action("tag:GetResources")?;
        drop(turn);
        for resource in page.resource_tag_mapping_list.unwrap_or_default() {
            let tags: Tags =
                resource.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
            let ours = tags.get(ENVIRONMENT).map(|value| value.trim()) == Some(ask.environment);
            let Some(arn) = resource.resource_arn() else { continue };
            let Some(mut component) = Component::at(arn) else {
                if ours {
                    ask.pass_over(sort(arn));
                }
                continue;
            };
            if ours {
                component.tags = tags;
                found.components.push(component);
            } else {
                ask.leave(component.id());
            }
        }
        token = pages.next(page.pagination_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

/// What an ARN is of, such as `ec2:instance`.
fn sort(arn: &str) -> String {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    match resource.split_once(['/', ':']) {
        Some((sort, _)) => format!("{service}:{sort}"),
        None => service.to_owned(),
    }
}

/// Each once; one with tags rather than one without.
fn once(all: Vec<Component>) -> Vec<Component> {
    let mut by_id = BTreeMap::<String, Component>::new();
    for component in all {
        let kept = by_id.entry(component.id()).or_insert_with(|| component.clone());
        if kept.tags.is_empty() && !component.tags.is_empty() {
            *kept = component;
        }
    }
    by_id.into_values().collect()
}

/// The account that all of it stands in, by the first ARN that names one; empty where none does.
pub(crate) fn account(components: &[Component]) -> &str {
    components.iter().find_map(Component::account).unwrap_or_default()
}
