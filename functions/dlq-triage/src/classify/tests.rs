use aws_sdk_sqs::types::MessageAttributeValue;
use jiff::{SignedDuration, Timestamp};
use shared::policy::dlq::{Rule, Verdict};

use super::{Rules, by_signature};
use crate::flavour::{Flavour, Origin};
use crate::letter::Letter;
use crate::signature::Signature;

fn signature(flavour: Flavour, kind: &str, condition: &str, message: &str) -> Signature {
    Signature {
        flavour,
        of: "arn".to_owned(),
        kind: kind.to_owned(),
        condition: condition.to_owned(),
        frame: String::new(),
        message: message.to_owned(),
        is_unknown: false,
    }
}

#[test]
fn the_verdict_follows_from_what_the_error_says() {
    use Flavour::{BusRecord, FunctionConfig, FunctionDestination, Notice, Queue, Target};
    use Verdict::{Oversize, Permission, Poison, Stale, Transient, Unknown};
    let cases = [
        (Target, "THROTTLING", "", "", Transient),
        (Target, "NO_PERMISSIONS", "", "", Permission),
        (Target, "SDK_CLIENT_ERROR", "", "", Unknown),
        (Target, "ERROR_FROM_TARGET", "", "Rate exceeded (Service: Lambda)", Transient),
        (BusRecord, "TIMEOUT", "", "", Transient),
        (
            FunctionDestination,
            "Sandbox.Timedout",
            "RetriesExhausted",
            "RequestId: <id> Error: Task timed out after #.# seconds",
            Transient,
        ),
        (
            FunctionDestination,
            "",
            "RetriesExhausted",
            "<time> <id> Task timed out after #.# seconds",
            Transient,
        ),
        (FunctionDestination, "TypeError", "RetriesExhausted", "timeout is not a function", Poison),
        (FunctionDestination, "Error", "RetriesExhausted", "connect ECONNREFUSED #.#.#.#:#", Transient),
        (FunctionDestination, "Error", "RetriesExhausted", "something", Unknown),
        (FunctionDestination, "TypeError", "EventAgeExceeded", "", Stale),
        (FunctionDestination, "com.acme.SocketTimeoutException", "RetriesExhausted", "", Transient),
        (FunctionDestination, "Transient", "RetriesExhausted", "ecs:UpdateService failed", Transient),
        (
            FunctionDestination,
            "Permanent",
            "RetriesExhausted",
            "ecs:UpdateService is denied to this function's role",
            Permission,
        ),
        (FunctionDestination, "Permanent", "RetriesExhausted", "the event is not understood", Poison),
        (FunctionConfig, "200", "", "Unexpected token o in JSON", Poison),
        (FunctionConfig, "200", "", "it went wrong", Unknown),
        (FunctionConfig, "503", "", "it went wrong", Transient),
        (FunctionConfig, "413", "", "", Oversize),
        (Notice, "", "", "it was told to wait: too many requests", Transient),
        (Queue, "", "", "type=timeout.reached", Unknown),
        (Queue, "Error", "", "ETIMEDOUT", Transient),
    ];
    for (flavour, kind, condition, message, expected) in cases {
        assert_eq!(by_signature(&signature(flavour, kind, condition, message)), expected, "{kind} {message}");
    }
}

fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule {
        name: "a rule".to_owned(),
        queue: "*".to_owned(),
        error: None,
        body: None,
        older_than: None,
        verdict: Verdict::Transient,
    };
    change(&mut rule);
    rule
}

#[test]
fn the_first_rule_that_fits_counts() {
    let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
    let error =
        MessageAttributeValue::builder().data_type("String").string_value("BankUnavailable").build().unwrap();
    let letter = Letter {
        body: r#"{"bank": "DE-17"}"#.to_owned(),
        sent: Some(now - SignedDuration::from_mins(10)),
        attributes: [("channel".to_owned(), error.clone()), ("error".to_owned(), error)].into(),
        ..Letter::default()
    };
    let origin = Origin::of(&letter);
    let cases = [
        (vec![rule(|_| ())], Some(Verdict::Transient)),
        (vec![rule(|rule| rule.error = Some("^Bank(Un|In)".to_owned()))], Some(Verdict::Transient)),
        (vec![rule(|rule| rule.error = Some("DE-17".to_owned()))], None),
        (vec![rule(|rule| rule.body = Some(r#""bank": "DE"#.to_owned()))], Some(Verdict::Transient)),
        (vec![rule(|rule| rule.older_than = Some(SignedDuration::from_mins(9)))], Some(Verdict::Transient)),
        (vec![rule(|rule| rule.older_than = Some(SignedDuration::from_mins(10)))], None),
        (vec![rule(|rule| rule.queue = "payments-*".to_owned())], Some(Verdict::Transient)),
        (vec![rule(|rule| rule.queue = "payments".to_owned())], None),
        (
            vec![
                rule(|rule| rule.body = Some("FR".to_owned())),
                rule(|rule| rule.verdict = Verdict::Poison),
                rule(|_| ()),
            ],
            Some(Verdict::Poison),
        ),
        (vec![], None),
    ];
    for (rules, expected) in cases {
        let ready = Rules::of(&rules, "payments-dlq").unwrap();
        assert_eq!(ready.judge(&letter, &origin, now).map(|(verdict, _)| verdict), expected, "{rules:?}");
    }
}

#[test]
fn an_expression_that_cannot_be_used_is_named() {
    let broken = [rule(|rule| rule.body = Some("(".to_owned()))];
    let said = Rules::of(&broken, "q").unwrap_err().to_string();
    assert!(
        said.starts_with("the policy's rule \"a rule\" of dlq.rules cannot be used: its `body` is no"),
        "{said}"
    );
    let huge = [rule(|rule| rule.body = Some(r"\pL{1000}{1000}".to_owned()))];
    assert!(Rules::of(&huge, "q").is_err(), "an expression has bounds, too");
}

#[test]
fn hostile_text_is_matched_in_linear_time() {
    let bomb = [rule(|rule| rule.body = Some("(a+)+$".to_owned()))];
    let letter = Letter { body: "a".repeat(1 << 20) + "!", ..Letter::default() };
    let rules = Rules::of(&bomb, "q").unwrap();
    assert_eq!(rules.judge(&letter, &Origin::of(&letter), Timestamp::UNIX_EPOCH), None);
}
