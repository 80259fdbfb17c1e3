//! One rollback, call by call: what is written before the act, and what is left behind when it is cut off.

use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::CancellationReason;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_ecs::operation::update_service::{UpdateServiceError, UpdateServiceOutput};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use shared::ledger::Ledger;
use shared::notice::State;

use super::*;
use crate::cases::policy;
use crate::decision::Basis;

fn clients(ecs: &[&Rule], dynamodb: &[&Rule]) -> Clients {
    let once = aws_smithy_types::retry::RetryConfig::disabled;
    Clients {
        cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[]),
        ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, ecs, |config| config.retry_config(once())),
        sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, &[]),
        ledger: Ledger::new(
            mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, dynamodb, |config| config
                .retry_config(once())),
            "ledger",
        ),
    }
}

async fn run(ecs: &[&Rule], dynamodb: &[&Rule]) -> Result<Outcome> {
    let now: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
    let rollback = Rollback {
        operation: "op-1".to_owned(),
        target: "ecs:prod/web".parse().unwrap(),
        from: "arn:td/web:7".to_owned(),
        to: "arn:td/web:6".to_owned(),
        basis: Basis::Begun,
        began: now,
    };
    let incident = Incident {
        key: "alarm:web-5xx".to_owned(),
        state: State::Firing,
        revision: 1,
        target: "ecs:prod/web".to_owned(),
        operation: Some("op-1".to_owned()),
        opened: now,
    };
    roll_back(&clients(ecs, dynamodb), &rollback, &incident, &policy(), now).await
}

fn updated() -> Rule {
    mock!(aws_sdk_ecs::Client::update_service)
        .match_requests(|request| {
            request.cluster() == Some("prod")
                && request.service() == Some("web")
                && request.task_definition() == Some("arn:td/web:6")
                && request.desired_count().is_none()
                && request.force_new_deployment().is_none()
        })
        .then_output(|| UpdateServiceOutput::builder().build())
}

fn refused(code: &'static str) -> Rule {
    mock!(aws_sdk_ecs::Client::update_service).then_error(move || {
        UpdateServiceError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

fn recorded() -> Rule {
    mock!(aws_sdk_dynamodb::Client::put_item).then_output(|| PutItemOutput::builder().build())
}

fn transacted() -> Rule {
    mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .then_output(|| TransactWriteItemsOutput::builder().build())
}

#[tokio::test]
async fn only_the_task_definition_is_set_and_the_operation_is_recorded_first() {
    let (update, record, transact) = (updated(), recorded(), transacted());
    let outcome = run(&[&update], &[&record, &transact]).await.unwrap();
    assert!(matches!(outcome, Outcome::Done));
    assert_eq!((update.num_calls(), record.num_calls(), transact.num_calls()), (1, 1, 1));
}

#[tokio::test]
async fn a_target_that_somebody_else_took_is_not_touched() {
    let (update, record) = (updated(), recorded());
    let taken = mock!(aws_sdk_dynamodb::Client::transact_write_items).then_error(|| {
        let reason = CancellationReason::builder().code("ConditionalCheckFailed").build();
        TransactWriteItemsError::TransactionCanceledException(
            TransactionCanceledException::builder().cancellation_reasons(reason).build(),
        )
    });
    let outcome = run(&[&update], &[&record, &taken]).await.unwrap();
    assert!(matches!(outcome, Outcome::Taken));
    assert_eq!(update.num_calls(), 0);
}

#[tokio::test]
async fn nothing_is_done_that_cannot_be_recorded() {
    let (update, transact) = (updated(), transacted());
    let full = mock!(aws_sdk_dynamodb::Client::put_item).then_error(|| {
        aws_sdk_dynamodb::operation::put_item::PutItemError::generic(
            ErrorMetadata::builder().code("ThrottlingException").build(),
        )
    });
    let error = run(&[&update], &[&full, &transact]).await.err().unwrap();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(update.num_calls(), 0);
}

#[tokio::test]
async fn a_refusal_gives_the_target_back_and_is_told() {
    for code in ["AccessDeniedException", "ClientException", "InvalidParameterException"] {
        let (update, record, transact) = (refused(code), recorded(), transacted());
        let outcome = run(&[&update], &[&record, &transact]).await.unwrap();
        let Outcome::Refused(error) = outcome else { panic!("{code} is a refusal") };
        assert!(error.chain().contains("ecs:UpdateService"), "{error:?}");
        assert_eq!(transact.num_calls(), 2, "begun, then ended as refused");
    }
}

#[tokio::test]
async fn a_throttle_keeps_the_target_for_the_retry() {
    let (update, record, transact) = (refused("ThrottlingException"), recorded(), transacted());
    let error = run(&[&update], &[&record, &transact]).await.err().unwrap();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(transact.num_calls(), 1, "the operation stays begun");
}
