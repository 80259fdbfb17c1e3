//! What people have decided: nothing is done, and they are told all the same.

use jiff::SignedDuration;
use local::recorded::{Letter, Queues};
use serde_json::json;
use shared::tags::{ENVIRONMENT, MODE, Mode};

use super::again::{RULE, dead, paid};
use super::world::{World, orders, outcome, redrive, titles};

/// Letters that could be sent back, and one that is nearly lost.
async fn world(queues: Queues) -> World {
    let world = World::of(queues).await;
    world.account.policy(RULE);
    for number in 0..3 {
        paid(&world, number);
    }
    let sent = Some(world.now() - SignedDuration::from_hours(95));
    let source = Some(world.queues.arn("orders"));
    world.put("orders-dlq", Letter { sent, source, receives: 2, ..Letter::new(r#"{"type": "old"}"#) });
    world
}

/// Whatever it does, nothing changes but what people know.
async fn check(world: &World, why: &str) {
    for _ in 0..2 {
        let reports = world.sweep().await;
        let said = outcome(&reports[0])["refused"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(why), "{said:?} instead of {why:?}");
        world.advance(300);
        let _ = world.deliver().await;
    }
    assert_eq!(
        (world.held("orders"), world.kept().len(), world.held("orders-dlq").len()),
        (vec![], 0, 4),
        "{why}"
    );
    let told = world.notices();
    assert!(
        told.iter().any(|notice| notice.title.starts_with("3 dead letters in orders-dlq")),
        "{:?}",
        titles(&told)
    );
    assert!(told.iter().any(|notice| notice.incident.ends_with(":loss")), "{:?}", titles(&told));
    assert_eq!(told.len(), 3, "and once: {:?}", titles(&told));
    let of_paid = told.iter().find(|notice| notice.title.contains("order.paid")).unwrap();
    assert!(of_paid.next_steps.iter().any(|step| step.contains(why)), "{:?}", of_paid.next_steps);
}

#[tokio::test]
async fn in_observe_mode_nothing_is_sent_or_archived_and_people_are_told() {
    let mut world = world(orders()).await;
    world.config.mode = Mode::Observe;
    check(&world, "the mode is observe").await;
}

#[tokio::test]
async fn a_queue_that_is_off_is_neither_read_nor_spoken_of() {
    let queues = orders();
    queues.tag("orders-dlq", &[("watchkeeper:mode", "off")]).unwrap();
    let world = world(queues).await;
    let reports = world.sweep().await;
    assert_eq!(outcome(&reports[0])["refused"], "the mode is off");
    // Whoever looks lets go of what it has seen.
    assert_eq!((world.notices().len(), world.proxy.count("sqs:ChangeMessageVisibilityBatch")), (0, 0));
}

#[tokio::test]
async fn what_somebody_asks_for_goes_on_to_its_end_in_observe_mode() {
    let mut world = World::of(orders()).await;
    world.account.policy(RULE);
    world.config.mode = Mode::Observe;
    for number in 0..8 {
        paid(&world, number);
    }
    let asked = json!({"redrive": {"queue": "orders-dlq", "everything": true, "by": "ann"}});
    world.ask(&asked).await;
    assert_eq!(world.held("orders").len(), 5);
    // Asked for twice, it is one all the same.
    world.ask(&asked).await;
    assert_eq!(world.held("orders").len(), 5);
    for _ in 0..3 {
        world.consume("orders").await;
        world.advance(300);
        let _ = world.deliver().await;
    }
    assert_eq!(world.held("orders-dlq"), []);
}

#[tokio::test]
async fn a_tag_on_the_queue_wins_over_the_mode_of_the_template() {
    for tag in ["observe", "mistyped"] {
        let queues = orders();
        queues.tag("orders-dlq", &[(MODE, tag)]).unwrap();
        check(&world(queues).await, "the mode is").await;
    }
}

#[tokio::test]
async fn where_the_template_is_off_not_even_a_sweep_is_made() {
    let mut world = world(orders()).await;
    world.config.mode = Mode::Off;
    let report = world.handle(&json!({"triage": "all"})).await.unwrap();
    assert_eq!(report.outcome(), "ignored");
    assert_eq!((world.proxy.count("sqs:*"), world.notices()), (0, vec![]));
    // A message that was on its way already.
    let _ = world.handle(&world.message("orders-dlq")).await.unwrap();
    assert_eq!((world.held("orders"), world.kept().len(), world.held("orders-dlq").len()), (vec![], 0, 4));
}

#[tokio::test]
async fn in_a_freeze_and_in_a_window_nothing_is_sent_or_archived() {
    for (field, why) in [
        ("freeze: true", "nothing is changed until the freeze is taken out of the policy"),
        ("freeze: {reason: the sale}", "the sale"),
        (
            "windows: [{name: moving house, from: '00:00', to: '24:00', zone: UTC}]",
            "the maintenance window moving house is open",
        ),
    ] {
        let world = world(orders()).await;
        world.account.policy(&format!("{field}\n{RULE}"));
        check(&world, why).await;
    }
}

#[tokio::test]
async fn what_is_under_way_waits_for_the_end_of_a_freeze() {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..10 {
        paid(&world, number);
    }
    let _ = world.sweep().await;
    assert_eq!(world.consume("orders").await, 5);
    world.account.policy(&format!("freeze: true\n{RULE}"));
    world.advance(300);
    let _ = world.deliver().await;
    let _ = world.sweep().await;
    assert_eq!((world.held("orders").len(), world.held("orders-dlq").len()), (0, 5));
    world.account.policy(RULE);
    let _ = world.sweep().await;
    assert_eq!(
        (world.held("orders").len(), world.held("orders-dlq").len()),
        (5, 0),
        "the canary did not return"
    );
}

#[tokio::test]
async fn what_somebody_asks_for_is_done_in_any_mode_and_nothing_else_is() {
    let mut world = world(orders()).await;
    world.config.mode = Mode::Observe;
    dead(&world, Letter::new(r#"{"type": "broken"}"#));
    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    let paid =
        groups["groups"].as_object().unwrap().iter().find(|(_, it)| it["waiting"] == 3).unwrap().0.clone();
    let answer = world.ask(&json!({"redrive": {"queue": "orders-dlq", "group": paid, "by": "ann"}})).await;
    assert_eq!(answer["sent"][&paid], 3, "{answer}");
    assert_eq!(world.bodies("orders-dlq"), [r#"{"type": "broken"}"#, r#"{"type": "old"}"#]);
    assert_eq!(world.kept().len(), 0, "nobody asked for the archive");
}

#[tokio::test]
async fn another_environments_queue_is_left_alone() {
    let queues =
        orders().queue("theirs-dlq", &json!({})).unwrap().queue("theirs", &redrive("theirs-dlq", 2)).unwrap();
    queues.tag("theirs-dlq", &[(ENVIRONMENT, "test")]).unwrap();
    let world = World::of(queues).await;
    world.put("theirs-dlq", Letter::new("theirs"));
    assert_eq!(world.sweep().await.len(), 0);
    assert!(
        world.refused(&json!({"peek": {"queue": "theirs-dlq"}})).await.contains("names another environment")
    );
    assert_eq!((world.notices(), world.held("theirs-dlq")[0].receives), (vec![], 0));
}
