//! Calls that fail, and calls whose answers are lost.

use aws_config::retry::RetryConfig;
use local::proxy::{Fault, When};
use serde_json::json;

use super::killed::{BROKEN, PAID, filled, finish, places, world};
use super::world::{World, event, orders, outcome};

const CALLS: [&str; 12] = [
    "sqs:ReceiveMessage",
    "sqs:SendMessageBatch",
    "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibilityBatch",
    "sqs:SendMessage",
    "sqs:GetQueueAttributes",
    "s3:PutObject",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:DeleteItem",
    "sns:Publish",
];

const FAULTS: [Fault; 5] =
    [Fault::Throttle, Fault::InternalError, Fault::Deny, Fault::CutBefore, Fault::CutAfter];

/// One run in which this fails, and what it says of it.
async fn run(world: &World, action: &str, when: When, fault: Fault) -> String {
    let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
    let message = event(&world.receive(super::world::TRIAGES).await[0]);
    world.proxy.inject(action, when, fault);
    let handled = world.handle(&message).await;
    world.proxy.heal();
    match handled {
        Ok(report) => {
            format!("{} {} {}", report.outcome(), report.reason(), outcome(&report)["done"]["errors"])
        }
        Err(error) => error.chain(),
    }
}

#[track_caller]
fn check(world: &World, consumed: &[String], context: &str) {
    let places = places(world, consumed);
    assert_eq!(places.len(), PAID + BROKEN, "a letter is lost: {context}: {places:#?}");
    assert!(places.values().all(|count| *count <= 2), "{context}: {places:#?}");
}

async fn any(retries: impl Fn() -> RetryConfig, whens: &[When]) {
    for action in CALLS {
        for fault in FAULTS {
            for when in whens {
                let context = format!("{fault:?} of {action} {when:?}");
                let world = filled(World::with(orders(), retries()).await);
                let said = Box::pin(run(&world, action, *when, fault)).await;
                check(&world, &[], &format!("{context}: {said}"));
                let is_told = said.contains(&action.replace("Batch", ""));
                let matters = !["sqs:ChangeMessageVisibilityBatch", "dynamodb:DeleteItem"].contains(&action);
                assert!(is_told || !matters || *when != When::Always, "{context} is not told: {said}");
                let mut consumed = Vec::new();
                Box::pin(finish(&world, &mut consumed)).await;
                check(&world, &consumed, &format!("{context}: {said}, and afterwards"));
            }
        }
    }
}

#[tokio::test]
async fn whatever_fails_for_good_nothing_is_lost_and_it_is_told() {
    any(RetryConfig::disabled, &[When::Always]).await;
}

#[tokio::test]
async fn whatever_fails_once_nothing_is_lost() {
    any(RetryConfig::disabled, &[When::Nth(1), When::Nth(2)]).await;
}

#[tokio::test]
async fn what_fails_once_and_is_tried_again_makes_no_difference() {
    for action in CALLS {
        for fault in [Fault::Throttle, Fault::InternalError, Fault::CutBefore] {
            let world = world().await;
            let said = run(&world, action, When::Nth(1), fault).await;
            assert!(
                said.starts_with("triaged 15 letters of 3 groups: 3 sent back, 6 archived []"),
                "{fault:?} of {action}: {said}"
            );
            let twice = places(&world, &[]).into_values().filter(|count| *count > 1).count();
            assert_eq!(
                (twice, world.held("orders").len(), world.kept().len()),
                (0, 3, BROKEN),
                "{fault:?} of {action}"
            );
        }
    }
}

#[tokio::test]
async fn whichever_receive_fails_the_report_says_what_was_done() {
    let mut cut_short = 0;
    for nth in 1..60 {
        let world = filled(World::with(orders(), RetryConfig::disabled()).await);
        let said = Box::pin(run(&world, "sqs:ReceiveMessage", When::Nth(nth), Fault::Deny)).await;
        let (sent, kept) = (world.held("orders").len(), world.kept().len());
        let done = format!("{sent} sent back, {kept} archived");
        assert!(said.contains(&done) || sent + kept == 0, "{nth}: {done}, but {said}");
        check(&world, &[], &format!("{nth}: {said}"));
        assert_eq!(places(&world, &[]).into_values().max(), Some(1), "{nth}: what is in hand is dealt with");
        cut_short += usize::from(said.contains(&done) && said.contains("sqs:ReceiveMessage"));
    }
    assert!(cut_short > 0, "it fails at times when something was done");
}

#[tokio::test]
async fn entries_of_a_batch_fail_each_for_itself() {
    for (action, sent, archived, left) in [
        ("sqs:SendMessageBatch", 1, BROKEN, PAID - 1),
        // In both places: they come again.
        ("sqs:DeleteMessageBatch", 3, BROKEN, PAID - 3 + 2),
    ] {
        let world = world().await;
        let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
        world.queues.fail_entries(action, "InternalError", 2);
        let reports = world.deliver().await;
        let done = &outcome(&reports[0])["done"];
        let found = (world.held("orders").len(), world.kept().len(), world.held("orders-dlq").len());
        assert_eq!(found, (sent, archived, left), "{action}: {done}");
        assert!(done["errors"].to_string().contains("InternalError") || done["doubled"] == 2, "{done}");
        check(&world, &[], action);
        let mut consumed = Vec::new();
        finish(&world, &mut consumed).await;
        check(&world, &consumed, action);
    }
}

#[tokio::test]
async fn letters_that_are_not_let_go_of_are_dealt_with_when_they_are_seen_again() {
    let world = world().await;
    let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
    world.queues.fail_entries("sqs:ChangeMessageVisibilityBatch", "InternalError", 2);
    let reports = world.deliver().await;
    let done = &outcome(&reports[0])["done"];
    assert_eq!((&done["letters"], world.held("orders").len()), (&json!(PAID + BROKEN - 2), 3), "{done}");
    check(&world, &[], "two stay away");
    let mut consumed = Vec::new();
    finish(&world, &mut consumed).await;
    check(&world, &consumed, "two stayed away");
}
