//! The vendors' own ends, as far as they can refuse: each checks what it is sent as its vendor does, and keeps what it
//! took.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local::receiver::{Answer, Request};
use serde_json::{Value, json};

use crate::stage::Stage;

/// What a vendor does with a request that is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It takes it.
    Take,
    /// It has had too many, and says for how many seconds.
    TooMany(u32),
    /// It is broken.
    Broken,
    /// It never takes it.
    Refuse,
    /// It takes it, and the connection breaks before it says so.
    Reset,
    /// It takes it, and says so when nobody waits any more.
    Hang,
}

impl Way {
    /// Whether the vendor has it afterwards.
    pub(super) const fn is_taken(self) -> bool {
        matches!(self, Self::Take | Self::Reset | Self::Hang)
    }

    fn answer(self, taken: Answer) -> Answer {
        match self {
            Self::Take => taken,
            Self::TooMany(seconds) => Answer::new(429, "").header("Retry-After", &seconds.to_string()),
            Self::Broken => Answer::new(500, "internal_error"),
            Self::Refuse => Answer::new(403, "action_prohibited"),
            Self::Reset => Answer::reset(),
            Self::Hang => taken.after(Duration::from_secs(60)),
        }
    }
}

/// What came, with what became of it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) request: Request,
    /// Nothing where it was not in order.
    pub(super) way: Option<Way>,
}

impl Heard {
    pub(super) fn is_taken(&self) -> bool {
        self.way.is_some_and(Way::is_taken)
    }
}

/// What came to a double, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Heard>>>);

impl Log {
    pub(super) fn all(&self) -> Vec<Heard> {
        self.lock().clone()
    }

    /// What was taken, as JSON.
    pub(super) fn taken(&self) -> Vec<Value> {
        self.lock().iter().filter(|heard| heard.is_taken()).map(|heard| heard.request.json()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A vendor's end: what it checks, what it says when it takes something, and what happens to it.
pub(super) fn double(
    check: impl Fn(&Request) -> Result<Answer, Answer> + Send + 'static,
    way: impl Fn(usize) -> Way + Send + 'static,
) -> (Log, impl Fn(&Request) -> Answer + Send + 'static) {
    let log = Log::default();
    let kept = log.clone();
    let answer = move |request: &Request| {
        let mut heard = kept.lock();
        let (answer, way) = match check(request) {
            Ok(taken) => {
                let way = way(heard.len());
                (way.answer(taken), Some(way))
            }
            Err(refusal) => (refusal, None),
        };
        heard.push(Heard { request: request.clone(), way });
        answer
    };
    (log, answer)
}

/// Puts a double where its paths begin so.
pub(super) fn at(stage: &Stage, paths: &str, answer: impl Fn(&Request) -> Answer + Send + 'static) {
    let paths = paths.to_owned();
    let script = move |request: &Request| request.path.starts_with(&paths).then(|| answer(request));
    stage.deployment.receiver.answer_by(script);
}

/// It always takes what is in order.
pub(super) const fn take(_: usize) -> Way {
    Way::Take
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What is wrong with the blocks of a Slack message, by the limits of Block Kit.
fn bad_blocks(blocks: &[Value]) -> Option<&'static str> {
    if blocks.len() > 50 {
        return Some("invalid_blocks");
    }
    let text = |block: &Value, most: usize| {
        block["text"].as_str().is_some_and(|text| !text.is_empty() && units(text) <= most)
    };
    let fine = |block: &Value| match block["type"].as_str() {
        Some("header") => block["text"]["type"] == "plain_text" && text(&block["text"], 150),
        Some("section") => {
            let fields = block["fields"].as_array();
            let one = block.get("text").is_none_or(|inner| text(inner, 3_000));
            let all = fields.is_none_or(|all| {
                (1..=10).contains(&all.len()) && all.iter().all(|field| text(field, 2_000))
            });
            one && all && (block.get("text").is_some() || fields.is_some())
        }
        Some("context") => block["elements"].as_array().is_some_and(|all| (1..=10).contains(&all.len())),
        Some("divider") => true,
        Some("actions") => block["elements"].as_array().is_some_and(|all| (1..=25).contains(&all.len())),
        Some(_) | None => false,
    };
    if !blocks.iter().all(fine) {
        return Some("invalid_blocks");
    }
    let total: usize = blocks.iter().map(|block| units(&block.to_string())).sum();
    (total > 13_000).then_some("msg_blocks_too_long")
}

fn bad_message(message: &Value) -> Option<&'static str> {
    if !message.is_object() {
        return Some("invalid_payload");
    }
    match message["text"].as_str() {
        Some(text) if units(text) > 40_000 => return Some("msg_too_long"),
        Some(text) if !text.trim().is_empty() => {}
        Some(_) | None => return Some("no_text"),
    }
    message["blocks"].as_array().and_then(|blocks| bad_blocks(blocks))
}

/// A Slack incoming webhook.
pub(super) fn slack(request: &Request) -> Result<Answer, Answer> {
    match bad_message(&request.json()) {
        Some(code) => Err(Answer::new(400, code)),
        None => Ok(Answer::new(200, "ok")),
    }
}

/// A webhook that can tell a repetition.
pub(super) fn webhook(request: &Request) -> Result<Answer, Answer> {
    let known = ["idempotency-key", "watchkeeper-signature", "watchkeeper-timestamp"];
    if known.iter().any(|name| request.header(name).is_empty()) || !request.json().is_object() {
        return Err(Answer::new(400, "unsigned"));
    }
    Ok(Answer::new(200, "ok"))
}

/// A Microsoft Teams workflow, which says nothing of what becomes of the card.
pub(super) fn teams(request: &Request) -> Result<Answer, Answer> {
    let message = request.json();
    let card = &message["attachments"][0];
    let fine = message["type"] == "message"
        && message["attachments"].as_array().is_some_and(|all| all.len() == 1)
        && card["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["content"]["type"] == "AdaptiveCard"
        && card["content"]["version"] == "1.4"
        && card["content"]["body"].as_array().is_some_and(|body| !body.is_empty());
    // 28,672 bytes of Teams' own representation were 24,453 bytes of a request.
    if fine && request.body.len() < 24_000 {
        Ok(Answer::new(202, ""))
    } else {
        Err(Answer::new(400, r#"{"error":{"code":"InvalidBotAdaptiveCard","message":""}}"#))
    }
}

/// PagerDuty's Events API v2.
pub(super) fn pagerduty(request: &Request) -> Result<Answer, Answer> {
    let event = request.json();
    let text = |value: &Value, most: usize| {
        value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
    };
    let payload = &event["payload"];
    let change = request.path.ends_with("/change/enqueue");
    let mut errors = Vec::new();
    let mut need = |fine: bool, what: &str| {
        if !fine {
            errors.push(what.to_owned());
        }
    };
    need(event["routing_key"].as_str().is_some_and(|key| key.len() == 32), "'routing_key' is invalid");
    need(request.body.len() <= 512_000, "'payload' is too large");
    if change || event["event_action"] == "trigger" {
        need(text(&payload["summary"], 1_024), "'payload.summary' is missing or blank");
        need(change || text(&payload["source"], 1_024), "'payload.source' is missing or blank");
        let known = ["critical", "error", "warning", "info"];
        let severity = known.iter().any(|known| payload["severity"] == **known);
        need(
            change || severity,
            "'payload.severity' is invalid (must be one of: critical, error, warning, info)",
        );
    }
    if !change {
        let known = ["trigger", "acknowledge", "resolve"];
        need(known.iter().any(|known| event["event_action"] == **known), "'event_action' is invalid");
        // PagerDuty would invent one for a trigger; then no end would ever find its beginning.
        need(text(&event["dedup_key"], 255), "'dedup_key' is missing");
    }
    if errors.is_empty() {
        let taken =
            json!({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]});
        return Ok(Answer::new(202, &taken.to_string()));
    }
    let refusal = json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors});
    Err(Answer::new(400, &refusal.to_string()))
}

/// A message in a Slack conversation, with all that it ever said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posted {
    pub(super) ts: String,
    /// The message that it answers.
    pub(super) thread: Option<String>,
    pub(super) broadcast: bool,
    pub(super) said: Vec<String>,
}

/// Slack's Web API for one bot: `chat.postMessage` and `chat.update` in one conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct SlackApp(Arc<Mutex<Vec<Posted>>>);

pub(super) const TOKEN: &str = "xoxb-of-the-tests";
pub(super) const CONVERSATION: &str = "C0123456789";

impl SlackApp {
    /// What stands in the conversation and its threads.
    pub(super) fn posted(&self) -> Vec<Posted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is said to a call.
    pub(super) fn called(&self, request: &Request) -> Answer {
        let answer = self.done(request).unwrap_or_else(|error| json!({"ok": false, "error": error}));
        Answer::new(200, &answer.to_string()).header("content-type", "application/json; charset=utf-8")
    }

    fn done(&self, request: &Request) -> Result<Value, &'static str> {
        if request.header("authorization") != format!("Bearer {TOKEN}") {
            return Err("invalid_auth");
        }
        let message = request.json();
        if message["channel"] != CONVERSATION {
            return Err("channel_not_found");
        }
        if let Some(code) = bad_message(&message) {
            return Err(code);
        }
        let text = message["text"].as_str().unwrap_or_default().to_owned();
        let mut posted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ts = match request.path.rsplit('/').next() {
            Some("chat.postMessage") => {
                let thread = message["thread_ts"].as_str().map(ToOwned::to_owned);
                if thread.as_ref().is_some_and(|thread| posted.iter().all(|known| known.ts != *thread)) {
                    return Err("thread_not_found");
                }
                let ts = format!("1795176000.{:06}", posted.len() + 1);
                let broadcast = message["reply_broadcast"] == true;
                posted.push(Posted { ts: ts.clone(), thread, broadcast, said: vec![text] });
                ts
            }
            Some("chat.update") => {
                let ts = message["ts"].as_str().ok_or("message_not_found")?.to_owned();
                let known = posted.iter_mut().find(|known| known.ts == ts).ok_or("message_not_found")?;
                known.said.push(text);
                ts
            }
            Some(_) | None => return Err("unknown_method"),
        };
        Ok(json!({"ok": true, "ts": ts, "channel": CONVERSATION}))
    }
}
