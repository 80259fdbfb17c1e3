//! A body as people may see it: its structure, and of its values only what says nothing of a person and opens nothing.

mod text;

use serde_json::Value;

use crate::signature::cut;
use text::{LONG_NUMBER, is_secret, is_secret_name, names};

pub(crate) use text::masked;

/// How much of a body is shown, in bytes.
const LONGEST: usize = 600;

/// A value longer than this is shown by its beginning.
const LONGEST_VALUE: usize = 60;

/// How deep a body is shown, and how much of each list and object.
const DEEPEST: usize = 4;
const MOST: usize = 12;

/// A body larger than this is not parsed to be shown.
const LARGEST: usize = 1 << 18;

/// So much of a text is looked through: what is shown of it is cut out of that, so that a value is known for what it is
/// also where its end is not shown.
const SCANNED: usize = 16 << 10;

/// A body as people may see it.
#[must_use]
pub fn redacted(body: &str) -> String {
    let shown = match parsed(body) {
        Some(value) => shown(&value, 0).to_string(),
        None => beginning(body, LONGEST),
    };
    if shown.len() <= LONGEST { shown } else { format!("{}…", cut(&shown, LONGEST)) }
}

fn parsed(text: &str) -> Option<Value> {
    if text.len() <= LARGEST { serde_json::from_str(text).ok() } else { None }
}

/// The beginning of a text, masked before it is cut.
fn beginning(text: &str, most: usize) -> String {
    let looked_through = cut(text, SCANNED);
    let mut shown = masked(looked_through);
    if looked_through.len() < text.len() {
        // Of the last word nobody knows what it would have been.
        shown.truncate(shown.rfind(char::is_whitespace).unwrap_or_default());
    }
    cut(&shown, most).to_owned()
}

fn shown(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if depth == DEEPEST => Value::from("…"),
        Value::Object(fields) => {
            // As environments, headers and tags are written: `{"name": "DB_PASSWORD", "value": "…"}`.
            let hides = fields.iter().any(|(name, value)| value.as_str().is_some_and(|it| names(name, it)));
            let mut kept: serde_json::Map<String, Value> = fields
                .iter()
                .take(MOST)
                .map(|(name, value)| {
                    let hidden = hides || is_secret(name);
                    let value = if hidden { Value::from("***") } else { shown(value, depth + 1) };
                    (beginning(name, LONGEST_VALUE), value)
                })
                .collect();
            if fields.len() > MOST {
                kept.insert("…".to_owned(), Value::from(format!("{} more", fields.len() - MOST)));
            }
            Value::Object(kept)
        }
        Value::Array(all) => {
            // As command lines and pairs are written: `["--password", "…"]`.
            let before = std::iter::once(None).chain(all.iter().map(Some));
            let mut kept: Vec<Value> = before
                .zip(all)
                .take(MOST)
                .map(|(before, value)| match before.and_then(Value::as_str) {
                    Some(before) if is_secret_name(before) => Value::from("***"),
                    Some(_) | None => shown(value, depth + 1),
                })
                .collect();
            if all.len() > MOST {
                kept.push(Value::from(format!("{} more", all.len() - MOST)));
            }
            Value::Array(kept)
        }
        Value::String(text) => {
            // A message within a message, as SNS and EventBridge wrap them.
            let wraps = text.trim_start().starts_with(['{', '[', '"']) && depth < DEEPEST;
            match parsed(text).filter(|_| wraps) {
                Some(inner) => Value::from(shown(&inner, depth + 1).to_string()),
                None => Value::from(beginning(text, LONGEST_VALUE)),
            }
        }
        Value::Number(number) if number.to_string().len() >= LONG_NUMBER => Value::from("***"),
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::redacted;

    #[test]
    fn structure_is_shown_and_values_that_tell_of_people_are_not() {
        let cases = [
            (r#"{"type":"order.paid","id":17,"ok":true}"#, r#"{"type":"order.paid","id":17,"ok":true}"#),
            (r#"{"password":"hunter2","apiKey":"x"}"#, r#"{"password":"***","apiKey":"***"}"#),
            (r#"{"note":"ask ann@shop.example"}"#, r#"{"note":"ask ***"}"#),
            (r#"{"number":4111111111111111}"#, r#"{"number":"***"}"#),
            (r#"{"text":"call 00491701234567 now"}"#, r#"{"text":"call *** now"}"#),
            (r#"{"at":"2026-11-26T08:00:00Z"}"#, r#"{"at":"2026-11-26T08:00:00Z"}"#),
            (r#"{"user":{"first_name":"Ann","age":7}}"#, r#"{"user":"***"}"#),
            (r#"{"Message":"{\"email\":\"a\"}"}"#, r#"{"Message":"{\"email\":\"***\"}"}"#),
            (r#"{"a":{"b":{"c":{"d":{"e":1}}}}}"#, r#"{"a":{"b":{"c":{"d":"…"}}}}"#),
            ("password=hunter2 and more", "password=*** and more"),
            ("token: hunter2", "token: ***"),
            ("a=1&password=hunter2", "a=1&password=***"),
            ("<password>hunter2</password>", "<password>***</password>"),
            (r#"{"password":["hunter2"],"address":{"line":"x"}}"#, r#"{"password":"***","address":"***"}"#),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6 is a token", "*** is a token"),
            ("https://shop.example/orders is fine", "https://shop.example/orders is fine"),
            ("https://shop.example/reset/8f3a2b9c7d6e5f4a/go", "https://shop.example/reset/***/go"),
            ("https://shop.example/orders/2026-11/A-17", "https://shop.example/orders/2026-11/A-17"),
            ("https://hooks.slack.com/services/T1/B2/short", "https://hooks.slack.com/***/***/***/***"),
            (r#"{"pw":"hunter2","DB_PW":"x"}"#, r#"{"pw":"***","DB_PW":"***"}"#),
            ("PW=hunter2 and more", "PW=*** and more"),
            (r#"{"name":"DB_PASSWORD","value":"hunter2"}"#, r#"{"name":"***","value":"***"}"#),
            (r#"{"a":["--password","hunter2","x"]}"#, r#"{"a":["--password","***","x"]}"#),
            (r#"{"ann@shop.example":1}"#, r#"{"***":1}"#),
            (r#"{"a":"[{\"token\":\"x\"}]"}"#, r#"{"a":"[{\"token\":\"***\"}]"}"#),
        ];
        for (body, expected) in cases {
            let mut got = redacted(body);
            // The order of names is the parser's.
            if let (Ok(got_value), Ok(value)) = (
                serde_json::from_str::<serde_json::Value>(&got),
                serde_json::from_str::<serde_json::Value>(expected),
            ) && got_value == value
            {
                got = expected.to_owned();
            }
            assert_eq!(got, expected, "{body}");
        }
    }

    /// Each holds `hunter2`, or a part of it that opens something, where it must not be seen.
    const HOLES: [&str; 50] = [
        r#"password = "hunter2 hunter2""#,
        r#"password="hunter2 hunter2""#,
        "password: 'it''s hunter2'",
        "password: correct horse hunter2",
        "password: \"say \\\"hunter2\\\" now\"",
        "password:\n  hunter2",
        "password: |\n  x\n  hunter2",
        "Password:\r\nhunter2",
        "Authorization: Basic hunter2",
        "authorization: Basic   hunter2=",
        "Authorization: Digest username=\"x\", response=\"hunter2\"",
        "Authorization: AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature=hunter2",
        "Authorization: Custom a b hunter2",
        r#"-H "Authorization: ApiKey hunter2""#,
        "Basic hunter2 was sent",
        "it said bearer hunter2",
        "Cookie: a=1; sid=hunter2",
        r#"failed: {\"password\":\"hunter2 hunter2\",\"id\":1}"#,
        r#"failed: {\\\"password\\\": \\\"a\\\\\\\"hunter2\\\"}"#,
        r#"failed: {"password": "a\\", "token": "hunter2"}"#,
        r#"failed: {"user": {"first": "}", "last": "hunter2"}, "id": 1}"#,
        r#"failed: {"tokens": ["a", "hunter2"]}"#,
        r"failed: {'password': 'hunter2 x'",
        r"failed: {'password': b'x hunter2'}",
        r#"failed: {"name": "DB_PASSWORD", "value": "hunter2"}"#,
        "{\"password\": \"hunter2",
        r#"{"text": "password = \"x hunter2\""}"#,
        r#"{"headers": ["Authorization: Basic hunter2"]}"#,
        r#"{"headers": [{"key": "Authorization", "val": "hunter2"}]}"#,
        r#"{"args": ["--db-password", "hunter2"]}"#,
        "--password hunter2 --verbose",
        "[('Authorization', 'Basic hunter2')]",
        "postgres://ann:hunter2@db/orders",
        "postgres://ann:a,b;'hunter2@db/orders",
        "jdbc:postgresql://db/orders?user=a&pw=hunter2",
        "https://shop.example/x?sig=hunter2",
        "https://shop.example/x#access=hunter2",
        "https://hooks.example/services/T000/B000/hunter2hunterhunterhunter",
        "Server=db;Password=hunter2;Port=1",
        "a=1&password%3Dhunter2",
        "<password>x hunter2</password>",
        "<db:Password kind=\"a\"><![CDATA[x hunter2]]></db:Password>",
        r#"<db password="x hunter2"/>"#,
        r#"<entry key="db.password">x hunter2</entry>"#,
        "name=\"password\"\r\n\r\nx hunter2\r\n--b",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nabc hunter2",
        "a password => 'x hunter2'",
        "secret := `hunter2`",
        "{password: hunter2, id: 1}",
    ];

    #[test]
    fn no_way_of_writing_a_secret_shows_it() {
        for body in HOLES {
            let inner = serde_json::json!({"detail": {"message": body}}).to_string();
            let wrapped = serde_json::json!({"Message": inner}).to_string();
            let long = format!("{} {body}", "x".repeat(super::LARGEST));
            assert!(!redacted(&long).contains("hunter2"));
            for body in [body, &inner, &wrapped, &format!("{wrapped} and more")] {
                let shown = redacted(body);
                assert!(!shown.contains("hunter2"), "{body}\n{shown}");
            }
        }
    }

    #[test]
    fn tokens_are_known_by_themselves() {
        for token in [
            "AKIAIOSFODNNEXAMPLEX",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "eyJhbGci.eyJzdWIi.abc",
            "ghp_abcdefghijkl",
            "xoxb-abc-def",
            "sk_live_abcdef",
            "4111 1111 1111 1111",
            "+49 170 123-45-67",
            "ann.smith@shop.example",
        ] {
            for text in [token.to_owned(), format!("got {token}, and no more"), format!("x/{token}/y")] {
                assert!(!redacted(&text).contains(token), "{text}: {}", redacted(&text));
            }
        }
    }

    #[test]
    fn what_says_nothing_of_anybody_is_shown() {
        for text in [
            "it died at 2026-11-26 08:00:00 of a timeout after 30 s",
            "2026-11-26T08:00:00.123Z: connection refused",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db is gone",
            "it may not secretsmanager:GetSecretValue",
            "JsonWebTokenError: jwt expired",
            "KeyError: no such order",
            "https://shop.example/orders/17/lines",
        ] {
            assert_eq!(redacted(text), text);
        }
        assert_eq!(
            redacted("User: arn:aws:sts::1:assumed-role/x is not authorized to perform: sqs:SendMessage"),
            "User: *** is not authorized to perform: sqs:SendMessage"
        );
    }

    #[test]
    fn a_value_is_known_for_what_it_is_also_where_its_end_is_not_shown() {
        let body = serde_json::json!({"url": format!("postgres://ann:{}@db", "hunter2".repeat(20))});
        assert!(!redacted(&body.to_string()).contains("hunter2"), "{}", redacted(&body.to_string()));
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_quoted_secret_is_not_shown(value in "[a-z '\\\\/,;&<>{}]{0,20}zzz") {
            let quoted = serde_json::to_string(&value).unwrap();
            let (json, twice) = (format!("{{\"password\": {quoted}}}"), serde_json::to_string(&quoted).unwrap());
            let texts = [
                format!("log: {json} x"),
                format!("password={quoted}"),
                format!("password = {quoted} x"),
                format!("x: {}", serde_json::to_string(&json).unwrap()),
                format!("token: {twice}"),
                format!("password = '{}'", value.replace('\'', "''")),
            ];
            for text in texts {
                prop_assert!(!redacted(&text).contains("zzz"), "{text}: {}", redacted(&text));
            }
        }

        #[test]
        fn no_body_is_shown_at_length(body in "\\PC{0,3000}") {
            prop_assert!(redacted(&body).len() <= 620);
        }

        #[test]
        fn what_stands_under_a_secret_name_is_never_shown(value in "[a-z]{6,12}") {
            prop_assume!(!"password token and more".contains(&value));
            let shown = redacted(&serde_json::json!({"password": value, "deep": {"token": value}}).to_string());
            prop_assert!(!shown.contains(&value), "{shown}");
            let shown = redacted(&format!("password={value} and token: {value}"));
            prop_assert!(!shown.contains(&value), "{shown}");
        }
    }
}
