//! A real HTTPS receiver that answers by script and remembers what it was sent.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Request as HttpRequest, StatusCode};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::Authority;

/// The largest body that is taken.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// What the receiver was sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Vec<u8>,
    /// When it had come whole.
    pub at: Instant,
}

impl Request {
    /// A header as text; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How to answer one request.
#[must_use]
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
    reset: bool,
}

impl Answer {
    /// This status and body, at once.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned(), delay: Duration::ZERO, reset: false }
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self { reset: true, ..Self::new(0, "") }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Not before this much time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// The receiver. It stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Received>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Received {
    requests: Vec<Request>,
    /// How long each answer took, by path.
    took: HashMap<String, Vec<Duration>>,
    answers: HashMap<String, VecDeque<Answer>>,
    scripts: Vec<Script>,
}

/// How requests are answered that have no queued answer.
struct Script(Box<Answering>);

type Answering = dyn Fn(&Request) -> Option<Answer> + Send;

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Receiver {
    /// Listens on a free port of the loopback interface, with a certificate that the authority signed.
    pub async fn start(authority: &Authority) -> anyhow::Result<Self> {
        let tls = authority.server_config(&["localhost", "127.0.0.1"])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let (connections, ready) = mpsc::channel(64);
        let accepting = tokio::spawn(accept(listener, tls, connections));
        let serving = tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<Line>();
            let _ = axum::serve(Handshaken { ready, address }, service).await;
        });
        Ok(Self { address, shared, tasks: [accepting, serving] })
    }

    /// Its address, `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Answers the next request to the path so, after those that were queued before. A path without a queued answer
    /// answers as [`Receiver::answer_by`] says, or else 200 `ok`.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.lock().answers.entry(path.to_owned()).or_default().push_back(answer);
    }

    /// Answers by this script whatever has no answer queued and none by an earlier script; 200 `ok` where no script has
    /// one. Requests are answered one after another, so a script may keep count. It must not ask this receiver for
    /// anything.
    pub fn answer_by(&self, script: impl Fn(&Request) -> Option<Answer> + Send + 'static) {
        self.shared.lock().scripts.push(Script(Box::new(script)));
    }

    /// What has come to the path, oldest first.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        self.shared.lock().requests.iter().filter(|request| request.path == path).cloned().collect()
    }

    /// What has come to any path, oldest first.
    pub fn all(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// How long the answers to the path took, oldest first: a delay is never shorter than it was meant, but may be longer.
    pub fn took(&self, path: &str) -> Vec<Duration> {
        self.shared.lock().took.get(path).cloned().unwrap_or_default()
    }

    /// Forgets what has come and how to answer.
    pub fn clear(&self) {
        *self.shared.lock() = Received::default();
    }

    /// Waits until this many requests have come to the path, and gives them all.
    ///
    /// # Errors
    /// When the time is over first.
    pub async fn wait_for(&self, path: &str, count: usize, limit: Duration) -> anyhow::Result<Vec<Request>> {
        let waiting = async {
            loop {
                let arrived = self.shared.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let requests = self.requests(path);
                if requests.len() >= count {
                    return requests;
                }
                arrived.await;
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(requests) => Ok(requests),
            Err(_) => bail!(
                "{} of {count} requests came to {path} within {} s",
                self.requests(path).len(),
                limit.as_secs_f32()
            ),
        }
    }

    /// Waits until something has come beyond the first `seen` requests of all paths.
    pub async fn wait_beyond(&self, seen: usize) {
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.shared.lock().requests.len() > seen {
                return;
            }
            arrived.await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return respond(&Answer::new(413, "too large"));
    };
    let path = head.uri.path().to_owned();
    let at = Instant::now();
    let answer = {
        let mut state = shared.lock();
        let request = Request {
            method: head.method.to_string(),
            path: path.clone(),
            headers: head.headers,
            body: body.into(),
            at,
        };
        let queued = state.answers.get_mut(&path).and_then(VecDeque::pop_front);
        let scripted = || state.scripts.iter().find_map(|Script(script)| script(&request));
        let answer = queued.or_else(scripted);
        state.requests.push(request);
        answer
    };
    shared.arrived.notify_waiters();

    let answer = answer.unwrap_or_else(|| Answer::new(200, "ok"));
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    shared.lock().took.entry(path).or_default().push(at.elapsed());
    if answer.reset {
        line.cut();
        // The connection ends under this answer, which is therefore never given.
        return std::future::pending().await;
    }
    respond(&answer)
}

fn respond(answer: &Answer) -> Response {
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    builder.body(Body::from(answer.body.clone())).unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("the script's answer cannot be given: {error}")));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The connection that a request came on, below TLS.
#[derive(Debug, Clone)]
struct Line(Option<Arc<std::net::TcpStream>>);

impl Line {
    /// Cuts the connection, so that the client sees it break before an answer.
    fn cut(&self) {
        if let Some(stream) = &self.0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Connected<IncomingStream<'_, Handshaken>> for Line {
    fn connect_info(stream: IncomingStream<'_, Handshaken>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Connections whose handshake is done. Each handshake runs by itself, so that a client that stalls in its own
/// holds up nobody.
struct Handshaken {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Line)>,
    address: SocketAddr,
}

impl Listener for Handshaken {
    type Io = TlsStream<TcpStream>;
    type Addr = Line;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("listening on {}", self.address)))
    }
}

async fn accept(
    listener: TcpListener,
    tls: ServerConfig,
    connections: mpsc::Sender<(TlsStream<TcpStream>, Line)>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    loop {
        // A failed accept is that connection's trouble, or passes as soon as a file descriptor is free again.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        tokio::spawn(async move {
            let Ok((stream, line)) = with_line(stream) else { return };
            // A handshake that fails is the client's to tell of: it does not trust the authority.
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = connections.send((stream, line)).await;
            }
        });
    }
}

fn with_line(stream: TcpStream) -> io::Result<(TcpStream, Line)> {
    let stream = stream.into_std()?;
    let line = Line(Some(Arc::new(stream.try_clone()?)));
    Ok((TcpStream::from_std(stream)?, line))
}

#[cfg(test)]
mod tests;
