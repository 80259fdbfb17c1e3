//! What a sweep costs on local AWS, where sixty resources bear the tag.

use anyhow::{Context, ensure};
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_eventbridge as events;
use aws_sdk_secretsmanager as secrets;
use aws_sdk_sns as sns;
use aws_sdk_sqs as sqs;
use local::aws::{LocalAws, Port, SdkConfig};
use local::progress::Progress;
use local::runtime_api::{Event, Outcome};
use local::{place, setup};
use serde_json::{Value, json};

use super::super::binaries::Subject;
use super::super::row::Row;
use super::super::samples::Samples;
use super::TIMEOUT;

/// What everything there bears.
pub(in crate::bench) const TAG: (&str, &str) = ("watchkeeper:environment", "prod");

/// How many there are of each: a queue, a topic, a table, a secret and a rule.
const EACH: usize = 12;
const KINDS: usize = 5;

/// How many there are.
pub(in crate::bench) const TAGGED: usize = EACH * KINDS;

/// How often everything is swept, once the process is warm.
const SWEEPS: usize = 5;

/// Limit: s.
const GOAL: f64 = 2.0;

/// How long a sweep takes there.
pub(super) async fn rows(subject: &Subject, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let tools = setup::tools(progress).await?;
    let folder = place::local().join("bench/health-aws");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", place::shown(&folder)))?;
    }
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await?;
    furnish(&aws.sdk_config().await).await?;

    let mut env: Vec<_> = aws.environment().into_iter().collect();
    env.push(("ENVIRONMENT", TAG.1.to_owned()));
    let function = subject.spawn(&env).await?;
    let mut times = Samples::default();
    let mut checked = 0;
    for sweep in 0..=SWEEPS {
        let asked = json!({"check": {"format": "summary"}});
        let invoked = function.invoke(Event::new(&asked).timeout(TIMEOUT)).await?;
        let Outcome::Ok(answer) = invoked.outcome else {
            anyhow::bail!("the sweep failed: {:?}", invoked.outcome);
        };
        let counts = answer.get("counts").and_then(Value::as_object).context("no counts")?;
        checked = counts.values().filter_map(Value::as_u64).sum();
        // The first one opens the connections.
        if sweep > 0 {
            times.add(invoked.took);
        }
    }
    aws.stop().await;
    ensure!(checked >= u64::try_from(TAGGED)?, "of {TAGGED} resources {checked} were found");
    let row = |what: &str, unit, value| Row::new(subject.name, what, unit, value);
    Ok(vec![
        row(&format!("local AWS, {TAGGED} resources: swept"), "s", times.median() / 1_000.0).at_most(GOAL),
        row("the same, slowest of all", "s", times.percentile(100) / 1_000.0),
        row("components checked there", "", f64::from(u32::try_from(checked)?)),
    ])
}

/// Makes them.
pub(in crate::bench) async fn furnish(config: &SdkConfig) -> anyhow::Result<()> {
    let (key, value) = TAG;
    let (queues, topics) = (sqs::Client::new(config), sns::Client::new(config));
    let (tables, secrets) = (dynamodb::Client::new(config), secrets::Client::new(config));
    let rules = events::Client::new(config);
    for number in 0..EACH {
        let name = format!("shop-{number}");
        queues.create_queue().queue_name(&name).tags(key, value).send().await?;

        let tag = sns::types::Tag::builder().key(key).value(value).build()?;
        topics.create_topic().name(&name).tags(tag).send().await?;

        let hash = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S)
            .build()?;
        let tag = dynamodb::types::Tag::builder().key(key).value(value).build()?;
        let table = tables.create_table().table_name(&name).key_schema(hash).attribute_definitions(id);
        table.billing_mode(BillingMode::PayPerRequest).tags(tag).send().await?;

        let tag = secrets::types::Tag::builder().key(key).value(value).build();
        secrets.create_secret().name(&name).secret_string("nobody reads it").tags(tag).send().await?;

        let tag = events::types::Tag::builder().key(key).value(value).build()?;
        let pattern = json!({"source": ["shop"]}).to_string();
        rules.put_rule().name(&name).event_pattern(pattern).tags(tag).send().await?;
    }
    Ok(())
}
