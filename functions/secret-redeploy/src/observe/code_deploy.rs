//! The CodeDeploy deployment group that deploys a service. CodeDeploy cannot be asked for it by the service, so the groups
//! of all applications for ECS are looked through.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    ComputePlatform, DeploymentGroupInfo, DeploymentStatus, RevisionLocationType,
};
use shared::Result;
use shared::ecs::read_time;
use shared::error::Call;
use shared::target::Target;

use crate::facts::Group;

/// CodeDeploy describes at most this many applications or groups in one call (CodeDeploy API, `BatchGetApplications` and
/// `BatchGetDeploymentGroups`).
const AT_ONCE: usize = 100;

/// How many of a group's newest deployments are looked through for one that succeeded.
const NEWEST: usize = 25;

/// The group that names this service.
pub(super) async fn group(client: &Client, target: &Target) -> Result<Option<Group>> {
    let Target::Service { cluster, service } = target else {
        return Ok(None);
    };
    for application in applications(client).await? {
        let names = groups(client, &application).await?;
        for names in names.chunks(AT_ONCE) {
            let described = client
                .batch_get_deployment_groups()
                .application_name(&application)
                .set_deployment_group_names(Some(names.to_vec()))
                .send()
                .await
                .action("codedeploy:BatchGetDeploymentGroups")?;
            let names_it = |group: &&DeploymentGroupInfo| {
                group.ecs_services().iter().any(|named| {
                    named.service_name() == Some(service.as_str())
                        && named.cluster_name().and_then(|name| name.rsplit('/').next())
                            == Some(cluster.as_str())
                })
            };
            let found = described.deployment_groups_info().iter().find(names_it);
            if let Some(name) = found.and_then(DeploymentGroupInfo::deployment_group_name) {
                return look(client, &application, name).await.map(Some);
            }
        }
    }
    Ok(None)
}

async fn applications(client: &Client) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let listed = client.list_applications().set_next_token(token).send().await;
        let listed = listed.action("codedeploy:ListApplications")?;
        names.extend(listed.applications.unwrap_or_default());
        token = listed.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    let mut for_ecs = Vec::new();
    for names in names.chunks(AT_ONCE) {
        let described =
            client.batch_get_applications().set_application_names(Some(names.to_vec())).send().await;
        let described = described.action("codedeploy:BatchGetApplications")?;
        let of_ecs = described.applications_info.unwrap_or_default().into_iter();
        for_ecs.extend(
            of_ecs
                .filter(|application| application.compute_platform() == Some(&ComputePlatform::Ecs))
                .filter_map(|application| application.application_name),
        );
    }
    Ok(for_ecs)
}

async fn groups(client: &Client, application: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let listed = client
            .list_deployment_groups()
            .application_name(application)
            .set_next_token(token)
            .send()
            .await
            .action("codedeploy:ListDeploymentGroups")?;
        names.extend(listed.deployment_groups.unwrap_or_default());
        token = listed.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(names);
        }
    }
}

/// What is under way in a group, and what its last success was made of.
async fn look(client: &Client, application: &str, name: &str) -> Result<Group> {
    let listed =
        client.list_deployments().application_name(application).deployment_group_name(name).send().await;
    let mut ids = listed.action("codedeploy:ListDeployments")?.deployments.unwrap_or_default();
    ids.truncate(NEWEST);
    let mut group = Group {
        application: application.to_owned(),
        name: name.to_owned(),
        under_way: None,
        specification: None,
    };
    if ids.is_empty() {
        return Ok(group);
    }
    let described = client.batch_get_deployments().set_deployment_ids(Some(ids)).send().await;
    let mut newest = described.action("codedeploy:BatchGetDeployments")?.deployments_info.unwrap_or_default();
    newest.sort_by_key(|info| std::cmp::Reverse(info.create_time().and_then(read_time)));
    let is_over = |status: Option<&DeploymentStatus>| {
        matches!(
            status,
            Some(DeploymentStatus::Succeeded | DeploymentStatus::Failed | DeploymentStatus::Stopped)
        )
    };
    group.under_way = newest
        .iter()
        .find(|info| !is_over(info.status()))
        .and_then(|info| info.deployment_id().map(ToOwned::to_owned));
    let succeeded = newest.iter().find(|info| info.status() == Some(&DeploymentStatus::Succeeded));
    group.specification = succeeded
        .and_then(|info| info.revision())
        .filter(|revision| revision.revision_type() == Some(&RevisionLocationType::AppSpecContent))
        .and_then(|revision| revision.app_spec_content()?.content().map(ToOwned::to_owned));
    Ok(group)
}
