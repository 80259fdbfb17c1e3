//! A signed request: its headers, and the notice as whoever receives it reads it first.

use std::fmt::Write as _;

use super::Message;
use super::html::escaped;
use super::json::text;

pub(super) fn render(message: &Message) -> String {
    let mut card = String::from("<div class=\"webhook\"><dl class=\"headers\">");
    for (name, value) in &message.headers {
        let _ = write!(card, "<dt>{}</dt><dd><code>{}</code></dd>", escaped(name), escaped(value));
    }
    card.push_str("</dl><pre>");
    for name in ["schema", "incident", "revision", "state", "severity", "title", "time"] {
        if let Some(value) = message.body.get(name) {
            let name = escaped(&format!("{name:?}"));
            let _ = writeln!(card, "<span class=\"name\">{name}</span>: {}", escaped(&value.to_string()));
        }
    }
    let key = message.body.get("delivery").map(|delivery| text(delivery, "key")).unwrap_or_default();
    let _ = write!(
        card,
        "<span class=\"name\">&quot;delivery&quot;</span>: {}",
        escaped(&format!("{{\"key\": {key:?}, …}}"))
    );
    card + "</pre></div>"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    #[test]
    fn headers_and_the_notices_first_fields_are_shown() {
        let headers = vec![("watchkeeper-signature".to_owned(), "v1=01…".to_owned())];
        let body = json!({"title": "T", "facts": [], "delivery": {"key": "k"}});
        let html = render(&Message { called: String::new(), headers, body });
        for part in [
            "<dt>watchkeeper-signature</dt>",
            "&quot;title&quot;</span>: &quot;T&quot;",
            "{&quot;key&quot;: &quot;k&quot;, …}",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
