//! How the ECS API writes services, deployments, revisions and tasks.

use serde_json::{Map, Value, json};

use super::super::{arn, hash, put, seconds};
use super::service::{Carried, Deployment, Revision, Service, Status, Task};

/// `Service` (`DescribeServices`, `UpdateService`). Tags are given only to who asks for them.
pub(in crate::recorded) fn service(service: &Service, tags: bool) -> Value {
    let mut fields = service.fields.clone();
    if !tags {
        fields.remove("tags");
    }
    // A service has the one or the other.
    if fields.get("capacityProviderStrategy").and_then(Value::as_array).is_some_and(|it| !it.is_empty()) {
        fields.remove("launchType");
    }
    let mut written = Value::Object(fields);
    let desired = service.desired();
    let deploys = service.controller() == "ECS";
    let wanted = service.wanted();
    let computed = json!({
        "serviceArn": service.arn(),
        "serviceName": service.name,
        "clusterArn": service.cluster_arn(),
        "createdAt": seconds(service.created),
        "createdBy": format!("arn:aws:iam::{}:role/deployer", crate::aws::ACCOUNT),
        "deployments": if deploys { deployments(service) } else { json!([]) },
        "events": [],
    });
    for (name, value) in computed.as_object().into_iter().flatten() {
        put(&mut written, name, Some(value.clone()));
    }
    for (name, value) in [("runningCount", desired), ("pendingCount", 0)] {
        let missing = written.get(name).is_none();
        put(&mut written, name, missing.then_some(value));
    }
    put(&mut written, "taskDefinition", wanted.map(|it| it.revision.task_definition.clone()));
    if deploys && let Some(newest) = service.newest() {
        put(&mut written, "currentServiceDeployment", Some(newest.arn.clone()));
        let current = if newest.status.is_over() {
            service.settled().into_iter().collect()
        } else {
            [Some(newest.target.clone()), newest.source.clone()].into_iter().flatten().collect::<Vec<_>>()
        };
        let summaries = current.iter().map(|it| summary(&it.revision, service)).collect();
        put(&mut written, "currentServiceRevisions", Some(Value::Array(summaries)));
    }
    written
}

/// `Service.deployments`: the primary one first, then what it takes the place of.
fn deployments(service: &Service) -> Value {
    let Some(newest) = service.newest() else { return json!([]) };
    let begun = newest.rollback.as_ref().map_or(newest.created, |rollback| rollback.started);
    let because = newest.reason.as_deref().unwrap_or_default();
    let target = |status, state, reason| {
        deployment(service, &newest.target, newest.created, newest, (status, state, reason))
    };
    let source = newest.source.as_ref().map(|source| {
        let reason = format!("ECS deployment {} completed.", source.id);
        deployment(service, source, source.revision.created, newest, ("ACTIVE", "COMPLETED", &reason))
    });
    let back = |state, reason: &str| {
        let back = newest.back()?;
        Some(deployment(service, &back, begun, newest, ("PRIMARY", state, reason)))
    };
    let rolling =
        format!("ECS deployment rolling back to {}.", newest.source.as_ref().map_or("", |it| &it.id));
    let completed = format!("ECS deployment {} completed.", newest.target.id);
    let in_progress = format!("ECS deployment {} in progress.", newest.target.id);
    let all = match newest.status {
        Status::Pending | Status::InProgress | Status::RollbackRequested => {
            vec![Some(target("PRIMARY", "IN_PROGRESS", in_progress.as_str())), source]
        }
        Status::Successful => vec![Some(target("PRIMARY", "COMPLETED", completed.as_str()))],
        Status::Stopped => vec![Some(target("PRIMARY", "FAILED", because)), source],
        Status::RollbackInProgress => {
            vec![back("IN_PROGRESS", &rolling), Some(target("ACTIVE", "FAILED", because))]
        }
        Status::RollbackSuccessful => vec![back("COMPLETED", because)],
        Status::RollbackFailed => vec![back("FAILED", because), Some(target("ACTIVE", "FAILED", because))],
    };
    Value::Array(all.into_iter().flatten().collect())
}

pub(in crate::recorded) fn deployment(
    service: &Service,
    carried: &Carried,
    created: jiff::Timestamp,
    newest: &Deployment,
    (status, state, reason): (&str, &str, &str),
) -> Value {
    let desired = service.desired();
    let runs = state == "COMPLETED";
    let failed = service.failed(&carried.id);
    let mut written = json!({
        "id": carried.id,
        "status": status,
        "taskDefinition": carried.revision.task_definition,
        "desiredCount": if state == "FAILED" { 0 } else { desired },
        "runningCount": if runs { desired } else { 0 },
        "pendingCount": if state == "IN_PROGRESS" { desired } else { 0 },
        "failedTasks": failed,
        "createdAt": seconds(created),
        "updatedAt": seconds(newest.updated),
        "rolloutState": state,
        "rolloutStateReason": reason,
    });
    settings(
        &mut written,
        &carried.revision.settings,
        &[
            "capacityProviderStrategy",
            "launchType",
            "networkConfiguration",
            "platformFamily",
            "platformVersion",
            "serviceConnectConfiguration",
        ],
    );
    written
}

fn settings(written: &mut Value, settings: &Map<String, Value>, names: &[&str]) {
    for name in names {
        put(written, name, settings.get(*name).cloned());
    }
}

/// `ServiceDeploymentBrief` (`ListServiceDeployments`).
pub(in crate::recorded) fn brief(service: &Service, deployment: &Deployment) -> Value {
    let mut written = json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service.arn(),
        "clusterArn": service.cluster_arn(),
        "createdAt": seconds(deployment.created),
        "targetServiceRevisionArn": deployment.target.revision.arn,
        "status": deployment.status.as_str(),
    });
    put(&mut written, "startedAt", deployment.started.map(seconds));
    put(&mut written, "finishedAt", deployment.finished.map(seconds));
    put(&mut written, "statusReason", deployment.reason.clone());
    written
}

/// `ServiceDeployment` (`DescribeServiceDeployments`).
pub(in crate::recorded) fn service_deployment(service: &Service, deployment: &Deployment) -> Value {
    let failures = service.failed(&deployment.target.id);
    let sources: Vec<_> = deployment.source.iter().map(|source| summary(&source.revision, service)).collect();
    let mut written = json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service.arn(),
        "clusterArn": service.cluster_arn(),
        "createdAt": seconds(deployment.created),
        "updatedAt": seconds(deployment.updated),
        "sourceServiceRevisions": sources,
        "targetServiceRevision": summary(&deployment.target.revision, service),
        "status": deployment.status.as_str(),
        "deploymentConfiguration": deployment.configuration,
        "deploymentCircuitBreaker": {
            "status": monitor(deployment, "deploymentCircuitBreaker"),
            "failureCount": failures,
            // Half the desired count, at least 3, at most 200 (ECS API, `ServiceDeploymentCircuitBreaker`).
            "threshold": ((service.desired() + 1) / 2).clamp(3, 200),
        },
    });
    put(&mut written, "startedAt", deployment.started.map(seconds));
    put(&mut written, "finishedAt", deployment.finished.map(seconds));
    put(&mut written, "stoppedAt", deployment.stopped.map(seconds));
    put(&mut written, "statusReason", deployment.reason.clone());
    put(&mut written, "lifecycleStage", deployment.stage.clone());
    if let Some(alarms) = deployment.configuration.get("alarms") {
        let names = alarms.get("alarmNames").cloned().unwrap_or_else(|| json!([]));
        let status = monitor(deployment, "alarms");
        let triggered = if status == "TRIGGERED" { names.clone() } else { json!([]) };
        let alarms = json!({"status": status, "alarmNames": names, "triggeredAlarmNames": triggered});
        put(&mut written, "alarms", Some(alarms));
    }
    if let Some(rollback) = &deployment.rollback {
        let revision = deployment.source.as_ref().map(|source| source.revision.arn.clone());
        let mut about = json!({"reason": rollback.reason, "startedAt": seconds(rollback.started)});
        put(&mut about, "serviceRevisionArn", revision);
        put(&mut written, "rollback", Some(about));
    }
    written
}

/// `ServiceDeploymentRollbackMonitorsStatus` of the circuit breaker or the alarms.
fn monitor(deployment: &Deployment, name: &str) -> &'static str {
    let enabled = |name: &str| {
        deployment.configuration.get(name).and_then(|it| it.get("enable")) == Some(&Value::Bool(true))
    };
    if !enabled(name) {
        return "DISABLED";
    }
    // Where both watch, it was the circuit breaker.
    let first = name == "deploymentCircuitBreaker" || !enabled("deploymentCircuitBreaker");
    match deployment.status {
        _ if deployment.triggered && first => "TRIGGERED",
        Status::Pending | Status::InProgress => "MONITORING",
        Status::Successful
        | Status::Stopped
        | Status::RollbackRequested
        | Status::RollbackInProgress
        | Status::RollbackSuccessful
        | Status::RollbackFailed => "MONITORING_COMPLETE",
    }
}

/// `ServiceRevisionSummary`.
fn summary(revision: &Revision, service: &Service) -> Value {
    let runs = service.settled().is_some_and(|settled| settled.revision.arn == revision.arn);
    let desired = service.desired();
    json!({
        "arn": revision.arn,
        "requestedTaskCount": desired,
        "runningTaskCount": if runs { desired } else { 0 },
        "pendingTaskCount": 0,
    })
}

/// `ServiceRevision` (`DescribeServiceRevisions`).
pub(in crate::recorded) fn revision(service: &Service, revision: &Revision) -> Value {
    let images: Vec<_> = revision
        .images
        .iter()
        .map(|it| {
            let mut image = json!({"containerName": it.container, "image": it.name});
            put(&mut image, "imageDigest", it.kept.then(|| it.digest.clone()));
            image
        })
        .collect();
    let mut written = json!({
        "serviceRevisionArn": revision.arn,
        "serviceArn": service.arn(),
        "clusterArn": service.cluster_arn(),
        "taskDefinition": revision.task_definition,
        "containerImages": images,
        "guardDutyEnabled": false,
        "createdAt": seconds(revision.created),
    });
    settings(&mut written, &revision.settings, &super::service::FIXED);
    written
}

/// `Task` (`DescribeTasks`).
pub(in crate::recorded) fn task(service: &Service, task: &Task) -> Value {
    let (desired, status) = match (&task.stopped, task.started) {
        (Some(_), _) => ("STOPPED", "STOPPED"),
        (None, Some(_)) => ("RUNNING", "RUNNING"),
        (None, None) => ("RUNNING", "PENDING"),
    };
    let mut containers: Vec<_> = task
        .revision
        .images
        .iter()
        .map(|image| {
            let word = hash(&format!("{}/{}", task.arn, image.container));
            let place = format!("container/{}/{}", service.cluster, word.get(..32).unwrap_or_default());
            json!({
                "containerArn": arn("ecs", &place),
                "taskArn": task.arn,
                "name": image.container,
                "image": image.name,
                "imageDigest": image.digest,
                "lastStatus": status,
                "networkInterfaces": [],
                "healthStatus": "UNKNOWN",
                "cpu": "0",
            })
        })
        .collect();
    if let (Some(stop), Some(first)) = (&task.stopped, containers.first_mut()) {
        put(first, "exitCode", stop.exit);
        put(first, "reason", stop.container_reason.clone());
    }
    let mut written = json!({
        "taskArn": task.arn,
        "clusterArn": service.cluster_arn(),
        "taskDefinitionArn": task.revision.task_definition,
        "group": format!("service:{}", service.name),
        "startedBy": task.id,
        "containers": containers,
        "desiredStatus": desired,
        "lastStatus": status,
        "createdAt": seconds(task.created),
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "cpu": "256",
        "memory": "512",
        "version": 5,
        "attachments": [],
        "tags": [],
    });
    put(&mut written, "startedAt", task.started.map(seconds));
    if let Some(stop) = &task.stopped {
        put(&mut written, "stoppedAt", Some(seconds(stop.at)));
        put(&mut written, "stoppingAt", Some(seconds(stop.at)));
        put(&mut written, "stopCode", Some(stop.code.clone()));
        put(&mut written, "stoppedReason", Some(stop.reason.clone()));
    }
    written
}
