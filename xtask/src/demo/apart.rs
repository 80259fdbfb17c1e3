//! The functions apart from the deployment: the same binaries, run as the platform runs them, behind a proxy that
//! answers what local AWS lacks and forwards the rest. Ledger and topic are the deployment's, so that people are told
//! by the same way.

use anyhow::{Context, bail};
use aws_sdk_sqs as sqs;
use local::proxy::{Answer, Call, Proxy};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::Value;

use super::Stand;
use super::report::text;
use crate::corpus::timer;

/// Where alarm-rollback's timers go: the demo hands them over itself, and at once.
const TIMERS: &str = "demo-timers";

/// Both functions that deal with a rollback.
#[derive(Debug)]
pub(super) struct Apart {
    proxy: Proxy,
    alarm_rollback: Function,
    deployment_watch: Function,
}

/// What came of an event.
#[derive(Debug)]
pub(super) struct Seen {
    /// The function's report.
    pub(super) report: Value,
    /// What it answered.
    pub(super) answer: Value,
}

impl Apart {
    /// Starts both, behind a proxy with these answers.
    pub(super) async fn start(
        stand: &Stand,
        answers: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let deployment = &stand.deployment;
        let proxy = Proxy::forwarding_but(&deployment.aws.endpoint(), answers).await?;
        let queue = sqs::Client::new(&deployment.config).create_queue().queue_name(TIMERS).send().await?;
        let queue = queue.queue_url().context("the queue has no URL")?.to_owned();
        let mut env: Vec<_> = deployment.aws.environment().into_iter().collect();
        env.extend([
            ("AWS_ENDPOINT_URL", proxy.url().to_owned()),
            ("ENVIRONMENT", "dev".to_owned()),
            ("MODE", "act".to_owned()),
            ("CLUSTERS", "*".to_owned()),
            ("FUNCTIONS", "*".to_owned()),
            ("STACKS", "*".to_owned()),
            ("LEDGER_TABLE", deployment.output("LedgerTable")?.to_owned()),
            ("NOTICES_TOPIC_ARN", deployment.output("NoticesTopicArn")?.to_owned()),
            ("REDEPLOYS_QUEUE_URL", deployment.output("RedeploysUrl")?.to_owned()),
            ("TIMERS_QUEUE_URL", queue),
        ]);
        let alarm_rollback = Function::spawn(&stand.build.binary("AlarmRollback"), env.clone()).await?;
        let deployment_watch = Function::spawn(&stand.build.binary("DeploymentWatch"), env).await?;
        Ok(Self { proxy, alarm_rollback, deployment_watch })
    }

    /// Hands alarm-rollback an event.
    pub(super) async fn hand(&self, event: &Value) -> anyhow::Result<Seen> {
        handed(&self.alarm_rollback, event).await
    }

    /// Hands deployment-watch the timer that alarm-rollback sent last.
    pub(super) async fn watch(&self) -> anyhow::Result<Seen> {
        let sent = self.proxy.calls().into_iter().rev().find(|call| call.is("sqs:SendMessage"));
        let sent = sent.context("alarm-rollback sent no timer")?.json();
        handed(&self.deployment_watch, &timer(text(&sent, "MessageBody"))).await
    }
}

async fn handed(function: &Function, event: &Value) -> anyhow::Result<Seen> {
    let invoked = function.invoke(Event::new(event)).await?;
    let report = function.report(&invoked.request_id).await?;
    match invoked.outcome {
        Outcome::Ok(answer) => Ok(Seen { report, answer }),
        Outcome::Error { kind, message } => bail!("the function failed ({kind}): {message}"),
        Outcome::TimedOut => bail!("the function did not answer in time"),
        Outcome::Exited(status) => bail!("the function ended: {status}"),
    }
}
