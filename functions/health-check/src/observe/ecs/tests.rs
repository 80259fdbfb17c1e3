mod mangled;

use serde_json::{Value, json};

use super::{check_clusters, check_services, check_task_definitions};
use crate::component::{Component, Kind};
use crate::decision::Health;
use crate::wire::{Call, Reply, Wire, now};

const TARGETS: &str = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/943f017f100becff";
const DEFINITION: &str = "arn:aws:ecs:eu-central-1:1:task-definition/web:7";
const DENIED: &str = "AccessDeniedException";

fn cluster(name: &str) -> Component {
    Component::at(&format!("arn:aws:ecs:eu-central-1:1:cluster/{name}")).unwrap()
}

fn service(name: &str) -> Component {
    Component::at(&format!("arn:aws:ecs:eu-central-1:1:service/{name}")).unwrap()
}

fn seconds_ago(seconds: i64) -> i64 {
    now().as_second() - seconds
}

/// As `DescribeServices` answers, settled for a day.
fn described(name: &str, running: u32, desired: u32) -> Value {
    json!({
        "serviceArn": format!("arn:aws:ecs:eu-central-1:1:service/prod/{name}"), "serviceName": name,
        "clusterArn": "arn:aws:ecs:eu-central-1:1:cluster/prod", "status": "ACTIVE",
        "desiredCount": desired, "runningCount": running, "pendingCount": 0,
        "launchType": "FARGATE", "schedulingStrategy": "REPLICA", "taskDefinition": DEFINITION,
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
        "loadBalancers": [{"targetGroupArn": TARGETS, "containerName": "app", "containerPort": 80}],
        "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED",
            "desiredCount": desired, "runningCount": running, "failedTasks": 0,
            "createdAt": seconds_ago(86_400)}],
        "events": [], "createdAt": seconds_ago(864_000), "tags": [{"key": "team", "value": "shop"}],
    })
}

/// What is asked around a service: nothing stopped, nothing scaled, little used.
fn around(call: &Call) -> Reply {
    match call.action.as_str() {
        "ListTasks" => Reply::ok(json!({"taskArns": []})),
        "DescribeScalableTargets" => Reply::ok(json!({"ScalableTargets": []})),
        "GetMetricData" => Reply::metrics(&[Some(10.0); 40]),
        other => panic!("{other} is not asked"),
    }
}

/// An AWS with these services, and this around them.
fn aws(services: Value, around: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Wire {
    Wire::new(move |call| match call.action.as_str() {
        "DescribeServices" => Reply::ok(&services),
        _ => around(call),
    })
}

fn one(service: &Value) -> Value {
    json!({"services": [service], "failures": []})
}

#[tokio::test]
async fn clusters_are_one_call_and_one_that_is_gone_has_failed() {
    let wire = Wire::new(|_| {
        Reply::ok(json!({
            "clusters": [
                {"clusterName": "prod", "clusterArn": "arn:aws:ecs:eu-central-1:1:cluster/prod", "status": "ACTIVE",
                    "activeServicesCount": 3, "runningTasksCount": 9},
                {"clusterName": "old", "status": "INACTIVE"}, {"clusterName": "odd", "status": "MELTED"},
            ],
            "failures": [{"arn": "arn:aws:ecs:eu-central-1:1:cluster/gone", "reason": "MISSING"}],
        }))
    });
    let ask = wire.ask();
    check_clusters(&ask, &["prod", "old", "odd", "gone", "mute"].map(cluster)).await;
    let cases = [
        ("prod", Health::Healthy, "active"),
        ("old", Health::Failed, "deleted"),
        ("odd", Health::Unknown, "MELTED"),
        ("gone", Health::Failed, "does not exist"),
        ("mute", Health::Unknown, "does not say"),
    ];
    for (name, health, reason) in cases {
        let verdict = ask.verdict(Kind::EcsCluster, name).unwrap();
        assert_eq!(verdict.health, health, "{name}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
    assert_eq!(wire.calls().len(), 1);
    let many: Vec<Component> = (0..101).map(|one| cluster(&format!("c{one}"))).collect();
    let denied = Wire::new(|_| Reply::error(400, DENIED));
    let ask = denied.ask();
    check_clusters(&ask, &many).await;
    assert_eq!(denied.calls().len(), 2);
    assert!(ask.verdict(Kind::EcsCluster, "c100").unwrap().reason.contains("ecs:DescribeClusters is denied"));
}

#[tokio::test]
async fn a_service_is_read_with_its_tags_and_has_what_it_stands_on_checked() {
    let wire = aws(one(&described("web", 3, 3)), around);
    let ask = wire.ask();
    check_services(&ask, &[service("prod/web")]).await;
    let verdict = ask.verdict(Kind::Service, "prod/web").unwrap();
    assert_eq!((verdict.health, verdict.reason.as_str()), (Health::Healthy, "3 of 3 tasks run"));
    assert!(verdict.evidence.iter().any(|fact| fact.name == "CPU" && fact.value == "10 %"), "{verdict:?}");
    assert_eq!(ask.verdict(Kind::StoppedTasks, "prod/web").unwrap().health, Health::Healthy);
    assert_eq!(ask.verdict(Kind::Scaling, "prod/web").unwrap().health, Health::NotApplicable);
    let said = ask.said();
    let of_service = &said["ecs-service:prod/web"];
    let needs: Vec<&str> = of_service.needs.iter().map(String::as_str).collect();
    assert_eq!(
        needs,
        ["ecs-cluster:prod", "ecs-stopped-tasks:prod/web", "target-group:web", "task-definition:web:7"]
    );
    assert_eq!(of_service.component.tags["team"], "shop");
    assert!(said["ecs-stopped-tasks:prod/web"].needs.contains("task-definition:web:7"));
    let more = ask.take_more();
    assert!(more.iter().any(|one| one.kind == Kind::Targets && one.arn() == TARGETS));
    assert!(more.iter().any(|one| one.kind == Kind::TaskDefinition && one.arn() == DEFINITION));
    let asked = wire.calls().into_iter().find(|call| call.action == "DescribeServices").unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, json!({"cluster": "prod", "services": ["web"], "include": ["TAGS"]}));
}

#[tokio::test]
async fn ten_services_of_a_cluster_are_one_call() {
    let wire = Wire::new(|call| {
        if call.action != "DescribeServices" {
            return around(call);
        }
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let names = body["services"].as_array().unwrap();
        assert!(names.len() <= 10);
        let all: Vec<Value> = names.iter().map(|name| described(name.as_str().unwrap(), 3, 3)).collect();
        Reply::ok(json!({"services": all}))
    });
    let ask = wire.ask();
    let mut services: Vec<Component> = (0..11).map(|one| service(&format!("prod/s{one}"))).collect();
    services.push(service("other/web"));
    check_services(&ask, &services).await;
    let count = |action: &str| wire.calls().iter().filter(|call| call.action == action).count();
    assert_eq!((count("DescribeServices"), count("ListTasks"), count("DescribeScalableTargets")), (3, 12, 1));
    assert_eq!(count("GetMetricData"), 1);
    for service in &services {
        assert_eq!(ask.verdict(Kind::Service, &service.name).unwrap().health, Health::Healthy, "{service:?}");
    }
    check_services(&ask, &[]).await;
}

#[tokio::test]
async fn the_truths_of_services_are_told_apart() {
    let mut inactive = described("old", 0, 0);
    inactive["status"] = json!("INACTIVE");
    let mut odd = described("odd", 3, 3);
    odd["status"] = json!("MELTED");
    let services = json!({
        "services": [described("zero", 0, 0), described("down", 0, 1), described("few", 2, 3), inactive, odd],
        "failures": [{"arn": "arn:aws:ecs:eu-central-1:1:service/prod/gone", "reason": "MISSING"}],
    });
    let silent = |call: &Call| match call.action.as_str() {
        "GetMetricData" => Reply::metrics(&[]),
        _ => around(call),
    };
    let wire = aws(services, silent);
    let ask = wire.ask();
    let cases = [
        ("prod/zero", Health::NotApplicable, "it is scaled to zero"),
        ("prod/down", Health::Failed, "0 of 1 task run"),
        ("prod/few", Health::Degraded, "CloudWatch has no metrics"),
        ("prod/old", Health::Failed, "it was deleted"),
        ("prod/odd", Health::Unknown, "MELTED"),
        ("prod/gone", Health::Failed, "it does not exist (any more)"),
        ("prod/mute", Health::Unknown, "ECS says nothing of it"),
    ];
    check_services(&ask, &cases.map(|(name, ..)| service(name))).await;
    for (name, health, reason) in cases {
        let verdict = ask.verdict(Kind::Service, name).unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
    let empty = |name: &'static str| async move {
        let mut deleted = described("old", 0, 0);
        deleted["status"] = json!("INACTIVE");
        let wire = aws(json!({"services": [described("zero", 0, 0), deleted], "failures": []}), around);
        let ask = wire.ask();
        check_services(&ask, &[service(name)]).await;
        ask.is_resting("target-group:web")
    };
    assert!(empty("prod/zero").await, "it would be filled by what is scaled to zero");
    assert!(!empty("prod/old").await, "what was deleted fills nothing");
    for retired in ["prod/old", "prod/gone", "prod/mute"] {
        assert!(ask.verdict(Kind::StoppedTasks, retired).is_none(), "{retired}");
    }
    assert!(!ask.said()["ecs-service:prod/zero"].needs.contains("target-group:web"), "nothing is in it");
}

#[tokio::test]
async fn what_is_denied_around_a_service_leaves_the_service_as_it_is() {
    let denied = |call: &Call| match call.action.as_str() {
        "GetMetricData" => around(call),
        _ => Reply::error(400, DENIED),
    };
    let wire = aws(one(&described("web", 3, 3)), denied);
    let ask = wire.ask();
    check_services(&ask, &[service("prod/web")]).await;
    assert_eq!(ask.verdict(Kind::Service, "prod/web").unwrap().health, Health::Healthy);
    let stopped = ask.verdict(Kind::StoppedTasks, "prod/web").unwrap();
    assert!(stopped.health == Health::Unknown && stopped.reason.contains("ecs:ListTasks is denied"));
    assert_eq!(stopped.todo, ["Allow ecs:ListTasks to the role of health-check."]);
    assert_eq!(ask.verdict(Kind::Scaling, "prod/web").unwrap().health, Health::Unknown);
}

#[tokio::test]
async fn without_metrics_only_their_part_is_unknown_and_a_failed_state_stays_failed() {
    let denied = |call: &Call| match call.action.as_str() {
        "GetMetricData" => Reply::error(403, DENIED),
        _ => around(call),
    };
    let services =
        json!({"services": [described("web", 3, 3), described("few", 1, 3), described("down", 0, 3)]});
    let wire = aws(services, denied);
    let ask = wire.ask();
    check_services(&ask, &["prod/web", "prod/few", "prod/down"].map(service)).await;
    let web = ask.verdict(Kind::Service, "prod/web").unwrap();
    assert!(web.health == Health::Unknown && web.reason.contains("cloudwatch:GetMetricData"), "{web:?}");
    assert_eq!(ask.verdict(Kind::Service, "prod/few").unwrap().health, Health::Degraded);
    assert_eq!(ask.verdict(Kind::Service, "prod/down").unwrap().health, Health::Failed);
}

#[tokio::test]
async fn what_uses_too_much_is_degraded() {
    let busy = |call: &Call| match call.action.as_str() {
        "GetMetricData" => Reply::metrics(&[Some(95.0), Some(71.0)]),
        _ => around(call),
    };
    let wire = aws(one(&described("web", 3, 3)), busy);
    let ask = wire.ask();
    check_services(&ask, &[service("prod/web")]).await;
    let verdict = ask.verdict(Kind::Service, "prod/web").unwrap();
    assert_eq!(verdict.health, Health::Degraded);
    assert!(verdict.reason.contains("95 % of its CPU") && verdict.reason.contains("71 % of its memory"));
}

#[tokio::test]
async fn a_call_that_fails_is_unknown_for_its_own_services_only() {
    let wire = Wire::new(|call| match (call.action.as_str(), call.body.contains("\"cluster\":\"prod\"")) {
        ("DescribeServices", true) => Reply::ok(one(&described("web", 3, 3))),
        ("DescribeServices", false) if call.body.contains("gone") => {
            Reply::error(400, "ClusterNotFoundException")
        }
        ("DescribeServices", false) => Reply::error(400, DENIED),
        _ => around(call),
    });
    let ask = wire.ask();
    check_services(&ask, &["prod/web", "other/web", "gone/web"].map(service)).await;
    assert_eq!(ask.verdict(Kind::Service, "prod/web").unwrap().health, Health::Healthy);
    let other = ask.verdict(Kind::Service, "other/web").unwrap();
    assert!(other.health == Health::Unknown && other.reason.contains("ecs:DescribeServices is denied"));
    let gone = ask.verdict(Kind::Service, "gone/web").unwrap();
    assert!(gone.health == Health::Failed && gone.reason.contains("its cluster gone does not exist"));
    assert!(ask.said()["ecs-service:gone/web"].needs.contains("ecs-cluster:gone"));
}

#[tokio::test]
async fn what_codedeploy_deploys_has_task_sets_and_no_rollout_state() {
    let mut deployed = described("web", 2, 3);
    deployed["deploymentController"] = json!({"type": "CODE_DEPLOY"});
    deployed["deployments"] = json!([]);
    deployed["loadBalancers"] = json!([]);
    deployed["deploymentConfiguration"] = json!({"minimumHealthyPercent": 50, "maximumPercent": 200});
    deployed.as_object_mut().unwrap().remove("taskDefinition");
    let set = |status: &str, stability: &str, seconds| {
        json!({"status": status, "stabilityStatus": stability, "createdAt": seconds_ago(seconds),
            "taskDefinition": DEFINITION, "loadBalancers": [{"targetGroupArn": TARGETS}]})
    };
    deployed["taskSets"] = json!([set("ACTIVE", "STABILIZING", 60), set("PRIMARY", "STEADY_STATE", 86_400)]);
    let wire = aws(one(&deployed), around);
    let ask = wire.ask();
    check_services(&ask, &[service("prod/web")]).await;
    let verdict = ask.verdict(Kind::Service, "prod/web").unwrap();
    assert_eq!(verdict.reason, "a deployment is in progress; 2 of 3 tasks run");
    let needs = &ask.said()["ecs-service:prod/web"].needs;
    assert!(needs.contains("target-group:web") && needs.contains("task-definition:web:7"), "{needs:?}");
}

#[tokio::test]
async fn a_deployment_that_bakes_by_design_is_not_stuck() {
    let mut bakes = described("web", 3, 3);
    bakes["deployments"][0]["rolloutState"] = json!("IN_PROGRESS");
    bakes["deployments"][0]["createdAt"] = json!(seconds_ago(3_600));
    for (configuration, health) in [
        (json!({"strategy": "ROLLING"}), Health::Degraded),
        (json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 30}), Health::Healthy),
        (
            json!({"strategy": "LINEAR",
                "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 8}}),
            Health::Healthy,
        ),
        (
            json!({"strategy": "CANARY", "bakeTimeInMinutes": 5,
                "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 5}}),
            Health::Degraded,
        ),
    ] {
        bakes["deploymentConfiguration"] = configuration;
        let wire = aws(one(&bakes), around);
        let ask = wire.ask();
        check_services(&ask, &[service("prod/web")]).await;
        assert_eq!(ask.verdict(Kind::Service, "prod/web").unwrap().health, health, "{bakes}");
    }
}

fn stopped(id: &str, code: &str, exit: i32) -> Value {
    json!({
        "taskArn": format!("arn:aws:ecs:eu-central-1:1:task/prod/{id}"), "stopCode": code,
        "stoppedReason": "Essential container in task exited", "stoppedAt": seconds_ago(600),
        "desiredStatus": "STOPPED", "lastStatus": "STOPPED",
        "containers": [{"name": "app", "exitCode": exit, "lastStatus": "STOPPED"}],
    })
}

/// Lists two pages of one task each, and describes them like this.
fn tasks(second: Reply, describe: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Wire {
    aws(one(&described("web", 3, 3)), move |call| match call.action.as_str() {
        "ListTasks" if call.body.contains("nextToken") => second.clone(),
        "ListTasks" => {
            Reply::ok(json!({"taskArns": ["arn:aws:ecs:eu-central-1:1:task/prod/1"], "nextToken": "2"}))
        }
        "DescribeTasks" => describe(if call.body.contains("task/prod/1") { "1" } else { "2" }),
        _ => around(call),
    })
}

#[tokio::test]
async fn stopped_tasks_are_read_to_the_last_page_and_what_was_read_before_a_throttle_counts() {
    let second = || Reply::ok(json!({"taskArns": ["arn:aws:ecs:eu-central-1:1:task/prod/2"]}));
    let exited = |id: &str| Reply::ok(json!({"tasks": [stopped(id, "EssentialContainerExited", 1)]}));
    let told = |wire: Wire| async move {
        let ask = wire.ask();
        check_services(&ask, &[service("prod/web")]).await;
        assert_eq!(ask.verdict(Kind::Service, "prod/web").unwrap().health, Health::Healthy);
        ask.verdict(Kind::StoppedTasks, "prod/web").unwrap()
    };
    let both = told(tasks(second(), exited)).await;
    assert!(both.health == Health::Degraded && both.reason.contains("2 of 2 tasks"), "{both:?}");
    let half = told(tasks(Reply::error(400, "ThrottlingException"), exited)).await;
    assert_eq!(half.health, Health::Degraded);
    assert!(
        half.reason.contains("1 task stopped") && half.reason.contains("ThrottlingException"),
        "{half:?}"
    );
    let denied = told(tasks(second(), |_| Reply::error(400, DENIED))).await;
    assert!(denied.health == Health::Unknown && denied.reason.contains("ecs:DescribeTasks is denied"));
    let silent = told(tasks(second(), |_| Reply::ok(json!({})))).await;
    assert!(silent.health == Health::Unknown && silent.reason.contains("does not describe"), "{silent:?}");
    let missing = |_: &str| Reply::ok(json!({"tasks": [], "failures": [{"arn": "a", "reason": "MISSING"}]}));
    assert_eq!(told(tasks(second(), missing)).await.health, Health::Healthy);
    let meant = told(tasks(second(), |id| {
        Reply::ok(json!({"tasks": [stopped(id, "ServiceSchedulerInitiated", 143)]}))
    }))
    .await;
    assert_eq!(meant.health, Health::Healthy, "ECS itself scaled it in: {meant:?}");
}

fn definition() -> Value {
    json!({"taskDefinition": {
        "taskDefinitionArn": DEFINITION, "family": "web", "revision": 7, "status": "ACTIVE",
        "containerDefinitions": [{
            "name": "app", "image": "1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2",
            "environment": [{"name": "PLAIN", "value": "never said"}],
            "secrets": [
                {"name": "DB", "valueFrom": "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:password::"},
                {"name": "FLAG", "valueFrom": "arn:aws:ssm:eu-central-1:1:parameter/prod/flag"},
            ],
            "logConfiguration": {"logDriver": "splunk", "secretOptions": [
                {"name": "splunk-token", "valueFrom": "arn:aws:secretsmanager:eu-central-1:1:secret:splunk-a1B2c3"},
            ]},
        }],
    }})
}

fn task_definition() -> Component {
    crate::decision::kind::task_definition::component(DEFINITION)
}

#[tokio::test]
async fn a_task_definition_has_its_images_and_secrets_checked_and_no_value_is_told() {
    let wire = Wire::new(|_| Reply::ok(definition()));
    let ask = wire.ask();
    check_task_definitions(&ask, &[task_definition()]).await;
    let verdict = ask.verdict(Kind::TaskDefinition, "web:7").unwrap();
    assert_eq!(verdict.health, Health::Healthy, "{verdict:?}");
    assert!(!format!("{verdict:?}").contains("never said"));
    let needs = ask.said()["task-definition:web:7"].needs.clone();
    assert_eq!(needs.iter().collect::<Vec<_>>(), ["image:shop/web:2", "secret:prod/db", "secret:splunk"]);
    let image = ask.take_more().into_iter().find(|one| one.kind == Kind::Image).unwrap();
    assert_eq!(image.arn(), "1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2");
}

#[tokio::test]
async fn a_task_definition_that_cannot_be_asked_for_is_unknown_and_one_that_is_gone_has_failed() {
    let cases = [
        (
            Reply::refusal(400, "ClientException", "Unable to describe task definition."),
            Health::Failed,
            "does not exist",
        ),
        (Reply::error(400, "ClientException"), Health::Unknown, "ClientException"),
        (Reply::error(400, DENIED), Health::Unknown, "ecs:DescribeTaskDefinition is denied"),
        (Reply::error(400, "ThrottlingException"), Health::Unknown, "ThrottlingException"),
        (Reply::ok(json!({})), Health::Unknown, "does not say what status"),
        (
            Reply::ok(
                json!({"taskDefinition": {"status": "INACTIVE", "containerDefinitions": [{"name": "a"}]}}),
            ),
            Health::Degraded,
            "retired",
        ),
    ];
    for (reply, health, reason) in cases {
        let wire = Wire::new(move |_| reply.clone());
        let ask = wire.ask();
        check_task_definitions(&ask, &[task_definition()]).await;
        let verdict = ask.verdict(Kind::TaskDefinition, "web:7").unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}
