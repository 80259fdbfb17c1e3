//! From an alarm to `ecs:UpdateService`, and on to the closing notice, on local AWS, in warm processes.

use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_sns as sns;
use aws_sdk_sqs as sqs;
use local::aws::{LocalAws, Port, SdkConfig};
use local::progress::Progress;
use local::proxy::{Call, Fault, Proxy, When, longest_chain};
use local::runtime_api::{Event, Function, Invoked, Outcome};
use local::{place, setup};
use serde_json::Value;

use super::binaries::{Subjects, megabytes};
use super::row::Row;
use super::samples::Samples;
use crate::corpus::{Change, timer};

/// How many alarms fire in the warm processes, each about a service of its own.
const ALARMS: usize = 15;

/// Longer than it takes to send calls at once, shorter than any time-out.
const HELD_BACK: Duration = Duration::from_millis(50);

/// The ledger's table.
pub(super) const TABLE: &str = "ledger";

const CLUSTER: &str = "bench";
const UPDATE: &str = "ecs:UpdateService";
const TIMER: &str = "sqs:SendMessage";
const NOTICE: &str = "sns:Publish";

/// Limits: ms, calls, calls one after another.
const TIME_GOAL: f64 = 500.0;
const CALLS_GOAL: f64 = 14.0;
const CHAIN_GOAL: f64 = 7.0;

/// Times, and how many calls it took.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let tools = setup::tools(progress).await?;
    let folder = place::local().join("bench/aws");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", place::shown(&folder)))?;
    }
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await?;
    let stage = Stage::prepare(&aws, subjects).await?;

    // The first alarm warms the processes and is not counted.
    stage.story(0).await?;
    let (mut until_update, mut whole, mut closed) =
        (Samples::default(), Samples::default(), Samples::default());
    for number in 1..=ALARMS {
        let told = stage.story(number).await?;
        until_update.add(told.until_update);
        whole.add(told.whole);
        closed.add(told.whole + told.until_closed);
    }
    // Every answer is held back, so that calls made at once are seen at once: what then comes one after another
    // waits for one another.
    stage.proxy.inject("*", When::Always, Fault::Delay(HELD_BACK));
    let slow = stage.fire(&service(ALARMS + 1)).await?.calls;
    let rss = |function: &Function| anyhow::Ok(megabytes(function.peak_rss()?));
    let (rollback_rss, watch_rss) = (rss(&stage.alarm_rollback)?, rss(&stage.deployment_watch)?);
    drop(stage);
    aws.stop().await;

    let name = subjects.alarm_rollback.name;
    let row = |what, unit, value| Row::new(name, what, unit, value);
    let count = |count: usize| anyhow::Ok(f64::from(u32::try_from(count)?));
    let before = slow.iter().take_while(|call| !call.is(UPDATE)).count();
    let after_closing = "peak RSS after closing notices";
    Ok(vec![
        row("alarm to UpdateService, local AWS", "ms", until_update.median()).at_most(TIME_GOAL),
        row("the same, slowest of all", "ms", until_update.percentile(100)),
        row("whole invocation, notice included", "ms", whole.median()),
        row("to the closing notice, less waits", "ms", closed.median()),
        row("AWS calls up to UpdateService", "calls", count(before + 1)?).at_most(CALLS_GOAL),
        row("of these, one after another", "calls", count(longest_chain(&slow, UPDATE))?).at_most(CHAIN_GOAL),
        row("AWS calls in the whole invocation", "calls", count(slow.len())?),
        row("peak RSS after rollbacks", "MB", rollback_rss),
        Row::new(subjects.deployment_watch.name, after_closing, "MB", watch_rss),
    ])
}

/// What was seen of one alarm.
struct Fired {
    alarm: String,
    until_update: Duration,
    whole: Duration,
    calls: Vec<Call>,
}

/// What was seen of one rollback, from its alarm to its closing notice.
struct Told {
    /// From the alarm to `ecs:UpdateService`.
    until_update: Duration,
    /// The whole invocation of alarm-rollback.
    whole: Duration,
    /// From the timer to the closing notice.
    until_closed: Duration,
}

/// The account in which services are deployed and alarms fire, and the functions that deal with it.
struct Stage {
    cloudwatch: cloudwatch::Client,
    ecs: ecs::Client,
    proxy: Proxy,
    alarm_rollback: Function,
    deployment_watch: Function,
}

fn service(number: usize) -> String {
    format!("web-{number}")
}

impl Stage {
    /// A table as in the template, a topic and a queue of which nobody reads, and a cluster with two revisions of one
    /// family.
    async fn prepare(aws: &LocalAws, subjects: &Subjects) -> anyhow::Result<Self> {
        let config = &aws.sdk_config().await;
        create_table(config).await?;
        let topic = sns::Client::new(config).create_topic().name("notices").send().await?;
        let topic = topic.topic_arn().context("the topic has no ARN")?.to_owned();
        let queue = sqs::Client::new(config).create_queue().queue_name("timers").send().await?;
        let queue = queue.queue_url().context("the queue has no URL")?.to_owned();
        let ecs = ecs::Client::new(config);
        ecs.create_cluster().cluster_name(CLUSTER).send().await?;
        for image in ["shop/web:1.4.0", "shop/web:1.5.0"] {
            let container = ContainerDefinition::builder().name("web").image(image).memory(128).build();
            ecs.register_task_definition().family("web").container_definitions(container).send().await?;
        }

        let proxy = Proxy::forwarding(&aws.endpoint()).await?;
        let mut env: Vec<_> = aws.environment().into_iter().collect();
        env.extend([
            ("AWS_ENDPOINT_URL", proxy.url().to_owned()),
            ("LEDGER_TABLE", TABLE.to_owned()),
            ("NOTICES_TOPIC_ARN", topic),
            ("TIMERS_QUEUE_URL", queue),
        ]);
        let alarm_rollback = subjects.alarm_rollback.spawn(&env).await?;
        let deployment_watch = subjects.deployment_watch.spawn(&env).await?;
        Ok(Self { cloudwatch: cloudwatch::Client::new(config), ecs, proxy, alarm_rollback, deployment_watch })
    }

    /// An alarm, the rollback, the alarm OK again, and the closing notice.
    async fn story(&self, number: usize) -> anyhow::Result<Told> {
        let service = service(number);
        let fired = self.fire(&service).await?;
        self.set(&service, StateValue::Ok).await?;
        let until_closed = self.close(&service, &fired).await?;
        Ok(Told { until_update: fired.until_update, whole: fired.whole, until_closed })
    }

    /// A new service gets a bad deployment, its alarm fires, and alarm-rollback is handed the alarm.
    async fn fire(&self, service: &str) -> anyhow::Result<Fired> {
        self.deploy_bad(service).await?;
        let alarm = self.alarm(service).await?;
        let change = Change {
            name: service,
            arn: &alarm,
            from: "OK",
            to: "ALARM",
            reason: REASON,
            dimensions: &[("ClusterName", CLUSTER), ("ServiceName", service)],
        };

        self.proxy.forget();
        let invoked = answered(&self.alarm_rollback, &change.event()?).await?;
        let calls = self.proxy.calls();
        let handed = invoked.handed.context("the event was not handed over")?;
        let Some(update) = calls.iter().find(|call| call.is(UPDATE)) else {
            let report = self.alarm_rollback.report(&invoked.request_id).await?;
            bail!("alarm-rollback did not roll {service} back: {report}");
        };
        let until_update = update.arrived.duration_since(handed);
        Ok(Fired { alarm, until_update, whole: invoked.took, calls })
    }

    /// Hands deployment-watch the timer that alarm-rollback sent, at once: how long it takes to the closing notice.
    async fn close(&self, service: &str, fired: &Fired) -> anyhow::Result<Duration> {
        let timer_sent = fired.calls.iter().find(|call| call.is(TIMER)).context("no timer was sent")?.json();
        let body = timer_sent.get("MessageBody").and_then(Value::as_str).context("the timer is empty")?;

        self.proxy.forget();
        let invoked = answered(&self.deployment_watch, &timer(body)).await?;
        let handed = invoked.handed.context("the timer was not handed over")?;
        let told = self.proxy.calls().into_iter().find(|call| call.is(NOTICE));
        let resolves = |call: &Call| {
            let said = call.form().into_iter().find(|(name, _)| name == "Message").map(|(_, said)| said);
            let notice: Option<Value> = said.and_then(|said| serde_json::from_str(&said).ok());
            notice.is_some_and(|notice| notice.get("state").is_some_and(|state| state == "resolved"))
        };
        let ended = told.filter(resolves).and_then(|call| call.ended);
        let Some(ended) = ended else {
            let report = self.deployment_watch.report(&invoked.request_id).await?;
            bail!("deployment-watch did not close {service} ({}): {report}", fired.alarm);
        };
        Ok(ended.duration_since(handed))
    }

    async fn deploy_bad(&self, service: &str) -> anyhow::Result<()> {
        self.ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(service)
            .task_definition("web:1")
            .desired_count(1)
            .send()
            .await?;
        self.ecs.update_service().cluster(CLUSTER).service(service).task_definition("web:2").send().await?;
        Ok(())
    }

    /// The service's alarm, in the state ALARM.
    async fn alarm(&self, service: &str) -> anyhow::Result<String> {
        let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        self.cloudwatch
            .put_metric_alarm()
            .alarm_name(service)
            .namespace("AWS/ECS")
            .metric_name("CPUUtilization")
            .dimensions(dimension("ClusterName", CLUSTER))
            .dimensions(dimension("ServiceName", service))
            .statistic(Statistic::Average)
            .period(60)
            .evaluation_periods(1)
            .threshold(90.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .send()
            .await?;
        self.set(service, StateValue::Alarm).await?;
        let described = self.cloudwatch.describe_alarms().alarm_names(service).send().await?;
        let alarm = described.metric_alarms().first().context("the alarm is not there")?;
        alarm.alarm_arn().map(ToOwned::to_owned).context("the alarm has no ARN")
    }

    async fn set(&self, alarm: &str, state: StateValue) -> anyhow::Result<()> {
        let set = self.cloudwatch.set_alarm_state().alarm_name(alarm).state_value(state);
        set.state_reason(REASON).send().await?;
        Ok(())
    }
}

/// What CloudWatch says of an alarm that its metric fired.
const REASON: &str = "Threshold Crossed: 1 datapoint [99.5] was greater than the threshold (90.0).";

/// An invocation that was answered.
async fn answered(function: &Function, event: &Value) -> anyhow::Result<Invoked> {
    let invoked = function.invoke(Event::new(event)).await?;
    match invoked.outcome {
        Outcome::Ok(_) => Ok(invoked),
        failed @ (Outcome::Error { .. } | Outcome::TimedOut | Outcome::Exited(_)) => {
            bail!("the function failed: {failed:?}")
        }
    }
}

/// The ledger's table, as in the template.
pub(super) async fn create_table(config: &SdkConfig) -> anyhow::Result<()> {
    let mut table = dynamodb::Client::new(config)
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        table = table
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build()?,
            )
            .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?);
    }
    table.send().await?;
    Ok(())
}
