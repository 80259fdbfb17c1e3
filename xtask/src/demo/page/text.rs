//! A message to a topic whose subscribers read plain text: subject and body.

use super::Message;
use super::html::{escaped, linked};
use super::json::text;

pub(super) fn render(message: &Message) -> String {
    format!(
        "<div class=\"letter\"><p class=\"subject\">{}</p><div class=\"plain\">{}</div></div>",
        escaped(text(&message.body, "Subject")),
        linked(text(&message.body, "Message"))
    )
}
