//! `cargo xtask demo`: the whole story on local AWS, as it happens.
//!
//! A service gets a bad deployment; a real alarm on real metric data fires; Watchkeeper rolls the deployment back
//! and tells people; a second alarm shows that nothing more is done; the recovery closes the incident.

mod record;
mod slack;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use local::aws::Port;
use local::deployment::{Deployment, Options};
use local::place;
use local::receiver::Request;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::say::{self, Terminal, Tone};
use crate::{hold, say::Tone::Good};
use record::{Facts, Story};
use stage::{Fired, Stage, Watch};

/// How long anything in the story may take that takes a second on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Alarm-rollback's report lines.
const ROLLBACK_LOG: &str = "AlarmRollbackLogGroup";

/// How to run it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave it running, and print commands to poke at it.
    #[arg(long)]
    keep: bool,
}

/// Shows the story; success only if everything happened.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.keep {
        return hold::start(&["demo"]).await;
    }
    let (deployment, ok) = show().await?;
    deployment.stop().await;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to try when it is left running.
pub(crate) fn commands() -> Vec<&'static str> {
    vec![
        "aws cloudwatch set-alarm-state --alarm-name web-errors \\",
        "    --state-value ALARM --state-reason 'by hand'",
        "aws ecs describe-services --cluster demo --services web",
        "sam logs --cw-log-group \"$WATCHKEEPER_ALARM_ROLLBACK_LOG_GROUP\"",
    ]
}

/// Shows the story and gives what still runs, and whether everything happened.
pub(crate) async fn show() -> anyhow::Result<(Deployment, bool)> {
    say::title(
        "Watchkeeper: an alarm rolls back a bad ECS deployment and tells people",
        "Everything below is real: the functions are the release binaries, deployed from template.yaml to a local \
         AWS that enforces their IAM roles; the alarm fires on metric data; the messages arrive over HTTPS.",
    );
    let mut story = Story::new();
    let told = tell(&mut story).await;
    if let Err(error) = &told {
        story.failed(error);
    }
    let path = report_path();
    story.write(&path)?;
    summary(&story, &path);
    match told {
        Ok(deployment) => Ok((deployment, story.ok())),
        Err(error) => Err(error.context(format!("the demo stopped in scene {:?}", story.current()))),
    }
}

fn report_path() -> PathBuf {
    place::root().join("target/demo/report.json")
}

async fn tell(story: &mut Story) -> anyhow::Result<Deployment> {
    story.scene("local-aws", "Local AWS, and Watchkeeper deployed to it");
    let began = Instant::now();
    let options = Options {
        port: Port::Free,
        name: "demo",
        channels: hold::channels,
        parameters: &[("Environment", "dev"), ("Mode", "act")],
        environment: &[],
    };
    let deployment = Deployment::start(options, &Terminal).await?;
    // What an earlier run came to must not be taken for what this one comes to, if it is cut off.
    let _ = std::fs::remove_file(report_path());
    say::item(
        Good,
        "✓",
        &format!(
            "Ready at {} after {:.1} s: two functions, two topics, three queues, one table.",
            deployment.aws.endpoint(),
            began.elapsed().as_secs_f64()
        ),
    );
    story.done(json!({"endpoint": deployment.aws.endpoint(), "iam_enforced": true, "mode": "act"}));

    let stage = Stage::new(&deployment.config, deployment.output("AlarmsTopicArn")?);
    let story_began = Instant::now();
    let clock = Clock { began: story_began };
    healthy(story, &stage, clock).await?;
    bad_deployment(story, &stage, clock).await?;
    let fired = alarm(story, &stage, clock).await?;
    let decided = decision(story, &deployment, &stage, clock, &fired).await?;
    messages(story, &deployment, clock, &fired, &decided).await?;
    second_alarm(story, &deployment, &stage, clock).await?;
    recovery(story, &deployment, &stage, clock).await?;
    Ok(deployment)
}

/// Time as the story tells it.
#[derive(Debug, Clone, Copy)]
struct Clock {
    began: Instant,
}

impl Clock {
    fn say(self, tone: Tone, label: &str, text: &str) {
        say::at(self.began.elapsed(), tone, label, text);
    }

    fn say_at(self, at: Instant, tone: Tone, label: &str, text: &str) {
        say::at(at.saturating_duration_since(self.began), tone, label, text);
    }
}

async fn healthy(story: &mut Story, stage: &Stage, clock: Clock) -> anyhow::Result<()> {
    story.scene("healthy-service", "A service that works");
    stage.create_service().await?;
    clock.say(Tone::Plain, "service", "demo/web runs web:1, image shop/web:1.4.0");
    stage.create_alarms().await?;
    clock.say(Tone::Plain, "alarms", "web-errors (more than 5 % of requests fail) and web-latency (p99 above 800 ms); both tell Watchkeeper's Alarms topic");
    stage.publish(stage::ERRORS, 0.3).await?;
    stage.publish(stage::LATENCY, 120.0).await?;
    for alarm in [stage::ERRORS, stage::LATENCY] {
        stage.wait_for_state(alarm, "OK", None, SOON).await?;
    }
    clock.say(Tone::Good, "metrics", "0.3 % errors, p99 120 ms: both alarms are OK");
    story.done(json!({"service": "demo/web", "task_definition": stage.running().await?}));
    Ok(())
}

async fn bad_deployment(story: &mut Story, stage: &Stage, clock: Clock) -> anyhow::Result<()> {
    story.scene("bad-deployment", "Somebody deploys a bad revision");
    stage.deploy_bad().await?;
    clock.say(Tone::Warm, "deploy", "demo/web is updated to web:2, image shop/web:1.5.0");
    let running = stage.running().await?;
    ensure!(running == "web:2", "the service runs {running} after the deployment");
    story.done(json!({"from": "web:1", "to": running}));
    Ok(())
}

async fn alarm(story: &mut Story, stage: &Stage, clock: Clock) -> anyhow::Result<Fired> {
    story.scene("alarm", "Errors rise, and the alarm fires");
    clock.say(Tone::Warm, "metrics", "web:2 answers 42 % of the requests with an error");
    let fired = stage.wait_for_state(stage::ERRORS, "ALARM", Some(42.0), SOON).await?;
    clock.say_at(fired.at, Tone::Bad, "alarm", &format!("web-errors is ALARM: {}", fired.reason));
    story.done(json!({"alarm": stage::ERRORS.name, "reason": fired.reason, "data_points": fired.published}));
    Ok(fired)
}

/// What the function reported of the alarm, in milliseconds after it fired.
#[derive(Debug, Clone, Copy)]
struct Decided {
    finished: f64,
}

async fn decision(
    story: &mut Story,
    deployment: &Deployment,
    stage: &Stage,
    clock: Clock,
    fired: &Fired,
) -> anyhow::Result<Decided> {
    story.scene("rollback", "Watchkeeper decides, and rolls back");
    let report = deployment
        .wait_for_report(ROLLBACK_LOG, SOON, |report| is_about(report, stage::ERRORS, "ALARM", fired))
        .await?;
    let began: Timestamp = text(&report, "time").parse().context("the report has no time")?;
    let started = millis(began.duration_since(fired.wall).as_secs_f64());
    let took = report.get("Duration").and_then(Value::as_f64).unwrap_or_default();
    let finished = started + took;

    let moment = |millis: f64| fired.at + Duration::from_secs_f64(millis.max(0.0) / 1_000.0);
    clock.say_at(
        moment(started),
        Tone::Plain,
        "invoked",
        &format!("alarm-rollback is invoked, {started:.0} ms after the alarm"),
    );
    clock.say_at(
        moment(finished),
        Tone::Good,
        "decision",
        &format!("{}: {}", text(&report, "outcome"), text(&report, "reason")),
    );
    ensure!(
        text(&report, "outcome") == "rolled_back",
        "the outcome was {}: {}",
        text(&report, "outcome"),
        text(&report, "reason")
    );
    for (label, why) in reasons(&report) {
        say::also(label, &why);
    }
    let running = stage.running().await?;
    ensure!(running == "web:1", "the service runs {running} after the rollback");
    clock.say(
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

/// The facts that the decision stood on, in words.
fn reasons(report: &Value) -> Vec<(&'static str, String)> {
    let record = report.get("record");
    let at = |path: &str| record.and_then(|record| record.pointer(path));
    let word = |path: &str| at(path).and_then(Value::as_str).map(ToOwned::to_owned);
    let mut reasons = Vec::new();
    if let Some(state) = word("/facts/alarm/state") {
        reasons.push(("because", format!("the alarm is {state} when asked again")));
    }
    if let (Some(from), Some(window)) =
        (word("/verdict/detail/from"), word("/policy/attribution_window").map(spoken))
    {
        reasons.push((
            "because",
            format!("{} was deployed within the attribution window ({window})", short(&from)),
        ));
    }
    if let Some(mode) = word("/mode") {
        reasons.push(("because", format!("the mode is {mode}")));
    }
    if word("/verdict/detail/basis").as_deref() == Some("lower") {
        let why = "local AWS keeps no service deployments, so the family is all there is to go by; AWS keeps 90 days";
        reasons.push(("note", why.to_owned()));
    }
    reasons
}

/// `PT1H` as `1h`.
fn spoken(duration: String) -> String {
    duration.parse::<SignedDuration>().map_or(duration, |duration| format!("{duration:#}"))
}

fn short(task_definition: &str) -> &str {
    task_definition.rsplit('/').next().unwrap_or(task_definition)
}

async fn messages(
    story: &mut Story,
    deployment: &Deployment,
    clock: Clock,
    fired: &Fired,
    decided: &Decided,
) -> anyhow::Result<()> {
    story.scene("people-told", "People are told");
    let slack = one(deployment, "/slack", 1).await?;
    let hook = one(deployment, "/hook", 1).await?;
    let after = |request: &Request| millis(request.at.saturating_duration_since(fired.at).as_secs_f64());
    clock.say_at(
        slack.at,
        Tone::Good,
        "Slack",
        &format!(
            "{:.0} ms after the alarm, {:.0} ms after the decision",
            after(&slack),
            after(&slack) - decided.finished
        ),
    );
    say::quote("#on-call", &slack::rendered(&slack.json()));
    verify(&hook)?;
    clock.say_at(
        hook.at,
        Tone::Good,
        "webhook",
        &format!(
            "{:.0} ms after the alarm, signed; the signature was checked with the shared key",
            after(&hook)
        ),
    );
    let notice = hook.json();
    ensure!(text(&notice, "state") == "firing", "the notice's state is {}", text(&notice, "state"));
    story.done(json!({
        "title": notice.get("title"),
        "severity": notice.get("severity"),
        "slack_after_alarm_ms": round(after(&slack)),
        "webhook_after_alarm_ms": round(after(&hook)),
        "webhook_signature": "valid",
    }));
    Ok(())
}

async fn second_alarm(
    story: &mut Story,
    deployment: &Deployment,
    stage: &Stage,
    clock: Clock,
) -> anyhow::Result<()> {
    story.scene("second-alarm", "A second alarm on the same service");
    let updates = stage.deployments_made().await?;
    let fired = stage.wait_for_state(stage::LATENCY, "ALARM", Some(2_400.0), SOON).await?;
    clock.say_at(fired.at, Tone::Bad, "alarm", &format!("web-latency is ALARM: {}", fired.reason));
    let report = deployment
        .wait_for_report(ROLLBACK_LOG, SOON, |report| is_about(report, stage::LATENCY, "ALARM", &fired))
        .await?;
    clock.say(Tone::Good, "decision", &format!("{}: {}", text(&report, "outcome"), text(&report, "reason")));
    ensure!(text(&report, "outcome") == "held", "the outcome was {}", text(&report, "outcome"));
    let running = stage.running().await?;
    ensure!(
        running == "web:1" && stage.deployments_made().await? == updates,
        "the service was changed: it runs {running}"
    );
    clock.say(Tone::Good, "service", "demo/web still runs web:1; nothing was called that changes it");
    let slack = one(deployment, "/slack", 2).await?;
    clock.say_at(slack.at, Tone::Plain, "Slack", "people are told why:");
    say::quote("#on-call", &slack::rendered(&slack.json()));
    story.done(json!({"outcome": text(&report, "outcome"), "reason": text(&report, "reason"), "task_definition": running}));
    Ok(())
}

async fn recovery(
    story: &mut Story,
    deployment: &Deployment,
    stage: &Stage,
    clock: Clock,
) -> anyhow::Result<()> {
    story.scene("recovery", "The service recovers, and the incident is closed");
    clock.say(
        Tone::Plain,
        "metrics",
        "web:1 answers 0.2 % of the requests with an error; the alarm looks back 10 s",
    );
    let fired = stage.wait_for_state(stage::ERRORS, "OK", Some(0.2), SOON).await?;
    clock.say_at(fired.at, Tone::Good, "alarm", &format!("web-errors is OK: {}", fired.reason));
    let report = deployment
        .wait_for_report(ROLLBACK_LOG, SOON, |report| is_about(report, stage::ERRORS, "OK", &fired))
        .await?;
    ensure!(text(&report, "outcome") == "resolved", "the outcome was {}", text(&report, "outcome"));
    clock.say(Tone::Good, "decision", &format!("resolved: {}", text(&report, "reason")));
    let slack = one(deployment, "/slack", 3).await?;
    let notice = one(deployment, "/hook", 3).await?;
    ensure!(
        text(&notice.json(), "state") == "resolved",
        "the last notice's state is {}",
        text(&notice.json(), "state")
    );
    clock.say_at(slack.at, Tone::Good, "Slack", "people are told:");
    say::quote("#on-call", &slack::rendered(&slack.json()));
    story.done(json!({"outcome": "resolved", "title": notice.json().get("title")}));
    Ok(())
}

/// The last of so many requests to the path.
async fn one(deployment: &Deployment, path: &str, count: usize) -> anyhow::Result<Request> {
    let mut requests = deployment.receiver.wait_for(path, count, SOON).await?;
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

/// Whether the report is about this change of this alarm, and not about one before it.
fn is_about(report: &Value, watch: Watch, state: &str, fired: &Fired) -> bool {
    let change = |name: &str| report.pointer(&format!("/record/facts/change/{name}")).and_then(Value::as_str);
    change("name") == Some(watch.name)
        && change("state").is_some_and(|known| known.eq_ignore_ascii_case(state))
        && text(report, "time").parse::<Timestamp>().is_ok_and(|time| time >= fired.wall)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn millis(seconds: f64) -> f64 {
    seconds * 1_000.0
}

fn round(millis: f64) -> f64 {
    (millis * 10.0).round() / 10.0
}

fn summary(story: &Story, path: &std::path::Path) {
    say::line("");
    for scene in story.scenes() {
        let (tone, mark) = if scene.ok { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        say::row(
            tone,
            mark,
            &format!("{:<16} {:>6.1} s  {}", scene.name, scene.seconds, headline(&scene.facts)),
        );
    }
    say::line("");
    say::item(Tone::Plain, " ", &format!("Report: {}", place::shown(path)));
}

/// The one fact that says most.
fn headline(facts: &Facts) -> String {
    ["reason", "error", "title", "task_definition", "to", "endpoint"]
        .iter()
        .find_map(|name| facts.get(*name).and_then(Value::as_str))
        .map(|text| {
            let short: String = text.chars().take(44).collect();
            if short == text { short } else { format!("{short}…") }
        })
        .unwrap_or_default()
}
