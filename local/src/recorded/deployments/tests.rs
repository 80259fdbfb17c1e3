use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    Container, ContainerDefinition, DeploymentRolloutState as Rollout, DesiredStatus, LaunchType,
    LoadBalancer, ServiceDeployment, ServiceDeploymentLifecycleStage as Stage,
    ServiceDeploymentRollbackMonitorsStatus as Monitor, ServiceDeploymentStatus as S, ServiceField,
    SortOrder, StopServiceDeploymentStopType as StopType, TaskDefinitionField, TaskDefinitionStatus,
    TaskStopCode,
};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::super::{digest, uncovered};
use super::{Deployments, Status};
use crate::aws::sdk_config;
use crate::proxy::Proxy;

async fn serve(deployments: &Deployments) -> (Proxy, Client) {
    let double = deployments.clone();
    let proxy = Proxy::answering(move |call| double.answer(call).unwrap_or_else(|| uncovered(call)));
    let proxy = proxy.await.unwrap();
    let client = Client::new(&sdk_config(proxy.url()).await);
    (proxy, client)
}

fn two() -> Deployments {
    Deployments::new("prod", "web").deployed("web:1", 600, "one").deployed("web:2", 30, "two")
}

async fn described(ecs: &Client, arn: &str) -> ServiceDeployment {
    let described = ecs.describe_service_deployments().service_deployment_arns(arn).send().await.unwrap();
    described.service_deployments().first().unwrap().clone()
}

async fn stop(ecs: &Client, arn: &str) -> Result<(), (String, String)> {
    let call = ecs.stop_service_deployment().service_deployment_arn(arn).stop_type(StopType::Rollback);
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err((error.code().unwrap().to_owned(), error.message().unwrap().to_owned())),
    }
}

#[tokio::test]
async fn deployments_are_listed_newest_first_and_page_by_page() {
    let (_proxy, ecs) = serve(&two().deploying("web:3", 2, "three")).await;
    let list = || ecs.list_service_deployments().cluster("prod").service("web");
    let all = list().send().await.unwrap();
    let statuses: Vec<_> = all.service_deployments().iter().map(|it| it.status().unwrap().clone()).collect();
    assert_eq!(statuses, [S::InProgress, S::Successful, S::Successful]);
    let [newest, before, _] = all.service_deployments() else { unreachable!() };
    assert!(newest.created_at().unwrap() > before.created_at().unwrap());
    assert!(newest.started_at().is_some() && newest.finished_at().is_none());
    assert!(before.finished_at().unwrap() > before.created_at().unwrap());
    assert!(
        newest
            .service_deployment_arn()
            .unwrap()
            .starts_with("arn:aws:ecs:eu-central-1:123456789012:service-deployment/prod/web/")
    );

    let first = list().max_results(2).send().await.unwrap();
    let rest = list().max_results(2).set_next_token(first.next_token).send().await.unwrap();
    assert_eq!(rest.service_deployments().len(), 1);
    assert_eq!(rest.next_token(), None);
    let successful = list().status(S::Successful).send().await.unwrap();
    assert_eq!(successful.service_deployments().len(), 2);
}

#[tokio::test]
async fn a_revision_tells_what_ran_and_under_which_conditions() {
    let balanced = json!({
        "loadBalancers": [{"targetGroupArn": "arn:tg", "containerName": "app", "containerPort": 8080}],
    });
    let double = Deployments::new("prod", "web").deployed("web:1", 600, "one").with(&balanced);
    let double = double.deployed("web:2", 30, "two");
    let (_proxy, ecs) = serve(&double).await;
    let listed = ecs.list_service_deployments().cluster("prod").service("web").send().await.unwrap();
    let arns = listed.service_deployments().iter().map(|it| it.target_service_revision_arn.clone().unwrap());
    let arns = arns.collect();
    let described = ecs.describe_service_revisions().set_service_revision_arns(Some(arns)).send().await;
    let described = described.unwrap();
    let [newer, older] = described.service_revisions() else { unreachable!() };
    assert!(newer.task_definition().unwrap().ends_with(":task-definition/web:2"));
    let image = &newer.container_images()[0];
    assert_eq!(image.container_name(), Some("app"));
    assert_eq!(image.image(), Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com/web:2"));
    assert_eq!(image.image_digest(), Some(&*digest("two")));
    assert_eq!(newer.launch_type(), Some(&LaunchType::Fargate));
    assert!(newer.network_configuration().unwrap().awsvpc_configuration().is_some());
    assert_eq!(newer.load_balancers()[0].container_port(), Some(8080));
    assert_eq!(older.load_balancers(), []);
    assert_eq!(older.container_images()[0].image_digest(), Some(&*digest("one")));
}

#[tokio::test]
async fn a_deployment_in_flight_that_is_stopped_returns_step_by_step_to_what_ran_before() {
    let double = two().deploying("web:3", 2, "three");
    let (_proxy, ecs) = serve(&double).await;
    let arn = double.running("web").unwrap().deployment_arn;
    let before = described(&ecs, &arn).await;
    let source = before.source_service_revisions()[0].arn().unwrap();
    assert_eq!(before.source_service_revisions()[0].requested_task_count(), 2);
    assert_eq!(before.deployment_circuit_breaker().unwrap().status(), Some(&Monitor::Monitoring));
    assert_eq!(before.deployment_circuit_breaker().unwrap().threshold(), 3);
    assert!(before.rollback().is_none());

    stop(&ecs, &arn).await.unwrap();
    let requested = described(&ecs, &arn).await;
    assert_eq!(requested.status(), Some(&S::RollbackRequested));
    assert_eq!(requested.rollback().unwrap().service_revision_arn(), Some(source));
    assert_eq!(double.advance("web").unwrap(), Status::RollbackInProgress);
    stop(&ecs, &arn).await.unwrap();
    assert_eq!(double.advance("web").unwrap(), Status::RollbackSuccessful);
    let ended = described(&ecs, &arn).await;
    assert_eq!(ended.status(), Some(&S::RollbackSuccessful));
    assert!(ended.finished_at().is_some());
    assert_eq!(double.running("web").unwrap().task_definition, "web:2");
    assert_eq!(double.running("web").unwrap().digests, [digest("two")]);
    assert!(double.advance("web").is_err());

    let (code, _) = stop(&ecs, &arn).await.unwrap_err();
    assert_eq!(code, "ConflictException");
    let strange = arn.replace("Qx7Zk2", "Qx7Zk3");
    assert_eq!(stop(&ecs, &strange).await.unwrap_err().0, "ServiceDeploymentNotFoundException");
    let changes: Vec<_> = double.changes().into_iter().map(|change| change.action).collect();
    assert_eq!(changes, ["ecs:StopServiceDeployment"; 2]);
}

#[tokio::test]
async fn a_deployment_that_finishes_before_the_stop_is_a_conflict() {
    let double = two().deploying("web:3", 2, "three").finishing_before_stop();
    let (_proxy, ecs) = serve(&double).await;
    let (code, _) = stop(&ecs, &double.running("web").unwrap().deployment_arn).await.unwrap_err();
    assert_eq!(code, "ConflictException");
    assert_eq!(double.running("web").unwrap().status, Status::Successful);
    assert_eq!(double.changes(), []);
}

#[tokio::test]
async fn what_a_call_began_settles_by_itself_after_the_looks_and_nothing_else_does() {
    let double = two().deploying("web:3", 2, "three").settling_after(2);
    let (_proxy, ecs) = serve(&double).await;
    let arn = double.running("web").unwrap().deployment_arn;
    for _ in 0..5 {
        assert_eq!(described(&ecs, &arn).await.status(), Some(&S::InProgress));
    }
    stop(&ecs, &arn).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(described(&ecs, &arn).await.status().unwrap().as_str().to_owned());
    }
    let (asked, going) = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS");
    assert_eq!(seen, [asked, asked, going, going, "ROLLBACK_SUCCESSFUL"]);
}

#[tokio::test]
async fn an_update_makes_a_service_deployment_that_can_complete_or_fail() {
    let double = two();
    let (_proxy, ecs) = serve(&double).await;
    let update = || ecs.update_service().cluster("prod").service("web");
    let updated = update().task_definition("web:1").send().await.unwrap().service.unwrap();
    assert!(updated.task_definition().unwrap().ends_with("web:1"));
    let [primary, active] = updated.deployments() else { unreachable!() };
    assert_eq!((primary.status(), primary.rollout_state()), (Some("PRIMARY"), Some(&Rollout::InProgress)));
    assert_eq!((active.status(), active.rollout_state()), (Some("ACTIVE"), Some(&Rollout::Completed)));
    assert_eq!(primary.id(), Some(&*double.running("web").unwrap().deployment_id));
    assert_eq!(primary.id().unwrap().len(), "ecs-svc/".len() + 19);
    assert_eq!(double.running("web").unwrap().status, Status::Pending);
    assert_eq!(double.complete("web").unwrap(), Status::Successful);

    // The same again is no deployment, unless it is forced.
    let settled = double.running("web").unwrap();
    update().task_definition("web:1").send().await.unwrap();
    assert_eq!(double.running("web").unwrap(), settled);
    update().force_new_deployment(true).send().await.unwrap();
    assert_ne!(double.running("web").unwrap().deployment_arn, settled.deployment_arn);

    let arn = double.running("web").unwrap().deployment_arn;
    let double =
        double.stopped("EssentialContainerExited", "Essential container in task exited", Some(1), None);
    assert_eq!(double.fail("web", "The circuit breaker tripped.").unwrap(), Status::RollbackInProgress);
    let failed = described(&ecs, &arn).await;
    let breaker = failed.deployment_circuit_breaker().unwrap();
    assert_eq!((breaker.status(), breaker.failure_count()), (Some(&Monitor::Triggered), 1));
    assert_eq!(failed.rollback().unwrap().reason(), Some("The circuit breaker tripped."));
    assert_eq!(double.fail("web", "And the rollback, too.").unwrap(), Status::RollbackFailed);
    assert_eq!(described(&ecs, &arn).await.status_reason(), Some("And the rollback, too."));
}

#[tokio::test]
async fn an_update_takes_the_place_of_a_deployment_in_flight() {
    let double = two().deploying("web:3", 2, "three");
    let (_proxy, ecs) = serve(&double).await;
    let before = double.running("web").unwrap().deployment_arn;
    ecs.update_service().cluster("prod").service("web").task_definition("web:2").send().await.unwrap();
    assert_eq!(described(&ecs, &before).await.status(), Some(&S::Stopped));
    assert_eq!(double.complete("web").unwrap(), Status::Successful);
    assert_eq!(double.running("web").unwrap().task_definition, "web:2");
}

#[tokio::test]
async fn what_ecs_rolled_back_itself_leaves_what_ran_before() {
    let double = two().rolled_back("web:3", 10, "three", "The circuit breaker tripped.");
    let (_proxy, ecs) = serve(&double).await;
    let running = double.running("web").unwrap();
    assert_eq!((running.task_definition.as_str(), running.status), ("web:2", Status::RollbackSuccessful));
    let ended = described(&ecs, &running.deployment_arn).await;
    assert_eq!(ended.rollback().unwrap().service_revision_arn(), Some(&*running.revision_arn));
    assert!(ended.finished_at().is_some());
    let service = ecs.describe_services().cluster("prod").services("web").send().await.unwrap();
    let [primary] = service.services()[0].deployments() else { unreachable!() };
    assert_eq!(primary.id(), Some(&*running.deployment_id));
    assert!(primary.task_definition().unwrap().ends_with("/web:2"));
}

#[tokio::test]
async fn a_deployment_with_alarms_tells_its_stage_and_which_alarm_ended_it() {
    let watched = json!({"deploymentConfiguration": {
        "strategy": "BLUE_GREEN",
        "bakeTimeInMinutes": 10,
        "alarms": {"alarmNames": ["web-5xx"], "enable": true, "rollback": true},
    }});
    let double = two().with(&watched).deploying("web:3", 2, "three");
    let (_proxy, ecs) = serve(&double).await;
    let arn = double.running("web").unwrap().deployment_arn;
    double.reach("web", "BAKE_TIME").unwrap();
    let baking = described(&ecs, &arn).await;
    assert_eq!(baking.lifecycle_stage(), Some(&Stage::BakeTime));
    assert_eq!(baking.deployment_configuration().unwrap().bake_time_in_minutes(), Some(10));
    assert_eq!(baking.alarms().unwrap().status(), Some(&Monitor::Monitoring));
    double.fail("web", "An alarm was detected.").unwrap();
    let failed = described(&ecs, &arn).await;
    assert_eq!(failed.alarms().unwrap().triggered_alarm_names(), ["web-5xx"]);
    assert_eq!(failed.status(), Some(&S::RollbackInProgress));
}

#[tokio::test]
async fn without_a_rollback_set_up_a_deployment_that_fails_is_stopped() {
    let off = json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": false, "rollback": false}}});
    let double = two().with(&off).deploying("web:3", 2, "three");
    let (_proxy, ecs) = serve(&double).await;
    assert_eq!(double.fail("web", "It failed.").unwrap(), Status::Stopped);
    let stopped = described(&ecs, &double.running("web").unwrap().deployment_arn).await;
    assert!(stopped.stopped_at().is_some() && stopped.rollback().is_none());
    assert_eq!(stopped.deployment_circuit_breaker().unwrap().status(), Some(&Monitor::Disabled));
}

#[tokio::test]
async fn a_service_is_described_whole_and_its_tags_on_request() {
    let double =
        two().tagged("watchkeeper:mode", "act").also("prod", "api").with(&json!({"desiredCount": 0}));
    let (_proxy, ecs) = serve(&double).await;
    let describe =
        || ecs.describe_services().cluster("prod").services("web").services("api").services("nope");
    let described = describe().include(ServiceField::Tags).send().await.unwrap();
    let [web, api] = described.services() else { unreachable!() };
    assert_eq!(web.tags()[0].value(), Some("act"));
    assert_eq!((web.desired_count(), web.running_count(), web.failed()), (2, 2, 0));
    let running = double.running("prod/web").unwrap();
    assert_eq!(web.current_service_deployment(), Some(&*running.deployment_arn));
    assert_eq!(web.current_service_revisions()[0].arn(), Some(&*running.revision_arn));
    assert_eq!((api.desired_count(), api.task_definition()), (0, None));
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));
    assert_eq!(describe().send().await.unwrap().services()[0].tags(), []);
}

trait Failed {
    fn failed(&self) -> i32;
}

impl Failed for aws_sdk_ecs::types::Service {
    fn failed(&self) -> i32 {
        self.deployments().iter().map(aws_sdk_ecs::types::Deployment::failed_tasks).sum()
    }
}

#[tokio::test]
async fn task_definitions_are_found_listed_and_registered() {
    let double = two().deregistered("web:1");
    let (_proxy, ecs) = serve(&double).await;
    let describe = |name: &str| ecs.describe_task_definition().task_definition(name).send();
    let old = describe("web:1").await.unwrap().task_definition.unwrap();
    assert_eq!(old.status(), Some(&TaskDefinitionStatus::Inactive));
    assert!(old.deregistered_at().is_some());
    assert_eq!(describe("web").await.unwrap().task_definition.unwrap().revision(), 2);
    assert_eq!(describe("web:9").await.unwrap_err().code(), Some("ClientException"));

    let pinned = format!("registry/web@{}", digest("one"));
    let container = ContainerDefinition::builder().name("app").image(&pinned).essential(true).build();
    let tag = aws_sdk_ecs::types::Tag::builder().key("copy-of").value("web:1").build();
    let register = ecs.register_task_definition().family("web").container_definitions(container).tags(tag);
    let registered = register.send().await.unwrap().task_definition.unwrap();
    assert_eq!((registered.revision(), registered.status()), (3, Some(&TaskDefinitionStatus::Active)));
    let described = ecs.describe_task_definition().task_definition(registered.task_definition_arn().unwrap());
    let described = described.include(TaskDefinitionField::Tags).send().await.unwrap();
    assert_eq!(described.tags()[0].key(), Some("copy-of"));

    let list = ecs.list_task_definitions().family_prefix("web").sort(SortOrder::Desc).send().await.unwrap();
    let short: Vec<_> = list.task_definition_arns().iter().map(|arn| super::short(arn)).collect();
    assert_eq!(short, ["web:3", "web:2"]);

    // What is pinned runs as pinned.
    ecs.update_service().cluster("prod").service("web").task_definition("web:3").send().await.unwrap();
    assert_eq!(double.running("web").unwrap().digests, [digest("one")]);
}

#[tokio::test]
async fn a_tag_that_was_pushed_anew_makes_another_revision_of_the_same_task_definition() {
    let double = Deployments::new("prod", "web").deployed("web:1", 600, "one");
    let double = double.deployed("web:1", 30, "moved").pushed("web:1", "newest");
    assert_eq!(double.running("web").unwrap().digests, [digest("moved")]);
    let (_proxy, ecs) = serve(&double).await;
    ecs.update_service().cluster("prod").service("web").force_new_deployment(true).send().await.unwrap();
    assert_eq!(double.running("web").unwrap().digests, [digest("newest")]);
}

#[tokio::test]
async fn stopped_tasks_say_why() {
    let because = "CannotPullContainerError: pull access denied";
    let double =
        two().deploying("web:3", 2, "three").stopped("TaskFailedToStart", because, None, Some("pull"));
    let (_proxy, ecs) = serve(&double).await;
    let list = || ecs.list_tasks().cluster("prod").service_name("web");
    assert_eq!(list().send().await.unwrap().task_arns().len(), 2);
    let stopped = list().desired_status(DesiredStatus::Stopped).send().await.unwrap().task_arns.unwrap();
    let described = ecs.describe_tasks().cluster("prod").set_tasks(Some(stopped)).tasks("nope").send().await;
    let described = described.unwrap();
    let [task] = described.tasks() else { unreachable!() };
    assert_eq!(task.stopped_reason(), Some(because));
    assert_eq!(task.stop_code(), Some(&TaskStopCode::TaskFailedToStart));
    assert_eq!(task.started_by(), Some(&*double.running("web").unwrap().deployment_id));
    let [container] = task.containers() else { unreachable!() };
    let said = |it: &Container| (it.name.clone(), it.exit_code, it.reason.clone());
    assert_eq!(said(container), (Some("app".to_owned()), None, Some("pull".to_owned())));
    assert_eq!(described.failures()[0].arn(), Some("nope"));
}

#[tokio::test]
async fn what_ecs_refuses_is_refused_with_its_error() {
    let double = two().deregistered("web:1").also("prod", "blue").with(&json!({
        "deploymentController": {"type": "CODE_DEPLOY"},
    }));
    let (_proxy, ecs) = serve(&double.deployed("blue:1", 60, "blue")).await;
    let update = |service: &str, definition: &str| {
        ecs.update_service().cluster("prod").service(service).task_definition(definition)
    };
    let balancer = |name: &str, port| {
        LoadBalancer::builder().target_group_arn("arn:tg").container_name(name).container_port(port).build()
    };
    for (call, code, message) in [
        (update("nope", "web:2"), "ServiceNotFoundException", "Service not found."),
        (update("web", "web:9"), "ClientException", "TaskDefinition not found."),
        (update("web", "web:1"), "ClientException", "TaskDefinition is inactive"),
        (
            update("blue", "blue:1"),
            "InvalidParameterException",
            "Unable to update task definition on services with a CODE_DEPLOY deployment controller. \
             Use AWS CodeDeploy to trigger a new deployment.",
        ),
        (
            update("web", "web:2").load_balancers(balancer("sidecar", 8080)),
            "InvalidParameterException",
            "The container sidecar does not exist in the task definition.",
        ),
        (
            update("web", "web:2").load_balancers(balancer("app", 9090)),
            "InvalidParameterException",
            "The container app did not have a container port 9090 defined.",
        ),
    ] {
        let error = call.send().await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Some(code), Some(message)));
    }
    let abort = ecs.stop_service_deployment().stop_type(StopType::Abort);
    let abort =
        abort.service_deployment_arn("arn:aws:ecs:eu-central-1:123456789012:service-deployment/prod/web/a");
    assert_eq!(abort.send().await.unwrap_err().code(), Some("InvalidParameterException"));
    let listed = ecs.list_service_deployments().cluster("prod").service("blue").send().await.unwrap();
    assert_eq!(listed.service_deployments(), []);
}

#[tokio::test]
async fn calls_about_other_clusters_and_families_have_no_answer_here() {
    let (_proxy, ecs) = serve(&two()).await;
    let elsewhere = ecs.describe_services().cluster("staging").services("web").send().await.unwrap_err();
    assert_eq!(elsewhere.code(), Some("NothingRecorded"));
    let other = ecs.describe_task_definition().task_definition("api:1").send().await.unwrap_err();
    assert!(other.message().unwrap().contains("ecs:DescribeTaskDefinition"));
    assert_eq!(ecs.list_clusters().send().await.unwrap_err().code(), Some("NothingRecorded"));
}

#[tokio::test]
async fn a_parameter_that_ecs_does_not_have_is_refused() {
    let (proxy, _ecs) = serve(&two()).await;
    let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-central-1/ecs/aws4_request, SignedHeaders=host";
    let sent = json!({"cluster": "prod", "service": "web", "taskDefinitions": "web:1"}).to_string();
    let request = Request::post(proxy.url())
        .header("authorization", scope)
        .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateService")
        .body(Full::new(Bytes::from(sent)));
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let said =
        client.request(request.unwrap()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let said = String::from_utf8(said.to_vec()).unwrap();
    assert!(said.contains("InvalidParameterException") && said.contains("taskDefinitions"), "{said}");
}
