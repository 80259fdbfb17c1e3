//! What people ask for.

use local::recorded::Letter;
use serde_json::{Value, json};
use shared::notice::State;

use super::again::{RULE, dead, paid};
use super::world::{World, fact, nothing, orders, outcome, redrive, titles};

async fn world() -> World {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..8 {
        paid(&world, number);
    }
    for number in 0..12 {
        dead(
            &world,
            Letter::new(json!({"type": "broken", "id": number, "email": "ann@shop.example"}).to_string()),
        );
    }
    world
}

/// The id of the group of this line.
async fn group(world: &World, line: &str) -> String {
    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    let groups = groups["groups"].as_object().unwrap();
    groups.iter().find(|(_, group)| group["line"] == line).unwrap().0.clone()
}

#[tokio::test]
async fn the_status_is_told_without_a_receive() {
    let world = world().await;
    let _ = world.sweep().await;
    let receives = world.proxy.count("sqs:ReceiveMessage");
    for asked in [json!({"status": {}}), json!({"status": {"queue": "orders-dlq"}})] {
        let answer = world.ask(&asked).await;
        let queue = &answer["queues"][0];
        assert_eq!(
            (&queue["queue"], &queue["visible"], &queue["in_flight"]),
            (&json!("orders-dlq"), &json!(15), &json!(0))
        );
        assert_eq!(queue["time_to_loss_seconds"], (96 - 1) * 3_600);
        assert_eq!(
            (queue["sources"][0]["kind"].as_str(), queue["receives"].as_str()),
            (Some("queue"), Some("freely"))
        );
        assert_eq!(queue["groups"].as_array().unwrap().len(), 2, "{queue}");
        let paid = queue["groups"]
            .as_array()
            .unwrap()
            .iter()
            .find(|group| group["signature"] == "unknown cause; JSON with type=order.paid")
            .unwrap();
        assert_eq!((&paid["verdict"], &paid["redrive"]["sent"]), (&json!("transient"), &json!(5)));
    }
    assert_eq!(world.proxy.count("sqs:ReceiveMessage"), receives);
}

#[tokio::test]
async fn a_peek_shows_no_more_than_was_asked_for_and_nothing_of_people() {
    let world = world().await;
    for (count, shown) in [(1, 1), (7, 7), (13, 13), (100, 20)] {
        let answer = world.ask(&json!({"peek": {"queue": "orders-dlq", "count": count}})).await;
        assert_eq!(answer["letters"].as_array().unwrap().len(), shown, "{count}");
        assert!(!answer.to_string().contains("ann@"), "{answer}");
        assert!(world.held("orders-dlq").iter().all(|held| held.is_visible), "they are let go of");
    }
    let broken = group(&world, "unknown cause; JSON with type=broken").await;
    let answer = world.ask(&json!({"peek": {"queue": "orders-dlq", "count": 12, "group": broken}})).await;
    let letters = answer["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 12);
    assert!(
        letters
            .iter()
            .all(|letter| letter["group"] == broken.as_str()
                && letter["body"].as_str().unwrap().contains("***"))
    );
    assert_eq!((world.notices(), world.held("orders-dlq").len()), (vec![], 20));
}

#[tokio::test]
async fn a_queue_is_known_by_its_name_its_url_and_its_arn() {
    let world = world().await;
    for name in ["orders-dlq".to_owned(), world.url("orders-dlq"), world.queues.arn("orders-dlq")] {
        assert_eq!(world.ask(&json!({"peek": {"queue": name, "count": 1}})).await["queue"], "orders-dlq");
    }
}

#[tokio::test]
async fn poison_is_sent_back_where_somebody_mended_its_consumer() {
    let world = world().await;
    let broken = group(&world, "unknown cause; JSON with type=broken").await;
    let asked = json!({"redrive": {"queue": "orders-dlq", "group": broken, "by": "ann"}});
    let answer = world.ask(&asked).await;
    assert_eq!(answer["sent"][&broken], 5, "a canary first, here too: {answer}");
    let told = world.notices();
    let of_it = told.iter().find(|notice| notice.incident.ends_with(&broken)).unwrap();
    assert_eq!((fact(of_it, "Asked for by"), of_it.state), ("ann", State::Firing));
    world.consume("orders").await;
    world.advance(300);
    let _ = world.deliver().await;
    assert_eq!(world.held("orders").iter().filter(|held| held.body.contains("broken")).count(), 7);
    world.consume("orders").await;
    for _ in 0..4 {
        world.advance(300);
        let _ = world.deliver().await;
        world.consume("orders").await;
    }
    assert_eq!(world.held("orders-dlq"), []);
    let told = world.notices();
    let ends: Vec<_> = told.iter().filter(|notice| notice.state == State::Resolved).collect();
    assert_eq!(ends.len(), 2, "{:?}", titles(&told));
}

#[tokio::test]
async fn what_somebody_sends_back_too_early_returns_once_and_no_more_is_sent() {
    let world = world().await;
    let broken = group(&world, "unknown cause; JSON with type=broken").await;
    world.ask(&json!({"redrive": {"queue": "orders-dlq", "group": broken, "by": "ann"}})).await;
    world.fail("orders").await;
    world.advance(300);
    let _ = world.deliver().await;
    assert!(!world.bodies("orders").iter().any(|body| body.contains("broken")));
    let told = world.notices();
    assert!(
        told.iter().any(|notice| notice.title
            == "Letters sent back from orders-dlq return: unknown cause; JSON with type=broken"),
        "{:?}",
        titles(&told)
    );
    // Mended at last, the same person asks again.
    world.consume("orders").await;
    world.ask(&json!({"redrive": {"queue": "orders-dlq", "group": broken, "by": "ann"}})).await;
    assert_eq!(world.bodies("orders").iter().filter(|body| body.contains("broken")).count(), 5);
}

#[tokio::test]
async fn all_of_it_is_sent_back_where_somebody_says_everything() {
    let world = world().await;
    let answer =
        world.ask(&json!({"redrive": {"queue": "orders-dlq", "everything": true, "by": "ann"}})).await;
    assert_eq!(answer["sent"].as_object().unwrap().len(), 2, "{answer}");
    assert_eq!(world.held("orders").len(), 10);
    for _ in 0..5 {
        world.consume("orders").await;
        world.advance(300);
        let _ = world.deliver().await;
    }
    assert_eq!(world.held("orders-dlq"), []);
}

#[tokio::test]
async fn a_group_that_is_not_there_or_has_no_way_is_refused() {
    let world = world().await;
    let redrive = |group: &str| json!({"redrive": {"queue": "orders-dlq", "group": group, "by": "ann"}});
    let why = world.refused(&redrive("012345")).await;
    assert!(why.starts_with("there is no group 012345 in orders-dlq; there are "), "{why}");
    assert!(why.contains("(12: unknown cause; JSON with type=broken)"), "{why}");
    world.put("orders-dlq", Letter::new("nobody knows where it comes from"));
    let lost = group(&world, "unknown cause; no JSON object").await;
    let why = world.refused(&redrive(&lost)).await;
    assert!(why.starts_with("the letters of that group cannot be sent back: there is no source"), "{why}");
}

fn requests(queue: &str) -> Vec<Value> {
    vec![
        json!({"peek": {"queue": queue}}),
        json!({"groups": {"queue": queue}}),
        json!({"status": {"queue": queue}}),
        json!({"redrive": {"queue": queue, "everything": true, "by": "ann"}}),
        json!({"archive": {"queue": queue, "count": 1, "by": "ann"}}),
        json!({"drain": {"queue": queue, "count": 1, "by": "ann"}}),
        json!({"purge": {"queue": queue, "count": 1, "by": "ann"}}),
        json!({"restore": {"queue": queue, "run": "r", "to": "dlq", "by": "ann"}}),
    ]
}

#[tokio::test]
async fn a_queue_that_is_at_work_is_left_alone_whatever_is_asked() {
    let queues = nothing().queue("dead", &json!({})).unwrap().queue("work", &redrive("dead", 2)).unwrap();
    let world = World::of(queues).await;
    world.put("work", Letter::new("at work"));
    for asked in requests("work") {
        let why = world.refused(&asked).await;
        assert!(why.starts_with("work is no dead-letter queue"), "{asked}: {why}");
    }
    for asked in requests("not-there") {
        assert_eq!(world.refused(&asked).await, "the queue not-there does not exist", "{asked}");
    }
    assert_eq!((world.held("work")[0].receives, world.held("work").len()), (0, 1));
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_keeps_nobody_from_looking_after_the_queue() {
    let world = world().await;
    let _ = world.sweep().await;
    world.consume("orders").await;
    world.notices();
    world.forget("orders-dlq", "").await;
    let status = world.ask(&json!({"status": {"queue": "orders-dlq"}})).await;
    assert_eq!(status["queues"][0]["forgotten"].as_array().unwrap().len(), 2, "{status}");
    let reports = world.sweep().await;
    assert_eq!((reports[0].outcome(), world.held("orders").len()), ("triaged", 3), "{reports:?}");
    assert_eq!(outcome(&reports[0])["forgotten"].as_array().unwrap().len(), 2, "{reports:?}");
    let reports = world.sweep().await;
    assert_eq!(outcome(&reports[0]).get("forgotten"), None, "{reports:?}");
}
