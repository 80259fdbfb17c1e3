//! One test's own corner of the world: a service with a good and a bad revision, and the alarms about it.

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, StateValue, Statistic};
use aws_sdk_ecs::types::{ContainerDefinition, Tag};
use jiff::{Timestamp, Unit};
use local::receiver::Request;
use serde_json::{Map, Value, json};
use shared::ledger::target::Memory;

use crate::stage::{PATIENCE, Stage};

pub(crate) const CLUSTER: &str = "demo";

pub(crate) struct World<'a> {
    stage: &'a Stage,
    /// The service's name, and its task definitions' family.
    pub(crate) service: String,
}

impl<'a> World<'a> {
    /// A service that ran revision 1 and was just deployed with revision 2.
    pub(crate) async fn new(stage: &'a Stage, service: &str) -> anyhow::Result<Self> {
        Self::tagged(stage, service, &[]).await
    }

    pub(crate) async fn tagged(
        stage: &'a Stage,
        service: &str,
        tags: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let ecs = &stage.ecs;
        ecs.create_cluster().cluster_name(CLUSTER).send().await?;
        for tag in ["good", "bad"] {
            let container = ContainerDefinition::builder()
                .name("app")
                .image(format!("example.com/{service}:{tag}"))
                .memory(64);
            ecs.register_task_definition()
                .family(service)
                .container_definitions(container.build())
                .send()
                .await?;
        }
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
        ecs.create_service()
            .cluster(CLUSTER)
            .service_name(service)
            .task_definition(format!("{service}:1"))
            .desired_count(1)
            .set_tags(Some(tags))
            .send()
            .await?;
        let world = Self { stage, service: service.to_owned() };
        world.deploy(2).await?;
        Ok(world)
    }

    pub(crate) async fn deploy(&self, revision: u32) -> anyhow::Result<()> {
        let ecs = &self.stage.ecs;
        let definition = format!("{}:{revision}", self.service);
        ecs.update_service()
            .cluster(CLUSTER)
            .service(&self.service)
            .task_definition(definition)
            .send()
            .await?;
        Ok(())
    }

    /// The revision that the service is meant to run, and how often it was deployed.
    pub(crate) async fn revision(&self) -> anyhow::Result<u32> {
        let described =
            self.stage.ecs.describe_services().cluster(CLUSTER).services(&self.service).send().await?;
        let service = described.services().first().context("the service is gone")?;
        let definition = service.task_definition().context("the service has no task definition")?;
        let (_, revision) = definition.rsplit_once(':').context("a task definition has a revision")?;
        Ok(revision.parse()?)
    }

    pub(crate) async fn expect_revision(&self, expected: u32) -> anyhow::Result<()> {
        let got = self.revision().await?;
        ensure!(got == expected, "{} is meant to run revision {got}, not {expected}", self.service);
        Ok(())
    }

    /// An alarm on a metric of its own, about this service; it publishes to the stack's topic if `wired`.
    pub(crate) async fn alarm(&self, name: &str, wired: bool) -> anyhow::Result<Alarm<'a>> {
        let alarm =
            Alarm::of_service(self.stage, &format!("{}-{name}", self.service), CLUSTER, &self.service);
        alarm.put(wired).await?;
        Ok(alarm)
    }

    /// What is remembered of this service.
    pub(crate) async fn memory(&self) -> anyhow::Result<Memory> {
        recall(self.stage, &format!("ecs:{CLUSTER}/{}", self.service)).await
    }

    /// The notices about this service that reached the webhook so far, without repetitions of the same delivery.
    pub(crate) async fn notices(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        notices(self.stage, "/audit", &self.service, count).await
    }
}

/// What is remembered of a target, such as `ecs:demo/web`.
pub(crate) async fn recall(stage: &Stage, target: &str) -> anyhow::Result<Memory> {
    let target = target.parse().map_err(|problem: String| anyhow::anyhow!(problem))?;
    Ok(stage.ledger.recall(&target).await?)
}

pub(crate) struct Alarm<'a> {
    stage: &'a Stage,
    pub(crate) name: String,
    dimensions: Vec<(&'static str, String)>,
}

/// How an alarm's change travels.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Direct,
    EventBridge,
    Sns,
}

impl<'a> Alarm<'a> {
    /// An alarm about a service. It is not there until it is put.
    pub(crate) fn of_service(stage: &'a Stage, name: &str, cluster: &str, service: &str) -> Self {
        Self::about(stage, name, &[("ClusterName", cluster), ("ServiceName", service)])
    }

    /// An alarm on a metric with these dimensions. It is not there until it is put.
    pub(crate) fn about(stage: &'a Stage, name: &str, dimensions: &[(&'static str, &str)]) -> Self {
        let dimensions = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { stage, name: name.to_owned(), dimensions }
    }

    /// Makes the alarm; it publishes to the stack's topic if `wired`.
    pub(crate) async fn put(&self, wired: bool) -> anyhow::Result<()> {
        let topic = wired.then(|| self.stage.output("AlarmsTopicArn").map(ToOwned::to_owned)).transpose()?;
        let actions: Option<Vec<String>> = topic.map(|topic| vec![topic]);
        self.stage
            .cloudwatch
            .put_metric_alarm()
            .alarm_name(&self.name)
            .namespace("Tests")
            .metric_name(&self.name)
            .set_dimensions(Some(self.dimensions()))
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(5.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .set_alarm_actions(actions.clone())
            .set_ok_actions(actions)
            .send()
            .await?;
        Ok(())
    }

    fn dimensions(&self) -> Vec<Dimension> {
        let all = self.dimensions.iter();
        all.map(|(name, value)| Dimension::builder().name(*name).value(value).build()).collect()
    }

    /// Publishes metric data; local AWS then evaluates the alarm and tells its topic.
    pub(crate) async fn measure(&self, value: f64) -> anyhow::Result<()> {
        let datum = MetricDatum::builder()
            .metric_name(&self.name)
            .set_dimensions(Some(self.dimensions()))
            .value(value);
        self.stage.cloudwatch.put_metric_data().namespace("Tests").metric_data(datum.build()).send().await?;
        Ok(())
    }

    /// Puts the alarm into a state without telling anybody, for events that are handed over by the test.
    pub(crate) async fn set(&self, state: StateValue) -> anyhow::Result<()> {
        let reason = "Threshold Crossed: set by a test";
        let set = self.stage.cloudwatch.set_alarm_state().alarm_name(&self.name).state_value(state);
        set.state_reason(reason).send().await?;
        Ok(())
    }

    /// The event that this change of state makes, at a time of the test's choosing.
    pub(crate) fn event(&self, by: By, from: &str, to: &str, at: Timestamp) -> anyhow::Result<Value> {
        let topic = self.stage.output("AlarmsTopicArn")?;
        let arn =
            format!("arn:aws:cloudwatch:{}:{}:alarm:{}", local::aws::REGION, local::aws::ACCOUNT, self.name);
        // CloudWatch writes the offset without a colon.
        let time = at.round(Unit::Millisecond)?.to_string().replace('Z', "+0000");
        let reason = "Threshold Crossed: 1 datapoint [9.0] was greater than the threshold (5.0).";
        let named: Map<String, Value> =
            self.dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let listed: Vec<Value> =
            self.dimensions.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let data = json!({
            "alarmName": self.name,
            "state": {"value": to, "reason": reason, "reasonData": "{\"version\":\"1.0\"}", "timestamp": time},
            "previousState": {"value": from},
            "configuration": {"metrics": [{"id": "m1", "returnData": true, "metricStat": {"stat": "Maximum", "period": 60,
                "metric": {"namespace": "Tests", "name": self.name,
                    "dimensions": named}}}]},
        });
        Ok(match by {
            By::Direct => {
                json!({"source": "aws.cloudwatch", "alarmArn": arn, "time": time, "alarmData": data})
            }
            By::EventBridge => {
                json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
                "resources": [arn], "detail": data})
            }
            By::Sns => {
                let message = json!({"AlarmName": self.name, "AlarmArn": arn, "NewStateValue": to, "OldStateValue": from,
                    "NewStateReason": reason, "StateChangeTime": time, "Trigger": {"MetricName": self.name,
                    "Namespace": "Tests", "Dimensions": listed}});
                json!({"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": message.to_string()}}]})
            }
        })
    }
}

/// The time at which a test lets an alarm change.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the functions read the real clock, so the events must fit it"
    )]
    Timestamp::now()
}

/// Waits for so many distinct notices at a path that speak of `word`, and gives them in the order of their arrival.
pub(crate) async fn notices(
    stage: &Stage,
    path: &str,
    word: &str,
    count: usize,
) -> anyhow::Result<Vec<Value>> {
    let found = local::deployment::until(PATIENCE, async || {
        let found = distinct(&stage.deployment.receiver.requests(path), word);
        Ok((found.len() >= count).then_some(found))
    })
    .await?;
    found.with_context(|| {
        let came = distinct(&stage.deployment.receiver.requests(path), word);
        format!("{} of {count} notices of {word} came to {path}: {came:?}", came.len())
    })
}

fn distinct(requests: &[Request], word: &str) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for body in requests.iter().map(Request::json).filter(|body| body.to_string().contains(word)) {
        if !found.contains(&body) {
            found.push(body);
        }
    }
    found
}

/// Waits long enough that whatever is already on its way has come: a message published now must arrive.
pub(crate) async fn settled(stage: &Stage, marker: &str) -> anyhow::Result<()> {
    stage.sns.publish().topic_arn(stage.output("NoticesTopicArn")?).message(marker).send().await?;
    notices(stage, "/audit", marker, 1).await.map(drop)
}
