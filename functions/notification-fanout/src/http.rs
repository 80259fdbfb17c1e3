//! Asking a receiver: https only, no redirects, no proxies, no link-local addresses, a deadline, and a bound on
//! what is read of the answer. A failure is told in words that hold no address and no header.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect, retry};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use shared::{Error, Result, address};

use crate::decision::Reply;

/// Why an address is refused.
pub const FORBIDDEN: &str = "leads to a link-local or metadata address";

/// How much of an answer is read, in bytes, where nobody asks for more.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How long a connection may lie idle and still be used: far shorter than any server closes it.
const IDLE: Duration = Duration::from_millis(500);

/// Asks receivers.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
}

/// What a receiver is asked. It does not print: addresses and headers are secrets.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Where.
    pub url: &'a Url,
    /// Names and values, beside the content type.
    pub headers: &'a [(&'static str, String)],
    /// JSON, where there is something to say.
    pub body: Option<&'a str>,
    /// How much of the answer is read, in bytes.
    pub largest: usize,
}

impl<'a> Request<'a> {
    /// A request without headers and body.
    pub const fn new(method: &'a Method, url: &'a Url) -> Self {
        Self { method, url, headers: &[], body: None, largest: LARGEST_ANSWER }
    }
}

/// An answer, with what some receivers say of their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What all receivers say.
    pub reply: Reply,
    /// How many requests are left, by `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// When there are more, in seconds since the epoch, by `x-ratelimit-reset`.
    pub reset: Option<i64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A header's value has characters that no header can have.
    Unsendable,
    /// The name resolves to an address that must not be reached.
    Forbidden,
    /// No answer in time.
    TimedOut(Duration),
    /// No connection, or one that broke.
    Unreachable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsendable => f.write_str("a header's value has characters that no header can have"),
            Self::Forbidden => write!(f, "its url {FORBIDDEN}"),
            Self::TimedOut(limit) => write!(f, "no answer within {:.1} s", limit.as_secs_f64()),
            Self::Unreachable(why) => f.write_str(why),
        }
    }
}

impl Http {
    /// A client that trusts the system's roots, or those of `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// [`Error::Malformed`] where there are none.
    pub fn native() -> Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(Error::Malformed(
                "no certificate authority is trusted: set SSL_CERT_FILE to a file of PEM certificates"
                    .to_owned(),
            ));
        }
        Self::trusting(roots)
    }

    /// A client that trusts these roots.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the TLS library refuses its own defaults.
    pub fn trusting(roots: RootCertStore) -> Result<Self> {
        let unusable = |error: String| Error::Malformed(format!("no TLS client can be made: {error}"));
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // A proxy would resolve names in our place, behind the check of addresses.
            .no_proxy()
            .dns_resolver(Guarded)
            // A function is frozen between invocations; a connection kept over that is dead when it is needed. What a batch
            // tells one channel after another needs no handshake each.
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("watchkeeper/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(error.without_url().to_string()))?;
        Ok(Self { client })
    }

    /// Posts a JSON body and reads the answer, all within the limit.
    ///
    /// # Errors
    /// A [`Failure`] where there is no answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: String,
        limit: Duration,
    ) -> Result<Reply, Failure> {
        let request = Request { headers, body: Some(&body), ..Request::new(&Method::POST, url) };
        Ok(self.ask(request, limit).await?.reply)
    }

    /// Sends any request and reads the answer, all within the limit.
    ///
    /// # Errors
    /// A [`Failure`] where there is no answer.
    pub async fn ask(&self, request: Request<'_>, limit: Duration) -> Result<Answer, Failure> {
        let Request { method, url, headers, body, largest } = request;
        // The client does not ask the resolver about an address that stands in the URL itself.
        if url.host_str().and_then(address::literal).is_some_and(address::forbidden) {
            return Err(Failure::Forbidden);
        }
        let mut builder = self.client.request(method.clone(), url.clone());
        if let Some(body) = body {
            builder =
                builder.header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(body.to_owned());
        }
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| Failure::Unsendable)?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        match tokio::time::timeout(limit, answer(builder, largest)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(error, url)),
            Err(_) => Err(Failure::TimedOut(limit)),
        }
    }
}

async fn answer(request: reqwest::RequestBuilder, largest: usize) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await?;
    let text = |name: HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    let number = |name: &'static str| text(HeaderName::from_static(name));
    let status = response.status().as_u16();
    let retry_after = text(header::RETRY_AFTER);
    let json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let remaining = number("x-ratelimit-remaining").and_then(|text| text.trim().parse().ok());
    let reset = number("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
    let mut body = Vec::new();
    while body.len() < largest
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(largest);
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { reply: Reply { status, retry_after, json, body }, remaining, reset })
}

/// The innermost cause, which says most, without the host's name that a TLS error may hold.
fn failure(error: reqwest::Error, url: &Url) -> Failure {
    let error = error.without_url();
    let mut cause: &(dyn StdError + 'static) = &error;
    loop {
        if cause.is::<ForbiddenAddress>() {
            return Failure::Forbidden;
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => break,
        }
    }
    let host = url.host_str().unwrap_or_default();
    let said = cause.to_string().replace(['\n', '\r'], " ");
    let said = if host.is_empty() { said } else { said.replace(host, "the host") };
    Failure::Unreachable(format!("no answer: {said}"))
}

/// Resolves names with the system's resolver and refuses those that lead where they must not.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::task::spawn_blocking(move || {
                (host.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>)
            })
            .await??;
            if found.iter().any(|found| address::forbidden(found.ip())) {
                return Err(ForbiddenAddress.into());
            }
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the name {FORBIDDEN}")]
struct ForbiddenAddress;

#[cfg(test)]
mod tests;
