//! Calls that are refused: what is denied is named, and nothing is half done; what is throttled costs time only.

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use local::proxy::{Fault, When};

use super::killed::{expect_end, scene};
use super::scene::Named;
use crate::stage::Stage;

pub(super) const TESTS: [Named; 4] = [
    ("a_call_that_is_throttled_once_changes_nothing", |stage| {
        each(stage, "throttled", Fault::Throttle).boxed_local()
    }),
    ("a_call_whose_connection_breaks_before_it_arrives_changes_nothing", |stage| {
        each(stage, "cut-before", Fault::CutBefore).boxed_local()
    }),
    ("a_call_whose_answer_is_lost_changes_nothing", |stage| {
        each(stage, "cut-after", Fault::CutAfter).boxed_local()
    }),
    ("a_call_that_is_denied_is_named_and_nothing_is_done_on_a_guess", |stage| denied(stage).boxed_local()),
];

const SIDE_BY_SIDE: usize = 5;

/// What AWS is asked for, in the order of the first call; learned, not listed.
async fn actions(stage: &Stage, name: &str) -> anyhow::Result<Vec<String>> {
    let (mut scene, mut db) = scene(stage, &format!("{name}-not-at-all")).await?;
    db.change().await?;
    scene.follow(&db).await?;
    expect_end(&scene, &db).await?;
    let mut actions: Vec<String> = Vec::new();
    for call in scene.proxy.calls() {
        if !actions.contains(&call.action) {
            actions.push(call.action);
        }
    }
    for action in ["ecs:UpdateService", "codedeploy:CreateDeployment", "ecs:RegisterTaskDefinition"] {
        ensure!(actions.iter().any(|it| it == action), "{action} is not among {actions:?}");
    }
    Ok(actions)
}

/// A fault in the first call of each action, one after the other.
async fn each(stage: &Stage, name: &str, fault: Fault) -> anyhow::Result<()> {
    let actions = actions(stage, name).await?;
    let one = async |(index, action): (usize, &String)| {
        let told = async {
            let (mut scene, mut db) = scene(stage, &format!("{name}-{index}")).await?;
            scene.proxy.inject(action, When::First(1), fault);
            db.change().await?;
            scene.tell(&db.moved()).await?;
            scene.until_over().await?;
            expect_end(&scene, &db).await?;
            scene.close().await
        };
        told.await.with_context(|| format!("with {fault:?} in the first {action}"))
    };
    stream::iter(actions.iter().enumerate()).map(one).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn denied(stage: &Stage) -> anyhow::Result<()> {
    let actions = actions(stage, "denied").await?;
    let one = async |(index, action): (usize, &String)| {
        denied_one(stage, index, action).await.with_context(|| format!("with {action} denied"))
    };
    stream::iter(actions.iter().enumerate()).map(one).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn denied_one(stage: &Stage, index: usize, action: &str) -> anyhow::Result<()> {
    let (mut scene, mut db) = scene(stage, &format!("denied-{index}")).await?;
    scene.proxy.inject(action, When::Always, Fault::Deny);
    db.change().await?;
    scene.tell(&db.moved()).await?;
    // As often as a few hours bring its message.
    for _ in 0..5 {
        scene.run().await?;
        scene.hurry();
    }
    // A transaction needs dynamodb:PutItem and has no name of its own in IAM.
    let named = if action.starts_with("dynamodb:Transact") { "dynamodb:PutItem" } else { action };
    let seen = scene.seen.iter();
    let reports: Vec<String> = seen
        .flat_map(|seen| [std::slice::from_ref(&seen.reason), seen.messages.as_slice()].concat())
        .collect();
    let in_a_notice = scene.notices().iter().any(|notice| notice.to_string().contains(named));
    let in_a_report = reports.iter().any(|report| report.contains(named));
    // Giving a message back is the queue's business, too: its visibility time-out does it as well.
    let is_courtesy = action == "sqs:ChangeMessageVisibility";
    ensure!(in_a_notice || in_a_report || is_courtesy, "nobody is told of {named}: {reports:#?}");
    let updated = scene.updated();
    let mut once = updated.clone();
    once.dedup();
    ensure!(updated == once, "{updated:?}");

    // Once it is allowed, what is not over goes on.
    scene.proxy.heal();
    if scene.redeploys.is_empty() {
        scene.tell(&db.moved()).await?;
    }
    scene.until_over().await?;
    let updated = scene.updated();
    let mut once = updated.clone();
    once.dedup();
    ensure!(updated == once, "{updated:?}");
    let over = scene.redeploy().await?;
    ensure!(over.phase.is_over(), "{over:?}");
    scene.close().await
}
