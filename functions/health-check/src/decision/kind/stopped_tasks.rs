//! The tasks of a service that stopped within the last hour, for which ECS keeps them, and why (ECS API, `Task.stopCode`).

use jiff::{SignedDuration, Timestamp};
use shared::ecs::StoppedTask;
use shared::ecs::diagnosis::{Evidence, diagnose};

use crate::decision::{Findings, Verdict};

/// ECS keeps a stopped task for about so long.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// What is left of a service's tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The tasks that stopped.
    pub tasks: Vec<StoppedTask>,
    /// How many tasks the service is meant to have.
    pub desired: u32,
    /// How many of them run.
    pub running: u32,
    /// How many ECS listed, and then said nothing of.
    pub untold: usize,
    /// What kept the rest from being looked at, and what to do about it.
    pub unread: Option<(String, String)>,
}

/// What stopping a task was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Meant, or AWS's own doing, and replaced.
    Meant,
    /// A failure.
    Failure,
    /// ECS says a word that is not known, or nothing.
    Unclear,
}

/// How the tasks ended.
pub fn verdict(facts: &Facts, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.desired == 0 {
        found.not_applicable("its service is scaled to zero");
        return found.verdict("");
    }
    let mut recent: Vec<&StoppedTask> = facts
        .tasks
        .iter()
        .filter(|task| task.stopped_at.is_none_or(|at| now.duration_since(at) <= KEPT))
        .collect();
    recent.sort_by_key(|task| std::cmp::Reverse(task.stopped_at));
    let of = |wanted: Stop| -> Vec<StoppedTask> {
        recent.iter().filter(|task| stop(task) == wanted).map(|task| (*task).clone()).collect()
    };
    let (failures, meant, unclear) = (of(Stop::Failure), of(Stop::Meant), of(Stop::Unclear));
    found.saw("Stopped within the hour", recent.len());
    if !meant.is_empty() {
        found.saw("Meant to stop, or taken by AWS", meant.len());
    }
    causes(facts, &failures, &mut found);
    for task in &unclear {
        let word = task.stop_code.as_deref().unwrap_or("nothing");
        found.unknown(
            format!("of why a task stopped, ECS says what is not known here: {word}"),
            "Look at the stopped task in the ECS console.",
        );
    }
    if 0 < facts.untold {
        found.unknown(
            format!("ECS lists {} that it does not describe", stopped_tasks(facts.untold)),
            "Look at the service's stopped tasks in the ECS console.",
        );
    }
    if let Some((why, todo)) = &facts.unread {
        found.unknown(format!("the other stopped tasks {why}"), todo);
    }
    found.verdict(match meant.len() {
        0 => "no task stopped within the hour".to_owned(),
        1 => "the task that stopped within the hour was meant to, or taken by AWS".to_owned(),
        several => format!("the {several} tasks that stopped within the hour were meant to, or taken by AWS"),
    })
}

fn stopped_tasks(count: usize) -> String {
    if count == 1 { "1 stopped task".to_owned() } else { format!("{count} stopped tasks") }
}

fn stop(task: &StoppedTask) -> Stop {
    let told =
        || !diagnose(Evidence { tasks: std::slice::from_ref(task), ..Evidence::default() }).causes.is_empty();
    match task.stop_code.as_deref() {
        Some("TaskFailedToStart" | "EssentialContainerExited") => Stop::Failure,
        Some("UserInitiated" | "SpotInterruption" | "TerminationNotice" | "InfrastructureHealth") => {
            Stop::Meant
        }
        // ECS stops what it no longer needs, and also what fails its health checks.
        Some("ServiceSchedulerInitiated") | None if told() => Stop::Failure,
        Some("ServiceSchedulerInitiated") => Stop::Meant,
        None | Some(_) => Stop::Unclear,
    }
}

fn causes(facts: &Facts, failures: &[StoppedTask], found: &mut Findings) {
    if failures.is_empty() {
        return;
    }
    let started = |task: &StoppedTask| task.stop_code.as_deref() != Some("TaskFailedToStart");
    let hopeless = facts.running == 0 && !failures.iter().any(started);
    let all = failures.len();
    found.saw("Failed", all).saw("Failed to start", failures.iter().filter(|task| !started(task)).count());
    for container in failures.iter().flat_map(|task| &task.containers) {
        if let Some(code) = container.exit_code.filter(|code| *code != 0) {
            found.saw(&format!("Exit code of {}", container.name), code);
        }
    }
    let mut say = |why: String, todo: String| {
        if hopeless {
            found.failed(why, todo)
        } else {
            found.degraded(why, todo)
        };
    };
    let label = |count: usize| match all {
        1 => "1 task stopped within the hour".to_owned(),
        _ => format!("{count} of {all} tasks that stopped within the hour"),
    };
    let diagnosis = diagnose(Evidence { tasks: failures, ..Evidence::default() });
    if diagnosis.causes.is_empty() {
        say(
            format!("{}: ECS does not say why", label(all)),
            "Look at the stopped task in the ECS console.".to_owned(),
        );
    }
    for cause in diagnosis.causes {
        say(format!("{}: {}", label(cause.count), cause.what), cause.next_step);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::ecs::{StoppedContainer, StoppedTask};

    use super::{Facts, verdict};
    use crate::decision::Health;

    fn now() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    fn task(code: &str, reason: &str, exit: Option<i32>) -> StoppedTask {
        StoppedTask {
            id: "1".to_owned(),
            stop_code: (!code.is_empty()).then(|| code.to_owned()),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            containers: vec![StoppedContainer {
                name: "app".to_owned(),
                exit_code: exit,
                ..StoppedContainer::default()
            }],
            stopped_at: Some(now()),
        }
    }

    fn facts(running: u32, tasks: &[StoppedTask]) -> Facts {
        Facts { tasks: tasks.to_vec(), running, desired: 2, ..Facts::default() }
    }

    #[track_caller]
    fn check(facts: &Facts, health: Health, reason: &str) {
        let verdict = verdict(facts, now());
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        let calm = matches!(health, Health::Healthy | Health::NotApplicable);
        assert_eq!(calm, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    }

    #[test]
    fn a_task_that_was_meant_to_stop_is_no_failure() {
        check(&facts(2, &[]), Health::Healthy, "no task stopped within the hour");
        check(&Facts::default(), Health::NotApplicable, "scaled to zero");
        for code in ["UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"] {
            check(&facts(2, &[task(code, "told to", Some(143))]), Health::Healthy, "was meant to");
        }
        let scaled =
            task("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment 1)", Some(143));
        check(&facts(2, &[scaled.clone(), scaled]), Health::Healthy, "the 2 tasks that stopped");
    }

    #[test]
    fn what_ecs_stops_for_its_health_is_a_failure_all_the_same() {
        let reason = "Task failed ELB health checks in (target-group arn:aws:e:eu:1:targetgroup/web/0a1b)";
        let unhealthy = task("ServiceSchedulerInitiated", reason, Some(143));
        check(&facts(2, &[unhealthy]), Health::Degraded, "health checks of target group web");
    }

    #[test]
    fn a_task_that_ended_counts_for_an_hour_with_its_cause_in_words() {
        let exited = task("EssentialContainerExited", "Essential container in task exited", Some(1));
        let at = |seconds| StoppedTask {
            stopped_at: Some(now() - SignedDuration::from_secs(seconds)),
            ..exited.clone()
        };
        check(&facts(2, &[at(3_600)]), Health::Degraded, "container app exited with code 1");
        check(&facts(2, &[at(3_601)]), Health::Healthy, "no task stopped");
        check(&facts(0, &[at(1)]), Health::Degraded, "1 task stopped within the hour: ");
        let no_time = StoppedTask { stopped_at: None, ..exited.clone() };
        check(&facts(2, &[no_time]), Health::Degraded, "code 1");
        let killed = task("EssentialContainerExited", "", Some(137));
        let both = facts(2, &[exited.clone(), exited.clone(), killed]);
        check(
            &both,
            Health::Degraded,
            "2 of 3 tasks that stopped within the hour: container app exited with code 1",
        );
        check(&both, Health::Degraded, "1 of 3 tasks that stopped within the hour: container app was killed");
    }

    #[test]
    fn where_no_task_can_start_and_none_runs_the_service_is_stuck() {
        let key = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
                   failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved \
                   secret from Secrets Manager did not contain json key DB_PASSWORD";
        let unstarted = task("TaskFailedToStart", key, None);
        check(&facts(0, std::slice::from_ref(&unstarted)), Health::Failed, "does not have the key");
        check(&facts(1, std::slice::from_ref(&unstarted)), Health::Degraded, "does not have the key");
        let exited = task("EssentialContainerExited", "", Some(1));
        check(&facts(0, &[unstarted, exited]), Health::Degraded, "1 of 2 tasks");
        let bare = StoppedTask { containers: Vec::new(), ..task("TaskFailedToStart", "", None) };
        check(&facts(0, &[bare]), Health::Failed, "ECS does not say why");
    }

    #[test]
    fn what_is_not_known_or_not_looked_at_is_unknown() {
        check(&facts(2, &[task("Melted", "", None)]), Health::Unknown, "not known here: Melted");
        check(&facts(2, &[task("", "", None)]), Health::Unknown, "not known here: nothing");
        check(&facts(2, &[task("", "", Some(1))]), Health::Degraded, "code 1");
        check(&Facts { untold: 2, ..facts(2, &[]) }, Health::Unknown, "lists 2 stopped tasks");
        let unread = Some(("could not be checked: denied".to_owned(), "Allow it.".to_owned()));
        check(
            &Facts { unread, ..facts(2, &[]) },
            Health::Unknown,
            "the other stopped tasks could not be checked",
        );
    }
}
