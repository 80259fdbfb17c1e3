//! A request to GitHub's deployments, as a line of the timeline.

use super::Message;
use super::html::{escaped, link};
use super::json::text;

/// The line, and what stands beside it.
pub(super) fn render(message: &Message) -> String {
    let body = &message.body;
    if message.called.starts_with("GET") {
        return entry("asked", "Asked whether the deployment is there already", "", "");
    }
    if message.called.ends_with("/statuses") {
        let state = text(body, "state");
        let class = match state {
            "success" => "success",
            "failure" | "error" => "failure",
            _ => "pending",
        };
        let log =
            link(text(body, "log_url"), "", if text(body, "log_url").is_empty() { "" } else { "View logs" });
        let environment = format!("<span class=\"pill\">{}</span>", escaped(text(body, "environment")));
        return entry(
            class,
            &format!("<b>{}</b> {environment}", escaped(state)),
            &escaped(text(body, "description")),
            &log,
        );
    }
    let commit: String = text(body, "ref").chars().take(7).collect();
    let about = format!(
        "<b>Deployment created</b> <span class=\"pill\">{}</span> <code>{}</code>",
        escaped(text(body, "environment")),
        escaped(&commit)
    );
    entry("created", &about, &escaped(text(body, "description")), "")
}

fn entry(class: &str, about: &str, description: &str, log: &str) -> String {
    format!(
        "<div class=\"github\"><span class=\"dot {class}\" aria-hidden=\"true\"></span><div><p>{about}</p>\
         <p class=\"soft\">{description} {log}</p></div></div>"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Message, render};

    #[track_caller]
    fn check(called: &str, body: Value, part: &str) {
        let html = render(&Message { called: called.to_owned(), headers: Vec::new(), body });
        assert!(html.contains(part), "{part} in {html}");
    }

    #[test]
    fn each_request_is_a_line_of_the_timeline() {
        check("GET repos/a/b/deployments", Value::Null, "Asked whether");
        let create = json!({"ref": "8f14e45fceea167a", "environment": "prod", "description": "web web:43"});
        check("POST repos/a/b/deployments", create, "<code>8f14e45</code>");
        let status = json!({"state": "success", "description": "web: done", "log_url": "https://a.example/"});
        check("POST repos/a/b/deployments/1/statuses", status, "<b>success</b>");
    }
}
