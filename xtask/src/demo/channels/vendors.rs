//! The channels of the act, and how their vendors answer.

use std::sync::atomic::{AtomicU32, Ordering};

use local::receiver::{Answer, Request};
use serde_json::{Value, json};

use crate::hold;

/// Where everything of this act comes in at the receiver.
pub(super) const ROOT: &str = "/channels";

/// The bot's token, the integration's key, GitHub's token, and the webhook's key: made up, and never shown.
pub(in crate::demo) const SECRETS: [&str; 4] = [
    "xoxb-demo-5e3f1b7c9a",
    "demo0routing0key0000000000000000",
    "ghp_demo_0a1b2c3d4e5f",
    "demo-webhook-signing-key",
];

/// The repository that deployments are written down in.
pub(super) const REPOSITORY: &str = "shop/payments";

/// The topic of the channel `text`.
pub(super) const TEXT_TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:demo-text";

/// The topic of the channel `amazon-q`.
pub(super) const CHAT_TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:demo-chat";

/// Who email comes from.
pub(super) const SENDER: &str = "watchkeeper@example.com";

/// What the stack has to allow.
pub(in crate::demo) const PARAMETERS: [(&str, &str); 2] = [
    (
        "ChannelTopics",
        "arn:aws:sns:eu-central-1:123456789012:demo-text,arn:aws:sns:eu-central-1:123456789012:demo-chat",
    ),
    ("EmailIdentities", "arn:aws:ses:eu-central-1:123456789012:identity/watchkeeper@example.com"),
];

/// Who is told what: the other acts go to two channels; what is about payments to one of each kind.
pub(in crate::demo) const POLICY: &str = "\
notify:
  route:
    channels: [on-call, audit]
    routes:
    - match: {service: payments}
      channels: [slack, slack-app, teams, pagerduty, github, text, email, amazon-q, webhook]
    - match: {service: payments-import}
      channels: [slack, slack-app, teams, text, email, amazon-q, webhook]
      group_by: [service]
      group_wait: 3s
";

/// The channels secret: those of the other acts, and one of each kind.
pub(in crate::demo) fn secret(receiver: &str) -> Value {
    let at = |path: &str| format!("{receiver}{ROOT}/{path}");
    let [token, routing_key, github, signing] = SECRETS;
    let mut secret = hold::channels(receiver);
    let all = [
        json!({"name": "slack", "type": "slack", "url": at("slack")}),
        json!({"name": "slack-app", "type": "slack-app", "token": token, "channel": CONVERSATION,
               "api": at("slack-app")}),
        json!({"name": "teams", "type": "teams", "url": at("teams")}),
        json!({"name": "pagerduty", "type": "pagerduty", "routing_key": routing_key, "api": at("pagerduty")}),
        json!({"name": "github", "type": "github", "token": github, "repository": REPOSITORY,
               "api": at("github")}),
        json!({"name": "text", "type": "sns", "topic": TEXT_TOPIC}),
        json!({"name": "email", "type": "email", "from": format!("Watchkeeper <{SENDER}>"),
               "to": ["ana@example.com", "ben@example.com"]}),
        json!({"name": "amazon-q", "type": "amazon-q", "topic": CHAT_TOPIC}),
        json!({"name": "webhook", "type": "webhook", "url": at("webhook"), "secret": signing}),
    ];
    if let Some(list) = secret.get_mut("channels").and_then(Value::as_array_mut) {
        list.extend(all);
    }
    secret
}

/// The id of a conversation on Slack.
const CONVERSATION: &str = "C0DEMO000001";

/// The vendors' answers of success; nothing for what 200 `ok` does for.
pub(super) fn answers() -> impl Fn(&Request) -> Option<Answer> + Send + 'static {
    let posted = AtomicU32::new(0);
    move |request| answer(request, &posted)
}

fn answer(request: &Request, posted: &AtomicU32) -> Option<Answer> {
    let path = request.path.strip_prefix(ROOT)?.trim_start_matches('/');
    let (vendor, rest) = path.split_once('/').unwrap_or((path, ""));
    match (vendor, request.method.as_str()) {
        ("slack-app", _) => {
            // A change keeps the message's time; each new message has its own.
            let new = || format!("1795176000.{:06}", posted.fetch_add(1, Ordering::Relaxed));
            let known = request.json().get("ts").and_then(Value::as_str).map(ToOwned::to_owned);
            let ts = known.unwrap_or_else(new);
            Some(answered(200, &json!({"ok": true, "channel": CONVERSATION, "ts": ts})))
        }
        ("teams", _) => Some(Answer::new(202, "")),
        ("pagerduty", _) => Some(answered(202, &json!({"status": "success", "message": "Event processed"}))),
        ("github", "GET") => Some(answered(200, &json!([]))),
        ("github", _) if rest.ends_with("/statuses") => Some(answered(201, &json!({"id": 1}))),
        ("github", _) => Some(answered(201, &json!({"id": 4711}))),
        _ => None,
    }
}

fn answered(status: u16, body: &Value) -> Answer {
    Answer::new(status, &body.to_string()).header("content-type", "application/json")
}

/// The link that acknowledges, as a message on Slack has it.
pub(super) fn acknowledge_link(message: &str) -> Option<String> {
    let (before, _) = message.split_once("|Acknowledge>")?;
    let (_, link) = before.rsplit_once('<')?;
    Some(link.replace("&amp;", "&"))
}

/// Where local AWS serves an address of a function: `https://<id>.lambda-url.<region>.on.aws/?…`.
pub(super) fn local_path(link: &str) -> Option<String> {
    let (host, rest) = link.strip_prefix("https://")?.split_once('/')?;
    let (id, _) = host.split_once(".lambda-url.")?;
    Some(format!("/_aws/lambda-url/{id}/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::{acknowledge_link, local_path};

    #[test]
    fn a_functions_address_is_found_at_local_aws() {
        let message = "x <https://b.example|B> *<https://abc.lambda-url.eu-central-1.on.aws/?incident=a&amp;token=b\
                       |Acknowledge>*";
        let link = "https://abc.lambda-url.eu-central-1.on.aws/?incident=a&token=b";
        assert_eq!(acknowledge_link(message).as_deref(), Some(link));
        assert_eq!(local_path(link).as_deref(), Some("/_aws/lambda-url/abc/?incident=a&token=b"));
        assert_eq!(local_path("https://example.com/"), None);
    }
}
