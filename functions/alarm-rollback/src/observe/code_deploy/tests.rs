//! What CodeDeploy answers, and what is made of it.

use aws_sdk_codedeploy::operation::batch_get_deployments::BatchGetDeploymentsOutput;
use aws_sdk_codedeploy::operation::get_deployment::{GetDeploymentError, GetDeploymentOutput};
use aws_sdk_codedeploy::operation::list_deployments::{ListDeploymentsError, ListDeploymentsOutput};
use aws_sdk_codedeploy::types::{AppSpecContent, RollbackInfo, S3Location};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use shared::error::Class;
use shared::ledger::Ledger;

use super::*;

pub(in crate::observe) fn clients(lambda: &[&Rule], codedeploy: &[&Rule]) -> Clients {
    let once = RetryConfig::disabled;
    Clients {
        lambda: mock_client!(aws_sdk_lambda, RuleMode::MatchAny, lambda, |config| config
            .retry_config(once())),
        codedeploy: mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, codedeploy, |config| config
            .retry_config(once())),
        cloudformation: mock_client!(aws_sdk_cloudformation, RuleMode::MatchAny, &[]),
        cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[]),
        ecr: mock_client!(aws_sdk_ecr, RuleMode::MatchAny, &[]),
        ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, &[]),
        secretsmanager: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, &[]),
        sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, &[]),
        sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, &[]),
        ssm: mock_client!(aws_sdk_ssm, RuleMode::MatchAny, &[]),
        ledger: Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, &[]), "ledger"),
    }
}

pub(in crate::observe) fn listed(ids: &[&str]) -> ListDeploymentsOutput {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    ListDeploymentsOutput::builder().set_deployments(Some(ids)).build()
}

fn written(revision: u32) -> RevisionLocation {
    let content =
        format!("Resources: [{{s: {{Properties: {{TaskDefinition: \"arn:td/web:{revision}\"}}}}}}]");
    let content = AppSpecContent::builder().content(content).build();
    RevisionLocation::builder().app_spec_content(content).build()
}

fn kept_elsewhere() -> RevisionLocation {
    RevisionLocation::builder().s3_location(S3Location::builder().bucket("specifications").build()).build()
}

/// Created at this second and completed ten later.
fn info(id: &str, second: i64, status: DeploymentStatus, revision: RevisionLocation) -> DeploymentInfo {
    DeploymentInfo::builder()
        .deployment_id(id)
        .application_name("shop")
        .deployment_group_name("web")
        .compute_platform(ComputePlatform::Ecs)
        .status(status)
        .create_time(DateTime::from_secs(second))
        .complete_time(DateTime::from_secs(second + 10))
        .revision(revision)
        .build()
}

fn got(info: DeploymentInfo) -> Rule {
    mock!(aws_sdk_codedeploy::Client::get_deployment)
        .then_output(move || GetDeploymentOutput::builder().deployment_info(info.clone()).build())
}

fn got_batch(infos: Vec<DeploymentInfo>) -> Rule {
    mock!(aws_sdk_codedeploy::Client::batch_get_deployments).then_output(move || {
        BatchGetDeploymentsOutput::builder().set_deployments_info(Some(infos.clone())).build()
    })
}

#[tokio::test]
async fn a_groups_deployments_come_newest_first_whatever_their_order() {
    let get = got(info("d-1", 300, DeploymentStatus::Succeeded, written(7)));
    let list = mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| {
            request.application_name() == Some("shop") && request.deployment_group_name() == Some("web")
        })
        .then_output(|| listed(&["d-b", "d-1", "d-a", "d-2"]));
    let batch = got_batch(vec![
        info("d-b", 200, DeploymentStatus::Succeeded, written(6)),
        info("d-a", 100, DeploymentStatus::Succeeded, written(6)),
        info("d-2", 400, DeploymentStatus::InProgress, written(8)),
    ]);

    let record = record(&clients(&[], &[&get, &list, &batch]), "d-1").await.unwrap().unwrap();

    assert_eq!((record.application.as_str(), record.group.as_str()), ("shop", "web"));
    assert_eq!((record.newest.id.as_str(), record.newest.status), ("d-2", Status::InProgress));
    assert_eq!(record.newest.task_definition.as_deref(), Some("arn:td/web:8"));
    let succeeded: Vec<_> = record
        .succeeded
        .iter()
        .map(|deployment| (deployment.id.as_str(), deployment.specification.is_some()))
        .collect();
    assert_eq!(succeeded, [("d-1", true), ("d-b", true), ("d-a", false)], "one specification each");
    assert_eq!(record.succeeded[0].completed_at, jiff::Timestamp::from_second(310).ok());
    assert!(record.whole);
}

#[tokio::test]
async fn no_more_deployments_are_described_than_fit_one_call() {
    let get = got(info("d-0", 1_000, DeploymentStatus::Succeeded, written(7)));
    let list = mock!(aws_sdk_codedeploy::Client::list_deployments).then_output(|| {
        let ids: Vec<_> = (0..60).map(|index| format!("d-{index}")).collect();
        ListDeploymentsOutput::builder().set_deployments(Some(ids)).build()
    });
    let batch = mock!(aws_sdk_codedeploy::Client::batch_get_deployments)
        .match_requests(|request| {
            request.deployment_ids().len() == AT_ONCE - 1
                && !request.deployment_ids().contains(&"d-0".to_owned())
        })
        .then_output(|| {
            let older = info("d-1", 10, DeploymentStatus::Succeeded, written(6));
            BatchGetDeploymentsOutput::builder().deployments_info(older).build()
        });

    let record = record(&clients(&[], &[&get, &list, &batch]), "d-0").await.unwrap().unwrap();

    assert!(!record.whole);
    assert_eq!(record.succeeded.len(), 2);
    assert_eq!(batch.num_calls(), 1);
}

#[tokio::test]
async fn a_specification_that_a_list_leaves_out_is_asked_for_and_one_in_s3_is_not_there() {
    let bare = RevisionLocation::builder().build();
    let get = mock!(aws_sdk_codedeploy::Client::get_deployment)
        .match_requests(|request| request.deployment_id() == Some("d-1"))
        .then_output(|| {
            let newest = info("d-1", 300, DeploymentStatus::Succeeded, written(7));
            GetDeploymentOutput::builder().deployment_info(newest).build()
        });
    let closer = mock!(aws_sdk_codedeploy::Client::get_deployment)
        .match_requests(|request| request.deployment_id() == Some("d-a"))
        .then_output(|| {
            let older = info("d-a", 100, DeploymentStatus::Succeeded, written(6));
            GetDeploymentOutput::builder().deployment_info(older).build()
        });
    let elsewhere = mock!(aws_sdk_codedeploy::Client::get_deployment)
        .match_requests(|request| request.deployment_id() == Some("d-b"))
        .then_output(|| {
            let older = info("d-b", 200, DeploymentStatus::Succeeded, kept_elsewhere());
            GetDeploymentOutput::builder().deployment_info(older).build()
        });
    let list =
        mock!(aws_sdk_codedeploy::Client::list_deployments).then_output(|| listed(&["d-1", "d-b", "d-a"]));
    let batch = got_batch(vec![
        info("d-a", 100, DeploymentStatus::Succeeded, bare),
        info("d-b", 200, DeploymentStatus::Succeeded, kept_elsewhere()),
    ]);

    let clients = clients(&[], &[&get, &closer, &elsewhere, &list, &batch]);
    let record = record(&clients, "d-1").await.unwrap().unwrap();

    let known: Vec<_> =
        record.succeeded.iter().map(|deployment| deployment.task_definition.as_deref()).collect();
    assert_eq!(known, [Some("arn:td/web:7"), None, Some("arn:td/web:6")]);
    assert!(record.succeeded[2].specification.is_some() && record.succeeded[1].specification.is_none());
}

#[tokio::test]
async fn a_deployment_that_codedeploy_does_not_know_is_an_answer_and_a_denial_is_not() {
    let failing = |code: &'static str| {
        mock!(aws_sdk_codedeploy::Client::get_deployment)
            .then_error(move || GetDeploymentError::generic(ErrorMetadata::builder().code(code).build()))
    };
    let gone = failing("DeploymentDoesNotExistException");
    assert_eq!(record(&clients(&[], &[&gone]), "d-1").await.unwrap(), None);

    let denied = failing("AccessDeniedException");
    let error = record(&clients(&[], &[&denied]), "d-1").await.unwrap_err();
    assert!(error.chain().starts_with("codedeploy:GetDeployment is denied"), "{error:?}");

    let get = got(info("d-1", 300, DeploymentStatus::Succeeded, written(7)));
    let list = mock!(aws_sdk_codedeploy::Client::list_deployments).then_error(|| {
        ListDeploymentsError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let error = record(&clients(&[], &[&get, &list]), "d-1").await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("codedeploy:ListDeployments is denied"), "{error:?}");
}

#[tokio::test]
async fn a_deployment_that_is_not_of_a_service_has_no_record() {
    let mut of_a_function = info("d-1", 300, DeploymentStatus::Succeeded, written(7));
    of_a_function.compute_platform = Some(ComputePlatform::Lambda);
    assert_eq!(record(&clients(&[], &[&got(of_a_function)]), "d-1").await.unwrap(), None);
}

#[test]
fn every_status_and_every_kind_of_rollback_is_known() {
    use DeploymentStatus as S;
    for (known, expected) in [
        (S::Created, Status::InProgress),
        (S::Queued, Status::InProgress),
        (S::InProgress, Status::InProgress),
        (S::Baking, Status::InProgress),
        (S::Ready, Status::InProgress),
        (S::Succeeded, Status::Succeeded),
        (S::Failed, Status::Failed),
        (S::Stopped, Status::Stopped),
        (S::from("SOMETHING_NEW"), Status::Unknown),
    ] {
        assert_eq!(status(Some(&known)), expected, "{known}");
    }
    let by = |creator: &str| DeploymentInfo::builder().creator(DeploymentCreator::from(creator)).build();
    assert!(is_rollback(&by("codeDeployRollback")) && is_rollback(&by("CloudFormationRollback")));
    assert!(!is_rollback(&by("user")) && !is_rollback(&by("CloudFormation")));
    let rolled_back = DeploymentInfo::builder()
        .rollback_info(RollbackInfo::builder().rollback_deployment_id("d-2").build());
    assert!(is_rollback(&rolled_back.build()));
}

#[test]
#[expect(deprecated, reason = "CodeDeploy still answers so where a deployment was made so")]
fn a_specification_is_read_as_it_was_given_and_one_in_s3_is_not_there() {
    let raw = aws_sdk_codedeploy::types::RawString::builder().content("version: 0.0").build();
    let raw = RevisionLocation::builder().string(raw).build();
    assert_eq!(content(Some(&raw)), Some("version: 0.0"));
    assert_eq!(content(Some(&kept_elsewhere())), None);
    assert_eq!(content(None), None);
}
