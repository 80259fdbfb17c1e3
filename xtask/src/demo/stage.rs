//! The service and the alarms of the story.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic};
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::{ContainerDefinition, Tag};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

/// The cluster.
const CLUSTER: &str = "demo";

/// The service, and the family of its task definitions.
const SERVICE: &str = "web";

/// The metrics' namespace.
const NAMESPACE: &str = "Demo/Web";

/// How often a data point is published.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How far the alarms look back, in seconds; the shortest that CloudWatch has.
const PERIOD: i32 = 10;

/// An alarm, and the metric it watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// The alarm's name.
    pub(super) name: &'static str,
    metric: &'static str,
    threshold: f64,
    description: &'static str,
}

/// Too many requests fail.
pub(super) const ERRORS: Watch = Watch {
    name: "web-errors",
    metric: "ErrorPercent",
    threshold: 5.0,
    description: "More than 5 % of the requests to web fail.",
};

/// Requests take too long.
pub(super) const LATENCY: Watch = Watch {
    name: "web-latency",
    metric: "LatencyP99",
    threshold: 800.0,
    description: "The slowest requests to web take more than 800 ms.",
};

/// The service and the alarms.
#[derive(Debug)]
pub(super) struct Stage {
    ecs: ecs::Client,
    cloudwatch: cloudwatch::Client,
    topic: String,
}

/// An alarm that changed its state.
#[derive(Debug)]
pub(super) struct Fired {
    /// Just before the data point that changed it.
    pub(super) at: Instant,
    /// The same, by the clock on the wall.
    pub(super) wall: Timestamp,
    /// What CloudWatch says of it.
    pub(super) reason: String,
    /// How many data points it took.
    pub(super) published: u32,
}

impl Stage {
    pub(super) fn new(config: &local::aws::SdkConfig, topic: &str) -> Self {
        Self {
            ecs: ecs::Client::new(config),
            cloudwatch: cloudwatch::Client::new(config),
            topic: topic.to_owned(),
        }
    }

    /// The cluster, two revisions of the task definition, and the service on the first.
    pub(super) async fn create_service(&self) -> anyhow::Result<()> {
        self.ecs.create_cluster().cluster_name(CLUSTER).send().await?;
        for image in ["shop/web:1.4.0", "shop/web:1.5.0"] {
            let container = ContainerDefinition::builder().name("web").image(image).memory(128).build();
            self.ecs
                .register_task_definition()
                .family(SERVICE)
                .container_definitions(container)
                .send()
                .await?;
        }
        let tag = Tag::builder().key("watchkeeper:environment").value("dev").build();
        self.ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(SERVICE)
            .task_definition("web:1")
            .desired_count(1)
            .tags(tag)
            .send()
            .await?;
        Ok(())
    }

    /// The update to the bad revision. Then the clock reaches the next full second, because the local alarm tells
    /// when it fired in whole seconds, and must not seem to have fired before.
    pub(super) async fn deploy_bad(&self) -> anyhow::Result<()> {
        self.ecs.update_service().cluster(CLUSTER).service(SERVICE).task_definition("web:2").send().await?;
        let part = wall().subsec_nanosecond().max(0);
        let left = Duration::from_secs(1).saturating_sub(Duration::from_nanos(u64::try_from(part)?));
        tokio::time::sleep(left).await;
        Ok(())
    }

    /// The task definition that the service is set to, as `family:revision`.
    pub(super) async fn running(&self) -> anyhow::Result<String> {
        let service = self.service().await?;
        let arn = service.task_definition().context("the service has no task definition")?;
        Ok(arn.rsplit('/').next().unwrap_or(arn).to_owned())
    }

    /// The ids of the service's deployments.
    pub(super) async fn deployments_made(&self) -> anyhow::Result<Vec<String>> {
        let service = self.service().await?;
        Ok(service
            .deployments()
            .iter()
            .filter_map(|deployment| deployment.id().map(ToOwned::to_owned))
            .collect())
    }

    async fn service(&self) -> anyhow::Result<ecs::types::Service> {
        let described = self.ecs.describe_services().cluster(CLUSTER).services(SERVICE).send().await?;
        described.services().first().cloned().context("the service is not there")
    }

    /// Both alarms, with Watchkeeper's topic as their action in both directions.
    pub(super) async fn create_alarms(&self) -> anyhow::Result<()> {
        for watch in [ERRORS, LATENCY] {
            self.cloudwatch
                .put_metric_alarm()
                .alarm_name(watch.name)
                .alarm_description(watch.description)
                .namespace(NAMESPACE)
                .metric_name(watch.metric)
                .set_dimensions(Some(dimensions()))
                .statistic(Statistic::Average)
                .period(PERIOD)
                .evaluation_periods(1)
                .threshold(watch.threshold)
                .comparison_operator(ComparisonOperator::GreaterThanThreshold)
                .alarm_actions(&self.topic)
                .ok_actions(&self.topic)
                .send()
                .await?;
        }
        Ok(())
    }

    /// One data point.
    pub(super) async fn publish(&self, watch: Watch, value: f64) -> anyhow::Result<()> {
        let datum = MetricDatum::builder()
            .metric_name(watch.metric)
            .set_dimensions(Some(dimensions()))
            .value(value)
            .storage_resolution(1)
            .build();
        self.cloudwatch.put_metric_data().namespace(NAMESPACE).metric_data(datum).send().await?;
        Ok(())
    }

    /// Publishes the value, where there is one, until the alarm has the state.
    ///
    /// # Errors
    /// When the time is over first.
    pub(super) async fn wait_for_state(
        &self,
        watch: Watch,
        state: &str,
        value: Option<f64>,
        limit: Duration,
    ) -> anyhow::Result<Fired> {
        let end = Instant::now() + limit;
        let mut published = 0;
        let mut tick = interval(PUBLISH_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            tick.tick().await;
            let (at, wall) = (Instant::now(), wall());
            if let Some(value) = value {
                self.publish(watch, value).await?;
                published += 1;
            }
            let described = self.cloudwatch.describe_alarms().alarm_names(watch.name).send().await?;
            let alarm = described.metric_alarms().first().context("the alarm is not there")?;
            if alarm.state_value().is_some_and(|known| known.as_str() == state) {
                let reason = alarm.state_reason().unwrap_or_default().to_owned();
                return Ok(Fired { at, wall, reason, published });
            }
        }
        bail!("{} is not {state} after {} s", watch.name, limit.as_secs())
    }
}

fn dimensions() -> Vec<Dimension> {
    [("ClusterName", CLUSTER), ("ServiceName", SERVICE)]
        .map(|(name, value)| Dimension::builder().name(name).value(value).build())
        .to_vec()
}

fn wall() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the functions' reports tell the time by the clock on the wall"
    )]
    Timestamp::now()
}
