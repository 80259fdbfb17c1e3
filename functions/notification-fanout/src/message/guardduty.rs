//! What `GuardDuty` finds. Shape: Amazon `GuardDuty` User Guide, "Processing findings with Amazon EventBridge".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Event, Told, encoded, environment, fact, place_by, subject, time};
use super::letter::Letter;

/// Where the tags of what was attacked may stand.
const TAGS: [&str; 5] = [
    "/resource/instanceDetails/tags",
    "/resource/ecsClusterDetails/tags",
    "/resource/eksClusterDetails/tags",
    "/resource/rdsDbInstanceDetails/tags",
    "/resource/s3BucketDetails/0/tags",
];

/// One finding. `GuardDuty` tells of it again when it is seen again.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.guardduty", content).filter(|event| event.kind == "GuardDuty Finding")?;
    let id = event.text("/id")?;
    let kind = event.text("/type")?;
    let number = event.detail.get("severity").and_then(Value::as_f64).unwrap_or_default();
    let severity = severity(number);
    let archived = event.detail.pointer("/service/archived").and_then(Value::as_bool) == Some(true);
    let state = match severity {
        _ if archived => State::Resolved,
        Severity::Sev4 => State::Info,
        Severity::Sev1 | Severity::Sev2 | Severity::Sev3 => State::Firing,
    };
    let incident = format!("guardduty:{}", event.text("/arn").unwrap_or(id));
    let title = event.text("/title").unwrap_or(kind);
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("finding", kind, event.text("/arn")),
        title,
        time: event.text("/updatedAt").and_then(time),
    };
    let mut notice = told.of(&event, letter);
    // The account that it happened in, not the one that is told.
    if let Some(account) = event.text("/accountId") {
        notice.labels.insert("account".to_owned(), account.to_owned());
    }
    notice.started = event.text("/service/eventFirstSeen").and_then(time);
    event.text("/description").unwrap_or(title).clone_into(&mut notice.summary);
    notice.fact("Type", kind);
    notice.fact("Severity", format!("{number} of 10"));
    fact(&mut notice, "Resource", event.text("/resource/resourceType"));
    let named = [
        "/resource/instanceDetails/instanceId",
        "/resource/accessKeyDetails/userName",
        "/resource/s3BucketDetails/0/name",
    ];
    fact(&mut notice, "Name", named.into_iter().find_map(|pointer| event.text(pointer)));
    fact(
        &mut notice,
        "From",
        event
            .text("/service/action/networkConnectionAction/remoteIpDetails/ipAddressV4")
            .or_else(|| event.text("/service/action/awsApiCallAction/remoteIpDetails/ipAddressV4")),
    );
    if let Some(count) = event.detail.pointer("/service/count").and_then(Value::as_u64) {
        notice.fact("Seen", format!("{count} times"));
    }
    fact(&mut notice, "Last seen", event.text("/service/eventLastSeen"));
    if let Some(tags) =
        TAGS.into_iter().map(|tags| event.detail.pointer(tags)).find(|tags| environment(*tags).is_some())
    {
        place_by(&mut notice, tags);
    }
    if state == State::Firing {
        notice.next_steps.push(
            "Find out whether this was one of us; if not, isolate the resource before anything else."
                .to_owned(),
        );
    }
    if let Some(console) = event.console() {
        let page = format!("#/findings?macros=current&fId={}", encoded(id));
        notice.links.push(console.link("Finding", "guardduty/home", &page));
    }
    Some(notice)
}

/// `GuardDuty`'s own bands: critical from 9, high from 7, medium from 4, low below.
fn severity(number: f64) -> Severity {
    match number {
        number if number >= 9.0 => Severity::Sev1,
        number if number >= 7.0 => Severity::Sev2,
        number if number >= 4.0 => Severity::Sev3,
        _ => Severity::Sev4,
    }
}
