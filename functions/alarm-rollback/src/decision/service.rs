//! The rules for an ECS service.

mod blame;
mod candidate;
mod deployable;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shared::ledger::operation::{Means, Operation};
use shared::ledger::target::Memory;
use shared::policy::ScaledToZero;

use super::plan::{Act, Ask, Basis, Plan, Position, Wish};
use super::{Held, code_deploy};
use crate::facts::service::{Controller, Scene, Service, Status};
use crate::facts::stack::name_in;
use candidate::Return;

/// What the rules still have to know of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The status of the stack with this id, which owns the service.
    Owner(String),
    /// The service revisions that this service deployment began from.
    Sources(String),
    /// The service revisions of these ARNs.
    Revisions(Vec<String>),
    /// The lower `ACTIVE` revisions of this task definition's family.
    Earlier(String),
    /// This task definition, and whether what it stands on is there; by container, the digest that ran.
    Candidate {
        /// Its ARN.
        arn: String,
        /// By container: the digest that ran.
        images: BTreeMap<String, String>,
    },
    /// What CodeDeploy recorded of this deployment and its group.
    CodeDeploy(String),
    /// When the secrets of this task definition changed.
    Rotated(String),
}

type Asked<T> = Result<T, Question>;

/// The tag that CloudFormation puts on what it owns (CloudFormation User Guide, "Resource tags").
const OWNER: &str = "aws:cloudformation:stack-id";

/// The plan, or why there is none.
pub(super) fn plan(scene: &Scene, memory: &Memory, ask: &Ask<'_>) -> Asked<Result<Plan, Held>> {
    let Some(service) = &scene.service else {
        return Ok(Err(Held::NoService));
    };
    if !service.active {
        return Ok(Err(Held::NotActive));
    }
    if let Some(stack) = service.tags.get(OWNER) {
        let status = scene.owner.as_ref().ok_or_else(|| Question::Owner(stack.clone()))?;
        if let Some(status) = status.as_ref().filter(|status| is_moving(status)) {
            return Ok(Err(Held::OwnerInProgress { status: status.clone() }));
        }
    }
    if let Controller::Other(controller) = &service.controller {
        return Ok(Err(Held::Controller { controller: controller.clone() }));
    }
    if service.desired == 0 {
        return Ok(match (&ask.rules.rollback.scaled_to_zero, ask.wish) {
            (ScaledToZero::Recover(tasks), Wish::TakeBack { .. } | Wish::Previous) => {
                Ok(restored(service, i32::try_from(*tasks).unwrap_or(1)))
            }
            (ScaledToZero::Leave, _)
            | (ScaledToZero::Recover(_), Wish::Unstick | Wish::Revision(_) | Wish::At(_)) => {
                Err(Held::ScaledToZero)
            }
        });
    }
    if service.controller == Controller::CodeDeploy {
        let Some(deployment) = &service.code_deploy else {
            return Ok(Err(Held::NoDeployment));
        };
        let record = scene.code_deploy.as_ref().ok_or_else(|| Question::CodeDeploy(deployment.clone()))?;
        let Some(record) = record else {
            return Ok(Err(Held::NoDeployment));
        };
        let plan = match code_deploy::plan(record, &service.task_definition, memory, ask) {
            Ok(plan) => plan,
            Err(why) => return Ok(Err(Held::CodeDeploy(why))),
        };
        return by_code_deploy(service, scene, plan);
    }
    if let Some(fired_at) = ask.wish.fired_at()
        && let Some(why) = blame::acquit(service, scene, memory, fired_at, ask)
    {
        return Ok(Err(why));
    }
    let chosen = match candidate::choose(service, scene, memory, ask)? {
        Ok(chosen) => chosen,
        Err(why) => return Ok(Err(why)),
    };
    if let Return::InFlight { deployment, target, source } = chosen {
        // ECS deploys the source again, so it must be fit to be deployed, too.
        let fit = match deployable::check(service, scene, &source.task_definition, &source.images)? {
            Ok(fit) => fit,
            Err(why) => return Ok(Err(why)),
        };
        return Ok(Ok(Plan {
            before: before(service),
            from: target.task_definition,
            to: source.task_definition,
            copy_of: None,
            basis: Basis::Source,
            act: Act::StopServiceDeployment { deployment },
            blames: blames(ask.wish),
            notes: fit.unchecked,
        }));
    }
    deploy(service, scene, chosen, ask)
}

/// What CodeDeploy is told to deploy must be fit for it. A copy would need an application specification of its own.
fn by_code_deploy(service: &Service, scene: &Scene, mut plan: Plan) -> Asked<Result<Plan, Held>> {
    if !matches!(plan.act, Act::CreateDeployment { .. }) {
        return Ok(Ok(plan));
    }
    let fit = match deployable::check(service, scene, &plan.to, &BTreeMap::new())? {
        Ok(fit) => fit,
        Err(why) => return Ok(Err(why)),
    };
    if fit.copy.is_some() {
        return Ok(Err(Held::Deregistered { task_definition: plan.to }));
    }
    plan.notes.extend(fit.unchecked);
    Ok(Ok(plan))
}

/// A completed deployment is taken back by deploying what was good.
fn deploy(service: &Service, scene: &Scene, chosen: Return, ask: &Ask<'_>) -> Asked<Result<Plan, Held>> {
    let Return::Deploy { task_definition, images, basis, around } = chosen else {
        return Ok(Err(Held::NothingGood));
    };
    let fit = match deployable::check(service, scene, &task_definition, &images)? {
        Ok(fit) => fit,
        Err(why) => return Ok(Err(why)),
    };
    let copied = ask.own.filter(|own| own.copy_of.as_deref() == Some(task_definition.as_str()));
    // To set the service to what it is set to already, or to the like of it, would change nothing.
    let is_running = task_definition == service.task_definition;
    if copied.is_none() && is_running && fit.copy.as_ref().is_none_or(BTreeMap::is_empty) {
        return Ok(Err(Held::RunsAlready { task_definition }));
    }
    let mut notes = fit.unchecked;
    notes.extend(fit.copied);
    notes.extend(differences(scene, around.as_ref()));
    notes.extend(owner(service, scene));
    let (act, to, copy_of) = match (copied, fit.copy) {
        (Some(own), _) => {
            (Act::UpdateService { task_definition: own.to.clone() }, own.to.clone(), Some(task_definition))
        }
        (None, None) => {
            (Act::UpdateService { task_definition: task_definition.clone() }, task_definition, None)
        }
        (None, Some(images)) => {
            (Act::RegisterTaskDefinition { of: task_definition.clone(), images }, task_definition, None)
        }
    };
    Ok(Ok(Plan {
        from: service.task_definition.clone(),
        to,
        copy_of,
        basis,
        act,
        blames: blames(ask.wish),
        notes,
        before: before(service),
    }))
}

/// Who names a revision or a time need not mean that what runs is bad.
const fn blames(wish: &Wish) -> bool {
    matches!(wish, Wish::TakeBack { .. } | Wish::Previous)
}

/// A service at desired count zero gets tasks again, and nothing else.
fn restored(service: &Service, tasks: i32) -> Plan {
    Plan {
        from: "0 tasks".to_owned(),
        to: if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") },
        copy_of: None,
        basis: Basis::Restored,
        act: Act::Scale { desired: tasks },
        blames: false,
        notes: vec![format!(
            "The service runs on with {}; whether that is good is not known.",
            super::short(&service.task_definition)
        )],
        before: before(service),
    }
}

fn before(service: &Service) -> serde_json::Value {
    json!({
        "task_definition": service.task_definition,
        "desired": service.desired,
        "strategy": service.strategy,
    })
}

/// What a task definition does not say and a rollback does not restore.
fn differences(scene: &Scene, then: Option<&BTreeMap<String, String>>) -> Vec<String> {
    let newest = scene.deployments.first().map(|deployment| deployment.revision.as_str());
    let revisions = scene.revisions.as_deref().unwrap_or_default();
    let now = revisions.iter().find(|revision| Some(revision.arn.as_str()) == newest);
    let (Some(then), Some(now)) = (then, now) else {
        return Vec::new();
    };
    let names: BTreeSet<_> = then.keys().chain(now.around.keys()).collect();
    let none = "nothing".to_owned();
    names
        .into_iter()
        .filter_map(|name| {
            let (was, is) = (then.get(name).unwrap_or(&none), now.around.get(name).unwrap_or(&none));
            (was != is).then(|| format!("Not restored: {name}, which changed from {was} to {is}."))
        })
        .collect()
}

/// A service that a stack owns differs from the stack's template now, until the stack is updated.
fn owner(service: &Service, scene: &Scene) -> Option<String> {
    scene.owner.as_ref()?.as_ref()?;
    let stack = name_in(service.tags.get(OWNER)?)?;
    Some(format!("The stack {stack} owns the service, and its next update deploys what its template says."))
}

/// Whether CloudFormation is changing a stack.
fn is_moving(status: &str) -> bool {
    status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS"
}

/// How far an operation is that was begun before.
pub(super) fn position(scene: &Scene, own: &Operation) -> Position {
    let Some(service) = &scene.service else {
        return Position::Before;
    };
    let overtaken = || Position::Overtaken { running: service.task_definition.clone() };
    match own.means {
        Means::Scale if service.desired > 0 => Position::Made,
        Means::StopServiceDeployment => {
            let stopped =
                scene.deployments.iter().find(|deployment| Some(&deployment.arn) == own.deployment.as_ref());
            match stopped.map(|deployment| deployment.status) {
                Some(Status::RollingBack | Status::RolledBack | Status::RollbackFailed | Status::Stopped) => {
                    Position::Made
                }
                // It finished before it was stopped, or somebody deployed since: what is right then is decided anew.
                Some(Status::InProgress | Status::Successful | Status::Unknown) | None => {
                    if service.task_definition == own.from { Position::Before } else { overtaken() }
                }
            }
        }
        // CodeDeploy's record tells what was made; asking it again for the same operation finds the same deployment.
        Means::CreateDeployment | Means::StopDeployment => match &own.deployment {
            Some(made)
                if own.means == Means::CreateDeployment || Some(made) != service.code_deploy.as_ref() =>
            {
                Position::Made
            }
            Some(_) | None => Position::Before,
        },
        Means::Scale
        | Means::UpdateService
        | Means::UpdateAlias
        | Means::CancelUpdateStack
        | Means::ContinueUpdateRollback
        | Means::RollbackStack
        | Means::Redeploy
        | Means::RedeployByCodeDeploy => {
            let deployed_since = service.deployed_at.is_some_and(|deployed| own.began < deployed);
            if service.task_definition == own.to && own.from != own.to && own.means == Means::UpdateService {
                Position::Made
            } else if service.task_definition == own.from && !deployed_since || own.means == Means::Scale {
                Position::Before
            } else {
                overtaken()
            }
        }
    }
}

#[cfg(test)]
mod tests;
