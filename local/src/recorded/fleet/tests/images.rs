use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::deployments::Status;
use super::super::super::digest;
use super::{Fleet, force, raw, serve};

fn latest() -> Fleet {
    let container =
        json!({"name": "app", "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web:latest"});
    Fleet::new()
        .pushed("web:latest", "one")
        .defined("web:1", &json!({"containerDefinitions": [container]}))
        .service("prod", "web")
        .deployed("web:1", 600)
}

#[tokio::test]
async fn a_forced_deployment_runs_what_the_tag_names_by_then() {
    let fleet = latest();
    let (_proxy, ecs) = serve(&fleet).await;
    fleet.move_tag("web:latest", "two");
    assert_eq!(fleet.standing("web").unwrap().digests, [digest("one")]);
    force(&ecs, "web").await.unwrap();
    assert_eq!(fleet.standing("web").unwrap().digests, [digest("two")]);
    let listed = ecs.list_service_deployments().cluster("prod").service("web").send().await.unwrap();
    let arns = listed.service_deployments().iter().map(|it| it.target_service_revision_arn.clone().unwrap());
    let revisions = ecs.describe_service_revisions().set_service_revision_arns(Some(arns.collect()));
    let revisions = revisions.send().await.unwrap();
    let told: Vec<_> = revisions
        .service_revisions()
        .iter()
        .map(|it| it.container_images()[0].image_digest().unwrap())
        .collect();
    assert_eq!(told, [digest("two"), digest("one")]);
}

#[tokio::test]
async fn a_revision_keeps_no_digest_where_the_container_does_not_want_it() {
    let container = json!({"name": "app", "image": "nginx:1", "versionConsistency": "disabled"});
    let fleet = Fleet::new()
        .defined("web:1", &json!({"containerDefinitions": [container]}))
        .service("prod", "web")
        .deployed("web:1", 600);
    let (_proxy, ecs) = serve(&fleet).await;
    let listed = ecs.list_service_deployments().cluster("prod").service("web").send().await.unwrap();
    let arn = listed.service_deployments()[0].target_service_revision_arn().unwrap();
    let revisions = ecs.describe_service_revisions().service_revision_arns(arn).send().await.unwrap();
    let image = &revisions.service_revisions()[0].container_images()[0];
    assert_eq!((image.image(), image.image_digest()), (Some("nginx:1"), None));
}

#[tokio::test]
async fn images_are_described_by_tag_and_by_digest() {
    let fleet = latest();
    let (proxy, _ecs) = serve(&fleet).await;
    fleet.move_tag("web:latest", "two");
    let describe = async |id: Value| {
        let sent = json!({"repositoryName": "web", "imageIds": [id]});
        let said = raw(&proxy, "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", &sent).await;
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let by_tag = describe(json!({"imageTag": "latest"})).await;
    assert_eq!(by_tag["imageDetails"][0]["imageDigest"], digest("two"));
    let by_digest = describe(json!({"imageDigest": digest("one")})).await;
    assert_eq!(by_digest["imageDetails"][0]["imageDigest"], digest("one"));
    assert_eq!(by_digest["imageDetails"][0]["imageTags"], Value::Null, "the tag has moved on");
    assert_eq!(describe(json!({"imageTag": "v1"})).await["__type"], "ImageNotFoundException");
    fleet.lose_image(&format!("web@{}", digest("two")));
    assert_eq!(describe(json!({"imageTag": "latest"})).await["__type"], "ImageNotFoundException");
    let sent = json!({"repositoryName": "nope"});
    let said = raw(&proxy, "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", &sent).await;
    assert!(said.contains("RepositoryNotFoundException"), "{said}");
}

#[tokio::test]
async fn a_deployment_of_an_image_that_is_gone_fails() {
    let fleet = latest().completing_after(Duration::ZERO);
    let (_proxy, ecs) = serve(&fleet).await;
    fleet.lose_image(&format!("web@{}", digest("one")));
    force(&ecs, "web").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(fleet.standing("web").unwrap().status, Some(Status::RollbackSuccessful));
}
