//! Ten thousand letters of forty groups, of which the generator knows the truth.

use std::collections::{BTreeMap, BTreeSet};

use local::recorded::{Gone, Letter};
use serde_json::{Value, json};

use super::account::function;
use super::again::dead;
use super::world::{World, orders};

const LETTERS: usize = 10_000;
const KINDS: usize = 40;

/// What a letter is: the first twelve kinds can succeed.
fn passes(kind: usize) -> bool {
    kind < 12
}

/// A word of letters alone, for each kind another.
fn word(kind: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap());
    format!("till{}{}", letter(kind / 7), letter(kind))
}

/// Letters of one kind differ in whatever does not matter.
fn letter(kind: usize, number: usize) -> Letter {
    let id = format!("{number:08x}-0000-4000-8000-{:012x}", number * 7_919);
    if kind % 4 != 3 {
        let name = if passes(kind) { "order.paid" } else { "order.broken" };
        let body =
            json!({"type": format!("{name}.{}", word(kind)), "truth": kind, "number": number, "id": id});
        return Letter::new(body.to_string());
    }
    let error = if passes(kind) { "TimeoutError" } else { "ValidationError" };
    let word = word(kind);
    let message = format!(
        "{word} of {id} at 2026-11-{:02}T10:00:00Z took {number} ms for ann{number}@shop.example",
        number % 28 + 1
    );
    let body = json!({
        "requestContext": {"functionArn": format!("{}:$LATEST", function("mail")), "condition": "RetriesExhausted"},
        "requestPayload": {"truth": kind, "number": number},
        "responsePayload": {"errorType": error, "errorMessage": message, "trace": [format!("at {word} (/app/index.js:{}:{})", number % 90, number % 7)]},
    });
    Letter::new(body.to_string())
}

/// What the generator knows of a body.
fn truth(body: &Value) -> (usize, usize) {
    let body = body.get("requestPayload").unwrap_or(body);
    let number = |name: &str| usize::try_from(body[name].as_u64().unwrap()).unwrap();
    (number("truth"), number("number"))
}

#[tokio::test]
async fn of_10000_mixed_letters_each_is_grouped_right_and_goes_where_it_belongs() {
    let world = World::of(orders()).await;
    let rule = "{name: the till was down, body: 'order\\.paid', verdict: transient}";
    world.account.policy(&format!("dlq: {{look: 100000, redrive: {{per_second: 10000}}, rules: [{rule}]}}"));
    {
        let mut account = world.account.state();
        account.functions = vec![("mail", None)];
        account.destinations = vec![("mail", world.queues.arn("orders-dlq"))];
    }
    let mut expected: BTreeMap<usize, u64> = BTreeMap::new();
    for number in 0..LETTERS {
        // Most are of a few kinds, as it is; of functions, fewer.
        let kind = ((number * 2_654_435_761) >> 11) % KINDS;
        let kind = if kind % 4 == 3 && number % 5 > 0 { kind - 1 } else { kind };
        *expected.entry(kind).or_default() += 1;
        let letter = letter(kind, number);
        if kind % 4 == 3 {
            world.put("orders-dlq", letter);
        } else {
            dead(&world, letter);
        }
    }
    assert_eq!(expected.len(), KINDS, "{expected:?}");

    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    assert_eq!((&groups["letters"], &groups["whole"]), (&json!(LETTERS), &json!(true)));
    let counts = |values: &mut dyn Iterator<Item = u64>| {
        let mut counts: Vec<u64> = values.collect();
        counts.sort_unstable();
        counts
    };
    let all = groups["groups"].as_object().unwrap();
    let found = counts(&mut all.values().map(|group| group["waiting"].as_u64().unwrap()));
    assert_eq!(found, counts(&mut expected.values().copied()));

    let answer = world.ask(&json!({"drain": {"queue": "orders-dlq", "count": LETTERS, "by": "ann"}})).await;
    assert_eq!(
        (&answer["done"]["errors"], &answer["done"]["doubled"]),
        (&json!([]), &json!(0)),
        "{}",
        answer["done"]
    );
    assert_eq!(world.held("orders-dlq"), []);
    assert!(world.left_only_by("orders-dlq", &[Gone::Deleted]));

    // Each is in one place, and once.
    let read = |body: &str| truth(&serde_json::from_str(body).unwrap());
    let sent: Vec<(usize, usize)> = world.held("orders").iter().map(|held| read(&held.body)).collect();
    let invoked: Vec<(usize, usize)> =
        world.account.state().invoked.iter().map(|(_, payload)| truth(payload)).collect();
    let kept = world.kept();
    let archived: Vec<(usize, usize)> = kept.iter().map(|line| read(&line.body)).collect();
    assert!(sent.iter().chain(&invoked).all(|(kind, _)| passes(*kind)));
    assert!(archived.iter().all(|(kind, _)| !passes(*kind)));
    let everywhere: Vec<usize> =
        sent.iter().chain(&invoked).chain(&archived).map(|(_, number)| *number).collect();
    assert_eq!((everywhere.len(), everywhere.into_iter().collect::<BTreeSet<_>>().len()), (LETTERS, LETTERS));
    // One group for one kind, and one kind for one group.
    let pairs: BTreeSet<(usize, &str)> =
        kept.iter().zip(&archived).map(|(line, (kind, _))| (*kind, line.group.as_ref())).collect();
    let groups: BTreeSet<&str> = pairs.iter().map(|(_, group)| *group).collect();
    assert_eq!((pairs.len(), groups.len()), (KINDS - 12, KINDS - 12));
    let parts = world.parts();
    assert!(parts.len() >= kept.len().div_ceil(2_000) && parts.len() <= 10, "{parts:?}");
}
