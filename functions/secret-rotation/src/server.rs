//! The servers that credentials are for. They are spoken to over verified TLS or not at all.

pub(crate) mod postgres;
mod tls;
pub(crate) mod valkey;

use std::time::Duration;

use shared::{Error, Result};

use crate::account::{Access, Server};
use crate::facts::Login;

/// How long a server may take for all that it is asked at a time. A step asks at most five times, which must fit into the
/// minute that an invocation has.
const LIMIT: Duration = Duration::from_secs(8);

/// Why a server was not of use.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It does not accept the credential.
    Refused(String),
    /// It could not be reached, or cannot do it now.
    Away(String),
    /// It will not do it next time either.
    Broken(String),
}

impl Failure {
    /// The failure of what was to be done at this server.
    pub(crate) fn of(self, access: &Access) -> Error {
        let Access { host, port, .. } = access;
        match self {
            Self::Away(why) => Error::Later(format!("{host}:{port} {why}")),
            Self::Refused(why) => {
                Error::Malformed(format!("{host}:{port} does not accept the credential: {why}"))
            }
            Self::Broken(why) => Error::Malformed(format!("{host}:{port} {why}")),
        }
    }
}

/// Whether a credential logs in: over TLS, with an answer to a question that reads nothing of anybody's.
///
/// # Errors
/// What kept this from being found out.
pub(crate) async fn login(access: &Access, is_superuser: bool, left: Duration) -> Result<Login> {
    let tried = within(left, async {
        match &access.server {
            Server::Postgres { database } => postgres::login(access, database, is_superuser).await,
            Server::Valkey => valkey::login(access).await,
        }
    });
    match tried.await {
        Ok(login) => Ok(login),
        Err(Failure::Refused(said)) => Ok(Login::Refused { said }),
        Err(failure @ (Failure::Away(_) | Failure::Broken(_))) => Err(failure.of(access)),
    }
}

/// What comes of it within the time that there is.
pub(crate) async fn within<T>(
    left: Duration,
    work: impl Future<Output = std::result::Result<T, Failure>>,
) -> std::result::Result<T, Failure> {
    let limit = left.min(LIMIT);
    if limit.is_zero() {
        return Err(Failure::Away("was not asked: the time of the invocation is over".to_owned()));
    }
    let late = |_| Err(Failure::Away(format!("did not answer within {} seconds", limit.as_secs().max(1))));
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests;
