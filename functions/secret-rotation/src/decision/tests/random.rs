use shared::strategy::Strategy;

use super::check;
use crate::cases::{document, facts, secret};
use crate::event::Hook;
use crate::facts::{Facts, Which};

fn tagged(step: Hook, tags: &[(&str, &str)]) -> Facts {
    let mut facts = facts(step, Strategy::Random);
    let mut secret = secret(Strategy::Random);
    for (name, value) in tags {
        secret.tags.insert(format!("watchkeeper:random-{name}"), (*value).to_owned());
    }
    facts.secret = Some(Some(secret));
    facts
}

#[track_caller]
fn check_create(tags: &[(&str, &str)], current: Option<&str>, expected: &str) {
    let mut facts = tagged(Hook::CreateSecret, tags);
    facts.values.insert(Which::Pending, None);
    facts.values.insert(Which::Current, current.map(document));
    check(&facts, expected);
}

#[test]
fn tags_say_what_a_value_is_made_of() {
    check_create(&[], Some("old"), "act: create 64 Alphanumeric");
    check_create(&[], None, "act: create 64 Alphanumeric");
    check_create(&[("length", "128"), ("alphabet", "hex")], Some("old"), "act: create 128 Hex");
    check_create(&[("length", "40"), ("alphabet", " base64url ")], Some("old"), "act: create 40 Base64Url");
    check_create(&[("length", "39"), ("alphabet", "digits")], Some("old"), "act: create 39 Digits");
    for length in ["0", "x", "-1", "4097", "1.5", ""] {
        check_create(&[("length", length)], Some("old"), "refused: the tag watchkeeper:random-length is");
    }
    check_create(
        &[("alphabet", "emoji")],
        Some("old"),
        "refused: the tag watchkeeper:random-alphabet is \"emoji\"",
    );
    check_create(
        &[("length", "31"), ("alphabet", "hex")],
        Some("old"),
        "refused: 31 characters of that alphabet hold 124 bits",
    );
    check_create(&[("length", "32"), ("alphabet", "hex")], Some("old"), "act: create 32 Hex");
}

#[test]
fn tags_say_which_fields_are_renewed() {
    let current = Some(r#"{"KEY":"a","OTHER":"b","MORE":1}"#);
    check_create(&[("keys", "KEY")], current, "act: create KEY new 64");
    check_create(&[("keys", " MORE  KEY KEY ")], current, "act: create KEY new 64, MORE new 64");
    check_create(&[], current, "refused: the secret is a JSON object: name the fields");
    check_create(&[("keys", "KEY lacking")], current, "refused: the secret has no field \"lacking\"");
    check_create(&[("keys", " ")], current, "refused: the tag watchkeeper:random-keys names no field");
    check_create(
        &[("keys", "KEY")],
        Some("plain"),
        "refused: the tag watchkeeper:random-keys names fields, but",
    );
    check_create(&[("keys", "KEY")], None, "refused: the secret has no AWSCURRENT value whose fields");
}

#[test]
fn no_server_is_told_of_a_random_value() {
    check(&tagged(Hook::SetSecret, &[]), "set: no server needs to know a random value");
}

const HEX: [(&str, &str); 2] = [("length", "32"), ("alphabet", "hex")];
const NEW: &str = "0123456789abcdef0123456789abcdef";

#[track_caller]
fn check_test(keys: Option<&str>, current: &str, pending: &str, expected: &str) {
    let keys = keys.map(|keys| ("keys", keys));
    let tags: Vec<_> = HEX.into_iter().chain(keys).collect();
    let mut facts = tagged(Hook::TestSecret, &tags);
    facts.values.insert(Which::Current, Some(document(current)));
    facts.values.insert(Which::Pending, Some(document(pending)));
    check(&facts, expected);
}

#[test]
fn a_test_holds_the_value_against_the_tags_and_the_current_one() {
    let new = |rest: &str| format!(r#"{{"KEY":"{NEW}"{rest}}}"#);
    check_test(None, "old", NEW, "tested: AWSPENDING is well-formed and new");
    check_test(None, "old", "short", "refused: AWSPENDING is not what the secret's tags say");
    check_test(None, "old", &new(""), "refused: AWSPENDING is not what the secret's tags say");
    check_test(Some("KEY"), r#"{"KEY":"old"}"#, NEW, "refused: AWSPENDING is not what the secret's tags say");
    check_test(
        Some("KEY"),
        r#"{"KEY":"old","b":1}"#,
        &new(r#","b": 1"#),
        "tested: AWSPENDING is well-formed and new",
    );
    check_test(
        Some("KEY"),
        r#"{"KEY":"old","b":1}"#,
        &new(r#","b":2"#),
        "refused: AWSPENDING differs from AWSCURRENT",
    );
    check_test(
        Some("KEY"),
        r#"{"KEY":"old"}"#,
        r#"{"KEY":"short"}"#,
        "refused: AWSPENDING's field \"KEY\" is not",
    );
    check_test(
        Some("KEY"),
        &new(r#","b":1"#),
        &new(r#","b":2"#),
        "refused: AWSPENDING's field \"KEY\" is still the current",
    );
    // A test run: nothing is said against the value in use, whoever wrote it.
    check_test(None, "old", "old", "tested: AWSPENDING equals AWSCURRENT");
    check_test(Some("KEY"), r#"{"KEY":"old"}"#, r#"{"KEY":"old"}"#, "tested: AWSPENDING equals AWSCURRENT");
}
