//! `alarm-rollback`: when an alarm fires soon after a deployment, the deployment is rolled back.
//!
//! What arrives (an alarm, a stack that is stuck, a request by hand) only says where to look; what is done depends
//! on what is true now:
//!
//! ```text
//! cause ─▶ facts ◀─ observe (AWS, ledger)
//!            │          ▲
//!            ▼          │ a question
//!          decide ──────┘
//!            │ a verdict
//!            ├─▶ act: lease and operation in the ledger, a timer for deployment-watch, then the one call
//!            └─▶ tell: one notice; one report
//! ```

mod act;
mod appspec;
#[cfg(test)]
mod cases;
pub mod cause;
pub mod decision;
mod diagnose;
pub mod facts;
mod observe;
mod tell;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{End, Means};
use shared::notice::{Notice, State};
use shared::timer::Timer;
use shared::{Error, Report, Result};
use tokio::sync::OnceCell;

use crate::act::{Order, Outcome};
use crate::cause::{Cause, Wanted, Work};
use crate::decision::{Held, Policy, Rollback, Step, Verdict, decide};
use crate::facts::Facts;

/// How often a case is decided anew: because somebody else was faster, because a deployment ended while it was being
/// stopped, because a first step was made.
const ATTEMPTS: u32 = 4;

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the deployment of this stack says.
    pub policy: Policy,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
    /// Where `deployment-watch` is asked to follow an operation.
    pub timers_queue: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            policy: Policy {
                environment: env.required("ENVIRONMENT")?,
                mode: env.required("MODE")?,
                clusters: env.required("CLUSTERS")?,
                functions: env.required("FUNCTIONS")?,
                stacks: env.required("STACKS")?,
            },
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            timers_queue: env.required("TIMERS_QUEUE_URL")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For alarms.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// For services.
    pub ecs: aws_sdk_ecs::Client,
    /// For the images that a task needs to start.
    pub ecr: aws_sdk_ecr::Client,
    /// For the secrets that a task needs to start; their values are never read.
    pub secretsmanager: aws_sdk_secretsmanager::Client,
    /// For the policy, and the parameters that a task needs to start.
    pub ssm: aws_sdk_ssm::Client,
    /// For services that CodeDeploy deploys, and for its record of aliases.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// For aliases.
    pub lambda: aws_sdk_lambda::Client,
    /// For stacks.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// For the timers.
    pub sqs: aws_sdk_sqs::Client,
    /// For the notices.
    pub sns: aws_sdk_sns::Client,
    /// For what the world forgets.
    pub ledger: Ledger,
}

impl Clients {
    fn new(aws: &aws_config::SdkConfig, ledger_table: &str) -> Self {
        Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(aws),
            ecs: aws_sdk_ecs::Client::new(aws),
            ecr: aws_sdk_ecr::Client::new(aws),
            secretsmanager: aws_sdk_secretsmanager::Client::new(aws),
            ssm: aws_sdk_ssm::Client::new(aws),
            codedeploy: aws_sdk_codedeploy::Client::new(aws),
            lambda: aws_sdk_lambda::Client::new(aws),
            cloudformation: aws_sdk_cloudformation::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
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
            .get_or_init(async || Clients::new(self.aws.config().await, &self.config.ledger_table))
            .await
    }

    /// Does what the event asks for; each cause in it is on its own, and a failed one brings the event back, which
    /// does the others no harm.
    ///
    /// # Errors
    /// The first failure, after all causes were dealt with.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        let causes = match cause::parse(event, invocation)? {
            Work::Causes(causes) => causes,
            Work::Sweep => {
                let stuck = observe::stack::stuck(self.clients().await, invocation.now).await?;
                if stuck.is_empty() {
                    return Ok(Report::new("swept", "stacks", "no stack is stuck or being changed"));
                }
                stuck.into_iter().map(Cause::Stack).collect()
            }
            Work::Diagnose(request) => {
                let facts = &mut Facts::of(Cause::Request(request.clone()));
                let verdict = self.conclude(facts, invocation).await?;
                let report = tell::report(facts, &self.config.policy, &verdict);
                return diagnose::report(self.clients().await, facts, &request, report).await;
            }
        };
        let mut reports = Vec::new();
        let mut failure = None;
        for cause in causes {
            match self.watch(cause, invocation).await {
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

    /// One cause, from its arrival to its report.
    async fn watch(&self, cause: Cause, invocation: &Invocation) -> Result<Report> {
        let mut facts = Facts::of(cause);
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
        let now = invocation.now;
        for _ in 0..ATTEMPTS {
            let verdict = self.conclude(facts, invocation).await?;
            match &verdict {
                Verdict::Ignore(_) => return Ok(verdict),
                Verdict::HandOver { target, operation } => {
                    let timer = Timer::Watch { target: target.clone(), operation: operation.clone() };
                    timer.arm(&self.clients().await.sqs, &self.config.timers_queue, Duration::ZERO).await?;
                    return Ok(verdict);
                }
                Verdict::RollBack(rollback) => match self.roll_back(facts, &verdict, rollback, now).await? {
                    Outcome::Done => {}
                    Outcome::Again => {
                        facts.world = None;
                        continue;
                    }
                    Outcome::Refused(error) => return Err(error),
                },
                Verdict::Hold { .. }
                | Verdict::Propose { .. }
                | Verdict::RolledBack { .. }
                | Verdict::Resolve(_) => {}
            }
            self.give_up(facts, &verdict, now).await?;
            self.end_undone(facts, &verdict, now).await?;
            self.tell(facts, &verdict, now).await?;
            return Ok(verdict);
        }
        Err(Error::Later("the target was changed by somebody else again and again".to_owned()))
    }

    /// Asks and looks until there is a verdict.
    async fn conclude(&self, facts: &mut Facts, invocation: &Invocation) -> Result<Verdict> {
        let policy = &self.config.policy;
        loop {
            match decide(facts, policy, invocation.now) {
                Step::Settled(verdict) => return Ok(verdict),
                Step::Look(question) => {
                    Box::pin(observe::answer(self.clients().await, facts, question, policy, invocation))
                        .await?;
                }
            }
        }
    }

    async fn roll_back(
        &self,
        facts: &Facts,
        verdict: &Verdict,
        rollback: &Rollback,
        now: Timestamp,
    ) -> Result<Outcome> {
        let clients = self.clients().await;
        let rules = facts.rules.clone().unwrap_or_default();
        // A person who asks for it need not wait for a cooldown, and may undo what is still being watched; a stack is
        // brought on in the next way when the first has failed.
        let asked = matches!(facts.cause, Cause::Request(_) | Cause::Stack(_));
        let lease = facts.world.as_ref().and_then(|world| world.memory.lease.as_ref());
        let order = Order {
            rollback,
            incident: &incident(facts, verdict),
            rules: &rules.policy,
            timers: &self.config.timers_queue,
            over: lease.filter(|_| asked).map(|lease| lease.owner.as_str()),
        };
        act::roll_back(clients, &order, now).await
    }

    /// Publishes the notice, records what people were told, and closes the claim, in this order: whatever is cut off
    /// is done again, and the same notice twice is one notice to its readers.
    async fn tell(&self, facts: &Facts, verdict: &Verdict, now: Timestamp) -> Result<()> {
        let ledger = &self.clients().await.ledger;
        // Who asks by hand is answered; others hear of it when something was done.
        let is_answer = matches!(facts.cause, Cause::Request(_));
        let notice = tell::notice(facts, &self.config.policy, verdict, now);
        match verdict {
            Verdict::Resolve(incident) => {
                self.publish(&notice).await?;
                let resolved =
                    Incident { state: State::Resolved, revision: notice.revision, ..incident.clone() };
                return ledger.record(&resolved, now).await;
            }
            Verdict::Hold { .. } | Verdict::Propose { .. } if is_answer => return Ok(()),
            Verdict::Hold { why: Held::SetByHand, .. }
            | Verdict::RollBack(_)
            | Verdict::RolledBack { .. } => {
                self.publish(&notice).await?;
            }
            Verdict::Hold { .. } | Verdict::Propose { .. } => {
                ledger.record(&incident(facts, verdict), now).await?;
                self.publish(&notice).await?;
            }
            Verdict::Ignore(_) | Verdict::HandOver { .. } => return Ok(()),
        }
        if facts.claim.is_some() {
            ledger.complete(&facts.claim_key(&self.config.policy, now), tell::outcome(verdict), now).await?;
        }
        Ok(())
    }

    /// An operation that was begun for this cause, and that the verdict no longer wants, ends here. Where the target
    /// was not touched since, it changed nothing; where somebody changed it, it may have, so what it learnt is kept.
    async fn give_up(&self, facts: &Facts, verdict: &Verdict, now: Timestamp) -> Result<()> {
        let (Verdict::Hold { target: Some(target), .. }
        | Verdict::Propose { rollback: Rollback { target, .. }, .. }) = verdict
        else {
            return Ok(());
        };
        let own = decision::operation_id(facts, target);
        let operation = facts.world.as_ref().and_then(|world| world.memory.operation(&own));
        let Some(operation) = operation.filter(|operation| operation.end.is_none()) else {
            return Ok(());
        };
        let ledger = &self.clients().await.ledger;
        // What CodeDeploy was told shows late, so whether it was told is not known: what was learnt is kept.
        let by_code_deploy = matches!(operation.means, Means::CreateDeployment | Means::StopDeployment);
        let overtaken = matches!(verdict, Verdict::Hold { why: Held::Overtaken { .. }, .. });
        if overtaken || by_code_deploy {
            ledger.finish(target, operation, End::Superseded, now).await
        } else {
            ledger.refused(target, operation).await
        }
    }

    /// The operation that was taken back by hand is over.
    async fn end_undone(&self, facts: &Facts, verdict: &Verdict, now: Timestamp) -> Result<()> {
        let (Verdict::RollBack(Rollback { target, .. }) | Verdict::RolledBack { target, .. }) = verdict
        else {
            return Ok(());
        };
        match undone(facts) {
            Some(undone) => self.clients().await.ledger.finish(target, undone, End::Superseded, now).await,
            None => Ok(()),
        }
    }

    /// Tells that the case failed, under its own incident, so that its end takes this back, too.
    async fn tell_failure(&self, facts: &Facts, error: &Error) -> Result<()> {
        self.publish(&tell::failure(facts, &self.config.policy, error)).await?;
        let ledger = &self.clients().await.ledger;
        let known = ledger.incident(&facts.incident_key()).await?;
        let at = facts.cause.at();
        if known.is_none_or(|known| known.revision < millis(at)) {
            let incident = Incident {
                key: facts.incident_key(),
                state: State::Firing,
                revision: millis(at),
                target: String::new(),
                operation: None,
                opened: at,
            };
            ledger.record(&incident, at).await?;
        }
        Ok(())
    }

    async fn publish(&self, notice: &Notice) -> Result<()> {
        notice.publish(&self.clients().await.sns, &self.config.notices_topic).await
    }
}

/// The operation that a request by hand undoes.
fn undone(facts: &Facts) -> Option<&shared::ledger::operation::Operation> {
    let Cause::Request(request) = &facts.cause else {
        return None;
    };
    let Wanted::Undo(id) = &request.wanted else {
        return None;
    };
    facts.world.as_ref()?.memory.operation(id).filter(|operation| operation.end.is_none())
}

/// The incident that this cause opens or goes on with.
fn incident(facts: &Facts, verdict: &Verdict) -> Incident {
    let (target, operation) = match verdict {
        Verdict::RollBack(rollback) => (Some(&rollback.target), Some(rollback.operation.clone())),
        Verdict::RolledBack { target, operation } => (Some(target), Some(operation.id.clone())),
        Verdict::Propose { rollback, .. } => (Some(&rollback.target), None),
        // A rollback that was begun for it before stays the one that its end closes.
        Verdict::Hold { target, .. } => (target.as_ref(), open_operation(facts)),
        Verdict::Ignore(_) | Verdict::Resolve(_) | Verdict::HandOver { .. } => (None, None),
    };
    let at = facts.cause.at();
    // What fires again without having been OK goes on with what people were told.
    let known = facts.known().filter(|known| known.state == State::Firing);
    Incident {
        key: facts.incident_key(),
        state: State::Firing,
        revision: facts.revision(),
        target: target.map(ToString::to_string).unwrap_or_default(),
        operation,
        opened: known.map_or(at, |known| known.opened.min(at)),
    }
}

fn open_operation(facts: &Facts) -> Option<String> {
    let operations = &facts.world.as_ref()?.memory.operations;
    let key = facts.incident_key();
    operations
        .iter()
        .find(|operation| operation.incident == key && operation.end.is_none())
        .map(|open| open.id.clone())
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}

/// One report for an event of several causes.
fn together(reports: &[Report]) -> Report {
    let all: Vec<_> = reports
        .iter()
        .map(|report| json!({"outcome": report.outcome(), "reason": report.reason()}))
        .collect();
    Report::new("several", "", format!("{} causes were dealt with", all.len()))
        .record("causes", &all)
        .answering(json!(all))
}

#[cfg(test)]
mod tests;
