//! The deployed functions: a secret of local AWS changes, its own event arrives by the template's rule, and the services of
//! local ECS are redeployed by the role that the template gives. Local ECS knows no digests, so images are named by them;
//! and it sends no events, so each wave is looked at when its timer comes.

use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_ecs::types::{ContainerDefinition, Secret as Reference};
use aws_sdk_secretsmanager::types::Tag;
use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::ledger::redeploy::Standing;

use super::scene::Named;
use super::secrets::{Secret, VALUE};
use crate::rig::{fact, put_policy};
use crate::stage::{POLICY, Stage};
use crate::world::notices;

pub(super) const TESTS: [Named; 3] = [
    ("a_secret_that_changes_redeploys_the_services_that_use_it_in_waves_and_people_hear_of_it", |stage| {
        story(stage).boxed_local()
    }),
    ("a_move_that_no_event_told_of_is_found_by_the_sweep", |stage| sweep(stage).boxed_local()),
    ("no_log_and_no_notice_of_the_deployed_functions_has_a_value", |stage| silent(stage).boxed_local()),
];

const CLUSTER: &str = "redeployed";

/// Two waves, each with its timer.
const PATIENCE: Duration = Duration::from_secs(150);

/// A service with one task, whose container refers to a secret like this.
async fn service(stage: &Stage, name: &str, reference: &str) -> anyhow::Result<()> {
    let ecs = &stage.ecs;
    ecs.create_cluster().cluster_name(CLUSTER).send().await?;
    let image =
        format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/{name}@{}", local::recorded::digest(name));
    let secret = Reference::builder().name("DB").value_from(reference).build()?;
    let container =
        ContainerDefinition::builder().name("app").image(image).memory(64).secrets(secret).build();
    ecs.register_task_definition().family(name).container_definitions(container).send().await?;
    let create = ecs.create_service().cluster(CLUSTER).service_name(name).task_definition(name);
    create.desired_count(1).send().await?;
    Ok(())
}

/// When the newest deployment of a service began.
async fn deployed_at(stage: &Stage, name: &str) -> anyhow::Result<Timestamp> {
    let described = stage.ecs.describe_services().cluster(CLUSTER).services(name).send().await?;
    let service = described.services().first().context("the service is gone")?;
    let newest = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"));
    let created = newest.and_then(|newest| newest.created_at()).context("nothing is deployed")?;
    Ok(Timestamp::from_nanosecond(created.as_nanos())?)
}

/// Nobody waits for a minute here until other secrets have changed, too.
async fn hurried<T>(stage: &Stage, test: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    put_policy(stage, "dev", &format!("{POLICY}redeploy: {{settle: 1s}}")).await?;
    let result = test.await;
    put_policy(stage, "dev", POLICY).await?;
    result
}

async fn ask(stage: &Stage, event: &Value) -> anyhow::Result<Value> {
    let answer = stage.invoke("SecretRedeployFunction", event).await?;
    answer.map_err(|error| anyhow::anyhow!("{event} failed: {error}"))
}

async fn story(stage: &Stage) -> anyhow::Result<()> {
    hurried(stage, async {
        let mut db = Secret::create(stage, "dev", "story-db", &[]).await?;
        service(stage, "story-key", &format!("{}:password::", db.arn)).await?;
        service(stage, "story-whole", &db.arn).await?;
        service(stage, "story-pinned", &format!("{}:::{}", db.arn, db.version())).await?;
        service(stage, "story-stranger", &format!("{}-replica", db.partial())).await?;
        let before = deployed_at(stage, "story-stranger").await?;
        tokio::time::sleep(Duration::from_millis(1_100)).await;

        // Who uses it, by hand; nothing is touched.
        let answer = ask(stage, &json!({"uses": {"secret": db.name}})).await?;
        let services = answer["services"].as_array().context("no services")?;
        let found: Vec<_> = services.iter().filter_map(|service| service["service"].as_str()).collect();
        let expected =
            ["story-key", "story-pinned", "story-whole"].map(|name| format!("ecs:{CLUSTER}/{name}"));
        ensure!(expected.iter().all(|name| found.contains(&name.as_str())) && found.len() == 3, "{answer:#}");

        db.change().await?;
        let report = stage
            .deployment
            .wait_for_report("SecretRedeployLogGroup", PATIENCE, |report| {
                report["outcome"] == "redeployed" && report["subject"] == db.name.as_str()
            })
            .await?;
        let changed: Timestamp =
            report["record"]["redeploy"]["moved"].as_str().context("no time")?.parse()?;
        for name in ["story-key", "story-whole"] {
            ensure!(changed < deployed_at(stage, name).await?, "{name} was not redeployed: {report:#}");
        }
        ensure!(deployed_at(stage, "story-stranger").await? == before, "a stranger was redeployed");
        let id = report["record"]["redeploy"]["id"].as_str().context("no id")?;
        let members = stage.ledger.members(id).await?;
        let stands = |name: &str| {
            let target = format!("ecs:{CLUSTER}/{name}");
            members
                .iter()
                .find(|member| member.target.to_string() == target)
                .map(|member| (member.standing, member.wave))
        };
        ensure!(stands("story-key") == Some((Standing::Fresh, Some(0))), "{members:#?}");
        ensure!(stands("story-whole") == Some((Standing::Fresh, Some(1))), "{members:#?}");
        ensure!(stands("story-pinned") == Some((Standing::Skipped, None)), "{members:#?}");

        let told = notices(stage, "/audit", &db.name, 1).await?;
        ensure!(told[0]["source"] == "secret-redeploy", "{:#}", told[0]);
        let alone = fact(&told[0], "Left alone").unwrap_or_default();
        ensure!(alone.contains("story-pinned: it asks for version"), "{:#}", told[0]);
        Ok(())
    })
    .await
}

async fn sweep(stage: &Stage) -> anyhow::Result<()> {
    hurried(stage, async {
        let mut db = Secret::create(stage, "dev", "lost-db", &[]).await?;
        service(stage, "lost-web", &db.arn).await?;
        ask(stage, &json!({"sweep": "secrets"})).await?;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        // Its event comes while nothing may be done about it, and is gone for good.
        let client = aws_sdk_secretsmanager::Client::new(&stage.deployment.config);
        let off = Tag::builder().key("watchkeeper:mode").value("off").build();
        client.tag_resource().secret_id(&db.arn).tags(off).send().await?;
        db.change().await?;
        let changed = crate::world::now();
        stage
            .deployment
            .wait_for_report("SecretRedeployLogGroup", PATIENCE, |report| {
                report["outcome"] == "ignored"
                    && report["subject"] == db.name.as_str()
                    && report["reason"].as_str().is_some_and(|why| why.contains("mode is off"))
            })
            .await?;
        client.untag_resource().secret_id(&db.arn).tag_keys("watchkeeper:mode").send().await?;

        ask(stage, &json!({"sweep": "secrets"})).await?;
        let swept = stage
            .deployment
            .wait_for_report("SecretRedeployLogGroup", PATIENCE, |report| {
                report["outcome"] == "repaired" && report["record"]["swept"].to_string().contains(&db.name)
            })
            .await?;
        ensure!(swept["record"]["swept"]["moved"].to_string().contains(&db.name), "{swept:#}");
        stage
            .deployment
            .wait_for_report("SecretRedeployLogGroup", PATIENCE, |report| {
                report["outcome"] == "redeployed" && report["subject"] == db.name.as_str()
            })
            .await?;
        ensure!(changed < deployed_at(stage, "lost-web").await?, "the service was not redeployed");
        notices(stage, "/audit", &db.name, 1).await.map(drop)
    })
    .await
}

/// After the others.
async fn silent(stage: &Stage) -> anyhow::Result<()> {
    for group in ["SecretRedeployLogGroup", "DeploymentWatchLogGroup", "NotificationFanoutLogGroup"] {
        let lines = stage.deployment.log_lines(group).await?;
        let line = lines.iter().find(|line| line.contains(VALUE));
        ensure!(line.is_none(), "{group} has a value: {line:?}");
    }
    for path in ["/audit", "/slack"] {
        let told = stage.deployment.receiver.requests(path);
        ensure!(
            !told.iter().any(|request| request.json().to_string().contains(VALUE)),
            "{path} was told a value"
        );
    }
    Ok(())
}
