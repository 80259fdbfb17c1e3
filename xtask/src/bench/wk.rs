//! What `wk` costs at the terminal: how large it is, how soon it answers, and how long a look at everything takes on local AWS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_cloudformation::types::Parameter;
use local::aws::{LocalAws, Port, SdkConfig};
use local::deployment::until;
use local::progress::Progress;
use local::{job, place, setup};
use serde_json::json;

use super::binaries::{build, megabytes};
use super::health::here;
use super::row::Row;
use super::samples::Samples;

const NAME: &str = "wk";

/// Limits: MB, ms, s.
const SIZE_GOAL: f64 = 20.0;
const HELP_GOAL: f64 = 10.0;
const STATUS_GOAL: f64 = 2.0;

/// How often each is asked.
const HELPS: usize = 50;
const LOOKS: usize = 5;

/// How long the stack may take to be made.
const PATIENCE: Duration = Duration::from_mins(1);

/// Size and times.
pub(super) async fn rows(progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let wk = build("watchkeeper", NAME, &["--config", "cli/install.toml"], progress).await?;
    let size = std::fs::metadata(&wk).with_context(|| format!("cannot read {}", wk.display()))?.len();

    progress.step("Asking wk for help, and how sixty resources on local AWS are");
    let mut helps = Samples::default();
    for _ in 0..HELPS {
        helps.add(took(&wk, &["--help"], &BTreeMap::new(), &[0]).await?);
    }

    let tools = setup::tools(progress).await?;
    let folder = place::local().join("bench/wk-aws");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", place::shown(&folder)))?;
    }
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await?;
    let config = aws.sdk_config().await;
    here::furnish(&config).await?;
    stack(&config).await?;
    let mut environment = aws.environment();
    environment.insert("HOME", folder.to_string_lossy().into_owned());
    let mut looks = Samples::default();
    for _ in 0..LOOKS {
        // What is found there is not all healthy.
        looks.add(took(&wk, &["status"], &environment, &[0, 1, 2]).await?);
    }
    aws.stop().await;

    let row = |what: &str, unit, value| Row::new(NAME, what, unit, value);
    let tagged = here::TAGGED;
    Ok(vec![
        row("binary, stripped", "MB", megabytes(size)).at_most(SIZE_GOAL),
        row("wk --help", "ms", helps.median()).at_most(HELP_GOAL),
        row("the same, slowest of all", "ms", helps.percentile(100)),
        row(&format!("wk status, local AWS, {tagged} resources"), "s", looks.median() / 1_000.0)
            .at_most(STATUS_GOAL),
        row("the same, slowest of all", "s", looks.percentile(100) / 1_000.0),
    ])
}

/// How long it takes, from its start to its end.
async fn took(
    wk: &Path,
    words: &[&str],
    environment: &BTreeMap<&'static str, String>,
    exits: &[i32],
) -> anyhow::Result<Duration> {
    let mut command = job::cleaned(wk);
    command.args(words).envs(environment).stdin(std::process::Stdio::null());
    let began = Instant::now();
    let ended = command.output().await?;
    let took = began.elapsed();
    let exit = ended.status.code();
    ensure!(
        exit.is_some_and(|exit| exits.contains(&exit)),
        "wk {} ended with {exit:?}: {}",
        words.join(" "),
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(took)
}

/// A stack that says what the function would be given: that is all that `wk` looks for.
async fn stack(config: &SdkConfig) -> anyhow::Result<()> {
    let template = json!({
        "Parameters": {"Environment": {"Type": "String"}, "Mode": {"Type": "String"}},
        "Resources": {
            "Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
            }},
            "Topic": {"Type": "AWS::SNS::Topic"},
        },
        "Outputs": {
            "AlarmRollbackFunction": {"Value": "none"},
            "LedgerTable": {"Value": {"Ref": "Ledger"}},
            "NoticesTopicArn": {"Value": {"Ref": "Topic"}},
            "StatusBucket": {"Value": "none"},
        },
    });
    let client = cloudformation::Client::new(config);
    let parameter =
        |(name, value): (&str, &str)| Parameter::builder().parameter_key(name).parameter_value(value).build();
    let parameters = [("Environment", here::TAG.1), ("Mode", "observe")].map(parameter);
    let create = client.create_stack().stack_name("watchkeeper").template_body(template.to_string());
    create.set_parameters(Some(parameters.into())).send().await?;
    let made = until(PATIENCE, async || {
        let described = client.describe_stacks().stack_name("watchkeeper").send().await?;
        let status = described.stacks().first().and_then(|it| it.stack_status());
        Ok(status.is_some_and(|it| it.as_str() == "CREATE_COMPLETE").then_some(()))
    });
    made.await?.context("the stack is not made")
}
