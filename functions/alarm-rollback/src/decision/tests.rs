//! The decision as a table: each line changes one thing about a case that would be rolled back.

mod cases;
mod properties;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use shared::alarm::{State, Transport};
use shared::ledger::incident::Incident;
use shared::ledger::lease::Lease;
use shared::ledger::once::Claim;
use shared::ledger::operation::{End, Operation};
use shared::ledger::revision::{Revision, Standing};
use shared::notice;
use shared::tags::Mode;

use self::cases::{
    ago, case, now, operation, own_operation, tag, td, with, with_history, with_memory, with_service,
};
use super::{Policy, Step, Verdict, concerns_people, decide, short};
use crate::cases::policy;
use crate::facts::{Alarm, Controller, Facts, Status, Strategy, TaskDefinition};

fn said(step: &Step) -> String {
    match step {
        Step::Look(question) => format!("look: {question:?}"),
        Step::Settled(Verdict::Ignore(why)) => format!("ignore: {why}"),
        Step::Settled(Verdict::Hold { why, .. }) => format!("hold: {why}"),
        Step::Settled(Verdict::Propose(rollback)) => {
            format!("propose {}: {}", short(&rollback.to), rollback.grounds())
        }
        Step::Settled(Verdict::RollBack(rollback)) => {
            format!("roll back to {}: {}", short(&rollback.to), rollback.grounds())
        }
        Step::Settled(Verdict::RolledBack(rollback)) => format!("rolled back to {}", short(&rollback.to)),
        Step::Settled(Verdict::Resolve(recovery)) => {
            let proved = if recovery.proved { ", proved" } else { "" };
            let operation = recovery.operation.as_ref().map_or("none", |operation| &operation.id);
            format!("resolve {}, operation {operation}{proved}", recovery.incident.key)
        }
    }
}

#[track_caller]
fn check(facts: &Facts, expected: &str) {
    check_under(&policy(), facts, expected);
}

#[track_caller]
fn check_under(policy: &Policy, facts: &Facts, expected: &str) {
    let got = said(&decide(facts, policy, now()));
    assert!(got.contains(expected), "\n     got: {got}\nexpected: {expected}");
}

#[test]
fn a_fresh_deployment_whose_alarm_fires_is_rolled_back() {
    check(&case(), "roll back to web:6: low confidence");
}

#[test]
fn only_a_change_to_alarm_counts() {
    check(
        &with(|facts| facts.change.state = State::InsufficientData),
        "ignore: the alarm has too little data",
    );
    check(&with(|facts| facts.change.previous = Some(State::Alarm)), "ignore: the alarm was firing before");
    check(&with(|facts| facts.change.muted = true), "ignore: the alarm's owner muted it");
    check(&with(|facts| facts.change.previous = Some(State::InsufficientData)), "roll back to web:6");
    check(&with(|facts| facts.change.previous = None), "roll back to web:6");
}

#[test]
fn a_change_is_dealt_with_once() {
    check(&with(|facts| facts.claim = Some(Claim::InHand)), "ignore: another invocation deals with");
    check(
        &with(|facts| facts.claim = Some(Claim::Done("rolled_back".to_owned()))),
        "ignore: this change of the alarm was dealt with before: rolled_back",
    );
}

#[test]
fn an_alarm_that_no_longer_fires_is_left_alone() {
    for state in [Some(State::Ok), Some(State::InsufficientData), None] {
        check(
            &with(|facts| facts.alarm.as_mut().unwrap().state = state),
            "ignore: the alarm no longer fires",
        );
    }
}

#[test]
fn a_late_alarm_is_told_but_not_acted_on() {
    check(&with(|facts| facts.change.changed_at = ago(16)), "hold: the alarm fired at 2026-11-20T02:44:00Z");
    let edge = with(|facts| {
        facts.change.changed_at = ago(15);
        facts.scene.as_mut().unwrap().service.as_mut().unwrap().deployed_at = Some(ago(20));
    });
    check(&edge, "roll back to web:6");
}

#[test]
fn a_state_set_by_hand_is_a_test() {
    check(
        &with(|facts| facts.change.reason = "testing".to_owned()),
        "hold: the alarm's state was set by hand",
    );
    let evaluated = with(|facts| {
        facts.change.reason = "testing".to_owned();
        facts.change.has_reason_data = true;
    });
    check(&evaluated, "roll back");
}

#[test]
fn the_alarms_tag_names_the_target_before_its_dimensions_do() {
    let tagged = |value: &str| with(|facts| tag(&mut facts.alarm.as_mut().unwrap().tags, "target", value));
    let elsewhere = with(|facts| {
        tag(&mut facts.alarm.as_mut().unwrap().tags, "target", "ecs:prod/api");
        facts.scene = None;
    });
    check(&elsewhere, "look: Scene(Service { cluster: \"prod\", service: \"api\" })");
    check(&tagged("prod/web"), "hold: the alarm's tag watchkeeper:target says \"prod/web\"");
    check(&tagged("lambda:checkout:live"), "hold: this version rolls back ECS services only");
    check(&tagged("stack:billing"), "hold: this version rolls back ECS services only");
}

#[test]
fn an_alarm_without_one_target_is_told_only_where_it_was_sent_on_purpose() {
    let lost = |transport| {
        with(|facts| {
            facts.change.dimensions.clear();
            facts.change.transport = transport;
        })
    };
    check(&lost(Transport::EventBridge), "ignore: the alarm is about nothing that could be rolled back");
    check(&lost(Transport::Sns), "hold: the alarm does not say which service");
    check(&lost(Transport::Direct), "hold: the alarm does not say which service");
    let several = with(|facts| {
        let mut second = facts.change.dimensions[0].clone();
        second.insert("ServiceName".to_owned(), "api".to_owned());
        facts.change.dimensions.push(second);
    });
    check(&several, "hold: the alarm is about several services: ecs:prod/api, ecs:prod/web");
}

#[test]
fn another_environment_is_none_of_our_business() {
    check(
        &with(|facts| tag(&mut facts.alarm.as_mut().unwrap().tags, "environment", "dev")),
        "ignore: it belongs to",
    );
    check(&with_service(|service| tag(&mut service.tags, "environment", "dev")), "ignore: it belongs to");
    check(&with_service(|service| tag(&mut service.tags, "environment", "prod")), "roll back");
}

#[test]
fn the_mode_says_what_may_be_done() {
    let under = |default, alarm: Option<&str>, service: Option<&str>, expected: &str| {
        let facts = with(|facts| {
            if let Some(value) = alarm {
                tag(&mut facts.alarm.as_mut().unwrap().tags, "mode", value);
            }
            if let Some(value) = service {
                tag(&mut facts.scene.as_mut().unwrap().service.as_mut().unwrap().tags, "mode", value);
            }
        });
        check_under(&Policy { mode: default, ..policy() }, &facts, expected);
    };
    under(Mode::Observe, None, None, "propose web:6");
    under(Mode::Observe, None, Some("act"), "roll back to web:6");
    under(Mode::Act, Some("observe"), Some("act"), "propose web:6");
    under(Mode::Act, Some("off"), None, "ignore: its mode is off");
    under(Mode::Act, None, Some("off"), "ignore: its mode is off");
    under(Mode::Off, None, None, "ignore: its mode is off");
    under(Mode::Off, Some("act"), Some("act"), "ignore: its mode is off");
    check_under(
        &Policy { mode: Mode::Off, ..policy() },
        &Facts::of(case().change),
        "ignore: its mode is off",
    );
}

#[test]
fn a_service_that_cannot_be_rolled_back_this_way_is_left_alone() {
    check(
        &with(|facts| facts.scene.as_mut().unwrap().service = None),
        "hold: there is no service of that name",
    );
    check(&with_service(|service| service.active = false), "hold: the service is being deleted");
    check(&with_service(|service| service.desired = 0), "hold: the service is scaled to zero");
    let controller = Controller::Other("CODE_DEPLOY".to_owned());
    check(
        &with_service(|service| service.controller = controller),
        "hold: the service is deployed by CODE_DEPLOY",
    );
    let strategy = Strategy::Other("BLUE_GREEN".to_owned());
    check(&with_service(|service| service.strategy = strategy), "hold: the service deploys by BLUE_GREEN");
}

#[test]
fn only_a_recent_deployment_is_blamed() {
    check(&with_service(|service| service.deployed_at = Some(ago(60))), "roll back to web:6");
    check(
        &with_service(|service| service.deployed_at = Some(ago(61))),
        "hold: no deployment is recent enough",
    );
    check(&with_service(|service| service.deployed_at = None), "hold: ECS does not say when");
    check(&with_service(|service| service.deployed_at = Some(now())), "hold: the alarm fired before");
}

#[test]
fn what_ecs_does_by_itself_is_left_to_ecs() {
    for (status, expected) in [
        (Status::RollingBack, "hold: ECS is already rolling"),
        (Status::RolledBack, "hold: ECS has already rolled"),
        (Status::RollbackFailed, "hold: ECS tried to roll"),
        (Status::Stopped, "hold: somebody stopped"),
        (Status::Unknown, "hold: the newest deployment is in a state"),
        (Status::InProgress, "roll back to web:6: high confidence"),
        (Status::Successful, "roll back to web:6: high confidence"),
    ] {
        let mut facts = with_history(&[(status, 5, 7), (Status::Successful, 500, 6)]);
        facts.candidate = Some(TaskDefinition { arn: td(6), active: true });
        check(&facts, expected);
    }
}

#[test]
fn the_window_counts_from_the_end_of_the_deployment() {
    check(&with_history(&[(Status::Successful, 60, 7), (Status::Successful, 500, 6)]), "roll back");
    check(
        &with_history(&[(Status::Successful, 61, 7), (Status::Successful, 500, 6)]),
        "hold: no deployment is recent",
    );
    check(&with_history(&[(Status::InProgress, 300, 7), (Status::Successful, 500, 6)]), "roll back");
}

#[test]
fn the_last_good_deployment_is_returned_to_and_never_a_bad_one() {
    let history = [(Status::Successful, 5, 7), (Status::Stopped, 90, 8), (Status::Successful, 120, 6)];
    check(&with_history(&history), "roll back to web:6: high confidence: ECS deployed it successfully");

    let mut ping_pong = with_history(&[
        (Status::Successful, 5, 8),
        (Status::Successful, 100, 7),
        (Status::Successful, 200, 6),
    ]);
    let scene = ping_pong.scene.as_mut().unwrap();
    scene.service.as_mut().unwrap().task_definition = td(8);
    scene.memory.revisions = vec![Revision { arn: td(7), standing: Standing::Bad, since: ago(90) }];
    check(&ping_pong, "roll back to web:6: high confidence");

    let mut all_bad = with_history(&[(Status::Successful, 5, 7), (Status::Successful, 100, 6)]);
    all_bad.scene.as_mut().unwrap().memory.revisions =
        vec![Revision { arn: td(6), standing: Standing::Bad, since: ago(90) }];
    check(&all_bad, "hold: there is no revision known to be good");
}

#[test]
fn a_deployment_that_changed_no_code_is_not_rolled_back() {
    let history = [(Status::Successful, 5, 7), (Status::Successful, 100, 7), (Status::Successful, 200, 6)];
    check(&with_history(&history), "hold: the newest deployment runs the same task definition");
}

#[test]
fn without_history_the_ledger_is_asked_and_then_the_family() {
    let remembered = with_memory(|memory| {
        memory.revisions = vec![
            Revision { arn: td(7), standing: Standing::Good, since: ago(20) },
            Revision { arn: td(6), standing: Standing::Good, since: ago(900) },
        ];
    });
    check(&remembered, "roll back to web:6: medium confidence: known to be good since 2026-11-19T12:00:00Z");
    let mut below = with_memory(|memory| {
        memory.revisions = vec![Revision { arn: td(6), standing: Standing::Bad, since: ago(900) }];
    });
    below.candidate = Some(TaskDefinition { arn: td(5), active: true });
    check(&below, "roll back to web:5: low confidence");
    check(&with(|facts| facts.earlier = Some(Vec::new())), "hold: there is no revision known to be good");
    check(&with_history(&[(Status::Successful, 5, 7)]), "hold: ECS lists no successful deployment before");
    check(
        &with_history(&[(Status::Successful, 5, 7), (Status::RolledBack, 90, 6), (Status::Stopped, 100, 5)]),
        "hold: ECS lists no successful deployment before",
    );
}

#[test]
fn a_deregistered_revision_is_not_returned_to() {
    let inactive = with(|facts| facts.candidate = Some(TaskDefinition { arn: td(6), active: false }));
    check(&inactive, "hold: the last good task definition web:6 was deregistered");
}

#[test]
fn one_rollback_at_a_time_and_then_a_cooldown() {
    let held = |until, operations: Vec<Operation>| {
        with_memory(|memory| {
            memory.lease = Some(Lease { owner: "op-1".to_owned(), until });
            memory.operations = operations;
        })
    };
    let later = now() + SignedDuration::from_mins(1);
    check(
        &held(later, vec![operation("op-1", 7, 6, 2, None)]),
        "hold: a rollback of this service is already in progress",
    );
    check(
        &held(later, vec![operation("op-1", 8, 7, 10, None)]),
        "hold: a rollback of this service is already in progress",
    );
    check(
        &held(later, vec![operation("op-1", 8, 7, 40, None)]),
        "hold: this service was rolled back a short while ago",
    );
    check(
        &held(later, vec![operation("op-1", 7, 6, 10, Some(End::Recovered))]),
        "hold: this service was rolled back a short while ago",
    );
    check(&held(now(), vec![operation("op-1", 9, 8, 60, None)]), "roll back to web:6");
}

#[test]
fn watchkeepers_own_rollback_is_not_rolled_back() {
    let ours = |end| with_memory(|memory| memory.operations = vec![operation("op-1", 8, 7, 6, end)]);
    check(&ours(None), "hold: the newest deployment is Watchkeeper's own rollback (operation op-1)");
    check(&ours(Some(End::Recovered)), "hold: the newest deployment is Watchkeeper's own rollback");
    check(&ours(Some(End::Refused)), "roll back to web:6");
}

#[test]
fn a_service_marked_as_unsafe_is_not_rolled_back() {
    check(
        &with_service(|service| tag(&mut service.tags, "rollback", "unsafe")),
        "hold: the service is marked as unsafe",
    );
    let until = "unsafe-until:2026-11-20T04:00:00Z";
    check(
        &with_service(|service| tag(&mut service.tags, "rollback", until)),
        "hold: the service is marked as unsafe to roll back until 2026-11-20T04:00:00Z",
    );
    let past = "unsafe-until:2026-11-20T02:00:00Z";
    check(&with_service(|service| tag(&mut service.tags, "rollback", past)), "roll back");
}

#[test]
fn an_operation_that_was_cut_off_goes_on_where_it_stopped() {
    let cut_off = |runs: u32| {
        with(|facts| {
            let scene = facts.scene.as_mut().unwrap();
            scene.service.as_mut().unwrap().task_definition = td(runs);
            scene.memory.operations = vec![own_operation()];
            scene.memory.lease =
                Some(Lease { owner: own_operation().id, until: now() + SignedDuration::from_mins(59) });
            // The rollback worked so well that the alarm is quiet by now; people are told all the same.
            facts.alarm.as_mut().unwrap().state = Some(State::Ok);
        })
    };
    check(&cut_off(6), "rolled back to web:6");
    check(&cut_off(7), "hold: the alarm stopped firing before the rollback");
    check(&cut_off(9), "hold: somebody deployed web:9 while the rollback was being made");
}

#[test]
fn a_retry_is_held_by_every_guard_but_its_own_lease() {
    let retried = |change: fn(&mut Facts)| {
        let mut facts = case();
        let scene = facts.scene.as_mut().unwrap();
        scene.memory.operations = vec![own_operation()];
        let until = now() + SignedDuration::from_mins(59);
        scene.memory.lease = Some(Lease { owner: own_operation().id, until });
        change(&mut facts);
        facts
    };
    check(&retried(|_| {}), "roll back to web:6");
    check(&retried(|facts| facts.change.changed_at = ago(55)), "hold: the alarm fired at");
    let tagged = |name: &'static str, value: &'static str| {
        let mut facts = retried(|_| {});
        tag(&mut facts.scene.as_mut().unwrap().service.as_mut().unwrap().tags, name, value);
        facts
    };
    check(&tagged("rollback", "unsafe"), "hold: the service is marked as unsafe");
    check(&tagged("mode", "observe"), "propose web:6");
    check(&tagged("mode", "off"), "ignore: its mode is off");
    let mut redeployed = retried(|_| {});
    redeployed.scene.as_mut().unwrap().service.as_mut().unwrap().deployed_at = Some(now());
    check(&redeployed, "hold: somebody deployed web:7 while the rollback was being made");
}

#[test]
fn a_rollback_that_was_begun_and_not_made_is_not_called_one() {
    let mut facts = with_memory(|memory| {
        memory.lease = Some(Lease { owner: "op-1".to_owned(), until: now() + SignedDuration::from_mins(50) });
        memory.operations = vec![operation("op-1", 7, 6, 3, None)];
    });
    check(&facts, "hold: a rollback of this service was begun at 2026-11-20T02:57:00Z and is not made yet");
    facts.scene.as_mut().unwrap().service.as_mut().unwrap().task_definition = td(6);
    check(&facts, "hold: a rollback of this service is already in progress");
}

#[test]
fn a_fix_on_its_way_is_not_rolled_back() {
    // ECS describes the service with the fix already, and does not list its deployment yet.
    let mut racing = with_history(&[(Status::Successful, 5, 7), (Status::Successful, 500, 6)]);
    let service = racing.scene.as_mut().unwrap().service.as_mut().unwrap();
    service.task_definition = td(8);
    check(&racing, "hold: another deployment of the service is just beginning");
    racing.scene.as_mut().unwrap().service.as_mut().unwrap().deployed_at = Some(now());
    check(&racing, "hold: the alarm fired before the newest deployment began");
}

#[test]
fn a_revision_that_hardly_ran_has_proved_nothing() {
    // web:8 was deployed ten minutes before the case's web:7, which was meant to mend it.
    let hurried = [(Status::Successful, 2, 7), (Status::Successful, 12, 8), (Status::Successful, 500, 6)];
    check(&with_history(&hurried), "roll back to web:6: high confidence");
    let settled = [(Status::Successful, 2, 7), (Status::Successful, 14, 8), (Status::Successful, 500, 6)];
    let mut settled = with_history(&settled);
    settled.candidate = Some(TaskDefinition { arn: td(8), active: true });
    check(&settled, "roll back to web:8: high confidence");
}

#[test]
fn a_bad_revision_that_was_deployed_again_counts_as_its_owner_says() {
    let mut again = with_history(&[
        (Status::Successful, 5, 8),
        (Status::Successful, 100, 7),
        (Status::Successful, 900, 6),
    ]);
    let scene = again.scene.as_mut().unwrap();
    scene.service.as_mut().unwrap().task_definition = td(8);
    scene.memory.revisions = vec![Revision { arn: td(7), standing: Standing::Bad, since: ago(200) }];
    again.candidate = Some(TaskDefinition { arn: td(7), active: true });
    check(&again, "roll back to web:7: high confidence");
}

#[test]
fn clusters_outside_the_stacks_own_are_let_alone() {
    let of = |clusters: &str, expected: &str| {
        check_under(&Policy { clusters: clusters.to_owned(), ..policy() }, &case(), expected);
    };
    of("prod", "roll back");
    of("pr*", "roll back");
    of("dev-*", "ignore: the cluster prod is not among those");
    of("production", "ignore: the cluster prod is not among those");
    let mut unseen = case();
    unseen.scene = None;
    check_under(&Policy { clusters: "dev-*".to_owned(), ..policy() }, &unseen, "ignore: the cluster prod");
}

#[test]
fn a_dimension_may_hold_an_arn() {
    let arns = with(|facts| {
        let dimensions = &mut facts.change.dimensions[0];
        dimensions
            .insert("ClusterName".to_owned(), "arn:aws:ecs:eu-west-1:123456789012:cluster/prod".to_owned());
        facts.scene = None;
    });
    check(&arns, "look: Scene(Service { cluster: \"prod\", service: \"web\" })");
}

#[test]
fn an_alarm_about_nothing_is_let_go_without_a_claim() {
    let mut facts = Facts::of(case().change);
    facts.change.transport = Transport::EventBridge;
    facts.change.dimensions.clear();
    check(&facts, "look: Alarm");
    facts.alarm = Some(Alarm { state: Some(State::Alarm), tags: BTreeMap::new() });
    check(&facts, "ignore: the alarm is about nothing");
    tag(&mut facts.alarm.as_mut().unwrap().tags, "target", "ecs:prod/web");
    check(&facts, "look: ClaimAndAlarm");
}

#[test]
fn a_recovery_takes_back_what_people_were_told() {
    let recovered = |incident: Option<Incident>, state| {
        with(|facts| {
            facts.change.state = State::Ok;
            facts.change.previous = Some(State::Alarm);
            facts.incident = Some(incident);
            facts.alarm = Some(Alarm { state, tags: BTreeMap::new() });
        })
    };
    let told = |minutes, state| Incident {
        key: "alarm:web-5xx".to_owned(),
        state,
        revision: u64::try_from(ago(minutes).as_millisecond()).unwrap(),
        target: "ecs:prod/web".to_owned(),
        operation: None,
        opened: ago(minutes),
    };
    let ok = Some(State::Ok);
    check(&recovered(Some(told(5, notice::State::Firing)), ok), "resolve alarm:web-5xx");
    check(&recovered(Some(told(5, notice::State::Firing)), None), "resolve alarm:web-5xx");
    check(&recovered(None, ok), "ignore: the alarm is OK, and nobody was told");
    check(
        &recovered(Some(told(5, notice::State::Resolved)), ok),
        "ignore: the alarm is OK, and nobody was told",
    );
    check(&recovered(Some(told(0, notice::State::Firing)), ok), "ignore: the alarm has changed again");
    check(
        &recovered(Some(told(5, notice::State::Firing)), Some(State::Alarm)),
        "ignore: the alarm has changed again",
    );
}

#[test]
fn a_recovery_proves_the_revision_only_if_it_runs() {
    let recovered = |runs: u32, end| {
        let mut facts = with_service(|service| service.task_definition = td(runs));
        facts.change.state = State::Ok;
        facts.alarm = Some(Alarm { state: Some(State::Ok), tags: BTreeMap::new() });
        facts.scene.as_mut().unwrap().memory.operations = vec![operation("op-1", 7, 6, 5, end)];
        facts.incident = Some(Some(Incident {
            key: "alarm:web-5xx".to_owned(),
            state: notice::State::Firing,
            revision: u64::try_from(ago(5).as_millisecond()).unwrap(),
            target: "ecs:prod/web".to_owned(),
            operation: Some("op-1".to_owned()),
            opened: ago(5),
        }));
        facts
    };
    check(&recovered(6, None), "resolve alarm:web-5xx, operation op-1, proved");
    check_under(&policy(), &recovered(8, None), "resolve alarm:web-5xx, operation op-1");
    assert!(!said(&decide(&recovered(8, None), &policy(), now())).contains("proved"));
    check(&recovered(6, Some(End::Recovered)), "resolve alarm:web-5xx, operation none");
    let mut unknown = recovered(6, None);
    unknown.scene = None;
    check(&unknown, "look: Scene");
}

#[test]
fn a_failure_is_told_only_of_an_alarm_that_fires_here() {
    let told = |change: fn(&mut Facts), policy: &Policy| {
        let mut facts = Facts::of(case().change);
        facts.change.transport = Transport::EventBridge;
        change(&mut facts);
        concerns_people(&facts, policy)
    };
    assert!(told(|_| {}, &policy()));
    assert!(!told(|facts| facts.change.state = State::Ok, &policy()), "the end of an alarm is no alarm");
    assert!(!told(|facts| facts.change.muted = true, &policy()));
    assert!(!told(|facts| facts.change.dimensions.clear(), &policy()), "about nothing that is known");
    assert!(!told(|_| {}, &Policy { mode: Mode::Off, ..policy() }));
    assert!(!told(|_| {}, &Policy { clusters: "dev-*".to_owned(), ..policy() }));
    let wired = |facts: &mut Facts| {
        facts.change.dimensions.clear();
        facts.change.transport = Transport::Sns;
    };
    assert!(told(wired, &policy()), "somebody sent it on purpose");
    let elsewhere = |facts: &mut Facts| {
        let mut alarm = Alarm { state: Some(State::Alarm), tags: BTreeMap::new() };
        tag(&mut alarm.tags, "environment", "dev");
        facts.alarm = Some(alarm);
    };
    assert!(!told(elsewhere, &policy()));
}

#[test]
fn nothing_is_looked_at_that_the_verdict_does_not_need() {
    let blank = |change: fn(&mut Facts)| {
        let mut facts = Facts::of(case().change);
        change(&mut facts);
        facts
    };
    check(&blank(|facts| facts.change.state = State::InsufficientData), "ignore");
    check(&blank(|facts| facts.change.state = State::Ok), "look: Incident");
    check(&blank(|_| {}), "look: ClaimAndAlarm");
    let mut facts = case();
    facts.scene = None;
    check(&facts, "look: Scene");
    facts = with_history(&[(Status::Successful, 5, 7), (Status::Successful, 500, 6)]);
    facts.revisions = None;
    check(&facts, "look: Revisions([\"revision-0\", \"revision-1\"])");
    check(&with(|facts| facts.earlier = None), "look: Earlier");
    check(&with(|facts| facts.candidate = None), "look: TaskDefinition");
}
