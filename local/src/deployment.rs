//! The whole product, deployed on local AWS, with a receiver in the place of Slack and webhooks: what the demo and
//! the tests of the deployed template stand on.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs as logs;
use aws_sdk_secretsmanager as secrets;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::aws::{LocalAws, Outputs, Port};
use crate::build::{self, architecture};
use crate::progress::Progress;
use crate::receiver::Receiver;
use crate::tls::Authority;
use crate::{job, place, setup};

/// The secret that holds the channels.
pub const CHANNELS_SECRET: &str = "watchkeeper/channels";

/// How often a condition that only asking can tell is asked about.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What to deploy.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where local AWS listens.
    pub port: Port,
    /// The name of the folder under `target/local` for logs and state.
    pub name: &'a str,
    /// The channels secret, from the receiver's address.
    pub channels: fn(&str) -> Value,
    /// The template's parameters, beside the architecture, the alert address and the secret.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Variables for MiniStack, which the functions inherit.
    pub environment: &'a [(&'a str, &'a str)],
}

/// The deployed product. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    /// Local AWS.
    pub aws: LocalAws,
    /// What stands in the place of Slack and webhooks.
    pub receiver: Receiver,
    /// Who signed the receiver's certificate; the functions trust it.
    pub authority: Authority,
    /// The stack's outputs.
    pub outputs: Outputs,
    /// The administrator's configuration for SDK clients.
    pub config: SdkConfig,
    /// The ARN of the channels secret.
    pub channels_secret: String,
    /// Where logs and state are.
    pub folder: PathBuf,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Deployment {
    /// Sets up, builds what is stale, starts local AWS with IAM enforced, and deploys the template.
    ///
    /// # Errors
    /// When any of it fails; the text is for a person and says what to do.
    pub async fn start(options: Options<'_>, progress: &dyn Progress) -> anyhow::Result<Self> {
        let tools = setup::tools(progress).await?;
        let build = build::functions(progress).await?;

        let folder = place::local().join(options.name);
        let lock = take(&place::local().join(format!("{}.lock", options.name)))?
            .with_context(|| format!("another run has {} in use; wait for its end", place::shown(&folder)))?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let authority = Authority::new()?;
        let bundle = folder.join("roots.pem");
        authority.write_bundle(&bundle)?;
        let receiver = Receiver::start(&authority).await?;

        let bundle = bundle.to_string_lossy();
        let mut environment = vec![("SSL_CERT_FILE", &*bundle)];
        environment.extend_from_slice(options.environment);
        progress.step("Starting local AWS, with IAM enforced");
        let aws = LocalAws::start(&tools, options.port, &folder, &environment).await?;
        let config = aws.sdk_config().await;
        let channels_secret = create_channels(&config, &(options.channels)(&receiver.url())).await?;

        progress.step("Deploying template.yaml with sam deploy");
        let mut parameters = vec![
            ("Architecture", architecture()),
            ("AlertEmail", "on-call@example.com"),
            ("ChannelsSecretArn", &channels_secret),
        ];
        parameters.extend_from_slice(options.parameters);
        let outputs = aws.deploy(&build, &parameters, progress).await?;
        Ok(Self { aws, receiver, authority, outputs, config, channels_secret, folder, _lock: lock })
    }

    /// One of the stack's outputs.
    ///
    /// # Errors
    /// When the template has no output of that name.
    pub fn output(&self, name: &str) -> anyhow::Result<&str> {
        self.outputs.get(name).map(String::as_str).with_context(|| format!("the stack has no output {name}"))
    }

    /// What local AWS answers to a request without a signature: status and body. Such requests are those to a function's
    /// URL, which is under `/_aws/lambda-url/<id>/`, and those that look into local AWS itself.
    pub async fn ask(&self, method: &str, path: &str, form: &str) -> anyhow::Result<(u16, String)> {
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.aws.endpoint()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.to_owned()))?;
        let answer = client.request(request).await.context("local AWS does not answer")?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.context("local AWS broke its answer off")?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The report lines of a function so far, oldest first, from the log group that the output names.
    pub async fn reports(&self, log_group_output: &str) -> anyhow::Result<Vec<Value>> {
        let lines = self.log_lines(log_group_output).await?;
        Ok(lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &Value| line.get("outcome").is_some())
            .collect())
    }

    /// All lines of a function's log so far, oldest first.
    pub async fn log_lines(&self, log_group_output: &str) -> anyhow::Result<Vec<String>> {
        let client = logs::Client::new(&self.config);
        let mut events = Vec::new();
        let mut page = None;
        loop {
            let answer = client
                .filter_log_events()
                .log_group_name(self.output(log_group_output)?)
                .set_next_token(page)
                .send()
                .await?;
            events.extend(
                answer
                    .events()
                    .iter()
                    .filter_map(|event| Some((event.timestamp()?, event.message()?.to_owned()))),
            );
            page = answer.next_token().map(ToOwned::to_owned);
            if page.is_none() {
                break;
            }
        }
        events.sort_by_key(|(time, _)| *time);
        Ok(events.into_iter().map(|(_, line)| line).collect())
    }

    /// Waits for a report line that fits.
    ///
    /// # Errors
    /// When the time is over first; the text tells which reports came instead.
    pub async fn wait_for_report(
        &self,
        log_group_output: &str,
        limit: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let found = until(limit, async || {
            Ok(self.reports(log_group_output).await?.into_iter().find(|report| fits(report)))
        })
        .await?;
        if let Some(report) = found {
            return Ok(report);
        }
        let came: Vec<_> = self.reports(log_group_output).await?.iter().map(brief).collect();
        let came = if came.is_empty() {
            "none came".to_owned()
        } else {
            format!("these came:\n{}", came.join("\n"))
        };
        bail!(
            "no report that fits came within {} s; {came}\nWhat local AWS and the functions said is in {}.",
            limit.as_secs(),
            place::shown(&self.aws.log())
        )
    }

    /// Ends everything. Letting go of the value does the same.
    pub async fn stop(self) {
        self.aws.stop().await;
    }
}

/// A report in one line.
fn brief(report: &Value) -> String {
    let text = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}: {}", text("outcome"), text("subject"), text("reason"))
}

/// Takes a lock that ends with this process, however that ends; `None` while another process holds it.
///
/// # Errors
/// When the file cannot be made.
pub fn take(path: &Path) -> anyhow::Result<Option<File>> {
    let file = job::create(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Asks again and again until there is an answer; `None` when the time is over first.
pub async fn until<T>(
    limit: Duration,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let asking = async {
        let mut tick = interval(ASK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
        }
    };
    match timeout(limit, asking).await {
        Ok(answer) => answer.map(Some),
        Err(_) => Ok(None),
    }
}

async fn create_channels(config: &SdkConfig, channels: &Value) -> anyhow::Result<String> {
    let created = secrets::Client::new(config)
        .create_secret()
        .name(CHANNELS_SECRET)
        .secret_string(channels.to_string())
        .send()
        .await?;
    created.arn().map(ToOwned::to_owned).context("the channels secret has no ARN")
}
