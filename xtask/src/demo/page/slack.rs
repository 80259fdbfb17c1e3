//! A request to Slack: a message with its blocks and the colour beside it, a message that takes the place of an earlier
//! one, or an answer in a thread.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::escaped;
use super::json::{list, text};
use super::{Message, mrkdwn};

/// Slack as it is drawn here: a portrait, a name, and what was said.
pub(super) fn render(message: &Message) -> String {
    let body = &message.body;
    let replaces = message.called.ends_with("chat.update");
    let answers = !text(body, "thread_ts").is_empty();
    let loud = body.get("reply_broadcast").and_then(Value::as_bool) == Some(true);
    let (class, note) = match (replaces, answers, loud) {
        (true, _, _) => ("", "The message above now reads:"),
        (false, true, true) => (" answer", "An answer in its thread, also sent to the channel:"),
        (false, true, false) => (" answer", "An answer in its thread:"),
        (false, false, _) => ("", ""),
    };
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{note}</p>") };
    let edited = if replaces { " <span class=\"soft\">(edited)</span>" } else { "" };
    format!(
        "{note}<div class=\"slack{class}\"><span class=\"portrait\" aria-hidden=\"true\">W</span><div class=\"said\">\
         <p class=\"who\"><b>Watchkeeper</b> <span class=\"app\">APP</span>{edited}</p>{}</div></div>",
        said(body)
    )
}

fn said(body: &Value) -> String {
    let mut shown = String::new();
    for block in list(body, "blocks") {
        shown.push_str(&self::block(block));
    }
    if shown.is_empty() {
        let _ = write!(shown, "<div class=\"block\">{}</div>", mrkdwn::html(text(body, "text")));
    }
    for attachment in list(body, "attachments") {
        let _ = write!(
            shown,
            "<div class=\"attachment\" style=\"border-color:{}\">{}</div>",
            colour(text(attachment, "color")),
            mrkdwn::html(text(attachment, "text"))
        );
    }
    shown
}

fn block(block: &Value) -> String {
    let inner = block.get("text").map(|inner| text(inner, "text")).unwrap_or_default();
    match text(block, "type") {
        "header" => format!("<h4 class=\"header\">{}</h4>", escaped(&mrkdwn::unescaped(inner))),
        "divider" => "<hr>".to_owned(),
        "context" => {
            let elements = list(block, "elements").map(|element| mrkdwn::html(text(element, "text")));
            format!("<div class=\"context\">{}</div>", elements.collect::<Vec<_>>().join(" "))
        }
        _ => {
            let mut shown = String::new();
            if !inner.is_empty() {
                let _ = write!(shown, "<div class=\"block\">{}</div>", mrkdwn::html(inner));
            }
            let fields: Vec<_> = list(block, "fields")
                .map(|field| format!("<div>{}</div>", mrkdwn::html(text(field, "text"))))
                .collect();
            if !fields.is_empty() {
                let _ = write!(shown, "<div class=\"fields\">{}</div>", fields.concat());
            }
            shown
        }
    }
}

/// A colour of six digits, or none.
fn colour(text: &str) -> &str {
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        text
    } else {
        "transparent"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    fn message(called: &str, body: serde_json::Value) -> String {
        render(&Message { called: called.to_owned(), headers: Vec::new(), body })
    }

    #[test]
    fn blocks_fields_and_the_colour_are_shown() {
        let html = message(
            "POST",
            json!({"text": "short", "attachments": [{"color": "#b71c1c", "text": "*SEV-1* firing"}], "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Down"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*From*\nweb:2"}]},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "by me"}]},
            ]}),
        );
        for part in [
            "<h4 class=\"header\">Down</h4>",
            "<div class=\"fields\"><div><b>From</b><br>web:2</div></div>",
            "<div class=\"context\">by me</div>",
            "style=\"border-color:#b71c1c\"><b>SEV-1</b> firing",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("short"), "{html}");
    }

    #[test]
    fn changes_and_answers_are_told_apart() {
        assert!(message("POST chat.update", json!({"text": "a", "ts": "1"})).contains("now reads"));
        let answer = json!({"text": "a", "thread_ts": "1"});
        assert!(message("POST chat.postMessage", answer).contains("An answer in its thread:"));
        let loud = json!({"text": "a", "thread_ts": "1", "reply_broadcast": true});
        assert!(message("POST chat.postMessage", loud).contains("also sent to the channel"));
    }
}
