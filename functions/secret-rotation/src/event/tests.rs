//! The corpus in `events/secret-rotation`, and what is made of each file.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/secret-rotation")
}

/// Every file, and the beginning of what it is read as.
const EXPECTED: [(&str, &str); 27] = [
    ("create-secret-china.json", "createSecret of arn:aws-cn:secretsmanager:"),
    (
        "create-secret-rds-managed.json",
        "createSecret of arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!cluster-",
    ),
    (
        "create-secret-rotation-token.json",
        "createSecret of arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/db-AbCdEf to 11111111-2222-3333-4444-555555555555 with …",
    ),
    (
        "create-secret-snake-case.json",
        "createSecret of arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf to 11111111-2222-3333-4444-555555555555 without",
    ),
    ("create-secret.json", "createSecret of "),
    ("finish-secret-snake-case.json", "finishSecret of "),
    ("finish-secret.json", "finishSecret of "),
    (
        "hostile-empty.json",
        "error: the event is not understood: it is neither a rotation's step nor a settlement",
    ),
    (
        "hostile-eventbridge.json",
        "error: the event is not understood: it is neither a rotation's step nor a settlement",
    ),
    ("hostile-foreign-records.json", "error: the event is not understood: its records come from \"aws:sns\""),
    ("hostile-no-secret.json", "error: the event is not understood: setSecret lacks its SecretId"),
    ("hostile-no-token.json", "error: the event is not understood: setSecret lacks its ClientRequestToken"),
    ("hostile-null.json", "error: the event is not understood: it is neither"),
    ("hostile-number.json", "error: the event is not understood: it is neither"),
    (
        "hostile-settle-without-version.json",
        "error: the event is not understood: the message is no settlement",
    ),
    ("hostile-step-is-a-list.json", "error: the event is not understood: it is neither"),
    (
        "hostile-unknown-step.json",
        "error: the event is not understood: \"dropSecret\" is no step of a rotation",
    ),
    ("set-secret-snake-case.json", "setSecret of "),
    ("set-secret.json", "setSecret of "),
    ("settle-by-hand.json", "settle 11111111-2222-3333-4444-555555555555"),
    (
        "settlements-batch.json",
        "batch: settle 11111111-2222-3333-4444-555555555555, settle 11111111-2222-3333-4444-555555555555",
    ),
    ("settlements-empty.json", "batch: "),
    ("settlements-malformed.json", "batch: the message is no settlement: expected"),
    ("settlements-one.json", "batch: settle 11111111-2222-3333-4444-555555555555"),
    ("test-secret-rotate-immediately-false.json", "testSecret of "),
    ("test-secret-snake-case.json", "testSecret of "),
    ("test-secret.json", "testSecret of "),
];

fn settle(read: Settlement) -> String {
    let Settlement::Settle { version, .. } = read;
    format!("settle {version}")
}

fn read(event: &Value) -> String {
    match parse(event) {
        Ok(Arrived::Step(Request { step, secret, version, rotation_token })) => {
            let token = rotation_token.map_or("without".to_owned(), |token| format!("with {token:?}"));
            format!("{step} of {secret} to {version} {token}")
        }
        Ok(Arrived::Settlement(read)) => settle(read),
        Ok(Arrived::Batch(records)) => {
            let read: Vec<_> = records
                .iter()
                .map(|record| settlement(&record.body).map_or_else(|why| why, settle))
                .collect();
            format!("batch: {}", read.join(", "))
        }
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn every_event_of_the_corpus_is_read_as_what_it_is() {
    let there: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<_> = EXPECTED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, listed, "a file is listed here, and what is listed is there");
    for (name, expected) in EXPECTED {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let read = read(&serde_json::from_str(&text).unwrap());
        assert!(read.starts_with(expected), "{name}: {read}");
    }
}
