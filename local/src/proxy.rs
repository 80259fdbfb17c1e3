//! A proxy between a function and AWS, or in the place of AWS: it names every call by its IAM action, remembers
//! when it came and ended, and does to it what the rules say.
//!
//! Point `AWS_ENDPOINT_URL` at [`Proxy::url`]. The `Host` header passes through, so signatures stay valid.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

mod call;
mod fault;

pub(crate) use call::escaped;
pub use call::{Answer, Call, Protocol, longest_chain};
pub use fault::{Fault, When};

use call::name;
use fault::Rule;

/// A proxy on a loopback port. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to the AWS at this endpoint, such as `http://127.0.0.1:4566`.
    pub async fn forwarding(endpoint: &str) -> anyhow::Result<Self> {
        Self::forwarding_but(endpoint, |_| None).await
    }

    /// Forwards to the AWS at this endpoint every call for which the script has no answer of its own.
    pub async fn forwarding_but(
        endpoint: &str,
        script: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let authority = endpoint.strip_prefix("http://").context("only plain HTTP is forwarded to")?;
        let authority = authority.trim_end_matches('/').to_owned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Box::new(Client::builder(TokioExecutor::new()).build(connector));
        Self::start(Upstream::Aws { authority, client, instead: Box::new(script) }, None).await
    }

    /// Answers each call itself.
    pub async fn answering(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> anyhow::Result<Self> {
        Self::start(Upstream::Script(Box::new(answer)), None).await
    }

    /// Answers each call itself, over TLS. The certificate must be for 127.0.0.1.
    pub async fn answering_over_tls(
        tls: ServerConfig,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::start(Upstream::Script(Box::new(answer)), Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn start(upstream: Upstream, tls: Option<TlsAcceptor>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the proxy")?;
        let url = url(listener.local_addr()?, tls.is_some());
        let shared = Arc::new(Shared { upstream, state: Mutex::default(), arrivals: watch::Sender::new(0) });
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Ok(Self { url, shared, task })
    }

    /// Where it listens, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Does this to the calls of an action (`ecs:UpdateService`), of a service (`ecs:*`) or to all (`*`). Occurrences
    /// are counted from now on. Of several rules for one call the oldest counts.
    pub fn inject(&self, action: &str, when: When, fault: Fault) {
        self.shared.state().rules.push(Rule::new(action, when, fault));
    }

    /// Does nothing to any call any more.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
    }

    /// The calls so far, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How often an action was called so far; `ecs:*` and `*` as in [`Proxy::inject`].
    pub fn count(&self, action: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.is(action)).count()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.shared.state().calls.clear();
    }

    /// Waits until an action was called for the nth time, counted from one. It returns as the call arrives, before
    /// anything is done with it.
    pub async fn arrival(&self, action: &str, nth: usize) -> Call {
        let mut arrivals = self.shared.arrivals.subscribe();
        loop {
            arrivals.borrow_and_update();
            let found = self
                .shared
                .state()
                .calls
                .iter()
                .filter(|call| call.is(action))
                .nth(nth.saturating_sub(1))
                .cloned();
            if let Some(call) = found {
                return call;
            }
            // The sender lives in `self`.
            let _ = arrivals.changed().await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Box<dyn Fn(&Call) -> Answer + Send + Sync>;

/// What answers some of the calls instead of AWS.
type Instead = Box<dyn Fn(&Call) -> Option<Answer> + Send + Sync>;

enum Upstream {
    Aws { authority: String, client: Box<Client<HttpConnector, Full<Bytes>>>, instead: Instead },
    Script(Script),
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws { authority, .. } => authority,
            Self::Script(_) => "a script",
        })
    }
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    state: Mutex<State>,
    arrivals: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<Call>,
    count: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that a call came, and says what is to be done to it.
    fn arrive(&self, parts: &Parts, body: &Bytes) -> Call {
        let (action, protocol) = name(parts, body);
        let mut state = self.state();
        // Every rule counts the calls it is about, also those that an older rule decides.
        let firing: Vec<Fault> =
            state.rules.iter_mut().filter_map(|rule| rule.meets(&action, body)).collect();
        let id = state.count;
        state.count += 1;
        let call = Call {
            id,
            action,
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            protocol,
            path: parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned(),
            body: body.clone(),
            arrived: Instant::now(),
            ended: None,
            status: None,
            fault: firing.first().copied(),
        };
        state.calls.push(call.clone());
        drop(state);
        self.arrivals.send_modify(|count| *count += 1);
        call
    }

    fn end(&self, id: usize, status: Option<StatusCode>) {
        if let Some(call) = self.state().calls.iter_mut().find(|call| call.id == id) {
            call.ended = Some(Instant::now());
            call.status = status.map(|status| status.as_u16());
        }
    }

    async fn forward(&self, call: &Call, parts: &Parts, body: &Bytes) -> Result<Response<Full<Bytes>>, Cut> {
        match &self.upstream {
            Upstream::Script(script) => script(call).response(call.protocol),
            Upstream::Aws { authority, client, instead } => {
                if let Some(answer) = instead(call) {
                    return answer.response(call.protocol);
                }
                let uri: Uri = format!("http://{authority}{}", call.path).parse().map_err(|_| Cut)?;
                let mut request =
                    Request::builder().method(&parts.method).uri(uri).body(Full::new(body.clone()))?;
                *request.headers_mut() = parts.headers.clone();
                for hop in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
                    request.headers_mut().remove(hop);
                }
                let (mut parts, body) = client.request(request).await.map_err(|_| Cut)?.into_parts();
                let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
                for hop in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
                    parts.headers.remove(hop);
                }
                Ok(Response::from_parts(parts, Full::new(body)))
            }
        }
    }
}

/// The connection ends here, without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

impl From<hyper::http::Error> for Cut {
    fn from(_: hyper::http::Error) -> Self {
        Self
    }
}

fn url(address: SocketAddr, tls: bool) -> String {
    format!("{}://{address}", if tls { "https" } else { "http" })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // The connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that broke before it was accepted is its client's affair.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connect(stream, tls.clone(), Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Without it, timings would tell of Nagle's algorithm; a socket that refuses still works.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, shared).await,
        Some(tls) => {
            // A client that does not trust us hangs up; that is for the client to report.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, shared).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // It ends with an error whenever a connection is cut, on either side.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let call = shared.arrive(&parts, &body);
    let (id, fault) = (call.id, call.fault);

    if let Some(Fault::Hang) = fault {
        let never: Infallible = std::future::pending().await;
        match never {}
    }
    // A call that is on its way reaches AWS also when its caller is gone.
    let shared_then = Arc::clone(&shared);
    let result = tokio::spawn(async move {
        let result = carry(&call, &parts, &body, &shared_then).await;
        shared_then.end(id, result.as_ref().ok().map(Response::status));
        result
    });
    let result = result.await.map_err(|_| Cut)?;
    match fault {
        Some(Fault::CutAfter) => Err(Cut),
        Some(Fault::HangAfter) => std::future::pending().await,
        Some(_) | None => result,
    }
}

/// What comes back for a call, under its fault.
async fn carry(
    call: &Call,
    parts: &Parts,
    body: &Bytes,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Cut> {
    match call.fault {
        Some(Fault::CutBefore) => return Err(Cut),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Repeat) => drop(shared.forward(call, parts, body).await),
        Some(Fault::Throttle | Fault::Deny | Fault::InternalError | Fault::Unavailable) => {
            if let Some(answer) = call.fault.and_then(|fault| fault.answer(call)) {
                return answer.response(call.protocol);
            }
        }
        Some(Fault::Hang | Fault::HangAfter | Fault::CutAfter) | None => {}
    }
    shared.forward(call, parts, body).await
}

#[cfg(test)]
mod tests;
