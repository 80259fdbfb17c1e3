use serde_json::json;
use shared::notice::Notice;

use super::{LARGEST, bound, written};

/// A notice with everything, in which this text stands wherever one may.
fn full(text: &str) -> Notice {
    let pair = json!({"name": text, "value": text});
    let link = json!({"title": text, "url": text});
    let labels: serde_json::Map<_, _> =
        (0..100).map(|index| (format!("{text}{index}"), json!(text))).collect();
    serde_json::from_value(json!({
        "schema": "watchkeeper.notice/1", "id": text, "incident": text, "revision": 1, "state": "firing",
        "severity": "sev1", "source": text, "environment": text,
        "subject": {"kind": text, "id": text, "arn": text}, "title": text, "summary": text,
        "facts": vec![pair; 100], "actions": vec![text; 100], "next_steps": vec![text; 100],
        "links": vec![link; 100], "time": "2026-11-20T12:00:00Z", "labels": labels,
        "deployment": {"id": text, "status": "begun", "service": text, "commit": text},
    }))
    .unwrap()
}

#[test]
fn a_notice_of_the_usual_size_stays_as_it_is() {
    let mut notice = full("usual");
    bound(&mut notice);
    assert_eq!(notice, full("usual"));
}

#[test]
fn whatever_stands_in_a_notice_it_fits() {
    for text in [
        "x".repeat(100_000),
        "\u{1}".repeat(10_000),
        "😀".repeat(2_000),
        "\u{1}".repeat(1_999),
        "é".repeat(99),
    ] {
        let mut notice = full(&text);
        bound(&mut notice);
        assert!(written(&notice) <= LARGEST, "{} bytes", written(&notice));
        assert!(notice.incident.len() <= 1_000 && !notice.title.is_empty());
    }
}

#[test]
fn incidents_that_differ_at_their_ends_stay_apart() {
    let bounded = |end: &str| {
        let mut notice = full(&format!("{}{end}", "i".repeat(5_000)));
        bound(&mut notice);
        notice.incident
    };
    assert_ne!(bounded("a"), bounded("b"));
}
