//! `secret-rotation`: the hook that Secrets Manager calls four times to rotate a secret, and that is told when every dependant
//! runs with the new version.
//!
//! ```text
//! step, settlement ─▶ facts ◀─ observe (Secrets Manager, ElastiCache, ledger, the server itself)
//!                       │          ▲
//!                       ▼          │ a question
//!                     decide ──────┘
//!                       │ a verdict
//!                       └─▶ act: a value, a password, a token, the label ─▶ the ledger ─▶ report
//! ```
//!
//! It runs within a VPC, beside the servers. Every step may be cut off anywhere and asked for again. It never waits for what
//! takes longer than itself: such a step fails as *Transient*, and Secrets Manager asks for it again.
//!
//! What a secret must hold stands in [`document`]; how it is rotated is said by its tag `watchkeeper:rotation` or by what it
//! says of itself (`engine`). What each strategy does, and what it rests on, stands with its rules in [`decision`].

pub mod account;
mod act;
#[cfg(test)]
mod cases;
pub mod decision;
pub mod document;
pub mod event;
pub mod facts;
pub mod generate;
pub mod hidden;
mod observe;
mod server;
mod tell;

use std::time::Duration;

use serde_json::Value;
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::queue::Record;
use shared::timer::Settlement;
use shared::{Error, Report, Result};
use tokio::sync::OnceCell;

use crate::act::{Acting, Effect};
use crate::decision::{Step, Verdict, decide};
use crate::event::Arrived;
use crate::facts::{Facts, Work};

/// The time that is kept back for writing down what was done.
const MARGIN: Duration = Duration::from_secs(3);

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment whose secrets are rotated.
    pub environment: String,
    /// The ledger's table.
    pub ledger_table: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self { environment: env.required("ENVIRONMENT")?, ledger_table: env.required("LEDGER_TABLE")? })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For secrets.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// For users and replication groups.
    pub elasticache: aws_sdk_elasticache::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

impl Clients {
    fn new(aws: &aws_config::SdkConfig, ledger_table: &str) -> Self {
        Self {
            secrets: aws_sdk_secretsmanager::Client::new(aws),
            elasticache: aws_sdk_elasticache::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
}

/// The function.
#[derive(Debug)]
pub struct SecretRotation {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
}

impl SecretRotation {
    /// Nothing is connected yet.
    pub const fn new(config: Config) -> Self {
        Self { config, aws: Aws::new(), clients: OnceCell::const_new() }
    }

    /// The function with clients made elsewhere.
    pub fn with_clients(config: Config, clients: Clients) -> Self {
        Self { config, aws: Aws::new(), clients: OnceCell::new_with(Some(clients)) }
    }

    async fn clients(&self) -> &Clients {
        self.clients
            .get_or_init(async || Clients::new(self.aws.config().await, &self.config.ledger_table))
            .await
    }

    /// Takes the step, or settles what the messages say. A step that is not done is in its report a failure, which the
    /// invocation answers with. A batch does not fail: what could not be settled stands in its answer, and comes back.
    ///
    /// # Errors
    /// [`Error::Event`] for what is none of these.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        match event::parse(event)? {
            Arrived::Step(request) => Ok(self.deal_with(Work::Step(request), invocation).await),
            Arrived::Settlement(settlement) => Ok(self.deal_with(settlement.into(), invocation).await),
            Arrived::Batch(records) => Ok(self.batch(records, invocation).await),
        }
    }

    async fn batch(&self, records: Vec<Record>, invocation: &Invocation) -> Report {
        let mut reports = Vec::new();
        let mut unfinished = Vec::new();
        for record in records {
            match event::settlement(&record.body) {
                Ok(settlement) => {
                    let report = Box::pin(self.deal_with(settlement.into(), invocation)).await;
                    if report.failure().is_some() {
                        unfinished.extend(record.id);
                    }
                    reports.push(report.succeeding());
                }
                // It would be no settlement the next time either.
                Err(why) => reports.push(Report::new("malformed", "", why)),
            }
        }
        tell::together(reports, &unfinished)
    }

    /// One piece of work, from its facts to its report.
    async fn deal_with(&self, work: Work, invocation: &Invocation) -> Report {
        let clients = self.clients().await;
        let mut facts = Facts::of(work);
        let mut attempted = false;
        let (verdict, error) = match self.conclude(&mut facts, invocation).await {
            Ok(verdict) => match carry_out(clients, &mut facts, &verdict, &mut attempted, invocation).await {
                Ok(effect) => return tell::report(&facts, &verdict, &effect, invocation.now),
                Err(error) => (Some(verdict), error),
            },
            Err(error) => (None, error),
        };
        if let Some(entry) = tell::entry(&facts, &error, attempted, invocation.now) {
            // If even this fails, the first error is the one to report.
            let _ = clients.ledger.record_rotation(&entry, invocation.now).await;
        }
        tell::failure(&facts, verdict.as_ref(), &error, attempted)
    }

    async fn conclude(&self, facts: &mut Facts, invocation: &Invocation) -> Result<Verdict> {
        loop {
            match decide(facts, &self.config.environment) {
                Step::Settled(verdict) => return Ok(verdict),
                Step::Look(question) => {
                    let left = invocation.left(MARGIN);
                    if left.is_zero() {
                        return Err(Error::Later("the time of the invocation is over".to_owned()));
                    }
                    Box::pin(observe::answer(self.clients().await, facts, question, left)).await?;
                }
            }
        }
    }
}

async fn carry_out(
    clients: &Clients,
    facts: &mut Facts,
    verdict: &Verdict,
    attempted: &mut bool,
    invocation: &Invocation,
) -> Result<Effect> {
    match verdict {
        Verdict::Done { .. } | Verdict::Drop { .. } => Ok(Effect::default()),
        Verdict::Wait { why } => Err(Error::Later(why.clone())),
        Verdict::Refuse { why } => Err(Error::Malformed(why.clone())),
        Verdict::Act(plan) => {
            let acting = Acting { clients, now: invocation.now, left: &|| invocation.left(MARGIN) };
            Box::pin(acting.carry_out(facts, plan, attempted)).await
        }
    }
}

impl From<Settlement> for Work {
    fn from(settlement: Settlement) -> Self {
        let Settlement::Settle { secret, version } = settlement;
        Self::Settle { secret, version }
    }
}

#[cfg(test)]
mod tests;
