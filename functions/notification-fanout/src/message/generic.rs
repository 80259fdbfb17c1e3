//! What no family knows is shown as it is.

use serde_json::{Map, Value};
use shared::id;
use shared::notice::{Notice, SCHEMA, Severity, State, Subject};

use super::event::place_by;
use super::letter::Letter;
use super::size;

/// How many fields of a JSON message are shown.
const MOST_FIELDS: usize = 40;

/// A notice that shows what arrived.
pub(super) fn told(content: &Value, letter: &Letter<'_>) -> Notice {
    let sent = letter.time();
    let subject = Subject {
        kind: "message".to_owned(),
        id: letter.origin().to_owned(),
        arn: letter.topic.map(ToOwned::to_owned),
    };
    let mut notice = Notice::new(&letter.incident, State::Info, Severity::Sev4, subject, "", sent);
    // Without a topic, only the queue's own time is known, and that changes when a message is sent back to it.
    notice.revision = letter.revision.unwrap_or(if letter.topic.is_some() { notice.revision } else { 0 });
    notice.id = id::of(&[&notice.incident, &notice.revision.to_string(), notice.state.as_str()]);
    match content {
        Value::Object(fields) => object(&mut notice, fields, letter),
        Value::String(text) => plain(&mut notice, text, letter),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            titled(&mut notice, letter, None);
            notice.summary = format!("The whole message is the JSON value {}", letter.text.trim());
        }
    }
    if notice.source.is_empty() {
        letter.origin().clone_into(&mut notice.source);
    }
    notice
}

/// A text: its first line is the title where no subject is.
fn plain(notice: &mut Notice, text: &str, letter: &Letter<'_>) {
    let text = text.trim();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    titled(notice, letter, first);
    notice.summary = if text.is_empty() { "The message is empty.".to_owned() } else { text.to_owned() };
}

/// A JSON object: an event says in `detail-type` what it is; of any other, the fields are shown.
fn object(notice: &mut Notice, fields: &Map<String, Value>, letter: &Letter<'_>) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if text("Type")
        .is_some_and(|kind| kind.ends_with("SubscriptionConfirmation") || kind == "UnsubscribeConfirmation")
    {
        confirmation(notice, text("TopicArn"));
        return;
    }
    if let Some(kind) = text("detail-type") {
        titled(notice, letter, Some(kind));
        text("source").unwrap_or("an event bus").clone_into(&mut notice.source);
        notice.summary = format!("The event {kind:?} from {}.", notice.source);
        let detail = fields.get("detail").and_then(Value::as_object);
        let around = ["account", "region", "time", "resources"]
            .into_iter()
            .filter_map(|name| fields.get_key_value(name));
        facts(notice, around.chain(detail.into_iter().flatten()));
        for name in ["account", "region"] {
            if let Some(value) = text(name) {
                notice.labels.insert(name.to_owned(), value.to_owned());
            }
        }
        let tags = detail.and_then(|detail| detail.get("tags").or_else(|| detail.get("Tags")));
        place_by(notice, tags);
        return;
    }
    let title = ["title", "Title", "subject", "Subject", "Event Message", "name"].into_iter().find_map(text);
    titled(notice, letter, title);
    let said =
        ["message", "Message", "summary", "description", "text", "errorMessage"].into_iter().find_map(text);
    notice.summary = match said {
        Some(said) => said.to_owned(),
        None if fields.get("schema").and_then(Value::as_str) == Some(SCHEMA) => {
            "The message calls itself a notice, but is not written like one. These are its fields.".to_owned()
        }
        None => "A JSON message that is not a notice. These are its fields.".to_owned(),
    };
    facts(notice, fields.iter().filter(|(_, value)| value.as_str().is_none_or(|text| Some(text) != said)));
}

fn facts<'a>(notice: &mut Notice, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut left_out = 0_usize;
    for (index, (name, value)) in fields.enumerate() {
        if index >= MOST_FIELDS {
            left_out += 1;
            continue;
        }
        let name: String = name.chars().take(100).collect();
        match value {
            Value::String(text) => notice.fact(&name, text),
            Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => {
                let words: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                notice.fact(&name, words.join(", "));
            }
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                notice.fact(&name, other);
            }
        }
    }
    if left_out > 0 {
        notice.fact("Fields omitted", left_out);
    }
}

fn titled(notice: &mut Notice, letter: &Letter<'_>, otherwise: Option<&str>) {
    let title = letter.subject.or(otherwise).map(str::trim);
    notice.title = match title {
        Some(title) => size::title(title),
        None => format!("A message from {}", letter.origin()),
    };
}

/// A topic wants this queue's subscription to be confirmed. Its token and address are not shown: whoever has them can
/// confirm it.
fn confirmation(notice: &mut Notice, topic: Option<&str>) {
    "A topic asks for its subscription to be confirmed".clone_into(&mut notice.title);
    "Somebody has subscribed the queue of notices to a topic, or wants to end that. Nothing was confirmed."
        .clone_into(&mut notice.summary);
    if let Some(topic) = topic {
        notice.fact("Topic", topic);
    }
}
