//! `wk` as a process, at the deployed stack: what it says, what it changes, and how it exits.

mod interrupted;
mod letters;
mod notices;
mod ready;
mod services;
mod snapshot;
mod watch;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::process::Command;

use crate::rig::put_policy;
use crate::stage::{PATIENCE, POLICY, Stage, Test};
use crate::world::{CLUSTER, World};

/// The name that the tests' binary is `wk` under.
const NAME: &str = "wk";

/// Whether this process is to be `wk`.
pub(crate) fn is_meant() -> bool {
    let called = std::env::args_os().next();
    called.is_some_and(|called| Path::new(&called).file_name().is_some_and(|name| name == NAME))
}

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests: [(&str, Test); 4] = [
        ("a_rollback_is_planned_first_and_carried_out_when_asked", |stage| rollback(stage).boxed_local()),
        ("production_asks_for_the_word_and_without_it_nothing_happens", |stage| {
            production(stage).boxed_local()
        }),
        ("what_is_checked_is_shown_and_the_exit_code_tells", |stage| status(stage).boxed_local()),
        ("wrong_usage_and_what_is_missing_are_said_in_words", |stage| wrong(stage).boxed_local()),
    ];
    let more = [
        interrupted::tests(),
        letters::tests(),
        notices::tests(),
        ready::tests(),
        services::tests(),
        watch::tests(),
    ];
    tests
        .into_iter()
        .chain(more.into_iter().flatten())
        .map(|(name, test)| (format!("wk::{name}"), test))
        .collect()
}

/// What a command said.
#[derive(Debug)]
struct Said {
    words: Vec<String>,
    exit: i32,
    out: String,
    error: String,
}

impl Said {
    fn expect(self, exit: i32, words: &[&str]) -> anyhow::Result<Self> {
        let all = format!("{}{}", self.out, self.error);
        let missing: Vec<_> = words.iter().filter(|word| !all.contains(**word)).collect();
        ensure!(
            self.exit == exit && missing.is_empty(),
            "exit {exit} and {missing:?} are missing: {self:#?}"
        );
        Ok(self)
    }

    fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {self:#?}"))
    }
}

async fn wk(stage: &Stage, words: &[&str]) -> anyhow::Result<Said> {
    with(stage, words, &[]).await
}

/// Where it keeps what it keeps; made anew with each stage.
fn home(stage: &Stage) -> PathBuf {
    stage.deployment.folder.join("wk-home")
}

/// The same with other variables in place of some.
async fn with(stage: &Stage, words: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Said> {
    let ended = command(stage, words, variables)?.output();
    let ended = tokio::time::timeout(PATIENCE, ended).await.context("it does not end")??;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    let exit = ended.status.code().unwrap_or(-1);
    Ok(Said { words, exit, out: text(ended.stdout), error: text(ended.stderr) })
}

/// `wk`, as it is begun.
fn command(stage: &Stage, words: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Command> {
    let home = home(stage);
    std::fs::create_dir_all(&home)?;
    let program = home.join(NAME);
    if !program.exists() {
        symlink(std::env::current_exe()?, &program)?;
    }
    let roots = stage.deployment.folder.join("roots.pem");
    let mut wk = Command::new(&program);
    wk.args(words)
        .env_clear()
        .envs(stage.deployment.aws.environment())
        .env("SSL_CERT_FILE", roots)
        .env("HOME", &home)
        .env("USER", "ann")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(wk)
}

async fn rollback(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-rollback").await?;
    let target = format!("ecs:{CLUSTER}/wk-rollback");
    wk(stage, &["diagnose", &target])
        .await?
        .expect(0, &[&target, "proposed", "wk-rollback:1"])?
        .shown("diagnose")?;
    let plan = wk(stage, &["rollback", &target]).await?;
    plan.expect(0, &["proposed", "nothing was changed", "--apply", "with your own credentials"])?
        .shown("rollback-plan")?;
    let remote = wk(stage, &["--remote", "--output", "json", "rollback", &target]).await?.expect(0, &[])?;
    ensure!(remote.json()?["outcome"] == "proposed", "{remote:#?}");
    world.expect_revision(2).await?;

    let done = wk(stage, &["rollback", &target, "--apply", "--by", "ben"]).await?;
    let done = done
        .expect(0, &["rolled back", "take it back", "aws ecs update-service", "--undo", "wk monitor"])?
        .shown("rollback-done")?;
    ensure!(!done.out.contains("\"_aws\""), "a log line is in the answer: {done:#?}");
    world.expect_revision(1).await?;
    let heard = world.notices(1).await?;
    ensure!(heard[0].to_string().contains("ben"), "nobody is told who asked: {:#}", heard[0]);
    let kept = home(stage).join(".local/state/watchkeeper/wk.ndjson");
    let kept = std::fs::read_to_string(kept)?;
    ensure!(kept.contains("\"alarm-rollback\"") && kept.contains(&target), "it keeps no record: {kept}");

    // It is in the ledger as it is for an alarm: a second one at once is held.
    wk(stage, &["rollback", "wk-rollback", "--apply"])
        .await?
        .expect(1, &["held", "wk audit says"])?
        .shown("rollback-held")?;
    world.expect_revision(1).await?;
    // A plan is anybody's, a deed is somebody's.
    let nobody = [("USER", "")];
    with(stage, &["rollback", &target], &nobody).await?.expect(1, &["held"])?;
    with(stage, &["rollback", &target, "--apply"], &nobody).await?.expect(3, &["--by"])?;
    world.expect_revision(1).await
}

async fn production(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-production").await?;
    let target = format!("ecs:{CLUSTER}/wk-production");
    put_policy(stage, "dev", &format!("production: true\n{POLICY}")).await?;
    let ended = async {
        wk(stage, &["rollback", &target]).await?.expect(0, &["proposed"])?;
        let without = wk(stage, &["rollback", &target, "--apply"]).await?;
        without.expect(1, &["dev is production", "--confirm ROLLBACK"])?.shown("rollback-production")?;
        let other = wk(stage, &["rollback", &target, "--apply", "--confirm", "rollback"]).await?;
        other.expect(1, &["the word is ROLLBACK"])?;
        world.expect_revision(2).await?;
        wk(stage, &["rollback", &target, "--apply", "--confirm", "ROLLBACK"])
            .await?
            .expect(0, &["rolled back"])?;
        world.expect_revision(1).await
    };
    let ended = ended.await;
    put_policy(stage, "dev", POLICY).await?;
    ended
}

async fn status(stage: &Stage) -> anyhow::Result<()> {
    let queue = stage.sqs.create_queue().queue_name("wk-status").tags("watchkeeper:environment", "dev");
    let queue = queue.send().await?.queue_url.context("no queue")?;
    let asked = ["status", "--kind", "sqs-queue", "--format"];
    let of = |format: &'static str| [asked.as_slice(), &[format]].concat();
    let all = wk(stage, &of("json")).await?;
    let all: Value = serde_json::from_str(&all.out).with_context(|| format!("{all:#?}"))?;
    let health = |all: &Value| -> Option<String> {
        let found = all["components"].as_array()?.iter().find(|it| it["name"] == "wk-status")?;
        Some(found["health"].as_str()?.to_owned())
    };
    ensure!(health(&all).as_deref() != Some("degraded"), "{all:#}");
    for number in 0..101 {
        stage.sqs.send_message().queue_url(&queue).message_body(number.to_string()).send().await?;
    }
    let table = wk(stage, &of("table")).await?.expect(2, &["wk-status", "degraded"])?;
    table.lines_with(&["STATE", "wk-status"]).shown("status")?;
    let json = wk(stage, &["--output", "json", "status", "--kind", "sqs-queue"]).await?.expect(2, &[])?;
    ensure!(health(&json.json()?).as_deref() == Some("degraded"), "{json:#?}");
    wk(stage, &["--remote", "status", "--kind", "sqs-queue", "--format", "yaml"])
        .await?
        .expect(2, &["wk-status"])?;
    wk(stage, &["status", "--kind", "queue"]).await?.expect(3, &["'queue'", "sqs-queue"])?;
    stage.sqs.delete_queue().queue_url(&queue).send().await?;
    Ok(())
}

async fn wrong(stage: &Stage) -> anyhow::Result<()> {
    wk(stage, &["rolback", "ecs:demo/web"]).await?.expect(3, &["rollback"])?;
    wk(stage, &["--help"]).await?.expect(0, &["Exit codes:"])?;
    wk(stage, &["--env", "moon", "status"])
        .await?
        .expect(3, &["no stack of Watchkeeper watches moon", "dev"])?;
    with(stage, &["status"], &[("WK_ENV", "moon")]).await?.expect(3, &["moon"])?;
    let stranger = [("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nobody")];
    let denied = with(stage, &["status"], &stranger).await?;
    denied.expect(3, &["cloudformation:DescribeStacks"])?;
    let strange = wk(stage, &["--profile", "nobody-has-this", "status"]).await?;
    strange.expect(3, &["the profile nobody-has-this gives no credentials"])?;
    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    with(stage, &["status"], &nowhere).await?.expect(3, &["AWS cannot be asked"])?;
    wk(stage, &["rollback", "web"]).await?.expect(3, &["there is no service web"])?;
    wk(stage, &["diagnose", "ecs:demo/none"])
        .await?
        .expect(3, &["there is no service of that name", "wk diagnose"])?
        .shown("diagnose-missing")?;
    wk(stage, &["rollback", "lambda:orders"]).await?.expect(3, &["lambda:<function>:<alias>"])?;

    wk(stage, &["policy", "check"]).await?.expect(0, &["can be read"])?.shown("policy-check")?;
    let file = home(stage).join("policy.yaml");
    let file_name = file.to_string_lossy().into_owned();
    std::fs::write(&file, "health:\n  digest: {weekly: mon}\n")?;
    wk(stage, &["policy", "check", &file_name]).await?.expect(1, &["line 2", "health.digest.weekly"])?;
    let example = wk(stage, &["policy", "init"]).await?.expect(0, &[])?;
    std::fs::write(&file, &example.out)?;
    wk(stage, &["policy", "check", &file_name]).await?.expect(0, &["can be read"])?;
    wk(stage, &["policy", "schema"]).await?.expect(0, &["$schema"])?;
    wk(stage, &["completions", "bash"]).await?.expect(0, &["complete"])?;
    wk(stage, &["man"]).await?.expect(0, &[".TH"]).map(drop)
}
