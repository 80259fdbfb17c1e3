//! Looks at the world, one question at a time. AWS types end here.

mod alarm;
mod alias;
mod code_deploy;
mod needs;
mod service;
pub(crate) mod stack;

use jiff::Timestamp;
use shared::lambda::Invocation;
use shared::policy;
use shared::target::Target;
use shared::{Error, Result};

use crate::Clients;
use crate::cause::Cause;
use crate::decision::{Policy, Question};
use crate::facts::{Facts, Scene, World};

/// Finds out what the decision asks, and adds it to the facts.
pub(crate) async fn answer(
    clients: &Clients,
    facts: &mut Facts,
    question: Question,
    settings: &Policy,
    invocation: &Invocation,
) -> Result<()> {
    match question {
        Question::Claim => claim(clients, facts, settings, invocation).await?,
        Question::Rules => facts.rules = Some(policy::load(&clients.ssm, &settings.environment).await?),
        Question::Alarm => {
            if let Cause::Alarm(change) = &facts.cause {
                facts.alarm = Some(alarm::describe(clients, change).await?);
            }
        }
        Question::Children => {
            facts.children = Some(alarm::children(clients, &facts.cause).await?);
        }
        Question::Behind(groups) => {
            facts.behind = Some(service::behind(clients, &groups, &settings.clusters).await?);
        }
        Question::Incident => {
            facts.incident = Some(clients.ledger.incident(&facts.incident_key()).await?);
        }
        Question::World(target) => facts.world = Some(world(clients, &target).await?),
        Question::Service(question) => match facts.world.as_mut().map(|world| &mut world.scene) {
            Some(Scene::Service(scene)) => Box::pin(service::answer(clients, scene, question)).await?,
            _ => return Err(astray()),
        },
        Question::Alias(question) => match facts.world.as_mut().map(|world| &mut world.scene) {
            Some(Scene::Alias(scene)) => Box::pin(alias::answer(clients, scene, question)).await?,
            _ => return Err(astray()),
        },
        Question::Stack(question) => match facts.world.as_mut().map(|world| &mut world.scene) {
            Some(Scene::Stack(scene)) => Box::pin(stack::answer(clients, scene, question)).await?,
            _ => return Err(astray()),
        },
    }
    Ok(())
}

/// Everything that an alarm's case begins with, side by side.
async fn claim(
    clients: &Clients,
    facts: &mut Facts,
    settings: &Policy,
    invocation: &Invocation,
) -> Result<()> {
    let key = facts.claim_key(settings, invocation.now);
    let claim = clients.ledger.claim(&key, &invocation.request_id, invocation.now, invocation.deadline);
    let rules = policy::load(&clients.ssm, &settings.environment);
    let (claim, rules) = if let (Cause::Alarm(change), None) = (&facts.cause, &facts.alarm) {
        let alarm = alarm::describe(clients, change);
        let (claim, rules, alarm) = tokio::try_join!(claim, rules, alarm)?;
        facts.alarm = Some(alarm);
        (claim, rules)
    } else {
        tokio::try_join!(claim, rules)?
    };
    facts.claim = Some(claim);
    facts.rules = Some(rules);
    facts.claimed = Some(key);
    Ok(())
}

async fn world(clients: &Clients, target: &Target) -> Result<World> {
    let memory = clients.ledger.recall(target);
    let (memory, scene) = match target {
        Target::Service { cluster, service } => {
            let (memory, scene) = tokio::try_join!(memory, service::scene(clients, cluster, service))?;
            (memory, Scene::Service(Box::new(scene)))
        }
        Target::Alias { function, alias } => {
            let (memory, scene) = tokio::try_join!(memory, alias::scene(clients, function, alias))?;
            (memory, Scene::Alias(Box::new(scene)))
        }
        Target::Stack { name } => {
            let (memory, scene) = tokio::try_join!(memory, stack::scene(clients, name))?;
            (memory, Scene::Stack(Box::new(scene)))
        }
    };
    Ok(World { memory, scene })
}

/// A question about a kind of target that this case is not about: the decision never asks it.
fn astray() -> Error {
    Error::Malformed("the decision asked about another kind of target than it was given".to_owned())
}

pub(crate) fn read_time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}

#[cfg(test)]
mod tests;
