//! `cargo xtask local`: a deployed local AWS that outlives the command.
//!
//! One process, the holder, owns MiniStack, the functions and the receiver, and all of it ends with the holder. It
//! keeps a lock as long as it lives, so that a stale file never passes for a running process.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use local::aws::{Port, STACK, is_closed_within, is_ready};
use local::deployment::{Deployment, Options, take, until};
use local::receiver::Receiver;
use local::{job, place};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::demo;
use crate::say::{self, Terminal, Tone};

/// How long the holder may take to end everything.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The key that local webhooks are signed with.
pub(crate) const SIGNING_KEY: &str = "local-signing-key";

/// The same deployed local AWS, by hand.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Start it and deploy the template; target/local/env then holds what a shell needs.
    Up(Up),
    /// End it and remove what it left.
    Down,
    /// Say whether it runs, and where.
    Status,
}

/// How to start it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Up {
    /// The port local AWS listens on.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// What Watchkeeper may do.
    #[arg(long, default_value = "act", value_parser = ["off", "observe", "act"])]
    mode: String,
}

/// What the holder does before it holds.
#[derive(Debug, Subcommand)]
pub(crate) enum Held {
    /// Deploy.
    Local(Up),
    /// Deploy and show the demo.
    Demo,
}

/// What the holder says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    process: i32,
    port: u16,
    receiver: String,
}

fn lock_file() -> PathBuf {
    place::local().join("running.lock")
}

fn state_file() -> PathBuf {
    place::local().join("running.json")
}

fn env_file() -> PathBuf {
    place::local().join("env")
}

fn received_file() -> PathBuf {
    place::local().join("received.jsonl")
}

/// Runs one of the tasks.
pub(crate) async fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Up(up) => {
            if let Some(running) = running()? {
                say::line(&format!("Local AWS is up already, at http://127.0.0.1:{}.", running.port));
                return Ok(ExitCode::SUCCESS);
            }
            say::title("Local AWS", "MiniStack with IAM enforced, and template.yaml deployed to it.");
            say::line("");
            let port = up.port.to_string();
            start(&["local", "--port", &port, "--mode", &up.mode]).await
        }
        Task::Down => down().await,
        Task::Status => status().await,
    }
}

/// Starts a holder and shows what it prints until it is ready.
pub(crate) async fn start(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    if running()?.is_some() {
        bail!("local AWS is up already; end it first: cargo xtask local down");
    }
    let log = job::create(&place::local().join("holder.log"))?;
    let this = std::env::current_exe().context("cannot tell which program this is")?;
    let mut holder = Command::new(this)
        .arg("hold")
        .args(arguments)
        .env(say::LOOK, say::look_for_others())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start the process that holds local AWS")?;
    let process = holder.id().and_then(|id| i32::try_from(id).ok()).context("the holder ended at once")?;
    let unfinished = Unfinished(Some(process));

    let mut output = holder.stdout.take().context("the holder has no output")?;
    let mut bytes = vec![0; 8192];
    while let Ok(count @ 1..) = output.read(&mut bytes).await {
        say::raw(bytes.get(..count).unwrap_or_default());
    }
    // The output ends when the holder is ready, and when it has failed; only a ready one has said so.
    if running()?.is_some_and(|running| running.process == process) {
        unfinished.forget();
        return Ok(ExitCode::SUCCESS);
    }
    holder.wait().await?;
    unfinished.forget();
    Ok(ExitCode::FAILURE)
}

/// A holder that is not ready yet, and ends if its starter does.
struct Unfinished(Option<i32>);

impl Unfinished {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(process) = self.0 {
            job::terminate(process);
        }
    }
}

/// The holder itself.
pub(crate) async fn hold(held: Held) -> anyhow::Result<ExitCode> {
    job::leave_session()?;
    let _lock: File = take(&lock_file())?.context("local AWS is up already")?;
    forget();
    let (deployment, ready) = match held {
        Held::Local(up) => (deploy(&up).await?, Vec::new()),
        Held::Demo => match demo::show().await? {
            (deployment, true) => {
                let commands = demo::commands();
                (deployment, commands)
            }
            (_, false) => return Ok(ExitCode::FAILURE),
        },
    };
    let running = Running {
        process: i32::try_from(std::process::id())?,
        port: deployment.aws.port(),
        receiver: deployment.receiver.url(),
    };
    write_env(&deployment)?;
    std::fs::write(state_file(), serde_json::to_string(&running)?).context("cannot write the state")?;
    greet(&deployment, &ready);
    job::close_stdout()?;

    keep_what_comes(&deployment.receiver).await?;
    drop(deployment);
    Ok(ExitCode::SUCCESS)
}

async fn deploy(up: &Up) -> anyhow::Result<Deployment> {
    let options = Options {
        port: Port::Fixed(up.port),
        name: "up",
        channels,
        parameters: &[("Environment", "dev"), ("Mode", &up.mode)],
        environment: &[],
    };
    Deployment::start(options, &Terminal).await
}

/// One channel of each kind, both at the receiver.
pub(crate) fn channels(receiver: &str) -> Value {
    json!({"channels": [
        {"name": "on-call", "type": "slack", "url": format!("{receiver}/slack")},
        {"name": "audit", "type": "webhook", "url": format!("{receiver}/hook"), "secret": SIGNING_KEY},
    ]})
}

fn write_env(deployment: &Deployment) -> anyhow::Result<()> {
    let mut text =
        "# Local AWS as its administrator, and the stack's outputs: `. target/local/env`\n".to_owned();
    for (name, value) in deployment.aws.environment() {
        writeln!(text, "export {name}='{value}'")?;
    }
    for (name, value) in &deployment.outputs {
        writeln!(text, "export WATCHKEEPER_{}='{value}'", snake_capitals(name))?;
    }
    writeln!(text, "export PATH='{}':\"$PATH\"", place::tools().join("venv/bin").display())?;
    std::fs::write(env_file(), text).context("cannot write the exports")
}

/// `AlarmsTopicArn` as `ALARMS_TOPIC_ARN`.
fn snake_capitals(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

fn greet(deployment: &Deployment, commands: &[&str]) {
    say::line("");
    say::item(Tone::Good, "✓", &format!("Local AWS is up at {}.", deployment.aws.endpoint()));
    say::item(Tone::Plain, " ", &format!("Stack {STACK}; what people are told comes to"));
    say::item(Tone::Plain, " ", &format!("{} and is kept in", deployment.receiver.url()));
    say::item(Tone::Plain, " ", &format!("{}.", place::shown(&received_file())));
    say::line("");
    say::line("  Poke at it:");
    say::line("    . target/local/env");
    for command in commands {
        say::line(&format!("    {command}"));
    }
    say::line("    tail -f target/local/received.jsonl");
    say::line("  End it:");
    say::line("    cargo xtask local down");
}

/// Writes down what comes to the receiver, as it comes, until the holder is ended.
async fn keep_what_comes(receiver: &Receiver) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut file = job::create(&received_file())?;
    let mut seen = 0;
    loop {
        let all = receiver.all();
        for request in all.iter().skip(seen) {
            let body: Value = serde_json::from_slice(&request.body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into());
            writeln!(file, "{}", json!({"path": request.path, "body": body}))?;
        }
        seen = all.len();
        receiver.wait_beyond(seen).await;
    }
}

/// The holder that runs; `None` when none does, whatever a file says.
fn running() -> anyhow::Result<Option<Running>> {
    if take(&lock_file())?.is_some() {
        return Ok(None);
    }
    let Ok(text) = std::fs::read_to_string(state_file()) else {
        bail!("local AWS is being started by another command; wait for it, or end that command");
    };
    serde_json::from_str(&text).map(Some).context("the state of the running local AWS cannot be read")
}

async fn status() -> anyhow::Result<ExitCode> {
    let Some(running) = running()? else {
        say::line("Local AWS is down.");
        return Ok(ExitCode::FAILURE);
    };
    let answers =
        if is_ready(running.port).await { "is up and answers" } else { "is up but does not answer" };
    say::line(&format!("Local AWS {answers} at http://127.0.0.1:{}.", running.port));
    say::line(&format!("  held by   process {}", running.process));
    say::line(&format!("  receiver  {}", running.receiver));
    say::line(&format!("  exports   {}", place::shown(&env_file())));
    Ok(ExitCode::SUCCESS)
}

async fn down() -> anyhow::Result<ExitCode> {
    let Some(running) = running()? else {
        forget();
        say::line("Local AWS is down.");
        return Ok(ExitCode::SUCCESS);
    };
    job::terminate(running.process);
    let released = async || Ok(take(&lock_file())?.map(drop));
    if until(END_WITHIN, released).await?.is_none() {
        job::end(running.process);
    }
    if !is_closed_within(running.port, END_WITHIN).await {
        bail!("local AWS still listens on port {}", running.port);
    }
    forget();
    say::line("Local AWS is ended and nothing of it is left running.");
    Ok(ExitCode::SUCCESS)
}

/// Removes what a holder that is gone left behind; the logs stay.
fn forget() {
    for file in [state_file(), env_file()] {
        // What is not there need not be removed.
        let _ = std::fs::remove_file(file);
    }
}

#[cfg(test)]
mod tests {
    use super::snake_capitals;

    #[test]
    fn an_output_becomes_a_variable() {
        assert_eq!(snake_capitals("AlarmsTopicArn"), "ALARMS_TOPIC_ARN");
        assert_eq!(snake_capitals("LedgerTable"), "LEDGER_TABLE");
    }
}
