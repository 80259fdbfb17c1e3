//! An environment in which everything is told in another way: what fails, what is not known, what is no fault.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::account;
use super::world::World;
use crate::wire::{Call, Reply};

const PAGES: [&[&str]; 2] = [
    &[
        "arn:aws:ecs:eu-central-1:1:cluster/prod",
        "arn:aws:ecs:eu-central-1:1:service/prod/zero",
        "arn:aws:ecs:eu-central-1:1:service/prod/down",
        "arn:aws:ecs:eu-central-1:1:service/prod/web",
        "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/idle/943f",
        "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/blind/943f",
    ],
    &[
        "arn:aws:cloudformation:eu-central-1:1:stack/web/0a1b",
        "arn:aws:rds:eu-central-1:1:db:orders",
        "arn:aws:secretsmanager:eu-central-1:1:secret:prod/api-a1B2c3",
    ],
];

fn tagged(arns: impl IntoIterator<Item = impl ToString>, next: &str) -> Reply {
    let tags = json!([{"Key": "watchkeeper:environment", "Value": "prod"}]);
    let all = arns.into_iter().map(|arn| json!({"ResourceARN": arn.to_string(), "Tags": tags}));
    Reply::ok(json!({"ResourceTagMappingList": all.collect::<Vec<_>>(), "PaginationToken": next}))
}

fn answer(call: &Call) -> Option<Reply> {
    let says = |word: &str| call.body.contains(word);
    let reply = match call.action.as_str() {
        "GetResources" if says("\"3\"") => Reply::error(400, "ThrottlingException"),
        "GetResources" if says("\"2\"") => tagged(PAGES[1], "3"),
        "GetResources" => tagged(PAGES[0], "2"),
        "DescribeServices" => {
            let mut down = account::service("down", 0, 1);
            down["loadBalancers"] = json!([]);
            let services = [account::service("zero", 0, 0), down, account::service("web", 0, 3)];
            Reply::ok(json!({"services": services, "failures": []}))
        }
        "DescribeTaskDefinition" if says("web:7") => Reply::ok(account::definition("web")),
        "DescribeTaskDefinition" => {
            let name = if says("zero:7") { "zero" } else { "down" };
            let mut definition = account::definition(name);
            definition["taskDefinition"]["containerDefinitions"][0]["secrets"] = json!([]);
            Reply::ok(definition)
        }
        "DescribeSecret" if says("prod/api") => Reply::error(400, "AccessDeniedException"),
        "DescribeSecret" => Reply::error(400, "ResourceNotFoundException"),
        "DescribeTargetGroups" => account::target_groups(&["web", "idle", "blind"]),
        "DescribeTargetHealth" if says("idle") => account::targets("unused", "Target.NotInUse"),
        "DescribeTargetHealth" if says("blind") => {
            account::targets("unavailable", "Target.HealthCheckDisabled")
        }
        "DescribeTargetHealth" => account::targets("unhealthy", "Target.FailedHealthChecks"),
        "GetMetricData" if says("AWS/ApplicationELB") => {
            Reply::metrics(&[Some(100.0), Some(0.0), Some(90.0), Some(0.1)])
        }
        "GetMetricData" if says("AWS/ECS") => Reply::metrics(&[]),
        "DescribeDBInstances" => account::instances(&[account::instance("orders", "modifying")]),
        "DescribeStacks" => account::stack("UPDATE_ROLLBACK_COMPLETE"),
        "DescribeStackEvents" => Reply::xml("DescribeStackEvents", "<StackEvents></StackEvents>"),
        "DescribeEvents" => Reply::cbor_error(400, "SubscriptionRequiredException"),
        _ => return account::answer(call),
    };
    Some(reply)
}

#[tokio::test(start_paused = true)]
async fn mixed_truths_are_told_apart_and_what_could_not_be_listed_is_said() {
    let world = World::new(&[]);
    world.policy("health: {ignore: [budget, tags]}");
    world.answers(answer);
    let sweep = world.look(0).await;
    let components = sweep["components"].as_array().unwrap();
    let of = |kind: &str, name: &str| -> &Value {
        let found = components.iter().find(|it| it["kind"] == kind && it["name"] == name);
        found.unwrap_or_else(|| panic!("nothing is said of {kind} {name}: {sweep:#}"))
    };
    let cases = [
        ("ecs-service", "prod/zero", "not-applicable", "scaled to zero"),
        ("ecs-service", "prod/down", "failed", "0 of 1 task run"),
        ("ecs-service", "prod/web", "failed", "0 of 3 tasks run"),
        ("target-group", "idle", "not-applicable", "none of its targets is in use"),
        ("target-group", "blind", "not-applicable", "is not checked"),
        ("target-group", "web", "failed", "0 of 2 targets are healthy"),
        ("load-balancer", "web", "failed", "90"),
        ("rds-instance", "orders", "healthy", "it is up: modifying"),
        ("stack", "web", "degraded", "rolled back"),
        ("secret", "prod/db", "failed", "does not exist"),
        ("secret", "prod/api", "unknown", "secretsmanager:DescribeSecret is denied"),
        ("aws-health", "AWS Health", "not-applicable", "support plan"),
        ("ecs-cluster", "prod", "healthy", "active"),
    ];
    for (kind, name, health, reason) in cases {
        let component = of(kind, name);
        assert_eq!(component["health"], health, "{component:#}");
        assert!(component["reason"].as_str().unwrap().contains(reason), "{component:#}");
    }
    assert_eq!(
        of("secret", "prod/api")["todo"][0],
        "Allow secretsmanager:DescribeSecret to the role of health-check."
    );
    let incomplete = sweep["incomplete"].as_array().unwrap();
    assert_eq!(incomplete.len(), 1, "{incomplete:?}");
    let said = incomplete[0].as_str().unwrap();
    assert!(said.contains("tag:GetResources") && said.contains("ThrottlingException"), "{said}");

    let cause = "secret:prod/db";
    let affected = ["ecs-service:prod/web", "load-balancer:web", "target-group:web"];
    assert_eq!(of("secret", "prod/db")["affects"], json!(affected));
    for id in affected {
        let (kind, name) = id.split_once(':').unwrap();
        assert_eq!(of(kind, name)["because_of"], json!([cause]), "{id}");
    }
    let order: Vec<String> = components
        .iter()
        .take(4)
        .map(|it| format!("{}:{}", it["kind"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect();
    assert_eq!(order[0], cause, "the cause leads, and what it affects follows");
    assert_eq!(order[1..].iter().map(String::as_str).collect::<BTreeSet<_>>(), affected.into());

    let report = world.ask(&json!({"check": {"format": "summary"}}), 0).await.unwrap();
    assert_eq!(report.answer()["exit"], 1, "{:?}", report.answer());
}

#[tokio::test(start_paused = true)]
async fn of_four_hundred_things_what_was_reached_in_time_counts_and_the_rest_is_not_known() {
    let arns = || {
        let keys = (0..100).map(|n| format!("arn:aws:kms:eu-central-1:1:key/k{n}"));
        let secrets = (0..100).map(|n| format!("arn:aws:secretsmanager:eu-central-1:1:secret:s{n}-a1B2c3"));
        // Route 53 takes five calls a second, and each of these needs two.
        let checks = (0..200).map(|n| format!("arn:aws:route53:::healthcheck/h{n}"));
        keys.chain(secrets).chain(checks)
    };
    let world = World::new(&[]);
    world.answers(move |call| match call.action.as_str() {
        "GetResources" => Some(tagged(arns(), "")),
        _ => account::answer(call),
    });
    let began = Instant::now();
    let sweep = world.look(0).await;
    // Ten of the sixty seconds are kept back, to tell people and to remember.
    assert!(began.elapsed() <= Duration::from_millis(50_100), "{:?}", began.elapsed());
    let components = sweep["components"].as_array().unwrap();
    assert_eq!(components.len(), 400);
    let count = |kind: &str, health: &str| {
        components.iter().filter(|it| it["kind"] == kind && it["health"] == health).count()
    };
    assert_eq!((count("kms-key", "healthy"), count("secret", "healthy")), (100, 100));
    let (reached, missed) =
        (count("route53-health-check", "healthy"), count("route53-health-check", "unknown"));
    assert!(reached > 60 && reached + missed == 200, "{reached} were reached, {missed} were not");
    let late = "the time was over before it was reached";
    assert_eq!(components.iter().filter(|it| it["reason"] == late).count(), missed);
    let said = format!("the time was over before {missed} of 400 were checked");
    assert_eq!(sweep["incomplete"], json!([said]));

    world.sweep(5).await;
    assert_eq!(world.remembered().len(), missed + 1, "what was not reached, and the sweep");
}
