//! The table of redeploys: what is there, and how far it is. web:42 ran before and is deployed anew.

use super::super::tests::{aside, say, taking_back};
use super::*;
use crate::cases::{at, deployment, redeploy, service};
use crate::decision::progress;
use crate::facts::{CodeDeployStatus, CodeDeployment, World};
use Rollout::{Completed, Failed, InProgress};

#[track_caller]
fn check_of(operation: &Operation, deployments: &[Deployment], expected: &str) {
    let world = World::Service(Some(service(deployments)));
    assert_eq!(say(&progress::of(operation, &world)), expected);
}

#[track_caller]
fn check(deployments: &[Deployment], expected: &str) {
    check_of(&redeploy(), deployments, expected);
}

fn own(rollout: Rollout) -> Deployment {
    deployment("ecs-svc/2", 42, rollout, 0)
}

/// From before the redeploy began: what it leaves.
fn old() -> Deployment {
    deployment("ecs-svc/1", 42, Completed, -60)
}

fn newer(revision: u32) -> Deployment {
    deployment("ecs-svc/3", revision, InProgress, 9)
}

#[test]
fn a_redeploy_is_followed_by_the_id_of_its_deployment() {
    check(&[own(InProgress), aside(old())], "on its way");
    check(&[own(Completed)], "deployed after 4m");
    check(&[own(Failed)], "failed");
    check(&[], "on its way");
}

#[test]
fn a_redeploy_that_ecs_takes_back_has_failed_though_the_same_runs() {
    let back = taking_back(newer(42));
    check(&[back.clone(), aside(own(InProgress))], "failed");
    check(&[back.clone(), aside(own(Failed))], "failed");
    check(&[back], "failed");
    check(&[old(), aside(own(InProgress))], "failed");
}

#[test]
fn a_redeploy_whose_place_somebody_takes_is_overtaken_unless_it_was_done() {
    for revision in [42, 43] {
        let expected = format!("superseded: web:{revision}");
        check(&[newer(revision), aside(own(InProgress))], &expected);
        check(&[newer(revision)], &expected);
        check(&[newer(revision), aside(own(Completed))], "deployed after 4m");
    }
}

#[test]
fn a_redeploy_that_is_not_listed_while_the_deployment_from_before_runs_is_in_doubt() {
    check(&[old()], "unlisted: web:42");
    check(&[taking_back(old())], "unlisted: web:42");
    check(&[Deployment { created_at: None, ..own(Completed) }], "deployed after 4m");
}

#[test]
fn a_redeploy_whose_deployment_could_not_be_recorded_is_what_was_created_since() {
    let operation = Operation { deployment: None, ..redeploy() };
    check_of(&operation, &[old()], "not made");
    check_of(&operation, &[taking_back(old())], "not made");
    // One that is a minute older brought no new secret.
    check_of(&operation, &[deployment("ecs-svc/1", 42, Completed, -1)], "not made");
    check_of(&operation, &[own(InProgress), aside(old())], "on its way");
    check_of(&operation, &[own(Completed)], "deployed after 4m");
    check_of(&operation, &[own(Failed)], "failed");
    check_of(&operation, &[taking_back(newer(42))], "failed");
    check_of(&operation, &[newer(43)], "superseded: web:43");
    let truncated = Deployment { created_at: Some(at(0)), ..own(Completed) };
    let began = at(0) + SignedDuration::from_millis(900);
    check_of(&Operation { began, ..operation }, &[truncated], "deployed after 4m");
}

#[test]
fn a_redeploy_with_a_pinned_copy_is_followed_alike() {
    let copied = Operation { to: crate::cases::td(44), copy_of: Some(crate::cases::td(42)), ..redeploy() };
    let copy = |rollout| deployment("ecs-svc/2", 44, rollout, 0);
    check_of(&copied, &[copy(Completed)], "deployed after 4m");
    check_of(&copied, &[taking_back(newer(42)), aside(copy(Failed))], "failed");
    check_of(&Operation { deployment: None, ..copied.clone() }, &[copy(Completed)], "deployed after 4m");
    check_of(&Operation { deployment: None, ..copied }, &[own(Completed)], "superseded: web:42");
}

#[test]
fn where_ecs_tells_no_state_the_tasks_do_and_a_service_may_be_gone() {
    let silent = Deployment { rollout: None, running: 2, ..own(Completed) };
    check(std::slice::from_ref(&silent), "on its way");
    check(&[Deployment { running: 3, ..silent }], "deployed after 4m");
    let gone = progress::of(&redeploy(), &World::Service(None));
    assert_eq!(say(&gone), "superseded: the service no longer exists");
}

#[test]
fn a_redeploy_by_codedeploy_is_what_codedeploy_says() {
    use CodeDeployStatus as S;
    let operation = Operation { means: Means::RedeployByCodeDeploy, ..redeploy() };
    for (status, expected) in [
        (S::Moving, "on its way"),
        (S::Succeeded, "deployed after 8m"),
        (S::Failed, "failed"),
        (S::Stopped, "failed"),
    ] {
        let reason = String::new();
        let made = CodeDeployment { id: "d-1".to_owned(), status, reason, completed_at: Some(at(8)) };
        let got = progress::of(&operation, &World::CodeDeploy { deployment: Some(made), rollback: None });
        assert_eq!(say(&got), expected);
        if let (S::Stopped, Progress::Failed { said, .. }) = (status, got) {
            assert_eq!(said, "the deployment d-1 was stopped");
        }
    }
    let unknown = progress::of(&operation, &World::CodeDeploy { deployment: None, rollback: None });
    assert_eq!(say(&unknown), "not made");
    check_of(&Operation { deployment: None, ..operation }, &[own(Completed)], "not made");
}
