//! Looks at the world, one question at a time. AWS types end here.

mod code_deploy;
mod images;
pub(crate) mod secret;

use aws_sdk_ecs::types as ecs;
use shared::Result;
use shared::ecs::read_time;
use shared::error::Call;
use shared::target::Target;

use crate::Reach;
use crate::budget::Family;
use crate::decision::service::{Facts, Question};
use crate::facts::{Controller, Service, Task};

/// ECS lists and describes at most this many tasks in one call (ECS API, `ListTasks` and `DescribeTasks`).
const TASKS_AT_ONCE: i32 = 100;

/// Finds out what the decision asks of a service, and adds it to the facts.
pub(crate) async fn answer(
    reach: &Reach,
    facts: &mut Facts,
    target: &Target,
    question: Question,
) -> Result<()> {
    match question {
        Question::Service => facts.service = Some(service(reach, target).await?),
        Question::Memory => facts.memory = Some(reach.clients.ledger.recall(target).await?),
        Question::Tasks => facts.tasks = Some(tasks(reach, target).await?),
        Question::Images => {
            let runs = facts.service.as_ref().and_then(Option::as_ref).and_then(running);
            facts.images = Some(match runs {
                Some(definition) => images::of(reach, definition).await?,
                None => Vec::new(),
            });
        }
        Question::Group => facts.group = Some(code_deploy::group(&reach.clients.codedeploy, target).await?),
    }
    Ok(())
}

async fn service(reach: &Reach, target: &Target) -> Result<Option<Service>> {
    let Target::Service { cluster, service } = target else {
        return Ok(None);
    };
    let found = reach.discovery.describe(&reach.clients.ecs, cluster, std::slice::from_ref(service)).await?;
    Ok(found.into_iter().next())
}

/// The task definition that the service is meant to run.
fn running(service: &Service) -> Option<&str> {
    match service.controller {
        Controller::Ecs => service.primary().map(|primary| primary.task_definition.as_str()),
        Controller::CodeDeploy | Controller::External => {
            let set = service.task_sets.iter().find(|set| set.primary).or_else(|| service.task_sets.first());
            set.map(|set| set.task_definition.as_str())
        }
    }
}

/// The tasks of a service that run or are on their way.
pub(crate) async fn tasks(reach: &Reach, target: &Target) -> Result<Vec<Task>> {
    let Target::Service { cluster, service } = target else {
        return Ok(Vec::new());
    };
    let mut tasks = Vec::new();
    let mut token = None;
    loop {
        reach.budget.pace(Family::TaskRead).await;
        let listed = reach
            .clients
            .ecs
            .list_tasks()
            .cluster(cluster)
            .service_name(service)
            .desired_status(ecs::DesiredStatus::Running)
            .max_results(TASKS_AT_ONCE)
            .set_next_token(token)
            .send()
            .await
            .action("ecs:ListTasks");
        let listed = match listed {
            Ok(listed) => listed,
            // It was deleted since.
            Err(error)
                if matches!(error.code(), Some("ServiceNotFoundException" | "ClusterNotFoundException")) =>
            {
                return Ok(tasks);
            }
            Err(error) => return Err(error),
        };
        let arns = listed.task_arns.unwrap_or_default();
        if !arns.is_empty() {
            reach.budget.pace(Family::TaskRead).await;
            let described =
                reach.clients.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns)).send().await;
            let described = described.action("ecs:DescribeTasks")?;
            tasks.extend(described.tasks.unwrap_or_default().into_iter().map(task));
        }
        token = listed.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(tasks);
        }
    }
}

fn task(task: ecs::Task) -> Task {
    let containers = task.containers.unwrap_or_default().into_iter();
    Task {
        created_at: task.created_at.as_ref().and_then(read_time),
        started_by: task.started_by.unwrap_or_default(),
        task_definition: task.task_definition_arn.unwrap_or_default(),
        digests: containers
            .filter_map(|container| Some((container.name?, container.image_digest?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
