//! What needs no whole decision to be shown.

use shared::ledger::operation::Operation;

use super::deployable::untagged;
use super::*;
use crate::cases::{ago, now, td};
use crate::decision::tests::truth::{Truth, operation, truth};

#[test]
fn an_image_is_written_without_its_tag() {
    for (image, expected) in [
        ("web", "web"),
        ("web:1.4", "web"),
        ("shop/web:1.4", "shop/web"),
        ("registry:5000/shop/web", "registry:5000/shop/web"),
        ("registry:5000/shop/web:1.4", "registry:5000/shop/web"),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:latest",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web",
        ),
    ] {
        assert_eq!(untagged(image), expected, "{image}");
    }
}

#[test]
fn a_stack_is_being_changed_in_every_status_that_says_so() {
    for status in [
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
    ] {
        assert!(is_moving(status), "{status}");
    }
    for status in
        ["CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]
    {
        assert!(!is_moving(status), "{status}");
    }
}

/// How far an operation is, where the service runs this.
fn at(revision: u32, own: &Operation, change: impl FnOnce(&mut Truth)) -> Position {
    let mut truth = truth();
    truth.service().task_definition = td(revision);
    change(&mut truth);
    position(truth.scene(), own)
}

fn overtaken(revision: u32) -> Position {
    Position::Overtaken { running: td(revision) }
}

#[test]
fn an_update_is_made_when_the_service_is_set_to_what_it_returns_to() {
    let own = operation("op-1", 7, 6, 1, None);
    assert_eq!(at(7, &own, |_| {}), Position::Before);
    assert_eq!(at(6, &own, |_| {}), Position::Made);
    assert_eq!(at(8, &own, |_| {}), overtaken(8));
    // Somebody deployed what it leaves once more.
    assert_eq!(at(7, &own, |truth| truth.service().deployed_at = Some(now())), overtaken(7));
    // The service is gone: the rules say so.
    assert_eq!(at(7, &own, |truth| truth.scene().service = None), Position::Before);
}

#[test]
fn an_update_to_another_image_of_the_same_task_definition_waits_for_its_copy() {
    let begun = operation("op-1", 7, 7, 1, None);
    assert_eq!(at(7, &begun, |_| {}), Position::Before);
    let copied = Operation { to: td(8), copy_of: Some(td(7)), ..begun };
    assert_eq!(at(7, &copied, |_| {}), Position::Before);
    assert_eq!(at(8, &copied, |_| {}), Position::Made);
}

#[test]
fn tasks_are_restored_when_some_are_wanted() {
    let own =
        Operation { means: Means::Scale, from: "0 tasks".to_owned(), ..operation("op-1", 7, 7, 1, None) };
    assert_eq!(at(7, &own, |truth| truth.service().desired = 0), Position::Before);
    assert_eq!(at(7, &own, |_| {}), Position::Made);
}

#[test]
fn a_stop_is_made_when_its_deployment_does_not_go_on() {
    let own = Operation {
        means: Means::StopServiceDeployment,
        deployment: Some("deployment-0".to_owned()),
        ..operation("op-1", 7, 6, 1, None)
    };
    let of = |status| move |truth: &mut Truth| truth.scene().deployments[0].status = status;
    for status in [Status::RollingBack, Status::RolledBack, Status::RollbackFailed, Status::Stopped] {
        assert_eq!(at(7, &own, of(status)), Position::Made, "{status:?}");
    }
    for status in [Status::InProgress, Status::Successful, Status::Unknown] {
        assert_eq!(at(7, &own, of(status)), Position::Before, "{status:?}");
        assert_eq!(at(8, &own, of(status)), overtaken(8), "{status:?}");
    }
    let unlisted = |truth: &mut Truth| truth.scene().deployments.clear();
    assert_eq!(at(7, &own, unlisted), Position::Before);
}

#[test]
fn codedeploys_deployment_is_made_when_it_is_known() {
    let created = Operation { means: Means::CreateDeployment, ..operation("op-1", 7, 6, 1, None) };
    assert_eq!(at(7, &created, |_| {}), Position::Before);
    let known = Operation { deployment: Some("d-2".to_owned()), ..created };
    assert_eq!(at(7, &known, |_| {}), Position::Made);
    let stopped = Operation {
        means: Means::StopDeployment,
        deployment: Some("d-1".to_owned()),
        began: ago(1),
        ..known
    };
    let newest =
        |id: &'static str| move |truth: &mut Truth| truth.service().code_deploy = Some(id.to_owned());
    assert_eq!(at(7, &stopped, newest("d-1")), Position::Before);
    assert_eq!(at(7, &stopped, newest("d-0")), Position::Made);
}
