use proptest::prelude::*;
use serde_json::Value;
use shared::notice::{Notice, Severity, State, Subject};

use super::{LARGEST, request, signature};
use crate::channel::{Memory, Telling};
use crate::render::samples::{self, Sample, any_sample, check_snapshot};
use crate::render::{Occasion, View};

/// Made with `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key`.
#[test]
fn the_signature_is_the_hmac_of_timestamp_and_body() {
    let expected = "v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
    assert_eq!(signature("key", "1700000000", r#"{"a":1}"#).unwrap(), expected);
}

#[test]
fn every_attempt_has_the_same_key_and_body_and_its_own_number() {
    let subject = Subject { kind: "ecs-service".into(), id: "prod/web".into(), arn: None };
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let notice = Notice::new("i-1", State::Firing, Severity::Sev2, subject, "web", now);
    let view = View {
        notice: &notice,
        together: &[],
        occasion: Occasion::News,
        started: None,
        acknowledge: None,
        mentions: &[],
        now,
    };
    let memory = Memory::new();
    let telling = |attempt| Telling { view, channel: "audit", key: "k", attempt, memory: &memory };
    let (first, second) =
        (request(&telling(1), "key", now).unwrap(), request(&telling(2), "key", now).unwrap());
    let header = |of: &super::Request, name: &str| {
        of.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(first.body, second.body);
    assert_eq!(header(&first, "Idempotency-Key"), header(&second, "Idempotency-Key"));
    assert_eq!(header(&first, "Watchkeeper-Timestamp"), "1795176000");
    assert_eq!(header(&second, "Watchkeeper-Attempt"), "2");
    let body: Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body["schema"], "watchkeeper.notice/1");
    assert_eq!(body["delivery"]["channel"], "audit");
    assert_eq!(body["delivery"]["key"], header(&first, "Idempotency-Key"));
}

fn body(sample: &Sample) -> String {
    let memory = Memory::new();
    let telling = Telling { view: sample.view(), channel: "audit", key: "k", attempt: 1, memory: &memory };
    request(&telling, "key", sample.now).unwrap().body
}

#[test]
fn every_body_looks_as_it_did_and_is_a_notice_still() {
    for sample in [samples::rollback(), samples::deployment(), samples::together(), samples::escalation()] {
        let body = body(&sample);
        check_snapshot("webhook", sample.name, "body", &serde_json::from_str(&body).unwrap());
        assert_eq!(serde_json::from_str::<Notice>(&body).unwrap(), sample.notice);
    }
}

#[test]
fn a_body_that_is_too_large_is_cut_and_says_so() {
    let mut sample = samples::rollback();
    sample.notice.summary = "\u{1}é".repeat(400_000);
    let body = body(&sample);
    assert!(body.len() <= LARGEST);
    let read: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(read["delivery"]["cut"], true);
    assert!(serde_json::from_str::<Notice>(&body).is_ok(), "it is a notice still");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_told_is_a_notice_within_the_limit(mut sample in any_sample(), many in any::<bool>()) {
        if many {
            let facts = sample.notice.facts.clone();
            sample.notice.facts.extend(facts.iter().cycle().take(5_000).cloned());
            let label = |index: usize| (format!("{index}{}", "x".repeat(3_000)), "y".repeat(3_000));
            sample.notice.labels = (0..300).map(label).collect();
        }
        let body = body(&sample);
        prop_assert!(body.len() <= LARGEST, "{}", body.len());
        prop_assert!(serde_json::from_str::<Notice>(&body).is_ok());
    }
}
