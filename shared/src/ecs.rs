//! Why an ECS deployment does not get on: what is left of its tasks, and what that says.
//!
//! The tasks and their logs are looked at here; [`diagnosis`] puts them into words. [`image`] reads what a container runs,
//! and [`copy`] registers a task definition anew.

pub mod copy;
pub mod diagnosis;
pub mod image;

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as ecs;
use jiff::Timestamp;
use serde::Serialize;

use crate::Result;
use crate::error::Call;

/// ECS lists and describes at most this many tasks in one call (ECS API, `ListTasks` and `DescribeTasks`).
const TASKS_AT_ONCE: i32 = 100;

/// As many tasks tell why a deployment fails; more would only repeat it.
const TASKS_KEPT: usize = 10;

/// What is left of a task that stopped. ECS keeps it for about an hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoppedTask {
    /// Its id, the last part of its ARN.
    pub id: String,
    /// Why it stopped, as a word: `TaskFailedToStart`, `EssentialContainerExited`, …
    pub stop_code: Option<String>,
    /// Why it stopped, in ECS's words.
    pub reason: Option<String>,
    /// Its containers.
    pub containers: Vec<StoppedContainer>,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
}

/// One container of a task that stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoppedContainer {
    /// Its name in the task definition.
    pub name: String,
    /// What it exited with; none where it never ran.
    pub exit_code: Option<i32>,
    /// Why it stopped, in ECS's words.
    pub reason: Option<String>,
    /// Whether its own health check said that it is not healthy.
    pub unhealthy: bool,
}

/// Where a container writes its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPlace {
    /// The log group.
    pub group: String,
    /// What its streams begin with, as in `<prefix>/<container>/<task id>`.
    pub prefix: Option<String>,
}

/// The newest ten tasks of a service that stopped, newest first: those that this deployment started, or all where
/// it is not known. ECS takes a service or a deployment as a filter, not both; so the service's are sorted out here.
///
/// # Errors
/// What `ecs:ListTasks` and `ecs:DescribeTasks` answer.
pub async fn stopped_tasks(
    client: &Client,
    cluster: &str,
    service: &str,
    deployment: Option<&str>,
) -> Result<Vec<StoppedTask>> {
    let listed = client
        .list_tasks()
        .cluster(cluster)
        .service_name(service)
        .desired_status(ecs::DesiredStatus::Stopped)
        .max_results(TASKS_AT_ONCE)
        .send()
        .await
        .action("ecs:ListTasks")?;
    let arns = listed.task_arns.unwrap_or_default();
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let described = client
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(arns))
        .send()
        .await
        .action("ecs:DescribeTasks")?;
    let mut tasks: Vec<_> = described
        .tasks
        .unwrap_or_default()
        .into_iter()
        .filter(|task| deployment.is_none_or(|deployment| task.started_by() == Some(deployment)))
        .map(read_task)
        .collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.stopped_at));
    tasks.truncate(TASKS_KEPT);
    Ok(tasks)
}

/// What a task that stopped says.
pub fn read_task(task: ecs::Task) -> StoppedTask {
    let arn = task.task_arn.unwrap_or_default();
    let containers = task.containers.unwrap_or_default().into_iter().map(|container| StoppedContainer {
        name: container.name.unwrap_or_default(),
        exit_code: container.exit_code,
        reason: container.reason,
        unhealthy: container.health_status == Some(ecs::HealthStatus::Unhealthy),
    });
    StoppedTask {
        id: arn.rsplit('/').next().unwrap_or_default().to_owned(),
        stop_code: task.stop_code.map(|code| code.as_str().to_owned()),
        reason: task.stopped_reason,
        containers: containers.collect(),
        stopped_at: task.stopped_at.or(task.stopping_at).as_ref().and_then(read_time),
    }
}

/// Where the containers of a task definition write their logs, by container; those that write to CloudWatch Logs.
///
/// # Errors
/// What `ecs:DescribeTaskDefinition` answers.
pub async fn logs(client: &Client, task_definition: &str) -> Result<BTreeMap<String, LogPlace>> {
    let described = client
        .describe_task_definition()
        .task_definition(task_definition)
        .send()
        .await
        .action("ecs:DescribeTaskDefinition")?;
    let definitions = described.task_definition.and_then(|definition| definition.container_definitions);
    Ok(definitions.unwrap_or_default().into_iter().filter_map(read_log).collect())
}

fn read_log(container: ecs::ContainerDefinition) -> Option<(String, LogPlace)> {
    let log = container.log_configuration?;
    if log.log_driver != ecs::LogDriver::Awslogs {
        return None;
    }
    let mut options = log.options?;
    let group = options.remove("awslogs-group")?;
    Some((container.name?, LogPlace { group, prefix: options.remove("awslogs-stream-prefix") }))
}

/// A time as ECS gives it.
pub fn read_time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}

#[cfg(test)]
mod tests;
