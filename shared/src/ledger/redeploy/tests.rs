use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn redeploy() -> Redeploy {
    Redeploy {
        id: "r-1".to_owned(),
        secret: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-AbCdEf".to_owned(),
        name: "prod/db".to_owned(),
        label: "AWSCURRENT".to_owned(),
        version: "v2".to_owned(),
        moved: at("2026-11-20T03:00:00Z"),
        holds_before: None,
        cause: Cause::ByHand { by: Some("ann".to_owned()) },
        phase: Phase::Running,
        waves: 2,
        began: at("2026-11-20T03:00:01Z"),
        unread: 0,
        told: false,
        ended: None,
        next: Some(at("2026-11-20T03:02:00Z")),
        even_if_fresh: false,
        put_back: None,
    }
}

fn member(name: &str, rank: u32) -> Member {
    Member {
        target: format!("ecs:prod/{name}").parse().unwrap(),
        uses: vec!["DB of container app".to_owned()],
        rank,
        standing: Standing::Queued,
        why: String::new(),
        since: at("2026-11-20T03:00:00Z"),
        runs_old: true,
        needs_a_hand: false,
        until: None,
        wave: None,
        operation: None,
        deployment: None,
        waited_for: None,
    }
}

#[tokio::test]
async fn a_redeploy_reads_back_as_it_was_written() {
    let item = entry("redeploy#r-1", "state", &redeploy(), at("2026-11-20T03:00:00Z"), 1).unwrap();
    let got = mock!(Client::get_item)
        .then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
    let client = mock_client!(aws_sdk_dynamodb, [&got]);
    assert_eq!(Ledger::new(client, "t").redeploy("r-1").await.unwrap(), Some(redeploy()));
}

#[tokio::test]
async fn members_come_by_rank_and_then_by_name() {
    let items = [member("b", 1), member("c", 0), member("a", 1)]
        .map(|member| entry("redeploy#r-1", "member#x", &member, at("2026-11-20T03:00:00Z"), 1).unwrap());
    let page = mock!(Client::query)
        .then_output(move || QueryOutput::builder().set_items(Some(items.to_vec())).build());
    let client = mock_client!(aws_sdk_dynamodb, [&page]);
    let members = Ledger::new(client, "t").members("r-1").await.unwrap();
    let names: Vec<_> = members.iter().map(|member| member.target.to_string()).collect();
    assert_eq!(names, ["ecs:prod/c", "ecs:prod/a", "ecs:prod/b"]);
}

fn refused() -> PutItemError {
    PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
}

#[tokio::test]
async fn the_right_to_go_on_is_one_persons_and_a_lost_race_is_an_answer() {
    let taken = mock!(Client::put_item).then_error(refused);
    let client = mock_client!(aws_sdk_dynamodb, [&taken]);
    let ledger = Ledger::new(client, "t");
    let now = at("2026-11-20T03:00:00Z");
    assert!(!ledger.step("r-1", "me", now, now).await.unwrap());
    let client = mock_client!(
        aws_sdk_dynamodb,
        RuleMode::MatchAny,
        [&mock!(Client::put_item)
            .match_requests(|request| {
                request.condition_expression()
                    == Some("attribute_not_exists(pk) OR #until <= :now OR #owner = :owner")
            })
            .then_output(|| PutItemOutput::builder().build())]
    );
    assert!(Ledger::new(client, "t").step("r-1", "me", now, now).await.unwrap());
}

#[test]
fn the_same_move_has_the_same_id_and_a_move_back_another() {
    let id = |label: &Label| Redeploy::id_of("arn", "AWSCURRENT", label);
    let first = Label::after(None, "v1", at("2026-11-20T03:00:00Z"));
    // Another event tells of the same move, a second later.
    assert_eq!(id(&first), id(&Label { at: at("2026-11-20T03:00:01Z"), ..first.clone() }));
    let second = Label::after(Some(&first), "v2", at("2026-11-21T03:00:00Z"));
    let back = Label::after(Some(&second), "v1", at("2026-11-21T04:00:00Z"));
    assert_ne!(id(&first), id(&second));
    assert_ne!(id(&first), id(&back));
}

#[test]
fn people_hear_of_the_secret_or_of_the_request_for_one_service() {
    let of =
        |secret: &str| Redeploy { id: "1".to_owned(), secret: secret.to_owned(), ..redeploy() }.incident();
    assert_eq!(of("ecs:prod/web"), "request:1");
    let secret = "arn:aws:secretsmanager:eu-central-1:1:secret:db-AbCdEf";
    assert_eq!(of(secret), format!("secret:{secret}"));
}

#[test]
fn a_label_remembers_where_it_stood_before() {
    let first = Label::after(None, "v1", at("2026-11-20T03:00:00Z"));
    assert_eq!(first.before, None);
    let second = Label::after(Some(&first), "v2", at("2026-11-21T03:00:00Z"));
    assert_eq!(second.before, Some(Before { version: "v1".to_owned(), at: at("2026-11-20T03:00:00Z") }));
}
