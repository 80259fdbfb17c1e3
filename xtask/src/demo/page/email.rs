//! An email: who, to whom, about what; the HTML in a frame in which nothing runs; the text under it.

use super::Message;
use super::html::{escaped, linked};
use super::json::{list, shown, text};

pub(super) fn render(message: &Message) -> String {
    let body = &message.body;
    let to: Vec<_> = list(body, "To").map(shown).collect();
    format!(
        "<div class=\"letter\"><p class=\"subject\">{}</p><p class=\"soft\">{} to {}</p>\
         <iframe title=\"The email's HTML\" sandbox srcdoc=\"{}\"></iframe>\
         <details><summary>Its plain text</summary><div class=\"plain\">{}</div></details></div>",
        escaped(text(body, "Subject")),
        escaped(text(body, "From")),
        escaped(&to.join(", ")),
        escaped(text(body, "Html")),
        linked(text(body, "Text"))
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, render};

    #[test]
    fn the_html_stays_in_a_frame_in_which_nothing_runs() {
        let body =
            json!({"Subject": "S", "From": "a@b", "To": ["c@d"], "Html": "<p title=\"x\">", "Text": "t"});
        let html = render(&Message { called: String::new(), headers: Vec::new(), body });
        assert!(html.contains("sandbox srcdoc=\"&lt;p title=&quot;x&quot;&gt;\""), "{html}");
    }
}
