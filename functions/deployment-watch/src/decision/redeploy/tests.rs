//! A redeploy from its timer, or from an event about its deployment, to its end.

use shared::ecs::diagnosis::Diagnosis;
use shared::ledger::operation::End;

use super::super::tests::{check, failing, of_service, taking_back};
use super::super::{Place, Question};
use super::*;
use crate::cases::{at, change, deployment, diagnosis, redeploy, td, watching};
use crate::event::Phase;
use crate::facts::{CodeDeployStatus, CodeDeployment, Deployment, Facts, Rollout, World};
use Rollout::{Completed, Failed, InProgress};

fn own(rollout: Rollout) -> Deployment {
    deployment("ecs-svc/2", 42, rollout, 0)
}

fn redeploying(operation: &Operation, deployments: &[Deployment]) -> Facts {
    of_service(watching("re-1"), std::slice::from_ref(operation), deployments)
}

const CAUSE: &str = "3 of 3 tasks: container app exited with code 1, the app's own error. Read the log of container \
                     app of task t1.";

#[test]
fn a_redeploy_is_waited_for_and_its_end_wakes_whoever_makes_it() {
    check(&redeploying(&redeploy(), &[own(InProgress)]), 1, "wait 20s: it is on its way");
    check(&redeploying(&redeploy(), &[own(InProgress)]), 15, "wait 60s: it is on its way");
    check(&redeploying(&redeploy(), &[own(Completed)]), 5, "redeploy Recovered; wakes redeploy-1");
    let failed = format!("redeploy Failed: {CAUSE}; wakes redeploy-1");
    check(&redeploying(&redeploy(), &[own(Failed)]), 5, &failed);
    check(&redeploying(&redeploy(), &[taking_back(42, InProgress)]), 7, &failed);
    check(
        &redeploying(&redeploy(), &[deployment("ecs-svc/3", 43, InProgress, 3)]),
        5,
        "redeploy Superseded: another deployment took its place, of web:43; wakes redeploy-1",
    );
    let mut gone = redeploying(&redeploy(), &[]);
    gone.world = Some(World::Service(None));
    check(&gone, 5, "redeploy Superseded: the service no longer exists; wakes redeploy-1");
}

#[test]
fn a_redeploy_is_given_up_at_its_deadline() {
    let late =
        format!("redeploy Failed: it did not come to its end before its deadline: {CAUSE}; wakes redeploy-1");
    check(&redeploying(&redeploy(), &[own(InProgress)]), 30, &late);
    let unrecorded = Operation { deployment: None, ..redeploy() };
    let old = deployment("ecs-svc/1", 42, Completed, -60);
    let nothing = "wait 60s: it was begun, and nothing is seen of it yet";
    check(&redeploying(&unrecorded, std::slice::from_ref(&old)), 29, nothing);
    let mut not_made = redeploying(&unrecorded, &[old]);
    not_made.diagnosis = None;
    check(
        &not_made,
        30,
        "redeploy Failed: it was begun, and nothing came of it before its deadline; wakes redeploy-1",
    );
}

#[test]
fn a_redeploy_that_a_person_has_to_let_through_is_waited_for_a_whole_day() {
    let paused = Operation { deadline: at(24 * 60), ..redeploy() };
    check(&redeploying(&paused, &[own(InProgress)]), 23 * 60, "wait 900s: it is on its way");
    check(&redeploying(&paused, &[own(Completed)]), 23 * 60, "redeploy Recovered; wakes redeploy-1");
}

#[test]
fn a_deployment_that_ecs_does_not_list_is_waited_for_a_moment_and_then_gone() {
    let old = [deployment("ecs-svc/1", 42, Completed, -60)];
    check(&redeploying(&redeploy(), &old), 1, "wait 20s: it was begun, and nothing is seen of it yet");
    let gone = format!(
        "redeploy Failed: its deployment is gone, and what ran before it runs again: {CAUSE}; wakes redeploy-1"
    );
    check(&redeploying(&redeploy(), &old), 2, &gone);
}

#[test]
fn without_a_cause_the_words_of_aws_stay() {
    let without = |headline: &str, means| {
        let operation = Operation { means, ..redeploy() };
        let failure = Failure::Refuted { said: "The alarm web 5xx fired.".to_owned(), disproves: false };
        let diagnosis = Diagnosis { headline: headline.to_owned(), causes: Vec::new() };
        why(&operation, &Ended::Failed { failure, running: None }, Some(&diagnosis)).unwrap()
    };
    assert_eq!(without("ECS says: tasks failed.", Means::Redeploy), "ECS says: tasks failed.");
    let by_code_deploy = without("ECS says: The alarm web 5xx fired.", Means::RedeployByCodeDeploy);
    assert_eq!(by_code_deploy, "AWS says: The alarm web 5xx fired");
    let late = Ended::Failed { failure: Failure::Late, running: None };
    let silent = Diagnosis { causes: Vec::new(), ..diagnosis() };
    let said = why(&redeploy(), &late, Some(&silent)).unwrap();
    assert_eq!(said, "it did not come to its end before its deadline");
}

#[test]
fn only_what_a_redeploy_needs_is_asked() {
    let mut known = Facts::of(watching("re-1"));
    check(&known, 5, "look: Memory");
    known.memory = redeploying(&redeploy(), &[]).memory;
    check(&known, 5, "look: World(Target)");
    // Neither alarm nor incident: nobody hears of it from here.
    known.world = redeploying(&redeploy(), &[own(Completed)]).world;
    check(&known, 5, "redeploy Recovered; wakes redeploy-1");
    let by_code_deploy =
        Operation { means: Means::RedeployByCodeDeploy, deployment: Some("d-1".to_owned()), ..redeploy() };
    let mut known = Facts { world: None, ..redeploying(&by_code_deploy, &[]) };
    let asked = Question::World(Place::CodeDeploy("d-1".to_owned()));
    check(&known, 5, &format!("look: {asked:?}"));
    let made = CodeDeployment {
        id: "d-1".to_owned(),
        status: CodeDeployStatus::Succeeded,
        reason: String::new(),
        completed_at: Some(at(8)),
    };
    known.world = Some(World::CodeDeploy { deployment: Some(made), rollback: None });
    check(&known, 9, "redeploy Recovered; wakes redeploy-1");
}

#[test]
fn an_end_that_was_written_down_is_told_again() {
    let closed = "ignore: the operation re-1 is closed: it failed; wakes redeploy-1";
    let ended = Operation { end: Some(End::Failed), ..redeploy() };
    check(&redeploying(&ended, &[own(Failed)]), 6, closed);
    check(&of_service(change(Phase::Failed, "ecs-svc/2", 6), &[ended], &[own(Failed)]), 7, closed);
}

#[test]
fn an_event_about_a_redeploy_s_deployment_is_a_look_at_the_redeploy() {
    let back = taking_back(42, InProgress);
    let failed = Deployment { primary: false, ..own(Failed) };
    for (phase, id, deployments) in [
        (Phase::Completed, "ecs-svc/2", vec![own(Completed)]),
        (Phase::Failed, "ecs-svc/2", vec![back.clone(), failed.clone()]),
        (Phase::RollingBack, "ecs-svc/2", vec![back.clone(), failed.clone()]),
        // ECS may name the deployment that it makes in order to take the other back.
        (Phase::RollingBack, "ecs-svc/9", vec![back.clone(), failed.clone()]),
    ] {
        check(&of_service(change(phase, id, 6), &[redeploy()], &deployments), 7, "follow re-1");
    }
    let mut unlisted =
        of_service(change(Phase::RollingBack, "ecs-svc/9", 6), &[redeploy()], std::slice::from_ref(&back));
    unlisted.failed = Some(Some(td(42)));
    check(&unlisted, 7, "follow re-1");
    for means in [Means::Redeploy, Means::RedeployByCodeDeploy] {
        let unrecorded = Operation { deployment: None, means, ..redeploy() };
        check(
            &of_service(change(Phase::Completed, "ecs-svc/2", 6), &[unrecorded], &[own(Completed)]),
            7,
            "follow re-1",
        );
    }
}

#[test]
fn a_redeploy_that_failed_is_not_told_as_a_failed_deployment_too() {
    let ended = Operation { end: Some(End::Failed), ..redeploy() };
    let back = taking_back(42, InProgress);
    let failed = Deployment { primary: false, ..own(Failed) };
    let closed = "ignore: the operation re-1 is closed: it failed; wakes redeploy-1";
    let rolling_back = || change(Phase::RollingBack, "ecs-svc/9", 6);
    check(&of_service(rolling_back(), std::slice::from_ref(&ended), &[back.clone(), failed]), 7, closed);
    let mut unlisted = of_service(rolling_back(), &[ended], &[back]);
    unlisted.failed = Some(Some(td(42)));
    check(&unlisted, 7, closed);
}

#[test]
fn somebody_s_own_failed_deployment_of_the_same_is_told_also_after_a_redeploy() {
    let told = "broken web:42 back to Some(\"web:42\"), over false, disproved false";
    for end in [None, Some(End::Recovered), Some(End::Failed)] {
        let before = Operation { end, ..redeploy() };
        let deployments = [taking_back(42, InProgress), failing(Failed)];
        check(&of_service(change(Phase::Failed, "ecs-svc/8", 6), &[before], &deployments), 7, told);
    }
}
