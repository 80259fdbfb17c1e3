use super::*;

fn tags(value: Option<&str>) -> Tags {
    let tag = value.map(|value| (ENVIRONMENT.to_owned(), value.to_owned()));
    tag.into_iter().chain([("team".to_owned(), "orders".to_owned())]).collect()
}

/// The tag of the queue, the tags of its sources, whether it belongs to prod: found by a star, and chosen by its name.
type Case = (Option<&'static str>, &'static [Option<&'static str>], (bool, bool));

#[test]
fn the_tag_of_the_queue_wins_then_those_of_its_sources_then_the_operator() {
    const PROD: Option<&str> = Some("prod");
    const TEST: Option<&str> = Some("test");
    let cases: [Case; 15] = [
        (PROD, &[], (true, true)),
        (Some(" prod "), &[], (true, true)),
        (PROD, &[TEST, TEST], (true, true)),
        (TEST, &[], (false, false)),
        (TEST, &[PROD, PROD], (false, false)),
        (Some("Prod"), &[], (false, false)),
        (Some(""), &[PROD], (false, false)),
        (None, &[PROD], (true, true)),
        (None, &[None, PROD, None], (true, true)),
        (None, &[PROD, PROD], (true, true)),
        (None, &[TEST, PROD], (true, true)),
        (None, &[TEST], (false, false)),
        (None, &[TEST, None], (false, false)),
        (None, &[None, None], (false, true)),
        (None, &[], (false, true)),
    ];
    for case @ (queue, sources, expected) in cases {
        let queue = tags(queue);
        let sources: Vec<Tags> = sources.iter().map(|value| tags(*value)).collect();
        let sources: Vec<&Tags> = sources.iter().collect();
        let of = |chosen| belongs(&queue, &sources, "prod", chosen);
        assert_eq!((of(false), of(true)), expected, "{case:?}");
    }
}

#[test]
fn a_queue_sounds_dead_by_the_end_of_its_name() {
    for name in [
        "orders-dlq",
        "orders_DLQ",
        "OrdersDlq",
        "dlq",
        "orders-dlq.fifo",
        "OrdersDeadLetters",
        "OrdersDeadLetters.fifo",
        "orders-dead-letters",
        "Orders-Dead-Letters",
    ] {
        assert!(sounds_dead(name), "{name}");
    }
    for name in
        ["orders", "orders-dlq-copy", "dlq-orders", "orders-dead-letter", "orders-dlq.fifo.fifo", ".fifo", ""]
    {
        assert!(!sounds_dead(name), "{name}");
    }
}

#[test]
fn a_queue_is_called_as_what_it_serves() {
    for (name, expected) in [
        ("orders-dlq", "orders"),
        ("orders-DLQ.fifo", "orders"),
        ("orders_dead-letters", "orders"),
        ("OrdersDeadLetters", "Orders"),
        ("orders", "orders"),
        ("dlq", "dlq"),
        ("", ""),
    ] {
        assert_eq!(stem(name), expected, "{name}");
    }
}
