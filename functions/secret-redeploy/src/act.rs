//! Deploys a service anew. Everything here may be done again: the operation's id is fixed before the first call.

mod code_deploy;

use std::time::Duration;

use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::operation::update_service::UpdateServiceError;
use aws_sdk_ecs::types as ecs;
use jiff::Timestamp;
use shared::error::{Call, Class};
use shared::ledger::operation::{Begun, Means, Operation};
use shared::ledger::redeploy::Redeploy;
use shared::target::Target;
use shared::timer::Timer;
use shared::{Error, Result};

use crate::Reach;
use crate::budget::Family;
use crate::decision::later;
use crate::decision::service::Plan;

/// When `deployment-watch` looks at an operation for the first time. ECS tells of its end by itself; this is for when not.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// The services of a wave begin within this time, so that they do not all ask the database at the same moment.
const JITTER_MILLIS: u64 = 400;

/// What ECS answers beyond the account's limits, when it has done nothing; and how often it is asked then.
const THROTTLED: &str = "ThrottlingException";
pub(crate) const ATTEMPTS: u32 = 4;

/// What came of it.
pub(crate) enum Outcome {
    /// AWS has it in hand, as this deployment.
    Made {
        /// Its id, where AWS says.
        deployment: Option<String>,
    },
    /// Somebody else deploys or took the service a moment ago: decide anew.
    Taken,
    /// AWS refused it; nothing was changed.
    Refused(Error),
}

/// Takes the service, records the operation, asks for it to be watched, and deploys anew what runs.
///
/// # Errors
/// A transient failure: the same may be done again, and goes on where this one stopped.
pub(crate) async fn redeploy(
    reach: &Reach,
    redeploy: &Redeploy,
    target: &Target,
    plan: &Plan,
    now: Timestamp,
) -> Result<Outcome> {
    let Target::Service { cluster, service } = target else {
        return Ok(Outcome::Refused(Error::Malformed(format!("{target} is no service"))));
    };
    let mut operation = operation(redeploy, plan, now);
    let ledger = &reach.clients.ledger;
    let until = later(now, reach.policy.rules.redeploy.interval);
    let watch = Timer::Watch { target: target.clone(), operation: operation.id.clone() };
    let (begun, ()) = tokio::try_join!(
        ledger.begin(target, &operation, plan.over.as_deref(), until, now),
        watch.arm(&reach.clients.sqs, &reach.timers, FIRST_LOOK),
    )?;
    match begun {
        Begun::Taken => return Ok(Outcome::Taken),
        Begun::Yes => {}
    }
    match perform(reach, cluster, service, plan).await {
        Ok(Done { deployment, task_definition }) => {
            operation.deployment = deployment.clone();
            if task_definition != operation.to {
                operation.copy_of = Some(std::mem::replace(&mut operation.to, task_definition));
            }
            ledger.amend(target, &operation).await?;
            Ok(Outcome::Made { deployment })
        }
        Err(error) if error.class() == Class::Transient => Err(error),
        Err(error) => {
            operation.said = Some(error.chain());
            ledger.refused(target, &operation).await?;
            Ok(Outcome::Refused(error))
        }
    }
}

fn operation(redeploy: &Redeploy, plan: &Plan, now: Timestamp) -> Operation {
    Operation {
        id: plan.operation.clone(),
        incident: redeploy.incident(),
        means: plan.means,
        from: plan.from.clone(),
        to: plan.from.clone(),
        copy_of: None,
        deployment: None,
        blames: false,
        before: plan.before.clone(),
        asked_by: match &redeploy.cause {
            shared::ledger::redeploy::Cause::ByHand { by } => by.clone(),
            shared::ledger::redeploy::Cause::Event | shared::ledger::redeploy::Cause::Sweep => None,
        },
        redeploy: Some(redeploy.id.clone()),
        said: None,
        began: now,
        deadline: plan.deadline,
        end: None,
    }
}

struct Done {
    deployment: Option<String>,
    task_definition: String,
}

async fn perform(reach: &Reach, cluster: &str, service: &str, plan: &Plan) -> Result<Done> {
    let task_definition = if plan.pins.is_empty() {
        plan.from.clone()
    } else {
        reach.budget.pace(Family::DefinitionModify).await;
        shared::ecs::copy::register(&reach.clients.ecs, &plan.from, &plan.pins, &plan.operation).await?
    };
    if plan.means == Means::RedeployByCodeDeploy {
        let deployment = code_deploy::create(&reach.clients.codedeploy, plan, &task_definition).await?;
        return Ok(Done { deployment, task_definition });
    }
    tokio::time::sleep(jitter(&plan.operation)).await;
    let update = reach.clients.ecs.update_service().cluster(cluster).service(service);
    // Nothing else: a desired count passed here would fight autoscaling. The task definition only where it is a copy.
    let update = if plan.pins.is_empty() {
        update.force_new_deployment(true)
    } else {
        update.task_definition(&task_definition)
    };
    let mut attempt = 1;
    let updated = loop {
        reach.budget.pace(Family::ServiceModify).await;
        let throttles = reach.budget.watch::<UpdateServiceError>(Family::ServiceModify);
        // The SDK would try again also where an answer was lost, and each forced deployment is one more.
        let once = aws_sdk_ecs::config::Builder::new().retry_config(RetryConfig::disabled());
        let sent = update.clone().customize().config_override(once).interceptor(throttles).send().await;
        match sent.action("ecs:UpdateService") {
            Err(error) if error.code() == Some(THROTTLED) && attempt < ATTEMPTS => attempt += 1,
            sent => break sent?,
        }
    };
    let deployment = updated.service().and_then(primary);
    Ok(Done { deployment, task_definition })
}

/// Different for each service, and the same each time.
fn jitter(operation: &str) -> Duration {
    let hash =
        operation.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(hash % JITTER_MILLIS)
}

fn primary(service: &ecs::Service) -> Option<String> {
    let primary = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))?;
    primary.id().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
