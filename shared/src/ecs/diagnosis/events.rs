//! What a service's events say of tasks that could not be placed, or that stayed unhealthy.

use super::start::between;
use super::{Finding, group_name, quote, start};

/// What an event says of a failure; nothing where it tells of ordinary work.
pub(super) fn of_event(message: &str) -> Option<Finding> {
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["unable to place a task", "unable to place tasks"]) {
        return Some(start::of_text(message).unwrap_or_else(|| placement(message, &has)));
    }
    if has(&["is unhealthy in"]) {
        let group = between(message, "(target-group ", ")").map(group_name);
        let group = group.map(|name| format!(" {name}")).unwrap_or_default();
        let why = between(message, "(reason ", ")").map(|why| format!(": {why}")).unwrap_or_default();
        return Some(Finding::new(
            format!("tasks are unhealthy in target group{group}{why}"),
            "See whether the app listens on the port and answers the health check's path with the codes expected.",
        ));
    }
    if has(&["unable to assume"]) {
        return Some(Finding::new(
            "ECS may not assume a role that the service needs",
            "See whether the role exists and trusts ECS (ecs-tasks.amazonaws.com for the task's roles).",
        ));
    }
    if has(&["deployment failed"]) && has(&["alarm"]) {
        return Some(Finding::new(
            "an alarm of the service's deployment configuration fired while it was deployed",
            "Look at that alarm; it stands in the service's deployment configuration.",
        ));
    }
    if has(&["unable to consistently start tasks"]) {
        return Some(Finding::new(
            "the tasks stop again and again soon after they start",
            "Read the log of a stopped task; ECS waits longer and longer between its attempts.",
        ));
    }
    if has(&["operations are being throttled"]) {
        return Some(Finding::new(
            "ECS is being throttled by another service",
            "Wait; ECS tries again. Deploy fewer services at once.",
        ));
    }
    if has(&["unable to stop or start tasks during a deployment"]) {
        return Some(Finding::new(
            "the deployment configuration lets ECS neither stop a task nor start one",
            "Lower minimumHealthyPercent or raise maximumPercent.",
        ));
    }
    None
}

fn placement(message: &str, has: &dyn Fn(&[&str]) -> bool) -> Finding {
    let what = |why: &str| format!("tasks could not be placed: {why}");
    if has(&["insufficient cpu", "resource:cpu"]) {
        return Finding::new(
            what("no instance has enough CPU left"),
            "Add capacity to the cluster, or ask for less CPU.",
        );
    }
    if has(&["insufficient memory", "resource:memory"]) {
        return Finding::new(
            what("no instance has enough memory left"),
            "Add capacity to the cluster, or ask for less memory.",
        );
    }
    if has(&["already using a port", "port in use", "resource:ports", "port is already"]) {
        return Finding::new(
            what("the port is taken on every instance"),
            "Use dynamic host ports or the network mode awsvpc, or let ECS stop a task first (minimumHealthyPercent).",
        );
    }
    if has(&["resource:eni", "network interface"]) {
        return Finding::new(
            what("no instance has a network interface left"),
            "Turn ENI trunking on, or add instances.",
        );
    }
    if has(&["no container instances were found", "no container instances"]) {
        return Finding::new(
            what("the cluster has no instances"),
            "See the cluster's Auto Scaling group and whether the ECS agent runs on its instances.",
        );
    }
    if has(&["limit on the number of", "vcpus"]) {
        return Finding::new(
            what("the account's Fargate quota is used up"),
            "Ask for a higher quota in Service Quotas, or stop what is not needed.",
        );
    }
    if has(&["capacity is unavailable"]) {
        return Finding::new(
            what("AWS has no capacity there now"),
            "Try again later, or allow more Availability Zones or other capacity providers.",
        );
    }
    if has(&["missing an attribute"]) {
        return Finding::new(
            what("no instance has an attribute that the task needs"),
            "Compare the task definition's needs (processor, log driver, role) with the instances.",
        );
    }
    if has(&["\"agent\"", "error agent"]) {
        return Finding::new(
            what("the ECS agent of the instance does not answer"),
            "Look at the agent on the instance, or replace the instance.",
        );
    }
    let why = message.split_once("Reason: ").map_or(message, |(_, why)| why);
    Finding::new(what(&quote(why)), "Mend what the message names.")
}
