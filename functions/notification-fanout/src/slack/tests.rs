use proptest::prelude::*;
use serde_json::Value;
use shared::notice::{Fact, Link, Notice, Severity, State, Subject};

use super::text::size;
use super::{BLOCKS, TOTAL, plain, rich};

fn notice(title: &str, summary: &str) -> Notice {
    let subject = Subject { kind: "ecs-service".into(), id: "prod/web".into(), arn: None };
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut notice = Notice::new("incident-1", State::Firing, Severity::Sev2, subject, title, now);
    notice.summary = summary.to_owned();
    notice.environment = "prod".to_owned();
    notice
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.to_owned(), value: value.to_owned() }
}

/// Every text of the message, with whether it is `mrkdwn`.
fn texts(value: &Value, found: &mut Vec<(String, bool)>) {
    match value {
        Value::Object(object) => {
            let plain = object.get("type").and_then(Value::as_str) == Some("plain_text");
            if let Some(text) = object.get("text").and_then(Value::as_str) {
                found.push((text.to_owned(), !plain));
            }
            object.values().for_each(|value| texts(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Everything that Slack is known to refuse, and everything that would mislead people.
#[track_caller]
fn check(notice: &Notice) -> Value {
    let message: Value = serde_json::from_str(&rich(notice)).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    assert!((2..=BLOCKS).contains(&blocks.len()), "{} blocks", blocks.len());
    assert!(size(&message["blocks"]) + size(&message["attachments"]) <= TOTAL, "{} in all", size(&message));
    assert_eq!(blocks[0]["type"], "header");
    let longest = |value: &Value| value.as_str().unwrap().encode_utf16().count();
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => assert!(longest(&block["text"]["text"]) <= 150),
            "section" if block.get("fields").is_some() => {
                let fields = block["fields"].as_array().unwrap();
                assert!((1..=10).contains(&fields.len()));
                assert!(fields.iter().all(|field| longest(&field["text"]) <= 2_000));
            }
            "section" => assert!(longest(&block["text"]["text"]) <= 3_000),
            "context" => assert!(block["elements"].as_array().unwrap().len() <= 10),
            other => panic!("unknown block {other}"),
        }
    }
    let fallback: Value = serde_json::from_str(&plain(notice)).unwrap();
    assert!(longest(&fallback["text"]) <= 4_000, "{} in the plain text", longest(&fallback["text"]));

    let mut found = Vec::new();
    texts(&message, &mut found);
    texts(&fallback, &mut found);
    for (text, mrkdwn) in found {
        assert!(text.chars().any(|c| !c.is_whitespace()), "an empty text");
        assert_eq!(text.matches("```").count() % 2, 0, "an open fence: {text}");
        for mention in ["<!", "<@", "<#", "@channel", "@here", "@everyone"] {
            assert!(!text.contains(mention), "{mention} in {text}");
        }
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\0']), "{text:?}");
        if mrkdwn {
            // The only brackets are those of our own links.
            let links = text.matches("<https://").count();
            assert_eq!((text.matches('<').count(), text.matches('>').count()), (links, links), "{text}");
            let escapes =
                ["&amp;", "&lt;", "&gt;"].iter().map(|escape| text.matches(escape).count()).sum::<usize>();
            assert_eq!(text.matches('&').count(), escapes, "a cut escape: {text}");
        }
    }
    message
}

#[test]
fn fifty_one_findings_with_a_hostile_stack_trace_stay_within_every_limit() {
    let line = "at app.Orders::pay (orders.rs:42) ``` <!channel> 🔥👩‍👩‍👧 \u{202e}שלום & <b>\n";
    let trace = format!("panicked first\n{}the last line", line.repeat(9_000 / line.len()));
    assert!(trace.len() > 8_500);
    let mut notice = notice("51 findings <!channel>", &trace);
    notice.facts.push(fact("Stack trace", &trace));
    notice.facts.extend(
        (0..50).map(|index| fact(&format!("Finding {index}"), &format!("@here {}", "x".repeat(140)))),
    );
    notice.actions = vec![trace.clone(); 9];
    notice.next_steps = vec![trace.clone(); 9];
    let message = check(&notice);

    let text = message.to_string();
    for kept in
        ["panicked first", "the last line", "characters omitted", "more facts omitted", "more omitted"]
    {
        assert!(text.contains(kept), "{kept}");
    }
}

#[test]
fn a_message_says_what_happened_what_was_done_and_what_is_left() {
    let mut notice = notice("web was rolled back", "Its alarm fired.");
    notice.facts = vec![fact("From", "web:42"), fact("To", "web:41")];
    notice.actions = vec!["Called UpdateService.".to_owned()];
    notice.next_steps = vec!["Mend web:42.".to_owned()];
    notice.links = vec![
        Link { title: "Service | <web>".to_owned(), url: "https://console.invalid/?a=1&b=2".to_owned() },
        Link { title: "Bad".to_owned(), url: "javascript:alert(1)".to_owned() },
    ];
    let message = check(&notice);
    let section = |index: usize| message["blocks"][index]["text"]["text"].as_str().unwrap().to_owned();
    assert_eq!(section(0), "SEV-2: web was rolled back");
    assert_eq!(section(1), "Its alarm fired.");
    assert_eq!(message["blocks"][2]["fields"][1]["text"], "*To*\nweb:41");
    assert_eq!(section(3), "*What Watchkeeper did*\n• Called UpdateService.");
    assert_eq!(section(4), "*What is left to do*\n• Mend web:42.");
    assert_eq!(
        section(5),
        "*Where to look*\n• <https://console.invalid/?a=1&amp;b=2|Service / &lt;web&gt;>\n• Bad: javascript:alert(1)"
    );
    assert_eq!(message["text"], "SEV-2: web was rolled back: Its alarm fired.");
    assert_eq!(message["attachments"][0]["text"], "*SEV-2* firing · prod · ecs-service prod/web");
}

#[test]
fn state_and_severity_have_their_colours_and_words() {
    let mut notice = notice("t", "s");
    let mut seen = Vec::new();
    for (state, header) in
        [(State::Firing, "SEV-2: t"), (State::Resolved, "SEV-2 resolved: t"), (State::Info, "t")]
    {
        notice.state = state;
        let message = check(&notice);
        assert_eq!(message["blocks"][0]["text"]["text"], header);
        seen.push(message["attachments"][0]["color"].to_string());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_notice_without_words_still_has_a_text() {
    for empty in ["", " \n\t ", "\u{200b}\u{feff}", "\0\u{1}"] {
        let mut notice = notice(empty, empty);
        notice.facts = vec![fact(empty, empty)];
        notice.actions = vec![empty.to_owned()];
        notice.links = vec![Link { title: empty.to_owned(), url: empty.to_owned() }];
        notice.environment = empty.to_owned();
        assert_eq!(check(&notice)["text"], "SEV-2: (without a title)");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("```".to_owned()),
        Just("`".to_owned()),
        Just("<!channel>".to_owned()),
        Just("<@U123>@here@EVERYONE@channel".to_owned()),
        Just("👩‍👩‍👧‍👦🏽".to_owned()),
        Just("\u{202e}עברית\u{2066}".to_owned()),
        Just("e\u{301}\u{301}\u{301}".to_owned()),
        Just("&amp;&&<<>>\"\"\\\\".to_owned()),
        Just("\r\n\n\t\0".to_owned()),
        Just("long ".repeat(700)),
        "\\PC{0,80}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_notice_stays_within_every_limit(
        title in hostile(),
        summary in hostile(),
        environment in hostile(),
        facts in prop::collection::vec((hostile(), hostile()), 0..70),
        actions in prop::collection::vec(hostile(), 0..30),
        links in prop::collection::vec((hostile(), "https://[a-z]{1,8}\\.invalid/\\PC{0,150}"), 0..30),
    ) {
        let mut notice = notice(&title, &summary);
        notice.incident.clone_from(&summary);
        notice.source.clone_from(&title);
        notice.subject.id.clone_from(&environment);
        notice.environment = environment;
        notice.facts = facts.iter().map(|(name, value)| fact(name, value)).collect();
        notice.next_steps.clone_from(&actions);
        notice.actions = actions;
        notice.links = links.into_iter().map(|(title, url)| Link { title, url }).collect();
        check(&notice);
    }
}
