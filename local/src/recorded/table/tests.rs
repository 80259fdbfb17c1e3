use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use serde_json::{Value, json};

use super::condition::Condition;
use super::{Entry, Table};
use crate::aws::sdk_config;
use crate::proxy::Proxy;
use crate::recorded::uncovered;

struct Scene {
    table: Table,
    client: Client,
    _proxy: Proxy,
}

async fn scene(table: Table) -> Scene {
    let answers = table.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    Scene { table, client: Client::new(&sdk_config(proxy.url()).await), _proxy: proxy }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[track_caller]
fn check(expression: &str, expected: Result<bool, &str>) {
    let asked = json!({
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":few": {"N": "1"}, ":ten": {"N": "10"}, ":on": {"S": "on"}, ":off": {"S": "off"}},
    });
    // What is not used would be refused.
    let used = |field: &str| -> Value {
        let given = asked[field].as_object().unwrap().clone().into_iter();
        given.filter(|(name, _)| expression.contains(name.as_str())).collect::<Entry>().into()
    };
    let asked = json!({
        "ExpressionAttributeNames": used("ExpressionAttributeNames"),
        "ExpressionAttributeValues": used("ExpressionAttributeValues"),
    });
    let Value::Object(entry) = json!({"pk": {"S": "p"}, "count": {"N": "9"}, "state": {"S": "on"}}) else {
        return;
    };
    match (Condition::read(expression, &asked), expected) {
        (Ok(condition), Ok(expected)) => assert_eq!(condition.holds(Some(&entry)), expected, "{expression}"),
        (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
        (read, expected) => panic!("{expression}: {read:?} instead of {expected:?}"),
    }
}

#[test]
fn conditions_hold_as_they_are_written() {
    check("attribute_not_exists(pk)", Ok(false));
    check("attribute_exists(pk) AND attribute_not_exists(other)", Ok(true));
    check("count < :ten", Ok(true));
    check("count <= :few OR #state = :on", Ok(true));
    check("count <= :few AND #state = :on", Ok(false));
    check("#state <> :on", Ok(false));
    check("other <> :on", Ok(true));
    check("other < :ten", Ok(false));
    check("count = :on", Ok(false));
    check("#state IN (:off, :on)", Ok(true));
    check("NOT #state IN (:off)", Ok(true));
    check("attribute_not_exists(pk) OR (#state = :off AND count > :few)", Ok(false));
    check("(attribute_not_exists(pk) OR #state = :on) AND count >= :few", Ok(true));
    check("begins_with(#state, :on)", Ok(true));
}

#[test]
fn what_is_no_condition_is_refused() {
    check("count <", Err("<EOF>"));
    check("count = :two", Err("not defined; attribute value: :two"));
    check("#other = :few", Err("not defined; attribute name: #other"));
    check("size(count) = :few", Err("function: size"));
    check("count = :few :ten", Err("token: \":ten\""));
    check("count == :few", Err("Syntax error"));
    let asked = json!({"ExpressionAttributeValues": {":idle": {"S": ""}}});
    assert!(Condition::read("attribute_exists(pk)", &asked).unwrap_err().contains("unused in expressions"));
}

#[tokio::test]
async fn a_write_whose_condition_does_not_hold_is_refused_and_shows_what_is_there() {
    let scene = scene(Table::new("ledger")).await;
    let put = |version: i64| {
        let put = scene.client.put_item().table_name("ledger").item("pk", s("p")).item("sk", s("s"));
        put.item("version", n(version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    put(1).condition_expression("attribute_not_exists(pk)").send().await.unwrap();
    let error = put(2).condition_expression("attribute_not_exists(pk)").send().await.unwrap_err();
    let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
        panic!("{error:?}")
    };
    assert_eq!(failed.item().unwrap()["version"], n(1));
    let swap =
        put(2).condition_expression("version = :version").expression_attribute_values(":version", n(1));
    swap.send().await.unwrap();
    let got = scene.client.get_item().table_name("ledger").key("pk", s("p")).key("sk", s("s")).send().await;
    assert_eq!(got.unwrap().item.unwrap()["version"], n(2));
    let delete = |version: i64| {
        let delete = scene.client.delete_item().table_name("ledger").key("pk", s("p")).key("sk", s("s"));
        delete
            .condition_expression("attribute_not_exists(pk) OR version = :version")
            .expression_attribute_values(":version", n(version))
    };
    let error = delete(1).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
    delete(2).send().await.unwrap();
    delete(2).send().await.unwrap();
    assert_eq!(scene.table.items(), Vec::<Entry>::new());
}

#[tokio::test]
async fn a_query_finds_what_is_not_less_page_by_page() {
    let scene = scene(Table::new("ledger").with_pages_of(2)).await;
    for (pk, sk) in [("a", "1"), ("b", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("c", "9")] {
        scene
            .client
            .put_item()
            .table_name("ledger")
            .item("pk", s(pk))
            .item("sk", s(sk))
            .send()
            .await
            .unwrap();
    }
    let (mut found, mut start, mut pages) = (Vec::new(), None, 0);
    loop {
        let query = scene.client.query().table_name("ledger").consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk AND sk >= :sk")
            .expression_attribute_values(":pk", s("b"))
            .expression_attribute_values(":sk", s("2"));
        let page = query.set_exclusive_start_key(start).send().await.unwrap();
        found.extend(page.items().iter().map(|item| item["sk"].as_s().unwrap().clone()));
        pages += 1;
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (vec!["2".to_owned(), "3".to_owned(), "4".to_owned()], 2));
}

#[tokio::test]
async fn a_transaction_is_done_whole_or_not_at_all() {
    let scene = scene(Table::new("ledger")).await;
    let put = |sk: &str| {
        let put = Put::builder().table_name("ledger").item("pk", s("p")).item("sk", s(sk));
        TransactWriteItem::builder()
            .put(put.condition_expression("attribute_not_exists(pk)").build().unwrap())
            .build()
    };
    let transact =
        |items: Vec<TransactWriteItem>| scene.client.transact_write_items().set_transact_items(Some(items));
    transact(vec![put("1"), put("2")]).send().await.unwrap();
    let error = transact(vec![put("3"), put("2")]).send().await.unwrap_err().into_service_error();
    assert!(error.is_transaction_canceled_exception(), "{error:?}");
    assert_eq!(scene.table.items().len(), 2);
}

#[tokio::test]
async fn keys_and_sizes_are_checked_and_another_table_is_not_answered_for() {
    let scene = scene(Table::new("ledger")).await;
    let put = |name: &str| scene.client.put_item().table_name(name).item("pk", s("p"));
    for (put, part) in [
        (put("ledger"), "Missing the key sk"),
        (put("ledger").item("sk", s("")), "empty string value. Key: sk"),
        (put("ledger").item("sk", n(1)), "expected: S"),
        (put("ledger").item("sk", s("s")).item("text", s(&"x".repeat(409_600))), "exceeded the maximum"),
        (put("ledger").item("sk", s("s")).expression_attribute_values(":x", n(1)), "when using expressions"),
    ] {
        let error = put.send().await.unwrap_err();
        assert!(error.message().unwrap().contains(part), "{error:?}");
    }
    let error = put("another").item("sk", s("s")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("NothingRecorded"));
    assert_eq!(scene.table.items(), Vec::<Entry>::new());
}
