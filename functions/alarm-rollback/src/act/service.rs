//! The calls that change an ECS service.

use std::collections::BTreeMap;

use aws_sdk_ecs::types as ecs;
use shared::error::Call;
use shared::{Error, Result};

use super::{Made, astray};
use crate::Clients;
use crate::decision::Act;

/// A task definition has at most this many tags (ECS API, `RegisterTaskDefinition`).
const MOST_TAGS: usize = 50;

/// On a copy: the operation that registered it, and of what it is a copy.
const OPERATION: &str = "watchkeeper:operation";
const COPY_OF: &str = "watchkeeper:copy-of";

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
        Act::RegisterTaskDefinition { of, images } => register(clients, of, images, operation).await,
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

/// Registers a copy of a task definition, with these images instead of those that it names. A copy that this
/// operation registered before, and could not record, is found again by its tag.
async fn register(
    clients: &Clients,
    of: &str,
    images: &BTreeMap<String, String>,
    operation: &str,
) -> Result<Made> {
    let described = clients.ecs.describe_task_definition().task_definition(of);
    let described = described.include(ecs::TaskDefinitionField::Tags).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    let tags = described.tags().to_vec();
    let definition =
        described.task_definition.ok_or_else(|| Error::Missing(format!("the task definition {of}")))?;
    let family = definition.family().unwrap_or_default().to_owned();
    if let Some(copy) = registered_before(clients, &family, operation).await? {
        return Ok(Made::Copied { task_definition: copy });
    }
    let containers = definition.container_definitions.unwrap_or_default().into_iter().map(|mut container| {
        if let Some(image) = container.name().and_then(|name| images.get(name)) {
            container.image = Some(image.clone());
        }
        container
    });
    let own = [(OPERATION, operation), (COPY_OF, of)];
    let own = own.map(|(key, value)| ecs::Tag::builder().key(key).value(value).build());
    // CloudFormation's own tags cannot be set by others, and an older copy's do not hold for this one.
    let kept = tags.into_iter().filter(|tag| {
        !tag.key().is_some_and(|key| key.starts_with("aws:") || key == OPERATION || key == COPY_OF)
    });
    let registered = clients
        .ecs
        .register_task_definition()
        .family(&family)
        .set_task_role_arn(definition.task_role_arn)
        .set_execution_role_arn(definition.execution_role_arn)
        .set_network_mode(definition.network_mode)
        .set_container_definitions(Some(containers.collect()))
        .set_volumes(definition.volumes)
        .set_placement_constraints(definition.placement_constraints)
        .set_requires_compatibilities(definition.requires_compatibilities)
        .set_cpu(definition.cpu)
        .set_memory(definition.memory)
        .set_tags(Some(own.into_iter().chain(kept).take(MOST_TAGS).collect()))
        .set_pid_mode(definition.pid_mode)
        .set_ipc_mode(definition.ipc_mode)
        .set_proxy_configuration(definition.proxy_configuration)
        .set_ephemeral_storage(definition.ephemeral_storage)
        .set_runtime_platform(definition.runtime_platform)
        .set_enable_fault_injection(definition.enable_fault_injection)
        .send()
        .await
        .action("ecs:RegisterTaskDefinition")?;
    let copy = registered.task_definition().and_then(|copy| copy.task_definition_arn());
    let copy = copy.ok_or_else(|| Error::Malformed("ECS registered a copy without an ARN".to_owned()))?;
    Ok(Made::Copied { task_definition: copy.to_owned() })
}

/// The family's newest task definition, if this operation registered it.
async fn registered_before(clients: &Clients, family: &str, operation: &str) -> Result<Option<String>> {
    let listed = clients
        .ecs
        .list_task_definitions()
        .family_prefix(family)
        .status(ecs::TaskDefinitionStatus::Active)
        .sort(ecs::SortOrder::Desc)
        .max_results(1)
        .send()
        .await
        .action("ecs:ListTaskDefinitions")?;
    let Some(newest) = listed.task_definition_arns().first() else {
        return Ok(None);
    };
    let described = clients.ecs.describe_task_definition().task_definition(newest);
    let described = described.include(ecs::TaskDefinitionField::Tags).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    let is_ours =
        described.tags().iter().any(|tag| tag.key() == Some(OPERATION) && tag.value() == Some(operation));
    Ok(is_ours.then(|| newest.clone()))
}

#[cfg(test)]
mod tests;
