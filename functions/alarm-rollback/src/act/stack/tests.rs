//! One call, and what is made of its answer.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::cancel_update_stack::CancelUpdateStackOutput;
use aws_sdk_cloudformation::operation::continue_update_rollback::{
    ContinueUpdateRollbackError, ContinueUpdateRollbackOutput,
};
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::operation::rollback_stack::RollbackStackOutput;
use aws_sdk_cloudformation::types::Stack;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::observe::stack::tests::clients;

const ID: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1";
const TOKEN: &str = "0123456789abcdef";

fn stack(status: StackStatus) -> Stack {
    Stack::builder()
        .stack_id(ID)
        .stack_name("billing")
        .stack_status(status)
        .role_arn("arn:aws:iam::123456789012:role/deploy")
        .creation_time(aws_smithy_types::DateTime::from_secs(1))
        .build()
}

/// The stack's statuses, one per look.
fn described(statuses: Vec<StackStatus>) -> Rule {
    let mut rule = mock!(Client::describe_stacks).sequence();
    for status in statuses {
        rule = rule.output(move || DescribeStacksOutput::builder().stacks(stack(status.clone())).build());
    }
    rule.build()
}

async fn run(act: &Act, rules: &[&Rule]) -> Result<Made> {
    let client = mock_client!(aws_sdk_cloudformation, RuleMode::MatchAny, rules, |config| config
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled()));
    perform(&clients(client), "billing", act, TOKEN).await
}

fn is_done(made: &Result<Made>) -> bool {
    matches!(made, Ok(Made::Done { deployment: None }))
}

#[tokio::test]
async fn a_rollback_is_continued_by_the_stacks_id_with_the_operations_id_as_token() {
    for skip in [vec![], vec!["Web".to_owned(), "billing-Storage-Z2VK.Database".to_owned()]] {
        let expected = skip.clone();
        let call = mock!(Client::continue_update_rollback)
            .match_requests(move |request| {
                request.stack_name() == Some(ID)
                    && request.client_request_token() == Some(TOKEN)
                    && request.resources_to_skip() == expected
                    && request.role_arn().is_none()
                    && request.force_rollback().is_none()
            })
            .then_output(|| ContinueUpdateRollbackOutput::builder().build());
        let looked = described(vec![StackStatus::UpdateRollbackFailed]);
        let made = run(&Act::ContinueUpdateRollback { skip }, &[&looked, &call]).await;
        assert!(is_done(&made));
        assert_eq!(call.num_calls(), 1);
    }
}

#[tokio::test]
async fn an_update_is_cancelled_and_a_failed_one_rolled_back_likewise() {
    let cancel = mock!(Client::cancel_update_stack)
        .match_requests(|request| {
            request.stack_name() == Some(ID) && request.client_request_token() == Some(TOKEN)
        })
        .then_output(|| CancelUpdateStackOutput::builder().build());
    let looked = described(vec![StackStatus::UpdateInProgress]);
    assert!(is_done(&run(&Act::CancelUpdateStack, &[&looked, &cancel]).await));

    let rollback = mock!(Client::rollback_stack)
        .match_requests(|request| {
            request.stack_name() == Some(ID)
                && request.client_request_token() == Some(TOKEN)
                && request.role_arn().is_none()
        })
        .then_output(|| RollbackStackOutput::builder().build());
    let looked = described(vec![StackStatus::UpdateFailed]);
    assert!(is_done(&run(&Act::RollbackStack, &[&looked, &rollback]).await));
    assert_eq!((cancel.num_calls(), rollback.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_stack_in_another_status_without_a_role_nested_or_gone_is_not_touched() {
    let act = &Act::ContinueUpdateRollback { skip: Vec::new() };
    let elsewhere = described(vec![StackStatus::UpdateRollbackInProgress]);
    assert!(matches!(run(act, &[&elsewhere]).await, Ok(Made::Again)));

    let bare = mock!(Client::describe_stacks).then_output(|| {
        let mut stack = stack(StackStatus::UpdateRollbackFailed);
        stack.role_arn = None;
        DescribeStacksOutput::builder().stacks(stack).build()
    });
    assert!(matches!(run(act, &[&bare]).await, Ok(Made::Again)));

    let nested = mock!(Client::describe_stacks).then_output(|| {
        let mut stack = stack(StackStatus::UpdateRollbackFailed);
        stack.root_id = Some(ID.replace("billing", "shop"));
        DescribeStacksOutput::builder().stacks(stack).build()
    });
    assert!(matches!(run(act, &[&nested]).await, Ok(Made::Again)));

    let gone = mock!(Client::describe_stacks).then_output(|| DescribeStacksOutput::builder().build());
    assert!(matches!(run(act, &[&gone]).await, Ok(Made::Again)));
}

fn refused(code: &'static str) -> Rule {
    mock!(Client::continue_update_rollback).then_error(move || {
        ContinueUpdateRollbackError::generic(ErrorMetadata::builder().code(code).message("no").build())
    })
}

#[tokio::test]
async fn a_token_that_was_used_means_that_the_call_was_made() {
    let act = &Act::ContinueUpdateRollback { skip: Vec::new() };
    let looked = described(vec![StackStatus::UpdateRollbackFailed]);
    assert!(is_done(&run(act, &[&looked, &refused("TokenAlreadyExistsException")]).await));
}

#[tokio::test]
async fn a_refusal_that_came_too_late_is_decided_anew_and_any_other_is_told() {
    use StackStatus::{UpdateRollbackFailed as Failed, UpdateRollbackInProgress as Rolling};
    let act = &Act::ContinueUpdateRollback { skip: Vec::new() };

    let moved = described(vec![Failed, Rolling]);
    assert!(matches!(run(act, &[&moved, &refused("ValidationError")]).await, Ok(Made::Again)));

    for code in ["ValidationError", "AccessDenied"] {
        let still = described(vec![Failed, Failed]);
        let error = run(act, &[&still, &refused(code)]).await.err().unwrap();
        assert!(error.chain().contains("cloudformation:ContinueUpdateRollback"), "{error:?}");
    }
}

#[tokio::test]
async fn an_act_for_another_kind_of_target_is_refused() {
    assert!(run(&Act::Scale { desired: 1 }, &[]).await.is_err());
}
