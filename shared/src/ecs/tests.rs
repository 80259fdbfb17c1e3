//! What ECS answers, and what is made of it.

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::operation::list_tasks::{ListTasksError, ListTasksOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;

use super::*;

const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/prod/";

fn listed(arns: impl IntoIterator<Item = String>) -> Rule {
    let arns: Vec<_> = arns.into_iter().collect();
    mock!(Client::list_tasks)
        .match_requests(|request| {
            request.cluster() == Some("prod")
                && request.service_name() == Some("web")
                && request.desired_status() == Some(&ecs::DesiredStatus::Stopped)
                && request.max_results() == Some(100)
                && request.started_by().is_none()
        })
        .then_output(move || ListTasksOutput::builder().set_task_arns(Some(arns.clone())).build())
}

fn task(number: i64, started_by: &str) -> ecs::Task {
    ecs::Task::builder()
        .task_arn(format!("{TASK}{number}"))
        .started_by(started_by)
        .stop_code(ecs::TaskStopCode::EssentialContainerExited)
        .stopped_reason("Essential container in task exited")
        .stopped_at(aws_smithy_types::DateTime::from_secs(number))
        .containers(
            ecs::Container::builder()
                .name("app")
                .exit_code(1)
                .health_status(ecs::HealthStatus::Unhealthy)
                .build(),
        )
        .build()
}

#[tokio::test]
async fn the_newest_ten_tasks_of_the_deployment_are_read() {
    let list = listed((0..30).map(|number| format!("{TASK}{number}")));
    let describe = mock!(Client::describe_tasks)
        .match_requests(|request| request.cluster() == Some("prod") && request.tasks().len() == 30)
        .then_output(|| {
            let by = |number| if number % 2 == 0 { "ecs-svc/2" } else { "ecs-svc/1" };
            let tasks = (0..30).map(|number| task(number, by(number))).collect();
            DescribeTasksOutput::builder().set_tasks(Some(tasks)).build()
        });
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, [&list, &describe]);

    let tasks = stopped_tasks(&client, "prod", "web", Some("ecs-svc/2")).await.unwrap();

    let ids: Vec<_> = tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["28", "26", "24", "22", "20", "18", "16", "14", "12", "10"]);
    let container =
        StoppedContainer { name: "app".to_owned(), exit_code: Some(1), reason: None, unhealthy: true };
    assert_eq!(tasks[0].containers, [container]);
    assert_eq!(tasks[0].stop_code.as_deref(), Some("EssentialContainerExited"));
    let all = stopped_tasks(&client, "prod", "web", None).await.unwrap();
    assert_eq!(all[0].id, "29", "without a deployment, all of the service");
}

#[tokio::test]
async fn nothing_is_described_where_nothing_stopped() {
    let list = listed([]);
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, [&list]);
    assert_eq!(stopped_tasks(&client, "prod", "web", None).await.unwrap(), []);
}

#[tokio::test]
async fn a_denial_names_the_permission() {
    let denied = mock!(Client::list_tasks).then_error(|| {
        ListTasksError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, [&denied]);
    let error = stopped_tasks(&client, "prod", "web", None).await.unwrap_err();
    assert!(error.chain().starts_with("ecs:ListTasks is denied"), "{error:?}");
}

#[tokio::test]
async fn only_logs_that_cloudwatch_has_are_named() {
    let describe = mock!(Client::describe_task_definition).then_output(|| {
        let container = |name: &str, driver, options: &[(&str, &str)]| {
            let mut log = ecs::LogConfiguration::builder().log_driver(driver);
            for (key, value) in options {
                log = log.options(*key, *value);
            }
            ecs::ContainerDefinition::builder().name(name).log_configuration(log.build().unwrap()).build()
        };
        let definition = ecs::TaskDefinition::builder()
            .container_definitions(container(
                "app",
                ecs::LogDriver::Awslogs,
                &[("awslogs-group", "/ecs/web"), ("awslogs-stream-prefix", "app")],
            ))
            .container_definitions(container(
                "proxy",
                ecs::LogDriver::Awslogs,
                &[("awslogs-group", "/ecs/proxy")],
            ))
            .container_definitions(container("agent", ecs::LogDriver::Awsfirelens, &[("Name", "loki")]))
            .container_definitions(ecs::ContainerDefinition::builder().name("bare").build())
            .build();
        DescribeTaskDefinitionOutput::builder().task_definition(definition).build()
    });
    let client = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, [&describe]);
    let place = |group: &str, prefix: Option<&str>| LogPlace {
        group: group.to_owned(),
        prefix: prefix.map(ToOwned::to_owned),
    };
    assert_eq!(
        logs(&client, "web:7").await.unwrap(),
        BTreeMap::from([
            ("app".to_owned(), place("/ecs/web", Some("app"))),
            ("proxy".to_owned(), place("/ecs/proxy", None)),
        ])
    );
}
