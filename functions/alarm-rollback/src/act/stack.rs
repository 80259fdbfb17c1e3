//! Brings a stack on.

use aws_sdk_cloudformation::types::StackStatus;
use shared::Result;
use shared::error::Call;

use super::{Made, astray};
use crate::Clients;
use crate::decision::Act;
use crate::observe::stack::describe;

/// Makes the one call, if the stack is still in the status that the call is for and is not nested. The call is about the
/// stack's id, so that one of the same name that was created since is not touched.
///
/// The operation's id is the request's token (CloudFormation API, `ClientRequestToken`: letters, digits and hyphens,
/// at most 128), so that a repeated call is recognised and its events are found again.
///
/// # Errors
/// What CloudFormation answers, unless the stack came to another status meanwhile.
pub(super) async fn perform(clients: &Clients, name: &str, act: &Act, operation: &str) -> Result<Made> {
    let possible = match act {
        Act::CancelUpdateStack => StackStatus::UpdateInProgress,
        Act::ContinueUpdateRollback { .. } => StackStatus::UpdateRollbackFailed,
        Act::RollbackStack => StackStatus::UpdateFailed,
        Act::UpdateService { .. }
        | Act::Scale { .. }
        | Act::StopServiceDeployment { .. }
        | Act::RegisterTaskDefinition { .. }
        | Act::CreateDeployment { .. }
        | Act::StopDeployment { .. }
        | Act::UpdateAlias { .. } => return Err(astray(act)),
    };
    let Some((stack, root)) = describe(clients, name).await? else {
        return Ok(Made::Again);
    };
    // Without a role CloudFormation would use this function's own rights. A nested stack goes back with its root.
    if stack.status != possible.as_str() || stack.role.is_none() || root.is_some() {
        return Ok(Made::Again);
    }
    let Err(error) = call(clients, &stack.id, act, operation).await else {
        return Ok(Made::Done { deployment: None });
    };
    if matches!(error.code(), Some("TokenAlreadyExistsException")) {
        return Ok(Made::Done { deployment: None });
    }
    // CloudFormation answers every refusal with the same code: only the status tells whether it came too late.
    if error.code() == Some("ValidationError") {
        let now = describe(clients, &stack.id).await?;
        if now.is_none_or(|(now, _)| now.status != stack.status) {
            return Ok(Made::Again);
        }
    }
    Err(error)
}

async fn call(clients: &Clients, id: &str, act: &Act, token: &str) -> Result<()> {
    let client = &clients.cloudformation;
    match act {
        Act::CancelUpdateStack => client
            .cancel_update_stack()
            .stack_name(id)
            .client_request_token(token)
            .send()
            .await
            .action("cloudformation:CancelUpdateStack")
            .map(drop),
        Act::ContinueUpdateRollback { skip } => client
            .continue_update_rollback()
            .stack_name(id)
            .client_request_token(token)
            .set_resources_to_skip((!skip.is_empty()).then(|| skip.clone()))
            .send()
            .await
            .action("cloudformation:ContinueUpdateRollback")
            .map(drop),
        Act::RollbackStack => client
            .rollback_stack()
            .stack_name(id)
            .client_request_token(token)
            .send()
            .await
            .action("cloudformation:RollbackStack")
            .map(drop),
        Act::UpdateService { .. }
        | Act::Scale { .. }
        | Act::StopServiceDeployment { .. }
        | Act::RegisterTaskDefinition { .. }
        | Act::CreateDeployment { .. }
        | Act::StopDeployment { .. }
        | Act::UpdateAlias { .. } => Err(astray(act)),
    }
}

#[cfg(test)]
mod tests;
