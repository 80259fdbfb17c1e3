//! A Lambda alias that sends a share of its requests to a bad version goes back to its stable one.

use std::io::{Cursor, Write};

use anyhow::{Context, ensure};
use aws_sdk_lambda as lambda;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, FunctionCode, LastUpdateStatus, Runtime, State};
use local::deployment::until;
use local::recorded::CodeDeploy;
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::alarms::{Count, Watch};
use super::apart::Apart;
use super::record::Story;
use super::report::text;
use super::{SOON, Stand};
use crate::say::{self, Tone};

const FUNCTION: &str = "receipts";
const ALIAS: &str = "live";

/// The share of the requests that the new version gets.
const SHARE: f64 = 0.1;

const ERRORS: Watch = Watch {
    name: "receipts-errors",
    metric: "ReceiptsErrors",
    threshold: 3.0,
    description: "The function receipts fails.",
    dimensions: &[("FunctionName", FUNCTION), ("Resource", "receipts:live")],
    statistic: Count::Lowest,
};

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("lambda-alias", "A Lambda alias tries a new version, and its alarm fires");
    say::also("recorded", "local AWS has no CodeDeploy: that it knows nothing of this alias is recorded");
    let client = lambda::Client::new(&stand.deployment.config);
    publish(&client, stand.deployment.output("AlarmRollbackFunction")?).await?;
    let code_deploy = CodeDeploy::new();
    let apart = Apart::start(stand, move |call| code_deploy.answer(call)).await?;
    stand.say(
        Tone::Warm,
        "deploy",
        "receipts:live points to version 1 and sends 10 % of the requests to version 2",
    );

    stand.alarms.create(ERRORS, None).await?;
    let fired = stand.alarms.wait_for_state(ERRORS, "ALARM", Some(27.0), SOON).await?;
    stand.say_at(fired.at, Tone::Bad, "alarm", &format!("receipts-errors is ALARM: {}", fired.reason));
    let heard = stand.heard();
    let rolled_back = apart.hand(&fired.event(ERRORS, "OK", "ALARM")?).await?.report;
    stand.decided(&rolled_back, "rolled_back")?;

    let alias = client.get_alias().function_name(FUNCTION).name(ALIAS).send().await?;
    let version = alias.function_version().unwrap_or_default();
    let weights = alias.routing_config().and_then(|routing| routing.additional_version_weights());
    ensure!(
        version == "1" && weights.is_none_or(std::collections::HashMap::is_empty),
        "the alias points to version {version}, with {weights:?}"
    );
    stand.say(Tone::Good, "alias", "receipts:live points to version 1 alone, local Lambda says");
    stand.told(heard).await?;
    story.done(json!({
        "outcome": text(&rolled_back, "outcome"),
        "reason": text(&rolled_back, "reason"),
        "version": version,
        "recorded": ["codedeploy"],
    }));
    Ok(())
}

/// Two versions, and the alias with a share of the second. The function is given the role of another one: it is never
/// run.
async fn publish(client: &lambda::Client, other: &str) -> anyhow::Result<()> {
    let other = client.get_function_configuration().function_name(other).send().await?;
    let code = FunctionCode::builder().zip_file(Blob::new(zipped("one")?)).build();
    client
        .create_function()
        .function_name(FUNCTION)
        .runtime(Runtime::Providedal2023)
        .handler("bootstrap")
        .role(other.role().unwrap_or_default())
        .code(code)
        .send()
        .await
        .context("the function cannot be made")?;
    publish_version(client).await?;
    let code = Blob::new(zipped("two")?);
    client.update_function_code().function_name(FUNCTION).zip_file(code).send().await?;
    publish_version(client).await?;
    client
        .create_alias()
        .function_name(FUNCTION)
        .name(ALIAS)
        .function_version("1")
        .routing_config(AliasRoutingConfiguration::builder().additional_version_weights("2", SHARE).build())
        .send()
        .await
        .context("the alias cannot be made")?;
    Ok(())
}

/// Publishes what the function is now, once it is settled.
async fn publish_version(client: &lambda::Client) -> anyhow::Result<()> {
    let settled = until(SOON, async || {
        let now = client.get_function_configuration().function_name(FUNCTION).send().await?;
        let is_active = now.state() == Some(&State::Active);
        let is_moving = now.last_update_status() == Some(&LastUpdateStatus::InProgress);
        Ok((is_active && !is_moving).then_some(()))
    });
    settled.await?.context("the function does not become active")?;
    client.publish_version().function_name(FUNCTION).send().await?;
    Ok(())
}

/// A function's code, which is never run.
fn zipped(code: &str) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default())?;
    zip.write_all(code.as_bytes())?;
    Ok(zip.finish()?.into_inner())
}
