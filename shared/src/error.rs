//! The one error type, and its two classes.
//!
//! `Display` names this failure only; [`std::error::Error::source`] names its cause; [`Error::chain`] prints both,
//! and is what a failed invocation reports. The class stands in Lambda's `errorType`, so that whoever reads a dead
//! letter knows whether sending it again can help.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use lambda_runtime::Diagnostic;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The platform should try again: a throttle, a time-out, a broken connection, a 5xx.
    Transient,
    /// Trying again gives the same answer: a denial, a malformed event, a missing thing.
    Permanent,
}

impl Class {
    /// The word that stands in Lambda's `errorType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "Transient",
            Self::Permanent => "Permanent",
        }
    }
}

/// Everything that can go wrong.
#[derive(thiserror::Error)]
pub enum Error {
    /// A setting is missing or malformed; the function refuses to start.
    #[error("environment variable {name} {problem}")]
    Config {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// The event is not one this function understands.
    #[error("the event is not understood: {0}")]
    Event(String),
    /// Something that must be well-formed is not; the text says what to mend.
    #[error("{0}")]
    Malformed(String),
    /// The thing an event speaks of is not there.
    #[error("{0} does not exist")]
    Missing(String),
    /// Another invocation has the work in hand, or this one's time is nearly over: it must come back later.
    #[error("{0}")]
    Later(String),
    /// The function's role lacks a permission.
    #[error("{action} is denied to this function's role: grant it on the resource named in the cause")]
    Denied {
        /// The IAM action, such as `ecs:UpdateService`.
        action: &'static str,
        /// What the service answered.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An AWS call failed after the SDK's own retries.
    #[error("{action} failed")]
    Aws {
        /// The IAM action, such as `ecs:UpdateService`.
        action: &'static str,
        /// The service's error code, where it answered with one.
        code: Option<String>,
        /// Whether trying again can help.
        transient: bool,
        /// What the SDK or the service said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Whether trying again can help.
    pub const fn class(&self) -> Class {
        match self {
            Self::Aws { transient: true, .. } | Self::Later(_) => Class::Transient,
            Self::Aws { .. }
            | Self::Denied { .. }
            | Self::Config { .. }
            | Self::Event(_)
            | Self::Malformed(_)
            | Self::Missing(_) => Class::Permanent,
        }
    }

    /// The error code that the AWS service answered with, where there is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Aws { code, .. } => code.as_deref(),
            Self::Denied { .. } => Some("AccessDenied"),
            Self::Config { .. } | Self::Event(_) | Self::Malformed(_) | Self::Missing(_) | Self::Later(_) => {
                None
            }
        }
    }

    /// This failure and all its causes, outermost first, in one line.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // SDK layers repeat one another's text; a sentence is said once.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        line.replace(['\n', '\r'], " ")
    }
}

/// `main` and failed tests print this: the chain, not a dump of fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.class().as_str().to_owned(), error_message: error.chain() }
    }
}

/// How an SDK error enters: under the name of the IAM action that the call needs.
pub trait Call<T> {
    /// Names the call by its permission, such as `"ecs:UpdateService"`.
    fn action(self, action: &'static str) -> Result<T>;
}

impl<T, E> Call<T> for std::result::Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn action(self, action: &'static str) -> Result<T> {
        self.map_err(|error| from_sdk(action, error))
    }
}

/// Codes that mean "not now", whatever the HTTP status they arrive with: those of the SDK's own retry classifier,
/// and those of single services (`KMSThrottling` is SNS's, `ReplicatedWriteConflictException` is DynamoDB's).
const TRANSIENT_CODES: [&str; 25] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "KMSThrottling",
    "KMSThrottlingException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServerException",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

const DENIED_CODES: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "KMSAccessDenied",
    "KMSAccessDeniedException",
    "UnauthorizedOperation",
];

fn from_sdk<E>(action: &'static str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().map(ToOwned::to_owned);
    let listed = |codes: &[&str]| code.as_deref().is_some_and(|code| codes.contains(&code));
    if listed(&DENIED_CODES) {
        return Error::Denied { action, source: answer(error) };
    }
    let transient = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(context) => {
            let status = context.raw().status();
            // A success that cannot be read was damaged on its way.
            status.is_success()
                || status.is_server_error()
                || status.as_u16() == 429
                || listed(&TRANSIENT_CODES)
        }
        SdkError::ConstructionFailure(_) | _ => false,
    };
    Error::Aws { action, code, transient, source: answer(error) }
}

/// What the service said, without the SDK's wrapper around it.
fn answer<E>(error: SdkError<E, HttpResponse>) -> Box<dyn StdError + Send + Sync>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let said = match (error.code(), error.message()) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (Some(code), None) => Some(code.to_owned()),
        (None, _) => None,
    };
    match said {
        Some(said) => said.into(),
        None => Box::new(error),
    }
}

#[cfg(test)]
mod tests;
