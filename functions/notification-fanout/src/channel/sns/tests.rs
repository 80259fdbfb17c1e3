use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sns::error::ErrorMetadata;
use aws_sdk_sns::operation::publish::{PublishError, PublishInput, PublishOutput};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use proptest::prelude::*;

use super::*;
use crate::channel::tests::Clients;
use crate::channel::{Kind, Memory};
use crate::render::samples::{self, Sample, any_sample, check_text_snapshot, hostile};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:people";

type Never = Result<(), aws_sdk_sns::error::SdkError<PublishError, aws_sdk_sns::config::http::HttpResponse>>;

#[test]
fn every_message_looks_as_it_did() {
    for sample in samples::all() {
        let text = format!("Subject: {}\n\n{}", subject(&sample.notice), message(&sample.view()));
        check_text_snapshot("sns", sample.name, "txt", &text);
    }
}

#[test]
fn a_message_that_is_too_large_says_what_is_missing() {
    let mut sample = samples::rollback();
    let facts = sample.notice.facts.clone();
    sample.notice.facts = facts.into_iter().cycle().take(3_000).collect();
    sample.notice.summary = "é".repeat(300_000);
    let message = message(&sample.view());
    assert!(message.len() <= LARGEST && message.contains("more omitted"), "{}", message.len());
    assert!(message.contains("characters omitted"));
}

async fn send(
    topic: &str,
    sample: &Sample,
    answer: Result<(), &'static str>,
) -> (crate::channel::Sent, Vec<PublishInput>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    let rule = mock!(aws_sdk_sns::Client::publish).match_requests(move |input| {
        kept.lock().unwrap().push(input.clone());
        true
    });
    let rule = match answer {
        Ok(()) => rule.then_output(|| PublishOutput::builder().message_id("m").build()),
        Err(code) => rule.then_error(move || {
            PublishError::generic(ErrorMetadata::builder().code(code).message("hunter2").build())
        }),
    };
    let sns = mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&rule], |config| {
        config.retry_config(aws_sdk_sns::config::retry::RetryConfig::disabled())
    });
    let clients = Clients { sns, ..Clients::new() };
    let sent = clients.send(Kind::Sns { topic: topic.to_owned() }, sample, &Memory::new()).await;
    let got = got.lock().unwrap().clone();
    (sent, got)
}

#[tokio::test]
async fn a_topic_gets_a_subject_a_message_and_what_filters_match() {
    let (sent, got) = send(TOPIC, &samples::rollback(), Ok(())).await;
    assert_eq!(sent, Meaning::Accepted.into());
    let input = &got[0];
    assert_eq!(input.topic_arn(), Some(TOPIC));
    assert_eq!(input.subject(), Some("[prod] SEV-1: web is rolled back to web:41"));
    assert_eq!((input.message_group_id(), input.message_deduplication_id()), (None, None));
    assert_eq!(input.message_structure(), Some("json"));
    let by_protocol: serde_json::Value = serde_json::from_str(input.message().unwrap()).unwrap();
    assert_eq!(by_protocol["default"], message(&samples::rollback().view()));
    let sms = by_protocol["sms"].as_str().unwrap();
    assert!(sms.starts_with("[prod] SEV-1: web is rolled back to web:41\nAcknowledge: https://"), "{sms}");
    assert!(sms.is_ascii() && sms.len() <= 1_600);
    let attributes = input.message_attributes().unwrap();
    let value = |name: &str| attributes[name].string_value().unwrap();
    assert_eq!((value("state"), value("severity"), value("environment")), ("firing", "sev1", "prod"));
}

#[tokio::test]
async fn a_fifo_topic_gets_groups_and_what_repeats() {
    let (_, got) = send(&format!("{TOPIC}.fifo"), &samples::rollback(), Ok(())).await;
    let group = id::of(&[&samples::resolution().notice.incident]);
    assert_eq!(got[0].message_group_id(), Some(group.as_str()));
    assert_eq!(got[0].message_deduplication_id(), Some("0123456789abcdef"));
}

#[tokio::test]
async fn what_sns_answers_is_told_by_its_code() {
    let refused = |why: &str| Meaning::Refused(why.to_owned());
    let later = |quiet, why: &str| Meaning::Later { after: None, quiet, why: why.to_owned() };
    for (code, expected) in [
        ("NotFound", refused("sns:Publish: NotFound")),
        ("AuthorizationError", refused("sns:Publish is denied to this function's role: grant it")),
        ("Throttling", later(true, "sns:Publish: Throttling")),
        ("InternalFailure", later(false, "sns:Publish: InternalFailure")),
    ] {
        assert_eq!(send(TOPIC, &samples::rollback(), Err(code)).await.0, expected.into());
    }
    let clients = Clients::new();
    let out = crate::channel::Outbox {
        http: &clients.http,
        sns: &clients.sns,
        ses: &clients.ses,
        limit: &|| Duration::from_millis(10),
        now: samples::rollback().now,
    };
    let never = out.call("sns:Publish", std::future::pending::<Never>()).await;
    assert_eq!(never, Err(later(false, "no answer within 0.0 s")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_told_keeps_the_limits_of_sns(sample in any_sample(), title in hostile()) {
        let mut sample = sample;
        sample.notice.title = title;
        let subject = subject(&sample.notice);
        prop_assert!(!subject.is_empty() && subject.len() < 100, "{subject:?}");
        prop_assert!(subject.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{subject:?}");
        prop_assert!(!subject.starts_with(' '));
        let message = message(&sample.view());
        let attributes: usize = attributes(&sample.notice)
            .iter()
            .map(|(name, value)| name.len() + "String".len() + value.string_value().unwrap().len())
            .sum();
        prop_assert!(message.len() <= LARGEST);
        let message = by_protocol(&sample.view());
        prop_assert!(message.len() + attributes <= 262_144, "{}", message.len());
    }
}
