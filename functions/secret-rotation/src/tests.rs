//! The handler: steps end in a report or a failure, batches in their answer, and no value is seen in either.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_elasticache::operation::describe_users::DescribeUsersOutput;
use aws_sdk_elasticache::operation::modify_user::ModifyUserError;
use aws_sdk_elasticache::types::error::InvalidParameterValueException;
use aws_sdk_elasticache::types::{Authentication, AuthenticationType};
use aws_sdk_secretsmanager::operation::describe_secret::{DescribeSecretError, DescribeSecretOutput};
use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_sdk_secretsmanager::operation::put_secret_value::{PutSecretValueError, PutSecretValueOutput};
use aws_sdk_secretsmanager::operation::update_secret_version_stage::UpdateSecretVersionStageOutput;
use aws_sdk_secretsmanager::types::Tag;
use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;
use aws_smithy_mocks::{MockResponse, Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;
use shared::error::Class;
use shared::report::Run;

use super::*;
use crate::cases::{Mocks, SECRET, noon};

fn function(mocks: &Mocks<'_>) -> SecretRotation {
    let config = Config { environment: "prod".to_owned(), ledger_table: "ledger".to_owned() };
    SecretRotation::with_clients(config, mocks.clients())
}

fn invocation() -> Invocation {
    // The deadline is asked of the clock.
    let deadline = "2200-01-01T00:00:00Z".parse().unwrap();
    Invocation { request_id: "r-1".to_owned(), now: noon(), deadline }
}

fn step(step: &str) -> Value {
    json!({"Step": step, "SecretId": SECRET, "ClientRequestToken": "v2", "RotationToken": "proof-of-rotation"})
}

/// The secret with this tag, as long as v2 is pending.
fn described(strategy: &'static str) -> Rule {
    mock!(aws_sdk_secretsmanager::Client::describe_secret).then_output(move || {
        DescribeSecretOutput::builder()
            .name("prod/db")
            .version_ids_to_stages("v1", vec!["AWSCURRENT".to_owned()])
            .version_ids_to_stages("v2", vec!["AWSPENDING".to_owned()])
            .tags(Tag::builder().key("watchkeeper:rotation").value(strategy).build())
            .build()
    })
}

/// What v1 holds, and what v2 does, which may be put.
fn values(current: &'static str, pending: Option<&'static str>) -> (Rule, Rule, Arc<Mutex<Option<String>>>) {
    let held = Arc::new(Mutex::new(pending.map(ToOwned::to_owned)));
    let (read, write) = (Arc::clone(&held), Arc::clone(&held));
    let get = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_compute_response(move |request| {
        let value = match request.version_id() {
            Some("v1") => Some(current.to_owned()),
            Some(_) | None => read.lock().unwrap().clone(),
        };
        value.map_or_else(
            || {
                let gone = ResourceNotFoundException::builder().build();
                MockResponse::Error(GetSecretValueError::ResourceNotFoundException(gone))
            },
            |value| MockResponse::Output(GetSecretValueOutput::builder().secret_string(value).build()),
        )
    });
    let put = mock!(aws_sdk_secretsmanager::Client::put_secret_value).then_compute_output(move |request| {
        *write.lock().unwrap() = request.secret_string().map(ToOwned::to_owned);
        PutSecretValueOutput::builder().build()
    });
    (get, put, held)
}

/// A ledger that remembers what is written; entries by sort key.
fn ledger() -> (Rule, Rule) {
    let items = Arc::new(Mutex::new(std::collections::HashMap::new()));
    let kept = Arc::clone(&items);
    let put = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |request| {
        let item = request.item().unwrap().clone();
        kept.lock().unwrap().insert(item["sk"].as_s().unwrap().clone(), item);
        PutItemOutput::builder().build()
    });
    let get = mock!(aws_sdk_dynamodb::Client::get_item).then_compute_output(move |request| {
        let sk = request.key().unwrap()["sk"].as_s().unwrap().clone();
        GetItemOutput::builder().set_item(items.lock().unwrap().get(&sk).cloned()).build()
    });
    (put, get)
}

/// All that anybody can see of a report.
fn seen(report: &Report) -> String {
    let (environment, function) = ("prod", "secret-rotation");
    let run = Run { environment, function, request_id: "r-1", cold: true, began: noon(), millis: 1.0 };
    format!("{} {report:?} {:?}", shared::report::line(report, &run), report.failure())
}

#[tokio::test]
async fn a_random_key_is_rotated_step_by_step_and_its_value_is_seen_nowhere() {
    let (get, put, held) = values("the-current-value", None);
    let (describe, (write, read)) = (described("random"), ledger());
    let moved = mock!(aws_sdk_secretsmanager::Client::update_secret_version_stage)
        .match_requests(|request| request.remove_from_version_id() == Some("v1"))
        .then_output(|| UpdateSecretVersionStageOutput::builder().build());
    let mocks =
        Mocks { secrets: &[&describe, &get, &put, &moved], dynamodb: &[&write, &read], ..Mocks::default() };
    let function = function(&mocks);
    for (name, outcome) in [
        ("createSecret", "created"),
        ("create_secret", "created"),
        ("set_secret", "set"),
        ("testSecret", "tested"),
        ("finish_secret", "finished"),
    ] {
        let report = function.handle(&step(name), &invocation()).await.unwrap();
        assert_eq!((report.outcome(), report.failure()), (outcome, None), "{name}");
        let made = held.lock().unwrap().clone().unwrap();
        assert_eq!(made.len(), 64);
        for value in [made.as_str(), "the-current-value", "proof-of-rotation"] {
            assert!(!seen(&report).contains(value), "{name}: {}", seen(&report));
        }
    }
    assert_eq!((put.num_calls(), moved.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_service_that_quotes_what_it_was_sent_is_not_repeated() {
    const CURRENT: &str =
        r#"{"host":"127.0.0.1","port":1,"username":"app","user_id":"app-1","password":"current-secret"}"#;
    const PENDING: &str =
        r#"{"host":"127.0.0.1","port":1,"username":"app","user_id":"app-1","password":"pending-secret"}"#;
    let (get, _, _) = values(CURRENT, Some(PENDING));
    let (describe, (write, read)) = (described("valkey-user"), ledger());
    let user = mock!(aws_sdk_elasticache::Client::describe_users).then_output(|| {
        let how = Authentication::builder().r#type(AuthenticationType::NoPassword).build();
        let user = aws_sdk_elasticache::types::User::builder();
        let user = user.user_name("app").status("active").authentication(how).build();
        DescribeUsersOutput::builder().users(user).build()
    });
    let quotes = mock!(aws_sdk_elasticache::Client::modify_user).then_error(|| {
        ModifyUserError::InvalidParameterValueException(
            InvalidParameterValueException::builder()
                .message("pending-secret and current-secret are no good passwords")
                .build(),
        )
    });
    let said = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&said);
    let record = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |request| {
        let text = |name: &str| request.item().unwrap()[name].as_s().unwrap().clone();
        keep.lock().unwrap().push((text("state"), text("said")));
        PutItemOutput::builder().build()
    });
    drop(write);
    let mocks =
        Mocks { secrets: &[&describe, &get], elasticache: &[&user, &quotes], dynamodb: &[&record, &read] };
    let report = function(&mocks).handle(&step("setSecret"), &invocation()).await.unwrap();
    let (class, text) = report.failure().unwrap();
    assert_eq!((report.outcome(), class), ("failed", Class::Permanent));
    assert!(
        text.starts_with("setSecret of prod/db, version v2: ElastiCache refuses the passwords"),
        "{text}"
    );
    assert!(text.contains("… and … are no good passwords"), "{text}");
    assert!(
        text.ends_with(
            "AWSCURRENT (version v1) is as valid as it was: a new one is only ever added beside it."
        ),
        "{text}"
    );
    let said = said.lock().unwrap().clone();
    assert_eq!(said, [("under_way".to_owned(), String::new()), ("failed".to_owned(), text.to_owned())]);
    for value in ["current-secret", "pending-secret", "proof-of-rotation"] {
        assert!(!seen(&report).contains(value), "{}", seen(&report));
    }
}

#[tokio::test]
async fn a_value_that_could_not_be_put_is_not_repeated_either() {
    let (get, _, _) = values("the-current-value", None);
    let (describe, (write, read)) = (described("random"), ledger());
    let given = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&given);
    let put = mock!(aws_sdk_secretsmanager::Client::put_secret_value).then_compute_response(move |request| {
        request.secret_string().unwrap().clone_into(&mut keep.lock().unwrap());
        let quoting = ErrorMetadata::builder().code("InvalidRequestException");
        let quoting = quoting.message(format!("not {}", request.secret_string().unwrap()));
        MockResponse::Error(PutSecretValueError::generic(quoting.build()))
    });
    let mocks = Mocks { secrets: &[&describe, &get, &put], dynamodb: &[&write, &read], ..Mocks::default() };
    let report = function(&mocks).handle(&step("createSecret"), &invocation()).await.unwrap();
    let given = given.lock().unwrap().clone();
    assert_eq!(given.len(), 64);
    assert!(!seen(&report).contains(&given), "{}", seen(&report));
    assert!(report.failure().unwrap().1.contains("InvalidRequestException: not …"), "{report:?}");
}

#[tokio::test]
async fn what_passes_is_told_from_what_does_not() {
    for (code, class, outcome) in [
        ("ThrottlingException", Class::Transient, "failed"),
        ("AccessDeniedException", Class::Permanent, "failed"),
    ] {
        let describe = mock!(aws_sdk_secretsmanager::Client::describe_secret)
            .then_error(move || DescribeSecretError::generic(ErrorMetadata::builder().code(code).build()));
        let mocks = Mocks { secrets: &[&describe], ..Mocks::default() };
        let report = function(&mocks).handle(&step("testSecret"), &invocation()).await.unwrap();
        assert_eq!((report.failure().unwrap().0, report.outcome()), (class, outcome));
        assert!(report.failure().unwrap().1.ends_with("Nothing was changed."), "{report:?}");
    }
    let (get, _, _) = values("the-current-value", None);
    let (describe, (write, read)) = (described("random"), ledger());
    let mocks = Mocks { secrets: &[&describe, &get], dynamodb: &[&write, &read], ..Mocks::default() };
    let report = function(&mocks).handle(&step("setSecret"), &invocation()).await.unwrap();
    assert_eq!((report.outcome(), report.failure().unwrap().0), ("refused", Class::Permanent));
    let late = Invocation { deadline: noon(), ..invocation() };
    let report = function(&mocks).handle(&step("setSecret"), &late).await.unwrap();
    assert_eq!((report.outcome(), report.failure().unwrap().0), ("waiting", Class::Transient));
}

#[tokio::test]
async fn a_test_run_leaves_what_the_ledger_says_of_the_last_rotation() {
    let (get, _, _) = values("the-current-value", Some("the-current-value"));
    let (describe, (write, read)) = (described("random"), ledger());
    let mocks = Mocks { secrets: &[&describe, &get], dynamodb: &[&write, &read], ..Mocks::default() };
    let report = function(&mocks).handle(&step("testSecret"), &invocation()).await.unwrap();
    assert_eq!((report.outcome(), write.num_calls()), ("tested", 0));
}

fn batch(bodies: &[&str]) -> Value {
    let records: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| json!({"messageId": format!("m-{index}"), "body": body, "eventSource": "aws:sqs"}))
        .collect();
    json!({"Records": records})
}

const SETTLE: &str = r#"{"settle":{"secret":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf","version":"v1"}}"#;

fn rotated() -> Rule {
    mock!(aws_sdk_dynamodb::Client::get_item).then_output(|| {
        let s = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
        let item = [
            ("secret", s(SECRET)),
            ("version", s("v1")),
            ("strategy", s("postgres")),
            ("step", s("finishSecret")),
            ("state", s("rotated")),
            ("at", shared::ledger::ms(noon())),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value)).into();
        GetItemOutput::builder().set_item(Some(item)).build()
    })
}

#[tokio::test]
async fn what_could_not_be_settled_comes_back_and_what_never_can_does_not() {
    let (describe, read) = (described("postgres"), rotated());
    let (write, _) = ledger();
    let mocks = Mocks { secrets: &[&describe], dynamodb: &[&write, &read], ..Mocks::default() };
    let report = function(&mocks).handle(&batch(&[SETTLE, "no JSON"]), &invocation()).await.unwrap();
    assert_eq!((report.outcome(), report.failure()), ("several", None));
    assert_eq!(report.answer(), &json!({"batchItemFailures": []}));

    let throttled = mock!(aws_sdk_dynamodb::Client::put_item).then_error(|| {
        aws_sdk_dynamodb::operation::put_item::PutItemError::generic(
            ErrorMetadata::builder().code("ThrottlingException").build(),
        )
    });
    let mocks = Mocks { secrets: &[&describe], dynamodb: &[&throttled, &read], ..Mocks::default() };
    let report = function(&mocks).handle(&batch(&[SETTLE]), &invocation()).await.unwrap();
    assert_eq!((report.outcome(), report.failure()), ("failed", None));
    assert_eq!(report.answer(), &json!({"batchItemFailures": [{"itemIdentifier": "m-0"}]}));

    let by_hand = serde_json::from_str(SETTLE).unwrap();
    let report = function(&mocks).handle(&by_hand, &invocation()).await.unwrap();
    assert_eq!(report.failure().unwrap().0, Class::Transient);
    let report = function(&mocks).handle(&batch(&[]), &invocation()).await.unwrap();
    assert_eq!(report.answer(), &json!({"batchItemFailures": []}));
}

#[test]
fn settings_that_lack_are_named() {
    let error = Config::read(&Env::new(&|_| None)).unwrap_err();
    assert_eq!(error.to_string(), "environment variable ENVIRONMENT is not set");
}
