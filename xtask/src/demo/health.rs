//! What the environment stands on is looked at; something is broken by hand, told once, and mended.

use anyhow::{Context, ensure};
use aws_sdk_eventbridge as events;
use local::place;
use serde_json::{Value, json};

use super::Stand;
use super::record::Story;
use super::report::text;
use crate::say::{self, Tone};

const FUNCTION: &str = "HealthCheckFunction";

const RULE: &str = "shop-nightly";

/// Where the status page is written, and that one sweep is enough here, where others are told after three; what local
/// AWS has no answer to is not looked at.
const POLICY: &str = "health:\n  change: {bad: 1, good: 1}\n  page: {key: status/index.html}\n  \
                      ignore: [aws-health, autoscaling, budget]\n";

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("health", "Everything the environment stands on is checked, and told when it changes");
    let rules = events::Client::new(&stand.deployment.config);
    create(&rules).await?;
    // What other acts left behind is known before: only the change is news.
    stand.put_policy(POLICY).await?;
    stand.ask(FUNCTION, &json!({"check": "all"})).await?;

    let seen = stand.ask(FUNCTION, &json!({"check": {"format": "table"}})).await?;
    stand.say(Tone::Good, "checked", "by hand, as a table:");
    for line in text(&seen, "text").lines() {
        // A table is read by its columns: it is not broken anew.
        say::line(&format!("    {line}"));
    }

    rules.disable_rule().name(RULE).send().await?;
    stand.say(Tone::Bad, "broken", &format!("somebody disables the rule {RULE}"));
    let swept = stand.ask(FUNCTION, &json!({"check": "all"})).await?;
    ensure!(text_of(&swept, "told") == "1", "it told otherwise than once: {swept}");
    let notice = stand.told_of(RULE, 0).await?;
    ensure!(text(&notice, "state") == "firing", "it is not bad: {notice}");
    let again = stand.ask(FUNCTION, &json!({"check": "all"})).await?;
    ensure!(text_of(&again, "told") == "0", "it told it again: {again}");
    stand.say(Tone::Good, "quiet", "the next sweep sees the same, and tells nobody");

    let path = page(stand).await?;
    stand.say(Tone::Good, "page", &format!("the status page, as it stands in the bucket: {path}"));
    rules.enable_rule().name(RULE).send().await?;
    let mended = stand.ask(FUNCTION, &json!({"check": "all"})).await?;
    ensure!(text_of(&mended, "told") == "1", "the end was told otherwise: {mended}");
    let notice = stand.told_of(RULE, 1).await?;
    ensure!(text(&notice, "state") == "resolved", "it is not over: {notice}");
    story.done(json!({"title": text(&notice, "title"), "counts": seen.get("counts"), "page": path}));
    stand.put_policy("").await
}

async fn create(rules: &events::Client) -> anyhow::Result<()> {
    let tag = events::types::Tag::builder().key("watchkeeper:environment").value("dev").build()?;
    let pattern = json!({"source": ["shop"]}).to_string();
    rules.put_rule().name(RULE).event_pattern(pattern).tags(tag).send().await?;
    let queue = format!("arn:aws:sqs:{}:{}:shop-orders", local::aws::REGION, local::aws::ACCOUNT);
    let target = events::types::Target::builder().id("orders").arn(queue).build()?;
    rules.put_targets().rule(RULE).targets(target).send().await?;
    Ok(())
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).map(Value::to_string).unwrap_or_default()
}

/// Fetches the page; where it is now.
async fn page(stand: &Stand) -> anyhow::Result<String> {
    let bucket = stand.deployment.output("StatusBucket")?;
    let client = aws_sdk_s3::Client::new(&stand.deployment.config);
    let object = client.get_object().bucket(bucket).key("status/index.html");
    let html = object.send().await.context("there is no page")?.body.collect().await?.into_bytes();
    let folder = place::root().join("target/demo");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("status.html");
    std::fs::write(&path, &html).with_context(|| format!("cannot write {}", path.display()))?;
    ensure!(html.starts_with(b"<!doctype html>"), "the page is no HTML");
    Ok(place::shown(&path))
}
