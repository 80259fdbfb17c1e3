use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::{Audit, Question, sort};
use crate::ledger::{Item, Ledger, ms, s};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn item(pk: &str, sk: &str, more: &[(&str, &str)]) -> Item {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), s(*value)));
    [("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))].into_iter().chain(more).collect()
}

fn with_times(mut item: Item, times: &[(&str, &str)]) -> Item {
    item.extend(times.iter().map(|(name, time)| ((*name).to_owned(), ms(at(time)))));
    item
}

fn operation(target: &str, id: &str, began: &str, more: &[(&str, &str)]) -> [Item; 2] {
    let family = "arn:aws:ecs:eu-central-1:1:task-definition/web";
    let (from, to) = (format!("{family}:42"), format!("{family}:41"));
    let always = [("id", id), ("from", &from), ("to", &to)];
    let all = [always.as_slice(), more].concat();
    let operation = item(&format!("target#{target}"), &format!("operation#{id}"), &all);
    let found_by = item("operations", &sort(at(began), id), &[("target", target)]);
    [with_times(operation, &[("began", began), ("deadline", began)]), found_by]
}

/// A table in which these entries stand.
fn ledger(items: Vec<Item>) -> Ledger {
    paged(items, usize::MAX)
}

/// The same, that answers with so many at a time.
fn paged(items: Vec<Item>, most: usize) -> Ledger {
    let rule = mock!(Client::query).then_compute_output(move |asked| {
        let value = |name: &str| asked.expression_attribute_values().unwrap()[name].as_s().unwrap().clone();
        let (pk, sk) = (value(":pk"), value(":sk"));
        let fits = |item: &&Item| item["pk"] == s(&pk) && item["sk"].as_s().unwrap().as_str() >= sk.as_str();
        let mut found: Vec<Item> = items.iter().filter(fits).cloned().collect();
        found.sort_by_key(|item| item["sk"].as_s().unwrap().clone());
        if asked.scan_index_forward() == Some(false) {
            found.reverse();
        }
        let key = |item: &Item| item["sk"].as_s().unwrap().clone();
        if let Some(start) = asked.exclusive_start_key() {
            let begins = found.iter().position(|item| key(item) == key(start)).unwrap() + 1;
            found.drain(..begins);
        }
        let has_more = most < found.len();
        found.truncate(most);
        let last = found.last().filter(|_| has_more).cloned();
        QueryOutput::builder().set_items(Some(found)).set_last_evaluated_key(last).build()
    });
    Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule]), "watchkeeper")
}

fn world() -> Ledger {
    let mut items = Vec::new();
    let by_alarm = [
        ("incident", "alarm:arn:aws:cloudwatch:eu-central-1:1:alarm:web: 5xx"),
        ("means", "update_service"),
        ("end", "recovered"),
    ];
    items.extend(operation("ecs:prod/web", "op-1", "2026-11-25T03:00:00Z", &by_alarm));
    let by_hand =
        [("incident", "request:r1"), ("means", "update_service"), ("asked_by", "ann"), ("end", "refused")];
    items.extend(operation("ecs:prod/web", "op-2", "2026-11-26T03:00:00Z", &by_hand));
    let redeploy = [
        ("incident", "secret:arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3"),
        ("means", "redeploy"),
        ("said", "no task could start"),
        ("end", "failed"),
    ];
    items.extend(operation("ecs:prod/worker", "op-3", "2026-11-26T02:00:00Z", &redeploy));
    items.extend(operation("ecs:prod/old", "op-0", "2026-10-01T00:00:00Z", &by_alarm));
    let mut scaling = with_times(
        item(
            "target#ecs:prod/follow",
            "scaling",
            &[("id", "sc-1"), ("queue", "arn:aws:sqs:eu-central-1:1:orders")],
        ),
        &[
            ("began", "2026-11-26T01:00:00Z"),
            ("changed", "2026-11-26T01:00:00Z"),
            ("made", "2026-11-26T01:00:01Z"),
            ("looked", "2026-11-26T01:10:00Z"),
        ],
    );
    let number = |count: &str| aws_sdk_dynamodb::types::AttributeValue::N(count.to_owned());
    scaling
        .extend([("own", "2"), ("before", "2"), ("to", "5")].map(|(name, it)| (name.to_owned(), number(it))));
    scaling.insert("told".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Bool(true));
    items.push(scaling);
    items.push(item(
        "operations",
        &sort(at("2026-11-26T01:00:00Z"), "sc-1"),
        &[("target", "ecs:prod/follow")],
    ));
    let silence = r#"{"id": "si-1", "match": {"service": "web"}, "until": "2026-12-01T00:00:00Z", "author": "ann",
        "reason": "it moves"}"#;
    let made = item("silences#prod", "si-1", &[("silence", silence)]);
    items.push(with_times(made, &[("made", "2026-11-26T04:00:00Z")]));
    let of_incident = |incident: &str| {
        let always = [("incident", incident), ("state", "firing"), ("revision", "1"), ("severity", "sev2")];
        let title = [("title", "web is slow")];
        let item = item("activity#prod", incident, &[always.as_slice(), &title].concat());
        with_times(item, &[("since", "2026-11-26T04:30:00Z"), ("started", "2026-11-26T04:30:00Z")])
    };
    let mut acknowledged =
        with_times(of_incident("alarm:web"), &[("acknowledged_at", "2026-11-26T05:00:00Z")]);
    acknowledged.insert("acknowledged_by".to_owned(), s("ben"));
    items.push(acknowledged);
    items.push(of_incident("dlq:orders-dlq:g1"));
    let group = r#"{"signature": {"line": "TimeoutError"}, "redrive": {"id": "re-1", "began": "2026-11-26T00:30:00Z",
        "by": "ann", "phase": {"done": {"at": "2026-11-26T00:40:00Z"}}, "sent": 7, "returned": 1}}"#;
    items.push(item("letters#arn:aws:sqs:eu-central-1:1:orders-dlq", "group#g1", &[("document", group)]));
    let other = r#"{"anything": "of a later version"}"#;
    items.push(item("letters#arn:aws:sqs:eu-central-1:1:orders-dlq", "group#g2", &[("document", other)]));
    items.push(item("letters#arn:aws:sqs:eu-central-1:1:orders-dlq", "lease", &[("document", "{}")]));
    // Nobody was told of this queue; but somebody asked for a redrive.
    let quiet = r#"{"signature": {"line": "no route"}, "redrive": {"id": "re-2", "began": "2026-11-26T00:20:00Z",
        "by": "ben", "phase": {"ramp": {"until": "2026-11-26T00:40:00Z"}}, "sent": 25, "returned": 0}}"#;
    items.push(item("letters#arn:aws:sqs:eu-central-1:1:quiet-dlq", "group#g3", &[("document", quiet)]));
    for (id, at, document) in [
        (
            "re-2",
            "2026-11-26T00:20:00Z",
            r#"{"what": "redrive", "queue": "quiet-dlq", "group": "g3", "by": "ben",
            "came": {"sent": 5, "archived": 0, "left": 0}"#,
        ),
        (
            "pu-1",
            "2026-11-26T00:10:00Z",
            r#"{"what": "purge", "queue": "orders-dlq", "by": "ann", "run": "prod/orders-dlq/r",
            "came": {"sent": 0, "archived": 12, "left": 0}"#,
        ),
        (
            "dr-1",
            "2026-11-26T00:05:00Z",
            r#"{"what": "drain", "queue": "orders-dlq", "by": "ann", "run": "prod/orders-dlq/s""#,
        ),
        ("ar-0", "2026-10-01T00:00:00Z", r#"{"what": "archive", "queue": "orders-dlq", "by": "ann""#),
    ] {
        let document = format!(r#"{document}, "id": "{id}", "at": "{at}"}}"#);
        items.push(item("letters#deeds", &sort(at.parse().unwrap(), id), &[("document", &document)]));
    }
    items.push(item("letters#deeds", &sort(at("2026-11-26T00:00:00Z"), "x"), &[("document", other)]));
    ledger(items)
}

async fn asked(ledger: &Ledger, since: &str, target: Option<&str>) -> Audit {
    let question = Question {
        environment: "prod",
        since: at(since),
        target: target.map(|target| target.parse().unwrap()),
        queues: "arn:aws:sqs:eu-central-1:1:",
    };
    ledger.audit(&question).await.unwrap()
}

fn lines(audit: &Audit) -> Vec<String> {
    let line = |deed: &super::Deed| {
        format!(
            "{} {} {}: {}, {} ({}, {})",
            deed.at.map(|at| at.to_string()).unwrap_or_default(),
            deed.what,
            deed.target,
            deed.outcome,
            deed.why,
            deed.by.as_deref().unwrap_or("nobody"),
            deed.operation.as_deref().unwrap_or_default(),
        )
    };
    audit.deeds.iter().map(line).collect()
}

#[tokio::test]
async fn what_was_done_is_told_newest_first_with_why_and_by_whom() {
    let audit = asked(&world(), "2026-11-25T00:00:00Z", None).await;
    assert_eq!(
        lines(&audit),
        [
            "2026-11-26T05:00:00Z acknowledge alarm:web: firing, web is slow (ben, alarm:web)",
            "2026-11-26T04:00:00Z silence service=web: until 2026-12-01T00:00:00Z, it moves (ann, si-1)",
            "2026-11-26T03:00:00Z rollback ecs:prod/web: refused, asked for by hand: web:42 to web:41 (ann, op-2)",
            "2026-11-26T02:00:00Z redeploy ecs:prod/worker: failed, the secret prod/db-a1B2c3: web:41; no task could start \
             (nobody, op-3)",
            "2026-11-26T01:00:00Z scale ecs:prod/follow: made, the queue orders: 2 to 5 tasks, 2 of its own (nobody, sc-1)",
            "2026-11-26T00:30:00Z redrive orders-dlq: done: 7 sent, 1 returned, TimeoutError (ann, re-1)",
            "2026-11-26T00:20:00Z redrive quiet-dlq: ramp: 25 sent, 0 returned, no route (ben, re-2)",
            "2026-11-26T00:10:00Z purge orders-dlq: 12 archived, asked for by hand, kept as prod/orders-dlq/r (ann, pu-1)",
            "2026-11-26T00:05:00Z drain orders-dlq: begun; how it ended is not known, asked for by hand, kept as \
             prod/orders-dlq/s (ann, dr-1)",
            "2026-11-25T03:00:00Z rollback ecs:prod/web: recovered, the alarm web: 5xx: web:42 to web:41 (nobody, op-1)",
        ]
    );
    assert!(audit.missing.is_empty());
}

#[tokio::test]
async fn it_is_told_of_one_target_and_of_a_shorter_time() {
    let ids = |audit: Audit| audit.deeds.into_iter().filter_map(|deed| deed.operation).collect::<Vec<_>>();
    let ledger = world();
    assert_eq!(ids(asked(&ledger, "2026-11-25T00:00:00Z", Some("ecs:prod/web")).await), ["op-2", "op-1"]);
    assert_eq!(ids(asked(&ledger, "2026-09-01T00:00:00Z", Some("ecs:prod/old")).await), ["op-0"]);
    assert_eq!(ids(asked(&ledger, "2026-11-26T02:30:00Z", None).await), ["alarm:web", "si-1", "op-2"]);
    assert!(asked(&ledger, "2026-11-26T02:30:00Z", Some("ecs:prod/nothing")).await.deeds.is_empty());
}

#[tokio::test]
async fn of_more_than_are_read_the_newest_are_told() {
    let mut items = Vec::new();
    for second in 0..5_010_i64 {
        let began = Timestamp::from_second(1_795_000_000 + second).unwrap();
        let target = format!("ecs:prod/web-{}", second / 1_000);
        items.push(item("operations", &sort(began, "op"), &[("target", &target)]));
        let document =
            format!(r#"{{"what": "purge", "queue": "q", "by": "ann", "id": "{second}", "at": "{began}"}}"#);
        items.push(item("letters#deeds", &sort(began, "op"), &[("document", &document)]));
    }
    let audit = asked(&paged(items, 1_000), "2026-01-01T00:00:00Z", None).await;
    assert_eq!(audit.deeds.len(), 5_000);
    assert_eq!(audit.deeds[0].operation.as_deref(), Some("5009"), "the newest is there");
    assert!(audit.missing.iter().all(|said| said.contains("the oldest are missing")), "{:?}", audit.missing);
    assert_eq!(audit.missing.len(), 2);
}
