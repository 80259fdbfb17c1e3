//! What goes wrong, and what is left of it.

use super::*;

const WHY: &str =
    "its tasks do not start: password authentication failed for user app. See whether the secret fits.";

async fn failed_canary(world: &World) -> String {
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    check_standings(world, &id, &[("api", "moving"), ("web", "queued")]);
    world.rotated(crate::cases::NEW).await;
    world.fails("api", WHY);
    world.changes();
    id
}

#[tokio::test]
async fn a_canary_that_fails_stops_the_rest_and_people_read_why_and_what_to_type() {
    let world = World::new("postgres-alternating", &[("api", 2), ("web", 3)]);
    let id = failed_canary(&world).await;
    let report = world.follow(60, &id).await;
    assert_eq!((report.outcome(), report.reason()), ("stopped", "of 2 services: 1 failed, 1 not begun"));
    assert_eq!(world.changes(), ["tell sev2 firing: prod/db changed, and redeploying its services stopped"]);
    check_standings(&world, &id, &[("api", "failed"), ("web", "queued")]);
    let notice = notice(&world);
    assert_eq!(fact(&notice, "Failed"), format!("prod/api: {WHY}"));
    assert_eq!(fact(&notice, "Not begun"), "prod/web");
    let steps = steps(&notice);
    assert!(
        steps.contains(&format!(
            "aws secretsmanager update-secret-version-stage --secret-id {SECRET} --version-stage AWSCURRENT \
             --move-to-version-id {OLD} --remove-from-version-id {NEW}"
        )),
        "{steps}"
    );
    assert_eq!(world.follow(60, &id).await.reason(), "the redeploy is over");
}

#[tokio::test]
async fn the_label_is_put_back_where_the_policy_says_so_and_its_dependants_follow() {
    let world = World::seen("postgres-alternating", &[("api", 2), ("web", 3)]).await;
    world.state().policy = Some("redeploy: {put_back: when_safe}".to_owned());
    let id = failed_canary(&world).await;
    world.goes_on(60, &id).await;
    assert_eq!(
        world.changes(),
        ["put the label back", "tell sev2 firing: prod/db changed, and redeploying its services stopped"]
    );
    let told = notice(&world);
    assert!(
        told["actions"][0]
            .as_str()
            .unwrap()
            .starts_with(&format!("Put the label AWSCURRENT back to version {OLD}"))
    );

    // The label's own event: whoever never left the old version has it.
    let back = world.moves().await;
    assert_ne!(back, id);
    world.changes();
    world.goes_on(60, &back).await;
    assert_eq!(
        world.changes(),
        ["tell sev4 resolved: prod/db changed: all services that use it have the new version"]
    );
}

#[tokio::test]
async fn people_hear_that_the_label_was_put_back_although_the_first_attempt_to_tell_them_failed() {
    let world = World::new("valkey-user", &[("api", 2), ("web", 3)]);
    world.state().policy = Some("redeploy: {put_back: when_safe}".to_owned());
    let id = failed_canary(&world).await;
    world.breaks("Publish", "Throttling");
    assert_eq!(world.follow(60, &id).await.outcome(), "failed");
    assert_eq!(world.changes(), ["put the label back", "again in 30 s"]);
    world.goes_on(30, &id).await;
    assert_eq!(world.changes(), ["tell sev2 firing: prod/db changed, and redeploying its services stopped"]);
    let action = notice(&world)["actions"][0].as_str().unwrap().to_owned();
    assert!(action.starts_with(&format!("Put the label AWSCURRENT back to version {OLD}")), "{action}");
}

#[tokio::test]
async fn a_label_that_may_not_be_put_back_is_told_with_the_refusal() {
    let world = World::new("valkey-user", &[("api", 2), ("web", 3)]);
    world.state().policy = Some("redeploy: {put_back: when_safe}".to_owned());
    let id = failed_canary(&world).await;
    world.breaks("UpdateSecretVersionStage", "AccessDeniedException");
    world.goes_on(60, &id).await;
    let told = notice(&world);
    let action = told["actions"][0].as_str().unwrap();
    assert!(action.starts_with(
        "Tried to put the label back, which was refused: secretsmanager:UpdateSecretVersionStage is denied"
    ));
    assert!(steps(&told).contains("--move-to-version-id"));
}

#[tokio::test]
async fn a_permission_that_is_missing_stops_at_the_first_service_and_blames_no_secret() {
    let world = World::new("valkey-user", &[("api", 1), ("web", 3), ("worker", 5)]);
    world.state().policy = Some("redeploy: {put_back: when_safe, waves: {first: 2}}".to_owned());
    for name in ["api", "web", "worker"] {
        world.breaks(&format!("UpdateService {name}"), "AccessDeniedException");
    }
    let id = world.moves().await;
    world.changes();
    let report = world.follow(60, &id).await;
    assert_eq!(report.outcome(), "stopped");
    check_standings(&world, &id, &[("api", "failed"), ("web", "failed"), ("worker", "queued")]);
    assert!(!world.changes().contains(&"put the label back".to_owned()));
    let notice = notice(&world);
    assert!(
        fact(&notice, "Failed").starts_with("prod/api: ecs:UpdateService is denied to this function's role")
    );
    assert!(!steps(&notice).contains("update-secret-version-stage"));
    // The lease was given back: by hand, it may begin at once.
    assert!(!world.state().table.contains_key(&("target#ecs:prod/api".to_owned(), "redeploying".to_owned())));
}

#[tokio::test]
async fn a_service_that_was_deleted_a_moment_ago_stops_nobody() {
    let world = World::new("", &[("api", 1), ("web", 3)]);
    world.breaks("UpdateService api", "ServiceNotFoundException");
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    check_standings(&world, &id, &[("api", "skipped"), ("web", "moving")]);
}

#[tokio::test]
async fn a_throttle_brings_the_message_back_and_repeats_only_what_it_stopped() {
    let world = World::new("", &[("api", 2), ("web", 3), ("worker", 4)]);
    world.state().policy = Some("redeploy: {waves: {first: 3}}".to_owned());
    for _ in 0..crate::act::ATTEMPTS {
        world.breaks("UpdateService web", "ThrottlingException");
    }
    let id = world.moves().await;
    world.changes();
    let report = world.follow(60, &id).await;
    assert_eq!(report.outcome(), "failed");
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
    check_standings(&world, &id, &[("api", "moving"), ("web", "moving"), ("worker", "moving")]);
    assert_eq!(world.entry(&redeploy_pk(&id), "state")["waves"], 1);
    world.changes();
    world.arrives("api");
    world.arrives("worker");
    world.goes_on(30, &id).await;
    assert_eq!(world.changes(), ["watch ecs:prod/web", "update web", "again in 60 s"]);
    check_standings(&world, &id, &[("api", "fresh"), ("web", "moving"), ("worker", "fresh")]);
}

#[tokio::test]
async fn a_throttle_that_passes_is_waited_out_and_the_call_made_once() {
    let world = World::new("", &[("web", 3)]);
    world.breaks("UpdateService web", "ThrottlingException");
    let id = world.moves().await;
    world.changes();
    world.goes_on(60, &id).await;
    assert_eq!(world.changes(), ["watch ecs:prod/web", "update web", "again in 60 s"]);
}

#[tokio::test]
async fn what_a_throttle_stopped_waits_for_the_end_of_a_freeze_as_all_else_does() {
    let world = World::new("", &[("web", 3)]);
    for _ in 0..crate::act::ATTEMPTS {
        world.breaks("UpdateService web", "ThrottlingException");
    }
    let id = world.moves().await;
    world.goes_on(60, &id).await;
    world.state().policy = Some("freeze: true".to_owned());
    world.changes();
    world.goes_on(30, &id).await;
    assert_eq!(world.changes(), ["again in 900 s"]);
}

#[tokio::test]
async fn what_will_not_pass_by_itself_is_told_once_and_its_end_too() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    world.changes();
    for _ in 0..2 {
        world.breaks("ListServices", "AccessDeniedException");
        let report = world.follow(300, &id).await;
        assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));
    }
    let title = "prod/db changed, and its services cannot be redeployed";
    assert_eq!(world.changes(), [&format!("tell sev2 firing: {title}"), "again in 300 s", "again in 300 s"]);
    let summary = notice(&world)["summary"].as_str().unwrap().to_owned();
    assert!(summary.starts_with("ecs:ListServices is denied to this function's role"), "{summary}");
    assert!(summary.ends_with("It is tried again every few minutes."), "{summary}");
    world.goes_on(300, &id).await;
    world.arrives("web");
    world.changes();
    world.goes_on(60, &id).await;
    assert_eq!(world.changes().last().unwrap(), "tell sev4 resolved: prod/db changed: 1 service redeployed");
}

#[tokio::test]
async fn a_deployment_that_was_made_and_not_written_down_is_not_made_twice() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    world.changes();
    world.breaks("PutItem operation", "ThrottlingException");
    assert_eq!(world.follow(60, &id).await.outcome(), "failed");
    check_standings(&world, &id, &[("web", "moving")]);
    assert_eq!(world.changes()[1..], ["update web", "again in 30 s"]);
    world.goes_on(30, &id).await;
    assert_eq!(world.changes(), ["again in 60 s"]);
    let member = world.entry(&redeploy_pk(&id), "member#ecs:prod/web");
    assert_eq!((&member["standing"], &member["deployment"]), (&json!("moving"), &json!("ecs-svc/web-2")));
    assert!(member["operation"].is_string());
    world.arrives("web");
    assert_eq!(world.follow(60, &id).await.reason(), "of 1 services: 1 redeployed");
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_stops_everything() {
    let world = World::new("", &[("web", 3)]);
    let id = world.moves().await;
    world.changes();
    world.state().policy = Some("redeploy: {wave: 1}".to_owned());
    let report = world.follow(60, &id).await;
    assert_eq!(report.outcome(), "failed");
    assert!(report.reason().contains("unknown field `wave`"), "{}", report.reason());
    assert_eq!(world.changes(), ["again in 300 s"], "somebody has to mend it first");
    for event in [
        json!({"sweep": "secrets"}),
        json!({"uses": {"secret": "prod/db"}}),
        json!({"detail-type": "Secret Label Updated", "time": "2026-11-20T03:00:00Z", "resources": [SECRET],
            "detail": {"labelUpdated": "AWSCURRENT", "versionId": NEW}}),
    ] {
        assert!(world.invoke(1, &event).await.is_err());
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_rotation_that_failed_is_told_with_what_the_hook_said_and_once() {
    use shared::ledger::rotation::{Rotation, State};
    use shared::strategy::Strategy;
    let world = World::new("postgres", &[]);
    let rotation = Rotation {
        secret: SECRET.to_owned(),
        version: NEW.to_owned(),
        previous: Some(OLD.to_owned()),
        strategy: Strategy::Postgres,
        step: "setSecret".to_owned(),
        state: State::Failed,
        said: "the database refuses the connection".to_owned(),
        exposed: Some(at(-1)),
        at: at(-1),
    };
    world.clients().ledger.record_rotation(&rotation, at(0)).await.unwrap();
    let of = |name: &str, time: &str| {
        json!({"detail-type": "AWS Service Event via CloudTrail", "time": time,
            "detail": {"eventName": name, "additionalEventData": {"SecretId": SECRET}}})
    };
    let failed = of("RotationFailed", "2026-11-20T03:00:00Z");
    assert_eq!(world.invoke(5, &failed).await.unwrap().outcome(), "told");
    let told = notice(&world);
    assert_eq!(
        (&told["severity"], &told["title"]),
        (&json!("sev2"), &json!("The rotation of prod/db failed"))
    );
    assert_eq!(fact(&told, "It said"), "the database refuses the connection");
    assert_eq!(fact(&told, "Last step"), "setSecret at 2026-11-20T02:59:00Z");
    assert_eq!(fact(&told, "New connections with the old value fail since"), "2026-11-20T02:59:00Z");
    assert_eq!(world.invoke(5, &failed).await.unwrap().reason(), "people know of it");
    assert!(world.notices().is_empty());
    drop(world.invoke(5, &of("RotationAbandoned", "2026-11-20T03:10:00Z")).await.unwrap());
    assert_eq!(notice(&world)["title"], "The rotation of prod/db was abandoned");
}
