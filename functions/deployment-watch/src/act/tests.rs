//! What is written down, in which order, and what is left when it is cut off.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use shared::ledger::operation::{Means, Operation};
use shared::notice::{Severity, Subject};

use super::*;
use crate::cases::{Mocks, SERVICE, at, diagnosis, incident, operation, redeploy, target, td};
use crate::decision::{Ended, Failure};

/// The sort keys in the order in which they were written.
type Written = Arc<Mutex<Vec<String>>>;

fn text(value: Option<&AttributeValue>) -> String {
    value.and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn puts(written: &Written) -> Rule {
    let written = Arc::clone(written);
    mock!(aws_sdk_dynamodb::Client::put_item)
        .match_requests(move |put| {
            let item = put.item().unwrap();
            let standing = text(item.get("standing"));
            written.lock().unwrap().push(format!(
                "{} {standing}{}",
                text(item.get("sk")),
                text(item.get("state"))
            ));
            true
        })
        .then_output(|| PutItemOutput::builder().build())
}

fn ends(written: &Written) -> Rule {
    let written = Arc::clone(written);
    mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .match_requests(move |request| {
            for item in request.transact_items() {
                let item = item.put().unwrap().item();
                let what = format!("{}{}", text(item.get("end")), text(item.get("standing")));
                written.lock().unwrap().push(format!("{} {what}", text(item.get("sk"))));
            }
            true
        })
        .then_output(|| TransactWriteItemsOutput::builder().build())
}

fn notice(state: State) -> Notice {
    let subject = Subject { kind: "ecs-service".to_owned(), id: "prod/web".to_owned(), arn: None };
    Notice::new("alarm:x", state, Severity::Sev1, subject, "prod/web", at(6))
}

fn closing(ended: Ended) -> Close {
    Close {
        target: target(),
        operation: operation(Means::UpdateService),
        ended,
        incident: Some(incident()),
        at: at(6),
    }
}

async fn check(ended: Ended, state: State, expected: &[String]) {
    let written = Written::default();
    let (put, end) = (puts(&written), ends(&written));
    let clients = Mocks { dynamodb: &[&put, &end], ..Mocks::default() }.clients();
    close(&clients, &closing(ended), Some(&notice(state)), at(7)).await.unwrap();
    assert_eq!(*written.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_people_were_told_is_recorded_first_and_the_end_last() {
    let (good, bad) = (format!("revision#{} good", td(41)), format!("revision#{} bad", td(41)));
    let recovered = Ended::Recovered { deployed: at(4), alarm: None };
    let end = |word: &str| format!("operation#op-1 {word}");
    check(recovered, State::Resolved, &["state resolved".to_owned(), end("recovered"), good]).await;
    let failure = Failure::Refuted { said: String::new(), disproves: true };
    let failed = Ended::Failed { failure, running: None };
    check(failed, State::Firing, &["state firing".to_owned(), bad, end("failed")]).await;
    let late = Ended::Failed { failure: Failure::Late, running: None };
    check(late, State::Firing, &["state firing".to_owned(), end("failed")]).await;
    let superseded = Ended::Superseded { running: td(43) };
    check(superseded, State::Firing, &["state firing".to_owned(), end("superseded")]).await;
}

#[tokio::test]
async fn an_operation_stays_open_until_all_before_it_is_written() {
    let refused = mock!(aws_sdk_dynamodb::Client::put_item)
        .then_error(|| PutItemError::generic(ErrorMetadata::builder().code("ThrottlingException").build()));
    let written = Written::default();
    let end = ends(&written);
    let clients = Mocks { dynamodb: &[&refused, &end], ..Mocks::default() }.clients();
    let recovered = closing(Ended::Recovered { deployed: at(4), alarm: None });
    close(&clients, &recovered, Some(&notice(State::Resolved)), at(7)).await.unwrap_err();
    assert_eq!(end.num_calls(), 0, "it is looked at again");
    close(&clients, &recovered, None, at(7)).await.unwrap();
    assert_eq!(end.num_calls(), 1, "without a notice, nothing is to be recorded of it");
}

#[tokio::test]
async fn a_failed_deployment_is_remembered_unless_the_same_revision_runs() {
    for disproved in [true, false] {
        let written = Written::default();
        let put = puts(&written);
        let clients = Mocks { dynamodb: &[&put], ..Mocks::default() }.clients();
        let failed = Broken {
            target: target(),
            service: SERVICE.to_owned(),
            task_definition: td(42),
            back_to: Some(td(41)),
            over: false,
            disproved,
            desired: 3,
            running: 3,
            diagnosis: diagnosis(),
            incident: None,
            at: at(6),
        };
        broken(&clients, &failed, &notice(State::Firing), at(7)).await.unwrap();
        let bad = disproved.then(|| format!("revision#{} bad", td(42)));
        let expected: Vec<_> = bad.into_iter().chain(["state firing".to_owned()]).collect();
        assert_eq!(*written.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_redeploy_ends_with_why_and_says_nothing_of_a_revision() {
    let why = "3 of 3 tasks: it cannot read its secret. Look at the secret.";
    for (ended, said, word) in [
        (Ended::Recovered { deployed: at(4), alarm: None }, None, "recovered"),
        (Ended::Failed { failure: Failure::Late, running: None }, Some(why), "failed"),
        (Ended::Superseded { running: td(43) }, Some(why), "superseded"),
    ] {
        let written = Written::default();
        let said = said.map(ToOwned::to_owned);
        let end = {
            let (written, said) = (Arc::clone(&written), said.clone());
            mock!(aws_sdk_dynamodb::Client::transact_write_items)
                .match_requests(move |request| {
                    for item in request.transact_items() {
                        let item = item.put().unwrap().item();
                        written.lock().unwrap().push(format!(
                            "{} {}",
                            text(item.get("sk")),
                            text(item.get("end"))
                        ));
                        assert_eq!(text(item.get("said")), said.clone().unwrap_or_default());
                        assert_eq!(text(item.get("redeploy")), "redeploy-1");
                    }
                    true
                })
                .then_output(|| TransactWriteItemsOutput::builder().build())
        };
        let clients = Mocks { dynamodb: &[&end], ..Mocks::default() }.clients();
        let over = Redeployed { target: target(), operation: Operation { said, ..redeploy() }, ended };
        redeployed(&clients, &over, at(7)).await.unwrap();
        assert_eq!(*written.lock().unwrap(), [format!("operation#re-1 {word}")]);
    }
}

fn advances(redeploy: &'static str) -> Rule {
    mock!(aws_sdk_sqs::Client::send_message)
        .match_requests(move |request| {
            request.queue_url() == Some("https://sqs.invalid/redeploys")
                && request.delay_seconds() == Some(0)
                && request.message_body() == Some(&format!(r#"{{"advance":{{"redeploy":"{redeploy}"}}}}"#))
        })
        .then_output(|| SendMessageOutput::builder().build())
}

#[tokio::test]
async fn each_redeploy_that_may_go_on_is_sent_a_message() {
    let (one, other) = (advances("redeploy-1"), advances("redeploy-2"));
    let clients = Mocks { sqs: &[&one, &other], ..Mocks::default() }.clients();
    let redeploys = ["redeploy-1".to_owned(), "redeploy-2".to_owned()];
    wake(&clients, "https://sqs.invalid/redeploys", &redeploys).await.unwrap();
    assert_eq!((one.num_calls(), other.num_calls()), (1, 1));
    wake(&clients, "https://sqs.invalid/redeploys", &[]).await.unwrap();
}

#[tokio::test]
async fn a_denied_message_names_the_permission() {
    let denied = mock!(aws_sdk_sqs::Client::send_message)
        .then_error(|| SendMessageError::generic(ErrorMetadata::builder().code("AccessDenied").build()));
    let clients = Mocks { sqs: &[&denied], ..Mocks::default() }.clients();
    let error = wake(&clients, "q", &["redeploy-1".to_owned()]).await.unwrap_err();
    assert!(error.chain().starts_with("sqs:SendMessage is denied"), "{error}");
}
