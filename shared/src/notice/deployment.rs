//! What a notice says of a deployment, for channels that keep a record of deployments.

use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Link, Notice, Severity, State, Subject};

/// A deployment, as far as it is known. What is not known is left out; none of it is trusted to say where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The same for all that is told of this deployment, such as `ecs-svc/123` or the run of a workflow.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// What is deployed, such as `prod/web`.
    pub service: String,
    /// What runs with it, such as `web:42`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The image, such as `registry/web@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The full hash of the commit that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or tag that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Who made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The repository, `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The `https` address of the workflow's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What the check after it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// For a rollback: the commit that runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<String>,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on.
    Begun,
    /// It is done, and runs.
    Succeeded,
    /// It did not come up.
    Failed,
    /// Somebody, or a newer deployment, ended it.
    Cancelled,
    /// What ran before it runs again.
    RolledBack,
}

impl Status {
    /// As people are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::RolledBack => "rolled back",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the check after a deployment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All is well.
    Healthy,
    /// It serves, but not as it should.
    Degraded,
    /// It does not serve.
    Failed,
}

impl Health {
    /// As people are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// The version of the message in which a workflow tells of a deployment; the `schema` field of each.
pub const MESSAGE: &str = "watchkeeper.deployment/1";

/// What a workflow publishes to the topic of notices to tell of a deployment. What is written wrongly is told all the
/// same, with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Deployment")]
pub struct DeploymentMessage {
    /// Always `watchkeeper.deployment/1`.
    pub schema: MessageSchema,
    /// The same for all messages about this deployment, such as the id of the workflow's run and its attempt.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// What is deployed, such as `web`.
    pub service: String,
    /// Where to. Without it: the environment of the stack that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What runs with it, such as `web:42`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The image, such as `registry/web@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The full hash of the commit that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or tag that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Who made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The repository, `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The `https` address of the workflow's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What the check after it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// For a rollback: the commit that runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<String>,
    /// What else there is to say, such as why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When that was, such as `2026-11-20T12:00:00Z`. Without it: when the message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub time: Option<Timestamp>,
}

/// The version of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum MessageSchema {
    /// The first.
    #[default]
    #[serde(rename = "watchkeeper.deployment/1")]
    V1,
}

/// The JSON Schema of [`DeploymentMessage`], for whoever writes such a message.
pub fn message_schema() -> Schema {
    schema_for!(DeploymentMessage)
}

/// The key under which all that is told of one deployment belongs together.
pub fn incident_of(environment: &str, service: &str, id: &str) -> String {
    format!("deployment:{environment}:{service}:{id}")
}

impl Deployment {
    /// One of which no more is known than this.
    pub fn new(id: &str, status: Status, service: &str) -> Self {
        Self {
            id: id.to_owned(),
            status,
            service: service.to_owned(),
            revision: None,
            image: None,
            commit: None,
            branch: None,
            author: None,
            repository: None,
            workflow: None,
            health: None,
            back_to: None,
        }
    }

    /// The notice that tells of it. It is for the record, whatever came of it: what has to be acted upon is told as an
    /// incident by whoever finds it. The revision is the time in milliseconds and how far the deployment is, because
    /// workflows count in seconds, and a deployment may begin and fail within one.
    pub fn notice(self, environment: &str, production: bool, time: Timestamp) -> Notice {
        let incident = incident_of(environment, &self.service, &self.id);
        let severity = match (self.status, self.health) {
            // A rollback is critical wherever it happens.
            (Status::RolledBack, _) => Severity::Sev2,
            (Status::Failed, _) | (_, Some(Health::Degraded | Health::Failed)) if production => {
                Severity::Sev2
            }
            (Status::Failed, _) | (_, Some(Health::Degraded | Health::Failed)) => Severity::Sev3,
            (Status::Begun | Status::Succeeded | Status::Cancelled, Some(Health::Healthy) | None) => {
                Severity::Sev4
            }
        };
        let subject = Subject { kind: "deployment".to_owned(), id: self.service.clone(), arn: None };
        let title = self.title(environment);
        let mut notice = Notice::new(&incident, State::Info, severity, subject, &title, time);
        let step = self.step();
        if step > 0 {
            let before = notice.revision.saturating_add(step - 1);
            notice = notice.following(before);
        }
        environment.clone_into(&mut notice.environment);
        notice.labels.insert("service".to_owned(), self.service.clone());
        notice.labels.insert("status".to_owned(), self.status.word().to_owned());
        notice.summary = self.summary(environment);
        // The rest of it is shown from the deployment itself.
        for (name, value) in [("Repository", &self.repository), ("Runs again", &self.back_to)] {
            if let Some(value) = value {
                notice.fact(name, value);
            }
        }
        if let Some(url) = self.workflow.as_deref().filter(|url| is_https(url)) {
            notice.links.push(Link { title: "Workflow".to_owned(), url: url.to_owned() });
        }
        notice.deployment = Some(self);
        notice
    }

    /// Where it stands among all that is told of it at the same time.
    const fn step(&self) -> u64 {
        let step = match self.status {
            Status::Begun => 0,
            Status::Succeeded | Status::Failed | Status::Cancelled => 1,
            Status::RolledBack => 2,
        };
        step + if self.health.is_some() { 2 } else { 0 }
    }

    /// Such as `web was deployed to prod: web:42 (abc1234 by ann)`.
    fn title(&self, environment: &str) -> String {
        let service = &self.service;
        let to = if environment.is_empty() { String::new() } else { format!(" to {environment}") };
        let said = match (self.status, self.health) {
            (Status::Begun, _) => format!("{service} is being deployed{to}"),
            (Status::Succeeded, None) => format!("{service} was deployed{to}"),
            (Status::Succeeded, Some(Health::Healthy)) => {
                format!("{service} was deployed{to} and is healthy")
            }
            (Status::Succeeded, Some(Health::Degraded)) => {
                format!("{service} was deployed{to}, but is degraded")
            }
            (Status::Succeeded, Some(Health::Failed)) => {
                format!("{service} was deployed{to}, but does not serve")
            }
            (Status::Failed, _) => format!("The deployment of {service}{to} failed"),
            (Status::Cancelled, _) => format!("The deployment of {service}{to} was cancelled"),
            (Status::RolledBack, _) => format!("The deployment of {service}{to} was rolled back"),
        };
        let change = self.change();
        let back = self.back_to.as_deref().filter(|_| self.status == Status::RolledBack);
        let back = back.map(|commit| format!("; {} runs again", short(commit))).unwrap_or_default();
        if change.is_empty() { format!("{said}{back}") } else { format!("{said}: {change}{back}") }
    }

    /// Such as `web:42 (abc1234 by ann)`.
    fn change(&self) -> String {
        let commit = self.commit.as_deref().map(short);
        let by = match (commit, &self.author) {
            (Some(commit), Some(author)) => format!("{commit} by {author}"),
            (Some(commit), None) => commit.to_owned(),
            (None, Some(author)) => format!("by {author}"),
            (None, None) => String::new(),
        };
        match &self.revision {
            Some(revision) if by.is_empty() => revision.clone(),
            Some(revision) => format!("{revision} ({by})"),
            None => by,
        }
    }

    fn summary(&self, environment: &str) -> String {
        let from = match (&self.branch, &self.repository) {
            (Some(branch), Some(repository)) => format!(", from {branch} of {repository}"),
            (Some(branch), None) => format!(", from {branch}"),
            (None, Some(repository)) => format!(", from {repository}"),
            (None, None) => String::new(),
        };
        let health = self.health.map(|health| format!(" The check after it says: {}.", health.as_str()));
        format!("{}{from}.{}", self.title(environment), health.unwrap_or_default())
    }
}

impl Status {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 5] =
        [Self::Begun, Self::Succeeded, Self::Failed, Self::Cancelled, Self::RolledBack];

    /// The word in the JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled_back",
            Self::Begun | Self::Succeeded | Self::Failed | Self::Cancelled => self.as_str(),
        }
    }
}

/// The beginning of a commit's hash, as people write it; what is no hash stands as it is.
fn short(commit: &str) -> &str {
    let is_hash = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    commit.get(..7).filter(|_| is_hash).unwrap_or(commit)
}

/// Whether this may be shown as a link.
pub fn is_https(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\' | '^' | '`' | '|');
    url.len() <= LONGEST_URL
        && url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        && url.chars().all(plain)
}

/// The longest address that every channel shows.
const LONGEST_URL: usize = 2_000;

#[cfg(test)]
mod tests;
