use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_cbor::Encoder;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_types::body::SdkBody;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NAME, check, client};
use crate::clients::Clients;
use crate::component::Kind;
use crate::decision::{Health, Verdict};
use crate::sweep::Ask;
use crate::wire::{Call, Reply, Wire, now};

/// An AWS that refuses every call with this code, in CBOR.
pub(in crate::observe) fn refusing(code: &'static str) -> Clients {
    let client = infallible_client_fn(move |_: http::Request<SdkBody>| {
        let mut encoder = Encoder::new(Vec::new());
        encoder.map(2).str("__type").str(code).str("message").str("said by the test");
        http::Response::builder()
            .status(400)
            .header("smithy-protocol", "rpc-v2-cbor")
            .body(SdkBody::from(encoder.into_writer()))
            .unwrap()
    });
    let test = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(test))
        .http_client(client)
        .retry_config(RetryConfig::disabled())
        .build();
    Clients::new(&config)
}

fn event(category: &str) -> Value {
    json!({
        "arn": "arn:aws:health:eu-central-1::event/ECS/AWS_ECS_OPERATIONAL_ISSUE/1", "service": "ECS",
        "eventTypeCode": "AWS_ECS_OPERATIONAL_ISSUE", "eventTypeCategory": category,
        "eventScopeCode": "PUBLIC", "region": "eu-central-1", "statusCode": "open",
        "startTime": {"$time": 1_790_000_000},
    })
}

async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Verdict {
    let wire = Wire::new(answer);
    let ask = wire.ask();
    check(&ask).await;
    assert!(wire.calls().iter().all(|call| call.service == "health"));
    ask.verdict(Kind::AwsHealth, NAME).unwrap()
}

#[tokio::test]
async fn events_are_read_as_aws_health_answers() {
    let soon = now().as_second() + 86_400;
    let mut change = event("scheduledChange");
    change["startTime"] = json!({"$time": soon});
    let cases = [
        (json!({"events": []}), Health::Healthy, "nothing"),
        (json!({"events": [event("issue")]}), Health::Degraded, "AWS has an issue with ECS in eu-central-1"),
        (json!({"events": [change]}), Health::Degraded, "AWS changes ECS"),
        (json!({"events": [event("accountNotification")]}), Health::Healthy, "nothing"),
        (json!({"events": [event("omen")]}), Health::Unknown, "omen"),
        (json!({}), Health::Unknown, "does not say"),
    ];
    for (answer, health, reason) in cases {
        let reply = Reply::cbor(&answer);
        let verdict = checked(move |_| reply.clone()).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_small_support_plan_is_no_fault_and_a_denial_names_the_action() {
    let cases = [
        ("SubscriptionRequiredException", Health::NotApplicable, "it is not a part of the support plan"),
        ("AccessDeniedException", Health::Unknown, "health:DescribeEvents is denied"),
        ("ThrottlingException", Health::Unknown, "ThrottlingException"),
    ];
    for (code, health, reason) in cases {
        let (wire, clients) = (Wire::new(|_| Reply::ok("")), refusing(code));
        let ask = Ask::new(&clients, &wire.probes, &wire.rules, &wire.expected, "prod", now());
        check(&ask).await;
        let verdict = ask.verdict(Kind::AwsHealth, NAME).unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn what_was_read_before_a_page_failed_counts_and_the_rest_is_unknown() {
    for (category, health) in [("issue", Health::Degraded), ("accountNotification", Health::Unknown)] {
        let verdict = checked(move |call| {
            if call.body.contains("nextToken") {
                return Reply::error(400, "ThrottlingException");
            }
            Reply::cbor(&json!({"events": [event(category)], "nextToken": "more"}))
        })
        .await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains("not all events were read"), "{verdict:?}");
    }
}

#[tokio::test]
async fn it_is_asked_of_this_region_and_of_all() {
    let wire = Wire::new(|_| Reply::cbor(&json!({"events": []})));
    let abroad = client(wire.clients.health(), "us-east-1");
    assert_eq!(abroad.config().region().map(ToString::to_string).as_deref(), Some("us-east-1"));
    check(&wire.ask()).await;
    let asked = &wire.calls()[0].body;
    for word in ["eu-central-1", "global", "open", "upcoming"] {
        assert!(asked.contains(word), "{word}: {asked}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_answer_never_hides_an_issue(
        gone in prop::collection::vec(
            prop::sample::select(vec![
                "arn", "service", "eventTypeCode", "eventTypeCategory", "eventScopeCode", "region", "statusCode",
                "startTime",
            ]),
            0..8,
        ),
        category in prop::option::of("[a-z]{0,8}"),
    ) {
        let mut event = event("issue");
        let fields = event.as_object_mut().unwrap();
        if let Some(category) = category {
            fields.insert("eventTypeCategory".to_owned(), json!(category));
        }
        for field in gone {
            fields.remove(field);
        }
        let reply = Reply::cbor(&json!({"events": [event]}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let verdict = runtime.block_on(checked(move |_| reply.clone()));
        prop_assert!(verdict.health != Health::Healthy, "{:?}", verdict);
    }
}
