//! `dlq-triage`: reads every dead letter, groups it, keeps it, and sends back what can succeed.
//!
//! ```text
//! schedule ─▶ discover: which queues hold dead letters, and who gave them up ─▶ a message for each that has some
//!                                                                                    │
//! alarm ────────────────────────────────────────────────────────────────────────────▶│
//!                                                                                    ▼
//!        look: read them all, let go of them ─▶ decide, group by group ─▶ act: read again; of each letter,
//!                       │                                   ▲                │
//!                       └─ groups, what returned, loss      │                ├─ send it back, then take it out
//!                                                           │                ├─ archive it, then take it out
//!                             a message to look again ──────┴────────────────┴─ leave it
//! ```
//!
//! A letter is taken out of its queue only after somebody else has it for certain. A run may die anywhere: what it had
//! received comes back by itself, and what it had done already is done again at worst.

pub mod act;
pub mod archive;
pub mod classify;
pub mod decision;
mod deeds;
pub mod discover;
mod empty;
pub mod event;
pub mod flavour;
mod hand;
pub mod judge;
pub mod letter;
pub mod look;
pub mod memory;
mod proposal;
pub mod read;
pub mod redact;
pub mod redrive;
mod restore;
mod run;
pub mod signature;
mod tell;

use std::time::Duration;

use serde_json::Value;
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::queue::{self, Queue, Record};
use shared::tags::Mode;
use shared::{Report, Result, policy};
use tokio::sync::OnceCell;

use crate::event::{Asked, Triage};
use crate::run::{Again, Run};

/// The time that is kept back for writing down what was done, and for letting go of letters.
const MARGIN: Duration = Duration::from_secs(20);

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that is watched.
    pub environment: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// The dead-letter queues that are read: a name, or the beginning of one and a star.
    pub queues: String,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
    /// The queue that this function reads itself.
    pub triages_queue: String,
    /// The archive's bucket.
    pub archive_bucket: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`shared::Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            mode: env.required("MODE")?,
            queues: env.required("QUEUES")?,
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            triages_queue: env.required("TRIAGES_QUEUE_URL")?,
            archive_bucket: env.required("ARCHIVE_BUCKET")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For rules and their targets.
    pub events: aws_sdk_eventbridge::Client,
    /// For functions.
    pub lambda: aws_sdk_lambda::Client,
    /// For the archive.
    pub s3: aws_sdk_s3::Client,
    /// For subscriptions, and the notices.
    pub sns: aws_sdk_sns::Client,
    /// For queues.
    pub sqs: aws_sdk_sqs::Client,
    /// For the policy.
    pub ssm: aws_sdk_ssm::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

impl Clients {
    fn new(aws: &aws_config::SdkConfig, ledger_table: &str) -> Self {
        Self {
            events: aws_sdk_eventbridge::Client::new(aws),
            lambda: aws_sdk_lambda::Client::new(aws),
            s3: aws_sdk_s3::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            ssm: aws_sdk_ssm::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
}

/// The function.
#[derive(Debug)]
pub struct DlqTriage {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
}

impl DlqTriage {
    /// Nothing is connected yet.
    pub fn new(config: Config) -> Self {
        Self { config, aws: Aws::new(), clients: OnceCell::const_new() }
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
        let asked = event::parse(event)?;
        if let Asked::Nothing(why) = asked {
            return Ok(Report::new("ignored", "", why));
        }
        let clients = self.clients().await;
        let loaded = policy::load(&clients.ssm, &self.config.environment).await?;
        let run =
            Run { config: &self.config, clients, policy: loaded.policy, version: loaded.version, invocation };
        match asked {
            Asked::Nothing(why) => Ok(Report::new("ignored", "", why)),
            Asked::All => run.all().await,
            Asked::Alarm { queue } => run.alarmed(&queue).await,
            Asked::Hand(hand) => run.by_hand(&hand).await,
            Asked::Queues(records) => Ok(self.messages(&run, &records).await),
        }
    }

    /// Looks after the queues that messages name.
    async fn messages(&self, run: &Run<'_>, records: &[Record]) -> Report {
        let mut unfinished = Vec::new();
        let mut reports = Vec::new();
        for record in records {
            let (report, again) = match Triage::read(&record.body) {
                Ok(triage) => match run.message(triage.triage).await {
                    Ok((report, again)) => (report, again),
                    // It comes back when the queue's own time is over, or ends as a dead letter, where it is read.
                    Err(error) => (Report::failed(&error), Again::Failed),
                },
                // It would be no message the next time either.
                Err(why) => (Report::new("malformed", "", why), Again::Never),
            };
            reports.push(report);
            let after = match again {
                Again::Never => continue,
                Again::Failed => run::AGAIN,
                Again::After(after) => after,
            };
            if let Some(receipt) = &record.receipt {
                let queue = Queue { sqs: &run.clients.sqs, url: &self.config.triages_queue };
                // Without this the message comes again too, only when the queue's own time is over.
                let _ = queue.give_back(receipt, after).await;
            }
            unfinished.extend(record.id.as_deref());
        }
        let answer = queue::answer(unfinished);
        match reports.pop() {
            Some(report) if reports.is_empty() => report.succeeding().answering(answer),
            Some(report) => {
                reports.push(report);
                let words: Vec<&str> = reports.iter().map(Report::reason).collect();
                Report::new("triaged", "", words.join("; ")).answering(answer)
            }
            None => Report::new("ignored", "", "the batch is empty").answering(answer),
        }
    }
}

#[cfg(test)]
mod tests;
