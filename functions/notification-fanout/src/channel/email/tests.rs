use std::sync::{Arc, Mutex};

use aws_sdk_sesv2::error::ErrorMetadata;
use aws_sdk_sesv2::operation::send_email::{SendEmailError, SendEmailInput, SendEmailOutput};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use proptest::prelude::*;

use super::*;
use crate::channel::Kind;
use crate::channel::tests::Clients;
use crate::render::samples::{self, Sample, any_sample, check_text_snapshot, hostile};

#[test]
fn every_email_looks_as_it_did() {
    for sample in samples::all() {
        check_text_snapshot("email", sample.name, "txt", &text(&sample.view()));
        check_text_snapshot("email", sample.name, "html", &html(&sample.view()));
    }
}

#[test]
fn all_messages_of_an_incident_are_one_thread() {
    let (beginning, end) = (samples::rollback().notice, samples::resolution().notice);
    assert_eq!(root(&beginning), root(&end));
    let first = subject(&beginning, &Memory::new());
    assert_eq!(first, "[prod] SEV-1: web is rolled back to web:41");
    let memory = Memory::from([(SUBJECT.to_owned(), first.clone())]);
    assert_eq!(subject(&end, &memory), first);
    let memory = Memory::from([(SUBJECT.to_owned(), "a\r\nBcc: b".to_owned())]);
    assert_eq!(subject(&end, &memory), "a Bcc: b");
}

async fn send(sample: &Sample, answer: Result<(), &'static str>) -> (Sent, Vec<SendEmailInput>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    let rule = mock!(aws_sdk_sesv2::Client::send_email).match_requests(move |input| {
        kept.lock().unwrap().push(input.clone());
        true
    });
    let rule = match answer {
        Ok(()) => rule.then_output(|| SendEmailOutput::builder().message_id("m").build()),
        Err(code) => rule.then_error(move || {
            SendEmailError::generic(ErrorMetadata::builder().code(code).message("hunter2").build())
        }),
    };
    let ses = mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, [&rule], |config| {
        config.retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
    });
    let to = vec!["ana@b.invalid".to_owned(), "ben@b.invalid".to_owned()];
    let kind = Kind::Email { from: "Watch <watch@a.invalid>".to_owned(), to };
    let sent = Clients { ses, ..Clients::new() }.send(kind, sample, &Memory::new()).await;
    let got = got.lock().unwrap().clone();
    (sent, got)
}

#[tokio::test]
async fn all_recipients_get_one_message() {
    let sample = samples::rollback();
    let (sent, got) = send(&sample, Ok(())).await;
    assert_eq!(sent.meaning, Meaning::Accepted);
    assert_eq!(sent.memory.unwrap()[SUBJECT], "[prod] SEV-1: web is rolled back to web:41");
    let input = &got[0];
    assert_eq!(input.from_email_address(), Some("Watch <watch@a.invalid>"));
    assert_eq!(input.destination().unwrap().to_addresses(), ["ana@b.invalid", "ben@b.invalid"]);
    let message = input.content().unwrap().simple().unwrap();
    let headers: Vec<(&str, &str)> =
        message.headers().iter().map(|header| (header.name(), header.value())).collect();
    let root = root(&sample.notice);
    let expected =
        [("In-Reply-To", root.as_str()), ("References", root.as_str()), ("Auto-Submitted", "auto-generated")];
    assert_eq!(headers, expected);
    let body = message.body().unwrap();
    assert!(body.text().is_some() && body.html().is_some());
}

#[tokio::test]
async fn what_ses_answers_is_told_by_its_code() {
    let refused = |why: &str| Meaning::Refused(format!("ses:SendEmail{why}"));
    let later =
        |quiet, why: &str| Meaning::Later { after: None, quiet, why: format!("ses:SendEmail: {why}") };
    for (code, expected) in [
        (
            "MessageRejected",
            refused(": MessageRejected: is the sender verified, and, in the sandbox, every recipient?"),
        ),
        (
            "SendingPausedException",
            refused(": SendingPausedException: sending is paused for this account or configuration set"),
        ),
        ("AccessDeniedException", refused(" is denied to this function's role: grant it")),
        ("SomethingElse", refused(": SomethingElse")),
        ("TooManyRequestsException", later(true, "TooManyRequestsException")),
        ("LimitExceededException", later(true, "LimitExceededException")),
        ("InternalFailure", later(false, "InternalFailure")),
    ] {
        let sent = send(&samples::rollback(), Err(code)).await.0;
        assert_eq!(sent, expected.into(), "nothing is remembered of what was not sent");
    }
}

/// Without what stands between quotes or is text, only tags of ours are left.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|tag| tag.split([' ', '>', '\n']).next().unwrap_or_default()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_told_is_an_email_within_every_limit(mut sample in any_sample(), title in hostile(), many in any::<bool>()) {
        sample.notice.title = title;
        if many {
            let facts = sample.notice.facts.clone();
            sample.notice.facts.extend(facts.iter().cycle().take(2_000).cloned());
        }
        let subject = subject(&sample.notice, &Memory::new());
        prop_assert!(!subject.is_empty() && subject.encode_utf16().count() <= LONGEST_SUBJECT);
        prop_assert!(!subject.chars().any(char::is_control));
        prop_assert!(root(&sample.notice).bytes().all(|byte| byte.is_ascii_graphic()));
        let (text, html) = (text(&sample.view()), html(&sample.view()));
        prop_assert!(text.len() <= LARGEST_TEXT && html.len() <= LARGEST_HTML);
        for line in text.lines().chain(html.lines()) {
            prop_assert!(line.len() <= LONGEST_LINE, "{} bytes: {line}", line.len());
        }
        let ours = [
            "!DOCTYPE", "html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "a", "table", "tr", "td",
            "ul", "li", "pre",
        ];
        for tag in tags(&html) {
            prop_assert!(ours.contains(&tag.trim_start_matches('/')), "{tag}");
        }
        prop_assert!(!html.contains("href=\"javascript"));
    }

    #[test]
    fn no_text_leaves_its_place_in_the_html(text in hostile()) {
        let mut sample = samples::rollback();
        sample.notice.summary = format!("{text}<img src=x onerror=y>\"'<script>");
        let html = html(&sample.view());
        prop_assert!(!html.contains("<img") && !html.contains("<script"));
    }
}
