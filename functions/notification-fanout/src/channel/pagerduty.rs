//! A notice as an event for PagerDuty's Events API v2: an alert for an incident, a change event for a deployment.
//!
//! An incident is triggered and resolved under one `dedup_key`, which is made of the incident alone: so a repetition
//! joins the alert that is there, and the end finds its beginning. A notice of a deployment that goes on firing is
//! both: the alert first, then the change, which PagerDuty shows beside the alert.
//!
//! Limits (PagerDuty, "Events API v2"): `summary` 1,024 characters, `dedup_key` 255, the whole event 512,000 bytes.

use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value, json};
use shared::id;
use shared::notice::{Notice, Severity, State};

use crate::channel::plain::{self, Document, SMALL};
use crate::channel::{Memory, Outbox, Sent, Telling};
use crate::decision::{self, Meaning, Reply};
use crate::render::ladder::{Rung, descend};
use crate::render::{Page, View};

/// The largest event, in bytes.
pub const LARGEST: usize = 512_000;

/// The longest summary.
pub const LONGEST_SUMMARY: usize = 1_024;

/// The longest of the other words.
const LONGEST_WORD: usize = 255;

const LONGEST_LINK: usize = 2_000;

/// What the channel remembers: the change that it was told of last.
const CHANGE: &str = "change";

/// Sends one notice.
pub async fn send(routing_key: &str, api: &Url, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let view = &telling.view;
    let notice = view.notice;
    if notice.state != State::Info || notice.acknowledges() {
        let meaning = climb(out, api, "enqueue", |rung| alert(view, routing_key, rung)).await;
        if meaning != Meaning::Acknowledged {
            return meaning.into();
        }
    }
    let deployment = match (&notice.deployment, notice.state) {
        (Some(deployment), State::Firing | State::Info) => deployment,
        (_, State::Firing | State::Resolved) => return Meaning::Acknowledged.into(),
        (None, State::Info) => {
            return Meaning::Refused("PagerDuty takes incidents and deployments".to_owned()).into();
        }
    };
    let about = id::of(&[&deployment.id, deployment.status.as_str()]);
    // PagerDuty does not know a repeated change by anything; a reminder of the alert is no change.
    if telling.memory.get(CHANGE) == Some(&about) {
        return Meaning::Acknowledged.into();
    }
    let meaning = climb(out, api, "change/enqueue", |rung| change(view, routing_key, rung)).await;
    let memory = (meaning == Meaning::Acknowledged).then(|| {
        let mut memory: Memory = telling.memory.clone();
        memory.insert(CHANGE.to_owned(), about);
        memory
    });
    Sent { meaning, memory }
}

/// Says less each time that PagerDuty does not like how the event is built.
async fn climb(out: &Outbox<'_>, api: &Url, path: &str, event: impl Fn(Rung) -> Value) -> Meaning {
    let Ok(url) = api.join(path) else {
        return Meaning::Refused("api is not an address that paths can be added to".to_owned());
    };
    descend(&Rung::ALL, async |rung| out.post(&url, &[], event(rung).to_string(), meaning).await).await
}

/// What PagerDuty's answer means. A refusal lists what is wrong with the event, in texts that may repeat it.
pub fn meaning(reply: &Reply, now: Timestamp) -> Meaning {
    match reply.status {
        200 | 202 => Meaning::Acknowledged,
        400 if reply.body.contains("routing_key") => {
            Meaning::Refused("400: routing_key is not that of an Events API v2 integration".to_owned())
        }
        400 => Meaning::Simplify(format!("400: the event is refused for {} reasons", errors(reply))),
        413 => Meaning::Simplify("413: the event is too large".to_owned()),
        status => {
            decision::not_now(reply, now).unwrap_or_else(|| Meaning::Refused(decision::refusal(status)))
        }
    }
}

fn errors(reply: &Reply) -> usize {
    let answer: Option<Value> = serde_json::from_str(&reply.body).ok();
    answer.as_ref().and_then(|answer| answer.get("errors")?.as_array()).map_or(0, Vec::len)
}

/// The event that triggers or resolves the incident's alert.
pub fn alert(view: &View<'_>, routing_key: &str, rung: Rung) -> Value {
    let action = match view.notice.state {
        // Events are acknowledged by the key alone; PagerDuty then calls nobody else, either.
        State::Info if view.notice.acknowledges() => "acknowledge",
        State::Firing | State::Info => "trigger",
        State::Resolved => "resolve",
    };
    written(view, rung, |details, links| {
        let mut payload = payload(view);
        let notice = view.notice;
        payload.insert("severity".to_owned(), severity(notice.severity).into());
        for (name, value) in [
            ("component", &notice.subject.id),
            ("group", &notice.environment),
            ("class", &notice.subject.kind),
        ] {
            let value = plain::line(value, LONGEST_WORD);
            if !value.is_empty() {
                payload.insert(name.to_owned(), value.into());
            }
        }
        payload.insert("custom_details".to_owned(), details);
        json!({
            "routing_key": routing_key,
            "event_action": action,
            "dedup_key": dedup_key(notice),
            "payload": payload,
            "client": "Watchkeeper",
            "links": links,
        })
    })
}

/// The event that tells of a deployment.
pub fn change(view: &View<'_>, routing_key: &str, rung: Rung) -> Value {
    written(view, rung, |details, links| {
        let mut payload = payload(view);
        payload.insert("custom_details".to_owned(), details);
        json!({"routing_key": routing_key, "payload": payload, "links": links})
    })
}

/// The same for all that is told of an incident.
pub fn dedup_key(notice: &Notice) -> String {
    format!("watchkeeper-{}", id::of(&[&notice.incident]))
}

fn written(view: &View<'_>, rung: Rung, event: impl Fn(Value, Value) -> Value) -> Value {
    let page = Page::of(view);
    let full = |document: &Document| event(details(view.notice, document), links(document));
    let fits = |event: &Value| event.to_string().len() <= LARGEST;
    let minimal = || event(json!({"omitted": "details and links, which PagerDuty did not take"}), json!([]));
    let written = match rung {
        Rung::Rich => plain::fitted(&page, LONGEST_LINK, full, fits),
        Rung::Plain => full(&Document::of(&page, SMALL, LONGEST_LINK)),
        Rung::Minimal => minimal(),
    };
    if fits(&written) { written } else { minimal() }
}

fn payload(view: &View<'_>) -> Map<String, Value> {
    let Notice { subject, environment, time, .. } = view.notice;
    let source = [subject.arn.as_deref().unwrap_or_default(), &subject.id, environment]
        .into_iter()
        .map(|text| plain::line(text, LONGEST_WORD))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "watchkeeper".to_owned());
    let summary = plain::title(&Page::of(view).headline, LONGEST_SUMMARY);
    [("summary", summary), ("source", source), ("timestamp", time.to_string())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "critical",
        Severity::Sev2 => "error",
        Severity::Sev3 => "warning",
        Severity::Sev4 => "info",
    }
}

fn details(notice: &Notice, document: &Document) -> Value {
    let mut details: Map<String, Value> =
        document.standing.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    if let Some(lead) = &document.lead {
        details.insert("Told because".to_owned(), json!(lead));
    }
    if !document.summary.is_empty() {
        details.insert("Summary".to_owned(), json!(document.summary));
    }
    for (heading, items) in &document.sections {
        details.insert((*heading).to_owned(), json!(items));
    }
    let mut facts = Map::new();
    for (name, value) in &document.facts {
        // Names may repeat; each value is kept.
        let repeated = (2..).map(|count| format!("{name} ({count})"));
        let free = std::iter::once(name.clone()).chain(repeated).find(|name| !facts.contains_key(name));
        facts.extend(free.map(|name| (name, json!(value))));
    }
    if !facts.is_empty() {
        details.insert("Facts".to_owned(), Value::Object(facts));
    }
    details.insert("Incident".to_owned(), json!(plain::line(&notice.incident, LONGEST_WORD)));
    Value::Object(details)
}

fn links(document: &Document) -> Value {
    let acknowledge = document.acknowledge.iter().map(|link| ("Acknowledge in Watchkeeper", link));
    document
        .links
        .iter()
        .map(|(title, url)| (title.as_str(), url))
        .chain(acknowledge)
        .map(|(title, url)| json!({"href": url, "text": title}))
        .collect()
}

#[cfg(test)]
mod tests;
