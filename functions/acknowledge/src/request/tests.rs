//! Requests of browsers, and those by hand.

use serde_json::{Value, json};

use super::{ByHand, Method, Request, SOMEBODY, read};

fn event(method: &str, kind: &str, body: &str, encoded: bool) -> Value {
    json!({
        "rawQueryString": "incident=x&token=secret",
        "headers": {"content-type": kind},
        "requestContext": {"http": {"method": method, "sourceIp": "203.0.113.7", "userAgent": "a browser"}},
        "body": body,
        "isBase64Encoded": encoded,
    })
}

const FORM: &str = "application/x-www-form-urlencoded";

#[track_caller]
fn check_name(kind: &str, body: &str, encoded: bool, expected: Result<&str, &str>) {
    let Request::Web(web) = read(&event("POST", kind, body, encoded)).unwrap() else {
        panic!("it is no request of a browser");
    };
    assert_eq!(web.name.as_deref().map_err(|why| *why), expected, "{body}");
    assert!(!format!("{web:?}").contains("secret"), "{web:?}");
}

#[test]
fn whoever_sends_the_form_is_named_as_they_say() {
    check_name(FORM, "name=ann", false, Ok("ann"));
    check_name(FORM, "other=x&name=+Ann+M%C3%BCller+", false, Ok("Ann Müller"));
    check_name(FORM, "bmFtZT1hbm4=", true, Ok("ann"));
    check_name("application/x-www-form-urlencoded; charset=UTF-8", "name=%3Cb%3E", false, Ok("<b>"));
    for nobody in ["", "name=", "name=++", "mane=ann"] {
        check_name(FORM, nobody, false, Ok(SOMEBODY));
    }
    check_name("", "", false, Ok(SOMEBODY));
    check_name(FORM, &format!("name={}", "ü".repeat(80)), false, Ok(&"ü".repeat(80)));
    // What joins the letters of a script belongs to a name.
    check_name(FORM, "name=%D9%85%E2%80%8C%D9%85", false, Ok("م\u{200c}م"));
}

#[test]
fn an_odd_form_is_refused_with_the_reason() {
    let long = "The name is longer than 80 characters.";
    check_name(FORM, &format!("name={}", "x".repeat(81)), false, Err(long));
    let unseen = "The name contains characters that cannot be seen.";
    for odd in ["a%00b", "a%0Ab", "a%E2%80%AEb", "a%E2%80%8Bb", "a%E2%80%A8b"] {
        check_name(FORM, &format!("name={odd}"), false, Err(unseen));
    }
    check_name("application/json", r#"{"name":"ann"}"#, false, Err("What was sent is not this page's form."));
    check_name("", "name=ann", false, Err("What was sent is not this page's form."));
    check_name(FORM, "%", true, Err("The form cannot be read."));
    check_name(FORM, &"x".repeat(5_000), false, Err("The form is larger than any name."));
}

#[test]
fn bytes_that_are_no_text_harm_nobody() {
    check_name(FORM, "name=%FF", false, Ok("\u{fffd}"));
    check_name(FORM, "/////w==", true, Ok(SOMEBODY));
}

#[track_caller]
fn check(event: &Value, expected: &str) {
    let said = match read(event) {
        Ok(Request::Web(web)) => format!("web {}", web.method.as_str()),
        Ok(Request::ByHand(ByHand::Acknowledge(wanted))) => format!("{} by {}", wanted.incident, wanted.by),
        Ok(Request::ByHand(ByHand::Incidents(_))) => "incidents".to_owned(),
        Err(error) => error.chain(),
    };
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn what_comes_by_the_url_is_never_taken_for_a_request_by_hand() {
    let wanted = json!({"incident": "i", "by": " ann "});
    check(&json!({"acknowledge": wanted}), "i by ann");
    check(&json!({"incidents": {}}), "incidents");
    check(&json!({"incidents": {"over": true}}), "incidents");
    check(&json!({"incidents": {"over": true, "since": "2026-11-20T01:00:00+01:00"}}), "incidents");

    let mut smuggled = event("POST", FORM, &json!({"acknowledge": wanted}).to_string(), false);
    check(&smuggled, "web POST");
    smuggled["acknowledge"] = wanted.clone();
    check(&smuggled, "web POST");
    let not_understood = "the event is not understood: ";
    for context in [json!({}), json!(null), json!({"http": {}}), json!({"http": {"method": 1}})] {
        check(&json!({"requestContext": context, "acknowledge": wanted}), not_understood);
    }
}

#[test]
fn what_is_neither_is_refused() {
    let wanted = json!({"incident": "i", "by": "ann"});
    for odd in [
        json!(null),
        json!([]),
        json!({}),
        json!({"acknowledge": wanted, "incidents": {}}),
        json!({"acknowledge": {"incident": "i"}}),
        json!({"acknowledge": {"incident": "i", "by": " "}}),
        json!({"acknowledge": {"incident": "i", "by": "a\nb"}}),
        json!({"acknowledge": {"incident": "i", "by": "ann", "more": 1}}),
        json!({"incidents": {"more": 1}}),
    ] {
        check(&odd, "the event is not understood: ");
    }
    for (listing, said) in [
        (json!({"since": "2026-11-20T00:00:00Z"}), "it goes with \"over\": true"),
        (json!({"over": true, "since": "7d"}), "incidents.since: \"7d\" is not a time with its offset"),
    ] {
        let error = read(&json!({"incidents": listing})).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn methods_are_known_as_they_are_written() {
    let methods = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("post", Method::Other),
        ("PUT", Method::Other),
        ("", Method::Other),
    ];
    for (text, expected) in methods {
        let Ok(Request::Web(web)) = read(&event(text, FORM, "", false)) else { panic!("{text}") };
        assert_eq!(web.method, expected, "{text}");
    }
}
