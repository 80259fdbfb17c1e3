//! ECS: clusters and services many in a call, and of each service its stopped tasks, its task definition, its scaling.

mod clusters;
mod services;
mod stopped;
mod task_definitions;

pub(crate) use clusters::check as check_clusters;
pub(crate) use services::check as check_services;
pub(crate) use task_definitions::check as check_task_definitions;

use shared::Error;

use crate::sweep::unknown;

/// Cluster and service of `cluster/service`; without a cluster, ECS means the one that is called `default`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("default", name))
}

/// The last part of an ARN.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// A count of the API, which is never less than nothing.
fn count(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// What kept a part from being checked, as the end of a sentence, and what to do about it.
pub(super) fn words(error: &Error) -> (String, String) {
    let verdict = unknown(error);
    (verdict.reason, verdict.todo.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
