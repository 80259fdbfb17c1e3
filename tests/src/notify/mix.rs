//! A hundred notices while channels throttle, break, reset, hang and refuse, and the ledger's answers are cut: nothing is
//! lost, and what is told twice is told under the same key.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use local::proxy::{Fault, Proxy, When};
use local::runtime_api::Outcome;
use serde_json::json;

use super::burst::told;
use super::doubles::{Way, at, double, slack, webhook};
use super::scene::{Named, Overrun, Scene, notice};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 1] =
    [("of_100_notices_under_any_mix_of_faults_none_is_lost_and_repetitions_have_their_key", |stage| {
        mix(stage).boxed_local()
    })];

/// As many as local AWS bears; the function's own tests do the same with a thousand, without its processes.
const NOTICES: usize = 100;

const PROCESSES: usize = 4;

/// How long the platform lets an invocation run, by the template.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(180);

const SEED: u64 = 20_261_120;

/// A number below 1,000 for the nth request of a channel (SplitMix64).
fn dice(channel: u64, nth: usize) -> u64 {
    let begin = SEED ^ (channel << 32) ^ u64::try_from(nth).unwrap_or_default();
    let mixed = begin.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 1_000
}

fn of_machine(nth: usize) -> Way {
    match dice(1, nth) {
        0..6 => Way::TooMany(1),
        6..56 => Way::Broken,
        56..106 => Way::Reset,
        106..109 => Way::Hang,
        _ => Way::Take,
    }
}

fn of_people(nth: usize) -> Way {
    match dice(2, nth) {
        0..80 => Way::TooMany(2),
        80..160 => Way::Broken,
        160..220 => Way::Reset,
        220..230 => Way::Hang,
        230..260 => Way::Refuse,
        _ => Way::Take,
    }
}

async fn mix(stage: &Stage) -> anyhow::Result<()> {
    let (people, answer) = double(slack, of_people);
    at(stage, "/mix/slack", answer);
    let (machine, answer) = double(webhook, of_machine);
    at(stage, "/mix/machine", answer);
    let channels = |at: &str| {
        json!([
            {"name": "mix-ops", "type": "slack", "url": format!("{at}/slack")},
            {"name": "mix-audit", "type": "webhook", "url": format!("{at}/machine"), "secret": "key"},
        ])
    };
    let policy = "notify: {storm: {count: 1000, within: 1m}, \
                  channels: {mix-audit: {at_most: {count: 200, within: 1s, burst: 200}}}}";
    let scene = Scene::new(stage, "mix", channels, policy).await?.lasting(TIMEOUT).await?;
    let incidents: Vec<String> = (0..NOTICES).map(|nth| format!("mix-{nth:04}")).collect();
    let severities = ["sev1", "sev2", "sev3"];
    let bodies = incidents.iter().zip(severities.iter().cycle());
    let bodies: Vec<_> =
        bodies.map(|(incident, severity)| notice(incident, "firing", severity, 0).to_string()).collect();
    scene.send(&bodies).await?;

    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    let faults = [(10, Fault::CutAfter), (5, Fault::CutBefore), (5, Fault::Throttle)];
    for (nth, (share, fault)) in faults.into_iter().enumerate() {
        proxy.inject("dynamodb:PutItem", When::PerMille { share, seed: SEED + u64::try_from(nth)? }, fault);
    }
    let began = Instant::now();
    // On a machine that is busy with other things, the platform may end an invocation: that is one fault more.
    let overruns = Cell::new(0);
    let ended = try_join_all((0..PROCESSES).map(async |_| {
        loop {
            let function = scene.process(proxy.url()).await?;
            match scene.work_within(&function, TIMEOUT, LIMIT).await {
                Err(error) if error.is::<Overrun>() && overruns.get() < PROCESSES => {
                    overruns.set(overruns.get() + 1);
                }
                ended => return ended,
            }
        }
    }));
    let ended: Vec<_> = ended.await?.into_iter().flatten().collect();
    let took = began.elapsed();
    let failed = ended.iter().filter(|ended| matches!(ended.outcome, Outcome::Error { .. })).count();

    // Machines: each incident, always under its one key.
    let mut heard: BTreeMap<String, Vec<(String, Way)>> = BTreeMap::new();
    let all = machine.all();
    for one in all.iter().filter(|heard| heard.is_taken()) {
        let incident = one.request.json()["incident"].as_str().unwrap_or_default().to_owned();
        let key = one.request.header("idempotency-key").to_owned();
        heard.entry(incident).or_default().push((key, one.way.unwrap_or(Way::Take)));
    }
    let lost: Vec<_> = incidents.iter().filter(|incident| !heard.contains_key(*incident)).collect();
    ensure!(lost.is_empty(), "{} were never told to the machine: {lost:?}", lost.len());
    let (mut unanswered, mut unrecorded) = (0, 0);
    for (incident, times) in &heard {
        let keys: BTreeSet<_> = times.iter().map(|(key, _)| key).collect();
        ensure!(keys.len() == 1, "{incident} came under several keys: {times:?}");
        for (_, way) in times.iter().take(times.len() - 1) {
            if *way == Way::Take { unrecorded += 1 } else { unanswered += 1 }
        }
    }

    // People: each incident, alone or with others, or among the dead letters.
    let said = people.all();
    let taken: Vec<_> = said.iter().filter(|heard| heard.way == Some(Way::Take)).collect();
    let dead: Vec<String> =
        scene.letters().await?.iter().filter_map(|letter| letter.body().map(ToOwned::to_owned)).collect();
    let mut untold = Vec::new();
    for incident in &incidents {
        let told = scene.told(incident, "mix-ops").await?.is_some();
        if !told && !dead.iter().any(|letter| letter.contains(incident)) {
            untold.push(incident);
        }
    }
    let named = |incident: &&String| {
        taken.iter().any(|heard| String::from_utf8_lossy(&heard.request.body).contains(incident.as_str()))
            || dead.iter().any(|letter| letter.contains(incident.as_str()))
    };
    let unnamed = incidents.iter().filter(|incident| !named(incident)).count();
    let counted: usize = taken.iter().map(|heard| told(heard)).sum();
    let listed: usize =
        taken.iter().map(|heard| told(heard).saturating_sub(1)).filter(|more| *more > 0).count();
    eprintln!(
        "… {NOTICES} notices in {took:?}: {} invocations ({failed} failed, {} more overran), {} calls of AWS; the machine got {} requests, \
         {unanswered} told again after an answer that never came, {unrecorded} after one that was not written down; \
         people got {} messages ({listed} of several) of {counted} incidents, {unnamed} only counted, {} dead letters",
        ended.len(),
        overruns.get(),
        proxy.calls().len(),
        all.len(),
        said.len(),
        dead.len()
    );
    ensure!(untold.is_empty(), "{} were neither told to people nor given up: {untold:?}", untold.len());
    ensure!(counted + dead.len() >= NOTICES, "people were told of {counted}, and {} are dead", dead.len());
    Ok(())
}
