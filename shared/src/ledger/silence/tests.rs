use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::{ENDED_BY, Ending, read, text};
use crate::ledger::{Item, Ledger, get_s, s};
use crate::policy::notify::{Matchers, Silence};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn silence(until: &str) -> Silence {
    Silence {
        id: "night".to_owned(),
        matches: Matchers::exactly([("service", "web")]),
        from: None,
        until: at(until),
        author: "ann".to_owned(),
        reason: "the database moves".to_owned(),
    }
}

fn item(silence: &Silence, by: Option<&str>) -> Item {
    let mut item = Item::from([("silence".to_owned(), s(text(silence).unwrap()))]);
    item.extend(by.map(|by| (ENDED_BY.to_owned(), s(by))));
    item
}

/// What comes of ending it at noon where this is written down.
async fn ended(entry: Option<Item>) -> Ending {
    let found =
        mock!(Client::get_item).then_output(move || GetItemOutput::builder().set_item(entry.clone()).build());
    let put = mock!(Client::put_item)
        .match_requests(|put| put.item().is_some_and(|item| get_s(item, ENDED_BY).as_deref() == Some("ben")))
        .then_output(|| PutItemOutput::builder().build());
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&found, &put], |conf| conf
        .retry_config(RetryConfig::disabled()));
    let ledger = Ledger::new(client, "watchkeeper");
    ledger.end_silence("dev", "night", "ben", at("2026-11-27T12:00:00Z")).await.unwrap()
}

#[tokio::test]
async fn a_silence_ends_once_and_says_who_ended_it() {
    let (goes_on, over) = (silence("2026-11-28T00:00:00Z"), silence("2026-11-27T06:00:00Z"));
    assert_eq!(ended(None).await, Ending::Unknown);
    let done = Silence { until: at("2026-11-27T12:00:00Z"), ..goes_on.clone() };
    assert_eq!(ended(Some(item(&goes_on, None))).await, Ending::Done(done));
    let before = Ending::Before { silence: over.clone(), by: Some("cora".to_owned()) };
    assert_eq!(ended(Some(item(&over, Some("cora")))).await, before);
    assert_eq!(ended(Some(item(&over, None))).await, Ending::Before { silence: over, by: None });
}

#[test]
fn whoever_reads_of_it_afterwards_reads_who_ended_it() {
    let over = silence("2026-11-27T06:00:00Z");
    assert_eq!(read(&item(&over, None)).unwrap().reason, "the database moves");
    assert_eq!(read(&item(&over, Some("ben"))).unwrap().reason, "the database moves; ended by ben");
}
