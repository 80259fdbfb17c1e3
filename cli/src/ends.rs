//! What ends a command from outside.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Problem;

/// Ctrl-C, and what else asks it to end.
pub(crate) struct Ends([Signal; 4]);

impl Ends {
    /// Hears them from now on: none ends the process by itself any more.
    ///
    /// # Errors
    /// Where signals cannot be heard.
    pub(crate) fn new() -> Result<Self, Problem> {
        let heard =
            |kind| signal(kind).map_err(|error| Problem::new(format!("signals cannot be heard: {error}")));
        Ok(Self([
            heard(SignalKind::interrupt())?,
            heard(SignalKind::terminate())?,
            heard(SignalKind::hangup())?,
            heard(SignalKind::quit())?,
        ]))
    }

    /// Until one of them comes.
    pub(crate) async fn wait(&mut self) {
        let [interrupt, terminate, hangup, quit] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
