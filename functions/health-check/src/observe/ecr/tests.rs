use proptest::prelude::*;
use serde_json::{Value, json};

use super::check;
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::wire::{Reply, Wire};

const HOST: &str = "1.dkr.ecr.eu-central-1.amazonaws.com";

fn image(name: &str) -> Component {
    Component { arn: Some(format!("{HOST}/{name}")), ..Component::new(Kind::Image, name) }
}

fn detail(digest: &str, tags: &[&str]) -> Value {
    json!({
        "registryId": "1", "repositoryName": "web", "imageDigest": digest, "imageTags": tags,
        "imagePushedAt": 1.7e9, "imageStatus": "ACTIVE",
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindingsSummary": {"findingSeverityCounts": {"HIGH": 2}},
    })
}

async fn told(wire: &Wire, images: &[Component]) -> Vec<Verdict> {
    let ask = wire.ask();
    check(&ask, images).await;
    images.iter().map(|image| ask.verdict(Kind::Image, &image.name).unwrap()).collect()
}

#[tokio::test]
async fn images_of_a_repository_are_one_call_and_are_found_by_tag_and_by_digest() {
    let mut critical = detail("sha256:b", &["2", "new"]);
    *critical.pointer_mut("/imageScanFindingsSummary/findingSeverityCounts").unwrap() =
        json!({"CRITICAL": 3});
    let mut archived = detail("sha256:c", &["latest"]);
    *archived.pointer_mut("/imageStatus").unwrap() = json!("ARCHIVED");
    let wire = Wire::new(move |_| {
        Reply::ok(json!({"imageDetails": [detail("sha256:a", &["1"]), critical, archived]}))
    });
    let mut latest = image("web:latest");
    latest.arn = Some(format!("{HOST}/web"));
    let images = [image("web:1"), image("web:2"), latest, image("web:2@sha256:a"), image("web:9")];
    let told = told(&wire, &images).await;
    let health: Vec<Health> = told.iter().map(|verdict| verdict.health).collect();
    assert_eq!(
        health,
        [Health::Healthy, Health::Degraded, Health::Failed, Health::Healthy, Health::Unknown],
        "{told:#?}"
    );
    let calls = wire.calls();
    assert_eq!(calls.len(), 1);
    assert!(
        calls[0].body.contains("\"registryId\":\"1\"")
            && calls[0].body.contains("{\"imageDigest\":\"sha256:a\"}")
    );
}

#[tokio::test]
async fn one_that_is_gone_does_not_hide_the_others() {
    let wire = Wire::new(|call| {
        if call.body.contains("gone") {
            return Reply::error(400, "ImageNotFoundException");
        }
        Reply::ok(json!({"imageDetails": [detail("sha256:a", &["1"])]}))
    });
    let told = told(&wire, &[image("web:1"), image("web:gone")]).await;
    assert_eq!((told[0].health, told[1].health), (Health::Healthy, Health::Failed), "{told:?}");
    assert!(told[1].reason.contains("no task can start anew"));
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_and_names_the_action() {
    let cases = [
        ("AccessDeniedException", Health::Unknown, "ecr:DescribeImages is denied"),
        ("ThrottlingException", Health::Unknown, "ThrottlingException"),
        ("RepositoryNotFoundException", Health::Failed, "its repository does not exist"),
        ("ImageNotFoundException", Health::Failed, "not in its repository"),
    ];
    for (code, health, reason) in cases {
        let told = told(&Wire::new(move |_| Reply::error(400, code)), &[image("web:1")]).await;
        assert_eq!(told[0].health, health, "{code}");
        assert!(told[0].reason.contains(reason), "{told:?}");
    }
    let wire = Wire::new(|_| Reply::error(400, "AccessDeniedException"));
    let mut elsewhere = image("nginx");
    elsewhere.arn = Some("public.ecr.aws/nginx/nginx:1".to_owned());
    assert_eq!(told(&wire, &[elsewhere]).await[0].health, Health::NotApplicable);
    assert!(wire.calls().is_empty());
}

#[tokio::test]
async fn a_scan_that_the_first_call_does_not_tell_of_is_asked_for() {
    let bare = json!({"imageDetails": [{"imageDigest": "sha256:a", "imageTags": ["1"]}]});
    let found = json!({"imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {"findingSeverityCounts": {"CRITICAL": 1}}});
    let cases = [
        (Reply::ok(found), Health::Degraded, "1 critical vulnerability"),
        (Reply::ok(json!({})), Health::Healthy, "it is there"),
        (Reply::error(400, "ScanNotFoundException"), Health::Healthy, "it is there"),
        (
            Reply::error(400, "AccessDeniedException"),
            Health::Healthy,
            "could not be read: ecr:DescribeImageScanFindings is denied",
        ),
        (Reply::error(400, "ThrottlingException"), Health::Unknown, "its scan could not be read"),
    ];
    for (reply, health, reason) in cases {
        let bare = bare.clone();
        let wire = Wire::new(move |call| match call.action.as_str() {
            "DescribeImages" => Reply::ok(&bare),
            _ => reply.clone(),
        });
        let told = told(&wire, &[image("web:1")]).await;
        assert_eq!(told[0].health, health, "{told:?}");
        let seen = told[0].evidence.iter().map(|fact| fact.value.as_str());
        assert!(seen.chain([told[0].reason.as_str()]).any(|said| said.contains(reason)), "{told:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_answer_is_never_healthy_without_the_image(from in 0_usize..400, junk in "[a-z\"{:,0]{0,6}") {
        let good = json!({"imageDetails": [detail("sha256:a", &["1"])]}).to_string();
        let from = from.min(good.len());
        let to = (from + 9).min(good.len());
        let body = format!("{}{junk}{}", &good[..from], &good[to..]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = body.clone();
        let wire = Wire::new(move |call| match call.action.as_str() {
            "DescribeImages" => Reply::ok(&answer),
            _ => Reply::error(400, "ScanNotFoundException"),
        });
        let told = runtime.block_on(told(&wire, &[image("web:1")]));
        if told[0].health == Health::Healthy {
            prop_assert!(body.contains("\"imageDigest\":\"") && body.contains("\"imageTags\":[\"1\""), "{body}");
        }
    }
}
