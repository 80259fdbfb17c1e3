//! Dead letters of 2 KB, of as many causes as a busy queue has, one after the other.

use dlq_triage::classify::Rules;
use dlq_triage::judge::Judge;
use dlq_triage::letter::Letter;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::Result;

/// How many causes, and how many letters that are looked at in turn.
const CAUSES: usize = 40;
const LETTERS: usize = 400;

/// The size of a body, in bytes.
const SIZE: usize = 2_000;

/// What is counted.
pub(crate) const WHAT: &str = "dead letters of 2 KB judged on one core";

/// Judges one letter after the other; the answer hangs on what each was judged to be.
pub(crate) fn judging(now: Timestamp) -> Result<impl FnMut() -> usize> {
    let letters: Vec<Letter> = (0..LETTERS).map(letter).collect();
    let judge = Judge::new(Rules::of(&[], "orders-dlq")?, now);
    let mut turn = 0_usize;
    Ok(move || {
        turn = (turn + 1) % LETTERS;
        letters.get(turn).map_or(0, |letter| judge.judge(letter).kind.id.len())
    })
}

/// Half of them say what went wrong, as Lambda's destinations write it; half are messages as they were sent.
fn letter(number: usize) -> Letter {
    let cause = number % CAUSES;
    let items: Vec<_> = (0..12)
        .map(|item| json!({"sku": format!("A-{item}-{number}"), "count": item, "note": "as the customer asked for"}))
        .collect();
    let order = json!({"id": number, "items": items, "at": "2026-11-26T08:00:00Z"});
    let body = if cause.is_multiple_of(2) {
        json!({
            "version": "1.0",
            "timestamp": "2026-11-26T08:00:00.123Z",
            "requestContext": {"requestId": format!("9b2c4a1e-6dc3-46ef-b62d-{number:012}"),
                "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:orders:$LATEST",
                "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": order,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": format!("Error{cause}"),
                "errorMessage": format!("order {number} of ann{number}@shop.example cannot be found after {cause} tries"),
                "stackTrace": ["Error: no", "    at find (/var/task/index.js:10:5)", "    at run (/var/runtime/x.js:1:1)"]},
        })
    } else {
        json!({"type": format!("order.changed.{cause}"), "order": order})
    };
    Letter {
        id: number.to_string(),
        source: (!cause.is_multiple_of(2)).then(|| "arn:aws:sqs:eu-central-1:123456789012:orders".to_owned()),
        body: padded(body),
        ..Letter::default()
    }
}

/// With as much beside it as makes it as long as it should be.
fn padded(mut body: Value) -> String {
    let missing = SIZE.saturating_sub(body.to_string().len());
    if let Some(fields) = body.as_object_mut() {
        fields.insert("memo".to_owned(), "x".repeat(missing).into());
    }
    body.to_string()
}
