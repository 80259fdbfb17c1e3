//! The deployment that is on its way is stopped, if it is to blame.

use shared::ledger::operation::{Means, Operation};
use shared::ledger::revision::Standing;

use super::truth::digest;
use super::*;
use crate::facts::service::{Found, Status};

rules! {
    a_deployment_in_flight_is_stopped_so_that_ecs_goes_back,
    of_several_sources_the_last_successful_one_counts,
    a_deployment_in_flight_without_a_known_source_is_let_run,
    a_fix_on_its_way_is_not_stopped,
    a_source_that_cannot_be_deployed_is_not_gone_back_to,
    a_stop_that_was_cut_off_goes_on_where_it_stopped,
}

/// web:7 is on its way since two minutes, and began from these service revisions.
fn on_its_way(sources: &'static [&'static str]) -> impl FnOnce(&mut Truth) {
    move |truth| {
        truth.history(&[
            (Status::InProgress, 0, 7),
            (Status::Successful, 500, 6),
            (Status::Successful, 900, 5),
        ]);
        truth.scene().sources = Some(sources.iter().map(|arn| (*arn).to_owned()).collect());
    }
}

const STOPPED: &str =
    "web:7 -> web:6: stop deployment-0 (high confidence: the deployment in flight began from it)";

fn a_deployment_in_flight_is_stopped_so_that_ecs_goes_back() -> Vec<Case> {
    let unlisted = |truth: &mut Truth| {
        truth.history(&[(Status::InProgress, 0, 7)]);
        truth.began_from(&[6]);
    };
    let unchecked = |truth: &mut Truth| {
        on_its_way(&["revision-1"])(truth);
        truth.definition(6).images[0].found = Found::Unchecked("it is not in Amazon ECR".to_owned());
    };
    let moved = |truth: &mut Truth| {
        truth.history(&[(Status::InProgress, 0, 7), (Status::Successful, 500, 7)]);
        truth.scene().sources = Some(vec!["revision-1".to_owned()]);
        truth.scene().revisions.as_mut().unwrap()[1].images = digest("old");
        truth.definition(7).images[0].found = Found::Moved;
    };
    vec![
        when("its source is listed", on_its_way(&["revision-1"]), STOPPED),
        when("its source is listed no more", unlisted, STOPPED),
        when(
            "its strategy shifts traffic",
            |truth| {
                on_its_way(&["revision-1"])(truth);
                truth.service().strategy = "CANARY".to_owned();
            },
            STOPPED,
        ),
        when(
            "the source's image cannot be looked for",
            unchecked,
            "web:7 -> web:6: stop deployment-0 (high confidence: the deployment in flight began from it) [Not checked: \
             whether the image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 is still there (it is not in \
             Amazon ECR).]",
        ),
        // ECS remembers the digest; nothing has to be registered.
        when(
            "the same task definition with another image",
            moved,
            "web:7 -> web:7: stop deployment-0 (high confidence: the deployment in flight began from it)",
        ),
    ]
}

fn of_several_sources_the_last_successful_one_counts() -> Vec<Case> {
    vec![
        when("of two", on_its_way(&["revision-2", "revision-1"]), STOPPED),
        when(
            "it is not among them",
            |truth| {
                on_its_way(&["revision-2", "source-4"])(truth);
                truth.began_from(&[4]);
                truth.scene().sources = Some(vec!["revision-2".to_owned(), "source-4".to_owned()]);
            },
            "hold: what ran before the newest deployment is not known",
        ),
    ]
}

fn a_deployment_in_flight_without_a_known_source_is_let_run() -> Vec<Case> {
    let unknown = "hold: what ran before the newest deployment is not known";
    vec![
        when("the first deployment", on_its_way(&[]), unknown),
        when("ECS does not describe it", on_its_way(&["revision-gone"]), unknown),
    ]
}

fn a_fix_on_its_way_is_not_stopped() -> Vec<Case> {
    let bad = |truth: &mut Truth| {
        on_its_way(&["revision-1"])(truth);
        truth.remember(6, Standing::Bad, 60);
    };
    let fix =
        "hold: the deployment in flight replaces a revision that is known to be bad, so it may be the fix";
    vec![
        when("it replaces a bad one", bad, fix),
        when(
            "the one that it brings was bad once",
            |truth| {
                on_its_way(&["revision-1"])(truth);
                truth.remember(7, Standing::Bad, 60);
            },
            STOPPED,
        ),
    ]
}

fn a_source_that_cannot_be_deployed_is_not_gone_back_to() -> Vec<Case> {
    vec![
        when(
            "its image is gone",
            |truth| {
                on_its_way(&["revision-1"])(truth);
                truth.definition(6).images[0].found = Found::Gone;
            },
            "hold: web:6 cannot be deployed: its image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 is not in \
             the registry any more",
        ),
        when(
            "its task definition was deleted",
            |truth| {
                on_its_way(&["revision-1"])(truth);
                truth.definitions.remove(&crate::cases::td(6));
            },
            "hold: ECS does not know the task definition web:6 (any more)",
        ),
    ]
}

fn a_stop_that_was_cut_off_goes_on_where_it_stopped() -> Vec<Case> {
    let begun = |status, then: fn(&mut Truth)| {
        move |truth: &mut Truth| {
            truth.history(&[(Status::InProgress, 2, 7), (Status::Successful, 500, 6)]);
            truth.scene().sources = Some(vec!["revision-1".to_owned()]);
            then(truth);
            let rollback = truth.rollback();
            truth.begin(&rollback);
            truth.scene().deployments[0].status = status;
            truth.scene().deployments[0].finished_at = Some(crate::cases::ago(0));
        }
    };
    let moved: fn(&mut Truth) = |truth| {
        truth.history(&[(Status::InProgress, 2, 7), (Status::Successful, 500, 7)]);
        truth.scene().sources = Some(vec!["revision-1".to_owned()]);
        truth.scene().revisions.as_mut().unwrap()[1].images = digest("old");
        truth.definition(7).images[0].found = Found::Moved;
    };
    let overtaken = |truth: &mut Truth| {
        begun(Status::Successful, |_| {})(truth);
        truth.service().task_definition = crate::cases::td(8);
    };
    vec![
        when("it was not stopped", begun(Status::InProgress, |_| {}), STOPPED),
        when("it is being stopped", begun(Status::RollingBack, |_| {}), "done before: web:7 -> web:6"),
        when("it was stopped", begun(Status::RolledBack, |_| {}), "done before: web:7 -> web:6"),
        when(
            "it arrived first",
            begun(Status::Successful, |_| {}),
            "web:7 -> web:6: update the service to web:6",
        ),
        when("somebody deployed since", overtaken, "hold: somebody changed it to web:8 while the rollback"),
        // What this very operation left is bad by its own word only.
        when(
            "the same task definition with another image",
            begun(Status::InProgress, moved),
            "web:7 -> web:7: stop deployment-0 (high confidence",
        ),
        when(
            "the same, and it arrived first",
            begun(Status::Successful, moved),
            "web:7 -> web:7: copy web:7 with web@sha256:old",
        ),
    ]
}

#[test]
fn the_deployment_that_is_stopped_is_known_before_the_call() {
    let rollback = truth().with(on_its_way(&["revision-1"])).rollback();
    assert_eq!(rollback.plan.act.means(), Means::StopServiceDeployment);
    assert_eq!(rollback.plan.act.deployment(), Some("deployment-0".to_owned()));
}

#[test]
fn another_cause_that_stopped_it_is_in_progress() {
    let mut second = truth().with(on_its_way(&["revision-1"]));
    let rollback = second.rollback();
    second.begin(&Rollback { operation: "of another alarm".to_owned(), ..rollback });
    let operations: Vec<Operation> = second.memory().operations.clone();
    assert_eq!(operations[0].deployment, Some("deployment-0".to_owned()));
    assert!(said(&second.verdict()).starts_with("hold: a rollback of it is already in progress"));
}
