//! `deployment-watch`: follows what was begun to its end, and says what came of it.
//!
//! A timer or an event only says where to look; what counts is what is true now:
//!
//! ```text
//! timer, event ─▶ facts ◀─ observe (AWS, ledger)
//!                   │          ▲
//!                   ▼          │ a question
//!                 decide ──────┘
//!                   │ a verdict
//!                   ├─▶ wait: the timer is given back
//!                   ├─▶ tell: one notice; then act: the end, and what was learnt, in the ledger
//!                   └─▶ wake: the redeploys that this lets go on
//! ```
//!
//! It never begins anything: what failed is told, and a person decides. Of a service that `secret-redeploy` redeploys,
//! it writes down how that ended and why, and tells nobody: it wakes `secret-redeploy`, which decides how to go on, and
//! tells people of all services of a secret together.

mod act;
#[cfg(test)]
mod cases;
pub mod decision;
pub mod event;
pub mod facts;
pub mod follow;
mod observe;
mod tell;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::aws::Aws;
use shared::config::Env;
use shared::error::Class;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::notice::Notice;
use shared::queue::{self, Queue, Record};
use shared::tags::Mode;
use shared::timer::Timer;
use shared::{Error, Report, Result, policy};
use tokio::sync::OnceCell;

use crate::decision::{Policy, Step, Told, Verdict, decide, news};
use crate::event::{Arrived, Hint};
use crate::facts::Facts;

/// When a deployment that is done is looked at again: as long as its revision must stay good.
const PROOF: Duration = Duration::from_mins(10);

/// When a timer that could not be dealt with comes back.
const AGAIN: Duration = Duration::from_mins(1);

/// The time that is kept back for giving timers back.
const MARGIN: Duration = Duration::from_secs(10);

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that is watched.
    pub environment: String,
    /// The clusters that may be looked at: a name, or the beginning of one and a star.
    pub clusters: String,
    /// Where it is `off`, nothing is done and said.
    pub mode: Mode,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
    /// The queue that the timers stand in.
    pub timers_queue: String,
    /// The queue of `secret-redeploy`.
    pub redeploys_queue: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            clusters: env.required("CLUSTERS")?,
            mode: env.required("MODE")?,
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            timers_queue: env.required("TIMERS_QUEUE_URL")?,
            redeploys_queue: env.required("REDEPLOYS_QUEUE_URL")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For stacks.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// For alarms.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// For deployments by CodeDeploy.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// For services.
    pub ecs: aws_sdk_ecs::Client,
    /// For aliases.
    pub lambda: aws_sdk_lambda::Client,
    /// For the notices.
    pub sns: aws_sdk_sns::Client,
    /// For the timers, and to wake redeploys.
    pub sqs: aws_sdk_sqs::Client,
    /// For the policy.
    pub ssm: aws_sdk_ssm::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

impl Clients {
    fn new(aws: &aws_config::SdkConfig, ledger_table: &str) -> Self {
        Self {
            cloudformation: aws_sdk_cloudformation::Client::new(aws),
            cloudwatch: aws_sdk_cloudwatch::Client::new(aws),
            codedeploy: aws_sdk_codedeploy::Client::new(aws),
            ecs: aws_sdk_ecs::Client::new(aws),
            lambda: aws_sdk_lambda::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            ssm: aws_sdk_ssm::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
}

/// The function.
#[derive(Debug)]
pub struct DeploymentWatch {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
}

/// What came of one case.
struct Seen {
    report: Report,
    /// When to look again; none where it is done.
    again: Option<SignedDuration>,
}

impl DeploymentWatch {
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

    /// Looks where the event says.
    ///
    /// # Errors
    /// What kept an event from being dealt with. A batch of timers does not fail: those that could not be dealt with
    /// stand in its answer, and come back.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        match event::parse(event)? {
            Arrived::Nothing(why) => Ok(Report::new("ignored", "", why)),
            Arrived::Timers(records) => Ok(self.timers(records, invocation).await),
            Arrived::Hint(hint) => {
                let policy = self.policy().await?;
                let arrived = invocation.now;
                Box::pin(self.watch(hint, arrived, &policy, invocation)).await.map(|seen| seen.report)
            }
        }
    }

    /// Looks where the timers say. A timer that is not over is given back.
    async fn timers(&self, records: Vec<Record>, invocation: &Invocation) -> Report {
        let mut reports = Vec::new();
        let mut unfinished: Vec<String> = Vec::new();
        let mut policy = None;
        for record in records {
            let (report, again) = match Timer::read(&record.body) {
                Ok(timer) => match self.timer(timer, &record, &mut policy, invocation).await {
                    Ok(seen) => (seen.report, seen.again),
                    Err(error) => (Report::failed(&error), Some(after(AGAIN))),
                },
                // It would be no timer the next time either.
                Err(why) => (Report::new("malformed", "", why), None),
            };
            reports.push(report);
            if let Some(again) = again {
                self.give_back(&record, again).await;
                unfinished.extend(record.id);
            }
        }
        let answer = queue::answer(unfinished.iter().map(String::as_str));
        match (reports.pop(), reports.is_empty()) {
            (Some(report), true) => report.answering(answer),
            (Some(report), false) => {
                reports.push(report);
                tell::together(&reports, answer)
            }
            (None, _) => Report::new("ignored", "", "the batch is empty").answering(answer),
        }
    }

    async fn timer(
        &self,
        timer: Timer,
        record: &Record,
        policy: &mut Option<Policy>,
        invocation: &Invocation,
    ) -> Result<Seen> {
        if invocation.left(MARGIN).is_zero() {
            return Err(Error::Later("the time of the invocation is over".to_owned()));
        }
        let policy = match policy {
            Some(policy) => policy,
            None => policy.insert(self.policy().await?),
        };
        let arrived = record.sent.unwrap_or(invocation.now);
        Box::pin(self.watch(timer.into(), arrived, policy, invocation)).await
    }

    /// If even this fails, the queue's own visibility time-out brings the timer back.
    async fn give_back(&self, record: &Record, again: SignedDuration) {
        if let Some(receipt) = &record.receipt {
            let again = Duration::try_from(again).unwrap_or(AGAIN);
            let queue = Queue { sqs: &self.clients().await.sqs, url: &self.config.timers_queue };
            let _ = queue.give_back(receipt, again).await;
        }
    }

    /// What holds. A document that cannot be read must not keep people from hearing how a rollback ended, so the
    /// defaults hold then, and every notice says so; whoever acts refuses it.
    async fn policy(&self) -> Result<Policy> {
        let Config { environment, clusters, mode, .. } = &self.config;
        let (loaded, unread) = if *mode == Mode::Off {
            (policy::Loaded::default(), None)
        } else {
            match policy::load(&self.clients().await.ssm, environment).await {
                Ok(loaded) => (loaded, None),
                Err(error) if error.class() == Class::Permanent => {
                    (policy::Loaded::default(), Some(error.chain()))
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Policy {
            environment: environment.clone(),
            clusters: clusters.clone(),
            mode: *mode,
            recovery: loaded.policy.rollback.recovery,
            unread,
            told: Told {
                production: loaded.policy.is_production(environment),
                tell: loaded.policy.deployments.tell,
            },
            version: loaded.version,
        })
    }

    /// One case, from its arrival to its report.
    async fn watch(
        &self,
        hint: Hint,
        arrived: Timestamp,
        policy: &Policy,
        invocation: &Invocation,
    ) -> Result<Seen> {
        let mut facts = Facts::of(hint);
        let mut dealt = self.deal_with(&mut facts, policy, invocation).await;
        let mut woken = Vec::new();
        if let Ok((Verdict::Follow { operation }, wakes)) = &mut dealt {
            woken.append(wakes);
            let target = facts.hint.target().clone();
            facts = Facts::of(Hint::Watch { target, operation: Some(operation.clone()) });
            dealt = self.deal_with(&mut facts, policy, invocation).await;
        }
        match dealt {
            Ok((verdict, wakes)) => {
                let again = if let Verdict::Wait { again, .. } = &verdict { Some(*again) } else { None };
                woken.extend(wakes);
                Ok(Seen { report: tell::report(&facts, policy, &verdict, &woken), again })
            }
            Err(error) => {
                // What passes by itself is for the log. If even this fails, the first error is the one to report.
                if error.class() == Class::Permanent {
                    let _ = self.publish(&tell::failure(&facts, policy, &error, arrived)).await;
                }
                Err(error)
            }
        }
    }

    async fn deal_with(
        &self,
        facts: &mut Facts,
        policy: &Policy,
        invocation: &Invocation,
    ) -> Result<(Verdict, Vec<String>)> {
        let (verdict, wakes) = loop {
            match decide(facts, policy, invocation.now) {
                Step::Settled { verdict, wakes } => break (verdict, wakes),
                Step::Look(question) => {
                    Box::pin(observe::answer(self.clients().await, facts, question)).await?;
                }
            }
        };
        // First: what is concluded is not looked at again, and the same notice twice is one to its readers.
        if let Some(news) = news(facts, policy, &verdict, invocation.now) {
            let written = observe::written(self.clients().await, &news).await;
            self.publish(&tell::news(facts, policy, &news, &written)).await?;
        }
        Box::pin(self.conclude(facts, policy, &verdict, invocation.now)).await?;
        // Last: whoever is woken finds everything written down. What is cut off before is concluded and woken again.
        if !wakes.is_empty() {
            act::wake(self.clients().await, &self.config.redeploys_queue, &wakes).await?;
        }
        Ok((verdict, wakes))
    }

    /// Publishes the notice, then records what people were told and what was learnt, in this order: whatever is cut off
    /// is done again, and the same notice twice is one notice to its readers.
    async fn conclude(
        &self,
        facts: &Facts,
        policy: &Policy,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<()> {
        match verdict {
            Verdict::Ignore(_) | Verdict::Wait { .. } | Verdict::Follow { .. } => Ok(()),
            Verdict::Close(close) => {
                let notice = tell::closing(facts, policy, close);
                if let Some(notice) = &notice {
                    self.publish(notice).await?;
                }
                act::close(self.clients().await, close, notice.as_ref(), now).await
            }
            Verdict::Redeployed(redeployed) => {
                if let Some(notice) = tell::alone(policy, redeployed, now) {
                    self.publish(&notice).await?;
                }
                act::redeployed(self.clients().await, redeployed, now).await
            }
            Verdict::Broken(broken) => {
                let notice = tell::broken(facts, policy, broken);
                self.publish(&notice).await?;
                act::broken(self.clients().await, broken, &notice, now).await
            }
            Verdict::Deployed { proof, resolves } => {
                let clients = self.clients().await;
                act::arm(clients, &self.config.timers_queue, proof, PROOF).await?;
                let Some(known) = resolves else {
                    return Ok(());
                };
                if let Some(notice) = tell::deployed(facts, policy, &proof.revision, known.revision) {
                    self.publish(&notice).await?;
                    act::resolved(clients, known, &notice, now).await?;
                }
                Ok(())
            }
            Verdict::Good(proof) => act::good(self.clients().await, proof).await,
        }
    }

    async fn publish(&self, notice: &Notice) -> Result<()> {
        notice.publish(&self.clients().await.sns, &self.config.notices_topic).await
    }
}

fn after(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
