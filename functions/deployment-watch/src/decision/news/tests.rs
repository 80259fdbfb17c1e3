use std::fmt::Write;

use shared::ledger::operation::Means;

use super::*;
use crate::cases::{
    SECRET, SERVICE, alarm, at, change, deployment as listed, diagnosis, facts, operation, policy, redeploy,
    service, target, td, watch, watching,
};
use crate::decision::{Step, decide};
use crate::facts::{Rollout, World};

/// The policy that tells of all that is so far.
fn telling(tell: &[Status]) -> Policy {
    let mut policy = policy();
    policy.told.tell = tell.to_vec();
    policy
}

fn told(facts: &Facts, policy: &Policy, minutes: i64) -> Option<News> {
    match decide(facts, policy, at(minutes)) {
        Step::Settled { verdict, .. } => of(facts, policy, &verdict, at(minutes)),
        Step::Look(question) => panic!("it asks {question:?}"),
    }
}

/// In one line: the deployment, how far it is, of what and when; then what else there is.
fn say(news: &News) -> String {
    let short = |arn: &Option<String>| arn.as_deref().map_or("?", crate::decision::short).to_owned();
    let minutes = news.at.duration_since(at(0)).as_mins();
    let mut said = format!("{} {} {} +{minutes}", news.deployment, news.status, short(&news.revision));
    if news.back_to.is_some() {
        let _ = write!(said, ", back to {}", short(&news.back_to));
    }
    if let Some(health) = news.health {
        let _ = write!(said, ", {}", health.as_str());
    }
    if let Some(secret) = &news.secret {
        let _ = write!(said, ", after {secret}");
    }
    said
}

#[track_caller]
fn check(facts: &Facts, minutes: i64, expected: Option<&str>) {
    let news = told(facts, &telling(&Status::ALL), minutes);
    assert_eq!(news.as_ref().map(say).as_deref(), expected);
    // Where nobody wants to hear of it, nothing is said, and nothing more is asked.
    assert_eq!(told(facts, &policy(), minutes), None);
}

fn with(hint: Hint, operations: &[Operation], rollout: Rollout, revision: u32) -> Facts {
    let mut facts = facts(hint, operations);
    facts.world = Some(World::Service(Some(service(&[listed("ecs-svc/2", revision, rollout, 0)]))));
    facts
}

#[test]
fn a_deployment_is_told_when_it_begins_and_when_it_is_done() {
    let begun = with(change(Phase::Began, "ecs-svc/2", 1), &[], Rollout::InProgress, 43);
    check(&begun, 1, Some("ecs-svc/2 begun web:43 +1"));
    let done = with(change(Phase::Completed, "ecs-svc/2", 4), &[], Rollout::Completed, 43);
    check(&done, 4, Some("ecs-svc/2 succeeded web:43 +4"));
    assert_eq!(told(&done, &telling(&[Status::Begun]), 4), None);
}

#[test]
fn nothing_is_asked_for_what_nobody_wants_to_hear() {
    let began = Facts::of(change(Phase::Began, "ecs-svc/2", 1));
    assert!(matches!(decide(&began, &policy(), at(1)), Step::Settled { .. }));
    assert!(matches!(decide(&began, &telling(&[Status::Succeeded]), at(1)), Step::Settled { .. }));
    assert!(matches!(decide(&began, &telling(&[Status::Begun]), at(1)), Step::Look(_)));
}

#[test]
fn what_a_rollback_begins_is_told_at_its_end() {
    let rollback = [operation(Means::UpdateService)];
    let begun = with(change(Phase::Began, "ecs-svc/2", 1), &rollback, Rollout::InProgress, 41);
    check(&begun, 1, None);
    let mut done = with(watch(), &rollback, Rollout::Completed, 41);
    done.alarm = Some(Some(alarm(shared::alarm::State::Ok, 5)));
    check(&done, 6, Some("ecs-svc/2 rolled back web:42 +5, back to web:41, healthy"));
    done.alarm = Some(Some(alarm(shared::alarm::State::Alarm, -1)));
    let news = told(&done, &telling(&Status::ALL), 20).unwrap();
    assert_eq!((news.status, news.health), (Status::RolledBack, Some(Health::Degraded)));
}

#[test]
fn a_redeploy_is_told_with_its_secret() {
    let begun = with(change(Phase::Began, "ecs-svc/2", 1), &[redeploy()], Rollout::InProgress, 42);
    check(&begun, 1, Some("ecs-svc/2 begun web:42 +1, after prod/db"));
    let done = with(watching("re-1"), &[redeploy()], Rollout::Completed, 42);
    check(&done, 5, Some("ecs-svc/2 succeeded web:42 +4, after prod/db"));
}

#[test]
fn a_deployment_that_failed_is_told_once_as_what_became_of_it() {
    let mut broke = facts(change(Phase::Failed, "ecs-svc/2", 5), &[]);
    let mut failed = listed("ecs-svc/2", 43, Rollout::Failed, 0);
    failed.primary = false;
    let back = listed("ecs-svc/3", 42, Rollout::Completed, 3);
    broke.world = Some(World::Service(Some(service(&[back, failed.clone()]))));
    broke.diagnosis = Some(diagnosis());
    check(&broke, 5, Some("ecs-svc/2 rolled back web:43 +5, back to web:42"));
    let news = told(&broke, &telling(&[Status::Failed]), 5).unwrap();
    assert_eq!((news.status, news.said), (Status::Failed, Some(diagnosis().headline)));
    failed.primary = true;
    broke.world = Some(World::Service(Some(service(&[failed]))));
    check(&broke, 5, Some("ecs-svc/2 failed web:43 +5"));
}

#[test]
fn how_well_a_deployment_is_is_told_when_its_revision_has_proved_itself_or_not() {
    let prove =
        Hint::Prove { target: target(), revision: td(43), deployment: "ecs-svc/2".to_owned(), since: at(4) };
    let good = with(prove, &[], Rollout::Completed, 43);
    check(&good, 15, Some("ecs-svc/2 succeeded web:43 +14, healthy"));
    let mut leaving = good.clone();
    let leaves = Operation { from: td(43), ..operation(Means::UpdateService) };
    leaving.memory.as_mut().unwrap().operations.push(leaves);
    check(&leaving, 15, Some("ecs-svc/2 succeeded web:43 +14, failed"));
}

#[test]
fn what_is_of_another_environment_is_told_by_the_stack_of_that() {
    let mut begun = with(change(Phase::Began, "ecs-svc/2", 1), &[], Rollout::InProgress, 43);
    if let Some(World::Service(Some(service))) = &mut begun.world {
        service.tags.insert(shared::tags::ENVIRONMENT.to_owned(), "stage".to_owned());
    }
    check(&begun, 1, None);
    assert_eq!(begun.service().unwrap().arn, SERVICE);
}

#[test]
fn a_secret_is_called_by_its_name() {
    assert_eq!(secret_of(&format!("secret:{SECRET}")).as_deref(), Some("prod/db"));
    assert_eq!(secret_of("secret:prod-database").as_deref(), Some("prod-database"));
    assert_eq!(secret_of("alarm:web"), None);
}
