//! Looks at a Lambda alias. AWS types end here.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codedeploy::types::{
    ComputePlatform, DeploymentInfo, DeploymentStatus, LambdaFunctionInfo, TimeRange,
};
use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, FunctionConfiguration};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;
use shared::tags::Tags;

use super::{code_deploy, read_time};
use crate::Clients;
use crate::appspec;
use crate::decision::alias::Question;
use crate::facts::alias::{Alias, History, Scene, Shift, Version};

/// Lambda lists at most this many versions or aliases in a page (Lambda API, `ListVersionsByFunction`).
const PAGE: i32 = 50;

/// How many pages of versions or aliases are read.
const PAGES: usize = 20;

/// How many of the account's deployments are described.
const DEPLOYMENTS: usize = 100;

/// For how many deployments whose specification is kept elsewhere CodeDeploy is asked what they shift.
const ASKED_FOR_TARGETS: usize = 5;

/// What is worth knowing at first sight. A function or alias that is not there is an answer.
pub(super) async fn scene(clients: &Clients, function: &str, alias: &str) -> Result<Scene> {
    let got = clients.lambda.get_alias().function_name(function).name(alias).send().await;
    let got = match got.action("lambda:GetAlias") {
        Ok(got) => got,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Scene::default()),
        Err(error) => return Err(error),
    };
    let Some(mut found) = read_alias(got, function, alias) else {
        return Ok(Scene::default());
    };
    found.tags = tags(clients, &found.arn).await?;
    Ok(Scene { alias: Some(found), ..Scene::default() })
}

/// Finds out what the rules ask, and adds it to the scene.
pub(super) async fn answer(clients: &Clients, scene: &mut Scene, question: Question) -> Result<()> {
    let Some(alias) = &scene.alias else {
        return Ok(());
    };
    match question {
        Question::History { since } => {
            let (shifts, versions) =
                tokio::try_join!(shifts(clients, alias, since), versions(clients, &alias.function))?;
            let ((deployments, whole), (versions, all_versions)) = (shifts, versions);
            scene.history = Some(History { deployments, whole, versions, all_versions });
        }
        Question::Taken => scene.taken = Some(taken(clients, alias).await?),
    }
    Ok(())
}

fn read_alias(got: GetAliasOutput, function: &str, name: &str) -> Option<Alias> {
    Some(Alias {
        function: function.to_owned(),
        name: name.to_owned(),
        weights: weights(got.routing_config.as_ref()),
        arn: got.alias_arn?,
        version: got.function_version?,
        revision_id: got.revision_id?,
        tags: Tags::new(),
    })
}

/// In millionths; a share of nothing is none.
fn weights(routing: Option<&AliasRoutingConfiguration>) -> BTreeMap<String, u32> {
    let weights = routing.and_then(|routing| routing.additional_version_weights()).into_iter().flatten();
    weights
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(version, weight)| (version.clone(), millionths(*weight)))
        .collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to what fits")]
fn millionths(weight: f64) -> u32 {
    (weight * 1_000_000.0).round().clamp(1.0, 1_000_000.0) as u32
}

/// Lambda tags functions, not aliases; the function's ARN is the alias's without its last part.
async fn tags(clients: &Clients, alias: &str) -> Result<Tags> {
    let function = alias.rsplit_once(':').map_or(alias, |(function, _)| function);
    let listed = clients.lambda.list_tags().resource(function).send().await.action("lambda:ListTags")?;
    Ok(listed.tags.unwrap_or_default().into_iter().collect())
}

/// The published versions, and whether these are all.
async fn versions(clients: &Clients, function: &str) -> Result<(Vec<Version>, bool)> {
    let mut versions = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES {
        let page = clients
            .lambda
            .list_versions_by_function()
            .function_name(function)
            .max_items(PAGE)
            .set_marker(marker)
            .send()
            .await
            .action("lambda:ListVersionsByFunction")?;
        versions.extend(page.versions.unwrap_or_default().into_iter().filter_map(read_version));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok((versions, true));
        }
    }
    Ok((versions, false))
}

/// Number, code and time, and nothing of the configuration, which may hold secrets.
fn read_version(version: FunctionConfiguration) -> Option<Version> {
    let published_at = version.last_modified.and_then(|time| time.parse().ok());
    let number = version.version.filter(|version| version != "$LATEST")?;
    Some(Version { version: number, code: version.code_sha256, published_at })
}

/// The versions that other aliases of the function send requests to, by pointing there or by a share.
async fn taken(clients: &Clients, own: &Alias) -> Result<BTreeSet<String>> {
    let mut taken = BTreeSet::new();
    let mut marker = None;
    for _ in 0..PAGES {
        let page = clients
            .lambda
            .list_aliases()
            .function_name(&own.function)
            .max_items(PAGE)
            .set_marker(marker)
            .send()
            .await
            .action("lambda:ListAliases")?;
        for alias in page.aliases.unwrap_or_default() {
            if alias.name.as_deref() != Some(own.name.as_str()) {
                taken.extend(weights(alias.routing_config.as_ref()).into_keys());
                taken.extend(alias.function_version);
            }
        }
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    Ok(taken)
}

/// CodeDeploy's deployments of the alias, newest first, and whether these are all since then. Which application an
/// alias belongs to is not known, so the account's deployments are listed, and those that are on its way however long
/// ago they began.
async fn shifts(clients: &Clients, alias: &Alias, since: Timestamp) -> Result<(Vec<Shift>, bool)> {
    use DeploymentStatus as S;
    let on_their_way = clients
        .codedeploy
        .list_deployments()
        .set_include_only_statuses(Some(vec![S::Created, S::Queued, S::InProgress, S::Baking, S::Ready]))
        .send();
    let start = DateTime::from_millis(since.as_millisecond());
    let recent = clients
        .codedeploy
        .list_deployments()
        .create_time_range(TimeRange::builder().start(start).build())
        .send();
    let (on_their_way, recent) = tokio::join!(on_their_way, recent);
    let on_their_way = on_their_way.action("codedeploy:ListDeployments")?;
    let recent = recent.action("codedeploy:ListDeployments")?;

    let mut whole = on_their_way.next_token.is_none() && recent.next_token.is_none();
    let mut seen = BTreeSet::new();
    let mut ids = on_their_way.deployments.unwrap_or_default();
    ids.extend(recent.deployments.unwrap_or_default());
    ids.retain(|id| seen.insert(id.clone()));
    whole &= ids.len() <= DEPLOYMENTS;
    ids.truncate(DEPLOYMENTS);

    let mut shifts = Vec::new();
    let mut elsewhere = Vec::new();
    for info in code_deploy::batch(clients, &ids).await? {
        if info.compute_platform.as_ref().is_some_and(|platform| *platform != ComputePlatform::Lambda) {
            continue;
        }
        match code_deploy::content(info.revision.as_ref()).map(appspec::shifts) {
            Some(described) => {
                shifts.extend(described.into_iter().filter_map(|shift| ours(&info, shift, alias)));
            }
            None => elsewhere.push(info),
        }
    }
    elsewhere.sort_by_key(|info| std::cmp::Reverse(info.create_time.as_ref().and_then(read_time)));
    whole &= elsewhere.len() <= ASKED_FOR_TARGETS;
    for info in elsewhere.iter().take(ASKED_FOR_TARGETS) {
        match targets(clients, info).await? {
            Some(described) => {
                shifts.extend(described.into_iter().filter_map(|shift| ours(info, shift, alias)));
            }
            None => whole = false,
        }
    }
    shifts.sort_by_key(|shift| std::cmp::Reverse(shift.created_at));
    Ok((shifts, whole))
}

fn ours(info: &DeploymentInfo, shift: appspec::Shift, alias: &Alias) -> Option<Shift> {
    if shift.function != alias.function || shift.alias != alias.name {
        return None;
    }
    Some(Shift {
        id: info.deployment_id.clone()?,
        status: code_deploy::status(info.status.as_ref()),
        rollback: code_deploy::is_rollback(info),
        created_at: info.create_time.as_ref().and_then(read_time),
        completed_at: info.complete_time.as_ref().and_then(read_time),
        current: shift.current,
        target: shift.target,
    })
}

/// What a deployment shifts by CodeDeploy's own account; none where it did not begin to.
async fn targets(clients: &Clients, info: &DeploymentInfo) -> Result<Option<Vec<appspec::Shift>>> {
    let Some(id) = info.deployment_id() else {
        return Ok(None);
    };
    let listed = clients.codedeploy.list_deployment_targets().deployment_id(id).send().await;
    let mut ids = match listed.action("codedeploy:ListDeploymentTargets") {
        Ok(listed) => listed.target_ids.unwrap_or_default(),
        Err(error) if is_not_there(error.code()) => return Ok(None),
        Err(error) => return Err(error),
    };
    ids.truncate(code_deploy::AT_ONCE);
    if ids.is_empty() {
        return Ok(None);
    }
    let got = clients
        .codedeploy
        .batch_get_deployment_targets()
        .deployment_id(id)
        .set_target_ids(Some(ids))
        .send()
        .await;
    let targets = match got.action("codedeploy:BatchGetDeploymentTargets") {
        Ok(got) => got.deployment_targets.unwrap_or_default(),
        Err(error) if is_not_there(error.code()) => return Ok(None),
        Err(error) => return Err(error),
    };
    let shifts =
        targets.into_iter().filter_map(|target| read_shift(target.lambda_target?.lambda_function_info?));
    Ok(Some(shifts.collect()))
}

fn is_not_there(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "DeploymentNotStartedException"
                | "DeploymentDoesNotExistException"
                | "DeploymentTargetDoesNotExistException"
        )
    )
}

fn read_shift(info: LambdaFunctionInfo) -> Option<appspec::Shift> {
    Some(appspec::Shift {
        function: appspec::function_name(&info.function_name?).to_owned(),
        alias: info.function_alias?,
        current: info.current_version?,
        target: info.target_version?,
    })
}

#[cfg(test)]
mod tests;
