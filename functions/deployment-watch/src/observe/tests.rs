//! What AWS answers, and what is made of it.

use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::{DescribeStacksError, DescribeStacksOutput};
use aws_sdk_cloudformation::types as cloudformation;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types as cloudwatch;
use aws_sdk_codedeploy::operation::get_deployment::{GetDeploymentError, GetDeploymentOutput};
use aws_sdk_codedeploy::types as codedeploy;
use aws_sdk_ecs::operation::describe_service_deployments::DescribeServiceDeploymentsOutput;
use aws_sdk_ecs::operation::describe_service_revisions::DescribeServiceRevisionsOutput;
use aws_sdk_ecs::operation::describe_services::{DescribeServicesError, DescribeServicesOutput};
use aws_sdk_ecs::operation::list_service_deployments::{
    ListServiceDeploymentsError, ListServiceDeploymentsOutput,
};
use aws_sdk_ecs::operation::list_tasks::{ListTasksError, ListTasksOutput};
use aws_sdk_ecs::types as ecs;
use aws_sdk_lambda::operation::get_alias::{GetAliasError, GetAliasOutput};
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::cases::{Mocks, facts as known};
use crate::cases::{SERVICE, at, target, td, watch};
use crate::facts::{CodeDeployStatus, Rollout, Status};

fn time(minutes: i64) -> DateTime {
    DateTime::from_secs(at(minutes).as_second())
}

fn meta(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn ecs_deployment(id: &str, status: &str, state: Option<ecs::DeploymentRolloutState>) -> ecs::Deployment {
    ecs::Deployment::builder()
        .id(id)
        .status(status)
        .task_definition(td(41))
        .set_rollout_state(state)
        .rollout_state_reason("why")
        .created_at(time(0))
        .updated_at(time(4))
        .build()
}

fn described() -> Rule {
    mock!(aws_sdk_ecs::Client::describe_services)
        .match_requests(|request| {
            request.cluster() == Some("prod") && request.services() == ["web"] && request.include().len() == 1
        })
        .then_output(|| {
            let event = |minutes, message: &str| {
                ecs::ServiceEvent::builder().created_at(time(minutes)).message(message).build()
            };
            let service = ecs::Service::builder()
                .service_arn(SERVICE)
                .status("ACTIVE")
                .desired_count(3)
                .running_count(2)
                .deployments(ecs_deployment("ecs-svc/2", "PRIMARY", Some("IN_PROGRESS".into())))
                .deployments(ecs_deployment("ecs-svc/1", "ACTIVE", Some("FAILED".into())))
                .deployments(ecs_deployment("ecs-svc/0", "DRAINING", Some("SOMETHING_NEW".into())))
                .deployments(ecs_deployment("ecs-svc/x", "ACTIVE", None))
                .events(event(3, "(service web) is unable to consistently start tasks successfully."))
                .events(event(-60, "(service web) operations are being throttled. Will try again later."))
                .tags(ecs::Tag::builder().key("watchkeeper:mode").value("act").build());
            DescribeServicesOutput::builder().services(service.build()).build()
        })
}

#[tokio::test]
async fn a_service_is_read_with_its_deployments_and_events() {
    let rule = described();
    let clients = Mocks { ecs: &[&rule], ..Mocks::default() }.clients();
    let World::Service(Some(service)) = world(&clients, &target(), &Place::Target).await.unwrap() else {
        panic!("no service")
    };
    assert_eq!((service.active, service.desired, service.running), (true, 3, 2));
    assert_eq!(service.primary().unwrap().id, "ecs-svc/2");
    let rollouts: Vec<_> = service.deployments.iter().map(|deployment| deployment.rollout).collect();
    let unknown_is_no_end = Some(Rollout::InProgress);
    assert_eq!(rollouts, [Some(Rollout::InProgress), Some(Rollout::Failed), unknown_is_no_end, None]);
    assert_eq!(service.deployments[0].updated_at, Some(at(4)));
    assert_eq!(service.events[0].at, at(3));
    assert_eq!(service.tags["watchkeeper:mode"], "act");
    let recorded = serde_json::to_string(&service).unwrap();
    assert!(!recorded.contains("unable to consistently start"), "{recorded}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_answer_and_a_denial_is_not() {
    for (code, is_answer) in [("ClusterNotFoundException", true), ("AccessDeniedException", false)] {
        let rule = mock!(aws_sdk_ecs::Client::describe_services)
            .then_error(move || DescribeServicesError::generic(meta(code)));
        let clients = Mocks { ecs: &[&rule], ..Mocks::default() }.clients();
        match world(&clients, &target(), &Place::Target).await {
            Ok(world) => assert!(is_answer && world == World::Service(None), "{code}"),
            Err(error) => assert!(!is_answer && error.chain().starts_with("ecs:DescribeServices is denied")),
        }
    }
}

#[tokio::test]
async fn every_status_of_a_service_deployment_is_known() {
    use ecs::ServiceDeploymentStatus as S;
    for (status, expected) in [
        (S::Pending, Status::Moving),
        (S::InProgress, Status::Moving),
        (S::StopRequested, Status::Moving),
        (S::RollbackRequested, Status::Moving),
        (S::RollbackInProgress, Status::Moving),
        (S::from("SOMETHING_NEW"), Status::Moving),
        (S::Successful, Status::Successful),
        (S::Stopped, Status::Stopped),
        (S::RollbackSuccessful, Status::RolledBack),
        (S::RollbackFailed, Status::RollbackFailed),
    ] {
        let rule = mock!(aws_sdk_ecs::Client::describe_service_deployments)
            .match_requests(|request| request.service_deployment_arns() == ["arn:sd"])
            .then_output(move || {
                let deployment =
                    ecs::ServiceDeployment::builder().status(status.clone()).finished_at(time(7)).build();
                DescribeServiceDeploymentsOutput::builder().service_deployments(deployment).build()
            });
        let clients = Mocks { ecs: &[&rule], ..Mocks::default() }.clients();
        let place = Place::ServiceDeployment("arn:sd".to_owned());
        let World::ServiceDeployment(Some(read)) = world(&clients, &target(), &place).await.unwrap() else {
            panic!("no service deployment")
        };
        assert_eq!((read.status, read.finished_at), (expected, Some(at(7))));
    }
}

async fn check_failed(newest: ecs::ServiceDeploymentStatus, expected: Option<String>) {
    let list = mock!(aws_sdk_ecs::Client::list_service_deployments).then_output(move || {
        let brief = |arn: &str, minutes, status| {
            ecs::ServiceDeploymentBrief::builder()
                .target_service_revision_arn(arn)
                .created_at(time(minutes))
                .status(status)
                .build()
        };
        ListServiceDeploymentsOutput::builder()
            .service_deployments(brief("old", -60, ecs::ServiceDeploymentStatus::RollbackSuccessful))
            .service_deployments(brief("new", 0, newest.clone()))
            .build()
    });
    let revisions = mock!(aws_sdk_ecs::Client::describe_service_revisions)
        .match_requests(|request| request.service_revision_arns() == ["new"])
        .then_output(|| {
            let revision = ecs::ServiceRevision::builder().task_definition(td(42)).build();
            DescribeServiceRevisionsOutput::builder().service_revisions(revision).build()
        });
    let clients = Mocks { ecs: &[&list, &revisions], ..Mocks::default() }.clients();
    let mut facts = Facts::of(watch());
    answer(&clients, &mut facts, Question::Failed).await.unwrap();
    assert_eq!(facts.failed, Some(expected));
}

#[tokio::test]
async fn the_newest_service_deployment_says_what_failed_if_it_is_taken_back() {
    use ecs::ServiceDeploymentStatus as S;
    for taken_back in
        [S::RollbackRequested, S::RollbackInProgress, S::RollbackSuccessful, S::RollbackFailed, S::Stopped]
    {
        check_failed(taken_back, Some(td(42))).await;
    }
    check_failed(S::Successful, None).await;
    check_failed(S::InProgress, None).await;
    let none = mock!(aws_sdk_ecs::Client::list_service_deployments)
        .then_error(|| ListServiceDeploymentsError::generic(meta("UnsupportedFeatureException")));
    let clients = Mocks { ecs: &[&none], ..Mocks::default() }.clients();
    assert_eq!(service::failed(&clients, &target()).await.unwrap(), None);
}

fn got(id: &'static str, status: codedeploy::DeploymentStatus, rollback: Option<&'static str>) -> Rule {
    mock!(aws_sdk_codedeploy::Client::get_deployment)
        .match_requests(move |request| request.deployment_id() == Some(id))
        .then_output(move || {
            let rollback =
                rollback.map(|id| codedeploy::RollbackInfo::builder().rollback_deployment_id(id).build());
            let info = codedeploy::DeploymentInfo::builder()
                .deployment_id(id)
                .status(status.clone())
                .set_rollback_info(rollback)
                .error_information(codedeploy::ErrorInformation::builder().message("why").build())
                .complete_time(time(8));
            GetDeploymentOutput::builder().deployment_info(info.build()).build()
        })
}

#[tokio::test]
async fn a_codedeploy_deployment_is_read_with_the_one_that_takes_it_back() {
    use codedeploy::DeploymentStatus as S;
    let place = Place::CodeDeploy("d-1".to_owned());
    let (stopped, back) = (got("d-1", S::Stopped, Some("d-2")), got("d-2", S::Succeeded, None));
    let clients = Mocks { codedeploy: &[&stopped, &back], ..Mocks::default() }.clients();
    let World::CodeDeploy { deployment: Some(deployment), rollback: Some(rollback) } =
        world(&clients, &target(), &place).await.unwrap()
    else {
        panic!("two deployments")
    };
    assert_eq!((deployment.status, deployment.reason.as_str()), (CodeDeployStatus::Stopped, "why"));
    assert_eq!((rollback.status, rollback.completed_at), (CodeDeployStatus::Succeeded, Some(at(8))));
    for (status, expected) in [
        (S::Baking, CodeDeployStatus::Moving),
        (S::Created, CodeDeployStatus::Moving),
        (S::Ready, CodeDeployStatus::Moving),
        (S::from("SomethingNew"), CodeDeployStatus::Moving),
        (S::Failed, CodeDeployStatus::Failed),
    ] {
        let rule = got("d-1", status, None);
        let clients = Mocks { codedeploy: &[&rule], ..Mocks::default() }.clients();
        let World::CodeDeploy { deployment, rollback } = world(&clients, &target(), &place).await.unwrap()
        else {
            panic!("a deployment")
        };
        assert_eq!((deployment.unwrap().status, rollback), (expected, None));
    }
    let gone = mock!(aws_sdk_codedeploy::Client::get_deployment)
        .then_error(|| GetDeploymentError::generic(meta("DeploymentDoesNotExistException")));
    let clients = Mocks { codedeploy: &[&gone], ..Mocks::default() }.clients();
    let expected = World::CodeDeploy { deployment: None, rollback: None };
    assert_eq!(world(&clients, &target(), &place).await.unwrap(), expected);
}

#[tokio::test]
async fn an_alias_is_read_with_its_weights() {
    let alias: Target = "lambda:checkout:live".parse().unwrap();
    let rule = mock!(aws_sdk_lambda::Client::get_alias)
        .match_requests(|request| {
            request.function_name() == Some("checkout") && request.name() == Some("live")
        })
        .then_output(|| {
            let weights = AliasRoutingConfiguration::builder().additional_version_weights("8", 0.1).build();
            GetAliasOutput::builder().function_version("7").routing_config(weights).build()
        });
    let clients = Mocks { lambda: &[&rule], ..Mocks::default() }.clients();
    let World::Alias(Some(read)) = world(&clients, &alias, &Place::Target).await.unwrap() else {
        panic!("an alias")
    };
    assert_eq!((read.version.as_str(), read.others), ("7", vec!["8".to_owned()]));
    let gone = mock!(aws_sdk_lambda::Client::get_alias)
        .then_error(|| GetAliasError::generic(meta("ResourceNotFoundException")));
    let clients = Mocks { lambda: &[&gone], ..Mocks::default() }.clients();
    assert_eq!(world(&clients, &alias, &Place::Target).await.unwrap(), World::Alias(None));
}

fn stacks(status: &'static str) -> Rule {
    mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .match_requests(|request| request.stack_name() == Some("billing"))
        .then_output(move || {
            let stack =
                cloudformation::Stack::builder().stack_name("billing").stack_status(status.into()).build();
            DescribeStacksOutput::builder().stacks(stack).build()
        })
}

#[tokio::test]
async fn a_stack_that_failed_is_read_with_what_failed_first_and_not_with_what_was_cancelled() {
    let stack: Target = "stack:billing".parse().unwrap();
    let events = mock!(aws_sdk_cloudformation::Client::describe_stack_events).then_output(|| {
        let event = |id: &str, status: &str, minutes, why: Option<&str>| {
            cloudformation::StackEvent::builder()
                .stack_id("arn:stack")
                .physical_resource_id(if id == "billing" { "arn:stack" } else { id })
                .logical_resource_id(id)
                .resource_type("AWS::ECS::Service")
                .resource_status(status.into())
                .set_resource_status_reason(why.map(ToOwned::to_owned))
                .timestamp(time(minutes))
                .build()
        };
        DescribeStackEventsOutput::builder()
            .stack_events(event("billing", "UPDATE_ROLLBACK_FAILED", 9, Some("2 failed")))
            .stack_events(event("Worker", "UPDATE_FAILED", 8, Some("Resource update cancelled")))
            .stack_events(event("Api", "UPDATE_FAILED", 7, Some("did not stabilize")))
            .stack_events(event("Api", "UPDATE_IN_PROGRESS", 6, None))
            .stack_events(event("billing", "UPDATE_ROLLBACK_IN_PROGRESS", 5, None))
            .stack_events(event("Old", "UPDATE_FAILED", 4, Some("of the update itself")))
            .build()
    });
    let rule = stacks("UPDATE_ROLLBACK_FAILED");
    let clients = Mocks { cloudformation: &[&rule, &events], ..Mocks::default() }.clients();
    let World::Stack(Some(read)) = world(&clients, &stack, &Place::Target).await.unwrap() else {
        panic!("a stack")
    };
    assert_eq!(read.since, Some(at(9)));
    assert_eq!(read.failures, ["Api (AWS::ECS::Service): did not stabilize"]);

    let moving = stacks("UPDATE_ROLLBACK_IN_PROGRESS");
    let clients = Mocks { cloudformation: &[&moving], ..Mocks::default() }.clients();
    let World::Stack(Some(read)) = world(&clients, &stack, &Place::Target).await.unwrap() else {
        panic!("a stack")
    };
    assert_eq!((read.status.as_str(), read.since), ("UPDATE_ROLLBACK_IN_PROGRESS", None));

    let gone = mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .then_error(|| DescribeStacksError::generic(meta("ValidationError")));
    let clients = Mocks { cloudformation: &[&gone], ..Mocks::default() }.clients();
    assert_eq!(world(&clients, &stack, &Place::Target).await.unwrap(), World::Stack(None));
}

#[tokio::test]
async fn an_alarm_is_read_with_the_time_of_its_state_whatever_its_kind() {
    let metric = mock!(aws_sdk_cloudwatch::Client::describe_alarms)
        .match_requests(|request| request.alarm_names() == ["web 5xx"] && request.alarm_types().len() == 2)
        .then_output(|| {
            let alarm = cloudwatch::MetricAlarm::builder()
                .state_value(cloudwatch::StateValue::Ok)
                .state_updated_timestamp(time(9))
                .state_transitioned_timestamp(time(6))
                .build();
            DescribeAlarmsOutput::builder().metric_alarms(alarm).build()
        });
    let clients = Mocks { cloudwatch: &[&metric], ..Mocks::default() }.clients();
    let read = alarm(&clients, "web 5xx").await.unwrap();
    assert_eq!(read, Some(crate::cases::alarm(State::Ok, 6)));

    let composite = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
        let alarm = cloudwatch::CompositeAlarm::builder()
            .state_value(cloudwatch::StateValue::Alarm)
            .state_updated_timestamp(time(9))
            .build();
        DescribeAlarmsOutput::builder().composite_alarms(alarm).build()
    });
    let clients = Mocks { cloudwatch: &[&composite], ..Mocks::default() }.clients();
    let read = alarm(&clients, "web 5xx").await.unwrap();
    assert_eq!(read, Some(crate::cases::alarm(State::Alarm, 9)));

    let none = mock!(aws_sdk_cloudwatch::Client::describe_alarms)
        .then_output(|| DescribeAlarmsOutput::builder().build());
    let clients = Mocks { cloudwatch: &[&none], ..Mocks::default() }.clients();
    assert_eq!(alarm(&clients, "web 5xx").await.unwrap(), None);
}

fn question() -> Question {
    Question::Diagnosis {
        deployment: Some("ecs-svc/2".to_owned()),
        task_definition: Some(td(41)),
        since: Some(at(0)),
        said: String::new(),
    }
}

#[tokio::test]
async fn the_diagnosis_goes_by_the_events_since_the_deployment_began() {
    let (service, none) = (
        described(),
        mock!(aws_sdk_ecs::Client::list_tasks).then_output(|| ListTasksOutput::builder().build()),
    );
    let clients = Mocks { ecs: &[&service, &none], ..Mocks::default() }.clients();
    let mut facts = known(watch(), &[]);
    answer(&clients, &mut facts, question()).await.unwrap();
    let diagnosis = facts.diagnosis.unwrap();
    assert_eq!(diagnosis.headline, "the tasks stop again and again soon after they start");
    assert_eq!(diagnosis.causes.len(), 1, "what is older has another cause");
}

#[tokio::test]
async fn a_failure_is_told_also_where_its_tasks_may_not_be_looked_at() {
    let (service, denied) = (
        described(),
        mock!(aws_sdk_ecs::Client::list_tasks)
            .then_error(|| ListTasksError::generic(meta("AccessDeniedException"))),
    );
    let clients = Mocks { ecs: &[&service, &denied], ..Mocks::default() }.clients();
    let mut facts = known(watch(), &[]);
    answer(&clients, &mut facts, question()).await.unwrap();
    let headline = facts.diagnosis.unwrap().headline;
    assert!(headline.contains("could not be looked at: ecs:ListTasks is denied"), "{headline}");
}
