use super::{Kind, parse};

#[track_caller]
fn check(secret: &str, expected: &str) {
    let got = match parse(secret) {
        Ok(channels) => format!("{channels:?}"),
        Err(error) => error.chain(),
    };
    assert!(got.contains(expected), "{got}\ndoes not say {expected:?}");
    assert!(!got.contains("hunter2"), "a value shows: {got}");
}

fn of(channels: &str) -> String {
    format!(r#"{{"channels":[{channels}]}}"#)
}

#[test]
fn a_channel_prints_without_its_address_and_key() {
    let secret = of(r#"{"name":"ops","type":"slack","url":"https://hooks.invalid/hunter2","room":"x"},
        {"name":"audit","type":"webhook","url":"https://hooks.invalid/hunter2","secret":"hunter2"}"#);
    check(&secret, r#"[Channel { name: "ops", kind: Slack }, Channel { name: "audit", kind: Webhook }]"#);
}

#[test]
fn a_secret_without_certain_channels_is_refused() {
    let refused = "the channels secret cannot be used: ";
    check("hunter2", &format!("{refused}it is not JSON (line 1, column 1)"));
    check("[]", "it has no list named \"channels\"");
    check(r#"{"channels":"hunter2"}"#, "it has no list named \"channels\"");
    check(&of(""), "its list of channels is empty");
    check(&of(r#""hunter2""#), "channel 1 is not an object");
    check(&of(r#"{"name":"a","type":"slack"},{"type":"slack"}"#), "channel 2: name is missing");
    check(&of(r#"{"name":"hunter2!"}"#), "channel 1: name may have at most 64 letters");
    let twice = of(r#"{"name":"ops"},{"name":"ops"}"#);
    check(&twice, "two channels are named \"ops\"");
}

#[test]
fn a_channel_that_cannot_be_used_says_which_field_is_wrong() {
    let broken = |fields: &str, expected: &str| {
        let secret = of(&format!(
            r#"{{"name":"ops",{fields}}},{{"name":"ok","type":"slack","url":"https://a.invalid"}}"#
        ));
        check(&secret, &format!("Broken({expected})"));
        assert!(matches!(parse(&secret).unwrap()[1].kind, Kind::Slack { .. }), "the other channel goes on");
    };
    broken(r#""type":"hunter2""#, "type is not known; write slack or webhook");
    broken(r#""url":"https://a.invalid""#, "type is missing");
    broken(r#""type":"slack""#, "url is missing");
    broken(r#""type":"slack","url":7"#, "url is not a text");
    broken(r#""type":"slack","url":"hunter2""#, "url is not an address");
    broken(r#""type":"slack","url":"http://a.invalid/hunter2""#, "url must begin with https://");
    broken(r#""type":"webhook","url":"https://a.invalid/hunter2""#, "secret is missing");
    broken(r#""type":"webhook","url":"https://a.invalid/hunter2","secret":" ""#, "secret is empty");
    let metadata = "url leads to a link-local or metadata address";
    broken(r#""type":"slack","url":"https://169.254.169.254/hunter2""#, metadata);
    broken(r#""type":"slack","url":"https://0xa9fea9fe/hunter2""#, metadata);
    broken(r#""type":"slack","url":"https://[::ffff:169.254.169.254]/hunter2""#, metadata);
}
