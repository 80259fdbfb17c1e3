//! An event of PagerDuty: as the alert that it triggers or resolves, or as a change.

use std::fmt::Write as _;

use serde_json::Value;

use super::Message;
use super::html::{escaped, link};
use super::json::{fields, list, shown, text};

/// The event as a card.
pub(super) fn render(message: &Message) -> String {
    let body = &message.body;
    let payload = body.get("payload").unwrap_or(&Value::Null);
    let (class, word) = match text(body, "event_action") {
        "trigger" => ("triggered", "Triggered"),
        "resolve" => ("resolved", "Resolved"),
        "acknowledge" => ("acked", "Acknowledged"),
        _ => ("change", "Change"),
    };
    let mut card =
        format!("<div class=\"pagerduty {class}\"><p class=\"top\"><span class=\"badge\">{word}</span>");
    let severity = text(payload, "severity");
    if !severity.is_empty() {
        let _ = write!(card, " <span class=\"severity\">{}</span>", escaped(severity));
    }
    let _ = write!(
        card,
        " <span class=\"soft\">{}</span></p><h4>{}</h4>",
        escaped(text(payload, "timestamp")),
        escaped(text(payload, "summary"))
    );
    let named = [
        ("source", payload),
        ("component", payload),
        ("group", payload),
        ("class", payload),
        ("dedup_key", body),
    ];
    let named: String = named
        .into_iter()
        .map(|(name, from)| (name, text(from, name)))
        .filter(|(_, value)| !value.is_empty())
        .fold(String::new(), |rows, (name, value)| {
            format!("{rows}<dt>{name}</dt><dd><code>{}</code></dd>", escaped(value))
        });
    let _ = write!(card, "<dl class=\"facts\">{named}</dl>");
    let links: Vec<_> = list(body, "links")
        .map(|entry| link(text(entry, "href"), "", &escaped(text(entry, "text"))))
        .collect();
    if !links.is_empty() {
        let _ = write!(card, "<p class=\"links\">{}</p>", links.join(" · "));
    }
    let details: String =
        fields(payload, "custom_details").map(|(name, value)| detail(name, value)).collect();
    if !details.is_empty() {
        let _ = write!(card, "<p class=\"soft\">Custom details</p><dl class=\"facts\">{details}</dl>");
    }
    card + "</div>"
}

fn detail(name: &str, value: &Value) -> String {
    let value = match value {
        Value::Array(list) => {
            let items = list.iter().map(|item| format!("<li>{}</li>", escaped(&shown(item))));
            format!("<ul>{}</ul>", items.collect::<String>())
        }
        Value::Object(inner) => {
            let inner = inner.iter().map(|(name, value)| detail(name, value));
            format!("<dl class=\"facts\">{}</dl>", inner.collect::<String>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            format!("<span class=\"lines\">{}</span>", escaped(&shown(value)))
        }
    };
    format!("<dt>{}</dt><dd>{value}</dd>", escaped(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    #[test]
    fn an_alert_is_shown_with_its_key_and_details() {
        let body = json!({
            "event_action": "resolve",
            "dedup_key": "watchkeeper-1",
            "payload": {"summary": "web answers", "severity": "critical", "custom_details": {"Next": ["look"], "Facts": {"From": "web:2"}}},
            "links": [{"href": "https://a.example/", "text": "Alarm"}],
        });
        let html = render(&Message { called: String::new(), headers: Vec::new(), body });
        for part in [
            "<div class=\"pagerduty resolved\">",
            "<h4>web answers</h4>",
            "<dt>dedup_key</dt><dd><code>watchkeeper-1</code></dd>",
            "<dt>Next</dt><dd><ul><li>look</li></ul></dd>",
            "<dt>From</dt><dd><span class=\"lines\">web:2</span></dd>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
