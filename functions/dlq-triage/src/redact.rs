//! A body as people may see it: its structure, and of its values only what says nothing of a person and opens nothing.

use serde_json::Value;

use crate::signature::cut;

/// How much of a body is shown, in bytes.
const LONGEST: usize = 600;

/// A value longer than this is shown by its beginning.
const LONGEST_VALUE: usize = 60;

/// How deep a body is shown, and how much of each list and object.
const DEEPEST: usize = 4;
const MOST: usize = 12;

/// A body larger than this is not parsed to be shown.
const LARGEST: usize = 1 << 18;

/// Names whose values are never shown, as parts of them in lower case.
const SECRET: [&str; 28] = [
    "address",
    "authorization",
    "birth",
    "card",
    "cookie",
    "credential",
    "customer",
    "cvv",
    "email",
    "iban",
    "ip",
    "key",
    "mail",
    "name",
    "passport",
    "password",
    "passwd",
    "phone",
    "pin",
    "secret",
    "session",
    "signature",
    "ssn",
    "street",
    "tax",
    "token",
    "user",
    "zip",
];

/// A body as people may see it.
#[must_use]
pub fn redacted(body: &str) -> String {
    let parsed = if body.len() <= LARGEST { serde_json::from_str::<Value>(body).ok() } else { None };
    let shown = match parsed {
        Some(value) => shown(&value, 0).to_string(),
        None => masked(cut(body, LONGEST)),
    };
    if shown.len() <= LONGEST { shown } else { format!("{}…", cut(&shown, LONGEST)) }
}

fn shown(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if depth == DEEPEST => Value::from("…"),
        Value::Object(fields) => {
            let mut kept: serde_json::Map<String, Value> = fields
                .iter()
                .take(MOST)
                .map(|(name, value)| {
                    let value = if is_secret(name) { Value::from("***") } else { shown(value, depth + 1) };
                    (cut(name, LONGEST_VALUE).to_owned(), value)
                })
                .collect();
            if fields.len() > MOST {
                kept.insert("…".to_owned(), Value::from(format!("{} more", fields.len() - MOST)));
            }
            Value::Object(kept)
        }
        Value::Array(all) => {
            let mut kept: Vec<Value> = all.iter().take(MOST).map(|value| shown(value, depth + 1)).collect();
            if all.len() > MOST {
                kept.push(Value::from(format!("{} more", all.len() - MOST)));
            }
            Value::Array(kept)
        }
        Value::String(text) => {
            // A message within a message, as SNS and EventBridge wrap them.
            let inner =
                (text.starts_with('{') && depth < DEEPEST).then(|| serde_json::from_str::<Value>(text).ok());
            match inner.flatten() {
                Some(inner) => Value::from(shown(&inner, depth + 1).to_string()),
                None => Value::from(masked(cut(text, LONGEST_VALUE))),
            }
        }
        Value::Number(number) if number.to_string().len() >= LONG_NUMBER => Value::from("***"),
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}

/// So many digits may be a card, an account or a telephone.
const LONG_NUMBER: usize = 9;

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// Text without addresses, tokens and long numbers.
pub(crate) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, word) in
        text.split_inclusive([' ', '\n', ',', ';', '"', '\'', '<', '>', '(', ')', '&']).enumerate()
    {
        let bare = word.trim_end_matches([' ', '\n', ',', ';', '"', '\'', '<', '>', '(', ')', '&']);
        let end = word.get(bare.len()..).unwrap_or_default();
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let is_token = bare.len() >= 20 && digits > 0 && !bare.contains("://") && !bare.starts_with("arn:");
        let hides = bare.contains('@')
            || !is_time(bare) && (digits >= LONG_NUMBER && !bare.starts_with("arn:") || is_token);
        let after_secret = place > 0 && out.trim_end().ends_with(['=', ':', '>']) && ends_with_secret(&out);
        if hides
            || after_secret
            || bare
                .split_once(['=', ':'])
                .is_some_and(|(name, value)| is_secret(name) && !value.is_empty() && !value.starts_with("//"))
        {
            out.push_str("***");
        } else {
            out.push_str(bare);
        }
        out.push_str(end);
    }
    out
}

fn is_time(word: &str) -> bool {
    word.parse::<jiff::Timestamp>().is_ok()
}

fn ends_with_secret(text: &str) -> bool {
    let word = text.trim_end().trim_end_matches(['=', ':', '>', '"', '\'', ' ']);
    let word = word.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default();
    !word.is_empty() && is_secret(word)
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
            ("password=hunter2 and more", "*** and more"),
            ("token: hunter2", "token: ***"),
            ("a=1&password=hunter2", "a=1&***"),
            ("<password>hunter2</password>", "<password>***</password>"),
            (r#"{"password":["hunter2"],"address":{"line":"x"}}"#, r#"{"password":"***","address":"***"}"#),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6 is a token", "*** is a token"),
            ("https://shop.example/orders is fine", "https://shop.example/orders is fine"),
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

    proptest! {
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
