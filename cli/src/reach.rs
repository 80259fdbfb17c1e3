//! The functions: their library code with the operator's own credentials, or what is deployed.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_cloudformation::config::Region;
use aws_sdk_lambda as lambda;
use aws_sdk_ssm as ssm;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::Report;
use shared::aws::Aws;
use shared::config::Env;
use shared::error::Class;
use shared::lambda::Invocation;
use shared::policy::{self, Policy};
use shared::report::{self, Run};

use crate::Problem;
use crate::stack::{Stack, causes, refused};

/// A request may take as long as the longest invocation of the template: what it takes in hand is free again after that.
const LONGEST: Duration = Duration::from_mins(5);
/// How long the answer of what is deployed may take after that.
const ANSWER: Duration = Duration::from_secs(20);

/// How often a rollback is asked for that AWS did not answer. The request's id stays, so that it is gone on with.
const TRIES: usize = 3;

/// The Region that is set. An empty variable sets none, although the SDK takes it for one.
pub(crate) fn region(config: &SdkConfig) -> Option<&Region> {
    config.region().filter(|region| !region.as_ref().is_empty())
}

/// A function that can be asked by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Who has what in hand.
    Acknowledge,
    /// What rolls back.
    AlarmRollback,
    /// What reads dead letters.
    DlqTriage,
    /// What checks everything.
    HealthCheck,
    /// What tells people.
    NotificationFanout,
    /// What scales services on their queues.
    QueueScale,
    /// What redeploys whoever uses a secret.
    SecretRedeploy,
}

impl Function {
    /// The stack's output that names it.
    pub const fn output(self) -> &'static str {
        match self {
            Self::Acknowledge => "AcknowledgeFunction",
            Self::AlarmRollback => "AlarmRollbackFunction",
            Self::DlqTriage => "DlqTriageFunction",
            Self::HealthCheck => "HealthCheckFunction",
            Self::NotificationFanout => "NotificationFanoutFunction",
            Self::QueueScale => "QueueScaleFunction",
            Self::SecretRedeploy => "SecretRedeployFunction",
        }
    }

    /// As its report calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::AlarmRollback => "alarm-rollback",
            Self::DlqTriage => "dlq-triage",
            Self::HealthCheck => "health-check",
            Self::NotificationFanout => "notification-fanout",
            Self::QueueScale => "queue-scale",
            Self::SecretRedeploy => "secret-redeploy",
        }
    }
}

/// Whom requests go to.
#[derive(Debug)]
pub struct Reach {
    config: SdkConfig,
    /// The stack.
    pub stack: Stack,
    remote: bool,
    made: Made,
}

/// The functions that were asked: they keep their connections from one request to the next.
#[derive(Debug, Default)]
struct Made {
    acknowledge: OnceCell<acknowledge::Acknowledge>,
    dlq_triage: OnceCell<dlq_triage::DlqTriage>,
    health_check: OnceCell<health_check::HealthCheck>,
    notification_fanout: OnceCell<notification_fanout::Fanout>,
    queue_scale: OnceCell<queue_scale::QueueScale>,
}

/// What is made once.
fn once<T>(kept: &OnceCell<T>, make: impl FnOnce() -> shared::Result<T>) -> shared::Result<&T> {
    match kept.get() {
        Some(it) => Ok(it),
        None => make().map(|it| kept.get_or_init(|| it)),
    }
}

impl Reach {
    /// Finds the stack.
    ///
    /// # Errors
    /// Where the profile that was asked for gives no credentials; what [`Stack::find`] says.
    pub async fn new(
        environment: Option<&str>,
        profile: Option<&str>,
        remote: bool,
    ) -> Result<Self, Problem> {
        let config = configured(profile).await?;
        if region(&config).is_none() {
            return Err(Problem::new(NO_REGION));
        }
        match Stack::find(&cloudformation::Client::new(&config), environment).await {
            Ok(stack) => Ok(Self::at(config, stack, remote)),
            Err(problem) => Err(match without_credentials(&config).await {
                Some(why) => Problem::new(format!("{why}. Log in (aws sso login), or give a --profile")),
                None => problem,
            }),
        }
    }

    /// At a stack that is found already.
    pub(crate) fn at(config: SdkConfig, stack: Stack, remote: bool) -> Self {
        Self { config, stack, remote, made: Made::default() }
    }

    /// What clients are made with, for what no function does.
    pub(crate) const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Keeps in the journal what no function did.
    pub(crate) fn keep(&self, report: &Report) {
        let run = Run {
            environment: &self.stack.environment,
            function: "wk",
            request_id: &id().unwrap_or_default(),
            cold: true,
            began: now(),
            millis: 0.0,
        };
        report::write(report, &run);
    }

    /// Whether the deployed functions are asked.
    pub const fn is_remote(&self) -> bool {
        self.remote
    }

    /// What a function answers to a request.
    ///
    /// # Errors
    /// What the function fails with, or what kept it from being asked.
    pub async fn ask(&self, function: Function, event: &Value) -> Result<Value, Problem> {
        if self.remote { self.invoke(function, event).await } else { self.run(function, event, true).await }
    }

    /// The same for what looks only, and does so all the time: what comes of it is not kept in the journal, but for failures.
    ///
    /// # Errors
    /// As [`Reach::ask`].
    pub async fn look(&self, function: Function, event: &Value) -> Result<Value, Problem> {
        if self.remote { self.invoke(function, event).await } else { self.run(function, event, false).await }
    }

    async fn run(&self, function: Function, event: &Value, kept: bool) -> Result<Value, Problem> {
        let lookup = |name: &str| self.stack.setting(name);
        let env = Env::new(&lookup);
        let now = now();
        let deadline = now + SignedDuration::try_from(LONGEST).unwrap_or(SignedDuration::ZERO);
        let invocation = Invocation { request_id: id()?, now, deadline };
        let began = Instant::now();
        let mut handled = self.handle(function, event, &invocation, &env).await;
        for _ in 1..TRIES {
            // One operation, whose id follows from the request's: it is gone on with.
            let is_one = function == Function::AlarmRollback || event.pointer("/redeploy/service").is_some();
            let again = is_one && handled.as_ref().is_err_and(|error| error.class() == Class::Transient);
            if !again {
                break;
            }
            handled = self.handle(function, event, &invocation, &env).await;
        }
        let run = Run {
            environment: &self.stack.environment,
            function: function.name(),
            request_id: &invocation.request_id,
            cold: true,
            began: now,
            millis: began.elapsed().as_secs_f64() * 1_000.0,
        };
        let report = handled.inspect_err(|error| report::write(&Report::failed(error), &run))?;
        if kept || report.failure().is_some() {
            report::write(&report, &run);
        }
        match report.failure() {
            None => Ok(report.answer().clone()),
            Some((class, text)) => Err(Problem::answered(class, text)),
        }
    }

    async fn handle(
        &self,
        function: Function,
        event: &Value,
        invocation: &Invocation,
        env: &Env<'_>,
    ) -> shared::Result<Report> {
        match function {
            Function::Acknowledge => {
                let make = || acknowledge::Config::read(env).map(acknowledge::Acknowledge::new);
                once(&self.made.acknowledge, make)?.handle(event, invocation).await
            }
            Function::AlarmRollback => {
                let config = alarm_rollback::Config::read(env)?;
                alarm_rollback::AlarmRollback::new(config).handle(event, invocation).await
            }
            Function::DlqTriage => {
                let make = || dlq_triage::Config::read(env).map(dlq_triage::DlqTriage::new);
                once(&self.made.dlq_triage, make)?.handle(event, invocation).await
            }
            Function::HealthCheck => {
                let make = || health_check::Config::read(env).map(health_check::HealthCheck::new);
                once(&self.made.health_check, make)?.handle(event, invocation).await
            }
            Function::NotificationFanout => {
                let make = || notification_fanout::Config::read(env).map(notification_fanout::Fanout::new);
                once(&self.made.notification_fanout, make)?.handle(event, invocation).await
            }
            Function::QueueScale => {
                let make = || queue_scale::Config::read(env).map(queue_scale::QueueScale::new);
                once(&self.made.queue_scale, make)?.handle(event, invocation).await
            }
            Function::SecretRedeploy => {
                let config = secret_redeploy::Config::read(env)?;
                secret_redeploy::SecretRedeploy::new(config).handle(event, invocation).await
            }
        }
    }

    async fn invoke(&self, function: Function, event: &Value) -> Result<Value, Problem> {
        let patience = TimeoutConfig::builder()
            .operation_attempt_timeout(LONGEST + ANSWER)
            .operation_timeout(LONGEST + ANSWER)
            .read_timeout(LONGEST + ANSWER)
            .build();
        let config = lambda::config::Builder::from(&self.config)
            .timeout_config(patience)
            // What was begun may go on: asked again, it would be begun twice.
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        let name = self.stack.output(function.output())?;
        let payload = lambda::primitives::Blob::new(event.to_string());
        let asked = lambda::Client::from_conf(config).invoke().function_name(name).payload(payload).send();
        let answer = asked.await.map_err(|error| refused("lambda:InvokeFunction", &error))?;
        let said: Value = answer
            .payload()
            .and_then(|payload| serde_json::from_slice(payload.as_ref()).ok())
            .unwrap_or_default();
        if answer.function_error().is_none() {
            let is_answer = said.is_object();
            return is_answer.then_some(said).ok_or_else(|| Problem::new(format!("{name} answered nothing")));
        }
        let field = |name: &str| said.get(name).and_then(Value::as_str);
        match (field("errorType"), field("errorMessage")) {
            (Some("Permanent"), Some(text)) => Err(Problem::answered(Class::Permanent, text)),
            (_, text) => {
                Err(Problem::new(format!("{name} failed: {}", text.unwrap_or("it does not say why"))))
            }
        }
    }

    /// The policy's text that is in place; nothing where the defaults hold.
    ///
    /// # Errors
    /// When SSM does not answer.
    pub async fn policy(&self) -> Result<Option<String>, Problem> {
        Self::policy_at(&self.config, &self.stack.environment).await
    }

    /// The same of an environment whose stack is not found.
    ///
    /// # Errors
    /// When SSM does not answer.
    pub(crate) async fn policy_at(config: &SdkConfig, environment: &str) -> Result<Option<String>, Problem> {
        let name = policy::parameter(environment);
        match ssm::Client::new(config).get_parameter().name(name).with_decryption(true).send().await {
            Ok(found) => Ok(found.parameter.and_then(|it| it.value)),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                Ok(None)
            }
            Err(error) => Err(refused("ssm:GetParameter", &error)),
        }
    }

    /// Whether it is production: also where that cannot be known.
    pub async fn is_production(&self) -> bool {
        let environment = &self.stack.environment;
        let policy = match self.policy().await {
            Ok(Some(text)) => Policy::parse("in place", &text).ok(),
            Ok(None) => Some(Policy::default()),
            Err(_) => None,
        };
        policy.is_none_or(|policy| policy.is_production(environment))
    }
}

/// What is missing where AWS cannot be asked at all.
pub(crate) const NO_REGION: &str = "no AWS Region is set: give --region, or set AWS_REGION";

/// Why there are no credentials, if so.
pub(crate) async fn without_credentials(config: &SdkConfig) -> Option<String> {
    let Some(provider) = config.credentials_provider() else {
        return Some("there are no AWS credentials".to_owned());
    };
    match provider.provide_credentials().await {
        Ok(_) => None,
        Err(CredentialsError::CredentialsNotLoaded(_)) => Some(
            "there are no AWS credentials: not in the environment, nor in a profile, nor of this machine"
                .to_owned(),
        ),
        Err(error) => Some(format!("the AWS credentials cannot be had: {}", causes(&error))),
    }
}

/// What all clients are made with.
///
/// # Errors
/// Where the profile that was asked for gives no credentials.
pub(crate) async fn configured(profile: Option<&str>) -> Result<SdkConfig, Problem> {
    let config = Aws::new().config().await.clone();
    if let Some(name) = profile {
        // The SDK's own search goes on to other credentials where a profile has none, and with these into another account.
        let mut own = ProviderConfig::without_region().with_region(config.region().cloned());
        if let Some(http) = config.http_client() {
            own = own.with_http_client(http);
        }
        let provider = ProfileFileCredentialsProvider::builder().configure(&own).profile_name(name).build();
        provider.provide_credentials().await.map_err(|error| {
            Problem::new(format!("the profile {name} gives no credentials: {}", causes(&error)))
        })?;
    }
    Ok(config)
}

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one reading of the clock of a request")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// An id as the platform would give it, that nobody else has.
fn id() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Problem::new(format!("there is no randomness: {error}")))?;
    Ok(format!("wk-{}", hex::encode(bytes)))
}
