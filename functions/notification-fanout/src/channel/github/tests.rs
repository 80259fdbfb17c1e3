use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::channel::Kind;
use crate::channel::tests::Clients;
use crate::decision::Reply;
use crate::http::Answer;
use crate::receiver::{Got, Receiver, answer};
use crate::render::samples::{self, Sample, any_sample, check_snapshot};

const COMMIT: &str = "8f14e45fceea167a5a36dedd4bea2543c0ffee00";
const BEFORE: &str = "c9f0f895fb98ab9159f51fd0297e236dc0ffee00";
const LIST: &str = "/api/v3/repos/example/web/deployments?sha=8f14e45fceea167a5a36dedd4bea2543c0ffee00&environment=prod&per_page=30";
const CREATE: &str = "/api/v3/repos/example/web/deployments";
const TELL: &str = "/api/v3/repos/example/web/deployments/41/statuses";

fn rolled_back() -> Sample {
    let mut sample = samples::deployment();
    sample.name = "rolled-back";
    let deployment = sample.notice.deployment.as_mut().unwrap();
    deployment.status = Status::RolledBack;
    deployment.health = None;
    deployment.back_to = Some(BEFORE.to_owned());
    sample
}

#[test]
fn every_deployment_looks_as_it_did() {
    for sample in [samples::deployment(), rolled_back()] {
        let steps = steps(&sample.notice, sample.notice.deployment.as_ref().unwrap());
        for (index, step) in steps.iter().enumerate() {
            check_snapshot("github", sample.name, &format!("{index}.create"), &step.create);
            check_snapshot("github", sample.name, &format!("{index}.status"), &step.status);
        }
    }
}

#[track_caller]
fn check_status(status: Status, health: Option<Health>, expected: (&str, &str)) {
    let deployment = Deployment { status, health, ..samples::deployment().notice.deployment.unwrap() };
    let (state, words) = super::status(&deployment);
    assert_eq!((state, words.as_str()), expected);
}

#[test]
fn every_status_has_a_word_of_githubs() {
    check_status(Status::Begun, None, ("in_progress", "begun"));
    check_status(Status::Succeeded, None, ("success", "succeeded"));
    check_status(Status::Succeeded, Some(Health::Healthy), ("success", "succeeded, healthy"));
    check_status(Status::Succeeded, Some(Health::Degraded), ("failure", "succeeded, degraded"));
    check_status(Status::Succeeded, Some(Health::Failed), ("failure", "succeeded, failed"));
    check_status(Status::Failed, None, ("failure", "failed"));
    check_status(Status::Cancelled, None, ("error", "cancelled"));
    check_status(Status::RolledBack, Some(Health::Failed), ("failure", "rolled back, failed"));
}

#[test]
fn a_rollback_fails_one_deployment_and_makes_another() {
    let sample = rolled_back();
    let steps = steps(&sample.notice, sample.notice.deployment.as_ref().unwrap());
    let told: Vec<(&str, &Value)> =
        steps.iter().map(|step| (step.commit.as_str(), &step.status["state"])).collect();
    assert_eq!(told, [(COMMIT, &json!("failure")), (BEFORE, &json!("success"))]);
    assert_ne!(steps[0].key, steps[1].key);
}

#[test]
fn only_what_is_named_so_is_production() {
    for (environment, expected) in [
        ("prod", true),
        ("Production", true),
        ("prod-eu", true),
        ("live", true),
        ("preprod", false),
        ("test", false),
    ] {
        assert_eq!(is_production(environment), expected, "{environment}");
    }
}

#[track_caller]
fn check_answer(status: u16, body: &str, limits: (Option<&str>, Option<u64>), expected: &Meaning) {
    let reply =
        Reply { status, retry_after: limits.0.map(ToOwned::to_owned), json: true, body: body.to_owned() };
    let answer = Answer { reply, remaining: limits.1, reset: Some(90) };
    let now = Timestamp::from_second(30).unwrap();
    assert_eq!(super::answer::read(&answer, now), Err(expected.clone()));
}

#[test]
fn a_refusal_says_what_to_do_and_repeats_nothing() {
    let refused = |status, body, why: &str| {
        check_answer(status, body, (None, Some(7)), &Meaning::Refused(why.to_owned()));
    };
    refused(202, "{}", "202: GitHub merged a branch instead of deploying; the next attempt deploys");
    refused(401, "hunter2", "401: the token is not valid, or has expired");
    refused(403, "hunter2", "403: the token lacks the permission \"Deployments: write\" on the repository");
    refused(
        404,
        "hunter2",
        "404: there is no such repository, or the token lacks the permission \"Deployments: write\" on it",
    );
    refused(
        409,
        "hunter2",
        "409: the commit cannot be deployed as it is: GitHub sees a conflict or a check that failed",
    );
    let coded = r#"{"message":"hunter2","errors":[{"code":"custom","message":"hunter2"}]}"#;
    refused(422, coded, "422: custom: is the commit in the repository?");
    let coded = r#"{"message":"No ref found for: hunter2","errors":[{"code":"hunter2 is wrong"}]}"#;
    refused(422, coded, "422: a field is refused: is the commit in the repository?");
    refused(301, "", "301: redirects are not followed: was the repository renamed?");
    refused(418, "hunter2", "418");
}

#[test]
fn a_limit_is_waited_for_as_github_asks() {
    let later = |seconds, status: u16| Meaning::Later {
        after: Some(Duration::from_secs(seconds)),
        quiet: true,
        why: format!("{status} rate limit"),
    };
    check_answer(403, "", (Some("5"), None), &later(5, 403));
    check_answer(429, "", (Some("5"), Some(0)), &later(5, 429));
    check_answer(403, "", (None, Some(0)), &later(60, 403));
    check_answer(403, "You have exceeded a secondary rate limit", (None, Some(7)), &later(60, 403));
    let without = Meaning::Later { after: None, quiet: true, why: "429 rate limit".to_owned() };
    check_answer(429, "", (None, None), &without);
    let unwell = Meaning::Later { after: None, quiet: false, why: "502".to_owned() };
    check_answer(502, "", (None, None), &unwell);
    check_answer(200, "[", (None, None), &super::answer::unreadable());
}

async fn send(receiver: &Receiver, sample: &Sample, memory: &Memory) -> Sent {
    let kind = Kind::GitHub {
        token: "hunter2".to_owned(),
        repository: "example/web".to_owned(),
        api: receiver.url("/api/v3/"),
    };
    let clients = Clients { http: receiver.http.clone(), ..Clients::new() };
    let sent = clients.send(kind, sample, memory).await;
    assert!(!format!("{sent:?}").contains("hunter2"), "{sent:?}");
    sent
}

/// A GitHub that has nothing yet.
#[expect(clippy::unnecessary_wraps, reason = "a script may also give no answer")]
fn github(got: &Got, _: usize) -> Option<String> {
    if got.head.starts_with("GET") {
        return Some(answer("200 OK", "", "[]"));
    }
    let created = if got.body.contains(BEFORE) { r#"{"id":42}"# } else { r#"{"id":41}"# };
    Some(answer("201 Created", "", created))
}

#[tokio::test]
async fn a_deployment_is_created_once_and_told_of_each_time() {
    let receiver = Receiver::start(github).await;
    let first = send(&receiver, &samples::deployment(), &Memory::new()).await;
    assert_eq!(first.meaning, Meaning::Acknowledged);
    let second = send(&receiver, &samples::deployment(), first.memory.as_ref().unwrap()).await;
    assert_eq!(second, first);
    let counts = [LIST, CREATE, TELL].map(|path| receiver.got(path).len());
    assert_eq!(counts, [1, 1, 2]);
    let created = &receiver.got(CREATE)[0];
    assert_eq!(created.header("authorization"), Some("Bearer hunter2"));
    assert_eq!(created.header("accept"), Some("application/vnd.github+json"));
    assert_eq!(created.header("x-github-api-version"), Some("2022-11-28"));
    let told: Value = serde_json::from_str(&receiver.got(TELL)[0].body).unwrap();
    assert_eq!((&told["state"], &told["auto_inactive"]), (&json!("success"), &json!(false)));
}

#[tokio::test]
async fn a_rollback_is_two_deployments() {
    let receiver = Receiver::start(github).await;
    let sent = send(&receiver, &rolled_back(), &Memory::new()).await;
    assert_eq!((sent.meaning, sent.memory.unwrap().len()), (Meaning::Acknowledged, 2));
    let back = receiver.got("/api/v3/repos/example/web/deployments/42/statuses");
    assert!(receiver.got(TELL)[0].body.contains("failure") && back[0].body.contains("success"));
}

#[tokio::test]
async fn a_deployment_whose_creation_was_forgotten_is_found_again() {
    let receiver = Receiver::start(|got, _| {
        if got.head.starts_with("GET") {
            let key = id::of(&["deployment", "ecs-svc/4711"]);
            let other = json!({"id": 40, "payload": {"watchkeeper": "other"}});
            let bare = json!({"id": 39, "payload": ""});
            // One as an object, one as text: both are in use.
            let ours = json!({"id": 41, "payload": json!({"watchkeeper": key}).to_string()});
            return Some(answer("200 OK", "", &json!([other, bare, ours]).to_string()));
        }
        Some(answer("201 Created", "", "{}"))
    })
    .await;
    let sent = send(&receiver, &samples::deployment(), &Memory::new()).await;
    assert_eq!(sent.meaning, Meaning::Acknowledged);
    assert_eq!((receiver.got(CREATE).len(), receiver.got(TELL).len()), (0, 1));
}

#[tokio::test]
async fn what_was_created_is_remembered_when_the_status_has_to_wait() {
    let receiver = Receiver::start(|got, before| {
        if got.path == TELL && before == 0 {
            return Some(answer(
                "403 Forbidden",
                "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1795188621\r\n",
                "",
            ));
        }
        github(got, before)
    })
    .await;
    let sample = samples::deployment();
    let first = send(&receiver, &sample, &Memory::new()).await;
    let after = Some(Duration::from_secs(20));
    assert_eq!(first.meaning, Meaning::Later { after, quiet: true, why: "403 rate limit".to_owned() });
    let second = send(&receiver, &sample, first.memory.as_ref().unwrap()).await;
    assert_eq!((second.meaning, receiver.got(CREATE).len()), (Meaning::Acknowledged, 1));
}

#[tokio::test]
async fn a_deployment_that_is_gone_is_forgotten() {
    let receiver = Receiver::start(|got, before| {
        if got.path == TELL { Some(answer("404 Not Found", "", "")) } else { github(got, before) }
    })
    .await;
    let memory =
        Memory::from([(format!("{PREFIX}{}", id::of(&["deployment", "ecs-svc/4711"])), "41".to_owned())]);
    let sent = send(&receiver, &samples::deployment(), &memory).await;
    assert!(matches!(&sent.meaning, Meaning::Refused(why) if why.contains("Deployments: write")), "{sent:?}");
    assert_eq!(sent.memory, Some(Memory::new()));
}

#[tokio::test]
async fn a_deployment_of_another_repository_goes_nowhere() {
    let receiver = Receiver::start(github).await;
    let mut sample = samples::deployment();
    sample.notice.deployment.as_mut().unwrap().repository = Some("evil/web".to_owned());
    let sent = send(&receiver, &sample, &Memory::new()).await;
    assert!(matches!(sent.meaning, Meaning::Refused(_)));
    assert!(receiver.got(LIST).is_empty() && receiver.got(CREATE).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_told_keeps_githubs_limits(mut sample in any_sample(), word in samples::hostile()) {
        let mut deployment = rolled_back().notice.deployment.unwrap();
        deployment.id.clone_from(&word);
        deployment.service.clone_from(&word);
        deployment.revision = Some(word.clone());
        deployment.workflow = Some(word);
        sample.notice.deployment = Some(deployment.clone());
        let steps = steps(&sample.notice, &deployment);
        prop_assert_eq!(steps.len(), 2);
        for Step { create, status, .. } in steps {
            for of in [&create, &status] {
                let description = of["description"].as_str().unwrap();
                prop_assert!(description.encode_utf16().count() <= LONGEST_DESCRIPTION);
                prop_assert!(!of["environment"].as_str().unwrap().is_empty());
                prop_assert!(of["log_url"].is_null() || of["log_url"].as_str().unwrap().starts_with("https://"));
                prop_assert!(of.to_string().len() < 20_000);
            }
            prop_assert_eq!(&create["auto_merge"], &json!(false));
            prop_assert_eq!(&create["required_contexts"], &json!([]));
        }
    }
}
