//! A copy of a task definition, with other images or because the original was deregistered.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as ecs;

use crate::error::Call;
use crate::{Error, Result};

/// A task definition has at most this many tags (ECS API, `RegisterTaskDefinition`).
const MOST_TAGS: usize = 50;

/// On a copy: the operation that registered it.
pub const OPERATION: &str = "watchkeeper:operation";

/// On a copy: of what it is one.
pub const COPY_OF: &str = "watchkeeper:copy-of";

/// Registers a copy of a task definition, with these images instead of those that it names. A copy that this
/// operation registered before, and could not record, is found again by its tag.
///
/// # Errors
/// What ECS answers; [`Error::Missing`] where it does not know the original.
pub async fn register(
    client: &Client,
    of: &str,
    images: &BTreeMap<String, String>,
    operation: &str,
) -> Result<String> {
    let described = client.describe_task_definition().task_definition(of);
    let described = described.include(ecs::TaskDefinitionField::Tags).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    let tags = described.tags().to_vec();
    let definition =
        described.task_definition.ok_or_else(|| Error::Missing(format!("the task definition {of}")))?;
    let family = definition.family().unwrap_or_default().to_owned();
    if let Some(copy) = registered_before(client, &family, operation).await? {
        return Ok(copy);
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
    let registered = client
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
    Ok(copy.to_owned())
}

/// The family's newest task definition, if this operation registered it.
async fn registered_before(client: &Client, family: &str, operation: &str) -> Result<Option<String>> {
    let listed = client
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
    let described = client.describe_task_definition().task_definition(newest);
    let described = described.include(ecs::TaskDefinitionField::Tags).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    let is_ours =
        described.tags().iter().any(|tag| tag.key() == Some(OPERATION) && tag.value() == Some(operation));
    Ok(is_ours.then(|| newest.clone()))
}
