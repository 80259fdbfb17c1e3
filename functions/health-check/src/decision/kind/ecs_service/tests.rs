use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;
use shared::policy::health::{Expectations, Expected};

use super::{Deployment, Event, Facts, Load, TaskSet, not_described, verdict, without_cluster};
use crate::decision::{Health, Verdict};

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn expected(tasks: u32) -> Expected {
    Expected { tasks, ..Expectations::default().of("dev", false) }
}

fn told(facts: &Facts) -> Verdict {
    verdict(facts, &Rules::default(), &expected(1), now())
}

/// Settled for a day.
fn service(running: u32, desired: u32) -> Facts {
    Facts {
        status: "ACTIVE".to_owned(),
        desired,
        running,
        strategy: "REPLICA".to_owned(),
        controller: "ECS".to_owned(),
        least_healthy: Some(50),
        created: Some(ago(86_400)),
        deployments: vec![deployment("COMPLETED", 86_400)],
        load: Load::Read { cpu: Some(10.0), memory: Some(20.0) },
        ..Facts::default()
    }
}

fn deployment(rollout: &str, seconds: i64) -> Deployment {
    Deployment {
        status: "PRIMARY".to_owned(),
        rollout: Some(rollout.to_owned()),
        created: Some(ago(seconds)),
        ..Deployment::default()
    }
}

fn deployed(running: u32, desired: u32, rollout: &str, seconds: i64) -> Facts {
    Facts { deployments: vec![deployment(rollout, seconds)], ..service(running, desired) }
}

#[track_caller]
fn check(facts: &Facts, health: Health, reason: &str) {
    let verdict = told(facts);
    assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:#?}");
    let calm = matches!(health, Health::Healthy | Health::NotApplicable);
    assert_eq!(calm, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    assert!(verdict.todo.iter().all(|todo| todo.ends_with('.')), "{verdict:?}");
}

#[test]
fn tasks_that_run_are_held_against_those_that_should() {
    check(&service(3, 3), Health::Healthy, "3 of 3 tasks run");
    check(&service(1, 1), Health::Healthy, "1 of 1 task runs");
    check(&service(4, 3), Health::Healthy, "4 tasks run where 3 should");
    check(&service(1, 3), Health::Degraded, "1 of 3 tasks runs");
    check(&service(0, 3), Health::Failed, "0 of 3 tasks run");
    check(&service(0, 0), Health::NotApplicable, "it is scaled to zero");
    check(&service(2, 0), Health::NotApplicable, "it is scaled to zero");
    let daemon = Facts { strategy: "DAEMON".to_owned(), ..service(0, 0) };
    check(&daemon, Health::NotApplicable, "there is no instance that it should run on");
}

#[test]
fn its_status_says_whether_it_is_there_and_a_failed_state_stays_failed() {
    let of = |status: &str, running| Facts { status: status.to_owned(), ..service(running, 2) };
    check(&of("DRAINING", 1), Health::Degraded, "it is being deleted; 1 of 2 tasks runs");
    check(&of("INACTIVE", 0), Health::Failed, "it was deleted");
    check(&of("", 2), Health::Unknown, "ECS does not say what status it has");
    check(&of("MELTED", 2), Health::Unknown, "ECS says a status that is not known here: MELTED");
    check(
        &of("MELTED", 0),
        Health::Failed,
        "0 of 2 tasks run; ECS says a status that is not known here: MELTED",
    );
    check(&Facts::default(), Health::Unknown, "ECS does not say what status it has");
}

#[test]
fn a_service_that_ecs_does_not_know_has_failed_and_silence_is_unknown() {
    assert_eq!(not_described(Some("MISSING")).health, Health::Failed);
    assert_eq!(not_described(Some("ODD")).reason, "ECS does not describe it: ODD");
    assert_eq!(not_described(None).health, Health::Unknown);
    assert_eq!(without_cluster("prod").health, Health::Failed);
}

#[test]
fn a_deployment_is_not_bad_until_it_takes_too_long_or_leaves_too_few_tasks() {
    let half_an_hour = 30 * 60;
    check(
        &deployed(1, 2, "IN_PROGRESS", half_an_hour),
        Health::Healthy,
        "a deployment is in progress; 1 of 2 tasks runs",
    );
    check(
        &deployed(1, 2, "IN_PROGRESS", half_an_hour + 1),
        Health::Degraded,
        "a deployment has been in progress for 30 minutes; 1 of 2 tasks runs",
    );
    check(&deployed(1, 3, "IN_PROGRESS", 60), Health::Degraded, "1 of 3 tasks runs");
    check(
        &deployed(3, 3, "IN_PROGRESS", 4 * 3_600),
        Health::Degraded,
        "a deployment has been in progress for 4 hours",
    );
    check(&deployed(0, 1, "IN_PROGRESS", 60), Health::Failed, "0 of 1 task runs");
    let all = Facts { least_healthy: None, ..deployed(1, 2, "IN_PROGRESS", 60) };
    check(&all, Health::Degraded, "1 of 2 tasks runs");
    let bakes = Facts {
        bakes: SignedDuration::from_mins(10),
        ..deployed(2, 2, "IN_PROGRESS", half_an_hour + 60 * 10)
    };
    check(&bakes, Health::Healthy, "a deployment is in progress; 2 of 2 tasks run");
    let mut since = deployed(1, 2, "IN_PROGRESS", 60);
    since.deployments = vec![Deployment { created: None, ..deployment("IN_PROGRESS", 0) }];
    check(&since, Health::Degraded, "1 of 2 tasks runs");
    let first = Facts { created: Some(ago(61)), ..deployed(0, 2, "IN_PROGRESS", 60) };
    check(&first, Health::NotApplicable, "its first deployment is in progress; 0 of 2 tasks run");
}

#[test]
fn a_rollout_that_failed_or_that_is_not_known_is_said() {
    check(&deployed(2, 2, "FAILED", 600), Health::Degraded, "a deployment of it failed");
    check(&deployed(0, 2, "FAILED", 600), Health::Failed, "0 of 2 tasks run; a deployment of it failed");
    check(
        &deployed(2, 2, "MELTED", 600),
        Health::Unknown,
        "ECS says a rollout state that is not known here: MELTED",
    );
    let mut gone = service(2, 2);
    gone.deployments.push(Deployment { status: "INACTIVE".to_owned(), ..deployment("FAILED", 600) });
    check(&gone, Health::Healthy, "2 of 2 tasks run");
    for (failed_tasks, health) in [(0, Health::Healthy), (2, Health::Healthy), (3, Health::Degraded)] {
        let mut facts = deployed(2, 2, "IN_PROGRESS", 600);
        facts.deployments = vec![Deployment { failed_tasks, ..deployment("IN_PROGRESS", 600) }];
        assert_eq!(told(&facts).health, health, "{failed_tasks}");
    }
    let other = Facts { controller: "MELTED".to_owned(), ..service(2, 2) };
    check(&other, Health::Unknown, "it is deployed by something that is not known here: MELTED");
}

#[test]
fn without_a_rollout_state_only_what_is_young_or_beside_the_old_is_in_progress() {
    let bare =
        |seconds, running| Deployment { rollout: None, desired: 2, running, ..deployment("", seconds) };
    let with = |deployments| Facts { deployments, ..service(1, 2) };
    check(&with(vec![bare(600, 1)]), Health::Healthy, "a deployment is in progress; 1 of 2 tasks runs");
    check(&with(vec![bare(86_400, 1)]), Health::Degraded, "1 of 2 tasks runs");
    check(&with(vec![bare(600, 2)]), Health::Degraded, "1 of 2 tasks runs");
    check(&with(Vec::new()), Health::Degraded, "1 of 2 tasks runs");
    let old = Deployment { status: "ACTIVE".to_owned(), ..bare(86_400, 1) };
    check(
        &with(vec![bare(3_600, 1), old]),
        Health::Degraded,
        "a deployment has been in progress for 60 minutes; 1 of 2 tasks runs",
    );
}

#[test]
fn task_sets_are_in_progress_until_they_are_steady() {
    let set = |status: &str, stability: &str, seconds| TaskSet {
        status: status.to_owned(),
        stability: stability.to_owned(),
        created: Some(ago(seconds)),
    };
    let with = |running, task_sets| Facts {
        controller: "CODE_DEPLOY".to_owned(),
        deployments: Vec::new(),
        task_sets,
        ..service(running, 2)
    };
    let (green, blue) = (set("ACTIVE", "STABILIZING", 60), set("PRIMARY", "STEADY_STATE", 86_400));
    check(
        &with(1, vec![blue.clone(), green]),
        Health::Healthy,
        "a deployment is in progress; 1 of 2 tasks runs",
    );
    check(
        &with(2, vec![blue.clone(), set("ACTIVE", "STABILIZING", 3_600)]),
        Health::Degraded,
        "a deployment has been in progress for 60 minutes",
    );
    check(
        &with(2, vec![blue.clone(), set("PRIMARY", "STEADY_STATE", 60)]),
        Health::Healthy,
        "2 of 2 tasks run",
    );
    check(&with(1, vec![set("PRIMARY", "STABILIZING", 86_400)]), Health::Degraded, "1 of 2 tasks runs");
    check(
        &with(2, vec![set("PRIMARY", "MELTED", 60)]),
        Health::Unknown,
        "of a task set's stability, ECS says what is not known here: MELTED",
    );
    check(
        &with(2, vec![set("PRIMARY", "", 60)]),
        Health::Unknown,
        "of a task set's stability, ECS says what is not known here: nothing",
    );
}

#[test]
fn an_environment_has_its_least_number_of_tasks_unless_they_follow_from_the_instances() {
    let told = |facts: &Facts| verdict(facts, &Rules::default(), &expected(3), now());
    assert_eq!(told(&service(3, 3)).health, Health::Healthy);
    let few = told(&service(1, 1));
    assert_eq!(few.health, Health::Degraded);
    assert_eq!(few.reason, "it is meant to have 1 task, and should have 3 at least");
    assert_eq!(told(&service(0, 0)).health, Health::NotApplicable);
    let daemon = Facts { strategy: "DAEMON".to_owned(), ..service(1, 1) };
    assert_eq!(told(&daemon).health, Health::Healthy);
}

#[test]
fn what_it_uses_is_held_against_the_policy_and_silence_is_not_healthy() {
    let using = |cpu, memory| Facts { load: Load::Read { cpu, memory }, ..service(2, 2) };
    check(&using(Some(59.9), Some(69.9)), Health::Healthy, "2 of 2 tasks run");
    check(
        &using(Some(60.0), Some(10.0)),
        Health::Degraded,
        "it uses 60 % of its CPU, from 60 % on it is too much",
    );
    check(
        &using(Some(1.0), Some(70.0)),
        Health::Degraded,
        "it uses 70 % of its memory, from 70 % on it is too much",
    );
    let silent = "tasks run, but CloudWatch has no metrics of their CPU and memory";
    check(&using(None, None), Health::Unknown, silent);
    check(&using(Some(f64::NAN), None), Health::Unknown, silent);
    check(
        &using(Some(1.0), None),
        Health::Unknown,
        "tasks run, but CloudWatch has no metrics of their memory",
    );
    let young = Facts { load: using(None, None).load, ..deployed(2, 2, "IN_PROGRESS", 60) };
    check(&young, Health::Healthy, "a deployment is in progress; 2 of 2 tasks run");
    let unread =
        Load::Unread { why: "could not be checked: denied".to_owned(), todo: "Allow it.".to_owned() };
    check(
        &Facts { load: unread.clone(), ..service(2, 2) },
        Health::Unknown,
        "its CPU and memory could not be checked: denied",
    );
    assert_eq!(told(&Facts { load: unread, ..service(0, 2) }).health, Health::Failed);
}

#[test]
fn the_newest_telling_event_says_why_unless_it_settled_since() {
    let event = |seconds, message: &str| Event { at: Some(ago(seconds)), message: message.to_owned() };
    let no_room = "(service web) was unable to place a task because no container instance met all of its \
                   requirements. The closest matching container-instance has insufficient CPU available.";
    let started = event(30, "(service web) has started 1 tasks: (task 1).");
    let with = |running, events| Facts { events, ..service(running, 2) };
    let why = "1 of 2 tasks runs; tasks could not be placed: no instance has enough CPU left";
    check(&with(1, vec![event(60, no_room), started.clone()]), Health::Degraded, why);
    let calm = told(&with(2, vec![started, event(60, no_room)]));
    assert_eq!(calm.health, Health::Healthy);
    assert!(calm.evidence.iter().any(|fact| fact.name == "Event"), "{calm:?}");
    let settled = event(40, "(service web) has reached a steady state.");
    check(&with(1, vec![settled, event(60, no_room)]), Health::Degraded, "1 of 2 tasks runs");
    check(&with(1, vec![event(3_601, no_room)]), Health::Degraded, "1 of 2 tasks runs");
    check(&with(1, vec![event(3_600, no_room)]), Health::Degraded, why);
}
