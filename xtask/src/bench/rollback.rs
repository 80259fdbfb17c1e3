//! From an alarm to `ecs:UpdateService`, on local AWS, in a warm process.

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
use jiff::Timestamp;
use local::aws::{LocalAws, Port, SdkConfig};
use local::progress::Progress;
use local::proxy::{Call, Fault, Proxy, When, longest_chain};
use local::runtime_api::{Event, Function, Outcome};
use local::{place, setup};
use serde_json::{Value, json};

use super::binaries::{Subjects, event, megabytes};
use super::row::Row;
use super::samples::Samples;

/// How many alarms fire in the warm process, each about a service of its own.
const ALARMS: usize = 15;

/// Longer than it takes to send calls at once, shorter than any time-out.
const HELD_BACK: Duration = Duration::from_millis(50);

/// The ledger's table.
const TABLE: &str = "ledger";

const CLUSTER: &str = "bench";
const UPDATE: &str = "ecs:UpdateService";

/// Limits: ms, calls, calls one after another.
const TIME_GOAL: f64 = 500.0;
const CALLS_GOAL: f64 = 12.0;
const CHAIN_GOAL: f64 = 6.0;

/// Time to the call, and how many calls it took.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let tools = setup::tools(progress).await?;
    let folder = place::local().join("bench/aws");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", place::shown(&folder)))?;
    }
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await?;
    let stage = Stage::prepare(&aws.sdk_config().await).await?;

    let proxy = Proxy::forwarding(&aws.endpoint()).await?;
    let mut env: Vec<_> = aws.environment().into_iter().collect();
    env.extend([
        ("AWS_ENDPOINT_URL", proxy.url().to_owned()),
        ("LEDGER_TABLE", TABLE.to_owned()),
        ("NOTICES_TOPIC_ARN", stage.topic.clone()),
    ]);
    let function = subjects.alarm_rollback.spawn(&env).await?;

    // The first alarm warms the process and is not counted.
    stage.fire(0, &function, &proxy).await?;
    let (mut until_update, mut whole) = (Samples::default(), Samples::default());
    for number in 1..=ALARMS {
        let fired = stage.fire(number, &function, &proxy).await?;
        until_update.add(fired.until_update);
        whole.add(fired.whole);
    }
    // Every answer is held back, so that calls made at once are seen at once: what then comes one after another
    // waits for one another.
    proxy.inject("*", When::Always, Fault::Delay(HELD_BACK));
    let slow = stage.fire(ALARMS + 1, &function, &proxy).await?;
    let peak_rss = megabytes(function.peak_rss()?);
    drop(function);
    aws.stop().await;

    let name = subjects.alarm_rollback.name;
    let row = |what, unit, value| Row::new(name, what, unit, value);
    let count = |count: usize| anyhow::Ok(f64::from(u32::try_from(count)?));
    let before = slow.calls.iter().take_while(|call| !call.is(UPDATE)).count();
    Ok(vec![
        row("alarm to UpdateService, local AWS, warm", "ms", until_update.median()).at_most(TIME_GOAL),
        row("the same, slowest of all", "ms", until_update.percentile(100)),
        row("whole invocation, notice included", "ms", whole.median()),
        row("AWS calls up to UpdateService", "calls", count(before + 1)?).at_most(CALLS_GOAL),
        row("of these, one after another", "calls", count(longest_chain(&slow.calls, UPDATE))?)
            .at_most(CHAIN_GOAL),
        row("AWS calls in the whole invocation", "calls", count(slow.calls.len())?),
        row("peak RSS after rollbacks", "MB", peak_rss),
    ])
}

/// What was seen of one alarm.
struct Fired {
    until_update: Duration,
    whole: Duration,
    calls: Vec<Call>,
}

/// The account in which services are deployed and alarms fire.
struct Stage {
    cloudwatch: cloudwatch::Client,
    ecs: ecs::Client,
    topic: String,
}

impl Stage {
    /// A table as in the template, a topic without subscribers, and a cluster with two revisions of one family.
    async fn prepare(config: &SdkConfig) -> anyhow::Result<Self> {
        create_table(config).await?;
        let topic = sns::Client::new(config).create_topic().name("notices").send().await?;
        let topic = topic.topic_arn().context("the topic has no ARN")?.to_owned();
        let ecs = ecs::Client::new(config);
        ecs.create_cluster().cluster_name(CLUSTER).send().await?;
        for image in ["shop/web:1.4.0", "shop/web:1.5.0"] {
            let container = ContainerDefinition::builder().name("web").image(image).memory(128).build();
            ecs.register_task_definition().family("web").container_definitions(container).send().await?;
        }
        Ok(Self { cloudwatch: cloudwatch::Client::new(config), ecs, topic })
    }

    /// A new service gets a bad deployment, its alarm fires, and the function is handed the alarm.
    async fn fire(&self, number: usize, function: &Function, proxy: &Proxy) -> anyhow::Result<Fired> {
        let service = format!("web-{number}");
        self.deploy_bad(&service).await?;
        let arn = self.alarm(&service).await?;

        proxy.forget();
        let invoked = function.invoke(Event::new(&alarm_event(&service, &arn)?)).await?;
        let calls = proxy.calls();
        let (Outcome::Ok(_), Some(handed)) = (&invoked.outcome, invoked.handed) else {
            bail!("alarm-rollback failed: {:?}", invoked.outcome);
        };
        let Some(update) = calls.iter().find(|call| call.is(UPDATE)) else {
            let report = function.report(&invoked.request_id).await?;
            bail!("alarm-rollback did not roll {service} back: {report}");
        };
        let until_update = update.arrived.duration_since(handed);
        Ok(Fired { until_update, whole: invoked.took, calls })
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
        self.cloudwatch
            .set_alarm_state()
            .alarm_name(service)
            .state_value(StateValue::Alarm)
            .state_reason("Threshold Crossed: 1 datapoint [99.5] was greater than the threshold (90.0).")
            .send()
            .await?;
        let described = self.cloudwatch.describe_alarms().alarm_names(service).send().await?;
        let alarm = described.metric_alarms().first().context("the alarm is not there")?;
        alarm.alarm_arn().map(ToOwned::to_owned).context("the alarm has no ARN")
    }
}

async fn create_table(config: &SdkConfig) -> anyhow::Result<()> {
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

/// A direct alarm action, as of now, about this service.
fn alarm_event(service: &str, arn: &str) -> anyhow::Result<Value> {
    let mut event = event("alarm-rollback/direct-metric.json")?;
    #[expect(clippy::disallowed_methods, reason = "the alarm fires now")]
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    let before = (Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    for (pointer, value) in [
        ("/alarmArn", json!(arn)),
        ("/time", json!(now)),
        ("/alarmData/alarmName", json!(service)),
        ("/alarmData/state/timestamp", json!(now)),
        ("/alarmData/previousState/timestamp", json!(before)),
        (
            "/alarmData/configuration/metrics/0/metricStat/metric/dimensions",
            json!({"ClusterName": CLUSTER, "ServiceName": service}),
        ),
    ] {
        *event.pointer_mut(pointer).with_context(|| format!("the event has no {pointer}"))? = value;
    }
    Ok(event)
}
