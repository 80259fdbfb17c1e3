use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::Timestamp;
use shared::ledger::Ledger;
use shared::notice::{Notice, Severity, State as Standing, Subject};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_176_000 + seconds).unwrap()
}

fn notice(state: Standing, seconds: i64) -> Notice {
    let subject = Subject { kind: "alarm".into(), id: "a".into(), arn: None };
    Notice::new("i-1", state, Severity::Sev2, subject, "t", at(seconds))
}

fn written(notice: &Notice, channel: &str, state: State, attempts: u32) -> Item {
    item(Entry { notice, channel, occasion: "" }, &Delivery { state, attempts }, "", at(0))
}

#[test]
fn what_is_written_reads_back() {
    let notice = notice(Standing::Firing, 0);
    for state in [
        State::Pending { not_before: at(5), reserved: true },
        State::Joined { group: "g".to_owned() },
        State::InFlight { owner: "r-1".to_owned(), deadline: at(9) },
        State::Acknowledged,
        State::AcceptedUnverified,
        State::Failed { message: "m-1".to_owned() },
    ] {
        assert_eq!(read(&written(&notice, "ops", state.clone(), 3)), Some(Delivery { state, attempts: 3 }));
    }
    assert_eq!(read(&Item::new()), None);
}

#[test]
fn an_incident_of_any_length_has_a_key_that_fits() {
    for incident in ["i", &"é".repeat(5_000)] {
        let key = partition_key(incident);
        assert!(key.starts_with("delivery#") && key.len() <= 1_000, "{}", key.len());
    }
}

#[tokio::test]
async fn what_is_written_of_this_notice_and_what_was_told_last_is_found_over_all_pages() {
    let told = Told { state: Standing::Resolved, revision: 7, at: at(3) };
    let memory = Memory::from([("ts".to_owned(), "1.2".to_owned())]);
    let asked = notice(Standing::Firing, 0);
    let pages = [
        vec![
            written(&asked, "ops", State::Acknowledged, 1),
            written(&notice(Standing::Resolved, 0), "audit", State::Acknowledged, 1),
            Item::from([("pk".to_owned(), s("something else"))]),
        ],
        vec![
            written(&notice(Standing::Resolved, 60), "audit", State::AcceptedUnverified, 1),
            written(
                &notice(Standing::Resolved, 60),
                "ops",
                State::Pending { not_before: at(0), reserved: false },
                1,
            ),
            written(&notice(Standing::Firing, 90), "ops", State::Acknowledged, 1),
            told_item("i-1", "audit", Some(&told), &memory, at(3)),
        ],
    ];
    let [first, second] = pages;
    let key = first[0].clone();
    let rule = mock!(Client::query)
        .match_requests(|request| request.consistent_read() == Some(true))
        .sequence()
        .output(move || {
            QueryOutput::builder()
                .set_items(Some(first.clone()))
                .set_last_evaluated_key(Some(key.clone()))
                .build()
        })
        .output(move || QueryOutput::builder().set_items(Some(second.clone())).build())
        .build();
    let ledger = Ledger::new(mock_client!(aws_sdk_dynamodb, [&rule]), "table");

    let seen = seen(&ledger, &asked, "").await.unwrap();

    let held = Delivery { state: State::Acknowledged, attempts: 1 };
    assert_eq!(seen.held, HashMap::from([("ops".to_owned(), held)]));
    let [(channel, remembered)] = Vec::from_iter(seen.told).try_into().unwrap();
    assert_eq!((channel.as_str(), remembered.told, remembered.memory), ("audit", Some(told), memory));
}

async fn check_claim(there: Option<Item>, held: Option<Delivery>, expected: Option<u32>) {
    let put = match there {
        None => mock!(Client::put_item).then_output(|| PutItemOutput::builder().build()),
        Some(item) => mock!(Client::put_item).then_error(move || {
            PutItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().set_item(Some(item.clone())).build(),
            )
        }),
    };
    let ledger = Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&put]), "table");
    let notice = notice(Standing::Firing, 0);
    let entry = Entry { notice: &notice, channel: "ops", occasion: "" };
    let claimed = claim(&ledger, entry, held.as_ref(), "r-1", at(30), at(0)).await.unwrap();
    assert_eq!(claimed.map(|claimed| claimed.attempts), expected);
}

#[tokio::test]
async fn of_several_claims_one_wins() {
    let notice = notice(Standing::Firing, 0);
    let by = |owner: &str, attempts| {
        let state = State::InFlight { owner: owner.to_owned(), deadline: at(30) };
        Some(written(&notice, "ops", state, attempts))
    };
    check_claim(None, None, Some(1)).await;
    check_claim(by("r-2", 1), None, None).await;
    // The SDK's own repetition of a claim whose answer was lost.
    check_claim(by("r-1", 1), None, Some(1)).await;
}

#[tokio::test]
async fn a_claim_holds_only_against_what_was_read() {
    let rule = mock!(Client::put_item)
        .match_requests(|request| {
            let values = request.expression_attribute_values().unwrap();
            request.condition_expression() == Some("#state = :state AND attempts = :attempts")
                && values[":state"] == s("pending")
                && values[":attempts"] == n(4)
                && request.item().unwrap()["attempts"] == n(5)
        })
        .then_output(|| PutItemOutput::builder().build());
    let ledger = Ledger::new(mock_client!(aws_sdk_dynamodb, [&rule]), "table");
    let notice = notice(Standing::Firing, 0);
    let held = Delivery { state: State::Pending { not_before: at(0), reserved: false }, attempts: 4 };
    let entry = Entry { notice: &notice, channel: "ops", occasion: "" };
    assert!(claim(&ledger, entry, Some(&held), "r-1", at(30), at(0)).await.unwrap().is_some());
}
