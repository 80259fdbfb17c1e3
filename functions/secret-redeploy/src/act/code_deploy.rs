//! Has CodeDeploy deploy anew what runs.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::config::retry::RetryConfig;
use aws_sdk_codedeploy::types::{AppSpecContent, DeploymentInfo, RevisionLocation, RevisionLocationType};
use serde_json::json;
use shared::error::Call;
use shared::{Error, Result};

use crate::decision::service::Plan;

/// How many of a group's newest deployments are looked through: as many as CodeDeploy describes in one call (CodeDeploy
/// API, `BatchGetDeployments`).
const NEWEST: usize = 25;

/// Creates the deployment; its id.
///
/// # Errors
/// What CodeDeploy answers; [`Error::Later`] while somebody else deploys.
pub(super) async fn create(client: &Client, plan: &Plan, task_definition: &str) -> Result<Option<String>> {
    let Some(group) = &plan.group else {
        return Err(Error::Malformed("the plan names no deployment group".to_owned()));
    };
    // CodeDeploy takes no token that would make a second request the same as the first.
    if let Some(made) = made_before(client, &group.application, &group.name, &plan.operation).await? {
        return Ok(Some(made));
    }
    let content = specification(plan, task_definition)?;
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(content).build())
        .build();
    // Nor does the SDK try again where an answer was lost: whoever goes on looks first whether it was made.
    let once = aws_sdk_codedeploy::config::Builder::new().retry_config(RetryConfig::disabled());
    let created = client
        .create_deployment()
        .application_name(&group.application)
        .deployment_group_name(&group.name)
        .revision(revision)
        .description(format!("Watchkeeper redeploys after a secret changed: operation {}", plan.operation))
        .customize()
        .config_override(once)
        .send()
        .await
        .action("codedeploy:CreateDeployment");
    match created {
        Ok(created) => Ok(created.deployment_id),
        Err(error) if error.code() == Some("DeploymentLimitExceededException") => {
            Err(Error::Later("somebody deploys by CodeDeploy at this moment".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// What succeeded last, with its hooks and all else that it says, where it is of the same task definition; otherwise the
/// least that there must be (CodeDeploy User Guide, "`AppSpec` 'resources' section for Amazon ECS deployments").
fn specification(plan: &Plan, task_definition: &str) -> Result<String> {
    let last = plan.group.as_ref().and_then(|group| group.specification.as_deref());
    if let Some(last) = last.filter(|last| names(last, &plan.from)) {
        return Ok(last.replace(&plan.from, task_definition));
    }
    let Some((container, port)) = &plan.behind else {
        return Err(Error::Malformed(
            "CodeDeploy asks for the container and port behind the load balancer, and the service has none: redeploy it \
             as it is usually deployed"
                .to_owned(),
        ));
    };
    let service = json!({"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
        "TaskDefinition": task_definition,
        "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port},
    }}});
    Ok(json!({"version": 0.0, "Resources": [service]}).to_string())
}

/// Whether a specification names this task definition and not one whose number only begins alike.
fn names(specification: &str, task_definition: &str) -> bool {
    let mut rest = specification;
    while let Some((_, after)) = rest.split_once(task_definition) {
        if !after.starts_with(|next: char| next.is_ascii_digit()) {
            return true;
        }
        rest = after;
    }
    false
}

async fn made_before(
    client: &Client,
    application: &str,
    group: &str,
    operation: &str,
) -> Result<Option<String>> {
    let listed =
        client.list_deployments().application_name(application).deployment_group_name(group).send().await;
    let mut ids = listed.action("codedeploy:ListDeployments")?.deployments.unwrap_or_default();
    ids.truncate(NEWEST);
    if ids.is_empty() {
        return Ok(None);
    }
    let described = client.batch_get_deployments().set_deployment_ids(Some(ids)).send().await;
    let newest = described.action("codedeploy:BatchGetDeployments")?.deployments_info.unwrap_or_default();
    let names_it = |info: &DeploymentInfo| info.description().is_some_and(|text| text.contains(operation));
    Ok(newest.into_iter().find(names_it).and_then(|info| info.deployment_id))
}
