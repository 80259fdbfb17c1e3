//! The same account, and its answers mangled: never a panic, never a failed sweep, and nothing healthy by default.

mod mangle;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::account::{self, TAGGED};
use super::world::World;
use crate::component::Kind;
use crate::wire::{Call, Reply};
use mangle::{Dice, FEW, NOTHING, again, anyhow, nothing};

/// Which kinds stand on what a call answers: what says nothing leaves none of them healthy.
const STANDS_ON: [(&str, &[&str]); 38] = [
    ("DescribeAlarms", &["alarm"]),
    ("DescribeBudgets", &["budget"]),
    ("DescribeCertificate", &["certificate"]),
    ("DescribeClusters", &["ecs-cluster"]),
    ("DescribeContinuousBackups", &["dynamodb-table"]),
    ("DescribeDBClusters", &["rds-cluster"]),
    ("DescribeDBInstances", &["rds-instance"]),
    ("DescribeEvents", &["aws-health"]),
    ("DescribeImages", &["image"]),
    ("DescribeKey", &["kms-key"]),
    ("DescribeListeners", &["listener", "load-balancer"]),
    ("DescribeLoadBalancers", &["listener", "load-balancer", "waf"]),
    ("DescribeLogGroups", &["log-group"]),
    // What AWS is going to maintain is told beside the verdict.
    ("DescribePendingMaintenanceActions", &[]),
    ("DescribeReplicationGroups", &["cache"]),
    ("DescribeRule", &["event-rule"]),
    ("DescribeScalableTargets", &["autoscaling"]),
    ("DescribeSecret", &["secret"]),
    ("DescribeServices", &["ecs-service", "ecs-stopped-tasks"]),
    ("DescribeStacks", &["stack"]),
    ("DescribeTable", &["dynamodb-table"]),
    ("DescribeTargetGroups", &["target-group"]),
    ("DescribeTargetHealth", &["target-group"]),
    ("DescribeTaskDefinition", &["task-definition"]),
    ("GET /", &["s3-bucket"]),
    ("GET /2013-04-01/healthcheck/h1", &["route53-health-check"]),
    ("GET /2013-04-01/healthcheck/h1/status", &["route53-health-check"]),
    ("GET /2013-04-01/hostedzone/Z1", &["route53-zone"]),
    ("GET /2013-04-01/hostedzone/Z1/rrset", &["route53-zone"]),
    ("GET /2015-03-31/event-source-mappings", &["event-source"]),
    ("GET /2015-03-31/functions/hook/configuration", &["lambda-function"]),
    ("GET /schedules", &["schedule"]),
    ("GetMetricData", &["cache", "ecs-service", "rds-instance"]),
    ("GetQueueAttributes", &["dlq", "sqs-queue"]),
    ("GetQueueUrl", &["dlq", "sqs-queue"]),
    ("GetWebACLForResource", &["waf"]),
    ("ListSubscriptionsByTopic", &["sns-topic"]),
    ("ListTasks", &["ecs-stopped-tasks"]),
];

/// Whose silence says nothing bad: a bucket that answers at all is there, what a resource's own service keeps is a backup,
/// the subscriptions of a topic are listed by themselves, and what is found by its tag is not more than that.
const BESIDE: [&str; 4] = ["HEAD /", "recovery-points", "GetTopicAttributes", "ListTargetsByRule"];

fn world() -> World {
    let world = World::new(&TAGGED);
    world.policy("{}");
    world
}

/// The kinds and names of what is healthy.
fn healthy(sweep: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let components = sweep["components"].as_array().unwrap().iter();
    components
        .filter(|it| it["health"] == "healthy")
        .map(|it| (word(&it["kind"]), word(&it["name"])))
        .collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

#[tokio::test(start_paused = true)]
async fn everything_is_healthy_where_all_answers_are_good() {
    let (world, asked) = (world(), Arc::new(Mutex::new(BTreeSet::new())));
    let seen = Arc::clone(&asked);
    world.answers(move |call| {
        seen.lock().unwrap().insert(call.action.clone());
        account::answer(call)
    });
    let sweep = world.look(0).await;
    let all = sweep["components"].as_array().unwrap();
    let bad: Vec<_> = all.iter().filter(|it| it["health"] != "healthy" && it["kind"] != "tags").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let kinds: BTreeSet<_> = healthy(&sweep).into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.len() >= 31, "{kinds:#?}");
    assert!(sweep.get("incomplete").is_none());
    for action in asked.lock().unwrap().iter().filter(|action| *action != "GetResources") {
        let known = STANDS_ON.iter().any(|(known, _)| stands_for(known, action))
            || BESIDE.iter().any(|part| action.contains(part));
        assert!(known, "nobody says what stands on {action}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_one_kind_sees_all_of_it_that_a_whole_sweep_sees() {
    let world = world();
    world.answers(account::answer);
    let names = |sweep: &Value, kind: &str| -> BTreeSet<String> {
        let all = sweep["components"].as_array().unwrap().iter();
        let names = all.filter(|it| it["kind"] == kind).map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let whole = world.look(0).await;
    for kind in Kind::ALL {
        let asked = json!({"check": {"kinds": [kind.word()], "format": "json"}});
        let report = world.ask(&asked, 0).await.unwrap();
        let seen: Value = serde_json::from_str(report.answer()["text"].as_str().unwrap()).unwrap();
        assert_eq!(names(&seen, kind.word()), names(&whole, kind.word()), "{kind}");
    }
}

/// The settings of a bucket are asked for by its address alone.
fn stands_for(known: &str, action: &str) -> bool {
    known == action || (known == "GET /" && action == "GET /assets")
}

#[test]
fn a_kind_whose_api_says_nothing_is_never_healthy() {
    run(async {
        let (world, mut wrong) = (world(), Vec::new());
        for (action, kinds) in STANDS_ON {
            for how in FEW {
                world.answers(move |call| {
                    let reply = account::answer(call)?;
                    let is_it = call.service != "tagging" && stands_for(action, &call.action);
                    Some(if is_it { nothing(how, call, reply) } else { reply })
                });
                let healthy = healthy(&world.look(0).await).into_iter();
                let of_it = healthy.filter(|(kind, _)| kinds.contains(&kind.as_str()));
                wrong.extend(
                    of_it.map(|(kind, name)| format!("{action} says nothing ({how}): {kind} {name}")),
                );
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn an_account_that_says_nothing_at_all_has_nothing_that_is_healthy() {
    for how in NOTHING {
        let world = world();
        world.answers(move |call| Some(nothing(how, call, account::answer(call)?)));
        let sweep = run(world.look(0));
        assert!(healthy(&sweep).is_empty(), "{how}: {:?}", healthy(&sweep));
        assert!(sweep["components"].as_array().unwrap().len() >= TAGGED.len(), "{how}");
    }
}

#[test]
fn a_list_that_begins_again_is_not_read_for_ever() {
    run(async {
        let (world, began) = (world(), Instant::now());
        world.answers(|call| Some(again(account::answer(call)?)));
        let sweep = world.look(0).await;
        assert!(world.calls() < 200, "{} calls", world.calls());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let unknown = sweep["counts"]["unknown"].as_u64().unwrap();
        assert!(unknown >= 5, "{:#}", sweep["counts"]);
    });
}

#[test]
fn tags_that_begin_again_are_read_once_and_it_is_said_that_this_is_not_all() {
    run(async {
        let (world, began) = (world(), Instant::now());
        let tags = json!([{"Key": "watchkeeper:environment", "Value": "prod"}]);
        let page = json!({"PaginationToken": "t", "ResourceTagMappingList": [
            {"ResourceARN": "arn:aws:kms:eu-central-1:1:key/k", "Tags": tags},
        ]});
        world.answers(move |call| match call.action.as_str() {
            "GetResources" => Some(Reply::ok(&page)),
            _ => account::answer(call),
        });
        let sweep = world.look(0).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(sweep["incomplete"][0].as_str().unwrap().contains("a page that was read"), "{sweep:#}");
        assert!(healthy(&sweep).contains(&("kms-key".to_owned(), "k".to_owned())), "what was read counts");
    });
}

/// Each of its answers is something else, or what it was.
fn hostile(seed: u64) -> impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static {
    let dice = Mutex::new(Dice::new(seed));
    let tags = json!([{"Key": "watchkeeper:environment", "Value": "prod"}]);
    let tagged: Vec<_> = TAGGED.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
    let page = Reply::ok(json!({"ResourceTagMappingList": tagged, "PaginationToken": ""}));
    move |call| {
        let reply = account::answer(call).unwrap_or_else(|| page.clone());
        // What is not found is not checked, and tests nothing.
        let spare = call.action == "GetResources" && !seed.is_multiple_of(4);
        Some(if spare { reply } else { anyhow(&mut dice.lock().unwrap(), call, reply) })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_account_that_answers_anyhow_is_checked_to_the_end(seed in any::<u64>()) {
        run(async {
            let (world, began) = (world(), Instant::now());
            world.answers(hostile(seed));
            let sweep = world.look(0).await;
            let counted: u64 = sweep["counts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
            assert_eq!(Some(counted), sweep["components"].as_array().map(|all| all.len() as u64));
            assert!(began.elapsed() <= Duration::from_secs(51), "{:?}", began.elapsed());
            for component in sweep["components"].as_array().unwrap() {
                let said = component["reason"].as_str().is_some_and(|reason| !reason.is_empty());
                assert!(said, "{component:#}");
            }
            if seed.is_multiple_of(4) {
                world.sweep(5).await;
            }
        });
    }
}
