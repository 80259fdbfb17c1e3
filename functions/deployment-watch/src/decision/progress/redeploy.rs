//! How far a redeploy of a service is. It deploys what runs already, so that the task definition tells nothing: only
//! the deployment's id does, and the time. It never speaks against a revision.

use jiff::SignedDuration;
use shared::ledger::operation::{Means, Operation};

use super::{Progress, done, later, rolled_out, superseded, takes_back};
use crate::facts::{Deployment, Rollout, Service};

/// Times can be told in whole seconds.
const WHOLE_SECONDS: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn of(operation: &Operation, service: &Service) -> Progress {
    // What CodeDeploy made without its id being recorded is not seen here; who began it looks for it.
    if operation.means == Means::RedeployByCodeDeploy {
        return Progress::NotMade;
    }
    let Some(primary) = service.primary() else {
        return Progress::OnItsWay;
    };
    let Some(id) = &operation.deployment else {
        return unrecorded(operation, primary);
    };
    let before = is_before(primary, operation);
    match service.deployment(id) {
        // Whoever deploys after that takes nothing back: their tasks are newer still.
        Some(own) if own.rollout == Some(Rollout::Completed) => done(operation, own.updated_at),
        Some(own) if own.rollout == Some(Rollout::Failed) => {
            let running = (own.id != primary.id).then(|| primary.task_definition.clone());
            undisproved(super::failed(own, running))
        }
        Some(own) if own.id == primary.id => undisproved(rolled_out(operation, own)),
        // Only ECS makes one the primary again that was there before.
        Some(_) if takes_back(primary) || before => taken_back(primary),
        None if before => Progress::Unlisted { running: primary.task_definition.clone() },
        None if takes_back(primary) => taken_back(primary),
        Some(_) | None => superseded(primary),
    }
}

/// Its deployment could not be recorded: the one that was made of the same after it began is its own.
fn unrecorded(operation: &Operation, primary: &Deployment) -> Progress {
    if is_before(primary, operation) {
        Progress::NotMade
    } else if takes_back(primary) {
        taken_back(primary)
    } else if primary.task_definition == operation.to {
        undisproved(rolled_out(operation, primary))
    } else {
        superseded(primary)
    }
}

/// Whether the deployment was there before the operation began. No further tolerance: the one that was there before may
/// be young, and runs with what the secret was.
fn is_before(deployment: &Deployment, operation: &Operation) -> bool {
    deployment.created_at.is_none_or(|created| created < later(operation.began, -WHOLE_SECONDS))
}

fn taken_back(primary: &Deployment) -> Progress {
    Progress::Failed {
        said: primary.reason.clone(),
        running: Some(primary.task_definition.clone()),
        disproves: false,
        at: primary.created_at,
    }
}

fn undisproved(mut progress: Progress) -> Progress {
    if let Progress::Failed { disproves, .. } = &mut progress {
        *disproves = false;
    }
    progress
}

#[cfg(test)]
mod tests;
