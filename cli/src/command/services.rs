//! Services by the names that people call them by, and how each stands.

use aws_sdk_cloudformation as cloudformation;
use aws_sdk_ecs as ecs;
use deployment_watch::decision::Progress;
use deployment_watch::follow::View;
use secret_redeploy::budget::{Budget, Family};
use serde_json::{Value, json};
use shared::error::Call;
use shared::tags;
use shared::target::Target;

use super::{each, shown};
use crate::Problem;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};
use crate::service;

/// ECS describes at most this many services in one call (ECS API, `DescribeServices`).
const AT_ONCE: usize = 10;

/// The service that is meant: `ecs:prod/web`, `prod/web`, or a name that only one service has.
pub(super) async fn service(reach: &Reach, text: &str) -> Result<Target, Problem> {
    match written(text)? {
        Some(target @ Target::Service { .. }) => Ok(target),
        Some(other) => {
            Err(Problem::new(format!("{other} is no service; write ecs:<cluster>/<service>, or its name")))
        }
        None => Ok(service::find(reach.config(), &reach.stack, text).await?.target()),
    }
}

/// The service or stack that is meant, or whatever target is written out.
pub(super) async fn target(reach: &Reach, text: &str) -> Result<Target, Problem> {
    if let Some(target) = written(text)? {
        return Ok(target);
    }
    let services = service::named(reach.config(), &reach.stack, text).await?;
    match (is_stack(reach, text).await, services.first()) {
        (true, None) => Ok(Target::Stack { name: text.to_owned() }),
        (true, Some(service)) => Err(Problem::new(format!(
            "a service and a stack are called {text}; say which: {}, or stack:{text}",
            service.target()
        ))),
        (false, _) => Ok(service::pick(services, &reach.stack, text)?.target()),
    }
}

/// What is written out; nothing where it is a name alone.
fn written(text: &str) -> Result<Option<Target>, Problem> {
    let full = match (text.contains(':'), text.contains('/')) {
        (true, _) => text.to_owned(),
        (false, true) => format!("ecs:{text}"),
        (false, false) => format!("stack:{text}"),
    };
    let target: Target = full.parse().map_err(Problem::new)?;
    Ok(Some(target).filter(|_| text.contains([':', '/'])))
}

async fn is_stack(reach: &Reach, name: &str) -> bool {
    // One that cannot be looked at is none that could be dealt with.
    cloudformation::Client::new(reach.config()).describe_stacks().stack_name(name).send().await.is_ok()
}

/// Every service of the clusters that are watched.
async fn listed(client: &ecs::Client, budget: &Budget, reach: &Reach) -> shared::Result<Vec<Target>> {
    let watched = reach.stack.setting("CLUSTERS").unwrap_or_default();
    let covers =
        |name: &str| watched.strip_suffix('*').map_or(watched == name, |start| name.starts_with(start));
    let mut clusters = Vec::new();
    let mut pages = client.list_clusters().into_paginator().send();
    budget.pace(Family::ClusterRead).await;
    while let Some(page) = pages.next().await {
        let arns = page.action("ecs:ListClusters")?.cluster_arns.unwrap_or_default();
        clusters.extend(arns.iter().map(|arn| last(arn)).filter(|name| covers(name)));
        budget.pace(Family::ClusterRead).await;
    }
    let mut services = Vec::new();
    for cluster in clusters {
        let mut pages = client.list_services().cluster(&cluster).max_results(100).into_paginator().send();
        budget.pace(Family::ServiceRead).await;
        while let Some(page) = pages.next().await {
            let arns = page.action("ecs:ListServices")?.service_arns.unwrap_or_default();
            let target = |arn: &String| Target::Service { cluster: cluster.clone(), service: last(arn) };
            services.extend(arns.iter().map(target));
            budget.pace(Family::ServiceRead).await;
        }
    }
    Ok(services)
}

fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

/// How the last deployment of each service of the environment stands.
pub(super) async fn all(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    if reach.is_remote() {
        return Err(Problem::new(
            "all services are looked at with your own credentials; leave --remote out, or name one",
        ));
    }
    let client = ecs::Client::new(reach.config());
    let budget = Budget::new();
    let services = listed(&client, &budget, reach).await?;
    let mut lines = Vec::new();
    let mut left = services.as_slice();
    while let Some(Target::Service { cluster, .. }) = left.first() {
        let alike =
            |target: &&Target| matches!(target, Target::Service { cluster: its, .. } if its == cluster);
        let some: Vec<&Target> = left.iter().take_while(alike).take(AT_ONCE).collect();
        left = left.get(some.len()..).unwrap_or_default();
        budget.pace(Family::ServiceRead).await;
        let names = some.iter().filter_map(|target| match target {
            Target::Service { service, .. } => Some(service.clone()),
            Target::Alias { .. } | Target::Stack { .. } => None,
        });
        let request = client.describe_services().cluster(cluster).set_services(Some(names.collect()));
        let answer = request.include(ecs::types::ServiceField::Tags).send().await;
        let found = answer.action("ecs:DescribeServices")?.services.unwrap_or_default();
        let views = found.into_iter().filter_map(View::read);
        let environment = &reach.stack.environment;
        let ours =
            |view: &View| view.service.tags.get(tags::ENVIRONMENT).is_none_or(|its| its == environment);
        lines.extend(views.filter(ours).map(|view| line(cluster, &view)));
    }
    let answer = json!({"services": lines});
    out.answer(&answer, |out| {
        let row = |it: &Value| vec![shown(it, "/service"), shown(it, "/tasks"), shown(it, "/deployment")];
        let rows: Vec<_> = each(&answer, "/services").map(row).collect();
        if rows.is_empty() {
            out.line(Tone::Plain, "no service of this environment was found");
        } else {
            out.table(&["SERVICE", "TASKS", "LAST DEPLOYMENT"], rows);
        }
    });
    let worst = each(&answer, "/services").filter_map(|it| it.get("standing")?.as_str()).max_by_key(rank);
    Ok(match worst.map_or(0, |worst| rank(&worst)) {
        0 => Exit::Good,
        1 => Exit::Warnings,
        _ => Exit::Errors,
    })
}

fn rank(standing: &&str) -> u8 {
    match *standing {
        "failed" => 2,
        "under_way" | "too_few_tasks" | "taken_back" => 1,
        _ => 0,
    }
}

/// One service in one line.
fn line(cluster: &str, view: &View) -> Value {
    let service = &view.service;
    let tasks = format!("{} of {}", service.running, service.desired);
    let newest = view.newest();
    let revision = newest.as_ref().map(|newest| last(&newest.task_definition)).unwrap_or_default();
    let (standing, said) = match newest.as_ref().map(|newest| (newest, newest.progress(service))) {
        None => ("unknown", format!("by {}", view.controller.as_deref().unwrap_or("nobody"))),
        Some((newest, Progress::Deployed { at })) if newest.takes_back => {
            ("taken_back", format!("rolled back by ECS to {revision} at {at:.0}"))
        }
        Some((_, Progress::Deployed { at })) if service.running < service.desired => {
            ("too_few_tasks", format!("{revision} at {at:.0}, but not all its tasks run"))
        }
        Some((_, Progress::Deployed { at })) => ("completed", format!("{revision} at {at:.0}")),
        Some((_, Progress::OnItsWay | Progress::NotMade)) => {
            ("under_way", format!("{revision} is on its way: wk monitor {cluster}/{}", last(&service.arn)))
        }
        Some((
            _,
            Progress::Failed { .. }
            | Progress::Unlisted { .. }
            | Progress::TooLate { .. }
            | Progress::Superseded { .. },
        )) => ("failed", format!("{revision} failed: wk diagnose {cluster}/{}", last(&service.arn))),
    };
    json!({"service": format!("{cluster}/{}", last(&service.arn)), "tasks": tasks, "standing": standing, "deployment": said})
}

#[cfg(test)]
mod tests {
    use super::written;

    #[track_caller]
    fn check(text: &str, expected: Result<Option<&str>, &str>) {
        match (written(text), expected) {
            (Ok(target), Ok(expected)) => {
                assert_eq!(target.map(|target| target.to_string()).as_deref(), expected);
            }
            (Err(problem), Err(said)) => assert!(problem.to_string().contains(said), "{problem}"),
            (read, expected) => panic!("{text}: {read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_is_written_out_needs_no_looking_up_and_what_is_no_name_is_refused() {
        check("ecs:prod/web", Ok(Some("ecs:prod/web")));
        check("prod/web", Ok(Some("ecs:prod/web")));
        check("lambda:orders:live", Ok(Some("lambda:orders:live")));
        check("stack:billing", Ok(Some("stack:billing")));
        check("web", Ok(None));
        for text in ["prod/web/1", "we b", "", "web:41"] {
            check(text, Err("is not a target"));
        }
    }
}
