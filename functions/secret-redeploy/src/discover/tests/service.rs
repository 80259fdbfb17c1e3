//! What is read of a service.

use aws_sdk_ecs::types as ecs;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::discovery;
use super::world::{World, arn, cluster, serve, service, service_in};
use crate::discover::read_service;
use crate::facts::{Controller, Deployment, Rollout, TaskSet};

fn hook(
    kind: Option<ecs::DeploymentLifecycleHookTargetType>,
    stage: ecs::DeploymentLifecycleHookStage,
) -> ecs::DeploymentLifecycleHook {
    ecs::DeploymentLifecycleHook::builder().set_target_type(kind).lifecycle_stages(stage).build()
}

#[test]
fn a_service_is_read_whole() {
    use ecs::DeploymentLifecycleHookStage as Stage;
    use ecs::DeploymentLifecycleHookTargetType as Kind;
    let configuration = ecs::DeploymentConfiguration::builder()
        .strategy(ecs::DeploymentStrategy::Canary)
        .minimum_healthy_percent(50)
        .maximum_percent(200)
        .lifecycle_hooks(hook(Some(Kind::Pause), Stage::PreProductionTrafficShift))
        .lifecycle_hooks(hook(Some(Kind::AwsLambda), Stage::PostScaleUp))
        .lifecycle_hooks(hook(None, Stage::PreScaleUp))
        .build();
    let deployment = |id: &str, status: &str, rollout| {
        ecs::Deployment::builder()
            .id(id)
            .status(status)
            .task_definition(arn(id))
            .set_rollout_state(rollout)
            .created_at(DateTime::from_secs(100))
            .build()
    };
    let balancer = ecs::LoadBalancer::builder();
    let read = read_service(
        &service("prod", "web")
            .scheduling_strategy(ecs::SchedulingStrategy::Daemon)
            .deployment_configuration(configuration)
            .desired_count(3)
            .running_count(2)
            .deployments(deployment("new", "PRIMARY", Some(ecs::DeploymentRolloutState::InProgress)))
            .deployments(deployment("old", "ACTIVE", Some(ecs::DeploymentRolloutState::Completed)))
            .deployments(deployment("bad", "ACTIVE", Some(ecs::DeploymentRolloutState::Failed)))
            .deployments(deployment("silent", "ACTIVE", None))
            .deployments(deployment("over", "INACTIVE", None))
            .load_balancers(balancer.clone().load_balancer_name("classic").build())
            .load_balancers(balancer.container_name("app").container_port(8080).build())
            .tags(ecs::Tag::builder().key("watchkeeper:redeploy").value("off").build())
            .build(),
    )
    .unwrap();

    assert_eq!(read.target.to_string(), "ecs:prod/web");
    assert_eq!(read.arn, "arn:aws:ecs:eu-west-1:123456789012:service/prod/web");
    assert!(read.active && read.daemon);
    assert_eq!((read.controller, read.desired, read.running), (Controller::Ecs, 3, 2));
    assert_eq!((read.minimum_percent, read.maximum_percent), (Some(50), Some(200)));
    assert_eq!(read.pauses, ["PRE_PRODUCTION_TRAFFIC_SHIFT"]);
    assert_eq!(read.tags.get("watchkeeper:redeploy").map(String::as_str), Some("off"));
    assert_eq!(read.load_balancer, Some(("app".to_owned(), 8080)));
    let expected = |id: &str, primary, rollout| Deployment {
        id: id.to_owned(),
        primary,
        task_definition: arn(id),
        rollout,
        created_at: Timestamp::from_second(100).ok(),
    };
    assert_eq!(
        read.deployments,
        [
            expected("new", true, Some(Rollout::InProgress)),
            expected("old", false, Some(Rollout::Completed)),
            expected("bad", false, Some(Rollout::Failed)),
            expected("silent", false, None),
        ]
    );
}

#[test]
fn a_service_that_codedeploy_or_somebody_else_deploys_is_read_by_its_task_sets() {
    let set = |id: &str, status: &str, steady| {
        ecs::TaskSet::builder()
            .id(id)
            .status(status)
            .task_definition(arn(id))
            .created_at(DateTime::from_secs(100))
            .stability_status(steady)
            .load_balancers(ecs::LoadBalancer::builder().container_name("app").container_port(80).build())
            .build()
    };
    for (kind, expected) in [
        (ecs::DeploymentControllerType::CodeDeploy, Controller::CodeDeploy),
        (ecs::DeploymentControllerType::External, Controller::External),
        (ecs::DeploymentControllerType::from("NEW"), Controller::External),
        (ecs::DeploymentControllerType::Ecs, Controller::Ecs),
    ] {
        let controller = ecs::DeploymentController::builder().r#type(kind).build().unwrap();
        let read = read_service(
            &service("prod", "web")
                .deployment_controller(controller)
                .task_sets(set("blue", "PRIMARY", ecs::StabilityStatus::SteadyState))
                .task_sets(set("green", "ACTIVE", ecs::StabilityStatus::Stabilizing))
                .build(),
        )
        .unwrap();
        let expected_set = |id: &str, primary, steady| TaskSet {
            id: id.to_owned(),
            primary,
            task_definition: arn(id),
            created_at: Timestamp::from_second(100).ok(),
            steady,
        };
        assert_eq!(read.controller, expected);
        assert_eq!(read.task_sets, [expected_set("blue", true, true), expected_set("green", false, false)]);
        assert_eq!(read.load_balancer, Some(("app".to_owned(), 80)));
    }
}

#[test]
fn a_service_without_what_every_service_has_is_not_one() {
    for built in [
        ecs::Service::builder().service_name("web").cluster_arn("cluster/prod").build(),
        ecs::Service::builder().service_arn("arn").cluster_arn("cluster/prod").build(),
        ecs::Service::builder().service_arn("arn").service_name("web").build(),
    ] {
        assert_eq!(read_service(&built), None);
    }
    let ended = ecs::Service::builder().service_arn("arn").service_name("web").cluster_arn("cluster/prod");
    assert!(!read_service(&ended.status("DRAINING").build()).unwrap().active);
}

#[tokio::test]
async fn single_services_are_described_ten_at_once_and_those_that_are_not_there_left_out() {
    let world = World::new();
    cluster(&world, "prod");
    let names: Vec<String> = (0..23).map(|number| format!("service-{number:02}")).collect();
    for name in &names {
        service_in(&world, "prod", name, &["web"]);
    }
    serve(&world, service("prod", "gone").build());
    world.vanish("gone", "MISSING");
    let arn = |name: &str| format!("arn:aws:ecs:eu-west-1:123456789012:service/prod/{name}");
    let arns: Vec<_> = names.iter().map(String::as_str).chain(["gone"]).map(arn).collect();
    let (ecs, _) = world.clients();

    let read = discovery().describe(&ecs, "prod", &arns).await.unwrap();

    assert_eq!(
        read.iter().map(|service| service.target.to_string()).collect::<Vec<_>>(),
        names.iter().map(|name| format!("ecs:prod/{name}")).collect::<Vec<_>>()
    );
    assert_eq!(world.calls().len(), 3);
}
