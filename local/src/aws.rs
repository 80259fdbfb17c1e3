//! Local AWS: one MiniStack, with IAM enforced, that lives no longer than its owner.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
pub use aws_config::SdkConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudformation::config::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::build::{Build, sam};
use crate::job::{self, Group};
use crate::place;
use crate::progress::Progress;
use crate::setup::Tools;

/// The Region of everything local.
pub const REGION: &str = "eu-central-1";

/// The account of everything local.
pub const ACCOUNT: &str = "123456789012";

/// The administrator's access key. MiniStack takes it for the root user; the functions get keys of their own roles.
pub const ACCESS_KEY_ID: &str = "test";

/// The administrator's secret key.
pub const SECRET_ACCESS_KEY: &str = "test";

/// The stack that the template is deployed as.
pub const STACK: &str = "watchkeeper-local";

/// How long MiniStack may take until it answers; it needs a third of a second.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How often a start on a free port is tried, because another process may take the port in between.
const ATTEMPTS: u32 = 3;

/// Where local AWS listens, always on the loopback interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// On a port that is free.
    Free,
    /// On this one, or not at all.
    Fixed(u16),
}

/// What a stack says of itself, by name.
pub type Outputs = BTreeMap<String, String>;

/// A running MiniStack.
#[derive(Debug)]
pub struct LocalAws {
    port: u16,
    folder: PathBuf,
    tools: Tools,
    group: Group,
    /// Closing this ends the process group, see `leash.py`.
    _leash: ChildStdin,
}

impl LocalAws {
    /// Starts MiniStack and waits until it answers. Its log and state go under the folder; the functions inherit
    /// the environment variables.
    ///
    /// # Errors
    /// When the port is taken, or MiniStack ends or does not answer; the text says what to do.
    pub async fn start(
        tools: &Tools,
        port: Port,
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder.join("tmp"))
            .with_context(|| format!("cannot create {}", folder.display()))?;
        match port {
            Port::Fixed(port) if !is_free(port) => bail!(
                "Port {port} is in use, so local AWS cannot listen there. Stop what uses it (see `lsof -i :{port}`), \
                 or choose another port with --port."
            ),
            Port::Fixed(port) => Self::launch(tools, port, folder, environment).await,
            Port::Free => {
                let mut attempt = 1;
                loop {
                    let port = free_port()?;
                    match Self::launch(tools, port, folder, environment).await {
                        Err(_) if attempt < ATTEMPTS && !is_free(port) => attempt += 1,
                        result => return result,
                    }
                }
            }
        }
    }

    async fn launch(
        tools: &Tools,
        port: u16,
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let log = folder.join("ministack.log");
        let output = job::create(&log)?;
        let leash = folder.join("leash.py");
        std::fs::write(&leash, include_str!("leash.py"))
            .with_context(|| format!("cannot write {}", leash.display()))?;
        let endpoint = endpoint(port);
        // The functions inherit this environment, so it begins empty, as Lambda's does.
        let mut command = Command::new(tools.python());
        command
            .env_clear()
            .envs(
                ["PATH", "HOME", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs([
                ("AUTH", "true"),
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
                ("AWS_DEFAULT_REGION", REGION),
                ("AWS_ENDPOINT_URL", &endpoint),
                ("AWS_REGION", REGION),
                ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
                ("BIND_HOST", "127.0.0.1"),
                ("GATEWAY_PORT", &port.to_string()),
                ("IOT_MTLS_ENABLED", "0"), // else it takes port 8883 as well
                ("MINISTACK_ACCOUNT_ID", ACCOUNT),
                ("MINISTACK_REGION", REGION),
                ("PYTHONUNBUFFERED", "1"),
                ("SFTP_ENABLED", "0"),
            ])
            .env("TMPDIR", folder.join("tmp"))
            .env("STATE_DIR", folder.join("state"))
            .env("S3_DATA_DIR", folder.join("s3"))
            .envs(environment.iter().copied())
            .arg(&leash)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut group = Group::start(&mut command)?;
        let held = group.child().stdin.take().context("MiniStack has no standard input")?;
        let mut aws = Self { port, folder: folder.to_owned(), tools: tools.clone(), group, _leash: held };
        aws.wait_until_ready(&log).await?;
        Ok(aws)
    }

    async fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let port = self.port;
        let answers = async {
            let mut tick = interval(Duration::from_millis(50));
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                if is_ready(port).await {
                    break;
                }
            }
        };
        tokio::select! {
            status = self.group.child().wait() => bail!(
                "MiniStack ended before it answered ({}). The end of {}:\n{}",
                status?, place::shown(log), tail(log)
            ),
            ready = timeout(START_WITHIN, answers) => ready.with_context(|| format!(
                "MiniStack did not answer within {} s. The end of {}:\n{}",
                START_WITHIN.as_secs(), place::shown(log), tail(log)
            )),
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process group that MiniStack and the functions run in.
    pub fn process(&self) -> Option<i32> {
        self.group.id()
    }

    /// What MiniStack writes, with every failure inside it.
    pub fn log(&self) -> PathBuf {
        self.folder.join("ministack.log")
    }

    /// The administrator's configuration for SDK clients.
    pub async fn sdk_config(&self) -> SdkConfig {
        sdk_config(&self.endpoint()).await
    }

    /// Deploys the build with `sam deploy`, as it is deployed for real, and reads the stack's outputs.
    ///
    /// # Errors
    /// When the stack cannot be made; the text ends with what `sam` said.
    pub async fn deploy(
        &self,
        build: &Build,
        parameters: &[(&str, &str)],
        progress: &dyn Progress,
    ) -> anyhow::Result<Outputs> {
        let settings = self.folder.join("samconfig.toml");
        std::fs::write(&settings, "version = 0.1\n")
            .with_context(|| format!("cannot write {}", settings.display()))?;
        let log = self.folder.join("deploy.log");
        let mut command = sam(&self.tools)?;
        command
            .current_dir(place::root())
            .args(["deploy", "--stack-name", STACK, "--capabilities", "CAPABILITY_IAM", "--resolve-s3"])
            .args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"])
            .arg("--config-file")
            .arg(&settings)
            .arg("--template-file")
            .arg(build.template())
            .arg("--parameter-overrides")
            .args(parameters.iter().map(|(name, value)| format!("{name}={value}")))
            .envs(self.environment());
        let ended = job::run(&mut command, &log, |line| {
            if let Some((status, resource)) = line.split_once(' ')
                && status == "CREATE_COMPLETE"
                && let Some(name) = resource.split_whitespace().nth(1)
            {
                progress.detail(name);
            }
        })
        .await?;
        if !ended.status.success() {
            bail!(
                "sam deploy failed; all it said is in {}. The end of it:\n{}",
                place::shown(&log),
                ended.last.join("\n")
            );
        }
        outputs(&self.sdk_config().await).await
    }

    /// What a program needs in its environment to work with this local AWS as its administrator.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ])
    }

    /// Ends MiniStack and the functions. Letting go of the value does the same.
    pub async fn stop(self) {
        self.group.stop().await;
    }
}

/// The administrator's configuration for SDK clients of a local AWS.
pub async fn sdk_config(endpoint: &str) -> SdkConfig {
    let key = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "local AWS");
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(key)
        .empty_test_environment()
        .load()
        .await
}

async fn outputs(config: &SdkConfig) -> anyhow::Result<Outputs> {
    let described =
        aws_sdk_cloudformation::Client::new(config).describe_stacks().stack_name(STACK).send().await?;
    let stack = described.stacks().first().context("the stack is not there")?;
    Ok(stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
        .collect())
}

/// Whether something that is ready answers there.
pub async fn is_ready(port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream
            .write_all(b"GET /_ministack/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer.ends_with(b"200"))
    };
    timeout(Duration::from_secs(2), asked).await.ok().flatten().unwrap_or(false)
}

/// Waits until nothing listens there any more; `false` when the time is over first.
pub async fn is_closed_within(port: u16, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let mut tick = interval(Duration::from_millis(50));
    while Instant::now() < end {
        tick.tick().await;
        if is_free(port) {
            return true;
        }
    }
    false
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn free_port() -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(15)).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
