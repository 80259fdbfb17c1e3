//! A service that follows a real queue, with the role that is deployed.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::deployment::until;
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, Test};
use crate::world::{CLUSTER, World};

pub(super) const TESTS: [(&str, Test); 1] =
    [("a_service_gets_tasks_for_its_queue_and_people_hear_of_it", |stage| story(stage).boxed_local())];

/// As the policy of the stage names them.
const SERVICE: &str = "follow-web";
const QUEUE: &str = "follow-orders";

async fn ask(stage: &Stage, what: &str) -> anyhow::Result<Value> {
    let answer = stage.invoke("QueueScaleFunction", &json!({ "scale": what })).await?;
    let answer = answer.map_err(|error| anyhow::anyhow!("it failed: {error}"))?;
    answer["services"].get(0).cloned().with_context(|| format!("no service: {answer:#}"))
}

async fn desired(stage: &Stage) -> anyhow::Result<i32> {
    let described = stage.ecs.describe_services().cluster(CLUSTER).services(SERVICE).send().await?;
    Ok(described.services().first().context("no service")?.desired_count())
}

async fn story(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, SERVICE).await?;
    let queue = stage.sqs.create_queue().queue_name(QUEUE).send().await?.queue_url.context("no queue")?;
    for number in 0..7 {
        stage.sqs.send_message().queue_url(&queue).message_body(number.to_string()).send().await?;
    }
    let before = desired(stage).await?;
    let planned = ask(stage, "plan").await?;
    ensure!(planned["decided"]["step"] == "set" && planned["decided"]["scaling"]["to"] == 4, "{planned:#}");
    ensure!(desired(stage).await? == before, "a plan changes nothing");

    ask(stage, "all").await?;
    ensure!(desired(stage).await? == 4, "it was not scaled");
    let heard = world.notices(1).await?;
    let title = format!("{CLUSTER}/{SERVICE} scaled from {before} to 4 tasks");
    ensure!(heard[0]["title"] == title.as_str() && heard[0]["state"] == "firing", "{:#}", heard[0]);
    let again = ask(stage, "all").await?;
    ensure!(again["decided"]["why"]["because"] == "enough", "{again:#}");

    stage.sqs.purge_queue().queue_url(&queue).send().await?;
    let calm = until(PATIENCE, async || {
        let seen = ask(stage, "all").await?;
        Ok((seen["decided"]["why"]["because"] == "calm_until").then_some(()))
    });
    calm.await?.context("an empty queue is not calm")?;
    ensure!(desired(stage).await? == 4, "it is given time");

    // Somebody else sets the count: it stays.
    stage.ecs.update_service().cluster(CLUSTER).service(SERVICE).desired_count(2).send().await?;
    ask(stage, "all").await?;
    let left = ask(stage, "all").await?;
    ensure!(left["decided"]["why"]["because"] == "left_alone", "{left:#}");
    ensure!(desired(stage).await? == 2, "somebody else's count was changed");
    let heard = world.notices(2).await?;
    ensure!(heard.iter().any(|notice| notice["state"] == "resolved"), "{heard:#?}");
    Ok(())
}
