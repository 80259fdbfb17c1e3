use proptest::prelude::*;

use super::{Signature, normalised};
use crate::flavour::Origin;
use crate::letter::Letter;

#[test]
fn what_differs_from_one_occurrence_to_the_next_is_taken_out() {
    let cases = [
        ("Task timed out after 3.00 seconds", "Task timed out after #.# seconds"),
        (
            "2026-11-26T07:24:27.123Z 9b2c4a1e-6dc3-46ef-b62d-ded08c6aa6f0 Task timed out",
            "<time> # Task timed out",
        ),
        ("user 4711 (ann@shop.example) not found", "user # (<email>) not found"),
        ("cannot read property 'total' of undefined", "cannot read property '…' of undefined"),
        ("key \"order-17\" is missing", "key \"…\" is missing"),
        ("it isn't there, and won't be", "it isn't there, and won't be"),
        (
            "User: arn:aws:sts::123456789012:assumed-role/x/y is not authorized",
            "User: <arn:sts> is not authorized",
        ),
        ("GET https://api.shop.example/v1/orders/17?x=2 failed", "GET <url> failed"),
        ("connect ECONNREFUSED 10.0.3.17:5432", "connect ECONNREFUSED #.#.#.#:#"),
        ("object 0xdeadbeef at 0x7f3a", "object # at #"),
        ("commit 9c2a6cf81b not found", "commit # not found"),
        ("order_id=4711, tries=3", "order_id=#, tries=#"),
        ("bad token AbC123dEfGh456IjKlMn789", "bad token #"),
        ("/orders/4711/lines/12 is gone", "/orders/#/lines/# is gone"),
        ("  a \n\t b  ", "a b"),
        ("order 00001437-0000-4000-8000-000002728055 is late", "order # is late"),
        ("12:30:45 up", "<time> up"),
        ("version 1.2.3 of a decade", "version #.#.# of a decade"),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(normalised(text), expected, "{text:?}");
    }
}

#[test]
fn taking_out_twice_takes_out_no_more() {
    for text in
        ["user 4711 'x' 9b2c4a1e-6dc3-46ef-b62d-ded08c6aa6f0", "a https://x.example/1 b", "GET /v1/orders/17"]
    {
        let once = normalised(text);
        assert_eq!(normalised(&once), once);
    }
}

fn signature(error: &str, function: &str) -> Signature {
    let body = serde_json::json!({
        "version": "1.0",
        "timestamp": "2026-11-26T07:24:27.123Z",
        "requestContext": {"requestId": "r", "functionArn": function, "condition": "RetriesExhausted",
            "approximateInvokeCount": 3},
        "requestPayload": {"order": 17},
        "responsePayload": {"errorType": "TypeError", "errorMessage": error, "stackTrace": []},
    });
    Signature::of(&Origin::of(&Letter { body: body.to_string(), ..Letter::default() }))
}

#[test]
fn one_cause_has_one_id_whatever_differs_and_two_causes_have_two() {
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:orders";
    let one = signature("order 17 of 'ann' not found", function);
    assert_eq!(one.id(), signature("order 4711 of 'bob' not found", &format!("{function}:$LATEST")).id());
    assert_ne!(one.id(), signature("order 17 of 'ann' not paid", function).id());
    assert_ne!(one.id(), signature("order 17 of 'ann' not found", &format!("{function}-2")).id());
    assert_eq!(one.to_string(), "TypeError: order # of '…' not found");
    assert_eq!(
        one.id(),
        "84e71b15ec7aff61",
        "the ids are kept in the ledger: they change only with the recipe"
    );
}

#[test]
fn where_nothing_says_why_that_is_said_first_and_the_id_stays() {
    let of = |body: &str| Signature::of(&Origin::of(&Letter { body: body.to_owned(), ..Letter::default() }));
    for (body, expected) in [
        (r#"{"kind": "broken", "order": 17}"#, "unknown cause; JSON with kind=broken"),
        (
            r#"{"source": "shop", "detail-type": "Order Paid at Last", "order": 17}"#,
            "unknown cause; JSON with detail-type=Order Paid at Last, source=shop",
        ),
        (r#"{"order": 17, "amount": 3}"#, "unknown cause; JSON with amount, order"),
        (
            r#"{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1}"#,
            "unknown cause; JSON with a, b, c, d, e, f, g, h, …",
        ),
        ("{}", "unknown cause; JSON without any field"),
        ("broken", "unknown cause; no JSON object"),
        ("[1, 2]", "unknown cause; no JSON object"),
    ] {
        assert_eq!(of(body).to_string(), expected, "{body}");
    }
    assert_eq!(
        of(r#"{"kind": "broken"}"#).id(),
        "7ce09a14d9d31cc3",
        "the line is told otherwise, and the id stays"
    );
    assert_eq!(of("broken").id(), "c5fc91a7c069fbe2");
}

proptest! {
    #[test]
    fn no_text_is_too_hostile(text in "\\PC{0,400}") {
        let once = normalised(&text);
        prop_assert!(once.len() <= text.len() * 6 + 16);
    }

    #[test]
    fn numbers_do_not_tell_apart(number in 0u64.., other in 0u64..) {
        prop_assert_eq!(normalised(&format!("row {number} is bad")), normalised(&format!("row {other} is bad")));
    }
}
