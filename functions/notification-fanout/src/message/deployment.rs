//! A deployment of which a workflow tells. What is written wrongly is told all the same, with what is wrong: a workflow
//! must not have to be right for people to hear of what it did.

use serde_json::Value;
use shared::notice::deployment::{MESSAGE, is_https};
use shared::notice::{Deployment, Health, Notice, Status};
use shared::policy::Policy;

use super::event::time;
use super::letter::Letter;
use super::{generic, size};

/// What a message of another version is begun with.
const FAMILY: &str = "watchkeeper.deployment/";

/// A message about a deployment.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let version =
        content.get("schema").and_then(Value::as_str).filter(|schema| schema.starts_with(FAMILY))?;
    let mut reading = Reading { content, wrong: Vec::new() };
    if version != MESSAGE {
        reading.wrong.push(format!("its schema is {:?}; write {MESSAGE:?}", size::title(version)));
    }
    let id = reading.required("id");
    let service = reading.required("service");
    let status = reading.status();
    let (Some(id), Some(service), Some(status)) = (id, service, status) else {
        return Some(unusable(content, letter, &reading.wrong));
    };
    let environment = reading.text("environment").unwrap_or_else(|| letter.environment.to_owned());
    let deployment = Deployment {
        revision: reading.text("revision"),
        image: reading.text("image"),
        commit: reading.text("commit"),
        branch: reading.text("branch"),
        author: reading.text("author"),
        repository: reading.text("repository"),
        workflow: reading.workflow(),
        health: reading.health(),
        back_to: reading.text("back_to"),
        ..Deployment::new(&id, status, &service)
    };
    let said = reading.text("message");
    let when = reading.text("time").and_then(|text| {
        let read = time(&text);
        if read.is_none() {
            let text = size::title(&text);
            reading.wrong.push(format!("its time is {text:?}; write such as \"2026-11-20T12:00:00Z\""));
        }
        read
    });
    let production = Policy::default().is_production(&environment);
    let mut notice = deployment.notice(&environment, production, when.unwrap_or_else(|| letter.time()));
    "deployment".clone_into(&mut notice.source);
    if let Some(said) = said {
        notice.summary = format!("{} {said}", notice.summary);
    }
    for wrong in &reading.wrong {
        notice.fact("Note", format!("The message about it is not quite right: {wrong}."));
    }
    Some(notice)
}

/// What cannot be told as a deployment is shown as it is, with what is wrong.
fn unusable(content: &Value, letter: &Letter<'_>, wrong: &[String]) -> Notice {
    let mut notice = generic::told(content, letter);
    "A message about a deployment cannot be used".clone_into(&mut notice.title);
    "deployment".clone_into(&mut notice.source);
    notice.summary = format!("A workflow wrote of a deployment, but {}.", wrong.join("; "));
    notice.next_steps.push("Mend the step of the workflow that writes it.".to_owned());
    notice
}

/// A message as it is read, and what was wrong with it so far.
struct Reading<'a> {
    content: &'a Value,
    wrong: Vec<String>,
}

impl Reading<'_> {
    /// A text that may be missing: `null` and an empty one, as workflows write what they do not know, are none.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.content.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            // Workflows write the numbers of their runs so.
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                self.wrong.push(format!("its {name} is not a text"));
                None
            }
        }
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let before = self.wrong.len();
        let text = self.text(name);
        if text.is_none() && self.wrong.len() == before {
            self.wrong.push(format!("its {name} is missing"));
        }
        text
    }

    fn status(&mut self) -> Option<Status> {
        let word = self.required("status")?;
        let status = Status::ALL.into_iter().find(|status| status.word() == word);
        if status.is_none() {
            let word = size::title(&word);
            let words = "begun, succeeded, failed, cancelled or rolled_back";
            self.wrong.push(format!("its status is {word:?}; write {words}"));
        }
        status
    }

    fn health(&mut self) -> Option<Health> {
        const ALL: [Health; 3] = [Health::Healthy, Health::Degraded, Health::Failed];
        let word = self.text("health")?;
        let health = ALL.into_iter().find(|health| health.as_str() == word);
        if health.is_none() {
            let word = size::title(&word);
            self.wrong.push(format!("its health is {word:?}; write healthy, degraded or failed"));
        }
        health
    }

    fn workflow(&mut self) -> Option<String> {
        let url = self.text("workflow")?;
        if is_https(&url) {
            return Some(url);
        }
        self.wrong.push("its workflow is not an https address".to_owned());
        None
    }
}
