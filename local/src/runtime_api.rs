//! A double of the Lambda Runtime API: runs a function's binary as the platform does, and measures it.
//!
//! It serves what the Lambda developer guide calls the "Runtime API" (version 2018-06-01) on a loopback port, starts
//! the binary with the environment of a `provided.al2023` function and nothing of our own, and hands it one event at
//! a time. A function that does not answer before its deadline is ended, as the platform would.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

mod platform;

use platform::{Answer, Pending, Platform};

/// How long a start may take; Lambda's own limit for the init phase.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a line that is already written may take to be read.
const LINE_LIMIT: Duration = Duration::from_secs(5);

/// One event, as it will be handed to a function.
#[derive(Debug, Clone)]
pub struct Event {
    payload: Vec<u8>,
    request_id: String,
    timeout: Duration,
}

impl Event {
    /// An event with an id of its own and half a minute to be handled.
    pub fn new(payload: &Value) -> Self {
        Self::raw(payload.to_string())
    }

    /// The same from bytes that need not be JSON.
    pub fn raw(payload: impl Into<Vec<u8>>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            payload: payload.into(),
            request_id: format!("00000000-0000-4000-8000-{count:012x}"),
            timeout: Duration::from_secs(30),
        }
    }

    /// Chooses the invocation's id, as when the platform tries an event again.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = request_id.into();
        self
    }

    /// Chooses how long the function has; after it the process is ended.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function answered.
    Ok(Value),
    /// The function answered that it failed.
    Error {
        /// `errorType`
        kind: String,
        /// `errorMessage`
        message: String,
    },
    /// The function did not answer in time, and its process was ended.
    TimedOut,
    /// The process ended without an answer.
    Exited(ExitStatus),
}

/// An invocation that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// Its id.
    pub request_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When the event was handed over; `None` if the process never asked for it.
    pub handed: Option<Instant>,
    /// From handing over the event to the answer, or to the end of the process.
    pub took: Duration,
}

/// A function's process. Dropping it ends the process.
#[derive(Debug)]
pub struct Function {
    platform: Arc<Platform>,
    pid: u32,
    init: Duration,
    turn: tokio::sync::Mutex<()>,
    answered: AtomicUsize,
    end: Arc<Notify>,
    exit: watch::Receiver<Option<ExitStatus>>,
    output: Output,
    tasks: Vec<JoinHandle<()>>,
}

impl Function {
    /// Starts the binary and waits until it asks for its first event. The environment holds what the platform sets,
    /// overridden and completed by `env`.
    ///
    /// # Errors
    /// When the process ends, reports a failed init or does not ask within ten seconds. The error says which, with
    /// all that the process wrote.
    pub async fn spawn<K, V>(binary: &Path, env: impl IntoIterator<Item = (K, V)>) -> anyhow::Result<Self>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let name = binary.file_name().and_then(OsStr::to_str).unwrap_or("function").to_owned();
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no port for the Lambda Runtime API")?;
        let address = listener.local_addr()?;
        let platform = Arc::new(Platform::new(&name));
        let server = tokio::spawn(platform::serve(listener, Arc::clone(&platform)));

        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(environment(&name))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);

        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id().context("the process ended at once")?;
        let output = Output::default();
        let readers = [
            child.stdout.take().map(|pipe| tokio::spawn(collect(pipe, output.clone(), Stream::Out))),
            child.stderr.take().map(|pipe| tokio::spawn(collect(pipe, output.clone(), Stream::Err))),
        ];
        let end = Arc::new(Notify::new());
        let (exited, exit) = watch::channel(None);
        let keeper = tokio::spawn(keep(child, Arc::clone(&end), exited));

        let mut function = Self {
            platform,
            pid,
            init: Duration::ZERO,
            turn: tokio::sync::Mutex::new(()),
            answered: AtomicUsize::new(0),
            end,
            exit,
            output,
            tasks: readers.into_iter().flatten().chain([server, keeper]).collect(),
        };
        function.init = function.started().await?.duration_since(began);
        Ok(function)
    }

    /// Hands over the event and waits for the end of its invocation. Events are handed over one after another,
    /// however many wait.
    pub async fn invoke(&self, event: Event) -> anyhow::Result<Invoked> {
        let _turn = self.turn.lock().await;
        let Event { payload, request_id, timeout } = event;
        let asked = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "the platform is the one who sets the deadline")]
        let deadline = (SystemTime::now() + timeout).duration_since(UNIX_EPOCH)?;
        let (answer, answered) = oneshot::channel();
        let pending = Pending { payload, request_id: request_id.clone(), deadline, answer };
        self.platform.hand(pending);

        let mut exit = self.exit.clone();
        tokio::select! {
            biased;
            answer = answered => {
                let Answer { outcome, handed, at } = answer.context("the function's event was lost")?;
                self.answered.fetch_add(1, Ordering::Relaxed);
                Ok(Invoked { request_id, outcome, handed: Some(handed), took: at.duration_since(handed) })
            }
            status = exit.wait_for(Option::is_some) => {
                let status = status.context("the process is no longer watched")?.context("no status")?;
                Ok(self.unanswered(request_id, asked, Outcome::Exited(status)))
            }
            () = tokio::time::sleep(timeout) => {
                self.kill().await?;
                Ok(self.unanswered(request_id, asked, Outcome::TimedOut))
            }
        }
    }

    /// From the start of the process to its first request for an event.
    pub const fn init(&self) -> Duration {
        self.init
    }

    /// The most memory that the process ever held, in bytes (`VmHWM` of `/proc/<pid>/status`).
    pub fn peak_rss(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kib = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
            })
            .with_context(|| format!("{path} does not say VmHWM"))?;
        Ok(kib * 1024)
    }

    /// The lines on standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.output.lines(Stream::Out)
    }

    /// The lines on standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.output.lines(Stream::Err)
    }

    /// The report line of the invocation with this id: the JSON object on standard output whose `request_id` it is.
    pub async fn report(&self, request_id: &str) -> anyhow::Result<Value> {
        let of_it = |line: &Value| line.get("request_id").is_some_and(|id| id == request_id);
        let wanted = |output: &Output| output.reports().into_iter().find(of_it);
        self.until(wanted).await.with_context(|| format!("no report of {request_id} in\n{}", self.written()))
    }

    /// Waits until all is read that the process wrote before its answers: a report line for each. A line may still be
    /// in the pipe when the answer to its invocation is here.
    pub async fn reported(&self) -> anyhow::Result<()> {
        let answered = self.answered.load(Ordering::Relaxed);
        let wanted = |output: &Output| (output.reports().len() >= answered).then_some(());
        self.until(wanted)
            .await
            .with_context(|| format!("fewer than {answered} reports in\n{}", self.written()))
    }

    /// What is sought in the output, once it is there.
    async fn until<T>(&self, sought: impl Fn(&Output) -> Option<T>) -> anyhow::Result<T> {
        let found = async {
            loop {
                // Asked for before looking, so that a line between the two is not missed.
                let more = self.output.more.notified();
                if let Some(found) = sought(&self.output) {
                    return found;
                }
                more.await;
            }
        };
        Ok(tokio::time::timeout(LINE_LIMIT, found).await?)
    }

    /// Ends the process as the platform would, without a word, and waits until it is gone. An invocation under way
    /// ends as [`Outcome::Exited`].
    pub async fn kill(&self) -> anyhow::Result<ExitStatus> {
        self.end.notify_one();
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.context("the process is no longer watched")?;
        status.context("no status")
    }

    /// When the process asked for its first event.
    async fn started(&self) -> anyhow::Result<Instant> {
        let mut exit = self.exit.clone();
        let init = tokio::time::timeout(START_LIMIT, async {
            tokio::select! {
                biased;
                init = self.platform.init() => Ok(init),
                status = exit.wait_for(Option::is_some) => Err(status.ok().and_then(|status| *status)),
            }
        });
        let problem = match init.await {
            Ok(Ok(Ok(asked))) => return Ok(asked),
            Ok(Ok(Err(error))) => format!("reported a failed start: {error}"),
            Ok(Err(Some(status))) => format!("ended at its start ({status})"),
            Ok(Err(None)) => "ended at its start".to_owned(),
            Err(_) => format!("did not ask for an event within {} s", START_LIMIT.as_secs()),
        };
        self.kill().await?;
        self.output.closed().await;
        bail!("{} {problem}\n{}", self.platform.name(), self.written())
    }

    fn unanswered(&self, request_id: String, asked: Instant, outcome: Outcome) -> Invoked {
        let handed = self.platform.take_back(&request_id);
        Invoked { request_id, outcome, handed, took: handed.unwrap_or(asked).elapsed() }
    }

    /// All that the process wrote.
    fn written(&self) -> String {
        [self.stdout(), self.stderr()].concat().join("\n")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // The keeper owns the child, which is ended when dropped.
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the platform sets for every function ("Defined runtime environment variables" in the developer guide), with
/// credentials that no AWS knows.
fn environment(name: &str) -> Vec<(&'static str, String)> {
    [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", platform::REGION),
        ("AWS_DEFAULT_REGION", platform::REGION),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/local"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
        ("_HANDLER", "bootstrap"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TZ", ":UTC"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// Waits for the end of the process, or ends it when asked to.
async fn keep(mut child: Child, end: Arc<Notify>, exited: watch::Sender<Option<ExitStatus>>) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = end.notified() => match child.start_kill() {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    // Without a status (it was reaped by another) the watch closes, which says the same.
    if let Ok(status) = status {
        exited.send_replace(Some(status));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// What a process wrote, line by line.
#[derive(Debug, Default, Clone)]
struct Output {
    lines: Arc<Mutex<Vec<(Stream, String)>>>,
    more: Arc<Notify>,
    ended: Arc<watch::Sender<u8>>,
}

impl Output {
    fn push(&self, stream: Stream, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((stream, line));
        self.more.notify_waiters();
    }

    fn lines(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(of, _)| *of == stream).map(|(_, line)| line.clone()).collect()
    }

    /// The report lines so far: log and metric at once.
    fn reports(&self) -> Vec<Value> {
        let lines = self.lines(Stream::Out);
        let read = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        read.filter(|line| line.get("_aws").is_some()).collect()
    }

    /// Waits until both streams are at their end.
    async fn closed(&self) {
        let mut ended = self.ended.subscribe();
        // A grandchild may hold the pipes open; what is there by then is what there is to say.
        let _ = tokio::time::timeout(LINE_LIMIT, ended.wait_for(|&ended| ended == 2)).await;
    }
}

async fn collect(pipe: impl AsyncRead + Unpin, output: Output, stream: Stream) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        output.push(stream, String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    output.ended.send_modify(|ended| *ended += 1);
}

#[cfg(test)]
mod tests;
