use proptest::prelude::*;
use serde_json::Value;

use super::{TOTAL, of};
use crate::render::Page;
use crate::render::ladder::Rung;
use crate::render::samples::{self, ACKNOWLEDGE, Sample, any_sample, check_snapshot};
use crate::schema;

/// No list that is empty, and nothing that is null.
fn check_whole(value: &Value) {
    match value {
        Value::Null => panic!("a null"),
        Value::Array(list) => {
            assert!(!list.is_empty(), "an empty list");
            list.iter().for_each(check_whole);
        }
        Value::Object(object) => object.values().for_each(check_whole),
        Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => assert!(!text.trim().is_empty(), "an empty text"),
    }
}

/// What Teams would read as markup, were it not escaped.
fn check_text(text: &str) {
    assert!(!text.contains("<at>") && !text.contains("</at>") && !text.contains("{{"), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{2066}', '\0']), "{text:?}");
    let mut escaped = false;
    for c in text.chars() {
        assert!(escaped || !matches!(c, '*' | '_' | '`' | '['), "{c} in {text}");
        escaped = c == '\\' && !escaped;
    }
    for line in text.lines().map(|line| line.trim_start_matches("- ").trim_start()) {
        assert!(!line.starts_with(['#', '>', '+', '-', '=']), "{line:?}");
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        assert!(digits.len() == line.len() || !digits.starts_with(['.', ')']), "{line}");
    }
}

/// Everything that Teams is known to refuse, and everything that would mislead people.
#[track_caller]
fn check(sample: &Sample, rung: Rung) -> Value {
    let json = of(&Page::of(&sample.view()), rung);
    let most = match rung {
        Rung::Rich => TOTAL,
        Rung::Plain => 8_500,
        Rung::Minimal => 1_200,
    };
    assert!(json.len() <= most, "{} bytes", json.len());
    let message: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(attachment["contentUrl"], Value::Null);
    let mut card = attachment["content"].clone();
    assert_eq!((card["type"].as_str(), card["version"].as_str()), (Some("AdaptiveCard"), Some("1.4")));
    assert_eq!(card["msteams"]["width"], "Full");
    check_whole(&card);
    card.as_object_mut().unwrap().remove("msteams");
    assert_eq!(problem(&card), None);
    for element in card["body"].as_array().unwrap() {
        let facts = element["facts"].as_array().into_iter().flatten();
        let facts = facts.flat_map(|fact| [&fact["title"], &fact["value"]]);
        for text in facts.chain(element.get("text")) {
            check_text(text.as_str().unwrap());
        }
    }
    let actions = card.get("actions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    assert!(actions.len() <= 6);
    for action in actions {
        assert!(action["url"].as_str().unwrap().starts_with("https://"));
    }
    message
}

fn text(message: &Value) -> String {
    message["attachments"][0]["content"].to_string()
}

#[test]
fn every_sample_looks_as_it_should() {
    for sample in samples::all() {
        for rung in Rung::ALL {
            check_snapshot("teams", sample.name, rung.as_str(), &check(&sample, rung));
        }
    }
}

#[test]
fn a_report_with_a_hostile_stack_trace_keeps_its_ends_and_says_what_is_missing() {
    let text = text(&check(&samples::report(), Rung::Rich));
    for kept in ["panicked first", "the last line", "characters omitted", "\"Monospace\""] {
        assert!(text.contains(kept), "{kept}");
    }
}

#[test]
fn several_hundred_told_together_are_listed_until_there_is_no_room() {
    let mut sample = samples::together();
    sample.together = (0..700).map(samples::member).collect();
    let text = text(&check(&sample, Rung::Rich));
    let shown = text.matches("is in ALARM").count();
    assert!(shown > 40 && text.contains(&format!("{} more omitted", 700 - shown)), "{shown}: {text}");
}

#[test]
fn what_goes_on_can_be_acknowledged_and_what_is_over_cannot() {
    let message = check(&samples::rollback(), Rung::Rich);
    let acknowledge = &message["attachments"][0]["content"]["actions"][0];
    assert_eq!(
        (acknowledge["title"].as_str(), acknowledge["url"].as_str()),
        (Some("Acknowledge"), Some(ACKNOWLEDGE))
    );
    assert!(!text(&check(&samples::resolution(), Rung::Rich)).contains(ACKNOWLEDGE));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_notice_stays_within_every_limit(sample in any_sample()) {
        for rung in Rung::ALL {
            check(&sample, rung);
        }
    }
}

/// What is wrong with a card by the published schema.
fn problem(card: &Value) -> Option<String> {
    schema::problem(include_str!("../adaptive-card-1.4.json"), Some("AdaptiveCard"), card)
}

#[test]
fn what_the_schema_forbids_is_found() {
    let card = |element: &str| -> Value {
        serde_json::from_str(&format!(r#"{{"type":"AdaptiveCard","version":"1.4","body":[{element}]}}"#))
            .unwrap()
    };
    let ok = |element: &str| assert_eq!(problem(&card(element)), None);
    let wrong = |element: &str| assert!(problem(&card(element)).is_some(), "{element}");
    ok(r#"{"type":"TextBlock","text":"a","color":"Attention","wrap":true}"#);
    ok(r#"{"type":"FactSet","facts":[{"title":"a","value":"b"}]}"#);
    wrong(r##"{"type":"TextBlock","text":"a","color":"#ff0000"}"##);
    wrong(r#"{"type":"TextBlock","text":"a","style":"heading"}"#);
    wrong(r#"{"type":"TextBlock"}"#);
    wrong(r#"{"type":"FactSet","facts":null}"#);
    wrong(r#"{"type":"FactSet","facts":[{"title":"a"}]}"#);
    wrong(r#"{"type":"Table","columns":[],"rows":[]}"#);
    let with_msteams: Value = serde_json::from_str(r#"{"type":"AdaptiveCard","msteams":{}}"#).unwrap();
    assert!(problem(&with_msteams).is_some());
}
