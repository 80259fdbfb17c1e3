//! What Lambda is told, and what its refusals mean.

use aws_sdk_codedeploy::operation::stop_deployment::StopDeploymentOutput;
use aws_sdk_lambda::operation::update_alias::{UpdateAliasError, UpdateAliasOutput};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use shared::error::Class;

use super::*;
use crate::act::code_deploy::tests::clients;

async fn run(rule: &Rule) -> Result<Made> {
    let act = Act::UpdateAlias { version: "9".to_owned(), revision_id: "revision-1".to_owned() };
    perform(&clients(&[rule], &[]), "checkout", "live", &act, "op-1").await
}

fn refused(code: &'static str) -> Rule {
    mock!(aws_sdk_lambda::Client::update_alias).then_error(move || {
        UpdateAliasError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

#[tokio::test]
async fn all_requests_go_to_the_version_if_nobody_changed_the_alias_since() {
    let updated = mock!(aws_sdk_lambda::Client::update_alias)
        .match_requests(|request| {
            let weights = request.routing_config().and_then(|routing| routing.additional_version_weights());
            request.function_name() == Some("checkout")
                && request.name() == Some("live")
                && request.function_version() == Some("9")
                && request.revision_id() == Some("revision-1")
                && weights.is_some_and(HashMap::is_empty)
                && request.description().is_none()
        })
        .then_output(|| UpdateAliasOutput::builder().build());
    let made = run(&updated).await.unwrap();
    assert!(matches!(made, Made::Done { deployment: None }));
    assert_eq!(updated.num_calls(), 1);
}

#[tokio::test]
async fn an_alias_that_somebody_changed_is_looked_at_anew() {
    let changed = refused("PreconditionFailedException");
    assert!(matches!(run(&changed).await.unwrap(), Made::Again));
    assert_eq!(changed.num_calls(), 1);
}

#[tokio::test]
async fn another_change_on_its_way_passes_and_a_refusal_does_not() {
    for (code, class) in [
        ("ResourceConflictException", Class::Transient),
        ("TooManyRequestsException", Class::Transient),
        ("AccessDeniedException", Class::Permanent),
        ("ResourceNotFoundException", Class::Permanent),
        ("InvalidParameterValueException", Class::Permanent),
    ] {
        let error = run(&refused(code)).await.err().unwrap();
        assert_eq!(error.class(), class, "{code}");
        assert!(error.chain().contains("lambda:UpdateAlias"), "{error:?}");
    }
}

#[tokio::test]
async fn a_deployment_of_the_alias_is_stopped_by_codedeploy_and_any_other_act_is_astray() {
    let stopped = mock!(aws_sdk_codedeploy::Client::stop_deployment)
        .match_requests(|request| request.deployment_id() == Some("d-1"))
        .then_output(|| StopDeploymentOutput::builder().build());
    let clients = clients(&[], &[&stopped]);
    let act = Act::StopDeployment { deployment: "d-1".to_owned() };
    let made = perform(&clients, "checkout", "live", &act, "op-1").await.unwrap();
    assert!(matches!(made, Made::Done { deployment: Some(id) } if id == "d-1"));

    let astray = perform(&clients, "checkout", "live", &Act::RollbackStack, "op-1").await.err().unwrap();
    assert_eq!(astray.class(), Class::Permanent);
}
