//! Targets of EventBridge's rules: where an event goes that could not be delivered.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::Target;
use shared::Result;
use shared::error::Call;
use tokio::time::Instant;

use super::ask::{Kind, Seen, Short, each, every, pages};
use super::{Named, Source};

/// An account has at most a hundred, unless it asks for more.
const BUSES: Kind = Kind { name: "event buses", at_most: 200, at_once: 5, patience: Some(5) };

/// The targets of each are asked for one by one: a thousand take some ten seconds, and use up half of what EventBridge
/// answers in that time.
const RULES: Kind = Kind { name: "rules", at_most: 1_000, at_once: 5, patience: Some(5) };

/// EventBridge lists at most this many of anything on a page (EventBridge API).
const ON_A_PAGE: i32 = 100;

/// What EventBridge answers for a bus or a rule that is not there.
const GONE: &str = "ResourceNotFoundException";

struct Rule {
    bus: String,
    name: String,
    arn: String,
}

/// What the targets of all rules of all buses name.
pub(super) async fn all(client: &Client, until: Instant) -> Seen<Named> {
    let list = pages(&BUSES, until, async |token| {
        let request = client.list_event_buses().limit(ON_A_PAGE).set_next_token(token);
        let listed = request.send().await.action("events:ListEventBuses")?;
        let buses = listed.event_buses.unwrap_or_default();
        Ok((buses.into_iter().filter_map(|bus| bus.name).collect(), listed.next_token))
    });
    let Seen { found: buses, mut blind } = list.await.told(&BUSES);

    let ask = async |bus: &String| unless_gone(rules(client, bus).await);
    let Seen { found, blind: some } = each(&BUSES, until, &buses, |bus| bus, ask).await;
    blind.extend(some);
    let mut rules: Vec<Rule> = found.into_iter().flatten().collect();
    rules.sort_by(|one, other| one.arn.cmp(&other.arn));
    if RULES.at_most < rules.len() {
        rules.truncate(RULES.at_most);
        blind.push(Short::Limit.told(&RULES));
    }

    let ask = async |rule: &Rule| unless_gone(targets(client, rule).await);
    let Seen { found, blind: some } = each(&RULES, until, &rules, |rule| &rule.name, ask).await;
    blind.extend(some);
    Seen { found: found.into_iter().flatten().collect(), blind }
}

async fn rules(client: &Client, bus: &str) -> Result<Vec<Rule>> {
    every(async |token| {
        let request = client.list_rules().event_bus_name(bus).limit(ON_A_PAGE).set_next_token(token);
        let listed = request.send().await.action("events:ListRules")?;
        let rules = listed.rules.unwrap_or_default().into_iter();
        let rule = |name, arn| Rule { bus: bus.to_owned(), name, arn };
        Ok((rules.filter_map(|found| Some(rule(found.name?, found.arn?))).collect(), listed.next_token))
    })
    .await
}

async fn targets(client: &Client, rule: &Rule) -> Result<Vec<Named>> {
    every(async |token| {
        let listed = client
            .list_targets_by_rule()
            .rule(&rule.name)
            .event_bus_name(&rule.bus)
            .limit(ON_A_PAGE)
            .set_next_token(token)
            .send()
            .await
            .action("events:ListTargetsByRule")?;
        let targets = listed.targets.unwrap_or_default().into_iter();
        Ok((targets.filter_map(|target| named(rule, target)).collect(), listed.next_token))
    })
    .await
}

/// What a target names; most name nothing.
fn named(rule: &Rule, target: Target) -> Option<Named> {
    let dead = target.dead_letter_config?.arn.filter(|arn| !arn.is_empty())?;
    let source = Source::Target {
        bus: rule.bus.clone(),
        rule: rule.arn.clone(),
        id: target.id,
        arn: target.arn,
        transforms: target.input.is_some()
            || target.input_path.is_some()
            || target.input_transformer.is_some(),
        group: target.sqs_parameters.and_then(|sqs| sqs.message_group_id),
    };
    Some((dead, source))
}

fn unless_gone<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(said) => Ok(Some(said)),
        Err(error) if error.code() == Some(GONE) => Ok(None),
        Err(error) => Err(error),
    }
}
