//! What a diagnosis answers.

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::operation::list_tasks::{ListTasksError, ListTasksOutput};
use aws_sdk_ecs::types as ecs;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::cases::td;
use crate::cause::{Cause, Wanted};
use crate::facts::service::{Controller, Scene, Service};
use crate::facts::{self, World};
use crate::tests::{Mocks, time};

fn request(target: &str) -> Request {
    Request {
        id: "request-1".to_owned(),
        asked_at: time("2026-11-20T03:00:00Z"),
        target: target.parse().unwrap(),
        wanted: Wanted::Previous,
        dry_run: true,
        confirmed: false,
        by: None,
    }
}

fn facts(request: &Request) -> Facts {
    let service = Service {
        arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
        active: true,
        controller: Controller::Ecs,
        strategy: "ROLLING".to_owned(),
        task_definition: td(7),
        desired: 3,
        running: 0,
        deployed_at: None,
        ports: Vec::new(),
        fargate: true,
        code_deploy: None,
        tags: shared::tags::Tags::new(),
    };
    let scene = facts::Scene::Service(Box::new(Scene { service: Some(service), ..Scene::default() }));
    let mut facts = Facts::of(Cause::Request(request.clone()));
    facts.world = Some(World { memory: shared::ledger::target::Memory::default(), scene });
    facts
}

fn held() -> Report {
    Report::new("held", "ecs:prod/web", "there is nothing").answering(json!({"outcome": "held"}))
}

async fn diagnosed(ecs: &[&Rule], target: &str) -> Result<Report> {
    let request = request(target);
    let clients = Mocks { ecs, ..Mocks::default() }.clients();
    report(&clients, &facts(&request), &request, held()).await
}

#[tokio::test]
async fn stopped_tasks_are_told_with_their_cause_and_without_what_a_secret_may_say() {
    let listed = mock!(aws_sdk_ecs::Client::list_tasks)
        .match_requests(|asked| asked.cluster() == Some("prod") && asked.service_name() == Some("web"))
        .then_output(|| ListTasksOutput::builder().task_arns("arn:task/1").build());
    let described = mock!(aws_sdk_ecs::Client::describe_tasks).then_output(|| {
        let reason = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                      retrieval failed: unable to retrieve secret from asm: invalid character 'h' after hunter2";
        let task = ecs::Task::builder()
            .task_arn("arn:task/prod/0123")
            .stop_code(ecs::TaskStopCode::TaskFailedToStart)
            .stopped_reason(reason)
            .containers(ecs::Container::builder().name("web").exit_code(1).reason(reason).build());
        DescribeTasksOutput::builder().tasks(task.build()).build()
    });
    let definition = mock!(aws_sdk_ecs::Client::describe_task_definition)
        .match_requests(|asked| asked.task_definition() == Some(&td(7)))
        .then_output(|| DescribeTaskDefinitionOutput::builder().build());

    let report = diagnosed(&[&listed, &described, &definition], "ecs:prod/web").await.unwrap();

    let answer = report.answer();
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
    let stopped = json!([{
        "id": "0123",
        "stop_code": "TaskFailedToStart",
        "stopped_at": null,
        "containers": [{"name": "web", "exit_code": 1, "unhealthy": false}],
    }]);
    assert_eq!(answer["tasks"]["stopped"], stopped);
    assert_eq!(answer["tasks"]["diagnosis"]["causes"][0]["count"], 1);
    assert_eq!(answer["rollback"], json!({"outcome": "held"}));
    assert_eq!(answer["target"], "ecs:prod/web");
    assert_eq!(answer["now"]["service"]["service"]["running"], 0);
    assert_eq!((report.outcome(), report.reason()), ("diagnosed", "there is nothing"));
}

#[tokio::test]
async fn a_target_that_is_no_service_has_no_tasks() {
    let report = diagnosed(&[], "stack:billing").await.unwrap();
    assert_eq!(report.answer()["tasks"], Value::Null);
}

#[tokio::test]
async fn a_denied_look_at_the_tasks_names_its_action() {
    let denied = mock!(aws_sdk_ecs::Client::list_tasks).then_error(|| {
        ListTasksError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let definition = mock!(aws_sdk_ecs::Client::describe_task_definition)
        .then_output(|| DescribeTaskDefinitionOutput::builder().build());
    let error = diagnosed(&[&denied, &definition], "ecs:prod/web").await.unwrap_err();
    assert!(error.chain().starts_with("ecs:ListTasks is denied"), "{error:?}");
}
