//! `cargo xtask test`: every test, with all that they need set up before.

use std::process::ExitCode;

use local::job::{self, Group};
use local::progress::Progress;
use local::{build, place, setup};

use crate::say::{self, Terminal};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the tests whose names contain one of these; anything else that a test binary takes goes through too.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<String>,
}

/// Sets up, builds the functions, and runs the tests.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    say::title("Tests", "Local AWS is set up, the functions are built, then cargo test runs.");
    say::line("");
    // What is downloaded and what is compiled do not wait for each other.
    tokio::try_join!(setup::tools(&Terminal), build::functions(&Terminal))?;

    let filters = args.filters.join(" ");
    let shown = if filters.is_empty() { String::new() } else { format!(" -- {filters}") };
    Terminal.step(&format!("cargo test --workspace{shown}"));
    say::line("");
    let mut command = cargo_test();
    command.arg("--").args(&args.filters).stdin(std::process::Stdio::null());
    let mut tests = Group::start(&mut command)?;
    let status = tests.child().wait().await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo_test() -> tokio::process::Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = job::cleaned(cargo);
    command.current_dir(place::root()).args(["test", "--workspace"]);
    command
}
