//! `wk status --watch`: the watch as it goes on, in the whole terminal.
//!
//! ```text
//! source ─▶ state ─▶ sections ─▶ draw ─▶ terminal
//!    ▲                  ▲
//!    └─ when it is due  └─ keys
//! ```
//!
//! Each source is asked in the background and by itself, so that one that is slow or denied holds up no other, and keys are
//! answered at once. What is drawn is a pure function of what is known, what is looked at, and the time.

mod draw;
mod keys;
mod row;
mod sections;
mod source;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;

use aws_sdk_cloudformation as cloudformation;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use shared::config::Env;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Problem;
use crate::args::Status;
use crate::ends::Ends;
use crate::exit::Exit;
use crate::reach::{Reach, now};
use crate::say::Out;
use crate::stack::Stack;
use keys::{Act, View};
use state::{Place, State};
use terminal::{Input, Screen};

/// Ages are drawn anew so often.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// Why it cannot be shown here, and what to use; nothing where it can.
pub(super) fn refusal(status: &Status, out: &Out) -> Option<Problem> {
    if !status.watch {
        return None;
    }
    let term = Env::process().optional("TERM").unwrap_or_default();
    let why = match &status.format {
        Some(_) => {
            "--watch is for people, and has no format: leave --format out, or leave --watch out and ask again and again"
        }
        None if !out.is_for_people() => {
            "--watch is for people: leave --output json out, or use wk status --output json, again and again"
        }
        None if !std::io::stdout().is_terminal() => {
            "--watch needs a terminal, and standard output is none: use wk status, or wk status --output json"
        }
        None if !std::io::stdin().is_terminal() => {
            "--watch needs a terminal for its keys, and standard input is none: use wk status, or wk status --output json"
        }
        None if term == "dumb" => {
            "--watch needs a terminal that can place its text, and TERM is dumb: use wk status"
        }
        None => return None,
    };
    Some(Problem::new(why))
}

/// Watches until somebody ends it, one environment at a time.
///
/// # Errors
/// Where the terminal cannot be written to or read from any more.
pub(super) async fn run(reach: &Reach, status: &Status, out: &Out) -> Result<Exit, Problem> {
    // Where the others cannot be found, there is still the one that was asked for.
    let found = Stack::all(&cloudformation::Client::new(reach.config())).await.unwrap_or_default();
    let others = found.into_iter().filter(|stack| stack.name != reach.stack.name);
    let elsewhere: Vec<Reach> =
        others.map(|stack| Reach::at(reach.config().clone(), stack, reach.is_remote())).collect();
    let everywhere: Vec<&Reach> = std::iter::once(reach).chain(&elsewhere).collect();
    let all = everywhere.len();
    let mut watched: Vec<(&Reach, State)> = everywhere
        .into_iter()
        .enumerate()
        .map(|(number, reach)| {
            let of = (all > 1).then_some((number + 1, all));
            (reach, State::new(place(reach, status, of), status.every))
        })
        .collect();

    let mut ends = Ends::new()?;
    let mut screen = Screen::take()?;
    let mut input = terminal::input();
    let mut view = View::default();
    let ended = loop {
        let Some((reach, state)) = watched.first_mut() else { break Ok(()) };
        let ended = watch(reach, &status.kinds, state, &mut view, &mut screen, &mut input, &mut ends).await;
        match ended {
            Ok(Ended::Elsewhere) => {
                state.leave();
                watched.rotate_left(1);
                view.first = 0;
            }
            Ok(Ended::Over) => break Ok(()),
            Err(problem) => break Err(problem),
        }
    };
    drop(screen);
    ended?;
    let now = now();
    let Some((_, state)) = watched.first() else { return Ok(Exit::Interrupted) };
    out.note(&draw::farewell(state, now));
    Ok(state.exit(now))
}

fn place(reach: &Reach, status: &Status, of: Option<(usize, usize)>) -> Place {
    Place {
        environment: reach.stack.environment.clone(),
        stack: reach.stack.name.clone(),
        account: reach.stack.place(),
        mode: reach.stack.setting("MODE").unwrap_or_default(),
        remote: reach.is_remote(),
        kinds: status.kinds.clone(),
        of,
    }
}

/// Why one environment is watched no longer.
enum Ended {
    Over,
    Elsewhere,
}

async fn watch(
    reach: &Reach,
    kinds: &[String],
    state: &mut State,
    view: &mut View,
    screen: &mut Screen,
    input: &mut UnboundedReceiver<Input>,
    ends: &mut Ends,
) -> Result<Ended, Problem> {
    let mut asked = FuturesUnordered::new();
    loop {
        for source in state.due(now()) {
            state.asked(source, now());
            asked.push(async move { (source, source::look(source, reach, kinds).await) });
        }
        screen.draw(state, view, now())?;
        tokio::select! {
            () = ends.wait() => return Ok(Ended::Over),
            said = input.recv() => match said {
                Some(Input::Key(key)) => match view.press(key) {
                    Act::End => return Ok(Ended::Over),
                    Act::Elsewhere if state.place.of.is_some() => return Ok(Ended::Elsewhere),
                    Act::Refresh => state.refresh(now()),
                    Act::DrawAnew => screen.clear()?,
                    Act::Draw | Act::Elsewhere | Act::Nothing => {}
                },
                Some(Input::Resized) => {}
                Some(Input::Lost(why)) => return Err(Problem::new(format!("the terminal cannot be read: {why}"))),
                None => return Err(Problem::new("the terminal cannot be read any more")),
            },
            Some((source, said)) = asked.next(), if !asked.is_empty() => {
                state.answered(source, said.map_err(|problem| problem.to_string()), now());
            }
            () = until(state.next_due(), now()) => {}
        }
    }
}

/// Until something is due, or ages are to be drawn anew: at the beginning of the next second, so that the clock is right.
async fn until(due: Option<Timestamp>, now: Timestamp) {
    let beginning = SignedDuration::from_nanos(i64::from(now.subsec_nanosecond().rem_euclid(1_000_000_000)));
    let tick = TICK.saturating_sub(beginning);
    let due = due.map_or(tick, |due| due.duration_since(now).clamp(SignedDuration::ZERO, tick));
    tokio::time::sleep(due.unsigned_abs()).await;
}
