//! How far an operation is, from what is there now: one rule for each means.

mod redeploy;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::operation::{Means, Operation};

use super::later;
use crate::facts::{
    Alias, CodeDeployStatus, CodeDeployment, Deployment, Rollout, Service, ServiceDeployment, Stack, Status,
    World,
};

/// How far the clocks of AWS and of a function may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Nothing was made of it yet; whoever began it may still do so.
    NotMade,
    /// On its way.
    OnItsWay,
    /// Done.
    Deployed {
        /// When.
        at: Timestamp,
    },
    /// It cannot be done.
    Failed {
        /// Why, in AWS's words.
        said: String,
        /// What runs instead, where that is known.
        running: Option<String>,
        /// Whether that speaks against what was returned to.
        disproves: bool,
        /// When.
        at: Option<Timestamp>,
    },
    /// Its deployment is not listed, and what ran before it runs: ECS went back, or does not list it yet.
    Unlisted {
        /// What runs.
        running: String,
    },
    /// What was to be stopped had already finished.
    TooLate {
        /// When.
        at: Option<Timestamp>,
    },
    /// Somebody did something else.
    Superseded {
        /// What runs now, or what became of it.
        running: String,
        /// Since when.
        at: Option<Timestamp>,
    },
}

/// How far this operation is.
pub fn of(operation: &Operation, world: &World) -> Progress {
    match world {
        World::Service(None) => gone("the service no longer exists"),
        World::Service(Some(service)) if !service.active => gone("the service is being deleted"),
        World::Service(Some(service)) if operation.means.redeploys() => redeploy::of(operation, service),
        World::Service(Some(service)) if operation.means == Means::Scale => scale(operation, service),
        World::Service(Some(service)) => update(operation, service),
        World::ServiceDeployment(None) | World::CodeDeploy { deployment: None, .. } => Progress::NotMade,
        World::ServiceDeployment(Some(deployment)) => stop(operation, deployment),
        World::CodeDeploy { deployment: Some(deployment), rollback } => {
            if operation.means == Means::StopDeployment {
                taken_back(operation, deployment, rollback.as_ref())
            } else {
                code_deploy(operation, deployment)
            }
        }
        World::Alias(None) => gone("the alias no longer exists"),
        World::Alias(Some(alias)) => point(operation, alias),
        World::Stack(None) => gone("the stack no longer exists"),
        World::Stack(Some(stack)) => stack_status(operation, stack),
    }
}

fn gone(what: &str) -> Progress {
    Progress::Superseded { running: what.to_owned(), at: None }
}

/// A deployment is over no later than its operation: a time that moves on must not put the alarm's deadline off.
fn done(operation: &Operation, at: Option<Timestamp>) -> Progress {
    let at = at.unwrap_or(operation.began).clamp(operation.began, operation.deadline.max(operation.began));
    Progress::Deployed { at }
}

fn update(operation: &Operation, service: &Service) -> Progress {
    let Some(primary) = service.primary() else {
        return Progress::OnItsWay;
    };
    let own = operation.deployment.as_deref().and_then(|id| service.deployment(id));
    match own {
        Some(own) if own.rollout == Some(Rollout::Failed) => {
            let running = (own.id != primary.id).then(|| primary.task_definition.clone());
            failed(own, running)
        }
        Some(own) if own.id == primary.id => rolled_out(operation, own),
        // It was done, and then somebody deployed.
        Some(own) if own.rollout == Some(Rollout::Completed) => superseded(primary),
        Some(own) if takes_back(primary) || primary.task_definition == operation.from => {
            failed(own, Some(primary.task_definition.clone()))
        }
        // A later deployment of the same revision, or one whose id could not be recorded: what runs is what was wanted.
        None if primary.task_definition == operation.to => rolled_out(operation, primary),
        // Nothing is made of it as long as what was there before is still there.
        None if primary.task_definition == operation.from && !is_after(primary, operation) => {
            Progress::NotMade
        }
        None if operation.deployment.is_some()
            && (takes_back(primary) || primary.task_definition == operation.from) =>
        {
            // ECS no longer lists it, so that it is not certain who went back.
            Progress::Failed {
                said: primary.reason.clone(),
                running: Some(primary.task_definition.clone()),
                disproves: takes_back(primary),
                at: primary.created_at,
            }
        }
        Some(_) | None => superseded(primary),
    }
}

fn superseded(primary: &Deployment) -> Progress {
    Progress::Superseded { running: primary.task_definition.clone(), at: primary.created_at }
}

/// Whether ECS made this deployment in order to take another one back.
pub(crate) fn takes_back(deployment: &Deployment) -> bool {
    deployment.reason.to_ascii_lowercase().contains("rolling back")
}

/// Whether it certainly is: taken for a later one, what is to be replaced would end the operation while it is being made.
fn is_after(deployment: &Deployment, operation: &Operation) -> bool {
    deployment.created_at.is_some_and(|created| later(operation.began, CLOCKS_DIFFER) < created)
}

fn failed(deployment: &Deployment, running: Option<String>) -> Progress {
    Progress::Failed { said: deployment.reason.clone(), running, disproves: true, at: deployment.updated_at }
}

fn rolled_out(operation: &Operation, deployment: &Deployment) -> Progress {
    match deployment.rollout {
        Some(Rollout::Completed) => done(operation, deployment.updated_at),
        Some(Rollout::Failed) => failed(deployment, None),
        // Only ECS's own controller says how far it is; elsewhere the tasks do.
        None if deployment.desired <= deployment.running => done(operation, deployment.updated_at),
        Some(Rollout::InProgress) | None => Progress::OnItsWay,
    }
}

fn scale(operation: &Operation, service: &Service) -> Progress {
    if service.desired == 0 {
        return Progress::NotMade;
    }
    if service.running < service.desired {
        return Progress::OnItsWay;
    }
    done(operation, service.primary().and_then(|primary| primary.updated_at))
}

fn stop(operation: &Operation, deployment: &ServiceDeployment) -> Progress {
    let failed = || Progress::Failed {
        said: deployment.reason.clone(),
        running: None,
        disproves: false,
        at: deployment.finished_at,
    };
    match deployment.status {
        Status::Moving => Progress::OnItsWay,
        Status::RolledBack => done(operation, deployment.finished_at),
        Status::RollbackFailed | Status::Stopped => failed(),
        Status::Successful => Progress::TooLate { at: deployment.finished_at },
    }
}

fn code_deploy(operation: &Operation, deployment: &CodeDeployment) -> Progress {
    match deployment.status {
        CodeDeployStatus::Moving => Progress::OnItsWay,
        CodeDeployStatus::Succeeded => done(operation, deployment.completed_at),
        CodeDeployStatus::Failed => Progress::Failed {
            said: deployment.reason.clone(),
            running: None,
            disproves: operation.means == Means::CreateDeployment,
            at: deployment.completed_at,
        },
        // What runs was deployed before the secret changed, and nobody deploys it anew.
        CodeDeployStatus::Stopped if operation.means.redeploys() => Progress::Failed {
            said: if deployment.reason.is_empty() {
                format!("the deployment {} was stopped", deployment.id)
            } else {
                deployment.reason.clone()
            },
            running: None,
            disproves: false,
            at: deployment.completed_at,
        },
        CodeDeployStatus::Stopped => Progress::Superseded {
            running: format!("somebody stopped the deployment {}", deployment.id),
            at: deployment.completed_at,
        },
    }
}

/// A stopped deployment is taken back by another one, which CodeDeploy makes a moment later.
fn taken_back(
    operation: &Operation,
    deployment: &CodeDeployment,
    rollback: Option<&CodeDeployment>,
) -> Progress {
    match (deployment.status, rollback) {
        (CodeDeployStatus::Succeeded, _) => Progress::TooLate { at: deployment.completed_at },
        (_, Some(rollback)) => code_deploy(operation, rollback),
        (CodeDeployStatus::Moving | CodeDeployStatus::Failed | CodeDeployStatus::Stopped, None) => {
            Progress::OnItsWay
        }
    }
}

fn point(operation: &Operation, alias: &Alias) -> Progress {
    let only = |version: &str| alias.others.iter().all(|other| other == version);
    if alias.version == operation.to && alias.others.is_empty() {
        return done(operation, None);
    }
    let before = (alias.version == operation.to && only(&operation.from))
        || (alias.version == operation.from && only(&operation.to));
    if before {
        return Progress::NotMade;
    }
    let mut versions = vec![alias.version.as_str()];
    versions.extend(alias.others.iter().map(String::as_str));
    Progress::Superseded { running: format!("version {}", versions.join(" and ")), at: None }
}

/// The table of CloudFormation's stack statuses (CloudFormation User Guide, "Stack status codes").
fn stack_status(operation: &Operation, stack: &Stack) -> Progress {
    let superseded = || Progress::Superseded { running: stack.status.clone(), at: stack.since };
    let is_before = stack.since.is_none_or(|since| since <= operation.began);
    match stack.status.as_str() {
        "UPDATE_ROLLBACK_COMPLETE" => done(operation, stack.since),
        "ROLLBACK_COMPLETE" if operation.means == Means::RollbackStack => done(operation, stack.since),
        "UPDATE_ROLLBACK_IN_PROGRESS"
        | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
        | "ROLLBACK_IN_PROGRESS" => Progress::OnItsWay,
        // What it was in before it was continued looks the same as what it failed into again.
        "UPDATE_ROLLBACK_FAILED" | "ROLLBACK_FAILED" if is_before => Progress::NotMade,
        "UPDATE_ROLLBACK_FAILED" | "ROLLBACK_FAILED" => Progress::Failed {
            said: stack.failures.join("; "),
            running: None,
            disproves: false,
            at: stack.since,
        },
        "UPDATE_FAILED" | "CREATE_FAILED" if operation.means == Means::RollbackStack && is_before => {
            Progress::NotMade
        }
        "UPDATE_IN_PROGRESS" if operation.means == Means::CancelUpdateStack => Progress::NotMade,
        "UPDATE_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            if operation.means == Means::CancelUpdateStack =>
        {
            Progress::TooLate { at: stack.since }
        }
        _ => superseded(),
    }
}

#[cfg(test)]
mod tests;
