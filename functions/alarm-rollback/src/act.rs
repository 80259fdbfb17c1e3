//! Carries a plan out. Everything here may be done again: the operation's id, the lease and what is returned to are
//! fixed before the first call.

mod alias;
mod code_deploy;
mod service;
mod stack;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::error::Class;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{Begun, Means, Operation};
use shared::policy;
use shared::target::Target;
use shared::timer::Timer;
use shared::{Error, Result};

use crate::Clients;
use crate::decision::{Act, Rollback};

/// When `deployment-watch` looks at an operation for the first time: ECS needs a moment to show a new deployment.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What came of the one call.
pub(crate) enum Made {
    /// AWS has it in hand, as this deployment where it has an id.
    Done {
        /// An ECS deployment's id, a service deployment's ARN or a CodeDeploy deployment's id.
        deployment: Option<String>,
    },
    /// A copy was registered; the decision goes on with it.
    Copied {
        /// Its ARN.
        task_definition: String,
    },
    /// What the call was about finished or changed meanwhile: decide anew.
    Again,
}

/// What came of a rollback.
pub(crate) enum Outcome {
    /// AWS has it in hand.
    Done,
    /// It is to be decided anew: somebody took or changed the target a moment ago, or a first step is made.
    Again,
    /// AWS refused it; nothing was changed.
    Refused(Error),
}

/// Everything a rollback is recorded with.
pub(crate) struct Order<'a> {
    pub(crate) rollback: &'a Rollback,
    /// What people are about to be told.
    pub(crate) incident: &'a Incident,
    pub(crate) rules: &'a policy::Policy,
    /// Where `deployment-watch` is asked to follow it.
    pub(crate) timers: &'a str,
    /// The operation whose lease may be taken over, because a person decided so.
    pub(crate) over: Option<&'a str>,
}

/// Takes the target, records the operation and the incident, asks for it to be watched, and makes the one call.
///
/// # Errors
/// A transient failure: the same invocation may be repeated, and goes on where this one stopped.
pub(crate) async fn roll_back(clients: &Clients, order: &Order<'_>, now: Timestamp) -> Result<Outcome> {
    let Rollback { target, plan, .. } = order.rollback;
    let operation = operation(order);
    let cooldown = later(operation.began, order.rules.rollback.cooldown).max(operation.deadline);
    let watch = Timer::Watch { target: target.clone(), operation: operation.id.clone() };
    // All of it is written before the act, so that there is never an act without its record: an alarm that is soon
    // OK again finds something to resolve, and the watch finds what to follow.
    let (begun, (), ()) = tokio::try_join!(
        clients.ledger.begin(target, &operation, order.over, cooldown, now),
        clients.ledger.record(order.incident, now),
        watch.arm(&clients.sqs, order.timers, FIRST_LOOK),
    )?;
    match begun {
        Begun::Taken => return Ok(Outcome::Again),
        Begun::Yes => {}
    }
    match Box::pin(perform(clients, target, &plan.act, &operation.id)).await {
        Ok(Made::Done { deployment }) => {
            if deployment.is_some() && deployment != operation.deployment {
                clients.ledger.amend(target, &Operation { deployment, ..operation }).await?;
            }
            Ok(Outcome::Done)
        }
        Ok(Made::Copied { task_definition }) => {
            let copy_of = Some(operation.to.clone());
            let copied = Operation { to: task_definition, copy_of, ..operation };
            clients.ledger.amend(target, &copied).await?;
            Ok(Outcome::Again)
        }
        Ok(Made::Again) => Ok(Outcome::Again),
        Err(error) => match error.class() {
            Class::Transient => Err(error),
            Class::Permanent => {
                clients.ledger.refused(target, &operation).await?;
                Ok(Outcome::Refused(error))
            }
        },
    }
}

async fn perform(clients: &Clients, target: &Target, act: &Act, operation: &str) -> Result<Made> {
    match (target, act) {
        (Target::Service { .. }, Act::CreateDeployment { .. } | Act::StopDeployment { .. })
        | (Target::Alias { .. }, Act::StopDeployment { .. }) => {
            code_deploy::perform(clients, act, operation).await
        }
        (Target::Service { cluster, service }, _) => {
            service::perform(clients, cluster, service, act, operation).await
        }
        (Target::Alias { function, alias }, _) => {
            alias::perform(clients, function, alias, act, operation).await
        }
        (Target::Stack { name }, _) => stack::perform(clients, name, act, operation).await,
    }
}

fn operation(order: &Order<'_>) -> Operation {
    let Rollback { operation, plan, began, asked_by, .. } = order.rollback;
    let means = plan.act.means();
    Operation {
        id: operation.clone(),
        incident: order.incident.key.clone(),
        means,
        from: plan.from.clone(),
        to: plan.to.clone(),
        copy_of: plan.copy_of.clone(),
        deployment: plan.act.deployment(),
        blames: plan.blames,
        before: Some(plan.before.to_string()),
        asked_by: asked_by.clone(),
        redeploy: None,
        said: None,
        began: *began,
        deadline: later(*began, takes(means)),
        end: None,
    }
}

/// How long an operation counts as in progress when nobody says that it is over.
const fn takes(means: Means) -> SignedDuration {
    match means {
        // Some tasks with slow health checks.
        Means::UpdateService | Means::Scale | Means::UpdateAlias | Means::Redeploy => {
            SignedDuration::from_mins(30)
        }
        // Traffic is shifted, and bakes.
        Means::StopServiceDeployment
        | Means::CreateDeployment
        | Means::StopDeployment
        | Means::RedeployByCodeDeploy => SignedDuration::from_mins(60),
        // CloudFormation waits up to three hours for a service to stabilise.
        Means::CancelUpdateStack | Means::ContinueUpdateRollback | Means::RollbackStack => {
            SignedDuration::from_hours(4)
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

/// An act that its kind of target does not know: the decision never plans it.
fn astray(act: &Act) -> Error {
    Error::Malformed(format!("{:?} is no act for this kind of target", act.means()))
}

#[cfg(test)]
mod tests;
