use aws_sdk_sns::Client;
use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::error::ErrorMetadata;
use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};
use aws_sdk_sns::types::error::{AuthorizationErrorException, NotFoundException};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use proptest::prelude::*;
use serde_json::Value;

use super::{LONGEST_DESCRIPTION, message};
use crate::channel::{Kind, Memory};
use crate::receiver::Receiver;
use crate::render::samples::{self, Sample, any_sample, check_snapshot, tell_with};
use crate::render::text::bytes;

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:chat";

/// What would be dropped without a word, and what would mislead people.
#[track_caller]
fn check(sample: &Sample) -> Value {
    let json = message(&sample.view(), "key-1");
    assert!(json.len() <= 262_144 / 8, "{} bytes", json.len());
    let sent: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((sent["version"].as_str(), sent["source"].as_str()), (Some("1.0"), Some("custom")));
    let content = &sent["content"];
    let description = content["description"].as_str().unwrap();
    assert!(!description.trim().is_empty() && bytes(description) <= LONGEST_DESCRIPTION);
    assert!(content["nextSteps"].as_array().is_none_or(|steps| (1..=10).contains(&steps.len())));
    assert!(!json.contains("<!") && !json.contains("<@") && !json.contains("]("), "{json}");
    for mention in ["@channel", "@here", "@everyone", "<at>"] {
        assert!(!json.contains(mention), "{mention} in {json}");
    }
    assert_eq!(description.matches("```").count(), 0, "{description}");
    assert_eq!(sent["metadata"]["threadId"].as_str().unwrap().len(), 16);
    sent
}

#[test]
fn every_sample_looks_as_it_should() {
    for sample in samples::all() {
        check_snapshot("amazon-q", sample.name, "rich", &check(&sample));
    }
}

#[test]
fn all_that_is_told_of_an_incident_is_one_thread() {
    let thread = |sample: Sample| check(&sample)["metadata"]["threadId"].clone();
    assert_eq!(thread(samples::rollback()), thread(samples::resolution()));
    assert_ne!(thread(samples::rollback()), thread(samples::deployment()));
}

async fn check_sent(rule: Rule, expected: &str) {
    let receiver = Receiver::start(|_, _| None).await;
    let sns = mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&rule]);
    let kind = Kind::AmazonQ { topic: TOPIC.to_owned() };
    let sent = tell_with(&receiver.http, &sns, kind, &samples::rollback(), &Memory::new()).await;
    let got = format!("{:?}", sent.meaning);
    assert!(got.starts_with(expected) && !got.contains("hunter2"), "{got}");
}

fn fails(error: impl Fn() -> PublishError + Send + Sync + 'static) -> Rule {
    mock!(Client::publish).then_error(error)
}

#[tokio::test]
async fn what_the_topic_answers_is_told_apart() {
    let taken = mock!(Client::publish)
        .match_requests(|request| {
            request.topic_arn() == Some(TOPIC) && request.message().unwrap().contains("client-markdown")
        })
        .then_output(|| PublishOutput::builder().message_id("m").build());
    check_sent(taken, "Accepted").await;

    let throttled = fails(|| {
        let meta = ErrorMetadata::builder().code("Throttling").message("hunter2").build();
        PublishError::generic(meta)
    });
    check_sent(throttled, "Later { after: None, quiet: false, why: \"sns:Publish failed: Throttling\"").await;
    let down = mock!(Client::publish)
        .then_http_response(|| HttpResponse::new(503.try_into().unwrap(), "<html>hunter2</html>".into()));
    check_sent(down, "Later").await;
    let denied = fails(|| {
        let meta = ErrorMetadata::builder().code("AuthorizationError").message("hunter2").build();
        PublishError::AuthorizationErrorException(AuthorizationErrorException::builder().meta(meta).build())
    });
    check_sent(denied, "Refused(\"sns:Publish is denied").await;
    let missing = fails(|| {
        let meta = ErrorMetadata::builder().code("NotFound").message("hunter2").build();
        PublishError::NotFoundException(NotFoundException::builder().meta(meta).build())
    });
    check_sent(missing, "Refused(\"sns:Publish failed: NotFound\")").await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_notice_stays_within_every_limit(sample in any_sample()) {
        check(&sample);
    }
}
