//! Stacks that are stuck, and those that a wrong call would delete.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::recorded::{Change, Stacks};
use serde_json::{Value, json};

use crate::rig::{Rig, expect, put_policy};
use crate::stage::{Stage, Test};
use crate::world::now;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

pub(super) const TESTS: [(&str, Test); 5] = [
    ("a_stuck_rollback_is_continued_and_then_only_what_blocks_it_is_proposed_to_be_skipped", |stage| {
        continued(stage).boxed_local()
    }),
    ("where_the_policy_allows_it_exactly_what_blocks_a_rollback_is_skipped", |stage| {
        skipped(stage).boxed_local()
    }),
    ("a_stack_that_was_never_created_is_not_rolled_back_because_that_would_delete_it", |stage| {
        never_created(stage).boxed_local()
    }),
    ("a_stuck_stack_without_a_service_role_is_left_to_a_person", |stage| without_role(stage).boxed_local()),
    ("a_sweep_finds_an_update_that_hangs_for_40_minutes_and_tells_of_it", |stage| swept(stage).boxed_local()),
];

async fn rig(stage: &Stage, name: &str, environment: &str, stacks: &Stacks) -> anyhow::Result<Rig> {
    let answers = stacks.clone();
    Rig::within(stage, name, environment, move |call| answers.answer(call)).await
}

/// The event of a stack that came to a status (CloudFormation User Guide, "Stack Status Change event detail").
fn event(stacks: &Stacks, name: &str) -> anyhow::Result<Value> {
    let id = stacks.id(name)?;
    Ok(json!({
        "version": "0",
        "source": "aws.cloudformation",
        "detail-type": "CloudFormation Stack Status Change",
        "time": now(),
        "resources": [&id],
        "detail": {"stack-id": &id, "status-details": {"status": stacks.status(name)?, "status-reason": ""}},
    }))
}

fn by_hand(name: &str) -> Value {
    json!({"rollback": {"target": format!("stack:{name}"), "dry_run": false, "by": "a test"}})
}

/// The resources that a call skips.
fn skips(change: &Change) -> Vec<&str> {
    let sent = change.sent.as_object().into_iter().flatten();
    sent.filter(|(name, _)| name.starts_with("ResourcesToSkip"))
        .filter_map(|(_, value)| value.as_str())
        .collect()
}

async fn continued(stage: &Stage) -> anyhow::Result<()> {
    let stacks = Stacks::new().stuck("shop-held").with_role(ROLE);
    let rig = rig(stage, "shop-held", "dev", &stacks).await?;
    let blocked = format!("{}.Service", stacks.nested("shop-held")?);

    expect(
        &rig.invoke(&event(&stacks, "shop-held")?).await?,
        "rolled_back",
        "continue the rollback of the stack shop-held",
    )?;
    let changes = stacks.changes();
    ensure!(
        changes.len() == 1 && changes[0].action == "cloudformation:ContinueUpdateRollback",
        "{changes:?}"
    );
    ensure!(skips(&changes[0]).is_empty(), "it skips before it tried without: {changes:?}");
    rig.look().await?.expect("waiting", "on its way")?;

    let status = stacks.advance("shop-held")?;
    ensure!(status == "UPDATE_ROLLBACK_FAILED", "{status}");
    rig.look().await?.expect("failed_rollback", "was not rolled back")?;
    let told = rig.newest(2)?;
    ensure!(told["severity"] == "sev1" && told["state"] == "firing", "{told:#}");

    let answer = rig.invoke(&event(&stacks, "shop-held")?).await?;
    expect(&answer, "held", "continued once and failed again")?;
    let step = answer["next_step"].as_str().context("there is no next step")?;
    let (_, proposed) =
        step.split_once("--resources-to-skip ").with_context(|| format!("no command in {step}"))?;
    let proposed: Vec<_> = proposed.split(" (").next().unwrap_or_default().split(' ').collect();
    ensure!(proposed == [blocked.as_str()], "it proposes to skip {proposed:?}, not only {blocked}");
    ensure!(stacks.changes().len() == 1, "{:?}", stacks.changes());
    Ok(())
}

async fn skipped(stage: &Stage) -> anyhow::Result<()> {
    let policy = "rollback:\n  stacks:\n    skip_resources: true\n";
    put_policy(stage, "skipping", policy).await?;
    let stacks = Stacks::new().stuck("shop-skipped").with_role(ROLE);
    let rig = rig(stage, "shop-skipped", "skipping", &stacks).await?;
    let blocked = format!("{}.Service", stacks.nested("shop-skipped")?);

    expect(&rig.invoke(&by_hand("shop-skipped")).await?, "rolled_back", "continue the rollback")?;
    stacks.advance("shop-skipped")?;
    rig.look().await?.expect("failed_rollback", "was not rolled back")?;

    expect(&rig.invoke(&by_hand("shop-skipped")).await?, "rolled_back", "continue the rollback")?;
    let changes = stacks.changes();
    ensure!(
        changes.len() == 2 && skips(&changes[1]) == [blocked.as_str()],
        "not only {blocked}: {changes:?}"
    );
    let status = stacks.advance("shop-skipped")?;
    ensure!(status == "UPDATE_ROLLBACK_COMPLETE", "{status}");
    rig.look().await?.expect("recovered", "its rollback was continued and is complete")
}

async fn never_created(stage: &Stage) -> anyhow::Result<()> {
    let stacks = Stacks::new().never_created("shop-new").with_role(ROLE);
    let rig = rig(stage, "shop-new", "dev", &stacks).await?;
    expect(&rig.invoke(&by_hand("shop-new")).await?, "held", "RollbackStack would delete it")?;
    ensure!(
        rig.invoke(&event(&stacks, "shop-new")?).await?["outcome"] == "ignored",
        "a creation is nobody's rollback"
    );
    let asked = rig.proxy.count("cloudformation:RollbackStack");
    ensure!(asked == 0 && stacks.changes().is_empty(), "{:?}", stacks.changes());
    ensure!(stacks.status("shop-new")? == "CREATE_FAILED", "{}", stacks.status("shop-new")?);
    Ok(())
}

async fn without_role(stage: &Stage) -> anyhow::Result<()> {
    let stacks = Stacks::new().stuck("shop-bare");
    let rig = rig(stage, "shop-bare", "dev", &stacks).await?;
    expect(&rig.invoke(&event(&stacks, "shop-bare")?).await?, "held", "the stack has no service role")?;
    let told = rig.newest(1)?;
    let command = "aws cloudformation continue-update-rollback --stack-name shop-bare";
    ensure!(told["next_steps"].to_string().contains(command), "{told:#}");
    ensure!(stacks.changes().is_empty(), "{:?}", stacks.changes());
    Ok(())
}

async fn swept(stage: &Stage) -> anyhow::Result<()> {
    let stacks = Stacks::new().steady("shop-well").with_role(ROLE).updating("shop-slow", 40).with_role(ROLE);
    let rig = rig(stage, "shop-slow", "dev", &stacks).await?;
    let answer = rig.invoke(&json!({"sweep": "stacks"})).await?;
    expect(&answer, "held", "the stack is stuck in UPDATE_IN_PROGRESS since")?;
    expect(&answer, "held", "it waits for Service (AWS::ECS::Service)")?;
    let told = rig.newest(1)?;
    ensure!(told["subject"]["id"] == "shop-slow" && told["severity"] == "sev2", "{told:#}");
    ensure!(
        told["next_steps"].to_string().contains("cancel-update-stack --stack-name shop-slow"),
        "{told:#}"
    );
    // The next sweep, ten minutes later, says nothing new.
    ensure!(
        rig.invoke(&json!({"sweep": "stacks"})).await?["outcome"] == "ignored",
        "it is told again and again"
    );
    ensure!(stacks.changes().is_empty(), "{:?}", stacks.changes());
    Ok(())
}
