use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use serde_json::{Value, json};
use tokio::runtime;

use super::{check, discover};
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::wire::{Reply, Wire};

const ARN: &str = "arn:aws:acm:eu-central-1:1:certificate/c1";

/// 2026-11-26T12:00:00Z and so many days.
fn in_days(days: i64) -> i64 {
    1_795_694_400 + days * 86_400
}

fn certificate(fields: &Value) -> Value {
    let mut detail = json!({
        "CertificateArn": ARN, "DomainName": "www.example.com", "SubjectAlternativeNames": ["www.example.com"],
        "Serial": "0a:1b", "Status": "ISSUED", "NotBefore": in_days(-300), "NotAfter": in_days(100),
        "KeyAlgorithm": "EC-prime256v1", "InUseBy": ["arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc"],
        "Type": "AMAZON_ISSUED", "RenewalEligibility": "ELIGIBLE",
    });
    for (name, value) in fields.as_object().unwrap() {
        detail[name] = value.clone();
    }
    json!({"Certificate": detail})
}

async fn verdict(reply: Reply) -> Verdict {
    let wire = Wire::new(move |_| reply.clone());
    let ask = wire.ask();
    check(&ask, &[Component::at(ARN).unwrap()]).await;
    ask.verdict(Kind::Certificate, "c1").unwrap()
}

#[tokio::test]
async fn a_certificate_is_read_as_acm_answers() {
    let ok = |fields: &Value| Reply::ok(certificate(fields));
    let pending = json!({
        "RenewalStatus": "PENDING_VALIDATION", "UpdatedAt": in_days(-1), "DomainValidationOptions": [
            {"DomainName": "example.com", "ValidationStatus": "SUCCESS", "ValidationMethod": "DNS"},
            {"DomainName": "www.example.com", "ValidationStatus": "PENDING_VALIDATION", "ValidationMethod": "DNS",
             "ResourceRecord": {"Name": "_a.www.example.com.", "Type": "CNAME", "Value": "_b.acm-validations.aws."}},
        ],
    });
    let cases = [
        (ok(&json!({})), Health::Healthy, "it is valid until 2027-03-06"),
        // Issued, says the status; over, says the date.
        (ok(&json!({"NotAfter": in_days(-1)})), Health::Failed, "it expired on 2026-11-25"),
        (
            ok(&json!({"NotAfter": in_days(5), "KeyAlgorithm": "RSA_3072"})),
            Health::Failed,
            "it ends in 5 days",
        ),
        (ok(&json!({"NotAfter": in_days(20), "Type": "IMPORTED"})), Health::Degraded, "it ends in 20 days"),
        (
            ok(&json!({"RenewalSummary": pending})),
            Health::Degraded,
            "ACM cannot renew it: it waits for the proof of www.example.com",
        ),
        (
            ok(&json!({"NotAfter": in_days(20), "RenewalSummary":
                {"RenewalStatus": "PENDING_AUTO_RENEWAL", "UpdatedAt": in_days(-1), "DomainValidationOptions": []}})),
            Health::Healthy,
            "it is valid until",
        ),
        (ok(&json!({"InUseBy": []})), Health::NotApplicable, "nothing uses it"),
        (ok(&json!({"Status": "MOULDY"})), Health::Unknown, "not known here: MOULDY"),
        (ok(&json!({"Status": null})), Health::Unknown, "what status it has"),
        (ok(&json!({"NotAfter": null})), Health::Unknown, "until when"),
        (Reply::ok(json!({})), Health::Unknown, "what status it has"),
        (Reply::error(400, "ResourceNotFoundException"), Health::Failed, "does not exist any more"),
        (Reply::error(400, "AccessDeniedException"), Health::Unknown, "acm:DescribeCertificate is denied"),
        (Reply::error(400, "ThrottlingException"), Health::Unknown, "ThrottlingException"),
    ];
    for (reply, health, reason) in cases {
        let verdict = verdict(reply).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

fn listed(name: &str, in_use: bool, key: &str) -> Value {
    json!({"CertificateArn": format!("arn:aws:acm:eu-central-1:1:certificate/{name}"), "InUse": in_use,
        "KeyAlgorithm": key, "Status": "ISSUED", "DomainName": "*.shop.example"})
}

#[tokio::test]
async fn certificates_in_use_are_found_whatever_their_keys_are() {
    let other = json!({"CertificateArn": "arn:aws:acm:eu-central-1:1:certificate/d", "InUse": true,
        "DomainName": "www.bank.example"});
    let mut wire = Wire::new(move |call| {
        if call.body.contains("NextToken") {
            return Reply::ok(json!({"CertificateSummaryList": [listed("c", true, "RSA-3072")]}));
        }
        Reply::ok(json!({"NextToken": "2", "CertificateSummaryList":
            [listed("a", true, "EC-prime256v1"), listed("b", false, "RSA-2048"), other.clone()]}))
    });
    wire.rules.domains = vec!["www.shop.example".to_owned()];
    let ask = wire.ask();
    let names: Vec<String> = discover(&ask).await.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["a", "c"]);
    for call in wire.calls() {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let keys = body["Includes"]["keyTypes"].as_array().unwrap();
        let all =
            ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];
        assert_eq!(keys, &all.map(Value::from), "{body}");
    }
}

#[tokio::test]
async fn a_list_that_ends_early_counts_as_far_as_it_goes_and_the_rest_is_unknown() {
    for (code, reason) in [
        ("AccessDeniedException", "acm:ListCertificates is denied"),
        ("ThrottlingException", "ThrottlingException"),
    ] {
        let mut wire = Wire::new(move |call| {
            if call.body.contains("NextToken") {
                return Reply::error(400, code);
            }
            Reply::ok(json!({"NextToken": "2", "CertificateSummaryList": [listed("a", true, "RSA-2048")]}))
        });
        wire.rules.domains = vec!["shop.shop.example".to_owned()];
        let ask = wire.ask();
        assert_eq!(discover(&ask).await.len(), 1);
        let verdict = ask.verdict(Kind::Certificate, "*").unwrap();
        assert_eq!(verdict.health, Health::Unknown);
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
    // An API that goes round in circles is left.
    let wire = Wire::new(|_| Reply::ok(json!({"NextToken": "2", "CertificateSummaryList": []})));
    let ask = wire.ask();
    assert!(discover(&ask).await.is_empty());
    assert_eq!(wire.calls().len(), 2);
    assert!(ask.verdict(Kind::Certificate, "*").unwrap().reason.contains("a page that was read"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_answer_is_never_healthy(word in "[A-Za-z_]{0,12}", cut in 0usize..2000) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let whole = certificate(&json!({})).to_string();
        let renamed = certificate(&json!({"Status": format!("{word}x")})).to_string();
        for body in [renamed, whole[..cut % whole.len()].to_owned()] {
            let verdict = runtime.block_on(verdict(Reply::ok(&body)));
            prop_assert!(verdict.health != Health::Healthy, "{body}: {verdict:?}");
        }
    }
}
