//! The plan of a deed with letters, as people read it.

use serde_json::Value;

use crate::command::when::{aged, lasting};
use crate::command::{each, shown, text};
use crate::reach::now;
use crate::say::{Out, Tone};

/// More groups or parts are not listed.
const LISTED: usize = 20;

/// Tells it: all in one line, then group by group, or part by part.
pub(super) fn show(plan: &Value, out: &Out) {
    let tone = if text(plan, "/outcome") == "proposed" { Tone::Strong } else { Tone::Plain };
    out.line(tone, text(plan, "/reason"));
    let groups: Vec<&Value> = each(plan, "/groups").collect();
    let heads = ["GROUP", "LETTERS", "SENT NOW", "LATER", "ARCHIVED", "STAY", "WHAT THEY DIED OF"];
    let fields = ["/group", "/letters", "/send", "/later", "/archive", "/leave", "/line"];
    table(&heads, &fields, &groups, "groups", out);
    for group in groups.iter().take(LISTED) {
        out.fact(text(group, "/group"), becomes(group));
    }
    let parts: Vec<&Value> = each(plan, "/parts").collect();
    let heads = ["PART", "SENT", "RESTORED BEFORE", "OTHER GROUPS", "CANNOT BE SENT"];
    let fields = ["/part", "/send", "/restored_before", "/passed_over", "/cannot"];
    table(&heads, &fields, &parts, "parts", out);
    if plan.get("lost_at").is_some_and(|at| !at.is_null()) {
        out.fact("lost at", aged(plan, "/lost_at", now()));
    }
    for (label, list) in [("not looked at", "/not_looked_at"), ("forgotten", "/forgotten")] {
        for part in each(plan, list).filter_map(Value::as_str) {
            out.fact(label, part);
        }
    }
    for note in ["/notes", "/why"].into_iter().flat_map(|list| each(plan, list)).filter_map(Value::as_str) {
        out.line(Tone::Warm, note);
    }
}

fn table(heads: &[&str], fields: &[&str], rows: &[&Value], what: &str, out: &Out) {
    if rows.is_empty() {
        return;
    }
    let row = |it: &&Value| fields.iter().map(|field| shown(it, field)).collect();
    out.table(heads, rows.iter().take(LISTED).map(row).collect());
    if let Some(more) = rows.len().checked_sub(LISTED).filter(|more| *more > 0) {
        out.line(Tone::Plain, &format!("and {more} more {what}: --output json has them all"));
    }
}

/// What becomes of a group: where to, in which stages, and why.
fn becomes(group: &Value) -> String {
    let why = text(group, "/why");
    let Some(to) = group.get("to").and_then(Value::as_str) else { return why.to_owned() };
    let to = to.rsplit(':').next().unwrap_or(to);
    let stages: Vec<String> = each(group, "/stages").map(ToString::to_string).collect();
    let patience = group.get("patience_seconds").and_then(Value::as_i64);
    match (stages.as_slice(), patience) {
        ([], _) => format!("to {to}: {why}"),
        ([_], _) | (_, None) => format!("to {to}, {}: {why}", stages.join(", then ")),
        (_, Some(patience)) => {
            format!("to {to}, {}, {} apart at least: {why}", stages.join(", then "), lasting(patience))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::becomes;

    #[test]
    fn what_becomes_of_a_group_is_told_with_where_to_and_in_which_stages() {
        let to = "arn:aws:sqs:eu-central-1:1:orders";
        for (group, expected) in [
            (json!({"why": "they are not asked for"}), "they are not asked for"),
            (json!({"why": "they pass", "to": to}), "to orders: they pass"),
            (
                json!({"why": "a few first", "to": to, "stages": [3], "patience_seconds": 300}),
                "to orders, 3: a few first",
            ),
            (
                json!({"why": "a few first", "to": to, "stages": [5, 20, 7], "patience_seconds": 300}),
                "to orders, 5, then 20, then 7, 5 minutes apart at least: a few first",
            ),
        ] {
            assert_eq!(becomes(&group), expected);
        }
    }
}
