//! One line for each change, or one JSON object.

use deployment_watch::facts::Rollout;
use deployment_watch::follow::{Followed, View};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use shared::ecs::diagnosis::Diagnosis;

use super::decision::{Change, Ended, Standing};
use crate::exit::Exit;
use crate::reach::now;
use crate::say::{Out, Tone};

/// Who speaks, and of which service.
pub(super) struct Voice<'a> {
    pub(super) out: &'a Out,
    pub(super) name: &'a str,
}

/// What is said of one thing: for people and for scripts.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) tone: Tone,
    pub(super) line: String,
    pub(super) object: Value,
}

impl Voice<'_> {
    pub(super) fn waits(&self, followed: &Followed) {
        if self.out.is_for_people() {
            let revision = short(&followed.task_definition);
            self.out.note(&format!(
                "No deployment of {} is under way (it has {revision}); looking once more …",
                self.name
            ));
        }
    }

    pub(super) fn follows(&self, followed: &Followed, view: Option<&View>) {
        self.say(&follows(self.name, followed, view));
    }

    pub(super) fn change(&self, change: &Change) {
        self.say(&told(change));
    }

    pub(super) fn still(&self, followed: &Followed, standing: Option<&Standing>, since: SignedDuration) {
        let how = standing.map(counts).unwrap_or_default();
        let revision = short(&followed.task_definition);
        self.say(&Said {
            tone: Tone::Faint,
            line: format!("still {revision}: {how}, after {}", span(since)),
            object: json!({"change": "none", "task_definition": revision, "seconds": since.as_secs()}),
        });
    }

    pub(super) fn troubled(&self, why: &str) {
        self.say(&Said {
            tone: Tone::Warm,
            line: format!("ECS does not answer, trying again: {why}"),
            object: json!({"change": "trouble", "reason": why}),
        });
    }

    pub(super) fn late(
        &self,
        followed: &Followed,
        standing: Option<&Standing>,
        since: SignedDuration,
        diagnosis: &Diagnosis,
    ) -> Exit {
        let how = standing.map(counts).unwrap_or_default();
        let revision = short(&followed.task_definition);
        let reason =
            format!("the time is over after {}: {revision} has {how}; its deployment goes on", span(since));
        self.close("timed_out", &reason, Exit::Warnings, since, Some(diagnosis))
    }

    pub(super) fn ended(
        &self,
        followed: &Followed,
        ended: &Ended,
        before: bool,
        since: SignedDuration,
        diagnosis: Option<&Diagnosis>,
    ) -> Exit {
        let (outcome, reason, exit) = outcome(self.name, followed, ended, before, since);
        self.close(outcome, &reason, exit, since, diagnosis)
    }

    fn close(
        &self,
        outcome: &str,
        reason: &str,
        exit: Exit,
        since: SignedDuration,
        diagnosis: Option<&Diagnosis>,
    ) -> Exit {
        let tone = match exit {
            Exit::Good => Tone::Good,
            Exit::Warnings => Tone::Warm,
            Exit::Errors | Exit::Unable | Exit::Interrupted => Tone::Bad,
        };
        for said in diagnosis.map(reasons).unwrap_or_default() {
            if self.out.is_for_people() {
                self.say(&Said { tone: Tone::Plain, line: said, object: Value::Null });
            }
        }
        self.say(&Said {
            tone,
            line: format!("{}: {reason}", outcome.replace('_', " ")),
            object: json!({"change": "outcome", "outcome": outcome, "exit": exit.code(), "reason": reason,
                "seconds": since.as_secs(), "diagnosis": diagnosis}),
        });
        exit
    }

    fn say(&self, said: &Said) {
        let at = now();
        if self.out.is_for_people() {
            self.out.line(said.tone, &format!("{}  {}", at.strftime("%H:%M:%SZ"), said.line));
            return;
        }
        let mut object = json!({"time": at.round(Unit::Second).unwrap_or(at), "service": self.name});
        if let (Some(all), Some(more)) = (object.as_object_mut(), said.object.as_object()) {
            all.extend(more.clone());
        }
        self.out.raw(&format!("{object}\n"));
    }
}

/// What is followed, and what gives it up.
pub(super) fn follows(name: &str, followed: &Followed, view: Option<&View>) -> Said {
    let revision = short(&followed.task_definition);
    let from = followed.from.as_deref().map(short);
    let breaker = view.and_then(|view| view.breaker);
    let what = match from {
        Some(from) if from == revision => format!("{name}: {revision} is deployed anew"),
        Some(from) if followed.takes_back => format!("{name}: ECS rolls back from {from} to {revision}"),
        Some(from) => format!("{name}: {revision} in place of {from}"),
        None => format!("{name}: {revision}"),
    };
    let gives_up = match breaker {
        Some(breaker) if breaker.rolls_back => "the circuit breaker rolls it back if its tasks do not start",
        Some(_) => "the circuit breaker gives it up if its tasks do not start",
        None => "no circuit breaker gives it up",
    };
    Said {
        tone: Tone::Strong,
        line: format!("{what} ({}); {gives_up}", followed.id),
        object: json!({"change": "followed", "deployment": followed.id, "task_definition": revision, "from": from,
            "began": followed.began,
            "circuit_breaker": breaker.map(|breaker| json!({"rolls_back": breaker.rolls_back}))}),
    }
}

/// One change.
pub(super) fn told(change: &Change) -> Said {
    match change {
        Change::Deployment(standing) => {
            let revision = short(&standing.task_definition);
            let (rollout, tone) = match standing.rollout {
                Some(Rollout::InProgress) => ("in progress", Tone::Plain),
                Some(Rollout::Completed) => ("completed", Tone::Plain),
                Some(Rollout::Failed) => ("failed", Tone::Bad),
                None => ("unknown", Tone::Plain),
            };
            let tone = if standing.failed > 0 && tone == Tone::Plain { Tone::Warm } else { tone };
            Said {
                tone,
                line: format!("{revision} ({}): {}; {rollout}", standing.role.word(), counts(standing)),
                object: json!({"change": "deployment", "deployment": standing.id, "role": standing.role.word(),
                    "task_definition": revision, "rollout": standing.rollout, "desired": standing.desired,
                    "running": standing.running, "pending": standing.pending, "failed": standing.failed}),
            }
        }
        Change::Gone { task_definition } => {
            let revision = short(task_definition);
            Said {
                tone: Tone::Plain,
                line: format!("{revision} (old): its last task is gone"),
                object: json!({"change": "gone", "task_definition": revision}),
            }
        }
        Change::Event { at, said } => Said {
            tone: Tone::Faint,
            line: format!("event: {said}"),
            object: json!({"change": "event", "at": at, "said": said}),
        },
        Change::Task { id, what, next_step } => Said {
            tone: Tone::Warm,
            line: format!("task {id} stopped: {what}"),
            object: json!({"change": "task", "task": id, "what": what, "next_step": next_step}),
        },
    }
}

/// How it ended: the word, the reason, and the exit code.
pub(super) fn outcome(
    name: &str,
    followed: &Followed,
    ended: &Ended,
    before: bool,
    since: SignedDuration,
) -> (&'static str, String, Exit) {
    let revision = short(&followed.task_definition);
    let because = |said: &str| if said.is_empty() { String::new() } else { format!(" ({said})") };
    match ended {
        Ended::Completed { at, missing: 0 } if before => (
            "completed",
            format!("no deployment is under way; {name} has {revision} since {}", second(*at)),
            Exit::Good,
        ),
        Ended::Completed { missing: 0, .. } => {
            ("completed", format!("{name} runs {revision}, after {}", span(since)), Exit::Good)
        }
        Ended::Completed { missing, .. } => (
            "completed",
            format!(
                "{name} has {revision}, but {missing} of its tasks {} not run",
                if *missing == 1 { "does" } else { "do" }
            ),
            Exit::Warnings,
        ),
        Ended::Failed { said } => {
            ("failed", format!("{revision} could not be deployed to {name}{}", because(said)), Exit::Errors)
        }
        Ended::RolledBack { running, said } => {
            let running = short(running);
            ("rolled_back", format!("{name} goes back to {running}{}", because(said)), Exit::Errors)
        }
        Ended::Replaced { running } => (
            "replaced",
            format!(
                "another deployment took its place, of {}: wk monitor {name} follows that",
                short(running)
            ),
            Exit::Warnings,
        ),
        Ended::Gone => ("gone", format!("{name} is deleted, or being deleted"), Exit::Errors),
    }
}

fn reasons(diagnosis: &Diagnosis) -> Vec<String> {
    if diagnosis.causes.is_empty() {
        return vec![format!("why: {}", diagnosis.headline)];
    }
    let cause = |cause: &shared::ecs::diagnosis::Cause| {
        let times = if cause.count == 1 { "once".to_owned() } else { format!("{} times", cause.count) };
        format!("why: {} ({times}). {}", cause.what, cause.next_step)
    };
    diagnosis.causes.iter().map(cause).collect()
}

fn counts(standing: &Standing) -> String {
    let Standing { desired, running, pending, failed, .. } = standing;
    let mut text = format!("{running} of {desired} running");
    for (count, what) in [(pending, "pending"), (failed, "failed")] {
        if *count > 0 {
            text = format!("{text}, {count} {what}");
        }
    }
    text
}

fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn second(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn span(duration: SignedDuration) -> String {
    let rounded = duration.round(Unit::Second).unwrap_or(duration);
    format!("{rounded:#}")
}
