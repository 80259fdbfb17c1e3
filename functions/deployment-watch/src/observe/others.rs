//! CodeDeploy, Lambda and CloudFormation.

use aws_sdk_cloudformation::types as cloudformation;
use aws_sdk_codedeploy::types as codedeploy;
use shared::Result;
use shared::ecs::read_time;
use shared::error::Call;

use crate::Clients;
use crate::facts::{Alias, CodeDeployStatus, CodeDeployment, Stack};

/// As many failed resources tell why a stack failed; the others were cancelled with them.
const FAILURES_KEPT: usize = 5;

/// A deployment, and the one that takes it back.
pub(super) async fn code_deploy(
    clients: &Clients,
    id: &str,
) -> Result<(Option<CodeDeployment>, Option<CodeDeployment>)> {
    let Some(deployment) = get_deployment(clients, id).await? else {
        return Ok((None, None));
    };
    let rollback = deployment.rollback_info.as_ref().and_then(|info| info.rollback_deployment_id.clone());
    let rollback = match rollback.filter(|rollback| !rollback.is_empty() && rollback != id) {
        Some(rollback) => get_deployment(clients, &rollback).await?.map(read_code_deployment),
        None => None,
    };
    Ok((Some(read_code_deployment(deployment)), rollback))
}

async fn get_deployment(clients: &Clients, id: &str) -> Result<Option<codedeploy::DeploymentInfo>> {
    let got = clients.codedeploy.get_deployment().deployment_id(id).send().await;
    match got.action("codedeploy:GetDeployment") {
        Ok(got) => Ok(got.deployment_info),
        Err(error) if error.code() == Some("DeploymentDoesNotExistException") => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_code_deployment(deployment: codedeploy::DeploymentInfo) -> CodeDeployment {
    use codedeploy::DeploymentStatus as S;
    let status = match deployment.status {
        Some(S::Succeeded) => CodeDeployStatus::Succeeded,
        Some(S::Failed) => CodeDeployStatus::Failed,
        Some(S::Stopped) => CodeDeployStatus::Stopped,
        // A state that this version does not know is no end.
        Some(S::Baking | S::Created | S::InProgress | S::Queued | S::Ready | _) | None => {
            CodeDeployStatus::Moving
        }
    };
    let reason = deployment.error_information.and_then(|error| error.message);
    CodeDeployment {
        id: deployment.deployment_id.unwrap_or_default(),
        status,
        reason: reason.unwrap_or_default(),
        completed_at: deployment.complete_time.as_ref().and_then(read_time),
    }
}

pub(super) async fn alias(clients: &Clients, function: &str, alias: &str) -> Result<Option<Alias>> {
    let got = clients.lambda.get_alias().function_name(function).name(alias).send().await;
    match got.action("lambda:GetAlias") {
        Ok(got) => {
            let weights = got.routing_config.and_then(|routing| routing.additional_version_weights);
            let mut others: Vec<_> = weights.unwrap_or_default().into_keys().collect();
            others.sort();
            Ok(got.function_version.map(|version| Alias { version, others }))
        }
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The stack, and, where it rests, since when and which of its resources failed.
pub(super) async fn stack(clients: &Clients, name: &str) -> Result<Option<Stack>> {
    let described = clients.cloudformation.describe_stacks().stack_name(name).send().await;
    let described = match described.action("cloudformation:DescribeStacks") {
        Ok(described) => described,
        // CloudFormation answers so for a stack that is not there.
        Err(error) if error.code() == Some("ValidationError") => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(stack) = described.stacks.unwrap_or_default().into_iter().next() else {
        return Ok(None);
    };
    let Some(status) = stack.stack_status.map(|status| status.as_str().to_owned()) else {
        return Ok(None);
    };
    if status.ends_with("_IN_PROGRESS") {
        return Ok(Some(Stack { status, since: None, failures: Vec::new() }));
    }
    let events = clients
        .cloudformation
        .describe_stack_events()
        .stack_name(name)
        .send()
        .await
        .action("cloudformation:DescribeStackEvents")?
        .stack_events
        .unwrap_or_default();
    let own = |event: &cloudformation::StackEvent| event.physical_resource_id == event.stack_id;
    let state = |event: &cloudformation::StackEvent| {
        event.resource_status.as_ref().map(|status| status.as_str().to_owned())
    };
    // Newest first (CloudFormation API, DescribeStackEvents): the first of its own with this status made it so.
    let reached = events.iter().position(|event| own(event) && state(event).as_deref() == Some(&status));
    let since = reached.and_then(|at| events.get(at)?.timestamp.as_ref().and_then(read_time));
    let failures = events
        .iter()
        .skip(reached.map_or(0, |at| at + 1))
        // Back to where this rollback began.
        .take_while(|event| {
            !(own(event) && state(event).is_some_and(|state| state.ends_with("_IN_PROGRESS")))
        })
        .filter(|event| !own(event) && state(event).is_some_and(|state| state.ends_with("_FAILED")))
        .filter(|event| !is_cancelled(event))
        .filter_map(|event| {
            let name = event.logical_resource_id()?;
            let why = event.resource_status_reason().unwrap_or("no reason given");
            Some(format!("{name} ({}): {why}", event.resource_type().unwrap_or("resource")))
        })
        .take(FAILURES_KEPT)
        .collect();
    Ok(Some(Stack { status, since, failures }))
}

/// What was cancelled failed only because something else did.
fn is_cancelled(event: &cloudformation::StackEvent) -> bool {
    event.resource_status_reason().is_some_and(|why| why.to_ascii_lowercase().contains("cancelled"))
}
