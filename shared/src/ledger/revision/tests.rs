use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::{Revision, Standing};
use crate::error::Class;
use crate::ledger::{Ledger, ms, s};

fn revision() -> Revision {
    let since = "2026-11-20T12:00:00Z".parse().unwrap();
    Revision { arn: "web:7".to_owned(), standing: Standing::Good, since }
}

async fn remember(rule: &Rule) -> crate::Result<()> {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, "watchkeeper").remember(&"ecs:prod/web".parse().unwrap(), &revision()).await
}

#[tokio::test]
async fn what_is_learnt_takes_the_place_of_older_knowledge_only() {
    let rule = mock!(Client::put_item)
        .match_requests(|put| {
            let item = put.item().unwrap();
            Revision::read(item) == Some(revision())
                && item["pk"] == s("target#ecs:prod/web")
                && put.condition_expression() == Some("attribute_not_exists(pk) OR since < :since")
                && put.expression_attribute_values().unwrap()[":since"] == ms(revision().since)
        })
        .then_output(|| PutItemOutput::builder().build());
    remember(&rule).await.unwrap();
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn newer_knowledge_stays_and_a_table_that_fails_is_an_error() {
    let newer = mock!(Client::put_item).then_error(|| {
        PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
    });
    remember(&newer).await.unwrap();
    let failing = mock!(Client::put_item).then_http_response(|| {
        aws_sdk_dynamodb::config::http::HttpResponse::new(500.try_into().unwrap(), "{}".into())
    });
    assert_eq!(remember(&failing).await.unwrap_err().class(), Class::Transient);
}
