//! The rules for a CloudFormation stack.
//!
//! | status | call | only if |
//! |---|---|---|
//! | `UPDATE_ROLLBACK_FAILED` | `ContinueUpdateRollback` | first without skips; after that with what failed because of the rollback, where the policy allows |
//! | `UPDATE_IN_PROGRESS` | `CancelUpdateStack` | the policy allows; an alarm blames it, a person asks, or it is stuck |
//! | `UPDATE_FAILED` | `RollbackStack` | its events hold a stable state, or the call could delete the stack |
//! | all others | none | |
//!
//! No call is about a nested stack: it goes back only together with its root, which has its own lease and its own watch.
//! None is made without a service role: CloudFormation would use this function's own rights, which may change nothing,
//! and fail again.

mod inside;
mod status;
mod why;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::target::Memory;

use super::plan::{Act, Ask, Basis, Plan, Position, Wish};
use crate::facts::stack::{Event, Reach, Scene, Stack};
use inside::Blocker;
use status::Status;
pub use why::Why;

/// What the rules still have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The stack's events, down to the beginning of its newest update.
    Update,
    /// The stack's events, down to a stable state.
    Stable,
    /// What stands inside the stacks with these ids.
    Inside(Vec<String>),
}

type Asked<T> = Result<T, Question>;

/// The states that `RollbackStack` returns to. "This operation will delete a stack if it doesn't contain a last known
/// stable state" (CloudFormation API, `RollbackStack`).
pub(crate) const STABLE: [&str; 4] =
    ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"];

/// The status that an update begins with.
pub(crate) const BEGINNING: &str = "UPDATE_IN_PROGRESS";

/// Where every call leads, if it succeeds.
const ROLLED_BACK: &str = "UPDATE_ROLLBACK_COMPLETE";

/// The plan, or why there is none.
pub(super) fn plan(scene: &Scene, memory: &Memory, ask: &Ask<'_>) -> Asked<Result<Plan, Why>> {
    let Some(stack) = &scene.stack else {
        return Ok(Err(Why::Missing));
    };
    // Whatever is done is done to the root, and under its name: two alarms about two stacks in it are one case.
    if let Some(root) = &scene.root {
        return Ok(Err(Why::Nested { root: root.clone() }));
    }
    if matches!(ask.wish, Wish::Revision(_) | Wish::At(_)) {
        return Ok(Err(Why::NoRevisions));
    }
    let status = Status::read(&stack.status);
    if *ask.wish == Wish::Unstick && status.is_fine() {
        return Ok(Err(Why::Well { status: stack.status.clone() }));
    }
    let case = Case { scene, stack, memory, ask };
    match status {
        Status::UpdateRollbackFailed => case.continue_rollback(),
        Status::UpdateInProgress => case.cancel(),
        Status::UpdateFailed => case.return_to_stable(),
        Status::UpdateRollbackInProgress => case.rolling_back(),
        Status::UpdateComplete => case.completed(),
        Status::CreateInProgress
        | Status::CreateFailed
        | Status::CreateComplete
        | Status::RollbackInProgress
        | Status::RollbackFailed
        | Status::RollbackComplete
        | Status::DeleteInProgress
        | Status::DeleteFailed
        | Status::DeleteComplete
        | Status::UpdateCleanup
        | Status::UpdateRollbackCleanup
        | Status::UpdateRollbackComplete
        | Status::ReviewInProgress
        | Status::ImportInProgress
        | Status::ImportComplete
        | Status::ImportRollbackInProgress
        | Status::ImportRollbackFailed
        | Status::ImportRollbackComplete
        | Status::Unknown => Ok(Err(case.no_way())),
    }
}

/// How far an operation is that was begun before. Its id is the token of its request, which CloudFormation writes into
/// every event that follows from it; where none is seen, the status tells. What may have been made counts as made: a
/// call that is told as not made would be made again.
pub(super) fn position(scene: &Scene, operation: &Operation) -> Position {
    let Some(stack) = &scene.stack else {
        return Position::Overtaken { running: "nothing: the stack is gone".to_owned() };
    };
    let events = &scene.events.telling;
    if events.iter().any(|event| event.token.as_deref() == Some(operation.id.as_str())) {
        return Position::Made;
    }
    let status = Status::read(&stack.status);
    let came_to = |word: &str| {
        events.iter().any(|event| event.own && event.status == word && event.at >= operation.began)
    };
    let updated = came_to(BEGINNING);
    let possible = match operation.means {
        Means::ContinueUpdateRollback => Status::UpdateRollbackFailed,
        Means::CancelUpdateStack => Status::UpdateInProgress,
        Means::RollbackStack => Status::UpdateFailed,
        Means::UpdateService
        | Means::Scale
        | Means::StopServiceDeployment
        | Means::CreateDeployment
        | Means::StopDeployment
        | Means::UpdateAlias
        | Means::Redeploy
        | Means::RedeployByCodeDeploy => return Position::Overtaken { running: stack.status.clone() },
    };
    if status == possible && !updated {
        // The rollback began again and failed again, or it began and failed.
        return if came_to("UPDATE_ROLLBACK_IN_PROGRESS") { Position::Made } else { Position::Before };
    }
    if status.is_rollback() && !updated {
        return Position::Made;
    }
    Position::Overtaken { running: stack.status.clone() }
}

/// One stack, and all that is known of it.
struct Case<'a> {
    scene: &'a Scene,
    stack: &'a Stack,
    memory: &'a Memory,
    ask: &'a Ask<'a>,
}

impl Case<'_> {
    fn continue_rollback(&self) -> Asked<Result<Plan, Why>> {
        let since = self.since()?;
        if let Err(why) = self.blame(since)? {
            return Ok(Err(why));
        }
        if !self.was_continued()? {
            return Ok(self.with_role(
                "continue-update-rollback",
                &[],
                Act::ContinueUpdateRollback { skip: Vec::new() },
            ));
        }
        let skipped = inside::unrollable(self.scene, &self.stack.id)?;
        if skipped.is_empty() {
            return Ok(Err(Why::NothingToSkip));
        }
        if !self.ask.rules.rollback.stacks.skip_resources {
            let command = why::command("continue-update-rollback", &self.stack.name, &skipped);
            return Ok(Err(Why::MayNotSkip { skipped, command }));
        }
        let skip = skipped.iter().map(|blocker| blocker.name.clone()).collect();
        let act = Act::ContinueUpdateRollback { skip };
        Ok(self.with_role("continue-update-rollback", &skipped, act).map(|mut plan| {
            plan.notes.push(format!(
                "Skipped, because their own rollback failed: {}. They are marked UPDATE_COMPLETE but differ from the \
                 template: bring both together before the next update.",
                why::reasons(&skipped)
            ));
            plan
        }))
    }

    /// Whether the rollback was continued since it failed, and failed again: by us, or by anybody.
    fn was_continued(&self) -> Asked<bool> {
        if self.scene.events.reach == Reach::Newest {
            return Err(Question::Update);
        }
        let mut began_again = false;
        for event in self.own_events().take_while(|event| event.status != BEGINNING) {
            match event.status.as_str() {
                "UPDATE_ROLLBACK_IN_PROGRESS" => began_again = true,
                "UPDATE_ROLLBACK_FAILED" if began_again => return Ok(true),
                _ => {}
            }
        }
        let began = self.began()?;
        Ok(self.memory.operations.iter().any(|operation| {
            operation.means == Means::ContinueUpdateRollback
                && operation.end == Some(End::Failed)
                && began.is_none_or(|began| began < operation.began)
        }))
    }

    fn cancel(&self) -> Asked<Result<Plan, Why>> {
        let Some(since) = self.since()? else {
            return Ok(Err(Why::NoTime));
        };
        if let Err(why) = self.blame(None)? {
            return Ok(Err(why));
        }
        let unstick = *self.ask.wish == Wish::Unstick;
        if let Some(why) = self.not_yet(since).filter(|_| unstick) {
            return Ok(Err(why));
        }
        let command = || why::command("cancel-update-stack", &self.stack.name, &[]);
        if !self.ask.rules.rollback.stacks.cancel {
            return Ok(Err(if unstick {
                self.stuck(since, Some(command()))?
            } else {
                Why::MayNotCancel { since, command: command() }
            }));
        }
        Ok(self.with_role("cancel-update-stack", &[], Act::CancelUpdateStack).map(|mut plan| {
            plan.notes.push("All that this update changed goes back, not only what is to blame.".to_owned());
            plan
        }))
    }

    fn return_to_stable(&self) -> Asked<Result<Plan, Why>> {
        let since = self.since()?;
        if let Err(why) = self.blame(since)? {
            return Ok(Err(why));
        }
        // Who lets a failed update stand may still be at work on it.
        let young = since.and_then(|since| self.not_yet(since));
        if let Some(why) = young.filter(|_| *self.ask.wish == Wish::Unstick) {
            return Ok(Err(why));
        }
        if !self.own_events().any(|event| STABLE.contains(&event.status.as_str())) {
            return match self.scene.events.reach {
                Reach::Newest | Reach::Found => Err(Question::Stable),
                Reach::End => Ok(Err(Why::NoStableState { whole: true })),
                Reach::Limit => Ok(Err(Why::NoStableState { whole: false })),
            };
        }
        Ok(self.with_role("rollback-stack", &[], Act::RollbackStack))
    }

    fn rolling_back(&self) -> Asked<Result<Plan, Why>> {
        let Some(since) = self.since()? else {
            return Ok(Err(Why::NoTime));
        };
        if self.not_yet(since).is_some() {
            return Ok(Err(Why::RollingBack { since }));
        }
        Ok(Err(self.stuck(since, None)?))
    }

    fn completed(&self) -> Asked<Result<Plan, Why>> {
        if self.ask.wish.fired_at().is_none() {
            return Ok(Err(self.no_way()));
        }
        let since = self.since()?;
        if let Err(why) = self.blame(since)? {
            return Ok(Err(why));
        }
        Ok(Err(since.map_or(Why::NoTime, |since| Why::Completed { since })))
    }

    fn no_way(&self) -> Why {
        Why::NoWay { status: self.stack.status.clone() }
    }

    /// Whether an alarm may blame the newest update; a person or the watch blames nothing. `ended` is when the update
    /// ended, if it did.
    fn blame(&self, ended: Option<Timestamp>) -> Asked<Result<(), Why>> {
        // What was begun was attributed when it was begun.
        let (Some(fired_at), None) = (self.ask.wish.fired_at(), self.ask.own) else {
            return Ok(Ok(()));
        };
        let window = self.ask.rules.rollback.attribution_window;
        if let Some(since) = ended.filter(|ended| !crate::facts::within(*ended, self.ask.now, window)) {
            return Ok(Err(Why::TooOld { since }));
        }
        Ok(match self.began()? {
            None => Err(Why::NoTime),
            Some(began) if fired_at < began => Err(Why::FiringBefore { began }),
            Some(_) => Ok(()),
        })
    }

    fn not_yet(&self, since: Timestamp) -> Option<Why> {
        let after = self.ask.rules.rollback.stacks.stuck_after;
        let status = self.stack.status.clone();
        crate::facts::within(since, self.ask.now, after).then_some(Why::NotStuck { status, since, after })
    }

    fn stuck(&self, since: Timestamp, command: Option<String>) -> Asked<Why> {
        let waits = inside::waited_for(self.scene, &self.stack.id)?;
        Ok(Why::Stuck { status: self.stack.status.clone(), since, waits, command })
    }

    /// The stack's own events, newest first.
    fn own_events(&self) -> impl Iterator<Item = &Event> {
        self.scene.events.telling.iter().filter(|event| event.own)
    }

    /// When the stack came to its status.
    fn since(&self) -> Asked<Option<Timestamp>> {
        self.time_of(|_| true)
    }

    /// When its newest update began.
    fn began(&self) -> Asked<Option<Timestamp>> {
        self.time_of(|event| event.status == BEGINNING)
    }

    fn time_of(&self, is_it: impl Fn(&Event) -> bool) -> Asked<Option<Timestamp>> {
        let newest = self.own_events().find(|event| is_it(event));
        match (newest, self.scene.events.reach) {
            (Some(event), _) => Ok(Some(event.at)),
            (None, Reach::Newest) => Err(Question::Update),
            (None, Reach::Found | Reach::End | Reach::Limit) => Ok(self.stack.updated_at),
        }
    }

    fn with_role(&self, call: &str, skipped: &[Blocker], act: Act) -> Result<Plan, Why> {
        let Some(role) = &self.stack.role else {
            let command = why::command(call, &self.stack.name, skipped);
            return Err(Why::NoRole { command, skipped: skipped.to_vec() });
        };
        let mut notes = Vec::new();
        if self.scene.events.reach == Reach::Limit {
            notes.push("The stack's events were too many to be read whole.".to_owned());
        }
        // Not the reasons: they may quote what the resources' properties say.
        let failed: BTreeMap<&str, Option<&str>> = self
            .scene
            .events
            .telling
            .iter()
            .rev()
            .filter(|event| !event.own && self.stack.updated_at.is_none_or(|updated| updated <= event.at))
            .map(|event| (event.resource.as_str(), self.scene.kinds.get(&event.resource).map(String::as_str)))
            .collect();
        Ok(Plan {
            from: self.stack.status.clone(),
            to: ROLLED_BACK.to_owned(),
            copy_of: None,
            basis: Basis::LastStable,
            act,
            blames: false,
            notes,
            before: json!({
                "stack": self.stack.id,
                "status": self.stack.status,
                "updated_at": self.stack.updated_at,
                "role": role,
                "failed": failed,
            }),
        })
    }
}

#[cfg(test)]
mod tests;
