use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::types::{
    AppSpecContent, ComputePlatform, DeploymentCreator, DeploymentInfo, DeploymentStatus as S, ErrorCode,
    RevisionLocation, RevisionLocationType, StopStatus,
};
use serde_json::Value;

use super::super::{hash, uncovered};
use super::{CodeDeploy, ecs_app_spec, lambda_app_spec};
use crate::aws::sdk_config;
use crate::proxy::Proxy;

async fn serve(double: &CodeDeploy) -> (Proxy, Client) {
    let double = double.clone();
    let proxy = Proxy::answering(move |call| double.answer(call).unwrap_or_else(|| uncovered(call)));
    let proxy = proxy.await.unwrap();
    let client = Client::new(&sdk_config(proxy.url()).await);
    (proxy, client)
}

fn web(revision: u64) -> String {
    let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/web:{revision}");
    ecs_app_spec(&arn, "app", 8080)
}

fn two() -> CodeDeploy {
    CodeDeploy::new().ecs_group("shop", "web").deployed(&web(1), 600).deployed(&web(2), 60)
}

async fn info(codedeploy: &Client, id: &str) -> DeploymentInfo {
    codedeploy.get_deployment().deployment_id(id).send().await.unwrap().deployment_info.unwrap()
}

fn spec(info: &DeploymentInfo) -> &str {
    info.revision().unwrap().app_spec_content().unwrap().content().unwrap()
}

fn revision(content: &str, sum: &str) -> RevisionLocation {
    let content = AppSpecContent::builder().content(content).sha256(sum).build();
    RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(content)
        .build()
}

#[tokio::test]
async fn a_deployment_is_described_with_the_app_spec_of_its_platform() {
    let double =
        two().lambda_group("orders", "live").deployed(&lambda_app_spec("orders", "live", "9", "10"), 30);
    let (_proxy, codedeploy) = serve(&double).await;
    let ecs = info(&codedeploy, &double.newest("web").unwrap()).await;
    assert_eq!(ecs.status(), Some(&S::Succeeded));
    assert_eq!(ecs.creator(), Some(&DeploymentCreator::User));
    assert_eq!(ecs.compute_platform(), Some(&ComputePlatform::Ecs));
    assert!(ecs.complete_time().unwrap() > ecs.create_time().unwrap());
    let read: Value = serde_json::from_str(spec(&ecs)).unwrap();
    let properties = &read["Resources"][0]["TargetService"]["Properties"];
    assert!(properties["TaskDefinition"].as_str().unwrap().ends_with("/web:2"));
    assert_eq!(properties["LoadBalancerInfo"]["ContainerPort"], 8080);
    let before = ecs.previous_revision().unwrap().app_spec_content().unwrap();
    assert_eq!((before.content(), before.sha256()), (Some(&*web(1)), Some(&*hash(&web(1)))));

    let ids = Some(vec![double.newest("live").unwrap(), "d-NOTTHERE1".to_owned()]);
    let batch = codedeploy.batch_get_deployments().set_deployment_ids(ids).send().await.unwrap();
    let [lambda] = batch.deployments_info() else { unreachable!() };
    assert_eq!(lambda.compute_platform(), Some(&ComputePlatform::Lambda));
    let read: Value = serde_json::from_str(spec(lambda)).unwrap();
    assert_eq!(read["Resources"][0]["orders"]["Properties"]["CurrentVersion"], "9");
}

#[tokio::test]
async fn deployments_are_listed_newest_first_by_status_and_page() {
    let double = two().failed(&web(3), 20, "ALARM_ACTIVE", "One or more alarms were active.").paged(2);
    let (_proxy, codedeploy) = serve(&double).await;
    let list = || codedeploy.list_deployments().application_name("shop").deployment_group_name("web");
    let first = list().send().await.unwrap();
    let rest = list().set_next_token(first.next_token.clone()).send().await.unwrap();
    assert_eq!((first.deployments().len(), rest.deployments().len(), rest.next_token()), (2, 1, None));
    assert_eq!(first.deployments()[0], double.newest("web").unwrap());
    let good = list().include_only_statuses(S::Succeeded).send().await.unwrap();
    assert_eq!(good.deployments(), [&first.deployments()[1..], rest.deployments()].concat());
    let failed = info(&codedeploy, &first.deployments()[0]).await;
    assert_eq!(failed.error_information().unwrap().code(), Some(&ErrorCode::AlarmActive));
}

#[tokio::test]
async fn a_deployment_that_is_stopped_with_a_rollback_deploys_the_last_good_revision_again() {
    let double = two().deploying(&web(3), 2).settling_after(2);
    let (_proxy, codedeploy) = serve(&double).await;
    let id = double.newest("web").unwrap();
    let stop = || codedeploy.stop_deployment().deployment_id(&id).auto_rollback_enabled(true).send();
    assert_eq!(stop().await.unwrap().status(), Some(&StopStatus::Pending));
    let stopped = info(&codedeploy, &id).await;
    assert_eq!(stopped.status(), Some(&S::Stopped));
    let rollback = double.newest("web").unwrap();
    assert_eq!(stopped.rollback_info().unwrap().rollback_deployment_id(), Some(&*rollback));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let back = info(&codedeploy, &rollback).await;
        assert_eq!(back.creator(), Some(&DeploymentCreator::CodeDeployRollback));
        assert_eq!(back.rollback_info().unwrap().rollback_triggering_deployment_id(), Some(&*id));
        seen.push(back.status().unwrap().as_str().to_owned());
    }
    assert_eq!(seen, ["InProgress", "InProgress", "Succeeded"]);
    assert_eq!(double.running("web").unwrap(), web(2));
    assert_eq!(stop().await.unwrap_err().code(), Some("DeploymentAlreadyCompletedException"));
    assert_eq!(double.changes().len(), 1);
}

#[tokio::test]
async fn without_a_rollback_a_deployment_is_only_stopped() {
    let double = two().deploying(&web(3), 2);
    let (_proxy, codedeploy) = serve(&double).await;
    let id = double.newest("web").unwrap();
    codedeploy.stop_deployment().deployment_id(&id).send().await.unwrap();
    assert_eq!(double.newest("web").unwrap(), id);
    assert!(info(&codedeploy, &id).await.rollback_info().is_none());
}

#[tokio::test]
async fn a_new_deployment_runs_what_its_app_spec_says_once_it_succeeded() {
    let double = two();
    let (_proxy, codedeploy) = serve(&double).await;
    let create = || {
        let call = codedeploy.create_deployment().application_name("shop").deployment_group_name("web");
        call.revision(revision(&web(1), &hash(&web(1)))).description("back")
    };
    let id = create().send().await.unwrap().deployment_id.unwrap();
    assert_eq!(info(&codedeploy, &id).await.description(), Some("back"));
    assert_eq!(double.running("web").unwrap(), web(2));
    let second = create().send().await.unwrap_err();
    assert_eq!(second.code(), Some("DeploymentLimitExceededException"));
    double.complete(&id).unwrap();
    assert_eq!(double.running("web").unwrap(), web(1));
    assert!(double.fail(&id, "TIMEOUT", "too late").is_err());
    let next = create().send().await.unwrap().deployment_id.unwrap();
    double.fail(&next, "HEALTH_CONSTRAINTS", "unhealthy").unwrap();
    assert_eq!(double.status(&next).unwrap(), "Failed");
}

#[tokio::test]
async fn what_code_deploy_refuses_is_refused_with_its_error() {
    let double = two();
    let (_proxy, codedeploy) = serve(&double).await;
    let create = |application: &str, group: &str, content: &str, sum: &str| {
        let call = codedeploy.create_deployment().application_name(application).deployment_group_name(group);
        call.revision(revision(content, sum)).send()
    };
    let lambda = lambda_app_spec("orders", "live", "9", "10");
    for (application, group, content, sum, code) in [
        ("nope", "web", &web(1), web(1), "ApplicationDoesNotExistException"),
        ("shop", "nope", &web(1), web(1), "DeploymentGroupDoesNotExistException"),
        ("shop", "web", &lambda, lambda.clone(), "InvalidRevisionException"),
        ("shop", "web", &web(1), "else".to_owned(), "InvalidRevisionException"),
    ] {
        let refused = create(application, group, content, &hash(&sum)).await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
    let get = |id: &str| codedeploy.get_deployment().deployment_id(id).send();
    assert_eq!(get("d-NOTTHERE1").await.unwrap_err().code(), Some("DeploymentDoesNotExistException"));
    assert_eq!(get("web").await.unwrap_err().code(), Some("InvalidDeploymentIdException"));
    let half = codedeploy.list_deployments().application_name("shop").send().await.unwrap_err();
    assert_eq!(half.code(), Some("DeploymentGroupNameRequiredException"));
    assert_eq!(double.changes(), []);
}

#[tokio::test]
async fn applications_lead_to_their_groups_and_groups_to_their_services() {
    let double =
        two().for_service("prod", "web").lambda_group("orders", "live").ecs_group("shop", "api").paged(1);
    let double = double.about("web").deploying(&web(3), 1);
    let (_proxy, codedeploy) = serve(&double).await;
    let first = codedeploy.list_applications().send().await.unwrap();
    let second = codedeploy.list_applications().set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((second.applications(), second.next_token()), (&["shop".to_owned()][..], None));
    let names = codedeploy.list_deployment_groups().application_name("shop").send().await.unwrap();
    assert_eq!(
        (names.deployment_groups(), names.application_name()),
        (&["api".to_owned()][..], Some("shop"))
    );

    let batch = codedeploy.batch_get_deployment_groups().application_name("shop");
    let batch = batch.deployment_group_names("web").deployment_group_names("nope").send().await.unwrap();
    let [group] = batch.deployment_groups_info() else { unreachable!() };
    assert_eq!(group.ecs_services()[0].cluster_name(), Some("prod"));
    assert_eq!(group.last_successful_deployment().unwrap().status(), Some(&S::Succeeded));
    assert_eq!(group.last_attempted_deployment().unwrap().status(), Some(&S::InProgress));
    let live = codedeploy.get_deployment_group().application_name("orders").deployment_group_name("live");
    let live = live.send().await.unwrap().deployment_group_info.unwrap();
    assert_eq!((live.compute_platform(), live.ecs_services()), (Some(&ComputePlatform::Lambda), &[][..]));
    let nope = codedeploy.list_deployment_groups().application_name("nope").send().await.unwrap_err();
    assert_eq!(nope.code(), Some("ApplicationDoesNotExistException"));
}
