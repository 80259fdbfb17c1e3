//! Which alarms are about which service, read as `alarm-rollback` reads it.

use std::collections::{BTreeMap, BTreeSet};

use alarm_rollback::decision::{Dimensions, dimension_targets, target_groups};
use aws_config::SdkConfig;
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::types::{AlarmType, Dimension, Metric, MetricAlarm};
use aws_sdk_resourcegroupstagging as tagging;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use shared::error::Call;
use shared::tags;
use shared::target::Target;

use crate::Problem;
use crate::service::Service;

/// `DescribeAlarms` answers at most this many at once (CloudWatch API).
const AT_ONCE: i32 = 100;

/// An alarm, and what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// Its name.
    pub(crate) name: String,
    /// What its tag or its dimensions name.
    targets: Vec<Target>,
    /// The target groups that its dimensions name.
    groups: Vec<String>,
}

impl Alarm {
    /// Whether it says what it is about.
    pub(crate) fn says_what(&self) -> bool {
        !self.targets.is_empty() || !self.groups.is_empty()
    }

    /// Whether it is about this service.
    pub(crate) fn is_about(&self, service: &Service) -> bool {
        let target = service.target();
        self.targets.contains(&target)
            || service.target_groups().any(|it| self.groups.iter().any(|one| one == it))
    }
}

/// All alarms of the account and Region but the stack's own. What a composite alarm is about, its children say.
///
/// # Errors
/// What CloudWatch and the tagging API answer.
pub(crate) async fn all(config: &SdkConfig, stack: &str) -> Result<Vec<Alarm>, Problem> {
    let tagged = tagged(config).await?;
    let client = cloudwatch::Client::new(config);
    let asked =
        client.describe_alarms().alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
    let mut pages = asked.max_records(AT_ONCE).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.action("cloudwatch:DescribeAlarms")?;
        let metric = page.metric_alarms().iter().map(|it| (it.alarm_name(), it.alarm_arn(), dimensions(it)));
        let composite =
            page.composite_alarms().iter().map(|it| (it.alarm_name(), it.alarm_arn(), Vec::new()));
        for (name, arn, dimensions) in metric.chain(composite) {
            let tag = arn.and_then(|arn| tagged.get(arn));
            found.push(alarm(name.unwrap_or_default(), tag.map(String::as_str), &dimensions));
        }
    }
    let own = format!("{stack}-");
    found.retain(|alarm| !alarm.name.starts_with(&own));
    Ok(found)
}

/// What an alarm is about: its tag wins over its dimensions.
fn alarm(name: &str, tag: Option<&str>, dimensions: &[Dimensions]) -> Alarm {
    let name = name.to_owned();
    if let Some(tag) = tag {
        return Alarm { name, targets: tag.parse().into_iter().collect(), groups: Vec::new() };
    }
    let targets: BTreeSet<_> = dimension_targets(dimensions).into_iter().collect();
    Alarm { name, targets: targets.into_iter().collect(), groups: target_groups(dimensions) }
}

fn dimensions(alarm: &MetricAlarm) -> Vec<Dimensions> {
    let read = |dimensions: &[Dimension]| -> Dimensions {
        let pair = |it: &Dimension| Some((it.name()?.to_owned(), it.value()?.to_owned()));
        dimensions.iter().filter_map(pair).collect()
    };
    let of_queries = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let all = std::iter::once(alarm.dimensions()).chain(of_queries.map(Metric::dimensions));
    all.filter(|dimensions| !dimensions.is_empty()).map(read).collect()
}

/// By its ARN, what the tag of an alarm says that it is about.
async fn tagged(config: &SdkConfig) -> Result<BTreeMap<String, String>, Problem> {
    let filter = TagFilter::builder().key(tags::TARGET).build();
    let asked = tagging::Client::new(config).get_resources().tag_filters(filter);
    let mut pages = asked.resource_type_filters("cloudwatch:alarm").into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.action("tag:GetResources")?;
        for resource in page.resource_tag_mapping_list() {
            let tag = resource.tags().iter().find(|tag| tag.key() == tags::TARGET);
            found.extend(
                resource.resource_arn().zip(tag).map(|(arn, tag)| (arn.to_owned(), tag.value().to_owned())),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use alarm_rollback::decision::Dimensions;
    use aws_sdk_ecs::types::LoadBalancer;

    use super::alarm;
    use crate::service::Service;

    fn dimensions(pairs: &[(&str, &str)]) -> Vec<Dimensions> {
        vec![pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()]
    }

    #[test]
    fn an_alarm_is_about_what_its_tag_or_its_dimensions_name_and_never_what_its_name_says() {
        let group = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/0a1b";
        let balancer = LoadBalancer::builder().target_group_arn(group).build();
        let service = Service {
            cluster: "prod".to_owned(),
            name: "web".to_owned(),
            environment: None,
            described: aws_sdk_ecs::types::Service::builder().load_balancers(balancer).build(),
        };
        let own = [("ClusterName", "prod"), ("ServiceName", "web")];
        for (tag, pairs, is_about, says_what) in [
            (None, own.as_slice(), true, true),
            (Some("ecs:prod/worker"), &own, false, true),
            (Some("ecs:prod/web"), &[], true, true),
            (Some("anything"), &own, false, false),
            (None, &[("TargetGroup", "targetgroup/web/0a1b")], true, true),
            (None, &[("TargetGroup", "targetgroup/worker/0a1b")], false, true),
            (None, &[("QueueName", "web")], false, false),
            (None, &[], false, false),
        ] {
            let alarm = alarm("ecs/prod/web", tag, &dimensions(pairs));
            assert_eq!(
                (alarm.is_about(&service), alarm.says_what()),
                (is_about, says_what),
                "{tag:?} {pairs:?}"
            );
        }
    }
}
