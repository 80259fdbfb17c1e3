//! A wire between a client and a server, whatever they speak: it counts what the client sends, and can go dead at
//! any of it, so that a client can be ended exactly there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A port that leads to another. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// Where a wire goes dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// The nth thing that a client sends does not arrive, nor does anything after it.
    Before(usize),
    /// The nth thing that a client sends arrives, and nothing comes back any more.
    After(usize),
}

#[derive(Debug)]
struct Shared {
    to: u16,
    sent: AtomicUsize,
    dead: Mutex<Option<Dead>>,
    reached: watch::Sender<bool>,
}

impl Wire {
    /// A wire to a port of the loopback interface.
    pub async fn to(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the wire")?;
        let own = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            to: port,
            sent: AtomicUsize::new(0),
            dead: Mutex::default(),
            reached: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port: own, shared, task })
    }

    /// The port that clients connect to.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many things clients have sent so far: each is what one read gives, such as a TLS record.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Goes dead there, counted over all connections since the wire was made.
    pub fn die(&self, dead: Dead) {
        *self.shared.dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(dead);
    }

    /// Carries everything again. Connections that met the dead wire stay as they are.
    pub fn heal(&self) {
        *self.shared.dead.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.reached.send_replace(false);
    }

    /// Waits until a client has met the dead wire.
    pub async fn reached(&self) {
        // The sender lives in `self`.
        let _ = self.shared.reached.subscribe().wait_for(|reached| *reached).await;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Whether the nth thing still arrives.
    fn arrives(&self, nth: usize) -> bool {
        match *self.dead.lock().unwrap_or_else(PoisonError::into_inner) {
            None => true,
            Some(Dead::Before(at)) => nth < at,
            Some(Dead::After(at)) => nth <= at,
        }
    }

    /// Whether an answer to the nth thing comes back.
    fn is_answered(&self) -> bool {
        let sent = self.sent.load(Ordering::SeqCst);
        let dead = *self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(dead, Some(Dead::After(at)) if sent >= at)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(carry(client, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.to)).await else { return };
    // A socket that refuses still works.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = there(from_client, to_server, &shared) => {}
        () = back(from_server, to_client, &shared) => {}
    }
}

async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let nth = shared.sent.fetch_add(1, Ordering::SeqCst) + 1;
        if !shared.arrives(nth) {
            shared.reached.send_replace(true);
            return hung_up(from).await;
        }
        let Some(bytes) = buffer.get(..read) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    if !shared.is_answered() {
        // The client waits for no answer to its last word.
        shared.reached.send_replace(true);
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !shared.is_answered() {
            // What was sent has arrived, for the server has answered it.
            shared.reached.send_replace(true);
            return std::future::pending().await;
        }
        let Some(bytes) = buffer.get(..read) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Waits until the client is gone.
async fn hung_up(mut from: OwnedReadHalf) {
    let mut buffer = vec![0; 1024];
    while let Ok(1..) = from.read(&mut buffer).await {}
}

#[cfg(test)]
mod tests;
