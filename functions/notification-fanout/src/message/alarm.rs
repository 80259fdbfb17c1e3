//! An alarm of `CloudWatch` that publishes here by itself, in any of its three shapes.

use serde_json::Value;
use shared::alarm::{self, AlarmChange};
use shared::notice::{Notice, Severity, State};

use super::event::{Console, Told, encoded, parts_of, place_by, subject};
use super::letter::Letter;

/// An alarm's change of state. Its key is its own, so that nothing a function says about the same alarm counts as
/// already delivered.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let change: AlarmChange = alarm::from_message(content, letter.topic).ok()?;
    let (state, severity) = standing(&change);
    let incident = format!("cloudwatch:{}", change.arn.as_deref().unwrap_or(&change.name));
    let title = match change.previous {
        Some(previous) => {
            format!("Alarm {} went from {} to {}", change.name, previous.as_str(), change.state.as_str())
        }
        None => format!("Alarm {} is now {}", change.name, change.state.as_str()),
    };
    let (_, region, account) = change.arn.as_deref().map(parts_of).unwrap_or_default();
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("alarm", &change.name, change.arn.as_deref()),
        title: &title,
        time: Some(change.changed_at),
    };
    let mut notice = told.notice("cloudwatch", (region, account), letter);
    notice.summary = change.description.clone().unwrap_or_else(|| change.reason.clone());
    if notice.summary.is_empty() {
        notice.summary = format!("{title}.");
    }
    notice.labels.insert("alarm_state".to_owned(), change.state.as_str().to_owned());
    if !change.reason.is_empty() && change.description.is_some() {
        notice.fact("Reason", &change.reason);
    }
    if change.composite {
        notice.fact("Kind", "made of other alarms");
    }
    for dimensions in change.dimensions.iter().filter(|dimensions| !dimensions.is_empty()) {
        let pairs: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name} {value}")).collect();
        notice.fact("Metric of", pairs.join(", "));
    }
    if change.muted {
        notice.fact("Note", "its owner muted its actions just now");
    }
    place_by(&mut notice, content.pointer("/detail/alarmTags"));
    if let Some(console) = region.and_then(Console::of) {
        let page = format!("#alarmsV2:alarm/{}", encoded(&change.name));
        notice.links.push(console.link("Alarm", "cloudwatch/home", &page));
    }
    Some(notice)
}

/// What its owner muted, and what comes or goes only because there are data again, is for the record. The label
/// `alarm_state` says what the alarm is, for whoever knows whether its incident is open.
fn standing(change: &AlarmChange) -> (State, Severity) {
    match (change.state, change.previous) {
        (alarm::State::Alarm, _) if change.muted => (State::Info, Severity::Sev4),
        (alarm::State::Alarm, _) => (State::Firing, Severity::Sev2),
        (alarm::State::InsufficientData, _) | (alarm::State::Ok, Some(alarm::State::InsufficientData)) => {
            (State::Info, Severity::Sev4)
        }
        (alarm::State::Ok, Some(alarm::State::Alarm | alarm::State::Ok) | None) => {
            (State::Resolved, Severity::Sev2)
        }
    }
}
