//! Looks at a CloudFormation stack. AWS types end here.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{StackEvent, StackResourceSummary, StackStatus, StackSummary};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use shared::error::Call;
use shared::{Error, Result};

use super::read_time;
use crate::Clients;
use crate::cause::StackChange;
use crate::cause::stack::STUCK;
use crate::decision::stack::{BEGINNING, Question, STABLE};
use crate::facts::stack::{Event, Events, Inside, Reach, Resource, Scene, Stack, name_in};
use crate::facts::within;

/// How many pages of events or resources of one stack are read.
const PAGES: usize = 20;

/// How many pages of the account's stacks are read.
const PAGES_OF_STACKS: usize = 100;

/// The longest reason that is kept, in characters: what can be said in one line.
const LONGEST_REASON: usize = 300;

/// The least that the policy can say of when a stack counts as stuck (`rollback.stacks.stuck_after`).
const YOUNG: SignedDuration = SignedDuration::from_mins(5);

/// What is worth knowing at first sight: the stack, which root it is nested in, and its newest events. They tell how far
/// an operation is that was begun before. A stack that is not there is an answer.
pub(super) async fn scene(clients: &Clients, name: &str) -> Result<Scene> {
    let Some((stack, root)) = describe(clients, name).await? else {
        return Ok(Scene::default());
    };
    let root = root.map(|root| name_in(&root).unwrap_or(&root).to_owned());
    let (events, kinds) =
        events(clients, &stack.id, 1, |event| event.own && event.status == BEGINNING).await?;
    Ok(Scene { stack: Some(stack), root, events, kinds, ..Scene::default() })
}

/// Finds out what the rules ask, and adds it to the scene.
pub(super) async fn answer(clients: &Clients, scene: &mut Scene, question: Question) -> Result<()> {
    let Some(stack) = &scene.stack else {
        return Ok(());
    };
    let own = |event: &Event, words: &[&str]| event.own && words.contains(&event.status.as_str());
    match question {
        Question::Update => {
            (scene.events, scene.kinds) =
                events(clients, &stack.id, PAGES, |event| own(event, &[BEGINNING])).await?;
        }
        Question::Stable => {
            (scene.events, scene.kinds) =
                events(clients, &stack.id, PAGES, |event| own(event, &STABLE)).await?;
            // Without a stable state the end or the limit was reached; with one, all that matters was read.
        }
        Question::Inside(ids) => {
            let found = try_join_all(ids.into_iter().map(async |id| {
                let inside = inside(clients, &id).await?;
                Ok::<_, Error>((id, inside))
            }));
            scene.inside.extend(found.await?);
        }
    }
    Ok(())
}

/// The stack of this name or id, or the root that it is nested in.
pub(super) async fn root(clients: &Clients, name: &str) -> Result<Option<Stack>> {
    match describe(clients, name).await? {
        Some((_, Some(root))) => Ok(describe(clients, &root).await?.map(|(root, _)| root)),
        found => Ok(found.map(|(stack, _)| stack)),
    }
}

/// The stack of this name or id, and the id of its root where it is nested.
pub(crate) async fn describe(clients: &Clients, name: &str) -> Result<Option<(Stack, Option<String>)>> {
    let answer = clients.cloudformation.describe_stacks().stack_name(name).send().await;
    let answer = match answer.action("cloudformation:DescribeStacks") {
        Ok(answer) => answer,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = answer.stacks.unwrap_or_default().into_iter().next();
    Ok(found.and_then(|found| {
        let root = found.root_id.or(found.parent_id);
        let tags = found.tags.unwrap_or_default().into_iter();
        let stack = Stack {
            id: found.stack_id?,
            name: found.stack_name?,
            status: found.stack_status?.as_str().to_owned(),
            role: found.role_arn.filter(|role| !role.is_empty()),
            updated_at: found.last_updated_time.or(found.creation_time).as_ref().and_then(read_time),
            tags: tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        };
        let root = root.filter(|root| *root != stack.id);
        Some((stack, root))
    }))
}

/// A stack that is not there is answered with a code that also stands for every other mistake, and with "Stack with id
/// … does not exist".
fn is_missing(error: &Error) -> bool {
    error.code() == Some("ValidationError") && error.chain().contains("does not exist")
}

/// The events that tell something, newest first, page by page until one that is looked for, the end or the limit; and
/// the types of the resources that failed.
async fn events(
    clients: &Clients,
    id: &str,
    pages: usize,
    is_enough: impl Fn(&Event) -> bool,
) -> Result<(Events, BTreeMap<String, String>)> {
    let mut telling = Vec::new();
    let mut kinds = BTreeMap::new();
    let mut token = None;
    for _ in 0..pages {
        let page = clients
            .cloudformation
            .describe_stack_events()
            .stack_name(id)
            .set_next_token(token)
            .send()
            .await
            .action("cloudformation:DescribeStackEvents")?;
        let read = page.stack_events.unwrap_or_default();
        for (event, kind) in read.into_iter().filter_map(read_event) {
            let failed = event.status.ends_with("_FAILED");
            if let Some(kind) = kind.filter(|_| failed && !event.own) {
                kinds.entry(event.resource.clone()).or_insert(kind);
            }
            // Whatever else a resource came to is in its status now.
            if event.own || failed {
                telling.push(event);
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok((Events { telling, reach: Reach::End }, kinds));
        }
        if telling.iter().any(&is_enough) {
            return Ok((Events { telling, reach: Reach::Found }, kinds));
        }
    }
    let reach = if pages == 1 { Reach::Newest } else { Reach::Limit };
    Ok((Events { telling, reach }, kinds))
}

/// An event, and the type of the resource that it is about.
fn read_event(event: StackEvent) -> Option<(Event, Option<String>)> {
    let own = event.physical_resource_id.is_some() && event.physical_resource_id == event.stack_id;
    let kind = event.resource_type;
    let event = Event {
        at: event.timestamp.as_ref().and_then(read_time)?,
        own,
        resource: event.logical_resource_id?,
        status: event.resource_status?.as_str().to_owned(),
        reason: event.resource_status_reason.map(cut),
        token: event.client_request_token.filter(|_| own),
    };
    Some((event, kind))
}

/// What stands inside a stack: its events since its newest rollback began, and what is not complete.
async fn inside(clients: &Clients, id: &str) -> Result<Inside> {
    let began = |event: &Event| event.own && event.status == "UPDATE_ROLLBACK_IN_PROGRESS";
    let ((events, _), resources) =
        tokio::try_join!(events(clients, id, PAGES, began), resources(clients, id))?;
    Ok(Inside { events, resources })
}

async fn resources(clients: &Clients, id: &str) -> Result<Vec<Resource>> {
    let mut resources = Vec::new();
    let mut token = None;
    for _ in 0..PAGES {
        let page = clients
            .cloudformation
            .list_stack_resources()
            .stack_name(id)
            .set_next_token(token)
            .send()
            .await
            .action("cloudformation:ListStackResources")?;
        let read = page.stack_resource_summaries.unwrap_or_default();
        resources.extend(
            read.into_iter()
                .filter_map(read_resource)
                .filter(|resource| !resource.status.ends_with("_COMPLETE")),
        );
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(resources)
}

fn read_resource(resource: StackResourceSummary) -> Option<Resource> {
    Some(Resource {
        name: resource.logical_resource_id?,
        kind: resource.resource_type?,
        id: resource.physical_resource_id,
        status: resource.resource_status?.as_str().to_owned(),
        reason: resource.resource_status_reason.map(cut),
    })
}

fn cut(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
        reason.truncate(end);
    }
    reason
}

/// The stacks that are stuck or may be, without those that are nested in others, and without those that are being
/// changed for so short a time that no policy calls them stuck.
///
/// # Errors
/// What `cloudformation:ListStacks` answers.
pub(crate) async fn stuck(clients: &Clients, now: Timestamp) -> Result<Vec<StackChange>> {
    let statuses: Vec<_> = STUCK.into_iter().map(StackStatus::from).collect();
    let mut stuck = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_OF_STACKS {
        let page = clients
            .cloudformation
            .list_stacks()
            .set_stack_status_filter(Some(statuses.clone()))
            .set_next_token(token)
            .send()
            .await
            .action("cloudformation:ListStacks")?;
        let read = page.stack_summaries.unwrap_or_default().into_iter().filter_map(read_summary);
        stuck.extend(read.filter(|change| !is_young(change, now)));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(stuck)
}

fn is_young(change: &StackChange, now: Timestamp) -> bool {
    change.status.ends_with("_IN_PROGRESS") && within(change.at, now, YOUNG)
}

fn read_summary(stack: StackSummary) -> Option<StackChange> {
    let is_root = stack.parent_id.is_none();
    let at: Timestamp = stack.last_updated_time.or(stack.creation_time).as_ref().and_then(read_time)?;
    is_root.then_some(StackChange {
        name: stack.stack_name?,
        id: stack.stack_id?,
        status: stack.stack_status?.as_str().to_owned(),
        at,
    })
}

#[cfg(test)]
pub(crate) mod tests;
