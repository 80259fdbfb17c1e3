use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{DesiredStatus, LaunchType, SchedulingStrategy, TaskDefinitionField};
use serde_json::json;

use super::{Fleet, raw, serve, service, tasks};

fn many() -> Fleet {
    let fleet = Fleet::new().cluster("empty");
    (1..=23).fold(fleet, |fleet, nth| fleet.service("prod", &format!("web-{nth:02}")).deployed("web:1", 60))
}

#[tokio::test]
async fn services_are_listed_by_pages_of_ten_unless_more_are_asked_for() {
    let (_proxy, ecs) = serve(&many()).await;
    let clusters = ecs.list_clusters().send().await.unwrap();
    assert_eq!(clusters.cluster_arns().len(), 2);
    let list = || ecs.list_services().cluster("prod");
    let first = list().send().await.unwrap();
    assert_eq!(first.service_arns().len(), 10);
    let second = list().set_next_token(first.next_token).send().await.unwrap();
    let third = list().set_next_token(second.next_token).send().await.unwrap();
    assert_eq!((third.service_arns().len(), third.next_token()), (3, None));
    assert_eq!(list().max_results(100).send().await.unwrap().service_arns().len(), 23);
    assert_eq!(ecs.list_services().cluster("empty").send().await.unwrap().service_arns().len(), 0);

    let code = |result: Result<_, aws_sdk_ecs::error::SdkError<_>>| match result {
        Ok(()) => None,
        Err(error) => error.code().map(ToOwned::to_owned),
    };
    let refused = Some("InvalidParameterException".to_owned());
    assert_eq!(code(list().max_results(101).send().await.map(drop)), refused);
    assert_eq!(code(list().next_token("made up").send().await.map(drop)), refused);
    let nowhere = ecs.list_services().cluster("nowhere").send().await.map(drop);
    assert_eq!(code(nowhere).as_deref(), Some("ClusterNotFoundException"));
}

#[tokio::test]
async fn services_are_listed_by_what_they_are() {
    let fleet = Fleet::new()
        .service("prod", "daemon")
        .daemon()
        .deployed("daemon:1", 60)
        .service("prod", "draining")
        .with(&json!({"status": "DRAINING"}))
        .deployed("web:1", 60)
        .service("prod", "gone")
        .with(&json!({"status": "INACTIVE", "desiredCount": 0}))
        .deployed("web:1", 60)
        .service("prod", "on-instances")
        .with(&json!({"launchType": "EC2"}))
        .deployed("web:1", 60);
    let (_proxy, ecs) = serve(&fleet).await;
    let list = || ecs.list_services().cluster("prod");
    let daemons = list().scheduling_strategy(SchedulingStrategy::Daemon).send().await.unwrap();
    assert_eq!(daemons.service_arns(), ["arn:aws:ecs:eu-central-1:123456789012:service/prod/daemon"]);
    assert_eq!(list().launch_type(LaunchType::Ec2).send().await.unwrap().service_arns().len(), 1);
    let all = list().send().await.unwrap();
    assert_eq!(all.service_arns().len(), 3);
    assert!(!all.service_arns().iter().any(|arn| arn.ends_with("/gone")));
    assert_eq!(service(&ecs, "gone").await.status(), Some("INACTIVE"));
}

#[tokio::test]
async fn ten_services_are_described_at_once_and_those_that_are_missing_are_named() {
    let fleet = many().service("prod", "tagged").tagged("team", "shop").deployed("web:1", 60);
    let (_proxy, ecs) = serve(&fleet).await;
    let names: Vec<_> = (1..=11).map(|nth| format!("web-{nth:02}")).collect();
    let many = ecs.describe_services().cluster("prod").set_services(Some(names)).send().await.unwrap_err();
    assert_eq!(many.code(), Some("InvalidParameterException"));
    let described =
        ecs.describe_services().cluster("prod").services("tagged").services("nope").send().await.unwrap();
    assert_eq!(described.services()[0].tags(), []);
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));
    assert_eq!(
        described.failures()[0].arn(),
        Some("arn:aws:ecs:eu-central-1:123456789012:service/prod/nope")
    );
    let arn = described.services()[0].service_arn().unwrap();
    let tagged = service(&ecs, arn).await;
    assert_eq!(tagged.tags()[0].value(), Some("shop"));
    assert_eq!((tagged.running_count(), tagged.pending_count()), (2, 0));
    let tags = ecs.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].key(), Some("team"));
}

#[tokio::test]
async fn every_deployment_and_task_set_is_told_with_its_own_task_definition() {
    let fleet = Fleet::new()
        .service("prod", "web")
        .deployed("web:2", 600)
        .lingering("web:1", 900)
        .deploying("web:3", 20)
        .service("prod", "sets")
        .external()
        .task_set("sets:1", "ACTIVE", 300)
        .task_set("sets:2", "PRIMARY", 30);
    let (_proxy, ecs) = serve(&fleet).await;
    fleet.deploy("web", "web:4").unwrap_err();
    let fleet = fleet.defined("web:4", &json!({}));
    fleet.deploy("web", "web:4").unwrap();
    let web = service(&ecs, "web").await;
    let told: Vec<_> = web
        .deployments()
        .iter()
        .map(|it| {
            let definition = it.task_definition().unwrap().rsplit('/').next().unwrap();
            (
                definition,
                it.status().unwrap(),
                it.rollout_state().unwrap().as_str(),
                it.running_count(),
                it.pending_count(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("web:4", "PRIMARY", "IN_PROGRESS", 0, 2),
            ("web:3", "ACTIVE", "IN_PROGRESS", 0, 2),
            ("web:2", "ACTIVE", "COMPLETED", 2, 0),
            ("web:1", "ACTIVE", "COMPLETED", 1, 0),
        ]
    );
    let ids: Vec<_> = web.deployments().iter().map(|it| it.id().unwrap()).collect();
    assert!(tasks(&ecs, "web").await.iter().all(|task| ids.contains(&task.started_by().unwrap())));

    let sets = service(&ecs, "sets").await;
    assert_eq!(sets.deployments(), []);
    let told: Vec<_> = sets.task_sets().iter().map(|it| (it.status().unwrap(), it.running_count())).collect();
    assert_eq!(told, [("ACTIVE", 2), ("PRIMARY", 2)]);
    assert_eq!(tasks(&ecs, "sets").await.len(), 4);
}

#[tokio::test]
async fn task_definitions_are_described_by_arn_and_by_name_also_when_they_are_inactive() {
    let container = json!({
        "name": "app",
        "image": "nginx:1",
        "secrets": [{"name": "DB", "valueFrom": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-AbCdEf"}],
    });
    let fleet = Fleet::new()
        .defined("web:1", &json!({"containerDefinitions": [container]}))
        .using("web:2", "KEY", "prod/key")
        .deregistered("web:1");
    let (_proxy, ecs) = serve(&fleet).await;
    let describe = |name: &str| ecs.describe_task_definition().task_definition(name);
    let by_arn =
        describe("arn:aws:ecs:eu-central-1:123456789012:task-definition/web:1").send().await.unwrap();
    let inactive = by_arn.task_definition().unwrap();
    assert_eq!(inactive.status().unwrap().as_str(), "INACTIVE");
    assert!(inactive.container_definitions()[0].secrets()[0].value_from().contains("prod/db"));
    let newest = describe("web").include(TaskDefinitionField::Tags).send().await.unwrap();
    assert_eq!(newest.task_definition().unwrap().revision(), 2);
    assert_eq!(
        newest.task_definition().unwrap().container_definitions()[0].secrets()[0].value_from(),
        "prod/key"
    );
    let unknown = describe("web:3").send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("ClientException"));
    let listed = ecs.list_task_definitions().family_prefix("web").send().await.unwrap();
    assert_eq!(listed.task_definition_arns().len(), 1);
}

#[tokio::test]
async fn tasks_are_listed_by_service_family_and_deployment() {
    let fleet = Fleet::new()
        .service("prod", "web")
        .deployed("web:1", 600)
        .restarted(1, 5)
        .service("prod", "other")
        .deployed("web:1", 60)
        .service("prod", "none")
        .with(&json!({"desiredCount": 0}))
        .deployed("none:1", 60);
    let (_proxy, ecs) = serve(&fleet).await;
    let list = || ecs.list_tasks().cluster("prod");
    assert_eq!(list().send().await.unwrap().task_arns().len(), 4);
    assert_eq!(list().family("web").send().await.unwrap().task_arns().len(), 4);
    assert_eq!(list().desired_status(DesiredStatus::Stopped).send().await.unwrap().task_arns().len(), 0);
    let id = fleet.standing("web").unwrap().deployment_id;
    assert_eq!(list().started_by(&id).send().await.unwrap().task_arns().len(), 2);
    let both = list().started_by(&id).service_name("web").send().await.unwrap_err();
    assert_eq!(both.code(), Some("InvalidParameterException"));
    let unknown = list().service_name("nope").send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("ServiceNotFoundException"));
    assert_eq!(tasks(&ecs, "none").await, []);

    let web = tasks(&ecs, "web").await;
    let started: Vec<_> = web.iter().map(|task| task.started_at().unwrap().secs()).collect();
    assert!(started[0] > started[1] + 3600, "one was replaced: {started:?}");
    let elsewhere = ecs.describe_tasks().cluster("prod").tasks("ffff").tasks("made-up").send().await.unwrap();
    assert_eq!(elsewhere.failures().len(), 2);
}

#[tokio::test]
async fn what_is_not_of_the_api_is_refused() {
    let (proxy, _ecs) = serve(&many()).await;
    for (operation, sent) in [
        ("ListServices", json!({"cluster": "prod", "maxResult": 100})),
        ("DescribeServices", json!({"cluster": "prod", "services": ["web-01"], "tags": true})),
        ("UpdateService", json!({"cluster": "prod", "service": "web-01", "force": true})),
        ("ListTasks", json!({"cluster": "prod", "service": "web-01"})),
    ] {
        let said =
            raw(&proxy, "ecs", &format!("AmazonEC2ContainerServiceV20141113.{operation}"), &sent).await;
        assert!(said.contains("InvalidParameterException") && said.contains("Unknown parameter"), "{said}");
    }
    let said = raw(&proxy, "ecs", "AmazonEC2ContainerServiceV20141113.RunTask", &json!({})).await;
    assert!(said.contains("NothingRecorded"), "{said}");
}
