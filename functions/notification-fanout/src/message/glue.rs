//! AWS Glue: jobs and crawlers. Shape: AWS Glue User Guide, "Automating AWS Glue with Amazon EventBridge".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Event, Told, encoded, fact, subject};
use super::letter::Letter;

/// A job or a crawler that changed.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.glue", content)?;
    let (what, name, page) = match event.kind {
        "Glue Job State Change" | "Glue Job Run Status" => {
            ("job", event.text("/jobName")?, "gluestudio/home")
        }
        "Glue Crawler State Change" => ("crawler", event.text("/crawlerName")?, "glue/home"),
        _ => return None,
    };
    let word = event.text("/state")?;
    let said = event.text("/errorMessage").or_else(|| event.text("/message"));
    let (state, severity, became) = match word.to_ascii_uppercase().as_str() {
        // It runs longer than its owner expects.
        _ if event.kind == "Glue Job Run Status" => (State::Info, Severity::Sev3, "takes long"),
        "FAILED" | "ERROR" => (State::Firing, Severity::Sev3, "failed"),
        "TIMEOUT" => (State::Firing, Severity::Sev3, "took too long and was stopped"),
        "SUCCEEDED" => (State::Resolved, Severity::Sev4, "is done"),
        "STOPPED" => (State::Info, Severity::Sev3, "was stopped"),
        _ => (State::Info, Severity::Sev4, "goes on"),
    };
    let place = format!("{}:{}", event.region().unwrap_or_default(), event.account().unwrap_or_default());
    let incident = format!("glue:{place}:{what}:{name}");
    let title = format!("The Glue {what} {name} {became}");
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("glue", name, None),
        title: &title,
        time: None,
    };
    let mut notice = told.of(&event, letter);
    notice.summary = said.map_or_else(|| format!("{title}."), |said| format!("{title}: {said}"));
    notice.fact("State", word);
    fact(&mut notice, "Run", event.text("/jobRunId"));
    if state == State::Firing {
        notice
            .next_steps
            .push(format!("Read the log of the run, mend the cause, and start the {what} again."));
    }
    if let Some(console) = event.console() {
        let fragment = match what {
            "job" => format!("#/editor/job/{}/runs", encoded(name)),
            _ => format!("#/v2/data-catalog/crawlers/view/{}", encoded(name)),
        };
        notice.links.push(console.link("AWS Glue", page, &fragment));
    }
    Some(notice)
}
