//! `secret-redeploy`: when a secret's label moves, the services that use it are redeployed, in waves, with the image that
//! they run.
//!
//! ```text
//! label moved ─▶ arrival ─▶ a redeploy in the ledger, and its message
//!                                        │
//!   ┌────────────────────────────────────┘  given back until it is over
//!   ▼
//! step: find dependants (once) ─▶ look at what moves ─▶ next wave ─▶ … ─▶ tell
//!                                        ▲                 │
//!                                        │                 └─ of each service: observe ─▶ decide ─▶ act
//!                       deployment-watch ┘
//! ```
//!
//! A service whose tasks have the new version already is left alone, so that repeating anything here does no harm, and
//! several secrets that change together cost one redeployment.

mod act;
pub mod budget;
mod by_hand;
#[cfg(test)]
mod cases;
pub mod decision;
pub mod discover;
pub mod event;
pub mod facts;
mod observe;
mod one;
pub mod reference;
mod run;
mod sweep;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::error::Class;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::ledger::redeploy::{Cause, Label, Redeploy};
use shared::queue::{self, Queue, Record};
use shared::tags::Mode;
use shared::timer::Work;
use shared::{Error, Report, Result, policy};
use tokio::sync::OnceCell;

use crate::budget::Budget;
use crate::decision::{Policy, arrival};
use crate::discover::Discovery;
use crate::event::{Arrived, Broken, Moved};

/// When a message comes back that could not be dealt with.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// And one that will not pass by itself: somebody has to mend something first, and hears of it.
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// The time that is kept back for giving messages back.
const MARGIN: Duration = Duration::from_secs(10);

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that is watched.
    pub environment: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// The clusters whose services are redeployed: a name, or the beginning of one and a star.
    pub clusters: String,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
    /// Where `deployment-watch` is asked to follow an operation.
    pub timers_queue: String,
    /// The queue that this function reads itself.
    pub redeploys_queue: String,
    /// Where `secret-rotation` is told that every dependant has the new version.
    pub settlements_queue: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            mode: env.required("MODE")?,
            clusters: env.required("CLUSTERS")?,
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            timers_queue: env.required("TIMERS_QUEUE_URL")?,
            redeploys_queue: env.required("REDEPLOYS_QUEUE_URL")?,
            settlements_queue: env.required("SETTLEMENTS_QUEUE_URL")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For deployments by CodeDeploy.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// For images.
    pub ecr: aws_sdk_ecr::Client,
    /// For services.
    pub ecs: aws_sdk_ecs::Client,
    /// For secrets, never their values.
    pub secretsmanager: aws_sdk_secretsmanager::Client,
    /// For the notices.
    pub sns: aws_sdk_sns::Client,
    /// For the messages.
    pub sqs: aws_sdk_sqs::Client,
    /// For the policy.
    pub ssm: aws_sdk_ssm::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

impl Clients {
    fn new(aws: &aws_config::SdkConfig, ledger_table: &str) -> Self {
        Self {
            codedeploy: aws_sdk_codedeploy::Client::new(aws),
            ecr: aws_sdk_ecr::Client::new(aws),
            ecs: aws_sdk_ecs::Client::new(aws),
            secretsmanager: aws_sdk_secretsmanager::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            ssm: aws_sdk_ssm::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
}

/// The function.
#[derive(Debug)]
pub struct SecretRedeploy {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
    budget: Arc<Budget>,
    discovery: Arc<Discovery>,
}

/// Everything that a step works with.
pub(crate) struct Reach {
    pub(crate) clients: Clients,
    pub(crate) budget: Arc<Budget>,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) policy: Policy,
    pub(crate) topic: String,
    pub(crate) timers: String,
    pub(crate) redeploys: String,
    pub(crate) settlements: String,
}

impl SecretRedeploy {
    /// Nothing is connected yet.
    pub fn new(config: Config) -> Self {
        let budget = Arc::new(Budget::new());
        let discovery = Arc::new(Discovery::new(Arc::clone(&budget)));
        Self { config, aws: Aws::new(), clients: OnceCell::const_new(), budget, discovery }
    }

    /// The function with clients made elsewhere.
    pub fn with_clients(config: Config, clients: Clients) -> Self {
        Self { clients: OnceCell::new_with(Some(clients)), ..Self::new(config) }
    }

    async fn clients(&self) -> &Clients {
        self.clients
            .get_or_init(async || Clients::new(self.aws.config().await, &self.config.ledger_table))
            .await
    }

    /// Does what the event asks for.
    ///
    /// # Errors
    /// What kept an event from being dealt with. A batch of messages does not fail: those that are not over stand in its
    /// answer, and come back.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        match event::parse(event)? {
            Arrived::Nothing(why) => Ok(Report::new("ignored", "", why)),
            Arrived::Work(records) => Ok(self.work(records, invocation).await),
            Arrived::Moved(moved) => Box::pin(self.moved(moved, invocation)).await,
            Arrived::Broken(broken) => Box::pin(self.broken(broken, invocation)).await,
            Arrived::Sweep => {
                let reach = self.reach().await?;
                if reach.policy.mode == Mode::Off {
                    return Ok(Report::new("ignored", "secrets", "the template's Mode is off"));
                }
                Box::pin(sweep::sweep(&reach, invocation)).await
            }
            Arrived::Uses { secret } => {
                Box::pin(by_hand::uses(&self.reach().await?, &secret, invocation)).await
            }
            Arrived::Redeploy(request) => {
                Box::pin(by_hand::redeploy(&self.reach().await?, &request, invocation)).await
            }
            Arrived::RedeployOne(request) => {
                Box::pin(one::redeploy(&self.reach().await?, &request, invocation)).await
            }
        }
    }

    /// What holds. A policy that cannot be read stops everything: nothing is begun that it might forbid.
    async fn reach(&self) -> Result<Reach> {
        let clients = self.clients().await.clone();
        let Config { environment, mode, clusters, .. } = &self.config;
        let loaded = policy::load(&clients.ssm, environment).await?;
        Ok(Reach {
            clients,
            budget: Arc::clone(&self.budget),
            discovery: Arc::clone(&self.discovery),
            policy: Policy {
                environment: environment.clone(),
                clusters: clusters.clone(),
                mode: *mode,
                rules: loaded.policy,
                version: loaded.version,
            },
            topic: self.config.notices_topic.clone(),
            timers: self.config.timers_queue.clone(),
            redeploys: self.config.redeploys_queue.clone(),
            settlements: self.config.settlements_queue.clone(),
        })
    }

    /// A label moved, or may have.
    async fn moved(&self, moved: Moved, invocation: &Invocation) -> Result<Report> {
        let reach = self.reach().await?;
        let now = invocation.now;
        let secret = observe::secret::describe(&reach.clients.secretsmanager, &moved.secret).await?;
        let known = match &secret {
            Some(secret) => reach.clients.ledger.label(&secret.arn, &moved.label).await?,
            None => None,
        };
        let facts = arrival::Facts { moved, secret, known };
        let verdict = arrival::decide(&facts, &reach.policy, Cause::Event, now);
        let name = facts.secret.as_ref().map_or(facts.moved.secret.as_str(), |secret| secret.name.as_str());
        let (outcome, reason) = match &verdict {
            arrival::Verdict::Ignore(why) => ("ignored", why.to_string()),
            arrival::Verdict::Again { id } => ("ignored", format!("this move is known (redeploy {id})")),
            arrival::Verdict::Open { label, redeploy } => {
                open(&reach, redeploy, label, settle(&reach.policy), now).await?;
                ("begun", format!("its dependants are looked for (redeploy {})", redeploy.id))
            }
        };
        let report =
            Report::new(outcome, name, reason).record("facts", &facts).record("policy", &reach.policy);
        Ok(report)
    }

    /// A rotation did not come to its end: people hear what the hook said.
    async fn broken(&self, broken: Broken, invocation: &Invocation) -> Result<Report> {
        let reach = self.reach().await?;
        let ledger = &reach.clients.ledger;
        let secret = observe::secret::describe(&reach.clients.secretsmanager, &broken.secret).await?;
        let Some(mut secret) = secret else {
            return Ok(Report::new("ignored", broken.secret, arrival::Ignored::NoSecret.to_string()));
        };
        if let Some(why) = arrival::foreign(&secret, &reach.policy) {
            return Ok(Report::new("ignored", secret.name, why.to_string()));
        }
        let rotation = ledger.rotation(&secret.arn).await?;
        secret.rotated_by = rotation.as_ref().map(|rotation| rotation.strategy);
        let known = ledger.incident(&tell::rotation_incident(&secret.arn)).await?;
        let time = u64::try_from(broken.at.as_millisecond()).unwrap_or_default();
        if known.as_ref().is_some_and(|known| time <= known.revision) {
            return Ok(Report::new("ignored", secret.name, "people know of it"));
        }
        let notice =
            tell::rotation_broken(&broken, &secret, rotation.as_ref(), known.as_ref(), &reach.policy);
        run::publish(&reach, &notice).await?;
        run::record_told(&reach, &notice, known, broken.at, invocation.now).await?;
        Ok(Report::new("told", secret.name, notice.title)
            .record("rotation", &rotation)
            .record("event", &broken))
    }

    /// Goes on with the redeploys that the messages name. One that is not over is given back.
    async fn work(&self, records: Vec<Record>, invocation: &Invocation) -> Report {
        let mut reports = Vec::new();
        let mut unfinished: Vec<String> = Vec::new();
        let all: Vec<_> = records.iter().map(|record| Work::read(&record.body)).collect();
        // Every service of a wave that is done sends a message: one look serves all of a batch.
        let mut looked = BTreeMap::new();
        for (record, work) in records.iter().zip(&all) {
            let (report, again) = match work {
                Ok(work) => {
                    let wakes = |other: &Work| {
                        matches!(other, Work::Advance { .. }) && other.redeploy() == work.redeploy()
                    };
                    let woken = all.iter().flatten().any(wakes);
                    self.look(work, woken, &mut looked, invocation).await
                }
                // It would be no message the next time either.
                Err(why) => (Report::new("malformed", "", why.clone()), None),
            };
            reports.push(report);
            if let Some(again) = again {
                self.give_back(record, again).await;
                unfinished.extend(record.id.clone());
            }
        }
        let answer = queue::answer(unfinished.iter().map(String::as_str));
        match (reports.pop(), reports.is_empty()) {
            (Some(report), true) => report.answering(answer),
            (Some(report), false) => {
                reports.push(report);
                together(&reports).answering(answer)
            }
            (None, _) => Report::new("ignored", "", "the batch is empty").answering(answer),
        }
    }

    /// Goes on with the redeploy of one message, and says when the message comes again.
    async fn look(
        &self,
        work: &Work,
        woken: bool,
        looked: &mut BTreeMap<String, Looked>,
        invocation: &Invocation,
    ) -> (Report, Option<SignedDuration>) {
        let id = work.redeploy();
        if let Some(looked) = looked.get(id) {
            return (Report::new("ignored", "", "it was dealt with a moment ago"), looked.again(work));
        }
        let (report, now) = match self.advance(id, woken, invocation).await {
            // Whoever has it in hand may have looked before this was sent.
            Ok(seen) if seen.report.outcome() == "busy" => {
                (seen.report, Looked::InVain(seen.again.unwrap_or(AGAIN)))
            }
            Ok(seen) => (seen.report, Looked::Until(seen.again)),
            Err(error) => {
                let again = if error.class() == Class::Transient { AGAIN } else { LATER };
                (Report::failed(&error), Looked::InVain(again))
            }
        };
        let again = now.again(work);
        looked.insert(id.to_owned(), now);
        (report, again)
    }

    async fn advance(&self, id: &str, woken: bool, invocation: &Invocation) -> Result<run::Seen> {
        if invocation.left(MARGIN).is_zero() {
            return Err(Error::Later("the time of the invocation is over".to_owned()));
        }
        let reach = self.reach().await?;
        Box::pin(run::step(&reach, id, woken, invocation)).await
    }

    /// If even this fails, the queue's own visibility time-out brings the message back.
    async fn give_back(&self, record: &Record, again: SignedDuration) {
        if let Some(receipt) = &record.receipt {
            let again = Duration::try_from(again).unwrap_or(MARGIN);
            let queue = Queue { sqs: &self.clients().await.sqs, url: &self.config.redeploys_queue };
            let _ = queue.give_back(receipt, again).await;
        }
    }
}

/// How a look at a redeploy went.
enum Looked {
    /// It could not be had: every message of it comes again after this long.
    InVain(SignedDuration),
    /// It is over, or is looked at again after this long.
    Until(Option<SignedDuration>),
}

impl Looked {
    /// When a message comes again: what only brings a look forward comes once.
    const fn again(&self, work: &Work) -> Option<SignedDuration> {
        match (self, work) {
            (Self::InVain(again), _) => Some(*again),
            (Self::Until(again), Work::Follow { .. }) => *again,
            (Self::Until(_), Work::Advance { .. }) => None,
        }
    }
}

/// How long other moves are waited for.
fn settle(policy: &Policy) -> Duration {
    Duration::try_from(policy.rules.redeploy.settle).unwrap_or_default()
}

/// Begins a redeploy, and then remembers the move: whatever is cut off before that is begun again, as the same.
pub(crate) async fn open(
    reach: &Reach,
    redeploy: &Redeploy,
    label: &Label,
    delay: Duration,
    now: Timestamp,
) -> Result<()> {
    begin(reach, redeploy, delay, now).await?;
    reach.clients.ledger.record_label(&redeploy.secret, &redeploy.label, label, now).await
}

/// Writes a redeploy down, and sends its message.
pub(crate) async fn begin(reach: &Reach, redeploy: &Redeploy, delay: Duration, now: Timestamp) -> Result<()> {
    reach.clients.ledger.open_redeploy(redeploy, now).await?;
    // Also where it was known: whoever wrote it down may not have come so far. A second message does no harm.
    let message = Work::Follow { redeploy: redeploy.id.clone() };
    message.send(&reach.clients.sqs, &reach.redeploys, delay).await
}

/// One report for a batch of several messages.
fn together(reports: &[Report]) -> Report {
    let all: Vec<_> = reports
        .iter()
        .map(|report| json!({"outcome": report.outcome(), "reason": report.reason()}))
        .collect();
    Report::new("several", "", format!("{} messages were dealt with", all.len())).record("messages", &all)
}

#[cfg(test)]
mod tests;
