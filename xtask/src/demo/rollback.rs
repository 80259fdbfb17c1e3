//! The first act: a service gets a bad deployment, its alarm fires, and the deployed functions see it through.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use local::receiver::Request;
use serde_json::{Value, json};
use sha2::Sha256;

use super::alarms::{Count, Fired, Watch};
use super::record::Story;
use super::report::{closing, is_about, reasons, said, text};
use super::stage::Stage;
use super::{SOON, Stand, slack};
use crate::hold;
use crate::say::{self, Tone};

/// The functions' report lines.
const ROLLBACK_LOG: &str = "AlarmRollbackLogGroup";
const WATCH_LOG: &str = "DeploymentWatchLogGroup";

const SERVICE: &[(&str, &str)] = &[("ClusterName", "demo"), ("ServiceName", "web")];

/// Too many requests fail.
const ERRORS: Watch = Watch {
    name: "web-errors",
    metric: "ErrorPercent",
    threshold: 5.0,
    description: "More than 5 % of the requests to web fail.",
    dimensions: SERVICE,
    statistic: Count::Average,
};

/// Requests take too long.
const LATENCY: Watch = Watch {
    name: "web-latency",
    metric: "LatencyP99",
    threshold: 800.0,
    description: "The slowest requests to web take more than 800 ms.",
    dimensions: SERVICE,
    statistic: Count::Average,
};

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    let stage = Stage::new(&stand.deployment.config);
    healthy(story, stand, &stage).await?;
    bad_deployment(story, stand, &stage).await?;
    let fired = alarm(story, stand).await?;
    let decided = decision(story, stand, &stage, &fired).await?;
    messages(story, stand, &fired, &decided).await?;
    second_alarm(story, stand, &stage).await?;
    recovery(story, stand, &stage).await
}

async fn healthy(story: &mut Story, stand: &Stand, stage: &Stage) -> anyhow::Result<()> {
    story.scene("healthy-service", "A service that works");
    stage.create_service().await?;
    stand.say(Tone::Plain, "service", "demo/web runs web:1, image shop/web:1.4.0");
    let topic = stand.deployment.output("AlarmsTopicArn")?;
    for alarm in [ERRORS, LATENCY] {
        stand.alarms.create(alarm, Some(topic)).await?;
    }
    stand.say(
        Tone::Plain,
        "alarms",
        "web-errors (more than 5 % of requests fail) and web-latency (p99 above 800 ms); both tell Watchkeeper's \
         Alarms topic",
    );
    stand.alarms.publish(ERRORS, 0.3).await?;
    stand.alarms.publish(LATENCY, 120.0).await?;
    for alarm in [ERRORS, LATENCY] {
        stand.alarms.wait_for_state(alarm, "OK", None, SOON).await?;
    }
    stand.say(Tone::Good, "metrics", "0.3 % errors, p99 120 ms: both alarms are OK");
    story.done(json!({"service": "demo/web", "task_definition": stage.running().await?}));
    Ok(())
}

async fn bad_deployment(story: &mut Story, stand: &Stand, stage: &Stage) -> anyhow::Result<()> {
    story.scene("bad-deployment", "Somebody deploys a bad revision");
    stage.deploy_bad().await?;
    stand.say(Tone::Warm, "deploy", "demo/web is updated to web:2, image shop/web:1.5.0");
    let running = stage.running().await?;
    ensure!(running == "web:2", "the service runs {running} after the deployment");
    story.done(json!({"from": "web:1", "to": running}));
    Ok(())
}

async fn alarm(story: &mut Story, stand: &Stand) -> anyhow::Result<Fired> {
    story.scene("alarm", "Errors rise, and the alarm fires");
    stand.say(Tone::Warm, "metrics", "web:2 answers 42 % of the requests with an error");
    let fired = stand.alarms.wait_for_state(ERRORS, "ALARM", Some(42.0), SOON).await?;
    stand.say_at(fired.at, Tone::Bad, "alarm", &format!("web-errors is ALARM: {}", fired.reason));
    story.done(json!({"alarm": ERRORS.name, "reason": fired.reason, "data_points": fired.published}));
    Ok(fired)
}

/// What the function reported of the alarm, in milliseconds after it fired.
#[derive(Debug, Clone, Copy)]
struct Decided {
    finished: f64,
}

async fn decision(story: &mut Story, stand: &Stand, stage: &Stage, fired: &Fired) -> anyhow::Result<Decided> {
    story.scene("rollback", "Watchkeeper decides, and rolls back");
    let is_it = |report: &Value| is_about(report, ERRORS, "ALARM", fired);
    let report = stand.deployment.wait_for_report(ROLLBACK_LOG, SOON, is_it).await?;
    let began: Timestamp = text(&report, "time").parse().context("the report has no time")?;
    let started = millis(began.duration_since(fired.wall).as_secs_f64());
    let took = report.get("Duration").and_then(Value::as_f64).unwrap_or_default();
    let finished = started + took;

    let moment = |millis: f64| fired.at + Duration::from_secs_f64(millis.max(0.0) / 1_000.0);
    stand.say_at(
        moment(started),
        Tone::Plain,
        "invoked",
        &format!("alarm-rollback is invoked, {started:.0} ms after the alarm"),
    );
    stand.say_at(moment(finished), Tone::Good, "decision", &said(&report));
    ensure!(text(&report, "outcome") == "rolled_back", "it was not rolled back: {}", said(&report));
    for (label, why) in reasons(&report) {
        say::also(label, &why);
    }
    let running = stage.running().await?;
    ensure!(running == "web:1", "the service runs {running} after the rollback");
    stand.say(
        Tone::Good,
        "service",
        &format!("demo/web is back on {running}: observed, decided, acted and told in {took:.0} ms"),
    );
    story.done(json!({
        "outcome": text(&report, "outcome"),
        "reason": text(&report, "reason"),
        "task_definition": running,
        "alarm_to_invocation_ms": round(started),
        "invocation_ms": round(took),
        "alarm_to_report_ms": round(finished),
        "cold_start": report.get("cold_start"),
    }));
    Ok(Decided { finished })
}

async fn messages(story: &mut Story, stand: &Stand, fired: &Fired, decided: &Decided) -> anyhow::Result<()> {
    story.scene("people-told", "People are told");
    let slack = one(stand, "/slack", 1).await?;
    let hook = one(stand, "/hook", 1).await?;
    let after = |at: Instant| millis(at.saturating_duration_since(fired.at).as_secs_f64());
    stand.say_at(
        slack.at,
        Tone::Good,
        "Slack",
        &format!(
            "{:.0} ms after the alarm, {:.0} ms after the decision",
            after(slack.at),
            after(slack.at) - decided.finished
        ),
    );
    say::quote("#on-call", &slack::rendered(&slack.json()));
    verify(&hook)?;
    stand.say_at(
        hook.at,
        Tone::Good,
        "webhook",
        &format!(
            "{:.0} ms after the alarm, signed; the signature was checked with the shared key",
            after(hook.at)
        ),
    );
    let notice = hook.json();
    ensure!(text(&notice, "state") == "firing", "the notice's state is {}", text(&notice, "state"));
    story.done(json!({
        "title": notice.get("title"),
        "severity": notice.get("severity"),
        "slack_after_alarm_ms": round(after(slack.at)),
        "webhook_after_alarm_ms": round(after(hook.at)),
        "webhook_signature": "valid",
    }));
    Ok(())
}

async fn second_alarm(story: &mut Story, stand: &Stand, stage: &Stage) -> anyhow::Result<()> {
    story.scene("second-alarm", "A second alarm on the same service");
    let updates = stage.deployments_made().await?;
    let fired = stand.alarms.wait_for_state(LATENCY, "ALARM", Some(2_400.0), SOON).await?;
    stand.say_at(fired.at, Tone::Bad, "alarm", &format!("web-latency is ALARM: {}", fired.reason));
    let is_it = |report: &Value| is_about(report, LATENCY, "ALARM", &fired);
    let report = stand.deployment.wait_for_report(ROLLBACK_LOG, SOON, is_it).await?;
    stand.say(Tone::Good, "decision", &said(&report));
    ensure!(text(&report, "outcome") == "held", "it was not held: {}", said(&report));
    let running = stage.running().await?;
    ensure!(
        running == "web:1" && stage.deployments_made().await? == updates,
        "the service was changed: it runs {running}"
    );
    stand.say(Tone::Good, "service", "demo/web still runs web:1; nothing was called that changes it");
    let slack = one(stand, "/slack", 2).await?;
    stand.say_at(slack.at, Tone::Plain, "Slack", "people are told why:");
    say::quote("#on-call", &slack::brief(&slack.json()));
    story.done(json!({
        "outcome": text(&report, "outcome"),
        "reason": text(&report, "reason"),
        "task_definition": running,
    }));
    Ok(())
}

async fn recovery(story: &mut Story, stand: &Stand, stage: &Stage) -> anyhow::Result<()> {
    story.scene("recovery", "The service recovers, and the incident is closed");
    stand.say(
        Tone::Plain,
        "metrics",
        "web:1 answers 0.2 % of the requests with an error; the alarm looks back 10 s",
    );
    let fired = stand.alarms.wait_for_state(ERRORS, "OK", Some(0.2), SOON).await?;
    stand.say_at(fired.at, Tone::Good, "alarm", &format!("web-errors is OK: {}", fired.reason));
    let is_it = |report: &Value| is_about(report, ERRORS, "OK", &fired);
    let report = stand.deployment.wait_for_report(ROLLBACK_LOG, SOON, is_it).await?;
    // Where deployment-watch looked by itself just before, nothing is left to hand over.
    let passed_on = ["handed_over", "ignored"].contains(&text(&report, "outcome"));
    ensure!(passed_on, "it was not handed over: {}", said(&report));
    stand.say(Tone::Plain, "decision", &said(&report));

    let ended = |report: &Value| closing(report).is_some();
    let closed = stand.deployment.wait_for_report(WATCH_LOG, SOON, ended).await?;
    let (outcome, reason) = closing(&closed).context("the report tells of no end")?;
    stand.say(Tone::Good, "watch", &format!("{outcome}: {reason}"));
    ensure!(outcome == "recovered", "the rollback ended otherwise: {outcome}: {reason}");
    let running = stage.running().await?;
    ensure!(running == "web:1", "the service runs {running} at the end");

    let slack = one(stand, "/slack", 3).await?;
    let notice = one(stand, "/hook", 3).await?.json();
    let (told, by) = (text(&notice, "state"), text(&notice, "source"));
    ensure!(told == "resolved" && by == "deployment-watch", "the last notice is {told}, by {by}");
    stand.say_at(slack.at, Tone::Good, "Slack", "the same incident is closed on every channel:");
    say::quote("#on-call", &slack::rendered(&slack.json()));
    story.done(json!({
        "outcome": outcome,
        "reason": reason,
        "title": notice.get("title"),
        "task_definition": running,
    }));
    Ok(())
}

/// The last of so many requests to the path, of which there are no more.
async fn one(stand: &Stand, path: &str, count: usize) -> anyhow::Result<Request> {
    let mut requests = stand.deployment.receiver.wait_for(path, count, SOON).await?;
    ensure!(requests.len() == count, "{} messages came to {path}; {count} were due", requests.len());
    requests.pop().context("no message came")
}

/// Checks the signature as a receiver does.
fn verify(request: &Request) -> anyhow::Result<()> {
    let signature = request.header("watchkeeper-signature");
    let signature = signature.strip_prefix("v1=").context("the webhook is not signed")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(hold::SIGNING_KEY.as_bytes())?;
    mac.update(request.header("watchkeeper-timestamp").as_bytes());
    mac.update(b".");
    mac.update(&request.body);
    mac.verify_slice(&hex::decode(signature)?).context("the webhook's signature does not fit")
}

fn millis(seconds: f64) -> f64 {
    seconds * 1_000.0
}

fn round(millis: f64) -> f64 {
    (millis * 10.0).round() / 10.0
}
