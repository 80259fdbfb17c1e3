use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
use aws_sdk_ecs::types::{ContainerDefinition, DesiredStatus};
use serde_json::json;

use super::super::super::ecs_app_spec;
use super::{Fleet, force, serve, serve_both, service, tasks};

#[tokio::test]
async fn what_ecs_refuses_is_refused_with_its_error() {
    let fleet = Fleet::new()
        .service("prod", "web")
        .deployed("web:1", 60)
        .deregistered("web:1")
        .service("prod", "blue")
        .by_code_deploy("shop", "blue")
        .deployed("blue:1", 60)
        .service("prod", "external")
        .external()
        .task_set("external:1", "PRIMARY", 60)
        .service("prod", "draining")
        .with(&json!({"status": "DRAINING"}))
        .deployed("web:2", 60)
        .service("prod", "inactive")
        .with(&json!({"status": "INACTIVE"}))
        .deployed("web:2", 60)
        .service("prod", "vanishing")
        .vanishing()
        .deployed("web:2", 60);
    let (_proxy, ecs) = serve(&fleet).await;
    service(&ecs, "vanishing").await;
    for (name, code, message) in [
        (
            "blue",
            "InvalidParameterException",
            "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS \
             CodeDeploy to trigger a new deployment.",
        ),
        (
            "external",
            "InvalidParameterException",
            "Unable to update task definition on services with a EXTERNAL deployment controller.",
        ),
        ("draining", "ServiceNotActiveException", "Service was not ACTIVE."),
        ("inactive", "ServiceNotActiveException", "Service was not ACTIVE."),
        ("vanishing", "ServiceNotFoundException", "Service not found."),
        ("nope", "ServiceNotFoundException", "Service not found."),
    ] {
        assert_eq!(force(&ecs, name).await.unwrap_err(), (code.to_owned(), message.to_owned()), "{name}");
    }
    let described = ecs.describe_services().cluster("prod").services("vanishing").send().await.unwrap();
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));
    let inactive = ecs.update_service().cluster("prod").service("web").task_definition("web:1").send().await;
    assert!(format!("{:?}", inactive.unwrap_err()).contains("TaskDefinition is inactive"));
    assert_eq!(fleet.changes(), []);
    assert_eq!(fleet.take_events(), [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn a_forced_deployment_has_its_own_id_and_replaces_the_tasks_when_it_is_done() {
    let fleet = Fleet::new().service("prod", "web").deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    let before = tasks(&ecs, "web").await;
    let updated = force(&ecs, "web").await.unwrap();
    let primary = updated.deployments()[0].clone();
    assert_ne!(primary.id(), before[0].started_by());
    assert_eq!(primary.task_definition(), updated.deployments()[1].task_definition());

    let during = tasks(&ecs, "web").await;
    assert_eq!(during.len(), 4);
    let pending: Vec<_> = during.iter().filter(|task| task.started_by() == primary.id()).collect();
    assert!(pending.iter().all(|task| task.started_at().is_none() && task.last_status() == Some("PENDING")));
    fleet.complete("web").unwrap();
    fleet.complete("web").unwrap_err();
    let after = tasks(&ecs, "web").await;
    assert_eq!(after.len(), 2);
    for task in &after {
        assert_eq!(task.started_by(), primary.id());
        assert!(task.started_at().unwrap() >= task.created_at().unwrap());
        assert!(task.created_at().unwrap() >= primary.created_at().unwrap());
    }
    let stopped = ecs.list_tasks().cluster("prod").service_name("web").desired_status(DesiredStatus::Stopped);
    let stopped = stopped.send().await.unwrap().task_arns.unwrap();
    let stopped = ecs.describe_tasks().cluster("prod").set_tasks(Some(stopped)).send().await.unwrap();
    assert_eq!(stopped.tasks().len(), 2);
    assert!(stopped.tasks()[0].stopped_reason().unwrap().contains("Scaling activity initiated by"));
    assert_eq!(service(&ecs, "web").await.deployments().len(), 1);
    assert_eq!(fleet.updated(), ["web"]);
}

#[tokio::test]
async fn a_task_definition_that_is_registered_can_be_deployed() {
    let fleet = Fleet::new().service("prod", "web").deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    let container = ContainerDefinition::builder().name("app").image("nginx:1").build();
    let registered =
        ecs.register_task_definition().family("web").container_definitions(container).send().await;
    let arn = registered.unwrap().task_definition.unwrap().task_definition_arn.unwrap();
    ecs.update_service().cluster("prod").service("web").task_definition(&arn).send().await.unwrap();
    assert_eq!(fleet.standing("web").unwrap().task_definition, "web:2");
    let changes: Vec<_> = fleet.changes().into_iter().map(|change| change.action).collect();
    assert_eq!(changes, ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]);
}

#[tokio::test]
async fn code_deploy_brings_a_new_task_set_that_takes_the_place_of_the_old() {
    let fleet = Fleet::new()
        .service("prod", "blue")
        .by_code_deploy("shop", "blue")
        .deployed("blue:1", 600)
        .service("prod", "green")
        .by_code_deploy("shop", "green")
        .deployed("green:1", 600)
        .deploying("green:2", 5);
    let (_proxy, ecs, codedeploy) = serve_both(&fleet).await;
    assert_eq!(codedeploy.list_applications().send().await.unwrap().applications(), ["shop"]);
    let groups = codedeploy.list_deployment_groups().application_name("shop").send().await.unwrap();
    let groups = codedeploy
        .batch_get_deployment_groups()
        .application_name("shop")
        .set_deployment_group_names(groups.deployment_groups)
        .send()
        .await
        .unwrap();
    let [blue, green] = groups.deployment_groups_info() else { unreachable!() };
    assert_eq!(blue.ecs_services()[0].service_name(), Some("blue"));
    assert_eq!(blue.ecs_services()[0].cluster_name(), Some("prod"));
    assert_eq!(green.last_attempted_deployment().unwrap().status().unwrap().as_str(), "InProgress");
    let before = service(&ecs, "blue").await;
    assert_eq!(before.task_sets().len(), 1);
    assert_eq!(service(&ecs, "green").await.task_sets().len(), 2);

    let content = AppSpecContent::builder().content(ecs_app_spec(
        before.task_sets()[0].task_definition().unwrap(),
        "app",
        8080,
    ));
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(content.build())
        .build();
    let create = codedeploy.create_deployment().application_name("shop").deployment_group_name("blue");
    let id = create.revision(revision.clone()).send().await.unwrap().deployment_id.unwrap();
    let during = service(&ecs, "blue").await;
    let told: Vec<_> =
        during.task_sets().iter().map(|set| (set.status().unwrap(), set.pending_count())).collect();
    assert_eq!(told, [("PRIMARY", 0), ("ACTIVE", 2)]);
    assert_eq!(during.task_sets()[1].external_id(), Some(&*id));
    fleet.complete("blue").unwrap();
    let after = service(&ecs, "blue").await;
    let [set] = after.task_sets() else { unreachable!() };
    assert_eq!((set.status(), set.id()), (Some("PRIMARY"), during.task_sets()[1].id()));
    assert_eq!(tasks(&ecs, "blue").await.len(), 2);
    assert_eq!(fleet.standing("blue").unwrap().deployment_id, set.id().unwrap());

    let create = codedeploy.create_deployment().application_name("shop").deployment_group_name("green");
    let busy = create.revision(revision).send().await.unwrap_err();
    assert!(format!("{busy:?}").contains("DeploymentLimitExceededException"));
    assert_eq!(fleet.code_deploy().changes().len(), 1);
}
