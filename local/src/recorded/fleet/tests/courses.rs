use std::time::Duration;

use aws_sdk_ecs::types::DesiredStatus;
use serde_json::{Value, json};

use super::super::super::deployments::Status;
use super::super::{Course, Failure};
use super::{Fleet, force, serve, service, tasks};

fn names(events: &[Value]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| {
            (
                event["detail"]["eventName"].as_str().unwrap(),
                event["detail"]["deploymentId"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_deployment_completes_by_the_clock() {
    let fleet = Fleet::new()
        .completing_after(Duration::from_millis(500))
        .service("prod", "web")
        .deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    force(&ecs, "web").await.unwrap();
    assert_eq!(fleet.standing("web").unwrap().status, Some(Status::InProgress));
    tokio::time::sleep(Duration::from_millis(550)).await;
    let standing = fleet.standing("web").unwrap();
    assert_eq!(standing.status, Some(Status::Successful));
    let events = fleet.take_events();
    let id = standing.deployment_id.as_str();
    assert_eq!(
        names(&events),
        [("SERVICE_DEPLOYMENT_IN_PROGRESS", id), ("SERVICE_DEPLOYMENT_COMPLETED", id)]
    );
    assert_eq!(events[0]["resources"][0], "arn:aws:ecs:eu-central-1:123456789012:service/prod/web");
    assert_eq!(fleet.take_events(), [] as [Value; 0]);
}

#[tokio::test]
async fn a_deployment_that_fails_is_rolled_back_and_its_tasks_say_why() {
    let fleet = Fleet::new().service("prod", "web").deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    let before = tasks(&ecs, "web").await;
    fleet.next("web", Course::Fails(Duration::ZERO, Failure::cannot_read_secret("prod/db"))).unwrap();
    let begun = force(&ecs, "web").await.unwrap().deployments()[0].id().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let standing = fleet.standing("web").unwrap();
    assert_eq!(standing.status, Some(Status::RollbackSuccessful));
    assert_ne!(standing.deployment_id, begun);
    let events = fleet.take_events();
    assert_eq!(
        names(&events),
        [
            ("SERVICE_DEPLOYMENT_IN_PROGRESS", &*begun),
            ("SERVICE_DEPLOYMENT_FAILED", &*begun),
            ("SERVICE_DEPLOYMENT_IN_PROGRESS", &*standing.deployment_id),
            ("SERVICE_DEPLOYMENT_COMPLETED", &*standing.deployment_id),
        ]
    );
    let reason = events[2]["detail"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/"),
        "{reason}"
    );

    let after = tasks(&ecs, "web").await;
    let arns = |tasks: &[aws_sdk_ecs::types::Task]| -> Vec<_> {
        tasks.iter().map(|task| (task.task_arn.clone(), task.started_at)).collect()
    };
    assert_eq!(arns(&after), arns(&before), "what ran before runs on");
    assert_eq!(after[0].started_by(), Some(&*standing.deployment_id));
    let stopped = ecs.list_tasks().cluster("prod").service_name("web").desired_status(DesiredStatus::Stopped);
    let stopped = stopped.send().await.unwrap().task_arns.unwrap();
    let stopped = ecs.describe_tasks().cluster("prod").set_tasks(Some(stopped)).send().await.unwrap();
    let mine: Vec<_> = stopped.tasks().iter().filter(|task| task.started_by() == Some(&*begun)).collect();
    assert_eq!(mine.len(), 3);
    assert!(mine[0].stopped_reason().unwrap().starts_with("ResourceInitializationError"));

    force(&ecs, "web").await.unwrap();
    assert_eq!(
        fleet.standing("web").unwrap().status,
        Some(Status::InProgress),
        "the course was of one deployment"
    );
}

#[tokio::test]
async fn without_a_circuit_breaker_a_deployment_that_fails_stands() {
    let off = json!({"deploymentCircuitBreaker": {"enable": false, "rollback": false}});
    let fleet = Fleet::new().service("prod", "web").configured(&off).deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    force(&ecs, "web").await.unwrap();
    fleet.fail("web", &Failure::exits(1)).unwrap();
    assert_eq!(fleet.standing("web").unwrap().status, Some(Status::InProgress));
    assert_eq!(service(&ecs, "web").await.deployments()[0].failed_tasks(), 3);
    fleet.complete("web").unwrap();
}

#[tokio::test]
async fn a_hook_lets_a_deployment_pause_until_somebody_lets_it_go_on() {
    let fleet = Fleet::new()
        .completing_after(Duration::ZERO)
        .service("prod", "web")
        .shifted("BLUE_GREEN", &["POST_TEST_TRAFFIC_SHIFT"])
        .deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    force(&ecs, "web").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let standing = fleet.standing("web").unwrap();
    assert!(standing.pausing && standing.status == Some(Status::InProgress));
    let arn = standing.deployment_arn.unwrap();
    let described = ecs.describe_service_deployments().service_deployment_arns(arn).send().await.unwrap();
    let deployment = &described.service_deployments()[0];
    assert_eq!(deployment.lifecycle_stage().unwrap().as_str(), "POST_TEST_TRAFFIC_SHIFT");
    assert_eq!(deployment.lifecycle_hook_details()[0].status().unwrap().as_str(), "AWAITING_ACTION");
    fleet.complete("web").unwrap_err();
    fleet.approve("web").unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(fleet.standing("web").unwrap().status, Some(Status::Successful));
    fleet.approve("web").unwrap_err();
}

#[tokio::test]
async fn a_service_that_can_neither_start_nor_stop_a_task_stands() {
    let fleet = Fleet::new()
        .completing_after(Duration::ZERO)
        .service("prod", "web")
        .with(&json!({"desiredCount": 1}))
        .configured(&json!({"minimumHealthyPercent": 100, "maximumPercent": 100}))
        .deployed("web:1", 600)
        .service("prod", "daemon")
        .daemon()
        .deployed("daemon:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    force(&ecs, "web").await.unwrap();
    force(&ecs, "daemon").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(fleet.standing("web").unwrap().status, Some(Status::InProgress));
    fleet.complete("web").unwrap_err();
    assert_eq!(fleet.standing("daemon").unwrap().status, Some(Status::Successful));
}

#[tokio::test]
async fn a_deployment_that_was_rolled_back_long_ago_left_the_old_tasks() {
    let fleet = Fleet::new().service("prod", "web").deployed("web:1", 600).rolled_back(
        "web:2",
        60,
        &Failure::exits(1),
    );
    let (_proxy, ecs) = serve(&fleet).await;
    let standing = fleet.standing("web").unwrap();
    assert_eq!((&*standing.task_definition, standing.status), ("web:1", Some(Status::RollbackSuccessful)));
    assert_eq!(tasks(&ecs, "web").await.len(), 2);
    let listed = ecs.list_service_deployments().cluster("prod").service("web").send().await.unwrap();
    assert_eq!(listed.service_deployments().len(), 2);
    fleet.fail("web", &Failure::exits(1)).unwrap_err();
}
