//! The calls about applications and deployment groups.

use serde_json::{Value, json};

use super::calls::{group, refused};
use super::{Group, State};
use crate::proxy::Answer;
use crate::recorded::{arn, hash, page, put, seconds, text, texts};

/// CodeDeploy lists applications and groups a hundred at a time, and describes as many groups at once.
const AT_ONCE: usize = 100;

fn listed(name: &str, all: Vec<String>, sent: &Value, size: usize) -> Result<Value, Answer> {
    let (found, next) = page(all, text(sent, "nextToken"), size)
        .ok_or_else(|| refused("InvalidNextTokenException", "The next token is not valid."))?;
    let mut answer = json!({name: found});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

/// The groups of an application, which must be there.
fn of<'a>(state: &'a State, sent: &Value) -> Result<Vec<&'a Group>, Answer> {
    let application = text(sent, "applicationName")
        .ok_or_else(|| refused("ApplicationNameRequiredException", "The application name is required."))?;
    let groups: Vec<_> = state.groups.iter().filter(|it| it.application == application).collect();
    if groups.is_empty() {
        let message = format!("No application found for name: {application}");
        return Err(refused("ApplicationDoesNotExistException", message));
    }
    Ok(groups)
}

pub(super) fn list_applications(state: &State, sent: &Value) -> Result<Value, Answer> {
    let mut all: Vec<_> = state.groups.iter().map(|it| it.application.clone()).collect();
    all.sort_unstable();
    all.dedup();
    listed("applications", all, sent, state.page.unwrap_or(AT_ONCE))
}

pub(super) fn batch_get_applications(state: &State, sent: &Value) -> Result<Value, Answer> {
    let names = texts(sent, "applicationNames");
    if names.is_empty() {
        return Err(refused("ApplicationNameRequiredException", "The application name is required."));
    }
    if names.len() > AT_ONCE {
        let message = "At most 100 applications can be asked for at once.";
        return Err(refused("BatchLimitExceededException", message));
    }
    let applications = names.into_iter().map(|name| {
        let group = state.groups.iter().find(|it| it.application == name).ok_or_else(|| {
            let message = format!("No application found for name: {name}");
            refused("ApplicationDoesNotExistException", message)
        })?;
        let id = hash(name);
        Ok(json!({
            "applicationId": id.get(..32).unwrap_or_default(),
            "applicationName": name,
            "linkedToGitHub": false,
            "computePlatform": group.platform,
        }))
    });
    Ok(json!({"applicationsInfo": applications.collect::<Result<Vec<_>, Answer>>()?}))
}

pub(super) fn list_deployment_groups(state: &State, sent: &Value) -> Result<Value, Answer> {
    let mut all: Vec<_> = of(state, sent)?.into_iter().map(|it| it.name.clone()).collect();
    all.sort_unstable();
    let mut answer = listed("deploymentGroups", all, sent, state.page.unwrap_or(AT_ONCE))?;
    put(&mut answer, "applicationName", text(sent, "applicationName"));
    Ok(answer)
}

pub(super) fn get_deployment_group(state: &State, sent: &Value) -> Result<Value, Answer> {
    let (_, name) = group(state, sent)?;
    let found = of(state, sent)?.into_iter().find(|it| it.name == name);
    Ok(json!({"deploymentGroupInfo": found.map(|it| written(state, it))}))
}

/// Groups that are not known are left out.
pub(super) fn batch_get_deployment_groups(state: &State, sent: &Value) -> Result<Value, Answer> {
    let groups = of(state, sent)?;
    let names = texts(sent, "deploymentGroupNames");
    if names.is_empty() {
        let message = "The deployment group name is required.";
        return Err(refused("DeploymentGroupNameRequiredException", message));
    }
    if names.len() > AT_ONCE {
        let message = "At most 100 deployment groups can be asked for at once.";
        return Err(refused("BatchLimitExceededException", message));
    }
    let found = groups.into_iter().filter(|it| names.contains(&it.name.as_str()));
    let found: Vec<_> = found.map(|it| written(state, it)).collect();
    Ok(json!({"deploymentGroupsInfo": found, "errorMessage": ""}))
}

/// `DeploymentGroupInfo`.
fn written(state: &State, group: &Group) -> Value {
    let id = hash(&format!("{}/{}", group.application, group.name));
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    let mut written = json!({
        "applicationName": group.application,
        "deploymentGroupId": uuid,
        "deploymentGroupName": group.name,
        "deploymentConfigName": group.config,
        "serviceRoleArn": arn("iam", "role/codedeploy").replace(crate::aws::REGION, ""),
        "triggerConfigurations": [],
        "alarmConfiguration": {"enabled": false, "ignorePollAlarmFailure": false, "alarms": []},
        "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST"]},
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "outdatedInstancesStrategy": "UPDATE",
        "computePlatform": group.platform,
        "terminationHookEnabled": false,
    });
    let service = group.service.as_ref();
    let service = service.map(|(cluster, name)| json!([{"clusterName": cluster, "serviceName": name}]));
    put(&mut written, "ecsServices", service);
    let mut about = |field: &str, good: bool| {
        let mut of = state.deployments.iter().rev().filter(|it| it.group == group.name);
        let last = of.find(|it| !good || it.status == "Succeeded");
        let last = last.map(|it| {
            let mut last = json!({
                "deploymentId": it.id,
                "status": it.status,
                "createTime": seconds(it.created),
            });
            put(&mut last, "endTime", it.completed.map(seconds));
            last
        });
        put(&mut written, field, last);
    };
    about("lastSuccessfulDeployment", true);
    about("lastAttemptedDeployment", false);
    let target = state.last_good(&group.name).cloned();
    put(&mut written, "targetRevision", target);
    written
}
