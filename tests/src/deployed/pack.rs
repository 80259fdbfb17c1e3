//! The alarm pack: one stack for a service, and its alarms need no further wiring.

use anyhow::{Context, ensure};
use aws_sdk_cloudformation::types::{Parameter, StackStatus};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;

use crate::rig::expect;
use crate::stage::{PATIENCE, Stage, Test};
use crate::world::{Alarm, By, CLUSTER, World, now};

pub(super) const TESTS: [(&str, Test); 1] =
    [("an_alarm_of_the_pack_rolls_its_service_back_without_further_wiring", |stage| {
        pack(stage).boxed_local()
    })];

const STACK: &str = "pack-web-alarms";

async fn pack(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "pack-web").await?;
    deploy(stage).await?;

    let name = format!("ecs/{CLUSTER}/pack-web/cpu-high");
    let alarm = Alarm::of_service(stage, &name, CLUSTER, "pack-web");
    alarm.set(StateValue::Alarm).await.context("the pack has no such alarm")?;
    let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
    let answer = stage.invoke("AlarmRollbackFunction", &event).await?;
    let answer = answer.map_err(|error| anyhow::anyhow!("the invocation failed: {error}"))?;
    expect(&answer, "rolled_back", "from pack-web:2 back to pack-web:1")?;
    world.expect_revision(1).await
}

/// Without a load balancer: what local AWS takes of the pack are the alarms on ECS's own metrics.
async fn deploy(stage: &Stage) -> anyhow::Result<()> {
    let template = std::fs::read_to_string(local::place::root().join("alarms.yaml"))?;
    let parameters = [("Environment", "dev"), ("Cluster", CLUSTER), ("Service", "pack-web")];
    let parameters = parameters
        .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build());
    let cloudformation = &stage.cloudformation;
    let created = cloudformation.create_stack().stack_name(STACK).template_body(template);
    created.set_parameters(Some(parameters.into())).send().await?;
    let ended = local::deployment::until(PATIENCE, async || {
        let described = cloudformation.describe_stacks().stack_name(STACK).send().await?;
        let stack = described.stacks.unwrap_or_default().pop().context("the stack is not there")?;
        Ok((stack.stack_status != Some(StackStatus::CreateInProgress)).then_some(stack))
    });
    let stack = ended.await?.context("the stack is still being made")?;
    ensure!(stack.stack_status == Some(StackStatus::CreateComplete), "{stack:?}");
    Ok(())
}
