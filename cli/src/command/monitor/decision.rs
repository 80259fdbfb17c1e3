//! What changed between two looks at a deployment, and how it ended. No clock, no network, no failure.

use std::collections::{BTreeMap, BTreeSet};

use deployment_watch::decision::Progress;
use deployment_watch::facts::{Event, Rollout};
use deployment_watch::follow::{Followed, View, takes_back};
use jiff::Timestamp;
use shared::ecs::diagnosis::{Evidence, diagnose};
use shared::ecs::{LogPlace, StoppedTask};

/// The longest event of ECS that is repeated, in characters.
const LONGEST: usize = 300;

/// What texts of ECS about secrets and parameters say, of which the diagnosis knows what can be repeated.
const SECRETS: [&str; 5] =
    ["secretsmanager", "secrets manager", "from asm", "from ssm", "unable to pull secrets"];

/// What is said in place of others.
const UNTOLD: &str =
    "something about a secret or parameter, which is not repeated here: see the service in the ECS console";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A deployment stands otherwise than before, or is seen first.
    Deployment(Standing),
    /// A deployment has no tasks any more.
    Gone {
        /// Its task definition.
        task_definition: String,
    },
    /// ECS reported something.
    Event {
        /// When.
        at: Timestamp,
        /// What.
        said: String,
    },
    /// A task stopped that should not have.
    Task {
        /// Its id.
        id: String,
        /// Why.
        what: String,
        /// What to do about it.
        next_step: String,
    },
}

/// How a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) role: Role,
    pub(super) task_definition: String,
    pub(super) rollout: Option<Rollout>,
    pub(super) desired: i32,
    pub(super) running: i32,
    pub(super) pending: i32,
    pub(super) failed: i32,
}

/// What a deployment is to the one that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that the service is meant to run.
    New,
    /// One that is replaced.
    Old,
    /// The one that is followed, where another took its place.
    Replaced,
    /// ECS made it to take another one back.
    Rollback,
}

impl Role {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Replaced => "replaced",
            Self::Rollback => "rollback",
        }
    }
}

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    standings: Vec<Standing>,
    events: BTreeSet<(Timestamp, String)>,
    tasks: BTreeSet<String>,
}

impl Told {
    /// What changed since, in the order in which it is told.
    pub(super) fn changes(
        &mut self,
        followed: &Followed,
        view: &View,
        stopped: &[StoppedTask],
        logs: Option<&BTreeMap<String, LogPlace>>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        // Oldest first; what was there before the deployment is about something else.
        let since = |event: &&Event| followed.began.is_none_or(|began| began <= event.at);
        for event in view.service.events.iter().filter(since).rev() {
            if self.events.insert((event.at, event.message.clone())) {
                changes.push(Change::Event { at: event.at, said: harmless(&event.message) });
            }
        }
        for task in stopped.iter().rev() {
            if !self.tasks.insert(task.id.clone()) {
                continue;
            }
            // Nothing to say of one that ECS stopped because it was to.
            let one = Evidence { tasks: std::slice::from_ref(task), logs, ..Evidence::default() };
            for cause in diagnose(one).causes {
                let (what, next_step) = (cause.what, cause.next_step);
                changes.push(Change::Task { id: task.id.clone(), what, next_step });
            }
        }
        let now = standings(followed, view);
        for standing in &now {
            if !self.standings.contains(standing) {
                changes.push(Change::Deployment(standing.clone()));
            }
        }
        for before in &self.standings {
            if now.iter().all(|standing| standing.id != before.id) {
                changes.push(Change::Gone { task_definition: before.task_definition.clone() });
            }
        }
        self.standings = now;
        changes
    }

    /// How the deployment that is followed stood last.
    pub(super) fn last(&self, followed: &Followed) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.id == followed.id)
    }
}

fn standings(followed: &Followed, view: &View) -> Vec<Standing> {
    let of = |deployment: &deployment_watch::facts::Deployment| {
        let tasks = view.tasks.get(&deployment.id).copied().unwrap_or_default();
        let role = match (takes_back(deployment), deployment.primary) {
            (true, true) => Role::Rollback,
            (false, true) => Role::New,
            (_, false) if deployment.id == followed.id => Role::Replaced,
            (_, false) => Role::Old,
        };
        Standing {
            id: deployment.id.clone(),
            role,
            task_definition: deployment.task_definition.clone(),
            rollout: deployment.rollout,
            desired: deployment.desired,
            running: deployment.running,
            pending: tasks.pending,
            failed: tasks.failed,
        }
    };
    view.service.deployments.iter().map(of).collect()
}

/// An event in words that can be repeated: one about a secret can quote what stands in it.
fn harmless(message: &str) -> String {
    let said = [message.to_owned()];
    let events = Evidence { events: &said, ..Evidence::default() };
    if let Some(cause) = diagnose(events).causes.into_iter().next() {
        return cause.what;
    }
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&SECRETS) {
        // What is known of such a text is said of a task that ended with it.
        let task = StoppedTask { reason: Some(message.to_owned()), ..StoppedTask::default() };
        let causes = diagnose(Evidence { tasks: &[task], ..Evidence::default() }).causes;
        return causes.into_iter().next().map_or_else(|| UNTOLD.to_owned(), |cause| cause.what);
    }
    if has(&["secret", "ssm"]) {
        return UNTOLD.to_owned();
    }
    let text = match message.split_once(") ") {
        Some((name, rest)) if name.starts_with("(service ") => rest,
        Some(_) | None => message,
    };
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| text.get(..end).unwrap_or(text)).to_owned()
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It completed.
    Completed {
        /// When.
        at: Timestamp,
        /// So many tasks do not run all the same.
        missing: i32,
    },
    /// It failed, and nothing is put in its place.
    Failed {
        /// Why, in ECS's words.
        said: String,
    },
    /// It was taken back, by ECS or by whoever put in its place what ran before.
    RolledBack {
        /// What runs instead.
        running: String,
        /// Why, in ECS's words.
        said: String,
    },
    /// Another deployment took its place, of something else.
    Replaced {
        /// Of what.
        running: String,
    },
    /// The service is gone.
    Gone,
}

/// How it ended, if it did.
pub(super) fn ended(followed: &Followed, view: Option<&View>) -> Option<Ended> {
    let Some(view) = view.filter(|view| view.service.active) else {
        return Some(Ended::Gone);
    };
    let service = &view.service;
    match followed.progress(service) {
        Progress::NotMade | Progress::OnItsWay | Progress::TooLate { .. } => None,
        Progress::Deployed { .. } if followed.takes_back => Some(Ended::RolledBack {
            running: followed.task_definition.clone(),
            said: service.primary().map(|primary| primary.reason.clone()).unwrap_or_default(),
        }),
        Progress::Deployed { at } => {
            Some(Ended::Completed { at, missing: (service.desired - service.running).max(0) })
        }
        Progress::Failed { said, running: None, .. } => Some(Ended::Failed { said }),
        Progress::Failed { said, running: Some(running), .. } => Some(Ended::RolledBack { running, said }),
        Progress::Unlisted { running } => Some(Ended::RolledBack { running, said: String::new() }),
        Progress::Superseded { running, .. } => Some(Ended::Replaced { running }),
    }
}

#[cfg(test)]
mod tests;
