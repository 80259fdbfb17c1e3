//! The table: what ended, and who is told to go on.

use shared::ledger::operation::{End, Means, Operation};
use shared::tags;

use super::super::tests::{check, failing, of_service, say, tagged, taking_back};
use super::super::{Policy, decide};
use super::*;
use crate::cases::{at, change, deployment, operation, policy, redeploy, watch, watching};
use crate::facts::{Deployment, Rollout, World};
use Rollout::{Completed, Failed, InProgress};

/// Two redeploys wait for the deployment under way.
fn awaited(mut facts: Facts) -> Facts {
    facts.memory.as_mut().unwrap().waiting = vec!["redeploy-8".to_owned(), "redeploy-9".to_owned()];
    facts
}

fn event(phase: Phase, id: &str, operations: &[Operation], deployments: &[Deployment]) -> Facts {
    awaited(of_service(change(phase, id, 6), operations, deployments))
}

#[test]
fn who_waits_for_a_deployment_is_woken_by_its_end_whatever_else_follows() {
    let done = [taking_back(41, Completed)];
    let deployed = "deployed web:41, resolves false; wakes redeploy-8, redeploy-9";
    check(&event(Phase::Completed, "ecs-svc/9", &[], &done), 7, deployed);
    let broken = [taking_back(41, InProgress), failing(Failed)];
    check(
        &event(Phase::Failed, "ecs-svc/8", &[], &broken),
        7,
        "broken web:42 back to Some(\"web:41\"), over false, disproved true; wakes redeploy-8, redeploy-9",
    );
    let overtaken = [deployment("ecs-svc/10", 43, InProgress, 8)];
    check(
        &event(Phase::Completed, "ecs-svc/9", &[], &overtaken),
        9,
        "ignore: another deployment runs by now, of web:43; wakes redeploy-8, redeploy-9",
    );
    let own = [deployment("ecs-svc/2", 41, Completed, 0)];
    let rollback = operation(Means::UpdateService);
    let followed = "follow op-1; wakes redeploy-8, redeploy-9";
    check(&event(Phase::Completed, "ecs-svc/2", std::slice::from_ref(&rollback), &own), 7, followed);
    let over = Operation { end: Some(End::Recovered), ..rollback };
    check(
        &event(Phase::Completed, "ecs-svc/2", &[over], &own),
        7,
        "ignore: the operation op-1 is closed: it helped; wakes redeploy-8, redeploy-9",
    );
    let mut gone = event(Phase::Completed, "ecs-svc/9", &[], &[]);
    gone.world = Some(World::Service(None));
    check(&gone, 7, "ignore: the service is gone; wakes redeploy-8, redeploy-9");
    let dev = awaited(tagged(change(Phase::Failed, "ecs-svc/8", 6), tags::ENVIRONMENT, "dev"));
    check(&dev, 7, "ignore: it belongs to the environment dev; wakes redeploy-8, redeploy-9");
}

#[test]
fn what_ends_nothing_wakes_nobody() {
    let broken = [taking_back(41, InProgress), failing(Failed)];
    check(
        &event(Phase::RollingBack, "ecs-svc/9", &[], &broken),
        7,
        "broken web:42 back to Some(\"web:41\"), over false, disproved true",
    );
    check(&event(Phase::Began, "ecs-svc/9", &[], &broken), 7, "ignore: a deployment began; its end counts");
    let moving = [deployment("ecs-svc/2", 42, InProgress, 0)];
    let on_its_way = awaited(of_service(watching("re-1"), &[redeploy()], &moving));
    check(&on_its_way, 1, "wait 20s: it is on its way");
}

#[test]
fn where_nothing_is_looked_at_nobody_is_woken() {
    let ended = || Facts::of(change(Phase::Completed, "ecs-svc/9", 6));
    let elsewhere = Policy { clusters: "stage*".to_owned(), ..policy() };
    let said = say(&decide(&ended(), &elsewhere, at(7)));
    assert_eq!(said, "ignore: the cluster prod is not among those that this stack watches");
    let off = Policy { mode: tags::Mode::Off, ..policy() };
    let said = say(&decide(&ended(), &off, at(7)));
    assert_eq!(said, "ignore: the mode is off (watchkeeper:mode, or the template's Mode)");
}

#[test]
fn who_waits_and_makes_the_redeploy_that_ended_is_woken_once() {
    let ended =
        Operation { end: Some(End::Recovered), redeploy: Some("redeploy-9".to_owned()), ..redeploy() };
    let own = [deployment("ecs-svc/2", 42, Completed, 0)];
    check(
        &event(Phase::Completed, "ecs-svc/2", &[ended], &own),
        7,
        "ignore: the operation re-1 is closed: it helped; wakes redeploy-9, redeploy-8",
    );
}

#[test]
fn the_end_of_a_rollback_wakes_nobody_by_itself() {
    let rollback = Operation { end: Some(End::Recovered), ..operation(Means::UpdateService) };
    let facts = awaited(of_service(watch(), &[rollback], &[]));
    check(&facts, 7, "ignore: the operation op-1 is closed: it helped");
}
