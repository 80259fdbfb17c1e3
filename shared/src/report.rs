//! What an invocation reports: one line that is log, metric and audit record at once.
//!
//! The line is a CloudWatch embedded-metric-format object (EMF specification, version of 2024): the `_aws` member
//! makes CloudWatch count it, the rest is for people and for replaying a decision. Only `environment`, `function` and
//! `outcome` are dimensions, because every further one multiplies the cost; everything else is a property to search by.
//! The environment is the same in a whole stack: it costs nothing, and keeps the stacks of an account apart.

use std::io::Write;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::error::Class;

/// The metric namespace of all functions.
pub const NAMESPACE: &str = "Watchkeeper";

/// The version of the decision record inside the line.
const RECORD_VERSION: u32 = 1;

/// What one invocation did and why.
#[derive(Debug, Clone)]
#[must_use = "an unread report is of no use to anybody"]
pub struct Report {
    outcome: &'static str,
    subject: String,
    reason: String,
    metrics: Vec<Metric>,
    record: Map<String, Value>,
    answer: Value,
    failure: Option<(Class, String)>,
}

#[derive(Debug, Clone)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    value: f64,
}

impl Report {
    /// An outcome (one of a function's few fixed words in `snake_case`), its subject, and its reason in plain words.
    pub fn new(outcome: &'static str, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            subject: subject.into(),
            reason: reason.into(),
            metrics: Vec::new(),
            record: Map::new(),
            answer: Value::Null,
            failure: None,
        }
    }

    /// The outcome.
    pub const fn outcome(&self) -> &'static str {
        self.outcome
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What the invocation answers its caller.
    pub const fn answer(&self) -> &Value {
        &self.answer
    }

    /// Adds a number that CloudWatch keeps, with its unit (`Count`, `Milliseconds`, …).
    pub fn metric(mut self, name: &'static str, unit: &'static str, value: f64) -> Self {
        self.metrics.push(Metric { name, unit, value });
        self
    }

    /// Adds a part of the decision record: facts, policy, verdict. Never a secret value.
    pub fn record(mut self, name: &str, part: &impl Serialize) -> Self {
        let value = serde_json::to_value(part).unwrap_or_else(|error| Value::String(error.to_string()));
        self.record.insert(name.to_owned(), value);
        self
    }

    /// Sets what the invocation answers its caller.
    pub fn answering(mut self, answer: Value) -> Self {
        self.answer = answer;
        self
    }

    /// Lets the invocation end as failed by this error, although it has more to report than that.
    pub fn failing(mut self, error: &Error) -> Self {
        self.failure = Some((error.class(), error.chain()));
        self
    }

    /// Lets the invocation end well, because the answer says what failed.
    pub fn succeeding(mut self) -> Self {
        self.failure = None;
        self
    }

    /// What the invocation ends as failed by: the error's class, and its text.
    pub fn failure(&self) -> Option<(Class, &str)> {
        self.failure.as_ref().map(|(class, text)| (*class, text.as_str()))
    }

    /// The report of an invocation that failed.
    pub fn failed(error: &Error) -> Self {
        Self::new("failed", "", error.chain()).record("class", &error.class().as_str())
    }
}

/// What is known of every invocation, whatever it did.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What the function's stack watches.
    pub environment: &'a str,
    /// The function's name, without environment.
    pub function: &'static str,
    /// The platform's id of the invocation.
    pub request_id: &'a str,
    /// Whether it is the first of its process.
    pub cold: bool,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: f64,
}

/// Writes down one thing that an invocation did to one message of many, as a line of its own: the report counts them.
pub fn audit(what: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(what) {
        emit(&format!("{{\"audit\":{text}}}"));
    }
}

/// Writes down counts with dimensions of their own, as an EMF line beside the report. Each combination of dimensions is a
/// metric that CloudWatch charges for.
pub fn count(dimensions: &[(&str, &str)], counts: &[(&str, usize)], now: Timestamp) {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics: Vec<Value> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics}],
        }),
    );
    object.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    object.extend(counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
    emit(&Value::Object(object).to_string());
}

/// The report as one line of JSON.
pub fn line(report: &Report, run: &Run<'_>) -> String {
    let mut metrics =
        vec![json!({"Name": "Runs", "Unit": "Count"}), json!({"Name": "Duration", "Unit": "Milliseconds"})];
    metrics.extend(report.metrics.iter().map(|metric| json!({"Name": metric.name, "Unit": metric.unit})));

    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": run.began.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["environment", "function", "outcome"]],
                "Metrics": metrics,
            }],
        }),
    );
    for (name, value) in [
        ("environment", json!(run.environment)),
        ("function", json!(run.function)),
        ("outcome", json!(report.outcome)),
        ("subject", json!(report.subject)),
        ("reason", json!(report.reason)),
        ("request_id", json!(run.request_id)),
        ("time", json!(run.began)),
        ("cold_start", json!(run.cold)),
        ("Runs", json!(1)),
        ("Duration", json!(run.millis)),
    ] {
        object.insert(name.to_owned(), value);
    }
    for metric in &report.metrics {
        object.insert(metric.name.to_owned(), json!(metric.value));
    }
    if !report.record.is_empty() {
        let mut record = report.record.clone();
        record.insert("version".to_owned(), json!(RECORD_VERSION));
        object.insert("record".to_owned(), Value::Object(record));
    }
    Value::Object(object).to_string()
}

/// Writes the line.
pub fn write(report: &Report, run: &Run<'_>) {
    emit(&line(report, run));
}

/// Takes the lines in place of standard output.
type Elsewhere = Box<dyn Fn(&str) + Send + Sync>;

static ELSEWHERE: OnceLock<Elsewhere> = OnceLock::new();

/// Has all lines of this process written by this from now on, for a program whose standard output is somebody's answer. The
/// first to say so is heard.
pub fn divert(to: impl Fn(&str) + Send + Sync + 'static) {
    let _ = ELSEWHERE.set(Box::new(to));
}

/// A log that cannot be written to must not undo what was done, so a failure to write is let go: nobody is left to be told.
fn emit(line: &str) {
    if let Some(to) = ELSEWHERE.get() {
        return to(line);
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Report, Run, line};

    fn written(report: &Report) -> Value {
        let began = "2026-11-20T12:00:00Z".parse().unwrap();
        let (environment, function) = ("prod", "alarm-rollback");
        let run = Run { environment, function, request_id: "r-1", cold: true, began, millis: 1.5 };
        let line = line(report, &run);
        assert!(!line.contains('\n'), "one line: {line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn every_metric_that_is_declared_has_its_value_beside_it() {
        let line = written(&Report::new("held", "ecs:a/b", "too old\nby far").metric("Age", "Seconds", 3.0));
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in declared["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        for dimension in declared["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
    }

    #[test]
    fn the_decision_record_is_versioned() {
        let line = written(&Report::new("held", "", "").record("verdict", &"hold"));
        assert_eq!(line["record"]["version"], 1);
        assert_eq!(line["record"]["verdict"], "hold");
    }
}
