//! What an invocation that tells people reports.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::queue::answer;
use shared::{Error, Report, Result};

use crate::decision::{Outcome, Settlement};
use crate::queue::Record;
use crate::run::{Done, Run};

/// The messages that have to come again, each once, as soon as the first of its notices does.
pub(crate) fn unfinished<'a>(done: &[Done<'a>]) -> Vec<(&'a Record, Duration)> {
    let mut found: Vec<(&Record, Duration)> = Vec::new();
    for done in done {
        let Settlement::GiveBack(after) = done.settlement else { continue };
        for record in &done.work.records {
            match found.iter_mut().find(|(known, _)| std::ptr::eq(*known, *record)) {
                Some((_, first)) => *first = (*first).min(after),
                None => found.push((record, after)),
            }
        }
    }
    found
}

/// The report. Where nothing came of anything but errors, the first of them is the answer, so that the whole batch
/// comes again and the alarm on errors sees it.
pub(crate) fn of_notices(
    done: Vec<Done<'_>>,
    unfinished: &[(&Record, Duration)],
    errors: Vec<Error>,
    run: &Run<'_>,
) -> Result<Report> {
    let (rules, now) = (&run.rules, run.now());
    let all = || done.iter().flat_map(|done| &done.outcomes).map(|(_, _, outcome)| outcome);
    let of = |wanted: fn(&Outcome) -> bool| all().filter(|outcome| wanted(outcome)).count();
    let delivered = of(|outcome| matches!(outcome, Outcome::Acknowledged | Outcome::AcceptedUnverified));
    let dead = of(|outcome| matches!(outcome, Outcome::DeadLettered { .. }));
    let rerouted = of(|outcome| matches!(outcome, Outcome::Rerouted { .. }));
    let joined = of(|outcome| matches!(outcome, Outcome::Joined { .. }));
    let given_back = unfinished.len();

    // The queue's own age metric leaves out what was received three times, and so whatever waits for a channel.
    let age = |record: &Record| record.sent.map(|sent| now.duration_since(sent));
    let waiting = unfinished.iter().filter_map(|(record, _)| age(record)).max().unwrap_or_default();
    let fresh = |outcome: &Outcome| matches!(outcome, Outcome::Acknowledged | Outcome::AcceptedUnverified);
    let latency = done
        .iter()
        .filter(|done| done.outcomes.iter().any(|(_, _, outcome)| fresh(outcome)))
        .filter_map(|done| done.work.records.iter().filter_map(|record| age(record)).max())
        .max();

    let (outcome, reason) = if dead > 0 {
        ("dead_lettered", format!("{dead} refused for good, {delivered} delivered, {given_back} given back"))
    } else if given_back > 0 {
        ("given_back", format!("{given_back} come again later, {delivered} delivered"))
    } else if rerouted > 0 {
        ("rerouted", format!("{rerouted} told on a fallback, {delivered} delivered"))
    } else if delivered > 0 {
        ("delivered", format!("{delivered} delivered, {joined} wait with others"))
    } else if joined > 0 {
        ("joined", format!("{joined} wait with others"))
    } else {
        ("ignored", "nobody was to be told, or everybody had been told before".to_owned())
    };
    let subject = match done.as_slice() {
        [only] => shown(&only.work.notice.incident),
        several => format!("{} notices", several.len()),
    };
    let notices: Vec<_> = done.iter().map(record_of).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of a batch are far below 2^52")]
    let mut report = Report::new(outcome, subject, reason)
        .metric("Delivered", "Count", delivered as f64)
        .metric("GivenBack", "Count", given_back as f64)
        .metric("Waiting", "Seconds", waiting.as_secs_f64())
        .metric("Rerouted", "Count", rerouted as f64)
        .metric("DeadLettered", "Count", dead as f64)
        .record("policy", &json!({"version": rules.loaded.version, "problem": rules.problem}))
        .record("links", &json!({"problem": run.secrets.signer.as_ref().err()}))
        .record("notices", &notices)
        .answering(answer(unfinished.iter().filter_map(|(record, _)| record.id.as_deref())));
    if let Some(latency) = latency {
        report = report.metric("Latency", "Milliseconds", latency.as_secs_f64().max(0.0) * 1_000.0);
    }

    let nothing_but_errors =
        done.iter().all(|done| !done.outcomes.is_empty() && done.stumbled == done.outcomes.len());
    match done.into_iter().flat_map(|done| done.errors).chain(errors).next() {
        Some(error) if nothing_but_errors => Err(error),
        Some(_) | None => Ok(report),
    }
}

/// A publisher may write an incident of any length; the report holds its beginning.
fn shown(incident: &str) -> String {
    incident.chars().take(300).collect()
}

/// What is kept of a notice for whoever asks later why it was, or was not, delivered.
fn record_of(done: &Done<'_>) -> Value {
    let notice = &done.work.notice;
    let messages: Vec<_> = done.work.records.iter().map(|record| record.id.as_deref()).collect();
    let channels: Map<_, _> = done
        .outcomes
        .iter()
        .map(|(channel, route, outcome)| {
            let mut shown = json!(outcome);
            if let (Some(fields), false) = (shown.as_object_mut(), route.is_empty()) {
                fields.insert("route".to_owned(), json!(route));
            }
            (channel.clone(), shown)
        })
        .collect();
    let errors: Vec<_> = done.errors.iter().map(Error::chain).collect();
    let given_back_for = match done.settlement {
        Settlement::Done => Value::Null,
        Settlement::GiveBack(after) => json!(after.as_secs()),
    };
    json!({
        "incident": shown(&notice.incident),
        "revision": notice.revision,
        "state": notice.state,
        "messages": messages,
        "channels": channels,
        "unknown_channels": done.unknown,
        "given_back_for": given_back_for,
        "errors": errors,
    })
}
