//! Every test that is more than one crate's own business.
//!
//! - [`contract`]: the template against the code, and the tree against its own rules. Needs nothing.
//! - [`hostile`]: the binaries, driven as the platform drives them, with whatever anybody could send.
//! - [`deployed`]: the deployed template on local AWS, with IAM enforced and receivers over TLS.
//! - [`recorded`]: the binaries with recorded answers for what local AWS lacks.
//! - [`storm`]: the binaries, eight at once, under 400 events within a second.
//! - [`rotation`]: the rotation hook at a real PostgreSQL and a real Valkey, under clients that never stop connecting.
//! - [`redeploy`]: from a secret that changed to the last service that has its new value, over a whole fleet of them.
//! - [`notify`]: what people and machines are told, on channels that throttle, refuse, hang and lie.
//! - [`wk`]: the same by hand, as whoever is on call types it.
//! - [`faults`]: the binaries behind a proxy that throttles, denies, cuts and repeats, and killed at every call.
//!
//! The tests run one after another: they share one deployment and two cores.

mod contract;
mod deployed;
mod faults;
mod hostile;
mod notify;
mod recorded;
mod redeploy;
mod rig;
mod rotation;
mod stage;
mod storm;
mod wk;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::stage::Stage;

fn main() -> anyhow::Result<ExitCode> {
    // The tests of `wk` run it as a process; its code is in this binary.
    if wk::is_meant() {
        return Ok(watchkeeper::main());
    }
    let (filters, flags) = filters(std::env::args());
    let mut arguments = Arguments::from_iter(flags);
    arguments.test_threads = Some(1);

    let runtime = Arc::new(Runtime::new()?);
    let took = Arc::new(std::sync::Mutex::new(Vec::new()));
    let stage = Arc::new(Mutex::new(None));
    let mut trials: Vec<Trial> = contract::TESTS
        .iter()
        .map(|(name, test)| {
            Trial::test(format!("contract::{name}"), move || test().map_err(|error| told(&error)))
        })
        .collect();
    let of_the_stage = [
        deployed::tests(),
        // Before those that leave hundreds of queues behind, all of which it would look at.
        wk::tests(),
        recorded::tests(),
        rotation::tests(),
        redeploy::tests(),
        storm::tests(),
        faults::tests(),
        notify::tests(),
        hostile::tests(),
    ];
    trials.extend(of_the_stage.into_iter().flatten().map(|(name, test)| {
        let (runtime, stage) = (Arc::clone(&runtime), Arc::clone(&stage));
        let (took, called) = (Arc::clone(&took), name.clone());
        Trial::test(name, move || {
            let _clock = Clock { took, called, began: Instant::now() };
            runtime.block_on(async {
                let mut stage = stage.lock().await;
                if stage.is_none() {
                    *stage = Some(Stage::set().await.map_err(|error| told(&error))?);
                }
                match stage.as_ref() {
                    Some(stage) => test(stage).await.map_err(|error| told(&error)),
                    None => Err("the stage is not set".into()),
                }
            })
        })
    }));

    trials.retain(|trial| {
        filters.is_empty() || filters.iter().any(|filter| trial.name().contains(filter.as_str()))
    });

    let interrupted = local::job::interrupted();
    let ended = runtime.block_on(async {
        let running = tokio::task::spawn_blocking(move || libtest_mimic::run(&arguments, trials));
        tokio::select! {
            ended = running => Ok(ended?.exit_code()),
            signal = interrupted => Err(anyhow::anyhow!("ended by {}", signal?)),
        }
    });
    if let Ok(mut stage) = stage.try_lock()
        && let Some(stage) = stage.take()
    {
        runtime.block_on(stage.strike());
    }
    if let Ok(mut took) = took.lock() {
        took.sort_unstable_by(|one, other| other.cmp(one));
        for (time, name) in took.iter().take(SLOWEST).filter(|(time, _)| *time >= SLOW) {
            println!("slow: {:>4} s  {name}", time.as_secs());
        }
    }
    ended
}

/// So many of the slowest tests are named, if they take so long: whoever waits for all of them wants to know for what.
const SLOWEST: usize = 15;
const SLOW: Duration = Duration::from_secs(15);

/// How long a test takes, whatever comes of it.
struct Clock {
    took: Arc<std::sync::Mutex<Vec<(Duration, String)>>>,
    called: String,
    began: Instant,
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Ok(mut took) = self.took.lock() {
            took.push((self.began.elapsed(), std::mem::take(&mut self.called)));
        }
    }
}

/// The built-in harness takes any number of filters, libtest-mimic one: what is no flag, nor a flag's value, is kept
/// apart here.
fn filters(arguments: impl Iterator<Item = String>) -> (Vec<String>, Vec<String>) {
    const WITH_VALUE: [&str; 5] = ["--color", "--format", "--logfile", "--skip", "--test-threads"];
    let (mut filters, mut flags) = (Vec::new(), Vec::<String>::new());
    for (index, argument) in arguments.enumerate() {
        let is_value = flags.last().is_some_and(|last| WITH_VALUE.contains(&last.as_str()));
        if index == 0 || is_value || argument.starts_with('-') {
            flags.push(argument);
        } else {
            filters.push(argument);
        }
    }
    (filters, flags)
}

fn told(error: &anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
