//! What is told of a deployment from look to look, and how it ends.

use deployment_watch::facts::{Deployment, Service};
use deployment_watch::follow::Tasks;
use expect_test::expect_file;
use jiff::SignedDuration;
use shared::ecs::StoppedContainer;

use super::super::words::{follows, outcome, told};
use super::*;
use crate::exit::Exit;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_176_000 + seconds).unwrap()
}

fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

fn deployment(number: u32, primary: bool, rollout: Rollout, running: i32) -> Deployment {
    Deployment {
        id: format!("ecs-svc/{number}"),
        primary,
        task_definition: td(40 + number),
        rollout: Some(rollout),
        desired: 3,
        running,
        created_at: Some(at(i64::from(number) * 100)),
        updated_at: Some(at(i64::from(number) * 100 + 60)),
        ..Deployment::default()
    }
}

fn view(deployments: Vec<Deployment>) -> View {
    let running = deployments.iter().map(|deployment| deployment.running).sum();
    View {
        service: Service { active: true, desired: 3, running, deployments, ..Service::default() },
        ..View::default()
    }
}

fn counting(mut view: View, number: u32, pending: i32, failed: i32) -> View {
    view.tasks.insert(format!("ecs-svc/{number}"), Tasks { pending, failed });
    view
}

fn saying(mut view: View, seconds: i64, message: &str) -> View {
    view.service.events.insert(0, Event { at: at(seconds), message: message.to_owned() });
    view
}

fn followed() -> Followed {
    Followed {
        id: "ecs-svc/3".to_owned(),
        task_definition: td(43),
        from: Some(td(42)),
        began: Some(at(300)),
        takes_back: false,
    }
}

fn stopped(id: &str, exit_code: i32) -> StoppedTask {
    let container = StoppedContainer {
        name: "web".to_owned(),
        exit_code: Some(exit_code),
        ..StoppedContainer::default()
    };
    StoppedTask {
        id: id.to_owned(),
        stop_code: Some("EssentialContainerExited".to_owned()),
        containers: vec![container],
        ..StoppedTask::default()
    }
}

/// A deployment that fails and is taken back, look by look, as the terminal and as a script see it.
#[test]
fn a_deployment_is_told_change_by_change() {
    let old = |running| deployment(2, false, Rollout::Completed, running);
    let new = |running| deployment(3, true, Rollout::InProgress, running);
    let secret = "(service web) was unable to start: unable to retrieve secret from asm: hunter2";
    let back = Deployment {
        reason: "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/2.".to_owned(),
        task_definition: td(42),
        ..deployment(4, true, Rollout::InProgress, 0)
    };
    let first = counting(view(vec![new(0), old(3)]), 3, 1, 0);
    let events = saying(
        saying(first.clone(), 10, "(service web) is from before"),
        305,
        "(service web) has started 1 tasks: (task 0a).",
    );
    let failing = saying(counting(events.clone(), 3, 1, 1), 330, secret);
    let taken = counting(view(vec![back, deployment(3, false, Rollout::Failed, 0), old(3)]), 3, 0, 3);
    let looks = [
        (first.clone(), Vec::new()),
        (first, Vec::new()),
        (events, Vec::new()),
        (failing.clone(), vec![stopped("0a", 1)]),
        (failing, vec![stopped("0b", 1), stopped("0a", 1)]),
        (taken, vec![stopped("0b", 1), stopped("0a", 1)]),
        (
            view(vec![Deployment { task_definition: td(42), ..deployment(4, true, Rollout::Completed, 3) }]),
            Vec::new(),
        ),
    ];
    let mut so_far = Told::default();
    let opening = follows("prod/web", &followed(), looks.first().map(|(view, _)| view));
    let mut lines = vec![opening.line, opening.object.to_string()];
    for (number, (view, stopped)) in looks.iter().enumerate() {
        lines.push(format!("-- look {}", number + 1));
        for change in so_far.changes(&followed(), view, stopped, None) {
            let said = told(&change);
            lines.extend([said.line, said.object.to_string()]);
        }
    }
    let all = format!("{}\n", lines.join("\n"));
    assert!(!all.contains("hunter2"), "{all}");
    expect_file!["../../../../snapshots/monitor.txt"].assert_eq(&all);
}

/// The word, the reason and the exit code.
type End = (&'static str, &'static str, Exit);

#[test]
fn how_it_ended_is_said_with_the_exit_code() {
    let new = |rollout, running| deployment(3, true, rollout, running);
    let placed = |number, revision, reason: &str| Deployment {
        task_definition: td(revision),
        reason: reason.to_owned(),
        ..deployment(number, true, Rollout::InProgress, 0)
    };
    let replaced = |by| view(vec![by, deployment(3, false, Rollout::InProgress, 1)]);
    let failed = Deployment { reason: "tasks failed to start.".to_owned(), ..new(Rollout::Failed, 0) };
    let inactive = {
        let mut view = view(vec![new(Rollout::InProgress, 0)]);
        view.service.active = false;
        view
    };
    let rollback = Followed { takes_back: true, ..followed() };
    #[rustfmt::skip]
    let cases: Vec<(&str, Followed, Option<View>, Option<End>)> = vec![
        ("on its way", followed(), Some(view(vec![new(Rollout::InProgress, 3)])), None),
        ("done", followed(), Some(view(vec![new(Rollout::Completed, 3)])), Some(("completed", "prod/web runs web:43, after 5s", Exit::Good))),
        ("done, and a task died", followed(), Some(view(vec![new(Rollout::Completed, 2)])), Some(("completed", "prod/web has web:43, but 1 of its tasks does not run", Exit::Warnings))),
        ("failed", followed(), Some(view(vec![failed])), Some(("failed", "web:43 could not be deployed to prod/web (tasks failed to start.)", Exit::Errors))),
        ("taken back by ECS", followed(), Some(replaced(placed(4, 42, "rolling back to deploymentId ecs-svc/2"))), Some(("rolled_back", "prod/web goes back to web:42", Exit::Errors))),
        ("taken back by Watchkeeper", followed(), Some(replaced(placed(4, 42, ""))), Some(("rolled_back", "prod/web goes back to web:42", Exit::Errors))),
        ("overtaken", followed(), Some(replaced(placed(4, 44, ""))), Some(("replaced", "another deployment took its place, of web:44: wk monitor prod/web follows that", Exit::Warnings))),
        ("a rollback that arrived", rollback.clone(), Some(view(vec![new(Rollout::Completed, 3)])), Some(("rolled_back", "prod/web goes back to web:43", Exit::Errors))),
        ("a rollback on its way", rollback, Some(view(vec![new(Rollout::InProgress, 1)])), None),
        ("deleted", followed(), Some(inactive), Some(("gone", "prod/web is deleted, or being deleted", Exit::Errors))),
        ("gone", followed(), None, Some(("gone", "prod/web is deleted, or being deleted", Exit::Errors))),
    ];
    for (name, followed, view, expected) in cases {
        let ended = ended(&followed, view.as_ref());
        let said =
            ended.map(|ended| outcome("prod/web", &followed, &ended, false, SignedDuration::from_secs(5)));
        let expected = expected.map(|(word, reason, exit)| (word, reason.to_owned(), exit));
        assert_eq!(said, expected, "{name}");
    }
    let done = Ended::Completed { at: at(0), missing: 0 };
    let (_, reason, exit) = outcome("prod/web", &followed(), &done, true, SignedDuration::ZERO);
    assert_eq!(reason, format!("no deployment is under way; prod/web has web:43 since {:.0}", at(0)));
    assert_eq!(exit, Exit::Good);
}
