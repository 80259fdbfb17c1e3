//! One move of a label arrives in many ways, again and again, or not at all.

use anyhow::ensure;
use futures_util::FutureExt;
use local::recorded::Fleet;
use local::runtime_api::{Event, Outcome};
use serde_json::json;

use super::place::Place;
use super::scene::{Named, QUICK, TEN_AT_ONCE};
use super::secrets::CURRENT;
use crate::stage::Stage;

pub(super) const TESTS: [Named; 3] = [
    ("a_move_that_is_told_in_every_way_costs_one_redeployment_of_each_service", |stage| {
        every_way(stage).boxed_local()
    }),
    ("a_move_that_is_told_to_two_processes_at_once_costs_one_redeployment_of_each_service", |stage| {
        two_processes(stage).boxed_local()
    }),
    ("a_rotation_that_failed_is_told_and_begins_nothing", |stage| broken(stage).boxed_local()),
];

fn two_services(arn: &str) -> Fleet {
    Fleet::new()
        .completing_after(QUICK)
        .service("prod", "api")
        .using("api:1", "DB", arn)
        .deployed("api:1", 600)
        .service("prod", "web")
        .using("web:1", "DB", arn)
        .deployed("web:1", 600)
}

async fn every_way(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "every-way").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = two_services(&db.arn);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;

    db.put("AWSPENDING").await?;
    let mut written = db.rotation("PutSecretValue", &json!({"requestParameters": {"secretId": db.arn}}));
    written["detail-type"] = json!("AWS API Call via CloudTrail");
    scene.tell(&written).await?.expect("ignored", "whether it moved a label")?;
    let pending = db.moved_to("AWSPENDING", db.version());
    scene.tell(&pending).await?.expect("ignored", "no label that applications read")?;
    let number = json!({"requestID": format!("Rotation-{}-{}", db.arn, db.version()),
        "additionalEventData": {"SecretId": db.arn}});
    // Told too early, it is not believed.
    scene.tell(&db.rotation("RotationSucceeded", &number)).await?.expect("ignored", "has moved on")?;
    scene.run().await?;
    ensure!(scene.redeploys.is_empty(), "something was begun before the label moved");

    db.finish().await?;
    scene.tell(&db.moved()).await?.expect("begun", "")?;
    let managed = json!({"serviceEventDetails": {"secretId": db.arn}});
    for again in
        [db.moved(), db.rotation("RotationSucceeded", &number), db.rotation("RotationSucceeded", &managed)]
    {
        scene.tell(&again).await?.expect("ignored", "this move is known")?;
    }
    let nobody_knows = json!({"detail-type": "AWS Secrets Manager Secret Label Updated", "detail": {"AddedLabels": [CURRENT]}});
    scene.tell(&nobody_knows).await?.expect("failed", "Permanent")?;
    let nameless = db.rotation("RotationSucceeded", &json!({}));
    scene.tell(&nameless).await?.expect("ignored", "does not say which secret")?;
    scene.until_over().await?;
    // Late, and once more.
    for again in [db.moved(), db.rotation("RotationSucceeded", &managed)] {
        scene.tell(&again).await?.expect("ignored", "this move is known")?;
    }
    scene.until_over().await?;
    scene.expect_updated(&["api", "web"])?;
    ensure!(scene.redeploys.len() == 1, "{:?}", scene.redeploys);
    scene.newest(1)?;
    scene.close().await
}

async fn two_processes(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "two-processes").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = two_services(&db.arn);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    let other = scene.another().await?;
    db.change().await?;
    let managed = db.rotation("RotationSucceeded", &json!({"serviceEventDetails": {"secretId": db.arn}}));
    let (one, two) = (Event::new(&db.moved()), Event::new(&managed));
    let (one, two) = tokio::try_join!(scene.process().invoke(one), other.invoke(two))?;
    for invoked in [&one, &two] {
        ensure!(matches!(invoked.outcome, Outcome::Ok(_)), "{:?}", invoked.outcome);
    }
    // Two messages of one redeploy, handed over at the same moment.
    scene.collect();
    let id = scene.redeploys.first().cloned().unwrap_or_default();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let message = |number: usize| {
        Event::new(
            &json!({"Records": [{"messageId": format!("{number}"), "receiptHandle": format!("handle-{number}"),
            "body": json!({"follow": {"redeploy": id}}).to_string(), "eventSource": "aws:sqs"}]}),
        )
    };
    let (one, two) = tokio::try_join!(scene.process().invoke(message(1)), other.invoke(message(2)))?;
    for invoked in [&one, &two] {
        ensure!(matches!(invoked.outcome, Outcome::Ok(_)), "{:?}", invoked.outcome);
    }
    scene.until_over().await?;
    scene.expect_updated(&["api", "web"])?;
    ensure!(scene.redeploys.len() == 1, "{:?}", scene.redeploys);
    scene.newest(1)?;
    scene.close().await
}

async fn broken(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "broken-rotation").await?;
    let mut db = place.secret("db", &[("watchkeeper:rotation", "postgres")]).await?;
    let fleet = two_services(&db.arn);
    let mut scene = place.with(TEN_AT_ONCE, fleet).await?;
    db.put("AWSPENDING").await?;
    let event = db.rotation("RotationFailed", &json!({"additionalEventData": {"SecretId": db.arn}}));
    scene.tell(&event).await?.expect("told", "failed")?;
    scene.tell(&event).await?.expect("ignored", "people know of it")?;
    scene.until_over().await?;
    scene.expect_updated(&[])?;
    let told = scene.newest(1)?;
    ensure!(told["state"] == "firing" && told["severity"] == "sev2", "{told:#}");
    ensure!(told["title"].as_str().is_some_and(|title| title.contains("failed")), "{told:#}");
    scene.close().await
}
