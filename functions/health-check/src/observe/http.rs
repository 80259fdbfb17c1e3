//! Endpoints, asked over HTTP: no proxies, no link-local addresses, redirects on the same host only, a deadline, and a
//! bound on what is read of the answer. Plain HTTP is asked, too: inside a network it is common.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Method, Response, Url, header, redirect, retry};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use shared::policy::health::Endpoint;
use tokio::time::{Instant, sleep, timeout};

use super::{dns, tls};
use shared::address;

use crate::component::{Component, Kind};
use crate::decision::Verdict;
use crate::decision::kind::dns_name::Unresolved;
use crate::decision::kind::endpoint::{Answer, Facts, Failure, verdict};
use crate::decision::kind::tls_endpoint::Away;
use crate::sweep::{Api, Ask};

/// What we call ourselves.
const AGENT: &str = "watchkeeper-health-check";

/// How much of an answer is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How many redirects are followed.
const HOPS: usize = 5;

/// How often an endpoint is asked that nobody answers at. That it has to be bad for several sweeps is another's rule.
const TRIES: u32 = 2;

/// What probes of DNS, HTTP and TLS share: made once in a process, when it is first needed.
pub(crate) struct Probes {
    pub(super) limits: Limits,
    pub(super) lookup: dns::Lookup,
    roots: OnceLock<Arc<RootCertStore>>,
    client: OnceLock<Result<Client, String>>,
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the addresses of a name.
    pub(super) resolve: Duration,
    /// For a whole answer, or for each of a connection and a handshake.
    pub(super) answer: Duration,
    /// Before it is asked again.
    pub(super) pause: Duration,
}

impl Probes {
    /// What trusts the system's roots, or those of `SSL_CERT_FILE`.
    pub(crate) fn new() -> Self {
        let limits = Limits {
            resolve: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            pause: Duration::from_secs(1),
        };
        Self { limits, lookup: dns::system, roots: OnceLock::new(), client: OnceLock::new() }
    }

    /// What trusts these.
    #[cfg(test)]
    pub(crate) fn trusting(roots: RootCertStore) -> Self {
        Self { roots: OnceLock::from(Arc::new(roots)), ..Self::new() }
    }

    /// Whom to trust.
    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        })
    }

    fn client(&self) -> Result<&Client, Failure> {
        let made = self.client.get_or_init(|| client(self).map_err(|error| error.to_string()));
        made.as_ref().map_err(|error| Failure::Unusable(format!("no client can be made: {error}")))
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn client(probes: &Probes) -> Result<Client, Box<dyn StdError>> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(probes.roots()))
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        // A proxy would resolve names in our place, behind the check of addresses.
        .no_proxy()
        .dns_resolver(Guarded { limit: probes.limits.resolve, lookup: probes.lookup })
        // Whether a connection comes about is a part of what is checked.
        .pool_max_idle_per_host(0)
        .user_agent(AGENT)
        .build()?;
    Ok(client)
}

/// What is known of an endpoint by its address, without what may be secret in it: no login, no query.
pub(crate) fn component(endpoint: &Endpoint) -> Component {
    Component::new(Kind::Endpoint, public(&endpoint.url))
}

fn public(text: &str) -> String {
    let Some(mut url) = text.parse::<Url>().ok().filter(Url::has_host) else {
        let text = text.split(['?', '#']).next().unwrap_or_default();
        return text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // It fails only for what can have no login.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    let text = url.to_string();
    if url.path() == "/" { text.trim_end_matches('/').to_owned() } else { text }
}

/// Checks all of them. Those that have the same name share one verdict, the worst.
pub(crate) async fn check(ask: &Ask<'_>, probes: &Probes, endpoints: &[Endpoint]) {
    let mut named = BTreeMap::<String, Vec<&Endpoint>>::new();
    for endpoint in endpoints {
        named.entry(component(endpoint).name).or_default().push(endpoint);
    }
    join_all(named.into_values().map(|same| all(ask, probes, same))).await;
}

async fn all(ask: &Ask<'_>, probes: &Probes, same: Vec<&Endpoint>) {
    let Some(component) = same.first().map(|endpoint| component(endpoint)) else { return };
    let verdicts = join_all(same.into_iter().map(|endpoint| one(ask, probes, endpoint))).await;
    let Some(verdict) = verdicts.into_iter().max_by_key(|verdict| verdict.health) else { return };
    ask.say(&component, verdict);
    let Ok(url) = component.name.parse::<Url>() else { return };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return };
    if dns::is_name(host) {
        ask.needs(&component, Component::new(Kind::DnsName, host));
    }
    if url.scheme() == "https" {
        ask.needs(&component, Component::new(Kind::Tls, format!("{host}:{port}")));
    }
}

async fn one(ask: &Ask<'_>, probes: &Probes, endpoint: &Endpoint) -> Verdict {
    let mut tries = 0;
    loop {
        tries += 1;
        let answer = {
            let _turn = ask.turn(Api::Probe).await;
            let limit = probes.limits.answer;
            let asked = timeout(limit, answer(probes, endpoint)).await;
            asked.unwrap_or_else(|_| Err(Failure::Away(tls::timed_out(limit))))
        };
        let again = matches!(answer, Err(Failure::Away(Away::Refused | Away::Broken(_))));
        if !again || TRIES <= tries {
            return verdict(&Facts { answer, tries }, endpoint, ask.rules);
        }
        sleep(probes.limits.pause).await;
    }
}

async fn answer(probes: &Probes, endpoint: &Endpoint) -> Result<Answer, Failure> {
    let mut url = usable(&endpoint.url)?;
    let mut followed_to = None;
    let began = Instant::now();
    let mut hops = 0;
    loop {
        let response = send(probes, endpoint, &url).await?;
        let leads_to = leads_to(&response, &url);
        if let Some(to) = leads_to.as_ref().filter(|to| hops < HOPS && follows(endpoint, &url, to)) {
            followed_to = Some(public(to.as_str()));
            url = to.clone();
            hops += 1;
            continue;
        }
        let (status, leads_to) = (response.status().as_u16(), leads_to.map(|to| public(to.as_str())));
        let (body, cut) = body(response).await.map_err(failure)?;
        let took = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
        return Ok(Answer { status, took, body, cut, leads_to, followed_to });
    }
}

/// The address, where it is one that can be asked.
fn usable(text: &str) -> Result<Url, Failure> {
    let unusable = |why: &str| Err(Failure::Unusable(why.to_owned()));
    let Ok(url) = text.trim().parse::<Url>() else { return unusable("it is no URL") };
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => unusable("it is neither http nor https"),
    }
}

async fn send(probes: &Probes, endpoint: &Endpoint, url: &Url) -> Result<Response, Failure> {
    // The client does not ask the resolver about an address that stands in the URL itself.
    if url.host_str().and_then(address::literal).is_some_and(address::forbidden) {
        return Err(Failure::Away(Away::Forbidden));
    }
    if url.scheme() == "https" && probes.roots().is_empty() {
        return Err(Failure::Rootless);
    }
    let client = probes.client()?;
    let request = match &endpoint.graphql {
        None => client.request(Method::GET, url.clone()),
        Some(query) => client
            .request(Method::POST, url.clone())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(header::ACCEPT, "application/graphql-response+json, application/json")
            .body(serde_json::json!({"query": query}).to_string()),
    };
    request.send().await.map_err(failure)
}

async fn body(mut response: Response) -> Result<(String, bool), reqwest::Error> {
    let mut body = Vec::new();
    while body.len() <= LARGEST_ANSWER
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    let cut = LARGEST_ANSWER < body.len();
    body.truncate(LARGEST_ANSWER);
    Ok((String::from_utf8_lossy(&body).into_owned(), cut))
}

/// Where a redirect leads.
fn leads_to(response: &Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.headers().get(header::LOCATION)?.to_str().ok()?).ok()
}

/// Whether a redirect is followed: on the same host, not away from TLS, and not where it is what is expected.
fn follows(endpoint: &Endpoint, from: &Url, to: &Url) -> bool {
    let safe = matches!((from.scheme(), to.scheme()), ("http", "http") | (_, "https"));
    let expected = (300..400).contains(&endpoint.status);
    safe && !expected && endpoint.graphql.is_none() && from.host() == to.host()
}

/// What kept an answer from coming, by the first of its causes that says so.
fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if let Some(error) = tls::tls_error(&error) {
        return Failure::Tls(tls::meant(error));
    }
    let mut last = String::new();
    for cause in tls::causes(&error) {
        if let Some(Kept(away)) = cause.downcast_ref() {
            return Failure::Away(away.clone());
        }
        if let Some(error) = cause.downcast_ref::<std::io::Error>()
            && let Away::Refused = tls::away(error)
        {
            return Failure::Away(Away::Refused);
        }
        last = cause.to_string().replace(['\n', '\r'], " ");
    }
    Failure::Away(Away::Broken(last))
}

/// Resolves names and refuses those that lead where they must not.
struct Guarded {
    limit: Duration,
    lookup: dns::Lookup,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (limit, lookup) = (self.limit, self.lookup);
        Box::pin(async move {
            let found = dns::resolve(lookup, limit, name.as_str()).await;
            let found = found.map_err(|unresolved: Unresolved| Kept(Away::Unresolved(unresolved)))?;
            if found.iter().any(|found| address::forbidden(*found)) {
                return Err(Kept(Away::Forbidden).into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// What kept a connection from being tried, on its way through the client.
#[derive(Debug)]
struct Kept(Away);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was not tried")
    }
}

impl StdError for Kept {}

#[cfg(test)]
mod tests;
