//! A notice as a message of a Slack app: posted once, changed as the incident changes, with what changed in its thread.
//!
//! | told | sent |
//! |---|---|
//! | the first news of an incident | `chat.postMessage` |
//! | later news | `chat.update` of that message to the newest state, and an answer in its thread that says what is new; the end of a SEV-1 or SEV-2 is shown in the conversation, too |
//! | a reminder, an escalation | an answer in its thread that is shown in the conversation, too, and calls whom it is to call |
//! | that somebody has it in hand | the same; the message keeps what that somebody needs now |
//!
//! What is remembered of an incident: `ts` and `channel` of its message, and in `updated` the key of the delivery by
//! which it was changed last. Slack knows no repetition of a request, so a crash can make these happen twice: a first
//! message whose `ts` was not written down is posted again, and later news then go to the newer one; a change is made
//! again, which nobody sees; an answer in the thread is given again. An answer that Slack puts off does not bring the
//! change before it again, where `updated` was written down. A message that is gone, or cannot be changed any more, is
//! forgotten, and a new one posted.

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use shared::notice::{Severity, State};

use crate::channel::slack::message::{self, Message};
use crate::channel::{Memory, Outbox, Sent, Telling};
use crate::decision::{self, Meaning, Reply};
use crate::render::ladder::{Rung, descend};
use crate::render::{Occasion, Page, View};

/// An answer in the thread is text: the blocks are in the message above it.
const THREAD: [Rung; 2] = [Rung::Plain, Rung::Minimal];

/// Sends one notice.
pub async fn send(token: &str, channel: &str, api: &Url, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let view = &telling.view;
    let app = App { token, channel, api, out, page: Page::of(view), mentions: view.mentions };
    let Some(first) = First::remembered(telling.memory, channel) else {
        return app.post().await;
    };
    let updates =
        matches!(view.occasion, Occasion::News | Occasion::Rerouted { .. }) && !view.notice.acknowledges();
    let mut memory = None;
    if updates {
        if !first.was_updated_by(telling.key) {
            match app.update(&first).await {
                Answer::Done(_) => {}
                Answer::Gone => return app.post().await,
                Answer::Other(meaning) => return meaning.into(),
            }
        }
        memory = Some(first.updated_by(telling.key));
    }
    match app.answer(&first, is_loud(view)).await {
        Answer::Done(_) => Sent { meaning: Meaning::Acknowledged, memory },
        Answer::Gone => app.post().await,
        Answer::Other(meaning) => Sent { meaning, memory },
    }
}

/// Whether an answer in the thread is shown in the conversation, too.
fn is_loud(view: &View<'_>) -> bool {
    match view.occasion {
        Occasion::Reminder | Occasion::Escalation { .. } => true,
        Occasion::News | Occasion::Rerouted { .. } => {
            let severe = matches!(view.notice.severity, Severity::Sev1 | Severity::Sev2);
            severe && view.notice.state == State::Resolved || view.notice.acknowledges()
        }
    }
}

/// The first message of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
struct First {
    ts: String,
    channel: String,
    updated: Option<String>,
}

impl First {
    /// As it was remembered, unless it is in another conversation than the one that is told now.
    fn remembered(memory: &Memory, channel: &str) -> Option<Self> {
        let of = |name: &str| memory.get(name).filter(|value| !value.is_empty()).cloned();
        let first = Self { ts: of("ts")?, channel: of("channel")?, updated: of("updated") };
        // A conversation may be set by a name, too; then it cannot be compared.
        let elsewhere = is_id(channel) && is_id(&first.channel) && first.channel != channel;
        (!elsewhere).then_some(first)
    }

    fn was_updated_by(&self, key: &str) -> bool {
        self.updated.as_deref() == Some(key)
    }

    fn updated_by(&self, key: &str) -> Memory {
        let mut memory = self.memory();
        memory.insert("updated".to_owned(), key.to_owned());
        memory
    }

    fn memory(&self) -> Memory {
        Memory::from([("ts".to_owned(), self.ts.clone()), ("channel".to_owned(), self.channel.clone())])
    }
}

/// The id of a public or private conversation.
fn is_id(channel: &str) -> bool {
    channel.len() >= 9
        && channel.starts_with(['C', 'G'])
        && channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

struct App<'a> {
    token: &'a str,
    channel: &'a str,
    api: &'a Url,
    out: &'a Outbox<'a>,
    page: Page<'a>,
    mentions: &'a [String],
}

/// What Slack's API answered.
enum Answer {
    /// Done; with the message, where it says which.
    Done(Option<First>),
    /// The message that was to be changed or answered is not there, or closed.
    Gone,
    /// It is not done.
    Other(Meaning),
}

impl App<'_> {
    /// Posts a first message. Whatever comes of it, an older one is forgotten.
    async fn post(&self) -> Sent {
        let build = |message: Message| message.posting(self.channel);
        match self.descend("chat.postMessage", &Rung::ALL, build).await {
            Answer::Done(first) => {
                let memory = first.map_or_else(Memory::new, |first| first.memory());
                Sent { meaning: Meaning::Acknowledged, memory: Some(memory) }
            }
            Answer::Gone => {
                Meaning::Refused("message_not_found: a new message is none that is there".to_owned()).into()
            }
            Answer::Other(meaning) => Sent { meaning, memory: Some(Memory::new()) },
        }
    }

    /// Changes the first message to what is true now.
    async fn update(&self, first: &First) -> Answer {
        let build = |message: Message| message.replacing(&first.channel, &first.ts);
        self.descend("chat.update", &Rung::ALL, build).await
    }

    /// Answers the first message in its thread.
    async fn answer(&self, first: &First, loud: bool) -> Answer {
        let build = |message: Message| message.answering(&first.channel, &first.ts, loud);
        self.descend("chat.postMessage", &THREAD, build).await
    }

    async fn descend(&self, method: &str, rungs: &[Rung], build: impl Fn(Message) -> Message) -> Answer {
        let Ok(url) = self.api.join(method) else {
            return Answer::Other(Meaning::Refused("api is no address of Slack's methods".to_owned()));
        };
        let mut ended = None;
        let meaning = descend(rungs, async |rung| {
            let message = build(message::of(&self.page, self.mentions, rung));
            match self.call(&url, message.json()).await {
                Answer::Other(meaning) => meaning,
                done @ (Answer::Done(_) | Answer::Gone) => {
                    ended = Some(done);
                    Meaning::Acknowledged
                }
            }
        })
        .await;
        ended.unwrap_or(Answer::Other(meaning))
    }

    async fn call(&self, url: &Url, body: String) -> Answer {
        let headers = [("Authorization", format!("Bearer {}", self.token))];
        match self.out.http.post(url, &headers, body, (self.out.limit)()).await {
            Ok(reply) => read(&reply, self.out.now),
            Err(failure) => Answer::Other(failure.into()),
        }
    }
}

/// What an answer of the API means: the status is 200 also where it refuses, and `ok` says which.
fn read(reply: &Reply, now: Timestamp) -> Answer {
    if let Some(later) = decision::not_now(reply, now) {
        return Answer::Other(later);
    }
    let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let of = |name: &str| answer.get(name).and_then(Value::as_str);
    match answer.get("ok").and_then(Value::as_bool) {
        Some(true) => {
            let first = of("ts").zip(of("channel")).map(|(ts, channel)| First {
                ts: ts.to_owned(),
                channel: channel.to_owned(),
                updated: None,
            });
            Answer::Done(first)
        }
        Some(false) => match of("error").and_then(decision::code).as_deref() {
            Some(
                "cannot_reply_to_message"
                | "cant_update_message"
                | "edit_window_closed"
                | "message_not_found"
                | "thread_not_found",
            ) => Answer::Gone,
            code => Answer::Other(advised(decision::slack(reply, now), code.unwrap_or_default())),
        },
        // A success that is none of Slack's: something between us and it answered.
        None if reply.status == 200 => {
            Answer::Other(decision::later(reply, now, false, "200 without an answer of Slack".to_owned()))
        }
        None => Answer::Other(decision::slack(reply, now)),
    }
}

/// A refusal with what to do about it.
fn advised(meaning: Meaning, code: &str) -> Meaning {
    let advice = match code {
        "account_inactive" | "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" => {
            "put a token that is valid into the channels secret"
        }
        "channel_not_found" | "not_in_channel" => {
            "invite the app to the channel, and set the channel's id in the channels secret"
        }
        "is_archived" => "set another channel in the channels secret",
        "missing_scope" | "no_permission" | "not_allowed_token_type" => {
            "give the app the scope chat:write and install it again"
        }
        "restricted_action" | "restricted_action_thread_locked" => {
            "allow the app to post there in the channel's settings"
        }
        _ => return meaning,
    };
    match meaning {
        Meaning::Refused(why) => Meaning::Refused(format!("{why}: {advice}")),
        other
        @ (Meaning::Acknowledged | Meaning::Accepted | Meaning::Simplify(_) | Meaning::Later { .. }) => other,
    }
}

#[cfg(test)]
mod tests;
