//! What is said: the report of a step, and the text of a failure, which Secrets Manager shows to whoever looks at the
//! rotation. No value stands in either.

use jiff::Timestamp;
use shared::error::Class;
use shared::ledger::rotation::{Rotation, State};
use shared::{Error, Report, queue};

use crate::act::Effect;
use crate::decision::{self, Verdict, standing};
use crate::facts::Facts;
use crate::hidden::veil;

/// The report of what was concluded and done.
pub(crate) fn report(facts: &Facts, verdict: &Verdict, effect: &Effect, now: Timestamp) -> Report {
    let report = Report::new(verdict.outcome(), facts.name(), veil(verdict.why(), &facts.hidden()));
    let report = about(report, facts).record("verdict", verdict).record("effect", effect);
    match effect.exposed {
        // How long new connections with the old credential have failed so far: 0 as it begins, more as it ends.
        Some(exposed) => {
            report.metric("Exposed", "Seconds", now.duration_since(exposed).as_secs_f64().max(0.0))
        }
        None => report,
    }
}

/// The report of a step that failed, and the error that Secrets Manager is answered with.
pub(crate) fn failure(facts: &Facts, verdict: Option<&Verdict>, error: &Error, attempted: bool) -> Report {
    let outcome = match verdict {
        Some(verdict @ (Verdict::Wait { .. } | Verdict::Refuse { .. })) => verdict.outcome(),
        Some(_) | None if matches!(error, Error::Later(_)) => "waiting",
        Some(_) | None => "failed",
    };
    let said = said(facts, error, attempted);
    let error = match error.class() {
        Class::Transient => Error::Later(said.clone()),
        Class::Permanent => Error::Malformed(said.clone()),
    };
    let report = about(Report::new(outcome, facts.name(), said), facts);
    let report = if let Some(verdict) = verdict { report.record("verdict", verdict) } else { report };
    report.record("class", &error.class().as_str()).failing(&error)
}

/// What is recorded of a failure, so that who redeploys can quote it.
pub(crate) fn entry(facts: &Facts, error: &Error, attempted: bool, now: Timestamp) -> Option<Rotation> {
    let known = facts.entry();
    let secret = facts.secret()?;
    let version = facts.work.version();
    // Of a test run, and of what is no rotation, nothing is recorded: it would stand where the last rotation is.
    if facts.work.hook().is_none()
        || known.is_none() && facts.work.hook() != Some(crate::event::Hook::CreateSecret)
        || !secret.holds(version, "AWSPENDING")
    {
        return None;
    }
    Some(Rotation {
        secret: facts.work.secret().to_owned(),
        version: version.to_owned(),
        previous: known.and_then(|known| known.previous.clone()).or_else(|| {
            secret.version("AWSCURRENT").filter(|current| *current != version).map(ToOwned::to_owned)
        }),
        strategy: decision::strategy(facts).or_else(|| known.map(|known| known.strategy))?,
        step: facts.work.step().to_owned(),
        state: State::Failed,
        said: said(facts, error, attempted),
        exposed: known.and_then(|known| known.exposed),
        at: now,
    })
}

fn said(facts: &Facts, error: &Error, attempted: bool) -> String {
    let (step, name, version) = (facts.work.step(), facts.name(), facts.work.version());
    let text = format!(
        "{step} of {name}, version {version}: {}. {}",
        error.chain().trim_end_matches('.'),
        standing(facts, attempted)
    );
    veil(&text, &facts.hidden())
}

/// Every text of the record is veiled, too: it may quote a server.
fn about(report: Report, facts: &Facts) -> Report {
    let mut facts_told = serde_json::to_value(facts).unwrap_or_default();
    let hidden = facts.hidden();
    veil_all(&mut facts_told, &hidden);
    report.record("facts", &facts_told).record("strategy", &decision::strategy(facts))
}

fn veil_all(value: &mut serde_json::Value, hidden: &[crate::hidden::Hidden]) {
    match value {
        serde_json::Value::String(text) => *text = veil(text, hidden),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| veil_all(value, hidden)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| veil_all(value, hidden)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// One report of all messages of a batch, and its answer.
pub(crate) fn together(mut reports: Vec<Report>, unfinished: &[String]) -> Report {
    let answer = queue::answer(unfinished.iter().map(String::as_str));
    match (reports.pop(), reports.is_empty()) {
        (None, _) => Report::new("ignored", "", "the batch is empty").answering(answer),
        (Some(report), true) => report.answering(answer),
        (Some(last), false) => {
            reports.push(last);
            let parts: Vec<_> =
                reports.iter().map(|report| format!("{}: {}", report.outcome(), report.reason())).collect();
            Report::new("several", "", format!("{} settlements", parts.len()))
                .record("parts", &parts)
                .answering(answer)
        }
    }
}
