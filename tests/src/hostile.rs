//! Whatever anybody sends: every input is answered, and the process lives on.

use anyhow::ensure;
use futures_util::FutureExt;
use local::proxy::{Answer, Proxy};
use local::runtime_api::{Event, Function, Outcome};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::faults::spawn;
use crate::stage::{SIGNING_KEY, Stage, Test};

/// How many inputs each function gets.
const INPUTS: usize = 1_000;

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests: [(&str, Test); 9] = [
        ("acknowledge_answers_1000_hostile_inputs", |stage| acknowledge(stage).boxed_local()),
        ("alarm_rollback_answers_1000_hostile_inputs", |stage| alarm_rollback(stage).boxed_local()),
        ("deployment_watch_answers_1000_hostile_inputs", |stage| deployment_watch(stage).boxed_local()),
        ("dlq_triage_answers_1000_hostile_inputs", |stage| dlq_triage(stage).boxed_local()),
        ("health_check_answers_1000_hostile_inputs", |stage| health_check(stage).boxed_local()),
        ("notification_fanout_answers_1000_hostile_inputs", |stage| notification_fanout(stage).boxed_local()),
        ("queue_scale_answers_1000_hostile_inputs", |stage| queue_scale(stage).boxed_local()),
        ("secret_redeploy_answers_1000_hostile_inputs", |stage| secret_redeploy(stage).boxed_local()),
        ("secret_rotation_answers_1000_hostile_inputs", |stage| secret_rotation(stage).boxed_local()),
    ];
    tests.into_iter().map(|(name, test)| (format!("hostile::{name}"), test)).collect()
}

/// Whoever has no key forges in vain: nothing but the key and, by hand, the ledger is ever asked for.
async fn acknowledge(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|call| {
        if call.is("secretsmanager:GetSecretValue") {
            Answer::json(&json!({"SecretString": SIGNING_KEY}))
        } else {
            Answer::error(400, "AccessDeniedException", "no")
        }
    })
    .await?;
    let function = spawn(stage, &stage.acknowledge, aws.url()).await?;
    answered(&function, &Stage::events("acknowledge")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn alarm_rollback(stage: &Stage) -> anyhow::Result<()> {
    // Whatever is read as an alarm is refused by AWS: that must be answered, too.
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.alarm_rollback, aws.url()).await?;
    answered(&function, &Stage::events("alarm-rollback")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn deployment_watch(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.deployment_watch, aws.url()).await?;
    answered(&function, &Stage::events("deployment-watch")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn dlq_triage(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.dlq_triage, aws.url()).await?;
    answered(&function, &Stage::events("dlq-triage")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn queue_scale(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.queue_scale, aws.url()).await?;
    answered(&function, &Stage::events("queue-scale")?).await?;
    // Its events are too small for one that is changed anywhere to be good still.
    function.invoke(Event::new(&json!({"scale": "all"}))).await?;
    ensure!(!aws.calls().is_empty(), "a good event was not good enough to ask AWS about");
    Ok(())
}

async fn health_check(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.health_check, aws.url()).await?;
    answered(&function, &Stage::events("health-check")?).await?;
    // Its events are too small for one that is changed anywhere to be good still.
    function.invoke(Event::new(&json!({"check": {}}))).await?;
    ensure!(!aws.calls().is_empty(), "a good event was not good enough to ask AWS about");
    Ok(())
}

async fn notification_fanout(stage: &Stage) -> anyhow::Result<()> {
    let receiver = stage.deployment.receiver.url();
    let channels = json!({"channels": [
        {"name": "ops", "type": "slack", "url": format!("{receiver}/hostile-slack")},
        {"name": "audit", "type": "webhook", "url": format!("{receiver}/hostile-audit"), "secret": SIGNING_KEY},
    ]});
    let aws = Proxy::answering(move |call| {
        if call.is("secretsmanager:GetSecretValue") {
            Answer::json(&json!({"SecretString": channels.to_string()}))
        } else {
            Answer::json(&json!({}))
        }
    })
    .await?;
    let function = spawn(stage, &stage.notification_fanout, aws.url()).await?;
    answered(&function, &Stage::events("notification-fanout")?).await?;
    let delivered = stage.deployment.receiver.requests("/hostile-audit").len();
    ensure!(delivered > 0, "no input was good enough to be delivered");
    Ok(())
}

async fn secret_redeploy(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.secret_redeploy, aws.url()).await?;
    answered(&function, &Stage::events("secret-redeploy")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn secret_rotation(stage: &Stage) -> anyhow::Result<()> {
    let aws = Proxy::answering(|_| Answer::error(400, "AccessDeniedException", "no")).await?;
    let function = spawn(stage, &stage.secret_rotation, aws.url()).await?;
    answered(&function, &Stage::events("secret-rotation")?).await?;
    ensure!(!aws.calls().is_empty(), "no input was good enough to ask AWS about");
    Ok(())
}

async fn answered(function: &Function, corpus: &[(String, Value)]) -> anyhow::Result<()> {
    let mut runner = TestRunner::deterministic();
    let events: Vec<Value> = corpus.iter().map(|(_, event)| event.clone()).collect();
    let inputs = prop_oneof![
        1 => anything().prop_map(|value| value.to_string()),
        3 => mutated(events).prop_map(|value| value.to_string()),
    ];
    for count in 0..INPUTS {
        let input =
            inputs.new_tree(&mut runner).map_err(|reason| anyhow::anyhow!("no input: {reason}"))?.current();
        let invoked = function.invoke(Event::raw(input.clone())).await?;
        let answered = matches!(invoked.outcome, Outcome::Ok(_) | Outcome::Error { .. });
        ensure!(answered, "input {count} ended with {:?}: {input}", invoked.outcome);
    }
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let invoked = function.invoke(Event::raw(deep)).await?;
    ensure!(
        matches!(invoked.outcome, Outcome::Error { .. }),
        "deep nesting ended with {:?}",
        invoked.outcome
    );
    Ok(())
}

/// Any JSON value.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[<>&`*_~\\n\\u{202e}\\u{1f525}]{0,2000}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z-]{0,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A real event with one place in it replaced by anything.
fn mutated(corpus: Vec<Value>) -> impl Strategy<Value = Value> {
    (prop::sample::select(corpus), prop::collection::vec(any::<prop::sample::Index>(), 1..8), anything())
        .prop_map(|(mut event, path, value)| {
            replace(&mut event, &path, value);
            event
        })
}

fn replace(at: &mut Value, path: &[prop::sample::Index], by: Value) {
    let Some((step, rest)) = path.split_first() else {
        *at = by;
        return;
    };
    let inner = match at {
        Value::Object(map) if !map.is_empty() => {
            let index = step.index(map.len());
            map.values_mut().nth(index)
        }
        Value::Array(list) if !list.is_empty() => {
            let index = step.index(list.len());
            list.get_mut(index)
        }
        // A message inside a message is JSON in a string.
        Value::String(text) => {
            if let Ok(mut inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text)
            {
                replace(&mut inner, path, by);
                *text = inner.to_string();
            } else {
                *at = by;
            }
            return;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_) => None,
    };
    match inner {
        Some(inner) => replace(inner, rest, by),
        None => *at = by,
    }
}
