//! What an alarm is about: its tag, else its dimensions, else its children; never a guess from its name.

use std::collections::BTreeMap;

use shared::alarm::AlarmChange;
use shared::tags;
use shared::target::{Target, covers};

use super::{Asked, Policy, Question};
use crate::facts::{Alarm, Facts};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// This.
    One(Target),
    /// Nothing.
    None,
    /// These.
    Many(Vec<String>),
    /// A tag that cannot be read.
    Malformed(String),
}

/// The dimensions of one metric.
pub type Dimensions = BTreeMap<String, String>;

/// The alarm's tag; the dimensions of its metrics; for a composite alarm the tags and dimensions of its children
/// that are in ALARM.
pub(super) fn find(facts: &Facts, change: &AlarmChange) -> Asked<Found> {
    // Dimensions need no look at the alarm, and the tag that would overrule them is looked at with the claim.
    if facts.alarm.is_none() && !dimension_targets(&change.dimensions).is_empty() {
        return Ok(named(change, &Alarm::default()));
    }
    let alarm = facts.alarm.as_ref().ok_or(Question::Alarm)?;
    match named(change, alarm) {
        Found::None => {}
        found @ (Found::One(_) | Found::Many(_) | Found::Malformed(_)) => return Ok(found),
    }
    let mut targets = Vec::new();
    let mut unknown = Vec::new();
    let mut groups = target_groups(&change.dimensions);
    if change.composite {
        for child in facts.children.as_ref().ok_or(Question::Children)? {
            match child.tags.get(tags::TARGET).map(|tag| (tag, tag.parse::<Target>())) {
                Some((_, Ok(target))) => targets.push(target),
                Some((tag, Err(_))) => return Ok(Found::Malformed(tag.clone())),
                // A composite alarm within a composite alarm may be about anything.
                None if child.dimensions.is_empty() => unknown.push(format!("the alarm {}", child.name)),
                None => {
                    targets.extend(dimension_targets(&child.dimensions));
                    groups.extend(target_groups(&child.dimensions));
                }
            }
        }
    }
    if !groups.is_empty() {
        groups.sort();
        groups.dedup();
        targets.extend(facts.behind.clone().ok_or(Question::Behind(groups))?);
    }
    Ok(match one_of(targets) {
        Found::One(target) if !unknown.is_empty() => {
            Found::Many(std::iter::once(target.to_string()).chain(unknown).collect())
        }
        found @ (Found::One(_) | Found::None | Found::Many(_) | Found::Malformed(_)) => found,
    })
}

/// What the alarm's tag and its own dimensions say, as far as that needs no further look.
pub(super) fn named(change: &AlarmChange, alarm: &Alarm) -> Found {
    match alarm.tags.get(tags::TARGET) {
        Some(tag) => tag.parse().map_or_else(|_| Found::Malformed(tag.clone()), Found::One),
        None => one_of(dimension_targets(&change.dimensions)),
    }
}

fn one_of(mut targets: Vec<Target>) -> Found {
    targets.sort();
    targets.dedup();
    match (targets.pop(), targets.is_empty()) {
        (None, _) => Found::None,
        (Some(target), true) => Found::One(target),
        (Some(target), false) => {
            targets.push(target);
            Found::Many(targets.iter().map(ToString::to_string).collect())
        }
    }
}

/// The services and aliases that dimensions name.
pub fn dimension_targets(dimensions: &[Dimensions]) -> Vec<Target> {
    dimensions.iter().filter_map(|metric| service(metric).or_else(|| alias(metric))).collect()
}

/// A cluster or service may stand there as an ARN, whose last part is its name.
fn service(metric: &Dimensions) -> Option<Target> {
    let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let (cluster, service) = (metric.get("ClusterName")?, metric.get("ServiceName")?);
    format!("ecs:{}/{}", name(cluster), name(service)).parse().ok()
}

/// `Resource` is `<function>:<alias>` or `<function>:<version>` (Lambda Developer Guide, "Types of metrics"). A
/// version cannot be rolled back, and neither can `$LATEST`.
fn alias(metric: &Dimensions) -> Option<Target> {
    let function = metric.get("FunctionName")?;
    let alias = metric.get("Resource")?.strip_prefix(function.as_str())?.strip_prefix(':')?;
    let is_version = alias.bytes().all(|byte| byte.is_ascii_digit());
    (!is_version).then(|| format!("lambda:{function}:{alias}").parse().ok())?
}

/// `targetgroup/<name>/<id>`, the end of the target group's ARN (Elastic Load Balancing, "CloudWatch metrics").
pub fn target_groups(dimensions: &[Dimensions]) -> Vec<String> {
    dimensions.iter().filter_map(|metric| metric.get("TargetGroup")).cloned().collect()
}

/// Whether the target is among those that this stack watches.
pub(super) fn covered(target: &Target, policy: &Policy) -> bool {
    match target {
        Target::Service { cluster, .. } => covers(&policy.clusters, cluster),
        Target::Alias { function, .. } => covers(&policy.functions, function),
        Target::Stack { name } => covers(&policy.stacks, name),
    }
}

#[cfg(test)]
mod tests;
