//! Points a Lambda alias to another version.

use std::collections::HashMap;

use aws_sdk_lambda::types::AliasRoutingConfiguration;
use shared::error::Call;
use shared::{Error, Result};

use super::{Made, astray, code_deploy};
use crate::Clients;
use crate::decision::Act;

/// Points the alias to a version, if nobody changed it since it was looked at, or stops CodeDeploy's deployment of it.
///
/// # Errors
/// What Lambda and CodeDeploy answer.
pub(super) async fn perform(
    clients: &Clients,
    function: &str,
    alias: &str,
    act: &Act,
    operation: &str,
) -> Result<Made> {
    match act {
        Act::UpdateAlias { version, revision_id } => {
            update(clients, function, alias, version, revision_id).await
        }
        Act::StopDeployment { .. } => code_deploy::perform(clients, act, operation).await,
        Act::UpdateService { .. }
        | Act::Scale { .. }
        | Act::StopServiceDeployment { .. }
        | Act::RegisterTaskDefinition { .. }
        | Act::CreateDeployment { .. }
        | Act::CancelUpdateStack
        | Act::ContinueUpdateRollback { .. }
        | Act::RollbackStack => Err(astray(act)),
    }
}

async fn update(
    clients: &Clients,
    function: &str,
    alias: &str,
    version: &str,
    revision_id: &str,
) -> Result<Made> {
    // Without a routing configuration Lambda keeps the weights; an empty one takes them away.
    let nothing_else =
        AliasRoutingConfiguration::builder().set_additional_version_weights(Some(HashMap::new())).build();
    let updated = clients
        .lambda
        .update_alias()
        .function_name(function)
        .name(alias)
        .function_version(version)
        .routing_config(nothing_else)
        .revision_id(revision_id)
        .send()
        .await;
    match updated.action("lambda:UpdateAlias") {
        Ok(_) => Ok(Made::Done { deployment: None }),
        Err(error) => match error.code() {
            Some("PreconditionFailedException") => Ok(Made::Again),
            Some("ResourceConflictException") => Err(passing(error)),
            Some(_) | None => Err(error),
        },
    }
}

/// Another change of the function is on its way, and will be over.
fn passing(error: Error) -> Error {
    match error {
        Error::Aws { action, code, source, .. } => Error::Aws { action, code, transient: true, source },
        Error::Config { .. }
        | Error::Event(_)
        | Error::Malformed(_)
        | Error::Missing(_)
        | Error::Later(_)
        | Error::Denied { .. } => error,
    }
}

#[cfg(test)]
mod tests;
