//! What Security Hub collects, one notice for each finding. Shapes: AWS Security Hub User Guide, "EventBridge event
//! formats for Security Hub CSPM" and "AWS Security Finding Format".

use serde_json::Value;
use shared::notice::deployment::is_https;
use shared::notice::{Link, Notice, Severity, State};

use super::event::{Event, Told, encoded, environment, fact, place_by, subject, text, time};
use super::letter::Letter;

/// All findings of an event; none for any other message.
pub(super) fn recognise_all(content: &Value, letter: &Letter<'_>) -> Vec<Notice> {
    const KINDS: [&str; 2] = ["Security Hub Findings - Imported", "Security Hub Findings - Custom Action"];
    let event = Event::from("aws.securityhub", content).filter(|event| KINDS.contains(&event.kind));
    let Some(event) = event else {
        return Vec::new();
    };
    let findings = event.detail.get("findings").and_then(Value::as_array);
    findings.into_iter().flatten().filter_map(|finding| told(&event, finding, letter)).collect()
}

fn told(event: &Event<'_>, finding: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let id = text(finding, "/Id")?;
    let title = text(finding, "/Title")?;
    let label = text(finding, "/Severity/Label").unwrap_or("INFORMATIONAL");
    let severity = match label {
        "CRITICAL" => Severity::Sev1,
        "HIGH" => Severity::Sev2,
        "MEDIUM" => Severity::Sev3,
        _ => Severity::Sev4,
    };
    let workflow = text(finding, "/Workflow/Status");
    let over = text(finding, "/RecordState") == Some("ARCHIVED")
        || matches!(workflow, Some("RESOLVED" | "SUPPRESSED"))
        || text(finding, "/Compliance/Status") == Some("PASSED");
    let state = match severity {
        _ if over => State::Resolved,
        Severity::Sev4 => State::Info,
        Severity::Sev1 | Severity::Sev2 | Severity::Sev3 => State::Firing,
    };
    let resource = text(finding, "/Resources/0/Id");
    let product = text(finding, "/ProductName")
        .or_else(|| text(finding, "/ProductFields/aws~1securityhub~1ProductName"));
    let incident = format!("securityhub:{id}");
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("finding", resource.unwrap_or(id), resource.filter(|id| id.starts_with("arn:"))),
        title,
        time: text(finding, "/UpdatedAt").and_then(time),
    };
    let mut notice = told.of(event, letter);
    for (name, pointer) in [("account", "/AwsAccountId"), ("region", "/Region")] {
        if let Some(value) = text(finding, pointer) {
            notice.labels.insert(name.to_owned(), value.to_owned());
        }
    }
    notice.started = text(finding, "/FirstObservedAt").or_else(|| text(finding, "/CreatedAt")).and_then(time);
    text(finding, "/Description").unwrap_or(title).clone_into(&mut notice.summary);
    notice.fact("Severity", label);
    fact(&mut notice, "Found by", product);
    fact(&mut notice, "Resource", resource);
    fact(&mut notice, "Compliance", text(finding, "/Compliance/Status"));
    fact(&mut notice, "Workflow", workflow);
    let resources = finding.get("Resources").and_then(Value::as_array).map_or(0, Vec::len);
    if resources > 1 {
        notice.fact("Resources", format!("{resources} in all"));
    }
    let tags = finding.pointer("/Resources/0/Tags");
    if environment(tags).is_some() {
        place_by(&mut notice, tags);
    }
    if state == State::Firing {
        let step = text(finding, "/Remediation/Recommendation/Text")
            .unwrap_or("Mend it, or say in Security Hub why it may stay.");
        notice.next_steps.push(step.to_owned());
        if let Some(url) = text(finding, "/Remediation/Recommendation/Url").filter(|url| is_https(url)) {
            notice.links.push(Link { title: "How to mend it".to_owned(), url: url.to_owned() });
        }
    }
    if let Some(console) = event.console() {
        let page = format!(
            "#/findings?search=Id%3D%255Coperator%255C%253AEQUALS%255C%253A{}",
            encoded(&encoded(id))
        );
        notice.links.push(console.link("Finding", "securityhub/home", &page));
    }
    Some(notice)
}
