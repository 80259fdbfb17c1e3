//! Child processes that leave nothing behind.
//!
//! Every child leads a process group of its own, and the group is killed when its owner lets go of it: at the end,
//! on an error, and when a signal ends the work (see [`interrupted`]).

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, dup2_stdout, setsid};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How many of a job's last lines are kept for an error message.
const LAST_LINES: usize = 40;

/// A running child and everything it starts.
#[derive(Debug)]
pub struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    /// Starts the command as the leader of a new process group.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        // What a killed group leaves falls to this process, which can then wait for it.
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_child_subreaper(true).context("cannot take in orphans")?;
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { child, leader })
    }

    /// The child itself.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The leader's process id.
    pub fn id(&self) -> Option<i32> {
        self.leader.map(Pid::as_raw)
    }

    /// Ends the group. Letting go of the value does the same, but blocks meanwhile.
    pub async fn stop(self) {
        // Only a panic in the drop could fail, and there is none.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Group {
    /// Kills the group and waits for its processes, so that not even their exit statuses are left. The wait is short:
    /// none of them can refuse.
    fn drop(&mut self) {
        let Some(leader) = self.leader else { return };
        // It may be gone already; then there is nothing left to do.
        let _: Result<(), Errno> = killpg(leader, Signal::SIGKILL);
        while !matches!(waitpid(Pid::from_raw(-leader.as_raw()), None), Err(error) if error != Errno::EINTR) {
        }
    }
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The last lines of its output, oldest first.
    pub last: Vec<String>,
}

/// Runs a command to its end. What it prints goes to the log, line by line, and to `each_line`.
pub async fn run(
    command: &mut Command,
    log: &Path,
    mut each_line: impl FnMut(&str) + Send,
) -> anyhow::Result<Ended> {
    let mut file = create(log)?;
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (lines, mut read) = mpsc::channel(64);
    forward(group.child().stdout.take(), lines.clone());
    forward(group.child().stderr.take(), lines);

    let mut last = VecDeque::new();
    while let Some(line) = read.recv().await {
        writeln!(file, "{line}").with_context(|| format!("cannot write {}", log.display()))?;
        each_line(&line);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    let status = group.child().wait().await?;
    Ok(Ended { status, last: last.into() })
}

/// An empty file at the path, with the folders above it.
pub fn create(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn forward(stream: Option<impl AsyncRead + Unpin + Send + 'static>, lines: mpsc::Sender<String>) {
    let Some(stream) = stream else { return };
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while let Ok(1..) = stream.read_until(b'\n', &mut bytes).await {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if lines.send(line).await.is_err() {
                break;
            }
        }
    });
}

/// Takes the variables away by which a parent `cargo`, an AWS profile or a tracing set-up would change what a
/// child does.
pub fn cleaned(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let unwanted = text.starts_with("AWS_")
            || text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("PYTHON")
            || text.starts_with("SAM_CLI_")
            || matches!(
                text,
                "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "VIRTUAL_ENV"
            );
        if unwanted {
            command.env_remove(&name);
        }
    }
    command
}

/// Leaves the terminal's session, so that this process outlives whoever started it.
///
/// # Errors
/// When the process leads a group already.
pub fn leave_session() -> anyhow::Result<()> {
    setsid().map(drop).context("cannot begin a session of its own")
}

/// Ends this process's output, which is how whoever reads it learns that there is no more; later output is lost.
///
/// # Errors
/// When there is no null device.
pub fn close_stdout() -> anyhow::Result<()> {
    let null = File::options().write(true).open("/dev/null").context("cannot open /dev/null")?;
    dup2_stdout(null).context("cannot close the output")
}

/// Asks a process to end.
pub fn terminate(process: i32) {
    // One that is gone needs no asking.
    let _: Result<(), Errno> = kill(Pid::from_raw(process), Signal::SIGTERM);
}

/// Ends a process that did not do so when it was asked.
pub fn end(process: i32) {
    let _: Result<(), Errno> = kill(Pid::from_raw(process), Signal::SIGKILL);
}

/// Ends when the process is asked to end: Ctrl-C, `kill`, or a terminal that closes. Whoever awaits it beside the
/// work drops the work, and with it every [`Group`].
///
/// # Errors
/// When the process may not listen to signals.
pub async fn interrupted() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("interrupted"),
        _ = terminate.recv() => Ok("terminated"),
        _ = hangup.recv() => Ok("the terminal closed"),
    }
}
