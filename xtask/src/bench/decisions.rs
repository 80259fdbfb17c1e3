//! How many decisions one core makes in a second: the package `decisions`, built and run by itself.

use anyhow::{Context, bail};
use local::progress::Progress;
use local::{job, place};

use super::binaries::{Subjects, build};
use super::row::Row;

/// The least, in a second.
const GOAL: f64 = 100_000.0;

/// How often it is counted; the best tells what the machine can do beside all else that it does.
const RUNS: usize = 3;

/// The pure decision, asked about facts of which nothing is left to find out.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let binary = build("decisions", progress).await?;
    let log = place::local().join("bench/decisions.log");
    let mut best: f64 = 0.0;
    for _ in 0..RUNS {
        let ended = job::run(&mut job::cleaned(&binary), &log, |_| {}).await?;
        if !ended.status.success() {
            bail!("decisions failed: {}", ended.last.join("\n"));
        }
        let said = ended.last.last().context("decisions says nothing")?;
        best = best.max(said.parse().with_context(|| format!("decisions says {said:?}"))?);
    }
    let what = "decisions on one core";
    Ok(vec![Row::new(subjects.alarm_rollback.name, what, "/s", best).at_least(GOAL)])
}
