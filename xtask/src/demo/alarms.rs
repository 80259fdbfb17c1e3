//! The alarms of the demo: real ones, on real metric data.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic};
use jiff::Timestamp;
use local::aws::SdkConfig;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use crate::corpus::{Change, wall};

/// The metrics' namespace.
const NAMESPACE: &str = "Demo";

/// How often a data point is published.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How far the alarms look back, in seconds; the shortest that CloudWatch has.
const PERIOD: i32 = 10;

/// An alarm, and the metric it watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// The alarm's name.
    pub(super) name: &'static str,
    /// The metric's name, its own: local AWS counts what has the same name together, whatever its dimensions.
    pub(super) metric: &'static str,
    pub(super) threshold: f64,
    pub(super) description: &'static str,
    /// What the metric, and so the alarm, is about.
    pub(super) dimensions: &'static [(&'static str, &'static str)],
    /// What of the data points counts.
    pub(super) statistic: Count,
}

/// What of an alarm's data points counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// All of them alike: the alarm is OK when the bad ones are out of its sight.
    Average,
    /// The lowest: the alarm is OK with the first good one.
    Lowest,
}

/// CloudWatch.
#[derive(Debug)]
pub(super) struct Alarms {
    client: cloudwatch::Client,
}

/// An alarm that changed its state.
#[derive(Debug)]
pub(super) struct Fired {
    /// Just before the data point that changed it.
    pub(super) at: Instant,
    /// The same, by the clock on the wall.
    pub(super) wall: Timestamp,
    /// The alarm's ARN.
    pub(super) arn: String,
    /// What CloudWatch says of it.
    pub(super) reason: String,
    /// How many data points it took.
    pub(super) published: u32,
}

impl Alarms {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { client: cloudwatch::Client::new(config) }
    }

    /// An alarm; the topic, where there is one, is its action in both directions.
    pub(super) async fn create(&self, watch: Watch, topic: Option<&str>) -> anyhow::Result<()> {
        let actions: Option<Vec<String>> = topic.map(|topic| vec![topic.to_owned()]);
        self.client
            .put_metric_alarm()
            .alarm_name(watch.name)
            .alarm_description(watch.description)
            .namespace(NAMESPACE)
            .metric_name(watch.metric)
            .set_dimensions(Some(dimensions(watch)))
            .statistic(match watch.statistic {
                Count::Average => Statistic::Average,
                Count::Lowest => Statistic::Minimum,
            })
            .period(PERIOD)
            .evaluation_periods(1)
            .threshold(watch.threshold)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .set_alarm_actions(actions.clone())
            .set_ok_actions(actions)
            .send()
            .await?;
        Ok(())
    }

    /// One data point.
    pub(super) async fn publish(&self, watch: Watch, value: f64) -> anyhow::Result<()> {
        let datum = MetricDatum::builder()
            .metric_name(watch.metric)
            .set_dimensions(Some(dimensions(watch)))
            .value(value)
            .storage_resolution(1)
            .build();
        self.client.put_metric_data().namespace(NAMESPACE).metric_data(datum).send().await?;
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
            let described = self.client.describe_alarms().alarm_names(watch.name).send().await?;
            let alarm = described.metric_alarms().first().context("the alarm is not there")?;
            if alarm.state_value().is_some_and(|known| known.as_str() == state) {
                let reason = alarm.state_reason().unwrap_or_default().to_owned();
                let arn = alarm.alarm_arn().unwrap_or_default().to_owned();
                return Ok(Fired { at, wall, arn, reason, published });
            }
        }
        bail!("{} is not {state} after {} s", watch.name, limit.as_secs())
    }
}

impl Fired {
    /// The event that CloudWatch would invoke a function with.
    pub(super) fn event(&self, watch: Watch, from: &str, to: &str) -> anyhow::Result<Value> {
        let (name, dimensions) = (watch.name, watch.dimensions);
        Change { name, arn: &self.arn, from, to, reason: &self.reason, dimensions }.event()
    }
}

fn dimensions(watch: Watch) -> Vec<Dimension> {
    watch
        .dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(*value).build())
        .collect()
}
