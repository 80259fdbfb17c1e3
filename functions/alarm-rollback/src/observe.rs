//! Looks at the world, one question at a time. AWS types end here.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue, Tag as AlarmTag};
use aws_sdk_ecs::types as ecs;
use jiff::Timestamp;
use shared::alarm::State;
use shared::error::Call;
use shared::lambda::Invocation;
use shared::tags::Tags;
use shared::target::Target;
use shared::{Error, Result};

use crate::Clients;
use crate::decision::Question;
use crate::facts::{
    Alarm, Controller, Facts, Scene, Service, ServiceDeployment, ServiceRevision, Status, Strategy,
    TaskDefinition,
};

/// ECS describes at most this many service revisions in one call (ECS API, `DescribeServiceRevisions`).
const REVISIONS_AT_ONCE: usize = 20;

/// Finds out what the decision asks, and adds it to the facts.
pub(crate) async fn answer(
    clients: &Clients,
    facts: &mut Facts,
    question: Question,
    invocation: &Invocation,
) -> Result<()> {
    match question {
        Question::ClaimAndAlarm => {
            let key = facts.claim_key();
            let claim =
                clients.ledger.claim(&key, &invocation.request_id, invocation.now, invocation.deadline);
            let (claim, alarm) = tokio::try_join!(claim, alarm(clients, facts))?;
            facts.claim = Some(claim);
            facts.alarm = Some(alarm);
        }
        Question::Alarm => facts.alarm = Some(alarm(clients, facts).await?),
        Question::Incident => facts.incident = Some(clients.ledger.incident(&facts.incident_key()).await?),
        Question::Scene(target) => facts.scene = Some(scene(clients, &target).await?),
        Question::Revisions(arns) => facts.revisions = Some(revisions(clients, arns).await?),
        Question::Earlier(task_definition) => {
            facts.earlier = Some(earlier(clients, &task_definition).await?);
        }
        Question::TaskDefinition(arn) => facts.candidate = Some(task_definition(clients, &arn).await?),
    }
    Ok(())
}

async fn alarm(clients: &Clients, facts: &Facts) -> Result<Alarm> {
    let described = async {
        clients
            .cloudwatch
            .describe_alarms()
            .alarm_names(&facts.change.name)
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .send()
            .await
            .action("cloudwatch:DescribeAlarms")
    };
    let (described, known) = match &facts.change.arn {
        Some(arn) => {
            let (described, tags) = tokio::try_join!(described, alarm_tags(clients, arn))?;
            (described, Some(tags))
        }
        None => (described.await?, None),
    };
    let metric = described.metric_alarms().first().map(|alarm| (alarm.alarm_arn(), alarm.state_value()));
    let composite =
        described.composite_alarms().first().map(|alarm| (alarm.alarm_arn(), alarm.state_value()));
    let Some((arn, state)) = metric.or(composite) else {
        return Ok(Alarm::default());
    };
    let tags = match (known, arn) {
        (Some(tags), _) => tags,
        (None, Some(arn)) => alarm_tags(clients, arn).await?,
        (None, None) => Tags::new(),
    };
    Ok(Alarm { state: state.map(StateValue::as_str).and_then(State::read), tags })
}

/// A deleted alarm has no tags.
async fn alarm_tags(clients: &Clients, arn: &str) -> Result<Tags> {
    let listed = clients.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
    match listed.action("cloudwatch:ListTagsForResource") {
        Ok(listed) => Ok(listed.tags.unwrap_or_default().into_iter().filter_map(alarm_tag).collect()),
        Err(error) if matches!(error.code(), Some("ResourceNotFoundException" | "ResourceNotFound")) => {
            Ok(Tags::new())
        }
        Err(error) => Err(error),
    }
}

fn alarm_tag(tag: AlarmTag) -> Option<(String, String)> {
    Some((tag.key?, tag.value?))
}

async fn scene(clients: &Clients, target: &Target) -> Result<Scene> {
    let Target::Service { cluster, service } = target else {
        return Err(Error::Malformed(format!("{target} is not an ECS service")));
    };
    let (described, deployments, memory) = tokio::try_join!(
        describe(clients, cluster, service),
        deployments(clients, cluster, service),
        clients.ledger.recall(target),
    )?;
    Ok(Scene { service: described, deployments, memory })
}

async fn describe(clients: &Clients, cluster: &str, service: &str) -> Result<Option<Service>> {
    let described = clients
        .ecs
        .describe_services()
        .cluster(cluster)
        .services(service)
        .include(ecs::ServiceField::Tags)
        .send()
        .await
        .action("ecs:DescribeServices");
    match described {
        Ok(described) => Ok(described.services.unwrap_or_default().into_iter().next().and_then(read_service)),
        Err(error) if error.code() == Some("ClusterNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_service(service: ecs::Service) -> Option<Service> {
    let primary = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"));
    let deployed_at = primary.and_then(|deployment| deployment.created_at()).and_then(read_time);
    let controller = match service.deployment_controller().map(ecs::DeploymentController::r#type) {
        None | Some(ecs::DeploymentControllerType::Ecs) => Controller::Ecs,
        Some(other) => Controller::Other(other.as_str().to_owned()),
    };
    let strategy = match service.deployment_configuration().and_then(|configuration| configuration.strategy())
    {
        None | Some(ecs::DeploymentStrategy::Rolling) => Strategy::Rolling,
        Some(other) => Strategy::Other(other.as_str().to_owned()),
    };
    Some(Service {
        active: service.status() == Some("ACTIVE"),
        controller,
        strategy,
        desired: service.desired_count(),
        running: service.running_count(),
        deployed_at,
        tags: service
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
        arn: service.service_arn?,
        task_definition: service.task_definition?,
    })
}

/// Newest first. A controller or partition without service deployments has none, which is an answer.
async fn deployments(clients: &Clients, cluster: &str, service: &str) -> Result<Vec<ServiceDeployment>> {
    let listed = clients
        .ecs
        .list_service_deployments()
        .cluster(cluster)
        .service(service)
        .max_results(100)
        .send()
        .await
        .action("ecs:ListServiceDeployments");
    let listed = match listed {
        Ok(listed) => listed.service_deployments.unwrap_or_default(),
        Err(error)
            if matches!(
                error.code(),
                Some(
                    "UnsupportedFeatureException"
                        | "ServiceNotFoundException"
                        | "ClusterNotFoundException"
                        | "InvalidParameterException"
                )
            ) =>
        {
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let mut deployments: Vec<_> = listed.into_iter().filter_map(read_deployment).collect();
    // Sorted here, because no order is promised; and no more than can be asked about in one call.
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
    deployments.truncate(REVISIONS_AT_ONCE);
    Ok(deployments)
}

fn read_deployment(deployment: ecs::ServiceDeploymentBrief) -> Option<ServiceDeployment> {
    use ecs::ServiceDeploymentStatus as S;
    let status = match deployment.status {
        Some(S::Pending | S::InProgress) => Status::InProgress,
        Some(S::Successful) => Status::Successful,
        Some(S::StopRequested | S::Stopped) => Status::Stopped,
        Some(S::RollbackRequested | S::RollbackInProgress) => Status::RollingBack,
        Some(S::RollbackSuccessful) => Status::RolledBack,
        Some(S::RollbackFailed) => Status::RollbackFailed,
        Some(_) | None => Status::Unknown,
    };
    Some(ServiceDeployment {
        arn: deployment.service_deployment_arn?,
        status,
        created_at: deployment.created_at.as_ref().and_then(read_time),
        finished_at: deployment.finished_at.as_ref().and_then(read_time),
        revision: deployment.target_service_revision_arn?,
    })
}

async fn revisions(clients: &Clients, mut arns: Vec<String>) -> Result<Vec<ServiceRevision>> {
    arns.sort();
    arns.dedup();
    arns.truncate(REVISIONS_AT_ONCE);
    let described = clients
        .ecs
        .describe_service_revisions()
        .set_service_revision_arns(Some(arns))
        .send()
        .await
        .action("ecs:DescribeServiceRevisions")?;
    Ok(described.service_revisions.unwrap_or_default().into_iter().filter_map(read_revision).collect())
}

fn read_revision(revision: ecs::ServiceRevision) -> Option<ServiceRevision> {
    let images: BTreeSet<_> = revision
        .container_images()
        .iter()
        .filter_map(|image| image.image_digest())
        .map(ToOwned::to_owned)
        .collect();
    Some(ServiceRevision {
        arn: revision.service_revision_arn?,
        task_definition: revision.task_definition?,
        images,
    })
}

/// The family's `ACTIVE` task definitions with a lower revision than this one, newest first.
async fn earlier(clients: &Clients, task_definition: &str) -> Result<Vec<String>> {
    let Some((family, revision)) = split(task_definition) else {
        return Ok(Vec::new());
    };
    let listed = clients
        .ecs
        .list_task_definitions()
        .family_prefix(family)
        .status(ecs::TaskDefinitionStatus::Active)
        .sort(ecs::SortOrder::Desc)
        .max_results(100)
        .send()
        .await
        .action("ecs:ListTaskDefinitions")?;
    let mut earlier: Vec<(u64, String)> = listed
        .task_definition_arns
        .unwrap_or_default()
        .into_iter()
        .filter_map(|arn| {
            let (its_family, its_revision) = split(&arn)?;
            (its_family == family && its_revision < revision).then_some((its_revision, arn))
        })
        .collect();
    earlier.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    Ok(earlier.into_iter().map(|(_, arn)| arn).collect())
}

/// Family and revision of `arn:…:task-definition/<family>:<revision>`.
fn split(arn: &str) -> Option<(&str, u64)> {
    let (_, name) = arn.rsplit_once('/')?;
    let (family, revision) = name.rsplit_once(':')?;
    Some((family, revision.parse().ok()?))
}

/// A task definition that ECS no longer knows counts as inactive: it cannot be deployed either.
async fn task_definition(clients: &Clients, arn: &str) -> Result<TaskDefinition> {
    let described = clients.ecs.describe_task_definition().task_definition(arn).send().await;
    let active = match described.action("ecs:DescribeTaskDefinition") {
        Ok(described) => described
            .task_definition
            .is_some_and(|definition| definition.status == Some(ecs::TaskDefinitionStatus::Active)),
        Err(error) if error.code() == Some("ClientException") => false,
        Err(error) => return Err(error),
    };
    Ok(TaskDefinition { arn: arn.to_owned(), active })
}

fn read_time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}

#[cfg(test)]
mod tests;
