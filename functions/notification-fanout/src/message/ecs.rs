//! Amazon ECS: deployments, tasks that stopped, and what hinders a service. Shapes: Amazon ECS Developer Guide, "Amazon
//! ECS events".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Event, Told, encoded, fact, name_of, place_by, subject, text, time};
use super::letter::Letter;

/// An event of ECS that says something about a service or a task.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.ecs", content)?;
    match event.kind {
        "ECS Deployment State Change" => deployment(&event, letter),
        "ECS Task State Change" => task(&event, letter),
        "ECS Service Action" => action(&event, letter),
        _ => None,
    }
}

/// The cluster and the service of an ARN; those of the old form name no cluster.
fn service_of(arn: &str) -> Option<(Option<&str>, &str)> {
    let (_, rest) = arn.split_once(":service/")?;
    Some(rest.split_once('/').map_or((None, rest), |(cluster, service)| (Some(cluster), service)))
}

/// A notice about the service that the event is of.
fn of_service(
    event: &Event<'_>,
    letter: &Letter<'_>,
    what: &str,
    (state, severity): (State, Severity),
    said: &dyn Fn(&str) -> String,
) -> Option<Notice> {
    let arn = event.resource()?;
    let (cluster, service) = service_of(arn)?;
    let cluster = cluster.or_else(|| event.text("/clusterArn").map(name_of));
    let name = cluster.map_or_else(|| service.to_owned(), |cluster| format!("{cluster}/{service}"));
    let incident = format!("{what}:{arn}");
    let title = said(&name);
    let happened = event.text("/updatedAt").or_else(|| event.text("/createdAt")).and_then(time);
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("ecs-service", &name, Some(arn)),
        title: &title,
        time: happened.or(event.time()),
    };
    let mut notice = told.of(event, letter);
    notice.labels.insert("service".to_owned(), service.to_owned());
    notice.summary = match event.text("/reason") {
        Some(reason) => format!("{title}: {reason}"),
        None => format!("{title}."),
    };
    place_by(&mut notice, event.detail.get("tags"));
    if let (Some(cluster), Some(console)) = (cluster, event.console()) {
        let path = format!("ecs/v2/clusters/{}/services/{}/deployments", encoded(cluster), encoded(service));
        notice.labels.insert("cluster".to_owned(), cluster.to_owned());
        notice.links.push(console.link("Service", &path, ""));
    }
    Some(notice)
}

fn deployment(event: &Event<'_>, letter: &Letter<'_>) -> Option<Notice> {
    let name = event.text("/eventName")?;
    let (standing, said) = match name {
        "SERVICE_DEPLOYMENT_FAILED" => ((State::Firing, Severity::Sev2), "failed"),
        "SERVICE_DEPLOYMENT_COMPLETED" => ((State::Resolved, Severity::Sev4), "is done"),
        "SERVICE_DEPLOYMENT_IN_PROGRESS" => ((State::Info, Severity::Sev4), "goes on"),
        _ => return None,
    };
    let title = |service: &str| format!("The deployment of {service} {said}");
    let mut notice = of_service(event, letter, "ecs-deployment", standing, &title)?;
    fact(&mut notice, "Reason", event.text("/reason"));
    fact(&mut notice, "Deployment", event.text("/deploymentId"));
    if notice.state == State::Firing {
        notice.next_steps.push(
            "Look why its tasks do not stay up: the events of the service and the logs of the tasks."
                .to_owned(),
        );
    }
    Some(notice)
}

/// What hinders a service, until it is steady again.
fn action(event: &Event<'_>, letter: &Letter<'_>) -> Option<Notice> {
    let name = event.text("/eventName")?;
    let grave = event.text("/eventType");
    let said = match name {
        "SERVICE_STEADY_STATE" => "is steady",
        "SERVICE_TASK_START_IMPAIRED" => "cannot keep its tasks running",
        "SERVICE_TASK_PLACEMENT_FAILURE" => "finds no place for its tasks",
        "SERVICE_TASK_CONFIGURATION_FAILURE" => "has a configuration with which no task starts",
        "SERVICE_HEALTH_UNKNOWN" => "does not tell how well it is",
        "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY" => "has unhealthy tasks in service discovery",
        "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED" => "breaks its own placement constraints",
        "ECS_OPERATION_THROTTLED" | "SERVICE_DISCOVERY_OPERATION_THROTTLED" => "is throttled by AWS",
        "SERVICE_DESIRED_COUNT_UPDATED" => "has another desired count",
        _ => "has news",
    };
    let standing = match (name, grave) {
        ("SERVICE_STEADY_STATE", _) => (State::Resolved, Severity::Sev4),
        (_, Some("ERROR")) => (State::Firing, Severity::Sev2),
        (_, Some("WARN")) => (State::Firing, Severity::Sev3),
        (_, _) => (State::Info, Severity::Sev4),
    };
    let title = |service: &str| format!("{service} {said}");
    let mut notice = of_service(event, letter, "ecs-service", standing, &title)?;
    notice.fact("Event", name);
    fact(&mut notice, "Reason", event.text("/reason"));
    if notice.state == State::Firing {
        let step = match name {
            "SERVICE_TASK_PLACEMENT_FAILURE" => {
                "Look whether the capacity provider has room: Spot, instances, addresses."
            }
            _ => "Look at the events of the service and at why its last tasks stopped.",
        };
        notice.next_steps.push(step.to_owned());
    }
    Some(notice)
}

/// A task that stopped. Nothing ends that, so that it is for the record; what it does to the service is told of the
/// service.
fn task(event: &Event<'_>, letter: &Letter<'_>) -> Option<Notice> {
    let arn = event.text("/taskArn").or(event.resource())?;
    let status = event.text("/lastStatus")?;
    let cluster = event.text("/clusterArn").map(name_of);
    let of = event.text("/group").and_then(|group| group.strip_prefix("service:"));
    let of = of.or_else(|| event.text("/group")).unwrap_or_else(|| name_of(arn));
    let name = cluster.map_or_else(|| of.to_owned(), |cluster| format!("{cluster}/{of}"));
    let code = event.text("/stopCode");
    let reason = event.text("/stoppedReason");
    let failed: Vec<_> =
        containers(event).filter(|(_, exit, _)| exit.is_some_and(|exit| exit != 0)).collect();
    let (said, severity) = match (status, code) {
        ("STOPPED", Some("TaskFailedToStart")) => ("could not start", Severity::Sev3),
        ("STOPPED", Some("EssentialContainerExited")) if !failed.is_empty() => {
            ("ended by itself", Severity::Sev3)
        }
        ("STOPPED", Some("SpotInterruption")) => ("was taken back by Spot", Severity::Sev4),
        ("STOPPED", _) => ("stopped", Severity::Sev4),
        (_, _) => ("changed", Severity::Sev4),
    };
    let title = format!("A task of {name} {said}");
    let incident = format!("ecs-task:{arn}");
    let told = Told {
        incident: &incident,
        state: State::Info,
        severity,
        subject: subject("ecs-task", &name, Some(arn)),
        title: &title,
        time: event.text("/stoppedAt").or_else(|| event.text("/updatedAt")).and_then(time).or(event.time()),
    };
    let mut notice = told.of(event, letter);
    notice.labels.insert("service".to_owned(), of.to_owned());
    notice.summary = match reason {
        Some(reason) => format!("{title}: {reason}"),
        None => format!("{title}: it is {status}."),
    };
    fact(&mut notice, "Stopped because", code);
    fact(
        &mut notice,
        "Task definition",
        event.text("/taskDefinitionArn").map(|arn| arn.rsplit('/').next().unwrap_or(arn)),
    );
    for (container, exit, said) in containers(event).take(10) {
        match (exit, said) {
            (Some(exit), Some(said)) => {
                notice.fact("Container", format!("{container} exited with {exit}: {said}"));
            }
            (Some(exit), None) => notice.fact("Container", format!("{container} exited with {exit}")),
            (None, Some(said)) => notice.fact("Container", format!("{container}: {said}")),
            (None, None) => {}
        }
    }
    if severity == Severity::Sev3 {
        notice.next_steps.push(format!("Read the log of the task {}.", name_of(arn)));
    }
    if let (Some(cluster), Some(console)) = (cluster, event.console()) {
        let path = format!("ecs/v2/clusters/{}/tasks/{}", encoded(cluster), encoded(name_of(arn)));
        notice.labels.insert("cluster".to_owned(), cluster.to_owned());
        notice.links.push(console.link("Task", &path, ""));
    }
    Some(notice)
}

/// The containers of a task: name, exit code, reason.
fn containers<'a>(event: &Event<'a>) -> impl Iterator<Item = (&'a str, Option<i64>, Option<&'a str>)> {
    let all = event.detail.get("containers").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|container| {
        let exit = container.get("exitCode").and_then(Value::as_i64);
        Some((text(container, "/name")?, exit, text(container, "/reason")))
    })
}
