//! The project's tasks: `cargo xtask --help` lists them.

mod bench;
mod corpus;
mod demo;
mod hold;
mod say;
mod schema;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Watchkeeper's tasks",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Show it working: a real alarm on local AWS rolls a bad deployment back and tells people.
    Demo(demo::Args),
    /// Local AWS with the template deployed, for hand work.
    #[command(subcommand)]
    Local(hold::Task),
    /// Run every test, with all set-up.
    Test(test::Args),
    /// Measure the functions as the platform would run them.
    Bench(bench::Args),
    /// Write the JSON Schemas policy.schema.json and deployment.schema.json from their types.
    Schema,
    /// What holds a kept local AWS; started by the others.
    #[command(hide = true, subcommand)]
    Hold(hold::Held),
}

#[tokio::main]
async fn main() -> ExitCode {
    let task = Cli::parse().task;
    let held = matches!(task, Task::Hold(_));
    let done = tokio::select! {
        done = run(task) => Some(done),
        _ = local::job::interrupted() => None,
    };
    // Whatever ends the work has dropped it by now, and with it every process that it started.
    match done {
        Some(Ok(code)) => code,
        Some(Err(error)) => {
            say::error(&error);
            ExitCode::FAILURE
        }
        None => {
            if !held {
                say::line("\nInterrupted: everything that was started is ended.");
            }
            // The runtime would wait for a thread that waits for another task's lock.
            std::process::exit(INTERRUPTED.into())
        }
    }
}

async fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Demo(args) => demo::run(args).await,
        Task::Local(task) => hold::run(task).await,
        Task::Test(args) => test::run(args).await,
        Task::Bench(args) => bench::run(args).await.map(|()| ExitCode::SUCCESS),
        Task::Schema => schema::run().map(|()| ExitCode::SUCCESS),
        Task::Hold(held) => hold::hold(held).await,
    }
}
