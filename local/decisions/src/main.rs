//! What the pure parts of the functions do in a second on one core, again and again with the same input, of which
//! nothing is left to find out. One line of JSON for each: whose it is, what, and how often a second.
//!
//! A second is one of the core's, where the system says how long the thread had it: what else the machine does is not
//! counted then.

mod letters;
mod notices;
mod rendering;
mod rollback;
mod routing;

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

/// How long is counted, and how long before that is not.
const COUNTED: Duration = Duration::from_millis(600);
const WARMING: Duration = Duration::from_millis(150);

/// How often is counted; the best tells what the machine can do beside all else that it does.
const RUNS: usize = 3;

/// How much is done between two looks at the clock.
const BLOCK: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let now: Timestamp = "2026-11-20T12:00:00Z".parse()?;
    say("alarm-rollback", "decisions on one core", rollback::decision(now)?)?;
    say("notification-fanout", routing::WHAT, routing::decision(now)?)?;
    say("dlq-triage", letters::WHAT, letters::judging(now)?)?;
    let (ordinary, large) = (notices::ordinary(now)?, notices::large(now)?);
    for (size, notice) in [("ordinary", &ordinary), ("large", &large)] {
        for (channel, render) in rendering::CHANNELS {
            render(notice, now).ok_or_else(|| format!("nothing is written for {channel}"))?;
            let what = format!("{size} notices for {channel}, rendered on one core");
            say("notification-fanout", &what, || render(notice, now).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Counts, and says how much there is of it in a second. What the work returns keeps it from being left out.
fn say(whose: &str, what: &str, mut work: impl FnMut() -> usize) -> Result<(), Box<dyn Error>> {
    within(WARMING, &mut work);
    let best = (0..RUNS).map(|_| within(COUNTED / 3, &mut work)).fold(0.0, f64::max);
    let line = json!({"whose": whose, "what": what, "per_second": best.round()});
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// How often a second it is done, for so long.
fn within(limit: Duration, work: &mut impl FnMut() -> usize) -> f64 {
    let (began, before) = (Instant::now(), on_core());
    let mut done = 0.0;
    while began.elapsed() < limit {
        for _ in 0..BLOCK {
            std::hint::black_box(work());
        }
        done += f64::from(BLOCK);
    }
    let took = before.and_then(|before| on_core()?.checked_sub(before)).filter(|took| !took.is_zero());
    done / took.unwrap_or_else(|| began.elapsed()).as_secs_f64()
}

/// How long this thread was on a core so far (Linux, "scheduler statistics").
fn on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}
