//! What AWS answers, and what is made of it.

use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::operation::list_tags_for_resource::ListTagsForResourceOutput;
use aws_sdk_ecs::operation::describe_service_revisions::DescribeServiceRevisionsOutput;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::describe_task_definition::{
    DescribeTaskDefinitionError, DescribeTaskDefinitionOutput,
};
use aws_sdk_ecs::operation::list_service_deployments::{
    ListServiceDeploymentsError, ListServiceDeploymentsOutput,
};
use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use shared::error::Class;
use shared::ledger::Ledger;

use super::*;

fn clients(ecs: &[&Rule], cloudwatch: &[&Rule]) -> Clients {
    let table = mock!(aws_sdk_dynamodb::Client::query)
        .then_output(|| aws_sdk_dynamodb::operation::query::QueryOutput::builder().build());
    Clients {
        cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, cloudwatch),
        ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, ecs),
        sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, &[]),
        ledger: Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&table]), "ledger"),
    }
}

fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

fn at(seconds: i64) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_secs(seconds)
}

fn target() -> Target {
    "ecs:prod/web".parse().unwrap()
}

#[tokio::test]
async fn a_service_is_read_with_its_primary_deployment_and_its_tags() {
    let described = mock!(aws_sdk_ecs::Client::describe_services)
        .match_requests(|request| {
            request.cluster() == Some("prod") && request.services() == ["web"] && request.include().len() == 1
        })
        .then_output(|| {
            let deployment = |status: &str, seconds| {
                ecs::Deployment::builder().status(status).created_at(at(seconds)).build()
            };
            let service = ecs::Service::builder()
                .service_arn("arn:service")
                .status("ACTIVE")
                .task_definition(td(7))
                .desired_count(3)
                .running_count(2)
                .deployments(deployment("ACTIVE", 100))
                .deployments(deployment("PRIMARY", 200))
                .deployment_controller(
                    ecs::DeploymentController::builder()
                        .r#type(ecs::DeploymentControllerType::CodeDeploy)
                        .build()
                        .unwrap(),
                )
                .deployment_configuration(
                    ecs::DeploymentConfiguration::builder()
                        .strategy(ecs::DeploymentStrategy::BlueGreen)
                        .build(),
                )
                .tags(ecs::Tag::builder().key("watchkeeper:mode").value("act").build());
            DescribeServicesOutput::builder().services(service.build()).build()
        });
    let unsupported = mock!(aws_sdk_ecs::Client::list_service_deployments).then_error(|| {
        ListServiceDeploymentsError::generic(
            ErrorMetadata::builder().code("UnsupportedFeatureException").build(),
        )
    });

    let scene = scene(&clients(&[&described, &unsupported], &[]), &target()).await.unwrap();

    let service = scene.service.unwrap();
    assert_eq!(service.deployed_at, Timestamp::from_second(200).ok());
    assert_eq!(service.controller, Controller::Other("CODE_DEPLOY".to_owned()));
    assert_eq!(service.strategy, Strategy::Other("BLUE_GREEN".to_owned()));
    assert_eq!((service.desired, service.running, service.active), (3, 2, true));
    assert_eq!(service.tags.get("watchkeeper:mode").map(String::as_str), Some("act"));
    assert!(scene.deployments.is_empty(), "a controller without history has none");
}

#[tokio::test]
async fn deployments_come_newest_first_and_every_status_is_known() {
    use ecs::ServiceDeploymentStatus as S;
    let expected = [
        (S::Pending, Status::InProgress),
        (S::InProgress, Status::InProgress),
        (S::Successful, Status::Successful),
        (S::StopRequested, Status::Stopped),
        (S::Stopped, Status::Stopped),
        (S::RollbackRequested, Status::RollingBack),
        (S::RollbackInProgress, Status::RollingBack),
        (S::RollbackSuccessful, Status::RolledBack),
        (S::RollbackFailed, Status::RollbackFailed),
        (S::from("SOMETHING_NEW"), Status::Unknown),
    ];
    let briefs: Vec<_> = (0_i64..)
        .zip(&expected)
        .map(|(index, (status, _))| {
            ecs::ServiceDeploymentBrief::builder()
                .service_deployment_arn(format!("deployment-{index}"))
                .target_service_revision_arn("revision")
                .status(status.clone())
                .created_at(at(index))
                .build()
        })
        .collect();
    let listed = mock!(aws_sdk_ecs::Client::list_service_deployments).then_output(move || {
        ListServiceDeploymentsOutput::builder().set_service_deployments(Some(briefs.clone())).build()
    });

    let got = deployments(&clients(&[&listed], &[]), "prod", "web").await.unwrap();

    let statuses: Vec<_> = got.iter().rev().map(|deployment| deployment.status).collect();
    assert_eq!(statuses, expected.map(|(_, status)| status));
}

#[tokio::test]
async fn a_denied_read_names_its_action_and_is_never_taken_for_an_empty_answer() {
    let denied = mock!(aws_sdk_ecs::Client::list_service_deployments).then_error(|| {
        ListServiceDeploymentsError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });

    let error = deployments(&clients(&[&denied], &[]), "prod", "web").await.unwrap_err();

    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("ecs:ListServiceDeployments is denied"), "{error:?}");
}

#[tokio::test]
async fn a_service_or_cluster_that_is_not_there_is_an_answer() {
    let missing = mock!(aws_sdk_ecs::Client::describe_services).then_output(|| {
        let failure = ecs::Failure::builder().reason("MISSING").build();
        DescribeServicesOutput::builder().failures(failure).build()
    });
    assert_eq!(describe(&clients(&[&missing], &[]), "prod", "web").await.unwrap(), None);

    let no_cluster = mock!(aws_sdk_ecs::Client::describe_services).then_error(|| {
        aws_sdk_ecs::operation::describe_services::DescribeServicesError::ClusterNotFoundException(
            ecs::error::ClusterNotFoundException::builder()
                .meta(ErrorMetadata::builder().code("ClusterNotFoundException").build())
                .build(),
        )
    });
    assert_eq!(describe(&clients(&[&no_cluster], &[]), "prod", "web").await.unwrap(), None);
}

#[tokio::test]
async fn no_more_revisions_are_asked_for_than_ecs_describes() {
    let described = mock!(aws_sdk_ecs::Client::describe_service_revisions)
        .match_requests(|request| request.service_revision_arns().len() == REVISIONS_AT_ONCE)
        .then_output(|| {
            let image = ecs::ContainerImage::builder().image_digest("sha256:1").build();
            let revision = ecs::ServiceRevision::builder()
                .service_revision_arn("revision-00")
                .task_definition(td(6))
                .container_images(image)
                .build();
            DescribeServiceRevisionsOutput::builder().service_revisions(revision).build()
        });

    let arns =
        (0..30).flat_map(|index| [format!("revision-{index:02}"), format!("revision-{index:02}")]).collect();
    let got = revisions(&clients(&[&described], &[]), arns).await.unwrap();

    assert_eq!(got[0].task_definition, td(6));
    assert!(got[0].images.contains("sha256:1"));
}

#[tokio::test]
async fn earlier_revisions_are_those_below_of_the_same_family_newest_first() {
    let listed = mock!(aws_sdk_ecs::Client::list_task_definitions)
        .match_requests(|request| request.family_prefix() == Some("web"))
        .then_output(|| {
            let other = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web-admin:3".to_owned();
            let arns = vec![td(10), td(7), td(9), other, td(2), td(6)];
            ListTaskDefinitionsOutput::builder().set_task_definition_arns(Some(arns)).build()
        });

    let got = earlier(&clients(&[&listed], &[]), &td(9)).await.unwrap();

    assert_eq!(got, [td(7), td(6), td(2)]);
}

#[tokio::test]
async fn a_deregistered_or_deleted_task_definition_is_inactive() {
    let read = async |rule: &Rule| task_definition(&clients(&[rule], &[]), &td(6)).await.unwrap().active;
    let of = |status: ecs::TaskDefinitionStatus| {
        mock!(aws_sdk_ecs::Client::describe_task_definition).then_output(move || {
            let definition = ecs::TaskDefinition::builder().status(status.clone()).build();
            DescribeTaskDefinitionOutput::builder().task_definition(definition).build()
        })
    };
    assert!(read(&of(ecs::TaskDefinitionStatus::Active)).await);
    assert!(!read(&of(ecs::TaskDefinitionStatus::Inactive)).await);
    let gone = mock!(aws_sdk_ecs::Client::describe_task_definition).then_error(|| {
        DescribeTaskDefinitionError::generic(ErrorMetadata::builder().code("ClientException").build())
    });
    assert!(!read(&gone).await);
}

#[tokio::test]
async fn an_alarm_is_read_as_it_is_now_with_its_tags() {
    let tags = mock!(cloudwatch::Client::list_tags_for_resource).then_output(|| {
        let tag = AlarmTag::builder().key("watchkeeper:target").value("ecs:prod/web").build();
        ListTagsForResourceOutput::builder().tags(tag).build()
    });
    let metric = mock!(cloudwatch::Client::describe_alarms).then_output(|| {
        let alarm =
            cloudwatch::types::MetricAlarm::builder().alarm_arn("arn:alarm").state_value(StateValue::Alarm);
        DescribeAlarmsOutput::builder().metric_alarms(alarm.build()).build()
    });
    let composite = mock!(cloudwatch::Client::describe_alarms).then_output(|| {
        let alarm =
            cloudwatch::types::CompositeAlarm::builder().alarm_arn("arn:alarm").state_value(StateValue::Ok);
        DescribeAlarmsOutput::builder().composite_alarms(alarm.build()).build()
    });
    let deleted =
        mock!(cloudwatch::Client::describe_alarms).then_output(|| DescribeAlarmsOutput::builder().build());

    let read = async |rule: &Rule, arn: Option<&str>| {
        let event = serde_json::json!({
            "AlarmName": "web-5xx", "AlarmArn": arn, "NewStateValue": "ALARM", "StateChangeTime": "2026-11-20T03:00:00Z",
        });
        let facts = Facts::of(shared::alarm::from_message(&event, None).unwrap());
        alarm(&clients(&[], &[rule, &tags]), &facts).await.unwrap()
    };
    for arn in [None, Some("arn:alarm")] {
        let alarm = read(&metric, arn).await;
        assert_eq!(alarm.state, Some(State::Alarm));
        assert_eq!(alarm.tags.get("watchkeeper:target").map(String::as_str), Some("ecs:prod/web"));
    }
    assert_eq!(read(&composite, None).await.state, Some(State::Ok));
    assert_eq!(read(&deleted, None).await, Alarm::default());
}
