//! ElastiCache: a user's passwords, and a replication group's AUTH token. What is asked for comes to effect while the user or
//! the group is `modifying`.

use aws_sdk_elasticache::operation::modify_replication_group::ModifyReplicationGroupError;
use aws_sdk_elasticache::operation::modify_user::ModifyUserError;
use aws_sdk_elasticache::types::AuthTokenUpdateStrategyType;
use shared::error::Call;
use shared::{Error, Result};

use crate::Clients;
use crate::hidden::Hidden;

pub(super) async fn set_passwords(clients: &Clients, user: &str, passwords: &[Hidden]) -> Result<()> {
    let passwords = passwords.iter().map(|password| password.reveal().to_owned()).collect();
    let asked = clients.elasticache.modify_user().user_id(user).set_passwords(Some(passwords)).send().await;
    match asked {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(ModifyUserError::is_invalid_user_state_fault) => {
            Err(Error::Later(format!("the ElastiCache user {user} is being modified")))
        }
        Err(error)
            if error.as_service_error().is_some_and(|error| {
                error.is_invalid_parameter_value_exception()
                    || error.is_invalid_parameter_combination_exception()
            }) =>
        {
            let said = Err::<(), _>(error).action("elasticache:ModifyUser");
            Err(Error::Malformed(format!(
                "ElastiCache refuses the passwords of the user {user} ({}): each must have 16 to 128 characters, AWSCURRENT's, \
                 too, and the user must authenticate by password",
                said.err().map(|error| error.chain()).unwrap_or_default()
            )))
        }
        Err(error) => Err(error).action("elasticache:ModifyUser"),
    }
}

/// Adds a token beside the one in use.
pub(super) async fn rotate_token(clients: &Clients, group: &str, token: &Hidden) -> Result<()> {
    modify(clients, group, token, AuthTokenUpdateStrategyType::Rotate).await
}

/// Keeps the token that was added last, and no other.
pub(super) async fn set_token(clients: &Clients, group: &str, token: &Hidden) -> Result<()> {
    modify(clients, group, token, AuthTokenUpdateStrategyType::Set).await
}

async fn modify(
    clients: &Clients,
    group: &str,
    token: &Hidden,
    strategy: AuthTokenUpdateStrategyType,
) -> Result<()> {
    let word = strategy.as_str().to_owned();
    let asked = clients
        .elasticache
        .modify_replication_group()
        .replication_group_id(group)
        .auth_token(token.reveal())
        .auth_token_update_strategy(strategy)
        .apply_immediately(true)
        .send()
        .await;
    match asked {
        Ok(_) => Ok(()),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(ModifyReplicationGroupError::is_invalid_replication_group_state_fault) =>
        {
            Err(Error::Later(format!("the replication group {group} is being modified")))
        }
        Err(error)
            if error.as_service_error().is_some_and(|error| {
                error.is_invalid_parameter_value_exception()
                    || error.is_invalid_parameter_combination_exception()
            }) =>
        {
            let said = Err::<(), _>(error).action("elasticache:ModifyReplicationGroup");
            Err(Error::Malformed(format!(
                "ElastiCache refuses {word} of the AUTH token of {group} ({}): the group needs encryption in transit and no user \
                 group, and SET takes only the token that was added last by ROTATE",
                said.err().map(|error| error.chain()).unwrap_or_default()
            )))
        }
        Err(error) => Err(error).action("elasticache:ModifyReplicationGroup"),
    }
}
