//! Tells CodeDeploy to stop a deployment, or to make a new one.

use aws_sdk_codedeploy::types::{
    AlarmConfiguration, AppSpecContent, DeploymentInfo, DeploymentStatus, RevisionLocation,
    RevisionLocationType,
};
use shared::Result;
use shared::error::Call;

use super::{Made, astray};
use crate::Clients;
use crate::decision::Act;

/// How many of a group's newest deployments are looked through: as many as CodeDeploy describes in one call (CodeDeploy
/// API, `BatchGetDeployments`).
const NEWEST: usize = 25;

/// Stops a deployment, or creates one.
///
/// # Errors
/// What CodeDeploy answers.
pub(super) async fn perform(clients: &Clients, act: &Act, operation: &str) -> Result<Made> {
    match act {
        Act::StopDeployment { deployment } => stop(clients, deployment).await,
        Act::CreateDeployment { application, group, specification } => {
            create(clients, application, group, specification, operation).await
        }
        Act::UpdateService { .. }
        | Act::Scale { .. }
        | Act::StopServiceDeployment { .. }
        | Act::RegisterTaskDefinition { .. }
        | Act::UpdateAlias { .. }
        | Act::CancelUpdateStack
        | Act::ContinueUpdateRollback { .. }
        | Act::RollbackStack => Err(astray(act)),
    }
}

/// Stops a deployment and lets CodeDeploy go back to what it began from.
async fn stop(clients: &Clients, deployment: &str) -> Result<Made> {
    let stopped = clients
        .codedeploy
        .stop_deployment()
        .deployment_id(deployment)
        .auto_rollback_enabled(true)
        .send()
        .await;
    match stopped.action("codedeploy:StopDeployment") {
        Ok(_) => Ok(Made::Done { deployment: Some(deployment.to_owned()) }),
        Err(error) if error.code() == Some("DeploymentAlreadyCompletedException") => {
            // One that was stopped needs no second stop; it may be our own, by an invocation that was cut off.
            let got = clients.codedeploy.get_deployment().deployment_id(deployment).send().await;
            let info = got.action("codedeploy:GetDeployment")?.deployment_info;
            let is_stopped = info.is_some_and(|info| info.status == Some(DeploymentStatus::Stopped));
            Ok(if is_stopped { Made::Done { deployment: Some(deployment.to_owned()) } } else { Made::Again })
        }
        Err(error) => Err(error),
    }
}

/// CodeDeploy takes no token that would make a second request the same as the first, so its newest deployments are
/// looked through for the operation's id.
async fn create(
    clients: &Clients,
    application: &str,
    group: &str,
    specification: &str,
    operation: &str,
) -> Result<Made> {
    if let Some(made) = made_before(clients, application, group, operation).await? {
        return Ok(Made::Done { deployment: Some(made) });
    }
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(specification).build())
        .build();
    let created = clients
        .codedeploy
        .create_deployment()
        .application_name(application)
        .deployment_group_name(group)
        .revision(revision)
        .description(format!("Watchkeeper rolls back: operation {operation}"))
        // The group's alarms fire because of what is left, and would stop the way out of it.
        .override_alarm_configuration(AlarmConfiguration::builder().enabled(false).build())
        .send()
        .await;
    match created.action("codedeploy:CreateDeployment") {
        Ok(created) => Ok(Made::Done { deployment: created.deployment_id }),
        // Somebody deploys at this moment.
        Err(error) if error.code() == Some("DeploymentLimitExceededException") => Ok(Made::Again),
        Err(error) => Err(error),
    }
}

async fn made_before(
    clients: &Clients,
    application: &str,
    group: &str,
    operation: &str,
) -> Result<Option<String>> {
    let listed = clients
        .codedeploy
        .list_deployments()
        .application_name(application)
        .deployment_group_name(group)
        .send()
        .await
        .action("codedeploy:ListDeployments")?;
    let mut ids = listed.deployments.unwrap_or_default();
    ids.truncate(NEWEST);
    if ids.is_empty() {
        return Ok(None);
    }
    let described = clients
        .codedeploy
        .batch_get_deployments()
        .set_deployment_ids(Some(ids))
        .send()
        .await
        .action("codedeploy:BatchGetDeployments")?;
    let newest = described.deployments_info.unwrap_or_default();
    let names_it =
        |info: &DeploymentInfo| info.description().is_some_and(|description| description.contains(operation));
    Ok(newest.into_iter().find(names_it).and_then(|info| info.deployment_id))
}

#[cfg(test)]
pub(super) mod tests;
