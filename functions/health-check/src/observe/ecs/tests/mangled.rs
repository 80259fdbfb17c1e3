//! Answers that were damaged on their way.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{check_clusters, check_services, check_task_definitions};
use super::{around, cluster, definition, described, one, service, stopped, task_definition, tasks};
use crate::component::Kind;
use crate::decision::Health;
use crate::wire::{Reply, Wire};

/// An answer in which a few characters are something else.
fn mangled(good: &Value, from: usize, junk: &str) -> String {
    let good = good.to_string();
    let from = from % good.len();
    let to = (from + 9).min(good.len());
    format!("{}{junk}{}", &good[..from], &good[to..])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_service_is_never_healthy_without_its_status(from in 0_usize..4_000, junk in "[a-z\"{:,0]{0,6}") {
        let body = mangled(&one(&described("web", 3, 3)), from, &junk);
        let answer = body.clone();
        let wire = Wire::new(move |call| match call.action.as_str() {
            "DescribeServices" => Reply::ok(&answer),
            _ => around(call),
        });
        let ask = wire.ask();
        run(check_services(&ask, &[service("prod/web")]));
        if ask.verdict(Kind::Service, "prod/web").unwrap().health == Health::Healthy {
            prop_assert!(body.contains("\"status\":\"ACTIVE\""), "{body}");
        }
    }

    #[test]
    fn mangled_stopped_tasks_are_never_healthy(from in 0_usize..4_000, junk in "[a-z\"{:,0]{0,6}") {
        let body = mangled(&json!({"tasks": [stopped("1", "TaskFailedToStart", 1)]}), from, &junk);
        let answer = body.clone();
        let end = Reply::ok(json!({"taskArns": []}));
        let wire = tasks(end, move |_| Reply::ok(&answer));
        let ask = wire.ask();
        run(check_services(&ask, &[service("prod/web")]));
        let verdict = ask.verdict(Kind::StoppedTasks, "prod/web").unwrap();
        // Another time may be long ago: that is what was mangled then, not the state.
        let long_ago = verdict.reason == "no task stopped within the hour" && body.contains("\"stopCode\"");
        prop_assert!(verdict.health != Health::Healthy || long_ago, "{body}");
    }

    #[test]
    fn a_mangled_task_definition_or_cluster_is_never_healthy_without_its_status(
        from in 0_usize..4_000, junk in "[a-z\"{:,0]{0,6}",
    ) {
        let active = "\"status\":\"ACTIVE\"";
        let body = mangled(&definition(), from, &junk);
        let answer = body.clone();
        let wire = Wire::new(move |_| Reply::ok(&answer));
        let ask = wire.ask();
        run(check_task_definitions(&ask, &[task_definition()]));
        if ask.verdict(Kind::TaskDefinition, "web:7").unwrap().health == Health::Healthy {
            prop_assert!(body.contains(active), "{body}");
        }
        let body = mangled(&json!({"clusters": [{"clusterName": "prod", "status": "ACTIVE"}]}), from, &junk);
        let answer = body.clone();
        let wire = Wire::new(move |_| Reply::ok(&answer));
        let ask = wire.ask();
        run(check_clusters(&ask, &[cluster("prod")]));
        if ask.verdict(Kind::EcsCluster, "prod").unwrap().health == Health::Healthy {
            prop_assert!(body.contains(active), "{body}");
        }
    }
}
