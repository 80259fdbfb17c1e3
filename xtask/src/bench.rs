//! `cargo xtask bench`: what the functions cost, as the platform would run them, beside an empty function: the floor;
//! and what `wk` costs at the terminal.
//!
//! Every group of rows stands in a file of its own and returns its [`Row`]s; [`measure`] lists the groups.

mod binaries;
mod cold_call;
mod decisions;
mod health;
mod letters;
mod notify;
mod redeploy;
mod rollback;
mod row;
mod samples;
mod start;
mod wk;

use std::path::PathBuf;

use anyhow::Context;
use local::progress::Progress;
use serde_json::json;

use crate::say::{self, Terminal};
use binaries::Subjects;
use row::Row;

/// What to do with the numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the rows to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only these groups; may be given several times. All others are left out.
    #[arg(long, value_enum, value_name = "GROUP")]
    only: Vec<Group>,
    /// Also drain a million dead letters, each AWS call taking as long as in a Region (ten minutes or more, and 6 GB).
    #[arg(long)]
    million: bool,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Starts, ignored events, and sizes.
    Start,
    /// The first AWS call of a cold process.
    ColdCall,
    /// The rules alone.
    Decisions,
    /// Dead letters.
    Letters,
    /// Notices.
    Notify,
    /// From an alarm to its closing notice.
    Rollback,
    /// Who uses a secret.
    Redeploy,
    /// Health checks.
    Health,
    /// The terminal.
    Wk,
}

/// Measures, and shows the rows; those that were measured also when something fails.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    say::title("Watchkeeper: what it costs", "");
    let mut rows = Vec::new();
    let measured = measure(&mut rows, &args).await;
    rows.sort_by(|one: &Row, other| one.whose().cmp(other.whose()));

    say::line("");
    for line in row::table(&rows) {
        say::line(&line);
    }
    if let Some(path) = args.json {
        let text = serde_json::to_string_pretty(&json!({"rows": rows}))?;
        std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    measured
}

async fn measure(rows: &mut Vec<Row>, args: &Args) -> anyhow::Result<()> {
    let wants = |group: Group| args.only.is_empty() || args.only.contains(&group);
    let subjects = Subjects::new()?;

    if wants(Group::Start) {
        rows.extend(binaries::rows(&subjects).await?);
        Terminal.step("Measuring starts and ignored events");
        rows.extend(start::rows(&subjects).await?);
    }
    if wants(Group::ColdCall) {
        Terminal.step("Measuring the first AWS call of a cold process, over TLS");
        rows.extend(cold_call::rows(&subjects).await?);
    }
    if wants(Group::Decisions) {
        rows.extend(decisions::rows(&Terminal).await?);
    }
    if wants(Group::Letters) {
        rows.extend(letters::rows(&subjects, &Terminal).await?);
    }
    if args.million {
        rows.extend(letters::million(&subjects, &Terminal).await?);
    }
    if wants(Group::Notify) {
        rows.extend(notify::rows(&subjects, &Terminal).await?);
    }
    if wants(Group::Rollback) {
        Terminal.step("Measuring alarm to UpdateService and to the closing notice on local AWS");
        rows.extend(rollback::rows(&subjects, &Terminal).await?);
    }
    if wants(Group::Redeploy) {
        Terminal.step(
            "Measuring the search for who uses a secret, within the API's budgets (two minutes by its nature)",
        );
        rows.extend(redeploy::rows(&subjects, &Terminal).await?);
    }
    if wants(Group::Health) {
        rows.extend(health::rows(&subjects, &Terminal).await?);
    }
    if wants(Group::Wk) {
        rows.extend(wk::rows(&Terminal).await?);
    }
    Ok(())
}
