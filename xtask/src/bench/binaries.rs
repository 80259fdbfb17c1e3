//! What is measured: the functions and the floor, each built by itself with the release profile, and their sizes.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use local::progress::Progress;
use local::runtime_api::Function;
use local::{job, place};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::row::Row;
use crate::corpus::event;
use crate::say::{self, Terminal};

/// The most that a zipped function may weigh, in MB; and one that speaks to two dozen services.
const ZIP_GOAL: f64 = 5.0;
const LARGE_ZIP_GOAL: f64 = 9.0;

/// The function that speaks to all of them.
const HEALTH_CHECK: &str = "health-check";

/// A function to measure.
#[derive(Debug)]
pub(super) struct Subject {
    /// Its package.
    pub(super) name: &'static str,
    /// Where it was built, once somebody needs it.
    built: OnceCell<PathBuf>,
    /// The variables that the template would set.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// An event that it deals with without a call to AWS, where it has the variables of `ignoring`, too.
    pub(super) ignored: Value,
    /// What makes it ignore that.
    pub(super) ignoring: &'static [(&'static str, &'static str)],
}

/// What nothing but the mode keeps from looking by itself.
const OFF: &[(&str, &str)] = &[("MODE", "off")];

impl Subject {
    fn without_settings(name: &'static str) -> Self {
        Self { name, built: OnceCell::new(), variables: &[], ignored: json!({}), ignoring: &[] }
    }

    /// Where it is built. Each is a build of its own, because packages built together share the features of all.
    pub(super) async fn binary(&self) -> anyhow::Result<&Path> {
        let built = self.built.get_or_try_init(|| build(self.name, self.name, &[], &Terminal)).await?;
        Ok(built)
    }

    /// Whether it speaks to so many services that it may weigh more, and take longer to start.
    pub(super) fn is_large(&self) -> bool {
        self.name == HEALTH_CHECK
    }

    /// Starts it so that it ignores its event.
    pub(super) async fn spawn_to_ignore(&self) -> anyhow::Result<Function> {
        let env: Vec<_> = self.ignoring.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        self.spawn(&env).await
    }

    /// Starts it, with further variables.
    pub(super) async fn spawn(&self, env: &[(&str, String)]) -> anyhow::Result<Function> {
        let own = self.variables.iter().map(|&(name, value)| (name, value.to_owned()));
        Function::spawn(self.binary().await?, own.chain(env.iter().cloned())).await
    }
}

/// All that is measured.
#[derive(Debug)]
pub(super) struct Subjects {
    /// The empty function.
    pub(super) floor: Subject,
    /// The bare calls of emptying a dead-letter queue.
    pub(super) bare: Subject,
    /// What rolls back.
    pub(super) alarm_rollback: Subject,
    /// What follows it to its end.
    pub(super) deployment_watch: Subject,
    /// What reads dead letters.
    pub(super) dlq_triage: Subject,
    /// What checks everything.
    pub(super) health_check: Subject,
    /// What tells people.
    pub(super) notification_fanout: Subject,
    /// What scales services on their queues.
    pub(super) queue_scale: Subject,
    /// What redeploys whoever uses a secret.
    pub(super) secret_redeploy: Subject,
    /// The hook that rotates secrets.
    pub(super) secret_rotation: Subject,
}

impl Subjects {
    /// Nothing is built before somebody needs it.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            floor: Subject::without_settings("floor"),
            bare: Subject::without_settings("bare"),
            health_check: health_check()?,
            queue_scale: queue_scale()?,
            alarm_rollback: Subject {
                name: "alarm-rollback",
                built: OnceCell::new(),
                variables: &[
                    ("ENVIRONMENT", "dev"),
                    ("MODE", "act"),
                    ("LEDGER_TABLE", "ledger"),
                    ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
                    ("TIMERS_QUEUE_URL", "http://127.0.0.1/123456789012/timers"),
                    ("CLUSTERS", "*"),
                    ("FUNCTIONS", "*"),
                    ("STACKS", "*"),
                ],
                ignored: event("alarm-rollback/eventbridge-insufficient-data.json")?,
                ignoring: &[],
            },
            deployment_watch: Subject {
                name: "deployment-watch",
                built: OnceCell::new(),
                variables: &[
                    ("ENVIRONMENT", "dev"),
                    ("MODE", "act"),
                    ("LEDGER_TABLE", "ledger"),
                    ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
                    ("TIMERS_QUEUE_URL", "http://127.0.0.1/123456789012/timers"),
                    ("REDEPLOYS_QUEUE_URL", "http://127.0.0.1/123456789012/redeploys"),
                    ("CLUSTERS", "*"),
                ],
                ignored: json!({"Records": []}),
                ignoring: &[],
            },
            dlq_triage: Subject {
                name: "dlq-triage",
                built: OnceCell::new(),
                variables: &[
                    ("ENVIRONMENT", "dev"),
                    ("MODE", "act"),
                    ("QUEUES", "*"),
                    ("LEDGER_TABLE", "ledger"),
                    ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
                    ("TRIAGES_QUEUE_URL", "http://127.0.0.1/123456789012/triages"),
                    ("ARCHIVE_BUCKET", "archive"),
                ],
                ignored: event("dlq-triage/alarm-ok.json")?,
                ignoring: &[],
            },
            notification_fanout: Subject {
                name: "notification-fanout",
                built: OnceCell::new(),
                variables: &[
                    ("ENVIRONMENT", "dev"),
                    ("LEDGER_TABLE", "ledger"),
                    (
                        "CHANNELS_SECRET_ARN",
                        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:channels",
                    ),
                    ("NOTICES_QUEUE_URL", "http://127.0.0.1/123456789012/notices"),
                    ("REMINDERS_QUEUE_URL", "http://127.0.0.1/123456789012/reminders"),
                    ("ACKNOWLEDGE_URL", "https://acknowledge.example/"),
                    (
                        "ACKNOWLEDGE_KEY_ARN",
                        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:acknowledge",
                    ),
                    ("DEAD_LETTERS_URL", "http://127.0.0.1/123456789012/dead-letters"),
                ],
                ignored: event("notification-fanout/empty-batch.json")?,
                ignoring: &[],
            },
            secret_redeploy: Subject {
                name: "secret-redeploy",
                built: OnceCell::new(),
                variables: &[
                    ("ENVIRONMENT", "dev"),
                    ("MODE", "act"),
                    ("LEDGER_TABLE", "ledger"),
                    ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
                    ("TIMERS_QUEUE_URL", "http://127.0.0.1/123456789012/timers"),
                    ("REDEPLOYS_QUEUE_URL", "http://127.0.0.1/123456789012/redeploys"),
                    ("SETTLEMENTS_QUEUE_URL", "http://127.0.0.1/123456789012/settlements"),
                    ("CLUSTERS", "*"),
                ],
                ignored: event("secret-redeploy/call-put-secret-value.json")?,
                ignoring: &[],
            },
            secret_rotation: Subject {
                name: "secret-rotation",
                built: OnceCell::new(),
                variables: &[("ENVIRONMENT", "dev"), ("LEDGER_TABLE", "ledger")],
                ignored: event("secret-rotation/settlements-empty.json")?,
                ignoring: &[],
            },
        })
    }

    /// The functions that deal with an event without a call to AWS, without the floor.
    pub(super) fn functions(&self) -> [&Subject; 8] {
        [
            &self.alarm_rollback,
            &self.deployment_watch,
            &self.dlq_triage,
            &self.health_check,
            &self.notification_fanout,
            &self.queue_scale,
            &self.secret_redeploy,
            &self.secret_rotation,
        ]
    }

    /// The floor, and the functions.
    pub(super) fn all(&self) -> [&Subject; 9] {
        let [one, two, three, four, five, six, seven, eight] = self.functions();
        [&self.floor, one, two, three, four, five, six, seven, eight]
    }
}

fn health_check() -> anyhow::Result<Subject> {
    Ok(Subject {
        name: HEALTH_CHECK,
        built: OnceCell::new(),
        variables: &[
            ("ENVIRONMENT", "dev"),
            ("MODE", "observe"),
            ("LEDGER_TABLE", "ledger"),
            ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
            ("STATUS_BUCKET", "status"),
        ],
        ignored: event("health-check/schedule.json")?,
        ignoring: OFF,
    })
}

fn queue_scale() -> anyhow::Result<Subject> {
    Ok(Subject {
        name: "queue-scale",
        built: OnceCell::new(),
        variables: &[
            ("ENVIRONMENT", "dev"),
            ("MODE", "act"),
            ("CLUSTERS", "*"),
            ("LEDGER_TABLE", "ledger"),
            ("NOTICES_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
        ],
        ignored: event("queue-scale/schedule.json")?,
        ignoring: OFF,
    })
}

/// How large the functions are, as they are built and as they are deployed.
pub(super) async fn rows(subjects: &Subjects) -> anyhow::Result<Vec<Row>> {
    let floor = Size::of(subjects.floor.binary().await?)?;
    let mut rows = Vec::new();
    for function in subjects.functions() {
        let goal = if function.is_large() { LARGE_ZIP_GOAL } else { ZIP_GOAL };
        let size = Size::of(function.binary().await?)?;
        rows.push(Row::new(function.name, "binary", "MB", size.binary).beside(floor.binary));
        rows.push(Row::new(function.name, "zip", "MB", size.zip).beside(floor.zip).at_most(goal));
    }
    Ok(rows)
}

/// Builds the binary of a package by itself, with the release profile and these arguments.
pub(super) async fn build(
    package: &str,
    name: &str,
    arguments: &[&str],
    progress: &dyn Progress,
) -> anyhow::Result<PathBuf> {
    progress.step(&format!("Building {package} with the release profile"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let log = place::local().join("bench").join(format!("build-{package}.log"));
    let mut command = job::cleaned(cargo);
    command.current_dir(place::root()).args([
        "build",
        "--release",
        "--package",
        package,
        "--message-format",
        "json-render-diagnostics",
    ]);
    command.args(arguments);
    let mut binary = None;
    let ended = job::run(&mut command, &log, |line| match serde_json::from_str(line) {
        Ok(message) => binary = executable(&message, name).or(binary.take()),
        Err(_) => progress.detail(line.trim_start()),
    })
    .await?;
    if !ended.status.success() {
        bail!(
            "{package} does not build; all cargo said is in {}. The end of it:\n{}",
            place::shown(&log),
            ended.last.join("\n")
        );
    }
    let binary = binary.with_context(|| format!("cargo does not say where the binary of {package} is"))?;
    say::line(&format!("    {package}: {}", place::shown(&binary)));
    Ok(binary)
}

/// The path in cargo's message that says that the binary of this name is built.
fn executable(message: &Value, wanted: &str) -> Option<PathBuf> {
    let is_it = message.pointer("/target/name").is_some_and(|name| name == wanted);
    message.get("executable").filter(|_| is_it)?.as_str().map(PathBuf::from)
}

/// In MB.
struct Size {
    binary: f64,
    zip: f64,
}

impl Size {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let binary = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(0o755);
        zip.start_file("bootstrap", options)?;
        zip.write_all(&binary)?;
        let zip = zip.finish()?.into_inner();
        Ok(Self { binary: megabytes(binary.len() as u64), zip: megabytes(zip.len() as u64) })
    }
}

/// Bytes in MB, which are a million bytes.
pub(super) fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]
    let bytes = bytes as f64;
    bytes / 1e6
}
