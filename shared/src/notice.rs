//! The one message that functions publish, and that every channel renders.
//!
//! Its JSON is a contract between the functions and with whoever else publishes to the topic: [`SCHEMA`] names the
//! version. A reader on any channel can tell what happened, what Watchkeeper did, and what is left to do.

pub mod deployment;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Call;
use crate::{Error, Result, id};

pub use deployment::{Deployment, DeploymentMessage, Health, Status};

/// The version of the contract; the `schema` field of every notice.
pub const SCHEMA: &str = "watchkeeper.notice/1";

/// SNS takes at most 262,144 bytes with attributes (SNS quotas); the rest is left for the attributes.
const LARGEST_MESSAGE: usize = 250_000;

/// The longest text of one fact, in characters: an alarm's reason fits, a stack trace is cut.
const LONGEST_VALUE: usize = 2_000;

/// The label of a notice for the record that tells who has acknowledged its incident.
pub const ACKNOWLEDGED_BY: &str = "acknowledged_by";

/// One thing that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Always [`SCHEMA`].
    pub schema: Schema,
    /// The same for every copy of this notice: incident, revision and state, hashed.
    pub id: String,
    /// Stable for the same problem, from its first notice to its resolution and its return.
    pub incident: String,
    /// Rises with every notice of the incident: milliseconds since the epoch of the change it tells of.
    pub revision: u64,
    /// Where the incident stands.
    pub state: State,
    /// How soon somebody has to answer.
    pub severity: Severity,
    /// The function that publishes.
    pub source: String,
    /// The environment the subject belongs to.
    pub environment: String,
    /// What it is about.
    pub subject: Subject,
    /// One line.
    pub title: String,
    /// One paragraph in plain words.
    pub summary: String,
    /// Names and values, in the order in which to show them.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// What Watchkeeper did.
    #[serde(default)]
    pub actions: Vec<String>,
    /// What is left for a person to do.
    #[serde(default)]
    pub next_steps: Vec<String>,
    /// Where to look.
    #[serde(default)]
    pub links: Vec<Link>,
    /// When the change happened.
    pub time: Timestamp,
    /// When the incident began, where the publisher knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// What routes and groups may match beside the fields above, such as `service` or `team`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The deployment that it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
}

/// The contract's version, checked when a notice is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Schema {
    /// The first.
    #[default]
    #[serde(rename = "watchkeeper.notice/1")]
    V1,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Firing,
    /// It is over.
    Resolved,
    /// It was never a problem: for the record.
    Info,
}

impl State {
    /// The word in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Info => "info",
        }
    }
}

/// How soon somebody has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The service is down: at once.
    #[serde(alias = "P1", alias = "p1")]
    Sev1,
    /// Degraded: within 15 minutes.
    #[serde(alias = "P2", alias = "p2")]
    Sev2,
    /// Minor: within the hour.
    #[serde(alias = "P3", alias = "p3")]
    Sev3,
    /// For the record.
    #[serde(alias = "P4", alias = "p4")]
    Sev4,
}

impl Severity {
    /// The word in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sev1 => "sev1",
            Self::Sev2 => "sev2",
            Self::Sev3 => "sev3",
            Self::Sev4 => "sev4",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sev1 => "SEV-1",
            Self::Sev2 => "SEV-2",
            Self::Sev3 => "SEV-3",
            Self::Sev4 => "SEV-4",
        })
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "sev1" | "p1" => Ok(Self::Sev1),
            "sev2" | "p2" => Ok(Self::Sev2),
            "sev3" | "p3" => Ok(Self::Sev3),
            "sev4" | "p4" => Ok(Self::Sev4),
            other => Err(format!("{other:?} is not a severity; write sev1 to sev4 or P1 to P4")),
        }
    }
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Such as `ecs-service` or `alarm`.
    pub kind: String,
    /// How people call it, such as `prod/web`.
    pub id: String,
    /// Its ARN, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// A place to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is there.
    pub title: String,
    /// An `https` address.
    pub url: String,
}

impl Notice {
    /// A notice with nothing but what it must have; the rest is filled in by its publisher.
    pub fn new(
        incident: &str,
        state: State,
        severity: Severity,
        subject: Subject,
        title: &str,
        time: Timestamp,
    ) -> Self {
        let revision = u64::try_from(time.as_millisecond()).unwrap_or_default();
        Self {
            schema: Schema::V1,
            id: id::of(&[incident, &revision.to_string(), state.as_str()]),
            incident: incident.to_owned(),
            revision,
            state,
            severity,
            source: String::new(),
            environment: String::new(),
            subject,
            title: title.to_owned(),
            summary: String::new(),
            facts: Vec::new(),
            actions: Vec::new(),
            next_steps: Vec::new(),
            links: Vec::new(),
            time,
            started: None,
            labels: BTreeMap::new(),
            deployment: None,
        }
    }

    /// Makes sure that the notice comes after this revision of its incident, also where two changes bear the same time.
    #[must_use]
    pub fn following(mut self, revision: u64) -> Self {
        self.revision = self.revision.max(revision.saturating_add(1));
        self.id = id::of(&[&self.incident, &self.revision.to_string(), self.state.as_str()]);
        self
    }

    /// All that a route, a silence or a group can match: the labels, and under names of our own, which win over them,
    /// `severity`, `state`, `source`, `environment`, `kind` (`deployment`, or the kind of the subject), `subject` (its
    /// id) and `incident`. A notice about an ECS service, or a deployment of one, that has no label `service` gets its
    /// name, without the cluster.
    pub fn matched(&self) -> BTreeMap<String, String> {
        let kind = if self.deployment.is_some() { "deployment" } else { &self.subject.kind };
        let own = [
            ("severity", self.severity.as_str()),
            ("state", self.state.as_str()),
            ("source", &self.source),
            ("environment", &self.environment),
            ("kind", kind),
            ("subject", &self.subject.id),
            ("incident", &self.incident),
        ];
        let mut matched = self.labels.clone();
        let service = match &self.deployment {
            Some(deployment) => Some(deployment.service.as_str()),
            None => Some(self.subject.id.as_str()).filter(|_| self.subject.kind == "ecs-service"),
        };
        if let Some(name) =
            service.and_then(|service| service.rsplit('/').next()).filter(|name| !name.is_empty())
        {
            matched.entry("service".to_owned()).or_insert_with(|| name.to_owned());
        }
        matched.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        matched
    }

    /// Whether it tells that somebody has the incident in hand: see [`ACKNOWLEDGED_BY`].
    pub fn acknowledges(&self) -> bool {
        self.state == State::Info && self.labels.contains_key(ACKNOWLEDGED_BY)
    }

    /// Gives the notice another state, and the id that goes with it.
    pub fn becomes(&mut self, state: State) {
        self.state = state;
        self.id = id::of(&[&self.incident, &self.revision.to_string(), state.as_str()]);
    }

    /// Adds a fact; a value longer than 2,000 characters is cut, and says so.
    pub fn fact(&mut self, name: &str, value: impl fmt::Display) {
        let value = value.to_string();
        let kept: String = value.chars().take(LONGEST_VALUE).collect();
        let omitted = value.chars().count().saturating_sub(LONGEST_VALUE);
        let value = if omitted == 0 { kept } else { format!("{kept} … ({omitted} characters omitted)") };
        self.facts.push(Fact { name: name.to_owned(), value });
    }

    /// Publishes the notice to the topic. Publishing the same notice again is harmless: readers know it by its
    /// incident and revision.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a notice over SNS's limit, otherwise what `sns:Publish` answers.
    pub async fn publish(&self, sns: &Client, topic: &str) -> Result<()> {
        let message = serde_json::to_string(self)
            .map_err(|error| Error::Malformed(format!("a notice cannot be written as JSON: {error}")))?;
        if message.len() > LARGEST_MESSAGE {
            return Err(Error::Malformed(format!(
                "the notice of incident {} has {} bytes; SNS takes {LARGEST_MESSAGE}",
                self.incident,
                message.len()
            )));
        }
        sns.publish()
            .topic_arn(topic)
            .subject(subject_line(&format!("{} {}", self.severity, self.title)))
            .message(message)
            .set_message_attributes(Some(self.attributes()))
            .send()
            .await
            .action("sns:Publish")?;
        Ok(())
    }

    /// What a subscription's filter policy can match on.
    fn attributes(&self) -> HashMap<String, MessageAttributeValue> {
        [
            ("state", self.state.as_str()),
            ("severity", self.severity.as_str()),
            ("source", &self.source),
            ("environment", &self.environment),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), attribute(value)?)))
        .collect()
    }
}

/// SNS takes fewer than 100 printable ASCII characters as a subject, without line breaks (SNS API, Publish).
fn subject_line(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(printable).take(99).collect()
}

/// SNS refuses an empty value; a filter policy sees a missing attribute as one that does not match.
fn attribute(value: &str) -> Option<MessageAttributeValue> {
    if value.is_empty() {
        return None;
    }
    MessageAttributeValue::builder().data_type("String").string_value(value).build().ok()
}

#[cfg(test)]
mod tests;
