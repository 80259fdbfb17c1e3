//! What is asked of services and stacks: a deployment is followed to its end, a count is set, one service is redeployed, a
//! stack is brought on.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::deployment::until;
use local::proxy::{Answer, Call, Proxy};
use local::recorded::Stacks;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Said, command, with, wk};
use crate::rig::put_policy;
use crate::stage::{PATIENCE, POLICY, Stage, Test};
use crate::world::{CLUSTER, World};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![
        ("a_deployment_is_followed_to_its_end_and_the_exit_code_tells_which", |stage| {
            monitor(stage).boxed_local()
        }),
        ("a_deployment_that_is_taken_back_is_told_with_what_its_tasks_died_of", |stage| {
            taken_back(stage).boxed_local()
        }),
        ("who_follows_a_deployment_may_leave_and_ecs_may_be_slow", |stage| patience(stage).boxed_local()),
        ("a_service_gets_another_count_planned_first", |stage| scale(stage).boxed_local()),
        ("one_service_is_redeployed_planned_first", |stage| redeploy(stage).boxed_local()),
        ("a_stack_is_brought_on_with_no_more_than_is_asked_for", |stage| fix(stage).boxed_local()),
        ("an_update_that_hangs_is_cancelled_where_that_is_asked_for", |stage| cancel(stage).boxed_local()),
    ]
}

async fn monitor(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-followed").await?;
    let said = wk(stage, &["monitor", "wk-followed", "--every", "1s"]).await?;
    said.expect(0, &["wk-followed:2", "1 of 1 running", "completed"])?
        .lines_with(&["wk-followed:2"])
        .shown("monitor")?;
    let named = format!("{CLUSTER}/{}", world.service);
    let said = wk(stage, &["--output", "json", "monitor", &named, "--every", "1s"]).await?.expect(0, &[])?;
    let objects: Vec<Value> = said.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let last = objects.last().context("it says nothing")?;
    ensure!(
        last["change"] == "outcome" && last["outcome"] == "completed" && last["exit"] == 0,
        "{objects:#?}"
    );

    let all = wk(stage, &["diagnose"]).await?;
    // The services of other tests may stand as they like.
    ensure!(
        (0..=2).contains(&all.exit) && all.out.contains(&named) && all.out.contains("wk-followed:2"),
        "{all:#?}"
    );
    Said { exit: 0, ..all }.lines_with(&["SERVICE", "wk-followed"]).shown("diagnose-all")?;
    wk(stage, &["diagnose", "wk-followed"]).await?.expect(0, &["proposed", "wk-followed:1"])?;
    wk(stage, &["monitor", "nothing-of-the-kind"])
        .await?
        .expect(3, &["there is no service nothing-of-the-kind"])?;
    let none = format!("{CLUSTER}/none");
    wk(stage, &["monitor", &none]).await?.expect(3, &["there is no service demo/none"])?;
    wk(stage, &["monitor", "stack:billing"]).await?.expect(3, &["is no service"])?;
    wk(stage, &["--remote", "monitor", &named]).await?.expect(3, &["leave --remote out"]).map(drop)
}

fn deployment(number: u32, revision: u32, status: &str, rollout: &str, counts: [i32; 3]) -> Value {
    let [running, pending, failed] = counts;
    let reason = if status == "PRIMARY" && number == 3 {
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
    } else {
        "ECS deployment ecs-svc/2 in progress."
    };
    json!({
        "id": format!("ecs-svc/{number}"), "status": status, "rolloutState": rollout, "rolloutStateReason": reason,
        "taskDefinition": format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/wk-double:{revision}"),
        "desiredCount": 2, "runningCount": running, "pendingCount": pending, "failedTasks": failed,
        "createdAt": 1_795_176_000 + 100 * number, "updatedAt": 1_795_176_050 + 100 * number,
    })
}

fn service(deployments: &[Value]) -> Value {
    json!({"failures": [], "services": [{
        "serviceArn": "arn:aws:ecs:eu-central-1:123456789012:service/demo/wk-double", "serviceName": "wk-double",
        "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "deployments": deployments,
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}},
        "events": [{"id": "1", "createdAt": 1_795_176_205, "message": "(service wk-double) has started 1 tasks: (task 0a)."}],
    }]})
}

/// ECS as it describes one service look by look, and then as in the last; everything else is real.
async fn looks(stage: &Stage, looks: Vec<Value>) -> anyhow::Result<Proxy> {
    let next = AtomicUsize::new(0);
    let answer = move |call: &Call| match call.action.as_str() {
        "ecs:DescribeServices" => {
            let look = next.fetch_add(1, Ordering::Relaxed).min(looks.len() - 1);
            Some(Answer::json(&looks[look]))
        }
        "ecs:ListTasks" => {
            Some(Answer::json(&json!({"taskArns": ["arn:aws:ecs:eu-central-1:123456789012:task/demo/0a"]})))
        }
        "ecs:DescribeTasks" => Some(Answer::json(&json!({"failures": [], "tasks": [{
            "taskArn": "arn:aws:ecs:eu-central-1:123456789012:task/demo/0a", "startedBy": "ecs-svc/2",
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "stoppedAt": 1_795_176_220, "containers": [{"name": "app", "exitCode": 1}],
        }]}))),
        "ecs:DescribeTaskDefinition" => {
            Some(Answer::json(&json!({"taskDefinition": {"containerDefinitions": []}})))
        }
        _ => None,
    };
    Proxy::forwarding_but(&stage.deployment.aws.endpoint(), answer).await
}

const FOLLOW: [&str; 4] = ["monitor", "ecs:demo/wk-double", "--every", "1s"];

async fn taken_back(stage: &Stage) -> anyhow::Result<()> {
    let old = |running| deployment(1, 1, "ACTIVE", "COMPLETED", [running, 0, 0]);
    let new = |counts| deployment(2, 2, "PRIMARY", "IN_PROGRESS", counts);
    let proxy = looks(
        stage,
        vec![
            service(&[new([0, 1, 0]), old(2)]),
            service(&[new([0, 1, 2]), old(2)]),
            service(&[
                deployment(3, 1, "PRIMARY", "IN_PROGRESS", [0, 1, 0]),
                deployment(2, 2, "ACTIVE", "FAILED", [0, 0, 3]),
                old(2),
            ]),
        ],
    );
    let proxy = proxy.await?;
    let said = with(stage, &FOLLOW, &[("AWS_ENDPOINT_URL", proxy.url())]).await?;
    let said = said.expect(
        1,
        &[
            "wk-double:2 in place of wk-double:1",
            "the circuit breaker rolls it back",
            "0 of 2 running, 1 pending",
            "event: has started 1 tasks",
            "task 0a stopped: container app exited with code 1",
            "wk-double:1 (rollback)",
            "rolled back: demo/wk-double goes back to wk-double:1",
        ],
    )?;
    let said = said.shown("monitor-taken-back")?;
    ensure!(!said.out.contains('\u{1b}'), "there is a trick of the terminal: {said:#?}");
    Ok(())
}

async fn patience(stage: &Stage) -> anyhow::Result<()> {
    let going = service(&[deployment(2, 2, "PRIMARY", "IN_PROGRESS", [1, 1, 0])]);
    let proxy = looks(stage, vec![going]).await?;
    let endpoint = [("AWS_ENDPOINT_URL", proxy.url())];
    let late = with(stage, &[FOLLOW.as_slice(), &["--timeout", "2s"]].concat(), &endpoint).await?;
    late.expect(2, &["timed out: the time is over", "its deployment goes on"])?;

    let mut following = command(stage, &FOLLOW, &endpoint)?;
    let mut following = following.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(following.stdout.take().context("no standard output")?).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.context("it says nothing")??;
    ensure!(line.is_some_and(|line| line.contains("wk-double:2")), "it begins with something else");
    let id = following.id().context("it has ended")?;
    kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGINT)?;
    let ended =
        tokio::time::timeout(PATIENCE, following.wait_with_output()).await.context("it goes on")??;
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(
        ended.status.code() == Some(130) && error.contains("the deployment goes on"),
        "{ended:?} {error}"
    );
    Ok(())
}

async fn scale(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "wk-scaled").await?;
    let desired = async || {
        let described =
            stage.ecs.describe_services().cluster(CLUSTER).services(&world.service).send().await?;
        let service = described.services().first().context("the service is gone")?;
        anyhow::Ok(service.desired_count())
    };
    let plan = ["would be set from 1 to 3 tasks", "nothing was changed", "--apply"];
    wk(stage, &["scale", "wk-scaled", "3"]).await?.expect(0, &plan)?.shown("scale-plan")?;
    wk(stage, &["--remote", "scale", "demo/wk-scaled", "3"]).await?.expect(0, &plan)?;
    wk(stage, &["scale", "wk-scaled", "0"]).await?.expect(0, &["Without a task nobody answers"])?;
    ensure!(desired().await? == 1, "a plan changes something");
    let done = wk(stage, &["scale", "wk-scaled", "3", "--apply", "--by", "ben"]).await?;
    done.expect(0, &["was set from 1 to 3 tasks", "wk scale ecs:demo/wk-scaled 1 --apply"])?
        .shown("scale-done")?;
    ensure!(desired().await? == 3, "nothing was done");
    let heard = world.notices(1).await?;
    ensure!(heard[0]["title"] == "demo/wk-scaled was set from 1 to 3 tasks by ben", "{:#}", heard[0]);
    wk(stage, &["scale", "wk-scaled", "3", "--apply"])
        .await?
        .expect(0, &["kept", "is to have 3 tasks already"])?;
    wk(stage, &["scale", "demo/none", "3"]).await?.expect(1, &["there is no service of that name"])?;
    wk(stage, &["scale", "wk-scaled", "5001"]).await?.expect(3, &["5000 tasks at most"])?;

    put_policy(stage, "dev", &format!("production: true\n{POLICY}")).await?;
    let ended = async {
        let without = wk(stage, &["scale", "wk-scaled", "2", "--apply"]).await?;
        without.expect(1, &["The policy expects at least 3 tasks", "--confirm SCALE"])?;
        ensure!(desired().await? == 3, "it was done without the word");
        let remote = ["--remote", "scale", "wk-scaled", "2", "--apply", "--confirm", "SCALE"];
        wk(stage, &remote).await?.expect(0, &["was set from 3 to 2 tasks"])?;
        ensure!(desired().await? == 2, "the function did nothing");
        Ok(())
    };
    let ended = ended.await;
    put_policy(stage, "dev", POLICY).await?;
    ended
}

async fn redeploy(stage: &Stage) -> anyhow::Result<()> {
    let careful = World::new(stage, "wk-redeployed-not").await?;
    let held = wk(stage, &["redeploy", "--service", "wk-redeployed-not", "--apply"]).await?;
    held.expect(1, &["held", "watchkeeper:redeploy = on"])?.shown("redeploy-service-held")?;
    ensure!(careful.memory().await?.redeploys.is_empty(), "it is redeployed all the same");

    let world = World::tagged(stage, "wk-redeployed", &[("watchkeeper:redeploy", "on")]).await?;
    let plan = wk(stage, &["redeploy", "--service", "wk-redeployed"]).await?;
    plan.expect(0, &["would be deployed anew, with wk-redeployed:2", "nothing was changed"])?
        .shown("redeploy-service-plan")?;
    wk(stage, &["--remote", "redeploy", "--service", "wk-redeployed"]).await?.expect(0, &["proposed"])?;
    ensure!(world.memory().await?.redeploys.is_empty(), "a plan is carried out");
    let done = wk(stage, &["redeploy", "--service", "wk-redeployed", "--apply", "--by", "ben"]).await?;
    done.expect(0, &["is deployed anew", "wk monitor ecs:demo/wk-redeployed"])?
        .shown("redeploy-service-done")?;
    let memory = world.memory().await?;
    let operation = memory.redeploys.first().context("nothing is remembered")?;
    ensure!(operation.asked_by.as_deref() == Some("ben") && operation.deployment.is_some(), "{operation:#?}");
    let heard = world.notices(1).await?;
    ensure!(heard[0]["title"] == "demo/wk-redeployed is redeployed by ben", "{:#}", heard[0]);
    wk(stage, &["monitor", "wk-redeployed", "--every", "1s"]).await?.expect(0, &["completed"])?;
    world.expect_revision(2).await
}

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

/// CloudFormation with these stacks beside the real ones.
async fn beside(stage: &Stage, stacks: &Stacks, name: &'static str) -> anyhow::Result<Proxy> {
    let answers = stacks.clone();
    let nested = stacks.nested(name).ok();
    let answer = move |call: &Call| {
        let named =
            |value: &str| value.contains(name) || nested.as_deref().is_some_and(|it| value.contains(it));
        let ours = call.form().iter().any(|(field, value)| field == "StackName" && named(value));
        if ours { answers.answer(call) } else { None }
    };
    Proxy::forwarding_but(&stage.deployment.aws.endpoint(), answer).await
}

async fn fix(stage: &Stage) -> anyhow::Result<()> {
    const NAME: &str = "wk-stuck";
    let stacks = Stacks::new().stuck(NAME).with_role(ROLE).steady("wk-stuck-well");
    let proxy = beside(stage, &stacks, NAME).await?;
    let endpoint = [("AWS_ENDPOINT_URL", proxy.url())];
    let ask = async |more: &[&str]| with(stage, &[&["stack", "fix", NAME], more].concat(), &endpoint).await;

    let plan = ask(&["--skip-unfixable"]).await?;
    plan.expect(0, &["would be continued", "Nothing is skipped yet", "nothing was changed"])?
        .shown("stack-fix-plan")?;
    ensure!(stacks.changes().is_empty(), "{:?}", stacks.changes());
    ask(&["--apply", "--by", "ben"]).await?.expect(0, &["continue the rollback of the stack wk-stuck"])?;
    ensure!(stacks.changes().len() == 1, "{:?}", stacks.changes());
    stacks.advance(NAME)?;

    // Once nobody waits for the end of the first any more.
    let blocked = format!("{}.Service", stacks.nested(NAME)?);
    let held = until(PATIENCE, async || {
        let said = ask(&[]).await?;
        Ok((!said.out.contains("in progress")).then_some(said))
    });
    let held = held.await?.context("it stays in progress")?;
    held.expect(1, &["continued once and failed again", &blocked, "--skip-unfixable"])?
        .shown("stack-fix-held")?;
    let plan = ask(&["--skip-unfixable"]).await?;
    plan.expect(0, &[&format!("continued without {blocked}"), "skips", "differ from the template"])?;
    ask(&["--skip-unfixable", "--apply"]).await?.expect(0, &["rolled back"])?;
    let changes = stacks.changes();
    ensure!(changes.len() == 2 && changes[1].sent.to_string().contains(&blocked), "{changes:?}");

    wk(stage, &["stack", "fix", "nothing-of-the-kind"])
        .await?
        .expect(3, &["there is no stack of that name"])?;
    let well = with(stage, &["--output", "json", "stack", "fix", "wk-stuck-well"], &endpoint).await?;
    let well = well.expect(0, &[])?.json()?;
    ensure!(well["standing"] == "well", "{well:#}");
    Ok(())
}

async fn cancel(stage: &Stage) -> anyhow::Result<()> {
    const NAME: &str = "wk-slow";
    let stacks = Stacks::new().updating(NAME, 40).with_role(ROLE);
    let proxy = beside(stage, &stacks, NAME).await?;
    let endpoint = [("AWS_ENDPOINT_URL", proxy.url())];
    let ask = async |more: &[&str]| with(stage, &[&["stack", "fix", NAME], more].concat(), &endpoint).await;
    ask(&["--apply"]).await?.expect(1, &["stuck in UPDATE_IN_PROGRESS", "--cancel-in-progress"])?;
    ask(&["--cancel-in-progress"]).await?.expect(0, &["would be cancelled", "nothing was changed"])?;
    ensure!(stacks.changes().is_empty(), "{:?}", stacks.changes());
    ask(&["--cancel-in-progress", "--apply"]).await?.expect(0, &["Cancelled the update"])?;
    let changes = stacks.changes();
    ensure!(changes.len() == 1 && changes[0].action == "cloudformation:CancelUpdateStack", "{changes:?}");
    Ok(())
}
