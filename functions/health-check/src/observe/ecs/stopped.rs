//! The stopped tasks of services: listed per service, described a hundred in a call.

use aws_sdk_ecs::types as ecs;
use futures_util::future::join_all;
use shared::ecs::read_task;
use shared::error::Call;
use shared::{Error, Result};

use super::{split, words};
use crate::component::{Component, Kind};
use crate::decision::kind::stopped_tasks::{Facts, verdict};
use crate::sweep::{Api, Ask, Pages};

/// ECS lists and describes at most this many tasks in one call (ECS API, `ListTasks` and `DescribeTasks`).
const AT_ONCE: i32 = 100;

/// A service that is active.
pub(super) struct Alive {
    pub(super) service: Component,
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) task_definition: Option<Component>,
}

/// Checks those of all of them.
pub(super) async fn check(ask: &Ask<'_>, services: &[Alive]) {
    join_all(services.iter().map(|service| one(ask, service))).await;
}

async fn one(ask: &Ask<'_>, of: &Alive) {
    let tags = of.service.tags.clone();
    let stopped = Component { tags, ..Component::new(Kind::StoppedTasks, of.service.name.clone()) };
    let mut facts = Facts { desired: of.desired, running: of.running, ..Facts::default() };
    // Whoever scaled it to zero meant all of them to stop.
    let error = if of.desired == 0 { None } else { read(ask, &of.service.name, &mut facts).await.err() };
    match error {
        Some(error) if facts.tasks.is_empty() => ask.unknown(&stopped, &error),
        error => {
            facts.unread = error.as_ref().map(words);
            ask.say(&stopped, verdict(&facts, ask.now));
        }
    }
    ask.needs(&of.service, stopped.clone());
    if let Some(task_definition) = &of.task_definition {
        ask.needs(&stopped, task_definition.clone());
    }
}

/// Reads all that ECS still has; what was read before a call that failed stays.
async fn read(ask: &Ask<'_>, name: &str, facts: &mut Facts) -> Result<()> {
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let (arns, next) = list(ask, name, token).await?;
        if !arns.is_empty() {
            describe(ask, name, arns, facts).await?;
        }
        token = pages.next(next)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

async fn list(ask: &Ask<'_>, name: &str, token: Option<String>) -> Result<(Vec<String>, Option<String>)> {
    let (cluster, service) = split(name);
    let _turn = ask.turn(Api::EcsTasks).await;
    let answer = ask
        .clients
        .ecs()
        .list_tasks()
        .cluster(cluster)
        .service_name(service)
        .desired_status(ecs::DesiredStatus::Stopped)
        .max_results(AT_ONCE)
        .set_next_token(token)
        .send()
        .await
        .action("ecs:ListTasks")?;
    let Some(arns) = answer.task_arns else {
        return Err(Error::Malformed("ECS does not say which tasks there are".to_owned()));
    };
    Ok((arns, answer.next_token))
}

async fn describe(ask: &Ask<'_>, name: &str, arns: Vec<String>, facts: &mut Facts) -> Result<()> {
    let listed = arns.len();
    let _turn = ask.turn(Api::EcsTasks).await;
    let answer = ask
        .clients
        .ecs()
        .describe_tasks()
        .cluster(split(name).0)
        .set_tasks(Some(arns))
        .send()
        .await
        .action("ecs:DescribeTasks")?;
    // Between the two calls, ECS may have forgotten some.
    let forgotten = answer.failures().iter().filter(|failure| failure.reason() == Some("MISSING")).count();
    let tasks = answer.tasks.unwrap_or_default();
    facts.untold += listed.saturating_sub(forgotten + tasks.len());
    facts.tasks.extend(tasks.into_iter().map(read_task));
    Ok(())
}
