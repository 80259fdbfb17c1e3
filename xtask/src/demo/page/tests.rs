use serde_json::json;

use super::*;

#[test]
fn no_key_and_no_token_is_shown() {
    let body = json!({
        "routing_key": "hunter2",
        "links": [{"href": "https://a.example/?incident=a&expires=1&token=0123abc"}],
        "text": "<https://a.example/?token=0123abc|Acknowledge> token=",
    });
    let expected = json!({
        "routing_key": "…",
        "links": [{"href": "https://a.example/?incident=a&expires=1&token=…"}],
        "text": "<https://a.example/?token=…|Acknowledge> token=",
    });
    assert!(holds_token(&body.to_string()));
    let redacted = redacted(body);
    assert_eq!(redacted, expected);
    assert!(!holds_token(&redacted.to_string()));
}

/// Every kind of channel gets text that tries to be markup, in every place where text can be.
#[test]
fn nothing_that_was_told_becomes_markup_of_the_page() {
    let evil = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>[z](javascript:alert(1)) <javascript:alert(1)|x>";
    let card = json!({"attachments": [{"content": {
        "body": [{"type": "TextBlock", "text": evil, "color": evil},
                 {"type": "FactSet", "facts": [{"title": evil, "value": evil}]}],
        "actions": [{"type": "Action.OpenUrl", "title": evil, "url": "javascript:alert(1)"}],
    }}]});
    let body = json!({
        "text": evil, "Subject": evil, "Message": evil, "From": evil, "To": [evil], "Html": evil,
        "attachments": [{"color": evil, "text": evil}],
        "blocks": [{"type": "header", "text": {"text": evil}},
                   {"type": "section", "text": {"text": evil}, "fields": [{"text": evil}]},
                   {"type": "context", "elements": [{"text": format!("```\n{evil}\n```")}]}],
        "event_action": evil, "dedup_key": evil, "links": [{"href": "javascript:alert(1)", "text": evil}],
        "payload": {"summary": evil, "severity": evil, "custom_details": {evil: [evil], "Facts": {evil: evil}}},
        "state": evil, "description": evil, "log_url": "javascript:alert(1)", "environment": evil, "ref": evil,
        "content": {"title": evil, "description": evil, "nextSteps": [evil], "keywords": [evil]},
        "title": evil, "severity": evil,
    });
    for kind in Kind::ALL {
        let body = if kind == Kind::Teams { card.clone() } else { body.clone() };
        let message =
            Message { called: evil.to_owned(), headers: vec![(evil.to_owned(), evil.to_owned())], body };
        let cells = vec![Cell { kind, messages: vec![message], why: String::new() }];
        let rows = [Row { title: evil.to_owned(), about: evil.to_owned(), cells }];
        let columns = [Column { kind, messages: 1, state: State::Accepted }];
        let html = render(&columns, &rows, Timestamp::UNIX_EPOCH);
        for sign in ["<script", "<img", "href=\"javascript"] {
            assert!(!html.contains(sign), "{}: {sign} in {html}", kind.channel());
        }
    }
}

#[test]
fn an_empty_cell_says_why_and_a_full_one_how_much_is_left_out() {
    let none = Cell { kind: Kind::GitHub, messages: Vec::new(), why: "takes deployments".to_owned() };
    assert_eq!(cell(&none), "<p class=\"none\">Not told: takes deployments.</p>");
    let message = Message { called: "POST".to_owned(), headers: Vec::new(), body: json!({"text": "a"}) };
    let many = Cell { kind: Kind::Slack, messages: vec![message; 30], why: String::new() };
    assert!(cell(&many).ends_with("<p class=\"none\">… and 24 more like these.</p>"));
}
