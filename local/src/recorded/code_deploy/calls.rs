//! The calls of the CodeDeploy API that the double answers.

use serde_json::{Value, json};

use super::{Deployment, State, groups};
use crate::proxy::{Answer, Call};
use crate::recorded::{Change, hash, now, page, put, seconds, text, texts};

/// What an operation takes, of those that are answered.
pub(super) fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "codedeploy:ListApplications" => &["nextToken"],
        "codedeploy:BatchGetApplications" => &["applicationNames"],
        "codedeploy:ListDeploymentGroups" => &["applicationName", "nextToken"],
        "codedeploy:GetDeploymentGroup" => &["applicationName", "deploymentGroupName"],
        "codedeploy:BatchGetDeploymentGroups" => &["applicationName", "deploymentGroupNames"],
        "codedeploy:GetDeployment" => &["deploymentId"],
        "codedeploy:BatchGetDeployments" => &["deploymentIds"],
        "codedeploy:ListDeployments" => &[
            "applicationName",
            "createTimeRange",
            "deploymentGroupName",
            "externalId",
            "includeOnlyStatuses",
            "nextToken",
        ],
        "codedeploy:StopDeployment" => &["autoRollbackEnabled", "deploymentId"],
        "codedeploy:CreateDeployment" => &[
            "applicationName",
            "autoRollbackConfiguration",
            "deploymentConfigName",
            "deploymentGroupName",
            "deploymentMode",
            "description",
            "fileExistsBehavior",
            "ignoreApplicationStopFailures",
            "overrideAlarmConfiguration",
            "revision",
            "targetInstances",
            "updateOutdatedInstancesOnly",
        ],
        _ => return None,
    })
}

pub(super) fn answer(state: &mut State, call: &Call, sent: &Value) -> Result<Value, Answer> {
    match call.operation() {
        "ListApplications" => groups::list_applications(state, sent),
        "BatchGetApplications" => groups::batch_get_applications(state, sent),
        "ListDeploymentGroups" => groups::list_deployment_groups(state, sent),
        "GetDeploymentGroup" => groups::get_deployment_group(state, sent),
        "BatchGetDeploymentGroups" => groups::batch_get_deployment_groups(state, sent),
        "GetDeployment" => get_deployment(state, sent),
        "BatchGetDeployments" => batch_get_deployments(state, sent),
        "ListDeployments" => list_deployments(state, sent),
        operation => {
            let answer = if operation == "StopDeployment" {
                stop_deployment(state, sent)?
            } else {
                create_deployment(state, sent)?
            };
            state.changes.push(Change { action: call.action.clone(), sent: sent.clone() });
            Ok(answer)
        }
    }
}

/// The `AppSpec` in a `RevisionLocation`, in the place for content or in the older one for a string.
pub(super) fn content(revision: &Value) -> Option<&str> {
    ["appSpecContent", "string"].into_iter().find_map(|place| text(revision.get(place)?, "content"))
}

pub(super) fn refused(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, code, message)
}

fn known<'a>(state: &'a mut State, id: Option<&str>) -> Result<&'a mut Deployment, Answer> {
    let id = id.ok_or_else(|| {
        refused("DeploymentIdRequiredException", "At least one deployment ID must be specified.")
    })?;
    if !id.starts_with("d-") {
        return Err(refused("InvalidDeploymentIdException", format!("The deployment ID {id} is not valid.")));
    }
    let found = state.deployments.iter_mut().find(|it| it.id == id);
    found.ok_or_else(|| {
        refused("DeploymentDoesNotExistException", format!("The deployment {id} could not be found"))
    })
}

/// Somebody looked: what a call began may come to its end.
fn looked(deployment: &mut Deployment, looks: Option<usize>) {
    if let Some(enough) = looks.filter(|_| deployment.moves) {
        deployment.looks += 1;
        if deployment.looks >= enough {
            deployment.end("Succeeded", now());
        }
    }
}

fn get_deployment(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let looks = state.looks;
    let id = known(state, text(sent, "deploymentId"))?.id.clone();
    let written = written(state, &id);
    looked(known(state, Some(&id))?, looks);
    Ok(json!({"deploymentInfo": written}))
}

/// Ids that are not known are left out.
fn batch_get_deployments(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let ids = texts(sent, "deploymentIds");
    if ids.is_empty() {
        return Err(refused(
            "DeploymentIdRequiredException",
            "At least one deployment ID must be specified.",
        ));
    }
    if ids.len() > 25 {
        return Err(refused(
            "BatchLimitExceededException",
            "At most 25 deployments can be asked for at once.",
        ));
    }
    let looks = state.looks;
    let mut found = Vec::new();
    for id in ids {
        if known(state, Some(id)).is_ok() {
            found.extend(written(state, id));
            looked(known(state, Some(id))?, looks);
        }
    }
    Ok(json!({"deploymentsInfo": found}))
}

/// The application and the deployment group that a call names.
pub(super) fn group<'a>(state: &State, sent: &'a Value) -> Result<(&'a str, &'a str), Answer> {
    let application = text(sent, "applicationName")
        .ok_or_else(|| refused("ApplicationNameRequiredException", "The application name is required."))?;
    let name = text(sent, "deploymentGroupName").ok_or_else(|| {
        refused("DeploymentGroupNameRequiredException", "The deployment group name is required.")
    })?;
    let mut groups = state.groups.iter().filter(|it| it.application == application).peekable();
    if groups.peek().is_none() {
        let message = format!("No application found for name: {application}");
        return Err(refused("ApplicationDoesNotExistException", message));
    }
    if groups.any(|it| it.name == name) {
        return Ok((application, name));
    }
    Err(refused(
        "DeploymentGroupDoesNotExistException",
        format!("No Deployment Group found for name: {name}"),
    ))
}

/// Newest first. With a group it takes the application, and the other way round; with neither it is of all.
fn list_deployments(state: &State, sent: &Value) -> Result<Value, Answer> {
    let all = sent.get("applicationName").is_none() && sent.get("deploymentGroupName").is_none();
    let group = if all { None } else { Some(group(state, sent)?) };
    let statuses = texts(sent, "includeOnlyStatuses");
    let bound =
        |name: &str| sent.get("createTimeRange").and_then(|range| range.get(name)).and_then(Value::as_f64);
    let (start, end) = (bound("start"), bound("end"));
    let found = state
        .deployments
        .iter()
        .rev()
        .filter(|it| {
            group.is_none_or(|(application, name)| it.application == application && it.group == name)
        })
        .filter(|it| statuses.is_empty() || statuses.contains(&it.status))
        .filter(|it| {
            let created = it.created.as_duration().as_secs_f64();
            start.is_none_or(|start| start <= created) && end.is_none_or(|end| created <= end)
        })
        .map(|it| it.id.clone())
        .collect();
    let (found, next) = page(found, text(sent, "nextToken"), state.page.unwrap_or(100))
        .ok_or_else(|| refused("InvalidNextTokenException", "The next token is not valid."))?;
    let mut answer = json!({"deployments": found});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

/// A deployment that is over cannot be stopped. With `autoRollbackEnabled` the last good revision is deployed again.
fn stop_deployment(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let at = now();
    let stopped = known(state, text(sent, "deploymentId"))?;
    if stopped.is_over() {
        let message = format!("The deployment {} is already completed.", stopped.id);
        return Err(refused("DeploymentAlreadyCompletedException", message));
    }
    stopped.end("Stopped", at);
    let (id, application, group) = (stopped.id.clone(), stopped.application.clone(), stopped.group.clone());
    let by_itself =
        stopped.auto_rollback.as_ref().and_then(|it| it.get("enabled")) == Some(&Value::Bool(true));
    if sent.get("autoRollbackEnabled") == Some(&Value::Bool(true)) || by_itself {
        let info = match state.last_good(&group).cloned() {
            None => {
                json!({"rollbackMessage": "No previous deployment succeeded; there is nothing to roll back to."})
            }
            Some(good) => {
                let rollback = state.begin(&application, &group, good, "codeDeployRollback", at);
                rollback.status = "InProgress";
                rollback.moves = true;
                rollback.rollback = Some(json!({"rollbackTriggeringDeploymentId": id}));
                let message = format!("Deployment {id} stopped. Rolling back with {}.", rollback.id);
                json!({"rollbackDeploymentId": rollback.id, "rollbackMessage": message})
            }
        };
        known(state, Some(&id))?.rollback = Some(info);
    }
    Ok(json!({"status": "Pending", "statusMessage": ""}))
}

fn create_deployment(state: &mut State, sent: &Value) -> Result<Value, Answer> {
    let (application, name) = group(state, sent)?;
    let revision = sent
        .get("revision")
        .ok_or_else(|| refused("RevisionRequiredException", "The revision is required."))?;
    let bad = |why: &'static str| refused("InvalidRevisionException", why);
    let spec = content(revision).ok_or_else(|| bad("The revision has no AppSpec content."))?;
    let platform = state.groups.iter().find(|it| it.name == name).map_or("ECS", |it| it.platform);
    let kind = if platform == "ECS" { "AWS::ECS::Service" } else { "AWS::Lambda::Function" };
    if !spec.contains(kind) {
        return Err(bad("The AppSpec is not of the deployment group's compute platform."));
    }
    let sum = revision.get("appSpecContent").and_then(|it| text(it, "sha256"));
    if sum.is_some_and(|sum| sum != hash(spec)) {
        return Err(bad("The SHA256 of the AppSpec content does not match."));
    }
    let active = state.deployments.iter().find(|it| it.group == name && !it.is_over());
    if let Some(active) = active {
        let message =
            format!("The Deployment Group '{name}' already has an active Deployment '{}'", active.id);
        return Err(refused("DeploymentLimitExceededException", message));
    }
    let begun = state.begin(application, name, revision.clone(), "user", now());
    begun.moves = true;
    begun.description = text(sent, "description").map(ToOwned::to_owned);
    begun.auto_rollback = sent.get("autoRollbackConfiguration").cloned();
    Ok(json!({"deploymentId": begun.id}))
}

/// `DeploymentInfo`.
fn written(state: &State, id: &str) -> Option<Value> {
    let deployment = state.deployments.iter().find(|it| it.id == id)?;
    let group = state.groups.iter().find(|it| it.name == deployment.group)?;
    let mut written = json!({
        "applicationName": deployment.application,
        "deploymentGroupName": deployment.group,
        "deploymentConfigName": group.config,
        "deploymentId": deployment.id,
        "revision": deployment.revision,
        "status": deployment.status,
        "createTime": seconds(deployment.created),
        "creator": deployment.creator,
        "ignoreApplicationStopFailures": false,
        "updateOutdatedInstancesOnly": false,
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "instanceTerminationWaitTimeStarted": false,
        "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [],
        "computePlatform": group.platform,
    });
    let mut also = |name: &str, value: Option<Value>| put(&mut written, name, value);
    also("previousRevision", deployment.previous.clone());
    also("startTime", (deployment.status != "Created").then(|| seconds(deployment.created)));
    also("completeTime", deployment.completed.map(seconds));
    also("description", deployment.description.clone().map(Value::from));
    also("autoRollbackConfiguration", deployment.auto_rollback.clone());
    also("rollbackInfo", deployment.rollback.clone());
    let error = deployment.error.as_ref();
    also("errorInformation", error.map(|(code, message)| json!({"code": code, "message": message})));
    Some(written)
}
