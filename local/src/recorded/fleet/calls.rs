//! The calls that the fleet answers.

use std::time::Instant;

use serde_json::{Value, json};

use super::super::deployments::calls::{last, listed, missing, twenty, updated};
use super::super::deployments::definitions::split;
use super::super::deployments::{calls, invalid, shapes, size};
use super::super::{arn, now, page, put, stranger, text, texts};
use super::member::{Member, Presence};
use super::state::{State, pausing};
use crate::proxy::Answer;

/// What an operation takes, of those that are answered.
pub(super) fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "ecs:ListClusters" => &["maxResults", "nextToken"],
        "ecs:ListServices" => &[
            "cluster",
            "launchType",
            "maxResults",
            "nextToken",
            "resourceManagementType",
            "schedulingStrategy",
        ],
        "ecs:ListTagsForResource" => &["resourceArn"],
        "ecs:StopServiceDeployment" => return None,
        "ecr:DescribeImages" => {
            &["filter", "imageIds", "maxResults", "nextToken", "registryId", "repositoryName"]
        }
        ecs => return calls::parameters(ecs),
    })
}

pub(super) fn answer(state: &mut State, action: &str, sent: &Value, at: Instant) -> Result<Answer, Answer> {
    if let Some(stranger) = parameters(action).and_then(|known| stranger(sent, known)) {
        return Err(invalid(format!("Unknown parameter: {stranger}")));
    }
    let answer = match action {
        "ecs:DescribeTaskDefinition" => return state.definitions.described(sent),
        "ecs:DescribeServices" => return describe_services(state, sent),
        "ecs:UpdateService" => return update_service(state, sent, at),
        "ecs:ListClusters" => list_clusters(state, sent)?,
        "ecs:ListServices" => list_services(state, sent)?,
        "ecs:ListTagsForResource" => list_tags(state, sent)?,
        "ecs:ListServiceDeployments" => listed(&required(state, sent)?.service, sent)?,
        "ecs:DescribeServiceDeployments" => describe_service_deployments(state, sent)?,
        "ecs:DescribeServiceRevisions" => describe_service_revisions(state, sent)?,
        "ecs:ListTasks" => list_tasks(state, sent)?,
        "ecs:DescribeTasks" => describe_tasks(state, sent)?,
        "ecs:ListTaskDefinitions" => state.definitions.list(sent)?,
        "ecs:RegisterTaskDefinition" => {
            let registered = state.definitions.register(sent, now())?;
            state.note(action, sent, at);
            registered
        }
        _ => state.registry.describe(sent)?,
    };
    Ok(Answer::json(&answer))
}

/// The cluster that a call names, which must be there.
fn cluster<'a>(state: &State, sent: &'a Value) -> Result<&'a str, Answer> {
    let cluster = last(text(sent, "cluster").unwrap_or("default"));
    if state.clusters.contains_key(cluster) {
        return Ok(cluster);
    }
    Err(Answer::error(400, "ClusterNotFoundException", "Cluster not found."))
}

fn place(state: &State, sent: &Value, name: &str) -> Result<usize, Answer> {
    let place = text(sent, name).map(|name| Ok(state.place(cluster(state, sent)?, name))).transpose()?;
    place.flatten().ok_or_else(|| Answer::error(400, "ServiceNotFoundException", "Service not found."))
}

fn required<'a>(state: &'a State, sent: &Value) -> Result<&'a Member, Answer> {
    let place = place(state, sent, "service")?;
    state
        .members
        .get(place)
        .ok_or_else(|| Answer::error(400, "ServiceNotFoundException", "Service not found."))
}

/// A page of ARNs, under their name.
fn arns(name: &str, all: Vec<String>, sent: &Value, usual: usize) -> Result<Value, Answer> {
    let (found, next) =
        page(all, text(sent, "nextToken"), size(sent, usual)?).ok_or_else(|| invalid("Invalid token."))?;
    let mut answer = json!({name: found});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

fn list_clusters(state: &State, sent: &Value) -> Result<Value, Answer> {
    let all = state.clusters.keys().map(|name| arn("ecs", &format!("cluster/{name}"))).collect();
    arns("clusterArns", all, sent, 100)
}

/// Services that are gone for good (`INACTIVE`) are described, but not listed.
fn list_services(state: &State, sent: &Value) -> Result<Value, Answer> {
    let places = state.clusters.get(cluster(state, sent)?);
    let is = |member: &Member, name: &str| {
        text(sent, name).is_none_or(|wanted| text_of(member, name).is_some_and(|is| is == wanted))
    };
    let all = places
        .into_iter()
        .flat_map(|places| places.values())
        .filter_map(|place| state.members.get(*place))
        .filter(|member| member.presence != Presence::Gone && text_of(member, "status") != Some("INACTIVE"))
        .filter(|member| is(member, "launchType") && is(member, "schedulingStrategy"))
        .map(|member| member.service.arn())
        .collect();
    arns("serviceArns", all, sent, 10)
}

fn text_of<'a>(member: &'a Member, name: &str) -> Option<&'a str> {
    member.service.fields.get(name)?.as_str()
}

fn list_tags(state: &State, sent: &Value) -> Result<Value, Answer> {
    let named = text(sent, "resourceArn").unwrap_or_default();
    let mut parts = named.splitn(6, ':').nth(5).unwrap_or_default().split('/');
    let tags = match (parts.next(), parts.next(), parts.next()) {
        (Some("service"), Some(cluster), Some(name)) => state
            .place(cluster, name)
            .and_then(|place| state.members.get(place)?.service.fields.get("tags").cloned()),
        (Some("task-definition"), Some(name), None) => {
            state.definitions.find(name).map(|definition| definition.tags.clone())
        }
        _ => return Err(invalid("The specified resource type is not supported.")),
    };
    let tags = tags.ok_or_else(|| invalid("The specified resource was not found."))?;
    Ok(json!({"tags": tags}))
}

fn describe_services(state: &mut State, sent: &Value) -> Result<Answer, Answer> {
    let names = texts(sent, "services");
    if names.is_empty() || names.len() > 10 {
        return Err(invalid("Services must have 1 to 10 elements."));
    }
    let cluster = cluster(state, sent)?;
    let tags = texts(sent, "include").contains(&"TAGS");
    let (mut found, mut failures) = (String::new(), Vec::new());
    for name in names {
        let Some(place) = state.place(cluster, name) else {
            let place = format!("service/{cluster}/{name}");
            failures.push(missing(&if name.starts_with("arn:") {
                name.to_owned()
            } else {
                arn("ecs", &place)
            }));
            continue;
        };
        if !found.is_empty() {
            found.push(',');
        }
        found.push_str(state.written(place, tags).unwrap_or("null"));
    }
    Ok(Answer::raw(200, format!(r#"{{"services":[{found}],"failures":{}}}"#, Value::Array(failures))))
}

fn update_service(state: &mut State, sent: &Value, at: Instant) -> Result<Answer, Answer> {
    let place = place(state, sent, "service")?;
    let State { members, definitions, .. } = state;
    let Some(member) = members.get_mut(place) else { return Err(invalid("Service not found.")) };
    if member.presence == Presence::Vanishing {
        member.presence = Presence::Gone;
        return Err(Answer::error(400, "ServiceNotFoundException", "Service not found."));
    }
    let wanted = updated(&mut member.service, definitions, sent)?;
    member.written = [None, None];
    state.note("ecs:UpdateService", sent, at);
    if let Some(wanted) = wanted {
        state.begin(place, &wanted, now());
    }
    let written = state.written(place, true).unwrap_or("null");
    Ok(Answer::raw(200, format!(r#"{{"service":{written}}}"#)))
}

/// The member that an ARN of a service deployment or a service revision names.
fn owner<'a>(state: &'a State, arn: &str) -> Option<&'a Member> {
    let mut parts = arn.split('/').skip(1);
    let place = state.place(parts.next()?, parts.next()?)?;
    state.members.get(place)
}

fn describe_service_deployments(state: &State, sent: &Value) -> Result<Value, Answer> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in twenty(sent, "serviceDeploymentArns")? {
        let described = owner(state, arn).and_then(|member| {
            let deployment = member.service.deployments.iter().find(|it| it.arn == arn)?;
            let mut written = shapes::service_deployment(&member.service, deployment);
            pausing(member, &mut written);
            Some(written)
        });
        match described {
            Some(deployment) => found.push(deployment),
            None => failures.push(missing(arn)),
        }
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}))
}

fn describe_service_revisions(state: &State, sent: &Value) -> Result<Value, Answer> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in twenty(sent, "serviceRevisionArns")? {
        let described = owner(state, arn).and_then(|member| {
            let deployed = member.service.deployments.iter().map(|it| &it.target.revision);
            let mut all = deployed.chain(member.older.iter().map(|it| &it.carried.revision));
            Some(shapes::revision(&member.service, all.find(|it| it.arn == arn)?))
        });
        match described {
            Some(revision) => found.push(revision),
            None => failures.push(missing(arn)),
        }
    }
    Ok(json!({"serviceRevisions": found, "failures": failures}))
}

/// Who filters by what started the tasks filters by nothing else (ECS API, `ListTasks`).
fn list_tasks(state: &State, sent: &Value) -> Result<Value, Answer> {
    let places = state.clusters.get(cluster(state, sent)?);
    let (family, begun_by) = (text(sent, "family"), text(sent, "startedBy"));
    let others = ["family", "serviceName", "containerInstance", "launchType"];
    if begun_by.is_some() && others.iter().any(|other| sent.get(other).is_some()) {
        return Err(invalid("startedBy must be the only filter."));
    }
    let wanted = sent.get("serviceName").map(|_| place(state, sent, "serviceName")).transpose()?;
    let stopped = match text(sent, "desiredStatus").unwrap_or("RUNNING") {
        "RUNNING" => false,
        "STOPPED" => true,
        // ECS never shows this one.
        "PENDING" => return arns("taskArns", Vec::new(), sent, 100),
        other => return Err(invalid(format!("Desired status {other} is not supported."))),
    };
    let all = places
        .into_iter()
        .flat_map(|places| places.values())
        .filter(|place| wanted.is_none_or(|wanted| wanted == **place))
        .filter_map(|place| state.members.get(*place))
        .filter(|member| {
            text(sent, "launchType").is_none_or(|kind| text_of(member, "launchType") == Some(kind))
        })
        .flat_map(|member| if stopped { &member.service.stopped } else { &member.tasks })
        .filter(|task| family.is_none_or(|family| split(&task.revision.task_definition).0 == family))
        .filter(|task| begun_by.is_none_or(|id| task.id == id))
        .map(|task| task.arn.clone())
        .collect();
    arns("taskArns", all, sent, 100)
}

fn describe_tasks(state: &State, sent: &Value) -> Result<Value, Answer> {
    let names = texts(sent, "tasks");
    if names.is_empty() || names.len() > 100 {
        return Err(invalid("Tasks must have 1 to 100 elements."));
    }
    let cluster = cluster(state, sent)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        // The first four digits of a task's id are the place of its service.
        let place = last(name).get(..4).and_then(|place| usize::from_str_radix(place, 16).ok());
        let member =
            place.and_then(|place| state.members.get(place)).filter(|it| it.service.cluster == cluster);
        let task = member.and_then(|member| {
            let mut tasks = member.tasks.iter().chain(&member.service.stopped);
            Some(shapes::task(&member.service, tasks.find(|task| last(&task.arn) == last(name))?))
        });
        match task {
            Some(task) => found.push(task),
            None => failures.push(missing(name)),
        }
    }
    Ok(json!({"tasks": found, "failures": failures}))
}
