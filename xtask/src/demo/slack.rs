//! A Slack message as a terminal can show it.

use serde_json::Value;

/// How many blocks tell what it is about: the header and the summary, without the names and values between them.
const BRIEF: usize = 2;

/// The message's blocks as lines of text; its plain text when it has no blocks.
pub(super) fn rendered(message: &Value) -> Vec<String> {
    lines(message, list(message, "blocks"))
}

/// The beginning of the same.
pub(super) fn brief(message: &Value) -> Vec<String> {
    let said = list(message, "blocks").filter(|block| block.get("text").is_some());
    lines(message, said.take(BRIEF))
}

fn lines<'a>(message: &Value, blocks: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        match text(block, "type") {
            "header" => lines.push(plain(&inner(block)).to_uppercase()),
            "divider" => lines.push("─".repeat(20)),
            _ => {
                lines.extend(plain(&inner(block)).lines().map(ToOwned::to_owned));
                for field in list(block, "fields") {
                    // A field is a name and, on the next line, its value.
                    lines.push(plain(text(field, "text")).replacen('\n', ": ", 1));
                }
                lines.extend(list(block, "elements").map(|element| plain(text(element, "text"))));
            }
        }
    }
    if lines.is_empty() {
        lines.extend(plain(text(message, "text")).lines().map(ToOwned::to_owned));
    }
    lines
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn inner(block: &Value) -> String {
    block.get("text").map(|inner| text(inner, "text")).unwrap_or_default().to_owned()
}

/// Slack's own mark-up taken away: bold, links, and the three escapes.
fn plain(marked: &str) -> String {
    let mut shown = String::new();
    let mut rest = marked;
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(&unmarked(before));
        match after.split_once('>') {
            Some((link, after)) => {
                let (url, title) = link.split_once('|').unwrap_or((link, ""));
                shown.push_str(&unmarked(if title.is_empty() { url } else { title }));
                if !title.is_empty() {
                    shown.push_str(" → ");
                    shown.push_str(place(url));
                }
                rest = after;
            }
            None => rest = after,
        }
    }
    shown.push_str(&unmarked(rest));
    shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The host of an address; all of it is longer than a line.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn unmarked(text: &str) -> String {
    text.replace('*', "").replace("```", "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{brief, rendered};

    #[test]
    fn a_message_is_shown_without_slacks_mark_up() {
        let message = json!({"text": "fallback", "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Sev2"}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Status*\nfiring"}]},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*Did*\n• a &lt;b&gt; <https://x.example/a|page>"}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "*From*\nweb:2"}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "by me"}]},
        ]});
        let lines = rendered(&message);
        assert_eq!(
            lines,
            [
                "SEV2",
                "",
                "Status: firing",
                "",
                "Did",
                "• a <b> page → x.example",
                "",
                "From: web:2",
                "",
                "by me"
            ]
        );
        assert_eq!(brief(&message), ["SEV2", "", "Did", "• a <b> page → x.example"]);
    }

    #[test]
    fn a_message_without_blocks_is_its_text() {
        assert_eq!(rendered(&json!({"text": "one\ntwo"})), ["one", "two"]);
    }
}
