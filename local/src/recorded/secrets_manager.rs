//! Secrets with versions and staging labels, as strictly kept as Secrets Manager keeps them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::{Change, arn, hash, locked, now};
use crate::proxy::{Answer, Call};
use crate::rotation::{CURRENT, PENDING, PREVIOUS};

mod calls;

/// All the secrets of an account.
///
/// It answers `DescribeSecret`, `GetSecretValue`, `PutSecretValue` and `UpdateSecretVersionStage`. A clone is the same
/// double. Local AWS has these calls too, but it does not ask whether version and label belong together, makes no
/// version without a value, and calls no hook: a rotation by it proves nothing.
#[derive(Debug, Clone, Default)]
pub struct SecretsManager {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    secrets: Vec<Secret>,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Secret {
    arn: String,
    name: String,
    tags: Vec<(String, String)>,
    /// `null` where rotation never was configured.
    rotation_enabled: Option<bool>,
    /// What a caller from another account has to show.
    rotation_token: Option<String>,
    created: Timestamp,
    changed: Timestamp,
    versions: Vec<Version>,
    /// All the values that anybody tried to write for a version, also those that were refused.
    written: Vec<(String, String)>,
}

#[derive(Debug)]
struct Version {
    id: String,
    /// None where only a label was put in place.
    value: Option<String>,
    stages: BTreeSet<String>,
    created: Timestamp,
}

impl SecretsManager {
    /// No secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A secret that is rotated, with this value as its current version.
    #[must_use]
    pub fn with_secret(self, name: &str, value: &str, tags: &[(&str, &str)]) -> Self {
        let suffix = hash(name);
        let at = now();
        let first = Version {
            id: format!("{}-first-version-0000", suffix.get(..16).unwrap_or_default()),
            value: Some(value.to_owned()),
            stages: BTreeSet::from([CURRENT.to_owned()]),
            created: at,
        };
        self.state().secrets.push(Secret {
            arn: arn("secretsmanager", &format!("secret:{name}-{}", suffix.get(..6).unwrap_or_default())),
            name: name.to_owned(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            rotation_enabled: Some(true),
            rotation_token: None,
            created: at,
            changed: at,
            written: vec![(first.id.clone(), value.to_owned())],
            versions: vec![first],
        });
        self
    }

    /// The ARN of a secret.
    pub fn arn(&self, secret: &str) -> anyhow::Result<String> {
        self.of(secret, |it| it.arn.clone())
    }

    /// What the hook has to show to write to a secret of another account.
    pub fn rotation_token(&self, secret: &str) -> anyhow::Result<Option<String>> {
        self.of(secret, |it| it.rotation_token.clone())
    }

    /// The value under a label; `None` while there is no version or no value.
    pub fn value(&self, secret: &str, stage: &str) -> anyhow::Result<Option<String>> {
        self.of(secret, |it| it.labelled(stage).and_then(|version| version.value.clone()))
    }

    /// The same as JSON.
    pub fn json(&self, secret: &str, stage: &str) -> anyhow::Result<Value> {
        let value = self.value(secret, stage)?.with_context(|| format!("{secret} has no {stage}"))?;
        Ok(serde_json::from_str(&value)?)
    }

    /// The version under a label.
    pub fn version(&self, secret: &str, stage: &str) -> anyhow::Result<Option<String>> {
        self.of(secret, |it| it.labelled(stage).map(|version| version.id.clone()))
    }

    /// Every value that a secret ever had.
    pub fn values(&self, secret: &str) -> anyhow::Result<Vec<String>> {
        self.of(secret, |it| it.versions.iter().filter_map(|version| version.value.clone()).collect())
    }

    /// Every different value that anybody tried to write for a version.
    pub fn written(&self, secret: &str, version: &str) -> anyhow::Result<BTreeSet<String>> {
        self.of(secret, |it| {
            it.written.iter().filter(|(id, _)| id == version).map(|(_, value)| value.clone()).collect()
        })
    }

    /// The calls that changed something, in their order, without what they wrote.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    /// Turns the rotation of a secret on or off, or makes it one that never was configured.
    pub fn turn(&self, secret: &str, enabled: Option<bool>) -> anyhow::Result<()> {
        self.state().find_mut(secret)?.rotation_enabled = enabled;
        Ok(())
    }

    /// Makes it a secret of another account: what writes to it has to show this token, which the hook gets with each
    /// step.
    pub fn move_to_another_account(&self, secret: &str, token: &str) -> anyhow::Result<()> {
        self.state().find_mut(secret)?.rotation_token = Some(token.to_owned());
        Ok(())
    }

    /// A person writes a new value by hand: it is current at once, and a rotation under way is abandoned.
    pub fn write_by_hand(&self, secret: &str, value: &str) -> anyhow::Result<String> {
        let mut state = self.state();
        let secret = state.find_mut(secret)?;
        let id = format!("by-hand-{}-0000000000000000000", secret.versions.len());
        calls::put(secret, &id, value, &[CURRENT.to_owned()])
            .map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
        Ok(id)
    }

    /// Puts the label in place with which a rotation begins, on a version without a value.
    pub(crate) fn begin(&self, secret: &str, token: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let secret = state.find_mut(secret)?;
        ensure!(secret.rotation_enabled != Some(false), "InvalidRequestException: rotation is not enabled");
        let open = secret.labelled(PENDING).filter(|version| !version.stages.contains(CURRENT));
        if let Some(open) = open {
            ensure!(
                open.id == token,
                "InvalidRequestException: A previous rotation isn't complete. That rotation will be reattempted."
            );
            return Ok(());
        }
        secret.unlabel(PENDING);
        if !secret.versions.iter().any(|version| version.id == token) {
            let empty =
                Version { id: token.to_owned(), value: None, stages: BTreeSet::new(), created: now() };
            secret.versions.push(empty);
        }
        secret.label(PENDING, token);
        Ok(())
    }

    /// What the service does after the last step: takes the label away from the version that is current now.
    ///
    /// # Errors
    /// When the version is not current, which is how the service sees that a rotation failed.
    pub(crate) fn end(&self, secret: &str, token: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let secret = state.find_mut(secret)?;
        let current = secret.labelled(CURRENT).map(|version| version.id.clone());
        ensure!(current.as_deref() == Some(token), "the rotation ended, and {token} is not current");
        if secret.labelled(PENDING).is_some_and(|version| version.id == token) {
            secret.unlabel(PENDING);
        }
        Ok(())
    }

    /// A version for `RotateImmediately=false`: its value is the current one, it is labelled pending for the test, and
    /// it is gone after it.
    pub(crate) fn begin_test(&self, secret: &str, token: &str) -> anyhow::Result<()> {
        self.begin(secret, token)?;
        let mut state = self.state();
        let secret = state.find_mut(secret)?;
        let value = secret.labelled(CURRENT).and_then(|version| version.value.clone());
        if let Some(version) = secret.versions.iter_mut().find(|version| version.id == token) {
            version.value = value;
        }
        Ok(())
    }

    pub(crate) fn end_test(&self, secret: &str, token: &str) -> anyhow::Result<()> {
        self.state().find_mut(secret)?.versions.retain(|version| version.id != token);
        Ok(())
    }

    /// The answer to a call that this double covers.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(&mut self.state(), call)
    }

    fn of<T>(&self, secret: &str, read: impl FnOnce(&Secret) -> T) -> anyhow::Result<T> {
        Ok(read(self.state().find_mut(secret)?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn find_mut(&mut self, id: &str) -> anyhow::Result<&mut Secret> {
        let found = self.secrets.iter_mut().find(|secret| secret.is(id));
        found.with_context(|| format!("there is no secret {id}"))
    }
}

impl Secret {
    /// By name, by ARN, or by an ARN without the six characters that end it.
    fn is(&self, id: &str) -> bool {
        let partial = self.arn.get(..self.arn.len().saturating_sub(7));
        self.name == id || self.arn == id || partial == Some(id)
    }

    fn labelled(&self, stage: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.stages.contains(stage))
    }

    fn unlabel(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.remove(stage);
        }
    }

    /// Moves a label to a version; where it is the current one, the one before becomes the previous one.
    fn label(&mut self, stage: &str, id: &str) {
        let before = self.labelled(stage).map(|version| version.id.clone());
        if before.as_deref() == Some(id) {
            return;
        }
        self.unlabel(stage);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.stages.insert(stage.to_owned());
        }
        if let (CURRENT, Some(before)) = (stage, before) {
            self.label(PREVIOUS, &before);
        }
    }
}

#[cfg(test)]
mod tests;
