//! A process that dies after any of its calls, and at any of its waits: every letter is in the dead-letter queue, in its
//! source, with its consumer, or in the archive; and twice at most where it was in hand.

use std::collections::BTreeMap;

use local::recorded::{Gone, Letter};
use serde_json::{Value, json};

use super::again::{dead, paid};
use super::world::{Death, LATER, TRIAGES, World, event, orders};
use crate::read::BATCH;

/// So many letters are sent back, and so many others go to the archive.
pub(super) const PAID: usize = 9;
pub(super) const BROKEN: usize = 6;

const POLICY: &str = "dlq: {archive: {what: all}, redrive: {canary: 3}, rules: [{name: the till was down, \
                      body: 'order\\.paid', verdict: transient}]}";

/// Letters that can succeed, and others that go to the archive.
pub(super) async fn world() -> World {
    filled(World::of(orders()).await)
}

pub(super) fn filled(world: World) -> World {
    world.account.policy(POLICY);
    for number in 0..PAID {
        paid(&world, number);
    }
    for number in 0..BROKEN {
        dead(
            &world,
            Letter::new(json!({"type": format!("broken.{}", number % 2), "id": number}).to_string()),
        );
    }
    world
}

/// Where each letter is, and how often.
pub(super) fn places(world: &World, consumed: &[String]) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    let held = world.bodies("orders-dlq").into_iter().chain(world.bodies("orders"));
    for body in held.chain(world.kept_bodies()).chain(consumed.iter().cloned()) {
        *places.entry(body).or_default() += 1;
    }
    places
}

#[track_caller]
fn check(world: &World, consumed: &[String], twice_at_most: usize, death: Death) {
    let places = places(world, consumed);
    assert_eq!(places.len(), PAID + BROKEN, "a letter is lost after {death:?}: {places:#?}");
    let twice = places.values().filter(|count| **count > 1).count();
    assert!(places.values().all(|count| *count <= 2), "{death:?}: {places:#?}");
    assert!(twice <= twice_at_most, "{twice} letters are there twice after {death:?}: {places:#?}");
    assert!(
        world.left_only_by("orders-dlq", &[Gone::Deleted]) && world.left_only_by("orders", &[Gone::Deleted])
    );
}

async fn consume(world: &World, consumed: &mut Vec<String>) {
    consumed.extend(world.bodies("orders"));
    world.consume("orders").await;
}

/// Lets it die at each of its calls, then at each of its waits, until it comes to its end.
async fn at_any(least_calls: usize, dies: impl AsyncFn(Death) -> bool) {
    for (death, least) in [(Death::Call as fn(usize) -> Death, least_calls), (Death::Wait, 10)] {
        let mut nth = 0;
        while !Box::pin(dies(death(nth))).await {
            nth += 1;
        }
        assert!(nth >= least, "it ended before {:?}", death(nth));
    }
}

/// Whatever it takes until nothing is left.
pub(super) async fn finish(world: &World, consumed: &mut Vec<String>) {
    world.advance(LATER);
    for _ in 0..12 {
        if world.held("orders-dlq").is_empty() && world.held(TRIAGES).is_empty() {
            break;
        }
        let _ = world.sweep().await;
        consume(world, consumed).await;
        world.advance(300);
        let _ = world.deliver().await;
        consume(world, consumed).await;
    }
    assert_eq!(world.held("orders-dlq"), []);
}

/// The message by which the function looks after the queue, as it comes next.
async fn next(world: &World) -> Value {
    event(&world.receive(TRIAGES).await[0])
}

#[tokio::test]
async fn a_run_that_dies_anywhere_loses_nothing() {
    at_any(30, async |death| {
        let world = world().await;
        let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
        let ended = world.ends_before(death, &next(&world).await).await;
        // What it had in hand: three that were sent, and the part of the archive.
        check(&world, &[], 3 + BROKEN, death);
        let mut consumed = Vec::new();
        finish(&world, &mut consumed).await;
        check(&world, &consumed, 3 + BROKEN, death);
        if ended {
            check(&world, &consumed, 0, death);
        }
        ended
    })
    .await;
}

#[tokio::test]
async fn a_run_that_sends_ever_more_and_dies_anywhere_loses_nothing() {
    at_any(30, async |death| {
        let world = world().await;
        let _ = world.sweep().await;
        let mut consumed = Vec::new();
        consume(&world, &mut consumed).await;
        assert_eq!((consumed.len(), world.kept().len()), (3, BROKEN));
        world.advance(300);
        let ended = world.ends_before(death, &next(&world).await).await;
        check(&world, &consumed, PAID - 3, death);
        finish(&world, &mut consumed).await;
        check(&world, &consumed, PAID - 3, death);
        ended
    })
    .await;
}

#[tokio::test]
async fn a_drain_that_dies_anywhere_loses_nothing() {
    let drain = json!({"drain": {"queue": "orders-dlq", "count": PAID + BROKEN, "by": "ann"}});
    at_any(30, async |death| {
        let world = world().await;
        let ended = world.ends_before(death, &drain).await;
        check(&world, &[], PAID + BROKEN, death);
        let mut consumed = Vec::new();
        finish(&world, &mut consumed).await;
        check(&world, &consumed, PAID + BROKEN, death);
        ended
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_dies_anywhere_leaves_its_letters_in_the_archive() {
    at_any(20, async |death| {
        let world = world().await;
        world.ask(&json!({"archive": {"queue": "orders-dlq", "count": PAID + BROKEN, "by": "ann"}})).await;
        assert_eq!((world.held("orders-dlq"), world.kept().len()), (vec![], PAID + BROKEN));
        let run = world.parts()[0].rsplit_once('/').unwrap().0.to_owned();
        let restore = json!({"restore": {"queue": "orders-dlq", "run": run, "to": "dlq", "by": "ann"}});
        let ended = world.ends_before(death, &restore).await;
        check(&world, &[], PAID + BROKEN, death);
        assert_eq!(world.kept().len(), PAID + BROKEN);
        let back = world.held("orders-dlq").len();
        // What was done is not done again unless somebody wants it, and what was begun goes on where it was.
        world.advance(LATER);
        let again = world.ask(&restore).await;
        let begun = again["restored_before"].as_array().unwrap().len();
        let mut bodies = world.bodies("orders-dlq");
        assert!(begun == 0 || bodies.len() == back, "{death:?}: {again}");
        assert!(
            bodies.len() <= PAID + BROKEN + BATCH,
            "{death:?}: one batch is there twice at most: {again}"
        );
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), PAID + BROKEN, "{death:?}: {again}");
        ended
    })
    .await;
}
