//! A custom notification, as Amazon Q Developer shows it in a chat.

use std::fmt::Write as _;

use serde_json::Value;

use super::Message;
use super::html::{escaped, linked};
use super::json::{list, shown, text};

pub(super) fn render(message: &Message) -> String {
    let content = message.body.get("content").unwrap_or(&Value::Null);
    let mut card = format!(
        "<div class=\"amazon-q\"><p class=\"who\"><span class=\"portrait\" aria-hidden=\"true\">Q</span> <b>Amazon Q</b> \
         <span class=\"app\">APP</span></p><h4>{}</h4><div class=\"plain\">{}</div>",
        escaped(text(content, "title")),
        linked(text(content, "description"))
    );
    let steps: Vec<_> =
        list(content, "nextSteps").map(|step| format!("<li>{}</li>", linked(&shown(step)))).collect();
    if !steps.is_empty() {
        let _ = write!(card, "<p><b>Next steps</b></p><ul>{}</ul>", steps.concat());
    }
    let words = list(content, "keywords")
        .map(|word| format!("<span class=\"pill\">{}</span>", escaped(&shown(word))));
    let _ = write!(card, "<p class=\"words\">{}</p>", words.collect::<Vec<_>>().join(" "));
    let thread = message.body.pointer("/metadata/threadId").map(shown).unwrap_or_default();
    if !thread.is_empty() {
        let _ = write!(card, "<p class=\"soft\">thread {}</p>", escaped(&thread));
    }
    card + "</div>"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    #[test]
    fn title_description_and_next_steps_are_shown() {
        let body = json!({"content": {"title": "T", "description": "a\nb", "nextSteps": ["look"], "keywords": ["sev1"]}});
        let html = render(&Message { called: String::new(), headers: Vec::new(), body });
        for part in ["<h4>T</h4>", "a\nb</div>", "<li>look</li>", "<span class=\"pill\">sev1</span>"] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
