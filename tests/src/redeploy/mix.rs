//! A large fleet of all kinds, with the budgets of the API, and a process that is ended in the middle of it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::proxy::{Fault, When};
use local::recorded::Fleet;
use serde_json::json;
use shared::ledger::redeploy::{Phase, Standing};

use super::place::Place;
use super::scene::Named;
use crate::rig::fact;
use crate::stage::Stage;

/// So many ordinary services, of which so many use the secret.
const SERVICES: usize = 300;
const USING: usize = 160;

/// At this call of UpdateService the process hangs.
const HANGS_AT: usize = 80;

/// Their task definitions.
const FAMILIES: usize = 30;

/// What is left to an invocation, and what of it secret-redeploy keeps back.
const TIMEOUT: Duration = Duration::from_secs(30);

const UPDATE: &str = "ecs:UpdateService";

pub(super) const TESTS: [Named; 1] = [(
    "three_hundred_services_of_all_kinds_are_seen_through_under_throttles_and_a_process_that_hangs",
    |stage| mix(stage).boxed_local(),
)];

fn fleet(arn: &str) -> Fleet {
    let mut fleet = Fleet::new().completing_after(Duration::from_millis(200));
    for family in 0..FAMILIES {
        fleet = fleet.using(&format!("worker-{family:02}:1"), "DB", arn);
    }
    for nth in 0..SERVICES {
        let (cluster, name) = (format!("cluster-{}", nth % 3), format!("service-{nth:03}"));
        let family =
            if nth < USING { format!("worker-{:02}:1", nth % FAMILIES) } else { "other:1".to_owned() };
        fleet = fleet.service(&cluster, &name).deployed(&family, 600);
    }
    fleet
        .service("odd", "code-deploy")
        .by_code_deploy("shop", "shop-live")
        .using("code-deploy:1", "DB", arn)
        .deployed("code-deploy:1", 600)
        .service("odd", "external")
        .external()
        .using("external:1", "DB", arn)
        .task_set("external:1", "PRIMARY", 600)
        .service("odd", "agent")
        .daemon()
        .using("agent:1", "DB", arn)
        .deployed("agent:1", 600)
        .service("odd", "asleep")
        .with(&json!({"desiredCount": 0}))
        .using("asleep:1", "DB", arn)
        .deployed("asleep:1", 600)
        .service("odd", "pausing")
        .shifted("BLUE_GREEN", &["POST_TEST_TRAFFIC_SHIFT"])
        .using("pausing:1", "DB", arn)
        .deployed("pausing:1", 600)
        .service("odd", "vanishing")
        .vanishing()
        .using("vanishing:1", "DB", arn)
        .deployed("vanishing:1", 600)
        .budgeted()
}

async fn mix(stage: &Stage) -> anyhow::Result<()> {
    let place = Place::new(stage, "mix").await?;
    let mut db = place.secret("db", &[]).await?;
    let fleet = fleet(&db.arn);
    let policy = "redeploy: {settle: 1s, waves: {first: 100, growth: 1, at_most: 100}}";
    let mut scene = place.with(policy, fleet).await?;
    scene.timeout = TIMEOUT;
    // Pipelines draw from the same bucket: now and then there is nothing left in it.
    for nth in [5, 6, 90] {
        scene.proxy.inject(UPDATE, When::Nth(nth), Fault::Throttle);
    }
    db.change().await?;
    let began = Instant::now();
    scene.tell(&db.moved()).await?.expect("begun", "")?;

    // In the middle nothing is answered any more, until the platform ends the process at its deadline.
    scene.hang_at(UPDATE, HANGS_AT).await?;
    let before = scene.done_by_then.len();
    ensure!((HANGS_AT - 10..=HANGS_AT).contains(&before), "{before} services were redeployed by then");

    scene.until(async |scene| Ok(scene.fleet.standing("pausing")?.pausing)).await?;
    scene.expect("odd/pausing", Standing::Moving, "pause at POST_TEST_TRAFFIC_SHIFT").await?;
    scene.fleet.approve("pausing")?;
    scene.until_over().await?;
    let took = began.elapsed();

    let updated = scene.updated();
    let mut once = updated.clone();
    once.dedup();
    ensure!(updated == once, "some were redeployed twice");
    let expected = USING + 1;
    ensure!(updated.len() == expected, "{} were redeployed, not {expected}", updated.len());
    let most = scene.fleet.most_within(UPDATE, Duration::from_secs(1));
    ensure!(most <= 5, "{most} calls of UpdateService came within a second");

    let members = scene.members().await?;
    ensure!(members.len() == USING + 6, "{} services have a verdict", members.len());
    let open: Vec<_> = members.iter().filter(|(_, member)| !member.standing.is_over()).collect();
    ensure!(open.is_empty(), "without a verdict: {open:#?}");
    scene.expect("odd/code-deploy", Standing::Fresh, "").await?;
    scene.expect("odd/external", Standing::Skipped, "an external controller deploys it").await?;
    scene.expect("odd/agent", Standing::Skipped, "it is a DAEMON").await?;
    scene.expect("odd/asleep", Standing::Skipped, "it is scaled to zero").await?;
    scene.expect("odd/pausing", Standing::Fresh, "").await?;
    let gone = members.get("odd/vanishing").context("it has no verdict")?;
    ensure!(gone.standing == Standing::Skipped && gone.why.contains("deleted"), "{gone:#?}");
    let created = scene.proxy.count("codedeploy:CreateDeployment");
    ensure!(created == 1, "CodeDeploy was called {created} times");

    ensure!(scene.redeploy().await?.phase == Phase::Done, "{:?}", scene.redeploy().await?);
    let told = scene.newest(1)?;
    let alone = fact(&told, "Left alone").context("nobody was left alone")?;
    for name in ["odd/external", "odd/agent", "odd/asleep", "odd/vanishing"] {
        ensure!(alone.contains(name), "{name} has no verdict in the notice: {told:#}");
    }
    let throttled = scene.fleet.throttled("*");
    crate::redeploy::scene::measured(&format!(
        "{} services redeployed in {:.0} s, {most} UpdateService in a second at most, {throttled} calls over the budget; \
         the process was ended after {before}",
        updated.len() + created,
        took.as_secs_f64(),
    ));
    scene.close().await
}
