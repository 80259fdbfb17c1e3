//! `alarm-rollback`: when an alarm fires soon after a deployment, the deployment is rolled back.
//!
//! The alarm only says where to look; what is done depends on what is true now:
//!
//! ```text
//! alarm ─▶ facts ◀─ observe (AWS, ledger)
//!            │          ▲
//!            ▼          │ a question
//!          decide ──────┘
//!            │ a verdict
//!            ├─▶ act: lease and operation in the ledger, then ecs:UpdateService
//!            └─▶ tell: one notice; one report
//! ```

mod act;
#[cfg(test)]
mod cases;
pub mod decision;
pub mod facts;
mod observe;
mod tell;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::alarm::{self, AlarmChange};
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::ledger::incident::Incident;
use shared::notice::{Notice, State};
use shared::{Error, Report, Result};
use tokio::sync::OnceCell;

use crate::act::Outcome;
use crate::decision::{Held, Policy, Recovery, Rollback, Step, Verdict, decide};
use crate::facts::Facts;

/// How often a case is decided anew because somebody else was faster. Once is enough to see what they did.
const ATTEMPTS: u32 = 3;

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the owners decided beforehand.
    pub policy: Policy,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        let minutes = |name| env.within(name, 1, 1440).map(SignedDuration::from_mins);
        Ok(Self {
            policy: Policy {
                environment: env.required("ENVIRONMENT")?,
                clusters: env.required("CLUSTERS")?,
                mode: env.required("MODE")?,
                attribution_window: minutes("ATTRIBUTION_WINDOW_MINUTES")?,
                stale_after: minutes("STALE_AFTER_MINUTES")?,
                cooldown: minutes("COOLDOWN_MINUTES")?,
            },
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For the alarm.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// For the service.
    pub ecs: aws_sdk_ecs::Client,
    /// For the notices.
    pub sns: aws_sdk_sns::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

/// The function.
#[derive(Debug)]
pub struct AlarmRollback {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
}

impl AlarmRollback {
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
            .get_or_init(async || {
                let aws = self.aws.config().await;
                Clients {
                    cloudwatch: aws_sdk_cloudwatch::Client::new(aws),
                    ecs: aws_sdk_ecs::Client::new(aws),
                    sns: aws_sdk_sns::Client::new(aws),
                    ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), &self.config.ledger_table),
                }
            })
            .await
    }

    /// Deals with every alarm change in the event; each is on its own, and a failed one brings the event back, which
    /// does the others no harm.
    ///
    /// # Errors
    /// The first failure, after all changes were dealt with.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        let changes = alarm::parse(event).map_err(Error::Event)?;
        let mut reports = Vec::new();
        let mut failure = None;
        for change in changes {
            match self.watch(change, invocation).await {
                Ok(report) => reports.push(report),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (failure, reports.len()) {
            (Some(error), _) => Err(error),
            (None, 1) => reports.pop().ok_or_else(|| Error::Event("it has no records".to_owned())),
            (None, _) => Ok(together(&reports)),
        }
    }

    /// One change of one alarm, from its arrival to its report.
    async fn watch(&self, change: AlarmChange, invocation: &Invocation) -> Result<Report> {
        let mut facts = Facts::of(change);
        match self.deal_with(&mut facts, invocation).await {
            Ok(verdict) => Ok(tell::report(&facts, &self.config.policy, &verdict)),
            Err(error) => {
                // If even this fails, the first error is still the one to report; the self-alerts carry it.
                if decision::concerns_people(&facts, &self.config.policy) {
                    let _ = self.tell_failure(&facts, &error).await;
                }
                Err(error)
            }
        }
    }

    async fn deal_with(&self, facts: &mut Facts, invocation: &Invocation) -> Result<Verdict> {
        let policy = &self.config.policy;
        let now = invocation.now;
        for _ in 0..ATTEMPTS {
            let verdict = self.conclude(facts, invocation).await?;
            match &verdict {
                Verdict::Ignore(_) => return Ok(verdict),
                Verdict::RollBack(rollback) => {
                    let clients = self.clients().await;
                    let incident = incident(facts, &verdict);
                    match act::roll_back(clients, rollback, &incident, policy, now).await? {
                        Outcome::Done => {}
                        Outcome::Taken => {
                            facts.scene = None;
                            continue;
                        }
                        Outcome::Refused(error) => return Err(error),
                    }
                }
                Verdict::Hold { .. } | Verdict::Propose(_) | Verdict::RolledBack(_) | Verdict::Resolve(_) => {
                }
            }
            self.give_up(facts, &verdict).await?;
            self.tell(facts, &verdict, now).await?;
            return Ok(verdict);
        }
        Err(Error::Later("the target was taken by somebody else again and again".to_owned()))
    }

    /// Asks and looks until there is a verdict.
    async fn conclude(&self, facts: &mut Facts, invocation: &Invocation) -> Result<Verdict> {
        loop {
            match decide(facts, &self.config.policy, invocation.now) {
                Step::Settled(verdict) => return Ok(verdict),
                Step::Look(question) => {
                    Box::pin(observe::answer(self.clients().await, facts, question, invocation)).await?;
                }
            }
        }
    }

    /// Publishes the notice, records what people were told, and closes the claim, in this order: whatever is cut off
    /// is done again, and the same notice twice is one notice to its readers.
    async fn tell(&self, facts: &Facts, verdict: &Verdict, now: Timestamp) -> Result<()> {
        let clients = self.clients().await;
        let notice = tell::notice(facts, &self.config.policy, verdict, now);
        match verdict {
            Verdict::Resolve(recovery) => {
                self.publish(&notice).await?;
                self.close_operation(recovery, now).await?;
                let resolved = Incident {
                    state: State::Resolved,
                    revision: notice.revision,
                    ..recovery.incident.clone()
                };
                clients.ledger.record(&resolved, now).await
            }
            Verdict::Hold { why: Held::SetByHand, .. } => {
                self.publish(&notice).await?;
                clients.ledger.complete(&facts.claim_key(), "a test", now).await
            }
            Verdict::Hold { .. } | Verdict::Propose(_) => {
                clients.ledger.record(&incident(facts, verdict), now).await?;
                self.publish(&notice).await?;
                clients.ledger.complete(&facts.claim_key(), tell::outcome(verdict), now).await
            }
            Verdict::RollBack(_) | Verdict::RolledBack(_) => {
                self.publish(&notice).await?;
                clients.ledger.complete(&facts.claim_key(), tell::outcome(verdict), now).await
            }
            Verdict::Ignore(_) => Ok(()),
        }
    }

    /// An operation that was begun for this change, and that the verdict no longer wants, ends here. Where the service
    /// was not touched since, it changed nothing; where somebody deployed, it may have, so what it learnt is kept.
    async fn give_up(&self, facts: &Facts, verdict: &Verdict) -> Result<()> {
        let (Verdict::Hold { target: Some(target), .. } | Verdict::Propose(Rollback { target, .. })) =
            verdict
        else {
            return Ok(());
        };
        let own = decision::operation_id(facts, target);
        let operation = facts.scene.as_ref().and_then(|scene| scene.memory.operation(&own));
        let Some(operation) = operation.filter(|operation| operation.end.is_none()) else {
            return Ok(());
        };
        let ledger = &self.clients().await.ledger;
        if matches!(verdict, Verdict::Hold { why: Held::Overtaken { .. }, .. }) {
            ledger.superseded(target, operation).await
        } else {
            ledger.refused(target, operation).await
        }
    }

    /// Tells that the case failed, under the alarm's own incident, so that its end takes this back, too.
    async fn tell_failure(&self, facts: &Facts, error: &Error) -> Result<()> {
        self.publish(&tell::failure(facts, &self.config.policy, error)).await?;
        let ledger = &self.clients().await.ledger;
        let known = ledger.incident(&facts.incident_key()).await?;
        let told = millis(facts.change.changed_at);
        if known.is_none_or(|known| known.revision < told) {
            let incident = Incident {
                key: facts.incident_key(),
                state: State::Firing,
                revision: told,
                target: String::new(),
                operation: None,
                opened: facts.change.changed_at,
            };
            ledger.record(&incident, facts.change.changed_at).await?;
        }
        Ok(())
    }

    async fn close_operation(&self, recovery: &Recovery, now: Timestamp) -> Result<()> {
        let (Some(operation), Ok(target)) = (&recovery.operation, recovery.incident.target.parse()) else {
            return Ok(());
        };
        let ledger = &self.clients().await.ledger;
        if recovery.proved {
            ledger.recovered(&target, operation, now).await
        } else {
            ledger.superseded(&target, operation).await
        }
    }

    async fn publish(&self, notice: &Notice) -> Result<()> {
        notice.publish(&self.clients().await.sns, &self.config.notices_topic).await
    }
}

/// The incident that this change opens or goes on with.
fn incident(facts: &Facts, verdict: &Verdict) -> Incident {
    let (target, operation) = match verdict {
        Verdict::RollBack(rollback) | Verdict::RolledBack(rollback) => {
            (Some(&rollback.target), Some(rollback.operation.clone()))
        }
        Verdict::Propose(rollback) => (Some(&rollback.target), None),
        // A rollback that this alarm began before stays the one that its end closes.
        Verdict::Hold { target, .. } => (target.as_ref(), open_operation(facts)),
        Verdict::Ignore(_) | Verdict::Resolve(_) => (None, None),
    };
    let change = &facts.change;
    Incident {
        key: facts.incident_key(),
        state: State::Firing,
        revision: millis(change.changed_at),
        target: target.map(ToString::to_string).unwrap_or_default(),
        operation,
        opened: change.changed_at,
    }
}

fn open_operation(facts: &Facts) -> Option<String> {
    let operations = &facts.scene.as_ref()?.memory.operations;
    let key = facts.incident_key();
    operations
        .iter()
        .find(|operation| operation.incident == key && operation.end.is_none())
        .map(|open| open.id.clone())
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}

/// One report for an event of several alarms, which SNS does not send today but may by its contract.
fn together(reports: &[Report]) -> Report {
    let all: Vec<_> = reports
        .iter()
        .map(|report| json!({"outcome": report.outcome(), "reason": report.reason()}))
        .collect();
    Report::new("several", "", format!("{} alarm changes were dealt with", all.len()))
        .record("changes", &all)
        .answering(json!(all))
}
