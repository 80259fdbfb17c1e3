use jiff::Timestamp;
use serde_json::json;

use super::{digest, page, seconds, stranger};

#[test]
fn a_digest_is_made_of_any_word_and_kept_where_it_is_one() {
    let made = digest("one");
    assert_eq!((made.len(), digest(&made)), (7 + 64, made.clone()));
    assert_ne!(made, digest("two"));
}

#[test]
fn a_time_is_written_in_seconds_with_its_milliseconds() {
    let time: Timestamp = "2026-11-20T10:00:00.250Z".parse().unwrap();
    assert_eq!(seconds(time), json!(1_795_168_800.25));
}

#[test]
fn pages_follow_one_another_to_the_end_and_a_strange_token_is_refused() {
    let (first, next) = page(vec![1, 2, 3], None, 2).unwrap();
    assert_eq!(first, [1, 2]);
    assert_eq!(page(vec![1, 2, 3], next.as_deref(), 2).unwrap(), (vec![3], None));
    assert_eq!(page(vec![1, 2], None, 2).unwrap(), (vec![1, 2], None));
    assert_eq!(page(vec![1], Some("nonsense"), 2), None);
}

#[test]
fn the_first_parameter_that_is_not_known_is_named() {
    let sent = json!({"cluster": "prod", "servce": "web"});
    assert_eq!(stranger(&sent, &["cluster", "service"]), Some("servce"));
    assert_eq!(stranger(&sent, &["cluster", "servce"]), None);
}
