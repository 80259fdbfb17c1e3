//! The stage that the tests share: the template deployed on local AWS, and receivers in the place of the channels.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use local::aws::Port;
use local::build;
use local::deployment::{Deployment, Options};
use local::progress::Progress;
use serde_json::{Value, json};
use shared::ledger::Ledger;

use crate::rig::put_policy;
use crate::rotation::Servers;

/// How long anything that happens by itself may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The key that signs the webhook's messages.
pub(crate) const SIGNING_KEY: &str = "a key that only the test and the channel know";

/// A test of the stage.
pub(crate) type Test = for<'a> fn(&'a Stage) -> futures_util::future::LocalBoxFuture<'a, anyhow::Result<()>>;

pub(crate) struct Stage {
    pub(crate) deployment: Deployment,
    pub(crate) acknowledge: PathBuf,
    pub(crate) alarm_rollback: PathBuf,
    pub(crate) deployment_watch: PathBuf,
    pub(crate) dlq_triage: PathBuf,
    pub(crate) health_check: PathBuf,
    pub(crate) queue_scale: PathBuf,
    pub(crate) notification_fanout: PathBuf,
    pub(crate) secret_redeploy: PathBuf,
    pub(crate) secret_rotation: PathBuf,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    /// What Watchkeeper remembers.
    pub(crate) ledger: Ledger,
    /// What secrets are rotated at.
    pub(crate) servers: Servers,
}

/// The channels of all tests: two that answer, and two whose answers a test may choose.
fn channels(receiver: &str) -> Value {
    json!({"channels": [
        {"name": "ops", "type": "slack", "url": format!("{receiver}/slack")},
        {"name": "audit", "type": "webhook", "url": format!("{receiver}/audit"), "secret": SIGNING_KEY},
        {"name": "busy", "type": "webhook", "url": format!("{receiver}/busy"), "secret": SIGNING_KEY},
        {"name": "strict", "type": "webhook", "url": format!("{receiver}/strict"), "secret": SIGNING_KEY},
    ]})
}

/// Many tests at once tell more than people would bear: here each of them is to be heard at once and by itself.
pub(crate) const POLICY: &str = "\
notify:
  storm: {count: 1000, within: 1m}
  channels:
    ops: &bears {at_most: {count: 1000, within: 1s, burst: 1000}}
    audit: *bears
    busy: *bears
    strict: *bears
dlq:
  rules: [{name: what passes, queue: triage-*, error: kind=passes, verdict: transient}]
scale:
- {queue: follow-orders, service: \"ecs:demo/follow-web\", above: 3, per_task: 2, at_most: 4}
health:
  change: {bad: 20}
";

impl Stage {
    pub(crate) async fn set() -> anyhow::Result<Self> {
        let progress = Told;
        let options = Options {
            port: Port::Free,
            name: "tests",
            channels,
            // Our own dead letters are left to the tests that are about them.
            parameters: &[("Environment", "dev"), ("Mode", "act"), ("DeadLetterQueues", "triage-*")],
            environment: &[],
        };
        let deployment = Deployment::start(options, &progress).await?;
        let build = build::functions(&progress).await?;
        let config = &deployment.config;
        let table = deployment.output("LedgerTable")?;
        let stage = Self {
            acknowledge: build.binary("Acknowledge"),
            alarm_rollback: build.binary("AlarmRollback"),
            deployment_watch: build.binary("DeploymentWatch"),
            dlq_triage: build.binary("DlqTriage"),
            health_check: build.binary("HealthCheck"),
            queue_scale: build.binary("QueueScale"),
            notification_fanout: build.binary("NotificationFanout"),
            secret_redeploy: build.binary("SecretRedeploy"),
            secret_rotation: build.binary("SecretRotation"),
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(config), table),
            servers: Servers::default(),
            deployment,
        };
        put_policy(&stage, "dev", POLICY).await?;
        Ok(stage)
    }

    /// Ends everything that was started.
    pub(crate) async fn strike(self) {
        self.deployment.stop().await;
    }

    pub(crate) fn output(&self, name: &str) -> anyhow::Result<&str> {
        self.deployment.output(name)
    }

    /// Invokes a deployed function and waits for its answer; `Err` in the inner result is the function's own.
    pub(crate) async fn invoke(
        &self,
        function_output: &str,
        event: &Value,
    ) -> anyhow::Result<Result<Value, Value>> {
        let answer = self
            .lambda
            .invoke()
            .function_name(self.output(function_output)?)
            .payload(aws_sdk_lambda::primitives::Blob::new(event.to_string()))
            .send()
            .await
            .context("lambda:Invoke failed")?;
        let payload = answer.payload().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
        let value: Value = serde_json::from_slice(&payload)
            .with_context(|| format!("no JSON answer: {}", String::from_utf8_lossy(&payload)))?;
        Ok(if answer.function_error().is_some() { Err(value) } else { Ok(value) })
    }

    /// The events of one folder of the corpus, by their names.
    pub(crate) fn events(function: &str) -> anyhow::Result<Vec<(String, Value)>> {
        let mut events = Vec::new();
        for entry in std::fs::read_dir(local::place::root().join("events").join(function))? {
            let path = entry?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            events.push((name, serde_json::from_str(&std::fs::read_to_string(&path)?)?));
        }
        events.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(events)
    }
}

/// Long steps are said on standard error, beside the test run's own output.
pub(crate) struct Told;

impl Progress for Told {
    fn step(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "… {text}");
    }

    fn detail(&self, _: &str) {}
}
