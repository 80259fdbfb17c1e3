use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use jiff::Timestamp;

use super::{Begun, End, Means, Operation};
use crate::Result;
use crate::error::Class;
use crate::ledger::lease::Lease;
use crate::ledger::revision::{Revision, Standing};
use crate::ledger::{Ledger, get_n, get_s, ms, s};
use crate::target::Target;

const BAD: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:42";
const GOOD: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:41";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-20T12:00:00Z")
}

fn target() -> Target {
    "ecs:prod/web".parse().unwrap()
}

fn operation() -> Operation {
    Operation {
        id: "op-1".to_owned(),
        incident: "alarm:web-cpu-high".to_owned(),
        means: Means::UpdateService,
        from: BAD.to_owned(),
        to: GOOD.to_owned(),
        copy_of: None,
        deployment: None,
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: now(),
        deadline: at("2026-11-20T12:30:00Z"),
        end: None,
    }
}

fn ledger(rule: &Rule) -> Ledger {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule], |conf| conf
        .retry_config(RetryConfig::disabled()));
    Ledger::new(client, "watchkeeper")
}

async fn begin(ledger: &Ledger) -> Result<Begun> {
    ledger.begin(&target(), &operation(), None, at("2026-11-20T13:00:00Z"), now()).await
}

/// A table that takes every transaction, and the writes of all of them in order.
fn table() -> (Ledger, Arc<Mutex<Vec<TransactWriteItem>>>) {
    let given = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&given);
    let rule = mock!(Client::transact_write_items).then_compute_output(move |input| {
        keep.lock().unwrap().extend(input.transact_items().to_vec());
        TransactWriteItemsOutput::builder().build()
    });
    (ledger(&rule), given)
}

/// The puts of one transaction; every write must be one, into our table and the target's partition, but for what the audit
/// finds the target by.
#[track_caller]
fn puts(writes: &[TransactWriteItem]) -> Vec<Put> {
    let put = |write: &TransactWriteItem| {
        let put = write.put().unwrap().clone();
        let of_audit =
            get_s(put.item(), "sk").unwrap().ends_with("#op-1") && put.item().contains_key("target");
        let expected = if of_audit { "operations" } else { "target#ecs:prod/web" };
        assert_eq!((put.table_name(), &put.item()["pk"]), ("watchkeeper", &s(expected)));
        put
    };
    writes.iter().map(put).collect()
}

#[tokio::test]
async fn beginning_is_one_transaction_of_lease_operation_and_the_revision_that_is_left() {
    let (ledger, given) = table();
    assert_eq!(begin(&ledger).await.unwrap(), Begun::Yes);
    let writes = puts(&given.lock().unwrap());

    let [lease, began, left, audit] = writes.as_slice() else { panic!("four writes, not {writes:?}") };
    assert_eq!(get_s(audit.item(), "sk").as_deref(), Some("1795176000000#op-1"));
    assert_eq!(get_s(audit.item(), "target").as_deref(), Some("ecs:prod/web"));
    assert_eq!(get_s(lease.item(), "sk").as_deref(), Some("lease"));
    assert_eq!(
        Lease::read(lease.item()),
        Some(Lease { owner: "op-1".to_owned(), until: at("2026-11-20T13:00:00Z") })
    );
    assert_eq!(get_s(began.item(), "sk").as_deref(), Some("operation#op-1"));
    assert_eq!(Operation::read(began.item()), Some(operation()));
    assert_eq!(get_s(left.item(), "sk"), Some(format!("revision#{BAD}")));
    assert_eq!(
        Revision::read(left.item()),
        Some(Revision { arn: BAD.to_owned(), standing: Standing::Bad, since: now() })
    );

    let kept = |put: &Put| get_n(put.item(), "expires_at").unwrap() - now().as_second();
    let half_a_year = 180 * 86_400;
    assert_eq!(
        [lease, began, left, audit].map(kept),
        [3_600 + 86_400, half_a_year, half_a_year, half_a_year]
    );
}

#[tokio::test]
async fn a_lease_is_taken_where_none_is_held_or_its_time_is_over_or_it_is_ours() {
    let (ledger, given) = table();
    begin(&ledger).await.unwrap();
    let writes = puts(&given.lock().unwrap());

    let conditions: Vec<_> = writes.iter().map(Put::condition_expression).collect();
    assert_eq!(
        conditions,
        [Some("attribute_not_exists(pk) OR #until <= :now OR #owner IN (:owner, :over)"), None, None, None]
    );
    let values = [(":now", ms(now())), (":owner", s("op-1")), (":over", s("op-1"))]
        .map(|(name, value)| (name.to_owned(), value));
    assert_eq!(writes[0].expression_attribute_values().unwrap(), &values.into());
    let names =
        [("#until", "until"), ("#owner", "owner")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(writes[0].expression_attribute_names().unwrap(), &names.into());
}

/// What beginning comes to when DynamoDB answers so.
async fn answered(status: u16, body: String) -> Result<Begun> {
    let rule = mock!(Client::transact_write_items).sequence().http_status(status, Some(body)).build();
    begin(&ledger(&rule)).await
}

#[tokio::test]
async fn a_failed_condition_or_a_conflict_means_that_somebody_else_holds_the_target() {
    for (reasons, expected) in [
        (&["ConditionalCheckFailed", "None", "None"][..], Ok(Begun::Taken)),
        (&["TransactionConflict", "None", "None"], Ok(Begun::Taken)),
        (&["None", "TransactionConflict", "None"], Ok(Begun::Taken)),
        (&["None", "None", "ThrottlingError"], Err((Class::Transient, "ThrottlingError"))),
        (&["ProvisionedThroughputExceeded"], Err((Class::Transient, "ProvisionedThroughputExceeded"))),
        (&["None", "ValidationError", "None"], Err((Class::Permanent, "ValidationError"))),
    ] {
        let listed: Vec<_> = reasons.iter().map(|code| format!(r#"{{"Code": "{code}"}}"#)).collect();
        let body = format!(
            r#"{{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": [{}],
                "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons"}}"#,
            listed.join(", ")
        );
        match (answered(400, body).await, expected) {
            (Ok(begun), Ok(expected)) => assert_eq!(begun, expected, "{reasons:?}"),
            (Err(error), Err((class, code))) => {
                assert_eq!((error.class(), error.code()), (class, Some(code)), "{reasons:?}");
                assert_eq!(
                    error.chain(),
                    format!("dynamodb:PutItem failed: the transaction was cancelled: {code}")
                );
            }
            (begun, expected) => panic!("{reasons:?}: {begun:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_transaction_that_was_not_judged_is_an_error_by_its_code() {
    for (status, code, class) in [
        (400, "TransactionInProgressException", Class::Transient),
        (400, "ThrottlingException", Class::Transient),
        (500, "InternalServerError", Class::Transient),
        (400, "IdempotentParameterMismatchException", Class::Permanent),
    ] {
        let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "why"}}"#);
        let error = answered(status, body).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, Some(code)));
    }
}

#[tokio::test]
async fn a_recovery_ends_the_operation_and_proves_the_revision_it_returned_to() {
    let (ledger, given) = table();
    let later = at("2026-11-20T12:10:00Z");
    ledger.finish(&target(), &operation(), End::Recovered, later).await.unwrap();
    let writes = puts(&given.lock().unwrap());

    let [ended, kept] = writes.as_slice() else { panic!("two writes, not {writes:?}") };
    assert_eq!(Operation::read(ended.item()), Some(Operation { end: Some(End::Recovered), ..operation() }));
    assert_eq!(
        Revision::read(kept.item()),
        Some(Revision { arn: GOOD.to_owned(), standing: Standing::Good, since: later })
    );
}

#[tokio::test]
async fn an_operation_that_was_superseded_ends_and_proves_nothing() {
    let (ledger, given) = table();
    ledger.finish(&target(), &operation(), End::Superseded, now()).await.unwrap();
    let writes = puts(&given.lock().unwrap());

    let [ended] = writes.as_slice() else { panic!("one write, not {writes:?}") };
    assert_eq!(Operation::read(ended.item()), Some(Operation { end: Some(End::Superseded), ..operation() }));
}

#[tokio::test]
async fn a_refusal_ends_the_operation_and_gives_back_its_own_lease_only() {
    let (ledger, given) = table();
    ledger.refused(&target(), &operation()).await.unwrap();
    let writes = given.lock().unwrap().clone();

    let [ended, lease, forgotten] = writes.as_slice() else { panic!("three writes, not {writes:?}") };
    assert_eq!(forgotten.delete().unwrap().key()["sk"], s(format!("revision#{BAD}")));
    let ended = puts(std::slice::from_ref(ended));
    assert_eq!(Operation::read(ended[0].item()), Some(Operation { end: Some(End::Refused), ..operation() }));
    let lease = lease.delete().unwrap();
    let key =
        [("pk", s("target#ecs:prod/web")), ("sk", s("lease"))].map(|(name, value)| (name.to_owned(), value));
    assert_eq!((lease.table_name(), lease.key()), ("watchkeeper", &key.into()));
    assert_eq!(lease.condition_expression(), Some("attribute_not_exists(pk) OR #owner = :owner"));
    assert_eq!(lease.expression_attribute_values().unwrap()[":owner"], s("op-1"));
}

#[tokio::test]
async fn an_operation_that_blames_nobody_leaves_no_mark() {
    let innocent = Operation { means: Means::Scale, blames: false, ..operation() };
    let (ledger, given) = table();
    ledger.begin(&target(), &innocent, None, at("2026-11-20T13:00:00Z"), now()).await.unwrap();
    ledger.refused(&target(), &innocent).await.unwrap();
    let text = format!("{:?}", given.lock().unwrap());
    assert!(text.contains("operation#op-1") && !text.contains("revision#"), "{text}");
}

#[tokio::test]
async fn a_number_of_tasks_is_no_revision_to_return_to() {
    let scaled = Operation { means: Means::Scale, blames: false, to: "2 tasks".to_owned(), ..operation() };
    let (ledger, given) = table();
    ledger.finish(&target(), &scaled, End::Recovered, now()).await.unwrap();
    assert_eq!(puts(&given.lock().unwrap()).len(), 1);
}

#[test]
fn an_operation_reads_back_as_it_was_written() {
    let whole = Operation {
        copy_of: Some("web:40".to_owned()),
        deployment: Some("ecs-svc/1".to_owned()),
        before: Some("{}".to_owned()),
        asked_by: Some("alice".to_owned()),
        end: Some(End::Unhealed),
        means: Means::ContinueUpdateRollback,
        ..operation()
    };
    for operation in [operation(), whole] {
        assert_eq!(Operation::read(&operation.item("target#ecs:prod/web")), Some(operation));
    }
}

#[track_caller]
fn check_running(end: Option<End>, now: &str, expected: bool) {
    assert_eq!(Operation { end, ..operation() }.is_running(at(now)), expected, "{end:?} at {now}");
}

#[test]
fn an_operation_runs_until_it_is_ended_or_its_deadline_comes() {
    check_running(None, "2026-11-20T12:00:00Z", true);
    check_running(None, "2026-11-20T12:29:59.999Z", true);
    check_running(None, "2026-11-20T12:30:00Z", false);
    check_running(Some(End::Recovered), "2026-11-20T12:00:00Z", false);
    check_running(Some(End::Refused), "2026-11-20T12:00:00Z", false);
}
