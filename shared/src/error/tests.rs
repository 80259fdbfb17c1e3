use std::net::TcpListener;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_sns::operation::publish::PublishError;
use aws_smithy_http_client::Builder;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use lambda_runtime::Diagnostic;

use super::{Call, Class, Error};

/// The SDK's retries are part of what is tested, its waiting is not.
fn quick() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1))
}

/// What `GetItem` fails with when DynamoDB answers so, and how often it was asked.
async fn dynamodb(status: u16, body: &str) -> (Error, usize) {
    let answers =
        mock!(aws_sdk_dynamodb::Client::get_item).sequence().http_status(status, Some(body.to_owned()));
    let rule = answers.repeatedly().build();
    let client =
        mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule], |conf| conf.retry_config(quick()));
    let got = client.get_item().table_name("ledger").send().await;
    (got.action("dynamodb:GetItem").unwrap_err(), rule.num_calls())
}

fn coded(code: &str) -> String {
    format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "why"}}"#)
}

#[tokio::test]
async fn an_answer_of_aws_is_transient_where_a_later_one_may_differ() {
    use Class::{Permanent, Transient};
    for (status, code, asked, class) in [
        (400, "ThrottlingException", 2, Transient),
        (400, "ProvisionedThroughputExceededException", 2, Transient),
        (400, "ThrottledException", 2, Transient),
        (400, "SlowDown", 2, Transient),
        (400, "TransactionConflictException", 1, Transient),
        (400, "ReplicatedWriteConflictException", 1, Transient),
        (429, "TooManyRequests", 1, Transient),
        (500, "InternalServerError", 2, Transient),
        (503, "Whatever", 2, Transient),
        (400, "ValidationException", 1, Permanent),
        (400, "ResourceNotFoundException", 1, Permanent),
        (400, "ConditionalCheckFailedException", 1, Permanent),
    ] {
        let (error, calls) = dynamodb(status, &coded(code)).await;
        assert_eq!((error.class(), error.code(), calls), (class, Some(code), asked), "{status} {code}");
        assert_eq!(error.chain(), format!("dynamodb:GetItem failed: {code}: why"));
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_judged_by_its_status() {
    for (status, body, class) in [
        (200, "<html>a proxy</html>", Class::Transient),
        (429, "", Class::Transient),
        (502, "<html>bad gateway</html>", Class::Transient),
        (400, "", Class::Permanent),
        (413, "<html>too large</html>", Class::Permanent),
    ] {
        let (error, _) = dynamodb(status, body).await;
        assert_eq!((error.class(), error.code()), (class, None), "{status} {body}: {error:?}");
        assert!(error.chain().starts_with("dynamodb:GetItem failed: "), "{error:?}");
    }
}

#[tokio::test]
async fn a_denial_says_which_permission_to_grant() {
    let (error, calls) = dynamodb(400, &coded("AccessDeniedException")).await;
    assert_eq!((error.class(), error.code(), calls), (Class::Permanent, Some("AccessDenied"), 1));
    assert_eq!(
        error.chain(),
        "dynamodb:GetItem is denied to this function's role: grant it on the resource named in the cause: \
         AccessDeniedException: why"
    );
}

#[tokio::test]
async fn a_topic_whose_key_is_busy_is_worth_a_retry_and_one_whose_key_is_denied_is_not() {
    for (status, code, class) in [
        (400, "KMSThrottling", Class::Transient),
        (500, "InternalError", Class::Transient),
        (400, "KMSAccessDenied", Class::Permanent),
        (403, "AuthorizationError", Class::Permanent),
        (404, "NotFound", Class::Permanent),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
        );
        let rule = mock!(aws_sdk_sns::Client::publish)
            .sequence()
            .http_status(status, Some(body))
            .repeatedly()
            .build();
        let client =
            mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&rule], |conf| conf.retry_config(quick()));

        let sent: Result<_, SdkError<PublishError, HttpResponse>> =
            client.publish().message("m").send().await;

        let error = sent.action("sns:Publish").unwrap_err();
        assert_eq!(error.class(), class, "{error:?}");
        assert!(error.chain().ends_with(&format!(": {code}: why")), "{error:?}");
    }
}

/// What `GetItem` fails with when this is all that stands at the endpoint.
async fn at_endpoint(endpoint: &str) -> Error {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_millis(100)).build())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    client.get_item().table_name("ledger").send().await.action("dynamodb:GetItem").unwrap_err()
}

#[tokio::test]
async fn a_network_that_fails_is_transient_and_its_chain_says_each_sentence_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());

    let silent = at_endpoint(&address).await;
    drop(listener);
    let closed = at_endpoint(&address).await;

    for (error, word) in [(silent, "timed out"), (closed, "refused")] {
        assert_eq!(error.class(), Class::Transient);
        let chain = error.chain();
        assert!(chain.starts_with("dynamodb:GetItem failed: ") && chain.contains(word), "{chain}");
        let mut sentences: Vec<_> = chain.split(": ").collect();
        sentences.dedup();
        assert_eq!(sentences.join(": "), chain);
    }
}

#[test]
fn a_request_that_cannot_be_built_is_permanent() {
    let built: Result<(), _> = Err(SdkError::<GetItemError, HttpResponse>::construction_failure("no region"));
    let error = built.action("dynamodb:GetItem").unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert_eq!(error.chain(), "dynamodb:GetItem failed: failed to construct request: no region");
}

/// An error with a cause below it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Link(&'static str, #[source] Option<Box<Link>>);

#[track_caller]
fn check_chain(causes: &[&'static str], expected: &str) {
    let mut links = causes.iter().rev();
    let last = Link(links.next().unwrap(), None);
    let cause = links.fold(last, |below, text| Link(text, Some(Box::new(below))));
    let error =
        Error::Aws { action: "ecs:UpdateService", code: None, transient: true, source: Box::new(cause) };
    assert_eq!(error.chain(), expected);
    assert_eq!(format!("{error:?}"), expected, "what a failed start prints");
}

#[test]
fn a_chain_is_one_line_outermost_first_and_says_each_sentence_once() {
    check_chain(&["io error", "connection reset"], "ecs:UpdateService failed: io error: connection reset");
    check_chain(&["io error", "io error", "reset"], "ecs:UpdateService failed: io error: reset");
    check_chain(
        &["dispatch failure: timeout", "timeout"],
        "ecs:UpdateService failed: dispatch failure: timeout",
    );
    check_chain(&["first\r\nsecond", ""], "ecs:UpdateService failed: first  second");
}

#[test]
fn lambda_reads_the_class_as_the_type_and_the_chain_as_the_message() {
    for (error, kind, message) in [
        (
            Error::Config { name: "TABLE", problem: "is not set".to_owned() },
            "Permanent",
            "environment variable TABLE is not set",
        ),
        (Error::Event("it is a joke".to_owned()), "Permanent", "the event is not understood: it is a joke"),
        (Error::Malformed("the tag is wrong".to_owned()), "Permanent", "the tag is wrong"),
        (Error::Missing("service prod/web".to_owned()), "Permanent", "service prod/web does not exist"),
        (Error::Later("it is in hand".to_owned()), "Transient", "it is in hand"),
    ] {
        assert_eq!(error.code(), None);
        let diagnostic = Diagnostic::from(error);
        assert_eq!((diagnostic.error_type.as_str(), diagnostic.error_message.as_str()), (kind, message));
    }
}
