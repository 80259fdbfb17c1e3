//! An Adaptive Card, as a workflow of Microsoft Teams posts it.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::{escaped, link};
use super::json::{list, text};
use super::{Message, markdown};

/// All cards of the message.
pub(super) fn render(message: &Message) -> String {
    let attachments = list(&message.body, "attachments").filter_map(|attachment| attachment.get("content"));
    attachments.map(card).collect()
}

fn card(card: &Value) -> String {
    let body: String = list(card, "body").map(element).collect();
    let actions: String = list(card, "actions").map(action).collect();
    let actions =
        if actions.is_empty() { actions } else { format!("<div class=\"actions\">{actions}</div>") };
    format!("<div class=\"teams\">{body}{actions}</div>")
}

fn element(element: &Value) -> String {
    match text(element, "type") {
        "TextBlock" => text_block(element),
        "FactSet" => {
            let mut facts = String::from("<dl class=\"facts\">");
            for fact in list(element, "facts") {
                let (title, value) = (text(fact, "title"), text(fact, "value"));
                let _ =
                    write!(facts, "<dt>{}</dt><dd>{}</dd>", markdown::inline(title), markdown::inline(value));
            }
            facts + "</dl>"
        }
        "Container" => list(element, "items").map(self::element).collect(),
        "ColumnSet" => {
            let columns = list(element, "columns").flat_map(|column| list(column, "items"));
            columns.map(self::element).collect()
        }
        other => format!("<p class=\"none\">{} is not drawn here.</p>", escaped(other)),
    }
}

fn text_block(block: &Value) -> String {
    let mut classes = vec!["text"];
    classes.extend(match text(block, "size") {
        "Large" | "ExtraLarge" => Some("large"),
        "Small" => Some("small"),
        _ => None,
    });
    classes.extend((text(block, "weight") == "Bolder").then_some("bold"));
    classes.extend((text(block, "fontType") == "Monospace").then_some("mono"));
    classes.extend((block.get("isSubtle").and_then(Value::as_bool) == Some(true)).then_some("subtle"));
    classes.extend(match text(block, "color") {
        "Attention" => Some("attention"),
        "Warning" => Some("warning"),
        "Accent" => Some("accent"),
        "Good" => Some("fine"),
        _ => None,
    });
    format!("<div class=\"{}\">{}</div>", classes.join(" "), markdown::html(text(block, "text")))
}

fn action(action: &Value) -> String {
    let class = if text(action, "style") == "positive" { "button first" } else { "button" };
    link(text(action, "url"), class, &escaped(text(action, "title")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    #[test]
    fn texts_facts_and_actions_are_shown() {
        let body = json!({"attachments": [{"content": {
            "body": [
                {"type": "TextBlock", "text": "Down", "size": "Large", "weight": "Bolder", "color": "Attention"},
                {"type": "FactSet", "facts": [{"title": "From", "value": "web\\_a"}]},
                {"type": "Image"},
            ],
            "actions": [{"type": "Action.OpenUrl", "title": "Acknowledge", "url": "https://a.example/", "style": "positive"}],
        }}]});
        let html = render(&Message { called: String::new(), headers: Vec::new(), body });
        assert_eq!(
            html,
            "<div class=\"teams\"><div class=\"text large bold attention\"><p>Down</p></div><dl class=\"facts\">\
             <dt>From</dt><dd>web_a</dd></dl><p class=\"none\">Image is not drawn here.</p><div class=\"actions\">\
             <a class=\"button first\" href=\"https://a.example/\" rel=\"noreferrer\">Acknowledge</a></div></div>"
        );
    }
}
