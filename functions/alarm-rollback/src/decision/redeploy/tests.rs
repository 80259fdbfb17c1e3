//! Copies of copies, and the name of a secret.

use shared::ledger::operation::Operation;

use super::*;
use crate::cases::td;
use crate::decision::tests::truth::{operation, redeploy};

#[track_caller]
fn check_secret(incident: &str, expected: &str) {
    assert_eq!(secret(incident), expected);
}

#[test]
fn a_secret_is_called_by_its_name() {
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";
    check_secret(&format!("secret:{arn}prod/web/db-AbCdEf"), "prod/web/db");
    check_secret(&format!("secret:{arn}rds!cluster-1-aB3dE6"), "rds!cluster-1");
    check_secret(&format!("secret:{arn}prod/web-replica"), "prod/web-replica");
    check_secret("secret:prod/web/db", "prod/web/db");
    check_secret("alarm:web", "alarm:web");
}

fn copying(of: u32, to: u32, minutes: i64) -> Operation {
    Operation { copy_of: Some(td(of)), ..redeploy(of, to, minutes, None) }
}

#[test]
fn a_copy_is_known_as_such_also_after_it_was_redeployed_as_it_is() {
    let memory = Memory {
        redeploys: vec![redeploy(8, 8, 10, None), copying(7, 8, 100)],
        operations: vec![Operation { copy_of: Some(td(5)), ..operation("op-1", 6, 7, 200, None) }],
        ..Memory::default()
    };
    for (copy, of) in [(8, 5), (7, 5), (6, 6), (5, 5)] {
        assert_eq!(original(&memory, &td(copy)), td(of), "web:{copy}");
    }
    assert!(is_same(&memory, &td(8), "web:7") && is_same(&memory, "web:8", &td(5)));
    assert!(!is_same(&memory, &td(8), &td(6)));
}

#[test]
fn copies_in_a_circle_come_to_an_end() {
    let memory = Memory { redeploys: vec![copying(7, 8, 1), copying(8, 7, 2)], ..Memory::default() };
    assert!(!original(&memory, &td(8)).is_empty());
}
