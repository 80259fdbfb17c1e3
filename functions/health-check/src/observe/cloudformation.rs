//! CloudFormation stacks: one call each, and their events only where something is wrong.
//!
//! A call for all stacks of the account would need the permission for all of them, and tells of a denied one nothing.

use aws_sdk_cloudformation::types::{DetailedStatus, Stack, StackDriftStatus, StackEvent, StackStatus};
use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use jiff::Timestamp;
use shared::error::Call;
use shared::{Error, Result};

use crate::component::{Component, Kind};
use crate::decision::kind::stack::{Event, Facts, troubles, verdict};
use crate::sweep::{Api, Ask, Pages, unknown};

/// A page has a hundred events: a change that has more is told of in part.
const MOST_PAGES: usize = 5;

/// The stacks that the policy names beside those that are tagged. What is written with a star is looked for; pages that
/// were read before one that failed count all the same.
pub(crate) async fn discover(ask: &Ask<'_>) -> Result<Vec<Component>> {
    let (beginnings, names): (Vec<_>, Vec<_>) = ask.rules.stacks.iter().partition(|name| name.ends_with('*'));
    let mut found: Vec<Component> =
        names.into_iter().map(|name| Component::new(Kind::Stack, name.as_str())).collect();
    if beginnings.is_empty() {
        return Ok(found);
    }
    let wanted = |name: &str| beginnings.iter().any(|it| name.starts_with(it.trim_end_matches('*')));
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let next = list(ask, token).await.and_then(|(stacks, next)| {
            for stack in stacks {
                if wanted(&stack.name) && !found.iter().any(|it| it.name == stack.name) {
                    found.push(stack);
                }
            }
            pages.next(next)
        });
        token = match next {
            Ok(None) => return Ok(found),
            Ok(next) => next,
            Err(error) => {
                for stack in found {
                    ask.more(stack);
                }
                return Err(error);
            }
        };
    }
}

/// One page of the stacks that are not deleted, and where the next one begins.
async fn list(ask: &Ask<'_>, token: Option<String>) -> Result<(Vec<Component>, Option<String>)> {
    let there = StackStatus::values().iter().filter(|status| **status != "DELETE_COMPLETE");
    let _turn = ask.turn(Api::CloudFormation).await;
    let answer = ask
        .clients
        .cloudformation()
        .list_stacks()
        .set_stack_status_filter(Some(there.map(|status| StackStatus::from(*status)).collect()))
        .set_next_token(token)
        .send()
        .await
        .action("cloudformation:ListStacks")?;
    let stacks = answer.stack_summaries.unwrap_or_default();
    let deleted = |status: Option<&StackStatus>| status.is_some_and(|it| it.as_str() == "DELETE_COMPLETE");
    let stacks = stacks.iter().filter(|stack| !deleted(stack.stack_status())).filter_map(|stack| {
        let named = || Some(Component::new(Kind::Stack, stack.stack_name()?));
        stack.stack_id().and_then(Component::at).or_else(named)
    });
    Ok((stacks.collect(), answer.next_token))
}

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, stacks: &[Component]) {
    join_all(stacks.iter().map(|stack| one(ask, stack))).await;
}

async fn one(ask: &Ask<'_>, stack: &Component) {
    match describe(ask, stack.arn()).await {
        Ok(mut facts) => {
            let first = verdict(&facts, ask.rules, ask.now);
            if !facts.there || !first.health.is_bad() {
                return ask.say(stack, first);
            }
            facts.troubles = match events(ask, stack).await {
                Ok(events) => Ok(troubles(&events)),
                Err(error) => Err(unknown(&error)),
            };
            ask.say(stack, verdict(&facts, ask.rules, ask.now));
        }
        Err(error) => ask.unknown(stack, &error),
    }
}

async fn describe(ask: &Ask<'_>, name: &str) -> Result<Facts> {
    let _turn = ask.turn(Api::CloudFormation).await;
    let answer = ask
        .clients
        .cloudformation()
        .describe_stacks()
        .stack_name(name)
        .send()
        .await
        .action("cloudformation:DescribeStacks");
    match answer {
        // A stack that is not told of is not one that is absent: that is said.
        Ok(answer) => Ok(answer
            .stacks
            .unwrap_or_default()
            .into_iter()
            .next()
            .map_or_else(|| Facts { there: true, ..Facts::default() }, facts)),
        Err(error) if is_absent(&error) => Ok(Facts::default()),
        Err(error) => Err(error),
    }
}

/// CloudFormation has no code for a stack that it does not know.
fn is_absent(error: &Error) -> bool {
    error.code() == Some("ValidationError") && error.chain().contains("does not exist")
}

fn time(at: Option<DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(at?.secs()).ok()
}

fn facts(stack: Stack) -> Facts {
    let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
    let drift = stack.drift_information.as_ref().and_then(|drift| drift.stack_drift_status.as_ref());
    Facts {
        there: true,
        status: word(stack.stack_status.as_ref().map(StackStatus::as_str)),
        detailed: word(stack.detailed_status.as_ref().map(DetailedStatus::as_str)),
        drift: word(drift.map(StackDriftStatus::as_str)),
        since: time(stack.deletion_time.or(stack.last_updated_time).or(stack.creation_time)),
        reason: stack.stack_status_reason.unwrap_or_default(),
        protected: stack.enable_termination_protection,
        troubles: Ok(Vec::new()),
    }
}

/// The events of the stack's last change, the newest first.
async fn events(ask: &Ask<'_>, stack: &Component) -> Result<Vec<Event>> {
    let (mut events, mut token) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let turn = ask.turn(Api::CloudFormation).await;
        let answer = ask
            .clients
            .cloudformation()
            .describe_stack_events()
            .stack_name(stack.arn())
            .set_next_token(token)
            .send()
            .await
            .action("cloudformation:DescribeStackEvents");
        drop(turn);
        let answer = match answer {
            Ok(answer) => answer,
            // What was read tells of the end of the change, and that of most.
            Err(_) if !events.is_empty() => break,
            Err(error) => return Err(error),
        };
        events.extend(answer.stack_events.unwrap_or_default().into_iter().map(event));
        token = answer.next_token.filter(|token| !token.is_empty());
        if token.is_none() || events.iter().any(Event::begins) {
            break;
        }
    }
    Ok(events)
}

fn event(event: StackEvent) -> Event {
    // The stack's own events have it as their resource; a nested stack has another identity.
    let own = event.physical_resource_id.is_some() && event.physical_resource_id == event.stack_id;
    Event {
        own,
        resource: event.logical_resource_id.unwrap_or_default(),
        sort: event.resource_type.unwrap_or_default(),
        status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
