//! What people read, whole.

use std::fmt::Write;

use shared::alarm::State as AlarmState;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{End, Means};

use super::*;
use crate::cases::{
    SECRET, SERVICE, alarm, at, change, deployment, diagnosis, facts, incident, operation, policy, redeploy,
    service, target, td, watch, watching,
};
use crate::event::Phase;
use crate::facts::{Rollout, Stack};

fn read(notice: &Notice) -> String {
    let mut text = format!("{} {} {}\n", notice.severity, notice.state.as_str(), notice.title);
    let _ = writeln!(text, "{}", notice.summary);
    for fact in &notice.facts {
        let _ = writeln!(text, "{}: {}", fact.name, fact.value);
    }
    for action in &notice.actions {
        let _ = writeln!(text, "done: {action}");
    }
    for step in &notice.next_steps {
        let _ = writeln!(text, "next: {step}");
    }
    text
}

fn close(ended: Ended) -> Close {
    Close {
        target: target(),
        operation: operation(Means::UpdateService),
        ended,
        incident: Some(incident()),
        at: at(6),
    }
}

fn seen() -> Facts {
    let service = service(&[deployment("ecs-svc/2", 41, Rollout::Completed, 0)]);
    Facts { world: Some(World::Service(Some(service))), ..facts(watch(), &[operation(Means::UpdateService)]) }
}

#[track_caller]
fn check(ended: Ended, expected: &str) {
    let notice = closing(&seen(), &policy(), &close(ended)).unwrap();
    assert_eq!(read(&notice), expected);
    assert_eq!(notice.incident, incident().key);
    assert!(notice.revision > incident().revision);
    assert_eq!((notice.source.as_str(), notice.environment.as_str()), ("deployment-watch", "prod"));
    assert_eq!(notice.subject.arn.as_deref(), Some(SERVICE));
    assert_eq!(notice.links.len(), 1);
}

#[test]
fn a_recovery_closes_with_the_seconds_since_the_alarm() {
    check(
        Ended::Recovered { deployed: at(4), alarm: Some(alarm(AlarmState::Ok, 6)) },
        "SEV-2 resolved prod/web is healthy again: rolled back to web:41\n\
         prod/web is healthy again: rolled back to web:41 and the alarm OK 7m after it fired.\n\
         Tasks: 3 running of 3 desired\n\
         From: web:42\n\
         To: web:41\n\
         Deployed: 4m after it was begun\n\
         Operation: op-1\n\
         Alarm: web 5xx\n\
         done: Remembered web:41 as good.\n\
         next: Find out what is wrong with web:42; it stays remembered as bad.\n",
    );
}

#[test]
fn a_rollback_that_does_not_help_says_that_something_else_is_to_blame() {
    check(
        Ended::Unhealed { deployed: at(4), alarm: alarm(AlarmState::Alarm, -1) },
        "SEV-1 firing prod/web: rolled back to web:41, but that did not help\n\
         prod/web: rolled back to web:41, but the alarm web 5xx still fires.\n\
         Tasks: 3 running of 3 desired\n\
         From: web:42\n\
         To: web:41\n\
         Deployed: 2026-11-20T03:04:00Z\n\
         Waited for the alarm: 10m\n\
         Operation: op-1\n\
         Alarm: web 5xx\n\
         next: The deployment of web:42 was not the cause, or not the only one: look at dependencies, data, traffic, a \
         rotated secret, the platform.\n\
         next: Watchkeeper makes no second rollback by itself; decide by hand.\n",
    );
    let silent = close(Ended::Unhealed { deployed: at(4), alarm: alarm(AlarmState::InsufficientData, -1) });
    let notice = closing(&seen(), &policy(), &silent).unwrap();
    assert_eq!(notice.severity, Severity::Sev2);
    assert!(notice.summary.contains("the alarm web 5xx has no data"), "{}", notice.summary);
}

#[test]
fn a_rollback_that_fails_says_why_and_what_runs() {
    let failure = Failure::Refuted { said: "tasks failed to start.".to_owned(), disproves: true };
    check(
        Ended::Failed { failure, running: Some(td(42)) },
        "SEV-1 firing prod/web: the rollback to web:41 failed\n\
         prod/web was not rolled back: AWS says: tasks failed to start.\n\
         Tasks: 3 running of 3 desired\n\
         From: web:42\n\
         To: web:41\n\
         Runs now: web:42\n\
         Why: 3 of 3 tasks: container app exited with code 1, the app's own error\n\
         Operation: op-1\n\
         Alarm: web 5xx\n\
         done: Remembered web:41 as bad, too.\n\
         next: Read the log of container app of task t1.\n\
         next: Deploy a revision that you know to be good, by hand and now; Watchkeeper makes no second rollback by \
         itself.\n",
    );
}

#[test]
fn a_rollback_that_is_overtaken_says_by_what() {
    check(
        Ended::Superseded { running: td(43) },
        "SEV-3 firing prod/web: the rollback was overtaken\n\
         prod/web: somebody did something else; now: web:43.\n\
         Tasks: 3 running of 3 desired\n\
         From: web:42\n\
         To: web:41\n\
         Operation: op-1\n\
         Alarm: web 5xx\n\
         next: Ask whoever did it; Watchkeeper follows this rollback no longer.\n",
    );
}

#[test]
fn a_stack_that_fails_again_names_its_failed_resources() {
    let stack: Target = "stack:billing".parse().unwrap();
    let mut seen = seen();
    seen.world = Some(World::Stack(Some(Stack {
        status: "UPDATE_ROLLBACK_FAILED".to_owned(),
        since: Some(at(5)),
        failures: vec!["Api (AWS::ECS::Service): did not stabilize".to_owned()],
    })));
    seen.diagnosis = None;
    let failure = Failure::Refuted { said: String::new(), disproves: false };
    let close = Close {
        target: stack,
        operation: Operation {
            from: "UPDATE_ROLLBACK_FAILED".to_owned(),
            to: "UPDATE_ROLLBACK_COMPLETE".to_owned(),
            ..operation(Means::ContinueUpdateRollback)
        },
        ..close(Ended::Failed { failure, running: None })
    };
    let text = read(&closing(&seen, &policy(), &close).unwrap());
    assert!(text.contains("Failed resource: Api (AWS::ECS::Service): did not stabilize\n"), "{text}");
    assert!(text.contains("aws cloudformation continue-update-rollback --stack-name billing"), "{text}");
    assert!(!text.contains("Tasks:") && !text.contains("Remembered"), "{text}");
}

#[test]
fn what_no_alarm_asked_for_does_not_go_on_firing_once_it_is_overtaken() {
    let stack = |status: &str| {
        World::Stack(Some(Stack { status: status.to_owned(), since: None, failures: Vec::new() }))
    };
    let superseded = || Ended::Superseded { running: "UPDATE_COMPLETE".to_owned() };
    let too_late = || Ended::Failed { failure: Failure::TooLate, running: None };
    let service = seen().world.unwrap();
    for (by_alarm, told, world, ended, expected) in [
        (true, true, stack("UPDATE_COMPLETE"), superseded(), (State::Firing, Severity::Sev3)),
        (true, true, stack("UPDATE_COMPLETE"), too_late(), (State::Firing, Severity::Sev1)),
        (false, true, stack("UPDATE_COMPLETE"), superseded(), (State::Resolved, Severity::Sev3)),
        (false, true, stack("UPDATE_COMPLETE"), too_late(), (State::Resolved, Severity::Sev3)),
        (false, true, stack("UPDATE_IN_PROGRESS"), superseded(), (State::Firing, Severity::Sev3)),
        (false, true, service.clone(), superseded(), (State::Resolved, Severity::Sev3)),
        (false, false, service, superseded(), (State::Info, Severity::Sev4)),
    ] {
        let facts = Facts { world: Some(world), ..seen() };
        let mut close = close(ended);
        if !by_alarm {
            "request:1".clone_into(&mut close.operation.incident);
        }
        close.incident = close.incident.filter(|_| told);
        let notice = closing(&facts, &policy(), &close).unwrap();
        assert_eq!((notice.state, notice.severity), expected, "{close:?}");
    }
}

#[test]
fn good_news_are_told_once_and_bad_news_always() {
    let resolved = Some(Incident { state: State::Resolved, ..incident() });
    let of = |ended| Close { incident: resolved.clone(), ..close(ended) };
    let recovered = Ended::Recovered { deployed: at(4), alarm: None };
    assert_eq!(closing(&seen(), &policy(), &of(recovered)), None);
    assert_eq!(closing(&seen(), &policy(), &of(Ended::Superseded { running: td(43) })), None);
    let late = Ended::Failed { failure: Failure::Late, running: None };
    assert!(closing(&seen(), &policy(), &of(late)).is_some());
}

#[test]
fn the_same_end_is_the_same_notice_whoever_tells_it() {
    let told = || closing(&seen(), &policy(), &close(Ended::Superseded { running: td(43) })).unwrap();
    assert_eq!(told().id, told().id);
}

fn failing(back_to: Option<String>, running: i32, over: bool) -> Broken {
    Broken {
        target: target(),
        service: SERVICE.to_owned(),
        task_definition: td(42),
        back_to,
        over,
        disproved: true,
        desired: 3,
        running,
        diagnosis: diagnosis(),
        incident: None,
        at: at(6),
    }
}

#[test]
fn a_deployment_that_ecs_took_back_is_told_though_nobody_asked() {
    let seen = Facts { hint: change(Phase::Failed, "ecs-svc/8", 6), ..seen() };
    let notice = broken(&seen, &policy(), &failing(Some(td(41)), 3, false));
    assert_eq!(
        read(&notice),
        "SEV-2 firing prod/web: the deployment of web:42 failed, ECS went back to web:41\n\
         ECS could not deploy web:42 to prod/web and went back to web:41: 3 of 3 tasks: container app exited with code \
         1, the app's own error.\n\
         Tasks: 3 running of 3 desired\n\
         Failed: web:42\n\
         Goes back to: web:41\n\
         Why: 3 of 3 tasks: container app exited with code 1, the app's own error\n\
         done: Remembered web:42 as bad; no alarm leads back to it.\n\
         next: Read the log of container app of task t1.\n",
    );
    assert_eq!(notice.incident, format!("deployment:{SERVICE}"));
    let alone = broken(&seen, &policy(), &failing(None, 0, false));
    assert_eq!(alone.severity, Severity::Sev1);
    let text = read(&alone);
    assert!(
        text.contains("did not go back") && text.contains("aws ecs update-service --cluster prod"),
        "{text}"
    );
    let over = broken(&seen, &policy(), &failing(Some(td(41)), 3, true));
    assert_eq!(over.state, State::Info, "there is nothing left that could resolve it");
}

#[test]
fn the_next_deployment_that_is_done_takes_the_failure_back() {
    let seen = Facts { hint: change(Phase::Completed, "ecs-svc/9", 8), ..seen() };
    let known = broken(&seen, &policy(), &failing(Some(td(41)), 3, false));
    let notice = deployed(&seen, &policy(), &td(41), known.revision).unwrap();
    assert_eq!((notice.state, &notice.incident), (State::Resolved, &known.incident));
    assert!(notice.revision > known.revision);
    assert_eq!(notice.title, "prod/web: web:41 is deployed");
    assert_eq!(deployed(&Facts::of(watch()), &policy(), &td(41), 0), None);
}

#[test]
fn a_failure_of_our_own_names_the_action_and_is_the_same_each_time() {
    let error = || Error::Denied { action: "ecs:DescribeServices", source: "no".into() };
    let first = failure(&seen(), &policy(), &error(), at(1));
    let again = failure(&seen(), &policy(), &error(), at(9));
    assert_eq!(first, again);
    assert_eq!((first.severity, first.state), (Severity::Sev1, State::Firing));
    assert_eq!(first.incident, incident().key);
    assert!(first.facts.iter().any(|fact| fact.value.contains("ecs:DescribeServices is denied")));
    let end = closing(&seen(), &policy(), &close(Ended::Superseded { running: td(43) })).unwrap();
    assert!(first.revision < end.revision, "its end takes it back");
}

#[test]
fn a_failure_of_our_own_that_nothing_would_end_is_told_for_the_record() {
    let error = Error::Denied { action: "ecs:DescribeServices", source: "no".into() };
    let stack = Hint::Watch { target: "stack:billing".parse().unwrap(), operation: None };
    let deployment = "ecs-svc/8".to_owned();
    let prove = Hint::Prove { target: target(), revision: td(42), deployment, since: at(0) };
    for (hint, key) in [
        (watch(), "watch:op-1"),
        (stack, "watch:stack:billing"),
        (prove, "watch:ecs-svc/8"),
        (change(Phase::Failed, "ecs-svc/8", 6), "watch:ecs-svc/8"),
    ] {
        let notice = failure(&Facts::of(hint), &policy(), &error, at(1));
        assert_eq!((notice.incident.as_str(), notice.state), (key, State::Info));
        assert_eq!(notice.severity, Severity::Sev1);
    }
}

#[test]
fn a_policy_that_could_not_be_read_is_told_of_beside_the_end() {
    let unread = Policy { unread: Some("ssm:GetParameter is denied".to_owned()), ..policy() };
    let end = closing(&seen(), &unread, &close(Ended::Superseded { running: td(43) })).unwrap();
    let fact = end.facts.iter().find(|fact| fact.name == "Policy").unwrap();
    assert_eq!(fact.value, "it could not be read, so its defaults hold: ssm:GetParameter is denied");
}

#[test]
fn every_verdict_has_a_word_and_a_reason_in_its_report() {
    let late = Ended::Failed { failure: Failure::Late, running: None };
    let recovered = Ended::Recovered { deployed: at(4), alarm: None };
    for (ended, word, reason) in [
        (
            late,
            "failed_rollback",
            "prod/web was not rolled back: it did not come to its end before its deadline",
        ),
        (recovered, "recovered", "prod/web is done: rolled back to web:41, 4m after it was begun"),
    ] {
        assert_eq!(ended.end() == End::Failed, word == "failed_rollback");
        let report = report(&seen(), &policy(), &Verdict::Close(Box::new(close(ended))), &[]);
        assert_eq!((report.outcome(), report.reason()), (word, reason));
    }
}

#[test]
fn people_hear_how_a_redeploy_ended_that_somebody_asked_for_where_it_did_not_arrive() {
    let failure = || Failure::Refuted { said: String::new(), disproves: false };
    let failed = || Ended::Failed { failure: failure(), running: None };
    for (incident, ended, told) in [
        ("request:1", failed(), Some(Severity::Sev2)),
        ("request:1", Ended::Superseded { running: td(43) }, Some(Severity::Sev4)),
        ("request:1", Ended::Recovered { deployed: at(4), alarm: None }, None),
        ("secret:arn:aws:secretsmanager:eu-central-1:1:secret:db-AbCdEf", failed(), None),
    ] {
        let operation = Operation { incident: incident.to_owned(), ..redeploy() };
        let redeployed = Redeployed { target: target(), operation, ended };
        let notice = alone(&policy(), &redeployed, at(7));
        assert_eq!(notice.as_ref().map(|notice| notice.severity), told, "{incident}");
        assert!(notice.is_none_or(|notice| notice.incident == incident && notice.state == State::Info));
    }
}

#[test]
fn a_redeploy_s_end_is_told_in_the_report_alone() {
    let report = |ended, said: Option<&str>| {
        let operation = Operation { said: said.map(ToOwned::to_owned), ..redeploy() };
        let verdict = Verdict::Redeployed(Box::new(Redeployed { target: target(), operation, ended }));
        report(&seen(), &policy(), &verdict, &["redeploy-1".to_owned()])
    };
    let failure = Failure::Refuted { said: String::new(), disproves: false };
    for (ended, said, word, reason) in [
        (
            Ended::Recovered { deployed: at(4), alarm: None },
            None,
            "redeployed",
            "prod/web is done: redeployed with web:42, 4m after it was begun",
        ),
        (
            Ended::Failed { failure, running: None },
            Some("3 of 3 tasks: it cannot read its secret. Look at the secret."),
            "not_redeployed",
            "prod/web was not redeployed: 3 of 3 tasks: it cannot read its secret. Look at the secret",
        ),
        (
            Ended::Superseded { running: td(43) },
            Some("another deployment took its place, of web:43"),
            "superseded",
            "prod/web: its redeploy was overtaken: another deployment took its place, of web:43",
        ),
    ] {
        let report = report(ended, said);
        assert_eq!((report.outcome(), report.reason()), (word, reason));
        let line = format!("{report:?}");
        assert!(line.contains("re-1") && line.contains("redeploy-1") && line.contains("wakes"), "{line}");
    }
}

#[test]
fn a_failure_to_watch_a_redeploy_is_told_for_the_record_under_its_secret() {
    let error = Error::Denied { action: "ecs:DescribeServices", source: "no".into() };
    let notice = failure(&facts(watching("re-1"), &[redeploy()]), &policy(), &error, at(1));
    assert_eq!((notice.state, notice.severity), (State::Info, Severity::Sev2));
    assert_eq!(notice.incident, format!("secret:{SECRET}"));
    assert!(notice.summary.contains("Do not rely on its word that a redeploy is over"), "{}", notice.summary);
}

#[test]
fn each_means_is_put_into_words() {
    for (means, to, expected) in [
        (Means::Scale, "3 tasks", "brought back to 3 tasks"),
        (Means::Redeploy, "arn:td/web:41", "redeployed with web:41"),
        (Means::RedeployByCodeDeploy, "arn:td/web:41", "redeployed with web:41"),
        (Means::StopServiceDeployment, "arn:td/web:41", "rolled back to web:41"),
        (Means::CreateDeployment, "arn:td/web:41", "rolled back to web:41"),
        (Means::StopDeployment, "arn:td/web:41", "rolled back to web:41"),
        (Means::CancelUpdateStack, "x", "the update was cancelled and rolled back"),
        (Means::ContinueUpdateRollback, "x", "its rollback was continued and is complete"),
        (Means::RollbackStack, "x", "rolled back to its last stable state"),
    ] {
        assert_eq!(made(&target(), &Operation { to: to.to_owned(), ..operation(means) }), expected);
    }
    let alias: Target = "lambda:checkout:live".parse().unwrap();
    let point = Operation { to: "7".to_owned(), ..operation(Means::UpdateAlias) };
    assert_eq!(made(&alias, &point), "rolled back to version 7");
}
