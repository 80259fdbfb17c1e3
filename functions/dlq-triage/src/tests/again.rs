//! Letters that are sent back while their bug persists, and after it is gone.

use std::collections::BTreeSet;

use local::recorded::{Gone, Letter};
use serde_json::json;
use shared::notice::{Severity, State};

use super::world::{World, fact, orders, outcome, titles};
use crate::letter::REDRIVEN;

/// Under which the orders that were paid can be sent back.
pub(super) const RULE: &str =
    "dlq: {rules: [{name: the till was down, queue: orders-dlq, body: 'order\\.paid', verdict: transient}]}";

/// An order that died an hour ago.
pub(super) fn paid(world: &World, number: usize) -> String {
    let body = json!({"type": "order.paid", "id": number}).to_string();
    dead(world, Letter::new(body))
}

/// A letter that died an hour ago in `orders`.
pub(super) fn dead(world: &World, letter: Letter) -> String {
    let sent = world.now() - jiff::SignedDuration::from_hours(1);
    let source = Some(world.queues.arn("orders"));
    world.put("orders-dlq", Letter { sent: Some(sent), receives: 2, source, ..letter })
}

async fn with_letters(count: usize) -> World {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..count {
        paid(&world, number);
    }
    world
}

#[tokio::test]
async fn letters_that_return_end_their_redrive_and_what_came_later_is_left_alone() {
    let world = with_letters(12).await;
    dead(&world, Letter::new(r#"{"type": "order.broken"}"#));

    let reports = world.sweep().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let sent = world.held("orders");
    assert_eq!(
        (sent.len(), world.held("orders-dlq").len()),
        (5, 8),
        "a canary goes: {}",
        outcome(&reports[0])
    );
    let told = world.notices();
    assert_eq!(told.len(), 2, "{:?}", titles(&told));
    assert!(
        told.iter().any(|it| it.severity == Severity::Sev4 && it.title.starts_with("12 dead letters in")),
        "{told:?}"
    );

    // The bug persists; and others die of it that were never sent back.
    world.fail("orders").await;
    let late: Vec<String> =
        (0..3).map(|number| format!(r#"{{"type": "order.paid", "late": {number}}}"#)).collect();
    for body in &late {
        let source = Some(world.queues.arn("orders"));
        world.put("orders-dlq", Letter { receives: 2, source, ..Letter::new(body) });
    }
    let before = world.held("orders-dlq");
    assert_eq!(before.len(), 16);
    world.advance(300);
    let reports = world.deliver().await;
    assert_eq!(reports.len(), 1, "it asked itself to look again: {reports:?}");
    assert_eq!(outcome(&reports[0])["done"]["redriven"], json!({}), "nothing is sent");
    assert_eq!((world.held("orders"), world.held("orders-dlq").len()), (vec![], 16));

    let told = world.notices();
    assert_eq!(told.len(), 1, "{:?}", titles(&told));
    assert_eq!((told[0].state, told[0].severity), (State::Firing, Severity::Sev3));
    assert!(
        told[0].title.starts_with(
            "Letters sent back from orders-dlq return: unknown cause; JSON with type=order.paid"
        ),
        "{}",
        told[0].title
    );
    assert_eq!(fact(&told[0], "Signature"), "unknown cause; JSON with type=order.paid");
    assert_eq!(fact(&told[0], "Died"), "2 times, sent back 1 times");
    assert!(
        told[0].summary.starts_with("5 letters were sent back, and 8 came back or died of the same"),
        "{}",
        told[0].summary
    );
    let group = fact(&told[0], "Group").to_owned();
    assert!(told[0].next_steps.iter().any(|step| step.contains(&group)), "{:?}", told[0].next_steps);

    // Those that came later are as they were, but that they were looked at.
    for held in world.held("orders-dlq").iter().filter(|held| held.body.contains("late")) {
        assert!(held.is_visible && !held.attributes.contains_key(REDRIVEN), "{held:?}");
    }
    for _ in 0..3 {
        world.advance(900);
        let _ = world.sweep().await;
        assert_eq!((world.held("orders"), world.notices()), (vec![], vec![]), "and it stays so");
    }
}

#[tokio::test]
async fn after_a_while_a_canary_is_tried_again_and_no_letter_is_sent_back_for_ever() {
    let world = with_letters(5).await;
    for times in 1..=3 {
        let _ = world.sweep().await;
        assert_eq!(world.held("orders").len(), 5, "the {times}th time");
        world.fail("orders").await;
        world.advance(300);
        let _ = world.deliver().await;
        world.advance(24 * 3_600);
    }
    let _ = world.sweep().await;
    assert_eq!((world.held("orders").len(), world.held("orders-dlq").len()), (0, 5), "at_most is three");
    let marks: BTreeSet<_> = world
        .held("orders-dlq")
        .iter()
        .map(|held| {
            held.attributes[REDRIVEN]["StringValue"].as_str().unwrap().split('/').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(marks, BTreeSet::from(["3".to_owned()]));
}

#[tokio::test]
async fn where_a_canary_does_not_return_ever_more_are_sent_until_none_are_left() {
    let world = with_letters(59).await;
    let letter = Letter::new(r#"{"type": "order.paid", "id": 59}"#);
    let (group, trace) = (Some("customer-7".to_owned()), Some("Root=1-2-3".to_owned()));
    let letter = letter.with("tenant", "String", "ann").with("bytes", "Binary", "AP8=");
    dead(&world, Letter { group, trace, ..letter });

    let (mut sent, mut taken) = (Vec::new(), 0);
    let _ = world.sweep().await;
    for _ in 0..8 {
        let held = world.held("orders");
        sent.push(held.len());
        if let Some(held) = held.iter().find(|held| held.body.contains("59")) {
            assert_eq!(
                (held.group.as_deref(), held.trace.as_deref()),
                (Some("customer-7"), Some("Root=1-2-3"))
            );
            assert_eq!(held.attributes["tenant"]["StringValue"], "ann");
            assert_eq!(held.attributes["bytes"]["BinaryValue"], "AP8=");
            assert!(held.attributes[REDRIVEN]["StringValue"].as_str().unwrap().starts_with("1/"), "{held:?}");
        }
        taken += world.consume("orders").await;
        world.advance(300);
        let _ = world.deliver().await;
    }
    assert_eq!(sent, [5, 20, 35, 0, 0, 0, 0, 0]);
    assert_eq!((taken, world.held("orders-dlq")), (60, vec![]));
    assert!(world.left_only_by("orders-dlq", &[Gone::Deleted]));
    let told = world.notices();
    assert_eq!(
        titles(&told),
        [
            "firing SEV-4: 60 dead letters in orders-dlq: unknown cause; JSON with type=order.paid",
            "resolved SEV-3: All letters of a group in orders-dlq were sent back: unknown cause; JSON with type=order.paid",
        ]
    );
    assert!(told[1].revision > told[0].revision && told[1].incident == told[0].incident);
    assert_eq!(told[1].actions, ["Sent 60 letters back."]);
}
