use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, read};
use crate::channel::{Kind, Memory, Sent};
use crate::decision::{Meaning, Reply};
use crate::receiver::{Receiver, Script, answer};
use crate::render::samples::{self, Sample, tell};

const POST: &str = "/api/chat.postMessage";
const UPDATE: &str = "/api/chat.update";

fn memory(fields: &[(&str, &str)]) -> Memory {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn remembered() -> Memory {
    memory(&[("ts", "1.5"), ("channel", "C012ABCDE")])
}

#[expect(clippy::unnecessary_wraps, reason = "a script may also give no answer")]
fn said(body: &str) -> Option<String> {
    Some(answer("200 OK", "content-type: application/json\r\n", body))
}

fn done() -> Option<String> {
    said(r#"{"ok":true,"channel":"C012ABCDE","ts":"1.5","message":{"text":"x"}}"#)
}

/// What was sent to each method, and what came of it.
async fn told(script: Script, sample: &Sample, memory: &Memory) -> (Sent, Vec<Value>, Vec<Value>) {
    let receiver = Receiver::start(script).await;
    let kind = Kind::SlackApp {
        token: "xoxb-hunter2".to_owned(),
        channel: "C012ABCDE".to_owned(),
        api: receiver.url("/api/"),
    };
    let sent = tell(&receiver.http, kind, sample, memory).await;
    let bodies = |path: &str| {
        receiver
            .got(path)
            .iter()
            .map(|got| {
                assert_eq!(got.header("authorization"), Some("Bearer xoxb-hunter2"));
                serde_json::from_str(&got.body).unwrap()
            })
            .collect()
    };
    assert!(!format!("{sent:?}").contains("hunter2"), "{sent:?}");
    (sent, bodies(POST), bodies(UPDATE))
}

#[tokio::test]
async fn the_first_news_is_posted_and_remembered() {
    let (sent, posted, updated) = told(|_, _| done(), &samples::rollback(), &Memory::new()).await;
    assert_eq!(sent, Sent { meaning: Meaning::Acknowledged, memory: Some(remembered()) });
    assert_eq!((posted.len(), updated.len()), (1, 0));
    assert_eq!(posted[0]["channel"], "C012ABCDE");
    assert_eq!(posted[0]["thread_ts"], Value::Null);
    assert!(posted[0]["blocks"].is_array());
}

#[tokio::test]
async fn later_news_change_the_first_message_and_are_told_in_its_thread() {
    let (sent, posted, updated) = told(|_, _| done(), &samples::resolution(), &remembered()).await;
    let after = memory(&[("ts", "1.5"), ("channel", "C012ABCDE"), ("updated", "key-1")]);
    assert_eq!(sent, Sent { meaning: Meaning::Acknowledged, memory: Some(after) });
    assert_eq!((updated[0]["ts"].as_str(), updated[0]["channel"].as_str()), (Some("1.5"), Some("C012ABCDE")));
    assert_eq!(updated[0]["blocks"][0]["text"]["text"], "SEV-1 resolved: web runs web:41 again");
    assert_eq!(posted[0]["thread_ts"], "1.5");
    assert_eq!(posted[0]["reply_broadcast"], true);
    assert!(posted[0]["text"].as_str().unwrap().contains("Duration: 13 min"), "{}", posted[0]);

    // What is not severe, or not over, is not shown in the conversation again.
    let (_, posted, _) = told(|_, _| done(), &samples::report(), &remembered()).await;
    assert_eq!(
        (posted[0]["reply_broadcast"].clone(), posted[0]["blocks"].clone()),
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn who_has_it_in_hand_is_told_in_the_thread_and_the_message_stays() {
    let (sent, posted, updated) = told(|_, _| done(), &samples::acknowledgement(), &remembered()).await;
    assert_eq!(sent, Sent { meaning: Meaning::Acknowledged, memory: None });
    assert_eq!((posted.len(), updated.len()), (1, 0));
    assert_eq!((&posted[0]["thread_ts"], &posted[0]["reply_broadcast"]), (&json!("1.5"), &json!(true)));
}

#[tokio::test]
async fn reminders_and_escalations_are_shown_in_the_conversation_too() {
    for sample in [samples::reminder(), samples::escalation()] {
        let (sent, posted, updated) = told(|_, _| done(), &sample, &remembered()).await;
        assert_eq!(sent, Sent { meaning: Meaning::Acknowledged, memory: None });
        assert_eq!((posted.len(), updated.len()), (1, 0));
        assert_eq!((&posted[0]["thread_ts"], &posted[0]["reply_broadcast"]), (&json!("1.5"), &json!(true)));
    }
}

#[tokio::test]
async fn a_message_that_is_gone_is_forgotten_and_posted_anew() {
    let script: Script = |got, _| match got.path.as_str() {
        UPDATE => said(r#"{"ok":false,"error":"message_not_found"}"#),
        _ => said(r#"{"ok":true,"channel":"C012ABCDE","ts":"2.5"}"#),
    };
    let (sent, posted, updated) = told(script, &samples::resolution(), &remembered()).await;
    let after = memory(&[("ts", "2.5"), ("channel", "C012ABCDE")]);
    assert_eq!(sent, Sent { meaning: Meaning::Acknowledged, memory: Some(after) });
    assert_eq!((posted.len(), updated.len()), (1, 1));
    assert_eq!(posted[0]["thread_ts"], Value::Null);

    // So is one in a conversation that is not told any more.
    let elsewhere = memory(&[("ts", "1.5"), ("channel", "C099ZZZZZ")]);
    let (_, posted, updated) = told(|_, _| done(), &samples::resolution(), &elsewhere).await;
    assert_eq!((posted.len(), updated.len()), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_put_off_does_not_bring_the_change_again() {
    let script: Script = |got, _| match got.path.as_str() {
        UPDATE => done(),
        _ => Some(answer(
            "429 Too Many Requests",
            "retry-after: 30\r\n",
            r#"{"ok":false,"error":"ratelimited"}"#,
        )),
    };
    let (sent, _, updated) = told(script, &samples::resolution(), &remembered()).await;
    let after = Some(Duration::from_secs(30));
    assert_eq!(sent.meaning, Meaning::Later { after, quiet: true, why: "429".to_owned() });
    assert_eq!(updated.len(), 1);

    let (sent, posted, updated) = told(|_, _| done(), &samples::resolution(), &sent.memory.unwrap()).await;
    assert_eq!(sent.meaning, Meaning::Acknowledged);
    assert_eq!((posted.len(), updated.len()), (1, 0));
}

#[tokio::test]
async fn blocks_that_are_disliked_give_way_also_in_a_change() {
    let script: Script = |got, _| {
        if got.body.contains("\"header\"") {
            said(r#"{"ok":false,"error":"invalid_blocks"}"#)
        } else {
            done()
        }
    };
    let (sent, posted, updated) = told(script, &samples::report(), &remembered()).await;
    assert_eq!(sent.meaning, Meaning::Acknowledged);
    assert_eq!((posted.len(), updated.len()), (1, 2));
    // Slack keeps what a change does not name.
    assert_eq!((&updated[1]["blocks"], &updated[1]["attachments"]), (&json!([]), &json!([])));
}

#[track_caller]
fn check(status: u16, body: &str, expected: &str) {
    let reply = Reply { status, retry_after: None, json: true, body: body.to_owned() };
    let got = match read(&reply, "2026-11-20T12:00:00Z".parse().unwrap()) {
        Answer::Done(_) => "done".to_owned(),
        Answer::Gone => "gone".to_owned(),
        Answer::Other(meaning) => format!("{meaning:?}"),
    };
    assert!(got.starts_with(expected), "{got}");
}

#[test]
fn every_answer_has_its_meaning() {
    let error = |code: &str, expected: &str| {
        check(200, &json!({"ok": false, "error": code}).to_string(), expected);
    };
    for code in [
        "ratelimited",
        "rate_limited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
    ] {
        error(code, "Later");
    }
    for code in [
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_too_long",
        "msg_blocks_too_long",
        "invalid_attachments",
    ] {
        error(code, "Simplify");
    }
    for code in ["message_not_found", "cant_update_message", "edit_window_closed"] {
        error(code, "gone");
    }
    error("invalid_auth", "Refused(\"200 invalid_auth: put a token that is valid");
    error("not_in_channel", "Refused(\"200 not_in_channel: invite the app");
    error("channel_not_found", "Refused(\"200 channel_not_found: invite the app");
    error("is_archived", "Refused(\"200 is_archived: set another channel");
    error("missing_scope", "Refused(\"200 missing_scope: give the app the scope");
    for code in ["account_inactive", "token_revoked", "unheard_of", "NOT A CODE"] {
        error(code, "Refused");
    }
    check(200, r#"{"ok":true}"#, "done");
    check(200, r#"{"ok":tr"#, "Later");
    check(200, "<html>", "Later");
    check(503, "", "Later");
    check(404, "<html>", "Refused(\"404\")");
}
