//! `wk status --watch` in a terminal of its own: what stands on the screen, and that the terminal is given back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::deployment::until;
use local::proxy::{Fault, Proxy, When};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::{command, home, ready, wk};
use crate::stage::{PATIENCE, Stage, Test};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![
        ("the_dashboard_shows_what_is_wrong_and_gives_the_terminal_back", |stage| shown(stage).boxed_local()),
        ("the_dashboard_answers_keys_while_a_source_hangs_and_says_what_is_denied", |stage| {
            denied(stage).boxed_local()
        }),
        ("the_dashboard_goes_from_one_environment_to_the_next", |stage| environments(stage).boxed_local()),
        ("the_dashboard_is_refused_where_nobody_could_see_it", |stage| refused(stage).boxed_local()),
    ]
}

/// A terminal with `wk` in it.
struct Terminal {
    keys: File,
    /// What `wk` has for its input and output.
    own: OwnedFd,
    before: Termios,
    screen: Arc<Mutex<vt100::Parser>>,
    wk: Child,
}

impl Terminal {
    /// Of so many rows and columns.
    fn open(
        stage: &Stage,
        (rows, columns): (u16, u16),
        words: &[&str],
        endpoint: Option<&str>,
    ) -> anyhow::Result<Self> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None)?;
        let before = tcgetattr(&pair.slave)?;
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (seen, mut from) = (Arc::clone(&screen), File::from(pair.master.try_clone()?));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            // It ends with an error when nobody has the other side any more.
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        let end = || Ok::<_, anyhow::Error>(Stdio::from(pair.slave.try_clone()?));
        let meant = command(stage, words, &[])?;
        let meant = meant.as_std();
        // With a terminal that controls it, it hears when that changes its size.
        let mut wk = Command::new("setsid");
        wk.arg("--ctty").arg(meant.get_program()).args(meant.get_args()).env_clear();
        wk.envs(meant.get_envs().filter_map(|(name, value)| Some((name, value?))));
        wk.env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color");
        if let Some(endpoint) = endpoint {
            wk.env("AWS_ENDPOINT_URL", endpoint);
        }
        let wk = wk.stdin(end()?).stdout(end()?).stderr(end()?).kill_on_drop(true).spawn()?;
        Ok(Self { keys: File::from(pair.master), own: pair.slave, before, screen, wk })
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Waits until all of these words stand on the screen, and none of those.
    async fn shows(&self, words: &[&str], not: &[&str]) -> anyhow::Result<()> {
        let shown = until(PATIENCE, async || {
            let text = self.text();
            let is_there =
                words.iter().all(|word| text.contains(word)) && !not.iter().any(|word| text.contains(word));
            Ok(is_there.then_some(()))
        });
        shown
            .await?
            .with_context(|| format!("{words:?} without {not:?} is not on the screen:\n{}", self.text()))
    }

    fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        Ok(self.keys.write_all(keys.as_bytes())?)
    }

    /// As somebody does who draws the window smaller.
    async fn resize(&self, rows: u16, columns: u16) -> anyhow::Result<()> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen_mut().set_size(rows, columns);
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let mut stty = Command::new("stty");
        stty.args(["rows", &rows, "cols", &columns]).stdin(Stdio::from(self.own.try_clone()?));
        ensure!(stty.status().await?.success(), "the size cannot be changed");
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.wk.id().context("it has ended")?;
        Ok(kill(Pid::from_raw(i32::try_from(id)?), signal)?)
    }

    /// Waits for its end: its exit code, with the terminal as it was.
    async fn ended(mut self, exit: i32, words: &[&str]) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.wk.wait()).await;
        let ended = ended.with_context(|| format!("it does not end:\n{}", self.text()))??;
        self.shows(words, &["WHAT IS WRONG"]).await?;
        ensure!(ended.code() == Some(exit), "it exits with {ended}, not {exit}:\n{}", self.text());
        ensure!(tcgetattr(&self.own)? == self.before, "the terminal reads otherwise than before");
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(!screen.screen().alternate_screen(), "the other screen is still shown");
        ensure!(!screen.screen().hide_cursor(), "the cursor is still hidden");
        Ok(())
    }
}

async fn shown(stage: &Stage) -> anyhow::Result<()> {
    let queue = stage.sqs.create_queue().queue_name("wk-watch").tags("watchkeeper:environment", "dev");
    let queue = queue.send().await?.queue_url.context("no queue")?;
    for number in 0..101 {
        stage.sqs.send_message().queue_url(&queue).message_body(number.to_string()).send().await?;
    }
    let kept =
        || std::fs::metadata(home(stage).join(".local/state/watchkeeper/wk.ndjson")).map_or(0, |it| it.len());
    wk(stage, &["incidents"]).await?.expect(0, &[])?;
    let (before, proxy) = (kept(), Proxy::forwarding(&stage.deployment.aws.endpoint()).await?);

    let words = ["status", "--watch", "--kind", "sqs-queue", "--every", "30s"];
    let mut terminal = Terminal::open(stage, (24, 80), &words, Some(proxy.url()))?;
    // How much stands under it depends on what else goes on there.
    terminal.shows(&["WHAT IS WRONG", "DEGRADED", "only"], &["no data"]).await?;
    terminal.press("\t")?;
    terminal.shows(&["[Wrong", "wk-watch", "more than 100", "do: "], &["WATCHKEEPER DOES"]).await?;
    terminal.resize(10, 40).await?;
    terminal.shows(&["[Wrong", "2 of 7"], &["Services"]).await?;
    terminal.press("?")?;
    terminal.shows(&["KEYS"], &["WHAT IS WRONG"]).await?;
    terminal.press("q")?;
    terminal.shows(&["WHAT IS WRONG"], &["KEYS"]).await?;
    terminal.resize(24, 80).await?;
    // A key that comes with the new size in one breath is read only with the next key.
    terminal.shows(&["Services"], &[]).await?;
    terminal.press("\t\t\t\t")?;
    terminal.shows(&["[Queues", "DEAD LETTERS"], &["no data"]).await?;
    terminal.press("q")?;
    terminal.ended(2, &["as of"]).await?;

    // A look is a look: nothing was written, nobody was told, no letter was received.
    let calls = proxy.calls();
    let reads = ["Describe", "Get", "List", "Query", "BatchGet", "Scan", "Head"];
    let written: Vec<&str> = calls
        .iter()
        .map(|call| call.action.as_str())
        .filter(|action| {
            // Where the call is a path, as Lambda's are, the method says it.
            let looks = |it: &str| it.starts_with("GET ") || reads.iter().any(|read| it.starts_with(read));
            !action.split_once(':').is_some_and(|(_, it)| looks(it))
        })
        .collect();
    ensure!(!calls.is_empty() && written.is_empty(), "it does more than to look: {written:?}");
    ensure!(kept() == before, "its looks are in the journal");

    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let terminal = Terminal::open(stage, (60, 200), &words, None)?;
        terminal.shows(&["DEGRADED", "WHAT IS WRONG"], &[]).await?;
        terminal.signal(signal)?;
        terminal.ended(2, &["as of"]).await?;
    }
    stage.sqs.delete_queue().queue_url(&queue).send().await?;
    Ok(())
}

async fn denied(stage: &Stage) -> anyhow::Result<()> {
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("tag:GetResources", When::Always, Fault::Hang);
    proxy.inject("dynamodb:Query", When::Always, Fault::Deny);
    let mut terminal = Terminal::open(stage, (24, 80), &["status", "--watch"], Some(proxy.url()))?;
    proxy.arrival("tag:GetResources", 1).await;
    terminal.shows(&["NO DATA", "dynamodb:Query", "no data yet"], &[]).await?;
    terminal.press("\t\t")?;
    terminal.shows(&["[Now", "WHAT WATCHKEEPER DOES NOW", "NO DATA"], &["WHAT IS WRONG"]).await?;
    // What comes back is asked for at once.
    proxy.heal();
    let healed = until(PATIENCE, async || {
        (&terminal.keys).write_all(b"r")?;
        let text = terminal.text();
        Ok((text.contains("just now") && !text.contains("NO DATA")).then_some(()))
    });
    healed.await?.context("it is not asked again")?;
    proxy.inject("*", When::Always, Fault::Hang);
    terminal.press("\u{3}")?;
    let ended = tokio::time::timeout(PATIENCE, terminal.wk.wait()).await.context("it does not end")??;
    ensure!(ended.code().is_some(), "it is ended by a signal: {ended}");
    ensure!(tcgetattr(&terminal.own)? == terminal.before, "the terminal reads otherwise than before");

    // Nothing at all can be checked: that is no health.
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    proxy.inject("ssm:GetParameter", When::Always, Fault::Deny);
    let mut terminal = Terminal::open(stage, (24, 80), &["status", "--watch"], Some(proxy.url()))?;
    terminal.shows(&["NOT KNOWN", "ssm:GetParameter"], &[]).await?;
    terminal.press("q")?;
    terminal.ended(3, &["nothing could be checked"]).await
}

/// Other tests have environments there, too.
async fn environments(stage: &Stage) -> anyhow::Result<()> {
    for environment in ["wkseen", "wkunseen"] {
        ready::stack(stage, environment).await?;
    }
    let words = ["--region", ready::ELSEWHERE, "--env", "wkseen", "status", "--watch"];
    let terminal = Terminal::open(stage, (24, 80), &words, None)?;
    terminal.shows(&["wkseen (1 of ", "e: next"], &["wkunseen"]).await?;
    for environment in ["wkunseen (", "wkseen (1 of "] {
        let there = until(PATIENCE, async || {
            (&terminal.keys).write_all(b"e")?;
            Ok(terminal.text().contains(environment).then_some(()))
        });
        there.await?.with_context(|| format!("{environment} is never shown:\n{}", terminal.text()))?;
    }
    terminal.shows(&["NOT KNOWN"], &[]).await?;
    terminal.signal(Signal::SIGTERM)?;
    terminal.ended(3, &["nothing could be checked"]).await
}

async fn refused(stage: &Stage) -> anyhow::Result<()> {
    wk(stage, &["status", "--watch"]).await?.expect(3, &["standard output is none", "wk status"])?;
    let json = wk(stage, &["--output", "json", "status", "--watch"]).await?;
    json.expect(3, &["leave --output json out"])?;
    wk(stage, &["status", "--watch", "--format", "yaml"]).await?.expect(3, &["leave --format out"])?;
    wk(stage, &["status", "--watch", "--every", "5s"]).await?.expect(3, &["from 30s to 1h"])?;
    wk(stage, &["status", "--every", "60s"]).await?.expect(3, &["--watch"]).map(drop)
}
