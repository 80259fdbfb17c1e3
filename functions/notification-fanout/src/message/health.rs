//! AWS Health: what goes on at AWS, what it plans, and what it wants to be known. Shape: AWS Health User Guide,
//! "AWS Health events Amazon EventBridge schema".

use serde_json::Value;
use shared::notice::{Link, Notice, Severity, State};

use super::event::{Event, Told, environment, fact, place_by, subject, text, time};
use super::letter::Letter;

/// How many of the resources that are affected are named.
const MOST_ENTITIES: usize = 10;

/// An event of AWS Health. One page of an event with many resources stands for all of them.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.health", content)?;
    let code = event.text("/eventTypeCode")?;
    let category = event.text("/eventTypeCategory").unwrap_or("event");
    let service = event.text("/service").unwrap_or("AWS");
    // The Region of the envelope is that of delivery: the same event comes to a second one, too.
    let region = event.text("/eventRegion").or(event.region());
    let status = event.text("/statusCode");
    let (state, severity) = standing(category, status, code);
    // Without an account: an event of the whole Region has the same ARN everywhere.
    let key = event.text("/eventArn").unwrap_or(code);
    let affected = event.text("/affectedAccount").or(event.account());
    let incident = format!("health:{}:{key}", affected.unwrap_or_default());
    let near = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let title = match (category, state) {
        ("issue", State::Resolved) => format!("AWS has solved a problem of {service}{near}"),
        ("issue", State::Firing | State::Info) => format!("AWS has a problem with {service}{near}"),
        ("investigation", State::Resolved) => format!("AWS has ended looking into {service}{near}"),
        ("investigation", State::Firing | State::Info) => format!("AWS is looking into {service}{near}"),
        ("scheduledChange", _) => format!("AWS {} a change of {service}{near}", planned(status)),
        ("accountNotification", _) => format!("AWS has news about {service}{near}"),
        (_, _) => format!("AWS tells of {service}{near}: {code}"),
    };
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("aws-health", code, event.text("/eventArn")),
        title: &title,
        time: event.text("/lastUpdatedTime").and_then(time),
    };
    let mut notice = told.of(&event, letter);
    notice.labels.insert("aws_service".to_owned(), service.to_owned());
    notice.labels.insert("category".to_owned(), category.to_owned());
    if let Some(region) = region {
        notice.labels.insert("region".to_owned(), region.to_owned());
    }
    notice.started = event.text("/startTime").and_then(time);
    notice.summary = description(&event).map_or_else(|| format!("{title}: {code}."), ToOwned::to_owned);
    notice.fact("Event", code);
    fact(&mut notice, "Status", status);
    fact(&mut notice, "Begins", event.text("/startTime"));
    fact(&mut notice, "Ends", event.text("/endTime"));
    entities(&mut notice, &event);
    if let (Some(page), Some(pages)) = (event.text("/page"), event.text("/totalPages"))
        && pages != "1"
    {
        notice.fact("Note", format!("this is part {page} of {pages}; the console shows all resources"));
    }
    if state != State::Resolved {
        next_steps(&mut notice, category, code);
    }
    let url = match region.filter(|region| region.starts_with("cn-")) {
        Some(_) => "https://health.amazonaws.cn/health/home",
        None => "https://health.aws.amazon.com/health/home",
    };
    notice.links.push(Link { title: "AWS Health".to_owned(), url: url.to_owned() });
    Some(notice)
}

/// Only what goes on has an end to wait for. News and plans are for the record, whatever their status.
fn standing(category: &str, status: Option<&str>, code: &str) -> (State, Severity) {
    let open = !matches!(status, Some("closed"));
    let exposed = code.contains("CREDENTIALS_EXPOSED") || code.contains("CREDENTIALS_COMPROMISED");
    match category {
        "issue" if status == Some("upcoming") => (State::Info, Severity::Sev3),
        "issue" if open && exposed => (State::Firing, Severity::Sev1),
        "issue" => (if open { State::Firing } else { State::Resolved }, Severity::Sev2),
        "investigation" if status == Some("upcoming") => (State::Info, Severity::Sev4),
        "investigation" => (if open { State::Firing } else { State::Resolved }, Severity::Sev3),
        "scheduledChange" if open => (State::Info, Severity::Sev3),
        _ => (State::Info, Severity::Sev4),
    }
}

fn planned(status: Option<&str>) -> &'static str {
    match status {
        Some("closed") => "has ended",
        Some("open") => "makes",
        Some(_) | None => "plans",
    }
}

/// In English, where there are several.
fn description<'a>(event: &Event<'a>) -> Option<&'a str> {
    let all = event.detail.get("eventDescription")?.as_array()?;
    let english = all.iter().find(|one| text(one, "/language").is_some_and(|word| word.starts_with("en")));
    text(english.or(all.first())?, "/latestDescription")
}

fn entities(notice: &mut Notice, event: &Event<'_>) {
    let listed = event.detail.get("affectedEntities").and_then(Value::as_array);
    let mut names: Vec<_> =
        listed.into_iter().flatten().filter_map(|entity| text(entity, "/entityValue")).collect();
    if names.is_empty() {
        let resources = event.whole.get("resources").and_then(Value::as_array);
        names = resources.into_iter().flatten().filter_map(Value::as_str).collect();
    }
    let more = names.len().saturating_sub(MOST_ENTITIES);
    for name in names.into_iter().take(MOST_ENTITIES) {
        notice.fact("Affected", name);
    }
    if more > 0 {
        notice.fact("Affected, too", format!("{more} more"));
    }
    let tagged = listed.into_iter().flatten().map(|entity| entity.get("tags"));
    if let Some(tags) = tagged.into_iter().find(|tags| environment(*tags).is_some()) {
        place_by(notice, tags);
    }
}

fn next_steps(notice: &mut Notice, category: &str, code: &str) {
    let step = match category {
        _ if code.contains("CREDENTIALS") => {
            "Make the key inactive now, look for what was done with it, and read the support case that AWS opened."
        }
        "issue" => "Compare with your own alarms; do not roll back what AWS causes.",
        "investigation" => "Keep it in mind when alarms fire that have no other cause.",
        "scheduledChange" => "Look when it happens to which resources, and whether you have to act before.",
        _ => return,
    };
    notice.next_steps.push(step.to_owned());
}
