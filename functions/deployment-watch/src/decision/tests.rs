//! The decision table: every verdict is reached, every reason is printed; and what holds whatever the facts.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_compose, prop_oneof, proptest,
};
use shared::alarm::State as AlarmState;
use shared::ledger::incident::Incident;
use shared::ledger::operation::End;
use shared::ledger::revision::{Revision, Standing};
use shared::notice::State;
use shared::tags;

use super::*;
use crate::cases::{
    alarm, at, change, deployment, facts, incident, operation, policy, redeploy, service, target, td, watch,
    watching,
};
use crate::event::Phase;
use crate::facts::{Alarm, Deployment, Rollout, Stack, World};
use Rollout::{Completed, Failed, InProgress};

/// The verdict in one line: what is concluded, the reason that is printed, and which redeploys may go on.
pub(super) fn say(step: &Step) -> String {
    let (verdict, wakes) = match step {
        Step::Look(question) => return format!("look: {question:?}"),
        Step::Settled { verdict, wakes } => (verdict, wakes),
    };
    let said = match verdict {
        Verdict::Ignore(why) => format!("ignore: {why}"),
        Verdict::Wait { why, again } => format!("wait {}s: {why}", again.as_secs()),
        Verdict::Follow { operation } => format!("follow {operation}"),
        Verdict::Close(close) => {
            let detail = match &close.ended {
                Ended::Failed { failure, running } => {
                    let running = running.as_deref().map(verdict::short);
                    format!(": {failure}; running {running:?}; disproves {}", close.ended.disproves())
                }
                Ended::Superseded { running } => format!(": {}", verdict::short(running)),
                Ended::Recovered { alarm, .. } => format!(", alarm {}", alarm.is_some()),
                Ended::Unhealed { alarm, .. } => format!(", {:?}", alarm.state),
            };
            format!("close {:?} at {}m{detail}", close.ended.end(), close.at.duration_since(at(0)).as_mins())
        }
        Verdict::Redeployed(redeployed) => {
            let said = redeployed.operation.said.as_deref().map(|said| format!(": {said}"));
            format!("redeploy {:?}{}", redeployed.ended.end(), said.unwrap_or_default())
        }
        Verdict::Deployed { proof, resolves } => {
            format!("deployed {}, resolves {}", verdict::short(&proof.revision), resolves.is_some())
        }
        Verdict::Broken(broken) => format!(
            "broken {} back to {:?}, over {}, disproved {}",
            verdict::short(&broken.task_definition),
            broken.back_to.as_deref().map(verdict::short),
            broken.over,
            broken.disproved
        ),
        Verdict::Good(proof) => format!("good {}", verdict::short(&proof.revision)),
    };
    if wakes.is_empty() { said } else { format!("{said}; wakes {}", wakes.join(", ")) }
}

#[track_caller]
pub(super) fn check(facts: &Facts, now: i64, expected: &str) {
    let said = say(&decide(facts, &policy(), at(now)));
    assert_eq!(said, expected);
}

pub(super) fn of_service(hint: Hint, operations: &[Operation], deployments: &[Deployment]) -> Facts {
    Facts { world: Some(World::Service(Some(service(deployments)))), ..facts(hint, operations) }
}

fn rolled_back(rollout: Rollout) -> Facts {
    of_service(watch(), &[operation(Means::UpdateService)], &[deployment("ecs-svc/2", 41, rollout, 0)])
}

#[test]
fn an_operation_is_waited_for_and_then_its_alarm() {
    check(&rolled_back(InProgress), 1, "wait 20s: it is on its way");
    check(&rolled_back(InProgress), 15, "wait 60s: it is on its way");
    let until = "2026-11-20T03:14:00Z";
    check(
        &rolled_back(Completed),
        5,
        &format!("wait 20s: it is deployed; the alarm web 5xx has until {until} to be OK"),
    );
    let mut recovered = rolled_back(Completed);
    recovered.alarm = Some(Some(alarm(AlarmState::Ok, 6)));
    check(&recovered, 7, "close Recovered at 6m, alarm true");
    recovered.alarm = Some(Some(alarm(AlarmState::Ok, 2)));
    check(&recovered, 7, "close Recovered at 4m, alarm true");
    recovered.alarm = Some(None);
    check(&recovered, 7, "close Recovered at 4m, alarm false");
}

#[test]
fn an_alarm_that_is_not_ok_in_time_is_escalated() {
    check(&rolled_back(Completed), 14, "close Unhealed at 14m, Alarm");
    let mut silent = rolled_back(Completed);
    silent.alarm = Some(Some(alarm(AlarmState::InsufficientData, 6)));
    check(&silent, 13, "wait 60s: it is deployed; the alarm web 5xx has until 2026-11-20T03:14:00Z to be OK");
    check(&silent, 14, "close Unhealed at 14m, InsufficientData");
}

#[test]
fn an_operation_that_no_alarm_asked_for_is_over_when_it_is_deployed() {
    let by_hand = Operation { incident: "by-hand:op-1".to_owned(), ..operation(Means::UpdateService) };
    let mut facts = of_service(watch(), &[by_hand], &[deployment("ecs-svc/2", 41, Completed, 0)]);
    facts.alarm = None;
    check(&facts, 5, "close Recovered at 4m, alarm false");
}

#[test]
fn an_operation_that_fails_or_is_overtaken_is_closed() {
    check(
        &rolled_back(Failed),
        5,
        "close Failed at 4m: AWS says that it failed; running None; disproves true",
    );
    let overtaken = of_service(
        watch(),
        &[operation(Means::UpdateService)],
        &[deployment("ecs-svc/3", 43, InProgress, 3)],
    );
    check(&overtaken, 5, "close Superseded at 3m: web:43");
    check(
        &rolled_back(InProgress),
        30,
        "close Failed at 30m: it did not come to its end before its deadline; running None; disproves false",
    );
    let not_made = of_service(
        watch(),
        &[operation(Means::UpdateService)],
        &[deployment("ecs-svc/1", 42, Completed, -60)],
    );
    check(&not_made, 29, "wait 60s: it was begun, and nothing is seen of it yet");
    check(
        &not_made,
        30,
        "close Failed at 30m: it was begun, and nothing came of it before its deadline; running None; disproves false",
    );
    let target: Target = "stack:billing".parse().unwrap();
    let hint = Hint::Watch { target, operation: None };
    let mut stack = facts(hint, &[operation(Means::CancelUpdateStack)]);
    stack.world = Some(World::Stack(Some(Stack {
        status: "UPDATE_COMPLETE".to_owned(),
        since: Some(at(2)),
        failures: Vec::new(),
    })));
    stack.diagnosis = None;
    check(&stack, 1, "wait 20s: it was begun, and nothing is seen of it yet");
    check(
        &stack,
        5,
        "close Failed at 2m: what was to be stopped had already finished; running Some(\"web:42\"); disproves false",
    );
}

#[test]
fn what_is_over_or_unknown_is_left_alone() {
    for (end, words) in [
        (End::Recovered, "it helped"),
        (End::Superseded, "somebody did something else"),
        (End::Refused, "it was refused"),
        (End::Failed, "it failed"),
        (End::Unhealed, "it did not help"),
    ] {
        let ended = Operation { end: Some(end), ..operation(Means::UpdateService) };
        check(&facts(watch(), &[ended]), 5, &format!("ignore: the operation op-1 is closed: {words}"));
    }
    check(&facts(watch(), &[]), 5, "ignore: it belongs to no operation of Watchkeeper's");
}

#[test]
fn while_the_mode_is_off_only_the_timer_of_an_operation_is_kept() {
    let off = Policy { mode: Mode::Off, ..policy() };
    let kept = "wait 900s: the template's Mode is off: until that changes, nothing is done and said, and the timer is \
                kept";
    assert_eq!(say(&decide(&rolled_back(Completed), &off, at(5))), kept);
    assert_eq!(say(&decide(&Facts::of(watch()), &off, at(60 * 24))), kept, "nothing is asked");
    let stack = Hint::Watch { target: "stack:billing".parse().unwrap(), operation: None };
    for hint in [stack, prove(), change(Phase::Failed, "ecs-svc/8", 6)] {
        let said = say(&decide(&Facts::of(hint), &off, at(60)));
        assert_eq!(said, "ignore: the mode is off (watchkeeper:mode, or the template's Mode)");
    }
}

#[test]
fn the_older_an_operation_the_more_seldom_it_is_looked_at() {
    let slow = Operation { deadline: at(60 * 24), ..operation(Means::UpdateService) };
    let on_its_way = of_service(watch(), &[slow], &[deployment("ecs-svc/2", 41, InProgress, 0)]);
    for (now, seconds) in [(9, 20), (10, 60), (59, 60), (60, 300), (239, 300), (240, 900), (60 * 24 - 5, 300)]
    {
        check(&on_its_way, now, &format!("wait {seconds}s: it is on its way"));
    }
}

#[test]
fn an_alarm_that_has_a_whole_day_does_not_use_up_the_receives_of_the_queue() {
    let policy = Policy { recovery: SignedDuration::from_hours(24), ..policy() };
    let deployed = rolled_back(Completed);
    let (mut now, mut looks) = (at(4), 1);
    while let Step::Settled { verdict: Verdict::Wait { again, .. }, .. } = decide(&deployed, &policy, now) {
        (now, looks) = (now + again, looks + 1);
        assert!(looks < 400, "too many looks by {now}");
    }
    let said = say(&decide(&deployed, &policy, now));
    assert_eq!(said, "close Unhealed at 1444m, Alarm");
    assert!(
        now.duration_since(at(24 * 60 + 4)) < SignedDuration::from_secs(20),
        "it is told in time, not at {now}"
    );
}

#[test]
fn only_what_the_verdict_needs_is_asked() {
    let mut known = Facts::of(watch());
    check(&known, 5, "look: Memory");
    known.memory = facts(watch(), &[operation(Means::StopServiceDeployment)]).memory;
    check(&known, 5, "look: World(ServiceDeployment(\"ecs-svc/2\"))");
    known.memory = facts(watch(), &[operation(Means::StopDeployment)]).memory;
    check(&known, 5, "look: World(CodeDeploy(\"ecs-svc/2\"))");
    known.memory = rolled_back(Completed).memory;
    check(&known, 5, "look: World(Target)");
    known.world = rolled_back(Completed).world;
    check(&known, 5, "look: Alarm(\"web 5xx\")");
    known.alarm = Some(None);
    let key = crate::cases::ALARM;
    check(&known, 5, &format!("look: Incident({key:?})"));
    known.world = rolled_back(Failed).world;
    let said = say(&decide(&known, &policy(), at(5)));
    assert!(said.starts_with("look: Diagnosis { deployment: Some(\"ecs-svc/2\")"), "{said}");
}

pub(super) fn taking_back(revision: u32, rollout: Rollout) -> Deployment {
    let reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".to_owned();
    Deployment { reason, ..deployment("ecs-svc/9", revision, rollout, 6) }
}

pub(super) fn failing(rollout: Rollout) -> Deployment {
    Deployment { primary: false, ..deployment("ecs-svc/8", 42, rollout, 0) }
}

#[test]
fn a_deployment_that_ecs_takes_back_is_told_whichever_event_comes() {
    let told = "broken web:42 back to Some(\"web:41\"), over false, disproved true";
    for (phase, id) in
        [(Phase::Failed, "ecs-svc/8"), (Phase::RollingBack, "ecs-svc/8"), (Phase::RollingBack, "ecs-svc/9")]
    {
        for rollout in [Failed, InProgress] {
            let deployments = [taking_back(41, InProgress), failing(rollout)];
            check(&of_service(change(phase, id, 6), &[], &deployments), 7, told);
        }
    }
    let alone = Deployment { primary: true, ..failing(Failed) };
    check(
        &of_service(change(Phase::Failed, "ecs-svc/8", 6), &[], &[alone]),
        7,
        "broken web:42 back to None, over false, disproved true",
    );
    let late = [taking_back(41, Completed), failing(Failed)];
    check(
        &of_service(change(Phase::Failed, "ecs-svc/8", 9), &[], &late),
        9,
        "broken web:42 back to Some(\"web:41\"), over true, disproved true",
    );
}

#[test]
fn a_failed_deployment_that_the_service_no_longer_lists_is_asked_of_its_history() {
    let mut facts =
        of_service(change(Phase::RollingBack, "ecs-svc/9", 6), &[], &[taking_back(41, InProgress)]);
    facts.failed = None;
    check(&facts, 7, "look: Failed");
    facts.failed = Some(Some(td(42)));
    check(&facts, 7, "broken web:42 back to Some(\"web:41\"), over false, disproved true");
    facts.failed = Some(None);
    check(&facts, 7, "ignore: a deployment failed, and ECS no longer says which revision it was of");
}

#[test]
fn a_failed_deployment_of_what_runs_already_does_not_speak_against_it() {
    let again = [taking_back(42, InProgress), failing(Failed)];
    check(
        &of_service(change(Phase::Failed, "ecs-svc/8", 6), &[], &again),
        7,
        "broken web:42 back to Some(\"web:42\"), over false, disproved false",
    );
}

#[test]
fn one_failure_is_told_once_and_a_new_one_anew() {
    let deployments = [taking_back(41, InProgress), failing(Failed)];
    let mut facts = of_service(change(Phase::Failed, "ecs-svc/8", 6), &[], &deployments);
    for (state, opened, told) in
        [(State::Firing, 5, true), (State::Resolved, 5, true), (State::Firing, -5, false)]
    {
        facts.incident = Some(Some(Incident { state, opened: at(opened), ..incident() }));
        let expected = if told {
            "ignore: people know of this failure"
        } else {
            "broken web:42 back to Some(\"web:41\"), over false, disproved true"
        };
        check(&facts, 7, expected);
    }
}

#[test]
fn a_deployment_of_an_operation_goes_the_operation_s_way() {
    let deployments = [taking_back(42, InProgress), failing(Failed)];
    let failed = |id: &str| change(Phase::Failed, id, 6);
    let own = operation(Means::UpdateService);
    check(&of_service(failed("ecs-svc/2"), std::slice::from_ref(&own), &deployments), 7, "follow op-1");
    let ended = Operation { end: Some(End::Failed), ..own.clone() };
    let over = "ignore: the operation op-1 is closed: it failed";
    check(&of_service(failed("ecs-svc/2"), std::slice::from_ref(&ended), &deployments), 7, over);
    // The deployment that the operation leaves.
    check(&of_service(failed("ecs-svc/8"), &[own], &deployments), 7, "follow op-1");
    check(&of_service(failed("ecs-svc/8"), &[ended], &deployments), 7, over);
    for means in [Means::StopServiceDeployment, Means::Scale, Means::CreateDeployment, Means::StopDeployment]
    {
        let open = Operation { deployment: None, ..operation(means) };
        check(&of_service(failed("ecs-svc/8"), &[open], &deployments), 7, "follow op-1");
    }
    // ECS takes the operation's own deployment back, and names the deployment that it makes for that.
    let back = || change(Phase::RollingBack, "ecs-svc/9", 6);
    let own = operation(Means::UpdateService);
    let listed = Deployment { primary: false, ..deployment("ecs-svc/2", 41, InProgress, 0) };
    check(
        &of_service(back(), std::slice::from_ref(&own), &[taking_back(42, InProgress), listed]),
        7,
        "follow op-1",
    );
    let mut unlisted = of_service(back(), &[own], &[taking_back(42, InProgress)]);
    unlisted.failed = Some(Some(td(41)));
    check(&unlisted, 7, "follow op-1");
    // Somebody else's deployment while an update is under way is told by itself.
    let other = Operation { from: td(40), ..operation(Means::UpdateService) };
    check(
        &of_service(failed("ecs-svc/8"), &[other], &deployments),
        7,
        "broken web:42 back to Some(\"web:42\"), over false, disproved false",
    );
}

#[test]
fn an_operation_claims_no_deployment_from_before_it_began_or_after_its_deadline() {
    let told = "broken web:42 back to Some(\"web:41\"), over false, disproved true";
    let deployments = [taking_back(41, InProgress), failing(Failed)];
    for means in [Means::UpdateService, Means::StopServiceDeployment, Means::CreateDeployment] {
        let open = Operation { deployment: None, from: td(40), to: td(39), ..operation(means) };
        for (minutes, expected) in [(-1, told), (0, "follow op-1"), (29, "follow op-1"), (30, told)] {
            let hint = change(Phase::Failed, "ecs-svc/8", minutes);
            check(&of_service(hint, std::slice::from_ref(&open), &deployments), minutes + 1, expected);
        }
        let done = change(Phase::Completed, "ecs-svc/9", 30);
        let deployments = [taking_back(41, Completed)];
        check(&of_service(done, &[open], &deployments), 31, "deployed web:41, resolves false");
    }
    // What it leaves or returns to is no longer its own either.
    let open = operation(Means::UpdateService);
    for (minutes, expected) in [(-1, "follow op-1"), (119, "follow op-1"), (120, told)] {
        let hint = change(Phase::Failed, "ecs-svc/8", minutes);
        check(&of_service(hint, std::slice::from_ref(&open), &deployments), minutes + 1, expected);
    }
    for (minutes, expected) in
        [(29, "follow op-1"), (30, "broken web:41 back to Some(\"web:42\"), over false, disproved true")]
    {
        let hint = change(Phase::RollingBack, "ecs-svc/9", minutes);
        let mut unlisted = of_service(hint, std::slice::from_ref(&open), &[taking_back(42, InProgress)]);
        unlisted.failed = Some(Some(td(41)));
        check(&unlisted, minutes + 1, expected);
    }
    // Its own deployment stays its own.
    let own = change(Phase::Completed, "ecs-svc/2", 90);
    check(&of_service(own, &[open], &[deployment("ecs-svc/2", 41, Completed, 0)]), 91, "follow op-1");
}

#[test]
fn a_deployment_that_is_done_resolves_what_was_told_and_is_looked_at_later() {
    let done = || change(Phase::Completed, "ecs-svc/9", 8);
    let mut facts = of_service(done(), &[], &[taking_back(41, Completed)]);
    check(&facts, 8, "deployed web:41, resolves false");
    facts.incident = Some(Some(incident()));
    check(&facts, 8, "deployed web:41, resolves true");
    facts.incident = Some(Some(Incident { state: State::Resolved, ..incident() }));
    check(&facts, 8, "deployed web:41, resolves false");
    let overtaken = of_service(done(), &[], &[deployment("ecs-svc/10", 43, InProgress, 8)]);
    check(&overtaken, 8, "ignore: another deployment runs by now, of web:43");
}

pub(super) fn tagged(hint: Hint, key: &str, value: &str) -> Facts {
    let mut facts = of_service(hint, &[], &[taking_back(41, InProgress), failing(Failed)]);
    if let Some(World::Service(Some(service))) = &mut facts.world {
        service.tags.insert(key.to_owned(), value.to_owned());
    }
    facts
}

#[test]
fn what_is_not_ours_to_watch_is_let_go() {
    let failed = || change(Phase::Failed, "ecs-svc/8", 6);
    check(&Facts::of(change(Phase::Began, "ecs-svc/8", 6)), 7, "ignore: a deployment began; its end counts");
    check(&tagged(failed(), tags::ENVIRONMENT, "dev"), 7, "ignore: it belongs to the environment dev");
    let off = "ignore: the mode is off (watchkeeper:mode, or the template's Mode)";
    check(&tagged(failed(), tags::MODE, "off"), 7, off);
    let broken = "broken web:42 back to Some(\"web:41\"), over false, disproved true";
    check(&tagged(failed(), tags::MODE, "observe"), 7, broken);
    let mut gone = facts(failed(), &[]);
    gone.world = Some(World::Service(None));
    check(&gone, 7, "ignore: the service is gone");
    let elsewhere = Policy { clusters: "stage*".to_owned(), ..policy() };
    for hint in [failed(), prove()] {
        let said = say(&decide(&Facts::of(hint), &elsewhere, at(60)));
        assert_eq!(said, "ignore: the cluster prod is not among those that this stack watches");
    }
}

fn prove() -> Hint {
    Hint::Prove { target: target(), revision: td(42), deployment: "ecs-svc/8".to_owned(), since: at(0) }
}

fn proving(operations: &[Operation], primary: Deployment, bad: Option<i64>) -> Facts {
    let mut facts = of_service(prove(), operations, &[primary]);
    if let (Some(memory), Some(bad)) = (&mut facts.memory, bad) {
        memory.revisions.push(Revision { arn: td(42), standing: Standing::Bad, since: at(bad) });
    }
    facts
}

#[test]
fn a_revision_that_stays_is_good() {
    let runs = || deployment("ecs-svc/8", 42, Completed, 0);
    check(&Facts::of(prove()), 4, "wait 360s: its revision has until 2026-11-20T03:10:00Z to prove itself");
    check(&proving(&[], runs(), None), 10, "good web:42");
    check(&proving(&[], runs(), Some(-60)), 10, "good web:42");
    check(&proving(&[], runs(), Some(5)), 10, "ignore: the revision was found bad meanwhile");
    let leaving = [operation(Means::UpdateService)];
    check(&proving(&leaving, runs(), None), 10, "ignore: the operation op-1 is about to leave the revision");
    let another = "ignore: another deployment runs by now, of web:42";
    check(&proving(&[], deployment("ecs-svc/8", 42, Failed, 0), None), 10, another);
    check(&proving(&[], deployment("ecs-svc/9", 42, Completed, 5), None), 10, another);
    // Deployed anew by us, it is the same.
    let anew = Operation { deployment: Some("ecs-svc/9".to_owned()), ..redeploy() };
    check(
        &proving(std::slice::from_ref(&anew), deployment("ecs-svc/9", 42, Completed, 5), None),
        10,
        "good web:42",
    );
    check(&proving(&[anew], deployment("ecs-svc/9", 42, Failed, 5), None), 10, another);
    let mut gone = proving(&[], runs(), None);
    gone.world = Some(World::Service(None));
    check(&gone, 10, "ignore: the service is gone");
}

#[test]
fn a_revision_that_was_left_for_an_alarm_is_not_good_while_that_fires() {
    let runs = || deployment("ecs-svc/8", 42, Completed, 0);
    let left = |id: &str, incident: &str| Operation {
        id: id.to_owned(),
        incident: incident.to_owned(),
        end: Some(End::Recovered),
        ..operation(Means::UpdateService)
    };
    let alarm_of = |name: &str| format!("alarm:arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}");
    let newest_first = [
        left("op-4", "request:4"),
        Operation { from: td(43), ..left("op-3", &alarm_of("of another revision")) },
        left("op-2", &alarm_of("web 5xx")),
        left("op-1", &alarm_of("of long ago")),
    ];
    let mut again = proving(&newest_first, runs(), Some(-60));
    again.alarm = None;
    check(&again, 10, "look: Alarm(\"web 5xx\")");
    let fires = "ignore: the alarm web 5xx, for which the revision was left before, fires; it stays bad";
    for (state, expected) in [
        (AlarmState::Alarm, fires),
        (AlarmState::Ok, "good web:42"),
        (AlarmState::InsufficientData, "good web:42"),
    ] {
        again.alarm = Some(Some(alarm(state, -1)));
        check(&again, 10, expected);
    }
    again.alarm = Some(None);
    check(&again, 10, "good web:42");
    // Nobody holds it to be bad, or no alarm did: no alarm is asked.
    for mut other in [proving(&newest_first, runs(), None), proving(&newest_first[..2], runs(), Some(-60))] {
        other.alarm = None;
        check(&other, 10, "good web:42");
    }
}

fn rollout() -> impl Strategy<Value = Rollout> {
    prop_oneof![Just(InProgress), Just(Completed), Just(Failed)]
}

prop_compose! {
    fn any_deployment()(
        id in 1_u32..5,
        revision in 40_u32..44,
        rollout in prop::option::of(rollout()),
        created in -30_i64..30,
        primary in prop::bool::ANY,
        back in prop::bool::ANY,
    ) -> Deployment {
        let reason = if back { "rolling back to deploymentId ecs-svc/1" } else { "" };
        let plain = deployment(&format!("ecs-svc/{id}"), revision, InProgress, created);
        Deployment { rollout, primary, reason: reason.to_owned(), ..plain }
    }
}

prop_compose! {
    fn any_case()(
        deployments in prop::collection::vec(any_deployment(), 0..4),
        known in prop::option::of(1_u32..5),
        state in prop_oneof![Just(AlarmState::Ok), Just(AlarmState::Alarm), Just(AlarmState::InsufficientData)],
        ended in prop::bool::ANY,
        now in 0_i64..60,
    ) -> (Facts, Operation, i64) {
        let end = ended.then_some(End::Recovered);
        let deployment = known.map(|id| format!("ecs-svc/{id}"));
        let operation = Operation { end, deployment, ..operation(Means::UpdateService) };
        let mut facts = of_service(watch(), std::slice::from_ref(&operation), &deployments);
        facts.alarm = Some(Some(Alarm { state, ..alarm(state, 1) }));
        (facts, operation, now)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_operation_ends_once_and_not_while_it_is_on_its_way((facts, operation, now) in any_case()) {
        let step = decide(&facts, &policy(), at(now));
        let Step::Settled { verdict, .. } = step else { panic!("everything is known: {step:?}") };
        if operation.end.is_some() {
            prop_assert!(matches!(verdict, Verdict::Ignore(_)), "an end is final");
        }
        if let Verdict::Close(close) = &verdict {
            let progress = progress::of(&operation, facts.world.as_ref().unwrap());
            let moving = matches!(progress, Progress::NotMade | Progress::OnItsWay);
            prop_assert!(!moving || operation.deadline <= at(now), "{progress:?}");
            if let Ended::Recovered { deployed, .. } = &close.ended {
                prop_assert_eq!(facts.alarm.as_ref().unwrap().as_ref().unwrap().state, AlarmState::Ok);
                prop_assert!(*deployed <= operation.deadline);
            }
        }
        // Past its deadline and the alarm's time, nothing is waited for any more.
        if operation.deadline + policy().recovery <= at(now) {
            let waits = matches!(verdict, Verdict::Wait { .. });
            prop_assert!(!waits, "it waits for ever");
        }
    }

    #[test]
    fn a_redeploy_speaks_against_no_revision_and_its_end_is_always_told((known, followed, now) in any_case()) {
        let redeploy = Operation { deployment: followed.deployment, end: followed.end, ..redeploy() };
        let known = Facts { world: known.world, ..facts(watching("re-1"), &[redeploy]) };
        let step = decide(&known, &policy(), at(now));
        let Step::Settled { verdict, wakes } = step else { panic!("everything is known: {step:?}") };
        let over = match &verdict {
            Verdict::Redeployed(redeployed) => {
                prop_assert!(!redeployed.ended.disproves());
                let is_done = redeployed.ended.end() == End::Recovered;
                prop_assert_eq!(redeployed.operation.said.is_none(), is_done);
                true
            }
            Verdict::Ignore(_) => true,
            Verdict::Wait { .. } => false,
            Verdict::Follow { .. }
            | Verdict::Close(_)
            | Verdict::Deployed { .. }
            | Verdict::Broken(_)
            | Verdict::Good(_) => panic!("{verdict:?}"),
        };
        prop_assert_eq!(!wakes.is_empty(), over);
        prop_assert!(over || at(now) < at(30), "it waits for ever");
    }
}

#[test]
fn the_same_facts_give_the_same_notice_to_whoever_looks_later() {
    let mut facts = rolled_back(Completed);
    facts.alarm = Some(Some(alarm(AlarmState::Ok, 6)));
    assert_eq!(decide(&facts, &policy(), at(7)), decide(&facts, &policy(), at(9)));
}
