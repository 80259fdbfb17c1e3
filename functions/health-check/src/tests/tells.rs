//! What people are told where one thing stands on another: a service, its target group, and its database.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::join;

use super::account;
use super::world::World;
use crate::wire::Reply;

const IGNORED: &str = "aws-health, budget, tags, backup, load-balancer, listener";
const DAY: i64 = 24 * 60;

/// How the environment is.
#[derive(Debug, Clone, Copy)]
struct Now {
    database: bool,
    service: bool,
    key: bool,
}

const WELL: Now = Now { database: true, service: true, key: true };
const DATABASE_DOWN: Now = Now { database: false, service: false, ..WELL };

/// A service that reads the password of the database; and a key that has nothing to do with either.
fn world() -> World {
    let world = World::new(&[
        "arn:aws:ecs:eu-central-1:1:service/prod/web",
        "arn:aws:kms:eu-central-1:1:key/k",
        "arn:aws:rds:eu-central-1:1:db:orders",
    ]);
    world.policy(&format!("health: {{ignore: [{IGNORED}]}}"));
    is(&world, WELL);
    world
}

fn is(world: &World, now: Now) {
    world.answers(move |call| {
        let reply = match call.action.as_str() {
            "DescribeDBInstances" => {
                let status = if now.database { "available" } else { "storage-full" };
                let secret = "<MasterUserSecret><SecretStatus>active</SecretStatus><SecretArn>\
                              arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3</SecretArn>\
                              </MasterUserSecret></DBInstance>";
                let instance = account::instance("orders", status).replace("</DBInstance>", secret);
                account::instances(&[instance])
            }
            "DescribeServices" => {
                let running = if now.service { 3 } else { 0 };
                Reply::ok(json!({"services": [account::service("web", running, 3)], "failures": []}))
            }
            "DescribeTargetHealth" if now.service => account::targets("healthy", ""),
            "DescribeTargetHealth" => account::targets("unhealthy", "Target.FailedHealthChecks"),
            "DescribeKey" => {
                let state = if now.key { "Enabled" } else { "PendingDeletion" };
                Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": state}}))
            }
            "GetResources" => return None,
            _ => return account::answer(call),
        };
        Some(reply)
    });
}

/// Sweeps at each of these minutes; in all of them, the environment is like this.
async fn sweeps(world: &World, now: Now, minutes: impl IntoIterator<Item = i64>) {
    is(world, now);
    for minute in minutes {
        world.sweep(minute).await;
    }
}

/// What was told: incident, state and severity.
fn told(world: &World) -> Vec<(String, String, String)> {
    let said = |value: &Value| value.as_str().unwrap().to_owned();
    let short = |it: &Value| {
        (said(&it["incident"]).replace("health:prod:", ""), said(&it["state"]), said(&it["severity"]))
    };
    world.notices().iter().map(short).collect()
}

fn notice(incident: &str, state: &str, severity: &str) -> (String, String, String) {
    (incident.to_owned(), state.to_owned(), severity.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_is_one_notice_that_names_what_it_affects() {
    let world = world();
    sweeps(&world, WELL, [0]).await;
    sweeps(&world, DATABASE_DOWN, [5, 10]).await;
    assert_eq!(told(&world), []);
    sweeps(&world, DATABASE_DOWN, [15, 20, 25]).await;
    assert_eq!(told(&world), [notice("rds-instance:orders", "firing", "sev1")]);
    let facts = world.notices()[0]["facts"].to_string();
    assert!(facts.contains("ecs-service:prod/web, target-group:web"), "{facts}");

    // The service comes back with its database: nobody knew that it was gone.
    sweeps(&world, WELL, [30, 35, 40]).await;
    let expected =
        [notice("rds-instance:orders", "firing", "sev1"), notice("rds-instance:orders", "resolved", "sev1")];
    assert_eq!(told(&world), expected);
    assert_eq!(world.remembered(), ["sweeps"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_come_back_with_its_database_is_told_then() {
    let world = world();
    sweeps(&world, DATABASE_DOWN, [0, 5, 10]).await;
    sweeps(&world, Now { database: true, ..DATABASE_DOWN }, [15, 20, 25]).await;
    let all: BTreeSet<_> = told(&world).into_iter().collect();
    let expected = [
        notice("rds-instance:orders", "firing", "sev1"),
        notice("rds-instance:orders", "resolved", "sev1"),
        notice("ecs-service:prod/web", "firing", "sev1"),
    ];
    assert_eq!(all, expected.into(), "the target group is bad because of the service");
    assert_eq!(world.notices().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_causes_are_two_notices() {
    let world = world();
    sweeps(&world, Now { key: false, ..DATABASE_DOWN }, [0, 5, 10, 15]).await;
    let all: BTreeSet<_> = told(&world).into_iter().collect();
    let expected = [notice("rds-instance:orders", "firing", "sev1"), notice("kms-key:k", "firing", "sev2")];
    assert_eq!(all, expected.into());
    assert_eq!(world.notices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_bad_now_and_then_is_not_told() {
    let world = world();
    for round in 0..6 {
        sweeps(&world, DATABASE_DOWN, [15 * round, 15 * round + 5]).await;
        sweeps(&world, WELL, [15 * round + 10]).await;
    }
    assert_eq!(told(&world), []);
}

#[tokio::test(start_paused = true)]
async fn people_are_reminded_after_a_day_of_the_cause_alone() {
    let world = world();
    sweeps(&world, DATABASE_DOWN, [0, 5, 10, DAY, DAY + 5]).await;
    assert_eq!(world.notices().len(), 1, "a day after it was told, not after it began");
    sweeps(&world, DATABASE_DOWN, [DAY + 10, DAY + 15]).await;
    let notices = world.notices();
    assert_eq!(told(&world), vec![notice("rds-instance:orders", "firing", "sev1"); 2]);
    assert!(notices[1]["title"].as_str().unwrap().contains("is still failed"), "{:#}", notices[1]);
    assert!(notices[0]["revision"].as_u64() < notices[1]["revision"].as_u64());
}

#[tokio::test(start_paused = true)]
async fn another_certificate_under_the_same_name_begins_the_day_anew() {
    let world = World::new(&["arn:aws:acm:eu-central-1:1:certificate/c1"]);
    let has = |serial: &'static str| {
        world.answers(move |call| {
            let mut certificate = account::certificate(serial, 20);
            certificate["Certificate"]["Type"] = json!("IMPORTED");
            (call.action == "DescribeCertificate").then(|| Reply::ok(certificate))
        });
    };
    has("0a:1b");
    for minute in [0, 5, 10] {
        world.sweep(minute).await;
    }
    assert_eq!(world.notices().len(), 1);
    has("0c:2d");
    for minute in [DAY - 60, DAY + 10, 2 * DAY - 65] {
        world.sweep(minute).await;
    }
    assert_eq!(world.notices().len(), 1, "the new one is told of no earlier than the old one was");
    world.sweep(2 * DAY - 60).await;
    assert_eq!(world.notices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_ignores_is_not_told_and_explains_nothing() {
    for rule in ["rds-instance", "rds-instance:ord*", "rds-instance:orders"] {
        let world = world();
        world.policy(&format!("health: {{ignore: [{IGNORED}, '{rule}']}}"));
        sweeps(&world, DATABASE_DOWN, [0, 5, 10, 15]).await;
        assert_eq!(told(&world), [notice("ecs-service:prod/web", "firing", "sev1")], "{rule}");
    }
    // Somebody tells it to be ignored while it is bad: it is over.
    let world = world();
    sweeps(&world, DATABASE_DOWN, [0, 5, 10]).await;
    world.policy(&format!("health: {{ignore: [{IGNORED}, rds-instance, ecs-service, target-group]}}"));
    sweeps(&world, DATABASE_DOWN, [15, 20]).await;
    let expected =
        [notice("rds-instance:orders", "firing", "sev1"), notice("rds-instance:orders", "resolved", "sev1")];
    assert_eq!(told(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn two_sweeps_at_once_tell_the_same_under_the_same_ids() {
    for apart in [0, 1] {
        let world = world();
        let both = async |minute: i64| {
            let (one, other) = join!(world.try_sweep(minute), world.try_sweep(minute + apart));
            assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        };
        sweeps(&world, DATABASE_DOWN, [0, 5]).await;
        both(10).await;
        world.sweep(15).await;
        is(&world, WELL);
        world.sweep(20).await;
        both(25).await;
        world.sweep(30).await;
        let ids: BTreeSet<_> = world
            .notices()
            .iter()
            .map(|it| (it["state"].to_string(), it["incident"].to_string(), it["id"].to_string()))
            .collect();
        assert_eq!(ids.len(), 2, "{apart} minutes apart: {ids:#?}");
        assert!(world.notices().len() <= 4);
        assert_eq!(world.remembered(), ["sweeps"]);
    }
}
