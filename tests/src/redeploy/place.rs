//! An environment of its own: a ledger, queues, a topic and secrets.

use anyhow::Context;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use local::proxy::{Answer, Proxy};
use local::recorded::Fleet;
use serde_json::json;
use shared::ledger::Ledger;

use super::post::Queue;
use super::scene::{Functions, Scene};
use super::secrets::Secret;
use crate::faults::spawn_with;
use crate::rig::put_policy;
use crate::stage::Stage;

/// The environment, before anything stands in it.
pub(super) struct Place<'a> {
    stage: &'a Stage,
    environment: String,
    settings: Vec<(&'static str, String)>,
    ledger: Ledger,
}

impl<'a> Place<'a> {
    pub(super) async fn new(stage: &'a Stage, name: &str) -> anyhow::Result<Self> {
        let environment = format!("redeploy-{name}");
        let ledger = own_ledger(stage, &environment).await?;
        let topic = stage.sns.create_topic().name(&environment).send().await?;
        let mut settings = vec![
            ("ENVIRONMENT", environment.clone()),
            ("LEDGER_TABLE", ledger.table.clone()),
            ("NOTICES_TOPIC_ARN", topic.topic_arn.context("the topic has no ARN")?),
        ];
        for queue in Queue::ALL {
            let name = format!("{environment}-{}", queue.name());
            let made = stage.sqs.create_queue().queue_name(name).send().await?;
            settings.push((queue.variable(), made.queue_url.context("the queue has no URL")?));
        }
        Ok(Self { stage, environment, settings, ledger })
    }

    /// A secret in it.
    pub(super) async fn secret(&self, name: &str, tags: &[(&str, &str)]) -> anyhow::Result<Secret> {
        Secret::create(self.stage, &self.environment, name, tags).await
    }

    /// With this policy and these services.
    pub(super) async fn with(self, policy: &str, fleet: Fleet) -> anyhow::Result<Scene<'a>> {
        let Self { stage, environment, settings, ledger } = self;
        put_policy(stage, &environment, policy).await?;
        let (front, behind) = (in_front_of(stage, &fleet).await?, in_front_of(stage, &fleet).await?);
        let redeployer = spawn_with(stage, &stage.secret_redeploy, front.url(), &settings).await?;
        let watch = spawn_with(stage, &stage.deployment_watch, behind.url(), &settings).await?;
        let functions = Functions { front, behind, redeployer, watch };
        Ok(Scene::new(stage, environment, settings, ledger, fleet, functions))
    }
}

async fn own_ledger(stage: &Stage, environment: &str) -> anyhow::Result<Ledger> {
    let client = dynamodb::Client::new(&stage.deployment.config);
    let attribute = |name| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    client
        .create_table()
        .table_name(environment)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk")?)
        .attribute_definitions(attribute("sk")?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?)
        .send()
        .await?;
    Ok(Ledger::new(client, environment))
}

/// The receipts are the test's, so it is the test that takes the messages back.
async fn in_front_of(stage: &Stage, fleet: &Fleet) -> anyhow::Result<Proxy> {
    let fleet = fleet.clone();
    Proxy::forwarding_but(&stage.deployment.aws.endpoint(), move |call| {
        if call.is("sqs:ChangeMessageVisibility") {
            return Some(Answer::json(&json!({})));
        }
        fleet.answer(call)
    })
    .await
}
