//! Which deployments people are told of for the record, where the policy asks for it. What somebody has to act upon is
//! told as an incident, whether or not this is asked for.

use jiff::Timestamp;
use shared::ledger::operation::Operation;
use shared::notice::{Health, Status};
use shared::tags::Tags;
use shared::target::Target;

use super::verdict::{Broken, Close, Ended, Ignored, Proof, Redeployed, Verdict};
use super::{Policy, deployment, later, proof};
use crate::event::{Change, Hint, Phase};
use crate::facts::Facts;

/// How far a deployment is, and what is known of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What is deployed to.
    pub target: Target,
    /// The service's ARN, where it was looked at.
    pub service: Option<String>,
    /// The deployment's id.
    pub deployment: String,
    /// How far it is.
    pub status: Status,
    /// What is deployed: a task definition's ARN, or what else a target calls its revision.
    pub revision: Option<String>,
    /// For a rollback: what runs again.
    pub back_to: Option<String>,
    /// What was found of it afterwards.
    pub health: Option<Health>,
    /// The secret because of which it was redeployed.
    pub secret: Option<String>,
    /// Why it is not where it should be.
    pub said: Option<String>,
    /// The service's tags.
    pub tags: Tags,
    /// When: the same for whoever looks, so that its notice is the same, too.
    pub at: Timestamp,
}

/// What people are told beside the verdict.
pub fn of(facts: &Facts, policy: &Policy, verdict: &Verdict, now: Timestamp) -> Option<News> {
    let told = |status: Status| policy.told.tell.contains(&status);
    let news = match verdict {
        Verdict::Deployed { proof, .. } => Some(succeeded(facts, proof, proof.since, None)),
        Verdict::Good(proof) => Some(succeeded(facts, proof, proved(proof.since), Some(Health::Healthy))),
        Verdict::Broken(broken) => broke(facts, broken, told(Status::RolledBack)),
        Verdict::Redeployed(redeployed) => Some(anew(facts, redeployed, now)),
        Verdict::Close(close) => rolled_back(facts, close),
        Verdict::Ignore(why) => match &facts.hint {
            Hint::Deployment(change) => began(facts, change, why),
            Hint::Prove { target, revision, deployment, since } => {
                let proof = Proof {
                    target: target.clone(),
                    revision: revision.clone(),
                    deployment: deployment.clone(),
                    since: *since,
                };
                unproved(why).map(|health| succeeded(facts, &proof, proved(*since), Some(health)))
            }
            Hint::Watch { .. } => None,
        },
        Verdict::Wait { .. } | Verdict::Follow { .. } => None,
    };
    news.filter(|news| told(news.status))
}

/// One of which only this is known.
fn plain(facts: &Facts, target: &Target, deployment: &str, status: Status, at: Timestamp) -> News {
    let service = facts.service();
    News {
        target: target.clone(),
        service: service.map(|service| service.arn.clone()),
        deployment: deployment.to_owned(),
        status,
        revision: None,
        back_to: None,
        health: None,
        secret: None,
        said: None,
        tags: service.map(|service| service.tags.clone()).unwrap_or_default(),
        at,
    }
}

/// One that ECS begins. What a rollback of ours begins is told by its own notices, and at its end.
fn began(facts: &Facts, change: &Change, why: &Ignored) -> Option<News> {
    if change.phase != Phase::Began || *why != Ignored::Began {
        return None;
    }
    let memory = facts.memory.as_ref()?;
    let begun = facts.service()?.deployment(&change.deployment)?;
    let ours = |operation: &&Operation| deployment::answers(operation, change);
    if memory.operations.iter().any(|operation| ours(&operation)) {
        return None;
    }
    Some(News {
        revision: Some(begun.task_definition.clone()),
        secret: memory.redeploys.iter().find(ours).and_then(|redeploy| secret_of(&redeploy.incident)),
        ..plain(facts, &change.target, &change.deployment, Status::Begun, change.at)
    })
}

fn succeeded(facts: &Facts, proof: &Proof, at: Timestamp, health: Option<Health>) -> News {
    News {
        revision: Some(proof.revision.clone()),
        health,
        ..plain(facts, &proof.target, &proof.deployment, Status::Succeeded, at)
    }
}

/// When a revision has proved itself.
fn proved(since: Timestamp) -> Timestamp {
    later(since, proof::STAYS_GOOD)
}

/// What it means for a deployment that its revision could not be proved.
const fn unproved(why: &Ignored) -> Option<Health> {
    match why {
        Ignored::Disproved | Ignored::Leaving { .. } => Some(Health::Failed),
        Ignored::Fires { .. } => Some(Health::Degraded),
        Ignored::Off
        | Ignored::OtherCluster { .. }
        | Ignored::OtherEnvironment { .. }
        | Ignored::Began
        | Ignored::NoService
        | Ignored::NoOperation
        | Ignored::Ended { .. }
        | Ignored::Overtaken { .. }
        | Ignored::Unlisted
        | Ignored::Told => None,
    }
}

/// One that failed without us: told once, as taken back where it was and people want to hear of that.
fn broke(facts: &Facts, broken: &Broken, rollbacks: bool) -> Option<News> {
    let Hint::Deployment(change) = &facts.hint else {
        return None;
    };
    // ECS may name the deployment that takes it back.
    let mut listed = facts.service().into_iter().flat_map(|service| &service.deployments);
    let failed = listed.find(|one| one.task_definition == broken.task_definition && !one.primary);
    let id = failed.map_or(&change.deployment, |failed| &failed.id);
    let status = if broken.back_to.is_some() && rollbacks { Status::RolledBack } else { Status::Failed };
    Some(News {
        revision: Some(broken.task_definition.clone()),
        back_to: broken.back_to.clone(),
        said: Some(broken.diagnosis.headline.clone()),
        ..plain(facts, &broken.target, id, status, broken.at)
    })
}

/// A redeploy of one service.
fn anew(facts: &Facts, redeployed: &Redeployed, now: Timestamp) -> News {
    let Redeployed { target, operation, ended } = redeployed;
    let id = operation.deployment.as_ref().unwrap_or(&operation.id);
    let updated = || facts.service()?.deployment(id)?.updated_at;
    let (status, at) = match ended {
        Ended::Recovered { deployed, .. } | Ended::Unhealed { deployed, .. } => {
            (Status::Succeeded, *deployed)
        }
        Ended::Failed { .. } => (Status::Failed, updated().unwrap_or(now)),
        Ended::Superseded { .. } => (Status::Cancelled, updated().unwrap_or(now)),
    };
    News {
        revision: Some(operation.to.clone()),
        secret: secret_of(&operation.incident),
        said: operation.said.clone(),
        ..plain(facts, target, id, status, at)
    }
}

/// A rollback of ours that is deployed, whether or not it helped.
fn rolled_back(facts: &Facts, close: &Close) -> Option<News> {
    let Close { target, operation, ended, at, .. } = close;
    let health = match ended {
        Ended::Recovered { alarm, .. } => alarm.is_some().then_some(Health::Healthy),
        Ended::Unhealed { .. } => Some(Health::Degraded),
        Ended::Failed { .. } | Ended::Superseded { .. } => return None,
    };
    let id = operation.deployment.as_ref().unwrap_or(&operation.id);
    Some(News {
        revision: Some(operation.from.clone()),
        back_to: Some(operation.to.clone()),
        health,
        ..plain(facts, target, id, Status::RolledBack, *at)
    })
}

/// How people call the secret of this incident: its ARN ends in a hyphen and six characters that are not its name.
fn secret_of(incident: &str) -> Option<String> {
    let arn = incident.strip_prefix("secret:")?;
    let name = arn.split_once(":secret:").map_or(arn, |(_, name)| name);
    let own = name.rsplit_once('-').filter(|(_, end)| end.len() == 6).map_or(name, |(own, _)| own);
    Some(own.to_owned())
}

#[cfg(test)]
mod tests;
