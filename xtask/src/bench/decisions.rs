//! What the pure parts of the functions do in a second on one core: the package `decisions`, built and run by itself.

use anyhow::{Context, bail};
use local::progress::Progress;
use local::{job, place};
use serde::Deserialize;

use super::binaries::build;
use super::row::Row;

/// The least, in a second: whose it is, how what is counted begins, how often.
const GOALS: [(&str, &str, f64); 3] = [
    ("alarm-rollback", "decisions", 100_000.0),
    ("dlq-triage", "dead letters of 2 KB", 100_000.0),
    ("notification-fanout", "ordinary notices for Slack", 50_000.0),
];

/// A line that the package says.
#[derive(Debug, Deserialize)]
struct Counted {
    whose: String,
    what: String,
    per_second: f64,
}

/// Decisions and renderings of which nothing is left to find out.
pub(super) async fn rows(progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let binary = build("decisions", "decisions", &[], progress).await?;
    progress.step("Counting decisions and renderings");
    let log = place::local().join("bench/decisions.log");
    let ended = job::run(&mut job::cleaned(&binary), &log, |_| {}).await?;
    if !ended.status.success() {
        bail!("decisions failed: {}", ended.last.join("\n"));
    }
    ended.last.iter().map(|line| row(line)).collect()
}

fn row(line: &str) -> anyhow::Result<Row> {
    let Counted { whose, what, per_second } =
        serde_json::from_str(line).with_context(|| format!("decisions says {line:?}"))?;
    let row = Row::new(&whose, &what, "/s", per_second);
    let goal = GOALS.iter().find(|(of, begins, _)| *of == whose && what.starts_with(begins));
    Ok(match goal {
        Some((_, _, goal)) => row.at_least(*goal),
        None => row,
    })
}
