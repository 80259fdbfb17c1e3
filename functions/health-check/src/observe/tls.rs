//! TLS endpoints, by a handshake of our own: whatever certificates are presented are taken and looked at afterwards, so
//! that one that expired is told from one that is not trusted. Nothing is sent over such a connection.

mod chain;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::dns;
use super::http::Probes;
use shared::address;

use crate::component::{Component, Kind};
use crate::decision::kind::tls_endpoint::{Away, Facts, Path, Trouble, verdict};
use crate::sweep::{Api, Ask};

/// The port where a name has none.
const PORT: u16 = 443;

/// Checks all of them. Each is named by `host:port`.
pub(crate) async fn check(ask: &Ask<'_>, probes: &Probes, endpoints: &[Component]) {
    join_all(endpoints.iter().map(|endpoint| one(ask, probes, endpoint))).await;
}

async fn one(ask: &Ask<'_>, probes: &Probes, endpoint: &Component) {
    let (host, port) = address(&endpoint.name);
    let facts = {
        let _turn = ask.turn(Api::Probe).await;
        facts(probes, host, port, ask.now).await
    };
    ask.say(endpoint, verdict(&facts, ask.rules, ask.now));
    if dns::is_name(host) {
        ask.needs(endpoint, Component::new(Kind::DnsName, host));
    }
}

/// `www.example.com:443`, `[::1]:443` or a name alone.
fn address(name: &str) -> (&str, u16) {
    match name.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.contains(':') || host.ends_with(']') => {
            (host.trim_start_matches('[').trim_end_matches(']'), port)
        }
        _ => (name.trim_start_matches('[').trim_end_matches(']'), PORT),
    }
}

async fn facts(probes: &Probes, host: &str, port: u16, now: Timestamp) -> Facts {
    let unjudged = Path::Unjudged("no certificate was presented".to_owned());
    let none = Facts {
        host: host.to_owned(),
        away: None,
        trouble: None,
        chain: Vec::new(),
        path: unjudged,
        fits: true,
    };
    let (shown, trouble) = match shake(probes, host, port).await {
        Ok(seen) => seen,
        Err(away) => return Facts { away: Some(away), ..none },
    };
    let Some((leaf, others)) = shown.split_first() else { return Facts { trouble, ..none } };
    let read: Vec<_> = shown.iter().map(chain::read).collect();
    let path = chain::path(leaf, others, &read, probes.roots(), now);
    let fits = chain::fits(leaf, host);
    Facts { trouble, chain: read, path, fits, ..none }
}

type Seen = (Vec<CertificateDer<'static>>, Option<Trouble>);

/// What is presented, and what went wrong after the connection was there.
async fn shake(probes: &Probes, host: &str, port: u16) -> Result<Seen, Away> {
    let limit = probes.limits.answer;
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|_| Away::Broken("no certificate can be for this name".to_owned()))?;
    let addresses =
        dns::resolve(probes.lookup, probes.limits.resolve, host).await.map_err(Away::Unresolved)?;
    if addresses.iter().any(|found| address::forbidden(*found)) {
        return Err(Away::Forbidden);
    }
    let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let stream = timeout(limit, TcpStream::connect(addresses.as_slice()))
        .await
        .map_err(|_| timed_out(limit))?
        .map_err(|error| away(&error))?;

    let capture = Arc::new(Capture::default());
    let config = config(Arc::clone(&capture)).map_err(|error| Away::Broken(error.to_string()))?;
    let done = timeout(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    let trouble = match done {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(trouble(&error)),
        Err(_) => Some(Trouble::Other(format!("it was not finished within {} s", limit.as_secs()))),
    };
    Ok((capture.take(), trouble))
}

/// Settings of one handshake: it must not be shortened by an earlier one, which would present nothing.
fn config(capture: Arc<Capture>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(capture)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Why there is no connection.
pub(super) fn away(error: &io::Error) -> Away {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Away::Refused;
    }
    Away::Broken(error.to_string().replace(['\n', '\r'], " "))
}

/// No answer within the limit.
pub(super) fn timed_out(limit: Duration) -> Away {
    Away::TimedOut(SignedDuration::try_from(limit).unwrap_or_default())
}

/// What went wrong in a handshake.
fn trouble(error: &io::Error) -> Trouble {
    match tls_error(error) {
        Some(error) => meant(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Trouble::Other("the connection was closed".to_owned())
        }
        None => Trouble::Other(error.to_string()),
    }
}

/// What an error of the TLS library means for people.
pub(super) fn meant(error: &rustls::Error) -> Trouble {
    if let rustls::Error::InvalidCertificate(why) = error {
        certificate(why)
    } else if let rustls::Error::AlertReceived(alert) = error {
        Trouble::Alert(format!("{alert:?}"))
    } else if matches!(error, rustls::Error::InvalidMessage(_)) {
        Trouble::NotTls
    } else {
        Trouble::Other(error.to_string())
    }
}

fn certificate(why: &CertificateError) -> Trouble {
    use CertificateError as Why;
    if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        Trouble::Expired
    } else if matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }) {
        Trouble::NotYet
    } else if matches!(why, Why::NotValidForName | Why::NotValidForNameContext { .. }) {
        Trouble::OtherName
    } else if *why == Why::UnknownIssuer {
        Trouble::Untrusted
    } else {
        Trouble::Other(why.to_string())
    }
}

/// All causes of an error, the outermost first. An I/O error shows what it was made of only so.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// The error of the TLS library among the causes.
pub(super) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Takes whatever certificates are presented. That the other side has the key of the first is verified as always.
struct Capture {
    algorithms: WebPkiSupportedAlgorithms,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl Default for Capture {
    fn default() -> Self {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Self { algorithms, shown: Mutex::default() }
    }
}

impl Capture {
    fn take(&self) -> Vec<CertificateDer<'static>> {
        std::mem::take(&mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capture")
    }
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = std::iter::once(end_entity).chain(intermediates).take(chain::LONGEST);
        let shown = shown.map(|certificate| certificate.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(super) mod server;
#[cfg(test)]
mod tests;
