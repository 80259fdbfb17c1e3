//! A dead-letter queue that moves its letters on when they are looked at too often.

use local::recorded::{Gone, Letter, Queues};
use serde_json::json;
use shared::notice::State;
use shared::tags::ENVIRONMENT;

use super::world::{World, fifo, nothing, outcome, redrive, titles};

/// `orders.fifo`, whose messages die after one receive, their queue, and where that moves them after three.
fn with_a_last_queue() -> Queues {
    let queues = nothing().queue("last.fifo", &fifo(json!({}))).unwrap();
    let queues = queues.queue("orders-dlq.fifo", &fifo(redrive("last.fifo", 3))).unwrap();
    let queues = queues.queue("orders.fifo", &fifo(redrive("orders-dlq.fifo", 1))).unwrap();
    queues.tag("orders-dlq.fifo", &[(ENVIRONMENT, "prod")]).unwrap();
    queues
}

async fn world() -> World {
    let world = World::of(with_a_last_queue()).await;
    for number in 0..11 {
        let body = json!({"type": "order.paid", "id": number, "email": "ann@shop.example"}).to_string();
        let source = Some(world.queues.arn("orders.fifo"));
        world.put(
            "orders-dlq.fifo",
            Letter { receives: 1, source, group: Some("g".to_owned()), ..Letter::new(body) },
        );
    }
    world
}

fn receives(world: &World) -> Vec<u32> {
    world.held("orders-dlq.fifo").iter().map(|held| held.receives).collect()
}

#[tokio::test]
async fn a_peek_takes_one_receive_shows_what_is_left_and_lets_go() {
    let world = world().await;
    let peek = json!({"peek": {"queue": "orders-dlq.fifo", "count": 50}});
    let answer = world.ask(&peek).await;
    assert_eq!(
        (answer["letters"].as_array().unwrap().len(), &answer["received"]),
        (10, &json!(10)),
        "{answer}"
    );
    assert_eq!(world.proxy.count("sqs:ReceiveMessage"), 1);
    assert!(!answer.to_string().contains("ann@"), "{answer}");
    assert_eq!(answer["letters"][0]["receives"], 2);
    let mut expected = vec![2; 10];
    expected.push(1);
    assert_eq!(receives(&world), expected);
    assert!(world.held("orders-dlq.fifo").iter().all(|held| held.is_visible), "they are let go of");

    // One is left, and is kept for whoever has to read them after us; asking on and on moves nothing.
    for _ in 0..4 {
        let why = world.refused(&peek).await;
        assert!(why.contains("maxReceiveCount 3") && why.contains("1 receives are left"), "{why}");
    }
    let status = world.ask(&json!({"status": {"queue": "orders-dlq.fifo"}})).await;
    assert!(
        status["queues"][0]["receives"]["refused"]["why"].as_str().unwrap().contains("1 receives are left"),
        "{status}"
    );
    for other in [
        json!({"groups": {"queue": "orders-dlq.fifo"}}),
        json!({"archive": {"queue": "orders-dlq.fifo", "count": 11, "by": "ann"}}),
        json!({"purge": {"queue": "orders-dlq.fifo", "count": 11, "by": "ann"}}),
    ] {
        assert!(world.refused(&other).await.contains("is not read"), "{other}");
    }
    assert_eq!((receives(&world), world.held("last.fifo")), (expected, vec![]));
}

#[tokio::test]
async fn by_itself_the_function_does_not_read_it_and_says_so_once() {
    let world = world().await;
    for _ in 0..3 {
        let reports = world.sweep().await;
        assert_eq!(reports.len(), 1);
        assert!(
            outcome(&reports[0])["refused"].as_str().unwrap().contains("maxReceiveCount 3"),
            "{reports:?}"
        );
        world.advance(900);
    }
    assert_eq!((receives(&world), world.held("last.fifo")), (vec![1; 11], vec![]));
    let told = world.notices();
    assert_eq!(titles(&told), ["firing SEV-3: The letters in orders-dlq.fifo cannot be read"]);
    assert!(
        told[0].summary.contains("Take the redrive policy off the dead-letter queue"),
        "{}",
        told[0].summary
    );

    // Somebody takes the policy off.
    world.queues.set("orders-dlq.fifo", &json!({"RedrivePolicy": ""})).unwrap();
    let _ = world.sweep().await;
    let told = world.notices();
    assert_eq!((told[0].state, told[0].incident.as_str()), (State::Resolved, "dlq:orders-dlq.fifo:unread"));
    assert_eq!(titles(&told).len(), 2, "and what there is: {:?}", titles(&told));
    assert_eq!(world.queues.gone("orders-dlq.fifo"), []);
}

#[tokio::test]
async fn however_often_the_schedule_looks_no_letter_is_moved_on() {
    let queues = nothing().queue("last", &json!({})).unwrap();
    let queues = queues.queue("orders-dlq", &redrive("last", 40)).unwrap();
    let queues = queues.queue("orders", &redrive("orders-dlq", 2)).unwrap();
    queues.tag("orders-dlq", &[(ENVIRONMENT, "prod")]).unwrap();
    let world = World::of(queues).await;
    for number in 0..3 {
        let source = Some(world.queues.arn("orders"));
        world.put("orders-dlq", Letter { receives: 2, source, ..Letter::new(format!("letter {number}")) });
    }
    for _ in 0..60 {
        let _ = world.sweep().await;
        world.advance(900);
    }
    assert_eq!(world.held("last"), []);
    assert!(world.held("orders-dlq").iter().all(|held| held.receives < 20), "{:?}", world.held("orders-dlq"));
    let told = world.notices();
    assert!(told.iter().any(|notice| notice.incident.ends_with(":unread")), "{:?}", titles(&told));
    assert!(!world.queues.gone("orders-dlq").iter().any(|(_, how)| *how == Gone::DeadLettered));
}
