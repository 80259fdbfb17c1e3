//! Requests of people.

use super::*;

#[tokio::test]
async fn who_asks_who_uses_a_secret_changes_nothing() {
    let world = World::new("", &[("api", 2), ("web", 3), ("worker", 1)]);
    world.web("web", |web| web.behind = format!(":::{OLD}"));
    world.web("worker", |web| web.tasks = vec![at(3)]);
    for event in [
        json!({"uses": {"secret": "prod/db"}}),
        json!({"redeploy": {"secret": SECRET}}),
        json!({"redeploy": {"secret": "prod/db", "dry_run": true, "confirm": "REDEPLOY"}}),
    ] {
        let report = world.invoke(300, &event).await.unwrap();
        let reason = "3 of 3 services that were looked at use prod/db; 1 would be redeployed";
        assert_eq!((report.outcome(), report.reason()), ("found", reason));
        let services = report.answer()["services"].as_array().unwrap();
        let seen: Vec<_> = services
            .iter()
            .map(|one| (one["service"].as_str().unwrap(), one["standing"].as_str().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [("ecs:prod/worker", "fresh"), ("ecs:prod/api", "to_redeploy"), ("ecs:prod/web", "skipped")]
        );
        assert_eq!(services[1]["uses"], json!(["secrets of container app"]));
        assert_eq!(services[1]["plan"]["by"], "redeploy");
        assert_eq!(world.changes(), Vec::<String>::new());
        let kept: Vec<_> =
            world.state().table.keys().map(|(pk, _)| pk.split('#').next().unwrap().to_owned()).collect();
        assert!(kept.iter().all(|kind| kind == "definition"), "{kept:?}");
    }
}

#[tokio::test]
async fn in_production_a_word_has_to_be_typed() {
    let world = World::new("", &[("web", 3)]);
    world.state().environment = "prod";
    for confirm in [Value::Null, json!("yes"), json!("redeploy")] {
        let event = json!({"redeploy": {"secret": "prod/db", "dry_run": false, "confirm": confirm}});
        let report = world.invoke(0, &event).await.unwrap();
        assert_eq!(report.outcome(), "held");
        assert_eq!(report.answer()["next_step"], "Say \"confirm\": \"REDEPLOY\".");
    }
    assert_eq!(world.changes(), Vec::<String>::new());
    let event =
        json!({"redeploy": {"secret": "prod/db", "dry_run": false, "confirm": "REDEPLOY", "by": "ann"}});
    let report = world.invoke(0, &event).await.unwrap();
    assert_eq!(report.outcome(), "begun");
    assert_eq!(world.changes(), ["follow in 0 s"]);
    let id = report.answer()["redeploy"].as_str().unwrap();
    assert_eq!(world.entry(&redeploy_pk(id), "state")["cause"], json!({"by_hand": {"by": "ann"}}));
}

#[tokio::test]
async fn what_the_notice_tells_to_type_is_understood_and_begins() {
    for environment in ["test", "prod"] {
        let world = World::new("", &[("web", 3)]);
        world.state().environment = environment;
        let id = world.moves().await;
        world.goes_on(60, &id).await;
        world.fails("web", "it does not start");
        world.goes_on(60, &id).await;
        let steps = steps(&notice(&world));
        let (begin, end) =
            (steps.find("{\"redeploy\"").unwrap(), steps.find(" to the function secret-redeploy").unwrap());
        let typed: Value = serde_json::from_str(&steps[begin..end]).unwrap();
        world.changes();
        let report = world.invoke(60, &typed).await.unwrap();
        assert_eq!(report.outcome(), "begun", "{typed} in {environment}");
    }
}

#[tokio::test]
async fn by_hand_neither_freeze_nor_settling_is_waited_for() {
    let world = World::new("", &[("web", 3)]);
    world.state().policy = Some("freeze: true".to_owned());
    let event = json!({"redeploy": {"secret": "prod/db", "dry_run": false}});
    let report = world.invoke(300, &event).await.unwrap();
    let id = report.answer()["redeploy"].as_str().unwrap().to_owned();
    world.goes_on(0, &id).await;
    check_standings(&world, &id, &[("web", "moving")]);
}

#[tokio::test]
async fn who_is_fresh_is_redeployed_only_where_that_is_asked_for_and_once() {
    for (even_if_fresh, expected) in [(false, "fresh"), (true, "moving")] {
        let world = World::new("", &[("web", 3)]);
        world.web("web", |web| {
            web.deployments =
                vec![deployed("ecs-svc/web-1", "PRIMARY", "COMPLETED", at(1), &crate::cases::td("web", 7))];
            web.tasks = vec![at(1); 3];
        });
        let event =
            json!({"redeploy": {"secret": "prod/db", "dry_run": false, "even_if_fresh": even_if_fresh}});
        let report = world.invoke(300, &event).await.unwrap();
        let id = report.answer()["redeploy"].as_str().unwrap().to_owned();
        world.goes_on(0, &id).await;
        check_standings(&world, &id, &[("web", expected)]);
        if even_if_fresh {
            world.changes();
            world.arrives("web");
            world.goes_on(60, &id).await;
            check_standings(&world, &id, &[("web", "fresh")]);
            assert_eq!(world.changes().iter().filter(|change| change.starts_with("update")).count(), 0);
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_or_not_ours_is_named() {
    let world = World::new("", &[("web", 3)]);
    let error = world.invoke(0, &json!({"uses": {"secret": "prod/no"}})).await.unwrap_err();
    assert_eq!(error.chain(), "the secret prod/no does not exist");
    world.state().secret_tags = crate::cases::tag("environment=dev");
    let error =
        world.invoke(0, &json!({"redeploy": {"secret": "prod/db", "dry_run": false}})).await.unwrap_err();
    assert_eq!(error.chain(), "prod/db is left alone: it belongs to the environment dev");
}
