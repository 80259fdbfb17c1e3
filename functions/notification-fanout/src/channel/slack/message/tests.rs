use proptest::prelude::*;
use serde_json::Value;
use shared::notice::{Fact, Link, Severity, State};

use super::{Attachment, BLOCKS, Block, TOTAL, of};
use crate::render::Page;
use crate::render::ladder::Rung;
use crate::render::samples::{self, ACKNOWLEDGE, Sample, any_sample, check_snapshot};
use crate::render::text::size;

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

fn longest(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

fn check_blocks(message: &Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!((2..=BLOCKS).contains(&blocks.len()), "{} blocks", blocks.len());
    assert!(size(&message["blocks"]) + size(&message["attachments"]) <= TOTAL, "{} in all", size(message));
    assert_eq!(blocks[0]["type"], "header");
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
}

/// Everything that Slack is known to refuse, and everything that would mislead people.
#[track_caller]
fn check(sample: &Sample, rung: Rung) -> Value {
    let view = sample.view();
    let message = of(&Page::of(&view), view.mentions, rung);
    let json: Value = serde_json::from_str(&message.json()).unwrap();
    match rung {
        Rung::Rich => {
            check_blocks(&json);
            let counted = message.blocks.iter().flatten().map(Block::size).sum::<usize>()
                + message.attachments.iter().flatten().map(Attachment::size).sum::<usize>();
            // No comma stands after the last block, nor after the last of some fields.
            let lists = 1 + message
                .blocks
                .iter()
                .flatten()
                .filter(|block| matches!(block, Block::Fields { .. }))
                .count();
            assert_eq!(counted - lists, size(&json["blocks"]) + size(&json["attachments"]), "miscounted");
        }
        Rung::Plain => assert!(longest(&json["text"]) <= 4_000, "{} long", longest(&json["text"])),
        Rung::Minimal => {
            assert!(longest(&json["text"]) <= 800 && !json["text"].as_str().unwrap().contains('\n'));
        }
    }
    let mut found = Vec::new();
    texts(&json, &mut found);
    for (text, mrkdwn) in found {
        assert!(text.chars().any(|c| !c.is_whitespace()), "an empty text");
        assert_eq!(text.matches("```").count() % 2, 0, "an open fence: {text}");
        let text = text.replace("<@U012ABCDE>", "").replace("<!subteam^S045FGHIJ>", "");
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
    json
}

fn section(message: &Value, index: usize) -> &str {
    message["blocks"][index]["text"]["text"].as_str().unwrap()
}

#[test]
fn every_sample_looks_as_it_should() {
    for sample in samples::all() {
        for rung in Rung::ALL {
            check_snapshot("slack", sample.name, rung.as_str(), &check(&sample, rung));
        }
    }
}

#[test]
fn a_report_with_a_hostile_stack_trace_keeps_its_ends_and_says_what_is_missing() {
    let text = check(&samples::report(), Rung::Rich).to_string();
    for kept in ["panicked first", "the last line", "characters omitted", "more facts omitted"] {
        assert!(text.contains(kept), "{kept}");
    }
}

#[test]
fn several_hundred_told_together_are_listed_until_there_is_no_room() {
    let mut sample = samples::together();
    sample.together = (0..700).map(samples::member).collect();
    let message = check(&sample, Rung::Rich);
    let list = section(&message, 3);
    assert!(list.starts_with("*Told together*\n• SEV-2: alarm 0 is in ALARM · prod-service-0\n"), "{list}");
    let shown = list.lines().count() - 2;
    assert!(shown > 40 && list.ends_with(&format!("\n• {} more omitted", 700 - shown)), "{list}");
}

#[test]
fn a_message_says_what_happened_what_was_done_and_what_is_left() {
    let mut sample = samples::rollback();
    sample.notice.facts = vec![Fact { name: "From".into(), value: "web:42".into() }];
    sample.notice.links = vec![
        Link { title: "Service | <web>".to_owned(), url: "https://console.invalid/?a=1&b=2".to_owned() },
        Link { title: "Bad".to_owned(), url: "javascript:alert(1)".to_owned() },
    ];
    let message = check(&sample, Rung::Rich);
    assert_eq!(section(&message, 0), "SEV-1: web is rolled back to web:41");
    assert_eq!(message["blocks"][1]["fields"][0]["text"], "*Severity*\nSEV-1");
    assert!(section(&message, 2).starts_with("The alarm web-5xx fired 4 minutes after"));
    let did = "*What Watchkeeper did*\n• Called UpdateService on prod/web with web:41.";
    assert_eq!(section(&message, 3), format!("*<{}|Acknowledge>*", ACKNOWLEDGE.replace('&', "&amp;")));
    assert_eq!(section(&message, 4), did);
    assert!(section(&message, 5).starts_with("*What is left to do*\n• Mend web:42"));
    assert_eq!(message["blocks"][6]["fields"][0]["text"], "*From*\nweb:42");
    assert_eq!(
        section(&message, 7),
        "*Where to look*\n• <https://console.invalid/?a=1&amp;b=2|Service / &lt;web&gt;>\n• Bad: javascript:alert(1)"
    );
    assert_eq!(message["attachments"][0]["text"], "*SEV-1* firing");
    assert_eq!(message["unfurl_links"], false);
}

#[test]
fn only_what_looks_like_an_id_of_slack_is_called() {
    let called = |mention: &str| super::called(&[mention.to_owned()]);
    assert_eq!(called("U012ABCDE"), "<@U012ABCDE> ");
    assert_eq!(called("W012ABCDE"), "<@W012ABCDE> ");
    assert_eq!(called("S045FGHIJ"), "<!subteam^S045FGHIJ> ");
    for other in ["", "U", "u012abcde", "<!channel>", "U012ABCDE|x", "C012ABCDE", "ana@example.com"] {
        assert_eq!(called(other), "");
    }
}

#[test]
fn state_and_severity_have_their_colours_and_words() {
    let mut sample = samples::rollback();
    let mut seen = Vec::new();
    sample.notice.title = "t".to_owned();
    sample.notice.severity = Severity::Sev2;
    for (state, header) in
        [(State::Firing, "SEV-2: t"), (State::Resolved, "SEV-2 resolved: t"), (State::Info, "t")]
    {
        sample.notice.state = state;
        let message = check(&sample, Rung::Rich);
        assert_eq!(section(&message, 0), header);
        seen.push(message["attachments"][0]["color"].clone());
    }
    sample.notice.state = State::Firing;
    for severity in [Severity::Sev1, Severity::Sev3, Severity::Sev4] {
        sample.notice.severity = severity;
        seen.push(check(&sample, Rung::Rich)["attachments"][0]["color"].clone());
    }
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 6, "{seen:?}");
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
