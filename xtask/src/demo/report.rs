//! What a function's report says.

use jiff::Timestamp;
use serde_json::Value;

use super::alarms::{Fired, Watch};

/// A text of a JSON object; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn at<'a>(report: &'a Value, path: &str) -> Option<&'a str> {
    report.pointer(path).and_then(Value::as_str)
}

/// Outcome and reason.
pub(super) fn said(report: &Value) -> String {
    format!("{}: {}", text(report, "outcome"), text(report, "reason"))
}

/// Whether alarm-rollback's report is about this change of this alarm, and not about one before it.
pub(super) fn is_about(report: &Value, watch: Watch, state: &str, fired: &Fired) -> bool {
    let change = |name: &str| at(report, &format!("/record/facts/cause/alarm/{name}"));
    change("name") == Some(watch.name)
        && change("state").is_some_and(|known| known.eq_ignore_ascii_case(state))
        && text(report, "time").parse::<Timestamp>().is_ok_and(|time| time >= fired.wall)
}

/// Outcome and reason of deployment-watch's report, where it is about an operation's end; a batch of several timers
/// is one report.
pub(super) fn closing(report: &Value) -> Option<(String, String)> {
    let cases = report.pointer("/record/cases").and_then(Value::as_array);
    let cases = cases.into_iter().flatten().chain([report]);
    let ended = ["recovered", "unhealed", "failed_rollback", "superseded"];
    cases
        .map(|case| (text(case, "outcome").to_owned(), text(case, "reason").to_owned()))
        .find(|(outcome, _)| ended.contains(&outcome.as_str()))
}

/// The facts that a rollback for an alarm stands on, as the report has them.
pub(super) fn reasons(report: &Value) -> Vec<(&'static str, String)> {
    let mut reasons = Vec::new();
    if let Some(state) = at(report, "/record/facts/alarm/state") {
        reasons.push(("because", format!("the alarm is {state} when asked again")));
    }
    if let (Some(from), Some(window)) = (
        at(report, "/record/verdict/detail/plan/from"),
        at(report, "/record/facts/rules/policy/rollback/attribution_window"),
    ) {
        let from = from.rsplit('/').next().unwrap_or(from);
        reasons.push((
            "because",
            format!("{from} was deployed within the policy's attribution window, {window}"),
        ));
    }
    if let Some(mode) = at(report, "/record/mode") {
        reasons.push(("because", format!("the mode is {mode}")));
    }
    reasons.extend(notes(report).into_iter().map(|note| ("note", note)));
    if at(report, "/record/verdict/detail/plan/basis") == Some("lower") {
        let why = "local AWS keeps no service deployments, so the family is all there is to go by; AWS keeps 90 days";
        reasons.push(("note", why.to_owned()));
    }
    reasons
}

/// What a person should know of a plan, in the report's words.
pub(super) fn notes(report: &Value) -> Vec<String> {
    let notes = report.pointer("/record/verdict/detail/plan/notes").and_then(Value::as_array);
    notes.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{closing, reasons};

    #[test]
    fn the_reasons_of_a_rollback_are_those_of_its_report() {
        let report = json!({"record": {
            "facts": {"alarm": {"state": "ALARM"}, "rules": {"policy": {"rollback": {"attribution_window": "1h"}}}},
            "mode": "act",
            "verdict": {"detail": {"plan": {"from": "arn:td/web:2", "basis": "source", "notes": ["Not restored."]}}},
        }});
        let expected = [
            ("because", "the alarm is ALARM when asked again"),
            ("because", "web:2 was deployed within the policy's attribution window, 1h"),
            ("because", "the mode is act"),
            ("note", "Not restored."),
        ];
        assert_eq!(reasons(&report), expected.map(|(label, text)| (label, text.to_owned())));
    }

    #[test]
    fn an_end_is_found_alone_and_among_several() {
        let one = json!({"outcome": "recovered", "reason": "well"});
        let expected = Some(("recovered".to_owned(), "well".to_owned()));
        assert_eq!(closing(&one), expected);
        let waiting = json!({"outcome": "waiting", "reason": "soon"});
        let several = json!({"outcome": "several", "record": {"cases": [waiting, one]}});
        assert_eq!(closing(&several), expected);
        assert_eq!(closing(&waiting), None);
    }
}
