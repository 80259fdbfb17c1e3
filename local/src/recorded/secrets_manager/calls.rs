//! The calls of the Secrets Manager API that the double answers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Secret, State, Version};
use crate::proxy::{Answer, Call};
use crate::recorded::{Change, now, put as write, seconds, stranger, text, texts};
use crate::rotation::{CURRENT, PENDING};

fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "secretsmanager:DescribeSecret" => &["SecretId"],
        "secretsmanager:GetSecretValue" => &["SecretId", "VersionId", "VersionStage"],
        "secretsmanager:PutSecretValue" => {
            &["SecretId", "ClientRequestToken", "SecretString", "VersionStages", "RotationToken"]
        }
        "secretsmanager:UpdateSecretVersionStage" => {
            &["SecretId", "VersionStage", "RemoveFromVersionId", "MoveToVersionId"]
        }
        _ => return None,
    })
}

type Refused<T> = Result<T, Answer>;

pub(super) fn answer(state: &mut State, call: &Call) -> Option<Answer> {
    let known = parameters(&call.action)?;
    let sent = call.json();
    if let Some(stranger) = stranger(&sent, known) {
        return Some(invalid(format!("{stranger} is not covered by this double")));
    }
    let Some(id) = text(&sent, "SecretId") else { return Some(invalid("SecretId is required")) };
    let Some(secret) = state.secrets.iter_mut().find(|secret| secret.is(id)) else {
        return Some(missing("Secrets Manager can't find the specified secret."));
    };
    let result = match call.operation() {
        "DescribeSecret" => Ok(described(secret)),
        "GetSecretValue" => get(secret, &sent),
        "PutSecretValue" => put_sent(secret, &sent),
        _ => move_label(secret, &sent),
    };
    let changed = matches!(call.operation(), "PutSecretValue" | "UpdateSecretVersionStage");
    if changed && result.is_ok() {
        let mut sent = sent;
        if let Some(fields) = sent.as_object_mut() {
            fields.remove("SecretString");
        }
        state.changes.push(Change { action: call.action.clone(), sent });
    }
    Some(match result {
        Ok(result) => Answer::json(&result),
        Err(refusal) => refusal,
    })
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "InvalidParameterException", message)
}

fn missing(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "ResourceNotFoundException", message)
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "InvalidRequestException", message)
}

fn described(secret: &Secret) -> Value {
    let stages: Map<String, Value> = secret
        .versions
        .iter()
        .filter(|version| !version.stages.is_empty())
        .map(|version| (version.id.clone(), json!(version.stages)))
        .collect();
    let tags: Vec<Value> =
        secret.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut written = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "CreatedDate": seconds(secret.created),
        "LastChangedDate": seconds(secret.changed),
        "Tags": tags,
        "VersionIdsToStages": stages,
    });
    write(&mut written, "RotationEnabled", secret.rotation_enabled);
    written
}

/// Version and label must name the same version, where both are given (Secrets Manager API, `GetSecretValue`).
fn get(secret: &Secret, sent: &Value) -> Refused<Value> {
    let (id, stage) = (text(sent, "VersionId"), text(sent, "VersionStage"));
    let not_found = |what: &str, name: &str| {
        missing(format!("Secrets Manager can't find the specified secret value for {what}: {name}"))
    };
    let version = if let Some(id) = id {
        let version = secret.versions.iter().find(|version| version.id == id);
        version.ok_or_else(|| not_found("VersionId", id))?
    } else {
        let stage = stage.unwrap_or(CURRENT);
        secret.labelled(stage).ok_or_else(|| not_found("staging label", stage))?
    };
    if let (Some(_), Some(stage)) = (id, stage)
        && !version.stages.contains(stage)
    {
        return Err(refused("You provided a VersionStage that is not associated to the provided VersionId."));
    }
    // A label that the service put in place before createSecret has no value yet.
    let value = version.value.as_ref().ok_or_else(|| match stage {
        Some(stage) => not_found("staging label", stage),
        None => not_found("VersionId", &version.id),
    })?;
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "SecretString": value,
        "VersionStages": version.stages,
        "CreatedDate": seconds(version.created),
    }))
}

fn put_sent(secret: &mut Secret, sent: &Value) -> Refused<Value> {
    let token = text(sent, "ClientRequestToken").ok_or_else(|| invalid("ClientRequestToken is required"))?;
    if !(32..=64).contains(&token.len()) {
        return Err(invalid("ClientRequestToken must be 32 to 64 characters long"));
    }
    if let Some(wanted) = &secret.rotation_token
        && text(sent, "RotationToken") != Some(wanted)
    {
        return Err(Answer::error(
            400,
            "AccessDeniedException",
            "The RotationToken does not identify the rotation",
        ));
    }
    let value = text(sent, "SecretString")
        .ok_or_else(|| invalid("You must provide either SecretString or SecretBinary"))?;
    if value.is_empty() || value.len() > 65_536 {
        return Err(invalid("SecretString must be 1 to 65536 bytes long"));
    }
    let stages: Vec<String> = if sent.get("VersionStages").is_some() {
        texts(sent, "VersionStages").into_iter().map(ToOwned::to_owned).collect()
    } else {
        vec![CURRENT.to_owned()]
    };
    if stages.is_empty() || stages.len() > 20 {
        return Err(invalid("VersionStages must hold 1 to 20 labels"));
    }
    put(secret, token, value, &stages)
}

/// The same value again is an answer and nothing more; a version's value never changes (Secrets Manager API,
/// `PutSecretValue`). What makes another version current abandons a rotation under way.
pub(super) fn put(secret: &mut Secret, token: &str, value: &str, stages: &[String]) -> Refused<Value> {
    secret.written.push((token.to_owned(), value.to_owned()));
    let before = secret.versions.iter_mut().find(|version| version.id == token);
    match before {
        Some(Version { value: Some(there), stages, .. }) => {
            if there != value {
                return Err(Answer::error(
                    400,
                    "ResourceExistsException",
                    format!(
                        "You can't use ClientRequestToken {token} because that value is already in use for a version \
                         of secret {}.",
                        secret.arn
                    ),
                ));
            }
            let stages = stages.clone();
            return Ok(outcome(secret, token, &stages));
        }
        Some(placeholder) => placeholder.value = Some(value.to_owned()),
        None => secret.versions.push(Version {
            id: token.to_owned(),
            value: Some(value.to_owned()),
            stages: BTreeSet::new(),
            created: now(),
        }),
    }
    for stage in stages {
        secret.label(stage, token);
    }
    if stages.iter().any(|stage| stage == CURRENT) {
        secret.unlabel(PENDING);
    }
    secret.changed = now();
    let stages: BTreeSet<String> = stages.iter().cloned().collect();
    Ok(outcome(secret, token, &stages))
}

fn outcome(secret: &Secret, version: &str, stages: &BTreeSet<String>) -> Value {
    json!({"ARN": secret.arn, "Name": secret.name, "VersionId": version, "VersionStages": stages})
}

/// A label that stands on another version is moved only by whoever names that version (Secrets Manager API,
/// `UpdateSecretVersionStage`).
fn move_label(secret: &mut Secret, sent: &Value) -> Refused<Value> {
    let stage = text(sent, "VersionStage").ok_or_else(|| invalid("VersionStage is required"))?;
    let (from, to) = (text(sent, "RemoveFromVersionId"), text(sent, "MoveToVersionId"));
    if from.is_none() && to.is_none() {
        return Err(invalid("You must provide MoveToVersionId or RemoveFromVersionId"));
    }
    for id in [from, to].into_iter().flatten() {
        if !secret.versions.iter().any(|version| version.id == id) {
            return Err(missing(format!("Secrets Manager can't find the specified secret version: {id}.")));
        }
    }
    let on = secret.labelled(stage).map(|version| version.id.clone());
    match (on.as_deref(), from) {
        (Some(on), None) if to != Some(on) => {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to \
                 version {on}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        (on, Some(from)) if on != Some(from) => {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId is not valid. Staging label {stage} is not attached to version \
                 {from}."
            )));
        }
        _ => {}
    }
    match to {
        None if stage == CURRENT => {
            return Err(invalid(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely \
                 removed.",
            ));
        }
        None => secret.unlabel(stage),
        Some(to) => {
            let empty = secret.versions.iter().any(|version| version.id == to && version.value.is_none());
            if stage == CURRENT && empty {
                return Err(refused("A version without a value can't be AWSCURRENT."));
            }
            secret.label(stage, to);
        }
    }
    secret.changed = now();
    Ok(json!({"ARN": secret.arn, "Name": secret.name}))
}
