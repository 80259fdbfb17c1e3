//! Carries a rollback out. Everything here may be done again: the operation's id, the lease and the task definition
//! are fixed before the first call.

use jiff::{SignedDuration, Timestamp};
use shared::error::{Call, Class};
use shared::ledger::incident::Incident;
use shared::ledger::operation::{Begun, Operation};
use shared::target::Target;
use shared::{Error, Result};

use crate::Clients;
use crate::decision::{Policy, Rollback};

/// How long a rollback counts as in progress when nobody says that it is over: a rolling deployment of some tasks
/// with slow health checks.
const IN_PROGRESS: SignedDuration = SignedDuration::from_mins(30);

/// What came of a rollback.
pub(crate) enum Outcome {
    /// ECS has it in hand.
    Done,
    /// Somebody else took the target a moment ago: decide anew.
    Taken,
    /// ECS or IAM refused it; nothing was changed.
    Refused(Error),
}

/// Takes the target, records the operation and the incident, and tells ECS to run the good task definition.
///
/// # Errors
/// A transient failure: the same invocation may be repeated, and goes on where this one stopped.
pub(crate) async fn roll_back(
    clients: &Clients,
    rollback: &Rollback,
    incident: &Incident,
    policy: &Policy,
    now: Timestamp,
) -> Result<Outcome> {
    let operation = Operation {
        id: rollback.operation.clone(),
        incident: incident.key.clone(),
        from: rollback.from.clone(),
        to: rollback.to.clone(),
        began: rollback.began,
        deadline: later(rollback.began, IN_PROGRESS),
        end: None,
    };
    let cooldown = later(rollback.began, policy.cooldown);
    // The incident is recorded before the act, so that an alarm that is soon OK again finds something to resolve.
    let (begun, ()) = tokio::try_join!(
        clients.ledger.begin(&rollback.target, &operation, cooldown, now),
        clients.ledger.record(incident, now),
    )?;
    match begun {
        Begun::Taken => return Ok(Outcome::Taken),
        Begun::Yes => {}
    }
    match update_service(clients, &rollback.target, &rollback.to).await {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => match error.class() {
            Class::Transient => Err(error),
            Class::Permanent => {
                clients.ledger.refused(&rollback.target, &operation).await?;
                Ok(Outcome::Refused(error))
            }
        },
    }
}

/// Sets the task definition and nothing else: a desired count passed here would fight autoscaling.
async fn update_service(clients: &Clients, target: &Target, task_definition: &str) -> Result<()> {
    let Target::Service { cluster, service } = target else {
        return Err(Error::Malformed(format!("{target} is not an ECS service")));
    };
    clients
        .ecs
        .update_service()
        .cluster(cluster)
        .service(service)
        .task_definition(task_definition)
        .send()
        .await
        .action("ecs:UpdateService")?;
    Ok(())
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

#[cfg(test)]
mod tests;
