//! `{"diagnose": {"target": …}}`: how a target stands, what a rollback would do, and why its tasks stop.

use serde_json::{Value, json};
use shared::ecs::StoppedTask;
use shared::ecs::diagnosis::{Evidence, diagnose};
use shared::target::Target;
use shared::{Report, Result, ecs};

use crate::Clients;
use crate::cause::Request;
use crate::facts::Facts;

/// The report of what a rollback would do, with everything else that is worth knowing at once. Nothing is changed.
///
/// # Errors
/// What the calls answer that look at stopped tasks.
pub(crate) async fn report(
    clients: &Clients,
    facts: &Facts,
    request: &Request,
    rollback: Report,
) -> Result<Report> {
    let world = facts.world.as_ref();
    let tasks = match (&request.target, world.and_then(|world| world.scene.service())) {
        (Target::Service { cluster, service }, Some(known)) => {
            let (tasks, logs) = tokio::try_join!(
                ecs::stopped_tasks(&clients.ecs, cluster, service, None),
                ecs::logs(&clients.ecs, &known.task_definition),
            )?;
            let evidence = Evidence { tasks: &tasks, logs: Some(&logs), ..Evidence::default() };
            json!({"diagnosis": diagnose(evidence), "stopped": tasks.iter().map(stopped).collect::<Vec<_>>()})
        }
        (Target::Service { .. } | Target::Alias { .. } | Target::Stack { .. }, _) => Value::Null,
    };
    let answer = json!({
        "target": request.target,
        "now": world.map(|world| &world.scene),
        "rollback": rollback.answer(),
        "tasks": tasks,
        "remembered": world.map(|world| &world.memory),
    });
    let reason = rollback.reason().to_owned();
    Ok(Report::new("diagnosed", request.target.to_string(), reason).record("facts", facts).answering(answer))
}

/// A stopped task without ECS's reasons: one about a secret can quote what stands in it, so only the diagnosis repeats
/// what it knows to be harmless.
fn stopped(task: &StoppedTask) -> Value {
    let containers = task.containers.iter().map(|container| {
        json!({"name": container.name, "exit_code": container.exit_code, "unhealthy": container.unhealthy})
    });
    json!({
        "id": task.id,
        "stop_code": task.stop_code,
        "stopped_at": task.stopped_at,
        "containers": containers.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
