//! Whether all is there, and how it stands: `wk doctor`, `wk validate`, `wk secrets`, `wk env`, `wk freeze` and `wk audit`.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use serde_json::json;

use super::{Said, with, wk};
use crate::stage::{POLICY, Stage, Test};
use crate::world::{CLUSTER, World};

/// Where no other test has a stack of Watchkeeper.
pub(super) const ELSEWHERE: &str = "us-west-2";
const THERE: [(&str, &str); 2] = [("AWS_REGION", ELSEWHERE), ("AWS_DEFAULT_REGION", ELSEWHERE)];

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![
        ("what_is_missing_is_told_with_how_to_mend_it", |stage| doctor(stage).boxed_local()),
        ("what_a_deployment_needs_is_checked_before_it", |stage| validate(stage).boxed_local()),
        ("values_are_masked_and_environments_compared", |stage| values(stage).boxed_local()),
        ("the_freeze_is_switched_and_the_rest_of_the_policy_stays", |stage| freeze(stage).boxed_local()),
        ("what_was_done_is_told_with_why_and_by_whom", |stage| audit(stage).boxed_local()),
    ]
}

async fn doctor(stage: &Stage) -> anyhow::Result<()> {
    let all = wk(stage, &["doctor"]).await?;
    ensure!(all.exit != 3, "{all:#?}");
    let exit = all.exit;
    let words = ["credentials", "watches dev", "channel ops", "slack, well formed", "wk dlq", "wk audit"];
    let all = all.expect(exit, &words)?;
    ensure!(!format!("{all:?}").contains(crate::stage::SIGNING_KEY), "a key of a channel is told: {all:#?}");
    let steady =
        ["region ", "credentials ", "stack ", "outputs ", "mode ", "policy  ", "channel ", "wk audit"];
    Said { exit: 0, ..all }.lines_with(&steady).shown("doctor")?;
    let remote = wk(stage, &["--remote", "--output", "json", "doctor"]).await?.json()?;
    let state = |name: &str| {
        let checks = remote["checks"].as_array().into_iter().flatten();
        checks.filter(|it| it["check"] == name).filter_map(|it| it["state"].as_str()).next()
    };
    for name in ["stack", "channel audit", "wk audit", "wk incidents"] {
        ensure!(state(name) == Some("ok"), "{name}: {remote:#}");
    }
    let moon = wk(stage, &["--env", "moon", "doctor"]).await?;
    moon.expect(3, &["ok       credentials", "missing  stack", "moon", "/watchkeeper/moon/policy"])?
        .shown("doctor-no-stack")?;
    let nobody = [("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nobody")];
    with(stage, &["doctor"], &nobody).await?.expect(3, &["ok       region", "missing  credentials"])?;
    let strange = wk(stage, &["--profile", "nobody-has-this", "doctor"]).await?;
    strange.expect(3, &["the profile nobody-has-this gives no credentials"])?;
    let region = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "")];
    with(stage, &["doctor"], &region).await?.expect(3, &["missing  region", "--region"]).map(drop)
}

/// A service whose task reads a key that its secret has, and one that it has not.
async fn with_secrets<'a>(stage: &'a Stage, name: &'a str) -> anyhow::Result<World<'a>> {
    let world = World::new(stage, name).await?;
    let secrets = aws_sdk_secretsmanager::Client::new(&stage.deployment.config);
    let value = json!({"password": "hunter2"}).to_string();
    let made = secrets.create_secret().name(format!("{name}/db")).secret_string(value).send().await?;
    let arn = made.arn.context("no ARN")?;
    let secret = |variable: &str, key: &str| {
        let from = format!("{arn}:{key}::");
        aws_sdk_ecs::types::Secret::builder().name(variable).value_from(from).build()
    };
    let plain =
        |name: &str, value: &str| aws_sdk_ecs::types::KeyValuePair::builder().name(name).value(value).build();
    let container = aws_sdk_ecs::types::ContainerDefinition::builder()
        .name("app")
        .image("public.ecr.aws/docker/library/busybox:1")
        .memory(64)
        .environment(plain("DATABASE_URL", "postgres://ann:hunter2@db/shop"))
        .environment(plain("LOG_LEVEL", "debug"))
        .secrets(secret("DB_PASSWORD", "password")?)
        .secrets(secret("DB_TOKEN", "token")?)
        .build();
    let definition = stage.ecs.register_task_definition().family(name).container_definitions(container);
    let definition = definition.send().await?.task_definition.context("no definition")?;
    let arn = definition.task_definition_arn.context("no ARN")?;
    stage.ecs.update_service().cluster(CLUSTER).service(name).task_definition(arn).send().await?;
    Ok(world)
}

async fn validate(stage: &Stage) -> anyhow::Result<()> {
    let name = "wk-validated";
    let _world = with_secrets(stage, name).await?;
    let service = format!("{CLUSTER}/{name}");
    let checked = wk(stage, &["secrets", "check", name]).await?;
    let checked = checked.expect(1, &["password", "there", "token", "missing", "it has no such key"])?;
    let checked = checked.shown("secrets-check")?;
    ensure!(!format!("{checked:?}").contains("hunter2"), "a value is told: {checked:#?}");
    let json =
        wk(stage, &["--output", "json", "secrets", "check", &service]).await?.expect(1, &[])?.json()?;
    ensure!(json["secrets"].as_array().map(Vec::len) == Some(2), "{json:#}");
    wk(stage, &["--remote", "secrets", "check", name]).await?.expect(3, &["values pass no function"])?;
    let rotation = wk(stage, &["secrets", "rotation"]).await?;
    ensure!(rotation.exit != 3, "{rotation:#?}");
    let uses = wk(stage, &["secrets", "uses", &format!("{name}/db")]).await?;
    uses.expect(0, &[&service, "1 of"])?.lines_with(&["SERVICE", name]).shown("secrets-uses")?;
    let plan = wk(stage, &["redeploy", "--secret", &format!("{name}/db")]).await?;
    plan.expect(0, &[&service])?
        .lines_with(&["SERVICE", name, "nothing was"])
        .shown("redeploy-secret-plan")?;
    let before = wk(stage, &["validate", &service]).await?;
    let words = ["error    keys", "key token", "ok       freeze", "no alarm is about"];
    let before = before.expect(1, &words)?.shown("validate")?;
    ensure!(!format!("{before:?}").contains("hunter2"), "{before:#?}");
    wk(stage, &["validate", "no-such-service"]).await?.expect(3, &["there is no service no-such-service"])?;
    let alarm = stage.cloudwatch.put_metric_alarm().alarm_name("wk-validated").namespace("AWS/ECS");
    let dimension = |name: &str, value: &str| {
        aws_sdk_cloudwatch::types::Dimension::builder().name(name).value(value).build()
    };
    alarm
        .metric_name("CPUUtilization")
        .dimensions(dimension("ClusterName", CLUSTER))
        .dimensions(dimension("ServiceName", name))
        .statistic(aws_sdk_cloudwatch::types::Statistic::Average)
        .period(60)
        .evaluation_periods(1)
        .threshold(99.0)
        .comparison_operator(aws_sdk_cloudwatch::types::ComparisonOperator::GreaterThanThreshold)
        .send()
        .await?;
    let watched = wk(stage, &["validate", &service]).await?;
    let watched = watched.expect(1, &["ok       watched"]);
    stage.cloudwatch.delete_alarms().alarm_names("wk-validated").send().await?;
    watched.map(drop)
}

async fn values(stage: &Stage) -> anyhow::Result<()> {
    let name = "wk-values";
    let _world = with_secrets(stage, name).await?;
    let masked = wk(stage, &["env", name]).await?;
    let masked = masked.expect(0, &["DATABASE_URL", "set", "secret wk-values/db", "key password"])?;
    let masked = masked.shown("env")?;
    ensure!(!format!("{masked:?}").contains("hunter2") && !masked.out.contains("debug"), "{masked:#?}");
    let json = wk(stage, &["--output", "json", "env", name, "--filter", "database"]).await?.expect(0, &[])?;
    ensure!(!json.out.contains("hunter2") && !json.out.contains("LOG_LEVEL"), "{json:#?}");
    wk(stage, &["env", name, "--show"]).await?.expect(3, &["on a terminal only"])?;
    wk(stage, &["--output", "json", "env", name, "--show"]).await?.expect(3, &["never as JSON"])?;
    wk(stage, &["--remote", "env", name]).await?.expect(3, &["values pass no function"])?;
    wk(stage, &["env", name, "--compare", "moon"]).await?.expect(3, &["moon"])?;
    compared(stage).await
}

/// What is made with clients there.
fn there(stage: &Stage) -> local::aws::SdkConfig {
    let region = aws_sdk_cloudformation::config::Region::new(ELSEWHERE);
    stage.deployment.config.to_builder().region(region).build()
}

/// A stack that is one of Watchkeeper as far as these commands look, and an environment of its own.
pub(super) async fn stack(stage: &Stage, environment: &str) -> anyhow::Result<()> {
    let template = json!({
        "Parameters": {"Environment": {"Type": "String"}, "Clusters": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {
            "LedgerTable": {"Value": "none"},
            "NoticesTopicArn": {"Value": {"Ref": "Topic"}},
            "AlarmRollbackFunction": {"Value": "none"},
        },
    });
    let parameter = |name: &str| {
        let parameter = aws_sdk_cloudformation::types::Parameter::builder();
        parameter.parameter_key(name).parameter_value(environment).build()
    };
    aws_sdk_cloudformation::Client::new(&there(stage))
        .create_stack()
        .stack_name(environment)
        .template_body(template.to_string())
        .parameters(parameter("Environment"))
        .parameters(parameter("Clusters"))
        .send()
        .await?;
    let found = local::deployment::until(crate::stage::PATIENCE, async || {
        let said = with(stage, &["--env", environment, "policy", "check"], &THERE).await?;
        Ok((said.exit == 0).then_some(()))
    });
    found.await?.context("the stack is not there")
}

/// Two environments need two stacks, and every other test expects one: these stand in another Region.
async fn compared(stage: &Stage) -> anyhow::Result<()> {
    let ecs = aws_sdk_ecs::Client::new(&there(stage));
    for (environment, level) in [("wkone", "debug"), ("wktwo", "info")] {
        stack(stage, environment).await?;
        let plain = |name: &str, value: &str| {
            aws_sdk_ecs::types::KeyValuePair::builder().name(name).value(value).build()
        };
        let container = aws_sdk_ecs::types::ContainerDefinition::builder()
            .name("app")
            .image("public.ecr.aws/docker/library/busybox:1")
            .memory(64)
            .environment(plain("LOG_LEVEL", level))
            .environment(plain("GREETING", "hello"))
            .environment(plain(&environment.to_uppercase(), "hunter2"))
            .build();
        ecs.create_cluster().cluster_name(environment).send().await?;
        ecs.register_task_definition().family(environment).container_definitions(container).send().await?;
        let service = ecs.create_service().cluster(environment).service_name("web").desired_count(1);
        service.task_definition(environment).send().await?;
    }
    let asked = ["--env", "wkone", "env", "web", "--compare", "wktwo"];
    let compared = with(stage, &asked, &THERE).await?;
    let words = ["LOG_LEVEL", "different", "same", "only here", "only there", "3 of 4 variables differ"];
    let compared = compared.expect(2, &words)?.shown("env-compare")?;
    ensure!(!format!("{compared:?}").contains("hunter2") && !compared.out.contains("hello"), "{compared:#?}");
    with(stage, &[asked.as_slice(), &["--filter", "greeting"]].concat(), &THERE)
        .await?
        .expect(0, &["0 of 1"])?;
    with(stage, &[asked.as_slice(), &["--with", "wktwo/other"]].concat(), &THERE)
        .await?
        .expect(3, &["there is no service wktwo/other"])
        .map(drop)
}

/// In an environment of its own: the others go on meanwhile.
async fn freeze(stage: &Stage) -> anyhow::Result<()> {
    const NAME: &str = "/watchkeeper/wkfrozen/policy";
    stack(stage, "wkfrozen").await?;
    let ssm = aws_sdk_ssm::Client::new(&there(stage));
    let policy = async || {
        let got = ssm.get_parameter().name(NAME).send().await?;
        anyhow::Ok(got.parameter.and_then(|it| it.value).unwrap_or_default())
    };
    let put = async |text: &str| {
        let put = ssm.put_parameter().name(NAME).overwrite(true).value(text);
        put.r#type(aws_sdk_ssm::types::ParameterType::String).send().await
    };
    let wk =
        async |words: &[&str]| with(stage, &[["--env", "wkfrozen"].as_slice(), words].concat(), &THERE).await;
    // Where there is no policy, one is made.
    wk(&["freeze"]).await?.expect(0, &["not frozen"])?;
    wk(&["freeze", "on"]).await?.expect(0, &["frozen", "by ann", "version 1"])?;
    ensure!(policy().await?.trim_end() == "freeze: {reason: \"by ann\"}", "{}", policy().await?);
    let own = format!("# ours\nfreeze: false  # ask ann\n{POLICY}# the end\n");
    put(&own).await?;
    wk(&["--remote", "freeze", "on"]).await?.expect(3, &["no function may write the policy"])?;
    let on = ["freeze", "on", "--reason", "wk: a test", "--until", "2099-01-01T00:00:00Z"];
    wk(&on).await?.expect(0, &["frozen until 2099", "wk: a test (ann)", "version"])?.shown("freeze-on")?;
    let line = "freeze: {until: 2099-01-01T00:00:00Z, reason: \"wk: a test (ann)\"}  # ask ann";
    let frozen = own.replace("freeze: false  # ask ann", line);
    ensure!(policy().await?.trim_end() == frozen.trim_end(), "{}", policy().await?);
    wk(&["freeze", "on"]).await?.expect(0, &["nothing was changed"])?;
    wk(&["--output", "json", "freeze"]).await?.expect(0, &["\"frozen\": true"])?;
    wk(&["freeze", "off"]).await?.expect(0, &["not frozen"])?;
    ensure!(policy().await?.trim_end() == own.trim_end(), "{}", policy().await?);
    wk(&["freeze", "off"]).await?.expect(0, &["nothing was changed"])?;
    put("rollback: {cooldown: 1}\n").await?;
    wk(&["freeze", "on"]).await?.expect(3, &["rollback.cooldown", "Mend that first"]).map(drop)
}

async fn audit(stage: &Stage) -> anyhow::Result<()> {
    let name = "wk-audited";
    let _world = World::new(stage, name).await?;
    let target = format!("ecs:{CLUSTER}/{name}");
    wk(stage, &["rollback", &target, "--apply", "--by", "cora"]).await?.expect(0, &["rolled back"])?;
    let all = wk(stage, &["--output", "json", "audit", "--since", "1h"]).await?.expect(0, &[])?.json()?;
    let deeds = all["deeds"].as_array().context("no deeds")?;
    let deed = deeds.iter().find(|deed| deed["target"] == *target).with_context(|| format!("{all:#}"))?;
    ensure!(deed["what"] == "rollback" && deed["by"] == "cora", "{deed:#}");
    ensure!(deed["why"].as_str().is_some_and(|why| why.contains("by hand")), "{deed:#}");
    let one = wk(stage, &["audit", "--target", &target]).await?.expect(0, &["rollback", "cora", "WHEN"])?;
    let one = one.shown("audit")?;
    ensure!(one.out.lines().count() == 2, "{one:#?}");
    wk(stage, &["--remote", "audit", "--target", &target]).await?.expect(0, &["rollback", "cora"])?;
    wk(stage, &["audit", "--target", "stack:nothing-of-the-kind"]).await?.expect(0, &["nothing was done"])?;
    wk(stage, &["audit", "--since", "200d"]).await?.expect(3, &["180d"]).map(drop)
}
