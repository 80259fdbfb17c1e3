use shared::notice::{Health, Severity, State, Status};

use super::*;
use crate::cases::{SERVICE, at, change, facts, policy, target, td};
use crate::event::Phase;

const SERVICE_TAGS: &[(&str, &str)] = &[
    ("watchkeeper:commit", "0000000000000000000000000000000000000000"),
    ("watchkeeper:author", " ann "),
    ("watchkeeper:repository", "acme/web"),
    ("watchkeeper:workflow", "https://github.com/acme/web/actions/runs/1"),
];

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn some_news(status: Status) -> News {
    News {
        target: target(),
        service: Some(SERVICE.to_owned()),
        deployment: "ecs-svc/2".to_owned(),
        status,
        revision: Some(td(43)),
        back_to: None,
        health: None,
        secret: None,
        said: None,
        tags: tags(SERVICE_TAGS),
        at: at(4),
    }
}

fn told(of: &News, written: &[(u32, &str)]) -> Notice {
    let written = written.iter().map(|(revision, commit)| {
        let tags = tags(&[("watchkeeper:commit", commit)]);
        (td(*revision), Written { image: Some("registry/web@sha256:1".to_owned()), tags })
    });
    news(&facts(change(Phase::Began, "ecs-svc/2", 1), &[]), &policy(), of, &written.collect())
}

#[test]
fn the_task_definition_says_better_than_the_service_what_is_deployed() {
    let notice = told(&some_news(Status::Succeeded), &[(43, "abc1234def5678901234567890123456789012ab")]);
    assert_eq!(notice.title, "prod/web was deployed to prod: web:43 (abc1234 by ann)");
    assert_eq!((notice.state, notice.severity), (State::Info, Severity::Sev4));
    assert_eq!(
        (notice.source.as_str(), notice.incident.as_str()),
        ("deployment-watch", "deployment:prod:prod/web:ecs-svc/2")
    );
    assert_eq!((notice.subject.kind.as_str(), notice.subject.arn.as_deref()), ("ecs-service", Some(SERVICE)));
    let titles: Vec<_> = notice.links.iter().map(|link| link.title.as_str()).collect();
    assert_eq!(titles, ["Workflow", "Service"]);
    let deployment = notice.deployment.unwrap();
    assert_eq!(deployment.image.as_deref(), Some("registry/web@sha256:1"));
    assert_eq!(deployment.repository.as_deref(), Some("acme/web"));
}

#[test]
fn the_service_s_tags_say_nothing_of_what_runs_again() {
    let back = News { back_to: Some(td(42)), health: Some(Health::Healthy), ..some_news(Status::RolledBack) };
    let notice = told(&back, &[]);
    assert_eq!(notice.deployment.as_ref().unwrap().back_to, None);
    assert!(notice.facts.iter().any(|fact| fact.name == "Goes back to" && fact.value == "web:42"));
    let notice = told(&back, &[(42, "1111111111111111111111111111111111111111")]);
    let title =
        "The deployment of prod/web to prod was rolled back: web:43 (0000000 by ann); 1111111 runs again";
    assert_eq!((notice.title.as_str(), notice.severity), (title, Severity::Sev2));
}

#[test]
fn a_redeploy_says_which_secret_changed() {
    let anew = News { secret: Some("prod/db".to_owned()), ..some_news(Status::Begun) };
    let notice = told(&anew, &[]);
    assert!(
        notice.summary.ends_with("It was redeployed after the secret prod/db changed."),
        "{}",
        notice.summary
    );
}
