//! A process that dies at any of its waits: everything is told, and each change under one id only.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use serde_json::json;

use super::waiting;
use super::world::World;
use crate::wire::Reply;

/// A queue and a key, both well.
fn world() -> World {
    let world = World::new(&["arn:aws:sqs:eu-central-1:1:orders", "arn:aws:kms:eu-central-1:1:key/k"]);
    all(&world, true);
    world
}

/// Makes both well, or both bad.
fn all(world: &World, well: bool) {
    world.queue(waiting(if well { 3 } else { 101 }));
    world.answers(move |call| {
        let state = if well { "Enabled" } else { "PendingDeletion" };
        let key = json!({"KeyMetadata": {"KeyId": "k", "KeyState": state}});
        (call.action == "DescribeKey").then(|| Reply::ok(key))
    });
}

/// Sweeps, and dies when it waits for the nth time. Whether it came to its end before is the answer.
async fn ends_before(nth: usize, world: &World, minute: i64) -> bool {
    let mut swept = pin!(world.try_sweep(minute));
    let mut left = nth;
    poll_fn(|context| match swept.as_mut().poll(context) {
        Poll::Ready(swept) => {
            drop(swept.unwrap());
            Poll::Ready(true)
        }
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// By incident and state, the ids that were told.
fn told(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for notice in world.notices() {
        let said = |name: &str| notice[name].as_str().unwrap().to_owned();
        told.entry(format!("{} {}", said("incident"), said("state"))).or_default().insert(said("id"));
    }
    told
}

/// Lets the sweep of this minute die at each of its waits. All sweeps before and after it live; from minute 5 on, all is
/// bad, and from `well` on, all is well.
async fn at_any_wait(minutes: &[i64], dies: i64, well: i64, expected: &[(&str, usize)]) {
    for nth in 0.. {
        let (world, mut ended) = (world(), false);
        for minute in minutes {
            all(&world, *minute < 5 || well <= *minute);
            if *minute == dies {
                ended = ends_before(nth, &world, *minute).await;
            } else {
                world.sweep(*minute).await;
            }
        }
        let told = told(&world);
        let incidents = ["health:prod:sqs-queue:orders", "health:prod:kms-key:k"];
        let wanted = incidents
            .iter()
            .flat_map(|it| expected.iter().map(move |(state, ids)| (format!("{it} {state}"), *ids)));
        let counts: BTreeMap<String, usize> =
            told.iter().map(|(name, ids)| (name.clone(), ids.len())).collect();
        assert_eq!(counts, wanted.collect(), "after wait {nth}: {told:#?}");
        if ended {
            assert!(nth >= 10, "it waits only {nth} times");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_begins_is_told_under_one_id_wherever_the_sweep_dies_that_saw_it() {
    at_any_wait(&[0, 5, 10, 15, 20, 25], 15, i64::MAX, &[("firing", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_ends_is_told_under_one_id_wherever_the_sweep_dies_that_saw_it() {
    at_any_wait(&[0, 5, 10, 15, 20, 25, 30, 35], 25, 20, &[("firing", 1), ("resolved", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_reminder_has_one_id_wherever_the_sweep_dies_that_was_to_tell_it() {
    let day = 24 * 60;
    at_any_wait(&[0, 5, 10, 15, 15 + day, 20 + day, 25 + day], 15 + day, i64::MAX, &[("firing", 2)]).await;
}
