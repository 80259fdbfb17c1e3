//! Tells people, once, on the right channel.
//!
//! A batch of the notices queue comes in. Each message becomes notices ([`message`]); the policy says which channels
//! hear of them ([`decision::route`]), what is written of them is read ([`delivery`]), what to do is decided
//! ([`decision`]), and they are sent ([`run`], [`channel`], [`render`], [`http`]), when it is the channel's turn
//! ([`bucket`]). What is to be told later, or with others, waits in the ledger ([`group`]), and a reminder on the
//! function's own queue brings it back. All of it goes on side by side, so that nothing waits for anything else; nothing
//! here ever sleeps. What a channel refuses for good is told on its fallback, or goes to the dead-letter queue.

pub mod bucket;
pub mod by_hand;
pub mod channel;
pub mod decision;
pub mod delivery;
pub mod group;
pub mod http;
pub mod message;
pub mod queue;
pub mod render;
mod report;
mod run;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::acknowledge::Signer;
use shared::aws::Aws;
use shared::config::Env;
use shared::error::{Call, Class};
use shared::lambda::Invocation;
use shared::ledger::{Item, Ledger};
use shared::policy::notify::Silence;
use shared::policy::{self, Loaded};
use shared::queue::answer;
use shared::{Report, Result};
use tokio::sync::{Mutex, OnceCell};

use crate::channel::Channel;
use crate::http::Http;
use crate::run::Run;

/// Kept back of the invocation's time for writing down what happened.
const MARGIN: Duration = Duration::from_secs(3);

/// The longest that one answer of a channel is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long channels are kept in memory: a changed secret takes effect within that time.
const CHANNELS_KEPT: SignedDuration = SignedDuration::from_mins(5);

/// How long policy and silences are kept in memory.
const RULES_KEPT: SignedDuration = SignedDuration::from_secs(30);

/// How long a message stays away that there was no time for; also, how much later than its end an invocation is
/// certainly over.
const SOON: Duration = Duration::from_secs(1);

/// The settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that messages belong to which do not say.
    pub environment: String,
    /// The ledger's table.
    pub table: String,
    /// The ARN of the channels secret.
    pub channels_secret: String,
    /// Where messages come from and are given back to.
    pub notices_queue: String,
    /// Where reminders are sent, come from and are given back to.
    pub reminders_queue: String,
    /// Where refused messages go.
    pub dead_letters: String,
    /// Where links to acknowledge lead.
    pub acknowledge_url: String,
    /// The ARN of the secret that such links are signed with.
    pub acknowledge_key: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            table: env.required("LEDGER_TABLE")?,
            channels_secret: env.required("CHANNELS_SECRET_ARN")?,
            notices_queue: env.required("NOTICES_QUEUE_URL")?,
            reminders_queue: env.required("REMINDERS_QUEUE_URL")?,
            dead_letters: env.required("DEAD_LETTERS_URL")?,
            acknowledge_url: env.required("ACKNOWLEDGE_URL")?,
            acknowledge_key: env.required("ACKNOWLEDGE_KEY_ARN")?,
        })
    }
}

/// The function, with what it keeps from one invocation to the next.
#[derive(Debug)]
pub struct Fanout {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
    secrets: RefCell<Option<(Timestamp, Rc<Secrets>)>>,
    rules: RefCell<Option<(Timestamp, Rc<Rules>)>>,
    /// Until when a channel asked not to be sent anything, as this process knows it.
    quiet: RefCell<HashMap<String, Timestamp>>,
    /// By channel, who of this process takes a turn now, and the entry as it was left by the last who did.
    lines: RefCell<HashMap<String, Line>>,
}

/// Those of this process who want a turn of a channel.
type Line = Rc<Mutex<Option<Item>>>;

/// Made when there is something to deliver.
#[derive(Debug)]
struct Clients {
    ledger: Ledger,
    secrets: aws_sdk_secretsmanager::Client,
    ses: aws_sdk_sesv2::Client,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
    http: Http,
}

/// What stands in secrets.
#[derive(Debug)]
struct Secrets {
    channels: Vec<Channel>,
    /// Or why the key cannot be had: notices then come without a link.
    signer: std::result::Result<Signer, String>,
}

/// What the owners have decided.
#[derive(Debug)]
struct Rules {
    loaded: Loaded,
    silences: Vec<Silence>,
    /// Why the policy cannot be read: the last one that could be, or else the defaults hold then, because a notice must
    /// not wait for a policy.
    problem: Option<String>,
}

impl Fanout {
    /// Nothing is built or read yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            aws: Aws::new(),
            clients: OnceCell::new(),
            secrets: RefCell::default(),
            rules: RefCell::default(),
            quiet: RefCell::default(),
            lines: RefCell::default(),
        }
    }

    /// Where those of this process stand who want a turn of the same channel. At once they would only get in each
    /// other's way: of all that change its bucket at the same moment one is right, and the others try anew.
    fn line(&self, channel: &str) -> Line {
        Rc::clone(self.lines.borrow_mut().entry(channel.to_owned()).or_default())
    }

    /// Tells what a batch of notices or reminders is about, and answers with the messages that have to come again; or
    /// answers a request by hand.
    ///
    /// # Errors
    /// [`shared::Error::Event`] for an event that is neither; whatever keeps the channels from being known; and what failed,
    /// where nothing at all could be done for any message.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        match by_hand::read(event)? {
            Some(by_hand::Request::Audit(past)) => return self.audit(&past, self.clients().await?).await,
            Some(request) => return self.run(invocation).await?.answer(request).await,
            None => {}
        }
        let records = queue::read(event)?;
        if records.is_empty() {
            return Ok(Report::new("ignored", "", "the batch is empty").answering(answer([])));
        }
        let run = self.run(invocation).await?;
        if queue::is_of(event, &self.config.reminders_queue) {
            run.remind(&records).await
        } else {
            run.tell(&records).await
        }
    }

    async fn run<'a>(&'a self, invocation: &'a Invocation) -> Result<Run<'a>> {
        let clock = Instant::now();
        let clients = self.clients().await?;
        let now = invocation.now;
        let (secrets, rules) = futures_util::try_join!(self.secrets(clients, now), self.rules(clients, now))?;
        let inhibits = !rules.loaded.policy.notify.inhibit.is_empty();
        let firing =
            if inhibits { clients.ledger.firing(&self.config.environment).await? } else { Vec::new() };
        Ok(Run { fanout: self, clients, secrets, rules, firing, invocation, clock })
    }

    async fn clients(&self) -> Result<&Clients> {
        self.clients
            .get_or_try_init(async || {
                let aws = self.aws.config().await;
                Ok(Clients {
                    ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), &self.config.table),
                    secrets: aws_sdk_secretsmanager::Client::new(aws),
                    ses: aws_sdk_sesv2::Client::new(aws),
                    sns: aws_sdk_sns::Client::new(aws),
                    sqs: aws_sdk_sqs::Client::new(aws),
                    ssm: aws_sdk_ssm::Client::new(aws),
                    http: Http::native()?,
                })
            })
            .await
    }

    async fn secrets(&self, clients: &Clients, now: Timestamp) -> Result<Rc<Secrets>> {
        if let Some((read_at, secrets)) = &*self.secrets.borrow()
            && now.duration_since(*read_at) < CHANNELS_KEPT
        {
            return Ok(Rc::clone(secrets));
        }
        let (channels, signer) = futures_util::join!(
            channel::fetch(&clients.secrets, &self.config.channels_secret),
            self.signer(clients)
        );
        // What is known is better than nothing while Secrets Manager is away.
        let known = self.secrets.borrow().as_ref().map(|(_, known)| Rc::clone(known));
        let channels = match (channels, &known) {
            (Err(error), Some(known)) if error.class() == Class::Transient => return Ok(Rc::clone(known)),
            (channels, _) => channels?,
        };
        let signer = match (signer, known) {
            (Err(error), Some(known)) if error.class() == Class::Transient => known.signer.clone(),
            (signer, _) => signer.map_err(|error| error.chain()),
        };
        let secrets = Rc::new(Secrets { channels, signer });
        self.secrets.replace(Some((now, Rc::clone(&secrets))));
        Ok(secrets)
    }

    async fn signer(&self, clients: &Clients) -> Result<Signer> {
        let secret = clients.secrets.get_secret_value().secret_id(&self.config.acknowledge_key).send().await;
        let secret = secret.action("secretsmanager:GetSecretValue")?;
        Signer::new(&self.config.environment, secret.secret_string().unwrap_or_default())
    }

    /// What was decided has changed by hand: it is read anew, and what is known holds while it cannot be.
    fn read_rules_again(&self) {
        if let Some((read_at, _)) = &mut *self.rules.borrow_mut() {
            *read_at = Timestamp::MIN;
        }
    }

    async fn rules(&self, clients: &Clients, now: Timestamp) -> Result<Rc<Rules>> {
        if let Some((read_at, rules)) = &*self.rules.borrow()
            && now.duration_since(*read_at) < RULES_KEPT
        {
            return Ok(Rc::clone(rules));
        }
        let environment = &self.config.environment;
        let (loaded, silences) = futures_util::join!(
            policy::load(&clients.ssm, environment),
            clients.ledger.silences(environment, now)
        );
        let (loaded, problem) = match loaded {
            Ok(loaded) => (loaded, None),
            Err(error) => {
                let known = self.rules.borrow().as_ref().map(|(_, rules)| rules.loaded.clone());
                (known.unwrap_or_default(), Some(error.chain()))
            }
        };
        let rules = Rc::new(Rules { loaded, silences: silences?, problem });
        self.rules.replace(Some((now, Rc::clone(&rules))));
        Ok(rules)
    }
}

#[cfg(test)]
mod receiver;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
