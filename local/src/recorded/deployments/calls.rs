//! The calls of the ECS API that the double answers.

use serde_json::{Value, json};

use super::definitions::{Definitions, split};
use super::service::{FIXED, Service, Status};
use super::{State, invalid, shapes, size};
use crate::proxy::Answer;
use crate::recorded::{Change, now, page, put, text, texts};

/// What an operation takes, of those that are answered.
pub(in crate::recorded) fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "ecs:DescribeServices" => &["cluster", "services", "include"],
        "ecs:UpdateService" => &[
            "availabilityZoneRebalancing",
            "capacityProviderStrategy",
            "cluster",
            "deploymentConfiguration",
            "deploymentController",
            "desiredCount",
            "enableECSManagedTags",
            "enableExecuteCommand",
            "forceNewDeployment",
            "gatewayConnectors",
            "healthCheckGracePeriodSeconds",
            "loadBalancers",
            "monitoring",
            "networkConfiguration",
            "placementConstraints",
            "placementStrategy",
            "platformVersion",
            "propagateTags",
            "service",
            "serviceConnectConfiguration",
            "serviceRegistries",
            "taskDefinition",
            "volumeConfigurations",
            "vpcLatticeConfigurations",
        ],
        "ecs:ListServiceDeployments" => {
            &["cluster", "createdAt", "maxResults", "nextToken", "service", "status"]
        }
        "ecs:DescribeServiceDeployments" => &["serviceDeploymentArns"],
        "ecs:DescribeServiceRevisions" => &["serviceRevisionArns"],
        "ecs:StopServiceDeployment" => &["serviceDeploymentArn", "stopType"],
        "ecs:ListTasks" => &[
            "cluster",
            "containerInstance",
            "daemonName",
            "desiredStatus",
            "family",
            "launchType",
            "maxResults",
            "nextToken",
            "serviceName",
            "startedBy",
        ],
        "ecs:DescribeTasks" => &["cluster", "tasks", "include"],
        "ecs:DescribeTaskDefinition" => &["taskDefinition", "include"],
        "ecs:ListTaskDefinitions" => &["familyPrefix", "maxResults", "nextToken", "sort", "status"],
        "ecs:RegisterTaskDefinition" => &[
            "containerDefinitions",
            "cpu",
            "enableFaultInjection",
            "ephemeralStorage",
            "executionRoleArn",
            "family",
            "inferenceAccelerators",
            "ipcMode",
            "memory",
            "networkMode",
            "pidMode",
            "placementConstraints",
            "proxyConfiguration",
            "requiresCompatibilities",
            "runtimePlatform",
            "tags",
            "taskRoleArn",
            "volumes",
        ],
        _ => return None,
    })
}

/// Whether the call is about a cluster or a family of this double.
pub(super) fn concerns(state: &State, action: &str, sent: &Value) -> bool {
    let here = |cluster: &str| state.services.iter().any(|service| service.cluster == cluster);
    match action {
        "ecs:DescribeTaskDefinition" => {
            text(sent, "taskDefinition").is_some_and(|name| state.definitions.knows(name))
        }
        "ecs:ListTaskDefinitions" => {
            text(sent, "familyPrefix").is_some_and(|name| state.definitions.knows(name))
        }
        "ecs:RegisterTaskDefinition" => {
            text(sent, "family").is_some_and(|name| state.definitions.knows(name))
        }
        "ecs:DescribeServiceDeployments" | "ecs:DescribeServiceRevisions" | "ecs:StopServiceDeployment" => {
            let one = text(sent, "serviceDeploymentArn").into_iter();
            one.chain(texts(sent, "serviceDeploymentArns"))
                .chain(texts(sent, "serviceRevisionArns"))
                .any(|arn| arn.split('/').nth(1).is_some_and(here))
        }
        _ => here(last(text(sent, "cluster").unwrap_or("default"))),
    }
}

pub(super) fn answer(state: &mut State, action: &str, sent: &Value) -> Result<Value, Answer> {
    match action {
        "ecs:DescribeServices" => describe_services(state, sent),
        "ecs:UpdateService" => update_service(state, sent),
        "ecs:ListServiceDeployments" => list_service_deployments(state, sent),
        "ecs:DescribeServiceDeployments" => describe_service_deployments(state, sent),
        "ecs:DescribeServiceRevisions" => describe_service_revisions(state, sent),
        "ecs:StopServiceDeployment" => stop_service_deployment(state, sent),
        "ecs:ListTasks" => list_tasks(state, sent),
        "ecs:DescribeTasks" => describe_tasks(state, sent),
        "ecs:DescribeTaskDefinition" => state.definitions.describe(sent),
        "ecs:ListTaskDefinitions" => state.definitions.list(sent),
        _ => {
            let registered = state.definitions.register(sent, now())?;
            note(state, "ecs:RegisterTaskDefinition", sent);
            Ok(registered)
        }
    }
}

/// The last part of an ARN; a name stays as it is.
pub(in crate::recorded) fn last(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}

fn find(services: &[Service], sent: &Value, name: &str) -> Option<usize> {
    let cluster = last(text(sent, "cluster").unwrap_or("default"));
    let is = |service: &Service| {
        service.cluster == cluster
            && if name.starts_with("arn:") { service.arn() == name } else { service.name == name }
    };
    services.iter().position(is)
}

fn required<'a>(sent: &'a Value, services: &'a mut [Service]) -> Result<&'a mut Service, Answer> {
    let place = text(sent, "service").and_then(|name| find(services, sent, name));
    place
        .and_then(|place| services.get_mut(place))
        .ok_or_else(|| Answer::error(400, "ServiceNotFoundException", "Service not found."))
}

pub(in crate::recorded) fn missing(arn: &str) -> Value {
    json!({"arn": arn, "reason": "MISSING"})
}

fn note(state: &mut State, action: &str, sent: &Value) {
    state.changes.push(Change { action: action.to_owned(), sent: sent.clone() });
}

/// Somebody looked: what is in motion may move on.
fn looked(service: &mut Service, looks_per_step: Option<usize>) {
    let moves = service.newest().is_some_and(|newest| newest.moves && !newest.status.is_over());
    let Some(looks_per_step) = looks_per_step.filter(|_| moves) else { return };
    service.looks += 1;
    if service.looks >= looks_per_step {
        service.looks = 0;
        service.advance(now());
    }
}

fn describe_services(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let names = texts(sent, "services");
    if names.is_empty() || names.len() > 10 {
        return Err(invalid("Services must have 1 to 10 elements."));
    }
    let tags = texts(sent, "include").contains(&"TAGS");
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let place = find(&state.services, sent, name);
        match place.and_then(|place| state.services.get_mut(place)) {
            Some(service) => {
                found.push(shapes::service(service, tags));
                looked(service, state.looks_per_step);
            }
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({"services": found, "failures": failures}))
}

fn update_service(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let State { services, definitions, .. } = state;
    let service = required(sent, services)?;
    if let Some(wanted) = updated(service, definitions, sent)? {
        service.looks = 0;
        service.deploy(&wanted, definitions.images(&wanted), now());
        if let Some(newest) = service.deployments.last_mut() {
            newest.moves = true;
        }
    }
    let written = shapes::service(service, true);
    note(state, "ecs:UpdateService", sent);
    Ok(json!({"service": written}))
}

/// What an `UpdateService` makes of the service, or why not; and the task definition that is to be deployed, if one is.
pub(in crate::recorded) fn updated(
    service: &mut Service,
    definitions: &Definitions,
    sent: &Value,
) -> Result<Option<String>, Answer> {
    if service.fields.get("status").and_then(Value::as_str) != Some("ACTIVE") {
        return Err(Answer::error(400, "ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let given = |name: &str| sent.get(name).filter(|value| !value.is_null());
    let force = sent.get("forceNewDeployment") == Some(&Value::Bool(true));
    let (controller, named) = (service.controller(), text(sent, "taskDefinition"));
    if controller != "ECS" {
        let what = if named.is_some() || force {
            Some("task definition")
        } else {
            given("networkConfiguration").map(|_| "network parameters")
        };
        if let Some(what) = what {
            let instead = match controller {
                "CODE_DEPLOY" => " Use AWS CodeDeploy to trigger a new deployment.",
                _ => "",
            };
            return Err(invalid(format!(
                "Unable to update {what} on services with a {controller} deployment controller.{instead}"
            )));
        }
    }
    let before = service.wanted().map(|it| it.revision.task_definition.clone());
    let wanted = match named {
        Some(name) => {
            let definition = definitions
                .find(name)
                .ok_or_else(|| Answer::error(400, "ClientException", "TaskDefinition not found."))?;
            if definition.deregistered.is_some() {
                return Err(Answer::error(400, "ClientException", "TaskDefinition is inactive"));
            }
            Some(definition.arn())
        }
        None => before.clone(),
    };
    let balancers = given("loadBalancers").or_else(|| service.fields.get("loadBalancers"));
    if let (Some(wanted), Some(balancers)) = (&wanted, balancers.and_then(Value::as_array))
        && let Some(definition) = definitions.find(wanted)
    {
        balancers.iter().try_for_each(|balancer| fits(definition.containers(), balancer))?;
    }
    let fixed =
        FIXED.into_iter().any(|name| given(name).is_some() && given(name) != service.fields.get(name));
    for name in parameters("ecs:UpdateService").into_iter().flatten() {
        if !["cluster", "service", "taskDefinition", "forceNewDeployment"].contains(name)
            && let Some(value) = given(name)
        {
            service.fields.insert((*name).to_owned(), value.clone());
        }
    }
    Ok(wanted.filter(|wanted| fixed || force || before.as_ref() != Some(wanted)))
}

/// A load balancer's container and port are in the task definition.
fn fits(containers: &[Value], balancer: &Value) -> Result<(), Answer> {
    let name = text(balancer, "containerName").unwrap_or_default();
    let port = balancer.get("containerPort");
    let container = containers.iter().find(|container| text(container, "name") == Some(name));
    let container = container
        .ok_or_else(|| invalid(format!("The container {name} does not exist in the task definition.")))?;
    let ports = container.get("portMappings").and_then(Value::as_array);
    if ports.into_iter().flatten().any(|mapping| mapping.get("containerPort") == port) {
        return Ok(());
    }
    let port = port.unwrap_or(&Value::Null);
    Err(invalid(format!("The container {name} did not have a container port {port} defined.")))
}

fn list_service_deployments(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let looks_per_step = state.looks_per_step;
    let service = required(sent, &mut state.services)?;
    let answer = listed(service, sent)?;
    looked(service, looks_per_step);
    Ok(answer)
}

/// The deployments of a service, newest first.
pub(in crate::recorded) fn listed(service: &Service, sent: &Value) -> Result<Value, Answer> {
    let statuses = texts(sent, "status");
    let bound = |name: &str| sent.get("createdAt").and_then(|range| range.get(name)).and_then(Value::as_f64);
    let (after, before) = (bound("after"), bound("before"));
    // A service that something else deploys has none.
    let deployments = if service.controller() == "ECS" { &service.deployments[..] } else { &[] };
    let found: Vec<Value> = deployments
        .iter()
        .rev()
        .filter(|it| statuses.is_empty() || statuses.contains(&it.status.as_str()))
        .filter(|it| {
            let created = it.created.as_duration().as_secs_f64();
            after.is_none_or(|after| after < created) && before.is_none_or(|before| created < before)
        })
        .map(|it| shapes::brief(service, it))
        .collect();
    let (found, next) =
        page(found, text(sent, "nextToken"), size(sent, 20)?).ok_or_else(|| invalid("Invalid token."))?;
    let mut answer = json!({"serviceDeployments": found});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

/// The ARNs of a call that takes 1 to 20 of them.
pub(in crate::recorded) fn twenty<'a>(sent: &'a Value, name: &str) -> Result<Vec<&'a str>, Answer> {
    let arns = texts(sent, name);
    if (1..=20).contains(&arns.len()) {
        Ok(arns)
    } else {
        Err(invalid(format!("{name} must have 1 to 20 elements.")))
    }
}

fn describe_service_deployments(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in twenty(sent, "serviceDeploymentArns")? {
        let mut all = state.services.iter_mut();
        let owner = all.find(|service| service.deployments.iter().any(|it| it.arn == arn));
        let Some(service) = owner else {
            failures.push(missing(arn));
            continue;
        };
        let deployment = service.deployments.iter().find(|it| it.arn == arn);
        found.extend(deployment.map(|it| shapes::service_deployment(service, it)));
        looked(service, state.looks_per_step);
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}))
}

fn describe_service_revisions(state: &State, sent: &Value) -> Result<Value, Answer> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in twenty(sent, "serviceRevisionArns")? {
        let revision = state.services.iter().find_map(|service| {
            let mut revisions = service.deployments.iter().map(|it| &it.target.revision);
            Some(shapes::revision(service, revisions.find(|it| it.arn == arn)?))
        });
        match revision {
            Some(revision) => found.push(revision),
            None => failures.push(missing(arn)),
        }
    }
    Ok(json!({"serviceRevisions": found, "failures": failures}))
}

/// A deployment that is over is a conflict; one that is rolling back goes on (ECS Developer Guide, "Stopping Amazon
/// ECS service deployments").
fn stop_service_deployment(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let arn = text(sent, "serviceDeploymentArn").unwrap_or_default().to_owned();
    match text(sent, "stopType").unwrap_or("ROLLBACK") {
        "ROLLBACK" => {}
        other => return Err(invalid(format!("Stop type {other} is not supported."))),
    }
    let finishes = state.finishes_before_stop;
    let mut all = state.services.iter_mut();
    let owner = all.find(|service| service.deployments.iter().any(|it| it.arn == arn)).ok_or_else(|| {
        Answer::error(400, "ServiceDeploymentNotFoundException", "Service deployment not found.")
    })?;
    let is_newest = |service: &Service| service.newest().is_some_and(|newest| newest.arn == arn);
    while finishes && is_newest(owner) && owner.advance(now()) {}
    let status = owner.deployments.iter().find(|it| it.arn == arn).map(|it| it.status);
    match status {
        Some(Status::Pending | Status::InProgress) => {
            owner.looks = 0;
            owner.request_rollback("Service deployment rollback was requested by a user.", now());
        }
        Some(Status::RollbackRequested | Status::RollbackInProgress) => {}
        Some(Status::Successful | Status::Stopped | Status::RollbackSuccessful | Status::RollbackFailed)
        | None => {
            let message = "The service deployment is already complete and cannot be stopped.";
            return Err(Answer::error(400, "ConflictException", message));
        }
    }
    note(state, "ecs:StopServiceDeployment", sent);
    Ok(json!({"serviceDeploymentArn": arn}))
}

fn list_tasks(state: &State, sent: &Value) -> Result<Value, Answer> {
    let cluster = last(text(sent, "cluster").unwrap_or("default"));
    let wanted = match text(sent, "serviceName") {
        None => None,
        Some(name) => Some(
            find(&state.services, sent, name)
                .ok_or_else(|| Answer::error(400, "ServiceNotFoundException", "Service not found."))?,
        ),
    };
    let stopped = match text(sent, "desiredStatus").unwrap_or("RUNNING") {
        "RUNNING" => false,
        "STOPPED" => true,
        other => return Err(invalid(format!("Desired status {other} is not supported."))),
    };
    let mut arns = Vec::new();
    for (place, service) in state.services.iter().enumerate() {
        if service.cluster != cluster || wanted.is_some_and(|wanted| wanted != place) {
            continue;
        }
        let running = service.running();
        let tasks = if stopped { &service.stopped } else { &running };
        let family = text(sent, "family");
        let begun_by = text(sent, "startedBy");
        arns.extend(
            tasks
                .iter()
                .filter(|task| family.is_none_or(|family| split(&task.revision.task_definition).0 == family))
                .filter(|task| begun_by.is_none_or(|id| task.id == id))
                .map(|task| task.arn.clone()),
        );
    }
    let (arns, next) =
        page(arns, text(sent, "nextToken"), size(sent, 100)?).ok_or_else(|| invalid("Invalid token."))?;
    let mut answer = json!({"taskArns": arns});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

fn describe_tasks(state: &State, sent: &Value) -> Result<Value, Answer> {
    let names = texts(sent, "tasks");
    if names.is_empty() || names.len() > 100 {
        return Err(invalid("Tasks must have 1 to 100 elements."));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let task = state.services.iter().find_map(|service| {
            let running = service.running();
            let task = service.stopped.iter().chain(&running).find(|task| last(&task.arn) == last(name))?;
            Some(shapes::task(service, task))
        });
        match task {
            Some(task) => found.push(task),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({"tasks": found, "failures": failures}))
}
