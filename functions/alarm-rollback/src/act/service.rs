//! The calls that change an ECS service.

use aws_sdk_ecs::types as ecs;
use shared::Result;
use shared::ecs::copy;
use shared::error::Call;

use super::{Made, astray};
use crate::Clients;
use crate::decision::Act;

pub(super) async fn perform(
    clients: &Clients,
    cluster: &str,
    service: &str,
    act: &Act,
    operation: &str,
) -> Result<Made> {
    let update = clients.ecs.update_service().cluster(cluster).service(service);
    match act {
        // The task definition and nothing else: a desired count passed here would fight autoscaling.
        Act::UpdateService { task_definition } => {
            let updated = update.task_definition(task_definition).send().await.action("ecs:UpdateService")?;
            Ok(Made::Done { deployment: updated.service().and_then(primary) })
        }
        Act::Scale { desired } => {
            let updated = update.desired_count(*desired).send().await.action("ecs:UpdateService")?;
            Ok(Made::Done { deployment: updated.service().and_then(primary) })
        }
        Act::StopServiceDeployment { deployment } => stop(clients, deployment).await,
        Act::RegisterTaskDefinition { of, images } => {
            let copy = copy::register(&clients.ecs, of, images, operation).await?;
            Ok(Made::Copied { task_definition: copy })
        }
        Act::CreateDeployment { .. }
        | Act::StopDeployment { .. }
        | Act::UpdateAlias { .. }
        | Act::CancelUpdateStack
        | Act::ContinueUpdateRollback { .. }
        | Act::RollbackStack => Err(astray(act)),
    }
}

fn primary(service: &ecs::Service) -> Option<String> {
    let primary = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))?;
    primary.id().map(ToOwned::to_owned)
}

/// Stops the deployment in flight, so that ECS goes back to what it began from.
async fn stop(clients: &Clients, deployment: &str) -> Result<Made> {
    let stopped = clients
        .ecs
        .stop_service_deployment()
        .service_deployment_arn(deployment)
        .stop_type(ecs::StopServiceDeploymentStopType::Rollback)
        .send()
        .await;
    match stopped.action("ecs:StopServiceDeployment") {
        Ok(_) => Ok(Made::Done { deployment: Some(deployment.to_owned()) }),
        // It finished, or somebody stopped it, between the look and the call.
        Err(error)
            if matches!(error.code(), Some("ConflictException" | "ServiceDeploymentNotFoundException")) =>
        {
            Ok(Made::Again)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
