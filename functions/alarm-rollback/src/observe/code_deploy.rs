//! Looks at CodeDeploy's record. AWS types end here.

use std::collections::BTreeSet;

use aws_sdk_codedeploy::types::{
    ComputePlatform, DeploymentCreator, DeploymentInfo, DeploymentStatus, RevisionLocation,
};
use shared::Result;
use shared::error::Call;

use super::read_time;
use crate::Clients;
use crate::appspec;
use crate::facts::code_deploy::{Deployment, Record, Status};

/// CodeDeploy describes at most this many deployments in one call (CodeDeploy API, `BatchGetDeployments`).
pub(super) const AT_ONCE: usize = 25;

/// For how many deployments CodeDeploy is asked once more where a list left out their specification.
const ASKED_AGAIN: usize = 3;

/// What CodeDeploy recorded of a deployment's group; none where it does not know the deployment, or where that is not
/// of an ECS service. In three calls, as a rule.
pub(super) async fn record(clients: &Clients, deployment: &str) -> Result<Option<Record>> {
    let Some(named) = get(clients, deployment).await? else {
        return Ok(None);
    };
    let is_ecs = named.compute_platform.as_ref().is_none_or(|platform| *platform == ComputePlatform::Ecs);
    let (Some(application), Some(group)) = (&named.application_name, &named.deployment_group_name) else {
        return Ok(None);
    };
    if !is_ecs {
        return Ok(None);
    }
    let (application, group) = (application.clone(), group.clone());
    let listed = clients
        .codedeploy
        .list_deployments()
        .application_name(&application)
        .deployment_group_name(&group)
        .send()
        .await
        .action("codedeploy:ListDeployments")?;
    // Newest first, by experience; they are sorted when their times are known, and the one that runs is always there.
    let mut ids = listed.deployments.unwrap_or_default();
    let whole = listed.next_token.is_none() && ids.len() <= AT_ONCE;
    ids.truncate(AT_ONCE);
    ids.retain(|id| id != deployment);
    let mut found = batch(clients, &ids).await?;
    found.push(named);

    let mut deployments: Vec<_> = found.into_iter().filter_map(read).collect();
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
    look_closer(clients, &mut deployments).await?;
    keep_one_specification_each(&mut deployments);
    let Some(newest) = deployments.first().cloned() else {
        return Ok(None);
    };
    deployments.retain(|deployment| deployment.status == Status::Succeeded);
    Ok(Some(Record { application, group, newest, succeeded: deployments, whole }))
}

/// A deployment that CodeDeploy does not know is an answer.
async fn get(clients: &Clients, deployment: &str) -> Result<Option<DeploymentInfo>> {
    let got = clients.codedeploy.get_deployment().deployment_id(deployment).send().await;
    match got.action("codedeploy:GetDeployment") {
        Ok(got) => Ok(got.deployment_info),
        Err(error)
            if matches!(
                error.code(),
                Some("DeploymentDoesNotExistException" | "InvalidDeploymentIdException")
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Describes deployments, 25 in a call.
pub(super) async fn batch(clients: &Clients, ids: &[String]) -> Result<Vec<DeploymentInfo>> {
    let mut found = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let got = clients
            .codedeploy
            .batch_get_deployments()
            .set_deployment_ids(Some(ids.to_vec()))
            .send()
            .await
            .action("codedeploy:BatchGetDeployments")?;
        found.extend(got.deployments_info.unwrap_or_default());
    }
    Ok(found)
}

/// A list is documented to bring the specification with it. Should it not, the few that matter are asked for.
async fn look_closer(clients: &Clients, deployments: &mut [Deployment]) -> Result<()> {
    let wanting = deployments.iter_mut().filter(|deployment| {
        deployment.specification.is_none()
            && matches!(deployment.status, Status::Succeeded | Status::InProgress)
    });
    for deployment in wanting.take(ASKED_AGAIN) {
        if let Some(closer) = get(clients, &deployment.id).await?.and_then(read) {
            deployment.specification = closer.specification;
            deployment.task_definition = closer.task_definition;
        }
    }
    Ok(())
}

/// Of deployments of the same task definition only the newest that succeeded is ever deployed again; the others'
/// specifications would only fill the record of the decision.
fn keep_one_specification_each(deployments: &mut [Deployment]) {
    let mut seen = BTreeSet::new();
    for deployment in deployments {
        let is_first = deployment.status == Status::Succeeded
            && deployment.task_definition.clone().is_none_or(|task_definition| seen.insert(task_definition));
        if !is_first {
            deployment.specification = None;
        }
    }
}

fn read(info: DeploymentInfo) -> Option<Deployment> {
    let specification = content(info.revision.as_ref()).map(ToOwned::to_owned);
    Some(Deployment {
        status: status(info.status.as_ref()),
        rollback: is_rollback(&info),
        created_at: info.create_time.as_ref().and_then(read_time),
        completed_at: info.complete_time.as_ref().and_then(read_time),
        task_definition: specification.as_deref().and_then(appspec::task_definition),
        specification,
        description: info.description,
        id: info.deployment_id?,
    })
}

/// The application specification, where CodeDeploy keeps it itself.
pub(super) fn content(revision: Option<&RevisionLocation>) -> Option<&str> {
    let revision = revision?;
    let content = revision.app_spec_content().and_then(|content| content.content());
    content.or_else(|| revision.string().and_then(|raw| raw.content()))
}

/// Whether a deployment is a rollback, or is being or was rolled back itself. CloudFormation makes rollbacks, too.
pub(super) fn is_rollback(info: &DeploymentInfo) -> bool {
    info.rollback_info.is_some()
        || matches!(
            info.creator,
            Some(DeploymentCreator::CodeDeployRollback | DeploymentCreator::CloudFormationRollback)
        )
}

pub(super) fn status(status: Option<&DeploymentStatus>) -> Status {
    use DeploymentStatus as S;
    match status {
        Some(S::Created | S::Queued | S::InProgress | S::Baking | S::Ready) => Status::InProgress,
        Some(S::Succeeded) => Status::Succeeded,
        Some(S::Failed) => Status::Failed,
        Some(S::Stopped) => Status::Stopped,
        Some(_) | None => Status::Unknown,
    }
}

#[cfg(test)]
pub(super) mod tests;
