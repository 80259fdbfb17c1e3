//! A search, against an ECS and a table that remember what they were asked.

mod scenario;
mod service;
mod world;

use std::time::Duration;

use shared::error::Class;
use shared::{Error, Result};

use super::*;
use world::{Broken, World, arn, cluster, definition, secret, service_in};

const HOUR: Duration = Duration::from_hours(1);

async fn search(world: &World, discovery: &Discovery, clusters: &str, time: Duration) -> Result<Scan> {
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let (ecs, ledger) = world.clients();
    let end = Instant::now() + time;
    discovery.dependants(&ecs, &ledger, clusters, &[secret("prod/db", "AbCdEf")], now, end).await
}

fn discovery() -> Discovery {
    Discovery::new(Arc::new(Budget::new()))
}

fn whole(scan: Result<Scan>) -> Dependants {
    match scan.unwrap() {
        Scan::Whole(dependants) => dependants,
        unfinished @ Scan::Unfinished { .. } => panic!("{unfinished:?}"),
    }
}

fn names(found: &[Found]) -> Vec<String> {
    let mut names: Vec<_> = found.iter().map(|found| found.service.target.to_string()).collect();
    names.sort();
    names
}

/// Services in three clusters. Ten share a task definition, and every tenth task definition uses the secret.
fn fleet() -> World {
    let world = World::new();
    for (name, services) in [("prod-eu", 213), ("prod-us", 7), ("staging", 20)] {
        cluster(&world, name);
        for number in 0..services {
            let family = format!("{name}-{}", number / 10);
            definition(&world, &family, (number / 10 % 10 == 0).then_some("prod/db-AbCdEf"));
            service_in(&world, name, &format!("service-{number:03}"), &[&family]);
        }
    }
    world
}

#[tokio::test]
async fn every_page_of_every_cluster_that_is_watched_is_read_and_no_call_is_made_twice() {
    let world = fleet();
    let discovery = discovery();

    let cold = whole(search(&world, &discovery, "prod*", HOUR).await);
    assert_eq!(cold.services, 220);
    assert_eq!(names(&cold.found).len(), 30 + 7);
    let calls = world.calls();
    let count = |action: &str| calls.iter().filter(|call| call.starts_with(action)).count();
    assert_eq!(count("ListClusters"), 2, "two on a page");
    assert_eq!(count("ListServices"), 3 + 1, "a hundred on a page");
    assert_eq!(count("DescribeServices"), 10 + 10 + 2 + 1, "ten at once");
    assert_eq!(count("DescribeTaskDefinition"), 22 + 1);
    assert_eq!(calls.iter().collect::<BTreeSet<_>>().len(), calls.len(), "none twice");

    assert_eq!(whole(search(&world, &discovery, "prod*", HOUR).await), cold);
    let warm = world.calls();
    assert!(
        warm.iter().all(|call| !call.starts_with("DescribeTask") && !call.starts_with("Batch")),
        "{warm:?}"
    );

    let other_process = Discovery::new(Arc::new(Budget::new()));
    assert_eq!(whole(search(&world, &other_process, "prod*", HOUR).await), cold);
    let warm = world.calls();
    assert!(warm.iter().all(|call| !call.starts_with("DescribeTask") && !call.starts_with("BatchWrite")));
    assert!(warm.iter().any(|call| call.starts_with("BatchGet")));
}

#[tokio::test]
async fn one_cluster_is_looked_at_without_a_list_and_one_that_is_not_there_has_no_services() {
    let world = fleet();
    assert_eq!(whole(search(&world, &discovery(), "prod-us", HOUR).await).services, 7);
    assert!(world.calls().iter().all(|call| !call.starts_with("ListClusters")));

    assert_eq!(whole(search(&world, &discovery(), "prod", HOUR).await), Dependants::default());
    assert_eq!(whole(search(&world, &discovery(), "test*", HOUR).await), Dependants::default());
}

#[tokio::test]
async fn a_search_that_runs_out_of_time_is_gone_on_with_where_it_stopped() {
    let world = World::new();
    cluster(&world, "prod");
    for number in 0..45 {
        let family = format!("family-{number}");
        definition(&world, &family, Some("prod/db-AbCdEf"));
        service_in(&world, "prod", &format!("service-{number:02}"), &[&family]);
    }

    let first = search(&world, &discovery(), "prod", Duration::from_millis(300)).await.unwrap();
    let Scan::Unfinished { services: 45, definitions_left } = first else { panic!("{first:?}") };
    let described = |calls: &[String]| calls.iter().filter(|call| call.starts_with("DescribeTask")).count();
    let calls = world.calls();
    assert_eq!(definitions_left, 45 - described(&calls));
    assert!((1..=15).contains(&definitions_left), "{definitions_left}");
    assert_eq!(world.remembered(), described(&calls), "what was read is written down");

    let second = whole(search(&world, &discovery(), "prod", HOUR).await);
    assert_eq!(second.found.len(), 45);
    assert_eq!(described(&world.calls()), definitions_left, "only what was missing");

    let none = search(&world, &discovery(), "prod", Duration::ZERO).await.unwrap();
    assert_eq!(none, Scan::Unfinished { services: 0, definitions_left: 0 });
    assert_eq!(world.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_call_that_hangs_is_left_when_the_time_is_over_and_what_was_read_is_written_down() {
    let world = World::new();
    cluster(&world, "prod");
    for family in ["quick", "slow"] {
        definition(&world, family, None);
        service_in(&world, "prod", family, &[family]);
    }
    world.hang("slow");
    // The call hangs for longer than any test lasts: that the search ends at all says that it was left.
    let scan = search(&world, &discovery(), "prod", Duration::from_secs(2)).await.unwrap();
    assert_eq!(scan, Scan::Unfinished { services: 2, definitions_left: 1 });
    assert_eq!(world.remembered(), 1);
}

/// What comes of a search of fifty services, if ECS answers so of the last of their task definitions.
async fn failing(broken: Broken) -> (World, Error) {
    let world = World::new();
    cluster(&world, "prod");
    for number in 10..60 {
        let family = format!("family-{number}");
        definition(&world, &family, None);
        service_in(&world, "prod", &format!("service-{number}"), &[&family]);
    }
    world.fail("family-15", broken);
    let error = search(&world, &discovery(), "prod", HOUR).await.unwrap_err();
    (world, error)
}

#[tokio::test]
async fn a_missing_permission_stops_the_search_and_is_named() {
    let (world, error) = failing(Broken::Denied).await;
    assert!(error.chain().starts_with("ecs:DescribeTaskDefinition is denied"), "{error:?}");
    let described = world.calls().iter().filter(|call| call.starts_with("DescribeTask")).count();
    assert!(described <= 6 + DEFINITIONS_IN_FLIGHT, "{described} were asked for");
    assert_eq!(world.remembered(), described - 1, "every other answer is written down");
}

#[tokio::test]
async fn what_ecs_does_not_take_now_is_asked_for_again_by_the_platform_and_nothing_is_lost() {
    let (world, error) = failing(Broken::Throttled).await;
    assert_eq!((error.class(), error.code()), (Class::Transient, Some("ThrottlingException")));
    assert!(world.remembered() >= 5);

    world.mend();
    let described = |calls: &[String]| calls.iter().filter(|call| call.starts_with("DescribeTask")).count();
    let (before, _) = (world.remembered(), world.calls());
    assert_eq!(whole(search(&world, &discovery(), "prod", HOUR).await).services, 50);
    assert_eq!(described(&world.calls()), 50 - before);
}

#[tokio::test]
async fn a_throttle_slows_its_family_only() {
    let world = World::new();
    cluster(&world, "prod");
    service_in(&world, "prod", "web", &["web"]);
    world.fail("web", Broken::ThrottledOnce);
    let discovery = discovery();

    assert_eq!(whole(search(&world, &discovery, "prod", HOUR).await).services, 1);

    let soon = || Instant::now() + Duration::from_millis(40);
    assert!(!discovery.budget.pace_by(Family::DefinitionRead, soon()).await, "it rests");
    assert!(discovery.budget.pace_by(Family::ServiceRead, soon()).await);
}

#[tokio::test]
async fn a_service_that_vanished_is_no_error_and_one_that_cannot_be_described_is() {
    let world = World::new();
    cluster(&world, "prod");
    definition(&world, "web", Some("prod/db-AbCdEf"));
    service_in(&world, "prod", "web", &["web"]);
    service_in(&world, "prod", "vanished", &["web"]);
    world.vanish("vanished", "MISSING");
    let found = whole(search(&world, &discovery(), "prod", HOUR).await);
    assert_eq!((found.services, names(&found.found)), (1, vec!["ecs:prod/web".to_owned()]));

    world.vanish("vanished", "INTERNAL");
    let error = search(&world, &discovery(), "prod", HOUR).await.unwrap_err();
    assert!(error.to_string().starts_with("ecs:DescribeServices does not describe arn:"), "{error:?}");
}

#[tokio::test]
async fn a_task_definition_that_is_gone_is_told_of_with_each_service_that_needs_it() {
    let world = World::new();
    cluster(&world, "prod");
    definition(&world, "web", Some("prod/db-AbCdEf"));
    for service in ["one", "two"] {
        service_in(&world, "prod", service, &["web", "gone"]);
    }
    let discovery = discovery();

    let found = whole(search(&world, &discovery, "prod", HOUR).await);

    assert_eq!(found.found.len(), 2);
    let unread: Vec<_> = found.unread.iter().map(|unread| unread.target.to_string()).collect();
    assert_eq!(unread, ["ecs:prod/one", "ecs:prod/two"]);
    assert!(found.unread.iter().all(|unread| unread.definition == arn("gone")));
    assert_eq!(world.remembered(), 1, "that it is gone is not written down");
}

#[tokio::test]
async fn what_the_ledger_holds_and_cannot_be_read_is_read_anew() {
    let world = World::new();
    cluster(&world, "prod");
    definition(&world, "web", Some("prod/db-AbCdEf"));
    service_in(&world, "prod", "web", &["web"]);
    whole(search(&world, &discovery(), "prod", HOUR).await);
    world.spoil();
    let found = whole(search(&world, &discovery(), "prod", HOUR).await);
    assert_eq!(found.found.len(), 1);
}
