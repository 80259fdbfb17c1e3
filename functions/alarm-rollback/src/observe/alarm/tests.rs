//! What CloudWatch answers of alarms, and what is made of it.

use aws_sdk_cloudwatch::operation::describe_alarms::{DescribeAlarmsError, DescribeAlarmsOutput};
use aws_sdk_cloudwatch::operation::list_tags_for_resource::{
    ListTagsForResourceError, ListTagsForResourceOutput,
};
use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;

use super::*;
use crate::tests::Mocks;

type Client = aws_sdk_cloudwatch::Client;

fn change(arn: Option<&str>) -> AlarmChange {
    let event = json!({
        "AlarmName": "web", "AlarmArn": arn, "NewStateValue": "ALARM", "StateChangeTime": "2026-11-20T03:00:00Z",
    });
    shared::alarm::from_message(&event, None).unwrap()
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn metric(name: &str, state: StateValue) -> MetricAlarm {
    MetricAlarm::builder().alarm_name(name).alarm_arn(format!("arn:{name}")).state_value(state).build()
}

fn composite(name: &str, state: StateValue) -> CompositeAlarm {
    CompositeAlarm::builder().alarm_name(name).alarm_arn(format!("arn:{name}")).state_value(state).build()
}

/// Every alarm is tagged with its own name.
fn tags() -> Rule {
    mock!(Client::list_tags_for_resource).then_compute_output(|asked| {
        let name = asked.resource_arn().unwrap().trim_start_matches("arn:");
        let tag = AlarmTag::builder().key("watchkeeper:target").value(format!("ecs:prod/{name}")).build();
        ListTagsForResourceOutput::builder().tags(tag).build()
    })
}

#[tokio::test]
async fn an_alarm_is_read_as_it_is_now_with_its_tags() {
    let of = |answer: DescribeAlarmsOutput| {
        mock!(Client::describe_alarms)
            .match_requests(|asked| asked.alarm_names() == ["web"] && asked.alarm_types().len() == 2)
            .then_output(move || answer.clone())
    };
    let read = async |answer: DescribeAlarmsOutput, arn: Option<&str>| {
        let rule = of(answer);
        let clients = Mocks { cloudwatch: &[&rule, &tags()], ..Mocks::default() }.clients();
        describe(&clients, &change(arn)).await.unwrap()
    };
    let firing = DescribeAlarmsOutput::builder().metric_alarms(metric("web", StateValue::Alarm)).build();
    for arn in [None, Some("arn:web")] {
        let alarm = read(firing.clone(), arn).await;
        assert_eq!(alarm.state, Some(State::Alarm));
        assert_eq!(alarm.tags.get("watchkeeper:target").map(String::as_str), Some("ecs:prod/web"));
    }
    let well = DescribeAlarmsOutput::builder().composite_alarms(composite("web", StateValue::Ok)).build();
    assert_eq!(read(well, None).await.state, Some(State::Ok));
    assert_eq!(read(DescribeAlarmsOutput::builder().build(), Some("arn:web")).await, Alarm::default());
}

#[tokio::test]
async fn the_children_that_fire_come_from_every_page_with_their_tags_and_dimensions() {
    let first = mock!(Client::describe_alarms)
        .match_requests(|asked| {
            asked.children_of_alarm_name() == Some("web")
                && asked.next_token().is_none()
                && asked.alarm_types().is_empty()
        })
        .then_output(|| {
            DescribeAlarmsOutput::builder()
                .metric_alarms(metric("latency", StateValue::Alarm))
                .metric_alarms(metric("quiet", StateValue::Ok))
                .composite_alarms(composite("inner", StateValue::Alarm))
                .next_token("more")
                .build()
        });
    let second = mock!(Client::describe_alarms)
        .match_requests(|asked| asked.next_token() == Some("more"))
        .then_output(|| {
            DescribeAlarmsOutput::builder().metric_alarms(metric("errors", StateValue::Alarm)).build()
        });
    let described = mock!(Client::describe_alarms)
        .match_requests(|asked| asked.alarm_names() == ["latency", "inner", "errors"])
        .then_output(|| {
            let queried = |name: &str| {
                let watched = Metric::builder().dimensions(dimension("ServiceName", name)).build();
                let watched = MetricStat::builder().metric(watched).period(60).stat("Sum").build();
                MetricDataQuery::builder().id(name).metric_stat(watched).build()
            };
            let expression = MetricDataQuery::builder().id("e").expression("a / b").build();
            let latency = MetricAlarm::builder()
                .alarm_name("latency")
                .alarm_arn("arn:latency")
                .dimensions(dimension("ClusterName", "prod"))
                .dimensions(dimension("ServiceName", "web"));
            let errors = MetricAlarm::builder()
                .alarm_name("errors")
                .alarm_arn("arn:errors")
                .metrics(queried("a"))
                .metrics(queried("b"))
                .metrics(expression);
            DescribeAlarmsOutput::builder()
                .metric_alarms(latency.build())
                .metric_alarms(errors.build())
                .composite_alarms(composite("inner", StateValue::Alarm))
                .build()
        });
    let rules = [&first, &second, &described, &tags()];
    let clients = Mocks { cloudwatch: &rules, ..Mocks::default() }.clients();

    let got = children(&clients, &Cause::Alarm(change(None))).await.unwrap();

    let read: Vec<_> = got
        .iter()
        .map(|child| {
            (child.name.as_str(), child.tags["watchkeeper:target"].as_str(), child.dimensions.clone())
        })
        .collect();
    let named = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        read,
        [
            ("latency", "ecs:prod/latency", vec![named(&[("ClusterName", "prod"), ("ServiceName", "web")])]),
            (
                "errors",
                "ecs:prod/errors",
                vec![named(&[("ServiceName", "a")]), named(&[("ServiceName", "b")])]
            ),
            ("inner", "ecs:prod/inner", vec![]),
        ]
    );
}

#[tokio::test]
async fn more_children_than_one_call_takes_are_described_in_several() {
    let listed = mock!(Client::describe_alarms)
        .match_requests(|asked| asked.children_of_alarm_name().is_some())
        .then_output(|| {
            let all = (0..150).map(|index| metric(&format!("child-{index}"), StateValue::Alarm)).collect();
            DescribeAlarmsOutput::builder().set_metric_alarms(Some(all)).build()
        });
    let described = mock!(Client::describe_alarms)
        .match_requests(|asked| {
            (1..=100).contains(&asked.alarm_names().len()) && asked.max_records() == Some(100)
        })
        .then_compute_output(|asked| {
            let all = asked.alarm_names().iter().map(|name| metric(name, StateValue::Alarm)).collect();
            DescribeAlarmsOutput::builder().set_metric_alarms(Some(all)).build()
        });
    let clients = Mocks { cloudwatch: &[&listed, &described, &tags()], ..Mocks::default() }.clients();
    assert_eq!(children(&clients, &Cause::Alarm(change(None))).await.unwrap().len(), 150);
    assert_eq!(described.num_calls(), 2);
}

#[tokio::test]
async fn without_a_firing_child_nothing_more_is_asked() {
    let listed = mock!(Client::describe_alarms).then_output(|| {
        DescribeAlarmsOutput::builder().metric_alarms(metric("quiet", StateValue::InsufficientData)).build()
    });
    let clients = Mocks { cloudwatch: &[&listed], ..Mocks::default() }.clients();
    assert!(children(&clients, &Cause::Alarm(change(None))).await.unwrap().is_empty());
    assert_eq!(listed.num_calls(), 1);
}

#[tokio::test]
async fn a_denied_look_names_its_action_and_a_deleted_alarm_has_no_tags() {
    let code = |code: &'static str| ErrorMetadata::builder().code(code).message("no").build();
    let denied =
        mock!(Client::describe_alarms).then_error(move || DescribeAlarmsError::generic(code("AccessDenied")));
    let there = mock!(Client::describe_alarms).then_output(|| {
        DescribeAlarmsOutput::builder().metric_alarms(metric("web", StateValue::Alarm)).build()
    });
    let untold = mock!(Client::list_tags_for_resource)
        .then_error(move || ListTagsForResourceError::generic(code("AccessDeniedException")));
    let deleted = mock!(Client::list_tags_for_resource)
        .then_error(move || ListTagsForResourceError::generic(code("ResourceNotFoundException")));

    let look = async |rules: &[&Rule]| {
        let clients = Mocks { cloudwatch: rules, ..Mocks::default() }.clients();
        describe(&clients, &change(Some("arn:web"))).await
    };
    let error = look(&[&denied, &tags()]).await.unwrap_err();
    assert!(error.chain().starts_with("cloudwatch:DescribeAlarms is denied"), "{error:?}");
    let error = look(&[&there, &untold]).await.unwrap_err();
    assert!(error.chain().starts_with("cloudwatch:ListTagsForResource is denied"), "{error:?}");
    assert!(look(&[&there, &deleted]).await.unwrap().tags.is_empty());
}
