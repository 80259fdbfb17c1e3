//! Looks at the world, one question at a time. AWS types end here.

use std::time::Duration;

use aws_sdk_elasticache::operation::describe_replication_groups::DescribeReplicationGroupsError;
use aws_sdk_elasticache::operation::describe_users::DescribeUsersError;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use shared::error::Call;
use shared::{Error, Result};

use crate::Clients;
use crate::decision::{Question, Source};
use crate::document::Document;
use crate::facts::{Facts, Group, Secret, User, Which};
use crate::server;

/// Finds out what the decision asks, and adds it to the facts.
pub(crate) async fn answer(
    clients: &Clients,
    facts: &mut Facts,
    question: Question,
    left: Duration,
) -> Result<()> {
    match question {
        Question::Secret => facts.secret = Some(secret(clients, facts.work.secret()).await?),
        Question::Value(which, source) => {
            let held = value(clients, &source).await?;
            facts.values.insert(which, held);
        }
        Question::Rotation => {
            facts.rotation = Some(clients.ledger.rotation(facts.work.secret()).await?);
        }
        Question::Overlap => facts.overlap = Some(clients.ledger.overlap(facts.work.secret()).await?),
        Question::Login(which, access) => {
            let login = server::login(&access, which == Which::Superuser, left).await?;
            facts.logins.insert(which, login);
        }
        Question::User(id) => facts.user = Some(user(clients, &id).await?),
        Question::Group(id) => facts.group = Some(group(clients, &id).await?),
    }
    Ok(())
}

/// The secret as it is described; none where it is not there.
pub(crate) async fn secret(clients: &Clients, id: &str) -> Result<Option<Secret>> {
    let described = clients.secrets.describe_secret().secret_id(id).send().await;
    let described = match described {
        Err(error)
            if error.as_service_error().is_some_and(DescribeSecretError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        described => described.action("secretsmanager:DescribeSecret")?,
    };
    Ok(Some(Secret {
        name: described.name().unwrap_or(id).to_owned(),
        stages: described
            .version_ids_to_stages()
            .into_iter()
            .flatten()
            .map(|(version, stages)| (version.clone(), stages.clone()))
            .collect(),
        rotation_enabled: described.rotation_enabled(),
        tags: described
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
    }))
}

/// What a version holds; none where there is no such version, or where it is no more than a label yet.
pub(crate) async fn value(clients: &Clients, source: &Source) -> Result<Option<Document>> {
    let got = clients
        .secrets
        .get_secret_value()
        .secret_id(&source.secret)
        .set_version_id(source.version.clone())
        .set_version_stage(source.stage.map(ToOwned::to_owned))
        .send()
        .await;
    let got = match got {
        Err(error)
            if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        got => got.action("secretsmanager:GetSecretValue")?,
    };
    let label = source.stage.unwrap_or("older");
    let Some(text) = got.secret_string() else {
        return Err(Error::Malformed(format!(
            "the {label} value of the secret {} is binary, which is not rotated",
            source.secret
        )));
    };
    Document::read(text)
        .map(Some)
        .map_err(|why| Error::Malformed(format!("the {label} value of the secret {} {why}", source.secret)))
}

async fn user(clients: &Clients, id: &str) -> Result<Option<User>> {
    let described = match clients.elasticache.describe_users().user_id(id).send().await {
        Err(error) if error.as_service_error().is_some_and(DescribeUsersError::is_user_not_found_fault) => {
            return Ok(None);
        }
        described => described.action("elasticache:DescribeUsers")?,
    };
    Ok(described.users().first().map(|user| User {
        name: user.user_name().unwrap_or_default().to_owned(),
        status: user.status().unwrap_or_default().to_ascii_lowercase(),
        authentication: user
            .authentication()
            .and_then(|authentication| authentication.r#type())
            .map_or("password", |kind| kind.as_str())
            .to_owned(),
    }))
}

async fn group(clients: &Clients, id: &str) -> Result<Option<Group>> {
    let described = clients.elasticache.describe_replication_groups().replication_group_id(id).send().await;
    let described = match described {
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeReplicationGroupsError::is_replication_group_not_found_fault) =>
        {
            return Ok(None);
        }
        described => described.action("elasticache:DescribeReplicationGroups")?,
    };
    Ok(described.replication_groups().first().map(|group| Group {
        status: group.status().unwrap_or_default().to_ascii_lowercase(),
        tls: group.transit_encryption_enabled() == Some(true),
    }))
}

#[cfg(test)]
mod tests;
