//! From the event to the last service.

use super::*;

#[tokio::test]
async fn a_rotation_goes_from_the_event_to_the_last_service() {
    let world = World::new("valkey-auth-token", &[("api", 2), ("web", 3), ("worker", 1)]);
    let id = world.moves().await;
    assert_eq!(world.changes(), ["follow in 60 s"]);

    let report = world.follow(30, &id).await;
    assert_eq!((report.outcome(), report.reason()), ("waiting", "other secrets that change are waited for"));
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
    assert_eq!(world.changes(), ["again in 30 s"]);

    // The smallest is the canary, and it alone begins.
    let report = world.follow(30, &id).await;
    assert_eq!(report.reason(), "1 of 3 services are being redeployed");
    assert_eq!(world.changes(), ["watch ecs:prod/worker", "update worker", "again in 60 s"]);
    check_standings(&world, &id, &[("api", "queued"), ("web", "queued"), ("worker", "moving")]);
    world.goes_on(60, &id).await;
    assert_eq!(world.changes(), ["again in 60 s"]);

    // Once deployment-watch has closed it, the others follow.
    world.arrives("worker");
    let report = world.invoke(10, &batch(&[json!({"advance": {"redeploy": id}})])).await.unwrap();
    assert_eq!(report.answer(), &json!({"batchItemFailures": []}), "it comes once");
    let mut changes = world.changes();
    changes.sort();
    assert_eq!(changes, ["update api", "update web", "watch ecs:prod/api", "watch ecs:prod/web"]);
    check_standings(&world, &id, &[("api", "moving"), ("web", "moving"), ("worker", "fresh")]);

    world.arrives("api");
    world.arrives("web");
    world.rotated(NEW).await;
    let report = world.follow(60, &id).await;
    assert_eq!((report.outcome(), report.reason()), ("redeployed", "of 3 services: 3 redeployed"));
    assert_eq!(report.answer()["batchItemFailures"], json!([]));
    assert_eq!(
        world.changes(),
        [format!("settle {NEW}").as_str(), "tell sev4 info: prod/db changed: 3 services redeployed"]
    );
    let notice = notice(&world);
    assert_eq!(fact(&notice, "Redeployed"), "prod/worker, prod/api, prod/web");
    assert_eq!(fact(&notice, "Waves"), "2");

    let report = world.follow(60, &id).await;
    assert_eq!((report.outcome(), report.reason()), ("ignored", "the redeploy is over"));
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_storm_of_events_is_one_redeploy_and_none_before_the_label_moved() {
    let world = World::new("", &[("web", 3)]);
    world.state().current = OLD;
    let of = |detail: Value| json!({"detail-type": "AWS Service Event via CloudTrail", "time": "2026-11-20T03:00:02Z", "detail": detail});
    let label = |label: &str, version: &str| {
        json!({"detail-type": "Secret Label Updated", "time": "2026-11-20T03:00:00Z", "resources": [SECRET],
            "detail": {"labelUpdated": label, "versionId": version}})
    };
    let put =
        json!({"detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "PutSecretValue"}});
    for early in [put, label("AWSPENDING", NEW), label("AWSCURRENT", NEW)] {
        assert_eq!(world.invoke(0, &early).await.unwrap().outcome(), "ignored");
    }
    assert_eq!(world.changes(), Vec::<String>::new());

    world.state().current = NEW;
    let mut outcomes = Vec::new();
    for event in [
        label("AWSCURRENT", NEW),
        label("AWSCURRENT", NEW),
        of(json!({"eventName": "RotationSucceeded", "additionalEventData": {"SecretId": SECRET}})),
        of(json!({"eventName": "RotationSucceeded", "serviceEventDetails": {"secretId": SECRET}})),
    ] {
        outcomes.push(world.invoke(1, &event).await.unwrap().outcome());
    }
    assert_eq!(outcomes, ["begun", "ignored", "ignored", "ignored"]);
    assert_eq!(world.changes(), ["follow in 60 s"]);
    let nobody = label("AWSCURRENT", NEW);
    let nobody = serde_json::from_str(&nobody.to_string().replace("prod/db", "prod/no")).unwrap();
    assert_eq!(world.invoke(1, &nobody).await.unwrap().reason(), "there is no such secret");
}

#[tokio::test]
async fn what_was_cut_off_before_the_move_was_remembered_begins_as_the_same() {
    let world = World::new("", &[("web", 3)]);
    world.breaks("PutItem label", "ThrottlingException");
    let event = json!({"detail-type": "Secret Label Updated", "time": "2026-11-20T03:00:00Z", "resources": [SECRET],
        "detail": {"labelUpdated": "AWSCURRENT", "versionId": NEW}});
    assert!(world.invoke(0, &event).await.is_err());
    drop(world.invoke(60, &event).await.unwrap());
    let follows = world.state().follows.clone();
    assert_eq!((follows.len(), &follows[0]), (2, &follows[1]));
}

#[tokio::test]
async fn the_one_that_is_tagged_as_the_canary_goes_first() {
    let world = World::new("", &[("api", 1), ("web", 9)]);
    world.web("web", |web| web.tags = crate::cases::tag("redeploy=first"));
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    check_standings(&world, &id, &[("api", "queued"), ("web", "moving")]);
}

#[tokio::test]
async fn several_secrets_cost_one_redeployment() {
    let world = World::new("", &[("web", 3)]);
    // Its tasks were made after this secret moved, for another one.
    world.web("web", |web| {
        web.deployments =
            vec![deployed("ecs-svc/web-9", "PRIMARY", "COMPLETED", at(2), &crate::cases::td("web", 7))];
        web.tasks = vec![at(2); 3];
    });
    let id = world.moves().await;
    let report = world.follow(300, &id).await;
    assert_eq!(report.reason(), "of 1 services: 1 had the new version already");
    // Nobody of ours rotated it, so there is nothing to settle.
    assert_eq!(world.changes(), ["follow in 60 s"]);
}

#[tokio::test]
async fn the_image_that_runs_is_deployed_by_a_copy_where_its_tag_moved() {
    let world = World::new("", &[("web", 3)]);
    world.web("web", |web| web.digest = "sha256:bbbb");
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web@sha256:aaaa";
    assert_eq!(
        world.changes()[2..4],
        [format!("register {image}"), format!("update web to {}", crate::cases::td("web", 8))]
    );
    world.arrives("web");
    world.changes();
    world.goes_on(60, &id).await;
    assert_eq!(world.changes(), ["tell sev4 info: prod/db changed: 1 service redeployed"]);
}

#[tokio::test]
async fn a_deployment_of_before_is_waited_for_and_the_service_redeployed_once_after_it() {
    let world = World::new("", &[("web", 3)]);
    world.web("web", |web| {
        let td = crate::cases::td("web", 7);
        web.deployments = vec![
            deployed("ecs-svc/web-code", "PRIMARY", "IN_PROGRESS", at(-5), &td),
            deployed("ecs-svc/web-1", "ACTIVE", "COMPLETED", at(-1_440), &td),
        ];
    });
    let id = world.moves().await;
    let report = world.follow(60, &id).await;
    assert_eq!(report.reason(), "1 of 1 services wait");
    assert_eq!(world.changes(), ["follow in 60 s", "again in 120 s"]);
    let waiting = ("target#ecs:prod/web".to_owned(), format!("waiting#{id}"));
    assert!(world.state().table.contains_key(&waiting), "deployment-watch is to tell of its end");

    // It ends in ECS taking it back: a young deployment of tasks that never stopped.
    world.web("web", |web| {
        web.deployments =
            vec![deployed("ecs-svc/web-back", "PRIMARY", "COMPLETED", at(2), &crate::cases::td("web", 7))];
    });
    drop(world.invoke(30, &batch(&[json!({"advance": {"redeploy": id}})])).await.unwrap());
    assert_eq!(world.changes(), ["watch ecs:prod/web", "update web"]);
    assert!(!world.state().table.contains_key(&waiting));
    let member = world.entry(&redeploy_pk(&id), "member#ecs:prod/web");
    assert_eq!(
        (&member["waited_for"], &member["deployment"]),
        (&json!("ecs-svc/web-code"), &json!("ecs-svc/web-2"))
    );
    world.arrives("web");
    world.goes_on(60, &id).await;
    check_standings(&world, &id, &[("web", "fresh")]);
}

#[tokio::test]
async fn who_deployed_after_the_move_is_not_counted_as_redeployed() {
    let world = World::new("", &[("web", 3)]);
    world.web("web", |web| {
        web.deployments =
            vec![deployed("ecs-svc/web-2", "PRIMARY", "IN_PROGRESS", at(1), &crate::cases::td("web", 8))];
    });
    let id = world.moves().await;
    world.goes_on(120, &id).await;
    check_standings(&world, &id, &[("web", "moving")]);
    world.arrives("web");
    let report = world.follow(60, &id).await;
    assert_eq!(report.reason(), "of 1 services: 1 had the new version already");
    assert!(world.notices().is_empty());
}

#[tokio::test]
async fn nothing_moves_in_another_invocations_hand() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    let ledger = world.clients().ledger;
    assert!(ledger.step(&id, "another", at(3), at(0)).await.unwrap());
    for work in ["follow", "advance"] {
        let report = world.invoke(60, &batch(&[json!({work: {"redeploy": id}})])).await.unwrap();
        assert_eq!(report.outcome(), "busy");
        assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}), "{work}");
    }
    assert_eq!(world.changes(), ["follow in 60 s", "again in 5 s", "again in 5 s"]);
    // Its time is over.
    world.goes_on(60, &id).await;
    check_standings(&world, &id, &[("web", "moving")]);
}

#[tokio::test]
async fn a_batch_is_dealt_with_message_by_message() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    world.changes();
    let event = batch(&[
        json!({"follow": {"redeploy": id}}),
        json!({"advance": {"redeploy": id}}),
        json!({"advance": {"redeploy": "unknown"}}),
        json!("no message"),
    ]);
    let report = world.invoke(60, &event).await.unwrap();
    assert_eq!((report.outcome(), report.reason()), ("several", "4 messages were dealt with"));
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
    assert_eq!(world.changes().iter().filter(|change| change.starts_with("update")).count(), 1);
}

#[tokio::test]
async fn a_freeze_holds_back_and_where_the_old_value_is_gone_people_hear_of_it_once() {
    for (strategy, told) in [("postgres", 1), ("postgres-alternating", 0), ("", 0)] {
        let world = World::new(strategy, &[("web", 3)]);
        world.state().policy = Some("freeze: true".to_owned());
        let id = world.moves().await;
        world.changes();
        world.goes_on(60, &id).await;
        let notices = world.notices();
        assert_eq!(notices.len(), told, "{strategy}");
        world.goes_on(900, &id).await;
        assert!(world.notices().is_empty());
        if let [notice] = notices.as_slice() {
            assert_eq!((&notice["severity"], &notice["state"]), (&json!("sev2"), &json!("firing")));
            assert_eq!(notice["title"], "prod/db changed, and services that use it wait to be redeployed");
            assert_eq!(
                notice["summary"],
                "The password before no longer works: what still runs with it cannot open new connections. They wait: nothing \
                 is changed until the freeze is taken out of the policy."
            );
            assert_eq!(fact(notice, "Waits"), "prod/web: its turn has not come");
        }

        world.state().policy = None;
        world.goes_on(900, &id).await;
        world.arrives("web");
        world.changes();
        world.goes_on(60, &id).await;
        let end = if told == 1 { "resolved" } else { "info" };
        assert_eq!(
            world.changes().last().unwrap(),
            &format!("tell sev4 {end}: prod/db changed: 1 service redeployed")
        );
    }
}

#[tokio::test]
async fn a_label_that_moved_on_drops_the_redeploy() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    world.state().current = OLD;
    let report = world.follow(60, &id).await;
    assert_eq!((report.outcome(), report.answer()), ("dropped", &json!({"batchItemFailures": []})));
    assert_eq!(world.changes(), ["follow in 60 s"]);
    assert_eq!(world.follow(60, &id).await.reason(), "the redeploy is over");
}

#[tokio::test]
async fn what_is_left_alone_keeps_the_rotation_from_being_settled_and_is_told() {
    let world = World::new("valkey-auth-token", &[("api", 2), ("web", 3)]);
    world.web("web", |web| web.behind = format!(":::{OLD}"));
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    world.arrives("api");
    world.rotated(NEW).await;
    world.changes();
    world.goes_on(60, &id).await;
    assert_eq!(
        world.changes(),
        ["tell sev3 info: prod/db changed: 1 service redeployed, others need a hand"]
    );
    let notice = notice(&world);
    assert!(fact(&notice, "Left alone").starts_with(&format!("prod/web: it asks for version {OLD}")));
    assert!(
        notice["summary"]
            .as_str()
            .unwrap()
            .ends_with("The old token stays valid, because not everybody is known to run with the new one.")
    );
}

#[tokio::test]
async fn in_observe_mode_nothing_is_changed_and_people_read_what_would_be() {
    let world = World::new("", &[("api", 2), ("web", 3)]);
    world.state().mode = shared::tags::Mode::Observe;
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    assert_eq!(
        world.changes(),
        ["follow in 60 s", "tell sev4 info: prod/db changed: 2 services would be redeployed"]
    );
    check_standings(&world, &id, &[("api", "proposed"), ("web", "proposed")]);
}

#[tokio::test]
async fn when_everything_is_off_nothing_happens() {
    let world = World::new("", &[("web", 3)]);
    world.state().mode = shared::tags::Mode::Off;
    for event in [
        json!({"sweep": "secrets"}),
        json!({"detail-type": "Secret Label Updated", "time": "2026-11-20T03:00:00Z", "resources": [SECRET],
            "detail": {"labelUpdated": "AWSCURRENT", "versionId": NEW}}),
        json!({"detail-type": "AWS Service Event via CloudTrail", "time": "2026-11-20T03:00:00Z",
            "detail": {"eventName": "RotationFailed", "additionalEventData": {"SecretId": SECRET}}}),
    ] {
        assert_eq!(world.invoke(0, &event).await.unwrap().outcome(), "ignored");
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_large_fleet_fits_into_a_line_of_the_log_and_a_notice() {
    let names: Vec<String> =
        (0..500).map(|number| format!("a-service-with-a-long-name-{number:03}")).collect();
    let services: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let world = World::new("", &services);
    for name in &names {
        world.web(name, |web| {
            web.behind = format!(":::{OLD}");
            web.deployments = vec![deployed(
                "ecs-svc/1",
                "PRIMARY",
                "COMPLETED",
                at(-1_440),
                &crate::cases::td("shared", 7),
            )];
        });
    }
    let id = world.moves().await;
    let report = world.follow(60, &id).await;
    assert_eq!(report.reason(), "of 500 services: 500 left alone");
    let length = line(&report).len();
    assert!(length < 256 * 1024, "{length} bytes: CloudWatch takes 256 KiB");
    let notice = notice(&world);
    let left = fact(&notice, "Left alone");
    assert!(
        left.ends_with(" more, see the log of secret-redeploy") && left.chars().count() < 2_000,
        "{left}"
    );
}
