//! Secrets of local AWS, and the events that AWS sends when their labels move.

use anyhow::Context;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::Tag;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::world::now;

/// How every value begins, so that one that got anywhere is found.
pub(super) const VALUE: &str = "nobody-may-ever-read-this";

/// What applications read.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// A secret, and what it was before.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    client: Client,
    pub(super) arn: String,
    pub(super) name: String,
    /// Every version so far, the oldest first.
    pub(super) versions: Vec<String>,
}

impl Secret {
    /// A new one with these tags, in an environment.
    pub(super) async fn create(
        stage: &Stage,
        environment: &str,
        name: &str,
        tags: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let client = Client::new(&stage.deployment.config);
        let name = format!("{environment}/{name}");
        let all = [("watchkeeper:environment", environment)];
        let all = all.iter().chain(tags).map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        let created = client
            .create_secret()
            .name(&name)
            .secret_string(format!("{VALUE}-{name}-0"))
            .set_tags(Some(all.collect()))
            .send()
            .await?;
        let arn = created.arn.context("the secret has no ARN")?;
        let version = created.version_id.context("the secret has no version")?;
        Ok(Self { client, arn, name, versions: vec![version] })
    }

    /// The ARN without the six random characters at its end.
    pub(super) fn partial(&self) -> &str {
        self.arn.rsplit_once('-').map_or(&self.arn, |(start, _)| start)
    }

    /// The newest version.
    pub(super) fn version(&self) -> &str {
        self.versions.last().map_or("", String::as_str)
    }

    /// Writes a new value, which is current from now on.
    pub(super) async fn change(&mut self) -> anyhow::Result<()> {
        self.put(CURRENT).await
    }

    /// Writes a new value under this label.
    pub(super) async fn put(&mut self, label: &str) -> anyhow::Result<()> {
        let value = format!("{VALUE}-{}-{}", self.name, self.versions.len());
        let put =
            self.client.put_secret_value().secret_id(&self.arn).secret_string(value).version_stages(label);
        self.versions.push(put.send().await?.version_id.context("the value has no version")?);
        Ok(())
    }

    /// Moves the current label to the newest version, as the last step of a rotation does.
    pub(super) async fn finish(&self) -> anyhow::Result<()> {
        let [.., before, newest] = self.versions.as_slice() else { anyhow::bail!("it has one version only") };
        let update = self.client.update_secret_version_stage().secret_id(&self.arn).version_stage(CURRENT);
        update.move_to_version_id(newest).remove_from_version_id(before).send().await?;
        Ok(())
    }

    /// The version that carries a label.
    pub(super) async fn labelled(&self, label: &str) -> anyhow::Result<Option<String>> {
        let described = self.client.describe_secret().secret_id(&self.arn).send().await?;
        let versions = described.version_ids_to_stages.unwrap_or_default();
        let carries = |stages: &Vec<String>| stages.iter().any(|stage| stage == label);
        Ok(versions.into_iter().find(|(_, stages)| carries(stages)).map(|(version, _)| version))
    }

    /// The event of a label that moved to the newest version (Secrets Manager User Guide, "Secrets Manager events in
    /// EventBridge").
    pub(super) fn moved(&self) -> Value {
        self.moved_to(CURRENT, self.version())
    }

    /// The same of any label and version.
    pub(super) fn moved_to(&self, label: &str, version: &str) -> Value {
        json!({
            "version": "0",
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "detail-type": "Secret Label Updated",
            "source": "aws.secretsmanager",
            "account": local::aws::ACCOUNT,
            "time": whole_seconds(),
            "region": local::aws::REGION,
            "resources": [self.arn],
            "detail": {"name": self.name, "labelUpdated": label, "versionId": version},
        })
    }

    /// What CloudTrail tells of a rotation, with further fields of its detail.
    pub(super) fn rotation(&self, name: &str, further: &Value) -> Value {
        let mut detail = json!({
            "eventVersion": "1.08",
            "userIdentity": {"accountId": local::aws::ACCOUNT, "invokedBy": "secretsmanager.amazonaws.com"},
            "eventTime": whole_seconds(),
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": name,
            "requestParameters": null,
            "responseElements": null,
            "eventType": "AwsServiceEvent",
            "eventCategory": "Management",
        });
        if let (Some(fields), Some(further)) = (detail.as_object_mut(), further.as_object()) {
            fields.extend(further.clone());
        }
        json!({
            "version": "0",
            "detail-type": "AWS Service Event via CloudTrail",
            "source": "aws.secretsmanager",
            "time": whole_seconds(),
            "resources": [],
            "detail": detail,
        })
    }
}

/// As events write the time.
fn whole_seconds() -> String {
    format!("{:.0}", now())
}
