//! A cold start, and events that are ignored: what it costs to be there.

use local::runtime_api::{Event, Function, Outcome};

use super::binaries::{Subject, Subjects, megabytes};
use super::row::Row;
use super::samples::Samples;

/// How often each is started.
const STARTS: usize = 25;

/// How many events a process is handed before it counts as warm.
const WARMING: usize = 50;

/// Warm events are handed over in blocks of so many, so that what disturbs the machine disturbs all alike.
const BLOCK: usize = 50;

/// How many blocks each gets.
const BLOCKS: usize = 40;

/// Limits: times the floor, also of one that speaks to two dozen services; MB, and ms above the floor.
const INIT_GOAL: f64 = 3.0;
const LARGE_INIT_GOAL: f64 = 4.0;
const RSS_GOAL: f64 = 14.0;
const WARM_GOAL: f64 = 0.3;

#[derive(Debug, Default)]
struct Measured {
    init: Samples,
    first: Samples,
    warm: Samples,
    peak_rss: f64,
}

/// Init time, first invocation, warm invocations and memory.
pub(super) async fn rows(subjects: &Subjects) -> anyhow::Result<Vec<Row>> {
    let mut all = subjects.all().map(|subject| (subject, Measured::default()));
    cold(&mut all).await?;
    warm(&mut all).await?;

    let [(_, floor), functions @ ..] = &all;
    Ok(functions.iter().flat_map(|(subject, measured)| described(subject, measured, floor)).collect())
}

/// Each is started in turn, again and again.
async fn cold(all: &mut [(&Subject, Measured)]) -> anyhow::Result<()> {
    for _ in 0..STARTS {
        for (subject, measured) in &mut *all {
            let function = subject.spawn_to_ignore().await?;
            measured.init.add(function.init());
            ignore(subject, &function, &mut measured.first).await?;
        }
    }
    Ok(())
}

/// All are kept warm side by side, and get their blocks in turn.
async fn warm(all: &mut [(&Subject, Measured)]) -> anyhow::Result<()> {
    let mut processes = Vec::new();
    for (subject, measured) in &mut *all {
        let function = subject.spawn_to_ignore().await?;
        let mut unmeasured = Samples::default();
        for _ in 0..WARMING {
            ignore(subject, &function, &mut unmeasured).await?;
        }
        processes.push((function, subject, measured));
    }
    for _ in 0..BLOCKS {
        for (function, subject, measured) in &mut processes {
            for _ in 0..BLOCK {
                ignore(subject, function, &mut measured.warm).await?;
            }
        }
    }
    for (function, _, measured) in &mut processes {
        measured.peak_rss = megabytes(function.peak_rss()?);
    }
    Ok(())
}

async fn ignore(subject: &Subject, function: &Function, times: &mut Samples) -> anyhow::Result<()> {
    let invoked = function.invoke(Event::new(&subject.ignored)).await?;
    match invoked.outcome {
        Outcome::Ok(_) => {}
        ended @ (Outcome::Error { .. } | Outcome::TimedOut | Outcome::Exited(_)) => {
            anyhow::bail!("{} does not ignore its event: {ended:?}", subject.name);
        }
    }
    times.add(invoked.took);
    Ok(())
}

fn described(subject: &Subject, measured: &Measured, floor: &Measured) -> [Row; 5] {
    let name = subject.name;
    let goal = if subject.is_large() { LARGE_INIT_GOAL } else { INIT_GOAL };
    let row = |what: &str, value: f64, baseline: f64| Row::new(name, what, "ms", value).beside(baseline);
    let (init, warm) = (floor.init.median(), floor.warm.median());
    [
        row(&format!("init (goal: {goal} × the floor)"), measured.init.median(), init).at_most(goal * init),
        row("first invocation, ignored event", measured.first.median(), floor.first.median()),
        row("warm p50 (goal: floor + 0.3 ms)", measured.warm.median(), warm).at_most(warm + WARM_GOAL),
        row("warm p99", measured.warm.percentile(99), floor.warm.percentile(99)),
        Row::new(name, "peak RSS", "MB", measured.peak_rss).beside(floor.peak_rss).at_most(RSS_GOAL),
    ]
}
