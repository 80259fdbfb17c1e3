//! AWS `CodeDeploy`. Shape: AWS CodeDeploy User Guide, "Monitoring deployments with Amazon CloudWatch Events".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Event, Told, encoded, subject};
use super::letter::Letter;

/// A deployment that changed. The next one of its group that succeeds ends the incident.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.codedeploy", content)?;
    if event.kind != "CodeDeploy Deployment State-change Notification" {
        return None;
    }
    let deployment = event.text("/deploymentId")?;
    let word = event.text("/state")?;
    let application = event.text("/application").unwrap_or("an application");
    let name = match event.text("/deploymentGroup") {
        Some(group) => format!("{application}/{group}"),
        None => application.to_owned(),
    };
    let (state, severity, said) = match word {
        "FAILURE" => (State::Firing, Severity::Sev2, "failed"),
        "SUCCESS" => (State::Resolved, Severity::Sev4, "is done"),
        "STOP" => (State::Info, Severity::Sev3, "was stopped"),
        "READY" => (State::Info, Severity::Sev4, "is ready to take the traffic"),
        "START" => (State::Info, Severity::Sev4, "began"),
        _ => (State::Info, Severity::Sev4, "changed"),
    };
    let title = format!("The CodeDeploy deployment of {name} {said}");
    let place = format!("{}:{}", event.region().unwrap_or_default(), event.account().unwrap_or_default());
    let incident = format!("codedeploy:{place}:{name}");
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("codedeploy", &name, None),
        title: &title,
        time: None,
    };
    let mut notice = told.of(&event, letter);
    notice.summary = format!("{title}.");
    notice.fact("State", word);
    notice.fact("Deployment", deployment);
    if state == State::Firing {
        notice
            .next_steps
            .push("Look at which of its lifecycle events failed, and whether it was rolled back.".to_owned());
    }
    if let Some(console) = event.console() {
        let path = format!("codesuite/codedeploy/deployments/{}", encoded(deployment));
        notice.links.push(console.link("Deployment", &path, ""));
    }
    Some(notice)
}
