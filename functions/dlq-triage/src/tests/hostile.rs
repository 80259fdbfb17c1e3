//! Letters and rules that mean no good.

use std::time::{Duration, Instant};

use local::recorded::Letter;
use serde_json::json;

use super::again::dead;
use super::world::{World, orders, outcome, titles};
use crate::letter::REDRIVEN;

fn bodies() -> Vec<(&'static str, String)> {
    let deep =
        |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    vec![
        ("of 1 MiB", "x".repeat(1_048_576)),
        ("of 1 MiB of JSON", format!(r#"{{"type": "{}"}}"#, "y".repeat(1_048_560))),
        ("a deep list", deep("[", "]", 400_000)),
        ("a deep object", deep("{\"type\":", "}", 100_000)),
        ("an object that does not end", "{\"a\":".repeat(150_000)),
        (
            "a deep payload",
            format!(
                r#"{{"requestContext": {{"functionArn": "a"}}, "requestPayload": {}}}"#,
                deep("[", "]", 300_000)
            ),
        ),
        ("bytes that are no text", r#"{"type": "image", "data": "//79/wD/gIGC"}"#.to_owned()),
        ("half a character", r#"{"type": "\ud800", "requestContext": {"functionArn": "\udfff"}}"#.to_owned()),
        ("names twice", r#"{"type": "a", "type": "b", "Type": "Notification", "TopicArn": 1}"#.to_owned()),
        ("numbers without end", format!("{{\"type\": {}}}", "9".repeat(300_000))),
        (
            "many names",
            format!("{{{}}}", (0..40_000).map(|n| format!("\"n{n}\": 1")).collect::<Vec<_>>().join(",")),
        ),
        ("one quotation after another", "\"'`“".repeat(60_000)),
        ("a pointer to nowhere", r#"["software.amazon.payloadoffloading.PayloadS3Pointer", {}]"#.to_owned()),
        ("nothing but a sign", "\u{1f4a3}".to_owned()),
        ("mentions", "<!channel> <@U1> *bold* `code` & </b>".to_owned()),
    ]
}

#[tokio::test]
async fn no_body_stops_a_run_and_each_can_be_kept() {
    let world = World::of(orders()).await;
    let bodies = bodies();
    for (_, body) in &bodies {
        dead(&world, Letter::new(body).with("bytes", "Binary", "//79/wD/gIGC"));
    }
    let clock = Instant::now();
    let reports = world.sweep().await;
    assert_eq!(outcome(&reports[0])["look"]["letters"], bodies.len());
    assert!(
        clock.elapsed() < Duration::from_mins(1),
        "not optimised, and still in bounded time: {:?}",
        clock.elapsed()
    );
    for notice in world.notices() {
        assert!(serde_json::to_string(&notice).unwrap().len() < 20_000);
    }
    let peek = world.ask(&json!({"peek": {"queue": "orders-dlq", "count": 100}})).await;
    assert_eq!(peek["letters"].as_array().unwrap().len(), bodies.len());
    assert!(peek.to_string().len() < 60_000);

    world.ask(&json!({"archive": {"queue": "orders-dlq", "count": bodies.len(), "by": "ann"}})).await;
    let mut expected: Vec<String> = bodies.into_iter().map(|(_, body)| body).collect();
    expected.sort_unstable();
    assert!(world.kept_bodies() == expected && world.held("orders-dlq").is_empty(), "each as it was");
    assert!(
        world.kept().iter().all(|line| line.attributes["bytes"].bytes.as_deref() == Some("//79/wD/gIGC"))
    );
}

#[tokio::test]
async fn what_its_source_does_not_take_again_stays_and_the_others_go() {
    let world = World::of(orders()).await;
    world.account.policy("dlq: {redrive: {canary: 100}, rules: [{name: all, body: '', verdict: transient}]}");
    // Larger than the source takes, with a sign that it takes no more, with as many attributes as there may be, and one
    // as others are.
    dead(&world, Letter::new("x".repeat(1_048_576)));
    dead(&world, Letter::new("a\u{1}b"));
    let full = (0..10).fold(Letter::new("full"), |letter, n| letter.with(&format!("a{n}"), "String", "v"));
    dead(&world, full);
    dead(&world, Letter::new("plain"));
    let reports = world.sweep().await;
    let done = &outcome(&reports[0])["done"];
    assert_eq!(world.bodies("orders"), ["full", "plain"], "{done}");
    assert_eq!(world.held("orders-dlq").len(), 2);
    let errors = done["errors"].to_string();
    assert!(errors.contains("BatchRequestTooLong") && errors.contains("InvalidMessageContents"), "{errors}");
    let full = world.held("orders").into_iter().find(|held| held.body == "full").unwrap();
    assert!(
        full.attributes.len() == 10 && !full.attributes.contains_key(REDRIVEN),
        "there is no room for a mark"
    );
}

#[tokio::test]
async fn an_expression_that_would_take_for_ever_is_refused_or_bounded() {
    for (rule, part) in [
        ("body: '(x{1000}){1000}'", "the policy's rule \"bad\" of dlq.rules cannot be used: its `body`"),
        ("error: '((a{100}){100}){100}'", "its `error` is no regular expression"),
        ("body: '('", "its `body` is no regular expression"),
    ] {
        let world = World::of(orders()).await;
        world.account.policy(&format!("dlq: {{rules: [{{name: bad, verdict: transient, {rule}}}]}}"));
        dead(&world, Letter::new("letter"));
        let reports = world.sweep().await;
        assert!(
            reports[0].outcome() == "failed" && reports[0].reason().contains(part),
            "{rule}: {reports:?}"
        );
        assert_eq!(
            (world.held("orders"), world.held("orders-dlq")[0].receives),
            (vec![], 2),
            "it is not judged by half"
        );
        world.advance(900);
        let _ = world.sweep().await;
        let told = world.notices();
        assert!(
            told.len() == 1 && told[0].summary.contains(part),
            "people are told once, until it is mended: {:?}",
            titles(&told)
        );
        world.account.policy("{}");
        let _ = world.sweep().await;
        assert!(titles(&world.notices()).iter().any(|it| it.contains("can be read again")), "{rule}");
    }
    let world = World::of(orders()).await;
    world.account.policy("dlq: {rules: [{name: slow, body: '(a+)+$|(.*)*b|(x|xx)+y', verdict: poison}]}");
    for _ in 0..5 {
        dead(&world, Letter::new(format!("{}!", "ax".repeat(100_000))));
    }
    let clock = Instant::now();
    let _ = world.sweep().await;
    assert!(clock.elapsed() < Duration::from_mins(1), "{:?}", clock.elapsed());
}

#[tokio::test]
async fn letters_that_have_nothing_in_common_are_counted_together() {
    let world = World::of(orders()).await;
    for number in 0..1_010 {
        let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26_u32.pow(place) % 26).unwrap());
        let name: String = (0..3).map(letter).collect();
        dead(&world, Letter::new(json!({"type": name}).to_string()));
    }
    let reports = world.sweep().await;
    let outcome = outcome(&reports[0]);
    let look = &outcome["look"];
    let recorded = look["groups"].as_object().unwrap().len();
    assert_eq!((&look["letters"], &outcome["groups"], recorded), (&json!(1_010), &json!(1_001), 50));
    assert_eq!(look["groups"]["others"]["waiting"], 10);
    assert_eq!(world.held("orders-dlq").len(), 1_010);
    assert_eq!(world.notices().len(), 1, "people are told of all of them together");
}
