//! What uses a secret: a service that reads it when it starts, and opens a new connection every ten milliseconds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use local::recorded::SecretsManager;
use local::rotation::CURRENT;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::scene::Door;
use crate::stage::PATIENCE;

const EVERY: Duration = Duration::from_millis(10);

/// More than this many connections at once are not opened: a busy machine would only get busier.
const AT_ONCE: usize = 32;

pub(crate) struct App {
    secrets: SecretsManager,
    secret: String,
    reading: watch::Sender<Value>,
    /// How many connections were asked for.
    begun: Arc<AtomicUsize>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    task: JoinHandle<()>,
}

/// A connection that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Why it failed, if it did.
    pub(crate) failed: Option<String>,
}

impl App {
    /// Starts with what the secret holds now.
    pub(crate) fn start(secrets: &SecretsManager, secret: &str, door: Door) -> anyhow::Result<Self> {
        let reading = watch::Sender::new(secrets.json(secret, CURRENT)?);
        let (begun, attempts) = (Arc::default(), Arc::default());
        let counted = (Arc::clone(&begun), Arc::clone(&attempts));
        let task = tokio::spawn(connect_again_and_again(door, reading.subscribe(), counted));
        Ok(Self { secrets: secrets.clone(), secret: secret.to_owned(), reading, begun, attempts, task })
    }

    /// Starts anew, as after a redeploy, with what the secret holds now; the moment at which it did.
    pub(crate) fn redeploy(&self) -> anyhow::Result<Instant> {
        self.reading.send_replace(self.secrets.json(&self.secret, CURRENT)?);
        Ok(Instant::now())
    }

    /// All attempts that are over.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it connected, or tried to, so often from now on, and until whatever was on its way before has ended.
    pub(crate) async fn connects(&self, times: usize) -> anyhow::Result<()> {
        let from = Instant::now();
        let before = self.begun.load(Ordering::SeqCst);
        let done = local::deployment::until(PATIENCE, async || {
            let attempts = self.attempts();
            let since = attempts.iter().filter(|attempt| attempt.began >= from).count();
            Ok((since >= times && attempts.len() - since >= before).then_some(()))
        });
        ensure!(done.await?.is_some(), "the client stands still");
        Ok(())
    }

    /// That none of the connections failed, and that there were at least so many.
    pub(crate) fn expect_all(&self, least: usize) -> anyhow::Result<usize> {
        let attempts = self.attempts();
        let lost: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.failed.is_some()).collect();
        ensure!(
            lost.is_empty(),
            "{} of {} connections were lost, the first by {:?}",
            lost.len(),
            attempts.len(),
            lost[0].failed
        );
        ensure!(attempts.len() >= least, "only {} connections were opened", attempts.len());
        Ok(attempts.len())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect_again_and_again(
    door: Door,
    reading: watch::Receiver<Value>,
    (begun, attempts): (Arc<AtomicUsize>, Arc<Mutex<Vec<Attempt>>>),
) {
    let under_way = Arc::new(AtomicUsize::new(0));
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tick.tick().await;
        if under_way.load(Ordering::SeqCst) >= AT_ONCE {
            continue;
        }
        under_way.fetch_add(1, Ordering::SeqCst);
        let (door, value) = (door.clone(), reading.borrow().clone());
        let (attempts, under_way) = (Arc::clone(&attempts), Arc::clone(&under_way));
        let began = Instant::now();
        begun.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let failed = door.enter(&value).await.err().map(|error| format!("{error:#}"));
            let attempt = Attempt { began, ended: Instant::now(), failed };
            attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
            under_way.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
