use serde_json::json;

use super::*;

fn time() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn web(status: Status) -> Deployment {
    Deployment {
        revision: Some("web:42".to_owned()),
        commit: Some("abc1234def5678901234567890123456789012ab".to_owned()),
        author: Some("ann".to_owned()),
        branch: Some("main".to_owned()),
        repository: Some("acme/web".to_owned()),
        workflow: Some("https://github.com/acme/web/actions/runs/1".to_owned()),
        ..Deployment::new("run-1", status, "web")
    }
}

#[track_caller]
fn check(deployment: Deployment, production: bool, title: &str, severity: Severity) {
    let notice = deployment.notice("prod", production, time());
    assert_eq!((notice.title.as_str(), notice.severity, notice.state), (title, severity, State::Info));
    assert_eq!(notice.incident, "deployment:prod:web:run-1");
    assert!(notice.summary.starts_with(title), "{}", notice.summary);
}

#[test]
fn a_deployment_is_told_in_the_words_that_people_use() {
    let change = "web:42 (abc1234 by ann)";
    check(web(Status::Begun), true, &format!("web is being deployed to prod: {change}"), Severity::Sev4);
    check(web(Status::Succeeded), true, &format!("web was deployed to prod: {change}"), Severity::Sev4);
    check(
        web(Status::Failed),
        true,
        &format!("The deployment of web to prod failed: {change}"),
        Severity::Sev2,
    );
    check(
        web(Status::Failed),
        false,
        &format!("The deployment of web to prod failed: {change}"),
        Severity::Sev3,
    );
    let cancelled = format!("The deployment of web to prod was cancelled: {change}");
    check(web(Status::Cancelled), true, &cancelled, Severity::Sev4);
    let back = Deployment { back_to: Some("0123456789".to_owned()), ..web(Status::RolledBack) };
    let title = format!("The deployment of web to prod was rolled back: {change}; 0123456 runs again");
    check(back, false, &title, Severity::Sev2);
    let bare = Deployment::new("run-1", Status::Succeeded, "web");
    check(bare, true, "web was deployed to prod", Severity::Sev4);
}

#[test]
fn what_the_check_after_it_found_is_told() {
    let with = |health| Deployment { health: Some(health), ..web(Status::Succeeded) };
    let change = "web:42 (abc1234 by ann)";
    check(
        with(Health::Healthy),
        true,
        &format!("web was deployed to prod and is healthy: {change}"),
        Severity::Sev4,
    );
    check(
        with(Health::Degraded),
        false,
        &format!("web was deployed to prod, but is degraded: {change}"),
        Severity::Sev3,
    );
    check(
        with(Health::Failed),
        true,
        &format!("web was deployed to prod, but does not serve: {change}"),
        Severity::Sev2,
    );
}

#[test]
fn what_is_told_of_one_deployment_within_one_second_has_an_order() {
    let revision = |deployment: Deployment| deployment.notice("prod", true, time()).revision;
    let told =
        [revision(web(Status::Begun)), revision(web(Status::Failed)), revision(web(Status::RolledBack))];
    assert_eq!(told[0], u64::try_from(time().as_millisecond()).unwrap());
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    let healthy = Deployment { health: Some(Health::Healthy), ..web(Status::Succeeded) };
    assert!(revision(web(Status::Succeeded)) < revision(healthy));
}

#[test]
fn only_an_https_address_becomes_a_link() {
    assert_eq!(web(Status::Begun).notice("prod", true, time()).links.len(), 1);
    for url in ["http://example.com", "javascript:alert(1)", "https://", "https://a b", "https://a\n<b>", ""]
    {
        let odd = Deployment { workflow: Some(url.to_owned()), ..web(Status::Begun) };
        assert!(odd.notice("prod", true, time()).links.is_empty(), "{url}");
    }
}

#[test]
fn a_status_has_one_word_in_json() {
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.word());
    }
}

#[test]
fn the_message_of_a_workflow_is_read_and_has_a_schema() {
    let least = json!({"schema": MESSAGE, "id": "1", "status": "begun", "service": "web"});
    let read: DeploymentMessage = serde_json::from_value(least.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), least);
    let schema = message_schema().to_value();
    assert_eq!(schema["required"], json!(["schema", "id", "status", "service"]));
    assert_eq!(schema["properties"]["time"]["format"], "date-time");
}

#[test]
fn the_schema_of_the_message_is_that_of_the_type() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deployment.schema.json");
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, message_schema().to_value(), "it is out of date; run `cargo xtask schema`");
}
