//! What events have lost.

use super::*;

async fn sweep(world: &World, seconds: i64) -> shared::Report {
    world.invoke(seconds, &json!({"sweep": "secrets"})).await.unwrap()
}

async fn swept(world: &World, seconds: i64) {
    drop(sweep(world, seconds).await);
}

#[tokio::test]
async fn the_first_sweep_only_remembers_where_the_labels_stand() {
    let world = World::new("", &[("web", 3)]);
    let report = sweep(&world, 0).await;
    assert_eq!(
        report.reason(),
        "of 1 secrets: 0 moved unseen, 0 redeploys resumed, 0 begun for services that were missed, 0 in trouble"
    );
    assert_eq!(world.changes(), Vec::<String>::new());
    assert_eq!(world.entry(&format!("secret#{SECRET}"), "label#AWSCURRENT")["version"], NEW);
}

#[tokio::test]
async fn a_move_that_no_event_told_of_goes_the_same_way() {
    let world = World::seen("", &[("web", 3)]).await;
    assert_eq!(sweep(&world, 600).await.outcome(), "repaired");
    assert_eq!(world.changes(), ["follow in 0 s"]);
    // The event comes after all.
    let event = json!({"detail-type": "Secret Label Updated", "time": "2026-11-20T03:00:00Z", "resources": [SECRET],
        "detail": {"labelUpdated": "AWSCURRENT", "versionId": NEW}});
    assert_eq!(world.invoke(60, &event).await.unwrap().outcome(), "ignored");
    let id = world.state().follows[0].clone();
    world.goes_on(60, &id).await;
    check_standings(&world, &id, &[("web", "moving")]);
}

#[tokio::test]
async fn a_redeploy_whose_message_is_lost_is_resumed() {
    let world = World::seen("", &[("web", 3)]).await;
    let id = world.moves().await;
    world.changes();
    swept(&world, 600).await;
    assert_eq!(world.changes(), Vec::<String>::new(), "it is not late yet");
    swept(&world, 1_800).await;
    assert_eq!(world.changes(), ["follow in 0 s"]);
    assert_eq!(world.state().follows.last(), Some(&id));
}

#[tokio::test]
async fn a_service_that_nobody_saw_is_redeployed_and_the_same_only_once() {
    let world = World::seen("", &[("web", 3)]).await;
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    world.arrives("web");
    world.goes_on(60, &id).await;
    world.changes();
    swept(&world, 600).await;
    assert_eq!(world.changes(), Vec::<String>::new(), "all have the new version");

    // It was in a cluster that could not be seen, and its tasks are old.
    let web = world.state().services["web"].clone();
    world.state().services.insert("late".to_owned(), web);
    world.web("late", |web| {
        web.deployments = vec![deployed(
            "ecs-svc/late-1",
            "PRIMARY",
            "COMPLETED",
            at(-1_440),
            &crate::cases::td("late", 7),
        )];
        web.tasks = vec![at(-1_440); 3];
    });
    assert_eq!(sweep(&world, 600).await.outcome(), "repaired");
    let again = world.state().follows.last().cloned().unwrap();
    assert_ne!(again, id);
    swept(&world, 60).await;
    assert_eq!(world.state().follows.last(), Some(&again));
    world.changes();
    world.goes_on(60, &again).await;
    check_standings(&world, &again, &[("late", "moving"), ("web", "queued")]);
    assert_eq!(world.changes(), ["watch ecs:prod/late", "update late", "again in 60 s"]);
}

#[tokio::test]
async fn a_rotation_that_is_stuck_is_told_once() {
    let world = World::new("postgres", &[]);
    world.state().pending = Some("third");
    swept(&world, 3_600).await;
    assert!(world.notices().is_empty(), "it may be on its way");
    swept(&world, 7_200).await;
    let told = notice(&world);
    assert_eq!(
        (&told["severity"], &told["title"]),
        (&json!("sev3"), &json!("A rotation of prod/db is stuck"))
    );
    assert!(steps(&told).contains("aws secretsmanager rotate-secret --secret-id prod/db"));
    let report = sweep(&world, 7_200).await;
    assert!(world.notices().is_empty());
    assert!(report.reason().ends_with("1 in trouble"));
}

#[tokio::test]
async fn the_hook_that_still_waits_is_told_again() {
    let world = World::seen("", &[("web", 3)]).await;
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    world.arrives("web");
    world.goes_on(60, &id).await;
    world.rotated(NEW).await;
    world.changes();
    swept(&world, 600).await;
    assert_eq!(world.changes(), [format!("settle {NEW}")]);
}
