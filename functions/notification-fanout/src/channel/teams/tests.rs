use std::time::Duration;

use super::meaning;
use crate::channel::{Kind, Memory};
use crate::decision::{Meaning, Reply};
use crate::receiver::{Receiver, Script, answer};
use crate::render::samples::{self, tell};

async fn check_sent(script: Script, expected: &str, requests: usize) -> Vec<usize> {
    let receiver = Receiver::start(script).await;
    // The query is the password, and has to arrive as it is written.
    let path = "/workflows/x/paths/invoke?sp=%2Ftriggers&sig=hunter2%2Bx";
    let kind = Kind::Teams { url: receiver.url(path) };
    let sent = tell(&receiver.http, kind, &samples::report(), &Memory::new()).await;
    let got = format!("{:?}", sent.meaning);
    assert!(got.starts_with(expected) && !got.contains("hunter2"), "{got}");
    let got = receiver.got(path);
    assert_eq!(got.len(), requests);
    got.iter().map(|got| got.body.len()).collect()
}

#[tokio::test]
async fn a_workflow_that_accepts_is_not_believed_to_have_shown_it() {
    check_sent(|_, _| Some(answer("202 Accepted", "", "")), "Accepted", 1).await;
}

#[tokio::test]
async fn a_card_that_is_too_large_is_told_plainer() {
    let script: Script = |_, before| match before {
        0 => Some(answer("413 Payload Too Large", "", "")),
        1 => {
            let said = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 \
                        with ContextId tcid=0";
            Some(answer("200 OK", "", said))
        }
        _ => Some(answer("202 Accepted", "", "")),
    };
    let sizes = check_sent(script, "Accepted", 3).await;
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2] && sizes[2] < 1_200, "{sizes:?}");
    check_sent(|_, _| Some(answer("413 Payload Too Large", "", "")), "Refused(\"413: the card", 3).await;
}

#[track_caller]
fn check(status: u16, body: &str, expected: &str) {
    let reply = Reply { status, retry_after: Some("7".to_owned()), json: false, body: body.to_owned() };
    let got = format!("{:?}", meaning(&reply, "2026-11-20T12:00:00Z".parse().unwrap()));
    assert!(got.starts_with(expected), "{status} {body}: {got}");
}

#[test]
fn every_answer_has_its_meaning() {
    for body in ["", "1", "{}", r#"{"error":null}"#, r#"{"status":"no errors"}"#] {
        check(202, body, "Accepted");
    }
    let failed = |status: &str| {
        format!("delivery failed with error: endpoint returned HTTP error {status} with ContextId x")
    };
    check(200, &failed("429"), "Later { after: Some(7s), quiet: true");
    check(200, &failed("503"), "Later { after: Some(7s), quiet: false");
    check(200, &failed("413"), "Simplify");
    check(200, &failed("403"), "Refused");
    check(200, r#"{"error":{"code":"x"}}"#, "Simplify");
    check(
        400,
        r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"hunter2"}}"#,
        "Simplify(\"400 TriggerInputSchemaMismatch\")",
    );
    check(
        400,
        r#"{"error":{"code":"WorkflowTriggerIsNotEnabled"}}"#,
        "Refused(\"400: the workflow is turned off",
    );
    check(413, "", "Simplify");
    for status in [401, 403, 404, 410] {
        check(
            status,
            "",
            &format!("Refused(\"{status}: the workflow's address is not valid any more; make a new one"),
        );
    }
    check(429, "", "Later { after: Some(7s), quiet: true");
    for status in [408, 500, 502, 503, 504] {
        check(status, "", "Later");
    }
    check(302, "", "Refused(\"302: redirects are not followed");
    let after = Some(Duration::from_secs(7));
    let reply = Reply { status: 429, retry_after: Some("7".to_owned()), json: false, body: String::new() };
    let later = Meaning::Later { after, quiet: true, why: "429".to_owned() };
    assert_eq!(meaning(&reply, "2026-11-20T12:00:00Z".parse().unwrap()), later);
}
