//! The handler: timers come and go, notices are published before anything is written.

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::{QueryError, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::types as ecs;
use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;

use super::*;
use crate::cases::{ALARM, Mocks, SECRET, SERVICE, at, td};

fn meta(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn watch(clients: Clients) -> DeploymentWatch {
    let config = Config {
        environment: "prod".to_owned(),
        clusters: "*".to_owned(),
        mode: Mode::Act,
        ledger_table: "ledger".to_owned(),
        notices_topic: "arn:topic".to_owned(),
        timers_queue: "https://sqs.invalid/timers".to_owned(),
        redeploys_queue: "https://sqs.invalid/redeploys".to_owned(),
    };
    DeploymentWatch::with_clients(config, clients)
}

fn invocation(minutes: i64) -> Invocation {
    // The deadline is asked of the clock.
    let deadline = "2200-01-01T00:00:00Z".parse().unwrap();
    Invocation { request_id: "r-1".to_owned(), now: at(minutes), deadline }
}

fn batch(bodies: &[&str]) -> Value {
    let records: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            json!({"messageId": format!("m-{index}"), "receiptHandle": format!("r-{index}"), "body": body,
                "eventSource": "aws:sqs"})
        })
        .collect();
    json!({"Records": records})
}

const WATCH_REDEPLOY: &str = r#"{"watch":{"target":"ecs:prod/web","operation":"re-1"}}"#;
const WATCH: &str = r#"{"watch":{"target":"ecs:prod/web","operation":"op-1"}}"#;

/// An operation as the ledger holds it.
fn operation() -> Rule {
    mock!(aws_sdk_dynamodb::Client::query).then_output(|| {
        let n = |time: Timestamp| AttributeValue::N(time.as_millisecond().to_string());
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let item = [
            ("pk", s("target#ecs:prod/web")),
            ("sk", s("operation#op-1")),
            ("id", s("op-1")),
            ("incident", s(ALARM)),
            ("means", s("update_service")),
            ("from", s(&td(42))),
            ("to", s(&td(41))),
            ("deployment", s("ecs-svc/2")),
            ("blames", AttributeValue::N("1".to_owned())),
            ("began", n(at(0))),
            ("deadline", n(at(30))),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value)).into();
        QueryOutput::builder().items(item).build()
    })
}

/// A redeploy as the ledger holds it, and who waits for the deployment of its service.
fn redeploy(end: Option<&'static str>, waiting: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_dynamodb::Client::query).then_output(move || {
        let n = |time: Timestamp| AttributeValue::N(time.as_millisecond().to_string());
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let item = [
            ("pk", s("target#ecs:prod/web")),
            ("sk", s("operation#re-1")),
            ("id", s("re-1")),
            ("incident", s(&format!("secret:{SECRET}"))),
            ("means", s("redeploy")),
            ("from", s(&td(41))),
            ("to", s(&td(41))),
            ("deployment", s("ecs-svc/2")),
            ("redeploy", s("redeploy-1")),
            ("blames", AttributeValue::N("0".to_owned())),
            ("began", n(at(0))),
            ("deadline", n(at(30))),
        ];
        let end = end.map(|end| ("end", s(end)));
        let item = item.into_iter().chain(end).map(|(name, value)| (name.to_owned(), value)).collect();
        let waiting = waiting.iter().map(|redeploy| {
            let item = [("sk", s(&format!("waiting#{redeploy}"))), ("redeploy", s(redeploy))];
            item.map(|(name, value)| (name.to_owned(), value)).into()
        });
        QueryOutput::builder().set_items(Some(std::iter::once(item).chain(waiting).collect())).build()
    })
}

fn woken(redeploy: &'static str) -> Rule {
    mock!(aws_sdk_sqs::Client::send_message)
        .match_requests(move |request| {
            request.queue_url() == Some("https://sqs.invalid/redeploys")
                && request.message_body() == Some(&format!(r#"{{"advance":{{"redeploy":"{redeploy}"}}}}"#))
        })
        .then_output(|| SendMessageOutput::builder().build())
}

fn ended() -> Rule {
    mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .then_output(|| TransactWriteItemsOutput::builder().build())
}

fn service(rollout: &'static str) -> Rule {
    mock!(aws_sdk_ecs::Client::describe_services).then_output(move || {
        let deployment = ecs::Deployment::builder()
            .id("ecs-svc/2")
            .status("PRIMARY")
            .task_definition(td(41))
            .rollout_state(rollout.into())
            .created_at(aws_smithy_types::DateTime::from_secs(at(0).as_second()))
            .updated_at(aws_smithy_types::DateTime::from_secs(at(4).as_second()));
        let service =
            ecs::Service::builder().service_arn(SERVICE).status("ACTIVE").deployments(deployment.build());
        DescribeServicesOutput::builder().services(service.build()).build()
    })
}

fn alarm_ok() -> Rule {
    mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
        let alarm = MetricAlarm::builder().state_value(StateValue::Ok).build();
        DescribeAlarmsOutput::builder().metric_alarms(alarm).build()
    })
}

fn no_policy() -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter).then_error(|| {
        GetParameterError::ParameterNotFound(aws_sdk_ssm::types::error::ParameterNotFound::builder().build())
    })
}

fn given_back(seconds: i32) -> Rule {
    mock!(aws_sdk_sqs::Client::change_message_visibility)
        .match_requests(move |request| {
            request.queue_url() == Some("https://sqs.invalid/timers")
                && request.visibility_timeout() == Some(seconds)
        })
        .then_output(|| ChangeMessageVisibilityOutput::builder().build())
}

fn published(expected: &'static str) -> Rule {
    mock!(aws_sdk_sns::Client::publish)
        .match_requests(move |request| request.message().is_some_and(|message| message.contains(expected)))
        .then_output(|| PublishOutput::builder().build())
}

#[tokio::test]
async fn a_timer_is_given_back_while_the_deployment_is_on_its_way() {
    let (operation, service, policy, back) =
        (operation(), service("IN_PROGRESS"), no_policy(), given_back(20));
    let clients = Mocks {
        dynamodb: &[&operation],
        ecs: &[&service],
        ssm: &[&policy],
        sqs: &[&back],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&batch(&[WATCH]), &invocation(1)).await.unwrap();
    assert_eq!((report.outcome(), report.reason()), ("waiting", "it is on its way"));
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
    assert_eq!(back.num_calls(), 1);
}

fn nothing_told() -> Rule {
    mock!(aws_sdk_dynamodb::Client::get_item).then_output(|| GetItemOutput::builder().build())
}

#[tokio::test]
async fn a_timer_whose_operation_is_over_is_told_of_written_down_and_let_go() {
    let (operation, told, service, alarm, policy) =
        (operation(), nothing_told(), service("COMPLETED"), alarm_ok(), no_policy());
    let record = mock!(aws_sdk_dynamodb::Client::put_item).then_output(|| PutItemOutput::builder().build());
    let end = mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .then_output(|| TransactWriteItemsOutput::builder().build());
    let publish = published("is healthy again");
    let clients = Mocks {
        dynamodb: &[&operation, &told, &record, &end],
        cloudwatch: &[&alarm],
        ecs: &[&service],
        ssm: &[&policy],
        sns: &[&publish],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&batch(&[WATCH]), &invocation(5)).await.unwrap();
    assert_eq!(report.outcome(), "recovered");
    assert_eq!(report.answer(), &json!({"batchItemFailures": []}));
    assert_eq!((publish.num_calls(), record.num_calls(), end.num_calls()), (1, 1, 1));
}

#[tokio::test]
async fn nothing_is_written_down_that_was_not_told() {
    let (operation, told, service, alarm, policy, back) =
        (operation(), nothing_told(), service("COMPLETED"), alarm_ok(), no_policy(), given_back(60));
    let end = mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .then_output(|| TransactWriteItemsOutput::builder().build());
    let throttled =
        mock!(aws_sdk_sns::Client::publish).then_error(|| PublishError::generic(meta("Throttling")));
    let clients = Mocks {
        dynamodb: &[&operation, &told, &end],
        cloudwatch: &[&alarm],
        ecs: &[&service],
        ssm: &[&policy],
        sns: &[&throttled],
        sqs: &[&back],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&batch(&[WATCH]), &invocation(5)).await.unwrap();
    assert_eq!((report.outcome(), end.num_calls(), back.num_calls()), ("failed", 0, 1));
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
}

#[tokio::test]
async fn a_denial_is_told_and_no_timer_is_lost_by_it() {
    let (policy, back) = (no_policy(), given_back(60));
    let denied = mock!(aws_sdk_dynamodb::Client::query)
        .then_error(|| QueryError::generic(meta("AccessDeniedException")));
    let publish = published("dynamodb:Query is denied");
    let clients =
        Mocks { dynamodb: &[&denied], ssm: &[&policy], sns: &[&publish], sqs: &[&back], ..Mocks::default() };
    let event = batch(&[WATCH, "no timer", WATCH]);
    let report = watch(clients.clients()).handle(&event, &invocation(5)).await.unwrap();
    let left = json!({"batchItemFailures": [{"itemIdentifier": "m-0"}, {"itemIdentifier": "m-2"}]});
    assert_eq!((report.outcome(), report.answer()), ("several", &left));
    assert_eq!((publish.num_calls(), back.num_calls(), policy.num_calls()), (2, 2, 1));
}

#[tokio::test]
async fn a_deployment_that_is_done_is_to_be_proved_ten_minutes_later() {
    let event = json!({
        "detail-type": "ECS Deployment State Change",
        "resources": [SERVICE],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/2", "updatedAt": at(4)},
    });
    let nothing = mock!(aws_sdk_dynamodb::Client::query).then_output(|| QueryOutput::builder().build());
    let (told, service, policy) = (nothing_told(), service("COMPLETED"), no_policy());
    let arm = mock!(aws_sdk_sqs::Client::send_message)
        .match_requests(|request| {
            request.delay_seconds() == Some(600)
                && request.message_body().is_some_and(|body| body.starts_with(r#"{"prove":{"#))
        })
        .then_output(|| SendMessageOutput::builder().build());
    let clients = Mocks {
        dynamodb: &[&nothing, &told],
        ecs: &[&service],
        ssm: &[&policy],
        sqs: &[&arm],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&event, &invocation(5)).await.unwrap();
    assert_eq!((report.outcome(), report.reason()), ("deployed", "web:41 is deployed"));
    assert_eq!(arm.num_calls(), 1);
}

#[tokio::test]
async fn a_deployment_is_told_with_its_image_and_tags_where_the_policy_asks_for_it() {
    let event = json!({
        "detail-type": "ECS Deployment State Change",
        "resources": [SERVICE],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS", "deploymentId": "ecs-svc/2", "updatedAt": at(1)},
    });
    let policy = mock!(aws_sdk_ssm::Client::get_parameter).then_output(|| {
        let parameter = aws_sdk_ssm::types::Parameter::builder().value("deployments: {tell: [begun]}");
        GetParameterOutput::builder().parameter(parameter.build()).build()
    });
    let nothing = mock!(aws_sdk_dynamodb::Client::query).then_output(|| QueryOutput::builder().build());
    let service = service("IN_PROGRESS");
    let definition = mock!(aws_sdk_ecs::Client::describe_task_definition)
        .match_requests(|request| request.task_definition() == Some(&td(41)) && request.include().len() == 1)
        .then_output(|| {
            let container = ecs::ContainerDefinition::builder().name("app").image("registry/web:41").build();
            let definition = ecs::TaskDefinition::builder().container_definitions(container).build();
            let tag = ecs::Tag::builder().key("watchkeeper:author").value("ann").build();
            DescribeTaskDefinitionOutput::builder().task_definition(definition).tags(tag).build()
        });
    let publish = published("prod/web is being deployed to prod: web:41 (by ann)");
    let clients = Mocks {
        dynamodb: &[&nothing],
        ecs: &[&service, &definition],
        ssm: &[&policy],
        sns: &[&publish],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&event, &invocation(2)).await.unwrap();
    assert_eq!((report.outcome(), publish.num_calls(), definition.num_calls()), ("ignored", 1, 1));
}

#[tokio::test]
async fn an_event_about_an_operation_s_deployment_is_a_look_at_the_operation() {
    let event = json!({
        "detail-type": "ECS Deployment State Change",
        "resources": [SERVICE],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/2", "updatedAt": at(4)},
    });
    let (operation, service, policy) = (operation(), service("IN_PROGRESS"), no_policy());
    let clients = Mocks { dynamodb: &[&operation], ecs: &[&service], ssm: &[&policy], ..Mocks::default() };
    let report = watch(clients.clients()).handle(&event, &invocation(5)).await.unwrap();
    assert_eq!((report.outcome(), report.reason()), ("waiting", "it is on its way"));
}

#[tokio::test]
async fn a_redeploy_that_is_done_is_written_down_told_to_nobody_and_wakes_whoever_makes_it() {
    let (redeploy, service, policy, end, woken) =
        (redeploy(None, &[]), service("COMPLETED"), no_policy(), ended(), woken("redeploy-1"));
    let clients = Mocks {
        dynamodb: &[&redeploy, &end],
        ecs: &[&service],
        ssm: &[&policy],
        sqs: &[&woken],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&batch(&[WATCH_REDEPLOY]), &invocation(5)).await.unwrap();
    let done = "prod/web is done: redeployed with web:41, 4m after it was begun";
    assert_eq!((report.outcome(), report.reason()), ("redeployed", done));
    assert_eq!(report.answer(), &json!({"batchItemFailures": []}));
    assert_eq!((end.num_calls(), woken.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_redeploy_whose_end_could_not_be_told_is_told_when_its_timer_comes_again() {
    let throttled = || {
        mock!(aws_sdk_sqs::Client::send_message)
            .then_error(|| SendMessageError::generic(meta("RequestThrottled")))
    };
    let (open, service, policy, end, throttled, back) =
        (redeploy(None, &[]), service("COMPLETED"), no_policy(), ended(), throttled(), given_back(60));
    let clients = Mocks {
        dynamodb: &[&open, &end],
        ecs: &[&service],
        ssm: &[&policy],
        sqs: &[&throttled, &back],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&batch(&[WATCH_REDEPLOY]), &invocation(5)).await.unwrap();
    assert_eq!((report.outcome(), end.num_calls(), back.num_calls()), ("failed", 1, 1));
    let (closed, policy, woken) = (redeploy(Some("recovered"), &[]), no_policy(), woken("redeploy-1"));
    let clients = Mocks { dynamodb: &[&closed], ssm: &[&policy], sqs: &[&woken], ..Mocks::default() };
    let report = watch(clients.clients()).handle(&batch(&[WATCH_REDEPLOY]), &invocation(6)).await.unwrap();
    assert_eq!((report.outcome(), woken.num_calls()), ("ignored", 1));
}

#[tokio::test]
async fn an_event_about_a_redeploy_s_deployment_closes_it_and_wakes_all_who_wait() {
    let event = json!({
        "detail-type": "ECS Deployment State Change",
        "resources": [SERVICE],
        "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/2", "updatedAt": at(4)},
    });
    let (redeploy, service, policy, end) =
        (redeploy(None, &["redeploy-2"]), service("COMPLETED"), no_policy(), ended());
    let (own, other) = (woken("redeploy-1"), woken("redeploy-2"));
    let clients = Mocks {
        dynamodb: &[&redeploy, &end],
        ecs: &[&service],
        ssm: &[&policy],
        sqs: &[&own, &other],
        ..Mocks::default()
    };
    let report = watch(clients.clients()).handle(&event, &invocation(5)).await.unwrap();
    assert_eq!(report.outcome(), "redeployed");
    assert_eq!((end.num_calls(), own.num_calls(), other.num_calls()), (1, 1, 1));
    assert!(format!("{report:?}").contains("redeploy-2"), "the report says who was woken");
}

#[tokio::test]
async fn a_policy_that_cannot_be_understood_does_not_keep_the_watch_from_its_work() {
    let broken = mock!(aws_sdk_ssm::Client::get_parameter)
        .then_error(|| GetParameterError::generic(meta("AccessDeniedException")));
    let clients = Mocks { ssm: &[&broken], ..Mocks::default() };
    let policy = watch(clients.clients()).policy().await.unwrap();
    assert_eq!((policy.recovery, policy.version), (SignedDuration::from_mins(10), 0));
}

#[tokio::test]
async fn where_the_mode_is_off_nothing_is_asked_and_said_and_an_operation_s_timer_is_kept() {
    const PROVE: &str = r#"{"prove":{"target":"ecs:prod/web","revision":"web:42","deployment":"ecs-svc/8",
        "since":"2026-11-20T03:00:00Z"}}"#;
    let back = given_back(900);
    let mut watch = watch(Mocks { sqs: &[&back], ..Mocks::default() }.clients());
    watch.config.mode = Mode::Off;
    let report = watch.handle(&batch(&[WATCH]), &invocation(5)).await.unwrap();
    let kept = json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]});
    assert_eq!((report.outcome(), report.answer(), back.num_calls()), ("waiting", &kept, 1));
    let report = watch.handle(&batch(&[PROVE]), &invocation(5)).await.unwrap();
    let gone = json!({"batchItemFailures": []});
    assert_eq!((report.outcome(), report.answer(), back.num_calls()), ("ignored", &gone, 1));
}

#[tokio::test]
async fn a_batch_that_comes_too_late_is_left_for_the_next_invocation() {
    let back = given_back(60);
    let clients = Mocks { sqs: &[&back], ..Mocks::default() };
    let late = Invocation { deadline: at(0), ..invocation(5) };
    let report = watch(clients.clients()).handle(&batch(&[WATCH]), &late).await.unwrap();
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
}
