//! The terminal: taken as a whole, and given back in every case.

use std::io::IsTerminal;
use std::io::Stdout;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::draw::{Look, draw};
use super::keys::View;
use super::state::State;
use crate::Problem;

/// So often whoever reads the keys looks whether somebody still wants them.
const LOOK: Duration = Duration::from_millis(250);

/// What comes from the terminal.
#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Resized,
    /// It cannot be read any more, and why.
    Lost(String),
}

/// The whole terminal. Dropping it gives it back, and so does a panic.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    look: Look,
}

impl Screen {
    /// Takes it.
    ///
    /// # Errors
    /// Where it cannot be switched to read key by key, or cannot be written to.
    pub(super) fn take() -> Result<Self, Problem> {
        let is_coloured =
            std::io::stdout().is_terminal() && AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal, look: Look { is_coloured } }),
            Err(error) => {
                let _ = ratatui::try_restore();
                Err(lost(&error))
            }
        }
    }

    /// Draws what is known; only what changed is written.
    ///
    /// # Errors
    /// Where the terminal cannot be written to.
    pub(super) fn draw(&mut self, state: &State, view: &mut View, now: Timestamp) -> Result<(), Problem> {
        let look = self.look;
        let drawn = self.terminal.draw(|frame| draw(frame, state, view, look, now));
        drawn.map(drop).map_err(|error| lost(&error))
    }

    /// Takes away all that stands there.
    ///
    /// # Errors
    /// As [`Screen::draw`].
    pub(super) fn clear(&mut self) -> Result<(), Problem> {
        self.terminal.clear().map_err(|error| lost(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to be told where this fails.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

fn lost(error: &std::io::Error) -> Problem {
    Problem::new(format!("the terminal cannot be written to: {error}"))
}

/// Reads the keys on a thread of its own, until nobody wants them any more.
pub(super) fn input() -> UnboundedReceiver<Input> {
    let (to, from) = unbounded_channel();
    std::thread::spawn(move || read(&to));
    from
}

fn read(to: &UnboundedSender<Input>) {
    while !to.is_closed() {
        let said = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let input = match said {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Release => continue,
            Ok(Event::Key(key)) => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resized,
            Ok(_) => continue,
            Err(error) => {
                let _ = to.send(Input::Lost(error.to_string()));
                return;
            }
        };
        if to.send(input).is_err() {
            return;
        }
    }
}
