//! Looks at alarms and their tags.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{
    AlarmType, CompositeAlarm, Dimension, MetricAlarm, StateValue, Tag as AlarmTag,
};
use futures_util::future::try_join_all;
use shared::Result;
use shared::alarm::{AlarmChange, State};
use shared::error::Call;
use shared::tags::Tags;

use crate::Clients;
use crate::cause::Cause;
use crate::facts::{Alarm, Child};

/// CloudWatch takes at most this many names in one call (CloudWatch API, `DescribeAlarms`).
const NAMES_AT_ONCE: usize = 100;

/// As many alarms as one call answers at most; without this it answers 50.
const ALARMS_IN_A_PAGE: i32 = 100;

pub(super) async fn describe(clients: &Clients, change: &AlarmChange) -> Result<Alarm> {
    let described = async {
        clients
            .cloudwatch
            .describe_alarms()
            .alarm_names(&change.name)
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .send()
            .await
            .action("cloudwatch:DescribeAlarms")
    };
    let (described, known) = match &change.arn {
        Some(arn) => {
            let (described, tags) = tokio::try_join!(described, tags_of(clients, arn))?;
            (described, Some(tags))
        }
        None => (described.await?, None),
    };
    let metric = described.metric_alarms().first().map(|alarm| (alarm.alarm_arn(), alarm.state_value()));
    let composite =
        described.composite_alarms().first().map(|alarm| (alarm.alarm_arn(), alarm.state_value()));
    let Some((arn, state)) = metric.or(composite) else {
        return Ok(Alarm::default());
    };
    let tags = match (known, arn) {
        (Some(tags), _) => tags,
        (None, Some(arn)) => tags_of(clients, arn).await?,
        (None, None) => Tags::new(),
    };
    Ok(Alarm { state: state.map(StateValue::as_str).and_then(State::read), tags })
}

/// The children of a composite alarm that are in ALARM, with their tags and dimensions.
pub(super) async fn children(clients: &Clients, cause: &Cause) -> Result<Vec<Child>> {
    let Cause::Alarm(change) = cause else {
        return Ok(Vec::new());
    };
    let mut children = Vec::new();
    // All of them: one child that is left out could be about another target.
    for names in firing(clients, &change.name).await?.chunks(NAMES_AT_ONCE) {
        let described = clients
            .cloudwatch
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(ALARMS_IN_A_PAGE)
            .send()
            .await
            .action("cloudwatch:DescribeAlarms")?;
        let metric = described.metric_alarms().iter().map(|alarm| child(clients, metric_parts(alarm)));
        let composite =
            described.composite_alarms().iter().map(|alarm| child(clients, composite_parts(alarm)));
        let (metric, composite) = tokio::try_join!(try_join_all(metric), try_join_all(composite))?;
        children.extend(metric.into_iter().chain(composite));
    }
    Ok(children)
}

/// The names of a composite alarm's children that are in ALARM.
async fn firing(clients: &Clients, composite: &str) -> Result<Vec<String>> {
    // With this parameter CloudWatch takes no other but for the paging, and answers names and states only (CloudWatch
    // API, `DescribeAlarms`).
    let listed = clients.cloudwatch.describe_alarms().children_of_alarm_name(composite);
    let mut pages = listed.max_records(ALARMS_IN_A_PAGE).into_paginator().send();
    let mut firing = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.action("cloudwatch:DescribeAlarms")?;
        let metric = page.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value()));
        let composite = page.composite_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value()));
        let in_alarm = metric.chain(composite).filter(|(_, state)| *state == Some(&StateValue::Alarm));
        firing.extend(in_alarm.filter_map(|(name, _)| name.map(ToOwned::to_owned)));
    }
    Ok(firing)
}

type Parts<'a> = (Option<&'a str>, Option<&'a str>, Vec<BTreeMap<String, String>>);

fn metric_parts(alarm: &MetricAlarm) -> Parts<'_> {
    let single = (!alarm.dimensions().is_empty()).then(|| read(alarm.dimensions()));
    let many = alarm
        .metrics()
        .iter()
        .filter_map(|metric| metric.metric_stat()?.metric())
        .map(|metric| read(metric.dimensions()));
    (alarm.alarm_name(), alarm.alarm_arn(), single.into_iter().chain(many).collect())
}

fn composite_parts(alarm: &CompositeAlarm) -> Parts<'_> {
    (alarm.alarm_name(), alarm.alarm_arn(), Vec::new())
}

async fn child(clients: &Clients, (name, arn, dimensions): Parts<'_>) -> Result<Child> {
    let tags = match arn {
        Some(arn) => tags_of(clients, arn).await?,
        None => Tags::new(),
    };
    Ok(Child { name: name.unwrap_or_default().to_owned(), tags, dimensions })
}

fn read(dimensions: &[Dimension]) -> BTreeMap<String, String> {
    dimensions
        .iter()
        .filter_map(|dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned())))
        .collect()
}

/// A deleted alarm has no tags.
async fn tags_of(clients: &Clients, arn: &str) -> Result<Tags> {
    let listed = clients.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
    match listed.action("cloudwatch:ListTagsForResource") {
        Ok(listed) => Ok(listed.tags.unwrap_or_default().into_iter().filter_map(tag).collect()),
        Err(error) if matches!(error.code(), Some("ResourceNotFoundException" | "ResourceNotFound")) => {
            Ok(Tags::new())
        }
        Err(error) => Err(error),
    }
}

fn tag(tag: AlarmTag) -> Option<(String, String)> {
    Some((tag.key?, tag.value?))
}

#[cfg(test)]
mod tests;
