//! The ledger's table, with the conditions that it is written under.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, TransactionCanceledException};
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use aws_smithy_mocks::{MockResponse, Rule, mock};
use shared::ledger::Item;

use super::{World, meta};

impl World {
    pub(super) fn ledger(&self) -> Vec<Rule> {
        use aws_sdk_dynamodb::Client;
        let world = self.clone();
        let put = mock!(Client::put_item).then_compute_response(move |put| {
            let item = put.item().unwrap();
            let at = key(item);
            if let Some(code) =
                world.broken(&format!("PutItem {}", at.1.split('#').next().unwrap_or_default()))
            {
                return MockResponse::Error(PutItemError::generic(meta(code)));
            }
            let mut state = world.state();
            let none = BTreeMap::new();
            let names =
                put.expression_attribute_names().map_or(none, |names| names.clone().into_iter().collect());
            let values = put.expression_attribute_values().cloned().unwrap_or_default();
            if !holds(put.condition_expression(), state.table.get(&at), &names, &values) {
                let refused = ConditionalCheckFailedException::builder().build();
                return MockResponse::Error(PutItemError::ConditionalCheckFailedException(refused));
            }
            state.table.insert(at, item.clone());
            MockResponse::Output(PutItemOutput::builder().build())
        });
        let world = self.clone();
        let transact = mock!(Client::transact_write_items).then_compute_response(move |all| {
            let mut state = world.state();
            let mut writes = Vec::new();
            for item in all.transact_items() {
                let (at, new, condition, names, values) = match (item.put(), item.delete()) {
                    (Some(put), _) => (
                        key(put.item()),
                        Some(put.item().clone()),
                        put.condition_expression(),
                        put.expression_attribute_names(),
                        put.expression_attribute_values(),
                    ),
                    (None, Some(delete)) => (
                        key(delete.key()),
                        None,
                        delete.condition_expression(),
                        delete.expression_attribute_names(),
                        delete.expression_attribute_values(),
                    ),
                    (None, None) => panic!("neither put nor delete"),
                };
                let names = names.cloned().unwrap_or_default().into_iter().collect();
                if !holds(condition, state.table.get(&at), &names, &values.cloned().unwrap_or_default()) {
                    let reason = CancellationReason::builder().code("ConditionalCheckFailed").build();
                    let refused =
                        TransactionCanceledException::builder().cancellation_reasons(reason).build();
                    return MockResponse::Error(TransactWriteItemsError::TransactionCanceledException(
                        refused,
                    ));
                }
                writes.push((at, new));
            }
            for (at, new) in writes {
                match new {
                    Some(new) => state.table.insert(at, new),
                    None => state.table.remove(&at),
                };
            }
            MockResponse::Output(TransactWriteItemsOutput::builder().build())
        });
        let world = self.clone();
        let delete = mock!(Client::delete_item).then_compute_output(move |delete| {
            world.state().table.remove(&key(delete.key().unwrap()));
            DeleteItemOutput::builder().build()
        });
        let world = self.clone();
        let query = mock!(Client::query).then_compute_output(move |query| {
            let values = query.expression_attribute_values().unwrap();
            let (pk, begins) = (text(values, ":pk"), text(values, ":member"));
            let state = world.state();
            let items = state.table.iter().filter(|((its, sk), _)| *its == pk && sk.starts_with(&begins));
            QueryOutput::builder().set_items(Some(items.map(|(_, item)| item.clone()).collect())).build()
        });
        let world = self.clone();
        let get = mock!(Client::get_item).then_compute_output(move |get| {
            let item = world.state().table.get(&key(get.key().unwrap())).cloned();
            GetItemOutput::builder().set_item(item).build()
        });
        let world = self.clone();
        let write = mock!(Client::batch_write_item).then_compute_output(move |batch| {
            let mut state = world.state();
            for request in &batch.request_items().unwrap()["ledger"] {
                let item = request.put_request().unwrap().item();
                state.table.insert(key(item), item.clone());
            }
            BatchWriteItemOutput::builder().build()
        });
        let world = self.clone();
        let read = mock!(Client::batch_get_item).then_compute_output(move |batch| {
            let state = world.state();
            let keys = batch.request_items().unwrap()["ledger"].keys();
            let items = keys.iter().filter_map(|one| state.table.get(&key(one))).cloned().collect();
            BatchGetItemOutput::builder().responses("ledger", items).build()
        });
        vec![put, transact, delete, query, get, write, read]
    }
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn key(item: &Item) -> (String, String) {
    (text(item, "pk"), text(item, "sk"))
}

/// Whether a condition holds: clauses of `attribute_not_exists(pk)`, `a = b`, `a <= b` and `a IN (b, c)`, any of them.
fn holds(
    condition: Option<&str>,
    item: Option<&Item>,
    names: &BTreeMap<String, String>,
    values: &Item,
) -> bool {
    let Some(condition) = condition else { return true };
    let number =
        |value: Option<&AttributeValue>| value.and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
    condition.split(" OR ").any(|clause| {
        let Some(item) = item else { return clause == "attribute_not_exists(pk)" };
        let attribute = |name: &str| item.get(names.get(name).map_or(name, String::as_str));
        match clause.split_once(' ') {
            None => false,
            Some((name, rest)) => match rest.split_once(' ').unwrap() {
                ("=", value) => attribute(name) == values.get(value),
                ("<=", value) => number(attribute(name)) <= number(values.get(value)),
                ("IN", list) => list
                    .trim_matches(['(', ')'])
                    .split(", ")
                    .any(|value| attribute(name) == values.get(value)),
                (other, _) => panic!("{other} is no condition that is known here"),
            },
        }
    })
}
