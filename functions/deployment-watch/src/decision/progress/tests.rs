//! The table: what is there, and how far the operation is.

use shared::ledger::operation::Means as M;

use super::*;
use crate::cases::{at, deployment, operation, service};
use Rollout::{Completed, Failed, InProgress};

/// Said in one word, with what matters of it.
pub(super) fn say(progress: &Progress) -> String {
    match progress {
        Progress::NotMade => "not made".to_owned(),
        Progress::OnItsWay => "on its way".to_owned(),
        Progress::Deployed { at: when } => {
            format!("deployed after {}m", when.duration_since(at(0)).as_mins())
        }
        Progress::Failed { disproves, .. } => {
            if *disproves {
                "failed, disproved".to_owned()
            } else {
                "failed".to_owned()
            }
        }
        Progress::TooLate { .. } => "too late".to_owned(),
        Progress::Unlisted { running } => {
            format!("unlisted: {}", running.rsplit('/').next().unwrap_or_default())
        }
        Progress::Superseded { running, .. } => {
            format!("superseded: {}", running.rsplit('/').next().unwrap_or_default())
        }
    }
}

#[track_caller]
fn check(operation: &Operation, world: &World, expected: &str) {
    assert_eq!(say(&of(operation, world)), expected);
}

pub(super) fn aside(deployment: Deployment) -> Deployment {
    Deployment { primary: false, ..deployment }
}

pub(super) fn taking_back(deployment: Deployment) -> Deployment {
    let reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.";
    Deployment { reason: reason.to_owned(), ..deployment }
}

#[track_caller]
fn check_update(deployments: &[Deployment], expected: &str) {
    let world = World::Service(Some(service(deployments)));
    check(&operation(M::UpdateService), &world, expected);
}

#[test]
fn an_update_is_followed_by_its_deployment() {
    let own = |rollout| deployment("ecs-svc/2", 41, rollout, 0);
    let old = |rollout| deployment("ecs-svc/1", 42, rollout, -60);
    check_update(&[own(InProgress), aside(old(Completed))], "on its way");
    check_update(&[own(Completed)], "deployed after 4m");
    check_update(&[own(Failed)], "failed, disproved");
    let back = taking_back(deployment("ecs-svc/3", 42, InProgress, 9));
    check_update(&[back.clone(), aside(own(InProgress))], "failed, disproved");
    check_update(&[back.clone(), aside(own(Failed))], "failed, disproved");
    check_update(&[back], "failed, disproved");
    let again = deployment("ecs-svc/3", 42, InProgress, 9);
    check_update(&[again.clone(), aside(own(InProgress))], "failed, disproved");
    check_update(std::slice::from_ref(&again), "failed");
    check_update(&[again, aside(own(Completed))], "superseded: web:42");
    let other = deployment("ecs-svc/3", 43, InProgress, 9);
    check_update(&[other.clone(), aside(own(InProgress))], "superseded: web:43");
    check_update(&[other], "superseded: web:43");
    check_update(&[taking_back(deployment("ecs-svc/3", 40, InProgress, 9))], "failed, disproved");
    check_update(&[deployment("ecs-svc/3", 41, Completed, 9)], "deployed after 13m");
    check_update(&[old(Completed)], "not made");
    check_update(&[], "on its way");
}

#[test]
fn an_update_whose_deployment_could_not_be_recorded_is_known_by_what_runs() {
    let operation = Operation { deployment: None, ..operation(M::UpdateService) };
    let world = |deployments: &[Deployment]| World::Service(Some(service(deployments)));
    // Also where it is blamed within its first minute.
    for minutes in [-60, 0] {
        check(&operation, &world(&[deployment("ecs-svc/1", 42, Completed, minutes)]), "not made");
    }
    check(&operation, &world(&[deployment("ecs-svc/2", 41, InProgress, 0)]), "on its way");
    check(&operation, &world(&[deployment("ecs-svc/2", 41, Completed, 0)]), "deployed after 4m");
    check(&operation, &world(&[deployment("ecs-svc/2", 43, Completed, 0)]), "superseded: web:43");
    check(&operation, &world(&[deployment("ecs-svc/2", 42, Completed, 5)]), "superseded: web:42");
}

#[test]
fn a_service_that_is_gone_or_tells_no_state_is_understood() {
    let update = operation(M::UpdateService);
    check(&update, &World::Service(None), "superseded: the service no longer exists");
    let leaving = Service { active: false, ..service(&[]) };
    check(&update, &World::Service(Some(leaving)), "superseded: the service is being deleted");
    let silent = Deployment { rollout: None, running: 2, ..deployment("ecs-svc/2", 41, Completed, 0) };
    check_update(std::slice::from_ref(&silent), "on its way");
    check_update(&[Deployment { running: 3, ..silent }], "deployed after 4m");
}

#[test]
fn a_service_is_recovered_when_its_tasks_run() {
    let scale = operation(M::Scale);
    let of = |desired, running| {
        let service = Service { desired, running, ..service(&[deployment("ecs-svc/1", 41, Completed, 2)]) };
        World::Service(Some(service))
    };
    check(&scale, &of(0, 0), "not made");
    check(&scale, &of(2, 1), "on its way");
    check(&scale, &of(2, 2), "deployed after 6m");
}

#[test]
fn a_stopped_service_deployment_says_itself_how_it_ended() {
    let stop = operation(M::StopServiceDeployment);
    for (status, expected) in [
        (Status::Moving, "on its way"),
        (Status::RolledBack, "deployed after 7m"),
        (Status::RollbackFailed, "failed"),
        (Status::Stopped, "failed"),
        (Status::Successful, "too late"),
    ] {
        let deployment = ServiceDeployment { status, reason: String::new(), finished_at: Some(at(7)) };
        check(&stop, &World::ServiceDeployment(Some(deployment)), expected);
    }
    check(&stop, &World::ServiceDeployment(None), "not made");
}

fn code(status: CodeDeployStatus) -> CodeDeployment {
    CodeDeployment { id: "d-1".to_owned(), status, reason: "why".to_owned(), completed_at: Some(at(8)) }
}

#[test]
fn a_new_deployment_by_codedeploy_is_followed() {
    use CodeDeployStatus as S;
    let create = operation(M::CreateDeployment);
    for (status, expected) in [
        (S::Moving, "on its way"),
        (S::Succeeded, "deployed after 8m"),
        (S::Failed, "failed, disproved"),
        (S::Stopped, "superseded: somebody stopped the deployment d-1"),
    ] {
        check(&create, &World::CodeDeploy { deployment: Some(code(status)), rollback: None }, expected);
    }
    check(&create, &World::CodeDeploy { deployment: None, rollback: None }, "not made");
}

#[test]
fn a_stopped_deployment_by_codedeploy_is_over_when_the_one_that_takes_it_back_is() {
    use CodeDeployStatus as S;
    let stop = operation(M::StopDeployment);
    for (status, rollback, expected) in [
        (S::Moving, None, "on its way"),
        (S::Stopped, None, "on its way"),
        (S::Failed, None, "on its way"),
        (S::Succeeded, None, "too late"),
        (S::Stopped, Some(S::Moving), "on its way"),
        (S::Stopped, Some(S::Succeeded), "deployed after 8m"),
        (S::Failed, Some(S::Succeeded), "deployed after 8m"),
        (S::Stopped, Some(S::Failed), "failed"),
    ] {
        check(
            &stop,
            &World::CodeDeploy { deployment: Some(code(status)), rollback: rollback.map(code) },
            expected,
        );
    }
}

#[test]
fn an_alias_is_over_as_soon_as_it_points_there_alone() {
    let operation = Operation { from: "8".to_owned(), to: "7".to_owned(), ..operation(M::UpdateAlias) };
    for (version, others, expected) in [
        ("7", &[][..], "deployed after 0m"),
        ("7", &["8"][..], "not made"),
        ("8", &[][..], "not made"),
        ("8", &["7"][..], "not made"),
        ("9", &[][..], "superseded: version 9"),
        ("7", &["9"][..], "superseded: version 7 and 9"),
    ] {
        let others = others.iter().map(|other| (*other).to_owned()).collect();
        let alias = Alias { version: version.to_owned(), others };
        check(&operation, &World::Alias(Some(alias)), expected);
    }
    check(&operation, &World::Alias(None), "superseded: the alias no longer exists");
}

#[track_caller]
fn check_stack(means: M, status: &str, since: Option<i64>, expected: &str) {
    let stack =
        Stack { status: status.to_owned(), since: since.map(at), failures: vec!["Service: no".to_owned()] };
    check(&operation(means), &World::Stack(Some(stack)), expected);
}

#[test]
fn the_status_of_a_stack_says_how_far_it_is() {
    for means in [M::CancelUpdateStack, M::ContinueUpdateRollback, M::RollbackStack] {
        check_stack(means, "UPDATE_ROLLBACK_COMPLETE", Some(5), "deployed after 5m");
        check_stack(means, "UPDATE_ROLLBACK_IN_PROGRESS", None, "on its way");
        check_stack(means, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None, "on its way");
        check_stack(means, "UPDATE_ROLLBACK_FAILED", Some(5), "failed");
        check_stack(means, "UPDATE_ROLLBACK_FAILED", Some(-5), "not made");
        check_stack(means, "UPDATE_ROLLBACK_FAILED", None, "not made");
        check_stack(means, "DELETE_IN_PROGRESS", None, "superseded: DELETE_IN_PROGRESS");
        check_stack(means, "SOMETHING_NEW", None, "superseded: SOMETHING_NEW");
        check(&operation(means), &World::Stack(None), "superseded: the stack no longer exists");
    }
    check_stack(M::CancelUpdateStack, "UPDATE_IN_PROGRESS", None, "not made");
    check_stack(M::CancelUpdateStack, "UPDATE_COMPLETE", Some(5), "too late");
    check_stack(M::CancelUpdateStack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None, "too late");
    check_stack(M::ContinueUpdateRollback, "UPDATE_IN_PROGRESS", None, "superseded: UPDATE_IN_PROGRESS");
    check_stack(M::ContinueUpdateRollback, "UPDATE_COMPLETE", Some(5), "superseded: UPDATE_COMPLETE");
    check_stack(M::RollbackStack, "ROLLBACK_COMPLETE", Some(5), "deployed after 5m");
    check_stack(M::RollbackStack, "UPDATE_FAILED", Some(-5), "not made");
    check_stack(M::RollbackStack, "UPDATE_FAILED", Some(5), "superseded: UPDATE_FAILED");
    check_stack(M::RollbackStack, "ROLLBACK_FAILED", Some(5), "failed");
}

#[test]
fn a_deployment_counts_as_done_no_later_than_its_deadline() {
    let late = Deployment { updated_at: Some(at(600)), ..deployment("ecs-svc/2", 41, Completed, 0) };
    check_update(&[late], "deployed after 30m");
}
