//! An environment that is looked after, with the role that is deployed.

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Tag as TableTag,
};
use futures_util::FutureExt;
use local::deployment::until;
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, Test};
use crate::world::{CLUSTER, World, notices};

pub(super) const TESTS: [(&str, Test); 1] =
    [("what_bears_the_tag_is_checked_and_a_change_is_told_once", |stage| story(stage).boxed_local())];

const ENVIRONMENT: (&str, &str) = ("watchkeeper:environment", "dev");

/// All that is made here is called so.
const NAME: &str = "health-shop";

/// As many sweeps as the policy of the stage asks for before it tells: what other tests break is mended before that.
const SWEEPS: usize = 20;

async fn ask(stage: &Stage, asked: Value) -> anyhow::Result<Value> {
    let answer = stage.invoke("HealthCheckFunction", &json!({ "check": asked })).await?;
    answer.map_err(|error| anyhow::anyhow!("it failed: {error}"))
}

/// What is there to be looked at; answers with the queue's address.
async fn furnish(stage: &Stage) -> anyhow::Result<String> {
    let (key, value) = ENVIRONMENT;
    let queue = stage.sqs.create_queue().queue_name(NAME).tags(key, value).send().await?;
    let tag = aws_sdk_sns::types::Tag::builder().key(key).value(value).build()?;
    stage.sns.create_topic().name(NAME).tags(tag).send().await?;
    let hash = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    let id =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build()?;
    let table = stage.ledger.client.create_table().table_name(NAME).key_schema(hash);
    let table = table.attribute_definitions(id).billing_mode(BillingMode::PayPerRequest);
    table.tags(TableTag::builder().key(key).value(value).build()?).send().await?;
    let secrets = aws_sdk_secretsmanager::Client::new(&stage.deployment.config);
    let secret = secrets.create_secret().name(NAME).secret_string("a value that nobody reads");
    let secret = secret.send().await?.arn.context("no secret")?;
    // The service leads to its task definition, and that to the secret.
    let world = World::tagged(stage, NAME, &[ENVIRONMENT]).await?;
    let password = aws_sdk_ecs::types::Secret::builder().name("PASSWORD").value_from(secret).build()?;
    let container = aws_sdk_ecs::types::ContainerDefinition::builder()
        .name("app")
        .image("example.com/shop:1")
        .memory(64)
        .secrets(password);
    let definition =
        stage.ecs.register_task_definition().family(NAME).container_definitions(container.build());
    definition.send().await?;
    stage.ecs.update_service().cluster(CLUSTER).service(&world.service).task_definition(NAME).send().await?;
    queue.queue_url.context("no queue")
}

async fn story(stage: &Stage) -> anyhow::Result<()> {
    let queue = furnish(stage).await?;
    let seen = ask(stage, json!({"format": "json"})).await?;
    let result: Value = serde_json::from_str(seen["text"].as_str().context("no text")?)?;
    let all = result["components"].as_array().context("no components")?;
    for kind in ["sqs-queue", "sns-topic", "dynamodb-table", "ecs-service", "task-definition", "secret"] {
        let found = all
            .iter()
            .find(|it| it["kind"] == kind && it["name"].as_str().is_some_and(|name| name.contains(NAME)));
        let found = found.with_context(|| format!("{kind} was not found: {}", seen["text"]))?;
        // Local AWS has no metrics of tasks: that is said, too.
        ensure!(!found["reason"].to_string().contains("could not be checked"), "{found:#}");
    }
    let denied: Vec<_> = all.iter().filter(|it| it["reason"].to_string().contains("denied")).collect();
    ensure!(denied.is_empty(), "the role lacks: {denied:#?}");
    ensure!(!seen.to_string().contains("a value that nobody reads"), "it says a secret's value");

    for number in 0..101 {
        stage.sqs.send_message().queue_url(&queue).message_body(number.to_string()).send().await?;
    }
    for sweep in 1..=SWEEPS {
        ask(stage, json!("all")).await?;
        let early = of_queue(&notices(stage, "/audit", NAME, 0).await?);
        // The schedule's own sweeps count, too.
        ensure!(early.is_empty() || sweep + 3 > SWEEPS, "told after {sweep} sweeps: {early:#?}");
    }
    heard_of_queue(stage, "firing").await?;

    stage.sqs.purge_queue().queue_url(&queue).send().await?;
    let heard = heard_of_queue(stage, "resolved").await?;
    ensure!(heard.len() == 2, "more was told than beginning and end: {heard:#?}");
    Ok(())
}

/// Nobody is subscribed to the topic: that is told, too.
fn of_queue(heard: &[Value]) -> Vec<Value> {
    heard.iter().filter(|notice| notice["subject"]["kind"] == "sqs-queue").cloned().collect()
}

/// What was told of the queue, once that is so. It is checked until then: of two sweeps at once, one counts.
async fn heard_of_queue(stage: &Stage, state: &str) -> anyhow::Result<Vec<Value>> {
    let heard = until(PATIENCE, async || {
        ask(stage, json!("all")).await?;
        let heard = of_queue(&notices(stage, "/audit", NAME, 0).await?);
        Ok(heard.iter().any(|notice| notice["state"] == state).then_some(heard))
    });
    heard.await?.with_context(|| format!("nobody heard that it is {state}"))
}
