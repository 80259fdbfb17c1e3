//! What CodeDeploy is told, and what its refusals mean.

use aws_sdk_codedeploy::operation::batch_get_deployments::BatchGetDeploymentsOutput;
use aws_sdk_codedeploy::operation::create_deployment::{CreateDeploymentError, CreateDeploymentOutput};
use aws_sdk_codedeploy::operation::get_deployment::GetDeploymentOutput;
use aws_sdk_codedeploy::operation::list_deployments::ListDeploymentsOutput;
use aws_sdk_codedeploy::operation::stop_deployment::{StopDeploymentError, StopDeploymentOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use shared::error::Class;
use shared::ledger::Ledger;

use super::*;

pub(in crate::act) fn clients(lambda: &[&Rule], codedeploy: &[&Rule]) -> Clients {
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

fn create() -> Act {
    Act::CreateDeployment {
        application: "shop".to_owned(),
        group: "web".to_owned(),
        specification: "version: 0.0".to_owned(),
    }
}

fn stop() -> Act {
    Act::StopDeployment { deployment: "d-1".to_owned() }
}

fn listed(ids: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| {
            request.application_name() == Some("shop")
                && request.deployment_group_name() == Some("web")
                && request.include_only_statuses().is_empty()
        })
        .then_output(move || {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            ListDeploymentsOutput::builder().set_deployments(Some(ids)).build()
        })
}

fn described(description: &'static str) -> Rule {
    mock!(aws_sdk_codedeploy::Client::batch_get_deployments).then_output(move || {
        let of = |id: &str, description: &str| {
            DeploymentInfo::builder().deployment_id(id).description(description).build()
        };
        BatchGetDeploymentsOutput::builder()
            .deployments_info(of("d-8", "release 41"))
            .deployments_info(of("d-9", description))
            .build()
    })
}

fn created() -> Rule {
    mock!(aws_sdk_codedeploy::Client::create_deployment)
        .match_requests(|request| {
            let revision = request.revision();
            let content = revision
                .and_then(|revision| revision.app_spec_content())
                .and_then(|content| content.content());
            request.application_name() == Some("shop")
                && request.deployment_group_name() == Some("web")
                && revision.and_then(|revision| revision.revision_type())
                    == Some(&RevisionLocationType::AppSpecContent)
                && content == Some("version: 0.0")
                && request.description().is_some_and(|description| description.contains("op-1"))
                && request.override_alarm_configuration().is_some_and(|alarms| !alarms.enabled())
        })
        .then_output(|| CreateDeploymentOutput::builder().deployment_id("d-10").build())
}

fn not_created(code: &'static str) -> Rule {
    mock!(aws_sdk_codedeploy::Client::create_deployment).then_error(move || {
        CreateDeploymentError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

#[tokio::test]
async fn a_deployment_is_created_with_the_operation_in_its_description() {
    let (create_rule, list, describe) = (created(), listed(&["d-8", "d-9"]), described("release 42"));
    let made = perform(&clients(&[], &[&create_rule, &list, &describe]), &create(), "op-1").await.unwrap();
    assert!(matches!(made, Made::Done { deployment: Some(id) } if id == "d-10"));
    assert_eq!(create_rule.num_calls(), 1);
}

#[tokio::test]
async fn a_group_without_deployments_needs_no_description() {
    let (create_rule, list) = (created(), listed(&[]));
    perform(&clients(&[], &[&create_rule, &list]), &create(), "op-1").await.unwrap();
    assert_eq!(create_rule.num_calls(), 1);
}

#[tokio::test]
async fn what_an_earlier_invocation_created_is_not_created_twice() {
    let (create_rule, list) = (created(), listed(&["d-8", "d-9"]));
    let describe = described("Watchkeeper rolls back: operation op-1");
    let made = perform(&clients(&[], &[&create_rule, &list, &describe]), &create(), "op-1").await.unwrap();
    assert!(matches!(made, Made::Done { deployment: Some(id) } if id == "d-9"));
    assert_eq!(create_rule.num_calls(), 0);
}

#[tokio::test]
async fn somebody_elses_deployment_is_looked_at_anew_and_a_refusal_is_told() {
    let (limited, list) = (not_created("DeploymentLimitExceededException"), listed(&[]));
    let made = perform(&clients(&[], &[&limited, &list]), &create(), "op-1").await.unwrap();
    assert!(matches!(made, Made::Again));
    for (code, class) in [
        ("AccessDeniedException", Class::Permanent),
        ("InvalidRevisionException", Class::Permanent),
        ("ThrottlingException", Class::Transient),
    ] {
        let clients = clients(&[], &[&not_created(code), &listed(&[])]);
        let error = perform(&clients, &create(), "op-1").await.err().unwrap();
        assert_eq!(error.class(), class, "{code}");
        assert!(error.chain().contains("codedeploy:CreateDeployment"), "{error:?}");
    }
}

#[tokio::test]
async fn a_deployment_is_stopped_so_that_it_goes_back() {
    let stopped = mock!(aws_sdk_codedeploy::Client::stop_deployment)
        .match_requests(|request| {
            request.deployment_id() == Some("d-1") && request.auto_rollback_enabled() == Some(true)
        })
        .then_output(|| StopDeploymentOutput::builder().build());
    let made = perform(&clients(&[], &[&stopped]), &stop(), "op-1").await.unwrap();
    assert!(matches!(made, Made::Done { deployment: Some(id) } if id == "d-1"));
}

#[tokio::test]
async fn a_deployment_that_is_over_is_done_if_it_was_stopped_and_else_decided_anew() {
    for (status, is_done) in [
        (DeploymentStatus::Stopped, true),
        (DeploymentStatus::Succeeded, false),
        (DeploymentStatus::Failed, false),
    ] {
        let over = mock!(aws_sdk_codedeploy::Client::stop_deployment).then_error(|| {
            let code = "DeploymentAlreadyCompletedException";
            StopDeploymentError::generic(ErrorMetadata::builder().code(code).build())
        });
        let known = status.clone();
        let got = mock!(aws_sdk_codedeploy::Client::get_deployment).then_output(move || {
            let info = DeploymentInfo::builder().deployment_id("d-1").status(known.clone()).build();
            GetDeploymentOutput::builder().deployment_info(info).build()
        });
        let made = perform(&clients(&[], &[&over, &got]), &stop(), "op-1").await.unwrap();
        assert_eq!(matches!(made, Made::Done { .. }), is_done, "{status}");
        assert_eq!(matches!(made, Made::Again), !is_done, "{status}");
    }
}

#[tokio::test]
async fn any_other_act_is_astray() {
    let error = perform(&clients(&[], &[]), &Act::CancelUpdateStack, "op-1").await.err().unwrap();
    assert_eq!(error.class(), Class::Permanent);
}
