//! What becomes of an answer on its way.

use serde_json::{Map, Value, json};

use crate::wire::{Call, Reply};

/// The ways to answer without saying anything.
pub(super) const NOTHING: [&str; 8] =
    ["empty", "object", "null", "list", "garbage", "cut", "nulls", "other words"];

/// Those of them that an API's answer is read in another way by.
pub(super) const FEW: [&str; 4] = ["empty", "object", "nulls", "other words"];

/// An answer, with status 200, that says nothing.
pub(super) fn nothing(how: &str, call: &Call, good: Reply) -> Reply {
    good.changed(|body| match (how, form(body)) {
        ("object", Form::Json) => b"{}".to_vec(),
        ("object", Form::Cbor) => vec![0xa0],
        ("object", Form::Xml) => {
            let action = &call.action;
            format!("<{action}Response><{action}Result></{action}Result></{action}Response>").into_bytes()
        }
        ("null", _) => b"null".to_vec(),
        ("list", _) => b"[]".to_vec(),
        ("garbage", _) => b"\xff\x00<{[garbage".to_vec(),
        ("cut", Form::Xml) => body.get(..5).unwrap_or_default().to_vec(),
        ("cut", _) => body.get(..1).unwrap_or_default().to_vec(),
        ("nulls", Form::Json) => json_with(body, &mut |_| Value::Null),
        ("nulls", Form::Xml) => xml_with(body, &mut |_| String::new()),
        ("other words", Form::Json) => json_with(body, &mut |_| json!("umph")),
        ("other words", Form::Xml) => xml_with(body, &mut |_| "umph".to_owned()),
        _ => Vec::new(),
    })
}

/// An answer that says that there is more, and always at the same place.
pub(super) fn again(good: Reply) -> Reply {
    good.changed(|body| match form(body) {
        Form::Json => {
            let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                fields.extend(
                    ["NextToken", "nextToken", "NextMarker"].map(|name| (name.to_owned(), json!("t"))),
                );
            }
            value.to_string().into_bytes()
        }
        Form::Xml => {
            let text = String::from_utf8_lossy(body);
            let token = "<NextToken>t</NextToken><Marker>t</Marker><NextMarker>t</NextMarker>";
            let next = "<IsTruncated>true</IsTruncated><NextRecordName>example.com</NextRecordName>";
            let text = text.replace("Result><ResponseMetadata", &format!("Result>{token}<ResponseMetadata"));
            let text = match text.rfind("</") {
                Some(_) if text.contains("Result><") => {
                    text.replacen("Result>", &format!("Result>{token}"), 1)
                }
                _ => text,
            };
            text.replace("<IsTruncated>false</IsTruncated>", next).into_bytes()
        }
        // A map of few entries, and one more of each name.
        Form::Cbor => {
            let mut more = body.to_vec();
            for name in ["NextToken", "nextToken"] {
                more.push(0x69);
                more.extend(name.bytes());
                more.extend([0x61, b't']);
            }
            if let Some(first) = more.first_mut() {
                *first += 2;
            }
            more
        }
    })
}

/// An answer to which anything may have happened.
pub(super) fn anyhow(dice: &mut Dice, call: &Call, good: Reply) -> Reply {
    const CODES: [&str; 8] = [
        "AccessDeniedException",
        "ThrottlingException",
        "ResourceNotFoundException",
        "ValidationError",
        "ClusterNotFoundException",
        "InternalServerError",
        "SubscriptionRequiredException",
        "Umph",
    ];
    let code = CODES[dice.below(CODES.len())];
    let status = [400, 403, 404, 429, 500, 503][dice.below(6)];
    if call.action == "GetMetricData" && dice.below(3) == 0 {
        let odd = [-1.0, 1e308, 9.3e18, f64::MIN_POSITIVE, 101.0];
        let all: Vec<Option<f64>> = (0..30).map(|_| Some(odd[dice.below(odd.len())])).collect();
        return Reply::metrics(&all);
    }
    match dice.below(14) {
        0 | 1 => good,
        2 => good.status(status),
        3 => Reply::error(status, code),
        4 => Reply::xml_error(status, code),
        5 => Reply::cbor_error(status, code),
        6 => again(good),
        7 => nothing(NOTHING[dice.below(NOTHING.len())], call, good),
        // A part is cut out, or something else.
        8 => good.changed(|body| {
            let from = dice.below(body.len() + 1);
            let to = (from + dice.below(40)).min(body.len());
            let junk: &[u8] = [&b""[..], b"\"", b"}", b"<", b"0", b"\xf6"][dice.below(6)];
            [&body[..from], junk, &body[to..]].concat()
        }),
        9 => good.changed(|body| body[..dice.below(body.len() + 1)].to_vec()),
        _ => good.changed(|body| match form(body) {
            Form::Json => json_with(body, &mut |value| dice.instead_of(value)),
            Form::Xml => xml_with(body, &mut |text| dice.words(text)),
            Form::Cbor => {
                let mut body = body.to_vec();
                let at = dice.below(body.len().max(1));
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
                body
            }
        }),
    }
}

/// How an answer is written.
enum Form {
    Json,
    Xml,
    Cbor,
}

fn form(body: &[u8]) -> Form {
    match body.first() {
        Some(b'{') => Form::Json,
        Some(b'<') | None => Form::Xml,
        Some(_) => Form::Cbor,
    }
}

/// Each value that holds no others becomes another.
fn json_with(body: &[u8], other: &mut impl FnMut(&Value) -> Value) -> Vec<u8> {
    fn within(value: &Value, other: &mut impl FnMut(&Value) -> Value) -> Value {
        match value {
            Value::Array(items) if !items.is_empty() => items.iter().map(|it| within(it, other)).collect(),
            Value::Object(fields) if !fields.is_empty() => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), within(value, other)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => other(value),
        }
    }
    within(&serde_json::from_slice(body).unwrap_or_default(), other).to_string().into_bytes()
}

/// Each text between two tags becomes another.
fn xml_with(body: &[u8], other: &mut impl FnMut(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let part = |part: &str| match part.split_once('>') {
        Some((tag, text)) if !text.is_empty() => format!("{tag}>{}", other(text)),
        _ => part.to_owned(),
    };
    text.split('<').map(part).collect::<Vec<_>>().join("<").into_bytes()
}

/// Numbers by chance, and the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, less than this. (Splitmix64.)
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % most
    }

    fn instead_of(&mut self, value: &Value) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!([]),
            2 => json!({}),
            3 => json!("UMPH"),
            4 => json!(true),
            5 => json!(-1),
            6 if value.is_number() => json!(i32::MAX),
            7 if value.is_number() => json!(9.3e18),
            8 if value.is_string() => json!("arn:aws:sqs:eu-central-1:1:orders"),
            _ => value.clone(),
        }
    }

    fn words(&mut self, text: &str) -> String {
        const WORDS: [&str; 8] =
            ["", "UMPH", "true", "-1", "2147483647", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "<x>"];
        if self.below(8) == 0 { WORDS[self.below(WORDS.len())].to_owned() } else { text.to_owned() }
    }
}
