//! Services by the names that people call them by, and how each stands.

use aws_sdk_cloudformation as cloudformation;
use deployment_watch::decision::Progress;
use deployment_watch::follow::View;
use serde_json::{Value, json};
use shared::target::Target;

use super::{each, shown};
use crate::Problem;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};
use crate::service::{self, Service, short};

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

/// How the last deployment of each service of the environment stands.
pub(super) async fn all(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    if reach.is_remote() {
        return Err(Problem::new(
            "all services are looked at with your own credentials; leave --remote out, or name one",
        ));
    }
    let labels = service::listed(reach.config(), &reach.stack).await?;
    let found = service::all(reach.config(), &labels).await?;
    let ours = |it: &Service| it.environment.as_ref().is_none_or(|its| *its == reach.stack.environment);
    let read = |it: Service| Some((it.cluster, View::read(it.described)?));
    let views = found.into_iter().filter(ours).filter_map(read);
    let lines: Vec<_> = views.map(|(cluster, view)| line(&cluster, &view)).collect();
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
    let revision = newest.as_ref().map(|newest| short(&newest.task_definition)).unwrap_or_default();
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
            ("under_way", format!("{revision} is on its way: wk monitor {cluster}/{}", short(&service.arn)))
        }
        Some((
            _,
            Progress::Failed { .. }
            | Progress::Unlisted { .. }
            | Progress::TooLate { .. }
            | Progress::Superseded { .. },
        )) => ("failed", format!("{revision} failed: wk diagnose {cluster}/{}", short(&service.arn))),
    };
    json!({"service": format!("{cluster}/{}", short(&service.arn)), "tasks": tasks, "standing": standing, "deployment": said})
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
