//! Where notices go: the channels secret, and one file per kind of channel. The secret's JSON is
//! `{"channels":[{"name":"ops","type":"slack","url":"https://…"}, …]}`; each channel has a name, a type, and:
//!
//! | type | fields |
//! |---|---|
//! | `slack` | `url` of an incoming webhook |
//! | `slack-app` | `token` of a bot, `channel` (its id) |
//! | `teams` | `url` of a workflow |
//! | `pagerduty` | `routing_key`, and `region`: `us` (default) or `eu` |
//! | `github` | `token`, `repository` (`owner/name`), and `api` for GitHub Enterprise |
//! | `sns` | `topic`: the ARN of a topic with subscriptions by email |
//! | `email` | `from`, `to` (a list): by SES |
//! | `amazon-q` | `topic`: the ARN of a topic that Amazon Q Developer is subscribed to |
//! | `webhook` | `url`, `secret` (the HMAC key) |
//!
//! URLs and keys never leave this type but for sending: it prints without them, and an error names the channel and
//! the field, never the value. A channel that cannot be used is kept as [`Kind::Broken`], so that what it should
//! have got goes to the dead-letter queue and the other channels go on.

pub mod amazon_q;
pub mod email;
pub mod github;
pub mod pagerduty;
pub mod plain;
pub mod slack;
pub mod slack_app;
pub mod sns;
pub mod teams;
pub mod webhook;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value};
use shared::error::{Call, Class};
use shared::notice::{Notice, State};
use shared::{Error, Result, address};

use crate::decision::{Meaning, Reply};
use crate::http::{self, Answer, Failure, Http, Request};
use crate::render::View;

/// The longest name of a channel; it is part of the ledger's keys and of attributes.
const LONGEST_NAME: usize = 64;

/// A place where people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What the ledger and the report call it.
    pub name: String,
    /// How it is reached.
    pub kind: Kind,
}

/// How a channel is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A Slack incoming webhook; its address is its password.
    Slack {
        /// Where to post.
        url: Url,
    },
    /// A Slack app, which can change and thread what it said.
    SlackApp {
        /// The bot's token.
        token: String,
        /// The id of the conversation.
        channel: String,
        /// Slack's API, `https://slack.com/api/`.
        api: Url,
    },
    /// A Microsoft Teams workflow; its address is its password.
    Teams {
        /// Where to post.
        url: Url,
    },
    /// A PagerDuty service's Events API v2 integration.
    PagerDuty {
        /// The integration's key.
        routing_key: String,
        /// `https://events.pagerduty.com/v2/`, or that of the EU.
        api: Url,
    },
    /// A GitHub repository's deployments.
    GitHub {
        /// A token that may write deployments.
        token: String,
        /// `owner/name`.
        repository: String,
        /// `https://api.github.com/`, or that of an Enterprise server.
        api: Url,
    },
    /// An SNS topic with subscriptions by email or text message.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// Email by SES.
    Email {
        /// The sender.
        from: String,
        /// The recipients.
        to: Vec<String>,
    },
    /// An SNS topic that Amazon Q Developer in chat applications is subscribed to.
    AmazonQ {
        /// Its ARN.
        topic: String,
    },
    /// A receiver that checks our signature.
    Webhook {
        /// Where to post.
        url: Url,
        /// The HMAC key.
        key: String,
    },
    /// It is written so that it cannot be used.
    Broken {
        /// Which field, and what is wrong with it.
        why: String,
    },
}

impl Kind {
    /// The word in the secret.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::SlackApp { .. } => "slack-app",
            Self::Teams { .. } => "teams",
            Self::PagerDuty { .. } => "pagerduty",
            Self::GitHub { .. } => "github",
            Self::Sns { .. } => "sns",
            Self::Email { .. } => "email",
            Self::AmazonQ { .. } => "amazon-q",
            Self::Webhook { .. } => "webhook",
            Self::Broken { .. } => "broken",
        }
    }

    /// Whether people read it, so that several notices may be told as one. Machines get every one.
    pub const fn is_read(&self) -> bool {
        matches!(
            self,
            Self::Slack { .. }
                | Self::SlackApp { .. }
                | Self::Teams { .. }
                | Self::Sns { .. }
                | Self::Email { .. }
                | Self::AmazonQ { .. }
        )
    }

    /// Whether an answer of success means that people can see it.
    pub const fn is_verified(&self) -> bool {
        matches!(
            self,
            Self::Slack { .. } | Self::SlackApp { .. } | Self::PagerDuty { .. } | Self::Webhook { .. }
        )
    }
}

/// Addresses and keys are left out.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { why } => write!(f, "Broken({why})"),
            Self::Slack { .. }
            | Self::SlackApp { .. }
            | Self::Teams { .. }
            | Self::PagerDuty { .. }
            | Self::GitHub { .. }
            | Self::Sns { .. }
            | Self::Email { .. }
            | Self::AmazonQ { .. }
            | Self::Webhook { .. } => f.write_str(self.as_str()),
        }
    }
}

/// What a channel told us to remember of an incident, such as the time stamp of a Slack message. Small.
pub type Memory = BTreeMap<String, String>;

/// One notice on one channel, about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// What is told.
    pub view: View<'a>,
    /// The channel's name.
    pub channel: &'a str,
    /// The same for every attempt at this delivery; receivers know a repetition by it.
    pub key: &'a str,
    /// The how manieth attempt it is, from 1 on.
    pub attempt: u32,
    /// What the channel told us to remember when it was told of this incident before.
    pub memory: &'a Memory,
}

/// What a channel is sent with.
#[derive(Clone, Copy)]
pub struct Outbox<'a> {
    /// For all that is no AWS service.
    pub http: &'a Http,
    /// For topics.
    pub sns: &'a aws_sdk_sns::Client,
    /// For email.
    pub ses: &'a aws_sdk_sesv2::Client,
    /// How long one call may take, asked before each.
    pub limit: &'a dyn Fn() -> Duration,
    /// Now.
    pub now: Timestamp,
}

impl Outbox<'_> {
    /// Posts JSON, and says what the answer means.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: String,
        meaning: impl Fn(&Reply, Timestamp) -> Meaning,
    ) -> Meaning {
        match self.http.post(url, headers, body, (self.limit)()).await {
            Ok(reply) => meaning(&reply, self.now),
            Err(failure) => failure.into(),
        }
    }

    /// Sends any request.
    ///
    /// # Errors
    /// What it means that there is no answer.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer, Meaning> {
        self.http.ask(request, (self.limit)()).await.map_err(Meaning::from)
    }

    /// Awaits a call of an AWS service no longer than one call may take.
    ///
    /// # Errors
    /// What its failure means.
    pub async fn call<T, R>(&self, action: &'static str, call: impl Future<Output = R>) -> Result<T, Meaning>
    where
        R: Call<T>,
    {
        let limit = (self.limit)();
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.action(action).map_err(|error| failed(action, &error)),
            Err(_) => Err(Failure::TimedOut(limit).into()),
        }
    }
}

impl From<Failure> for Meaning {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Forbidden | Failure::Unsendable => Self::Refused(failure.to_string()),
            Failure::TimedOut(_) | Failure::Unreachable(_) => {
                Self::Later { after: None, quiet: false, why: failure.to_string() }
            }
        }
    }
}

/// What the failure of an AWS call means, by its code: the service's text may repeat what it was sent.
fn failed(action: &str, error: &Error) -> Meaning {
    let code = error.code().unwrap_or("no answer");
    let why = match error {
        Error::Denied { .. } => format!("{action} is denied to this function's role: grant it"),
        Error::Config { .. }
        | Error::Event(_)
        | Error::Malformed(_)
        | Error::Missing(_)
        | Error::Later(_)
        | Error::Aws { .. } => format!("{action}: {code}"),
    };
    match error.class() {
        Class::Transient => {
            let quiet =
                ["Throttl", "TooManyRequests", "LimitExceeded"].iter().any(|word| code.contains(word));
            Meaning::Later { after: None, quiet, why }
        }
        Class::Permanent => Meaning::Refused(why),
    }
}

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What the answer means.
    pub meaning: Meaning,
    /// What to remember of this incident from now on; nothing changes what is remembered.
    pub memory: Option<Memory>,
}

impl From<Meaning> for Sent {
    fn from(meaning: Meaning) -> Self {
        Self { meaning, memory: None }
    }
}

impl Channel {
    /// Whether this notice is something for this channel; if not, why. To be asked before a delivery is claimed: a
    /// record of incidents has no place for what is no incident, and one of deployments none for what is none.
    ///
    /// One that cannot be used takes what it cannot send, so that it is kept with the reason: see [`Channel::broken`].
    ///
    /// # Errors
    /// Why not, as the end of a sentence on the channel.
    pub fn takes(&self, notice: &Notice) -> Result<(), &'static str> {
        match &self.kind {
            Kind::PagerDuty { .. } => match (notice.state, &notice.deployment) {
                (State::Firing | State::Resolved, _) | (State::Info, Some(_)) => Ok(()),
                (State::Info, None) if notice.acknowledges() => Ok(()),
                (State::Info, None) => Err("takes incidents and deployments; this is neither"),
            },
            Kind::GitHub { repository, .. } => github::takes(repository, notice),
            Kind::Slack { .. }
            | Kind::SlackApp { .. }
            | Kind::Teams { .. }
            | Kind::Sns { .. }
            | Kind::Email { .. }
            | Kind::AmazonQ { .. }
            | Kind::Webhook { .. }
            | Kind::Broken { .. } => Ok(()),
        }
    }

    /// Why it cannot be used at all, as the field and what is wrong with it, never its value; nothing where it can.
    pub fn broken(&self) -> Option<&str> {
        match &self.kind {
            Kind::Broken { why } => Some(why),
            Kind::PagerDuty { .. }
            | Kind::GitHub { .. }
            | Kind::Slack { .. }
            | Kind::SlackApp { .. }
            | Kind::Teams { .. }
            | Kind::Sns { .. }
            | Kind::Email { .. }
            | Kind::AmazonQ { .. }
            | Kind::Webhook { .. } => None,
        }
    }

    /// Sends one notice: as rich as the channel takes it, in as many calls as that needs.
    pub async fn send(&self, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
        match &self.kind {
            Kind::Slack { url } => slack::send(url, out, telling).await,
            Kind::SlackApp { token, channel, api } => {
                slack_app::send(token, channel, api, out, telling).await
            }
            Kind::Teams { url } => teams::send(url, out, telling).await,
            Kind::PagerDuty { routing_key, api } => pagerduty::send(routing_key, api, out, telling).await,
            Kind::GitHub { token, repository, api } => {
                github::send(token, repository, api, out, telling).await
            }
            Kind::Sns { topic } => sns::send(topic, out, telling).await,
            Kind::Email { from, to } => email::send(from, to, out, telling).await,
            Kind::AmazonQ { topic } => amazon_q::send(topic, out, telling).await,
            Kind::Webhook { url, key } => webhook::send(url, key, out, telling).await,
            Kind::Broken { why } => Meaning::Refused(format!("the channel cannot be used: {why}")).into(),
        }
    }
}

/// Reads the secret.
///
/// # Errors
/// What `secretsmanager:GetSecretValue` answers; [`Error::Malformed`] for a secret that holds no channels.
pub async fn fetch(secrets: &Client, arn: &str) -> Result<Vec<Channel>> {
    let secret =
        secrets.get_secret_value().secret_id(arn).send().await.action("secretsmanager:GetSecretValue")?;
    let text = secret.secret_string().ok_or_else(|| malformed("it is binary; it must be JSON text"))?;
    parse(text)
}

/// Reads the channels out of the secret's text.
///
/// # Errors
/// [`Error::Malformed`] where not even the names of the channels are certain, or there is none.
pub fn parse(text: &str) -> Result<Vec<Channel>> {
    // Read as plain JSON first: its errors tell a line and a column, where those of typed reading repeat the value.
    let secret: Value = serde_json::from_str(text).map_err(|error| {
        malformed(&format!("it is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    let list = secret
        .get("channels")
        .and_then(Value::as_array)
        .ok_or_else(|| malformed("it has no list named \"channels\""))?;
    if list.is_empty() {
        return Err(malformed("its list of channels is empty"));
    }
    let mut channels: Vec<Channel> = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let position = index + 1;
        let fields =
            entry.as_object().ok_or_else(|| malformed(&format!("channel {position} is not an object")))?;
        let name =
            name(fields).map_err(|problem| malformed(&format!("channel {position}: name {problem}")))?;
        if channels.iter().any(|channel| channel.name == name) {
            return Err(malformed(&format!("two channels are named {name:?}")));
        }
        let kind = kind(fields).unwrap_or_else(|why| Kind::Broken { why });
        channels.push(Channel { name: name.to_owned(), kind });
    }
    Ok(channels)
}

fn malformed(problem: &str) -> Error {
    Error::Malformed(format!("the channels secret cannot be used: {problem}"))
}

fn name(fields: &Map<String, Value>) -> Result<&str, &'static str> {
    let name = text(fields, "name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err("may have at most 64 letters, digits, dots, hyphens and underscores");
    }
    Ok(name)
}

fn kind(fields: &Map<String, Value>) -> Result<Kind, String> {
    let field = |name: &str| text(fields, name).map_err(|problem| format!("{name} {problem}"));
    let owned = |name: &str| field(name).map(ToOwned::to_owned);
    let word = |name: &str| word(name, field(name)?);
    let api = |default: &str| match fields.get("api") {
        None => base("api", default),
        Some(_) => base("api", field("api")?),
    };
    match field("type")? {
        "slack" => Ok(Kind::Slack { url: url("url", field("url")?)? }),
        "slack-app" => Ok(Kind::SlackApp {
            token: word("token")?,
            channel: word("channel")?,
            api: api("https://slack.com/api/")?,
        }),
        "teams" => Ok(Kind::Teams { url: url("url", field("url")?)? }),
        "pagerduty" => {
            let region = match fields.get("region") {
                None => "us",
                Some(_) => field("region")?,
            };
            let default = match region {
                "us" => "https://events.pagerduty.com/v2/",
                "eu" => "https://events.eu.pagerduty.com/v2/",
                _ => return Err("region is not known; write us or eu".to_owned()),
            };
            Ok(Kind::PagerDuty { routing_key: word("routing_key")?, api: api(default)? })
        }
        "github" => Ok(Kind::GitHub {
            token: word("token")?,
            repository: repository(field("repository")?)?,
            api: api("https://api.github.com/")?,
        }),
        "sns" => Ok(Kind::Sns { topic: topic(field("topic")?)? }),
        "email" => {
            Ok(Kind::Email { from: address("from", field("from")?)?, to: recipients(fields.get("to"))? })
        }
        "amazon-q" => Ok(Kind::AmazonQ { topic: topic(field("topic")?)? }),
        "webhook" => Ok(Kind::Webhook { url: url("url", field("url")?)?, key: owned("secret")? }),
        _ => {
            Err("type is not known; write slack, slack-app, teams, pagerduty, github, sns, email, amazon-q \
                  or webhook"
                .to_owned())
        }
    }
}

fn repository(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain)
    };
    match text.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(text.to_owned()),
        Some(_) | None => Err("repository must be owner/name".to_owned()),
    }
}

fn topic(text: &str) -> Result<String, String> {
    let mut parts = text.split(':');
    let arn = parts.next() == Some("arn") && parts.nth(1) == Some("sns");
    if arn { Ok(text.to_owned()) } else { Err("topic must be the ARN of an SNS topic".to_owned()) }
}

/// The most recipients that SES takes in one message.
const MOST_RECIPIENTS: usize = 50;

fn recipients(field: Option<&Value>) -> Result<Vec<String>, String> {
    let list = match field {
        Some(Value::String(one)) => vec![address("to", one)?],
        Some(Value::Array(list)) => list
            .iter()
            .map(|one| address("to", one.as_str().unwrap_or_default()))
            .collect::<Result<_, _>>()?,
        Some(_) | None => Vec::new(),
    };
    if list.is_empty() || list.len() > MOST_RECIPIENTS {
        return Err("to must be a list of 1 to 50 addresses".to_owned());
    }
    Ok(list)
}

fn address(field: &str, text: &str) -> Result<String, String> {
    let fits = |c: char| !c.is_control() && !matches!(c, ',' | ';') && c.is_ascii();
    let parts = text.trim().trim_end_matches('>').rsplit_once('@');
    match parts {
        Some((local, domain)) if !local.is_empty() && domain.contains('.') && text.chars().all(fits) => {
            Ok(text.trim().to_owned())
        }
        Some(_) | None => Err(format!("{field} holds no email address")),
    }
}

/// What stands in a header or names something: no space, nothing that is not printed.
fn word(field: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{field} has a space, or a character that cannot be sent"))
    }
}

/// An address that paths are added to.
fn base(field: &str, text: &str) -> Result<Url, String> {
    let mut url = url(field, text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{field} must end with its path"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn url(field: &str, text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("{field} is not an address"))?;
    if url.scheme() != "https" {
        return Err(format!("{field} must begin with https://"));
    }
    match url.host_str().and_then(address::literal) {
        Some(literal) if address::forbidden(literal) => Err(format!("{field} {}", http::FORBIDDEN)),
        Some(_) | None => Ok(url),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, &'static str> {
    match fields.get(name) {
        None => Err("is missing"),
        Some(Value::String(text)) if text.trim().is_empty() => Err("is empty"),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("is not a text"),
    }
}

#[cfg(test)]
mod tests;
