//! `cargo xtask demo`: the whole story on local AWS, as it happens.
//!
//! A service gets a bad deployment; a real alarm on real metric data fires; Watchkeeper rolls the deployment back
//! and tells people; a second alarm shows that nothing more is done; the recovery closes the incident. Then, each in
//! an act of its own: a database password that is rotated, a deployment in flight, an alarm after a rotation, a Lambda
//! alias, a stack that is stuck, dead letters, a queue that fills, a sweep over everything, and one of every kind of channel.

mod alarms;
mod alias;
mod apart;
mod channels;
mod health;
mod in_flight;
mod letters;
mod page;
mod record;
mod report;
mod rollback;
mod rotation;
mod scale;
mod secrets;
mod slack;
mod stack;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_sdk_lambda as lambda;
use local::aws::Port;
use local::build::{self, Build};
use local::deployment::{Deployment, Options, until};
use local::place;
use local::receiver::Request;
use serde_json::{Value, json};

use crate::hold;
use crate::say::{self, Terminal, Tone};
use alarms::Alarms;
use record::{Facts, Story};
use report::{notes, said, text};

/// How long anything in the story may take that takes a second on a busy machine.
const SOON: Duration = Duration::from_secs(30);

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
        "echo '{\"diagnose\": {\"target\": \"ecs:demo/web\"}}' | aws lambda invoke \\",
        "    --function-name \"$WATCHKEEPER_ALARM_ROLLBACK_FUNCTION\" \\",
        "    --payload fileb:///dev/stdin /dev/stdout",
        "aws ecs describe-services --cluster demo --services web",
        "sam logs --cw-log-group \"$WATCHKEEPER_ALARM_ROLLBACK_LOG_GROUP\"",
        "sam logs --cw-log-group \"$WATCHKEEPER_DEPLOYMENT_WATCH_LOG_GROUP\"",
    ]
}

/// Shows the story and gives what still runs, and whether everything happened.
pub(crate) async fn show() -> anyhow::Result<(Deployment, bool)> {
    say::title(
        "Watchkeeper: a bad deployment is rolled back, a password rotated, and people told",
        "The functions are deployed from template.yaml to a local AWS that enforces their IAM roles, as they are deployed for \
         real, but for less optimisation; the alarms fire on metric data; the messages arrive over HTTPS. What local AWS lacks is answered from \
         recordings: each scene that needs them says so, and runs the same binaries beside the deployment.",
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
    let stand = set_up(story).await?;
    rollback::play(story, &stand).await?;
    secrets::play(story, &stand).await?;
    in_flight::play(story, &stand).await?;
    rotation::play(story, &stand).await?;
    alias::play(story, &stand).await?;
    stack::play(story, &stand).await?;
    letters::play(story, &stand).await?;
    scale::play(story, &stand).await?;
    health::play(story, &stand).await?;
    channels::play(story, &stand).await?;
    Ok(stand.deployment)
}

async fn set_up(story: &mut Story) -> anyhow::Result<Stand> {
    story.scene("local-aws", "Local AWS, and Watchkeeper deployed to it");
    let began = Instant::now();
    let build = build::functions(&Terminal).await?;
    let mut parameters = vec![("Environment", "dev"), ("Mode", "act")];
    parameters.extend(channels::PARAMETERS);
    let options = Options {
        port: Port::Free,
        name: "demo",
        channels: channels::secret,
        parameters: &parameters,
        environment: &[],
    };
    let deployment = Deployment::start(options, &Terminal).await?;
    // What an earlier run came to must not be taken for what this one comes to, if it is cut off.
    let _ = std::fs::remove_file(report_path());
    say::item(
        Tone::Good,
        "✓",
        &format!(
            "Ready at {} after {:.1} s: nine functions, three topics, eight queues, one table, two buckets.",
            deployment.aws.endpoint(),
            began.elapsed().as_secs_f64()
        ),
    );
    story.done(json!({"endpoint": deployment.aws.endpoint(), "iam_enforced": true, "mode": "act"}));
    let alarms = Alarms::new(&deployment.config);
    let stand = Stand { deployment, build, alarms, began: Instant::now() };
    stand.put_policy("").await?;
    Ok(stand)
}

/// What every act stands on.
#[derive(Debug)]
struct Stand {
    deployment: Deployment,
    build: Build,
    alarms: Alarms,
    /// When the story began.
    began: Instant,
}

impl Stand {
    fn say(&self, tone: Tone, label: &str, text: &str) {
        say::at(self.began.elapsed(), tone, label, text);
    }

    fn say_at(&self, at: Instant, tone: Tone, label: &str, text: &str) {
        say::at(at.saturating_duration_since(self.began), tone, label, text);
    }

    /// Says what alarm-rollback decided, and why.
    ///
    /// # Errors
    /// When it decided otherwise.
    fn decided(&self, report: &Value, outcome: &str) -> anyhow::Result<()> {
        self.say(Tone::Good, "decision", &said(report));
        for note in notes(report) {
            say::also("note", &note);
        }
        ensure!(text(report, "outcome") == outcome, "it decided otherwise: {}", said(report));
        Ok(())
    }

    /// Puts a policy in place: who is told what, and more.
    async fn put_policy(&self, more: &str) -> anyhow::Result<()> {
        let client = aws_sdk_ssm::Client::new(&self.deployment.config);
        let policy = format!("{}{more}", channels::POLICY);
        let put = client.put_parameter().name(shared::policy::parameter("dev")).value(policy).overwrite(true);
        put.r#type(aws_sdk_ssm::types::ParameterType::String).send().await?;
        Ok(())
    }

    /// How many messages people got so far.
    fn heard(&self) -> usize {
        self.deployment.receiver.requests("/slack").len()
    }

    /// Says what people are told after so many messages, in short; the notice.
    ///
    /// # Errors
    /// When nothing more comes.
    async fn told(&self, heard: usize) -> anyhow::Result<Value> {
        self.told_of("", heard).await
    }

    /// The same, of the messages that name a thing.
    ///
    /// # Errors
    /// When nothing more comes.
    async fn told_of(&self, name: &str, heard: usize) -> anyhow::Result<Value> {
        let receiver = &self.deployment.receiver;
        let nth = |path: &str| {
            let names = |request: &Request| String::from_utf8_lossy(&request.body).contains(name);
            receiver.requests(path).into_iter().filter(names).nth(heard)
        };
        let both = until(SOON, async || Ok(nth("/slack").zip(nth("/hook")))).await?;
        let (slack, hook) = both.with_context(|| format!("no message came within {SOON:?}"))?;
        self.say_at(slack.at, Tone::Good, "Slack", "people are told:");
        say::quote("#on-call", &slack::brief(&slack.json()));
        Ok(hook.json())
    }

    /// Invokes a function by hand, as an engineer would; its answer.
    ///
    /// # Errors
    /// When it fails.
    async fn ask(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let client = lambda::Client::new(&self.deployment.config);
        let payload = lambda::primitives::Blob::new(event.to_string());
        let name = self.deployment.output(function)?;
        let answer = client.invoke().function_name(name).payload(payload).send().await?;
        let said: Value = match answer.payload() {
            Some(payload) => serde_json::from_slice(payload.as_ref())?,
            None => Value::Null,
        };
        ensure!(answer.function_error().is_none(), "{event} failed: {said}");
        Ok(said)
    }
}

/// The containers of a task definition that is recorded: one, with this image and these secrets.
fn containers(image: &str, secrets: &Value) -> Value {
    json!({"containerDefinitions": [{
        "name": "app",
        "image": image,
        "essential": true,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
        "secrets": secrets,
    }]})
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
