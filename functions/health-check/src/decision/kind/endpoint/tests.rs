use jiff::SignedDuration;
use shared::policy::Health as Rules;
use shared::policy::health::Endpoint;

use super::{Answer, Facts, Failure, verdict};
use crate::decision::Health;
use crate::decision::kind::dns_name::Unresolved;
use crate::decision::kind::tls_endpoint::{Away, Trouble};

fn endpoint() -> Endpoint {
    Endpoint { url: "https://www.example.com/health".to_owned(), status: 200, body: None, graphql: None }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        took: SignedDuration::from_millis(120),
        body: body.to_owned(),
        cut: false,
        leads_to: None,
        followed_to: None,
    }
}

#[track_caller]
fn check(endpoint: &Endpoint, answer: Result<Answer, Failure>, health: Health, reason: &str) {
    let verdict = verdict(&Facts { answer, tries: 1 }, endpoint, &Rules::default());
    assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{verdict:?}");
    assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    assert!(verdict.todo.iter().all(|todo| todo.ends_with('.')), "{verdict:?}");
}

#[test]
fn the_status_is_the_one_that_the_policy_names() {
    check(&endpoint(), Ok(answer(200, "")), Health::Healthy, "it answers with 200");
    for (status, reason) in [
        (503, "it answers with 503, not with 200"),
        (404, "it answers with 404, not with 200"),
        (403, "it answers with 403, not with 200"),
        (429, "it answers with 429, not with 200"),
        (204, "it answers with 204, not with 200"),
    ] {
        check(&endpoint(), Ok(answer(status, "")), Health::Failed, reason);
    }
    let moved = Endpoint { status: 301, ..endpoint() };
    check(&moved, Ok(answer(301, "")), Health::Healthy, "it answers with 301");
    let led = Answer { leads_to: Some("https://elsewhere.example/".to_owned()), ..answer(302, "") };
    let reason = "it answers with 302, not with 200 and leads to https://elsewhere.example/";
    check(&endpoint(), Ok(led), Health::Failed, reason);
}

#[test]
fn the_answer_contains_what_the_policy_names() {
    let endpoint = Endpoint { body: Some("\"ok\"".to_owned()), ..endpoint() };
    check(&endpoint, Ok(answer(200, "{\"it\":\"ok\"}")), Health::Healthy, "it answers with 200");
    let reason = r#"its answer does not contain "\"ok\"""#;
    check(&endpoint, Ok(answer(200, "")), Health::Failed, reason);
    let cut = Answer { cut: true, ..answer(200, "x") };
    let reason = r#"the beginning of its answer does not contain "\"ok\"""#;
    check(&endpoint, Ok(cut), Health::Failed, reason);
    check(&endpoint, Ok(answer(500, "x")), Health::Failed, "it answers with 500, not with 200");
}

#[test]
fn an_answer_is_slow_from_its_thresholds_on() {
    for (millis, health, reason) in [
        (1_999, Health::Healthy, "it answers with 200"),
        (2_000, Health::Degraded, "it took 2.0 s to answer"),
        (4_999, Health::Degraded, "it took 5.0 s to answer"),
        (5_000, Health::Failed, "it took 5.0 s to answer"),
    ] {
        let answer = Answer { took: SignedDuration::from_millis(millis), ..answer(200, "") };
        check(&endpoint(), Ok(answer), health, reason);
    }
    let both = Answer { took: SignedDuration::from_secs(3), ..answer(503, "") };
    let reason = "it answers with 503, not with 200; it took 3.0 s to answer";
    check(&endpoint(), Ok(both), Health::Failed, reason);
}

#[test]
fn a_graphql_answer_has_data_and_no_errors() {
    let endpoint = Endpoint { graphql: Some("{ health }".to_owned()), ..endpoint() };
    let errors = "the GraphQL query has errors";
    for (body, health, reason) in [
        (r#"{"data":{"health":"ok"}}"#, Health::Healthy, "it answers with 200"),
        (r#"{"data":{"health":"ok"},"errors":[]}"#, Health::Healthy, "it answers with 200"),
        (r#"{"data":{"health":"ok"},"errors":null}"#, Health::Healthy, "it answers with 200"),
        (
            r#"{"data":null,"errors":[{"message":"no\ndatabase"},{"message":"x"}]}"#,
            Health::Failed,
            "the GraphQL query has errors: no database",
        ),
        (r#"{"data":{},"errors":[{}]}"#, Health::Failed, errors),
        (r#"{"data":{},"errors":{"message":1}}"#, Health::Failed, errors),
        (r#"{"data":{},"errors":"yes"}"#, Health::Failed, errors),
        (r#"{"data":null}"#, Health::Failed, "its answer to the GraphQL query has no data"),
        ("{}", Health::Failed, "its answer to the GraphQL query has no data"),
        ("[]", Health::Failed, "its answer is not that of a GraphQL service"),
        ("<html>", Health::Failed, "its answer is not that of a GraphQL service"),
        ("", Health::Failed, "its answer is not that of a GraphQL service"),
    ] {
        check(&endpoint, Ok(answer(200, body)), health, reason);
    }
    check(&endpoint, Ok(answer(502, "<html>")), Health::Failed, "it answers with 502, not with 200");
    let reason = "it answers with 400, not with 200; the GraphQL query has errors: Cannot query field";
    let body = r#"{"errors":[{"message":"Cannot query field"}]}"#;
    check(&endpoint, Ok(answer(400, body)), Health::Failed, reason);
    let cut = Answer { cut: true, ..answer(200, r#"{"data":{"a":"#) };
    check(&endpoint, Ok(cut), Health::Unknown, "its answer is too long to be read for errors");
    let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "ä".repeat(1_000));
    let told = verdict(&Facts { answer: Ok(answer(200, &long)), tries: 1 }, &endpoint, &Rules::default());
    assert!(told.reason.chars().count() < 200, "{told:?}");
}

#[test]
fn without_an_answer_the_reason_is_told_in_words() {
    let limit = SignedDuration::from_secs(10);
    let away = |away| Err(Failure::Away(away));
    let tls = |trouble| Err(Failure::Tls(trouble));
    for (failure, health, reason) in [
        (away(Away::Unresolved(Unresolved::Absent)), Health::Failed, "the name does not resolve"),
        (away(Away::Refused), Health::Failed, "the connection is refused"),
        (away(Away::TimedOut(limit)), Health::Failed, "no answer within 10 s"),
        (tls(Trouble::Expired), Health::Failed, "its certificate, or one on its path, has expired"),
        (tls(Trouble::Untrusted), Health::Failed, "its certificate is not trusted"),
        (tls(Trouble::OtherName), Health::Failed, "its certificate is for another name"),
        (tls(Trouble::NotTls), Health::Failed, "it does not speak TLS"),
        (
            away(Away::Forbidden),
            Health::Unknown,
            "it leads to a link-local or metadata address, which is not asked",
        ),
        (
            Err(Failure::Unusable("it has no host".to_owned())),
            Health::Unknown,
            "its address cannot be asked: it has no host",
        ),
        (Err(Failure::Rootless), Health::Unknown, "no certificate authority is trusted here"),
    ] {
        check(&endpoint(), failure, health, reason);
    }
}

#[test]
fn what_was_seen_is_told_without_the_answers_text() {
    let facts = Facts { answer: Ok(answer(200, "secret")), tries: 2 };
    let evidence = verdict(&facts, &endpoint(), &Rules::default()).evidence;
    let evidence: Vec<_> = evidence.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).collect();
    assert_eq!(evidence, [("Tries", "2"), ("Status", "200"), ("Took", "120 ms")]);
}
