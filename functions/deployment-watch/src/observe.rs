//! Looks at the world, one question at a time. AWS types end here.

mod others;
pub(crate) mod service;

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use jiff::Timestamp;
use shared::Result;
use shared::alarm::State;
use shared::ecs::diagnosis::{Diagnosis, Evidence, diagnose};
use shared::ecs::read_time;
use shared::error::{Call, Class};
use shared::target::Target;

use crate::Clients;
use crate::decision::{News, Place, Question};
use crate::facts::{Alarm, Facts, Service, World, Written};

/// Finds out what the decision asks, and adds it to the facts.
pub(crate) async fn answer(clients: &Clients, facts: &mut Facts, question: Question) -> Result<()> {
    let target = facts.hint.target().clone();
    match question {
        Question::Memory => facts.memory = Some(clients.ledger.recall(&target).await?),
        Question::World(place) => facts.world = Some(world(clients, &target, &place).await?),
        Question::Alarm(name) => facts.alarm = Some(alarm(clients, &name).await?),
        Question::Incident(key) => facts.incident = Some(clients.ledger.incident(&key).await?),
        Question::Failed => facts.failed = Some(service::failed(clients, &target).await?),
        Question::Diagnosis { deployment, task_definition, since, said } => {
            let about = About { deployment, task_definition, since, said };
            let diagnosis = match diagnosis(clients, facts.service(), &target, &about).await {
                Ok(diagnosis) => diagnosis,
                // That it failed must be told, whether or not it can be seen why.
                Err(error) if error.class() == Class::Permanent => Diagnosis::unread(&error.to_string()),
                Err(error) => return Err(error),
            };
            facts.diagnosis = Some(diagnosis);
        }
    }
    Ok(())
}

/// The task definitions of a deployment that can be read, by their ARNs.
pub(crate) async fn written(clients: &Clients, news: &News) -> BTreeMap<String, Written> {
    let mut written = BTreeMap::new();
    if matches!(news.target, Target::Service { .. }) {
        for arn in news.revision.iter().chain(&news.back_to) {
            if let Some(found) = service::written(clients, arn).await {
                written.insert(arn.clone(), found);
            }
        }
    }
    written
}

async fn world(clients: &Clients, target: &Target, place: &Place) -> Result<World> {
    match (place, target) {
        (Place::ServiceDeployment(arn), _) => {
            Ok(World::ServiceDeployment(service::deployment(clients, arn).await?))
        }
        (Place::CodeDeploy(id), _) => {
            let (deployment, rollback) = others::code_deploy(clients, id).await?;
            Ok(World::CodeDeploy { deployment, rollback })
        }
        (Place::Target, Target::Service { cluster, service }) => {
            Ok(World::Service(service::describe(clients, cluster, service).await?))
        }
        (Place::Target, Target::Alias { function, alias }) => {
            Ok(World::Alias(others::alias(clients, function, alias).await?))
        }
        (Place::Target, Target::Stack { name }) => Ok(World::Stack(others::stack(clients, name).await?)),
    }
}

async fn alarm(clients: &Clients, name: &str) -> Result<Option<Alarm>> {
    let described = clients
        .cloudwatch
        .describe_alarms()
        .alarm_names(name)
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .send()
        .await
        .action("cloudwatch:DescribeAlarms")?;
    let metric = described.metric_alarms().first().map(|alarm| {
        let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
        (alarm.state_value(), since)
    });
    let composite = described.composite_alarms().first().map(|alarm| {
        let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
        (alarm.state_value(), since)
    });
    Ok(metric.or(composite).and_then(|(state, since)| {
        let state = state.map(StateValue::as_str).and_then(State::read)?;
        Some(Alarm { name: name.to_owned(), state, since: since.and_then(read_time) })
    }))
}

/// What the diagnosis is to be of.
struct About {
    deployment: Option<String>,
    task_definition: Option<String>,
    since: Option<Timestamp>,
    said: String,
}

async fn diagnosis(
    clients: &Clients,
    known: Option<&Service>,
    target: &Target,
    about: &About,
) -> Result<Diagnosis> {
    let Target::Service { cluster, service } = target else {
        return Ok(diagnose(Evidence { said: Some(&about.said), ..Evidence::default() }));
    };
    let described = match known {
        Some(_) => None,
        None => service::describe(clients, cluster, service).await?,
    };
    // An id of ECS's own; those of service deployments and of CodeDeploy start no task by that name.
    let deployment = about.deployment.as_deref().filter(|id| id.starts_with("ecs-svc/"));
    let tasks = shared::ecs::stopped_tasks(&clients.ecs, cluster, service, deployment).await?;
    // Where the log is said is a help, and no reason to keep silent.
    let logs = match &about.task_definition {
        Some(task_definition) if task_definition.contains('/') && !tasks.is_empty() => {
            shared::ecs::logs(&clients.ecs, task_definition).await.ok()
        }
        Some(_) | None => None,
    };
    let events = known.or(described.as_ref()).map(|service| service.events.as_slice()).unwrap_or_default();
    let events: Vec<_> = events
        .iter()
        .filter(|event| about.since.is_none_or(|since| since <= event.at))
        .map(|event| event.message.clone())
        .collect();
    let said = Some(about.said.as_str());
    Ok(diagnose(Evidence { tasks: &tasks, events: &events, said, logs: logs.as_ref() }))
}

#[cfg(test)]
mod tests;
