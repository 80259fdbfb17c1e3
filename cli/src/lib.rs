//! `wk`: the same watch by hand.
//!
//! Everything that it does, a function does. It builds the request that the function knows ([`args`]), has the same library
//! code answer it with the operator's own credentials, or with `--remote` the function where it is deployed ([`reach`]),
//! and shows the answer (`command`). What the functions are given by the template, it finds in the stack ([`stack`]); what
//! they would log, it keeps in a file ([`journal`]).

mod alarms;
pub mod args;
mod command;
mod ends;
pub mod exit;
pub mod journal;
mod problem;
pub mod reach;
pub mod say;
mod service;
pub mod stack;

use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::{Command, ExitCode};

use clap::Parser;
use shared::config::Env;

use args::Args;
use ends::Ends;
use exit::Exit;
pub use problem::Problem;
use say::Out;

/// The whole program: its words, its exit code, and what ends it from outside.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(asked) => {
            // Help and the version go to standard output, what is wrong to standard error.
            let exit = if asked.use_stderr() { Exit::Unable } else { Exit::Good };
            let _ = asked.print();
            return exit.into();
        }
    };
    let out = Out::new(args.output);
    if let Some(problem) = elsewhere(&args) {
        out.problem(&problem);
        return Exit::Unable.into();
    }
    if let Some(exit) = command::without_account(&args.command, &out) {
        return out.ended(exit).into();
    }
    journal::keep(journal::path(&Env::process()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        out.problem(&"this machine gives no threads or sockets");
        return Exit::Unable.into();
    };
    let exit = runtime.block_on(async {
        let running = run(&args, &out);
        // It restores the terminal before it ends, and hears Ctrl-C as a key.
        if args.command.is_live() {
            return running.await;
        }
        match Ends::new() {
            Ok(mut ends) => interruptible(running, &args.command, &out, async || ends.wait().await).await,
            Err(problem) => {
                out.problem(&problem);
                problem.exit()
            }
        }
    });
    // A question to a terminal that nobody answers must not keep it from ending.
    runtime.shutdown_background();
    out.ended(exit).into()
}

/// Goes on to its end, or until it is interrupted; what has begun to change something is ended only when that is asked for
/// twice.
async fn interruptible(
    running: impl Future<Output = Exit>,
    command: &args::Command,
    out: &Out,
    mut interrupted: impl AsyncFnMut(),
) -> Exit {
    let mut running = pin!(running);
    tokio::select! {
        exit = &mut running => return exit,
        () = interrupted() => {}
    }
    if out.has_begun() {
        out.note("Ending what was begun; Ctrl-C once more ends at once.");
        tokio::select! {
            exit = running => return exit,
            () = interrupted() => {}
        }
    }
    out.problem(&command.interrupted(out.has_begun()));
    Exit::Interrupted
}

/// Credentials that the SDK takes before those of any profile.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// The SDK takes its profile and Region from the environment; where others are asked for, this begins anew with them, and
/// without credentials that would be taken before the profile's. Comes back only if that fails, or there is nothing to do.
fn elsewhere(args: &Args) -> Option<String> {
    let env = Env::process();
    let wanted: Vec<(&str, &str)> = [("AWS_PROFILE", &args.profile), ("AWS_REGION", &args.region)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .filter(|(name, value)| env.optional(name).as_deref() != Some(value))
        .collect();
    let unwanted: Vec<&str> = match &args.profile {
        Some(_) => CREDENTIALS.into_iter().filter(|name| env.optional(name).is_some()).collect(),
        None => Vec::new(),
    };
    if wanted.is_empty() && unwanted.is_empty() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(format!("this program cannot be found again: {error}")),
    };
    let mut again = Command::new(program);
    if let Some(name) = std::env::args_os().next() {
        again.arg0(name);
    }
    again.args(std::env::args_os().skip(1)).envs(wanted);
    for name in unwanted {
        again.env_remove(name);
    }
    let error = again.exec();
    Some(format!("this program cannot be begun again with that profile or Region: {error}"))
}

/// Does what is asked, and says what came of it.
pub async fn run(args: &Args, out: &Out) -> Exit {
    match command::run(args, out).await {
        Ok(exit) => exit,
        Err(problem) => {
            out.problem(&problem);
            problem.exit()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use clap::Parser;

    use super::args::Args;
    use super::exit::Exit;
    use super::interruptible;
    use super::say::{Out, Output};

    /// How a command ends whose work takes until Ctrl-C was pressed so often, and that many times it is; it begins to change
    /// something after so many.
    async fn check(begins: Option<usize>, work: Option<usize>, presses: usize, expected: Exit) {
        let command = Args::try_parse_from(["wk", "ack", "it"]).unwrap().command;
        let out = Out::new(Output::Text);
        let count = Cell::new(0);
        let press = async || {
            // The work gets its turn between two of them.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            if count.get() == presses {
                pending::<()>().await;
            }
            count.set(count.get() + 1);
        };
        let working = async {
            loop {
                if begins == Some(count.get()) {
                    out.begin();
                }
                if work == Some(count.get()) {
                    return Exit::Good;
                }
                tokio::task::yield_now().await;
            }
        };
        let ended = interruptible(working, &command, &out, press).await;
        assert_eq!(ended, expected, "begins after {begins:?}, takes {work:?}, pressed {presses} times");
    }

    #[tokio::test]
    async fn what_was_begun_is_brought_to_its_end_unless_that_is_asked_for_twice() {
        for (begins, work, presses, expected) in [
            // It only looks, plans, or asks for the word.
            (None, Some(0), 0, Exit::Good),
            (None, Some(1), 1, Exit::Interrupted),
            (None, None, 1, Exit::Interrupted),
            // What is not begun by then is not begun any more.
            (Some(1), Some(1), 1, Exit::Interrupted),
            (Some(0), Some(0), 0, Exit::Good),
            (Some(0), Some(1), 1, Exit::Good),
            (Some(0), None, 2, Exit::Interrupted),
        ] {
            check(begins, work, presses, expected).await;
        }
    }
}
