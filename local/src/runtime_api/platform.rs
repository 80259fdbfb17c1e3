//! The platform's side of the Runtime API: four paths, one event under way at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};

use super::Outcome;

/// The Region that the function believes to run in.
pub(super) const REGION: &str = "us-east-1";

/// An event that waits to be handed over.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) payload: Vec<u8>,
    pub(super) request_id: String,
    /// Since the Unix epoch.
    pub(super) deadline: Duration,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What a function answered, and when.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) handed: Instant,
    pub(super) at: Instant,
}

/// When the first event was asked for, or the failure that the function reported instead.
type Init = Result<Instant, String>;

#[derive(Debug)]
pub(super) struct Platform {
    name: String,
    init: watch::Sender<Option<Init>>,
    state: Mutex<Work>,
    waiting: Notify,
}

#[derive(Debug, Default)]
struct Work {
    pending: Option<Pending>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    request_id: String,
    handed: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Platform {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            init: watch::Sender::new(None),
            state: Mutex::default(),
            waiting: Notify::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn init(&self) -> Init {
        let mut init = self.init.subscribe();
        let seen = init.wait_for(Option::is_some).await.ok().and_then(|init| init.clone());
        seen.unwrap_or_else(|| Err("the Runtime API ended".to_owned()))
    }

    pub(super) fn hand(&self, pending: Pending) {
        self.work().pending = Some(pending);
        self.waiting.notify_one();
    }

    /// Forgets the event, and says when it was handed over if it was.
    pub(super) fn take_back(&self, request_id: &str) -> Option<Instant> {
        let mut work = self.work();
        work.pending = None;
        work.current.take_if(|current| current.request_id == request_id).map(|current| current.handed)
    }

    /// Waits for an event. Nothing is lost if the caller goes away while it waits.
    async fn next(&self) -> Response<Body> {
        loop {
            if let Some(response) = self.take_next() {
                return response;
            }
            self.waiting.notified().await;
        }
    }

    fn take_next(&self) -> Option<Response<Body>> {
        let mut work = self.work();
        let Pending { payload, request_id, deadline, answer } = work.pending.take()?;
        let arn = format!("arn:aws:lambda:{REGION}:000000000000:function:{}", self.name);
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", &request_id)
            .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
            .header("lambda-runtime-invoked-function-arn", arn)
            .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0")
            .body(Body::from(payload))
            .ok()?;
        work.current = Some(Current { request_id, handed: Instant::now(), answer });
        Some(response)
    }

    /// Ends the invocation under way, if it is the one that is answered.
    fn answer(&self, request_id: &str, outcome: Outcome) -> StatusCode {
        let at = Instant::now();
        let Some(current) = self.work().current.take_if(|current| current.request_id == request_id) else {
            return StatusCode::BAD_REQUEST;
        };
        // Who invoked may no longer wait; the function is told the same either way.
        let _ = current.answer.send(Answer { outcome, handed: current.handed, at });
        StatusCode::ACCEPTED
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn serve(listener: TcpListener, platform: Arc<Platform>) {
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        // A function may answer more than any limit of the server's; the double takes what it gets.
        .layer(DefaultBodyLimit::disable())
        .with_state(platform);
    let listener = listener.tap_io(|stream| {
        // Without it, timings would tell of Nagle's algorithm; a socket that refuses still works.
        let _ = stream.set_nodelay(true);
    });
    // It ends only with its task.
    let _ = axum::serve(listener, routes).await;
}

async fn next(State(platform): State<Arc<Platform>>) -> Response<Body> {
    let now = Instant::now();
    platform.init.send_if_modified(|init| {
        let first = init.is_none();
        init.get_or_insert(Ok(now));
        first
    });
    platform.next().await
}

async fn response(State(platform): State<Arc<Platform>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let outcome = match serde_json::from_slice(&body) {
        Ok(value) => Outcome::Ok(value),
        Err(error) => Outcome::Error {
            kind: "Runtime.InvalidResponse".to_owned(),
            message: format!("the answer is not JSON: {error}"),
        },
    };
    platform.answer(&id, outcome)
}

async fn error(State(platform): State<Arc<Platform>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let (kind, message) = diagnostic(&body);
    platform.answer(&id, Outcome::Error { kind, message })
}

async fn init_error(State(platform): State<Arc<Platform>>, body: Bytes) -> StatusCode {
    let (kind, message) = diagnostic(&body);
    platform.init.send_if_modified(|init| {
        let first = init.is_none();
        init.get_or_insert(Err(format!("{kind}: {message}")));
        first
    });
    StatusCode::ACCEPTED
}

/// `errorType` and `errorMessage` of what a function reports.
fn diagnostic(body: &[u8]) -> (String, String) {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name| report.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("errorType"), text("errorMessage"))
}
