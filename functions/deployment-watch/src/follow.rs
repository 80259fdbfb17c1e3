//! What somebody sees who follows a deployment at a terminal. It is looked at as the function looks, and how far it is say
//! the same rules; nothing is remembered, and nobody is told.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as ecs;
use jiff::Timestamp;
use shared::Result;
use shared::ledger::operation::{Means, Operation};

use crate::decision::{self, Progress};
use crate::facts::{Deployment, Service, World};
use crate::observe::service as observe;

/// A service, and what else is worth seeing of its deployments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The service.
    pub service: Service,
    /// The tasks of each deployment, by its id.
    pub tasks: BTreeMap<String, Tasks>,
    /// What gives a deployment up whose tasks do not start, where that is on.
    pub breaker: Option<Breaker>,
    /// Who carries the deployments out, where that is not ECS itself.
    pub controller: Option<String>,
}

/// Tasks that do not run, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tasks {
    /// So many start.
    pub pending: i32,
    /// So many did not come to run.
    pub failed: i32,
}

/// ECS's deployment circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Whether it goes back then to what ran before.
    pub rolls_back: bool,
}

/// A deployment, as it was when it was seen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its id.
    pub id: String,
    /// The task definition's ARN.
    pub task_definition: String,
    /// The task definition that ran before, where that is still seen.
    pub from: Option<String>,
    /// When it was asked for.
    pub began: Option<Timestamp>,
    /// Whether ECS made it in order to take another one back.
    pub takes_back: bool,
}

/// The service as it is now, where there is one.
///
/// # Errors
/// What `ecs:DescribeServices` answers.
pub async fn look(client: &Client, cluster: &str, service: &str) -> Result<Option<View>> {
    Ok(observe::described(client, cluster, service).await?.and_then(View::read))
}

impl View {
    /// Of a service as ECS describes it.
    pub fn read(service: ecs::Service) -> Option<Self> {
        let tasks = service.deployments().iter().filter_map(|deployment| {
            let tasks = Tasks { pending: deployment.pending_count, failed: deployment.failed_tasks };
            Some((deployment.id()?.to_owned(), tasks))
        });
        let tasks = tasks.collect();
        let breaker = service
            .deployment_configuration()
            .and_then(|configuration| configuration.deployment_circuit_breaker())
            .filter(|breaker| breaker.enable)
            .map(|breaker| Breaker { rolls_back: breaker.rollback });
        let controller = service
            .deployment_controller()
            .map(|controller| controller.r#type.clone())
            .filter(|controller| *controller != ecs::DeploymentControllerType::Ecs)
            .map(|controller| controller.as_str().to_owned());
        Some(Self { service: observe::read_service(service)?, tasks, breaker, controller })
    }

    /// The deployment that the service is meant to run.
    pub fn newest(&self) -> Option<Followed> {
        let primary = self.service.primary()?;
        let others = self.service.deployments.iter().filter(|deployment| deployment.id != primary.id);
        let before = others.max_by_key(|deployment| deployment.created_at);
        Some(Followed {
            id: primary.id.clone(),
            task_definition: primary.task_definition.clone(),
            from: before.map(|before| before.task_definition.clone()),
            began: primary.created_at,
            takes_back: takes_back(primary),
        })
    }
}

/// Whether ECS made this deployment in order to take another one back.
pub fn takes_back(deployment: &Deployment) -> bool {
    decision::takes_back(deployment)
}

impl Followed {
    /// How far it is: as of an operation that was begun with it.
    pub fn progress(&self, service: &Service) -> Progress {
        let from = self.from.clone().unwrap_or_default();
        let began = self.began.unwrap_or(Timestamp::UNIX_EPOCH);
        let operation = Operation {
            id: String::new(),
            incident: String::new(),
            means: if from == self.task_definition { Means::Redeploy } else { Means::UpdateService },
            from,
            to: self.task_definition.clone(),
            copy_of: None,
            deployment: Some(self.id.clone()),
            blames: false,
            before: None,
            asked_by: None,
            redeploy: None,
            said: None,
            began,
            deadline: Timestamp::MAX,
            end: None,
        };
        decision::progress(&operation, &World::Service(Some(service.clone())))
    }
}

#[cfg(test)]
mod tests;
