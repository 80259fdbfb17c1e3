//! `queue-scale`: gives a service more tasks while many messages wait for it, and its own count back afterwards.
//!
//! ```text
//! schedule ─▶ for each rule of the policy: look at the queue, the service, and what is remembered ─▶ decide
//!                                                                                                    │
//!       people are told ◀─ it is remembered as made ◀─ the service gets its count ◀─ it is remembered ◀┘
//!              └─▶ it is remembered as told
//! ```
//!
//! A process may die anywhere. The next one sees by the service's count whether a change that is remembered was made: then
//! it is told, else it is decided anew. A count that neither was set here nor stood there before is somebody else's, and
//! stays.

mod act;
pub mod decision;
pub mod hand;
mod look;
mod tell;

use std::pin::pin;

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::policy::Scale;
use shared::tags::Mode;
use shared::{Error, Report, Result, policy};
use tokio::sync::OnceCell;

use crate::decision::{Step, decide};

/// How many rules are looked at at once.
const AT_ONCE: usize = 8;

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that is watched.
    pub environment: String,
    /// What may be done where no tag says otherwise.
    pub mode: Mode,
    /// The clusters whose services are scaled by hand: a name, or the beginning of one and a star.
    pub clusters: String,
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
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            mode: env.required("MODE")?,
            clusters: env.required("CLUSTERS")?,
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
        })
    }
}

/// The clients of one process.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For who else scales services.
    pub autoscaling: aws_sdk_applicationautoscaling::Client,
    /// For services.
    pub ecs: aws_sdk_ecs::Client,
    /// For the notices.
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
            autoscaling: aws_sdk_applicationautoscaling::Client::new(aws),
            ecs: aws_sdk_ecs::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            ssm: aws_sdk_ssm::Client::new(aws),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(aws), ledger_table),
        }
    }
}

/// What is asked for: `{"scale": "all"}` looks at every rule and acts; `{"scale": "plan"}` answers what would be done, and
/// changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    All,
    Plan,
}

/// The function.
#[derive(Debug)]
pub struct QueueScale {
    config: Config,
    aws: Aws,
    clients: OnceCell<Clients>,
}

/// One invocation at work.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clients: &'a Clients,
    pub(crate) policy: &'a policy::Policy,
    pub(crate) invocation: &'a Invocation,
}

impl QueueScale {
    /// Nothing is connected yet.
    pub fn new(config: Config) -> Self {
        Self { config, aws: Aws::new(), clients: OnceCell::const_new() }
    }

    async fn clients(&self) -> &Clients {
        self.clients
            .get_or_init(async || Clients::new(self.aws.config().await, &self.config.ledger_table))
            .await
    }

    /// Does what the event asks for.
    ///
    /// # Errors
    /// What kept the event from being dealt with. A rule that fails keeps no other from being looked at: the invocation
    /// fails after all were. A plan says what is wrong with each rule instead.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        if let Some(request) = hand::Request::read(event)? {
            return self.by_hand(&request, invocation).await;
        }
        let asked = event.get("scale").cloned().unwrap_or_default();
        let asked: Asked = serde_json::from_value(asked).map_err(|_| {
            Error::Event(
                "write {\"scale\": \"all\"} to scale services, or {\"scale\": \"plan\"} to see how"
                    .to_owned(),
            )
        })?;
        if asked == Asked::All && self.config.mode == Mode::Off {
            let why = "the mode is off: nothing is looked at but by hand";
            return Ok(Report::new("ignored", "", why).answering(json!({"services": [], "reason": why})));
        }
        let clients = self.clients().await;
        let loaded = policy::load(&clients.ssm, &self.config.environment).await?;
        let run = Run { config: &self.config, clients, policy: &loaded.policy, invocation };
        let (mut outcome, mut lines, mut failed) = ("kept", Vec::new(), None);
        let (mut steps, mut changes) = (Vec::new(), 0);
        let each = stream::iter(&loaded.policy.scale).map(async |rule| (rule, run.one(rule, asked).await));
        let mut each = pin!(each.buffered(AT_ONCE));
        while let Some((rule, done)) = each.next().await {
            match done {
                Ok(done) => {
                    if done.changed {
                        (outcome, changes) = ("scaled", changes + 1);
                    }
                    lines.push(done.line);
                    steps.push(done.step);
                }
                Err(error) => {
                    lines.push(format!("{}: {}", rule.service, error.chain()));
                    steps.push(json!({"service": rule.service, "error": error.chain()}));
                    failed = Some(error);
                }
            }
        }
        if lines.is_empty() {
            let why = "the policy has no rule under `scale`";
            let answer = json!({"services": [], "reason": why});
            return Ok(Report::new("ignored", "", why).answering(answer));
        }
        let report = Report::new(outcome, "", lines.join("; "))
            .metric("Scalings", "Count", f64::from(changes))
            .record("policy_version", &loaded.version)
            .record("services", &steps)
            .answering(json!({"services": steps}));
        Ok(match failed {
            Some(error) if asked == Asked::All => report.failing(&error),
            Some(_) | None => report,
        })
    }
}

impl QueueScale {
    async fn by_hand(&self, request: &hand::Request, invocation: &Invocation) -> Result<Report> {
        let clients = self.clients().await;
        let loaded = policy::load(&clients.ssm, &self.config.environment).await?;
        let run = Run { config: &self.config, clients, policy: &loaded.policy, invocation };
        run.by_hand(request).await
    }
}

/// What came of one rule.
struct Done {
    changed: bool,
    line: String,
    step: Value,
}

impl Run<'_> {
    async fn one(&self, rule: &Scale, asked: Asked) -> Result<Done> {
        let now = self.invocation.now;
        let (facts, mut kept) = self.look(rule).await?;
        let step = decide(rule, &facts, now);
        let changes = matches!(step, Step::Set { .. } | Step::Tell { .. } | Step::StepAside { .. });
        let words = tell::words(rule, &step);
        let line = format!("{}: {words}", rule.service);
        let told = json!({"service": rule.service, "reason": words, "decided": step, "facts": facts});
        if asked == Asked::All {
            self.act(rule, &facts, step, &mut kept).await?;
        }
        Ok(Done { changed: changes && asked == Asked::All, line, step: told })
    }
}

#[cfg(test)]
mod tests;
