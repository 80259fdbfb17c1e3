//! Letters of the archive on their way back.

use std::sync::Mutex;

use local::recorded::{Letter, Queues};
use serde_json::{Value, json};

use super::again::{RULE, dead, paid};
use super::world::{World, fifo, nothing, orders, redrive};
use crate::letter::{REDRIVEN, SOURCE};

fn restore(run: &str, to: &str) -> Value {
    json!({"restore": {"queue": "orders-dlq", "run": run, "to": to, "by": "ann"}})
}

/// Five letters in the archive, and the key of their run.
async fn archived() -> (World, String) {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..4 {
        paid(&world, number);
    }
    dead(
        &world,
        Letter { group: Some("g".to_owned()), ..Letter::new("broken").with("tenant", "String", "ann") },
    );
    let answer = world.ask(&json!({"archive": {"queue": "orders-dlq", "count": 5, "by": "ann"}})).await;
    assert_eq!((world.held("orders-dlq"), world.kept().len()), (vec![], 5));
    (world, answer["run"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_letter_comes_back_as_it_was_and_is_known_for_what_it_was() {
    let (world, run) = archived().await;
    let answer = world.ask(&restore(&run, "dlq")).await;
    assert_eq!((&answer["sent"], &answer["not_sent"]), (&json!(5), &json!(0)), "{answer}");
    let held = world.held("orders-dlq");
    let broken = held.iter().find(|held| held.body == "broken").unwrap();
    assert_eq!(
        (broken.group.as_deref(), &broken.attributes["tenant"]["StringValue"]),
        (Some("g"), &json!("ann"))
    );
    assert_eq!(broken.attributes[SOURCE]["StringValue"], world.queues.arn("orders"));
    assert!(held.iter().all(|held| !held.attributes.contains_key(REDRIVEN)));

    // Of the same groups as before, and on the way back to the same queue; which sees nothing of where they were.
    let _ = world.sweep().await;
    let sent = world.held("orders");
    assert_eq!(sent.len(), 4, "a canary of those that can succeed");
    assert!(sent.iter().all(|held| !held.attributes.contains_key(SOURCE)), "{sent:?}");
    let again = world.ask(&restore(&run, "dlq")).await;
    assert_eq!((&again["sent"], again["restored_before"].as_array().unwrap().len()), (&json!(0), 1));
    let mut wanted = restore(&run, "dlq");
    wanted["restore"]["again"] = json!(true);
    assert_eq!(world.ask(&wanted).await["sent"], 5);
}

#[tokio::test]
async fn a_letter_goes_to_its_source_where_somebody_says_so() {
    let (world, run) = archived().await;
    let answer = world.ask(&restore(&run, "source")).await;
    assert_eq!(answer["sent"], 5, "{answer}");
    assert_eq!((world.held("orders").len(), world.held("orders-dlq")), (5, vec![]));
    assert!(
        world.held("orders").iter().all(|held| held.attributes.contains_key(REDRIVEN)),
        "they are known if they return"
    );
}

#[tokio::test]
async fn one_group_and_one_part_can_be_restored_alone() {
    let (world, run) = archived().await;
    let group = world.kept().into_iter().find(|line| line.body == "broken").unwrap().group.into_owned();
    let part = world.parts()[0].clone();
    let mut asked = restore(&part, "dlq");
    asked["restore"]["group"] = json!(group);
    let answer = world.ask(&asked).await;
    assert_eq!((&answer["sent"], &answer["passed_over"]), (&json!(1), &json!(4)), "{run}");
    assert_eq!(world.bodies("orders-dlq"), ["broken"]);
}

#[tokio::test]
async fn each_letter_is_restored_once_whatever_groups_are_asked_for_before() {
    let (world, run) = archived().await;
    let group = |broken: bool| {
        let line = world.kept().into_iter().find(|line| (line.body == "broken") == broken).unwrap();
        line.group.into_owned()
    };
    let of = |group: String| {
        let mut asked = restore(&run, "dlq");
        asked["restore"]["group"] = json!(group);
        asked
    };
    for (asked, sent, known) in [
        (of(group(true)), 1, 0),
        (of(group(false)), 4, 0),
        (of(group(true)), 0, 1),
        (restore(&run, "dlq"), 0, 1),
    ] {
        let answer = world.ask(&asked).await;
        let found = (&answer["sent"], answer["restored_before"].as_array().unwrap().len());
        assert_eq!(found, (&json!(sent), known), "{asked}: {answer}");
    }
    assert_eq!(world.held("orders-dlq").len(), 5);
}

#[tokio::test]
async fn what_could_not_be_sent_is_not_restored_and_is_sent_the_next_time() {
    let (world, run) = archived().await;
    world.queues.fail_entries("sqs:SendMessageBatch", "InternalError", 2);
    let answer = world.ask(&restore(&run, "dlq")).await;
    assert_eq!((&answer["sent"], &answer["not_sent"]), (&json!(3), &json!(2)), "{answer}");
    let answer = world.ask(&restore(&run, "dlq")).await;
    assert_eq!((&answer["sent"], &answer["not_sent"]), (&json!(2), &json!(0)), "{answer}");
    let mut bodies = world.bodies("orders-dlq");
    bodies.dedup();
    assert_eq!(bodies.len(), 5);
}

#[tokio::test]
async fn how_far_a_part_is_that_cannot_be_read_is_begun_anew_and_said() {
    let (world, run) = archived().await;
    world.ask(&restore(&run, "dlq")).await;
    world.forget("orders-dlq", "restored#").await;
    let answer = world.ask(&restore(&run, "dlq")).await;
    assert_eq!((&answer["sent"], answer["forgotten"].as_array().unwrap().len()), (&json!(5), 1), "{answer}");
    assert_eq!(world.ask(&restore(&run, "dlq")).await["sent"], 0);
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[tokio::test]
async fn who_asked_for_what_stands_in_the_log() {
    shared::report::divert(|line| LINES.lock().unwrap().push(line.to_owned()));
    let (world, run) = archived().await;
    let mut asked = restore(&run, "source");
    asked["restore"]["by"] = json!("the auditor");
    world.ask(&asked).await;
    let by = r#""by":"the auditor"}}"#;
    let lines: Vec<String> =
        LINES.lock().unwrap().iter().filter(|line| line.ends_with(by)).cloned().collect();
    assert_eq!(lines.len(), 5);
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        let audit = &line["audit"];
        assert_eq!(
            (&audit["did"], audit["to"].as_str()),
            (&json!("restored"), Some(world.queues.arn("orders").as_str()))
        );
        assert!(["letter", "group", "operation"].iter().all(|name| audit[name].is_string()), "{audit}");
    }
}

#[tokio::test]
async fn of_a_damaged_part_nothing_is_sent() {
    let (world, run) = archived().await;
    let part = world.parts()[0].clone();
    world.objects.damage(&part).unwrap();
    for to in ["dlq", "source"] {
        let mut asked = restore(&run, to);
        asked["restore"]["again"] = json!(true);
        let why = world.refused(&asked).await;
        assert!(why.contains("s3:GetObject") || why.contains("is not what was written"), "{why}");
        assert_eq!((world.held("orders"), world.held("orders-dlq")), (vec![], vec![]));
    }
}

#[tokio::test]
async fn what_is_not_of_the_queue_or_not_there_is_not_restored() {
    let (world, run) = archived().await;
    for (run, part) in [
        ("prod/other-dlq/2026/01/01/x", "a run of this queue begins with prod/orders-dlq/"),
        ("prod/orders-dlq/../other", "a run of this queue begins with"),
        ("test/orders-dlq/2026", "a run of this queue begins with"),
        (
            "prod/orders-dlq/1999/01/01/x",
            "there is no part of the archive under prod/orders-dlq/1999/01/01/x",
        ),
        (&format!("{run}/99999.ndjson.gz"), "NoSuchKey"),
    ] {
        let why = world.refused(&restore(run, "dlq")).await;
        assert!(why.contains(part), "{run}: {why}");
    }
    assert_eq!(world.held("orders-dlq"), []);
}

fn in_order() -> Queues {
    let queues = nothing().queue("orders-dlq.fifo", &fifo(json!({}))).unwrap();
    let queues = queues.queue("orders.fifo", &fifo(redrive("orders-dlq.fifo", 2))).unwrap();
    queues.tag("orders-dlq.fifo", &[(shared::tags::ENVIRONMENT, "prod")]).unwrap();
    queues
}

#[tokio::test]
async fn a_fifo_queue_gets_its_letters_back_in_their_order() {
    let world = World::of(in_order()).await;
    let mut expected = Vec::new();
    for number in 0..25 {
        let letter =
            Letter { group: Some(format!("g-{}", number % 2)), ..Letter::new(format!("{number:02}")) };
        let source = Some(world.queues.arn("orders.fifo"));
        world.put("orders-dlq.fifo", Letter { source, receives: 2, ..letter });
        expected.push(format!("{number:02}"));
    }
    let answer = world.ask(&json!({"archive": {"queue": "orders-dlq.fifo", "count": 25, "by": "ann"}})).await;
    assert_eq!(world.kept_bodies(), expected, "{answer}");
    let run = answer["run"].as_str().unwrap();
    let restore = json!({"restore": {"queue": "orders-dlq.fifo", "run": run, "to": "source", "by": "ann"}});
    assert_eq!(world.ask(&restore).await["sent"], 25);
    for group in ["g-0", "g-1"] {
        let held = world.held("orders.fifo").into_iter();
        let bodies: Vec<String> =
            held.filter(|it| it.group.as_deref() == Some(group)).map(|it| it.body).collect();
        let mut sorted = bodies.clone();
        sorted.sort_unstable();
        assert_eq!((bodies.len(), &bodies), (if group == "g-0" { 13 } else { 12 }, &sorted), "{group}");
    }
}
