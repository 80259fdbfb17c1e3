//! Looks at an ECS service, its deployments and its task definitions.

use std::collections::BTreeMap;

use aws_sdk_ecs::types as ecs;
use aws_smithy_types::DateTime;
use futures_util::future::try_join_all;
use shared::error::Call;
use shared::target::Target;
use shared::{Error, Result};

use super::{code_deploy, needs, read_time, stack};
use crate::Clients;
use crate::decision::service::Question;
use crate::facts::service::{Controller, Port, Scene, Service, ServiceDeployment, ServiceRevision, Status};

/// ECS describes at most this many service revisions in one call (ECS API, `DescribeServiceRevisions`).
const REVISIONS_AT_ONCE: usize = 20;

/// ECS describes at most this many services in one call (ECS API, `DescribeServices`).
const SERVICES_AT_ONCE: usize = 10;

/// ECS lists at most this many services on one page (ECS API, `ListServices`).
const SERVICES_ON_A_PAGE: i32 = 100;

/// As many deployments of a service are looked at: enough to find what was good, and no more to describe than twice.
const DEPLOYMENTS_KEPT: usize = 20;

/// How many pages of a service's deployments are read at most, of 100 each.
const PAGES_OF_DEPLOYMENTS: usize = 10;

/// What is worth knowing at first sight.
pub(super) async fn scene(clients: &Clients, cluster: &str, service: &str) -> Result<Scene> {
    let (service, deployments) =
        tokio::try_join!(describe(clients, cluster, service), deployments(clients, cluster, service))?;
    Ok(Scene { service, deployments, ..Scene::default() })
}

/// Finds out what the rules ask, and adds it to the scene.
pub(super) async fn answer(clients: &Clients, scene: &mut Scene, question: Question) -> Result<()> {
    match question {
        Question::Owner(stack) => scene.owner = Some(owner(clients, &stack).await?),
        Question::Sources(deployment) => scene.sources = Some(sources(clients, &deployment).await?),
        Question::Revisions(arns) => scene.revisions = Some(revisions(clients, arns).await?),
        Question::Earlier(task_definition) => {
            scene.earlier = Some(earlier(clients, &task_definition).await?);
        }
        Question::Candidate { arn, images } => {
            scene.candidate = Some(needs::task_definition(clients, &arn, &images).await?);
        }
        Question::CodeDeploy(deployment) => {
            scene.code_deploy = Some(code_deploy::record(clients, &deployment).await?);
        }
        Question::Rotated(task_definition) => {
            scene.rotated = Some(needs::rotated(clients, &task_definition).await?);
        }
    }
    Ok(())
}

/// The status of the stack that owns a service; `None` where it is gone. Where the stack is nested, its root's: as long
/// as that is being changed, it can still take the nested one back.
async fn owner(clients: &Clients, stack: &str) -> Result<Option<String>> {
    Ok(stack::root(clients, stack).await?.map(|stack| stack.status))
}

/// The service revisions that a service deployment began from.
async fn sources(clients: &Clients, deployment: &str) -> Result<Vec<String>> {
    let described =
        clients.ecs.describe_service_deployments().service_deployment_arns(deployment).send().await;
    let described = described.action("ecs:DescribeServiceDeployments")?;
    let sources =
        described.service_deployments().first().map(ecs::ServiceDeployment::source_service_revisions);
    Ok(sources
        .unwrap_or_default()
        .iter()
        .filter_map(|revision| revision.arn())
        .map(ToOwned::to_owned)
        .collect())
}

/// The services whose load balancers send to these target groups (`targetgroup/<name>/<id>`), in the clusters that
/// are watched. ECS cannot be asked the other way round, so all of them are looked at, ten in a call and ten calls at
/// once: no more than one page of a list needs.
pub(super) async fn behind(clients: &Clients, groups: &[String], clusters: &str) -> Result<Vec<Target>> {
    let mut found = Vec::new();
    for cluster in self::clusters(clients, clusters).await? {
        let mut pages = clients
            .ecs
            .list_services()
            .cluster(&cluster)
            .max_results(SERVICES_ON_A_PAGE)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let listed = match page.action("ecs:ListServices") {
                Ok(page) => page.service_arns.unwrap_or_default(),
                // A cluster that is not there has no services.
                Err(error) if error.code() == Some("ClusterNotFoundException") => break,
                Err(error) => return Err(error),
            };
            let described = listed.chunks(SERVICES_AT_ONCE).map(async |some| {
                let described = clients.ecs.describe_services().cluster(&cluster);
                described.set_services(Some(some.to_vec())).send().await.action("ecs:DescribeServices")
            });
            for described in try_join_all(described).await? {
                found.extend(described.services().iter().filter_map(|service| target(service, groups)));
            }
        }
    }
    Ok(found)
}

/// The names of the clusters that are watched.
async fn clusters(clients: &Clients, pattern: &str) -> Result<Vec<String>> {
    let Some(beginning) = pattern.strip_suffix('*') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let mut names = Vec::new();
    let mut pages = clients.ecs.list_clusters().into_paginator().send();
    while let Some(page) = pages.next().await {
        let arns = page.action("ecs:ListClusters")?.cluster_arns.unwrap_or_default();
        let name = |arn: &String| arn.rsplit('/').next().map(ToOwned::to_owned);
        names.extend(arns.iter().filter_map(name).filter(|name| name.starts_with(beginning)));
    }
    Ok(names)
}

/// A service reaches a target group by itself, by the other one of a blue/green deployment, or by a task set that
/// CodeDeploy made.
fn target(service: &ecs::Service, groups: &[String]) -> Option<Target> {
    let of_sets = service.task_sets().iter().flat_map(ecs::TaskSet::load_balancers);
    let is_meant = |arn: &str| {
        groups.iter().any(|group| arn.strip_suffix(group.as_str()).is_some_and(|rest| rest.ends_with(':')))
    };
    let is_behind = service.load_balancers().iter().chain(of_sets).any(|balancer| {
        let other = balancer.advanced_configuration().and_then(|other| other.alternate_target_group_arn());
        balancer.target_group_arn().into_iter().chain(other).any(is_meant)
    });
    let name = |arn: Option<&str>| arn.and_then(|arn| arn.rsplit('/').next()).map(ToOwned::to_owned);
    if !is_behind {
        return None;
    }
    Some(Target::Service {
        cluster: name(service.cluster_arn())?,
        service: service.service_name()?.to_owned(),
    })
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
        Some(ecs::DeploymentControllerType::CodeDeploy) => Controller::CodeDeploy,
        Some(other) => Controller::Other(other.as_str().to_owned()),
    };
    let strategy = service.deployment_configuration().and_then(|configuration| configuration.strategy());
    let on_fargate = |provider: &str| provider.starts_with("FARGATE");
    Some(Service {
        active: service.status() == Some("ACTIVE"),
        controller,
        strategy: strategy.map_or("ROLLING", ecs::DeploymentStrategy::as_str).to_owned(),
        desired: service.desired_count(),
        running: service.running_count(),
        deployed_at,
        ports: service.load_balancers().iter().filter_map(port).collect(),
        fargate: service.launch_type() == Some(&ecs::LaunchType::Fargate)
            || service.capacity_provider_strategy().iter().any(|item| on_fargate(item.capacity_provider())),
        code_deploy: code_deploy_deployment(&service),
        tags: service
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
        arn: service.service_arn?,
        task_definition: service.task_definition?,
    })
}

fn port(balancer: &ecs::LoadBalancer) -> Option<Port> {
    Some(Port { container: balancer.container_name()?.to_owned(), port: balancer.container_port()? })
}

/// A task set that CodeDeploy made carries its deployment's id (ECS API, `TaskSet.externalId`); the newest counts.
fn code_deploy_deployment(service: &ecs::Service) -> Option<String> {
    let made = service.task_sets().iter().filter(|set| set.external_id().is_some());
    let newest = made.max_by_key(|set| set.created_at().map(DateTime::as_nanos));
    newest.and_then(|set| set.external_id()).map(ToOwned::to_owned)
}

/// Newest first. A controller or partition without service deployments has none, which is an answer.
async fn deployments(clients: &Clients, cluster: &str, service: &str) -> Result<Vec<ServiceDeployment>> {
    let mut deployments = Vec::new();
    let mut token = None;
    // No order is promised (ECS API, `ListServiceDeployments`), so the newest may be on the last page.
    for _ in 0..PAGES_OF_DEPLOYMENTS {
        let listed = clients
            .ecs
            .list_service_deployments()
            .cluster(cluster)
            .service(service)
            .max_results(100)
            .set_next_token(token.take())
            .send()
            .await
            .action("ecs:ListServiceDeployments");
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if has_none(&error) => break,
            Err(error) => return Err(error),
        };
        deployments
            .extend(listed.service_deployments.unwrap_or_default().into_iter().filter_map(read_deployment));
        token = listed.next_token;
        if token.is_none() {
            break;
        }
    }
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
    deployments.truncate(DEPLOYMENTS_KEPT);
    Ok(deployments)
}

fn has_none(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            "UnsupportedFeatureException"
                | "ServiceNotFoundException"
                | "ClusterNotFoundException"
                | "InvalidParameterException"
        )
    )
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

/// All of them: what is left out could be what runs, or what to return to.
async fn revisions(clients: &Clients, mut arns: Vec<String>) -> Result<Vec<ServiceRevision>> {
    arns.sort();
    arns.dedup();
    let described = arns.chunks(REVISIONS_AT_ONCE).map(async |some| {
        let described =
            clients.ecs.describe_service_revisions().set_service_revision_arns(Some(some.to_vec()));
        described.send().await.action("ecs:DescribeServiceRevisions")
    });
    let described = try_join_all(described).await?.into_iter();
    let described = described.flat_map(|described| described.service_revisions.unwrap_or_default());
    Ok(described.filter_map(read_revision).collect())
}

fn read_revision(revision: ecs::ServiceRevision) -> Option<ServiceRevision> {
    let image = |image: &ecs::ContainerImage| {
        Some((image.container_name()?.to_owned(), image.image_digest()?.to_owned()))
    };
    Some(ServiceRevision {
        images: revision.container_images().iter().filter_map(image).collect(),
        around: around(&revision),
        arn: revision.service_revision_arn?,
        task_definition: revision.task_definition?,
    })
}

/// What a task definition does not say, in words that can be compared.
fn around(revision: &ecs::ServiceRevision) -> BTreeMap<String, String> {
    let mut around = BTreeMap::new();
    let mut keep = |name: &str, mut words: Vec<String>| {
        words.sort();
        if !words.is_empty() {
            around.insert(name.to_owned(), words.join(", "));
        }
    };
    let network = revision.network_configuration().and_then(|network| network.awsvpc_configuration());
    if let Some(network) = network {
        keep("subnets", network.subnets().to_vec());
        keep("security groups", network.security_groups().to_vec());
        keep(
            "public address",
            network.assign_public_ip().map(|ip| ip.as_str().to_owned()).into_iter().collect(),
        );
    }
    let groups = revision.load_balancers().iter().filter_map(|balancer| {
        let (container, port) = (balancer.container_name()?, balancer.container_port()?);
        Some(format!("{container}:{port} behind {}", balancer.target_group_arn()?))
    });
    keep("load balancers", groups.collect());
    let providers = revision
        .capacity_provider_strategy()
        .iter()
        .map(|item| format!("{} weight {} base {}", item.capacity_provider(), item.weight(), item.base()));
    keep("capacity providers", providers.collect());
    keep("launch type", revision.launch_type().map(|kind| kind.as_str().to_owned()).into_iter().collect());
    keep("platform version", revision.platform_version().map(ToOwned::to_owned).into_iter().collect());
    around
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

#[cfg(test)]
mod tests;
