//! What keeps a stack from getting on: the resources in it and in the stacks nested in it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Asked, Question};
use crate::facts::stack::{Event, Inside, NESTED, Resource, Scene, name_in};

/// A resource that a stack waits for, or that keeps its rollback from ending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Blocker {
    /// Its logical id; in a nested stack with that stack's name and a dot before it, as `ResourcesToSkip` wants it.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Why.
    pub reason: Option<String>,
}

/// The resources whose own rollback failed: what may be skipped, and nothing else.
///
/// "You can specify only resources that are in the `UPDATE_FAILED` state because a rollback failed", and a nested stack
/// itself only while it is being deleted: its resources are named instead (CloudFormation API,
/// `ContinueUpdateRollback`, `ResourcesToSkip`).
pub(super) fn unrollable(scene: &Scene, root: &str) -> Asked<Vec<Blocker>> {
    gather(scene, root, |inside, resource| {
        if resource.status != "UPDATE_FAILED" {
            return false;
        }
        let events = &inside.events.telling;
        // Without the rollback's beginning it is not known which failures it led to.
        let Some(began) = events.iter().position(is_rollback_start) else {
            return false;
        };
        let newest = events.iter().take(began).find(|event| !event.own && event.resource == resource.name);
        newest.is_some_and(|event| {
            event.status == "UPDATE_FAILED"
                && event.reason.as_deref().is_some_and(|reason| !is_cancelled(reason))
        })
    })
}

/// The resources that are being changed.
pub(super) fn waited_for(scene: &Scene, root: &str) -> Asked<Vec<Blocker>> {
    gather(scene, root, |_, resource| resource.status.ends_with("_IN_PROGRESS"))
}

fn is_rollback_start(event: &Event) -> bool {
    event.own && event.status == "UPDATE_ROLLBACK_IN_PROGRESS"
}

/// Whether a resource only stopped because another one failed: "Resource update cancelled" and its like.
fn is_cancelled(reason: &str) -> bool {
    reason.to_ascii_lowercase().contains("cancel")
}

/// Those resources of the stack, and of the stacks nested in it that are among them.
fn gather(scene: &Scene, root: &str, is_one: impl Fn(&Inside, &Resource) -> bool) -> Asked<Vec<Blocker>> {
    let mut blockers = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut stacks = vec![root];
    while let Some(stack) = stacks.pop() {
        if !seen.insert(stack) {
            continue;
        }
        let Some(inside) = scene.inside.get(stack) else {
            unknown.insert(stack.to_owned());
            continue;
        };
        for resource in inside.resources.iter().filter(|resource| is_one(inside, resource)) {
            if resource.kind == NESTED {
                stacks.extend(resource.id.as_deref());
                continue;
            }
            let name = match name_in(stack).filter(|_| stack != root) {
                Some(nested) => format!("{nested}.{}", resource.name),
                None => resource.name.clone(),
            };
            blockers.insert(Blocker { name, kind: resource.kind.clone(), reason: resource.reason.clone() });
        }
    }
    if unknown.is_empty() {
        Ok(blockers.into_iter().collect())
    } else {
        Err(Question::Inside(unknown.into_iter().collect()))
    }
}
