//! What a person asks for, and what the owners of an environment decided beforehand.

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use local::runtime_api::{Event, Outcome};
use serde_json::{Value, json};

use crate::rig::{Rig, expect, put_policy};
use crate::stage::{Stage, Test};
use crate::world::{By, CLUSTER, World, now};

pub(super) const TESTS: [(&str, Test); 5] = [
    ("by_hand_a_dry_run_changes_nothing_an_act_is_made_and_undone", |stage| by_hand(stage).boxed_local()),
    ("a_diagnosis_says_how_a_service_stands_and_changes_nothing", |stage| diagnosis(stage).boxed_local()),
    ("production_asks_for_the_word_before_it_is_rolled_back_by_hand", |stage| {
        production(stage).boxed_local()
    }),
    ("a_freeze_in_the_policy_turns_a_rollback_into_a_proposal", |stage| frozen(stage).boxed_local()),
    ("a_policy_that_cannot_be_understood_stops_everything_and_is_named_by_line_and_field", |stage| {
        malformed(stage).boxed_local()
    }),
];

async fn ask(stage: &Stage, event: Value) -> anyhow::Result<Value> {
    let answer = stage.invoke("AlarmRollbackFunction", &event).await?;
    answer.map_err(|error| anyhow::anyhow!("{event} failed: {error}"))
}

async fn by_hand(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "by-hand").await?;
    let target = format!("ecs:{CLUSTER}/by-hand");
    let answer = ask(stage, json!({"rollback": {"target": &target}})).await?;
    expect(&answer, "proposed", "this is a dry run")?;
    ensure!(answer["plan"]["to"].as_str().is_some_and(|to| to.ends_with("/by-hand:1")), "{answer:#}");
    ensure!(answer["command"].as_str().is_some_and(|command| command.contains(&target)), "{answer:#}");
    world.expect_revision(2).await?;
    ensure!(world.memory().await?.operations.is_empty(), "a dry run leaves its mark");

    let answer = ask(stage, json!({"rollback": {"target": &target, "dry_run": false, "by": "ann"}})).await?;
    expect(&answer, "rolled_back", "from by-hand:2 back to by-hand:1")?;
    world.expect_revision(1).await?;
    let told = world.notices(1).await?;
    ensure!(
        told[0]["summary"].as_str().is_some_and(|said| said.starts_with("ann asked for a rollback")),
        "{told:#?}"
    );

    let operation = answer["operation"].as_str().context("the answer names no operation")?;
    let undo = json!({"rollback": {"target": &target, "undo": operation, "dry_run": false}});
    expect(&ask(stage, undo).await?, "rolled_back", "from by-hand:1 back to by-hand:2")?;
    world.expect_revision(2).await?;
    let operations = world.memory().await?.operations;
    ensure!(
        operations.len() == 2 && operations[1].end.is_some(),
        "what was undone is not over: {operations:?}"
    );
    Ok(())
}

async fn diagnosis(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "diagnosed").await?;
    let answer = ask(stage, json!({"diagnose": {"target": format!("ecs:{CLUSTER}/diagnosed")}})).await?;
    expect(&answer["rollback"], "proposed", "diagnosed:1")?;
    ensure!(answer["now"].to_string().contains("diagnosed:2"), "{answer:#}");
    ensure!(answer["remembered"]["operations"] == json!([]), "{answer:#}");
    ensure!(answer["tasks"].is_object(), "nothing is said of its tasks: {answer:#}");
    world.expect_revision(2).await
}

async fn production(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "confirmed").await?;
    let rig = Rig::within(stage, "confirmed", "prod", |_| None).await?;
    let mut wanted = json!({"rollback": {"target": format!("ecs:{CLUSTER}/confirmed"), "dry_run": false}});
    expect(&rig.invoke(&wanted).await?, "held", "this is production")?;
    world.expect_revision(2).await?;

    wanted["rollback"]["confirm"] = json!("rollback");
    let Outcome::Error { kind, message } = rig.attempt(Event::new(&wanted)).await? else {
        anyhow::bail!("another word confirms, too");
    };
    ensure!(kind == "Permanent" && message.contains("the word is ROLLBACK"), "{kind}: {message}");
    world.expect_revision(2).await?;

    wanted["rollback"]["confirm"] = json!("ROLLBACK");
    expect(&rig.invoke(&wanted).await?, "rolled_back", "back to confirmed:1")?;
    world.expect_revision(1).await
}

/// A bad deployment, the functions in an environment with this policy, and what came of the alarm.
async fn under<'a>(
    stage: &'a Stage,
    service: &str,
    policy: &str,
) -> anyhow::Result<(World<'a>, Rig, Outcome)> {
    put_policy(stage, service, policy).await?;
    let world = World::new(stage, service).await?;
    let alarm = world.alarm("errors", false).await?;
    alarm.set(StateValue::Alarm).await?;
    let rig = Rig::within(stage, service, service, |_| None).await?;
    let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
    let outcome = rig.attempt(Event::new(&event)).await?;
    Ok((world, rig, outcome))
}

async fn frozen(stage: &Stage) -> anyhow::Result<()> {
    let (world, rig, outcome) = under(stage, "frozen", "freeze: true\n").await?;
    let Outcome::Ok(answer) = outcome else {
        anyhow::bail!("it ended with {outcome:?}");
    };
    expect(&answer, "proposed", "the policy freezes all changes")?;
    world.expect_revision(2).await?;
    let told = rig.newest(1)?;
    ensure!(told["title"] == "demo/frozen would be rolled back to frozen:1", "{told:#}");
    let step = "aws ecs update-service --cluster demo --service frozen --task-definition frozen:1";
    ensure!(told["next_steps"].to_string().contains(step), "{told:#}");
    Ok(())
}

async fn malformed(stage: &Stage) -> anyhow::Result<()> {
    let policy = "freeze: false\nrollback:\n  cooldown: soon\n";
    let (world, rig, outcome) = under(stage, "malformed", policy).await?;
    let Outcome::Error { kind, message } = outcome else {
        anyhow::bail!("it ended with {outcome:?}");
    };
    let place = "the policy /watchkeeper/malformed/policy, line 3: rollback.cooldown:";
    ensure!(kind == "Permanent" && message.contains(place), "{kind}: {message}");
    world.expect_revision(2).await?;
    ensure!(world.memory().await?.operations.is_empty(), "something was begun");
    let told = rig.newest(1)?;
    ensure!(told.to_string().contains(place), "the notice does not name line and field: {told:#}");
    Ok(())
}
