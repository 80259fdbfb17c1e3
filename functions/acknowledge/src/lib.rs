//! Lets people say that they have an incident in hand.
//!
//! A signed link leads here from a notice. Whoever follows it sees the incident ([`page`]); the form on that page writes
//! down who has it in hand, and the first one counts ([`request`], [`decision`]). Then one notice tells the channels. The
//! same can be asked by an invocation, which IAM guards: see [`request::ByHand`].

pub mod decision;
pub mod page;
pub mod request;

use std::cell::RefCell;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::acknowledge::{Named, Signer};
use shared::aws::Aws;
use shared::config::Env;
use shared::error::Call;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::ledger::activity::Activity;
use shared::notice::State;
use shared::{Report, Result};
use tokio::sync::OnceCell;

use crate::decision::{Listed, Step, Verdict, decide};
use crate::request::{ByHand, Listing, Method, Request, Wanted, Web};

/// How long the key is kept in memory: a new one takes effect within that time.
const KEY_KEPT: SignedDuration = SignedDuration::from_mins(5);

/// The longest that is shown of a text that somebody else wrote, in characters.
const LONGEST: usize = 300;

/// The settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment whose incidents these are.
    pub environment: String,
    /// The ledger's table.
    pub table: String,
    /// Where notices are published.
    pub notices_topic: String,
    /// The ARN of the secret that links are signed with.
    pub key: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            key: env.required("ACKNOWLEDGE_KEY_ARN")?,
        })
    }
}

/// The function, with what it keeps from one invocation to the next.
#[derive(Debug)]
pub struct Acknowledge {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
    signer: RefCell<Option<(Timestamp, Rc<Signer>)>>,
}

#[derive(Debug)]
struct Clients {
    ledger: Ledger,
    secrets: aws_sdk_secretsmanager::Client,
    sns: aws_sdk_sns::Client,
}

impl Acknowledge {
    /// Nothing is built or read yet.
    pub fn new(config: Config) -> Self {
        Self { config, aws: Aws::new(), clients: OnceCell::new(), signer: RefCell::default() }
    }

    /// Answers a request with a page, or one by hand with JSON.
    ///
    /// # Errors
    /// [`shared::Error::Event`] for an event that is neither; what keeps the key or the ledger from being read, the
    /// acknowledgement from being written down, or its notice from being published.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        match request::read(event)? {
            Request::Web(web) => self.serve(web, invocation.now).await,
            Request::ByHand(ByHand::Acknowledge(Wanted { incident, by })) => {
                let verdict = self.write(&incident, &by, invocation.now).await?;
                let (outcome, reason) = (verdict.outcome(), verdict.reason());
                let answer = json!({
                    "outcome": outcome,
                    "reason": reason,
                    "incident": verdict.activity().map(told),
                });
                Ok(Report::new(outcome, shown(&incident), reason)
                    .record("by_hand", &json!({"by": by}))
                    .answering(answer))
            }
            Request::ByHand(ByHand::Incidents(listing)) => self.list(listing, invocation.now).await,
        }
    }

    async fn serve(&self, web: Web, now: Timestamp) -> Result<Report> {
        let Web { method, query, name, source_ip, user_agent } = web;
        let link = self.signer(now).await?.check(&query, now);
        let verdict = match decide(method, name, link) {
            Step::Answer(verdict) => verdict,
            Step::Show(named) => self.look(&named).await?,
            Step::Write { named, by } => {
                let seen = self.look(&named).await?;
                if seen == Verdict::Expired { seen } else { self.write(&named.incident, &by, now).await? }
            }
        };
        let request = json!({
            "method": method.as_str(),
            "status": verdict.status(),
            "source_ip": source_ip,
            "user_agent": user_agent,
        });
        let subject = verdict.activity().map(|activity| shown(&activity.incident)).unwrap_or_default();
        Ok(Report::new(verdict.outcome(), subject, verdict.reason())
            .record("request", &request)
            .answering(answer(method, &verdict)))
    }

    /// The incident that a link names, as it stands.
    async fn look(&self, named: &Named) -> Result<Verdict> {
        let known = self.clients().await.ledger.activity(&self.config.environment, &named.incident).await?;
        Ok(decision::shown(named, known.map(|known| known.activity)))
    }

    /// Writes down who has an incident in hand, and tells people.
    async fn write(&self, incident: &str, by: &str, now: Timestamp) -> Result<Verdict> {
        let (clients, environment) = (self.clients().await, &self.config.environment);
        let verdict = decision::written(clients.ledger.acknowledge(environment, incident, by, now).await?);
        if let Some(notice) = decision::notice(&verdict, environment) {
            notice.publish(&clients.sns, &self.config.notices_topic).await?;
        }
        Ok(verdict)
    }

    /// All that goes on; where it is asked for, also what is over.
    async fn list(&self, listing: Listing, now: Timestamp) -> Result<Report> {
        let all = self.clients().await.ledger.activities(&self.config.environment).await?;
        let Listed { firing, over, omitted } = decision::listed(all, listing, now);
        let reason = match firing.len() {
            0 => "nothing goes on".to_owned(),
            1 => "one incident goes on".to_owned(),
            several => format!("{several} incidents go on"),
        };
        let incidents: Vec<_> = firing.iter().map(told).collect();
        let mut answer = json!({"outcome": "listed", "reason": reason, "incidents": incidents});
        if let (true, Some(fields)) = (listing.over, answer.as_object_mut()) {
            fields.insert("over".to_owned(), over.iter().map(told).collect());
            fields.insert("omitted".to_owned(), json!(omitted));
        }
        Ok(Report::new("listed", "incidents", reason).answering(answer))
    }

    async fn clients(&self) -> &Clients {
        self.clients
            .get_or_init(async || {
                let aws = self.aws.config().await;
                Clients {
                    ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), &self.config.table),
                    secrets: aws_sdk_secretsmanager::Client::new(aws),
                    sns: aws_sdk_sns::Client::new(aws),
                }
            })
            .await
    }

    async fn signer(&self, now: Timestamp) -> Result<Rc<Signer>> {
        if let Some((read_at, signer)) = &*self.signer.borrow()
            && now.duration_since(*read_at) < KEY_KEPT
        {
            return Ok(Rc::clone(signer));
        }
        let secret = self.clients().await.secrets.get_secret_value().secret_id(&self.config.key).send().await;
        let secret = secret.action("secretsmanager:GetSecretValue")?;
        let key = secret.secret_string().unwrap_or_default();
        let signer = Rc::new(Signer::new(&self.config.environment, key)?);
        self.signer.replace(Some((now, Rc::clone(&signer))));
        Ok(signer)
    }
}

/// The answer as a function URL takes it. Nothing keeps the page, nothing may show it in a frame, and nothing in it is
/// loaded or run; the link's token goes nowhere with a click.
fn answer(method: Method, verdict: &Verdict) -> Value {
    let mut headers = json!({
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-security-policy":
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    });
    if let (Verdict::Method, Some(headers)) = (verdict, headers.as_object_mut()) {
        headers.insert("allow".to_owned(), json!("GET, HEAD, POST"));
    }
    let body = if method == Method::Head { String::new() } else { page::render(verdict) };
    json!({"statusCode": verdict.status(), "headers": headers, "body": body, "isBase64Encoded": false})
}

/// An incident, for whoever asks by hand.
fn told(activity: &Activity) -> Value {
    let acknowledged = activity.acknowledged.as_ref();
    let is_over = activity.state == State::Resolved;
    json!({
        "incident": activity.incident,
        "title": shown(&activity.title),
        "severity": activity.severity,
        "state": activity.state,
        "subject": activity.labels.get("subject").map(|subject| shown(subject)),
        "since": activity.since,
        "started": activity.started,
        "ended": is_over.then_some(activity.since),
        "lasted": is_over.then(|| lasted(activity)),
        "flapping": activity.flapping,
        "acknowledged": acknowledged.map(|acknowledged| json!({"by": acknowledged.by, "at": acknowledged.at})),
        "escalated": activity.escalated,
    })
}

/// How long it went on, such as `1h 5m`.
fn lasted(activity: &Activity) -> String {
    let whole = activity.since.duration_since(activity.started).as_secs();
    format!("{:#}", SignedDuration::from_secs(whole.max(0)))
}

fn shown(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
