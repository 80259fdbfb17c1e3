//! ECS: the service, its deployments, its service deployments.

use aws_sdk_ecs::types as ecs;
use shared::ecs::read_time;
use shared::error::Call;
use shared::target::Target;
use shared::{Error, Result};

use crate::Clients;
use crate::facts::{Deployment, Event, Rollout, Service, ServiceDeployment, Status, Written};

/// As many events of a service tell of one deployment; ECS keeps a hundred.
const EVENTS_KEPT: usize = 30;

pub(super) async fn describe(clients: &Clients, cluster: &str, service: &str) -> Result<Option<Service>> {
    Ok(described(&clients.ecs, cluster, service).await?.and_then(read_service))
}

/// The service as ECS describes it, where there is one.
pub(crate) async fn described(
    client: &aws_sdk_ecs::Client,
    cluster: &str,
    service: &str,
) -> Result<Option<ecs::Service>> {
    let described = client
        .describe_services()
        .cluster(cluster)
        .services(service)
        .include(ecs::ServiceField::Tags)
        .send()
        .await
        .action("ecs:DescribeServices");
    match described {
        Ok(described) => Ok(described.services.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("ClusterNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn read_service(service: ecs::Service) -> Option<Service> {
    let tags = service.tags.unwrap_or_default().into_iter();
    let events = service.events.unwrap_or_default().into_iter().take(EVENTS_KEPT);
    Some(Service {
        arn: service.service_arn?,
        active: service.status.as_deref() == Some("ACTIVE"),
        desired: service.desired_count,
        running: service.running_count,
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        deployments: service
            .deployments
            .unwrap_or_default()
            .into_iter()
            .filter_map(read_deployment)
            .collect(),
        events: events
            .filter_map(|event| Some(Event { at: read_time(&event.created_at?)?, message: event.message? }))
            .collect(),
    })
}

fn read_deployment(deployment: ecs::Deployment) -> Option<Deployment> {
    use ecs::DeploymentRolloutState as R;
    let rollout = match deployment.rollout_state {
        Some(R::Completed) => Some(Rollout::Completed),
        Some(R::Failed) => Some(Rollout::Failed),
        // A state that this version does not know is no end.
        Some(R::InProgress | _) => Some(Rollout::InProgress),
        None => None,
    };
    Some(Deployment {
        id: deployment.id?,
        primary: deployment.status.as_deref() == Some("PRIMARY"),
        task_definition: deployment.task_definition?,
        rollout,
        reason: deployment.rollout_state_reason.unwrap_or_default(),
        desired: deployment.desired_count,
        running: deployment.running_count,
        created_at: deployment.created_at.as_ref().and_then(read_time),
        updated_at: deployment.updated_at.as_ref().and_then(read_time),
    })
}

/// A task definition's image and tags; none where it cannot be read, which is no reason not to tell of a deployment.
pub(super) async fn written(clients: &Clients, task_definition: &str) -> Option<Written> {
    let described = clients
        .ecs
        .describe_task_definition()
        .task_definition(task_definition)
        .include(ecs::TaskDefinitionField::Tags)
        .send()
        .await
        .action("ecs:DescribeTaskDefinition")
        .ok()?;
    let tags = described.tags.unwrap_or_default().into_iter();
    let containers = described.task_definition.and_then(|definition| definition.container_definitions);
    let containers = containers.unwrap_or_default();
    // ECS takes a container as essential where nothing is said.
    let first = containers.iter().find(|container| container.essential != Some(false));
    Some(Written {
        image: first.and_then(|container| container.image.clone()),
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
    })
}

pub(super) async fn deployment(clients: &Clients, arn: &str) -> Result<Option<ServiceDeployment>> {
    let described = describe_deployment(clients, arn).await?;
    Ok(described.map(|deployment| {
        use ecs::ServiceDeploymentStatus as S;
        let status = match deployment.status {
            Some(S::Successful) => Status::Successful,
            Some(S::Stopped) => Status::Stopped,
            Some(S::RollbackSuccessful) => Status::RolledBack,
            Some(S::RollbackFailed) => Status::RollbackFailed,
            // A state that this version does not know is no end.
            Some(
                S::Pending
                | S::InProgress
                | S::StopRequested
                | S::RollbackRequested
                | S::RollbackInProgress
                | _,
            )
            | None => Status::Moving,
        };
        let ended = deployment.finished_at.or(deployment.stopped_at).or(deployment.updated_at);
        ServiceDeployment {
            status,
            reason: deployment.status_reason.unwrap_or_default(),
            finished_at: ended.as_ref().and_then(read_time),
        }
    }))
}

async fn describe_deployment(clients: &Clients, arn: &str) -> Result<Option<ecs::ServiceDeployment>> {
    let described = clients
        .ecs
        .describe_service_deployments()
        .service_deployment_arns(arn)
        .send()
        .await
        .action("ecs:DescribeServiceDeployments")?;
    Ok(described.service_deployments.unwrap_or_default().into_iter().next())
}

/// The task definition of the newest service deployment that ECS takes or took back, where there is one.
pub(super) async fn failed(clients: &Clients, target: &Target) -> Result<Option<String>> {
    use ecs::ServiceDeploymentStatus as S;
    let Target::Service { cluster, service } = target else {
        return Err(Error::Malformed(format!("{target} is not an ECS service")));
    };
    let listed = clients
        .ecs
        .list_service_deployments()
        .cluster(cluster)
        .service(service)
        .max_results(20)
        .send()
        .await
        .action("ecs:ListServiceDeployments");
    let listed = match listed {
        Ok(listed) => listed.service_deployments.unwrap_or_default(),
        // A controller or partition without service deployments has none, which is an answer.
        Err(error)
            if matches!(
                error.code(),
                Some(
                    "UnsupportedFeatureException" | "ServiceNotFoundException" | "InvalidParameterException"
                )
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let newest =
        listed.into_iter().max_by_key(|deployment| deployment.created_at.as_ref().and_then(read_time));
    let taken_back = newest.filter(|deployment| {
        matches!(
            deployment.status,
            Some(
                S::RollbackRequested
                    | S::RollbackInProgress
                    | S::RollbackSuccessful
                    | S::RollbackFailed
                    | S::Stopped
            )
        )
    });
    let Some(revision) = taken_back.and_then(|deployment| deployment.target_service_revision_arn) else {
        return Ok(None);
    };
    let described = clients
        .ecs
        .describe_service_revisions()
        .service_revision_arns(revision)
        .send()
        .await
        .action("ecs:DescribeServiceRevisions")?;
    let revision = described.service_revisions.unwrap_or_default().into_iter().next();
    Ok(revision.and_then(|revision| revision.task_definition))
}
