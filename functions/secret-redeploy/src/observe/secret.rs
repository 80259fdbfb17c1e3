//! Looks at secrets. Never at a value.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{SecretListEntry, Tag};
use shared::Result;
use shared::ecs::read_time;
use shared::error::Call;
use shared::tags::Tags;

use crate::facts::Secret;

/// Secrets Manager lists at most this many secrets on one page (Secrets Manager API, `ListSecrets`).
const ON_A_PAGE: i32 = 100;

/// The secret with this name or ARN; `None`: there is none.
pub(crate) async fn describe(client: &Client, id: &str) -> Result<Option<Secret>> {
    let described = client.describe_secret().secret_id(id).send().await;
    match described.action("secretsmanager:DescribeSecret") {
        Ok(found) => Ok(Some(Secret {
            arn: found.arn.unwrap_or_default(),
            name: found.name.unwrap_or_default(),
            tags: tags(found.tags),
            stages: stages(found.version_ids_to_stages),
            deleted: found.deleted_date.is_some(),
            rotates: found.rotation_enabled,
            rotated_at: found.last_rotated_date.as_ref().and_then(read_time),
            next_rotation: found.next_rotation_date.as_ref().and_then(read_time),
            changed_at: found.last_changed_date.as_ref().and_then(read_time),
            rotated_by: None,
        })),
        Err(error) if matches!(error.code(), Some("ResourceNotFoundException")) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All secrets of the account and Region, but those that are about to be deleted.
pub(crate) async fn all(client: &Client) -> Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    let mut token = None;
    loop {
        let listed = client.list_secrets().max_results(ON_A_PAGE).set_next_token(token).send().await;
        let listed = listed.action("secretsmanager:ListSecrets")?;
        secrets.extend(listed.secret_list.unwrap_or_default().into_iter().map(listed_secret));
        token = listed.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(secrets);
        }
    }
}

fn listed_secret(found: SecretListEntry) -> Secret {
    Secret {
        arn: found.arn.unwrap_or_default(),
        name: found.name.unwrap_or_default(),
        tags: tags(found.tags),
        stages: stages(found.secret_versions_to_stages),
        deleted: found.deleted_date.is_some(),
        rotates: found.rotation_enabled,
        rotated_at: found.last_rotated_date.as_ref().and_then(read_time),
        next_rotation: found.next_rotation_date.as_ref().and_then(read_time),
        changed_at: found.last_changed_date.as_ref().and_then(read_time),
        rotated_by: None,
    }
}

fn tags(tags: Option<Vec<Tag>>) -> Tags {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

fn stages(stages: Option<HashMap<String, Vec<String>>>) -> BTreeMap<String, Vec<String>> {
    stages.unwrap_or_default().into_iter().collect()
}
