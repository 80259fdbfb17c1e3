use proptest::prelude::*;

use super::Document;
use crate::hidden::Hidden;

fn read(text: &str) -> Document {
    Document::read(text).unwrap()
}

#[track_caller]
fn check_with(before: &str, name: &str, value: &str, after: &str) {
    assert_eq!(read(before).with(name, &Hidden::new(value)).text().reveal(), after);
}

#[test]
fn a_renewed_field_leaves_the_others_as_they_are_written() {
    check_with(
        r#"{ "z": 1.0, "password": "old", "a": {"b" : [ 1e400, null ]} }"#,
        "password",
        "n\"ew",
        r#"{"z":1.0,"password":"n\"ew","a":{"b" : [ 1e400, null ]}}"#,
    );
    check_with(r#"{"username":"app"}"#, "password", "new", r#"{"username":"app","password":"new"}"#);
}

#[test]
fn a_field_is_a_text_or_a_number() {
    let document = read(r#"{"port": 5433, "host": "db", "flag": true, "empty": " ", "none": null}"#);
    let fields = ["port", "host", "flag", "empty", "none", "lacks"].map(|name| document.field(name));
    assert_eq!(fields, [Some("5433".to_owned()), Some("db".to_owned()), None, None, None, None]);
    assert!(document.has("none") && !document.has("lacks"));
}

#[test]
fn what_is_no_object_is_one_text() {
    for text in ["", "plain", "12", "[1]", "{\"open\": ", "\"{}\""] {
        assert_eq!(read(text).text().reveal(), text);
        assert!(matches!(read(text), Document::Plain(_)), "{text}");
    }
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let said = Document::read(r#"{"password": "hunter22", "password": "hunter23"}"#).unwrap_err();
    assert_eq!(said, r#"names the field "password" twice"#);
}

#[test]
fn only_the_names_of_fields_are_shown() {
    let document = read(r#"{"username": "app", "password": "hunter22"}"#);
    assert_eq!(format!("{document:?}"), r#"["username", "password"]"#);
    assert_eq!(serde_json::to_string(&document).unwrap(), r#"["username","password"]"#);
    assert_eq!(
        format!("{:?} {}", read("hunter22"), serde_json::to_string(&read("hunter22")).unwrap()),
        "text \"text\""
    );
}

#[test]
fn everything_but_where_and_who_is_hidden() {
    let document = read(
        r#"{"username": "app", "host": "db", "password": "hunter22", "more": {"keys": ["deep", 77, true]}}"#,
    );
    let hidden: Vec<_> = document.hidden().iter().map(|hidden| hidden.reveal().to_owned()).collect();
    assert_eq!(hidden, ["hunter22", "deep", "77"]);
}

#[test]
fn what_is_kept_is_compared_as_it_is_written() {
    let renewed = ["password".to_owned()];
    let one = read(r#"{"a": 1, "password": "x"}"#);
    assert!(one.same_but(&read(r#"{"password": "y", "a": 1}"#), &renewed));
    assert!(!one.same_but(&read(r#"{"password": "y", "a": 2}"#), &renewed));
    assert!(!one.same_but(&read("x"), &renewed));
}

proptest! {
    #[test]
    fn any_value_comes_back_from_the_field_that_it_was_put_in(value in "\\PC*[^\\s]\\PC*") {
        let document = read(r#"{"a":1}"#).with("password", &Hidden::new(&value));
        let again = read(document.text().reveal());
        prop_assert_eq!(again.field("password"), Some(value));
        prop_assert_eq!(again, document);
    }
}
