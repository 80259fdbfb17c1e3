//! What the function does as a whole, before an AWS in memory.

mod account;
mod hostile;
mod killed;
mod mixed;
mod tells;
mod world;

use serde_json::{Value, json};
use shared::tags::Mode;

use world::World;

/// What the queue of the environment says of itself when so many messages wait in it.
fn waiting(count: usize) -> Value {
    json!({"ApproximateNumberOfMessages": count.to_string(), "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessagesNotVisible": "0", "RedrivePolicy":
        r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:1:other-dlq","maxReceiveCount":"3"}"#})
}

#[tokio::test]
async fn a_change_is_told_once_after_three_sweeps_and_its_end_after_two() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(3));
    world.sweep(0).await;
    assert_eq!(world.notices(), Vec::<Value>::new(), "nothing is wrong");

    world.queue(waiting(101));
    for minute in [5, 10] {
        world.sweep(minute).await;
        assert_eq!(world.notices().len(), 0, "after {minute} minutes");
    }
    world.sweep(15).await;
    world.sweep(20).await;
    let told = world.notices();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["incident"], "health:prod:sqs-queue:orders");
    assert_eq!((&told[0]["state"], &told[0]["severity"]), (&json!("firing"), &json!("sev3")));
    assert!(told[0]["next_steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{}", told[0]);

    world.queue(waiting(3));
    world.sweep(25).await;
    world.sweep(30).await;
    world.sweep(35).await;
    let told = world.notices();
    assert_eq!((told.len(), &told[1]["state"]), (2, &json!("resolved")), "{told:#?}");
    assert!(told[0]["revision"].as_u64() < told[1]["revision"].as_u64());
    assert_eq!(world.remembered(), ["sweeps"], "what is healthy is not remembered");
}

#[tokio::test]
async fn a_queue_for_dead_letters_is_looked_at_beside_the_queue_that_it_serves() {
    let arn = |name: &str| format!("arn:aws:sqs:eu-central-1:1:{name}");
    let world = World::new(&[&arn("orders"), &arn("orders-dlq")]);
    let mut queue = waiting(3);
    queue["RedrivePolicy"] =
        json!(json!({"deadLetterTargetArn": arn("orders-dlq"), "maxReceiveCount": "3"}).to_string());
    queue["MessageRetentionPeriod"] = json!("1209600");
    world.queue(queue);
    let sweep = world.look(0).await;
    let letters = sweep["components"].as_array().unwrap().iter().find(|it| it["kind"] == "dlq").unwrap();
    assert!(letters["reason"].as_str().unwrap().contains("no longer than orders does"), "{letters}");
}

#[tokio::test]
async fn what_was_deleted_is_over() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    for minute in 0..3 {
        world.sweep(minute).await;
    }
    world.tagged(&[]);
    world.sweep(3).await;
    world.sweep(4).await;
    let told = world.notices();
    assert_eq!((told.len(), &told[1]["state"]), (2, &json!("resolved")), "{told:#?}");
    assert_eq!(world.remembered(), ["sweeps"]);
}

#[tokio::test]
async fn what_cannot_be_listed_is_not_over() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    for minute in 0..3 {
        world.sweep(minute).await;
    }
    world.deny("GetResources");
    for minute in 3..8 {
        let report = world.try_sweep(minute).await.unwrap();
        assert_eq!(report.answer()["health"], "unknown", "{:?}", report.answer());
    }
    let told = world.notices();
    assert_eq!(told.len(), 2, "nobody knows whether it is over: {told:#?}");
    assert_eq!(told[1]["incident"], "health:prod:unchecked");
    assert!(told[1]["facts"].to_string().contains("tag:GetResources is denied"), "{}", told[1]);
}

#[tokio::test]
async fn much_that_cannot_be_checked_is_one_notice() {
    let arns: Vec<String> = (0..40).map(|n| format!("arn:aws:kms:eu-central-1:1:key/k{n}")).collect();
    let world = World::new(&arns.iter().map(String::as_str).collect::<Vec<_>>());
    world.deny("DescribeKey");
    for minute in 0..6 {
        world.sweep(minute).await;
    }
    let told = world.notices();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0]["facts"].to_string().contains("kms:DescribeKey is denied"), "{}", told[0]);
    world.allow("DescribeKey");
    for minute in 6..9 {
        world.sweep(minute).await;
    }
    assert_eq!(world.notices()[1]["state"], "resolved");
}

#[tokio::test]
async fn a_sweep_that_dies_at_any_call_tells_everything_and_nothing_twice_by_another_name() {
    let mut deaths = 0;
    for last in 0.. {
        let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
        world.queue(waiting(101));
        world.sweep(0).await;
        world.sweep(5).await;
        world.dies_after(last);
        let died = world.try_sweep(10).await.is_err();
        world.lives();
        world.sweep(15).await;
        world.sweep(20).await;
        let told = world.notices();
        let ids: std::collections::BTreeSet<_> = told.iter().map(|notice| notice["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "after call {last}: {told:#?}");
        if !died {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 5, "it died only {deaths} times");
}

#[tokio::test]
async fn a_sweep_in_which_something_is_unknown_and_nothing_is_bad_ends_so_and_one_that_finds_nothing_ends_otherwise()
 {
    let world = World::new(&["arn:aws:kms:eu-central-1:1:key/k"]);
    assert_eq!(world.try_sweep(0).await.unwrap().outcome(), "healthy");
    world.deny("DescribeKey");
    assert_eq!(world.try_sweep(5).await.unwrap().outcome(), "unknown_components");
    world.tagged(&[]);
    world.policy("health: {ignore: [aws-health, budget]}");
    let report = world.try_sweep(10).await.unwrap();
    assert_eq!((report.outcome(), &report.answer()["health"]), ("nothing_found", &json!("unknown")));
    let by_hand = world.ask(&json!({"check": {"format": "table"}}), 10).await.unwrap();
    assert_eq!(by_hand.answer()["exit"], 3, "{:?}", by_hand.answer());
    assert!(by_hand.answer()["text"].as_str().unwrap().contains("watchkeeper:environment"));
}

#[tokio::test]
async fn by_hand_nothing_is_remembered_and_nobody_is_told() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    for _ in 0..4 {
        let report = world.ask(&json!({"check": {"format": "table"}}), 0).await.unwrap();
        let answer = report.answer();
        assert_eq!((&answer["exit"], &answer["health"]), (&json!(2), &json!("degraded")), "{answer}");
        assert!(answer["text"].as_str().unwrap().contains("orders"), "{answer}");
    }
    assert!(world.notices().is_empty() && world.remembered().is_empty());
    let other = json!({"check": {"environment": "dev"}});
    let error = world.ask(&other, 0).await.unwrap_err().to_string();
    assert!(error.contains("this function watches prod"), "{error}");
    let report = world.ask(&json!({"check": {"kinds": ["kms-key"]}}), 0).await.unwrap();
    assert_eq!(report.answer()["exit"], 3, "there is nothing of that kind");
}

#[tokio::test]
async fn in_the_mode_off_it_looks_only_by_hand() {
    let mut world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    world.mode(Mode::Off);
    for minute in 0..4 {
        assert_eq!(world.try_sweep(minute).await.unwrap().outcome(), "ignored");
    }
    assert!(world.notices().is_empty() && world.remembered().is_empty());
    assert_eq!(world.look(0).await["health"], "degraded");
}

#[tokio::test]
async fn since_when_is_told_by_hand_as_it_is_remembered() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    let since = async || {
        let sweep = world.look(30).await;
        let queue = sweep["components"].as_array().unwrap().iter().find(|it| it["kind"] == "sqs-queue");
        queue.unwrap()["since"].clone()
    };
    assert_eq!(since().await, Value::Null, "nobody has looked before");
    world.sweep(5).await;
    assert_eq!(since().await, "2026-11-26T12:05:00Z");
    world.sweep(10).await;
    world.sweep(15).await;
    assert_eq!(since().await, "2026-11-26T12:05:00Z");
    world.deny("Query");
    assert_eq!(since().await, Value::Null, "what cannot be remembered keeps nobody from looking");
}

#[tokio::test]
async fn the_page_is_written_where_the_policy_asks_for_it_and_a_refusal_is_said() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    world.policy("health: {ignore: [aws-health, budget, tags], page: {key: status/index.html}}");
    world.sweep(0).await;
    let pages = world.pages();
    assert_eq!(pages.len(), 1);
    assert!(pages[0].contains("<!doctype html>") && pages[0].contains("orders"), "{}", pages[0]);
    world.deny("PutObject");
    let report = world.try_sweep(5).await.unwrap();
    assert!(report.failure().is_some_and(|(_, text)| text.contains("s3:PutObject")), "{report:?}");
}

#[tokio::test]
async fn the_morning_round_is_told_once_at_its_hour() {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders"]);
    world.queue(waiting(101));
    world.policy("health: {ignore: [aws-health, budget, tags], digest: {daily: '12:30', zone: UTC}}");
    for minute in [0, 29, 30, 35] {
        world.sweep(minute).await;
    }
    let told = world.notices();
    let digest: Vec<_> = told.iter().filter(|notice| notice["state"] == "info").collect();
    assert_eq!(digest.len(), 1, "{told:#?}");
    assert!(digest[0]["title"].as_str().unwrap().starts_with("Today in prod: "), "{}", digest[0]);
    assert!(digest[0]["facts"].to_string().contains("orders"), "{}", digest[0]);
}

#[tokio::test]
async fn what_the_policy_ignores_is_not_said_by_what_leads_to_it_either() {
    let world = World::new(&["arn:aws:ecs:eu-central-1:1:service/prod/web"]);
    world.answers(account::answer);
    let said = async |policy: &str| {
        world.policy(policy);
        let sweep = world.look(0).await;
        let ids = sweep["components"].as_array().unwrap().iter();
        ids.map(|it| format!("{}:{}", it["kind"].as_str().unwrap(), it["name"].as_str().unwrap()))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let all = said("health: {}").await;
    let ignored =
        ["autoscaling:prod/web", "ecs-stopped-tasks:prod/web", "secret:prod/db", "tags:required tags"];
    assert!(ignored.iter().all(|id| all.contains(*id)), "{all:?}");
    let less =
        said("health: {ignore: [autoscaling, 'ecs-stopped-tasks:prod/*', 'secret:prod/db', tags]}").await;
    assert_eq!(all.difference(&less).map(String::as_str).collect::<Vec<_>>(), ignored);
    assert!(less.is_subset(&all), "{less:?}");
}

#[tokio::test]
async fn only_the_kinds_that_are_asked_for_are_said() {
    let world = World::new(&["arn:aws:ecs:eu-central-1:1:service/prod/web"]);
    world.answers(account::answer);
    let report = world.ask(&json!({"check": {"kinds": ["ecs-service"], "format": "json"}}), 0).await.unwrap();
    let sweep: Value = serde_json::from_str(report.answer()["text"].as_str().unwrap()).unwrap();
    let kinds: Vec<_> = sweep["components"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["ecs-service"]);
}

#[tokio::test]
async fn an_endpoint_that_is_ignored_is_not_asked() {
    let world = World::new(&[]);
    // Nobody listens at either.
    world.policy(
        "health: {ignore: [aws-health, budget, tags, 'endpoint:http://127.0.0.1:1/old*'], endpoints: \
         [{url: 'http://127.0.0.1:1/old?token=hidden'}, {url: 'http://127.0.0.1:1/new'}]}",
    );
    let sweep = world.look(0).await;
    let names: Vec<_> = sweep["components"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["http://127.0.0.1:1/new"]);
}
