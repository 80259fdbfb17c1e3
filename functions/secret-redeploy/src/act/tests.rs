//! What is asked of AWS, to the last field.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_codedeploy::operation::batch_get_deployments::BatchGetDeploymentsOutput;
use aws_sdk_codedeploy::operation::create_deployment::{CreateDeploymentError, CreateDeploymentOutput};
use aws_sdk_codedeploy::operation::list_deployments::ListDeploymentsOutput;
use aws_sdk_codedeploy::types::DeploymentInfo;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use serde_json::{Value, json};
use shared::error::Class;
use shared::ledger::operation::Means;

use super::*;
use crate::cases::{at, td};
use crate::facts::Group;

fn plan() -> Plan {
    Plan {
        operation: "op-1".to_owned(),
        means: Means::RedeployByCodeDeploy,
        from: td("web", 7),
        pins: BTreeMap::new(),
        group: Some(Group {
            application: "shop".to_owned(),
            name: "web-group".to_owned(),
            under_way: None,
            specification: None,
        }),
        behind: Some(("app".to_owned(), 8080)),
        before: Some("ecs-svc/1".to_owned()),
        over: None,
        deadline: at(60),
        notes: Vec::new(),
    }
}

/// A group whose newest deployments have these descriptions; what was asked of it, and the answer.
async fn created(
    descriptions: &[&str],
    refusal: Option<&'static str>,
    plan: &Plan,
    task_definition: &str,
) -> (Result<Option<String>>, Vec<(String, String)>) {
    use aws_sdk_codedeploy::Client;
    let infos: Vec<_> = descriptions
        .iter()
        .enumerate()
        .map(|(number, text)| {
            DeploymentInfo::builder().deployment_id(format!("d-{number}")).description(*text).build()
        })
        .collect();
    let ids: Vec<_> = infos.iter().filter_map(|info| info.deployment_id.clone()).collect();
    let list = mock!(Client::list_deployments)
        .match_requests(|asked| {
            asked.application_name() == Some("shop") && asked.deployment_group_name() == Some("web-group")
        })
        .then_output(move || ListDeploymentsOutput::builder().set_deployments(Some(ids.clone())).build());
    let describe = mock!(Client::batch_get_deployments).then_output(move || {
        BatchGetDeploymentsOutput::builder().set_deployments_info(Some(infos.clone())).build()
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let create = mock!(Client::create_deployment)
        .match_requests(|asked| {
            asked.application_name() == Some("shop") && asked.deployment_group_name() == Some("web-group")
        })
        .then_compute_response(move |asked| {
            if let Some(code) = refusal {
                let meta = ErrorMetadata::builder().code(code).message("no").build();
                return MockResponse::Error(CreateDeploymentError::generic(meta));
            }
            let content = asked.revision().unwrap().app_spec_content().unwrap().content().unwrap().to_owned();
            noted.lock().unwrap().push((asked.description().unwrap().to_owned(), content));
            MockResponse::Output(CreateDeploymentOutput::builder().deployment_id("d-9").build())
        });
    let client =
        mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, [&list, &describe, &create], |config| config
            .retry_config(RetryConfig::disabled()));
    let answer = code_deploy::create(&client, plan, task_definition).await;
    let seen = seen.lock().unwrap().clone();
    (answer, seen)
}

fn with_specification(text: &str) -> Plan {
    let mut plan = plan();
    plan.group.as_mut().unwrap().specification = Some(text.to_owned());
    plan
}

#[tokio::test]
async fn without_a_specification_the_least_is_asked_for() {
    let (answer, asked) = created(&[], None, &plan(), &td("web", 7)).await;
    assert_eq!(answer.unwrap().as_deref(), Some("d-9"));
    let [(description, content)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(description, "Watchkeeper redeploys after a secret changed: operation op-1");
    let expected = json!({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
        "TaskDefinition": td("web", 7), "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}}}]});
    assert_eq!(serde_json::from_str::<Value>(content).unwrap(), expected);
}

#[tokio::test]
async fn what_succeeded_last_is_used_again_with_its_hooks() {
    let last = format!(
        "version: 0.0\nResources: [{{TargetService: {{Properties: {{TaskDefinition: {}}}}}}}]\nHooks: [a]\n",
        td("web", 7)
    );
    let (_, asked) = created(&[], None, &with_specification(&last), &td("web", 7)).await;
    assert_eq!(asked[0].1, last);
    let (_, asked) = created(&[], None, &with_specification(&last), &td("web", 8)).await;
    assert_eq!(asked[0].1, last.replace("web:7", "web:8"));
}

#[tokio::test]
async fn a_specification_of_another_task_definition_is_not_used() {
    for other in [td("web", 6), td("web", 70), "{}".to_owned(), String::new()] {
        let (_, asked) = created(&[], None, &with_specification(&other), &td("web", 7)).await;
        assert!(asked[0].1.contains("LoadBalancerInfo"), "{other}: {}", asked[0].1);
    }
    // The one that begins alike may stand before the right one.
    let both = format!("# was {}\n{}", td("web", 70), td("web", 7));
    let (_, asked) = created(&[], None, &with_specification(&both), &td("web", 7)).await;
    assert_eq!(asked[0].1, both);
}

#[tokio::test]
async fn a_deployment_that_this_operation_made_is_found_again() {
    let ours = "Watchkeeper redeploys after a secret changed: operation op-1";
    let (answer, asked) = created(&["a release", ours], None, &plan(), &td("web", 7)).await;
    assert_eq!((answer.unwrap().as_deref(), asked.len()), (Some("d-1"), 0));
    let (answer, asked) = created(&["a release"], None, &plan(), &td("web", 7)).await;
    assert_eq!((answer.unwrap().as_deref(), asked.len()), (Some("d-9"), 1));
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_apart_from_what_will_not_pass() {
    let (answer, _) = created(&[], Some("DeploymentLimitExceededException"), &plan(), &td("web", 7)).await;
    assert_eq!(answer.unwrap_err().class(), Class::Transient);
    let (answer, _) = created(&[], Some("AccessDeniedException"), &plan(), &td("web", 7)).await;
    let error = answer.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("codedeploy:CreateDeployment is denied"), "{error:?}");
    let (answer, _) = created(&[], None, &Plan { behind: None, ..plan() }, &td("web", 7)).await;
    assert!(
        answer.unwrap_err().chain().contains("the service has none: redeploy it as it is usually deployed")
    );
    let (answer, _) = created(&[], None, &Plan { group: None, ..plan() }, &td("web", 7)).await;
    assert_eq!(answer.unwrap_err().chain(), "the plan names no deployment group");
}

#[test]
fn the_jitter_is_short_and_the_same_each_time() {
    let all: Vec<_> = (0..100).map(|number| jitter(&format!("op-{number}"))).collect();
    assert!(all.iter().all(|jitter| *jitter < Duration::from_millis(JITTER_MILLIS)));
    assert!(all.windows(2).any(|two| two[0] != two[1]));
    assert_eq!(jitter("op-1"), jitter("op-1"));
}

#[test]
fn an_operation_names_its_redeploy_and_blames_nothing() {
    let cause = shared::ledger::redeploy::Cause::ByHand { by: Some("ann".to_owned()) };
    let redeploy = Redeploy { cause, ..crate::cases::redeploy() };
    let operation = operation(&redeploy, &plan(), at(5));
    assert_eq!(
        (operation.from.as_str(), operation.to.as_str()),
        (td("web", 7).as_str(), td("web", 7).as_str())
    );
    assert_eq!(
        (operation.redeploy.as_deref(), operation.asked_by.as_deref()),
        (Some("redeploy-1"), Some("ann"))
    );
    assert_eq!((operation.blames, operation.deployment, operation.end), (false, None, None));
    assert_eq!((operation.began, operation.deadline), (at(5), at(60)));
    assert_eq!(operation.incident, format!("secret:{}", crate::cases::SECRET));
}
