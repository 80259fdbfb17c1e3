//! ECS with its memory: deployments in flight, their races, and what ECS does by itself.

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use jiff::SignedDuration;
use local::recorded::{Deployments, Status};
use serde_json::{Value, json};
use shared::ledger::incident::{Incident, alarm_key};
use shared::ledger::operation::{Begun, End, Means, Operation};
use shared::ledger::revision::Standing;
use shared::notice::State;

use super::registry;
use crate::rig::{Rig, batch, expect, fact, timer};
use crate::stage::{Stage, Test};
use crate::world::{Alarm, By, now, recall};

const CLUSTER: &str = "recorded";

/// The tags under which the registry has every image.
const TAGS: [&str; 3] = ["1", "2", "3"];

pub(super) const TESTS: [(&str, Test); 8] = [
    ("a_deployment_in_flight_is_stopped_and_followed_until_ecs_is_back", |stage| {
        in_flight(stage).boxed_local()
    }),
    ("a_deployment_that_finishes_just_before_it_is_stopped_is_rolled_back_all_the_same", |stage| {
        finished_meanwhile(stage).boxed_local()
    }),
    ("what_ecs_is_rolling_back_already_is_left_to_ecs", |stage| rolling_back(stage).boxed_local()),
    ("a_redeployment_of_the_same_code_is_called_rotation_related_and_left_alone", |stage| {
        rotation(stage).boxed_local()
    }),
    ("a_rollback_behind_a_tag_that_moved_deploys_the_digest_that_ran", |stage| moved(stage).boxed_local()),
    ("a_deployment_that_ecs_took_back_is_explained_though_nobody_asked", |stage| {
        circuit_breaker(stage).boxed_local()
    }),
    ("a_rollback_that_cannot_be_deployed_is_urgent_and_brings_no_second_one", |stage| {
        failed(stage).boxed_local()
    }),
    ("an_alarm_that_outlasts_the_time_of_the_policy_is_escalated", |stage| unhealed(stage).boxed_local()),
];

/// A service in the double, both functions in front of it, and its alarm, which fires.
struct Scene<'a> {
    rig: Rig,
    double: Deployments,
    alarm: Alarm<'a>,
    service: &'static str,
}

impl<'a> Scene<'a> {
    async fn new(
        stage: &'a Stage,
        service: &'static str,
        tags: &'static [&'static str],
        build: impl FnOnce(Deployments) -> Deployments,
    ) -> anyhow::Result<Self> {
        let double = build(Deployments::new(CLUSTER, service));
        let answers = double.clone();
        let rig = Rig::new(stage, service, move |call| answers.answer(call).or_else(|| registry(call, tags)))
            .await?;
        let alarm = Alarm::of_service(stage, &format!("{service}-errors"), CLUSTER, service);
        alarm.put(false).await?;
        alarm.set(StateValue::Alarm).await?;
        Ok(Self { rig, double, alarm, service })
    }

    /// The alarm's change arrives.
    async fn fire(&self) -> anyhow::Result<Value> {
        self.rig.invoke(&self.alarm.event(By::EventBridge, "OK", "ALARM", now())?).await
    }

    /// The calls that changed something, in their order.
    fn changes(&self) -> Vec<String> {
        self.double.changes().into_iter().map(|change| change.action).collect()
    }

    fn expect_changes(&self, expected: &[&str]) -> anyhow::Result<()> {
        let changes = self.changes();
        ensure!(changes == expected, "{}: {changes:?}", self.service);
        Ok(())
    }

    fn expect_running(&self, task_definition: &str) -> anyhow::Result<()> {
        let running = self.double.running(self.service)?;
        ensure!(running.task_definition == task_definition, "{running:?}");
        Ok(())
    }

    fn target(&self) -> String {
        format!("ecs:{CLUSTER}/{}", self.service)
    }

    /// An event of ECS about one of its deployments (ECS Developer Guide, "Amazon ECS service deployment state change
    /// events").
    fn deployment_event(&self, deployment: &str, name: &str, reason: &str) -> Value {
        let kind = if name.ends_with("FAILED") { "ERROR" } else { "INFO" };
        let arn = format!(
            "arn:aws:ecs:{}:{}:service/{CLUSTER}/{}",
            local::aws::REGION,
            local::aws::ACCOUNT,
            self.service
        );
        json!({
            "version": "0",
            "detail-type": "ECS Deployment State Change",
            "source": "aws.ecs",
            "time": now(),
            "resources": [arn],
            "detail": {"eventType": kind, "eventName": name, "deploymentId": deployment, "updatedAt": now(),
                "reason": reason},
        })
    }
}

async fn in_flight(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "in-flight", &TAGS, |double| {
        double.deployed("in-flight:1", 600, "one").deploying("in-flight:2", 5, "two")
    })
    .await?;
    expect(&scene.fire().await?, "rolled_back", "Stopped the deployment of in-flight:2")?;
    scene.expect_changes(&["ecs:StopServiceDeployment"])?;
    ensure!(scene.double.changes()[0].sent["stopType"] == "ROLLBACK", "{:?}", scene.double.changes());
    scene.rig.look().await?.expect("waiting", "on its way")?;

    let status = scene.double.complete("in-flight")?;
    ensure!(status == Status::RollbackSuccessful, "{status}");
    scene.expect_running("in-flight:1")?;
    scene.rig.look().await?.expect("waiting", "the alarm in-flight-errors has until")?;
    scene.rig.newest(1)?;

    scene.alarm.set(StateValue::Ok).await?;
    scene.rig.look().await?.expect("recovered", "healthy again: rolled back to in-flight:1")?;
    let closing = scene.rig.newest(2)?;
    ensure!(closing["state"] == "resolved", "{closing:#}");
    ensure!(closing["incident"] == scene.rig.notices()[0]["incident"], "{closing:#}");
    scene.expect_changes(&["ecs:StopServiceDeployment"])
}

async fn finished_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "too-late", &TAGS, |double| {
        let double = double.deployed("too-late:1", 600, "one").deploying("too-late:2", 5, "two");
        double.finishing_before_stop()
    })
    .await?;
    expect(&scene.fire().await?, "rolled_back", "Set recorded/too-late from too-late:2 back to too-late:1")?;
    let asked = scene.rig.proxy.count("ecs:StopServiceDeployment");
    ensure!(asked == 1, "it was told to stop {asked} times");
    scene.expect_changes(&["ecs:UpdateService"])?;
    scene.double.complete("too-late")?;
    scene.expect_running("too-late:1")?;
    scene.alarm.set(StateValue::Ok).await?;
    scene.rig.look().await?.expect("recovered", "rolled back to too-late:1")?;
    ensure!(scene.rig.newest(2)?["state"] == "resolved", "{:#?}", scene.rig.notices());
    Ok(())
}

async fn rolling_back(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "by-itself", &TAGS, |double| {
        double.deployed("by-itself:1", 600, "one").deploying("by-itself:2", 5, "two")
    })
    .await?;
    scene.double.fail("by-itself", "ECS deployment circuit breaker: tasks failed to start.")?;
    expect(&scene.fire().await?, "held", "ECS is already rolling the deployment back")?;
    scene.expect_changes(&[])?;
    ensure!(scene.rig.timers().is_empty(), "there is nothing to follow: {:?}", scene.rig.timers());
    Ok(())
}

async fn rotation(stage: &Stage) -> anyhow::Result<()> {
    // The secret was made when the stage was set, a moment ago.
    let secret = &stage.deployment.channels_secret;
    let container = json!({"name": "app", "image": "example.com/rotated:1", "essential": true,
        "secrets": [{"name": "CHANNELS", "valueFrom": secret}]});
    let scene = Scene::new(stage, "rotated", &TAGS, |double| {
        let double = double.defined("rotated:1", &json!({"containerDefinitions": [container]}));
        double.deployed("rotated:1", 600, "one").deployed("rotated:1", 5, "one")
    })
    .await?;
    let answer = scene.fire().await?;
    expect(&answer, "held", "its code is not to blame")?;
    expect(&answer, "held", "rotation-related: watchkeeper/channels")?;
    let told = scene.rig.newest(1)?;
    ensure!(told["summary"].as_str().is_some_and(|said| said.contains("rotation-related")), "{told:#}");
    scene.expect_changes(&[])
}

async fn moved(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "moved", &["stable"], |double| {
        double.deployed("moved:1", 600, "one").deployed("moved:2", 5, "two")
    })
    .await?;
    expect(&scene.fire().await?, "rolled_back", "Set recorded/moved from moved:2 back to moved:3")?;
    scene.expect_changes(&["ecs:RegisterTaskDefinition", "ecs:UpdateService"])?;
    let running = scene.double.running("moved")?;
    ensure!(running.task_definition == "moved:3", "{running:?}");
    ensure!(running.digests == [local::recorded::digest("one")], "another image is deployed: {running:?}");
    let told = scene.rig.newest(1)?;
    ensure!(fact(&told, "To") == Some("moved:3 (a copy of moved:1)"), "{told:#}");
    Ok(())
}

async fn circuit_breaker(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "broken", &TAGS, |double| {
        let double = double.deployed("broken:1", 600, "one").deploying("broken:2", 5, "two");
        double.stopped("EssentialContainerExited", "Essential container in task exited", Some(137), None)
    })
    .await?;
    let failed = scene.double.running("broken")?.deployment_id;
    let reason = "ECS deployment circuit breaker: tasks failed to start.";
    scene.double.fail("broken", reason)?;

    let event = scene.deployment_event(&failed, "SERVICE_DEPLOYMENT_FAILED", reason);
    scene.rig.tell(&event).await?.expect("failed_deployment", "ECS went back to broken:1")?;
    let told = scene.rig.newest(1)?;
    ensure!(told["state"] == "firing" && told["source"] == "deployment-watch", "{told:#}");
    ensure!(fact(&told, "Why").is_some_and(|why| why.contains("137")), "the exit code is not told: {told:#}");
    let memory = recall(stage, &scene.target()).await?;
    ensure!(
        memory
            .revisions
            .iter()
            .any(|known| known.standing == Standing::Bad && known.arn.ends_with("/broken:2")),
        "the revision is not remembered as bad: {memory:?}"
    );
    // ECS tells of one failure more than once.
    scene.rig.tell(&event).await?.expect("ignored", "people know of this failure")?;

    scene.double.complete("broken")?;
    let back = scene.double.running("broken")?.deployment_id;
    let event = scene.deployment_event(&back, "SERVICE_DEPLOYMENT_COMPLETED", "completed");
    scene
        .rig
        .tell(&event)
        .await?
        .expect("deployed", "broken:1 is deployed; what was told of a failure is over")?;
    ensure!(scene.rig.newest(2)?["state"] == "resolved", "{:#?}", scene.rig.notices());
    scene.expect_changes(&[])
}

async fn failed(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "no-way-back", &TAGS, |double| {
        double.deployed("no-way-back:1", 600, "one").deployed("no-way-back:2", 5, "two")
    })
    .await?;
    expect(&scene.fire().await?, "rolled_back", "back to no-way-back:1")?;
    let reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s)";
    let double = scene.double.clone().stopped("TaskFailedToStart", reason, None, None);
    double.fail("no-way-back", "ECS deployment circuit breaker: tasks failed to start.")?;

    scene.rig.look().await?.expect("failed_rollback", "was not rolled back")?;
    let told = scene.rig.newest(2)?;
    ensure!(told["severity"] == "sev1" && told["state"] == "firing", "{told:#}");
    ensure!(fact(&told, "Why").is_some_and(|why| why.contains("image")), "the cause is not told: {told:#}");
    ensure!(fact(&told, "Runs now") == Some("no-way-back:2"), "{told:#}");

    // Neither the timer nor the next alarm begins another one.
    let operation = recall(stage, &scene.target()).await?.operations.swap_remove(0);
    ensure!(operation.end == Some(End::Failed), "{operation:?}");
    let again = scene.rig.tell(&batch(&timer(&scene.target(), &operation.id)?)).await?;
    again.expect("ignored", "is closed: it failed")?;
    ensure!(scene.fire().await?["outcome"] == "held", "a second rollback was made");
    scene.expect_changes(&["ecs:UpdateService"])
}

async fn unhealed(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, "unhealed", &TAGS, |double| {
        let double = double.deployed("unhealed:1", 600, "one").deployed("unhealed:2", 30, "two");
        double.deployed("unhealed:1", 20, "one")
    })
    .await?;
    let running = scene.double.running("unhealed")?;
    let arn = |revision: u8| {
        let (region, account) = (local::aws::REGION, local::aws::ACCOUNT);
        format!("arn:aws:ecs:{region}:{account}:task-definition/unhealed:{revision}")
    };
    // The rollback was begun twenty minutes ago, and was deployed two minutes later.
    let began = now() - SignedDuration::from_mins(20);
    let (region, account) = (local::aws::REGION, local::aws::ACCOUNT);
    let incident = Incident {
        key: alarm_key(&format!("arn:aws:cloudwatch:{region}:{account}:alarm:{}", scene.alarm.name)),
        state: State::Firing,
        revision: u64::try_from(began.as_millisecond())?,
        target: scene.target(),
        operation: Some("unhealed-operation".to_owned()),
        opened: began,
    };
    let operation = Operation {
        id: "unhealed-operation".to_owned(),
        incident: incident.key.clone(),
        means: Means::UpdateService,
        from: arn(2),
        to: arn(1),
        copy_of: None,
        deployment: Some(running.deployment_id),
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began,
        deadline: began + SignedDuration::from_mins(30),
        end: None,
    };
    let target = scene.target().parse().map_err(|problem: String| anyhow::anyhow!(problem))?;
    let cooldown = began + SignedDuration::from_mins(60);
    let begun = stage.ledger.begin(&target, &operation, None, cooldown, now()).await?;
    ensure!(begun == Begun::Yes, "the operation could not be begun");
    stage.ledger.record(&incident, now()).await?;

    let event = batch(&timer(&scene.target(), &operation.id)?);
    scene.rig.tell(&event).await?.expect("unhealed", "the alarm unhealed-errors still fires")?;
    let told = scene.rig.newest(1)?;
    ensure!(told["severity"] == "sev1" && told["state"] == "firing", "{told:#}");
    ensure!(told["incident"] == incident.key, "{told:#}");
    let steps = told["next_steps"].as_array().context("there is nothing left to do")?;
    ensure!(
        steps.iter().any(|step| step.as_str().is_some_and(|step| step.contains("no second rollback"))),
        "{told:#}"
    );
    scene.rig.tell(&event).await?.expect("ignored", "is closed")?;
    scene.expect_changes(&[])
}
